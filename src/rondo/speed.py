"""How fast a cell is at a shape: its compiled kernel, its reference loop, the shipped LSTM and GRU, and torch.nn's.

First the kernel's results and gradients are compared with the reference loop in float64: where they differ, no speed
is told. Then all run in turn in one process, so that all see the same machine, and every second round goes backwards.

    for times in rounds(contestants(cell, shape), repeats=12, seconds=0.03): ...

A time is told per step of one sequence, and per number that is learned: a larger cell takes longer, and the second
says what its arithmetic costs.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.expr.graph import Graph
from rondo.expr.nodes import topological
from rondo.kernels import build, check, cpu, dispatch, reference
from rondo.rnn import RNN

LIMIT = 2e-5  # of a relative error in float32, as in the benchmarks
WORSE = 10  # or so many times what the loop's own rounding comes to in float32: a cell may amplify it
OFF_KINKS = 200_000  # values of one case that a draw can keep off the kinks of relu and the like
COMPARED = 2_000_000  # values of one case: the loop in float64 keeps about twenty of each for its gradients
NETWORKS = {"lstm": nn.LSTM, "gru": nn.GRU}
MODES = ("training", "inference")


class SpeedError(ValueError):
    """A cell whose speed cannot be measured; the message says why."""


@dataclass(frozen=True)
class Shape:
    """T steps of B sequences, the width of x, and the units."""

    T: int
    B: int
    input: int
    hidden: int


@dataclass(frozen=True)
class Built:
    """How long the kernel took to be there, whether it lay in the cache, or why there is none."""

    seconds: float
    cached: bool
    why: str = ""


@dataclass(frozen=True)
class Checked:
    """The kernel beside the loop in float64: the quantity that differs most, how much, how much is allowed, and over
    how many steps they were compared."""

    quantity: str
    error: float
    limit: float
    steps: int

    @property
    def green(self) -> bool:
        return self.error <= self.limit


@dataclass(frozen=True)
class Contestant:
    """`module(x)` gives (y, state); `grad` is dL/dy. x needs no gradient, as in a first layer."""

    name: str
    module: nn.Module
    x: Tensor
    grad: Tensor
    steps: int  # T * B

    @property
    def parameters(self) -> int:
        """Numbers that are learned."""
        return sum(p.numel() for p in self.module.parameters())

    def training(self) -> None:
        """Forward and backward: the gradients of all parameters."""
        for p in self.module.parameters():
            p.grad = None
        y, _ = self.module(self.x)
        y.backward(self.grad)

    def inference(self) -> None:
        """Forward alone, nothing kept."""
        with torch.no_grad():
            self.module(self.x)


@dataclass(frozen=True)
class Time:
    """What one contestant takes in one mode, so far.

    step       nanoseconds for a step of one sequence: the median, first and third quartile of the samples
    parameter  the median, for each number that is learned (a float32 of 4 bytes)
    ratio      its time / the first contestant's: the median over samples that were taken next to each other
    """

    name: str
    mode: str
    step: float
    low: float
    high: float
    parameter: float
    ratio: float


def built(cell: Cell) -> Built:
    """Build the cell's kernel for float32, or find it in the cache."""
    try:
        cached = cpu.is_cached(cell.graph, torch.float32)
    except build.NoCompilerError as error:
        return Built(0.0, False, str(error))
    start, why = time.perf_counter(), why_no_kernel(cell)
    return Built(time.perf_counter() - start, cached, why)


def checked(cell: Cell, shape: Shape) -> Checked:
    """The scan that is timed, with and without gradients, beside the reference loop in float64, on random values.

    A cell that amplifies rounding is allowed WORSE times the error of the loop in float32. Raises SpeedError where the
    values themselves are not finite.
    """
    graph, steps = cell.graph, _steps(cell.graph, shape)
    case = check.case(graph, steps, shape.B, _network(cell, shape).part("l0").sizes, dtype=torch.float32)
    want = check.gradients_by_autograd(graph, case.to(torch.float64), reference.scan)
    if not all(v.isfinite().all() for v in want.values()):
        raise SpeedError(
            "这个单元的数值溢出了，没有可比的 / its values or gradients overflow at this shape: nothing can be compared"
        )
    errors = check.errors(_results(graph, case, dispatch.scan), _with_inference(want))
    worst = max(errors, key=lambda k: errors[k])
    limit = LIMIT
    if errors[worst] > limit:
        rounding = check.errors(_results(graph, case, reference.scan), _with_inference(want))
        limit = max(limit, WORSE * max(rounding.values()))
    return Checked(worst, errors[worst], limit, steps)


