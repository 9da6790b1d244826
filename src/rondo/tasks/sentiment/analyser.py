"""Texts in, answers out: languages, long texts, targets, and what each piece contributes.

A text of more pieces than the model reads at a time is cut into windows. Their answers are put together as opinions
that count by their pieces, the geometric mean of the probabilities (a logarithmic opinion pool: Genest and Zidek 1986,
doi:10.1214/ss/1177013825, sec. 3), so that contributions to log-odds add up over the windows as well.

A given target is asked about at every place where it stands. One that stands nowhere is asked about as something
implicit, of which a model knows no name: the answer is the same for all such targets.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from rondo.tasks.sentiment.data import LABELS as ORDER
from rondo.tasks.sentiment.explain import Floats, plan
from rondo.tasks.sentiment.judge import Answered, Judge, grades, knows, targets
from rondo.tasks.sentiment.language import language_of
from rondo.tasks.sentiment.request import LABELS, Piece, SentimentRequest, SentimentResponse, Target
from rondo.tasks.sentiment.text import Ints, Span, marks
from rondo.tasks.sentiment.windows import names_something, occurrences, windows

BUNDLED = "sentiment-{}"
LONGEST = 300  # pieces of a window: as many as training reads
MOST = 200  # targets of an answer
BUDGET = 40_000  # pieces that an explanation reads, about
PAIRS = 1  # of orders, at most: more change little (top fifth of pieces removed: 2.57 of log-odds with 1, 2 or 4)
NOWHERE: Span = (0, 0)
NOTHING = (1.0, 0.0, 0.0)  # the tags of a piece that is in no target
TINY = 1e-30
DIGITS = 6


class Analyser:
    """The models of sentiment, each loaded when a text in its language comes."""

    def __init__(self, find: Callable[[str], Judge]) -> None:
        self._find = find
        self._judges: dict[str, Judge] = {}

    @classmethod
    def load(cls, name: Path | str = "") -> Analyser:
        """With one model for all texts, from a run folder, a model file or the name of a bundled model; "": the bundled
        model of each text's language. Raises FileError, BundledError."""
        if not str(name):
            return cls(lambda language: Judge.load(BUNDLED.format(language)))
        judge = Judge.load(name)
        return cls(lambda _: judge)

    def judge(self, language: str) -> Judge:
        """The model for a language."""
        if language not in self._judges:
            self._judges[language] = self._find(language)
        return self._judges[language]

    def __call__(self, request: SentimentRequest) -> SentimentResponse:
        """The answer to one request."""
        return self.many([request])[0]

    def many(self, requests: Sequence[SentimentRequest]) -> list[SentimentResponse]:
        """Answers in the order of the requests; all texts of a language are read together."""
        readings = [_Reading(r, r.language or language_of(r.text)) for r in requests]
        for language in dict.fromkeys(r.language for r in readings):
            _judge(self.judge(language), [r for r in readings if r.language == language])
        return [_response(r) for r in readings]


@dataclass
class _Window:
    """A part of a text: its pieces (places in the text), their symbols, and where targets are found."""

    pieces: list[Span]
    rows: Ints

    def question(self, span: Span | None) -> Ints:
        """The symbols [T, k] that ask about the whole, or about a target."""
        return np.concatenate([self.rows, marks(self.pieces, span)[:, None]], 1)


@dataclass
class _Opinion:
    """A question on its way: what is asked about (None: the whole), in which windows, and the pooled answer."""

    windows: list[_Window]
    span: Span | None = None
    text: str = ""
    found: bool = False
    answer: dict[str, Any] = field(default_factory=dict)


@dataclass
class _Reading:
    """A request on its way."""

    request: SentimentRequest
    language: str
    windows: list[_Window] = field(default_factory=list)
    whole: _Opinion = field(default_factory=lambda: _Opinion([]))
    targets: list[_Opinion] = field(default_factory=list)
    pieces: list[Piece] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def _judge(judge: Judge, readings: Sequence[_Reading]) -> None:
    """Answer all requests in one language: first the whole texts, then, told what was found there, the targets."""
    for reading in readings:
        _read(judge, reading)
    tags = _ask(judge, [r.whole for r in readings])
    _mix(judge, [r for r in readings if r.windows])
    for reading, found in zip(readings, tags, strict=True):
        _set_targets(reading, found)
    _ask(judge, [target for r in readings for target in r.targets])
    for reading in readings:
        if reading.request.explain:
            reading.pieces = _explained(judge, reading.windows)


def _read(judge: Judge, reading: _Reading) -> None:
    """The text as windows; none where nothing in it is known."""
    text, own = reading.request.text, judge.reader.language
    places, rows = judge.reader.symbols(text)
    if own != reading.language:
        zh, en = ("中文", "Chinese") if own == "zh" else ("英文", "English")
        reading.notes.append(f"这个模型读的是{zh} / this model reads {en}")
    if not len(rows) or not knows(rows):
        reading.notes.append(
            "模型不认得这段文字里的任何字词，因此不作判断 / "
            "the model knows nothing in this text, so it gives no judgement"
        )
        return
    reading.windows = [_Window(places[a:b], rows[a:b]) for a, b in windows(text, places, LONGEST)]
    reading.whole = _Opinion(reading.windows)
    if (parts := len(reading.windows)) > 1:
        reading.notes.append(f"长文分 {parts} 段读 / a long text, read in {parts} parts")


