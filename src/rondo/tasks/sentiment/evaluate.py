"""Measures of a model of sentiment on a file of any of the data sets: `rondo evaluate sentiment-zh --data FILE`.

For each thing that the file's questions have an answer to:

    polarity  accuracy, macro-F1, expected calibration error (Guo et al. 2017, arXiv:1706.04599, sec. 2: 15 bins)
    stars     accuracy and macro-F1 of the likeliest; mean absolute error and quadratic-weighted kappa (Cohen 1968,
              doi:10.1037/h0026256) of the grade that the valence comes to, which is what `rondo sentiment` says
    valence   Pearson's correlation, mean absolute error
    targets   precision, recall, F1 of exact places found

told: the model knows from which data set the text is; untold: it does not, as with a user's text. Beside them the
baselines, fitted on the data set's training file (`rondo.models.bag`); they travel in the model file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.registry import DataSetError
from rondo.models.bag import Bag
from rondo.models.store import load_task
from rondo.tasks.sentiment import baselines
from rondo.tasks.sentiment.baselines import Asked
from rondo.tasks.sentiment.beside import Beside
from rondo.tasks.sentiment.data import TAGGED, Question, Texts, plain, read, tags
from rondo.tasks.sentiment.figures import Floats, calibration_error, classified, correlated, graded
from rondo.tasks.sentiment.judge import grades
from rondo.tasks.sentiment.model import Answers, SentimentModel
from rondo.tasks.sentiment.text import Reader


@dataclass(frozen=True)
class Measured:
    """What a model says of every question of some texts: arrays with a row for each."""

    questions: list[Question]
    polarity: Floats  # [N, 3]
    stars: Floats  # [N, 5]
    valence: Floats  # [N]
    grades: NDArray[np.int64] | None = None  # [N] strengths 0-4; None: the likeliest of the stars


def load(name: Path | str) -> tuple[SentimentModel, Reader, dict[str, Any]]:
    """The model, its reader and the metadata: from a run folder, a model file, or a bundled model's name."""
    model, about = load_task(name, "sentiment", SentimentModel, "model of sentiment")
    return model, Reader.from_json(about.get("reader")), about


def evaluate(path: Path | str, data: Path) -> dict[str, Any]:
    """All measures of the model in `path` on the file `data`."""
    model, reader, about = load(path)
    texts = Texts(read(data), reader)
    if not len(texts):
        raise DataSetError(f"{data}: 没有可判断的文本 / it holds no text that has anything to be judged")
    source = texts.texts[0].source
    result: dict[str, Any] = {"texts": len(texts), "questions": sum(map(len, texts.questions)), "source": source}
    for name, told in (("untold", False), ("told", True)):
        result[name] = measures(answered(model, texts, told, Beside.of(about, reader.language)))
    if any(t.targets is not None for t in texts.texts):
        result["targets"] = found_targets(model, texts)
    bags = baselines.from_json({source: about.get("baselines", {}).get(source, {})})
    result["baselines"] = beside(bags[source], baselines.asked(texts.texts, reader.language))
    return result


def beside(bags: dict[str, dict[str, Bag]], own: Asked) -> dict[str, Any]:
    """The figures of the baselines, by kind."""
    blank = {"polarity": np.full((1, 3), 1 / 3), "stars": np.full((1, 5), 0.2), "valence": np.zeros(1)}
    found = {}
    for kind, given in baselines.answers(bags, own).items():
        parts = {part: given.get(part, np.repeat(value, len(own.questions), 0)) for part, value in blank.items()}
        figures = measures(Measured(own.questions, **parts))
        found[kind] = {p: v for p, v in figures.items() if {"two_classes": "polarity"}.get(p, p) in given}
    return found


