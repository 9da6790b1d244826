"""Commands of sentiment: sentiment."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rondo.cli.app import app

if TYPE_CHECKING:
    from rondo.tasks.sentiment.results import Tally


@app.command()
def sentiment(
    text: Annotated[str, typer.Argument(metavar="[TEXT]", help="the text to judge; -: stdin")] = "",
    target: Annotated[
        list[str] | None, typer.Option(help="ask about this, wherever it stands; may be repeated [found in the text]")
    ] = None,
    no_targets: Annotated[bool, typer.Option("--no-targets", help="look for no targets")] = False,
    language: Annotated[str, typer.Option(help="zh or en [found from the text]")] = "",
    file: Annotated[
        str, typer.Option(metavar="FILE", help="judge a table of texts: .csv .tsv .jsonl .txt; -: stdin")
    ] = "",
    column: Annotated[str, typer.Option(help="the column that holds the texts, by name or number [text]")] = "",
    out: Annotated[
        Path | None, typer.Option(metavar="FILE", help="write the results here: .csv .tsv .jsonl [stdout]")
    ] = None,
    encoding: Annotated[str, typer.Option(help="of the table: utf-8, gb18030, big5")] = "utf-8",
    format: Annotated[
        str, typer.Option(help="of a table whose name does not tell: csv, tsv, jsonl, txt [txt; csv with --column]")
    ] = "",
    explain: Annotated[
        bool | None, typer.Option("--explain/--no-explain", help="what each piece contributes [not for tables]")
    ] = None,
    model: Annotated[
        str, typer.Option(metavar="RUN", help="a run, a model file, a bundled model [the bundled one of the language]")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Judge how positive a text is, how strongly, and toward which targets; or all texts of a table."""
    if bool(text) == bool(file):
        raise typer.BadParameter('give a text to judge, or a table with --file: rondo sentiment "菜很好吃但是服务太慢"')
    if target and no_targets:
        raise typer.BadParameter("--target asks about targets, --no-targets about none: give one of them")
    asked = {"targets": [] if no_targets else target or None, "language": language}
    if file:
        if as_json:
            raise typer.BadParameter("a table is written with --out: name a .jsonl file for JSON")
        kind = {"format": format, "column": column, "encoding": encoding}
        _table(file, out, model, kind, {**asked, "explain": bool(explain)})
        return
    if out or column:
        raise typer.BadParameter("--out and --column go with a table: name it with --file")
    from rondo.tasks.sentiment.request import sentiment_request

    text = _read() if text == "-" else text
    request = sentiment_request(text=text, explain=explain is not False, **asked)
    from rondo.tasks.sentiment.analyser import Analyser

    response = Analyser.load(model)(request)
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.sentiment.show import show

        show(response)


def _read() -> str:
    """The text on stdin; SentimentError where it is not UTF-8."""
    from rondo.tasks.sentiment.request import SentimentError

    try:
        return sys.stdin.buffer.read().decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SentimentError(
            f"标准输入不是 UTF-8 文本（第 {error.start + 1} 字节） / stdin is not UTF-8 text (byte {error.start + 1})"
        ) from None


def _table(file: str, out: Path | None, model: str, kind: dict[str, Any], asked: dict[str, Any]) -> None:
    """Judge a table; exit code 1 where some of its rows could not be."""
    from rondo.tasks.sentiment.analyser import Analyser
    from rondo.tasks.sentiment.batch import judge_table, readable, written
    from rondo.tasks.sentiment.request import sentiment_request
    from rondo.tasks.sentiment.table import format_of

    sentiment_request(text="x", **asked)  # faults of the options are told before anything is read
    given = kind["format"] or format_of(file, "csv" if kind["column"] else "txt" if file == "-" else "")
    wanted = format_of(out) if out else "csv" if given == "txt" else given
    source = {**kind, "name": "stdin" if file == "-" else file, "format": given}
    with readable(file, sys.stdin.buffer) as read:
        if out:
            with written(out, file) as into:
                tally = _progress(judge_table(Analyser.load(model), read, into, source, wanted, asked), str(out))
        else:
            tally = _progress(judge_table(Analyser.load(model), read, sys.stdout.buffer, source, wanted, asked), "")
    if tally.faulty:
        raise typer.Exit(1)


def _progress(tallies: Iterator[tuple[Tally, Any]], out: str) -> Tally:
    """Show how far it is on the error stream, then what was done."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from rondo.files import printable

    console, begun = Console(stderr=True, highlight=False), time.monotonic()
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("texts")
        for tally, _ in tallies:
            progress.update(task, completed=tally.rows, total=tally.total)
    seconds = max(time.monotonic() - begun, 1e-3)
    speed = f"{tally.rows:,} rows in {seconds:.1f} s ({tally.rows / seconds:,.0f} a second)"
    console.print(f"{speed}, {tally.empty} without text{f', written to {out}' if out else ''}", markup=False)
    for line, error in tally.faults:
        console.print(f"line {line}: {printable(error)}", markup=False, style="red")
    if tally.faulty:
        more = f"; the first {len(tally.faults)} are named" if tally.faulty > len(tally.faults) else ""
        console.print(f"{tally.faulty} rows could not be judged{more}: see the column error", markup=False)
    return tally
