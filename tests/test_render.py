"""What is printed: text that parses to the same nodes, and formulas whose every line is evaluated against autograd."""

from __future__ import annotations

import functools
import json
import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from rondo.cell import Cell, EquationError, State, relu, sigmoid, tanh
from rondo.cells import find, shipped
from rondo.expr.graph import Graph, Named, solve
from rondo.expr.nodes import Block, Expr, const, intern, make, matmul, topological
from rondo.expr.parse import parse_cell
from rondo.kernels.reference import TORCH, block_reader, evaluate
from rondo.render.bptt import bptt
from rondo.render.latex import latex, mathml, plain
from rondo.render.lines import Line, forward
from rondo.render.notation import NOTATIONS
from rondo.render.text import equations, from_json, shapes_of, to_json

LECTURE_GRU = """
c̃ = tanh(W_c[Γ_r * c<t-1>, x<t>] + b_c)
Γ_u = σ(W_u[c<t-1>, x<t>] + b_u)
Γ_r = σ(W_r[c<t-1>, x<t>] + b_r)
c<t> = Γ_u * c̃ + (1 - Γ_u) * c<t-1>
a<t> = c<t>
"""
LECTURE_LSTM = """
Γ_f = σ(W_f[a<t-1>, x<t>] + b_f)
Γ_u = σ(W_u[a<t-1>, x<t>] + b_u)
Γ_o = σ(W_o[a<t-1>, x<t>] + b_o)
c̃ = tanh(W_c[a<t-1>, x<t>] + b_c)
c<t> = Γ_f ∘ c<t-1> + Γ_u ∘ c̃
a<t> = Γ_o ∘ tanh(c<t>)
"""


class Shadow(Cell):
    """Locals with the names of a state and a matrix, read again later; a low rank; a value with no gradient."""

    states = {"h": "hidden", "c": "hidden"}
    shapes = {"V": ("rank", "hidden")}
    init = {"b": (-0.5, 0.5), "V": "glorot"}
    slope: float = 0.25

    def step(self, x, s):
        c = tanh(self.V2 @ (self.V @ s.h) + self.W @ (x, s.c) + self.b)
        W = sigmoid(self.W @ (x, s.c) - self.slope * s.c)
        idle = relu(c)
        idle = idle + 1
        norm = -(c - (W - s.c)) / (2 + W * W)
        return State(h=tanh(norm), c=s.h), s.c + norm


CELLS = {
    **{name: cell().graph for name, cell in shipped().items()},
    "lecture-gru": parse_cell(LECTURE_GRU, name="GRU"),
    "lecture-lstm": parse_cell(LECTURE_LSTM, name="LSTM"),
    "shadow": Shadow().graph,
}
cells = pytest.mark.parametrize("name", CELLS)


def same_graph(a: Graph, b: Graph) -> None:
    assert all(p is q for p, q in zip(a.roots, b.roots, strict=True))
    assert list(a.params.items()) == list(b.params.items())
    assert (a.inputs, list(a.states.items()), a.square) == (b.inputs, list(b.states.items()), b.square)
    assert all(b.sizes[n] == a.sizes[n] for n in topological(a.roots))


# --- text ------------------------------------------------------------------------------------------


@cells
def test_text_parses_to_the_same_nodes(name):
    graph = CELLS[name]
    again = parse_cell(equations(graph), shapes=shapes_of(graph))
    same_graph(graph, again)
    assert again.name == graph.name
    if name != "shadow":
        assert [(n.name, n.expr) for n in again.names] == [(n.name, n.expr) for n in graph.names]
    assert equations(again) == equations(graph)


@cells
def test_json_is_the_same_graph_with_its_own_names(name):
    graph = CELLS[name]
    again = from_json(json.loads(json.dumps(to_json(graph))))
    same_graph(graph, again)
    for field in ("name", "doc", "init", "constants"):
        assert getattr(again, field) == getattr(graph, field)
    assert [(n.name, n.expr) for n in again.names] == [(n.name, n.expr) for n in graph.names]


def test_text_reads_as_a_person_writes_it():
    assert equations(find("lstm").graph).splitlines()[-2:] == [
        "    c = f * c + i * g",
        "    return State(h=o * tanh(c), c=c)",
    ]
    assert "c_tilde = tanh(W_c @ (Γ_r * c, x) + b_c)" in equations(CELLS["lecture-gru"])


