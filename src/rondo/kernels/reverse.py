"""The reverse direction, as the forward loop on flipped sequences: each row is read from its own end."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Flip = Callable[[Tensor], Tensor]
Named = dict[str, Tensor]


def flipper(lengths: Tensor | None, steps: int) -> Flip:
    """A function that reverses each row of [B, T] or [B, T, n] within its length and leaves the padding in place."""
    if lengths is None:
        return lambda v: v.flip(1)
    t = torch.arange(steps, device=lengths.device)
    ends = lengths.unsqueeze(1)
    index = torch.where(t < ends, ends - 1 - t, t)
    return lambda v: v.gather(1, index if v.dim() == 2 else index.unsqueeze(2).expand_as(v))


def restarts(resets: Tensor, lengths: Tensor | None) -> Tensor:
    """Where the reverse direction enters a new segment: the step below each first step of a segment, [B, T].

    A mark past the end of a row is in the padding and cuts nothing.
    """
    below = torch.cat([resets[:, 1:], torch.zeros_like(resets[:, :1])], 1)
    if lengths is None:
        return below
    return below & (torch.arange(1, resets.shape[1] + 1, device=resets.device) < lengths.unsqueeze(1))


def backwards(
    run: Callable[[Named, Tensor | None, Named | None], tuple[Tensor, Named]],
    x: Named,
    lengths: Tensor | None,
    resets: Tensor | None,
    masks: Named | None,
) -> tuple[Tensor, Named]:
    """`run(x, resets, masks)`, a forward loop, in the reverse direction; masks belong to their steps and turn too."""
    flip = flipper(lengths, next(iter(x.values())).shape[1])
    turned = None if resets is None else flip(restarts(resets, lengths))
    masks = {k: flip(m) if m.dim() == 3 else m for k, m in (masks or {}).items()}
    y, state = run({k: flip(v) for k, v in x.items()}, turned, masks)
    return flip(y), state
