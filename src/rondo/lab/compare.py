"""GRU against LSTM against Elman, as the lecture has it: what is measured, as plain data (`Result`).

The result that comes with Rondo is bundled/compare.json, which `rondo compare` writes. A reader's own cell is joined to
it (`joined`), trained at a share of its budgets. `rondo.lab.verdicts` reads a result as a table and judges the
lecture's sentences by it.
"""

from __future__ import annotations

import dataclasses
import datetime
import functools
import hashlib
import math
import os
import platform
import statistics
from collections.abc import Generator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, get_args

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import rondo
from rondo import bundled
from rondo import cells as shipped_cells
from rondo.cell import Cell
from rondo.data.registry import find
from rondo.data.text import read_text
from rondo.probes import agreement, compare
from rondo.probes.compare import Point, Task, Trial
from rondo.probes.run import Settings, units
from rondo.render.text import to_json

SHIPPED = bundled.FOLDER / "compare.json"
DATA_SET = "lm-tinyshakespeare"
CELLS = ("elman", "gru-cho", "lstm")
TITLES = {"elman": "Elman", "gru-cho": "GRU", "gru": "GRU (reset after)", "lstm": "LSTM"}
BESIDE = "lstm"  # whose pace tells how fast another machine is
Sizes = Literal["parameters", "units"]
Mode = Literal["training", "inference"]


class CompareError(ValueError):
    """A comparison that cannot be made or read; the message says what to do."""


class Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TextFacts(Plain):
    """The text that bits per character are of."""

    name: str
    characters: int
    held: int = Field(description="characters that are measured")
    symbols: int
    sha256: str = Field(description="of the training text in UTF-8")


class TrialFacts(Plain):
    """One training; a point is (step, processor seconds, value); no value: no finite number."""

    cell: str
    seed: int
    lr: float
    hidden: int
    parameters: int
    curve: list[tuple[int, float, float | None]]
    stopped: str = ""

    def at(self, kind: Literal["steps", "time"], limit: float) -> tuple[int, float, float | None]:
        """The first point that reaches so many steps or seconds; of a training that ended before, its last."""
        near = limit * (1 - 1e-9)
        return next((p for p in self.curve if (p[0] if kind == "steps" else p[1]) >= near), self.curve[-1])


class TaskFacts(Plain):
    """A task, its budgets, and every training on it."""

    name: str
    measure: str
    higher: bool
    line: float = Field(description="what can be reached without memory")
    goal: float = Field(description="from here on it counts as solved; characters: the 5-gram model's bits")
    steps: int
    seconds: float = Field(description="of equal time, processor seconds")
    pace: dict[str, float] = Field(description="processor seconds of a step, by cell")
    trials: list[TrialFacts]


class SpeedFacts(Plain):
    """Nanoseconds a step of the layer alone, a measurement a seed."""

    cell: str
    sizes: Sizes
    mode: Mode
    units: int
    values: list[float]


class CellFacts(Plain):
    """A cell, and what its equations alone say."""

    title: str
    cell: dict[str, Any] = Field(description="its equations, as `rondo show --json` prints them")
    gates: int
    states: int
    products: int
    levels: int
    parameters: int = Field(description="of a layer of 64 units that reads 64 numbers")


class Result(Plain):
    """Everything that was measured, and how."""

    format: Literal[1] = 1
    command: str
    made: str
    versions: dict[str, str]
    machine: str
    seconds: float = Field(description="processor seconds of all of it")
    settings: dict[str, Any]
    text: TextFacts | None
    cells: dict[str, CellFacts]
    tasks: list[TaskFacts]
    speeds: list[SpeedFacts]

    def task(self, name: str) -> TaskFacts | None:
        return next((t for t in self.tasks if t.name == name), None)


# --- measuring -------------------------------------------------------------------------------------


class Text(Plain):
    """A text to train on and one to validate with; none: a part of the first is held out."""

    name: str
    train: str
    valid: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.train.encode()).hexdigest()

    @property
    def validation(self) -> list[str]:
        return [self.valid] if self.valid else []


def shipped_text(folder: Path | None = None) -> Text:
    """Tiny Shakespeare from a folder of data sets. Raises DataSetError, which says how to get it."""
    own = find(DATA_SET, folder)
    return Text(name=DATA_SET, train=read_text(own / "train.txt.gz"), valid=read_text(own / "valid.txt.gz"))


