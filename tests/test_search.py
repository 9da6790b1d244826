"""Search: each against all sequences written out, and the properties that hold whatever the predictor."""

from __future__ import annotations

import functools
import itertools
import math
from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rondo.models.ngram import NGram
from rondo.search import beam as beam_module
from rondo.search.beam import beam
from rondo.search.greedy import greedy
from rondo.search.greedy import stream as greedy_stream
from rondo.search.predictor import SearchError
from rondo.search.risk import least_risk
from rondo.search.sample import BLOCK, pick, row_seeds, sample, stream, weights
from rondo.search.steps import CUTS
from rondo.search.steps import steps as looked

from shown import shown

Hypothesis = tuple[list[int], float, float, bool]  # symbols without end, log-probability, score, finished


class Chain:
    """A predictor whose next symbol depends on everything read so far, and on its row."""

    def __init__(self, symbols: int, seed: int = 0, sharpness: float = 1.5) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.table = torch.randn(997, symbols, generator=generator, dtype=torch.float64)
        self.table = self.table.mul(sharpness).log_softmax(1)
        self.rows = 0  # most rows that were asked about at once

    def start(self, rows: int) -> Tensor:
        return torch.arange(rows) * 31

    def step(self, symbols: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        assert symbols.shape == state.shape
        self.rows = max(self.rows, len(state))
        state = (state * 7 + symbols + 1) % 997
        return self.table[state], state

    def select(self, state: Tensor, index: Tensor) -> Tensor:
        return state[index]


class Fixed:
    """A predictor that always says the same, p [V] or, row by row, [N, V]."""

    def __init__(self, p: Tensor) -> None:
        self.scores = p.log()

    def start(self, rows: int) -> Tensor:
        return self.scores.expand(rows, -1)

    def step(self, symbols: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        return state, state

    def select(self, state: Tensor, index: Tensor) -> Tensor:
        return state[index]


def primes(rows: int) -> Tensor:
    return torch.arange(2 * rows).reshape(rows, 2) % 3


def everything(
    predictor: Chain,
    prime: Tensor,
    row: int,
    length: int,
    end: int | None,
    penalty: float,
    allowed: Callable[..., bool],
) -> list[Hypothesis]:
    """All sequences of one row, best first: those that end, then those cut at `length`."""
    found: list[Hypothesis] = []

    def go(written: list[int], total: float, scores: Tensor, state: Tensor) -> None:
        n = len(written)
        norm = ((5 + n + 1) / 6) ** penalty
        for symbol in range(len(scores)):
            if not allowed(row, written, symbol):
                continue
            p = total + float(scores[symbol])
            if symbol == end:
                found.append((written, p, p / norm, True))
            elif n + 1 == length:
                found.append(([*written, symbol], p, p / norm, False))
            else:
                after, new = predictor.step(torch.tensor([symbol]), state)
                go([*written, symbol], p, after[0], new)

    state = predictor.start(row + 1)[row:]
    for symbol in prime[row]:
        scores, state = predictor.step(symbol.unsqueeze(0), state)
    go([], 0.0, scores[0], state)
    return sorted(found, key=lambda h: (not h[3], -h[2]))


def free(row: int, written: list[int], symbol: int) -> bool:
    return True


def picky(row: int, written: list[int], symbol: int) -> bool:
    """No symbol follows itself; row 1 does not begin with 0; some prefixes cannot be continued."""
    if written[:2] == [1, 0]:
        return False
    return not (written and written[-1] == symbol) and (row, len(written), symbol) != (1, 0, 0)


def as_mask(allowed: Callable[..., bool], symbols: int) -> Callable[[Tensor, Tensor], Tensor]:
    def mask(prefixes: Tensor, rows: Tensor) -> Tensor:
        pairs = zip(rows.tolist(), prefixes.tolist(), strict=True)
        return torch.tensor([[allowed(r, p, s) for s in range(symbols)] for r, p in pairs])

    return mask


@pytest.mark.parametrize("allowed", [free, picky])
@pytest.mark.parametrize("penalty", [0.0, 0.6, 1.0, 3.0, -1.0])
@pytest.mark.parametrize("end", [None, 2])
def test_a_beam_as_wide_as_the_space_is_exhaustive(end: int | None, penalty: float, allowed: Callable) -> None:
    for seed, length in ((0, 1), (1, 3), (2, 4)):
        predictor, prime, width = Chain(3, seed), primes(3), 3**length
        masks = () if allowed is free else (as_mask(allowed, 3),)
        got = beam(predictor, prime, length, width=width, nbest=width, penalty=penalty, end=end, masks=masks)
        worst = 0.0
        for row, found in enumerate(got.sequences()):
            wanted = everything(predictor, prime, row, length, end, penalty, allowed)
            assert found == [h[0] for h in wanted]
            assert got.finished[row, : len(found)].tolist() == [h[3] for h in wanted]
            for k, (_, p, score, _) in enumerate(wanted):
                worst = max(worst, abs(float(got.log_probability[row, k]) - p), abs(float(got.score[row, k]) - score))
        shown("beam = every sequence", "any predictor", (3, length, end, penalty), "score", worst)
        assert worst < 1e-13  # a sum of at most 4 numbers below 10


def plain_beam(
    predictor: Chain, prime: Tensor, length: int, width: int, end: int | None, penalty: float
) -> list[Hypothesis]:
    """A narrow beam over one row, from lists, that never stops early."""
    state = predictor.start(1)
    for symbol in prime:
        scores, state = predictor.step(symbol.unsqueeze(0), state)
    alive, found = [([], 0.0, scores[0], state)], []
    for n in range(1, length + 1):
        norm = ((5 + n) / 6) ** penalty
        candidates = sorted(
            ((p + float(scores[symbol]), written, symbol, state) for written, p, scores, state in alive
             for symbol in range(len(scores))),
            key=lambda c: -c[0],
        )  # fmt: skip
        found += [(written, p, p / norm, True) for p, written, symbol, _ in candidates[:width] if symbol == end]
        going = [c for c in candidates if c[2] != end][:width]
        if n == length:
            found += [([*written, symbol], p, p / norm, False) for p, written, symbol, _ in going]
            break
        alive = []
        for p, written, symbol, state in going:
            scores, new = predictor.step(torch.tensor([symbol]), state)
            alive.append(([*written, symbol], p, scores[0], new))
    return sorted(found, key=lambda h: (not h[3], -h[2]))


@pytest.mark.parametrize("end", [None, 1])
@pytest.mark.parametrize("penalty", [0.0, 1.0, 4.0, -0.5])
@pytest.mark.parametrize(("symbols", "width"), [(3, 2), (5, 1), (5, 4)])
def test_a_narrow_beam_is_the_plain_one(symbols: int, width: int, penalty: float, end: int | None) -> None:
    length = 7
    for seed in range(15):
        predictor, prime, nbest = Chain(symbols, seed, 1.0), torch.tensor([[0, seed % symbols]]), 1 + seed % width
        found = beam(predictor, prime, length, width=width, nbest=nbest, end=end, penalty=penalty)
        wanted = plain_beam(predictor, prime[0], length, width, end, penalty)[:nbest]
        assert found.sequences()[0] == [h[0] for h in wanted]
        assert found.finished[0, : len(wanted)].tolist() == [h[3] for h in wanted]
        assert found.score[0, : len(wanted)].tolist() == pytest.approx([h[2] for h in wanted])
        past = torch.arange(length) >= found.lengths.unsqueeze(2)
        assert (found.symbols[past] == (end or 0)).all()


@pytest.mark.parametrize("penalty", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("nbest", [1, 3])
def test_a_search_that_stops_early_loses_nothing(nbest: int, penalty: float, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(predictor: Chain) -> tuple[list, int]:
        steps, step = 0, predictor.step

        def counted(symbols: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
            nonlocal steps
            steps += 1
            return step(symbols, state)

        predictor.step = counted  # type: ignore[method-assign]
        found = beam(predictor, primes(4), 30, width=4, nbest=nbest, penalty=penalty, end=0)
        return found.sequences(), steps

    early = [run(Chain(5, seed)) for seed in range(8)]
    monkeypatch.setattr(beam_module, "_settled", lambda found, ranked, *_: torch.zeros(len(ranked.rows), dtype=bool))
    late = [run(Chain(5, seed)) for seed in range(8)]
    assert [found for found, _ in early] == [found for found, _ in late]
    assert sum(steps for _, steps in early) < sum(steps for _, steps in late)


def test_the_length_penalty_prefers_longer_hypotheses() -> None:
    predictor, lengths = Chain(4, 3), []
    for penalty in (0.0, 1.0, 4.0):
        found = beam(predictor, primes(20), 6, width=200, penalty=penalty, end=0)
        lengths.append(found.lengths.double().mean().item())
    assert lengths[0] < lengths[1] < lengths[2]


@given(st.integers(2, 6), st.integers(0, 8), st.integers(0, 1000), st.booleans(), st.integers(1, 4))
def test_greedy_is_a_beam_of_one_and_sampling_at_zero(symbols: int, length: int, seed: int, ends: bool, n: int) -> None:
    predictor, end = Chain(symbols, seed), 0 if ends else None
    prime = primes(n) % symbols
    a = greedy(predictor, prime, length, end=end)
    b = beam(predictor, prime, length, width=1, end=end)
    c = sample(predictor, prime, length, temperature=0, end=end)
    assert a.sequences() == b.sequences() == c.sequences()
    assert a.finished.tolist() == b.finished.tolist() == c.finished.tolist()
    for other in (b, c):
        torch.testing.assert_close(other.log_probability, a.log_probability)
        torch.testing.assert_close(other.score, a.score)
    for written, total in zip(a.best(), a.log_probability[:, 0], strict=True):
        assert len(written) <= length
        assert total <= 0


def test_greedy_takes_the_most_probable_symbol() -> None:
    predictor, prime = Chain(6, 4), primes(2)
    found = greedy(predictor, prime, 9)
    assert found.symbols.shape == (2, 1, 9)
    for row, written in enumerate(found.best()):
        total, state = 0.0, predictor.start(2)[row : row + 1]
        for symbol in prime[row]:
            scores, state = predictor.step(symbol.unsqueeze(0), state)
        for symbol in written:
            assert symbol == max(range(6), key=scores[0].tolist().__getitem__)
            total += float(scores[0, symbol])
            scores, state = predictor.step(torch.tensor([symbol]), state)
        assert float(found.log_probability[row, 0]) == pytest.approx(total)


# dyadic probabilities: their sums are exact
P = torch.tensor([[0.125, 0.5, 0.0625, 0.25, 0.0625], [0.25, 0.25, 0.25, 0.125, 0.125]], dtype=torch.float64)


@pytest.mark.parametrize(
    ("top_k", "top_p", "first", "second"),
    [
        (0, 1.0, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        (1, 1.0, [1], [0, 1, 2]),  # as probable as the first: kept
        (3, 1.0, [0, 1, 3], [0, 1, 2]),
        (4, 1.0, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        (9, 1.0, [0, 1, 2, 3, 4], [0, 1, 2, 3, 4]),
        (0, 0.5, [1], [0, 1, 2]),
        (0, 0.51, [1, 3], [0, 1, 2]),
        (0, 0.75, [1, 3], [0, 1, 2]),
        (0, 0.76, [0, 1, 3], [0, 1, 2, 3, 4]),
        (0, 1e-9, [1], [0, 1, 2]),
        (3, 0.6, [1, 3], [0, 1, 2]),
        (2, 0.67, [1, 3], [0, 1, 2]),
        (2, 0.66, [1], [0, 1, 2]),  # 0.5 of the 0.75 that top_k leaves
    ],
)
def test_what_is_cut_and_how_the_rest_is_normalised(
    top_k: int, top_p: float, first: list[int], second: list[int]
) -> None:
    w = weights(P.log(), 1.0, top_k, top_p)
    for row, kept in enumerate((first, second)):
        assert w[row].nonzero().squeeze(1).tolist() == kept
        wanted = torch.zeros(5, dtype=torch.float64)
        wanted[kept] = P[row, kept] / P[row, kept].sum()
        error = float((w[row] / w[row].sum() - wanted).abs().max())
        shown("top-k, top-p = plain", "any predictor", (5, top_k, top_p), "probability", error)
        assert error < 1e-15  # one exp and one division of numbers below 1


@given(st.integers(0, 99), st.floats(0.05, 0.999), st.integers(0, 700), st.floats(0.2, 3))
def test_the_nucleus_is_the_smallest_that_holds_the_share(seed: int, share: float, top_k: int, t: float) -> None:
    """Also where it is wider than what is looked at first."""
    scores = Chain(700, seed, 0.5 + seed % 3).table[:3].clone()
    scores[0, :50] = -torch.inf
    w = weights(scores, t, top_k, share)
    all_of_them = weights(scores, t, top_k)
    for before, after in zip(all_of_them, w, strict=True):
        kept = after > 0
        assert torch.equal(after[kept], before[kept])
        part, total, least = float(after.sum()), float(before.sum()), float(after[kept].min())
        assert part >= share * total * (1 - 1e-12)  # sums of 700 numbers in another order
        assert part - least < share * total * (1 + 1e-12)
        assert least >= float((before * ~kept).max())


def test_temperature_sharpens_and_flattens() -> None:
    for t in (0.3, 1.0, 2.5):
        w = weights(P.log(), t)
        torch.testing.assert_close(w / w.sum(1, keepdim=True), P ** (1 / t) / (P ** (1 / t)).sum(1, keepdim=True))
    assert weights(P[:1].log(), 1e-300)[0].tolist() == [0, 1, 0, 0, 0]


def test_pick_gives_each_symbol_its_share_and_never_one_without() -> None:
    w = torch.tensor([[0.0, 2.0, 0.0, 1.0, 0.0]], dtype=torch.float64)
    numbers = torch.tensor([0.0, 0.3, 0.66, 0.67, 0.9, 1 - 2**-53], dtype=torch.float64)
    assert pick(w.expand(6, -1), numbers).tolist() == [1, 1, 1, 3, 3, 3]
    tiny = torch.tensor([[1.0, 1e-300, 0.0]], dtype=torch.float64)  # the edge of the second is the edge of the first
    assert pick(tiny, numbers[-1:]).tolist() == [0]
    totals = torch.rand(10_000, 1, generator=torch.Generator().manual_seed(0), dtype=torch.float64) + 0.5
    assert not pick(torch.cat([totals, torch.zeros_like(totals)], 1), numbers[-1:].expand(10_000)).any()


def test_a_wide_nucleus_beside_a_narrow_one() -> None:
    rows = torch.stack([torch.arange(1000.0), -torch.arange(1000.0).square()]).double().div(1000)
    wide, narrow = weights(rows, top_p=0.9999)
    order = weights(rows)[0].flip(0).cumsum(0)
    assert int((wide > 0).sum()) == int((order < 0.9999 * order[-1]).sum()) + 1 > 512
    assert int((narrow > 0).sum()) < 200


def test_numbers_do_not_come_again_after_a_block() -> None:
    (drawn,) = sample(Fixed(torch.full((50,), 0.02)), [0], 4 * BLOCK).best()
    assert all(drawn[:BLOCK] != drawn[k * BLOCK : (k + 1) * BLOCK] for k in (1, 2, 3))


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.5, 0, 1.0), (1.0, 3, 1.0), (2.0, 0, 0.8)]
)
def test_frequencies_are_the_probabilities(temperature: float, top_k: int, top_p: float) -> None:
    p = torch.tensor([0.05, 0.4, 0.2, 0.0, 0.25, 0.1], dtype=torch.float64)
    n = 20_000
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    drawn = sample(Fixed(p), torch.zeros(100, 1).long(), 200, **options, seed=3)
    wanted = weights(p.log().unsqueeze(0), temperature, top_k, top_p)[0]
    wanted = wanted / wanted.sum()
    counts = torch.bincount(drawn.symbols.flatten(), minlength=6)
    assert counts[wanted == 0].sum() == 0
    kept = wanted > 0
    chi2 = float(((counts - n * wanted)[kept] ** 2 / (n * wanted[kept])).sum())
    assert chi2 < 20.5  # 5 degrees of freedom at most: exceeded with probability 0.001, and the seed is fixed
    pairs = Counter(pair for row in drawn.best() for pair in itertools.pairwise(row))
    for (a, b), count in pairs.items():  # successive draws do not depend on each other
        mean = 100 * 199 * float(wanted[a] * wanted[b])
        assert abs(count - mean) < 5 * math.sqrt(mean) + 5


def test_sampling_repeats_with_its_seed() -> None:
    predictor = Chain(9, 1)

    def draw(seed: int) -> list[list[int]]:
        return sample(predictor, primes(3), 100, seed=seed).best()

    assert draw(1) == draw(1) != draw(2)
    a, b, c = sample(Fixed(P[1]), torch.zeros(3, 1).long(), 100, seed=4).best()
    assert a != b != c != a


@given(st.integers(0, 50), st.integers(1, 5), st.booleans(), st.sampled_from([(0, 1.0), (2, 1.0), (0, 0.7)]))
def test_a_row_does_not_depend_on_its_batch(seed: int, rows: int, ends: bool, cut: tuple[int, float]) -> None:
    table = torch.rand(6, 5, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    table /= table.sum(1, keepdim=True)
    options = {"end": 0 if ends else None, "top_k": cut[0], "top_p": cut[1]}
    prime = torch.zeros(6, 1, dtype=torch.long)
    whole = sample(Fixed(table), prime, 90, seed=seed, **options)
    few = sample(Fixed(table[:rows]), prime[:rows], 90, seed=seed, **options)
    assert few.best() == whole.best()[:rows]
    alone = sample(Fixed(table[rows : rows + 1]), [0], 90, seed=[row_seeds(seed, 6)[rows]], **options)
    assert alone.best() == whole.best()[rows : rows + 1]
    wide = beam(Fixed(table), prime, 4, width=3, nbest=2, end=options["end"])
    one = beam(Fixed(table[rows : rows + 1]), [0], 4, width=3, nbest=2, end=options["end"])
    assert one.sequences()[0] == wide.sequences()[rows]


@given(st.integers(0, 50), st.integers(1, 4), st.booleans())
def test_streaming_gives_the_batch(seed: int, rows: int, ends: bool) -> None:
    predictor, prime, end = Chain(5, seed), primes(rows), 0 if ends else None
    for whole, steps in (
        (sample(predictor, prime, 70, seed=seed, end=end), stream(predictor, prime, 70, seed=seed, end=end)),
        (greedy(predictor, prime, 70, end=end), greedy_stream(predictor, prime, 70, end=end)),
    ):
        assert torch.equal(torch.stack(list(steps), 1), whole.symbols[:, 0])


def test_a_stream_reads_no_further_than_it_is_asked() -> None:
    predictor = Chain(5)
    symbols = greedy_stream(predictor, [0], 10**6)
    assert predictor.rows == 0
    assert next(symbols).shape == (1,)


def test_rows_that_have_ended_leave_the_predictor_and_repeat_the_end() -> None:
    predictor, asked = Chain(4, 2), []
    step = predictor.step
    predictor.step = lambda symbols, state: (asked.append(len(state)), step(symbols, state))[1]  # type: ignore
    found = sample(predictor, primes(8), 40, end=1, seed=2)
    assert asked[0] == asked[1] == 8
    assert asked == sorted(asked, reverse=True)
    assert asked[-1] < 8
    for symbols, n, finished in zip(found.symbols[:, 0], found.lengths[:, 0], found.finished[:, 0], strict=True):
        assert (symbols[:n] != 1).all()
        assert (symbols[n:] == 1).all()
        assert bool(finished) == (int(n) < symbols.numel()) or int(n) == 40


@given(st.integers(0, 200), st.integers(1, 5), st.sampled_from(["greedy", "sample", "beam"]))
def test_masks_hold(seed: int, rows: int, search: str) -> None:
    """Two masks with look-ahead and a ban: no symbol twice in a row, row r holds exactly its own symbol at place r,
    and the last place holds what row r asks for."""
    length, symbols = 6, 7
    wanted = [(r % length, 1 + (seed + r) % 5) for r in range(rows)]

    def no_repeat(prefixes: Tensor, rows: Tensor) -> Tensor | None:
        t = prefixes.shape[1]
        if not t:
            return None
        allowed = torch.ones(len(prefixes), symbols, dtype=torch.bool)
        return allowed.scatter_(1, prefixes[:, -1:], False)

    def places(prefixes: Tensor, rows: Tensor) -> Tensor:
        t = prefixes.shape[1]
        allowed = torch.ones(len(prefixes), symbols, dtype=torch.bool)
        for n, (place, symbol) in enumerate(wanted[r] for r in rows.tolist()):
            if t == place:
                allowed[n] = torch.arange(symbols) == symbol
            elif t + 1 == place:
                allowed[n, symbol] = False  # the next place must not repeat it
        return allowed

    predictor, masks = Chain(symbols, seed), (no_repeat, places)
    if search == "beam":
        found = beam(predictor, primes(rows), length, width=4, nbest=4, masks=masks, banned=[0])
    elif search == "greedy":
        found = greedy(predictor, primes(rows), length, masks=masks, banned=[0])
    else:
        found = sample(predictor, primes(rows), length, seed=seed, temperature=3.0, masks=masks, banned=[0])
    for hypotheses, (place, symbol) in zip(found.sequences(), wanted, strict=True):
        assert hypotheses
        for written in hypotheses:
            assert len(written) == length
            assert written[place] == symbol
            assert 0 not in written
            assert all(a != b for a, b in itertools.pairwise(written))


def test_log_probabilities_are_the_models_whatever_the_masks() -> None:
    p = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    wanted = pytest.approx(2 * math.log(0.3))
    for found in (
        greedy(Fixed(p), [0], 2, banned=[0]),
        sample(Fixed(p), [0], 2, temperature=0, banned=[0]),
        sample(Fixed(p), [0], 2, temperature=0.1, top_k=1, banned=[0]),
        beam(Fixed(p), [0], 2, width=1, masks=[lambda prefixes, rows: torch.tensor([False, True, True])]),
    ):
        assert found.best() == [[1, 1]]
        assert float(found.log_probability[0, 0]) == wanted


def test_masks_are_told_the_row_and_the_prefix_without_the_prime() -> None:
    seen: list[tuple[int, list[int]]] = []

    def mask(prefixes: Tensor, rows: Tensor) -> None:
        seen.extend(zip(rows.tolist(), prefixes.tolist(), strict=True))

    predictor = Chain(4, 2)
    found = sample(predictor, primes(6), 12, end=1, seed=2, masks=[mask])
    wanted = [(row, written[:t]) for row, written in enumerate(found.best()) for t in range(min(len(written) + 1, 12))]
    assert sorted(seen) == sorted(wanted)
    seen.clear()
    beam(predictor, primes(3), 2, width=2, masks=[mask])
    assert sorted(row for row, _ in seen) == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def nothing_after_two(prefixes: Tensor, rows: Tensor) -> Tensor:
    return (~((rows == 1) & (prefixes.shape[1] == 2))).unsqueeze(1)


@pytest.mark.parametrize("search", [greedy, sample, functools.partial(beam, width=2)])
def test_a_row_without_an_allowed_symbol_is_named(search: Callable) -> None:
    with pytest.raises(SearchError, match=r"row 1, step 2: no symbol is allowed.*look ahead"):
        search(Chain(4), primes(3), 5, masks=[nothing_after_two])
    with pytest.raises(SearchError, match="row 0, step 0: the predictor gave NaN"):
        search(Fixed(torch.tensor([0.5, float("nan")])), [0], 5)
    with pytest.raises(SearchError, match=r"gives booleans.*float32"):
        search(Chain(4), [0], 5, masks=[lambda prefixes, rows: torch.ones(4)])
    with pytest.raises(SearchError, match="at least one symbol"):
        search(Chain(4), [], 5)
    with pytest.raises(SearchError, match=r"integers \[rows, symbols\], found torch.int64 \[3\]"):
        search(Chain(4), torch.arange(3), 5)
    with pytest.raises(SearchError, match="length must be 0 or more, found -1"):
        search(Chain(4), [0], -1)
    assert search(Chain(4), [0], 0).sequences() == [[[]]]


def test_a_beam_goes_on_without_the_hypotheses_that_cannot() -> None:
    """Row 1 finishes hypotheses first; that all others are then dropped is no error."""
    found = beam(Chain(3, 5), primes(3), 5, width=9, nbest=9, end=0, masks=[nothing_after_two])
    assert all(len(written) < 2 for written in found.sequences()[1])
    assert len(found.sequences()[1]) == 3
    assert len(found.sequences()[0]) == 9


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -1.0}, "temperature must be 0 or more"),
        ({"temperature": float("nan")}, "temperature must be 0 or more"),
        ({"temperature": float("inf")}, "temperature must be 0 or more"),
        ({"top_k": -1}, "top_k must be 0"),
        ({"top_p": 0.0}, r"top_p must lie in \(0, 1\], found 0.0"),
        ({"top_p": 1.5}, "top_p must lie in"),
        ({"seed": [1, 2, 3]}, "3 seeds for 1 rows"),
    ],
)
def test_settings_out_of_range(options: dict, message: str) -> None:
    with pytest.raises(SearchError, match=message):
        sample(Chain(3), [0], 4, **options)
    with pytest.raises(SearchError, match=message):
        stream(Chain(3), [0], 4, **options)  # before the first symbol is asked for


def test_a_beam_is_at_least_as_wide_as_what_it_returns() -> None:
    for width, nbest in ((1, 2), (0, 0), (2, 0)):
        with pytest.raises(SearchError, match="width must be at least nbest"):
            beam(Chain(3), [0], 4, width=width, nbest=nbest)


def test_an_ngram_model_is_a_predictor() -> None:
    text = torch.randint(0, 5, (200,), generator=torch.Generator().manual_seed(0)).numpy()
    for order in (1, 2, 4):
        model, state, read = NGram(text, 6, order), None, []
        state = model.start(3)
        for t in range(6):
            symbols = torch.tensor([t % 5, 5, (2 * t) % 5])
            read.append(symbols.tolist())
            scores, state = model.step(symbols, state)
            for row in range(3):
                wanted = model.distribution([symbols[row] for symbols in read])
                torch.testing.assert_close(scores[row].exp(), torch.from_numpy(wanted))
        again, _ = model.step(torch.tensor([1, 2]), model.select(state, torch.tensor([2, 0])))
        other, _ = model.step(torch.tensor([2, 2, 1]), state)
        assert torch.equal(again, other[[2, 0]])


def test_a_state_is_used_once() -> None:
    """A predictor may write into the state that it is given: no search comes back to one."""

    class Once(Chain):
        def start(self, rows: int) -> list[Tensor]:  # type: ignore[override]
            return [super().start(rows)]

        def step(self, symbols: Tensor, state: list[Tensor]) -> tuple[Tensor, list[Tensor]]:  # type: ignore[override]
            scores, new = super().step(symbols, state.pop())
            return scores, [new]

        def select(self, state: list[Tensor], index: Tensor) -> list[Tensor]:  # type: ignore[override]
            return [super().select(state.pop(), index)]

    for search in (greedy, functools.partial(sample, seed=1), functools.partial(beam, width=3, nbest=2)):
        assert search(Once(5), primes(6), 9, end=0).sequences() == search(Chain(5), primes(6), 9, end=0).sequences()


def test_no_gradient_is_kept() -> None:
    class Learned(Chain):
        def __init__(self) -> None:
            super().__init__(3)
            self.table.requires_grad_()

    assert not beam(Learned(), [0], 3, width=2).score.requires_grad
    assert not greedy(Learned(), [0], 3).score.requires_grad
    steps = stream(Learned(), [0], 3)
    next(steps)
    assert torch.is_grad_enabled()


# sampling, looked into


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"), [(1.0, 0, 1.0), (0.0, 0, 1.0), (0.6, 4, 1.0), (1.5, 0, 0.7), (0.8, 5, 0.8)]
)
def test_steps_are_what_is_sampled(temperature: float, top_k: int, top_p: float) -> None:
    """The symbols are those of `sample`, past a block of random numbers too; both distributions are distributions."""
    options = {"temperature": temperature, "top_k": top_k, "top_p": top_p, "seed": 9, "banned": (0,)}
    chain = Chain(11)
    found = list(looked(chain, [1, 2], 2 * BLOCK + 3, **options))
    assert [s.symbol for s in found] == sample(chain, [1, 2], 2 * BLOCK + 3, **options).best()[0]
    state = chain.start(1)
    for symbol in (1, 2):
        scores, state = chain.step(torch.tensor([symbol]), state)
    for step in found:
        torch.testing.assert_close(step.model, scores[0].exp())
        assert float(step.model.sum()) == pytest.approx(1.0, abs=1e-12)
        assert float(step.left.sum()) == pytest.approx(1.0, abs=1e-12)
        assert float(step.left[step.symbol]) > 0
        assert torch.equal(step.cut > 0, step.left == 0)
        assert step.kept == int((step.cut == 0).sum())
        assert step.share == pytest.approx(float((step.model * (step.cut == 0)).sum()))
        scores, state = chain.step(torch.tensor([step.symbol]), state)


