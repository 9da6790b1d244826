"""What the pages on gates and neurons ask of the library, as plain records."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from rondo import bundled
from rondo.data.text import Numbered
from rondo.diagnose import contrast, neurons
from rondo.diagnose.gates import bounded
from rondo.diagnose.inside import Array
from rondo.expr.graph import nearest
from rondo.models.tagger import Tagger
from rondo.probes import agreement, keep, sentences
from rondo.probes.sentences import Inside
from rondo.render.text import equations
from rondo.rnn import RNN
from rondo.studio import models
from rondo.train.language import LanguageModel

LIKELIEST = 5  # next words that are told
LONGEST_LINE = 256  # symbols of a line that are read in one piece
TOP = 6  # passages, units of a list, symbols


class InsideError(ValueError):
    """A question about the inside of a network that cannot be answered; said in both languages."""


@functools.cache
def probed(kind: str) -> Tagger:
    """A bundled network of the agreement probe: elman, gru, lstm."""
    return keep.load(f"agreement-{kind}")


def kinds(rnn: RNN, names: Sequence[str]) -> dict[str, str]:
    """What each name is: sigmoid (0 to 1), tanh (-1 to 1), or free."""
    known = bounded(rnn.cell.graph)
    return {name: known.get(name.partition(".")[2], "free") for name in names}


# ---- gates over two sentences ----


def gates(model: str, first: str, second: str, rows: int) -> dict[str, Any]:
    """Two sentences read side by side. Without a second one it is the first in the other number."""
    if model in keep.CELLS:
        network = probed(model)
        given = sentences.tokens(first)
        other = sentences.tokens(second) if second.strip() else sentences.other_number(given)
        pair = sentences.inside(network, given), sentences.inside(network, other)
        return _compared(network.body.rnn, pair, list(agreement.SYMBOLS), rows)
    language = models.language(model)
    if not second.strip():
        raise InsideError("请写第二句 / write the second sentence")
    one, two = (sentences.inside_language(language, text) for text in (first, second))
    return _compared(language.model.rnn, (one, two), language, rows)


def _compared(rnn: RNN, pair: tuple[Inside, Inside], words: list[str] | LanguageModel, rows: int) -> dict[str, Any]:
    one, two = pair
    columns = contrast.align(one.words, two.words)
    differences = {n: contrast.difference(one.values[n], two.values[n], columns) for n in one.values}
    found = None
    if one.symbols and one.symbols == two.symbols:
        found = contrast.exchange(one.scores, one.output, two.output, *one.symbols)
    at = contrast.last_column(one.words, two.words, columns, differing=found is None)
    state = f"{list(rnn.parts)[-1]}.{next(iter(rnn.cell.graph.states))}"
    shown = (found.order if found else contrast.by_size(differences[state][at]))[:rows]
    return {
        "names": kinds(rnn, list(one.values)),
        "equations": equations(rnn.cell.graph),
        "units": len(one.output),
        "columns": columns,
        "at": at,
        "rows": shown,
        "sentences": [_told(s, words) for s in pair],
        "values": {n: [_some(s.values[n], shown) for s in pair] for n in one.values},
        "differences": {n: _some(d, shown) for n, d in differences.items()},
        "changed": {n: contrast.changed(d, at) for n, d in differences.items()},
        "exchange": None
        if found is None
        else {"odds": found.odds, "needed": found.needed, "shares": found.shares[shown].tolist()},
    }


def _told(sentence: Inside, words: list[str] | LanguageModel) -> dict[str, Any]:
    def text(n: int) -> str:
        return words[n] if isinstance(words, list) else words.vocab.decode([n])

    likeliest = [[text(n), p] for n, p in sentence.likeliest(LIKELIEST)]
    return {"words": sentence.words, "verb": sentence.verb, "chances": sentence.chances, "likeliest": likeliest}


def _some(values: Array, units: Sequence[int]) -> list[list[float | None]]:
    """The values [T, n] of some units, [T][k]; None where there is none."""
    return [[None if v != v else float(v) for v in row] for row in values[:, units].tolist()]


# ---- neurons over a text ----


@functools.lru_cache(maxsize=3)
def reading(model: str, text: str) -> neurons.Reading:
    """A text as a bundled model reads it, line by line; a longer line than LONGEST_LINE symbols in pieces."""
    language = models.language(model)
    numbers = Numbered.of([text.strip("\n")], language.vocab, language.documents)
    lines = [s for s in numbers.sequences() if len(s) > 2]  # an empty line has nothing to read
    pieces = [s[k : k + LONGEST_LINE + 1] for s in lines for k in range(0, len(s) - 1, LONGEST_LINE)]
    return neurons.read(language.model, pieces)


def sample(model: str) -> str:
    """The text that comes with a model."""
    return (bundled.FOLDER / f"{model}-sample.txt").read_text(encoding="utf-8").strip()


@functools.lru_cache(maxsize=3)
def texts(model: str, text: str) -> list[list[str]]:
    """The symbols of each document as text, separators at both ends."""
    vocab = models.language(model).vocab
    return [[vocab.decode([n]) for n in s.tolist()] for s in reading(model, text).sequences]


@functools.lru_cache(maxsize=12)
def ranked(model: str, text: str, name: str) -> dict[str, list[tuple[int, float]]]:
    """The units that vary most, and those that follow each property of the text best: [(unit, measure)]."""
    values = reading(model, text).values[name]
    found = {"variation": _best(values.std(0))}
    for feature, steps in neurons.features(texts(model, text)).varying().items():
        found[feature] = _best(neurons.selectivity(values, steps))
    return found


def _best(measure: Array) -> list[tuple[int, float]]:
    return [(j, float(measure[j])) for j in contrast.by_size(measure)[:TOP]]


def unit(model: str, text: str, name: str, number: int) -> dict[str, Any]:
    """A text tinted by one unit: its values, where it is most excited, and how its values are distributed."""
    read, values = _values(model, text, name, number)
    counts, edges = np.histogram(values, 24)
    return {
        "text": text,
        "documents": texts(model, text),
        "unknown": models.language(model).unknown(text.replace("\n", "")),
        "names": kinds(models.language(model).model.rnn, list(read.values)),
        "units": read.values[name].shape[1],
        "values": values.tolist(),
        "nats": read.nats.tolist(),
        "loss": float(read.nats.mean()),
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "histogram": {"edges": edges.tolist(), "counts": counts.tolist()},
        "highest": [vars(p) for p in neurons.passages(read, values, TOP)],
        "lowest": [vars(p) for p in neurons.passages(read, values, TOP, lowest=True)],
        "ranked": ranked(model, text, name),
    }


def lesion(model: str, text: str, name: str, number: int, to: str) -> dict[str, Any]:
    """The loss of every symbol with the unit held at zero or at its mean on this text, beside the loss without."""
    read, values = _values(model, text, name, number)
    held = float(values.mean()) if to == "mean" else 0.0
    nats = neurons.lesion(models.language(model).model, read.sequences, name, number, held)
    change = nats - read.nats
    return {
        "to": held,
        "loss": float(read.nats.mean()),
        "lesioned": float(nats.mean()),
        "change": change.tolist(),
        "most": [vars(p) for p in neurons.passages(read, change, TOP)],
    }


def _values(model: str, text: str, name: str, number: int) -> tuple[neurons.Reading, neurons.Floats]:
    read = reading(model, text)
    if name not in read.values:
        raise InsideError(f"没有叫 {name} 的量 / nothing is called {name!r}{nearest(name, list(read.values))}")
    values = read.values[name]
    if number >= values.shape[1]:
        raise InsideError(f"单元编号是 0 到 {values.shape[1] - 1} / the units are numbered 0 to {values.shape[1] - 1}")
    return read, values[:, number]
