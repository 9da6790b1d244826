"""Couplets as training data: a flag, then the given line; the answer stands place by place beside it.

    x  flag 白 日 依 山 尽
    y   -   黄 河 入 海 流

The flag is one symbol for direction and kind, so that one model learns to answer a first line and a second line, and
can be told what the couplet is for. Commas are symbols like others; the decoder begins with one, as every part of a
line does. Some characters of the given line, or all, are hidden now and then: the model can answer a line of which only
a part is known, and says how likely a line is by itself.
"""

from __future__ import annotations

import functools
import gzip
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import IGNORED, Batch
from rondo.data.bucket import shuffled
from rondo.data.text import DataError
from rondo.data.vocab import UNKNOWN, Characters
from rondo.tasks.couplet.words import kind_of
from rondo.verse.script import is_han

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]

COMMA, BLANK = "，", "□"
KINDS = ("", "poem", "primer", "spring", "cheer", "sad")
OF_DATA = {"wedding": "cheer", "birthday": "cheer", "house": "cheer", "festival": "cheer", "birth": "cheer"}
OF_DATA |= {"funeral": "sad", "spring": "spring", "primer": "primer"}
FORWARD, BACKWARD = 0, 1  # from the first line to the second, and back
FLAGS = "".join(chr(0xE000 + k) for k in range(2 * len(KINDS)))  # for private use: no text has them
SPECIAL = UNKNOWN + COMMA + BLANK + FLAGS
TOLD = 0.7  # how often the kind of a couplet is told
WHOLE = 0.3  # of the lines with blanks, how many are all blank
_han = functools.cache(is_han)
WEIGHT = 3  # a couplet counts as so many poem pairs in the choice of the vocabulary


@dataclass(frozen=True)
class Pair:
    """A couplet: two lines of equal length, commas at the same places."""

    upper: str
    lower: str
    kind: str = ""
    source: str = ""

    @property
    def open(self) -> bool:
        """Whether its origin is under a free licence, or old enough to be in the public domain."""
        sources = self.source.split(",")
        return "wb14123" in sources or (self.kind == "primer" and "primer" in sources)


def read_pairs(path: Path) -> list[Pair]:
    """The couplets of a TSV file with a header, also gzipped: columns `up` and `down`, where known `kind` and `source`.
    Raises DataError naming the line."""
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            names = next(file, "").rstrip("\r\n").split("\t")
            if not {"up", "down"} <= set(names):
                raise DataError(f"{path}: a table of couplets begins with a header that names the columns up and down")
            pairs = [_pair(names, line, f"{path}, line {n}") for n, line in enumerate(file, 2) if line.strip()]
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if not pairs:
        raise DataError(f"{path} holds no couplet")
    return pairs


def _pair(names: list[str], line: str, where: str) -> Pair:
    values = dict(zip(names, line.rstrip("\r\n").split("\t"), strict=False))
    upper, lower = values.get("up", ""), values.get("down", "")
    if not upper or len(upper) != len(lower):
        raise DataError(f"{where}: the two lines of a couplet have as many characters, found {upper!r} and {lower!r}")
    parts = [list(map(len, line.split(COMMA))) for line in (upper, lower)]
    odd = next((c for c in {*upper, *lower} if c != COMMA and not _han(c)), None)
    if odd or parts[0] != parts[1]:
        found = f"found {odd!r}" if odd else f"found {upper!r} and {lower!r}"
        raise DataError(f"{where}: a couplet holds Chinese characters, and ， at the same places; {found}")
    return Pair(upper, lower, OF_DATA.get(values.get("kind", ""), ""), values.get("source", ""))


def poem_pairs(path: Path) -> list[Pair]:
    """The parallel lines (3-4 and 5-6) of the regulated poems of eight lines in a file of tang-song-poems."""
    pairs = []
    try:
        with gzip.open(path, "rt", encoding="utf-8") as file:
            for poem in map(json.loads, file):
                lines = poem["content"].split("|")
                if len(lines) == 8:
                    pairs += [Pair(lines[i], lines[i + 1], "poem") for i in (2, 4)]
    except (OSError, ValueError, KeyError, TypeError, EOFError) as error:
        raise DataError(f"{path} cannot be read as poems: {error}") from None
    return [p for p in pairs if len(p.upper) == len(p.lower)]


def held_apart(pairs: Sequence[Pair], held_out: Sequence[Pair]) -> list[Pair]:
    """The pairs that share no line with what is held out."""
    lines = {line for pair in held_out for line in (pair.upper, pair.lower)}
    return [pair for pair in pairs if pair.upper not in lines and pair.lower not in lines]


def vocabulary(pairs: Sequence[Pair], limit: int) -> Characters:
    """The special symbols, then the characters, the commonest first."""
    texts = ["", ""]
    for is_poem in (False, True):
        texts[is_poem] = "".join(p.upper + p.lower for p in pairs if (p.kind == "poem") == is_poem)
    counted = Characters.build([texts[0]] * WEIGHT + [texts[1]])
    return Characters([*SPECIAL, *[c for c in counted.symbols[1:] if c != COMMA][: limit - len(SPECIAL)]])


