"""A sentence on its way into the model: its tidy text, what of it becomes a slot, its pieces.

A slot is a place that the model carries over without reading it. Three things become slots, the glossary's terms first:

    glossary   terms that the glossary has; the slot is filled with their target
    copied     links, addresses, tags, code, emoji inside a sentence, words of another script
               names: words with a capital that the training sentences did not have, or had rarely (they are
               several pieces) and as themselves on both sides
               rare words: others that they did not have, and that are cut into more than `FEW` pieces
               numbers that they did not have

Copied words side by side are one slot, and so is a name with the capitalised word behind it (Harry Potter). Training
had at most three slots in a sentence; copied words that would make more than `MOST` stay words, while the glossary's
terms may be eight (a sentence with more is cut before).
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

from rondo.tasks.translation.glossary import Term
from rondo.tasks.translation.lookup import Lookup
from rondo.tasks.translation.lookup import words as known_parts
from rondo.tasks.translation.pieces import MARKS, SLOTS, Pieces, tidy
from rondo.tasks.translation.words import CODE, EMOJI, HAN, LINK, MAIL, TAG, Span, words
from rondo.verse.script import simplify

FEW = 4
MOST = 4
GLOSSARY, COPIED = "glossary", "copied"
_ALWAYS = re.compile("|".join((CODE, LINK, MAIL, TAG, EMOJI)))
_HAN = re.compile(f"[{HAN}]")
_LATIN_END = 0x0250  # of the letters of the Latin blocks; more of them begin at 1E00


@dataclass(frozen=True)
class Fill:
    """What a slot stands for: characters start ... end - 1 of the tidy sentence, and what fills the slot."""

    start: int
    end: int
    text: str
    kind: str


@dataclass(frozen=True)
class Source:
    """A sentence as the model reads it.

    plain    its tidy text, Chinese in simplified characters
    places   of each character of `plain` the characters of the given text that it stands for
    words    the words of `plain`
    fills    what slot k stands for
    symbols  its pieces and slots
    spans    of each symbol, the characters of `plain`
    loud     all capitals: it is read in small letters, and its translation is written in capitals
    """

    plain: str
    places: list[Span]
    words: list[Span]
    fills: list[Fill]
    symbols: list[int]
    spans: list[Span]
    loud: bool

    def given(self, span: Span) -> Span:
        """Where characters of `plain` stand in the given text."""
        return Span(self.places[span.start].start, self.places[span.end - 1].end)


def source(text: str, language: str, pieces: Pieces, lookup: Lookup, terms: Sequence[Term] = ()) -> Source:
    """A sentence with its slots; `terms` are the glossary's, their places those of `text`. lookup: the words of the
    training sentences."""
    plain, places = tidied(text)
    plain = simplify(plain) if language == "zh" else plain  # as in training; the same number of characters
    own = [Fill(*_inner(places, term), term.target, GLOSSARY) for term in terms][:SLOTS]
    found = words(plain, language)
    loud = _loud(plain, found)
    fills = _with_copies(plain, found, language, pieces, lookup, own, loud)
    read = _lowered(plain) if loud else plain
    marked, first = [], 0
    for k, fill in enumerate(fills):
        marked += [read[first : fill.start], MARKS[k]]
        first = fill.end
    symbols = pieces.encode("".join([*marked, read[first:]]))
    return Source(
        plain,
        places,
        found,
        fills,
        symbols,
        symbol_spans(symbols, pieces, [plain[f.start : f.end] for f in fills]),
        loud,
    )


def tidied(text: str) -> tuple[str, list[Span]]:
    """`tidy(text)`, and for each of its characters those of `text` that it stands for."""
    characters: list[str] = []
    places: list[Span] = []
    for start, end in _clusters(text):
        part = tidy(text[start:end])
        if text[start:end].isspace():
            if characters and characters[-1] != " ":
                characters.append(" ")
                places.append(Span(start, end))
            continue
        characters += part
        places += [Span(start, end)] * len(part)
    if characters and characters[-1] == " ":
        characters.pop()
        places.pop()
    return "".join(characters), places


def _clusters(text: str) -> list[Span]:
    """Characters, each with the marks that combine with it."""
    if not text:
        return []
    starts = [k for k, c in enumerate(text) if not k or not (unicodedata.combining(c) and not text[k - 1].isspace())]
    return [Span(a, b) for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]


def _inner(places: Sequence[Span], term: Term) -> Span:
    """Where a span of the given text stands in the tidy one."""
    inside = [k for k, place in enumerate(places) if place.end > term.start and place.start < term.end]
    return Span(inside[0], inside[-1] + 1)


def _loud(plain: str, found: Sequence[Span]) -> bool:
    letters = [c for c in plain if c.isalpha()]
    return (
        len(letters) > 3
        and sum(any(c.isalpha() for c in plain[a:b]) for a, b in found) > 1
        and all(c.isupper() for c in letters)
        and len(plain.lower()) == len(plain)
    )


def _lowered(plain: str) -> str:
    low = plain.lower()
    return low[0].upper() + low[1:] if len(low[0].upper()) == 1 else low


def _with_copies(
    plain: str,
    found: Sequence[Span],
    language: str,
    pieces: Pieces,
    lookup: Lookup,
    own: list[Fill],
    loud: bool,
) -> list[Fill]:
    """The glossary's slots, and those that are copied."""
    free = [s for s in found if not any(f.start < s.end and s.start < f.end for f in own)]
    first = next((s.start for s in found if plain[s.start].isalnum()), 0)
    copies: list[Span] = []
    for span in free:
        word = plain[span.start : span.end]
        last = copies[-1] if copies else Span(0, 0)
        beside = plain[last.end : span.start] in ("", " ", "-") and plain[last.end - 1 : last.end].isalnum()
        goes_on = beside and not loud and plain[last.start].isupper() and word[0].isupper()  # Harry Potter
        if not goes_on and not _copied(word, language, pieces, lookup, first=loud or span.start == first):
            continue
        if beside and word[0].isalnum():
            copies[-1] = Span(last.start, span.end)
        else:
            copies.append(span)
    copies = copies[: max(0, MOST - len(own))]
    fills = own + [Fill(*s, plain[s.start : s.end], COPIED) for s in copies]
    return sorted(fills, key=lambda f: f.start)


