"""Rewrites: random sites as boolean inputs of the equations, and biases left out."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch import Tensor

from rondo.cell import Cell, EquationError, State, tanh
from rondo.cells import find, shipped
from rondo.expr.nodes import topological
from rondo.expr.rewrite import recurrent_blocks, recurrent_dropout, without_biases, zoneout
from rondo.kernels import reference

T, B, I, H = 5, 3, 4, 6


def params_of(graph, seed=0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    sizes = {"input": I, "hidden": H, "proj": H, "rank": 2}
    shapes = {n: p.shape(sizes) for n, p in graph.params.items()}
    return {n: torch.randn(s, generator=generator, dtype=torch.float64) / 2 for n, s in shapes.items()}


def sequence() -> Tensor:
    return torch.randn(B, T, I, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def mask(*shape: int) -> Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(2)) < 0.5


def zeros(graph) -> dict[str, Tensor]:
    return {s: torch.zeros(B, H, dtype=torch.float64) for s in graph.states}


@pytest.mark.parametrize("locked", [False, True])
def test_recurrent_dropout_equals_a_loop_by_hand(locked: bool) -> None:
    p, graph = 0.3, find("gru-cho").graph
    dropped = recurrent_dropout(graph, p)
    w, x = params_of(graph), sequence()
    m = mask(B, H) if locked else mask(B, T, H)
    y, _ = reference.scan(dropped, w, {"x": x}, zeros(graph), masks={"drop_h": m})
    h = torch.zeros(B, H, dtype=torch.float64)
    for t in range(T):
        d = torch.where(m if locked else m[:, t], h / (1 - p), 0.0)
        r = (x[:, t] @ w["W_r"].T + d @ w["U_r"].T + w["b_r"]).sigmoid()
        u = (x[:, t] @ w["W_u"].T + d @ w["U_u"].T + w["b_u"]).sigmoid()
        c = (x[:, t] @ w["W_c"].T + (r * d) @ w["U_c"].T + w["b_c"]).tanh()
        h = u * c + (1 - u) * h  # what is carried stays whole
        torch.testing.assert_close(y[:, t], h, rtol=0, atol=1e-14)  # float64: a few roundings


def test_zoneout_equals_a_loop_by_hand() -> None:
    graph = find("lstm").graph
    zoned = zoneout(graph, {"h": 0.2, "c": 0.5}, training=True)
    w, x = params_of(graph), sequence()
    keep_h, keep_c = mask(B, T, H), ~mask(B, T, H)
    y, state = reference.scan(zoned, w, {"x": x}, zeros(graph), masks={"zone_h": keep_h, "zone_c": keep_c})
    h = c = torch.zeros(B, H, dtype=torch.float64)
    for t in range(T):
        i, f, g, o = (x[:, t] @ w[f"W_{k}"].T + h @ w[f"U_{k}"].T + w[f"b_{k}"] for k in "ifgo")
        new = f.sigmoid() * c + i.sigmoid() * g.tanh()
        h = torch.where(keep_h[:, t], h, o.sigmoid() * new.tanh())
        c = torch.where(keep_c[:, t], c, new)
        torch.testing.assert_close(y[:, t], h, rtol=0, atol=1e-14)
    torch.testing.assert_close(state["c"], c, rtol=0, atol=1e-14)


def test_zoneout_in_evaluation_is_the_expectation_of_one_step() -> None:
    p, graph = 0.25, find("elman").graph
    w, x = params_of(graph), sequence()[:, :1]
    start = {"h": torch.randn(B, H, dtype=torch.float64)}
    y, _ = reference.scan(zoneout(graph, {"h": p}, training=False), w, {"x": x}, start)
    plain, _ = reference.scan(graph, w, {"x": x}, start)
    torch.testing.assert_close(y[:, 0], p * start["h"] + (1 - p) * plain[:, 0], rtol=0, atol=1e-14)


def test_a_projected_output_is_not_dropped_but_its_state_is() -> None:
    graph = recurrent_dropout(find("lstm-projected").graph, 0.5)
    assert graph.masks == {"drop_h": "proj"}, "c only stands inside o * tanh(c), no factor of which is a state"


def test_what_cannot_be_dropped_is_an_error() -> None:
    with pytest.raises(EquationError, match=r"no state enters a product.*use zoneout"):
        recurrent_dropout(find("min-gru").graph, 0.5)
    with pytest.raises(EquationError, match="no state 'k'"):
        zoneout(find("lstm").graph, {"k": 0.5}, training=True)


@pytest.mark.parametrize("name", list(shipped()))
def test_every_shipped_cell_is_rewritten_and_keeps_its_parameters(name: str) -> None:
    graph = find(name).graph
    zoned = zoneout(graph, dict.fromkeys(graph.states, 0.1), training=True)
    assert zoned.params == graph.params
    assert zoned.square == graph.square
    if recurrent_blocks(graph):
        dropped = recurrent_dropout(zoned, 0.5)
        assert dropped.params == graph.params
        assert set(dropped.masks) >= set(zoned.masks)
        assert (dropped.doc, dropped.init, dropped.constants) == (graph.doc, graph.init, graph.constants)


def test_without_biases_is_biases_at_zero() -> None:
    graph = find("gru").graph
    bare, w, x = without_biases(graph), params_of(graph), sequence()
    assert not [p for p in bare.params if p.startswith("b")]
    zero = {n: torch.zeros_like(v) if n.startswith("b") else v for n, v in w.items()}
    y, _ = reference.scan(bare, w, {"x": x}, zeros(graph))
    z, _ = reference.scan(graph, zero, {"x": x}, zeros(graph))
    assert torch.equal(y, z)


def test_a_bias_that_is_more_than_a_summand_stays_and_says_so() -> None:
    class Odd(Cell):
        def step(self, x, s):
            return State(h=tanh(self.W @ x + self.U @ s.h) * self.b)

    with pytest.raises(EquationError, match="b is more than an added bias"):
        without_biases(Odd().graph)


def test_a_copied_graph_is_the_graph_and_an_unpickled_one_has_its_nodes() -> None:
    graph = find("lstm").graph
    assert copy.deepcopy(graph) is graph
    again = pickle.loads(pickle.dumps(graph))
    assert all(a is b for a, b in zip(topological(again.roots), topological(graph.roots), strict=True))
    assert again.sizes == graph.sizes
