"""The command line. Every command imports what it needs when it runs, so that `rondo --help` is instant.

A fault of the input (a wrong name, a broken file) is one message on the error stream and exit code 2; what a
command itself found wrong (`show --check`) is exit code 1; a traceback means a fault of Rondo's.
"""

from __future__ import annotations

import os
import sys

import typer

from rondo.cli import (  # noqa: F401  # each registers its commands
    about,
    agreement,
    captions,
    cells,
    compare,
    couplet,
    data,
    diagnose,
    dna,
    entities,
    inspect,
    lab,
    music,
    poetry,
    probe,
    sentiment,
    series,
    speech,
    studio,
    text,
    tour,
    translation,
    verse,
    video,
)
from rondo.cli.app import UsageError, app


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
