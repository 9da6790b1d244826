"""An independent check: whether a poem keeps its request, and whether a request can be kept at all.

Nothing of the decoder is used: every pattern and every rhyme group is tried, character by character.
"""

from __future__ import annotations

from collections.abc import Sequence

from rondo.tasks.poetry.request import Poem, PoemRequest
from rondo.verse.books import Book, book
from rondo.verse.forms import OPPOSITE, PING, ZE, fits, patterns

Sets = tuple[int | None, ...]


def faults(request: PoemRequest, poem: Poem) -> list[str]:
    """What a poem breaks and does not name as relaxed."""
    lines, (count, length) = poem.lines, request.shape
    if [len(line) for line in lines] != [length] * count:
        return [f"{count} lines of {length} were asked for: {lines}"]
    found = [
        f"line {i + 1}, place {p + 1}: {c} was asked for, {lines[i][p]} stands there"
        for i, row in enumerate(request.required)
        for p, c in enumerate(row)
        if c and lines[i][p] != c
    ]
    off = {(r["rule"], r["line"], r["place"]) for r in poem.relaxed}
    tone = ZE if any(r["rule"] == "oblique rhyme" for r in poem.relaxed) else PING
    ways = [
        _rhyme_faults(request, lines, s, tone, off) + _tone_faults(request, lines, s, tone, off) for s in request.sets
    ]
    return found + min(ways, key=len)


def satisfiable(request: PoemRequest) -> bool:
    """Whether some poem keeps every rule of a request: its characters fit a pattern, its line ends can rhyme."""
    rows, used = request.required, book(request.book)
    for sets in request.sets:
        ends = {s: [r[-1] for r, k in zip(rows, sets, strict=True) if k == s and r[-1]] for s in sets if s is not None}
        if not all(_rhyme(chars, used, PING) for chars in ends.values()):
            continue
        marks = [ZE if s is None else PING for s in sets]
        if request.free or any(
            all(
                _fits(row, strings, book(request.book).sounds) for row, strings in zip(rows, pattern.lines, strict=True)
            )
            for pattern in patterns(marks, len(rows[0]))
        ):
            return True
    return False


def _rhyme(chars: Sequence[str], used: Book, tone: str) -> bool:
    """Whether these characters share a group; one that the book does not list rhymes with nothing."""
    groups = [used.rhyme_groups(c, tone) for c in chars]
    return not groups or bool(frozenset.intersection(*groups))


def _rhyme_faults(
    request: PoemRequest, lines: Sequence[str], sets: Sets, tone: str, off: set[tuple[str, int, int]]
) -> list[str]:
    found = []
    for number in sorted({s for s in sets if s is not None}):
        own = [i for i, s in enumerate(sets) if s == number and ("rhyme", i + 1, len(lines[i])) not in off]
        if not _rhyme([lines[i][-1] for i in own], book(request.book), tone):
            found.append(f"no rhyme: {''.join(lines[i][-1] for i in own)}")
    return found


def _tone_faults(
    request: PoemRequest, lines: Sequence[str], sets: Sets, tone: str, off: set[tuple[str, int, int]]
) -> list[str]:
    if request.free:
        return []
    marks = [tone if s is not None else OPPOSITE[tone] for s in sets]
    opened = [["" if ("tone", i + 1, p + 1) in off else c for p, c in enumerate(line)] for i, line in enumerate(lines)]
    ways = [
        [
            f"no line of this type: {line}"
            for line, row, strings in zip(lines, opened, pattern.lines, strict=True)
            if not _fits(row, strings, book(request.book).sounds)
        ]
        for pattern in patterns(marks, len(lines[0]))
    ]
    return min(ways, key=len)


def _fits(row: Sequence[str], strings: frozenset[str], sounds: Book) -> bool:
    """Whether the characters of a line, "" for any, can be read as one of the strings."""
    return fits([sounds.tones(c) if c else frozenset[str]() for c in row], strings)
