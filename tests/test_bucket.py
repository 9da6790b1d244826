"""Buckets: every sequence once a pass, little padding, and a batch that depends on its step alone."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rondo.data.batch import IGNORED, Batch
from rondo.data.bucket import BucketError, Examples, batches, one_pass, shuffled


def numbered(lengths: list[int]) -> Examples:
    """Sequence i is the symbol i + 1 again and again, labelled 100 i + t at step t."""
    return Examples(
        [[i + 1] * n for i, n in enumerate(lengths)],
        [[100 * i + t for t in range(n)] for i, n in enumerate(lengths)],
        "step",
    )


def rows_of(batch: Batch) -> list[tuple[list[int], list[int]]]:
    """The x and y of each row without padding; the padding is what it has to be."""
    assert batch.lengths is not None
    assert batch.y is not None
    for b, n in enumerate(batch.lengths.tolist()):
        assert not batch.x[b, n:].any()
        assert (batch.y[b, n:] == IGNORED).all()
    assert batch.x.shape[1] == max(1, int(batch.lengths.max())), "not wider than it has to be"
    return [(x[:n].tolist(), y[:n].tolist()) for x, y, n in zip(batch.x, batch.y, batch.lengths.tolist(), strict=True)]


lengths_of = st.lists(st.integers(0, 9), min_size=1, max_size=30)
budgets = st.sampled_from([(12, 0), (0, 4), (12, 3), (1, 0), (0, 1)])


@given(lengths_of, budgets, st.integers(0, 5), st.integers(0, 3))
def test_every_sequence_exactly_once_a_pass(
    lengths: list[int], budget: tuple[int, int], seed: int, number: int
) -> None:
    tokens, rows = budget
    plan = shuffled(np.array(lengths), tokens, rows, seed, number)
    assert sorted(itertools.chain.from_iterable(p.tolist() for p in plan)) == list(range(len(lengths)))
    for p in plan:
        assert len(p) <= (rows or len(p))
        assert len(p) == 1 or len(p) * max(1, max(lengths[i] for i in p)) <= (tokens or 10**9)


@given(lengths_of, budgets, st.integers(0, 5))
def test_a_pass_holds_every_sequence_with_its_labels(lengths: list[int], budget: tuple[int, int], seed: int) -> None:
    tokens, rows = budget
    examples = numbered(lengths)
    wanted = sorted((list(examples.x.rows[i]), list(examples.y.rows[i])) for i in range(len(lengths)))
    count = len(shuffled(examples.sizes, tokens, rows, seed, 0))
    first = itertools.islice(batches(examples, tokens=tokens, rows=rows, seed=seed), count)
    assert sorted(itertools.chain.from_iterable(map(rows_of, first))) == wanted
    assert sorted(row for _, b in one_pass(examples, tokens=tokens, rows=rows) for row in rows_of(b)) == wanted


@given(lengths_of, budgets, st.integers(0, 5), st.integers(0, 40))
def test_a_batch_depends_on_its_step_alone(lengths: list[int], budget: tuple[int, int], seed: int, step: int) -> None:
    tokens, rows = budget
    examples = numbered(lengths)
    whole = itertools.islice(batches(examples, tokens=tokens, rows=rows, seed=seed), step, step + 5)
    resumed = itertools.islice(batches(examples, tokens=tokens, rows=rows, seed=seed, step=step), 5)
    for a, b in zip(whole, resumed, strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.y, b.y)


def test_passes_and_seeds_differ() -> None:
    """In the order of the batches, and in which sequences are together."""
    sizes = np.random.default_rng(0).integers(1, 50, 200)
    plans = [shuffled(sizes, 0, 10, seed, number) for seed, number in [(1, 0), (1, 1), (2, 0)]]
    for a, b in itertools.combinations(plans, 2):
        assert [p.tolist() for p in a] != [p.tolist() for p in b]
        assert {frozenset(p.tolist()) for p in a} != {frozenset(p.tolist()) for p in b}
    longest = [max(sizes[p]) for p in plans[0]]
    assert longest != sorted(longest), "not the short ones first"


@pytest.mark.parametrize("tokens", [1000, 4000])
@pytest.mark.parametrize(("middle", "spread"), [(3.0, 0.7), (6.0, 0.4)])
def test_little_is_padding(tokens: int, middle: float, spread: float) -> None:
    """Lengths as of sentences (median 20, up to 300) and of utterances (median 400, up to 2000)."""
    sizes = np.maximum(1, np.random.default_rng(0).lognormal(middle, spread, 10_000)).astype(int)
    plan = shuffled(sizes, tokens, 0, 1, 0)
    padded = sum(len(p) * sizes[p].max() for p in plan)
    assert 1 - sizes.sum() / padded < 0.08  # 0.01 to 0.05; without buckets 0.4 and more
    random = np.array_split(np.random.default_rng(0).permutation(len(sizes)), len(plan))
    assert 1 - sizes.sum() / sum(len(p) * sizes[p].max() for p in random) > 0.1, "the bound says something"
    fixed = _in_order(sizes, tokens)
    assert 1 - sizes.sum() / sum(len(p) * sizes[p].max() for p in fixed) < 0.03


def _in_order(sizes: np.ndarray, tokens: int) -> list[np.ndarray]:
    examples = Examples([np.zeros(n, dtype=np.int8) for n in sizes])
    return [index.numpy() for index, _ in one_pass(examples, tokens=tokens)]


def test_predictions_go_back_to_their_places() -> None:
    lengths = [3, 0, 7, 1, 3, 9, 2]
    examples, found = numbered(lengths), torch.full((7,), -1)
    for index, batch in one_pass(examples, rows=3):
        found[index] = batch.x.sum(1)
    assert found.tolist() == [(i + 1) * n for i, n in enumerate(lengths)]


@pytest.mark.parametrize("kind", ["lists", "arrays", "tensors"])
def test_vectors_classes_and_other_sequences(kind: str) -> None:
    make: dict[str, Any] = {"lists": lambda v: v, "arrays": np.array, "tensors": torch.tensor}
    x = [make[kind](v) for v in ([[1.5, 2.5]], [[3.0, 4.0], [5.0, 6.0]])]
    for y, labels, wanted, targets in (
        ([2, 0], "row", [2, 0], None),
        ([[1, 0, 1], [0, 0, 0]], "row", [[1, 0, 1], [0, 0, 0]], None),
        ([[7, 8, 9], [4]], "sequence", [[7, 8, 9], [4, IGNORED, IGNORED]], [3, 1]),
        ([[1], [2, 3]], "step", [[1, IGNORED], [2, 3]], None),
        ([[[0.5]], [[1.5], [2.5]]], "step", [[[0.5], [IGNORED]], [[1.5], [2.5]]], None),
    ):
        batch = Examples(x, [make[kind](v) for v in y], labels, condition=[[1.0], [2.0]]).batch([0, 1])
        assert batch.x.dtype is torch.float32
        assert batch.x.tolist() == [[[1.5, 2.5], [0, 0]], [[3, 4], [5, 6]]]
        assert batch.y is not None
        assert batch.y.tolist() == wanted
        assert batch.y.dtype is (
            torch.float32 if isinstance(wanted[0], list) and wanted[0][0] == [0.5] else torch.int64
        )
        assert (None if batch.targets is None else batch.targets.tolist()) == targets
        assert batch.lengths is not None
        assert batch.lengths.tolist() == [1, 2]
        assert batch.condition is not None
        assert batch.condition.tolist() == [[1], [2]]


def test_without_labels_and_with_empty_sequences() -> None:
    batch = Examples([[], [3], np.array([], dtype=np.uint8)]).batch([0, 2])
    assert batch.y is None
    assert batch.x.tolist() == [[0], [0]]  # one step at least
    assert batch.x.dtype is torch.int64
    empty = Examples([np.zeros((0, 4))]).batch([0])
    assert empty.x.dtype is torch.float32
    assert empty.x.shape == (1, 1, 4)


def test_a_long_y_counts_as_well() -> None:
    examples = Examples([[1], [1], [1, 1]], [[1] * 9, [1], [1]], "sequence")
    assert sorted(index.tolist() for index, _ in one_pass(examples, tokens=9)) == [[0], [1, 2]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([],), "there are no sequences"),
        (([[1]], [[1]], "words"), "labels is one of row, step, sequence, found 'words'"),
        (([[1], [2]], [1]), "there are 2 sequences x and 1 of y"),
        (([[1], [2]], [1, 2], "row", [[1.0]]), "there are 2 sequences x and 1 of condition"),
        (([[1], [1, 2]], [[1], [1]], "step"), "sequence 1 has 2 steps and 1 labels"),
        (([[1], [[1, 2]]],), r"x of sequence 1 is \[1, 2\], that of sequence 0 \[1\]"),
        (([[[1.0, 2.0]], [[1.0]]],), r"x of sequence 1 is \[1, 1\], that of sequence 0 \[1, 2\]"),
        (([[1], [1]], [[1, 0], [1]]), "y of sequence 1"),
        (([1, 2],), "x of sequence 0"),
    ],
)
def test_sequences_that_do_not_fit(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(BucketError, match=message):
        Examples(*arguments)


def test_a_batch_needs_a_size() -> None:
    with pytest.raises(BucketError, match="say how large a batch is"):
        next(batches(numbered([1])))
    with pytest.raises(BucketError, match="say how large a batch is"):
        next(one_pass(numbered([1]), rows=-1))
