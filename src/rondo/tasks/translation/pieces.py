"""The symbols of a model of translation: subwords of both languages, then begin, end and eight slots.

    0 ... P-1   byte-pair pieces: nothing is unknown
    P, P + 1    begin and end of a sentence
    P + 2 ...   the slots <1> ... <8>: a word of the source that is to appear, whole, at one place of the target

A sentence is encoded with a blank before its first word, so that a word has one form wherever it stands; a sentence
that begins with a Chinese character has none. A slot stands for a word without the blank before it, which stays a piece
of its own.

Dropout on merges (Provilkov et al. 2020, arXiv:1910.13267, alg. 1): a word is cut up as byte pairs do, but each
possible merge is left out with probability p at each turn. A word has `FORMS` such cuts, which depend on the word, p
and the seed alone, and each of its occurrences takes one of them.
"""

from __future__ import annotations

import itertools
import random
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.data.vocab import Subwords, from_json

Ints = NDArray[np.int64]
SLOTS = 8
FORMS = 6
MARKS = "".join(chr(0xE000 + k) for k in range(SLOTS))  # a slot in a text, for private use
_BLANK = " "
_PLAIN = str.maketrans({"\u2019": "'", "\u02bc": "'", **dict.fromkeys(MARKS, "")})


class Pieces:
    """Subwords with the special symbols behind them: sentences to numbers and back.

    begin, end, slots    numbers of the special symbols
    """

    def __init__(self, subwords: Subwords) -> None:
        self.subwords = subwords
        count = len(subwords)
        self.begin, self.end = count, count + 1
        self.slots = tuple(range(count + 2, count + 2 + SLOTS))
        self._numbers = {piece: n for n, piece in enumerate(subwords.symbols)}
        self._ranks = {pair: n for n, pair in enumerate(subwords.merges)}
        self._cut: dict[str, tuple[int, ...]] = {}

    @classmethod
    def build(cls, sentences: Iterable[str], limit: int) -> Pieces:
        """At most `limit` pieces, learned from sentences of both languages."""
        return cls(Subwords.build((headed(s) for s in sentences), limit))

    def __len__(self) -> int:
        return self.begin + 2 + SLOTS

    def words(self, text: str) -> list[str]:
        """A sentence as the words that are cut into pieces, each slot (a character of MARKS) a word of its own."""
        text = headed(text)
        if not any(mark in text for mark in MARKS):
            return self.subwords.split(text)
        found, first = [], 0
        for place, c in enumerate(text):
            if c in MARKS:
                found += [*self.subwords.split(text[first:place]), c]
                first = place + 1
        return found + self.subwords.split(text[first:])

    def encode(self, text: str) -> list[int]:
        """The numbers of a sentence, without begin and end; characters of MARKS are slots."""
        return [n for word in self.words(text) for n in self.cut(word)]

    def chinese(self) -> frozenset[str]:
        """The pieces that are Chinese words of two characters or more."""
        found = map(self.subwords.decode, ([n] for n in range(self.begin)))
        return frozenset(w for w in found if len(w) > 1 and all(is_han(c) for c in w))

    def cut(self, word: str) -> tuple[int, ...]:
        """The pieces of one of `words`."""
        found = self._cut.get(word)
        if found is None:
            found = self._cut[word] = self._pieces(word, 0.0, None)
        return found

    def forms(self, word: str, drop: float, seed: int) -> tuple[tuple[int, ...], ...]:
        """FORMS cuts of a word with dropout on merges."""
        draw = random.Random(f"{seed} {drop} {word}")
        return tuple(self._pieces(word, drop, draw) for _ in range(FORMS))

    def decode(self, numbers: Iterable[int], filled: Sequence[str] = ()) -> str:
        """The sentence of these numbers up to the first end symbol, each slot k filled with filled[k] (its mark where
        none is given). Bytes that are no UTF-8 are shown as unknown."""
        parts: list[str] = []
        run: list[int] = []
        for n in numbers:
            if n == self.end:
                break
            if n < self.begin:
                run.append(n)
            elif n in self.slots:
                parts += [self.subwords.decode(run), self._filling(n - self.slots[0], filled)]
                run = []
        return "".join([*parts, self.subwords.decode(run)]).removeprefix(_BLANK)

    def to_json(self) -> dict[str, Any]:
        """The subwords: what stands behind them is always the same."""
        return self.subwords.to_json()

    @classmethod
    def of_json(cls, value: Any) -> Pieces:
        """What `to_json` gave. Raises ValueError for anything else."""
        subwords = from_json(value)
        if not isinstance(subwords, Subwords):
            raise ValueError("a model of translation has subwords")
        return cls(subwords)

    def _filling(self, slot: int, filled: Sequence[str]) -> str:
        return filled[slot] if slot < len(filled) else MARKS[slot]

    def _pieces(self, word: str, drop: float, draw: random.Random | None) -> tuple[int, ...]:
        if word in MARKS:
            return (self.slots[MARKS.index(word)],)
        return tuple(self._numbers[part] for part in self._merged(list(word), drop, draw))

    def _merged(self, parts: list[str], drop: float, draw: random.Random | None) -> list[str]:
        """The pair of the lowest rank is joined, again and again, the first one where there are several."""
        while len(parts) > 1:
            ranked = [
                (rank, i)
                for i, pair in enumerate(itertools.pairwise(parts))
                if (rank := self._ranks.get(pair)) is not None and (draw is None or draw.random() >= drop)
            ]
            if not ranked:
                break
            i = min(ranked)[1]
            parts[i : i + 2] = [parts[i] + parts[i + 1]]
        return parts


def tidy(text: str) -> str:
    """A sentence as the model reads it: composed characters, straight apostrophes, single blanks, no marks of slots."""
    text = unicodedata.normalize("NFC", text).translate(_PLAIN)
    return " ".join(text.split())


def headed(text: str) -> str:
    """The sentence with a blank before its first word, but before a Chinese character."""
    return text if not text or is_han(text[0]) else _BLANK + text


def is_han(c: str) -> bool:
    """Whether a character is Chinese."""
    return "\u3400" <= c <= "\u9fff"