def test_a_shadowing_local_is_renamed():
    text = equations(CELLS["shadow"])
    for line in ("c_new = tanh(", "norm_new = ", "W = sigmoid(W @ (x, c) - 0.25 * c)"):
        assert line in text


def test_a_long_chain_is_cut_by_names():
    class Chain(Cell):
        def step(self, x, s):
            return State(h=self.far(self.W @ x + s.h))

        def far(self, v):
            for _ in range(120):
                v = tanh(v) + v
            return v

    graph = Chain().graph
    assert len(equations(graph)) < 16_000
    same_graph(graph, from_json(to_json(graph)))
    assert from_json(to_json(graph)).names == ()
    assert len(latex(graph)) < 16_000
    lines = bptt(graph)
    evaluate_lines(lines, Example(graph, None, lines))


def test_masks_have_no_text():
    graph = replace(CELLS["elman"], masks={"drop_h": "hidden"})
    with pytest.raises(EquationError, match=r"drop_h.*dropout"):
        equations(graph)
    with pytest.raises(EquationError, match="masks"):
        bptt(graph)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ([], "is an object"),
        ({"name": "A"}, "no 'equations'"),
        ({"equation": "x"}, "did you mean 'equations'"),
        ({"equations": 3}, "must be str"),
        ({"equations": "import os"}, "name = equation"),
        ({"equations": "h<t> = tanh(W h<t-1>)", "shapes": {"W": "hidden"}}, "list of size names"),
        ({"equations": "h<t> = tanh(W h<t-1>)", "init": {"W": {}}}, "initial value of W"),
        ({"equations": "h<t> = tanh(W h<t-1>)", "names": {"h": 3}}, "must be text"),
    ],
)
def test_bad_json_is_refused(data, message):
    with pytest.raises(EquationError, match=message):
        from_json(data)


UNARY = ("neg", "sigmoid", "tanh", "relu", "exp", "log", "softplus", "sqrt", "abs")
BINARY = ("add", "sub", "mul", "div", "minimum", "maximum")
NUMBERS = st.floats(-1e6, 1e6, allow_nan=False).filter(lambda v: v != 0) | st.sampled_from([1e-300, 1e29, -3.0, 0.1])


@st.composite
def vectors(draw: st.DrawFn, depth: int = 5) -> Expr:
    """A random vector of the hidden size: leaves, products on one or two vectors, pointwise operators, norm."""
    kind = draw(st.integers(0, 6 if depth else 1))
    if kind <= 1:
        leaf = st.sampled_from([("state", "h"), ("state", "c"), ("input", "x"), ("vector", "b"), ("vector", "g_1")])
        op, name = draw(leaf)
        return intern(op, (), name)
    v = lambda: draw(vectors(depth=depth - 1))
    if kind == 2:
        if draw(st.booleans()):
            return matmul(Block("U", 0, 1), v())
        return matmul(Block("W", 0, 2), v()) + matmul(Block("W", 1, 2), v())
    if kind == 3:
        return make(draw(st.sampled_from(UNARY)), v()) if draw(st.integers(0, 9)) else intern("norm", (v(),))
    if kind == 4:
        return make("where", make(draw(st.sampled_from(["lt", "le"])), v(), v()), v(), v())
    operands = [v(), v() if kind == 5 else const(draw(NUMBERS))]
    return make(draw(st.sampled_from(BINARY)), *draw(st.permutations(operands)))


@settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    st.lists(vectors(), min_size=3, max_size=3),
    st.lists(st.sampled_from(["h", "c", "x", "W", "b", "tanh", "é", "q"]), min_size=3, max_size=3),
)
def test_random_equations_round_trip(made, names):
    h, c = intern("state", (), "h"), intern("state", (), "c")
    updates = {"h": made[0] + h, "c": c * made[1]}
    pairs = zip(dict.fromkeys(names), (e for e in made if e.args), strict=False)
    named = tuple(Named(name, e, k) for k, (name, e) in enumerate(pairs))
    shapes = {"W": ("hidden",) * 3, "U": ("hidden",) * 2, "b": ("hidden",), "g_1": ("hidden",)}
    used = topological([*made, *updates.values()])
    shapes = {k: v for k, v in shapes.items() if any(k in (n.attr, getattr(n.attr, "name", "")) for n in used)}
    states = {"h": "hidden", "c": "hidden"}
    graph = solve("Random", {"x": "input"}, states, named, updates, made[2] + h, shapes)
    again = from_json(json.loads(json.dumps(to_json(graph))))
    same_graph(graph, again)
    assert [(n.name, n.expr) for n in again.names] == [(n.name, n.expr) for n in graph.names]


