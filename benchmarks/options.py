"""What a run measures: shapes, cells, threads, and how often."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

WHAT = (
    "train",
    "forward",
    "inference",
    "modules",
    "stream",
    "memory",
    "cells",
    "elementwise",
    "eager",
)


class Shape(NamedTuple):
    """Steps, rows, width of x, units."""

    T: int
    B: int
    I: int
    H: int

    def __str__(self) -> str:
        return "x".join(str(n) for n in self)

    @classmethod
    def parse(cls, text: str) -> Shape:
        """The shape written as 100x32x128x128 (T, B, I, H). Raises ValueError."""
        parts = text.split("x")
        if len(parts) != 4 or not all(p.isdigit() and int(p) > 0 for p in parts):
            raise ValueError(f"a shape is TxBxIxH, such as 100x32x128x128, found {text!r}")
        return cls(*(int(p) for p in parts))


SHAPES = tuple(
    Shape(*s)
    for s in (
        (100, 1, 64, 64),
        (100, 1, 256, 256),
        (100, 32, 128, 128),
        (100, 32, 256, 256),
        (1000, 16, 128, 128),
        (35, 20, 650, 650),
        (100, 64, 512, 512),
        (70, 80, 1024, 1024),
    )
)
QUICK_SHAPES = (SHAPES[0], SHAPES[2])


@dataclass(frozen=True)
class Options:
    """One run of the benchmark.

    shapes   where torch.nn and the eager loop are met; other parts choose theirs from these or have their own
    cells    shipped names, or () for all
    threads  numbers of torch threads, in order; targets are judged at the largest
    repeats  samples of each rival; seconds: the least length of one sample
    quick    smaller sizes everywhere, to see that the harness works
    """

    shapes: tuple[Shape, ...] = SHAPES
    cells: tuple[str, ...] = ()
    threads: tuple[int, ...] = (1, 2)
    what: tuple[str, ...] = WHAT
    repeats: int = 7
    seconds: float = 0.05
    quick: bool = False

    @property
    def most_threads(self) -> int:
        return max(self.threads)

    def wants(self, cell: str) -> bool:
        """Whether a cell is to be measured."""
        return not self.cells or cell in self.cells
