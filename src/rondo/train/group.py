"""A group of training processes (torch.distributed, started by torchrun). Without one, everything here does nothing.

Each process reads its own rows of every batch. What is averaged is summed over all of them first and then divided by
all symbols, so that two processes do what one does with the whole batch.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
from collections.abc import Iterator, Sequence

import torch
from torch import Tensor, distributed

from rondo.data.batch import IGNORED, Batch
from rondo.states import States
from rondo.train.config import ConfigError


def rank() -> int:
    """Which process this is; 0 alone prints and writes. Known before the group is joined."""
    if _active():
        return distributed.get_rank()
    return int(os.environ.get("RANK", "0")) if _announced() > 1 else 0


def size() -> int:
    """How many processes train together; also known before."""
    return distributed.get_world_size() if _active() else _announced()


def _active() -> bool:
    return distributed.is_available() and distributed.is_initialized()


def _announced() -> int:
    """How many processes torchrun has started."""
    return int(os.environ.get("WORLD_SIZE", "1"))


@contextlib.contextmanager
def joined() -> Iterator[torch.device]:
    """Join the group that torchrun describes in the environment, if one does; gives the device to train on.

    Once in a process: a second group at the same address can meet what is left of the first one, and wait for ever.
    """
    gpu = torch.cuda.is_available()
    device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0"))) if gpu else torch.device("cpu")
    if _announced() <= 1:
        yield device
        return
    if gpu:
        torch.cuda.set_device(device)
    distributed.init_process_group("nccl" if gpu else "gloo")
    try:
        yield device
    finally:
        distributed.destroy_process_group()


def share(rows: int) -> slice:
    """The rows of a global batch that this process reads."""
    if rows % size():
        raise ConfigError(f"{size()} processes cannot share {rows} rows evenly: set batch to a multiple of {size()}")
    own = rows // size()
    return slice(rank() * own, (rank() + 1) * own)


def own_rows(batch: Batch) -> Batch:
    """Every so-manieth row of a batch of any number of rows; where there are too few, a row that does not count."""
    if size() == 1:
        return batch
    if rank() < len(batch.x):
        return batch.rows(slice(rank(), None, size()))
    spare = batch.rows([0])
    return dataclasses.replace(spare, y=None if spare.y is None else torch.full_like(spare.y, IGNORED))


def add(values: Sequence[Tensor]) -> None:
    """Sum these tensors over all processes, in place; all of one type and device travel together."""
    if size() == 1 or not values:
        return
    flat = torch.cat([v.reshape(-1) for v in values])
    distributed.all_reduce(flat)
    parts = torch.split(flat, [v.numel() for v in values])
    torch._foreach_copy_(list(values), [p.view_as(v) for p, v in zip(parts, values, strict=True)])


def total(nats: float, count: int) -> tuple[float, int]:
    """Loss and count summed over all processes."""
    if size() == 1:
        return nats, count
    both = torch.tensor([nats, count], dtype=torch.float64)
    both = both.cuda() if distributed.get_backend() == "nccl" else both
    distributed.all_reduce(both)
    return float(both[0]), int(both[1])


def first(value: float) -> float:
    """The first process's value, in all of them."""
    return total(value if rank() == 0 else 0.0, 0)[0]


def gathered(state: States | None) -> States | None:
    """The states of all processes, rows in the order of the batch; every process must ask."""
    if size() == 1 or state is None:
        return state

    def whole(v: Tensor) -> Tensor:
        parts = [torch.empty_like(v) for _ in range(size())]
        distributed.all_gather(parts, v.contiguous())
        return torch.cat(parts)

    return state.map(whole)


def stacked(v: Tensor) -> Tensor:
    """A tensor of each process, [processes, ...]; every process must ask."""
    if size() == 1:
        return v.unsqueeze(0)
    given = v.cuda() if distributed.get_backend() == "nccl" else v
    parts = [torch.empty_like(given) for _ in range(size())]
    distributed.all_gather(parts, given)
    return torch.stack(parts).cpu()


def wait() -> None:
    """Until every process has come here."""
    if size() > 1:
        distributed.barrier()
