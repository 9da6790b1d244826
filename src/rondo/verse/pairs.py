"""The judge of couplets (对联): which rules two lines keep, place by place.

The rules, and how many of 2,285 human couplets (`valid`) keep them; tests/test_verse_pairs.py measures it again:

    字数 断句   equal length, commas at the same places                              100 % (the data were chosen so)
    重字        no character of the first line in the second, but FUNCTION_CHARS     97.7
    叠字        a character repeated in one line is repeated alike in the other      98.1 (88.3 of those that repeat)
    平仄        tones opposed at the rhythm points inside the lines                  77.6 (5 characters 90, 7: 88)
    句脚        one line ends oblique, the other level                               98.2
    仄起平收    it is the first that ends oblique                                    99.5

Tones are opposed where the old tones (平水韵) or the Mandarin ones are: couplets are written by either. The rhythm
points are the even characters of each part between commas, and its last one. Measured on 102,742 couplets, share of
pairs opposed at each place (old or new tones):

    5 characters   74 94 89 91 98
    7 characters   75 95 77 95 91 94 99
    4, then 7      73 93 78 96 | 75 96 76 95 92 92 99
    6 characters   73 87 76 86 79 97
    11, no comma   73 91 79 92 77 89 77 88 90 86 98

So even places lead in every length, odd lengths too, counted from the start of a part. Only unmarked lines of 12, 16
and 18 characters differ (12: 84 at 2, 4; 90 at 5; 88 at 7, 9; 97 at 12): they are mostly spoken as 5 + 7, 5 + 4 + 7,
5 + 6 + 7, and are taken so (UNMARKED). The third of five and the fifth of seven are opposed often but not ruled.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rondo.verse.books import Book, book
from rondo.verse.faults import Fault, admits, tone_class
from rondo.verse.forms import PING, ZE
from rondo.verse.paste import parts

# particles: in both lines at the same place far more often than elsewhere (train: 之 585 : 16, 而 100 : 3, 者 41 : 3)
FUNCTION_CHARS = frozenset("之而以于与也乎者其且则兮矣哉焉所的")
UNMARKED = {12: (5, 7), 16: (5, 4, 7), 18: (5, 6, 7)}
BOOKS = ("pingshui", "xinyun")


@dataclass(frozen=True)
class Place:
    """One place of a couplet.

    tones    by book, of both characters: 平 仄 多 ?
    point    whether the tones must be opposed here
    opposed  by book, whether they are (or may be)
    ok       no fault stands here
    """

    upper: str
    lower: str
    tones: dict[str, tuple[str, str]]
    point: bool
    opposed: dict[str, bool]
    ok: bool


@dataclass(frozen=True)
class CoupletReport:
    """What a couplet keeps and breaks.

    parts    characters of each part between the commas of the first line
    places   up to the end of the shorter line
    points   by book, (rhythm points where the tones are opposed, rhythm points)
    swapped  the first line given ends level and the second oblique: the other way round they would stand right
    """

    upper: str
    lower: str
    parts: tuple[int, ...]
    places: tuple[Place, ...]
    points: dict[str, tuple[int, int]]
    swapped: bool
    faults: tuple[Fault, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self)


def judge_couplet(upper: str, lower: str, books: Sequence[str] = BOOKS) -> CoupletReport:
    """Judge two lines; a place is right if the tones of one of the books make it so.

    Traditional characters are simplified, any mark counts as a comma. Raises VerseError where a line is empty or holds
    something else than Chinese characters.
    """
    first, second = parts(upper), parts(lower)
    a, b, used = "".join(first), "".join(second), [book(name) for name in books]
    sizes = tuple(map(len, first))
    points = frozenset(rhythm_points(sizes))
    reversed_ends = _ordered(b[-1], a[-1], used) and not _ordered(a[-1], b[-1], used)
    faults = _shape(first, second)
    if len(a) == len(b):
        faults += (*_tones(a, b, points, used), *_ends(a, b, reversed_ends, used))
    faults += (*_shared(a, b), *_unmirrored(a, b))
    wrong = {fault.position for fault in faults}
    places = tuple(
        _place(x, y, i in points, i + 1 not in wrong, used) for i, (x, y) in enumerate(zip(a, b, strict=False))
    )
    kept = {o.name: sum(p.point and p.opposed[o.name] for p in places) for o in used}
    total = sum(p.point for p in places)
    counts = {name: (count, total) for name, count in kept.items()}
    return CoupletReport("，".join(first), "，".join(second), sizes, places, counts, reversed_ends, faults)


def rhythm_points(parts: Sequence[int]) -> tuple[int, ...]:
    """The places, from 0 in the whole line without its commas, where tones must be opposed: of every part the even
    characters and the last. An unmarked line is cut as UNMARKED says."""
    sizes = UNMARKED.get(parts[0], parts) if len(parts) == 1 else parts
    starts = itertools.accumulate(sizes, initial=0)
    return tuple(s + i for s, n in zip(starts, sizes, strict=False) for i in range(n) if i % 2 == 1 or i == n - 1)


def mirror(line: str) -> tuple[int, ...]:
    """For each place of a line the first place with the same character: equal for two lines that repeat alike."""
    return tuple(map(line.index, line))


def opposed(x: str, y: str, book: Book) -> bool:
    """Whether two characters may be read in opposite tones; one that the book does not have may."""
    one, other = book.tones(x), book.tones(y)
    return any(admits(one, t) and admits(other, u) for t, u in ((PING, ZE), (ZE, PING)))


def ends_level(line: str) -> bool:
    """Whether a line must be a second line (下联): its last character is level in the old tones and in Mandarin."""
    last = parts(line)[-1][-1]
    return all(book(name).tones(last) == {PING} for name in BOOKS)


def _ordered(x: str, y: str, used: Sequence[Book]) -> bool:
    """Whether x may be oblique and y level, in one of the books."""
    return any(admits(o.tones(x), ZE) and admits(o.tones(y), PING) for o in used)


def _place(x: str, y: str, point: bool, ok: bool, used: Sequence[Book]) -> Place:
    tones = {o.name: (tone_class(x, o), tone_class(y, o)) for o in used}
    return Place(x, y, tones, point, {o.name: opposed(x, y, o) for o in used}, ok)


def _shape(first: Sequence[str], second: Sequence[str]) -> tuple[Fault, ...]:
    n, m = sum(map(len, first)), sum(map(len, second))
    if n != m:
        zh = f"上联 {n} 字，下联 {m} 字，字数不等"
        return (Fault("字数", 2, 0, zh, f"the first line has {n} characters, the second {m}"),)
    one, other = list(map(len, first)), list(map(len, second))
    if one != other:
        cut, cuts = "+".join(map(str, one)), "+".join(map(str, other))
        zh = f"断句不同：上联 {cut}，下联 {cuts}"
        return (Fault("断句", 2, 0, zh, f"the commas differ: {cut} characters above, {cuts} below"),)
    return ()


def _tones(a: str, b: str, points: frozenset[int], used: Sequence[Book]) -> list[Fault]:
    return [
        Fault(
            "平仄",
            2,
            i + 1,
            f"第 {i + 1} 字“{a[i]}”“{b[i]}”平仄相同，应相对",
            f"character {i + 1}: {a[i]} and {b[i]} have the same tone, they should be opposed",
        )
        for i in sorted(points)
        if i < len(a) - 1 and not any(opposed(a[i], b[i], o) for o in used)
    ]


def _ends(a: str, b: str, reversed_ends: bool, used: Sequence[Book]) -> list[Fault]:
    x, y, n = a[-1], b[-1], len(a)
    if _ordered(x, y, used):
        return []
    if reversed_ends:
        zh = f"上联以平声“{x}”收，下联以仄声“{y}”收：两句宜对调"
        en = f"the first line ends level ({x}) and the second oblique ({y}): swap the lines"
        return [Fault("仄起平收", 2, n, zh, en)]
    zh = f"句脚“{x}”“{y}”平仄相同，上联应收仄声，下联应收平声"
    en = f"the ends {x} and {y} have the same tone: the first line should end oblique, the second level"
    return [Fault("句脚", 2, n, zh, en)]


def _shared(a: str, b: str) -> list[Fault]:
    shared = (set(a) & set(b)) - FUNCTION_CHARS
    return [
        Fault("重字", 2, i + 1, f"“{c}”上联已用", f"character {i + 1}: {c} stands in the first line already")
        for i, c in enumerate(b)
        if c in shared
    ]


def _unmirrored(a: str, b: str) -> list[Fault]:
    """Places whose character came before in one line and not in the same way in the other."""
    found = []
    for i, (x, y) in enumerate(zip(mirror(a), mirror(b), strict=False)):
        if x != y:
            here, char, there, first = ("上联", a[i], "下联", x) if x < i else ("下联", b[i], "上联", y)
            zh = f"{here}第 {first + 1}、{i + 1} 字都是“{char}”，{there}没有照样重复"
            side, other = ("first", "second") if x < i else ("second", "first")
            en = (
                f"characters {first + 1} and {i + 1} of the {side} line are both {char}; the {other} does not repeat so"
            )
            found.append(Fault("叠字", 2, i + 1, zh, en))
    return found
