"""The folder of the trainings that people began in the studio: a run folder each (`rondo.train.run`).

It is the user's own: RONDO_STUDIO, else runs in RONDO_HOME, else in the user's data folder (~/.local/share/rondo).
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from rondo.train import paste
from rondo.train.config import TextConfig
from rondo.train.run import Run

MOST_RUNS = 60
MOST_BYTES = 1 << 30  # of all together
NAME = re.compile(r"[a-z0-9]{1,20}(-[a-z0-9]{1,20}){0,4}")
LOCK = ".lock"
PATIENCE = 10  # attempts to take it


class HomeError(ValueError):
    """A run that is not there, is at work, or has no room; the message says what to do."""


@dataclass(frozen=True)
class Kept:
    """A run as a list shows it.

    step      from which it would go on; steps: where it ends
    bits      bits per character of its best model on the held-out text; None before the first validation
    running   whether it is being trained now
    model     whether there is a model yet, `home.model_file(name)`
    """

    name: str
    title: str
    cell: str
    hidden: int
    step: int
    steps: int
    bits: float | None
    bytes: int
    begun: float  # seconds since 1970
    running: bool
    model: bool


def folder() -> Path:
    """Where the runs are; made where it is not there yet. Raises HomeError."""
    share = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    home = os.environ.get("RONDO_HOME")
    found = Path(os.environ.get("RONDO_STUDIO") or Path(home or share / "rondo") / "runs")
    try:
        found.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise HomeError(f"建不了 {found}（{error.strerror}） / {found} cannot be made: {error.strerror}") from None
    return found


def runs(root: Path | None = None) -> list[Kept]:
    """Every run in the folder (`root`: in another), the newest first."""
    found = (_kept(path) for path in (root or folder()).iterdir() if NAME.fullmatch(path.name) and path.is_dir())
    return sorted((k for k in found if k is not None), key=lambda k: (-k.begun, k.name))


def _kept(path: Path) -> Kept | None:
    """None for what is no run, or one that is just being made or deleted."""
    try:
        run = Run.open(path, TextConfig)
        about = run.about()
        return Kept(
            name=path.name,
            title=str(about.get("title", "")),
            cell=str(about.get("cell_name", "")),
            hidden=run.config.hidden,
            step=paste.saved_step(run),
            steps=run.config.steps,
            bits=paste.best(run),
            bytes=_size(path),
            begun=(path / "config.toml").stat().st_mtime,
            running=is_locked(path),
            model=run.model_file.is_file(),
        )
    except (ValueError, OSError):
        return None


def new(root: Path) -> Path:
    """A place in `root` for a new run, under a fresh name. Raises HomeError where there are too many, or too much of
    them."""
    known = runs(root)
    if len(known) >= MOST_RUNS or sum(k.bytes for k in known) >= MOST_BYTES:
        raise HomeError(
            f"已存 {len(known)} 次训练，放不下了，请先删去几次 / {len(known)} trainings are kept and there is no more "
            "room: delete some first"
        )
    path = root / f"{time.strftime('%Y%m%d-%H%M%S')}-{secrets.token_hex(3)}"
    path.mkdir(mode=0o700)
    return path


def find(name: str) -> Path:
    """The folder of a run. Raises HomeError."""
    path = folder() / name
    if not NAME.fullmatch(name) or not (path / "config.toml").is_file() or path.is_symlink():
        raise HomeError(f"没有叫 {name[:80]!r} 的训练 / no training is called {name[:80]!r}")
    return path


def model_file(name: str) -> Path:
    """The model of a run. Raises HomeError where it has none yet."""
    path = find(name) / "model.safetensors"
    if not path.is_file():
        raise HomeError("这次训练还没有模型 / this training has no model yet")
    return path


def remove(name: str) -> None:
    """Delete a run. Raises HomeError while it is being trained."""
    path = find(name)
    with locked(path):
        aside = path.with_name(f".deleted-{path.name}")  # no half of it is ever listed
        path.rename(aside)
    shutil.rmtree(aside)


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Inside, the run is this process's alone; the system ends that with the process, however it ends. Raises
    HomeError where another has it."""
    with (path / LOCK).open("w") as file:
        if not any(_taken(file) for _ in range(PATIENCE)):
            raise HomeError("这次训练正在进行，请先停下它 / this training is going on: stop it first")
        yield


def _taken(file: IO[str]) -> bool:
    """Take the lock, or wait a moment: a process that was killed, or a list that looks, lets go of it at once."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        time.sleep(0.05)
        return False
    return True


def is_locked(path: Path) -> bool:
    """Whether a process has the run."""
    try:
        with (path / LOCK).open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False


def clear(path: Path) -> None:
    """Remove the folder of a run that never began."""
    shutil.rmtree(path, ignore_errors=True)


def _size(path: Path) -> int:
    return sum(f.stat().st_size for f in path.iterdir() if f.is_file())
