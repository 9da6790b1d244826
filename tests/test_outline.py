"""`rondo show CELL --plan`: the outline names every product once, in the phase and level where it runs."""

from __future__ import annotations

import pytest

from rondo.cells import find, shipped
from rondo.expr.plan import plan
from rondo.render.outline import outline


def lines(name: str) -> list[str]:
    return outline(plan(find(name).graph)).splitlines()


def test_gru_of_cho_has_two_levels() -> None:
    found = lines("gru-cho")
    assert found[0] == "GRUCho: 2 level(s) of products in the loop"
    assert any("each step, 2" in line and "U_c @ (r * h)" in line for line in found)


def test_an_elementwise_and_linear_recurrence_is_called_so() -> None:
    assert lines("min-gru")[0] == "MinGRU: elementwise, linear in its state"


@pytest.mark.parametrize("name", list(shipped()))
def test_every_matrix_stands_in_the_forward_part_and_among_the_gradients(name: str) -> None:
    text = "\n".join(lines(name))
    forward, rest = text.split("\nbackward\n")
    for p in find(name).graph.params.values():
        if p.is_matrix:
            assert f"{p.name} @" in forward or f"{p.name}[0] @" in forward
            assert p.name in rest.split("weight gradients")[1]
