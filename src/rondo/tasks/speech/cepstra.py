"""Cepstra of a recording, by the steps that the Sphinx front end takes (those of AN4's files).

    y_t = x_t - 0.97 x_{t-1}
    frames of 410 samples (25.6 ms at 16 kHz) every 10 ms under a Hamming window, the squares of their FFT of 512
    e_b, b = 0 ... 39: triangular bands of equal area, from 130 to 6,800 Hz on the mel scale
    c_k = 1/40 sum_b log e_b cos(pi k (b + 1/2) / 40), k = 0 ... 12, with half of the first band's term

These are the numbers of sphinx_fe (Debian package sphinxbase-utils) with AN4's settings and -remove_noise no, to a
hundredth; the sound of the corpus itself was not at hand to compare with.
"""

from __future__ import annotations

import functools
import math

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rondo.data.audio import Floats
from rondo.tasks.speech.alphabet import SpeechError

CEPSTRA = 13
RATE, SIZE, STEP, LINES, BANDS = 16_000, 410, 160, 512, 40
LOW, HIGH, EMPHASIS = 130.0, 6800.0, 0.97
FULL = 32768  # samples of 16 bits, which Sphinx reads


def cepstra_of(samples: Floats, rate: int) -> Tensor:
    """A recording [N] at 16 kHz as cepstra [T, 13]. Raises SpeechError at another rate."""
    if rate != RATE:
        raise SpeechError(f"cepstra are made at {RATE:,} Hz, found {rate:,}")
    x = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32)) * FULL
    x = functional.pad(x, (0, max(0, SIZE - len(x))))
    x = torch.cat([x[:1], x[1:] - EMPHASIS * x[:-1]])
    frames = x.unfold(0, SIZE, STEP) * torch.hamming_window(SIZE, periodic=False)
    energies = torch.fft.rfft(frames, LINES).abs() ** 2 @ _bands()
    found: Tensor = energies.clamp(min=1e-5).log() @ _cosines()
    return found


@functools.cache
def _bands() -> Tensor:
    """The weights [257, 40] of the spectrum's lines in each band."""
    low, high = (2595 * math.log10(1 + hertz / 700) for hertz in (LOW, HIGH))
    edges = 700 * (10 ** (torch.linspace(low, high, BANDS + 2, dtype=torch.float64) / 2595) - 1)
    edges = (edges * LINES / RATE).round() * RATE / LINES  # Sphinx rounds them to lines
    hertz = torch.arange(LINES // 2 + 1, dtype=torch.float64).unsqueeze(1) * RATE / LINES
    rising = (hertz - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - hertz) / (edges[2:] - edges[1:-1])
    area = 2 / (edges[2:] - edges[:-2])
    return (torch.minimum(rising, falling).clamp(min=0) * area).float()


@functools.cache
def _cosines() -> Tensor:
    """The transform [40, 13]."""
    band, k = torch.arange(BANDS, dtype=torch.float64).unsqueeze(1), torch.arange(CEPSTRA, dtype=torch.float64)
    cosines = torch.cos(math.pi * k * (band + 0.5) / BANDS) / BANDS
    cosines[0] /= 2
    return cosines.float()
