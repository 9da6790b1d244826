"""The harmoniser: a melody in one voice, four voices out.

The tagger says of one voice, beside those that are known, how likely each pitch is at each step, and its chain how
pitches follow one another. Voices that are to be written are filled in one after the other, the bass first, each by
the best course that breaks no rule beside those that stand already (`harmony`); then each is taken out and written
again beside all others, a few times, and the best round is kept. `temperature` adds noise to the scores (the maximum
of perturbed scores is a draw: Papandreou & Yuille 2011, doi:10.1109/ICCV.2011.6126242), so that seeds differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.files import FileError
from rondo.models.store import load_task
from rondo.models.tagger import Tagger
from rondo.tasks.music import chorale as c
from rondo.tasks.music import harmony
from rondo.tasks.music.harmony import Broken
from rondo.tasks.music.theory import Key, MusicError

ROUNDS = 3
ORDER = (0, 3, 1, 2)  # in which voices are filled in
Ints = c.Ints


class Harmoniser:
    """The tagger of voices."""

    def __init__(self, model: Tagger) -> None:
        self.model = model

    @classmethod
    def load(cls, path: Path | str = "music-chorale") -> Harmoniser:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
        model, about = load_task(path, "music", Tagger, "model of chorales")
        if about.get("music") != "chorale" or model.crf is None or model.crf.transitions.shape[0] != c.PITCHES:
            raise FileError(f"{path} is no model of a voice beside others")
        return cls(model)

    def __call__(
        self, known: Sequence[Ints | None], key: Key, *, start: int = 0, temperature: float = 0.0, seed: int = 0
    ) -> tuple[Ints, list[Broken]]:
        """Four voices [T, 4] of which the known ones (pitches [T], -1 for silence) stay as they are, and the rules that
        are broken in the end. start: half beats before the first step. Raises MusicError where nothing is known."""
        given = [k for k in known if k is not None]
        if not given or any(len(k) != len(given[0]) for k in given) or not len(given[0]):
            raise MusicError("至少给出一个声部 / give at least one voice; known voices have the same number of steps")
        random = np.random.default_rng(seed)
        voices: list[Ints | None] = list(known)
        free = [v for v in ORDER if known[v] is None]
        for v in free:
            voices[v] = self.voice(v, voices, key, start, temperature, random)
        best = self._judged(voices, known)
        for _ in range(ROUNDS if free else 0):
            before = [np.copy(v) if v is not None else None for v in voices]
            for v in free:
                voices[v] = self.voice(v, voices, key, start, temperature / 2, random)
            best = min(best, self._judged(voices, known), key=lambda one: one[0])
            if all(
                np.array_equal(a, b) for a, b in zip(before, voices, strict=True) if a is not None and b is not None
            ):
                break
        return best[1], harmony.broken(best[1])

    def _judged(self, voices: Sequence[Ints | None], known: Sequence[Ints | None]) -> tuple[int, Ints]:
        """How many rules are broken that a free voice has part in; and the voices."""
        whole = np.stack([v for v in voices if v is not None], 1)
        fixed = {c.VOICES[v] for v in range(4) if known[v] is not None}
        return sum(not set(one.voices) <= fixed for one in harmony.broken(whole)), whole

    def voice(
        self,
        voice: int,
        voices: Sequence[Ints | None],
        key: Key,
        start: int,
        temperature: float,
        random: np.random.Generator,
    ) -> Ints:
        """The best course of one voice beside those that are known."""
        shift = c.shift_of(key)
        emissions, transitions = self.scores(voice, voices, key, start)
        if temperature:
            emissions = emissions + temperature * _noise(random, emissions.shape, _beats(len(emissions), start))
        silent = _all_silent([v for k, v in enumerate(voices) if v is not None and k != voice])
        low, high = harmony.RANGES[voice]
        pitches = np.array([-1, *range(low, high + 1)])  # of its range; silence first
        columns = np.array([0, *(pitches[1:] + shift - c.BOTTOM + 1)])
        emissions, transitions = emissions[:, columns], transitions[np.ix_(columns, columns)]
        one, two = harmony.costs(voice, [None if k == voice else v for k, v in enumerate(voices)], pitches)
        one[:, 0] += np.where(silent, 0, harmony.BROKEN)  # a voice rests where all do
        one[silent, 1:] += harmony.BROKEN
        course, _ = harmony.best_course(emissions, transitions, one, two)
        found: Ints = pitches[course]
        return found

    @torch.no_grad()
    def scores(
        self, voice: int, voices: Sequence[Ints | None], key: Key, start: int = 0
    ) -> tuple[harmony.Floats, harmony.Floats]:
        """Emissions [T, P] and the chain's transitions [P, P] of the pitches and of silence, the first."""
        shift, crf = c.shift_of(key), self.model.crf
        assert crf is not None
        columns = [None if v is None or k == voice else c.column(v, shift) for k, v in enumerate(voices)]
        size = next(len(v) for v in voices if v is not None)
        x = c.inputs(columns, voice, int(key.mode in ("min", "dor", "phr", "loc")), size, start)
        emissions = self.model(torch.from_numpy(x).unsqueeze(0))[0][0].double().numpy()
        transitions = crf.transitions.detach().double().numpy()
        return emissions[:, c.SILENT :], transitions[c.SILENT :, c.SILENT :]


def _all_silent(known: Sequence[Ints]) -> NDArray[np.bool_]:
    """At which steps all known voices rest."""
    silent: NDArray[np.bool_] = np.all(np.stack(known) < 0, axis=0)
    return silent


def _beats(size: int, start: int) -> Ints:
    """The number of the beat that each step is in."""
    return (np.arange(size) + start) // 2


def _noise(random: np.random.Generator, shape: tuple[int, ...], beats: Ints) -> harmony.Floats:
    """The same noise within a beat, so that no voice is made to move for it."""
    drawn: harmony.Floats = random.gumbel(size=(int(beats[-1]) + 1, shape[1]))[beats]
    return drawn
