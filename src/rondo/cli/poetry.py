"""Commands of poems: train poetry, poem."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from rondo.cli.app import app
from rondo.cli.settings import add_training
from rondo.cli.text import train
from rondo.tasks.poetry.config import PoetryConfig

add_training(train, PoetryConfig, "poetry", "Train the generator of poems on the data set tang-song-poems.")


@app.command()
def poem(
    theme: Annotated[str, typer.Argument(metavar="[主题]", help="what it is about: keywords, a title, any text")] = "",
    form: Annotated[str, typer.Option(help="五绝 七绝 五律 七律; 五言 七言: a line for each hidden character")] = "",
    hide: Annotated[str, typer.Option(help="characters to hide, up to eight, one in each line")] = "",
    at: Annotated[
        str, typer.Option(help="藏头 藏尾 藏中 递增 递减 递减至首 (head tail middle rising falling)")
    ] = "藏头",
    mask: Annotated[str, typer.Option(help="lines with free places, parted by |: __春__|_____")] = "",
    lock: Annotated[str, typer.Option(help="an earlier poem with _ for what is to be written anew")] = "",
    rhyme: Annotated[str, typer.Option(help="双句押韵 双句一压 一三四押 首句入韵 (even pairs 134 first)")] = "双句押韵",
    book: Annotated[
        str, typer.Option(help="平水韵 词林正韵 中华新韵 中华通韵 (pingshui cilin xinyun tongyun)")
    ] = "pingshui",
    free: Annotated[bool, typer.Option("--free", help="keep no tone pattern")] = False,
    style: Annotated[str, typer.Option(help="唐 or 宋 (tang song)")] = "",
    count: Annotated[int, typer.Option(min=1, max=20, help="how many poems")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="of the draws")] = 0,
    temperature: Annotated[float, typer.Option(min=0.1, max=2.0, help="higher: bolder")] = 0.7,
    english: Annotated[bool, typer.Option("--english", help="an English gloss of every word under each line")] = False,
    traditional: Annotated[bool, typer.Option("--traditional", help="write traditional characters")] = False,
    model: Annotated[str, typer.Option(metavar="RUN", help="a run, a model file, or a bundled model")] = "poetry",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, the proof included")] = False,
) -> None:
    """Write a classical poem that keeps its form, and show the proof."""
    from rondo.tasks.poetry.request import poem_request

    if mask and lock:
        raise typer.BadParameter("--mask and --lock both say which characters stand: give one of them")
    values = {"form": form, "hide": hide, "at": at, "mask": mask or lock, "rhyme": rhyme, "book": book, "free": free}
    values |= {"theme": theme, "style": style, "count": count, "seed": seed, "temperature": temperature}
    request = poem_request(**values)
    from rondo.tasks.poetry.poet import Poet

    response = Poet.load(model).write(request)
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.poetry.show import show

        show(response, english=english, old=traditional)
