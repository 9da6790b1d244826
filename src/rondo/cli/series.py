"""Commands of series: train series, series."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rondo.cli.app import app
from rondo.cli.settings import next_free, takes_settings
from rondo.cli.text import train
from rondo.tasks.series.config import SeriesConfig

if TYPE_CHECKING:
    from rondo.tasks.series.request import ForecastResponse


@train.command("series")
@takes_settings(SeriesConfig)
def train_series(
    data: Annotated[
        Path, typer.Option(metavar="PATH", envvar="RONDO_DATA", help="the folder of data sets, or one CSV or TSV file")
    ],
    out: Annotated[Path | None, typer.Option(help="the new run folder; default: the next free runs/series-N")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="settings, or the name of a shipped config")
    ] = None,
    **settings: Any,
) -> None:
    """Train a forecast of a series, or a classifier of sequences: from a CSV or TSV file, or a shipped config."""
    from rondo.tasks.series import train as task
    from rondo.train import configs

    path = configs.find(config or Path("series"))
    task.train(data, SeriesConfig.load(path, **settings), out or next_free("runs/series"))


@app.command("series")
def series(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="CSV or TSV, the first line names the columns; default: the model's own"),
    ] = None,
    column: Annotated[str, typer.Option(help="the column to continue; default: the first with numbers")] = "",
    until: Annotated[int, typer.Option(min=0, help="steps that are known; 0: all")] = 0,
    model: Annotated[
        str, typer.Option(metavar="RUN", help="a run, a model file, or a bundled model")
    ] = "series-airline",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Continue a series, with intervals, beside what costs nothing; or, by a model of classes, name sequences."""
    from rondo.tasks.series.evaluate import opened

    network, about = opened(model)
    if about["kind_of_answer"] == "classify":
        _classes(network, about, file, as_json)
        return
    response = _forecast(network, about, file, column, until)
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.series.show import show

        show(response)


def _forecast(network: Any, about: dict[str, Any], file: Path | None, column: str, until: int) -> ForecastResponse:
    from rondo.tasks.series import lines
    from rondo.tasks.series.teller import Teller

    teller = Teller(network, about)
    if file is None:
        return teller.told(teller.history, column, until, own=True)
    config = about["config"]
    return teller.told(lines.read(file, time=config["time"]), column, until)


def _classes(network: Any, about: dict[str, Any], file: Path | None, as_json: bool) -> None:
    """A line for each sequence: its number, its class, how likely; with JSON all probabilities."""
    if file is None:
        raise typer.BadParameter("a model of classes needs a file of sequences")
    from rondo.tasks.series.classes import named

    for one in named(network, about, file):
        print(json.dumps(one, ensure_ascii=False) if as_json else f"{one['sequence']}\t{one['answer']}\t{one['p']:.3f}")
