"""Labels of tokens and the spans that they stand for.

    tokens   Harry     Potter    met   Hermione
    BIO      B-person  I-person  O     B-person       in files
    BIOES    B-person  E-person  O     S-person       inside: an end of its own makes the chain know where names stop
    spans    (0, 2, "person")    (3, 4, "person")

Spans that do not overlap are kept exactly by both.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

Span = tuple[int, int, str]  # first token, the token after the last, type
OUTSIDE = "O"
TAG = re.compile(r"O|[BIESMLU]-\S+")
_SAME = {"M": "I", "L": "E", "U": "S"}


def spans(tags: Sequence[str]) -> list[Span]:
    """The entities of tags in BIO, IOB1 or BIOES (also BMES, BILOU), read as conlleval reads them: a tag that goes on
    with an entity that is not there begins one."""
    found: list[Span] = []
    start, kind = -1, ""
    for t, tag in enumerate([*tags, OUTSIDE]):
        place, _, own = tag.partition("-")
        place = _SAME.get(place, place)
        goes_on = start >= 0 and place in "IE" and own == kind
        if start >= 0 and not goes_on:
            found.append((start, t, kind))
            start = -1
        if place != OUTSIDE and not goes_on:
            start, kind = t, own
        if start >= 0 and place in "ES":
            found.append((start, t + 1, kind))
            start = -1
    return found


def bio(entities: Iterable[Span], size: int) -> list[str]:
    """The tags of entities that do not overlap, as files hold them."""
    tags = [OUTSIDE] * size
    for start, end, kind in entities:
        tags[start:end] = [f"B-{kind}", *[f"I-{kind}"] * (end - start - 1)]
    return tags


def bioes(entities: Iterable[Span], size: int) -> list[str]:
    """The same in BIOES."""
    tags = [OUTSIDE] * size
    for start, end, kind in entities:
        inner = [f"I-{kind}"] * (end - start - 2)
        tags[start:end] = [f"S-{kind}"] if end - start == 1 else [f"B-{kind}", *inner, f"E-{kind}"]
    return tags


def label_names(types: Sequence[str]) -> list[str]:
    """The labels of a chain that knows these types: O, then B, I, E, S of each."""
    return [OUTSIDE, *(f"{place}-{kind}" for kind in types for place in "BIES")]


def label_numbers(entities: Iterable[Span], size: int, types: Sequence[str]) -> list[int]:
    """The numbers of the labels in `label_names(types)`."""
    numbers = {name: n for n, name in enumerate(label_names(types))}
    return [numbers[tag] for tag in bioes(entities, size)]
