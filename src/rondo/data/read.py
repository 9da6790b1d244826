"""Foreign files read without trust, piece by piece: every fault names the file and the line."""

from __future__ import annotations

import gzip
import json
import re
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from rondo.data.registry import DataSetError

LONGEST = 1 << 20  # bytes of a line
LARGEST = 1 << 26  # bytes of a file that is read as a whole
BLANK = re.compile(r"\s*")


def read_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file (also .gz) with their numbers, without their ends."""
    with cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
        yield from lines_of(file, path)


def lines_of(file: IO[bytes], path: Path) -> Iterator[tuple[int, str]]:
    """The same of an open file; `path` is what errors call it."""
    number = 1
    while line := _line(file, path, number):
        yield number, _decoded(line, path, number).rstrip("\r\n")
        number += 1


def _line(file: IO[bytes], path: Path, number: int) -> bytes:
    try:
        line = file.readline(LONGEST + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise DataSetError(f"{path}:{number}: the file is damaged: {error}") from None
    if len(line) > LONGEST:
        raise DataSetError(f"{path}:{number}: a line of more than {LONGEST >> 20} MB: not a file of this data set")
    return line


def read_whole(path: Path) -> str:
    """The text of a UTF-8 file that fits into memory, any line ending read as a newline."""
    with path.open("rb") as file:
        data = file.read(LARGEST + 1)
    if len(data) > LARGEST:
        raise DataSetError(f"{path} is larger than {LARGEST >> 20} MB: not a file of this data set")
    return _decoded(data, path, 1).replace("\r\n", "\n").replace("\r", "\n")


def _decoded(data: bytes, path: Path, number: int) -> str:
    """The text that begins in line `number`."""
    try:
        return data.decode().removeprefix("\ufeff" if number == 1 else "")
    except UnicodeDecodeError as error:
        line = number + data.count(b"\n", 0, error.start)
        raise DataSetError(f"{path}:{line}: not UTF-8 (byte 0x{data[error.start]:02x})") from None


def json_lines(path: Path) -> Iterator[tuple[int, str, dict[str, Any]]]:
    """A JSON object a line: its line number, its text, itself. Empty lines are passed over."""
    for number, line in read_lines(path):
        if line.strip():
            found, end = _record(line, _skip(line, 0), path, number)
            if line[end:].strip():
                raise DataSetError(f"{path}:{number}: not JSON: more than one object in a line")
            yield number, line, found


def json_array(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The objects of a JSON array, each with the number of the line that it begins in."""
    text = read_whole(path)
    place, line = _skip(text, 0), 1
    if not text.startswith("[", place):
        raise DataSetError(f"{path}:1: no JSON array of records")
    begin, place = 0, _skip(text, place + 1)
    while not text.startswith("]", place):
        line, begin = line + text.count("\n", begin, place), place
        found, end = _record(text, place, path, line)
        yield line, found
        place = _skip(text, end)
        if text.startswith(",", place):
            place = _skip(text, place + 1)
        elif not text.startswith("]", place):
            raise DataSetError(f"{path}:{line + text.count(chr(10), begin, place)}: not JSON: , or ] expected")


def json_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """JSON objects one after another, on a line each or on several: each with the number of the line it begins in."""
    text = read_whole(path)
    line, begin, place = 1, 0, _skip(text, 0)
    while place < len(text):
        line, begin = line + text.count("\n", begin, place), place
        found, end = _record(text, place, path, line)
        yield line, found
        place = _skip(text, end)


def _skip(text: str, place: int) -> int:
    """Where the next character stands that is not blank."""
    found = BLANK.match(text, place)
    return found.end() if found else place


def _record(text: str, place: int, path: Path, line: int) -> tuple[dict[str, Any], int]:
    """The JSON object at a place of a text, which is in line `line`, and where it ends."""
    try:
        found, end = json.JSONDecoder().raw_decode(text, place)
    except json.JSONDecodeError as error:
        line += text.count("\n", place, error.pos)
        raise DataSetError(f"{path}:{line}: not JSON: {error.msg}") from None
    except (RecursionError, ValueError) as error:  # ValueError: a number of thousands of digits
        raise DataSetError(f"{path}:{line}: JSON that cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise DataSetError(f"{path}:{line}: a JSON object is expected, not {type(found).__name__}")
    return found, end


def texts(record: dict[str, Any], key: str, where: str) -> list[str]:
    """A list of texts in a record."""
    found = record.get(key)
    if not isinstance(found, list) or not all(isinstance(text, str) for text in found):
        raise DataSetError(f"{where}: {key} should be a list of texts")
    return found


def text(record: dict[str, Any], key: str, where: str) -> str:
    """A text in a record."""
    found = record.get(key)
    if not isinstance(found, str):
        raise DataSetError(f"{where}: {key} should be a text")
    return found
