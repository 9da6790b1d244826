"""Audio: recordings read from files, brought to one rate, and turned into frames that a network reads.

    for piece in pieces(path): ...      a recording as mono samples, a piece at a time, in constant memory
    resample(samples, 44_100, 8_000)    band-limited; `Resampler` does the same piece by piece
    Mel(8_000)(samples)                 energies of bands of the mel scale, a frame every 10 ms
    Pcen()(energies)                    each band against its own recent past; `log_mel`: logarithms

What works piece by piece computes in blocks of a fixed size, however the pieces are cut, so that its numbers are the
same to the last bit as those of a whole recording. Files are read with libsndfile (the extra `rondo[speech]`).
"""

from __future__ import annotations

import functools
import io
import math
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

Floats = NDArray[np.float32]

RATES = (4_000, 384_000)  # Hz of a recording that can be read
CROSSINGS = 6  # zeros of the low-pass filter on each side
ROLLOFF = 0.94  # of the lower rate's band is kept
PARTS = 1000  # rates are brought to a ratio of numbers up to this one: exact for all usual ones
PIECE = 1 << 8  # samples that are read from a file at once: of a damaged one, what stands before the damage


class AudioError(ValueError):
    """A recording that cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Recording:
    """Mono samples within [-1, 1] [N] at `rate` Hz, and what is to be known of how they were read."""

    samples: Floats
    rate: int
    notes: tuple[str, ...] = ()

    @property
    def seconds(self) -> float:
        return len(self.samples) / self.rate


# ---------------------------------------------------------------- files


def read_audio(source: Path | bytes, name: str = "") -> Recording:
    """A whole recording. Raises AudioError for what is no audio, has no sample, or has samples that are not finite."""
    file = AudioFile(source, name)
    found = list(file.pieces())
    return Recording(np.concatenate(found), file.rate, tuple(file.notes))


class AudioFile:
    """A recording in a file or in memory: WAV, FLAC, Ogg and whatever else libsndfile reads.

    rate, channels, frames (as the header says); notes: filled while `pieces` reads.
    """

    def __init__(self, source: Path | bytes, name: str = "") -> None:
        self.name = name or (str(source) if isinstance(source, Path) else "录音 / recording")
        self._source, sf = source, _soundfile()
        try:
            data = source.open("rb") if isinstance(source, Path) else io.BytesIO(source)
        except OSError as error:
            raise AudioError(f"无法读取 {self.name} / {self.name} cannot be read: {error.strerror}") from None
        with data:
            self._promised = promised(data)
            try:
                with sf.SoundFile(data) as file:
                    self.rate, self.channels, self.frames = file.samplerate, file.channels, file.frames
            except (sf.LibsndfileError, TypeError) as error:
                raise AudioError(
                    f"{self.name} 不是能读的录音，或已损坏；请用 WAV 或 FLAC / {self.name} is no recording that can be "
                    f"read, or is damaged: {_reason(error)} Give a WAV or FLAC file."
                ) from None
        if not RATES[0] <= self.rate <= RATES[1]:
            raise AudioError(
                f"{self.name} 的采样率是 {self.rate} Hz，应在 {RATES[0]} 与 {RATES[1]} 之间 / {self.name} has "
                f"{self.rate} samples per second: give {RATES[0]:,} to {RATES[1]:,}"
            )
        self.notes: list[str] = []

    def pieces(self) -> Iterator[Floats]:
        """Mono samples, a piece at a time; channels are averaged. Raises AudioError."""
        sf, read = _soundfile(), 0
        source = self._source.open("rb") if isinstance(self._source, Path) else io.BytesIO(self._source)
        with source as data, sf.SoundFile(data) as file:
            while True:
                try:
                    block = file.read(PIECE, dtype="float32", always_2d=True)
                except sf.LibsndfileError:  # the rest is damaged: what stands before it is kept
                    break
                if not len(block):
                    break
                read += len(block)
                yield self._mono(block)
        if not read:
            raise AudioError(
                f"{self.name} 里没有声音（0 个采样）/ {self.name} holds no sound (0 samples): record it again"
            )
        lacking = max(self.frames, self._promised) - read
        if lacking > 0:
            self.notes.append(
                f"文件不完整：只有 {read / self.rate:.2f} 秒，少了 {lacking / self.rate:.2f} 秒 / the file is cut off: "
                f"{read / self.rate:.2f} s are there, {lacking / self.rate:.2f} s are missing"
            )

    def _mono(self, block: Floats) -> Floats:
        mono: Floats = block[:, 0] if block.shape[1] == 1 else block.mean(1, dtype=np.float32)
        if not np.isfinite(mono).all():
            raise AudioError(
                f"{self.name} 含有无穷大或非数的采样 / {self.name} holds samples that are not finite: export it again"
            )
        return mono


def promised(file: Any) -> int:
    """Frames that the header of a RIFF/WAVE file promises, 0 where it promises none; the place in the file is kept."""
    at = file.tell()
    try:
        head = file.read(12)
        if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
            return 0
        align = 0
        while len(chunk := file.read(8)) == 8:
            size = int.from_bytes(chunk[4:], "little")
            if chunk[:4] == b"data":  # programs that write to a pipe leave a size that means "unknown"
                return size // align if align and size < 0x7FFFF000 else 0
            body = file.read(min(size, 64))
            if chunk[:4] == b"fmt " and len(body) >= 14:
                align = int.from_bytes(body[12:14], "little")
            file.seek(size - len(body) + size % 2, 1)
        return 0
    finally:
        file.seek(at)


def write_wav(samples: Floats, rate: int) -> bytes:
    """Mono samples as a WAV file of 16 bits."""
    data = (np.clip(samples, -1, 32767 / 32768) * 32768).round().astype("<i2").tobytes()
    head = (
        b"fmt \x10\0\0\0\x01\0\x01\0" + rate.to_bytes(4, "little") + (2 * rate).to_bytes(4, "little") + b"\x02\0\x10\0"
    )
    body = b"WAVE" + head + b"data" + len(data).to_bytes(4, "little") + data
    return b"RIFF" + len(body).to_bytes(4, "little") + body


def of_16_bits(samples: NDArray[np.int16]) -> Floats:
    """Samples of 16 bits as numbers within [-1, 1)."""
    return samples.astype(np.float32) / np.float32(32768)


def _soundfile() -> Any:
    try:
        import soundfile  # type: ignore[import-untyped]
    except (ImportError, OSError):
        raise AudioError(
            "读录音文件需要 soundfile / reading recordings needs soundfile: pip install 'rondo[speech]'"
        ) from None
    return soundfile


def _reason(error: Exception) -> str:
    text = getattr(error, "error_string", "") or "unknown format"
    return text if text.endswith(".") else f"{text}."


# ---------------------------------------------------------------- rates


class Resampler:
    """Samples at another rate, piece by piece: a low-pass filter, a sinc under a cosine window, for each phase.

    With L / M the ratio of the rates in lowest terms, L outputs are made for every M inputs:

        y[L b + p] = sum_k h(k - p M / L) x[M b + k],    h(t) = c sinc(c t) cos^2(pi c t / 12),  |c t| < 6

    c = 0.94 min(1, L / M). N samples become ceil(N L / M). Calls give what is certain; `finish` gives the rest.
    """

    def __init__(self, rate: int, to: int) -> None:
        ratio = Fraction(to, rate).limit_denominator(PARTS)
        if ratio.numerator > PARTS:  # so far up that the ratio's other part is large
            ratio = 1 / Fraction(rate, to).limit_denominator(PARTS)
        self._up, self._down = ratio.numerator, ratio.denominator
        self._same = rate == to
        cut = ROLLOFF * min(1.0, self._up / self._down)
        self._wide = math.ceil(CROSSINGS / cut)
        k = torch.arange(-self._wide, self._wide + self._down, dtype=torch.float64)
        t = cut * (k - torch.arange(self._up, dtype=torch.float64).unsqueeze(1) * self._down / self._up)
        window = torch.cos(t.clamp(-CROSSINGS, CROSSINGS) * (math.pi / 2 / CROSSINGS)) ** 2
        self._kernel = (cut * torch.sinc(t) * window).float().unsqueeze(1)  # [L, 1, 2 W + M]
        self._groups = max(1, rate // 50 // self._down)  # of M inputs in a block: about 20 ms
        self._kept = torch.zeros(self._wide)
        self._read = self._made = 0

    def __call__(self, samples: Floats) -> Floats:
        """What is certain after these samples too."""
        if self._same:
            return samples
        self._read += len(samples)
        self._kept = torch.cat([self._kept, torch.from_numpy(np.ascontiguousarray(samples))])
        return self._blocks()

    def finish(self) -> Floats:
        """The rest, as if silence followed."""
        if self._same:
            return np.zeros(0, dtype=np.float32)
        wanted = -(-self._read * self._up // self._down)
        block = self._groups * self._down
        self._kept = torch.cat([self._kept, torch.zeros(2 * self._wide + 2 * block)])
        before = self._made
        rest = self._blocks()
        return rest[: max(0, wanted - before)]

    def _blocks(self) -> Floats:
        step, found = self._groups * self._down, []
        while len(self._kept) >= step + 2 * self._wide:
            x = self._kept[: step + 2 * self._wide].view(1, 1, -1)
            found.append(functional.conv1d(x, self._kernel, stride=self._down)[0].t().reshape(-1))
            self._kept = self._kept[step:]
        made: Floats = torch.cat(found).numpy() if found else np.zeros(0, dtype=np.float32)
        self._made += len(made)
        return made


def resample(samples: Floats, rate: int, to: int) -> Floats:
    """All samples at another rate: [N] -> [ceil(N to / rate)]."""
    own = Resampler(rate, to)
    return np.concatenate([own(samples), own.finish()])


# ---------------------------------------------------------------- frames


@dataclass(frozen=True)
class Mel:
    """Energies of `bands` triangular bands, equally wide on the mel scale (2595 log10(1 + f / 700)), of frames of
    `window` seconds every `hop` seconds.

    N samples have 1 + floor((N - size) / step) frames, one where they fill none.
    """

    rate: int
    bands: int = 40
    window: float = 0.032
    hop: float = 0.010
    low: float = 60.0  # Hz where the lowest band begins

    @property
    def size(self) -> int:
        """Samples of a frame."""
        return round(self.window * self.rate)

    @property
    def step(self) -> int:
        """Samples from a frame to the next."""
        return round(self.hop * self.rate)

    def frames(self, samples: int) -> int:
        """How many frames so many samples have."""
        return 0 if not samples else max(1, 1 + (samples - self.size) // self.step)

    def filters(self) -> Tensor:
        """The weights [size // 2 + 1, bands] of the spectrum's lines in each band."""
        return _filters(self)

    def __call__(self, samples: Floats) -> Tensor:
        """Samples [N] to energies [T, bands]."""
        x = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))
        if not len(x):
            return torch.zeros(0, self.bands)
        return _energies(self, functional.pad(x, (0, max(0, self.size - len(x)))))


