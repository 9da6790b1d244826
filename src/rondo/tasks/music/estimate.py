"""The key of a melody or of chords: the profile that fits the durations of its pitch classes best (Krumhansl 1990,
Cognitive Foundations of Musical Pitch, ch. 4, with the profiles of Temperley 1999, doi:10.2307/40285812, table 1)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rondo.tasks.music.theory import Key, key_of

MAJOR = (5.0, 2.0, 3.5, 2.0, 4.5, 4.0, 2.0, 4.5, 2.0, 3.5, 1.5, 4.0)
MINOR = (5.0, 2.0, 3.5, 4.5, 2.0, 4.0, 2.0, 4.5, 3.5, 2.0, 1.5, 4.0)
NAMES_MAJOR = ["C", "Db", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B"]
NAMES_MINOR = ["C", "C#", "D", "Eb", "E", "F", "F#", "G", "G#", "A", "Bb", "B"]


def estimated_key(pitches: Sequence[int], lengths: Sequence[float], last: float = 2.0) -> Key:
    """The likeliest major or minor key. last: the weight of the final note's pitch class, in mean lengths."""
    weight = np.zeros(12)
    for pitch, length in zip(pitches, lengths, strict=True):
        weight[pitch % 12] += length
    if len(pitches):
        weight[pitches[-1] % 12] += last * weight.sum() / len(pitches)
    best = (-np.inf, "C")
    for tonic in range(12):
        for profile, names, mode in ((MAJOR, NAMES_MAJOR, "maj"), (MINOR, NAMES_MINOR, "min")):
            shape = np.roll(np.array(profile), tonic)
            score = float(((shape - shape.mean()) / shape.std() * (weight - weight.mean())).sum())
            if score > best[0]:
                best = (score, names[tonic] + mode)
    return key_of(best[1])
