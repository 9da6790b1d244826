"""Balance: how much network and bag of words count, so that probabilities are as right as they say.

The weights g of `rondo.tasks.sentiment.model`, one pair for polarity and one for strength, and the factor of the
valence's spread, are those of a grid that make texts held out from training likeliest. With one part alone this is
temperature scaling (Guo et al. 2017, arXiv:1706.04599, sec. 4.2); with both, stacking (Wolpert 1992,
doi:10.1016/S0893-6080(05)80023-1).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rondo.data.batch import IGNORED
from rondo.tasks.sentiment.data import CLASSES, POLARITY, STARS, VALENCE, Texts, plain
from rondo.tasks.sentiment.model import MIDDLE, SCALE, SentimentModel

LOUD = np.exp(np.linspace(np.log(0.25), np.log(3.0), 23)).tolist()  # g_w + g_d of scores of classes
SURE = np.linspace(0.6, 1.5, 10).tolist()  # the same of the valence, which is to be right in size
SHARE = np.linspace(0, 1, 11).tolist()  # g_d / (g_w + g_d)
SPREAD = np.exp(np.linspace(np.log(0.5), np.log(2.0), 15)).tolist()


@torch.no_grad()
def calibrate(model: SentimentModel, texts: Texts) -> None:
    """Set the model's balance and spread by these texts, which it was not trained on."""
    beside, deep, y = _scored(model, texts)
    only = (y[:, CLASSES] == 2).unsqueeze(1) & torch.tensor([False, True, False])
    blocked = torch.zeros(len(y), 3).masked_fill(only, -1e4)
    model.balance[0] = _likeliest(beside[:, :3], deep[:, :3], y[:, POLARITY], blocked)
    if model.strength == "stars":
        model.balance[1] = _likeliest(beside[:, 5:], deep[:, 5:], y[:, STARS], torch.zeros(1))
    else:
        _valence(model, beside, deep, y)


def _scored(model: SentimentModel, texts: Texts) -> tuple[Tensor, Tensor, Tensor]:
    """Scores w and d [N, 10] and the columns of y, of every question, no source told."""
    beside, deep, y = [], [], []
    for _, batch in plain(texts, told=False):
        parts = model.parts(batch.x, batch.lengths)
        beside.append(parts[0])
        deep.append(parts[1])
        y.append(batch.labels[:, : VALENCE + 1])
    return torch.cat(beside), torch.cat(deep), torch.cat(y)


def _pairs(loud: list[float]) -> list[tuple[float, float]]:
    """g_w and g_d of the grid."""
    return [(total * (1 - share), total * share) for total in loud for share in SHARE]


def _likeliest(beside: Tensor, deep: Tensor, y: Tensor, blocked: Tensor) -> Tensor:
    """The balance at which the classes y are likeliest; ones where none is known."""
    known = y != IGNORED
    if not known.any():
        return torch.ones(2)
    beside, deep, y, blocked = beside[known], deep[known], y[known], blocked.expand(len(y), -1)[known]

    def nats(g: tuple[float, float]) -> float:
        return float(functional.cross_entropy(g[0] * beside + g[1] * deep + blocked, y))

    return torch.tensor(min(_pairs(LOUD), key=nats))


def _valence(model: SentimentModel, beside: Tensor, deep: Tensor, y: Tensor) -> None:
    """The balance with the least squares of the valence, then the spread at which the strengths are likeliest."""
    known = y[:, VALENCE] != IGNORED
    if not known.any():
        return
    beside, deep, y = beside[known], deep[known], y[known]

    def squares(g: tuple[float, float]) -> float:
        mean = MIDDLE + SCALE * (g[0] * beside[:, 3] + g[1] * deep[:, 3])
        return float(((mean - y[:, VALENCE] / 1000) ** 2).mean())

    model.balance[1] = torch.tensor(min(_pairs(SURE), key=squares))
    scores = model.balanced(beside, deep)

    def nats(factor: float) -> float:
        model.spread.fill_(factor)
        return float(functional.nll_loss((model.answers(scores).stars + 1e-6).log(), y[:, STARS]))

    model.spread.fill_(min(SPREAD, key=nats))
