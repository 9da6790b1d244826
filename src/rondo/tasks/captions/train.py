"""Training the models of image captions: `rondo train captions`."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from rondo.data.batch import Batch
from rondo.data.registry import DataSetError
from rondo.render.load import load_cell
from rondo.tasks.captions import eye, nearest
from rondo.tasks.captions.config import CaptionsConfig
from rondo.tasks.captions.data import (
    FEATURES,
    Bytes,
    Pictures,
    Record,
    batches,
    one_pass,
    pooled,
    read,
    real,
    vocabulary,
)
from rondo.tasks.captions.encoder import grids
from rondo.tasks.captions.metrics import CiderD, measures
from rondo.tasks.captions.model import Captioner
from rondo.tasks.captions.reward import Reward
from rondo.tasks.captions.write import likeliest
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.loop import Job, show
from rondo.train.run import Run

FOLDER = "flickr8k-cn"
PART = 100  # pictures that are written about at once
ABOUT: dict[str, Any] = {
    "title": "Image captions in Chinese",
    "data": [
        "Flickr8K-CN, github.com/li-xirong/flickr8kcn: Chinese sentences of Flickr8k's pictures (Li et al. 2016)",
        "features: MobileNetV2, github.com/google-coral/edgetpu, Apache-2.0",
    ],
    "licence": "none stated for the sentences; the pictures of Flickr8k are for non-commercial research and education "
    "and are not part of this file",
}


@dataclass(frozen=True)
class Splits:
    """Pictures to train on and to validate with, and the cheap baseline's measures on the latter."""

    train: Pictures
    valid: Pictures
    baseline: dict[str, Any]


def begin(config: CaptionsConfig, own: Pictures) -> Captioner:
    """A new model that knows how the training pictures' features lie."""
    model = build(config, len(own.vocab), own.end)
    model.centre(real(own.readings[0]))
    if config.samples:
        model.reward = Reward(own.vocab, [r.sentences for r in own.records], config.samples)
    return model


