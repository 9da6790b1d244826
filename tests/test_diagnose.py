"""Diagnostics: every number against plain autograd, explicit matrix products, or a case whose answer is known."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import sys
from pathlib import Path

import hypothesis.strategies as st
import mpmath
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import Tensor

from rondo import RNN, cli
from rondo.cells import find, shipped
from rondo.cli import diagnose as command
from rondo.data.vocab import Characters
from rondo.diagnose import DiagnoseError, findings, jacobian, lecture, report
from rondo.diagnose.flow import gradient_flow
from rondo.diagnose.gates import activations, bounded, gate, gates
from rondo.diagnose.horizon import Contexts, doubling, horizon, horizons, loss_by_context
from rondo.diagnose.inside import precise, probing, scanning
from rondo.diagnose.saliency import saliency
from rondo.diagnose.spectrum import spectra
from rondo.models.generator import Generator
from rondo.models.store import save_model
from rondo.train.config import TextConfig
from rondo.train.language import load_language_model
from rondo.train.run import Run

from shown import shown

B, T, I, H = 2, 9, 3, 4
EXACT = 1e-12  # float64, sums of fewer than 100 products of numbers near 1
CHARTS = ("gradient", "jacobians", "exponents", "spectra", "gates", "saturation", "activations", "contexts")
CHARTS += ("saliency", "evidence")
FORGETS = "def Forgets(x: input, h: hidden): h = 0.5 * h + W @ x; return State(h=h)"


def network(cell: object = "lstm", layers: int = 1, hidden: int = H, **options) -> RNN:
    torch.manual_seed(0)
    extra = {"proj": 3} if cell == "lstm-projected" else {}
    return RNN(cell, I, hidden, layers, project=True, dtype=torch.float64, **extra, **options).eval()


def sequence(rows: int = B, steps: int = T) -> Tensor:
    return torch.randn(rows, steps, I, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def readout(rnn: RNN, x: Tensor, at: int = -1):
    w = torch.linspace(-1, 2, rnn.output_size, dtype=torch.float64)
    return lambda: rnn(x)[0][:, at] @ w


# --- gradient flow


def plain_lstm(rnn: RNN, x: Tensor) -> tuple[Tensor, list[list[dict[str, Tensor]]]]:
    """Two LSTM layers in a plain loop: the output, and every state with its gradient retained."""
    seen: list[list[dict[str, Tensor]]] = []
    v = x.unbind(1)
    for name in ("l0", "l1"):
        p = dict(rnn.part(name).named_parameters())
        h = c = x.new_zeros(len(x), H)
        states, outputs = [], []
        for e in v:
            pre = {k: e @ p[f"W_{k}"].T + h @ p[f"U_{k}"].T + p[f"b_{k}"] for k in "ifgo"}
            c = pre["f"].sigmoid() * c + pre["i"].sigmoid() * pre["g"].tanh()
            h = pre["o"].sigmoid() * c.tanh()
            for s in (c, h):
                s.retain_grad()
            states.append({"h": h, "c": c})
            outputs.append(h)
        seen.append(states)
        v = outputs
    return torch.stack(list(v), 1), seen


def test_gradient_flow_is_that_of_plain_autograd() -> None:
    rnn, x = network(layers=2), sequence()
    flow = gradient_flow(rnn, readout(rnn, x))
    y, seen = plain_lstm(rnn, x)
    (y[:, -1] @ torch.linspace(-1, 2, H, dtype=torch.float64)).sum().backward()
    for layer, states in enumerate(seen):
        for name in ("h", "c"):
            truth = torch.stack([s[name].grad.norm(dim=1) for s in reversed(states)], 1).numpy()
            error = np.abs(flow.norms[f"l{layer}.{name}"] - truth).max()
            shown("gradient flow = autograd", "LSTM", (T, B, I, H), f"dL/d{name}<t>, layer {layer}", error)
            assert error < EXACT
    assert flow.at == T - 1


@pytest.mark.parametrize("name", list(shipped()))
def test_the_network_with_probes_is_the_network(name: str) -> None:
    rnn, x = network(name, layers=2, backend="reference"), sequence()
    seen: dict[str, Tensor] = {}
    with scanning(rnn, probing(seen)):
        y, state = rnn(x)
    truth, after = rnn(x)
    assert torch.equal(y, truth)
    assert all(torch.equal(state[k], after[k]) for k in after)
    assert seen.keys() == after.keys()


@pytest.mark.parametrize("name", list(shipped()))
def test_gradient_flow_and_jacobians_are_those_of_a_cut_sequence(name: str) -> None:
    """With the sequence cut after step t, plain autograd gives dL/ds<t>; one Jacobian takes it to dL/ds<t-1>. Where a
    cell has one state, it is also what flows (with several, a state's own gradient has the paths inside its step)."""
    rnn, x = network(name, backend="reference"), sequence()
    j = torch.from_numpy(jacobian.step_jacobians(rnn, lambda: rnn(x), rows=B)["l0"])
    flow = gradient_flow(rnn, readout(rnn, x))
    after = None
    for t in range(T - 1, 0, -1):
        state = rnn(x[:, :t])[1].detach().map(Tensor.requires_grad_)
        total = rnn(x[:, t:], state)[0][:, -1] @ torch.linspace(-1, 2, rnn.output_size, dtype=torch.float64)
        found = torch.cat(torch.autograd.grad(total.sum(), list(state.values())), 1)
        if after is not None:
            error = float((found - (after.unsqueeze(1) @ j[:, t]).squeeze(1)).norm() / max(float(found.norm()), 1e-3))
            shown("dL/ds<t> J<t> = dL/ds<t-1>", type(rnn.cell).__name__, (T, B, I, H), "dL/ds<t>", error)
            assert error < EXACT
        if len(rnn.cell.graph.states) == 1:
            (norms,) = flow.norms.values()
            np.testing.assert_allclose(norms[:, T - t], found.norm(dim=1).numpy(), rtol=EXACT)
        after = found


def test_reverse_layer_is_the_forward_layer_on_the_turned_sequence() -> None:
    both, one, x = network(bidirectional=True), network(), sequence()
    one.part("l0").load_state_dict(both.part("l0_reverse").state_dict())
    w = torch.linspace(-1, 2, H, dtype=torch.float64)
    flow = gradient_flow(both, lambda: both(x)[0][:, 2, H:] @ w, at=2)
    truth = gradient_flow(one, lambda: one(x.flip(1))[0][:, T - 3] @ w, at=T - 3)
    np.testing.assert_allclose(flow.norms["l0_reverse.h"], truth.norms["l0.h"], atol=EXACT)
    assert flow.norms["l0_reverse.h"].shape == (B, T - 2)  # ahead of step 2 lie T - 2 steps, itself included
    assert flow.norms["l0.h"].shape == (B, 3)
    j = jacobian.step_jacobians(both, lambda: both(x), rows=B)["l0_reverse"]
    np.testing.assert_allclose(j, jacobian.step_jacobians(one, lambda: one(x.flip(1)), rows=B)["l0"], atol=EXACT)


def test_flow_says_what_is_wrong() -> None:
    rnn, x = network(), sequence()
    with pytest.raises(DiagnoseError, match="must be a tensor"):
        gradient_flow(rnn, lambda: rnn(x)[0].detach().sum())
    with pytest.raises(DiagnoseError, match="at step 9 of 9"):
        gradient_flow(rnn, readout(rnn, x), at=T)
    with pytest.raises(DiagnoseError, match="called twice"):
        gradient_flow(rnn, lambda: rnn(x)[0].sum() + rnn(x)[0].sum())
    with pytest.raises(DiagnoseError, match="does not run the network"):
        gradient_flow(rnn, lambda: x.sum())
    with pytest.raises(DiagnoseError, match=r"call eval\(\) first"):
        gradient_flow(network(recurrent_dropout=0.5).train(), readout(rnn, x))
    assert "_scan" not in vars(rnn)  # every one of them left the network as it was


# --- Jacobians


def test_jacobian_of_the_step_is_autograds() -> None:
    rnn, x = network(), sequence(1)
    j = jacobian.step_jacobians(rnn, lambda: rnn(x))["l0"][0]
    _, before = rnn(x[:, :5])

    def step(s: Tensor) -> Tensor:
        state = type(before)({"l0.h": s[:, :H], "l0.c": s[:, H:]})
        return torch.cat(list(rnn(x[:, 5:6], state)[1].values()), 1)

    s = torch.cat(list(before.values()), 1).detach()
    truth = torch.autograd.functional.jacobian(step, s)[0, :, 0].numpy()
    error = np.abs(j[5] - truth).max()
    shown("step Jacobian = autograd", "LSTM", (T, 1, I, H), "ds<t>/ds<t-1>", error)
    assert error < EXACT


def test_product_at_a_tiny_state_is_a_power_of_the_matrix() -> None:
    """h = tanh(U h) at h = 0 has J = U at every step."""
    rnn = network("elman", backend="reference").requires_grad_(False)
    part = rnn.part("l0")
    part.b.zero_()
    found = jacobian.jacobians(rnn, lambda: rnn(torch.zeros(1, 12, I, dtype=torch.float64)))["l0"]
    u = part.U.numpy()
    for k in range(1, 13):
        truth = np.log10(np.linalg.svd(np.linalg.matrix_power(u, k), compute_uv=False))
        # the explicit power loses its small singular values to rounding: about 1e-16 of the largest
        np.testing.assert_allclose(found.product[0, k - 1], truth, atol=1e-14 * 10 ** (truth[0] - truth[-1]) + 1e-13)
    np.testing.assert_allclose(found.steps[0], np.tile(found.product[0, :1], (12, 1)), atol=EXACT)
    assert found.complete
    assert found.growth[-1] == pytest.approx(found.product[0, -1, 0] * math.log(10) / 12)


def test_exponents_of_a_scaled_rotation_are_its_scale() -> None:
    q = np.linalg.qr(np.random.default_rng(0).standard_normal((5, 5)))[0]
    j = np.broadcast_to(0.9 * q, (1, 200, 5, 5))
    np.testing.assert_allclose(jacobian.lyapunov_exponents(j), np.full(5, math.log(0.9)), atol=EXACT)
    np.testing.assert_allclose(
        jacobian.product_singular_values(j)[0, -1], np.full(5, 200 * math.log10(0.9)), atol=1e-11
    )


@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 1000))
def test_product_is_the_explicit_product(n: int, steps: int, seed: int) -> None:
    j = np.random.default_rng(seed).standard_normal((2, steps, n, n))
    found = jacobian.product_singular_values(j)
    for b in range(2):
        product = np.eye(n)
        for k in range(1, steps + 1):
            product = product @ j[b, steps - k]
            truth = np.linalg.svd(product, compute_uv=False)
            close = truth > 1e-7 * truth[0]  # what is smaller is rounding in the explicit product
            np.testing.assert_allclose(10 ** found[b, k - 1][close], truth[close], rtol=1e-6)


