"""Commands that ask a network one thing: probe, minimal-pairs."""

from __future__ import annotations

import json
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rondo.cli.app import app

if TYPE_CHECKING:
    from rondo.cell import Cell
    from rondo.probes.probe import Probe
    from rondo.probes.run import Settings, Trial


class Lang(StrEnum):
    """Of the chart."""

    en = "en"
    zh = "zh"


class Task(StrEnum):
    """The probes, as in `rondo.probes.tasks`."""

    copying = "copying"
    adding = "adding"
    parity = "parity"
    dyck = "dyck"
    agreement = "agreement"


Json = Annotated[Path | None, typer.Option("--json", metavar="FILE", help="write everything as JSON")]
Language = Annotated[Lang, typer.Option(help="of the chart")]
ChartFile = Annotated[Path | None, typer.Option(metavar="FILE", help="draw a chart: .svg, .png, .html or .json")]


@app.command()
def probe(
    cells: Annotated[list[str], typer.Argument(metavar="CELL...", help="shipped cells, or text files of equations")],
    task: Annotated[Task, typer.Option(help="what is asked for")],
    length: Annotated[int | None, typer.Option(help="of the sequences; its meaning is the task's")] = None,
    depth: Annotated[int | None, typer.Option(help="of brackets that are open at once (dyck)")] = None,
    parameters: Annotated[int, typer.Option(help="of every network, by choice of its units")] = 20_000,
    hidden: Annotated[int, typer.Option(help="units of every network instead; 0: by parameters")] = 0,
    steps: Annotated[int, typer.Option(help="of each training")] = 2000,
    budget: Annotated[float, typer.Option(metavar="SECONDS", help="of each training, instead of steps")] = 0.0,
    seeds: Annotated[int, typer.Option(help="trainings of each cell")] = 3,
    batch: Annotated[int, typer.Option(help="sequences a step")] = 32,
    lr: Annotated[list[float] | None, typer.Option(help="learning rates to choose from (repeat) [0.003, 0.01]")] = None,
    clip: Annotated[float, typer.Option(help="largest norm of the gradient; 0: no clipping")] = 1.0,
    as_json: Json = None,
    chart: ChartFile = None,
    lang: Language = Lang.en,
) -> None:
    """Compare cells on a task that asks for one ability, at equal parameters and budget."""
    import torch

    from rondo.probes import report, run, tasks

    check_files(as_json, chart)
    torch.set_num_threads(1)  # the networks are small: more threads would wait for each other
    sizes = {name: value for name, value in (("length", length), ("depth", depth)) if value is not None}
    asked = tasks.make(task.value, **sizes)
    rates = tuple(lr) if lr else run.Settings.lr
    settings = run.Settings(parameters, hidden, steps, budget, seeds, batch, rates, clip)
    found = report.Report(asked, settings, watched(named(cells), asked, settings))
    tables = [found.table(), found.sentences()] if asked.look else [found.table()]
    show(tables, f"{task.value}: {asked.measure.name}")
    if as_json:
        write_json(found.to_json(), as_json)
    if chart:
        from rondo.charts import probes
        from rondo.charts.save import save

        save(probes.probe(found.to_json(), lang.value), chart)


def named(cells: list[str]) -> dict[str, Cell]:
    """The cells by the names that tell them apart in a table."""
    from rondo.probes.probe import ProbeError
    from rondo.render.load import load_cell

    found = {Path(name).stem if Path(name).suffix else name: load_cell(name) for name in cells}
    if len(found) < len(cells):
        raise ProbeError("two of the cells have the same name: rename one of the files")
    return found


def watched(cells: dict[str, Cell], asked: Probe, settings: Settings) -> tuple[Trial, ...]:
    """Every trial; meanwhile a bar on the error stream says which training runs and how it does."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    from rondo.probes import run

    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    total, before, trials, value = len(cells) * (settings.seeds + len(settings.lr) - 1), -1, [], ""
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=total)
        for event in run.run(cells, asked, settings):
            if isinstance(event, run.Trial):
                trials.append(event)
                continue
            before += event.record.step == 1
            value = "" if event.record.step == 1 else value if event.value is None else f"{event.value:.4f}"
            text = f"{event.cell}, seed {event.seed}, step {event.record.step:,}: {value or '...'} {asked.measure.name}"
            bar.update(task, description=text, completed=before + event.record.done)
    return tuple(trials)


def show(tables: list[tuple[list[str], list[list[str]]]], title: str) -> None:
    """Tables, the first column to the left and the others to the right."""
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for heads, rows in tables:
        table = Table(title=title if heads is tables[0][0] else None, title_justify="left", box=None, pad_edge=False)
        for k, head in enumerate(heads):
            table.add_column(head, justify="right" if k else "left")
        for row in rows:
            table.add_row(*row)
        console.print(table, "")


def check_files(as_json: Path | None, chart: Path | None) -> None:
    """Say before the work begins that its results could not be written."""
    from rondo.probes.probe import ProbeError

    for path in filter(None, (as_json, chart)):
        if not path.parent.is_dir():
            raise ProbeError(f"there is no folder {path.parent} to write {path.name} into: make it first")
    if chart:
        from rondo.charts import probes, save  # noqa: F401  # says where Altair is not installed

        if chart.suffix not in save.WRITERS:
            raise ProbeError(f"{chart}: a chart is written as {', '.join(save.WRITERS)}")


def write_json(values: dict[str, Any], path: Path) -> None:
    """The values in a file, or the file that was there before."""
    from rondo.files import write_aside

    write_aside(path, (json.dumps(values, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode())


@app.command("minimal-pairs")
def minimal_pairs(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="TSV: good sentence, bad sentence[, group]")],
    model: Annotated[Path, typer.Option(metavar="RUN", help="a language model: run folder or model file")],
    text: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="text for an n-gram model beside it (repeat)")
    ] = None,
    order: Annotated[int, typer.Option(min=1, help="of the n-gram model")] = 3,
    drawn: Annotated[int, typer.Option("--show", min=1, help="pairs whose words are printed and drawn")] = 4,
    as_json: Json = None,
    chart: ChartFile = None,
    lang: Language = Lang.en,
) -> None:
    """Which sentence of each pair does a language model find likelier, and which words surprise it?"""
    from rondo.data.text import read_text
    from rondo.probes import pairs
    from rondo.train.language import load_language_model

    check_files(as_json, chart)
    found = pairs.read(file)
    loaded = load_language_model(model)
    models: dict[str, pairs.LanguageModel] = {"model": loaded}
    if text:
        models[f"{order}-gram"] = pairs.NGramModel.of(loaded.vocab, [read_text(path) for path in text], order)
    scores = pairs.score(found, models)
    show([scores.table(), *(scores.sentence_table(k) for k in range(min(drawn, len(found))))], file.name)
    if as_json:
        write_json(scores.to_json(), as_json)
    if chart:
        from rondo.charts import probes
        from rondo.charts.save import save

        save(probes.surprisal(scores.to_json(), drawn, lang.value), chart)
