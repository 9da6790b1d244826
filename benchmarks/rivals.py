"""LSTM, both GRUs and Elman beside torch.nn's LSTM, GRU and RNN: training, forward, inference; and rondo.nn.

Both sides read one input, stored time first (torch.nn's default order; rondo.RNN gets the transposed view), hold
the same weights and start from a zero state. torch.nn.GRU resets after the product, so the GRU of Cho, which resets
before it, runs beside another function of the same size and is checked by the reference.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn

import rondo
from rondo import RNN
from rondo.expr.graph import Graph
from rondo.kernels.check import Tensors

from benchmarks.contestant import Contestant
from benchmarks.flops import forward_flops, training_flops
from benchmarks.gate import Checked, by_reference, compared
from benchmarks.options import Options, Shape
from benchmarks.peaks import matmul_peak
from benchmarks.report import PAIR, RATE, Report, Row, Verdict
from benchmarks.timing import Pair, geometric_mean, interleaved

TARGET_THREADS = 2
MODES = {"train": Contestant.train, "forward": Contestant.forward, "inference": Contestant.inference}
MODULE_SHAPES = 3  # rondo.nn is measured at so many of the shapes


@dataclass(frozen=True)
class Rival:
    """torch.nn's module beside a cell; `gates` in the order of its stacked rows, None where the function differs."""

    module: str
    gates: tuple[str, ...] | None

    @property
    def same(self) -> bool:
        return self.gates is not None


RIVALS = {
    "lstm": Rival("LSTM", ("_i", "_f", "_g", "_o")),
    "gru": Rival("GRU", ("_r", "_z", "_n")),
    "gru-cho": Rival("GRU", None),
    "elman": Rival("RNN", ("",)),
}


@dataclass(frozen=True)
class Duel:
    """A cell and its rival with the same weights (where they compute the same), and float32 data."""

    cell: str
    shape: Shape
    ours: Contestant
    theirs: Contestant

    @property
    def graph(self) -> Graph:
        assert isinstance(self.ours.module, RNN)
        return self.ours.module.cell.graph

    @property
    def sizes(self) -> dict[str, int]:
        assert isinstance(self.ours.module, RNN)
        return self.ours.module.part("l0").sizes


def duel(cell: str, shape: Shape) -> Duel:
    """The two sides, from a fixed seed."""
    torch.manual_seed(0)
    rival = RIVALS[cell]
    theirs = getattr(nn, rival.module)(shape.I, shape.H)
    ours = RNN(cell, shape.I, shape.H)
    if rival.same:
        own = dict(ours.part("l0").named_parameters())
        with torch.no_grad():
            for name, value in by_equations(rival, dict(theirs.named_parameters()), torch.add).items():
                own[name].copy_(value)
    x, grad = torch.randn(shape.T, shape.B, shape.I), torch.randn(shape.T, shape.B, shape.H)
    return Duel(
        cell,
        shape,
        Contestant(ours, x.transpose(0, 1), grad.transpose(0, 1)),
        Contestant(theirs, x, grad),
    )


def by_equations(rival: Rival, stacked: Mapping[str, Tensor], join: Callable[[Tensor, Tensor], Tensor]) -> Tensors:
    """torch's stacked tensors by the names of the equations; `join` makes one bias of two.

    For weights the two are added; for gradients, which are equal, either is taken. The candidate of the GRU keeps
    both of its biases.
    """
    gates = rival.gates or ()
    inner, outer, b_inner, b_outer = (
        stacked[f"{n}_l0"].chunk(len(gates)) for n in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    )
    found = {f"W{g}": v for g, v in zip(gates, inner, strict=True)}
    found |= {f"U{g}": v for g, v in zip(gates, outer, strict=True)}
    found |= {f"b{g}": join(a, b) for g, a, b in zip(gates, b_inner, b_outer, strict=True)}
    if rival.module == "GRU":
        found |= {"b_n": b_inner[-1], "b_hn": b_outer[-1]}
    return found


def truth(d: Duel) -> Tensors:
    """What our side must give: torch.nn's results in float64 by the names of ours."""
    found = d.theirs.double().results()
    own = {k: v.transpose(0, 1) if k in ("output", "inference") else v for k, v in found.items() if k[:4] != "dL/d"}
    own = {k: v.squeeze(0) if k.startswith("state") else v for k, v in own.items()}
    stacked = {k.removeprefix("dL/d"): v for k, v in found.items() if k[:4] == "dL/d"}
    gradients = by_equations(RIVALS[d.cell], stacked, lambda a, b: a)
    return own | {f"dL/dl0.{k}": v for k, v in gradients.items()}


def checks(options: Options) -> Iterator[Checked]:
    """Every cell and shape at every number of threads, before any of them is timed."""
    for cell, rival in RIVALS.items():
        for shape in options.shapes if options.wants(cell) else ():
            d = duel(cell, shape)
            want = truth(d) if rival.same else None
            for threads in options.threads:
                torch.set_num_threads(threads)
                label = f"{cell} {shape}, {threads} thread(s)"
                yield compared(label, d.ours.results(), want) if want else by_reference(label, d.graph, shape, d.sizes)


def reports(options: Options) -> Iterator[Report]:
    """A table for each mode asked for."""
    modes = [m for m in MODES if m in options.what]
    rows: dict[str, list[Row]] = {m: [] for m in modes}
    for threads in options.threads:
        for cell in filter(options.wants, RIVALS):
            for shape in options.shapes:
                d = duel(cell, shape)
                for mode in modes:
                    rows[mode].append(measure(d, mode, threads, options))
    for mode in modes:
        yield Report(TITLES[mode], NOTE, COLUMNS, rows[mode], verdicts(mode, rows[mode]))