def test_two_hundred_steps_neither_overflow_nor_lose_the_smallest() -> None:
    """Against a product with 400 digits; the values reach from 1e162 to 1e38 and from 1e-19 to 1e-157."""
    for scale in (0.3, 3.0):
        j = np.random.default_rng(0).standard_normal((1, 200, 4, 4)) * scale
        found = jacobian.product_singular_values(j)[0, -1]
        with mpmath.workdps(400):
            product = mpmath.eye(4)
            for a in j[0]:
                product = mpmath.matrix(a.tolist()) * product
            truth = [float(mpmath.log10(s)) for s in mpmath.svd_r(product, compute_uv=False)]
        error = np.abs(found - truth).max()
        shown("product of J = 400 digits", "random", (200, 4), "log10 singular value", error)
        assert error < 1e-11  # of numbers up to 300: a few units of the last place, 200 times


def test_diagonal_and_singular_products_are_exact() -> None:
    """Nothing mixes, so the values stay as far apart as they are: 1e-600, 1 and 1e600; a zero is -inf."""
    j = np.broadcast_to(np.diag([1e-3, 1e3, 0.0, 1.0]), (1, 200, 4, 4))
    found = jacobian.product_singular_values(j)[0, -1]
    np.testing.assert_allclose(found[:3], [600, 0, -600], atol=1e-9)
    assert found[3] == -np.inf
    assert not np.isnan(jacobian.product_singular_values(np.zeros((1, 3, 2, 2)))).any()


