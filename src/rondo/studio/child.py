"""Work on what people typed, in a process of its own: it can be stopped, and what it breaks is broken there alone.

A piece of work is a generator function that takes plain values and yields plain records. The process comes from a
server that has imported everything (forkserver), so it is there in a few hundredths of a second. It may use so much
memory, time and disk, and ends with its client, or with the server, however that ends. What it says travels as JSON:
nothing from it is executed here.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import math
import multiprocessing
import multiprocessing.connection
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from typing import Any

import anyio.to_thread

from rondo.studio.queue import FAULT, Records, threads

Work = Callable[..., Iterator[dict[str, Any]]]
MB = 1 << 20
LONGEST = math.inf  # seconds of any work, whatever its limits say


@dataclass(frozen=True)
class Limits:
    """What a process may use: seconds by the clock, MB of memory and MB of one file that it writes."""

    seconds: float = 30.0
    memory: int = 2048
    file: int = 64


class WorkError(ValueError):
    """The work was refused, or went past its limits."""


@functools.cache
def context() -> ForkServerContext:
    """Processes that start with everything imported."""
    found = multiprocessing.get_context("forkserver")
    found.set_forkserver_preload(["rondo.studio.work"])
    return found


async def in_child(work: Work, values: dict[str, Any], limits: Limits = Limits()) -> Records:
    """The records of a piece of work, as they come. Raises WorkError. Closing this ends the process."""
    ours, theirs = context().Pipe(duplex=False)
    told = (theirs, work.__module__, work.__name__, values, limits)
    process = context().Process(target=_main, args=told, daemon=True)
    await _run(process.start)
    theirs.close()
    until = time.monotonic() + min(limits.seconds, LONGEST)
    try:
        while True:
            kind, value = await _run(_next, ours, until, limits)
            if kind == "done":
                return
            if kind == "failed":
                raise WorkError(value)
            yield value
    finally:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid or 0, signal.SIGKILL)  # with the compiler that it may have started
        process.kill()
        ours.close()


async def _run(function: Callable[..., Any], *arguments: Any) -> Any:
    return await anyio.to_thread.run_sync(
        functools.partial(function, *arguments), limiter=threads(), abandon_on_cancel=True
    )


def _next(connection: Connection, until: float, limits: Limits) -> tuple[str, Any]:
    """What the process says next."""
    try:
        if not connection.poll(max(0.0, until - time.monotonic())):
            return "failed", (
                f"超过了 {limits.seconds:g} 秒的时限 / this took longer than the limit of {limits.seconds:g} seconds"
            )
        kind, value = json.loads(connection.recv_bytes())
        return kind, value
    except (EOFError, OSError):
        return "failed", (
            f"计算中断：多半超过了 {limits.memory} MB 内存 / "
            f"the process ended: it probably went past {limits.memory} MB of memory"
        )


def _main(connection: Connection, module: str, name: str, values: dict[str, Any], limits: Limits) -> None:
    """In the process: do the work and send its records."""
    os.setsid()
    threading.Thread(target=_end_with_server, daemon=True).start()
    _limit(limits)
    sys.stdout = open(os.devnull, "w")  # noqa: SIM115  # lives as long as the process

    def say(kind: str, value: Any = None) -> None:
        connection.send_bytes(json.dumps((kind, spelled(value)), ensure_ascii=False).encode())

    try:
        for record in getattr(importlib.import_module(module), name)(**values):
            say("record", record)
        say("done")
    except BrokenPipeError:
        return
    except MemoryError:
        say("failed", f"超过了 {limits.memory} MB 内存 / this needs more than {limits.memory} MB of memory")
    except ValueError as error:
        if not type(error).__module__.startswith(FAULT):
            raise
        say("failed", str(error))


def _end_with_server() -> None:
    """The server's end of a pipe closes when it ends, killed too; then nobody is left to compute for."""
    server = multiprocessing.parent_process()
    if server is not None:
        multiprocessing.connection.wait([server.sentinel])
        os.killpg(0, signal.SIGKILL)


def spelled(value: Any) -> Any:
    """The same without numbers that JSON does not have: these become the words NaN, Infinity, -Infinity."""
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {name: spelled(v) for name, v in value.items()}
    return [spelled(v) for v in value] if isinstance(value, list | tuple) else value


def _limit(limits: Limits) -> None:
    """Limits of the operating system, for what this process and its children do from now on."""
    in_use = int(open("/proc/self/statm").read().split()[5]) * resource.getpagesize() if sys.platform == "linux" else 0  # noqa: SIM115
    resource.setrlimit(resource.RLIMIT_DATA, (in_use + limits.memory * MB,) * 2)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limits.file * MB,) * 2)
    resource.setrlimit(resource.RLIMIT_CPU, (int(limits.seconds * (os.cpu_count() or 1)) + 1,) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
