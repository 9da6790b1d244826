"""What the machine can do: the best torch.mm and the best copy, measured in the run that quotes them."""

from __future__ import annotations

import ctypes
import functools
import statistics
from collections.abc import Iterator
from contextlib import contextmanager

import torch

from benchmarks.timing import interleaved

SQUARE = 512, 1024, 2048
OBLONG = (3200, 256, 1024), (6400, 512, 2048)
COPY_VALUES = 32 << 20  # 128 MiB: far beyond any cache
M_TRIM_THRESHOLD, M_MMAP_MAX = -1, -4  # names of glibc's malloc.h


@functools.cache
def matmul_peak(threads: int, quick: bool = False) -> float:
    """Operations a second of torch.mm in float32 at its best shape."""
    torch.set_num_threads(threads)
    shapes = [(n, n, n) for n in (SQUARE[:1] if quick else SQUARE)] + list(() if quick else OBLONG)
    return max(_matmul_rate(*s) for s in shapes)


def _matmul_rate(m: int, k: int, n: int) -> float:
    a, b, out = torch.randn(m, k), torch.randn(k, n), torch.empty(m, n)
    (samples,) = interleaved([lambda: torch.mm(a, b, out=out)], 5, 0.02)
    return 2 * m * k * n / statistics.median(samples)


@functools.cache
def copy_bandwidth(threads: int, quick: bool = False) -> float:
    """Bytes a second (read and written) of copying a large tensor into one that exists."""
    torch.set_num_threads(threads)
    a = torch.randn(COPY_VALUES // (8 if quick else 1))
    b = torch.empty_like(a).zero_()
    (samples,) = interleaved([lambda: b.copy_(a)], 5, 0.02)
    return 2 * a.numel() * a.element_size() / statistics.median(samples)


@contextmanager
def kept_memory() -> Iterator[None]:
    """Freed memory stays with the process, so that a loop is timed and not the first touch of fresh pages (glibc)."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        yield
        return
    mallopt(M_MMAP_MAX, 0)
    mallopt(M_TRIM_THRESHOLD, (1 << 31) - 1)
    try:
        yield
    finally:
        mallopt(M_MMAP_MAX, 65536)
        mallopt(M_TRIM_THRESHOLD, 128 << 10)
