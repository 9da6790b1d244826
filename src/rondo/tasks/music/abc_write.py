"""A tune as ABC notation (standard 2.1): what `abc_read` reads back to the same tune, and other programs read too."""

from __future__ import annotations

from fractions import Fraction

from rondo.tasks.music.theory import LETTERS, Key, beat_ticks, spelled
from rondo.tasks.music.tune import Bar, Note, Section, Tune

UNIT = 12  # ticks of L:1/8
ROW = 4  # bars of a line
SIGNS = {0: "=", 1: "^", -1: "_", 2: "^^", -2: "__"}


def to_abc(tune: Tune, number: int = 1) -> str:
    """The whole tune with its header."""
    title = " ".join(tune.title.split()) or "Untitled"
    head = [f"X:{number}", f"T:{title}", f"M:{tune.metre}", "L:1/8", f"K:{tune.key.name}"]
    return "\n".join([*head, *(_section(tune, s) for s in tune.sections)]) + "\n"


def _section(tune: Tune, section: Section) -> str:
    rows = _rows(tune, section.bars)
    text = ("|:" if section.repeat else "") + rows
    if section.first:
        return f"{text}|[1 {_rows(tune, section.first)}:|[2 {_rows(tune, section.second)}||"
    return text + (":|" if section.repeat else "||")


def _rows(tune: Tune, bars: tuple[Bar, ...]) -> str:
    parts = [bar_abc(bar, tune) for bar in bars]
    ends = ["|\n" if k % ROW == ROW - 1 else "|" for k in range(len(parts) - 1)]
    return "".join(a + b for a, b in zip(parts, [*ends, ""], strict=True))


def bar_abc(bar: Bar, tune: Tune) -> str:
    """The notes of a bar: accidentals where they differ from what holds, blanks between beats."""
    found, at, holds = "", 0, dict[int, int]()
    beat = beat_ticks(tune.metre)
    groups = triplets(bar)
    for k, note in enumerate(bar):
        if at and at % beat == 0:
            found += " "
        if k in groups:
            found += f"(3:2:{groups[k]}" if groups[k] != 3 else "(3"
        found += _note(note, tune.key, tune.octave, holds)
        at += note.ticks
    return found


def triplets(bar: Bar) -> dict[int, int]:
    """Where groups of triplets begin, and of how many notes each is."""
    found, start, owed = {}, 0, 0
    for k, note in enumerate(bar):
        if not owed and note.ticks % 3:
            start = k
        owed = (owed + note.ticks) % 3
        if not owed and note.ticks % 3:
            found[start] = k - start + 1
    return found


def _note(note: Note, key: Key, octave: int, holds: dict[int, int]) -> str:
    ticks = note.ticks * 3 // 2 if note.ticks % 3 else note.ticks
    if note.degree is None:
        return "z" + _length(ticks)
    letter, accidental, high = spelled(note.degree, note.alter, key, octave)
    place = 7 * high + letter
    sign = "" if holds.get(place, key.signature[letter]) == accidental else SIGNS[accidental]
    holds[place] = accidental
    name = LETTERS[letter] + "," * (4 - high) if high <= 4 else LETTERS[letter].lower() + "'" * (high - 5)
    return sign + name + _length(ticks) + ("-" if note.tie else "")


def _length(ticks: int) -> str:
    value = Fraction(ticks, UNIT)
    if value == 1:
        return ""
    top = "" if value.numerator == 1 else str(value.numerator)
    if value.denominator == 1:
        return top
    return f"{top}/{'' if value.denominator == 2 else value.denominator}"
