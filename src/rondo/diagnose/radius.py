"""Vanishing and exploding gradients of one network whose recurrent matrix is scaled to a spectral radius.

A plain network h<t> = tanh(W x<t> + U h<t-1> + b), or the same without tanh, is to recall the first number of its
input after `steps` steps; beside it stand a GRU and an LSTM of the same size, as in `rondo.diagnose.lecture`: their
recurrent matrices of the same radius, their gates open for about `steps` steps. Inputs are weak (STRENGTH), so that
tanh is nearly linear while the state is small: there the radius alone decides, and beyond 1 the state grows until
tanh' holds it back.

The lecture's rule compares the largest singular value of U with 1. What a gradient meets is the product of the
Jacobians J<t> = diag(1 - h<t>²) U (Pascanu et al. 2013, arXiv:1211.5063, eq. 5-7), so both are given.

Everything is evaluated on the derived adjoint in float64 (`rondo.diagnose.unrolled.Unit`): small sizes answer in a few
hundredths of a second.
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from typing import TypeGuard

import numpy as np
import torch
from torch import Tensor

from rondo.diagnose import DiagnoseError
from rondo.diagnose.flow import log10
from rondo.diagnose.inside import Array, array
from rondo.diagnose.jacobian import product_singular_values
from rondo.diagnose.lecture import INPUT, RATE, Descent, Recall, clip_factor
from rondo.diagnose.spectrum import Spectrum, spectrum
from rondo.diagnose.unrolled import Columns, Unit, Values, derived
from rondo.expr.rewrite import recurrent_blocks
from rondo.kernels import reference

LINEAR = "def Linear(x: input, h: hidden): h = W @ x + U @ h + b; return State(h=h)"
PLAIN = {"tanh": "elman", "linear": LINEAR}  # the plain network by its activation
GATED = ("gru-cho", "lstm")
ROWS, STRENGTH = 8, 0.1  # sequences; what the input matrices of `Recall` are multiplied by
WIDEST, LONGEST, MOST, HIGHEST = 64, 200, 500, 10.0  # units, steps, updates, radius
HEAD = "<head>"  # the output layer, by a name that no equation has


@dataclass(frozen=True)
class Turned:
    """Networks at one radius. Gradients and singular values are log10, by distance.

    spectrum   of the plain network's U
    flow       by cell ("plain", "gru-cho", "lstm"): median over rows of the norm of dL/ds<T-k>, all states together,
               k = 0 ... T-1 [T]
    product    largest, median and smallest singular value of dh<T>/dh<T-k>, k = 1 ... T [T, 3]
    slope      mean over rows and units of the activation's slope, tanh'<t> = 1 - h<t>² or 1, by step [T]
    gradient   norm of the gradient of all parameters of the plain network
    """

    spectrum: Spectrum
    flow: dict[str, Array]
    product: Array
    slope: Array
    gradient: float

    @property
    def bound(self) -> Array:
        """The lecture's rule, k log10(largest singular value of U), k = 1 ... T."""
        k = np.arange(1, len(self.product) + 1)
        bound: Array = np.asarray(k * math.log10(self.spectrum.norm), np.float64)
        return bound

    def left(self, cell: str, distance: int) -> float:
        """The share of the gradient at distance 0 that is left at `distance`."""
        flow = self.flow[cell]
        return float(10 ** (flow[min(distance, len(flow) - 1)] - flow[0]))

    def factor(self, limit: float) -> float:
        """What clipping the plain network's gradient by norm multiplies it by."""
        return clip_factor(self.gradient, limit)

    def clipped(self, limit: float) -> Array:
        """The plain network's flow after clipping: the same curve, moved down."""
        found: Array = self.flow["plain"] + math.log10(self.factor(limit))
        return found


@dataclass(frozen=True)
class Clipping:
    """The plain network in training by gradient descent from one start, as it is and clipped by norm; a training that
    leaves the range of numbers ends there."""

    plain: Descent
    clipped: Descent

    @property
    def held(self) -> int:
        """How many updates clipping shortened."""
        return int((self.clipped.applied < self.clipped.gradient).sum())


