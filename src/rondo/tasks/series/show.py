"""A forecast in a terminal: its numbers, and how such forecasts did before."""

from __future__ import annotations

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rondo.tasks.series.request import ForecastResponse

NAMES = {
    "model": "模型 model", "last": "上一值 last value", "seasonal": "去年同期 seasonal naive", "drift": "直线 drift",
    "theta": "Theta",
}  # fmt: skip
BLOCKS = "▁▂▃▄▅▆▇█"
WIDTH = 60  # steps of the line of blocks


def show(response: ForecastResponse, console: Console | None = None) -> None:
    """Print the past as blocks, the steps ahead with their intervals, and the table of the origins tried."""
    console = console or Console(highlight=False)
    known = response.values[: response.shown_before][-WIDTH:]
    median = [step.median for step in response.ahead]
    blocks = _blocks([*known, *median])
    text = Text(f"{response.column} ", "bold")
    console.print(text.append(blocks[: len(known)]).append(blocks[len(known) :], "green"))
    ahead = Table(box=None, padding=(0, 2, 0, 0))
    for name in ("", "median", "80 %", "90 %", "seasonal naive"):
        ahead.add_column(name, justify="right", style="dim" if name == "seasonal naive" else "")
    for step, naive in zip(response.ahead, response.naive["seasonal"], strict=True):
        ahead.add_row(
            step.time, f"{step.median:.1f}", f"{step.q10:.1f} - {step.q90:.1f}", f"{step.q05:.1f} - {step.q95:.1f}",
            f"{naive:.1f}",
        )  # fmt: skip
    console.print(ahead)
    _tried(response, console)
    for note in response.notes:
        console.print(Text(note, "yellow"))


def _tried(response: ForecastResponse, console: Console) -> None:
    tried = response.backtest
    if tried is None:
        console.print(Text("太短，没有过去的起点可试 / too short for an origin of the past to be tried", "yellow"))
        return
    table = Table(
        box=None,
        padding=(0, 2, 0, 0),
        title=f"{tried.origins} origins, {tried.horizon} steps each",
        title_justify="left",
    )
    for name in ("", "MAE", "RMSE", "sMAPE", "MASE"):
        table.add_column(name, justify="left" if not name else "right")
    for name, m in tried.table.items():
        mase = "-" if m.mase is None else f"{m.mase:.3f}"
        table.add_row(
            NAMES[name],
            f"{m.mae:.2f}",
            f"{m.rmse:.2f}",
            f"{m.smape:.1f}",
            mase,
            style="bold" if name == "model" else "",
        )
    console.print(table)
    won = tried.beats_all
    said = (
        f"模型胜过全部简单预测 / the model beats all of them; intervals: {_coverage(tried.coverage)}"
        if won
        else f"这里 {tried.best_naive} 比模型好 / here {tried.best_naive} does better than the model; intervals: "
        f"{_coverage(tried.coverage)}"
    )
    console.print(Text(said, "green" if won else "yellow"))


def _coverage(found: dict[str, float]) -> str:
    return ", ".join(f"{share:.0%} inside that of {level} %" for level, share in found.items())


def _blocks(values: list[float]) -> str:
    low, high = min(values), max(values)
    span = max(high - low, 1e-12)
    return "".join(BLOCKS[min(len(BLOCKS) - 1, int((v - low) / span * len(BLOCKS)))] for v in values)
