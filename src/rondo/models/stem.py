"""Stem: convolutions before a recurrence, which find short patterns and shorten long inputs.

    z_t = relu(b + sum_k W_k x_{s t + k - left}),    y_t = max of p neighbouring z

A layer of `width` taps reads as many steps before a place as after it (left = (width - 1) // 2), or only steps before
it (causal: left = width - 1), zeros past the ends; every `stride`-th place is kept, then the largest of each `pool`
neighbours. T steps become ceil(ceil(T / stride) / pool). What stands past a row's length is never read: a row answers
the same alone and beside longer ones. `StemStream` does the same piece by piece.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.expr.graph import nearest
from rondo.inputs import without_padding

SETTINGS = {"channels": 0, "width": 1, "stride": 1, "pool": 1}


class Stem(nn.Module):
    """Layers of convolution over vectors of `input` numbers.

    layers  of each: {"channels": outputs, "width": taps, "stride": 1, "pool": 1}

    Raises ValueError for a setting that does not exist or is not positive.
    """

    def __init__(self, input: int, layers: Sequence[Mapping[str, int]], causal: bool = False) -> None:
        super().__init__()
        self.settings = [_checked(layer) for layer in layers]
        self.causal = causal
        widths = [input, *(layer["channels"] for layer in self.settings)]
        self.layers = nn.ModuleList(
            nn.Conv1d(before, layer["channels"], layer["width"], stride=layer["stride"])
            for before, layer in zip(widths, self.settings, strict=False)
        )
        self.output_size = widths[-1]

    def forward(self, x: Tensor, lengths: Tensor | None = None) -> tuple[Tensor, Tensor | None]:
        """x [B, T, input] and lengths [B] to vectors [B, T', output_size] and their lengths."""
        for layer, setting in zip(self.layers, self.settings, strict=True):
            x, lengths = self._layer(layer, setting, x, lengths)
        return x, lengths

    def _layer(
        self, layer: nn.Module, setting: Mapping[str, int], x: Tensor, lengths: Tensor | None
    ) -> tuple[Tensor, Tensor | None]:
        taps, pool = setting["width"] - 1, setting["pool"]
        left = taps if self.causal else taps // 2
        x = x if lengths is None else without_padding(x, lengths)
        z: Tensor = layer(functional.pad(x.transpose(1, 2), (left, taps - left))).relu().transpose(1, 2)
        lengths = None if lengths is None else _ceil(lengths, setting["stride"])
        if pool == 1:
            return z, lengths
        # what relu gives is not below the zeros that fill the last group of a row up
        z = z if lengths is None else without_padding(z, lengths)
        filled = functional.pad(z.transpose(1, 2), (0, -z.shape[1] % pool))
        pooled = functional.max_pool1d(filled, pool).transpose(1, 2)
        return pooled, None if lengths is None else _ceil(lengths, pool)

    def steps(self, lengths: Tensor) -> Tensor:
        """How many steps so many become."""
        for setting in self.settings:
            lengths = _ceil(_ceil(lengths, setting["stride"]), setting["pool"])
        return lengths


class StemStream:
    """A stem over a sequence that comes in pieces: what it gives is what the stem gives of the whole sequence, and
    what it keeps is no longer than its filters.

        stream = StemStream(stem)
        y = torch.cat([*(stream(piece) for piece in pieces), stream.finish()], 1)
    """

    def __init__(self, stem: Stem, rows: int = 1) -> None:
        self._layers = [
            _LayerStream(layer, setting, stem.causal, rows)  # type: ignore[arg-type]
            for layer, setting in zip(stem.layers, stem.settings, strict=True)
        ]

    def __call__(self, x: Tensor) -> Tensor:
        """The steps [B, t', output_size] that are certain after x [B, t, input]; t' may be 0."""
        for layer in self._layers:
            x = layer(x)
        return x

    def finish(self) -> Tensor:
        """The steps that waited for what comes next, as if nothing does."""
        x: Tensor | None = None
        for layer in self._layers:
            parts = [] if x is None else [layer(x)]
            x = torch.cat([*parts, layer.finish()], 1)
        assert x is not None
        return x


class _LayerStream:
    """One layer: `kept` is what later places read of the past, `pooled` what has not filled a group yet."""

    def __init__(self, layer: nn.Conv1d, setting: Mapping[str, int], causal: bool, rows: int) -> None:
        taps = setting["width"] - 1
        left = taps if causal else taps // 2
        self._layer, self._setting, self._right, self._skip = layer, setting, taps - left, 0
        self._kept = layer.weight.new_zeros(rows, left, layer.in_channels)
        self._pooled = layer.weight.new_zeros(rows, 0, layer.out_channels)

    def __call__(self, x: Tensor) -> Tensor:
        return self._groups(self._places(x), last=False)

    def finish(self) -> Tensor:
        padding = self._kept.new_zeros(len(self._kept), self._right, self._kept.shape[2])
        return self._groups(self._places(padding), last=True)

    def _places(self, x: Tensor) -> Tensor:
        """What the convolution gives at the places that are certain now."""
        self._kept = torch.cat([self._kept, x[:, self._skip :]], 1)
        self._skip = max(0, self._skip - x.shape[1])
        width, stride = self._setting["width"], self._setting["stride"]
        places = max(0, (self._kept.shape[1] - width) // stride + 1)
        if not places:
            return self._pooled[:, :0]
        read = self._kept[:, : (places - 1) * stride + width]
        self._skip = max(0, places * stride - self._kept.shape[1])
        self._kept = self._kept[:, places * stride :]
        z: Tensor = self._layer(read.transpose(1, 2)).relu().transpose(1, 2)
        return z

    def _groups(self, z: Tensor, last: bool) -> Tensor:
        pool = self._setting["pool"]
        if pool == 1:
            return z
        z = torch.cat([self._pooled, z], 1)
        whole = -(-z.shape[1] // pool) if last else z.shape[1] // pool
        self._pooled = z[:, whole * pool :]
        # what relu gives is not below the zeros that fill the last group up
        taken = functional.pad(z[:, : whole * pool].transpose(1, 2), (0, max(0, whole * pool - z.shape[1])))
        return functional.max_pool1d(taken, pool).transpose(1, 2) if whole else z[:, :0]


def _ceil(n: Tensor, by: int) -> Tensor:
    return torch.div(n + by - 1, by, rounding_mode="floor")


def _checked(layer: Mapping[str, int]) -> dict[str, int]:
    for name, value in layer.items():
        if name not in SETTINGS:
            raise ValueError(f"a layer of a stem has no setting {name!r}{nearest(name, list(SETTINGS))}")
        if type(value) is not int or value < 1:
            raise ValueError(f"{name} of a stem's layer must be a positive whole number, found {value!r}")
    if "channels" not in layer:
        raise ValueError("a layer of a stem needs channels, the width of what it gives")
    return {**SETTINGS, **layer}
