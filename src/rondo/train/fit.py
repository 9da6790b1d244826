"""fit: training as a generator of records. Whoever iterates prints them, streams them, saves between them, or stops.

Truncated backpropagation through time: the state is carried from window to window for ever, the gradient goes back
at most `reach` symbols (Williams & Peng 1990, doi:10.1162/neco.1990.2.4.490, BPTT(h; h')).
"""

from __future__ import annotations

import contextlib
import math
import resource
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from rondo.data.batch import IGNORED, Batch
from rondo.models.loss import Loss
from rondo.states import States
from rondo.train import group
from rondo.train.config import Config


class TrainingError(ValueError):
    """Training that cannot go on; the message names the step and what to change."""


class Model(Protocol):
    """What fit trains: a torch module of any of the model shapes."""

    training: bool

    def loss(self, batch: Batch, state: States | None = None) -> Loss: ...

    def train(self, mode: bool = True) -> Any: ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...


@dataclass(frozen=True)
class Record:
    """What one step did."""

    step: int  # 1 for the first
    loss: float  # nats (or whatever the loss counts) per symbol, before the step, without penalties
    norm: float  # norm of the whole gradient, before clipping by norm
    clipped: float  # the same after clipping
    lr: float  # learning rate
    speed: float  # symbols per second of this step, of all processes together
    memory: float  # most megabytes this process has held so far (on a GPU: of its memory)
    seconds: float  # time since training began, pauses and validations left out
    cpu: float  # processor time of this process since training began: seconds of work, whatever else the machine did
    done: float  # share of the training that is over, 0 to 1


@dataclass
class Progress:
    """What is carried from step to step beside the weights: all that a checkpoint must hold."""

    optimiser: torch.optim.Optimizer
    state: States | None = None  # what the next window begins with
    average: dict[str, Tensor] = field(default_factory=dict)  # running mean of the weights; empty without
    step: int = 0
    seconds: float = 0.0
    cpu: float = 0.0
    best: float = math.inf  # lowest loss in validation


def start(model: Model, config: Config) -> Progress:
    """Progress at step 0. Decay pulls on matrices only: a bias or gain has no reason to be small."""
    params = [p for _, p in model.named_parameters() if p.requires_grad]
    groups: list[dict[str, Any]] = [
        {"params": [p for p in params if p.dim() > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in params if p.dim() <= 1], "weight_decay": 0.0},
    ]
    betas = (config.momentum, config.beta2)
    kind: Any = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[config.optimiser]
    memory: dict[str, Any] = {"momentum": config.momentum} if config.optimiser == "sgd" else {"betas": betas}
    optimiser = kind(groups, lr=config.lr, **memory)
    average = {n: p.detach().clone() for n, p in model.named_parameters()} if config.ema else {}
    return Progress(optimiser, average=average)


def fit(model: Model, batches: Iterable[Batch], config: Config, progress: Progress | None = None) -> Iterator[Record]:
    """Train `model` on `batches`, one record a step, until the configuration's end or the last batch.

    `progress` continues a training; its `step` must be the step of the first batch. Under torch.distributed every
    process passes its own rows; gradients are averaged over all symbols of all processes.
    Raises TrainingError where loss or gradient are not finite; the weights are then those of the step before.
    """
    progress = progress or start(model, config)
    if share_done(config, progress) >= 1:
        return
    for batch in batches:
        record = train_step(model, batch, config, progress)
        yield record
        if record.done >= 1:
            return


@contextlib.contextmanager
def timed(progress: Progress) -> Iterator[None]:
    """Adds the wall and processor time of a step; what happens between two records does not count."""
    wall, cpu = time.monotonic(), time.process_time()
    yield
    progress.seconds += time.monotonic() - wall
    progress.cpu += time.process_time() - cpu


@contextlib.contextmanager
def denormals_as_zero() -> Iterator[None]:
    """Inside, this thread counts denormal floats as zero. Adam's running mean of the gradient of a symbol that is not
    met fades into them after 700 steps and never comes out, which makes its step several times slower."""
    before = not (torch.full((1,), 1e-39) * 1).any()  # torch has no name for the mode that is set
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(before)


def train_step(model: Model, batch: Batch, config: Config, progress: Progress) -> Record:
    """One window: gradients, clipping, one step of the optimiser."""
    before = progress.seconds
    with timed(progress), denormals_as_zero():
        lr = learning_rate(config, progress) * window_share(batch, config)
        for g in progress.optimiser.param_groups:
            g["lr"] = lr
        progress.optimiser.zero_grad()
        state = None if batch.fresh else progress.state
        nats, count, progress.state = backward(model, batch, state, config)
        nats, count = group.total(nats, count)
        norm, clipped = finish_gradient(model, config, nats, count, progress.step + 1)
        progress.optimiser.step()
        update_average(model, progress, config.ema)
        progress.step += 1
    progress.seconds = group.first(progress.seconds)  # one clock for all, where it decides on rates and the end
    took = max(progress.seconds - before, 1e-9)
    loss, done = nats / max(count, 1), share_done(config, progress)
    return Record(progress.step, loss, norm, clipped, lr, count / took, memory(), progress.seconds, progress.cpu, done)


def window_share(batch: Batch, config: Config) -> float:
    """A shorter window takes a smaller step (Merity et al. 2018, arXiv:1708.02182, sec. 5)."""
    if not config.vary or not config.window or batch.y is None:
        return 1.0
    return min(int((batch.y[0] != IGNORED).sum()) / config.window, 2.0)


