"""CTC: loss, greedy, prefix beam and alignment against the enumeration of every path."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rondo.data.batch import IGNORED
from rondo.models.ctc import CTCError, ctc_loss, frames_needed
from rondo.search.ctc import (
    Hypothesis,
    Lexicon,
    PrefixBeam,
    Span,
    align,
    collapse,
    greedy,
    prefix_beam,
)

from shown import shown

F64 = torch.float64
Labels = tuple[int, ...]


def merged(path: tuple[int, ...]) -> Labels:
    """The labels of a path, by the definition."""
    return tuple(c for c, _ in itertools.groupby(path) if c)


def random_frames(steps: int, symbols: int, seed: int) -> np.ndarray:
    x = 2 * np.random.default_rng(seed).normal(size=(steps, symbols))
    return x - np.log(np.exp(x).sum(1, keepdims=True))


def paths(frames: np.ndarray) -> dict[tuple[int, ...], float]:
    """log p of every path."""
    steps, symbols = frames.shape
    every = itertools.product(range(symbols), repeat=steps)
    return {path: float(sum(frames[t, c] for t, c in enumerate(path))) for path in every}


def labellings(frames: np.ndarray) -> dict[Labels, float]:
    """log p of every labelling: the sum over its paths."""
    found: dict[Labels, float] = {}
    for path, p in paths(frames).items():
        found[merged(path)] = found.get(merged(path), 0.0) + math.exp(p)
    return {labels: math.log(p) for labels, p in found.items()}


small = st.tuples(st.integers(0, 5), st.integers(2, 4), st.integers(0, 10**6))  # frames, symbols, seed


# ---------------------------------------------------------------- the loss


@given(st.integers(1, 5), st.integers(2, 4), st.lists(st.integers(0, 5), min_size=1, max_size=4), st.integers(0, 10**6))
def test_loss_is_the_sum_over_paths(steps: int, symbols: int, lengths: list[int], seed: int) -> None:
    """Rows of any length, any labelling that they can have, NaN past the length and rubbish past the labels."""
    lengths = [min(n, steps) for n in lengths]
    scores = torch.full((len(lengths), steps, symbols), torch.nan, dtype=F64)
    labels, targets, wanted = torch.full((len(lengths), 5), 99), [], []
    for b, n in enumerate(lengths):
        frames = random_frames(n, symbols, seed + b)
        scores[b, :n] = torch.from_numpy(frames) + b  # a softmax does not see what is added to all
        every = labellings(frames)
        chosen = sorted(every)[seed % len(every)]
        labels[b, : len(chosen)] = torch.tensor(chosen, dtype=torch.int64)
        targets.append(len(chosen))
        wanted.append(-every[chosen])
    scores.requires_grad_()
    loss = ctc_loss(scores, labels, torch.tensor(lengths), torch.tensor(targets))
    error = (loss.detach() - torch.tensor(wanted, dtype=F64)).abs().max().item()
    shown("CTC = enumeration", "CTC", (steps, symbols, len(lengths)), "loss", error)
    assert error < 1e-12  # float64, sums of at most 4^5 terms
    loss.sum().backward()
    assert scores.grad is not None
    assert scores.grad.isfinite().all()
    assert not any(scores.grad[b, n:].any() for b, n in enumerate(lengths))
    padded = labels.where(torch.arange(5) < torch.tensor(targets).unsqueeze(1), IGNORED)
    assert torch.equal(ctc_loss(scores, padded, torch.tensor(lengths)), loss), "IGNORED marks the end as well"


def test_loss_of_nothing() -> None:
    assert ctc_loss(torch.zeros(2, 0, 3), torch.zeros(2, 0, dtype=torch.int64)).tolist() == [0, 0]
    assert ctc_loss(torch.zeros(0, 4, 3), torch.zeros(0, 2, dtype=torch.int64)).tolist() == []


@given(st.lists(st.integers(1, 2), max_size=4), st.integers(0, 6))
def test_frames_needed(labels: list[int], steps: int) -> None:
    """Exactly those lengths have a path."""
    needed = int(frames_needed(torch.tensor([[*labels, 1, 1]]), torch.tensor([len(labels)])))
    assert (tuple(labels) in {merged(p) for p in itertools.product(range(3), repeat=steps)}) == (needed <= steps)


def test_too_few_frames_are_an_error() -> None:
    scores, labels = torch.zeros(2, 4, 3), torch.tensor([[1, 2, IGNORED], [1, 1, 2]])
    ctc_loss(scores, labels, torch.tensor([2, 4]))
    with pytest.raises(CTCError, match="row 1 has 3 frames, its 3 labels need 4: leave it out"):
        ctc_loss(scores, labels, torch.tensor([2, 3]))


@pytest.mark.parametrize("wrong", [0, 3, -1])
def test_labels_that_do_not_exist(wrong: int) -> None:
    with pytest.raises(CTCError, match=f"row 1: {wrong} is no label; labels are 1 to 2, and 0 is the blank"):
        ctc_loss(torch.zeros(2, 4, 3), torch.tensor([[1, 2], [2, wrong]]))


def test_targets_that_do_not_fit() -> None:
    with pytest.raises(CTCError, match=r"targets must be \[1\] numbers between 0 and 2"):
        ctc_loss(torch.zeros(1, 4, 3), torch.tensor([[1, 2]]), targets=torch.tensor([3]))


# ---------------------------------------------------------------- decoding


@given(small)
def test_greedy_is_the_best_path(case: tuple[int, int, int]) -> None:
    frames = random_frames(*case)
    best = max(paths(frames).items(), key=lambda item: item[1])[0]
    padded = np.concatenate([frames, random_frames(3, case[1], 7)])
    got = greedy(torch.from_numpy(np.stack([padded, padded])), torch.tensor([len(frames), 0]))
    assert got == [list(merged(best)), []]


@given(st.lists(st.integers(0, 2), max_size=8), st.integers(0, 8))
def test_a_path_in_pieces(path: list[int], cut: int) -> None:
    first, second = path[:cut], path[cut:]
    assert collapse(first) + collapse(second, before=[0, *first][-1]) == collapse(path) == list(merged(tuple(path)))


class Bigrams:
    """A language model over labels, for tests: the newest label is the state; nothing may follow symbol 3 itself."""

    def __init__(self, symbols: int, seed: int) -> None:
        self.table = np.random.default_rng(seed).normal(size=(symbols, symbols + 1))
        if symbols > 3:
            self.table[3, :symbols] = -np.inf

    def start(self) -> int:
        return 0

    def scores(self, state: int) -> np.ndarray:
        return self.table[state, :-1]

    def step(self, state: int, label: int) -> int:
        return label

    def end(self, state: int) -> float:
        return float(self.table[state, -1])

    def of(self, labels: Labels) -> float:
        """All that a labelling is given."""
        return float(
            sum(self.table[a, b] for a, b in itertools.pairwise([0, *labels])) + self.table[[0, *labels][-1], -1]
        )


@given(small, st.booleans())
def test_a_beam_that_holds_everything_is_exact(case: tuple[int, int, int], with_language: bool) -> None:
    """Every labelling with its probability, in order; with a language model and a bonus, ordered by the sum."""
    frames = random_frames(*case)
    language = Bigrams(case[1], case[2]) if with_language else None
    every = labellings(frames)
    weight, bonus = (0.7, 0.3) if with_language else (1.0, 0.0)
    scores = {y: p + (weight * language.of(y) + bonus * len(y) if language else 0.0) for y, p in every.items()}
    wanted = sorted(((y, s) for y, s in scores.items() if s > -np.inf), key=lambda item: -item[1])
    got = prefix_beam(torch.from_numpy(frames), 10**4, language, weight, bonus, n=10**4)
    assert [h.labels for h in got] == [y for y, _ in wanted]
    error = max(max(abs(h.score - s), abs(h.log_prob - every[y])) for h, (y, s) in zip(got, wanted, strict=True))
    shown("CTC = enumeration", "CTC", case, "prefix beam", error)
    assert error < 1e-12
    assert got[:3] == prefix_beam(frames, 10**4, language, weight, bonus, n=3)


@given(small, st.integers(1, 4))
def test_a_narrow_beam_never_claims_too_much(case: tuple[int, int, int], width: int) -> None:
    """What a narrow beam gives a labelling is a part of its probability, and it holds no labelling twice."""
    frames = random_frames(*case)
    every = labellings(frames)
    got = prefix_beam(frames, width, n=10)
    assert len({h.labels for h in got}) == len(got) <= width
    assert all(h.log_prob <= every[h.labels] + 1e-12 for h in got)


def test_the_beam_finds_what_the_best_path_misses() -> None:
    """Graves et al. 2006, fig. 2: the best path is all blank, with 0.36; the label's three paths have 0.64."""
    frames = np.log([[0.6, 0.4], [0.6, 0.4]])
    assert greedy(torch.from_numpy(frames).unsqueeze(0)) == [[]]
    (best,) = prefix_beam(frames)
    assert best.labels == (1,)
    assert math.exp(best.log_prob) == pytest.approx(0.64)


