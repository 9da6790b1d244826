"""What a bag of n-grams says of the same questions: the baselines, fitted on each data set's own training file.

    polarity   the commonest class; naive Bayes; logistic regression
    stars      the same; where valence is known, the strength that ridge regression's valence stands for
    valence    the mean; ridge regression

Of characters (English: words) and pairs of them. Where a target is asked about, its own characters are counted beside
those of the text. They travel in the model file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rondo.models.bag import Bag, BagError
from rondo.tasks.sentiment.data import Question, Text, stars_of
from rondo.tasks.sentiment.text import split

KINDS = {
    "polarity": ("common", "bayes", "logistic"),
    "stars": ("common", "bayes", "logistic"),
    "valence": ("mean", "ridge"),
}
LEAST = 2  # texts that have an n-gram, else it does not count
PENALTY = 1.0
Bags = dict[str, dict[str, dict[str, Bag]]]  # data set -> what is asked -> kind


@dataclass(frozen=True)
class Asked:
    """Questions and the sequences that bags read of them."""

    questions: list[Question]
    sequences: list[list[str]]


def asked(texts: Sequence[Text], language: str) -> Asked:
    """All questions of texts."""
    questions, sequences = [], []
    for text in texts:
        units = [unit for _, unit in split(text.text, language)]
        for question in text.questions:
            questions.append(question)
            sequences.append(units + _target(text.text, question, language))
    return Asked(questions, sequences)


def _target(text: str, question: Question, language: str) -> list[str]:
    if question.span is None:
        return []
    start, end = question.span
    return ["", *(f"target {unit}" for _, unit in split(text[start:end], language))]


def fit(texts: Sequence[Text], language: str) -> Bags:
    """The bags of every data set in these texts."""
    found: Bags = {}
    for source in sorted({t.source for t in texts}):
        own = asked([t for t in texts if t.source == source], language)
        found[source] = {}
        for part, kinds in KINDS.items():
            known = [k for k, q in enumerate(own.questions) if getattr(q, part) is not None]
            valence = all(q.valence is not None for q in own.questions)
            if not known or (part == "stars" and valence):
                continue
            y = [_answer(own.questions[k], part) for k in known]
            x = [own.sequences[k] for k in known]
            options: dict[str, Any] = {"high": 2, "least": LEAST, "penalty": PENALTY}
            found[source][part] = {kind: Bag.fit(x, y, kind, **options) for kind in kinds}
    return found


def _answer(question: Question, part: str) -> float:
    if part == "stars":
        return int(question.stars or 1) - 1
    return float(getattr(question, part))


def to_json(bags: Bags) -> dict[str, Any]:
    """Plain values."""
    return {
        s: {p: {k: bag.to_json() for k, bag in kinds.items()} for p, kinds in parts.items()}
        for s, parts in bags.items()
    }


def from_json(value: Any) -> Bags:
    """What `to_json` gave. Raises BagError."""
    try:
        return {
            s: {p: {k: Bag.from_json(b) for k, b in kinds.items()} for p, kinds in parts.items()}
            for s, parts in value.items()
        }
    except AttributeError as error:
        raise BagError(f"these are no baselines: {error}") from None


def answers(bags: dict[str, dict[str, Bag]], own: Asked) -> dict[str, dict[str, Any]]:
    """Of a data set's bags, by kind: polarity and stars as probabilities, valence as numbers, each [N, ...]."""
    found: dict[str, dict[str, Any]] = {}
    for part, kinds in bags.items():
        for kind, bag in kinds.items():
            if part == "valence":
                valence = bag.scores(own.sequences)[:, 0].double().numpy()
                stars = np.eye(5)[[stars_of(v) - 1 for v in valence]]
                found.setdefault(kind, {}).update(valence=valence, stars=stars)
            else:
                found.setdefault(kind, {})[part] = bag.probabilities(own.sequences).double().numpy()
    return found
