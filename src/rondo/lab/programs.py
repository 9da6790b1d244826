"""A student's program beside a cell's equations.

    def step(x, s, p):           one step: x [input], s and p dictionaries by name; returns the new state, by name
    def backward(x, s, p, dy):   x [T, input]; s by name [T + 1, hidden], s[0] the initial state; dy [T, hidden], the
                                 dL/dh<t> of each step's own loss; returns the gradients by parameter's name

The wrong quantity is named, and the time step: the step is called with the right state at each t, and the gradients are
asked for with a loss at one step only, for each step in turn.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.cell import Cell
from rondo.expr.graph import Graph, nearest
from rondo.kernels import reference
from rondo.kernels.check import Case, case, gradients_by_autograd
from rondo.lab import same
from rondo.lab.outcome import WrongError
from rondo.lab.program import Program

Array = NDArray[np.float64]
STEPS, SIZES = 5, {"input": 3, "hidden": 4}
LARGEST = 1_000_003  # seed
LIMIT = 1e-8  # float64 beside float64: rounding over five steps stays six digits below, a wrong term far above


def check_step(program: Program, function: str, cell: Cell, seed: int) -> dict[str, Any]:
    """The program's step at every t of a random sequence. Raises WrongError and ProgramError."""
    graph = cell.graph
    one = _case(graph, seed)
    states = _states(graph, one)
    params, x = _columns(one.params), _only(one.x)[0].numpy()
    worst = 0.0
    for t in range(STEPS):
        given = {name: values[t] for name, values in states.items()}
        found = _named(program(function, x[t], given, params), list(states), "step", single=True)
        for name, values in states.items():
            worst = max(worst, _compare(found[name], values[t + 1], f"{name}<t>", f"t = {t + 1}"))
    return {"steps": STEPS, "largest_error": worst}


def check_backward(program: Program, function: str, cell: Cell, seed: int) -> dict[str, Any]:
    """The program's gradients with a loss at each single step, then at all. Raises WrongError and ProgramError."""
    graph = cell.graph
    one = _case(graph, seed)
    states, params, x = _states(graph, one), _columns(one.params), _only(one.x)[0].numpy()
    wrong: dict[str, list[int]] = {}
    worst = 0.0
    for at in [*range(STEPS), -1]:
        dy = one.grad_y if at < 0 else torch.zeros_like(one.grad_y)
        if at >= 0:
            dy[:, at] = one.grad_y[:, at]
        wanted = gradients_by_autograd(graph, replace(one, grad_y=dy), reference.scan)
        found = _named(program(function, x, states, params, dy[0].numpy()), list(params), "backward")
        for name in params:
            right = _column(wanted[f"dL/d{name}"])
            error = _error(_shaped(found[name], right, f"∂L/∂{name}"), right)
            worst = max(worst, error)
            if not error <= LIMIT:
                wrong.setdefault(name, []).append(at + 1)
    if wrong:
        raise WrongError(_told(wrong), wrong={name: [t for t in steps if t] for name, steps in wrong.items()})
    return {"parameters": len(params), "largest_error": worst}


def _told(wrong: Mapping[str, list[int]]) -> str:
    """Which gradients are wrong, and with a loss at which steps."""
    zh, en = [], []
    for name, every in wrong.items():
        steps = [t for t in every if t]
        if steps == list(range(2, STEPS + 1)):
            zh.append(f"∂L/∂{name}：损失在 t = 1 时对，t = 2 起错——梯度没有（正确地）传回更早的步")
            en.append(
                f"∂L/∂{name}: right for a loss at t = 1, wrong from t = 2 on: the gradient does not go back (rightly) "
                "to the steps before"
            )
        elif not steps:
            zh.append(f"∂L/∂{name}：单个时刻的损失都对，合起来错——各步没有相加")
            en.append(f"∂L/∂{name}: right for a loss at any one step, wrong for all together: the steps do not add up")
        else:
            zh.append(f"∂L/∂{name}：损失在 t = {', '.join(map(str, steps))} 时错")
            en.append(f"∂L/∂{name}: wrong for a loss at t = {', '.join(map(str, steps))}")
    return f"{'；'.join(zh)} / {'; '.join(en)}"


