"""Training the models of series: `rondo train series`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from rondo.models.classifier import Classifier
from rondo.models.moments import Moments
from rondo.render.load import load_cell
from rondo.tasks.series import lines, sequences
from rondo.tasks.series.ahead import backtest, calibrate
from rondo.tasks.series.config import SeriesConfig
from rondo.tasks.series.lines import Line
from rondo.tasks.series.model import Forecaster
from rondo.tasks.series.sequences import Reader, Sequences
from rondo.tasks.series.table import SeriesError
from rondo.tasks.series.windows import Plan, Windows
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.loop import Job, show
from rondo.train.run import Run

HISTORY = 2000  # steps of a series that its model file keeps, at most: what a later forecast goes on from
BASELINE = 4000  # sequences that the baseline of a classifier is fitted on
# what is known of the data sets that shipped configurations name, by their folder
ABOUT: dict[str, dict[str, Any]] = {
    "mnist": {
        "title": "Handwritten digits, read as sequences",
        "data": ["MNIST (LeCun, Cortes, Burges), from github.com/rasbt/mnist-pngs"],
        "licence": "commonly given as CC BY-SA 3.0",
    },
    "japanese-vowels": {
        "title": "Nine speakers, told by a vowel",
        "data": ["Japanese Vowels (Kudo, Toyama, Shimbo 1999), UCI, from github.com/sktime/sktime"],
        "licence": "CC BY 4.0, as UCI gives it",
    },
    "classic-series": {
        "title": "A classic series, continued",
        "data": [
            "airline passengers (Box, Jenkins 1976) or sunspots (Andrews, Herzberg 1985), github.com/jbrownlee/Datasets"
        ],
        "licence": "none stated; published measurements",
    },
}
OWN = {"title": "A series of one's own", "data": ["a file of one's own"], "licence": "that of the file"}


@dataclass
class Forecasts:
    """Series to train on, the same with what is held out behind it, where that begins, and the last calibration."""

    train: list[Line]
    whole: list[Line]
    begins: list[int]
    plan: Plan
    widen: float = 1.0


@dataclass(frozen=True)
class Classes:
    """Sequences to train on and to validate with, and what reads them."""

    train: Sequences
    valid: Sequences
    reader: Reader


Splits = Forecasts | Classes


def build(config: SeriesConfig, width: int = 1, classes: int = 10) -> Forecaster | Classifier:
    """The model that a configuration describes; a classifier reads `width` numbers a step. Raises ConfigError."""
    options: dict[str, Any] = {"input_dropout": config.input_dropout, "output_dropout": config.output_dropout}
    cell, hidden, layers = load_cell(config.cell), config.hidden, config.layers
    try:
        if config.kind == "forecast":
            return Forecaster(cell, Plan.of(config).width, hidden, config.horizon, layers, **options)
        return Classifier(
            cell, width, classes, hidden, layers, bidirectional=config.bidirectional, pooling=config.pooling,
            smoothing=config.smoothing, **options,
        )  # fmt: skip
    except ValueError as error:
        raise ConfigError(str(error)) from None


def job(config: SeriesConfig, splits: Splits) -> Job:
    """What a run with this configuration trains."""
    return _forecasting(config, splits) if isinstance(splits, Forecasts) else _classifying(config, splits)


def _forecasting(config: SeriesConfig, splits: Forecasts) -> Job:
    windows = Windows(splits.train, splits.plan)
    return Job(
        build=lambda: build(config),
        batches=lambda step: windows.batches(config.rows, config.seed, step),
        held_out=lambda: iter(()),
        facts=lambda value: forecast_facts(config, splits, value),
        precision=config.precision,
        judge=lambda model: judged(model, splits),
    )


def _classifying(config: SeriesConfig, splits: Classes) -> Job:
    base = baseline(splits)
    return Job(
        build=lambda: build(config, splits.train.width, len(splits.reader.classes)),
        batches=lambda step: splits.reader.batches(splits.train, config, step),
        held_out=lambda: (batch for _, batch in splits.reader.plain(splits.valid)),
        facts=lambda value: class_facts(config, splits, base, value),
        precision=config.precision,
        judge=lambda model: mistaken(model, splits.reader, splits.valid),
    )


@torch.no_grad()
def judged(model: Forecaster, splits: Forecasts) -> float:
    """The mean absolute error at the held-out origins as a share of seasonal-naive's; calibrates the intervals."""
    mode = model.training
    model.eval()
    splits.widen = calibrate(model, splits.whole, splits.begins, splits.plan)
    table = backtest(model, splits.whole, splits.begins, splits.plan, splits.widen)["table"]
    model.train(mode)
    return float(table["model"]["mae"] / max(table["seasonal"]["mae"], 1e-12))


