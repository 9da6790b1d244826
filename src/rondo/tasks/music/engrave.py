"""Engraved scores: MEI of tunes and chorales, drawn as SVG by verovio (the extra `rondo[music]`)."""

from __future__ import annotations

import importlib
import importlib.util
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rondo.tasks.music.abc_write import triplets
from rondo.tasks.music.theory import LETTERS, Key, MusicError, beat_ticks, spelled
from rondo.tasks.music.tune import Bar, Note, Tune

# ticks of plain and dotted values: whole, half, quarter, eighth ...
WRITTEN = {
    96 * (2 ** (dots + 1) - 1) // 2**dots // 2**k: (str(2**k), dots)
    for k in range(6)
    for dots in (2, 1, 0)
    if 96 * (2 ** (dots + 1) - 1) % 2 ** (dots + k) == 0
}
ACCIDENTALS = {0: "n", 1: "s", -1: "f", 2: "x", -2: "ff"}
# a page may forbid styles within, and what they say is the viewer's to say; the dot is where a section begins
STYLE = re.compile(r'<style[^>]*>.*?</style>|<ellipse cx="0" cy="0" rx="90" ry="90" />', re.DOTALL)
OPTIONS = {
    "pageHeight": 60000,
    "adjustPageHeight": True,
    "header": "none",
    "footer": "none",
    "breaks": "auto",
    "svgViewBox": True,
    "pageMarginLeft": 40,
    "pageMarginRight": 40,
    "pageMarginTop": 40,
    "pageMarginBottom": 40,
    "spacingStaff": 8,
    "justificationSystem": 0.0,
}
_thread = ThreadPoolExecutor(1)  # the engraver keeps its fonts per thread: all of its work is done in one
_made: list[Any] = []


def available() -> bool:
    """Whether the engraver is installed."""
    return importlib.util.find_spec("verovio") is not None


def engraved(mei: str, width: int = 2100, scale: int = 40) -> str:
    """One SVG of the whole piece. Raises MusicError where the engraver is not installed, or cannot draw it."""
    if not available():
        raise MusicError(
            "排印乐谱需要 verovio：pip install 'rondo[music]' / engraving needs verovio: pip install 'rondo[music]'"
        )
    return STYLE.sub("", _thread.submit(_drawn, mei, width, scale).result())


def _drawn(mei: str, width: int, scale: int) -> str:
    """Runs in the engraver's own thread."""
    if not _made:
        verovio = importlib.import_module("verovio")
        verovio.enableLog(verovio.LOG_OFF)
        verovio.setDefaultResourcePath(str(Path(verovio.__path__[0]) / "data"))
        _made.append(verovio.toolkit())
    tool = _made[0]
    tool.setOptions({**OPTIONS, "pageWidth": width, "scale": scale})
    if not tool.loadData(mei):
        raise MusicError("乐谱排不出来 / the score cannot be engraved")
    return str(tool.renderToSVG(1))


def tune_mei(tune: Tune) -> str:
    """A melody on one staff. Bars are called b0, b1 ..., notes and rests n0, n1 ..."""
    top, bottom = tune.metre.split("/")
    definition = (
        f'<scoreDef meter.count="{top}" meter.unit="{bottom}"><staffGrp><staffDef n="1" lines="5" clef.shape="G" '
        f'clef.line="2" keysig="{signature(tune.key)}"/></staffGrp></scoreDef>'
    )
    return document(definition, "".join(_measures(tune)))


def document(definition: str, content: str) -> str:
    """A score with this definition and content."""
    return (
        '<?xml version="1.0" encoding="UTF-8"?><mei xmlns="http://www.music-encoding.org/ns/mei" meiversion="5.0">'
        f"<meiHead/><music><body><mdiv><score>{definition}<section>{content}</section></score></mdiv></body></music></mei>"
    )


def signature(key: Key) -> str:
    """Sharps or flats as MEI counts them."""
    n = key.fifths
    return "0" if not n else f"{abs(n)}{'s' if n > 0 else 'f'}"


