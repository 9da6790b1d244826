"""Attention between pieces as an alignment between words, on both sides.

    a(w, v) = sum over pieces j of w  sum over pieces i of v  share(j, w) a<j,i> share(i, v)

share(i, v) is the part of source piece i that lies in word v, so what a source piece has is handed out whole;
share(j, w) is the part of word w that piece j makes, so that a(w, .) sums to what its pieces' attention sums to, 1. A
piece that is white space alone counts for the word behind it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from rondo.tasks.translation.words import Span

Floats = NDArray[np.float64]


def shares(pieces: Sequence[Span], words: Sequence[Span]) -> Floats:
    """[pieces, words]: which part of each piece lies in which word; every row sums to 1, where there are words."""
    found = np.zeros((len(pieces), len(words)))
    for k, (start, end) in enumerate(pieces):
        for j, (first, last) in enumerate(words):
            found[k, j] = max(0, min(end, last) - max(start, first))
        if not found[k].any() and len(words):
            behind = next((j for j, word in enumerate(words) if word.start >= end), len(words) - 1)
            found[k, behind] = 1
    part: Floats = found / np.maximum(found.sum(1, keepdims=True), 1e-12)
    return part


def word_alignment(
    weights: Floats, target: Sequence[Span], target_words: Sequence[Span], source: Sequence[Span], words: Sequence[Span]
) -> Floats:
    """[target words, source words] from the attention [target pieces, source pieces]; pieces and words are spans of
    their sentences."""
    given = shares(target, target_words)
    given /= np.maximum(given.sum(0, keepdims=True), 1e-12)
    found: Floats = given.T @ weights @ shares(source, words)
    return found


class Copy(NamedTuple):
    """A piece of the target that is a piece of the source; the spans of its words in both, as many here as there."""

    row: int
    column: int
    target: list[Span]
    source: list[Span]


def word_for_word(
    weights: Floats, target: Sequence[Span], source: Sequence[Span], copies: Sequence[Copy]
) -> tuple[Floats, list[Span], list[Span]]:
    """The attention, and the spans of both sides, where copied pieces are taken apart into their words: what such a
    piece has for itself in the source goes to the same word; what others have for it is shared out by length."""
    theirs, ours = {c.row: c.target for c in copies}, {c.column: c.source for c in copies}
    rows = [(k, span) for k, own in enumerate(target) for span in theirs.get(k, [own])]
    columns = [(k, span) for k, own in enumerate(source) for span in ours.get(k, [own])]
    sizes = np.array([max(1, b - a) for _, (a, b) in columns], dtype=np.float64)
    row, column = np.array([k for k, _ in rows], dtype=int), np.array([k for k, _ in columns], dtype=int)
    share = sizes / np.bincount(column, sizes)[column]
    found = weights[np.ix_(row, column)] * share
    for copy in copies:
        found[np.ix_(row == copy.row, column == copy.column)] = weights[copy.row, copy.column] * np.eye(
            len(copy.source)
        )
    return found, [span for _, span in rows], [span for _, span in columns]
