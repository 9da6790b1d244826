"""Build src/rondo/verse/tables/imagery.tsv.gz from a folder of poems, or measure the judges of themes and styles.

    python scripts/imagery_table.py --data FOLDER            # writes the table
    python scripts/imagery_table.py --data FOLDER --measure  # prints how often the judges are right

FOLDER holds tang-song-poems/. The table's rows are the images of classical verse (words of two
characters) and every common character. Each lists the images that stand in the same poems more often than chance,
in four columns from strong to weak. Same input, same bytes.

Which pairs of characters are words: those that stand where the rhythm begins a foot (1-2, 3-4 of a line, 5-6 and 6-7
of seven) far more often than across a foot's edge (2-3), and whose characters attract one another. Which of them are
images: no word of grammar, number or speech, by the characters GRAMMAR and the lists of imagery_words.txt. An image
that the lexicon tables/modern.tsv names is one wherever poems have it ASKED times.

How strongly x and y belong together, from the poems that hold both, n(x, y) of N:

    s(x, y) = n(x, y) / (n(x, y) + k)  *  log(N n(x, y) / (n(x) n(y))) / -log(n(x, y) / N)

normalised pointwise mutual information (Bouma 2009), 1 where they never part, 0 where they meet by chance; the
first factor takes away what rests on few poems.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import sys
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rondo.tasks.poetry.data import read_poems
from rondo.tasks.poetry.judges import Archive, StyleJudge, ThemeJudge, read_themes, theme_accuracy
from rondo.verse.imagery import imagery
from rondo.verse.script import is_han
from rondo.verse.tables import FOLDER

FEET = {5: (0, 2, 3), 7: (0, 2, 4, 5)}  # where a word of two characters may begin
EDGES = {5: (1,), 7: (1, 3)}  # where none does
USES, WHOLE, ATTRACTED = 50, 0.7, 0.13  # of a word: least uses, share at feet, NPMI of its characters
ASKED = 8  # least uses of an image that the lexicon names
CHAR_USES = 20  # least uses of a character
FEW = 6.0  # k above
BANDS = (0.26, 0.19, 0.135, 0.09)  # least strength of each column
LISTED = {1: 28, 2: 20}  # images listed for a character, for a word

# a pair with one of these is no image
GRAMMAR = set(
    "不无未非何谁孰岂莫勿休可能得须应当宜将欲肯敢堪却犹尚还更又亦也仍已曾且复与为被把向从自于以其之而则乃所者此这那斯"
    "兹彼是有在若如似因但只惟唯独皆都俱各每几便即既才遂忽宁许教令使遣让放着了个些么吗我吾余予你汝尔他伊渠君相"
    "最方俄剩渐特共同偏甚颇殊稍略全尽固诚端必竟终要难易足称知道觉识谓说言问闻见到来去至及过论等许多少再频屡常"
    "事处看取底就会忍争般段样种诸作一二三四五六七八九十百千万两数半"
)
# pairs that are images although they have one of these (+), pairs that picture nothing although they have none (-)
BY_HAND = Path(__file__).with_name("imagery_words.txt")

Ints = NDArray[np.int64]


def poems(path: Path) -> Iterator[list[str]]:
    """The lines of every poem of a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (json.loads(record)["content"].split("|") for record in file)


def asked() -> set[str]:
    """The images that the lexicon names."""
    rows = (FOLDER / "modern.tsv").read_text(encoding="utf-8").splitlines()[1:]
    return {image for row in rows for image in row.partition("\t")[2].split()}


def by_hand(sign: str) -> set[str]:
    """The pairs that the list has with this sign."""
    rows = BY_HAND.read_text(encoding="utf-8").splitlines()
    return {pair for row in rows if row.startswith(sign) for pair in row.split()[1:]}


def words(lines: Sequence[str], asked: Collection[str]) -> tuple[list[str], Counter[str]]:
    """The images by their uses, commonest first, and the uses of every character."""
    chars: Counter[str] = Counter()
    first: Counter[str] = Counter()  # at the feet that surely begin a word
    late: Counter[str] = Counter()  # near the end, where either of two pairs may be the word
    across: Counter[str] = Counter()
    for line in lines:
        chars.update(line)
        *sure, a, b = FEET[len(line)]
        first.update(line[i : i + 2] for i in sure)
        late.update((line[a : a + 2], line[b : b + 2]))
        across.update(line[i : i + 2] for i in EDGES[len(line)])
    total, all_chars = first.total(), chars.total()
    kept, left = by_hand("+"), by_hand("-")

    def chosen(pair: str, uses: int) -> bool:
        if pair in asked:
            return uses + late[pair] >= ASKED
        if uses + late[pair] < USES or uses < WHOLE * (uses + across[pair] + 1):
            return False
        if pair in left or (GRAMMAR.intersection(pair) and pair not in kept) or not all(map(is_han, pair)):
            return False
        by_chance = chars[pair[0]] * chars[pair[1]] / all_chars**2
        return math.log(uses / total / by_chance) >= -ATTRACTED * math.log(uses / total)

    found = {pair: first[pair] + late[pair] for pair in {*first, *asked} if chosen(pair, first[pair])}
    return sorted(found, key=lambda pair: (-found[pair], pair)), chars


def terms(lines: Sequence[str], index: dict[str, int]) -> tuple[Ints, Ints]:
    """The numbers of the characters and images that a poem holds, each once; and of those that it holds only where
    the lines rhyme."""
    rhyming: set[int] = set()
    others: set[int] = set()
    for i, line in enumerate(lines):
        last, feet = len(line) - 1, FEET[len(line)]
        found = [(c, k == last) for k, c in enumerate(line)] + [(line[k : k + 2], k + 1 == last) for k in feet]
        for term, ends in found:
            if term in index:
                (rhyming if ends and (i == 0 or i % 2) else others).add(index[term])
    return np.array(sorted(rhyming | others), np.int64), np.array(sorted(rhyming - others), np.int64)


