"""Parity: is the number of ones so far odd? Learnt at length L, tested at 2L and 4L (Deletang et al. 2023,
arXiv:2207.02098, the task "parity check"). One bit of memory is enough, but a one has to turn it over: a recurrence
that is linear in its state with factors in (0, 1) cannot do that at every length (Grazzi et al. 2025,
arXiv:2411.12537).

    x  bits        y<t> = x<1> xor ... xor x<t>
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from rondo.data.batch import Batch
from rondo.probes.probe import Measure, Probe, ProbeError, Test, right, scored

LINE = 0.5  # after the first step the parity is independent of the bit that is read


def draw(seed: int, rows: int, length: int, first: int = 0) -> Batch:
    """x and y [rows, length] of bits; y counts from step `first` on."""
    bits = np.random.default_rng(seed).integers(2, size=(rows, length))
    return Batch(torch.from_numpy(bits), scored(bits.cumsum(1) % 2, np.arange(length) >= first))


def probe(length: int = 32) -> Probe:
    """Parity at L = length. A test counts the second half of its steps: at 2L and 4L they all lie beyond L."""
    if length < 2:
        raise ProbeError(f"parity: the length must be at least 2, found {length}")
    tests = tuple(
        Test(n, LINE, functools.partial(draw, length=n, first=n // 2), seen=n == length)
        for n in (length, 2 * length, 4 * length)
    )
    train = functools.partial(draw, length=length)
    return Probe("parity", 2, 2, Measure("accuracy", True, right, 0.99), train, tests[0], tests)
