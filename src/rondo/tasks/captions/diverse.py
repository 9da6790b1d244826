"""Several different sentences about each picture: beams one after another, each kept from what was said before.

Group beam search (Vijayakumar et al. 2016, arXiv:1610.02424, sec. 3, eq. 5) with groups that run one after another over
whole sentences: what the earlier groups have written costs `apart` nats a character, wherever it stood, so that a
sentence does not come again with its words moved by a place. Sentences are ranked within their group by what the
group's search gives them, and told with the model's own log-probability.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic

import numpy as np
import torch
from torch import Tensor

from rondo.data.batch import Batch
from rondo.search.beam import beam
from rondo.search.predictor import Predictor, State
from rondo.tasks.captions.data import LONGEST, sentences_batch
from rondo.tasks.captions.model import Captioner

PENALTY = 1.0  # of the length, see `rondo.search.beam`; tuned on flickr8k-cn valid
APART = 1.5  # nats


@dataclass(frozen=True)
class Kept(Generic[State]):
    """A predictor whose characters cost something: cost [P, V] of each of P pictures."""

    inner: Predictor[State]
    cost: Tensor

    def start(self, rows: int) -> tuple[State, Tensor]:
        return self.inner.start(rows), torch.arange(rows)

    def step(self, symbols: Tensor, state: tuple[State, Tensor]) -> tuple[Tensor, tuple[State, Tensor]]:
        scores, inner = self.inner.step(symbols, state[0])
        return scores - self.cost[state[1]], (inner, state[1])

    def select(self, state: tuple[State, Tensor], index: Tensor) -> tuple[State, Tensor]:
        return self.inner.select(state[0], index), state[1][index]


def groups(
    model: Captioner,
    features: Tensor,
    count: int,
    width: int,
    *,
    penalty: float = PENALTY,
    apart: float = APART,
    unknown: int = 0,
) -> list[list[list[int]]]:
    """For each of `count` groups a sentence of each picture, features [P, K, C]: found[group][picture]. Two groups may
    say the same of a picture where nothing else is likely enough."""
    rows, found = len(features), []
    begins = torch.ones(1, model.head.symbols, dtype=torch.bool)
    begins[0, model.end] = False  # no sentence is empty
    cost = torch.zeros(rows, model.head.symbols)
    for _ in range(count):
        predictor = Kept(model.predictor(features), cost)
        best = beam(
            predictor,
            model.prime(rows),
            LONGEST,
            width=width,
            penalty=penalty,
            end=model.end,
            masks=[lambda prefixes, _: None if prefixes.shape[1] else begins],
            banned=[unknown],
        ).best()
        found.append(best)
        for row, sentence in enumerate(best):
            cost[row, sentence] += apart
        cost[:, model.end] = 0
    return found


def log_probabilities(model: Captioner, features: Tensor, sentences: Sequence[Sequence[int]]) -> list[list[float]]:
    """The log-probability of every character and the end of a sentence of each picture [P, K, C]."""
    x, y = sentences_batch([[np.array(s, dtype=np.int64)] for s in sentences], model.end)
    nats = model.nats(Batch(x, y, condition=features))[:, 0]
    return [(-row[: len(s) + 1]).tolist() for row, s in zip(nats, sentences, strict=True)]
