"""MIDI files: written of tunes and chorales, and read as a melody (through mido, the extra `rondo[music]`)."""

from __future__ import annotations

import importlib
import io
from collections import Counter
from collections.abc import Sequence
from typing import Any

from rondo.tasks.music.estimate import estimated_key
from rondo.tasks.music.theory import METRES, WHOLE, Key, MusicError, degree_of_pitch, key_of, metre_ticks
from rondo.tasks.music.tokens import representable
from rondo.tasks.music.tune import Bar, Note, Section, Sound, Tune, pickup, sounds

LARGEST = 1 << 20  # bytes of a file
MOST_BARS = 200
GRID = (12, 8, 6)  # ticks that notes are moved to, the coarsest that fits best first


def mido() -> Any:
    """The package. Raises MusicError where it is not installed."""
    try:
        return importlib.import_module("mido")
    except ImportError:
        raise MusicError(
            "读写 MIDI 需要 mido：pip install 'rondo[music]' / MIDI needs the package mido: pip install 'rondo[music]'"
        ) from None


def tempo(metre: str) -> float:
    """Ticks a second, as such tunes are played."""
    beats = {"6/8": (36, 112), "9/8": (36, 108), "12/8": (36, 108), "3/4": (24, 132), "2/2": (48, 88), "3/2": (48, 80)}
    ticks, minute = beats.get(metre, (24, 152 if metre == "4/4" else 116))
    return ticks * minute / 60


def tune_midi(tune: Tune) -> bytes:
    """A tune as it is played, repeats taken; a pickup stands at the end of a bar."""
    full = metre_ticks(tune.metre)
    up = pickup(tune.sections[0], full)
    heard = [s._replace(start=s.start + (full - up if up else 0)) for s in sounds(tune)]
    return write([heard], tune.metre, tune.key, tempo(tune.metre), tune.title)