def test_a_wide_state_is_followed_in_its_leading_directions(monkeypatch: pytest.MonkeyPatch) -> None:
    rnn, x = network("gru-cho", hidden=24), sequence(2, 60)
    whole = jacobian.jacobians(rnn, lambda: rnn(x), rows=2)["l0"]
    monkeypatch.setattr(jacobian, "WIDE", 8)
    monkeypatch.setattr(jacobian, "LEADING", 10)
    some = jacobian.jacobians(rnn, lambda: rnn(x), rows=2)["l0"]
    assert not some.complete
    assert some.product.shape == (2, 60, 10)
    assert (some.product <= whole.product[:, :, :10] + 1e-9).all()  # a subspace can only see less
    # over all steps the directions that grow most have been found: to 1 % of the values
    np.testing.assert_allclose(some.product[:, -1, :3], whole.product[:, -1, :3], atol=0.005)
    np.testing.assert_allclose(some.exponents[:3], whole.exponents[:3], atol=0.02)
    # three rounds of subspace iteration: the largest of each step to 5 %
    np.testing.assert_allclose(some.steps[:, :, 0], whole.steps[:, :, 0], atol=0.02)


def test_last_steps_alone_and_cut_rows_are_refused() -> None:
    rnn, x = network(), sequence()
    some = jacobian.step_jacobians(rnn, lambda: rnn(x), steps=4)["l0"]
    np.testing.assert_array_equal(some, jacobian.step_jacobians(rnn, lambda: rnn(x))["l0"][:, -4:])
    with pytest.raises(DiagnoseError, match="of one length without resets"):
        jacobian.jacobians(rnn, lambda: rnn(x, lengths=torch.tensor([3, 4])))


