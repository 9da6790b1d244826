"""Training the model of couplets: `rondo train couplet`."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from torch import nn

from rondo.data.registry import find
from rondo.data.vocab import Characters
from rondo.models.seq2seq import Seq2Seq
from rondo.render.load import load_cell
from rondo.tasks.couplet.config import CoupletConfig
from rondo.tasks.couplet.data import COMMA, Pair, Pairs, batches, held_apart, plain, poem_pairs, read_pairs, vocabulary
from rondo.tasks.couplet.usage import Usage
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.loop import Job, show
from rondo.train.run import Run

LARGER = 3.0  # an embedding that begins as an output layer is a faint input: so much larger it learns sooner
UNIT = "perplexity per character"
POEMS = (
    "chinese-poetry: parallel lines of regulated poems of 全唐诗 and 全宋诗, MIT; the poems are in the public domain"
)
ABOUT: dict[str, dict[str, Any]] = {
    "open": {
        "title": "Chinese couplets",
        "data": [
            "wb14123/couplet-dataset, 43,461 couplets of the copy in shibing624/textgen, Apache-2.0",
            "声律启蒙, 笠翁对韵, 训蒙骈句: primers of the 17th and 18th century, in the public domain",
            POEMS,
        ],
        "licence": "Apache-2.0",
        "remarks": "A card of wb14123's own copy of its couplets says AGPL-3.0.",
    },
    "all": {
        "title": "Chinese couplets",
        "data": ["couplets of several collectors, most of whom state no licence (see the data set's README)", POEMS],
        "licence": "not known: for your own use",
    },
}


@dataclass(frozen=True)
class Splits:
    """Couplets to train on and to validate with, and the vocabulary of the former."""

    vocab: Characters
    train: Pairs
    valid: Pairs

    @classmethod
    def of(cls, pairs: list[Pair], valid: list[Pair], config: CoupletConfig) -> Splits:
        """From the pairs of each part; those to train on that share a line with the others are left out."""
        kept = [p for p in pairs if config.sources == "all" or p.open or p.kind == "poem"]
        kept = held_apart(kept, valid)
        if not kept:
            raise ConfigError("no couplet to train on is under a free licence: take sources = 'all'")
        vocab = vocabulary(kept, config.vocab)
        return cls(vocab, Pairs(kept, vocab), Pairs(valid, vocab))

    @functools.cached_property
    def usage(self) -> Usage:
        """What the training pairs say of characters."""
        return Usage.of(self.train)


def build(config: CoupletConfig, vocab: Characters) -> Seq2Seq:
    """The model that a configuration describes. Raises ConfigError where its settings do not fit together."""
    names = ("input_dropout", "dropout", "output_dropout", "weight_dropout")
    options = {name: getattr(config, name) for name in names}
    try:
        model = Seq2Seq(
            load_cell(config.cell),
            len(vocab),
            len(vocab),
            config.hidden,
            config.layers,
            begin=vocab.symbols.index(COMMA),
            embed=config.embed,
            shared=True,
            tied=True,
            attention="aligned",
            bidirectional=True,
            locked=True,
            **options,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None
    if isinstance(model.encoder.embedding, nn.Embedding):
        with torch.no_grad():
            model.encoder.embedding.weight.mul_(LARGER)
    return model


def job(config: CoupletConfig, splits: Splits) -> Job:
    """What a run with this configuration trains on these couplets. It is validated on second lines, told the first."""
    shares = (config.poems, config.backward, config.blanks)
    return Job(
        build=lambda: build(config, splits.vocab),
        batches=lambda step: batches(splits.train, config.tokens, *shares, config.seed, step),
        held_out=lambda: plain(splits.valid),
        facts=lambda nats: facts(splits, nats),
        precision=config.precision,
    )


def facts(splits: Splits, nats: float) -> dict[str, Any]:
    """What the model file says besides."""
    metrics = {UNIT: math.exp(nats), "valid_couplets": len(splits.valid)}
    about = {"task": CoupletConfig.task, "vocabulary": splits.vocab.to_json(), "usage": splits.usage.to_json()}
    return {**about, "metrics": metrics}


def train(data: Path, config: CoupletConfig, out: Path, console: Console | None = None) -> Run[CoupletConfig]:
    """Train on the data sets couplets and tang-song-poems in the folder `data`, into the new run folder `out`."""
    files = {
        "couplets": [find("couplets", data, "train.tsv.gz")],
        "poems": [find("tang-song-poems", data, "train.jsonl.gz")],
        "valid": [find("couplets", data, "valid.tsv.gz")],
    }
    run = Run.create(out, config, files, ABOUT[config.sources])
    return _trained(run, console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[CoupletConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, CoupletConfig), console, go_on=True)


def _trained(run: Run[CoupletConfig], console: Console | None, go_on: bool) -> Run[CoupletConfig]:
    console, files = console or Console(highlight=False), run.data()
    pairs = [p for file in files["couplets"] for p in read_pairs(file)]
    pairs += [p for file in files["poems"] for p in poem_pairs(file)]
    splits = Splits.of(pairs, [p for file in files["valid"] for p in read_pairs(file)], run.config)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    poems = int(splits.train.poem.sum())
    say(f"{len(splits.train) - poems:,} couplets and {poems:,} pairs of poem lines to train on")
    say(f"{len(splits.valid):,} couplets held out; {len(splits.vocab):,} symbols")
    show(loop.training(run, job(run.config, splits), go_on, say), math.exp, UNIT, console)
    say(f"written to {run.folder}")
    return run
