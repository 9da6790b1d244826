"""The sentiment desk's routes: a text, and a table of texts."""

from __future__ import annotations

import io
from collections.abc import Generator
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from rondo.studio import models
from rondo.studio.queue import Record, in_steps, in_thread, respond
from rondo.tasks.sentiment.batch import judge_table, preview
from rondo.tasks.sentiment.request import SentimentError, SentimentRequest, SentimentResponse, sentiment_request
from rondo.tasks.sentiment.results import Judged
from rondo.tasks.sentiment.table import ENCODINGS, format_of

router = APIRouter(tags=["sentiment"])
MOST_ROWS = 2000
PART = 100  # rows between two records
SHOWN = 300  # characters of a text in the answer


class PreviewResponse(BaseModel):
    """What a table holds."""

    columns: list[str]
    column: str = Field(description="the one that most likely holds the texts")
    rows: list[list[str]]
    total: int


class JudgedRow(BaseModel):
    """A row of a table: empty strings and zeros where it has no text, or an error."""

    line: int
    text: str = Field(description=f"its first {SHOWN} characters")
    label: str = ""
    p: float = 0
    stars: int = 0
    targets: list[dict[str, Any]] = []
    error: str = ""


class TableResponse(BaseModel):
    """A judged table. As a stream, records with `rows` and `total` come before."""

    rows: int
    total: int
    empty: int
    faulty: int
    faults: list[tuple[int, str]] = Field(description="line and fault of the first faulty rows")
    judged: list[JudgedRow]
    table: str = Field(description="the table with the columns of results, as text")
    format: str


@router.post("/sentiment", response_model=SentimentResponse)
async def sentiment(order: SentimentRequest, http: Request) -> Response:
    """Judge a text: class, strength, targets, and what each piece contributes."""
    return await respond(http, http.app.state.writing, lambda: in_thread(lambda: models.analyser()(order)))


@router.post("/sentiment/preview", response_model=PreviewResponse)
async def previewed(http: Request, name: str = "table.csv", encoding: str = "utf-8") -> Response:
    """Look into a table before it is judged: the body is the file."""
    data, table = await http.body(), _table(name, "", encoding)
    return await respond(http, http.app.state.reading, lambda: in_thread(lambda: preview(io.BytesIO(data), table)))


@router.post("/sentiment/table", response_model=TableResponse)
async def table(
    http: Request, name: str = "table.csv", column: str = "", encoding: str = "utf-8", language: str = ""
) -> Response:
    """Judge the texts of a table, csv, tsv, jsonl or txt by its name: the body is the file, of at most 1 MB."""
    data, described = await http.body(), _table(name, column, encoding)
    asked = sentiment_request(text="x", language=language, explain=False).model_dump(exclude={"text"})
    return await respond(http, http.app.state.writing, lambda: in_steps(lambda: _steps(data, described, asked)))


def _table(name: str, column: str, encoding: str) -> dict[str, str]:
    return {"name": name[:100], "format": format_of(name[:100], "txt"), "column": column, "encoding": encoding}


def _steps(data: bytes, table: dict[str, str], asked: dict[str, Any]) -> Generator[Record, None, None]:
    """How far it is, part by part, then the whole."""
    written, kind = io.BytesIO(), "csv" if table["format"] == "txt" else table["format"]
    found: list[Record] = []
    for tally, part in judge_table(models.analyser(), io.BytesIO(data), written, table, kind, asked, PART):
        if tally.total > MOST_ROWS:
            raise SentimentError(
                f"这里一次最多 {MOST_ROWS} 行，这张表有 {tally.total} 行；更长的表请在终端用 rondo sentiment --file / "
                f"at most {MOST_ROWS} rows here, this table has {tally.total}: judge longer ones in a terminal with "
                "rondo sentiment --file"
            )
        found += map(_row, part)
        yield {"rows": tally.rows, "total": tally.total}
    encoding = "utf-8" if kind == "jsonl" else ENCODINGS[table["encoding"].lower()]
    whole = {k: getattr(tally, k) for k in ("rows", "total", "empty", "faulty", "faults")}
    text = written.getvalue().decode(encoding, "replace").removeprefix("\ufeff")
    yield {**whole, "judged": found, "table": text, "format": kind}


def _row(found: Judged) -> Record:
    row = JudgedRow(line=found.row.line, text=found.row.text[:SHOWN], error=found.error)
    if answer := found.answer:
        targets = [{"text": t.text, "label": t.label, "stars": t.stars} for t in answer.targets]
        row = row.model_copy(
            update={
                "label": answer.label,
                "p": answer.probabilities[answer.label],
                "stars": answer.stars,
                "targets": targets,
            }
        )
    return row.model_dump()
