"""Figures that move by formulas: joint sequences of our own, for examples and tests. No recording stands behind them.

A figure is a tree of bones of fixed lengths (in heads' heights); an action gives the angle of each bone over time.
Angles are from straight down, positive towards the viewer's right. Seen from the front or from the side.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.data.video import VideoError
from rondo.tasks.video.joints import BONES

Floats = NDArray[np.float32]
Angles = dict[str, Any]
PI = np.pi
SPINE, NECK, SHOULDER, HIP, UPPER, FORE, THIGH, SHIN = 1.9, 0.55, 0.75, 0.4, 1.35, 1.2, 1.8, 1.75
PER_SECOND = 25.0


def _still(t: Floats) -> Angles:
    """Arms and legs hang down, seen from the front."""
    zero = 0 * t
    return {
        "lean": zero, "x": zero, "y": zero, "turned": 0.0,
        "arm_r": zero - 0.12, "arm_l": zero + 0.12, "fore_r": zero - 0.08, "fore_l": zero + 0.08,
        "leg_r": zero - 0.08, "leg_l": zero + 0.08, "shin_r": zero - 0.05, "shin_l": zero + 0.05,
    }  # fmt: skip


def _gait(t: Floats, pace: float, stride: float, knee: float, bent: float, lean: float, speed: float) -> Angles:
    """Legs and arms swing against each other, seen from the side."""
    phase = 2 * PI * pace * t
    legs = {"r": stride * np.sin(phase), "l": -stride * np.sin(phase)}
    lift = {"r": np.maximum(0, np.cos(phase)), "l": np.maximum(0, -np.cos(phase))}
    found = _still(t) | {"turned": 1.0, "lean": 0 * t + lean, "x": speed * t, "y": 0.12 * pace * np.cos(2 * phase)}
    for side, other in (("r", "l"), ("l", "r")):
        found[f"leg_{side}"] = legs[side] + 0.1 * lean
        found[f"shin_{side}"] = legs[side] - 0.12 - knee * lift[side]
        found[f"arm_{side}"] = 0.9 * legs[other] - lean
        found[f"fore_{side}"] = 0.9 * legs[other] + bent
    return found


def walk(t: Floats) -> Angles:
    """About one double step a second."""
    return _gait(t, 0.95, 0.42, 0.75, 0.25, 0.05, 2.4)


def run(t: Floats) -> Angles:
    """Faster, with bent arms, lifted heels and the body leaning forward."""
    return _gait(t, 1.5, 0.75, 1.5, 1.4, 0.22, 5.5)


def wave1(t: Floats) -> Angles:
    """One arm is up and swings from side to side."""
    swing = np.sin(2 * PI * 1.1 * t)
    return _still(t) | {"arm_r": -2.2 - 0.45 * swing, "fore_r": -2.75 - 0.65 * swing}


def wave2(t: Floats) -> Angles:
    """Both arms swing up and down at the sides."""
    swing = 0.5 - 0.5 * np.cos(2 * PI * 0.9 * t)
    up = 0.35 + 2.4 * swing
    return _still(t) | {"arm_r": -up, "fore_r": -up - 0.1, "arm_l": up, "fore_l": up + 0.1}


def jack(t: Floats) -> Angles:
    """Jumping jacks: arms go up and legs apart with every jump."""
    swing = 0.5 - 0.5 * np.cos(2 * PI * 1.2 * t)
    arm, leg = 0.25 + 2.6 * swing, 0.08 + 0.45 * swing
    return _still(t) | {
        "y": 0.35 * np.abs(np.sin(2 * PI * 1.2 * t)),
        "arm_r": -arm, "fore_r": -arm, "arm_l": arm, "fore_l": arm,
        "leg_r": -leg, "shin_r": -leg, "leg_l": leg, "shin_l": leg,
    }  # fmt: skip


def bend(t: Floats) -> Angles:
    """The body bends forward to the ground and comes up again, seen from the side."""
    down = 0.5 - 0.5 * np.cos(2 * PI * 0.4 * t)
    return _still(t) | {
        "turned": 1.0, "lean": 1.75 * down, "x": -0.6 * down,
        "arm_r": 0.1 + 0.25 * down, "arm_l": -0.05 + 0.25 * down, "fore_r": 0.2 + 0.2 * down,
        "fore_l": 0.1 + 0.2 * down,
        "leg_r": 0.05 - 0.1 * down, "leg_l": -0.05 - 0.1 * down, "shin_r": 0 * t, "shin_l": 0 * t,
    }  # fmt: skip


def clap(t: Floats) -> Angles:
    """The hands meet before the chest."""
    open_ = 0.5 + 0.5 * np.cos(2 * PI * 2.2 * t)
    return _still(t) | {
        "arm_r": -0.25 - 0.25 * open_, "arm_l": 0.25 + 0.25 * open_,
        "fore_r": 2.2 - 1.0 * open_, "fore_l": -2.2 + 1.0 * open_,
    }  # fmt: skip


def pullup(t: Floats) -> Angles:
    """The body is drawn up to a bar by both arms, and let down."""
    up = 0.5 - 0.5 * np.cos(2 * PI * 0.55 * t)
    return _still(t) | {
        "y": 1.9 * up,
        "arm_r": -2.8 + 1.6 * up, "arm_l": 2.8 - 1.6 * up, "fore_r": -3.1 - 0.1 * up, "fore_l": 3.1 + 0.1 * up,
        "shin_r": 0.1 + 0 * t, "shin_l": -0.1 + 0 * t,
    }  # fmt: skip


def stand(t: Floats) -> Angles:
    """Nothing is done."""
    sway = 0.03 * np.sin(2 * PI * 0.3 * t)
    return _still(t) | {"lean": sway}


FIGURES: Mapping[str, Callable[[Floats], Angles]] = {
    "run": run, "walk": walk, "wave1": wave1, "wave2": wave2, "jack": jack, "bend": bend, "clap": clap,
    "pullup": pullup, "stand": stand,
}  # fmt: skip


def figure(name: str, frames: int = 75, per_second: float = PER_SECOND, phase: float = 0.0) -> Floats:
    """Joints [frames, 15, 2] of an action, in head heights, y down, the hips at 0 at first. Raises VideoError."""
    if name not in FIGURES:
        raise VideoError(f"没有叫 {name!r} 的示例 / no example is called {name!r}: {', '.join(FIGURES)}")
    t = (np.arange(frames) / per_second + phase).astype(np.float32)
    found = placed(FIGURES[name](t))
    found[..., 0] -= found[0, 1, 0]
    return found


def placed(a: Angles) -> Floats:
    """Angles to joints, bone after bone from the hips."""
    # from the side the two shoulders, and the two hips, stand almost one behind the other
    width = 0.12 if a["turned"] else 1.0
    lean = a["lean"]
    hip = np.stack([a["x"], -a["y"]], -1)
    up = -_along(-lean)
    belly, neck = hip + 0.25 * SPINE * up, hip + SPINE * up
    across = np.array([width, 0.0])
    face = neck + NECK * up + (np.array([0.15, 0.0]) if a["turned"] else 0)
    sides = {}
    for side, sign in (("r", -1.0), ("l", 1.0)):
        shoulder = neck + sign * SHOULDER * across - 0.12 * up
        elbow = shoulder + UPPER * _along(a[f"arm_{side}"])
        wrist = elbow + FORE * _along(a[f"fore_{side}"])
        joint = hip + sign * HIP * across
        knee = joint + THIGH * _along(a[f"leg_{side}"])
        ankle = knee + SHIN * _along(a[f"shin_{side}"])
        sides[side] = (shoulder, joint, elbow, knee, wrist, ankle)
    pairs = [part for one in zip(sides["r"], sides["l"], strict=True) for part in one]
    return np.stack([neck, belly, face, *pairs], 1).astype(np.float32)


def _along(angle: Floats) -> NDArray[np.float64]:
    """The direction of a bone, y down."""
    return np.stack([np.sin(angle), np.cos(angle)], -1)


def drawn(
    p: Floats, size: int = 64, height: float = 0.6, background: float = 120.0, body: float = 60.0
) -> NDArray[np.uint8]:
    """A figure as luma frames [T, size, size]: limbs a few pixels thick before a plain wall; it stays in the middle on
    average."""
    low, high = p.min((0, 1)), p.max((0, 1))
    tall = max(float(np.ptp(p[..., 1], 1).max()), 1e-6)
    scale = height * size / tall
    middle = (low + high) / 2
    at = (p - middle) * scale + size / 2
    y, x = np.mgrid[:size, :size] + 0.5
    frames = np.full((len(p), size, size), background, dtype=np.float32)
    thick = {(0, 1): 2.6, (2, 0): 1.6}
    for t, joint in enumerate(at):
        for one, two in BONES:
            near = _distance(x, y, joint[one], joint[two])
            frames[t][near < thick.get((one, two), 1.5) * scale / 6] = body
        frames[t][np.hypot(x - joint[2][0], y - joint[2][1]) < 0.5 * scale] = body + 25
    return np.clip(frames, 0, 255).astype(np.uint8)


def part(name: str, frames: int, every: int, random: np.random.Generator) -> NDArray[np.uint8]:
    """A part of a drawn action in a random size, light and phase, as training reads it; a figure that goes away is
    followed."""
    per_second = PER_SECOND / every * float(np.exp(random.uniform(-0.3, 0.3)))
    p = figure(name, frames, per_second, float(random.uniform(0, 3)))
    if random.random() < 0.5:
        p = p - p.mean(1, keepdims=True) * np.array([1, 0], dtype=np.float32)
    light, body = random.uniform(40, 220), random.uniform(0, 255)
    body = body if abs(body - light) > 30 else (light + 128) % 256
    found = drawn(p, height=float(random.uniform(0.4, 0.8)), background=float(light), body=float(body))
    wall = np.kron(random.normal(0, random.uniform(0, 12), (16, 16)), np.ones((4, 4)))  # a wall has a pattern
    return np.clip(found + wall, 0, 255).astype(np.uint8)


def _distance(x: Any, y: Any, a: Any, b: Any) -> Any:
    """Of every pixel to the stretch from a to b."""
    d = b - a
    length = max(float(d @ d), 1e-9)
    along = np.clip(((x - a[0]) * d[0] + (y - a[1]) * d[1]) / length, 0, 1)
    return np.hypot(x - a[0] - along * d[0], y - a[1] - along * d[1])
