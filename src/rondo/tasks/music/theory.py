"""Pitches, keys and metres: a note is a step of its key's scale, so that a tune is the same tune in every key.

A note's `degree` counts the steps of the scale from the tonic (7 is its octave), its `alter` the semitones that it
is raised against the key's signature. Lengths are ticks, of which a whole note has 96: a triplet's eighth is 8.
"""

from __future__ import annotations

import re
from typing import NamedTuple

WHOLE = 96  # ticks of a whole note
LETTERS = "CDEFGAB"
NATURAL = (0, 2, 4, 5, 7, 9, 11)  # semitones of the letters
MODES = ("maj", "min", "dor", "mix", "phr", "lyd", "loc")
FIFTHS = {"maj": 0, "min": 3, "dor": 2, "mix": 1, "phr": 4, "lyd": -1, "loc": 5}  # flats more than major has
NAMES = {"": "maj", "m": "min", "ion": "maj", "aeo": "min", "major": "maj", "minor": "min"}
SHARPS, FLATS = "FCGDAEB", "BEADGCF"
KEY = re.compile(r"([A-Ga-g])([#b♯♭]?)\s*([A-Za-z]*)")
METRES = ("4/4", "6/8", "2/2", "2/4", "3/4", "9/8", "6/4", "3/2", "12/8", "3/8", "5/4", "7/8")
COMPOUND = ("6/8", "9/8", "12/8", "6/4", "3/8")


class MusicError(ValueError):
    """Music that cannot be read, or that cannot be written as asked."""


class Key(NamedTuple):
    """A tonic (a letter with its accidental) and a mode of `MODES`."""

    letter: int
    accidental: int
    mode: str

    @property
    def name(self) -> str:
        """As ABC writes it: F#min."""
        return LETTERS[self.letter] + {0: "", 1: "#", -1: "b"}[self.accidental] + self.mode

    @property
    def signature(self) -> tuple[int, ...]:
        """Of each letter, its accidental in the key's signature."""
        count = self.fifths
        marks = [0] * 7
        for n in range(abs(count)):
            marks[LETTERS.index((SHARPS if count > 0 else FLATS)[n % 7])] += 1 if count > 0 else -1
        return tuple(marks)

    @property
    def fifths(self) -> int:
        """Sharps of the signature; flats are negative."""
        major = (0, 2, 4, -1, 1, 3, 5)[self.letter] + 7 * self.accidental
        return major - FIFTHS[self.mode]

    @property
    def pitch_class(self) -> int:
        """Of the tonic, in semitones above C."""
        return (NATURAL[self.letter] + self.accidental) % 12


def key_of(text: str) -> Key:
    """The key that a name stands for: G, Gmaj, F#m, A dorian. Raises MusicError."""
    found = KEY.match(text.strip())
    word = found.group(3).lower() if found else ""
    mode = NAMES.get(word, NAMES.get(word[:3], word[:3]))
    if not found or mode not in MODES:
        raise MusicError(f"不认识的调：{text!r} / {text!r} is no key: write G, F#min, Ador or Dmix")
    accidental = {"": 0, "#": 1, "♯": 1, "b": -1, "♭": -1}[found.group(2)]
    key = Key(LETTERS.index(found.group(1).upper()), accidental, mode)
    if abs(key.fifths) > 7:
        raise MusicError(f"调号超过七个升降号：{text} / {text} has more than seven sharps or flats: take another name")
    return key


def metre_ticks(metre: str) -> int:
    """Ticks of a bar. Raises MusicError for a metre that Rondo does not write."""
    if metre not in METRES:
        raise MusicError(f"不支持的拍号：{metre!r} / the metre {metre!r} is not among {', '.join(METRES)}")
    top, bottom = map(int, metre.split("/"))
    return top * WHOLE // bottom


def beat_ticks(metre: str) -> int:
    """Ticks within which short notes stand together under one beam."""
    if metre in COMPOUND:
        return 3 * WHOLE // int(metre.split("/")[1])
    return {"4/4": 48, "2/2": 48, "3/2": 48}.get(metre, 24)


def spelled(degree: int, alter: int, key: Key, octave: int) -> tuple[int, int, int]:
    """A note's letter (0: C), its accidental in semitones, and its octave (4 begins at middle C)."""
    letter = key.letter + degree
    return letter % 7, key.signature[letter % 7] + alter, octave + letter // 7


def midi_pitch(degree: int, alter: int, key: Key, octave: int) -> int:
    """The number of a note's key on a keyboard, 60 for middle C."""
    letter, accidental, high = spelled(degree, alter, key, octave)
    return 12 * (high + 1) + NATURAL[letter] + accidental


def degree_of(letter: int, accidental: int, octave: int, key: Key, tonic: int) -> tuple[int, int]:
    """The degree and alteration of a written note, where the tonic stands in octave `tonic`."""
    return letter - key.letter + 7 * (octave - tonic), accidental - key.signature[letter]


def degree_of_pitch(pitch: int, key: Key, tonic: int) -> tuple[int, int]:
    """The degree and the smallest alteration of a key on a keyboard; what is between two is the raised lower one in
    sharp keys, else the lowered upper one; but in minor the sixth and seventh degrees are raised."""
    octave = pitch // 12 - 1
    sharp = 1 if key.fifths >= 0 else -1
    found = []
    for letter in range(7):
        for high in (octave - 1, octave, octave + 1):
            accidental = pitch - 12 * (high + 1) - NATURAL[letter]
            if abs(accidental) <= 2:
                degree, alter = degree_of(letter, accidental, high, key, tonic)
                leading = key.mode == "min" and alter == 1 and degree % 7 in (5, 6)
                found.append((abs(alter), not leading, -alter * sharp, abs(accidental), degree, alter))
    return min(found)[4:]
