"""The teller: a series in, what comes next out, with intervals, beside what costs nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from rondo.tasks.series import lines, times
from rondo.tasks.series.ahead import backtest, quantiles
from rondo.tasks.series.evaluate import opened, plan_of
from rondo.tasks.series.lines import Line
from rondo.tasks.series.model import Forecaster
from rondo.tasks.series.naive import NAIVE
from rondo.tasks.series.request import STEPS, Backtest, ForecastRequest, ForecastResponse, Step
from rondo.tasks.series.table import SeriesError, table

TRIED = 60  # origins of the past that are tried, at most
FIELDS = ("q05", "q10", "q25", "median", "q75", "q90", "q95")


class Teller:
    """One model of forecasts."""

    def __init__(self, model: Forecaster, about: dict[str, Any]) -> None:
        self.model, self.plan, self.widen = model, plan_of(about), float(about["widen"])
        self.history = [Line.from_json(value) for value in about["history"]]

    @classmethod
    def load(cls, path: Path | str = "series-airline") -> Teller:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
        return cls(*opened(path, "forecast"))

    def __call__(self, request: ForecastRequest) -> ForecastResponse:
        """Continue the table's series, or the model's own."""
        own = not request.table.strip()
        found = self.history if own else lines.of_table(table(request.table.splitlines()))
        return self.told(found, request.column, request.until, own)

    def told(self, found: list[Line], column: str = "", until: int = 0, own: bool = False) -> ForecastResponse:
        """Continue one of some series from a step on. Raises SeriesError."""
        names = [line.name for line in found]
        if column and column not in names:
            raise SeriesError(f"没有叫 {column!r} 的列 / no column is called {column!r}: {', '.join(names)}")
        line = found[names.index(column)] if column else found[0]
        origin = until or len(line)
        if origin > len(line):
            raise SeriesError(
                f"序列只有 {len(line)} 步 / the series has {len(line)} steps, the origin cannot be {origin}"
            )
        q = quantiles(self.model, line, [origin], self.plan, self.widen)[0]
        first = max(0, origin - STEPS)
        shown = line.part(first, min(len(line), origin + self.plan.horizon))
        stamps = times.after(line.times[:origin], self.plan.horizon)
        return ForecastResponse(
            column=line.name,
            columns=names,
            origin=origin,
            steps=len(line),
            times=shown.times,
            values=[float(v) for v in shown.values],
            shown_before=origin - first,
            ahead=[
                Step(time=t, **{n: float(v) for n, v in zip(FIELDS, row, strict=True)})
                for t, row in zip(stamps, q, strict=True)
            ],
            naive={
                name: [float(v) for v in f(line.values[:origin], self.plan.horizon, self.plan.season)]
                for name, f in NAIVE.items()
            },
            backtest=self._backtest(line),
            notes=self._notes(line, own),
        )

    def _backtest(self, line: Line) -> Backtest | None:
        """The last origins of the series whose steps ahead are known; None where there are none."""
        last = len(line) - self.plan.horizon
        first = max(self.plan.needed, last - TRIED + 1)
        if first > last:
            return None
        return Backtest(**backtest(self.model, [line], [first], self.plan, self.widen))

    def _notes(self, line: Line, own: bool) -> list[str]:
        said = []
        if line.filled:
            said.append(
                f"{line.filled} 个空值按直线补上 / {line.filled} values that were not known were filled in on a line"
            )
        if own:
            said.append(
                "这是模型训练和验证过的序列，见过的时段误差会偏低 / the model was trained and validated on this "
                "series: errors where it has learned are lower than on what is new"
            )
        else:
            said.append(
                f"模型没见过这个序列：它按{self.plan.season}步一季读 / the model has never seen this series: it reads "
                f"seasons of {self.plan.season} steps; train one of your own with `rondo train series --data FILE.csv`"
            )
        if any(t == "" for t in line.times):
            said.append("没有时间列 / there is no column of times: steps are counted")
        return said
