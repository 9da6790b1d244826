"""Reach: which inputs each output of a network can see, measured as gradients.

    R[t, s] = ‖∂y<t> / ∂x<s>‖        (Frobenius norm of the Jacobian's block)

A network that reads forward has R[t, s] = 0 for s > t, however deep: its map is lower triangular. One that reads both
ways has no such zeros (Schuster & Paliwal 1997, doi:10.1109/78.650093, sec. II). The same is measured for every state
in between, ‖∂y<t> / ∂h<s>‖ of each layer and direction: the paths by which it is seen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from rondo.diagnose import DiagnoseError
from rondo.diagnose.inside import Array, array, probing, scanning
from rondo.rnn import RNN, as_cell

WIDE = 6  # numbers of a word that are drawn
MOST_ROWS = 4096  # copies of the sequence, one for each number of each output


@dataclass(frozen=True)
class Sight:
    """Norms [T, T] of the gradient of output t (row) by input s (column), and by every state: {"l0.h": [T, T]}."""

    inputs: Array
    states: dict[str, Array]

    def seen(self, t: int, share: float = 0.0) -> int:
        """How many inputs output t sees: whose norm is above `share` of the row's largest."""
        row = self.inputs[t]
        return int((row > share * row.max()).sum())

    def after(self, t: int) -> float:
        """The part of output t's norms that later inputs have; 0 where there is none at all."""
        row = self.inputs[t]
        return float(row[t + 1 :].sum() / row.sum()) if row.sum() > 0 else 0.0


def sight(rnn: RNN, x: Tensor, head: Callable[[Tensor], Tensor] | None = None) -> Sight:
    """The gradients of every output of a network by every input of one sequence x [T, n], and by every state.

    head    what is asked of the outputs, [B, T, m] to [B, T, K], step by step; without it the outputs themselves.
    The network should be in evaluation. Raises DiagnoseError for a sequence that is empty or too long: it is read once
    for each of the T K numbers, in one batch.
    """
    if x.dim() != 2 or not len(x):
        raise DiagnoseError(f"reach is measured on one sequence [T, n] of at least one step, found {list(x.shape)}")
    answers = head or (lambda y: y)
    with torch.no_grad():
        width = answers(rnn(x.unsqueeze(0))[0]).shape[2]
    steps, rows = len(x), len(x) * width
    if rows > MOST_ROWS:
        raise DiagnoseError(f"{steps} steps of {width} numbers are too many: at most {MOST_ROWS} together")
    copies = x.detach().expand(rows, -1, -1).clone().requires_grad_()
    probes: dict[str, Tensor] = {}
    with torch.enable_grad(), scanning(rnn, probing(probes)):
        y = answers(rnn(copies)[0]).reshape(steps, width, steps, width)
    asked = torch.einsum("tktk->tk", y).sum()  # row (t, k) asks for number k of output t
    found = torch.autograd.grad(asked, [copies, *probes.values()], allow_unused=True, materialize_grads=True)
    norms = [array(g.reshape(steps, width, steps, -1).square().sum((1, 3)).sqrt()) for g in found]
    return Sight(norms[0], dict(zip(probes, norms[1:], strict=True)))


def drawn(
    symbols: list[str], cell: str = "lstm", layers: int = 1, bidirectional: bool = False, hidden: int = 5, seed: int = 1
) -> tuple[RNN, Tensor]:
    """A network and a sequence for `sight`, in float64, from the seed alone: each symbol has a vector of its own
    [WIDE], the same wherever it stands; matrices have deviation 1/sqrt(columns), biases are zero."""
    draw = torch.Generator().manual_seed(seed)
    alphabet = list(dict.fromkeys(symbols))
    vectors = torch.randn(len(alphabet), WIDE, dtype=torch.float64, generator=draw)
    rnn = RNN(as_cell(cell), WIDE, hidden, layers, bidirectional, dtype=torch.float64).eval()
    with torch.no_grad():
        for p in rnn.parameters():
            if p.dim() == 2:
                p.copy_(torch.randn(p.shape, dtype=torch.float64, generator=draw) * p.shape[1] ** -0.5)
            else:
                p.zero_()
    return rnn, vectors[[alphabet.index(s) for s in symbols]]
