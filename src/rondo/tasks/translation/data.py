"""Pairs of sentences as training data: the source's pieces, and the target's with the end symbol.

    x  ▁ <3> ▁est ▁là ▁!
    y  ▁ <3> ' s ▁here ! END

Now and then words that stand on both sides are replaced by a slot, <3> here: names that are copied, and words that
`rondo.tasks.translation.lookup` has aligned. So the model learns to put a word of which it knows nothing but its place.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import IGNORED, Batch
from rondo.data.bucket import shuffled
from rondo.data.read import read_lines
from rondo.data.text import DataError
from rondo.tasks.translation.lookup import Alignment, Lookup, spans, terms, words
from rondo.tasks.translation.pieces import FORMS, MARKS, SLOTS, Pieces, tidy

Ints = NDArray[np.int64]
Span = tuple[int, int]
Twin = tuple[Span, Span]  # where a word stands in the source, and in the target

MOST = 3  # slots of a pair in training
TWO = 0.25  # how often the words beside each other on both sides become one slot


@dataclass(frozen=True)
class Pair:
    """A sentence and its translation, tidy."""

    source: str
    target: str


def read_pairs(path: Path, source: str, target: str) -> list[Pair]:
    """The pairs of a TSV file (also .gz) whose header names the columns. Raises DataError naming the line."""
    try:
        lines = read_lines(path)
        names = next(lines, (1, ""))[1].split("\t")
        if not {source, target} <= set(names):
            found = ", ".join(names)[:200]
            raise DataError(
                f"{path}: 第一行须有列名 {source} 和 {target} / the first line names the columns, parted by tabs, "
                f"{source} and {target} among them; found {found}"
            )
        places = names.index(source), names.index(target), len(names)
        pairs = [_pair(line, places, f"{path}, line {n}") for n, line in lines if line.strip()]
    except (OSError, EOFError) as error:
        raise DataError(f"{path} 无法读取 / cannot be read: {error}") from None
    if not pairs:
        raise DataError(f"{path} 没有句对 / holds no pair of sentences")
    return pairs


def _pair(line: str, places: tuple[int, int, int], where: str) -> Pair:
    values, (source, target, count) = line.split("\t"), places
    if len(values) != count:
        raise DataError(f"{where}: 应有 {count} 列 / {count} columns are expected, found {len(values)}")
    pair = Pair(tidy(values[source]), tidy(values[target]))
    if not pair.source or not pair.target:
        raise DataError(f"{where}: 句子为空 / a sentence is empty")
    return pair


def held_apart(pairs: Iterable[Pair], held_out: Sequence[Pair]) -> list[Pair]:
    """The pairs, each once, that share no sentence with what is held out."""
    sources, targets = {p.source for p in held_out}, {p.target for p in held_out}
    return [p for p in dict.fromkeys(pairs) if p.source not in sources and p.target not in targets]


class Corpus:
    """Pairs numbered for training.

    pairs   the pairs whose sentences have at most `longest` pieces
    twins   of each pair, the words that slots may replace
    lookup  the translation of single words
    """

    def __init__(self, pairs: Sequence[Pair], pieces: Pieces, longest: int) -> None:
        self.pieces = pieces
        sides = [_Side(pieces), _Side(pieces)]
        self.pairs: list[Pair] = []
        sizes = []
        for pair in pairs:
            counts = sides[0].add(pair.source, longest), sides[1].add(pair.target, longest - 1)
            if all(counts):
                self.pairs.append(pair)
                sizes.append(max(counts[0], counts[1] + 1))
            for side, count in zip(sides, counts, strict=True):
                if count and not all(counts):
                    side.rows.pop()
        self.source, self.target = sides
        self.sizes: Ints = np.array(sizes, dtype=np.int64)
        self.twins: list[tuple[Twin, ...]] = [()] * len(self.pairs)
        self.lookup = Lookup({})

    def __len__(self) -> int:
        return len(self.pairs)

    def align(self) -> None:
        """Learn the alignment, and what slots may replace."""
        known = self.pieces.chinese()
        sources, targets = [words(p.source, known) for p in self.pairs], [words(p.target, known) for p in self.pairs]
        found = Alignment(sources, targets)
        self.lookup = found.lookup
        self.twins = _twins(self.pairs, found, terms(sources), terms(targets), known)

    def batch(
        self, index: Ints, drops: tuple[float, float], slots: float, seed: int, random: np.random.Generator
    ) -> Batch:
        """These pairs side by side: words cut with dropout on merges in source and target, a share of the pairs with
        slots."""
        slotted = random.random(len(index)) < slots
        x, y = [], []
        for row, has in zip(index.tolist(), slotted.tolist(), strict=True):
            replaced = has and self.twins[row]
            pair = slotted_pair(self.pairs[row], self.twins[row], random) if replaced else Pair("", "")
            x.append(self.source.cut(row, pair.source, drops[0], seed, random))
            y.append(self.target.cut(row, pair.target, drops[1], seed, random))
        return batch_of(x, y, self.pieces.end)


class _Side:
    """The sentences of one language as the words that are cut into pieces, numbered."""

    def __init__(self, pieces: Pieces) -> None:
        self.pieces, self.rows = pieces, list[NDArray[np.int32]]()
        self._words: list[str] = []
        self._numbers: dict[str, int] = {}
        self._forms: dict[str, tuple[tuple[int, ...], ...]] = {}

    def add(self, text: str, longest: int) -> int:
        """Number a sentence; how many pieces it has, 0 where it is too long and left out."""
        found = self.pieces.words(text)
        count = sum(len(self.pieces.cut(word)) for word in found)
        if not 0 < count <= longest:
            return 0
        self.rows.append(np.array([self._number(word) for word in found], dtype=np.int32))
        return count

    def cut(self, row: int, text: str, drop: float, seed: int, random: np.random.Generator) -> list[int]:
        """The pieces of a sentence, or of `text` in its place, if there is one."""
        found = self.pieces.words(text) if text else [self._words[n] for n in self.rows[row].tolist()]
        if not drop:
            return [n for word in found for n in self.pieces.cut(word)]
        drawn = random.integers(0, FORMS, len(found)).tolist()
        return [n for word, k in zip(found, drawn, strict=True) for n in self._cuts(word, drop, seed)[k]]

    def _cuts(self, word: str, drop: float, seed: int) -> tuple[tuple[int, ...], ...]:
        """The word's cuts; those of a word are the same in every batch."""
        found = self._forms.get(word)
        if found is None:
            found = self._forms[word] = self.pieces.forms(word, drop, seed)
        return found

    def _number(self, word: str) -> int:
        number = self._numbers.setdefault(word, len(self._words))
        if number == len(self._words):
            self._words.append(word)
        return number


