"""Texts with judgements, read from any of the data sets' files, and what is drawn from them for training.

A text has questions: of the whole, or of a target at a place in it; an answer may say polarity, stars, valence, or some
of these. A batch has one question of each text:

    x  [B, T, k]   symbols in columns, the mark last (`rondo.tasks.sentiment.text`)
    y  [B, 5 + T]  polarity, classes it is one of (3, or 2: no neutral), stars, valence in thousandths, whether
                   the tags count; then the tag of each piece (B, I, O of the text's targets). IGNORED where not known
"""

from __future__ import annotations

import csv
import gzip
import io
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import IGNORED, Batch
from rondo.data.bucket import shuffled
from rondo.data.read import json_lines, read_whole
from rondo.data.read import text as text_of
from rondo.data.registry import DataSetError
from rondo.tasks.sentiment.text import SOURCES, UNKNOWN, Ints, Reader, Span, marks

LABELS = ("negative", "neutral", "positive")
POLARITY, CLASSES, STARS, VALENCE, TAGGED, TAGS = range(6)  # columns of a batch's y; the tags begin at the last
B, I, O = 1, 2, 0
EDGES = (3.0, 4.5, 5.5, 7.0)  # of the five strengths on the scale of valence
Bools = NDArray[np.bool_]


@dataclass(frozen=True)
class Question:
    """What is asked of a text, and the answer as far as it is known.

    span      the target's place, [start, end) in code points; None: the whole text
    polarity  0 negative, 1 neutral, 2 positive; `classes` 2 where neutral was no choice
    stars     1-5; valence: 1-9
    """

    span: Span | None = None
    polarity: int | None = None
    classes: int = 3
    stars: int | None = None
    valence: float | None = None


@dataclass(frozen=True)
class Text:
    """A text of a data set and its questions; `targets`: the places of all that it speaks of, where they are known."""

    text: str
    source: str
    questions: tuple[Question, ...]
    targets: tuple[Span, ...] | None = None


def read(path: Path) -> list[Text]:
    """The texts of a file in the format of any of the data sets, found by its fields. Raises DataSetError naming the
    line."""
    if path.suffix == ".csv" or path.name.endswith(".csv.gz"):
        return _asap_table(path)
    found: list[Text] = []
    kind = ""
    for number, _, record in json_lines(path):
        where = f"{path}:{number}"
        kind = kind or _kind(record, where)
        try:
            found += _READERS[kind](record, where)
        except (KeyError, TypeError, ValueError) as error:
            if isinstance(error, DataSetError):
                raise
            raise DataSetError(f"{where}: not a record of {kind}: {error!r}") from None
    if not found:
        raise DataSetError(f"{path}: 没有可用的文本 / it holds no text with a judgement")
    return found


def _kind(record: dict[str, Any], where: str) -> str:
    """The data set that a record's fields belong to."""
    for kind, fields in _FIELDS.items():
        if fields <= record.keys():
            if kind == "zhang" and "id" in record:
                return "dimabsa2024"
            return kind
    raise DataSetError(
        f"{where}: 认不出的格式 / a record of no known data set of sentiment: found {', '.join(record) or 'nothing'}; "
        "see the task's README for the formats"
    )


_FIELDS = {
    "smp2020": {"text", "label3"},
    "emobank": {"text", "valence", "kind"},
    "asap": {"text", "star"},
    "sst": {"text", "label5"},
    "zhang": {"text", "targets"},  # dimabsa2024 has an id besides
    "chnsenticorp": {"text", "label"},
}


def _smp(record: dict[str, Any], where: str) -> list[Text]:
    if record["label3"] is None:  # surprise has no polarity
        return []
    question = Question(polarity=LABELS.index(record["label3"]))
    return [Text(text_of(record, "text", where), "smp2020", (question,))]


def _chnsenticorp(record: dict[str, Any], where: str) -> list[Text]:
    question = Question(polarity=LABELS.index(record["label"]), classes=2)
    return [Text(text_of(record, "text", where), "chnsenticorp", (question,))]


def _emobank(record: dict[str, Any], where: str) -> list[Text]:
    return [Text(text_of(record, "text", where), "emobank", (_graded(record, None),))]


def _graded(record: dict[str, Any], span: Span | None) -> Question:
    valence = float(record["valence"])
    return Question(span, LABELS.index(record["polarity"]), 3, stars_of(valence), valence)


def stars_of(valence: float) -> int:
    """The strength 1-5 of a valence 1-9: below 3, below 4.5, to 5.5, to 7, above."""
    return 1 + (valence >= EDGES[0]) + (valence >= EDGES[1]) + (valence > EDGES[2]) + (valence > EDGES[3])


