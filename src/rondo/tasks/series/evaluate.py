"""Measures of the models of series: `rondo evaluate RUN --data FILE`.

Forecasts at every origin of the file, beside the naive ones; classes, beside least squares on means and spreads.
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rondo import bundled
from rondo.files import FileError
from rondo.models.moments import Moments
from rondo.models.store import load_model
from rondo.tasks.series import lines, sequences
from rondo.tasks.series.ahead import backtest
from rondo.tasks.series.config import SeriesConfig
from rondo.tasks.series.lines import Line
from rondo.tasks.series.model import SHAPES
from rondo.tasks.series.sequences import Reader
from rondo.tasks.series.table import SeriesError
from rondo.tasks.series.windows import Plan


def opened(path: Path | str, kind: str = "") -> tuple[Any, dict[str, Any]]:
    """A model of series and its metadata; of one kind where it is named. Raises FileError."""
    file = bundled.model_file(path)
    model, about = load_model(file, *SHAPES)
    if about.get("task") != "series" or about.get("kind_of_answer") not in ("forecast", "classify"):
        raise FileError(f"{file} is no model of series")
    if kind and about["kind_of_answer"] != kind:
        raise FileError(f"{file} is a model to {about['kind_of_answer']}, one to {kind} is needed")
    return model, about


def plan_of(about: dict[str, Any]) -> Plan:
    """How a forecaster's windows are made. Raises FileError."""
    try:
        return Plan(**about["plan"] | {"lags": tuple(about["plan"]["lags"])})
    except (KeyError, TypeError) as error:
        raise FileError(f"the model file does not say how windows are made: {error}") from None


def reader_of(about: dict[str, Any]) -> Reader:
    """What turns sequences into batches. Raises FileError."""
    try:
        return Reader(**about["reader"])
    except (KeyError, TypeError) as error:
        raise FileError(f"the model file does not say how sequences are read: {error}") from None


def evaluate(path: Path | str, data: Path) -> dict[str, Any]:
    """All measures of the model in `path` on the file `data`. Raises SeriesError where the file is of another kind."""
    model, about = opened(path)
    return (_forecasts if about["kind_of_answer"] == "forecast" else _classes)(model, about, data)


def _forecasts(model: Any, about: dict[str, Any], data: Path) -> dict[str, Any]:
    """A file whose times go on where the model's own history ends, or earlier, is measured from its first line on;
    another from the first step that has enough before it."""
    plan, config = plan_of(about), about["config"]
    found = lines.read(data, [t.strip() for t in config["target"].split(",") if t.strip()], config["time"])
    history = {one.name: one for one in map(Line.from_json, about["history"])}
    whole, begins, follows = [], [], True
    for line in found:
        full, known = lines.joined(history[line.name], line) if line.name in history else (line, False)
        whole.append(full)
        begins.append(len(full) - len(line))
        follows &= known
    return {
        "series": len(found),
        "steps": sum(len(line) for line in found),
        "filled_in": sum(line.filled for line in found),
        "goes_on_from_training": follows,
        **backtest(model, whole, begins, plan, about["widen"]),
    }


@torch.no_grad()
def _classes(model: Any, about: dict[str, Any], data: Path) -> dict[str, Any]:
    from rondo.tasks.series.train import summaries

    reader = reader_of(about)
    own = sequences.read(data, SeriesConfig(kind="classify", view=reader.view, **about["columns"]))
    guess = np.zeros(len(own), dtype=int)
    base = np.zeros(len(own), dtype=int)
    moments, nats = Moments.from_json(about["baseline"]), 0.0
    y = np.array([reader.number(label) for label in own.y])
    for index, batch in reader.plain(own):
        p = model.predict(batch.x, batch.lengths)
        guess[index] = p.argmax(1).numpy()
        nats -= float(p.gather(1, batch.labels.unsqueeze(1)).clamp(min=1e-12).log().sum())
        base[index] = moments.scores(summaries(own, index)).argmax(1)
    if not len(own):
        raise SeriesError(f"{data} holds no sequence")
    return {
        "sequences": len(own),
        "steps": int(own.sizes.sum()),
        "accuracy": float((guess == y).mean()),
        "nats": nats / len(own),
        "accuracy_of_class": {
            c: round(float((guess[y == k] == k).mean()), 4) for k, c in enumerate(reader.classes) if (y == k).any()
        },
        "accuracy_baseline": float((base == y).mean()),
        "accuracy_commonest": Counter(y.tolist()).most_common(1)[0][1] / len(y),
    }
