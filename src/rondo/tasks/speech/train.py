"""Training the models of speech: `rondo train speech`."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from rondo.render.load import load_cell
from rondo.search.ctc import greedy
from rondo.tasks.speech import sources
from rondo.tasks.speech.alphabet import Alphabet
from rondo.tasks.speech.config import SpeechConfig
from rondo.tasks.speech.data import batches, held_out
from rondo.tasks.speech.errors import edits
from rondo.tasks.speech.features import FrontEnd
from rondo.tasks.speech.model import Recogniser
from rondo.tasks.speech.sources import Source
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.loop import Job, show
from rondo.train.run import Run

ABOUT: dict[str, dict[str, Any]] = {
    "digits": {
        "title": "Connected English digits",
        "data": ["Free Spoken Digit Dataset, github.com/Jakobovski/free-spoken-digit-dataset"],
        "licence": "CC BY-SA 4.0 (the recordings' licence, which what is derived from them keeps)",
    },
    "an4": {
        "title": "AN4: spelled names, numbers, dates and commands",
        "data": ["CMU Census (AN4) speech corpus, Carnegie Mellon University 1991, as cepstra"],
        "licence": "AN4 licence terms: free for any purpose; the notice of Carnegie Mellon University is kept",
    },
    "sentences": {
        "title": "English sentences of a speech synthesiser",
        "data": ["sentences of Tatoeba (tatoeba.org), CC BY 2.0 France, spoken by espeak-ng: synthetic speech"],
        "licence": "CC BY 2.0 (the weights, with the attribution of Tatoeba)",
    },
}


def build(config: SpeechConfig, front: FrontEnd, alphabet: Alphabet) -> Recogniser:
    """The model that a configuration describes. Raises ConfigError where its settings do not fit together."""
    try:
        return Recogniser(
            load_cell(config.cell),
            front.width,
            alphabet.size,
            config.hidden,
            config.layers,
            bidirectional=config.bidirectional,
            stem=config.stem,
            causal=config.causal,
            moments=config.moments,
            input_dropout=config.input_dropout,
            dropout=config.dropout,
            output_dropout=config.output_dropout,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def job(config: SpeechConfig, source: Source) -> Job:
    """What a run with this configuration trains."""
    return Job(
        build=lambda: build(config, source.front, source.alphabet),
        batches=lambda step: batches(source.drawn, config.seed, step),
        held_out=lambda: (batch for _, batch in held_out(source.valid, source.alphabet)),
        facts=lambda value: facts(config, source, value),
        precision=config.precision,
        judge=lambda model: judged(model, source),
    )


@torch.no_grad()
def judged(model: Recogniser, source: Source) -> float:
    """Share of wrong labels by greedy decoding; the loss, in thousandths of a nat per label, decides between equals."""
    mode, wrong, count, nats = model.training, 0, 0, 0.0
    model.eval()
    for _, batch in held_out(source.valid, source.alphabet):
        scores, steps = model(batch.x, batch.lengths)
        targets = [row[:n].tolist() for row, n in zip(batch.labels, batch.targets, strict=True)]  # type: ignore[arg-type]
        found = greedy(scores, steps)
        wrong += sum(edits(a, b) for a, b in zip(targets, found, strict=True))
        count += sum(map(len, targets))
        nats += float(model.loss(batch).nats)
    model.train(mode)
    return (wrong + 1e-3 * nats) / max(1, count)


def facts(config: SpeechConfig, source: Source, value: float) -> dict[str, Any]:
    """What the model file says besides."""
    return {
        "task": SpeechConfig.task,
        "speech": config.kind,
        "alphabet": source.alphabet.to_json(),
        "front": source.front.to_json(),
        **source.extra,
        "metrics": {"label_error": value, "valid_recordings": len(source.valid)},
        **ABOUT[config.kind],
    }


def train(data: Path, config: SpeechConfig, out: Path, console: Console | None = None) -> Run[SpeechConfig]:
    """Train on the data set of the configuration's kind in the folder `data`, into the new run folder `out`."""
    return _trained(Run.create(out, config, sources.files(config, data), ABOUT[config.kind]), console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[SpeechConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, SpeechConfig), console, go_on=True)


def _trained(run: Run[SpeechConfig], console: Console | None, go_on: bool) -> Run[SpeechConfig]:
    console = console or Console(highlight=False)
    source = sources.load(run.config, run.data())
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    say(f"{source.count:,} recordings to train on, {len(source.valid):,} held out")
    events = loop.training(run, job(run.config, source), go_on, say)
    show(events, lambda value: value, "(nats per label; labels wrong on valid)", console)
    say(f"written to {run.folder}")
    return run
