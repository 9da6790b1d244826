"""Equations as text: what is accepted, what is refused and how, and that nothing is ever executed."""

from __future__ import annotations

import ast
import builtins
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from rondo.cell import Cell, EquationError
from rondo.cells import find
from rondo.expr import lecture, parse, reader
from rondo.expr.graph import Graph
from rondo.expr.parse import parse_cell
from rondo.expr.reader import MAX_BYTES
from rondo.kernels import check, reference

GRU = """
def GRU(x: input, h: hidden):
    r = σ(W_r @ (h, x) + b_r)
    u = σ(W_u @ (h, x) + b_u)
    c = tanh(W_c @ (r * h, x) + b_c)
    return State(h=u * c + (1 - u) * h)
"""

# The lecture's lines (its items 2, 5, 9, 10) as they stand, and the states and names that they mean.
LECTURE = {
    "basic unit": (
        "a<t> = g1(W_aa a<t-1> + W_ax x<t> + b_a), ŷ<t> = g2(W_ya a<t> + b_y)",
        ["a"],
        ["W_aa", "W_ax", "b_a"],
    ),
    "characters": ("h_t = tanh(W_hh h_{t-1} + W_xh x_t)", ["h"], ["W_hh", "W_xh"]),
    "simplified GRU": (
        "c̃ = tanh(W_c[c<t-1>, x<t>] + b_c)\nΓ_u = σ(W_u[c<t-1>, x<t>] + b_u)\nc = Γ_u * c̃ + (1 - Γ_u) * c<t-1>",
        ["c"],
        ["W_c", "b_c", "W_u", "b_u"],
    ),
    "full GRU": (
        "c̃ = tanh(W_c[Γ_r * c<t-1>, x] + b_c), Γ_u = σ(W_u[c<t-1>, x] + b_u), Γ_r = σ(W_r[c<t-1>, x] + b_r), "
        "c = Γ_u * c̃ + (1 - Γ_u) * c<t-1>, a = c.",
        ["c"],
        ["W_u", "b_u", "W_r", "b_r", "W_c", "b_c"],
    ),
    "LSTM": (
        "c̃<t> = tanh(W_c[a<t-1>, x<t>] + b_c)\nΓ_u = σ(W_u[a<t-1>, x<t>] + b_u)\nΓ_f = σ(W_f[a<t-1>, x<t>] + b_f)\n"
        "Γ_o = σ(W_o[a<t-1>, x<t>] + b_o)\nc<t> = Γ_u ∘ c̃<t> + Γ_f ∘ c<t-1>\na<t> = Γ_o ∘ tanh(c<t>)",
        ["a", "c"],
        ["W_c", "b_c", "W_u", "b_u", "W_f", "b_f", "W_o", "b_o"],
    ),
    "LSTM without tanh": (
        "Γ_u = σ(W_u[a⟨t−1⟩, x⟨t⟩] + b_u)\nΓ_f = σ(W_f[a⟨t−1⟩, x⟨t⟩] + b_f)\nΓ_o = σ (W_o[a⟨t−1⟩, x⟨t⟩] + b_o)\n"
        "c̃_t = tanh(W_c[a^{<t-1>}, x^{<t>}] + b_c)\nc = Γ_u * c̃ + Γ_f * c<t-1>\na = Γ_o * c",
        ["a", "c"],
        ["W_u", "b_u", "W_f", "b_f", "W_o", "b_o", "W_c", "b_c"],
    ),
}


def lines(name: str) -> list[str]:
    return LECTURE[name][0].split("\n")


def refused(text: object, *words: str, **more: object) -> str:
    with pytest.raises(EquationError) as error:
        parse_cell(text, **more)  # type: ignore[arg-type]
    for word in words:
        assert word in str(error.value)
    return str(error.value)


def one_line(equation: str) -> str:
    return f"def Test(x, h):\n    a = {equation}\n    return State(h=tanh(W @ x + h + a))\n"


