"""Folk tunes as training reads them: symbols, and what the network is told at each.

In the representation of `tokens` a tune is already all of its transpositions, so that moving it into other keys would
change nothing; what is varied from pass to pass is what the network is told of the form and of bars to come.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import IGNORED, Batch
from rondo.data.bucket import shuffled
from rondo.data.read import json_lines, text
from rondo.tasks.music import tokens as t
from rondo.tasks.music.abc_read import read_abc
from rondo.tasks.music.grammar import TABLES, Machine
from rondo.tasks.music.theory import MusicError
from rondo.tasks.music.tune import Tune

Ints = NDArray[np.int64]
TO_GO, ANCHOR = 5, 6  # columns of what the network is told
LONGEST = 1600  # symbols of a tune


def read(path: Path) -> tuple[list[Tune], int]:
    """The tunes of a file of the data set, and how many of its records are left out: of another metre in the middle,
    with bars that do not sum to the metre, too long. Raises MusicError where none is left."""
    found, left = [], 0
    for number, _, row in json_lines(path):
        abc = text(row, "abc", f"{path}:{number}")
        try:
            tune = read_abc(abc, repair=True)
            if len(t.symbols(tune)) > LONGEST:
                raise MusicError("too long")
        except MusicError:
            left += 1
            continue
        found.append(Tune(tune.metre, tune.key, tune.sections, tune.octave, str(row.get("title", ""))))
    if not found:
        raise MusicError(f"{path} holds no tune that can be read")
    return found, left


def told(symbols: Sequence[int]) -> Ints:
    """What the network may be told at each step but the last: [T - 1, n]; the form and the next bar's first pitch
    are there, and training hides some of them."""
    machine, rows, bar = Machine(), [], []
    for symbol in symbols[:-1]:
        machine.read(symbol)
        rows.append(machine.features())
        bar.append((len(machine.known), machine.sections, machine.part, machine.count))
    first: dict[int, int] = {}
    for symbol, (b, *_) in zip(symbols, bar, strict=False):
        if t.is_pitch(symbol):
            first.setdefault(b, symbol)
    total: dict[int, int] = {}
    for (_, s, part, count), symbol in zip(bar, symbols, strict=False):
        if part != 3 and symbol in (t.CLOSE, t.DOUBLE, t.FIRST):
            total.setdefault(s, count) if symbol != t.FIRST else None
            total[s] = max(total[s], count) if s in total else count
    for row, (b, s, part, count) in zip(rows, bar, strict=True):
        if part in (1, 2):
            row[TO_GO] = min(max(1, total.get(s, 0) - count), TABLES[TO_GO] - 1)
            row[ANCHOR] = first.get(b + 1, 0)
    return np.array(rows, dtype=np.int64)


class Tunes:
    """Tunes as arrays."""

    def __init__(self, tunes: Sequence[Tune]) -> None:
        self.symbols = [np.array(t.symbols(tune), dtype=np.int64) for tune in tunes]
        self.told = [told(s.tolist()) for s in self.symbols]
        self.sizes: Ints = np.array([len(s) - 1 for s in self.symbols], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.sizes)

    def batch(self, index: Ints | Sequence[int], random: np.random.Generator | None = None) -> Batch:
        """These tunes side by side. `random` draws what is told; else nothing of the form and of later bars is."""
        size = int(self.sizes[index].max())
        x = np.zeros((len(index), size), dtype=np.int64)
        y = np.full((len(index), size), IGNORED, dtype=np.int64)
        c = np.zeros((len(index), size, self.told[0].shape[1]), dtype=np.int64)
        for row, i in enumerate(index):
            n = self.sizes[i]
            x[row, :n], y[row, :n], c[row, :n] = self.symbols[i][:-1], self.symbols[i][1:], self.told[i]
            c[row, :n] = hidden(c[row, :n], random)
        return Batch(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(self.sizes[index]),
                     condition=torch.from_numpy(c))  # fmt: skip


def hidden(c: Ints, random: np.random.Generator | None) -> Ints:
    """What is told of a tune, less what is not to be known: of half of the tunes the form, of half all bars to come,
    of the others some."""
    if random is None or random.random() < 0.5:
        c[:, TO_GO] = 0
    share = 0.0 if random is None or random.random() < 0.5 else random.random()
    if random is None or not share:
        c[:, ANCHOR] = 0
        return c
    # a bar's anchor is known in all of the bar or nowhere in it
    change = np.flatnonzero(np.diff(c[:, 1] * 64 + c[:, 4])) + 1
    for part in np.split(np.arange(len(c)), change):
        if random.random() >= share:
            c[part, ANCHOR] = 0
    return c


def batches(own: Tunes, rows: int, tokens: int, seed: int, step: int = 0) -> Iterator[Batch]:
    """Pass after pass. Batch k of a pass depends on the seed and the pass alone."""
    for number in itertools.count():
        plan = shuffled(own.sizes, tokens, rows, seed, number)
        for k in range(step, len(plan)):
            yield own.batch(plan[k], np.random.default_rng([seed, number, k]))
        step = max(0, step - len(plan))


def plain(own: Tunes, rows: int = 64, tokens: int = 16384) -> Iterator[tuple[Ints, Batch]]:
    """Every tune once, with its place: for measuring."""
    for index in shuffled(own.sizes, tokens, rows, 0, 0):
        yield index, own.batch(index)
