"""What a part of the benchmark hands back: a table, and targets with their verdicts; printing them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

Row = dict[str, Any]
PAIR = {"ours_ms": "{:.4g}", "theirs_ms": "{:.4g}", "ratio": "{:.2f}", "q1": "{:.2f}", "q3": "{:.2f}"}
RATE = {"gflops": "{:.1f}", "share": "{:.0%}"}


@dataclass(frozen=True)
class Verdict:
    """A target of the project's and what was measured for it.

    value, limit  in the target's unit; `at_most` says that smaller is better
    detail        what the value is made of, e.g. how many shapes
    """

    name: str
    value: float
    limit: float
    at_most: bool = False
    detail: str = ""

    @property
    def met(self) -> bool:
        return self.value <= self.limit if self.at_most else self.value >= self.limit

    @property
    def missed_by(self) -> float:
        """The distance to the limit as a share of the limit; negative where the target is met."""
        gap = self.value / self.limit - 1
        return gap if self.at_most else -gap

    def text(self) -> str:
        """One line: measured, asked, met or missed by how much."""
        asked = f"asked {'at most' if self.at_most else 'at least'} {self.limit:.3g}"
        result = "met" if self.met else "not measured" if math.isnan(self.value) else f"missed by {self.missed_by:.1%}"
        return f"{self.name}: {self.value:.3g}, {asked}: {result}" + (f" ({self.detail})" if self.detail else "")


@dataclass
class Report:
    """One table of the benchmark. `columns` maps keys of the rows to formats; a missing value prints as a dash."""

    title: str
    note: str
    columns: dict[str, str]
    rows: list[Row] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)

    def data(self) -> dict[str, Any]:
        """For the file: everything, unformatted."""
        verdicts = [
            {
                "name": v.name,
                "value": v.value,
                "limit": v.limit,
                "at_most": v.at_most,
                "met": v.met,
                "missed_by": v.missed_by,
                "detail": v.detail,
            }
            for v in self.verdicts
        ]
        return {"title": self.title, "note": self.note, "rows": self.rows, "targets": verdicts}


def show(report: Report, console: Console) -> None:
    """Print the table, its note and its verdicts."""
    console.print(report.title, style="bold", highlight=False)
    table = Table()
    for key, form in report.columns.items():
        table.add_column(key.replace("_", " "), justify="left" if form == "{}" else "right", no_wrap=True)
    for row in report.rows:
        table.add_row(*(_cell(row.get(key), form) for key, form in report.columns.items()))
    console.print(table)
    console.print(report.note, style="dim", highlight=False)
    for verdict in report.verdicts:
        console.print(verdict.text(), style="green" if verdict.met else "yellow", highlight=False)
    console.print()


def _cell(value: Any, form: str) -> str:
    return "-" if value is None else form.format(value)
