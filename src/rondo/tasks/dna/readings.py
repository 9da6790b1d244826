"""What a model says of sequences, read on both strands.

A sequence and its reverse complement are one molecule. With f the network's probabilities and r the reverse complement,

    p(x) = (f(x) + r f(r x)) / 2

so that what is said of a strand is what is said of the other, turned round: exons and introns base by base, a donor
site on the one strand as an acceptor site on the other. Long sequences are read in windows as long as those of the
training, one every HOP bases; at each base the windows count by how far their ends are.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rondo.tasks.dna.data import WINDOW
from rondo.tasks.dna.letters import Floats
from rondo.tasks.dna.model import ACCEPTOR, DONOR, EXON, GeneModel

HOP = 15
ROWS = 512  # windows that are read at once


@dataclass(frozen=True)
class Genes:
    """Of a sequence of T bases: exon [T], the probability that a base is in an exon; donor and acceptor [T - 1], that a
    site stands after each base but the last."""

    exon: Tensor
    donor: Tensor
    acceptor: Tensor


def both(model: GeneModel, x: Tensor) -> Tensor:
    """x [B, T, 4] of equal lengths to [B, T, 3]: exon, donor after, acceptor after; the last base's sites are 0."""
    return (_one(model, x) + _turned(_one(model, x.flip(1, 2)))) / 2


def _one(model: GeneModel, x: Tensor) -> Tensor:
    p = model.predict(x)
    sites = p[..., [DONOR, ACCEPTOR]]
    sites[:, -1] = 0  # a site stands between two bases
    return torch.cat([(p[..., EXON] + p[..., DONOR]).unsqueeze(2), sites], 2)


def _turned(p: Tensor) -> Tensor:
    """A reading of the other strand as one of this strand: a donor after base t is an acceptor after T - 2 - t."""
    exon, sites = p[..., :1].flip(1), p[:, :-1, 1:].flip(1, 2)
    return torch.cat([exon, torch.nn.functional.pad(sites, (0, 0, 0, 1))], 2)


def genes(model: GeneModel, x: Floats) -> Genes:
    """A sequence [T, 4] of any length from one base."""
    read = genes_of(model, torch.from_numpy(np.ascontiguousarray(x)).unsqueeze(0))
    return Genes(read.exon[0], read.donor[0], read.acceptor[0])


def genes_of(model: GeneModel, x: Tensor) -> Genes:
    """Sequences [N, T, 4] side by side: exon [N, T], donor and acceptor [N, T - 1]."""
    rows, steps = x.shape[:2]
    total, weight = torch.zeros(rows, steps, 3), torch.zeros(steps, 1)
    size = min(steps, WINDOW)
    near = torch.minimum(torch.arange(1, size + 1), torch.arange(size, 0, -1)).float().unsqueeze(1)
    for row, first, p in _windows(model, x, size):
        total[row, first : first + size] += p * near
    for first in _starts(steps, size):
        weight[first : first + size] += near
    p = total / weight
    return Genes(p[..., 0], p[:, :-1, 1], p[:, :-1, 2])


def _starts(steps: int, size: int) -> list[int]:
    """Where windows begin. Turned round, a sequence has the same ones."""
    last = steps - size
    return sorted({*range(0, last + 1, HOP), *(last - s for s in range(0, last + 1, HOP))})


def _windows(model: GeneModel, x: Tensor, size: int) -> Iterator[tuple[int, int, Tensor]]:
    """The row and the first base of each window, and its reading."""
    places = [(row, first) for row in range(len(x)) for first in _starts(x.shape[1], size)]
    for k in range(0, len(places), ROWS):
        some = places[k : k + ROWS]
        read = both(model, torch.stack([x[row, first : first + size] for row, first in some]))
        yield from ((row, first, p) for (row, first), p in zip(some, read, strict=True))


def sites(model: GeneModel, x: Tensor) -> Tensor:
    """Of windows [B, 60, 4] the probabilities [B, 3] of a donor, an acceptor, or neither in their middle."""
    p = both(model, x)[:, WINDOW // 2 - 1, 1:]
    return torch.cat([p, 1 - p.sum(1, keepdim=True)], 1)


def path(read: Genes) -> list[str]:
    """The likeliest legal course of exon and intron, "exon" or "intron" a base, by the summed logarithms of the base's
    and the sites' probabilities (posterior decoding: Fariselli et al. 2005, doi:10.1186/1471-2105-6-S4-S12)."""
    if not len(read.exon):
        return []
    exon = read.exon.double().clamp(1e-6, 1 - 1e-6)
    own = torch.stack([exon.log(), (1 - exon).log()], 1).tolist()
    donor, acceptor = (p.double().clamp(1e-6, 1).log().tolist() for p in (read.donor, read.acceptor))
    stay = (1 - read.donor.double() - read.acceptor.double()).clamp(min=1e-6).log().tolist()
    one, two = own[0]  # the best course so far that ends in an exon, in an intron
    back = []
    for t in range(1, len(own)):
        into = (one + stay[t - 1], two + acceptor[t - 1])
        out = (one + donor[t - 1], two + stay[t - 1])
        back.append((int(into[1] > into[0]), int(out[1] > out[0])))
        one, two = max(into) + own[t][0], max(out) + own[t][1]
    at = int(two > one)
    found = [at]
    for came in reversed(back):
        at = came[at]
        found.append(at)
    return [("exon", "intron")[k] for k in reversed(found)]
