"""Heads beside the plain computation: cross-entropy of all scores at once, tied weights, several labels, numbers."""

from __future__ import annotations

import copy
import math
from argparse import ArgumentTypeError
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from rondo.data.batch import IGNORED
from rondo.models import softmax
from rondo.models.head import Linear, Sigmoid, Softmax

from benchmarks import output
from shown import shown

NAMES = ("loss", "dL/dh", "dL/dW", "dL/db")


def drawn(n: int, width: int, symbols: int, ignored: float = 0.0, **where: Any) -> list[Tensor]:
    """h, weight, bias that need gradients, and y."""
    h, weight, bias = (torch.randn(*s, **where) for s in ((n, width), (symbols, width), (symbols,)))
    y = torch.randint(0, symbols, (n,))
    y[torch.rand(n) < ignored] = IGNORED
    return [*(t.requires_grad_() for t in (h, weight, bias)), y]


def plain(h: Tensor, weight: Tensor, bias: Tensor | None, y: Tensor, smoothing: float = 0.0) -> Tensor:
    scores = functional.linear(h, weight, bias)
    return functional.cross_entropy(scores, y, ignore_index=IGNORED, reduction="sum", label_smoothing=smoothing)


def error(got: Tensor, want: Tensor) -> float:
    """Largest difference over the largest value."""
    return float((got.detach() - want.detach()).abs().max() / want.detach().abs().max().clamp(min=1e-30))


