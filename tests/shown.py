"""What a test run has shown: every comparison with the truth, collected and printed as one screen at the end.

A test that compares says so, before it asserts, so that the worst case stands on the screen even when it fails:

    from shown import shown

    error = relative_error(got, truth)
    shown("fused = reference", "GRUCho", (37, 17, 5, 63), "dL/dW_r", error, dtype="float32")
    assert error <= 2e-5

`kind` names the comparison and is the same in every test of that kind; `shape` is any tuple that tells cases apart
(by custom T, B, input, hidden); `quantity` is what was compared: "output", "state h", "dL/dx", "dL/dW_r", ...
An exact comparison records 0.0, or inf where it fails. Nothing here decides whether a test passes.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field

DTYPES = ("float64", "float32")
Key = tuple[str, str, str, str]  # kind, cell, quantity, dtype
Packed = list[tuple[Key, float, list[str]]]  # what a worker process sends home: plain values only


@dataclass
class _Seen:
    worst: float = 0.0
    shapes: set[str] = field(default_factory=set)

    def add(self, error: float, shapes: Iterable[str]) -> None:
        self.worst = max(self.worst, math.inf if math.isnan(error) else error)
        self.shapes.update(shapes)


_seen: defaultdict[Key, _Seen] = defaultdict(_Seen)


def shown(
    kind: str, cell: str, shape: tuple[object, ...], quantity: str, error: float, *, dtype: str = "float64"
) -> None:
    """Record one comparison (see the module's text). NaN counts as infinitely wrong."""
    if dtype not in DTYPES:
        raise ValueError(f"dtype is one of {', '.join(DTYPES)}, found {dtype!r}")
    _seen[kind, cell, quantity, dtype].add(float(error), [repr(tuple(shape))])


def pack() -> Packed:
    """Everything recorded in this process."""
    return [(key, seen.worst, sorted(seen.shapes)) for key, seen in _seen.items()]


def unpack(packed: Packed) -> None:
    """Add what another process recorded."""
    for key, worst, shapes in packed:
        _seen[tuple(key)].add(worst, shapes)  # type: ignore[index]


def screen() -> list[str]:
    """The table: a line for each kind of comparison, then a line for each cell. Empty when nothing was recorded."""
    if not _seen:
        return []
    kinds, cells = list(dict.fromkeys(k[0] for k in _seen)), sorted({k[1] for k in _seen})
    head = f"{'':34} {'cells':>5} {'shapes':>6} {'gradients':>9} {'worst f64':>9} {'worst f32':>9}"
    return [
        head,
        *(_line(kind, [k for k in _seen if k[0] == kind]) for kind in kinds),
        "-" * len(head),
        *(_line(cell, [k for k in _seen if k[1] == cell]) for cell in cells),
    ]


def _line(label: str, keys: list[Key]) -> str:
    cells = len({k[1] for k in keys})
    shapes = len(set().union(*(_seen[k].shapes for k in keys)))
    gradients = len({k[2] for k in keys if k[2].startswith("dL/")})
    worst = (max((_seen[k].worst for k in keys if k[3] == dtype), default=None) for dtype in DTYPES)
    f64, f32 = ("-" if w is None else "0" if w == 0 else f"{w:.0e}" for w in worst)
    return f"{label[:34]:34} {cells:5} {shapes:6} {gradients:9} {f64:>9} {f32:>9}"
