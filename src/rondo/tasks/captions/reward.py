"""Training by reward: sentences are drawn, and those better than the picture's others become likelier.

    L = - sum_k (r(w_k) - mean over j != k of r(w_j)) log p(w_k | picture) - PLAIN log p(humans' sentences | picture)
    w_1 ... w_K drawn from p(. | picture)
    r(w) = CIDEr-D(w) + BLEU_SHARE BLEU-4(w)        both from 0 to 10

Self-critical sequence training (Rennie et al. 2017, arXiv:1612.00563, eq. 7), measured against the mean of the other
samples (Luo 2020, arXiv:2003.09971, eq. 5), beside cross-entropy (Wu et al. 2016, arXiv:1609.08144, eq. 9), which asks
for each character after a human's. The reward asks for whole sentences that agree with five humans; alone it makes the
model say ever the same few. The sign that ends a sentence counts as its last character, so that none is broken off
for its reward.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from rondo.data.batch import IGNORED, Batch
from rondo.data.vocab import Characters
from rondo.models.loss import Loss
from rondo.search.sample import sample
from rondo.tasks.captions.data import END, LONGEST, sentences_batch
from rondo.tasks.captions.metrics import CiderD, sentence_bleu
from rondo.tasks.captions.model import Captioner

BLEU_SHARE, PLAIN = 0.5, 1.0  # tuned on flickr8k-cn valid


class Reward:
    """What a captioner is trained by in place of cross-entropy.

    vocab       the characters, END among them
    references  sentences of the training pictures, which tell how rare each run of characters is
    samples     sentences drawn for each picture, K >= 2
    """

    def __init__(self, vocab: Characters, references: Sequence[Sequence[str]], samples: int) -> None:
        self._vocab, self._samples = vocab, samples
        self._scorer = CiderD([[f"{r}{END}" for r in own] for own in references])

    def __call__(self, model: Captioner, batch: Batch) -> Loss:
        """The loss of P pictures, condition [P, K, C], whose sentences are y [P, S, T]. Reported is minus the mean
        reward; `count` is sentences drawn."""
        assert batch.condition is not None
        drawn = draw(model, batch.condition, self._samples)
        rewards = self.rewards(drawn, batch.labels)
        others = (rewards.sum(1, keepdim=True) - rewards) / (self._samples - 1)
        x, y = sentences_batch([[np.array(s, dtype=np.int64) for s in own] for own in drawn], model.end)
        nats = sentence_nats(model, Batch(x, y, condition=batch.condition))
        plain = model.cross_entropy(batch).total
        return Loss(((rewards - others) * nats).sum() + PLAIN * plain, -rewards.sum(), rewards.numel())

    def rewards(self, drawn: Sequence[Sequence[Sequence[int]]], labels: Tensor) -> Tensor:
        """r of K sentences of each of P pictures, [P, K], against the pictures' own, labels [P, S, T]."""
        found = []
        for own, rows in zip(drawn, labels, strict=True):
            said = [self._vocab.decode(row[row != IGNORED]) for row in rows if (row != IGNORED).any()]
            texts = [self._vocab.decode(s) + (END if len(s) < LONGEST else "") for s in own]
            scores = self._scorer.against(texts, said)
            found.append([c + BLEU_SHARE * sentence_bleu(t, said) / 10 for c, t in zip(scores, texts, strict=True)])
        return torch.tensor(found)


def draw(model: Captioner, features: Tensor, count: int) -> list[list[list[int]]]:
    """`count` sentences of each picture [P, K, C], drawn from the model without dropout by torch's generator."""
    mode, rows = model.training, features.repeat_interleave(count, 0)
    seed = int(torch.randint(1 << 31, (1,)))
    model.eval()
    found = sample(model.predictor(rows), model.prime(len(rows)), LONGEST, seed=seed, end=model.end).best()
    model.train(mode)
    return [found[k : k + count] for k in range(0, len(found), count)]


def sentence_nats(model: Captioner, batch: Batch) -> Tensor:
    """-log p of each sentence, x and y [P, S, T], condition [P, K, C]: [P, S], with its gradient."""
    found = model.head.bias.new_zeros(batch.labels.shape[0] * batch.labels.shape[1])
    for o, y, index in model.taught(batch):
        scores = model.head.scores(o).flatten(0, 1)
        nats = functional.cross_entropy(scores, y.flatten(), ignore_index=IGNORED, reduction="none").view(y.shape)
        found = found.index_add(0, index, nats.sum(1))
    return found.view(batch.labels.shape[:2])
