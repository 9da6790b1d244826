"""Dyck-(k, m): brackets of k kinds, at most m open at a time (the language of Hewitt et al. 2020, arXiv:2010.07515).
Which closing bracket is legal next? An opening one may follow too, up to m; it is not asked for, so that the answer is
the same at depths never seen.

    x  opening brackets 0 ... k-1, closing ones k ... 2k-1
    y  the kind of the innermost open bracket, or k: none is open, so no closing bracket is legal

After an opening bracket the answer is that bracket; after a closing one it has to be remembered. So a test counts the
steps after a closing bracket where something is still open: without memory one guess in k is right.
"""

from __future__ import annotations

import functools

import numpy as np
import torch

from rondo.data.batch import Batch
from rondo.probes.probe import Measure, Probe, ProbeError, Test, right, scored


def draw(seed: int, rows: int, length: int, depth: int, kinds: int = 2, closed: range | None = None) -> Batch:
    """x and y [rows, length]. An opening or a closing bracket is next with equal chance where both are legal.

    y counts everywhere; with `closed` only in the second half, after a closing bracket whose depth (1 the outermost)
    lies in that range.
    """
    random, row = np.random.default_rng(seed), np.arange(rows)
    wishes, drawn = random.random((length, rows)) < 0.5, random.integers(kinds, size=(length, rows))
    stack, level = np.full((rows, depth + 1), kinds), np.zeros(rows, dtype=np.int64)
    x, y = (np.empty((rows, length), dtype=np.int64) for _ in range(2))
    where = np.ones((rows, length), dtype=np.bool_)
    for t in range(length):
        opens = (wishes[t] | (level == 0)) & (level < depth)
        x[:, t] = np.where(opens, drawn[t], kinds + stack[row, level])
        if closed is not None:
            where[:, t] = (2 * t >= length) & ~opens & np.isin(level, closed)
        level += np.where(opens, 1, -1)
        stack[row, level] = np.where(opens, drawn[t], stack[row, level])
        y[:, t] = stack[row, level]
    return Batch(torch.from_numpy(x), scored(y, where))


def probe(length: int = 48, depth: int = 4, kinds: int = 2) -> Probe:
    """Learnt at `length` up to `depth`; tested on brackets of every depth up to twice that, and at 2 and 4 lengths."""
    if depth < 2 or kinds < 2 or length < 2 * depth**2:  # a random walk needs that long to come to twice the depth
        raise ProbeError(
            f"dyck: depth >= 2, kinds >= 2 and length >= 2 * depth^2 are needed, found {depth}, {kinds} and {length}"
        )
    drawn = functools.partial(draw, kinds=kinds)

    def at_length(n: int) -> Test:
        one = functools.partial(drawn, length=n, depth=depth, closed=range(2, depth + 1))
        return Test(n, 1 / kinds, one, seen=n == length)

    def at_depth(d: int) -> Test:
        one = functools.partial(drawn, length=length, depth=d, closed=range(d, d + 1))
        return Test(d, 1 / kinds, one, "depth", d <= depth)

    tests = (*map(at_depth, range(2, 2 * depth + 1)), *map(at_length, (length, 2 * length, 4 * length)))
    train = functools.partial(drawn, length=length, depth=depth)
    return Probe("dyck", 2 * kinds, kinds + 1, Measure("accuracy", True, right, 0.99), train, at_length(length), tests)
