"""The bench's long work, in a process of its own: speed beside others, curves on probes, a text's character model."""

from __future__ import annotations

import dataclasses
import os
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch

from rondo import cells, speed
from rondo.probes import run, tasks
from rondo.probes.probe import Probe
from rondo.render.load import cell_from_json
from rondo.studio import home
from rondo.train import paste
from rondo.train.config import TextConfig
from rondo.train.fit import Record, TrainingError
from rondo.train.language import load_language_model, measure
from rondo.train.loop import Validation
from rondo.train.run import Run

Records = Iterator[dict[str, Any]]
OWN = "own"  # the cell of the bench among the others
BESIDE = ("lstm", "gru")
OFTEN = 0.25  # seconds between two records of a training
REPEATS, SECONDS = 15, 0.02  # rounds of a measurement, and of a sample


def alone(nice: bool = True) -> None:
    """One thread: the networks are small, and more would wait for each other. Long work makes way for short."""
    torch.set_num_threads(1)
    if nice:
        os.nice(5)


def measured(cell: dict[str, Any], shape: dict[str, int], repeats: int = REPEATS, seconds: float = SECONDS) -> Records:
    """Compile, check, then the times after each round. `stage` says what a record is: built, checked, times."""
    alone(nice=False)
    own, asked = cell_from_json(cell), speed.Shape(**shape)
    yield {"stage": "building"}
    yield {"stage": "built", **dataclasses.asdict(speed.built(own)), "threads": 1, "repeats": repeats}
    found = speed.checked(own, asked)
    yield {"stage": "checked", "green": found.green, **dataclasses.asdict(found)}
    if not found.green:
        return
    rivals = speed.contestants(own, asked)
    parameters = {c.name: c.parameters for c in rivals}
    for n, times in enumerate(speed.rounds(rivals, repeats, seconds), 1):
        rows = [{**dataclasses.asdict(t), "parameters": parameters[t.name]} for t in times]
        yield {"stage": "times", "round": n, "rows": rows}


def probed(cell: dict[str, Any], task: str, sizes: dict[str, int], settings: dict[str, Any]) -> Records:
    """The cell beside LSTM and GRU on a probe, all in turns: a point of a curve a record, and each training's end."""
    alone()
    asked, given = tasks.make(task, **sizes), run.Settings(**{**settings, "lr": (settings["lr"],)})
    compared = {OWN: cell_from_json(cell), **{name: cells.find(name) for name in BESIDE}}
    yield _probe(asked, {name: given.hidden or run.units(c, asked, given.parameters) for name, c in compared.items()})
    for event in run.side_by_side(compared, asked, given):
        if isinstance(event, run.Trial):
            yield _trial(event)
        elif event.value is not None:
            point = {"cell": event.cell, "seed": event.seed, "step": event.record.step, "value": event.value}
            yield {"stage": "point", **point, "norm": event.record.norm}


def _probe(asked: Probe, units: dict[str, int]) -> dict[str, Any]:
    measure = asked.measure
    return {
        "stage": "begun", "measure": measure.name, "higher": measure.higher, "goal": measure.goal,
        "line": asked.valid.line, "units": units,
    }  # fmt: skip


def _trial(trial: run.Trial) -> dict[str, Any]:
    found = {
        name: getattr(trial, name) for name in ("cell", "seed", "parameters", "hidden", "steps", "seconds", "value")
    }
    return {"stage": "trial", **found, "solved": trial.solved, "scores": trial.scores, **_stopped(trial.stopped)}


def _stopped(why: str) -> dict[str, Any]:
    """Why a training ended early, in both languages; nothing where it did not."""
    found = re.match(r"step (\d+): (?:the (gradient of|weight) (\S+) is not finite|the loss is (\S+?));", why)
    if found is None:
        return {"stopped": why.partition("; the last good checkpoint")[0]}
    step, kind, name, loss = found.groups()
    if loss:
        zh, en = f"损失变成了 {loss}", f"the loss became {loss}"
    else:
        zh = f"{name} 的{'梯度' if kind.startswith('g') else '值'}不再是有限数"
        en = f"the {kind} {name} is no longer finite"
    return {"stopped": f"第 {step} 步：{zh} / step {step}: {en}", "diverged": int(step)}


def learnt(root: str, words: str, cell: dict[str, Any], settings: dict[str, Any]) -> Records:
    """A new run on a text. Its name comes with the first record."""
    path = home.new(Path(root))
    with ExitStack() as held:
        held.enter_context(home.locked(path))
        try:
            config = paste.config_for(len(words), **settings)
            made = paste.create(path, words, cell, config)
        except ValueError:
            home.clear(path)
            raise
        yield from _training(made)


def resumed(path: str) -> Records:
    """A run from its checkpoint to its end."""
    with home.locked(Path(path)):
        yield from _training(Run.open(Path(path), TextConfig))


def _training(made: Run[TextConfig]) -> Records:
    """A training's events as records, in bits per character: not every step's, but the mean since the last one told."""
    alone()
    name, losses, told = made.folder.name, list[float](), time.monotonic() - OFTEN
    yield {"stage": "reading", "name": name}
    try:
        for event in paste.events(made):
            if isinstance(event, Record):
                losses.append(event.loss)
                if time.monotonic() - told >= OFTEN or event.done >= 1:
                    yield _step(event, sum(losses) / len(losses))
                    losses, told = [], time.monotonic()
            else:
                yield _event(event, name)
    except TrainingError as error:
        yield {"stage": "diverged", **_stopped(str(error))}
        return
    yield {"stage": "ended", "name": name, "step": paste.saved_step(made), "model": made.model_file.is_file()}


def _step(record: Record, loss: float) -> dict[str, Any]:
    return {
        "stage": "step", "step": record.step, "train": _bits(loss), "done": record.done, "speed": record.speed,
        "norm": record.norm, "seconds": record.seconds,
    }  # fmt: skip


def _event(event: paste.Begun | Validation | paste.Written, name: str) -> dict[str, Any]:
    if isinstance(event, Validation):
        return {"stage": "valid", "step": event.step, "valid": _bits(event.valid), "best": _bits(event.best)}
    if isinstance(event, paste.Written):
        return {"stage": "written", "step": event.step, "text": event.text}
    known = dataclasses.asdict(event)
    past = [[step, kind, _bits(nats)] for step, kind, nats in event.history]
    return {"stage": "begun", "name": name, **known, "floor": _bits(event.floor), "history": past}


def _bits(nats: float) -> float:
    return measure(nats, "character")


def continued(path: str, prime: str, length: int, temperature: float, seed: int) -> Records:
    """A run's model continues a text; at the end all of it."""
    alone(nice=False)
    model, told = load_language_model(Path(path)), ""
    for piece in model.sample(prime, length, temperature=temperature, seed=seed):
        told += piece
        yield {"piece": piece}
    yield {"text": told, "unknown": model.unknown(prime)}