@pytest.fixture(autouse=True)
def _small_pieces(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Several pieces at the sizes of a test."""
    if "real" not in request.node.name:
        monkeypatch.setattr(softmax, "PIECE", 60)
        monkeypatch.setattr(softmax, "LEAST_ROWS", 3)
        monkeypatch.setattr(softmax, "PLAIN", 0)


# -- softmax in pieces


@given(
    n=st.integers(0, 20),
    symbols=st.integers(1, 40),
    ignored=st.sampled_from([0.0, 0.4, 1.0]),
    smoothing=st.sampled_from([0.0, 0.1, 0.5]),
    with_bias=st.booleans(),
    dtype=st.sampled_from([torch.float64, torch.float32]),
    seed=st.integers(0, 99),
)
def test_pieces_equal_the_plain_computation(
    n: int, symbols: int, ignored: float, smoothing: float, with_bias: bool, dtype: torch.dtype, seed: int
) -> None:
    torch.manual_seed(seed)
    *tensors, y = drawn(n, 4, symbols, ignored, dtype=dtype)
    if not with_bias:
        tensors[2:] = [None]
    leaves = [t for t in tensors if t is not None]
    truth = [t if t is None else t.detach().double().requires_grad_() for t in tensors]
    want = plain(*truth, y, smoothing)
    total, count = softmax.cross_entropy(*tensors, y, smoothing)
    got = [total, *torch.autograd.grad(3 * total, leaves)]
    assert count == int((y != IGNORED).sum())
    expected = [want, *torch.autograd.grad(3 * want, [t for t in truth if t is not None])]
    for name, a, b in zip(NAMES, got, expected, strict=False):
        if not b.numel():
            assert a.shape == b.shape
            continue
        # of one symbol all is zero: its probability is 1
        wrong = error(a, b) if symbols > 1 and b.abs().max() > 1e-6 else float((a - b).detach().abs().max())
        shown("loss in pieces = plain", "softmax", (n, 4, symbols), name, wrong, dtype=str(dtype)[6:])
        assert wrong <= (1e-13 if dtype is torch.float64 else 2e-6)  # some 20 roundings of 1e-16, or of 6e-8


@pytest.mark.parametrize("seed", range(3))
def test_real_piece_sizes(seed: int) -> None:
    """Sizes at which the module's own constants make two pieces, the second of fewer rows."""
    torch.manual_seed(seed)
    *tensors, y = drawn(softmax.LEAST_ROWS + 1, 3, softmax.PIECE // softmax.LEAST_ROWS + 7, 0.0)
    want, (got, _) = plain(*tensors, y), softmax.cross_entropy(*tensors, y)
    pairs = zip((got, *torch.autograd.grad(got, tensors)), (want, *torch.autograd.grad(want, tensors)), strict=True)
    for name, (a, b) in zip(NAMES, pairs, strict=True):
        shown("loss in pieces = plain", "softmax", (257, 3, 32775), name, error(a, b), dtype="float32")
        assert error(a, b) <= 1e-5  # sums of 32,775 products in different orders


class Largest(TorchDispatchMode):
    """Notes the most numbers that one tensor held."""

    numbers = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        found = func(*args, **(kwargs or {}))
        made = [t.numel() for t in tree_leaves(found) if isinstance(t, Tensor)]
        self.numbers = max(self.numbers, *made, 0)
        return found


@pytest.mark.parametrize("ignored", [0.0, 0.3])
def test_all_scores_never_exist(ignored: float) -> None:
    """Neither in training nor in evaluation: no tensor is larger than h, the weight, or a piece of three rows."""
    h, weight, bias, y = drawn(50, 4, 40, ignored)
    with Largest() as training:
        softmax.cross_entropy(h, weight, bias, y, 0.1)[0].backward()
    with Largest() as evaluation:
        softmax.nats(h, weight, bias, y)
    assert training.numbers == h.numel() == 200
    assert evaluation.numbers <= 160
    with Largest() as plainly:
        plain(h, weight, bias, y)
    assert plainly.numbers == 50 * 40


def test_few_scores_take_torchs_operators_at_real_sizes() -> None:
    """Bit for bit; the numbers of symbols are checked all the same."""
    *tensors, y = drawn(20, 4, 50, 0.3)
    got, want = softmax.cross_entropy(*tensors, y, 0.1)[0], plain(*tensors, y, 0.1)
    assert torch.equal(got, want)
    for a, b in zip(*(torch.autograd.grad(v, tensors) for v in (got, want)), strict=True):
        assert torch.equal(a, b)
    with pytest.raises(ValueError, match="from 0 to 50"):
        softmax.cross_entropy(*tensors, torch.arange(20) % 2 * 50)


def test_finite_differences_first_and_second_order() -> None:
    torch.manual_seed(0)
    h, weight, bias, y = drawn(7, 3, 11, 0.3, dtype=torch.float64)

    def run(*tensors: Tensor) -> Tensor:
        return softmax.cross_entropy(*tensors, y, 0.1)[0]

    assert torch.autograd.gradcheck(run, (h, weight, bias))
    assert torch.autograd.gradgradcheck(run, (h, weight, bias))


@pytest.mark.parametrize("wanted", [(0,), (1,), (2,), (0, 2), (1, 2)])
def test_only_some_gradients(wanted: tuple[int, ...]) -> None:
    *tensors, y = drawn(9, 4, 5, dtype=torch.float64)
    for k, t in enumerate(tensors):
        t.requires_grad_(k in wanted)
    total, _ = softmax.cross_entropy(*tensors, y)
    total.backward()
    found = [t.grad for t in tensors]
    leaves = [tensors[k] for k in wanted]
    for k, want in zip(wanted, torch.autograd.grad(plain(*tensors, y), leaves), strict=True):
        torch.testing.assert_close(found[k], want)
    assert all(found[k] is None for k in range(3) if k not in wanted)


def test_without_gradients_nothing_is_kept() -> None:
    *tensors, y = drawn(9, 4, 5)
    with torch.no_grad():
        total, count = softmax.cross_entropy(*tensors, y)
    assert not total.requires_grad
    assert count == 9
    torch.testing.assert_close(total, plain(*tensors, y).detach())


def test_backward_again_gives_the_same() -> None:
    """The first backward hands the gradients out; a second one makes them anew."""
    *tensors, y = drawn(9, 4, 5)
    total, _ = softmax.cross_entropy(*tensors, y)
    first = torch.autograd.grad(total, tensors, retain_graph=True)
    kept = [g.clone() for g in first]
    for g in first:
        g.zero_()  # the caller's own
    second = torch.autograd.grad(2 * total, tensors)
    for a, b in zip(kept, second, strict=True):
        torch.testing.assert_close(2 * a, b, rtol=0, atol=0)


def test_gradient_penalty() -> None:
    """A loss made of a gradient: differentiated through h, which others computed."""
    torch.manual_seed(1)
    *tensors, y = drawn(6, 4, 5, dtype=torch.float64)

    def penalised(loss: Any) -> tuple[Tensor, ...]:
        h = tensors[0].tanh()
        (d,) = torch.autograd.grad(loss(h, *tensors[1:], y), h, create_graph=True)
        return torch.autograd.grad(d.square().sum(), tensors)

    ours = penalised(lambda *a: softmax.cross_entropy(*a)[0])
    for a, b in zip(ours, penalised(plain), strict=True):
        torch.testing.assert_close(a, b)


def test_scores_far_apart_stay_exact() -> None:
    h = torch.tensor([[1.0], [1.0]], requires_grad=True)
    weight = torch.tensor([[0.0], [1000.0], [-1000.0]], requires_grad=True)
    y = torch.tensor([2, 1])
    total, _ = softmax.cross_entropy(h, weight, None, y)
    assert total.item() == 2000.0
    total.backward()
    assert h.grad is not None
    assert h.grad.tolist() == [[2000.0], [0.0]]
    assert softmax.nats(h, weight, None, y).tolist() == [2000.0, 0.0]


def test_nats_of_each_position() -> None:
    h, weight, bias, y = drawn(23, 4, 31, 0.3, dtype=torch.float64)
    found = softmax.nats(h, weight, bias, y)
    want = functional.cross_entropy(functional.linear(h, weight, bias), y, ignore_index=IGNORED, reduction="none")
    torch.testing.assert_close(found, want.detach())
    assert not found.requires_grad
    assert (found[y == IGNORED] == 0).all()


def test_a_change_of_the_weight_before_backward_is_noticed() -> None:
    *tensors, y = drawn(4, 3, 5)
    total, _ = softmax.cross_entropy(*tensors, y)
    with torch.no_grad():
        tensors[1].add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        total.backward()


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.tensor([0, 1, 5]), "from 0 to 5: 5 symbols allow 0 to 4, and -100 for none"),
        (torch.tensor([0, -1, IGNORED]), "from -1 to 0"),
        (torch.tensor([0, 1]), r"y must be \[3\]"),
        (torch.tensor([0.0, 1.0, 2.0]), r"convert it with y.long\(\)"),
    ],
)
def test_symbols_that_do_not_fit_are_refused(y: Tensor, message: str) -> None:
    h, weight, bias, _ = drawn(3, 2, 5)
    with pytest.raises(ValueError, match=message):
        softmax.cross_entropy(h, weight, bias, y)
    with pytest.raises(ValueError, match=message):
        softmax.nats(h, weight, bias, y)


