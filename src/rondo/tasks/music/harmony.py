"""The rules of four voices, and the best course of one voice under them.

A voice keeps to its range and between its neighbours, upper voices at most an octave apart; no two voices move in
fifths or octaves one after the other. With scores e_t[p] of a tagger and A[p, q] of its chain, the best course of a
voice beside voices that are known is found by Viterbi's recursion, in which a rule that is broken costs BROKEN:

    d_t[q] = e_t[q] + max_p (d_{t-1}[p] + A[p, q] - BROKEN parallels_t[p, q])

so that none is broken where that can be, and else as few as can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rondo.tasks.music.chorale import VOICES

RANGES = ((57, 81), (52, 76), (45, 69), (36, 64))  # of soprano, alto, tenor, bass
BROKEN = 1e4  # what a broken rule costs; a score of a step is some tens at most
PERFECT = (0, 7)  # octaves and fifths, in semitones within the octave
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Broken:
    """A rule that two voices break at a step."""

    step: int
    rule: str  # fifths, octaves, crossing, spacing, range
    voices: tuple[str, ...]


def parallels(a0: Ints | int, a1: Ints | int, b0: Ints | int, b1: Ints | int) -> NDArray[np.bool_]:
    """Whether two voices that go from a0, b0 to a1, b1 move from one fifth or octave into another; silence is -1."""
    a0, a1, b0, b1 = (np.asarray(v) for v in (a0, a1, b0, b1))
    moving = (a0 != a1) & (b0 != b1) & (a0 >= 0) & (a1 >= 0) & (b0 >= 0) & (b1 >= 0)
    first, second = np.abs(a0 - b0) % 12, np.abs(a1 - b1) % 12
    found: NDArray[np.bool_] = moving & (first == second) & ((first == PERFECT[0]) | (first == PERFECT[1]))
    return found


def broken(voices: Ints) -> list[Broken]:
    """All that voices [T, 4] break, step by step."""
    found = []
    for t, now in enumerate(voices.tolist()):
        for v, (low, high) in enumerate(RANGES):
            if now[v] >= 0 and not low <= now[v] <= high:
                found.append(Broken(t, "range", (VOICES[v],)))
        for v in range(3):
            if now[v] >= 0 and now[v + 1] >= 0:
                pair = (VOICES[v], VOICES[v + 1])
                if now[v] < now[v + 1]:
                    found.append(Broken(t, "crossing", pair))
                elif v < 2 and now[v] - now[v + 1] > 12:
                    found.append(Broken(t, "spacing", pair))
    for v in range(4):
        for w in range(v + 1, 4):
            a, b = voices[:, v], voices[:, w]
            for t in np.flatnonzero(parallels(a[:-1], a[1:], b[:-1], b[1:])).tolist():
                rule = "fifths" if abs(int(a[t]) - int(b[t])) % 12 else "octaves"
                found.append(Broken(t + 1, rule, (VOICES[v], VOICES[w])))
    return sorted(found, key=lambda one: one.step)


def costs(voice: int, known: Sequence[Ints | None], pitches: Ints) -> tuple[Floats, Floats]:
    """What breaking the rules costs: [T, P] at each step for each of `pitches` (-1 is silence), and [T, P, P] from one
    step's pitch to the next."""
    size = next(len(k) for k in known if k is not None)
    low, high = RANGES[voice]
    one = np.zeros((size, len(pitches)))
    one += np.where((pitches >= 0) & ((pitches < low) | (pitches > high)), 1, 0)
    two = np.zeros((size, len(pitches), len(pitches)))
    p, sounding = pitches[None], pitches[None] >= 0
    for other, own in enumerate(known):
        if own is None or other == voice:
            continue
        o = own[:, None]
        above = other < voice
        one += sounding & (o >= 0) & ((p > o) if above else (p < o))
        if abs(other - voice) == 1 and max(other, voice) < 3:
            one += sounding & (o >= 0) & (np.abs(p - o) > 12)
        two[1:] += parallels(pitches[None, :, None], pitches[None, None, :], own[:-1, None, None], own[1:, None, None])
    return one * BROKEN, two * BROKEN


def best_course(emissions: Floats, transitions: Floats, one: Floats, two: Floats) -> tuple[Ints, float]:
    """The course [T] with the highest score, as places in the rows of emissions [T, P], and that score."""
    d = emissions[0] - one[0]
    back = np.zeros(emissions.shape, dtype=np.int64)
    for t in range(1, len(emissions)):
        reach = d[:, None] + transitions - two[t]
        back[t] = reach.argmax(0)
        d = reach.max(0) + emissions[t] - one[t]
    course = np.zeros(len(emissions), dtype=np.int64)
    course[-1] = int(d.argmax())
    for t in range(len(emissions) - 1, 0, -1):
        course[t - 1] = back[t, course[t]]
    return course, float(d.max())
