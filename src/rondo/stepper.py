"""Stepper: a network one step at a time, with constant memory."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rondo.inputs import full_precision
from rondo.kernels import dispatch
from rondo.kernels.streaming import Streaming
from rondo.layer import Layer
from rondo.states import States


class LayerStep:
    """One layer, one step: a scan of length one. `kernels.streaming.Streaming` has the same two members.

    state  what is carried, each [B, n]; may be replaced between steps
    """

    def __init__(self, layer: Layer, state: dict[str, Tensor], backend: str) -> None:
        self.layer, self.state, self.backend = layer, state, backend

    def __call__(self, x: Tensor | dict[str, Tensor]) -> Tensor:
        """x [B, n], or a dictionary for a cell of several inputs -> y [B, m]."""
        given = x if isinstance(x, dict) else {next(iter(self.layer.graph.inputs)): x}
        one = {name: v.unsqueeze(1) for name, v in given.items()}
        y, self.state = dispatch.scan(**self.layer.arguments(one, self.state), backend=self.backend)
        return y[:, 0]


class Stepper:
    """Runs one step of each layer at a call; `state` is what it carries. Made by `RNN.stepper`."""

    def __init__(
        self,
        parts: list[tuple[str, Layer]],
        state: dict[str, Tensor],
        inputs: Callable[[Any], tuple[dict[str, Tensor], torch.dtype]],
        backend: str,
    ) -> None:
        like = next(iter(state.values()))
        self._inputs, self._rows = inputs, len(like)
        self._layers = dict(parts)
        self._steps: dict[str, LayerStep | Streaming] = {}
        for name, layer in parts:
            own = {s: state[f"{name}.{s}"].detach() for s in layer.graph.states}
            self._steps[name] = self._fused(layer, own, backend) or LayerStep(layer, own, backend)
        # the shortest way for the common call: a float vector per row, every layer fused
        fused = [s for s in self._steps.values() if isinstance(s, Streaming)]
        self._direct = fused if len(fused) == len(parts) else []
        first = parts[0][1]
        self._shape = (self._rows, first.sizes[next(iter(first.graph.inputs.values()))])
        self._dtype = like.dtype

    @staticmethod
    def _fused(layer: Layer, state: dict[str, Tensor], backend: str) -> Streaming | None:
        if layer.projects or (layer.training and layer.sites.active):
            return None
        params = {n: getattr(layer, n) for n in layer.graph.params}
        return dispatch.stepper(layer.graphs[layer.training], params, state, layer.sizes, backend)

    def __call__(self, x: Tensor | dict[str, Tensor]) -> Tensor:
        """x [B, input] or integers [B] -> y [B, output_size]. Raises ValueError where B is not the state's."""
        if self._direct and isinstance(x, Tensor) and x.dtype is self._dtype and x.shape == self._shape:
            y = x
            for step in self._direct:
                y = step(y)
            return y
        return self._checked(x)

    @torch.no_grad()
    def _checked(self, x: Tensor | dict[str, Tensor]) -> Tensor:
        values, returned = self._inputs(x)
        main, v = next(iter(values.items()))
        if len(v) != self._rows:
            raise ValueError(f"x has {len(v)} row(s) and the state {self._rows}")
        vectors = {name: one[:, 0] for name, one in values.items()}
        v = vectors[main]
        with full_precision(v):
            for step in self._steps.values():
                v = step(v) if isinstance(step, Streaming) else step({**vectors, main: v})
        return v.to(returned)

    @property
    def state(self) -> States:
        """What is carried now; later steps do not change it."""
        return States((f"{name}.{s}", v.clone()) for name, step in self._steps.items() for s, v in step.state.items())

    @torch.no_grad()
    def select(self, index: Tensor) -> None:
        """Let row i go on from what row index[i] carries; index [B] integers, as many as there are rows."""
        if len(index) != self._rows:
            raise ValueError(f"index has {len(index)} row(s) and the state {self._rows}")
        for step in self._steps.values():
            step.state = {s: v[index] for s, v in step.state.items()}

    @torch.no_grad()
    def reset(self, rows: Tensor | None = None) -> None:
        """Put the initial state into the rows where `rows` [B] is True, or into all."""
        for name, step in self._steps.items():
            now = step.state
            like = next(iter(now.values()))
            start = self._layers[name].start(self._rows, like, like.dtype)
            if rows is not None:
                start = {s: torch.where(rows.unsqueeze(1), v, now[s]) for s, v in start.items()}
            step.state = start
