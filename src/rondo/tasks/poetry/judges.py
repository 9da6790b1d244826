"""Judges of poems, trained on poems by people: what is it about, is it in the style of Tang or of Song?

Both count characters (the second also pairs of neighbours) and nothing else, so they look at the words of a poem as any
reader would who has no idea how it was made: they know neither its request nor the images drawn for it.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rondo.tasks.poetry.brief import STYLES
from rondo.tasks.poetry.data import Poem
from rondo.verse.imagery import parts

Lines = Sequence[str]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

EXAMPLES = 300  # poems of each theme that its judge learns from
STRENGTH = 40000.0  # characters of all poems that are added to those of a theme
TITLED, SHORT = 3.0, 12  # a word in a title of so many characters at most counts so many times one in a line
BITS = 21  # of a character's code
SMOOTH = 0.5  # added to the counts of the judge of style


class Archive:
    """Poems that can be asked which of them hold a word."""

    def __init__(self, poems: Sequence[Poem]) -> None:
        self.poems = poems
        self.texts = ["|".join((*poem.lines, poem.title, "")) for poem in poems]
        keys = _pairs(_codes("".join(self.texts)))
        order = np.argsort(keys, kind="stable")
        lengths = [len(text) for text in self.texts]
        self._keys, self._numbers = keys[order], np.repeat(np.arange(len(poems)), lengths)[order]

    def holding(self, word: str) -> Ints:
        """The numbers of the poems that hold a word in a line or in the title."""
        codes = _codes(word)
        spans = [(key, key) for key in _pairs(codes)[:-1].tolist()] or [(codes[0] << BITS, (codes[0] + 1 << BITS) - 1)]
        found: Ints | None = None
        for first, last in spans:
            start = np.searchsorted(self._keys, first)
            own = np.unique(self._numbers[start : np.searchsorted(self._keys, last, "right")])
            found = own if found is None else np.intersect1d(found, own, assume_unique=True)
        assert found is not None
        return found if len(word) < 3 else np.array([n for n in found.tolist() if word in self.texts[n]], np.int64)

    def about(self, theme: str, most: int = EXAMPLES) -> list[int]:
        """The poems about a theme, the surest first:

            sum over its parts p of sqrt(sum over the words w of p that the poem holds of t log(N / n(w)))

        where t = TITLED if w stands in a short title, else 1. The words of a part are the part itself where old verse
        has it, else the images that the lexicon gives; the theme as a whole is a part too.
        """
        scores = np.zeros(len(self.poems))
        for words in _words(theme):
            own = np.zeros(len(self.poems))
            for word in words:
                holding = self.holding(word)
                titles = (self.poems[n].title for n in holding.tolist())
                titled = np.array([word in title and len(title) <= SHORT for title in titles], np.bool_)
                own[holding] += np.where(titled, TITLED, 1.0) * np.log(len(self.poems) / max(1, len(holding)))
            scores += np.sqrt(own)
        best = np.argsort(-scores, kind="stable")[:most]
        return [int(n) for n in best if scores[n] > 0]


def _codes(text: str) -> Ints:
    """The code points of a text."""
    return np.frombuffer(text.encode("utf-32-le"), np.uint32).astype(np.int64)


def _pairs(codes: Ints) -> Ints:
    """Each character and the next as one number; the last and none."""
    after = np.append(codes[1:], np.int64(0))
    return np.asarray((codes << BITS) + after, np.int64)


def _words(theme: str) -> list[list[str]]:
    """For each part of a theme what to look for."""
    found = [[part.own] if part.own else list(part.told) for part in parts(theme)]
    return [[theme], *(words for words in found if words != [theme])]


class ThemeJudge:
    """Which of some themes a poem is about: naive Bayes over the characters that it has,

        score(poem, t) = sum over its characters c of log p(c | t) / p(c),    p(c | t) = (n_t(c) + M p(c)) / (n_t + M)

    with n_t the counts in example poems of t, p the frequencies in all poems and M = STRENGTH.
    """

    def __init__(self, examples: Mapping[str, Sequence[Lines]], poems: Sequence[Lines]) -> None:
        """From example poems of each theme and poems of all kinds."""
        texts = {theme: "".join("".join(lines) for lines in own) for theme, own in examples.items()}
        everything = _codes("".join("".join(lines) for lines in poems) + "".join(texts.values()))
        self.codes, counts = np.unique(everything, return_counts=True)
        usual = counts / counts.sum()
        self.themes = tuple(examples)
        self._logs = np.zeros((len(examples), len(self.codes)))
        for row, text in zip(self._logs, texts.values(), strict=True):
            own = np.bincount(np.searchsorted(self.codes, _codes(text)), minlength=len(self.codes))
            row[:] = np.log((own + STRENGTH * usual) / (own.sum() + STRENGTH) / usual)

    @classmethod
    def of(cls, archive: Archive, themes: Sequence[str]) -> ThemeJudge:
        """From the poems of an archive that are about each theme (`Archive.about`)."""
        poems = [poem.lines for poem in archive.poems]
        return cls({theme: [poems[n] for n in archive.about(theme)] for theme in themes}, poems)

    def scores(self, lines: Lines, themes: Sequence[str]) -> Floats:
        """The score of a poem for each theme; only comparisons between themes mean something."""
        codes = np.array(sorted(set(_codes("".join(lines)).tolist())), np.int64)
        places = np.searchsorted(self.codes, codes)
        known = self.codes[np.minimum(places, len(self.codes) - 1)] == codes
        rows = [self.themes.index(theme) for theme in themes]
        return np.asarray(self._logs[np.ix_(rows, places[known])].sum(1))


def read_themes() -> dict[str, list[str]]:
    """The themes that the poet is measured on, by kind: 古典, 现代, 人名与句子."""
    themes: dict[str, list[str]] = {}
    for row in Path(__file__).with_name("themes.txt").read_text(encoding="utf-8").splitlines():
        kind, theme = row.split("\t")
        themes.setdefault(kind, []).append(theme)
    return themes


def theme_accuracy(judge: ThemeJudge, poems: Mapping[str, Sequence[Lines]], among: int = 10, seed: int = 0) -> float:
    """How often the judge picks a poem's theme out of `among`: the others are drawn anew for each poem."""
    draw = random.Random(seed)
    right: list[bool] = []
    for theme, written in poems.items():
        for lines in written:
            others = draw.sample([other for other in judge.themes if other != theme], among - 1)
            own, *rest = judge.scores(lines, [theme, *others]).tolist()
            right.append(bool(own > max(rest)))
    return sum(right) / max(1, len(right))


