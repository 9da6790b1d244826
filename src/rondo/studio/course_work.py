"""The checks of an experiment in a process of its own, an outcome a record. Hidden checks are not among them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from rondo.lab.experiment import load
from rondo.lab.marking import outcome_of, seed_of


def checked(folder: str, part: str, answers: dict[str, dict[str, str]], number: str) -> Iterator[dict[str, Any]]:
    """The outcomes of a part, or ("") of all."""
    torch.set_num_threads(1)  # small matrices: a second thread only waits
    experiment, seed = load(Path(folder)), seed_of(number)
    for one in experiment.parts if not part else (experiment.part(part),):
        for check in one.checks:
            if not check.hidden:
                yield {"outcome": outcome_of(experiment, one, check, answers, seed).model_dump(mode="json")}
