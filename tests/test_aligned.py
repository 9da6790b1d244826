"""Sequence to sequence, aligned: against a plain loop, teaching against decoding, padding, search, files, learning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rondo.data.batch import IGNORED, Batch
from rondo.models.seq2seq import Seq2Seq
from rondo.models.store import load_model, save_model
from rondo.search.beam import beam
from rondo.search.greedy import greedy
from rondo.search.sample import sample

from shown import shown

SYMBOLS, BEGIN = 7, 6
VARIANTS: dict[str, dict[str, Any]] = {
    "one-hot": {},
    "reversed, embedded": {"reverse": True, "embed": 5},
    "bidirectional, deep": {"bidirectional": True, "layers": 2, "embed": 3},
    "shared, tied": {"bidirectional": True, "embed": 4, "shared": True, "tied": True},
}
CELLS = ("elman", "gru-cho", "lstm", "lstm-projected")
EXACT = 1e-11  # float64 sums of some 100 products, in another order


def make(cell: str = "lstm", hidden: int = 8, **options: Any) -> Seq2Seq:
    torch.manual_seed(0)
    sizes = {"proj": 5} if cell == "lstm-projected" else {}
    model = Seq2Seq(cell, SYMBOLS, SYMBOLS, hidden, begin=BEGIN, attention="aligned", **(options | sizes))
    return model.double().eval()


def batch(rows: int = 4, seed: int = 0) -> Batch:
    """Sources and targets of every length; past them stands what must not be read."""
    g = torch.Generator().manual_seed(seed)
    lengths = torch.tensor([5, 1, 6, 3])[:rows]
    x, y = (torch.randint(0, BEGIN, (rows, 6), generator=g) for _ in range(2))
    past = torch.arange(6) >= lengths.unsqueeze(1)
    return Batch(x.masked_fill(past, -999), y.masked_fill(past, IGNORED), lengths, lengths)


def row(whole: Batch, k: int) -> Batch:
    """One row without its padding."""
    n = int(whole.lengths[k])
    return Batch(whole.x[k : k + 1, :n], whole.y[k : k + 1, :n])


def worst(got: Tensor, truth: Tensor) -> float:
    return float((got - truth).detach().abs().max())


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("variant", VARIANTS)
@torch.no_grad()
def test_it_is_its_equation(variant: str, cell: str) -> None:
    """s<t> = RNN([E[y<t-1>], h<t>], s<t-1>), o<t> = [s<t>, h<t>], step after step; the RNN itself is taken as it is."""
    model, data = make(cell, **VARIANTS[variant]), batch()
    scores = model(data).log_softmax(2)
    embedding = model.encoder.embedding if model.target is None else model.target
    table = torch.eye(SYMBOLS).double() if embedding is None else embedding.weight
    for k in range(4):
        one = row(data, k)
        h = model.encoder(one.x.flip(1) if model.reverse else one.x)[0]
        h, state = (h.flip(1) if model.reverse else h)[0], None
        for t, y in enumerate([BEGIN, *one.y[0, :-1]]):
            s, state = model.decoder(torch.cat([table[y], h[t]]).view(1, 1, -1), state)
            error = worst(scores[k, t], model.head.scores(torch.cat([s[0, 0], h[t]])).log_softmax(0))
            shown("aligned = plain loop", model.cell.name, (variant,), "output", error)
            assert error < EXACT


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("variant", VARIANTS)
def test_decoding_step_by_step_is_what_was_taught(variant: str, cell: str) -> None:
    """Rows left out and put in another order on the way."""
    model, data = make(cell, **VARIANTS[variant]), batch()
    taught = model(data).log_softmax(2)
    predictor, order = model.predictor(data), torch.arange(4)
    state, symbols = predictor.start(4), model.prime(4)[:, 0]
    for t in range(6):
        scores, state = predictor.step(symbols, state)
        error = worst(scores, taught[order, t])
        shown("decoding = teaching", model.cell.name, (variant,), "output", error)
        assert error < EXACT
        going = (data.lengths[order] > t + 1).nonzero().squeeze(1).flip(0)
        if not len(going):
            break
        order, state = order[going], predictor.select(state, going)
        symbols = data.y[order, t]
    assert t == 5
    with pytest.raises(ValueError, match="as long as its source: 6 symbols at most"):
        predictor.step(data.y[order, t], state)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_padded_batch_is_its_rows_alone_and_gradients_reach_everything(variant: str) -> None:
    model, data = make(learn_initial=True, **VARIANTS[variant]).train(), batch()
    whole = model.loss(data)
    whole.total.backward()
    together = {name: p.grad for name, p in model.named_parameters()}
    model.zero_grad()
    alone = [model.loss(row(data, k)) for k in range(4)]
    nats = model.eval().nats(data)
    assert worst(nats.sum(), whole.nats) < EXACT
    assert not nats[data.y == IGNORED].any()
    assert whole.count == sum(one.count for one in alone) == 15
    assert worst(whole.nats, sum(one.nats for one in alone)) < EXACT
    sum(one.total for one in alone).backward()
    for name, p in model.named_parameters():
        assert worst(together[name], p.grad) < EXACT, name
        assert float(p.grad.abs().max()) > 0, name


def test_what_does_not_count_is_read_as_the_beginning() -> None:
    """A flag before the line is a place of the source and of no target: [flag, x], [IGNORED, y]."""
    model, data = make(embed=4), row(batch(), 0)
    longer = Batch(torch.cat([data.x[:, :1], data.x], 1), torch.cat([torch.tensor([[IGNORED]]), data.y], 1))
    loss = model.loss(longer)
    assert loss.count == 5
    predictor = model.predictor(Batch(longer.x))
    state, total = predictor.start(1), 0.0
    for read, y in zip([BEGIN, BEGIN, *data.y[0, :-1]], longer.y[0], strict=True):
        scores, state = predictor.step(torch.tensor([int(read)]), state)
        total -= float(scores[0, y]) if y != IGNORED else 0.0
    assert float(loss.nats) == pytest.approx(total, abs=EXACT)


@pytest.mark.parametrize("variant", VARIANTS)
def test_search_over_a_model(variant: str) -> None:
    """Log-probabilities as the loss has them; greedy and a beam of one agree; one source, many rows."""
    model, data = make(**VARIANTS[variant]), Batch(batch(seed=3).x.clamp(min=0))
    found = beam(model.predictor(data), model.prime(4), 6, width=4, nbest=3)
    for k in range(4):
        for written, p in zip(found.sequences()[k], found.log_probability[k], strict=True):
            one = Batch(data.x[k : k + 1], torch.tensor([written]))
            assert float(model.loss(one).nats) == pytest.approx(-float(p), abs=1e-10)
    simple = greedy(model.predictor(data), model.prime(4), 6)
    assert simple.sequences() == beam(model.predictor(data), model.prime(4), 6, width=1).sequences()
    many = sample(model.predictor(data.rows([0])), model.prime(6), 6, seed=list(range(6)))
    again = sample(model.predictor(data.rows([0] * 6)), model.prime(6), 6, seed=list(range(6)))
    assert many.sequences() == again.sequences()
    assert len({tuple(written) for written in many.best()}) > 1


@pytest.mark.parametrize("variant", VARIANTS)
def test_its_arguments_build_it_again(variant: str, tmp_path: Path) -> None:
    """Plain values, and a model file; a shared embedding is kept once and stays one."""
    model, data = make("lstm-projected", dropout=0.2, **VARIANTS[variant]).float(), batch()
    assert json.loads(json.dumps(model.arguments)) == model.arguments
    save_model(tmp_path / "m.safetensors", model, {})
    again, _ = load_model(tmp_path / "m.safetensors")
    assert torch.equal(again(data), model(data))
    assert sum("embedding" in n or "target" in n for n in model.state_dict()) == (
        1 if "shared" in VARIANTS[variant] else 2 * ("embed" in VARIANTS[variant])
    )
    if "shared" in VARIANTS[variant]:
        with torch.no_grad():
            again.encoder.embedding.weight[0] += 1
        o = torch.ones(model.head.width)
        assert worst(again.head.scores(o), model.head.scores(o)) > 0.1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"end": 3}, "an aligned target ends with its source: leave end out"),
        ({"input_feeding": True}, "needs attention='luong'"),
        ({"attention": "luong"}, "end must be one of the 7 target symbols, found None"),
        ({"shared": True}, "a shared embedding needs embed"),
        ({"shared": True, "embed": 4, "symbols": 8}, "as many source as target symbols"),
    ],
)
def test_what_does_not_fit_is_said(options: dict[str, Any], message: str) -> None:
    given = {"symbols": 7, "target_symbols": 7, "hidden": 4, "begin": 6, "attention": "aligned"}
    with pytest.raises(ValueError, match=message):
        Seq2Seq("gru", **{**given, **options})


def test_batches_that_do_not_fit_are_said() -> None:
    model, data = make(locked=True, weight_dropout=0.1), batch()
    with pytest.raises(ValueError, match="an aligned y is as long as x, 6 symbols, found 5"):
        model.loss(Batch(data.x, data.y[:, :5], data.lengths))
    with pytest.raises(ValueError, match="no attention to show"):
        model.align(data)


def test_it_learns_what_stands_in_the_same_place() -> None:
    """y<t> = x<t> + y<t-1> modulo 5: each symbol needs its place of the source and the one before it."""
    generator = torch.Generator().manual_seed(1)

    def pairs(rows: int) -> Batch:
        x = torch.randint(0, 5, (rows, 6), generator=generator)
        return Batch(x, x.cumsum(1) % 5)

    torch.manual_seed(1)
    model = Seq2Seq("gru", 6, 6, 32, begin=5, embed=8, attention="aligned", bidirectional=True, shared=True, tied=True)
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    for _ in range(200):
        optimiser.zero_grad()
        loss = model.loss(pairs(64))
        (loss.total / loss.count).backward()
        optimiser.step()
    test = pairs(200)
    found = greedy(model.eval().predictor(test), model.prime(200), 6).best()
    assert sum(a == b for a, b in zip(found, test.y.tolist(), strict=True)) > 190
