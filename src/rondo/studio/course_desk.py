"""Where the course is kept, and who is asking: one person alone, or (in a class) whoever has logged in."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from fastapi import Request

from rondo.lab import experiment as experiments
from rondo.lab.experiment import Experiment, ExperimentError
from rondo.lab.report import Student
from rondo.lab.store import Store
from rondo.lab.work import shipped
from rondo.studio import home
from rondo.studio.queue import Queue

ALONE = ""  # the student, in the store, of somebody who works alone
_opening = threading.Lock()


@dataclass
class Desk:
    """The store, the experiments by name, and the line of checks. This one is of a person alone."""

    store: Store
    experiments: Mapping[str, Experiment] = field(default_factory=dict)
    alone: bool = True
    checking: Queue = field(default_factory=lambda: Queue(running=2, waiting=200))

    def student(self, http: Request) -> str:
        """Whose answers a request is about, as the store names them."""
        return ALONE

    def profile(self, student: str) -> Student | None:
        """学号 and name as a report has them; None until they are known."""
        return self.store.profile(student)

    def experiment(self, name: str) -> Experiment:
        """Raises ExperimentError."""
        if name not in self.experiments:
            raise ExperimentError(f"没有这个实验 / there is no experiment {name[:60]!r}")
        return self.experiments[name]


def own_file() -> Path:
    """Where a person's own course is kept: RONDO_LAB, else lab.sqlite beside the studio's runs. Raises HomeError."""
    return Path(os.environ.get("RONDO_LAB") or home.folder().parent / "lab.sqlite")


def open_desk(path: Path | None = None, folders: Mapping[str, Path] | None = None) -> Desk:
    """A desk for one person alone; folders: the experiments, where they are not the shipped ones."""
    found = shipped() if folders is None else folders
    return Desk(Store(path or own_file()), {name: experiments.load(folder) for name, folder in found.items()})


def desk(http: Request) -> Desk:
    """The application's desk; one for a person alone is opened when it is first asked for."""
    state = http.app.state
    with _opening:
        if not hasattr(state, "desk"):
            state.desk = open_desk()
    found: Desk = state.desk
    return found
