"""The probes by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable

from rondo.expr.graph import nearest
from rondo.probes import adding, agreement, copying, dyck, parity
from rondo.probes.probe import Probe, ProbeError

TASKS: dict[str, Callable[..., Probe]] = {
    "copying": copying.probe,
    "adding": adding.probe,
    "parity": parity.probe,
    "dyck": dyck.probe,
    "agreement": agreement.probe,
}


def make(task: str, **sizes: int) -> Probe:
    """A probe by name and sizes, e.g. make("dyck", depth=3). Raises ProbeError for a task or a size it has not."""
    if task not in TASKS:
        raise ProbeError(f"no task is called {task!r}{nearest(task, list(TASKS))}")
    known = list(inspect.signature(TASKS[task]).parameters)
    for name in sizes:
        if name not in known:
            raise ProbeError(f"{task} has no {name}: it takes {', '.join(known)}")
    return TASKS[task](**sizes)
