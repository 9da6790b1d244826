"""Decoding for connectionist temporal classification: the best path, the best labelling, the frames of each label.

    greedy(scores)                      most probable symbol of each frame, merged (Graves et al. 2006, sec. 3.2)
    prefix_beam(log_probs, 16, words)   most probable labellings, with a language model (Hannun et al. 2014,
                                        arXiv:1408.2873, algorithm 1)
    align(log_probs, labels)            when each label was said

Of one utterance, in numpy and float64. Symbol 0 is the blank, as in `rondo.models.ctc`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from rondo.models.ctc import BLANK, CTCError

Floats = NDArray[np.float64]


class Language(Protocol):
    """Which label may come next, and how likely it is. A state is any value: what the labels so far come to."""

    def start(self) -> Any:
        """Before the first label."""

    def scores(self, state: Any) -> Floats:
        """What each symbol would add to the score, [K]; -inf forbids it. That of the blank is not read."""

    def step(self, state: Any, label: int) -> Any:
        """After one more label."""

    def end(self, state: Any) -> float:
        """What it adds to end here; -inf forbids it."""


class Hypothesis(NamedTuple):
    """labels; score, by which hypotheses are ordered; log_prob, the part of it that is log p(labels | frames)."""

    labels: tuple[int, ...]
    score: float
    log_prob: float


class Span(NamedTuple):
    """A label and its frames start ... end - 1."""

    label: int
    start: int
    end: int


class Alignment(NamedTuple):
    """The spans of all labels on their most probable path, and its log-probability."""

    spans: list[Span]
    log_prob: float


def collapse(path: ArrayLike, before: int = BLANK) -> list[int]:
    """The labels that a path of symbols stands for: repetitions merged, then blanks taken out. `before` is the symbol
    just before the path, where it comes in pieces."""
    path = np.asarray(path, dtype=np.int64)
    new = path != np.concatenate([[before], path[:-1]])[: len(path)]
    return [int(c) for c in path[new & (path != BLANK)]]


def greedy(scores: Tensor, lengths: Tensor | None = None) -> list[list[int]]:
    """The labels that the best symbol of every frame stands for; scores [B, T, K], lengths [B] (None: T)."""
    paths = scores.argmax(2).cpu().numpy()
    ends = [paths.shape[1]] * len(paths) if lengths is None else lengths.tolist()
    return [collapse(path[:end]) for path, end in zip(paths, ends, strict=True)]


def prefix_beam(
    log_probs: ArrayLike | Tensor,
    width: int = 16,
    language: Language | None = None,
    weight: float = 1.0,
    bonus: float = 0.0,
    n: int = 1,
) -> list[Hypothesis]:
    """The n best labellings of log_probs [T, K], best first: see `PrefixBeam`."""
    frames = _frames(log_probs)
    beam = PrefixBeam(frames.shape[1], width, language, weight, bonus)
    for frame in frames:
        beam.step(frame)
    return beam.best(n)


class PrefixBeam:
    """Prefix search, a frame at a time: the `width` best prefixes, each with the probability of all its paths.

    A prefix is ranked by  log p(prefix | frames) + weight * (what `language` adds) + bonus * labels. It is exact where
    the beam is as wide as there are prefixes.

        beam = PrefixBeam(symbols=30)
        for frame in log_probs:          # [K]
            beam.step(frame)
            print(beam.best(1))          # what has been heard so far
    """

    def __init__(
        self, symbols: int, width: int = 16, language: Language | None = None, weight: float = 1.0, bonus: float = 0.0
    ) -> None:
        if width < 1:
            raise CTCError(f"the width of a beam is at least 1, found {width}")
        self._symbols, self._width, self._language = symbols, width, language
        self._weight, self._bonus = weight, bonus
        self._beam = [self._prefix(None, BLANK, 0.0, None if language is None else language.start())]
        self._blank, self._label = np.zeros(1), np.full(1, -np.inf)  # log p of its paths by how they end

    def step(self, frame: ArrayLike | Tensor) -> None:
        """Read log_probs [K] of the next frame. Raises CTCError where it leaves no labelling possible."""
        frame = np.asarray(frame, dtype=np.float64)
        if frame.shape != (self._symbols,):
            raise CTCError(f"a frame must be [{self._symbols}] log-probabilities, found {list(frame.shape)}")
        if np.isnan(frame).any():
            raise CTCError("a frame holds NaN: the network's outputs are not finite")
        rows, last = np.arange(len(self._beam)), np.array([p.label for p in self._beam])
        total = np.logaddexp(self._blank, self._label)
        label = self._label + frame[last]
        longer = total[:, None] + frame
        longer[rows, last] = self._blank + frame[last]  # the same label again needs a blank between
        longer[:, BLANK] = -np.inf
        self._merge(label, longer, last)
        blank = total + frame[BLANK]
        self._keep(blank, label, longer)

    def _merge(self, label: Floats, longer: Floats, last: NDArray[np.int64]) -> None:
        """What a prefix grows into may be in the beam itself: its probability is added there."""
        place = {id(p): i for i, p in enumerate(self._beam)}
        for i, p in enumerate(self._beam):
            parent = place.get(id(p.parent))
            if parent is not None:
                label[i] = np.logaddexp(label[i], longer[parent, last[i]])
                longer[parent, last[i]] = -np.inf

    def _keep(self, blank: Floats, label: Floats, longer: Floats) -> None:
        """Choose the best of the prefixes as they are and of those with one label more."""
        count = len(self._beam)
        own = np.array([p.value for p in self._beam])
        added = np.stack([p.added for p in self._beam])
        ranks = np.concatenate([np.logaddexp(blank, label) + own, (longer + own[:, None] + added).ravel()])
        kept = _best(ranks, self._width)
        if not len(kept):
            raise CTCError("no labelling is left: every symbol that may come has probability 0")
        grown = kept[kept >= count] - count
        stayed, (parents, labels) = kept[kept < count], np.divmod(grown, self._symbols)
        self._beam = [self._beam[i] for i in stayed] + [
            self._child(self._beam[i], int(c)) for i, c in zip(parents, labels, strict=True)
        ]
        self._blank = np.concatenate([blank[stayed], np.full(len(grown), -np.inf)])
        self._label = np.concatenate([label[stayed], longer[parents, labels]])

    def best(self, n: int = 1) -> list[Hypothesis]:
        """The n best labellings, were the utterance to end here; fewer where the language allows fewer to end."""
        log_probs = np.logaddexp(self._blank, self._label)
        ends = [0.0 if self._language is None else self._weight * self._language.end(p.state) for p in self._beam]
        scores = log_probs + [p.value for p in self._beam] + ends
        return [Hypothesis(self._beam[i].labels(), float(scores[i]), float(log_probs[i])) for i in _best(scores, n)]

    def _prefix(self, parent: _Prefix | None, label: int, value: float, state: Any) -> _Prefix:
        if self._language is None:
            return _Prefix(parent, label, value, state, np.full(self._symbols, self._bonus))
        added = self._weight * np.asarray(self._language.scores(state)) + self._bonus
        return _Prefix(parent, label, value, state, added)

    def _child(self, p: _Prefix, label: int) -> _Prefix:
        """The prefix with one label more; one that was seen before is found again, so that the language is asked
        about each only once."""
        if label not in p.children:
            state = None if self._language is None else self._language.step(p.state, label)
            p.children[label] = self._prefix(p, label, p.value + float(p.added[label]), state)
        return p.children[label]


@dataclass(eq=False)
class _Prefix:
    """A prefix, as a node of the tree of all that were in the beam.

    value  what language and bonus add for it; state: the language's; added [K]: what each further label would add
    """

    parent: _Prefix | None
    label: int
    value: float
    state: Any
    added: Floats
    children: dict[int, _Prefix] = field(default_factory=dict)

    def labels(self) -> tuple[int, ...]:
        found: list[int] = []
        at = self
        while at.parent is not None:
            found.append(at.label)
            at = at.parent
        return tuple(found[::-1])


class Lexicon:
    """A Language of words: nothing else is decoded.

    words      each word spelled in labels; a word's number is its place. Of words that are spelled alike (in sounds:
               two, to, too) the one counts that scores best after the words before
    symbols    K; separator: the label that stands between two words
    score      log p(word | words before), words by number; None: 0
    bonus      what every word adds, against the language model's liking for few words
    """

    def __init__(
        self,
        words: Sequence[Sequence[int]],
        symbols: int,
        separator: int,
        score: Callable[[tuple[int, ...], int], float] | None = None,
        bonus: float = 0.0,
    ) -> None:
        self._symbols, self._separator, self._bonus = symbols, separator, bonus
        self._score = score or (lambda before, word: 0.0)
        self._next: list[dict[int, int]] = [{}]  # of each node of the tree of beginnings
        self._words: dict[int, list[int]] = {}  # node -> the words that end there
        for number, spelled in enumerate(words):
            self._add(number, spelled)

    def _add(self, number: int, spelled: Sequence[int]) -> None:
        if not spelled or not all(0 < c < self._symbols and c != self._separator for c in spelled):
            raise CTCError(
                f"word {number} is spelled {list(spelled)}: it takes labels 1 to {self._symbols - 1}, at least one, "
                f"and not the separator {self._separator}"
            )
        node = 0
        for c in spelled:
            if c not in self._next[node]:
                self._next.append({})
                self._next[node][c] = len(self._next) - 1
            node = self._next[node][c]
        self._words.setdefault(node, []).append(number)

    def start(self) -> tuple[int, tuple[int, ...]]:
        """A state: the node of the word that has begun, and the words before it."""
        return 0, ()

    def scores(self, state: tuple[int, tuple[int, ...]]) -> Floats:
        node, before = state
        found = np.full(self._symbols, -np.inf)
        found[list(self._next[node])] = 0.0
        if node in self._words:
            found[self._separator] = self._finished(node, before)
        return found

    def step(self, state: tuple[int, tuple[int, ...]], label: int) -> tuple[int, tuple[int, ...]]:
        node, before = state
        if label == self._separator:
            return 0, (*before, self._best(node, before))
        return self._next[node][label], before

    def end(self, state: tuple[int, tuple[int, ...]]) -> float:
        node, before = state
        if node == 0:
            return 0.0
        return self._finished(node, before) if node in self._words else -np.inf

    def finished(self, state: tuple[int, tuple[int, ...]]) -> tuple[int, ...]:
        """The words of a state, the one that ends there included, by number."""
        node, before = state
        return (*before, self._best(node, before)) if node in self._words else before

    def _best(self, node: int, before: tuple[int, ...]) -> int:
        words = self._words[node]
        return words[0] if len(words) == 1 else max(words, key=lambda w: self._score(before, w))

    def _finished(self, node: int, before: tuple[int, ...]) -> float:
        return self._score(before, self._best(node, before)) + self._bonus


def align(log_probs: ArrayLike | Tensor, labels: Sequence[int]) -> Alignment:
    """The most probable path of log_probs [T, K] that stands for `labels`, and the frames of each label on it.

    Viterbi over the labels with blanks before, between and after them (Graves et al. 2006, sec. 4.1, max for sum).
    Raises CTCError where there are fewer frames than labels need, or a label does not exist.
    """
    frames = _frames(log_probs)
    if not all(0 < c < frames.shape[1] for c in labels):
        raise CTCError(f"labels are 1 to {frames.shape[1] - 1}, and {BLANK} is the blank; found {list(labels)}")
    symbols = np.full(2 * len(labels) + 1, BLANK)
    symbols[1::2] = labels
    skips = np.zeros(len(symbols), dtype=bool)  # a blank may be left out between labels that differ
    skips[2:] = (symbols[2:] != BLANK) & (symbols[2:] != symbols[:-2])
    best, back = np.full(len(symbols), -np.inf), []
    best[0] = 0.0  # before the first frame: the blank before everything
    for frame in frames:
        came = np.full((3, len(symbols)), -np.inf)  # from the same place, the one before, the one before that
        came[0] = best
        came[1, 1:] = best[:-1]
        came[2, 2:] = np.where(skips[2:], best[:-2], -np.inf)
        back.append(came.argmax(0))
        best = came.max(0) + frame[symbols]
    place = len(symbols) - 1 - int(len(labels) > 0 and best[-2] > best[-1])
    if best[place] == -np.inf:
        raise CTCError(f"{len(frames)} frames have no path for {len(labels)} labels: fewer than the labels need")
    log_prob, path = float(best[place]), []
    for came_from in reversed(back):
        path.append(place)
        place -= int(came_from[place])
    where = np.array(path[::-1], dtype=np.int64)
    spans = [(np.flatnonzero(where == 2 * u + 1), int(c)) for u, c in enumerate(labels)]
    return Alignment([Span(c, int(at[0]), int(at[-1]) + 1) for at, c in spans], log_prob)


def _frames(log_probs: ArrayLike | Tensor) -> Floats:
    """Log-probabilities as float64 [T, K]; raises CTCError for another form."""
    given = log_probs.detach().cpu().numpy() if isinstance(log_probs, Tensor) else log_probs
    frames = np.asarray(given, dtype=np.float64)
    if frames.ndim != 2:
        raise CTCError(f"log_probs must be [frames, symbols] of one utterance, found {list(frames.shape)}")
    return frames


def _best(ranks: Floats, n: int) -> NDArray[np.int64]:
    """The places of the n highest ranks, highest first, -inf left out; of equal ranks the earlier one."""
    least = np.partition(ranks, -n)[-n] if len(ranks) > n else -np.inf
    possible = np.flatnonzero(ranks >= least)  # more than n where some are equal: the place decides
    order = possible[np.argsort(-ranks[possible], kind="stable")][:n]
    return order[ranks[order] > -np.inf]
