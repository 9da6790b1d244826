"""Work counted from the equations: operations of the matrix products, and bytes of a time loop. Per row and step."""

from __future__ import annotations

from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, Expr, topological
from rondo.expr.plan import Plan
from rondo.expr.stages import Key, Schedule

FLOAT = 4  # bytes


def products(graph: Graph) -> list[Expr]:
    """Every matrix product of one step; equal ones are one node."""
    return [n for n in topological(graph.roots) if n.op == "matmul"]


def forward_flops(graph: Graph, sizes: dict[str, int]) -> int:
    """A multiplication and an addition for every weight of every product."""
    return sum(_flops(n, graph, sizes) for n in products(graph))


def training_flops(graph: Graph, sizes: dict[str, int], wants_x: bool = False) -> int:
    """Forward, the weights' gradients, and the operands' gradients: three times forward.

    Where x needs no gradient, neither does an operand made of inputs alone: its product counts twice.
    """
    learned = _reached(graph)
    times = {n: 3 if wants_x or n.args[0] in learned else 2 for n in products(graph)}
    return sum(k * _flops(n, graph, sizes) for n, k in times.items())


def _flops(node: Expr, graph: Graph, sizes: dict[str, int]) -> int:
    block = node.attr
    assert isinstance(block, Block)
    p = graph.params[block.name]
    return 2 * sizes[p.rows] * sizes[p.cols[block.index]]


def _reached(graph: Graph) -> set[Expr]:
    """Nodes through which a gradient flows when the inputs need none: those of a state or a parameter."""
    found: set[Expr] = set()
    for n in topological(graph.roots):
        if n.op in ("state", "vector", "matmul") or any(a in found for a in n.args):
            found.add(n)
    return found


def loop_bytes(p: Plan, sizes: dict[str, int], training: bool) -> int:
    """Bytes that the pointwise passes of a plan without products read and write in memory.

    Forward alone, or (training) forward that saves, and backward. Every stream over time counts once for each pass
    that reads it and once for each that writes it. What a step hands to the next (the state entering, its adjoint)
    stays in the cache and is not counted, nor are vectors, nor the line that a store fetches before it is written.
    """
    values = _stream_values(p, p.forward, sizes, training)
    if training:
        values += _stream_values(p, p.backward, sizes, True)
    return FLOAT * values


def _stream_values(p: Plan, schedule: Schedule, sizes: dict[str, int], saving: bool) -> int:
    total = 0
    for stage in schedule.stages:
        for region in (stage.region, stage.reduce):
            if region is None:
                continue
            read = {_stream(k, schedule is p.backward) for k in region.loads.values()}
            written = {_stream(k, True) for _, k, only_saving in region.stores if saving or not only_saving}
            total += sum(_width(p, k, sizes, saving) for keys in (read, written) for k in keys)
    return total


def _stream(key: Key, over_time: bool) -> Key:
    """The sequence in memory behind a place; a state before and after a step is one sequence."""
    if key[0] in ("prev", "new"):
        return ("sequence", key[1]) if over_time or key[0] == "new" else ()
    return key


def _width(p: Plan, stream: Key, sizes: dict[str, int], saving: bool) -> int:
    """Values of a stream per row and step; 0 for what stays in the cache."""
    graph = p.graph
    kind = stream[0] if stream else ""
    if kind in ("y", "dy"):
        return sizes[graph.output_size]
    if kind in ("input", "dx"):
        return sizes[graph.inputs[str(stream[1])]]
    if kind == "sequence":  # without saving only a state that is the output is kept over time
        output = graph.updates[str(stream[1])] is graph.output
        return sizes[graph.states[str(stream[1])]] if saving or output else 0
    buffer = {**p.forward.buffers, **p.backward.buffers}.get(str(stream[1])) if kind == "buf" else None
    if buffer is None or buffer.kind != "time":
        return 0
    return sizes[buffer.groups[int(str(stream[2]))][int(str(stream[3]))]]
