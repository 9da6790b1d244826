"""The truth: a graph evaluated with torch operators, one step at a time, on columns.

Vectors are [n, B], vector parameters [n, 1], so `W @ x + b` means what it says.
Every fast path is compared with this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function

from rondo.expr.graph import Graph
from rondo.expr.nodes import NORM_EPS, Block, Expr, topological

Value = Tensor | float


def _like(template: Value, *values: Value) -> list[Tensor]:
    """The values as tensors of the template's type and device."""
    assert isinstance(template, Tensor)
    return [v if isinstance(v, Tensor) else template.new_tensor(v) for v in values]


def _both(f: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Value, Value], Tensor]:
    return lambda a, b: f(*_like(a if isinstance(a, Tensor) else b, a, b))


def _rstd(v: Tensor) -> Tensor:
    centred = v - v.mean(0, keepdim=True)
    return ((centred * centred).mean(0, keepdim=True) + NORM_EPS).rsqrt()


class _ClipGradient(Function):
    """v; the gradient that arrives is limited to [-limit, limit] on its way back."""

    @staticmethod
    def forward(v: Tensor, limit: float) -> Tensor:
        return v.view_as(v)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, float], output: Tensor) -> None:
        ctx.limit = inputs[1]

    @staticmethod
    def backward(ctx: Any, d: Tensor) -> tuple[Tensor, None]:
        return d.clamp(-ctx.limit, ctx.limit), None


TORCH: dict[str, Callable[..., Value]] = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": lambda a, b: a / b,
    "neg": lambda a: -a,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "exp": torch.exp,
    "log": torch.log,
    "softplus": lambda v: torch.logaddexp(v, torch.zeros_like(v)),
    "sqrt": torch.sqrt,
    "abs": torch.abs,
    "minimum": _both(torch.minimum),
    "maximum": _both(torch.maximum),
    "clip_gradient": _ClipGradient.apply,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "norm": lambda v: (v - v.mean(0, keepdim=True)) * _rstd(v),
    "rstd": _rstd,
    "mean": lambda v: v.mean(0, keepdim=True),
}


def evaluate(roots: Iterable[Expr], values: dict[Expr, Value], matrices: Callable[[Block], Tensor]) -> list[Value]:
    """The values of `roots`; `values` holds the leaves (and keeps every node computed), `matrices` the blocks."""
    roots = list(roots)
    for node in topological(roots):
        if node in values:
            continue
        if node.op == "const":
            values[node] = node.attr  # type: ignore[assignment]
        elif node.op == "matmul":
            values[node] = matrices(node.attr) @ values[node.args[0]]  # type: ignore[arg-type]
        elif node.op == "matmul_t":
            values[node] = matrices(node.attr).T @ values[node.args[0]]  # type: ignore[arg-type]
        elif node.op == "where":  # numbers take the type of a branch, else of what was compared
            condition, *branches = (values[a] for a in node.args)
            known = [*branches, *(values.get(a) for a in node.args[0].args)]
            template = next(v for v in known if isinstance(v, Tensor))
            a, b = _like(template, *branches)
            values[node] = torch.where(condition, a, b)  # type: ignore[arg-type]
        else:
            values[node] = TORCH[node.op](*(values[a] for a in node.args))
    return [values[r] for r in roots]


def block_reader(graph: Graph, params: dict[str, Tensor], sizes: dict[str, int]) -> Callable[[Block], Tensor]:
    """A function from a column block to its slice of the parameter."""

    def read(block: Block) -> Tensor:
        if block.count == 1:
            return params[block.name]
        widths = [sizes[c] for c in graph.params[block.name].cols]
        start = sum(widths[: block.index])
        return params[block.name][:, start : start + widths[block.index]]

    return read


def sizes_of(graph: Graph, params: dict[str, Tensor], x: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, int]:
    """The value of each named size, read from the tensors (rows of parameters, then what is left of the columns)."""
    sizes = {graph.inputs[k]: v.shape[-1] for k, v in x.items()}
    sizes |= {graph.states[k]: v.shape[-1] for k, v in state.items()}
    sizes |= {p.rows: params[p.name].shape[0] for p in graph.params.values()}
    for p in graph.params.values():
        unknown = [c for c in p.cols if c not in sizes]
        if len(set(unknown)) == 1:
            known = sum(sizes[c] for c in p.cols if c in sizes)
            sizes[unknown[0]] = (params[p.name].shape[1] - known) // len(unknown)
    return sizes


def scan(
    graph: Graph,
    params: dict[str, Tensor],
    x: dict[str, Tensor],
    state: dict[str, Tensor],
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    initial: dict[str, Tensor] | None = None,
    masks: dict[str, Tensor] | None = None,
    watch: Callable[[int, dict[Expr, Value]], None] | None = None,
) -> tuple[Tensor, dict[str, Tensor]]:
    """A cell over time in a plain loop.

    x: each input [B, T, n]; state: each [B, n]; lengths [B]; resets [B, T] bool, with `initial` the state that a
    reset puts in (each [n] or [B, n], zero by default); masks: each [B, T, n] or [B, n] bool.
    Returns the outputs [B, T, m], zero past the lengths, and the final state (at the length).
    `watch(t, values)` sees every value of step t, as columns.
    """
    steps = next(iter(x.values())).shape[1]
    columns = {k: v.unsqueeze(1) if v.dim() == 1 else v for k, v in params.items()}
    sizes = sizes_of(graph, columns, x, state)
    read = block_reader(graph, columns, sizes)
    rows = next(iter(state.values())).shape[0]
    s = {k: v.T for k, v in state.items()}
    start = {k: (initial[k] if initial else torch.zeros_like(v)) for k, v in state.items()}
    start = {k: v.unsqueeze(1) if v.dim() == 1 else v.T for k, v in start.items()}
    leaves = [n for n in topological([*graph.roots, *(n.expr for n in graph.names)]) if not n.args]
    outputs = []
    for t in range(steps):
        alive = None if lengths is None else t < lengths
        if resets is not None:
            again = resets[:, t] if alive is None else resets[:, t] & alive
            s = {k: torch.where(again, start[k], v) for k, v in s.items()}
        values: dict[Expr, Value] = {}
        for leaf in leaves:
            name = str(leaf.attr)
            if leaf.op == "state":
                values[leaf] = s[name]
            elif leaf.op == "input":
                now = x[name][:, t].T
                values[leaf] = now if alive is None else torch.where(alive, now, 0.0)  # padding may hold anything
            elif leaf.op == "vector":
                values[leaf] = columns[name]
            elif leaf.op == "mask":
                m = (masks or {})[name]
                values[leaf] = (m[:, t] if m.dim() == 3 else m).T
        roots = [*graph.roots, *(n.expr for n in graph.names)] if watch else graph.roots
        *new, y = (v.expand(-1, rows) for v in evaluate(roots, values, read)[: len(graph.roots)])  # type: ignore[union-attr]
        if watch:
            watch(t, values)
        if alive is not None:
            new = [torch.where(alive, n, o) for n, o in zip(new, s.values(), strict=True)]
            y = torch.where(alive, y, torch.zeros_like(y))
        s = dict(zip(s, new, strict=True))
        outputs.append(y)
    if not outputs:
        y_all = next(iter(state.values())).new_zeros(rows, 0, sizes[graph.output_size])
    else:
        y_all = torch.stack(outputs, 0).permute(2, 0, 1)
    return y_all, {k: v.T for k, v in s.items()}
