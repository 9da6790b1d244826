"""Tagged sentences: files of them, and batches to train on.

A file is JSON lines ({"tokens": [...], "tags": [...]}), or CoNLL: a token a line with its tag in the last column, an
empty line between sentences; both also gzipped. Tags are BIO, IOB1 or BIOES.

In training some symbols are read as unknown, and some entities are replaced by others of their type, drawn anew in each
pass (mention replacement: Dai and Adel 2020, arXiv:2010.11683, sec. 3).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rondo.data.batch import Batch
from rondo.data.bucket import Examples, shuffled
from rondo.data.read import json_lines, read_lines, texts
from rondo.data.text import DataError
from rondo.tasks.entities.features import Features, Ints
from rondo.tasks.entities.labels import TAG, Span, label_numbers, spans
from rondo.tasks.entities.types import MAPPINGS

JSON = {".jsonl", ".json", ".ndjson"}


@dataclass(frozen=True)
class Sentence:
    """Tokens and the entities among them."""

    tokens: tuple[str, ...]
    entities: tuple[Span, ...] = ()


def read_sentences(path: Path) -> list[Sentence]:
    """The tagged sentences of a file. Raises DataError naming the line."""
    suffixes = [s.lower() for s in path.suffixes]
    found = list(_from_json(path) if JSON & set(suffixes) else _from_conll(path))
    if not found:
        raise DataError(f"{path}: 没有标注的句子 / {path} holds no tagged sentence")
    return found


def _from_json(path: Path) -> Iterator[Sentence]:
    for number, _, record in json_lines(path):
        where = f"{path}:{number}"
        tokens, tags = texts(record, "tokens", where), texts(record, "tags", where)
        if len(tokens) != len(tags):
            raise DataError(
                f"{where}: {len(tokens)} 个符号有 {len(tags)} 个标签 / {len(tokens)} tokens have {len(tags)} tags"
            )
        for tag in tags:
            _check(tag, where)
        yield Sentence(tuple(tokens), tuple(spans(tags)))


def _from_conll(path: Path) -> Iterator[Sentence]:
    tokens: list[str] = []
    tags: list[str] = []
    for number, line in itertools.chain(read_lines(path), [(0, "")]):
        columns = line.rstrip().split("\t") if "\t" in line else line.split()
        if not line.strip():
            if tokens:
                yield Sentence(tuple(tokens), tuple(spans(tags)))
            tokens, tags = [], []
        elif columns[0] != "-DOCSTART-" and not _is_comment(columns):
            where = f"{path}:{number}"
            if len(columns) < 2:
                raise DataError(
                    f"{where}: 一行要有符号和标签两列 / a line has a token and a tag, with a tab or a blank between; "
                    f"found {line[:40]!r}"
                )
            _check(columns[-1], where)
            tokens.append(columns[0])
            tags.append(columns[-1])


def _is_comment(columns: Sequence[str]) -> bool:
    return columns[0].startswith("#") and not TAG.fullmatch(columns[-1])


def _check(tag: str, where: str) -> None:
    if not TAG.fullmatch(tag):
        raise DataError(
            f"{where}: {tag[:40]!r} 不是标签 / is no tag: write O, or B- and I- with a type, as in B-person, I-person"
        )


def mapped(sentences: Sequence[Sentence], types: str) -> list[Sentence]:
    """The sentences with the types that a mapping ("own", "common") gives; an entity without one is none."""
    kind_of = MAPPINGS[types]
    return [Sentence(s.tokens, tuple((a, b, new) for a, b, k in s.entities if (new := kind_of(k)))) for s in sentences]


class Corpus:
    """Sentences as numbers: x [T, columns] and labels y [T] of each."""

    def __init__(self, sentences: Sequence[Sentence], features: Features, types: Sequence[str]) -> None:
        self.sentences, self.features, self.types = list(sentences), features, list(types)
        self.x = [features.encode(s.tokens) for s in self.sentences]
        self.y = [np.array(label_numbers(s.entities, len(s.tokens), types), dtype=np.int64) for s in self.sentences]
        self.sizes: Ints = np.array([len(x) for x in self.x], dtype=np.int64)
        self.mentions: dict[str, list[tuple[str, ...]]] = {kind: [] for kind in types}
        for s in self.sentences:
            for start, end, kind in s.entities:
                self.mentions[kind].append(s.tokens[start:end])

    def swapped(self, index: int, share: float, random: np.random.Generator) -> tuple[Ints, Ints]:
        """A sentence with a share of its entities replaced by others of the same type."""
        sentence = self.sentences[index]
        chosen = random.random(len(sentence.entities)) < share
        if not chosen.any():
            return self.x[index], self.y[index]
        tokens: list[str] = []
        entities: list[Span] = []
        last = 0
        for (start, end, kind), change in zip(sentence.entities, chosen, strict=True):
            tokens += sentence.tokens[last:start]
            others = self.mentions[kind]
            own = others[int(random.integers(len(others)))] if change else sentence.tokens[start:end]
            entities.append((len(tokens), len(tokens) + len(own), kind))
            tokens += own
            last = end
        tokens += sentence.tokens[last:]
        y = np.array(label_numbers(entities, len(tokens), self.types), dtype=np.int64)
        return self.features.encode(tokens), y


def batches(
    corpus: Corpus, tokens: int, unknown: float = 0.0, swap: float = 0.0, seed: int = 0, step: int = 0
) -> Iterator[Batch]:
    """Pass after pass, sentences of about equal length side by side. Batch k of a pass depends on the seed, the pass
    and k alone."""
    for number in itertools.count():
        plan = shuffled(corpus.sizes, tokens, 0, seed, number)
        for k in range(step, len(plan)):
            random = np.random.default_rng([seed, number, k])
            rows = [corpus.swapped(int(i), swap, random) for i in plan[k]]
            dropped = [np.where(random.random(x.shape) < unknown, 0, x) for x, _ in rows]
            yield Examples(dropped, [y for _, y in rows], labels="step").batch(range(len(rows)))
        step = max(0, step - len(plan))
