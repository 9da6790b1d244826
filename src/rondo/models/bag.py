"""Bags of n-grams: the cheap baselines of sequences, whatever their symbols are (characters, words, nucleotides).

Every n-gram of `low` to `high` symbols is hashed (CRC-32) into one of `buckets` numbers; a sequence is the counts of
its buckets, whatever their order.

    bayes     multinomial naive Bayes: log p(k) + sum_f n_f log p(f | k),  p(f | k) = (N_fk + 1/2) / (N_k + F / 2) with
              F buckets; one never seen in training does not count (Manning, Raghavan & Schuetze 2008, Introduction
              to Information Retrieval, sec. 13.2; 1/2 in place of 1)
    logistic  softmax regression of x with a penalty on the squares of the weights, by L-BFGS
    ridge     least squares of a number with the same penalty, by L-BFGS
    common    the commonest class; mean: the mean of the numbers. No n-gram counts

x_f = (1 + log n_f) log((1 + N) / (1 + N_f)), of unit length (ibid., sec. 6.4), but for bayes, which takes n_f. The
penalty is chosen among PENALTIES on a tenth of the sequences, unless it is given. A bag is plain JSON, its weights
rounded to a byte each, so that it fits into the metadata of a model file.
"""

from __future__ import annotations

import base64
import binascii
import zlib
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

KINDS = ("bayes", "logistic", "ridge", "common", "mean")
NUMBERS, BLIND = ("ridge", "mean"), ("common", "mean")  # answer with a number; look at no n-gram
PENALTIES = (0.3, 1.0, 3.0)
STEPS = 60  # of L-BFGS
LARGEST = 1 << 22  # buckets times scores
Floats = NDArray[np.float64]


class BagError(ValueError):
    """What makes no bag, or is none."""


def ngrams(symbols: Sequence[Hashable], low: int, high: int) -> Iterator[str]:
    """Every run of `low` to `high` symbols, as text."""
    names = [str(s) for s in symbols]
    for n in range(low, high + 1):
        for first in range(len(names) - n + 1):
            yield "\x1f".join(names[first : first + n])


