"""Chorales as training reads them: sets of sounding keys a quarter apart, and four voices an eighth apart."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import IGNORED, Batch
from rondo.data.bucket import shuffled
from rondo.data.read import json_lines
from rondo.tasks.music.estimate import estimated_key
from rondo.tasks.music.theory import Key, MusicError

Ints = NDArray[np.int64]
KEYS, LOWEST = 88, 21  # of a piano
VOICES = ("soprano", "alto", "tenor", "bass")
STEP = 12  # ticks of a step of the four voices
UNKNOWN, SILENT, FIRST = 0, 1, 2  # what a column of a voice holds: nothing is known, a rest, the lowest pitch
BOTTOM, TOP = 30, 92  # pitches, in a key that is moved to C
PITCHES = FIRST + TOP - BOTTOM + 1  # symbols of a column
COLUMNS = (PITCHES,) * 4 + (2, 4, 2)  # the voices, the half of the beat, the voice that is asked for, major or minor


def steps_of(path: Path) -> Iterator[tuple[int, list[Any]]]:
    """Of each record of a file, its line and its steps. Raises MusicError."""
    for number, _, row in json_lines(path):
        steps = row.get("steps")
        if not isinstance(steps, list) or not steps or not all(isinstance(step, list) for step in steps):
            raise MusicError(f"{path}:{number}: a chorale has steps, a list of lists of pitches")
        yield number, steps


def read_rolls(path: Path) -> list[NDArray[np.float32]]:
    """The keys that sound at each quarter, [T, 88], of every piece. Raises MusicError naming the line."""
    found = []
    for number, steps in steps_of(path):
        roll = np.zeros((len(steps), KEYS), dtype=np.float32)
        for at, step in enumerate(steps):
            for pitch in step:
                if not isinstance(pitch, int) or not LOWEST <= pitch < LOWEST + KEYS:
                    raise MusicError(f"{path}:{number}: step {at}: {pitch!r} is no key of a piano ({LOWEST} to 108)")
                roll[at, pitch - LOWEST] = 1
        found.append(roll)
    if not found:
        raise MusicError(f"{path} holds no chorale")
    return found


def read_voices(path: Path) -> list[Ints]:
    """The pitches of the four voices at each eighth, [T, 4], -1 for silence, of every piece. Raises MusicError."""
    found = []
    for number, steps in steps_of(path):
        if any(len(step) != 4 or not all(isinstance(p, int) and -1 <= p <= 127 for p in step) for step in steps):
            raise MusicError(f"{path}:{number}: every step has four pitches, -1 for silence")
        found.append(np.array(steps[::2], dtype=np.int64))
    if not found:
        raise MusicError(f"{path} holds no chorale")
    return found


# sets of keys


def roll_batch(rolls: Sequence[NDArray[np.float32]], index: Ints | Sequence[int], shifts: Ints | None = None) -> Batch:
    """x the keys at each step but the last, y those at the next one."""
    size = max(len(rolls[i]) for i in index) - 1
    x, y = np.zeros((len(index), size, KEYS), np.float32), np.full((len(index), size, KEYS), float(IGNORED), np.float32)
    lengths = []
    for row, i in enumerate(index):
        roll = rolls[i] if shifts is None else np.roll(rolls[i], int(shifts[row]), 1)
        n = len(roll) - 1
        x[row, :n], y[row, :n] = roll[:-1], roll[1:]
        lengths.append(n)
    return Batch(torch.from_numpy(x), torch.from_numpy(y), torch.tensor(lengths))


def roll_batches(
    rolls: Sequence[NDArray[np.float32]], rows: int, tokens: int, shift: int, seed: int, step: int = 0
) -> Iterator[Batch]:
    """Pass after pass. Batch k of a pass depends on the seed and the pass alone. shift: semitones that a piece is
    moved by at most; half of the pieces stay."""
    sizes = np.array([len(roll) - 1 for roll in rolls])
    for number in itertools.count():
        plan = shuffled(sizes, tokens, rows, seed, number)
        for k in range(step, len(plan)):
            random = np.random.default_rng([seed, number, k])
            moved = random.integers(-shift, shift + 1, len(plan[k])) * (random.random(len(plan[k])) < 0.5)
            yield roll_batch(rolls, plan[k], moved if shift else None)
        step = max(0, step - len(plan))


# four voices


def key_of_chorale(voices: Ints) -> Key:
    """The key of four voices together."""
    bass = voices[:, 3]
    pitches = [*voices[:, :3].ravel().tolist(), *bass.tolist()]
    sounding = [p for p in pitches if p >= 0]
    return estimated_key(sounding, [1.0] * len(sounding), last=len(sounding) / 12)


def shift_of(key: Key) -> int:
    """Semitones, -6 to 5, that bring a key's tonic to C."""
    return (6 - key.pitch_class) % 12 - 6