# --- spectrum


def test_spectrum_of_constructed_matrices() -> None:
    rnn = network("elman").requires_grad_(False)
    a = math.pi / 5
    turn = torch.tensor([[math.cos(a), -math.sin(a)], [math.sin(a), math.cos(a)]], dtype=torch.float64)
    rnn.part("l0").U.copy_(torch.block_diag(0.5 * turn, torch.tensor([[2.0, 3.0], [0.0, -1.0]], dtype=torch.float64)))
    (found,) = spectra(rnn).values()
    expected = [2, -1, 0.5 * np.exp(1j * a), 0.5 * np.exp(-1j * a)]
    np.testing.assert_allclose(np.sort_complex(found.eigenvalues), np.sort_complex(expected), atol=EXACT)
    assert found.radius == pytest.approx(2)
    block = math.sqrt(7 + math.sqrt(45))  # of [[2, 3], [0, -1]]: the root of the largest eigenvalue of A A'
    assert found.norm == pytest.approx(block)
    np.testing.assert_allclose(found.singular[2:], [0.5, 0.5], atol=EXACT)


def test_spectrum_takes_the_block_on_what_is_carried() -> None:
    rnn = network("def Stack(x: input, h: hidden): h = tanh(W @ (x, h)); return State(h=h)").requires_grad_(False)
    rnn.part("l0").W.copy_(torch.cat([torch.full((H, I), 9.0), 0.5 * torch.eye(H)], 1))
    (name,) = spectra(rnn)
    assert name == "l0.W[1]"
    np.testing.assert_allclose(spectra(rnn)[name].eigenvalues, np.full(H, 0.5), atol=EXACT)


def test_spectrum_by_cell() -> None:
    assert list(spectra(network("gru-cho", layers=2))) == [f"l{k}.U_{g}" for k in (0, 1) for g in "ruc"]
    assert list(spectra(network("min-gru"))) == []
    diagonal = spectra(network("indrnn"))["l0.w"]
    np.testing.assert_allclose(diagonal.eigenvalues, np.sort(diagonal.eigenvalues.real)[::-1])
    projected = spectra(network("lstm-projected"))
    assert projected["l0.P"].eigenvalues is None
    assert projected["l0.P"].radius is None
    assert projected["l0.P"].singular.shape == (3,)


# --- gates


