"""Bags of n-grams: what they learn, what they forget, and what they refuse."""

import json
import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.models.bag import KINDS, Bag, BagError, ngrams

GOOD, BAD = ["the good one", "good good day", "a good word"], ["the bad one", "bad bad day", "a bad word"]
WORDS = [text.split() for text in GOOD + BAD] * 4
CLASSES = ([1] * 3 + [0] * 3) * 4
SMALL = {"buckets": 1 << 10, "penalty": 0.1}


def bag(kind: str) -> Bag:
    return Bag.fit(WORDS, [2.0 * y - 1 for y in CLASSES] if kind in ("ridge", "mean") else CLASSES, kind, **SMALL)


def test_ngrams_are_all_runs_and_symbols_may_be_anything():
    assert list(ngrams("abc", 1, 2)) == ["a", "b", "c", "a\x1fb", "b\x1fc"]
    assert list(ngrams([1, 2], 2, 3)) == ["1\x1f2"]
    assert list(ngrams([], 1, 2)) == []


@pytest.mark.parametrize("kind", ["bayes", "logistic"])
def test_a_word_that_tells_the_class_is_learned(kind):
    p = bag(kind).probabilities([["good"], ["bad"], []])
    assert p[0, 1] > 0.7
    assert p[1, 0] > 0.7
    assert p[2].tolist() == pytest.approx([0.5, 0.5], abs=0.05)  # both classes were as frequent


def test_ridge_learns_numbers_and_its_mean_is_that_of_the_answers():
    scores = bag("ridge").scores([["good"], ["bad"]])[:, 0]
    assert scores[0] > 0.3
    assert scores[1] < -0.3
    assert bag("mean").scores([["good"]])[0, 0] == pytest.approx(0, abs=1e-6)


def test_the_commonest_class_looks_at_nothing():
    found = Bag.fit(WORDS, [0] + [1] * (len(WORDS) - 1), "common").probabilities([["good"], []])
    assert found.argmax(1).tolist() == [1, 1]
    assert torch.equal(found[0], found[1])


def test_naive_bayes_is_the_formula():
    found = Bag.fit([["a"], ["a"], ["b"]], [0, 0, 1], "bayes", high=1, buckets=1 << 16)
    # two buckets seen: p(a | 0) = (2 + 1/2) / (2 + 1), p(a | 1) = (0 + 1/2) / (1 + 1), priors 2.5 and 1.5
    expected = math.log(2.5 / 1.5) + math.log((2.5 / 3) / (0.5 / 2))
    scores = found.scores([["a"]])[0]
    assert float(scores[0] - scores[1]) == pytest.approx(expected, abs=0.02)  # weights are rounded to a byte
    assert torch.equal(found.scores([["c"]]), found.scores([[]]))  # never seen: does not count


def test_what_few_sequences_have_does_not_count():
    found = Bag.fit([*WORDS, ["rare", "good"]], [*CLASSES, 0], "bayes", least=2, **SMALL)
    assert torch.equal(found.scores([["rare"]]), found.scores([[]]))


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.text(max_size=3), max_size=5), min_size=1, max_size=4), st.sampled_from(KINDS))
def test_json_gives_the_same_scores_and_rows_do_not_touch_each_other(sequences, kind):
    known = bag(kind)
    again = Bag.from_json(json.loads(json.dumps(known.to_json())))
    together = known.scores(sequences)
    assert torch.equal(again.scores(sequences), together)
    apart = torch.cat([known.scores([s]) for s in sequences])
    torch.testing.assert_close(apart, together)  # sums in another order


def test_order_within_n_does_not_matter_for_single_symbols():
    one = Bag.fit(WORDS, CLASSES, "logistic", high=1, **SMALL)
    torch.testing.assert_close(one.scores([["good", "day"]]), one.scores([["day", "good"]]))


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("forest", {}, "a bag is one of"),
        ("bayes", {"low": 3, "high": 2}, "n-grams have"),
        ("bayes", {"buckets": 0}, "buckets"),
    ],
)
def test_what_makes_no_bag_is_refused(kind, options, message):
    with pytest.raises(BagError, match=message):
        Bag.fit(WORDS, CLASSES, kind, **options)
    with pytest.raises(BagError, match="an answer to each"):
        Bag.fit(WORDS, CLASSES[1:], "bayes")


@pytest.mark.parametrize(
    "change",
    [
        {"weights": "!"},
        {"weights": ""},
        {"scales": [1.0]},
        {"bias": [0.0]},
        {"outputs": "many"},
        {"kind": "forest"},
        {"high": 0},
    ],
)
def test_a_damaged_bag_is_refused(change):
    with pytest.raises(BagError, match="no bag of n-grams"):
        Bag.from_json(bag("logistic").to_json() | change)
    with pytest.raises(BagError):
        Bag.from_json([])
