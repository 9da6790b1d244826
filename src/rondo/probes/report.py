"""Report: what the trials of a probe show, as plain values: for a table, a chart, a file."""

from __future__ import annotations

import dataclasses
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rondo.probes.probe import Probe
from rondo.probes.run import Settings, Trial


@dataclass(frozen=True)
class Report:
    """A probe, what every cell got alike, and every training's trial."""

    probe: Probe
    settings: Settings
    trials: tuple[Trial, ...]

    def of(self, cell: str) -> list[Trial]:
        """A cell's trials, one a seed."""
        return [t for t in self.trials if t.cell == cell]

    @property
    def cells(self) -> list[str]:
        """In the order in which they were probed."""
        return list(dict.fromkeys(t.cell for t in self.trials))

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values; what is no finite number is null."""
        probe = self.probe
        found = {
            "task": probe.name,
            "measure": probe.measure.name,
            "higher": probe.measure.higher,
            "goal": probe.measure.goal,
            "line": probe.valid.line,
            "tests": [{"axis": t.axis, "at": t.at, "line": t.line, "seen": t.seen} for t in probe.tests],
            "settings": dataclasses.asdict(self.settings),
            "machine": {"torch": torch.__version__, "threads": torch.get_num_threads()},
            "trials": [dataclasses.asdict(t) for t in self.trials],
        }
        return dict(_finite(found))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Heads and rows: a column for each cell, the last one what can be reached without memory."""
        firsts = [self.of(cell)[0] for cell in self.cells]
        rows = [
            ["units", *(f"{t.hidden:,}" for t in firsts), ""],
            ["parameters", *(f"{t.parameters:,}" for t in firsts), ""],
            ["learning rate", *(f"{t.lr:g}" for t in firsts), ""],
            ["seconds", *(f"{statistics.fmean(t.seconds for t in self.of(c)):.0f}" for c in self.cells), ""],
            ["solved", *(_solved(self.of(c)) for c in self.cells), ""],
        ]
        for k, test in enumerate(self.probe.tests):
            name = f"{test.axis} {test.at}" + ("" if test.seen else ", new")
            values = (spread([t.scores[k] for t in self.of(c)]) for c in self.cells)
            rows.append([name, *values, spread([test.line])])
        return ["", *self.cells, "no memory"], rows

    def sentences(self) -> tuple[list[str], list[list[str]]]:
        """Heads and rows: the mean probability of both forms after each sentence, a column for each cell."""
        rows = []
        for k, look in enumerate(self.trials[0].looks):
            for form in look.chances:
                text = " ".join(look.words[1:]) + f" {form}" + (" (right)" if form == look.right else "")
                values = (spread([t.looks[k].chances[form] for t in self.of(c)]) for c in self.cells)
                rows.append([text, *values])
        return ["P(form | sentence)", *self.cells], rows


def _solved(trials: Sequence[Trial]) -> str:
    """How many seeds came to the goal, and after how many steps half of those had."""
    steps = [t.solved for t in trials if t.solved is not None]
    share = f"{len(steps)} of {len(trials)}"
    stopped = sum(bool(t.stopped) for t in trials)
    at = f", step {statistics.median(steps):,.0f}" if steps else ""
    return share + at + (f" ({stopped} stopped)" if stopped else "")


def spread(values: Sequence[float]) -> str:
    """The mean, and with several seeds their standard deviation, with equally many places."""
    if not all(map(math.isfinite, values)):
        return "not finite"
    mean = statistics.fmean(values)
    places = 3 if not 0 < abs(mean) < 0.01 else 5
    return f"{mean:.{places}f}" + (f" ± {statistics.stdev(values):.{places}f}" if len(values) > 1 else "")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _finite(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(v) for v in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
