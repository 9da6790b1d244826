"""The application that every command is registered with, and the errors of its options."""

from __future__ import annotations

from typing import Any

import typer

app = typer.Typer(
    name="rondo",
    help="Recurrent networks from their equations.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
# typer 0.20 and later carry click inside; this is its error for a wrong option, argument or command in every version
UsageError: Any = typer.BadParameter.__base__