def _measures(tune: Tune) -> list[str]:
    found, number, notes, held = [], 0, 0, False
    voice = Voice(tune.key, tune.octave, tune.metre)
    for k, section in enumerate(tune.sections):
        body, first, every = len(section.bars), len(section.first), section.written
        close = "end" if k == len(tune.sections) - 1 else "dbl"
        for j, bar in enumerate(every):
            left = ' left="rptstart"' if j == 0 and section.repeat else ""
            right = f' right="{close}"' if j == len(every) - 1 else ""
            if section.repeat and j == body + first - 1:
                right = ' right="rptend"'
            if first and j in (body, body + first):
                found.append(f'<ending n="{1 if j == body else 2}" label="{1 if j == body else 2}.">')
            content = layer(bar, voice, [f"n{notes + n}" for n in range(len(bar))], held)
            head = f'<measure n="{number + 1}" xml:id="b{number}"{left}{right}>'
            found.append(f'{head}<staff n="1">{content}</staff></measure>')
            if first and j in (body + first - 1, len(every) - 1):
                found.append("</ending>")
            number, notes, held = number + 1, notes + len(bar), bar[-1].tie
    return found


@dataclass(frozen=True)
class Voice:
    """How notes are set: in a key, with the tonic in an octave, under a metre's beams; stems up, down, or as usual."""

    key: Key
    octave: int
    metre: str
    stem: str = ""


def layer(bar: Bar, voice: Voice, names: Sequence[str], held: bool = False, number: int = 1) -> str:
    """The notes of a bar in one voice, under beams and triplet brackets. held: the bar before is tied into it."""
    notes, called = values(bar, names, beat_ticks(voice.metre))
    parts, groups, holds = [], triplets(tuple(notes)), dict[int, int]()
    at, inside, beam = 0, 0, False
    for k, note in enumerate(notes):
        if beam and not inside and (not _short(note) or at % beat_ticks(voice.metre) == 0):
            parts.append("</beam>")
            beam = False
        if not beam and not inside and _joins(notes, k, at, voice.metre):
            parts.append("<beam>")
            beam = True
        if k in groups:
            parts.append('<tuplet num="3" numbase="2">')
            inside = groups[k]
        parts.append(_note(note, voice, holds, called[k], notes[k - 1].tie if k else held))
        inside -= 1 if inside else 0
        if inside == 0 and note.ticks % 3:
            parts.append("</tuplet>")
        at += note.ticks
    return f'<layer n="{number}">{"".join(parts)}{"</beam>" if beam else ""}</layer>'


def values(bar: Bar, names: Sequence[str], beat: int) -> tuple[list[Note], list[str]]:
    """The notes with lengths that one sign cannot say cut into tied ones; the first keeps the name."""
    found, called = [], []
    for note, name in zip(bar, names, strict=True):
        left, part = note.ticks, name
        while left:
            written = [n for n in WRITTEN if n <= left]
            size = left if left % 3 or left in WRITTEN else max(written, key=lambda n: (n % beat == 0, n))
            left -= size
            found.append(note._replace(ticks=size, tie=note.tie or (left > 0 and note.degree is not None)))
            called.append(part)
            part += "-"
    return found, called


def _short(note: Note) -> bool:
    return note.degree is not None and sign(note)[0] in ("8", "16", "32")


def _joins(notes: Sequence[Note], k: int, at: int, metre: str) -> bool:
    """Whether a note and the next one stand under the same beam."""
    if not _short(notes[k]) or k + 1 >= len(notes):
        return False
    return (at + notes[k].ticks) % beat_ticks(metre) != 0 and _short(notes[k + 1])


def sign(note: Note) -> tuple[str, int]:
    """The value that a note is written with, and its dots."""
    return WRITTEN[note.ticks * 3 // 2 if note.ticks % 3 else note.ticks]


def _note(note: Note, voice: Voice, holds: dict[int, int], name: str, held: bool) -> str:
    dur, dots = sign(note)
    length = f'dur="{dur}"' + (f' dots="{dots}"' if dots else "")
    if note.degree is None:
        return f'<rest xml:id="{name}" {length}/>'
    letter, accidental, high = spelled(note.degree, note.alter, voice.key, voice.octave)
    place = 7 * high + letter
    shown = holds.get(place, voice.key.signature[letter]) != accidental and not held
    holds[place] = accidental
    marks = f' accid="{ACCIDENTALS[accidental]}"' if shown else ""
    if note.tie or held:
        marks += f' tie="{"m" if held and note.tie else "i" if note.tie else "t"}"'
    if voice.stem:
        marks += f' stem.dir="{voice.stem}"'
    return f'<note xml:id="{name}" pname="{LETTERS[letter].lower()}" oct="{high}" {length}{marks}/>'