def test_a_beam_can_be_asked_at_every_frame() -> None:
    frames = random_frames(6, 3, 0)
    beam = PrefixBeam(3, 8)
    assert beam.best() == [Hypothesis((), 0.0, 0.0)]
    for t, frame in enumerate(frames, 1):
        beam.step(frame)
        assert beam.best(2) == prefix_beam(frames[:t], 8, n=2)


def test_equal_ranks_are_decided_by_place() -> None:
    frames = np.full((3, 4), -math.log(4))
    assert prefix_beam(frames, 3, n=3) == prefix_beam(frames.copy(), 3, n=3)
    assert prefix_beam(frames[:1], 2, n=2)[0].labels == ()


WORDS = [(1, 2), (1,), (2, 2), (2, 1, 1)]
SEPARATOR = 3


def word_score(before: tuple[int, ...], word: int) -> float:
    return -0.5 * word - 0.25 * sum(before)


def by_words(labels: Labels) -> float:
    """The language score of a labelling, its words read off the whole; -inf where something is no word."""
    if not labels:
        return 0.0
    parts = [tuple(g) for key, g in itertools.groupby(labels, lambda c: c == SEPARATOR) if not key]
    doubled = labels[0] == SEPARATOR or any(a == b == SEPARATOR for a, b in itertools.pairwise(labels))
    if doubled or not all(p in WORDS for p in parts):
        return -math.inf
    numbers = [WORDS.index(p) for p in parts]
    return sum(word_score(tuple(numbers[:i]), w) + 0.2 for i, w in enumerate(numbers))


