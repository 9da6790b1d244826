"""What the judges of poems and of couplets say with: faults, what mends them, the tone class of a character."""

from __future__ import annotations

from dataclasses import dataclass

from rondo.verse.books import Book
from rondo.verse.forms import PING

BOTH, UNKNOWN = "多", "?"


@dataclass(frozen=True)
class Fault:
    """A rule that verse breaks; among the notes of a report, what a reader may want to know.

    rule      the rule's usual name: 平仄, 失粘, 孤平, 出韵 ...
    line      from 1; of a couplet 1 is the first line (上联), 2 the second
    position  of the character in its line, from 1, commas not counted; 0: the whole line
    """

    rule: str
    line: int
    position: int
    message_zh: str
    message_en: str

    def message(self, lang: str) -> str:
        """In Chinese ("zh") or English."""
        return self.message_zh if lang == "zh" else self.message_en


@dataclass(frozen=True)
class Mend:
    """Replacements for the character at a place, or for a line where the place is 0; both count from 1."""

    line: int
    position: int
    replacements: tuple[str, ...]


def tone_class(char: str, book: Book) -> str:
    """平, 仄, 多 (either) or ? (not in the book)."""
    tones = book.tones(char)
    return BOTH if len(tones) > 1 else next(iter(tones), UNKNOWN)


def admits(tones: frozenset[str], tone: str) -> bool:
    """Whether a character of these tones may be read so; one that the book does not have may be read either way."""
    return not tones or tone in tones


def english(tone: str) -> str:
    """The tone's name in an English sentence."""
    return "level (平)" if tone == PING else "oblique (仄)"
