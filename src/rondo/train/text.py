"""Language models of text files: what `rondo train text`, `rondo evaluate` and `rondo sample` do."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rondo.data.batch import Batch
from rondo.data.bucket import Examples, batches
from rondo.data.text import DataError, Numbered, Streams, Windows, held_out, read_text, split_texts
from rondo.data.vocab import Vocab
from rondo.data.vocab import build as build_vocab
from rondo.models import store
from rondo.models.generator import Generator
from rondo.models.ngram import NGram
from rondo.render.load import is_file, load_cell
from rondo.train import group
from rondo.train.config import ConfigError, TextConfig
from rondo.train.fit import Progress, Record, TrainingError, averaged, check_weights, fit, mean_loss, start
from rondo.train.language import BEFORE, UNITS, measure
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


@dataclass(frozen=True)
class Validation:
    """Loss on the validation text after a step, in nats per symbol, and the best so far."""

    step: int
    valid: float
    best: float


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
    best = show(training(run, corpus, go_on, say), config.level, console)
    if math.isinf(best):
        say("this run is at its end: nothing was left to do")
        return run
    say(f"{Path(config.cell).stem}: {measure(best, config.level):.3f} {unit} on the held-out text ({floor})")
    say(f"written to {run.folder}")
    return run


def training(
    run: Run[TextConfig],
    corpus: Corpus,
    go_on: bool = False,
    say: Callable[[str], None] = print,
) -> Iterator[Record | Validation]:
    """Train, from the start or from the run's checkpoint: a record a step, a validation every `valid_every` steps and
    at the end. A checkpoint is written then or every `save_every` steps; the model wherever validation is best."""
    config = run.config
    torch.manual_seed(config.seed)
    if config.window:
        group.share(config.batch)  # an uneven share is an error before anything is done
    with group.joined() as device:
        model = build(config, len(corpus.vocab)).to(device)
        torch.manual_seed(config.seed + 7919 * group.rank())  # the weights are alike, masks are each process's own
        progress = _continued(run, model, say) if go_on else start(model, config)
        batches = (b.to(device) for b in corpus.batches(config, progress.step))
        try:
            for record in fit(model, batches, config, progress):
                if record.step % config.log_every == 0 or record.step == 1:
                    run.log(**asdict(record))
                yield record
                if _due(record, config.valid_every):
                    yield validate(run, corpus, model, progress, record)
                if _due(record, config.save_every or config.valid_every):
                    check_weights(model, record.step)
                    run.save_checkpoint(model, progress)
        except TrainingError as error:
            kept = run.checkpoint if run.checkpoint.exists() else "there is none yet"
            raise TrainingError(f"{error}; the last good checkpoint: {kept}") from None


def _due(record: Record, every: int) -> bool:
    """At the end, and every so many steps."""
    return record.done >= 1 or (every > 0 and record.step % every == 0)


def validate(
    run: Run[TextConfig],
    corpus: Corpus,
    model: Generator,
    progress: Progress,
    record: Record,
) -> Validation:
    """Measure the averaged weights, where there are any, on the held-out text; keep the model if it is the best."""
    config, device = run.config, next(model.parameters()).device
    with averaged(model, progress):
        nats = mean_loss(model, (b.to(device) for b in corpus.held_out(config)))
        if nats < progress.best and not group.rank():
            save(run, model, corpus, record, nats)
    progress.best = min(nats, progress.best)
    result = Validation(record.step, nats, progress.best)
    run.log(**asdict(result), seconds=round(record.seconds, 1), cpu=round(record.cpu, 1))
    return result


def _continued(run: Run[TextConfig], model: Generator, say: Callable[[str], None]) -> Progress:
    if not run.begun:
        run.cut_log(0)
        return start(model, run.config)
    progress, warnings = run.load_checkpoint(model)
    for warning in warnings:
        say(f"warning: {warning}")
    run.cut_log(progress.step)
    run.log(resumed=progress.step, warnings=warnings)
    return progress


def save(run: Run[TextConfig], model: Generator, corpus: Corpus, record: Record, nats: float) -> None:
    """Write the model file of a language model."""
    config = run.config
    metrics = {
        "valid_nats": nats,
        UNITS[config.level]: measure(nats, config.level),
        f"{corpus.baseline.order}-gram {UNITS[config.level]}": measure(corpus.floor, config.level),
        "valid_symbols": len(corpus.valid),
        "step": record.step,
        "seconds": round(record.seconds, 1),
        "cpu_seconds": round(record.cpu, 1),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    facts = {"vocabulary": corpus.vocab.to_json(), "config": asdict(config), "metrics": metrics, **run.about()}
    store.save_model(run.model_file, model, facts, config.precision)


def show(events: Iterable[Record | Validation], level: str, console: Console) -> float:
    """Draw a training's live progress, and a line at each validation; returns the best validation's nats."""
    best = smooth = float("inf")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("training", total=1.0)
        for event in events:
            if isinstance(event, Validation):
                best = event.best
                train, valid = measure(smooth, level), measure(event.valid, level)
                console.print(f"step {event.step:6,}  train {train:.3f}  valid {valid:.3f} {UNITS[level]}")
                continue
            smooth = event.loss if math.isinf(smooth) else 0.98 * smooth + 0.02 * event.loss
            text = f"{measure(smooth, level):.3f} {UNITS[level]}, {event.speed:,.0f} symbols/s"
            bar.update(task, completed=event.done, description=text)
    return best
