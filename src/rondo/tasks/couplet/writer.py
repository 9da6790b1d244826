"""The couplet writer: lines drawn to demands, and how good an answer is.

Many answers are drawn side by side under masks that hold the rules (`rondo.tasks.couplet.rules`), then ranked by

    log p(answer | given)  +  BACK log p(given | answer)  +  GAIN (log p(answer | given) - log p(answer))
        +  FACING agreement  -  BROKEN share of words of the given line where the answer has none

logarithms as means per character, all four by the same model: it answers in both directions, and a line of blanks tells
it nothing. BACK and GAIN keep the answer to its line (maximum mutual information, Li et al. 2016, arXiv:1510.03055, eq.
9 and 12) and off what could be said to anything. Agreement (word classes) and words come from `Usage`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rondo.data.batch import Batch
from rondo.data.vocab import Characters
from rondo.files import FileError
from rondo.models.seq2seq import Seq2Seq
from rondo.models.store import load_task_model
from rondo.search.sample import sample
from rondo.tasks.couplet.data import (
    BACKWARD,
    BLANK,
    COMMA,
    FORWARD,
    SPECIAL,
    Floats,
    Ints,
    aligned,
    flag,
    without_commas,
)
from rondo.tasks.couplet.rules import LOWER, Alphabet, Demand, PairMask, classes, misplaced, places
from rondo.tasks.couplet.usage import Usage
from rondo.tasks.couplet.words import SAD
from rondo.verse.abuse import rude

TOP_K = 48  # characters that a draw chooses among
BACK, GAIN, FACING, BROKEN = 0.5, 0.3, 0.5, 1.0


@dataclass(frozen=True)
class Draft:
    """An answer as it was drawn: its characters without commas, and its scores."""

    demand: Demand
    answer: tuple[str, ...]
    scores: dict[str, float]

    @property
    def lines(self) -> tuple[str, str]:
        """The first and the second line, with their commas."""
        pair = tuple("".join(self.demand.spread(chars)) for chars in (self.demand.given, self.answer))
        return (pair[0], pair[1]) if self.demand.role == LOWER else (pair[1], pair[0])

    def differs(self, other: Draft) -> int:
        """At how many places two answers differ."""
        return sum(a != b for a, b in zip(self.answer, other.answer, strict=True))


class Writer:
    """A trained model of couplets."""

    def __init__(self, model: Seq2Seq, vocab: Characters, usage: Usage) -> None:
        self.model, self.vocab, self.usage = model, vocab, usage
        self.alphabet = Alphabet(vocab)

    @classmethod
    def load(cls, path: Path | str = "couplet") -> Writer:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
        model, vocab, about = load_task_model(path, "couplet", Seq2Seq, "model of couplets")
        try:
            usage = Usage.from_json(about["usage"], len(vocab))
        except (KeyError, ValueError) as error:
            raise FileError(f"{path} is no model of couplets: {error}") from None
        if "".join(vocab.symbols[: len(SPECIAL)]) != SPECIAL:
            raise FileError(f"{path} is no model of couplets: its vocabulary is another")
        return cls(model, vocab, usage)

    def draw(
        self, demands: Sequence[Demand], which: Sequence[int], kinds: Sequence[str], temperature: float, seed: int
    ) -> list[tuple[str, ...]]:
        """An answer for each row: row n is written to demands[which[n]], as a couplet of the kind kinds[n]. All demands
        have the same parts."""
        tables = [places(d, self.alphabet) for d in demands]
        x = np.stack([self._source(demands[k], kind) for k, kind in zip(which, kinds, strict=True)])
        found = sample(
            self.model.predictor(Batch(torch.from_numpy(x))),
            torch.full((len(x), 2), self.model.begin),  # it is read at the flag, and before the first character
            x.shape[1] - 1,
            temperature=temperature,
            top_k=TOP_K,
            seed=seed,
            masks=[PairMask(tables, which)],
        ).symbols[:, 0]
        return [self._characters(row, demands[k]) for row, k in zip(found.tolist(), which, strict=True)]

    def _source(self, demand: Demand, kind: str) -> Ints:
        """The given line behind its flag, with its commas, blanks where it is not known."""
        line = "".join(demand.spread([c or BLANK for c in demand.given]))
        return self.vocab.encode(flag(direction(demand), kind) + line)

    def _characters(self, symbols: Sequence[int], demand: Demand) -> tuple[str, ...]:
        """The characters of a line of symbols; what was fixed as it was given, whatever the vocabulary has."""
        chars = [self.vocab.symbols[s] for k, s in enumerate(symbols) if k not in demand.commas]
        return tuple(demand.fixed[first] or c for c, first in zip(chars, classes(demand), strict=True))

    def rank(self, answers: Sequence[tuple[Demand, tuple[str, ...]]], kind: str = "") -> list[Draft]:
        """Answers, all of the same parts, with their scores: the best first."""
        given = self._symbols([(demand, demand.given) for demand, _ in answers])
        answer = self._symbols(answers)
        flags = np.array([direction(demand) for demand, _ in answers])
        blanks = np.where(given == SPECIAL.index(COMMA), given, SPECIAL.index(BLANK))
        forward, backward, alone = self.means(
            [(given, answer, flags), (answer, given, 1 - flags), (blanks, answer, flags)], kind
        )
        real = given != SPECIAL.index(COMMA)
        facing = (self.usage.agreement(given, answer) * real).sum(1) / real.sum(1)
        inside = real[:, :-1] & real[:, 1:]
        broken = self.usage.joined(given) & ~self.usage.joined(answer) & inside
        words = broken.sum(1) / np.maximum(inside.sum(1), 1)
        total = forward + BACK * backward + GAIN * (forward - alone) + FACING * facing - BROKEN * words
        names = ("total", "forward", "backward", "alone", "facing", "broken")
        table = np.stack([total, forward, backward, alone, facing, words], 1)
        drafts = [
            Draft(demand, chars, dict(zip(names, map(float, row), strict=True)))
            for (demand, chars), row in zip(answers, table, strict=True)
        ]
        return sorted(drafts, key=lambda d: -d.scores["total"])

    def likelihood(self, answers: Sequence[tuple[Demand, tuple[str, ...]]], kind: str = "") -> Floats:
        """The mean log-probability of a character of each answer, given what is known of the other line."""
        given = self._symbols([(demand, demand.given) for demand, _ in answers])
        flags = np.array([direction(demand) for demand, _ in answers])
        return self.means([(given, self._symbols(answers), flags)], kind)[0]

    @torch.no_grad()
    def scores(self, demand: Demand, line: Sequence[str]) -> Floats:
        """The scores [T, V] of every symbol at each place of an answer, commas included, after what stands before."""
        given, answer = self._symbols([(demand, demand.given)]), self._symbols([(demand, tuple(line))])
        flags, sizes = self.vocab.encode(flag(direction(demand))), np.array([given.shape[1]])
        found: Floats = self.model(aligned(given, answer, flags, sizes))[0, 1:].double().numpy()
        return found

    def _symbols(self, lines: Sequence[tuple[Demand, tuple[str, ...]]]) -> Ints:
        return np.stack([self.vocab.encode("".join(d.spread([c or BLANK for c in chars]))) for d, chars in lines])

    @torch.no_grad()
    def means(self, questions: Sequence[tuple[Ints, Ints, Ints]], kind: str = "") -> list[Floats]:
        """The mean log-probability of a character of each answer [N], commas left out, for several questions at once:
        (given [N, T], answer [N, T], directions [N])."""
        given, answer, way = (np.concatenate(part) for part in zip(*questions, strict=True))
        flags = self.vocab.encode("".join(flag(d, kind) for d in way))
        batch = without_commas(aligned(given, answer, flags, np.full(len(given), given.shape[1])))
        nats = self.model.nats(batch)
        counted = (batch.labels >= 0).sum(1)
        return np.split((-nats.sum(1) / counted).double().numpy(), len(questions))


def direction(demand: Demand) -> int:
    """From which line to which the model is to answer; a line that was given in the wrong role is read in its own."""
    return FORWARD if (demand.role == LOWER) != misplaced(demand) else BACKWARD


def decent(line: Sequence[str], demand: Demand, cheerful: bool) -> bool:
    """Whether what was written, not what was asked for, is fit to be shown; a cheerful couplet has no mourning."""
    text = "".join(" " if fixed else c for c, fixed in zip(line, demand.fixed, strict=True))
    return not rude(text) and not (cheerful and SAD.search(text))


def diverse(drafts: Sequence[Draft], count: int, free: int) -> list[Draft]:
    """The best ones: first those that differ from all better ones in half of their free places, then those that do in
    two (in one, if there is one)."""
    kept: list[Draft] = []
    for least in ((free + 1) // 2, 2, 1):
        for draft in drafts:
            if len(kept) < count and all(draft.differs(other) >= max(least, min(2, free)) for other in kept):
                kept.append(draft)
    return sorted(kept, key=lambda d: -d.scores["total"])
