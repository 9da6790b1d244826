"""Which tone pattern a poem has, and where it leaves it.

Every line is taken as one of the four types of `forms`. Which, is the choice that leaves least to explain: fixed
characters (2, 4, 6 and the last) of the wrong tone, plus lines that do not go with the one before (失对 within a
couplet, 失粘 between two), as few as possible; among equals the one whose free characters come nearest to the types'
own strings. So a poem fits one of the patterns exactly where nothing is left. Found by dynamic programming over the
lines, with the class of the second character (the fourth of seven) as the state.

Licences (拗救), noted and not counted: C as 平平仄平仄, and A with an oblique fourth (sixth) character that the next
line makes good by a level third (fifth): 野火烧不尽，春风吹又生. A line that rhymes is judged at its end by the rhyme
alone, so that one wrong character is one fault. Wang Li, 诗词格律, ch. 2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rondo.verse.books import Book, Tone, share_ping
from rondo.verse.faults import Fault, admits, english
from rondo.verse.forms import FREE, OPPOSITE, PING, TYPES, ZE, fits, template

Tones = Sequence[frozenset[Tone]]  # of each character of a line; empty where the book does not have it

IDEAL = {"A": "仄仄平平仄", "B": "平平仄仄平", "C": "平平平仄仄", "D": "仄仄仄平平"}
LICENCE = "平平仄平仄"  # of C


@dataclass(frozen=True)
class Metre:
    """The pattern that explains most of a poem.

    name       as in `forms.Pattern`, of its first line
    types      the type of each line
    templates  what each line demands of each character: 平 仄 中
    off        faults of the pattern: 平仄 句脚 失对 失粘
    tails      faults of lines that keep their type: 孤平 三平尾
    notes      licences taken, 三仄尾
    """

    name: str
    types: str
    templates: tuple[str, ...]
    off: tuple[Fault, ...]
    tails: tuple[Fault, ...]
    notes: tuple[Fault, ...]


def metre(poem: Sequence[str], ends: Sequence[Tone], rhyming: Sequence[bool], book: Book) -> Metre:
    """The metre of a poem whose lines should end in the tones `ends`; `rhyming` lines are judged there elsewhere."""
    tones = [[book.tones(char) for char in line] for line in poem]
    starts = _starts(poem, tones, ends, rhyming)
    types = "".join(TYPES[start, end] for start, end in zip(starts, ends, strict=True))
    forms = [_template(tones, i, kind) for i, kind in enumerate(types)]
    length = len(poem[0])
    own = starts[0] if length == 5 else OPPOSITE[starts[0]]
    off, tails, notes = list(_disagreements(starts)), [], []
    for i, line in enumerate(poem):
        wrong = _wrong(tones[i], forms[i], rhyming[i])
        off += [_tone_fault(i, p, line[p], forms[i][p], p == length - 1) for p in wrong]
        tails += _tails(i, tones[i], types[i], wrong, (PING,))
        notes += [*_licences(i, types[i], forms[i]), *_tails(i, tones[i], "", wrong, (ZE,))]
    name = f"{own}起{'首句入韵' if rhyming[0] else '首句不入韵'}"
    return Metre(name, types, tuple(forms), tuple(off), tuple(tails), tuple(notes))


def _starts(
    poem: Sequence[str], tones: Sequence[Tones], ends: Sequence[Tone], rhyming: Sequence[bool]
) -> tuple[Tone, ...]:
    """The class of each line's second (fourth) character in the best choice of types."""
    best: dict[Tone, tuple[int, float, tuple[Tone, ...]]] = {}
    for i, line in enumerate(poem):
        step = {}
        for start in (ZE, PING):
            kind = TYPES[start, ends[i]]
            wrong = len(_wrong(tones[i], _template(tones, i, kind), rhyming[i]))
            far = _distance(line, tones[i], kind)
            before = [(o + (not _agree(i, p, start)), d, path) for p, (o, d, path) in best.items()] or [(0, 0.0, ())]
            off, distance, path = min(before)
            step[start] = (off + wrong, distance + far, (*path, start))
        best = step
    return min(best.values())[2]


def _agree(i: int, before: Tone, start: Tone) -> bool:
    """Within a couplet the starts are opposed (对), between couplets they are the same (粘)."""
    return (before != start) == (i % 2 == 1)


