"""Compiled kernels of plans for this CPU: generated regions built by the compiler, beside the fixed runtime.

A Kernel is a plan compiled for one dtype; a Layout (layout.py) fixes its sizes; a Template (program.py) fixes the
shape of a call and is filled with addresses at each call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence

import torch

from rondo.expr.graph import Graph
from rondo.expr.plan import Plan, plan
from rondo.expr.stages import POST, Key, Stage
from rondo.kernels import build
from rondo.kernels.layout import Layout
from rondo.render.cpp import cpp, function_name, home_key, view_keys

REAL = {torch.float32: "float", torch.float64: "double"}
PREAMBLE = '#include "vec.h"\n'


class Kernel:
    """A plan compiled for one dtype: its functions, and the views (places in memory) that each direction uses."""

    def __init__(self, p: Plan, real: str, lib: ctypes.CDLL, prefix: str) -> None:
        self.plan, self.real, self.lib, self.prefix = p, real, lib, prefix
        self.runtime = build.runtime(real)
        self.dtype = torch.float32 if real == "float" else torch.float64
        self.size = 4 if real == "float" else 8
        self.lanes = int(self.runtime.rondo_lanes())
        self.panel = int(self.runtime.rondo_panel())
        self.keys = (view_keys(p, False), view_keys(p, True))
        self.index = tuple({k: i for i, k in enumerate(keys)} for keys in self.keys)
        self.inputs_apart = _inputs_apart(p)
        self.layouts: dict[tuple[int, ...], Layout] = {}

    def function(self, backward: bool, stage: Stage, reducing: bool) -> int:
        """The address of a stage's region or row statistics; 0 where it has none."""
        if (stage.reduce if reducing else stage.region) is None:
            return 0
        name = function_name(self.prefix + ("b" if backward else "f"), stage, reducing)
        return ctypes.cast(getattr(self.lib, name), ctypes.c_void_p).value or 0

    def layout(self, sizes: dict[str, int]) -> Layout:
        key = tuple(sizes[z] for z in self.plan.graph.size_names)
        found = self.layouts.get(key)
        if found is None:
            found = self.layouts[key] = Layout(self, dict(sizes))
        return found


def _inputs_apart(p: Plan) -> bool:
    """Whether the inputs' gradients, and they alone, come from backward's whole-sequence stages: then these may be
    left out."""
    late = p.backward.phase(POST)
    early = [s for s in p.backward.stages if s.phase != POST]
    written = {k for s in late for k in _written(s)}
    lefts = {home_key(p, o.left) for o in p.outers}
    sums = any(s.region.sums for s in late if s.region)
    return not sums and not lefts & written and not any(k[0] == "dx" for s in early for k in _written(s))


def _written(stage: Stage) -> list[Key]:
    stores = [k for _, k, _ in stage.region.stores] if stage.region else []
    return [*(k for g in stage.groups for k in g.out), *stores]


Identity = tuple[object, ...]
_kernels: dict[tuple[Identity, str], Kernel] = {}


def _identity(graph: Graph) -> Identity:
    """What a kernel depends on; nodes are shared between equal equations, so equal cells share a kernel."""
    named = (graph.inputs, graph.states, graph.masks, {p.name: (p.rows, p.cols) for p in graph.params.values()})
    return (graph.roots, *(tuple(d.items()) for d in named))


def kernel(graph: Graph, dtype: torch.dtype) -> Kernel:
    """The compiled kernel of a graph, built at first use. Raises build.NoCompilerError."""
    found = graph.__dict__.setdefault("_kernels", {})  # looked up at every call: kept on the graph
    if dtype not in found:
        key = (_identity(graph), REAL[dtype])
        if key not in _kernels:
            compile_together([graph], REAL[dtype])
        found[dtype] = _kernels[key]
    return found[dtype]  # type: ignore[no-any-return]


def is_cached(graph: Graph, dtype: torch.dtype) -> bool:
    """Whether a graph's kernel has been compiled before, here or by another process. Raises build.NoCompilerError."""
    real = REAL[dtype]
    return (_identity(graph), real) in _kernels or build.object_file(_source([plan(graph)]), real=real).exists()


def _source(plans: Sequence[Plan]) -> str:
    return PREAMBLE + "\n".join(cpp(p, f"k{i}") for i, p in enumerate(plans))


def compile_together(graphs: Sequence[Graph], real: str, optimise: str = "-O2") -> None:
    """Builds several graphs' kernels in one compilation; `kernel` finds them from then on."""
    new = list({_identity(g): g for g in graphs if (_identity(g), real) not in _kernels}.values())
    if not new:
        return
    plans = [plan(g) for g in new]
    lib = build.load_shared(_source(plans), optimise, real)
    for i, (g, p) in enumerate(zip(new, plans, strict=True)):
        _kernels[_identity(g), real] = Kernel(p, real, lib, f"k{i}")
