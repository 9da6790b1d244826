"""The course: its experiments, a student's answers as they are typed, checks as they are done, and the report.

What a check expects, its settings, and hidden checks never leave the server.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import quote

import anyio.to_thread
from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from rondo.lab.checks import WordsCheck
from rondo.lab.experiment import AnswerKind, Check, Experiment, Part
from rondo.lab.marking import settings
from rondo.lab.outcome import Outcome
from rondo.lab.report import LONGEST, Report, Student, page, report, to_json
from rondo.lab.store import Checked, Progress, StoreError, deadline, filled, what_is_read
from rondo.lab.words import Words, words
from rondo.studio import course_work
from rondo.studio.child import Limits, in_child
from rondo.studio.course_desk import Desk, desk
from rondo.studio.course_text import html
from rondo.studio.queue import Records, respond, threads

T = TypeVar("T")
router = APIRouter(prefix="/course", tags=["course"])
CHECKS = Limits(seconds=300, memory=2048, file=1)
# a report is a page without scripts, complete in itself
POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; sandbox allow-modals"
)

Which = Annotated[str, InPath(pattern=r"^[\w.-]{1,80}$")]
Id = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
Lang = Literal["zh", "en"]
At = Annotated[Desk, Depends(desk)]


class Listed(BaseModel):
    """An experiment of the course, and how far the student is; points are those of the checks that can be seen."""

    name: str
    number: int
    title: Words
    aim: Words
    due: str | None
    points: float
    parts: int
    checks: int
    progress: Progress


class Course(BaseModel):
    """The course of whoever asks; alone: one person, without an account."""

    alone: bool
    student: Student | None = Field(description="as a report names them; None until they are known")
    experiments: list[Listed]


class ShownOption(BaseModel):
    """An option to choose."""

    id: str
    title: Words


class ShownAnswer(BaseModel):
    """A place to answer: what stands there, and what stood there at first."""

    id: str
    kind: AnswerKind
    title: Words
    start: str
    text: str
    options: list[ShownOption]


class ShownCheck(BaseModel):
    """A check, without what it expects."""

    id: str
    title: Words
    answer: str
    points: float
    least: int = Field(0, description="characters that are asked for, of words")


class ShownPart(BaseModel):
    """A part; its text is HTML."""

    id: str
    title: Words
    text: Words
    answers: list[ShownAnswer]
    checks: list[ShownCheck]


class ShownExperiment(Listed):
    """An experiment with the student's answers, and what was found about them (not fresh: before a change)."""

    principle: Words
    content: list[ShownPart]
    checked: list[Checked]


class AnswerRequest(BaseModel):
    """An answer to keep as it is typed."""

    model_config = ConfigDict(extra="forbid")

    part: Id
    answer: Id
    text: str = Field(max_length=LONGEST)


class CheckRequest(BaseModel):
    """Which part to check; all of them where none is named."""

    model_config = ConfigDict(extra="forbid")

    part: Id | Literal[""] = ""


class Kept(BaseModel):
    """When something was kept: ISO 8601, in UTC."""

    kept: str | None


@router.get("")
def course(http: Request, at: At) -> Course:
    """The experiments and how far the student is with each."""
    key = at.student(http)
    listed = [_listed(at, name, key) for name in at.experiments]
    return Course(alone=at.alone, student=at.profile(key), experiments=listed)


def _listed(at: Desk, name: str, key: str) -> Listed:
    own = at.experiment(name)
    due = deadline(own)
    return Listed(
        name=name,
        number=own.number,
        title=own.title,
        aim=own.aim,
        due=due.isoformat() if due else None,
        points=own.points_shown,
        parts=len(own.parts),
        checks=sum(not c.hidden for p in own.parts for c in p.checks),
        progress=at.store.progress(key, name),
    )


@router.post("/student")
def student(order: Student, http: Request, at: At) -> Student:
    """Who one is, for the report of somebody who works alone."""
    if not at.alone:
        raise HTTPException(409, "学号和姓名在名单里 / number and name are on the roster")
    at.store.keep_profile(at.student(http), order)
    return order


@router.get("/{experiment}")
def shown(experiment: Which, http: Request, at: At) -> ShownExperiment:
    """An experiment: its texts, the student's answers, and what was found about them."""
    own, key = _found(at, experiment), at.student(http)
    answers = filled(own, at.store.answers(key, experiment))
    return ShownExperiment(
        **_listed(at, experiment, key).model_dump(),
        principle=own.principle,
        content=[_part(part, answers[part.id]) for part in own.parts],
        checked=at.store.checked(key, experiment),
    )


