"""A table in, a table out.

The file is looked through from end to end before any of its texts is judged, so that what breaks it is told at once;
the results are written beside their place and take their name when they are whole.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from rondo.files import writing_aside
from rondo.tasks.sentiment.analyser import Analyser
from rondo.tasks.sentiment.request import SentimentError
from rondo.tasks.sentiment.results import ROWS, Judged, Results, Tally, cell, judged, looked_through
from rondo.tasks.sentiment.table import DELIMITERS, TEXT, Row, Table

LOOKED_AT = 50  # rows in which the column of texts is guessed


def judge_table(
    analyser: Analyser,
    file: IO[bytes],
    out: IO[bytes],
    table: dict[str, Any],
    format: str,
    asked: dict[str, Any],
    most: int = ROWS,
) -> Iterator[tuple[Tally, list[Judged]]]:
    """Judge the texts of a file that can be read twice, and write the results into `out`, in the table's own encoding
    (JSON lines: UTF-8). Gives the tally, whose `total` is known from the first time on, and each part as it is judged.

    table  the arguments of `Table` beside the file; format: of what is written
    asked  the fields of each request beside its text
    most   rows of a part
    Raises SentimentError where the table is broken, before anything is written.
    """
    tally = Tally()
    first = Table(file=file, **table)
    tally.total = looked_through(first)
    yield tally, []
    file.seek(0)
    second = Table(file=file, **table)
    results = Results(format, first.columns)
    encoding = "utf-8" if format == "jsonl" else second.encoding
    if first.marked and format != "jsonl":
        out.write("\ufeff".encode())
    out.write(results.header().encode(encoding, "replace"))
    for part in judged(analyser, second, tally, asked, most):
        for row in part:
            out.write(results.text(row).encode(encoding, "replace"))
        yield tally, part


def preview(file: IO[bytes], table: dict[str, Any], count: int = 8) -> dict[str, Any]:
    """What a table holds: its columns, the one that most likely holds the texts, the first rows, how many there are.
    Raises SentimentError where it is broken."""
    read = Table(file=file, **{**table, "column": "1" if table["format"] in DELIMITERS else ""})
    first: list[Row] = []
    total = 0
    for row in read.rows():
        total += 1
        if len(first) < LOOKED_AT:
            first.append(row)
    sizes = {c: sum(len(r.fields[c]) for r in first if isinstance(r.fields.get(c), str)) for c in read.columns}
    column = TEXT if TEXT in sizes else max(sizes, key=sizes.__getitem__, default="")
    shown = [[cell(r.fields.get(c)) for c in read.columns] for r in first[:count]]
    return {"columns": read.columns, "column": column, "rows": shown, "total": total}


@contextlib.contextmanager
def readable(path: str, stdin: IO[bytes]) -> Iterator[IO[bytes]]:
    """A file, or with "-" what comes from stdin, put on disk so that it can be read twice."""
    if path != "-":
        with open(path, "rb") as file:
            yield file
        return
    with tempfile.TemporaryFile() as kept:
        shutil.copyfileobj(stdin, kept)
        kept.seek(0)
        yield kept


@contextlib.contextmanager
def written(path: Path, source: str) -> Iterator[IO[bytes]]:
    """A file that takes its name when all is written; whatever stops the writing leaves what stood there. Raises
    SentimentError where it is the source itself, FileError where it cannot be written."""
    if source != "-" and path.exists() and os.path.samefile(path, source):
        raise SentimentError(
            f"{path} 就是读的那份表，请给结果另起一个名字 / "
            f"{path} is the table that is read: give the results another name"
        )
    with writing_aside(path, encoding="") as file:
        yield file