def batch_of(x: Sequence[Sequence[int]], y: Sequence[Sequence[int]] | None, end: int) -> Batch:
    """Sources, and targets without their end symbol, as a batch."""
    lengths = torch.tensor([len(row) for row in x])
    sources = torch.zeros(len(x), max(1, int(lengths.max())), dtype=torch.int64)
    for row, symbols in enumerate(x):
        sources[row, : len(symbols)] = torch.tensor(symbols, dtype=torch.int64)
    if y is None:
        return Batch(sources, lengths=lengths)
    counts = torch.tensor([len(row) + 1 for row in y])
    targets = torch.full((len(y), int(counts.max())), IGNORED)
    for row, symbols in enumerate(y):
        targets[row, : len(symbols) + 1] = torch.tensor([*symbols, end])
    return Batch(sources, targets, lengths, counts)


def batches(
    corpus: Corpus, tokens: int, drops: tuple[float, float], slots: float, seed: int, step: int = 0
) -> Iterator[Batch]:
    """Pass after pass, pairs of about the same length side by side. Batch k of a pass depends on the seed and the pass
    alone."""
    for number in itertools.count():
        plan = shuffled(corpus.sizes, tokens, 0, seed, number)
        for k in range(step, len(plan)):
            yield corpus.batch(plan[k], drops, slots, seed, np.random.default_rng([seed, number, k]))
        step = max(0, step - len(plan))


def plain(corpus: Corpus, tokens: int = 8192) -> Iterator[Batch]:
    """Every pair once, as it is: for measuring."""
    none = np.random.default_rng(0)
    for index in shuffled(corpus.sizes, tokens, 0, 0, 0):
        yield corpus.batch(index, (0.0, 0.0), 0.0, 0, none)


def slotted_pair(pair: Pair, twins: Sequence[Twin], random: np.random.Generator) -> Pair:
    """The pair with one to MOST of its twins replaced by slots of random numbers."""
    wanted = 1 + int(random.integers(MOST))
    chosen: list[Twin] = []
    for k in random.permutation(len(twins)).tolist():
        twin = _widened(k, twins) if random.random() < TWO else twins[k]
        if len(chosen) < wanted and not any(_overlap(a, b) for old in chosen for a, b in zip(twin, old, strict=True)):
            chosen.append(twin)
    marks = [MARKS[k] for k in random.permutation(SLOTS)[: len(chosen)]]
    source = replaced(pair.source, [(twin[0], mark) for twin, mark in zip(chosen, marks, strict=True)])
    return Pair(source, replaced(pair.target, [(twin[1], mark) for twin, mark in zip(chosen, marks, strict=True)]))


def replaced(text: str, by: Iterable[tuple[Span, str]]) -> str:
    """The text with spans, which do not overlap, replaced."""
    for (first, last), mark in sorted(by, reverse=True):
        text = text[:first] + mark + text[last:]
    return text


def _widened(k: int, twins: Sequence[Twin]) -> Twin:
    """The twin with the next one, where that follows it on both sides behind a blank at most."""
    (a, b), (c, d) = twins[k]
    if k + 1 < len(twins):
        (e, f), (g, h) = twins[k + 1]
        if e - b in (0, 1) and g - d in (0, 1):
            return (a, f), (c, h)
    return twins[k]


def _overlap(a: Span, b: Span) -> bool:
    return a[0] < b[1] and b[0] < a[1]


def _twins(
    pairs: Sequence[Pair], found: Alignment, sources: set[str], targets: set[str], known: frozenset[str]
) -> list[tuple[Twin, ...]]:
    """Of each pair the words that slots may replace, in the source's order: aligned terms, and copied names."""
    links: list[set[tuple[int, int]]] = [set() for _ in pairs]
    for k, i, j in zip(
        found.links.pair.tolist(), found.links.source.tolist(), found.links.target.tolist(), strict=True
    ):
        links[k].add((i, j))
    return [_pair_twins(pair, own, sources, targets, known) for pair, own in zip(pairs, links, strict=True)]


def _pair_twins(
    pair: Pair, links: set[tuple[int, int]], sources: set[str], targets: set[str], known: frozenset[str]
) -> tuple[Twin, ...]:
    ours, theirs = spans(pair.source, known), spans(pair.target, known)
    s, t = [pair.source[a:b] for a, b in ours], [pair.target[a:b] for a, b in theirs]
    kept = {(i, j) for i, j in links if s[i].lower() in sources and t[j].lower() in targets}
    for i, word in enumerate(s):
        if word[0].isupper() and s.count(word) == 1 and t.count(word) == 1 and len(word) > 1:
            j = t.index(word)
            kept = {(a, b) for a, b in kept if a != i and b != j} | {(i, j)}
    return tuple((ours[i], theirs[j]) for i, j in sorted(kept))
