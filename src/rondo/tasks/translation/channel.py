"""The noisy channel: of the translations that a beam found, the one from which the source would come back.

    score(y) = (log p(y | x) + REVERSE log p(x | y) + LANGUAGE log p(y)) / ((5 + |y|) / 6) ** PENALTY

p(x | y) is said by a model of the other direction, p(y) by a language model of the target's language (Yee, Dauphin &
Auli 2019, arXiv:1908.05731, eq. 3). What leaves out a part of the source, or says it in words that nobody would, falls
behind, though the model itself liked it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from rondo import bundled
from rondo.files import FileError
from rondo.models.seq2seq import Seq2Seq
from rondo.models.store import load_task
from rondo.search.beam import length_penalty
from rondo.tasks.translation.data import batch_of
from rondo.tasks.translation.pieces import Pieces, tidy
from rondo.train.language import LanguageModel, load_language_model

REVERSE, LANGUAGE, PENALTY = 0.2, 0.15, 0.4  # tuned on Tatoeba valid and Multi30k valid
LANGUAGES = {"en": "english"}  # bundled language models of everyday sentences
ROWS = 256  # pairs side by side


@dataclass(frozen=True)
class Read:
    """A source, a translation of it, its pieces with the end, and log p(y | x)."""

    source: str
    target: str
    size: int
    log_p: float


@dataclass(frozen=True)
class Channel:
    """A model of the other direction, and a language model of the target's language where there is one."""

    model: Seq2Seq
    pieces: Pieces
    language: LanguageModel | None = None

    @classmethod
    def load(cls, name: Path | str, direction: str) -> Channel:
        """The model `name` to read translations of a direction back with. Raises FileError."""
        model, about = load_task(name, "translation", Seq2Seq, "model of translation")
        source, target = direction.split("-")
        if (about.get("source"), about.get("target")) != (target, source):
            raise FileError(f"{name} does not translate {target}-{source}, the other direction of {direction}")
        try:
            pieces = Pieces.of_json(about["pieces"])
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileError(f"{name} is no model of translation: {error}") from None
        language = LANGUAGES.get(target, "")
        return cls(model, pieces, load_language_model(language) if language in bundled.names() else None)

    @torch.no_grad()
    def scores(self, read: Sequence[Read]) -> list[float]:
        """The score of each."""
        back, spoken = self._back(read), self._spoken(read)
        return [
            (r.log_p + REVERSE * b + LANGUAGE * s) / length_penalty(r.size, PENALTY)
            for r, b, s in zip(read, back, spoken, strict=True)
        ]

    def _back(self, read: Sequence[Read]) -> list[float]:
        """log p(x | y) of each; pairs of about the same length are read side by side."""
        x = [self.pieces.encode(tidy(r.target)) or [self.pieces.end] for r in read]
        y = [self.pieces.encode(tidy(r.source)) for r in read]
        found, order = [0.0] * len(read), sorted(range(len(read)), key=lambda k: len(x[k]))
        for first in range(0, len(order), ROWS):
            own = order[first : first + ROWS]
            nats = self.model.nats(batch_of([x[k] for k in own], [y[k] for k in own], self.pieces.end)).sum(1)
            for k, n in zip(own, nats.tolist(), strict=True):
                found[k] = -n
        return found

    def _spoken(self, read: Sequence[Read]) -> list[float]:
        """log p(y) of each; 0 without a language model."""
        if self.language is None:
            return [0.0] * len(read)
        texts = list(dict.fromkeys(r.target for r in read))
        found = {t: -sum(nats) for t, (_, nats) in zip(texts, self.language.nats(texts), strict=True)}
        return [found[r.target] for r in read]


def reverse_of(name: Path | str, direction: str) -> str:
    """Of a bundled model the bundled model of the other direction; "" of another model, or where there is none."""
    other = "translation-" + "-".join(reversed(direction.split("-")))
    ours = bundled.model_file(name).parent == bundled.FOLDER
    return other if ours and other in bundled.names() else ""
