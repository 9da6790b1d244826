"""Stepper: a network one step at a time, with constant memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rondo.inputs import full_precision
from rondo.kernels import dispatch
from rondo.layer import Layer
from rondo.states import States


class LayerStep:
    """One layer, one step: a scan of length one. A kernel's step has the same two members.

    state  what is carried, each [B, n]; may be replaced between steps
    """

    def __init__(self, layer: Layer, state: dict[str, Tensor], backend: str) -> None:
        self.layer, self.state, self.backend = layer, state, backend

    def __call__(self, x: dict[str, Tensor]) -> Tensor:
        y, self.state = dispatch.scan(**self.layer.arguments(x, self.state), backend=self.backend)
        return y


class Stepper:
    """Runs one step of each layer at a call; `state` is what it carries. Made by `RNN.stepper`."""

    def __init__(
        self,
        parts: list[tuple[str, Layer]],
        state: dict[str, Tensor],
        inputs: Callable[[Any], tuple[dict[str, Tensor], torch.dtype]],
        backend: str,
    ) -> None:
        self._inputs, self._rows = inputs, len(next(iter(state.values())))
        self._layers = dict(parts)
        self._steps = {
            name: LayerStep(layer, {s: state[f"{name}.{s}"].detach() for s in layer.graph.states}, backend)
            for name, layer in parts
        }

    @torch.no_grad()
    def __call__(self, x: Tensor | dict[str, Tensor]) -> Tensor:
        """x [B, input] or integers [B] -> y [B, output_size]. Raises ValueError where B is not the state's."""
        values, returned = self._inputs(x)
        main, v = next(iter(values.items()))
        if len(v) != self._rows:
            raise ValueError(f"x has {len(v)} row(s) and the state {self._rows}")
        with full_precision(v):
            for step in self._steps.values():
                v = step({**values, main: v})
        return v[:, 0].to(returned)

    @property
    def state(self) -> States:
        """What is carried now; later steps do not change it."""
        return States((f"{name}.{s}", v.clone()) for name, step in self._steps.items() for s, v in step.state.items())

    @torch.no_grad()
    def reset(self, rows: Tensor | None = None) -> None:
        """Put the initial state into the rows where `rows` [B] is True, or into all."""
        for name, step in self._steps.items():
            like = next(iter(step.state.values()))
            start = self._layers[name].start(self._rows, like, like.dtype)
            if rows is not None:
                start = {s: torch.where(rows.unsqueeze(1), v, step.state[s]) for s, v in start.items()}
            step.state = start
