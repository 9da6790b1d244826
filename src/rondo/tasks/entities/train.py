"""Training the model of named entities: `rondo train entities`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from rondo import bundled
from rondo.data.registry import find
from rondo.models import store
from rondo.models.crf import legal_transitions
from rondo.models.tagger import Tagger
from rondo.render.load import load_cell
from rondo.tasks.entities.config import EntitiesConfig
from rondo.tasks.entities.data import Corpus, Sentence, batches, mapped, read_sentences
from rondo.tasks.entities.directions import decoded
from rondo.tasks.entities.features import Features
from rondo.tasks.entities.labels import label_names
from rondo.tasks.entities.lexicon import Lexicon
from rondo.tasks.entities.made import made_sentences
from rondo.tasks.entities.metric import Scores, scores
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.loop import Job
from rondo.train.run import Run

UNIT = "(train: nats per symbol; valid: 1 - F1)"
ORIGINS: dict[str, tuple[str, str]] = {  # what a model file says of what it was trained on: origin, licence
    "zh-ner-cluener": ("CLUENER2020 (news of THUCTC and Sina)", ""),
    "zh-ner-resume": ("Resume NER of LatticeLSTM (filings at Sina Finance)", ""),
    "zh-ner-weibo": ("Weibo NER of golden-horse; the posts follow Weibo's terms of service", "CC BY-SA 3.0"),
    "en-ner-btc": ("Broad Twitter Corpus", "CC BY 4.0"),
    "en-ner-uner-ewt": ("Universal NER, English Web Treebank", "CC BY-SA 4.0"),
    "en-ner-wnut17": ("WNUT-17", "CC BY 4.0"),
}
UNSTATED = "no licence is stated: research use"


def origins(config: EntitiesConfig) -> dict[str, Any]:
    """Where the data of a run are from, and under which licences; those of a model that it begins with too."""
    found = [ORIGINS.get(name, (name, "")) for name in config.sets.split()]
    data = [f"{what}, {licence or UNSTATED}" for what, licence in found]
    licences = [licence or UNSTATED for _, licence in found]
    if config.begin:
        about = store.load_model(bundled.model_file(config.begin))[1]
        data += [str(d) for d in about.get("data", ())]
        licences.append(str(about.get("licence", UNSTATED)))
    every = dict.fromkeys(part for licence in licences for part in licence.split(" and "))
    return {
        "title": "named entities",
        "data": list(dict.fromkeys(data)),
        "licence": UNSTATED if UNSTATED in every else " and ".join(every),
    }


@dataclass(frozen=True)
class Splits:
    """Tagged sentences as numbers to train on and to validate with, and the dictionary of the former."""

    features: Features
    types: list[str]
    train: Corpus
    valid: Corpus
    lexicon: Lexicon

    @classmethod
    def of(
        cls,
        train: Sequence[Sentence],
        valid: Sequence[Sentence],
        config: EntitiesConfig,
        features: Features | None = None,
    ) -> Splits:
        """From the sentences of each part; made ones are added to those to train on. Without `features` they are those
        of the training sentences."""
        read, valid = mapped(train, config.types), mapped(valid, config.types)
        train = read + made_sentences(config.made, config.seed)
        types = sorted({kind for s in train for _, _, kind in s.entities})
        if not types:
            raise ConfigError("the sentences to train on hold no entity of these types")
        if other := {k for s in valid for _, _, k in s.entities} - set(types):
            raise ConfigError(f"the sentences to validate with have a type {min(other)!r} that is not trained")
        if features is None:
            features = Features.build(config.widths, (s.tokens for s in train), config.vocab, config.least)
        parts = (Corpus(train, features, types), Corpus(valid, features, types))
        return cls(features, types, *parts, Lexicon.of(read))


def build(config: EntitiesConfig, features: Features, types: Sequence[str]) -> Tagger:
    """The tagger that a configuration describes. Raises ConfigError where its settings do not fit together."""
    labels = label_names(types)
    names = ("input_dropout", "dropout", "output_dropout", "weight_dropout")
    try:
        return Tagger(
            load_cell(config.cell),
            features.sizes,
            len(labels),
            config.hidden,
            config.layers,
            list(config.widths.values()),
            config.bidirectional,
            head=config.head,
            legal=legal_transitions(labels) if config.head == "crf" else None,
            locked=True,
            **{name: getattr(config, name) for name in names},
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


@torch.no_grad()
def take_over(tagger: Tagger, other: Tagger) -> None:
    """Put another tagger's tables and network into a tagger. Raises ConfigError where they differ in size."""
    own, given = tagger.body.state_dict(), other.body.state_dict()
    for name in sorted(own.keys() | given.keys()):
        if name not in own or name not in given or own[name].shape != given[name].shape:
            raise ConfigError(f"the model to begin with does not fit: {name}; it was trained with other settings")
        own[name].copy_(given[name])