def _part(part: Part, given: dict[str, str]) -> ShownPart:
    answers = [ShownAnswer(**a.model_dump(), text=given[a.id]) for a in part.answers]
    checks = [_check(part, c) for c in part.checks if not c.hidden]
    text = words(html(part.text.zh), html(part.text.en))
    return ShownPart(id=part.id, title=part.title, text=text, answers=answers, checks=checks)


def _check(part: Part, check: Check) -> ShownCheck:
    own = settings(part, check)
    least = own.least if isinstance(own, WordsCheck) else 0
    return ShownCheck(id=check.id, title=check.title, answer=own.answer, points=check.points, least=least)


@router.post("/{experiment}/answer")
def answer(experiment: Which, order: AnswerRequest, http: Request, at: At) -> Kept:
    """Keep an answer; it is on the disk when this answers."""
    _found(at, experiment).part(order.part).answer(order.answer)
    key = at.student(http)
    at.store.keep(key, experiment, order.part, order.answer, order.text)
    return Kept(kept=at.store.progress(key, experiment).changed)


@router.post("/{experiment}/check")
async def check(experiment: Which, order: CheckRequest, http: Request, at: At) -> Response:
    """Check the answers as they are kept: an outcome a record, then how far the student is."""
    own, key = _found(at, experiment), at.student(http)
    if order.part:
        own.part(order.part)
    return await respond(http, at.checking, lambda: _checks(at, experiment, own, order.part, key))


async def _checks(at: Desk, name: str, own: Experiment, part: str, key: str) -> Records:
    """Each outcome is kept as it comes: what has been checked stays checked whatever happens after. The store waits for
    the disk, so it is asked beside the server."""
    who, kept = await _beside(lambda: (at.profile(key), at.store.answers(key, name)))
    read, answers = what_is_read(own, kept), filled(own, kept)
    values = {"folder": str(own.folder), "part": part, "answers": answers, "number": who.number if who else ""}
    of = sum(not c.hidden for p in own.parts if part in ("", p.id) for c in p.checks)
    done = 0
    async for record in in_child(course_work.checked, values, CHECKS):
        done += 1
        found = [Outcome.model_validate(record["outcome"])]
        await _beside(functools.partial(at.store.keep_outcomes, key, name, found, read))
        yield {**record, "done": done, "of": of}
    yield {"done": done, "of": of, **await _beside(lambda: _now(at, name, key))}


def _now(at: Desk, name: str, key: str) -> dict[str, Any]:
    """What is known of a student's answers, as plain values."""
    checked = [
        {"outcome": c.outcome.model_dump(mode="json"), "time": c.time, "fresh": c.fresh}
        for c in at.store.checked(key, name)
    ]
    return {"checked": checked, "progress": at.store.progress(key, name).model_dump()}


async def _beside(function: Callable[[], T]) -> T:
    return await anyio.to_thread.run_sync(function, limiter=threads())


@router.get("/{experiment}/report.html")
def report_page(experiment: Which, http: Request, at: At, lang: Lang = "zh", save: bool = False) -> Response:
    """The report as a page, from what is kept; to be saved under its name, or shown."""
    _found(at, experiment)
    found, text = report_of(at, at.student(http), experiment, lang)
    headers = {"Content-Security-Policy": POLICY, "Cache-Control": "no-store"}
    if save:
        headers["Content-Disposition"] = _attached(f"{found.file_name}.html")
    return Response(text, headers=headers, media_type="text/html; charset=utf-8")


@router.get("/{experiment}/report.json")
def report_data(experiment: Which, http: Request, at: At) -> Response:
    """The report's data alone, to be saved under its name."""
    _found(at, experiment)
    found, _ = report_of(at, at.student(http), experiment)
    headers = {"Content-Disposition": _attached(f"{found.file_name}.json"), "Cache-Control": "no-store"}
    return Response(to_json(found), headers=headers, media_type="application/json")


def report_of(at: Desk, student: str, experiment: str, lang: str = "zh") -> tuple[Report, str]:
    """A student's report and its page, from what is kept: the answers, and what was found about them as they are now.
    Raises StoreError where 学号 or name is not known."""
    own, who = at.experiment(experiment), at.profile(student)
    if who is None:
        raise StoreError("报告要学号和姓名 / a report needs a number (学号) and a name")
    answers = filled(own, at.store.answers(student, experiment))
    found = report(own, who, answers, at.store.outcomes(student, experiment))
    return found, page(own, found, lang)


def _found(at: Desk, name: str) -> Experiment:
    if name not in at.experiments:
        raise HTTPException(404, f"没有这个实验 / there is no experiment {name!r}")
    return at.experiment(name)


def _attached(name: str) -> str:
    return f"attachment; filename*=UTF-8''{quote(name)}"
