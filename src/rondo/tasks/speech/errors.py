"""Errors of a recogniser: how many edits turn what was found into what was said."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence


def edits(said: Sequence[Hashable], found: Sequence[Hashable]) -> int:
    """The fewest insertions, deletions and substitutions (Levenshtein 1966)."""
    row = list(range(len(found) + 1))
    for i, a in enumerate(said, 1):
        before, row[0] = row[0], i
        for j, b in enumerate(found, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def word_error(pairs: Iterable[tuple[str, str]]) -> float:
    """Edits of words in all pairs (said, found), over the words that were said."""
    return _rate((said.split(), found.split()) for said, found in pairs)


def letter_error(pairs: Iterable[tuple[str, str]]) -> float:
    """The same of letters and spaces."""
    return _rate(pairs)


def _rate(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> float:
    wrong = count = 0
    for said, found in pairs:
        wrong, count = wrong + edits(said, found), count + len(said)
    return wrong / max(1, count)
