"""Whole sequences in batches of about equal length, so that little is padded.

examples = Examples(x, y, labels="step")
for batch in batches(examples, tokens=2000, seed=1):           # endless, for training
for index, batch in one_pass(examples, tokens=2000):           # each once, for evaluation: found[index] = model(...)
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rondo.data.batch import IGNORED, Batch

LABELS = ("row", "step", "sequence")
JITTER = 0.1  # noise on the lengths by which training sorts: a sequence is not always beside the same ones

Ints = NDArray[np.int64]
Array = NDArray[Any]


class BucketError(ValueError):
    """Sequences that do not make batches; the message names the sequence."""


class Examples:
    """Whole sequences and what is to be learned of each, as arrays, tensors or lists.

    x          of each: symbols [T], or vectors [T, n]
    y          of each, or None
    labels     what a y is. "row": one class, or [n] numbers, for the whole sequence (Classifier); "step": [T], or
               [T, n], one for each of its steps (Tagger); "sequence": [U], labels of their own number (CTC, Seq2Seq)
    condition  of each: [n] numbers, or None

    Fractions become float32, whole numbers int64, in whatever width they are kept. Raises BucketError where a y does
    not fit its x, where sequences differ in more than length, or where there are none.
    """

    def __init__(
        self,
        x: Sequence[Any],
        y: Sequence[Any] | None = None,
        labels: str = "row",
        condition: Sequence[Any] | None = None,
    ) -> None:
        if labels not in LABELS:
            raise BucketError(f"labels is one of {', '.join(LABELS)}, found {labels!r}")
        if not len(x):
            raise BucketError("there are no sequences")
        for name, given in (("y", y), ("condition", condition)):
            if given is not None and len(given) != len(x):
                raise BucketError(f"there are {len(x)} sequences x and {len(given)} of {name}: give one for each")
        self.x, self.labels = _Column("x", x, varying=True), labels
        self.y = None if y is None else _Column("y", y, varying=labels != "row")
        self.condition = None if condition is None else _Column("condition", condition, varying=False)
        self.lengths: Ints = np.array([len(v) for v in self.x.rows])
        for i, v in enumerate(self.y.rows if self.y and labels == "step" else ()):
            if len(v) != self.lengths[i]:
                raise BucketError(
                    f"sequence {i} has {self.lengths[i]} steps and {len(v)} labels: give one for each step"
                )

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def sizes(self) -> Ints:
        """Of each sequence, the steps that it takes in a batch: of x, or of y where that is longer."""
        if self.y is None or self.labels != "sequence":
            return self.lengths
        return np.maximum(self.lengths, [len(v) for v in self.y.rows])

    def batch(self, index: Ints | Sequence[int]) -> Batch:
        """These sequences side by side: x padded with 0, y with IGNORED."""
        x, lengths = self.x.padded(index, 0), torch.from_numpy(self.lengths[index])
        condition = None if self.condition is None else self.condition.stacked(index)
        if self.y is None:
            return Batch(x, lengths=lengths, condition=condition)
        if self.labels == "row":
            return Batch(x, self.y.stacked(index), lengths, condition=condition)
        targets = torch.tensor([len(self.y.rows[i]) for i in index]) if self.labels == "sequence" else None
        return Batch(x, self.y.padded(index, IGNORED), lengths, targets, condition=condition)


class _Column:
    """One array for each sequence. Raises BucketError where they differ in shape, but for the length if `varying`."""

    def __init__(self, name: str, given: Sequence[Any], varying: bool) -> None:
        self.rows: list[Array] = [np.asarray(v) for v in given]
        first = self.rows[0]
        for i, v in enumerate(self.rows):
            if v.ndim != first.ndim or v.shape[varying:] != first.shape[varying:] or v.ndim < varying:
                found = f"{list(v.shape)}, that of sequence 0 {list(first.shape)}"
                raise BucketError(f"{name} of sequence {i} is {found}: they may differ in length alone")
        # numpy takes an empty list for fractions
        real = any(np.issubdtype(v.dtype, np.floating) and (v.size or v.ndim > 1) for v in self.rows)
        self._kind: type[np.generic] = np.float32 if real else np.int64

    def padded(self, index: Ints | Sequence[int], filling: int) -> Tensor:
        """Some of them side by side, [B, longest, ...], at least one step."""
        rows = [self.rows[i] for i in index]
        found = np.full((len(rows), max(1, *map(len, rows)), *rows[0].shape[1:]), filling, dtype=self._kind)
        for row, v in zip(found, rows, strict=True):
            row[: len(v)] = v
        return torch.from_numpy(found)

    def stacked(self, index: Ints | Sequence[int]) -> Tensor:
        """Some of them, all of one shape: [B, ...]."""
        return torch.from_numpy(np.stack([self.rows[i] for i in index]).astype(self._kind))


def one_pass(examples: Examples, *, tokens: int = 0, rows: int = 0) -> Iterator[tuple[Tensor, Batch]]:
    """Every sequence once, the shortest first: the places [B] that the rows have in `examples`, and the batch.

    A batch has at most `tokens` symbols, padding included (one sequence may be longer), at most `rows` rows, or both.
    """
    order = np.argsort(examples.sizes, kind="stable")
    for index in _cut(order, examples.sizes, tokens, rows):
        yield torch.from_numpy(index), examples.batch(index)


def batches(examples: Examples, *, tokens: int = 0, rows: int = 0, seed: int = 0, step: int = 0) -> Iterator[Batch]:
    """Pass after pass for training, each in another order and in other batches; sizes as in `one_pass`.

    Batch k of a pass depends on the seed and the pass alone, so a run resumes by naming its step.
    """
    for number in itertools.count():
        plan = shuffled(examples.sizes, tokens, rows, seed, number)
        for index in plan[step:]:
            yield examples.batch(index)
        step = max(0, step - len(plan))


def shuffled(sizes: Ints, tokens: int, rows: int, seed: int, number: int) -> list[Ints]:
    """The sequences of each batch of pass `number`."""
    random = np.random.default_rng([seed, number])
    # equal sizes would be left in their order: + 1 moves those of 0 steps as well
    noisy = (sizes + 1) * random.uniform(1, 1 + JITTER, len(sizes))
    plan = _cut(np.argsort(noisy), sizes, tokens, rows)
    return [plan[k] for k in random.permutation(len(plan))]


def _cut(order: Ints, sizes: Ints, tokens: int, rows: int) -> list[Ints]:
    """The order cut into batches of at most `tokens` padded symbols and at most `rows` rows."""
    if min(tokens, rows) < 0 or not (tokens or rows):
        raise BucketError("say how large a batch is: tokens (padded symbols), rows, or both")
    cuts, first, longest = [], 0, 1
    for i, size in enumerate(sizes[order].tolist()):
        longest = max(longest, size)
        if i > first and ((tokens and longest * (i + 1 - first) > tokens) or (rows and i - first == rows)):
            cuts.append(i)
            first, longest = i, max(1, size)
    return np.split(order, cuts)
