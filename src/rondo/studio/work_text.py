"""The text desk's work: what language models are asked, as records. A bundled model answers beside the server, a file
that a person opened in a process of its own."""

from __future__ import annotations

from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

from rondo import hello as lecture
from rondo.files import FileError
from rondo.search.steps import CUTS, Step
from rondo.train.language import LanguageModel, load_language_model

Record = dict[str, Any]
CANDIDATES = 12  # of a step


class TextError(ValueError):
    """What a language model cannot be asked."""


def written(
    model: LanguageModel, text: str, length: int, taken: list[tuple[int, int]], skip: int, options: Record
) -> Generator[Record, None, None]:
    """A record for each step from `skip` on, and at the end the whole continuation."""
    begin = {"unknown": model.unknown(text)}
    yield {"kind": "begin", "level": model.vocab.level, "symbols": len(model.vocab), **begin}
    told, numbers, bits = "", [], []
    for n, (new, step) in enumerate(model.steps(text, length, dict(taken), **options)):
        told += new
        numbers.append(step.symbol)
        bits.append(step.bits)
        if n >= skip:
            yield {"kind": "step", "step": n, "text": new, **_inside(model, step)}
    yield {"kind": "end", "text": told, "numbers": numbers, "bits": sum(bits) / len(bits), **begin}


def _inside(model: LanguageModel, step: Step) -> Record:
    """What stood inside one step; `candidates` are [symbol, text, p by the model, p drawn from, what cut it]."""
    candidates = [
        [n, model.vocab.decode([n]), float(step.model[n]), float(step.left[n]), CUTS[int(step.cut[n])]]
        for n in step.likeliest(CANDIDATES)
    ]
    return {
        "symbol": step.symbol, "p": float(step.model[step.symbol]), "drawn": float(step.left[step.symbol]),
        "rank": step.rank, "kept": step.kept, "share": step.share, "candidates": candidates,
    }  # fmt: skip


def words(model: LanguageModel, text: str, count: int) -> Generator[Record, None, None]:
    """The likeliest next words."""
    found = [{"text": word, "p": p} for word, p in model.next_words(text, count)]
    yield {"words": found, "unknown": model.unknown(text)}


def neighbours(model: LanguageModel, word: str, other: str, count: int) -> Generator[Record, None, None]:
    """The nearest symbols of both words, and how near these two are: their cosine, and `other`'s place among the
    neighbours of `word`."""
    if model.model.embedding is None:
        raise TextError("这个模型没有词向量：它的符号是独热的 / this model has no embeddings: its symbols are one-hot")
    for w in (word, other):
        if not model.knows(w):
            raise TextError(
                f"“{w}”在这个模型里不是一个符号，没有自己的向量 / "
                f"“{w}” is not one symbol of this model, so it has no embedding"
            )
    cosine, place = model.similarity(word, other)
    lists = [[{"text": text, "cosine": value} for text, value in model.neighbours(w, count)] for w in (word, other)]
    yield {"lists": lists, "cosine": cosine, "place": place, "symbols": len(model.vocab)}


def about(model: LanguageModel) -> Generator[Record, None, None]:
    """What a person should know about a model before using it."""
    yield {
        "level": model.vocab.level,
        "symbols": len(model.vocab),
        "weights": sum(p.numel() for p in model.model.parameters()),
        "embedding": model.model.embedding is not None,
    }


ASKED: dict[str, Callable[..., Generator[Record, None, None]]] = {
    "written": written, "words": words, "neighbours": neighbours, "about": about,
}  # fmt: skip


def of_file(path: str, called: str, asked: str, values: Record) -> Generator[Record, None, None]:
    """The same of a model file. `called` stands for its path in errors."""
    try:
        model = load_language_model(Path(path))
    except FileError as error:
        why = str(error).replace(path, called)
        raise TextError(f"打不开这个模型：{why} / this model cannot be opened: {why}") from None
    yield from ASKED[asked](model, **values)


def hello(seed: int, steps: int, rate: float) -> Generator[Record, None, None]:
    """The lecture's network while it learns its word."""
    for look, spelled in lecture.looks(seed, steps, rate):
        yield {
            "step": look.step, "loss": look.loss, "losses": look.losses, "hidden": look.hidden,
            "chances": look.chances, "spelled": spelled,
        }  # fmt: skip
