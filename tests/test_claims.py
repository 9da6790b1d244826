"""A person's derivatives read as text and compared with the derived ones; the derivation as a page shows it."""

from __future__ import annotations

import contextlib
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.cells import find, shipped
from rondo.expr.nodes import EquationError
from rondo.expr.parse import parse_cell
from rondo.kernels.claims import judge
from rondo.render.bptt import bptt
from rondo.render.claims import spelled_plainly
from rondo.render.faults import fault
from rondo.render.latex import plain
from rondo.render.reading import parameters, read, size_values
from rondo.render.text import equations

CHO = find("gru-cho").graph
NAMES = sorted(shipped())


def one(text: str, graph=CHO, head=None):
    """The verdict on one line."""
    (found,) = judge(graph, text, head)
    return found


# --- judging ---------------------------------------------------------------------------------------

CASES = [
    ("dz_u = du * u * (1 - u)", "right", ""),
    ("dz_u = du * u * (1 + u)", "wrong", ""),
    ("du = dh * (c - h)", "right", ""),
    ("dΓ_u = da<t> ∘ (c̃ − a<t-1>)", "right", ""),
    ("dc = -dh * u", "wrong", "sign"),
    ("dc = 3 * dh * u", "wrong", "factor"),
    ("dz_c = 1 - c * c", "wrong", "upstream"),
    ("dh = dh_loss", "wrong", "last"),
    ("dh<t> = dh_loss + dh_next", "right", ""),
    ("dh<t-1> = dh*(1-u) + U_u.T @ dz_u + U_r.T @ dz_r + r*(U_c.T @ dz_c)", "right", ""),
    ("dW_u = sum(dz_u @ x.T)", "right", ""),
    ("∂L/∂W_u = Σ_t Σ_b dz_u x<t>ᵀ", "right", ""),
    ("dW_u = dz_u @ x.T", "wrong", "sum"),
    ("dW_u = (u * (1 - u)) @ x.T", "wrong", "sum+"),
    ("db_r = sum(dz_r)", "right", ""),
    ("c = tanh(W_c @ x + r * (U_c @ h) + b_c)", "wrong", ""),
    ("mine = 2 * dh", "helper", ""),
]


@pytest.mark.parametrize(("text", "status", "hint"), CASES)
def test_a_line_is_judged(text, status, hint):
    found = one(text)
    assert (found.status, found.hint) == (status, hint)
    if status == "right":
        assert found.error < 1e-12
    if status == "wrong":
        assert found.error > 1e-2


def test_one_wrong_line_makes_no_other_wrong():
    text = "du = dh * (c + h)\nq = du * u\ndz_u = q * (1 - u)"
    assert [v.status for v in judge(CHO, text)] == ["wrong", "helper", "right"]


def test_the_input_of_another_step_is_noticed():
    elman = find("elman").graph
    line = "dh<t-1> = U.T @ (dh<t> * (1 - tanh(W @ {} + U @ h<t-1> + b) ** 2))"
    assert one(line.format("x<t-1>"), elman).status == "wrong"
    assert one(line.format("x<t>"), elman).status == "right"


def test_stacked_matrices_have_parts():
    graph = parse_cell("a<t> = tanh(W_a[a<t-1>, x<t>] + b_a)")
    assert one("da<t-1> = W_a_1.T @ dz_a", graph).status == "right"
    assert one("dW_a = sum(dz_a @ (a<t-1>, x<t>).T)", graph).status == "right"
    assert one("dW_a = sum(dz_a @ (x<t>, a<t-1>).T)", graph).status in ("wrong", "error")


ERRORS = [
    ("dz_u = dq * u", "unknown name 'dq'"),
    ("dz_u = du * x", "one side has size"),
    ("dz_u = W_u @ h", "the matrix takes size 'input', the vector has 'hidden'"),
    ("dz_u du", "a line must be name = derivative"),
    ("dz_u = sum(du)", "a quantity of one step"),
    ("dW_u = sum(x @ dz_u.T)", "it is transposed"),
    ("dz_u = __import__('os')", "unknown function '__import__'"),
    ("dz_u = du.real", "only .T"),
    ("dz_u = W_u", "stands alone"),
    ("db_u = sum(sum(dz_u))", "stands inside another"),
    ("db_u = sum(dz_u) * u", "added or scaled"),
    ("dz_u = (lambda: 1)()", "only the functions of the equation language"),
]


@pytest.mark.parametrize(("text", "message"), ERRORS)
def test_a_line_that_cannot_be_read_says_why_and_the_others_are_judged(text, message):
    bad, good = judge(CHO, f"{text}\ndu = dh * (c - h)")
    assert bad.status == "error"
    assert message in bad.message
    assert "line 1" in bad.message
    assert good.status == "right"


