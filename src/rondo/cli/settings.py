"""Options from a configuration's settings, and names of new run folders."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from rondo.train.config import Config


def _settings(kind: type[Config]) -> Iterator[inspect.Parameter]:
    """An option for each setting of a training; the comment beside the setting is its help."""
    source = "".join(inspect.getsource(c) for c in kind.__mro__ if dataclasses.is_dataclass(c))
    for field in dataclasses.fields(kind):
        found = re.search(rf"^    {field.name}: .*?# (.*)$", source, re.M)
        comment = f"{found[1] if found else ''} [{field.default}]"
        flag = field.name.replace("_", "-")
        names = f"--{flag}/--no-{flag}" if isinstance(field.default, bool) else f"--{flag}"
        option = typer.Option(names, help=comment, show_default=False)
        kinds: Any = type(field.default) | None
        yield inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[kinds, option]
        )


def takes_settings(kind: type[Config]) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """The command with a configuration's settings in place of its **settings: there is no second list of options."""

    def decorate(command: Callable[..., None]) -> Callable[..., None]:
        signature = inspect.signature(command, eval_str=True)
        own = [p for p in signature.parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
        parameters = [*own, *_settings(kind)]
        command.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters} | {"return": None}
        return command

    return decorate


def next_free(start: str) -> Path:
    """runs/text-1, runs/text-2, ...: the first that does not exist."""
    return next(p for p in (Path(f"{start}-{k}") for k in itertools.count(1)) if not p.exists())
