"""From nodes to layout: one table op -> layout, and how a notation writes a symbol.

"lecture"  a<t>, c<t-1>, x<t> as superscripts in angle brackets, gates Γ_u, candidates with a tilde, ∘
"paper"    h_t, h_{t-1}, x_t, gates u_t, ⊙
"names"    the names as the equations spell them, with the lecture's time: for the terminal
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

from rondo.expr.graph import nearest
from rondo.expr.nodes import Block, EquationError, Expr, topological
from rondo.render.layout import (
    ACCENTS,
    GREEK,
    Accent,
    Apply,
    Cases,
    Fence,
    Frac,
    Group,
    Id,
    Layout,
    Op,
    Root,
    Row,
    Script,
    Sign,
    Time,
    Times,
    Word,
    row,
)
from rondo.render.lines import CANDIDATE, GATE, INPUT, PARAMETER, TIMED, Line, Symbol, leaf_symbol
from rondo.render.text import number, stacked


@dataclass(frozen=True)
class Notation:
    """times: the elementwise product; subscript: time as an index, on locals too; gates: Γ_u for the gate u;
    letters: what some names become; bracket: around the operand of a product."""

    times: str
    subscript: bool
    gates: bool
    letters: tuple[tuple[str, str], ...]
    bracket: tuple[str, str]


NOTATIONS = {
    "lecture": Notation("∘", False, True, (("h", "a"), ("g", "c")), ("[", "]")),
    "paper": Notation("⊙", True, False, (), ("(", ")")),
    "names": Notation("∘", False, False, (), ("[", "]")),
}
GREEK_WORDS = {name: letter for letter, name in GREEK.items() if len(name) > 3}  # g_xi is more often x and i than ξ


def notation_of(name: str) -> Notation:
    if name not in NOTATIONS:
        raise EquationError(f"no notation is called {name!r}{nearest(name, list(NOTATIONS))}")
    return NOTATIONS[name]


# --- symbols ---------------------------------------------------------------------------------------


def letter(word: str) -> Layout:
    """One part of a name: h2 has the index 2, alpha is α."""
    match = re.fullmatch(r"(.*\D)(\d+)", word)
    if match:
        return Script(letter(match[1]), (Word(match[2]),))
    return Word(word) if word.isdigit() else Id(GREEK_WORDS.get(word, word))


@functools.lru_cache(4096)
def spelled(name: str) -> Script:
    """A name as base and indices, accents included: c_tilde is c̃, W_c is W with index c."""
    base, *rest = [p for p in name.split("_") if p] or [name]
    accents = [p for p in rest if p in ACCENTS]
    head = letter(base)
    for mark in accents:
        head = Accent(head, mark)
    inner = head if isinstance(head, Script) else Script(head)
    return replace(inner, sub=(*inner.sub, *(letter(p) for p in rest if p not in ACCENTS)))


def powered(base: Layout, sup: Layout) -> Layout:
    """A superscript; a square of what has one already stands outside of brackets, a transposition joins it."""
    if not isinstance(base, Script):
        return Script(base, (), (sup,))
    if base.sup and sup == Sign("²"):
        return Script(Fence("(", base, ")"), (), (sup,))
    return replace(base, sup=(*base.sup, sup))


class Typesetter:
    """Turns the nodes of some lines into layout: `symbols` names nodes, `index` is the unit inside a sum over units."""

    def __init__(self, lines: Sequence[Line], notation: Notation, index: str = "") -> None:
        self.notation, self.index = notation, index
        self.written: dict[Symbol, Layout] = {}
        self.symbols: dict[Expr, Symbol] = {line.target: line.symbol for line in lines}
        used = {s.name for s in self.symbols.values()}
        candidates = {s.name for s in self.symbols.values() if s.role == CANDIDATE}
        taken = {"h": used, "g": candidates}  # the candidate g may be c̃ beside a state c
        self.letters = {a: b for a, b in notation.letters if b not in taken[a] and (a != "g" or a in candidates)}
        self.parameters = {p for node in topological(line.expr for line in lines) for p in _parameter(node)}

    def at(self, index: str) -> Typesetter:
        """The same inside a sum over units."""
        other = Typesetter((), self.notation, index)
        other.symbols, other.letters, other.parameters = self.symbols, self.letters, self.parameters
        return other

    # symbols

    def symbol(self, s: Symbol) -> Layout:
        """A symbol, each laid out once."""
        if s not in self.written:
            self.written[s] = self._symbol(s)
        return self.written[s]

    def _symbol(self, s: Symbol) -> Layout:
        plain = replace(s, form="")
        if s.form == "partial":
            return Frac(row(Sign("∂"), Id("L")), row(Sign("∂"), self.symbol(plain)), tight=True)
        if s.form == "local":
            loss = self.timed(Script(Id("L")), "t")
            return Frac(row(Sign("∂"), loss), row(Sign("∂"), self.symbol(plain)), tight=True)
        body = self.value(plain)
        return row(Sign("d"), body) if s.form == "d" else body

    def value(self, s: Symbol) -> Script:
        if s.role == PARAMETER:
            return self.parameter(s.name)
        name = s.name if s.role == INPUT else "_".join(self.letters.get(p, p) for p in s.name.split("_"))
        found = spelled(name)
        if s.role == CANDIDATE and name in ("c", "h", "a", "s"):
            found = replace(found, base=Accent(found.base, "tilde"))
        if s.role == GATE and self.notation.gates and not name.startswith("Γ"):
            found = Script(Id("Γ"), (found.base, *found.sub))
        if s.time and (self.notation.subscript or s.role in TIMED):
            found = self.timed(found, s.time)
        return replace(found, sub=(*found.sub, Id(self.index))) if self.index and s.time else found

    def parameter(self, name: str) -> Script:
        """W_g follows where the candidate g is written c̃, unless there is a W_c."""
        base, *rest = name.split("_")
        other = "_".join([base, *("c" if p == "g" and "g" in self.letters else p for p in rest)])
        return spelled(name if other in self.parameters else other)

    def block(self, block: Block) -> Script:
        """A matrix, or the columns of it that meet the j-th stacked vector: W_{u,1}."""
        found = self.parameter(block.name)
        return found if block.count == 1 else replace(found, sub=(*found.sub, Word(str(block.index + 1))))

    def timed(self, base: Script, time: str) -> Script:
        if self.notation.subscript:
            return replace(base, sub=(*base.sub, _step(time)))
        return replace(base, sup=(Time(time), *base.sup))

    # expressions

    def __call__(self, node: Expr, level: int = 0, top: bool = False) -> Layout:
        """The layout of a node, in brackets where it binds less than `level`. `top`: print the node, not its name."""
        layout, own = self.layout(node, top)
        if own >= level:
            return layout
        return Group(layout) if isinstance(layout, Frac) else Fence("(", layout, ")")

    def layout(self, node: Expr, top: bool = False) -> tuple[Layout, int]:
        symbol = self.symbols.get(node) if not top else None
        symbol = symbol or leaf_symbol(node)
        if symbol is not None:
            return self.symbol(symbol), PRODUCT if symbol.form == "local" else ATOM
        if stacked(node):
            return self.product(node)
        return SETTERS[node.op](self, node)

    def product(self, node: Expr) -> tuple[Layout, int]:
        """W x, W[a, x], or U[r ∘ h]."""
        found = stacked(node)
        assert found is not None
        name, parts = found
        return self.applied(self.parameter(name), parts)

    def applied(self, matrix: Layout, parts: tuple[Expr, ...]) -> tuple[Layout, int]:
        left, right = self.notation.bracket if len(parts) == 1 else ("[", "]")
        layouts = [self.layout(p) for p in parts]
        if len(parts) == 1 and layouts[0][1] >= ATOM:
            return row(matrix, Times(), layouts[0][0]), JOINED
        return row(matrix, Fence(left, listed([x for x, _ in layouts]), right)), JOINED

    def terms(self, node: Expr, top: bool, sign: int = 1) -> list[tuple[int, Expr]]:
        """A sum as signed terms."""
        if (not top and node in self.symbols) or stacked(node) or node.op not in ("add", "sub", "neg"):
            return [(sign, node)]
        signs = {"add": (sign, sign), "sub": (sign, -sign), "neg": (-sign,)}[node.op]
        return [t for a, s in zip(node.args, signs, strict=True) for t in self.terms(a, False, s)]

    def factors(self, node: Expr, top: bool) -> list[Expr]:
        if node.op != "mul" or (not top and node in self.symbols):
            return [node]
        return [f for a in node.args for f in self.factors(a, False)]


ATOM, JOINED, PRODUCT, SUM = 4, 3, 2, 1  # how tightly a piece binds; JOINED is a matrix product


def _parameter(node: Expr) -> Iterator[str]:
    if isinstance(node.attr, Block):
        yield node.attr.name
    elif node.op == "vector":
        yield str(node.attr)


def _step(time: str) -> Layout:
    """A time as an index: t-1, t+1→t."""
    pieces = re.findall(r"\w+|[^\w]", time)
    return row(*(Word(p) if p.isdigit() else Id(p) if p.isalpha() else Sign(p.replace("-", "−")) for p in pieces))


def listed(parts: Sequence[Layout]) -> Layout:
    """a, b, c."""
    return row(*[p for part in parts for p in (Op(","), part)][1:])


def _number(value: float) -> Layout:
    """A number; 1e-05 is written with a power of ten."""
    mantissa, _, exponent = number(value).partition("e")
    if not exponent:
        return Word(mantissa.replace("-", "−"))
    power = Script(Word("10"), (), (Word(str(int(exponent)).replace("-", "−")),))
    return power if mantissa == "1" else row(Word(mantissa), Op("·"), power)


def _sum(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    terms = go.terms(node, True)
    items: list[Layout] = []
    for sign, term in terms:
        if items:
            items.append(Op("+" if sign > 0 else "−"))
        elif sign < 0:
            items.append(Sign("−"))
        items.append(go(term, PRODUCT))
    return row(*items), SUM


def _mul(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    """Factors with the product sign between them; equal ones in a row become a square."""
    factors = sorted(go.factors(node, True), key=lambda f: f.op != "const")
    items: list[Layout] = []
    k = 0
    while k < len(factors):
        f, square = factors[k], factors[k + 1 : k + 2] == factors[k : k + 1]
        if items:
            before = factors[k - 1]
            items.append(Times() if go.index else Op("·" if "const" in (f.op, before.op) else go.notation.times))
        items.append(_square(go, f) if square else go(f, ATOM))
        k += 2 if square else 1
    return row(*items), PRODUCT if len(items) > 1 else ATOM


def _square(go: Typesetter, node: Expr) -> Layout:
    layout = go(node, ATOM)
    if isinstance(layout, Row) and isinstance(layout.items[0], Word) and isinstance(layout.items[1], Fence):
        return row(powered(layout.items[0], Sign("²")), *layout.items[1:])
    return powered(layout, Sign("²"))


def _div(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    over, under = (go.layout(a) for a in node.args)
    return Frac(_held(over, PRODUCT), _held(under, ATOM)), PRODUCT


def _held(part: tuple[Layout, int], level: int) -> Layout:
    return part[0] if part[1] >= level else Group(part[0])


def _call(word: str) -> Callable[[Typesetter, Expr], tuple[Layout, int]]:
    def set_call(go: Typesetter, node: Expr) -> tuple[Layout, int]:
        return row(Word(word), Fence("(", listed([go(a) for a in node.args]), ")")), ATOM

    return set_call


def _log(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    layout, _ = go.layout(node.args[0])
    body = row(Apply(), layout) if isinstance(layout, Script) else Fence("(", layout, ")")
    return row(Word("log"), body), ATOM


def _where(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    """Cases, or the indicator d ∘ 1[z > 0] where a derivative is switched off."""
    condition, yes, no = node.args
    if no.op == "const" and no.attr == 0 and yes.op == "adjoint":
        indicator = row(Word("1"), Fence("[", go(condition), "]"))
        return row(go(yes, JOINED), Op(go.notation.times), indicator), PRODUCT
    return Cases(go(condition), go(yes), go(no)), 0


def _compare(sign: str, flipped: str) -> Callable[[Typesetter, Expr], tuple[Layout, int]]:
    def set_compare(go: Typesetter, node: Expr) -> tuple[Layout, int]:
        a, b = node.args
        if a.op == "const":
            return row(go(b), Op(flipped), go(a)), 0
        return row(go(a), Op(sign), go(b)), 0

    return set_compare


def _transposed(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    assert isinstance(node.attr, Block)
    matrix = powered(go.block(node.attr), Sign("ᵀ"))
    layout, level = go.layout(node.args[0])
    if level >= ATOM:
        return row(matrix, Times(), layout), JOINED
    return row(matrix, Fence("(", layout, ")")), JOINED


def _outer(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    d, operand = node.args
    right = go(operand, ATOM)
    return row(go(d, ATOM), Times(), powered(right, Sign("ᵀ"))), JOINED


def _total(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    over = (Script(Sign("Σ"), (Id("t"),)), Apply(), Script(Sign("Σ"), (Id("b"),)), Apply())
    return row(*over, go(node.args[0], PRODUCT)), PRODUCT


def _over_units(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    return row(Script(Sign("Σ"), (Id("k"),)), Apply(), go.at("k")(node.args[0], PRODUCT)), PRODUCT


def _rstd(go: Typesetter, node: Expr) -> tuple[Layout, int]:
    spread = row(Word("var"), Fence("(", go(node.args[0]), ")"), Op("+"), Id("ε"))
    return Frac(Word("1"), Root(spread)), PRODUCT


Setter = Callable[[Typesetter, Expr], tuple[Layout, int]]

SETTERS: dict[str, Setter] = {
    "const": lambda go, n: (_number(n.attr), ATOM if float(n.attr) >= 0 else SUM),  # type: ignore[arg-type]
    **dict.fromkeys(("add", "sub", "neg"), _sum),
    "mul": _mul,
    "div": _div,
    **{op: _call(op) for op in ("tanh", "exp", "softplus", "norm", "mean", "softmax")},
    "sigmoid": _call("σ"),
    "relu": _call("ReLU"),
    "minimum": _call("min"),
    "maximum": _call("max"),
    "log": _log,
    "sqrt": lambda go, n: (Root(go(n.args[0])), ATOM),
    "clip_gradient": lambda go, n: go.layout(n.args[0]),  # a value is written; its limits stand in the adjoint
    "abs": lambda go, n: (Fence("|", go(n.args[0]), "|"), ATOM),
    "lt": _compare("<", ">"),
    "le": _compare("≤", "≥"),
    "where": _where,
    "rstd": _rstd,
    "matmul_t": _transposed,
    "mask": lambda go, n: (spelled(str(n.attr)), ATOM),
    "matrix": lambda go, n: (go.block(n.attr), ATOM),  # type: ignore[arg-type]
    "outer": _outer,
    "stack": lambda go, n: (Fence("[", listed([go(a) for a in n.args]), "]"), ATOM),
    "columns": lambda go, n: (Fence("[", listed([go(a) for a in n.args]), "]"), ATOM),
    "sum": _over_units,
    "total": _total,
}
