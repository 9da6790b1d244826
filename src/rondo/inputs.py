"""What a call over sequences is given: checked, and brought to the dtype in which it is computed."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor

NARROW = (torch.float32, torch.float16, torch.bfloat16)  # all computed in float32


def computing_dtype(x: Tensor, weight: Tensor) -> torch.dtype:
    """float32 for float32 and half precision, float64 for float64; x and the parameters must agree.

    Integers (one-hot inputs) take the parameters' dtype. Raises TypeError otherwise.
    """
    own = torch.float32 if weight.dtype in NARROW else weight.dtype
    if x.dtype is own or (x.dtype in NARROW and own is torch.float32) or is_index(x):
        return own
    raise TypeError(
        f"x is {x.dtype} and the parameters are {weight.dtype}: convert x with x.to({weight.dtype}), "
        f"or the network with .to({x.dtype})"
    )


def cast(v: Tensor, dtype: torch.dtype) -> Tensor:
    """`v.to(dtype)`, without the cost of the call where nothing is to do."""
    return v if v.dtype is dtype else v.to(dtype)


def full_precision(x: Tensor) -> AbstractContextManager[object]:
    """Autocast switched off where it is on: a recurrence adds its rounding errors up."""
    kind = x.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else nullcontext()


def is_index(x: Tensor) -> bool:
    """Whether x holds symbols (integers) rather than vectors."""
    return not (x.is_floating_point() or x.is_complex() or x.dtype is torch.bool)


def check_sequence(x: object, name: str, size: int, like: Tensor) -> None:
    """x is [B, T, size], or [B, T] of integers below size, and on the parameters' device."""
    if not isinstance(x, Tensor):
        raise TypeError(f"{name} must be a tensor, found {type(x).__name__}")
    if is_index(x):
        if x.dim() != 2:
            raise ValueError(f"{name} of integers must be [batch, time], found {list(x.shape)}")
    elif x.dim() != 3 or x.shape[2] != size:
        raise ValueError(f"{name} must be [batch, time, {size}], found {list(x.shape)}")
    if x.device != like.device:
        raise ValueError(f"{name} is on {x.device} and the parameters are on {like.device}: move one of them")


def without_padding(x: Tensor, lengths: Tensor) -> Tensor:
    """x [B, T] or [B, T, n] with zeros past the lengths, whatever stood there."""
    alive = torch.arange(x.shape[1], device=x.device) < lengths.unsqueeze(1)
    return torch.where(alive if x.dim() == 2 else alive.unsqueeze(2), x, 0)


def checked_symbols(x: Tensor, size: int) -> Tensor:
    """Symbols [B, T] as int64; raises ValueError where one lies outside 0 .. size - 1."""
    if x.numel() and not torch.compiler.is_compiling():
        low, high = int(x.min()), int(x.max())
        if low < 0 or high >= size:
            raise ValueError(f"x holds integers from {low} to {high}; input size {size} allows 0 to {size - 1}")
    return x.long()


def checked_lengths(lengths: Tensor | None, batch: int, steps: int, device: torch.device) -> Tensor | None:
    """Lengths as int64 [B] on `device`; raises where one is negative or beyond T."""
    if lengths is None:
        return None
    if not isinstance(lengths, Tensor) or not is_index(lengths):
        what = lengths.dtype if isinstance(lengths, Tensor) else type(lengths).__name__
        raise TypeError(f"lengths must be a tensor of integers, found {what}")
    if lengths.shape != (batch,):
        raise ValueError(f"lengths must be [{batch}], one for each row of x, found {list(lengths.shape)}")
    if batch and not torch.compiler.is_compiling():
        low, high = int(lengths.min()), int(lengths.max())
        if low < 0 or high > steps:
            raise ValueError(f"lengths must lie between 0 and T = {steps}, found {low if low < 0 else high}")
    return lengths.to(device, torch.int64)


def checked_resets(resets: Tensor | None, batch: int, steps: int, device: torch.device) -> Tensor | None:
    """Resets as bool [B, T] on `device`."""
    if resets is None:
        return None
    if not isinstance(resets, Tensor) or resets.dtype is not torch.bool:
        what = resets.dtype if isinstance(resets, Tensor) else type(resets).__name__
        raise TypeError(f"resets must be a tensor of booleans, found {what}: write resets.bool()")
    if resets.shape != (batch, steps):
        raise ValueError(f"resets must be [{batch}, {steps}], like x, found {list(resets.shape)}")
    return resets.to(device)
