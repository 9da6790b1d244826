"""Which backend runs a graph: the fused CPU kernel where it is correct for graph, dtype and device, else the loop."""

from __future__ import annotations

import functools
import os
import warnings

import torch
from torch import Tensor
from torch.autograd import forward_ad

from rondo.expr.graph import Graph
from rondo.kernels import build, compiled, cpu, fused, reference
from rondo.kernels.reverse import backwards
from rondo.kernels.streaming import Streaming

BACKENDS = ("auto", "reference")


def scan(
    graph: Graph,
    params: dict[str, Tensor],
    x: dict[str, Tensor],
    state: dict[str, Tensor],
    lengths: Tensor | None = None,
    resets: Tensor | None = None,
    initial: dict[str, Tensor] | None = None,
    masks: dict[str, Tensor] | None = None,
    reverse: bool = False,
    backend: str = "auto",
) -> tuple[Tensor, dict[str, Tensor]]:
    """A cell over time, differentiable in everything: see `reference.scan` for arguments and shapes.

    `reverse` runs from the last step (of each row's length) to the first.
    """
    if torch.compiler.is_compiling():
        return compiled.scan(graph, params, x, state, lengths, resets, initial, masks, reverse, backend)
    tensors = [*params.values(), *x.values(), *state.values(), *(initial or {}).values()]
    slow = _why_reference(graph, tensors, x, backend) is not None
    if reverse and lengths is None and not slow:
        return fused.scan(graph, params, x, state, None, resets, initial, masks, reverse=True)

    def forward(
        x: dict[str, Tensor], resets: Tensor | None, masks: dict[str, Tensor] | None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        run = reference.scan if slow else fused.scan
        return run(graph, params, x, state, lengths, resets, initial, masks)

    return backwards(forward, x, lengths, resets, masks) if reverse else forward(x, resets, masks)


def stepper(
    graph: Graph, params: dict[str, Tensor], state: dict[str, Tensor], sizes: dict[str, int], backend: str = "auto"
) -> Streaming | None:
    """The fused one-step form of a layer, or None where only the reference loop runs it."""
    first = next(iter(state.values()))
    tensors = [*params.values(), *state.values()]
    if _why_not(graph, first.device, first.dtype, backend) or len(graph.inputs) != 1 or graph.masks:
        return None
    if not len(first) or any(t.dtype != first.dtype or t.device != first.device for t in tensors):
        return None
    return Streaming(graph, params, state, sizes, fused.threads())


def explain(graph: Graph, device: torch.device, dtype: torch.dtype, backend: str = "auto") -> str:
    """Which path `scan` takes and why, in one line."""
    why = _why_not(graph, device, dtype, backend)
    if why:
        return f"reference loop: {why}"
    return f"fused CPU kernel ({dtype}, -march={build.march()}, {fused.threads()} threads)"


def _why_not(graph: Graph, device: torch.device, dtype: torch.dtype, backend: str) -> str | None:
    if backend not in BACKENDS:
        raise ValueError(f"no backend is called {backend!r}; there are {', '.join(BACKENDS)}")
    if backend == "reference" or os.environ.get("RONDO_BACKEND") == "reference":
        return "asked for"
    if device.type != "cpu":
        return f"there is no fused kernel for {device.type}"
    if dtype not in cpu.REAL:
        return f"there is no fused kernel for {dtype}"
    return _no_kernel(graph, dtype)


def _no_kernel(graph: Graph, dtype: torch.dtype) -> str | None:
    try:
        cpu.kernel(graph, dtype)
    except build.NoCompilerError as error:
        _warn_once(str(error))
        return str(error)
    return None


@functools.cache
def _warn_once(message: str) -> None:
    warnings.warn(f"Rondo runs its slow reference loop: {message}", stacklevel=2)


def _why_reference(graph: Graph, tensors: list[Tensor], x: dict[str, Tensor], backend: str) -> str | None:
    """The reason to run the reference loop, or None."""
    first = next(iter(x.values()))
    why = _why_not(graph, first.device, first.dtype, backend)
    if why is not None:
        return why
    if first.shape[0] == 0 or first.shape[1] == 0:
        return "there is nothing to compute"
    dtype, device = first.dtype, first.device
    for t in tensors:
        if t.dtype is not dtype or t.device != device:
            return "tensors of several dtypes or devices"
    if torch._C._functorch.peek_interpreter_stack() is not None:
        return "inside a torch.func transform"
    if forward_ad._current_level >= 0 and any(forward_ad.unpack_dual(t).tangent is not None for t in tensors):  # type: ignore[no-untyped-call]
        return "forward-mode differentiation"
    return None
