"""Compiling ahead: the tour's kernels are built by the second core while the stops that need none are told."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable

import torch

from rondo.expr.graph import Graph
from rondo.kernels import build, cpu


def compile_ahead(graphs: Iterable[Graph]) -> threading.Thread:
    """A thread that builds the float32 kernels of these graphs; join it before one of them is used.

    It only fills the cache of kernels. That there is no compiler is said where a kernel is used.
    """
    wanted = list(graphs)

    def build_all() -> None:
        with contextlib.suppress(build.NoCompilerError):
            for graph in wanted:
                cpu.kernel(graph, torch.float32)

    thread = threading.Thread(target=build_all, daemon=True)
    thread.start()
    return thread