# --- what is accepted ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", LECTURE)
def test_the_lecture_pastes_in(name: str) -> None:
    text, states, params = LECTURE[name]
    graph = parse_cell(text)
    assert (list(graph.states), list(graph.params)) == (states, params)
    assert graph.output is graph.updates[states[0]]
    assert parse_cell(text).output is graph.output


@pytest.mark.parametrize("name", [n for n in LECTURE if "\n" in LECTURE[n][0]])
def test_lines_in_any_order_mean_the_same(name: str) -> None:
    want = parse_cell(LECTURE[name][0])
    for k in range(1, len(lines(name))):
        turned = parse_cell("\n".join(lines(name)[k:] + lines(name)[:k]))
        assert turned.updates == want.updates
        assert turned.output is want.output


def run(graph: Graph, params: dict[str, torch.Tensor]) -> torch.Tensor:
    x = torch.linspace(-1, 1, 24, dtype=torch.float64).reshape(2, 4, 3)
    state = {s: torch.zeros(2, 5, dtype=torch.float64) for s in graph.states}
    (i,) = graph.inputs
    return reference.scan(graph, params, {i: x}, state)[0]


@pytest.mark.parametrize(
    ("name", "cell", "gates"),
    [
        ("simplified GRU", "gru-simple", {"u": "u", "c": "c"}),
        ("full GRU", "gru-cho", {"r": "r", "u": "u", "c": "c"}),
        ("LSTM", "lstm", {"u": "i", "f": "f", "o": "o", "c": "g"}),
        ("LSTM without tanh", "lstm-no-tanh", {"u": "i", "f": "f", "o": "o", "c": "g"}),
    ],
)
def test_the_lecture_computes_what_the_shipped_cell_does(name: str, cell: str, gates: dict[str, str]) -> None:
    graph, want = parse_cell(LECTURE[name][0]), find(cell).graph
    k = check.case(graph, 1, 1, {"input": 3, "hidden": 5})
    split = {}
    for theirs, ours in gates.items():
        stacked = k.params[f"W_{theirs}"]
        split |= {f"U_{ours}": stacked[:, :5], f"W_{ours}": stacked[:, 5:], f"b_{ours}": k.params[f"b_{theirs}"]}
    torch.testing.assert_close(run(graph, k.params), run(want, split), rtol=0, atol=1e-14)


def test_function_form() -> None:
    graph = parse_cell(GRU)
    assert graph.name == "GRU"
    assert [(n.name, n.line) for n in graph.names] == [("r", 3), ("u", 4), ("c", 5)]
    assert graph.params["W_r"].cols == ("hidden", "input")
    assert parse_cell(GRU.replace("σ", "sigmoid")).output is graph.output
    assert Cell.parse(GRU).graph.output is graph.output


def test_loops_constants_families_and_sizes() -> None:
    text = """
def Deep(x: input, h: hidden, q: small):
    '''Sätze, 中文, # and "quotes" may stand here.'''   # and here: ж
    for k in range(depth):
        h = h + tanh(R[k] @ h + b[k]) / 2
    for k in range(4, 0, -2):
        h = h - k * (V[k] @ q)
    return State(h=h, q=scale * (A @ h)), B @ q
"""
    graph = parse_cell(text, constants={"depth": 2, "scale": 0.5}, shapes={"B": ("out", "small")})
    assert list(graph.params) == ["R_0", "b_0", "R_1", "b_1", "V_4", "V_2", "A", "B"]
    assert [n.name for n in graph.names] == ["h", "h_2", "h_3", "h_4"]
    assert graph.output_size == "out"
    assert graph.doc.startswith("Sätze")
    assert graph.inputs == {"x": "input"}


def test_every_function_and_operator() -> None:
    text = """def All(x, h):
    a = where(x < h, abs(x), relu(h)) + where(x >= h, 1, 2) + where(x > h, x, 0) + where(x <= 0.5, x, h)
    b = exp(-a) + log(1 + exp(+a)) + softplus(a) - sqrt(a * a + 1) / 2
    return State(h=minimum(maximum(tanh(norm(b)), sigmoid(b)), 1 / (1 + 1)))"""
    graph = parse_cell(text)
    k = check.case(graph, 3, 2, {"hidden": 4})
    want = check.gradients_by_autograd(graph, k, reference.scan)
    got = check.bptt(graph, k.params, k.x, k.state, k.grad_y, k.grad_state)
    assert check.agreement(got, want) <= 1e-10


