"""Measures of the finder: `rondo evaluate entities-zh --data FILE`, a file of tagged sentences (JSON lines or CoNLL).

Strict precision, recall and F1 of entities, micro, macro and for each type; the same of the baseline, the dictionary of
the training entities with the longest match, which travels in the model file; and sentences per second. Types of the
file that the model calls otherwise are compared with the one that means the same (PER and person); entities of types
that it does not know are left out, and counted. Models without a chain (`entities-forward`, `entities-both`) are read
by the likeliest label of each token.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from typing import Any

import torch

from rondo.models.store import load_task
from rondo.models.tagger import Tagger
from rondo.tasks.entities.data import read_sentences
from rondo.tasks.entities.directions import Reader
from rondo.tasks.entities.finder import Finder
from rondo.tasks.entities.labels import Span
from rondo.tasks.entities.metric import scores
from rondo.tasks.entities.types import fitting


def evaluate(path: Path | str, data: Path) -> dict[str, Any]:
    """All measures of the model in `path` on the sentences of the file `data`. Raises FileError and DataError."""
    model, _ = load_task(path, "entities", Tagger, "model of named entities")
    reader: Finder | Reader = Reader.load(path) if model.crf is None else Finder.load(path)
    sentences = read_sentences(data)
    given: list[list[Span]] = []
    left_out = Counter[str]()
    for s in sentences:
        own = [(a, b, fitting(kind, reader.types), kind) for a, b, kind in s.entities]
        left_out.update(kind for _, _, new, kind in own if not new)
        given.append([(a, b, new) for a, b, new, _ in own if new])
    begun = time.perf_counter()
    found = reader.entities([list(s.tokens) for s in sentences])
    seconds = time.perf_counter() - begun
    looked_up = [reader.lexicon.find(s.tokens) for s in sentences]
    return {
        "sentences": len(sentences),
        "entities": sum(map(len, given)),
        "left_out": dict(left_out),
        **scores(given, found).to_json(),
        "dictionary": scores(given, looked_up).to_json(),
        "sentences_per_second": len(sentences) / max(seconds, 1e-9),
        "threads": torch.get_num_threads(),
    }
