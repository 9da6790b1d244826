"""Language models that have been trained: load, evaluate, sample, and how surprising each word is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rondo import bundled
from rondo.data import DOCUMENTS
from rondo.data.batch import Batch
from rondo.data.text import DataError, Numbered, held_out
from rondo.data.vocab import UNKNOWN, Vocab
from rondo.data.vocab import from_json as vocab_from_json
from rondo.files import FileError
from rondo.models.generator import Generator, GeneratorPredictor, Position
from rondo.models.store import load_model
from rondo.search.predictor import Predictor, as_prime, read
from rondo.search.sample import stream
from rondo.train.fit import mean_loss

BEFORE = 256  # symbols that a row of an evaluation reads before those that count
UNITS = {"character": "bits per character", "word": "perplexity", "subword": "perplexity per piece"}


def measure(nats: float, level: str) -> float:
    """As the field reports it: bits per character, or perplexity per word or piece."""
    return nats / math.log(2) if level == "character" else math.exp(min(nats, 100.0))


@dataclass(frozen=True)
class LanguageModel:
    """A trained generator with its vocabulary; what a model file or a run folder gives."""

    model: Generator
    vocab: Vocab
    about: dict[str, Any]

    @property
    def documents(self) -> str:
        """Where the state starts anew."""
        return str(self.about.get("config", {}).get("documents", "none"))

    def surprisals(self, texts: Sequence[str]) -> list[list[tuple[str, float]]]:
        """Each text by itself, as a document of its own: every symbol and its surprisal, -log2 p, in bits; the end of
        the text is the last symbol."""
        found = []
        for text in texts:
            numbers = Numbered.of([text], self.vocab, "none")
            x = torch.from_numpy(numbers.symbols).unsqueeze(0)
            bits = self.model.nats(Batch(x[:, :-1], x[:, 1:]))[0][0] / math.log(2)
            pieces = [self.vocab.decode([n]) for n in numbers.symbols[1:].tolist()]
            found.append(list(zip(pieces, bits.tolist(), strict=True)))
        return found

    def evaluate(self, text: str, rows: int = 1) -> dict[str, Any]:
        """Loss on a text. One row gives the exact value; more are faster, each begun with the symbols before it."""
        if not text:
            raise DataError("the text is empty")
        numbers = Numbered.of([text], self.vocab, self.documents)
        before = BEFORE if rows > 1 else 0
        nats = mean_loss(self.model, held_out(numbers, rows, 256, before))
        level, unknown = self.vocab.level, self.vocab.unknown
        missing = 0.0 if unknown is None else float((numbers.symbols[1:] == unknown).mean())
        # bits per character can be compared between levels, as long as nothing is unknown
        bits = nats * len(numbers) / math.log(2) / max(1, len(text))
        return {
            "level": level,
            "symbols": len(numbers),
            "nats": nats,
            UNITS[level]: measure(nats, level),
            "bits_per_character_of_text": bits,
            "unknown_share": missing,
        }

    def predictor(self) -> Predictor[Any]:
        """For searches of one row: where lines are documents, the state starts anew with each, as in training."""
        own = self.model.predictor()
        return own if self.documents != "line" else Lines(own, int(self.vocab.encode(self.vocab.separator)[0]))

    def sample(self, prime: str, length: int, **options: Any) -> Iterator[str]:
        """Stream `length` symbols that continue `prime` (not repeated) as text; an empty prime begins a document.

        options: temperature, top_k, top_p, seed.
        """
        # a blank belongs to the word that follows: one at the end of the prime is left to it
        read = prime if self.vocab.level == "character" else prime.rstrip(" ")
        begin = self.vocab.separator + read if self.documents != "none" or not read else read
        banned = () if self.vocab.unknown is None else (self.vocab.unknown,)
        given = self.vocab.encode(begin).tolist()
        near = given[-16:]  # what a symbol is as text, a blank before a word for one, depends on what stands before it
        told, blank = self.vocab.decode(near), prime[len(read) :][:1]
        for symbols in stream(self.predictor(), given, length, banned=banned, **options):
            near = [*near, int(symbols[0])]
            text = self.vocab.decode(near)
            if text.endswith(UNKNOWN) and len(near) < 32:  # the bytes of one character may be several pieces
                yield ""
                continue
            yield text[len(told) :].removeprefix(blank)
            near = near[-16:]
            told, blank = self.vocab.decode(near), ""
        yield self.vocab.decode(near)[len(told) :]

    def next_words(self, prime: str, count: int = 10) -> list[tuple[str, float]]:
        """The likeliest words after `prime` and their probabilities; the piece that ends the text counts as a word.

        A word of several pieces has the product of their probabilities, and that of a boundary after it.
        """
        numbers = self.vocab.encode(self.vocab.separator + prime.rstrip()).tolist()
        predictor = self.predictor()
        scores, state = read(predictor, as_prime(numbers))
        if self.vocab.level != "subword":
            best = scores[0].exp().topk(min(count, len(self.vocab)))
            return [(self.vocab.decode([int(n)]), float(p)) for n, p in zip(best.indices, best.values, strict=True)]
        return _whole_words(self.vocab, predictor, state, scores, count, first=not prime.strip())

    def neighbours(self, word: str, count: int = 10) -> list[tuple[str, float]]:
        """The symbols whose embeddings point most nearly the same way: cosine similarities, the greatest first."""
        if self.model.embedding is None:
            raise DataError("this model has no embedding: its symbols are one-hot")
        text = f" {word}" if self.vocab.level == "subword" else word
        numbers = self.vocab.encode(text).tolist()
        if len(numbers) != 1 or numbers[0] == self.vocab.unknown:
            raise DataError(f"{word!r} is no symbol of this model")
        table = torch.nn.functional.normalize(self.model.embedding.weight.detach(), dim=1)
        best = (table @ table[numbers[0]]).topk(min(count + 1, len(table)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [(self.vocab.decode([n]).strip(), value) for n, value in pairs if n != numbers[0]][:count]


@dataclass(frozen=True)
class Lines:
    """A predictor of one row that forgets at every `separator`."""

    own: GeneratorPredictor
    separator: int

    def start(self, rows: int) -> Position:
        return self.own.start(rows)

    def step(self, symbols: Tensor, state: Position) -> tuple[Tensor, Position]:
        ends = len(symbols) == 1 and int(symbols[0]) == self.separator
        return self.own.step(symbols, self.own.start(1) if ends else state)

    def select(self, state: Position, index: Tensor) -> Position:
        return self.own.select(state, index)


def _whole_words(
    vocab: Vocab, predictor: Any, state: Any, scores: Tensor, count: int, first: bool
) -> list[tuple[str, float]]:
    """Words of one piece or more: prefixes are drawn out, the likeliest first, until a boundary is certain enough.
    The `first` word of a text has no blank before it, so any piece may begin it."""
    texts = [vocab.decode([n]) for n in range(len(vocab))]
    begins = torch.tensor([not t[:1].isalnum() for t in texts])  # a piece that begins something new
    best = (scores[0].exp() * (begins | first)).topk(min(4 * count, len(texts)))
    prefixes = [(vocab.decode([n]), p) for n, p in zip(best.indices.tolist(), best.values.tolist(), strict=True)]
    symbols, found = best.indices, dict[str, float]()
    kept = torch.zeros(len(symbols), dtype=torch.long)
    for _ in range(4):
        state = predictor.select(state, kept)
        scores, state = predictor.step(symbols, state)
        p = scores.exp()
        ends = (p * begins).sum(1).tolist()
        for (text, share), end in zip(prefixes, ends, strict=True):
            found[text.strip(" ")] = found.get(text.strip(" "), 0.0) + share * end
        onward = p * ~begins * torch.tensor([share for _, share in prefixes]).unsqueeze(1)
        best = onward.flatten().topk(min(4 * count, onward.numel()))
        kept, symbols = best.indices // len(texts), best.indices % len(texts)
        rows = zip(kept.tolist(), symbols.tolist(), best.values.tolist(), strict=True)
        prefixes = [(prefixes[k][0] + texts[n], value) for k, n, value in rows]
    return sorted(found.items(), key=lambda pair: -pair[1])[:count]


def load_language_model(path: Path | str) -> LanguageModel:
    """From a run folder, a model file, or the name of a bundled model. Raises FileError with the reason."""
    path = bundled.model_file(path)
    model, about = load_model(path)
    if not isinstance(model, Generator):
        raise FileError(f"{path} is a {type(model).__name__.lower()}, a language model is needed")
    if model.conditions is not None:
        raise FileError(f"{path} is a model of the task {about.get('task')!r}, a language model is needed")
    try:
        vocab = vocab_from_json(about["vocabulary"])
        config = about.get("config", {})
        if not isinstance(config, dict) or config.get("documents", "none") not in DOCUMENTS:
            raise ValueError("its settings do not say what a document is")
        if len(vocab) != model.head.symbols:
            raise ValueError(f"{len(vocab)} symbols in the vocabulary, {model.head.symbols} in the model")
    except (KeyError, TypeError, ValueError) as error:
        raise FileError(f"{path} is no usable language model: {error}") from None
    return LanguageModel(model, vocab, about)
