"""Strict scores of entities: found means the same first token, the same last token and the same type.

    precision = right / found,    recall = right / given,    F1 = 2 right / (found + given)

micro over all entities; macro is the mean over the types that are given (or, where none is, found). All are 0 where
there is nothing to divide by, as in conlleval and seqeval.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from rondo.tasks.entities.labels import Span


@dataclass(frozen=True)
class Score:
    """Counts of one type, or of all."""

    right: int
    found: int
    given: int

    @property
    def precision(self) -> float:
        return self.right / self.found if self.found else 0.0

    @property
    def recall(self) -> float:
        return self.right / self.given if self.given else 0.0

    @property
    def f1(self) -> float:
        return 2 * self.right / (self.found + self.given) if self.found + self.given else 0.0

    def to_json(self) -> dict[str, float]:
        return {"precision": self.precision, "recall": self.recall, "f1": self.f1, "given": self.given}


@dataclass(frozen=True)
class Scores:
    """All scores of a text."""

    all: Score
    types: dict[str, Score]

    @property
    def macro(self) -> float:
        return sum(s.f1 for s in self.types.values()) / len(self.types) if self.types else 0.0

    def to_json(self) -> dict[str, object]:
        return {
            **{k: v for k, v in self.all.to_json().items() if k != "given"},
            "macro_f1": self.macro,
            "types": {kind: score.to_json() for kind, score in self.types.items()},
        }


def scores(given: Sequence[Iterable[Span]], found: Sequence[Iterable[Span]]) -> Scores:
    """Of each sentence, the entities that are true and those that were found."""
    totals: dict[str, Counter[str]] = {name: Counter() for name in ("right", "found", "given")}
    for true, guess in zip(given, found, strict=True):
        true, guess = set(true), set(guess)
        for name, part in (("right", true & guess), ("found", guess), ("given", true)):
            totals[name].update(kind for _, _, kind in part)
    kinds = sorted({*totals["found"], *totals["given"]})
    by_type = {k: Score(*(totals[name][k] for name in ("right", "found", "given"))) for k in kinds}
    return Scores(Score(*(totals[name].total() for name in ("right", "found", "given"))), by_type)
