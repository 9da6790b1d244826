"""Commands of language models: train, evaluate, sample, words, neighbours."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Annotated, Any

import typer

from rondo.cli.app import app
from rondo.cli.settings import next_free, takes_settings
from rondo.train.config import TextConfig

train = typer.Typer(help="Train a model, or go on with a training.", invoke_without_command=True)
app.add_typer(train, name="train")

RunName = Annotated[
    Path, typer.Argument(metavar="RUN", help="a run folder, a model file, or the name of a bundled model")
]


@train.callback()
def train_resume(
    context: typer.Context,
    resume: Annotated[Path | None, typer.Option(metavar="RUN", help="go on with this run from its checkpoint")] = None,
) -> None:
    """Train a model; --resume RUN goes on with a run that was stopped, to the same end."""
    if context.invoked_subcommand is None and resume is not None:
        _resume(resume)
    elif context.invoked_subcommand is None:
        print(context.get_help())
    elif resume is not None:
        raise typer.BadParameter("a run is resumed with the settings it has: give --resume RUN alone")


def _resume(folder: Path) -> None:
    """Go on with a run of whatever task its settings name."""
    from rondo.train.run import task_of

    task = task_of(folder)
    if task == "text":
        from rondo.train import text

        text.resume(folder)
    else:
        from rondo import tasks

        tasks.part(task, "train").resume(folder)


@train.command("text")
@takes_settings(TextConfig)
def train_text(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="UTF-8 text, also .gz; or folders")] = None,
    valid: Annotated[list[Path] | None, typer.Option(metavar="FILE", help="text to validate with")] = None,
    out: Annotated[Path | None, typer.Option(help="the new run folder; default: the next free runs/text-N")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="settings, or the name of a shipped config")
    ] = None,
    **settings: Any,
) -> None:
    """Train a language model on text files; without files, on the source of Python's standard library."""
    from rondo.train import configs, quickstart, text

    folder = out or next_free("runs/text")
    path = configs.find(config) if config else None
    if files:
        text.train(files, TextConfig.load(path, **settings), folder, valid=valid or ())
    else:
        base = TextConfig.load(path) if path else quickstart.CONFIG
        given = {name: value for name, value in settings.items() if value is not None}
        quickstart.quickstart(folder, TextConfig.of(dataclasses.asdict(base) | given))


@train.command("bundled")
@takes_settings(TextConfig)
def train_bundled(
    name: Annotated[str, typer.Argument(metavar="NAME", help="english or chinese")],
    data: Annotated[Path, typer.Option(metavar="FOLDER", envvar="RONDO_DATA", help="the folder of data sets")],
    out: Annotated[Path | None, typer.Option(help="the new run folder; default: the next free runs/NAME-N")] = None,
    **settings: Any,
) -> None:
    """Train a bundled language model again, with its shipped configuration."""
    from rondo.train import bundled

    bundled.make(name, data, out or next_free(f"runs/{name}"), **settings)


@app.command()
def words(
    run: RunName,
    prime: Annotated[str, typer.Argument(metavar="TEXT", help="what stands before")],
    count: Annotated[int, typer.Option(min=1, help="how many")] = 10,
) -> None:
    """List the likeliest next words after a text, with their probabilities."""
    from rondo.train.language import load_language_model

    for word, p in load_language_model(run).next_words(prime, count):
        print(f"{p:7.2%}  {word!r}" if word.isspace() else f"{p:7.2%}  {word}")


@app.command()
def neighbours(
    run: RunName,
    word: Annotated[str, typer.Argument(metavar="WORD")],
    count: Annotated[int, typer.Option(min=1, help="how many")] = 10,
) -> None:
    """List the symbols whose embeddings are nearest to a word's, with their cosine similarities."""
    from rondo.train.language import load_language_model

    for other, value in load_language_model(run).neighbours(word, count):
        print(f"{value:6.3f}  {other}")


@app.command()
def evaluate(
    run: RunName,
    data: Annotated[Path, typer.Option(metavar="FILE", help="in the format that the model was trained on")],
    rows: Annotated[int, typer.Option(min=1, help="language model: rows side by side: faster; 1: exact")] = 1,
    count: Annotated[int, typer.Option(min=0, help="poems, couplets: how many are written and judged")] = 200,
    judges: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="poems: a file of poems that judges of theme and style learn from"),
    ] = None,
) -> None:
    """Measure a model on a file of its task's format (a language model: any text); prints JSON."""
    print(json.dumps(_evaluated(run, data, rows, count, judges), indent=1, ensure_ascii=False))


def _evaluated(run: Path, data: Path, rows: int, count: int, judges: Path | None) -> dict[str, Any]:
    from rondo import bundled
    from rondo.files import read_tensors

    path = bundled.model_file(run)
    task = read_tensors(path)[2].get("task", "text")
    if task != "text":
        from rondo import tasks

        own: dict[str, dict[str, Any]] = {"poetry": {"count": count, "judges": judges}, "couplet": {"count": count}}
        return dict(tasks.part(task, "evaluate").evaluate(path, data, **own.get(task, {})))
    from rondo.data.text import read_text
    from rondo.train.language import load_language_model

    return load_language_model(path).evaluate(read_text(data), rows)


@app.command()
def sample(
    run: RunName,
    prime: Annotated[str, typer.Option(help="text to continue")] = "",
    temperature: Annotated[float, typer.Option(min=0.0, help="0: always the likeliest; 1: as the model says")] = 0.7,
    top_k: Annotated[int, typer.Option(min=0, help="draw among so many likeliest symbols; 0: all")] = 0,
    top_p: Annotated[float, typer.Option(min=0.0, max=1.0, help="draw among the likeliest of this whole share")] = 1.0,
    length: Annotated[int, typer.Option(min=1, help="symbols")] = 500,
    seed: Annotated[int, typer.Option(help="of the draws")] = 1,
) -> None:
    """Stream text from a trained language model."""
    from rondo.train.language import load_language_model

    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": seed}
    pieces = load_language_model(run).sample(prime, length, **options)
    print(prime + next(pieces), end="", flush=True)
    for piece in pieces:
        print(piece, end="", flush=True)
    print()