@dataclass(frozen=True)
class Bag:
    """A fitted bag: sequences to scores [N, outputs]; see the module for the kinds.

    weights  [buckets, outputs], bias [outputs]; idf [buckets] for logistic and ridge
    """

    kind: str
    low: int
    high: int
    weights: Tensor
    bias: Tensor
    idf: Tensor

    @classmethod
    def fit(
        cls,
        sequences: Sequence[Sequence[Hashable]],
        y: Sequence[float],
        kind: str = "logistic",
        *,
        low: int = 1,
        high: int = 2,
        buckets: int = 1 << 17,
        least: int = 1,
        penalty: float = 0.0,
    ) -> Bag:
        """From sequences and their classes 0, 1, ... (ridge: numbers). A bucket that fewer than `least` sequences have
        does not count. Raises BagError."""
        _check(kind, low, high, buckets, len(sequences), len(y))
        target = torch.tensor(list(y), dtype=torch.float32 if kind in NUMBERS else torch.int64)
        if kind in BLIND:
            bias = target.mean().unsqueeze(0) if kind == "mean" else _shares(target).log()
            return cls(kind, low, high, torch.zeros(1, len(bias)), bias, torch.ones(1))._rounded()
        counts = _counts(sequences, low, high, buckets)
        present = torch.bincount(counts.indices()[1], minlength=buckets)
        if kind == "bayes":
            weights = _bayes(counts, target, (present >= least).unsqueeze(1))
            return cls(kind, low, high, weights, _shares(target).log(), torch.ones(buckets))._rounded()
        idf = ((1 + len(sequences)) / (1 + present)).log().where(present >= least, 0.0)
        weights, bias = _regressed(_weighed(counts, idf), target, penalty)
        weights = weights.where((idf != 0).unsqueeze(1), 0.0)
        return cls(kind, low, high, weights, bias, idf)._rounded()

    def scores(self, sequences: Sequence[Sequence[Hashable]]) -> Tensor:
        """[N, outputs]: logarithms of the classes' probabilities up to a constant; of numbers, the numbers [N, 1]."""
        x = _counts(sequences, self.low, self.high, len(self.weights))
        if self.kind in ("logistic", "ridge"):
            x = _weighed(x, self.idf)
        found: Tensor = torch.sparse.mm(x, self.weights) + self.bias
        return found

    def probabilities(self, sequences: Sequence[Sequence[Hashable]]) -> Tensor:
        """[N, classes], of a bag of classes."""
        return self.scores(sequences).softmax(1)

    def to_json(self) -> dict[str, Any]:
        """Plain values; what `from_json` reads gives the same scores."""
        weights, scales = _bytes(self.weights)
        idf, scale = _bytes(self.idf.unsqueeze(1))
        return {
            "kind": self.kind,
            "low": self.low,
            "high": self.high,
            "outputs": self.weights.shape[1],
            "weights": weights,
            "scales": scales,
            "bias": self.bias.tolist(),
            "idf": idf if self.kind in ("logistic", "ridge") else "",
            "idf_scale": scale[0],
        }

    @classmethod
    def from_json(cls, value: Any) -> Bag:
        """What `to_json` gave. Raises BagError for anything else."""
        try:
            outputs = int(value["outputs"])
            weights = _from_bytes(value["weights"], value["scales"], outputs)
            idf = _from_bytes(value["idf"], [value["idf_scale"]], 1)[:, 0] if value["idf"] else torch.ones(len(weights))
            bias = torch.tensor([float(v) for v in value["bias"]])
            low, high, kind = int(value["low"]), int(value["high"]), str(value["kind"])
            if len(bias) != outputs or len(idf) != len(weights) or kind not in KINDS or not 1 <= low <= high <= 32:
                raise ValueError("its parts do not fit together")
        except (KeyError, TypeError, ValueError, binascii.Error) as error:
            raise BagError(f"this is no bag of n-grams: {error}") from None
        return cls(kind, low, high, weights, bias, idf)

    def _rounded(self) -> Bag:
        """As it comes back from JSON, so that what is measured is what is kept."""
        return Bag.from_json(self.to_json())


def _check(kind: str, low: int, high: int, buckets: int, sequences: int, answers: int) -> None:
    if kind not in KINDS:
        raise BagError(f"a bag is one of {', '.join(KINDS)}, found {kind!r}")
    if not 1 <= low <= high <= 32 or not 1 <= buckets <= LARGEST:
        raise BagError(f"n-grams have 1 to 32 symbols in 1 to {LARGEST} buckets, found {low} to {high} in {buckets}")
    if not sequences or sequences != answers:
        raise BagError(f"a bag is made from sequences and an answer to each, found {sequences} and {answers}")


def _counts(sequences: Iterable[Sequence[Hashable]], low: int, high: int, buckets: int) -> Tensor:
    """How often each bucket occurs in each sequence, sparse [N, buckets]."""
    rows, columns, values = [], [], []
    number = 0
    for number, symbols in enumerate(sequences, 1):
        found = (
            [zlib.crc32(g.encode("utf-8", "surrogatepass")) % buckets for g in ngrams(symbols, low, high)]
            if buckets
            else []
        )
        own, n = np.unique(np.array(found, dtype=np.int64), return_counts=True)
        rows.append(np.full(len(own), number - 1))
        columns.append(own)
        values.append(n)
    index = np.stack([np.concatenate(rows), np.concatenate(columns)]) if rows else np.zeros((2, 0), np.int64)
    n = np.concatenate(values) if values else np.zeros(0, np.int64)
    shape = (number, max(1, buckets))
    return _sparse(torch.from_numpy(index), torch.from_numpy(n).float(), shape)


def _sparse(index: Tensor, values: Tensor, shape: Sequence[int]) -> Tensor:
    x: Tensor = torch.sparse_coo_tensor(index, values, tuple(shape), is_coalesced=True, check_invariants=False)
    return x


def _with(x: Tensor, values: Tensor) -> Tensor:
    return _sparse(x.indices(), values, x.shape)


