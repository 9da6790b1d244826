"""ABC notation (abcnotation.com, standard 2.1), the part that one melody needs, read without trust.

Of chords the highest note is kept; ornaments, chord names, words and slurs are left out. Every fault names its line.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from typing import NamedTuple

from rondo.tasks.music.theory import LETTERS, METRES, WHOLE, Key, MusicError, degree_of, key_of, metre_ticks
from rondo.tasks.music.tune import Bar, Note, Section, Tune, pickup, ticks_of

LONGEST = 100_000  # characters of a tune
LONGER = 3  # bars that a second ending may have more than the first
FIELD = re.compile(r"([A-Za-z+]):(.*)")
INLINE = re.compile(r"\[([A-Za-z]):([^\]]*)\]")
ONE = r"(\^\^|\^|__|_|=)?([A-Ga-g])([,']*)"
LENGTH = r"(\d*)(/*)(\d*)"
NOTE = re.compile(ONE + LENGTH + r"(-?)")
REST = re.compile(r"[zxZX]" + LENGTH)
CHORD = re.compile(r"\[((?:" + ONE + LENGTH + r"-?\s*)+)\]" + LENGTH + r"(-?)")
BARS = re.compile(r"(:*\|[|\]]*:*|::+|\[\|)\s*(?:\[?([12])(?![/\d]))?|\[([12])")
TUPLET = re.compile(r"\((\d)(?::(\d?))?(?::(\d?))?")
NOTHING = re.compile(r'\s+|"[^"]*"|![^!\n]*!|\+[a-z]+\+|\{[^}]*\}|[~.HJLMNOPRSTuvy`$*\\()]|%.*')
ACCIDENTALS = {"^^": 2, "^": 1, "=": 0, "_": -1, "__": -2}
TUPLETS = {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}  # how many of the plain length so many notes take; others are not written here


class Mark(NamedTuple):
    """Something between bars."""

    kind: str  # "line", "start", "end", "double", "1", "2"


@dataclass
class Reading:
    """What is known while a tune is read."""

    metre: str = ""
    unit: Fraction = Fraction(0)
    key: Key | None = None  # of the tune
    local: Key | None = None  # in force, where the tune changes it
    title: str = ""
    line: int = 1
    items: list[tuple[Mark | Note, int]] = field(default_factory=list)
    raised: dict[tuple[int, int], int] = field(default_factory=dict)  # accidentals in force within the bar
    broken: int = 0  # the next note is lengthened or shortened so many times
    tuplet: Fraction = Fraction(1)
    left: int = 0  # notes of the tuplet that are to come
    begun: bool = False
    voice: str = ""
    silent: bool = False

    def fail(self, zh: str, en: str) -> MusicError:
        return MusicError(f"第 {self.line} 行：{zh} / line {self.line}: {en}")


def tunes(text: str) -> list[str]:
    """The tunes of a text, each with the lines before it left blank, so that errors name the right one."""
    lines, found, start = text.splitlines(), [], 0
    places = [n for n, line in enumerate(lines) if line.startswith("X:")]
    for n in [*places[1:], len(lines)]:
        found.append("\n" * start + "\n".join(lines[start:n]))
        start = n
    return found


def read_abc(text: str, repair: bool = False) -> Tune:
    """The first tune of a text. Raises MusicError naming the line.

    repair: the last bar of a section takes the length that its pickup leaves (its last note is drawn out or cut)
    """
    if len(text) > LONGEST:
        raise MusicError(f"乐谱超过 {LONGEST:,} 字 / the text has more than {LONGEST:,} characters")
    own = Reading()
    for number, line in enumerate(tunes(text.replace("\r\n", "\n").replace("\r", "\n"))[0].split("\n"), 1):
        own.line = number
        _line(own, line)
    if not any(isinstance(item, Note) for item, _ in own.items):
        raise MusicError(
            "没有找到音符：ABC 要有 K: 一行，然后是音符 / no notes found: ABC has a line K: and then notes"
        )
    assert own.key is not None
    sections = _sections(own, repair)
    return Tune(own.metre, own.key, sections, title=own.title)


def _line(own: Reading, line: str) -> None:
    found = FIELD.match(line)
    if found and not line.startswith("|"):
        _field(own, found.group(1), found.group(2).partition("%")[0].strip())
    elif line.strip() and not line.lstrip().startswith("%") and not own.silent:
        if own.key is None:
            raise own.fail(f"音符之前要有 K: 一行：{line[:30]!r}", f"notes before the line K: {line[:30]!r}")
        _music(own, line)


def _field(own: Reading, name: str, value: str) -> None:
    try:
        if name == "M":
            _metre(own, value)
        elif name == "L":
            own.unit = _fraction(own, value)
        elif name == "K":
            _key(own, value)
        elif name == "T":
            own.title = own.title or value[:200]
        elif name == "V":
            own.voice = own.voice or value.split()[0] if value.split() else own.voice
            own.silent = bool(value.split()) and value.split()[0] != own.voice
        elif name == "P" and own.begun:
            own.items.append((Mark("double"), own.line))
    except MusicError as error:
        if str(error).startswith("第 "):
            raise
        zh, _, en = str(error).partition(" / ")
        raise own.fail(zh, en) from None


def _metre(own: Reading, value: str) -> None:
    value = {"C": "4/4", "C|": "2/2"}.get(value, value).replace(" ", "")
    if value not in METRES:
        raise own.fail(f"不支持的拍号 {value!r}", f"the metre {value!r} is not among {', '.join(METRES)}")
    if own.metre not in ("", value) and own.begun:
        raise own.fail("曲中换拍号不支持", "a change of metre within a tune is not supported")
    own.metre = value


def _key(own: Reading, value: str) -> None:
    key = key_of("C" if value.lower() in ("", "none") else value)
    if own.key is None:
        own.key = key
        own.metre = own.metre or "4/4"
        if not own.unit:
            own.unit = Fraction(1, 16 if Fraction(own.metre) < Fraction(3, 4) else 8)
    own.local = key


def _fraction(own: Reading, value: str) -> Fraction:
    found = re.fullmatch(r"1\s*/\s*(\d{1,2})", value)
    if not found or int(found.group(1)) not in (1, 2, 4, 8, 16, 32):
        raise own.fail(f"L: 应为 1/8 之类，现为 {value!r}", f"L: is a length such as 1/8, found {value!r}")
    return Fraction(1, int(found.group(1)))


def _music(own: Reading, line: str) -> None:
    at = 0
    while at < len(line):
        at = _one(own, line, at)


def _one(own: Reading, line: str, at: int) -> int:
    """Read what stands at a place, and say where the next begins."""
    if found := INLINE.match(line, at):
        _field(own, found.group(1), found.group(2).strip())
    elif found := CHORD.match(line, at):
        _chord(own, found)
    elif found := BARS.match(line, at):
        _bar_line(own, found.group(1) or "", found.group(2) or found.group(3) or "")
    elif found := NOTE.match(line, at):
        _note(own, found.groups()[:3], found.groups()[3:6], bool(found.group(7)))
    elif found := REST.match(line, at):
        _put(own, None, 0, _length(own, found.groups()), False)
    elif found := TUPLET.match(line, at):
        _tuplet(own, found)
    elif line[at] == "-":
        _tie(own)
    elif line[at] in "<>":
        own.broken += 1 if line[at] == ">" else -1
        _break(own)
    elif found := NOTHING.match(line, at):
        pass
    else:
        raise own.fail(
            f"读不懂 {line[at : at + 12]!r}（第 {at + 1} 字）", f"{line[at : at + 12]!r} at {at + 1} is no ABC"
        )
    return found.end() if found else at + 1


def _tuplet(own: Reading, found: re.Match[str]) -> None:
    size = int(found.group(1))
    if size not in TUPLETS:
        raise own.fail(f"不支持 {size} 连音", f"a tuplet of {size} is not supported: 2, 3, 4, 6 and 8 are")
    own.tuplet = Fraction(int(found.group(2) or TUPLETS[size]), size)
    own.left = int(found.group(3) or size)


def _length(own: Reading, parts: Sequence[str]) -> Fraction:
    over, slashes, under = parts
    below = int(under) if under else 2 ** len(slashes)
    value = Fraction(int(over or 1), below or 1) if (under or slashes) else Fraction(int(over or 1))
    if not 0 < value <= 64 or below == 0:
        raise own.fail(f"时值 {over}{slashes}{under} 不对", f"{over}{slashes}{under} is no length of a note")
    return value * own.unit


def _chord(own: Reading, found: re.Match[str]) -> None:
    notes = list(NOTE.finditer(found.group(1)))
    top = max(notes, key=lambda n: _height(n.group(2), n.group(3)))
    each = _length(own, notes[0].groups()[3:6]) / own.unit
    outer = _length(own, found.groups()[-4:-1])
    for other in notes:  # accidentals of the others hold in the bar as well
        if other is not top and other.group(1):
            own.raised[_height(other.group(2), other.group(3)), 0] = ACCIDENTALS[other.group(1)]
    pitch = _pitch(own, top.groups()[:3])
    _put(own, *pitch, each * outer, bool(found.group(found.lastindex or 0) == "-" or "-" in found.group(1)))


def _height(letter: str, marks: str) -> int:
    """Steps above C4."""
    octave = (1 if letter.islower() else 0) + marks.count("'") - marks.count(",")
    return LETTERS.index(letter.upper()) + 7 * octave


def _pitch(own: Reading, parts: Sequence[str]) -> tuple[int, int]:
    """Degree and alteration in the key of the tune."""
    accidental, letter, marks = parts
    height = _height(letter, marks)
    assert own.key is not None
    assert own.local is not None
    if accidental:
        own.raised[height, 0] = ACCIDENTALS[accidental]
    sign = own.raised.get((height, 0), own.local.signature[height % 7])
    degree, alter = degree_of(height % 7, sign, 4 + height // 7, own.key, 4)
    if abs(alter) > 2 or not -21 <= height <= 28:
        raise own.fail(f"音 {letter}{marks} 太远", f"the note {accidental or ''}{letter}{marks} is out of reach")
    return degree, alter


def _note(own: Reading, parts: Sequence[str], length: Sequence[str], tie: bool) -> None:
    degree, alter = _pitch(own, parts)
    _put(own, degree, alter, _length(own, length), tie)


def _put(own: Reading, degree: int | None, alter: int, length: Fraction, tie: bool) -> None:
    if own.left:
        length *= own.tuplet
        own.left -= 1
    ticks = length * WHOLE
    own.begun = True
    if ticks.denominator != 1:
        ticks = ticks if own.broken else Fraction(-1)
    if ticks <= 0:
        raise own.fail("音符太短或连音太细", "a note is shorter than Rondo writes (a 32nd, or a 16th of a triplet)")
    own.items.append((Note(degree, alter, int(ticks), tie), own.line))
    if own.broken:
        size = own.broken
        own.broken = 0
        _scaled(own, -2, size)
        _scaled(own, -1, -size)


def _scaled(own: Reading, place: int, size: int) -> None:
    """Lengthen (size above 0) or shorten a note as a broken rhythm does: by half, by three quarters ..."""
    notes = [k for k, (item, _) in enumerate(own.items) if isinstance(item, Note)]
    if len(notes) < 2:
        raise own.fail("附点记号前后要有音符", "> and < stand between two notes")
    k = notes[place]
    note = own.items[k][0]
    assert isinstance(note, Note)
    short = Fraction(1, 2 ** abs(size))
    ticks = note.ticks * (2 - short if size > 0 else short)
    if ticks.denominator != 1:
        raise own.fail("附点节奏太细", "the broken rhythm is finer than Rondo writes")
    own.items[k] = (note._replace(ticks=int(ticks)), own.items[k][1])


def _tie(own: Reading) -> None:
    """A tie that stands apart from its note."""
    for k in range(len(own.items) - 1, -1, -1):
        note, line = own.items[k]
        if isinstance(note, Note):
            own.items[k] = (note._replace(tie=True), line)
            return
    raise own.fail("连线之前没有音符", "a tie without a note before it")


def _break(own: Reading) -> None:
    if not own.items or not isinstance(own.items[-1][0], Note):
        raise own.fail("附点记号前后要有音符", "> and < stand between two notes")


def _bar_line(own: Reading, sign: str, ending: str) -> None:
    own.raised.clear()
    if own.left:
        raise own.fail("连音没有写完", "a tuplet does not end within its bar")
    own.begun = True
    start = sign.endswith(":") and sign != ":|" if sign.count(":") else False
    end = sign.startswith(":")
    if sign:
        own.items.append((Mark("line"), own.line))
    if end:
        own.items.append((Mark("end"), own.line))
    elif "||" in sign or "]" in sign:
        own.items.append((Mark("double"), own.line))
    if start:
        own.items.append((Mark("start"), own.line))
    if ending:
        own.items.append((Mark(ending), own.line))


# sections


@dataclass
class Parts:
    """A section as it is found."""

    bars: list[tuple[Bar, int]] = field(default_factory=list)
    first: list[tuple[Bar, int]] = field(default_factory=list)
    second: list[tuple[Bar, int]] = field(default_factory=list)
    repeat: bool = False
    told: bool = False  # it began with |:
    now: str = "bars"


def _sections(own: Reading, repair: bool) -> tuple[Section, ...]:
    found = [Parts()]
    notes: list[Note] = []
    line = 1
    items = [*own.items, (Mark("line"), own.line), (Mark("last"), own.line)]
    for k, (item, at) in enumerate(items):
        if isinstance(item, Note):
            line = at if not notes else line
            notes.append(item)
        elif item.kind == "line":
            if notes:
                part = found[-1]
                if part.now == "second" and len(part.second) >= len(part.first) and not _goes_on(items[k:]):
                    found.append(Parts())
                getattr(found[-1], found[-1].now).append((tuple(notes), line))
            notes = []
        else:
            _mark(found, item.kind, at)
    whole = _joined([p for p in found if p.bars], metre_ticks(own.metre))
    for part in whole:
        if part.first and not part.second:
            raise MusicError(f"第 {line} 行：有 [1 而没有 [2 / line {line}: an ending [1 without its [2")
    sections = tuple(_section(own, p, repair) for p in whole)
    if not sections:
        raise MusicError("没有找到音符 / no notes found")
    return sections


def _goes_on(items: Sequence[tuple[Mark | Note, int]]) -> bool:
    """Is a second ending longer than the first marked as such: does a double line or a repeat soon end it?"""
    bars = 0
    for item, _ in items:
        if isinstance(item, Mark):
            if item.kind in ("double", "start", "end", "last"):
                return bars <= LONGER
            bars += item.kind == "line"
    return False


def _joined(parts: list[Parts], full: int) -> list[Parts]:
    """A pickup that stands alone before |: belongs to what follows; ties hold only between equal pitches."""
    whole: list[Parts] = []
    for part in parts:
        last = whole[-1] if whole else None
        if last and len(last.bars) == 1 and not (last.repeat or last.first) and ticks_of(last.bars[0][0]) < full:
            part.bars = last.bars + part.bars
            whole.pop()
        whole.append(part)
    for part in whole:
        line = part.bars + part.first
        part.bars, part.first = _tied(line)[: len(part.bars)], _tied(line)[len(part.bars) :]
        part.second = _tied(part.second)
    return whole


def _tied(bars: list[tuple[Bar, int]]) -> list[tuple[Bar, int]]:
    """The bars without ties that do not lead to the same pitch."""
    after: Note | None = None
    found = []
    for bar, line in reversed(bars):
        own = []
        for note in reversed(bar):
            kept = note.tie and note.degree is not None and after is not None and after.pitch == note.pitch
            own.append(note._replace(tie=kept))
            after = note
        found.append((tuple(reversed(own)), line))
    return found[::-1]


def _mark(found: list[Parts], kind: str, line: int) -> None:
    part = found[-1]
    if kind == "end":
        if part.now == "second":
            found.append(Parts())  # a second ending that is itself closed by :|
        elif part.bars:
            part.repeat = True
            if part.now == "bars":
                found.append(Parts())
    elif kind == "start" or kind == "double":
        if part.bars and not (part.now == "first" and kind == "double"):
            found.append(Parts())
        found[-1].told = kind == "start"
    elif kind == "1":
        if not part.bars:
            raise MusicError(f"第 {line} 行：[1 之前没有小节 / line {line}: no bars before the ending [1")
        part.now = "first"
    elif kind == "2":
        if part.now != "first" and len(found) > 1 and found[-2].first and not part.bars:
            found.pop()
            part = found[-1]
        if not part.first:
            raise MusicError(f"第 {line} 行：[2 之前没有 [1 / line {line}: an ending [2 without its [1")
        part.now = "second"
        part.repeat = True


def _section(own: Reading, part: Parts, repair: bool) -> Section:
    bars, first_bars, second_bars = (tuple(b for b, _ in p) for p in (part.bars, part.first, part.second))
    section = Section(bars, part.repeat, first_bars, second_bars)
    if repair:
        section = repaired(section, metre_ticks(own.metre))
    lines = [at for p in (part.bars, part.first, part.second) for _, at in p]
    full = metre_ticks(own.metre)
    up = pickup(section, full)
    body, first, every = len(section.bars), len(section.first), len(section.written)
    ends = {every - 1, body + first - 1} if first else {body - 1}
    for k, bar in enumerate(section.written):
        wanted = up if k == 0 and up else full - up if k in ends else full
        if (size := ticks_of(bar)) != wanted:
            own.line = lines[k]
            raise own.fail(
                f"一小节长 {Fraction(size, WHOLE)}，应为 {Fraction(wanted, WHOLE)}（拍号 {own.metre}）",
                f"a bar has {Fraction(size, WHOLE)} of a whole note, {Fraction(wanted, WHOLE)} is wanted "
                f"(metre {own.metre}{', pickup ' + str(Fraction(up, WHOLE)) if up else ''})",
            )
    return section


def repaired(section: Section, full: int) -> Section:
    """The section with the last bar as long as its pickup leaves."""
    up = pickup(section, full)
    if section.first:
        first, second = _ended(section.first, full - up), _ended(section.second, full - up)
        return Section(section.bars, section.repeat, first, second)
    return Section(_ended(section.bars, full - up), section.repeat)


def _ended(bars: tuple[Bar, ...], wanted: int) -> tuple[Bar, ...]:
    """The last note drawn out or cut, where that leaves one; ties at the end go."""
    last = bars[-1]
    size = last[-1].ticks + wanted - ticks_of(last)
    if size < 3 or any(n.ticks % 3 for n in last[-1:]) or size % 3:
        return bars
    return (*bars[:-1], (*last[:-1], last[-1]._replace(ticks=size, tie=False)))