def _template(tones: Sequence[Tones], i: int, kind: str) -> str:
    """What the line must be, given its other characters: the type's template, or that of the licence it takes; one of
    two free characters of B must be level (no 孤平), and D's third oblique (no 三平尾)."""
    line, inner = tones[i], ""
    after = tones[i + 1] if i % 2 == 0 and i + 1 < len(tones) else None
    if kind == "C" and not admits(line[-2], ZE) and fits(line[-5:-1], frozenset([LICENCE[:-1]])):
        inner = LICENCE
    elif kind == "A" and not admits(line[-2], PING) and after is not None and admits(after[-3], PING):
        inner = "中仄中仄仄"
    elif kind == "B" and admits(line[-3], PING) and (not admits(line[-5], PING) or _asks(tones, i)):
        inner = "中平平仄平"
    elif kind == "B" and not admits(line[-3], PING) and admits(line[-5], PING):
        inner = "平平中仄平"
    elif kind == "D" and admits(line[-3], ZE):
        inner = "中仄仄平平"
    return template(kind, len(line), inner)


def _asks(tones: Sequence[Tones], i: int) -> bool:
    """Whether the line before needs this one to make it good."""
    return i % 2 == 1 and not admits(tones[i - 1][-2], PING)


def _wrong(tones: Tones, form: str, rhymes: bool) -> list[int]:
    last = len(tones) - (1 if rhymes else 0)
    return [p for p in range(last) if form[p] != FREE and not admits(tones[p], form[p])]


def _distance(line: str, tones: Tones, kind: str) -> float:
    """How far a line is from the type's own tone string: 1 for each wrong character, and for one of either tone how
    seldom old verse reads it so."""
    total = 0.0
    for char, found, want in zip(line, tones, template(kind, len(line), IDEAL[kind]), strict=True):
        if len(found) == 2:
            total += 1 - share_ping(char) if want == PING else share_ping(char)
        elif want != FREE:
            total += not admits(found, want)
    return total


def _disagreements(starts: Sequence[Tone]) -> list[Fault]:
    found = []
    for i in range(1, len(starts)):
        if not _agree(i, starts[i - 1], starts[i]):
            rule, zh, en = ("失对", "相对", "opposed to") if i % 2 else ("失粘", "相粘", "the same as")
            found.append(
                Fault(
                    rule,
                    i + 1,
                    2,
                    f"第 {i + 1} 句{rule}：第二字的平仄应与第 {i} 句{zh}",
                    f"line {i + 1} ({rule}): its second character should be {en} that of line {i} in tone",
                )
            )
    return found


def _tone_fault(i: int, p: int, char: str, want: Tone, end: bool) -> Fault:
    have = OPPOSITE[want]
    here, place = f"第 {i + 1} 句第 {p + 1} 字“{char}”", f"line {i + 1}, character {p + 1}: {char}"
    if end:
        zh = f"{here}是{have}声：不押韵的句子应以{want}声收"
        return Fault(
            "句脚", i + 1, p + 1, zh, f"{place} is {english(have)}; a line that does not rhyme ends {english(want)}"
        )
    return Fault(
        "平仄", i + 1, p + 1, f"{here}应{want}而{have}", f"{place} should be {english(want)}, it is {english(have)}"
    )


def _tails(i: int, tones: Tones, kind: str, wrong: Sequence[int], of: Sequence[Tone]) -> list[Fault]:
    """孤平 in a B that is right else; three characters of one tone at the end, unless one is counted wrong already."""
    found, n = [], len(tones)
    if kind == "B" and not wrong and not admits(tones[-5], PING) and not admits(tones[-3], PING):
        zh = f"第 {i + 1} 句孤平：第 {n - 4} 字用仄，第 {n - 2} 字应平"
        en = f"line {i + 1} has a lonely level tone (孤平): character {n - 4} is oblique, so {n - 2} should be level"
        found.append(Fault("孤平", i + 1, n - 4, zh, en))
    for tone in of:
        if all(t == {tone} for t in tones[-3:]) and not any(p >= n - 3 for p in wrong):
            rule, en = f"三{tone}尾", f"line {i + 1} ends in three {english(tone)} tones (三{tone}尾)"
            found.append(Fault(rule, i + 1, n - 2, f"第 {i + 1} 句{rule}：末三字都是{tone}声", en))
    return found


def _licences(i: int, kind: str, form: str) -> list[Fault]:
    n = len(form)
    if form[-5:] == LICENCE:
        zh = f"第 {i + 1} 句用“{LICENCE}”（拗救，合律）"
        return [Fault("拗救", i + 1, n - 1, zh, f"line {i + 1} takes the licence {LICENCE} (拗救), which is regular")]
    if kind == "A" and form[-2] == ZE:
        zh = f"第 {i + 1} 句第 {n - 1} 字拗，下句第 {n - 2} 字用平相救（合律）"
        en = f"line {i + 1}: character {n - 1} is oblique, made good by a level {n - 2} in the next line (拗救)"
        return [Fault("拗救", i + 1, n - 1, zh, en)]
    return []
