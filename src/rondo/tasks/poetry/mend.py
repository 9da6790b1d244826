"""Mending: for each fault of a poem, replacements that fit both the rule and the sense.

A fault at a character is mended by characters of the wanted tone, and at a rhyming line's end of the rhyme; they are
ordered by the generator's log-probability of the whole poem with each in place. A fault of a whole line (失粘, 失对) is
mended by writing that line anew, the others standing as they are.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from rondo.data.batch import Batch
from rondo.tasks.poetry.brief import MOST_LINES, Brief, Ints
from rondo.tasks.poetry.poet import Poet
from rondo.tasks.poetry.request import poem_request
from rondo.verse.books import VerseError, book
from rondo.verse.faults import Mend
from rondo.verse.forms import FORMS, SCHEMES
from rondo.verse.judge import Report

TRIED = 96  # characters that are tried in the poem, the likeliest after what stands before


def mend(poet: Poet, report: Report, count: int = 5) -> list[Mend]:
    """`count` replacements for each fault of a judged poem, the likeliest first; each place once."""
    lines = [line.text for line in report.lines]
    if len(lines) > MOST_LINES:
        return []
    places = list(dict.fromkeys((fault.line, fault.position) for fault in report.faults if fault.line))
    found = []
    for line, position in places:
        if position or report.lines[line - 1].rhymes:
            position = position or len(lines[line - 1])
            found.append(Mend(line, position, characters(poet, report, line - 1, position - 1, count)))
        else:
            found.append(Mend(line, 0, whole_lines(poet, report, line - 1, count)))
    return list({(m.line, m.position): m for m in found}.values())


def characters(poet: Poet, report: Report, line: int, place: int, count: int) -> tuple[str, ...]:
    """The likeliest characters that keep the tone wanted at a place, and the rhyme at a rhyming line's end."""
    lines = [row.text for row in report.lines]
    allowed = torch.from_numpy(_fitting(poet, report, line, place))
    symbols = torch.from_numpy(np.stack([poet.vocab.encode(text) for text in lines]).astype(np.int64))
    at = line * len(lines[0]) + place
    row = symbols.reshape(1, -1)
    told = torch.from_numpy(Brief(*symbols.shape).columns()).unsqueeze(0)
    before = torch.cat([torch.tensor([[poet.begin]]), row[:, :at]], 1)
    with torch.no_grad():
        scores, _ = poet.model(before, condition=told[:, : at + 1])
    likely = torch.where(allowed, scores[0, -1], -torch.inf).topk(min(TRIED, int(allowed.sum()))).indices
    rows = row.repeat(len(likely), 1)
    rows[:, at] = likely
    x = torch.cat([torch.full((len(rows), 1), poet.begin), rows[:, :-1]], 1)
    nats, _ = poet.model.nats(Batch(x, rows, condition=told.expand(len(rows), -1, -1)))
    order = nats.sum(1).argsort()[:count]
    return tuple(poet.vocab.symbols[int(likely[k])] for k in order)


def _fitting(poet: Poet, report: Report, line: int, place: int) -> Ints:
    """Which symbols [V] may stand at a place: of the wanted tone, in the rhyme, not in the poem yet."""
    used = book(report.book)
    row = report.lines[line]
    wanted = row.marks[place].required
    fits = np.array([wanted == "中" or wanted in used.tones(c) for c in poet.vocab.symbols])
    if place == len(row.marks) - 1 and row.rhymes:
        names = {name for name in report.rhyme if name}
        own = {g for g, group in used.groups.items() if group.name in names}
        fits &= np.array(
            [any(r.group in own and r.tone == wanted for r in used.readings(c)) for c in poet.vocab.symbols]
        )
    fits[poet.vocab.encode("".join(r.text for r in report.lines))] = False
    fits[[0, poet.begin]] = False
    return fits


def whole_lines(poet: Poet, report: Report, line: int, count: int) -> tuple[str, ...]:
    """Other lines in the place of one, the rest of the poem standing."""
    rows = [row.text if i != line else "_" * len(row.text) for i, row in enumerate(report.lines)]
    scheme = report.scheme if report.scheme in SCHEMES else SCHEMES[0]
    request = poem_request(mask="|".join(rows), rhyme=scheme, book=report.book, count=count)
    return tuple(dict.fromkeys(poem.lines[line] for poem in poet.write(request).poems))


def continued(lines: Sequence[str], form: str = "") -> str:
    """The mask of a poem of this form, or of four or eight lines, that begins with these lines (续写).

    Raises VerseError where nothing is left to write.
    """
    count, length = FORMS.get(form, (4 if len(lines) < 4 else MOST_LINES, len(lines[0]) if lines else 0))
    if not lines or len(lines) >= count or any(len(line) != length for line in lines):
        wanted = f"{form or '一首诗'}：一到{count - 1}句，每句字数相同（五或七）"
        raise VerseError(
            f"续写要有开头的几句，{wanted} / give the first lines of a poem: 1 to {count - 1} of one length"
        )
    return "|".join([*lines, *["_" * length] * (count - len(lines))])
