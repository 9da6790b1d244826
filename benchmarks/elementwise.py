"""Cells without products in their time loop: the bandwidth of the loop beside that of a copy.

The loop is timed alone, by a graph in which every product W @ x is an input of its own: the same pointwise code over
the same time loop, with nothing else to do. (The time of a call less that of its products would be the difference of
two large numbers.) Its inputs need gradients, so that backward writes the adjoints which the products would read.
Freed memory stays with the process meanwhile: the loop is measured, not the first touch of fresh pages.
"""

from __future__ import annotations

import statistics
import sys
from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from rondo import cells
from rondo.expr.graph import Graph, solve
from rondo.expr.nodes import Expr, intern, topological
from rondo.expr.plan import plan
from rondo.kernels import check, dispatch

from benchmarks.flops import loop_bytes, products
from benchmarks.gate import Checked, by_reference
from benchmarks.options import Options, Shape
from benchmarks.peaks import copy_bandwidth, kept_memory
from benchmarks.report import Report, Row, Verdict
from benchmarks.timing import interleaved

SHAPE = Shape(200, 64, 512, 512)  # 26 MB for each value over time
QUICK_SHAPE = Shape(50, 16, 128, 128)
LIMIT = 0.5


def without_products(graph: Graph) -> Graph:
    """The graph with every product an input of its own, named p0, p1, ... Raises ValueError where one reads a state."""
    found = products(graph)
    inputs = {f"p{i}": graph.sizes[n] for i, n in enumerate(found)}
    new: dict[Expr, Expr] = dict(zip(found, (intern("input", (), name) for name in inputs), strict=True))
    if any(leaf.op == "state" for leaf in topological([n.args[0] for n in found])):
        raise ValueError(f"{graph.name} has products in its time loop")
    for n in topological(graph.roots):
        new.setdefault(n, intern(n.op, tuple(new.get(a, a) for a in n.args), n.attr) if n.args else n)
    updates = {s: new[n] for s, n in graph.updates.items()}
    left = {n.attr for n in topological([*updates.values(), new[graph.output]]) if n.op == "input"}
    every = {k: v for k, v in {**graph.inputs, **inputs}.items() if k in left}
    return solve(f"{graph.name} without products", every, graph.states, (), updates, new[graph.output])


def elementwise(options: Options) -> list[str]:
    """Shipped cells without products in their time loop."""
    return [n for n in cells.shipped() if options.wants(n) and plan(cells.find(n).graph).elementwise]


def shape_of(options: Options) -> Shape:
    return QUICK_SHAPE if options.quick else SHAPE


def sizes_of(graph: Graph, shape: Shape) -> dict[str, int]:
    return {name: shape.I if name == "input" else shape.H for name in graph.size_names}


def checks(options: Options) -> Iterator[Checked]:
    """Cells as they are, and without their products, beside the reference."""
    shape = shape_of(options)
    for threads in options.threads:
        torch.set_num_threads(threads)
        for cell in elementwise(options):
            whole = cells.find(cell).graph
            for graph in (whole, without_products(whole)):
                yield by_reference(f"{graph.name} {shape}, {threads} thread(s)", graph, shape, sizes_of(graph, shape))


def reports(options: Options) -> Iterator[Report]:
    """Forward alone and training."""
    note = "the loop alone, products given; GB/s: bytes it must read and write / its time; share: of torch's copy_ here"
    columns = {"cell": "{}", "mode": "{}", "shape": "{}", "threads": "{}", "ms": "{:.4g}", "MB": "{:.0f}"}
    columns |= {"GB/s": "{:.1f}", "share": "{:.0%}"}
    report = Report("Elementwise cells: bandwidth of the time loop", note, columns)
    for threads in options.threads:
        copy = copy_bandwidth(threads, options.quick)
        torch.set_num_threads(threads)
        for cell in elementwise(options):
            print(f"elementwise {cell}, {threads} thread(s)", file=sys.stderr)
            with kept_memory():
                report.rows += measure(cell, threads, copy, options)
    report.verdicts = [verdict(r) for r in report.rows if r["threads"] == options.most_threads]
    yield report


def measure(cell: str, threads: int, copy: float, options: Options) -> list[Row]:
    """A row for each mode."""
    shape, graph = shape_of(options), without_products(cells.find(cell).graph)
    sizes = sizes_of(graph, shape)
    rows = []
    for mode, run in loops(graph, shape, sizes).items():
        (samples,) = interleaved([run], options.repeats, options.seconds)
        seconds = statistics.median(samples)
        moved = shape.T * shape.B * loop_bytes(plan(graph), sizes, mode == "train")
        rate = {"ms": 1e3 * seconds, "MB": moved / 1e6, "GB/s": moved / seconds / 1e9, "share": moved / seconds / copy}
        rows.append({"cell": cell, "mode": mode, "shape": str(shape), "threads": threads, **rate})
    return rows


def loops(graph: Graph, shape: Shape, sizes: dict[str, int]) -> dict[str, Callable[[], object]]:
    """The loop forward, and forward with backward; all tensors stored time first."""
    drawn = check.case(graph, 1, shape.B, sizes, dtype=torch.float32)
    params = {k: v.requires_grad_() for k, v in drawn.params.items()}
    x = {k: _over_time(shape, sizes[z]).requires_grad_() for k, z in graph.inputs.items()}
    grad = _over_time(shape, sizes[graph.output_size])
    leaves = [*x.values(), *params.values()]

    def forward() -> Tensor:
        return dispatch.scan(graph, params, x, drawn.state)[0]

    def inference() -> Tensor:
        with torch.no_grad():
            return forward()

    return {"inference": inference, "train": lambda: torch.autograd.grad(forward(), leaves, grad)}


def _over_time(shape: Shape, width: int) -> Tensor:
    return torch.randn(shape.T, shape.B, width).transpose(0, 1)


def verdict(row: Row) -> Verdict:
    detail = f"{row['threads']} thread(s)"
    return Verdict(f"{row['cell']}, {row['mode']}, share of copy bandwidth", row["share"], LIMIT, detail=detail)
