"""The fused CPU kernel computes what the reference does: every shipped cell, every gradient, every split of threads."""

from __future__ import annotations

import functools
import itertools
import platform
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from agree import (
    BOUND,
    CELLS,
    INPUT,
    SPLITS,
    Shape,
    compare,
    compiled,
    compiled_shipped,
    drawn,
    fused,
    graph_of,
    run_python,
    use_split,
)
from rondo.expr import rewrite
from rondo.expr.nodes import EquationError
from rondo.kernels import check, cpu, dispatch, layout, program

from shown import shown


@pytest.fixture(autouse=True, scope="module")
def kernels() -> None:
    compiled_shipped()


# ---------------------------------------------------------------- against the reference

COVER = [  # every cell meets each T, B, number of units, lengths, resets and direction; all three splits at each
    Shape(37, 17, 63, lengths=True, resets=True, reverse=True),
    Shape(37, 3, 130, resets=True),
    Shape(37, 17, 16, lengths=True),
    Shape(37, 1, 7),
    Shape(2, 17, 16, lengths=True, reverse=True),
    Shape(2, 3, 7, lengths=True, resets=True),
    Shape(2, 3, 63, reverse=True),
    Shape(2, 1, 130, lengths=True, resets=True, reverse=True),
    Shape(1, 17, 130, resets=True, reverse=True),
    Shape(1, 1, 1),
    Shape(2, 3, 1, lengths=True, resets=True),
]


