"""The baseline of secondary structure: a softmax regression on a residue and its neighbours.

    p(y_t = k) = softmax_k(b_k + sum_j W_j[x_{t+j}, k]),    j = -REACH .. REACH

a residue past an end counts nothing. The window of 15 is that of the classic methods (Qian & Sejnowski 1988,
doi:10.1016/0022-2836(88)90564-5, read 13).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor
from torch.nn import functional

from rondo.tasks.dna.data import STRUCTURES, Record
from rondo.tasks.dna.letters import AMINO, DnaError

REACH = 7
PASSES, ROWS, RATE, LEAST = 3, 4096, 0.02, 200  # of the fit; its steps, at least


@dataclass(frozen=True)
class Window:
    """weight [2 REACH + 1, residues + 1, structures], the last residue none; bias [structures]."""

    weight: Tensor
    bias: Tensor

    @classmethod
    def fit(cls, records: Sequence[Record], seed: int = 0) -> Self:
        """Fitted by Adam with a rate that falls to zero."""
        x = torch.cat([around(r.sequence) for r in records])
        y = torch.tensor([STRUCTURES.index(c) for r in records for c in r.label])
        weight = torch.zeros(2 * REACH + 1, len(AMINO) + 1, len(STRUCTURES), requires_grad=True)
        bias = torch.zeros(len(STRUCTURES), requires_grad=True)
        optimiser = torch.optim.Adam([weight, bias], lr=RATE)
        random, steps = torch.Generator().manual_seed(seed), max(LEAST, PASSES * len(y) // ROWS)
        schedule = torch.optim.lr_scheduler.LinearLR(optimiser, 1.0, 0.0, total_iters=steps)
        for _ in range(steps):
            rows = torch.randint(len(y), (min(ROWS, len(y)),), generator=random)
            optimiser.zero_grad()
            functional.cross_entropy(_scores(x[rows], weight, bias), y[rows]).backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
        return cls(weight.detach(), bias.detach())

    def labels(self, sequence: str) -> Tensor:
        """The likeliest structure of each residue, [T]."""
        return _scores(around(sequence), self.weight, self.bias).argmax(1)

    def to_json(self) -> dict[str, Any]:
        return {"weight": [round(v, 4) for v in self.weight.flatten().tolist()], "bias": self.bias.tolist()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Raises DnaError for what is no such regression."""
        try:
            shape = (2 * REACH + 1, len(AMINO) + 1, len(STRUCTURES))
            return cls(torch.tensor(value["weight"]).view(shape), torch.tensor(value["bias"]).view(len(STRUCTURES)))
        except (KeyError, TypeError, RuntimeError, ValueError):
            raise DnaError("the model file's baseline is damaged") from None


def around(sequence: str) -> Tensor:
    """For each residue the numbers of those around it, [T, 2 REACH + 1]; len(AMINO) past the ends."""
    x = torch.tensor([AMINO.index(c) for c in sequence.upper()])
    return functional.pad(x, (REACH, REACH), value=len(AMINO)).unfold(0, 2 * REACH + 1, 1)


def _scores(x: Tensor, weight: Tensor, bias: Tensor) -> Tensor:
    return bias + sum(weight[j][x[:, j]] for j in range(x.shape[1]))
