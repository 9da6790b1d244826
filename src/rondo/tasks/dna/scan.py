"""Promoters along a sequence: windows as long as those of the training, one every HOP bases, on both strands.

Of windows that overlap and are likely enough, the likeliest one counts. A window of a whole genome is hardly ever a
promoter, whereas a fifth to a third of the training's were: along genomes most of what is found at 0.5 is none.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from rondo.tasks.dna.config import TASKS
from rondo.tasks.dna.data import SPANS
from rondo.tasks.dna.letters import Floats, bases
from rondo.tasks.dna.promoter import PromoterModel, either
from rondo.tasks.dna.request import Promoter

STRANDS: tuple[Literal["+"], Literal["-"]] = ("+", "-")
HOP = 10  # bases from one window to the next
ROWS = 256  # windows that are read at once


def windows(model: PromoterModel, x: Floats, span: int, starts: Sequence[int]) -> Tensor:
    """p [2, N, tasks] along either strand of the windows of `span` bases that begin at `starts`."""
    parts = [starts[k : k + ROWS] for k in range(0, len(starts), ROWS)]
    read = (model.predict(torch.from_numpy(np.stack([x[s : s + span] for s in own]))) for own in parts)
    return torch.cat(list(read), 1) if parts else torch.zeros(2, 0, len(TASKS))


def likeliest(model: PromoterModel, x: Floats) -> list[Promoter]:
    """For each kind of promoter its likeliest window; none where the sequence is shorter than a window."""
    found = []
    for span in sorted(set(SPANS)):
        if len(x) < span:
            continue
        starts = sorted({*range(0, len(x) - span + 1, HOP), len(x) - span})
        strands = windows(model, x, span, starts)
        p, along = either(strands), strands.argmax(0)
        for k, task in enumerate(TASKS):
            if SPANS[k] == span:
                at = int(p[:, k].argmax())
                window = {"start": starts[at], "end": starts[at] + span, "strand": STRANDS[int(along[at, k])]}
                found.append(Promoter(task=task, p=float(p[at, k]), **window))
    return sorted(found, key=lambda one: TASKS.index(one.task))


@dataclass(frozen=True)
class _Run:
    """Windows that overlap: the likeliest one with its strand, and where the last of them ends."""

    start: int
    p: float
    along: int
    end: int


class Scan:
    """The lines of BED of a record's promoters as its bases come. `least`: how likely a window is, to be written."""

    def __init__(self, model: PromoterModel, name: str, least: float) -> None:
        self._model, self._name, self._least = model, name, least
        self._text, self._offset = "", 0  # bases that windows may still read; where they begin
        self._next = dict.fromkeys(set(SPANS), 0)  # the first base of the next window
        self._open: dict[int, _Run] = {}  # by task

    def feed(self, text: str, end: bool) -> list[str]:
        """The lines that these bases settle; `end`: none follow."""
        self._text += text
        x, lines = bases(self._text), []
        for span in sorted(self._next):
            starts = self._starts(span, end)
            strands = windows(self._model, x, span, [s - self._offset for s in starts])
            p, along = either(strands), strands.argmax(0)
            for k in (k for k, own in enumerate(SPANS) if own == span):
                for start, value, strand in zip(starts, p[:, k].tolist(), along[:, k].tolist(), strict=True):
                    lines += self._window(k, _Run(start, value, strand, start + span))
        keep = len(self._text) - min(len(self._text), max(SPANS) + HOP)
        self._text, self._offset = self._text[keep:], self._offset + keep
        if end:
            lines += [self._line(k, run) for k, run in sorted(self._open.items())]
        return lines

    def _starts(self, span: int, end: bool) -> list[int]:
        last = self._offset + len(self._text) - span
        starts = list(range(self._next[span], last + 1, HOP))
        self._next[span] += HOP * len(starts)
        if end and last >= 0 and last % HOP:
            starts.append(last)
        return starts

    def _window(self, k: int, new: _Run) -> list[str]:
        if new.p < self._least:
            return []
        run = self._open.get(k)
        if run is None or new.start >= run.end:
            self._open[k] = new
            return [] if run is None else [self._line(k, run)]
        self._open[k] = new if new.p > run.p else replace(run, end=new.end)
        return []

    def _line(self, k: int, run: _Run) -> str:
        end = run.start + SPANS[k]
        return f"{self._name}\t{run.start}\t{end}\tpromoter_{TASKS[k]}\t{round(1000 * run.p)}\t{STRANDS[run.along]}"