# --- typesetting -----------------------------------------------------------------------------------


@functools.cache
def everything(name: str) -> list[Graph | list[Line]]:
    return [CELLS[name], *(bptt(CELLS[name], head) for head in (None, "softmax", "sigmoid"))]


@cells
@pytest.mark.parametrize("notation", NOTATIONS)
def test_latex_is_balanced(name, notation):
    for what in everything(name):
        text = latex(what, notation)
        assert text.isascii(), [c for c in text if not c.isascii()]
        depth = 0
        for ch in re.sub(r"\\[{}]", "", text):
            depth += (ch == "{") - (ch == "}")
            assert depth >= 0
        assert depth == 0
        assert text.count(r"\left") == text.count(r"\right")
        assert re.findall(r"\\begin\{(\w+)\}", text).count("aligned") == 1
        assert sorted(re.findall(r"\\begin\{(\w+)\}", text)) == sorted(re.findall(r"\\end\{(\w+)\}", text))
        assert not re.search(r"\\(circ|odot|cdot|sigma|Gamma)[a-zA-Z]", text), "a command runs into a letter"


@cells
@pytest.mark.parametrize("notation", NOTATIONS)
def test_mathml_is_valid_xml(name, notation):
    arity = {"mfrac": 2, "msub": 2, "msup": 2, "msubsup": 3, "munder": 2, "mover": 2}
    for what in everything(name):
        root = ElementTree.fromstring(mathml(what, notation))
        tag = "{http://www.w3.org/1998/Math/MathML}"
        assert root.tag == f"{tag}math"
        table = root[0]
        assert len(table) == len(forward(what) if isinstance(what, Graph) else what)
        assert all(len(r) == 2 for r in table)
        for node in root.iter():
            kind = node.tag.removeprefix(tag)
            assert len(node) == arity.get(kind, len(node)), kind


def test_the_lecture_notation():
    text = latex(CELLS["lecture-gru"], "lecture")
    assert r"\tilde{c} &= \tanh(W_{c}[\Gamma_{r} \circ c^{\langle t-1 \rangle}, x^{\langle t \rangle}] + b_{c})" in text
    assert r"a^{\langle t \rangle} &= c^{\langle t \rangle}" in text
    assert r"\Gamma_{u} &= \sigma(" in latex(find("gru-cho").graph, "lecture")
    assert r"h_{t} &= u_{t} \odot \tilde{c}_{t} + (1 - u_{t}) \odot h_{t-1}" in latex(find("gru-cho").graph, "paper")
    assert "h<t> = u ∘ c̃ + (1 − u) ∘ h<t-1>" in plain(find("gru-cho").graph)


@pytest.mark.parametrize("name", ["elman", "gru-cho", "lstm", "lecture-gru", "lecture-lstm"])
@pytest.mark.parametrize("notation", ["names", "lecture"])
def test_terminal_lines_can_be_pasted_back(name, notation):
    graph = CELLS[name]
    again = parse_cell(plain(graph, notation))
    assert len(again.params) == len(graph.params)
    if notation == "names":
        states = dict.fromkeys(graph.states, "hidden")
        again = parse_cell(plain(graph), states=states)
        assert all(a is b for a, b in zip(again.updates.values(), graph.updates.values(), strict=True))


def test_an_unknown_notation_or_head_names_the_nearest():
    with pytest.raises(EquationError, match="'lecture'"):
        latex(CELLS["elman"], "lectures")
    with pytest.raises(EquationError, match="'softmax'"):
        bptt(CELLS["elman"], "soft-max")


def test_the_gru_recursion_is_the_textbook_one():
    text = plain(bptt(find("gru-cho").graph, "softmax"))
    for line in (
        "L<t> = −Σ_k y_k<t> log ŷ_k<t>",
        "L = Σ_t Σ_b L<t>",
        "∂L/∂h<t> = dh<t> = W_yᵀ(ŷ<t> − y<t>) + dh<t+1→t>",
        "dc̃ = dh<t> ∘ u",
        "dz_c = dc̃ ∘ (1 − c̃²)",
        "du = dh<t> ∘ (c̃ − h<t-1>)",
        "dh<t→t-1> = dh<t> ∘ (1 − u) + dv ∘ r + U_rᵀ dz_r + U_uᵀ dz_u",
        "∂L/∂W_u = Σ_t Σ_b dz_u x<t>ᵀ",
        "∂L/∂W_y = Σ_t Σ_b (ŷ<t> − y<t>) h<t>ᵀ",
    ):
        assert f"  {line}\n" in text
    text = plain(bptt(find("gru-cho").graph, "sigmoid"))
    assert "  L<t> = Σ_k (−y_k<t> log ŷ_k<t> − (1 − y_k<t>) log(1 − ŷ_k<t>))\n" in text


