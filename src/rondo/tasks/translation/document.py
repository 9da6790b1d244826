"""Documents as sentences, with everything between them kept: a document is translated by replacing its sentences.

What is no sentence stays as it is, character by character: white space, blank lines, indentation, bullets, numbers of
lists, marks of headings and quotations, bars of tables, code between fences, lines without a letter, and signs at the
ends of a sentence that are no part of it (emoji).

A line ends a sentence, but where a paragraph has been broken into lines: there the line before is long and ends in no
mark, and the next begins with a small letter, without a mark and as far to the right. Such a sentence gets its line
breaks back, at the blanks nearest to where they were (`rewrap`).

Sentences end at . ! ? … and their Chinese forms, behind closing quotes; not behind an abbreviation or an initial
(M. Dupont, p. ex., J. K.), and not before a small letter. What is too long is cut at punctuation, the strongest mark
near the middle first, then at conjunctions, then at any blank.
"""

from __future__ import annotations

import bisect
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from rondo.tasks.translation.pieces import MARKS
from rondo.tasks.translation.words import EMOJI, HAN, LETTER, Span

Fits = Callable[[int, int], bool]
WRAPPED = 30  # characters of a line that may go on in the next
_ENDS = "\n\r\x0b\x0c\x1c-\x1e\x85\u2028\u2029"
_LINE = re.compile(f"\r\n|[{_ENDS}]")
_CONTROL = re.compile(f"[\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f{MARKS}]+")
_BREAK = re.compile(rf"(?<![^\S{_ENDS}])[^\S{_ENDS}]*+(?:{_LINE.pattern})\s*+")
_FENCE = re.compile(r"\s*(```|~~~)")
_MARKUP = re.compile(
    r"\s*(?:(?:(?:[-*+•·‣◦–]|#{1,6}|>+|\d{1,3}[.)]|[a-z]\)|\(\w{1,3}\)|\[[ xX✓]?\])\s+|—\s*|"
    r"[一二三四五六七八九十]{1,3}、))*"
)
_OUTSIDE = rf"(?:\s|{EMOJI}|[\u200b\ufeff])+"
_BEFORE = re.compile(_OUTSIDE)
_ANY_LETTER = re.compile(rf"[{HAN}]|{LETTER}")
_OPENERS = "\"'«“‘(\\[¿¡*_—–-"
_ENDING = re.compile(
    r"(?P<mark>(?<![.!?…‽])[.!?…‽]+)(?P<close>(?:[\"”’')\]*_]|\s?»)*)(?P<blank>\s+(?:"
    + EMOJI
    + r"\s*)*)(?=(?P<next>[^\s]))"
    r"|[。！？](?:[。！？…]*)[”’」』）)\"]*(?=(?P<han>[^”’」』）)\"。！？…]))"
)
_TITLES = {
    "fr": "m mm mme mmes mlle mlles dr pr me mgr st ste cf p pp vol chap art av bd boul tél fig no n° nos éd hab "
    "ex env col gén cap lt sgt réf j.-c",
    "en": "mr mrs ms dr prof st gen col capt lt sgt rev hon pres gov sen rep no nos fig vol pp p cf vs e.g i.e mt ft "
    "dept approx messrs",
}
_SHORT = {language: frozenset(text.split()) for language, text in _TITLES.items()}
_WORD_BEFORE = re.compile(r"[\w.°-]*\Z")
_CUTS = tuple(
    re.compile(pattern)
    for pattern in (
        r"[;:；：]\s*|\s[—–]\s|[。！？!?…]+\s*",
        r",\s+|[，、]|\.\s+|\)\s+|(?=\()",
        r"(?<!\s)\s++(?=(?:et|ou|mais|car|donc|que|qui|quand|parce|puis|and|or|but|because|that|which|when|then|so)\s)",
        r"\s++",
        rf"(?<=[{HAN}])(?=[{HAN}])",
    )
)


@dataclass(frozen=True)
class Part:
    """A sentence, or a clause of one that was too long.

    breaks  line breaks inside, each with the share of the sentence that stands before it
    first   the sentence begins here; last: it ends here
    """

    start: int
    end: int
    breaks: tuple[tuple[float, str], ...] = ()
    first: bool = True
    last: bool = True


def parts(text: str, language: str, fits: Fits, keep: Sequence[Span] = ()) -> Iterator[Part]:
    """The sentences of a document in order, each such that fits(start, end); no cut goes through a span of `keep`.

    language  of the abbreviations: fr, en; others have none
    """
    inside = _Kept(keep)
    for block in _blocks(text, inside):
        for sentence in _sentences(text, block, language, inside):
            yield from _cut(text, sentence, fits, inside)


def whole(text: str) -> Part:
    """A text as the one sentence that it is."""
    body = _trimmed(text, Span(0, len(text)))
    return Part(*(body or Span(0, len(text))))


def rewrap(text: str, breaks: Sequence[tuple[float, str]]) -> str:
    """The line breaks of a sentence put back into its translation, each at the free blank nearest to its share; at the
    end where there is none."""
    blanks = [k for k, c in enumerate(text) if c == " "]
    places: list[tuple[int, int, str]] = []
    for left, (share, lines) in zip(range(len(breaks), 0, -1), breaks, strict=True):
        free = blanks[: len(blanks) - left + 1] or blanks[:1]  # each break that follows needs a blank as well
        place = min(free, key=lambda k: abs(k - share * len(text)), default=len(text))
        places.append((place, min(place + 1, len(text)), lines))
        blanks = [k for k in blanks if k > place]
    for place, end, lines in reversed(places):
        text = text[:place] + lines + text[end:]
    return text


