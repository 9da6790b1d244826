"""Truncated backpropagation through time, and its bias measured against the whole gradient.

Every `every` (k1) steps the losses of these steps are sent back through the last `reach` (k2) steps and no further; the
state is carried forward for ever (Williams & Peng 1990, doi:10.1162/neco.1990.2.4.490: BPTT(h; h'), h = k2, h' = k1).

    g(k1, k2) = Σ_j Σ_{t in window j} Σ_{s > end_j - k2} (∂L<t>/∂θ at step s),    g = g(T, T)

With k1 = 1 every loss reaches back exactly k2 steps; with k1 = k2 the windows are the chunks of ordinary training. The
estimate is biased (Tallec & Ollivier 2017, arXiv:1705.08209, sec. 1): it differs from g by what lies beyond its reach,
however much text there is. Cosine and relative error are measured for each parameter and for all together:

    cos = <g(k1, k2), g> / (‖g(k1, k2)‖ ‖g‖),    relative error = ‖g(k1, k2) - g‖ / ‖g‖
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rondo.diagnose import DiagnoseError
from rondo.diagnose.inside import Array, array
from rondo.diagnose.unrolled import Unit, Values
from rondo.expr.adjoint import OUTPUT, arriving, differentiate
from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, Expr, intern, topological
from rondo.kernels import reference
from rondo.models.generator import Generator
from rondo.rnn import as_cell
from rondo.states import States

LONGEST = 96  # symbols of a text
ALL = "all"  # the name of all parameters together


@dataclass(frozen=True)
class Window:
    """One truncated pass: steps first ... last - 1 are run and kept, the losses of steps counted ... last - 1 are sent
    back."""

    first: int
    counted: int
    last: int


def windows(steps: int, reach: int, every: int) -> list[Window]:
    """The windows of BPTT(reach; every) over a sequence. Every loss is counted once. Raises DiagnoseError where a loss
    would have no window: every > reach."""
    if not 1 <= every <= reach or not 1 <= reach <= steps:
        raise DiagnoseError(f"1 ≤ every ≤ reach ≤ {steps} is needed, found every {every}, reach {reach}")
    begins = range(0, steps, every)
    return [Window(max(0, b + every - reach), b, min(b + every, steps)) for b in begins]


@dataclass(frozen=True)
class Cost:
    """What a truncation costs: steps that are run backward in all, and the most that one pass backward must keep."""

    steps: int
    kept: int


def cost(steps: int, reach: int, every: int) -> Cost:
    """The cost of BPTT(reach; every) over a sequence of so many steps."""
    sizes = [w.last - w.first for w in windows(steps, reach, every)]
    return Cost(sum(sizes), max(sizes))


def numbers_kept(graph: Graph, sizes: Mapping[str, int]) -> int:
    """How many numbers of one step its backward pass reads: values of the forward pass in the derived adjoint, states
    and inputs too. sizes: of each named size, as hidden."""
    adjoint, values = differentiate(graph), set(topological(graph.roots))
    operands = [v for pairs in adjoint.matrices.values() for _, v in pairs]
    derived = [n for n in topological(adjoint.roots) if n not in values]
    read = {a for n in derived for a in n.args if a in values} | set(operands)
    return sum(sizes[graph.sizes[n]] for n in read if n.op not in ("const", "vector"))


# --- gradients -------------------------------------------------------------------------------------


Gradient = dict[str, Tensor]


def states(model: Generator, x: Tensor) -> dict[str, Tensor]:
    """The state before each step of x [T], and after the last: {"l0.h": [T + 1, n]}, without gradient."""
    found = {name: [v[0]] for name, v in model.rnn.start(1).items()}
    state = None
    with torch.no_grad():
        for t in range(len(x)):
            _, state = model(x[None, t : t + 1], state)
            for name, v in state.items():
                found[name].append(v[0])
    return {name: torch.stack(v) for name, v in found.items()}


def truncated(
    model: Generator, x: Tensor, y: Tensor, reach: int, every: int = 1, before: Mapping[str, Tensor] | None = None
) -> Gradient:
    """The gradient of the summed cross-entropy of y [T] after x [T] by BPTT(reach; every), by parameter. Windows of one
    length are run side by side, each from the state that stands before it. before: `states`, if they are known."""
    before = states(model, x) if before is None else before
    total = {n: torch.zeros_like(p) for n, p in model.named_parameters()}
    for group in _alike(windows(len(x), reach, every)):
        first, width = torch.tensor([w.first for w in group]), group[0].last - group[0].first
        steps = first[:, None] + torch.arange(width)
        start = States((n, v[first]) for n, v in before.items())
        scores, _ = model(x[steps], start)
        nats = nn.functional.cross_entropy(scores.transpose(1, 2), y[steps], reduction="none")
        counted = steps >= torch.tensor([w.counted for w in group])[:, None]
        found = torch.autograd.grad((nats * counted).sum(), list(model.parameters()))
        for name, g in zip(total, found, strict=True):
            total[name] += g
    return total


def _alike(found: Sequence[Window]) -> Iterator[list[Window]]:
    """The windows in groups of one length."""
    by_size: dict[int, list[Window]] = {}
    for w in found:
        by_size.setdefault(w.last - w.first, []).append(w)
    yield from by_size.values()


def full(model: Generator, x: Tensor, y: Tensor) -> Gradient:
    """The gradient through the whole sequence, in one pass."""
    scores, _ = model(x.unsqueeze(0))
    loss = nn.functional.cross_entropy(scores[0], y, reduction="sum")
    return dict(zip(dict(model.named_parameters()), torch.autograd.grad(loss, list(model.parameters())), strict=True))


def by_lag(model: Generator, x: Tensor, y: Tensor) -> Gradient:
    """The whole gradient taken apart by lag d = t - s, how many steps lie between a loss and the step at which a
    parameter is used: {parameter: [T, ...]}. The first k lags sum to the gradient of BPTT(k; 1).

    One pass backward on the derived adjoint, with a column for each lag: at step s column d holds what the loss of step
    s + d hands back. Raises DiagnoseError for more than one layer.
    """
    if len(model.rnn.parts) != 1 or model.embedding is not None:
        raise DiagnoseError("lags are told apart in networks of one layer that read one-hot symbols")
    part, steps = model.rnn.part("l0"), len(x)
    unit = Unit(part.graph, differentiate(part.graph), {n: p.detach() for n, p in part.named_parameters()})
    name, state, values = next(iter(part.graph.inputs)), unit.start(1), []
    for v in nn.functional.one_hot(x, model.rnn.input).double():
        values.append(unit.step({name: v.unsqueeze(1)}, state))
        state = unit.state(values[-1])
    h = torch.cat([torch.as_tensor(v[part.graph.output]) for v in values], 1).T.requires_grad_()
    nats = nn.functional.cross_entropy(model.head.scores(h), y, reduction="sum")
    own, *heads = torch.autograd.grad(nats, [h, *model.head.parameters()])
    found = {f"head.{n}": _first(g, steps) for (n, _), g in zip(model.head.named_parameters(), heads, strict=True)}
    return {**{f"rnn.l0.{n}": g for n, g in _lags(unit, values, own).items()}, **found}


def _first(g: Tensor, steps: int) -> Tensor:
    """What is used at the step of the loss alone has lag 0."""
    return torch.cat([g.unsqueeze(0), g.new_zeros(steps - 1, *g.shape)])


def _lags(unit: Unit, values: Sequence[Values], own: Tensor) -> Gradient:
    """own [T, n]: the gradient of each step's loss by its output."""
    steps, adjoint = len(values), unit.adjoint
    total = {n: p.new_zeros(steps, *p.shape) for n, p in unit.params.items()}
    after = {s: v.expand(-1, steps).clone() for s, v in unit.start(1).items()}
    roots = [*adjoint.roots, *(v for pairs in adjoint.matrices.values() for _, v in pairs)]
    for s in range(steps - 1, -1, -1):
        output = torch.zeros(own.shape[1], steps, dtype=own.dtype)
        output[:, 0] = own[s]
        known: Values = {
            **values[s],
            intern("adjoint", (), OUTPUT): output,
            **{arriving(k): v for k, v in after.items()},
        }
        reference.evaluate(roots, known, unit.read)
        for name, g in _terms(unit, known, steps).items():
            total[name] += g
        for state, node in adjoint.states.items():
            left = _column(known, node, len(after[state]), steps)
            after[state] = torch.cat([torch.zeros_like(left[:, :1]), left[:, :-1]], 1)
    return {n: g.squeeze(2) if unit.graph.params[n].cols == () else g for n, g in total.items()}


