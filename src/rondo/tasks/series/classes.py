"""Sequences of a file, named by a model of classes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rondo.models.classifier import Classifier
from rondo.tasks.series import sequences
from rondo.tasks.series.config import SeriesConfig
from rondo.tasks.series.evaluate import reader_of
from rondo.tasks.series.sequences import Sequences


def named(model: Classifier, about: dict[str, Any], path: Path) -> Iterator[dict[str, Any]]:
    """Of each sequence its number, the likeliest class and all probabilities. Raises SeriesError."""
    reader = reader_of(about)
    own = sequences.read(path, SeriesConfig(kind="classify", view=reader.view, **about["columns"]))
    blind = Sequences(own.x, [reader.classes[0]] * len(own), own.view)  # what is answered does not read the labels
    for index, batch in reader.plain(blind):
        for i, row in zip(index.tolist(), model.predict(batch.x, batch.lengths).tolist(), strict=True):
            best = max(range(len(row)), key=row.__getitem__)
            ranks = {c: round(p, 4) for c, p in zip(reader.classes, row, strict=True)}
            yield {"sequence": i + 1, "answer": reader.classes[best], "p": row[best], "probabilities": ranks}
