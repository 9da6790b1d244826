"""Measures of the models of speech: `rondo evaluate RUN --data FILE`.

FILE says what is said, a JSON object a line, in one of three forms, and the recordings lie beside it:

    recipes of digits   {"id", "speaker", "text", "parts", "gaps_ms"}   connected_valid.jsonl.gz with valid.tar
    cepstra             {"id", "speaker", "text", "start", "frames"}    valid.jsonl.gz with valid.mfcc.npy
    recordings          {"text", "audio": path from the file's folder}  and perhaps "speaker"

Word error is edits of words over the words said, over all recordings together (digit error, where words are digits).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from rondo.data.audio import Floats, read_audio, resample
from rondo.data.read import json_lines, text
from rondo.tasks.speech import an4
from rondo.tasks.speech.alphabet import SpeechError
from rondo.tasks.speech.digits import RATE, Recipe, Takes, joined, placed, recipes
from rondo.tasks.speech.errors import letter_error, word_error
from rondo.tasks.speech.features import slopes
from rondo.tasks.speech.listener import Listener
from rondo.tasks.speech.templates import Templates


@dataclass(frozen=True)
class Asked:
    """What is said, by whom, in samples at the model's rate or as frames; for digits the seconds of each."""

    text: str
    speaker: str
    samples: Floats | None = None
    frames: Tensor | None = None
    times: tuple[tuple[float, float], ...] = ()


def evaluate(path: Path | str, data: Path) -> dict[str, Any]:
    """All measures of the model in `path` on the recordings of the file `data`. Raises SpeechError, DataSetError."""
    listener = Listener.load(path)
    asked = list(_asked(listener, data))
    greedy = [_greedy(listener, one) for one in asked]
    found: dict[str, Any] = {"recordings": len(asked), "words": sum(len(a.text.split()) for a in asked)}
    heard = [" ".join(w.word for w in g) for g in greedy]
    if listener.vocabulary is not None:
        best = [" ".join(w.word for w in listener.words(_log_probs(listener, a), "words")) for a in asked]
        found["with_words"] = _errors([(a.text, b) for a, b in zip(asked, best, strict=True)])
    if listener.alphabet.sounds:
        found["sound_error"] = _sound_error(listener, asked, heard)
        heard = best
    else:
        found |= _errors([(a.text, h) for a, h in zip(asked, heard, strict=True)])
    found["speakers"] = {
        s: word_error((a.text, h) for a, h in zip(asked, heard, strict=True) if a.speaker == s)
        for s in sorted({a.speaker for a in asked})
    }
    if left_out := listener.about.get("left_out"):
        found["left_out"] = left_out
    if any(a.times for a in asked):
        found |= _times(asked, greedy)
    return found | _baseline(listener, asked)


def _errors(pairs: list[tuple[str, str]]) -> dict[str, float]:
    return {
        "word_error": word_error(pairs),
        "letter_error": letter_error(pairs),
        "exact": sum(a == b for a, b in pairs) / max(1, len(pairs)),
    }


def _sound_error(listener: Listener, asked: list[Asked], heard: list[str]) -> float:
    """Letter error of the sounds of the best path, over what is said in words whose sounds the model knows."""
    sounds = listener.alphabet.sounds
    said = [["".join(sounds.get(w, ())) for w in a.text.split()] for a in asked]
    return letter_error((" ".join(s), h) for s, h in zip(said, heard, strict=True) if all(s))


def _greedy(listener: Listener, one: Asked) -> list[Any]:
    """The words of the best path, of a live model as it hears them live."""
    if one.samples is not None and listener.live:
        stream = listener.stream(listener.front.rate)
        return [*stream(one.samples), *stream.finish()]
    seconds = len(one.frames) / 100 if one.frames is not None else len(one.samples) / listener.front.rate  # type: ignore[arg-type]
    return listener.timed(listener.words(_log_probs(listener, one), "greedy"), seconds, one.samples)


def _log_probs(listener: Listener, one: Asked) -> Tensor:
    x = one.frames if one.frames is not None else listener.front(one.samples)  # type: ignore[arg-type]
    return listener.model.log_probs(x)


def _asked(listener: Listener, data: Path) -> Iterator[Asked]:
    first = next((row for _, _, row in json_lines(data)), {})
    if "parts" in first:
        yield from _digits(listener, data)
    elif "frames" in first:
        if listener.front.norm != "cepstra":
            raise SpeechError(f"{data} holds cepstra, which this model does not read: take speech-an4")
        for u in an4.read(data, data.parent / data.name.replace(".jsonl.gz", ".mfcc.npy")):
            yield Asked(u.text, u.speaker, frames=slopes(u.x))
    elif "audio" in first:
        yield from _recordings(listener, data)
    else:
        raise SpeechError(f"{data} is in none of the three forms: see rondo/tasks/speech/README.md")


def _digits(listener: Listener, data: Path) -> Iterator[Asked]:
    takes = Takes.read(data.parent / "valid.tar")
    for recipe in recipes(data):
        samples = resample(joined(recipe, takes), RATE, listener.front.rate)
        yield Asked(recipe.text, recipe.speaker, samples, times=_said(recipe, takes))


def _said(recipe: Recipe, takes: Takes) -> tuple[tuple[float, float], ...]:
    """When each digit of a recipe is said."""
    return tuple((a / RATE, b / RATE) for x, a, b in placed(recipe, takes)[1::2])


def _recordings(listener: Listener, data: Path) -> Iterator[Asked]:
    for number, _, row in json_lines(data):
        where = f"{data}:{number}"
        path = data.parent / text(row, "audio", where)
        recording = read_audio(path)
        samples = resample(recording.samples, recording.rate, listener.front.rate)
        yield Asked(text(row, "text", where).lower(), str(row.get("speaker", "")), samples)


def _times(asked: list[Asked], greedy: list[list[Any]]) -> dict[str, float]:
    """How far the times of rightly found strings lie from the truth, in seconds."""
    starts, ends = [], []
    for one, found in zip(asked, greedy, strict=True):
        if one.times and [w.word for w in found] == one.text.split():
            starts += [abs(w.start - a) for w, (a, _) in zip(found, one.times, strict=True)]
            ends += [abs(w.end - b) for w, (_, b) in zip(found, one.times, strict=True)]
    if not starts:
        return {}
    return {
        "start_seconds_off": float(np.median(starts)),
        "end_seconds_off": float(np.median(ends)),
        "within_100_ms": float(np.mean(np.array([*starts, *ends]) <= 0.1)),
    }


def _baseline(listener: Listener, asked: list[Asked]) -> dict[str, Any]:
    """Digits: the nearest template between pauses. Else: the commonest word of training, as often as words are said."""
    about = listener.about
    if "templates" in about and all(a.samples is not None for a in asked):
        templates = Templates.from_json(about["templates"], listener.front)
        pairs = [(a.text, templates(a.samples, listener.front)) for a in asked]  # type: ignore[arg-type]
        return {"word_error_templates": word_error(pairs)}
    if not listener.texts:
        return {}
    counts: dict[str, int] = {}
    for word in (w for t in listener.texts for w in t.split()):
        counts[word] = counts.get(word, 0) + 1
    common = max(counts, key=lambda w: counts[w])
    return {"word_error_commonest": word_error((a.text, " ".join([common] * len(a.text.split()))) for a in asked)}