def _copied(word: str, language: str, pieces: Pieces, lookup: Lookup, first: bool) -> bool:
    """Whether a word is carried over as it is. first: its capital says nothing."""
    if _ALWAYS.fullmatch(word):
        return True
    if not any(c.isalnum() for c in word):
        return False
    if language == "zh":
        return not _HAN.match(word) and not _known(word, lookup)
    if any(c.isalpha() and not is_latin(c) for c in word):
        return True
    capital = word[0].isupper()
    if capital and lookup.table.get(word.lower()) == word.lower() and len(pieces.encode(word)) > 1:
        return True
    if _known(word, lookup):
        return False
    if any(c.isdigit() for c in word):
        return True
    many = len(pieces.encode(word)) > FEW
    return many or (capital and not first)


def is_latin(letter: str) -> bool:
    """Whether a letter is one of the Latin script."""
    return ord(letter) < _LATIN_END or "\u1e00" <= letter <= "\u1eff" or letter in "ﬀﬁﬂﬃﬄ"


def _known(word: str, lookup: Lookup) -> bool:
    """Whether the training sentences had a word, or all its parts between apostrophes and hyphens."""
    return lookup.knows(word) or all(lookup.knows(part) for part in known_parts(word.replace("-", " ")))


def translatable(text: str, language: str) -> bool:
    """Whether a sentence is in the script of a language: half of its letters at least."""
    letters = [c for c in text if c.isalpha()]
    own = [c for c in letters if (_HAN.match(c) if language == "zh" else is_latin(c))]
    weight = 3 if language == "zh" else 1  # a Chinese character is about half a word
    return bool(own) and weight * len(own) >= len(letters) - len(own)


def symbol_spans(symbols: Sequence[int], pieces: Pieces, filled: Sequence[str]) -> list[Span]:
    """The characters of `pieces.decode(symbols, filled)` that each symbol gives. A piece that ends inside a character
    has that character."""
    spans, last = [], 0
    for k in range(1, len(symbols) + 1):
        end = len(pieces.decode(symbols[:k], filled))
        spans.append(Span(last if end > last else max(0, last - 1), end))
        last = end
    return spans
