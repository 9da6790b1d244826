"""The lecture's two cases: a vanishing and an exploding network, each before and after clipping and gates.

Both are Elman networks h<t> = tanh(W x<t> + U h<t-1> + b) that are to recall the first input after `steps` steps; U is
Gaussian, scaled to a spectral radius of 0.9 (vanishing) and of 4 (exploding). The largest singular value of such a U
is about twice its radius: above 1 in both cases, so the lecture's rule alone would call both exploding.

* Clipping by norm (Pascanu et al. 2013, arXiv:1211.5063, algorithm 1) scales the gradient of all parameters by
  min(1, limit / norm): it bounds the update; it can neither bring back what vanished nor change the decay's shape.
* Gates: a GRU and an LSTM of the same size, their recurrent matrices of the same radius, their gates open for about
  `steps` steps at the start (bias log(steps - 1): Tallec & Ollivier 2018, arXiv:1804.11188).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from rondo.diagnose.flow import gradient_flow, log10
from rondo.diagnose.inside import Array, array
from rondo.diagnose.jacobian import product_singular_values, step_jacobians
from rondo.diagnose.spectrum import spectra
from rondo.expr.rewrite import recurrent_blocks
from rondo.rnn import RNN

RADIUS = {"vanishing": 0.9, "exploding": 4.0}
GATES = {"gru-cho": ("b_u", -1.0), "lstm": ("b_f", 1.0)}  # the bias that keeps the memory, and its sign
INPUT, ROWS, LIMIT, RATE = 4, 16, 1.0, 0.1


@dataclass(frozen=True)
class Case:
    """One network at its initial weights. Gradients are log10 of the median over rows, by distance [K].

    radius, norm  spectral radius and largest singular value of U
    before        dL/dh<t> of the Elman network
    factor        what clipping multiplies every gradient by
    gated         dL/ds<t> of the gated networks, by cell, over all states
    product       log10 of the largest singular value of dh<T>/dh<T-k>, k = 1 ... K
    """

    radius: float
    norm: float
    before: Array
    factor: float
    gated: dict[str, Array]
    product: Array

    @property
    def clipped(self) -> Array:
        """`before` after clipping."""
        return self.before + math.log10(self.factor)

    @property
    def bound(self) -> Array:
        """The lecture's rule: k log10(largest singular value of U)."""
        k = torch.arange(1, len(self.product) + 1, dtype=torch.float64)
        return array(k * math.log10(self.norm))


@dataclass(frozen=True)
class Descent:
    """A training by plain gradient descent: loss, gradient norm, and norm of what was applied, at each step [N]."""

    loss: Array
    gradient: Array
    applied: Array


@dataclass(frozen=True)
class Lecture:
    """Both cases, and the exploding one in training: {"elman", "elman, clipped", "gru-cho", "lstm"}."""

    vanishing: Case
    exploding: Case
    training: dict[str, Descent]


def lecture(hidden: int = 64, steps: int = 50, updates: int = 60, seed: int = 1) -> Lecture:
    """Both cases, computed in float64 from the seed alone."""
    x = torch.randn(ROWS, steps, INPUT, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    radius = RADIUS["exploding"]
    runs = {name: descend(Recall(name, hidden, steps, radius, seed), x, updates, None) for name in ("elman", *GATES)}
    clipped = descend(Recall("elman", hidden, steps, radius, seed), x, updates, LIMIT)
    training = {"elman": runs.pop("elman"), "elman, clipped": clipped, **runs}
    cases = {name: case(x, hidden, r, seed) for name, r in RADIUS.items()}
    return Lecture(cases["vanishing"], cases["exploding"], training)


class Recall(nn.Module):
    """A network that is to answer the first number of its input after the last step: y = v . h<T>."""

    def __init__(self, cell: str, hidden: int, steps: int, radius: float, seed: int) -> None:
        super().__init__()
        self.rnn = RNN(cell, INPUT, hidden, dtype=torch.float64)
        draw = torch.Generator().manual_seed(seed)
        matrices = {b.name for b in recurrent_blocks(self.rnn.cell.graph)}
        self.head = nn.Parameter(torch.randn(hidden, dtype=torch.float64, generator=draw) / hidden**0.5)
        with torch.no_grad():
            for name, p in self.rnn.part("l0").named_parameters():
                if name in matrices:
                    p.copy_(of_radius(radius, hidden, draw))
                elif p.dim() == 2:
                    p.normal_(std=INPUT**-0.5, generator=draw)
                else:
                    p.zero_()
            if cell in GATES:
                bias, sign = GATES[cell]
                getattr(self.rnn.part("l0"), bias).fill_(sign * math.log(steps - 1))

    def loss(self, x: Tensor) -> Tensor:
        """Mean of half the squared error."""
        y: Tensor = self.rnn(x)[0][:, -1] @ self.head
        return (0.5 * (y - x[:, 0, 0]) ** 2).mean()


def of_radius(radius: float, n: int, draw: torch.Generator) -> Tensor:
    """A Gaussian matrix [n, n] scaled to this spectral radius."""
    u = torch.randn(n, n, dtype=torch.float64, generator=draw)
    largest: Tensor = torch.linalg.eigvals(u).abs().max()
    return u * (radius / largest)


def case(x: Tensor, hidden: int, radius: float, seed: int) -> Case:
    """One case at the initial weights."""
    elman = Recall("elman", hidden, x.shape[1], radius, seed)
    elman.loss(x).backward()  # type: ignore[no-untyped-call]
    (u,) = spectra(elman.rnn).values()
    product = product_singular_values(step_jacobians(elman.rnn, lambda: elman.rnn(x), rows=1)["l0"])
    return Case(
        radius=float(u.radius or 0),
        norm=u.norm,
        before=decay(elman, x),
        factor=clip_factor(norm(elman), LIMIT),
        gated={cell: decay(Recall(cell, hidden, x.shape[1], radius, seed), x) for cell in GATES},
        product=product[0, :, 0],
    )


def decay(model: Recall, x: Tensor) -> Array:
    """log10 of the median over rows of the norm of dL/ds<t>, all states together, by distance."""
    flow = gradient_flow(model.rnn, lambda: model.loss(x))
    whole = np.sqrt(np.sum([v**2 for v in flow.norms.values()], 0))
    return log10(np.median(np.asarray(whole), 0))


def descend(model: Recall, x: Tensor, updates: int, limit: float | None) -> Descent:
    """Gradient descent on one batch, with the gradient clipped to `limit` if it is given."""
    seen = []
    for _ in range(updates):
        model.zero_grad()
        loss = model.loss(x)
        loss.backward()  # type: ignore[no-untyped-call]
        size = norm(model)
        factor = 1.0 if limit is None else clip_factor(size, limit)
        with torch.no_grad():
            for p in model.parameters():
                p.sub_(gradient_of(p), alpha=RATE * factor)
        seen.append((float(loss.detach()), size, factor * size))
    return Descent(*array(torch.tensor(seen, dtype=torch.float64).T))


def norm(model: nn.Module) -> float:
    """The norm of the gradient of all parameters together (the lecture's snippet forgets the square root)."""
    return float(torch.cat([gradient_of(p).flatten() for p in model.parameters()]).norm())


def gradient_of(p: nn.Parameter) -> Tensor:
    return torch.zeros_like(p) if p.grad is None else p.grad


def clip_factor(size: float, limit: float) -> float:
    """min(1, limit / norm)."""
    return min(1.0, limit / size) if size > 0 else 1.0
