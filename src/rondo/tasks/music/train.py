"""Training the models of music: `rondo train music`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from rondo.data.registry import DataSetError
from rondo.models.generator import Generator
from rondo.render.load import load_cell
from rondo.tasks.music import floor, folk, known
from rondo.tasks.music import tokens as t
from rondo.tasks.music.config import MusicConfig
from rondo.tasks.music.folk import Tunes
from rondo.tasks.music.grammar import GROUPS, TABLES
from rondo.tasks.music.tune import Tune
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.loop import Job, show
from rondo.train.run import Run

FILES = {
    "folk": ("folk-tunes", "{}.jsonl.gz"),
    "jsb": ("jsb-chorales", "quarter_{}.jsonl.gz"),
    "chorale": ("jsb-chorales", "satb16_{}.jsonl.gz"),
}
FOLK = {
    "title": "Folk tunes of Britain, America and Ireland",
    "data": [
        "Nottingham Music Database, github.com/jukedeck/nottingham-dataset",
        "irish.abc of MIT 6.S191, github.com/aamini/introtodeeplearning",
    ],
    "licence": "none of its own; trained on traditional tunes in two copies, GNU GPL v3 and MIT",
}


@dataclass(frozen=True)
class Folk:
    """Tunes to train on and to validate with."""

    train: list[Tune]
    valid: list[Tune]
    x: Tunes
    v: Tunes
    left: int


def options(config: MusicConfig, *names: str) -> dict[str, Any]:
    return {name: getattr(config, name) for name in names}


def build(config: MusicConfig) -> Generator:
    """The model of tunes that a configuration describes. Raises ConfigError where its settings do not fit together."""
    try:
        return Generator(
            load_cell(config.cell), t.SYMBOLS, config.hidden, config.layers, config.embed,
            tables=TABLES, groups=GROUPS,
            **options(config, "condition", "smoothing", "embed_dropout", "output_dropout", "locked", "input_dropout",
                      "dropout", "recurrent_dropout", "weight_dropout", "zoneout"),
        )  # fmt: skip
    except ValueError as error:
        raise ConfigError(str(error)) from None


def job(config: MusicConfig, splits: Folk) -> Job:
    """What a run with this configuration trains."""
    facts = about(config, splits)
    return Job(
        build=lambda: build(config),
        batches=lambda step: folk.batches(splits.x, config.rows, config.tokens, config.seed, step),
        held_out=lambda: (batch for _, batch in folk.plain(splits.v)),
        facts=lambda value: {**facts, "metrics": {**facts["metrics"], "nats_per_symbol": value}},
        precision=config.precision,
    )


def about(config: MusicConfig, splits: Folk) -> dict[str, Any]:
    """What the model file says besides."""
    symbols, held = splits.x.symbols, splits.v.symbols
    count = int(splits.v.sizes.sum())
    return {
        "task": MusicConfig.task,
        "music": config.kind,
        "symbols": list(t.NAMES),
        "floor": floor.to_json(floor.fit(symbols, floor.ORDER)),
        "known": known.packed(splits.train),
        "metrics": {
            "valid_tunes": len(splits.v),
            "valid_symbols": count,
            "valid_notes": sum(len(tune.notes) for tune in splits.valid),
            "nats_per_symbol_ngram": floor.nats(floor.fit(symbols, floor.LONG), held) / count,
            "ngram_order": floor.LONG,
        },
        **FOLK,
    }


def load(files: dict[str, list[Path]]) -> Folk:
    """The tunes of a run's files."""
    (train, left), (valid, more) = folk.read(files["train"][0]), folk.read(files["valid"][0])
    return Folk(train, valid, Tunes(train), Tunes(valid), left + more)


def train(data: Path, config: MusicConfig, out: Path, console: Console | None = None) -> Run[MusicConfig]:
    """Train on the data set of the configuration's kind in the folder `data`, into the new run folder `out`."""
    folder, pattern = FILES[config.kind]
    files = {part: [data / folder / pattern.format(part)] for part in ("train", "valid")}
    for (file,) in files.values():
        if not file.is_file():
            raise DataSetError(f"{file} is missing: name the folder that holds the data sets with --data")
    return _trained(Run.create(out, config, files), console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[MusicConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, MusicConfig), console, go_on=True)


def _trained(run: Run[MusicConfig], console: Console | None, go_on: bool) -> Run[MusicConfig]:
    console = console or Console(highlight=False)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    if run.config.kind == "folk":
        splits = load(run.data())
        say(f"{len(splits.x):,} tunes to train on, {len(splits.v):,} held out; {splits.left:,} cannot be read exactly")
        work = job(run.config, splits)
        say(f"{floor.LONG}-gram: {work.facts(np.nan)['metrics']['nats_per_symbol_ngram']:.3f} nats per symbol")
    else:
        from rondo.tasks.music import chorale_train

        work = chorale_train.job(run.config, run.data(), say)
    show(loop.training(run, work, go_on, say), lambda nats: nats, "nats", console)
    say(f"written to {run.folder}")
    return run
