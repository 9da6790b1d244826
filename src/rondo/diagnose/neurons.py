"""Neurons: what text excites a unit of a language model, and what the model loses without it.

Activations are looked at symbol by symbol, as in Karpathy et al. 2015 (arXiv:1506.02078, sec. 4.1); a unit is selective
for a property of the text where its activation correlates with it.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rondo.data.batch import IGNORED, Batch
from rondo.data.vocab import Ints
from rondo.diagnose import DiagnoseError
from rondo.diagnose.inside import scanning
from rondo.diagnose.lesion import holding
from rondo.models.generator import Generator
from rondo.trace import noting

Floats = NDArray[np.float32]
ROWS = 32  # documents that are read side by side
QUOTES = {"“": 1, "”": -1, "「": 1, "」": -1, "『": 1, "』": -1}


@dataclass(frozen=True)
class Reading:
    """A text as a language model reads it. Steps are counted through all documents: at each a symbol is read and the
    next one predicted.

    sequences  the symbols of each document, with separators at both ends
    values     {"l0.h": [steps, n]}: every named intermediate and state after the symbol was read
    nats       [steps] loss of the next symbol, -ln p
    """

    sequences: tuple[Ints, ...]
    values: dict[str, Floats]
    nats: Floats

    @property
    def bounds(self) -> list[int]:
        """Where each document's steps begin, and where the last one's end."""
        return [0, *np.cumsum([len(s) - 1 for s in self.sequences]).tolist()]


@dataclass(frozen=True)
class Passage:
    """Steps first ... last - 1 around the step `at`, all of one document; value: the activation there."""

    at: int
    first: int
    last: int
    value: float


def read(model: Generator, sequences: Sequence[Ints]) -> Reading:
    """Every activation and every loss on a text, by the reference loop. Raises DiagnoseError for a text of no steps."""
    batch, places = packed(sequences)
    seen: dict[str, Tensor] = {}
    with torch.no_grad(), scanning(model.rnn, noting(seen)):
        nats, _ = model.nats(batch)
    values = {name: _flat(v, places) for name, v in seen.items()}
    return Reading(tuple(sequences), values, _flat(nats, places))


def lesion(model: Generator, sequences: Sequence[Ints], name: str, unit: int, to: float = 0.0) -> Floats:
    """The loss [steps] of every symbol with one unit of `name` held at `to` (see `rondo.diagnose.lesion`)."""
    batch, places = packed(sequences)
    with torch.no_grad(), scanning(model.rnn, holding(model.rnn, name, unit, to)):
        nats, _ = model.nats(batch)
    return _flat(nats, places)


def packed(sequences: Sequence[Ints]) -> tuple[Batch, list[tuple[int, int, int]]]:
    """Documents behind one another in rows, each entered with the initial state, and where each one's steps lie:
    (row, first, last). The rows are nearly equally long, so that little is padding."""
    lengths = [len(s) - 1 for s in sequences]
    if not lengths or min(lengths) < 1:
        raise DiagnoseError("there is nothing to read: give a text of at least one symbol")
    rows = min(ROWS, math.ceil(sum(lengths) / max(lengths)))
    filled, places = [0] * rows, [(0, 0, 0)] * len(sequences)
    for k in sorted(range(len(sequences)), key=lambda k: -lengths[k]):
        row = min(range(rows), key=filled.__getitem__)
        places[k] = (row, filled[row], filled[row] + lengths[k])
        filled[row] += lengths[k]
    x = torch.zeros(rows, max(filled), dtype=torch.long)
    y, resets = torch.full_like(x, IGNORED), torch.zeros_like(x, dtype=torch.bool)
    for symbols, (row, first, last) in zip(sequences, places, strict=True):
        x[row, first:last] = torch.from_numpy(symbols[:-1])
        y[row, first:last] = torch.from_numpy(symbols[1:])
        resets[row, first] = True
    return Batch(x, y, torch.tensor(filled), resets=resets), places


def _flat(v: Tensor, places: list[tuple[int, int, int]]) -> Floats:
    """[rows, T, ...] as [steps, ...], in the order of the documents."""
    found: Floats = torch.cat([v[row, first:last] for row, first, last in places]).float().numpy()
    return found


def selectivity(values: Floats, feature: Sequence[float]) -> NDArray[np.float64]:
    """Pearson's correlation of each unit's activation [steps, n] with a property of the steps; 0 where either does not
    vary."""
    v, f = values.astype(np.float64), np.asarray(feature, np.float64)
    v, f = v - v.mean(0), f - f.mean()
    norms = np.linalg.norm(v, axis=0) * np.linalg.norm(f)
    found: NDArray[np.float64] = np.divide(f @ v, norms, out=np.zeros(v.shape[1]), where=norms > 1e-9)
    return found


def passages(reading: Reading, values: Floats, count: int = 5, around: int = 12, lowest: bool = False) -> list[Passage]:
    """The steps with the highest (or lowest) values [steps], no two of them within each other's surroundings."""
    bounds, found, free = reading.bounds, list[Passage](), np.ones(len(values), bool)
    order = np.argsort(values if lowest else -values, kind="stable")
    for at in order.tolist():
        if len(found) == count:
            break
        if free[at]:
            k = int(np.searchsorted(bounds, at, side="right")) - 1
            first, last = max(bounds[k], at - around), min(bounds[k + 1], at + around + 1)
            free[first:last] = False
            found.append(Passage(at, first, last, float(values[at])))
    return found


@dataclass(frozen=True)
class Features:
    """What each step of a text is, as 0 and 1 or a count: properties that a unit may follow.

    place         symbols read since the document began
    clause        symbols read since the last punctuation mark
    punctuation   a punctuation mark has just been read
    before        a punctuation mark comes next
    end           the document ends next
    quoted        the step lies between quotation marks
    capital       a symbol that begins with a capital has just been read
    word          a symbol that begins a word, after a blank, comes next
    """

    place: list[float]
    clause: list[float]
    punctuation: list[float]
    before: list[float]
    end: list[float]
    quoted: list[float]
    capital: list[float]
    word: list[float]

    def varying(self) -> dict[str, list[float]]:
        """Those that are not the same at every step."""
        every = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        return {name: v for name, v in every.items() if len(set(v)) > 1}


def features(documents: Sequence[Sequence[str]]) -> Features:
    """The properties of every step of documents, given as their symbols' texts with separators at both ends."""
    found = Features(*([] for _ in dataclasses.fields(Features)))
    for texts in documents:
        clause, depth = 0.0, 0
        for t, (text, following) in enumerate(itertools.pairwise(texts)):
            depth = max(0, depth + sum(QUOTES.get(c, 0) for c in text))
            clause = 0.0 if t == 0 or _marks(text) else clause + 1
            found.place.append(t)
            found.clause.append(clause)
            found.punctuation.append(float(_marks(text)))
            found.before.append(float(_marks(following)))
            found.end.append(float(t == len(texts) - 2))
            found.quoted.append(float(depth > 0))
            found.capital.append(float(text.strip()[:1].isupper()))
            found.word.append(float(following.startswith(" ")))
    return found


def _marks(text: str) -> bool:
    """Is it all punctuation?"""
    return bool(text.strip()) and all(unicodedata.category(c)[0] == "P" for c in text.strip())
