"""Formulas as a small layout tree, and its three printers: LaTeX, MathML, and plain Unicode for a terminal."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any
from unicodedata import normalize
from xml.sax.saxutils import escape


@dataclass(frozen=True)
class Layout:
    """A piece of a formula."""


@dataclass(frozen=True)
class Id(Layout):
    """A variable's letter or word."""

    text: str


@dataclass(frozen=True)
class Word(Layout):
    """An upright word: the name of a function, a number."""

    text: str


@dataclass(frozen=True)
class Op(Layout):
    """An operator between two operands."""

    text: str


@dataclass(frozen=True)
class Sign(Layout):
    """An operator before its operand, or a mark without space around it."""

    text: str


@dataclass(frozen=True)
class Times(Layout):
    """The product that is written as nothing: W x."""


@dataclass(frozen=True)
class Apply(Layout):
    """A function or a sum sign before what it applies to, without brackets: log ŷ."""


@dataclass(frozen=True)
class Row(Layout):
    items: tuple[Layout, ...]


@dataclass(frozen=True)
class Script(Layout):
    """A base with index and superscripts; a superscript that is a time stands in angle brackets."""

    base: Layout
    sub: tuple[Layout, ...] = ()
    sup: tuple[Layout, ...] = ()


@dataclass(frozen=True)
class Time(Layout):
    """A step in the lecture's brackets: <t>, <t-1>."""

    text: str


@dataclass(frozen=True)
class Accent(Layout):
    base: Layout
    mark: str


@dataclass(frozen=True)
class Frac(Layout):
    """A fraction; a tight one is printed without spaces where there is no bar: ∂L/∂h."""

    over: Layout
    under: Layout
    tight: bool = False


@dataclass(frozen=True)
class Root(Layout):
    body: Layout


@dataclass(frozen=True)
class Fence(Layout):
    left: str
    body: Layout
    right: str


@dataclass(frozen=True)
class Group(Layout):
    """Brackets that only plain text needs, where there is no fraction bar to hold things together."""

    body: Layout


@dataclass(frozen=True)
class Cases(Layout):
    """`yes` where the condition holds, else `no`."""

    condition: Layout
    yes: Layout
    no: Layout


def row(*items: Layout) -> Layout:
    return items[0] if len(items) == 1 else Row(items)


Printer = Callable[[Any, Callable[[Layout], str]], str]


def print_layout(layout: Layout, table: dict[type, Printer]) -> str:
    """The tree printed by one table: kind of layout -> text, given the piece and a function that prints its parts."""
    return table[type(layout)](layout, lambda part: print_layout(part, table))


# --- LaTeX -----------------------------------------------------------------------------------------

_GREEK = (
    "Γ Gamma Δ Delta Θ Theta Λ Lambda Ξ Xi Π Pi Σ Sigma Φ Phi Ψ Psi Ω Omega "
    "α alpha β beta γ gamma δ delta ε epsilon ζ zeta η eta θ theta ι iota κ kappa λ lambda μ mu "
    "ν nu ξ xi π pi ρ rho σ sigma ς varsigma τ tau υ upsilon φ phi χ chi ψ psi ω omega"
)
GREEK = dict(zip(_GREEK.split()[::2], _GREEK.split()[1::2], strict=True))
LATEX_LETTERS = {letter: f"\\{name}" for letter, name in GREEK.items()} | {"ε": r"\varepsilon", "φ": r"\varphi"}
LATEX_SIGNS = {
    "∘": r"\circ",
    "⊙": r"\odot",
    "·": r"\cdot",
    "−": "-",
    "→": r"\to",
    "≤": r"\le",
    "∂": r"\partial ",
    "Σ": r"\sum",
    "ᵀ": r"\top",
    "²": "2",
    "d": r"\mathrm{d}",
}
LATEX_WORDS = {"tanh": r"\tanh", "exp": r"\exp", "log": r"\log", "max": r"\max", "min": r"\min", "σ": r"\sigma"}
ACCENTS = {  # name -> LaTeX command, MathML mark, combining character
    "tilde": (r"\tilde", "~", "\u0303"),
    "hat": (r"\hat", "^", "\u0302"),
    "bar": (r"\bar", "¯", "\u0304"),
    "dot": (r"\dot", "˙", "\u0307"),
}


