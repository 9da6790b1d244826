"""Places in a text: the parts of a long one that a model reads at a time, and where a target stands."""

from __future__ import annotations

from collections.abc import Sequence

from rondo.tasks.sentiment.text import Span
from rondo.verse.script import simplify

SENTENCE = "。！？!?…；;"
CLAUSE = "，,、：:"
_WORDS = """
a an the this that these those i you he she it we they me him her us them my your his its our their there here who
which what when where why how and or but nor so yet if as than because while although though is am are was were be
been being do does did has have had will would can could shall should may might must not n't to in on at by for from
with about into over under very too quite just only also
"""
GRAMMAR = frozenset(_WORDS.split())  # of English: in no found target
CLOSING = "」』”’\"')）】"  # belong to the sentence before them


def windows(text: str, pieces: Sequence[Span], longest: int) -> list[Span]:
    """The pieces of each part, [first, last), at most `longest` in one, which together are all pieces.

    A part ends at the last end of a sentence in its second half, where there is one, else of a clause, else at a blank.
    """
    cuts = [0]
    while len(pieces) - cuts[-1] > longest:
        ends = range(cuts[-1] + longest, cuts[-1] + longest // 2, -1)  # the piece that the next part begins with
        cuts.append(max(ends, key=lambda k: _rank(text, pieces, k)))  # of equal ones the first: the longest part
    return list(zip(cuts, [*cuts[1:], len(pieces)], strict=True)) if pieces else []


def _rank(text: str, pieces: Sequence[Span], k: int) -> int:
    """How good a cut before piece k is: 3 after a sentence, 2 after a clause, 1 at a blank, 0 elsewhere."""
    between, mark = text[pieces[k - 1][1] : pieces[k][0]], text[pieces[k - 1][1] - 1]
    if text[pieces[k][0]] in SENTENCE + CLAUSE + CLOSING + ".":
        return 0  # it goes with what it ends
    if mark in CLOSING and k > 1:
        mark = text[pieces[k - 2][1] - 1]
    if mark in SENTENCE or "\n" in between or (mark == "." and between):
        return 3
    return 2 if mark in CLAUSE else int(bool(between))


def occurrences(text: str, target: str) -> list[Span]:
    """Where a target stands, [start, end); capitals and traditional characters make no difference. In a script with
    words, whole words; only where there are none, parts of words."""
    text, target = _folded(text), _folded(target)
    found, at = [], text.find(target)
    while at >= 0 and target:
        found.append((at, at + len(target)))
        at = text.find(target, at + len(target))
    whole = [(a, b) for a, b in found if not _joined(text, a) and not _joined(text, b)]
    return whole or found


def names_something(piece: str) -> bool:
    """Whether a piece may be part of a found target: no mark, and no word of English grammar."""
    return any(map(str.isalnum, piece)) and piece.lower() not in GRAMMAR


def _folded(text: str) -> str:
    """The same number of characters, capitals small and traditional characters simplified."""
    return "".join(c.lower() if len(c.lower()) == 1 else c for c in simplify(text))


def _joined(text: str, at: int) -> bool:
    """Whether the characters on both sides of a place are letters of one word of an alphabet."""
    return 0 < at < len(text) and all(c.isalpha() and c < "\u2e80" for c in text[at - 1 : at + 1])
