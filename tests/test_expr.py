"""Nodes, tracing, sizes, and the table of derivatives, each rule alone."""

from __future__ import annotations

import copy
import math
import pickle
from collections.abc import Callable

import pytest
import torch

from rondo.cell import (
    Cell,
    EquationError,
    State,
    exp,
    log,
    maximum,
    minimum,
    norm,
    relu,
    sigmoid,
    softplus,
    sqrt,
    tanh,
    where,
)
from rondo.expr.adjoint import DERIVATIVES, differentiate
from rondo.expr.graph import Graph
from rondo.expr.nodes import (
    BINARY,
    COMPARE,
    MAX_NODES,
    NUMBERS,
    POINTWISE,
    TRAINING,
    UNARY,
    Block,
    Expr,
    const,
    fold,
    intern,
    make,
    matmul,
    substitute,
    topological,
)
from rondo.kernels import check, reference

X = intern("input", (), "x")
H = intern("state", (), "h")


def cell_of(step: Callable[..., object], **fields: object) -> Cell:
    return type("Test", (Cell,), {"step": step, **fields})()


def graph_of(step: Callable[..., object], **fields: object) -> Graph:
    return cell_of(step, **fields).graph


def refused(step: Callable[..., object], *words: str, **fields: object) -> None:
    with pytest.raises(EquationError) as error:
        graph_of(step, **fields)
    for word in words:
        assert word in str(error.value)


# --- nodes ---------------------------------------------------------------------------------------


def test_equal_nodes_are_one_object() -> None:
    assert X * H is X * H
    assert X * H is not H * X
    assert const(1) is const(1.0)
    assert const(0.0) is not const(-0.0)
    assert matmul(Block("W", 0, 2), X) is matmul(Block("W", 0, 2), X)
    assert matmul(Block("W", 0, 2), X) is not matmul(Block("W", 1, 2), X)


def test_copies_and_pickles_are_the_node_itself() -> None:
    node = tanh(X + 1)
    assert copy.deepcopy({node: [node]}) == {node: [node]}
    assert copy.copy(node) is node
    assert pickle.loads(pickle.dumps(node)) is node


def test_common_subexpressions_are_shared() -> None:
    def step(self, x, s):
        return State(h=tanh(self.W @ x + s.h) * tanh(self.W @ x + s.h))

    ops = [n.op for n in topological(graph_of(step).roots)]
    assert ops.count("tanh") == ops.count("matmul") == 1


def test_topological_order_and_substitution() -> None:
    node = tanh(X + H) * X
    order = topological([node])
    assert all(order.index(a) < order.index(n) for n in order for a in n.args)
    assert substitute([node], {H: const(0)}) == [tanh(X + const(0)) * X]


def test_numbers_are_folded() -> None:
    assert make("sqrt", 4) is const(2)
    assert sqrt(2) == math.sqrt(2)
    assert softplus(0) == pytest.approx(math.log(2))
    assert minimum(1, 2) == 1
    with pytest.raises(EquationError, match=r"log\(-1\) has no finite value"):
        log(-1)
    with pytest.raises(EquationError, match="division by the number 0"):
        X / 0
    with pytest.raises(EquationError, match="write the result"):
        make("lt", 1, 2)


@pytest.mark.parametrize("op", sorted(NUMBERS))
def test_folding_agrees_with_the_reference(op: str) -> None:
    numbers = [0.7, 0.3][: 1 if op in UNARY else 2]
    tensors = [torch.tensor(v, dtype=torch.float64) for v in numbers]
    assert fold(op, *numbers) == pytest.approx(float(reference.TORCH[op](*tensors)), abs=1e-15)


@pytest.mark.parametrize(
    ("misuse", "words"),
    [
        (lambda: X @ H, "left side of @"),
        (lambda: bool(X), "where"),
        (lambda: list(X), "unpacked"),
        (lambda: X[0], "indexed"),
        (lambda: float(X), "no value"),
        (lambda: math.exp(X), "no value"),
        (lambda: range(X), "whole number"),
        (lambda: X**2, "power"),
        (lambda: 2**X, "power"),
        (lambda: X(H), "functions"),
        (lambda: X + "1", "found str"),
        (lambda: X + True, "found bool"),
        (lambda: X + (H < 1), "only stand as the first argument"),
        (lambda: where(X, X, H), "must be a comparison"),
        (lambda: where(True, X, H), "found bool"),
    ],
)
def test_misuse_says_what_to_do(misuse: Callable[[], object], words: str) -> None:
    with pytest.raises(EquationError, match=words):
        misuse()


