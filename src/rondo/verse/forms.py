"""Forms of regulated verse: tone patterns of lines and poems, rhyme schemes, acrostic places.

A line of regulated verse is one of four types, told apart by the tone class of its second character (from the end: the
fourth) and of its last one. 平 is level, 仄 oblique; five characters, and seven with two more in front:

    A  仄仄平平仄    平平仄仄平平仄          C  平平平仄仄    仄仄平平平仄仄
    B  平平仄仄平    仄仄平平仄仄平          D  仄仄仄平平    平平仄仄仄平平

Characters 2, 4 (and 6) and the last are fixed, the others may vary (一三五不论), but: no 孤平 (B's first character is
仄 only where its third is 平), no 三平尾 in D, no 三仄尾 in C, and C may end 平仄平仄 for 平平仄仄. Within a couplet
the second characters are opposed (对), between couplets they agree (粘): so a poem's pattern follows from the first
line's start and the tone of each line's end, and the ends follow from the rhyme scheme. Wang Li, 诗词格律, ch. 2.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from rondo.expr.graph import nearest
from rondo.verse.books import VerseError

PING, ZE = "平", "仄"
OPPOSITE = {PING: ZE, ZE: PING}
FREE = "中"  # a place of a template where either tone may stand
LENGTHS = (5, 7)
FORMS = {"五绝": (4, 5), "七绝": (4, 7), "五律": (8, 5), "七律": (8, 7)}  # lines, characters of a line
SCHEMES = ("双句押韵", "双句一压", "一三四押")
SCHEME_NAMES = {"even": "双句押韵", "pairs": "双句一压", "134": "一三四押"}  # for people who type English
PLACES = ("藏头", "藏尾", "藏中", "递增", "递减", "递减至首")
TYPES = {(ZE, ZE): "A", (PING, PING): "B", (PING, ZE): "C", (ZE, PING): "D"}  # by second character and end
FIXED = {"A": "中仄中平仄", "B": "中平中仄平", "C": "中平中仄仄", "D": "中仄中平平"}


def tone_strings(kind: str, length: int) -> frozenset[str]:
    """All tone strings that a line of this type may have, of 5 or 7 characters."""
    short = {s for s in _filled(FIXED[kind]) if _allowed(kind, s)}
    short |= {"平平仄平仄"} if kind == "C" else set()  # the usual licence (拗救)
    if length == 5:
        return frozenset(short)
    return frozenset(first + OPPOSITE[s[1]] + s for first in (PING, ZE) for s in short)


def _filled(template: str) -> list[str]:
    return ["".join(s) for s in itertools.product(*((PING, ZE) if c == FREE else c for c in template))]


def _allowed(kind: str, s: str) -> bool:
    lonely = kind == "B" and s[0] == ZE and s[2] == ZE
    return not lonely and s[2:] not in (PING * 3, ZE * 3)


LINES = {(kind, length): tone_strings(kind, length) for kind in "ABCD" for length in LENGTHS}


@dataclass(frozen=True)
class Pattern:
    """A tone pattern of a whole poem.

    name   平起 or 仄起 (the class of the first line's second character), 首句入韵 or 首句不入韵
    types  the type of each line
    lines  the tone strings that each line may have
    """

    name: str
    types: str
    lines: tuple[frozenset[str], ...]


def pattern(start: str, ends: Sequence[str], length: int, rhyme: str = PING) -> Pattern:
    """The pattern whose first line has the class `start` at its second character, and whose lines end in the tones
    `ends`; those that rhyme end in the tone `rhyme`."""
    inner = start if length == 5 else OPPOSITE[start]  # of the last five characters
    types = ""
    for i, end in enumerate(ends):
        types += TYPES[inner if i % 4 in (0, 3) else OPPOSITE[inner], end]
    first = "首句入韵" if ends[0] == rhyme else "首句不入韵"
    return Pattern(f"{start}起{first}", types, tuple(LINES[t, length] for t in types))


def patterns(ends: Sequence[str], length: int, rhyme: str = PING) -> tuple[Pattern, Pattern]:
    """Both patterns for these line ends, 仄起 first."""
    return pattern(ZE, ends, length, rhyme), pattern(PING, ends, length, rhyme)


def rhyme_sets(scheme: str, lines: int, first: bool = False) -> tuple[int | None, ...]:
    """For each line the number of the set in which it rhymes, or None where it does not.

    双句押韵  even lines rhyme with one another (xAxA); with `first` (首句入韵) line 1 does too
    双句一压  one rhyme every two lines: 1 with 2, 3 with 4 ... (AABB); a last line alone does not rhyme
    一三四押  lines 1, 3 and 4 of every four (AxAA)
    """
    check_choice("rhyme option", "押韵方式", scheme, SCHEMES)
    if scheme == "双句一压":
        return tuple(i // 2 if i // 2 * 2 + 1 < lines else None for i in range(lines))
    rhymes = {0, 2, 3} if scheme == "一三四押" else {1, 3}
    return tuple(0 if i % 4 in rhymes or (first and i == 0) else None for i in range(lines))


def ends(sets: Sequence[int | None], rhyme: str = PING) -> tuple[str, ...]:
    """Rhyming lines end in the rhyme's tone, level as a rule, the others in the opposite one."""
    return tuple(OPPOSITE[rhyme] if s is None else rhyme for s in sets)


def places(at: str, keys: int, length: int) -> tuple[int, ...]:
    """The position, from 0, that the i-th hidden character has in the i-th line.

    藏头 the first, 藏尾 the last, 藏中 the middle one (3 of 5, 4 of 7); 递增 the i-th (a falling diagonal), 递减 the
    i-th from the end; both start again past the line's end. 递减至首 is the other reading of 递减, which ends at the
    head: the i-th of N keys stands at N + 1 - i.
    """
    check_choice("place", "藏字位置", at, PLACES)
    if at in ("藏头", "藏尾", "藏中"):
        return ({"藏头": 0, "藏尾": length - 1, "藏中": length // 2}[at],) * keys
    if at == "递增":
        return tuple(i % length for i in range(keys))
    last = keys if at == "递减至首" else length
    return tuple((last - 1 - i) % length for i in range(keys))


def template(kind: str, length: int, inner: str = "") -> str:
    """What a line of this type demands of each character: 平 仄 or 中 (free); `inner` replaces the type's own string
    for the last five."""
    last = inner or FIXED[kind]
    return last if length == 5 else FREE + OPPOSITE[last[1]] + last


def fits(tones: Sequence[frozenset[str]], strings: frozenset[str]) -> bool:
    """Whether some choice of a tone for each character is one of the strings; no tone known fits any."""
    return any(all(not t or c in t for t, c in zip(tones, s, strict=True)) for s in strings)


def check_choice(name: str, chinese: str, value: str, known: Sequence[str]) -> None:
    """Raise VerseError where the value is none of the known ones."""
    if value not in known:
        listed = "、".join(known)
        raise VerseError(
            f"{chinese}没有“{value}”，可选：{listed} / no {name} is called {value!r}{nearest(value, list(known))}"
        )