class StyleJudge:
    """Whether a poem is of Tang or of Song: naive Bayes over characters and pairs of neighbours in a line,

        score(poem) = sum over all x in it of log p(x | Tang) / p(x | Song),    p(x | d) = (n_d(x) + SMOOTH) / n_d

    Positive: Tang. It learns from as many poems of either (of the commoner, every k-th).
    """

    def __init__(self, tang: Sequence[Lines], song: Sequence[Lines]) -> None:
        few = min(len(tang), len(song))
        uses = [_features(poems[:: max(1, len(poems) // few)][:few])[0] for poems in (tang, song)]
        self._keys, index = np.unique(np.concatenate(uses), return_inverse=True)
        counts = [np.bincount(own, minlength=len(self._keys)) for own in np.split(index, [len(uses[0])])]
        logs = [np.log((own + SMOOTH) / own.sum()) for own in counts]
        self._logs = logs[0] - logs[1]

    @classmethod
    def of(cls, poems: Sequence[Poem]) -> StyleJudge:
        """From the poems of both dynasties in a data set."""
        tang, song = ([poem.lines for poem in poems if poem.style == STYLES.index(style)] for style in "唐宋")
        return cls(tang, song)

    def scores(self, poems: Sequence[Lines]) -> Floats:
        """The score of each poem."""
        keys, numbers = _features(poems)
        places = np.minimum(np.searchsorted(self._keys, keys), len(self._keys) - 1)
        logs = np.where(self._keys[places] == keys, self._logs[places], 0.0)
        return np.bincount(numbers, weights=logs, minlength=len(poems)).astype(np.float64)


def _features(poems: Sequence[Lines]) -> tuple[Ints, Ints]:
    """Every character and pair of neighbours of all poems as a number, and the numbers of the poems they stand in."""
    texts = ["".join(line + "|" for line in lines) for lines in poems]
    codes = _codes("".join(texts))
    pairs, numbers = _pairs(codes), np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    inside = codes != ord("|")
    both = inside & np.append(inside[1:], False)
    return np.concatenate([codes[inside], pairs[both]]), np.concatenate([numbers[inside], numbers[both]])
