"""A class at a glance: one page, complete in itself, with the curves of all students laid over one another, students
with one and the same cell in one group, and the table of grades. Every number is of the marking, none of a report.
"""

from __future__ import annotations

import datetime
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rondo.cell import Cell
from rondo.expr.nodes import EquationError
from rondo.files import writing_aside
from rondo.lab import same
from rondo.lab.experiment import Check, Experiment, Part
from rondo.lab.figures import KINDS, Line, chart, number, timed
from rondo.lab.marking import untouched
from rondo.lab.outcome import Outcome
from rondo.lab.report import MEASURES, STYLE
from rondo.lab.words import both, words
from rondo.render.latex import mathml

if TYPE_CHECKING:
    from rondo.lab.collect import Marked

NAMED = KINDS - 1  # groups with a colour of their own; the last kind of line is of all others
OWN = Path(__file__).with_name("class_page.css")


@dataclass
class Group:
    """Students whose cells have one structure, with what came of them; `start`: it is the one that was given."""

    marked: list[Marked]
    text: str
    start: bool
    kind: int = NAMED
    name: str = ""


def write(path: Path, experiment: Experiment, marked: Sequence[Marked], lang: str = "zh") -> None:
    """Write the page. Raises FileError."""
    with writing_aside(path) as file:
        file.write(page(experiment, marked, lang))


def page(experiment: Experiment, marked: Sequence[Marked], lang: str = "zh") -> str:
    """The page."""
    zh = lang == "zh"
    title = f"第{experiment.number}次实验 {experiment.title('zh')}" if zh else experiment.title("en")
    style = "".join(path.read_text(encoding="utf-8") for path in (STYLE, OWN))
    now = datetime.datetime.now().astimezone().strftime("%Y-%m-%d %H:%M")
    count = f"{len(marked)} 份报告 · {now}" if zh else f"{len(marked)} reports · {now}"
    body = "\n".join(_probe(p, c, marked, lang) for p, c in _probes(experiment, marked))
    grades = f"<section><h2>{'成绩' if zh else 'Grades'}</h2>{_grades(experiment, marked, lang)}</section>"
    return (
        f'<!DOCTYPE html>\n<html lang="{"zh-CN" if zh else "en"}">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n<main>\n"
        f"<header><h1>{escape(title)}</h1><p class=quiet>{count}</p></header>\n{body}\n{grades}\n</main>\n</html>\n"
    )


def _probes(experiment: Experiment, marked: Sequence[Marked]) -> Iterator[tuple[Part, Check]]:
    """The checks that gave somebody a curve."""
    for part in experiment.parts:
        for check in part.checks:
            if any(_curve(_outcome(m, part, check)) for m in marked):
                yield part, check


def _outcome(marked: Marked, part: Part, check: Check) -> Outcome | None:
    return next((o for o in marked.outcomes if (o.part, o.check) == (part.id, check.id)), None)


def _curve(outcome: Outcome | None) -> list[list[float]]:
    found = outcome.facts.get("curve") if outcome else None
    return found if isinstance(found, list) else []


def groups(part: Part, answer: str, marked: Sequence[Marked]) -> list[Group]:
    """Students by the structure of a cell, whatever its names and the order of its terms; the largest group first."""
    found: defaultdict[str, list[Marked]] = defaultdict(list)
    texts: dict[str, str] = {}
    for one in marked:
        text = one.report.answers.get(part.id, {}).get(answer, "")
        try:
            key = same.digest(Cell.parse(text))
        except EquationError:
            continue
        found[key].append(one)
        texts.setdefault(key, text)
    start = part.answer(answer)
    made = [Group(own, texts[key], untouched(start, texts[key])) for key, own in found.items()]
    made.sort(key=lambda g: (-len(g.marked), g.marked[0].report.student.number))
    for k, group in enumerate(made):
        group.name, group.kind = _letter(k), min(k, NAMED)
    return made


