"""The marker: a sequence in, its exons, introns, sites and promoters out."""

from __future__ import annotations

import itertools
import math
from pathlib import Path
from typing import Literal

import torch

from rondo.models.store import load_task
from rondo.tasks.dna import readings, scan
from rondo.tasks.dna.data import SPANS
from rondo.tasks.dna.effects import effect_map
from rondo.tasks.dna.letters import DnaError, Floats, bases
from rondo.tasks.dna.model import GeneModel
from rondo.tasks.dna.promoter import PromoterModel
from rondo.tasks.dna.readings import Genes, genes
from rondo.tasks.dna.request import MAPPED, DnaRequest, DnaResponse, Effects, Segment, Site

SURE = 0.7  # a segment is named where its kind is so likely on average
SHORT = 20  # bases: training read no shorter pieces
SHOWN = 5  # sites


class Marker:
    """The two models: of genes, and of promoters."""

    def __init__(self, model: GeneModel, promoters: PromoterModel | None = None) -> None:
        self.model, self.promoters = model, promoters

    @classmethod
    def load(cls, path: Path | str = "dna-splice", promoters: Path | str = "") -> Marker:
        """From run folders, model files, or the names of bundled models. Raises FileError."""
        model, _ = load_task(path, "dna", GeneModel, "model of exons and introns")
        other = load_task(promoters, "dna", PromoterModel, "model of promoters")[0] if promoters else None
        return cls(model, other)

    def __call__(self, request: DnaRequest) -> DnaResponse:
        """Mark a sequence."""
        x = bases(request.sequence)
        read = genes(self.model, x)
        found = segments(read)
        return DnaResponse(
            sequence=request.sequence,
            segments=found,
            exon=[round(v, 4) for v in read.exon.tolist()],
            sites=likeliest(read),
            promoters=scan.likeliest(self.promoters, x) if self.promoters else [],
            effects=self._effects(x) if request.effects else None,
            notes=notes(request.sequence, found, self.promoters is not None),
        )

    def _effects(self, x: Floats) -> Effects:
        if len(x) > MAPPED:
            raise DnaError(
                f"突变图最多 {MAPPED} 个碱基，这里有 {len(x)} 个 / a map of effects has at most {MAPPED} bases, "
                f"found {len(x)}: give a piece"
            )
        return Effects(change=[[round(v, 3) for v in row] for row in effect_map(self.model, x).tolist()])


def segments(read: Genes, offset: int = 0) -> list[Segment]:
    """Runs of bases of one kind; a run whose kind is not likely enough on average, or that is too short to be told
    apart, is unsure. Neighbours that are unsure are one."""
    kinds, found, at = readings.path(read), [], 0
    exon = read.exon.tolist()
    for kind, group in itertools.groupby(kinds):
        size = len(list(group))
        p = math.fsum(v if kind == "exon" else 1 - v for v in exon[at : at + size]) / size
        named: Literal["exon", "intron"] = "exon" if kind == "exon" else "intron"
        found.append(Segment(start=offset + at, end=offset + at + size, kind=named if p >= SURE else "unsure", p=p))
        at += size
    return _joined(found)


def _joined(found: list[Segment]) -> list[Segment]:
    joined: list[Segment] = []
    for one in found:
        last = joined[-1] if joined else None
        if last is None or not last.kind == one.kind == "unsure":
            joined.append(one)
            continue
        a, b = last.end - last.start, one.end - one.start
        joined[-1] = Segment(start=last.start, end=one.end, kind="unsure", p=(a * last.p + b * one.p) / (a + b))
    return joined


def likeliest(read: Genes, least: float = 0.5) -> list[Site]:
    """Sites at least so likely, and of the rest the likeliest up to SHOWN in all; best first."""
    kinds: tuple[tuple[str, torch.Tensor], ...] = (("donor", read.donor), ("acceptor", read.acceptor))
    every = [
        Site.model_validate({"after": t, "kind": kind, "p": v}) for kind, p in kinds for t, v in enumerate(p.tolist())
    ]
    every.sort(key=lambda site: -site.p)
    return [site for k, site in enumerate(every) if site.p >= least or (k < SHOWN and site.p > 0.02)]


def notes(sequence: str, found: list[Segment], promoters: bool = False) -> list[str]:
    """What is to be known of the answer; `promoters`: they were looked for."""
    said, size = [], len(sequence)
    if size < SHORT:
        said.append(
            f"只有 {size} 个碱基，太短，难下定论 / {size} base{'s' * (size > 1)}: too short to say, the training read "
            f"pieces of {SHORT} to 60"
        )
    elif all(one.kind == "unsure" for one in found):
        said.append("没有足够的把握 / nothing here is sure enough to be named")
    if promoters and size < min(SPANS):
        said.append("太短，说不了启动子 / too short to say whether a promoter is here: it takes 81 bases or 251")
    elif promoters and size < max(SPANS):
        said.append("植物与小鼠的启动子要 251 个碱基 / too short to say of promoters of plants and mouse: 251 bases")
    if unknown := sum(c not in "ACGTUacgtu" for c in sequence):
        said.append(f"{unknown} 个碱基不明确 / {unknown} base{'s are' if unknown > 1 else ' is'} ambiguous")
    return said
