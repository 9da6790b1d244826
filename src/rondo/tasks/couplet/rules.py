"""Masks: which characters may stand at each place of an answering line, so that the couplet keeps its rules.

Whatever a rule asks of one place is a set of characters, known before the first is written: places where the given
line repeats a character make one class, and share the set that all of them allow. Only two things depend on what has
been written: a class repeats its character, and two classes never have the same. So the look-ahead is exact: a class
keeps a rule only where that leaves more characters than there are classes. Rules in the order in which they hold:
what the user fixed; no character of the given line, and none that another place was given; the end; the rhythm
points; wanted tones; characters to avoid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rondo.data.vocab import Characters
from rondo.tasks.couplet.data import COMMA, SPECIAL, Bools, Ints
from rondo.verse.abuse import RUDE
from rondo.verse.books import VerseError, book
from rondo.verse.forms import PING, ZE
from rondo.verse.pairs import BOOKS, FUNCTION_CHARS, rhythm_points

UPPER, LOWER = "upper", "lower"
BITS = {PING: 1, ZE: 2}


@dataclass(frozen=True)
class Demand:
    """An answering line to write, place by place, commas left out.

    given   the characters of the other line, "" where it is not known
    fixed   the characters that must stand in this one, "" where it is free
    sizes   characters of each part between commas
    role    UPPER or LOWER: which line this one is
    tones   平 or 仄 where a tone is wanted, "" where either may stand; () for none
    avoid   characters that are not written
    """

    given: tuple[str, ...]
    fixed: tuple[str, ...]
    sizes: tuple[int, ...]
    role: str = LOWER
    tones: tuple[str, ...] = ()
    avoid: str = ""

    @property
    def commas(self) -> tuple[int, ...]:
        """The places of the commas in the line with its commas."""
        ends = np.cumsum(self.sizes)[:-1]
        return tuple(int(end) + k for k, end in enumerate(ends))

    @property
    def at(self) -> tuple[int, ...]:
        """Where each character stands in the line with its commas."""
        size = len(self.given) + len(self.commas)
        return tuple(k for k in range(size) if k not in self.commas)

    def spread(self, chars: Sequence[str], comma: str = COMMA) -> list[str]:
        """The characters with commas between the parts."""
        line = list(chars)
        for place in self.commas:
            line.insert(place, comma)
        return line


class Alphabet:
    """What is known of each symbol of a vocabulary: tones [books, V] as bits (1 平, 2 仄, 3 either or not known), and
    which may be written."""

    def __init__(self, vocab: Characters) -> None:
        self.vocab = vocab
        self.tones = np.array([[_bits(c, name) for c in vocab.symbols] for name in BOOKS])
        self.writable = np.ones(len(vocab), np.bool_)
        self.writable[: len(SPECIAL)] = False
        self.writable[self.numbers(RUDE)] = False

    def numbers(self, chars: str) -> Ints:
        """The symbols of those characters that the vocabulary has."""
        found = self.vocab.encode(chars)
        return found[found > 0]

    def opposed(self, char: str) -> Bools:
        """The symbols [V] that may be read in the tone opposite to a character's, in one of the books."""
        turned = np.array([[3, 2, 1, 3][_bits(char, name)] for name in BOOKS])
        found: Bools = ((self.tones & turned[:, None]) > 0).any(0)
        return found

    def toned(self, tone: str, beside: str = "") -> Bools:
        """The symbols [V] that may have this tone, in a book in which the character `beside` may have the other."""
        other = np.array([not beside or _bits(beside, name) & (3 - BITS[tone]) > 0 for name in BOOKS])
        found: Bools = ((self.tones & BITS[tone]) > 0)[other].any(0)
        return found


def _bits(char: str, name: str) -> int:
    return sum(BITS[t] for t in book(name).tones(char)) or 3


@dataclass(frozen=True)
class Places:
    """A demand as tables over the places of the line with its commas.

    allowed  [T, V] what may stand at the first place of each class
    leader   [T] the first place of each place's class
    """

    allowed: Bools
    leader: Ints


