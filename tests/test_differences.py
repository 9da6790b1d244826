"""The gradient check: right on every shipped cell, and red where a derived gradient is made wrong."""

from __future__ import annotations

import pytest
import torch

from rondo.cells import find, shipped
from rondo.kernels.check import case
from rondo.kernels.differences import check_gradients, compare, derived

SIZES = {"input": 3, "hidden": 4, "proj": 3}


@pytest.mark.parametrize("name", sorted(shipped()))
def test_every_shipped_cell_is_right(name):
    graph = shipped()[name]().graph
    sizes = {**SIZES, "input": 4} if graph.square else SIZES
    found = list(check_gradients(graph, sizes, steps=5))
    assert [c.name for c in found] == [*graph.params, *graph.inputs, *(f"{s}<0>" for s in graph.states)]
    assert [c for c in found if c.word != "right"] == []
    assert all(len(c.steps) == 5 and max(c.steps) < 1e-6 for c in found if c.kind != "state")
    assert all(c.compared == c.of for c in found)


def test_a_wrong_gradient_is_red_and_names_its_step():
    graph = find("gru-cho").graph
    drawn = case(graph, 5, 2, SIZES)
    tails = derived(graph, drawn)
    for tail in tails[:3]:  # what step 3 adds is in the sums from steps 1, 2 and 3 on
        tail["dL/dU_c"] = tail["dL/dU_c"] + 0.1
    words = {c.name: c for c in compare(graph, drawn, tails)}
    assert words.pop("U_c").word == "wrong"
    assert {c.word for c in words.values()} == {"right"}
    steps = next(c for c in compare(graph, drawn, tails) if c.name == "U_c").steps
    assert [e > 1e-6 for e in steps] == [False, False, True, False, False]


def test_an_input_gradient_is_told_by_step():
    graph = find("elman").graph
    drawn = case(graph, 4, 2, SIZES)
    tails = derived(graph, drawn)
    tails[0]["dL/dx"] = tails[0]["dL/dx"].clone()
    tails[0]["dL/dx"][:, 1] *= 1.5
    found = next(c for c in compare(graph, drawn, tails) if c.name == "x")
    assert [e > 1e-6 for e in found.steps] == [False, True, False, False]


def test_of_a_large_parameter_some_numbers_are_drawn():
    found = next(check_gradients(find("elman").graph, {"input": 40, "hidden": 40}, steps=2))
    assert (found.of, found.compared) == (1600, 600)
    assert found.word == "right"


def test_nan_is_wrong():
    graph = find("elman").graph
    drawn = case(graph, 3, 2, SIZES)
    tails = derived(graph, drawn)
    tails[0]["dL/dW"] = torch.full_like(tails[0]["dL/dW"], float("nan"))
    assert next(iter(compare(graph, drawn, tails))).word == "wrong"