def test_what_a_symbol_is_drawn_from_is_what_is_drawn() -> None:
    """Frequencies of the first symbol over many seeds, against `left`."""
    options = {"temperature": 0.8, "top_k": 5, "top_p": 0.7}
    n, chain = 4000, Chain(7, 2)
    drawn = [next(looked(chain, [1], 1, seed=k, **options)) for k in range(n)]
    left = drawn[0].left
    counts = torch.bincount(torch.tensor([s.symbol for s in drawn]), minlength=7)
    kept = left > 0
    assert 1 < int(kept.sum()) < 5
    assert counts[~kept].sum() == 0
    assert float(((counts - n * left)[kept] ** 2 / (n * left[kept])).sum()) < 18.5  # 4 degrees: 0.001, seeds are fixed


def test_what_takes_a_symbol_away_is_named() -> None:
    def cuts(banned: tuple[int, ...] = (), **options: float) -> list[str]:
        (step,) = looked(Fixed(P[0]), [0], 1, banned=banned, **options)
        return [CUTS[n] for n in step.cut.tolist()]

    assert cuts() == ["", "", "", "", ""]
    assert cuts((1,), temperature=0) == ["temperature", "banned", "temperature", "", "temperature"]
    assert cuts(temperature=1e-300) == ["temperature", "", "temperature", "temperature", "temperature"]
    assert cuts(top_k=3) == ["", "", "top_k", "", "top_k"]
    assert cuts(top_p=0.75) == ["top_p", "", "top_p", "", "top_p"]
    assert cuts(top_k=3, top_p=0.6) == ["top_p", "", "top_k", "", "top_k"]


