"""Character models of text files: what `rondo train text` and `rondo sample` do."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from torch import Tensor

from rondo.cells import find
from rondo.data.text import DataError, endless, one_pass, read_text, split_texts, streams
from rondo.data.vocab import Vocab
from rondo.models.ngram import Ints, NGram
from rondo.search.sample import sample as draw
from rondo.train.config import Config
from rondo.train.fit import Record, fit, mean_bits, start
from rondo.train.run import Run, build, load_model

ORDER = 5  # of the n-gram model that stands beside


@dataclass(frozen=True)
class Corpus:
    """Texts split and numbered. The vocabulary is that of the training text."""

    vocab: Vocab
    train: Ints
    valid: Ints

    @classmethod
    def of(cls, texts: Sequence[str], config: Config) -> Corpus:
        train, valid = split_texts(texts, config.valid_share, config.seed)
        if sum(map(len, valid)) < 2:
            raise DataError("there is no text left for validation: give more text or a larger valid_share")
        vocab = Vocab.build(train, config.vocab, config.vocab_least)
        if len(vocab) == 1:
            raise DataError(f"no character occurs {config.vocab_least} times: give more text or a smaller vocab_least")
        return cls(vocab, vocab.encode("".join(train)), vocab.encode("".join(valid)))

    @functools.cached_property
    def baseline(self) -> NGram:
        """The n-gram model of the training text."""
        return NGram(self.train, len(self.vocab), ORDER)

    def held_out(self, config: Config) -> Tensor:
        """The validation text as streams: as many rows as in training, unless that would leave them short."""
        return streams(self.valid, max(1, min(config.batch, len(self.valid) // (8 * config.window))))


@dataclass(frozen=True)
class Validation:
    """Bits per character on the held-out text after a step."""

    step: int
    valid: float


def train(files: Sequence[Path], config: Config, out: Path, console: Console | None = None) -> Run:
    """Train a character model on text files into the new run folder `out`, with live progress on the console."""
    corpus = Corpus.of([read_text(Path(f)) for f in files], config)
    return train_corpus(corpus, config, Path(out), console or Console(highlight=False))


def train_corpus(corpus: Corpus, config: Config, out: Path, console: Console) -> Run:
    """The same from a corpus. An n-gram model's bits per character are printed beside."""
    run = Run.create(out, config)
    console.print(
        f"{len(corpus.train):,} characters to train on, {len(corpus.valid):,} held out, {len(corpus.vocab)} symbols"
    )
    floor = corpus.baseline.bits(corpus.valid)
    console.print(f"{ORDER}-gram model: {floor:.3f} bits per character on the held-out text")
    valid = show(training(run, corpus, floor), console)
    console.print(f"{config.cell}: {valid:.3f} bits per character on the held-out text ({ORDER}-gram {floor:.3f})")
    console.print(f"written to {run.folder}")
    return run


def training(run: Run, corpus: Corpus, floor: float, resume: bool = False) -> Iterator[Record | Validation]:
    """Train, from the start or from the run's checkpoint: a record a step, a validation every `valid_every` steps and
    at the end, when checkpoint and model are written too. `floor`, the n-gram model's bits, goes into the metrics."""
    config = run.config
    torch.manual_seed(config.seed)
    model = build(config, find(config.cell), len(corpus.vocab))
    progress = run.load_checkpoint(model) if resume else start(model, config)
    batches = endless(streams(corpus.train, config.batch), config.window, progress.step)
    held_out = corpus.held_out(config)
    for record in fit(model, batches, config, progress):
        if record.step % config.log_every == 0:
            run.log(**asdict(record))
        yield record
        if record.done >= 1 or (config.valid_every and record.step % config.valid_every == 0):
            result = Validation(record.step, mean_bits(model, one_pass(held_out, config.window)))
            run.log(**asdict(result))
            run.save_checkpoint(model, progress)
            run.save_model(model, corpus.vocab, asdict(record) | {"valid": result.valid, f"valid_{ORDER}gram": floor})
            yield result


def show(events: Iterable[Record | Validation], console: Console) -> float:
    """Draw a training's live progress, and a line at each validation; returns the last validation's bits."""
    last = smooth = float("nan")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("training", total=1.0)
        for event in events:
            if isinstance(event, Validation):
                last = event.valid
                console.print(f"step {event.step:6,}  train {smooth:.3f}  valid {last:.3f} bits per character")
                continue
            smooth = event.loss if event.step == 1 else 0.98 * smooth + 0.02 * event.loss
            text = f"{smooth:.3f} bits per character, {event.speed:,.0f} characters/s"
            bar.update(task, completed=event.done, description=text)
    return last


def sample(run: Path, prime: str = "", temperature: float = 0.7, length: int = 500, seed: int = 1) -> Iterator[str]:
    """Stream `length` characters that continue `prime` (not repeated); an empty prime begins a line.

    `run` is a run folder or a model file.
    """
    path = Path(run)
    model, vocab, _ = load_model(path / "model.safetensors" if path.is_dir() else path)
    numbers = draw(model.stepper(), vocab.encode(prime or "\n").tolist(), temperature, seed, banned=[0])
    for number in itertools.islice(numbers, length):
        yield vocab.symbols[number]