def test_saturation_of_constructed_traces() -> None:
    values = np.zeros((1, 4, 3))
    values[0, :, 0] = [0.05, 0.05, 0.96, 0.5]  # a quarter right, half left
    values[0, :, 1] = 0.99
    values[0, :, 2] = 0.1  # on the edge: not saturated
    found = gate(values, "sigmoid")
    np.testing.assert_array_equal(found.left, [0.5, 0, 0])
    np.testing.assert_array_equal(found.right, [0.25, 1, 0])
    assert (found.low, found.high) == pytest.approx((2 / 12, 5 / 12))
    assert found.mean == pytest.approx(values.mean())
    assert found.counts.sum() == 12
    assert found.counts[-1] == 5
    np.testing.assert_allclose(found.units, values.mean((0, 1)))
    np.testing.assert_allclose(found.edges[[0, -1]], [0, 1])
    tanh = gate(2 * values - 1, "tanh")
    assert (tanh.low, tanh.high) == pytest.approx((0, 5 / 12))  # 0.05 is -0.9: on the edge
    assert tanh.edges[0] == -1


def test_steps_past_the_length_do_not_count() -> None:
    values = np.full((2, 5, 1), 0.95)
    values[1, 2:] = 0.0
    found = gate(values, "sigmoid", np.array([5, 2]))
    assert (found.low, found.high) == (0, 1)
    with pytest.raises(DiagnoseError, match="at least one step"):
        gate(values, "sigmoid", np.array([0, 0]))


def test_gates_are_found_in_the_graph() -> None:
    kinds = bounded(find("lstm").graph)
    assert kinds == {"i": "sigmoid", "f": "sigmoid", "g": "tanh", "o": "sigmoid"}
    assert bounded(find("elman").graph) == {"h": "tanh"}
    assert bounded(find("indrnn").graph) == {}
    rnn, x = network(layers=2), sequence()
    seen = activations(rnn, lambda: rnn(x))
    trace = rnn.trace(x)
    assert list(seen) == [f"l{k}.{g}" for k in (0, 1) for g in "ifgo"]
    assert all(np.array_equal(v, trace[name].detach().numpy()) for name, v in seen.items())
    assert gates(rnn, seen)["l1.g"].kind == "tanh"


# --- horizon


def test_horizon_of_a_cell_that_forgets_at_a_known_rate() -> None:
    """h = h / 2 + W x: 0.5 ** 7 < 1 % <= 0.5 ** 6, and 0.5 ** 2 < 1 / e <= 0.5."""
    rnn, x = network(FORGETS), sequence()
    flow = gradient_flow(rnn, readout(rnn, x))
    assert horizons(flow) == {"l0.h": 7}
    assert horizons(flow, 1 / math.e) == {"l0.h": 2}
    assert horizons(flow, 1e-6) == {"l0.h": None}
    np.testing.assert_allclose(np.diff(flow.log10("l0.h")), -math.log10(2), atol=EXACT)
    np.testing.assert_allclose(flow.mean("l0.h"), flow.median("l0.h"), atol=EXACT)  # linear: all rows alike


def test_horizon_is_where_it_stays_under() -> None:
    assert horizon(np.array([1.0, 0.001, 0.5, 0.001, 0.001])) == 3
    assert horizon(np.array([0.0, 0.0])) is None
    assert horizon(np.array([1.0, 0.0])) == 1


def test_loss_by_context_where_four_symbols_matter() -> None:
    x = torch.arange(60).reshape(6, 10)
    asked = []

    def loss(cut: Tensor) -> Tensor:
        asked.append(cut)
        return torch.full((6,), 5.0 - min(cut.shape[1], 4)) + torch.arange(6) * (cut.shape[1] < 2)

    found = loss_by_context(loss, x, doubling(10))
    assert found.lengths == (1, 2, 4, 8, 10)
    np.testing.assert_allclose(found.loss, [6.5, 3, 1, 1, 1])
    assert found.effective() == 4
    assert found.error[0] == pytest.approx(np.std(np.arange(6), ddof=1) / math.sqrt(6))
    np.testing.assert_array_equal(found.error[1:], 0)
    assert all(torch.equal(cut, x[:, -cut.shape[1] :]) for cut in asked)
    with pytest.raises(DiagnoseError, match="between 1 and 10"):
        loss_by_context(loss, x, [11])