def together(held: Sequence[Ints], heads: int, tails: Ints) -> Iterator[NDArray[np.float64]]:
    """For each of the first `heads` terms the number of poems that hold it and y, for all terms y of `tails`."""
    where: list[list[int]] = [[] for _ in range(heads)]
    for number, own in enumerate(held):
        for term in own.tolist():
            where[term].append(number)
    none = np.zeros(0, np.int64)
    for own in where:
        found = np.concatenate([none, *(held[n] for n in own)])
        yield np.bincount(found, minlength=int(tails[-1]) + 1)[tails].astype(float)


def strengths(held: Sequence[tuple[Ints, Ints]], heads: int, tails: Ints) -> Iterator[NDArray[np.float64]]:
    """For each of the first `heads` terms s(x, y) for all terms y of `tails`. A poem that holds both only where its
    lines rhyme does not count: these meet for their sound."""
    anywhere = [own for own, _ in held]
    counts = np.bincount(np.concatenate(anywhere), minlength=heads)
    pairs = zip(together(anywhere, heads, tails), together([own for _, own in held], heads, tails), strict=True)
    for x, (all_, rhymed) in enumerate(pairs):
        both = np.where(all_ > rhymed, all_ - rhymed, np.nan)
        attracted = np.log(len(held) * both / (counts[x] * counts[tails])) / -np.log(both / len(held))
        yield np.nan_to_num(attracted * both / (both + FEW), nan=0.0)


def row(head: str, strength: NDArray[np.float64], images: Sequence[str], uses: int) -> str:
    """A row of the table: the character or image, its uses, and in four columns the images it leads to."""
    columns = [""] * len(BANDS)
    listed = 0
    for k in np.argsort(-strength, kind="stable").tolist():
        if strength[k] < BANDS[-1] or listed == LISTED[len(head)]:
            break
        if not set(head).intersection(images[k]):
            columns[next(i for i, least in enumerate(BANDS) if strength[k] >= least)] += images[k]
            listed += 1
    return "\t".join([head, str(uses), *columns])


def build(source: Iterable[list[str]]) -> str:
    """The text of the table."""
    texts = list(source)
    images, chars = words([line for lines in texts for line in lines], asked())
    single = [c for c, n in sorted(chars.items(), key=lambda item: (-item[1], item[0])) if n >= CHAR_USES and is_han(c)]
    heads = [*single, *images]
    index = {head: k for k, head in enumerate(heads)}
    held = [terms(lines, index) for lines in texts]
    uses = np.bincount(np.concatenate([own for own, _ in held]), minlength=len(heads))
    tails = np.arange(len(single), len(heads))
    table = ["head\tpoems\tnear\tclose\tfar\tfaint"]
    for k, strength in enumerate(strengths(held, len(heads), tails)):
        table.append(row(heads[k], strength, images, int(uses[k])))
    return "\n".join(table) + "\n"


def measured(folder: Path) -> str:
    """How often the judges, trained on the training poems, are right about others: about the valid poems that name a
    theme (their lines or title), about centos of valid lines that hold the images drawn, about valid poems' time."""
    train, valid = (read_poems(folder / f"{part}.jsonl.gz") for part in ("train", "valid"))
    groups = read_themes()
    judge = ThemeJudge.of(Archive(train), [theme for own in groups.values() for theme in own])
    others = Archive(valid)
    report = []
    for name, themes in groups.items():
        human = {theme: [valid[n].lines for n in others.holding(theme)] for theme in themes}
        report.append(f"{name}: {sum(map(len, human.values()))} valid poems {theme_accuracy(judge, human):.1%}")
        report.append(f", centos of valid lines {theme_accuracy(judge, centos(themes, others)):.1%}\n")
    style = StyleJudge.of(train)
    right = (style.scores([poem.lines for poem in valid]) > 0) == np.array([poem.style == 1 for poem in valid])
    for number, name in ((1, "Tang"), (2, "Song")):
        report.append(f"{name}: {right[[poem.style == number for poem in valid]].mean():.1%}\n")
    return "".join(report)


def centos(themes: Sequence[str], archive: Archive, each: int = 10) -> dict[str, list[list[str]]]:
    """For each theme poems pieced together from lines of others, each line with an image drawn for the theme."""
    draw = random.Random(0)
    found = {}
    for theme in themes:
        found[theme] = [
            [draw.choice(lines) for image in drawn.images if (lines := holding(archive, image.word))]
            for drawn in imagery(theme, 4, draw, each)
        ]
    return found


def holding(archive: Archive, word: str) -> list[str]:
    """The lines that hold a word."""
    return [line for n in archive.holding(word) for line in archive.poems[n].lines if word in line]


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build the table of images, or measure the judges.")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the folder of data sets")
    parser.add_argument("--measure", action="store_true", help="print how often the judges are right instead")
    options = parser.parse_args()
    folder = options.data / "tang-song-poems"
    if options.measure:
        sys.stdout.write(measured(folder))
        return
    text = build(poems(folder / "train.jsonl.gz"))
    (FOLDER / "imagery.tsv.gz").write_bytes(gzip.compress(text.encode("utf-8"), 9, mtime=0))
    sys.stdout.write(f"imagery.tsv.gz: {text.count(chr(10)) - 1} rows\n")


if __name__ == "__main__":
    main()