@torch.no_grad()
def mistaken(model: Classifier, reader: Reader, data: Sequences) -> float:
    """The share of sequences that are taken for another class, and a hundredth of the nats, so that of equals the surer
    one is kept."""
    mode, wrong, nats = model.training, 0, 0.0
    model.eval()
    for _, batch in reader.plain(data):
        p = model.predict(batch.x, batch.lengths)
        wrong += int((p.argmax(1) != batch.labels).sum())
        nats -= float(p.gather(1, batch.labels.unsqueeze(1)).clamp(min=1e-12).log().sum())
    model.train(mode)
    return (wrong + 0.01 * nats) / len(data)


def baseline(splits: Classes) -> Moments:
    """Least squares on each column's mean, spread and changes, whatever their order; pictures are read by rows."""
    index = np.random.default_rng(0).permutation(len(splits.train))[:BASELINE]
    y = [splits.reader.number(splits.train.y[i]) for i in index]
    return Moments.fit(summaries(splits.train, index), y, len(splits.reader.classes))


def summaries(data: Sequences, index: Any) -> list[Any]:
    """What the baseline reads."""
    if isinstance(data.x, np.ndarray):
        return sequences.pictures(data.x[index], "rows")
    return [data.x[i] for i in index]


def forecast_facts(config: SeriesConfig, splits: Forecasts, value: float) -> dict[str, Any]:
    """What the model file of a forecaster says besides."""
    return {
        "task": SeriesConfig.task,
        "kind_of_answer": "forecast",
        "plan": asdict(splits.plan) | {"lags": list(splits.plan.lags)},
        "widen": splits.widen,
        "history": [line.to_json(HISTORY) for line in splits.whole],
        "metrics": {"valid_error": value},
    }


def class_facts(config: SeriesConfig, splits: Classes, base: Moments, value: float) -> dict[str, Any]:
    """What the model file of a classifier says besides."""
    return {
        "task": SeriesConfig.task,
        "kind_of_answer": "classify",
        "reader": asdict(splits.reader),
        "columns": {"label": config.label, "id": config.id},
        "baseline": base.to_json(),
        "metrics": {"valid_error": value, "valid_sequences": len(splits.valid)},
    }


def files(data: Path, config: SeriesConfig) -> dict[str, list[Path]]:
    """What a run reads. `data` is a folder below which the configuration names files, or one file. SeriesError."""
    if data.is_file():
        if config.train_file or config.valid_file:
            raise SeriesError(
                f"这份配置自己指定了文件 / these settings name their own files ({config.train_file}): give the folder "
                "of data sets with --data, or settings without train_file"
            )
        return {"train": _with_labels(data)}
    if not config.train_file:
        raise SeriesError(f"{data} 是文件夹 / {data} is a folder: name a file with --data, or in train_file")
    found = {"train": _with_labels(data / config.train_file)}
    if config.valid_file:
        found["valid"] = _with_labels(data / config.valid_file)
    for file in (f for part in found.values() for f in part):
        if not file.is_file():
            raise SeriesError(f"{file} is missing: name the folder that holds the data sets with --data")
    return found


def _with_labels(path: Path) -> list[Path]:
    return sequences.files_of(path)