def places(demand: Demand, alphabet: Alphabet) -> Places:
    """What may stand where. Raises VerseError where the vocabulary has fewer characters than the line."""
    leader = classes(demand)
    free = sorted({k for k in leader if not demand.fixed[k]})
    allowed = np.zeros((len(leader), len(alphabet.vocab)), np.bool_)
    for k, char in enumerate(demand.fixed):
        if char:
            allowed[k, alphabet.vocab.encode(char)[0]] = True
    base = alphabet.writable.copy()
    base[alphabet.numbers("".join({*demand.given, *demand.fixed}))] = False
    for k in free:
        allowed[k] = base
        if demand.given[k] in FUNCTION_CHARS and demand.given[k] not in demand.fixed:
            allowed[k, alphabet.numbers(demand.given[k])] = True
        for rule in _rules(demand, alphabet, [p for p, first in enumerate(leader) if first == k]):
            if (allowed[k] & rule).sum() >= len(free):
                allowed[k] &= rule
    if free and base.sum() < len(free):
        raise VerseError(
            f"模型只会 {int(base.sum())} 个可用的字，写不出这一句 / the model has too few characters for this line"
        )
    return _with_commas(demand, allowed, leader)


def classes(demand: Demand) -> list[int]:
    """For each place the first of its class: places with one character in the given line, where the user has fixed
    nothing else. A place whose fixed character differs is a class of its own."""
    named = [c or str(k) for k, c in enumerate(demand.given)]  # an unknown character is like no other
    firsts = [named.index(c) for c in named]
    own: dict[int, int] = {}
    for k, first in enumerate(firsts):  # a fixed character speaks for its class
        if demand.fixed[k]:
            own.setdefault(first, k)
    return [
        k if demand.fixed[k] and demand.fixed[k] != demand.fixed[own[first]] else own.get(first, first)
        for k, first in enumerate(firsts)
    ]


def _rules(demand: Demand, alphabet: Alphabet, own: Sequence[int]) -> Iterator[Bools]:
    """What the rules allow at all of these places, the most important first."""
    last, points = len(demand.given) - 1, set(rhythm_points(demand.sizes))
    if last in own:
        yield _end(demand, alphabet)
    for k in own:
        if demand.given[k] and k in points and k != last:
            yield alphabet.opposed(demand.given[k])
    for k in own:
        if demand.tones and demand.tones[k]:
            yield alphabet.toned(demand.tones[k])
    avoided = np.ones(len(alphabet.vocab), np.bool_)
    avoided[alphabet.numbers(demand.avoid)] = False
    yield avoided


def misplaced(demand: Demand) -> bool:
    """Whether the given line ends in the tone of the other line, in every book: it has been given in the wrong role."""
    tone = ZE if demand.role == LOWER else PING
    return bool(demand.given[-1]) and not any(_bits(demand.given[-1], name) & BITS[tone] for name in BOOKS)


def _end(demand: Demand, alphabet: Alphabet) -> Bools:
    """First lines end 仄, second lines 平; where the given line does not, the answer is opposed to it all the same."""
    tone = PING if (demand.role == LOWER) != misplaced(demand) else ZE
    return alphabet.toned(tone, demand.given[-1])


def _with_commas(demand: Demand, allowed: Bools, leader: Sequence[int]) -> Places:
    comma = np.zeros(allowed.shape[1], np.bool_)
    comma[SPECIAL.index(COMMA)] = True
    at = list(demand.at)
    table = np.broadcast_to(comma, (len(leader) + len(demand.commas), len(comma))).copy()
    table[at] = allowed
    firsts = np.arange(len(table))
    firsts[at] = [at[k] for k in leader]
    return Places(table, firsts)


class PairMask:
    """The mask of N lines of one shape for `rondo.search`: prefixes [A, t], rows [A] -> allowed [A, V].

    demands  what is wanted; `which` [N] says which of them each row is written to
    """

    def __init__(self, demands: Sequence[Places], which: Sequence[int]) -> None:
        self.allowed = np.stack([d.allowed for d in demands])
        self.leader = np.stack([d.leader for d in demands])
        self.which = np.asarray(which)

    def __call__(self, prefixes: Tensor, rows: Tensor) -> Tensor:
        written, own, t = prefixes.numpy(), self.which[rows.numpy()], prefixes.shape[1]
        first = self.leader[own, t]
        allowed = self.allowed[own, np.minimum(first, len(self.leader[0]) - 1)]
        np.put_along_axis(allowed, written, False, 1)
        fixed = self.allowed[own, first].sum(1) == 1
        allowed[fixed] = self.allowed[own[fixed], first[fixed]]
        again = first < t
        allowed[again] = False
        allowed[again, written[again, first[again]]] = True
        return torch.from_numpy(allowed)
