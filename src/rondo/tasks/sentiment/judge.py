"""A trained model asked about many texts at once, in batches of about equal length."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rondo.data.bucket import Examples, one_pass
from rondo.files import FileError
from rondo.models.store import load_task
from rondo.tasks.sentiment.beside import Beside
from rondo.tasks.sentiment.data import EDGES, LABELS, hide
from rondo.tasks.sentiment.explain import Bools, Floats, contributions, groups
from rondo.tasks.sentiment.model import MIDDLE, SentimentModel
from rondo.tasks.sentiment.text import UNKNOWN, Ints, Reader, Span

TOKENS = 8192  # pieces of a batch, padding included
STRETCH = 1.2  # at which strengths agree best with people's on the validation texts
NEGATIVE, POSITIVE = LABELS.index("negative"), LABELS.index("positive")


@dataclass(frozen=True)
class Answered:
    """Of N questions: polarity [N, 3] in the order of `data.LABELS` and stars [N, 5] as probabilities, valence [N];
    tags: of each, p of no target, its begin, its inside [T, 3]."""

    polarity: Floats
    stars: Floats
    valence: Floats
    tags: list[Floats]


class Judge:
    """A model of sentiment and its reader."""

    def __init__(self, model: SentimentModel, reader: Reader, beside: Beside | None = None) -> None:
        self.model, self.reader, self.beside = model.eval(), reader, beside

    @classmethod
    def load(cls, name: Path | str) -> Judge:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
        model, about = load_task(name, "sentiment", SentimentModel, "model of sentiment")
        try:
            reader = Reader.from_json(about["reader"])
        except (KeyError, ValueError) as error:
            raise FileError(f"{name} is no model of sentiment: {error}") from None
        if reader.sizes != list(model.arguments["input"]):
            raise FileError(f"{name} is no model of sentiment: its reader has other symbols than its network")
        return cls(model, reader, Beside.of(about, reader.language))

    @torch.no_grad()
    def answers(self, questions: Sequence[Ints]) -> Answered:
        """What the model says to each text with its question, symbols [T, k] as `Reader.encode` gives them."""
        count = len(questions)
        polarity, stars, valence = np.zeros((count, 3)), np.zeros((count, 5)), np.zeros(count)
        tags: list[Floats] = [np.zeros((0, 3))] * count
        for index, batch in one_pass(Examples(questions), tokens=TOKENS) if count else ():
            scores, h = self.model(batch.x, batch.lengths)
            found, found_tags = self.model.answers(scores), self.model.tagger(h).softmax(2).double().numpy()
            rows = index.numpy()
            polarity[rows], stars[rows] = found.polarity.double().numpy(), found.stars.double().numpy()
            valence[rows] = found.valence.double().numpy()
            for row, p in zip(rows.tolist(), found_tags, strict=True):
                tags[row] = p[: len(questions[row])]
        return Answered(polarity, stars, valence, tags)

    def explain(self, x: Ints, count: int, pairs: int) -> Floats:
        """The contribution of each piece [T] of a text, symbols [T, k], to the log-odds of positive against negative;
        pieces in `count` groups share that of their group. They add up to the log-odds less those of unknown pieces."""
        runs = groups(len(x), count)
        sizes = np.array([len(r) for r in runs])
        owner = np.repeat(np.arange(len(runs)), sizes)
        gains = contributions(lambda shown: self.odds(x, shown[:, owner]), len(runs), pairs)
        shared: Floats = (gains / sizes)[owner]
        return shared

    @torch.no_grad()
    def odds(self, x: Ints, shown: Bools) -> Floats:
        """The log-odds of a text for each row of `shown` [N, T]: the pieces that are not shown are made unknown."""
        found, rows, symbols = [], max(1, TOKENS // len(x)), torch.from_numpy(x)
        for part in np.split(shown, range(rows, len(shown), rows)):
            hidden = torch.from_numpy(~part)
            scores, _ = self.model(hide(symbols.expand(len(part), -1, -1), hidden))
            found.append(log_odds(self.model.answers(scores).polarity.double().numpy()))
        return np.concatenate(found)


def log_odds(polarity: Floats) -> Floats:
    """log p(positive) - log p(negative) of each row [N, 3]."""
    p = np.maximum(polarity, np.finfo(np.float32).tiny)
    found: Floats = np.log(p[:, POSITIVE]) - np.log(p[:, NEGATIVE])
    return found


def grades(valence: Floats | float) -> Ints:
    """The strengths 0-4 that valences come to: which EDGES each passes, stretched about the middle first, since an
    estimate varies less than what it estimates. Unlike the likeliest star they never contradict the valence."""
    found: Ints = np.digitize(MIDDLE + STRETCH * (np.asarray(valence) - MIDDLE), EDGES)
    return found


def knows(x: Ints) -> bool:
    """Whether any piece of a text, symbols [T, k], is known."""
    return bool((x[:, 0] != UNKNOWN).any())


def targets(pieces: Sequence[Span], tags: Floats) -> list[Span]:
    """The targets that a tagging finds, [start, end): pieces that are likelier inside one than not. One begins at the
    first of them, and wherever a begin is likelier than a going on."""
    found: list[Span] = []
    inside = False
    for (start, end), (out, begin, within) in zip(pieces, tags.tolist(), strict=True):
        taken = out < 0.5
        if taken and inside and begin < within:
            found[-1] = (found[-1][0], end)
        elif taken:
            found.append((start, end))
        inside = taken
    return found