def test_effective_context_counts_the_last_bend() -> None:
    found = Contexts((1, 2, 4, 8), np.array([3.0, 1.0, 1.2, 1.0]), np.zeros(4))
    assert found.effective() == 8
    assert Contexts((1, 2), np.array([1.0, 1.0]), np.zeros(2)).effective() == 1


# --- saliency


def test_saliency_of_a_linear_network_is_complete() -> None:
    rnn, x = network(FORGETS), sequence()
    found = saliency(rnn, readout(rnn, x))
    score, nothing = readout(rnn, x)().detach(), readout(rnn, torch.zeros_like(x))().detach()
    np.testing.assert_allclose(found.product.sum(1), (score - nothing).numpy(), atol=EXACT)
    w = torch.linspace(-1, 2, H, dtype=torch.float64) @ rnn.part("l0").W
    truth = [float(w.detach().norm()) * 0.5**k for k in reversed(range(T))]
    np.testing.assert_allclose(found.norm, np.tile(truth, (B, 1)), atol=EXACT)


def test_saliency_of_symbols_is_that_of_their_one_hot_vectors() -> None:
    rnn = network("gru-cho")
    symbols = torch.tensor([[0, 2, 1, 1]])
    one_hot = torch.nn.functional.one_hot(symbols, I).double()
    a, b = saliency(rnn, readout(rnn, symbols)), saliency(rnn, readout(rnn, one_hot))
    np.testing.assert_allclose(a.product, b.product, atol=EXACT)
    np.testing.assert_allclose(a.norm, b.norm, atol=EXACT)
    with pytest.raises(DiagnoseError, match="called 2 times"):
        saliency(rnn, lambda: rnn(symbols)[0].sum() + rnn(symbols)[0].sum())


# --- a whole report


@given(st.lists(st.integers(0, 40), min_size=1, max_size=30), st.integers(3, 30), st.integers(1, 50))
@settings(max_examples=50)
def test_windows_lie_inside_their_sequences(lengths: list[int], steps: int, count: int) -> None:
    bounds = np.cumsum([0, *lengths])
    sequences = [np.arange(a, b) for a, b in itertools.pairwise(bounds)]
    try:
        pieces = report.windows(sequences, steps, count).numpy()
    except DiagnoseError:
        assert sorted(lengths)[-report.ROWS :][0] * 3 // 4 <= 3
        return
    assert 1 <= len(pieces) <= count
    assert 4 <= pieces.shape[1] <= steps + 1
    assert (np.diff(pieces, axis=1) == 1).all()
    first, last = (np.searchsorted(bounds, pieces[:, k], side="right") for k in (0, -1))
    np.testing.assert_array_equal(first, last)
    assert len({tuple(p) for p in pieces}) == len(pieces)


@pytest.fixture(scope="module")
def model() -> Generator:
    torch.manual_seed(0)
    return Generator(find("lstm"), 20, 6, layers=2, embed=5).eval()


@pytest.fixture(scope="module")
def found(model: Generator) -> report.Report:
    draws = np.random.default_rng(0).integers(0, 20, 400)
    return report.diagnose(model, report.windows([draws], 24, 40))


def test_report_agrees_with_its_parts(model: Generator, found: report.Report) -> None:
    pieces = report.windows([np.random.default_rng(0).integers(0, 20, 400)], 24, 40)
    exact = precise(model)
    flow = gradient_flow(exact.rnn, lambda: exact.loss(report.last(pieces[: report.ROWS])).total)
    np.testing.assert_array_equal(found.flow.norms["l1.c"], flow.norms["l1.c"])
    nats = [model.nats(report.last(p.unsqueeze(0)))[0][0, -1].item() for p in pieces]
    assert found.contexts.loss[-1] == pytest.approx(np.mean(nats), abs=1e-5)  # float32
    assert found.contexts.lengths[-1] == 24
    assert len(found.readings) == 3
    assert found.activations["l0.f"].shape == (24, 6)
    assert model.rnn.part("l0").U_i.dtype == torch.float32  # the model itself is as it was
    assert model.rnn.part("l0").U_i.requires_grad