def _terms(unit: Unit, known: Values, columns: int) -> Gradient:
    """One step's term of each parameter's gradient, a column each: [columns, n, m], of vectors [columns, n, 1]."""
    found = {}
    for p in unit.graph.params.values():
        rows = len(unit.params[p.name])
        if not p.is_matrix:
            found[p.name] = _column(known, unit.adjoint.vectors[p.name], rows, columns).T.unsqueeze(2)
            continue
        blocks = []
        for k, size in enumerate(p.cols):
            pairs = unit.adjoint.matrices.get(Block(p.name, k, len(p.cols)), ())
            width = unit.sizes[size]
            whole = torch.zeros(columns, rows, width, dtype=torch.float64)
            for d, v in pairs:
                left, right = _column(known, d, rows, columns), _column(known, v, width, columns)
                whole = whole + torch.einsum("nk,mk->knm", left, right)
            blocks.append(whole)
        found[p.name] = torch.cat(blocks, 2)
    return found


def _column(known: Values, node: Expr, size: int, columns: int) -> Tensor:
    return torch.as_tensor(known.get(node, node.attr), dtype=torch.float64).expand(size, columns)


# --- the bias --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bias:
    """Truncated gradients beside the whole one, at every reach from 1 to T.

    cosine, relative  {parameter: [T]}, "all" for all together; NaN where a gradient is zero
    norms             of the whole gradient of each parameter
    lags              [T] norm of the part of each lag (see `by_lag`) by that of the whole gradient
    costs             at each reach; whole: the cost of the whole gradient
    """

    cosine: dict[str, Array]
    relative: dict[str, Array]
    norms: dict[str, float]
    lags: Array
    costs: tuple[Cost, ...]
    whole: Cost


