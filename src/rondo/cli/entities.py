"""Commands of named entities: train entities, entities."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from rondo.cli.app import app
from rondo.cli.settings import add_training
from rondo.cli.text import train
from rondo.tasks.entities.config import EntitiesConfig

add_training(
    train, EntitiesConfig, "entities-zh", "Train a tagger of named entities on the data sets that its settings name."
)


@app.command()
def entities(
    text: Annotated[
        str, typer.Argument(metavar="[TEXT]", help="Chinese or English text; - reads it from the input")
    ] = "",
    file: Annotated[Path | None, typer.Option(metavar="FILE", help="a .txt, .jsonl or .conll file instead")] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="where its entities go: .jsonl, or .conll; with --file")
    ] = None,
    language: Annotated[str, typer.Option(help="zh or en; default: found from the text")] = "",
    dictionary: Annotated[
        Path | None, typer.Option(metavar="FILE.tsv", help="names that are known: a name, a tab, a type a line")
    ] = None,
    nbest: Annotated[int, typer.Option(min=1, max=20, help="how many readings of each sentence")] = 1,
    directions: Annotated[
        bool,
        typer.Option("--directions", help="the lecture's case for reading both ways: two taggers on two sentences"),
    ] = False,
    model: Annotated[
        str, typer.Option(metavar="RUN", help="a run, a model file, or a bundled model; default: by the language")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Find the names in a text: persons, places, organisations and more, each with its probability."""
    if directions:
        _directions(text, as_json)
    elif file is not None:
        if text:
            raise typer.BadParameter("give a text, or --file FILE, not both")
        _file(file, out, language, dictionary, model)
    elif out is not None:
        raise typer.BadParameter("--out goes with --file FILE")
    else:
        _text(sys.stdin.read() if text == "-" else text, language, dictionary, nbest, model, as_json)


def _text(text: str, language: str, dictionary: Path | None, nbest: int, model: str, as_json: bool) -> None:
    from rondo.tasks.entities.files import read_dictionary
    from rondo.tasks.entities.request import entities_request

    entries = [e.model_dump() for e in read_dictionary(dictionary)] if dictionary else []
    request = entities_request(text=text, language=language, dictionary=entries, nbest=nbest)
    from rondo.tasks.entities.finder import Finder, model_for

    response = Finder.load(model or model_for(text, language))(request)
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.entities.show import show

        show(response)


def _file(file: Path, out: Path | None, language: str, dictionary: Path | None, model: str) -> None:
    from rich.console import Console
    from rich.progress import Progress

    from rondo.tasks.entities.files import beginning, find_in_file, read_dictionary
    from rondo.tasks.entities.finder import Finder, model_for

    target = out or file.with_name(f"{file.name.split('.')[0]}.entities.jsonl")
    finder = Finder.load(model or model_for(beginning(file), language))
    user = finder.dictionary(read_dictionary(dictionary)) if dictionary else None
    with Progress(transient=True, console=Console(stderr=True)) as bar:
        task = bar.add_task("reading", total=None if file.suffix == ".gz" else file.stat().st_size)
        count = find_in_file(finder, file, target, user, lambda n: bar.advance(task, n))
    print(f"{count:,} entities written to {target}")


def _directions(text: str, as_json: bool) -> None:
    from rondo.tasks.entities.directions import BOTH, FORWARD, SENTENCES, Reader, compare
    from rondo.tasks.entities.show import show_directions

    found = compare(Reader.load(FORWARD), Reader.load(BOTH), [text] if text else SENTENCES)
    if as_json:
        print(json.dumps([one.model_dump() for one in found], ensure_ascii=False, indent=1))
    else:
        show_directions(found)
