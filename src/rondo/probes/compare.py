"""Compare: cells at equal parameters, equal steps and equal time, on a text and on two probes, several seeds each.

Every cell gets as many units as bring its whole network nearest to so many parameters, the same batches, optimiser and
learning rates to choose from. The rate is constant and what is measured is a running mean of the weights, so every
point of a curve is a finished training, and one training gives both figures:

    equal steps   after `steps` steps
    equal time    after so many processor seconds: what the slowest cell takes for its `steps` steps, by a short
                  measurement before

A task's cells train in turns, from one measurement to the next: whatever else the machine does, it does to all.
"""

from __future__ import annotations

import dataclasses
import statistics
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch

from rondo import speed
from rondo.cell import Cell
from rondo.data.batch import Batch
from rondo.expr.nodes import topological
from rondo.expr.plan import plan
from rondo.probes import adding, agreement, characters
from rondo.probes.probe import Probe, ProbeError
from rondo.probes.run import VALID, Settings, batches, build, count, measure, units
from rondo.rnn import RNN
from rondo.train.fit import TrainingError, averaged, fit, start

POINTS = 20  # of a curve by steps, and as many by time
ENDLESS = 1 << 30  # steps: a training ends by what it has reached
EMA = 0.995  # decay of the running mean of the weights
HELD = 1024  # sequences that are measured
TURNS, TIMED = 4, 20  # turns in which a cell's pace is taken, and steps of each
SPEED = speed.Shape(T=64, B=32, input=0, hidden=0)  # of the measurement of ns a step; the sizes are the networks'
REPEATS, SECONDS = 9, 0.03  # rounds of a measurement, and of a sample
SETTINGS = Settings(lr=(0.003, 0.01, 0.03))  # of which each cell takes its best
STEPS = {"characters": 4000, "adding": 3000, "agreement": 2500}


@dataclass(frozen=True)
class Task:
    """A probe, and the steps of every training on it."""

    probe: Probe
    steps: int

    @property
    def name(self) -> str:
        return self.probe.name

    def held(self) -> Batch:
        """What is measured: the same for all."""
        return self.probe.valid.draw(VALID, HELD)


@dataclass(frozen=True)
class Point:
    """The measure on held-out data after so many steps and processor seconds of one training."""

    task: str
    cell: str
    seed: int
    lr: float
    step: int
    cpu: float
    value: float


@dataclass(frozen=True)
class Trial:
    """One training of one cell: its points as (step, processor seconds, value)."""

    task: str
    cell: str
    seed: int
    lr: float
    hidden: int
    parameters: int
    curve: tuple[tuple[int, float, float], ...]
    stopped: str = ""  # why it ended early; empty where it did not

    def at_steps(self, steps: float) -> tuple[int, float, float]:
        """The first point with so many steps; of a training that ended before, its last."""
        return next((p for p in self.curve if p[0] >= steps), self.curve[-1])

    def at_time(self, seconds: float) -> tuple[int, float, float]:
        """The first point at or past so many processor seconds."""
        return next((p for p in self.curve if p[1] >= seconds), self.curve[-1])


@dataclass(frozen=True)
class Structure:
    """What a cell's equations alone say: gates (sigmoids), states, matrix products of a step, how many of these must
    wait for each other, and parameters at as many units and inputs (`UNITS`)."""

    gates: int
    states: int
    products: int
    levels: int
    parameters: int


UNITS = 64  # at which parameters are counted


def tasks(text: Sequence[str], valid: Sequence[str] = (), share: float = 1.0, length: int = 50) -> list[Task]:
    """A text's characters, adding over `length` steps, agreement, with a share of the shipped steps. Without a text the
    two probes. Raises ProbeError for a share that is none."""
    check_share(share)
    probes = [characters.probe(text, valid)] if text else []
    probes += [adding.probe(length), agreement.probe()]
    return [Task(p, max(POINTS, round(share * STEPS[p.name]))) for p in probes]


def check_share(share: float) -> None:
    """Raises ProbeError where a share is not above 0 and at most 1."""
    if not 0 < share <= 1:
        raise ProbeError(f"份额须大于 0，至多 1 / the share must be above 0 and at most 1, found {share}")


def structure(cell: Cell) -> Structure:
    """Counted on the equations."""
    ops = [node.op for node in topological(cell.graph.roots)]
    layer = RNN(cell, UNITS, UNITS, project=True)
    return Structure(
        gates=ops.count("sigmoid"),
        states=len(cell.graph.states),
        products=ops.count("matmul"),
        levels=plan(cell.graph).levels,
        parameters=sum(p.numel() for p in layer.parameters()),
    )


def run(
    cells: Mapping[str, Cell], task: Task, seconds: float, settings: Settings = SETTINGS
) -> Iterator[Point | Trial]:
    """A task's trainings up to its steps and to so many processor seconds: their points, and the trial of each seed.

    The first seed tries every learning rate, and the best after the task's steps serves the cell's other seeds; the
    trials of that rate are told, those of the others are left out. Raises ProbeError for a cell that the probe cannot
    feed.
    """
    hidden = {name: units(cell, task.probe, settings.parameters) for name, cell in cells.items()}
    held = task.held()

    def one(name: str, lr: float, seed: int) -> Generator[Point, None, Trial]:
        return training(name, cells[name], hidden[name], task, settings, lr, seed, seconds, held)

    tried = yield from in_turns([one(name, lr, 1) for name in cells for lr in settings.lr])
    best = {name: chosen([t for t in tried if t.cell == name], task) for name in cells}
    yield from best.values()
    for seed in range(2, settings.seeds + 1):
        yield from (yield from in_turns([one(name, best[name].lr, seed) for name in cells]))


