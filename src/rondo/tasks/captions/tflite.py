"""A quantised TensorFlow Lite network as a torch module: MobileNetV2 (Sandler et al. 2018, arXiv:1801.04381).

Numbers of a tensor are kept as bytes q that stand for (q - zero point) * scale (Jacob et al. 2018, arXiv:1712.05877,
eq. 1). Here every weight is de-quantised, and what an operation gives is clamped to what its output tensor can hold:
ReLU6 hides in those ranges. Convolutions (also depthwise), additions and one mean over places are known; what stands
after the mean, the classes of ImageNet, is left out. The file is read as data, nothing in it is executed.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rondo.tasks.captions.flatbuffer import FlatError, Table, root

ADD, AVERAGE_POOL, CONV, DEPTHWISE = 0, 1, 3, 4
TYPES: dict[int, np.dtype[Any]] = {2: np.dtype("<i4"), 3: np.dtype("u1")}  # of tensors: int32, uint8
LARGEST = 1 << 26  # bytes of a file


@dataclass(frozen=True)
class Info:
    """A tensor: its shape, the numbers that it holds (of a constant), and what a byte of it stands for."""

    shape: tuple[int, ...]
    values: NDArray[np.float32] | None
    scale: float
    zero: int

    @property
    def low(self) -> float:
        return (0 - self.zero) * self.scale

    @property
    def high(self) -> float:
        return (255 - self.zero) * self.scale


@dataclass(frozen=True)
class Step:
    """An operation: what it reads, what it gives."""

    kind: int
    inputs: tuple[int, ...]
    output: int
    stride: tuple[int, int] = (1, 1)
    same: bool = True


class QuantisedNetwork(nn.Module):
    """The network up to the grid that its mean over places is taken of.

    forward   bytes [B, 3, H, W] or floats 0 ... 255 to the grid [B, C, h, w]: for 224 x 224, [B, 1280, 7, 7]
    """

    def __init__(self, tensors: list[Info], steps: list[Step], first: int, last: int) -> None:
        super().__init__()
        self.tensors, self.steps, self.first, self.last = tensors, steps, first, last
        for step in steps:
            for index in step.inputs:
                values = tensors[index].values
                if values is not None:
                    self.register_buffer(f"t{index}", _placed(step, index, values))

    @torch.inference_mode()
    def forward(self, x: Tensor) -> Tensor:
        info = self.tensors[self.first]
        x = ((x.float() - info.zero) * info.scale).contiguous(memory_format=torch.channels_last)
        held = {self.first: x}
        for step in self.steps:
            held[step.output] = self._run(step, held).clamp_(
                self.tensors[step.output].low, self.tensors[step.output].high
            )
        return held[self.last]

    def _run(self, step: Step, held: dict[int, Tensor]) -> Tensor:
        x = held[step.inputs[0]]
        if step.kind == ADD:
            return x + held[step.inputs[1]]
        weight, bias = (getattr(self, f"t{index}") for index in step.inputs[1:])
        if step.same:
            x = functional.pad(x, _same(x, weight, step.stride))
        groups = x.shape[1] if step.kind == DEPTHWISE else 1
        found: Tensor = functional.conv2d(x, weight, bias, step.stride, groups=groups)
        return found

    def quantised(self, grid: Tensor) -> Tensor:
        """The grid as the network itself keeps it: bytes."""
        info = self.tensors[self.last]
        return (grid / info.scale + info.zero).round().clamp(0, 255).to(torch.uint8)


def _placed(step: Step, index: int, values: NDArray[np.float32]) -> Tensor:
    """A constant as torch's convolution wants it: [out, in, h, w] of [out, h, w, in], or of [1, h, w, out]."""
    t = torch.from_numpy(values)
    if t.dim() != 4:
        return t
    return t.permute(3, 0, 1, 2).contiguous() if step.kind == DEPTHWISE else t.permute(0, 3, 1, 2).contiguous()


def _same(x: Tensor, weight: Tensor, stride: tuple[int, int]) -> list[int]:
    """Padding as TensorFlow's "same": an odd one more at the end; for `functional.pad`, width first."""
    found = []
    for side in (3, 2):
        size, k, s = x.shape[side], weight.shape[side], stride[side - 2]
        total = max((-(-size // s) - 1) * s + k - size, 0)
        found += [total // 2, total - total // 2]
    return found


def read_network(path: Path) -> QuantisedNetwork:
    """The network in a file. Raises FlatError where it is damaged or holds what is not known here."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise FlatError(f"{path} is too large for an encoder of pictures")
    try:
        return _read(data).eval()
    except FlatError as error:
        raise FlatError(f"{path}: {error}") from None
    except (ValueError, IndexError, RuntimeError) as error:  # sizes that do not fit their numbers
        raise FlatError(f"{path} is damaged: {error}") from None


def _read(data: bytes) -> QuantisedNetwork:
    model = root(data, b"TFL3")
    codes = [max(t.number(0, "<b"), t.number(3)) for t in model.tables(1)]
    graph = next(model.tables(2))
    buffers = list(model.tables(4))
    tensors = [_tensor(t, buffers) for t in graph.tables(0)]
    steps: list[Step] = []
    for operator in graph.tables(3):
        kind = codes[operator.number(0, "<I")]
        inputs = tuple(int(i) for i in operator.array(1, "<i4"))
        (output,) = (int(i) for i in operator.array(2, "<i4"))
        if kind == AVERAGE_POOL:  # the mean over places: the grid stands before it
            return QuantisedNetwork(tensors, steps, int(graph.array(1, "<i4")[0]), inputs[0])
        steps.append(_step(kind, inputs, output, operator.table(4)))
    raise FlatError("this network takes no mean over places: it is no encoder that is known here")


def _step(kind: int, inputs: tuple[int, ...], output: int, options: Table | None) -> Step:
    if kind == ADD and len(inputs) == 2:
        return Step(kind, inputs, output)
    if kind not in (CONV, DEPTHWISE) or len(inputs) != 3 or options is None:
        raise FlatError(f"operation {kind} with {len(inputs)} inputs is not known here")
    stride = options.number(2), options.number(1)
    if min(stride) < 1 or max(stride) > 16:
        raise FlatError(f"strides of {stride} are not possible")
    return Step(kind, inputs, output, stride, same=options.number(0, "<b") == 0)


def _tensor(table: Table, buffers: list[Table]) -> Info:
    shape = tuple(int(n) for n in table.array(0, "<i4"))
    kind, quantised = TYPES.get(table.number(1, "<b")), table.table(4)
    scales = quantised.array(2, "<f4") if quantised else np.zeros(0, np.float32)
    zeros = quantised.array(3, "<i8") if quantised else np.zeros(0, np.int64)
    if len(scales) > 1:
        raise FlatError("scales for each channel are not known here")
    scale, zero = (float(scales[0]) if len(scales) else 1.0), (int(zeros[0]) if len(zeros) else 0)
    raw = buffers[table.number(2, "<I")].array(0, np.uint8)
    if not len(raw) or kind is None:
        return Info(shape, None, scale, zero)
    values = ((np.frombuffer(raw.tobytes(), kind).astype(np.float64) - zero) * scale).astype(np.float32)
    return Info(shape, values.reshape(shape), scale, zero)
