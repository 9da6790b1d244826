"""Imports go one way: from the equations up to the commands (docs/design.md, section 3)."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from rondo.cells import shipped

ROOT = Path(__file__).parents[1] / "src" / "rondo"
# low to high; a file imports its own rank and lower ones
RANKS = (
    ("expr",),
    ("cell",),
    ("cells",),
    ("render",),
    ("kernels", "states", "files", "bundled", "verse"),
    ("initial", "inputs", "layer", "sites", "trace", "stepper", "rnn", "nn", "data"),
    ("models", "compare", "speed"),
    ("search", "charts"),
    ("train", "diagnose", "probes", "hello"),
    ("tasks",),
    ("lab",),
    ("tour",),
    ("studio",),
    ("cli", "__main__"),
)
RANK = {name: k for k, names in enumerate(RANKS) for name in names}
TORCH_FREE = ("expr", "cell", "cells", "render")
FILES = sorted(p for p in ROOT.rglob("*.py") if p != ROOT / "__init__.py")


def part(path: Path) -> str:
    """The first folder or file of the package that a file belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in it; `from rondo import cells` counts as rondo.cells."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: imports are absolute"
            yield from (f"rondo.{a.name}" for a in node.names) if node.module == "rondo" else (str(node.module),)


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_only_what_stands_below(path: Path) -> None:
    own = part(path)
    assert own in RANK, f"give {own} its place in RANKS"
    for name in imports(path):
        if name.split(".")[0] == "rondo" and "." in name:
            other = name.split(".")[1]
            assert RANK.get(other, -1) <= RANK[own], f"{path}: {own} must not import {other}"
        if own in TORCH_FREE:
            assert name.split(".")[0] not in ("torch", "numpy"), f"{path} must not import {name}"
        assert own != "verse" or name.split(".")[0] != "torch", f"{path} must not import {name}"


@pytest.mark.parametrize("path", sorted((ROOT / "cells").glob("[a-z]*.py")), ids=lambda p: p.name)
def test_a_cell_imports_the_language_alone_and_is_short(path: Path) -> None:
    assert set(imports(path)) == {"rondo.cell"}
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 60


def test_kernels_know_no_cell_by_name() -> None:
    """A special case is a rule on the graph: no import of cells, and no comparison with a shipped cell's name."""
    names = {name for key, cell in shipped().items() for name in (key, key.replace("-", "_"), cell.__name__)}
    for path in (p for p in FILES if part(p) == "kernels"):
        assert not any(name.startswith("rondo.cells") for name in imports(path)), path
        compared = (n for n in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(n, ast.Compare))
        words = {c.value for n in compared for c in ast.walk(n) if isinstance(c, ast.Constant)}
        assert not words & names, path


def test_tasks_do_not_import_each_other() -> None:
    for path in (p for p in FILES if part(p) == "tasks" and len(p.relative_to(ROOT).parts) > 2):
        own = path.relative_to(ROOT).parts[1]
        others = {n.split(".")[2] for n in imports(path) if n.startswith("rondo.tasks.") and n.count(".") >= 2}
        assert others <= {own}, path


def test_few_files_start_another_program() -> None:
    """The compiler; a student's Python in its process; espeak-ng, which speaks sentences to learn from; pip and
    the pose estimator that it fetches on request."""
    starts = {str(p.relative_to(ROOT)) for p in FILES if "subprocess" in set(imports(p))}
    assert starts == {
        "kernels/build.py", "lab/program.py", "tasks/speech/sentences.py", "data/download.py",
        "tasks/video/estimator.py",
    }  # fmt: skip


def test_the_walk_would_notice(tmp_path: Path) -> None:
    """An import inside a function and one of a submodule by `from rondo import` are both seen."""
    path = tmp_path / "a.py"
    path.write_text("from rondo import nn\ndef f():\n    import torch.nn\n    from rondo.cells import find\n")
    assert set(imports(path)) == {"rondo.nn", "torch.nn", "rondo.cells"}
