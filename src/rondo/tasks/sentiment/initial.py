"""Where training starts: what each symbol alone speaks for, and vectors from its company.

    S[f]_k = a r_fk u_fk,    r_fk = log((N_fk + 5 N_k / N) / N_k) - mean over k        naive Bayes' log counts
    u      minimises the loss of the answers by s = b + sum_t S[x_t] / sqrt(T), plus `pull` |u - 1|^2; the valence's
             column, a mean in place of a log count, has a free part v besides, with the penalty RIDGE |v|^2
             (where a target is asked about, pieces near it count more: `nearness`)
    E[f]   = U sqrt(D),  U D V' the truncated singular value decomposition of the positive pointwise mutual information
             of units and the units near them (Levy & Goldberg 2014, Neural word embedding as implicit matrix
             factorization, sec. 3)

The first two are the bag of words beside the network, fitted before it: a regression between naive Bayes (u = 1) and
its own optimum, as Wang & Manning (2012, P12-2018, sec. 2.3) interpolate. All take seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from rondo.models.body import Columns
from rondo.tasks.sentiment.data import Texts, answer
from rondo.tasks.sentiment.model import SCALE, SentimentModel, nearness
from rondo.tasks.sentiment.text import FIRST, INSIDE, SOURCES, Ints, Span, marks

WINDOW = 4  # pieces to each side that are company
CONTEXTS = 3000  # the commonest units, as company
SHRINK = 5.0  # texts that a mean of valence is worth before any is seen
RIDGE = 0.3
VALENCE_MEAN = 3  # the column of S
STEPS = 100  # of L-BFGS
COUNTED = 2  # columns whose vectors are counted: units and pairs
BLOCK = 4096  # rows at a time
Floats = NDArray[np.float64]
Singles = NDArray[np.float32]


@torch.no_grad()
def begin(model: SentimentModel, texts: Texts, strength: float, pull: float, vectors: float, count: int = 0) -> None:
    """Set the model's tables from the training texts: what symbols alone speak for (`strength`: a of the formula), and
    vectors of the units and pairs, of standard deviation `vectors`. 0 leaves a part as it is. The first `count` texts
    say what symbols speak for (0: all)."""
    count = count or len(texts)
    if strength:
        polarity, stars, valence = _answers(texts, count)
        for k, table in enumerate(_tables(model.alone)):
            symbols, rows = _present(texts, k, count)
            found = np.zeros((table.num_embeddings, table.embedding_dim))
            found[:, :3] = _log_counts(symbols, polarity[rows], len(found))
            found[:, VALENCE_MEAN] = _mean_valence(symbols, valence[rows], len(found))
            found[:, 5:] = _log_counts(symbols, stars[rows], len(found))
            found[:FIRST] = 0
            table.weight.copy_(torch.from_numpy(strength * found))
        if pull:
            _regress(model, texts, pull, count)
    if vectors and isinstance(model.body.embedding, Columns):
        read = [t for k, t in zip(model.read, _tables(model.body.embedding.tables), strict=True) if k < COUNTED]
        for table, given in zip(read, company(texts, read, model.read), strict=True):
            table.weight[FIRST:] = torch.from_numpy(given[FIRST:] * (vectors / max(1e-9, float(given[FIRST:].std()))))


class _Product(torch.autograd.Function):
    """X W of a sparse X, whose transpose is kept: the gradient of W alone."""

    @staticmethod
    def forward(ctx: Any, w: Tensor, x: Tensor, transposed: Tensor) -> Tensor:
        ctx.transposed = transposed
        return x @ w

    @staticmethod
    def backward(ctx: Any, *gradient: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transposed @ gradient[0], None, None


def _regress(model: SentimentModel, texts: Texts, pull: float, count: int) -> None:
    """Multiply the tables by the u of the formula, for polarity and strength apart. Every data set has a bias b of its
    own, so that no symbol has to say which classes are frequent where it occurs; the model begins with the mean of the
    texts of the world."""
    tables = _tables(model.alone)
    x, y, sources = _design(texts, [t.num_embeddings for t in tables], count)
    transposed, weights = x.t().to_sparse_csr(), torch.cat([t.weight.detach() for t in tables])
    bias = torch.zeros(len(SOURCES), weights.shape[1])
    parts = (slice(0, 3), slice(5, 10)) if model.strength == "stars" else (slice(0, 3), slice(VALENCE_MEAN, 5))
    for columns in parts:
        rest = (columns.start, weights.shape[1] - columns.stop)

        def misfit(w: Tensor, b: Tensor, rest: tuple[int, int] = rest) -> Tensor:
            scores = _Product.apply(w, x, transposed) + b[sources]  # type: ignore[no-untyped-call]
            return model.misfit(functional.pad(scores, rest), y)

        free = columns.start == VALENCE_MEAN
        weights[:, columns], bias[:, columns] = _fitted(misfit, weights[:, columns], pull, free)
    for table, part in zip(tables, torch.split(weights, [t.num_embeddings for t in tables]), strict=True):
        table.weight.copy_(part)
    model.answer.bias.copy_(bias[sources[sources != SOURCES.index("own")]].mean(0))


def _fitted(
    misfit: Callable[[Tensor, Tensor], Tensor], start: Tensor, pull: float, free: bool
) -> tuple[Tensor, Tensor]:
    """Weights S [n, k] and biases [data sets, k] of the least misfit; `free`: the first column has a free part."""
    u, v = torch.ones_like(start, requires_grad=True), torch.zeros(len(start), requires_grad=True)
    bias = torch.zeros(len(SOURCES), start.shape[1], requires_grad=True)
    optimiser = torch.optim.LBFGS([u, v, bias] if free else [u, bias], max_iter=STEPS, line_search_fn="strong_wolfe")

    def weights() -> Tensor:
        return start * u + functional.pad(v.unsqueeze(1), (0, start.shape[1] - 1))

    def closure() -> Tensor:
        optimiser.zero_grad()
        total: Tensor = misfit(weights(), bias) + pull * ((u - 1) ** 2).sum() + RIDGE * (v**2).sum()
        total.backward()  # type: ignore[no-untyped-call]
        return total

    with torch.enable_grad():
        optimiser.step(closure)  # type: ignore[no-untyped-call]
    return weights().detach(), bias.detach()


def _nearness(places: Sequence[Span], span: Span | None) -> Floats:
    """How much each piece counts for a question."""
    if span is None:
        return np.ones(len(places))
    inside = torch.from_numpy((marks(places, span) - 1) % 3 == INSIDE)
    found: Floats = nearness(inside[None])[0].double().numpy()
    return found


def _design(texts: Texts, sizes: Sequence[int], count: int) -> tuple[Tensor, Tensor, Tensor]:
    """Every question's symbols, sparse [N, sum of sizes], a piece counting 1 / sqrt(T); the questions' y; the number of
    the data set."""
    rows, columns, values, sources = [], [], [], []
    answers: list[list[int]] = []
    first = np.cumsum([0, *sizes[:-1]])
    for i, symbols in enumerate(texts.rows[:count]):
        own = symbols + first
        for question in texts.questions[i]:
            near = _nearness(texts.places[i], question.span)
            rows.append(np.full(own.size, len(answers)))
            columns.append(own.ravel())
            values.append(np.repeat(near / np.sqrt(near.sum()), own.shape[1]).astype(np.float32))
            answers.append(answer(question, tagged=False))
            sources.append(SOURCES.index(texts.texts[i].source))
    index = torch.from_numpy(np.stack([np.concatenate(rows), np.concatenate(columns)]).astype(np.int64))
    shape = (len(answers), sum(sizes))
    x = torch.sparse_coo_tensor(index, torch.from_numpy(np.concatenate(values)), shape, check_invariants=False)
    return x.coalesce().to_sparse_csr(), torch.tensor(answers), torch.tensor(sources)


def _tables(modules: nn.ModuleList) -> list[nn.Embedding]:
    return [m for m in modules if isinstance(m, nn.Embedding)]


def _answers(texts: Texts, count: int) -> tuple[Floats, Floats, Floats]:
    """Of each text, the share of its questions with each polarity [N, 3], each strength [N, 5]; the mean valence, or
    nan."""
    polarity, stars, valence = np.zeros((count, 3)), np.zeros((count, 5)), np.full(count, np.nan)
    for i, questions in enumerate(texts.questions[:count]):
        for q in questions:
            if q.polarity is not None:
                polarity[i, q.polarity] += 1 / len(questions)
            if q.stars is not None:
                stars[i, q.stars - 1] += 1 / len(questions)
        known = [q.valence for q in questions if q.valence is not None]
        if known:
            valence[i] = float(np.mean(known))
    return polarity, stars, valence


def _present(texts: Texts, column: int, count: int) -> tuple[Ints, Ints]:
    """Every symbol that a text has, once, and the text."""
    symbols = [np.unique(rows[:, column]) for rows in texts.rows[:count]]
    return np.concatenate(symbols).astype(np.int64), np.repeat(np.arange(len(symbols)), [len(s) for s in symbols])


def _log_counts(symbols: Ints, shares: Floats, n: int) -> Floats:
    counts = np.zeros((n, shares.shape[1]))
    np.add.at(counts, symbols, shares)
    totals = counts.sum(0) + shares.shape[1]
    # as much of one class more as all texts have of it: a rare symbol speaks softly
    logs = np.log((counts + 5 * totals / totals.sum()) / totals)
    centred: Floats = logs - logs.mean(1, keepdims=True)
    return centred


def _mean_valence(symbols: Ints, valence: Floats, n: int) -> Floats:
    """How far the mean valence of the texts that have a symbol is from the mean of all."""
    known = ~np.isnan(valence)
    if not known.any():
        return np.zeros(n)
    middle = valence[known].mean()
    total = np.bincount(symbols[known], valence[known] - middle, n)
    return np.asarray(total / (np.bincount(symbols[known], minlength=n) + SHRINK) / SCALE)


def company(texts: Texts, tables: Sequence[nn.Embedding], columns: Sequence[int]) -> list[Singles]:
    """Vectors of the symbols of the first columns, as wide as these tables. Columns after the first are projected on
    the directions of the first."""
    found: list[Singles] = []
    basis = None
    for table, column in zip(tables, columns, strict=False):
        counts = _near(texts, column, table.num_embeddings)
        frequent = counts.sum(0)
        if basis is None:
            basis = _directions(_information(counts, frequent), max(t.embedding_dim for t in tables))
        parts = [
            _information(counts[k : k + BLOCK], frequent) @ basis[:, : table.embedding_dim]
            for k in range(0, len(counts), BLOCK)
        ]
        projected = np.concatenate(parts)
        found.append(projected / np.sqrt(np.maximum(np.linalg.norm(projected, axis=0), 1e-9)))
    return found


def _near(texts: Texts, column: int, size: int) -> Singles:
    """How often each symbol of a column has each of the commonest units near it, [size, CONTEXTS]."""
    counts = np.zeros(size * CONTEXTS, dtype=np.float32)
    units = np.concatenate([np.concatenate([rows[:, 0], np.zeros(WINDOW)]) for rows in texts.rows]).astype(np.int64)
    own = np.concatenate([np.concatenate([rows[:, column], np.zeros(WINDOW)]) for rows in texts.rows]).astype(np.int64)
    for shift in (s for s in range(-WINDOW, WINDOW + 1) if s and not (column == 1 and s == 1)):
        near = np.roll(units, -shift)
        known = (own >= FIRST) & (own < size) & (near >= FIRST) & (near < CONTEXTS)
        places, n = np.unique(own[known] * CONTEXTS + near[known], return_counts=True)
        counts[places] += n
    return counts.reshape(size, CONTEXTS)


def _information(counts: Singles, company: Singles) -> Singles:
    """Positive pointwise mutual information; how frequent company is counts by the power 3/4 (Levy, Goldberg & Dagan
    2015, Q15-1016, sec. 3)."""
    rows, columns = counts.sum(1, keepdims=True), company**0.75 / (company**0.75).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.log(counts / (rows * columns))
    return np.where(np.isfinite(found), np.maximum(found, 0), 0).astype(np.float32)


def _directions(ppmi: Singles, width: int) -> Singles:
    """The leading right singular vectors, [CONTEXTS, width], by four rounds of subspace iteration."""
    random = np.random.default_rng(0)
    basis = np.linalg.qr(random.standard_normal((ppmi.shape[1], width + 16)).astype(np.float32))[0]
    for _ in range(4):
        basis = np.linalg.qr(ppmi.T @ (ppmi @ basis))[0]
    _, _, v = np.linalg.svd(ppmi @ basis, full_matrices=False)
    found: Singles = (basis @ v.T)[:, :width].astype(np.float32)
    return found