def turned(radius: float, hidden: int = 20, steps: int = 40, seed: int = 1, activation: str = "tanh") -> Turned:
    """The three networks at a spectral radius. Raises DiagnoseError."""
    _check(radius, hidden, steps, activation)
    x = inputs(steps, seed)

    def run(cell: str) -> Run:
        return Run(cell, drawn(cell, hidden, steps, radius, seed), x, learning=cell not in GATED)

    plain, gated = run(PLAIN[activation]), {cell: run(cell) for cell in GATED}
    logs = product_singular_values(plain.jacobians())[0]
    squares = 1.0 if activation == "tanh" else 0.0
    return Turned(
        spectrum=spectrum(array(plain.unit.params["U"])),
        flow={cell: log10(np.median(r.flow(), 1)) for cell, r in {"plain": plain, **gated}.items()},
        product=logs[:, [0, hidden // 2, -1]],
        slope=np.asarray([float((1 - squares * h**2).mean()) for h in plain.outputs]),
        gradient=norm(plain.gradient()),
    )


def clipping(
    radius: float,
    limit: float,
    hidden: int = 20,
    steps: int = 40,
    updates: int = 40,
    seed: int = 1,
    activation: str = "tanh",
) -> Clipping:
    """Train the plain network twice, without and with its gradient clipped to `limit`. Raises DiagnoseError."""
    _check(radius, hidden, steps, activation)
    if not (limit > 0 and 1 <= updates <= MOST):
        raise DiagnoseError(f"the limit is positive, updates lie in 1..{MOST}; found {limit:g} and {updates}")
    start = (PLAIN[activation], radius, hidden, steps, updates, seed)
    return Clipping(_descent(*start, None), _descent(*start, limit))


def _check(radius: float, hidden: int, steps: int, activation: str) -> None:
    if activation not in PLAIN:
        raise DiagnoseError(f"the activation is one of {', '.join(PLAIN)}, found {activation!r}")
    if not (0 < radius <= HIGHEST and 2 <= hidden <= WIDEST and 2 <= steps <= LONGEST):
        raise DiagnoseError(
            f"the radius lies in (0, {HIGHEST:g}], units in 2..{WIDEST}, steps in 2..{LONGEST}; "
            f"found {radius:g}, {hidden}, {steps}"
        )


def inputs(steps: int, seed: int) -> Tensor:
    """x [ROWS, T, 4], standard normal."""
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(ROWS, steps, INPUT, dtype=torch.float64, generator=draw)


def drawn(cell: str, hidden: int, steps: int, radius: float, seed: int) -> Columns:
    """The parameters of the lecture's network, its inputs weakened, its output layer as "head"."""
    matrices = {b.name for b in recurrent_blocks(derived(cell)[0])}
    base = _unscaled(cell, hidden, steps, seed)
    return {name: v * radius if name in matrices else v for name, v in base.items()}


@functools.lru_cache(maxsize=64)
def _unscaled(cell: str, hidden: int, steps: int, seed: int) -> Columns:
    model = Recall(cell, hidden, steps, 1.0, seed)
    own = {k: p.detach() for k, p in model.rnn.part("l0").named_parameters()}
    weak = {k: v * STRENGTH if k.startswith("W") else v for k, v in own.items()}
    return {**weak, HEAD: model.head.detach()}


@functools.lru_cache(maxsize=256)
def _descent(
    cell: str, radius: float, hidden: int, steps: int, updates: int, seed: int, limit: float | None
) -> Descent:
    params, x = drawn(cell, hidden, steps, radius, seed), inputs(steps, seed)
    seen = []
    for _ in range(updates):
        run = Run(cell, params, x, learning=True)
        gradient = run.gradient()
        size = norm(gradient)
        if not math.isfinite(size + run.loss):
            break
        factor = 1.0 if limit is None else clip_factor(size, limit)
        params = {k: v - RATE * factor * gradient[k] for k, v in params.items()}
        seen.append((run.loss, size, factor * size))
    return Descent(*array(torch.tensor(seen, dtype=torch.float64).reshape(-1, 3).T))


def norm(gradient: Columns) -> float:
    """The norm of all gradients together."""
    return float(torch.cat([g.ravel() for g in gradient.values()]).norm())


class Run:
    """One network forward over x [B, T, n] and backward, by the derived equations, from the loss of the last step,
    mean over rows of half (head . h<T> - x<1>)². Gradients of parameters only if `learning`."""

    def __init__(self, cell: str, params: Columns, x: Tensor, learning: bool) -> None:
        graph, adjoint = derived(cell)
        self.head = params[HEAD]
        self.unit = Unit(graph, adjoint, {k: v for k, v in params.items() if k != HEAD})
        self.values = self._forward(x)
        self.outputs = [torch.as_tensor(v[graph.output]) for v in self.values]
        error = self.head @ self.outputs[-1] - x[:, 0, 0]
        self.loss, self.error = float(0.5 * (error**2).mean()), error / len(x)
        self.full: list[Columns] = []
        self.arrived: list[Columns] = []  # from the last step to the first
        self._backward()
        self.sums = self._sums() if learning else {}

    def _forward(self, x: Tensor) -> list[Values]:
        name, state = next(iter(self.unit.graph.inputs)), self.unit.start(len(x))
        found: list[Values] = []
        for now in x.unbind(1):
            found.append(self.unit.step({name: now.T}, state))
            state = self.unit.state(found[-1])
        return found

    def _backward(self) -> None:
        own, nothing = torch.outer(self.head, self.error), torch.zeros_like(self.outputs[0])
        after = self.unit.start(len(self.error))
        for k, values in enumerate(reversed(self.values)):
            self.arrived.append(after)
            pulled = self.unit.pull(values, nothing if k else own, after, params=False)
            self.full.append(pulled.full)
            after = pulled.entering

    def _sums(self) -> Columns:
        """The gradient of every parameter of the layer: all steps side by side in one evaluation."""
        output = torch.zeros_like(torch.cat(self.outputs, 1))
        output[:, -len(self.error) :] = torch.outer(self.head, self.error)
        after = {s: torch.cat([a[s] for a in reversed(self.arrived)], 1) for s in self.arrived[0]}
        return self.unit.pull(self._together(len(self.error)), output, after).params

    def _together(self, rows: int) -> Values:
        """The values of all steps side by side, [n, T * rows], of the first `rows` rows."""
        known = dict(self.values[0])
        for node, value in self.values[0].items():
            if _by_step(value, len(self.error)):  # one that changes from step to step
                known[node] = torch.cat([torch.as_tensor(v[node])[:, :rows] for v in self.values], 1)
        return known

    def flow(self) -> Array:
        """Norms of dL/ds<t>, all states together, by distance [T, B]."""
        return np.stack([array(torch.cat(list(full.values())).norm(dim=0)) for full in self.full])

    def gradient(self) -> Columns:
        """The gradient of every parameter."""
        return {**self.sums, HEAD: self.outputs[-1] @ self.error}

    def jacobians(self) -> Tensor:
        """J<t> of the first row of a network with one state, [1, T, n, n], all steps in one evaluation."""
        (state,) = self.unit.graph.states
        n = len(self.outputs[0])
        units = torch.eye(n, dtype=torch.float64).repeat(1, len(self.values))
        wide = {k: v.repeat_interleave(n, 1) for k, v in self._together(1).items() if _by_step(v, len(self.values))}
        known = {**self.values[0], **wide}
        pulled = self.unit.pull(known, torch.zeros_like(units), {state: units}, params=False).entering[state]
        return pulled.reshape(n, len(self.values), n).permute(1, 2, 0).unsqueeze(0)


def _by_step(value: reference.Value, columns: int) -> TypeGuard[Tensor]:
    return isinstance(value, Tensor) and value.shape[1] == columns
