"""Gradients limited at every step: the operator, its rewrite, and both beside loops by hand with hooks."""

from __future__ import annotations

import copy
import dataclasses
import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from agree import CELLS, INPUT, SPLITS, Shape, compare, compiled, drawn, fused, graph_of, use_split
from rondo import RNN
from rondo.cell import Cell, EquationError
from rondo.expr.adjoint import differentiate
from rondo.expr.graph import Graph
from rondo.expr.nodes import intern, make, topological
from rondo.expr.plan import plan
from rondo.expr.rewrite import clip_gradient, recurrent_dropout, zoneout
from rondo.kernels import check, cpu, reference
from rondo.render.cpp import cpp
from rondo.render.text import equations

from shown import shown

FAR = 1e9  # a limit that nothing reaches
LIMIT = 0.05  # about what the gradients of these cases are: many are cut, many are not
State = tuple[Tensor, ...]
Step = Callable[[dict[str, Tensor], Tensor, State], State]


def elman(w: dict[str, Tensor], x: Tensor, s: State) -> State:
    return ((x @ w["W"].T + s[0] @ w["U"].T + w["b"]).tanh(),)


def gru_cho(w: dict[str, Tensor], x: Tensor, s: State) -> State:
    r, u = ((x @ w[f"W_{k}"].T + s[0] @ w[f"U_{k}"].T + w[f"b_{k}"]).sigmoid() for k in "ru")
    c = (x @ w["W_c"].T + (r * s[0]) @ w["U_c"].T + w["b_c"]).tanh()
    return (u * c + (1 - u) * s[0],)


