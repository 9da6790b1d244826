"""What is seen of a token: columns of symbols, each with a vocabulary of its own.

Chinese, by characters: the character, the pair that it begins, the pair that it ends, what kind of sign it is.
English, by words: the word (lower case, digits as 0), its shape, its first and last letters.

Traditional characters are read as simplified ones, full-width signs as narrow ones.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.data.packed import packed, unpacked
from rondo.verse.script import is_han, simplify

Ints = NDArray[np.int64]
EDGE = "\n"  # beyond the ends of a sentence


@functools.lru_cache(maxsize=1 << 16)
def folded(token: str) -> str:
    """The character that stands for a token of Chinese text: the first one, simplified, narrow, in lower case."""
    char = token[:1]
    for change in (lambda c: unicodedata.normalize("NFKC", c), simplify, str.lower):
        changed = change(char)
        char = changed if len(changed) == 1 else char
    return char


def _kind(token: str) -> str:
    char = token[:1]
    if is_han(char):
        return "han"
    if char in "《》〈〉「」『』“”\"'‘’":
        return char
    return "hidden" if not char else unicodedata.category(char)


@functools.lru_cache(maxsize=1 << 16)
def normalised(word: str) -> str:
    """A word in lower case, its digits as 0; addresses of the network and names of users each as one."""
    low = word.lower().replace("’", "'").replace("‘", "'")
    if low.startswith(("http:", "https:", "www.")):
        return "http:"
    if len(low) > 1 and low[0] == "@":
        return "@name"
    return re.sub(r"\d", "0", low)


@functools.lru_cache(maxsize=1 << 16)
def shape(word: str) -> str:
    """Upper case as X, lower case as x, digits as 0; three and more of one kind in a row as two: iPhone7 -> xXxx0."""
    signs = "".join("X" if c.isupper() else "x" if c.isalpha() else "0" if c.isdigit() else c for c in word[:40])
    return re.sub(r"(.)\1{2,}", r"\1\1", signs)[:8]


def _pairs(tokens: Sequence[str]) -> list[str]:
    chars = [folded(t) for t in tokens]
    return [a + b for a, b in pairwise([*chars, EDGE])]


def _pairs_before(tokens: Sequence[str]) -> list[str]:
    chars = [folded(t) for t in tokens]
    return [a + b for a, b in pairwise([EDGE, *chars])]


COLUMNS: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "character": lambda tokens: [folded(t) for t in tokens],
    "pair": _pairs,
    "before": _pairs_before,
    "kind": lambda tokens: [_kind(t) for t in tokens],
    "word": lambda tokens: [normalised(t) for t in tokens],
    "shape": lambda tokens: [shape(t) for t in tokens],
    "prefix": lambda tokens: [normalised(t)[:3] for t in tokens],
    "suffix": lambda tokens: [normalised(t)[-3:] for t in tokens],
    "prefix4": lambda tokens: [normalised(t)[:4] for t in tokens],
    "suffix4": lambda tokens: [normalised(t)[-4:] for t in tokens],
    "suffix2": lambda tokens: [normalised(t)[-2:] for t in tokens],
}


class Features:
    """The vocabularies of some columns. Symbol 0 of each is the unknown one.

    symbols  of each column by its name: those from 1 on
    """

    def __init__(self, symbols: Mapping[str, Sequence[str]]) -> None:
        if unknown := symbols.keys() - COLUMNS.keys():
            raise ValueError(f"no column is called {min(unknown)!r}")
        if not symbols:
            raise ValueError("features have at least one column")
        self.symbols = {name: tuple(own) for name, own in symbols.items()}
        self._numbers = {name: {s: n for n, s in enumerate(own, 1)} for name, own in self.symbols.items()}
        if any(len(self._numbers[name]) != len(own) for name, own in self.symbols.items()):
            raise ValueError("the symbols of a column differ from each other")

    @classmethod
    def build(cls, columns: Iterable[str], sentences: Iterable[Sequence[str]], limit: int, least: int) -> Features:
        """The symbols seen at least `least` times, the commonest first; at most `limit` in a column."""
        counts = {name: Counter[str]() for name in columns}
        for tokens in sentences:
            for name, counted in counts.items():
                counted.update(COLUMNS[name](tokens))
        return cls({name: _commonest(counted, limit, least) for name, counted in counts.items()})

    @property
    def sizes(self) -> list[int]:
        """How many symbols each column has, the unknown one included."""
        return [1 + len(own) for own in self.symbols.values()]

    def encode(self, tokens: Sequence[str]) -> Ints:
        """The symbols [T, columns] of tokens."""
        found = np.zeros((len(tokens), len(self.symbols)), dtype=np.int64)
        for k, (name, numbers) in enumerate(self._numbers.items()):
            found[:, k] = [numbers.get(s, 0) for s in COLUMNS[name](tokens)]
        return found

    def to_json(self) -> dict[str, Any]:
        return {name: packed(own) for name, own in self.symbols.items()}

    @classmethod
    def from_json(cls, value: Any, order: Sequence[str]) -> Features:
        """What `to_json` gave; JSON objects are kept sorted, `order` is that of the columns. Raises ValueError."""
        if not isinstance(value, dict) or sorted(value) != sorted(order):
            raise ValueError("its columns are not named")
        return cls({name: unpacked(value[name]) for name in order})


def _commonest(counts: Counter[str], limit: int, least: int) -> list[str]:
    kept = sorted((s for s, n in counts.items() if n >= least), key=lambda s: (-counts[s], s))
    return kept[: limit - 1]