# --- tracing -------------------------------------------------------------------------------------


def test_names_lines_and_rebinding() -> None:
    def step(self, x, s):
        h = s.h  # a leaf has a name already
        h = tanh(self.W @ x + h)

        h = h * 2
        x = x + 1
        return State(h=h + self.U @ x)

    names = graph_of(step).names
    assert [(n.name, n.line) for n in names] == [("h", 2), ("h_2", 4), ("x_2", 5)]


def test_parameters_in_order_of_use_with_their_sizes() -> None:
    def step(self, x, s):
        q = self.A @ (self.B @ s.h)
        return State(h=tanh(q + self.W @ (x, s.h) + self.b))

    graph = graph_of(step, shapes={"B": ("rank", "hidden")})
    shapes = {p.name: p.shape({"input": 3, "hidden": 5, "rank": 2}) for p in graph.params.values()}
    assert shapes == {"B": (2, 5), "A": (5, 2), "W": (5, 8), "b": (5,)}
    assert list(shapes) == ["B", "A", "W", "b"]


def test_helpers_loops_constants_and_families() -> None:
    class Deep(Cell):
        depth: int = 2

        def layer(self, k, h):
            return h + tanh(self.R[k] @ h + self.b[k])

        def step(self, x, s):
            h = self.W @ x + s.h
            for k in range(self.depth):
                h = self.layer(k, h)
            return State(h=h)

    assert list(Deep().graph.params) == ["W", "R_0", "b_0", "R_1", "b_1"]
    assert "R_2" in Deep(depth=3).graph.params
    for wrong in (2.5, True, "3", math.inf):
        with pytest.raises(EquationError, match="the constant depth"):
            Deep(depth=wrong)
    with pytest.raises(EquationError, match="did you mean 'depth'"):
        Deep(dept=3)


def test_output_apart_from_the_state() -> None:
    graph = graph_of(
        lambda self, x, s: (State(h=tanh(self.W @ x + s.h)), self.V @ s.h), shapes={"V": ("out", "hidden")}
    )
    assert graph.output_size == "out"


def test_square_cells_are_marked() -> None:
    assert graph_of(lambda self, x, s: State(h=x * s.h)).square
    assert not graph_of(lambda self, x, s: State(h=self.W @ x * s.h)).square


def test_errors_name_the_line_and_the_two_shapes() -> None:
    def clash(self, x, s):
        a = self.A @ x
        b = s.h + s.c
        return State(h=a * s.h, c=b)

    def at_the_end(self, x, s):
        a = self.A @ s.c

        return State(h=s.h * self.b, c=a * self.b)

    sizes = {"h": "hidden", "c": "proj"}
    refused(clash, "Test, line 2: b = s.h + s.c", "'proj'", "'hidden'", states=sizes)
    refused(at_the_end, "Test, line 3: return State", "'proj'", "'hidden'", states=sizes)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda self, x, s: State(h=s.h + self.foo), ["line", "unknown name 'foo'"]),
        (lambda self, x, s: State(h=self.line_of_b), ["unknown name 'line_of_b'"]),
        (lambda self, x, s: State(h=s.c), ["the state has no 'c'", "known names: h"]),
        (lambda self, x, s: State(g=s.h), ["does not return 'h'"]),
        (lambda self, x, s: State(h=s.h, c=x), ["unknown state 'c'"]),
        (lambda self, x, s: State(h=x), ["never used"]),
        (lambda self, x, s: State(h=2 * self.b), ["never used"]),
        (lambda self, x, s: State(h=1.0), ["is a number"]),
        (lambda self, x, s: (State(h=s.h), 1.0), ["output is a number"]),
        (lambda self, x, s: s.h, ["must return State"]),
        (lambda self, x, s: State(h=s.h if x < 0 else x), ["where(a < b, x, y)"]),
        (lambda self, x, s: State(h=s.h if s.h == 0 else x), ["where(a < b, x, y)"]),
        (lambda self, x, s: State(h=s.h if self.b != x else x), ["where(a < b, x, y)"]),
        (lambda self, x, s: State(h=x @ s.h), ["left side of @"]),
        (lambda self, x, s: State(h=self.W @ x + self.W @ (x, s.h)), ["1 stacked vectors", "2 in another"]),
        (lambda self, x, s: State(h=self.b @ x + self.b + s.h), ["both as a matrix", "two names"]),
        (lambda self, x, s: State(h=self.W @ 2 + s.h), ["makes no vector"]),
        (lambda self, x, s: State(h=self.V @ (self.W @ s.h)), ["is not fixed", "declare it"]),
        (lambda self, x, s: State(h=self.foo(s.h)), ["foo is no function"]),
        (lambda self, x, s: State(h=next(s.h for _ in range(self.depth))), ["declare it in the class"]),
        (lambda self, x, s: State(h=self.R["a"] @ s.h), ["plain number"]),
        (lambda self, x, s: setattr(self, "a", x), ["cannot set self.a"]),
        (lambda self, x, s: setattr(s, "h", x), ["cannot be changed"]),
        (lambda self, x, s: State(h=self.W @ () + s.h), ["stacks nothing"]),
    ],
)
def test_faulty_steps(step: Callable[..., object], words: list[str]) -> None:
    refused(step, "Test", *words)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"shapes": {"Q": ("rank", "hidden")}}, "shapes names 'Q'"),
        ({"shapes": {"W": ("hidden",)}}, "must name the rows"),
        ({"shapes": {"W": 3}}, "names of sizes"),
        ({"states": {"h": "1"}}, "a size is a plain name"),
        ({"inputs": {}}, "no input"),
        ({"inputs": {"h": "input"}}, "both an input and a state"),
    ],
)
def test_faulty_fields(fields: dict[str, object], words: str) -> None:
    steps = {0: lambda self, s: State(h=tanh(self.U @ s.h))}
    step = steps.get(len(fields.get("inputs", "x")), lambda self, x, s: State(h=tanh(self.W @ x + self.U @ s.h)))
    refused(step, words, **fields)