def judged(model: Tagger, corpus: Corpus) -> Scores:
    """Strict scores of a model on sentences."""
    mode = model.training
    model.train(False)
    found = decoded(model, corpus.x, corpus.types)
    model.train(mode)
    return scores([s.entities for s in corpus.sentences], found)


def job(config: EntitiesConfig, splits: Splits, first: Tagger | None = None) -> Job:
    """What a run with this configuration trains on these sentences, where it begins with the model `first`; kept is
    what has the best F1 in validation."""

    def built() -> Tagger:
        model = build(config, splits.features, splits.types)
        if first is not None:
            take_over(model, first)
        return model

    return Job(
        build=built,
        batches=lambda step: batches(splits.train, config.tokens, config.unknown, config.swap, config.seed, step),
        held_out=lambda: iter(()),
        facts=lambda value: facts(config, splits, value),
        precision=config.precision,
        judge=lambda model: 1 - judged(model, splits.valid).all.f1,
    )


def facts(config: EntitiesConfig, splits: Splits, value: float) -> dict[str, Any]:
    """What the model file says besides."""
    return {
        "task": EntitiesConfig.task,
        "language": config.language,
        "types": splits.types,
        "columns": list(config.widths),
        "features": splits.features.to_json(),
        "dictionary": splits.lexicon.to_json() if config.dictionary else {},
        "metrics": {"valid_f1": 1 - value, "valid_sentences": len(splits.valid.sentences)},
    }


def train(data: Path, config: EntitiesConfig, out: Path, console: Console | None = None) -> Run[EntitiesConfig]:
    """Train on the data sets that the configuration names, in the folder `data`, into the new run folder `out`."""
    files = {"train": [find(n, data, "train.jsonl.gz") for n in config.sets.split()]}
    files["valid"] = [find(n, data, "valid.jsonl.gz") for n in (config.valid or config.sets).split()]
    if config.begin:
        files["begin"] = [bundled.model_file(config.begin)]
    return _trained(Run.create(out, config, files, origins(config)), console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[EntitiesConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, EntitiesConfig), console, go_on=True)


def _trained(run: Run[EntitiesConfig], console: Console | None, go_on: bool) -> Run[EntitiesConfig]:
    console, files, config = console or Console(highlight=False), run.data(), run.config
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    first, features = first_model(files["begin"][0], config) if "begin" in files else (None, None)
    parts = [[s for file in files[part] for s in read_sentences(file)] for part in ("train", "valid")]
    splits = Splits.of(parts[0], parts[1], config, features)
    say(f"{len(splits.train.sentences):,} sentences to train on, {len(splits.valid.sentences):,} held out")
    say(f"types: {', '.join(splits.types)}; symbols: {splits.features.sizes}")
    sentences = splits.valid.sentences
    own = scores([s.entities for s in sentences], [splits.lexicon.find(s.tokens) for s in sentences])
    say(f"the dictionary of the training entities, longest match: F1 {own.all.f1:.4f}")
    loop.show(loop.training(run, job(config, splits, first), go_on, say), lambda v: v, UNIT, console)
    say(f"written to {run.folder}")
    return run


def first_model(path: Path, config: EntitiesConfig) -> tuple[Tagger, Features]:
    """A tagger to begin with, and its vocabularies. Raises FileError, or ConfigError where it has other columns."""
    model, about = store.load_task(path, EntitiesConfig.task, Tagger, "model of named entities")
    if about.get("columns") != list(config.widths):
        raise ConfigError(f"{path} reads other columns: {about.get('columns')}")
    return model, Features.from_json(about["features"], about["columns"])
