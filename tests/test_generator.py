"""Generator: its loss, penalties, dropouts, tied weights and conditions against plain computations; its predictor
against the whole sequence; and that nothing passes between rows or documents."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from rondo.data.batch import IGNORED, Batch
from rondo.models.generator import Generator
from rondo.sites import draw

from shown import shown

SYMBOLS, ROWS, STEPS = 7, 3, 9
CELLS = ["elman", "lstm", "gru-cho", "lstm-projected", "ind-rnn", "layer-norm-lstm"]


def made(cell: str = "gru-cho", hidden: Any = 6, **more: Any) -> Generator:
    torch.manual_seed(0)
    return Generator(cell, SYMBOLS, hidden, **{"embed": 4, **more}).double()


def symbols(rows: int = ROWS, steps: int = STEPS, seed: int = 5) -> Tensor:
    return torch.randint(0, SYMBOLS, (rows, steps), generator=torch.Generator().manual_seed(seed))


def batch(**more: Any) -> Batch:
    text = symbols(steps=STEPS + 1)
    y = text[:, 1:].clone()
    y[0, :2] = IGNORED
    return Batch(text[:, :-1], y, **more)


def plain_scores(model: Generator, b: Batch) -> tuple[Tensor, Tensor]:
    """The network's outputs and scores from torch's own operators around the RNN."""
    e = functional.one_hot(b.x, SYMBOLS).double() if model.embedding is None else model.embedding.weight[b.x]
    if b.condition is not None:
        v = b.condition if b.condition.dim() == 3 else b.condition.unsqueeze(1).repeat(1, b.x.shape[1], 1)
        e = torch.cat([e, v], 2)
    y, _ = model.rnn(e, None, b.lengths, b.resets)
    return y, y @ model.head.weight.T + model.head.bias


def agree(kind: str, cell: str, quantity: str, got: Tensor, wanted: Tensor) -> None:
    got, wanted = got.detach(), wanted.detach()
    error = float((got - wanted).abs().max() / max(1.0, float(wanted.abs().max())))
    shown(kind, cell, tuple(wanted.shape), quantity, error)
    assert error <= 1e-12  # float64: only the order of sums differs


# --- the loss ------------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embed", [0, 4])
def test_the_loss_is_the_cross_entropy(cell: str, embed: int) -> None:
    model, b = made(cell, embed=embed, hidden=[6, 5] if cell != "ind-rnn" else 6), batch()
    _, scores = plain_scores(model, b)
    wanted = functional.cross_entropy(scores.flatten(0, 1), b.y.flatten(), ignore_index=IGNORED, reduction="sum")
    found = model.loss(b)
    assert found.count == int((b.y != IGNORED).sum()) == ROWS * STEPS - 2
    assert not found.nats.requires_grad
    params = dict(model.named_parameters())
    got, truth = (torch.autograd.grad(v, list(params.values())) for v in (found.total, wanted))
    agree("generator = plain", cell, "loss", found.total, wanted)
    for name, a, c in zip(params, got, truth, strict=True):
        agree("generator = plain", cell, f"dL/d{name}", a, c)
    each, _ = model.nats(b)
    agree("generator = plain", cell, "surprisal", each.sum(), wanted)
    assert not each[b.y == IGNORED].any()
    agree("generator = plain", cell, "scores", model(b.x)[0], scores)


def test_smoothing_is_for_training_alone() -> None:
    model, b = made(smoothing=0.1), batch()
    _, scores = plain_scores(model, b)
    flat = scores.flatten(0, 1), b.y.flatten()
    plain = functional.cross_entropy(*flat, ignore_index=IGNORED, reduction="sum")
    smooth = functional.cross_entropy(*flat, ignore_index=IGNORED, reduction="sum", label_smoothing=0.1)
    agree("smoothing", "gru-cho", "loss", model.loss(b).total, smooth)
    agree("smoothing", "gru-cho", "loss", model.eval().loss(b).total, plain)


@pytest.mark.parametrize("output_dropout", [0.0, 0.4])
def test_penalties_on_size_and_change(output_dropout: float) -> None:
    """AR reads the dropped output, TAR the whole one; both are means, counted once for every symbol."""
    model, b = made(activation=2.0, slowness=3.0, output_dropout=output_dropout, locked=True), batch()
    y, _ = plain_scores(model, b)
    torch.manual_seed(9)
    keep = draw(1 - output_dropout, y.shape, True, y.device).unsqueeze(1)
    h = torch.where(keep, y / (1 - output_dropout), 0.0)
    scores = h @ model.head.weight.T + model.head.bias
    nats = functional.cross_entropy(scores.flatten(0, 1), b.y.flatten(), ignore_index=IGNORED, reduction="sum")
    count = ROWS * STEPS - 2
    slow = sum(((y[:, t] - y[:, t - 1]) ** 2).sum() for t in range(1, STEPS)) / (ROWS * (STEPS - 1) * 6)
    wanted = nats + count * (2.0 * (h**2).sum() / h.numel() + 3.0 * slow)
    torch.manual_seed(9)
    found = model.loss(b)
    agree("penalties", "gru-cho", "loss", found.total, wanted)
    agree("penalties", "gru-cho", "nats", found.nats, nats.detach())
    weights = list(model.rnn.parameters())
    for got, truth in zip(*(torch.autograd.grad(v, weights) for v in (found.total, wanted)), strict=True):
        agree("penalties", "gru-cho", "dL/dW", got, truth)
    evaluated = model.eval().loss(b)
    assert torch.equal(evaluated.total.detach(), evaluated.nats)


def test_one_step_has_no_change() -> None:
    model = made(slowness=1.0)
    b = Batch(symbols(steps=1), symbols(steps=1, seed=6))
    assert model.loss(b).total.isfinite()


# --- tied weights ----------------------------------------------------------------------------------


@pytest.mark.parametrize("hidden", [4, 6])
def test_tied_weights_are_one(hidden: int) -> None:
    """The gradient of the one matrix is that of the embedding plus that of the output layer, untied."""
    tied, free = made(hidden=hidden, tied=True), made(hidden=hidden)
    names = [n for n, _ in tied.named_parameters()]
    assert "head.weight" not in names
    assert ("head.projection.weight" in names) == (hidden != 4)
    with torch.no_grad():
        assert tied.embedding.weight.abs().max() <= 4**-0.5  # it starts as an output layer does, not from N(0, 1)
        free.embedding.weight.copy_(tied.embedding.weight)
        free.rnn.load_state_dict(tied.rnn.state_dict())
        tied.head.bias.normal_()
        free.head.bias.copy_(tied.head.bias)
        map_ = tied.head.projection.weight if hidden != 4 else torch.eye(4, dtype=torch.float64)
        free.head.weight.copy_(tied.embedding.weight @ map_)
    b = batch()
    losses = [m.loss(b).total for m in (tied, free)]
    agree("tied weights", "gru-cho", "loss", *losses)
    for total in losses:
        total.backward()
    as_output = free.head.weight.grad @ map_.detach().T
    agree("tied weights", "gru-cho", "dL/dE", tied.embedding.weight.grad, free.embedding.weight.grad + as_output)


def test_tied_weights_and_conditions_need_an_embedding() -> None:
    for more in ({"tied": True}, {"condition": 2}):
        with pytest.raises(ValueError, match="need an embedding: give its width as embed"):
            made(embed=0, **more)
    for more in ({"embed_dropout": 1.0}, {"activation": -1.0}, {"slowness": float("nan")}):
        with pytest.raises(ValueError, match="embed_dropout lies in"):
            made(**more)


# --- dropouts ------------------------------------------------------------------------------------


def test_whole_symbols_are_dropped() -> None:
    """A symbol is dropped wherever it stands, or nowhere; the others are scaled, so that the mean stays."""
    model, x = made(embed_dropout=0.3), symbols(8, 40)
    whole = model.embedding(x)
    torch.manual_seed(4)
    e = model.inputs(x)
    gone = (e == 0).all(2)
    for s in range(SYMBOLS):
        where = x == s
        assert gone[where].all() or not gone[where].any()
    assert gone.any()
    assert not gone.all()
    torch.testing.assert_close(e[~gone], whole[~gone] / 0.7)
    assert torch.equal(model.eval().inputs(x), whole)


def test_symbols_are_dropped_as_often_as_said() -> None:
    model, x = made(embed_dropout=0.3).train(), torch.arange(SYMBOLS).unsqueeze(0)
    torch.manual_seed(0)
    share = sum(float((model.inputs(x) == 0).all(2).double().mean()) for _ in range(400)) / 400
    assert share == pytest.approx(0.3, abs=0.04)  # 2,800 draws: four standard deviations are 0.035


SITES = (
    "embed_dropout",
    "input_dropout",
    "dropout",
    "output_dropout",
    "recurrent_dropout",
    "weight_dropout",
    "zoneout",
)


@pytest.mark.parametrize("site", SITES)
def test_evaluation_draws_nothing(site: str) -> None:
    model, b = made("lstm", hidden=[6, 6], **{site: 0.4}), batch()
    losses = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        losses.append([float(model.train(mode).loss(b).nats) for mode in (True, False)])
    assert losses[0][0] != losses[1][0]
    assert losses[0][1] == losses[1][1]
    if site != "zoneout":  # which becomes its expectation
        assert losses[0][1] == pytest.approx(float(made("lstm", hidden=[6, 6]).eval().loss(b).nats), rel=1e-12)


# --- conditions ----------------------------------------------------------------------------------


def test_a_condition_stands_beside_the_symbol() -> None:
    model = made(condition=2)
    v = torch.randn(ROWS, 2, dtype=torch.float64, requires_grad=True)
    b = batch(condition=v)
    wanted = functional.cross_entropy(
        plain_scores(model, b)[1].flatten(0, 1), b.y.flatten(), ignore_index=IGNORED, reduction="sum"
    )
    agree("condition", "gru-cho", "loss", model.loss(b).total, wanted)
    a, c = (torch.autograd.grad(t, v)[0] for t in (model.loss(b).total, wanted))
    agree("condition", "gru-cho", "dL/dv", a, c)
    each = v.unsqueeze(1).expand(-1, STEPS, -1)
    agree("condition", "gru-cho", "loss", model.loss(batch(condition=each)).total, wanted)
    # pieces of a window take their own steps of it
    steps = torch.randn(ROWS, STEPS, 2, dtype=torch.float64)
    b = batch(condition=steps)
    head = model.loss(b.steps(0, 4))
    tail = model.loss(b.steps(4, STEPS), head.state)
    agree("condition", "gru-cho", "loss", head.total + tail.total, model.loss(b).total)


# --- the predictor ---------------------------------------------------------------------------------


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("embed", [0, 4])
def test_step_by_step_is_the_whole_sequence(cell: str, embed: int) -> None:
    model, x = made(cell, embed=embed).eval(), symbols()
    wanted = model(x)[0].detach().log_softmax(2)
    predictor = model.predictor()
    state = predictor.start(ROWS)
    for t in range(STEPS):
        scores, state = predictor.step(x[:, t], state)
        error = float((scores - wanted[:, t]).abs().max())
        shown("predictor = whole", cell, (ROWS, t, embed), "log p", error)
        assert error < 1e-12  # float64: only the order of sums differs


@pytest.mark.parametrize("kind", ["none", "vector", "steps"])
@pytest.mark.parametrize("index", [[2, 0, 1], [1, 1, 1], [0, 2], [2, 1, 0, 0, 2]])
def test_rows_are_selected(kind: str, index: list[int]) -> None:
    """After `select` each row goes on as the row that it was taken from."""
    model, x = made(condition=0 if kind == "none" else 2).eval(), symbols()
    shape = {"none": None, "vector": (ROWS, 2), "steps": (ROWS, STEPS, 2)}[kind]
    v = None if shape is None else torch.randn(shape, dtype=torch.float64)
    predictor = model.predictor(v)
    state = predictor.start(ROWS)
    for t in range(3):
        _, state = predictor.step(x[:, t], state)
    state = predictor.select(state, torch.tensor(index))
    chosen = x[index]
    wanted = model(chosen, None, None if v is None else v[index])[0].detach().log_softmax(2)
    for t in range(3, 6):
        scores, state = predictor.step(chosen[:, t], state)
        torch.testing.assert_close(scores, wanted[:, t], rtol=0, atol=1e-12)  # float64


# --- nothing passes that should not ----------------------------------------------------------------


@given(st.lists(st.integers(1, STEPS - 1), max_size=3, unique=True), st.sampled_from(["elman", "lstm"]))
def test_cut_anywhere_it_is_the_same(cuts: list[int], cell: str) -> None:
    """Carried state = one long sequence, with documents that begin anywhere."""
    model, b = made(cell, learn_initial=True), batch(resets=torch.rand(ROWS, STEPS) < 0.2)
    whole = model.loss(b)
    total, state = 0.0, None
    for first, last in zip([0, *sorted(cuts)], [*sorted(cuts), STEPS], strict=True):
        piece = model.loss(b.steps(first, last), state)
        total, state = total + piece.total, piece.state
    agree("carried state = whole", cell, "loss", total, whole.total)
    for name in whole.state:
        agree("carried state = whole", cell, f"state {name}", state[name], whole.state[name])


def gradients_by_place(model: Generator, b: Batch, chosen: Tensor) -> Tensor:
    """dL/de at every place [B, T], summed sizes, for the loss of the chosen places alone."""
    held: list[Tensor] = []
    hook = model.embedding.register_forward_hook(lambda m, i, e: (e.retain_grad(), held.append(e))[0])
    try:
        model.loss(dataclasses.replace(b, y=b.y.where(chosen, IGNORED))).total.backward()
    finally:
        hook.remove()
    return held[0].grad.abs().sum(2)


@given(st.integers(0, ROWS - 1), st.integers(0, 2**16), st.sampled_from(["elman", "lstm", "layer-norm-lstm"]))
def test_rows_do_not_leak(row: int, seed: int, cell: str) -> None:
    """Another row's symbols, resets and state, even not a number, change nothing: loss and state bit by bit. Its
    length and the gradient may round otherwise: rows are dealt out by length, and steps with a reset run apart."""
    model, others = made(cell).train(), [r for r in range(ROWS) if r != row]
    text, drawn = symbols(steps=STEPS + 1), torch.Generator().manual_seed(seed)
    b = Batch(text[:, :-1], text[:, 1:], torch.full((ROWS,), STEPS), resets=torch.zeros(ROWS, STEPS, dtype=torch.bool))
    state = model.rnn.start(ROWS).map(lambda v: torch.rand(v.shape, generator=drawn, dtype=v.dtype))
    broken = state.map(lambda v: v.index_fill(0, torch.tensor([row]), torch.nan))
    x, lengths, resets = b.x.clone(), b.lengths.clone(), b.resets.clone()
    x[row] = torch.randint(0, SYMBOLS, (STEPS,), generator=drawn)
    resets[row, 1:] = torch.rand(STEPS - 1, generator=drawn) < 0.3
    other = Batch(x, b.y, lengths, resets=resets)
    (a, s), (c, r) = model.nats(b, state), model.nats(other, broken)
    assert torch.equal(a[others], c[others])
    assert all(torch.equal(s[name][others], r[name][others]) for name in s)
    lengths[row] = int(torch.randint(0, STEPS + 1, (1,), generator=drawn))
    torch.testing.assert_close(model.nats(dataclasses.replace(other, lengths=lengths), state)[0][others], a[others])
    chosen = torch.zeros(ROWS, STEPS, dtype=torch.bool)
    chosen[others] = True
    before, after = gradients_by_place(model, b, chosen), gradients_by_place(model, other, chosen)
    torch.testing.assert_close(before[others], after[others])  # float64
    assert not after[row].any()


@given(st.integers(0, 2**16), st.sampled_from(["elman", "lstm", "lstm-projected"]))
def test_documents_do_not_leak(seed: int, cell: str) -> None:
    """Of the losses in one document, no gradient reaches another, and its symbols change nothing there."""
    model, drawn = made(cell, learn_initial=True), torch.Generator().manual_seed(seed)
    resets = torch.rand(ROWS, STEPS, generator=drawn) < 0.3
    resets[:, STEPS // 2] = True
    b = batch(resets=resets)
    number = resets.cumsum(1)  # of the document
    row, place = int(torch.randint(0, ROWS, (1,), generator=drawn)), int(torch.randint(0, STEPS, (1,), generator=drawn))
    own = torch.zeros(ROWS, STEPS, dtype=torch.bool)
    own[row] = number[row] == number[row, place]
    reached = gradients_by_place(model, b, own & (b.y != IGNORED))
    assert not reached[~own].any()
    last = own & (b.y != IGNORED)
    if last.any():
        assert reached[own][: int(last[own].nonzero()[-1]) + 1].all()  # and all that stands before in it is reached
    changed = b.x.where(~own, (b.x + 1) % SYMBOLS)
    a, c = model.nats(b)[0], model.nats(dataclasses.replace(b, x=changed))[0]
    assert torch.equal(a[~own], c[~own])


def test_padding_is_not_read() -> None:
    model, b = made("lstm"), batch(lengths=torch.tensor([9, 4, 1]))
    alive = torch.arange(STEPS) < b.lengths.unsqueeze(1)
    short = dataclasses.replace(b, y=b.y.where(alive, IGNORED))
    rows = [Batch(b.x[r : r + 1, : b.lengths[r]], b.y[r : r + 1, : b.lengths[r]]) for r in range(ROWS)]
    wanted = sum(model.loss(r).total for r in rows)
    found = model.loss(short)
    agree("padded = unpadded", "lstm", "loss", found.total, wanted)
    assert found.count == sum(model.loss(r).count for r in rows)
    other = dataclasses.replace(short, x=b.x.where(alive, (b.x + 3) % SYMBOLS))
    assert torch.equal(model.loss(other).total, found.total)


def test_a_batch_without_targets_says_so() -> None:
    with pytest.raises(ValueError, match="no targets y"):
        made().loss(Batch(symbols()))


def test_it_is_an_ordinary_module() -> None:
    model = made(tied=True)
    assert isinstance(model, nn.Module)
    assert model.arguments["tied"] is True
    assert set(model.state_dict()) == {n for n, _ in model.named_parameters()}