def _latex_id(n: Id) -> str:
    if n.text in LATEX_LETTERS:
        return LATEX_LETTERS[n.text]
    text = n.text.replace("_", r"\_")
    word = "".join(f"{LATEX_LETTERS[c]} " if c in LATEX_LETTERS else c for c in text)
    return word if len(text) == 1 else rf"\mathrm{{{word}}}"


def _latex_word(n: Word) -> str:
    if n.text in LATEX_WORDS:
        return LATEX_WORDS[n.text]
    return n.text.replace("−", "-") if not n.text[0].isalpha() else rf"\operatorname{{{n.text}}}"


def _latex_script(n: Script, go: Callable[[Layout], str]) -> str:
    sub = "_{" + ",".join(map(go, n.sub)) + "}" if n.sub else ""
    sup = "^{" + "".join(map(go, n.sup)) + "}" if n.sup else ""
    return go(n.base) + sub + sup


def _latex_row(items: Sequence[Layout], go: Callable[[Layout], str]) -> str:
    """A row; a command that ends in a letter keeps its space before a letter."""
    text = ""
    for part in map(go, items):
        if text and part and text[-1].isalpha() and part[0].isalpha() and "\\" in text.split(" ")[-1]:
            text += " "
        text += part
    return text


LATEX: dict[type, Printer] = {
    Id: lambda n, go: _latex_id(n),
    Word: lambda n, go: _latex_word(n),
    Op: lambda n, go: ", " if n.text == "," else f" {LATEX_SIGNS.get(n.text, n.text)} ",
    Sign: lambda n, go: LATEX_SIGNS.get(n.text, n.text),
    Times: lambda n, go: r"\,",
    Apply: lambda n, go: " ",
    Row: lambda n, go: _latex_row(n.items, go),
    Script: _latex_script,
    Time: lambda n, go: r"\langle " + n.text.replace("→", r" \to ") + r" \rangle",
    Accent: lambda n, go: f"{ACCENTS[n.mark][0]}{{{go(n.base)}}}",
    Frac: lambda n, go: rf"\frac{{{go(n.over)}}}{{{go(n.under)}}}",
    Root: lambda n, go: rf"\sqrt{{{go(n.body)}}}",
    Fence: lambda n, go: (
        rf"\left{n.left}{go(n.body)}\right{n.right}" if _tall(n.body) else f"{n.left}{go(n.body)}{n.right}"
    ),
    Group: lambda n, go: go(n.body),
    Cases: lambda n, go: (
        rf"\begin{{cases}} {go(n.yes)} & \text{{if }} {go(n.condition)} \\ "
        rf"{go(n.no)} & \text{{otherwise}} \end{{cases}}"
    ),
}


def _tall(layout: Layout) -> bool:
    """Whether brackets around this must grow."""
    if isinstance(layout, (Frac, Cases, Root)):
        return True
    parts = vars(layout).values()
    return any(_tall(q) for p in parts for q in (p if isinstance(p, tuple) else (p,)) if isinstance(q, Layout))


# --- MathML ----------------------------------------------------------------------------------------

MATHML_SIGNS = {
    "d": '<mi mathvariant="normal">d</mi>',
    "∂": "<mo>∂</mo>",
    "ᵀ": '<mo form="postfix">⊤</mo>',
    "²": "<mn>2</mn>",
}


def _mrow(*parts: str) -> str:
    return parts[0] if len(parts) == 1 else f"<mrow>{''.join(parts)}</mrow>"


def _mathml_script(n: Script, go: Callable[[Layout], str]) -> str:
    sub = _mrow(*_between("<mo>,</mo>", [go(s) for s in n.sub])) if n.sub else ""
    sup = _mrow(*(go(s) for s in n.sup)) if n.sup else ""
    if isinstance(n.base, Sign) and n.base.text == "Σ":
        return f"<munder><mo>∑</mo>{sub}</munder>"
    if not sub and not sup:
        return go(n.base)
    tag = "msubsup" if sub and sup else "msub" if sub else "msup"
    return f"<{tag}>{go(n.base)}{sub}{sup}</{tag}>"


