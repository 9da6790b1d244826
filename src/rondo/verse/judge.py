"""The judge of poems: which form and tone pattern a poem has, how it rhymes, and what it breaks.

`metre` finds the pattern, `rhyme` the rhyme. Old-style verse (古体) obeys no pattern: a poem that rhymes and is further
from every pattern than `limit`, or that rhymes in an oblique group (仄韵), is called so, and its tones are let alone.
The limit is what a poem of random characters rarely keeps to: one fault of the pattern in a quatrain of five
characters, two in one of seven, and twice that in eight lines. Taken for regulated, in the order 五绝 七绝 五律 七律:
66, 98, 84 and 94 of 100 human poems (CCPC quatrains, Tang and Song poems of eight lines), 22, 23, 6 and 4 of 100 whose
characters, but for the rhymes, were drawn at random.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rondo.verse import books
from rondo.verse.books import TITLES, Book, VerseError
from rondo.verse.faults import BOTH, Fault, tone_class
from rondo.verse.forms import FORMS, FREE, LENGTHS
from rondo.verse.metre import Metre, metre
from rondo.verse.pairs import CoupletReport, judge_couplet
from rondo.verse.paste import read as read  # pasted text -> poems: the other half of judging
from rondo.verse.rhyme import EVEN, Rhyme, rhyme
from rondo.verse.script import is_han, simplify

REGULATED, OLD, NEITHER = "近体", "古体", "未入律"
NUMERALS = "零一两三四五六七八九十"


@dataclass(frozen=True)
class Mark:
    """One character of a poem.

    tone      in the book: 平 仄 多 (either) ? (not in it)
    required  平 仄 中 (free)
    reading   of a character of either tone, the tone that it must be read in here, else ""
    ok        no fault stands here
    """

    char: str
    tone: str
    required: str
    reading: str
    ok: bool


@dataclass(frozen=True)
class Line:
    """One line: its type A to D ("" in old-style verse), whether it should rhyme, the rhyme groups of its end."""

    text: str
    type: str
    marks: tuple[Mark, ...]
    rhymes: bool
    groups: tuple[str, ...]
    ok: bool


@dataclass(frozen=True)
class Report:
    """What a poem keeps and breaks under one book and rhyme scheme.

    form       五绝 七绝 五律 七律, or lines and characters: 五言六句
    kind       近体 regulated, 古体 old style, 未入律 neither
    pattern    name of the nearest pattern, "" for old-style verse
    rhyme      the rhyme group of each set of rhyming lines, "" where they share none
    faults     in the order of the lines; what old-style verse is excused from is not among them
    notes      what is no fault: licences, repeated characters, a neighbouring rhyme in line 1 ...
    parallels  of eight regulated lines: 3-4 and 5-6 judged as couplets
    off        faults of the pattern: characters, and lines that do not go with the one before
    """

    lines: tuple[Line, ...]
    form: str
    kind: str
    pattern: str
    book: str
    scheme: str
    rhyme: tuple[str, ...]
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]
    parallels: tuple[CoupletReport, ...]
    off: int

    @property
    def broken(self) -> int:
        """Faults, and what old-style verse is excused from."""
        return len(self.faults) + (self.off if self.kind == OLD else 0)

    def to_json(self) -> dict[str, Any]:
        """Plain values for JSON."""
        return asdict(self) | {"broken": self.broken}


def judge(lines: Sequence[str], book: str = "pingshui", scheme: str = EVEN, strict: bool = False) -> Report:
    """Judge a poem of two lines or more, all of five or all of seven characters; with `strict` as regulated verse
    whatever it is.

    A character of both tones fits either, one that the book does not have fits everywhere. Traditional characters are
    simplified. Raises VerseError for another shape, book or scheme.
    """
    used, poem = books.book(book), checked(lines)
    rhymed = rhyme(poem, scheme, used)
    measured = metre(poem, rhymed.ends, [s is not None for s in rhymed.sets], used)
    kind = _kind(len(measured.off), poem, rhymed, strict)
    faults, notes = _findings(kind, measured, rhymed)
    notes += [*_repeated(poem), *_unlisted(poem, used), *_converted(lines, poem)]
    faults.sort(key=lambda fault: (fault.line, fault.position))
    pairs = [(2, 3), (4, 5)] if len(poem) == 8 and kind == REGULATED else []
    return Report(
        tuple(_line(i, line, kind, measured, rhymed, faults, used) for i, line in enumerate(poem)),
        form(poem),
        kind,
        "" if kind == OLD else measured.name,
        used.name,
        scheme,
        tuple(used.groups[main.group].name if main else "" for main in rhymed.mains),
        tuple(faults),
        tuple(notes),
        tuple(judge_couplet(poem[i], poem[j], (used.name,)) for i, j in pairs),
        len(measured.off),
    )


def judge_all(lines: Sequence[str], scheme: str = EVEN, strict: bool = False) -> dict[str, Report]:
    """The reports under every book."""
    return {name: judge(lines, name, scheme, strict) for name in TITLES}


def best(reports: Mapping[str, Report]) -> Report:
    """The report in which least is broken; of equals 平水韵, then 词林正韵, 中华新韵, 中华通韵."""
    return min(reports.values(), key=lambda report: (report.broken, list(TITLES).index(report.book)))


def best_book(lines: Sequence[str], scheme: str = EVEN, strict: bool = False) -> str:
    """The book under which a poem keeps most."""
    return best(judge_all(lines, scheme, strict)).book


def checked(lines: Sequence[str]) -> tuple[str, ...]:
    """The lines, simplified. Raises VerseError where they are not a poem that can be judged."""
    poem = tuple(map(simplify, lines))
    for i, line in enumerate(poem, 1):
        for char in line:
            if not is_han(char):
                raise VerseError(f"第 {i} 句的 {char!r} 不是汉字 / line {i}: {char!r} is not a Chinese character")
    if len(poem) < 2:
        raise VerseError("一首诗至少要有两句 / a poem has two lines or more")
    sizes = [len(line) for line in poem]
    odd = next((i for i, n in enumerate(sizes, 1) if n != sizes[0]), None)
    if odd is not None:
        n, first = sizes[odd - 1], sizes[0]
        raise VerseError(
            f"第 {odd} 句有 {n} 字，第 1 句有 {first} 字：各句字数应相同（词和杂言诗不能评） / "
            f"line {odd} has {n} characters, line 1 has {first}: "
            "they must be equally long (ci and mixed-length verse are not judged)"
        )
    if sizes[0] not in LENGTHS:
        raise VerseError(
            f"每句 {sizes[0]} 字：只评五言和七言诗 / "
            f"lines of {sizes[0]} characters: only verse of five or seven is judged"
        )
    return poem


def form(poem: Sequence[str]) -> str:
    """五绝 七绝 五律 七律 for four or eight lines, else such as 五言六句."""
    shape = len(poem), len(poem[0])
    named = next((name for name, known in FORMS.items() if known == shape), None)
    count = NUMERALS[shape[0]] if shape[0] < len(NUMERALS) else str(shape[0])
    return named or f"{NUMERALS[shape[1]]}言{count}句"


def limit(lines: int, length: int) -> int:
    """The most faults of the pattern that regulated verse may have before it is taken for old style."""
    return max(1, lines // 4) * (1 if length == 5 else 2)


def _kind(off: int, poem: Sequence[str], rhymed: Rhyme, strict: bool) -> str:
    if strict or (off <= limit(len(poem), len(poem[0])) and not rhymed.oblique):
        return REGULATED
    return OLD if rhymed.holds else NEITHER


def _findings(kind: str, measured: Metre, rhymed: Rhyme) -> tuple[list[Fault], list[Fault]]:
    """Faults and notes. Old-style verse is free in its tones and rhymes with neighbouring groups too."""
    if kind != OLD:
        return [*rhymed.faults, *measured.off, *measured.tails], [*rhymed.notes, *measured.notes]
    loose = [fault for fault in rhymed.faults if fault.rule == "出韵"]
    off = len(measured.off)
    zh, en = ("押仄韵", "an oblique tone") if rhymed.oblique else ("押平韵", "a level tone")
    zh = f"古体：{zh}，与近体相差 {off} 处，平仄不论"
    en = f"old style: it rhymes in {en}, its tones are free ({off} off the nearest pattern of regulated verse)"
    return [fault for fault in rhymed.faults if fault not in loose], [
        Fault("古体", 0, 0, zh, en),
        *rhymed.notes,
        *loose,
    ]


def _line(i: int, text: str, kind: str, measured: Metre, rhymed: Rhyme, faults: Sequence[Fault], used: Book) -> Line:
    s = rhymed.sets[i]
    template = FREE * len(text) if kind == OLD else measured.templates[i]
    if s is not None:  # the rhyme demands its tone in old-style verse too
        template = template[:-1] + rhymed.ends[i]
    wrong = {fault.position for fault in faults if fault.line == i + 1}
    marks = []
    for p, (char, want) in enumerate(zip(text, template, strict=True), 1):
        tone = tone_class(char, used)
        marks.append(Mark(char, tone, want, want if tone == BOTH and want != FREE else "", p not in wrong))
    readings = [r for r in used.readings(text[-1]) if s is None or r.tone == rhymed.ends[i]]
    groups = tuple(dict.fromkeys(used.groups[r.group].name for r in readings))
    return Line(text, "" if kind == OLD else measured.types[i], tuple(marks), s is not None, groups, not wrong)


def _repeated(poem: Sequence[str]) -> list[Fault]:
    """Characters that come again, but for doubles such as 悠悠."""
    single = ["".join(c for k, c in enumerate(line) if k == 0 or line[k - 1] != c) for line in poem]
    counts = Counter("".join(single))
    found = []
    for char, times in counts.items():
        if times > 1:
            lines = [i for i, line in enumerate(single, 1) if char in line]
            where = "、".join(map(str, lines))
            en = f"{char} stands {times} times (line {', '.join(map(str, lines))})"
            found.append(
                Fault(
                    "重字",
                    lines[-1],
                    poem[lines[-1] - 1].rindex(char) + 1,
                    f"“{char}”用了 {times} 次（第 {where} 句）",
                    en,
                )
            )
    return found


def _unlisted(poem: Sequence[str], used: Book) -> list[Fault]:
    chars = dict.fromkeys(c for line in poem for c in line if not used.readings(c))
    if not chars:
        return []
    shown = "".join(chars)
    en = f"{used.title} does not have {shown}: taken to fit everywhere"
    return [Fault("未收", 0, 0, f"{used.title}未收“{shown}”，按合律处理", en)]


def _converted(lines: Sequence[str], poem: Sequence[str]) -> list[Fault]:
    """Characters that were typed in another form than the tables have."""
    pairs = dict.fromkeys(
        (a, b) for line, made in zip(lines, poem, strict=True) for a, b in zip(line, made, strict=True) if a != b
    )
    shown = " ".join(f"{a}→{b}" for a, b in pairs)
    return (
        [Fault("繁体", 0, 0, f"繁体字按简体评：{shown}", f"traditional characters are judged as {shown}")]
        if pairs
        else []
    )
