"""Sequence to sequence: attention against plain loops, teaching against decoding, padding, and that it learns."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from rondo.data.batch import IGNORED, Batch
from rondo.models.attention import Additive, General, Memory
from rondo.models.seq2seq import Seq2Seq
from rondo.search.beam import beam
from rondo.search.greedy import greedy
from rondo.search.sample import sample
from rondo.states import States

from shown import shown

SYMBOLS, TARGETS, BEGIN, END = 7, 6, 4, 5
VARIANTS: dict[str, dict[str, Any]] = {
    "none": {},
    "none, reversed": {"reverse": True, "embed": 5},
    "none, bidirectional, deep": {"bidirectional": True, "layers": 2, "embed": 3},
    "luong": {"attention": "luong"},
    "luong, reversed, deep": {"attention": "luong", "reverse": True, "embed": 4, "layers": 2},
    "luong, bidirectional, tied": {"attention": "luong", "bidirectional": True, "embed": 4, "tied": True},
    "input feeding": {"attention": "luong", "input_feeding": True, "embed": 4},
    "input feeding, reversed": {"attention": "luong", "input_feeding": True, "reverse": True, "bidirectional": True},
    "bahdanau": {"attention": "bahdanau"},
    "bahdanau, deep": {"attention": "bahdanau", "bidirectional": True, "embed": 5, "layers": 2, "tied": True},
}
CELLS = ("elman", "gru-cho", "lstm", "lstm-projected")
EXACT = 1e-11  # float64 sums of some 100 products, in another order


def make(cell: str = "gru-cho", hidden: int = 8, **options: Any) -> Seq2Seq:
    torch.manual_seed(0)
    sizes = {"proj": 5} if cell == "lstm-projected" else {}
    return Seq2Seq(cell, SYMBOLS, TARGETS, hidden, begin=BEGIN, end=END, **(options | sizes)).double().eval()


def batch(rows: int = 4, seed: int = 0) -> Batch:
    """Sources and targets of every length; past the sources' lengths stands what must not be read."""
    g = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([5, 1, 7, 3])[:rows]
    targets = torch.tensor([2, 4, 1, 6])[:rows]
    x = torch.randint(0, SYMBOLS, (rows, 7), generator=g)
    y = torch.randint(0, BEGIN, (rows, 6), generator=g)
    x[torch.arange(7) >= lengths.unsqueeze(1)] = -999
    y[torch.arange(rows), targets - 1] = END
    y[torch.arange(6) >= targets.unsqueeze(1)] = IGNORED
    return Batch(x, y, lengths, targets)


def row(whole: Batch, k: int) -> Batch:
    """One row without its padding."""
    assert whole.y is not None and whole.lengths is not None and whole.targets is not None  # noqa: PT018
    return Batch(whole.x[k : k + 1, : whole.lengths[k]], whole.y[k : k + 1, : whole.targets[k]])


def worst(got: Tensor, truth: Tensor) -> float:
    return float((got - truth).detach().abs().max())


def gradients(model: Seq2Seq) -> dict[str, Tensor]:
    found = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    return found  # type: ignore[return-value]


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_decoding_step_by_step_is_what_was_taught(variant: str, cell: str) -> None:
    """Rows left out and put in another order on the way."""
    model, data = make(cell, **VARIANTS[variant]), batch()
    taught = model(data).log_softmax(2)
    predictor, order = model.predictor(data), torch.arange(4)
    state = predictor.start(4)
    symbols = model.prime(4)[:, 0]
    for t in range(6):
        scores, state = predictor.step(symbols, state)
        alive = data.y[order, t] != IGNORED
        error = worst(scores[alive], taught[order[alive], t]) if alive.any() else 0.0
        shown("decoding = teaching", model.cell.name, (variant,), "output", error)
        assert error < EXACT
        going = (alive & (data.y[order, t] != END)).nonzero().squeeze(1).flip(0)
        if not len(going):
            break
        order, state = order[going], predictor.select(state, going)
        symbols = data.y[order, t]
    assert t == 5


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_padded_batch_is_its_rows_alone(variant: str) -> None:
    model, data = make("lstm", **VARIANTS[variant]), batch()
    whole = model.loss(data)
    whole.total.backward()
    together = gradients(model)
    alone = [model.loss(row(data, k)) for k in range(4)]
    assert whole.count == sum(one.count for one in alone) == 13
    assert whole.state is None
    assert not whole.nats.requires_grad
    error = worst(whole.nats, sum(one.nats for one in alone))
    shown("padded = alone", model.cell.name, (variant,), "output", error)
    assert error < EXACT
    sum(one.total for one in alone).backward()
    for name, truth in gradients(model).items():
        error = worst(together[name], truth)
        shown("padded = alone", model.cell.name, (variant,), f"dL/d{name}", error)
        assert error < EXACT, name