def write(voices: Sequence[Sequence[Sound]], metre: str, key: Key, speed: float, title: str = "") -> bytes:
    """A file with one track a voice. speed: ticks a second."""
    package = mido()
    file = package.MidiFile(ticks_per_beat=WHOLE // 4)
    head = package.MidiTrack()
    top, bottom = map(int, metre.split("/"))
    head.append(package.MetaMessage("set_tempo", tempo=round(1e6 * WHOLE / 4 / speed)))
    head.append(package.MetaMessage("time_signature", numerator=top, denominator=bottom))
    head.append(package.MetaMessage("key_signature", key=_key_name(key)))
    if title:
        head.append(package.MetaMessage("track_name", name=title.encode("latin-1", "replace").decode("latin-1")))
    file.tracks.append(head)
    for channel, voice in enumerate(voices):
        file.tracks.append(_track(package, voice, channel))
    out = io.BytesIO()
    file.save(file=out)
    return out.getvalue()


def _track(package: Any, voice: Sequence[Sound], channel: int) -> Any:
    track, at = package.MidiTrack(), 0
    events = [(s.start, 1, s.pitch) for s in voice] + [(s.start + s.ticks, 0, s.pitch) for s in voice]
    for when, on, pitch in sorted(events):
        kind = "note_on" if on else "note_off"
        track.append(package.Message(kind, note=pitch, velocity=80 if on else 0, channel=channel, time=when - at))
        at = when
    return track


def _key_name(key: Key) -> str:
    """The major or minor key with these sharps: MIDI knows no other modes."""
    names = ["Cb", "Gb", "Db", "Ab", "Eb", "Bb", "F", "C", "G", "D", "A", "E", "B", "F#", "C#"]
    minor = ["Abm", "Ebm", "Bbm", "Fm", "Cm", "Gm", "Dm", "Am", "Em", "Bm", "F#m", "C#m", "G#m", "D#m", "A#m"]
    return (minor if key.mode in ("min", "dor", "phr", "loc") else names)[key.fifths + 7]


def read_midi(data: bytes, title: str = "", key: str = "", metre: str = "") -> Tune:
    """The melody of a MIDI file: its track with the highest voice, on the grid that fits best, in bars.

    key, metre  instead of what the file says, or of what is estimated where it says nothing
    Raises MusicError.
    """
    if len(data) > LARGEST:
        raise MusicError(f"MIDI 文件超过 {LARGEST >> 20} MB / the MIDI file is larger than {LARGEST >> 20} MB")
    package = mido()
    try:
        file = package.MidiFile(file=io.BytesIO(data))
        beat = file.ticks_per_beat
        tracks = [_notes(track) for track in file.tracks]
    except Exception as error:  # the package raises whatever a damaged byte leads to
        raise MusicError(
            f"这不是完好的 MIDI 文件：{error} / this is no MIDI file, or a damaged one: {str(error)[:200]}"
        ) from None
    tracks = [track for track in tracks if track]
    if not tracks or beat <= 0:
        raise MusicError("MIDI 文件里没有音符 / the MIDI file has no notes")
    melody = _melody(max(tracks, key=lambda notes: sum(n[2] for n in notes) / len(notes)))
    metre = metre or _said(file, "time_signature", lambda m: f"{m.numerator}/{m.denominator}", "4/4")
    if metre not in METRES:
        raise MusicError(f"不支持的拍号：{metre!r} / the metre {metre!r} is not among {', '.join(METRES)}")
    found = key_of(key) if key else None
    if found is None:
        told = _said(file, "key_signature", lambda m: m.key, "")
        found = key_of(told) if told else estimated_key([p for _, _, p in melody], [n for _, n, _ in melody])
    return _in_bars(_quantised(melody, beat), found, metre, title)


def _said(file: Any, kind: str, read: Any, otherwise: str) -> str:
    for track in file.tracks:
        for message in track:
            if message.type == kind:
                return str(read(message))
    return otherwise


def _notes(track: Any) -> list[tuple[int, int, int]]:
    """(start, end, pitch) in the file's ticks."""
    at, on, found = 0, dict[int, int](), []
    for message in track:
        at += message.time
        if message.type == "note_on" and message.velocity:
            on.setdefault(message.note, at)
        elif message.type in ("note_on", "note_off") and message.note in on:
            start = on.pop(message.note)
            if at > start:
                found.append((start, at, message.note))
        if len(found) > 20_000:
            raise MusicError("MIDI 文件太长 / the MIDI file has more than 20,000 notes in a track")
    return sorted(found)


def _melody(notes: list[tuple[int, int, int]]) -> list[tuple[int, int, int]]:
    """(start, length, pitch): where notes begin together the highest, each until the next begins."""
    tops: dict[int, tuple[int, int, int]] = {}
    for start, end, pitch in notes:
        if start not in tops or pitch > tops[start][2]:
            tops[start] = (start, end, pitch)
    line = [tops[start] for start in sorted(tops)]
    ends = [start for start, _, _ in line[1:]] + [line[-1][1]]
    return [(s, min(e, after) - s, p) for (s, e, p), after in zip(line, ends, strict=True)]


def _quantised(melody: list[tuple[int, int, int]], beat: int) -> list[tuple[int, int, int]]:
    """The same in ticks of WHOLE, on the grid: each beat on eighths, triplets or sixteenths, whichever is nearest."""
    scale = WHOLE / 4 / beat
    beats: Counter[tuple[int, int]] = Counter()
    for start, _, _ in melody:
        x = start * scale
        for k, grid in enumerate(GRID):
            beats[int(x // 24), k] += round(1000 * abs(x - grid * round(x / grid))) + k
    placed = []
    for start, length, pitch in melody:
        x, end = start * scale, (start + length) * scale
        placed.append((_nearest(x, beats), _nearest(end, beats), pitch))
    found: list[tuple[int, int, int]] = []
    for k, (start, end, pitch) in enumerate(placed):
        after = placed[k + 1][0] if k + 1 < len(placed) else max(end, start + 6)
        close = after if after - end < 12 else end  # what is a little detached is not a rest
        if (size := min(after, max(close, start + 4)) - start) > 0:
            found.append((start, size, pitch))
    return found


def _nearest(x: float, beats: Counter[tuple[int, int]]) -> int:
    k = min(range(len(GRID)), key=lambda g: beats[int(x // 24), g])
    return GRID[k] * round(x / GRID[k])


def _in_bars(line: list[tuple[int, int, int]], key: Key, metre: str, title: str) -> Tune:
    """Notes in bars, cut and tied where they cross one; what is off the grid of triplets is moved onto it."""
    full = metre_ticks(metre)
    first = line[0][0] // full * full
    last = max(start + size for start, size, _ in line)
    count = -(-(last - first) // full)
    if count > MOST_BARS:
        raise MusicError(f"超过 {MOST_BARS} 小节 / the melody has more than {MOST_BARS} bars")
    bars: list[list[Note]] = [[] for _ in range(count)]
    at = first
    for start, size, pitch in [*line, (first + count * full, 0, -1)]:
        _fill(bars, at - first, start - first, None, full)
        if size:
            _fill(bars, start - first, start - first + size, degree_of_pitch(pitch, key, 4), full)
        at = start + size
    return Tune(metre, key, (_with_pickup(tuple(map(_whole, bars)), full),), 4, title)


def _with_pickup(bars: tuple[Bar, ...], full: int) -> Section:
    """A section in which silence before the first note is left out, where the last bar has as much to give."""
    rests = 0
    while rests < len(bars[0]) and bars[0][rests].degree is None:
        rests += 1
    gone = sum(note.ticks for note in bars[0][:rests])
    up = full - gone
    last, lost = list(bars[-1]), up
    while last and last[-1].degree is None and last[-1].ticks <= lost:
        lost -= last.pop().ticks
    if last and lost and last[-1].degree is None:
        last[-1], lost = last[-1]._replace(ticks=last[-1].ticks - lost), 0
    if not gone or len(bars) < 2 or lost or not last or up * 2 > full:
        return Section(bars)
    return Section((bars[0][rests:], *bars[1:-1], tuple(last)))


def _fill(bars: list[list[Note]], start: int, end: int, pitch: tuple[int, int] | None, full: int) -> None:
    while start < end:
        stop = min(end, (start // full + 1) * full)
        degree, alter = pitch if pitch else (None, 0)
        bars[start // full].append(Note(degree, alter, stop - start, pitch is not None and stop < end))
        start = stop


def _whole(bar: list[Note]) -> Bar:
    """A bar in which groups of triplets are whole: where they are not, its notes go to the grid of sixteenths."""
    owed, own = 0, list(bar)
    for note in own:
        if owed == 0 or note.ticks % 3:
            owed = (owed + note.ticks) % 3
        else:
            break
    if owed:
        at, edges = 0, [0]
        for note in own:
            at += note.ticks
            edges.append(6 * round(at / 6))
        own = [n._replace(ticks=b - a) for n, a, b in zip(own, edges, edges[1:], strict=False) if b > a]
    return representable(tuple(own))