def backward(model: Model, batch: Batch, state: States | None, config: Config) -> tuple[float, int, States | None]:
    """Add the gradients of the batch's summed loss to the parameters: the loss, its count, and the state that the next
    batch begins with. With `accumulate` the rows are run in parts, one after the other."""
    rows = len(batch.x)
    size = -(-rows // config.accumulate)
    parts = [slice(first, min(first + size, rows)) for first in range(0, rows, size)]
    nats, count, states = 0.0, 0, []
    for part in parts:
        own = batch if len(parts) == 1 else batch.rows(part)
        given = state if state is None or len(parts) == 1 else state.rows(part)
        loss, n, after = _backward(model, own, given, config.reach)
        nats, count = nats + loss, count + n
        states += [after] if after else []
    if not states:
        return nats, count, None
    # one layout: a state read from a file gives the same bits
    return nats, count, (states[0] if len(states) == 1 else States.concatenate(states)).map(Tensor.contiguous)


def _backward(model: Model, batch: Batch, state: States | None, reach: int) -> tuple[float, int, States | None]:
    """One walk over the window. Where the reach is shorter it is walked in pieces of `reach` symbols, and the state
    passes from piece to piece but the gradient does not; where it is longer, the window holds what came before it, and
    the state for the next one is taken on the way."""
    width, cut = batch.x.shape[1], batch.advance
    if cut:  # a gradient flows through the cut, and the state there is kept
        head = model.loss(batch.steps(0, cut), state)
        tail = model.loss(batch.steps(cut, width), head.state)
        _run_back(head.total + tail.total)
        return float(head.nats) + float(tail.nats), head.count + tail.count, _detached(head.state)
    pieces = [batch]
    if cut is None and 0 < reach < width and batch.lengths is None:  # whole sequences are never cut
        pieces = [batch.steps(first, min(first + reach, width)) for first in range(0, width, reach)]
    nats, count, after = 0.0, 0, state
    for piece in pieces:
        loss = model.loss(piece, after)
        _run_back(loss.total)
        nats, count, after = nats + float(loss.nats), count + loss.count, _detached(loss.state)
    return nats, count, state if cut == 0 else after


def _detached(state: States | None) -> States | None:
    return state.detach() if state else None


def _run_back(total: Tensor) -> None:
    if total.requires_grad:  # not where nothing in the piece counts
        torch.autograd.backward(total)


def finish_gradient(model: Model, config: Config, nats: float, count: int, step: int) -> tuple[float, float]:
    """Turn the summed gradient into the mean's, over all processes; clip it. Returns its norm before and after.

    The norm is the root of the sum of squares over all parameters; the lecture's snippet compares the sum itself
    with the limit. What is not finite stops the training before it reaches the weights.
    """
    params = {n: p for n, p in model.named_parameters() if p.requires_grad}
    gradients = {n: torch.zeros_like(p) if p.grad is None else p.grad for n, p in params.items()}
    for n, p in params.items():
        p.grad = gradients[n]  # what nothing has reached here, another process may have
    values = list(gradients.values())
    group.add(values)
    torch._foreach_mul_(values, 1 / max(count, 1))
    if config.clip_value:
        torch._foreach_clamp_min_(values, -config.clip_value)
        torch._foreach_clamp_max_(values, config.clip_value)
    norm = float(torch.nn.utils.get_total_norm(values))
    if not math.isfinite(norm) or not math.isfinite(nats):
        check_weights(model, step)  # a weight that is not finite is the cause, a gradient its first sign
        worst = next((n for n, g in gradients.items() if not g.isfinite().all()), None)
        what = f"the gradient of {worst} is not finite" if worst else f"the loss is {nats / max(count, 1)}"
        raise TrainingError(f"step {step}: {what}; take a smaller lr or a smaller clip")
    if config.clip and norm > config.clip:
        torch._foreach_mul_(values, config.clip / norm)
    return norm, min(norm, config.clip) if config.clip else norm


def check_weights(model: Model, step: int) -> None:
    """Raise TrainingError, naming the weight, where one is not finite."""
    worst = next((n for n, p in model.named_parameters() if not p.isfinite().all()), None)
    if worst is not None:
        raise TrainingError(f"step {step}: the weight {worst} is not finite; take a smaller lr or a smaller clip")


def update_average(model: Model, progress: Progress, decay: float) -> None:
    """m <- d m + (1 - d) w, with d = min(decay, (1 + t) / (10 + t)): early weights are forgotten soon."""
    if not decay:
        return
    share = 1 - min(decay, (1 + progress.step) / (10 + progress.step))
    params = dict(model.named_parameters())
    means = list(progress.average.values())
    torch._foreach_lerp_(means, [params[n].detach() for n in progress.average], share)


@contextlib.contextmanager
def averaged(model: Model, progress: Progress) -> Iterator[None]:
    """Inside, the model has the running mean of its weights, where one is kept."""
    params: list[Tensor] = [p for n, p in model.named_parameters() if n in progress.average]
    if not progress.average:
        yield
        return
    last = [p.detach().clone() for p in params]
    with torch.no_grad():
        torch._foreach_copy_(params, [progress.average[n] for n, _ in model.named_parameters()])
    try:
        yield
    finally:
        with torch.no_grad():
            torch._foreach_copy_(params, last)


def memory() -> float:
    """Most megabytes this process has held, on the GPU where one has been used."""
    if torch.cuda.is_available() and torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        return float(torch.cuda.max_memory_allocated() / 2**20)
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most / (2**20 if sys.platform == "darwin" else 2**10)


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
def mean_loss(model: Model, batches: Iterable[Batch]) -> float:
    """Loss per symbol over these batches, the state carried, nothing trained."""
    total, count = 0.0, 0
    state: States | None = None
    mode = model.training
    model.train(False)
    for batch in batches:
        loss = model.loss(batch, None if batch.fresh else state)
        state = loss.state
        total, count = total + float(loss.nats), count + loss.count
    model.train(mode)
    return total / max(count, 1)
