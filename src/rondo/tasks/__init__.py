"""Tasks: a folder each, found by its name. Tasks never import each other."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from rondo.expr.graph import nearest

FOLDER = Path(__file__).parent


class TaskError(ValueError):
    """A task that this Rondo does not have."""


def names() -> list[str]:
    """Every task."""
    return sorted(p.parent.name for p in FOLDER.glob("*/config.py"))


def part(task: str, name: str) -> Any:
    """A task's module of this name. Raises TaskError where there is no such task: what a file says is not trusted."""
    if task not in names():
        raise TaskError(f"no task is called {task!r}{nearest(task, names())}: update Rondo, or take another file")
    return importlib.import_module(f"rondo.tasks.{task}.{name}")


def shapes() -> list[Any]:
    """The tasks' own model shapes, which a model file may hold beside the four."""
    modules = [part(task, "model") for task in names() if (FOLDER / task / "model.py").exists()]
    return [shape for module in modules for shape in module.SHAPES]
