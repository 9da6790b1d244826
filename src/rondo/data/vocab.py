"""Vocabularies: the symbols a model knows, each with a number. Characters, words, or pieces of words.

All three have `len`, `encode`, `decode`, `symbols`, `separator` (what stands between documents) and `to_json`.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.data import LEVELS
from rondo.expr.graph import nearest

Ints = NDArray[np.int64]
UNKNOWN = "\ufffd"  # Unicode's own sign for "a character that cannot be shown"
UNKNOWN_WORD = "<unk>"  # as in the Penn Treebank of Mikolov
CODE_POINTS = 0x110000


class Symbols:
    """What all three are: symbols in the order of their numbers. Compared by value, never a key."""

    symbols: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.symbols)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.symbols == other.symbols

    __hash__ = None  # type: ignore[assignment]


class Characters(Symbols):
    """Characters numbered by falling frequency. `symbols[0]` is the unknown symbol.

    Two texts with the same counts give the same numbers: equal frequencies are ordered by code point.
    """

    level = "character"
    separator = "\n"
    unknown = 0

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = tuple(symbols)
        _check(self.symbols, UNKNOWN)
        if any(len(s) != 1 for s in self.symbols):
            raise ValueError("a vocabulary of characters is a list of single characters")
        self._table = np.zeros(CODE_POINTS, dtype=np.int32)  # code point -> number, 0 where unknown
        self._table[_code_points("".join(self.symbols))] = np.arange(len(self.symbols))

    @classmethod
    def build(cls, texts: Iterable[str], limit: int = 0, least: int = 1) -> Characters:
        """The characters of `texts` seen at least `least` times, the most frequent first; at most `limit` in all
        (0: no limit), the unknown symbol included."""
        counts = np.zeros(CODE_POINTS, dtype=np.int64)
        for text in texts:
            points, n = np.unique(_code_points(text), return_counts=True)
            counts[points] += n
        counts[ord(UNKNOWN)] = 0
        order = np.argsort(-counts, kind="stable")
        kept = order[: np.count_nonzero(counts >= max(least, 1))]
        return cls([UNKNOWN, *map(chr, kept[: limit - 1] if limit else kept)])

    def encode(self, text: str) -> Ints:
        """The number of every character, 0 for one that is not in the vocabulary."""
        return self._table[_code_points(text)].astype(np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of these numbers."""
        return "".join(self.symbols[n] for n in numbers)

    def to_json(self) -> dict[str, Any]:
        return {"level": self.level, "symbols": list(self.symbols)}


class Words(Symbols):
    """What stands between white space, numbered by falling frequency; the end of a line is a word of its own.

    `symbols[0]` is the unknown word, which the text itself may hold. Equal frequencies are ordered as text.
    """

    level = "word"
    separator = "\n"
    unknown = 0

    def __init__(self, symbols: Iterable[str]) -> None:
        self.symbols = tuple(symbols)
        _check(self.symbols, UNKNOWN_WORD)
        if any(s != "\n" and s.split() != [s] for s in self.symbols):
            raise ValueError("a vocabulary of words is a list of words without white space, and the end of a line")
        self._numbers = {s: n for n, s in enumerate(self.symbols)}

    @classmethod
    def build(cls, texts: Iterable[str], limit: int = 0, least: int = 1) -> Words:
        """As `Characters.build`, of words."""
        counts = Counter[str]()
        for text in texts:
            counts.update(split_words(text))
        del counts[UNKNOWN_WORD]
        order = sorted((w for w, n in counts.items() if n >= max(least, 1)), key=lambda w: (-counts[w], w))
        return cls([UNKNOWN_WORD, *(order[: limit - 1] if limit else order)])

    def encode(self, text: str) -> Ints:
        """The number of every word and line end, 0 for one that is not in the vocabulary."""
        return np.array([self._numbers.get(w, 0) for w in split_words(text)], dtype=np.int64)

    def decode(self, numbers: Iterable[int]) -> str:
        """The words with single blanks between, none at the ends of a line."""
        text = "".join(s if s == "\n" else f" {s}" for s in (self.symbols[n] for n in numbers))
        return "\n".join(line.removeprefix(" ") for line in text.split("\n"))

    def to_json(self) -> dict[str, Any]:
        return {"level": self.level, "symbols": list(self.symbols)}


