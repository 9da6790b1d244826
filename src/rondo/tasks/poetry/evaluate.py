"""Measures of the poet: `rondo evaluate poetry --data FILE`.

Perplexity per character on the file's poems, told nothing but the form, and told pattern, rhymes, time and keywords;
then poems to order, over all forms, places, rhyme options and books in turn: what share keeps its request, what is
relaxed though it could be kept, how new and how varied they are, how long they take. The figures of the file's own
poems stand beside. With a file for the judges to learn from: how often they tell a written poem's theme among ten, and
Tang from Song (`rondo.tasks.poetry.judges`).
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

from rondo.tasks.poetry.brief import STYLES
from rondo.tasks.poetry.check import faults, satisfiable
from rondo.tasks.poetry.data import Poem, Poems, Sounds, one_pass, read_poems
from rondo.tasks.poetry.judges import Archive, Lines, StyleJudge, ThemeJudge, read_themes, theme_accuracy
from rondo.tasks.poetry.novelty import GRAM, Known
from rondo.tasks.poetry.poet import Poet
from rondo.tasks.poetry.request import Poem as Written
from rondo.tasks.poetry.request import PoemRequest, poem_request
from rondo.train.fit import mean_loss
from rondo.verse.forms import FORMS, PLACES, SCHEMES

BOOKS = ("平水韵", "词林正韵", "中华新韵", "中华通韵")
ABOUT = 4  # poems of the file about each theme, which are judged beside the written ones
THEMES = ("秋夜", "春风", "明月", "送别", "山居", "江上", "梅花", "啤酒", "地铁", "高考", "故乡", "中秋")


def evaluate(path: Path, data: Path, count: int = 200, judges: Path | None = None) -> dict[str, Any]:
    """All measures of the poet in `path` on the poems of the file `data`, `count` poems being written; the judges'
    where there is a file of poems for them to learn from."""
    poet, human = Poet.load(path), read_poems(data)
    poems = Poems(human, poet.vocab, Sounds(poet.vocab))
    result: dict[str, Any] = {"poems": len(human), "unknown_share": _unknown(poems)}
    result |= {f"perplexity_{name}": value for name, value in perplexities(poet, poems).items()}
    if count:
        result |= to_order(poet, count)
        result |= {f"file_{k}": v for k, v in variety([p.lines for p in human[:count]], poet.known).items()}
    if judges:
        result |= judged(poet, read_poems(judges), human)
    return result


def to_order(poet: Poet, count: int) -> dict[str, Any]:
    """What `count` poems of all kinds keep, and how varied they are."""
    written, seconds, broken = [], [], []
    for request in itertools.islice(orders(poet.vocab.symbols[2:3000]), count):
        begun = time.perf_counter()
        (poem,) = poet.write(request).poems
        seconds.append(time.perf_counter() - begun)
        written.append((request, poem))
        broken += [
            {"request": request.model_dump(), "lines": poem.lines, "faults": f} for f in [faults(request, poem)] if f
        ]
    possible = [(r, p) for r, p in written if satisfiable(r)]
    themed = [(set(request.theme), poem) for request, poem in written if request.theme]
    return {
        "written": len(written),
        "kept_or_named": 1 - len(broken) / len(written),
        "broken": broken[:5],
        "satisfiable": len(possible),
        "relaxed_though_satisfiable": sum(bool(p.relaxed) for _, p in possible) / max(1, len(possible)),
        "theme_characters_present": sum(bool(t & set("".join(p.lines))) for t, p in themed) / max(1, len(themed)),
        "images_present": images_present([poem for _, poem in written]),
        "seconds_median": float(np.median(seconds)),
        "seconds_longest": max(seconds),
    } | {f"poems_{k}": v for k, v in variety([p.lines for _, p in written], poet.known).items()}


def images_present(poems: Sequence[Written]) -> float:
    """The share of the images drawn for lines that stand in their lines as words."""
    lines = [line for poem in poems for line in poem.proof if line.image]
    return sum(line.image.rsplit(" → ", 1)[-1] in line.text for line in lines) / max(1, len(lines))


def judged(poet: Poet, learned: Sequence[Poem], human: Sequence[Poem]) -> dict[str, Any]:
    """What judges that learn from some poems make of a poem on every theme in every form and style: which theme of ten
    is it about, and, where both files have poems of either, is it of Tang or of Song? Beside it what they make of the
    file's own poems."""
    kinds = read_themes()
    themes = [theme for own in kinds.values() for theme in own]
    theme_judge, archive = ThemeJudge.of(Archive(learned), themes), Archive(human)
    about = {theme: [human[n].lines for n in archive.about(theme, ABOUT)] for theme in themes}
    written = {(theme, style): _on(poet, theme, style) for theme in themes for style in STYLES[1:]}
    on = {theme: [lines for style in STYLES[1:] for lines in written[theme, style]] for theme in themes}
    result: dict[str, Any] = {"judged": sum(map(len, on.values()))}
    for name, poems in (("poems", on), ("file", about)):
        result[f"{name}_theme_of_ten"] = theme_accuracy(theme_judge, poems)
        for kind, own in kinds.items():
            result[f"{name}_theme_of_ten_{kind}"] = theme_accuracy(theme_judge, {theme: poems[theme] for theme in own})
    if all({1, 2} <= {poem.style for poem in poems} for poems in (learned, human)):
        judge = StyleJudge.of(learned)
        in_style = [[lines for t in themes for lines in written[t, style]] for style in STYLES[1:]]
        of_style = [[p.lines for p in human if p.style == k] for k in (1, 2)]
        for name, of_both in (("poems", in_style), ("file", of_style)):
            tang, song = map(judge.scores, of_both)
            result[f"{name}_style"] = float(((tang > 0).mean() + (song < 0).mean()) / 2)
    return result


def _on(poet: Poet, theme: str, style: str) -> list[Lines]:
    """A poem in each form."""
    requests = [poem_request(theme=theme, form=form, style=style, seed=k) for k, form in enumerate(FORMS)]
    return [poem.lines for request in requests for poem in poet.write(request).poems]


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