def test_summary_is_json_and_findings_speak_both_languages(found: report.Report) -> None:
    numbers = json.loads(json.dumps(report.summary(found), allow_nan=False))
    assert len(numbers["gradient"]["l0.h"]["log10_median_by_distance"]) == 24
    assert len(numbers["jacobians"]["l1"]["lyapunov_exponents"]) == 12
    assert report.as_plain({"a": np.array([1.0, -np.inf])}) == {"a": [1.0, None]}
    for lang, word in (("en", "layer 0, h: the gradient "), ("zh", "第 0 层, h：")):
        sentences = findings.findings(found, lang)
        k = horizons(found.flow)["l0.h"]
        assert sentences["gradient"][0].startswith(word)
        assert f"{k or 23} " in sentences["gradient"][0]
        assert all(sentences[part] for part in ("gradient", "jacobians", "spectra", "gates", "contexts", "saliency"))


def test_too_short_a_text_is_refused() -> None:
    with pytest.raises(DiagnoseError, match="too short"):
        report.windows([np.arange(4)], 100, 10)
    with pytest.raises(DiagnoseError, match="too short"):
        report.windows([], 100, 10)


# --- the lecture's case


@pytest.fixture(scope="module")
def told() -> lecture.Lecture:
    return lecture.lecture(hidden=32, steps=24, updates=4)


def test_lecture_shows_what_the_lecture_says(told: lecture.Lecture) -> None:
    vanishing, exploding = told.vanishing, told.exploding
    assert (vanishing.radius, exploding.radius) == pytest.approx((0.9, 4.0))
    assert vanishing.before[-1] - vanishing.before[0] < -3  # a thousandth or less
    assert exploding.before[-1] - exploding.before[0] > 2
    for case in (vanishing, exploding):
        assert case.norm > 1  # so the rule of the largest singular value alone calls both exploding
        np.testing.assert_allclose(case.bound, np.arange(1, 25) * math.log10(case.norm))
        assert (case.product <= case.bound + 1e-9).all()  # tanh' <= 1
        np.testing.assert_allclose(np.diff(case.clipped), np.diff(case.before), atol=EXACT)  # the slope stays
        for gated in case.gated.values():
            assert abs(gated[-1] - gated[0]) < min(2.0, abs(case.before[-1] - case.before[0]))
    assert vanishing.product[-1] < 0 < exploding.product[-1]


def test_clipping_bounds_the_update(told: lecture.Lecture) -> None:
    raw, clipped = told.training["elman"], told.training["elman, clipped"]
    assert raw.gradient[0] > 10 * lecture.LIMIT
    np.testing.assert_array_equal(raw.applied, raw.gradient)
    assert clipped.applied.max() <= lecture.LIMIT * (1 + EXACT)
    assert clipped.gradient[0] == pytest.approx(raw.gradient[0])
    assert all(len(d.loss) == 4 for d in told.training.values())
    assert findings.of_lecture(told, "zh")[0].startswith("消失：谱半径 0.9")


def test_lecture_is_the_same_every_time(told: lecture.Lecture) -> None:
    again = lecture.lecture(hidden=32, steps=24, updates=1)
    np.testing.assert_array_equal(again.vanishing.before, told.vanishing.before)


