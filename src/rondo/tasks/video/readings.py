"""What a model says of every frame of a clip of any length.

Long clips are read in parts that overlap, as long as training's; a frame's scores are the mean of what is said of it
in every part that has it, and a clip's the mean of its frames'. Joints are read in a mirror as well: what somebody does
does not change there. Beside the network stands least squares on what a part is on average (`rondo.models.moments`):

    scores<t> = network<t> + weight * least squares(part of t)

On some hundreds of clips each sees what the other does not.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.models.classifier import Classifier
from rondo.models.moments import Moments
from rondo.tasks.video import joints, pixels
from rondo.tasks.video.data import stacked
from rondo.tasks.video.model import PixelModel

Floats = NDArray[np.float64]
PART, HOP = 40, 10  # frames of a part of joints, and from one to the next: JHMDB's clips have at most 40
SPEEDS = (1.0, 0.85, 1.18)
ROWS = 64  # parts that are read side by side
SMOOTH = 4  # frames before and after that a frame's scores are averaged with


@dataclass(frozen=True)
class Reading:
    """How a model reads.

    frames, every  of pixels: frames of a part, and how many of the video's frames make one
    weight         of joints: of least squares beside the network
    """

    frames: int = 12
    every: int = 2
    weight: float = 0.0


def scores(model: Classifier | PixelModel, x: NDArray[Any], reading: Reading, beside: Moments | None = None) -> Floats:
    """The scores of every frame of a clip, [T, classes]; `beside`, for joints: the least squares that are added."""
    if isinstance(model, PixelModel):
        return pixel_scores(model, x, reading)
    return joint_scores(model, x, beside, reading.weight if beside else 0.0)


def starts(size: int, part: int, hop: int) -> list[int]:
    """Where parts begin: every `hop` frames, the last one at the end."""
    last = max(0, size - part)
    return sorted({*range(0, last + 1, hop), last})


def joint_scores(model: Classifier, p: joints.Floats, beside: Moments | None = None, weight: float = 0.0) -> Floats:
    """Joints [T, 15, 2] to scores [T, classes]: the mean over parts, speeds and the mirror."""
    total = np.zeros((len(p), len(model.head.bias)))
    for speed in SPEEDS:
        seen = joints.at_speed(p, speed)
        places = np.round(np.linspace(0, len(seen) - 1, len(p))).astype(int)
        total += _at_one_speed(model, seen, beside, weight)[places]
    return total / len(SPEEDS)


@torch.no_grad()
def _at_one_speed(model: Classifier, p: joints.Floats, beside: Moments | None, weight: float) -> Floats:
    found, times = np.zeros((len(p), len(model.head.bias))), np.zeros((len(p), 1))
    first = starts(len(p), PART, HOP) * 2
    middle = len(first) // 2
    parts = [p[s : s + PART] for s in first[:middle]]
    x = [joints.features(part) for part in [*parts, *map(joints.mirrored, parts)]]
    for k in range(0, len(x), ROWS):
        batch = stacked(x[k : k + ROWS])
        rows = model.head.scores(model.body(batch.x, batch.lengths)[0]).double().numpy()
        own = weight * beside.scores(x[k : k + ROWS]) if beside is not None and weight else np.zeros(len(rows))
        for s, row, more, v in zip(first[k:], rows, own, x[k:], strict=False):
            found[s : s + len(v)] += row[: len(v)] + more
            times[s : s + len(v)] += 1
    mean: Floats = found / times
    return mean


@torch.no_grad()
def pixel_scores(model: PixelModel, g: pixels.Bytes, reading: Reading) -> Floats:
    """Luma [T, 64, 64] to scores [T, classes]."""
    frames, every = reading.frames, reading.every
    span = frames * every
    first = starts(len(g), span, max(1, every + every // 2))
    total = np.zeros((len(g), len(model.classifier.head.bias)))
    count = np.zeros((len(g), 1))
    for k in range(0, len(first), ROWS):
        some = first[k : k + ROWS]
        x = np.stack([pixels.planes(pixels.window(g, frames, every, s)) for s in some])
        h, _ = model.classifier.body(model.see(torch.from_numpy(x)))
        found = model.classifier.head.scores(h).double().numpy()
        for s, row in zip(some, found, strict=True):
            stretched = np.repeat(row, every, 0)[: max(0, len(g) - s)]
            total[s : s + span] += stretched
            count[s : s + span] += 1
    return total / count


def smoothed(values: Floats, by: int = SMOOTH) -> Floats:
    """The mean of each row and its `by` neighbours on either side; fewer at the ends."""
    sums = np.concatenate([np.zeros((1, values.shape[1])), values.cumsum(0)])
    at = np.arange(len(values))
    low, high = np.maximum(0, at - by), np.minimum(len(values), at + by + 1)
    found: Floats = (sums[high] - sums[low]) / (high - low)[:, None]
    return found


def softmax(values: Floats, temperature: float = 1.0) -> Floats:
    """Probabilities along the last axis."""
    z = values / temperature
    e = np.exp(z - z.max(-1, keepdims=True))
    found: Floats = e / e.sum(-1, keepdims=True)
    return found