def _weighed(x: Tensor, idf: Tensor) -> Tensor:
    """Damped counts times idf, each row of unit length."""
    rows, columns = x.indices()
    values = (1 + x.values().log()) * idf[columns]
    norms = torch.zeros(x.shape[0]).index_add_(0, rows, values**2).clamp(min=1e-12).sqrt()
    return _with(x, values / norms[rows])


def _shares(y: Tensor) -> Tensor:
    """Of each class."""
    counts = torch.bincount(y).float() + 0.5
    return counts / counts.sum()


def _bayes(x: Tensor, y: Tensor, counted: Tensor) -> Tensor:
    counts = torch.sparse.mm(x.t(), functional.one_hot(y).float())
    counts = counts.where(counted, 0)
    weights: Tensor = ((counts + 0.5) / (counts.sum(0) + 0.5 * counted.sum())).log()
    return weights.where(counted, 0.0)


def _regressed(x: Tensor, y: Tensor, penalty: float) -> tuple[Tensor, Tensor]:
    """Weights and bias; the penalty is chosen on a tenth where none is given."""
    if not penalty:
        held = torch.arange(len(y)) % 10 == 9
        inner, outer = _rows(x, ~held), _rows(x, held)
        tried = [
            (_error(outer, y[held], *_minimised(inner, y[~held], p, _outputs(y))), p) for p in PENALTIES if held.any()
        ]
        penalty = min(tried)[1] if tried else PENALTIES[1]
    return _minimised(x, y, penalty, _outputs(y))


def _outputs(y: Tensor) -> int:
    return 1 if y.is_floating_point() else int(y.max()) + 1


def _rows(x: Tensor, which: Tensor) -> Tensor:
    return x.index_select(0, which.nonzero().squeeze(1)).coalesce()


def _error(x: Tensor, y: Tensor, weights: Tensor, bias: Tensor) -> float:
    return float(_misfit(torch.sparse.mm(x, weights) + bias, y)) / max(1, len(y))


def _misfit(scores: Tensor, y: Tensor) -> Tensor:
    if y.is_floating_point():
        return ((scores[:, 0] - y) ** 2).sum()
    return functional.cross_entropy(scores, y, reduction="sum")


def _minimised(x: Tensor, y: Tensor, penalty: float, outputs: int) -> tuple[Tensor, Tensor]:
    """min over W, b of misfit(x W + b, y) + penalty |W|^2."""
    weights = torch.zeros(x.shape[1], outputs, requires_grad=True)
    start = y.mean().unsqueeze(0) if y.is_floating_point() else torch.zeros(outputs)
    bias = start.clone().requires_grad_()
    optimiser = torch.optim.LBFGS([weights, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def closure() -> Tensor:
        optimiser.zero_grad()
        total = (_misfit(torch.sparse.mm(x, weights) + bias, y) + penalty * (weights**2).sum()) / len(y)
        total.backward()  # type: ignore[no-untyped-call]
        return total

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    return weights.detach(), bias.detach()


def _bytes(values: Tensor) -> tuple[str, list[float]]:
    """Values [n, k] as bytes with a scale for each column."""
    scales = values.abs().amax(0).clamp(min=1e-12) / 127
    rounded = (values / scales).round().to(torch.int8).numpy()
    return base64.b64encode(zlib.compress(rounded.tobytes(), 9)).decode(), scales.tolist()


def _from_bytes(text: str, scales: Sequence[float], columns: int) -> Tensor:
    opened = zlib.decompressobj()
    data = opened.decompress(base64.b64decode(text, validate=True), LARGEST)  # no more: a small file may unpack to much
    if columns < 1 or len(scales) != columns or len(data) % columns or opened.unconsumed_tail or not data:
        raise ValueError("its weights do not fit their number")
    values = np.frombuffer(data, dtype=np.int8).reshape(-1, columns)
    return torch.from_numpy(values.astype(np.float32)) * torch.tensor([float(s) for s in scales])


__all__ = ["KINDS", "Bag", "BagError", "ngrams"]
