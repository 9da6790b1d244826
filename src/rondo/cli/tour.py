"""The command of the tour."""

from __future__ import annotations

import os
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rondo.cli.app import app


class Language(StrEnum):
    """Of what the tour says."""

    zh = "zh"
    en = "en"


@app.command()
def tour(
    then_studio: Annotated[
        bool, typer.Option("--then-studio", help="then open the studio, in a terminal and without --once")
    ] = False,
    once: Annotated[bool, typer.Option("--once", envvar="ONCE", help="end after the tour")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="STOP", help="poem, couplet, equations, gradients, speed or training; may be repeated"),
    ] = None,
    lang: Annotated[Language | None, typer.Option(help="default: Chinese where the locale is")] = None,
    out: Annotated[Path, typer.Option(metavar="FILE", help="the page that is left")] = Path("tour.html"),
) -> None:
    """A minute's tour: a poem and its proof, a couplet, GRU derived and checked, speed, a training; leaves tour.html.

    Exit code 1 where a derived gradient or a kernel differs from the truth.
    """
    from rich.console import Console

    from rondo.tour import stops, tell

    language = lang.value if lang else stops.language()
    console = Console(highlight=False)
    seen = tell.tour(console, language, stops.chosen(only or ()))
    from rondo.files import write_aside
    from rondo.tour.page import page

    write_aside(out, page(seen, language).encode())
    console.print(f"{out}   {_where()}", style="dim", markup=False)
    if not seen.right:
        raise typer.Exit(1)
    if then_studio and not once and _in_terminal():
        _studio()


def _in_terminal() -> bool:
    return sys.stdin.isatty() and sys.stdout.isatty()


def _where() -> str:
    """The path of the command, where the shell does not find it by its name."""
    own = Path(sys.argv[0])
    found = shutil.which("rondo")
    if own.name != "rondo" or not own.exists() or (found and os.path.samefile(found, own)):
        return ""
    return f"rondo = {os.path.relpath(own)}"


def _studio() -> None:
    """The studio at its usual port, or at a free one where that is taken."""
    from rondo.studio.serve import StudioError, serve

    try:
        serve()
    except StudioError:
        serve(port=0)