# --- the command


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The command in this process: exit code, output, errors."""
    threads = torch.get_num_threads()

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rondo", "diagnose", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), *capsys.readouterr()

    yield run
    torch.set_num_threads(threads)


@pytest.fixture
def trained(tmp_path: Path, model: Generator) -> Path:
    """A run folder whose data is gone, with a log."""
    vocab = Characters(["\ufffd", "\n", *"白日依山尽黄河入海流欲穷千里目更上楼"])
    save_model(tmp_path / "model.safetensors", model, {"vocabulary": vocab.to_json(), "config": {"documents": "none"}})
    log = "".join(json.dumps({"step": k, "loss": 3.0 / k, "norm": 1.0, "lr": 0.1}) + "\n" for k in range(1, 20))
    (tmp_path / "log.jsonl").write_text(log, encoding="utf-8")
    return tmp_path


def test_diagnose_writes_charts_numbers_and_a_page(call, trained: Path, tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("白日依山尽黄河入海流欲穷千里目更上楼\n" * 20, encoding="utf-8")
    out = tmp_path / "out"
    code, printed, _ = call(str(trained), "--data", str(text), "--out", str(out), "--steps", "20", "--lang", "zh")
    assert code == 0
    names = {p.name for p in out.iterdir()}
    assert names == {"index.html", "diagnose.json", "training.svg", *(f"{chart}.svg" for chart in CHARTS)}
    assert "第 0 层, h：" in printed
    numbers = json.loads((out / "diagnose.json").read_text(encoding="utf-8"))
    assert set(numbers) >= {"model", "findings", "gradient", "jacobians", "spectra", "gates", "contexts", "readings"}
    page = (out / "index.html").read_text(encoding="utf-8")
    assert "梯度穿过时间" in page
    assert page.count("<figure>") == 11
    assert "海" in (out / "saliency.svg").read_text(encoding="utf-8")


def test_without_data_the_runs_own_held_out_text_is_read(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, texts = load_language_model(trained), {"train": "白日依山尽\n" * 40, "valid": "黄河入海流\n" * 3}
    for name, text in texts.items():
        (trained / name).write_text(text, encoding="utf-8")
    (trained / "log.jsonl").unlink()
    files = {name: [trained / name] for name in texts}
    Run.create(trained, TextConfig(documents="line"), files)
    found = command._text(model, trained, None)
    assert model.vocab.decode(found.symbols) == "\n" + texts["valid"]
    Run.create(trained, TextConfig(documents="line", valid_share=0.1), {"train": files["train"]})
    found = command._text(model, trained, None)
    assert len(found.sequences()) == 4  # a tenth of 40 lines
    (trained / "train").unlink()
    command.OWN, kept = 60, command.OWN
    found = command._text(model, trained, None)
    command.OWN = kept
    assert 50 <= len(found) <= 62
    assert "train is gone" in (errors := capsys.readouterr().err)
    assert "the model's own text is used" in errors


def test_diagnose_lecture(call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, told: lecture.Lecture) -> None:
    monkeypatch.setattr(lecture, "lecture", lambda: told)
    code, printed, _ = call("--lecture", "--out", str(tmp_path), "--format", "html")
    again = call("--lecture", "--out", str(tmp_path), "--json")[1]
    assert code == 0
    assert {p.name for p in tmp_path.iterdir()} == {"index.html", "diagnose.json", "lecture.html", "lecture.svg"}
    assert "vanishing: spectral radius 0.9" in " ".join(printed.split())
    numbers = json.loads((tmp_path / "diagnose.json").read_text(encoding="utf-8"))
    assert json.loads(again) == numbers
    assert set(numbers) == {f.name for f in dataclasses.fields(lecture.Lecture)}


@pytest.mark.parametrize(
    ("cell", "missing"), [("ind-rnn", {"gates", "saturation", "activations"}), ("min-gru", {"spectra"})]
)
def test_a_cell_without_gates_or_matrices_has_the_other_charts(trained: Path, cell: str, missing: set[str]) -> None:
    language = load_language_model(trained)
    torch.manual_seed(0)
    bare = dataclasses.replace(language, model=Generator(find(cell), 20, 6).eval())
    found = report.diagnose(bare.model, report.windows([np.random.default_rng(0).integers(0, 20, 100)], 8, 20))
    names = {name for name, chart in command._charts(found, bare, "en") if chart.to_dict()}
    assert names == {*CHARTS} - missing
    assert json.dumps(report.summary(found), allow_nan=False)


def test_a_torn_log_is_passed_over(trained: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert [part.name for part in command._training(trained / "log.jsonl", "en")] == ["training"]
    (trained / "log.jsonl").write_text('{"step": 1, "loss": 2.0}\n{"st', encoding="utf-8")
    assert command._training(trained / "log.jsonl", "en") == []
    assert "log.jsonl is not drawn" in capsys.readouterr().err


def test_diagnose_says_what_is_wrong(call, tmp_path: Path) -> None:
    code, _, errors = call()
    assert code == 2
    assert "name a run folder or a model file" in errors
    code, _, errors = call(str(tmp_path / "no.safetensors"))
    assert code == 2
    assert "no.safetensors cannot be read" in errors
