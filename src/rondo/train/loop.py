"""The training loop that every task shares: fit with validations, checkpoints, the model file, live progress."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any

import torch
from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar

from rondo.data.batch import Batch
from rondo.models import store
from rondo.train import group
from rondo.train.config import Config
from rondo.train.fit import Progress, Record, TrainingError, averaged, check_weights, fit, mean_loss, start
from rondo.train.run import Run


@dataclass(frozen=True)
class Job:
    """What a run trains.

    build      the model with fresh weights
    batches    this process's training batches from a step on
    held_out   the batches that it is validated with
    facts      what its model file says besides (vocabulary, metrics), from the value of the validation
    precision  of the weights in the model file
    judge      the value of a model on what is held out, smaller is better; None: its loss, in nats per symbol
    """

    build: Callable[[], Any]
    batches: Callable[[int], Iterator[Batch]]
    held_out: Callable[[], Iterable[Batch]]
    facts: Callable[[float], dict[str, Any]]
    precision: str = "float32"
    judge: Callable[[Any], float] | None = None


@dataclass(frozen=True)
class Validation:
    """Loss on the validation data after a step, in nats per symbol (or what the job judges by), and the best so far."""

    step: int
    valid: float
    best: float


def training(
    run: Run[Any], job: Job, go_on: bool = False, say: Callable[[str], None] = print
) -> Iterator[Record | Validation]:
    """Train, from the start or from the run's checkpoint: a record a step, a validation every `valid_every` steps and
    at the end. A checkpoint is written then or every `save_every` steps; the model wherever validation is best."""
    config: Config = run.config
    torch.manual_seed(config.seed)
    with group.joined() as device:
        model = job.build().to(device)
        if config.after and not (go_on and run.begun):
            run.begin_after(model, lambda: job.facts(math.nan))
        torch.manual_seed(config.seed + 7919 * group.rank())  # the weights are alike, masks are each process's own
        progress = _continued(run, model, say) if go_on else start(model, config)
        batches = (b.to(device) for b in job.batches(progress.step))
        try:
            for record in fit(model, batches, config, progress):
                if record.step % config.log_every == 0 or record.step == 1:
                    run.log(**asdict(record))
                yield record
                if _due(record, config.valid_every):
                    yield validate(run, job, model, progress, record)
                if _due(record, config.save_every or config.valid_every):
                    check_weights(model, record.step)
                    run.save_checkpoint(model, progress)
        except TrainingError as error:
            kept = run.checkpoint if run.checkpoint.exists() else "there is none yet"
            raise TrainingError(f"{error}; the last good checkpoint: {kept}") from None


def _due(record: Record, every: int) -> bool:
    """At the end, and every so many steps."""
    return record.done >= 1 or (every > 0 and record.step % every == 0)


def validate(run: Run[Any], job: Job, model: Any, progress: Progress, record: Record) -> Validation:
    """Measure the averaged weights, where there are any, on the held-out data; keep the model if it is the best."""
    device = next(model.parameters()).device
    with averaged(model, progress):
        value = job.judge(model) if job.judge else mean_loss(model, (b.to(device) for b in job.held_out()))
        if value < progress.best and not group.rank():
            save(run, job, model, record, value)
    progress.best = min(value, progress.best)
    result = Validation(record.step, value, progress.best)
    run.log(**asdict(result), seconds=round(record.seconds, 1), cpu=round(record.cpu, 1))
    return result


def _continued(run: Run[Any], model: Any, say: Callable[[str], None]) -> Progress:
    if not run.begun:
        run.cut_log(0)
        return start(model, run.config)
    progress, warnings = run.load_checkpoint(model)
    for warning in warnings:
        say(f"warning: {warning}")
    run.cut_log(progress.step)
    run.log(resumed=progress.step, warnings=warnings)
    return progress


def save(run: Run[Any], job: Job, model: Any, record: Record, value: float) -> None:
    """Write the run's model file: what the job says of it, the settings, how it was trained, what the run says."""
    about = job.facts(value)
    about["metrics"] |= {
        "step": record.step,
        "seconds": round(record.seconds, 1),
        "cpu_seconds": round(record.cpu, 1),
        "parameters": sum(p.numel() for p in model.parameters()),
    }
    store.save_model(run.model_file, model, {**about, "config": asdict(run.config), **run.about()}, job.precision)


def show(
    events: Iterable[Record | Validation], measure: Callable[[float], float], unit: str, console: Console
) -> float:
    """Draw a training's live progress, and a line at each validation; returns the best validation's value.

    `measure` turns losses and validations' values into what is printed, in `unit`."""
    best = smooth = float("inf")
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Bar(*columns, console=console, transient=True) as bar:
        task = bar.add_task("training", total=1.0)
        for event in events:
            if isinstance(event, Validation):
                best = event.best
                train, valid = measure(smooth), measure(event.valid)
                console.print(f"step {event.step:6,}  train {train:.3f}  valid {valid:.3f} {unit}")
                continue
            smooth = event.loss if math.isinf(smooth) else 0.98 * smooth + 0.02 * event.loss
            text = f"{measure(smooth):.3f} {unit}, {event.speed:,.0f} symbols/s"
            bar.update(task, completed=event.done, description=text)
    return best
