"""Reports of the judges in a terminal: characters with a sign beneath each, then faults, notes and verdicts.

Signs: ○ level (平), ● oblique (仄), ◎ either, ? not in the book; ✗ beside a sign is a fault, so that a reader without
colours sees it too. Green is a place that the pattern fixes, and that is right.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from rondo.verse.books import TITLES
from rondo.verse.faults import BOTH, UNKNOWN, Fault
from rondo.verse.forms import FREE, PING, ZE
from rondo.verse.judge import NEITHER, OLD, REGULATED, Line, Mark, Report
from rondo.verse.pairs import CoupletReport, Place

SIGNS = {PING: "○", ZE: "●", BOTH: "◎", UNKNOWN: "?"}
KINDS = {REGULATED: "regulated verse (近体)", OLD: "old style (古体)", NEITHER: "not regulated (未入律)"}
WORDS = {  # label: Chinese, English
    "rhyme": ("韵", "rhyme"),
    "read": ("两读字在此取", "read here as"),
    "fits": ("合律", "nothing broken"),
    "broken": ("{} 处不合：{}", "{} broken: {}"),
    "upper": ("上联", "first"),
    "lower": ("下联", "second"),
    "points": ("节奏点", "rhythm points"),
    "pair": ("第 {}、{} 句对仗", "lines {} and {}, parallel"),
    "opposed": ("{} 相对", "{} opposed"),
    "key": ("○ 平  ● 仄  ◎ 两可  ✗ 不合", "○ level (平)  ● oblique (仄)  ◎ either  ✗ wrong"),
}
WIDTH = 24  # places of a couplet in one row of a terminal


def word(key: str, lang: str, *values: object) -> str:
    """A label in Chinese ("zh") or English."""
    return WORDS[key][lang != "zh"].format(*values)


def poem_table(report: Report, lang: str = "zh", verdicts: Sequence[Report] = ()) -> RenderableType:
    """A judged poem; with the reports under other books, a line for each of these."""
    grid = Table.grid(padding=(0, 2))
    for line in report.lines:
        grid.add_row(_characters(line), Text(f"{line.type}\n", "dim"), _rhyme(line, lang))
    parts: list[RenderableType] = [Text(heading(report, lang), "bold"), Text(), grid, Text(word("key", lang), "dim")]
    if readings := _readings(report.lines, lang):
        parts.append(readings)
    for i, pair in zip((3, 5), report.parallels, strict=False):
        parts.append(_parallel(i, pair, lang))
    parts += findings(report.faults, report.notes, lang)
    if verdicts:
        table = Table.grid(padding=(0, 2))
        for other in verdicts:
            table.add_row(TITLES[other.book], Text(verdict(other, lang), "red" if other.faults else "green"))
        parts += [Text(), table]
    return Group(*parts)


def couplet_table(report: CoupletReport, lang: str = "zh") -> RenderableType:
    """A judged couplet: both lines, the tones under each book, and whether they are opposed at the rhythm points."""
    parts: list[RenderableType] = []
    sizes = report.parts if sum(report.parts) == len(report.places) else (len(report.places),)
    starts = itertools.accumulate(sizes, initial=0)
    for start, size in zip(starts, sizes, strict=False):
        for first in range(start, start + size, WIDTH):
            parts += [_block(report.places[first : min(first + WIDTH, start + size)], lang), Text()]
    parts.append(Text(word("key", lang), "dim"))
    parts.append(Text(f"{word('points', lang)}: {_points(report, lang)}"))
    return Group(*parts, *findings(report.faults, (), lang))


def heading(report: Report, lang: str) -> str:
    """Form, kind, pattern, book and rhyme in one line."""
    kind = report.kind if lang == "zh" else KINDS[report.kind]
    groups = "、".join(name for name in report.rhyme if name)
    return " · ".join(filter(None, [report.form, kind, report.pattern, TITLES[report.book], groups]))


def verdict(report: Report, lang: str) -> str:
    """What is broken, rule by rule, in one line."""
    kind = report.kind if lang == "zh" else KINDS[report.kind]
    if not report.faults:
        return kind if report.kind == OLD else f"{kind} · {word('fits', lang)}"
    rules = Counter(fault.rule for fault in report.faults)
    shown = "、".join(rule if n == 1 else f"{rule} ×{n}" for rule, n in rules.items())
    return f"{kind} · {word('broken', lang, len(report.faults), shown)}"


def findings(faults: Sequence[Fault], notes: Sequence[Fault], lang: str) -> list[Text]:
    """One line for each fault and each note."""
    wrong = [Text(f"✗ {fault.message(lang)}", "red") for fault in faults]
    return wrong + [Text(f"· {note.message(lang)}", "dim") for note in notes]


def _colour(mark: Mark) -> str:
    if not mark.ok:
        return "bold red"
    return "" if mark.required == FREE else "green"


def _characters(line: Line) -> Text:
    """The characters, and beneath each its sign: three columns a character."""
    text = Text()
    for mark in line.marks:
        text.append(f"{mark.char} ", _colour(mark))
    text.append("\n")
    for mark in line.marks:
        text.append(SIGNS[mark.reading or mark.tone] + (" " if mark.ok else "✗") + " ", _colour(mark))
    return text


def _rhyme(line: Line, lang: str) -> Text:
    if not line.rhymes:
        return Text()
    ok = line.marks[-1].ok
    return Text(
        f"{word('rhyme', lang)} {'、'.join(line.groups) or '?'} {'✓' if ok else '✗'}", "green" if ok else "bold red"
    )


def _readings(lines: Sequence[Line], lang: str) -> Text | None:
    """Which tone the characters of two tones take where the place decides."""
    taken = dict.fromkeys(
        f"{mark.char} {mark.reading}" for line in lines for mark in line.marks if mark.reading and mark.ok
    )
    return Text(f"{word('read', lang)}: {'，'.join(taken)}", "dim") if taken else None


def _parallel(i: int, pair: CoupletReport, lang: str) -> Text:
    """The parallel lines i and i + 1: tones opposed, and what else a couplet would break."""
    wrong = [fault.message(lang) for fault in pair.faults]
    shown = f"{word('pair', lang, i, i + 1)}: {_points(pair, lang)}" + "".join(f"; {message}" for message in wrong)
    return Text(shown, "yellow" if wrong else "green")


def _points(report: CoupletReport, lang: str) -> str:
    counts = (f"{TITLES[name]} {kept}/{total}" for name, (kept, total) in report.points.items())
    return word("opposed", lang, "，".join(counts))


def _block(places: Sequence[Place], lang: str) -> Table:
    """Places of a couplet side by side: characters and tones of both lines, and where they are opposed."""
    grid = Table.grid(padding=(0, 1))
    for label, cells in _rows(places, lang):
        grid.add_row(
            Text(label, "dim"), *(Text(cell, "" if p.ok else "bold red") for cell, p in zip(cells, places, strict=True))
        )
    return grid


def _rows(places: Sequence[Place], lang: str) -> Iterator[tuple[str, list[str]]]:
    books = list(places[0].tones) if places else []
    for side, label in enumerate(("upper", "lower")):
        yield word(label, lang), [p.lower if side else p.upper for p in places]
        for name in books:
            yield f"  {TITLES[name]}", [SIGNS[p.tones[name][side]] for p in places]
    yield word("points", lang), ["✗" if not p.ok else "✓" if p.point else " " for p in places]
