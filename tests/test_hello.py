"""The lecture's "hello", look by look."""

from __future__ import annotations

import pytest
import torch

from rondo import hello


def test_looks_are_those_of_the_training_with_what_is_spelled() -> None:
    torch.manual_seed(5)
    plain = list(hello.learn(hello.Speller(), 80))
    found = list(hello.looks(5, 80))
    assert [look for look, _ in found] == plain
    assert [look.step for look, _ in found] == list(range(81))
    assert all(len(word) == 5 and word[0] == "h" and set(word) <= set("helo") for _, word in found)
    assert found == list(hello.looks(5, 80))
    assert found != list(hello.looks(6, 80))
    assert found[-1][1] == "hello" != found[0][1]


def test_the_loss_is_the_sum_over_the_targets() -> None:
    look, _ = next(hello.looks(1, 1))
    chances = [row[hello.VOCABULARY.index(c)] for row, c in zip(look.chances, "ello", strict=True)]
    assert look.losses == pytest.approx((-torch.tensor(chances).log()).tolist(), rel=1e-5)
    assert look.loss == pytest.approx(sum(look.losses), rel=1e-6)
