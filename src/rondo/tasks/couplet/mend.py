"""Mending: for each fault of a couplet, replacements in its second line that fit both the rule and the sense."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from rondo.tasks.couplet.pair import answer
from rondo.tasks.couplet.request import LONGEST, SHORTEST, couplet_request
from rondo.tasks.couplet.rules import Demand, places
from rondo.tasks.couplet.writer import Writer
from rondo.verse.abuse import abusive
from rondo.verse.faults import Mend
from rondo.verse.pairs import CoupletReport
from rondo.verse.paste import parts

TRIED = 64  # characters that are tried in the couplet, the likeliest after what stands before
SECOND = 2  # the line that is mended


def mend(writer: Writer, report: CoupletReport, count: int = 5) -> list[Mend]:
    """`count` replacements for each fault of a judged couplet, the best first; each place once. A second line of
    another shape is written anew; lines in the wrong order are to be swapped, which no character mends."""
    upper, lower = (tuple("".join(parts(line))) for line in (report.upper, report.lower))
    if not SHORTEST <= len(upper) <= LONGEST or abusive("".join(upper)):
        return []
    if any(not fault.position for fault in report.faults):
        found = answer(writer, couplet_request(line=report.upper, count=count)).couplets
        return [Mend(SECOND, 0, tuple(couplet.lower for couplet in found))]
    faulty = sorted({fault.position for fault in report.faults if fault.rule != "仄起平收"})
    return [Mend(SECOND, k, characters(writer, upper, lower, report.parts, k - 1, count)) for k in faulty]


def characters(
    writer: Writer, upper: Sequence[str], lower: Sequence[str], sizes: tuple[int, ...], place: int, count: int
) -> tuple[str, ...]:
    """The best characters at a place of the second line that keep every rule there, all others standing."""
    fixed = (*lower[:place], "", *lower[place + 1 :])
    demand = Demand(tuple(upper), fixed, sizes)
    table, at = places(demand, writer.alphabet), demand.at[place]
    allowed = table.allowed[table.leader[at]].copy()
    allowed[writer.alphabet.numbers(lower[place])] = False
    scores = np.where(allowed, writer.scores(demand, lower)[at], -np.inf)
    likely = np.argsort(-scores, kind="stable")[: min(TRIED, int(allowed.sum()))].tolist()
    tried = [(demand, (*lower[:place], writer.vocab.symbols[n], *lower[place + 1 :])) for n in likely]
    return tuple(draft.answer[place] for draft in writer.rank(tried)[:count]) if tried else ()
