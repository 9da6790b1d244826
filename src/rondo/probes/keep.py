"""Keep: small networks of the agreement probe in model files. Three come with Rondo: elman, gru, lstm."""

from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import Any

import torch

from rondo import bundled, cells
from rondo.files import FileError
from rondo.models.store import load_model, save_model
from rondo.models.tagger import Tagger
from rondo.probes import agreement
from rondo.probes.run import Settings, batches, build, held_out, measure
from rondo.train.fit import Record, fit

TASK = "agreement"
CELLS = {"elman": "elman", "gru": "gru-cho", "lstm": "lstm"}  # bundled as agreement-elman, ...
SETTINGS = Settings(hidden=24, steps=1500, seeds=1, lr=(0.01,))
LICENCE = "Apache-2.0"
DATA = ["sentences of the project's own small grammar (rondo.probes.grammar), drawn at random"]


def train(kind: str, settings: Settings = SETTINGS, seed: int = 1) -> Generator[Record, None, Tagger]:
    """One training on sentences with 1 to 40 words between subject and verb, from weights and sentences that depend on
    the seed alone; a record for each step. `kind` is a name in CELLS or a shipped cell."""
    torch.manual_seed(seed)
    probe = agreement.probe()
    model = build(cells.find(CELLS.get(kind, kind)), probe, settings.hidden)
    assert isinstance(model, Tagger)
    yield from fit(model, batches(probe, settings.batch, seed), settings.config(settings.lr[0], seed))
    return model.eval()


def accuracies(model: Tagger) -> dict[int, float]:
    """How often the right form of the verb is the likelier one, by words between subject and verb, on the sentences
    that are kept for tests."""
    probe = agreement.probe()
    _, *tests = held_out(probe)
    found = {test.at: measure(model, probe, batch) for test, batch in zip(probe.tests, tests, strict=True)}
    model.eval()
    return found


def save(path: Path, model: Tagger, settings: Settings = SETTINGS, seed: int = 1) -> dict[int, float]:
    """Write the model with its words, settings and accuracies, which are returned."""
    scores = accuracies(model)
    config = {"hidden": settings.hidden, "steps": settings.steps, "batch": settings.batch, "lr": settings.lr[0]}
    about: dict[str, Any] = {
        "task": TASK,
        "title": "Does the verb agree with its subject?",
        "words": list(agreement.SYMBOLS),
        "config": {**config, "seed": seed},
        "metrics": {str(at): value for at, value in scores.items()},
        "data": DATA,
        "licence": LICENCE,
    }
    save_model(path, model, about)
    return scores


def load(name: str | Path) -> Tagger:
    """A model of the probe: from a model file, or the name of a bundled one. Raises FileError with the reason."""
    path = bundled.model_file(name)
    model, about = load_model(path)
    if not isinstance(model, Tagger) or about.get("task") != TASK or about.get("words") != list(agreement.SYMBOLS):
        raise FileError(f"{path} is no network of the agreement probe")
    return model
