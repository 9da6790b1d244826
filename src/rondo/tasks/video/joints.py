"""Joints of a body over time as numbers that a network reads.

Fifteen joints, x to the right and y down, in any unit. From a sequence p [T, 15, 2] are made, scaled by the body:

    s      = sqrt(mean over t and joints of |p<t> - c<t>|^2), c<t> the mean of the joints: one scale for the sequence
    q<t>   = (p<t> - c<t>) / s                        where each joint is, 30 numbers
    v<t>   = (p<t> - p<t-1>) / s                      how it moves, 30; c<t> moves with it
    w<t>   = (p<t+2> - p<t-2>) / s                    the same over five frames, 30
    m<t>   = (c<t> - c<t-1>) / s                      how the body moves, 2
    d<t>   = |q_i<t> - q_j<t>|, i < j                 distances of all pairs, 105 (Yang et al. 2019, arXiv:1907.09658)

They do not change where the person stands, nor how large the picture is.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.data.video import LONGEST, VideoError

Floats = NDArray[np.float32]
JOINTS = (
    "neck", "belly", "face", "right shoulder", "left shoulder", "right hip", "left hip", "right elbow", "left elbow",
    "right knee", "left knee", "right wrist", "left wrist", "right ankle", "left ankle",
)  # fmt: skip
BONES = (
    (2, 0), (0, 1), (0, 3), (3, 7), (7, 11), (0, 4), (4, 8), (8, 12), (1, 5), (5, 9), (9, 13), (1, 6), (6, 10),
    (10, 14),
)  # fmt: skip
MIRRORED = [0, 1, 2, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13]  # left and right changed
PAIRS = np.triu_indices(len(JOINTS), 1)
WIDTH = 30 + 30 + 30 + 2 + len(PAIRS[0])
FASTEST = 4.0  # of a velocity, in scales a frame: more is a joint that was lost
SOFT = 3.0  # what velocities are multiplied by, so that they are about as large as places

# joints of other bodies, in the order face and then JOINTS[3:]; neck and belly are made of them
LAYOUTS: Mapping[str, tuple[int, ...]] = {
    "coco17": (0, 6, 5, 12, 11, 8, 7, 14, 13, 10, 9, 16, 15),
    "openpose18": (0, 2, 5, 8, 11, 3, 6, 9, 12, 4, 7, 10, 13),
    "body25": (0, 2, 5, 9, 12, 3, 6, 10, 13, 4, 7, 11, 14),
    "blazepose33": (0, 12, 11, 24, 23, 14, 13, 26, 25, 16, 15, 28, 27),
}
NECK, BELLY = 0.39, 0.24  # least squares over the training frames of JHMDB
SIZES = {"jhmdb15": 15, "coco17": 17, "openpose18": 18, "body25": 25, "blazepose33": 33}


def pose(value: Any, layout: str = "jhmdb15", where: str = "") -> Floats:
    """A sequence of joints [T, 15, 2] from nested lists, of another layout's joints where one is named.

    Raises VideoError where it is empty, ragged, too long or not finite."""
    at = f"{where}: " if where else ""
    if layout not in SIZES:
        raise VideoError(f"{at}没有叫 {layout!r} 的关节顺序 / no layout is called {layout!r}: {', '.join(SIZES)}")
    try:
        found = np.asarray(value, dtype=np.float32)
    except (ValueError, TypeError):
        found = np.zeros(0, dtype=np.float32)
    if found.ndim != 3 or found.shape[1:] != (SIZES[layout], 2) or not len(found):
        shape = list(found.shape) if found.ndim > 1 or found.size else "ragged or empty lists"
        raise VideoError(
            f"{at}关节序列须是 [帧][{SIZES[layout]}][x, y]，至少一帧 / joints are frames of {SIZES[layout]} pairs "
            f"x, y, at least one frame; found {shape}"
        )
    if len(found) > LONGEST:
        raise VideoError(f"{at}最多 {LONGEST} 帧 / at most {LONGEST} frames, found {len(found)}: give a part")
    if not np.isfinite(found).all() or float(np.abs(found).max()) > 1e6:
        raise VideoError(f"{at}关节坐标须是有限的数 / the coordinates of joints must be finite numbers below a million")
    return found if layout == "jhmdb15" else _from_layout(found, LAYOUTS[layout])


def _from_layout(found: Floats, places: tuple[int, ...]) -> Floats:
    """Neck, belly and face are not joints of the other layouts: the neck stands a little above the middle of the
    shoulders, the belly above that of the hips, as they do on average in JHMDB."""
    face, rest = found[:, places[0]], found[:, list(places[1:])]
    shoulders, hips = rest[:, :2].mean(1), rest[:, 2:4].mean(1)
    neck = shoulders + NECK * (face - shoulders)
    belly = hips + BELLY * (shoulders - hips)
    return np.concatenate([np.stack([neck, belly, face], 1), rest], 1)


def features(p: Floats) -> Floats:
    """The numbers of a sequence p [T, 15, 2]: [T, WIDTH]."""
    centre = p.mean(1, keepdims=True)
    centred = p - centre
    scale = max(float(np.sqrt((centred**2).sum(2).mean())), 1e-6)
    q = centred / scale
    last = np.concatenate([p[:1], p[:-1]])
    far, near = p[np.minimum(np.arange(len(p)) + 2, len(p) - 1)], p[np.maximum(np.arange(len(p)) - 2, 0)]
    moves = [SOFT * _clipped((p - last) / scale), _clipped((far - near) / scale)]
    middle = SOFT * _clipped((centre[:, 0] - np.concatenate([centre[:1], centre[:-1]])[:, 0]) / scale)
    pairs = np.sqrt(((q[:, PAIRS[0]] - q[:, PAIRS[1]]) ** 2).sum(2))
    parts = [q.reshape(len(p), -1), *(m.reshape(len(p), -1) for m in moves), middle, pairs]
    return np.concatenate(parts, 1).astype(np.float32)


def _clipped(x: Floats) -> Floats:
    return np.clip(x, -FASTEST, FASTEST)


def mirrored(p: Floats) -> Floats:
    """The same seen in a mirror: left and right changed."""
    return p[:, MIRRORED] * np.array([-1, 1], dtype=np.float32)


def at_speed(p: Floats, speed: float) -> Floats:
    """The same faster or slower: between frames joints move evenly. At least two frames are left, where there are."""
    size = max(min(2, len(p)), round(len(p) / speed))
    places = np.linspace(0, len(p) - 1, size)
    low = np.minimum(places.astype(int), max(0, len(p) - 2))
    share = (places - low).astype(np.float32)[:, None, None]
    found: Floats = p[low] * (1 - share) + p[np.minimum(low + 1, len(p) - 1)] * share
    return found


def turned(p: Floats, angle: float, wide: float, high: float) -> Floats:
    """Turned about the centre by an angle, and stretched."""
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos * wide, sin * wide], [-sin * high, cos * high]], dtype=np.float32)
    centre = p.mean((0, 1), keepdims=True)
    found: Floats = (p - centre) @ matrix + centre
    return found


def varied(p: Floats, random: np.random.Generator, amount: float = 1.0, crop: float = 0.6) -> Floats:
    """A sequence as training reads it: a part of it, faster or slower, in a mirror half of the time, turned, stretched,
    each joint a little off. `amount` 0 leaves all but the mirror."""
    if amount and len(p) > 4:
        size = max(4, round(len(p) * random.uniform(crop, 1)))
        first = int(random.integers(0, len(p) - size + 1))
        p = p[first : first + size]
        p = at_speed(p, float(np.exp(random.uniform(-0.3, 0.3) * amount)))
    if random.random() < 0.5:
        p = mirrored(p)
    wide, high = np.exp(random.uniform(-0.12, 0.12, 2) * amount)
    p = turned(p, float(random.normal(0, 0.12) * amount), float(wide), float(high))
    spread = float(np.sqrt(((p - p.mean(1, keepdims=True)) ** 2).sum(2).mean()))
    # the same error through the whole sequence, as annotators make it, and one that changes
    still = random.normal(0, 0.03 * amount * spread, (1, *p.shape[1:]))
    return (p + still + random.normal(0, 0.01 * amount * spread, p.shape)).astype(np.float32)