class Subwords(Symbols):
    """Byte-pair pieces of words, learned from the text (Sennrich et al. 2016, arXiv:1508.07909, sec. 3.2): nothing is
    unknown, since every byte is a piece. The tokenizers package does the work; its JSON is the vocabulary, of which
    pieces and merges are read and nothing else: what it may hold besides (patterns, normalisers) could do harm."""

    level = "subword"
    separator = "\n"
    unknown = None

    def __init__(self, text: str) -> None:
        """`text` is the JSON of a tokenizer of byte pairs. Raises ValueError for another."""
        pieces, merges = _pieces(text)
        try:
            self._tokenizer = _byte_pairs(pieces, merges)
        except Exception as error:  # the package raises plain Exception
            raise ValueError(f"this is no tokenizer: {error}") from None
        self.symbols = tuple(sorted(pieces, key=pieces.__getitem__))
        self.merges = tuple(merges)  # pairs of pieces that are joined, the first before the second

    @classmethod
    def build(cls, texts: Iterable[str], limit: int = 0, least: int = 1) -> Subwords:
        """At most `limit` pieces (0: 8,000), each pair that is joined seen at least `least` times."""
        tokenizers, tokenizer = _tokenizers(), _byte_pairs({}, [])
        trainer = tokenizers.trainers.BpeTrainer(
            vocab_size=limit or 8000,
            min_frequency=max(least, 1),
            show_progress=False,
            initial_alphabet=tokenizers.pre_tokenizers.ByteLevel.alphabet(),
        )
        tokenizer.train_from_iterator((line for text in texts for line in text.splitlines(keepends=True)), trainer)
        return cls(tokenizer.to_str())

    def encode(self, text: str) -> Ints:
        """The number of every piece."""
        parts = self._tokenizer.encode_batch(text.splitlines(keepends=True), add_special_tokens=False)
        return np.array([n for part in parts for n in part.ids], dtype=np.int64)

    def split(self, text: str) -> list[str]:
        """The words that are cut into pieces each by itself, a blank at the head of the word that follows it; every
        byte is written as the character that stands for it in `symbols`."""
        return [word for word, _ in self._tokenizer.pre_tokenizer.pre_tokenize_str(text)]

    def decode(self, numbers: Iterable[int]) -> str:
        """The text of these pieces; bytes that are no UTF-8 are shown as unknown."""
        return str(self._tokenizer.decode(list(numbers), skip_special_tokens=False))

    def to_json(self) -> dict[str, Any]:
        return {"level": self.level, "tokenizer": self._tokenizer.to_str()}


Vocab = Characters | Words | Subwords


def build(level: str, texts: Iterable[str], limit: int = 0, least: int = 1) -> Vocab:
    """The vocabulary of a training text."""
    return _class(level).build(texts, limit, least)


def from_json(value: Any) -> Vocab:
    """What `to_json` gave. Raises ValueError for anything else."""
    if not isinstance(value, dict) or not isinstance(value.get("level"), str):
        raise ValueError("a vocabulary is an object with its level")
    kind = _class(value["level"])
    if kind is Subwords:
        if not isinstance(value.get("tokenizer"), str):
            raise ValueError("a vocabulary of pieces holds its tokenizer as text")
        return Subwords(value["tokenizer"])
    symbols = value.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(s, str) for s in symbols):
        raise ValueError("a vocabulary holds its symbols as a list of texts")
    return kind(symbols)  # type: ignore[arg-type]


def split_words(text: str) -> list[str]:
    """Words and line ends: "a b\\nc" is a, b, \\n, c."""
    words = [w for line in text.split("\n") for w in (*line.split(), "\n")]
    return words[:-1]  # the last line was ended by nothing


def _class(level: str) -> type[Characters] | type[Words] | type[Subwords]:
    found = {kind.level: kind for kind in (Characters, Words, Subwords)}.get(level)
    if found is None:
        raise ValueError(f"no level is called {level!r}{nearest(level, list(LEVELS))}")
    return found


def _check(symbols: tuple[str, ...], unknown: str) -> None:
    if not symbols or symbols[0] != unknown:
        raise ValueError(f"this vocabulary begins with the unknown symbol {unknown!r}")
    if len(set(symbols)) != len(symbols):
        raise ValueError("the symbols of a vocabulary differ from each other")
    if any("\ud800" <= c <= "\udfff" for s in symbols for c in s):
        raise ValueError("the symbols of a vocabulary are text: surrogates are none")


def _code_points(text: str) -> NDArray[np.uint32]:
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def _pieces(text: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """The pieces of a tokenizer with their numbers, and what is joined, the first before the second."""
    try:
        model = json.loads(text)["model"]
        pieces, merges = model["vocab"], list(model["merges"])
        numbers = sorted(pieces.values())
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"this is no tokenizer of byte pairs: {error}") from None
    whole = all(isinstance(pair, list) and [type(part) for part in pair] == [str, str] for pair in merges)
    if not whole or any(type(n) is not int for n in numbers) or numbers != list(range(len(pieces))):
        raise ValueError("this is no tokenizer of byte pairs: pieces are numbered from 0, merges are pairs")
    if missing := set(_tokenizers().pre_tokenizers.ByteLevel.alphabet()) - pieces.keys():
        raise ValueError(f"this tokenizer lacks {len(missing)} of the 256 bytes")
    return pieces, [(a, b) for a, b in merges]


def _byte_pairs(pieces: dict[str, int], merges: list[tuple[str, str]]) -> Any:
    """A tokenizer: the end of a line is always a piece of its own, and a blank belongs to the word that follows."""
    tokenizers = _tokenizers()
    tokenizer = tokenizers.Tokenizer(tokenizers.models.BPE(pieces, merges))
    lines = tokenizers.pre_tokenizers.Split("\n", "isolated")
    tokenizer.pre_tokenizer = tokenizers.pre_tokenizers.Sequence(
        [lines, tokenizers.pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = tokenizers.decoders.ByteLevel()
    return tokenizer


def _tokenizers() -> Any:
    import tokenizers
    import tokenizers.decoders
    import tokenizers.models
    import tokenizers.pre_tokenizers
    import tokenizers.trainers

    return tokenizers
