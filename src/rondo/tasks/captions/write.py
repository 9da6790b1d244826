"""Sentences about each picture: a beam's and drawn ones, of which those are told that are most like all that are drawn.

Likeness is BLEU-4 by characters (`metrics.likeness`), the choice that of `rondo.search.risk`. The likeliest sentence
alone is most often a short and common one; what many drawn sentences share says more of the picture, and the second and
third are about it too. They are told with the model's own log-probability.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from rondo.data.batch import Batch
from rondo.data.vocab import Characters
from rondo.search.beam import beam
from rondo.search.results import Results
from rondo.search.risk import least_risk
from rondo.search.sample import row_seeds, sample
from rondo.tasks.captions.data import LONGEST, sentences_batch
from rondo.tasks.captions.metrics import likeness
from rondo.tasks.captions.model import Captioner

WIDTH, PENALTY = 5, 1.0  # of the beam; of its length, see `rondo.search.beam`
DRAWN, TEMPERATURE = 40, 0.6  # sentences drawn; tuned on flickr8k-cn valid, as all of these
APART = 1.0  # of least_risk


def write(
    model: Captioner,
    features: Tensor,
    count: int = 1,
    *,
    width: int = WIDTH,
    drawn: int = DRAWN,
    temperature: float = TEMPERATURE,
    apart: float = APART,
) -> list[list[list[int]]]:
    """`count` different sentences of each picture, features [P, K, C], the best first: found[picture][k]. Fewer where
    no more were found. A picture's sentences are the same whatever pictures stand beside it, up to rounding."""
    pictures = len(features)
    seeds, rows = row_seeds(0, drawn) * pictures, model.prime(pictures * drawn)
    said = sample(
        model.predictor(features), rows, LONGEST, temperature=temperature, seed=seeds, **rules(model)
    ).best()  # fmt: skip
    own = [said[k : k + drawn] for k in range(0, len(said), drawn)]
    others = likeliest(model, features, width).sequences()
    return [chosen(*both, count, apart) for both in zip(others, own, strict=True)]


def likeliest(model: Captioner, features: Tensor, width: int = WIDTH) -> Results:
    """The beam's sentences of each picture [P, K, C]."""
    rows = model.prime(len(features))
    return beam(model.predictor(features), rows, LONGEST, width=width, penalty=PENALTY, **rules(model))


def rules(model: Captioner) -> dict[str, Any]:
    """What holds in every search: no sentence is empty, and none has a character that stands for unknown ones."""
    begins = torch.ones(1, model.head.symbols, dtype=torch.bool)
    begins[0, model.end] = False
    masks = [lambda prefixes, _: None if prefixes.shape[1] else begins]
    return {"end": model.end, "banned": [Characters.unknown], "masks": masks}


def chosen(
    others: Sequence[Sequence[int]], drawn: Sequence[Sequence[int]], count: int, apart: float = APART
) -> list[list[int]]:
    """Of the sentences drawn and others those that are told, each once."""
    times = Counter({tuple(s): 0 for s in others})
    times.update(tuple(s) for s in drawn)
    candidates = list(times)
    places = least_risk(likeness(candidates), list(times.values()), count, apart)
    return [list(candidates[k]) for k in places]


def log_probabilities(model: Captioner, features: Tensor, sentences: Sequence[Sequence[int]]) -> list[list[float]]:
    """The log-probability of every character and the end of a sentence of each picture [P, K, C]."""
    x, y = sentences_batch([[np.array(s, dtype=np.int64)] for s in sentences], model.end)
    nats = model.nats(Batch(x, y, condition=features))[:, 0]
    return [(-row[: len(s) + 1]).tolist() for row, s in zip(nats, sentences, strict=True)]
