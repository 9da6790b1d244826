"""Words from the frames of CTC: the best path as it comes, or the best words of a list with a language model."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from rondo.models.ctc import BLANK, CTCError
from rondo.models.ngram import NGram
from rondo.search.ctc import Lexicon, Span, align, prefix_beam
from rondo.tasks.speech.alphabet import Alphabet

ORDER = 3  # of the language model: a word after the two before it
WIDTH, WEIGHT, BONUS = 32, 0.6, 2.0  # of the beam; of the language model; for each word; tuned on AN4 valid


@dataclass(frozen=True)
class Spoken:
    """A word on steps [first, last) of the network's output, with its probability (mean of its labels, geometric)."""

    word: str
    first: int
    last: int
    p: float


class BestPath:
    """The words of the most probable symbol of each step, as steps come: memory for one word."""

    def __init__(self, alphabet: Alphabet) -> None:
        self._alphabet, self._at, self._before = alphabet, 0, BLANK
        self._spans: list[Span] = []
        self._nats: list[float] = []  # of each label, its best step

    def __call__(self, log_probs: Tensor) -> list[Spoken]:
        """The words that are over after log_probs [t, K]: where the next label begins that is not theirs."""
        found: list[Spoken] = []
        best, path = log_probs.max(1)
        for p, k in zip(best.tolist(), path.tolist(), strict=True):
            if k != BLANK and k != self._before:
                if self._spans and (not self._alphabet.spelled or k == self._alphabet.space):
                    found += self._taken()
                if k != self._alphabet.space:
                    self._spans.append(Span(k, self._at, self._at + 1))
                    self._nats.append(p)
            elif k != BLANK and k != self._alphabet.space and self._spans:
                self._spans[-1] = self._spans[-1]._replace(end=self._at + 1)
                self._nats[-1] = max(self._nats[-1], p)
            self._before = k
            self._at += 1
        return found

    @property
    def going(self) -> Spoken | None:
        """The word that may not be over."""
        if not self._spans:
            return None
        return _spoken(self._alphabet.text([s.label for s in self._spans]), self._spans, self._nats)

    def finish(self) -> list[Spoken]:
        """The last word."""
        return self._taken()

    def _taken(self) -> list[Spoken]:
        found = [one for one in [self.going] if one]
        self._spans, self._nats = [], []
        return found


def _spoken(word: str, spans: Sequence[Span], nats: Sequence[float]) -> Spoken:
    return Spoken(word, spans[0].start, spans[-1].end, math.exp(sum(nats) / len(nats)))


def best_path(log_probs: Tensor, alphabet: Alphabet) -> list[Spoken]:
    """The words of the best path of a whole recording."""
    own = BestPath(alphabet)
    return [*own(log_probs), *own.finish()]


class Vocabulary:
    """A list of words and how they follow each other, as a language of `rondo.search.ctc`.

    Raises CTCError where a word cannot be spelled.
    """

    def __init__(self, words: Sequence[str], texts: Sequence[str], alphabet: Alphabet, bonus: float = BONUS) -> None:
        self.words, number = list(words), {w: k for k, w in enumerate(words)}
        end = len(words)  # stands between two texts; a word that is not listed ends the context
        symbols = [number.get(w, end) for t in texts for w in ("", *t.split())]
        self._model = NGram(np.array([*symbols, end], dtype=np.int64), end + 1, ORDER)
        self._end = end
        score = functools.lru_cache(maxsize=1 << 16)(self._score)
        self._likely = score
        spelled = [alphabet.labels(w) for w in words]
        self._alike: dict[tuple[int, ...], list[int]] = {}  # words by their spelling
        for k, labels in enumerate(spelled):
            self._alike.setdefault(tuple(labels), []).append(k)
        self.lexicon = Lexicon(
            spelled,
            alphabet.size,
            alphabet.space,
            lambda b, w: score(b[-ORDER + 1 :], w),
            bonus,
        )

    def _score(self, before: tuple[int, ...], word: int) -> float:
        context = [self._end, *before] if len(before) < ORDER - 1 else before
        return float(np.log(self._distribution(tuple(context))[word]))

    @functools.lru_cache(maxsize=1024)  # noqa: B019  # a vocabulary lives as long as its model
    def _distribution(self, context: tuple[int, ...]) -> NDArray[np.float64]:
        return self._model.distribution(context)

    def start(self) -> Any:
        return self.lexicon.start()

    def scores(self, state: Any) -> NDArray[np.float64]:
        return self.lexicon.scores(state)

    def step(self, state: Any, label: int) -> Any:
        return self.lexicon.step(state, label)

    def end(self, state: Any) -> float:
        """As the lexicon says, and that the text is over after the last word."""
        here = self.lexicon.end(state)
        if here == -np.inf or state[0] == 0:
            return here
        return here + self._likely(self.lexicon.finished(state)[-ORDER + 1 :], self._end)

    def read(self, spelled: Sequence[Sequence[int]]) -> list[str]:
        """The most probable words with these spellings, one after another: what comes later tells too which of some
        that are spelled alike was said."""
        best: dict[tuple[int, ...], tuple[float, list[int]]] = {(): (0.0, [])}  # by the words that the next depends on
        for labels in spelled:
            grown: dict[tuple[int, ...], tuple[float, list[int]]] = {}
            for before, (total, words) in best.items():
                for word in self._alike[tuple(labels)]:
                    here, after = total + self._likely(before, word), (*before, word)[-ORDER + 1 :]
                    if after not in grown or here > grown[after][0]:
                        grown[after] = here, [*words, word]
            best = grown
        last = max(best, key=lambda before: best[before][0] + self._likely(before, self._end))
        return [self.words[k] for k in best[last][1]]


def best_words(
    log_probs: Tensor, alphabet: Alphabet, language: Vocabulary, width: int = WIDTH, weight: float = WEIGHT
) -> list[Spoken]:
    """The most probable words of the list for a whole recording [T, K], with the steps of each on its best path."""
    if not len(log_probs):
        return []
    try:
        hypotheses = prefix_beam(log_probs, width, language, weight)
    except CTCError:
        hypotheses = []
    if not hypotheses:
        return []
    spans = align(log_probs, list(hypotheses[0].labels)).spans
    parts = [list(own) for said, own in itertools.groupby(spans, lambda s: s.label != alphabet.space) if said]
    words = language.read([[s.label for s in own] for own in parts])
    return [_spoken(word, own, _nats(log_probs, own)) for word, own in zip(words, parts, strict=True)]


def _nats(log_probs: Tensor, spans: Sequence[Span]) -> list[float]:
    """Of each label, its best step."""
    return [float(log_probs[s.start : s.end, s.label].max()) for s in spans]