def lstm(w: dict[str, Tensor], x: Tensor, s: State) -> State:
    i, f, g, o = (x @ w[f"W_{k}"].T + s[0] @ w[f"U_{k}"].T + w[f"b_{k}"] for k in "ifgo")
    c = f.sigmoid() * s[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


BY_HAND: dict[str, Step] = {"elman": elman, "gru-cho": gru_cho, "lstm": lstm}
SOME = (*BY_HAND, "layer-norm-lstm", "min-gru", "lstm-projected")


def masked() -> Graph:
    return zoneout(recurrent_dropout(graph_of("lstm"), 0.3), {"h": 0.2, "c": 0.1}, training=True)


@functools.cache
def kernels() -> None:
    """Every kernel of these tests, compiled at once."""
    plain = [graph_of(name) for name in SOME]
    compiled([clip_gradient(g, LIMIT) for g in (*plain, masked())])


def by_hand(step: Step, limit: float) -> Callable[..., tuple[Tensor, dict[str, Tensor]]]:
    """A scan that runs `step` on copies of the states, whose gradients a hook clamps."""

    def scan(graph: Graph, w: dict[str, Tensor], x: dict[str, Tensor], state: dict[str, Tensor], **_: object):
        s, outputs = tuple(state.values()), []
        for now in x["x"].unbind(1):
            entering = tuple(v.clone() for v in s)
            for v in entering:
                v.register_hook(lambda d: d.clamp(-limit, limit))
            s = step(w, now, entering)
            outputs.append(s[0])
        return torch.stack(outputs, 1), dict(zip(state, s, strict=True))

    return scan


@pytest.mark.parametrize("name", BY_HAND)
def test_reference_kernel_and_adjoint_equal_a_loop_with_hooks(name: str) -> None:
    graph, s = graph_of(name), Shape(9, 4, 6)
    clipped = clip_gradient(graph, LIMIT)
    kernels()
    case = drawn(graph, s).to(torch.float64)
    want = check.gradients_by_autograd(graph, case, by_hand(BY_HAND[name], LIMIT))
    unclipped = check.gradients_by_autograd(graph, case, reference.scan)
    assert check.agreement(want, unclipped) > 0.1, "the limit must bite"
    adjoint = check.bptt(clipped, case.params, case.x, case.state, case.grad_y, case.grad_state)
    both = {"reference": check.gradients_by_autograd(clipped, case, reference.scan), "fused": fused(clipped, case)}
    for kind, got in (both | {"adjoint": adjoint}).items():
        for quantity, error in check.errors(got, want).items():
            shown(f"clipped gradients, {kind} = hooks", name, (9, 4, INPUT, 6), quantity, error)
            assert error <= 1e-12, (kind, quantity)  # float64: the same sums in another order


@pytest.mark.parametrize("name", SOME)
def test_kernel_equals_reference_at_lengths_and_resets(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    clipped = clip_gradient(graph_of(name), LIMIT)
    kernels()
    for reverse in (False, True):
        shape = Shape(7, 5, 9, lengths=not reverse, resets=True, reverse=reverse)
        compare(name, clipped, shape, monkeypatch, SPLITS, kind="clipped gradients, fused = reference")


def test_masks_and_limit_stand_together(monkeypatch: pytest.MonkeyPatch) -> None:
    clipped = clip_gradient(masked(), LIMIT)
    assert clipped.masks == masked().masks
    kernels()
    compare("lstm", clipped, Shape(7, 5, 9), monkeypatch, kind="clipped gradients, fused = reference")


@pytest.mark.parametrize("name", BY_HAND)
def test_a_limit_that_nothing_reaches_changes_nothing(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cpu, "_kernels", {})
    graph = dataclasses.replace(graph_of(name))
    clipped = clip_gradient(graph, FAR)
    compiled([graph, clipped])
    case = drawn(graph, Shape(9, 4, 6))
    for split in SPLITS:
        use_split(monkeypatch, split)
        with_limit, without = fused(clipped, case), fused(graph, case)
        for k in without:  # float32: the compiler may contract other products where the limits stand between
            torch.testing.assert_close(with_limit[k], without[k], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", CELLS)
def test_forward_is_untouched_in_every_cell(name: str) -> None:
    """The same stages and code forward; what a step hands back is limited; nothing else of the graph changes."""
    graph = graph_of(name)
    clipped = clip_gradient(graph, LIMIT)
    assert (clipped.params, clipped.square, clipped.init, clipped.doc) == (
        graph.params,
        graph.square,
        graph.init,
        graph.doc,
    )
    ours, theirs = plan(clipped), plan(graph)
    assert ours.levels == theirs.levels
    assert ours.elementwise == theirs.elementwise
    forward = [[(g.operands, g.slots) for g in s.groups] for s in ours.forward.stages]
    assert forward == [[(g.operands, g.slots) for g in s.groups] for s in theirs.forward.stages]
    assert [[g.out for g in s.groups] for s in ours.forward.stages] == [
        [g.out for g in s.groups] for s in theirs.forward.stages
    ]
    handed = differentiate(clipped).states
    assert all(d.op == "minimum" and d.args[1] is make("neg", -LIMIT) for d in handed.values())
    assert "clip" not in cpp(ours)


def test_the_operator_alone() -> None:
    """Its value, its gradient, and the gradient of its gradient: 1 inside of the limits, 0 outside."""
    v = torch.tensor([1.0, 2.0, 3.0], requires_grad=True)
    d = torch.tensor([0.5, -2.0, 2.0], requires_grad=True)
    y = reference.TORCH["clip_gradient"](v, 1.0)
    assert torch.equal(y, v)
    (g,) = torch.autograd.grad(y, v, d, create_graph=True)
    assert g.tolist() == [0.5, -1.0, 1.0]
    (second,) = torch.autograd.grad(g.sum(), d)
    assert second.tolist() == [1.0, 0.0, 0.0]
    per_sample = torch.func.grad(lambda v: (4 * reference.TORCH["clip_gradient"](v, 1.0)).sum())(v.detach())
    assert per_sample.tolist() == [1.0, 1.0, 1.0]


def test_second_order_through_a_network() -> None:
    """A gradient penalty under the kernel equals that under the reference, for an upstream gradient that is given.

    (One that depends on y sends a second gradient through the states. Limited sums are no sums of limited parts: the
    kernel, which replays, limits the two apart, and the reference together.)
    """
    torch.manual_seed(0)
    ours = RNN("lstm", 3, 5, clip_gradient=LIMIT, dtype=torch.float64)
    theirs = copy.deepcopy(ours)
    theirs.backend = "reference"
    x, upstream = torch.randn(2, 4, 3, dtype=torch.float64), torch.randn(2, 4, 5, dtype=torch.float64)

    def penalty(rnn: RNN) -> list[Tensor]:
        inputs = x.clone().requires_grad_()
        (d,) = torch.autograd.grad(rnn(inputs)[0], inputs, upstream, create_graph=True)
        return list(torch.autograd.grad(d.square().sum(), list(rnn.parameters())))

    for a, b in zip(penalty(ours), penalty(theirs), strict=True):
        torch.testing.assert_close(a, b)


def gradients(rnn: RNN, x: Tensor) -> tuple[Tensor, ...]:
    return torch.autograd.grad(rnn(x)[0].square().sum(), list(rnn.parameters()))


@pytest.mark.parametrize("symbols", [False, True])
def test_network_clips_in_training_alone(symbols: bool) -> None:
    torch.manual_seed(0)
    ours = RNN("gru-cho", 3, 5, layers=2, clip_gradient=LIMIT, backend="reference")
    torch.manual_seed(0)
    plain = RNN("gru-cho", 3, 5, layers=2, backend="reference")
    x = torch.randint(0, 3, (4, 9)) if symbols else torch.randn(4, 9, 3)
    assert torch.equal(ours(x)[0], plain(x)[0])
    assert not all(map(torch.equal, gradients(ours, x), gradients(plain, x)))
    assert all(map(torch.equal, gradients(ours.eval(), x), gradients(plain.eval(), x)))


def test_an_exploding_gradient_is_held() -> None:
    """With a recurrent matrix of radius 3 the gradient of the first input grows by 3 a step, unless it is limited."""
    sizes: list[float] = []
    for limit in (0.0, 1.0):
        rnn = RNN("ind-rnn", 1, 1, clip_gradient=limit)
        with torch.no_grad():
            for name, p in rnn.named_parameters():
                p.fill_(0.0 if name.startswith("l0.b") else 3.0 if p.dim() == 1 else 1.0)
        x = torch.full((1, 20, 1), 1e-9, requires_grad=True)
        rnn(x)[0][0, -1].sum().backward()
        assert x.grad is not None
        sizes.append(x.grad[0, 0].item())
    assert sizes[0] == pytest.approx(3.0**19, rel=1e-5)
    assert sizes[1] == pytest.approx(1.0)


def test_it_is_no_part_of_the_language() -> None:
    """Equations cannot say it, and a graph that holds it has no text."""
    with pytest.raises(EquationError, match="unknown function 'clip_gradient'"):
        Cell.parse("def Bad(x: input, h: hidden):\n    return State(h=tanh(W @ x + clip_gradient(h, 1)))")
    assert not hasattr(__import__("rondo.cell").cell, "clip_gradient")
    with pytest.raises(EquationError, match="clip_gradient cannot be written in equations"):
        equations(clip_gradient(graph_of("elman"), 1.0))


@pytest.mark.parametrize("limit", [-1.0, float("inf"), float("nan")])
def test_a_limit_is_a_positive_number(limit: float) -> None:
    with pytest.raises(EquationError, match="clip_gradient: the limit is a positive number"):
        RNN("elman", 3, 5, clip_gradient=limit)


def test_every_state_is_read_through_it() -> None:
    clipped = clip_gradient(graph_of("lstm"), 2.0)
    nodes = topological(clipped.roots)
    states = [intern("state", (), s) for s in clipped.states]
    assert {n.op for n in nodes if set(n.args) & set(states)} == {"clip_gradient"}