@pytest.mark.parametrize("shape", COVER, ids=str)
@pytest.mark.parametrize("name", CELLS)
def test_equals_the_reference(name: str, shape: Shape, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(name, graph_of(name), shape, monkeypatch, SPLITS)


@pytest.mark.long
@pytest.mark.parametrize("steps", [0, 1, 2, 13])  # of 17 rows one thread reads 12 steps ahead; 37 stand above
@pytest.mark.parametrize("name", CELLS)
def test_full_grid(name: str, steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    flags = itertools.product([False, True], repeat=3)
    for seed, (B, units, flag) in enumerate(itertools.product([1, 3, 17], [1, 7, 16, 63, 130], list(flags))):
        compare(name, graph_of(name), Shape(steps, B, units, *flag), monkeypatch, SPLITS, seed=seed)


BLOCKS = {  # above KC = 1024 numbers of a product, RC = 48 rows of a tile, WK = 256 rows of a weight gradient
    "units": Shape(2, 3, 1100, lengths=True, resets=True),
    "rows": Shape(3, 120, 20, lengths=True, resets=True),
    "steps": Shape(150, 5, 9, lengths=True, resets=True),
}


@pytest.mark.parametrize("block", [b if b != "units" else pytest.param(b, marks=pytest.mark.long) for b in BLOCKS])
@pytest.mark.parametrize("name", CELLS)
def test_above_each_block_size(name: str, block: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(name, graph_of(name), BLOCKS[block], monkeypatch, SPLITS)


@pytest.mark.parametrize("name", ["lstm", "mogrifier"])
def test_an_input_wider_than_a_block(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    compare(name, graph_of(name), Shape(2, 3, 20), monkeypatch, SPLITS, input=1100)


REWRITES: dict[str, Callable] = {
    "recurrent dropout": lambda graph: rewrite.recurrent_dropout(graph, 0.4),
    "zoneout": lambda graph: rewrite.zoneout(graph, dict.fromkeys(graph.states, 0.3), True),
    "expected zoneout": lambda graph: rewrite.zoneout(graph, dict.fromkeys(graph.states, 0.3), False),
    "no biases": rewrite.without_biases,
}


@functools.cache
def rewritten(name: str, how: str) -> object:
    try:
        return REWRITES[how](graph_of(name))
    except EquationError as error:
        return error


@pytest.fixture(scope="module")
def rewrites() -> None:
    graphs = [rewritten(name, how) for name in CELLS for how in REWRITES]
    compiled([g for g in graphs if not isinstance(g, EquationError)])


@pytest.mark.parametrize("how", REWRITES)
@pytest.mark.parametrize("name", CELLS)
def test_masks_and_rewritten_equations(name: str, how: str, monkeypatch: pytest.MonkeyPatch, rewrites: None) -> None:
    graph = rewritten(name, how)
    if isinstance(graph, EquationError):
        pytest.skip(str(graph))
    compare(name, graph, Shape(3, 5, 19, lengths=True, resets=True), monkeypatch, SPLITS, kind="rewritten = reference")
    compare(name, graph, Shape(3, 3, 16, reverse=True), monkeypatch, SPLITS, kind="rewritten = reference")


def test_masks_of_one_step_serve_all(monkeypatch: pytest.MonkeyPatch, rewrites: None) -> None:
    """A mask [B, n] is read with a time stride of zero."""
    graph = rewritten("gru", "recurrent dropout")
    case = drawn(graph, Shape(5, 4, 9, lengths=True, resets=True))
    locked = check.Case(**{**vars(case), "masks": {k: m[:, 0] for k, m in case.masks.items()}})
    repeated = {k: m[:, :1].expand_as(m) for k, m in case.masks.items()}
    want = fused(graph, check.Case(**{**vars(case), "masks": repeated}))
    assert check.agreement(fused(graph, locked), want) == 0


# ---------------------------------------------------------------- memory, repetition, cutting


def poisoned(make: Callable[..., Tensor]) -> Callable[..., Tensor]:
    """torch.empty whose numbers are nan (bytes: 255)."""

    def empty(*shape: object, **more: object) -> Tensor:
        t = make(*shape, **more)
        return t.fill_(torch.nan if t.is_floating_point() else 255)

    return empty


class Poisoned:
    """torch with a poisoned `empty`."""

    empty = staticmethod(poisoned(torch.empty))

    def __getattr__(self, name: str) -> object:
        return getattr(torch, name)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", CELLS)
def test_fresh_memory_may_hold_anything(name: str, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    use_split(monkeypatch, split)
    shapes = [
        Shape(5, 4, 7, lengths=True, resets=True),
        Shape(3, 2, 17, resets=True, reverse=True),
        Shape(4, 3, 5, lengths=True, reverse=True),
        Shape(2, 3, 1),
    ]
    graph = graph_of(name)
    cases = [(s, drawn(graph, s)) for s in shapes]
    want = [fused(graph, case, s.reverse) for s, case in cases]
    kernel = cpu.kernel(graph, torch.float32)
    monkeypatch.setattr(kernel, "layouts", {})  # packed weights are made anew, in poisoned memory
    for module in (program, layout):
        monkeypatch.setattr(module, "torch", Poisoned())
    for (s, case), clean in zip(cases, want, strict=True):
        got = fused(graph, case, s.reverse)
        for quantity, value in clean.items():
            assert torch.equal(got[quantity], value), (str(s), quantity)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", CELLS)
def test_padding_may_hold_anything(name: str, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs and upstream gradients past the length are never looked at, nan included."""
    use_split(monkeypatch, split)
    graph, s = graph_of(name), Shape(5, 4, 7, lengths=True, resets=True)
    case = drawn(graph, s)
    past = (torch.arange(s.T) >= case.lengths.unsqueeze(1)).unsqueeze(2)
    nan = check.Case(
        **{
            **vars(case),
            "x": {k: v.masked_fill(past, torch.nan) for k, v in case.x.items()},
            "grad_y": case.grad_y.masked_fill(past, torch.nan),
        }
    )
    got, want = fused(graph, nan), fused(graph, case)
    for quantity, value in want.items():
        assert torch.equal(got[quantity], value), quantity


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", CELLS)
def test_repeats_bit_for_bit(name: str, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """At the same shape and number of threads: also where every thread has several rows and unit blocks."""
    use_split(monkeypatch, split)
    graph = graph_of(name)
    for s in (Shape(7, 5, 70, lengths=True, resets=True), Shape(7, 8, 33)):
        case = drawn(graph, s)
        first = fused(graph, case)
        for _ in range(3):
            again = fused(graph, case)
            assert all(torch.equal(again[k], v) for k, v in first.items())


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("name", CELLS)
def test_whole_is_split_anywhere_is_step_by_step(name: str, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """To rounding: products of the whole sequence take other register blocks than those of one step."""
    use_split(monkeypatch, split)
    graph, s = graph_of(name), Shape(7, 3, 19, resets=True)
    case = drawn(graph, s).to(torch.float64)
    y, end = check.run(graph, case, dispatch.scan)
    for cuts in ([0, 3, 7], [0, 1, 2, 6, 7], list(range(8))):
        state, parts = case.state, []
        for a, b in itertools.pairwise(cuts):
            x, resets = {k: v[:, a:b] for k, v in case.x.items()}, case.resets[:, a:b]
            part, state = dispatch.scan(graph, case.params, x, state, resets=resets, initial=case.initial)
            parts.append(part)
        got = {"output": torch.cat(parts, 1), **state}
        found = check.errors(got, {"output": y, **end})
        shown("fused: whole = cut anywhere", name, (s.T, s.B, INPUT, s.units), "output", max(found.values()))
        assert max(found.values()) <= BOUND[torch.float64], cuts


def denormals(x: Tensor) -> int:
    return int(((x != 0) & (x.abs() < torch.finfo(x.dtype).smallest_normal)).sum())


@pytest.mark.skipif(platform.machine() not in ("x86_64", "AMD64", "aarch64"), reason="the mode is set there alone")
@pytest.mark.parametrize("split", SPLITS)
def test_a_gradient_that_vanishes_becomes_zero_and_never_denormal(split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Denormals cost many processors a hundred cycles each; torch outside of the kernel keeps them."""
    use_split(monkeypatch, split)
    graph = graph_of("gru")
    case = drawn(graph, Shape(400, 30, 33))
    case.grad_y[:, :-1] = 0
    for final in case.grad_state.values():  # the last output alone is read
        final.zero_()
    want = check.gradients_by_autograd(graph, case, functools.partial(dispatch.scan, backend="reference"))
    got = fused(graph, case)
    assert denormals(want["dL/dx"]) > 1000
    assert all(denormals(v) == 0 for v in got.values())
    assert max(check.errors(got, want).values()) < BOUND[torch.float32]
    assert denormals(torch.full((99,), 1e-39) * 1) == 99


@pytest.mark.parametrize("name", CELLS)
def test_saving_does_not_change_the_result(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without gradients buffers are rings of two steps; lengths, resets and directions read them alike."""
    graph = graph_of(name)
    for split, reverse in itertools.product(SPLITS, (False, True)):
        use_split(monkeypatch, split)
        for s in (Shape(6, 3, 9, lengths=True, resets=True), Shape(6, 3, 9, resets=True), Shape(40, 17, 9)):
            case = drawn(graph, s)
            want = fused(graph, case, reverse)
            with torch.no_grad():
                y, end = check.run(graph, case, dispatch.scan, reverse=reverse)
            assert torch.equal(y, want["output"]), (split, str(s))
            assert all(torch.equal(v, want[f"state {k}"]) for k, v in end.items()), (split, str(s))


ONE_THREAD = """
import pytest, torch
from agree import Shape, compare, graph_of
with pytest.MonkeyPatch.context() as patch:
    for name in ("gru-cho", "layer-norm-lstm", "sru"):
        compare(name, graph_of(name), Shape(5, 4, 40, lengths=True, resets=True), patch, ("rows", "units"))
        compare(name, graph_of(name), Shape(3, 4, 40, reverse=True), patch, ("rows", "units"))
"""


def test_fewer_threads_than_asked_for() -> None:
    """Where OpenMP gives one thread for two (a limit, a parallel region around), the work of both is still done."""
    done = run_python(ONE_THREAD, OMP_THREAD_LIMIT="1")
    assert done.returncode == 0, done.stderr
