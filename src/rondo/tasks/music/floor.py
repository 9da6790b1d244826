"""The cheap baseline of the tunes: an interpolated n-gram over the same symbols, kept in the model file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.files import FileError
from rondo.models.ngram import Level, NGram
from rondo.tasks.music import tokens as t

ORDER = 3  # of what travels in the model file
LONG = 6  # of what is measured once, in training
FIELDS = ("grams", "counts", "contexts", "totals", "types")


def fit(tunes: Sequence[NDArray[np.int64]], order: int) -> NGram:
    """Of the symbols one after another; a tune begins with <s>, so that none is read into the next."""
    return NGram(np.concatenate(list(tunes)), t.SYMBOLS, order)


def to_json(model: NGram) -> list[dict[str, list[int]]]:
    return [{name: getattr(level, name).tolist() for name in FIELDS} for level in model.levels]


def from_json(value: Any) -> NGram:
    """Raises FileError where it is none."""
    try:
        model = NGram(np.zeros(1, dtype=np.int64), t.SYMBOLS, 1)
        model.levels = [Level(*(np.array(level[name], dtype=np.int64) for name in FIELDS)) for level in value]
        model.order = len(model.levels)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileError(f"the n-gram in the model file cannot be read: {error}") from None
    return model


def nats(model: NGram, tunes: Sequence[NDArray[np.int64]]) -> float:
    """Summed over all symbols but each tune's first."""
    return float(sum(-np.log(model.probabilities(s))[1:].sum() for s in tunes))
