"""fit: training as a generator of records. Whoever iterates prints them, streams them, saves between them, or stops.

Truncated backpropagation through time: the state is carried from window to window for ever, the gradient goes back
at most `reach` symbols (Williams & Peng 1990, doi:10.1162/neco.1990.2.4.490).
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rondo.data.text import Batch
from rondo.states import States
from rondo.train.config import Config


class TrainingError(ValueError):
    """Training that cannot go on; the message names the step and what to change."""


class Model(Protocol):
    """What fit trains: a module with the mean loss, in nats per symbol, of symbols y that follow symbols x."""

    training: bool

    def loss(self, x: Tensor, y: Tensor, state: States | None) -> tuple[Tensor, States]: ...

    def train(self, mode: bool = True) -> Any: ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...


@dataclass(frozen=True)
class Record:
    """What one step did."""

    step: int  # 1 for the first
    loss: float  # bits per symbol, before the step
    norm: float  # norm of the whole gradient
    clipped: float  # the same after clipping
    lr: float  # learning rate
    speed: float  # symbols per second of this step
    seconds: float  # time since training began, pauses left out
    done: float  # share of the training that is over, 0 to 1


@dataclass
class Progress:
    """What is carried from step to step beside the weights: all that a checkpoint must hold."""

    optimiser: torch.optim.Optimizer
    state: States | None = None  # of the network, after the last window
    step: int = 0
    seconds: float = 0.0


def start(model: Model, config: Config) -> Progress:
    """Progress at step 0. Decay pulls on matrices only: a bias or gain has no reason to be small."""
    params = [p for _, p in model.named_parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in params if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in params if p.dim() <= 1], "weight_decay": 0.0},
    ]
    make = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[config.optimiser]
    return Progress(make(groups, lr=config.lr))


def fit(model: Model, batches: Iterable[Batch], config: Config, progress: Progress | None = None) -> Iterator[Record]:
    """Train `model` on `batches`, one record a step, until the configuration's end or the last batch.

    `progress` continues a training; its `step` must be the step of the first batch.
    """
    progress = progress or start(model, config)
    begun = time.monotonic() - progress.seconds
    if share_done(config, progress) >= 1:
        return
    for batch in batches:
        record = train_step(model, batch, config, progress, begun)
        yield record
        if record.done >= 1:
            return


def train_step(model: Model, batch: Batch, config: Config, progress: Progress, begun: float) -> Record:
    """One window: gradients, clipping, one step of the optimiser."""
    before = time.monotonic()
    progress.seconds = before - begun
    lr = learning_rate(config, progress)
    for group in progress.optimiser.param_groups:
        group["lr"] = lr
    progress.optimiser.zero_grad()
    state = None if batch.fresh else progress.state
    loss, progress.state = backward(model, batch, state, config.reach or config.window)
    norm = clip(model, config.clip, progress.step + 1)
    progress.optimiser.step()
    progress.step += 1
    now = time.monotonic()
    progress.seconds = now - begun
    speed = batch.x.numel() / max(now - before, 1e-9)
    clipped = min(norm, config.clip) if config.clip else norm
    done = share_done(config, progress)
    return Record(progress.step, loss / math.log(2), norm, clipped, lr, speed, progress.seconds, done)


def backward(model: Model, batch: Batch, state: States | None, reach: int) -> tuple[float, States]:
    """Add the window's gradients to the parameters. The window is walked in pieces of `reach` symbols; the state
    passes from piece to piece, the gradient does not. Returns the mean loss in nats and the state after."""
    width, total = batch.x.shape[1], 0.0
    for first in range(0, width, reach):
        x, y = batch.x[:, first : first + reach], batch.y[:, first : first + reach]
        loss, state = model.loss(x, y, state)
        share = x.shape[1] / width
        torch.autograd.backward(loss * share)
        state = state.detach().map(Tensor.contiguous)  # one layout: a state read from a file gives the same bits
        total += loss.item() * share
    assert state is not None, "a window holds at least one symbol"
    return total, state


def clip(model: Model, limit: float, step: int) -> float:
    """Scale the whole gradient down to norm `limit` where it is longer (0: never); returns the norm it had.

    The norm is the root of the sum of squares over all parameters; the lecture's snippet compares the sum itself
    with the limit. A gradient that is not finite stops the training before it reaches the weights.
    """
    gradients = {n: p.grad for n, p in model.named_parameters() if p.grad is not None}
    norm = float(torch.nn.utils.get_total_norm(list(gradients.values())))
    if not math.isfinite(norm):
        worst = next((n for n, g in gradients.items() if not g.isfinite().all()), "the whole gradient")
        raise TrainingError(
            f"step {step}: the gradient of {worst} is not finite; take a smaller lr or a smaller clip, "
            "and begin again from the last checkpoint"
        )
    if limit and norm > limit:
        torch._foreach_mul_(list(gradients.values()), limit / norm)
    return norm


def share_done(config: Config, progress: Progress) -> float:
    """The share of the training that is over: by the clock where `minutes` is set, else by steps."""
    if config.minutes:
        return progress.seconds / (60 * config.minutes)
    return progress.step / config.steps


def learning_rate(config: Config, progress: Progress) -> float:
    """A linear rise over `warmup` steps, then half a cosine down to lr_last * lr at the end, or constant."""
    rise = min(1.0, (progress.step + 1) / max(config.warmup, 1))
    if config.schedule == "constant":
        return config.lr * rise
    cosine = (1 + math.cos(math.pi * min(share_done(config, progress), 1.0))) / 2
    return config.lr * rise * (config.lr_last + (1 - config.lr_last) * cosine)


@torch.no_grad()
def mean_bits(model: Model, batches: Iterable[Batch]) -> float:
    """Bits per symbol over these batches, the state carried, nothing trained."""
    total, count = 0.0, 0
    state: States | None = None
    mode = model.training
    model.train(False)
    for batch in batches:
        loss, state = model.loss(batch.x, batch.y, None if batch.fresh else state)
        total += loss.item() * batch.x.numel()
        count += batch.x.numel()
    model.train(mode)
    return total / count / math.log(2)
