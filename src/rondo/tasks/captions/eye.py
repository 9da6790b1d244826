"""The package's own small encoder: convolutions, then recurrent networks along rows and columns of a 7 x 7 grid.

    c = convolutions of the picture (each halves the sides; two in between add to what they read)    [C, 7, 7]
    r = BiRNN along every row of c,    q = BiRNN along every column of r    (Visin et al. 2015, arXiv:1505.00393, ReNet)
    f_k = relu(F [c_k, q_k, mean_j c_j] + b)                                features of place k

It is distilled from MobileNetV2 (`encoder.py`): f_k is to be what the large encoder says of place k of the same
picture, t_k, and their mean g what it says of the whole sharp picture, p (Hinton et al. 2015, arXiv:1503.02531, with
features in the place of classes):

    loss = sum_k |f_k - t_k|^2 / sum_k |t_k|^2 + 1 - cos(g, p)

Training begins with F by ridge regression, the rest as it was drawn (as in an echo state network; Huang et al. 2006,
doi:10.1016/j.neucom.2005.12.126): F = Y X' (X X' + r I)^-1 over all places of the training pictures. That is a better
beginning than some passes of gradient descent give, at the price of one.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from rondo.cell import Cell
from rondo.data.batch import Batch
from rondo.data.image import Pixels, read_picture, squared
from rondo.models.body import arguments
from rondo.models.loss import Loss
from rondo.models.store import load_task
from rondo.rnn import RNN
from rondo.states import States
from rondo.tasks.captions.data import FEATURES, PLACES, SCALE, SIDE, Bytes, Record, pictures, pooled, real
from rondo.tasks.captions.encoder import grids

PIXELS = 8 * SIDE  # of the square that it reads
WARM = 20  # batches that centre and scale the convolutions before training
RIDGE = 1e-3  # of the mean diagonal
PART = 50  # pictures that are read at once
BEFORE = 128  # pixels of the training pictures: a person's is brought down to as few


class Eye(nn.Module):
    """Features [P, 49, features] of pictures [P, 3, side, side], bytes or 0 ... 255.

    channels  of the first convolution; the others have twice and four times as many
    hidden    units of each direction along rows and columns
    side      pixels; a multiple of 8, 7 x 8 for a grid of 7
    """

    shape = "eye"

    def __init__(
        self,
        cell: Cell | type[Cell] | str,
        channels: int,
        hidden: int,
        features: int = FEATURES,
        side: int = PIXELS,
        **options: Any,
    ) -> None:
        given = arguments(locals())
        super().__init__()
        if side % 8:
            raise ValueError(f"side is a multiple of 8, found {side}")
        self.arguments, self.side = given, side
        widths = [3, channels, 2 * channels, 4 * channels]
        self.halving = nn.ModuleList(
            _block(a, b, 5 if k == 0 else 3, 2) for k, (a, b) in enumerate(itertools.pairwise(widths))
        )
        self.adding = nn.ModuleList(_block(width, width, 3, 1) for width in widths[2:])
        last = widths[-1]
        self.rows = RNN(cell, last, hidden, bidirectional=True, project=True, **options)
        self.columns = RNN(cell, 2 * hidden, hidden, bidirectional=True, project=True, **options)
        self.cell = self.rows.cell
        self.last = nn.Linear(2 * last + 2 * hidden, features)

    def forward(self, x: Tensor) -> Tensor:
        """Pictures to features, place after place by rows."""
        found: Tensor = self.last(self.seen(x)).relu()
        return found

    def seen(self, x: Tensor) -> Tensor:
        """What the last layer reads of every place: [P, 49, n]."""
        x = x.to(self.last.weight.dtype) / 127.5 - 1
        for k, halve in enumerate(self.halving):
            x = halve(x)
            if k:
                x = x + self.adding[k - 1](x)
        count, _, h, w = x.shape
        c = x.permute(0, 2, 3, 1)  # [P, h, w, C]
        along = self.rows(c.flatten(0, 1))[0].unflatten(0, (count, h))
        down = self.columns(along.transpose(1, 2).flatten(0, 1))[0].unflatten(0, (count, w)).transpose(1, 2)
        whole = c.mean((1, 2), keepdim=True).expand_as(c)
        return torch.cat([c, down, whole], 3).flatten(1, 2)

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        """Pictures x, what the large encoder says of their places y [P, K, C] and of the whole, condition [P, 1, C]."""
        assert batch.condition is not None
        own, taught = self(batch.x), batch.labels
        error = (own - taught).square().sum((1, 2)) / taught.square().sum((1, 2)).clamp(min=1e-6)
        total = (error + 1 - functional.cosine_similarity(own.mean(1), batch.condition[:, 0])).sum()
        return Loss(total, total.detach(), len(own))

    @torch.no_grad()
    def read(self, pixels: Sequence[Pixels]) -> Tensor:
        """Features of pictures of any size; call eval() first."""
        x = np.stack([squared(squared(p, BEFORE), self.side) for p in pixels])
        found: Tensor = self(torch.from_numpy(x).permute(0, 3, 1, 2))
        return found


def _block(before: int, after: int, width: int, stride: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(before, after, width, stride, width // 2, bias=False), nn.BatchNorm2d(after), nn.ReLU()
    )


def load_eye(path: Path | str = "captions-eye") -> Eye:
    """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
    return load_task(path, "captions", Eye, "encoder of pictures")[0]


