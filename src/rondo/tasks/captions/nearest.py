"""The cheap baseline: the first sentence of the training picture whose features point most nearly the same way."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rondo.tasks.captions.data import Bytes, Pictures
from rondo.tasks.captions.metrics import measures

PART = 500  # pictures whose means are taken at once


def places(own: Bytes, others: Bytes) -> list[int]:
    """For each of `others` [N, K, C] the nearest of `own` [M, K, C], by the cosine of their means."""
    one, two = _directions(own), _directions(others)
    return [int(k) for k in (two @ one.T).argmax(1)]


def _directions(values: Bytes) -> Tensor:
    parts = [torch.from_numpy(values[k : k + PART].mean(1, dtype=np.float32)) for k in range(0, len(values), PART)]
    return functional.normalize(torch.cat(parts), dim=1)


def measured(train: Pictures, valid: Pictures) -> dict[str, float]:
    """Measures of the baseline, by the first reading."""
    found = places(train.readings[0], valid.readings[0])
    sentences = [train.records[k].sentences[0] for k in found]
    return measures(sentences, [r.sentences for r in valid.records])
