"""What each piece of a text contributes to a score: Shapley values by sampling.

For a text of n pieces let F(S) be the score when the model reads the pieces of S and "unknown" in place of the others.
Pieces are shown one by one in some order, and a piece is credited with the change of F when its turn comes; its
contribution is the mean over orders (Shapley 1953; by sampling Castro et al. 2009, doi:10.1016/j.cor.2008.04.004;
for classifiers Strumbelj and Kononenko 2010, JMLR 11). Whatever the orders, the contributions add up to
F(all) - F(none).

Orders come in pairs, each with its reverse (Mitchell et al. 2022, JMLR 23, sec. 4.2), the first being that of the
text: where pieces act on each other two at a time at most (不 and 好), one such pair is exact already.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def contributions(score: Callable[[Bools], Floats], count: int, pairs: int = 1, seed: int = 0) -> Floats:
    """The contribution of each of `count` parts [count].

    score   F of each row [N] of which parts are shown [N, count]
    pairs   of orders: 2 * pairs * (count - 1) + 2 rows are asked for, all at once
    """
    if not count:
        return np.zeros(0)
    taken = list(orders(count, pairs, seed))
    steps = np.arange(count)
    inner = [order.argsort() <= steps[:-1, None] for order in taken]  # after 1, 2, ..., count - 1 parts
    ends = np.array([[False] * count, [True] * count])
    found = score(np.concatenate([ends, *inner]))
    none, everything, values = found[0], found[1], found[2:].reshape(len(taken), count - 1)
    path = np.concatenate([np.full((len(taken), 1), none), values, np.full((len(taken), 1), everything)], 1)
    total = np.zeros(count)
    for order, gains in zip(taken, np.diff(path, axis=1), strict=True):
        total[order] += gains
    return total / len(taken)


def orders(count: int, pairs: int, seed: int) -> Iterator[Ints]:
    """That of the text and its reverse, then drawn ones, each with its reverse."""
    random = np.random.default_rng(seed)
    for k in range(pairs):
        order = random.permutation(count) if k else np.arange(count)
        yield order
        if count > 1:
            yield order[::-1]


def groups(count: int, most: int) -> list[range]:
    """`count` pieces in at most `most` runs of about equal length."""
    most = min(count, max(1, most))
    cuts = [round(k * count / most) for k in range(most + 1)] if count else [0]
    return [range(a, b) for a, b in pairwise(cuts)]


def plan(sizes: Sequence[int], budget: int, most: int) -> list[tuple[int, int]]:
    """Of each part of a text, with so many pieces: in how many groups its pieces are credited, and over how many pairs
    of orders, so that all of it reads about `budget` pieces; at most `most` pairs."""
    found = []
    for size in sizes:
        share = budget / len(sizes) / max(1, 2 * size)  # rows / 2 that this part may ask for
        count = min(size, max(1, int(share)))
        found.append((count, int(min(most, max(1, share // max(1, count))))))
    return found
