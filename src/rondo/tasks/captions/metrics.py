"""Measures of captions against several references, by characters: BLEU and CIDEr-D.

BLEU   p_n, the share of the candidates' n-grams that a reference has, each counted at most as often as in the
       reference that has it most often; the geometric mean of p_1 ... p_N, times exp(1 - r/c) where the candidates'
       length c is below r, that of the references closest to them (Papineni et al. 2002, sec. 2). Over the corpus, in
       percent, without smoothing.
CIDEr-D  of a candidate c with references s_j: with g_n a caption's n-grams weighted by their count and the logarithm
       of how rare they are among the pictures, (Vedantam et al. 2015, arXiv:1411.5726, sec. 8)

           CIDEr-D_n = 10 mean_j exp(-(l_c - l_sj)^2 / (2 6^2)) min(g_n(c), g_n(s_j)) · g_n(s_j) / (|g_n(c)| |g_n(s_j)|)

       and the mean over n = 1 ... 4; of a corpus the mean, times 100 as it is usually written. The rarity is counted in
       the references that are measured against, so a figure belongs to its set of pictures.
"""

from __future__ import annotations

import functools
import math
from collections import Counter
from collections.abc import Hashable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

ORDER = 4
SIGMA = 6.0  # of the difference in length, in characters


def ngrams(sentence: str, n: int) -> Counter[str]:
    """How often each run of n characters stands in a sentence."""
    return Counter(sentence[k : k + n] for k in range(len(sentence) - n + 1))


def bleu(candidates: Sequence[str], references: Sequence[Sequence[str]], order: int = ORDER) -> list[float]:
    """BLEU-1 ... BLEU-`order` of a corpus, in percent. Raises ValueError where there is not a set of references for
    each candidate."""
    _check(candidates, references)
    matched, total = [0] * order, [0] * order
    length = closest = 0
    for candidate, own in zip(candidates, references, strict=True):
        size = len(candidate)
        length += size
        closest += min((abs(len(r) - size), len(r)) for r in own)[1]
        for n in range(1, order + 1):
            most: Counter[str] = Counter()
            for reference in own:
                most |= ngrams(reference, n)
            matched[n - 1] += (ngrams(candidate, n) & most).total()
            total[n - 1] += max(0, size - n + 1)
    short = 1.0 if length >= closest else math.exp(1 - closest / length) if length else 0.0
    found, logs = [], 0.0
    for n in range(1, order + 1):
        share = matched[n - 1] / total[n - 1] if total[n - 1] else 0.0
        logs += math.log(share) if share else -math.inf
        found.append(100 * short * math.exp(logs / n))
    return found


def sentence_bleu(candidate: str, references: Sequence[str], order: int = ORDER) -> float:
    """BLEU-`order` of one sentence, in percent; runs of two and more counted once too often on both sides, so that one
    without a common run of four has a figure too (Lin & Och 2004, doi:10.3115/1220355.1220427, sec. 4)."""
    size, logs = len(candidate), 0.0
    for n in range(1, order + 1):
        most: Counter[str] = Counter()
        for reference in references:
            most |= ngrams(reference, n)
        more = int(n > 1)
        matched = (ngrams(candidate, n) & most).total() + more
        if not matched:
            return 0.0
        logs += math.log(matched / (max(0, size - n + 1) + more))
    closest = min((abs(len(r) - size), len(r)) for r in references)[1]
    return 100 * math.exp(min(0.0, 1 - closest / size) + logs / order)


def likeness(sentences: Sequence[Sequence[Hashable]], order: int = ORDER) -> NDArray[np.float64]:
    """`sentence_bleu` of each of S sentences, none empty, by each of them, [S, S], from 0 to 1."""
    sizes = np.array([len(s) for s in sentences])
    logs = np.minimum(0.0, 1 - sizes / sizes[:, np.newaxis])
    for n in range(1, order + 1):
        grams = [Counter(zip(*(s[k:] for k in range(n)), strict=False)) for s in sentences]
        place = {g: k for k, g in enumerate({g: None for own in grams for g in own})}
        times = np.zeros((len(sentences), len(place)))
        for row, own in zip(times, grams, strict=True):
            row[[place[g] for g in own]] = list(own.values())
        more = int(n > 1)
        matched = np.minimum(times[:, np.newaxis], times).sum(2) + more
        with np.errstate(divide="ignore"):  # nothing in common: the logarithm of 0
            logs = logs + np.log(matched / (times.sum(1)[:, np.newaxis] + more)) / order
    found: NDArray[np.float64] = np.exp(logs)
    return found