@functools.cache
def _filters(mel: Mel) -> Tensor:
    edges = torch.linspace(_mel(mel.low), _mel(mel.rate / 2), mel.bands + 2, dtype=torch.float64)
    hertz = 700 * (10 ** (edges / 2595) - 1)
    lines = torch.arange(mel.size // 2 + 1, dtype=torch.float64).unsqueeze(1) * mel.rate / mel.size
    rising = (lines - hertz[:-2]) / (hertz[1:-1] - hertz[:-2])
    falling = (hertz[2:] - lines) / (hertz[2:] - hertz[1:-1])
    return torch.minimum(rising, falling).clamp(min=0).float()


def _energies(mel: Mel, x: Tensor) -> Tensor:
    lines = torch.stft(x, mel.size, mel.step, window=_window(mel.size), center=False, return_complex=True)
    return (lines.real**2 + lines.imag**2).t() @ _filters(mel)


@functools.cache
def _window(size: int) -> Tensor:
    return torch.hann_window(size)


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


class MelStream:
    """`Mel` piece by piece, `block` frames at a time."""

    def __init__(self, mel: Mel, block: int = 16) -> None:
        self.mel, self.block = mel, block
        self._kept, self._any = torch.zeros(0), False

    def __call__(self, samples: Floats) -> Iterator[Tensor]:
        """Blocks of energies [block, bands] that are whole."""
        self._kept = torch.cat([self._kept, torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))])
        need = (self.block - 1) * self.mel.step + self.mel.size
        while len(self._kept) >= need:
            self._any = True
            yield _energies(self.mel, self._kept[:need])
            self._kept = self._kept[self.block * self.mel.step :]

    def finish(self) -> Iterator[Tensor]:
        """The frames that are left, fewer than a block."""
        if not self._any and len(self._kept):
            self._kept = functional.pad(self._kept, (0, max(0, self.mel.size - len(self._kept))))
        if len(self._kept) >= self.mel.size:
            yield _energies(self.mel, self._kept)
        self._kept = torch.zeros(0)


