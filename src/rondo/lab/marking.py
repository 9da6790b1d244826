"""The checks of an experiment on a student's answers, and what is wrong with an experiment."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping
from typing import Any

from pydantic import ValidationError

from rondo.cell import Cell
from rondo.expr.graph import nearest
from rondo.expr.nodes import EquationError
from rondo.lab import same
from rondo.lab.checks import FAILURES, KINDS, Asked, fits
from rondo.lab.experiment import Answer, Check, Experiment, ExperimentError, Part, faults
from rondo.lab.outcome import Outcome
from rondo.lab.words import Words, both, words

Answers = Mapping[str, Mapping[str, str]]  # part -> answer -> what was filled in


def seed_of(number: str) -> int:
    """The seed of a student, from the 学号: everybody computes with numbers of their own, the same every time."""
    return zlib.crc32(number.strip().encode())


def mark(experiment: Experiment, answers: Answers, number: str = "", hidden: bool = True) -> list[Outcome]:
    """Every check's outcome, in the experiment's order. What fails in one check fails that check alone."""
    seed = seed_of(number)
    return [
        outcome_of(experiment, part, check, answers, seed)
        for part in experiment.parts
        for check in part.checks
        if hidden or not check.hidden
    ]


def outcome_of(experiment: Experiment, part: Part, check: Check, answers: Answers, seed: int) -> Outcome:
    """One check's outcome. An answer that is still what it started with earns nothing, and is told so."""
    own, given = settings(part, check), answers.get(part.id, {})
    message, facts, passed = words("对", "right"), dict[str, Any](), False
    try:
        facts, passed = KINDS[check.kind].run(own, Asked(given, seed, experiment.folder)), True
    except FAILURES as error:
        message, facts = both(str(error)), getattr(error, "facts", {})
    except Exception as error:  # a fault of the check itself, mostly a teacher's: it fails this check alone
        told = f"{type(error).__name__}: {error}"[:500]
        message = words(f"检查自己出了错，请告诉老师：{told}", f"the check itself failed, tell your teacher: {told}")
    if untouched(part.answer(own.answer), given.get(own.answer, "")):
        message, passed = _still(None if passed else message), False
    return Outcome(
        part=part.id,
        check=check.id,
        title=check.title,
        passed=passed,
        points=check.points if passed else 0.0,
        message=message,
        facts=facts,
        hidden=check.hidden,
    )


def untouched(answer: Answer, text: str) -> bool:
    """Is this what the answer started with, but for white space, and in a cell for names and the order of terms?"""
    if not answer.start.strip():
        return False
    if text.split() == answer.start.split():
        return True
    if answer.kind != "cell":
        return False
    try:
        return same.digest(Cell.parse(text)) == same.digest(Cell.parse(answer.start))
    except EquationError:
        return False


def _still(wrong: Words | None) -> Words:
    """That nothing has been done yet, with what is wrong about it where something is."""
    zh, en = "还和开头给的一样", "still as it was given"
    return words(f"{zh}：{wrong.zh}", f"{en}: {wrong.en}") if wrong else words(f"{zh}，不算分", f"{en}: no points yet")


def settings(part: Part, check: Check) -> Any:
    """The settings of a check as its kind reads them. Raises ExperimentError."""
    where = f"part {part.id}, check {check.id}"
    if check.kind not in KINDS:
        raise ExperimentError(f"{where}: there is no kind {check.kind!r}{nearest(check.kind, list(KINDS))}")
    kind = KINDS[check.kind]
    try:
        found = kind.settings.model_validate(check.settings)
    except ValidationError as error:
        known = ", ".join(kind.settings.model_fields)
        raise ExperimentError(f"{where}: {'; '.join(faults(error))} (settings of {check.kind}: {known})") from None
    answer = part.answer(found.answer)
    if not fits(kind, answer):
        raise ExperimentError(
            f"{where}: {check.kind} reads an answer of the kind {' or '.join(kind.reads)}, {answer.id} is {answer.kind}"
        )
    return found


def faults_of(experiment: Experiment) -> list[str]:
    """What is wrong with an experiment that can be read: its checks' settings, parts without checks."""
    found = []
    for part in experiment.parts:
        for check in part.checks:
            try:
                settings(part, check)
            except ExperimentError as error:
                found.append(str(error))
        checked = {c.settings.get("answer") for c in part.checks}
        found += [f"part {part.id}: nothing checks the answer {a.id}" for a in part.answers if a.id not in checked]
        found += [
            f"part {part.id}, answer {a.id}: a choice has options, any other kind has none"
            for a in part.answers
            if bool(a.options) != (a.kind == "choice")
        ]
    return found


def total(outcomes: Iterable[Outcome]) -> float:
    """The points reached."""
    return sum(o.points for o in outcomes)
