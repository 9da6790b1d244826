"""Gates: what every sigmoid and tanh that has a name in the equations does while the network reads.

A sigmoid is left-saturated below 0.1 and right-saturated above 0.9; the share of time that each unit spends there
tells whether it is a switch, an integrator or neither (Karpathy et al. 2015, arXiv:1506.02078, sec. 4.2, fig. 2).
A tanh counts as saturated below -0.9 and above 0.9.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rondo.diagnose import DiagnoseError
from rondo.diagnose.inside import Array, Call, array, scanning
from rondo.expr.graph import Graph
from rondo.rnn import RNN
from rondo.trace import noting

RANGES = {"sigmoid": (0.0, 1.0), "tanh": (-1.0, 1.0)}
SATURATED = {"sigmoid": (0.1, 0.9), "tanh": (-0.9, 0.9)}
BINS = 20


@dataclass(frozen=True)
class Gate:
    """One named sigmoid or tanh over all rows, steps and units.

    kind        "sigmoid" or "tanh"
    mean        of all values
    low, high   share of the values that are saturated on the left and on the right
    counts      [20] values in each of 20 equal bins over the range
    left, right [n] share of the time that each unit is saturated on that side
    units       [n] mean of each unit
    """

    kind: str
    mean: float
    low: float
    high: float
    counts: NDArray[np.int64]
    left: Array
    right: Array
    units: Array

    @property
    def edges(self) -> Array:
        """The bins' edges [21]."""
        return np.linspace(*RANGES[self.kind], BINS + 1)


def bounded(graph: Graph) -> dict[str, str]:
    """The names and states of the equations that are a sigmoid or a tanh, with which of them."""
    named = {**{n.name: n.expr for n in graph.names}, **graph.updates}
    return {name: node.op for name, node in named.items() if node.op in RANGES}


def activations(rnn: RNN, call: Call) -> dict[str, Array]:
    """Every named sigmoid and tanh of every layer while `call()` runs the model: {"l0.r": [B, T, n]}."""
    seen: dict[str, Tensor] = {}
    with torch.no_grad(), scanning(rnn, noting(seen)):
        call()
    kinds = bounded(rnn.cell.graph)
    return {name: array(v) for name, v in seen.items() if name.split(".")[1] in kinds}


def gates(rnn: RNN, values: dict[str, Array], lengths: NDArray[np.int64] | None = None) -> dict[str, Gate]:
    """The statistics of `activations`; steps past a row's length do not count."""
    kinds = bounded(rnn.cell.graph)
    return {name: gate(v, kinds[name.split(".")[1]], lengths) for name, v in values.items()}


def gate(values: Array, kind: str, lengths: NDArray[np.int64] | None = None) -> Gate:
    """The statistics of one gate's values [B, T, n]."""
    counted = np.ones(values.shape[:2], bool) if lengths is None else np.arange(values.shape[1]) < lengths[:, None]
    v = values[counted]  # [steps, n]
    if not v.size:
        raise DiagnoseError("there is no step to look at: give sequences of at least one step")
    low, high = SATURATED[kind]
    counts = np.histogram(v, BINS, RANGES[kind])[0].astype(np.int64)
    left, right = (v < low).mean(0), (v > high).mean(0)
    return Gate(kind, float(v.mean()), float(left.mean()), float(right.mean()), counts, left, right, v.mean(0))
