"""Who is served when. A line of work, so many at once; who waits sees the place, and a full line says that it is busy.

A route answers with the last record of its work as JSON, or, to `Accept: text/event-stream`, with all of it as it
comes (server-sent events):

    event: queued   data: {"place": 2}           work that is before this one, as often as it changes
    event: record   data: {...}                  a record of the work
    event: failed   data: {"detail": "..."}      the input was refused; nothing comes after
    event: done     data: {}

Work ends where its client goes away.
"""

from __future__ import annotations

import asyncio
import functools
import json
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator
from contextlib import aclosing, closing
from typing import Any

import anyio.to_thread
from anyio import CapacityLimiter
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

Record = dict[str, Any]
Records = AsyncGenerator[Record, None]
EVENTS = "text/event-stream"
PATIENCE = 15.0  # seconds after which a silent stream says that it is alive
MOMENT = 0.04  # seconds of work between two looks at whether the client is still there
FAULT = "rondo."  # errors of these modules are about the input


class BusyError(Exception):
    """The line is full."""

    def __init__(self) -> None:
        super().__init__("现在很忙，请稍后再试 / busy: too many are waiting, please try again in a moment")


class Queue:
    """A line of work: `running` at once, at most `waiting` more."""

    def __init__(self, running: int, waiting: int) -> None:
        self.running, self.waiting = running, waiting
        self._line: list[object] = []
        self._changed = asyncio.Event()

    async def places(self) -> AsyncGenerator[int, None]:
        """The place of a new piece of work: so many before it, until 0, when it runs. It leaves the line when the
        generator is closed. Raises BusyError."""
        if len(self._line) >= self.running + self.waiting:
            raise BusyError
        ticket = object()
        self._line.append(ticket)
        try:
            last = -1
            while last:
                place = max(0, self._line.index(ticket) - self.running + 1)
                if place != last:
                    yield place
                    last = place
                else:
                    await self._changed.wait()
        finally:
            self._line.remove(ticket)
            self._changed.set()
            self._changed = asyncio.Event()

    @property
    def length(self) -> int:
        """How many run or wait."""
        return len(self._line)


async def respond(http: Request, queue: Queue, work: Callable[[], Records]) -> Response:
    """Do a piece of work in its turn: JSON, or a stream where one is asked for. Raises BusyError, ValueError."""
    if EVENTS in http.headers.get("accept", ""):
        if queue.length >= queue.running + queue.waiting:
            raise BusyError
        return StreamingResponse(_events(queue, work), media_type=EVENTS, headers={"Cache-Control": "no-store"})
    finished = asyncio.create_task(_last(queue, work))
    while not finished.done():
        await asyncio.wait([finished], timeout=0.5)
        if not finished.done() and await http.is_disconnected():
            finished.cancel()
    if finished.cancelled():
        return Response(status_code=499)  # nobody reads it
    return JSONResponse(await finished)


async def _last(queue: Queue, work: Callable[[], Records]) -> Record:
    last: Record = {}
    async with aclosing(queue.places()) as places:
        async for place in places:
            if place:
                continue
            async with aclosing(work()) as records:
                async for record in records:
                    last = record
            break
    return last


async def _events(queue: Queue, work: Callable[[], Records]) -> AsyncIterator[str]:
    """All of it as text. It is closed where the client has gone, and closes what it runs."""
    try:
        async with aclosing(queue.places()) as places:
            async for place in places:
                yield _event("queued", {"place": place})
                if place == 0:
                    async with aclosing(work()) as records:
                        async for record in _alive(records):
                            yield ": still at work\n\n" if record is None else _event("record", record)
                    break
        yield _event("done", {})
    except BusyError as error:
        yield _event("failed", {"detail": str(error)})
    except ValueError as error:
        if not type(error).__module__.startswith(FAULT):
            raise
        yield _event("failed", {"detail": str(error)})


async def _alive(records: Records) -> AsyncIterator[Record | None]:
    """The records, and None where nothing has come for a while: a write is how a server learns that nobody listens."""
    coming: asyncio.Task[Record] | None = None
    try:
        while True:
            coming = coming or asyncio.ensure_future(anext(records))
            done, _ = await asyncio.wait([coming], timeout=PATIENCE)
            if not done:
                yield None
                continue
            finished, coming = coming, None
            try:
                yield finished.result()
            except StopAsyncIteration:
                return
    finally:
        if coming is not None:
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)


def _event(name: str, data: Record) -> str:
    return f"event: {name}\ndata: {json.dumps(data, ensure_ascii=False)}\n\n"


async def in_thread(function: Callable[..., BaseModel | Record], *arguments: Any) -> Records:
    """One record: what a function gives, run beside the server in a thread. A thread cannot be stopped, so this is for
    what is short, and works on checked requests only."""
    found = await anyio.to_thread.run_sync(functools.partial(function, *arguments), limiter=threads())
    yield found.model_dump() if isinstance(found, BaseModel) else found


async def in_steps(function: Callable[..., Generator[Record, None, None]], *arguments: Any) -> Records:
    """The records of a generator, which runs beside the server in a thread for a moment at a time: it ends between two
    records where its client has gone."""
    with closing(function(*arguments)) as records:
        more = True
        while more:
            found, more = await anyio.to_thread.run_sync(_some, records, limiter=threads())
            for record in found:
                yield record


def _some(records: Iterator[Record]) -> tuple[list[Record], bool]:
    """What comes within a moment, and whether more may come."""
    found, until = [], time.monotonic() + MOMENT
    for record in records:
        found.append(record)
        if time.monotonic() > until:
            return found, True
    return found, False


@functools.cache
def threads() -> CapacityLimiter:
    """How many threads may work or wait beside the server: more than the queues let in."""
    return CapacityLimiter(64)
