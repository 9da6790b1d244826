"""Training the models of video activity: `rondo train video`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console

from rondo.data.registry import find
from rondo.models.classifier import Classifier
from rondo.models.moments import Moments
from rondo.render.load import load_cell
from rondo.tasks.video import joints, pixels
from rondo.tasks.video.calibrate import Calibration, calibrated
from rondo.tasks.video.config import VideoConfig
from rondo.tasks.video.data import NONE, Clip, Clips, apart, files_of, leave_out, read
from rondo.tasks.video.model import PixelModel
from rondo.tasks.video.readings import Reading, scores, smoothed
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.loop import Job, show
from rondo.train.run import Run

FOLDERS = {"joints": "jhmdb14-pose", "pixels": "weizmann4-frames"}
ENDINGS = {"joints": ".jsonl.gz", "pixels": ".jsonl"}
ACTIONS = {"joints": 14, "pixels": 4}
ABOUT: dict[str, dict[str, Any]] = {
    "joints": {
        "title": "Fourteen actions from the joints of the body",
        "data": ["JHMDB (Jhuang et al. 2013), joint positions as in github.com/fandulu/DD-Net"],
        "licence": "the copy's repository is MIT; JHMDB's own terms are not stated in it",
    },
    "pixels": {
        "title": "Four actions from pixels",
        "data": [
            "Actions as Space-Time Shapes (Gorelick et al., Weizmann Institute), from github.com/sergeytulyakov/mocogan"
        ],
        "licence": "none stated; the Weizmann Institute asks for citation",
    },
}
Model = Classifier | PixelModel


@dataclass
class Splits:
    """Clips to train on and to validate with, the actions, their Chinese names, and the last calibration."""

    train: Clips
    valid: Clips
    chinese: dict[str, str]
    calibration: Calibration = field(default_factory=Calibration)


def build(config: VideoConfig, actions: int = 0) -> Model:
    """The model that a configuration describes; a pixel model has one class more, none of the actions. Raises
    ConfigError where its settings do not fit together."""
    actions = actions or ACTIONS[config.kind]
    options: dict[str, Any] = {
        "smoothing": config.smoothing,
        "input_dropout": config.input_dropout,
        "dropout": config.dropout if config.layers > 1 else 0.0,
        "output_dropout": config.output_dropout,
    }
    cell, hidden, layers = load_cell(config.cell), config.hidden, config.layers
    try:
        if config.kind == "pixels":
            return PixelModel(cell, actions + 1, hidden, layers, config.maps, config.embed, **options)
        stem = [{"channels": config.channels, "width": config.width}] if config.width else []
        return Classifier(
            cell, joints.WIDTH, actions, hidden, layers, bidirectional=True, pooling="mean", stem=stem, **options
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def job(config: VideoConfig, splits: Splits) -> Job:
    """What a run with this configuration trains."""
    base = baseline(splits.train)
    return Job(
        build=lambda: build(config, len(splits.train.labels)),
        batches=lambda step: splits.train.batches(config, step),
        held_out=lambda: splits.valid.plain(config),
        facts=lambda value: facts(config, splits, base, value),
        precision=config.precision,
        judge=lambda model: judged(model, config, splits, base),
    )


def reading_of(config: VideoConfig) -> Reading:
    """How a model of this configuration reads."""
    return Reading(config.frames, config.every, config.beside if config.kind == "joints" else 0.0)


def judged(model: Model, config: VideoConfig, splits: Splits, base: Moments) -> float:
    """Calibrate the model and say how far it is from right on whole clips: the share that it answers wrongly, and a
    hundredth of its nats, so that of equals the surer one is kept."""
    mode = model.training
    model.eval()
    y, found = splits.valid.y, clip_scores(model, splits.valid.clips, reading_of(config), base)
    pixels_alone = config.kind == "pixels"
    splits.calibration = calibrated(*_doubted(model, config, splits)) if pixels_alone else calibrated(found, y)
    model.train(mode)
    rows = torch.tensor(np.stack(found)) / splits.calibration.temperature
    nats = torch.nn.functional.cross_entropy(rows, torch.tensor(y))
    return float((rows.argmax(1) != torch.tensor(y)).double().mean()) + 0.01 * float(nats)


def _doubted(model: Model, config: VideoConfig, splits: Splits) -> tuple[list[np.ndarray[Any, Any]], list[int]]:
    """What a pixel model is calibrated on: its clips are few, so their frames' scores, one in each part."""
    rows: list[np.ndarray[Any, Any]] = []
    y: list[int] = []
    for clip, k in zip(splits.valid.clips, splits.valid.y, strict=True):
        found = smoothed(scores(model, clip.x, reading_of(config)))[:: config.frames]
        rows += list(found)
        y += [k] * len(found)
    return rows, y


