"""How sure a model may say it is, and below what it answers "none of these".

On clips that are held out: the temperature T makes the mean of -log softmax(s / T)[y] smallest (Guo et al. 2017,
arXiv:1706.04599, sec. 4.2), and the threshold is the largest that still names KEPT of the clips that are answered
rightly. It says how sure an answer must be to be as sure as right ones are; what it refuses of actions that the model
does not know is measured apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from rondo.files import FileError
from rondo.tasks.video.readings import Floats, softmax

KEPT = 0.95  # of the clips that are answered rightly
TEMPERATURES = np.geomspace(1, 8, 65)  # a model may be too sure; on few clips it must not be made surer


@dataclass(frozen=True)
class Calibration:
    """The temperature of the scores and the probability below which nothing is named."""

    temperature: float = 1.0
    threshold: float = 0.0

    def to_json(self) -> dict[str, float]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Any) -> Calibration:
        """The inverse. Raises FileError."""
        try:
            found = cls(float(value["temperature"]), float(value["threshold"]))
        except (TypeError, KeyError, ValueError) as error:
            raise FileError(f"the model file has no calibration: {error}") from None
        if not 0.01 <= found.temperature <= 100 or not 0 <= found.threshold <= 1:
            raise FileError(f"the model file's calibration is out of range: {found}")
        return found


def calibrated(scores: Sequence[Floats], y: Sequence[int]) -> Calibration:
    """From the scores of held-out clips, a vector each, and their classes."""
    s, right = np.stack(scores), np.asarray(y)
    rows = np.arange(len(s))
    losses = [-np.log(np.maximum(softmax(s, t)[rows, right], 1e-12)).mean() for t in TEMPERATURES]
    temperature = round(float(TEMPERATURES[int(np.argmin(losses))]), 4)
    p = softmax(s, temperature)
    sure = p.max(1)[p.argmax(1) == right]
    threshold = round(float(np.quantile(sure, 1 - KEPT)), 4) if len(sure) else 1.0
    # a hair below, so that the clip that set it is itself named
    return Calibration(temperature, max(0.0, threshold - 1e-3))
