"""Small networks unrolled, and networks turned to a radius: every number against autograd or the library's own way."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from rondo import RNN
from rondo.diagnose import DiagnoseError, lecture, radius, unrolled
from rondo.diagnose.flow import gradient_flow
from rondo.diagnose.jacobian import product_singular_values, step_jacobians
from rondo.diagnose.spectrum import spectra

EXACT = 1e-11  # float64, sums of fewer than 1000 products of numbers near 1
CELLS = ("elman", "gru-cho", "lstm")


class Plain:
    """The same small network through `RNN` and autograd, a step a call, every state kept with its gradient."""

    def __init__(self, net: unrolled.Small, first: int, last: int) -> None:
        self.rnns = [self._network(net, unit) for unit in net.units]
        for rnn in self.rnns:
            rnn.requires_grad_()
        self.x = net.x.clone().requires_grad_()
        self.states: list[dict[str, Tensor]] = []
        self.losses: list[Tensor] = []
        self.scores: dict[int, Tensor] = {}
        state, total = None, torch.zeros((), dtype=torch.float64)
        for t in range(len(net.x)):
            if t == first and state is not None:
                state = state.detach()
            y, state = self.rnns[net.owner(t)](self.x[t].reshape(1, 1, 1), state)
            self.states.append(dict(state))
            if net.shape.answers[t]:
                z = y[0, 0] @ net.head + net.bias
                guess, target = torch.sigmoid(z), net.targets[t]
                self.losses.append(-target * guess.log() - (1 - target) * (1 - guess).log())
                self.scores[t] = z
                if first <= t <= last:
                    total = total + self.losses[-1]
        self.total = total

    @staticmethod
    def _network(net: unrolled.Small, unit: unrolled.Unit) -> RNN:
        rnn = RNN(net.cell, 1, len(net.head), dtype=torch.float64, backend="reference")
        rnn.load_state_dict(
            {f"l0.{k}": v.reshape(rnn.part("l0").get_parameter(k).shape) for k, v in unit.params.items()}
        )
        return rnn

    def gradients(self) -> list[dict[str, Tensor]]:
        """dL/dW of each network by name."""
        found = []
        for rnn in self.rnns:
            named = dict(rnn.part("l0").named_parameters())
            grads = torch.autograd.grad(self.total, list(named.values()), retain_graph=True, allow_unused=True)
            found.append(
                {k: torch.zeros_like(p) if g is None else g for (k, p), g in zip(named.items(), grads, strict=True)}
            )
        return found


@pytest.mark.parametrize("window", [(0, None), (2, 4), (3, None)])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("topology", unrolled.TOPOLOGIES[1:])
def test_every_quantity_is_autograds(topology: str, cell: str, window: tuple[int, int | None]) -> None:
    net = unrolled.small(topology, 6, cell, 3, seed=4)
    first, last = window[0], 5 if window[1] is None else window[1]
    found, plain = unrolled.unroll(net, *window), Plain(net, first, last)
    assert found.loss == pytest.approx(float(sum(v.detach() for v in plain.losses)), rel=EXACT)
    for t, f in enumerate(found.forward):
        for s, v in plain.states[t].items():
            np.testing.assert_allclose(f.named[s.removeprefix("l0.")], v[0].detach(), rtol=EXACT)
    if not plain.total.requires_grad:  # no loss in the window
        assert all(not w.any() for w in found.weights)
        return
    _same_backward(net, found, plain, first, last)
    for own, grads in zip(found.weights, plain.gradients(), strict=True):
        np.testing.assert_allclose(own, unrolled.stacked(grads), rtol=EXACT, atol=EXACT)


def _same_backward(net: unrolled.Small, found: unrolled.Unrolled, plain: Plain, first: int, last: int) -> None:
    (dx,) = torch.autograd.grad(plain.total, plain.x, retain_graph=True)
    for t, b in enumerate(found.backward):
        assert (b is not None) == (first <= t <= last)
        if b is None:
            continue
        np.testing.assert_allclose(b.input, dx[t], rtol=EXACT, atol=EXACT)
        if t in plain.scores:
            (score,) = torch.autograd.grad(plain.total, plain.scores[t], retain_graph=True)
            assert b.score == pytest.approx(float(score), rel=1e-9)
            assert b.own == pytest.approx(float((score * net.head).norm()), rel=1e-9)
        if t < last:  # what arrives is dL/ds<t> through step t+1 alone
            after = found.backward[t + 1]
            assert after is not None
            assert b.arriving == after.leaving


@pytest.mark.parametrize("cell", CELLS)
def test_gradients_of_states_and_terms_of_steps_are_autograds(cell: str) -> None:
    """dL/ds<t> in full by `gradient_flow`, whose zeros are added to new states; a step's term of dL/dW is the gradient
    of a copy of W that this step alone uses."""
    net = unrolled.small("many-to-many", 5, cell, 3, seed=6)
    rnn = Plain._network(net, net.units[0])
    found = unrolled.unroll(net)

    def loss() -> Tensor:
        y = rnn(net.x.unsqueeze(0))[0][0]
        return torch.nn.functional.binary_cross_entropy_with_logits(
            y @ net.head + net.bias, net.targets, reduction="sum"
        )

    flow = gradient_flow(rnn, loss)
    for t, b in enumerate(found.backward):
        assert b is not None
        for s, v in b.full.items():
            assert np.linalg.norm(v) == pytest.approx(flow.norms[f"l0.{s}"][0, 4 - t], rel=EXACT)
    for t in range(5):
        terms = _of_one_step(net, rnn, t)
        b = found.backward[t]
        assert b is not None
        np.testing.assert_allclose(b.weights, terms, rtol=EXACT, atol=EXACT)


def _of_one_step(net: unrolled.Small, rnn: RNN, t: int) -> np.ndarray:
    copy = {k: v.detach().clone().requires_grad_() for k, v in rnn.state_dict().items()}
    fixed = {k: v.detach() for k, v in rnn.state_dict().items()}
    state, total = None, torch.zeros((), dtype=torch.float64)
    for k in range(len(net.x)):
        given = (net.x[k].reshape(1, 1, 1), state)
        y, state = torch.func.functional_call(rnn, copy if k == t else fixed, given)
        z = y[0, 0] @ net.head + net.bias
        total = total + torch.nn.functional.binary_cross_entropy_with_logits(z, net.targets[k])
    grads = torch.autograd.grad(total, list(copy.values()))
    return unrolled.stacked({k.removeprefix("l0."): g for k, g in zip(copy, grads, strict=True)})


def test_the_running_sum_ends_at_the_gradient() -> None:
    net = unrolled.small("sequence-to-sequence", 7, "gru-cho", 2, seed=3)
    found = unrolled.unroll(net)
    for own, start in zip(found.weights, (0, net.shape.second), strict=True):
        step = found.backward[start]
        assert step is not None
        assert np.array_equal(step.running, own)
    whole = unrolled.difference(found, found)
    assert whole.cosine == pytest.approx(1.0)
    assert whole.relative == 0.0


def test_a_window_without_a_loss_has_no_direction() -> None:
    net = unrolled.small("many-to-one", 4)
    apart = unrolled.difference(unrolled.unroll(net, 0, 1), unrolled.unroll(net))
    assert apart == unrolled.Difference(None, 1.0)


def test_topologies_read_and_answer_where_the_lecture_draws_it() -> None:
    shapes = {name: unrolled.shape(name, 4) for name in unrolled.TOPOLOGIES}
    assert {name: "".join("x"[: int(r)] or "-" for r in s.reads) for name, s in shapes.items()} == {
        "one-to-one": "x", "one-to-many": "x---", "many-to-one": "xxxx", "many-to-many": "xxxx",
        "sequence-to-sequence": "xx--",
    }  # fmt: skip
    assert {name: "".join("y"[: int(a)] or "-" for a in s.answers) for name, s in shapes.items()} == {
        "one-to-one": "y", "one-to-many": "yyyy", "many-to-one": "---y", "many-to-many": "yyyy",
        "sequence-to-sequence": "--yy",
    }  # fmt: skip


def test_unrolled_says_what_is_wrong() -> None:
    net = unrolled.small("many-to-many", 3)
    for call in (
        lambda: unrolled.shape("many", 3),
        lambda: unrolled.shape("sequence-to-sequence", 1),
        lambda: unrolled.unroll(net, 2, 1),
        lambda: unrolled.unroll(net, 0, 3),
        lambda: unrolled.stacked({"W": torch.ones(1, 1)}),
        lambda: radius.turned(0),
        lambda: radius.turned(1, activation="relu"),
        lambda: radius.clipping(1, 0),
    ):
        with pytest.raises(DiagnoseError):
            call()


# --- radius


def as_model(cell: str, params: dict[str, Tensor], steps: int) -> lecture.Recall:
    """The lecture's module with given parameters."""
    model = lecture.Recall(cell, len(params[radius.HEAD]), steps, 1.0, 1)
    with torch.no_grad():
        for name, p in model.rnn.part("l0").named_parameters():
            p.copy_(params[name])
        model.head.copy_(params[radius.HEAD])
    model.rnn.backend = "reference"
    return model


