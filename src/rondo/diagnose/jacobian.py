"""Jacobians of the step, J<t> = ds<t>/ds<t-1>, of their product over many steps, and Lyapunov exponents.

s is the concatenation of a layer's states, at the given inputs. The product over k steps says what the gradient
dL/ds<t> of a loss k steps later can be at most (largest singular value) and at least (smallest); its growth per step
for k -> infinity are the Lyapunov exponents (Vogt et al. 2022, "On Lyapunov exponents for RNNs"; Engelken 2023,
"Gradient flossing", arXiv:2312.17306).

Nothing overflows: products are kept as U diag(exp(l)) C with U orthonormal, l descending and the rows of C of norm 1,
and QR steps move what is left in C into l (an LR iteration, carried from step to step). A state of more than WIDE
units is followed in the LEADING directions that grow most, by products with J<t> that never make the matrix.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rondo.diagnose import DiagnoseError
from rondo.diagnose.flow import log10
from rondo.diagnose.inside import Array, Call, array, scanning
from rondo.expr.nodes import Expr, topological
from rondo.kernels import reference
from rondo.rnn import RNN
from rondo.trace import noting

SWEEPS = 2  # QR pairs a step; each shrinks what is left between two singular values by their squared ratio
WIDE, LEADING = 256, 64
BLOCK, ROUNDS = 8, 3  # directions and rounds of the subspace iteration for one step of a wide state


@dataclass(frozen=True)
class Jacobians:
    """One layer: log10 of singular values in descending order, and Lyapunov exponents. p is the size n of the state;
    where that is more than WIDE, only the largest are there.

    steps      [B, T, p] of J<t> at each step; of a wide state the BLOCK largest
    product    [B, T, p] of the product of the last k = 1 ... T steps; of a wide state LEADING, and the smaller k, the
               more they are lower bounds
    exponents  [p] Lyapunov exponents in nats per step, over all steps but the first tenth, mean over rows
    complete   whether p = n
    """

    steps: Array
    product: Array
    exponents: Array
    complete: bool = True

    @property
    def growth(self) -> Array:
        """Nats per step by which the longest gradient grows over the last k steps, mean over rows: [T]."""
        k = np.arange(1, self.product.shape[1] + 1)
        growth: Array = self.product[:, :, 0].mean(0) * math.log(10) / k
        return growth


@dataclass(frozen=True)
class Linear:
    """One J<t> for B rows, as what it does to directions Q [B, n, p]: J Q, and back: J' Q."""

    forward: Callable[[Tensor], Tensor]
    back: Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Walk:
    """One layer over time, in its own order: its steps, and all of them as one map of B T rows."""

    steps: list[Linear]
    together: Linear
    rows: int
    n: int

    def matrices(self) -> Tensor:
        """J [B, T, n, n]."""
        units = torch.eye(self.n, dtype=torch.float64).expand(self.rows, -1, -1)
        return torch.stack([step.forward(units) for step in self.steps], 1)


def jacobians(rnn: RNN, call: Call, rows: int = 1, steps: int | None = None) -> dict[str, Jacobians]:
    """Singular values and exponents of every layer, over the first `rows` rows and the last `steps` steps. `call()`
    runs the model; the network must be called without lengths and resets."""
    return {unit: _jacobians(walk) for unit, walk in _walks(rnn, call, rows, steps).items()}


def _jacobians(walk: Walk) -> Jacobians:
    skip = len(walk.steps) // 10
    if walk.n <= WIDE:
        j = walk.matrices()
        sigma = array(torch.linalg.svdvals(j))
        return Jacobians(log10(sigma), product_singular_values(j), lyapunov_exponents(j, skip))
    exponents, end = _follow(walk.steps, _directions(walk.rows, walk.n, LEADING), skip)
    largest = _largest(walk.together, _directions(walk.rows * len(walk.steps), walk.n, BLOCK))
    each = log10(array(largest.reshape(walk.rows, -1, BLOCK)))
    return Jacobians(each, _product(walk.steps, end), exponents, complete=False)


def step_jacobians(rnn: RNN, call: Call, rows: int = 1, steps: int | None = None) -> dict[str, Array]:
    """J<t> of every layer, {"l0": [B, T, n, n]}, rows of J by the new state; for a reverse layer in its own order of
    steps. Arguments as of `jacobians`."""
    return {unit: array(walk.matrices()) for unit, walk in _walks(rnn, call, rows, steps).items()}