def _ask(judge: Judge, opinions: Sequence[_Opinion]) -> list[list[Floats]]:
    """Fill in the answers; gives the tags of each one's windows."""
    asked = judge.answers([w.question(o.span) for o in opinions for w in o.windows])
    ends = [0, *accumulate(len(o.windows) for o in opinions)]
    for opinion, (a, b) in zip(opinions, pairwise(ends), strict=True):
        opinion.answer = _pooled(asked, slice(a, b), [len(w.pieces) for w in opinion.windows])
    return [asked.tags[a:b] for a, b in pairwise(ends)]


def _mix(judge: Judge, readings: Sequence[_Reading]) -> None:
    """Of the whole texts: the valence with the regression's beside it, and the strength that it comes to."""
    if judge.beside is None:
        return
    own = np.array([r.whole.answer["valence"] for r in readings])
    mixed = judge.beside.mixed([r.request.text for r in readings], own)
    for reading, valence in zip(readings, mixed.tolist(), strict=True):
        reading.whole.answer |= _strength(valence)


def _pooled(asked: Answered, rows: slice, sizes: Sequence[int]) -> dict[str, Any]:
    """The fields of an `Opinion` from the answers of windows of so many pieces; without any, it is undecided."""
    share = np.array(sizes) / max(1, sum(sizes))
    polarity, stars = (_pool(p[rows], share) for p in (asked.polarity, asked.stars))
    valence = float(share @ asked.valence[rows]) if sizes else 5.0
    named = dict(zip(ORDER, polarity.tolist(), strict=True))
    return {
        "label": max(LABELS, key=named.__getitem__) if sizes else "neutral",
        "probabilities": {label: round(named[label], DIGITS) for label in LABELS},
        "star_probabilities": [round(p, DIGITS) for p in stars.tolist()],
        **_strength(valence),
    }


def _strength(valence: float) -> dict[str, Any]:
    return {"stars": int(grades(valence)) + 1, "valence": round(valence, DIGITS)}


def _pool(p: Floats, share: Floats) -> Floats:
    """The geometric mean of distributions [N, n] by their shares [N], as a distribution [n]; of none, the uniform."""
    mean: Floats = np.exp(share @ np.log(np.maximum(p, TINY)))
    pooled: Floats = mean / mean.sum()
    return pooled


def _set_targets(reading: _Reading, tags: Sequence[Floats]) -> None:
    """What is to be asked about: what the tags found, or what was given, wherever it stands."""
    text, given = reading.request.text, reading.request.targets
    if given is None:
        for window, p in zip(reading.windows, tags, strict=True):
            able = [names_something(text[slice(*piece)]) for piece in window.pieces]
            found = targets(window.pieces, np.where(np.array(able)[:, None], p, NOTHING))
            reading.targets += [_Opinion([window], s, text[slice(*s)], True) for s in found]
    for target in given or ():
        spans = [(s, w) for s in occurrences(text, target) if (w := _holding(reading.windows, s))]
        reading.targets += [_Opinion([w], s, text[slice(*s)]) for s, w in spans]
        if not spans:
            reading.targets.append(_Opinion(reading.windows, NOWHERE, target))
            reading.notes.append(
                f"文中没有“{target}”：按没有明说的对象来问，这样的对象答案都一样 / "
                f"“{target}” does not occur here: it is asked about as something implicit, with one answer for all such"
            )
    if len(reading.targets) > MOST:
        del reading.targets[MOST:]
        reading.notes.append(f"对象太多，只列前 {MOST} 个 / many targets: the first {MOST} are listed")


def _holding(windows: Sequence[_Window], span: Span) -> _Window | None:
    """The window that a place lies in, or begins in; None where no piece stands there."""
    at = bisect_right(windows, span[0], key=lambda w: w.pieces[-1][1])
    inside = at < len(windows) and any(a < span[1] and b > span[0] for a, b in windows[at].pieces)
    return windows[at] if inside else None


def _explained(judge: Judge, windows: Sequence[_Window]) -> list[Piece]:
    """The contribution of each piece to the log-odds of the whole."""
    sizes = [len(w.pieces) for w in windows]
    found = []
    for window, size, (count, pairs) in zip(windows, sizes, plan(sizes, BUDGET, PAIRS), strict=True):
        weights = judge.explain(window.question(None), count, pairs) * size / sum(sizes)
        found += [
            Piece(start=a, end=b, weight=round(w, DIGITS))
            for (a, b), w in zip(window.pieces, weights.tolist(), strict=True)
        ]
    return found


def _response(reading: _Reading) -> SentimentResponse:
    toward = []
    for target in reading.targets:
        start, end = (None, None) if target.span in (None, NOWHERE) else target.span
        toward.append(Target(text=target.text, start=start, end=end, found=target.found, **target.answer))
    return SentimentResponse(
        text=reading.request.text,
        language=reading.language,
        pieces=reading.pieces,
        targets=toward,
        notes=reading.notes,
        **reading.whole.answer,
    )
