"""The grammar of the format as a machine that reads a tune symbol by symbol and says which may come next.

With look-ahead: whatever it allows can be continued to a whole tune in which every bar sums to the metre, every
section's pickup and last bar make one, repeats and endings are balanced and ties lead to the same pitch. A bar can
always be filled, since the shortest length divides what is left of it, and a section always closed, since its bars
are counted. It also keeps what the network is told at each step: where in the bar, the section and the form the next
symbol stands, and what stood at the same place some bars before.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from rondo.tasks.music import tokens as t
from rondo.tasks.music.theory import METRES, MODES, MusicError, metre_ticks

MOST_BARS = 33  # full bars of a section
MOST_SECTIONS = 8
LEAST = 3  # ticks of the shortest note
CLOSING = (0, 8, 4)  # ticks that a group of triplets wants at least, where it stands at 0, 1 or 2 beyond the grid
LOOKBACK = (1, 2, 4, 8)  # bars
PLACES, BARS, TO_GO = 52, 36, 36
TABLES = (PLACES, BARS, len(METRES) + 1, len(MODES) + 1, 4 * (MOST_SECTIONS + 2), TO_GO, t.SYMBOLS)
GROUPS = (1,) * (len(LOOKBACK) + 1)
Ints = NDArray[np.int64]

PITCHES = np.zeros(t.SYMBOLS, dtype=bool)
PITCHES[t.PITCH0 :] = True
PITCHES[t.REST] = True


@dataclass(frozen=True)
class Form:
    """What a tune is to be like. 0 or "": as the model likes.

    bars       full bars of each section, written out once; most: the largest number where `bars` is 0
    sections   how many
    uniform    all sections begin with the same pickup, so that whole bars follow each other in playing too
    """

    metre: str = ""
    mode: str = ""
    sections: int = 0
    bars: int = 0
    repeat: bool | None = None
    pickup: int = -1  # ticks; 0: none; -1: as the model likes
    uniform: bool = True
    least: int = 2  # full bars of a section
    most: int = 17
    most_sections: int = 4


@dataclass(frozen=True)
class Item:
    """What a script demands: symbols as they are; or, where there are none, a bar of `ticks` to be written freely.

    like  the number of an item that this bar is to repeat; anchor: the first pitch of the bar, where it is known
    """

    symbols: tuple[int, ...] = ()
    ticks: int = 0
    like: int = -1
    anchor: int = 0
    togo: int = 0


@dataclass
class Machine:
    """The state after some symbols. `script`: what is demanded first; after it the form holds."""

    form: Form = field(default_factory=Form)
    script: tuple[Item, ...] = ()
    forms: bool = False  # whether the network is told how many bars of a section are to go
    metre: int = -1
    mode: int = -1
    full: int = 0
    ended: bool = False
    part: int = 0  # 0: between sections, 1: body, 2: first ending, 3: second
    sections: int = 0
    repeat: bool = False
    up: int = -1  # ticks of this section's pickup, -1: not known yet
    up0: int = -1  # of the first section's
    at: int = 0  # ticks of the bar so far
    held: int = 0  # length in force
    fresh: bool = False  # a length has just been given
    count: int = 0  # full bars of the section
    opened: int = 0  # bars of the part
    first_bars: int = 0
    tied: int = 0  # the pitch that must follow
    last: int = 0
    item: int = 0  # of the script
    inside: int = 0  # symbols of the item that have come
    written: list[list[int]] = field(default_factory=list)  # symbols of each item
    known: list[dict[tuple[int, bool], int]] = field(default_factory=list)  # of each bar: what stood where
    starts: list[int] = field(default_factory=list)  # the number of each section's first full bar
    steps: int = 0

    def copy(self) -> Machine:
        """Another one that goes on from here."""
        other = copy.copy(self)
        other.written = [list(w) for w in self.written]
        other.known = [dict(k) for k in self.known]
        other.starts = list(self.starts)
        return other

    # what may come

    def allowed(self) -> Ints | NDArray[np.bool_]:
        """Of each symbol, whether it may come next."""
        may = np.zeros(t.SYMBOLS, dtype=bool)
        if self.ended:
            may[t.END] = True
        elif self.item < len(self.script):
            self._scripted(may, self.script[self.item])
        elif self.steps == 0:
            may[t.START] = True
        elif self.metre < 0:
            may[[t.METRE0 + k for k, m in enumerate(METRES) if self.form.metre in ("", m)]] = True
        elif self.mode < 0:
            may[[t.MODE0 + k for k, m in enumerate(MODES) if self.form.mode in ("", m)]] = True
        elif not self.part:
            self._between(may)
        else:
            self._within(may, self._cap())
            self._lines(may)
        return may

    def _scripted(self, may: NDArray[np.bool_], item: Item) -> None:
        if item.symbols:
            may[item.symbols[self.inside]] = True
        elif item.like >= 0:
            may[self.written[item.like][self.inside]] = True
        else:
            self._within(may, item.ticks)
            if item.ticks - self.at == 0 or (self.at and not self.fresh and self.at + self.held == item.ticks):
                may[t.TIE] = False

    def _between(self, may: NDArray[np.bool_]) -> None:
        """Another section, the second ending, or the end."""
        if self.last == t.CLOSE and self.first_bars:
            may[t.SECOND] = True
            return
        form = self.form
        wanted = form.sections or 0
        more = self.sections < (wanted or form.most_sections)
        if more:
            may[t.REPEAT] = form.repeat in (None, True)
            may[t.ONCE] = form.repeat in (None, False)
        may[t.END] = self.sections >= (wanted or 1)

    def _most(self) -> int:
        return self.form.bars or self.form.most

    def _final(self) -> bool:
        """Whether this bar must be the last of its part."""
        if self.part == 3:
            return self.opened >= self.first_bars
        if self.opened == 0 and self.part == 1:  # where it is full it is no pickup
            return self.at == self.full and self.count + 1 >= self._most()
        return self.count + 1 >= self._most()

    def _cap(self) -> int:
        """The ticks that this bar may have at most."""
        if self.part == 1 and self.opened == 0:  # the pickup may be settled already
            up = self._wanted_pickup()
            return up if up > 0 else self.full
        return self.full - max(0, self.up) if self._final() else self.full

    def _wanted_pickup(self) -> int:
        if self.form.pickup >= 0:
            return self.form.pickup
        return self.up0 if self.form.uniform else -1

    def _within(self, may: NDArray[np.bool_], cap: int) -> None:
        """Notes, lengths and ties, where the bar may have `cap` ticks."""
        left = cap - self.at
        if self.held and self._fits(self.held, left):
            if self.tied:
                may[self.tied] = True
            else:
                may |= PITCHES
        if not self.fresh and left > 0:
            for k, n in enumerate(t.LENGTHS):
                if n != self.held and self._fits(n, left):
                    may[t.LENGTH0 + k] = True
        may[t.TIE] = self._tie_may(cap)

    def _fits(self, n: int, left: int) -> bool:
        """Whether a note of n ticks may stand here: a group of triplets that it leaves open can be closed."""
        if self.at % 3 and n % 3 == 0:
            return False
        return n + CLOSING[(self.at + n) % 3] <= left

    def _tie_may(self, cap: int) -> bool:
        if self.fresh or self.tied or not self.at or self.at % 3 or self.last < t.PITCH0:
            return False
        if self.at < cap:
            return True
        return self.item >= len(self.script) and self.at == self.full and not self._final()

    def _lines(self, may: NDArray[np.bool_]) -> None:
        """Bar lines and what ends a part."""
        if self.fresh or not self.at or self.at % 3:
            return
        up, full = max(0, self.up), self.full
        if self.part == 1 and self.opened == 0 and self.at < full:
            may[t.LINE] = self._pickup_may()
            return
        final = self._final()
        may[t.LINE] = self.at == full and not final
        if self.tied:
            return
        if self.part == 1 and self.repeat and self.at == full and self._ending_may():
            may[t.FIRST] = True
        if self.at == full - up and self._closing_may():
            may[t.CLOSE if self.repeat and self.part != 3 else t.DOUBLE] = True

    def _pickup_may(self) -> bool:
        """Whether a bar line may end a pickup here."""
        if self.at % 6 or self.at * 2 > self.full:
            return False
        wanted = self._wanted_pickup()
        return wanted == self.at if wanted >= 0 else True

    def _ending_may(self) -> bool:
        """Whether the body may stop before its endings: at least one full bar is left for the first ending."""
        done = self.count + 1
        return not self.form.bars and done >= max(1, self.form.least - 1) and done + 1 <= self._most()

    def _closing_may(self) -> bool:
        if self.part == 3:
            return self.opened >= self.first_bars - 1
        done = self.count + 1
        return done == self.form.bars if self.form.bars else done >= self.form.least

    # reading

    def read(self, symbol: int) -> None:
        """Go on by a symbol. Nothing is checked: `allowed` says what may come."""
        self.steps += 1
        self._follow(symbol)
        if t.is_metre(symbol):
            self.metre = symbol - t.METRE0
            self.full = metre_ticks(METRES[self.metre])
        elif t.is_mode(symbol):
            self.mode = symbol - t.MODE0
        elif symbol in (t.REPEAT, t.ONCE):
            self._open(symbol)
        elif symbol == t.SECOND:
            self.part, self.opened, self.at = 3, 0, 0
            self.known.append({})
        elif t.is_length(symbol):
            self.known[-1][self.at, False] = symbol
            self.held, self.fresh = t.LENGTHS[symbol - t.LENGTH0], True
        elif t.is_pitch(symbol):
            self.known[-1][self.at, self.fresh] = symbol
            self.at, self.fresh, self.tied = self.at + self.held, False, 0
        elif symbol == t.TIE:
            self.tied = self.last
        elif symbol == t.END:
            self.ended = True
        elif symbol != t.START:
            self._line(symbol)
        self.last = symbol

    def _open(self, symbol: int) -> None:
        self.part, self.repeat, self.sections = 1, symbol == t.REPEAT, self.sections + 1
        self.up, self.count, self.opened, self.first_bars, self.at, self.held = -1, 0, 0, 0, 0, 0
        self.starts.append(len(self.known))
        self.known.append({})

    def _line(self, symbol: int) -> None:
        """A bar is over."""
        if self.part == 1 and self.opened == 0:
            self.up = self.at if self.at < self.full else 0
            self.up0 = self.up if self.up0 < 0 else self.up0
            if self.up:
                self.starts[-1] = len(self.known)
        self.count += 0 if self.part == 1 and self.opened == 0 and self.up else 1
        self.opened += 1
        self.at, self.held, self.fresh = 0, 0, False
        if symbol == t.FIRST:
            self.part, self.opened = 2, 0
        elif symbol in (t.CLOSE, t.DOUBLE):
            self.first_bars = self.opened if self.part == 2 else 0
            self.part = 0
            return
        self.known.append({})

    def _follow(self, symbol: int) -> None:
        """The script's next place."""
        if self.item >= len(self.script):
            return
        if self.inside == 0:
            self.written.append([])
        self.written[-1].append(symbol)
        self.inside += 1
        item = self.script[self.item]
        if item.symbols or item.like >= 0:
            done = self.inside == len(item.symbols or self.written[item.like])
        else:
            done = t.is_pitch(symbol) and self.at + self.held == item.ticks
        if done:
            self.item, self.inside = self.item + 1, 0

    # what the network is told

    def features(self) -> list[int]:
        """Classes and symbols of `rondo.models.conditions` for the step that chooses the next symbol."""
        place = min(PLACES - 1, (self.at // 3 + 1) if self.part else 0)
        part = self.part * (MOST_SECTIONS + 2) + min(self.sections, MOST_SECTIONS + 1)
        item = self.script[self.item] if self.item < len(self.script) else None
        togo, anchor = (item.togo, item.anchor) if item else (0, 0)
        if not item and self.forms and self.form.bars and self.part in (1, 2):
            togo = max(1, self.form.bars - self.count)
        classes = [place, min(self.count, BARS - 1), self.metre + 1, self.mode + 1, part, min(togo, TO_GO - 1), anchor]
        return [*classes, *self._before()]

    def _before(self) -> list[int]:
        """What stood at this place 1, 2, 4 and 8 bars before, and in the same bar of the section before."""
        if not self.part:
            return [0] * len(GROUPS)
        here, place = len(self.known) - 1, (self.at, self.fresh)
        found = [self.known[here - n].get(place, 0) if here >= n else 0 for n in LOOKBACK]
        other = 0
        if self.sections > 1:
            pickup = self.part == 1 and self.opened == 0 and self.up0 > 0
            k = self.starts[-2] - 1 if pickup else self.starts[-2] + self.count
            other = self.known[k].get(place, 0) if 0 <= k < self.starts[-1] else 0
        return [*found, other]


def features(symbols: Sequence[int], script: tuple[Item, ...] = ()) -> Ints:
    """What the network is told along a tune: [len(symbols), n], row k for the choice of what follows symbol k."""
    machine, rows = Machine(script=script), []
    for symbol in symbols:
        machine.read(symbol)
        rows.append(machine.features())
    return np.array(rows, dtype=np.int64)


def parses(symbols: Sequence[int], form: Form | None = None) -> bool:
    """Whether the symbols are a whole tune."""
    machine = Machine(form or Form(uniform=False, least=1, most=MOST_BARS, most_sections=MOST_SECTIONS))
    for symbol in symbols:
        if machine.ended or not machine.allowed()[symbol]:
            return False
        machine.read(symbol)
    return machine.ended


def check_form(form: Form) -> None:
    """Raises MusicError for a form that no tune has."""
    if not 0 <= form.bars <= MOST_BARS - 1 or not 0 <= form.sections <= MOST_SECTIONS:
        raise MusicError(
            f"小节数至多 {MOST_BARS - 1}，段数至多 {MOST_SECTIONS} / at most {MOST_BARS - 1} bars a section and "
            f"{MOST_SECTIONS} sections"
        )
    if form.metre and form.metre not in METRES:
        raise MusicError(f"不支持的拍号：{form.metre!r} / the metre {form.metre!r} is not among {', '.join(METRES)}")
