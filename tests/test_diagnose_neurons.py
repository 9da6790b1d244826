"""Neurons, lesions and contrasts against plain loops and explicit arithmetic."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from rondo import RNN
from rondo.cells import find, shipped
from rondo.diagnose import DiagnoseError, contrast, neurons
from rondo.diagnose.inside import scanning
from rondo.diagnose.lesion import holding
from rondo.models.generator import Generator

EXACT = 1e-12  # float64, sums of fewer than 100 products of numbers near 1
NEAR = 2e-6  # float32, losses near 3
V, H = 11, 6


def model(cell: str = "lstm", layers: int = 1) -> Generator:
    torch.manual_seed(3)
    return Generator(find(cell), V, H, layers, embed=5).eval()


def documents() -> list[np.ndarray]:
    draw = np.random.default_rng(0)
    return [np.array([0, *draw.integers(1, V, n), 0]) for n in (7, 1, 12, 4, 4)]


def plain_lstm(rnn: RNN, x: Tensor, state: str, unit: int, to: float) -> Tensor:
    """An LSTM in a plain loop with one unit of h or c held: outputs [B, T, n]."""
    p = dict(rnn.part("l0").named_parameters())
    h = c = x.new_zeros(len(x), H)
    outputs = []
    for e in x.unbind(1):
        pre = {k: e @ p[f"W_{k}"].T + h @ p[f"U_{k}"].T + p[f"b_{k}"] for k in "ifgo"}
        gates = {k: pre[k].tanh() if k == "g" else pre[k].sigmoid() for k in "ifgo"}
        if state in gates:
            gates[state][:, unit] = to
        c = gates["f"] * c + gates["i"] * gates["g"]
        if state == "c":
            c[:, unit] = to
        h = gates["o"] * c.tanh()
        if state == "h":
            h[:, unit] = to
        outputs.append(h)
    return torch.stack(outputs, 1)


@pytest.mark.parametrize("name", ["h", "c", "f", "g"])
def test_a_lesion_is_that_of_a_plain_loop(name: str) -> None:
    torch.manual_seed(0)
    rnn, x = RNN("lstm", 3, H, dtype=torch.float64).eval(), torch.randn(2, 9, 3, dtype=torch.float64)
    with torch.no_grad():
        with scanning(rnn, holding(rnn, f"l0.{name}", 4, 0.3)):
            y, _ = rnn(x)
        truth = plain_lstm(rnn, x, name, 4, 0.3)
        assert float((y - truth).abs().max()) < EXACT
        assert float((y - rnn(x)[0]).abs().max()) > 1e-3, "the lesion must change something"


@pytest.mark.parametrize("cell", list(shipped()))
def test_every_state_of_every_cell_can_be_lesioned(cell: str) -> None:
    """What is held is held at every step, in a network of two layers, and the layer below is as it was."""
    torch.manual_seed(0)
    extra = {"proj": 3} if cell == "lstm-projected" else {}
    rnn = RNN(cell, 4, 4, 2, project=True, backend="reference", **extra).eval()
    x = torch.randn(2, 5, 4)
    before = rnn.trace(x)
    for state in rnn.cell.graph.states:
        with torch.no_grad(), scanning(rnn, holding(rnn, f"l1.{state}", 1, 0.25)):
            _, after = rnn(x)
        assert (after[f"l1.{state}"][:, 1] == 0.25).all()
        assert torch.allclose(after[f"l0.{state}"], before[f"l0.{state}"][:, -1], atol=NEAR)


def test_a_lesion_that_cannot_be_made_says_why() -> None:
    rnn = RNN("lstm", 3, H)
    for name, unit, message in (("l0.z", 0, "has no 'z'"), ("l2.h", 0, "no layer 'l2'"), ("l0.h", H, "units 0 to 5")):
        with pytest.raises(DiagnoseError, match=message):
            holding(rnn, name, unit, 0.0)


@pytest.mark.parametrize("layers", [1, 2])
def test_a_reading_is_every_document_by_itself(layers: int) -> None:
    """Packed side by side, each document's activations and losses are those that it has alone."""
    network, texts = model(layers=layers), documents()
    found = neurons.read(network, texts)
    assert found.bounds == [0, 8, 10, 23, 28, 33]
    for symbols, first, last in zip(texts, found.bounds[:-1], found.bounds[1:], strict=True):
        x = torch.from_numpy(symbols[:-1]).unsqueeze(0)
        trace = network.rnn.trace(network.inputs(x))
        assert found.values.keys() == trace.keys()
        for name, v in trace.items():
            np.testing.assert_allclose(found.values[name][first:last], v[0].detach(), atol=NEAR)
        scores = network(x)[0][0].log_softmax(1).detach()
        nats = [-float(scores[t, n]) for t, n in enumerate(symbols[1:])]
        np.testing.assert_allclose(found.nats[first:last], nats, atol=NEAR)


def test_the_loss_without_a_unit_is_that_of_a_plain_loop() -> None:
    network, texts = model(), documents()
    found = neurons.lesion(network, texts, "l0.c", 2, 0.5)
    truth = []
    for symbols in texts:
        x = torch.from_numpy(symbols[:-1]).unsqueeze(0)
        with torch.no_grad():
            y = plain_lstm(network.rnn, network.inputs(x), "c", 2, 0.5)
            scores = network.head.scores(y)[0].log_softmax(1)
        truth += [-float(scores[t, n]) for t, n in enumerate(symbols[1:])]
    np.testing.assert_allclose(found, truth, atol=NEAR)
    assert np.abs(found - neurons.read(network, texts).nats).max() > 1e-3


