"""Minimum Bayes risk: of several sequences those that are most like whatever the model would say.

    y_1 = argmax_c  U(c)                       U(c) = mean over the drawn s of likeness(c, s)
    y_k = argmax_c  U(c) - apart max_{j<k} likeness(c, y_j)

The likeliest sequence alone is often a short and common one, of which few drawn ones have anything. Kumar & Byrne 2004
(HLT-NAACL, sec. 2), the expectation over what was drawn (Eikema & Aziz 2020, arXiv:2005.10283), candidates also from
elsewhere (the same 2021, arXiv:2108.04718); those after the first by marginal relevance (Carbonell & Goldstein 1998,
doi:10.1145/290941.291025).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray


def least_risk(likeness: NDArray[np.float64], drawn: ArrayLike, count: int = 1, apart: float = 0.0) -> list[int]:
    """The places of `count` of C candidates, the one of least risk first; all C where there are fewer.

    likeness  [C, C] of the row's candidate to the column's
    drawn     [C] how often each was drawn from the model; 0 where it comes from elsewhere
    apart     what likeness to one that is already chosen costs

    Raises ValueError for shapes that do not fit together, and where none was drawn.
    """
    times = np.asarray(drawn, dtype=np.float64)
    if times.ndim != 1 or likeness.shape != (len(times), len(times)):
        raise ValueError(f"C candidates have a likeness [C, C], found {likeness.shape} of {times.shape}")
    if not times.sum() > 0 or (times < 0).any():
        raise ValueError("none of the candidates was drawn: there is nothing to be like")
    expected = likeness @ times / times.sum()
    found: list[int] = []
    for _ in range(min(count, len(times))):
        score = expected - apart * (likeness[:, found].max(1) if found else 0.0)
        score[found] = -np.inf
        found.append(int(score.argmax()))
    return found
