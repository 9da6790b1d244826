"""Equations typeset: LaTeX for slides, MathML for pages, Unicode for the terminal.

Each takes a graph (its forward equations) or a list of lines (from `rondo.render.bptt`), which tests evaluate.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from rondo.expr.graph import Graph
from rondo.render.layout import LATEX, MATHML, PLAIN, Layout, Op, print_layout, row
from rondo.render.lines import LOGIT, OUTPUT, STATE, Line, forward
from rondo.render.notation import Typesetter, notation_of

TITLES = {
    "forward": "Forward, t = 1 ... T",
    "loss": "Loss",
    "backward": "Backward, t = T ... 1, where du is ∂L/∂u",
    "gradients": "Gradients, summed over time t and batch b",
}


def typeset(what: Graph | Sequence[Line], notation: str) -> list[tuple[str, Layout, Layout]]:
    """(part, left side, right side) of every line."""
    lines = forward(what) if isinstance(what, Graph) else list(what)
    go = Typesetter(lines, notation_of(notation))
    return [(line.part, _left(go, line), go(line.expr, top=line.expr is line.target)) for line in lines]


def _left(go: Typesetter, line: Line) -> Layout:
    """The name of the result; the total derivative of what a step hands on is written both ways: ∂L/∂h<t> = dh<t>."""
    s = line.symbol
    own = go.symbol(s)
    both = s.form == "d" and s.role in (STATE, OUTPUT, LOGIT) and s.time == "t"
    return row(go.symbol(s.as_form("partial")), Op("="), own) if both else own


def latex(what: Graph | Sequence[Line], notation: str = "lecture") -> str:
    """An `aligned` environment; parts of a derivation stand a little apart."""
    parts = [
        " \\\\\n".join(f"  {print_layout(left, LATEX)} &= {print_layout(right, LATEX)}" for _, left, right in lines)
        for _, lines in groupby(typeset(what, notation), key=lambda line: line[0])
    ]
    return "\\begin{aligned}\n" + " \\\\[1ex]\n".join(parts) + "\n\\end{aligned}\n"


def mathml(what: Graph | Sequence[Line], notation: str = "lecture") -> str:
    """A `math` element for a page: one table row per line, aligned at the equals signs."""
    rows = []
    last = None
    for part, left, right in typeset(what, notation):
        space = "padding-top: 1em; " if last not in (None, part) else ""
        last = part
        rows.append(
            f'<mtr><mtd style="{space}text-align: right">{print_layout(left, MATHML)}</mtd>'
            f'<mtd style="{space}text-align: left"><mo>=</mo>{print_layout(right, MATHML)}</mtd></mtr>'
        )
    head = '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block" displaystyle="true">'
    return f'{head}<mtable columnalign="right left" displaystyle="true">\n' + "\n".join(rows) + "\n</mtable></math>\n"


def plain(what: Graph | Sequence[Line], notation: str = "names") -> str:
    """Unicode text; a derivation has a title over each part."""
    parts = []
    for part, lines in groupby(typeset(what, notation), key=lambda line: line[0]):
        title = "" if isinstance(what, Graph) else f"{TITLES[part]}\n"
        texts = (f"{print_layout(left, PLAIN)} = {print_layout(right, PLAIN)}" for _, left, right in lines)
        parts.append(title + "\n".join(texts if isinstance(what, Graph) else (f"  {t}" for t in texts)))
    return "\n\n".join(parts) + "\n"
