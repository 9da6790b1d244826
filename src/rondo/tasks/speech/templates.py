"""The cheap baseline of connected digits: cut at silence, and take each piece for the digit whose mean it is nearest.

A piece becomes SLICES means over time of the logarithms of its bands, less their mean; a digit's template is the mean
over its recordings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rondo.data.audio import Floats
from rondo.tasks.speech.alphabet import DIGITS, SpeechError
from rondo.tasks.speech.features import FrontEnd

SLICES = 8
SILENCE = 1e-5  # of a sample: what lies below it for 30 ms is a pause


@dataclass(frozen=True)
class Templates:
    """The mean of each digit [10, SLICES * bands]."""

    means: Tensor

    @classmethod
    def fit(cls, samples: Sequence[Floats], digits: Sequence[int], front: FrontEnd) -> Templates:
        rows = torch.stack([_described(x, front) for x in samples])
        y = torch.tensor(digits)
        return cls(torch.stack([rows[y == k].mean(0) for k in range(len(DIGITS))]).nan_to_num(1e3))

    def __call__(self, samples: Floats, front: FrontEnd) -> str:
        """The digits of a recording with silent pauses."""
        pieces = [_described(x, front) for x in cut(samples, front.rate)]
        return " ".join(DIGITS[int((self.means - p).square().sum(1).argmin())] for p in pieces)

    def to_json(self) -> list[list[float]]:
        return [[round(v, 3) for v in row] for row in self.means.tolist()]

    @classmethod
    def from_json(cls, value: Any, front: FrontEnd) -> Templates:
        try:
            means = torch.tensor(value, dtype=torch.float32)
        except (TypeError, ValueError):
            means = torch.zeros(0)
        if means.shape != (len(DIGITS), SLICES * front.bands):
            raise SpeechError("the model file's baseline is damaged")
        return cls(means)


def cut(samples: Floats, rate: int) -> list[Floats]:
    """The pieces between pauses of 30 ms or more."""
    loud = np.flatnonzero(np.abs(samples) > SILENCE)
    if not len(loud):
        return []
    ends = np.flatnonzero(np.diff(loud) > 0.03 * rate)
    starts = [loud[0], *loud[ends + 1]]
    return [samples[a : b + 1] for a, b in zip(starts, [*loud[ends], loud[-1]], strict=True)]


def _described(samples: Floats, front: FrontEnd) -> Tensor:
    x = (front.mel(samples) + 1e-6).log()
    slices = functional.adaptive_avg_pool1d((x - x.mean()).t().unsqueeze(0), SLICES)
    return slices.flatten()
