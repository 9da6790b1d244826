"""Every shipped cell with recurrent products: operations a second of its training relative to our LSTM's."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator

import torch

from rondo import RNN, cells
from rondo.expr.graph import Graph
from rondo.expr.nodes import ROWWISE, topological
from rondo.expr.plan import plan

from benchmarks.contestant import Contestant
from benchmarks.flops import training_flops
from benchmarks.gate import Checked, by_reference
from benchmarks.options import SHAPES, Options, Shape
from benchmarks.peaks import matmul_peak
from benchmarks.report import RATE, Report, Row, Verdict
from benchmarks.timing import Pair, interleaved

BASE = "lstm"
LIMIT, LIMIT_NORM = 1 / 1.5, 1 / 2  # the second for cells with layer norm
QUICK_SHAPE = Shape(10, 20, 256, 256)


def shapes(options: Options) -> tuple[Shape, ...]:
    """Where the target holds: B >= 20 and H >= 256."""
    found = tuple(s for s in options.shapes if s.B >= 20 and s.H >= 256)
    return (QUICK_SHAPE,) if options.quick else found or tuple(s for s in SHAPES if s.B >= 20 and s.H >= 256)


def recurrent(options: Options) -> list[str]:
    """Shipped cells with products in their time loop, but for the base."""
    names = [n for n in cells.shipped() if options.wants(n) and n != BASE]
    return [n for n in names if not plan(cells.find(n).graph).elementwise]


def contestant(cell: str, shape: Shape) -> Contestant:
    """The layer with random data."""
    torch.manual_seed(0)
    rnn = RNN(cell, shape.I, shape.H)
    return Contestant(rnn, _batch(shape, shape.I), _batch(shape, rnn.output_size))


def _batch(shape: Shape, width: int) -> torch.Tensor:
    return torch.randn(shape.T, shape.B, width).transpose(0, 1)


def sizes(cell: str, shape: Shape) -> dict[str, int]:
    return RNN(cell, shape.I, shape.H, device="meta").part("l0").sizes


def checks(options: Options) -> Iterator[Checked]:
    """Every cell beside the reference."""
    torch.set_num_threads(options.most_threads)
    for cell in (BASE, *recurrent(options)):
        for shape in shapes(options):
            yield by_reference(f"{cell} {shape}", cells.find(cell).graph, shape, sizes(cell, shape))


def reports(options: Options) -> Iterator[Report]:
    """One table; the LSTM runs in turn with each cell."""
    note = "relative: matrix operations a second / our LSTM's, run in turn; levels: dependent products of one step"
    columns = {"cell": "{}", "levels": "{}", "shape": "{}", "threads": "{}", "ms": "{:.4g}", **RATE}
    columns |= {"relative": "{:.2f}", "q1": "{:.2f}", "q3": "{:.2f}"}
    report = Report("Cells with recurrent products: training", note, columns)
    for shape in shapes(options):
        base = contestant(BASE, shape)
        for cell in recurrent(options):
            report.rows.append(measure(cell, shape, base, options))
    for cell in recurrent(options):
        report.verdicts.append(verdict(cell, report.rows))
    yield report


def measure(cell: str, shape: Shape, base: Contestant, options: Options) -> Row:
    """One cell at one shape beside the LSTM."""
    print(f"cells {cell} {shape}", file=sys.stderr)
    peak = matmul_peak(options.most_threads, options.quick)
    torch.set_num_threads(options.most_threads)
    graph, own = cells.find(cell).graph, contestant(cell, shape)
    pair = Pair(*interleaved([own.train, base.train], options.repeats, options.seconds))
    work = training_flops(graph, sizes(cell, shape))
    scale = work / training_flops(cells.find(BASE).graph, sizes(BASE, shape))
    seconds = statistics.median(pair.ours)
    rate = shape.T * shape.B * work / seconds
    named = {"cell": cell, "levels": plan(graph).levels, "shape": str(shape), "threads": options.most_threads}
    q1, q3 = (scale * q for q in pair.spread)
    relative = {"relative": scale * pair.ratio, "q1": q1, "q3": q3}
    return {**named, "ms": 1e3 * seconds, "gflops": rate / 1e9, "share": rate / peak, **relative}


def has_norm(graph: Graph) -> bool:
    """Whether a statistic over the units stands in the equations."""
    return any(n.op in ROWWISE for n in topological(graph.roots))


def verdict(cell: str, rows: list[Row]) -> Verdict:
    """The smallest of a cell's relative rates beside its limit."""
    own = [r for r in rows if r["cell"] == cell]
    worst = min(own, key=lambda r: float(r["relative"]))
    limit = LIMIT_NORM if has_norm(cells.find(cell).graph) else LIMIT
    return Verdict(f"{cell}, relative to our LSTM", worst["relative"], limit, detail=f"smallest, at {worst['shape']}")