class Lessons:
    """Pictures and what the large encoder says of them.

    x       bytes [N, 3, side, side]
    places  bytes [N, 49, 1280]; whole: bytes [N, 1280]
    """

    def __init__(self, x: Bytes, places: Bytes, whole: Bytes) -> None:
        self.x, self.places, self.whole = x, places, whole

    @classmethod
    def read(cls, path: Path, records: Sequence[Record], side: int, most: int = 0) -> Lessons:
        """Of a file of records, the first `most` of them (0: all)."""
        n = most or len(records)
        return cls(pixels(path, records[:n], side), grids(path, records)[:n], pooled(path, len(records))[:n])

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, index: Sequence[int], mirrored: Sequence[bool]) -> Batch:
        """Some of them, some of these seen in a mirror, and so their places."""
        rows = list(index)
        x, y = torch.from_numpy(self.x[rows]), real(self.places[rows])
        other = torch.tensor(list(mirrored)).view(-1, 1, 1)
        turned = y.view(len(y), SIDE, SIDE, -1).flip(2).flatten(1, 2)
        return Batch(
            torch.where(other.unsqueeze(3), x.flip(3), x),
            torch.where(other, turned, y),
            condition=real(self.whole[rows]).unsqueeze(1),
        )


def pixels(path: Path, records: Sequence[Record], side: int) -> Bytes:
    """The pictures beside a file of records, bytes [N, 3, side, side]."""
    found = np.empty((len(records), 3, side, side), dtype=np.uint8)
    for k, data in enumerate(pictures(path, records)):
        found[k] = squared(squared(read_picture(data), BEFORE), side).transpose(2, 0, 1)
    return found


@torch.no_grad()
def begin(model: Eye, own: Lessons, ridge: float = RIDGE) -> Eye:
    """The model with its last layer by ridge regression on these lessons, as they stand."""
    model.train()
    for batch in itertools.islice(one_pass(own), WARM):  # what the convolutions give is centred and scaled
        model.seen(batch.x)
    model.eval()
    width = model.last.in_features + 1
    gram, cross = torch.zeros(width, width, dtype=torch.float64), torch.zeros(width, FEATURES, dtype=torch.float64)
    for batch in one_pass(own):
        x = functional.pad(model.seen(batch.x).flatten(0, 1), (0, 1), value=1.0)
        gram += (x.T @ x).double()
        cross += (x.T @ batch.labels.flatten(0, 1)).double()
    gram.diagonal()[:-1] += ridge * gram.diagonal()[:-1].mean()
    found = torch.linalg.solve(gram, cross).float()
    model.last.weight.copy_(found[:-1].T)
    model.last.bias.copy_(found[-1])
    return model.train()


def batches(own: Lessons, size: int, seed: int, step: int = 0) -> Iterator[Batch]:
    """Pass after pass. Batch k of a pass depends on the seed and the pass alone."""
    for number in itertools.count():
        random = np.random.default_rng([seed, number])
        parts = np.array_split(random.permutation(len(own)), -(-len(own) // size))
        mirrored = random.random(len(own)) < 0.5
        for k in range(step, len(parts)):
            yield own.batch(parts[k].tolist(), mirrored[parts[k]].tolist())
        step = max(0, step - len(parts))


def one_pass(own: Lessons, size: int = 100) -> Iterator[Batch]:
    """Every picture once, as it stands."""
    for first in range(0, len(own), size):
        index = range(first, min(first + size, len(own)))
        yield own.batch(index, [False] * len(index))


@torch.no_grad()
def readings(model: Eye, path: Path, records: Sequence[Record]) -> Bytes:
    """What the small encoder says of the pictures of a file, bytes [N, 49, 1280] as those of the large one."""
    x, found = pixels(path, records, model.side), np.empty((len(records), PLACES, FEATURES), np.uint8)
    for first in range(0, len(x), PART):
        f = model(torch.from_numpy(x[first : first + PART]))
        found[first : first + PART] = (f / SCALE).round().clamp(0, 255).to(torch.uint8).numpy()
    return found


@torch.no_grad()
def evaluate(model: Eye, path: Path, records: Sequence[Record]) -> dict[str, Any]:
    """How near the small encoder comes to the large one: mean cosines of the whole and of the places; beside them those
    of the mean picture."""
    own = Lessons.read(path, records, model.side)
    mean = real(own.whole).mean(0, keepdim=True)
    whole = places = constant = 0.0
    for batch in one_pass(own, PART):
        assert batch.condition is not None
        found, p = model(batch.x), batch.condition[:, 0]
        whole += float(functional.cosine_similarity(found.mean(1), p).sum())
        places += float(functional.cosine_similarity(found, batch.labels, dim=2).mean(1).sum())
        constant += float(functional.cosine_similarity(mean, p).sum())
    n = len(own)
    return {
        "pictures": n,
        "cosine_whole": round(whole / n, 4),
        "cosine_places": round(places / n, 4),
        "cosine_mean_picture": round(constant / n, 4),
    }
