"""Rhyme books and tones: which characters rhyme, and which are level (平) or oblique (仄).

Four books. The old ones, 平水韵 (pingshui, 106 groups, for shi) and 词林正韵 (cilin, 19 parts, for ci), give the tones
of old verse, where the entering tone (入声: 一 十 白 国) is 仄. The new ones, 中华新韵 (xinyun, 14 groups) and 中华通韵
(tongyun, 16 groups), give those of Mandarin: first and second tone 平, third and fourth 仄. A group of 平水韵 holds
one tone; in the other books two characters rhyme strictly if group and tone agree.

The shipped rows (`tables/README.md` has origin, licence and figures) come from sources under MIT and from an 1859
book. Three kinds of rows are worked out from these by `scripts/verse_tables.py`, and marked in their last column:
- V, 平水韵: a character that no free source lists, or not in this group, but that the rhymes of Tang and Song poems
  place there. Its partners at the ends of the even lines name the group.
- D, 词林正韵: a character that its small table lacks. A part of 词林正韵 is a union of 平水韵 groups, or of halves of
  them (十灰, 十三元); the part is taken if 95% of the group's listed characters fall into it, else if 95% of those do
  that also share the group of 中华新韵 (the halves of 十灰 are -ai and -ei, of 十三元 -an and -en).
- D, 中华通韵: the same, from the group of 中华新韵.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import NamedTuple

from rondo.expr.graph import nearest
from rondo.verse.script import simplify
from rondo.verse.tables import rows

TITLES = {"pingshui": "平水韵", "cilin": "词林正韵", "xinyun": "中华新韵", "tongyun": "中华通韵"}
SHORT = {"词林": "cilin", "新韵": "xinyun", "通韵": "tongyun"}

Tone = str  # "平" or "仄"


class VerseError(ValueError):
    """A request about verse that cannot be met; the message, Chinese then English, says what can."""


class Reading(NamedTuple):
    """One way to read a character: its tone and its group in a book."""

    tone: Tone
    group: int


@dataclass(frozen=True)
class Group:
    """A rhyme group. `tone` is "平" or "仄", or "" where the group holds both."""

    id: int
    name: str
    tone: str


@dataclass(frozen=True, eq=False)
class Book:
    """A rhyme book. Characters may be traditional: one that the book lacks is looked up in its simplified form."""

    name: str
    title: str
    groups: dict[int, Group]
    _readings: dict[str, tuple[Reading, ...]] = field(repr=False)
    _chars: dict[Reading, tuple[str, ...]] = field(repr=False)

    def readings(self, char: str) -> tuple[Reading, ...]:
        """Every reading of a character by group, 平 before 仄; () where the book does not have it."""
        return self._readings.get(char) or self._readings.get(simplify(char), ())

    def tones(self, char: str) -> frozenset[Tone]:
        """The tones of a character, "平" and "仄"; empty where the book does not have it."""
        return frozenset(reading.tone for reading in self.readings(char))

    @property
    def sounds(self) -> Book:
        """The book whose tones a poem in these rhymes follows: 词林正韵 lists few second readings, 平水韵 has them."""
        return book("pingshui") if self.name == "cilin" else self

    def rhyme_groups(self, char: str, tone: Tone = "平") -> frozenset[int]:
        """The groups in which a character rhymes when read in this tone."""
        return frozenset(reading.group for reading in self.readings(char) if reading.tone == tone)

    def chars(self, group: int, tone: Tone = "平") -> tuple[str, ...]:
        """The characters of a group in this tone, the commonest rhymes of old verse first."""
        return self._chars.get(Reading(tone, group), ())


def book(name: str) -> Book:
    """The book of a name in Chinese or pinyin: 平水韵 or pingshui, 词林正韵 or cilin, 中华新韵 or xinyun, 中华通韵 or
    tongyun (词林, 新韵, 通韵 for short). The same object every time. Raises VerseError naming the nearest."""
    known = {title: key for key, title in TITLES.items()} | SHORT | {key: key for key in TITLES}
    plain = simplify(name.strip().lower())
    if plain not in known:
        shown = repr(name[:20])
        raise VerseError(
            f"没有韵书 {shown}，可选 {'、'.join(TITLES.values())} / "
            f"there is no rhyme book {shown}{nearest(plain, list(known))}"
        )
    return _load(known[plain])


@functools.cache
def _load(name: str) -> Book:
    readings: dict[str, list[Reading]] = {}
    chars: dict[Reading, list[str]] = {}
    for group, tone, char, _ in rows(name):
        reading = Reading(tone, int(group))
        chars.setdefault(reading, []).append(char)
        readings.setdefault(char, []).append(reading)
    return Book(
        name,
        TITLES[name],
        {int(id): Group(int(id), group, tone) for owner, id, group, tone in rows("groups") if owner == name},
        {char: tuple(found) for char, found in readings.items()},
        {reading: tuple(found) for reading, found in chars.items()},
    )


@functools.cache
def _measured() -> dict[str, float]:
    return {char: float(share) for char, share in rows("ping")}


def share_ping(char: str) -> float:
    """How often old verse reads a character 平, from 0 to 1.

    For a character of both tones in 平水韵: its share of 平 at the places of regulated poems where the rest of the
    line fixes the tone (看 0.67, 听 0.24), or 0.5 where that was not measured. For the others 1.0 or 0.0, and 0.5 for
    a character that 平水韵 does not have.
    """
    tones = book("pingshui").tones(char)
    if len(tones) == 1:
        return float("平" in tones)
    return _measured().get(char, _measured().get(simplify(char), 0.5))
