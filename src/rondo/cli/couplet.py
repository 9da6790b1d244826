"""Commands of couplets: train couplet, couplet."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from rondo.cli.app import app
from rondo.cli.settings import add_training
from rondo.cli.text import train
from rondo.tasks.couplet.config import CoupletConfig

add_training(
    train, CoupletConfig, "couplet", "Train the model of couplets on the data sets couplets and tang-song-poems."
)


@app.command()
def couplet(
    line: Annotated[
        str, typer.Argument(metavar="[上联]", help="the line to answer; 白日依山尽|-河-海- fixes characters")
    ] = "",
    lower: Annotated[bool, typer.Option("--lower", help="the given line is the second one (下联)")] = False,
    fix: Annotated[str, typer.Option(help="characters that must stand in the answer, - for a free place")] = "",
    name: Annotated[str, typer.Option(help="a spring couplet that hides these two to four characters")] = "",
    length: Annotated[int, typer.Option(help="characters of a line of a couplet from a name: 5 or 7")] = 7,
    use: Annotated[str, typer.Option(help="诗 春联 喜庆 (poem spring cheer)")] = "",
    traditional: Annotated[bool, typer.Option("--traditional", help="answer in traditional characters")] = False,
    count: Annotated[int, typer.Option(min=1, max=20, help="how many couplets")] = 5,
    seed: Annotated[int, typer.Option(min=0, help="of the draws")] = 0,
    temperature: Annotated[float, typer.Option(min=0.1, max=2.0, help="higher: bolder")] = 0.7,
    model: Annotated[str, typer.Option(metavar="RUN", help="a run, a model file, or a bundled model")] = "couplet",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, the proof included")] = False,
) -> None:
    """Answer a line of a couplet (对联), keep its rules, and show the proof."""
    from rondo.tasks.couplet.request import couplet_request

    values = {"line": line, "lower": lower, "fix": fix, "name": name, "length": length, "use": use}
    values |= {"traditional": traditional, "count": count, "seed": seed, "temperature": temperature}
    request = couplet_request(**values)
    from rondo.tasks.couplet.pair import answer
    from rondo.tasks.couplet.writer import Writer

    response = answer(Writer.load(model), request)
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.couplet.show import show

        show(response)