def same_function(cell: Cell, other: Cell, seed: int = 0) -> bool:
    """Do two cells compute the same (`rondo.lab.same`), at the sizes of these checks?"""
    return same.same_function(cell, other, SIZES, STEPS, seed % LARGEST)


def _case(graph: Graph, seed: int) -> Case:
    found = case(graph, STEPS, 1, SIZES, seed=seed % LARGEST)
    return replace(found, grad_state={name: torch.zeros_like(v) for name, v in found.grad_state.items()})


def _states(graph: Graph, one: Case) -> dict[str, Array]:
    """Each state before the first step and after every one: [T + 1, size]."""
    found = {name: [v[0]] for name, v in one.state.items()}
    state = one.state
    for t in range(STEPS):
        _, state = reference.scan(graph, one.params, {i: v[:, t : t + 1] for i, v in one.x.items()}, state)
        for name, v in state.items():
            found[name].append(v[0])
    return {name: torch.stack(v).numpy() for name, v in found.items()}


def _only(x: Mapping[str, torch.Tensor]) -> torch.Tensor:
    if len(x) != 1:
        raise WrongError("这种检查只用于一个输入的单元 / this check is for cells with one input")
    return next(iter(x.values()))


def _columns(params: Mapping[str, torch.Tensor]) -> dict[str, Array]:
    return {name: _column(v) for name, v in params.items()}


def _column(v: torch.Tensor) -> Array:
    """A matrix as it is, a vector as one."""
    found: Array = (v.squeeze(1) if v.dim() == 2 and v.shape[1] == 1 else v).numpy()
    return found


def _named(value: Any, names: list[str], what: str, single: bool = False) -> dict[str, Any]:
    """What a program returned, by name; one value stands for the only name. Raises WrongError."""
    if isinstance(value, dict):
        if missing := [n for n in names if n not in value]:
            other = [str(n) for n in value]
            raise WrongError(
                f"{what} 返回的字典里缺 {', '.join(missing)} / what {what} returns lacks {', '.join(missing)}"
                f"{nearest(missing[0], other)}"
            )
        return value
    if single and len(names) == 1:
        return {names[0]: value}
    if isinstance(value, list) and len(value) == len(names):
        return dict(zip(names, value, strict=True))
    raise WrongError(
        f"{what} 要返回字典：{', '.join(names)} / {what} must return a dictionary with {', '.join(names)}, "
        f"found {type(value).__name__}"
    )


def _compare(found: Any, right: Array, name: str, where: str) -> float:
    error = _error(_shaped(found, right, name), right)
    if not error <= LIMIT:
        raise WrongError(f"{name} 在 {where} 错 / {name} is wrong at {where}: off by {error:.2g} of its size")
    return error


def _shaped(found: Any, right: Array, name: str) -> Array:
    """As an array of the right shape. Raises WrongError."""
    try:
        value: Array = np.asarray(found, dtype=np.float64)
    except (TypeError, ValueError):
        raise WrongError(f"{name} 不是数组 / {name} is no array of numbers") from None
    if value.shape != right.shape:
        if value.size == right.size and 1 in value.shape:
            return value.reshape(right.shape)
        raise WrongError(
            f"{name} 的形状是 {list(value.shape)}，应为 {list(right.shape)} / {name} has the shape {list(value.shape)}"
            f", it should be {list(right.shape)}"
        )
    return value


def _error(found: Array, right: Array) -> float:
    """Largest difference, beside the largest number; NaN is infinitely far off."""
    scale = max(float(np.abs(right).max(initial=0.0)), 1e-3)
    error = float(np.abs(found - right).max(initial=0.0)) / scale
    return error if error == error else float("inf")


def of_teacher(path: Path, name: str) -> Callable[[Program, int], Any]:
    """A function of an experiment's checks.py, which is run: it is the teacher's own. Raises WrongError."""
    if not path.is_file():
        raise WrongError(f"实验里没有 checks.py / the experiment has no checks.py: {path}")
    spec = importlib.util.spec_from_file_location("checks", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not callable(found):
        raise WrongError(f"checks.py 里没有函数 {name} / checks.py has no function {name}")
    function: Callable[[Program, int], Any] = found
    return function