@torch.no_grad()
def answered(model: SentimentModel, texts: Texts, told: bool, mix: Beside | None = None) -> Measured:
    """The model's answers to every question, with the regression's valence beside it of whole texts."""
    names: list[str] = []
    questions: list[Question] = []
    answers: list[Answers] = []
    for rows, batch in plain(texts, told=told):
        questions += [texts.questions[i][q] for i, q in rows]
        names += [texts.texts[i].text for i, _ in rows]
        answers.append(model.predict(batch.x, batch.lengths))
    parts = (
        np.concatenate([getattr(a, f).double().numpy() for a in answers]) for f in ("polarity", "stars", "valence")
    )
    polarity, stars, valence = parts
    whole = [k for k, q in enumerate(questions) if q.span is None]
    if mix is not None and whole:
        valence[whole] = mix.mixed([names[k] for k in whole], valence[whole])
    return Measured(questions, polarity, stars, valence, grades(valence))


def measures(found: Measured) -> dict[str, Any]:
    """The figures of polarity, stars and valence, as far as the questions have answers."""
    result: dict[str, Any] = {}
    if known := [k for k, q in enumerate(found.questions) if q.polarity is not None]:
        gold = np.array([found.questions[k].polarity for k in known])
        p = _among(found.polarity[known], [found.questions[k].classes for k in known])
        result["polarity"] = {**classified(p.argmax(1), gold), "ece": calibration_error(p, gold)}
        if 0 < (gold != 1).sum() < len(gold):  # without neutral ones
            two = p[gold != 1][:, [0, 2]]
            result["two_classes"] = {"accuracy": float((two.argmax(1) == gold[gold != 1] // 2).mean())}
    if known := [k for k, q in enumerate(found.questions) if q.stars is not None]:
        gold = np.array([found.questions[k].stars for k in known]) - 1
        p = found.stars[known]
        likeliest = p.argmax(1)
        own = likeliest if found.grades is None else found.grades[known]
        result["stars"] = {**classified(likeliest, gold), **graded(own, gold)}
        result["stars"]["ece"] = calibration_error(p, gold)
    if known := [k for k, q in enumerate(found.questions) if q.valence is not None]:
        gold_valence = np.array([found.questions[k].valence for k in known])
        result["valence"] = correlated(found.valence[known], gold_valence)
    return result


def _among(p: Floats, classes: Sequence[int]) -> Floats:
    """Neutral is no choice where there were two classes."""
    p = p.copy()
    p[np.array(classes) == 2, 1] = 0
    kept: Floats = p / p.sum(1, keepdims=True)
    return kept


@torch.no_grad()
def found_targets(model: SentimentModel, texts: Texts) -> dict[str, float]:
    """Exact places found, of the texts whose targets are known."""
    right = guessed = true = 0
    for rows, batch in plain(texts, told=False):
        p = model.tags(_of_whole(batch.x), batch.lengths)
        for k, (i, q) in enumerate(rows):
            if q or not int(batch.labels[k, TAGGED]):
                continue
            n = int(texts.sizes[i])
            gold = spans_of(tags(texts.places[i], texts.texts[i].targets or ()).tolist())
            guess = spans_of(p[k, :n].argmax(1).tolist())
            right, guessed, true = right + len(gold & guess), guessed + len(guess), true + len(gold)
    return {
        "precision": right / max(1, guessed),
        "recall": right / max(1, true),
        "f1": 2 * right / max(1, guessed + true),
    }


def _of_whole(x: torch.Tensor) -> torch.Tensor:
    """The same symbols with marks that ask about the whole text, of no known source."""
    x = x.clone()
    x[..., -1] = (x[..., -1] > 0).long()
    return x


def spans_of(tags: Sequence[int]) -> set[tuple[int, int]]:
    """The runs of pieces that tags O 0, B 1, I 2 name; an I with nothing before it begins one."""
    found, start = set(), -1
    for k, tag in enumerate([*tags, 0]):
        if start >= 0 and tag != 2:
            found.add((start, k))
            start = -1
        if tag == 1 or (tag == 2 and start < 0):
            start = k
    return found
