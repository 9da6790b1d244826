"""Language models that have been trained: load, evaluate, sample, and how surprising each word is."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from rondo import bundled
from rondo.data import DOCUMENTS
from rondo.data.batch import IGNORED, Batch
from rondo.data.text import DataError, Numbered, held_out
from rondo.data.vocab import UNKNOWN, Vocab, split_words
from rondo.data.vocab import from_json as vocab_from_json
from rondo.files import FileError
from rondo.models.generator import Generator, GeneratorPredictor, Position
from rondo.models.store import load_model
from rondo.search.predictor import Predictor, as_prime, read
from rondo.search.sample import stream
from rondo.search.steps import Step, steps
from rondo.train.fit import mean_loss

ROWS = 64  # texts that are read side by side
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
        for symbols, nats in self.nats(texts):
            pieces = [self.vocab.decode([n]) for n in symbols]
            found.append([(p, n / math.log(2)) for p, n in zip(pieces, nats, strict=True)])
        return found

    def nats(self, texts: Sequence[str]) -> Iterator[tuple[list[int], list[float]]]:
        """The same in nats, by symbols."""
        rows = [torch.from_numpy(Numbered.of([text], self.vocab, "none").symbols) for text in texts]
        for first in range(0, len(rows), ROWS):
            own = rows[first : first + ROWS]
            x = pad_sequence(own, batch_first=True)
            y = pad_sequence(own, batch_first=True, padding_value=IGNORED)
            sizes = torch.tensor([len(row) - 1 for row in own])
            every, _ = self.model.nats(Batch(x[:, :-1], y[:, 1:], sizes))
            for row, size, nats in zip(own, sizes.tolist(), every.tolist(), strict=True):
                yield row[1:].tolist(), nats[:size]

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
        given, blank = self._begin(prime)
        telling = Telling(self.vocab, given, blank)
        for symbols in stream(self.predictor(), given, length, banned=self._banned, **options):
            yield telling.add(int(symbols[0]))
        yield telling.rest()

    def steps(
        self, prime: str, length: int, taken: Mapping[int, int] | None = None, **options: Any
    ) -> Iterator[tuple[str, Step]]:
        """The same with what stands inside (`rondo.search.steps`): the text that each symbol adds, and its step.
        A character of several symbols comes as text with its last."""
        given, blank = self._begin(prime)
        telling = Telling(self.vocab, given, blank)
        for step in steps(self.predictor(), given, length, banned=self._banned, taken=taken, **options):
            yield telling.add(step.symbol), step

    @property
    def _banned(self) -> tuple[int, ...]:
        return () if self.vocab.unknown is None else (self.vocab.unknown,)

    def _begin(self, prime: str) -> tuple[list[int], str]:
        """The symbols that are read first, and a blank that is left over."""
        # a blank belongs to the word that follows: one at the end of the prime is left to it
        read = prime if self.vocab.level == "character" else prime.rstrip(" ")
        begin = self.vocab.separator + read if self.documents != "none" or not read else read
        return self.vocab.encode(begin).tolist(), prime[len(read) :][:1]

    def unknown(self, text: str) -> list[str]:
        """What in a text is read as the unknown symbol, each once, in order: characters or words."""
        if self.vocab.unknown is None:
            return []
        parts = list(text) if self.vocab.level == "character" else split_words(text)
        numbers = self.vocab.encode(text).tolist()
        missing = (part for part, n in zip(parts, numbers, strict=True) if n == self.vocab.unknown)
        return list(dict.fromkeys(missing))

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
        own, cosines = self._cosines(word)
        best = cosines.topk(min(count + 1, len(cosines)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return [(self.vocab.decode([n]).strip(), value) for n, value in pairs if n != own][:count]

    def similarity(self, word: str, other: str) -> tuple[float, int]:
        """The cosine of two symbols' embeddings, and the place of `other` among the neighbours of `word`, from 1."""
        own, cosines = self._cosines(word)
        n = self._symbol(other)
        value = cosines[n]
        return float(value), int((cosines > value).sum()) + 1 - int(own != n and bool(cosines[own] > value))

    def _cosines(self, word: str) -> tuple[int, Tensor]:
        """A word's symbol, and the cosines [V] of its embedding and all others."""
        if self.model.embedding is None:
            raise DataError("this model has no embedding: its symbols are one-hot")
        n = self._symbol(word)
        table = torch.nn.functional.normalize(self.model.embedding.weight.detach(), dim=1)
        return n, table @ table[n]

    def knows(self, word: str) -> bool:
        """Whether a word is one symbol, which can have neighbours."""
        numbers = self._symbols(word)
        return len(numbers) == 1 and numbers[0] != self.vocab.unknown

    def _symbol(self, word: str) -> int:
        if not self.knows(word):
            raise DataError(f"{word!r} is no symbol of this model")
        return self._symbols(word)[0]

    def _symbols(self, word: str) -> list[int]:
        numbers: list[int] = self.vocab.encode(f" {word}" if self.vocab.level == "subword" else word).tolist()
        return numbers


class Telling:
    """Symbols as text, one after the other. What a symbol is as text, a blank before a word for one, depends on what
    stands before it; a `blank` that the text has already is not told again."""

    def __init__(self, vocab: Vocab, given: Sequence[int], blank: str = "") -> None:
        self.vocab, self._near, self._blank = vocab, list(given[-16:]), blank
        self._told = vocab.decode(self._near)

    def add(self, symbol: int) -> str:
        """The text that a symbol adds; nothing until the bytes of a character are complete."""
        self._near.append(symbol)
        text = self.vocab.decode(self._near)
        if text.endswith(UNKNOWN) and len(self._near) < 32:  # the bytes of one character may be several pieces
            return ""
        new = text[len(self._told) :].removeprefix(self._blank)
        self._near, self._blank = self._near[-16:], ""
        self._told = self.vocab.decode(self._near)
        return new

    def rest(self) -> str:
        """What is left at the end: bytes that are no character."""
        return self.vocab.decode(self._near)[len(self._told) :]


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
