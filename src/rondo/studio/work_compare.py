"""A reader's own cell joined to the lab's comparison, in a process of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from rondo.lab import compare, verdicts
from rondo.probes.compare import Point, Trial
from rondo.render.load import cell_from_json
from rondo.studio.work_trials import alone

Records = Iterator[dict[str, Any]]


def joined(cell: dict[str, Any], share: float, seeds: int) -> Records:
    """Train the cell as the shipped ones were, at a share of their budgets: points, then the table with it."""
    alone()
    own, shipped = cell_from_json(cell), compare.shipped()
    text = compare.text_of(shipped)
    tasks = [t for t in shipped.tasks if text or t.name != "characters"]
    trainings = len(tasks) * (len(shipped.settings["rates"]) + seeds - 1)
    budgets = {t.name: (share * t.steps, share * t.seconds) for t in tasks}
    yield {"stage": "begun", "tasks": list(budgets), "text": text is not None}
    work, reached = compare.joined(own, shipped, text, share, seeds), dict[tuple[Any, ...], float]()
    while True:
        try:
            what, event = next(work)
        except StopIteration as end:
            yield _ended(end.value, share)
            return
        if isinstance(event, Point):
            steps, seconds = budgets[event.task]
            reached[event.task, event.seed, event.lr] = min(1.0, event.step / steps, event.cpu / seconds)
            yield {"stage": "point", "done": sum(reached.values()) / trainings, **vars(event)}
        elif isinstance(event, Trial):
            yield {"stage": "trial", "task": event.task, "seed": event.seed, "lr": event.lr, "stopped": event.stopped}
        else:
            yield {"stage": "doing", "what": what}


def _ended(result: compare.Result, share: float) -> dict[str, Any]:
    own = compare.OWN
    return {
        "stage": "ended",
        "summary": verdicts.summary(result, share).model_dump(),
        "cell": result.cells[own].model_dump(),
        "trials": {t.name: [one.model_dump() for one in t.trials if one.cell == own] for t in result.tasks},
    }