def test_packing_wastes_little_and_refuses_nothing_to_read() -> None:
    texts = [np.zeros(n, np.int64) for n in (257, *[6] * 200)]
    batch, places = neurons.packed(texts)
    assert batch.x.shape == (5, 256)
    assert batch.resets is not None
    assert int(batch.resets.sum()) == 201
    spans = sorted(places)
    assert all(a[0] < b[0] or a[2] <= b[1] for a, b in itertools.pairwise(spans)), "no two overlap"
    for nothing in ([], [np.array([0])]):
        with pytest.raises(DiagnoseError, match="nothing to read"):
            neurons.packed(nothing)


def test_selectivity_is_the_correlation() -> None:
    draw = np.random.default_rng(1)
    values = draw.normal(size=(50, 3)).astype(np.float32)
    values[:, 2] = 1.5
    feature = draw.normal(size=50)
    found = neurons.selectivity(values, list(feature))
    assert found[:2] == pytest.approx([np.corrcoef(values[:, j], feature)[0, 1] for j in (0, 1)])
    assert found[2] == 0
    assert (neurons.selectivity(values, [1.0] * 50) == 0).all()


def test_passages_are_the_extremes_and_do_not_overlap() -> None:
    reading = neurons.Reading((np.zeros(21, int), np.zeros(11, int)), {}, np.zeros(30, np.float32))
    values = np.zeros(30, np.float32)
    values[[3, 4, 19, 20]] = [5, 6, 7, 4]  # 19 ends the first document, 20 begins the second
    found = neurons.passages(reading, values, 3, around=2)
    assert [(p.at, p.first, p.last, p.value) for p in found] == [(19, 17, 20, 7.0), (4, 2, 7, 6.0), (20, 20, 23, 4.0)]
    assert neurons.passages(reading, -values, 1, lowest=True)[0].at == 19


def test_features_of_a_text() -> None:
    found = neurons.features([["\n", "“", "Hi", ",", "”", " he", " said", "\n"], ["\n", "月", "。", "\n"]])
    assert found.place == [0, 1, 2, 3, 4, 5, 6, 0, 1, 2]
    assert found.clause == [0, 0, 1, 0, 0, 1, 2, 0, 1, 0]
    assert found.punctuation == [0, 1, 0, 1, 1, 0, 0, 0, 0, 1]
    assert found.before == [1, 0, 1, 1, 0, 0, 0, 0, 1, 0]
    assert found.end == [0, 0, 0, 0, 0, 0, 1, 0, 0, 1]
    assert found.quoted == [0, 1, 1, 1, 0, 0, 0, 0, 0, 0]
    assert found.capital == [0, 0, 1, 0, 0, 0, 0, 0, 0, 0]
    assert found.word == [0, 0, 0, 0, 1, 1, 0, 0, 0, 0]
    assert "word" not in neurons.features([["\n", "月", "。", "\n"]]).varying()


# ---- contrasts ----


def test_alignment_of_the_lectures_sentences() -> None:
    one, other = (text.split() for text in ("the cat , which already ate ,", "the cats , which ate ,"))
    pairs = contrast.align(one, other)
    assert pairs == [(0, 0), (1, 1), (2, 2), (3, 3), (4, None), (5, 4), (6, 5)]
    assert contrast.last_column(one, other, pairs, differing=False) == 6
    assert contrast.last_column(one, other, pairs, differing=True) == 1
    assert contrast.last_column(one, one, contrast.align(one, one), differing=True) == 6
    found = contrast.difference(np.ones((7, 2)), np.zeros((6, 2)), pairs)
    assert np.isnan(found[4]).all()
    assert (np.delete(found, 4, 0) == 1).all()
    assert contrast.changed(found, 0) == 2
    assert contrast.changed(found, 4) == 0


def test_the_fewest_units_that_turn_the_answer() -> None:
    """Exchanged one after the other in that order, exactly the last of them turns the log-odds; no smaller set does."""
    torch.manual_seed(2)
    head = torch.nn.Linear(5, 4, dtype=torch.float64)
    one, other = torch.randn(2, 5, dtype=torch.float64)
    with torch.no_grad():
        head.bias[:2] = 0.0
        head.weight[0] = torch.sign(one - other) * head.weight[0].abs()  # the two get different answers
        head.weight[1] = -head.weight[0]
        one, other = one - other, other - one
    found = contrast.exchange(head, one, other, 0, 1)
    assert sum(found.shares) == pytest.approx(found.odds[0] - found.odds[1])
    assert found.odds[0] > 0 > found.odds[1]

    def turned(units: tuple[int, ...] | list[int]) -> bool:
        mixed = one.clone()
        mixed[list(units)] = other[list(units)]
        z = head(mixed)
        return bool(z[0] < z[1])

    assert found.needed is not None
    assert turned(found.order[: found.needed])
    few = [[j for j in range(5) if mask >> j & 1] for mask in range(32)]
    assert not any(turned(units) for units in few if len(units) < found.needed)
    back = contrast.exchange(head, other, one, 0, 1)
    assert back.needed is not None
    assert math.isclose(back.odds[0], found.odds[1])
    assert contrast.exchange(head, one, one, 0, 1).needed is None
