"""Language models of text files: what `rondo train text`, `rondo evaluate` and `rondo sample` do."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from rondo.data.batch import Batch
from rondo.data.bucket import Examples, batches
from rondo.data.text import DataError, Numbered, Streams, Windows, held_out, read_text, split_texts
from rondo.data.vocab import Vocab
from rondo.data.vocab import build as build_vocab
from rondo.models.generator import Generator
from rondo.models.ngram import NGram
from rondo.render.load import is_file, load_cell
from rondo.train import group, loop
from rondo.train.config import ConfigError, TextConfig
from rondo.train.fit import Record
from rondo.train.language import BEFORE, UNITS, measure
from rondo.train.loop import Job, Validation, show
from rondo.train.run import Run, files_of

# settings that are arguments of the model by the same name
SHARED = (
    *("embed", "tied", "smoothing", "embed_dropout", "input_dropout", "dropout", "output_dropout"),
    *("recurrent_dropout", "weight_dropout", "zoneout", "locked", "activation", "slowness"),
)


@dataclass(frozen=True)
class Corpus:
    """Texts split and numbered. The vocabulary is that of the training text."""

    vocab: Vocab
    train: Numbered
    valid: Numbered

    @classmethod
    def of(cls, train: Sequence[str], valid: Sequence[str], config: TextConfig) -> Corpus:
        """From the texts of each part; without validation texts a share of the training texts is held out."""
        if not valid:
            train, valid = split_texts(train, config.valid_share, config.seed)
        vocab = build_vocab(config.level, train, config.vocab, config.vocab_least)
        if len(vocab) == 1:
            raise DataError(f"no symbol occurs {config.vocab_least} times: give more text or a smaller vocab_least")
        parts = [Numbered.of(texts, vocab, config.documents) for texts in (train, valid)]
        if len(parts[1]) < 2:
            raise DataError("there is no text left for validation: give more text or a larger valid_share")
        return cls(vocab, *parts)

    @classmethod
    def read(cls, data: dict[str, list[Path]], config: TextConfig) -> Corpus:
        """From the files of each part."""
        return cls.of([read_text(f) for f in data["train"]], [read_text(f) for f in data.get("valid", [])], config)

    @functools.cached_property
    def baseline(self) -> NGram:
        """The n-gram model of the training text, of order 5, or the highest whose n-grams fit 63 bits."""
        order = min(5, int(63 * math.log(2) / math.log(len(self.vocab))))
        return NGram(self.train.symbols, len(self.vocab), order)

    @functools.cached_property
    def floor(self) -> float:
        """The n-gram model's nats per symbol on the validation text."""
        return self.baseline.bits(self.valid.symbols[1:]) * math.log(2)

    def batches(self, config: TextConfig, step: int) -> Iterator[Batch]:
        """This process's rows of the training batches, from a step on."""
        if not config.window:
            documents = self.train.sequences()
            examples = Examples([d[:-1] for d in documents], [d[1:] for d in documents], "step")
            yield from map(group.own_rows, batches(examples, rows=config.batch, seed=config.seed, step=step))
            return
        windows = Windows(config.window, config.reach, config.vary, config.seed)
        streams = Streams.of(self.train, config.batch).rows(group.share(config.batch))
        yield from windows.endless(streams, step)

    def held_out(self, config: TextConfig) -> Iterator[Batch]:
        """The validation text."""
        return held_out(self.valid, max(config.batch, 16), config.window or 64, BEFORE)


def build(config: TextConfig, symbols: int) -> Generator:
    """The model that a configuration describes. Raises ConfigError where its settings do not fit together."""
    options = {name: getattr(config, name) for name in SHARED}
    cell = load_cell(config.cell)
    try:
        return Generator(cell, symbols, config.hidden, config.layers, clip_gradient=config.clip_step, **options)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def train(
    files: Sequence[Path],
    config: TextConfig,
    out: Path,
    console: Console | None = None,
    valid: Sequence[Path] = (),
    about: dict[str, Any] | None = None,
) -> Run[TextConfig]:
    """Train a language model on text files into the new run folder `out`, with live progress on the console.

    `valid` are files to validate with, else a share of the text is held out; `about` goes into the model file
    (licence, data set, remarks). Under torchrun all processes call it.
    """
    data = {"train": files_of(files), **({"valid": files_of(valid)} if valid else {})}
    data |= {"cell": [Path(config.cell)]} if is_file(config.cell) else {}
    corpus = Corpus.read(data, config)
    return train_corpus(corpus, Run.create(Path(out), config, data, about), console)


def resume(folder: Path, console: Console | None = None) -> Run[TextConfig]:
    """Go on with a run from its newest checkpoint, or from the start where there is none yet, to the same end as if
    it had never stopped."""
    run = Run.open(Path(folder), TextConfig)
    return train_corpus(Corpus.read(run.data(), run.config), run, console, go_on=True)


def train_corpus(
    corpus: Corpus,
    run: Run[TextConfig],
    console: Console | None = None,
    *,
    go_on: bool = False,
) -> Run[TextConfig]:
    """The same from a corpus. An n-gram model's figure is printed beside."""
    console = Console(highlight=False, quiet=True) if group.rank() else console or Console(highlight=False)
    config, unit = run.config, UNITS[run.config.level]
    say = functools.partial(console.print, markup=False, soft_wrap=True)  # a folder's name may hold anything
    say(f"{len(corpus.train):,} symbols to train on, {len(corpus.valid):,} held out, {len(corpus.vocab):,} different")
    floor = f"{corpus.baseline.order}-gram {measure(corpus.floor, config.level):.3f}"
    say(f"{floor} {unit} on the held-out text")
    best = show(training(run, corpus, go_on, say), lambda nats: measure(nats, config.level), unit, console)
    if math.isinf(best):
        say("this run is at its end: nothing was left to do")
        return run
    say(f"{Path(config.cell).stem}: {measure(best, config.level):.3f} {unit} on the held-out text ({floor})")
    say(f"written to {run.folder}")
    return run


def training(
    run: Run[TextConfig], corpus: Corpus, go_on: bool = False, say: Callable[[str], None] = print
) -> Iterator[Record | Validation]:
    """The events of a language model's training, see `rondo.train.loop.training`."""
    if run.config.window:
        group.share(run.config.batch)  # an uneven share is an error before anything is done
    return loop.training(run, job(run.config, corpus), go_on, say)


def job(config: TextConfig, corpus: Corpus) -> Job:
    """What a run with this configuration trains on this corpus."""
    return Job(
        build=lambda: build(config, len(corpus.vocab)),
        batches=lambda step: corpus.batches(config, step),
        held_out=lambda: corpus.held_out(config),
        facts=lambda nats: facts(config, corpus, nats),
        precision=config.precision,
    )


def facts(config: TextConfig, corpus: Corpus, nats: float) -> dict[str, Any]:
    """What the model file of a language model says besides: vocabulary and metrics."""
    metrics = {
        "valid_nats": nats,
        UNITS[config.level]: measure(nats, config.level),
        f"{corpus.baseline.order}-gram {UNITS[config.level]}": measure(corpus.floor, config.level),
        "valid_symbols": len(corpus.valid),
    }
    return {"vocabulary": corpus.vocab.to_json(), "metrics": metrics}
