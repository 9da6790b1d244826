"""Commands that read a cell: cells, show, cite."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rondo.cli.app import app

if TYPE_CHECKING:
    from rondo.cell import Cell
    from rondo.expr.graph import Graph
    from rondo.render.lines import Line


class Notation(StrEnum):
    """Whose symbols the formulas use: the lecture's Γ_u and a<t>, the papers' u_t and h_t, or the plain names."""

    lecture = "lecture"
    paper = "paper"
    names = "names"


class Head(StrEnum):
    """What stands on the cell when the whole recursion is printed."""

    softmax = "softmax"
    sigmoid = "sigmoid"


CellName = Annotated[str, typer.Argument(metavar="CELL", help="a shipped cell, or a text file of equations")]


@app.command("cells")
def list_cells() -> None:
    """List the cells that ship with Rondo."""
    from rondo.cells import shipped

    found = shipped()
    width = max(map(len, found))
    for name, cell in found.items():
        print(f"{name:{width}}  {summary(cell.__doc__ or '')}")


def summary(doc: str) -> str:
    """The first sentence of a cell's docstring, without the paper in brackets."""
    return " ".join(doc.split(" (")[0].split("\n\n")[0].split()).rstrip(".")


@app.command()
def show(
    cell: CellName,
    equations: Annotated[bool, typer.Option("--equations", help="the equations as text (the default)")] = False,
    bptt: Annotated[bool, typer.Option("--bptt", help="the derived backpropagation through time")] = False,
    plan: Annotated[bool, typer.Option("--plan", help="what runs when: levels, products, regions")] = False,
    cpp: Annotated[bool, typer.Option("--cpp", help="the generated C++")] = False,
    latex: Annotated[bool, typer.Option("--latex", help="the equations as LaTeX; with --bptt the derivation")] = False,
    mathml: Annotated[bool, typer.Option("--mathml", help="the same as MathML")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="the cell as data, as it stands in a model file")] = False,
    notation: Annotated[Notation | None, typer.Option(help="symbols of --bptt, --latex and --mathml")] = None,
    head: Annotated[Head, typer.Option(help="output layer and loss of --bptt")] = Head.softmax,
    check: Annotated[
        Path | None, typer.Option(metavar="FILE.py", help="compare your own torch module (this runs the file)")
    ] = None,
) -> None:
    """Show a reading of a cell, or compare a module of your own with its equations."""
    from rondo.render.load import load_cell

    found = load_cell(cell)
    if check is not None:
        from rondo.compare import compare_file

        report = compare_file(found, check)
        print(report)
        raise typer.Exit(0 if report.agrees else 1)
    typeset = latex or mathml
    asked = {"equations": equations, "bptt": bptt and not typeset, "plan": plan, "cpp": cpp}
    asked |= {"latex": latex, "mathml": mathml, "json": as_json}
    look = Look(found, notation.value if notation else None, head.value if bptt else None)
    chosen = [name for name, wanted in asked.items() if wanted] or ["equations"]
    print("\n\n".join(READINGS[name](look).rstrip() for name in chosen))


@dataclasses.dataclass(frozen=True)
class Look:
    """A cell and how it is to be shown: in whose notation, and with the BPTT that follows from it under a head."""

    cell: Cell
    notation: str | None
    head: str | None

    @property
    def formulas(self) -> Graph | list[Line]:
        """The equations, or with a head the whole derivation."""
        from rondo.render.bptt import bptt

        return bptt(self.cell.graph, self.head) if self.head else self.cell.graph


def _equations(look: Look) -> str:
    from rondo.render.text import equations

    return equations(look.cell.graph)


def _bptt(look: Look) -> str:
    from rondo.render.latex import plain

    return plain(look.formulas, look.notation or "names")


def _plan(look: Look) -> str:
    from rondo.expr.plan import plan
    from rondo.render.outline import outline

    return outline(plan(look.cell.graph))


def _cpp(look: Look) -> str:
    from rondo.expr.plan import plan
    from rondo.render.cpp import cpp

    return cpp(plan(look.cell.graph))


def _latex(look: Look) -> str:
    from rondo.render.latex import latex

    return latex(look.formulas, look.notation or "lecture")


def _mathml(look: Look) -> str:
    from rondo.render.latex import mathml

    return mathml(look.formulas, look.notation or "lecture")


def _json(look: Look) -> str:
    from rondo.render.text import to_json

    return json.dumps(to_json(look.cell.graph, look.cell.sizes), indent=2, ensure_ascii=False)


READINGS: dict[str, Callable[[Look], str]] = {
    "equations": _equations,
    "bptt": _bptt,
    "plan": _plan,
    "cpp": _cpp,
    "latex": _latex,
    "mathml": _mathml,
    "json": _json,
}


@app.command()
def cite(cell: CellName) -> None:
    """Print the papers behind a cell as BibTeX."""
    from rondo.cells import bibtex
    from rondo.render.load import load_cell

    print(bibtex(load_cell(cell)))
