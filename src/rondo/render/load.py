"""Cells as they are named on a command line: shipped ones, or files of equations."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from rondo.cell import Cell, EquationError, TextCell
from rondo.cells import find
from rondo.expr.graph import nearest
from rondo.render.text import from_json


def is_file(name: str) -> bool:
    """Whether a cell's name means a file."""
    return Path(name).is_file() or bool(Path(name).suffix) or os.sep in name


def load_cell(name: str) -> Cell:
    """A shipped cell by name, or one from a file: equations as text, or the JSON that `show --json` prints (which also
    holds sizes, constants and initial values). Either is parsed and never executed."""
    path = Path(name)
    if not is_file(name):
        return find(name)
    if path.suffix == ".py":
        raise EquationError(f"{name} is a program and is never run; save the equations as text, or use --check {name}")
    try:
        text = path.read_text(encoding="utf-8")
        return cell_from_json(json.loads(text)) if path.suffix == ".json" else Cell.parse(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EquationError(f"{name} cannot be read: {error}") from None


def cell_from_json(data: Any) -> TextCell:
    """The cell that `rondo.render.text.to_json` gave, with the values of its own sizes. Raises EquationError."""
    graph = from_json(data)
    sizes, own = data.get("sizes", {}), set(graph.size_names) - {"input", "hidden"}
    for name, value in sizes.items():
        if name not in own:
            raise EquationError(f"{graph.name} has no size {name!r}{nearest(name, sorted(own))}")
        whole = isinstance(value, int) and not isinstance(value, bool) and value > 0
        if not whole and value not in ("input", "hidden"):
            raise EquationError(f"the size {name} must be a positive whole number, input or hidden, found {value!r}")
    return TextCell(graph, sizes)