def _dimabsa(record: dict[str, Any], where: str) -> list[Text]:
    targets = record["targets"]
    spans = [_span(t.get("span")) for t in targets]
    questions = tuple(_graded(t, s) for t, s in zip(targets, spans, strict=True) if s or t["aspect"] is None)
    known = all(s or t["aspect"] is None for t, s in zip(targets, spans, strict=True))
    return [Text(text_of(record, "text", where), "dimabsa2024", questions, _targets(spans) if known else None)]


def _zhang(record: dict[str, Any], where: str) -> list[Text]:
    targets = record["targets"]
    spans = [_span(t["span"]) for t in targets]
    questions = tuple(Question(s, LABELS.index(t["polarity"])) for t, s in zip(targets, spans, strict=True))
    return [Text(text_of(record, "text", where), "zhang", questions, _targets(spans))]


def _span(value: Any) -> Span | None:
    return None if value is None else (int(value[0]), int(value[1]))


def _targets(spans: Sequence[Span | None]) -> tuple[Span, ...]:
    return tuple(sorted({s for s in spans if s is not None}))


def _asap(record: dict[str, Any], where: str) -> list[Text]:
    return [Text(text_of(record, "text", where), "asap", (_starred(float(record["star"])),))]


def _starred(star: float) -> Question:
    if star not in (1, 2, 3, 4, 5):
        raise ValueError(f"a star rating is 1 to 5, found {star}")
    return Question(polarity=0 if star < 3 else 1 if star == 3 else 2, stars=int(star))


def _sst(record: dict[str, Any], where: str) -> list[Text]:
    five = int(record["label5"])
    if not 0 <= five <= 4:
        raise ValueError(f"label5 is 0 to 4, found {five}")
    question = Question(polarity=0 if five < 2 else 1 if five == 2 else 2, stars=five + 1)
    return [Text(text_of(record, "text", where), "sst", (question,))]


_READERS = {
    "smp2020": _smp,
    "chnsenticorp": _chnsenticorp,
    "emobank": _emobank,
    "dimabsa2024": _dimabsa,
    "zhang": _zhang,
    "asap": _asap,
    "sst": _sst,
}


def _asap_table(path: Path) -> list[Text]:
    """The full release of ASAP: a CSV whose header names `review` (or `reviewbody`) and `star`."""
    rows = csv.DictReader(io.StringIO(_whole(path), newline=""))
    body = next((n for n in ("review", "reviewbody", "text") if n in (rows.fieldnames or ())), None)
    if body is None or "star" not in (rows.fieldnames or ()):
        raise DataSetError(f"{path}:1: a table of ASAP has the columns review and star, found {rows.fieldnames}")
    found = []
    for row in rows:
        where = f"{path}:{rows.line_num}"
        try:
            text = " ".join((row[body] or "").replace("\\n", " ").split())
            found.append(Text(text, "asap", (_starred(float(row["star"])),)))
        except (TypeError, ValueError) as error:
            raise DataSetError(f"{where}: not a record of asap: {error}") from None
    if not found:
        raise DataSetError(f"{path} holds no review")
    return found


def _whole(path: Path) -> str:
    if path.suffix != ".gz":
        return read_whole(path)
    try:
        return gzip.decompress(path.read_bytes()).decode()
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise DataSetError(f"{path} cannot be read: {error}") from None


class Texts:
    """Texts as symbols, for batches: no more than `longest` pieces of each (0: all). A question whose target lies past
    them is left out, and a text that has no other, or no piece."""

    def __init__(self, texts: Sequence[Text], reader: Reader, longest: int = 0) -> None:
        self.rows: list[Ints] = []
        self.places: list[list[Span]] = []
        self.texts: list[Text] = []
        self.questions: list[tuple[Question, ...]] = []
        for text in texts:
            places, rows = reader.symbols(text.text)
            if longest:
                places, rows = places[:longest], rows[:longest]
            kept = tuple(q for q in text.questions if _asked(places, q))
            if kept:
                self.rows.append(rows.astype(np.int32))
                self.places.append(places)
                self.texts.append(text)
                self.questions.append(kept)
        self.sizes: Ints = np.array([len(r) for r in self.rows], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Sequence[int] | Ints, questions: Sequence[Question], told: Sequence[bool] | Bools) -> Batch:
        """These texts side by side, one question of each; whether its source is told."""
        sizes = self.sizes[index]
        width = max(1, int(sizes.max()))
        x = np.zeros((len(index), width, self.rows[0].shape[1] + 1), dtype=np.int64)
        y = np.full((len(index), TAGS + width), IGNORED, dtype=np.int64)
        for k, (i, question) in enumerate(zip(index, questions, strict=True)):
            n, text, places = int(sizes[k]), self.texts[i], self.places[i]
            x[k, :n, :-1] = self.rows[i]
            x[k, :n, -1] = marks(places, question.span, text.source if told[k] else "")
            y[k, :TAGS] = answer(question, text.targets is not None)
            if text.targets is not None:
                y[k, TAGS : TAGS + n] = tags(places, text.targets)
        lengths = torch.from_numpy(sizes)
        return Batch(torch.from_numpy(x), torch.from_numpy(y), lengths)


