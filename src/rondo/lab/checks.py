"""Checks of answers. A kind is a model of its settings and a function (settings, asked) -> (what is said, facts), which
raises `WrongError` where the answer is not right. What a check finds depends on the answers and the seed alone.

    words     an analysis has been written: at least so many characters
    number    a number within a share of the expected one
    choice    one of several; every wrong one says why
    lines     lines of a derivation, each compared with the derived one (`rondo.kernels.claims`)
    cell      equations that can be read; on request the same function as a shipped cell
    gradient  the derived gradients of the student's cell beside finite differences
    probe     the student's cell learns a task (`rondo.probes`) as well as is asked
    step      a program's step beside a cell's equations, step by step
    backward  a program's gradients beside the derived ones, by parameter and time step
    python    a function of the experiment's checks.py: (program, seed) -> facts, raising WrongError
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rondo.cell import Cell
from rondo.cells import find
from rondo.expr.nodes import EquationError
from rondo.kernels import check as truth
from rondo.kernels import claims, reference
from rondo.lab import programs
from rondo.lab.experiment import Answer
from rondo.lab.outcome import WrongError
from rondo.lab.program import Program, ProgramError
from rondo.lab.words import Words
from rondo.probes.probe import ProbeError
from rondo.probes.run import Settings, Step, Trial, run
from rondo.probes.tasks import make
from rondo.render.claims import TIMES
from rondo.render.faults import fault

Facts = dict[str, Any]
LIMIT = 1e-6  # of finite differences in float64, relative


@dataclass(frozen=True)
class Asked:
    """What a check reads: the answers of its part, the student's seed, the experiment's folder."""

    answers: Mapping[str, str]
    seed: int
    folder: Path

    def text(self, name: str) -> str:
        """An answer that has been given. Raises WrongError."""
        found = self.answers.get(name, "")
        if not found.strip():
            raise WrongError("这里还没有回答 / nothing has been answered here yet")
        return found


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    answer: str = Field(description="the answer that is checked")


class WordsCheck(_Settings):
    least: int = Field(30, ge=1, le=5000)


def check_words(own: WordsCheck, asked: Asked) -> Facts:
    size = len("".join(asked.text(own.answer).split()))
    if size < own.least:
        raise WrongError(
            f"写了 {size} 个字，至少 {own.least} 个 / {size} characters are written, {own.least} are asked for"
        )
    return {"characters": size}


class NumberCheck(_Settings):
    expected: float
    within: float = Field(0.01, gt=0, description="share of the expected number, or of 1 where that is 0")


def check_number(own: NumberCheck, asked: Asked) -> Facts:
    found = number(asked.text(own.answer))
    if abs(found - own.expected) > own.within * (abs(own.expected) or 1):
        if own.expected and abs(found + own.expected) <= own.within * abs(own.expected):
            raise WrongError("大小对了，符号不对 / the size is right, the sign is not")
        raise WrongError("不是这个数 / this is not the number")
    return {"value": found}


def number(text: str) -> float:
    """A number as people write it. Raises WrongError."""
    try:
        found = float(text.strip().replace("−", "-").replace("，", ".").replace(" ", ""))
    except ValueError:
        raise WrongError(f"这不是一个数 / this is no number: {text[:40]!r}") from None
    if not math.isfinite(found):
        raise WrongError("要一个有限的数 / a finite number is asked for")
    return found


class ChoiceCheck(_Settings):
    right: str
    because: dict[str, Words] = Field(default_factory=dict, description="what to say of a wrong option")


def check_choice(own: ChoiceCheck, asked: Asked) -> Facts:
    found = asked.text(own.answer).strip()
    if found != own.right:
        why = own.because.get(found)
        raise WrongError(f"{why.zh} / {why.en}" if why else "再想想 / think again")
    return {}


class LinesCheck(_Settings):
    cell: str = "elman"
    head: Literal["", "softmax", "sigmoid"] = ""
    need: tuple[str, ...] = Field((), description="names that must be claimed: dW, dh<t-1>")


def check_lines(own: LinesCheck, asked: Asked) -> Facts:
    try:
        verdicts = claims.judge(find(own.cell).graph, asked.text(own.answer), own.head or None, asked.seed)
    except EquationError as error:
        raise WrongError(_unread(error, asked.text(own.answer))) from None
    for v in verdicts:
        if v.status == "error":
            zh, _, en = fault(EquationError(v.message), "").both.partition(" / ")
            raise WrongError(f"第 {v.number} 行读不懂：{zh} / line {v.number} cannot be read: {en or zh}")
        if v.status == "wrong":
            raise WrongError(_of_line(v))
    right = {shown(name) for v in verdicts if v.status == "right" for name in (v.name, v.derived)}
    if missing := [name for name in own.need if name not in right]:
        raise WrongError(f"还缺 / still missing: {', '.join(missing)}")
    return {"lines": len(verdicts), "largest_error": max((v.error for v in verdicts), default=0.0)}


HINTS = {
    "sign": ("符号反了", "the sign is the other way round"),
    "factor": ("差一个倍数", "off by a factor"),
    "sum": ("缺了对时间和批的求和", "the sum over time and batch is missing"),
    "sum+": ("缺了对时间和批的求和，还有别的错", "the sum over time and batch is missing, and more is wrong"),
    "last": (
        "只在最后一步对：没有从后一步传来的部分",
        "right at the last step only: what comes from the step after is missing",
    ),
    "first": ("只在第一步错", "wrong at the first step only"),
    "upstream": ("缺了传来的梯度", "the gradient that arrives is missing"),
}


def _of_line(v: claims.Verdict) -> str:
    zh, en = HINTS.get(v.hint, ("与推导的不同", "differs from what is derived"))
    if v.hint == "factor":
        zh, en = f"{zh} {v.factor:.4g}", f"{en} {v.factor:.4g}"
    wrong = [t + 1 for t, error in enumerate(v.steps) if error > claims.LIMIT]
    if wrong and not v.hint:
        zh, en = f"{zh}：t = {_steps(wrong)}", f"{en}: at t = {_steps(wrong)}"
    name = shown(v.name)
    return f"第 {v.number} 行，{name}：{zh} / line {v.number}, {name}: {en}"


def shown(name: str) -> str:
    """A name of a claim as it is written: dh__prev is dh<t-1>."""
    for written, inner in reversed(TIMES.items()):
        name = name.replace(inner, f"<{written}>")
    return name


def _steps(steps: list[int]) -> str:
    return ", ".join(map(str, steps))


class CellCheck(_Settings):
    like: str = Field("", description="a shipped cell whose function it must be, parameter names aside from order")
    unlike: tuple[str, ...] = Field((), description="shipped cells that it must not be")
    states: int = Field(0, ge=0, le=8, description="at most so many; 0: any number")


def check_cell(own: CellCheck, asked: Asked) -> Facts:
    cell = _cell(asked.text(own.answer))
    if own.states and len(cell.graph.states) > own.states:
        raise WrongError(f"状态太多：{len(cell.graph.states)} / too many states: at most {own.states}")
    if own.like and not programs.same_function(cell, find(own.like), asked.seed):
        raise WrongError(f"与 {own.like} 算出的不同 / computes something else than {own.like}")
    for name in own.unlike:
        if programs.same_function(cell, find(name), asked.seed):
            raise WrongError(f"这就是 {name}：请写自己的单元 / this is {name}: write a cell of your own")
    return {"states": list(cell.graph.states), "parameters": [p.name for p in cell.graph.params.values()]}


def _cell(text: str) -> Cell:
    try:
        return Cell.parse(text)
    except EquationError as error:
        raise WrongError(_unread(error, text)) from None


def _unread(error: EquationError, text: str) -> str:
    """What is wrong with equations, and in which line, in both languages."""
    found = fault(error, text)
    zh, _, en = shown(found.both).partition(" / ")
    return f"第 {found.line} 行：{zh} / line {found.line}: {en or zh}" if found.line else found.both


class GradientCheck(_Settings):
    steps: int = Field(4, ge=1, le=20)


def check_gradient(own: GradientCheck, asked: Asked) -> Facts:
    graph = _cell(asked.text(own.answer)).graph
    case = truth.case(graph, own.steps, 2, programs.SIZES, seed=asked.seed)
    found = truth.gradients_by_autograd(graph, case, reference.scan)
    wanted = truth.finite_differences(graph, case)
    errors = truth.errors({k: found[k] for k in wanted}, wanted)
    worst = max(errors, key=lambda name: errors[name])
    if not errors[worst] <= LIMIT:
        raise WrongError(
            f"{worst} 与数值梯度差 {errors[worst]:.1e} / {worst} is {errors[worst]:.1e} off the finite difference"
        )
    return {"quantities": len(errors), "largest_error": errors[worst]}


class ProbeCheck(_Settings):
    task: Literal["copying", "adding", "parity", "dyck", "agreement"] = "adding"
    length: int = Field(20, ge=2, le=200)
    parameters: int = Field(2000, ge=50, le=50_000)
    steps: int = Field(300, ge=10, le=4000)
    lr: float = Field(0.01, gt=0, le=1)
    share: float = Field(
        0.9, gt=0, description="to be reached: this share of the no-memory line (or 1 / share, if more is better)"
    )


def check_probe(own: ProbeCheck, asked: Asked) -> Facts:
    """The curve of the student's cell; seeds and data follow from the settings alone, so all curves can be compared."""
    cell = _cell(asked.text(own.answer))
    try:
        probe = make(own.task, length=own.length)
        settings = Settings(parameters=own.parameters, steps=own.steps, seeds=1, lr=(own.lr,))
        trial = next(r for r in run({"own": cell}, probe, settings) if isinstance(r, Trial) and not isinstance(r, Step))
    except (ProbeError, EquationError) as error:
        raise WrongError(str(error)) from None
    line, value = probe.tests[0].line, trial.value
    facts = {
        "measure": probe.measure.name,
        "value": round(value, 6),
        "line": line,
        "units": trial.hidden,
        "parameters": trial.parameters,
        "curve": [[step, round(v, 6)] for step, v in trial.curve],
        "stopped": trial.stopped,
    }
    goal = line / own.share if probe.measure.higher else line * own.share
    good = value >= goal if probe.measure.higher else value <= goal
    if not good:
        raise WrongError(
            f"到了 {value:.4g}，要 {goal:.4g}（没有记忆：{line:.4g}） / reached {value:.4g}, {goal:.4g} is asked for "
            f"(without memory: {line:.4g})",
            **facts,
        )
    return facts


