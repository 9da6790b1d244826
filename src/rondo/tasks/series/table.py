"""Tables of numbers: CSV and TSV read without trust; every fault names the line and the column.

The first line names the columns. Cells are separated by tabs, commas or semicolons, whichever the first line has most
of; quotes as in RFC 4180. An empty cell, NA, NaN or null is a value that is not known.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from rondo.data.read import read_lines
from rondo.files import printable

UNKNOWN = {"", "na", "nan", "null", "none", "n/a", "-", "?"}
MOST_ROWS = 2_000_000
MOST_COLUMNS = 10_000
LONGEST = 40  # characters of a cell that an error repeats


class SeriesError(ValueError):
    """A table or a series that cannot be used; the message names the line and says what to do."""


@dataclass(frozen=True)
class Table:
    """Cells as text, and the line in the file of each row."""

    name: str
    columns: list[str]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> int:
        """The place of a column. Raises SeriesError naming those that there are."""
        if name not in self.columns:
            raise SeriesError(
                f"{self.name}: 没有叫 {name!r} 的列 / no column is called {name!r}: {', '.join(self.columns)}"
            )
        return self.columns.index(name)

    def cell(self, row: int, column: int) -> float:
        """A number, NaN where it is not known. Raises SeriesError naming line and column."""
        text = self.rows[row][column].strip()
        if text.lower() in UNKNOWN:
            return math.nan
        try:
            value = float(text)
        except ValueError:
            value = math.inf
        if not math.isfinite(value) or abs(value) > 1e15:
            hint = "; write decimals with a point" if "," in text else ""
            raise SeriesError(
                f"{self.name}:{self.lines[row]}: {self.columns[column]!r} 列的 {_short(text)} 不是数 / "
                f"{_short(text)} in the column {self.columns[column]!r} is no number{hint}"
            )
        return value

    def numeric(self, column: int) -> bool:
        """Whether its first known cell is a number."""
        for row in self.rows:
            text = row[column].strip()
            if text.lower() not in UNKNOWN:
                try:
                    float(text)
                except ValueError:
                    return False
                return True
        return True


def read_table(path: Path) -> Table:
    """The table in a file, also .gz. Raises SeriesError, or DataSetError where it is no text."""
    return table((line for _, line in read_lines(path)), path.name)


def table(lines: Iterable[str], name: str = "table") -> Table:
    """The table that lines make."""
    lines = iter(lines)
    first = next(lines, "")
    if not first.strip():
        raise SeriesError(f"{name}:1: 文件是空的 / it is empty: the first line names the columns")
    separator = max("\t,;", key=first.count)
    reader = csv.reader(_chained(first, lines), delimiter=separator, strict=True)
    columns: list[str] = []
    rows: list[list[str]] = []
    numbers: list[int] = []
    try:
        for row in reader:
            if not columns:
                columns = _header(row, name)
            elif row and any(cell.strip() for cell in row):
                if len(row) != len(columns):
                    raise SeriesError(
                        f"{name}:{reader.line_num}: 有 {len(row)} 格，应有 {len(columns)} 格 / it has {len(row)} "
                        f"cells, the first line names {len(columns)} columns"
                    )
                rows.append(row)
                numbers.append(reader.line_num)
                if len(rows) > MOST_ROWS:
                    raise SeriesError(f"{name}: 最多 {MOST_ROWS:,} 行 / at most {MOST_ROWS:,} rows")
    except csv.Error as error:
        raise SeriesError(f"{name}:{reader.line_num}: 不是 CSV / it is not CSV: {error}") from None
    if not rows:
        raise SeriesError(f"{name}:2: 只有表头 / there is no row below the names of the columns")
    return Table(name, columns, rows, numbers)


def _chained(first: str, rest: Iterator[str]) -> Iterator[str]:
    yield first
    yield from rest


def _header(row: list[str], name: str) -> list[str]:
    columns = [printable(cell.strip()) for cell in row]
    if len(columns) > MOST_COLUMNS:
        raise SeriesError(f"{name}:1: 最多 {MOST_COLUMNS} 列 / at most {MOST_COLUMNS} columns")
    for k, column in enumerate(columns):
        if not column:
            raise SeriesError(f"{name}:1: 第 {k + 1} 列没有名字 / the column {k + 1} has no name: give each column one")
        if column in columns[:k]:
            raise SeriesError(f"{name}:1: 有两列叫 {column!r} / two columns are called {column!r}")
    try:
        list(map(float, columns))
    except ValueError:
        return columns
    raise SeriesError(f"{name}:1: 第一行应是列名 / the first line holds numbers, it must name the columns")


def _short(text: str) -> str:
    return repr(printable(text if len(text) <= LONGEST else f"{text[:LONGEST]}..."))