# -- the softmax head


def test_head_of_sequences() -> None:
    """Any leading shape, y by position, and outputs that lie time first."""
    torch.manual_seed(0)
    head = Softmax(4, 7)
    h = torch.randn(5, 3, 4).transpose(0, 1).requires_grad_()
    y = torch.randint(0, 7, (3, 5))
    y[1, 2:] = IGNORED
    total, count = head.loss(h, y)
    want = plain(h.flatten(0, 1), head.weight, head.bias, y.flatten())
    torch.testing.assert_close(total, want)
    assert count == 12
    for a, b in zip(*(torch.autograd.grad(v, [h, *head.parameters()]) for v in (total, want)), strict=True):
        torch.testing.assert_close(a, b)
    torch.testing.assert_close(head.nats(h, y).sum(), total.detach())
    assert head.nats(h, y).shape == y.shape
    log_p = head.log_probabilities(h)
    torch.testing.assert_close(-log_p[0].gather(-1, y[0].unsqueeze(-1)).squeeze(-1).detach(), head.nats(h, y)[0])
    assert head.scores(h[0, 0]).shape == (7,)
    with pytest.raises(ValueError, match=r"y must be \[3, 5\]"):
        head.loss(h, y.T)


def test_head_draws_what_a_linear_layer_draws() -> None:
    for head in (Softmax, Sigmoid, Linear):
        torch.manual_seed(3)
        ours = head(5, 6).state_dict()
        torch.manual_seed(3)
        theirs = nn.Linear(5, 6).state_dict()
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[k], theirs[k]) for k in ours)


