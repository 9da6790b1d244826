"""Measures of the models of biological sequences: `rondo evaluate RUN --data FILE`.

Splice sites: accuracy of the three classes and the error of each. Promoters: sensitivity, specificity and Matthews'
correlation (Matthews 1975, doi:10.1016/0005-2795(75)90109-9) of each task at one half. Proteins: accuracy over eight
and over three structures. Beside each the commonest answer and a regression: on k-mers,
for proteins on a window of residues.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rondo import bundled
from rondo.files import FileError
from rondo.models.bag import Bag
from rondo.models.store import load_model
from rondo.tasks.dna import readings
from rondo.tasks.dna.config import TASKS
from rondo.tasks.dna.control import Control
from rondo.tasks.dna.data import SITES, STRUCTURES, Sequences, of_task, plain, read
from rondo.tasks.dna.kmers import Kmers
from rondo.tasks.dna.letters import DnaError
from rondo.tasks.dna.model import SHAPES
from rondo.tasks.dna.promoter import either
from rondo.tasks.dna.window import Window

THREE = {"H": "H", "G": "H", "I": "H", "E": "E", "B": "E", "L": "C", "T": "C", "S": "C"}


def evaluate(path: Path | str, data: Path) -> dict[str, Any]:
    """All measures of the model in `path` on the sequences of the file `data`. Raises DnaError where they are not of
    the model's kind."""
    file = bundled.model_file(path)
    model, about = load_model(file, *SHAPES, Control)
    if about.get("task") != "dna":
        raise FileError(f"{file} is no model of biological sequences")
    kind, records = read(data)
    if kind != about["sequences"]:
        raise DnaError(f"{data} holds {kind} records, the model in {file} is one of {about['sequences']}")
    own = Sequences(kind, of_task(records, about.get("config", {}).get("only", "")))
    measure = {"splice": splice, "promoters": promoters, "protein": protein}[kind]
    return {"kind": kind, "sequences": len(own), **measure(model, own, about)}


def splice(model: Any, own: Sequences, about: dict[str, Any]) -> dict[str, Any]:
    """Three classes, read on both strands."""
    right = [SITES.index(r.label) for r in own.records]
    guess = torch.empty(len(own), dtype=torch.long)
    for index, batch in plain(own):
        guess[torch.from_numpy(index)] = readings.sites(model, batch.x).argmax(1)
    y = torch.tensor(right)
    errors = {f"error_{s}": float((guess[y == k] != k).float().mean()) for k, s in enumerate(SITES)}
    kmers = Bag.from_json(about["bags"]["sites"]).scores([r.sequence for r in own.records]).argmax(1)
    return {
        "accuracy": _share(guess, y),
        **errors,
        "accuracy_kmers": _share(kmers, y),
        "accuracy_commonest": _commonest(right),
    }


def promoters(model: Any, own: Sequences, about: dict[str, Any]) -> dict[str, Any]:
    """Each task that the file has, along either strand and along the given one; the mean of their correlations."""
    strands = torch.empty(2, len(own), len(TASKS))
    for index, batch in plain(own):
        strands[:, torch.from_numpy(index)] = model.predict(batch.x, batch.lengths)
    p = either(strands)
    found: dict[str, Any] = {}
    for k, task in enumerate(TASKS):
        rows = [i for i, r in enumerate(own.records) if r.task == task]
        if rows:
            y = torch.tensor([int(own.records[i].label) for i in rows])
            found[task] = _binary(p[rows, k] > 0.5, y) | {"given_strand": _binary(strands[0, rows, k] > 0.5, y)}
            if task in about.get("kmers", {}):
                score = Kmers.from_json(about["kmers"][task]).scores([own.records[i].sequence for i in rows])
                found[task]["correlation_kmers"] = _binary(score > 0.5, y)["correlation"]
    mean, given = (
        sum(v["correlation"] for v in own) / max(1, len(found))
        for own in (list(found.values()), [v["given_strand"] for v in found.values()])
    )
    return {"correlation": mean, "correlation_given_strand": given, **found}


def protein(model: Any, own: Sequences, about: dict[str, Any]) -> dict[str, Any]:
    """Accuracy per residue over eight structures and over three."""
    guess: list[int] = []
    labels = "".join(r.label for r in own.records)
    found: dict[int, list[int]] = {}
    for index, batch in plain(own):
        best = model.predict(batch.x, batch.lengths).argmax(2).tolist()
        found |= {i: row[: own.sizes[i]] for i, row in zip(index.tolist(), best, strict=True)}
    for i in range(len(own)):
        guess += found[i]
    measures = {"residues": len(labels), **_structures(guess, labels, "")}
    if "window" in about:
        window = Window.from_json(about["window"])
        measures |= _structures([k for r in own.records for k in window.labels(r.sequence).tolist()], labels, "_window")
    return measures | {
        "accuracy_commonest": _commonest(labels),
        "accuracy_three_commonest": _commonest([THREE[c] for c in labels]),
    }


def _structures(guess: Sequence[int], labels: str, called: str) -> dict[str, float]:
    """Shares of residues that are right in eight kinds, and in three."""
    pairs = [(STRUCTURES[k], c) for k, c in zip(guess, labels, strict=True)]
    return {
        f"accuracy{called}": sum(a == b for a, b in pairs) / max(1, len(pairs)),
        f"accuracy_three{called}": sum(THREE[a] == THREE[b] for a, b in pairs) / max(1, len(pairs)),
    }


def _binary(guess: Tensor, y: Tensor) -> dict[str, float]:
    """Sensitivity, specificity and correlation of yes and no."""
    yes = y == 1
    tp, fp = float((guess & yes).sum()), float((guess & ~yes).sum())
    tn, fn = float((~guess & ~yes).sum()), float((~guess & yes).sum())
    below = math.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return {
        "sensitivity": tp / max(1.0, tp + fn),
        "specificity": tn / max(1.0, tn + fp),
        "correlation": (tp * tn - fp * fn) / below if below else 0.0,
    }


def _share(guess: Tensor, y: Tensor) -> float:
    return float((guess == y).float().mean())


def _commonest(labels: Sequence[Any]) -> float:
    return Counter(labels).most_common(1)[0][1] / len(labels)