@dataclass(frozen=True)
class Pcen:
    """Per-channel energy normalisation: each band against a running mean of its own past, which makes the level of a
    recording and steady noise matter little (Wang et al. 2017, arXiv:1607.05666, eq. 1 and 2).

        M_t = (1 - s) M_{t-1} + s E_t,    y_t = (E_t / (eps + M_t)^a + d)^r - d^r

    M before the first frame is E_0.
    """

    s: float = 0.025
    a: float = 0.98
    d: float = 2.0
    r: float = 0.5
    eps: float = 1e-6

    def __call__(self, energies: Tensor, before: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Energies [T, bands] and M [bands] before them (None: at a beginning) to y [T, bands] and M after them."""
        if not len(energies):
            return energies, torch.zeros(energies.shape[1]) if before is None else before
        mean, means = energies[0] if before is None else before, []
        for part in torch.split(energies, 64):
            weights, decay = self._recursion(len(part))
            means.append(weights @ part + decay.unsqueeze(1) * mean)
            mean = means[-1][-1]
        smooth = torch.cat(means)
        return (energies / (self.eps + smooth) ** self.a + self.d) ** self.r - self.d**self.r, mean

    @functools.cache  # noqa: B019  # two small matrices for each of a few settings
    def _recursion(self, steps: int) -> tuple[Tensor, Tensor]:
        """M of `steps` frames as a product: weights [steps, steps] of the energies, and of M before them [steps]."""
        t = torch.arange(steps)
        powers = (1 - self.s) ** (t.unsqueeze(1) - t).clamp(min=0).double()
        return (self.s * powers).tril().float(), ((1 - self.s) ** (t + 1).double()).float()


def log_mel(energies: Tensor, floor: float = 1e-6) -> Tensor:
    """Logarithms of energies, of mean 0 and deviation 1 in each band over the recording [T, bands]."""
    x = (energies + floor).log()
    return (x - x.mean(0)) / x.std(0, unbiased=False).clamp(min=0.1)