class StepCheck(_Settings):
    function: str = "step"
    cell: str = "elman"


def check_step(own: StepCheck, asked: Asked) -> Facts:
    with Program(asked.text(own.answer)) as program:
        return programs.check_step(program, own.function, find(own.cell), asked.seed)


class BackwardCheck(_Settings):
    function: str = "backward"
    cell: str = "elman"


def check_backward(own: BackwardCheck, asked: Asked) -> Facts:
    with Program(asked.text(own.answer)) as program:
        return programs.check_backward(program, own.function, find(own.cell), asked.seed)


class PythonCheck(_Settings):
    function: Annotated[str, Field(pattern=r"^[a-zA-Z]\w{0,60}$")]


def check_python(own: PythonCheck, asked: Asked) -> Facts:
    """The teacher's function runs here, the student's program does not."""
    function = programs.of_teacher(asked.folder / "checks.py", own.function)
    with Program(asked.text(own.answer)) as program:
        found = function(program, asked.seed)
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Kind:
    """A kind of check: its settings, its function, and the kinds of answers that it reads."""

    settings: type[_Settings]
    run: Callable[[Any, Asked], Facts]
    reads: tuple[str, ...]


KINDS: dict[str, Kind] = {
    "words": Kind(WordsCheck, check_words, ("words",)),
    "number": Kind(NumberCheck, check_number, ("number",)),
    "choice": Kind(ChoiceCheck, check_choice, ("choice",)),
    "lines": Kind(LinesCheck, check_lines, ("lines",)),
    "cell": Kind(CellCheck, check_cell, ("cell",)),
    "gradient": Kind(GradientCheck, check_gradient, ("cell",)),
    "probe": Kind(ProbeCheck, check_probe, ("cell",)),
    "step": Kind(StepCheck, check_step, ("python",)),
    "backward": Kind(BackwardCheck, check_backward, ("python",)),
    "python": Kind(PythonCheck, check_python, ("python",)),
}


def fits(kind: Kind, answer: Answer) -> bool:
    """Can this kind of check read this answer?"""
    return answer.kind in kind.reads


FAILURES = (WrongError, ProgramError)  # of an answer; anything else is a fault of the check
