"""Linear-chain CRF: against the enumeration of every labelling."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rondo.data.batch import IGNORED
from rondo.models.crf import CRF, CRFError, legal_transitions

from shown import shown

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-11}  # float64, sums of at most 3^5 terms: only the order of summation differs


def make(tags: int, seed: int = 0, legal: list[list[bool]] | None = None) -> CRF:
    crf = CRF(tags, legal).to(F64)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for p in crf.parameters():
            p.copy_(torch.randn(p.shape, generator=generator, dtype=F64))
    return crf


def emissions(batch: int, steps: int, tags: int, seed: int = 1) -> Tensor:
    return 2 * torch.randn(batch, steps, tags, generator=torch.Generator().manual_seed(seed), dtype=F64)


def poisoned(e: Tensor, lengths: Tensor) -> Tensor:
    """The same with NaN past the lengths."""
    return e.where((torch.arange(e.shape[1]) < lengths.unsqueeze(1)).unsqueeze(2), torch.nan)


def every_path(crf: CRF, e: Tensor, legal: list[list[bool]] | None, allowed: Tensor | None) -> dict[tuple, float]:
    """The score of every labelling of one row e [T, K] that can be, by the formula."""
    steps, tags = e.shape
    start, transitions, end = (p.tolist() for p in (crf.start, crf.transitions, crf.end))
    found = {}
    for y in itertools.product(range(tags), repeat=steps):
        pairs = list(itertools.pairwise([tags, *y, tags])) if y else []
        if legal is not None and not all(legal[i][j] for i, j in pairs):
            continue
        if allowed is not None and not all(allowed[t, k] for t, k in enumerate(y)):
            continue
        ends = start[y[0]] + end[y[-1]] if y else 0.0
        between = sum(transitions[i][j] for i, j in itertools.pairwise(y))
        found[y] = ends + between + sum(float(e[t, k]) for t, k in enumerate(y))
    return found


def log_sum(scores: list[float]) -> float:
    top = max(scores)
    return top + math.log(sum(math.exp(s - top) for s in scores))


def booleans(shape: tuple[int, ...], share: float, seed: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed)) < share


@st.composite
def cases(draw: st.DrawFn) -> tuple[CRF, Tensor, Tensor, list[list[bool]] | None, Tensor | None]:
    """A CRF with random scores, emissions of rows of any length, and both restrictions or neither."""
    tags, steps, batch = draw(st.integers(1, 3)), draw(st.integers(0, 5)), draw(st.integers(1, 4))
    seed = draw(st.integers(0, 10**6))
    legal = booleans((tags + 1, tags + 1), 0.8, seed).tolist() if draw(st.booleans()) else None
    allowed = booleans((batch, steps, tags), 0.8, seed + 1) if draw(st.booleans()) else None
    lengths = torch.tensor(draw(st.lists(st.integers(0, steps), min_size=batch, max_size=batch)), dtype=torch.int64)
    return make(tags, seed, legal), emissions(batch, steps, tags, seed), lengths, legal, allowed


def enumerated(case: tuple) -> list[dict[tuple, float]]:
    crf, e, lengths, legal, allowed = case
    return [
        every_path(crf, e[b, :n], legal, None if allowed is None else allowed[b, :n])
        for b, n in enumerate(lengths.tolist())
    ]


@given(cases(), st.integers(1, 4))
def test_everything_by_enumeration(case: tuple, k: int) -> None:
    crf, e, lengths, _, allowed = case
    rows = enumerated(case)
    given_e = poisoned(e, lengths)
    if not all(rows):
        for call in (crf.log_partition, crf.viterbi, crf.marginals):
            with pytest.raises(CRFError, match=f"row {[bool(r) for r in rows].index(False)}: no labelling"):
                call(given_e, lengths, allowed)
        return
    shape = (*e.shape, k)
    wanted = torch.tensor([log_sum(list(r.values())) for r in rows], dtype=F64)
    log_z = crf.log_partition(given_e, lengths, allowed)
    shown("CRF = enumeration", "CRF", shape, "log Z", (log_z - wanted).abs().max().item())
    torch.testing.assert_close(log_z, wanted, **EXACT)

    tags, scores = crf.nbest(given_e, k, lengths, allowed)
    best, best_score = crf.viterbi(given_e, lengths, allowed)
    assert torch.equal(best, tags[:, 0])
    assert torch.equal(best_score, scores[:, 0])
    marginals = crf.marginals(given_e, lengths, allowed)
    for b, row in enumerate(rows):
        n = int(lengths[b])
        ordered = sorted(row.values(), reverse=True)[:k]
        torch.testing.assert_close(scores[b, : len(ordered)], torch.tensor(ordered, dtype=F64), **EXACT)
        assert torch.isneginf(scores[b, len(ordered) :]).all(), "a labelling that is not there has no score"
        found = [tuple(path[:n].tolist()) for path in tags[b, : len(ordered)]]
        assert len(set(found)) == len(found), "n-best labellings differ"
        for path, score in zip(found, scores[b], strict=False):
            assert row[path] == pytest.approx(float(score), abs=1e-11)
        assert (tags[b, :, n:] == IGNORED).all()
        assert (tags[b, len(ordered) :] == IGNORED).all()
        for t, tag in itertools.product(range(e.shape[1]), range(e.shape[2])):
            p = sum(math.exp(s - float(wanted[b])) for y, s in row.items() if t < n and y[t] == tag)
            assert float(marginals[b, t, tag]) == pytest.approx(p, abs=1e-11)


@given(cases(), st.integers(0, 10**6))
def test_likelihood_by_enumeration(case: tuple, seed: int) -> None:
    """Of a labelling drawn from those that can be, some of its steps unknown."""
    crf, e, lengths, legal, _ = case
    rows = enumerated((crf, e, lengths, legal, None))
    if not all(rows):
        return
    tags, wanted = torch.full(e.shape[:2], 77), []  # what stands past a length is not read
    for b, row in enumerate(rows):
        path = list(row)[seed % len(row)]
        hidden = booleans((len(path),), 0.3, seed).tolist()
        tags[b, : len(path)] = torch.tensor([IGNORED if h else y for y, h in zip(path, hidden, strict=True)]).long()
        agree = [s for y, s in row.items() if all(h or a == b for a, b, h in zip(y, path, hidden, strict=True))]
        wanted.append(log_sum(agree) - log_sum(list(row.values())))
    got, truth = crf.log_likelihood(poisoned(e, lengths), tags, lengths), torch.tensor(wanted, dtype=F64)
    shown("CRF = enumeration", "CRF", tuple(e.shape), "log p(y | x)", (got - truth).abs().max().item())
    torch.testing.assert_close(got, truth, **EXACT)


@pytest.mark.parametrize("legal", [None, legal_transitions(["O", "B-x", "I-x"])])
@pytest.mark.parametrize("unknown", [False, True])
def test_gradients(legal: list[list[bool]] | None, unknown: bool) -> None:
    crf = make(3, legal=legal)
    lengths = torch.tensor([1, 4, 0, 3])
    tags = torch.tensor([[0, 0, 0, 0], [0, 1, 2, 0], [0, 0, 0, 0], [1, 2, 2, 0]])
    if unknown:
        tags[1, 2] = tags[3, 0] = IGNORED

    e = emissions(4, 4, 3).requires_grad_()
    # gradcheck moves the parameters in place, so the function need not take them
    assert torch.autograd.gradcheck(lambda e, *_: crf.log_likelihood(e, tags, lengths), (e, *crf.parameters()))


def test_nothing_past_a_length_has_a_gradient() -> None:
    crf, lengths = make(3), torch.tensor([2, 0, 4])
    e = poisoned(emissions(3, 4, 3), lengths).requires_grad_()
    crf.log_likelihood(e, torch.zeros(3, 4, dtype=torch.int64), lengths).sum().backward()
    assert e.grad is not None
    assert not e.grad[0, 2:].any()
    assert not e.grad[1].any()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in crf.parameters())


@given(cases())
def test_a_batch_is_its_rows(case: tuple) -> None:
    crf, e, lengths, _, allowed = case
    if not all(enumerated(case)):
        return
    whole = crf.nbest(poisoned(e, lengths), 3, lengths, allowed)
    marginals = crf.marginals(poisoned(e, lengths), lengths, allowed)
    for b, n in enumerate(lengths.tolist()):
        own = None if allowed is None else allowed[b : b + 1, :n]
        tags, scores = crf.nbest(e[b : b + 1, :n], 3, None, own)
        assert torch.equal(tags[0], whole.tags[b, :, :n])
        torch.testing.assert_close(scores[0], whole.scores[b], **EXACT)
        torch.testing.assert_close(crf.marginals(e[b : b + 1, :n], None, own)[0], marginals[b, :n], **EXACT)


def test_a_thousand_steps_in_float32() -> None:
    """float32 agrees with float64: shifted at each step, summed in float64. A plain float32 recursion, whose scores
    grow to thousands, misses both bounds."""
    labels = ["O", *(f"{p}-{k}" for k in "a" for p in "BIES")]
    legal = legal_transitions(labels)
    crf = make(len(labels), legal=legal)
    e = 5 * emissions(3, 1000, len(labels))
    lengths = torch.tensor([1000, 1, 613])
    exact = crf.marginals(e, lengths)
    path = crf.viterbi(e, lengths).tags
    likelihood = crf.log_likelihood(e, path, lengths)
    crf.float()
    got = crf.marginals(e.float(), lengths)
    error = (got - exact).abs().max().item()
    shown("CRF float32 = float64", "CRF", tuple(e.shape), "marginals", error, dtype="float32")
    # each step's shares have relative errors of some 1e-6 (scores up to 30 with eps 6e-8); they do not add up
    assert error < 2e-5
    assert got.sum(2)[0].sub(1).abs().max() < 1e-4
    assert torch.equal(crf.viterbi(e.float(), lengths).tags, path)
    # 1000 terms of about 10, each rounded with eps 6e-8, of random sign
    torch.testing.assert_close(crf.log_likelihood(e.float(), path, lengths).double(), likelihood, rtol=1e-5, atol=1e-4)


def test_half_precision_is_computed_in_float32() -> None:
    crf, e = make(3).float(), emissions(2, 5, 3)
    got = crf.log_partition(e.bfloat16())
    assert got.dtype is torch.float32
    assert torch.equal(got, crf.log_partition(e.bfloat16().float()))


def test_marginals_without_gradients() -> None:
    crf, e = make(3), emissions(2, 5, 3)
    wanted = crf.marginals(e)
    with torch.no_grad():
        assert torch.equal(crf.marginals(e), wanted)
    with torch.inference_mode():
        assert torch.equal(crf.marginals(e), wanted)
    assert all(p.grad is None for p in crf.parameters())


def test_probability_of_an_entity() -> None:
    """The log Z of what is allowed, over all: here that steps 1 and 2 are exactly the entity B I."""
    legal = legal_transitions(["O", "B-x", "I-x"])
    crf, e = make(3, legal=legal), emissions(1, 4, 3)
    allowed = torch.ones(1, 4, 3, dtype=torch.bool)
    allowed[0, 1] = torch.tensor([False, True, False])
    allowed[0, 2] = torch.tensor([False, False, True])
    rows = every_path(crf, e[0], legal, None)
    wanted = log_sum([s for y, s in rows.items() if y[1:3] == (1, 2)]) - log_sum(list(rows.values()))
    got = (crf.log_partition(e, allowed=allowed) - crf.log_partition(e)).detach()
    assert float(got) == pytest.approx(wanted, abs=1e-11)


# ---------------------------------------------------------------- legal transitions


def spans_of(y: tuple[str, ...], scheme: str) -> bool:
    """Whether a labelling is well formed, read from left to right by hand."""
    inside = ""
    for label in y:
        place, _, kind = label.partition("-")
        if place in "IE":
            if inside != kind or not kind:
                return False
        elif scheme == "BIOES" and inside:
            return False
        inside = kind if place in "BI" else ""
    return scheme == "BIO" or not inside


@pytest.mark.parametrize(
    ("scheme", "labels"),
    [
        ("BIO", ["O", "B-a", "I-a", "B-b", "I-b"]),
        ("BIOES", ["S-a", "B-a", "I-a", "E-a", "O", "S-b", "B-b", "E-b"]),
    ],
)
def test_legal_is_well_formed(scheme: str, labels: list[str]) -> None:
    legal = legal_transitions(labels)
    n = len(labels)
    for y in itertools.chain.from_iterable(itertools.product(range(n), repeat=t) for t in range(1, 5)):
        got = all(legal[i][j] for i, j in itertools.pairwise([n, *y, n]))
        assert got == spans_of(tuple(labels[k] for k in y), scheme), [labels[k] for k in y]


def test_other_names_of_the_same_places() -> None:
    bioes = legal_transitions(["O", "B-a", "I-a", "E-a", "S-a"])
    assert legal_transitions(["O", "B-a", "M-a", "E-a", "S-a"]) == bioes
    assert legal_transitions(["O", "B-a", "I-a", "L-a", "U-a"]) == bioes


@pytest.mark.parametrize("label", ["X-a", "B", "O-a", "", "B_a"])
def test_labels_of_another_form(label: str) -> None:
    with pytest.raises(CRFError, match="neither O nor B-"):
        legal_transitions(["O", label])


# ---------------------------------------------------------------- errors


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([[2, 0, 0], [0, 0, 0]], "row 0, step 0: the label 2 may not begin"),
        ([[0, 0, 0], [0, 2, 0]], "row 1, step 1: the label 2 may not follow 0"),
        ([[0, 0, 0], [0, 1, 0]], "row 1, step 1: the label 1 may not end"),
        ([[0, 0, 0], [0, 9, 0]], "row 1, step 1: the label 9 does not exist; there are 0 to 3"),
        ([[0, 0, 0], [IGNORED, 1, 0]], "row 1: no labelling is legal and allowed"),
    ],
)
def test_labels_that_cannot_be(tags: list[list[int]], message: str) -> None:
    crf = CRF(4, legal_transitions(["O", "B-x", "I-x", "E-x"]))
    with pytest.raises(CRFError, match=message):
        crf.log_likelihood(torch.zeros(2, 3, 4), torch.tensor(tags), torch.tensor([3, 2]))


def test_arguments_that_do_not_fit() -> None:
    with pytest.raises(CRFError, match=r"legal must be \[4, 4\] for 3 tags"):
        CRF(3, [[True] * 3] * 3)
    with pytest.raises(CRFError, match="tags must be a positive"):
        CRF(0)
    crf = CRF(3)
    with pytest.raises(CRFError, match=r"emissions must be \[batch, time, 3\], found \[2, 5, 4\]"):
        crf.viterbi(torch.zeros(2, 5, 4))
    with pytest.raises(CRFError, match=r"allowed must be booleans \[2, 5, 3\]"):
        crf.viterbi(torch.zeros(2, 5, 3), allowed=torch.ones(2, 5, dtype=torch.bool))
    with pytest.raises(CRFError, match=r"tags must be \[2, 5\]"):
        crf.log_likelihood(torch.zeros(2, 5, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="lengths must lie between 0 and T = 5"):
        crf.viterbi(torch.zeros(2, 5, 3), torch.tensor([6, 1]))
