"""How a poem rhymes: the group that most of its rhyming lines share, and the lines outside it.

Two characters rhyme if they share a group in the same tone class. The rhyme is level (平); it is oblique (仄韵) only
where all rhyming lines share an oblique group and no level one. Line 1 may join (首句入韵), in 平水韵 with a
neighbouring group too (首句邻韵): one of the same part of 词林正韵. A later line with a neighbouring rhyme is 出韵, one
with another or none 不押韵, one that repeats a rhyming character 重韵.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from rondo.verse.books import Book, Reading, Tone, book
from rondo.verse.faults import Fault
from rondo.verse.forms import OPPOSITE, PING, ZE, rhyme_sets

EVEN = "双句押韵"  # the scheme in which line 1 is free to join


@dataclass(frozen=True)
class Rhyme:
    """How a poem rhymes.

    sets   of each line the number of its rhyming set, or None
    mains  of each set its tone and group, or None where no two lines share one
    ends   the tone in which each line should end
    """

    sets: tuple[int | None, ...]
    mains: tuple[Reading | None, ...]
    ends: tuple[Tone, ...]
    faults: tuple[Fault, ...]
    notes: tuple[Fault, ...]

    @property
    def oblique(self) -> bool:
        """Whether a set rhymes in the oblique tone."""
        return any(main is not None and main.tone == ZE for main in self.mains)

    @property
    def holds(self) -> bool:
        """Whether lines rhyme at all: two or more in every set, and none of them only seems to."""
        sizes = Counter(s for s in self.sets if s is not None)
        return bool(sizes) and min(sizes.values()) > 1 and all(fault.rule != "不押韵" for fault in self.faults)


def rhyme(poem: Sequence[str], scheme: str, used: Book) -> Rhyme:
    """Judge the ends of the lines under a scheme of `forms.rhyme_sets`."""
    last = [line[-1] for line in poem]
    sets = rhyme_sets(scheme, len(poem))
    free = scheme == EVEN
    mains = tuple(
        _main([c for c, s in zip(last, sets, strict=True) if s == k], last[0] if free else "", used)
        for k in range(1 + max((s for s in sets if s is not None), default=-1))
    )
    notes: tuple[Fault, ...] = ()
    if free and mains and mains[0]:
        joined, notes = _first(poem[0], mains[0], used)
        sets = rhyme_sets(scheme, len(poem), joined)
    asked = [(i, mains[s]) for i, s in enumerate(sets) if s is not None and not (notes and i == 0)]
    faults = [_fault(i, poem, sets, main, used) for i, main in asked]
    tones = [main.tone if main else PING for main in mains] or [PING]
    ends = tuple(OPPOSITE[tones[0]] if s is None else tones[s] for s in sets)
    return Rhyme(sets, mains, ends, tuple(f for f in faults if f), notes)


def _main(members: Sequence[str], extra: str, used: Book) -> Reading | None:
    """The reading's group that most members share; ties go to the one that `extra` has, then to the first line's."""
    level = [Reading(PING, g) for c in members for g in sorted(used.rhyme_groups(c))]
    oblique = [Reading(ZE, g) for c in members for g in sorted(used.rhyme_groups(c, ZE))]
    known = sum(bool(used.readings(c)) for c in members)
    best = _commonest(level, extra, used)
    other = _commonest(oblique, extra, used)
    if other and oblique.count(other) == known > 1 and not (best and level.count(best) == known):
        return other
    return best


def _commonest(found: Sequence[Reading], extra: str, used: Book) -> Reading | None:
    return max(found, key=lambda r: (found.count(r), r in used.readings(extra), -found.index(r)), default=None)


def _first(line: str, main: Reading, used: Book) -> tuple[bool, tuple[Fault, ...]]:
    """Whether line 1 joins the rhyme, and the note where it does so by a neighbouring group."""
    char = line[-1]
    if main in used.readings(char):
        return True, ()
    if main.tone == PING and PING in used.tones(char) and _near(char, main, used):
        zh = f"首句用邻韵“{char}”（{_names(char, used)}）"
        en = f"line 1 rhymes by a neighbouring group: {char} ({_names(char, used)})"
        return True, (Fault("首句邻韵", 1, len(line), zh, en),)
    return False, ()


def _near(char: str, main: Reading, used: Book) -> bool:
    """Whether the character and the main group of 平水韵 fall into one part of 词林正韵."""
    if used.name != "pingshui":
        return False
    parts = book("cilin")
    heads = used.chars(main.group, main.tone)[:20]
    return bool(parts.rhyme_groups(char, main.tone) & {g for c in heads for g in parts.rhyme_groups(c, main.tone)})


def _names(char: str, used: Book, tone: Tone = PING) -> str:
    return "、".join(used.groups[g].name for g in sorted(used.rhyme_groups(char, tone)))


def _fault(i: int, poem: Sequence[str], sets: Sequence[int | None], main: Reading | None, used: Book) -> Fault | None:
    """What the end of a rhyming line breaks."""
    char, end, tone = poem[i][-1], len(poem[i]), main.tone if main else PING
    if char in [line[-1] for line, s in zip(poem[:i], sets, strict=False) if s == sets[i]]:
        zh = f"第 {i + 1} 句重韵：“{char}”已作过韵脚"
        return Fault("重韵", i + 1, end, zh, f"line {i + 1} rhymes on {char} again")
    if not used.readings(char) or main in used.readings(char):
        return None
    if tone not in used.tones(char):
        zh = f"第 {i + 1} 句不押韵：韵脚“{char}”是{OPPOSITE[tone]}声，应押{tone}声"
        return Fault(
            "不押韵", i + 1, end, zh, f"line {i + 1} does not rhyme: {char} is {OPPOSITE[tone]}, the rhyme is {tone}"
        )
    name, own = used.groups[main.group].name if main else "", _names(char, used, tone)
    rule, en = ("出韵", "rhymes loosely") if main and _near(char, main, used) else ("不押韵", "does not rhyme")
    zh = f"第 {i + 1} 句{rule}：“{char}”属{own}，全诗押{name}"
    return Fault(rule, i + 1, end, zh, f"line {i + 1} {en}: {char} is of {own}, the poem rhymes in {name}")
