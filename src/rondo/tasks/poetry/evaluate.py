"""Measures of the poet: `rondo evaluate poetry --data FILE`.

Perplexity per character on the file's poems, told nothing but the form, and told pattern, rhymes, time and keywords;
then poems to order, over all forms, places, rhyme options and books in turn: what share keeps its request, what is
relaxed though it could be kept, how new and how varied they are, how long they take. The figures of the file's own
poems stand beside.
"""

from __future__ import annotations

import itertools
import math
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rondo.tasks.poetry.check import faults, satisfiable
from rondo.tasks.poetry.data import Poems, Sounds, one_pass, read_poems
from rondo.tasks.poetry.novelty import GRAM, Known
from rondo.tasks.poetry.poet import Poet
from rondo.tasks.poetry.request import PoemRequest, poem_request
from rondo.train.fit import mean_loss
from rondo.verse.forms import FORMS, PLACES, SCHEMES

BOOKS = ("平水韵", "词林正韵", "中华新韵", "中华通韵")
THEMES = ("秋夜", "春风", "明月", "送别", "山居", "江上", "梅花", "啤酒", "地铁", "高考", "故乡", "中秋")


def evaluate(path: Path, data: Path, count: int = 200) -> dict[str, Any]:
    """All measures of the poet in `path` on the poems of the file `data`, `count` poems being written."""
    poet, human = Poet.load(path), read_poems(data)
    poems = Poems(human, poet.vocab, Sounds(poet.vocab))
    result: dict[str, Any] = {"poems": len(human), "unknown_share": _unknown(poems)}
    result |= {f"perplexity_{name}": value for name, value in perplexities(poet, poems).items()}
    written, seconds, broken = [], [], []
    for request in itertools.islice(orders(poet.vocab.symbols[2:3000]), count):
        begun = time.perf_counter()
        (poem,) = poet.write(request).poems
        seconds.append(time.perf_counter() - begun)
        written.append((request, poem))
        broken += [
            {"request": request.model_dump(), "lines": poem.lines, "faults": f} for f in [faults(request, poem)] if f
        ]
    if not written:
        return result
    possible = [(r, p) for r, p in written if satisfiable(r)]
    result |= {
        "written": len(written),
        "kept_or_named": 1 - len(broken) / len(written),
        "broken": broken[:5],
        "satisfiable": len(possible),
        "relaxed_though_satisfiable": sum(bool(p.relaxed) for _, p in possible) / max(1, len(possible)),
        "seconds_median": float(np.median(seconds)),
        "seconds_longest": max(seconds),
    }
    result |= {f"poems_{k}": v for k, v in variety([p.lines for _, p in written], poet.known).items()}
    result |= {f"file_{k}": v for k, v in variety([p.lines for p in human[:count]], poet.known).items()}
    return result


def perplexities(poet: Poet, poems: Poems) -> dict[str, float]:
    """Per character: told the form alone, in all and by length of line; and told all of `Poems.all_told`."""
    found = {"bare": math.exp(mean_loss(poet.model, one_pass(poems)))}
    for length in sorted({length for _, length in poems.shapes}):
        found[f"bare_{length}"] = math.exp(mean_loss(poet.model, one_pass(poems, length=length)))
    return found | {"told": math.exp(mean_loss(poet.model, one_pass(poems, told=True)))}


def _unknown(poems: Poems) -> float:
    return float(np.mean([(lines == 0).mean() for lines in poems.lines]))


def orders(characters: Sequence[str], seed: int = 0) -> Iterator[PoemRequest]:
    """Requests of every combination of form, place (or none), rhyme option, book and pattern, in a mixed order, with
    random characters to hide and a theme in half of them."""
    numbers = random.Random(seed)
    kinds = [*itertools.product((*FORMS, "五言", "七言"), ("", *PLACES), (*SCHEMES, "首句入韵"), BOOKS, (False, True))]
    for k in itertools.count():
        if k % len(kinds) == 0:
            numbers.shuffle(kinds)
        form, at, rhyme, used, free = kinds[k % len(kinds)]
        most = FORMS.get(form, (8, 0))[0]
        hide = "".join(numbers.sample(characters, numbers.randint(2, most))) if at else ""
        theme = numbers.choice(THEMES) if numbers.random() < 0.5 else ""
        yield poem_request(
            theme=theme, form=form, hide=hide, at=at or "藏头", rhyme=rhyme, book=used, free=free, seed=k
        )


def variety(poems: Sequence[Sequence[str]], known: Known | None) -> dict[str, float]:
    """Distinct 2-grams as a share of all, and the shares of lines and 4-grams that the training poems hold."""
    lines = [line for poem in poems for line in poem]
    pairs = [line[i : i + 2] for line in lines for i in range(len(line) - 1)]
    found = {"distinct_2": len(set(pairs)) / max(1, len(pairs))}
    if known:
        grams = [line[i : i + GRAM] for line in lines for i in range(len(line) - GRAM + 1)]
        found["lines_known"] = sum(map(known.line, lines)) / max(1, len(lines))
        found["grams_known"] = sum(known.longest(g) > 0 for g in grams) / max(1, len(grams))
    return found