TITLES = {
    "train": "Training: forward, backward, gradients of all parameters (x needs none); beside torch.nn",
    "forward": "Forward in grad mode, what backward needs is kept; beside torch.nn",
    "inference": "Inference (no_grad), beside torch.nn",
}
NOTE = "ratio: torch's time / ours, median of neighbours (q1, q3: quartiles); share: of the best torch.mm here"
COLUMNS = {"cell": "{}", "shape": "{}", "threads": "{}", **PAIR, **RATE}


def measure(d: Duel, mode: str, threads: int, options: Options) -> Row:
    """One cell at one shape."""
    print(f"{mode} {d.cell} {d.shape}, {threads} thread(s)", file=sys.stderr)
    peak = matmul_peak(threads, options.quick)
    torch.set_num_threads(threads)
    run = MODES[mode]
    pair = Pair(*interleaved([lambda: run(d.ours), lambda: run(d.theirs)], options.repeats, options.seconds))
    rate = flops(d, mode) / statistics.median(pair.ours)
    named = {"cell": d.cell, "shape": str(d.shape), "threads": threads}
    return {**named, **pair.row(), "gflops": rate / 1e9, "share": rate / peak}


def flops(d: Duel, mode: str) -> int:
    """Operations of the products of one call."""
    count = training_flops if mode == "train" else forward_flops
    return d.shape.T * d.shape.B * count(d.graph, d.sizes)


def verdicts(mode: str, rows: list[Row]) -> list[Verdict]:
    """The project's targets at two threads, for the cells that were measured."""
    found = []
    for cell in dict.fromkeys(r["cell"] for r in rows):
        own = [r for r in rows if r["cell"] == cell and r["threads"] == TARGET_THREADS]
        ratios = {r["shape"]: r["ratio"] for r in own}
        if ratios:
            found += _training(cell, ratios) if mode == "train" else [_smallest(cell, ratios, EVERYWHERE[cell])]
    return found


EVERYWHERE = {"lstm": 0.95, "gru": 1.5, "gru-cho": 1.5, "elman": 1.5}  # forward and inference


def _training(cell: str, ratios: dict[str, float]) -> list[Verdict]:
    if cell == "lstm":
        return [_mean(cell, ratios, 1.25, "all"), _smallest(cell, ratios, 0.97)]
    many = {s: r for s, r in ratios.items() if Shape.parse(s).B >= 16}
    one = {s: r for s, r in ratios.items() if Shape.parse(s).B == 1}
    groups = (("B >= 16", many, 2.0), ("B = 1", one, 10.0))
    return [_mean(cell, own, limit, where) for where, own, limit in groups if own]


def _mean(cell: str, ratios: dict[str, float], limit: float, where: str) -> Verdict:
    detail = f"{len(ratios)} shape(s), smallest {min(ratios.values()):.2f}"
    return Verdict(f"{cell}, {where}, geometric mean", geometric_mean(list(ratios.values())), limit, detail=detail)


def _smallest(cell: str, ratios: dict[str, float], limit: float) -> Verdict:
    worst = min(ratios, key=lambda s: ratios[s])
    mean = geometric_mean(list(ratios.values()))
    detail = f"at {worst}; {len(ratios)} shape(s), geometric mean {mean:.2f}"
    return Verdict(f"{cell}, smallest", ratios[worst], limit, detail=detail)


def module_duel(name: str, shape: Shape) -> tuple[Contestant, Contestant]:
    """rondo.nn's module and torch.nn's, the second's state_dict in both."""
    torch.manual_seed(0)
    theirs = getattr(nn, name)(shape.I, shape.H)
    ours = getattr(rondo.nn, name)(shape.I, shape.H)
    ours.load_state_dict(theirs.state_dict())
    x, grad = torch.randn(shape.T, shape.B, shape.I), torch.randn(shape.T, shape.B, shape.H)
    return Contestant(ours, x, grad), Contestant(theirs, x, grad)


def _modules(options: Options) -> Iterator[tuple[str, Shape]]:
    for cell in ("lstm", "gru", "elman"):
        if options.wants(cell):
            yield from ((RIVALS[cell].module, shape) for shape in options.shapes[1::2][:MODULE_SHAPES])


def module_checks(options: Options) -> Iterator[Checked]:
    """rondo.nn beside torch.nn in float64."""
    for name, shape in _modules(options):
        ours, theirs = module_duel(name, shape)
        want = theirs.double().results()
        for threads in options.threads:
            torch.set_num_threads(threads)
            yield compared(f"nn.{name} {shape}, {threads} thread(s)", ours.results(), want)


def module_reports(options: Options) -> Iterator[Report]:
    """rondo.nn's modules put in the place of torch.nn's."""
    columns = {"cell": "{}", "mode": "{}", "shape": "{}", "threads": "{}", **PAIR}
    report = Report("rondo.nn beside torch.nn", NOTE, columns)
    for threads in options.threads:
        for name, shape in _modules(options):
            print(f"nn.{name} {shape}, {threads} thread(s)", file=sys.stderr)
            torch.set_num_threads(threads)
            sides = module_duel(name, shape)
            for mode in ("train", "inference"):
                runs = [lambda s=s, run=MODES[mode]: run(s) for s in sides]
                pair = Pair(*interleaved(runs, options.repeats, options.seconds))
                named = {"cell": f"nn.{name}", "mode": mode, "shape": str(shape), "threads": threads}
                report.rows.append({**named, **pair.row()})
    yield report
