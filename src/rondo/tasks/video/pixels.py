"""Frames as a network reads them: two planes of 64x64 numbers a frame.

From luma g [T, 64, 64] of every `every`-th frame:

    a<t> = (g<t> - mean of g) / (spread of g)         the picture, in its own light
    b<t> = (g<t> - g<t-1>) / 24                       what has changed since the frame read before

The second is what motion leaves; of the first frame it is zero.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIZE = 64
PER_SECOND = 25.0
PLANES = 2
CHANGE = 24.0  # levels of grey that count as 1
FLATTEST = 4.0  # least spread of a picture: a grey wall is not blown up

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]


def planes(g: Bytes | Floats) -> Floats:
    """Luma [T, 64, 64] as [T, 2, 64, 64]."""
    light = np.asarray(g, dtype=np.float32)
    spread = max(FLATTEST, float(light.std()))
    picture = (light - light.mean()) / spread
    change = np.diff(light, axis=0, prepend=light[:1]) / CHANGE
    return np.stack([picture, np.clip(change, -4, 4)], 1)


def window(g: Bytes, frames: int, every: int, first: int) -> Bytes:
    """`frames` pictures from `first` on, each `every`-th; past the end the motion runs backwards, as it would in a
    mirror of time: a short clip shows no standstill that is not there."""
    places = first + every * np.arange(frames)
    return g[_folded(places, len(g))]


def _folded(places: NDArray[np.int64], size: int) -> NDArray[np.int64]:
    """Places that run there and back within 0 ... size - 1."""
    if size == 1:
        return np.zeros_like(places)
    around = places % (2 * size - 2)
    return np.minimum(around, 2 * size - 2 - around)


def varied(g: Bytes, random: np.random.Generator, amount: float = 1.0) -> Floats:
    """A part of a clip as training reads it: in a mirror half of the time, moved, scaled, in another light."""
    light = g.astype(np.float32)
    if random.random() < 0.5:
        light = light[:, :, ::-1]
    if amount:
        light = _moved(
            light, random.integers(-6, 7, 2).astype(float) * amount, float(np.exp(random.uniform(-0.2, 0.2) * amount))
        )
        light = (light - light.mean()) * np.exp(random.uniform(-0.4, 0.4) * amount) + random.uniform(60, 190)
        light = light + random.normal(0, 2 * amount, light.shape)
    return np.clip(light, 0, 255).astype(np.float32)


def _moved(light: Floats, by: NDArray[np.float64], scale: float) -> Floats:
    """Shifted and scaled about the middle; what comes in repeats the edge. The nearest pixel is taken."""
    middle = (SIZE - 1) / 2
    rows, columns = (
        np.clip(np.round((np.arange(SIZE) - middle - b) / scale + middle), 0, SIZE - 1).astype(int) for b in by
    )
    return light[:, rows][:, :, columns]


def nothing(g: Bytes, random: np.random.Generator) -> Bytes:
    """A part of a clip that shows none of the actions: a person who stands still, upside down, frames out of order, a
    picture that slides by, or something else that moves. What people do beside the known actions is unknown; these
    are what can be made."""
    kind = int(random.integers(5))
    if kind == 0:
        return np.repeat(g[:1], len(g), 0)
    if kind == 1:
        return g[:, ::-1]
    if kind == 2:
        return g[random.permutation(len(g))]
    if kind == 3:
        steps = np.round(np.arange(len(g)) * random.uniform(1, 4) * random.choice([-1, 1])).astype(int)
        axis = 1 if random.random() < 0.7 else 0
        return np.stack([np.roll(g[0], s, axis) for s in steps])
    return _crossed(g, random)


def _crossed(g: Bytes, random: np.random.Generator) -> Bytes:
    """A still picture in which one or two dark or light bodies move along a path."""
    found = np.repeat(g[:1], len(g), 0)
    y, x = np.mgrid[:SIZE, :SIZE]
    t = np.linspace(0, 1, len(g))
    for _ in range(int(random.integers(1, 3))):
        (top, bottom), (left, right) = random.uniform(8, 56, (2, 2))
        high, wide = random.uniform(3, 14), random.uniform(2, 7)
        swing = random.uniform(0, 5) * np.sin(2 * np.pi * random.uniform(0.5, 3) * t)
        level = int(random.integers(0, 256))
        for frame, at, s in zip(found, t, swing, strict=True):
            middle = top + (bottom - top) * at + s, left + (right - left) * at
            frame[((y - middle[0]) / high) ** 2 + ((x - middle[1]) / wide) ** 2 < 1] = level
    return found
