"""Text as sentences and tokens, with their places: any Unicode text, every place a count of code points.

A sentence ends at a line's end, behind 。！？, behind ! and ? before a blank, and behind a full stop before a blank
where no abbreviation stands before it and no small letter behind; after LONGEST characters at the latest, at a comma or
a blank if there is one. Where it ends depends on the next LOOK characters alone, so that a stream is cut as a whole is.

A Chinese token is a character with the marks that belong to it. An English one is a word, a number, a sign: 's, n't and
their kind stand alone, as in the Penn Treebank; addresses of the network and of mail are whole, @ stands before a name.
Blanks, control characters and invisible signs are no tokens, and part what stands around them.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from rondo.verse.script import is_han

LONGEST = 512  # characters of a sentence
LOOK = LONGEST + 64  # characters that decide where it ends
Place = tuple[int, int]
HAN, LETTER, DIGIT, SIGN, MARK, JOINER, BLANK = "漢", "x", "0", "•", "\u0300", "\u200d", " "
_BREAKS = "\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"
_ENDS = re.compile(rf"[{_BREAKS}]\s*|[。！？!?.]+[”’」』）)\]\"']*\s*")
_PAUSES = re.compile(r"[，,；;、：:\s]\s*")
_SHORT = (
    "mr mrs ms dr prof sr jr st mt gen col capt lt sgt rev hon sen rep gov pres no vs etc inc ltd co corp dept fig al "
    "jan feb mar apr jun jul aug sep sept oct nov dec approx est messrs mme mlle"
)
_TITLES = frozenset(_SHORT.split())
_ENGLISH = re.compile(
    r"""(?:https?://|www\.)[^\s<>"•漢]*[a-z0-9/_=-]
    |[a-z0-9_](?:[a-z0-9_.+-]*[a-z0-9_])?@[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?\.[a-z]+
    |\#[a-z0-9_\u0300]+
    |(?:[a-z]\.){2,}
    |(?:mr|mrs|ms|dr|prof|sr|jr|st|gen|col|capt|lt|sgt|rev|hon|sen|rep|gov)\.(?=\ )
    |[a-z]+(?=n't(?![a-z0-9]))
    |n't(?![a-z0-9])
    |'(?:s|re|ve|ll|d|m)(?![a-z0-9])
    |[0-9]+(?:[.,:/][0-9]+)*[a-z]*
    |[a-z0-9_][a-z0-9_\u0300]*(?:[-&](?=[a-z0-9])[a-z0-9_\u0300]+|'(?!(?:s|re|ve|ll|d|m)(?![a-z0-9]))[a-z0-9_\u0300]+)*
    |\.{2,}
    |[^\ \u0300\u200d]\u0300*(?:\u200d[^\ \u0300\u200d]\u0300*)*
    """,
    re.VERBOSE,
)
_CHARACTER = re.compile("[^ \u0300\u200d]\u0300*(?:\u200d[^ \u0300\u200d]\u0300*)*")


class _Classes(dict[int, str]):
    """Code point -> the sign that stands for it: ASCII in lower case, all else by its kind."""

    def __missing__(self, point: int) -> str:
        char = chr(point)
        self[point] = found = _class(char)
        return found


def _class(char: str) -> str:
    kind = unicodedata.category(char)
    if char in "’‘":
        return "'"
    if is_han(char):
        return HAN
    if kind[0] == "M" or "\U0001f3fb" <= char <= "\U0001f3ff":  # skin tones
        return MARK
    if char == JOINER:
        return JOINER
    if kind[0] in "ZC" and kind != "Cn":
        return BLANK
    if char.isascii():
        return char.lower()
    return LETTER if kind[0] == "L" else DIGIT if kind[0] == "N" else SIGN


_CLASSES = _Classes()


def classes(text: str) -> str:
    """A sign for each code point of a text: what cuts it into tokens."""
    return text.translate(_CLASSES)


def tokens_of(text: str, language: str, offset: int = 0) -> list[Place]:
    """Where the tokens of a text begin and end, `offset` added."""
    pattern = _CHARACTER if language == "zh" else _ENGLISH
    return [(m.start() + offset, m.end() + offset) for m in pattern.finditer(classes(text))]


def sentence_end(window: str) -> int:
    """Where the first sentence of `window` ends: the next LOOK characters of a text, or as many as are left."""
    part = window[:LONGEST]
    for found in _ENDS.finditer(part):
        if found.end() < len(window) and _is_end(window, found):
            return found.end()
    return len(window) if len(window) <= LONGEST else _cut(window)


def _is_end(window: str, found: re.Match[str]) -> bool:
    mark, after = found[0][0], window[found.end() : found.end() + 1]
    if mark in _BREAKS or mark in "。！？":
        return True
    blank = found[0][-1].isspace()
    if mark in "!?" or len(found[0].rstrip(" \t")) > 1:
        return blank
    before = re.search(r"[^\s.(]*$", window[max(0, found.start() - 12) : found.start()])
    word = before[0] if before else ""
    short = word.lower() in _TITLES or (len(word) == 1 and word.isupper() and word.isascii()) or "." in word
    return blank and not short and not after.islower()


def _cut(window: str) -> int:
    """Where a sentence that goes on too long is cut: at its last pause, else before a character with its marks."""
    pauses = [m.end() for m in _PAUSES.finditer(window, LONGEST // 2, LONGEST)]
    if pauses:
        return min(pauses[-1], LONGEST)
    starts = [start for start, _ in tokens_of(window, "zh") if LONGEST // 2 <= start <= LONGEST]
    return starts[-1] if starts else LONGEST


def sentences(text: str, language: str = "") -> list[Place]:
    """Where the sentences of a text begin and end; together they are the text."""
    return [(start, start + len(part)) for start, part in stream([text])]


def stream(chunks: Iterable[str]) -> Iterator[tuple[int, str]]:
    """The sentences of a text that comes in chunks, each with its place: the same, however it is cut, in memory that
    does not grow."""
    held, start = "", 0
    for chunk in chunks:
        held += chunk
        at = 0
        while len(held) - at >= LOOK:
            size = sentence_end(held[at : at + LOOK])
            yield start + at, held[at : at + size]
            at += size
        held, start = held[at:], start + at
    at = 0
    while at < len(held):
        size = sentence_end(held[at : at + LOOK])
        yield start + at, held[at : at + size]
        at += size


def language_of(text: str) -> str:
    """ "zh" where a fifth of the letters or more are Chinese characters, else "en"."""
    signs = classes(text[:10_000])
    han, letters = signs.count(HAN), sum(c.isalpha() for c in signs)
    return "zh" if han * 5 >= letters > 0 else "en"
