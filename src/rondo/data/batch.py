"""Batch: one step's data, for every model shape."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from torch import Tensor

IGNORED = -100  # a target that does not count: torch's own number for it


@dataclass(frozen=True)
class Batch:
    """One step's data. What a model does not use stays None.

    x          [B, T] symbols, or [B, T, n] vectors
    y          what is learned: [B, T] following symbols or labels (IGNORED where none counts), [B] classes, [B, n]
               numbers, or [B, U] another sequence
    lengths    [B] symbols of x in each row; None: all T
    targets    [B] symbols of y in each row, where y is another sequence than x
    resets     [B, T] bool: True where a new document begins, entered with the initial state
    condition  [B, n] or [B, T, n]: what the output is to be about
    advance    steps of x after which the next batch begins; None: all. Fewer where the gradient reaches further back
               than one window: the steps of the overlap are read again, their targets IGNORED
    fresh      x does not continue the batch before: the state starts anew
    """

    x: Tensor
    y: Tensor | None = None
    lengths: Tensor | None = None
    targets: Tensor | None = None
    resets: Tensor | None = None
    condition: Tensor | None = None
    advance: int | None = None
    fresh: bool = True

    @property
    def labels(self) -> Tensor:
        """What is to be learned. Raises ValueError where the batch does not say."""
        if self.y is None:
            raise ValueError("the batch has no targets y: a loss needs batch.y, what is to be learned")
        return self.y

    def to(self, *args: Any, **kwargs: Any) -> Batch:
        """As `Tensor.to`, of every tensor."""
        return self._map(lambda _, v: v.to(*args, **kwargs))

    def rows(self, index: Any) -> Batch:
        """The rows that `index` selects: a slice, a list, a tensor of indices."""
        return self._map(lambda _, v: v[index])

    def steps(self, first: int, last: int) -> Batch:
        """Steps first ... last - 1 of aligned sequences; a piece that does not begin at 0 is not fresh."""

        def cut(name: str, v: Tensor) -> Tensor:
            if name == "lengths":
                return (v - first).clamp(0, last - first)
            return v if v.dim() == 1 or (name == "condition" and v.dim() == 2) else v[:, first:last]

        return dataclasses.replace(self._map(cut), fresh=self.fresh and first == 0)

    def _map(self, f: Any) -> Batch:
        tensors = {k.name: getattr(self, k.name) for k in dataclasses.fields(self)}
        return dataclasses.replace(self, **{k: f(k, v) for k, v in tensors.items() if isinstance(v, Tensor)})
