"""The n-gram floor, against a plain computation."""

from __future__ import annotations

import itertools
from collections import Counter

import numpy as np
import pytest

from rondo.models.ngram import NGram
from rondo.search.sample import sample


def plain(text: list[int], context: tuple[int, ...], w: int, vocabulary: int) -> float:
    """Witten-Bell, as the formula stands."""
    shorter = plain(text, context[1:], w, vocabulary) if context else 1 / vocabulary
    n = len(context)
    after = Counter(text[i + n] for i in range(len(text) - n) if tuple(text[i : i + n]) == context)
    total = sum(after.values())
    return (after[w] + len(after) * shorter) / (total + len(after)) if total else shorter


@pytest.fixture(scope="module")
def text() -> list[int]:
    return np.random.default_rng(0).choice(5, 80, p=[0.5, 0.2, 0.15, 0.1, 0.05]).tolist()


def test_equals_the_plain_formula(text: list[int]) -> None:
    model = NGram(np.array(text), 6, order=3)  # symbol 5 is never seen
    new = [0, 5, 1, 1, 0, 4, 4, 4, 2, 0]
    wanted = [plain(text, tuple(new[max(0, i - 2) : i]), w, 6) for i, w in enumerate(new)]
    np.testing.assert_allclose(model.probabilities(np.array(new)), wanted, rtol=1e-12)
    assert model.bits(np.array(new)) == pytest.approx(-np.log2(wanted).mean())


def test_distribution_is_one_and_agrees(text: list[int]) -> None:
    model = NGram(np.array(text), 6, order=3)
    for context in [(), (5,), (1,), (0, 5), *itertools.product(range(3), repeat=2), (2, 1, 0, 1)]:
        p = model.distribution(context)
        assert p.sum() == pytest.approx(1)
        np.testing.assert_allclose(p, [plain(text, tuple(context[-2:]), w, 6) for w in range(6)], rtol=1e-12)


def test_empty_text_is_uniform() -> None:
    model = NGram(np.array([], dtype=np.int64), 4, order=3)
    np.testing.assert_allclose(model.distribution([1, 2]), 0.25)
    assert model.bits(np.array([1, 2, 3])) == 2.0


def test_too_many_symbols_for_the_order() -> None:
    with pytest.raises(ValueError, match="take a smaller order"):
        NGram(np.array([0]), 100_000, order=5)


def test_sampling_repeats_with_its_seed_and_continues_the_text() -> None:
    model = NGram(np.array([0, 1, 2, 3] * 50), 4, order=3)

    def draw(seed: int, temperature: float) -> list[int]:
        return sample(model, [0, 1], 40, temperature=temperature, seed=seed).best()[0]

    assert draw(1, 0.0) == [2, 3, 0, 1] * 10
    assert draw(1, 3.0) == draw(1, 3.0) != draw(2, 3.0)


def test_banned_symbols_are_never_drawn() -> None:
    model = NGram(np.array([0, 1] * 50), 3, order=2)
    assert set(sample(model, [0], 50, temperature=5.0, seed=1, banned=[1]).best()[0]) == {0, 2}


def test_a_small_temperature_does_not_overflow() -> None:
    model = NGram(np.array([0, 1, 2, 3] * 50), 4, order=3)
    assert sample(model, [0, 1], 4, temperature=1e-9, seed=1).best() == [[2, 3, 0, 1]]
