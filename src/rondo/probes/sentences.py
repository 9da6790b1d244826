"""Sentences as people type them, and what a network makes of them up to their verb, step by step: a network of the
agreement probe, in the probe's small language, or a language model."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from rondo.data.text import Numbered
from rondo.diagnose.inside import Array, array, precise
from rondo.expr.graph import nearest
from rondo.models.tagger import Tagger
from rondo.probes import agreement
from rondo.probes.grammar import ANIMALS, THINGS
from rondo.probes.probe import ProbeError
from rondo.train.language import LanguageModel

LONGEST = 60  # words, or symbols of a language model
OTHER_NUMBER = {a: b for pair in ANIMALS + THINGS for a, b in (pair.split(), pair.split()[::-1])}


VERB = re.compile(r"\b(" + "|".join(form for pair in agreement.PAIRS for form in pair) + r")\b", re.IGNORECASE)


@dataclass(frozen=True)
class Inside:
    """A sentence up to its verb as a network reads it; all of it where the verb has no form to choose.

    words     what is read: a separator first
    forms     singular and plural of the verb, their symbols in the readout, and the form that stands in the sentence
    p         [symbols] probabilities of what comes next
    values    {"l0.h": [T, n]}: every named intermediate and state after each word
    output    [n] what the readout reads after the last word
    scores    the readout, h [n] -> [symbols]
    """

    words: tuple[str, ...]
    forms: tuple[str, ...]
    symbols: tuple[int, ...]
    verb: str
    p: Array
    values: dict[str, Array]
    output: Tensor
    scores: Callable[[Tensor], Tensor]

    @property
    def chances(self) -> dict[str, float]:
        """The probability of each form."""
        return {form: float(self.p[n]) for form, n in zip(self.forms, self.symbols, strict=True)}

    def likeliest(self, count: int = 5) -> list[tuple[int, float]]:
        """The symbols that are likeliest to come next, and their probabilities."""
        best = np.argsort(-self.p, kind="stable")[:count]
        return [(int(n), float(self.p[n])) for n in best]


def tokens(text: str) -> list[str]:
    """Words and signs as the probe writes them: "The cats, which ate, were full" is the cats , which ate , were full.

    Raises ProbeError naming what the probe's small language does not have, and where there is no verb or no word
    before it.
    """
    words = re.findall(r"[^\W_]+|[^\w\s]", text.lower())
    if unknown := list(dict.fromkeys(w for w in words if w not in agreement.NUMBERS)):
        near = nearest(unknown[0], list(agreement.NUMBERS))
        raise ProbeError(
            f"这些词不在它的词表里：{'、'.join(unknown)} / these words are not among its {len(agreement.SYMBOLS)}: "
            f"{', '.join(unknown)}{near}"
        )
    if len(words) > LONGEST:
        raise ProbeError(f"句子最长 {LONGEST} 个词 / a sentence has at most {LONGEST} words")
    if not any(agreement.NUMBERS[w] in agreement.OTHER for w in words[1:]):
        raise ProbeError(
            "句中要有 was、were、is、are、has 或 have / the sentence needs one of was, were, is, are, has, have"
        )
    return words


def other_number(words: list[str]) -> list[str]:
    """The same sentence with its subject, the first noun, and its verb in the other number. Raises ProbeError where
    no noun stands before the verb."""
    at = agreement.verb(words)
    subject = next((k for k, w in enumerate(words[:at]) if w in OTHER_NUMBER), None)
    if subject is None:
        raise ProbeError("动词前没有名词 / no noun stands before the verb")
    verb = agreement.SYMBOLS[agreement.OTHER[agreement.NUMBERS[words[at]]]]
    return [OTHER_NUMBER[w] if k == subject else verb if k == at else w for k, w in enumerate(words)]


def inside(model: Tagger, words: list[str]) -> Inside:
    """What a network of the probe does while it reads a sentence up to its verb, in float64."""
    exact, at = precise(model), agreement.verb(words)
    read = (".", *words[:at])
    forms = next(pair for pair in agreement.PAIRS if words[at] in pair)
    with torch.no_grad():
        x = exact.body.inputs(agreement.numbers(read).unsqueeze(0))
        values, output = exact.body.rnn.trace(x), exact.body.rnn(x)[0][0, -1]
    symbols = tuple(agreement.NUMBERS[form] for form in forms)
    return _inside(read, tuple(forms), symbols, words[at], values, output, exact.head.scores)


def inside_language(model: LanguageModel, text: str) -> Inside:
    """The same of a language model, whose verb is the last of was, were, is, are, has, have in the text. Raises
    ProbeError for a text that is empty or too long."""
    text = " ".join(text.split())
    found = [m for m in VERB.finditer(text) if m.start()]
    verb = found[-1].group().lower() if found else ""
    forms = next((tuple(pair) for pair in agreement.PAIRS if verb in pair), ())
    pieces = [model.vocab.encode(f" {form}").tolist() for form in forms]
    if not forms or any(len(piece) != 1 or piece[0] == model.vocab.unknown for piece in pieces):
        forms, pieces, verb = (), [], ""
    read = text[: found[-1].start()].rstrip() if verb else text
    symbols = Numbered.of([read], model.vocab, "none").symbols[:-1]
    if not 2 <= len(symbols) <= LONGEST + 1:
        raise ProbeError(
            f"句子要有 1 到 {LONGEST} 个符号，这里有 {len(symbols) - 1} 个 / "
            f"a sentence has 1 to {LONGEST} symbols, this one has {len(symbols) - 1}"
        )
    with torch.no_grad():
        x = model.model.inputs(torch.from_numpy(symbols).unsqueeze(0))
        values, output = model.model.rnn.trace(x), model.model.rnn(x)[0][0, -1]
    words = tuple(model.vocab.decode([n]) for n in symbols.tolist())
    return _inside(words, forms, tuple(p[0] for p in pieces), verb, values, output, model.model.head.scores)


def _inside(
    words: tuple[str, ...],
    forms: tuple[str, ...],
    symbols: tuple[int, ...],
    verb: str,
    values: dict[str, Tensor],
    output: Tensor,
    scores: Callable[[Tensor], Tensor],
) -> Inside:
    with torch.no_grad():
        p = array(scores(output).double().softmax(0))
    return Inside(words, forms, symbols, verb, p, {name: array(v[0]) for name, v in values.items()}, output, scores)
