"""Tune: what is written, as sections of bars of notes, in any key; and the order in which it is played."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from rondo.tasks.music.theory import Key, MusicError, metre_ticks, midi_pitch

LOWEST, MIDDLE, HIGHEST = 55, 71, 84  # of a fiddle's first position: where a tune that is moved into a key lies best


class Note(NamedTuple):
    """A note, or a rest where `degree` is None; `tie` holds it on into the next."""

    degree: int | None
    alter: int
    ticks: int
    tie: bool = False

    @property
    def pitch(self) -> tuple[int, int] | None:
        """What sounds, without its length."""
        return None if self.degree is None else (self.degree, self.alter)


Bar = tuple[Note, ...]


@dataclass(frozen=True)
class Section:
    """Bars that belong together. The first may be a pickup, and the last then lacks as much.

    first, second  the bars in which a repeated section ends the first time and the second; else both are empty
    """

    bars: tuple[Bar, ...]
    repeat: bool = False
    first: tuple[Bar, ...] = ()
    second: tuple[Bar, ...] = ()

    @property
    def written(self) -> tuple[Bar, ...]:
        """All bars in the order in which they stand."""
        return self.bars + self.first + self.second


@dataclass(frozen=True)
class Tune:
    """A tune: metre, key, the octave of its tonic, sections."""

    metre: str
    key: Key
    sections: tuple[Section, ...]
    octave: int = 4
    title: str = ""

    @property
    def bars(self) -> list[Bar]:
        """All bars in the order in which they stand."""
        return [bar for section in self.sections for bar in section.written]

    @property
    def notes(self) -> list[Note]:
        return [note for bar in self.bars for note in bar]

    def pitch(self, note: Note) -> int:
        """What a note sounds, as MIDI counts."""
        assert note.degree is not None
        return midi_pitch(note.degree, note.alter, self.key, self.octave)


class Sound(NamedTuple):
    """A note as it is played: from tick `start` on, `ticks` long; `note` is its number among the written ones."""

    start: int
    ticks: int
    pitch: int
    bar: int
    note: int


def ticks_of(bar: Bar) -> int:
    return sum(note.ticks for note in bar)


def pickup(section: Section, full: int) -> int:
    """Ticks of the bar that a section begins with, where it is none of the full ones; else 0."""
    size = ticks_of(section.bars[0]) if section.bars else 0
    return size if size < full and len(section.written) > 1 else 0


def faults(tune: Tune) -> list[tuple[int, int, int]]:
    """The bars that do not sum to the metre: number from 0, ticks, ticks that it should have. A section's pickup and
    its last bar make one."""
    full, found, number = metre_ticks(tune.metre), [], 0
    for section in tune.sections:
        up = pickup(section, full)
        ends = {len(section.bars) - 1} if not section.first else set()
        ends |= {len(section.bars) + len(section.first) - 1} if section.first else set()
        ends |= {len(section.written) - 1}
        for k, bar in enumerate(section.written):
            wanted = up if k == 0 and up else full - up if k in ends else full
            if (size := ticks_of(bar)) != wanted:
                found.append((number, size, wanted))
            number += 1
    return found


def played_bars(tune: Tune) -> Iterator[int]:
    """The numbers of the bars in the order in which they sound, repeats and endings taken."""
    start = 0
    for section in tune.sections:
        body = range(start, start + len(section.bars))
        first = range(body.stop, body.stop + len(section.first))
        second = range(first.stop, first.stop + len(section.second))
        yield from body
        yield from first
        if section.repeat:
            yield from body
            yield from second
        start = second.stop


def sounds(tune: Tune) -> list[Sound]:
    """What is heard: tied notes are one."""
    bars, numbers, count = tune.bars, [], 0
    for bar in bars:
        numbers.append(count)
        count += len(bar)
    found: list[Sound] = []
    at, held = 0, False
    for b in played_bars(tune):
        for k, note in enumerate(bars[b]):
            if note.degree is not None:
                pitch = tune.pitch(note)
                if held and found and found[-1].pitch == pitch and found[-1].start + found[-1].ticks == at:
                    found[-1] = found[-1]._replace(ticks=found[-1].ticks + note.ticks)
                else:
                    found.append(Sound(at, note.ticks, pitch, b, numbers[b] + k))
            held = note.tie
            at += note.ticks
    return found


def in_key(tune: Tune, key: Key) -> Tune:
    """The same tune on another tonic, in the octave where most of it lies well."""
    notes = [note for note in tune.notes if note.degree is not None]

    def outside(octave: int) -> float:
        pitches = [midi_pitch(note.degree or 0, note.alter, key, octave) for note in notes]
        far = sum(max(0, LOWEST - p) + max(0, p - HIGHEST) for p in pitches)
        return far + abs(sum(pitches) / max(1, len(pitches)) - MIDDLE)

    return dataclasses.replace(tune, key=key, octave=min(range(3, 6), key=outside))


def check(tune: Tune) -> Tune:
    """The tune. Raises MusicError, naming the bar, where one does not sum to the metre."""
    for number, size, wanted in faults(tune):
        raise MusicError(
            f"第 {number + 1} 小节长 {size}/96，应为 {wanted}/96 / bar {number + 1} has {size}/96 of a whole note, "
            f"the metre {tune.metre} wants {wanted}/96"
        )
    if not tune.notes:
        raise MusicError("曲中没有音符 / the tune has no notes")
    return tune
