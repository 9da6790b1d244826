"""Training the generator of poems: `rondo train poetry`."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from rondo.data.vocab import Characters
from rondo.models.generator import Generator
from rondo.models.ngram import NGram
from rondo.render.load import load_cell
from rondo.tasks.poetry.brief import GROUPS, TABLES, Ints
from rondo.tasks.poetry.config import PoetryConfig
from rondo.tasks.poetry.data import BEGIN, Poem, Poems, Sounds, batches, one_pass, read_poems
from rondo.tasks.poetry.novelty import Known
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.loop import Job, show
from rondo.train.run import Run

UNIT = "perplexity per character"
FOLDER = "tang-song-poems"
ABOUT = {
    "title": "Classical Chinese poems",
    "data": ["chinese-poetry: poems of 全唐诗 and 全宋诗, MIT; the poems are in the public domain"],
    "licence": "MIT",
}


@dataclass(frozen=True)
class Splits:
    """Poems to train on and to validate with, and the vocabulary of the former."""

    vocab: Characters
    train: Poems
    valid: Poems

    @classmethod
    def of(cls, train: list[Poem], valid: list[Poem], config: PoetryConfig) -> Splits:
        """From the poems of each part."""
        lines = ["".join(p.lines) for p in train]
        often = BEGIN * (1 + sum(map(len, lines)))  # the most frequent symbol, so that no limit leaves it out
        vocab = Characters.build([often, *lines], config.vocab)
        sounds = Sounds(vocab)
        return cls(vocab, Poems(train, vocab, sounds), Poems(valid, vocab, sounds))

    @functools.cached_property
    def floor(self) -> float:
        """Nats per character of the validation poems under a 3-gram model of lines."""
        model = NGram(_stream(self.train), len(self.vocab), 3)
        symbols = _stream(self.valid)
        return float(-np.log(model.probabilities(symbols)[symbols != self.train.begin]).mean())


def _stream(poems: Poems) -> Ints:
    """All lines, each after the symbol of the beginning."""
    return np.concatenate(
        [np.pad(lines, ((0, 0), (1, 0)), constant_values=poems.begin).ravel() for lines in poems.lines]
    )


def build(config: PoetryConfig, symbols: int) -> Generator:
    """The generator that a configuration describes. Raises ConfigError where its settings do not fit together."""
    names = ("condition", "input_dropout", "dropout", "output_dropout", "weight_dropout")
    options = {name: getattr(config, name) for name in names}
    try:
        return Generator(
            load_cell(config.cell),
            symbols,
            config.hidden,
            config.layers,
            config.embed,
            tied=True,
            tables=TABLES,
            groups=GROUPS,
            locked=True,
            **options,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def job(config: PoetryConfig, splits: Splits) -> Job:
    """What a run with this configuration trains on these poems. It is validated on bare form."""
    return Job(
        build=lambda: build(config, len(splits.vocab)),
        batches=lambda step: batches(splits.train, config.tokens, config.seed, step),
        held_out=lambda: one_pass(splits.valid),
        facts=lambda nats: facts(splits, nats),
        precision=config.precision,
    )


def facts(splits: Splits, nats: float) -> dict[str, Any]:
    """What the model file says besides."""
    metrics = {
        "perplexity per character": math.exp(nats),
        "3-gram perplexity per character": math.exp(splits.floor),
        "valid_poems": len(splits.valid),
    }
    return {"task": PoetryConfig.task, "vocabulary": splits.vocab.to_json(), "metrics": metrics}


def train(data: Path, config: PoetryConfig, out: Path, console: Console | None = None) -> Run[PoetryConfig]:
    """Train on the data set tang-song-poems in the folder `data`, into the new run folder `out`."""
    files = {part: [data / FOLDER / f"{part}.jsonl.gz"] for part in ("train", "valid")}
    run = Run.create(out, config, files, ABOUT)
    return _trained(run, console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[PoetryConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, PoetryConfig), console, go_on=True)


def _trained(run: Run[PoetryConfig], console: Console | None, go_on: bool) -> Run[PoetryConfig]:
    console = console or Console(highlight=False)
    poems, held_out = ([p for file in run.data()[part] for p in read_poems(file)] for part in ("train", "valid"))
    splits = Splits.of(poems, held_out, run.config)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    say(f"{len(splits.train):,} poems to train on, {len(splits.valid):,} held out, {len(splits.vocab):,} characters")
    say(f"3-gram: {math.exp(splits.floor):.1f} {UNIT} on the held-out poems")
    show(loop.training(run, job(run.config, splits), go_on, say), math.exp, UNIT, console)
    Known.of([line for poem in poems for line in poem.lines]).save(run.model_file.with_suffix(".known"))
    say(f"written to {run.folder}")
    return run
