"""Options from a configuration's settings, and names of new run folders."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from rondo.train.config import Config


@functools.cache
def _comments(kind: type) -> dict[str, str]:
    """The comment beside each field of a class. (inspect.getsource parses the whole file each time: a tenth of what
    `rondo --help` takes.)"""
    text = Path(inspect.getfile(kind)).read_text(encoding="utf-8")
    body = re.search(rf"^class {kind.__name__}\b.*\n((?:[ #].*\n|\n)*)", text, re.M)
    return dict(re.findall(r"^    (\w+): .*?# (.*)$", body[1], re.M)) if body else {}


def _settings(kind: type[Config]) -> Iterator[inspect.Parameter]:
    """An option for each setting of a training; the comment beside the setting is its help."""
    said: dict[str, str] = {}
    for base in reversed([c for c in kind.__mro__ if dataclasses.is_dataclass(c)]):
        said |= _comments(base)
    for field in dataclasses.fields(kind):
        comment = f"{said.get(field.name, '')} [{field.default}]"
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


Data = Annotated[Path, typer.Option(metavar="FOLDER", envvar="RONDO_DATA", help="the folder of data sets")]
Named = Annotated[Path | None, typer.Option(metavar="FILE.toml", help="settings, or the name of a shipped config")]


def add_training(train: typer.Typer, kind: type[Config], first: str, about: str) -> None:
    """The command that trains a task on the folder of data sets; `first`: the shipped config that it takes if none is
    named."""
    name = kind.task

    def command(data: Data, out: Path | None = None, config: Named = None, **settings: Any) -> None:
        from rondo.tasks import part
        from rondo.train import configs

        path = configs.find(config or Path(first))
        part(name, "train").train(data, kind.load(path, **settings), out or next_free(f"runs/{name}"))

    told = typer.Option(help=f"the new run folder; default: the next free runs/{name}-N")
    command.__annotations__["out"] = Annotated[Path | None, told]
    command.__doc__ = about
    train.command(name)(takes_settings(kind)(command))


def next_free(start: str) -> Path:
    """runs/text-1, runs/text-2, ...: the first that does not exist."""
    return next(p for p in (Path(f"{start}-{k}") for k in itertools.count(1)) if not p.exists())
