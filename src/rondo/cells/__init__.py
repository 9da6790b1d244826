"""The cells that ship with Rondo: one file each, found by looking into this folder."""

from __future__ import annotations

import functools
import importlib
import pkgutil
import re
import textwrap

from rondo.cell import Cell, EquationError
from rondo.expr.graph import nearest


@functools.cache
def shipped() -> dict[str, type[Cell]]:
    """Every shipped cell by its name in commands: the class name in lower case with dashes, e.g. "gru-cho"."""
    found: dict[str, type[Cell]] = {}
    for module in sorted(m.name for m in pkgutil.iter_modules(__path__)):
        for value in vars(importlib.import_module(f"{__name__}.{module}")).values():
            if isinstance(value, type) and issubclass(value, Cell) and value.__module__ == f"{__name__}.{module}":
                found[command_name(value)] = value
    return found


def command_name(cell: type[Cell]) -> str:
    """GRUCho -> gru-cho, LSTMNoTanh -> lstm-no-tanh, SRU -> sru."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "-", cell.__name__).lower()


def find(name: str) -> Cell:
    """A shipped cell by name ("gru-cho", "LSTM"; dashes and case do not matter)."""
    plain = {k.replace("-", ""): v for k, v in shipped().items()}
    cell = plain.get(re.sub(r"[-_ ]", "", name).lower())
    if cell is None:
        raise EquationError(f"no cell is called {name!r}{nearest(name.lower(), list(shipped()))}")
    return cell()


def bibtex(cell: Cell) -> str:
    """The papers behind a cell. Its `citation` is BibTeX, or the key of an entry in another shipped cell."""
    text = cell.citation
    if text and "@" not in text:
        text = next((c.citation for c in shipped().values() if f"{{{text}," in c.citation), "")
    if not text:
        raise EquationError(
            f"{cell.name} names no paper: set its citation to a BibTeX entry, or the key of a known one"
        )
    return textwrap.dedent(text).strip()
