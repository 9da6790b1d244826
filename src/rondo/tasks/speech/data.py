"""Recordings with what is said in them: batches that depend on the seed and the step alone.

What training hears differs each time: louder or softer, faster or slower, in noise, with bands and moments left out
(SpecAugment, Park et al. 2019, arXiv:1904.08779, without time warping).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rondo.data.audio import Floats
from rondo.data.batch import IGNORED, Batch
from rondo.models.ctc import frames_needed
from rondo.tasks.speech.alphabet import Alphabet
from rondo.tasks.speech.config import SpeechConfig


@dataclass(frozen=True)
class Utterance:
    """A recording as frames [T, n], what is said in it, and by whom."""

    x: Tensor
    text: str
    speaker: str = ""
    id: str = ""


Example = tuple[Tensor, list[int]] | tuple[Tensor, list[int], list[int]]  # frames, labels, symbols of steps


def batch_of(rows: Sequence[Example]) -> Batch:
    """Frames and labels side by side; with the symbols of steps, where every row has them."""
    lengths = torch.tensor([len(x) for x, *_ in rows])
    x = torch.zeros(len(rows), int(lengths.max()), rows[0][0].shape[1])
    for row, (frames, *_) in zip(x, rows, strict=True):
        row[: len(frames)] = frames
    y = _beside([labels for _, labels, *_ in rows])
    if all(len(row) == 3 for row in rows):
        both = [_beside([list(row[part]) for row in rows]) for part in (1, 2)]
        wide = max(part.shape[1] for part in both)
        y = torch.stack([functional.pad(part, (0, wide - part.shape[1]), value=IGNORED) for part in both], 1)
    return Batch(x, y, lengths, torch.tensor([len(labels) for _, labels, *_ in rows]))


def _beside(rows: Sequence[Sequence[int]]) -> Tensor:
    found = torch.full((len(rows), max(1, *map(len, rows)) if len(rows) > 1 else max(1, len(rows[0]))), IGNORED)
    for row, labels in zip(found, rows, strict=True):
        row[: len(labels)] = torch.tensor(labels, dtype=torch.long)
    return found


def held_out(utterances: Sequence[Utterance], alphabet: Alphabet, rows: int = 32) -> Iterator[tuple[list[int], Batch]]:
    """Every utterance once, the shortest first, with its place: for measuring."""
    order = sorted(range(len(utterances)), key=lambda i: len(utterances[i].x))
    for first in range(0, len(order), rows):
        index = order[first : first + rows]
        yield index, batch_of([(utterances[i].x, alphabet.labels(utterances[i].text)) for i in index])


Drawn = Callable[[int, np.random.Generator], list[Example]]


def batches(drawn: Drawn, seed: int, step: int) -> Iterator[Batch]:
    """Batches of the rows that `drawn(step, random)` makes. Batch k depends on the seed and k alone."""
    while True:
        yield batch_of([row for row in drawn(step, np.random.default_rng([seed, step])) if fits(row)])
        step += 1


def fits(row: Example, shortened: int = 4) -> bool:
    """Whether a recording has the frames that its labels need, after a stem has left a part of them."""
    labels = torch.tensor([row[1]], dtype=torch.long)
    return len(row[0]) // shortened >= int(frames_needed(labels)) if row[1] else len(row[0]) > 0


def near(sizes: Sequence[int], rows: int, random: np.random.Generator) -> list[int]:
    """Places of `rows` random recordings that are about equally long."""
    order = np.argsort(np.asarray(sizes) * random.uniform(1, 1.2, len(sizes)))
    first = int(random.integers(-rows // 2, len(order) - rows // 2))
    return [int(i) for i in order[max(0, min(first, len(order) - rows)) :][:rows]]


def drawn_speed(config: SpeechConfig, random: np.random.Generator) -> float:
    return float(random.uniform(1 - config.speed, 1 + config.speed))


def heard(samples: Floats, config: SpeechConfig, random: np.random.Generator, speed: float | None = None) -> Floats:
    """A recording as it might have been made: faster or slower (and higher or lower), at another level, in noise."""
    x = resped(samples, drawn_speed(config, random) if speed is None else speed)
    level = np.float32(10 ** random.uniform(-1.3, 0.3))
    x = x * (level / max(1e-3, float(x.max()), -float(x.min())))
    if random.random() < 0.8:
        x += level * np.float32(config.noise * 10 ** random.uniform(-2, 0)) * random.standard_normal(len(x), np.float32)
    return x


def resped(samples: Floats, speed: float) -> Floats:
    """Samples spoken so many times as fast, and as much higher, by straight lines between them."""
    x: Floats = resped_frames(torch.from_numpy(samples).unsqueeze(1), speed)[:, 0].numpy()
    return x


def masked(x: Tensor, config: SpeechConfig, random: np.random.Generator) -> Tensor:
    """Frames with runs of bands and of moments replaced by the mean."""
    for axis, most in ((1, config.bands_masked), (0, config.steps_masked)):
        for _ in range(2 if most else 0):
            wide = int(random.integers(0, min(most, x.shape[axis] // 4) + 1))
            first = int(random.integers(0, x.shape[axis] - wide + 1))
            x = x.clone()
            x.narrow(axis, first, wide).fill_(float(x.mean()))
    return x


def resped_frames(x: Tensor, speed: float) -> Tensor:
    """Frames [T, n] spoken so many times as fast, by straight lines between them."""
    steps = max(1, round(len(x) / speed))
    return functional.interpolate(x.t().unsqueeze(0), size=steps, mode="linear", align_corners=False)[0].t()