def test_words_of_other_languages_are_plain_names() -> None:
    text = "def int(x, h):\n    double = σ(struct @ x + b_template)\n    return State(h=double * h + this @ x)"
    graph = parse_cell(text)
    assert (graph.name, list(graph.params)) == ("int", ["struct", "b_template", "this"])


def test_line_ends_of_every_kind() -> None:
    assert parse_cell(GRU.replace("\n", "\r\n")).output is parse_cell(GRU).output
    assert parse_cell(GRU.replace("\n", "\r")).output is parse_cell(GRU).output


def test_states_say_their_sizes_and_order() -> None:
    text = "c = c<t-1> + W_c[d<t-1>, x]\nd = V c<t-1>"
    graph = parse_cell(text, states={"d": "small", "c": "hidden"})
    assert graph.states == {"d": "small", "c": "hidden"}
    refused(text, "leaves out d", states={"c": "hidden"})
    refused(text, "'e' is never used", states={"c": "hidden", "d": "hidden", "e": "hidden"})
    refused(GRU, "'k' is named", states={"k": "hidden"})


# --- what is refused -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("equation", "words"),
    [
        ("x.real", ["line 2: a = x.real", "attribute access"]),
        ("x.__class__.__base__", ["attribute access"]),
        ("print(x)", ["unknown function 'print'"]),
        ("eval('1')", ["unknown function 'eval'"]),
        ("__import__('os')", ["unknown function"]),
        ("tanh(x)(x)", ["only the functions"]),
        ("(lambda: x)()", ["only the functions"]),
        ("lambda: x", ["a lambda"]),
        ("[x for x in h]", ["Python's ListComp"]),
        ("{x}", ["Python's Set"]),
        ("x if h else x", ["where(a < b, x, y)"]),
        ("x and h", ["and/or"]),
        ("(y := x)", ["Python's NamedExpr"]),
        ("f'{x}'", ["a string"]),
        ("'x'", ["only numbers"]),
        ("b'x'", ["only numbers"]),
        ("True", ["found bool"]),
        ("None", ["only numbers"]),
        ("...", ["only numbers"]),
        ("1j * x", ["found complex"]),
        ("x ** 2", ["the operator Pow"]),
        ("x // h", ["the operator FloorDiv"]),
        ("~x", ["only - and +"]),
        ("not x", ["only - and +"]),
        ("x < h", ["line 3", "first argument of where"]),
        ("where(x < h < x, x, h)", ["a comparison is one of"]),
        ("where(x == h, x, h)", ["a comparison is one of"]),
        ("where(1 < 2, x, h)", ["write the result"]),
        ("where(x, x, h)", ["must be a comparison"]),
        ("x, h", ["a tuple"]),
        ("x[0]", ["only a parameter can stand before"]),
        ("R[0.5] @ x", ["whole number"]),
        ("R[0:1] @ x", ["Slice"]),
        ("W @ (*x, h)", ["Starred"]),
        ("x @ h", ["left side of @"]),
        ("x * W @ h", ["left side of @", "a * (W @ v)"]),
        ("tanh(x, h)", ["takes 1 argument"]),
        ("tanh(v=x)", ["takes 1 argument"]),
        ("tanh(*x)", ["Starred"]),
        ("tanh + x", ["write tanh(...)"]),
        ("State(h=x)", ["unknown function 'State'"]),
        ("liner + x", ["line 2", "unknown name 'liner'"]),
        ("liner", ["line 2", "unknown name 'liner'"]),
        ("__b + x", ["cannot begin with __"]),
        ("1e31 * x", ["too large"]),
        ("1" + "0" * 40, ["too large"]),
        ("9" * 5000, ["line 2"]),
        ("1e999", ["too large"]),
        ("1e30 * 1e30 * x", ["too large"]),
        ("1 / 0 * x", ["no finite value"]),
        ("x / (1 - 1)", ["division by the number 0"]),
        ("(" * 150 + "x" + ")" * 150, ["nested 150 deep"]),
        ("-" * 2000 + "x", ["equations"]),
        ("x" + " + x" * 500, ["nested deeper"]),
        ("x" + ".a" * 3000, ["equations"]),
        ("ｔanh(x)", ["FULLWIDTH LATIN SMALL LETTER T"]),
        ("tаnh(x)", ["CYRILLIC SMALL LETTER A"]),
        ("Α @ x", ["GREEK CAPITAL LETTER ALPHA"]),
        ("x\u200b", ["ZERO WIDTH SPACE"]),
        ("x\u202e", ["RIGHT-TO-LEFT OVERRIDE"]),
        ("x\0", ["not allowed"]),
        ("é @ x", ["COMBINING ACUTE ACCENT"]),
        ("x $ h", ["line 2"]),
        ("x +", ["line 2"]),
        ("await x", ["line 2"]),
        ("(yield x)", ["Yield"]),
    ],
)
def test_faulty_equations(equation: str, words: list[str]) -> None:
    assert len(refused(one_line(equation), *words)) < 1000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", ["no equations found"]),
        ("# nothing", ["no equations found"]),
        (b"h = 1", ["equations are text, found bytes"]),
        (None, ["found NoneType"]),
        ("import os", ["name = equation"]),
        ("def f(x, h): pass", ["must be return State"]),
        ("def f(x, h): return h", ["return State(h=...)"]),
        ("def f(x, h): return State(h)", ["return State(h=...)"]),
        ("def f(x, h): return State(**h)", ["return State(h=...)"]),
        ("def f(x, h): return State(h=h, h=x)", ["return State(h=...)"]),
        ("def f(x, h): return State(k=h)", ["'k' is named", "no argument of f"]),
        ("def f(x, h): return State(h=foo)", ["line 1", "unknown name 'foo'"]),
        ("def f(x, h): return State(h=x)", ["never used"]),
        ("def f(h): return State(h=tanh(h))", ["reads no input"]),
        ("def f(x, x, h): return State(h=tanh(h))", ["stands twice"]),
        ("def f(x, h=1): return State(h=x)", ["plain arguments only"]),
        ("def f(*x, h): return State(h=x)", ["plain arguments only"]),
        ("def f(x, h) -> exec('1'): return State(h=x)", ["plain arguments only"]),
        ("def f(x: exec('1'), h): return State(h=x)", ["must be a plain name"]),
        ("@exec\ndef f(x, h): return State(h=x)", ["plain arguments only"]),
        ("async def f(x, h): return State(h=x)", ["name = equation"]),
        ("def f(x, h): return State(h=x)\nf(1, 2)", ["one function and nothing else"]),
        ("def f(x, tanh): return State(tanh=x)", ["'tanh' cannot be assigned"]),
        ("def f(x, __h): return State(__h=x)", ["cannot be assigned"]),
        ("def f(x, h):\n    import os\n    return State(h=h)", ["line 2: import os", "name = equation"]),
        ("def f(x, h):\n    while x: pass\n    return State(h=h)", ["name = equation"]),
        ("def f(x, h):\n    h += x\n    return State(h=h)", ["name = equation"]),
        ("def f(x, h):\n    h[0] = x\n    return State(h=h)", ["name = equation"]),
        ("def f(x, h):\n    a, b = x, h\n    return State(h=h)", ["name = equation"]),
        ("def f(x, h):\n    tanh = x\n    return State(h=h)", ["'tanh' cannot be assigned"]),
        ("def f(x, h):\n    for k in h: a = x\n    return State(h=h)", ["for k in range(n)"]),
        ("def f(x, h):\n    for k in range(h): a = x\n    return State(h=h)", ["whole numbers"]),
        ("def f(x, h):\n    for k in range(1.5): a = x\n    return State(h=h)", ["whole numbers"]),
        ("def f(x, h):\n    for k in range(1, 5, 0): a = x\n    return State(h=h)", ["whole numbers"]),
        ("def f(x, h):\n    for k in range(1e20): a = x\n    return State(h=h)", ["over 100 rounds"]),
        ("def f(x, h):\n    for k in range(-1e29, 1e29): a = x\n    return State(h=h)", ["over 100 rounds"]),
        ("def f(x, h):\n    for tanh in range(2): a = x\n    return State(h=h)", ["cannot be assigned"]),
        (
            "def f(x, h):\n    for i in range(100):\n        for j in range(100):\n            h = h * x\n"
            "    return State(h=h)",
            ["line 4", "over 1000"],
        ),
        ("h = tanh(W x)", ["nothing is carried"]),
        ("h = tanh(W x + U c<t-1>)", ["c<t-1> is read but c<t> is never computed"]),
        ("h = h + W x + h<t-1>", ["did you mean <t-1>"]),
        ("h = h<t-1> + x\nh = x", ["line 2", "'h' is given already"]),
        ("x = h<t-1>\nh = x", ["line 1", "'x' is given already"]),
        ("h<t-1> = x\nh = h<t-1>", ["line 1", "is given already"]),
        ("h == h<t-1>", ["name = equation"]),
        ("h = tanh(W x + h<t-1>", ["line 1"]),
        ("h = h<t-1> + foo", ["line 1: h = h<t-1> + foo", "unknown name 'foo'"]),
        ("\nh = h<t-1> + x.y", ["line 2", "attribute access"]),
        ("Γ_f, Γ_u = σ(W[h<t-1>, x] + b)\nh = h<t-1> * Γ_f", ["line 1", "one for each name"]),
        ("ŷ = g2(V h + foo)\nh = tanh(W x + h<t-1>)", ["line 1", "unknown name 'foo'"]),
        ("'\nж = x\n'\nh = h<t-1> + x", ["CYRILLIC"]),
        ("# fine: ж\rж = x", ["line 2", "CYRILLIC"]),
        ("'#'\nh = ж", ["CYRILLIC"]),
        ("h" * (MAX_BYTES + 1), ["16 KB"]),
        ("ж" * (MAX_BYTES // 2 + 1), ["16 KB"]),
        ("h = \ud800", ["not allowed"]),
    ],
)
def test_faulty_texts(text: object, words: list[str]) -> None:
    assert len(refused(text, *words)) < 1000


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"constants": {"k": float("nan")}}, "the constant k"),
        ({"constants": {"k": 10**400}}, "the constant k"),
        ({"constants": {"k": "3"}}, "must be a number, found str"),
        ({"constants": {"k": True}}, "must be a number"),
        ({"constants": {"x": 1}}, "is a constant too"),
        ({"shapes": {"W_r": 3}}, "names of sizes"),
        ({"shapes": {"W_r": ()}}, "names of sizes"),
        ({"shapes": {"W_r": ("hidden", 3, "input")}}, "a size is a plain name"),
        ({"shapes": {"Q": ("hidden",)}}, "shapes names 'Q'"),
        ({"states": {"h": "os.system"}}, "a size is a plain name"),
        ({"states": {"h": "1"}}, "a size is a plain name"),
    ],
)
def test_faulty_data_beside_the_text(more: dict[str, object], words: str) -> None:
    refused(GRU, words, **more)


