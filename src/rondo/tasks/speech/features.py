"""What a model reads of a recording: bands of energy against their own past, logarithms of energies, or cepstra.

live       PCEN of 40 bands: causal, so that a live stream reads the same numbers as a whole recording
both ways  logarithms of the energies, scaled over the recording
an4        13 cepstra and their slopes, scaled over the recording (`cepstra`)
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from rondo.data.audio import Floats, Mel, MelStream, Pcen, log_mel
from rondo.tasks.speech.alphabet import SpeechError
from rondo.tasks.speech.cepstra import CEPSTRA, cepstra_of
from rondo.tasks.speech.config import SpeechConfig

NORMS = ("pcen", "log", "cepstra")


@dataclass(frozen=True)
class FrontEnd:
    """From samples at `rate` to vectors, a frame every 10 ms."""

    rate: int
    bands: int
    norm: str

    @classmethod
    def of(cls, config: SpeechConfig) -> FrontEnd:
        if config.kind == "an4":
            return cls(16_000, CEPSTRA, "cepstra")
        return cls(config.rate, config.bands, "log" if config.bidirectional else "pcen")

    @classmethod
    def from_json(cls, value: Any) -> FrontEnd:
        """Raises SpeechError for what is no description of a front end."""
        try:
            own = cls(int(value["rate"]), int(value["bands"]), str(value["norm"]))
        except (KeyError, TypeError, ValueError):
            raise SpeechError("the model file does not say what its network reads") from None
        if own.norm not in NORMS or not 4000 <= own.rate <= 48000 or not 1 <= own.bands <= 128:
            raise SpeechError("what the model file says of the network's input cannot be")
        return own

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @property
    def width(self) -> int:
        """Numbers of a frame."""
        return 3 * self.bands if self.norm == "cepstra" else self.bands

    @property
    def mel(self) -> Mel:
        return Mel(self.rate, self.bands)

    def __call__(self, samples: Floats) -> Tensor:
        """A recording [N] as frames [T, width]."""
        if self.norm == "cepstra":
            return slopes(cepstra_of(samples, self.rate))
        energies = self.mel(samples)
        return Pcen()(energies)[0] if self.norm == "pcen" else log_mel(energies)


class FrontEndStream:
    """A causal front end piece by piece, in blocks of frames."""

    def __init__(self, front: FrontEnd) -> None:
        if front.norm != "pcen":
            raise SpeechError(f"frames scaled over the whole recording ({front.norm}) cannot be made live")
        self._mel, self._pcen = MelStream(front.mel), Pcen()
        self._before: Tensor | None = None

    def __call__(self, samples: Floats) -> Iterator[tuple[Tensor, Tensor]]:
        """Blocks of energies and of frames, each [t, bands]."""
        yield from map(self._frames, self._mel(samples))

    def finish(self) -> Iterator[tuple[Tensor, Tensor]]:
        yield from map(self._frames, self._mel.finish())

    def _frames(self, energies: Tensor) -> tuple[Tensor, Tensor]:
        x, self._before = self._pcen(energies, self._before)
        return energies, x


def slopes(cepstra: Tensor) -> Tensor:
    """Cepstra [T, n] with their first and second slopes (over two frames on each side), scaled: [T, 3 n]."""
    found = [cepstra]
    for _ in range(2):
        x = functional.pad(found[-1].t().unsqueeze(0), (2, 2), mode="replicate")[0].t()
        found.append((x[3:-1] - x[1:-3] + 2 * (x[4:] - x[:-4])) / 10)
    whole = torch.cat(found, 1)
    return (whole - whole.mean(0)) / whole.std(0, unbiased=False).clamp(min=1e-2)
