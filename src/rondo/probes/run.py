"""Cells on a probe: at equal parameters and an equal budget, several seeds each, as a generator of what happens."""

from __future__ import annotations

import functools
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from rondo.cell import Cell
from rondo.data.batch import Batch
from rondo.models.classifier import Classifier
from rondo.models.tagger import Tagger
from rondo.probes.probe import Look, Probe, ProbeError
from rondo.train.config import Config
from rondo.train.fit import Record, TrainingError, fit

LARGEST = 1 << 14  # units
VALIDATIONS = 20  # in a training
ROWS = 256  # sequences of validation and of each test
VALID, TESTED = 1 << 40, 1 << 41  # their seeds; a training's are far below
Model = Tagger | Classifier


@dataclass(frozen=True)
class Settings:
    """What every cell gets alike."""

    parameters: int = 20_000  # each cell has as many units as bring it nearest to this
    hidden: int = 0  # units of every cell instead, whatever parameters that takes; 0: by parameters
    steps: int = 2000  # of a training ...
    budget: float = 0.0  # ... or, where this is not 0, seconds
    seeds: int = 3  # trainings that are compared
    batch: int = 32  # sequences a step
    lr: tuple[float, ...] = (0.003, 0.01)  # learning rates: the first seed tries all, its best in validation is kept
    clip: float = 1.0  # largest norm of the gradient; 0: no clipping

    def __post_init__(self) -> None:
        for name in ("parameters", "steps", "seeds", "batch"):
            if getattr(self, name) < 1:
                raise ProbeError(f"{name} must be at least 1, found {getattr(self, name)}")
        for name in ("hidden", "budget", "clip"):
            if getattr(self, name) < 0:
                raise ProbeError(f"{name} must not be negative, found {getattr(self, name)}")
        if not self.lr or min(self.lr) <= 0:
            raise ProbeError("lr must be one positive number or several")

    def config(self, lr: float, seed: int) -> Config:
        """Adam with a cosine, for one training."""
        return Config(
            optimiser="adam",
            weight_decay=0.0,
            lr=lr,
            seed=seed,
            steps=self.steps,
            minutes=self.budget / 60,
            batch=self.batch,
            clip=self.clip,
        )


@dataclass(frozen=True)
class Step:
    """One step of one training; `value` is the measure in validation, where it has just been taken."""

    cell: str
    seed: int
    record: Record
    value: float | None = None


@dataclass(frozen=True)
class Trial:
    """One training of one cell."""

    cell: str
    seed: int
    hidden: int
    parameters: int
    lr: float
    steps: int  # done
    seconds: float  # of training alone
    curve: tuple[tuple[int, float], ...]  # (step, measure in validation)
    solved: int | None  # the first step in validation that reached the measure's goal
    stopped: str  # why training ended early; empty where it did not
    scores: tuple[float, ...]  # the measure on each test
    looks: tuple[Look, ...]  # what the trained network makes of the probe's sentences

    @property
    def value(self) -> float:
        """The measure in validation after training."""
        return self.curve[-1][1]


@dataclass(frozen=True)
class Entry:
    """A cell as it takes part: by what name, with how many units, at what."""

    name: str
    cell: Cell
    hidden: int
    probe: Probe
    settings: Settings
    held: Sequence[Batch]  # validation, then each test


def run(cells: Mapping[str, Cell], probe: Probe, settings: Settings) -> Iterator[Step | Trial]:
    """Every step of every training, and after each training its trial.

    The first seed of a cell tries every learning rate; that of the best value in validation is kept and serves the
    other seeds. Tests play no part in the choice. Raises ProbeError for a cell that the probe cannot feed.
    """
    held = held_out(probe)
    for name, cell in cells.items():
        hidden = settings.hidden or units(cell, probe, settings.parameters)
        entry = Entry(name, cell, hidden, probe, settings, held)
        tried = []
        for lr in settings.lr:
            trial = yield from train(entry, lr, seed=1)
            tried.append(trial)
        first = min(tried, key=lambda t: _badness(t, probe))
        yield first
        for seed in range(2, settings.seeds + 1):
            yield (yield from train(entry, first.lr, seed))


def side_by_side(cells: Mapping[str, Cell], probe: Probe, settings: Settings) -> Iterator[Step | Trial]:
    """The same trainings in turns, from one validation to the next, so that all curves grow together: each cell with
    each seed at the first learning rate. What each comes to is what `run` with that rate gives, to the last bit."""
    held = _Drawn(probe)
    turns: list[Generator[Step, None, Trial]] = []
    for seed in range(1, settings.seeds + 1):
        for name, cell in cells.items():
            hidden = settings.hidden or units(cell, probe, settings.parameters)
            turns.append(train(Entry(name, cell, hidden, probe, settings, held), settings.lr[0], seed))
    while turns:
        turn = turns.pop(0)
        trial = yield from _until_measured(turn)
        if trial is None:
            turns.append(turn)
        else:
            yield trial


