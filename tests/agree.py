"""The fused kernel beside the float64 reference: what the tests of the kernel share.

A case is rounded to float32 first and the reference computed in float64 on the rounded numbers, so that both
precisions of the kernel are measured against the same truth.
"""

from __future__ import annotations

import functools
import itertools
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass

import pytest
import torch

from rondo.cells import shipped
from rondo.expr.graph import Graph
from rondo.expr.nodes import topological
from rondo.kernels import build, check, cpu, dispatch, program

from shown import shown

CELLS = sorted(shipped())
BOUND = {
    torch.float64: 1e-10,  # the issue's: the same formulas, summed in another order
    torch.float32: 2e-5,  # the issue's: float32 rounding over the longest run here
}
NORMED = 1e-4  # float32, 37 steps: norm divides by a small deviation; torch's own float32 loop is off by 5e-5
ALONE = (
    1e-4  # float32, one unit: a parameter's gradient is one sum of up to 629 terms that may cancel to nearly nothing
)
OWN = 5  # a case may amplify rounding, as one saturated unit does: so many times what torch's float32 loop is off by
SPLITS = {"one": (1, False), "rows": (2, False), "units": (2, True)}  # threads, whether they share units
INPUT = 5


@dataclass(frozen=True)
class Shape:
    """One case: steps, rows, units; whether lengths (one is zero) and resets are drawn; the direction; the split."""

    T: int
    B: int
    units: int
    lengths: bool = False
    resets: bool = False
    reverse: bool = False
    split: str = "one"

    def __str__(self) -> str:
        flags = [name for name in ("lengths", "resets", "reverse") if getattr(self, name)]
        return "-".join([f"T{self.T}-B{self.B}-{self.units}", *flags, self.split])


@functools.cache
def graph_of(name: str) -> Graph:
    return shipped()[name]().graph


def compiled(graphs: Iterable[Graph]) -> None:
    """Kernels of all graphs in both precisions, in one unit each; skips the test where there is no compiler."""
    try:
        for real in cpu.REAL.values():
            cpu.compile_together(list(graphs), real, "-O1")
    except build.NoCompilerError as error:
        if not build_found():
            pytest.skip(str(error))
        raise


def build_found() -> bool:
    """Whether this machine has a compiler at all: one that fails is an error, not a reason to skip."""
    try:
        return bool(build.compiler())
    except build.NoCompilerError:
        return False


@functools.cache
def compiled_shipped() -> None:
    compiled([graph_of(name) for name in CELLS])


def drawn(graph: Graph, s: Shape, seed: int = 0, **sizes: int) -> check.Case:
    """A case in float32."""
    given = {"input": INPUT, "hidden": s.units, **sizes}
    return check.case(graph, s.T, s.B, given, torch.float32, seed, lengths=s.lengths, resets=s.resets)


def truth(graph: Graph, case: check.Case, reverse: bool = False) -> check.Tensors:
    run = functools.partial(dispatch.scan, reverse=reverse, backend="reference")
    return check.gradients_by_autograd(graph, case.to(torch.float64), run)


def fused(graph: Graph, case: check.Case, reverse: bool = False) -> check.Tensors:
    dtype = case.grad_y.dtype
    why = dispatch.explain(graph, case.grad_y.device, dtype)
    assert why.startswith("fused"), why
    return check.gradients_by_autograd(graph, case, functools.partial(dispatch.scan, reverse=reverse))


def use_split(monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    monkeypatch.setattr(program, "choose_split", lambda *_: SPLITS[split])


def allowed(graph: Graph, case: check.Case, s: Shape, dtype: torch.dtype, want: check.Tensors, worst: float) -> float:
    """The bound for a case; what torch's float32 loop is off by is looked at only where it matters."""
    bound = BOUND[dtype]
    if dtype is torch.float32 and any(n.op == "norm" for n in topological(graph.roots)):
        bound = NORMED
    if dtype is torch.float32 and s.units == 1:
        bound = ALONE
    if dtype is torch.float64 or worst <= bound:
        return bound
    loop = functools.partial(dispatch.scan, reverse=s.reverse, backend="reference")
    return max(bound, OWN * check.agreement(check.gradients_by_autograd(graph, case, loop), want))


def compare(
    name: str,
    graph: Graph,
    s: Shape,
    monkeypatch: pytest.MonkeyPatch,
    splits: Iterable[str] = (),
    kind: str = "fused = reference",
    seed: int = 0,
    **sizes: int,
) -> None:
    """The kernel at one shape against the reference in both precisions, at its split or at all of `splits`."""
    case = drawn(graph, s, seed, **sizes)
    want = truth(graph, case, s.reverse)
    wrong = []
    for split, dtype in itertools.product(splits or (s.split,), BOUND):
        use_split(monkeypatch, split)
        found = check.errors(fused(graph, case.to(dtype), s.reverse), want)
        bound = allowed(graph, case, s, dtype, want, max(found.values()))
        for quantity, error in found.items():
            shown(kind, name, (s.T, s.B, INPUT, s.units), quantity, error, dtype=str(dtype).removeprefix("torch."))
            if error > bound:
                wrong.append(f"{split} {dtype} {quantity}: {error:.1e} > {bound:.0e}")
    assert not wrong, "\n".join([f"{name} at {s}", *wrong])


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """A fresh interpreter with one thread that sees rondo and the tests' helpers."""
    path = os.pathsep.join([os.path.dirname(__file__), *sys.path])
    env = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
