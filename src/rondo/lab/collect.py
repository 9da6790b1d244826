"""Marking a class: reports as they arrive, in any order and under any name, to grades.csv.

Nothing that a report says of its results counts. Every answer is checked again, hidden checks too, from the seed of
the 学号; a result that differs from what the report claims is named, and so are cells of one structure.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from rondo.cell import Cell
from rondo.expr.nodes import EquationError
from rondo.files import writing_aside
from rondo.lab import same
from rondo.lab.experiment import Experiment
from rondo.lab.marking import mark, seed_of, total
from rondo.lab.outcome import Outcome
from rondo.lab.report import Report, ReportError, read

Said = Callable[[str], None]
KINDS = {".html", ".htm", ".json"}
APART = 0.1  # relative: a training on another machine ends a little elsewhere; a number that was made up, far away


@dataclass
class Marked:
    """A report and what came of it. `remarks` are for the teacher: forged, late, of another experiment, alike."""

    path: Path
    report: Report
    outcomes: list[Outcome]
    remarks: list[str] = field(default_factory=list)

    @property
    def points(self) -> float:
        return total(self.outcomes)


def collect(experiment: Experiment, folder: Path, said: Said = lambda _: None) -> tuple[list[Marked], list[str]]:
    """Every student's newest report in a folder, marked, by 学号; and the files that are no report, with the reason."""
    found, refused = _reports(folder)
    marked = []
    for path, one in found:
        said(one.file_name)
        outcomes = mark(experiment, one.answers, one.student.number)
        marked.append(Marked(path, one, outcomes, list(_remarks(experiment, one, outcomes))))
    _alike(experiment, marked)
    return marked, refused


def _reports(folder: Path) -> tuple[list[tuple[Path, Report]], list[str]]:
    """The newest report of each 学号."""
    newest: dict[str, tuple[Path, Report]] = {}
    refused = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix.lower() in KINDS and p.is_file()):
        try:
            one = read(path)
        except ReportError as error:
            refused.append(str(error))
            continue
        key = one.student.number
        if key not in newest or newest[key][1].made < one.made:
            newest[key] = (path, one)
    return [newest[key] for key in sorted(newest)], refused


def _remarks(experiment: Experiment, one: Report, outcomes: list[Outcome]) -> Iterator[str]:
    if one.experiment.number != experiment.number:
        yield f"别的实验 / of another experiment: {one.experiment.number}"
    if one.experiment.digest != experiment.digest:
        yield "实验的版本不同 / answered in another version of the experiment"
    if one.seed != seed_of(one.student.number):
        yield "种子不是这个学号的 / the seed is not that of the number"
    claims = {(o.part, o.check): o for o in one.outcomes}
    for own in outcomes:
        claim = claims.get((own.part, own.check))
        if claim is not None and (forged := _differs(claim, own)):
            yield f"{own.part}/{own.check}: {forged}"


def _differs(claim: Outcome, own: Outcome) -> str:
    """What a report claims that does not come out; "" where all does."""
    if claim.passed and not own.passed:
        return "报告说对，重算不对 / claimed right, comes out wrong"
    if claim.points > own.points:
        return (
            f"报告说 {claim.points:g} 分，重算 {own.points:g} / claims {claim.points:g} points, {own.points:g} come out"
        )
    told, value = claim.facts.get("value"), own.facts.get("value")
    if isinstance(told, int | float) and isinstance(value, int | float) and abs(told - value) > APART * abs(value):
        return f"报告的数 {told:.4g}，重算 {value:.4g} / claims {told:.4g}, {value:.4g} comes out"
    return ""


def _alike(experiment: Experiment, marked: Iterable[Marked]) -> None:
    """Name students whose own cells have one structure; what an exercise asks for (`like`) is alike by nature."""
    asked = {
        (p.id, str(c.settings.get("answer"))) for p in experiment.parts for c in p.checks if c.settings.get("like")
    }
    free = [(p.id, a.id) for p in experiment.parts for a in p.answers if a.kind == "cell" and (p.id, a.id) not in asked]
    for part, answer in free:
        groups: defaultdict[str, list[Marked]] = defaultdict(list)
        start = experiment.part(part).answer(answer).start
        for one in marked:
            text = one.report.answers.get(part, {}).get(answer, "")
            if text.strip() != start.strip() and (key := _digest(text)):
                groups[key].append(one)
        for group in (g for g in groups.values() if len(g) > 1):
            for one in group:
                others = ", ".join(o.report.student.number for o in group if o is not one)
                one.remarks.append(f"{part}/{answer}: 与 {others} 的单元相同 / the same cell as {others}")


def _digest(text: str) -> str:
    try:
        return same.digest(Cell.parse(text))
    except EquationError:
        return ""


def write_grades(path: Path, experiment: Experiment, marked: Iterable[Marked]) -> None:
    """grades.csv (UTF-8 with a mark, which spreadsheets need): a row a student, a column a check. Raises FileError."""
    checks = [(p.id, c.id) for p in experiment.parts for c in p.checks]
    with writing_aside(path, "utf-8-sig") as file:
        rows = csv.writer(file)
        rows.writerow(["学号", "姓名", "总分", "满分", *(f"{p}/{c}" for p, c in checks), "备注", "文件"])
        for one in marked:
            reached = {(o.part, o.check): o.points for o in one.outcomes}
            rows.writerow(
                [
                    _cell(one.report.student.number),
                    _cell(one.report.student.name),
                    f"{one.points:g}",
                    f"{experiment.points:g}",
                    *(f"{reached[c]:g}" for c in checks),
                    _cell("; ".join(one.remarks)),
                    _cell(one.path.name),
                ]
            )


def _cell(text: str) -> str:
    """Text that no spreadsheet takes for a formula."""
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text
