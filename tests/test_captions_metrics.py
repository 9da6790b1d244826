"""BLEU and CIDEr-D of captions by characters: properties first, then sacrebleu's BLEU and a small sum by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest
import sacrebleu
from hypothesis import given
from hypothesis import strategies as st

from rondo.tasks.captions.metrics import CiderD, MeasureError, bleu, likeness, measures, ngrams, sentence_bleu

SENTENCES = st.text("一二三四五狗", min_size=1, max_size=12)
REFERENCES = st.lists(SENTENCES, min_size=1, max_size=4)
PAIRS = st.lists(st.tuples(SENTENCES, REFERENCES), min_size=1, max_size=6)


def test_runs_of_characters() -> None:
    assert ngrams("狗狗跑", 1) == {"狗": 2, "跑": 1}
    assert ngrams("狗狗跑", 2) == {"狗狗": 1, "狗跑": 1}
    assert not ngrams("狗", 2)


@given(PAIRS)
def test_bleu_is_that_of_sacrebleu(pairs: list[tuple[str, list[str]]]) -> None:
    """Where every candidate has as many references: sacrebleu wants them as columns."""
    least = min(len(r) for _, r in pairs)
    candidates = [c for c, _ in pairs]
    references = [r[:least] for _, r in pairs]
    spaced = [" ".join(c) for c in candidates]
    columns = [[" ".join(r[k]) for r in references] for k in range(least)]
    found = bleu(candidates, references)
    for order in range(1, 5):
        scorer = sacrebleu.metrics.BLEU(tokenize="none", smooth_method="none", max_ngram_order=order)
        assert found[order - 1] == pytest.approx(scorer.corpus_score(spaced, columns).score, abs=1e-6)


@given(PAIRS)
def test_both_are_within_their_bounds_and_blind_to_order(pairs: list[tuple[str, list[str]]]) -> None:
    candidates, references = [c for c, _ in pairs], [r for _, r in pairs]
    assert all(0 <= v <= 100 + 1e-9 for v in bleu(candidates, references))
    scores = CiderD(references).scores(candidates)
    assert all(0 <= v <= 10 + 1e-9 for v in scores)
    turned = CiderD([r[::-1] for r in references[::-1]]).scores(candidates[::-1])
    assert scores == pytest.approx(turned[::-1])
    assert bleu(candidates, references) == pytest.approx(bleu(candidates[::-1], [r[::-1] for r in references[::-1]]))


def test_what_is_said_as_a_reference_says_it_is_best() -> None:
    references = [["一只狗在跑步"], ["两个人在打球"], ["孩子在海边玩"]]
    same = [r[0] for r in references]
    assert bleu(same, references) == pytest.approx([100] * 4)
    assert CiderD(references).scores(same) == pytest.approx([10] * 3)
    assert CiderD(references).corpus(same) == pytest.approx(1000)
    others = same[1:] + same[:1]
    assert max(CiderD(references).scores(others)) < 1


def test_a_short_candidate_is_paid_for() -> None:
    assert bleu(["一二三"], [["一二三四五六"]], 1) == pytest.approx([100 * math.exp(1 - 6 / 3)])
    assert bleu(["一二三"], [["一二三四五六", "一二"]], 1) == pytest.approx([100])  # 二 of the two lengths is closer
    assert bleu([""], [["一"]], 1) == [0]


def test_cider_d_by_hand() -> None:
    """One character each: only n = 1 counts; 狗 is in one of two pictures, weight log 2."""
    scorer = CiderD([["狗"], ["人"]])
    assert scorer.scores(["狗", "狗"]) == pytest.approx([10 / 4, 0])
    # twice the same: the count is clipped, and the length differs by one
    wanted = 10 / 4 * math.exp(-1 / 72) * min(2, 1) * 1 / 2
    assert scorer.score("狗狗", 0) == pytest.approx(wanted)


def test_what_stands_in_every_picture_says_nothing() -> None:
    scorer = CiderD([["一狗"], ["一人"]])
    assert scorer.score("一", 0) == 0


def test_measures_belong_together() -> None:
    assert measures(["一狗"], [["一狗"]])["bleu_2"] == 100.0
    for wrong in (lambda: bleu(["一"], []), lambda: CiderD([["一"]]).scores([])):
        with pytest.raises(MeasureError, match="candidates and references"):
            wrong()


@given(st.lists(st.text("一二三四", min_size=1, max_size=9), min_size=1, max_size=6, unique=True))
def test_likeness_is_the_bleu_of_each_sentence_by_each(sentences: list[str]) -> None:
    found = likeness(sentences)
    for row, candidate in zip(found, sentences, strict=True):
        assert row.tolist() == pytest.approx([sentence_bleu(candidate, [s]) / 100 for s in sentences])
    np.testing.assert_array_equal(found, likeness([[ord(c) for c in s] for s in sentences]))  # symbols do as well