@pytest.mark.parametrize("cell", [*CELLS, radius.LINEAR])
def test_flow_and_gradient_are_autograds(cell: str) -> None:
    params, x = radius.drawn(cell, 5, 7, 1.2, 3), radius.inputs(7, 3)
    run, model = radius.Run(cell, params, x, learning=True), as_model(cell, params, 7)
    assert run.loss == pytest.approx(float(model.loss(x).detach()), rel=EXACT)
    norms = gradient_flow(model.rnn, lambda: model.loss(x)).norms
    together = np.sqrt(sum(v**2 for v in norms.values()))
    np.testing.assert_allclose(run.flow().T, together, rtol=EXACT)
    model.loss(x).backward()
    for name, p in model.rnn.part("l0").named_parameters():
        assert p.grad is not None
        np.testing.assert_allclose(run.gradient()[name], p.grad, rtol=EXACT, atol=1e-14)
    assert model.head.grad is not None
    np.testing.assert_allclose(run.gradient()[radius.HEAD], model.head.grad, rtol=EXACT)


@pytest.mark.parametrize("activation", list(radius.PLAIN))
def test_jacobians_and_spectrum_are_the_librarys(activation: str) -> None:
    cell = radius.PLAIN[activation]
    found = radius.turned(1.1, hidden=6, steps=8, seed=2, activation=activation)
    x, model = radius.inputs(8, 2), as_model(cell, radius.drawn(cell, 6, 8, 1.1, 2), 8)
    jacobians = step_jacobians(model.rnn, lambda: model.rnn(x), rows=1)["l0"]
    product = product_singular_values(jacobians)[0]
    np.testing.assert_allclose(found.product, product[:, [0, 3, -1]], rtol=1e-8, atol=1e-8)
    (own,) = spectra(model.rnn).values()
    assert own.radius == pytest.approx(1.1)
    assert found.spectrum.norm == pytest.approx(own.norm)
    assert found.bound[-1] == pytest.approx(8 * np.log10(own.norm))
    assert found.slope[-1] == 1.0 if activation == "linear" else found.slope[-1] < 1.0


