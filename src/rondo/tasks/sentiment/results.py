"""Tables of results: the rows that were read, with what was found out about each.

CSV and TSV get the columns

    label  positive  neutral  negative  stars  valence  language  targets  error

with the three probabilities, and `targets` as JSON. Where the table has one of these names already, all of them begin
with `sentiment_`. JSON lines get the fields of a `SentimentResponse` under the same names. A row without text keeps
empty results; a row that could not be judged says why under `error`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, NamedTuple

from rondo.tasks.sentiment.analyser import Analyser
from rondo.tasks.sentiment.request import LABELS, SentimentError, SentimentRequest, SentimentResponse, sentiment_request
from rondo.tasks.sentiment.table import DELIMITERS, Row, Table, free

COLUMNS = ("label", *LABELS, "stars", "valence", "language", "targets", "error")
OBJECT = ("label", "probabilities", "stars", "star_probabilities", "valence", "language", "targets", "pieces", "notes")
WRITTEN = ("csv", "tsv", "jsonl")
ROWS, CHARACTERS = 2048, 400_000  # that are judged together
TOLD = 20  # faulty rows that are remembered with their line


@dataclass
class Tally:
    """What has been done so far: rows of how many, those without text, faulty ones, the first of these as (line, what
    is wrong)."""

    rows: int = 0
    total: int = 0
    empty: int = 0
    faulty: int = 0
    faults: list[tuple[int, str]] = field(default_factory=list)

    def count(self, row: Row, error: str) -> None:
        self.rows += 1
        self.empty += not error and not row.text.strip()
        self.faulty += bool(error)
        if error and len(self.faults) < TOLD:
            self.faults.append((row.line, error))


class Judged(NamedTuple):
    """A row and what was found out about it: None where it has no text, or an error."""

    row: Row
    answer: SentimentResponse | None
    error: str


def looked_through(table: Table) -> int:
    """How many rows a table has. Raises SentimentError where it is broken."""
    return sum(1 for _ in table.rows())


def judged(
    analyser: Analyser, table: Table, tally: Tally, asked: dict[str, Any], most: int = ROWS
) -> Iterator[list[Judged]]:
    """The rows of a table with their answers, in order, at most so many at a time; `asked` are the other fields of each
    request."""
    rows = table.rows()
    while part := _part(rows, most):
        requests = [_request(row, asked) for row in part]
        answers = iter(analyser.many([r for r in requests if isinstance(r, SentimentRequest)]))
        found = []
        for row, request in zip(part, requests, strict=True):
            error = request if isinstance(request, str) else ""
            found.append(Judged(row, next(answers) if isinstance(request, SentimentRequest) else None, error))
            tally.count(row, error)
        yield found


def _part(rows: Iterator[Row], most: int) -> list[Row]:
    found, size = [], 0
    for row in islice(rows, most):
        found.append(row)
        size += len(row.text)
        if size > CHARACTERS:
            break
    return found


def _request(row: Row, asked: dict[str, Any]) -> SentimentRequest | str:
    """The question about a row's text, or what is wrong with it; "" where it has none."""
    if row.error or not row.text.strip():
        return row.error
    try:
        return sentiment_request(text=row.text, **asked)
    except SentimentError as error:
        return str(error)


class Results:
    """Rows with their answers as text in one format; `columns` are those of the table that was read."""

    def __init__(self, format: str, columns: Sequence[str]) -> None:
        if format not in WRITTEN:
            raise SentimentError(
                f"结果写成 {'、'.join(WRITTEN)}，不写 {format!r} / "
                f"results are written as {', '.join(WRITTEN)}, not {format!r}"
            )
        self.format, self.columns = format, list(columns)
        prefix = "sentiment_" if set(COLUMNS) & set(columns) else ""
        self.names: dict[str, str] = {}
        for name in dict.fromkeys((*COLUMNS, *OBJECT)):
            self.names[name] = free(prefix + name, [*columns, *self.names.values()])

    def header(self) -> str:
        """What stands before the rows."""
        if self.format == "jsonl":
            return ""
        return self._line([*self.columns, *(self.names[c] for c in COLUMNS)])

    def text(self, found: Judged) -> str:
        """A row with its answer."""
        if self.format == "jsonl":
            return self._object(found)
        given = [cell(found.row.fields.get(c, "")) for c in self.columns]
        return self._line([*given, *(cells(found)[c] for c in COLUMNS)])

    def _line(self, values: Sequence[str]) -> str:
        into = io.StringIO()
        csv.writer(into, delimiter=DELIMITERS[self.format], lineterminator="\r\n").writerow(values)
        return into.getvalue()

    def _object(self, found: Judged) -> str:
        values: dict[str, Any] = {}
        if found.answer:
            values = found.answer.model_dump()
            values = {k: values[k] for k in OBJECT if k != "pieces" or values[k]}
        elif found.error:
            values = {"error": found.error}
        named = {self.names[k]: v for k, v in values.items()}
        return json.dumps({**found.row.fields, **named}, ensure_ascii=False) + "\n"


def cells(found: Judged) -> dict[str, str]:
    """The columns of results of a row."""
    answer = found.answer
    if answer is None:
        return {**dict.fromkeys(COLUMNS, ""), "error": found.error}
    return {
        "label": answer.label,
        **{label: f"{answer.probabilities[label]:.4f}" for label in LABELS},
        "stars": str(answer.stars),
        "valence": f"{answer.valence:.2f}",
        "language": answer.language,
        "targets": json.dumps([_brief(t.model_dump()) for t in answer.targets], ensure_ascii=False),
        "error": "",
    }


def _brief(target: dict[str, Any]) -> dict[str, Any]:
    found = {k: target[k] for k in ("text", "start", "end", "label", "stars")}
    return {**found, "p": round(target["probabilities"][target["label"]], 4), "valence": round(target["valence"], 2)}


def cell(value: Any) -> str:
    """A value as it stands in a CSV."""
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
