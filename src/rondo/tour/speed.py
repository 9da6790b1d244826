"""The stop of the speed: rondo.nn.GRU beside torch.nn.GRU, with the same weights, and no time before they agree.

What is told is processor time: on one thread that is a quiet machine's clock, and other programs hardly change it.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import rondo.nn
from rondo.kernels import check, dispatch

LIMIT = 2e-5  # the project's bound for float32, relative to float64
SHAPES = ((100, 1, 64, 64), (100, 32, 128, 128))  # T, B, input, hidden
PAIRS, SECONDS = (5, 25), 1.2  # fewest and most pairs of runs of a shape; after so many seconds no new one is begun


@dataclass(frozen=True)
class Timing:
    """Training steps (forward, backward of all parameters) of one shape."""

    shape: tuple[int, int, int, int]  # T, B, input, hidden
    threads: int
    path: str  # which backend ran
    error: float  # the worst of output, state and gradients, in float32 beside torch in float64
    ours: float  # median processor seconds of one training step; 0 where the results do not agree
    theirs: float
    ratio: float  # median of theirs / ours of neighbouring runs
    pairs: int

    @property
    def agrees(self) -> bool:
        return self.error <= LIMIT


def timings(shapes: Sequence[tuple[int, int, int, int]] = SHAPES, seconds: float = SECONDS) -> list[Timing]:
    """Each shape: compared with the truth, then timed in turn with torch. The global random numbers are left alone."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return [_timing(shape, seconds) for shape in shapes]


def _timing(shape: tuple[int, int, int, int], seconds: float) -> Timing:
    steps, rows, width, hidden = shape
    theirs, ours = nn.GRU(width, hidden), rondo.nn.GRU(width, hidden)
    ours.load_state_dict(theirs.state_dict())
    x, grad = torch.randn(steps, rows, width), torch.randn(steps, rows, hidden)
    truth = _results(copy.deepcopy(theirs).double(), x.double(), grad.double())
    error = check.agreement(_results(ours, x, grad), truth)
    graph = rondo.nn.form("GRU", True, False).graph
    path = dispatch.explain(graph, x.device, x.dtype)
    if error > LIMIT:
        return Timing(shape, torch.get_num_threads(), path, error, 0.0, 0.0, 0.0, 0)
    pairs = _pairs(lambda: _train(ours, x, grad), lambda: _train(theirs, x, grad), seconds)
    medians = [statistics.median(side) for side in zip(*pairs, strict=True)]
    ratio = statistics.median(b / a for a, b in pairs)
    return Timing(shape, torch.get_num_threads(), path, error, medians[0], medians[1], ratio, len(pairs))


def _results(module: nn.Module, x: Tensor, grad: Tensor) -> check.Tensors:
    """Output, final state and the gradient of every parameter."""
    y, state = _train(module, x, grad)
    found = {f"dL/d{name}": p.grad for name, p in module.named_parameters() if p.grad is not None}
    return {"output": y.detach(), "state h": state.detach(), **found}


def _train(module: nn.Module, x: Tensor, grad: Tensor) -> tuple[Tensor, Tensor]:
    for p in module.parameters():
        p.grad = None
    y, state = module(x)
    y.backward(grad)
    return y, state


def _pairs(ours: Callable[[], object], theirs: Callable[[], object], seconds: float) -> list[tuple[float, float]]:
    """Processor seconds of both, measured in turn; every second pair goes backwards. One run of each comes before."""
    ours(), theirs()
    found: list[tuple[float, float]] = []
    end = time.perf_counter() + seconds
    while len(found) < PAIRS[0] or (len(found) < PAIRS[1] and time.perf_counter() < end):
        if len(found) % 2:
            b, a = _seconds(theirs), _seconds(ours)
        else:
            a, b = _seconds(ours), _seconds(theirs)
        found.append((a, b))
    return found


def _seconds(run: Callable[[], object]) -> float:
    start = time.process_time()
    run()
    return time.process_time() - start
