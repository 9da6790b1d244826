"""Vocabulary: the symbols a model knows, each with a number; number 0 stands for everything unknown."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

UNKNOWN = "\ufffd"  # Unicode's own sign for "a character that cannot be shown"
CODE_POINTS = 0x110000


class Vocab:
    """Characters numbered by falling frequency. `symbols[0]` is the unknown symbol.

    Two texts with the same counts give the same numbers: equal frequencies are ordered by code point.
    """

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = tuple(symbols)
        if not self.symbols or self.symbols[0] != UNKNOWN:
            raise ValueError(f"a vocabulary begins with the unknown symbol {UNKNOWN!r}")
        if any(len(s) != 1 for s in self.symbols) or len(set(self.symbols)) != len(self.symbols):
            raise ValueError("a vocabulary is a list of different single characters")
        self._table = np.zeros(CODE_POINTS, dtype=np.int32)  # code point -> number, 0 where unknown
        self._table[_code_points("".join(self.symbols))] = np.arange(len(self.symbols))

    @classmethod
    def build(cls, texts: Iterable[str], limit: int = 0, least: int = 1) -> Vocab:
        """The characters of `texts` seen at least `least` times, the most frequent first; at most `limit` in all
        (0: no limit), the unknown symbol included."""
        counts = np.zeros(CODE_POINTS, dtype=np.int64)
        for text in texts:
            points, n = np.unique(_code_points(text), return_counts=True)
            counts[points] += n
        counts[ord(UNKNOWN)] = 0
        order = np.argsort(-counts, kind="stable")
        kept = order[: np.count_nonzero(counts >= max(least, 1))]
        return cls([UNKNOWN, *map(chr, kept[: limit - 1] if limit else kept)])

    def __len__(self) -> int:
        return len(self.symbols)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Vocab) and self.symbols == other.symbols

    __hash__ = None  # type: ignore[assignment]  # compared by value, never a key

    def encode(self, text: str) -> NDArray[np.int64]:
        """The number of every character, 0 for one that is not in the vocabulary."""
        return self._table[_code_points(text)].astype(np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of these numbers."""
        return "".join(self.symbols[n] for n in numbers)


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