Event = tuple[str, Point | Trial | None]


def measured(
    cells: Mapping[str, Cell], tasks: Sequence[Task], text: Text | None, settings: Settings, command: str
) -> Generator[Event, None, Result]:
    """Everything: what is being done and its points, and at the end the result."""
    begun, found = _clock(), []
    speeds_found = yield from _speeds(cells, tasks[0], settings)
    for task in tasks:
        yield task.name, None
        pace = compare.pace(cells, task, settings)
        seconds, trials = round(task.steps * max(pace.values()), 3), []
        for event in compare.run(cells, task, seconds, settings):
            if isinstance(event, Trial):
                trials.append(event)
            yield task.name, event
        found.append(task_facts(task, seconds, pace, trials))
    return Result(
        command=command,
        made=datetime.datetime.now(datetime.UTC).date().isoformat(),
        versions={"rondo": rondo.__version__, "torch": torch.__version__, "python": platform.python_version()},
        machine=_machine(),
        seconds=round(_clock() - begun, 1),
        settings=_settings(settings),
        text=_text_facts(text, tasks) if text else None,
        cells={name: cell_facts(name, cell) for name, cell in cells.items()},
        tasks=found,
        speeds=speeds_found,
    )


def _clock() -> float:
    times = os.times()
    return times.user + times.system


def _machine() -> str:
    cores, load = os.cpu_count(), os.getloadavg()[1]
    return f"one thread on one of {cores} cores, {platform.machine()}, load average {load:.1f}"


def _settings(settings: Settings) -> dict[str, Any]:
    kept = {name: getattr(settings, name) for name in ("parameters", "seeds", "batch", "clip")}
    return {**kept, "rates": list(settings.lr), "optimiser": "adam, constant rate", "average": compare.EMA}


def _text_facts(text: Text, tasks: Sequence[Task]) -> TextFacts:
    probe = next(t.probe for t in tasks if t.name == "characters")
    return TextFacts(
        name=text.name,
        characters=len(text.train),
        held=probe.valid.at,
        symbols=probe.inputs,
        sha256=text.sha256,
    )


def _speeds(cells: Mapping[str, Cell], task: Task, settings: Settings) -> Generator[Event, None, list[SpeedFacts]]:
    """At equal parameters, in the sizes of a task's networks, and at equal units."""
    found: dict[tuple[str, Sizes, Mode], list[float]] = {}
    sizes: dict[Sizes, dict[str, int]] = {
        "parameters": {name: units(cell, task.probe, settings.parameters) for name, cell in cells.items()},
        "units": dict.fromkeys(cells, compare.UNITS),
    }
    for seed in range(1, settings.seeds + 1):
        for kind, own in sizes.items():
            yield "speed", None
            for t in compare.speeds(cells, own, task.probe.inputs, seed):
                mode: Mode = "training" if t.mode == "training" else "inference"
                found.setdefault((t.name, kind, mode), []).append(round(t.step, 2))
    return [
        SpeedFacts(cell=name, sizes=kind, mode=mode, units=sizes[kind][name], values=values)
        for (name, kind, mode), values in found.items()
    ]


def cell_facts(name: str, cell: Cell) -> CellFacts:
    """A cell as it stands in a result."""
    counted = compare.structure(cell)
    kept = {k: v for k, v in to_json(cell.graph, cell.sizes).items() if k in ("equations", "sizes", "shapes", "init")}
    return CellFacts(title=TITLES.get(name, name), cell=kept, **vars(counted))


def task_facts(task: Task, seconds: float, pace: Mapping[str, float], trials: Sequence[Trial]) -> TaskFacts:
    """A task as it stands in a result."""
    probe = task.probe
    return TaskFacts(
        name=task.name,
        measure=probe.measure.name,
        higher=probe.measure.higher,
        line=probe.valid.line,
        goal=probe.measure.goal,
        steps=task.steps,
        seconds=seconds,
        pace=dict(pace),
        trials=[trial_facts(t) for t in trials],
    )


def trial_facts(trial: Trial, clock: float = 1.0) -> TrialFacts:
    """A trial as it stands in a result; `clock`: seconds here for a second there."""
    # up, so that a point which reaches a budget still does
    curve = [(step, math.ceil(1000 * cpu / clock) / 1000, _number(value)) for step, cpu, value in trial.curve]
    kept = {k: getattr(trial, k) for k in ("cell", "seed", "lr", "hidden", "parameters", "stopped")}
    return TrialFacts(curve=curve, **kept)


