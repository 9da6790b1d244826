"""Adding: the sum of the two marked numbers of a sequence (Hochreiter & Schmidhuber 1997,
doi:10.1162/neco.1997.9.8.1735; in this form Le et al. 2015, arXiv:1504.00941, sec. 4.1).

    x  (value in [0, 1], marker) T times, one marker in each half        y  the sum, after the last step
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from rondo.data.batch import Batch
from rondo.probes.probe import Measure, Probe, ProbeError, Test, squares

LINE = 1 / 6  # always answering 1: the variance of a sum of two uniform numbers, 2 * 1/12
GOAL = 0.01


def draw(seed: int, rows: int, length: int) -> Batch:
    """x [rows, length, 2] and y [rows, 1]."""
    random, half, row = np.random.default_rng(seed), length // 2, np.arange(rows)
    values, markers = random.random((rows, length)), np.zeros((rows, length))
    first, second = random.integers(half, size=rows), random.integers(half, length, size=rows)
    markers[row, first] = markers[row, second] = 1
    x = torch.from_numpy(np.stack((values, markers), 2)).float()
    return Batch(x, x.prod(2).sum(1, keepdim=True))


def probe(length: int = 100) -> Probe:
    """Adding over `length` steps; solved below a mean squared error of 0.01."""
    if length < 2:
        raise ProbeError(f"adding: two numbers are marked, so the length must be at least 2, found {length}")
    drawn = functools.partial(draw, length=length)
    test = Test(length, LINE, drawn)
    return Probe("adding", 2, 1, Measure("mean squared error", False, squares, GOAL), drawn, test, (test,), last=True)
