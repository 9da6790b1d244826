"""Command compare: GRU against LSTM against Elman, or any cells, at equal parameters and at equal time."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Generator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rondo.cli.app import app
from rondo.cli.probe import Json, check_files, named, show

if TYPE_CHECKING:
    from rondo.lab.compare import Event, Result, Text
    from rondo.lab.verdicts import Summary
    from rondo.probes.run import Settings

    Work = Generator[Event, None, Result]


@app.command()
def compare(
    cells: Annotated[
        list[str] | None,
        typer.Argument(metavar="[CELL...]", help="shipped cells, or files of equations [elman gru-cho lstm]"),
    ] = None,
    text: Annotated[
        Path | None, typer.Option(metavar="FILE", help="whose characters are learned [tiny Shakespeare]")
    ] = None,
    valid: Annotated[Path | None, typer.Option(metavar="FILE", help="text to validate with")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", envvar="RONDO_DATA", help="the folder of data sets")
    ] = None,
    parameters: Annotated[int, typer.Option(help="of every network, by choice of its units")] = 20_000,
    seeds: Annotated[int, typer.Option(help="trainings of each cell on each task")] = 3,
    share: Annotated[float, typer.Option(help="of the steps of the shipped figures, 0 to 1")] = 1.0,
    join: Annotated[
        bool, typer.Option("--join", help="train one cell alone, beside the figures of the others")
    ] = False,
    shipped: Annotated[bool, typer.Option("--shipped", help="train nothing: the figures that come with Rondo")] = False,
    as_json: Json = None,
) -> None:
    """Compare cells at equal parameters and at equal time: speed, bits per character, adding, agreement; and what that
    says of the lecture's sentences on GRU and LSTM."""
    import torch

    from rondo.lab import compare as lab
    from rondo.lab.verdicts import summary
    from rondo.probes import compare as probes

    if shipped:
        printed(lab.shipped(), summary(lab.shipped(), share))
        return
    check_files(as_json, None)
    probes.check_share(share)
    torch.set_num_threads(1)  # the networks are small, and one core is what is compared
    if join:
        result = watched(*_joining(cells or [], data, share, seeds))
        printed(result, summary(result, share))
    else:
        own = named(cells or list(lab.CELLS))
        settings = dataclasses.replace(probes.SETTINGS, parameters=parameters, seeds=seeds)
        given = _text(text, valid, data)
        tasks = probes.tasks([given.train], given.validation, share)
        command = shlex.join(["rondo", *sys.argv[1:]])
        steps = {t.name: t.steps for t in tasks}
        result = watched(lab.measured(own, tasks, given, settings, command), steps, len(own) * _trainings(settings))
        printed(result, summary(result))
    if as_json:
        from rondo.files import write_aside

        write_aside(as_json, (result.model_dump_json() + "\n").encode())


def _text(text: Path | None, valid: Path | None, data: Path | None) -> Text:
    from rondo.data.text import read_text
    from rondo.lab import compare as lab

    if text is None:
        return lab.shipped_text(data)
    return lab.Text(name=text.name, train=read_text(text), valid=read_text(valid) if valid else "")


def _joining(cells: list[str], data: Path | None, share: float, seeds: int) -> tuple[Work, dict[str, int], int]:
    from rondo.lab import compare as lab
    from rondo.probes.run import Settings

    if len(cells) != 1:
        raise lab.CompareError("--join 只要一个单元 / --join takes one cell, to be set beside the others")
    result = lab.shipped()
    text = lab.text_of(result, data)
    steps = {t.name: round(share * t.steps) for t in result.tasks if text or t.name != "characters"}
    rates = tuple(result.settings["rates"])
    (own,) = named(cells).values()
    work = lab.joined(own, result, text, share, seeds)
    return work, steps, _trainings(Settings(seeds=seeds, lr=rates))


def _trainings(settings: Settings) -> int:
    """Of one cell on one task."""
    return settings.seeds + len(settings.lr) - 1


def watched(work: Work, steps: dict[str, int], each: int) -> Result:
    """The result of the work; meanwhile a bar on the error stream says what is trained: `each` trainings a task, of so
    many steps."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from rondo.probes.compare import Point, Trial

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    reached = dict[tuple[object, ...], float]()
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("speed", total=float(each * len(steps)))
        try:
            while True:
                _, event = next(work)
                if isinstance(event, Point):
                    reached[event.task, event.cell, event.seed, event.lr] = min(1.0, event.step / steps[event.task])
                    told = f"{event.task}, {event.cell}, seed {event.seed}, step {event.step:,}: {event.value:.4f}"
                    bar.update(task, description=told, completed=sum(reached.values()))
                elif isinstance(event, Trial):
                    step, cpu, value = event.at_steps(steps[event.task])
                    told = f"lr {event.lr:g}, step {step:,}, {cpu:.1f} s: {value:.4f}"
                    bar.console.print(f"{event.task}, {event.cell}, seed {event.seed}: {told} {event.stopped}")
        except StopIteration as end:
            result: Result = end.value
            return result


def printed(result: Result, summary: Summary) -> None:
    """The table, a row a figure, after a share of the result's steps and time, and the sentences."""
    rows = [[f.title.en, *(_cell(f.cells.get(c)) for c in result.cells)] for f in summary.figures]
    title = f"about {result.settings['parameters']:,} parameters each, {result.settings['seeds']} seeds: median (range)"
    show([(["", *(facts.title for facts in result.cells.values())], rows)], title)
    if result.text:
        print(f"text: {result.text.name}, {result.text.characters:,} characters, {result.text.held:,} held out")
    for task in result.tasks:
        steps, seconds = summary.share * task.steps, summary.share * task.seconds
        lines = f"no memory {task.line:.4g}, goal {task.goal:.4g}"
        print(f"{task.name}: {steps:,.0f} steps, {seconds:.3g} s of equal time; {lines}")
    for sentence in summary.sentences:
        print(f"\n{sentence.text.en}")
        for claim in sentence.claims:
            word = {"open": "not decided by these runs"}.get(claim.verdict, claim.verdict)
            print(f"  {claim.title.en}: {word} ({claim.why.en})")
    print(f"\n{result.command}\n{result.made}, {result.seconds:,.0f} s on {result.machine}")


def _cell(found: object) -> str:
    from rondo.lab.verdicts import Spread

    if not isinstance(found, Spread):
        return ""
    if found.median is None or found.low is None or found.high is None:
        known = [v for v in found.values if v is not None]
        return f"{len(known)} of {len(found.values)} seeds" if found.values else ""
    number = "{:,.0f}" if found.median >= 100 or found.median == int(found.median) else "{:.4g}"
    middle = number.format(found.median)
    if len(found.values) == 1:
        return middle
    return f"{middle} ({number.format(found.low)}-{number.format(found.high)})"
