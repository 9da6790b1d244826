"""The network and the grammar as one predictor of `rondo.search`: what may not come has probability zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rondo.models.generator import Generator, GeneratorPredictor, Position
from rondo.tasks.music.grammar import Machine


@dataclass(frozen=True)
class Place:
    """Where some rows stand: in the network, and in the grammar."""

    position: Position
    machines: list[Machine]


class TunePredictor:
    """Rows of tunes, each under its own machine: its form, its script. A place is used up by `step` and `select`."""

    def __init__(self, model: Generator, machines: Sequence[Machine]) -> None:
        self.model, self.machines = model, list(machines)
        self._inner = GeneratorPredictor(model, None)

    def start(self, rows: int) -> Place:
        """Before <s>."""
        if rows != len(self.machines):
            raise ValueError(f"there are {len(self.machines)} machines and {rows} rows")
        return Place(self._inner.start(rows), [machine.copy() for machine in self.machines])

    @torch.no_grad()
    def step(self, symbols: Tensor, state: Place) -> tuple[Tensor, Place]:
        """Log-probabilities [N, V] of what may follow these symbols; -inf elsewhere."""
        for machine, symbol in zip(state.machines, symbols.tolist(), strict=True):
            machine.read(symbol)
        told = torch.tensor([[machine.features()] for machine in state.machines])
        may = torch.from_numpy(np.stack([machine.allowed() for machine in state.machines]))
        x = self.model.inputs(symbols.unsqueeze(1), told)[:, 0]
        scores = self.model.head.scores(state.position.stepper(x)).log_softmax(1)
        return scores.where(may, -torch.inf), state

    @torch.no_grad()
    def select(self, state: Place, index: Tensor) -> Place:
        """These rows."""
        rows = index.tolist()
        once = len(set(rows)) == len(rows)
        machines = [state.machines[i] if once else state.machines[i].copy() for i in rows]
        return Place(self._inner.select(state.position, index), machines)