def test_too_many_nodes() -> None:
    def step(self, x, s):
        h = s.h
        for _ in range(MAX_NODES):
            h = h * x
        return State(h=h)

    refused(step, f"the limit is {MAX_NODES}")


def test_tracing_leaves_no_trace() -> None:
    with pytest.raises(EquationError):
        graph_of(lambda self, x, s: State(h=self.foo))
    assert (X == H) is False  # equality is an error only inside a step


# --- evaluation ----------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_numbers_take_the_precision_of_the_tensors(dtype: torch.dtype) -> None:
    graph = graph_of(lambda self, x, s: State(h=where(x < s.h, 0.1, 0.7) + minimum(x, 0.3) + maximum(0.2, s.h)))
    x, h = torch.linspace(-1, 1, 6, dtype=dtype).reshape(1, 1, 6), torch.zeros(1, 6, dtype=dtype)
    y, _ = reference.scan(graph, {}, {"x": x}, {"h": h})
    value = lambda v: torch.tensor(v, dtype=dtype)
    chosen = torch.where(x[:, 0] < h, value(0.1), value(0.7))
    assert torch.equal(y[:, 0], chosen + torch.minimum(x[:, 0], value(0.3)) + torch.maximum(value(0.2), h))
    assert y.dtype == dtype


def test_a_new_state_made_of_parameters_alone_has_every_row() -> None:
    cell = cell_of(lambda self, x, s: (State(h=tanh(self.b)), s.h * self.b * (self.W @ x)))
    k = check.case(cell.graph, 4, 3, {"input": 2, "hidden": 5}, lengths=True, resets=True)
    want = check.gradients_by_autograd(cell.graph, k, reference.scan)
    assert want["state h"].shape == (3, 5)
    got = check.bptt(
        cell.graph, k.params, k.x, k.state, k.grad_y, k.grad_state, k.lengths, k.resets, k.initial, k.masks
    )
    assert check.agreement(got, want) <= 1e-12


def test_a_matrix_on_parameters_alone() -> None:
    def step(self, x, s):
        return State(h=tanh(self.W @ (self.b_a + self.W @ x) + self.U @ (s.h, tanh(self.b_c))))

    cell = cell_of(step, shapes={"b_c": ("hidden",)})
    k = check.case(cell.graph, 4, 3, {"input": 5, "hidden": 5})
    want = check.gradients_by_autograd(cell.graph, k, reference.scan)
    got = check.bptt(cell.graph, k.params, k.x, k.state, k.grad_y, k.grad_state)
    assert check.agreement(got, want) <= 1e-12


# --- derivatives ---------------------------------------------------------------------------------

RULES: dict[str, tuple[Callable[..., Expr], float]] = {  # how to write it, and where its domain begins
    **{op: (f, -2.0) for op, f in {"sigmoid": sigmoid, "tanh": tanh, "exp": exp, "softplus": softplus}.items()},
    **{op: (f, -2.0) for op, f in {"relu": relu, "abs": abs, "norm": norm}.items()},
    "neg": (lambda a: -a, -2.0),
    "log": (log, 0.3),
    "sqrt": (sqrt, 0.3),
    "add": (lambda a, b: a + b, -2.0),
    "sub": (lambda a, b: a - b, -2.0),
    "mul": (lambda a, b: a * b, -2.0),
    "div": (lambda a, b: a / b, 0.3),
    "minimum": (minimum, -2.0),
    "maximum": (maximum, -2.0),
    "where": (lambda a, b: where(a < b, a * b, b), -2.0),
}


