"""Masks: which characters may come at each slot of poems that are written side by side, each to its own plan.

Every demand of a plan is a set of characters for a slot, but two that depend on what has been written: a line's tones
must stay one of its strings, and no character comes twice in a poem (but for doubles such as 悠悠). The look-ahead is
exact: strings are kept only if the required characters fit them, and every slot has thousands of characters left.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rondo.data.vocab import Characters
from rondo.tasks.poetry.plan import Plan
from rondo.verse.books import Book
from rondo.verse.forms import PING, ZE

Bools = NDArray[np.bool_]
BITS = {PING: 1, ZE: 2, "?": 3}
ANY = 3
# characters that the poems of tang-song-poems double at least 40 times at the first two places of a foot
DOUBLES = (
    "年纷日萧处悠时区漠青寂匆茫翩家堂渺冉夜一重岁迢行寥人扰亭阴袅依历往衮飘苍冥细朝事落隐凛草昏去点耿步森字霏杳深郁忽滔垂浩团片物离声骎两濛"
    "迟娟沉猎得疏皎漫叶淡兀明双泠村累小面纤炯层个叠咄看沈种脉欣飒星涓潇苒高栖淅故巍枝白飞凄熙绵喧峨瑟默树盈蔼拂轻微煌密腾曲溶渐亹的轧三灼短"
    "遥摇黯碌粲鳞了炎肃稍频浅赫泛英棱万湛滟薄萋融洋簇濯句采惨恰营冬世斑望莽茸役滴荧潺远翻澹岩红丝栩翛楚皇款念滚休切唧汩拍习徐急奕飕济潭颗葱"
    "戢六霭田"
)


class Alphabet:
    """What books say of each symbol of a vocabulary: tones [V] as bits (1 平, 2 仄; 0 for a symbol that may not be
    written), from the book `sounds`, and of each reading of the rhyme book which symbols have it."""

    def __init__(self, vocab: Characters, book: Book, sounds: Book, banned: Sequence[int]) -> None:
        self.book, self.size = book, len(vocab)
        self.tones = np.array([sum(BITS[t] for t in sounds.tones(c)) for c in vocab.symbols])
        self.tones[list(banned)] = 0
        self.doubled = np.zeros(self.size, np.bool_)
        self.doubled[vocab.encode(DOUBLES)] = True
        self._readings: dict[tuple[str, int], Bools] = {}
        self._vocab = vocab

    def having(self, tone: str, group: int) -> Bools:
        """The symbols [V] with this reading."""
        if (tone, group) not in self._readings:
            found = np.zeros(self.size, np.bool_)
            numbers = self._vocab.encode("".join(self.book.chars(group, tone)))
            found[numbers[numbers > 0]] = True
            self._readings[tone, group] = found & (self.tones > 0)
        return self._readings[tone, group]


class SlotMask:
    """The mask of N poems of one shape for `rondo.search`: prefixes [A, t], rows [A] -> allowed [A, V].

    plans     one for each row
    required  [N, T] symbols that must stand there; -1 where the slot is free, 0 for a character that the vocabulary
              does not have (it is written as the unknown symbol, and put back afterwards)
    """

    def __init__(self, alphabet: Alphabet, plans: Sequence[Plan], required: NDArray[np.int64]) -> None:
        lines, self.length = len(plans[0].lines), required.shape[1] // len(plans[0].lines)
        self.alphabet, self.required = alphabet, required
        self._plans = plans
        most = max([1, *(len(s) for p in plans for s in p.lines if s)])
        # bits of each line's strings; 0 fills up, 3 allows both tones
        self.strings = np.zeros((len(plans), lines, most, self.length), np.int64)
        for n, plan in enumerate(plans):
            for i, strings in enumerate(plan.lines):
                if strings is None:
                    self.strings[n, i, 0] = ANY
                for k, s in enumerate(sorted(strings or ())):
                    self.strings[n, i, k] = [BITS[c] for c in s]

    def __call__(self, prefixes: Tensor, rows: Tensor) -> Tensor:
        step, chosen, n = prefixes.shape[1], prefixes.numpy(), rows.numpy()
        line, place = divmod(step, self.length)
        allowed = self._tones(chosen, n, line, place) & self._fresh(chosen, n)
        if place == self.length - 1:
            allowed &= np.stack([self._end(self._plans[k], line) for k in n])
        given = self.required[n, step]
        fixed = given >= 0
        allowed[fixed] = False
        allowed[fixed, given[fixed]] = True
        return torch.from_numpy(allowed)

    def _tones(self, chosen: NDArray[np.int64], n: NDArray[np.int64], line: int, place: int) -> Bools:
        """Symbols whose tone keeps one of the line's strings possible."""
        strings, tones = self.strings[n, line], self.alphabet.tones
        alive = strings[:, :, 0] > 0
        for p in range(place):
            written = chosen[:, line * self.length + p]
            # what is required stands whatever its tone
            free = self.required[n, line * self.length + p] < 0
            bits = np.where(free, tones[written], ANY)
            alive &= (strings[:, :, p] & bits[:, None]) > 0
        wanted = np.bitwise_or.reduce(np.where(alive, strings[:, :, place], 0), axis=1)
        found: Bools = (tones[None, :] & wanted[:, None]) > 0
        return found

    def _fresh(self, chosen: NDArray[np.int64], n: NDArray[np.int64]) -> Bools:
        """No symbol that was written, but the last one at the second place of a rhythm foot; none that is required."""
        fresh = np.ones((len(n), self.alphabet.size), np.bool_)
        np.put_along_axis(fresh, chosen, False, 1)
        required = np.maximum(self.required[n], 0)
        np.put_along_axis(fresh, required, False, 1)
        if chosen.shape[1] % self.length in (1, 3, 5) and chosen.shape[1] % self.length != self.length - 1:
            last = chosen[:, -1]
            twice = (chosen == last[:, None]).sum(1) == 1
            free = self.required[n, chosen.shape[1] - 1] < 0
            fresh[np.arange(len(n)), last] = twice & free & self.alphabet.doubled[last]
        return fresh

    def _end(self, plan: Plan, line: int) -> Bools:
        """Symbols that may end this line: those of its rhyme, or those outside every rhyme of the poem."""
        reading = plan.rhymes[line]
        if reading is not None:
            return self.alphabet.having(*reading)
        found = np.ones(self.alphabet.size, np.bool_)
        for other in {r for r in plan.rhymes if r is not None}:
            found &= ~self.alphabet.having(*other)
        return found