def clip_scores(model: Model, clips: Sequence[Clip], reading: Reading, base: Moments) -> list[np.ndarray[Any, Any]]:
    """The scores of each clip: the mean of its frames'."""
    return [scores(model, clip.x, reading, base).mean(0) for clip in clips]


def baseline(train: Clips) -> Moments:
    """Least squares on what is seen on average and how much it moves; joints also in a mirror."""
    x, y = [summary(clip) for clip in train.clips], train.y
    if train.kind == "joints":
        x += [joints.features(joints.mirrored(clip.x)) for clip in train.clips]
        y += y
    return Moments.fit(x, y, len(train.labels), penalty=100.0 if train.kind == "joints" else 10.0)


def summary(clip: Clip) -> np.ndarray[Any, Any]:
    """What the baseline reads: what the network reads of joints, or changes on a grid of 8x8."""
    if clip.kind == "joints":
        return joints.features(clip.x)
    change = np.abs(pixels.planes(clip.x)[:, 1])
    grid: np.ndarray[Any, Any] = change.reshape(len(change), 8, 8, 8, 8).mean((2, 4)).reshape(len(change), 64)
    return grid


def facts(config: VideoConfig, splits: Splits, base: Moments, value: float) -> dict[str, Any]:
    """What the model file says besides."""
    return {
        "task": VideoConfig.task,
        "kind_of_input": config.kind,
        "actions": list(splits.train.labels),
        "chinese": splits.chinese,
        "calibration": splits.calibration.to_json(),
        "reading": asdict(reading_of(config)),
        "baseline": base.to_json(),
        "left_out": config.leave,
        "metrics": {"valid_error": value, "valid_clips": len(splits.valid.clips)},
        **ABOUT[config.kind],
    }


def train(data: Path, config: VideoConfig, out: Path, console: Console | None = None) -> Run[VideoConfig]:
    """Train on the data set of the configuration's kind in the folder `data`, into the new run folder `out`."""
    name, ending = FOLDERS[config.kind], ENDINGS[config.kind]
    files = {part: files_of(find(name, data, f"{part}{ending}")) for part in ("train", "valid")}
    return _trained(Run.create(out, config, files, ABOUT[config.kind]), console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[VideoConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, VideoConfig), console, go_on=True)


def load(files: dict[str, list[Path]], config: VideoConfig) -> Splits:
    """The clips of a run's files, split as they are or with one person left out; never by chance.

    Raises ConfigError where they are of another kind, VideoError where the parts share a clip, a person or a source."""
    parts = {part: read(paths[0]) for part, paths in files.items()}
    kept, held = parts["train"], parts["valid"]
    if config.leave:
        kept, held = leave_out([*kept, *held], config.leave)
    apart(kept, held)
    for clip in (kept[0], held[0]):
        if clip.kind != config.kind:
            raise ConfigError(f"the files hold clips of {clip.kind}, the configuration says kind = {config.kind!r}")
    labels = sorted({clip.label for clip in kept})
    if NONE in labels:
        raise ConfigError(f"no action can be called {NONE!r}: the model says it where it sees none")
    chinese = {clip.label: clip.chinese for clip in kept if clip.chinese}
    return Splits(Clips(kept, labels), Clips(held, labels), chinese)


def _trained(run: Run[VideoConfig], console: Console | None, go_on: bool) -> Run[VideoConfig]:
    console = console or Console(highlight=False)
    splits = load(run.data(), run.config)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    whom = f"person or source {run.config.leave} held out" if run.config.leave else "split as the files are"
    say(f"{len(splits.train.clips):,} clips to train on, {len(splits.valid.clips):,} held out; {whom}")
    show(loop.training(run, job(run.config, splits), go_on, say), lambda v: v, "error", console)
    say(f"written to {run.folder}")
    return run
