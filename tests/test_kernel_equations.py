"""Kernels of equations that no shipped cell has: odd structures by hand, and random cells.

Three ways must agree in float64: the fused kernel, the reference under autograd, and the symbolic adjoint.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable

import hypothesis
import pytest
import torch
from hypothesis import HealthCheck, Phase, given
from hypothesis import strategies as st

from agree import BOUND, INPUT, SPLITS, Shape, compare, compiled, drawn, fused, run_python, truth, use_split
from rondo.expr.graph import Graph, solve
from rondo.expr.nodes import Block, EquationError, Expr, intern, make, matmul, topological
from rondo.expr.parse import parse_cell
from rondo.expr.plan import plan
from rondo.kernels import check, dispatch
from rondo.render.text import equations

from shown import shown

# name: lines of the cell (the last is returned), states beside h (or another size of x), sizes left open
NEXT = "n = tanh(W @ (h, x) + b)"
SQUARE = {"V": ("hidden", "hidden")}
INNER = {"A": ("hidden", "input")}
ODD: dict[str, tuple[list[str], str, dict[str, tuple[str, ...]]]] = {
    # an output that nothing carried depends on: products after the loop
    "output product": ([NEXT, "State(h=n), V @ n"], "", SQUARE),
    "output of two products": ([NEXT, "State(h=n), A @ tanh(V @ n + b_v)"], "", SQUARE | {"A": SQUARE["V"]}),
    "output normed": ([NEXT, "State(h=n), norm(V @ n) * g + b_g"], "", SQUARE),
    "output norm of state": ([NEXT, "State(h=n), norm(n) * g + W_x @ x"], "", {}),
    "output old and new": ([NEXT, "State(h=n), V @ n + U @ h + A @ x"], "", SQUARE | {"U": SQUARE["V"]} | INNER),
    "output relu": ([NEXT, "State(h=n), relu(V @ n + U @ h)"], "", SQUARE | {"U": SQUARE["V"]}),
    "output product of x": ([NEXT, "State(h=n), n * sigmoid(V @ x)"], "", {}),
    "output product of old state": ([NEXT, "State(h=n), n * sigmoid(V @ h)"], "", {}),
    "output state free": ([NEXT, "State(h=n), V @ x + b_v"], "", {"V": INNER["A"]}),
    "output is x": ([NEXT, "State(h=n), x"], "", {}),
    "output is the old state": ([NEXT, "State(h=n), h"], "", {}),
    "output is a parameter": ([NEXT, "State(h=n), b"], "", {}),
    "output is the second state": (["State(h=tanh(W @ (h, x, c)), c=0.5 * c + h), c"], "c", {}),
    "output is the new second state": (["m = 0.5 * c + h", "State(h=tanh(W @ (h, x, c)), c=m), m"], "c", {}),
    "output of a wide state": ([NEXT, "State(h=n), norm(V @ n + U @ h) * (A @ n)"], "", SQUARE | {"A": SQUARE["V"]}),
    # states that are leaves, other states, or free of any state
    "delayed": (["State(h=tanh(W @ (h, c, x) + b), c=h)"], "c", {}),
    "twice delayed": (["State(h=tanh(W @ (h, q, x) + b), c=h, q=c)"], "c q", {}),
    "swapped": (["State(h=c, c=tanh(W @ (h, c, x) + b))"], "c", {}),
    "delayed x": (["State(h=tanh(W @ (h, q) + b), q=x)"], "q:input", {}),
    "delayed x leads": (["State(q=x, h=tanh(W @ (h, q) + b)), q"], "q:input", {}),
    "state free": (["State(h=tanh(W @ x + b)), tanh(A @ h)"], "", {"A": SQUARE["V"]}),
    "state free beside": (["n = tanh(W @ x + b)", "State(h=n, c=0.5 * c + n * h)"], "c", {}),
    "product of x as state": (["State(h=tanh(U @ h + c), c=W @ x)"], "c", {}),
    "product of x as output": (["n = tanh(U @ h + W @ x)", "State(h=n), W @ x"], "", {}),
    "product of x as both": (["State(h=W @ x), tanh(A @ h)"], "", {"A": SQUARE["V"]}),
    "twins": (["n = tanh(W @ (h, x, c))", "State(h=n, c=n)"], "c", {}),
    "only compared": (["State(h=tanh(W @ x + where(c < h, h, 0.5)), c=tanh(U @ h))"], "c", {}),
    "a state that passes by": (["State(h=tanh(U @ h + W @ x + c), c=c)"], "c", {}),
    "parameters alone": (["State(h=tanh(U @ h + W @ x + c), c=tanh(b_c))"], "c", {}),
    "zero": (["State(h=tanh(U @ h + W @ x + c), c=0 * c + 0.5)"], "c", {}),
    "unread by the output": (["n = tanh(U @ h + W @ x)", "State(h=n, c=0.5 * c + n)"], "c", {}),
    # level 0
    "deep in x": (
        ["a = tanh(A @ x)", "e = tanh(B @ a + b_a)", "State(h=tanh(C @ e + U @ h))"],
        "",
        INNER | {"B": SQUARE["V"]},
    ),
    "deep in x, normed": (
        ["a = norm(tanh(norm(A @ x) * g))", "State(h=tanh(C @ norm(B @ a) + U @ h))"],
        "",
        INNER | {"B": SQUARE["V"]},
    ),
    "gated operand": (["g_t = sigmoid(W_g @ x)", "State(h=tanh(U @ (g_t * h) + W @ x))"], "", {}),
    "gated x": (
        ["r = sigmoid(W_r @ (h, x))", "State(h=tanh(U @ h + W @ (r * (A @ x))))"],
        "",
        {"A": ("rank", "input"), "W_r": ("rank", "hidden", "input")},
    ),
    "x in both phases": (["p = W @ x", "n = tanh(U @ h + p)", "State(h=n), n + p"], "", {}),
    "norm of x in both phases": (["a = norm(W @ x)", "n = tanh(U @ h + a)", "State(h=n), V @ (a * n)"], "", SQUARE),
    "product on a bare parameter": (["State(h=tanh(U @ h + W @ x + A @ b))"], "", {"b": ("hidden",)}),
    "stack of parameters": (["State(h=tanh(U @ h + W @ (x, b) * (A @ (b, b))))"], "", {"b": ("hidden",)}),
    # two adjoints for one operand, of which one is read twice: found by the random cells
    "stack of twins of parameters": (
        ["f = sigmoid(A @ (b, b))", "State(h=f * h + (1 - f) * sigmoid(V @ b + h)), tanh(x)"],
        "",
        {"b": ("wide",), "V": ("hidden", "wide")},
    ),
    "same matrix at two depths in x": (
        ["p = W @ x", "State(h=tanh(h + V @ (V @ (p, p), A @ x)))"],
        "",
        {"V": ("hidden",) * 3},
    ),
    "product on parameters": (["State(h=tanh(U @ h + W @ x + A @ tanh(b)))"], "", {"b": ("hidden",)}),
    # linear, elementwise
    "linear": (["State(h=U @ h + W @ x)"], "", {}),
    "linear elementwise": (["State(h=0.5 * h + W @ x)"], "", {}),
    "leaky": (["f = sigmoid(W_f @ x + b_f)", "State(h=f * h + (1 - f) * (W @ x))"], "", {}),
    "no matrix": (["State(h=tanh(g * h + w * x + b))"], "x:hidden", {}),
    "no parameter": (["State(h=tanh(0.5 * h + x))"], "x:hidden", {}),
    "no x": (["State(h=tanh(U @ h + b))"], "", {}),
    # products
    "stack of three": (["n = tanh(W @ (h, x, c) + b)", "State(h=n * sigmoid(c), c=0.5 * c + n)"], "c", {}),
    "stack of twins": (["State(h=tanh(W @ (h, h) + A @ x))"], "", {}),
    "same matrix twice": (["State(h=tanh(U @ tanh(U @ h + W @ x)))"], "", {}),
    "same matrix in a sum": (["State(h=tanh(U @ h + U @ c + W @ x), c=tanh(U @ (h * c)))"], "c", {}),
    "same matrix in both phases": (["a = tanh(U @ (W @ x))", "State(h=tanh(U @ h + a))"], "", {}),
    "low rank": (["State(h=tanh(A @ (V @ h) + W @ x))"], "", {"V": ("rank", "hidden")}),
    "product of products": (["State(h=tanh(A @ ((B @ h) * (C @ h)) + W @ x))"], "", {"B": ("rank", "hidden")}),
    "chain of products": (
        ["State(h=tanh(A @ (B @ (C @ h + b_r)) + W @ x))"],
        "",
        {"C": ("rank", "hidden"), "B": ("wide", "rank")},
    ),
    "product of a sum": (["p = U @ h + W @ x", "State(h=tanh(A @ p + p))"], "", {}),
    "product of a state that passes by": (["State(h=tanh(h + W @ x), c=c + U @ h)"], "c", {}),
    "product read twice": (["p = U @ h", "State(h=tanh(p + W @ x) * sigmoid(p) + p * 0.1)"], "", {}),
    "levels in one sum": (
        ["r = sigmoid(U_r @ h + W_r @ x)", "State(h=tanh(U @ (r * h) + V @ r + W @ x + A @ h))"],
        "",
        SQUARE,
    ),
    "two sizes at one level": (["State(h=tanh(A @ (h, x) + B @ c), c=tanh(C @ (h, x) + D @ c))"], "c:wide", {}),
    "projected": (["n = 0.5 * c + tanh(V @ (h, x))", "State(h=tanh(P @ n) * sigmoid(A @ x), c=n)"], "c:wide", {}),
    # row statistics
    "norm of norms": (["State(h=tanh(norm(norm(U @ h) * g_a + norm(W @ x) + b) * g_b))"], "", {}),
    "norm of a norm": (["State(h=tanh(norm(norm(U @ h + W @ x))))"], "", {}),
    "norm of leaves": (["State(h=tanh(U @ norm(h) + W @ norm(x)))"], "", {}),
    "norm of a product and itself": (
        ["p = U @ h + W @ x", "State(h=tanh(norm(p) + p) * sigmoid(norm(p * p)))"],
        "",
        {},
    ),
    "norm without a recurrent product": (["State(h=tanh(norm(W @ x) + norm(h * g)))"], "", {}),
    "norm of x beside linear states": (["State(h=0.5 * h + norm(W @ x), c=0.5 * c + h + norm(A @ x))"], "c", {}),
    "norm of a parameter": (["State(h=sigmoid(h) * 0.5 + W @ x + tanh(norm(b)))"], "", {}),
    "softplus from zero": (["State(h=tanh(h + x), c=sigmoid(U @ softplus(h) + c))"], "x:hidden c", {}),
    "norm read after the loop": (["p = norm(U @ h)", "n = tanh(p + W @ x)", "State(h=n), V @ p + p"], "", SQUARE),
    # comparisons and all operators
    "where": (["p = U @ h + W @ x", "State(h=tanh(where(p < h, p, where(b <= p, h, 0.25))))"], "", {}),
    "where at two levels": (
        ["p = U @ h + W @ x", "q = A @ (where(p < h, p, 0.5) * h)", "State(h=tanh(where(p < h, q, h * q)))"],
        "",
        {},
    ),
    "where after the loop": (
        ["p = U @ h + W @ x", "n = tanh(where(p < h, p, 0.5))", "State(h=n), where(p < h, V @ n, n)"],
        "",
        {},
    ),
    "where free of the state": (
        ["p = W @ x", "State(h=tanh(where(p < b, U @ h, h) * p)), where(p < b, V @ h, h)"],
        "",
        {},
    ),
    "bounds": (["p = U @ h + W @ x", "State(h=tanh(minimum(maximum(p, 0.2), h + b) - maximum(p, p * h)))"], "", {}),
    "every operator": (
        [
            "p = U @ h + W @ x + b",
            "q = exp(-abs(p)) / (1.5 + sigmoid(p)) - log(1 + softplus(p)) * sqrt(1 + p * p)",
            "m = norm(minimum(q, relu(p)) + maximum(p, q)) + where(p < q, p, q)",
            "State(h=tanh(m - where(p <= 0.1, 1, p)))",
        ],
        "",
        {},
    ),
}


@functools.cache
def odd(name: str) -> Graph:
    lines, more, shapes = ODD[name]
    named = {"x": "input", "h": "hidden"} | {k: z or "hidden" for k, _, z in (v.partition(":") for v in more.split())}
    header = ", ".join(f"{k}: {z}" for k, z in named.items())
    body = "\n".join(f"    {line}" for line in [*lines[:-1], f"return {lines[-1]}"])
    return parse_cell(f"def Odd({header}):\n{body}", shapes=shapes)


SHAPES = [
    Shape(5, 3, 7, lengths=True, resets=True),
    Shape(4, 5, 19, lengths=True, resets=True, reverse=True),
    Shape(3, 4, 16),
    Shape(1, 1, 5, reverse=True),  # fewer units and norm divides by next to nothing
    Shape(3, 2, 33, resets=True, reverse=True),
]


@pytest.fixture(scope="module")
def odd_kernels() -> None:
    compiled([odd(name) for name in ODD])


@pytest.mark.parametrize("name", ODD)
def test_odd_structure(name: str, monkeypatch: pytest.MonkeyPatch, odd_kernels: None) -> None:
    graph = odd(name)
    for seed, s in enumerate(SHAPES):
        compare(name, graph, s, monkeypatch, SPLITS, kind="odd cells: fused = reference", seed=seed)
    for s in SHAPES[:3]:  # without gradients, buffers are rings of two steps
        case = drawn(graph, s).to(torch.float64)
        with torch.no_grad():
            y, end = check.run(graph, case, dispatch.scan, reverse=s.reverse)
        got, want = {"output": y, **end}, truth(graph, case, s.reverse)
        want = {"output": want["output"], **{k: want[f"state {k}"] for k in end}}
        assert check.agreement(got, want) <= BOUND[torch.float64], f"in inference at {s}"
    k = drawn(graph, SHAPES[0]).to(torch.float64)
    derived = check.bptt(graph, k.params, k.x, k.state, k.grad_y, k.grad_state, k.lengths, k.resets, k.initial)
    assert check.agreement(derived, truth(graph, k)) <= BOUND[torch.float64]


WIDE = """
import torch
from agree import BOUND, Shape, drawn, truth
from rondo.expr.parse import parse_cell
from rondo.kernels import check, dispatch
sums = [" + ".join(f"tanh(b_{i}_{j} * h + g_{i}_{j})" for j in range(14)) for i in range(10)]
lines = [f"    t_{i} = {total}" for i, total in enumerate(sums)]
last = "    return State(h=tanh(x + " + " + ".join(f"t_{i}" for i in range(10)) + "))"
graph = parse_cell("\\n".join(["def Wide(x: hidden, h: hidden):", *lines, last]))
case = drawn(graph, Shape(3, 2, 5)).to(torch.float64)
error = check.agreement(check.gradients_by_autograd(graph, case, dispatch.scan), truth(graph, case))
assert error <= BOUND[torch.float64], error
"""


def test_more_places_than_a_kernel_holds() -> None:
    """A cell of hundreds of parameters is computed right, by whichever backend; in a process that may crash."""
    done = run_python(WIDE)
    assert done.returncode == 0, done.stderr or f"ended by signal {-done.returncode}"


# ---------------------------------------------------------------- random cells

SIZES = ("hidden", "wide", "input")
SAFE: dict[str, Callable[[Expr, Expr], Expr]] = {  # operators kept where they are smooth and bounded
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "neg": lambda a, b: -a,
    "scaled": lambda a, b: 0.7 * a - 0.2,
    "sigmoid": lambda a, b: make("sigmoid", a),
    "tanh": lambda a, b: make("tanh", a),
    "softplus": lambda a, b: make("softplus", a),
    "relu": lambda a, b: make("relu", a),
    "abs": lambda a, b: make("abs", a),
    "exp": lambda a, b: make("exp", make("tanh", a)),
    "log": lambda a, b: make("log", 1.1 + make("sigmoid", a)),
    "sqrt": lambda a, b: make("sqrt", 0.5 + a * a),
    "div": lambda a, b: a / (1.5 + b * b),
    "minimum": lambda a, b: make("minimum", a, b),
    "maximum": lambda a, b: make("maximum", a, b),
    "where": lambda a, b: make("where", make("lt", a, b), a * b, make("tanh", a)),
    "where constant": lambda a, b: make("where", make("le", a, 0.3), b, 0.25),
    "norm": lambda a, b: intern("norm", (a,)),
}


class Draft:
    """A cell while it is drawn: expressions made so far (to be read again) and parameters by shape."""

    def __init__(self, draw: st.DrawFn) -> None:
        self.draw = draw
        self.states = {s: draw(st.sampled_from(SIZES[:2])) for s in ("h", "c", "q")[: draw(st.integers(1, 3))]}
        self.shapes: dict[str, tuple[str, ...]] = {}
        self.made: dict[str, list[Expr]] = {z: [] for z in SIZES}
        self.made["input"].append(intern("input", (), "x"))
        for s, z in self.states.items():
            self.made[z].append(intern("state", (), s))

    def vector(self, size: str, depth: int) -> Expr:
        kind = self.draw(st.integers(0, 9 if depth else 3))
        if kind <= 2 and self.made[size]:
            return self.draw(st.sampled_from(self.made[size]))
        if kind <= 3:
            name = f"b_{size}_{self.draw(st.integers(0, 1))}"
            self.shapes[name] = (size,)
            return intern("vector", (), name)
        if kind <= 6:
            node = self.product(size, depth)
        else:
            op = self.draw(st.sampled_from(list(SAFE)))
            node = SAFE[op](self.vector(size, depth - 1), self.vector(size, depth - 1))
        self.made[size].append(node)
        return node

    def product(self, size: str, depth: int) -> Expr:
        cols = self.draw(st.lists(st.sampled_from(SIZES), min_size=1, max_size=2))
        name = f"W_{size}_{'_'.join(cols)}_{self.draw(st.integers(0, 1))}"
        self.shapes[name] = (size, *cols)
        terms = [matmul(Block(name, i, len(cols)), self.vector(z, depth - 1)) for i, z in enumerate(cols)]
        return terms[0] if len(terms) == 1 else terms[0] + terms[1]


@st.composite
def cells(draw: st.DrawFn) -> Graph:
    """A random cell of one to three states, each squashed or mixed with its old value; the output may be anything."""
    d = Draft(draw)
    updates = {}
    for s, z in d.states.items():
        new = make(draw(st.sampled_from(["tanh", "sigmoid"])), d.vector(z, 4))
        if draw(st.booleans()):
            gate = make("sigmoid", d.vector(z, 2))
            new = gate * intern("state", (), s) + (1 - gate) * new
        updates[s] = draw(st.sampled_from([new, new, new, *(v for v in d.made[z] if v.op in ("state", "tanh"))]))
        d.made[z].append(new)
    output = updates["h"] if draw(st.booleans()) else make("tanh", d.vector(draw(st.sampled_from(SIZES)), 3))
    used = {getattr(n.attr, "name", n.attr) for n in topological([*updates.values(), output])}
    shapes = {k: v for k, v in d.shapes.items() if k in used}
    try:
        return solve("Random", {"x": "input"}, d.states, (), updates, output, shapes)
    except EquationError:  # a state that nothing reads: not a cell
        hypothesis.reject()
        raise


def draw_cells() -> list[Graph]:
    """As many random cells as the profile says, the small ones first."""
    found: list[Graph] = []
    slow = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]

    @hypothesis.settings(phases=[Phase.generate], database=None, suppress_health_check=slow)
    @given(cells())
    def collect(graph: Graph) -> None:
        found.append(graph)

    collect()
    return sorted(found, key=lambda g: len(topological(g.roots)))


RANDOM_SHAPES = [
    Shape(5, 3, 4, lengths=True, resets=True),
    Shape(3, 5, 17, lengths=True, reverse=True),
    Shape(2, 2, 35, resets=True, reverse=True),
]


def test_random_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """All are drawn first and compiled in one unit; what fails is told by its equations."""
    graphs = draw_cells()
    compiled(graphs)
    wrong = []
    for i, graph in enumerate(graphs):
        for s in RANDOM_SHAPES:
            case = drawn(graph, s, seed=i).to(torch.float64)
            want = truth(graph, case, s.reverse)
            runs = {split: functools.partial(fused, graph, case, s.reverse) for split in SPLITS}
            if not s.reverse:
                k = case
                names = (k.params, k.x, k.state, k.grad_y, k.grad_state, k.lengths, k.resets, k.initial)
                runs["symbolic adjoint"] = functools.partial(check.bptt, graph, *names)
            for way, run in runs.items():
                if way in SPLITS:
                    use_split(monkeypatch, way)
                found = check.errors(run(), want)
                error = max(found.values())
                kind = "random cells: fused = reference" if way in SPLITS else "random cells: adjoint"
                shown(kind, "random", (i, s.T, s.B, INPUT, s.units), "all", error)
                if error > BOUND[torch.float64]:
                    worst = max(found, key=found.__getitem__)
                    wrong.append(f"{way} at {s}: {worst} {error:.1e}\n{equations(graph)}")
    assert not wrong, f"{len(wrong)} of {len(graphs)} cells; the smallest:\n" + "\n".join(wrong[:3])


def test_every_structure_is_drawn_or_written() -> None:
    """What the odd cells must cover, so that the list cannot shrink unnoticed."""
    plans = {name: plan(odd(name)) for name in ODD}
    stages = list(itertools.chain.from_iterable(p.forward.stages for p in plans.values()))
    assert {s.phase for s in stages if s.groups} == {0, 1, 2}
    assert {s.phase for s in stages if s.reduce} == {0, 1, 2}
    assert any(p.elementwise for p in plans.values())
    assert any(p.linear for p in plans.values())
    assert max(p.levels for p in plans.values()) >= 3