def bias(model: Generator, x: Tensor, y: Tensor, chunks: bool = False) -> Bias:
    """Measure the bias at every reach: with k1 = 1, or in chunks, k1 = k2."""
    steps, whole, parts = len(x), full(model, x, y), by_lag(model, x, y)
    if chunks:
        before = states(model, x)
        each = [truncated(model, x, y, k, k, before) for k in range(1, steps + 1)]
        found = {n: torch.stack([g[n] for g in each]) for n in whole}
    else:
        found = {n: g.cumsum(0) for n, g in parts.items()}
    lags = torch.cat([parts[n].flatten(1) for n in whole], 1).norm(dim=1)
    flat = {n: (found[n].flatten(1), g.flatten()) for n, g in whole.items()}
    flat[ALL] = torch.cat([a for a, _ in flat.values()], 1), torch.cat([g for _, g in flat.values()])
    return Bias(
        {n: array(torch.clamp(a @ g / (a.norm(dim=1) * g.norm()), -1.0, 1.0)) for n, (a, g) in flat.items()},
        {n: array((a - g).norm(dim=1) / g.norm()) for n, (a, g) in flat.items()},
        {n: float(g.norm()) for n, (_, g) in flat.items()},
        array(lags / flat[ALL][1].norm()),
        tuple(cost(steps, k, k if chunks else 1) for k in range(1, steps + 1)),
        Cost(steps, steps),
    )


# --- a small model of a text -----------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Trained:
    """A small language model of one text, its symbols, and the mean loss in nats after each update."""

    model: Generator
    alphabet: tuple[str, ...]
    x: Tensor
    y: Tensor
    losses: tuple[float, ...]


def _drawn(cell: str, symbols: int, hidden: int, seed: int) -> Generator:
    """Matrices with deviation 1/sqrt(hidden), biases zero or as the cell's own init says. Not torch's generator: other
    threads draw from it too."""
    model, draw = Generator(as_cell(cell), symbols, hidden).double(), torch.Generator().manual_seed(seed)
    own = model.cell.graph.init
    with torch.no_grad():
        for name, p in model.named_parameters():
            start = own.get(name.rpartition(".")[2], 0.0)
            p.fill_(start if isinstance(start, float) else 0.0)
            if p.dim() == 2:
                p.copy_(hidden**-0.5 * torch.randn(p.shape, dtype=torch.float64, generator=draw))
    return model


@functools.lru_cache(maxsize=16)
def trained(text: str, cell: str = "lstm", hidden: int = 16, updates: int = 0, seed: int = 1) -> Trained:
    """A character model in float64 after so many updates by Adam on the whole gradient of a text; everything depends
    on the seed alone. Raises DiagnoseError for a text of fewer than 3 or more than LONGEST characters."""
    if not 3 <= len(text) <= LONGEST:
        raise DiagnoseError(
            f"请写 3 到 {LONGEST} 个字符，这里有 {len(text)} 个 / write 3 to {LONGEST} characters, this has {len(text)}"
        )
    alphabet = tuple(dict.fromkeys(text))
    numbers = torch.tensor([alphabet.index(c) for c in text])
    x, y = numbers[:-1], numbers[1:]
    model = _drawn(cell, len(alphabet), hidden, seed)
    optimiser, losses = torch.optim.Adam(model.parameters(), lr=0.02), []
    for k in range(updates + 1):
        loss = nn.functional.cross_entropy(model(x.unsqueeze(0))[0][0], y)
        losses.append(float(loss.detach()))
        if k < updates:
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimiser.step()
    return Trained(model.eval(), alphabet, x, y, tuple(losses))
