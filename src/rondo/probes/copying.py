"""Copying: ten symbols, a long silence, then the same ten (Hochreiter & Schmidhuber 1997,
doi:10.1162/neco.1997.9.8.1735; in this form Arjovsky et al. 2016, arXiv:1511.06464, sec. 4.1).

    x  s<1> ... s<10>   blank * (T - 1)   cue   blank * 10
    y  blank * (T + 10)                         s<1> ... s<10>
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch

from rondo.data.batch import Batch
from rondo.probes.probe import Measure, Probe, ProbeError, Test, nats

SYMBOLS, COPIED = 8, 10
BLANK, CUE = SYMBOLS, SYMBOLS + 1


def draw(seed: int, rows: int, blanks: int) -> Batch:
    """x and y [rows, T + 20] for T = blanks: x of 10 symbols, y of the first 9."""
    copied = torch.from_numpy(np.random.default_rng(seed).integers(SYMBOLS, size=(rows, COPIED)))
    x = torch.full((rows, blanks + 2 * COPIED), BLANK)
    y = x.clone()
    x[:, :COPIED], x[:, blanks + COPIED - 1], y[:, -COPIED:] = copied, CUE, copied
    return Batch(x, y)


def line(blanks: int) -> float:
    """Without memory the blanks are certain and each of the ten symbols costs ln 8, over T + 20 steps."""
    return COPIED * math.log(SYMBOLS) / (blanks + 2 * COPIED)


def probe(length: int = 50) -> Probe:
    """Copying over T = length steps; solved below a tenth of the line."""
    if length < 1:
        raise ProbeError(f"copying: the length must be at least 1, found {length}")
    drawn = functools.partial(draw, blanks=length)
    measure, test = Measure("nats a step", False, nats, line(length) / 10), Test(length, line(length), drawn, "blanks")
    return Probe("copying", SYMBOLS + 2, SYMBOLS + 1, measure, drawn, test, (test,))
