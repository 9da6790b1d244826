"""A class at a glance, for its teacher: who has passed which checks, and who handed in when; and the same as CSV."""

from __future__ import annotations

import csv
import datetime
import io
from collections.abc import Iterable, Mapping

from pydantic import BaseModel

from rondo.lab.experiment import Experiment
from rondo.lab.store import Person, Progress, Store, deadline
from rondo.lab.words import Words

FORMULA = ("=", "+", "-", "@", "\t", "\r")


class CheckColumn(BaseModel):
    """A check that students see."""

    id: str
    title: Words
    part: Words
    points: float


class ExperimentColumns(BaseModel):
    """An experiment of the class; points are those of the checks that students see."""

    name: str
    number: int
    title: Words
    due: str | None
    points: float
    checks: list[CheckColumn]


class StudentRow(BaseModel):
    """A student: by experiment how far, and which checks (part/check) the answers as they are now have passed."""

    number: str
    name: str
    progress: dict[str, Progress]
    passed: dict[str, dict[str, bool]]


class Overview(BaseModel):
    """The class."""

    experiments: list[ExperimentColumns]
    students: list[StudentRow]


def overview(store: Store, people: Iterable[Person], experiments: Mapping[str, Experiment]) -> Overview:
    """The class as it is now. Teachers have no row."""
    progress = {name: store.everybody(name) for name in experiments}
    passed = {name: store.passed(name) for name in experiments}
    rows = [
        StudentRow(
            number=one.number,
            name=one.name,
            progress={name: progress[name].get(one.number, Progress()) for name in experiments},
            passed={
                name: {f"{part}/{check}": yes for (part, check), yes in passed[name].get(one.number, {}).items()}
                for name in experiments
            },
        )
        for one in people
        if not one.teacher
    ]
    return Overview(experiments=[_columns(name, own) for name, own in experiments.items()], students=rows)


def _columns(name: str, own: Experiment) -> ExperimentColumns:
    due = deadline(own)
    checks = [
        CheckColumn(id=f"{p.id}/{c.id}", title=c.title, part=p.title, points=c.points)
        for p in own.parts
        for c in p.checks
        if not c.hidden
    ]
    return ExperimentColumns(
        name=name,
        number=own.number,
        title=own.title,
        due=due.isoformat() if due else None,
        points=own.points_shown,
        checks=checks,
    )


def as_csv(found: Overview) -> str:
    """A row a student; times are this machine's. A text that a spreadsheet would take for a formula gets a quote."""
    text = io.StringIO()
    rows = csv.writer(text)
    heads = ["学号", "姓名"]
    for own in found.experiments:
        heads += [f"{own.name} {what}" for what in ("得分", "满分", "上次修改", "交报告", "迟交", "次数")]
        heads += [f"{own.name} {check.id}" for check in own.checks]
    rows.writerow([_safe(head) for head in heads])
    for one in found.students:
        rows.writerow([_safe(cell) for cell in _cells(one, found.experiments)])
    return text.getvalue()


def _cells(one: StudentRow, experiments: Iterable[ExperimentColumns]) -> list[str]:
    cells = [one.number, one.name]
    for own in experiments:
        p, passed = one.progress[own.name], one.passed[own.name]
        cells += [f"{p.points:g}", f"{own.points:g}", _local(p.changed), _local(p.handed_in), "迟" if p.late else ""]
        cells.append(str(p.times))
        cells += [{True: "1", False: "0", None: ""}[passed.get(check.id)] for check in own.checks]
    return cells


def _local(time: str | None) -> str:
    return datetime.datetime.fromisoformat(time).astimezone().strftime("%Y-%m-%d %H:%M:%S") if time else ""


def _safe(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text