def test_many_short_lines_are_read_in_time() -> None:
    """A chain as long as the limits allow takes well under a second: no step is quadratic in the text."""
    text = (
        "def f(x, h):\n"
        + "".join(f"    a{k} = {f'a{k - 1}' if k else 'h'}*x\n" for k in range(800))
        + "    return State(h=a799)"
    )
    assert len(parse_cell(text).names) == 800


# --- nothing is executed -------------------------------------------------------------------------


@pytest.fixture
def sentinel(monkeypatch: pytest.MonkeyPatch) -> None:
    """Running anything fails the test: the parser may only build syntax trees."""
    real = compile

    def tree_only(*args: object, **more: object) -> object:
        flags = more.get("flags", args[3] if len(args) > 3 else 0)
        assert flags == ast.PyCF_ONLY_AST, "text was compiled"
        return real(*args, **more)  # type: ignore[call-overload]

    def never(*args: object, **more: object) -> None:
        raise AssertionError("text was executed")

    monkeypatch.setattr(builtins, "compile", tree_only)
    for name in ("eval", "exec", "open", "input", "print"):
        monkeypatch.setattr(builtins, name, never)


def accepted_or_refused(text: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # Python's remarks on "1if" or "\\d"
        try:
            assert isinstance(parse_cell(text), Graph)
        except EquationError as error:
            assert str(error)  # noqa: PT017


HOSTILE = [
    "__import__('os').system('true')",
    "exec('1')",
    "eval('1')",
    "print(1)",
    "open('/dev/null')",
    "x.__class__.__mro__",
    "().__class__",
    "[*h]",
    "tanh.__globals__",
    "(lambda: 1)()",
    "input()",
]
PLACES = [one_line("{}"), "{}", "h = {} + h<t-1>", "{} = h<t-1>", "def f(x: {}, h): return State(h=h)"]
VALID = [GRU, *(text for text, _, _ in LECTURE.values())]
TOKENS = [
    *"()[]{}<>=+-*/@.,:;#'\"\\~%&|^ \n\t\r",
    "    ",
    "<t-1>",
    "<t>",
    "def ",
    "return ",
    "State",
    "for k in range(",
    "\0",
]
TOKENS += [
    "x",
    "h",
    "c̃",
    "ŷ",
    "Γ_u",
    "σ",
    "W",
    "tanh(",
    "where(",
    "1e9",
    "0x",
    "9" * 60,
    "λ",
    "ж",
    "é",
    "lambda",
    "=",
    *HOSTILE,
]


@st.composite
def mutated(draw: Callable[..., object]) -> str:
    """A valid text with a few pieces cut out, doubled, or replaced."""
    text = str(draw(st.sampled_from(VALID)))
    for _ in range(int(str(draw(st.integers(1, 4))))):
        at = int(str(draw(st.integers(0, len(text)))))
        cut = int(str(draw(st.integers(0, 8))))
        text = text[:at] + str(draw(st.sampled_from(TOKENS))) + text[at + cut :]
    return text


@pytest.mark.usefixtures("sentinel")
@pytest.mark.parametrize("hostile", HOSTILE)
@pytest.mark.parametrize(
    "place", [one_line("{}"), "{}", "h = {} + h<t-1>", "{} = h<t-1>", "def f(x: {}, h): return State(h=h)"]
)
def test_hostile_text_is_refused(hostile: str, place: str) -> None:
    with pytest.raises(EquationError):
        parse_cell(place.format(hostile))


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=200))
@example("def")
@example("\\")
@example("def f(x,h):\n\treturn State(h=h\n)")
def test_any_text_gives_a_graph_or_an_equation_error(text: str) -> None:
    accepted_or_refused(text)


@settings(max_examples=400, deadline=None)
@given(mutated())
def test_mutated_text_gives_a_graph_or_an_equation_error(text: str) -> None:
    accepted_or_refused(text)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=40).map("".join))
def test_token_soup_gives_a_graph_or_an_equation_error(text: str) -> None:
    accepted_or_refused(text)


def test_the_parser_never_names_what_executes() -> None:
    """No eval, exec, compile, __import__ or getattr on a name from the text in the parser's source."""
    called = set()
    for module in (parse, reader, lecture):
        tree = ast.parse(Path(module.__file__).read_text("utf-8"))
        called |= {n.func.id for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    assert not called & {"eval", "exec", "compile", "__import__", "setattr", "globals", "locals", "vars", "open"}


def test_depth_just_below_the_limit_is_read() -> None:
    graph = parse_cell(one_line("-" * 90 + "(x * h)"))
    assert graph.params.keys() == {"W"}