class CiderD:
    """CIDEr-D against the references of some pictures."""

    def __init__(self, references: Sequence[Sequence[str]]) -> None:
        self.count = len(references)
        seen = Counter(g for own in references for g in {g for r in own for g in _grams(r)})
        self._rarity = {g: math.log(self.count) - math.log(c) for g, c in seen.items()}
        self._texts = references

    @functools.cached_property
    def _references(self) -> list[list[Vectors]]:
        return [[self._vectors(r) for r in own] for own in self._texts]

    def scores(self, candidates: Sequence[str]) -> list[float]:
        """Of each candidate, in the order of the references; 10 is the most."""
        _check(candidates, self._texts)
        return [self.score(c, k) for k, c in enumerate(candidates)]

    def score(self, candidate: str, picture: int) -> float:
        """Of a sentence about the picture with this number."""
        return _mean(self._vectors(candidate), self._references[picture])

    def against(self, candidates: Sequence[str], references: Sequence[str]) -> list[float]:
        """Of sentences about one picture, which need not be one of these: only how rare runs are comes from them."""
        refs = [self._vectors(r) for r in references]
        return [_mean(self._vectors(c), refs) for c in candidates]

    def corpus(self, candidates: Sequence[str]) -> float:
        """The mean over the pictures, times 100."""
        return 100 * math.fsum(self.scores(candidates)) / max(1, self.count)

    def _vectors(self, sentence: str) -> Vectors:
        parts = []
        for n in range(1, ORDER + 1):
            part = {g: c * self._rare(g) for g, c in ngrams(sentence, n).items()}
            parts.append((part, math.sqrt(math.fsum(v * v for v in part.values()))))
        return len(sentence), parts

    def _rare(self, gram: str) -> float:
        """What no reference has counts as seen once."""
        return self._rarity.get(gram, math.log(self.count))


Vectors = tuple[int, list[tuple[dict[str, float], float]]]  # length; for each n the weights and their norm


def _grams(sentence: str) -> Iterable[str]:
    return (g for n in range(1, ORDER + 1) for g in ngrams(sentence, n))


def _mean(own: Vectors, references: Sequence[Vectors]) -> float:
    return math.fsum(_likeness(own, r) for r in references) * 10 / max(1, len(references))


def _likeness(one: Vectors, two: Vectors) -> float:
    """Of a candidate and a reference: the mean over n of the clipped cosines, less where the lengths differ."""
    (length, own), (other, refs) = one, two
    total = 0.0
    for (a, size_a), (b, size_b) in zip(own, refs, strict=True):
        if size_a and size_b:
            total += math.fsum(min(v, b[g]) * b[g] for g, v in a.items() if g in b) / (size_a * size_b)
    return total / ORDER * math.exp(-((length - other) ** 2) / (2 * SIGMA**2))


def measures(
    candidates: Sequence[str], references: Sequence[Sequence[str]], scorer: CiderD | None = None
) -> dict[str, float]:
    """BLEU-1 ... BLEU-4 and CIDEr-D, rounded to a tenth. scorer: of these references, where there is one already."""
    found = {f"bleu_{n}": round(v, 1) for n, v in enumerate(bleu(candidates, references), 1)}
    return {**found, "cider_d": round((scorer or CiderD(references)).corpus(candidates), 1)}


def _check(candidates: Sequence[object], references: Sequence[object]) -> None:
    if len(candidates) != len(references):
        raise MeasureError(f"there are {len(candidates)} candidates and references of {len(references)} pictures")


class MeasureError(ValueError):
    """Candidates and references that do not belong together."""