@cells
def test_every_named_intermediate_has_its_adjoint(name):
    lines = bptt(CELLS[name])
    values = {line.target for line in lines if line.part == "forward" and line.expr is line.target}
    assert values <= {line.of for line in lines}
    names = [line.name for line in lines]
    assert len(set(names)) == len(names)
    assert max(len(text) for text in plain(lines).splitlines()) < 200


# --- every printed line against autograd -----------------------------------------------------------

STEPS, BATCH, CLASSES = 3, 2, 3
SIZES = {"input": 3, "hidden": 4}
LINE_OPS = {
    **TORCH,
    "where": lambda c, a, b: torch.where(c, *(torch.as_tensor(v, dtype=torch.float64) for v in (a, b))),
    "softmax": lambda v: v.softmax(0),
    "sum": lambda v: v.sum(0, keepdim=True),
    "outer": lambda d, v: d.unsqueeze(1) * v.unsqueeze(0),
    "stack": lambda *v: torch.cat([p.expand(-1, BATCH) for p in v]),
    "columns": lambda *m: torch.cat(m, 1),
    "total": lambda v: v.sum(-1, keepdim=v.dim() == 2),
    "alias": lambda v: v,
}


def run_line(root: Expr, known: dict[Expr, Tensor], matrices) -> Tensor:
    """One printed right-hand side, from the values that earlier lines and leaves have given."""
    values = dict(known)
    for node in topological([root]):
        if node in values:
            continue
        if node.op == "const":
            values[node] = node.attr
        elif node.op == "matrix":
            values[node] = matrices(node.attr)
        elif node.op in ("matmul", "matmul_t"):
            m = matrices(node.attr)
            values[node] = (m if node.op == "matmul" else m.T) @ values[node.args[0]]
        else:
            values[node] = LINE_OPS[node.op](*(values[a] for a in node.args))
    return values[root]


class Example:
    """A short sequence run forward with autograd, and its loss."""

    def __init__(self, graph: Graph, head: str | None, lines: list[Line]) -> None:
        torch.manual_seed(0)
        self.graph, self.head = graph, head
        sizes = {n: SIZES.get(n, 2) for n in graph.size_names}
        shapes = {p.name: (*p.shape(sizes), 1)[:2] for p in graph.params.values()}
        if head:
            shapes |= {"W_y": (CLASSES, sizes[graph.output_size]), "b_y": (CLASSES, 1)}
        self.params = {k: (torch.randn(s, dtype=torch.float64) * 0.6).requires_grad_() for k, s in shapes.items()}
        blocks = block_reader(graph, {k: v for k, v in self.params.items() if k in graph.params}, sizes)
        self.matrices = lambda b: self.params[b.name] if b.count == 1 else blocks(b)
        self.leaves = {n for line in lines for n in topological([line.expr]) if not n.args}
        self.leaves |= {n for n in topological([*graph.roots, *(m.expr for m in graph.names)]) if not n.args}
        self.forward(sizes)

    def given(self, x: dict[str, Tensor], state: dict[str, Tensor], y: Tensor) -> dict[Expr, Tensor]:
        tables = {"input": x, "state": state, "vector": self.params}
        return {n: tables[n.op].get(n.attr, y) for n in self.leaves if n.op in tables}

    def forward(self, sizes: dict[str, int]) -> None:
        graph = self.graph
        positive = lambda n: (torch.rand(n, BATCH, dtype=torch.float64) * 0.8 + 0.1).requires_grad_()
        state = {s: positive(sizes[n]) for s, n in graph.states.items()}
        self.steps: list[dict[Expr, Tensor]] = []
        self.targets, self.pulls, self.guesses, losses = [], [], [], []
        for _ in range(STEPS):
            state = {k: v.clone() for k, v in state.items()}  # so that its gradient is what the step hands back
            y = torch.rand(CLASSES, BATCH, dtype=torch.float64)
            y = y / y.sum(0) if self.head == "softmax" else y
            values = self.given({i: positive(sizes[n]) for i, n in graph.inputs.items()}, state, y)
            self.targets.append(y)
            *new, out = evaluate([*graph.roots, *(n.expr for n in graph.names)], values, self.matrices)[
                : len(graph.roots)
            ]
            self.pulls.append(torch.randn(out.shape, dtype=torch.float64))
            losses.append(self.loss(out, y))
            self.steps.append(values)
            state = dict(zip(state, new, strict=True))
        self.final = {k: torch.randn(v.shape, dtype=torch.float64) for k, v in state.items()}
        self.losses = torch.stack(losses).sum()
        self.total = self.losses + sum((self.final[k] * v).sum() for k, v in state.items())

    def loss(self, out: Tensor, y: Tensor) -> Tensor:
        if self.head is None:
            return (self.pulls[-1] * out).sum()
        logits = self.params["W_y"] @ out + self.params["b_y"]
        guess = logits.softmax(0) if self.head == "softmax" else logits.sigmoid()
        self.guesses.append((logits, guess))
        return -(y * guess.log()).sum() if self.head == "softmax" else binary_cross_entropy(guess, y, reduction="sum")

    def gradient(self, value: Tensor) -> Tensor:
        found = None
        if value.requires_grad:
            (found,) = torch.autograd.grad(self.total, value, retain_graph=True, allow_unused=True)
        return torch.zeros_like(value) if found is None else found


