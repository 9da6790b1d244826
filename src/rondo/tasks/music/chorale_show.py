"""A chorale as a request and as an answer: the melody's bars, four voices, ABC, MIDI, score."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, field_validator

from rondo.tasks.music import chorale as c
from rondo.tasks.music import engrave, midi
from rondo.tasks.music.abc_read import read_abc
from rondo.tasks.music.abc_write import bar_abc
from rondo.tasks.music.estimate import estimated_key
from rondo.tasks.music.harmoniser import Harmoniser
from rondo.tasks.music.request import Heard, checked
from rondo.tasks.music.theory import Key, MusicError, degree_of_pitch, key_of, metre_ticks
from rondo.tasks.music.tokens import representable
from rondo.tasks.music.tune import Note, Section, Sound, Tune, played_bars, ticks_of

MOST_STEPS = 600  # eighths of a melody
SPEED = 24 * 84 / 60  # ticks a second
MEANS = {"soprano": (60, 79), "alto": (55, 72), "tenor": (48, 67), "bass": (40, 60)}  # of a melody as such a voice


class ChoraleRequest(BaseModel):
    """A melody to be set in four voices."""

    model_config = ConfigDict(extra="forbid")

    abc: str = Field(max_length=100_000, description="the melody in ABC notation")
    voice: Literal["soprano", "alto", "tenor", "bass"] = Field("soprano", description="the voice that the melody is")
    key: str = Field("", max_length=20, description="empty: that of the ABC")
    locked: dict[Literal["soprano", "alto", "tenor", "bass"], list[int]] = Field(
        {}, description="other voices that stay: of each a pitch at every eighth (-1: a rest), as an answer has them"
    )
    temperature: float = Field(0.0, ge=0, le=3, description="0: the best; more: others, by the seed")
    seed: int = Field(1, ge=0, le=2**31 - 1)
    score: bool = Field(True, description="engrave it, where the package verovio is installed")
    width: int = Field(2100, ge=500, le=4000, description="of the score's page, in tenths of a millimetre")

    @field_validator("key")
    @classmethod
    def _key(cls, value: str) -> str:
        return key_of(value).name if value.strip() else ""


class BrokenRule(BaseModel):
    """A rule that two voices break; a locked melody may break some by itself."""

    bar: int
    rule: str
    voices: list[str]


class ChoraleResponse(BaseModel):
    """Four voices."""

    abc: str
    title: str
    key: str
    metre: str
    seed: int
    bars: int
    voices: dict[str, list[int]] = Field(description="of each voice the pitch at every eighth")
    broken: list[BrokenRule]
    sounds: list[Heard]
    seconds: float
    svg: str = ""
    notes: list[str] = []


def chorale_request(**values: Any) -> ChoraleRequest:
    """A checked request. Raises MusicError."""
    found: ChoraleRequest = checked(ChoraleRequest, values)
    return found


def melody_of(tune: Tune) -> Tune:
    """A tune as it is sung: repeats written out as nothing, second endings taken."""
    bars = [bar for s in tune.sections for bar in (*s.bars, *(s.second or ()))]
    return replace(tune, sections=(Section(tuple(bars)),))


def steps_of(tune: Tune) -> c.Ints:
    """The pitch at every eighth, -1 for a rest."""
    found: list[int] = []
    at = 0
    for bar in tune.bars:
        for note in bar:
            first, last = -(-at // c.STEP), -(-(at + note.ticks) // c.STEP)
            found += [tune.pitch(note) if note.degree is not None else -1] * (last - first)
            at += note.ticks
    return np.array(found, dtype=np.int64)


def harmonise(model: Harmoniser, request: ChoraleRequest) -> tuple[Tune, dict[str, Tune], ChoraleResponse]:
    """The melody, the four voices as tunes, and all that is shown. Raises MusicError."""
    tune, pitches, notes = _placed(melody_of(read_abc(request.abc, repair=True)), request.voice)
    key = key_of(request.key) if request.key else tune.key
    if not request.key and tune.key.mode not in ("maj", "min"):
        sounding = pitches[pitches >= 0].tolist()
        key = estimated_key(sounding, [1.0] * len(sounding))
    up = ticks_of(tune.bars[0])
    start = (metre_ticks(tune.metre) - up) // c.STEP if up < metre_ticks(tune.metre) else 0
    known = _known(request, pitches)
    whole, broken = model(known, key, start=start, temperature=request.temperature, seed=request.seed)
    voices = {name: _voice(tune, whole[:, v], key) for v, name in enumerate(c.VOICES)}
    voices[request.voice] = tune
    return tune, voices, _answer(request, tune, key, whole, voices, broken, notes)


def _placed(tune: Tune, voice: str) -> tuple[Tune, c.Ints, list[str]]:
    """The melody in the octave of its voice, its pitches, and what is to be said of it. Raises MusicError."""
    pitches = steps_of(tune)
    if len(pitches) > MOST_STEPS:
        raise MusicError(f"旋律超过 {MOST_STEPS} 个八分音符 / the melody has more than {MOST_STEPS} eighths")
    if not (pitches >= 0).any():
        raise MusicError("旋律里没有音符 / the melody has no notes")
    low, high = MEANS[voice]
    mean, moved = float(pitches[pitches >= 0].mean()), 0
    while mean + moved > high:
        moved -= 12
    while mean + moved < low:
        moved += 12
    if not moved:
        return tune, pitches, []
    told = f"旋律移了 {moved // 12} 个八度 / the melody was moved by {moved // 12} octave(s) into the voice's range"
    return replace(tune, octave=tune.octave + moved // 12), np.where(pitches >= 0, pitches + moved, -1), [told]


def _known(request: ChoraleRequest, pitches: c.Ints) -> list[c.Ints | None]:
    """The melody and the locked voices. Raises MusicError for one of another length."""
    known = [np.array(request.locked[v]) if v in request.locked else None for v in c.VOICES]
    known[c.VOICES.index(request.voice)] = pitches
    for voice, own in zip(c.VOICES, known, strict=True):
        if own is not None and (len(own) != len(pitches) or own.min() < -1 or own.max() > 127):
            raise MusicError(
                f"锁定的声部 {voice} 应有 {len(pitches)} 个音 / the locked voice {voice} must have {len(pitches)} "
                f"pitches, -1 to 127, found {len(own)}"
            )
    return known


def _voice(tune: Tune, pitches: c.Ints, key: Key) -> Tune:
    """A voice in the bars of the melody: equal pitches are held, but sung anew where the melody begins a note on a
    beat."""
    begins, at = set(), 0
    for note in tune.notes:
        begins.add(at)
        at += note.ticks
    bars, tick = [], 0
    for bar in tune.bars:
        end, own, last = tick + ticks_of(bar), list[Note](), -2
        while tick < end:
            pitch = int(pitches[min(tick // c.STEP, len(pitches) - 1)])
            size = min(c.STEP - tick % c.STEP, end - tick)
            if pitch != last or (tick in begins and tick % 24 == 0):
                degree, alter = (None, 0) if pitch < 0 else degree_of_pitch(pitch, key, 4)
                own.append(Note(degree, alter, size))
            else:
                own[-1] = own[-1]._replace(ticks=own[-1].ticks + size)
            last, tick = pitch, tick + size
        bars.append(representable(tuple(own)))
    return Tune(tune.metre, key, (Section(tuple(bars)),), 4)


def _answer(
    request: ChoraleRequest, tune: Tune, key: Key, whole: Any, voices: dict[str, Tune], broken: Any, notes: list[str]
) -> ChoraleResponse:
    title = tune.title or "Chorale"
    ends = np.cumsum([ticks_of(bar) for bar in tune.bars])
    rules = [
        BrokenRule(bar=int(np.searchsorted(ends, b.step * c.STEP, side="right")), rule=b.rule, voices=list(b.voices))
        for b in broken
    ]
    svg = ""
    if request.score:
        if engrave.available():
            svg = engrave.engraved(chorale_mei(tune, voices), request.width)
        else:
            notes.append("没有安装 verovio，不能排印乐谱 / no engraved score: pip install 'rondo[music]'")
    heard = [
        Heard(start=s.start / SPEED, seconds=s.ticks / SPEED, pitch=s.pitch, bar=s.bar, note=s.note, voice=v)
        for v, name in enumerate(c.VOICES)
        for s in voice_sounds(voices[name])
    ]
    heard.sort(key=lambda h: h.start)
    return ChoraleResponse(
        abc=chorale_abc(tune, voices, title), title=title, key=key.name, metre=tune.metre, seed=request.seed,
        bars=len(tune.bars), voices={name: whole[:, v].tolist() for v, name in enumerate(c.VOICES)}, broken=rules,
        sounds=heard, seconds=max((h.start + h.seconds for h in heard), default=0.0), svg=svg, notes=notes,
    )  # fmt: skip


def voice_sounds(tune: Tune) -> list[Sound]:
    """What a voice sings, bar after bar."""
    from rondo.tasks.music.tune import sounds

    assert list(played_bars(tune)) == list(range(len(tune.bars)))
    return sounds(tune)


def chorale_midi(tune: Tune, voices: dict[str, Tune]) -> bytes:
    """A track a voice."""
    return midi.write([voice_sounds(voices[v]) for v in c.VOICES], tune.metre, voices["bass"].key, SPEED, tune.title)


def chorale_abc(tune: Tune, voices: dict[str, Tune], title: str) -> str:
    """Four voices, the upper two and the lower two on a staff each."""
    head = [
        "X:1", f"T:{' '.join(title.split())}", f"M:{tune.metre}", "L:1/8", "%%score (S A) (T B)",
        "V:S clef=treble", "V:A clef=treble", "V:T clef=bass", "V:B clef=bass", f"K:{voices['bass'].key.name}",
    ]  # fmt: skip
    rows = []
    for name in c.VOICES:
        own = voices[name]
        rows.append(f"[V:{name[0].upper()}] " + "|".join(bar_abc(bar, own) for bar in own.bars) + "|]")
    return "\n".join([*head, *rows]) + "\n"


def chorale_mei(tune: Tune, voices: dict[str, Tune]) -> str:
    """Two staves of two voices. Bars are called b0 ..., notes n0 ... with the voice's letter before: s-n0."""
    top, bottom = tune.metre.split("/")
    key = engrave.signature(voices["bass"].key)
    definition = (
        f'<scoreDef meter.count="{top}" meter.unit="{bottom}"><staffGrp symbol="brace" bar.thru="true">'
        f'<staffDef n="1" lines="5" clef.shape="G" clef.line="2" keysig="{key}"/>'
        f'<staffDef n="2" lines="5" clef.shape="F" clef.line="4" keysig="{key}"/></staffGrp></scoreDef>'
    )
    content, counts = [], dict.fromkeys(c.VOICES, 0)
    for k in range(len(tune.bars)):
        staves = []
        for n, pair in enumerate((c.VOICES[:2], c.VOICES[2:])):
            layers = []
            for m, name in enumerate(pair):
                own = voices[name]
                bar, first = own.bars[k], counts[name]
                setting = engrave.Voice(own.key, own.octave, tune.metre, ("up", "down")[m])
                called = [f"{name[0]}-n{first + j}" for j in range(len(bar))]
                layers.append(engrave.layer(bar, setting, called, k > 0 and own.bars[k - 1][-1].tie, m + 1))
                counts[name] += len(bar)
            staves.append(f'<staff n="{n + 1}">{"".join(layers)}</staff>')
        right = ' right="end"' if k == len(tune.bars) - 1 else ""
        content.append(f'<measure n="{k + 1}" xml:id="b{k}"{right}>{"".join(staves)}</measure>')
    return engrave.document(definition, "".join(content))
