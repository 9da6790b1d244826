"""Plans: the ways to meet a demand (form, hidden characters, rhyme, tones), and what has to give where rules clash.

Hidden and locked characters always stand. A plan is a tone pattern and, for each set of rhyming lines, a group of the
rhyme book; plans that relax least are kept, the generator chooses among them.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rondo.verse.books import Book, Reading
from rondo.verse.forms import OPPOSITE, PING, ZE, Pattern, ends, patterns

LEAST = 26  # characters that a rhyme group has, unless hidden characters ask for it
OBLIQUE = 0.5  # what it costs to rhyme in an oblique tone


@dataclass(frozen=True)
class Demand:
    """What a poem must keep.

    required  for each line and place the character that must stand there, or ""
    sets      for each line the rhyme set it belongs to, or None; several where 首句入韵 is left open
    book      the rhyme book, which also says the tones
    regulated whether the tone pattern is kept
    """

    required: tuple[tuple[str, ...], ...]
    sets: tuple[tuple[int | None, ...], ...]
    book: Book
    regulated: bool = True

    @property
    def lines(self) -> int:
        return len(self.required)

    @property
    def length(self) -> int:
        return len(self.required[0])


@dataclass(frozen=True)
class Relaxed:
    """A rule that a required character breaks. line and place count from 1."""

    rule: str  # "tone", "rhyme", "oblique rhyme"
    line: int
    place: int
    char: str
    why: str  # in Chinese, then English


@dataclass(frozen=True)
class Plan:
    """A way to meet a demand.

    pattern  the tone pattern, or None
    lines    for each line the tone strings it may have ("?" where a required character stands against them), or None
    sets     for each line its rhyme set, or None
    rhymes   for each line the reading that its last character must have, or None
    relaxed  the rules that required characters break
    """

    pattern: Pattern | None
    lines: tuple[frozenset[str] | None, ...]
    sets: tuple[int | None, ...]
    rhymes: tuple[Reading | None, ...]
    relaxed: tuple[Relaxed, ...]


@dataclass(frozen=True)
class Choice:
    """Plans that differ in their rhyme groups alone: for each set the groups that serve equally well."""

    pattern: Pattern | None
    lines: tuple[frozenset[str] | None, ...]
    sets: tuple[int | None, ...]
    groups: dict[int, tuple[Reading, ...]]
    broken: dict[tuple[int, Reading], tuple[Relaxed, ...]]  # what a set's group relaxes
    relaxed: tuple[Relaxed, ...]
    cost: float

    def draw(self, random: random.Random) -> Plan:
        """A plan: a group for every set, drawn by the number of its characters."""
        chosen = {s: random.choice(groups) for s, groups in self.groups.items()}
        found = tuple(r for s, group in chosen.items() for r in self.broken[s, group])
        off = {r.line - 1 for r in found if r.rule == "rhyme"}
        rhymes = tuple(None if s is None or i in off else chosen[s] for i, s in enumerate(self.sets))
        return Plan(self.pattern, self.lines, self.sets, rhymes, self.relaxed + found)


def choices(demand: Demand) -> list[Choice]:
    """The choices that relax least, at least one."""
    found = list(_all(demand))
    least = min(choice.cost for choice in found)
    return [choice for choice in found if choice.cost <= least + 1e-9]


def _all(demand: Demand) -> Iterator[Choice]:
    for sets, tone in itertools.product(demand.sets, (PING, ZE)):
        groups, broken, cost = _rhymes(demand, sets, tone)
        marks = ends(sets, tone)
        oblique: tuple[Relaxed, ...] = ()
        if tone == ZE:
            if not cost < min(_rhymes(demand, sets, PING)[2], 1e9):
                continue  # only where the required characters rhyme so
            oblique = (_oblique(demand, sets),)
        for pattern in patterns(marks, demand.length, tone) if demand.regulated else (None,):
            lines, relaxed = _lines(demand, pattern)
            total = cost + len(relaxed) + (OBLIQUE if oblique else 0)
            yield Choice(pattern, lines, sets, groups, broken, (*relaxed, *oblique), total)


def _lines(demand: Demand, pattern: Pattern | None) -> tuple[tuple[frozenset[str] | None, ...], tuple[Relaxed, ...]]:
    """For each line the strings that its required characters break least, those places opened, and what they break."""
    if pattern is None:
        return (None,) * demand.lines, ()
    lines, relaxed = [], []
    for i, (required, strings) in enumerate(zip(demand.required, pattern.lines, strict=True)):
        tones = [demand.book.sounds.tones(c) if c else frozenset[str]() for c in required]
        clashes: dict[tuple[int, ...], list[str]] = {}
        for s in sorted(strings):
            clashes.setdefault(tuple(p for p, t in enumerate(tones) if t and s[p] not in t), []).append(s)
        # the fewest places; of these, those that leave most strings
        places = min(clashes, key=lambda places: (len(places), -len(clashes[places]), places))
        lines.append(frozenset("".join("?" if p in places else c for p, c in enumerate(s)) for s in clashes[places]))
        relaxed += [_tone(i, p, required[p], OPPOSITE[next(iter(tones[p]))]) for p in places]
    return tuple(lines), tuple(relaxed)


def _rhymes(
    demand: Demand, sets: Sequence[int | None], tone: str
) -> tuple[dict[int, tuple[Reading, ...]], dict[tuple[int, Reading], tuple[Relaxed, ...]], float]:
    """For each rhyme set the groups in which most required line ends rhyme, what each relaxes, and the cost of all."""
    groups: dict[int, tuple[Reading, ...]] = {}
    broken: dict[tuple[int, Reading], tuple[Relaxed, ...]] = {}
    cost = 0.0
    for number in sorted({s for s in sets if s is not None}):
        given = {i: demand.required[i][-1] for i, s in enumerate(sets) if s == number and demand.required[i][-1]}
        own = {i: demand.book.rhyme_groups(c, tone) for i, c in given.items() if demand.book.readings(c)}
        unlisted = [i for i in given if i not in own]
        candidates = {g for found in own.values() for g in found} or _usual(demand.book, tone)
        misses = {g: [i for i, found in own.items() if g not in found] for g in sorted(candidates)}
        least = min(map(len, misses.values()))
        cost += least
        kept = [Reading(tone, g) for g, lines in misses.items() if len(lines) == least]
        groups[number] = tuple(g for g in kept for _ in range(len(demand.book.chars(g.group, tone)) if not own else 1))
        for reading in kept:
            wanted = demand.book.groups[reading.group].name
            lines = sorted(misses[reading.group] + unlisted)  # none of the groups helps the latter
            broken[number, reading] = tuple(_rhyme(i, demand.length, given[i], wanted, demand.book) for i in lines)
    return groups, broken, cost


def _usual(book: Book, tone: str) -> set[int]:
    """The groups with enough characters to choose from."""
    return {g for g in book.groups if len(book.chars(g, tone)) >= LEAST}


def _tone(line: int, place: int, char: str, wanted: str) -> Relaxed:
    level = {PING: "level", ZE: "oblique"}
    actual = OPPOSITE[wanted]
    why = (
        f"“{char}”是{actual}声，此处格律要{wanted}声；字是指定的，所以放宽平仄 / "
        f"{char} is {level[actual]} where the pattern wants {level[wanted]}; it was asked for, so the tone is relaxed"
    )
    return Relaxed("tone", line + 1, place + 1, char, why)


def _rhyme(line: int, length: int, char: str, group: str, book: Book) -> Relaxed:
    why = (
        f"“{char}”在《{book.title}》里不押{group}韵；字是指定的，所以这一句不押 / "
        f"{char} does not rhyme in {group} of {book.name}; it was asked for, so this line does not rhyme"
    )
    return Relaxed("rhyme", line + 1, length, char, why)


def _oblique(demand: Demand, sets: Sequence[int | None]) -> Relaxed:
    line = next(i for i, s in enumerate(sets) if s is not None and demand.required[i][-1])
    char = demand.required[line][-1]
    why = (
        f"指定的句末字（{char}等）只押仄韵，所以全诗用仄韵 / "
        f"the required line ends ({char} ...) rhyme in an oblique tone only, so the poem does"
    )
    return Relaxed("oblique rhyme", line + 1, demand.length, char, why)
