"""A small reader of FlatBuffers: tables, vectors and numbers in a file that nobody vouches for.

A table begins with the distance back to its vtable, which says at which offset each field lies, 0 for one that is
absent; strings, vectors and tables within it are named by their distance forward (FlatBuffers, "Internals"). Every
offset is checked before it is followed, and nothing is executed.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike, NDArray

from rondo.files import FileError

MOST = 1 << 16  # parts of a vector of tables


class FlatError(FileError):
    """A file that is no FlatBuffer, or a damaged one."""


class Table:
    """A table at a place of the bytes. Fields are numbered as in their schema."""

    def __init__(self, data: bytes, place: int) -> None:
        self.data, self.place = data, place
        self.vtable = place - _number(data, place, "<i")
        self.size = _number(data, self.vtable, "<H")

    def _field(self, field: int) -> int:
        """Where a field lies, 0 where it is absent."""
        entry = 4 + 2 * field
        offset = _number(self.data, self.vtable + entry, "<H") if entry + 2 <= self.size else 0
        return self.place + offset if offset else 0

    def number(self, field: int, kind: str = "<i", default: int = 0) -> int:
        """A whole number; kind as in `struct`: "<b", "<B", "<i", "<I"."""
        place = self._field(field)
        return _number(self.data, place, kind) if place else default

    def _vector(self, field: int) -> tuple[int, int]:
        """Where a vector's parts begin, and how many there are."""
        place = self._field(field)
        if not place:
            return 0, 0
        start = place + _number(self.data, place, "<I")
        return start + 4, _number(self.data, start, "<I")

    def array(self, field: int, kind: DTypeLike) -> NDArray[np.generic]:
        """A vector of numbers."""
        start, count = self._vector(field)
        size = np.dtype(kind).itemsize * count
        if start + size > len(self.data):
            raise FlatError("a vector goes on past the end of the file: it is damaged")
        return np.frombuffer(self.data[start : start + size], dtype=kind)

    def text(self, field: int) -> str:
        return bytes(self.array(field, np.uint8)).decode("utf-8", "replace")

    def tables(self, field: int) -> Iterator[Table]:
        """A vector of tables."""
        start, count = self._vector(field)
        if count > MOST:
            raise FlatError(f"{count} parts are more than any model has: it is damaged")
        for place in range(start, start + 4 * count, 4):
            yield Table(self.data, place + _number(self.data, place, "<I"))

    def table(self, field: int) -> Table | None:
        place = self._field(field)
        return Table(self.data, place + _number(self.data, place, "<I")) if place else None


def root(data: bytes, identifier: bytes) -> Table:
    """The table that the file holds. Raises FlatError where its identifier is another."""
    if data[4:8] != identifier:
        raise FlatError(f"this is no file of the kind {identifier.decode()}")
    return Table(data, _number(data, 0, "<I"))


def _number(data: bytes, place: int, kind: str) -> int:
    if not 0 <= place <= len(data) - struct.calcsize(kind):
        raise FlatError("an offset leads out of the file: it is damaged")
    return int(struct.unpack_from(kind, data, place)[0])
