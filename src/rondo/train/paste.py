"""A character model of a pasted text, with a typed cell: its run folder, and its training as events to be shown.

The folder is a run as any other (`rondo.train.run`), and holds its own text and cell:

    text.txt    the text
    cell.json   the cell's equations and what stands beside them (`rondo.render.text.to_json`)

So `rondo train --resume FOLDER` goes on with it, `rondo sample FOLDER` writes with it.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from rondo.files import FileError, write_aside
from rondo.render.load import cell_from_json
from rondo.train import text
from rondo.train.config import TextConfig
from rondo.train.fit import Record
from rondo.train.language import load_language_model, measure
from rondo.train.loop import Validation
from rondo.train.run import Run

SHORTEST = 400  # characters: less holds nothing to learn and nothing to validate with
TEXT, CELL = "text.txt", "cell.json"
LENGTH, TEMPERATURE = 160, 0.8  # of the samples during training


class PasteError(ValueError):
    """A text that is too short, or one that is no text."""


@dataclass(frozen=True)
class Begun:
    """What is known before the first step. Nats are per character of the held-out text."""

    symbols: int  # characters to train on
    held: int  # and held out
    vocabulary: int  # different ones
    order: int  # of the n-gram model ...
    floor: float  # ... and its nats
    parameters: int
    hidden: int
    step: int  # from which it goes on
    steps: int
    history: tuple[tuple[int, str, float], ...]  # (step, "train" or "valid", nats) of what was trained before


@dataclass(frozen=True)
class Written:
    """What the best model so far writes, after a validation."""

    step: int
    text: str


Event = Begun | Record | Validation | Written


def config_for(characters: int, hidden: int, steps: int, lr: float, seed: int) -> TextConfig:
    """Settings of a small character model: shorter texts are read in fewer rows and held out by a larger share;
    checkpoints are frequent, as people stop such trainings at any moment."""
    return TextConfig(
        hidden=hidden,
        embed=32,
        steps=steps,
        lr=lr,
        seed=seed,
        batch=max(1, min(32, characters // 600)),
        window=48,
        warmup=min(50, max(1, steps // 10)),
        valid_share=0.1 if characters < 50_000 else 0.05,
        valid_every=max(1, steps // 20),
        save_every=max(1, steps // 40),
        log_every=max(1, steps // 200),
    )


def create(folder: Path, words: str, cell: Mapping[str, Any], config: TextConfig, title: str = "") -> Run[TextConfig]:
    """A run folder for the text, and for the cell as `rondo.render.text.to_json` gives it, with sizes. Raises
    PasteError, EquationError, FileError."""
    if len(words.strip()) < SHORTEST:
        raise PasteError(
            f"文字太短：至少 {SHORTEST} 个字符 / the text is too short: at least {SHORTEST} characters are needed"
        )
    try:
        data = words.replace("\r\n", "\n").replace("\r", "\n").encode()
    except UnicodeEncodeError:
        raise PasteError("这段文字里有半个字符 / this text holds half a character (a surrogate)") from None
    loaded = cell_from_json(dict(cell))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise FileError(f"{folder} cannot be made: {error.strerror}") from None
    write_aside(folder / TEXT, data)
    write_aside(folder / CELL, (json.dumps(dict(cell), ensure_ascii=False, indent=1) + "\n").encode())
    config = dataclasses.replace(config, cell=str((folder / CELL).resolve()))
    parts = {"train": [folder / TEXT], "cell": [folder / CELL]}
    about = {"title": title or " ".join(words[:200].split())[:40], "data": ["a text pasted in the studio"]}
    return Run.create(folder, config, parts, about | {"cell_name": loaded.name})


def events(run: Run[TextConfig]) -> Iterator[Event]:
    """Train from the run's checkpoint, or from the start where there is none, to the same end as if it had never
    stopped. Raises TrainingError, FileError, DataError."""
    corpus = text.Corpus.read(run.data(), run.config)
    parameters = sum(p.numel() for p in text.build(run.config, len(corpus.vocab)).parameters())
    step = saved_step(run)
    yield Begun(
        symbols=len(corpus.train),
        held=len(corpus.valid),
        vocabulary=len(corpus.vocab),
        order=corpus.baseline.order,
        floor=corpus.floor,
        parameters=parameters,
        hidden=run.config.hidden,
        step=step,
        steps=run.config.steps,
        history=tuple(history(run, step)),
    )
    for event in text.training(run, corpus, go_on=True, say=lambda message: None):
        yield event
        if isinstance(event, Validation) and run.model_file.exists():
            yield Written(event.step, sample(run, seed=event.step))


def sample(run: Run[TextConfig], seed: int) -> str:
    """What the run's model writes; the training's random numbers are left as they were."""
    with torch.random.fork_rng(devices=[]):
        model = load_language_model(run.model_file)
        return "".join(model.sample("", LENGTH, temperature=TEMPERATURE, seed=seed))


def saved_step(run: Run[Any]) -> int:
    """The step of the newest checkpoint, from its description alone; 0 where there is none to be read."""
    for path in (run.checkpoint, run.previous):
        try:
            with path.open("rb") as file:
                size = int.from_bytes(file.read(8), "little")
                described = json.loads(file.read(min(size, 1 << 24)))["__metadata__"]
            return int(json.loads(described["step"]))
        except (OSError, ValueError, KeyError, TypeError):
            continue
    return 0


def history(run: Run[Any], until: int) -> Iterator[tuple[int, str, float]]:
    """What the run's log says up to a step: (step, "train" or "valid", nats)."""
    for line in _log(run):
        step = line.get("step")
        for kind, name in (("train", "loss"), ("valid", "valid")):
            if isinstance(step, int) and step <= until and isinstance(line.get(name), float):
                yield step, kind, line[name]


def best(run: Run[Any]) -> float | None:
    """Bits per character of the best validation; None before the first."""
    found = [nats for _, kind, nats in history(run, run.config.steps) if kind == "valid" and math.isfinite(nats)]
    return measure(min(found), "character") if found else None


def _log(run: Run[Any]) -> Iterator[dict[str, Any]]:
    try:
        lines = (run.folder / "log.jsonl").read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        try:
            value = json.loads(line)
        except ValueError:  # the last line of a process that was killed
            continue
        if isinstance(value, dict):
            yield value
