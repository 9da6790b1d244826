"""Novelty: whether a line, or a run of characters, stands in the poems that the generator was trained on.

The lines and the 4-grams within lines are kept as two Bloom filters (Bloom 1970, doi:10.1145/362686.362692), so what
the filter calls new is new, and about one new line in a hundred is called known.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.files import load_tensors, save_tensors

HASHES = 7
BITS = 10  # of the filter for each entry: 0.8 % are wrong
GRAM = 4
Words = NDArray[np.uint64]


@dataclass(frozen=True)
class Known:
    """What the training poems hold."""

    lines: NDArray[np.uint8]
    grams: NDArray[np.uint8]

    @classmethod
    def of(cls, lines: Sequence[str]) -> Known:
        """From all training lines."""
        grams = {line[i : i + GRAM] for line in lines for i in range(len(line) - GRAM + 1)}
        return cls(_filter(sorted(set(lines))), _filter(sorted(grams)))

    def line(self, line: str) -> bool:
        """Whether this line is one of the training poems'."""
        return bool(_holds(self.lines, [line])[0])

    def longest(self, line: str) -> int:
        """The longest run of this line whose every four characters stand together in a training line: an upper bound
        on what is shared; 0 where not even four do."""
        grams = [line[i : i + GRAM] for i in range(len(line) - GRAM + 1)]
        best = run = 0
        for known in _holds(self.grams, grams) if grams else ():
            run = run + 1 if known else 0
            best = max(best, run)
        return best + GRAM - 1 if best else 0

    def save(self, path: Path) -> None:
        """Write both filters as one file."""
        save_tensors(path, "known", {"lines": torch.from_numpy(self.lines), "grams": torch.from_numpy(self.grams)}, {})

    @classmethod
    def load(cls, path: Path) -> Known:
        """Read them. Raises FileError."""
        tensors, _ = load_tensors(path, "known")
        return cls(tensors["lines"].numpy(), tensors["grams"].numpy())


def _filter(entries: Sequence[str]) -> NDArray[np.uint8]:
    bits = np.zeros(-(-len(entries) * BITS // 8) * 8, np.bool_)
    bits[_places(entries, len(bits)).ravel()] = True
    return np.packbits(bits)


def _holds(packed: NDArray[np.uint8], entries: Sequence[str]) -> NDArray[np.bool_]:
    places = _places(entries, 8 * len(packed))
    bits = (packed[places // 8] >> (7 - places % 8).astype(np.uint8)) & 1
    return np.asarray(bits.all(1), np.bool_)


def _places(entries: Iterable[str], size: int) -> NDArray[np.int64]:
    """The HASHES places [N, HASHES] of each entry: h1 + k h2, from two mixed polynomial hashes."""
    texts = list(entries)
    width = max(map(len, texts))
    points = np.array([list(map(ord, t)) + [0] * (width - len(t)) for t in texts], np.uint64)
    with np.errstate(over="ignore"):
        h = np.zeros(len(texts), np.uint64)
        for column in points.T:  # 0 is no character: the padding of a shorter entry leaves its hash alone
            h = np.where(column > 0, _mixed(h * np.uint64(0x9E3779B97F4A7C15) + column), h)
        first, second = h, _mixed(h ^ np.uint64(0xD6E8FEB86659FD93)) | np.uint64(1)
        k = np.arange(HASHES, dtype=np.uint64)
        return ((first[:, None] + k * second[:, None]) % np.uint64(size)).astype(np.int64)


def _mixed(h: Words) -> Words:
    """splitmix64's finaliser: every bit of the input moves half of the output's."""
    h = (h ^ (h >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    h = (h ^ (h >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return h ^ (h >> np.uint64(31))