def test_what_is_taken_changes_nothing_before_it() -> None:
    """And the random numbers after it are the same: where the distribution is, so are the symbols."""
    chain, options = Chain(9), {"temperature": 1.2, "seed": 4}
    plain = [s.symbol for s in looked(chain, [1], 20, **options)]
    other = (plain[8] + 1) % 9
    turned = [s.symbol for s in looked(chain, [1], 20, taken={8: other}, **options)]
    assert turned[:9] == [*plain[:8], other]
    assert turned[9:] != plain[9:]
    fixed = Fixed(P[0])
    plain = [s.symbol for s in looked(fixed, [0], 3 * BLOCK, seed=4)]
    turned = [s.symbol for s in looked(fixed, [0], 3 * BLOCK, seed=4, taken={8: 2, BLOCK: 2})]
    assert [k for k, (a, b) in enumerate(zip(plain, turned, strict=True)) if a != b] == [8, BLOCK]
    with pytest.raises(SearchError, match="step 1: there is no symbol 5, there are 5"):
        list(looked(fixed, [0], 3, taken={1: 5}))
    with pytest.raises(SearchError, match="top_p must lie"):
        looked(fixed, [0], 3, top_p=0.0)


def test_the_chosen_symbol_is_among_the_likeliest() -> None:
    (step,) = looked(Fixed(P[0]), [0], 1, taken={0: 4})
    assert step.likeliest(2) == [1, 3, 4]
    assert step.rank == 4
    assert step.likeliest(9)[0] == 1
    assert sorted(step.likeliest(9)) == [0, 1, 2, 3, 4]
    (step,) = looked(Fixed(P[0]), [0], 1, temperature=0)
    assert (step.likeliest(2), step.rank, step.kept, step.share) == ([1, 3], 1, 1, 0.5)