def _number(value: float) -> float | None:
    return float(f"{value:.6g}") if math.isfinite(value) else None


def load(path: Path = SHIPPED) -> Result:
    """A result from a file. Raises CompareError."""
    try:
        return Result.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CompareError(f"{path} 打不开：{error.strerror} / {path} cannot be read: {error.strerror}") from None
    except ValidationError:
        raise CompareError(f"{path} 不是 rondo compare 写的 / {path} is no result of rondo compare") from None


@functools.cache
def shipped() -> Result:
    """The result that comes with Rondo. Raises CompareError."""
    return load()


# --- a cell of one's own ---------------------------------------------------------------------------

OWN = "own"


def text_of(result: Result, folder: Path | None = None) -> Text | None:
    """The text of a result, where it is at hand and the very same."""
    try:
        text = shipped_text(folder) if result.text and result.text.name == DATA_SET else None
    except ValueError:
        return None
    return text if text and result.text and text.sha256 == result.text.sha256 else None


def joined(
    cell: Cell, result: Result, text: Text | None, share: float = 1.0, seeds: int = 1
) -> Generator[Event, None, Result]:
    """A result with one more cell, `OWN`, trained as the others were, at a share of their budgets.

    Another machine has another clock: LSTM's pace here and there says how long a second of the result is here. Without
    the text of the result its task is left out.
    """
    known = result.settings
    settings = Settings(
        parameters=known["parameters"], seeds=seeds, batch=known["batch"], lr=tuple(known["rates"]), clip=known["clip"]
    )
    compare.check_share(share)
    probes = {t.name: t.probe for t in compare.tasks([text.train] if text else [], text.validation if text else [])}
    added = []
    for old in result.tasks:
        if old.name in probes:
            yield old.name, None
            task = Task(probes[old.name], max(compare.POINTS, round(share * old.steps)))
            trials = yield from _joining(cell, old, task, share, settings)
            added.append(old.model_copy(update={"trials": [*old.trials, *trials]}))
        else:
            added.append(old)
    yield "speed", None
    speeds_found = _joining_speeds(cell, result, settings)
    cells = {**result.cells, OWN: cell_facts(OWN, cell)}
    return result.model_copy(update={"cells": cells, "tasks": added, "speeds": [*result.speeds, *speeds_found]})


def _joining(
    cell: Cell, old: TaskFacts, task: Task, share: float, settings: Settings
) -> Generator[Event, None, list[TrialFacts]]:
    here = compare.pace({BESIDE: shipped_cells.find(BESIDE)}, task, settings)[BESIDE]
    clock, found = here / old.pace[BESIDE], []
    for event in compare.run({OWN: cell}, task, share * old.seconds * clock, settings):
        if isinstance(event, Trial):
            found.append(trial_facts(event, clock))
        yield task.name, dataclasses.replace(event, cpu=event.cpu / clock) if isinstance(event, Point) else event
    return found


def _joining_speeds(cell: Cell, result: Result, settings: Settings) -> list[SpeedFacts]:
    """As many times LSTM's nanoseconds as it takes here."""
    compared, found = {OWN: cell, BESIDE: shipped_cells.find(BESIDE)}, []
    symbols = result.text.symbols if result.text else compare.UNITS
    for kind in get_args(Sizes):
        old = {s.mode: s for s in result.speeds if (s.cell, s.sizes) == (BESIDE, kind)}
        if not old:
            continue
        sizes = dict.fromkeys(compared, compare.UNITS)
        if kind == "parameters":
            sizes = {OWN: _text_units(cell, symbols, settings.parameters), BESIDE: old["training"].units}
        times = {(t.name, t.mode): t.step for t in compare.speeds(compared, sizes, symbols, 1)}
        for mode, shipped_one in old.items():
            ratio = times[OWN, mode] / times[BESIDE, mode]
            value = round(ratio * statistics.median(shipped_one.values), 2)
            found.append(SpeedFacts(cell=OWN, sizes=kind, mode=mode, units=sizes[OWN], values=[value]))
    return found


def _text_units(cell: Cell, symbols: int, parameters: int) -> int:
    """The units of a network that reads and gives so many symbols."""
    return units(cell, dataclasses.replace(agreement.probe(), inputs=symbols, outputs=symbols), parameters)
