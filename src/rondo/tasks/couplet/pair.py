"""Couplets to order: from a request to couplets that keep the rules, with the proof."""

from __future__ import annotations

import random

from rondo.tasks.couplet import names
from rondo.tasks.couplet.proof import proven
from rondo.tasks.couplet.request import USES, Couplet, CoupletRequest, CoupletResponse
from rondo.tasks.couplet.rules import LOWER, UPPER, Demand, misplaced
from rondo.tasks.couplet.words import GLOOMY
from rondo.tasks.couplet.writer import Draft, Writer, decent, diverse
from rondo.verse.script import traditional

CHARACTERS = 480  # drawn at once, about: so many answers to a short line, fewer to a long one,
ROWS = 24, 64  # within these limits; twice as many where characters are fixed ahead, which a draw does not foresee
ATTEMPTS = 4
BOLDER = 0.3  # the temperature rises by this share in each further attempt
POETIC = {(5,), (7,)}  # shapes of which half of the drafts are drawn as lines of poems


def answer(writer: Writer, request: CoupletRequest) -> CoupletResponse:
    """The couplets of a request. It never fails: what cannot be kept is relaxed, and named."""
    found = names.couplets(writer, request) if request.name else _answers(writer, request)
    if not request.traditional:
        return found
    return found.model_copy(update={"couplets": [_traditional(c) for c in found.couplets]})


def _answers(writer: Writer, request: CoupletRequest) -> CoupletResponse:
    demand = _demand(request)
    drafts = _drafts(writer, request, demand)
    free = demand.fixed.count("")
    best = diverse(drafts, request.count, free)
    notes = _notes(request, demand)
    if len(best) < request.count:
        notes.append(
            f"只有{len(best)}个互不相近的对句 / there are only {len(best)} answers that differ in two places or more"
        )
    return CoupletResponse(couplets=[proven(writer, draft) for draft in best], notes=notes)


def _demand(request: CoupletRequest) -> Demand:
    """What a request asks to be kept."""
    parts, avoid = request.parts, GLOOMY if cheerful(request.use) else ""
    role = UPPER if request.lower else LOWER
    return Demand(tuple("".join(parts)), request.fixed, tuple(map(len, parts)), role, avoid=avoid)


def cheerful(use: str) -> bool:
    """Whether a use takes no line of mourning."""
    return USES[use] in ("spring", "cheer")


def _drafts(writer: Writer, request: CoupletRequest, demand: Demand) -> list[Draft]:
    """Answers drawn side by side and ranked, until there are enough of them."""
    kind = USES[request.use]
    kinds = ("", "poem") if not kind and demand.sizes in POETIC else (kind,)
    numbers = random.Random(request.seed)
    found: set[tuple[str, ...]] = set()
    drafts: list[Draft] = []
    for attempt in range(ATTEMPTS):
        rows = _rows(request, demand)
        temperature = request.temperature * (1 + BOLDER * attempt)
        told = [kinds[n % len(kinds)] for n in range(rows)]
        lines = writer.draw([demand], [0] * rows, told, temperature, numbers.getrandbits(62))
        fit = (line for line in lines if decent(line, demand, cheerful(request.use)))
        fresh = [line for line in dict.fromkeys(fit) if line not in found]
        found.update(fresh)
        drafts += writer.rank([(demand, line) for line in fresh], kind) if fresh else []
        drafts.sort(key=lambda d: -d.scores["total"])
        if len(diverse(drafts, request.count, demand.fixed.count(""))) == request.count:
            break
    return drafts


def _rows(request: CoupletRequest, demand: Demand) -> int:
    """How many answers are drawn side by side."""
    rows = min(max(CHARACTERS // len(demand.given), ROWS[0]), ROWS[1])
    return max(rows * (1 + any(demand.fixed)), 4 * request.count)


def _notes(request: CoupletRequest, demand: Demand) -> list[str]:
    """What is to be said about how a request was read."""
    notes, line = [], "".join(demand.given)
    if misplaced(demand) and demand.role == LOWER:
        notes.append(
            f"“{line[-1]}”是平声，这一句宜作下联：可加 --lower 求上联 / "
            f"the line ends level ({line[-1]}), as a second line does: ask for a first line with --lower"
        )
    elif misplaced(demand):
        notes.append(
            f"“{line[-1]}”是仄声，这一句宜作上联：可去掉 --lower 求下联 / "
            f"the line ends oblique ({line[-1]}), as a first line does: ask for a second line without --lower"
        )
    if len(line) > 2 and line == line[::-1] and len(set(line)) > 1:
        notes.append("回文：上联倒读不变，下联也是 / a palindrome, and so is every answer")
    return notes


def _traditional(couplet: Couplet) -> Couplet:
    """The same in traditional characters; the proof stays as it was read."""
    lines = {side: traditional(getattr(couplet, side)) for side in ("upper", "lower", "heading")}
    return couplet.model_copy(update=lines)
