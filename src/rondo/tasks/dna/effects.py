"""In-silico mutagenesis: what a changed base would do to the sites around it.

The effect of a variant is the largest change, over the sites within REACH of it, of

    log odds p_mutant(site) - log odds p(site)

Probabilities below FLOOR count as FLOOR, those above 1 - FLOOR as that: what stays as good as impossible, or as
certain, is no change, and no effect is larger than 2 log (1 / FLOOR - 1), which is 5.9.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from rondo.tasks.dna.data import WINDOW
from rondo.tasks.dna.letters import BASES, Floats
from rondo.tasks.dna.model import GeneModel
from rondo.tasks.dna.readings import Genes, genes_of

REACH = WINDOW // 2 - 1  # a base with its reach is read in one window
FLOOR = 0.05
AT_ONCE = 64  # bases that are replaced side by side


def log_odds(p: Tensor) -> Tensor:
    """log p / (1 - p), of probabilities not below FLOOR and not above 1 - FLOOR."""
    p = p.clamp(FLOOR, 1 - FLOOR)
    return p.log() - (1 - p).log()


def change(before: Genes, after: Genes) -> Tensor:
    """The largest change, with its sign, of any site, [N]; readings [N, T] of the same places."""
    moved = torch.cat([log_odds(a) - log_odds(b) for a, b in _pairs(before, after)], -1)
    if not moved.shape[-1]:
        return moved.new_zeros(moved.shape[:-1])
    return moved.gather(-1, moved.abs().argmax(-1, keepdim=True)).squeeze(-1)


def _pairs(before: Genes, after: Genes) -> tuple[tuple[Tensor, Tensor], ...]:
    return (after.donor, before.donor), (after.acceptor, before.acceptor)


def effect_map(model: GeneModel, x: Floats) -> Tensor:
    """[L, 4]: the effect of every single base, 0 where it is the one that stands there."""
    found = torch.zeros(len(x), len(BASES))
    for places, rows in effects(model, x, 0, len(x)):
        found[places] = rows
    return found


def effects(model: GeneModel, x: Floats, start: int, end: int) -> Iterator[tuple[list[int], Tensor]]:
    """The same of the bases [start, end), a few at a time: their places [N], and their effects [N, 4]."""
    by_length: dict[int, list[int]] = {}
    for at in range(start, end):
        first, last = around(at, at + 1, len(x))
        by_length.setdefault(last - first, []).append(at)
    for places in by_length.values():
        for k in range(0, len(places), AT_ONCE):
            some = places[k : k + AT_ONCE]
            yield some, _effects(model, x, some)


def _effects(model: GeneModel, x: Floats, places: list[int]) -> Tensor:
    """The effects of the bases at places whose pieces are equally long, [N, 4]."""
    spans = [around(at, at + 1, len(x)) for at in places]
    pieces = torch.from_numpy(np.stack([x[first:last] for first, last in spans]))
    within = torch.tensor([at - first for at, (first, _) in zip(places, spans, strict=True)])
    rows, new = (torch.from_numpy(x[places]) != 1).nonzero(as_tuple=True)  # what stands there changes nothing
    mutants = pieces[rows]
    mutants[torch.arange(len(rows)), within[rows]] = torch.eye(len(BASES))[new]
    before, after = genes_of(model, pieces), genes_of(model, mutants)
    found = torch.zeros(len(places), len(BASES))
    found[rows, new] = change(Genes(before.exon[rows], before.donor[rows], before.acceptor[rows]), after)
    return found


def around(start: int, end: int, size: int) -> tuple[int, int]:
    """The piece that is read for a variant at [start, end): a reach to each side, inside the sequence."""
    return max(0, start - REACH), min(size, end + REACH)
