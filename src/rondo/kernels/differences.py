"""The gradient check: the derived backpropagation through time beside central differences, in float64.

    dL/dθ_i  ~  (L(θ + ε e_i) - L(θ - ε e_i)) / 2ε,      L = Σ <dL/dy, y> + Σ <dL/ds, s_T>  on a random case

Each number of a parameter, an input or an initial state is moved alone; a parameter is also moved at one step only, in
a random direction, which tells at which step a gradient goes wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from torch.func import vmap

from rondo.expr.graph import Graph
from rondo.kernels import reference
from rondo.kernels.check import Case, Tensors, bptt, case

EPSILON = 1e-6  # the step: rounding leaves about 1e-9 of a gradient, and kinks are at least 5e-6 away
RIGHT, DOUBTFUL = 1e-6, 1e-3  # below the first the gradient is right; above the second it is wrong
MOST = 600  # numbers of one tensor that are moved; of a larger one a random part
CHUNK = 400  # runs at once
ROWS = 2


@dataclass(frozen=True)
class Checked:
    """One quantity. error: max|difference - derived| / max|derived|, against a thousandth of the largest gradient at
    least; `steps` the same of each time step (a parameter's in one random direction; an initial state has none)."""

    name: str
    kind: str
    error: float
    compared: int
    of: int
    steps: tuple[float, ...] = ()

    @property
    def word(self) -> str:
        """right, doubtful or wrong."""
        return "right" if self.error <= RIGHT else "doubtful" if self.error <= DOUBTFUL else "wrong"


def check_gradients(graph: Graph, sizes: dict[str, int], steps: int = 10, seed: int = 0) -> Iterator[Checked]:
    """Every parameter, then every input and initial state, as they are done. sizes: a value for each named size."""
    drawn = case(graph, steps, ROWS, sizes, seed=seed)
    yield from compare(graph, drawn, derived(graph, drawn), seed)


def derived(graph: Graph, drawn: Case) -> list[Tensors]:
    """The gradients by the adjoint equations of steps t, t+1, ... for every t: the first is that of the whole."""
    found, state = [], drawn.state
    for t in range(drawn.grad_y.shape[1]):
        x = {k: v[:, t:] for k, v in drawn.x.items()}
        found.append(bptt(graph, drawn.params, x, state, drawn.grad_y[:, t:], drawn.grad_state))
        state = reference.scan(graph, drawn.params, {k: v[:, :1] for k, v in x.items()}, state)[1]
    return found


def compare(graph: Graph, drawn: Case, tails: list[Tensors], seed: int = 0) -> Iterator[Checked]:
    """Central differences beside `tails`, which `derived` gives."""
    whole = tails[0]
    floor = 1e-3 * max((_size(v) for k, v in whole.items() if k.startswith("dL/d")), default=0.0)
    random = torch.Generator().manual_seed(seed)
    for name in drawn.params:
        error, compared = _entries(graph, drawn, "params", name, whole[f"dL/d{name}"], floor, random)
        steps = _steps(graph, drawn, name, tails, floor, random)
        yield Checked(name, "parameter", float(error.max()), compared, drawn.params[name].numel(), steps)
    for name, x in drawn.x.items():
        error, compared = _entries(graph, drawn, "x", name, whole[f"dL/d{name}"], floor, random)
        by_step = torch.nan_to_num(error.view_as(x), nan=0.0).amax((0, 2)) if compared == x.numel() else error[:0]
        yield Checked(name, "input", float(error.max()), compared, x.numel(), tuple(by_step.tolist()))
    for name, s in drawn.state.items():
        error, compared = _entries(graph, drawn, "state", name, whole[f"dL/d{name}<0>"], floor, random)
        yield Checked(f"{name}<0>", "state", float(error.max()), compared, s.numel())


def loss(graph: Graph, drawn: Case, moves: list[Tensors] | None = None) -> Tensor:
    """L of a case. moves: what is added to the parameters, by step."""
    if moves is None:
        y, final = reference.scan(graph, drawn.params, drawn.x, drawn.state)
        total = (y * drawn.grad_y).sum()
    else:
        total, final = torch.zeros((), dtype=torch.float64), drawn.state
        for t, move in enumerate(moves):
            params = {k: v + move[k] if k in move else v for k, v in drawn.params.items()}
            y, final = reference.scan(graph, params, {k: v[:, t : t + 1] for k, v in drawn.x.items()}, final)
            total = total + (y[:, 0] * drawn.grad_y[:, t]).sum()
    for k, v in drawn.grad_state.items():
        total = total + (final[k] * v).sum()
    return total


def _entries(
    graph: Graph, drawn: Case, group: str, name: str, gradient: Tensor, floor: float, random: torch.Generator
) -> tuple[Tensor, int]:
    """The relative error of each number that was moved, and how many were."""
    tensors: Tensors = getattr(drawn, group)
    own = tensors[name]
    count = own.numel()
    chosen = torch.arange(count) if count <= MOST else torch.randperm(count, generator=random)[:MOST]

    def moved(index: Tensor, step: Tensor) -> Tensor:
        delta = (torch.arange(count) == index) * step
        changed: dict[str, Any] = {group: {**tensors, name: own + delta.view(own.shape)}}
        return loss(graph, replace(drawn, **changed))

    signs = torch.tensor([EPSILON, -EPSILON], dtype=torch.float64).repeat_interleave(len(chosen))
    values = vmap(moved, chunk_size=CHUNK)(chosen.repeat(2), signs)
    up, down = values.view(2, -1)
    found = (up - down) / (2 * EPSILON)
    wanted = gradient.reshape(-1)[chosen]
    return _relative(found - wanted, max(_size(gradient), floor)), len(chosen)


def _steps(
    graph: Graph, drawn: Case, name: str, tails: list[Tensors], floor: float, random: torch.Generator
) -> tuple[float, ...]:
    """The relative error of a parameter's gradient at each step, in one random direction."""
    own = drawn.params[name]
    count = len(tails)
    direction = torch.randn(own.shape, generator=random, dtype=torch.float64)
    sums = torch.stack([(tail[f"dL/d{name}"] * direction).sum() for tail in tails] + [torch.zeros((), dtype=own.dtype)])
    wanted = sums[:-1] - sums[1:]

    def moved(at: Tensor, step: Tensor) -> Tensor:
        return loss(graph, drawn, [{name: direction * (step * (at == t))} for t in range(count)])

    signs = torch.tensor([EPSILON, -EPSILON], dtype=torch.float64).repeat_interleave(count)
    up, down = vmap(moved)(torch.arange(count).repeat(2), signs).view(2, -1)
    error = _relative((up - down) / (2 * EPSILON) - wanted, max(_size(wanted), floor))
    return tuple(error.tolist())


def _size(v: Tensor) -> float:
    return float(v.abs().max()) if v.numel() else 0.0


def _relative(difference: Tensor, scale: float) -> Tensor:
    """|difference| / scale; infinite where it is not a number, zero where nothing depends on anything."""
    if scale == 0:
        return torch.where(difference == 0, 0.0, torch.inf)
    return torch.nan_to_num(difference.abs() / scale, nan=torch.inf)
