"""Where a recording is loud: it turns the steps at which words were recognised into the times at which they were said.

A network that reads forward names a word near its end. Where words are said apart, the word's time is the loud stretch
that ends there. A frame is loud where its energy is 8 dB above the quiet of the last seconds and not 28 dB below
their loudest; pauses of up to 50 ms within a stretch are bridged.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

import torch
from torch import Tensor

ABOVE, BELOW, DRIFT = 8.0, 28.0, 0.04  # dB; DRIFT a frame
BRIDGE = 5  # frames
STOP = 10  # frames of silence within a word, as in six and eight
KEPT = 600  # frames that a stream keeps before a word that is not settled: longer words there are not
SILENCE = -90.0  # dB: nothing below is a sound


class Activity:
    """Loud stretches [start, end) of frames, as frames come; memory for the last `kept` frames."""

    def __init__(self, kept: int = KEPT) -> None:
        self.at, self._kept = 0, kept  # frames read
        self._floor, self._peak = 1e9, -1e9
        self.stretches: deque[tuple[int, int]] = deque()

    def __call__(self, energies: Tensor) -> None:
        """Read energies [t, bands]."""
        for level in (10 * torch.log10(energies.sum(1) + 1e-12)).tolist():
            self._floor = min(level, self._floor + DRIFT)
            self._peak = max(level, self._peak - DRIFT)
            if level > max(self._floor + ABOVE, self._peak - BELOW, SILENCE):
                self._loud()
            self.at += 1
        while self.stretches and self.stretches[0][1] < self.at - self._kept:
            self.stretches.popleft()

    def _loud(self) -> None:
        if self.stretches and self.at - self.stretches[-1][1] <= BRIDGE:
            self.stretches[-1] = (self.stretches[-1][0], self.at + 1)
        else:
            self.stretches.append((self.at, self.at + 1))

    def quiet(self, since: int) -> int:
        """How many frames it has been quiet after frame `since`."""
        last = self.stretches[-1][1] if self.stretches else 0
        return self.at - max(last, since)

    def extent(self, first: int, last: int, after: int, before: int | None) -> tuple[int, int]:
        """The frames of a word that was named at frames [first, last): after the end of the word before it, and not
        beyond the naming of the next one."""
        own = [(max(a, after), b) for a, b in self.stretches if b > after and a < last]
        if not own:
            return max(after, min(first, last - 1)), last
        start, end = own[-1]
        for earlier in reversed(own[:-1]):  # a stop within the word
            if start - earlier[1] > STOP:
                break
            start = earlier[0]
        if before is not None and end > before:  # said without a pause
            end = max(last, min(end, before - (before - last) // 2))
        return start, max(end, start + 1)


def spread(times: Iterable[tuple[float, float]], seconds: float) -> list[tuple[float, float]]:
    """Times in order and within the recording, each at least a hundredth long."""
    found, at = [], 0.0
    for start, end in times:
        start = min(max(start, at), seconds)
        end = min(max(end, start + 0.01), seconds)
        found.append((round(start, 3), round(end, 3)))
        at = end
    return found
