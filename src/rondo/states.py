"""States: what a network carries from call to call, by name."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree


class States(dict[str, Tensor]):
    """Every carried vector by layer, direction and state: {"l0.h": [B, n], "l0_reverse.h": [B, n], "l1.h": ...}.

    A plain dictionary of tensors (iterate with `items()`), with what a carried state needs besides.
    """

    def map(self, f: Callable[[Tensor], Tensor]) -> States:
        """`f` of every tensor."""
        return States((name, f(v)) for name, v in self.items())

    def detach(self) -> States:
        """The same values, cut from the gradient: the boundary of truncated backpropagation through time."""
        return self.map(Tensor.detach)

    def clone(self) -> States:
        return self.map(Tensor.clone)

    def to(self, *args: Any, **kwargs: Any) -> States:
        """As `Tensor.to`: a device, a dtype, or both."""
        return self.map(lambda v: v.to(*args, **kwargs))

    def rows(self, index: Any) -> States:
        """The rows that `index` selects: a list, a slice, a tensor of indices or booleans; one number keeps [1, n]."""
        index = [index] if isinstance(index, int) else index
        return self.map(lambda v: v[index])

    def at(self, layer: int, reverse: bool = False) -> dict[str, Tensor]:
        """The states of one layer and direction by their own names: `state.at(0)["h"]`."""
        prefix = f"{unit_name(layer, reverse)}."
        found = {name.removeprefix(prefix): v for name, v in self.items() if name.startswith(prefix)}
        if not found:
            raise KeyError(f"no layer {layer}{' in reverse' if reverse else ''}; the state holds {', '.join(self)}")
        return found

    @staticmethod
    def concatenate(parts: Sequence[States]) -> States:
        """The rows of all parts, one after another."""
        if not parts:
            raise ValueError("concatenate needs at least one state")
        if any(part.keys() != parts[0].keys() for part in parts):
            raise ValueError("these states come from different networks: their names differ")
        return States((name, torch.cat([part[name] for part in parts])) for name in parts[0])


def unit_name(layer: int, reverse: bool = False) -> str:
    """The name of one layer in one direction: l0, l0_reverse, l1, ..."""
    return f"l{layer}_reverse" if reverse else f"l{layer}"


# so that torch.func, torch.compile and DDP look inside
pytree.register_pytree_node(
    States, lambda s: (list(s.values()), list(s)), lambda values, names: States(zip(names, values, strict=True))
)
