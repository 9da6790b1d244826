"""One side of a comparison: a module with its input and the gradient that arrives at its output."""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rondo.kernels.check import Tensors


@dataclass(frozen=True)
class Contestant:
    """`module(x)` gives (y, state); `grad` has y's shape. x needs no gradient, as in a first layer."""

    module: nn.Module
    x: Tensor
    grad: Tensor

    def train(self) -> None:
        """Forward and backward: the gradients of all parameters."""
        for p in self.module.parameters():
            p.grad = None
        y, _ = self.module(self.x)
        y.backward(self.grad)

    def forward(self) -> Tensor:
        """Forward as in training: what backward needs is kept."""
        y: Tensor = self.module(self.x)[0]
        return y

    def inference(self) -> Tensor:
        with torch.no_grad():
            y: Tensor = self.module(self.x)[0]
        return y

    def double(self) -> Contestant:
        """The same in float64."""
        return Contestant(copy.deepcopy(self.module).double(), self.x.double(), self.grad.double())

    def results(self) -> Tensors:
        """Output with and without gradients, final states, and the gradient of every parameter, by torch's names."""
        self.train()
        y, state = self.module(self.x)
        values = state.values() if isinstance(state, dict) else state if isinstance(state, tuple) else (state,)
        found = {"output": y.detach(), "inference": self.inference()}
        found |= {f"state {name}": v.detach() for name, v in zip("hc", values, strict=False)}
        return found | {f"dL/d{name}": p.grad for name, p in self.module.named_parameters() if p.grad is not None}