@pytest.mark.parametrize("variant", VARIANTS)
def test_targets_past_their_lengths_do_not_count(variant: str) -> None:
    model, data = make(**VARIANTS[variant]), batch()
    other = data.y.where(data.y != IGNORED, 3)
    assert float(model.loss(Batch(data.x, other, data.lengths, data.targets)).nats) == float(model.loss(data).nats)
    error = worst(model.loss(Batch(data.x, data.y, data.lengths)).nats, model.loss(data).nats)
    assert error < EXACT


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_gradients_reach_everything(variant: str, cell: str) -> None:
    model = make(cell, learn_initial=True, **VARIANTS[variant]).train()
    model.loss(batch()).total.backward()
    for name, g in gradients(model).items():
        assert g is not None, name
        assert float(g.abs().max()) > 0, name


def plain(model: Seq2Seq, one: Batch) -> tuple[Tensor, list[list[float]]]:
    """One row, as the equations stand: log-probabilities [U, V] and weights. The RNN itself is taken as it is."""
    x = one.x.flip(1) if model.reverse else one.x
    h, final = model.encoder(x)
    h = (h.flip(1) if model.reverse else h)[0]
    state, o, first = model.bridge(final), torch.zeros(1, model.decoder.output_size).double(), model.prime(1)[0]
    table = torch.eye(TARGETS).double() if model.target is None else model.target.weight
    scores, weights = [], []

    def attend(query: Tensor) -> Tensor:
        e = []
        for h_j in h:
            if model.kind == "luong":
                e.append(float(query @ (model.attention.W.weight @ h_j)))
            else:
                inner = torch.tanh(model.attention.W.weight @ query + model.attention.U.weight @ h_j)
                e.append(float(model.attention.v.weight[0] @ inner))
        total = sum(math.exp(v) for v in e)
        weights.append([math.exp(v) / total for v in e])
        return sum(a * h_j for a, h_j in zip(weights[-1], h, strict=True))

    for y in [*first, *one.y[0, :-1]]:
        v = table[y]
        if model.kind == "bahdanau":
            c = attend(state[f"{model.decoder.units[-1][0]}.{next(iter(model.cell.graph.states))}"][0])
            s, state = model.decoder(torch.cat([v, c]).view(1, 1, -1), state)
            pieces = model.readout.weight @ torch.cat([s[0, 0], v, c]) + model.readout.bias
            o = torch.stack([torch.maximum(pieces[k], pieces[k + 1]) for k in range(0, len(pieces), 2)])
        else:
            read = torch.cat([v, o.flatten()]) if model.input_feeding else v
            s, state = model.decoder(read.view(1, 1, -1), state)
            o = s[0, 0]
            if model.kind == "luong":
                o = torch.tanh(model.readout.weight @ torch.cat([attend(o), o]))
        scores.append(model.head.scores(o).log_softmax(0))
    return torch.stack(scores), weights


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_attention_is_its_equations(variant: str, cell: str) -> None:
    model, data = make(cell, **VARIANTS[variant]), batch()
    scores = model(data).log_softmax(2)
    for k in range(4):
        truth, weights = plain(model, row(data, k))
        error = worst(scores[k, : len(truth)], truth)
        shown("attention = plain loop", model.cell.name, (variant,), "output", error)
        assert error < EXACT
        if weights:
            found = model.align(data)[k, : len(truth), : data.lengths[k]]
            assert worst(found, torch.tensor(weights, dtype=torch.float64)) < EXACT