def _letter(k: int) -> str:
    """A, B, ..., Z, A1, B1 ..."""
    return chr(ord("A") + k % 26) + (str(k // 26) if k >= 26 else "")


def _probe(part: Part, check: Check, marked: Sequence[Marked], lang: str) -> str:
    """The curves of one check over one another, and the groups of cells."""
    zh, answer = lang == "zh", str(check.settings.get("answer"))
    grouped, facts = groups(part, answer, marked), dict[str, Any]()
    lines = []
    for group in grouped:
        for k, one in enumerate(group.marked):
            outcome = _outcome(one, part, check)
            if outcome is not None and (points := _curve(outcome)):
                facts = outcome.facts
                who = f"{group.name} · {one.report.student.number} {one.report.student.name}"
                lines.append(Line(who, group.name if k == 0 and group.kind < NAMED else "", points, group.kind))
    measure = MEASURES.get(str(facts.get("measure")), words("量", "measure"))(lang)
    marks = [(number(facts.get("line")), "没有记忆" if zh else "no memory")]
    drawn = chart(lines[::-1], "训练步数" if zh else "training steps", measure, marks, height=340)
    how = (
        "每个学生一条线；同一种单元同一种线，字母是组。指着线，看是谁的。"
        if zh
        else "A line a student; one cell, one kind of line; letters are groups. Point at a line to see whose it is."
    )
    told = "".join(_group(g, part, check, lang) for g in grouped) + _unread(grouped, marked, lang)
    return (
        f"<section><h2>{timed(part.title(lang))} · {timed(check.title(lang))}</h2>"
        f"<figure class=overlay>{drawn}<figcaption>{how}</figcaption></figure>{told}</section>"
    )


def _unread(grouped: Sequence[Group], marked: Sequence[Marked], lang: str) -> str:
    """Who has no cell that can be read."""
    read = {m.report.student.number for g in grouped for m in g.marked}
    missing = [m.report.student for m in marked if m.report.student.number not in read]
    if not missing:
        return ""
    who = ", ".join(f"{s.number} {s.name}" for s in missing)
    what = "没有写，或方程读不懂" if lang == "zh" else "nothing written, or no equations that can be read"
    return f"<div class=group><div>{escape(who)}<p class=quiet>{what}</p></div></div>"


def _group(group: Group, part: Part, check: Check, lang: str) -> str:
    """Who has this cell, what it is, what it reached."""
    zh = lang == "zh"
    who = ", ".join(f"{m.report.student.number} {m.report.student.name}" for m in group.marked)
    values = [number(o.facts.get("value")) for m in group.marked if (o := _outcome(m, part, check))]
    reached = [v for v in values if math.isfinite(v)]
    spread = (
        f"{min(reached):.4g}" + (f" – {max(reached):.4g}" if max(reached) > min(reached) else "") if reached else "—"
    )
    same_cell = f"{len(group.marked)} 人同一个单元" if zh else f"{len(group.marked)} students, one cell"
    given = "开头给的，没有改" if zh else "as it was given"
    notes = [n for n in (given if group.start else "", same_cell if len(group.marked) > 1 else "") if n]
    key = f'<svg class="key" viewBox="0 0 40 12"><polyline class="line-{group.kind}" points="0,6 40,6"/></svg>'
    return (
        f"<div class=group><div>{key}<b>{group.name}</b> {escape(who)}"
        f"<p class=quiet>{'到了' if zh else 'reached'} {spread}{''.join(f' · {n}' for n in notes)}</p></div>"
        f"<div class=math>{mathml(Cell.parse(group.text).graph, 'lecture')}</div></div>"
    )


def _grades(experiment: Experiment, marked: Sequence[Marked], lang: str) -> str:
    """A row a student, a column a check; below, what the teacher should look at."""
    zh = lang == "zh"
    checks = [(p, c) for p in experiment.parts for c in p.checks]
    head = ("学号", "姓名", "总分") if zh else ("number", "name", "points")
    parts = "".join(
        f'<th class=first colspan="{len(p.checks)}">{timed(p.title(lang))}</th>' for p in experiment.parts if p.checks
    )
    names = "".join(
        f"<th class='check{_first(p, c)}'>{timed(c.title(lang))}{' *' if c.hidden else ''}</th>" for p, c in checks
    )
    rows = "".join(_grade(m, checks, experiment.points) for m in marked)
    hidden = "* 隐藏的检查" if zh else "* a hidden check"
    return (
        f"<div class=grades><table><thead><tr><th colspan=3></th>{parts}</tr>"
        f"<tr>{''.join(f'<th>{h}</th>' for h in head)}{names}</tr></thead><tbody>{rows}</tbody></table>"
        f"</div><p class=quiet>{hidden}</p>{_remarks(marked, lang)}"
    )


def _first(part: Part, check: Check) -> str:
    return " first" if check == part.checks[0] else ""


def _grade(marked: Marked, checks: Sequence[tuple[Part, Check]], most: float) -> str:
    cells = []
    for part, check in checks:
        o = _outcome(marked, part, check)
        mark = "–" if o is None else f"<b>✓</b>{o.points:g}" if o.passed else "<b>✗</b>0"
        cells.append(f"<td class='{'right' if o and o.passed else 'wrong'}{_first(part, check)}'>{mark}</td>")
    student = marked.report.student
    return (
        f"<tr><td>{escape(student.number)}</td><td>{escape(student.name)}</td><td>{marked.points:g} / {most:g}</td>"
        f"{''.join(cells)}</tr>"
    )


def _remarks(marked: Sequence[Marked], lang: str) -> str:
    """Of every student that there is something to say of."""
    rows = "".join(
        f"<li>{escape(m.report.student.number)} {escape(m.report.student.name)}: "
        f"{escape('; '.join(both(r)(lang) for r in m.remarks))}</li>"
        for m in marked
        if m.remarks
    )
    return f"<h2>{'请看一看' if lang == 'zh' else 'To look at'}</h2><ul>{rows}</ul>" if rows else ""