def build(config: CaptionsConfig, symbols: int, end: int) -> Captioner:
    """The model that a configuration describes. Raises ConfigError where its settings do not fit together."""
    try:
        return Captioner(
            load_cell(config.cell),
            symbols,
            FEATURES,
            config.hidden,
            config.layers,
            embed=config.embed,
            width=config.width,
            end=end,
            feature_dropout=config.feature_dropout,
            input_dropout=config.input_dropout,
            output_dropout=config.output_dropout,
            smoothing=config.smoothing,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def job(config: CaptionsConfig, splits: Splits) -> Job:
    """What a run with this configuration trains."""
    own = splits.train
    return Job(
        build=lambda: begin(config, own),
        batches=lambda step: batches(own, config.pictures, config.seed, step),
        held_out=lambda: held_out(splits.valid),
        facts=lambda value: facts(config, splits, value),
        precision=config.precision,
        judge=judge(splits.valid) if config.samples else None,
    )


def judge(own: Pictures) -> Callable[[Captioner], float]:
    """Minus the mean of CIDEr-D and BLEU-4 of a model's likeliest sentences, over the readings of the pictures."""
    references = [r.sentences for r in own.records]
    scorer = CiderD(references)

    def judged(model: Captioner) -> float:
        mode = model.training
        model.eval()
        found = []
        for values in own.readings:
            parts = (real(values[k : k + PART]) for k in range(0, len(own), PART))
            said = [own.vocab.decode(s) for features in parts for s in likeliest(model, features).best()]
            reached = measures(said, references, scorer)
            found.append((reached["cider_d"] + reached["bleu_4"]) / 2)
        model.train(mode)
        return -sum(found) / len(found)

    return judged


def held_out(own: Pictures) -> Iterable[Batch]:
    """Every picture once in each of its readings."""
    return (batch for k in range(len(own.readings)) for batch in one_pass(own, reading=k))


def facts(config: CaptionsConfig, splits: Splits, value: float) -> dict[str, Any]:
    """What the model file says besides."""
    return {
        "task": CaptionsConfig.task,
        "reading": config.reading,
        "eye": config.eye,
        "vocabulary": splits.train.vocab.to_json(),
        "baseline": splits.baseline,
        "metrics": {"reward" if config.samples else "nats": value, "valid_pictures": len(splits.valid)},
        **ABOUT,
    }


def train(data: Path, config: CaptionsConfig, out: Path, console: Console | None = None) -> Run[CaptionsConfig]:
    """Train on the data set in the folder `data`, into the new run folder `out`."""
    if config.samples and not config.after:
        raise ConfigError("training by reward goes on from a model that writes: give --after RUN")
    folder = data / FOLDER
    files = {part: [folder / f"{part}.jsonl.gz"] for part in ("train", "valid")}
    for (file,) in files.values():
        if not file.is_file():
            raise DataSetError(f"{file} is missing: name the folder that holds the data sets with --data")
    return _trained(Run.create(out, config, files, ABOUT), console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[CaptionsConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, CaptionsConfig), console, go_on=True)


def load(files: dict[str, list[Path]], config: CaptionsConfig, say: Callable[[str], None] = print) -> Splits:
    """The pictures of a run's files, in the readings that the configuration names."""
    (first,), (second,) = files["train"], files["valid"]
    known, held = read(first), read(second)
    vocab = vocabulary(known, config.vocab_least)
    own, other = (
        Pictures(records, vocab, readings(path, records, config, say))
        for path, records in ((first, known), (second, held))
    )
    return Splits(own, other, nearest.measured(own, other))


def readings(
    path: Path, records: list[Record], config: CaptionsConfig, say: Callable[[str], None] = print
) -> list[Bytes]:
    """What an encoder says of the pictures of a file: pooled, at places, or both; or the small one."""
    if config.reading == "own":
        return [eye.readings(eye.load_eye(config.eye), path, records)]
    found: list[Bytes] = []
    if config.reading in ("both", "given"):
        found.append(pooled(path, len(records))[:, np.newaxis])
    if config.reading in ("both", "grid"):
        found.append(grids(path, records, say))
    return found


def eye_job(config: CaptionsConfig, files: dict[str, list[Path]]) -> Job:
    """What a run that trains the small encoder trains."""
    parts = {}
    for part, (file,) in files.items():
        most = config.lessons if part == "train" else 0
        parts[part] = eye.Lessons.read(file, read(file), eye.PIXELS, most)
    return Job(
        build=lambda: eye.begin(eye.Eye(load_cell(config.cell), config.channels, config.hidden), parts["train"]),
        batches=lambda step: eye.batches(parts["train"], config.pictures, config.seed, step),
        held_out=lambda: eye.one_pass(parts["valid"]),
        facts=lambda value: {
            "task": CaptionsConfig.task,
            "metrics": {"distance": value, "valid_pictures": len(parts["valid"])},
            **ABOUT,
            "title": "A small encoder of pictures, distilled from MobileNetV2",
        },
        precision=config.precision,
    )


def _trained(run: Run[CaptionsConfig], console: Console | None, go_on: bool) -> Run[CaptionsConfig]:
    console = console or Console(highlight=False)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    if run.config.kind == "eye":
        events = loop.training(run, eye_job(run.config, run.data()), go_on, say)
        show(events, lambda distance: distance, "distance a picture", console)
        say(f"written to {run.folder}")
        return run
    splits = load(run.data(), run.config, say)
    symbols = len(splits.train.vocab)
    say(f"{len(splits.train):,} pictures to train on, {len(splits.valid):,} held out, {symbols:,} symbols")
    say(f"nearest neighbour: {splits.baseline}")
    unit = "(minus the reward; minus the mean of CIDEr-D and BLEU-4)" if run.config.samples else "nats a character"
    show(loop.training(run, job(run.config, splits), go_on, say), lambda value: value, unit, console)
    say(f"written to {run.folder}")
    return run