def test_smoothing_is_for_training() -> None:
    head = Softmax(4, 7, smoothing=0.2)
    h, y = torch.randn(6, 4), torch.randint(0, 7, (6,))
    torch.testing.assert_close(head.loss(h, y)[0], plain(h, head.weight, head.bias, y, 0.2))
    torch.testing.assert_close(head.eval().loss(h, y)[0], plain(h, head.weight, head.bias, y))
    with pytest.raises(ValueError, match=r"from 0 to below 1, found 1\.5"):
        Softmax(4, 7, smoothing=1.5)


class Tied(nn.Module):
    """An embedding, something between, and the head that shares its weight."""

    def __init__(self, symbols: int, embed: int, width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(symbols, embed)
        self.between = nn.Linear(embed, width)
        self.head = Softmax(width, symbols, tied=self.embedding)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        return self.head.loss(self.between(self.embedding(x)).tanh(), y)[0]

    def plainly(self, x: Tensor, y: Tensor) -> Tensor:
        h = self.between(self.embedding(x)).tanh()
        h = h if self.head.projection is None else self.head.projection(h)
        return plain(h.flatten(0, 1), self.embedding.weight, self.head.bias, y.flatten())


@pytest.mark.parametrize("width", [4, 6])
def test_tied_weights(width: int) -> None:
    """The embedding's gradient is the sum of both uses; a head of another width has a matrix of its own."""
    torch.manual_seed(0)
    model, x, y = Tied(9, 4, width).double(), torch.randint(0, 9, (3, 5)), torch.randint(0, 9, (3, 5))
    own = {"head.bias"} | ({"head.projection.weight"} if width != 4 else set())
    assert {n for n in model.state_dict() if n.startswith("head")} == own
    got = torch.autograd.grad(model(x, y), list(model.parameters()))
    want = torch.autograd.grad(model.plainly(x, y), list(model.parameters()))
    for (name, _), a, b in zip(model.named_parameters(), got, want, strict=True):
        shown("loss in pieces = plain", "softmax, tied", (3, 5, width), f"dL/d{name}", error(a, b))
        assert error(a, b) <= 1e-12  # roundings of 1e-16 over sums of 15 x 9 terms


def test_tied_weights_stay_tied() -> None:
    """In a copy, after a cast, in functional_call, and where weights are assigned to a model on the meta device."""
    model, x, y = Tied(9, 4, 4), torch.randint(0, 9, (3, 5)), torch.randint(0, 9, (3, 5))
    with torch.device("meta"):
        empty = Tied(9, 4, 4)
    empty.load_state_dict({k: v.clone() for k, v in model.state_dict().items()}, assign=True)
    for other in (copy.deepcopy(model), empty):
        with torch.no_grad():
            other.embedding.weight.mul_(2)
        torch.testing.assert_close(other(x, y), other.plainly(x, y))
        assert not torch.allclose(other(x, y), model(x, y))
    weights = {k: v.detach().double() for k, v in other.state_dict().items()}
    called = torch.func.functional_call(model, weights, (x, y))
    torch.testing.assert_close(called, other.double()(x, y))
    with pytest.raises(ValueError, match="has 9 symbols, the head 8"):
        Softmax(4, 8, tied=model.embedding)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_computes_in_float32(dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    head, h, y = Softmax(8, 30).to(dtype), torch.randn(40, 8, dtype=dtype, requires_grad=True), torch.arange(40) % 30
    total, _ = head.loss(h, y)
    exact = [t.detach().float().requires_grad_() for t in (h, head.weight, head.bias)]
    torch.testing.assert_close(total, plain(*exact, y))
    total.backward()
    for t, want in zip((h, head.weight, head.bias), torch.autograd.grad(plain(*exact, y), exact), strict=True):
        assert t.grad is not None
        assert t.grad.dtype is dtype
        torch.testing.assert_close(t.grad, want.to(dtype))  # rounded once, at the end


def test_autocast_computes_in_float32() -> None:
    head, h, y = Softmax(8, 30), torch.randn(40, 8), torch.arange(40) % 30
    with torch.autocast("cpu", torch.bfloat16):
        total, _ = head.loss(h, y)
        scores = head.scores(h)
    torch.testing.assert_close(total, plain(h, head.weight, head.bias, y))
    assert scores.dtype is torch.float32
    with pytest.raises(TypeError, match=r"convert x with x.to\(torch.float32\)"):
        head.loss(h.double(), y)


# -- several labels, numbers


def test_sigmoid_head_sums_over_labels_and_counts_positions() -> None:
    torch.manual_seed(0)
    head, h, y = Sigmoid(4, 3).double(), torch.randn(2, 5, 4, dtype=torch.float64), torch.randint(0, 2, (2, 5, 3))
    y[1, 3:] = IGNORED
    total, count = head.loss(h, y)
    assert count == 8
    p = head.scores(h).sigmoid()
    both = torch.where(y == 1, p, 1 - p).log()
    torch.testing.assert_close(total, -(both[0].sum() + both[1, :3].sum()))
    with pytest.raises(ValueError, match=r"y must be \[2, 5, 3\]"):
        head.loss(h, y[..., 0])


def test_linear_head_is_the_squared_error() -> None:
    head, h, y = Linear(4, 2), torch.randn(6, 4), torch.randn(6, 2)
    y[2] = IGNORED
    total, count = head.loss(h, y)
    assert count == 5
    left = [0, 1, 3, 4, 5]
    torch.testing.assert_close(total, (h @ head.weight.T + head.bias - y)[left].square().sum())
    with pytest.raises(ValueError, match=r"y must be \[6, 2\]"):
        head.loss(h, y[:, :1])  # would broadcast


@pytest.mark.parametrize("head", [Sigmoid(4, 2), Linear(4, 2)])
def test_what_does_not_count_has_no_gradient(head: Sigmoid | Linear) -> None:
    """Not even where h holds NaN."""
    h = torch.randn(3, 4)
    h[1] = math.nan
    y = torch.tensor([[0.0, 1.0], [IGNORED, IGNORED], [1.0, 1.0]])
    head.loss(h, y)[0].backward()
    assert head.weight.grad is not None
    assert head.weight.grad.isfinite().all()
    assert head.loss(h, torch.full((3, 2), IGNORED)) == (0, 0)


# -- the benchmark


def test_benchmark_checks_before_it_measures_at_real_sizes() -> None:
    size = output.Size(30, 4, 50)
    assert output.check(size).green
    times, peaks = output.reports((size,), (torch.get_num_threads(),), repeats=1)
    assert times.rows[0]["ratio"] > 0
    assert not peaks.rows, "all scores fit one piece: nothing to compare"
    assert output.parsed("8192x256x6000,3x2x1") == ((8192, 256, 6000), (3, 2, 1))
    with pytest.raises(ArgumentTypeError, match="such as 8192x256x6000, found '3x2'"):
        output.parsed("3x2")


def test_benchmark_sees_a_wrong_gradient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(output.SIDES, "ours", lambda h, w, b, y: plain(h, w, b, y) + 1e-3 * h.sum())
    assert not output.check(output.Size(30, 4, 50)).green