# ---------------------------------------------------------------- least risk


@given(st.integers(1, 7), st.integers(0, 1 << 30))
def test_the_first_of_least_risk_is_most_like_what_is_drawn(size: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    likeness, drawn = random.random((size, size)), random.integers(0, 4, size)
    drawn[random.integers(size)] += 1
    told = np.repeat(np.arange(size), drawn)  # written out: every draw by itself
    expected = [float(np.mean([likeness[c, s] for s in told])) for c in range(size)]
    (first,) = least_risk(likeness, drawn)
    assert expected[first] == pytest.approx(max(expected))
    order = least_risk(likeness, drawn, size)
    assert [expected[k] for k in order] == pytest.approx(sorted(expected, reverse=True))
    assert sorted(least_risk(likeness, drawn, size + 2, apart=0.7)) == list(range(size))


def test_what_is_like_a_chosen_one_comes_later() -> None:
    likeness = np.array([[1.0, 0.9, 0.1], [0.9, 1.0, 0.1], [0.1, 0.1, 1.0]])
    assert least_risk(likeness, [3, 2, 1], 3) == [0, 1, 2]
    assert least_risk(likeness, [3, 2, 1], 3, apart=1.0) == [0, 2, 1]
    assert least_risk(likeness, [0, 0, 1]) == [2]
    with pytest.raises(ValueError, match="none of the candidates was drawn"):
        least_risk(likeness, [0, 0, 0])
    with pytest.raises(ValueError, match="likeness"):
        least_risk(likeness, [1, 1])
