"""Softmax cross-entropy of a linear map, in pieces: the scores of all rows never exist at once.

    z = W h + b,    L = -sum_i log softmax(z_i)[y_i],    dL/dz = softmax(z) - onehot(y)

With V in the thousands the scores [N, V] are by far the largest tensor of a training step: the plain computation holds
them, their log-softmax and their gradient. Here a piece of the rows is mapped into one buffer, which becomes the
softmax and then dL/dz in place, and is at once multiplied into dL/dh, dL/dW and dL/db. That needs no second product for
the scores, because dL/dz of a sum is known but for one factor, the gradient that arrives at the sum.

Rows are cut, not symbols: pieces of the vocabulary would need the scores twice (first for the normaliser), and were
not faster at any size measured. See `benchmarks/output.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd import Function
from torch.nn import functional

from rondo.data.batch import IGNORED

PIECE = 1 << 23  # scores held at once: products of fewer rows are slower, and more only fill memory
LEAST_ROWS = 256  # of a piece, whatever V
PLAIN = 1 << 20  # up to so many scores stay in the caches, and torch's own operators are as fast or faster

Needs = tuple[bool, bool, bool]  # of h, weight, bias
Gradients = tuple[Tensor | None, Tensor | None, Tensor | None]


def cross_entropy(
    h: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, smoothing: float = 0.0
) -> tuple[Tensor, int]:
    """The cross-entropy of softmax(h W^T + b) at the symbols y in nats, summed, and how many symbols counted.

    h [N, D], weight [V, D], bias [V] or None, all of one floating dtype; y [N] integers, IGNORED where none counts.
    smoothing e puts e / V of the target's weight on each symbol, as `torch.nn.functional.cross_entropy` does
    (Szegedy et al. 2016, arXiv:1512.00567, sec. 7). Differentiable twice; the second time holds all scores.
    Raises ValueError where y lies outside 0 ... V - 1, or does not fit h.
    """
    y = _checked(h, y)
    rows = _counted(y, len(weight))
    count = len(y) if rows is None else len(rows)
    if len(y) * len(weight) <= PLAIN:
        return _plain(h, weight, bias, y, smoothing), count
    tensors = (h, weight) if bias is None else (h, weight, bias)
    total: Tensor
    if torch.is_grad_enabled() and any(t.requires_grad for t in tensors):
        total = _CrossEntropy.apply(h, weight, bias, y, rows, smoothing)  # type: ignore[no-untyped-call]
    else:
        total, _ = _over_pieces(h, weight, bias, y, rows, smoothing, (False, False, False))
    return total, count


@torch.no_grad()
def nats(h: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor) -> Tensor:
    """-log softmax(h W^T + b)[y] of each row [N] (its surprisal), 0 where y is IGNORED; carries no gradient."""
    y, found = _checked(h, y), h.new_zeros(len(h))
    for z, here, _ in _pieces(h, weight, bias, _counted(y, len(weight))):
        found[here] = _surprisal(z, y[here].unsqueeze(1)).squeeze(1)
    return found


def _checked(h: Tensor, y: Tensor) -> Tensor:
    """y as int64."""
    if y.shape != h.shape[:1]:
        raise ValueError(f"y must be {list(h.shape[:1])}, a symbol for each row of h, found {list(y.shape)}")
    if y.is_floating_point() or y.dtype is torch.bool:
        raise ValueError(f"y must hold the numbers of symbols, found {y.dtype}: convert it with y.long()")
    return y.long()


def _counted(y: Tensor, symbols: int) -> Tensor | None:
    """The numbers of the rows that count; None where all do."""
    rows = (y != IGNORED).nonzero().squeeze(1)
    found = y if len(rows) == len(y) else y[rows]
    if len(found):
        low, high = (int(v) for v in found.aminmax())
        if low < 0 or high >= symbols:
            allowed = f"{symbols} symbols allow 0 to {symbols - 1}, and {IGNORED} for none"
            raise ValueError(f"y holds symbols from {low} to {high}: {allowed}")
    return None if found is y else rows


def _pieces(
    h: Tensor, weight: Tensor, bias: Tensor | None, rows: Tensor | None
) -> Iterator[tuple[Tensor, slice | Tensor, Tensor]]:
    """Scores of some rows [m, V] in a buffer that the next piece takes over, which rows they are, and their h."""
    total = len(h) if rows is None else len(rows)
    most = max(LEAST_ROWS, PIECE // len(weight))
    m = -(-total // max(1, -(-total // most)))  # pieces of equal size
    buffer = h.new_empty(m, len(weight))
    for first in range(0, total, max(1, m)):
        piece = slice(first, min(first + m, total))
        here = piece if rows is None else rows[piece]
        own = h[here]
        z = buffer[: len(own)]
        torch.mm(own, weight.T, out=z) if bias is None else torch.addmm(bias, own, weight.T, out=z)
        yield z, here, own


def _surprisal(z: Tensor, y: Tensor) -> Tensor:
    """-log softmax(z)[y] of each row [m, 1]; z becomes its softmax.

    With k the place of a row's largest score, log sum exp z = z_k - log softmax(z)_k: exact however far apart scores
    lie, because softmax(z)_k is never below 1 / V.
    """
    above = z.amax(1, keepdim=True) - z.gather(1, y)
    torch.softmax(z, 1, out=z)
    return above - z.amax(1, keepdim=True).log()


def _over_pieces(
    h: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    y: Tensor,
    rows: Tensor | None,
    smoothing: float,
    needs: Needs,
) -> tuple[Tensor, Gradients]:
    """The sum, and its gradients of h, weight and bias where needed."""
    total = h.new_zeros(())
    d_h = None if not needs[0] else torch.empty_like(h) if rows is None else torch.zeros_like(h)
    d_weight = torch.zeros_like(weight) if needs[1] else None
    d_bias = torch.zeros_like(bias) if needs[2] and bias is not None else None
    for z, here, own in _pieces(h, weight, bias, rows):
        target = y[here].unsqueeze(1)
        apart = z.gather(1, target) - z.mean(1, keepdim=True) if smoothing else 0.0
        total += (_surprisal(z, target) + smoothing * apart).sum()
        if any(needs):  # z is the softmax: make it dL/dz
            z.scatter_(1, target, z.gather(1, target) - (1 - smoothing))
            if smoothing:
                z -= smoothing / len(weight)
        if d_h is not None:
            _write(d_h, here, z, weight)
        if d_weight is not None:
            d_weight.addmm_(z.T, own)
        if d_bias is not None:
            d_bias += z.sum(0)
    return total, (d_h, d_weight, d_bias)


def _write(d_h: Tensor, here: slice | Tensor, d_z: Tensor, weight: Tensor) -> None:
    """dL/dh of some rows; straight to its place where these lie together."""
    if isinstance(here, slice):
        torch.mm(d_z, weight, out=d_h[here])
    else:
        d_h[here] = d_z @ weight


class _CrossEntropy(Function):
    """The sum; its gradients are made in forward and handed out, scaled, by the first backward."""

    @staticmethod
    def forward(
        ctx: Any,
        h: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        y: Tensor,
        rows: Tensor | None,
        smoothing: float,
    ) -> Tensor:
        ctx.save_for_backward(h, weight, bias, y, rows)
        ctx.smoothing = smoothing
        total, ctx.gradients = _over_pieces(h, weight, bias, y, rows, smoothing, ctx.needs_input_grad[:3])
        return total

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> Any:
        h, weight, bias, y, rows = ctx.saved_tensors
        needs = ctx.needs_input_grad[:3]
        if torch.is_grad_enabled():
            return (*_replay(h, weight, bias, y, ctx.smoothing, needs, upstream), None, None, None)
        found, ctx.gradients = ctx.gradients, None  # given away, so that they need not be copied
        if found is None:
            _, found = _over_pieces(h, weight, bias, y, rows, ctx.smoothing, needs)
        return (*(None if d is None else d.mul_(upstream) for d in found), None, None, None)


def _plain(h: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, smoothing: float) -> Tensor:
    scores = functional.linear(h, weight, bias)
    return functional.cross_entropy(scores, y, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)


def _replay(
    h: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    y: Tensor,
    smoothing: float,
    needs: Needs,
    upstream: Tensor,
) -> list[Tensor | None]:
    """The same gradients by torch's own operators, so that they can be differentiated again."""
    with torch.enable_grad():
        total = _plain(h, weight, bias, y, smoothing)
        wanted = [t for t, need in zip((h, weight, bias), needs, strict=True) if need and t is not None]
        found = iter(torch.autograd.grad(total, wanted, upstream, create_graph=True))
    return [next(found) if need else None for need in needs]
