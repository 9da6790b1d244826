"""Word by word: IBM model 1, the floor that a model of translation is measured against, and its alignments.

    p(t<1> ... t<n> | s<1> ... s<m>)  ~  product over j of  sum over i of  p(t<j> | s<i>),    s<0> the empty word

Brown et al. 1993 (Computational Linguistics 19(2), sec. 4.1), by expectation and maximisation, in both directions. Two
words are aligned where both directions give each other a high probability: few links, and nearly all of them right
(Och & Ney 2003, Computational Linguistics 29(1), sec. 4.3: the intersection).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Container, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.integer[Any]]
Floats = NDArray[np.float64]

ROUNDS = 5
SURE = 0.4  # least product of both directions' probabilities of a link
LONGEST = 40  # words of a sentence that is aligned
COMMON = 100  # so many words of each side are too common to be terms: articles, pronouns, marks
EMPTY = ""  # the word that stands for none
WIDEST = 4  # Chinese characters of a word
HAN = "\u3400-\u4dbf\u4e00-\u9fff"
WORD = re.compile(
    rf"\b(?:[cdjlmnst]|(?:lors|puis|jus|quoi)?qu)'(?=\w)|[{HAN}]|'(?:s|t|re|ve|m|ll|d)\b|[^\W{HAN}]+|[^\w\s]", re.I
)
_HAN = re.compile(f"[{HAN}]+")


def spans(text: str, known: Container[str] = ()) -> list[tuple[int, int]]:
    """Where the words of a tidy sentence stand: an elided article, a mark, a Chinese character is a word, and so are
    the Chinese characters of the longest known word."""
    found: list[tuple[int, int]] = []
    for match in WORD.finditer(text):
        first, last = match.span()
        if found and first < found[-1][1]:
            continue  # in a longer word
        sizes = range(WIDEST, 1, -1) if known and _HAN.match(text, first) else ()
        last = next((first + n for n in sizes if _is_known(text[first : first + n], n, known)), last)
        found.append((first, last))
    return found


def _is_known(word: str, size: int, known: Container[str]) -> bool:
    return len(word) == size and word in known and _HAN.fullmatch(word) is not None


def words(text: str, known: Container[str] = ()) -> list[str]:
    """The same as lower-case text."""
    return [text[first:last].lower() for first, last in spans(text, known)]


@dataclass(frozen=True)
class Lookup:
    """The likeliest translation of each word of the source language, in lower case."""

    table: dict[str, str]

    def __call__(self, text: str) -> str:
        """A tidy sentence word by word; a word that is not in the table is copied."""
        found = [self.table.get(text[a:b].lower(), text[a:b]) for a, b in spans(text, self.table)]
        sentence = joined(found)
        return sentence[:1].upper() + sentence[1:] if not text[:1].islower() else sentence

    def knows(self, word: str) -> bool:
        """Whether the training sentences had it, twice at least."""
        return word.lower() in self.table

    def to_json(self) -> dict[str, str]:
        return self.table

    @classmethod
    def of_json(cls, value: Any) -> Lookup:
        """What `to_json` gave. Raises ValueError for anything else."""
        if not isinstance(value, dict) or not all(isinstance(v, str) for v in value.values()):
            raise ValueError("a lookup gives a word for each word")
        return cls(value)


def joined(found: Sequence[str]) -> str:
    """Words as a sentence: blanks between them, but before closing marks, after opening ones, and in Chinese."""
    text = " ".join(found)
    text = re.sub(r" ([.,!?;:)\]}%…»”。，！？；：、'])", r"\1", text)
    text = re.sub(r"([(\[{¿¡«“]|\b\w{1,2}') (?=\w)", r"\1", text)
    text = re.sub(r" ?- ?", "-", text)
    return re.sub(rf"(?<=[{HAN}，。！？；：、]) (?=[{HAN}])", "", text)


@dataclass(frozen=True)
class Links:
    """Aligned words: link k says that in pair[k] the source's word source[k] is the target's word target[k]."""

    pair: Ints
    source: Ints
    target: Ints


@dataclass(frozen=True)
class _Cells:
    """Every source word (the empty one first) beside every target word of its pair, one cell each."""

    pair: Ints
    i: Ints  # place of the source word, 0 the empty one
    j: Ints  # place of the target word, 0 the first
    row: Ints  # one number for each target word of the corpus
    column: Ints  # one number for each source word of the corpus, empty ones included
    s: Ints  # the words' numbers
    t: Ints
    kind: Ints  # one number for each pair of words
    first: Ints  # of each kind, a cell that has it


class Alignment:
    """IBM model 1 of a corpus in both directions.

    links    aligned words
    lookup   the likeliest translation of each word that was seen twice
    """

    def __init__(self, source: Sequence[Sequence[str]], target: Sequence[Sequence[str]], rounds: int = ROUNDS) -> None:
        self.source, self.target = _Lexicon(source), _Lexicon(target)
        cells = _cells(self.source.numbered(source), self.target.numbered(target))
        forward, chance = _learned(cells, cells.s, cells.row, rounds)
        backward, _ = _learned(cells, cells.t, cells.column, rounds)
        self.links = _links(cells, forward * backward)
        self.lookup = self._lookup(cells, chance)

    def _lookup(self, cells: _Cells, chance: Floats) -> Lookup:
        """Of each source word the target word of the highest p(t | s)."""
        s, t = cells.s[cells.first], cells.t[cells.first]
        order = np.lexsort((chance, s))
        last = np.append(np.flatnonzero(np.diff(s[order])), len(order) - 1)
        best = {int(s[k]): int(t[k]) for k in order[last]}
        twice = [n for n in best if n and self.source.counts[n] > 1]
        return Lookup({self.source.words[n]: self.target.words[best[n]] for n in twice})


class _Lexicon:
    """The words of one side, numbered by falling frequency behind the empty word."""

    def __init__(self, sentences: Sequence[Sequence[str]]) -> None:
        counted = Counter(word for sentence in sentences for word in sentence)
        ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        self.words = [EMPTY, *(word for word, _ in ordered)]
        self.counts = [0, *(count for _, count in ordered)]
        self._numbers = {word: n for n, word in enumerate(self.words)}

    def numbered(self, sentences: Sequence[Sequence[str]]) -> list[Ints]:
        return [np.array([self._numbers[w] for w in sentence], dtype=np.int64) for sentence in sentences]


def _cells(source: list[Ints], target: list[Ints]) -> _Cells:
    """Raises ValueError where no pair is short enough."""
    parts: list[tuple[Ints, ...]] = []
    rows = columns = 0
    for k, (s, t) in enumerate(zip(source, target, strict=True)):
        if not 0 < len(s) <= LONGEST or not 0 < len(t) <= LONGEST:
            continue
        i, j = np.tile(np.arange(len(s) + 1), len(t)), np.repeat(np.arange(len(t)), len(s) + 1)
        found = np.full(len(i), k), i, j, rows + j, columns + i, np.concatenate([[0], s])[i], t[j]
        parts.append(tuple(part.astype(np.int32) for part in found))
        rows, columns = rows + len(t), columns + len(s) + 1
    if not parts:
        raise ValueError("there is no pair of sentences to align")
    pair, i, j, row, column, s, t = (np.concatenate(part) for part in zip(*parts, strict=True))
    del parts
    numbers = s.astype(np.int64) * (int(t.max()) + 1) + t
    _, first, kind = np.unique(numbers, return_index=True, return_inverse=True)
    return _Cells(pair, i, j, row, column, s, t, kind.reshape(-1).astype(np.int32), first)


def _learned(cells: _Cells, given: Ints, group: Ints, rounds: int) -> tuple[Floats, Floats]:
    """The probability of each cell among those of its group, and of each kind of cell given one of its words."""
    of_kind = given[cells.first]
    chance = np.ones(len(cells.first))
    for _ in range(rounds + 1):
        share = chance[cells.kind]
        share /= np.bincount(group, share)[group]
        counts = np.bincount(cells.kind, share)
        chance = counts / np.bincount(of_kind, counts)[of_kind]
    return share, chance


def _links(cells: _Cells, both: Floats) -> Links:
    """The cells of real words whose probability is high: above 1/4 no other of its row or column has as much."""
    sure = (both >= SURE) & (cells.i > 0)
    return Links(cells.pair[sure], cells.i[sure] - 1, cells.j[sure])


def terms(source: Sequence[Sequence[str]]) -> set[str]:
    """The words of one side that may be terms: letters or digits, not among the commonest."""
    counted = Counter(word for sentence in source for word in sentence)
    common = {word for word, _ in counted.most_common(COMMON)}
    return {word for word in counted if word not in common and word.isalnum()}
