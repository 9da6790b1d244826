"""Access to the inside of a network while any model calls it: another scan of its layers, another input.

A diagnosis takes the network and a `call`: a function without arguments that runs the model which holds it once over
whole sequences. For a bare network that is `lambda: rnn(x)`.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, nn

from rondo.diagnose import DiagnoseError
from rondo.expr.graph import Graph, Named, solve
from rondo.expr.nodes import Expr, intern, topological
from rondo.inputs import is_index
from rondo.kernels import dispatch
from rondo.rnn import RNN, Run

Array = NDArray[np.float64]
Call = Callable[[], Any]
Module = TypeVar("Module", bound=nn.Module)


def precise(model: Module) -> Module:
    """A copy in float64 and in evaluation, without gradients of parameters: norms over hundreds of steps leave
    float32's range."""
    return copy.deepcopy(model).double().eval().requires_grad_(False)


def array(v: Tensor) -> Array:
    """A tensor as float64 numpy."""
    found: Array = v.detach().double().cpu().numpy()
    return found


@contextlib.contextmanager
def scanning(rnn: RNN, run: Run) -> Iterator[None]:
    """Meanwhile `rnn` runs its layers by `run(name, **arguments)`, whoever calls it. Raises DiagnoseError where it is
    called again: pieces of a sequence would hide what lies between them; and where training changes its equations."""
    if rnn.training and any(p.graphs[True] is not p.graphs[False] for p in rnn.parts.values()):
        raise DiagnoseError("the network has random sites or limits and is in training: call eval() first")
    seen: set[str] = set()

    def once(unit: str, **arguments: Any) -> tuple[Tensor, dict[str, Tensor]]:
        if unit in seen:
            raise DiagnoseError("the network is called twice: pass a call that runs it once, over whole sequences")
        seen.add(unit)
        return run(unit, **arguments)

    vars(rnn)["_scan"] = once  # of this object alone, in front of its class's own
    try:
        yield
    finally:
        del vars(rnn)["_scan"]
    if not seen:
        raise DiagnoseError("the call does not run the network that was given")


@contextlib.contextmanager
def reading(rnn: RNN) -> Iterator[list[Tensor]]:
    """Meanwhile every input of `rnn` is read as vectors [B, T, n] whose gradient can be asked for (a symbol as its
    one-hot vector), and noted."""
    vectors: list[Tensor] = []

    def as_vectors(_: nn.Module, args: tuple[Any, ...], kw: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        x = args[0] if args else kw["x"]
        v = nn.functional.one_hot(x, rnn.input).to(next(rnn.parameters())) if is_index(x) else x.detach().clone()
        vectors.append(v.requires_grad_())
        return (v, *args[1:]), {k: a for k, a in kw.items() if k != "x"}

    handle = rnn.register_forward_pre_hook(as_vectors, with_kwargs=True)
    try:
        yield vectors
    finally:
        handle.remove()


def perturbed(graph: Graph) -> tuple[Graph, dict[str, str]]:
    """The graph with a vector added to each new state, and the name of that input for each state.

    At zero nothing changes, and the input's gradient is dL/ds<t> in full: through the steps that follow, through the
    output, and through whatever else of this step reads the new state (c<t> by way of h<t> = o * tanh(c<t>)).
    """
    added = {s: intern("input", (), f"+{s}") for s in graph.states}  # a name that no equation can have
    owner = {node: s for s, node in reversed(graph.updates.items()) if node.args}  # a leaf is read as the old value
    bare: dict[Expr, Expr] = {}
    new: dict[Expr, Expr] = {}
    for node in topological([*graph.roots, *(n.expr for n in graph.names)]):
        bare[node] = intern(node.op, tuple(new[a] for a in node.args), node.attr)
        new[node] = bare[node] + added[owner[node]] if node in owner else bare[node]
    updates = {s: bare[v] + added[s] for s, v in graph.updates.items()}
    names = tuple(Named(n.name, new[n.expr], n.line) for n in graph.names)
    inputs = {**graph.inputs, **{str(e.attr): graph.states[s] for s, e in added.items()}}
    shapes = {p.name: (p.rows, *p.cols) for p in graph.params.values()}
    solved = solve(graph.name, inputs, graph.states, names, updates, new[graph.output], shapes, masks=graph.masks)
    return replace(solved, square=graph.square), {s: str(e.attr) for s, e in added.items()}


def probing(seen: dict[str, Tensor]) -> Run:
    """A scan by the reference loop that notes, for every state, a zero [B, T, n] added to it: {"l0.h": ...}."""

    def run(unit: str, **arguments: Any) -> tuple[Tensor, dict[str, Tensor]]:
        graph, added = perturbed(arguments["graph"])
        x: dict[str, Tensor] = arguments["x"]
        like = next(iter(x.values()))
        zeros = {s: like.new_zeros(*like.shape[:2], v.shape[1]) for s, v in arguments["state"].items()}
        seen.update((f"{unit}.{s}", v.requires_grad_()) for s, v in zeros.items())
        x = {**x, **{added[s]: v for s, v in zeros.items()}}
        return dispatch.scan(**{**arguments, "graph": graph, "x": x}, backend="reference")

    return run
