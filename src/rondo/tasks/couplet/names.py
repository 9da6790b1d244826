"""Spring couplets from a name of two to four characters: they stand in order over both lines, under a heading (横批).

    鹤顶格  at the head of the lines: one character each, or two (of three characters two stand in one of the lines)
    嵌字    further inside, of two or four characters at the same places of both lines

No line is given, so the first line is drawn as the answer to a second one of which only the hidden characters are
known; then the second line as its answer. Of the ways to place a name those are taken that break the fewest rules.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from rondo.tasks.couplet.proof import proven
from rondo.tasks.couplet.request import Couplet, CoupletRequest, CoupletResponse
from rondo.tasks.couplet.rules import LOWER, UPPER, Demand
from rondo.tasks.couplet.surprise import surprise
from rondo.tasks.couplet.words import GLOOMY, headings
from rondo.tasks.couplet.writer import Draft, Writer, decent
from rondo.verse.books import Book, book
from rondo.verse.faults import admits
from rondo.verse.forms import FIXED, OPPOSITE, PING, ZE
from rondo.verse.pairs import BOOKS, opposed, rhythm_points

KIND = "spring"
HEADS, INSIDE = "鹤顶格", "嵌字"
FIRST = 64  # first lines drawn for each way
KEPT = 8  # of them are answered, at least
SECOND = 8  # answers drawn to each


@dataclass(frozen=True)
class Placing:
    """Where a name stands: the characters of both lines by place, "" where there is none."""

    way: str
    upper: tuple[str, ...]
    lower: tuple[str, ...]

    def conflicts(self) -> int:
        """How many rules of tone these characters break by themselves."""
        used, last = [book(name) for name in BOOKS], len(self.upper) - 1
        points = [k for k in rhythm_points((last + 1,)) if k < last and self.upper[k] and self.lower[k]]
        wrong = sum(not any(opposed(self.upper[k], self.lower[k], o) for o in used) for k in points)
        return wrong + (not _ends(self.upper[-1], ZE, used)) + (not _ends(self.lower[-1], PING, used))


def _ends(char: str, tone: str, used: Sequence[Book]) -> bool:
    return not char or any(admits(o.tones(char), tone) for o in used)


def placings(name: str, length: int) -> list[Placing]:
    """Every way to place a name that breaks as few rules as another of its kind."""
    found = [
        Placing(way, _row(name[:k], one, length), _row(name[k:], two, length))
        for way, k, one, two in _ways(name, length)
    ]
    least = {way: min(p.conflicts() for p in found if p.way == way) for way in (HEADS, INSIDE)}
    return [p for p in found if p.conflicts() == least[p.way]]


def _ways(name: str, length: int) -> Iterator[tuple[str, int, tuple[int, ...], tuple[int, ...]]]:
    """The way, how many characters the first line has, and their places in both lines."""
    for k in {len(name) // 2, len(name) - len(name) // 2}:
        heads = tuple(range(k)), tuple(range(len(name) - k))
        yield HEADS, k, *heads
        for one in itertools.combinations(range(length), k):
            for two in itertools.combinations(range(length), len(name) - k):
                aligned = set(one) <= set(two) or set(two) <= set(one)
                beside = any(b - a == 1 for places in (one, two) for a, b in itertools.pairwise(places))
                if aligned and not beside and (one, two) != heads:
                    yield INSIDE, k, one, two


def _row(chars: str, places: Sequence[int], length: int) -> tuple[str, ...]:
    at = dict(zip(places, chars, strict=True))
    return tuple(at.get(p, "") for p in range(length))


def couplets(writer: Writer, request: CoupletRequest) -> CoupletResponse:
    """The couplets of a request, both ways by turns, the best first."""
    numbers = random.Random(request.seed)
    options = placings(request.name, request.length)
    both = [_written(writer, request, [p for p in options if p.way == way], numbers) for way in (HEADS, INSIDE)]
    found = [c for turn in itertools.zip_longest(*both) for c in turn if c][: request.count]
    for couplet in found:
        couplet.heading = numbers.choice(headings(request.name, couplet.upper + couplet.lower))
    extra = surprise(request.name, request.seed)
    return CoupletResponse(couplets=found, notes=_notes(request.name), surprise=extra)


def _notes(name: str) -> list[str]:
    """The small surprise: who has luck in the name may hang it upside down (倒福, 福到了)."""
    if "福" not in name:
        return []
    return [
        "名中有福：福字倒贴，福到了！ / the name holds luck (福): hang that character upside down, and luck has come"
    ]


def _written(
    writer: Writer, request: CoupletRequest, options: Sequence[Placing], numbers: random.Random
) -> list[Couplet]:
    """Couplets of one way, the best first, each with a first line of its own."""
    firsts = _firsts(writer, request, options, numbers)
    demands = [Demand(line, p.lower, (request.length,), LOWER, avoid=GLOOMY) for p, line, _ in firsts]
    which = [k for k in range(len(demands)) for _ in range(SECOND)]
    lines = writer.draw(demands, which, [KIND] * len(which), request.temperature, numbers.getrandbits(62))
    answers = {(k, line): None for k, line in zip(which, lines, strict=True) if decent(line, demands[k], cheerful=True)}
    own = {demand: k for k, demand in enumerate(demands)}
    best: dict[int, Draft] = {}
    for draft in writer.rank([(demands[k], line) for k, line in answers], KIND) if answers else []:
        best.setdefault(own[draft.demand], draft)
    ordered = sorted(best, key=lambda k: -(best[k].scores["total"] + firsts[k][2]))
    return [proven(writer, best[k], firsts[k][0].upper).model_copy(update={"way": firsts[k][0].way}) for k in ordered]


def _firsts(
    writer: Writer, request: CoupletRequest, options: Sequence[Placing], numbers: random.Random
) -> list[tuple[Placing, tuple[str, ...], float]]:
    """First lines that differ from each other, the best first, with how likely they are."""
    chosen = [numbers.choice(options) for _ in range(FIRST)]
    demands = [
        Demand(p.lower, p.upper, (request.length,), UPPER, _tones(p, request.length, numbers), GLOOMY) for p in chosen
    ]
    rows = list(range(FIRST))
    lines = writer.draw(demands, rows, [KIND] * FIRST, request.temperature, numbers.getrandbits(62))
    likely = writer.likelihood(list(zip(demands, lines, strict=True)), KIND)
    kept: list[tuple[Placing, tuple[str, ...], float]] = []
    for k in np.argsort(-likely, kind="stable").tolist():
        apart = all(
            sum(a != b for a, b in zip(lines[k], other, strict=True)) > request.length // 2 for _, other, _ in kept
        )
        if apart and decent(lines[k], demands[k], cheerful=True) and len(kept) < max(KEPT, request.count):
            kept.append((chosen[k], lines[k], float(likely[k])))
    return kept


def _tones(placing: Placing, length: int, numbers: random.Random) -> tuple[str, ...]:
    """The tones of a first line of regulated verse, of the two kinds that end 仄 the one that suits the characters."""
    kinds = numbers.sample("AC", 2)
    return min((_of(kind, length) for kind in kinds), key=lambda tones: _against(placing, tones))


def _of(kind: str, length: int) -> tuple[str, ...]:
    tones = ["" if c == "中" else c for c in FIXED[kind]]
    return tuple(tones if length == len(tones) else ["", OPPOSITE[tones[1]], *tones])


def _against(placing: Placing, tones: Sequence[str]) -> int:
    """How many hidden characters have another tone: in the second line it is the opposite one."""
    old = book(BOOKS[0])
    return sum(
        bool(tone and char) and not admits(old.tones(char), wanted)
        for line, turned in ((placing.upper, False), (placing.lower, True))
        for char, tone in zip(line, tones, strict=True)
        for wanted in [OPPOSITE[tone] if turned and tone else tone]
    )