def derived(make_node: Callable[..., Expr], x: torch.Tensor, h: torch.Tensor, d: torch.Tensor) -> list[torch.Tensor]:
    """The derived gradients at x and h, through the same state so that both are read."""
    graph = graph_of(lambda self, x, s: (State(h=s.h + x), make_node(x, s.h)))
    zero = {"h": torch.zeros_like(h)}
    found = check.bptt(graph, {}, {"x": x.unsqueeze(1)}, {"h": h}, d.unsqueeze(1), zero)
    return [found["dL/dx"][:, 0], found["dL/dh<0>"]]


def test_every_operator_has_a_rule_and_a_test() -> None:
    assert set(DERIVATIVES) == (POINTWISE - COMPARE) | {"norm"}
    assert set(RULES) == set(DERIVATIVES) - TRAINING  # these differ from the slope: test_clip_gradient.py
    assert set(reference.TORCH) >= POINTWISE - {"where"} | {"norm"}


@pytest.mark.parametrize("op", sorted(RULES))
def test_rule_against_finite_differences(op: str) -> None:
    function, low = RULES[op]
    random = torch.Generator().manual_seed(3)
    x, h, d = (torch.rand(4, 6, generator=random, dtype=torch.float64) * (2 - low) + low for _ in range(3))
    write = function if op in BINARY | {"where"} else lambda a, b: function(a)
    got = derived(write, x, h, d)

    def loss(x: torch.Tensor, h: torch.Tensor) -> torch.Tensor:
        graph = graph_of(lambda self, x, s: (State(h=s.h + x), write(x, s.h)))
        return (reference.scan(graph, {}, {"x": x.unsqueeze(1)}, {"h": h})[0][:, 0] * d).sum()

    eps = 1e-6
    for which, gradient in enumerate(got):
        for i in range(x.numel()):
            step = torch.zeros_like(x)
            step.view(-1)[i] = eps
            ends = [loss(x + v, h) if which == 0 else loss(x, h + v) for v in (step, -step)]
            slope = ((ends[0] - ends[1]) / (2 * eps)).item()
            assert gradient.reshape(-1)[i].item() == pytest.approx(slope, abs=1e-7)


def test_ties_follow_torch() -> None:
    zero, one = torch.zeros(1, 3, dtype=torch.float64), torch.ones(1, 3, dtype=torch.float64)
    assert derived(lambda x, h: relu(x), zero, zero, one)[0].tolist() == [[0, 0, 0]]
    assert derived(lambda x, h: abs(x), zero, zero, one)[0].tolist() == [[0, 0, 0]]
    for extreme in (minimum, maximum):
        dx, dh = derived(extreme, one, one, one)
        assert dx.tolist() == dh.tolist() == [[0.5, 0.5, 0.5]]
    dx, dh = derived(lambda x, h: where(x < h, 2 * x, 3 * h), one, one, one)
    assert (dx.tolist(), dh.tolist()) == ([[0, 0, 0]], [[3, 3, 3]])


def test_adjoint_of_elman_reads_as_in_the_books() -> None:
    def step(self, x, s):
        h = tanh(self.W @ x + self.U @ s.h + self.b)
        return State(h=h)

    adjoint = differentiate(graph_of(step))
    h = adjoint.graph.updates["h"]
    d = intern("adjoint", (), "<output>") + intern("adjoint", (), "h")
    inner = d * (1 - h * h)
    assert adjoint.vectors["b"] is inner
    assert adjoint.states["h"] is matmul(Block("U", 0, 1), inner, transposed=True)
    assert adjoint.matrices[Block("W", 0, 1)] == ((inner, X),)


def test_unused_parts_have_zero_gradient() -> None:
    def step(self, x, s):
        unused = self.V @ x + s.h  # noqa: F841
        return State(h=tanh(s.h + self.W @ x))

    graph = graph_of(step)
    k = check.case(graph, 2, 2, {"input": 2, "hidden": 3})
    got = check.bptt(graph, k.params, k.x, k.state, k.grad_y, k.grad_state)
    assert got["dL/dV"].abs().max() == 0
    assert check.agreement(got, check.gradients_by_autograd(graph, k, reference.scan)) <= 1e-12
