"""Choices word by word: which words may come next in a translation, and how it goes on through each.

    p(word | source, prefix) = sum over its cuts into pieces  product of p(piece)  p(the next piece begins another word)

found by going on with the likeliest first pieces until a boundary; then the best translation through each word, with
prefix and word forced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rondo.search.predictor import read
from rondo.tasks.translation.data import batch_of
from rondo.tasks.translation.pieces import tidy
from rondo.tasks.translation.request import Choice, ChoicesRequest, ChoicesResponse, TranslationError, Word
from rondo.tasks.translation.slots import Demands, Held, Slotted, any_slots, as_prefixes
from rondo.tasks.translation.source import Source
from rondo.tasks.translation.translator import Translator
from rondo.tasks.translation.written import text_of, with_prefix

FIRST = 48  # pieces that a word may begin with
MOST = 32  # words in the making that are followed
LONGEST = 8  # pieces of a word
FAINT = 1e-4  # of what has less probability nothing is followed


@dataclass(frozen=True)
class _Place:
    """A sentence, and the symbols of what its translation begins with."""

    translator: Translator
    source: Source
    prefix: list[int]

    def text(self, more: Sequence[int] = ()) -> str:
        """The prefix and what follows, as text."""
        pieces, language = self.translator.pieces, self.translator.target_language
        return text_of([*self.prefix, *more], self.source, pieces, language)[0]

    def read(self) -> tuple[Slotted, Tensor, Held]:
        """A predictor that has read the prefix, and what it says of the next symbol, [1, V]."""
        s, pieces = self.source, self.translator.pieces
        decoder = self.translator.model.predictor(batch_of([s.symbols], None, pieces.end))
        length = torch.tensor([len(self.prefix) + 2 * len(s.symbols) + LONGEST + 10])
        inner = self.translator.ends.inner(self.text()).unsqueeze(0)
        demands = Demands(any_slots([len(s.fills)]), length, as_prefixes([self.prefix]), inner)
        predictor = Slotted(decoder, pieces, demands, self.translator.never)
        scores, state = read(predictor, torch.tensor([[pieces.begin, *self.prefix]]))
        return predictor, scores, state


@dataclass(frozen=True)
class _Begun:
    """A word in the making: its pieces, and their probability."""

    symbols: tuple[int, ...]
    p: float


def choices(translator: Translator, request: ChoicesRequest) -> ChoicesResponse:
    """The likeliest next words, each with the best translation through it. Raises TranslationError."""
    order = translator.one(request.text, request.glossary, request.direction)
    s = order.source
    if s is None:
        raise TranslationError("这一句不是要翻译的语言 / this sentence is not in the language that is translated")
    given = tidy(request.prefix)
    place = _Place(translator, s, with_prefix(given, s, translator.pieces) if given else [])
    found = next_words(place)[: request.count] if request.count else []
    forced = [place.prefix, *([*place.prefix, *symbols] for _, _, symbols in found)]
    inner = [translator.ends.inner(place.text(symbols)) for symbols in [(), *(symbols for _, _, symbols in found)]]
    own, *others = translator.search([s] * len(forced), request.beam, forced, inner)
    (best,) = translator.best([s], [own], min(request.nbest, request.beam))
    through = [found[0] for found in translator.best([s] * len(others), others, 1)]
    every = translator.candidates([s] * (len(best) + len(through)), [*best, *through])
    start = order.part.start
    return ChoicesResponse(
        prefix=place.text(),
        words=[Word(start=start + a, end=start + b) for a, b in map(s.given, s.words)],
        choices=[
            Choice(word=word, p=round(p, 4), prefix=place.text(symbols), candidate=candidate)
            for (word, p, symbols), candidate in zip(found, every[len(best) :], strict=True)
        ],
        candidates=every[: len(best)],
    )


@torch.no_grad()
def next_words(place: _Place) -> list[tuple[str, float, tuple[int, ...]]]:
    """Words that may come next, the likeliest first: each as text ("" where the sentence ends), its probability, and
    its likeliest pieces."""
    predictor, scores, state = place.read()
    pieces, before = place.translator.pieces, place.text()
    found: dict[str, list[_Begun]] = {}
    chance = scores[0].double().softmax(0)  # of what is allowed behind the prefix
    best = chance.topk(min(FIRST, len(chance)))
    alive = [_Begun((n,), p) for n, p in zip(best.indices.tolist(), best.values.tolist(), strict=True) if p > FAINT]
    origin = [0] * len(alive)
    for _ in range(LONGEST):
        for begun in (b for b in alive if b.symbols[-1] == pieces.end):
            found.setdefault("", []).append(begun)
        going = [(b, o) for b, o in zip(alive, origin, strict=True) if b.symbols[-1] != pieces.end]
        if not going:
            break
        state = predictor.select(state, torch.tensor([o for _, o in going]))
        scores, state = predictor.step(torch.tensor([b.symbols[-1] for b, _ in going]), state)
        alive, origin = _gone_on([b for b, _ in going], scores.double().softmax(1), place, before, found)
    summed = [(w, sum(b.p for b in own), max(own, key=lambda b: b.p).symbols) for w, own in found.items()]
    return sorted(summed, key=lambda word: -word[1])


def _gone_on(
    begun: list[_Begun], chance: Tensor, place: _Place, before: str, found: dict[str, list[_Begun]]
) -> tuple[list[_Begun], list[int]]:
    """Words that are complete go into `found`; the others with their next pieces, the likeliest, and where each comes
    from."""
    ends, longer = place.translator.ends, list[tuple[_Begun, int]]()
    for k, word in enumerate(begun):
        text = place.text(word.symbols)[len(before) :].strip()
        inner = ends.inner(text, alone=True) if text else torch.ones_like(chance[k], dtype=torch.bool)
        inside = torch.where(inner, chance[k], 0.0)
        if text:
            found.setdefault(text, []).append(_Begun(word.symbols, word.p * max(0.0, 1 - float(inside.sum()))))
        best = inside.topk(min(MOST, len(inside)))
        for n, p in zip(best.indices.tolist(), best.values.tolist(), strict=True):
            if word.p * p > FAINT:
                longer.append((_Begun((*word.symbols, n), word.p * p), k))
    longer = sorted(longer, key=lambda item: -item[0].p)[:MOST]
    return [b for b, _ in longer], [k for _, k in longer]