def test_no_line_at_all_is_refused():
    with pytest.raises(EquationError, match="no derivative found"):
        judge(CHO, "# nothing\n")


@pytest.mark.parametrize("name", NAMES)
def test_every_printed_line_can_be_pasted_and_is_right(name):
    graph = shipped()[name]().graph
    for notation, head in (("names", None), ("lecture", "sigmoid"), ("paper", "softmax")):
        printed = [line.strip() for line in plain(bptt(graph, head), notation).splitlines() if line.startswith("  ")]
        for k in range(0, len(printed), 50):
            found = judge(graph, "\n".join(printed[k : k + 50]), head)
            assert [v for v in found if v.status != "right"] == []


@given(st.text(max_size=200))
@settings(max_examples=150, deadline=None)
def test_any_text_is_judged_or_refused(text):
    with contextlib.suppress(EquationError):
        judge(find("elman").graph, f"dh = {text}")


def test_times_are_spelled():
    assert spelled_plainly("∂L/∂a<t> = da<t+1→t> + z_{u,t}") == "da__now = da__next + z_u__now"


# --- the reading -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("notation", ["lecture", "paper", "names"])
def test_a_reading_ties_every_adjoint_to_its_forward_line(name, notation):
    cell = shipped()[name]()
    text = equations(cell.graph)
    found = read(parse_cell(text), text, notation)
    rows = {f.id: f for f in found.formulas}
    for f in found.formulas:
        for piece in (f.left, *f.right):
            ElementTree.fromstring(piece)
        assert all(f.id in rows[twin].twins for twin in f.twins)
        if f.part in ("backward", "gradients"):
            assert any(rows[twin].part in ("equations", "names") for twin in f.twins), f.plain
        if f.part == "equations":
            assert f.lines
            assert all(1 <= n <= text.count("\n") for n in f.lines)
    assert found.output in {n.id for n in found.network}
    assert {n.state for n in found.network if n.state} == set(cell.graph.states)
    levels = {n.id: n.level for n in found.network}
    assert all(levels[r] < n.level for n in found.network for r in n.reads)


def test_a_long_right_side_comes_in_pieces():
    text = equations(CHO)
    row = next(f for f in read(parse_cell(text), text).formulas if f.name == "dh<t→t-1>")
    assert len(row.right) == 4
    assert all('<mo form="infix">' in piece for piece in row.right)


def test_parameters_are_counted_at_sizes():
    graph = parse_cell("a<t> = tanh(W_a[a<t-1>, x<t>] + b_a)")
    sizes = size_values(graph, {}, {"hidden": 3, "input": 2})
    assert [(p.name, p.shape, p.count) for p in parameters(graph, sizes)] == [
        ("W_a", "hidden × (hidden + input)", 15),
        ("b_a", "hidden", 3),
    ]


FAULTS = [
    ("def G(x: input, h: hidden):\n    u = sigmod(W @ x)\n    return State(h=u*h)", 2, "sigmoid", "是不是想写 sigmoid"),
    ("def G(x: input, h: hidden):\n    u = σ(W @ x\n    return State(h=u*h)", 2, "never closed", "没有合上"),
    (
        "def G(x: input, h: hidden, c: cell):\n    u = σ(W @ h + c)\n    return State(h=u*h, c=c)",
        3,
        "one side has size 'cell', the other 'hidden'",
        "一边大小是 'cell'，另一边是 'hidden'",
    ),
    ("a<t> = tanh(W a<t-1> + b)\nc<t> = a<t> + x<t-1>", 2, "x<t> is never computed", "没有算出 x<t>"),
    ("a<t> = tanh(W_a a<t-1> + 3", 1, "never closed", "没有合上"),
    ("def G(x: input, h: hidden):\n    return State(h=σ(q * h))", 2, "unknown name 'q'", "未知的名字 q"),
    ("def G(x: input, h: hidden):\n    u = σ(W_u @ x)\n    return State(h=u)", 1, "never used", "从没有用到"),
    ("ы = 1", 1, "is not allowed", "不能有字符"),
    ("", 0, "no equations found", "没有找到式子"),
]


@pytest.mark.parametrize(("text", "line", "english", "chinese"), FAULTS)
def test_a_fault_names_its_line_in_both_languages(text, line, english, chinese):
    with pytest.raises(EquationError) as caught:
        parse_cell(text)
    found = fault(caught.value, text)
    assert found.line == line
    assert english in found.english
    assert chinese in found.chinese
    assert found.both == f"{found.chinese} / {found.english}"
