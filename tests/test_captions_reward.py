"""Training captions by reward: the gradient is that of the expected reward, and sentences get better by it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sacrebleu
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rondo.data.batch import IGNORED, Batch
from rondo.data.vocab import Characters
from rondo.tasks.captions import reward
from rondo.tasks.captions.config import CaptionsConfig
from rondo.tasks.captions.data import END, sentences_batch
from rondo.tasks.captions.metrics import CiderD, sentence_bleu
from rondo.tasks.captions.model import Captioner
from rondo.tasks.captions.reward import Reward, draw, sentence_nats
from rondo.tasks.captions.train import train
from rondo.train.fit import fit

VOCAB = Characters(["\ufffd", *"一只狗在海", END])
SAID = [["一只狗", "狗在海"], ["海", "在海在"]]


def captioner(seed: int = 0, symbols: int = len(VOCAB), **options: Any) -> Captioner:
    torch.manual_seed(seed)
    model = Captioner("gru", symbols, 6, 8, embed=7, width=5, end=symbols - 1, **options)
    for p in model.parameters():
        torch.nn.init.uniform_(p, -0.7, 0.7)
    return model


def asked(seed: int = 0) -> Batch:
    """The two pictures with their sentences."""
    x, y = sentences_batch([[VOCAB.encode(s) for s in own] for own in SAID], len(VOCAB) - 1)
    return Batch(x, y, condition=torch.rand(2, 3, 6, generator=torch.Generator().manual_seed(seed)) + 0.1)


@given(st.text("一二三狗", min_size=1, max_size=9), st.lists(st.text("一二三狗", min_size=1, max_size=9), min_size=1))
def test_the_bleu_of_a_sentence_is_that_of_sacrebleu(candidate: str, references: list[str]) -> None:
    scorer = sacrebleu.metrics.BLEU(tokenize="none", smooth_method="add-k", smooth_value=1)
    if len(candidate) >= 4:  # of a shorter one sacrebleu leaves out the orders that it cannot have
        spaced = scorer.sentence_score(" ".join(candidate), [" ".join(r) for r in references])
        assert sentence_bleu(candidate, references) == pytest.approx(spaced.score, abs=1e-6)
    assert sentence_bleu(references[0], references) == pytest.approx(100)
    assert sentence_bleu("四", references) == 0


def test_rewards_count_the_end_and_are_those_of_the_measures() -> None:
    own, labels = Reward(VOCAB, SAID, 2), asked().labels
    drawn = [[VOCAB.encode("一只狗").tolist(), VOCAB.encode("狗").tolist()], [VOCAB.encode("海").tolist(), []]]
    found = own.rewards(drawn, labels)
    scorer = CiderD([[r + END for r in one] for one in SAID])
    for k, l in itertools.product(range(2), range(2)):
        text, refs = VOCAB.decode(drawn[k][l]) + END, [r + END for r in SAID[k]]
        expected = scorer.score(text, k) + reward.BLEU_SHARE * sentence_bleu(text, refs) / 10
        assert float(found[k, l]) == pytest.approx(expected, abs=1e-5)
    assert found[0, 0] > found[0, 1]


def test_the_loss_of_sentences_is_what_the_model_says_of_them() -> None:
    model = captioner().eval()
    batch = asked()
    found = sentence_nats(model, batch)
    torch.testing.assert_close(found.detach(), model.nats(batch).sum(2), rtol=1e-5, atol=1e-5)


def test_what_is_drawn_comes_as_often_as_the_model_says() -> None:
    torch.manual_seed(5)
    model, features = captioner(symbols=3), torch.rand(1, 2, 6)
    rows = draw(model.train(), features, 4000)[0]
    assert model.training
    for sentence in ([0], [1], [0, 1]):
        x, y = sentences_batch([[np.array(sentence)]], model.end)
        model.eval()
        p = float((-model.nats(Batch(x, y, condition=features)).sum()).exp())
        seen = sum(row == sentence for row in rows) / len(rows)
        assert abs(seen - p) < 5 * (p / len(rows)) ** 0.5 + 1e-3  # five deviations


def test_the_gradient_is_that_of_the_expected_reward(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sentences of at most two characters of three symbols: all can be listed. The mean of the estimate over every
    pair of them, each as likely as it is, is the gradient of minus the expected reward."""
    vocab = Characters(["\ufffd", "狗", END])
    model = captioner(symbols=3).double().eval()
    x, y = sentences_batch([[vocab.encode("狗")]], 2)
    batch = Batch(x, y, condition=torch.rand(1, 2, 6, dtype=torch.float64))
    every: list[list[int]] = [[]]
    for n in (1, 2, 3):
        every += [list(s) for s in itertools.product((0, 1), repeat=n)]
    own = Reward(vocab, [["狗"], ["狗狗"]], 2)
    rewards = own.rewards([every], y)[0].double()

    def all_nats() -> Tensor:
        a, b = sentences_batch([[np.array(s, dtype=np.int64) for s in every]], 2)
        return sentence_nats(model, Batch(a, b, condition=batch.condition))[0]

    chances = (-all_nats()).exp()
    chances = chances / chances.sum()  # of the listed ones alone
    (-(chances * rewards).sum()).backward()
    expected = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    nats = all_nats() + torch.logsumexp(-all_nats(), 0)  # -log of the chance among the listed
    weight = chances.detach()[:, None] * chances.detach()[None]  # of the pair (j, k)
    gap = rewards[:, None] - rewards[None]
    (0.5 * (weight * gap * (nats[:, None] - nats[None])).sum()).backward()  # half: the mean over a pair's two
    for n, p in model.named_parameters():
        if n in expected:
            torch.testing.assert_close(p.grad, expected[n], rtol=1e-6, atol=1e-9)
    # and that is what the loss is of one drawn pair
    pair = [every[1], every[2]]
    monkeypatch.setattr(reward, "draw", lambda *_: [pair])
    loss = own(model, batch)
    a, b = own.rewards([pair], y)[0]
    own_nats = sentence_nats(model, _of(pair, batch))[0]
    total = (a - b) * (own_nats[0] - own_nats[1]) + reward.PLAIN * model.cross_entropy(batch).total
    torch.testing.assert_close(loss.total, total.to(loss.total.dtype), rtol=1e-5, atol=1e-6)
    assert float(loss.nats) == pytest.approx(-float(a + b))
    assert loss.count == 2


def _of(pair: list[list[int]], batch: Batch) -> Batch:
    x, y = sentences_batch([[np.array(s, dtype=np.int64) for s in pair]], 2)
    return Batch(x, y, condition=batch.condition)


def test_sentences_get_better_by_reward_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reward, "PLAIN", 0.0)
    torch.manual_seed(0)
    model = captioner(feature_dropout=0.1).train()
    model.reward = Reward(VOCAB, SAID, 5)
    config = CaptionsConfig(samples=5, after="a run", steps=70, lr=0.04, warmup=1, weight_decay=0.0)
    records = list(fit(model, itertools.repeat(asked()), config))
    first, last = (np.mean([-r.loss for r in part]) for part in (records[:10], records[-10:]))
    assert last > first + 1  # of 20
    assert model.eval().loss(asked()).count == int((asked().labels != IGNORED).sum())  # measured, it is plain again


@pytest.mark.parametrize("wrong", [{"samples": 1}, {"samples": -1}, {"samples": 5, "kind": "eye"}])
def test_settings_that_do_not_go_together(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="training by reward"):
        CaptionsConfig(**wrong)


def test_a_new_model_is_not_trained_by_reward(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="--after RUN"):
        train(tmp_path, CaptionsConfig(samples=5), tmp_path / "run")