def _walks(rnn: RNN, call: Call, rows: int, steps: int | None) -> dict[str, Walk]:
    """Every layer's walk."""
    seen: dict[str, Tensor] = {}
    layers: dict[str, dict[str, Any]] = {}
    note = noting(seen)

    def run(unit: str, **arguments: Any) -> tuple[Tensor, dict[str, Tensor]]:
        layers[unit] = arguments
        return note(unit, **arguments)

    with torch.no_grad(), scanning(rnn, run):
        call()
    for layer in layers.values():
        if layer["lengths"] is not None or layer["resets"] is not None:
            raise DiagnoseError("Jacobians need rows of one length without resets: call the network without them")
    return {
        unit: _walk(layer, {s: seen[f"{unit}.{s}"] for s in layer["graph"].states}, rows, steps)
        for unit, layer in layers.items()
    }


def _walk(layer: dict[str, Any], after: dict[str, Tensor], rows: int, steps: int | None) -> Walk:
    """From the arguments of a layer's scan and its states after each step [B, T, n]."""

    def turned(values: dict[str, Tensor]) -> dict[str, Tensor]:
        return {k: v.flip(1)[:rows] if layer["reverse"] else v[:rows] for k, v in values.items()}

    own, first = turned(after), layer["state"]
    before = {name: torch.cat([first[name][:rows].unsqueeze(1), v[:, :-1]], 1) for name, v in own.items()}
    kept = slice(-steps if steps else None, None)
    x, s = ({k: v[:, kept] for k, v in values.items()} for values in (turned(layer["x"]), before))

    def mapped(cut: Callable[[Tensor], Tensor]) -> Linear:
        return _map(layer, {k: cut(v) for k, v in x.items()}, {k: cut(v) for k, v in s.items()})

    count, length = next(iter(s.values())).shape[:2]
    each = [mapped(lambda v, t=t: v[:, t]) for t in range(length)]  # type: ignore[misc]
    return Walk(each, mapped(lambda v: v.flatten(0, 1)), count, sum(v.shape[2] for v in s.values()))


