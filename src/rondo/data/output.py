"""Files of a data set in the making: splits that keep near records apart, the same bytes from the same input."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import io
import json
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple


class Output:
    """Files, each written beside its place; they take their names when all are whole, and go if anything fails.

    dropped  records left out, by reason
    notes    what a reader of the data should know
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.dropped: Counter[str] = Counter()
        self.notes: list[str] = []
        self._open = contextlib.ExitStack()
        self._files: dict[str, io.BufferedIOBase] = {}
        self._records: Counter[str] = Counter()
        self._content: defaultdict[str, Any] = defaultdict(hashlib.sha256)

    def write(self, name: str, text: str, records: int = 1) -> None:
        """Append to a file; gzip, without a time, where its name ends in .gz."""
        if name not in self._files:
            self._files[name] = self._create(name)
        data = text.encode(errors="replace")
        self._files[name].write(data)
        self._content[name].update(data)
        self._records[name] += records

    def _create(self, name: str) -> io.BufferedIOBase:
        raw = self._open.enter_context(self._aside(name).open("wb"))
        if not name.endswith(".gz"):
            return raw
        return self._open.enter_context(gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0))

    def _aside(self, name: str) -> Path:
        return self.folder / f".{name}.new"

    def summary(self) -> dict[str, Any]:
        """What has been written so far, and what was left out."""
        files = {
            name: {"records": self._records[name], "sha256": self._content[name].hexdigest()} for name in self._files
        }
        return {"files": files, "dropped": dict(sorted(self.dropped.items())), "notes": self.notes}

    def __enter__(self) -> Output:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        try:
            self._open.close()
            if kind is None:
                for name in self._files:
                    os.replace(self._aside(name), self.folder / name)
        finally:
            for name in self._files:
                self._aside(name).unlink(missing_ok=True)


class HeldOut:
    """The lines of held-out records, to tell which records come too near: those that share `shared` lines or more."""

    def __init__(self, shared: int) -> None:
        self.shared = shared
        self._owners: defaultdict[str, list[int]] = defaultdict(list)
        self._count = 0

    def add(self, lines: Iterable[str]) -> None:
        """Hold out a record."""
        self._count += 1
        for line in set(lines):
            self._owners[line].append(self._count)

    def near(self, lines: Iterable[str]) -> bool:
        """Whether one held-out record shares that many lines with this one."""
        common = Counter(owner for line in set(lines) for owner in self._owners.get(line, ()))
        return max(common.values(), default=0) >= self.shared


class Record(NamedTuple):
    """A record on its way: the split that it is drawn for, the lines that tell it from others, what is written."""

    part: str
    lines: list[str]
    text: str


def number(text: str) -> int:
    """64 bits of the SHA-1 of a text: the same on every machine and in every run."""
    return int.from_bytes(hashlib.sha1(text.encode()).digest()[:8], "big")


def drawn(text: str, parts: Mapping[str, int]) -> str:
    """A split by SHA-1. `parts` are the held-out ones with their percentages; the rest is train."""
    place = number(text) % 100
    for part, percent in parts.items():
        if place < percent:
            return part
        place -= percent
    return "train"


def write_apart(records: Iterable[Record], output: Output, parts: list[str], shared: int, file: str) -> None:
    """Write each split, in the order of `parts`, into the file that it names (`file` with the split for {}). A record
    of a later split is dropped where it shares `shared` lines with one of an earlier split."""
    held = HeldOut(shared)
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="surrogatepass", dir=output.folder) as kept:
        kept.writelines(json.dumps(record, ensure_ascii=False) + "\n" for record in records)
        for part in parts:
            fresh: list[list[str]] = []
            kept.seek(0)
            for record in (Record(*json.loads(line)) for line in kept):
                if record.part != part:
                    continue
                if held.near(record.lines):
                    output.dropped[f"{part}: too near a held-out record"] += 1
                    continue
                output.write(file.format(part), record.text)
                if part != parts[-1]:
                    fresh.append(record.lines)
            for lines in fresh:
                held.add(lines)