def flag(direction: int, kind: str = "") -> str:
    """The symbol that is read before the given line."""
    return FLAGS[direction * len(KINDS) + KINDS.index(kind)]


class Pairs:
    """Couplets numbered for training: all lines one after another, with the place where each begins."""

    def __init__(self, pairs: Sequence[Pair], vocab: Characters) -> None:
        self.vocab = vocab
        self.lines = np.stack([vocab.encode("".join(getattr(p, side) for p in pairs)) for side in ("upper", "lower")])
        self.sizes: Ints = np.array([len(p.upper) for p in pairs], dtype=np.int64)
        self.starts = np.cumsum(self.sizes) - self.sizes
        kinds = [p.kind or kind_of(p.upper + p.lower) for p in pairs]
        self.kinds: Ints = np.array([KINDS.index(k) for k in kinds], dtype=np.int64)
        self.poem: Bools = self.kinds == KINDS.index("poem")

    def __len__(self) -> int:
        return len(self.sizes)

    def batch(self, index: Ints, backward: Bools, kinds: Ints, hidden: float, random: np.random.Generator) -> Batch:
        """These couplets side by side. `backward` [B] says from which line, `kinds` [B] what is told; a share `hidden`
        of the given lines has blanks."""
        sizes = self.sizes[index]
        places = self.starts[index, None] + np.minimum(np.arange(sizes.max()), sizes[:, None] - 1)
        given, answer = (self.lines[side, places] for side in (backward[:, None] * 1, 1 - backward[:, None] * 1))
        if hidden:
            given = np.where(self._blank(given, hidden, random), SPECIAL.index(BLANK), given)
        flags = SPECIAL.index(FLAGS[0]) + backward * len(KINDS) + kinds
        return aligned(given, answer, flags, sizes)

    def _blank(self, given: Ints, hidden: float, random: np.random.Generator) -> Bools:
        """Which characters to hide, never a comma: all of a line, or a random share."""
        share = np.where(random.random(len(given)) < WHOLE, 1.0, random.random(len(given)))
        share *= random.random(len(given)) < hidden
        found: Bools = (random.random(given.shape) < share[:, None]) & (given != SPECIAL.index(COMMA))
        return found


def aligned(given: Ints, answer: Ints, flags: Ints, sizes: Ints) -> Batch:
    """The batch of given lines and answers [B, T], of these lengths, behind their flags [B]."""
    past = np.arange(given.shape[1]) >= sizes[:, None]
    x = np.concatenate([flags[:, None], np.where(past, 0, given)], 1)
    y = np.concatenate([np.full((len(given), 1), IGNORED), np.where(past, IGNORED, answer)], 1)
    lengths = torch.from_numpy(sizes + 1) if past.any() else None
    return Batch(torch.from_numpy(x), torch.from_numpy(y), lengths, lengths)


def batches(
    pairs: Pairs, tokens: int, poems: float, backward: float, blanks: float, seed: int, step: int = 0
) -> Iterator[Batch]:
    """Pass after pass: every couplet and a share of the poems' pairs, those of one length side by side. Batch k of a
    pass depends on the seed and the pass alone."""
    for number in itertools.count():
        random = np.random.default_rng([seed, number])
        read = np.flatnonzero(~pairs.poem | (random.random(len(pairs)) < poems))
        plan = shuffled(pairs.sizes[read], tokens, 0, seed, number)
        for k in range(step, len(plan)):
            yield _drawn(pairs, read[plan[k]], backward, blanks, np.random.default_rng([seed, number, k]))
        step = max(0, step - len(plan))


def _drawn(pairs: Pairs, index: Ints, backward: float, blanks: float, random: np.random.Generator) -> Batch:
    told = pairs.poem[index] | (random.random(len(index)) < TOLD)
    kinds = np.where(told, pairs.kinds[index], 0)
    return pairs.batch(index, random.random(len(index)) < backward, kinds, blanks, random)


def plain(pairs: Pairs, tokens: int = 8192, direction: int = FORWARD) -> Iterator[Batch]:
    """Every couplet once, told nothing but the given line: for measuring. Commas do not count."""
    none = np.random.default_rng(0)
    for index in shuffled(pairs.sizes, tokens, 0, 0, 0):
        back = np.full(len(index), direction == BACKWARD)
        yield without_commas(pairs.batch(index, back, np.zeros(len(index), np.int64), 0.0, none))


def without_commas(batch: Batch) -> Batch:
    """The same, commas left out of the count: they are given. The decoder reads them as before, since one begins a
    line."""
    y = batch.labels
    y = torch.where(y == SPECIAL.index(COMMA), IGNORED, y)
    return Batch(batch.x, y, batch.lengths, batch.targets)