@given(st.integers(0, 6), st.integers(0, 10**6))
def test_a_lexicon_allows_its_words_alone(steps: int, seed: int) -> None:
    frames = random_frames(steps, 4, seed)
    language = Lexicon(WORDS, 4, SEPARATOR, word_score, bonus=0.2)
    got = prefix_beam(frames, 10**4, language, weight=1.5, n=10**4)
    scores = {y: p + 1.5 * by_words(y) for y, p in labellings(frames).items()}
    wanted = sorted(((s, y) for y, s in scores.items() if s > -math.inf), reverse=True)
    assert [h.labels for h in got] == [y for _, y in wanted]
    np.testing.assert_allclose([h.score for h in got], [s for s, _ in wanted], rtol=0, atol=1e-12)


def test_spelling_that_cannot_be() -> None:
    for spelled in [(), (1, 3), (0,), (4,)]:
        with pytest.raises(CTCError, match="word 1 is spelled"):
            Lexicon([(1,), spelled], 4, SEPARATOR)


@given(st.integers(0, 6), st.integers(0, 10**6))
def test_of_words_that_are_spelled_alike_the_likelier_counts(steps: int, seed: int) -> None:
    """With a score that tells each word by the one before it."""
    words, random = [(1,), (1,), (2,)], np.random.default_rng(seed)
    table = np.log(random.dirichlet(np.ones(3), 4))  # [word before, or 3: none; word]
    score = lambda before, word: float(table[before[-1] if before else 3, word])
    language, frames = Lexicon(words, 4, SEPARATOR, score), random_frames(steps, 4, seed)
    for found in prefix_beam(frames, 10**4, language, n=10**4):
        before: tuple[int, ...] = ()
        for label in (c for c in found.labels if c != SEPARATOR):
            before = (*before, max((w for w in range(3) if words[w] == (label,)), key=lambda w: score(before, w)))
        told = sum(score(before[:k], w) for k, w in enumerate(before))
        assert found.score == pytest.approx(found.log_prob + told, abs=1e-9)


@pytest.mark.parametrize("language", [lambda: None, lambda: Lexicon(_syllables(), 30, 29)])
def test_a_long_utterance_takes_well_under_a_second(language: Callable[[], Lexicon | None]) -> None:
    frames = random_frames(500, 30, 0)
    best = math.inf
    for _ in range(3):
        begun = time.process_time()
        assert prefix_beam(frames, 16, language())
        best = min(best, time.process_time() - begun)
    assert best < 0.5  # about 0.05 on one core


def _syllables() -> list[Labels]:
    return list(itertools.product(range(1, 10), range(10, 20)))


# ---------------------------------------------------------------- alignment


@given(small, st.integers(0, 10**6))
def test_alignment_is_the_best_path_of_the_labels(case: tuple[int, int, int], seed: int) -> None:
    frames = random_frames(*case)
    every: dict[Labels, tuple[float, tuple[int, ...]]] = {}
    for path, p in paths(frames).items():
        every[merged(path)] = max(every.get(merged(path), (-math.inf, ())), (p, path))
    labels = sorted(every)[seed % len(every)]
    log_prob, path = every[labels]
    got = align(torch.from_numpy(frames), labels)
    shown("CTC = enumeration", "CTC", case, "alignment", abs(got.log_prob - log_prob))
    assert got.log_prob == pytest.approx(log_prob, abs=1e-12)
    runs = [(c, len(list(g))) for c, g in itertools.groupby(path)]
    ends = list(itertools.accumulate(n for _, n in runs))
    assert got.spans == [Span(c, end - n, end) for (c, n), end in zip(runs, ends, strict=True) if c]


def test_alignment_errors() -> None:
    frames = random_frames(3, 3, 0)
    with pytest.raises(CTCError, match="3 frames have no path for 3 labels: fewer than the labels need"):
        align(frames, [1, 1, 2])
    with pytest.raises(CTCError, match="labels are 1 to 2"):
        align(frames, [1, 3])


# ---------------------------------------------------------------- errors of the beam


def test_beam_errors() -> None:
    with pytest.raises(CTCError, match="width of a beam is at least 1"):
        PrefixBeam(3, 0)
    with pytest.raises(CTCError, match=r"a frame must be \[3\]"):
        PrefixBeam(3).step(np.zeros(4))
    with pytest.raises(CTCError, match=r"must be \[frames, symbols\] of one utterance"):
        prefix_beam(np.zeros((1, 4, 3)))
    for bad, message in ((np.nan, "holds NaN"), (-np.inf, "no labelling is left")):
        with pytest.raises(CTCError, match=message):
            prefix_beam(np.full((4, 3), bad))
