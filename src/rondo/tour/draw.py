"""The two drawings of tour.html, as SVG text."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rondo.tour.learn import Learning
from rondo.tour.speed import Timing

BARS, CURVE = 520, 430  # widths


def bars(timings: Sequence[Timing], lang: str) -> str:
    """The median times of a training step, ours over torch's, each shape on a scale of its own."""
    parts, y = [], 0
    for t in timings:
        steps, rows, _, units = t.shape
        name = f"{steps} 步 × {rows} 行，{units} 个单元" if lang == "zh" else f"{steps} steps × {rows}, {units} units"
        parts.append(f'<text class="name" x="0" y="{y + 14}">{name}</text>')
        for who, kind, seconds in (("Rondo", "ours", t.ours), ("torch.nn.GRU", "theirs", t.theirs)):
            y += 22
            width = max(2.0, 310 * seconds / max(t.ours, t.theirs))
            parts.append(f'<text x="90" y="{y + 12}" text-anchor="end">{who}</text>')
            parts.append(f'<rect class="{kind}" x="98" y="{y}" width="{width:.1f}" height="15" rx="2"/>')
            parts.append(f'<text class="name" x="{104 + width:.1f}" y="{y + 12}">{1e3 * seconds:.2f} ms</text>')
        y += 34
    said = "; ".join(f"{t.shape}: {1e3 * t.ours:.2f} ms, torch {1e3 * t.theirs:.2f} ms" for t in timings)
    return _svg(BARS, y - 8, said, parts)


def curve(found: Learning, lang: str) -> str:
    """The loss of every step, faint, the means that were told, and the blind guess."""
    left, right, top, bottom = 26, CURVE - 4, 14, 230
    steps, most = max(len(found.records), 2), max(found.guess, found.records[0].loss)
    low = math.floor(min(r.loss for r in found.records))

    def x(step: float) -> float:
        return left + (right - left) * (step - 1) / (steps - 1)

    def y(loss: float) -> float:
        return bottom - (bottom - top) * (loss - low) / max(most - low, 1e-9)

    def path(points: Sequence[tuple[float, float]]) -> str:
        return "M" + "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in points)

    parts = []
    for k in range(low, math.floor(most) + 1):
        parts.append(f'<path class="grid" d="M{left} {y(k):.1f}H{right}"/>')
        parts.append(f'<text x="{left - 8}" y="{y(k) + 4:.1f}" text-anchor="end">{k}</text>')
    guess = "盲猜" if lang == "zh" else "a blind guess"
    parts.append(f'<path class="guess" d="M{left} {y(found.guess):.1f}H{right}"/>')
    parts.append(f'<text x="{right}" y="{y(found.guess) - 4:.1f}" text-anchor="end">{guess} {found.guess:.2f}</text>')
    parts.append(f'<path class="faint" d="{path([(r.step, r.loss) for r in found.records])}"/>')
    parts.append(f'<path class="curve" d="{path([(step, loss) for step, loss, _ in found.told])}"/>')
    axis = f"步（共 {len(found.records)}）" if lang == "zh" else f"step (of {len(found.records)})"
    parts.append(f'<text x="{right}" y="{bottom + 20}" text-anchor="end">{axis}</text>')
    unit = "奈特/字符" if lang == "zh" else "nats per character"
    parts.append(f'<text x="{left}" y="{bottom + 20}">{unit}</text>')
    said = f"{unit}: {found.records[0].loss:.2f} → {found.told[-1][1]:.2f}" if found.told else unit
    return _svg(CURVE, bottom + 28, said, parts)


def _svg(width: int, height: int, said: str, parts: Sequence[str]) -> str:
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{said}">{"".join(parts)}</svg>'