@pytest.mark.parametrize("limit", [None, 0.2])
def test_training_is_the_lectures(limit: float | None) -> None:
    params, x = radius.drawn("elman", 6, 8, 1.3, 2), radius.inputs(8, 2)
    found = radius.clipping(1.3, limit or 1.0, hidden=6, steps=8, updates=5, seed=2)
    own = found.plain if limit is None else found.clipped
    plain = lecture.descend(as_model("elman", params, 8), x, 5, limit)
    for name in ("loss", "gradient", "applied"):
        np.testing.assert_allclose(getattr(own, name), getattr(plain, name), rtol=1e-9)


def test_linear_units_explode_and_clipping_holds_them() -> None:
    found = radius.turned(1.5, activation="linear")
    assert found.left("plain", 20) > 100
    assert radius.turned(0.5).left("plain", 20) < 1e-3
    both = radius.clipping(1.5, 1.0, updates=10, activation="linear")
    assert len(both.plain.loss) < 10  # it leaves the range of numbers
    assert len(both.clipped.loss) == 10
    assert both.clipped.applied.max() <= 1 + 1e-12
    assert both.held > 0


def test_clipping_moves_the_whole_line() -> None:
    found = radius.turned(1.2)
    moved = found.clipped(0.1) - found.flow["plain"]
    np.testing.assert_allclose(moved, np.log10(0.1 / found.gradient), rtol=1e-12)
