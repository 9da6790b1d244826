"""What the search has found as text: slots filled, capitals set, every symbol with its place."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rondo.tasks.translation.pieces import MARKS, Pieces
from rondo.tasks.translation.source import Source, symbol_spans
from rondo.tasks.translation.words import Span, words

_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")  # a model's bytes may make any character


@dataclass(frozen=True)
class Written:
    """A translation: its text, where each of its symbols stands in it, and where what filled slot k does."""

    text: str
    symbols: list[int]
    spans: list[Span]
    fills: dict[int, Span]


def written(symbols: Sequence[int], source: Source, pieces: Pieces, language: str, small: bool = False) -> Written:
    """Symbols without the end as text. small: it goes on with a sentence and begins with a small letter, as far as its
    first word is no name."""
    text, places, marked = text_of(symbols, source, pieces, language, small)
    spans = [_moved(span, places) for span in symbol_spans(symbols, pieces, MARKS)]
    fills = {MARKS.index(c): places[k] for k, c in enumerate(marked) if c in MARKS}
    return Written(text, list(symbols), spans, fills)


def text_of(
    symbols: Sequence[int], source: Source, pieces: Pieces, language: str, small: bool = False
) -> tuple[str, list[Span], str]:
    """The text; where each character of the text with unfilled slots stands in it; and that text."""
    marked = _CONTROL.sub("\ufffd", pieces.decode(symbols))
    if source.loud and len(marked.upper()) == len(marked):
        marked = marked.upper()
    if small:
        marked = _small(marked, source.plain, language)
    text, places = _filled(marked, [fill.text for fill in source.fills])
    return text, places, marked


def _filled(marked: str, fills: Sequence[str]) -> tuple[str, list[Span]]:
    """The text with its slots filled, and where each character of `marked` stands in it. A blank goes between a filling
    and a word that it would run into."""
    text, places = "", []
    for k, c in enumerate(marked):
        new = fills[MARKS.index(c)] if c in MARKS and MARKS.index(c) < len(fills) else c
        beside = c in MARKS or (k > 0 and marked[k - 1] in MARKS)
        if beside and text[-1:].isalnum() and new[0].isalnum():
            text += " "
        places.append(Span(len(text), len(text) + len(new)))
        text += new
    return text, places


def _moved(span: Span, places: Sequence[Span]) -> Span:
    if not places:
        return Span(0, 0)
    if span.end > span.start:
        return Span(places[span.start].start, places[span.end - 1].end)
    at = places[span.start].start if span.start < len(places) else places[-1].end
    return Span(at, at)


def _small(text: str, plain: str, language: str) -> str:
    first = next(iter(words(text, language)), Span(0, 0))
    word = text[first.start : first.end]
    name = word in plain or word == "I" or word.startswith("I'") or not word[1:].islower()
    return text if (len(word) > 1 and name) or word == "I" else text[:1].lower() + text[1:]


def with_prefix(prefix: str, source: Source, pieces: Pieces) -> list[int]:
    """The symbols of what a translation begins with: what stands for a slot becomes that slot, each once."""
    text = prefix.capitalize() if source.loud else prefix
    for k, fill in sorted(enumerate(source.fills), key=lambda item: -len(item[1].text)):
        place = _found(text.lower() if source.loud else text, fill.text.lower() if source.loud else fill.text)
        if place is not None:
            text = text[:place] + MARKS[k] + text[place + len(fill.text) :]
    return pieces.encode(text)


def _found(text: str, part: str) -> int | None:
    """Where a part stands in a text as whole words."""
    place = text.find(part)
    while place >= 0:
        before, behind = text[place - 1 : place], text[place + len(part) : place + len(part) + 1]
        if not (before.isalnum() and part[0].isalnum()) and not (behind.isalnum() and part[-1].isalnum()):
            return place
        place = text.find(part, place + 1)
    return None
