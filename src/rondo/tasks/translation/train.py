"""Training a model of translation: `rondo train translation`."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from rondo.data.registry import find, named
from rondo.models.seq2seq import Seq2Seq
from rondo.render.load import load_cell
from rondo.tasks.translation.config import TranslationConfig
from rondo.tasks.translation.control import Transformer
from rondo.tasks.translation.data import Corpus, Pair, batches, held_apart, plain, read_pairs
from rondo.tasks.translation.pieces import Pieces
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.loop import Job, show
from rondo.train.run import Run

UNIT = "nats per piece"
LARGER = 3.0  # an embedding that begins as an output layer is a faint input: so much larger it learns sooner
NAMES = {"fr": "French", "en": "English", "de": "German", "zh": "Chinese"}


@dataclass(frozen=True)
class Splits:
    """Pairs to train on and to validate with, and the pieces of the former."""

    pieces: Pieces
    train: Corpus
    valid: Corpus

    @classmethod
    def of(cls, pairs: list[Pair], valid: list[Pair], config: TranslationConfig) -> Splits:
        """From the pairs of each part. Those to train on that share a sentence with the others are left out."""
        kept = held_apart(pairs, valid)
        if not kept:
            raise ConfigError("there is no pair to train on that is not held out too: take other data")
        pieces = Pieces.build((text for p in kept for text in (p.source, p.target)), config.pieces)
        train = Corpus(kept, pieces, config.longest)
        if not len(train):
            raise ConfigError(f"no sentence has as few as {config.longest} pieces: take a larger longest")
        train.align()
        return cls(pieces, train, Corpus(valid, pieces, 10 * config.longest))


def build(config: TranslationConfig, pieces: Pieces) -> nn.Module:
    """The model that a configuration describes. Raises ConfigError where its settings do not fit together."""
    try:
        if config.kind == "transformer":
            options = {
                name: getattr(config, name) for name in ("embed", "hidden", "layers", "heads", "dropout", "smoothing")
            }
            ends = {"begin": pieces.begin, "end": pieces.end, "longest": 10 * config.longest}
            return Transformer(config.cell, len(pieces), **ends, **options)
        return _recurrent(config, pieces)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def _recurrent(config: TranslationConfig, pieces: Pieces) -> Seq2Seq:
    options = {name: getattr(config, name) for name in ("smoothing", "input_dropout", "dropout", "output_dropout")}
    model = Seq2Seq(
        load_cell(config.cell),
        len(pieces),
        len(pieces),
        config.hidden,
        config.layers,
        begin=pieces.begin,
        end=pieces.end,
        embed=config.embed,
        shared=True,
        tied=True,
        attention=config.attention,
        input_feeding=config.attention == "luong",
        bidirectional=config.attention != "none",
        reverse=config.attention == "none",
        **options,
    )
    if model.encoder.embedding is not None:
        with torch.no_grad():
            model.encoder.embedding.weight.mul_(LARGER)  # type: ignore[operator]
    return model


def job(config: TranslationConfig, splits: Splits) -> Job:
    """What a run with this configuration trains on these pairs."""
    drops = config.drop, config.target_drop
    return Job(
        build=lambda: build(config, splits.pieces),
        batches=lambda step: batches(splits.train, config.tokens, drops, config.slots, config.seed, step),
        held_out=lambda: plain(splits.valid),
        facts=lambda nats: facts(config, splits, nats),
        precision=config.precision,
    )


def facts(config: TranslationConfig, splits: Splits, nats: float) -> dict[str, Any]:
    """What the model file says besides."""
    return {
        "task": config.task,
        "source": config.source,
        "target": config.target,
        "pieces": splits.pieces.to_json(),
        "lookup": splits.train.lookup.to_json(),
        "metrics": {UNIT: nats, "train_pairs": len(splits.train), "valid_pairs": len(splits.valid)},
    }


def about(config: TranslationConfig) -> dict[str, Any]:
    """What the model file says of its data."""
    sets = [named(name) for name in config.names]
    languages = (NAMES.get(code, code) for code in (config.source, config.target))
    return {
        "title": "{} to {}".format(*languages),
        "data": [f"{s.name}: {s.title}, {s.licence}" for s in sets],
        "licence": "; ".join(dict.fromkeys(s.licence for s in sets)),
    }


def train(data: Path, config: TranslationConfig, out: Path, console: Console | None = None) -> Run[TranslationConfig]:
    """Train on the configuration's data sets in the folder `data`, into the new run folder `out`."""
    files = {part: [find(name, data, f"{part}.tsv.gz") for name in config.names] for part in ("train", "valid")}
    return _trained(Run.create(out, config, files, about(config)), console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[TranslationConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, TranslationConfig), console, go_on=True)


def _trained(run: Run[TranslationConfig], console: Console | None, go_on: bool) -> Run[TranslationConfig]:
    console, config = console or Console(highlight=False), run.config
    parts = {
        part: [pair for file in files for pair in read_pairs(file, config.source, config.target)]
        for part, files in run.data().items()
    }
    splits = Splits.of(parts["train"], parts["valid"], config)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    twins = sum(map(bool, splits.train.twins)) / len(splits.train)
    say(f"{len(splits.train):,} pairs to train on, {twins:.0%} with words for slots; {len(splits.valid):,} held out")
    say(f"{len(splits.pieces):,} symbols, {int(splits.train.sizes.sum()):,} on the longer sides")
    show(loop.training(run, job(config, splits), go_on, say), float, UNIT, console)
    say(f"written to {run.folder}")
    return run