@pytest.mark.parametrize("variant", [name for name, options in VARIANTS.items() if "attention" in options])
def test_weights_sum_to_one_and_vanish_on_padding(variant: str) -> None:
    model, data = make(**VARIANTS[variant]), batch()
    weights = model.align(data)
    assert weights.shape == (4, 6, 7)
    assert worst(weights.sum(2), torch.ones(4, 6)) < 1e-15 * 7  # 7 numbers are added
    past = (torch.arange(7) >= data.lengths.unsqueeze(1)).unsqueeze(1).expand_as(weights)
    assert not weights[past].any()
    assert (weights[~past] > 0).all()


@pytest.mark.parametrize("attention", ["luong", "bahdanau"])
def test_an_empty_source_is_read_as_nothing(attention: str) -> None:
    model, data = make(attention=attention, bidirectional=True), batch()
    empty = Batch(data.x, data.y, torch.tensor([5, 0, 7, 3]), data.targets)
    with torch.autograd.set_detect_anomaly(True):  # no NaN on the way either
        loss = model.loss(empty)
        loss.total.backward()
    assert loss.total.isfinite()
    assert all(g.isfinite().all() for g in gradients(model).values())
    assert not model.align(empty)[1].any()


@pytest.mark.parametrize("scores", [Additive(3, 4, 5), General(3, 4)], ids=["additive", "general"])
def test_attention_over_many_queries_is_one_by_one(scores: Additive | General) -> None:
    values, queries = torch.randn(2, 6, 4), torch.randn(2, 3, 3)
    alive = torch.tensor([[True] * 6, [True] * 2 + [False] * 4])
    memory = Memory(values, scores.keys(values), alive)
    weights = scores(queries, memory)
    for t in range(3):
        torch.testing.assert_close(scores(queries[:, t : t + 1], memory), weights[:, t : t + 1])
    torch.testing.assert_close(memory.context(weights), torch.einsum("but,btn->bun", weights, values))
    assert torch.equal(memory.rows(torch.tensor([1])).alive, alive[1:])


@pytest.mark.parametrize("variant", VARIANTS)
def test_search_over_a_model(variant: str) -> None:
    """Rows as alone; log-probabilities as the loss has them; greedy and a beam of one agree; one source, many rows."""
    model, data = make("lstm", **VARIANTS[variant]), batch()
    found = beam(model.predictor(data), model.prime(4), 5, width=4, nbest=3, end=END)
    for k in range(4):
        one = row(data, k)
        alone = beam(model.predictor(one), model.prime(1), 5, width=4, nbest=3, end=END)
        assert alone.sequences()[0] == found.sequences()[k]
        torch.testing.assert_close(alone.score[0], found.score[k])
        for written, finished, p in zip(found.sequences()[k], found.finished[k], found.log_probability[k], strict=True):
            y = torch.tensor([[*written, END] if finished else written])
            assert float(model.loss(Batch(one.x, y)).nats) == pytest.approx(-float(p), abs=1e-10)
    options = {"end": END, "banned": [BEGIN]}
    simple = greedy(model.predictor(data), model.prime(4), 5, **options)
    assert simple.sequences() == beam(model.predictor(data), model.prime(4), 5, width=1, **options).sequences()
    many = sample(model.predictor(row(data, 0)), model.prime(6), 5, seed=list(range(6)), end=END)
    repeated = data.rows([0] * 6)
    again = sample(model.predictor(repeated), model.prime(6), 5, seed=list(range(6)), end=END)
    assert many.sequences() == again.sequences()
    assert len({tuple(written) for written in many.best()}) > 1


