"""docs/cells.md is what the code gives."""

from __future__ import annotations

import importlib.util
from pathlib import Path

SCRIPT = Path(__file__).parents[1] / "docs" / "cells.py"


def test_cells_page_is_up_to_date() -> None:
    spec = importlib.util.spec_from_file_location("docs_cells", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    cells = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(cells)
    assert cells.PAGE.read_text(encoding="utf-8") == cells.page(), "run: make docs"