def load(found: dict[str, list[Path]], config: SeriesConfig) -> Splits:
    """The data of a run's files, split in time (forecast) or by sequence (classify)."""
    return _forecasts(found, config) if config.kind == "forecast" else _classes(found, config)


def _forecasts(found: dict[str, list[Path]], config: SeriesConfig) -> Forecasts:
    plan = Plan.of(config)
    read = functools.partial(lines.read, target=config.names("target"), time=config.time)
    train = read(found["train"][0])
    if "valid" in found:
        held = {line.name: line for line in read(found["valid"][0])}
        if missing := [line.name for line in train if line.name not in held]:
            raise SeriesError(f"{found['valid'][0].name}: 没有列 / there is no column {missing[0]!r}")
        whole = [_behind(line, held[line.name], found["valid"][0]) for line in train]
        return Forecasts(train, whole, [len(line) for line in train], plan)
    begins = [min(len(line) - 1, len(line) - max(1, round(config.valid_share * len(line)))) for line in train]
    return Forecasts([line.part(0, k) for line, k in zip(train, begins, strict=True)], train, begins, plan)


def _behind(line: Line, held: Line, path: Path) -> Line:
    """What is held out behind what is trained on. Raises SeriesError where it does not follow."""
    whole, follows = lines.joined(line, held)
    if any(line.times) and not (follows and len(whole) == len(line) + len(held)):
        raise SeriesError(
            f"{path.name}: {held.times[0]} does not follow {line.times[-1]}, the end of what is trained on"
        )
    if follows:
        return whole
    return Line(line.name, [*line.times, *held.times], np.concatenate([line.values, held.values]))


def _classes(found: dict[str, list[Path]], config: SeriesConfig) -> Classes:
    train = sequences.read(found["train"][0], config)
    if "valid" in found:
        return Classes(train, sequences.read(found["valid"][0], config), Reader.of(train))
    order = np.random.default_rng(config.seed).permutation(len(train))
    cut = max(1, round(config.valid_share * len(train)))
    parts = [_some(train, index) for index in (np.sort(order[cut:]), np.sort(order[:cut]))]
    return Classes(parts[0], parts[1], Reader.of(parts[0]))


def _some(data: Sequences, index: Any) -> Sequences:
    x = data.x[index] if isinstance(data.x, np.ndarray) else [data.x[i] for i in index]
    return Sequences(x, [data.y[i] for i in index], data.view)


def train(data: Path, config: SeriesConfig, out: Path, console: Console | None = None) -> Run[SeriesConfig]:
    """Train on the configuration's files below the folder `data`, or on the file `data`, into the new run folder."""
    found = files(data, config)
    splits = load(found, config)  # what is wrong with the data is told before a folder is made
    about = ABOUT.get(Path(config.train_file).parts[0] if config.train_file else "", OWN)
    return _trained(Run.create(out, config, found, about), splits, console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[SeriesConfig]:
    """Go on with a run from its newest checkpoint."""
    run = Run.open(folder, SeriesConfig)
    return _trained(run, load(run.data(), run.config), console, go_on=True)


def _trained(run: Run[SeriesConfig], splits: Splits, console: Console | None, go_on: bool) -> Run[SeriesConfig]:
    console = console or Console(highlight=False)
    say: Callable[[str], None] = functools.partial(console.print, markup=False, soft_wrap=True)
    if isinstance(splits, Forecasts):
        steps = sum(len(line) for line in splits.train)
        say(f"{len(splits.train)} series, {steps:,} steps; {splits.plan.horizon} ahead from {splits.plan.context}")
    else:
        say(f"{len(splits.train):,} to train on, {len(splits.valid):,} held out, {len(splits.reader.classes)} classes")
    unit = "of seasonal-naive's error" if isinstance(splits, Forecasts) else "error"
    show(loop.training(run, job(run.config, splits), go_on, say), lambda v: v, unit, console)
    say(f"written to {run.folder}")
    return run
