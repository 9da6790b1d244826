"""A cell of one's own beside the same equations as a loop over PyTorch operators: training."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.functional import linear

from rondo import RNN, Cell, State, sigmoid, tanh
from rondo.kernels.check import Tensors

from benchmarks.contestant import Contestant
from benchmarks.flops import training_flops
from benchmarks.gate import Checked, compared
from benchmarks.options import Options, Shape
from benchmarks.peaks import matmul_peak
from benchmarks.report import PAIR, RATE, Report, Row, Verdict
from benchmarks.timing import Pair, geometric_mean, interleaved

LIMIT = 3.0
TARGET_THREADS = 2


class Leaky(Cell):
    """Each unit keeps a learned share of its past; no library has this cell."""

    def step(self, x, s):  # type: ignore[no-untyped-def]
        k = sigmoid(self.W_k @ x + self.U_k @ s.h + self.b_k)
        c = tanh(self.W_c @ x + self.U_c @ s.h + self.b_c)
        return State(h=k * s.h + (1 - k) * c)


class EagerLeaky(nn.Module):
    """The same as one writes it in PyTorch: rows [B, n], gates stacked, one step after another.

    `hoisted` takes the input's product out of the loop, for all steps at once.
    """

    def __init__(self, ours: RNN, hoisted: bool) -> None:
        super().__init__()
        part = dict(ours.part("l0").named_parameters())
        self.W, self.U, self.b = (
            nn.Parameter(torch.cat([part[f"{name}_{gate}"].detach() for gate in "kc"])) for name in "WUb"
        )
        self.hoisted = hoisted

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x [T, B, I] -> y [T, B, H] and the last h."""
        h = x.new_zeros(x.shape[1], self.U.shape[1])
        maps = linear(x, self.W, self.b) if self.hoisted else None
        outputs = []
        for t in range(len(x)):
            inner = linear(x[t], self.W, self.b) if maps is None else maps[t]
            k, c = (inner + linear(h, self.U)).chunk(2, 1)
            k = torch.sigmoid(k)
            h = k * h + (1 - k) * torch.tanh(c)
            outputs.append(h)
        return torch.stack(outputs), h


def sides(shape: Shape) -> tuple[Contestant, ...]:
    """Ours, the loop, the loop with the input's product hoisted: the same weights and data."""
    torch.manual_seed(0)
    ours = RNN(Leaky, shape.I, shape.H)
    x, grad = torch.randn(shape.T, shape.B, shape.I), torch.randn(shape.T, shape.B, shape.H)
    loops = (Contestant(EagerLeaky(ours, hoisted), x, grad) for hoisted in (False, True))
    return Contestant(ours, x.transpose(0, 1), grad.transpose(0, 1)), *loops


def truth(eager: Contestant) -> Tensors:
    """The loop's results in float64 by the names of ours."""
    found = eager.double().results()
    gradients = {
        f"dL/dl0.{name}_{gate}": part
        for name in "WUb"
        for gate, part in zip("kc", found[f"dL/d{name}"].chunk(2), strict=True)
    }
    over_time = {k: found[k].transpose(0, 1) for k in ("output", "inference")}
    return {**over_time, "state h": found["state h"], **gradients}


def checks(options: Options) -> Iterator[Checked]:
    """Ours beside the loop in float64."""
    for shape in options.shapes:
        ours, *loops = sides(shape)
        want = [truth(loop) for loop in loops]
        for threads in options.threads:
            torch.set_num_threads(threads)
            for values in want:
                yield compared(f"own cell {shape}, {threads} thread(s)", ours.results(), values)


def reports(options: Options) -> Iterator[Report]:
    """One table, two baselines."""
    note = "ratio: the eager loop's time / ours; hoisted: the same where the loop gets W x for all steps at once"
    columns = {"shape": "{}", "threads": "{}", **PAIR, "hoisted": "{:.2f}", **RATE}
    report = Report("A cell of one's own beside its eager PyTorch loop: training", note, columns)
    for threads in options.threads:
        report.rows += [measure(shape, threads, options) for shape in options.shapes]
    report.verdicts = verdicts(report.rows)
    yield report


def measure(shape: Shape, threads: int, options: Options) -> Row:
    """The three in turn."""
    print(f"eager {shape}, {threads} thread(s)", file=sys.stderr)
    peak = matmul_peak(threads, options.quick)
    torch.set_num_threads(threads)
    ours, loop, hoisted = interleaved([side.train for side in sides(shape)], options.repeats, options.seconds)
    work = training_flops(Leaky().graph, {"input": shape.I, "hidden": shape.H})
    rate = shape.T * shape.B * work / statistics.median(ours)
    named = {"shape": str(shape), "threads": threads, **Pair(ours, loop).row()}
    return {**named, "hoisted": Pair(ours, hoisted).ratio, "gflops": rate / 1e9, "share": rate / peak}


def verdicts(rows: list[Row]) -> list[Verdict]:
    """Mean and smallest ratio at two threads."""
    own = {r["shape"]: r["ratio"] for r in rows if r["threads"] == TARGET_THREADS}
    if not own:
        return []
    worst = min(own, key=lambda s: own[s])
    detail = f"{len(own)} shape(s)"
    return [
        Verdict("own cell, geometric mean", geometric_mean(list(own.values())), LIMIT, detail=detail),
        Verdict("own cell, smallest", own[worst], LIMIT, detail=f"at {worst}"),
    ]
