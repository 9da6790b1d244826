"""Command inspect: what a model file, a checkpoint or a run folder holds, or why it is refused."""

from __future__ import annotations

import dataclasses
import json
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rondo.cli.app import app

if TYPE_CHECKING:
    from torch import Tensor

OWN = ("shape", "arguments", "cell", "precision", "vocabulary")  # of a model's metadata, shown in words of our own
LONGEST, WIDTH = 4000, 100  # characters of one value, of a line; --json gives the whole

Facts = dict[str, Any]


@app.command("inspect")
def inspect_file(
    path: Annotated[Path, typer.Argument(metavar="FILE", help="a model file, a checkpoint, a run, a bundled model")],
    as_json: Annotated[bool, typer.Option("--json", help="as data")] = False,
) -> None:
    """Show what a file or a run holds. Nothing in it is executed; exit code 1 where a file is refused."""
    from rondo import bundled

    found = bundled.find(path)
    facts = run_facts(found) if found.is_dir() else file_facts(found)
    print(json.dumps(facts, indent=1) if as_json else "\n\n".join(_page(part) for part in _parts(facts)))
    raise typer.Exit(int(any("refused" in part for part in _parts(facts))))


def run_facts(folder: Path) -> Facts:
    """A run: its settings, its data and whether it is as it was, its log, and each of its files."""
    from rondo import tasks
    from rondo.train.config import TextConfig
    from rondo.train.run import Run, task_of

    task = task_of(folder)
    run = Run.open(folder, TextConfig if task == "text" else tasks.part(task, "config").CONFIG)
    facts: Facts = {"run": str(folder), "config": dataclasses.asdict(run.config)}
    try:
        facts["data"] = {part: [str(f) for f in files] for part, files in run.data().items()}
    except ValueError as error:
        facts["refused"] = str(error)
    log = folder / "log.jsonl"
    lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    facts |= {"log lines": len(lines), "last line": lines[-1]} if lines else {}
    files = [file_facts(f) for f in (run.model_file, run.checkpoint, run.previous) if f.exists()]
    for part in files:  # said once where it is the same
        part |= {"config": "that of the run"} if part.get("config") == facts["config"] else {}
    return facts | {"files": files}


def file_facts(path: Path) -> Facts:
    """A file: what it is and holds, or under "refused" the reason why it cannot be used. Raises FileError where there
    is none."""
    from rondo.files import FileError, read_tensors

    try:
        facts: Facts = {"file": str(path), "bytes": path.stat().st_size}
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None
    try:
        kind, tensors, about = read_tensors(path)
        facts |= {"sha256": "as recorded", "kind": kind}
        return facts | (_model(path, about) if kind == "model" else _checkpoint(tensors, about))
    except ValueError as error:
        return facts | {"refused": str(error)}


def _model(path: Path, about: Facts) -> Facts:
    from rondo import tasks
    from rondo.data.vocab import from_json
    from rondo.models.store import SHAPES, load_model

    own = [] if about.get("shape") in SHAPES else tasks.shapes()
    model, _ = load_model(path, *own)
    facts: Facts = {
        "shape": about["shape"],
        "arguments": about["arguments"],
        "cell": about["cell"]["equations"],
        "parameters": sum(p.numel() for p in model.parameters()),
        "precision": about["precision"],
    }
    if "vocabulary" in about:
        vocab = from_json(about["vocabulary"])
        facts["vocabulary"] = f"{len(vocab):,} symbols, level {vocab.level}"
    return facts | {name: value for name, value in sorted(about.items()) if name not in OWN}  # a file keeps no order


def _checkpoint(tensors: dict[str, Tensor], about: Facts) -> Facts:
    def size(prefix: str) -> int:
        return sum(t.numel() for name, t in tensors.items() if name.startswith(prefix))

    rows = next((len(t) for name, t in tensors.items() if name.startswith("state.")), 0)
    return {
        "parameters": size("model."),
        "averaged": size("average.") > 0,
        "rows": rows,
        "processes": len(tensors.get("random", ())),
        **dict(sorted(about.items())),  # a file keeps no order
    }


def _parts(facts: Facts) -> list[Facts]:
    """The facts, and those of each file of a run."""
    return [{name: value for name, value in facts.items() if name != "files"}, *facts.get("files", [])]


def _page(facts: Facts) -> str:
    """A line for each fact, its name before it."""
    from rondo.files import printable

    lines = []
    for name, value in facts.items():
        text = _text(value)
        text = text if len(text) <= LONGEST else f"{text[:LONGEST]} ..."
        lines.append(f"{name:12} " + text.rstrip().replace("\n", "\n" + " " * 13))
    return printable("\n".join(lines))


def _text(value: Any) -> str:
    if isinstance(value, dict):
        named = ", ".join(f"{name} = {json.dumps(part, ensure_ascii=False)}" for name, part in value.items())
        return textwrap.fill(named, WIDTH, break_long_words=False, break_on_hyphens=False)
    if isinstance(value, list):
        return "\n".join(part if isinstance(part, str) else json.dumps(part, ensure_ascii=False) for part in value)
    return f"{value:,}" if type(value) is int else str(value)
