"""The cell bench's work in processes of their own: large derivations, plans and code, checks of gradients."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import torch

from rondo.cell import TextCell
from rondo.expr.nodes import EquationError
from rondo.expr.plan import plan
from rondo.kernels.claims import Verdict, judge
from rondo.kernels.differences import check_gradients
from rondo.render.bptt import bptt
from rondo.render.cpp import cpp
from rondo.render.faults import fault
from rondo.render.latex import latex
from rondo.render.load import cell_from_json
from rondo.render.outline import outline
from rondo.render.reading import read, size_values
from rondo.studio.slips import check as check_slip

Record = dict[str, Any]
LARGEST = 64  # a check says as much at small sizes


def reading(cell: Record, notation: str, head: str) -> Iterator[Record]:
    """The typeset equations with the derivation, however large."""
    graph = cell_from_json(cell).graph
    yield asdict(read(graph, cell["equations"], notation, head or None))


def code(cell: Record, notation: str, head: str) -> Iterator[Record]:
    """The plan, the generated C++, and the derivation as LaTeX."""
    graph = cell_from_json(cell).graph
    found = plan(graph)
    yield {"plan": outline(found), "cpp": cpp(found), "latex": latex(bptt(graph, head or None), notation)}


def gradients(cell: Record, sizes: dict[str, int], steps: int, seed: int) -> Iterator[Record]:
    """The gradient check, one quantity after the other; each record holds all that are done."""
    torch.set_num_threads(1)  # small matrices: a second thread only waits
    found: TextCell = cell_from_json(cell)
    values = size_values(found.graph, found.sizes, sizes)
    chosen = {name: min(value, LARGEST) for name, value in values.items()}
    done: list[Record] = []
    start = time.perf_counter()
    for one in check_gradients(found.graph, chosen, steps, seed):
        done.append({**asdict(one), "word": one.word})
        yield {"sizes": chosen, "steps": steps, "seed": seed, "checked": list(done), "whole": False}
    yield {
        "sizes": chosen, "steps": steps, "seed": seed, "checked": done, "whole": True,
        "seconds": time.perf_counter() - start,
    }  # fmt: skip


def own(cell: Record, text: str, head: str) -> Iterator[Record]:
    """A person's derivation, line by line."""
    torch.set_num_threads(1)
    yield {"verdicts": [_spelled(v, text) for v in judge(cell_from_json(cell).graph, text, head or None)]}


def slip(id: str) -> Iterator[Record]:
    """A line in doubt and the right one."""
    torch.set_num_threads(1)
    doubtful, right = check_slip(id)
    yield {"verdicts": [_spelled(doubtful, ""), _spelled(right, "")]}


def _spelled(verdict: Verdict, text: str) -> Record:
    """The verdict, a message of it in both languages."""
    record = asdict(verdict)
    if verdict.message:
        record["message"] = fault(EquationError(verdict.message), text).both
    return record
