"""Classifier: pooling by the formula, the same answer however a row is padded, and tasks that it learns."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from rondo.cells.lstm import LSTM
from rondo.data.batch import IGNORED, Batch
from rondo.data.bucket import Examples, batches, one_pass
from rondo.models.classifier import HEADS, Classifier
from rondo.models.pooling import KINDS, Pooling

from shown import shown

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}  # float64, a few steps: only the order of summation may differ
lengths_of = st.lists(st.integers(0, 5), min_size=1, max_size=4)


def make(
    seed: int = 0, cell: Any = "gru-cho", input: int = 3, classes: int = 4, hidden: Any = 5, **more: Any
) -> Classifier:
    torch.manual_seed(seed)
    model = Classifier(cell, input, classes, hidden, **more).to(F64)
    for p in model.parameters():  # biases and gains away from their start, so that they count
        nn.init.uniform_(p, -0.8, 0.8)
    return model


def vectors(batch: int, steps: int, width: int = 3, seed: int = 1) -> Tensor:
    return torch.randn(batch, steps, width, generator=torch.Generator().manual_seed(seed), dtype=F64)


def poisoned(x: Tensor, lengths: list[int]) -> Tensor:
    """x with NaN, or with numbers that are no symbols, past the lengths."""
    alive = torch.arange(x.shape[1]) < torch.tensor(lengths).unsqueeze(1)
    return x.where(alive.unsqueeze(2), torch.nan) if x.dim() == 3 else x.where(alive, -7)


# ---------------------------------------------------------------- pooling


@given(lengths_of, st.sampled_from(KINDS), st.booleans(), st.integers(0, 1000))
def test_pooling_row_by_row(lengths: list[int], kind: str, both: bool, seed: int) -> None:
    """Each row by the plain formula on its own steps alone."""
    h = vectors(len(lengths), 5, 4, seed)
    torch.manual_seed(seed)
    pooling = Pooling(kind, 4, both).to(F64)
    got = pooling(poisoned(h, lengths), torch.tensor(lengths))
    for b, n in enumerate(lengths):
        own = h[b, :n]
        if n == 0:
            wanted = torch.zeros(4, dtype=F64)
        elif kind == "last":
            wanted = torch.cat([own[-1, :2], own[0, 2:]]) if both else own[-1]
        elif kind == "max":
            wanted = torch.stack([max(own[:, i]) for i in range(4)])
        elif kind == "mean":
            wanted = sum(own) / n
        else:
            u = torch.tanh(own @ pooling.map.weight.T + pooling.map.bias)
            e = torch.exp(u @ pooling.query.weight[0])
            wanted = sum(a * v for a, v in zip(e / e.sum(), own, strict=True))
        torch.testing.assert_close(got[b], wanted, **EXACT)


def test_attention_weights() -> None:
    model = make(pooling="attention", bidirectional=True)
    lengths = [3, 0, 5]
    x = vectors(3, 5)
    a = model.attention(poisoned(x, lengths), torch.tensor(lengths))
    torch.testing.assert_close(a.sum(1), torch.tensor([1.0, 0.0, 1.0], dtype=F64), **EXACT)
    assert not a[0, 3:].any()
    h, _ = model.body.rnn(x[2:])
    torch.testing.assert_close(a[2] @ h[0], model.features(x[2:])[0], **EXACT)
    torch.testing.assert_close(model.attention(x[2:]), a[2:], **EXACT)
    with pytest.raises(ValueError, match="pooling by max has no weights: build the model with pooling='attention'"):
        make(pooling="max").attention(x)


@given(lengths_of, st.integers(1, 2))
def test_last_is_the_state_of_the_network(lengths: list[int], layers: int) -> None:
    """Forward: at the length. Backward: after t = 0. From the state that the network returns, not from its outputs."""
    model = make(layers=layers, bidirectional=True)
    x, n = vectors(len(lengths), 5), torch.tensor(lengths)
    _, state = model.body.rnn(x, lengths=n)
    top = torch.cat([state.at(layers - 1)["h"], state.at(layers - 1, reverse=True)["h"]], 1)
    torch.testing.assert_close(model.features(x, n), top, **EXACT)  # an empty row: the initial state is zero


# ---------------------------------------------------------------- however a row is padded


def targets(head: str, rows: int) -> Tensor:
    if head == "softmax":
        return torch.arange(rows) % 4
    return (torch.arange(rows * 4).view(rows, 4) % 3 == 0).to(F64)


@pytest.mark.parametrize(("kind", "both"), [*itertools.product(KINDS, [False, True])])
@pytest.mark.parametrize("input", ["vectors", "one-hot", "embedded"])
def test_a_batch_is_its_rows(kind: str, both: bool, input: str) -> None:
    """Scores, losses, and gradients of every parameter and input; every head; NaN in the padding."""
    lengths = [4, 0, 6, 1, 6]
    x = vectors(5, 6) if input == "vectors" else torch.arange(30).view(5, 6) % 3
    for head in HEADS:
        model = make(embed=2 * (input == "embedded"), bidirectional=both, layers=2, pooling=kind, head=head)
        y, given_x = targets(head, 5), poisoned(x, lengths)
        given_x.requires_grad_(input == "vectors")
        loss = model.loss(Batch(given_x, y, torch.tensor(lengths)))
        loss.total.backward()
        whole = [p.grad for p in model.parameters()]
        model.zero_grad()
        alone = []
        for b, n in enumerate(lengths):
            own = x[b : b + 1, :n].detach().requires_grad_(input == "vectors")
            scores = model(own)
            torch.testing.assert_close(model(given_x, torch.tensor(lengths))[b : b + 1], scores, **EXACT)
            one = model.loss(Batch(own, y[b : b + 1]))
            one.total.backward()
            alone.append(one)
            if input == "vectors":
                assert given_x.grad is not None
                assert not given_x.grad[b, n:].any(), "padding has no gradient"
                if n:
                    torch.testing.assert_close(given_x.grad[b : b + 1, :n], own.grad, **EXACT)
        assert loss.count == sum(one.count for one in alone) == 5
        torch.testing.assert_close(loss.nats, sum(one.nats for one in alone), **EXACT)
        for (name, p), g in zip(model.named_parameters(), whole, strict=True):
            error = (g - p.grad).abs().max().item()  # type: ignore[operator]
            shown("padded = alone", "Classifier", (kind, both, input, head), f"dL/d{name}", error)
            assert error < 1e-11  # sums over all rows and steps


def test_an_empty_row_is_answered_by_the_bias() -> None:
    for kind in KINDS:
        model = make(pooling=kind)
        got = model(vectors(2, 3), torch.tensor([0, 2]))
        torch.testing.assert_close(got[0], model.head.bias, **EXACT)
        torch.testing.assert_close(model(vectors(1, 0)), model.head.bias.unsqueeze(0), **EXACT)


def test_resets_begin_a_row_anew() -> None:
    model, x = make(), vectors(1, 5)
    resets = torch.tensor([[False, False, True, False, False]])
    torch.testing.assert_close(model.features(x, resets=resets), model.features(x[:, 2:]), **EXACT)
    y = torch.tensor([1])
    whole, later = model.loss(Batch(x, y, resets=resets)), model.loss(Batch(x[:, 2:], y))
    torch.testing.assert_close(whole.nats, later.nats, **EXACT)


@pytest.mark.parametrize("kind", KINDS)
def test_half_precision_is_pooled_in_float32(kind: str) -> None:
    """A mean of 300 numbers in bfloat16 would be wrong in the second digit."""
    h, pooling = vectors(2, 300, 4).bfloat16(), Pooling(kind, 4)
    with torch.autocast("cpu", torch.bfloat16):
        got = pooling(h)
    assert got.dtype is torch.float32
    assert torch.equal(got, pooling(h.float()))
    model = make(pooling=kind).float()
    assert model(vectors(2, 5).bfloat16()).dtype is torch.float32


# ---------------------------------------------------------------- losses and answers


def test_losses_by_the_formula() -> None:
    x, counts = vectors(3, 4), torch.tensor([True, False, True])
    for head in HEADS:
        model = make(head=head)
        z, y = model(x).detach(), targets(head, 3)
        if head == "softmax":
            p = z.exp() / z.exp().sum(1, keepdim=True)
            wanted = -p[torch.arange(3), y].log()
        elif head == "sigmoid":
            p = 1 / (1 + (-z).exp())
            wanted = -(y * p.log() + (1 - y) * (1 - p).log()).sum(1)
        else:
            p, wanted = z, (z - y).square().sum(1)
        y[1] = IGNORED
        loss = model.loss(Batch(x, y))
        torch.testing.assert_close(loss.nats, wanted[counts].sum(), **EXACT)
        assert (loss.count, loss.state, loss.nats.requires_grad) == (2, None, False)
        torch.testing.assert_close(model.predict(x), p, **EXACT)
        assert not model.predict(x).requires_grad


def test_smoothing_in_training_alone() -> None:
    x, y = vectors(3, 4), torch.tensor([0, 1, 2])
    model = make(smoothing=0.1)
    smooth = nn.functional.cross_entropy(model(x), y, reduction="sum", label_smoothing=0.1)
    torch.testing.assert_close(model.loss(Batch(x, y)).nats, smooth.detach(), **EXACT)
    plain = nn.functional.cross_entropy(model(x), y, reduction="sum")
    torch.testing.assert_close(model.eval().loss(Batch(x, y)).nats, plain.detach(), **EXACT)


def test_gradients() -> None:
    """Finite differences through pooling and head."""
    for kind in KINDS:
        model = make(pooling=kind, bidirectional=True, hidden=2, classes=2)
        lengths, y = torch.tensor([3, 1]), torch.tensor([1, 0])
        x = vectors(2, 3).requires_grad_()
        f = lambda x, *_: model.loss(Batch(x, y, lengths)).total  # noqa: B023  # called before the next turn
        assert torch.autograd.gradcheck(f, (x, *model.parameters()), fast_mode=True)


# ---------------------------------------------------------------- built again, learned, refused


@pytest.mark.parametrize(
    "more",
    [
        {},
        {"hidden": (4, 6), "embed": 3, "bidirectional": True, "pooling": "attention", "smoothing": 0.1},
        {"cell": LSTM, "zoneout": {"h": 0.1}, "locked": {"zoneout", "input"}, "input_dropout": 0.2, "head": "linear"},
        {"cell": "lstm-projected", "proj": 3, "learn_initial": True},
        {"cell": "indrnn", "hidden": 7},
    ],
)
def test_built_again_from_its_arguments(more: dict[str, Any]) -> None:
    model = make(**more).eval()
    kept = json.loads(json.dumps(model.arguments))
    assert kept == model.arguments, "plain values"
    with torch.device("meta"):
        again = Classifier(model.cell, **kept)
    assert again.arguments == kept
    again.load_state_dict(model.state_dict(), assign=True)
    x = torch.tensor([[0, 2, 1], [1, 1, 0]])
    assert torch.equal(again.eval()(x), model(x))


def learned(model: Classifier, examples: Examples, steps: int, size: int = 16) -> float:
    """Train, then the share of rows that are classified right."""
    optimiser = torch.optim.Adam(model.parameters(), lr=0.02)
    stream: Iterator[Batch] = batches(examples, rows=size, seed=1)
    for batch in itertools.islice(stream, steps):
        loss = model.loss(batch)
        optimiser.zero_grad()
        (loss.total / loss.count).backward()
        optimiser.step()
    right = 0
    for _, batch in one_pass(examples, rows=64):
        right += int((model.predict(batch.x, batch.lengths).argmax(1) == batch.y).sum())
    return right / len(examples)


@pytest.mark.parametrize("kind", KINDS)
def test_learns_which_symbol_was_in_the_middle_of_noise(kind: str) -> None:
    """One marked symbol 1, 2 or 3 among zeros, anywhere in rows of 1 to 12: the class is the mark."""
    random = torch.Generator().manual_seed(0)
    x, y = [], []
    for i in range(96):
        n = int(torch.randint(1, 13, (), generator=random))
        row = [0] * n
        row[int(torch.randint(n, (), generator=random))] = 1 + i % 3
        x.append(row)
        y.append(i % 3)
    torch.manual_seed(0)
    model = Classifier("gru-cho", 4, 3, 12, bidirectional=True, pooling=kind)
    assert learned(model, Examples(x, y), 80) >= 0.95


def test_one_to_one() -> None:
    """T = 1: exclusive or of two numbers."""
    x = [[[a, b]] for a in (0.0, 1.0) for b in (0.0, 1.0)]
    torch.manual_seed(0)
    assert learned(Classifier("elman", 2, 2, 8), Examples(x, [0, 1, 1, 0]), 150) == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"pooling": "men"}, "pooling is one of last, max, mean, attention, found 'men'.*mean"),
        ({"head": "crf"}, "head is one of softmax, sigmoid, linear, found 'crf'"),
        ({"head": "linear", "smoothing": 0.1}, "label smoothing belongs to the softmax head"),
        ({"dropuot": 1}, "has no size 'dropuot'"),
        ({"input_dropout": torch.tensor(0.1)}, "input_dropout: a model keeps plain values, .* found Tensor"),
    ],
)
def test_arguments_that_do_not_fit(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make(**arguments)


def test_inputs_that_do_not_fit() -> None:
    model = make(embed=2)
    with pytest.raises(ValueError, match="x must hold symbols 0 to 2, since this model embeds them"):
        model(vectors(2, 3))
    with pytest.raises(ValueError, match="x holds integers from 0 to 3"):
        model(torch.tensor([[0, 3]]))
    with pytest.raises(ValueError, match=r"a loss needs batch\.y"):
        model.loss(Batch(torch.tensor([[0, 1]])))
    with pytest.raises(ValueError, match="lengths must lie between 0 and T = 2"):
        model(torch.tensor([[0, 1]]), torch.tensor([3]))