def _asked(places: Sequence[Span], question: Question) -> bool:
    span = question.span
    return bool(places) and (span is None or any(a < span[1] and b > span[0] for a, b in places))


def answer(question: Question, tagged: bool) -> list[int]:
    """The columns of y before the tags."""
    return [
        IGNORED if question.polarity is None else question.polarity,
        question.classes,
        IGNORED if question.stars is None else question.stars - 1,
        IGNORED if question.valence is None else round(1000 * question.valence),
        int(tagged),
    ]


def tags(places: Sequence[Span], targets: Sequence[Span]) -> Ints:
    """B, I or O of each piece, [T]."""
    found = np.full(len(places), O, dtype=np.int64)
    for start, end in targets:
        inside = [k for k, (a, b) in enumerate(places) if a < end and b > start]
        found[inside] = I
        found[inside[:1]] = B
    return found


def batches(
    texts: Texts, tokens: int, told: float, blanks: float, seed: int, step: int = 0, own_told: float = 0.75
) -> Iterator[Batch]:
    """Pass after pass: every text once with one of its questions, a share of the pieces hidden; `told`: how often a
    source is named, `own_told`: that of the authors' sentences. Batch k of a pass depends on seed and pass alone."""
    for number in itertools.count():
        plan = shuffled(texts.sizes, tokens, 0, seed, number)
        for k in range(step, len(plan)):
            yield _drawn(texts, plan[k], (told, own_told), blanks, np.random.default_rng([seed, number, k]))
        step = max(0, step - len(plan))


def _drawn(texts: Texts, index: Ints, told: tuple[float, float], blanks: float, random: np.random.Generator) -> Batch:
    questions = [texts.questions[i][int(random.integers(len(texts.questions[i])))] for i in index]
    # composed sentences have classes in other shares than texts of the world: of these the model is mostly told
    own = np.array([texts.texts[i].source == "own" and q.span is None for i, q in zip(index, questions, strict=True)])
    shares = np.where(own, told[1], told[0])
    batch = texts.batch(index, questions, random.random(len(index)) < shares)
    if not blanks:
        return batch
    hidden = torch.from_numpy(random.random(batch.x.shape[:2]) < blanks)
    return Batch(hide(batch.x, hidden), batch.y, batch.lengths)


def hide(x: torch.Tensor, hidden: torch.Tensor) -> torch.Tensor:
    """The symbols [B, T, k] of the pieces that `hidden` [B, T] names as unknown ones, the mark left: also the pair that
    such a piece is the second of."""
    pair = hidden.clone()
    pair[:, :-1] |= hidden[:, 1:]
    which = hidden.unsqueeze(2).repeat(1, 1, x.shape[2])
    which[..., 1] = pair
    which[..., -1] = False
    return torch.where(which & (x > 0), UNKNOWN, x)


def plain(texts: Texts, tokens: int = 8000, told: bool = True) -> Iterator[tuple[list[tuple[int, int]], Batch]]:
    """Every question once, the shortest texts first: which question of which text each row is, and the batch."""
    asked = [(i, q) for i in range(len(texts)) for q in range(len(texts.questions[i]))]
    order = sorted(range(len(asked)), key=lambda k: int(texts.sizes[asked[k][0]]))
    first = 0
    while first < len(order):
        last, width = first, 0
        while last < len(order):
            width = max(width, int(texts.sizes[asked[order[last]][0]]))
            if last > first and width * (last + 1 - first) > tokens:
                break
            last += 1
        rows = [asked[k] for k in order[first:last]]
        questions = [texts.questions[i][q] for i, q in rows]
        yield rows, texts.batch([i for i, _ in rows], questions, [told] * len(rows))
        first = last


__all__ = ["SOURCES", "Question", "Text", "Texts", "batches", "hide", "plain", "read", "stars_of", "tags"]
