"""Poems as training data: what each of them keeps, and briefs that tell a random part of it.

A poem is told nothing in a share of the batches; in the others any of these may be told: the type of its lines, its
rhymes (in one of four books), its dynasty, words of its lines, its theme (keywords, or characters of its title), and
required characters in the places of every acrostic form. So the generator learns to write to any such demand, and
still is a language model where there is none.
"""

from __future__ import annotations

import gzip
import itertools
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import Batch
from rondo.data.text import DataError
from rondo.data.vocab import Characters
from rondo.tasks.poetry.brief import BOOKS, THEME, WORD, Brief, Ints, all_books, rhyme_class
from rondo.verse.books import book
from rondo.verse.forms import LINES, PING, ZE
from rondo.verse.script import is_han

BEGIN = "\n"  # the symbol before the first character
SHAPES = {(lines, length) for lines in range(2, 9) for length in (5, 7)}
PLAIN = 0.3  # share of poems that are told nothing
# how often each thing is told of the others
TOLD = {"types": 0.6, "rhymes": 0.7, "style": 0.5, "words": 0.4, "keywords": 0.5, "title": 0.3, "required": 0.4}
# how often a batch of eight-line poems is read as parts of so many lines
PARTS = {8: 0.5, 4: 0.38, 6: 0.07, 2: 0.05}
END = {"": "", "A": ZE, "B": PING, "C": ZE, "D": PING}  # the tone in which a line of this type ends
DYNASTIES = {"唐": 1, "Tang": 1, "tang": 1, "宋": 2, "Song": 2, "song": 2}


@dataclass(frozen=True)
class Poem:
    """A poem as data: its lines, what it is about, whose time it is of."""

    lines: tuple[str, ...]
    keywords: tuple[str, ...] = ()
    title: str = ""
    style: int = 0  # index into STYLES

    @property
    def shape(self) -> tuple[int, int]:
        return len(self.lines), len(self.lines[0])


