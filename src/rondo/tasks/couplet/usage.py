"""Usage: what the training pairs say of characters: which ones face each other, and which stand side by side.

Both are small tables that travel in the model file. They rank answers; they forbid nothing.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from dataclasses import dataclass
from typing import Any

import numpy as np

from rondo.tasks.couplet.data import COMMA, SPECIAL, Bools, Floats, Ints, Pairs

FACING = 16  # characters that are kept of those that face one
LEAST_FACING = 2  # times that two characters face each other, at least
LEAST_BESIDE = 3  # times that two characters stand side by side, at least
CLOSE, LOOSE = 1.0, 0.5
SHARED = 2  # facing characters in common that make two characters of one class


@dataclass(frozen=True)
class Usage:
    """Tables over a vocabulary of V symbols.

    facing  [V, FACING] the symbols that face each one most often, the commonest first; 0 where there are fewer
    beside  sorted numbers V * a + b of the pairs ab that stand side by side in lines
    """

    facing: Ints
    beside: Ints

    @classmethod
    def of(cls, pairs: Pairs) -> Usage:
        """Counted in these pairs."""
        symbols, first = len(pairs.vocab), len(SPECIAL)
        upper, lower = pairs.lines
        codes = np.concatenate([upper * symbols + lower, lower * symbols + upper])
        found, counts = np.unique(codes, return_counts=True)
        kept = (counts >= LEAST_FACING) & (found // symbols >= first) & (found % symbols >= first)
        facing = _ranked(found[kept], counts[kept], symbols)
        inside = np.ones(upper.size, np.bool_)
        inside[pairs.starts[1:] - 1 if len(pairs) > 1 else []] = False  # the last place of a line has no next one
        inside[-1:] = False
        at = np.flatnonzero(inside)
        codes = np.concatenate([line[at] * symbols + line[at + 1] for line in pairs.lines])
        found, counts = np.unique(codes, return_counts=True)
        kept = (counts >= LEAST_BESIDE) & (found // symbols >= first) & (found % symbols >= first)
        return cls(facing, found[kept])

    def agreement(self, given: Ints, answer: Ints) -> Floats:
        """How well characters at the same places answer each other, [N, T]: CLOSE where they do so in old pairs, LOOSE
        where they are of a class: the same characters face both; else 0. given and answer [N, T] of symbols."""
        one, other = self.facing[given], self.facing[answer]
        close = (one == answer[..., None]).any(-1) | (other == given[..., None]).any(-1)
        # what faces a character is of its class, so both lists name the same class
        common = ((one[..., :, None] == other[..., None, :]) & (one[..., :, None] > 0)).sum((-1, -2))
        return np.where(close, CLOSE, np.where(common >= SHARED, LOOSE, 0.0))

    def joined(self, line: Ints) -> Bools:
        """Whether each character and the next, [N, T-1], stand side by side in old lines: line [N, T] of symbols."""
        codes = line[:, :-1] * len(self.facing) + line[:, 1:]
        if not len(self.beside):
            return np.zeros(codes.shape, np.bool_)
        places = np.searchsorted(self.beside, codes).clip(max=len(self.beside) - 1)
        found: Bools = self.beside[places] == codes
        return found

    def partner(self, line: Ints) -> Ints:
        """The commonest partner of each character, 0 where there is none; that of a comma is the comma."""
        comma = SPECIAL.index(COMMA)
        found: Ints = np.where(line == comma, comma, self.facing[line, 0])
        return found

    def to_json(self) -> dict[str, Any]:
        """As text: numbers of two bytes; of `beside` the distances, in one byte where they are short (a run of 255
        adds up)."""
        gaps = np.diff(self.beside, prepend=0)
        return {"facing": _packed(self.facing.astype("<u2").tobytes()), "beside": _packed(_short(gaps))}

    @classmethod
    def from_json(cls, value: Any, symbols: int) -> Usage:
        """What `to_json` gave. Raises ValueError for anything else."""
        try:
            facing = np.frombuffer(_unpacked(value["facing"], 2 * symbols * FACING), "<u2").astype(np.int64)
            beside = np.cumsum(_long(_unpacked(value["beside"], 1 << 22)))
            facing = facing.reshape(symbols, FACING)
        except (KeyError, TypeError, ValueError, binascii.Error, zlib.error) as error:
            raise ValueError(f"the tables of usage cannot be read: {error}") from None
        if facing.max(initial=0) >= symbols or beside.max(initial=0) >= symbols * symbols:
            raise ValueError("the tables of usage do not fit the vocabulary")
        return cls(facing, beside)


def _ranked(codes: Ints, counts: Ints, symbols: int) -> Ints:
    """For each symbol a the first FACING symbols b by falling count, from sorted numbers a * symbols + b."""
    order = np.lexsort((codes, -counts, codes // symbols))
    a, b = codes[order] // symbols, codes[order] % symbols
    rank = np.arange(len(a)) - np.searchsorted(a, a)
    table = np.zeros((symbols, FACING), np.int64)
    kept = rank < FACING
    table[a[kept], rank[kept]] = b[kept]
    return table


def _short(gaps: Ints) -> bytes:
    """Each number as that many 255 as go into it, and the rest in one byte below."""
    runs = gaps // 255
    out = np.full(int(runs.sum()) + len(gaps), 255, np.uint8)
    out[np.cumsum(runs + 1) - 1] = gaps % 255
    return out.tobytes()


def _long(data: bytes) -> Ints:
    values = np.frombuffer(data, np.uint8).astype(np.int64)
    total = np.cumsum(values)
    ends = np.flatnonzero(values < 255)
    return np.diff(total[ends], prepend=0)


def _packed(data: bytes) -> str:
    return base64.b85encode(zlib.compress(data, 9)).decode()


def _unpacked(text: str, most: int) -> bytes:
    """The bytes again, never more than `most`."""
    worker = zlib.decompressobj()
    data = worker.decompress(base64.b85decode(text), most)
    if worker.unconsumed_tail:
        raise ValueError("they are too large")
    return data