def _between(separator: str, parts: list[str]) -> list[str]:
    return [p for part in parts for p in (separator, part)][1:]


def _mathml_time(n: Time) -> str:
    tag = dict.fromkeys("−+→", "mo") | dict.fromkeys("0123456789", "mn")
    inner = "".join(f"<{tag.get(c, 'mi')}>{c}</{tag.get(c, 'mi')}>" for c in n.text.replace("-", "−"))
    return f'<mrow><mo stretchy="false">⟨</mo>{inner}<mo stretchy="false">⟩</mo></mrow>'


def _mathml_cases(n: Cases, go: Callable[[Layout], str]) -> str:
    rows = [
        (go(n.yes), f"<mrow><mtext>if&#xA0;</mtext>{go(n.condition)}</mrow>"),
        (go(n.no), "<mtext>otherwise</mtext>"),
    ]
    cells = "".join(f"<mtr><mtd>{a}</mtd><mtd>{b}</mtd></mtr>" for a, b in rows)
    return f"<mrow><mo>{{</mo><mtable>{cells}</mtable></mrow>"


MATHML: dict[type, Printer] = {
    Id: lambda n, go: f"<mi>{escape(n.text)}</mi>",
    Word: lambda n, go: f"<mn>{n.text}</mn>" if not n.text[0].isalpha() else f"<mi>{escape(n.text)}</mi>",
    Op: lambda n, go: f"<mo>{escape(n.text)}</mo>",
    Sign: lambda n, go: MATHML_SIGNS.get(n.text, f'<mo form="prefix">{escape(n.text)}</mo>'),
    Times: lambda n, go: "<mo>&#x2062;</mo>",
    Apply: lambda n, go: "<mo>&#x2061;</mo>",
    Row: lambda n, go: _mrow(*map(go, n.items)),
    Script: _mathml_script,
    Time: lambda n, go: _mathml_time(n),
    Accent: lambda n, go: f'<mover accent="true">{go(n.base)}<mo stretchy="false">{ACCENTS[n.mark][1]}</mo></mover>',
    Frac: lambda n, go: f"<mfrac>{go(n.over)}{go(n.under)}</mfrac>",
    Root: lambda n, go: f"<msqrt>{go(n.body)}</msqrt>",
    Fence: lambda n, go: _mrow(f'<mo fence="true">{n.left}</mo>', go(n.body), f'<mo fence="true">{n.right}</mo>'),
    Group: lambda n, go: go(n.body),
    Cases: _mathml_cases,
}


# --- plain Unicode ---------------------------------------------------------------------------------


def _plain_script(n: Script, go: Callable[[Layout], str]) -> str:
    """An index of several parts stands in braces: h_{t-1}, z_{u,t}."""
    parts = ",".join(map(go, n.sub))
    simple = len(n.sub) == 1 and not isinstance(n.sub[0], Row)
    sub = f"_{parts}" if simple else f"_{{{parts}}}" if parts else ""
    return go(n.base) + sub + "".join(map(go, n.sup))


PLAIN: dict[type, Printer] = {
    Id: lambda n, go: n.text,
    Word: lambda n, go: n.text,
    Op: lambda n, go: ", " if n.text == "," else f" {n.text} ",
    Sign: lambda n, go: n.text,
    Times: lambda n, go: " ",
    Apply: lambda n, go: " ",
    Row: lambda n, go: "".join(map(go, n.items)),
    Script: _plain_script,
    Time: lambda n, go: f"<{n.text}>",
    Accent: lambda n, go: normalize("NFC", go(n.base) + ACCENTS[n.mark][2]),
    Frac: lambda n, go: f"{go(n.over)}{'/' if n.tight else ' / '}{go(n.under)}",
    Root: lambda n, go: f"√({go(n.body)})",
    Fence: lambda n, go: f"{n.left}{go(n.body)}{n.right}",
    Group: lambda n, go: f"({go(n.body)})",
    Cases: lambda n, go: f"where({go(n.condition)}, {go(n.yes)}, {go(n.no)})",
}
