"""What a tune shares with the tunes of the training: the longest passage, found by fingerprints.

Of every note but a tune's first one number of 16 bits is kept: a hash of the last `WINDOW` steps, a step being the
semitones from the note before and the note's length. Consecutive numbers that are equal, in one tune, are a passage
that is equal in every key; the notes themselves cannot be read from them.
"""

from __future__ import annotations

import base64
import itertools
import zlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rondo.files import FileError
from rondo.tasks.music.tune import Tune

WINDOW = 6  # steps
LEAST = 2  # consecutive fingerprints: one alone may be equal by chance
Hashes = NDArray[np.uint16]


class Shared(NamedTuple):
    """A passage: notes from number `first` on, so many, and the title of the tune that has them."""

    first: int
    notes: int
    title: str


@dataclass(frozen=True)
class Known:
    """Fingerprints of tunes one after another, where each begins, and their titles."""

    hashes: Hashes
    starts: NDArray[np.int64]
    titles: list[str]
    _order: NDArray[np.int64] = field(init=False, repr=False, compare=False)
    _sorted: NDArray[np.int64] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        order = np.argsort(self.hashes, kind="stable")
        object.__setattr__(self, "_order", order)
        object.__setattr__(self, "_sorted", self.hashes[order].astype(np.int64))

    def longest(self, tune: Tune) -> Shared | None:
        """The longest passage of a tune that a training tune has too; None where it is shorter than WINDOW + 2
        notes."""
        best, runs = (0, 0, 0), dict[int, int]()  # runs: of each place that the fingerprint before fits, how many fit
        edges = set(self.starts.tolist())
        for k, value in enumerate(hashes(tune)):
            first, last = np.searchsorted(self._sorted, [value, value + 1])
            places = self._order[first:last].tolist()
            runs = {place: 1 + (0 if place in edges else runs.get(place - 1, 0)) for place in places}
            best = max(best, max(((run, k, place) for place, run in runs.items()), default=best), key=lambda b: b[0])
        size, last, place = best
        if size < LEAST:
            return None
        title = self.titles[int(np.searchsorted(self.starts, place, side="right")) - 1]
        notes = size + WINDOW
        numbers = [k for k, note in enumerate(tune.notes) if note.degree is not None]
        end = last + WINDOW
        return Shared(numbers[end - notes + 1], notes, title)


def steps(tune: Tune) -> list[tuple[int, int]]:
    """Of each sounding note but the first: semitones from the one before, and its length."""
    notes = [(tune.pitch(note), note.ticks) for note in tune.notes if note.degree is not None]
    return [(b[0] - a[0], b[1]) for a, b in itertools.pairwise(notes)]


def hashes(tune: Tune) -> list[int]:
    """A fingerprint for every WINDOW steps in a row."""
    own = steps(tune)
    return [_hash(own[k : k + WINDOW]) for k in range(len(own) - WINDOW + 1)]


def _hash(window: Sequence[tuple[int, int]]) -> int:
    return zlib.crc32(bytes(v % 256 for step in window for v in step)) & 0xFFFF


def gathered(tunes: Sequence[Tune]) -> Known:
    """Of the tunes of a training."""
    own = [hashes(tune) for tune in tunes]
    starts = np.cumsum([0, *(len(h) for h in own[:-1])])
    return Known(np.array([v for h in own for v in h], dtype=np.uint16), starts, [tune.title for tune in tunes])


def packed(tunes: Sequence[Tune]) -> dict[str, Any]:
    """The same as text, for a model file."""
    known = gathered(tunes)
    data = known.hashes.astype("<u2").tobytes()
    return {"hashes": base64.b64encode(data).decode(), "starts": known.starts.tolist(), "titles": known.titles}


def unpacked(value: Any) -> Known:
    """Raises FileError where it is none."""
    try:
        found = np.frombuffer(base64.b64decode(value["hashes"], validate=True), dtype="<u2").astype(np.uint16)
        starts = np.array(value["starts"], dtype=np.int64)
        titles = [str(title) for title in value["titles"]]
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise FileError(f"the fingerprints in the model file cannot be read: {error}") from None
    if len(starts) != len(titles) or not len(starts) or starts[0] != 0 or (np.diff(starts) < 0).any():
        raise FileError("the fingerprints in the model file do not fit its titles")
    return Known(found, starts, titles)
