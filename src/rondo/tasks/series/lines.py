"""Series to be continued: read from tables, checked in time, gaps filled.

z = f(y), f = log, square root or nothing       every forecast is made in z and turned back at the end
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.tasks.series import times
from rondo.tasks.series.table import SeriesError, Table, read_table

Floats = NDArray[np.float64]
MOST_GAPS = 0.4  # of the values: more are not filled in


@dataclass(frozen=True)
class Line:
    """A series: its name, a text for each time ("" where there is none), its values, and how many were filled in."""

    name: str
    times: list[str]
    values: Floats
    filled: int = 0

    def __len__(self) -> int:
        return len(self.values)

    def part(self, first: int, last: int) -> Line:
        """Steps first ... last - 1."""
        return Line(self.name, self.times[first:last], self.values[first:last])

    def to_json(self, last: int) -> dict[str, Any]:
        """The end of it as plain values."""
        return {"name": self.name, "times": self.times[-last:], "values": [float(v) for v in self.values[-last:]]}

    @classmethod
    def from_json(cls, value: Any) -> Line:
        """The inverse. Raises SeriesError."""
        try:
            found = cls(str(value["name"]), list(map(str, value["times"])), np.asarray(value["values"], dtype=float))
        except (TypeError, KeyError, ValueError) as error:
            raise SeriesError(f"the model file's history cannot be read: {error}") from None
        if found.values.ndim != 1 or len(found.times) != len(found.values) or not np.isfinite(found.values).all():
            raise SeriesError("the model file's history cannot be read: times and values do not fit together")
        return found


def read(path: Path, target: Sequence[str] = (), time: str = "") -> list[Line]:
    """The series of a CSV or TSV file: a column each. Raises SeriesError."""
    return of_table(read_table(path), target, time)


def of_table(table: Table, target: Sequence[str] = (), time: str = "") -> list[Line]:
    """The series of a table: the named columns, else all that hold numbers but the one of times."""
    if time:
        clock: int | None = table.column(time)
    else:
        clock = (
            0
            if not table.numeric(0) or (len(table.columns) > 1 and table.columns[0] not in target and _years(table))
            else None
        )
    stamps = [row[clock].strip() for row in table.rows] if clock is not None else [""] * len(table.rows)
    _check_times(table, stamps)
    columns = [table.column(name) for name in target] or [k for k in range(len(table.columns)) if k != clock]
    return [_line(table, column, stamps) for column in columns]


def _years(table: Table) -> bool:
    """Whether the first column holds years, one after another."""
    found = [times.place(row[0].strip()) for row in table.rows]
    return len(found) > 1 and all(p is not None and p[0] == "year" for p in found)


def _check_times(table: Table, stamps: Sequence[str]) -> None:
    """Times that are known must go on by one step, line after line."""
    places = [times.place(stamp) for stamp in stamps]
    step = None
    for row in range(1, len(places)):
        one, two = places[row - 1], places[row]
        if one is None or two is None or one[0] != two[0]:
            continue
        gap = two[1] - one[1]
        where = f"{table.name}:{table.lines[row]}"
        if gap <= 0:
            raise SeriesError(
                f"{where}: 时间须递增 / times must go forward: {stamps[row]} follows {stamps[row - 1]}: sort the lines"
            )
        step = step or gap
        if gap != step and not (one[0] == "day" and 28 <= min(gap, step) <= max(gap, step) <= 31):
            raise SeriesError(
                f"{where}: 时间有缺口 / {stamps[row - 1]} is followed by {stamps[row]}: put in a line for every step, "
                "its value empty where it is not known"
            )


def _line(table: Table, column: int, stamps: Sequence[str]) -> Line:
    values = np.array([table.cell(row, column) for row in range(len(table.rows))])
    gaps = np.isnan(values)
    name = table.columns[column]
    if gaps.mean() > MOST_GAPS:
        raise SeriesError(
            f"{table.name}: {name!r} 列有 {int(gaps.sum())} 个空值，太多 / {int(gaps.sum())} of {len(values)} values "
            f"in the column {name!r} are not known: too many"
        )
    if gaps.any():
        at = np.arange(len(values))
        values = np.interp(at, at[~gaps], values[~gaps])
    return Line(name, list(stamps), values, int(gaps.sum()))


def joined(history: Line, line: Line) -> tuple[Line, bool]:
    """What is known of a series before `line` put before it, and whether it was: only where its times go on without a
    gap. Earlier lines of the history that `line` holds itself are cut off."""
    first = times.place(line.times[0]) if len(line) else None
    known = [times.place(t) for t in history.times]
    step = times.step(line.times)
    if first is None or step is None or any(p is None or p[0] != first[0] for p in known):
        return line, False
    before = [k for k, p in enumerate(known) if p is not None and p[1] < first[1]]
    if not before or known[before[-1]] != (first[0], first[1] - step[1]):
        return line, False
    end = before[-1] + 1
    values = np.concatenate([history.values[:end], line.values])
    return Line(line.name, [*history.times[:end], *line.times], values, line.filled), True


def into(y: Floats, transform: str, name: str = "") -> Floats:
    """y to z. Raises SeriesError where a logarithm or a root does not exist."""
    if transform == "log":
        if not (y > 0).all():
            raise SeriesError(f"{name}: 取对数要求都是正数 / a logarithm needs positive values: take transform = none")
        return np.log(y)
    if transform == "sqrt":
        if not (y >= 0).all():
            raise SeriesError(
                f"{name}: 开方要求都不为负 / a square root needs values of at least 0: take transform = none"
            )
        return np.sqrt(y)
    return y


def back(z: Floats, transform: str) -> Floats:
    """z to y; quantiles stay quantiles, since the map goes up everywhere."""
    if transform == "log":
        return np.exp(np.minimum(z, 80.0))
    return np.square(np.maximum(z, 0.0)) if transform == "sqrt" else z


def seasonal_scale(y: Floats, season: int) -> float:
    """Mean |y<t> - y<t-season>|, what MASE divides by; of a shorter series that of neighbours."""
    lag = season if len(y) > season else 1
    found = float(np.abs(y[lag:] - y[:-lag]).mean()) if len(y) > lag else math.nan
    return found if found > 0 else math.nan