def chosen(trials: Sequence[Trial], task: Task) -> Trial:
    """The trial that is best after the task's steps; what is no number is worst."""
    sign = -1 if task.probe.measure.higher else 1

    def badness(trial: Trial) -> float:
        value = sign * trial.at_steps(task.steps)[2]
        return value if value == value else float("inf")

    return min(trials, key=badness)


def in_turns(turns: list[Generator[Point, None, Trial]]) -> Generator[Point, None, list[Trial]]:
    """The points of several trainings, one of each in turn, and all trials in the order given."""
    found: dict[int, Trial] = {}
    waiting = list(enumerate(turns))
    while waiting:
        number, turn = waiting.pop(0)
        try:
            yield next(turn)
        except StopIteration as end:
            found[number] = end.value
        else:
            waiting.append((number, turn))
    return [found[k] for k in range(len(turns))]


def training(
    name: str,
    cell: Cell,
    hidden: int,
    task: Task,
    settings: Settings,
    lr: float,
    seed: int,
    seconds: float,
    held: Batch,
) -> Generator[Point, None, Trial]:
    """One training until it has both the task's steps and the seconds, measured at each twentieth of either. A loss or
    gradient that is not finite ends it: the weights before that step are measured."""
    torch.manual_seed(seed)
    probe = task.probe
    model = build(cell, probe, hidden)
    config = dataclasses.replace(settings.config(lr, seed), steps=ENDLESS, schedule="constant", ema=EMA)
    progress, curve, stopped = start(model, config), list[tuple[int, float, float]](), ""

    def measured(step: int, cpu: float) -> Point:
        with averaged(model, progress):
            curve.append((step, cpu, measure(model, probe, held)))
        return Point(task.name, name, seed, lr, *curve[-1])

    seen, record = (0, 0), None
    try:
        for record in fit(model, batches(probe, settings.batch, seed), config, progress):
            now = _due(record.step, task.steps), _due(record.cpu, seconds)
            if now != seen:
                seen = now
                yield measured(record.step, record.cpu)
            if now == (POINTS, POINTS):
                break
    except TrainingError as error:
        stopped = str(error)
        yield measured(record.step if record else 0, record.cpu if record else 0.0)
    return Trial(task.name, name, seed, lr, hidden, count(model), tuple(curve), stopped)


def _due(done: float, whole: float) -> int:
    """How many of the twentieths are reached."""
    return min(POINTS, int(POINTS * done / whole + 1e-9))


def pace(cells: Mapping[str, Cell], task: Task, settings: Settings = SETTINGS) -> dict[str, float]:
    """Processor seconds of a step of training, by cell: the median over runs of several steps, taken in turns."""
    running = {}
    for name, cell in cells.items():
        torch.manual_seed(0)
        model = build(cell, task.probe, units(cell, task.probe, settings.parameters))
        config = dataclasses.replace(settings.config(settings.lr[0], 1), steps=ENDLESS, ema=EMA)
        running[name] = fit(model, batches(task.probe, settings.batch, 1), config)
    taken: dict[str, list[float]] = {name: [] for name in cells}
    for _ in range(TURNS + 1):
        for name, steps in running.items():
            clocks = [next(steps).cpu for _ in range(TIMED)]
            taken[name].append((clocks[-1] - clocks[0]) / (TIMED - 1))
    return {name: statistics.median(values[1:]) for name, values in taken.items()}  # the first turn warms up


@dataclass(frozen=True)
class Speed:
    """Nanoseconds of processor time for a step of one sequence: the median of several rounds, in training (forward and
    backward) or inference."""

    name: str
    mode: str
    step: float


def speeds(
    cells: Mapping[str, Cell], sizes: Mapping[str, int], symbols: int, seed: int, repeats: int = REPEATS
) -> list[Speed]:
    """How long the layer alone takes, all in turn: at `sizes` units each, reading one-hot symbols as the text's
    networks do. By the processor's clock, so that what else the machine does counts little. Raises ProbeError where a
    cell reads more than one input."""
    torch.manual_seed(seed)
    x = torch.randint(symbols, (SPEED.B, SPEED.T))
    rivals = []
    for name, cell in cells.items():
        if len(cell.graph.inputs) > 1:
            raise ProbeError(f"{name} reads {', '.join(cell.graph.inputs)}: a probe feeds one input")
        layer = RNN(cell, symbols, sizes[name], project=True)
        grad = torch.randn(SPEED.B, SPEED.T, layer.output_size)
        rivals.append(speed.Contestant(name, layer, x, grad, SPEED.T * SPEED.B))
    calls = {(r.name, mode): getattr(r, mode) for r in rivals for mode in speed.MODES}
    counts = {}
    for key, call in calls.items():
        call()  # warms up
        begun = time.perf_counter()  # the processor's clock may stand still for as short a time as a call takes
        call()
        counts[key] = max(1, round(SECONDS / (time.perf_counter() - begun)))
    taken: dict[tuple[str, str], list[float]] = {key: [] for key in calls}
    for _ in range(repeats):
        for key, call in calls.items():
            taken[key].append(_cpu(call, counts[key]))
    return [Speed(*key, 1e9 * statistics.median(values) / (SPEED.T * SPEED.B)) for key, values in taken.items()]


def _cpu(call: Callable[[], None], count: int) -> float:
    """Processor seconds a call."""
    begun = time.process_time()
    for _ in range(count):
        call()
    return (time.process_time() - begun) / count
