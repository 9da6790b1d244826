"""The proof of a couplet: what the judge of couplets (`rondo.verse.pairs`) says of it, place by place."""

from __future__ import annotations

from collections.abc import Sequence

from rondo.tasks.couplet.request import Couplet, Place
from rondo.tasks.couplet.rules import LOWER, UPPER
from rondo.tasks.couplet.writer import Draft, Writer
from rondo.verse.pairs import BOOKS, judge_couplet

RULES = ("字数", "断句", "重字", "叠字", "平仄", "句脚", "仄起平收")


def proven(writer: Writer, draft: Draft, also: Sequence[str] = ()) -> Couplet:
    """A draft with its proof: all that it breaks is named as relaxed. `also`: what was fixed in the given line, by
    place."""
    upper, lower = draft.lines
    report = judge_couplet(upper, lower)
    given, answer = (writer.vocab.encode("".join(line))[None] for line in (draft.demand.given, draft.answer))
    facing = writer.usage.agreement(given, answer)[0]
    answering, other = (LOWER, UPPER) if draft.demand.role == LOWER else (UPPER, LOWER)
    fixed = {answering: draft.demand.fixed, other: tuple(also) or ("",) * len(draft.answer)}
    places = [
        Place(
            upper=place.upper,
            lower=place.lower,
            tones="".join(place.tones[BOOKS[0]]),
            modern="".join(place.tones[BOOKS[1]]),
            point=place.point,
            ok=place.ok,
            fixed=[side for side in (UPPER, LOWER) if fixed[side][k]],
            facing=float(facing[k]),
        )
        for k, place in enumerate(report.places)
    ]
    broken = {fault.rule for fault in report.faults}
    return Couplet(
        upper=upper,
        lower=lower,
        relaxed=[
            {"rule": f.rule, "place": f.position, "why": f"{f.message_zh} / {f.message_en}"} for f in report.faults
        ],
        swap=report.swapped,
        scores={name: round(value, 4) for name, value in draft.scores.items()},
        rules={rule: rule not in broken for rule in RULES},
        places=places,
    )