class _Kept:
    """Spans, in order and apart from each other, that nothing cuts."""

    def __init__(self, spans: Sequence[Span]) -> None:
        self.spans = sorted(spans)
        self.starts = [s.start for s in self.spans]

    def cuts(self, place: int) -> bool:
        """Whether a cut before character `place` goes through one of them."""
        k = bisect.bisect_left(self.starts, place) - 1
        return k >= 0 and self.spans[k].end > place


def _lines(text: str) -> Iterator[Span]:
    """The lines of a text, without their ends; a control character ends a line too."""
    first = 0
    for found in re.finditer(f"{_LINE.pattern}|{_CONTROL.pattern}", text):
        yield Span(first, found.start())
        first = found.end()
    yield Span(first, len(text))


def _blocks(text: str, kept: _Kept) -> Iterator[Span]:
    """Lines without what stands before their text; the lines of one paragraph together."""
    block: Span | None = None
    column, fence = 0, ""
    for start, end in _lines(text):
        found = _FENCE.match(text, start, end)
        if found and (not fence or found[1] == fence):
            fence = "" if fence else found[1]
        body = Span(end if fence or found else _markup(text, start, end), end)
        if block and body.end > body.start and _goes_on(text, block, body, column, start, kept):
            block = Span(block.start, body.end)
            continue
        if block:
            yield block
        block, column = (body if body.end > body.start else None), _column(text, start, body.start)
    if block:
        yield block


def _markup(text: str, start: int, end: int) -> int:
    found = _MARKUP.match(text, start, end)
    return found.end() if found else start


def _column(text: str, start: int, place: int) -> int:
    return len(text[start:place].expandtabs())


def _goes_on(text: str, block: Span, body: Span, column: int, start: int, kept: _Kept) -> bool:
    """Whether a line goes on with the paragraph before."""
    if kept.cuts(body.start):
        return True
    between = text[block.end : start]
    last = _LINE.split(text[block.start : block.end])[-1]
    plain = not text[start : body.start].strip() and _LINE.fullmatch(between) is not None
    aligned = _column(text, start, body.start) == column
    ended = last.rstrip()[-1:] in ".!?…:。！？"
    return plain and aligned and len(last) >= WRAPPED and not ended and text[body.start].islower()


def _sentences(text: str, block: Span, language: str, kept: _Kept) -> Iterator[Span]:
    """A block cut behind each sentence, and a row of a table behind each bar."""
    first = block.start
    table = text.startswith("|", block.start)
    endings = re.finditer(r"\|", text[block.start : block.end]) if table else _ENDING.finditer(text, first, block.end)
    for found in endings:
        place = found.end() + block.start if table else found.end()
        if kept.cuts(place) or not (table or _ends(text, found, language)):
            continue
        yield from _body(text, Span(first, place - 1 if table else place))
        first = place
    yield from _body(text, Span(first, block.end))


def _ends(text: str, found: re.Match[str], language: str) -> bool:
    """Whether a mark ends a sentence, from what stands before and behind."""
    if found["han"] is not None:
        return True
    following = found["next"]
    if following is None or following.islower() or following in ",;:)]»!?…":
        return False
    if found["mark"] != "." or found["close"]:
        return True
    before = _WORD_BEFORE.search(text[max(0, found.start() - 20) : found.start()])
    word = before[0] if before else ""
    if len(word.split(".")[-1]) == 1 and word[-1:].isalpha() and word[-1].isupper() and following.isupper():
        return False
    return word.lower() not in _SHORT.get(language, frozenset())


def _body(text: str, span: Span) -> Iterator[Span]:
    """What of a span is to be translated: without what stands at its ends, if there is a letter in it."""
    body = _trimmed(text, span)
    if body and _ANY_LETTER.search(text, *body):
        yield body


def _trimmed(text: str, span: Span) -> Span | None:
    found = _BEFORE.match(text, *span)
    start = found.end() if found else span.start
    last = next(reversed(list(_BEFORE.finditer(text, start, span.end))), None)  # a search for the end takes n * n steps
    end = last.start() if last and last.end() == span.end else span.end
    return Span(start, end) if end > start else None


def _cut(text: str, sentence: Span, fits: Fits, kept: _Kept) -> Iterator[Part]:
    pieces = list(_halves(text, sentence, fits, kept))
    for k, (start, end) in enumerate(pieces):
        found = _BREAK.finditer(text[start:end])
        breaks = tuple((m.start() / (end - start), m[0]) for m in found)
        yield Part(start, end, breaks, k == 0, k + 1 == len(pieces))


def _halves(text: str, span: Span, fits: Fits, kept: _Kept) -> Iterator[Span]:
    """A span cut in two, and again, until each part fits."""
    if fits(*span) or span.end - span.start < 2:
        yield span
        return
    place = _middle(text, span, kept)
    if place == span.end:  # one term of the glossary and nothing else
        yield span
        return
    for half in (Span(span.start, place), Span(place, span.end)):
        if body := _trimmed(text, half):
            yield from _halves(text, body, fits, kept)


def _middle(text: str, span: Span, kept: _Kept) -> int:
    """Where a span is cut: behind the strongest mark that stands in its middle half, nearest to the middle."""
    middle, quarter = (span.start + span.end) / 2, (span.end - span.start) / 4
    for wide in (quarter, 2 * quarter):
        for pattern in _CUTS:
            found = [m.end() for m in pattern.finditer(text, *span)]
            near = [k for k in found if abs(k - middle) <= wide and span.start < k < span.end and not kept.cuts(k)]
            if near:
                return min(near, key=lambda k: abs(k - middle))
    free = [k for k in range(span.start + 1, span.end) if not kept.cuts(k)]
    return min(free, key=lambda k: abs(k - middle), default=span.end)
