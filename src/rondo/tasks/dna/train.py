"""Training the models of biological sequences: `rondo train dna`."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from rondo.data.registry import DataSetError
from rondo.models.bag import Bag
from rondo.models.tagger import Tagger
from rondo.render.load import load_cell
from rondo.tasks.dna import readings
from rondo.tasks.dna.config import TASKS, DnaConfig
from rondo.tasks.dna.control import Control
from rondo.tasks.dna.data import SITES, SPANS, STRUCTURES, Record, Sequences, batches, of_task, plain, read
from rondo.tasks.dna.kmers import Kmers
from rondo.tasks.dna.letters import AMINO
from rondo.tasks.dna.model import GeneModel
from rondo.tasks.dna.promoter import PromoterModel
from rondo.tasks.dna.window import Window
from rondo.train import loop
from rondo.train.config import ConfigError
from rondo.train.fit import mean_loss
from rondo.train.loop import Job, show
from rondo.train.run import Run

FOLDERS = {"splice": "dna-splice", "promoters": "dna-promoters", "protein": "protein-ss8"}
ABOUT: dict[str, dict[str, Any]] = {
    "splice": {
        "title": "Exons and introns of primates",
        "data": ["Molecular Biology (Splice-junction Gene Sequences), UCI 1992, from GenBank 64.1"],
        "licence": "not stated in the copy that was used; UCI publishes it under CC BY 4.0",
    },
    "promoters": {
        "title": "Promoters of five organisms and kinds",
        "data": ["CNNPromoterData, github.com/solovictor/CNNPromoterData"],
        "licence": "none stated; promoters from EPDnew, RegulonDB (academic use) and DBTBS",
    },
    "protein": {
        "title": "Secondary structure of proteins in eight kinds",
        "data": ["CullPDB as in github.com/idrori/cu-ssp"],
        "licence": "MIT (the copy); the PDB is public",
    },
}
Model = GeneModel | PromoterModel | Tagger | Control


@dataclass(frozen=True)
class Splits:
    """Sequences to train on and to validate with."""

    train: Sequences
    valid: Sequences


def build(config: DnaConfig) -> Model:
    """The model that a configuration describes. Raises ConfigError where its settings do not fit together."""
    options: dict[str, Any] = {
        "stem": config.stem,
        "input_dropout": config.input_dropout,
        "output_dropout": config.output_dropout,
    }
    cell, hidden, layers = load_cell(config.cell), config.hidden, config.layers
    try:
        if config.kind == "splice":
            return GeneModel(cell, hidden, layers, course=config.course, **options)
        if config.kind == "protein":
            return Tagger(cell, len(AMINO), len(STRUCTURES), hidden, layers, bidirectional=True, **options)
        if config.network == "cnn":
            span = SPANS[TASKS.index(config.only)]
            return Control("elman", len(TASKS), span, hidden, config.channels, config.width, config.pool)
        return PromoterModel(cell, len(TASKS), hidden, layers, **options)
    except ValueError as error:
        raise ConfigError(str(error)) from None


def job(config: DnaConfig, splits: Splits) -> Job:
    """What a run with this configuration trains."""
    fitted = baselines(config.kind, splits.train.records)
    return Job(
        build=lambda: build(config),
        batches=lambda step: batches(
            splits.train, config.rows, config.tokens, config.crop, config.shift, config.seed, step
        ),
        held_out=lambda: (batch for _, batch in plain(splits.valid)),
        facts=lambda value: facts(config, splits, fitted, value),
        precision=config.precision,
        judge=lambda model: judged(model, splits.valid),
    )


@torch.no_grad()
def judged(model: Model, own: Sequences) -> float:
    """Nats per sequence (of proteins, per residue): of the site in the middle of a window, read on both strands."""
    if not isinstance(model, GeneModel):
        return mean_loss(model, (batch for _, batch in plain(own)))
    mode, nats = model.training, 0.0
    model.eval()
    for index, batch in plain(own):
        y = torch.tensor([SITES.index(own.records[i].label) for i in index])
        nats -= float(readings.sites(model, batch.x).clamp(min=1e-9).log().gather(1, y.unsqueeze(1)).sum())
    model.train(mode)
    return nats / len(own)


def baselines(kind: str, records: Sequence[Record]) -> dict[str, dict[str, Any]]:
    """The regressions that travel with a model, as JSON: on k-mers, one for the sites or one for each task of
    promoters; of proteins, on a window."""
    if kind == "splice":
        sites = [SITES.index(r.label) for r in records]
        return {"bags": {"sites": Bag.fit([r.sequence for r in records], sites, low=3, high=6).to_json()}}
    if kind == "protein":
        return {"window": Window.fit(records).to_json()}
    found = {}
    for task in TASKS:
        own = [r for r in records if r.task == task]
        if len({r.label for r in own}) == 2:
            found[task] = Kmers.fit([r.sequence for r in own], [int(r.label) for r in own]).to_json()
    return {"kmers": found}


def facts(config: DnaConfig, splits: Splits, fitted: dict[str, dict[str, Any]], value: float) -> dict[str, Any]:
    """What the model file says besides."""
    return {
        "task": DnaConfig.task,
        "sequences": config.kind,
        **fitted,
        "metrics": {"nats": value, "valid_sequences": len(splits.valid)},
        **ABOUT[config.kind],
    }


def train(data: Path, config: DnaConfig, out: Path, console: Console | None = None) -> Run[DnaConfig]:
    """Train on the data set of the configuration's kind in the folder `data`, into the new run folder `out`."""
    folder = data / FOLDERS[config.kind]
    files = {part: [folder / f"{part}.jsonl.gz"] for part in ("train", "valid")}
    for (file,) in files.values():
        if not file.is_file():
            raise DataSetError(f"{file} is missing: name the folder that holds the data sets with --data")
    return _trained(Run.create(out, config, files, ABOUT[config.kind]), console, go_on=False)


def resume(folder: Path, console: Console | None = None) -> Run[DnaConfig]:
    """Go on with a run from its newest checkpoint."""
    return _trained(Run.open(folder, DnaConfig), console, go_on=True)


def load(files: dict[str, list[Path]], kind: str, only: str = "") -> Splits:
    """The sequences of a run's files, or those of one task. Raises ConfigError where they are of another kind."""
    parts = {}
    for part, (file,) in files.items():
        found, records = read(file)
        if found != kind:
            raise ConfigError(f"{file} holds {found} records, the configuration says kind = {kind!r}")
        parts[part] = Sequences(kind, of_task(records, only))
    return Splits(parts["train"], parts["valid"])


def _trained(run: Run[DnaConfig], console: Console | None, go_on: bool) -> Run[DnaConfig]:
    console = console or Console(highlight=False)
    splits = load(run.data(), run.config.kind, run.config.only)
    say = functools.partial(console.print, markup=False, soft_wrap=True)
    say(f"{len(splits.train):,} sequences to train on, {len(splits.valid):,} held out")
    show(loop.training(run, job(run.config, splits), go_on, say), lambda nats: nats, "nats", console)
    say(f"written to {run.folder}")
    return run
