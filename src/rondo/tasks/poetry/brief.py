"""Brief: what a poem is to be, slot by slot, as the numbers that the generator is told.

A poem of L lines of n characters is L * n slots, line after line; there are no symbols between lines, since the slot
says where it stands. What is not demanded is 0 (none): the generator writes with any part of a brief left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rondo.verse.books import Book, book
from rondo.verse.forms import PING, ZE, template

Ints = NDArray[np.int64]

MOST_LINES, LONGEST = 8, 7
STYLES = ("", "唐", "宋")
BOOKS = ("pingshui", "cilin", "xinyun", "tongyun")
SIZES = {"pingshui": 106, "cilin": 19, "xinyun": 14, "tongyun": 16}  # groups of each book
TONES = {"": 0, PING: 1, ZE: 2}
KINDS = {"": 0, "A": 1, "B": 2, "C": 3, "D": 4}
WORD, THEME = 2, 8  # symbols of a line's image, and of the theme


def rhyme_class(name: str, group: int, tone: str) -> int:
    """The number of a rhyme: a group of a book, and its 平 or 仄 half where the book's groups hold both."""
    first = 1
    for other in BOOKS:
        halves = 1 if other == "pingshui" else 2
        if other == name:
            return first + halves * (group - 1) + (halves == 2 and tone == ZE)
        first += halves * SIZES[other]
    raise KeyError(name)


RHYMES = rhyme_class("tongyun", SIZES["tongyun"], ZE) + 1
# line, lines after it, place, places after it, tone, line's type, tone of its end, rhyme of its end, style, way to the
# next required character; then symbols: that character, the line's image, the theme
TABLES = (MOST_LINES, MOST_LINES, LONGEST, LONGEST, 3, 5, 3, RHYMES, len(STYLES), LONGEST + 1)
GROUPS = (1, WORD, THEME)
STYLE = 8  # the column of the style
COLUMNS = len(TABLES) + sum(GROUPS)


@dataclass
class Brief:
    """What a poem is to be. Symbols are numbers of the generator's vocabulary, 0 where none is wanted.

    types     of each line "A" to "D", or ""
    ends      of each line the tone of its last character, or ""
    rhymes    of each line the `rhyme_class` of its last character, or 0
    required  [lines, length] symbols that must stand there
    words     [lines, WORD] a word that the line is to hold
    theme     [THEME] what the poem is to be about
    style     index into STYLES
    """

    lines: int
    length: int
    types: list[str] = field(default_factory=list)
    ends: list[str] = field(default_factory=list)
    rhymes: list[int] = field(default_factory=list)
    required: Ints = field(default_factory=lambda: np.zeros((0, 0), np.int64))
    words: Ints = field(default_factory=lambda: np.zeros((0, WORD), np.int64))
    theme: Ints = field(default_factory=lambda: np.zeros(THEME, np.int64))
    style: int = 0

    def __post_init__(self) -> None:
        self.types = self.types or [""] * self.lines
        self.ends = self.ends or [""] * self.lines
        self.rhymes = self.rhymes or [0] * self.lines
        self.required = self.required if self.required.size else np.zeros((self.lines, self.length), np.int64)
        self.words = self.words if self.words.size else np.zeros((self.lines, WORD), np.int64)

    def columns(self) -> Ints:
        """The condition of every slot, [lines * length, COLUMNS]."""
        table = np.zeros((self.lines, self.length, COLUMNS), np.int64)
        table[:, :, :4] = _where(self.lines, self.length)
        for i, (kind, end) in enumerate(zip(self.types, self.ends, strict=True)):
            table[i, :, 4] = _tones(kind, end, self.length)
            table[i, :, 5], table[i, :, 6] = KINDS[kind], TONES[end]
        table[:, :, 7] = np.asarray(self.rhymes)[:, None]
        table[:, :, STYLE] = self.style
        way, ahead = np.zeros(self.lines, np.int64), np.zeros(self.lines, np.int64)
        for p in reversed(range(self.length)):  # the next one in the line, this slot's own included
            here = self.required[:, p]
            ahead = np.where(here > 0, here, ahead)
            way = np.where(here > 0, 1, np.where(way > 0, way + 1, 0))
            table[:, p, 9], table[:, p, 10] = way, ahead
        table[:, :, 11 : 11 + WORD] = self.words[:, None]
        table[:, :, 11 + WORD :] = self.theme
        return table.reshape(-1, COLUMNS)


def _where(lines: int, length: int) -> Ints:
    line, place = np.indices((lines, length))
    return np.stack([line, lines - 1 - line, place, length - 1 - place], -1)


def _tones(kind: str, end: str, length: int) -> list[int]:
    """The tone that each slot of a line demands: the fixed places of its type, and its end."""
    fixed = [0] * length
    if kind:
        fixed = [TONES.get(c, 0) for c in template(kind, length)]
    if end:
        fixed[-1] = TONES[end]
    return fixed


def all_books() -> tuple[Book, ...]:
    """The four books, in the order of BOOKS."""
    return tuple(book(name) for name in BOOKS)