def test_a_reversed_source_is_read_backwards() -> None:
    """Reversing inside equals reversing the data; attention still counts places from the source's beginning."""
    forward, data = make(attention="luong"), batch()
    backward = make(attention="luong", reverse=True)
    backward.load_state_dict(forward.state_dict())
    one = row(data, 2)
    turned = Batch(one.x.flip(1), one.y)
    assert worst(backward(one), forward(turned)) < EXACT
    assert worst(backward.align(one), forward.align(turned).flip(2)) < EXACT
    assert worst(backward(one), forward(one)) > 1e-4


def test_sources_of_vectors() -> None:
    torch.manual_seed(0)
    options = {"begin": 0, "end": 1, "input": 3, "attention": "bahdanau", "bidirectional": True, "embed": 4}
    model = Seq2Seq("gru", 0, 5, 6, **options).double()
    x = torch.randn(2, 4, 3).double()
    padded = x.clone()
    padded[1, 2:] = float("nan")
    y = torch.tensor([[2, 3, 1], [4, 1, IGNORED]])
    loss = model.loss(Batch(padded, y, torch.tensor([4, 2])))
    alone = model.loss(Batch(x[:1], y[:1])).nats + model.loss(Batch(x[1:, :2], y[1:, :2])).nats
    assert worst(loss.nats, alone) < EXACT
    assert loss.count == 5


def test_the_bridge_begins_as_the_mean_of_both_directions() -> None:
    model = make("lstm", bidirectional=True, layers=2)
    _, final = model.encoder(batch().x.clamp(0))
    state = model.bridge(final)
    assert list(state) == ["l0.h", "l0.c", "l1.h", "l1.c"]
    for name, v in state.items():
        unit, own = name.split(".")
        assert worst(v, (final[name] + final[f"{unit}_reverse.{own}"]) / 2) < 1e-15
    one = make("lstm", layers=2)
    _, final = one.encoder(batch().x.clamp(0))
    assert all(torch.equal(v, final[name]) for name, v in one.bridge(final).items())
    assert not list(one.bridge.parameters())


def test_a_state_may_enter_the_encoder() -> None:
    model, data = make(), batch()
    state = States((name, v + 1) for name, v in model.encoder.rnn.start(4).items())
    assert worst(model.loss(data, state).nats, model.loss(data).nats) > 1e-3


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_arguments_build_it_again(variant: str) -> None:
    options = {"smoothing": 0.1, "dropout": 0.2, "zoneout": {"h": 0.1}, **VARIANTS[variant]}
    model = make("lstm-projected", hidden=8, **options)
    arguments = json.loads(json.dumps(model.arguments))
    assert arguments == model.arguments
    with torch.device("meta"):
        again = Seq2Seq(model.cell, **arguments)
    assert {n: v.shape for n, v in again.state_dict().items()} == {n: v.shape for n, v in model.state_dict().items()}
    again.load_state_dict(model.state_dict(), assign=True)
    assert worst(again.eval()(batch()), model(batch())) == 0
    assert again.arguments == arguments
    listed = Seq2Seq("gru", 3, 3, [4, 5], begin=0, end=1, locked={"output", "input"}).arguments
    assert (listed["hidden"], listed["layers"], listed["locked"]) == ([4, 5], None, ["input", "output"])


