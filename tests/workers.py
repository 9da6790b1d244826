"""What tests do in processes of their own. Such a process comes from a server that has imported everything already
(`start`), so that killing one and starting the next takes no time."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["rondo.cli", "rondo.train.text", "rondo.train.quickstart", "torch._dynamo", "torch.distributed"]
)


def start(work: Callable[..., None], *arguments: Any) -> BaseProcess:
    """A process that does this work and nothing else."""
    process = SERVER.Process(target=work, args=arguments, daemon=True)
    process.start()
    return process


def rondo(arguments: list[str], said: Path | None = None, killed_at: int = 0, largest_file: int = 0) -> None:
    """`python -m rondo` with these arguments, with one thread. What it prints goes to the file `said`.

    killed_at     the process kills itself at its so-manieth operation on a file
    largest_file  bytes that a file may have: the disk is full then
    """
    import torch

    from rondo.cli import main

    torch.set_num_threads(1)
    if killed_at:
        die_at(killed_at)
    sys.argv = ["rondo", *arguments]
    with (said or Path(os.devnull)).open("w") as file, redirect_stdout(file), redirect_stderr(file):
        if largest_file:
            resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
        main()


def die_at(count: int) -> None:
    """From now on: SIGKILL in place of the so-manieth call that writes, syncs or renames."""
    left = count

    def dying(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                os.kill(os.getpid(), signal.SIGKILL)
            return real(*args)

        return call

    for name in ("fsync", "replace"):
        setattr(os, name, dying(getattr(os, name)))


def in_group(work: Callable[..., None], *arguments: Any, processes: int = 2) -> None:
    """Do the same work in several processes, as torchrun starts them. Raises AssertionError where one fails."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    running = [start(_member, work, rank, processes, port, arguments) for rank in range(processes)]
    until = time.monotonic() + 300  # a loaded machine may need long to start them
    for process in running:
        process.join(max(0.0, until - time.monotonic()))
        if process.exitcode is None:
            process.kill()
            process.join()
    codes = [p.exitcode for p in running]
    assert codes == [0] * processes, codes


def _member(work: Callable[..., None], rank: int, processes: int, port: int, arguments: tuple[Any, ...]) -> None:
    import torch

    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), WORLD_SIZE=str(processes), LOCAL_RANK=str(rank))
    os.environ.update(MASTER_ADDR="127.0.0.1", MASTER_PORT=str(port))
    work(*arguments)