def _results(graph: Graph, case: check.Case, scan: check.Scan) -> check.Tensors:
    with torch.no_grad():
        y, _ = check.run(graph, case, scan)
    return check.gradients_by_autograd(graph, case, scan) | {"inference": y}


def _with_inference(results: check.Tensors) -> check.Tensors:
    return results | {"inference": results["output"]}


def _steps(graph: Graph, shape: Shape) -> int:
    """All steps, or so many that the truth fits in memory, or that a draw off all kinks is likely."""
    kinked = any(n.op in check.KINKED for n in topological(graph.roots))
    return min(shape.T, max(1, (OFF_KINKS if kinked else COMPARED) // (shape.B * shape.hidden)))


def contestants(cell: Cell, shape: Shape) -> list[Contestant]:
    """The cell's kernel ("kernel", left out where there is no compiler) and loop ("loop"); "lstm", "gru" as shipped;
    "torch.nn.LSTM" and "torch.nn.GRU". All read one input, stored time first, torch.nn's order. Raises SpeedError."""
    torch.manual_seed(0)
    x = torch.randn(shape.T, shape.B, shape.input)
    networks: dict[str, RNN] = {"kernel": _network(cell, shape), "loop": _network(cell, shape, "reference")}
    networks |= {name: RNN(name, shape.input, shape.hidden) for name in NETWORKS}
    if why_no_kernel(cell):
        del networks["kernel"]
    found = []
    for name, network in networks.items():
        grad = torch.randn(shape.T, shape.B, network.output_size)
        found.append(Contestant(name, network, x.transpose(0, 1), grad.transpose(0, 1), shape.T * shape.B))
    grad = torch.randn(shape.T, shape.B, shape.hidden)
    for kind in NETWORKS.values():
        module = kind(shape.input, shape.hidden)
        found.append(Contestant(f"torch.nn.{kind.__name__}", module, x, grad, shape.T * shape.B))
    return found


def why_no_kernel(cell: Cell) -> str:
    """The reason for which only the reference loop runs the cell here; empty where its kernel does."""
    why = dispatch.explain(cell.graph, torch.device("cpu"), torch.float32)
    return why.partition(": ")[2] if why.startswith("reference") else ""


def _network(cell: Cell, shape: Shape, backend: str = "auto") -> RNN:
    if len(cell.graph.inputs) > 1:
        names = ", ".join(cell.graph.inputs)
        raise SpeedError(f"这里只喂一个输入，它要读 {names} / it reads {names}: speed is measured with one input")
    try:
        return RNN(cell, shape.input, shape.hidden, project=True, backend=backend)
    except ValueError as error:
        raise SpeedError(f"{cell.name} cannot be measured: {error}") from None


def rounds(rivals: Sequence[Contestant], repeats: int, seconds: float) -> Iterator[list[Time]]:
    """After each of `repeats` rounds what every contestant took so far, in training and in inference.

    A sample is as many calls as fill about `seconds`, at least one. A call of each comes before and is not counted.
    """
    runs: list[tuple[Contestant, str, Callable[[], None]]] = [(c, m, getattr(c, m)) for m in MODES for c in rivals]
    counts = []
    for _, _, run in runs:
        run()
        counts.append(max(1, round(seconds / max(_timed(run, 1), 1e-9))))
    samples: list[list[float]] = [[] for _ in runs]
    for number in range(repeats):
        for k in sorted(range(len(runs)), reverse=number % 2 == 1):
            samples[k].append(_timed(runs[k][2], counts[k]))
        first = {mode: samples[k] for k, (c, mode, _) in enumerate(runs) if c is rivals[0]}
        yield [_time(c, mode, samples[k], first[mode]) for k, (c, mode, _) in enumerate(runs)]


def _timed(run: Callable[[], None], count: int) -> float:
    """Seconds a call."""
    start = time.perf_counter()
    for _ in range(count):
        run()
    return (time.perf_counter() - start) / count


def _time(rival: Contestant, mode: str, samples: Sequence[float], first: Sequence[float]) -> Time:
    steps = sorted(1e9 * s / rival.steps for s in samples)
    low, middle, high = statistics.quantiles(steps, n=4, method="inclusive") if len(steps) > 1 else steps * 3
    ratio = statistics.median(a / b for a, b in zip(samples, first, strict=True))
    return Time(rival.name, mode, middle, low, high, middle / rival.parameters, ratio)