@pytest.mark.parametrize("options", [{}, {"attention": "luong"}, {"attention": "bahdanau"}])
def test_training_draws_and_evaluation_does_not(options: dict[str, Any]) -> None:
    model, data = make(dropout=0.4, layers=2, input_dropout=0.3, smoothing=0.2, embed=4, **options), batch()
    assert float(model.loss(data).nats) == float(model.loss(data).nats)
    taught = float(model.loss(data).nats)
    model.train()
    assert float(model.loss(data).nats) != float(model.loss(data).nats) != taught
    with pytest.raises(ValueError, match=r"in training: call eval\(\) before predictor"):
        model.predictor(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attention": "luoung"}, "no attention is called 'luoung'.*luong"),
        ({"input_feeding": True}, "needs attention='luong'"),
        ({"input_feeding": True, "attention": "bahdanau"}, "needs attention='luong'"),
        ({"input": 3}, "either symbols or vectors"),
        ({"symbols": 0}, "either symbols or vectors"),
        ({"tied": True}, "needs embed"),
        ({"begin": 6}, "begin must be one of the 6 target symbols, found 6"),
        ({"end": -1}, "end must be one of the 6 target symbols, found -1"),
        ({"attention": "bahdanau", "locked": True}, "hold for a whole sequence"),
        ({"attention": "luong", "input_feeding": True, "weight_dropout": 0.5}, "hold for a whole sequence"),
    ],
)
def test_what_does_not_fit_is_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Seq2Seq("gru", **{"symbols": 7, "target_symbols": 6, "hidden": 4, "begin": 4, "end": 5, **options})


def test_batches_that_do_not_fit_are_said() -> None:
    model, data = make(), batch()
    for y in (None, data.y[:2], data.y[:, 0], data.y.double(), data.y[:, :0]):
        with pytest.raises(ValueError, match=r"y must be symbols \[4, U\]"):
            model.loss(Batch(data.x, y, data.lengths))
    with pytest.raises(ValueError, match="this model has no attention"):
        model.align(data)
    with pytest.raises(ValueError, match="the batch has 4 sources and the search 3 rows"):
        greedy(model.predictor(data), model.prime(3), 5)
    with pytest.raises(ValueError, match="integers from 0 to 9"):
        make(attention="luong", embed=3).loss(Batch(data.x, torch.tensor([[9, 0, END]] * 4), data.lengths))


def reversal(rows: int, generator: torch.Generator, length: int = 5) -> Batch:
    """Strings of 8 symbols, and their reversals; 8 begins and 9 ends."""
    x = torch.randint(0, 8, (rows, length), generator=generator)
    return Batch(x, torch.cat([x.flip(1), x.new_full((rows, 1), 9)], 1))


def exact_after(steps: int, lr: float, hidden: int, cell: str, **options: Any) -> float:
    """Share of new strings that a trained model reverses without a mistake."""
    torch.manual_seed(1)
    generator = torch.Generator().manual_seed(1)
    model = Seq2Seq(cell, 8, 10, hidden, begin=8, end=9, embed=16, **options)
    optimiser = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, lr, total_steps=steps)
    for _ in range(steps):
        optimiser.zero_grad()
        loss = model.loss(reversal(64, generator))
        (loss.total / loss.count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimiser.step()
        schedule.step()
    test = reversal(500, generator)
    model.eval()
    found = greedy(model.predictor(test), model.prime(500), 6, end=9).best()
    return sum(a == b for a, b in zip(found, test.x.flip(1).tolist(), strict=True)) / 500


def test_attention_learns_to_reverse() -> None:
    assert exact_after(250, 0.02, 32, "gru-cho", attention="luong", bidirectional=True) > 0.95


@pytest.mark.long
@pytest.mark.parametrize(
    ("steps", "lr", "hidden", "cell", "options"),
    [
        (250, 0.02, 32, "elman", {"attention": "luong", "bidirectional": True}),
        (250, 0.02, 32, "lstm", {"attention": "luong", "input_feeding": True}),
        (250, 0.02, 32, "gru-cho", {"attention": "bahdanau", "bidirectional": True}),
        (1000, 0.01, 128, "gru-cho", {}),  # all through a single vector
        (1000, 0.01, 128, "gru-cho", {"reverse": True}),
    ],
)
def test_all_of_them_learn_to_reverse(steps: int, lr: float, hidden: int, cell: str, options: dict[str, Any]) -> None:
    assert exact_after(steps, lr, hidden, cell, **options) > 0.95