def evaluate_lines(lines: list[Line], run: Example) -> None:
    """Every line, from the last step to the first, compared with the forward values and autograd's gradients."""
    arriving = {intern("adjoint", (), s): g for s, g in run.final.items()}
    local = {n for line in lines for n in topological([line.expr]) if n.op == "adjoint" and not isinstance(n.attr, str)}
    sums: dict[Line, Tensor] = {}
    logits, guess = [line.target for line in lines if line.part == "loss"][:2] or (None, None)
    for t in reversed(range(STEPS)):
        values = dict(run.steps[t])
        if run.guesses:
            values |= {logits: run.guesses[t][0], guess: run.guesses[t][1]}
        known = {n: values[n] for n in values if not n.args} | arriving | dict.fromkeys(local, run.pulls[t])
        for line in lines:
            value = run_line(line.expr, known, run.matrices)
            if any(n.op == "total" for n in topological([line.expr])):
                sums[line] = sums.get(line, 0) + value
                continue
            known[line.target] = value
            if line.of is not None and line.part != "gradients":
                close(line, value, run.gradient(values[line.of]))
            elif line.expr.op == "columns":
                close(line, value, run.params[line.symbol.name])
            elif line.target in values or line.target.op == "alias":
                close(line, value, values[line.expr])
        arriving = {
            intern("adjoint", (), line.symbol.name): known[line.target] for line in lines if line.symbol.time == "t→t-1"
        }
    for line, value in sums.items():
        close(line, value, run.losses if line.of is None else run.gradient(run.params[line.symbol.name]))
    assert {line.symbol.name for line in sums if line.of is not None} <= set(run.params)


def close(line: Line, value: Tensor | float, truth: Tensor) -> None:
    """Equal to rounding (float64, a few hundred operations); a value without a batch collects its columns."""
    value = torch.as_tensor(value, dtype=torch.float64)
    if value.dim() == 2 and truth.dim() == 2 and truth.shape[1] == 1 and value.shape[1] != 1:
        value = value.sum(1, keepdim=True)
    value = value.reshape(truth.shape) if value.numel() == truth.numel() else value.expand_as(truth)
    assert torch.allclose(value, truth.detach(), rtol=1e-10, atol=1e-11), (plain([line]), value, truth)


@cells
@pytest.mark.parametrize("head", [None, "softmax", "sigmoid"])
def test_every_printed_line_is_true(name, head):
    lines = bptt(CELLS[name], head)
    evaluate_lines(lines, Example(CELLS[name], head, lines))


def test_a_wrong_line_is_noticed():
    lines = bptt(find("elman").graph)
    k = next(k for k, line in enumerate(lines) if line.part == "backward")
    lines[k] = replace(lines[k], expr=2 * lines[k].expr)
    with pytest.raises(AssertionError):
        evaluate_lines(lines, Example(find("elman").graph, None, lines))
