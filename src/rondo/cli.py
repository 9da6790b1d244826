"""The command line. Every command imports what it needs when it runs, so that `rondo --help` is instant.

A fault of the input (a wrong name, a broken file) is one message on the error stream and exit code 2; what a
command itself found wrong (`show --check`) is exit code 1; a traceback means a fault of Rondo's.
"""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rondo.train.config import Config

if TYPE_CHECKING:
    from rondo.cell import Cell
    from rondo.expr.graph import Graph
    from rondo.render.lines import Line

app = typer.Typer(
    name="rondo",
    help="Recurrent networks from their equations.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
train = typer.Typer(help="Train a model.")
app.add_typer(train, name="train")
# typer 0.20 and later carry click inside; this is its error for a wrong option, argument or command in every version
UsageError: Any = typer.BadParameter.__base__


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


def load_cell(name: str) -> Cell:
    """A shipped cell by name, or one from a file: equations as text, or the JSON that `show --json` prints (which also
    holds sizes, constants and initial values). Either is parsed and never executed."""
    from rondo.cell import Cell, EquationError, TextCell
    from rondo.cells import find
    from rondo.render.text import from_json

    path = Path(name)
    if not (path.is_file() or path.suffix or os.sep in name):
        return find(name)
    if path.suffix == ".py":
        raise EquationError(f"{name} is a program and is never run; save the equations as text, or use --check {name}")
    try:
        text = path.read_text(encoding="utf-8")
        return TextCell(from_json(json.loads(text))) if path.suffix == ".json" else Cell.parse(text)
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise EquationError(f"{name} cannot be read: {error}") from None


@app.command()
def cite(cell: CellName) -> None:
    """Print the papers behind a cell as BibTeX."""
    from rondo.cells import bibtex

    print(bibtex(load_cell(cell)))


@app.command()
def hello(
    seed: Annotated[int, typer.Option(help="of the initial weights")] = 1,
    steps: Annotated[int, typer.Option(min=1, help="training steps")] = 120,
) -> None:
    """The lecture's example step by step: a network learns to spell "hello"."""
    from rondo.hello import tell

    tell(seed, steps)


def _settings() -> Iterator[inspect.Parameter]:
    """An option for each setting of a training; the comment beside the setting is its help."""
    source = inspect.getsource(Config)
    for field in dataclasses.fields(Config):
        found = re.search(rf"^    {field.name}: .*?# (.*)$", source, re.M)
        comment = f"{found[1] if found else ''} [{field.default}]"
        option = typer.Option(f"--{field.name.replace('_', '-')}", help=comment)
        kind: Any = type(field.default) | None
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kind, option]
        )


def _takes_settings(command: Callable[..., None]) -> Callable[..., None]:
    """The command with Config's settings in place of its **settings: there is no second list of options."""
    signature = inspect.signature(command, eval_str=True)
    own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    parameters = [*own, *_settings()]
    command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
    return command


@train.command("text")
@_takes_settings
def train_text(
    files: Annotated[list[Path] | None, typer.Argument(metavar="FILE", help="UTF-8 text")] = None,
    out: Annotated[Path | None, typer.Option(help="the new run folder; default: the next free runs/text-N")] = None,
    config: Annotated[Path | None, typer.Option(metavar="FILE.toml", help="settings, overridden by options")] = None,
    **settings: Any,
) -> None:
    """Train a character model on text files; without files, on the source of Python's standard library."""
    from rondo.train import quickstart, text

    folder = out or _next_free("runs/text")
    if files:
        text.train(files, Config.load(config, **settings), folder)
    else:
        base = Config.load(config) if config else quickstart.CONFIG
        given = {name: value for name, value in settings.items() if value is not None}
        quickstart.quickstart(folder, Config.of(dataclasses.asdict(base) | given))


def _next_free(start: str) -> Path:
    """runs/text-1, runs/text-2, ...: the first that does not exist."""
    return next(p for p in (Path(f"{start}-{k}") for k in itertools.count(1)) if not p.exists())


@app.command()
def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="a run folder or a model file")],
    prime: Annotated[str, typer.Option(help="text to continue")] = "",
    temperature: Annotated[float, typer.Option(min=0.0, help="0: always the likeliest; 1: as the model says")] = 0.7,
    length: Annotated[int, typer.Option(min=1, help="characters")] = 500,
    seed: Annotated[int, typer.Option(help="of the draws")] = 1,
) -> None:
    """Stream text from a trained character model."""
    from rondo.train import text

    symbols = text.sample(run, prime, temperature, length, seed)
    print(prime + next(symbols), end="", flush=True)
    for symbol in symbols:
        print(symbol, end="", flush=True)
    print()


@app.command()
def version() -> None:
    """Versions, the C++ compiler and the kernel cache: what to quote in a report."""
    import platform

    import torch

    import rondo
    from rondo.kernels import build

    try:
        compiler = f"{build.compiler()}, -march={build.march()}"
    except build.NoCompilerError as error:
        compiler = str(error)
    print(f"rondo     {rondo.__version__}")
    print(f"python    {platform.python_version()}")
    print(f"torch     {torch.__version__}, {torch.get_num_threads()} threads")
    print(f"compiler  {compiler}")
    print(f"kernels   {build.cache_folder()}")


def main() -> None:
    """Run the command line; turn the faults of an input into one message and an exit code."""
    try:
        sys.exit(app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0)
    except UsageError as error:
        _fail(error.format_message())
    except (typer.Abort, KeyboardInterrupt):
        sys.exit(130)
    except BrokenPipeError:  # the reader of a pipe has seen enough: `rondo show lstm --cpp | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:
        _fail(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ValueError as error:
        if not type(error).__module__.startswith("rondo."):
            raise
        _fail(str(error))


def _fail(message: str) -> None:
    print(f"rondo: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    main()
