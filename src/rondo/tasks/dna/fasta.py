"""FASTA, streamed: many records of any length, in memory that does not grow with them.

A record begins with a line `>name description`; its sequence follows in lines of any length (Pearson & Lipman 1988,
doi:10.1073/pnas.85.8.2444). A file without any such line is one sequence called "sequence".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from rondo.tasks.dna.letters import DnaError, bases

PIECE = 4000  # bases that are read at once ...
CONTEXT = 60  # ... with so many of the pieces before and after


@dataclass(frozen=True)
class Piece:
    """A part of a record: its bases with their context. Of `sequence`, the bases [first, last) are the part's own;
    sequence[first] is base `offset` of the record; `end`: it is the record's last one."""

    name: str
    sequence: str
    first: int
    last: int
    offset: int
    end: bool


def records(lines: Iterable[str], called: str) -> Iterator[tuple[str, Iterator[str]]]:
    """The records of a file with the lines of their sequences. A record's lines must be read before the next record.

    Raises DnaError, naming `called` and the line, for what is no base and for a record without any.
    """
    state, any_record = _Lines(lines, called), False
    while (name := state.begin()) is not None:
        any_record = True
        yield name, state.sequence()
    if not any_record:
        raise DnaError(f"{called} 里没有序列 / {called} holds no sequence")


class _Lines:
    """Where a reader of a file stands."""

    def __init__(self, lines: Iterable[str], called: str) -> None:
        self._lines, self._called = iter(lines), called
        self._number, self._line = 0, ""
        self._next()

    def _next(self) -> None:
        """The next line that says something; "" at the end. ; begins an old kind of comment."""
        for line in self._lines:
            self._number += 1
            self._line = line.strip()
            if self._line and not self._line.startswith(";"):
                return
        self._line = ""

    def begin(self) -> str | None:
        """The name of the next record; None at the end."""
        if not self._line:
            return None
        if not self._line.startswith(">"):
            return "sequence"
        name = self._line[1:].strip().split(maxsplit=1)
        self._next()
        if not self._line or self._line.startswith(">"):
            raise DnaError(f"{self._called}:{self._number}: 记录里没有序列 / a record without a sequence")
        return name[0] if name else "sequence"

    def sequence(self) -> Iterator[str]:
        """The bases of the record, line by line."""
        while self._line and not self._line.startswith(">"):
            try:
                bases(self._line)
            except DnaError as error:
                raise DnaError(f"{self._called}:{self._number}: {error}") from None
            yield self._line
            self._next()


def pieces(name: str, lines: Iterable[str]) -> Iterator[Piece]:
    """A record in parts with their context."""
    before, own, offset = "", "", 0
    for part in (line[k : k + PIECE] for line in lines for k in range(0, len(line), PIECE)):
        own += part
        while len(own) >= PIECE + CONTEXT:
            yield Piece(name, before + own[: PIECE + CONTEXT], len(before), len(before) + PIECE, offset, False)
            before, own, offset = (before + own[:PIECE])[-CONTEXT:], own[PIECE:], offset + PIECE
    yield Piece(name, before + own, len(before), len(before) + len(own), offset, True)
