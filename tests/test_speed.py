"""Speed beside others: what is timed is checked first, and the arithmetic of the times."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from rondo import speed
from rondo.cell import Cell
from rondo.cells import find
from rondo.kernels import build, dispatch

SHAPE = speed.Shape(T=6, B=3, input=4, hidden=5)
TEXT = "def Own(x: input, h: hidden):\n    c = tanh(W @ x + U @ h + b)\n    return State(h={})"


def own(new: str = "0.5 * c + 0.5 * h") -> Cell:
    return Cell.parse(TEXT.format(new))


def test_a_kernel_is_compiled_once(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(build, "cache_folder", lambda: tmp_path)
    cell = own("0.71 * c + 0.29 * h")
    first, second = speed.built(cell), speed.built(cell)
    assert (first.cached, second.cached) == (False, True)
    assert first.seconds > second.seconds


@pytest.mark.parametrize("cell", [own(), own("relu(c) * h + c"), find("lstm"), find("min-gru")], ids=lambda c: c.name)
def test_what_is_timed_agrees_with_the_loop(cell: Cell) -> None:
    found = speed.checked(cell, SHAPE)
    assert found.green
    assert found.error < 1e-5
    assert (found.limit, found.steps) == (speed.LIMIT, 6)


def test_a_wrong_kernel_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    real = dispatch.scan
    monkeypatch.setattr(
        dispatch, "scan", lambda graph, params, *a, **k: real(graph, {**params, "b": params["b"] * 1.001}, *a, **k)
    )
    found = speed.checked(own(), SHAPE)
    assert not found.green
    assert found.error > 1e-4


def test_a_cell_that_amplifies_rounding_is_measured_by_its_own() -> None:
    """A chaotic network: after forty steps no digit of a float is left, in the loop neither."""
    wild = Cell.parse("def Wild(x: input, h: hidden):\n    return State(h=tanh(0.1 * (W @ x) + 9 * (U @ h)))")
    found = speed.checked(wild, speed.Shape(T=40, B=2, input=3, hidden=48))
    assert found.error > 10 * speed.LIMIT
    assert found.green


def test_values_that_overflow_cannot_be_compared() -> None:
    with pytest.raises(speed.SpeedError, match="overflow"):
        speed.checked(own("exp(9 * h * h) + 1e30 * c * h * exp(h)"), dataclasses.replace(SHAPE, T=20))


def test_kinks_and_memory_bound_the_steps_that_are_compared() -> None:
    wide = speed.Shape(T=200, B=64, input=8, hidden=512)
    assert speed._steps(own().graph, wide) == 61
    assert speed._steps(own("relu(c)").graph, wide) == 6
    assert speed._steps(own().graph, SHAPE) == 6


def test_contestants_have_one_shape_and_their_own_parameters() -> None:
    found = {c.name: c for c in speed.contestants(own(), SHAPE)}
    assert list(found) == ["kernel", "loop", "lstm", "gru", "torch.nn.LSTM", "torch.nn.GRU"]
    assert found["kernel"].parameters == found["loop"].parameters == 5 * 4 + 5 * 5 + 5
    assert found["torch.nn.LSTM"].parameters == 4 * (5 * 4 + 5 * 5 + 2 * 5)
    for c in found.values():
        c.training()
        assert all(p.grad is not None and p.grad.isfinite().all() for p in c.module.parameters())
        y = c.module(c.x)[0]
        assert tuple(y.shape) == tuple(c.grad.shape)
    assert "reference" in found["loop"].module.explain()  # type: ignore[operator]
    assert "reference" not in found["kernel"].module.explain()  # type: ignore[operator]


def test_without_a_compiler_the_loop_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_BACKEND", "reference")
    assert speed.why_no_kernel(own()) == "asked for"
    assert next(c.name for c in speed.contestants(own(), SHAPE)) == "loop"


def test_a_cell_that_mixes_x_and_state_is_measured_with_its_projection() -> None:
    cell = own("0.5 * c + 0.1 * x")
    assert cell.graph.square
    names = dict(next(iter(speed.contestants(cell, SHAPE))).module.named_parameters())
    assert tuple(names["l0.projection"].shape) == (5, 4)
    assert speed.checked(cell, SHAPE).green


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def Two(x: input, v: input, h: hidden):\n    return State(h=tanh(W @ x + V @ v + U @ h))", "reads x, v"),
        ("def Low(x: input, h: hidden):\n    return State(h=tanh(W @ x + A @ (B @ h)))", "Low"),
    ],
)
def test_what_cannot_be_measured_is_told(text: str, said: str) -> None:
    cell = Cell.parse(text, **({"shapes": {"B": ("rank", "hidden")}} if "Low" in text else {}))
    with pytest.raises(speed.SpeedError, match=said):
        speed.contestants(cell, SHAPE)


def test_the_arithmetic_of_the_times(monkeypatch: pytest.MonkeyPatch) -> None:
    """A faked clock: the first takes a second a call in training, the second three; both one in inference."""

    class Counting(torch.nn.Module):
        def __init__(self, seconds: float) -> None:
            super().__init__()
            self.w = torch.nn.Parameter(torch.zeros(10))
            self.seconds = seconds

    rivals = [speed.Contestant(n, Counting(s), torch.zeros(1), torch.zeros(1), 100) for n, s in (("a", 1), ("b", 3))]
    seen: list[str] = []

    def timed(run: object, count: int) -> float:
        owner, mode = run.__self__, run.__name__  # type: ignore[attr-defined]
        seen.append(owner.name)
        return float(owner.module.seconds if mode == "training" else 1)

    monkeypatch.setattr(speed, "_timed", timed)
    monkeypatch.setattr(speed.Contestant, "training", lambda self: None)
    monkeypatch.setattr(speed.Contestant, "inference", lambda self: None)
    monkeypatch.setattr(speed.Contestant.training, "__name__", "training")
    monkeypatch.setattr(speed.Contestant.inference, "__name__", "inference")
    *_, last = list(speed.rounds(rivals, repeats=2, seconds=5.0))
    assert "".join(seen) == "abab" + "abab" + "baba"  # a look at each first; then the second round goes backwards
    by_name = {(t.name, t.mode): t for t in last}
    assert by_name["a", "training"].step == 1e9 / 100
    assert by_name["b", "training"].parameter == 3e9 / 100 / 10
    assert by_name["b", "training"].ratio == 3
    assert by_name["b", "inference"].ratio == 1


def test_rounds_are_real() -> None:
    rounds = list(speed.rounds(speed.contestants(own(), SHAPE), repeats=3, seconds=0.0))
    assert len(rounds) == 3
    for times in rounds:
        assert {(t.name, t.mode) for t in times} == {(n, m) for m in speed.MODES for n in {t.name for t in times}}
        assert all(0 < t.low <= t.step <= t.high for t in times)
        assert all(t.ratio == 1 for t in times if t.name == "kernel")
