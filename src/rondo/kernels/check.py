"""Checks of a scan: the derived backpropagation through time run as it stands, random cases, and the error measure.

Whatever is compared travels as one flat dict: "output", "state h", and gradients "dL/dW", "dL/dx", "dL/dh<0>" (the
state given) and "dL/dh<reset>" (the state that a reset puts in).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from rondo.expr.adjoint import OUTPUT, Adjoint, arriving, differentiate
from rondo.expr.graph import Graph
from rondo.expr.nodes import COMPARE, Block, Expr, intern, topological
from rondo.kernels import reference
from rondo.kernels.reference import Value

Tensors = dict[str, Tensor]
Scan = Callable[..., tuple[Tensor, Tensors]]

KINKED = {"relu", "abs", "minimum", "maximum", *COMPARE}
MARGIN = 5e-6  # float32 computes the operands of a kink to about this, so a case closer to one says nothing
REDRAWS = 20


@dataclass(frozen=True)
class Case:
    """What goes into one run of a scan and its backward: shapes are those of `reference.scan`; dL/dy is `grad_y`."""

    params: Tensors
    x: Tensors
    state: Tensors
    grad_y: Tensor
    grad_state: Tensors
    lengths: Tensor | None = None
    resets: Tensor | None = None
    initial: Tensors | None = None
    masks: Tensors | None = None

    def to(self, dtype: torch.dtype | None = None, device: torch.device | str | None = None) -> Case:
        """The case in another precision or place; lengths, resets and masks keep their type."""

        def move(v: object) -> object:
            if isinstance(v, dict):
                return {k: move(e) for k, e in v.items()}
            if isinstance(v, Tensor):
                return v.to(device=device, dtype=dtype if v.is_floating_point() else None)
            return v

        return replace(self, **{f.name: move(getattr(self, f.name)) for f in fields(self)})  # type: ignore[arg-type]


def case(
    graph: Graph,
    T: int,
    B: int,
    sizes: dict[str, int],
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    lengths: Tensor | bool = False,
    resets: Tensor | bool = False,
) -> Case:
    """A random case: T steps, B rows, and a value for each named size (half of hidden for one not given).

    `lengths` and `resets` are tensors, or True for random ones with at least one length 0. Where the equations have
    kinks (relu, abs, minimum, maximum, comparisons), the draw that stays farthest from them is taken.
    """
    drawn: list[tuple[float, Case]] = []
    for attempt in range(REDRAWS):
        one = _draw(graph, T, B, sizes, torch.Generator().manual_seed(REDRAWS * seed + attempt), lengths, resets)
        one = one.to(dtype)
        drawn.append((distance_to_kinks(graph, one.to(torch.float64)), one))
        if drawn[-1][0] > MARGIN:
            break
    return max(drawn, key=lambda pair: pair[0])[1]


def _draw(
    graph: Graph,
    T: int,
    B: int,
    sizes: dict[str, int],
    random: torch.Generator,
    lengths: Tensor | bool,
    resets: Tensor | bool,
) -> Case:
    sizes = {name: sizes.get(name, max(1, sizes["hidden"] // 2)) for name in graph.size_names}

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=random, dtype=torch.float64)

    def param(name: str, shape: tuple[int, ...]) -> Tensor:
        """Matrices within +-1/sqrt(columns): one unit stays off the flat ends of tanh, where 1 - h*h loses digits."""
        uniform = torch.rand(shape, generator=random, dtype=torch.float64) * 2 - 1
        return uniform / math.sqrt(max(shape[1], 1)) if len(shape) == 2 else uniform * 0.9 + name.startswith("g")

    def state() -> Tensors:
        """A state that the cell can be in: the one after three steps."""
        zero = {s: torch.zeros(B, sizes[n], dtype=torch.float64) for s, n in graph.states.items()}
        x = {i: normal(B, 3, sizes[n]) for i, n in graph.inputs.items()}
        masks = {m: torch.ones(B, sizes[n], dtype=torch.bool) for m, n in graph.masks.items()}
        return reference.scan(graph, params, x, zero, masks=masks)[1]

    params = {p.name: param(p.name, p.shape(sizes)) for p in graph.params.values()}
    if lengths is True:
        lengths = torch.randint(0, T + 1, (B,), generator=random)
        lengths[B // 2] = 0
    if resets is True:
        resets = torch.rand(B, T, generator=random) < 0.3
    return Case(
        params=params,
        x={i: normal(B, T, sizes[n]) for i, n in graph.inputs.items()},
        state=state(),
        grad_y=normal(B, T, sizes[graph.output_size]),
        grad_state={s: normal(B, sizes[n]) for s, n in graph.states.items()},
        lengths=None if lengths is False else lengths,
        resets=None if resets is False else resets,
        initial=None if resets is False else state(),
        masks={m: torch.rand(B, T, sizes[n], generator=random) < 0.7 for m, n in graph.masks.items()},
    )


def distance_to_kinks(graph: Graph, case: Case) -> float:
    """The smallest distance of an operand from its kink in the whole run; exact ties, which every path sees, aside."""
    kinks = [n for n in topological(graph.roots) if n.op in KINKED]
    near = [math.inf]

    def watch(t: int, values: dict[Expr, Value]) -> None:
        for node in kinks:
            a, b = (values[a] for a in node.args) if len(node.args) == 2 else (values[node.args[0]], 0.0)
            gap = torch.as_tensor(a - b).abs()
            gap = gap[gap > 0]
            near.append(gap.min().item() if gap.numel() else math.inf)

    if kinks:
        with torch.no_grad():
            run(graph, case, reference.scan, watch=watch)
    return min(near)


def run(graph: Graph, case: Case, scan: Scan, **more: object) -> tuple[Tensor, Tensors]:
    """`scan` on a case."""
    return scan(
        graph,
        case.params,
        case.x,
        case.state,
        lengths=case.lengths,
        resets=case.resets,
        initial=case.initial,
        masks=case.masks,
        **more,
    )


def gradients_by_autograd(graph: Graph, case: Case, scan: Scan) -> Tensors:
    """Outputs, final state and every gradient of a scan with the signature of `dispatch.scan`, by torch.autograd."""

    def leaves(tensors: Tensors) -> Tensors:
        return {k: v.detach().clone().requires_grad_() for k, v in tensors.items()}

    params, x, state = leaves(case.params), leaves(case.x), leaves(case.state)
    initial = None if case.initial is None else leaves(case.initial)
    y, final = run(graph, replace(case, params=params, x=x, state=state, initial=initial), scan)
    pairs = [(y, case.grad_y), *((final[s], case.grad_state[s]) for s in graph.states)]
    outputs, upstream = zip(*(p for p in pairs if p[0].requires_grad), strict=True)
    named = _gradients(params, x, state, initial)
    found = torch.autograd.grad(outputs, list(named.values()), upstream, allow_unused=True, materialize_grads=True)
    return {**_results(y, final), **dict(zip(named, found, strict=True))}


def _results(y: Tensor, final: Tensors) -> Tensors:
    return {"output": y.detach(), **{f"state {s}": v.detach() for s, v in final.items()}}


def _gradients(params: Tensors, x: Tensors, state: Tensors, initial: Tensors | None) -> Tensors:
    return {
        **{f"dL/d{k}": v for k, v in {**params, **x}.items()},
        **{f"dL/d{k}<0>": v for k, v in state.items()},
        **{f"dL/d{k}<reset>": v for k, v in (initial or {}).items()},
    }


def bptt(
    graph: Graph,
    params: Tensors,
    x: Tensors,
    state: Tensors,
    grad_y: Tensor,
    grad_state: Tensors,
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    initial: Tensors | None = None,
    masks: Tensors | None = None,
) -> Tensors:
    """Outputs, final state and every gradient by the symbolic adjoint, run backwards over time on stored values.

    Shapes are those of `reference.scan`; grad_y [B, T, m] and grad_state (each [B, n]) are dL/dy and dL/d(final state).
    Past its length a row hands its gradient on unchanged; at a reset it goes to `initial` and crosses no further.
    """
    stored: list[dict[Expr, Value]] = []
    with torch.no_grad():
        y, final = reference.scan(
            graph, params, x, state, lengths, resets, initial, masks, watch=lambda t, values: stored.append(values)
        )
        sums = _Sums(differentiate(graph), params, reference.sizes_of(graph, params, x, state))
        d_x = {k: torch.zeros_like(v) for k, v in x.items()}
        d_state = {k: v.T for k, v in grad_state.items()}
        d_start = {k: torch.zeros_like(v) for k, v in d_state.items()}
        for t in reversed(range(len(stored))):
            alive = torch.ones(grad_y.shape[0], dtype=torch.bool, device=grad_y.device)
            alive = alive if lengths is None else t < lengths
            d_input, d_before = sums.step(stored[t], grad_y[:, t].T, d_state, alive)
            for k, d in d_input.items():
                d_x[k][:, t] = d.T
            d_state = {k: torch.where(alive, d, d_state[k]) for k, d in d_before.items()}
            if resets is not None:
                again = resets[:, t] & alive
                d_start = {k: torch.where(again, v + d_state[k], v) for k, v in d_start.items()}
                d_state = {k: torch.where(again, 0.0, v) for k, v in d_state.items()}
    reset_to = None
    if initial is not None:
        reset_to = {k: d_start[k].sum(1) if v.dim() == 1 else d_start[k].T for k, v in initial.items()}
    return {**_results(y, final), **_gradients(sums.total, d_x, {k: v.T for k, v in d_state.items()}, reset_to)}


class _Sums:
    """Gradients of the parameters, summed over time and batch while the adjoint equations go from step to step."""

    def __init__(self, adjoint: Adjoint, params: Tensors, sizes: dict[str, int]) -> None:
        self.adjoint, self.sizes, self.graph = adjoint, sizes, adjoint.graph
        columns = {k: v.unsqueeze(1) if v.dim() == 1 else v for k, v in params.items()}
        self.total = {k: torch.zeros_like(v) for k, v in params.items()}
        self.read = reference.block_reader(self.graph, columns, sizes)
        self.part = reference.block_reader(self.graph, self.total, sizes)

    def step(self, stored: dict[Expr, Value], d_y: Tensor, d_state: Tensors, alive: Tensor) -> tuple[Tensors, Tensors]:
        """One step back: the gradients of its inputs and of the state entering, as columns."""
        values = dict(stored)
        for name, d in {OUTPUT: d_y, **d_state}.items():
            leaf = intern("adjoint", (), OUTPUT) if name == OUTPUT else arriving(name)
            values[leaf] = torch.where(alive, d, 0.0)
        reference.evaluate(self.adjoint.roots, values, self.read)

        def take(node: Expr, size: str) -> Tensor:
            """The value in full, as [size, B]; rows that are over count for nothing, whatever they hold."""
            value = torch.as_tensor(values[node], dtype=d_y.dtype, device=d_y.device)
            return torch.where(alive, value.expand(self.sizes[size], len(alive)), 0.0)

        for name, node in self.adjoint.vectors.items():
            self.total[name] += take(node, self.graph.params[name].rows).sum(1)
        for block, terms in self.adjoint.matrices.items():
            self._add(block, terms, take)
        inputs = {k: take(node, self.graph.inputs[k]) for k, node in self.adjoint.inputs.items()}
        return inputs, {k: take(node, self.graph.states[k]) for k, node in self.adjoint.states.items()}

    def _add(self, block: Block, terms: Iterable[tuple[Expr, Expr]], take: Callable[[Expr, str], Tensor]) -> None:
        param = self.graph.params[block.name]
        for d, operand in terms:
            self.part(block).add_(take(d, param.rows) @ take(operand, param.cols[block.index]).T)


def finite_differences(graph: Graph, case: Case, step: float = 1e-5, scan: Scan = reference.scan) -> Tensors:
    """Every gradient by central differences, one number at a time: (L(v + step) - L(v - step)) / (2 step).

    L is the sum of grad_y * output and grad_state * state, so the names and shapes are those of `bptt`. Two runs of
    `scan` for every number: meant for small cases in float64, where the error is about step^2 + 1e-16 |L| / step.
    """

    def loss() -> float:
        y, final = run(graph, case, scan)
        terms = [(y * case.grad_y).sum(), *((final[s] * case.grad_state[s]).sum() for s in graph.states)]
        return float(torch.stack(terms).sum())

    case = case.to(torch.float64)
    initial = None if case.initial is None else _copied(case.initial)
    case = replace(case, params=_copied(case.params), x=_copied(case.x), state=_copied(case.state), initial=initial)
    with torch.no_grad():
        named = _gradients(case.params, case.x, case.state, case.initial)
        return {name: _differences(v, loss, step) for name, v in named.items()}


def _copied(tensors: Tensors) -> Tensors:
    return {name: v.clone().contiguous() for name, v in tensors.items()}


def _differences(v: Tensor, loss: Callable[[], float], step: float) -> Tensor:
    """(L(v + step) - L(v - step)) / (2 step) at every number of v, which is as it was afterwards."""
    numbers, found = v.view(-1), torch.zeros_like(v)
    for i, value in enumerate(numbers.tolist()):
        numbers[i] = value + step
        above = loss()
        numbers[i] = value - step
        found.view(-1)[i] = (above - loss()) / (2 * step)
        numbers[i] = value
    return found


def agreement(got: Tensors, want: Tensors) -> float:
    """The worst of `errors`; 0 where nothing is compared."""
    return max(errors(got, want).values(), default=0.0)


def errors(got: Tensors, want: Tensors) -> dict[str, float]:
    """max|a - ref| / max(max|ref|, 1e-3 * the largest gradient of the case) by name, in float64; inf for a nan.

    The second term keeps a gradient that is zero but for rounding from being measured against itself.
    Raises ValueError where names or shapes differ.
    """
    if got.keys() != want.keys():
        raise ValueError(f"only one side has {sorted(got.keys() ^ want.keys())}; compare the same quantities")
    largest = max((_size(v) for k, v in want.items() if k.startswith("dL/d")), default=0.0)
    return {k: _error(k, got[k], ref, 1e-3 * largest) for k, ref in want.items()}


def _size(v: Tensor) -> float:
    return v.abs().max().item() if v.numel() else 0.0


def _error(name: str, got: Tensor, ref: Tensor, floor: float) -> float:
    if got.shape != ref.shape:
        raise ValueError(f"{name} has shape {tuple(got.shape)}, expected {tuple(ref.shape)}")
    worst = _size(got.double() - ref.double())
    if worst == 0:
        return 0.0
    scale = max(_size(ref), floor)
    error = worst / scale if scale > 0 else math.inf
    return error if math.isfinite(error) else math.inf