def column(pitches: Ints, shift: int) -> Ints:
    """A voice as symbols, in a key moved by `shift`."""
    moved = np.clip(pitches + shift, BOTTOM, TOP) - BOTTOM + FIRST
    return np.where(pitches < 0, SILENT, moved)


class Chorales:
    """Four-part pieces, each with the shift that brings it to C."""

    def __init__(self, pieces: Sequence[Ints]) -> None:
        self.pieces = list(pieces)
        keys = [key_of_chorale(piece) for piece in pieces]
        self.shifts = [shift_of(key) for key in keys]
        self.minor = [int(key.mode == "min") for key in keys]
        self.sizes: Ints = np.array([len(piece) for piece in pieces])

    def __len__(self) -> int:
        return len(self.sizes)

    def batch(self, index: Ints | Sequence[int], voices: Sequence[int], shown: NDArray[np.bool_], by: Ints) -> Batch:
        """voices [B] are asked for; of the others shown [B, 4] are known; by [B]: moved by so much more."""
        size = int(self.sizes[index].max())
        x = np.zeros((len(index), size, len(COLUMNS)), dtype=np.int64)
        y = np.full((len(index), size), IGNORED, dtype=np.int64)
        for row, i in enumerate(index):
            n, shift = self.sizes[i], self.shifts[i] + int(by[row])
            columns = [column(self.pieces[i][:, v], shift) for v in range(4)]
            x[row, :n] = inputs(
                [c if shown[row, v] else None for v, c in enumerate(columns)], voices[row], self.minor[i], n
            )
            y[row, :n] = columns[voices[row]]
        return Batch(torch.from_numpy(x), torch.from_numpy(y), torch.from_numpy(self.sizes[index]))


def inputs(columns: Sequence[Ints | None], voice: int, minor: int, size: int, start: int = 0) -> Ints:
    """What the tagger reads [T, 7] for one voice; it never sees that voice. start: half beats before the first step."""
    x = np.zeros((size, len(COLUMNS)), dtype=np.int64)
    for v, own in enumerate(columns):
        if own is not None and v != voice:
            x[:, v] = own
    x[:, 4] = (np.arange(size) + start) % 2
    x[:, 5], x[:, 6] = voice, minor
    return x


def voice_batches(own: Chorales, rows: int, tokens: int, shift: int, seed: int, step: int = 0) -> Iterator[Batch]:
    """Pass after pass: of every piece one voice drawn, the soprano less often, known mostly from the soprano and some
    of the others."""
    for number in itertools.count():
        plan = shuffled(own.sizes, tokens, rows, seed, number)
        for k in range(step, len(plan)):
            random, size = np.random.default_rng([seed, number, k]), len(plan[k])
            voices = random.choice(4, size, p=[0.1, 0.3, 0.3, 0.3])
            shown = random.random((size, 4)) < 0.5
            shown[:, 0] |= random.random(size) < 0.7
            none = ~shown.any(1) | ((shown.sum(1) == 1) & shown[np.arange(size), voices])
            shown[none] = True
            yield own.batch(plan[k], voices.tolist(), shown, random.integers(-shift, shift + 1, size))
        step = max(0, step - len(plan))


def asked(own: Chorales, known: str = "all") -> Iterator[Batch]:
    """For measuring: of every piece alto, tenor and bass in turn, from all others or from the soprano alone."""
    for index in shuffled(own.sizes, 8192, 64, 0, 0):
        for voice in (1, 2, 3):
            shown = np.ones((len(index), 4), dtype=bool)
            if known == "soprano":
                shown[:, 1:] = False
            yield own.batch(index, [voice] * len(index), shown, np.zeros(len(index), dtype=np.int64))