def _map(layer: dict[str, Any], x: dict[str, Tensor], s: dict[str, Tensor]) -> Linear:
    """ds'/ds at B inputs and states. The graph runs on columns, so a column for each direction costs one product."""
    graph = layer["graph"]
    params = {k: v.detach().unsqueeze(1) if v.dim() == 1 else v.detach() for k, v in layer["params"].items()}
    read = reference.block_reader(graph, params, reference.sizes_of(graph, params, x, s))
    sizes, whole = [v.shape[1] for v in s.values()], torch.cat(list(s.values()), 1).T
    roots = list(graph.updates.values())
    leaves = topological(roots)

    def step(old: Tensor, p: int) -> Tensor:
        given = {
            "state": dict(zip(s, torch.split(old, sizes), strict=True)),
            "input": {k: v.T.repeat_interleave(p, 1) for k, v in x.items()},
            "vector": params,
        }
        values: dict[Expr, reference.Value] = {n: given[n.op][str(n.attr)] for n in leaves if n.op in given}
        new = reference.evaluate(roots, values, read)
        return torch.cat([torch.as_tensor(v).expand(-1, old.shape[1]) for v in new])

    def pulled(columns: Tensor, create_graph: bool) -> Tensor:
        old = whole.repeat_interleave(columns.shape[1] // whole.shape[1], 1).requires_grad_()
        with torch.enable_grad():
            new = step(old, columns.shape[1] // whole.shape[1])
        return torch.autograd.grad(new, old, columns, create_graph=create_graph, materialize_grads=True)[0]

    def back(q: Tensor) -> Tensor:
        return _directed(pulled(_columns(q), create_graph=False), q.shape[2])

    def forward(q: Tensor) -> Tensor:
        v = torch.zeros_like(_columns(q)).requires_grad_()
        along = torch.autograd.grad(pulled(v, create_graph=True), v, _columns(q), materialize_grads=True)[0]
        return _directed(along, q.shape[2])  # J' v is linear in v, so its derivative is J

    return Linear(forward, back)


def _columns(q: Tensor) -> Tensor:
    """Directions [B, n, p] as columns [n, B p]."""
    return q.transpose(0, 1).flatten(1)


def _directed(columns: Tensor, p: int) -> Tensor:
    """Columns [n, B p] as directions [B, n, p]."""
    return columns.reshape(len(columns), -1, p).transpose(0, 1)


def _of_matrices(j: Tensor | Array) -> list[Linear]:
    """The maps of J [B, T, n, n]."""
    steps = (j if isinstance(j, Tensor) else torch.from_numpy(np.array(j, np.float64))).unbind(1)
    return [Linear(lambda q, a=a: a @ q, lambda q, a=a: a.mT @ q) for a in steps]  # type: ignore[misc]


def _directions(rows: int, n: int, p: int) -> Tensor:
    """Orthonormal directions [B, n, p], the same ones every time."""
    drawn = torch.randn(n, p, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    return _orthonormal(drawn).expand(rows, -1, -1)


def _orthonormal(v: Tensor) -> Tensor:
    q: Tensor = torch.linalg.qr(v)[0]
    return q


def _largest(step: Linear, q: Tensor) -> Tensor:
    """The largest singular values [B, p] of one step, by subspace iteration from Q [B, n, p]."""
    for _ in range(ROUNDS):
        q = _orthonormal(step.back(step.forward(q)))
    sigma: Tensor = torch.linalg.svdvals(step.forward(q))
    return sigma


def product_singular_values(j: Tensor | Array) -> Array:
    """log10 of the singular values, descending, of J<T> ... J<T-k+1> for k = 1 ... T: [B, T, n] from J [B, T, n, n].

    Values within 1e-8 of the largest are exact to rounding; smaller ones to the sweeps' convergence, which is fast
    where they lie apart and within a cluster's own width where they do not. A zero is -inf.
    """
    units = torch.eye(j.shape[-1], dtype=torch.float64).expand(len(j), -1, -1)
    return _product(_of_matrices(j), units)


def _product(maps: Sequence[Linear], start: Tensor) -> Array:
    """The same seen from the directions `start` [B, n, p] of the last state: [B, T, p]. Exact where p = n."""
    rows, _, p = start.shape
    u, logs = start, torch.zeros(rows, p, dtype=torch.float64)
    c = torch.eye(p, dtype=torch.float64).expand(rows, -1, -1)
    found = []
    for step in reversed(maps):  # the transposed product has the same singular values, and grows at its left
        u, r = torch.linalg.qr(step.back(u))
        u, logs, c = _scaled(u, logs, _graded(r, logs) @ c)
        for _ in range(SWEEPS):
            lower = torch.linalg.qr(c.mT)[1].mT  # C = lower Q', and Q' does not change singular values
            q, r = torch.linalg.qr(_graded(lower.mT, logs).mT)
            u, logs, c = _scaled(u @ q, logs, _graded(r, logs))
        found.append(_read(logs, c))
    values: Array = torch.stack(found, 1).numpy() / math.log(10)
    return values


def _graded(upper: Tensor, logs: Tensor) -> Tensor:
    """diag(exp(-l)) R diag(exp(l)) for an upper triangular R and l descending: no entry grows."""
    shift = (logs.unsqueeze(1) - logs.unsqueeze(2)).nan_to_num(nan=0.0)  # l_j - l_i; two rows of zeros: -inf - -inf
    return upper.triu() * shift.clamp(max=0.0).exp()


def _scaled(u: Tensor, logs: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same product with the rows of C at norm 1, their norms in l, and l descending."""
    norms = c.norm(dim=2)
    c = c / norms.clamp(min=1e-300).unsqueeze(2)
    logs, order = (logs + norms.log()).sort(1, descending=True)
    return u.gather(2, order.unsqueeze(1).expand_as(u)), logs, c.gather(1, order.unsqueeze(2).expand_as(c))


def _read(logs: Tensor, c: Tensor) -> Tensor:
    """The logarithms of the singular values of diag(exp(l)) C."""
    top = logs[:, :1].nan_to_num(neginf=0.0)
    sigma = torch.linalg.svdvals((logs - top).exp().unsqueeze(2) * c)
    return torch.where(sigma > 1e-8 * sigma[:, :1], sigma.log() + top, logs)


def lyapunov_exponents(j: Tensor | Array, skip: int = 0) -> Array:
    """Lyapunov exponents [n] in nats per step, descending, from J [B, T, n, n]: the mean of log |diag R<t>| with
    Q<t> R<t> = J<t> Q<t-1>, over rows and over the steps after the first `skip` (Vogt et al. 2022)."""
    units = torch.eye(j.shape[-1], dtype=torch.float64).expand(len(j), -1, -1)
    return _follow(_of_matrices(j), units, skip)[0]


def _follow(maps: Sequence[Linear], q: Tensor, skip: int) -> tuple[Array, Tensor]:
    """The exponents of directions Q [B, n, p], and where they end."""
    logs = []
    for step in maps:
        q, r = torch.linalg.qr(step.forward(q))
        logs.append(r.diagonal(dim1=1, dim2=2).abs().log())
    mean = torch.stack(logs[skip:]).mean((0, 1))
    return array(mean.sort(descending=True)[0]), q
