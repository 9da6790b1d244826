"""Pieces of work that behave badly, for tests of `rondo.studio.child`."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Iterator
from typing import Any

from rondo.verse.books import VerseError

Records = Iterator[dict[str, Any]]


def count(n: int) -> Records:
    for k in range(n):
        yield {"k": k, "x": float("nan")}


def forever() -> Records:
    yield {}
    while True:
        pass


def hungry() -> Records:
    yield {}
    held = []
    while True:
        held.append(bytearray(10_000_000))


def wrong() -> Records:
    yield {}
    raise VerseError("错 / wrong")


def crash() -> Records:
    yield {}
    os.abort()


def writes_much() -> Records:
    yield {}
    with tempfile.TemporaryFile() as file:
        while True:
            file.write(bytes(1 << 20))


def pids() -> Records:
    yield {"pid": os.getpid()}
    time.sleep(60)