def _until_measured(turn: Generator[Step, None, Trial]) -> Generator[Step, None, Trial | None]:
    """The steps of a training up to its next validation, or what it came to where there is none."""
    while True:
        try:
            step = next(turn)
        except StopIteration as end:
            trial: Trial = end.value
            return trial
        yield step
        if step.value is not None:
            return None


class _Drawn(Sequence[Batch]):
    """What `held_out` gives, each batch drawn when it is first asked for: tests, which may take long to draw, are not
    before the first training is over."""

    def __init__(self, probe: Probe) -> None:
        self._draws = [
            functools.cache(functools.partial(draw, seed, ROWS))
            for draw, seed in [(probe.valid.draw, VALID), *((t.draw, TESTED + k) for k, t in enumerate(probe.tests))]
        ]

    def __len__(self) -> int:
        return len(self._draws)

    def __getitem__(self, index: Any) -> Any:
        found = self._draws[index]
        return [draw() for draw in found] if isinstance(index, slice) else found()


def _badness(trial: Trial, probe: Probe) -> float:
    """Less is better; what is no number is worst."""
    worth = -trial.value if probe.measure.higher else trial.value
    return worth if worth == worth else float("inf")


def train(entry: Entry, lr: float, seed: int) -> Generator[Step, None, Trial]:
    """One training, from weights and batches that depend on the seed alone. A loss or a gradient that is not finite
    ends it: the weights before that step are measured."""
    torch.manual_seed(seed)
    probe, valid = entry.probe, entry.held[0]
    model = build(entry.cell, probe, entry.hidden)
    curve, record, stopped = list[tuple[int, float]](), None, ""
    try:
        for record in fit(model, batches(probe, entry.settings.batch, seed), entry.settings.config(lr, seed)):
            due = record.done >= min((len(curve) + 1) / VALIDATIONS, 1)
            if due:
                curve.append((record.step, measure(model, probe, valid)))
            yield Step(entry.name, seed, record, curve[-1][1] if due else None)
    except TrainingError as error:
        stopped = str(error)
    steps, seconds = (record.step, record.seconds) if record else (0, 0.0)
    if not curve or curve[-1][0] != steps:
        curve.append((steps, measure(model, probe, valid)))
    return Trial(
        cell=entry.name,
        seed=seed,
        hidden=entry.hidden,
        parameters=count(model),
        lr=lr,
        steps=steps,
        seconds=seconds,
        curve=tuple(curve),
        solved=next((step for step, value in curve if reached(probe, value)), None),
        stopped=stopped,
        scores=tuple(measure(model, probe, test) for test in entry.held[1:]),
        looks=probe.look(model) if probe.look else (),
    )


def held_out(probe: Probe) -> list[Batch]:
    """The batch that learning is followed on, and one for each test: the same for all trainings."""
    return list(_Drawn(probe))


def batches(probe: Probe, rows: int, seed: int) -> Iterator[Batch]:
    """Fresh data for ever; no two seeds below a million share a batch in their first million steps."""
    step = 0
    while True:
        yield probe.train(seed * 1_000_000 + step, rows)
        step += 1


def reached(probe: Probe, value: float) -> bool:
    """Does the value count as solved?"""
    return value >= probe.measure.goal if probe.measure.higher else value <= probe.measure.goal


@torch.no_grad()
def measure(model: Model, probe: Probe, batch: Batch) -> float:
    """The probe's measure on a batch."""
    model.eval()
    found = model(batch.x, batch.lengths)
    model.train()
    total, counted = probe.measure.score(found if isinstance(found, torch.Tensor) else found[0], batch.labels)
    return float(total) / max(counted, 1)


def build(cell: Cell, probe: Probe, hidden: int) -> Model:
    """A network of `hidden` units for the probe. Raises ProbeError where the cell does not fit."""
    if len(cell.graph.inputs) > 1:
        raise ProbeError(f"{cell.name} reads {', '.join(cell.graph.inputs)}: a probe feeds one input")
    try:
        if probe.last:
            return Classifier(cell, probe.inputs, probe.outputs, hidden, head="linear")
        return Tagger(cell, probe.inputs, probe.outputs, hidden)
    except ValueError as error:
        raise ProbeError(f"{cell.name} cannot be probed: {error}") from None


def count(model: Model) -> int:
    """Numbers that are learned, the output layer's included."""
    return sum(p.numel() for p in model.parameters())


def units(cell: Cell, probe: Probe, parameters: int) -> int:
    """The units that bring the whole network nearest to so many parameters."""

    def off(hidden: int) -> int:
        return count(build(cell, probe, hidden)) - parameters

    low, high = 1, 2
    while off(high) < 0:
        if high >= LARGEST:
            raise ProbeError(
                f"{cell.name} does not come to {parameters:,} parameters with {LARGEST:,} units: ask for fewer"
            )
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if off(middle) < 0 else (low, middle)
    # one unit further on both sides: a cell that needs input = hidden has no projection where they are equal
    return min(range(max(1, low - 1), high + 2), key=lambda h: abs(off(h)))
