"""Measures of the models of image captions: `rondo evaluate RUN --data FILE`.

BLEU-1 ... BLEU-4 and CIDEr-D by characters against all sentences of a picture, without the full stop (`metrics.py`),
for each reading of the pictures that the model knows. Beside them: one sentence for every picture, the sentence of the
nearest training picture (where the training file lies beside), and one human against the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from rondo import bundled
from rondo.data.vocab import Characters, from_json
from rondo.files import FileError
from rondo.models.store import load_model
from rondo.tasks.captions import eye, nearest
from rondo.tasks.captions.data import Bytes, Pictures, one_pass, pooled, read, real
from rondo.tasks.captions.encoder import grids
from rondo.tasks.captions.metrics import CiderD, measures
from rondo.tasks.captions.model import SHAPES, Captioner
from rondo.tasks.captions.write import write

COMMONEST = "一个人在滑雪"  # stands most often among the training sentences
PART = 25  # pictures that are written about at once
SENTENCES = 3  # different ones, whose difference is measured


def evaluate(path: Path | str, data: Path) -> dict[str, Any]:
    """All measures of the model in `path` on the pictures of the file `data`. Raises CaptionError, FileError."""
    file = bundled.model_file(path)
    model, about = load_model(file, *SHAPES)
    if about.get("task") != "captions":
        raise FileError(f"{file} is no model of captions")
    records = read(data)
    if isinstance(model, eye.Eye):
        return eye.evaluate(model, data, records)
    vocab = from_json(about["vocabulary"])
    assert isinstance(vocab, Characters)
    references = [r.sentences for r in records]
    scorer = CiderD(references)
    found: dict[str, Any] = {"pictures": len(records)}
    for name, values in known(about["reading"], data, about):
        found[name] = measured(model, vocab, Pictures(records, vocab, [values]), references, scorer)
    return {**found, **baselines(data, references, scorer)}


def known(reading: str, data: Path, about: dict[str, Any]) -> Iterator[tuple[str, Bytes]]:
    """The readings of the pictures that a model was trained on."""
    count = len(read(data))
    if reading in ("both", "given"):
        yield "given", pooled(data, count)[:, np.newaxis]
    if reading in ("both", "grid"):
        yield "grid", grids(data, read(data))
    if reading == "own" or about.get("eye") in bundled.names():
        yield "own", eye.readings(eye.load_eye(about["eye"]), data, read(data))


def measured(
    model: Captioner, vocab: Characters, own: Pictures, references: list[tuple[str, ...]], scorer: CiderD
) -> dict[str, Any]:
    """What a model writes about the pictures, measured; and how different its other sentences are."""
    nats, count = loss(model, own)
    said = [[vocab.decode(s) for s in row] for row in written(model, own, SENTENCES)]
    best, second, third = ([row[k] for row in said] for k in range(SENTENCES))
    return {
        **measures(best, references, scorer),
        "nats": round(nats / max(1, count), 4),
        "different_sentences": round(sum(len(set(row)) for row in said) / len(said), 3),
        "cider_d_second": round(scorer.corpus(second), 1),
        "cider_d_third": round(scorer.corpus(third), 1),
        "sentences_used": len(set(best)),
    }


def written(model: Captioner, own: Pictures, count: int) -> list[list[list[int]]]:
    """`count` sentences of each picture, the last of them again where no more were found."""
    found: list[list[list[int]]] = []
    for first in range(0, len(own), PART):
        index = list(range(first, min(first + PART, len(own))))
        found += write(model, real(own.readings[0][index]), count)
    return [said + said[-1:] * (count - len(said)) for said in found]


def loss(model: Captioner, own: Pictures) -> tuple[float, int]:
    """The loss of the references, in nats, and how many characters they have."""
    nats, count = 0.0, 0
    for batch in one_pass(own, PART):
        nats += float(model.nats(batch).sum())
        count += int((batch.labels >= 0).sum())
    return nats, count


def baselines(data: Path, references: list[tuple[str, ...]], scorer: CiderD) -> dict[str, Any]:
    """One sentence for all, the nearest neighbour's, and one human against the others."""
    constant = measures([COMMONEST] * len(references), references, scorer)
    found: dict[str, Any] = {"one_sentence": {"text": COMMONEST, **constant}}
    train = data.with_name(data.name.replace("valid", "train").replace("test", "train"))
    if train != data and train.is_file():
        known = read(train)
        places = nearest.places(pooled(train, len(known))[:, np.newaxis], pooled(data, len(references))[:, np.newaxis])
        found["nearest"] = measures([known[k].sentences[0] for k in places], references, scorer)
    several = [r for r in references if len(r) > 1]
    if several:
        found["human"] = measures([r[0] for r in several], [r[1:] for r in several])
    return found