def read_poems(path: Path) -> list[Poem]:
    """The poems of a file in the format of tang-song-poems and ccpc: a JSON object a line, also gzipped, with
    `content` (lines joined by |), and where known `keywords`, `title` and `dynasty`. Raises DataError naming the line.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    poems = []
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, 1):
                if line.strip():
                    poems.append(_poem(line, f"{path}, line {number}"))
    except (OSError, UnicodeDecodeError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if not poems:
        raise DataError(f"{path} holds no poem")
    return poems


def _poem(line: str, where: str) -> Poem:
    try:
        value: dict[str, Any] = json.loads(line)
        lines = tuple(value["content"].split("|"))
        keywords, title = tuple(str(value.get("keywords", "")).split()), str(value.get("title", ""))
        style = DYNASTIES.get(str(value.get("dynasty", "")), 0)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise DataError(f"{where}: not a poem: a JSON object with a text `content` is wanted") from None
    if (len(lines), len(lines[0])) not in SHAPES or len({len(part) for part in lines}) > 1:
        raise DataError(f"{where}: a poem has 2 to 8 lines of 5, or of 7, characters, joined by |")
    return Poem(lines, keywords, title, style)


class Sounds:
    """Tones and rhymes of a vocabulary's symbols, as tables over their numbers.

    tones    [V] in old verse: 1 平, 2 仄, 3 both or not known
    rhymes   for each book, of each symbol its groups and tones
    """

    def __init__(self, vocab: Characters) -> None:
        old = book("pingshui")
        bits = {PING: 1, ZE: 2}
        self.tones = np.array([sum(bits[t] for t in old.tones(c)) or 3 for c in vocab.symbols])
        self.rhymes = [
            [[rhyme_class(used.name, r.group, r.tone) for r in used.readings(c)] for c in vocab.symbols]
            for used in all_books()
        ]


def line_types(tones: Ints) -> NDArray[np.str_]:
    """The type that each line fits, "" for none: from the tones [N, length] of its characters. A line that fits two
    (its characters have two tones) is given the first."""
    found = np.full(len(tones), "", dtype="<U1")
    for kind in "DCBA":
        for string in sorted(LINES[kind, tones.shape[1]]):
            wanted = np.array([1 if c == PING else 2 for c in string])
            found[((tones & wanted) > 0).all(1)] = kind
    return found


class Poems:
    """Poems numbered for training. The vocabulary is that of the training poems."""

    def __init__(self, poems: Sequence[Poem], vocab: Characters, sounds: Sounds) -> None:
        self.sounds, self.begin = sounds, int(vocab.encode(BEGIN)[0])
        self.shapes = [p.shape for p in poems]
        self.lines: list[Ints] = [vocab.encode("".join(p.lines)).reshape(p.shape).astype(np.int64) for p in poems]
        self.types = _types(self.lines, sounds.tones)
        self.styles = [p.style for p in poems]
        self.keywords = [[vocab.encode(w) for w in p.keywords] for p in poems]
        self.titles = [vocab.encode("".join(filter(is_han, p.title))) for p in poems]

    def __len__(self) -> int:
        return len(self.lines)

    def brief(self, number: int, first: int, count: int, random: np.random.Generator) -> tuple[Ints, Brief]:
        """`count` lines of a poem from the first on, and a brief that tells some of what they keep."""
        lines = self.lines[number][first : first + count]
        brief = Brief(*lines.shape)
        if random.random() < PLAIN:
            return lines, brief
        told = {name: random.random() < share for name, share in TOLD.items()}
        if told["types"]:
            brief.types = self.types[number][first : first + count]
            brief.ends = [END[t] for t in brief.types]
        if told["rhymes"]:
            brief.rhymes = self._rhymes(lines[:, -1], random)
        if told["style"]:
            brief.style = self.styles[number]
        if told["words"]:
            brief.words = self._words(lines, self.keywords[number], random)
        brief.theme = self._theme(number, told["keywords"], told["title"], random)
        if told["required"]:
            brief.required = lines * required(lines.shape[0], lines.shape[1], random)
        return lines, brief

    def all_told(self, number: int) -> Brief:
        """A brief that tells a whole poem's pattern, rhyme in 平水韵, time and keywords; no word of a line, no required
        character."""
        brief = Brief(*self.shapes[number], types=self.types[number], style=self.styles[number])
        brief.ends = [END[t] for t in brief.types]
        brief.rhymes = _shared([self.sounds.rhymes[0][s] for s in self.lines[number][:, -1]])
        symbols = np.concatenate([*self.keywords[number], np.zeros(THEME, np.int64)])[:THEME]
        brief.theme = symbols.astype(np.int64)
        return brief

    def _rhymes(self, last: Ints, random: np.random.Generator) -> list[int]:
        """The rhymes of a poem's line ends in a book: the group that most even lines share, for every line in it; or
        now and then each line's own, as in the other schemes."""
        readings = self.sounds.rhymes[int(random.choice(len(BOOKS), p=[0.55, 0.15, 0.15, 0.15]))]
        groups = [readings[s] for s in last]
        if random.random() < 0.2:
            return [int(random.choice(g)) if g and random.random() < 0.6 else 0 for g in groups]
        return _shared(groups)

    def _words(self, lines: Ints, keywords: list[Ints], random: np.random.Generator) -> Ints:
        """For most lines a word of theirs: a keyword, or two characters that the rhythm keeps together."""
        words = np.zeros((len(lines), WORD), np.int64)
        for i, line in enumerate(lines):
            if random.random() < 0.3:
                continue
            own = [w for w in keywords if len(w) == 2 and _holds(line, w)]
            start = 2 * int(random.integers(lines.shape[1] // 2))
            word = own[int(random.integers(len(own)))] if own and random.random() < 0.7 else line[start : start + 2]
            words[i] = word
            if random.random() < 0.3:  # one character alone
                words[i] = [word[int(random.integers(2))], 0]
        return words

    def _theme(self, number: int, keywords: bool, title: bool, random: np.random.Generator) -> Ints:
        """One to four keywords, characters of the title, both, or nothing."""
        parts: list[Ints] = []
        words = self.keywords[number]
        if keywords and words:
            count = int(random.integers(1, 5))
            parts += [words[k] for k in random.permutation(len(words))[:count]]
        if title:
            whole = self.titles[number]
            parts.append(whole[int(random.integers(max(1, len(whole) - 5))) :])
        symbols = np.concatenate(parts)[:THEME] if parts else np.zeros(0, np.int64)
        return np.pad(symbols, (0, THEME - len(symbols))).astype(np.int64)


def _shared(groups: Sequence[Sequence[int]]) -> list[int]:
    """The group that most even lines share, for every line that is in it, else 0."""
    counts = Counter(g for own in groups[1::2] for g in own)
    if not counts:
        return [0] * len(groups)
    shared = max(counts, key=lambda g: (counts[g], -g))
    return [shared if shared in own else 0 for own in groups]


def _types(lines: Sequence[Ints], tones: Ints) -> list[list[str]]:
    """The types of every poem's lines; all lines of one length are looked at together."""
    found: list[list[str]] = [[] for _ in lines]
    for length in (5, 7):
        own = [i for i, poem in enumerate(lines) if poem.shape[1] == length]
        if own:
            kinds = iter(line_types(tones[np.concatenate([lines[i] for i in own])]).tolist())
            for i in own:
                found[i] = list(itertools.islice(kinds, len(lines[i])))
    return found


def _holds(line: Ints, word: Ints) -> bool:
    return bool(((line[:-1] == word[0]) & (line[1:] == word[1])).any())


def required(lines: int, length: int, random: np.random.Generator) -> NDArray[np.bool_]:
    """Which characters are given: one in each line, as an acrostic has them or anywhere, in all lines or some; now and
    then whole lines."""
    mask = np.zeros((lines, length), np.bool_)
    rows = np.arange(lines)
    kind = int(random.integers(7))
    places: list[Any] = [
        *(0, length - 1, length // 2, rows % length, (length - 1 - rows) % length),
        random.integers(length, size=lines),
        random.integers(length, size=lines),
    ]
    mask[rows, places[kind]] = True
    if kind == 6:
        mask[rows, random.integers(length, size=lines)] = True
    if random.random() < 0.5:
        mask &= random.random(lines)[:, None] < random.random()
    if random.random() < 0.15:
        mask |= random.random(lines)[:, None] < 0.4
    return mask


def batches(poems: Poems, tokens: int, seed: int, step: int = 0) -> Iterator[Batch]:
    """Pass after pass, poems of one shape side by side, about `tokens` characters in each batch; batch k of a pass
    depends on the seed and the pass alone."""
    for number in itertools.count():
        plan = list(_plan(poems, tokens, np.random.default_rng([seed, number])))
        for k in range(step, len(plan)):
            yield _drawn(poems, plan[k], np.random.default_rng([seed, number, k]))
        step = max(0, step - len(plan))


def _plan(poems: Poems, tokens: int, random: np.random.Generator) -> Iterator[Ints]:
    order = random.permutation(len(poems))
    shapes = np.array([lines * 8 + length for lines, length in poems.shapes])[order]
    cuts = []
    for shape in np.unique(shapes):
        own = order[shapes == shape]
        rows = max(1, tokens // ((shape // 8) * (shape % 8)))
        cuts += [own[i : i + rows] for i in range(0, len(own), rows)]
    for k in random.permutation(len(cuts)):
        yield cuts[k]


def _drawn(poems: Poems, index: Ints, random: np.random.Generator) -> Batch:
    """A batch of these poems, of one shape: eight-line poems whole or all in parts of as many lines."""
    lines = poems.shapes[int(index[0])][0]
    count = int(random.choice(list(PARTS), p=list(PARTS.values()))) if lines == 8 else lines
    firsts = range(0, lines - count + 1, count) if count != 6 else [2 * int(random.integers(2))]
    return batch([poems.brief(int(i), first, count, random) for i in index for first in firsts], poems.begin)


def batch(rows: Sequence[tuple[Ints, Brief]], begin: int) -> Batch:
    """Poems of one shape and their briefs side by side; each slot is predicted from the character before it."""
    y = torch.from_numpy(np.stack([lines.reshape(-1) for lines, _ in rows]))
    x = torch.cat([torch.full((len(y), 1), begin), y[:, :-1]], 1)
    return Batch(x, y, condition=torch.from_numpy(np.stack([brief.columns() for _, brief in rows])))


def one_pass(poems: Poems, told: bool = False, length: int = 0, tokens: int = 8192) -> Iterator[Batch]:
    """Every poem once and whole, told nothing but its form, or all that `Poems.all_told` tells; those with lines of
    this length alone, where one is given. For measuring."""
    shapes = np.array([lines * 8 + places for lines, places in poems.shapes])
    for shape in np.unique(shapes):
        own = np.flatnonzero(shapes == shape) if length in (0, shape % 8) else np.zeros(0, np.int64)
        rows = max(1, tokens // ((shape // 8) * (shape % 8)))
        for i in range(0, len(own), rows):
            part = own[i : i + rows].tolist()
            briefs = [poems.all_told(k) if told else Brief(*poems.shapes[k]) for k in part]
            yield batch([(poems.lines[k], brief) for k, brief in zip(part, briefs, strict=True)], poems.begin)
