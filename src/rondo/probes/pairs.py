"""Minimal pairs: two sentences that differ in one thing, one of them good. A language model is right where it finds the
good one likelier (Linzen et al. 2016, arXiv:1611.01368; Warstadt et al. 2020, arXiv:1912.00582, sec. 4.1).

    log2 p(sentence) = - sum of the surprisals -log2 p(symbol | symbols before), from a fresh state, the end included
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from rondo.data.text import Numbered, read_text
from rondo.data.vocab import Vocab
from rondo.models.ngram import NGram

Surprisals = list[tuple[str, float]]  # symbols or words, as text, with -log2 p in bits
END = "(end)"


class PairsError(ValueError):
    """A file of pairs that cannot be read; the message names the line."""


class LanguageModel(Protocol):
    """What scores a sentence."""

    def surprisals(self, texts: Sequence[str]) -> list[Surprisals]:
        """Each text by itself: its symbols (characters, pieces or words, as text) and -log2 p of each, in bits, given
        those before; the end of the text is the last one."""
        ...


@dataclass(frozen=True)
class Pair:
    """Two sentences and the group they belong to ("": none)."""

    good: str
    bad: str
    group: str = ""


def read(path: Path) -> list[Pair]:
    """Pairs from a file of lines `good TAB bad` or `good TAB bad TAB group`; empty lines are skipped.

    Raises PairsError with the line for anything else, and for a file without pairs.
    """
    pairs = [_pair(path, n, line) for n, line in enumerate(read_text(path).split("\n"), 1) if line.strip()]
    if not pairs:
        raise PairsError(f"{path} has no pairs: write a good sentence, a tab and a bad sentence on each line")
    return pairs


def _pair(path: Path, number: int, line: str) -> Pair:
    fields = [field.strip() for field in line.split("\t")]
    where = f"{path}, line {number}"
    if not 2 <= len(fields) <= 3:
        raise PairsError(f"{where}: found {len(fields)} field(s); write good sentence, tab, bad sentence[, tab, group]")
    if not fields[0] or not fields[1]:
        raise PairsError(f"{where}: a sentence is empty")
    if fields[0] == fields[1]:
        raise PairsError(f"{where}: both sentences are the same")
    return Pair(*fields)


@dataclass(frozen=True)
class NGramModel:
    """An n-gram model over the symbols of a vocabulary, as a language model."""

    model: NGram
    vocab: Vocab

    @classmethod
    def of(cls, vocab: Vocab, texts: Sequence[str], order: int) -> NGramModel:
        """Counted on texts whose lines are sentences. Raises PairsError where the order is too high."""
        try:
            return cls(NGram(Numbered.of(texts, vocab, "none").symbols, len(vocab), order), vocab)
        except ValueError as error:
            raise PairsError(str(error)) from None

    def surprisals(self, texts: Sequence[str]) -> list[Surprisals]:
        found = []
        for text in texts:
            symbols = Numbered.of([text], self.vocab, "none").symbols
            bits = -np.log2(self.model.probabilities(symbols)[1:])
            found.append([(self.vocab.decode([n]), float(b)) for n, b in zip(symbols[1:], bits, strict=True)])
        return found


def by_word(text: str, symbols: Surprisals) -> Surprisals:
    """The surprisal of each word: the sum over its symbols. The last symbol, the end of the text, stays by itself.

    A word begins at white space, which counts to it, and each Chinese character is one.
    """
    *inside, (_, end) = symbols
    words = text.split()
    if len(inside) == len(words):  # the symbols are words
        return [*((w, bits) for w, (_, bits) in zip(words, inside, strict=True)), (END, end)]
    pieces = list(text) if len(inside) == len(text) else [piece for piece, _ in inside]
    found: list[tuple[str, float]] = []
    last = " "
    for piece, (_, bits) in zip(pieces, inside, strict=True):
        if not found or _begins(last, piece[:1]):
            found.append((piece, bits))
        else:
            found[-1] = (found[-1][0] + piece, found[-1][1] + bits)
        last = piece[-1:]
    return [*((word.strip(), bits) for word, bits in found), (END, end)]


def _begins(last: str, first: str) -> bool:
    return not last.isspace() and (first.isspace() or max(last, first) > "\u2e7f")  # from there on: Chinese


@dataclass(frozen=True)
class Scores:
    """What models make of pairs: for each model by name, the words of both sentences of each pair."""

    pairs: Sequence[Pair]
    words: Mapping[str, list[tuple[Surprisals, Surprisals]]]

    def right(self, model: str, k: int) -> float:
        """Does the model prefer the good sentence of pair k? A tie counts half."""
        return _less(*(sum(bits for _, bits in words) for words in self.words[model][k]))

    def shorter(self, k: int) -> float:
        """The same for a guess that always takes the sentence of fewer words, then of fewer characters."""
        good, bad = self.pairs[k].good, self.pairs[k].bad
        return _less((len(good.split()), len(good)), (len(bad.split()), len(bad)))

    def accuracy(self) -> list[dict[str, Any]]:
        """The share of pairs that each model gets right, by group and in all."""
        groups = list(dict.fromkeys(p.group for p in self.pairs))
        rows = []
        for group in [*groups, None] if groups != [""] else [None]:
            of = [k for k, p in enumerate(self.pairs) if group in (None, p.group)]
            row: dict[str, Any] = {"group": "all" if group is None else group or "(none)", "pairs": len(of)}
            row |= {model: statistics.fmean(self.right(model, k) for k in of) for model in self.words}
            rows.append(row | {"shorter": statistics.fmean(self.shorter(k) for k in of)})
        return rows

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Heads and rows of the accuracies."""
        rows = self.accuracy()
        return list(rows[0]), [[f"{v:.1%}" if isinstance(v, float) else str(v) for v in row.values()] for row in rows]

    def sentence_table(self, k: int) -> tuple[list[str], list[list[str]]]:
        """Heads and rows of pair k: each word's surprisal under each model, in the good and in the bad sentence."""
        heads, columns = [], list[list[str]]()
        for side, name in enumerate(("good", "bad")):
            heads += [name, *(f"{model}, bits" for model in self.words)]
            first = next(iter(self.words.values()))[k][side]
            columns.append([*(word for word, _ in first), "sum"])
            for found in self.words.values():
                bits = [b for _, b in found[k][side]]
                columns.append([f"{b:.2f}" for b in [*bits, sum(bits)]])
        return heads, [list(row) for row in itertools.zip_longest(*columns, fillvalue="")]

    def to_json(self) -> dict[str, Any]:
        """Everything as plain values."""
        pairs = []
        for k, pair in enumerate(self.pairs):
            words = {model: {"good": found[k][0], "bad": found[k][1]} for model, found in self.words.items()}
            right = {model: self.right(model, k) for model in self.words}
            pairs.append({"good": pair.good, "bad": pair.bad, "group": pair.group, "right": right, "words": words})
        return {"accuracy": self.accuracy(), "pairs": pairs}


def _less(a: Any, b: Any) -> float:
    return 0.5 if a == b else float(a < b)


def score(pairs: Sequence[Pair], models: Mapping[str, LanguageModel]) -> Scores:
    """Every pair under every model."""
    texts = [text for pair in pairs for text in (pair.good, pair.bad)]
    words = {}
    for name, model in models.items():
        found = [by_word(text, symbols) for text, symbols in zip(texts, model.surprisals(texts), strict=True)]
        words[name] = list(zip(found[::2], found[1::2], strict=True))
    return Scores(pairs, words)
