"""Pasted text of poems and couplets -> their lines.

A punctuation mark, a line break and | end a line of verse, and so does a space where it parts lines of five or seven
characters; a blank line ends a poem. Other spaces, control characters and quotation marks are dropped. Anything else
that is not Chinese is an error, never read past in silence.
"""

from __future__ import annotations

import itertools
import re
import unicodedata
from collections.abc import Iterator

from rondo.verse.books import VerseError
from rondo.verse.script import is_han, simplify

BETWEEN = "；;"  # parts the two lines of a couplet written in one row
MARKS = "，。！？、：,.!?:|｜｡､．" + BETWEEN
QUOTES = "“”‘’「」『』"
POEM_LENGTHS = (5, 7)


def read(text: str) -> list[tuple[str, ...]]:
    """The poems of a pasted text, each as its lines, simplified. Raises VerseError naming a character and its row."""
    return [tuple(map(simplify, lines(block))) for block in blocks(text)]


def blocks(text: str) -> list[str]:
    """The poems and couplets of a text, as typed but for what is dropped; blank lines stand between them."""
    rows = [_clean(row, number) for number, row in enumerate(text.splitlines(), 1)]
    found = ["\n".join(group) for filled, group in itertools.groupby(rows, bool) if filled]
    if not any(lines(block) for block in found):
        raise VerseError("没有诗句：请给出五言或七言的诗，或一副对联 / there is no verse: give a poem or a couplet")
    return [block for block in found if lines(block)]


def lines(block: str) -> tuple[str, ...]:
    """The lines of a poem."""
    return tuple(filter(None, re.split(f"[\n{re.escape(MARKS)}]", block)))


def couplet(block: str) -> tuple[str, str] | None:
    """The two lines of a couplet, commas kept as ，; None where the block is not of that shape.

    Its shape is two rows (or halves at ；) of equal length, or two equal lines. Two rows of two lines of five or seven
    characters are a quatrain: of couplets only 0.5% are so long and so cut.
    """
    pair = two_rows(block)
    sizes = [tuple(len(part) for part in lines(row)) for row in pair or ()]
    if pair is None or sum(sizes[0]) != sum(sizes[1]):
        return None
    quatrain = sizes[0] == sizes[1] and sizes[0] in {(n, n) for n in POEM_LENGTHS}
    return None if quatrain else pair


def two_rows(block: str) -> tuple[str, str] | None:
    """The two rows of a block, or its only two lines, whatever their length; None where it has another number."""
    rows = [row for row in re.split(f"[\n{BETWEEN}]", block) if lines(row)]
    rows = list(lines(block)) if len(rows) == 1 else rows
    return ("，".join(lines(rows[0])), "，".join(lines(rows[1]))) if len(rows) == 2 else None


def parts(line: str) -> tuple[str, ...]:
    """The parts of one line of a couplet, simplified. Raises VerseError where it has none, or holds another sign."""
    found = lines(simplify(_clean(line, 1)))
    if not found:
        raise VerseError("对联的一句是空的 / a line of the couplet is empty")
    return found


def _clean(row: str, number: int) -> str:
    pieces = row.split()
    parted = len(pieces) > 1 and all(len(p) in POEM_LENGTHS and all(map(is_han, p)) for p in pieces)
    return "".join(_kept("，".join(pieces) if parted else row, number))


def _kept(row: str, number: int) -> Iterator[str]:
    for char in row:
        if is_han(char) or char in MARKS:
            yield char
        elif not (char.isspace() or char in QUOTES or unicodedata.category(char) in ("Cc", "Cf", "Mn")):
            raise VerseError(
                f"第 {number} 行的 {char!r} 不是汉字或句读，请去掉（题目、作者和注释也请去掉） / "
                f"row {number}: {char!r} is neither a Chinese character nor punctuation: leave it out "
                "(titles, authors and notes as well)"
            )
