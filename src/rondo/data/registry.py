"""The named data sets: how to find one in a folder, and whether its files are what they should be.

Rondo ships none of these files. A folder of data sets holds one folder for each, `FOLDER/NAME/`, in the format that
`rondo.data.catalog` describes; commands take it as `--data FOLDER` or from `RONDO_DATA`. `rondo.data.download`
fetches upstream's own files, `rondo.data.convert` writes them in that format.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

from rondo.data.catalog import DATA_SETS, DataSet
from rondo.expr.graph import nearest

MANIFEST = "rondo.json"  # what `rondo.data.convert` writes beside the files it made


class DataSetError(ValueError):
    """A data set that is missing, unknown, or not what it should be; the message says what to do."""


def named(name: str) -> DataSet:
    """The data set of this name; DataSetError with the nearest name else."""
    for data_set in DATA_SETS:
        if data_set.name == name:
            return data_set
    raise DataSetError(f"no data set is called {name!r}{nearest(name, [d.name for d in DATA_SETS])}")


def find(name: str, folder: Path | None, file: str = "") -> Path:
    """The folder of a data set, or one of its files.

    `folder` holds the data sets (`--data`), or is the data set's own folder; without it, `RONDO_DATA` names it.
    DataSetError says how to get what is missing.
    """
    data_set = named(name)
    get = f"rondo data {name} --get FOLDER gets it" if data_set.raw else f"rondo data {name} tells where it is from"
    folder = folder or (Path(os.environ["RONDO_DATA"]) if os.environ.get("RONDO_DATA") else None)
    if folder is None:
        raise DataSetError(f"the data set {name} is needed: name its folder with --data FOLDER or RONDO_DATA; {get}")
    own = folder if folder.name == name and not (folder / name).is_dir() else folder / name
    if not any((own / f.name).is_file() for f in data_set.files):
        raise DataSetError(f"{folder} has no data set {name}: name another folder with --data; {get}")
    if file and not (own / file).is_file():
        raise DataSetError(f"{own} has no {file}: {get}")
    return own / file if file else own


@dataclass(frozen=True)
class State:
    """What a folder has of a data set.

    word   absent, complete, incomplete (a file is missing), differs (a file is not what it should be)
    made   whether Rondo converted it here: then its files are compared with what was written, not with what is
           published
    files  ok, absent, differs, damaged (no whole gzip file), or unchecked (no checksum is recorded), by file name
    """

    word: str
    made: bool
    files: dict[str, str]


def state(data_set: DataSet, folder: Path) -> State:
    """Look at the files of a data set in a folder of data sets, and compare their checksums: reads all of them."""
    own = folder / data_set.name
    made = _made(own / MANIFEST)
    wanted = {file.name: {made.get(file.name, ""), file.sha256} - {""} for file in data_set.files}
    files = {name: _file_state(own / name, checksums) for name, checksums in wanted.items()}
    needed = made.keys() & files.keys() or {file.name for file in data_set.files if not file.optional}
    found = set(files.values())
    if found == {"absent"}:
        word = "absent"
    elif {"differs", "damaged"} & found:
        word = "differs"
    else:
        word = "incomplete" if any(files[name] == "absent" for name in needed) else "complete"
    return State(word, bool(made), files)


def _file_state(path: Path, checksums: set[str]) -> str:
    if not path.is_file():
        return "absent"
    if not checksums:
        return "unchecked"
    try:
        return "ok" if content_sha256(path) in checksums else "differs"
    except (EOFError, gzip.BadGzipFile, zlib.error):
        return "damaged"


def _made(path: Path) -> dict[str, str]:
    """The checksums of the files that were made here, by name; a manifest that cannot be read is none."""
    try:
        found: Any = json.loads(path.read_text(encoding="utf-8"))
        return {str(name): str(about["sha256"]) for name, about in found["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def content_sha256(path: Path) -> str:
    """SHA-256 of a file's content, unpacked where it is a .gz; read piece by piece."""
    total = hashlib.sha256()
    for piece in _pieces(path):
        total.update(piece)
    return total.hexdigest()


def _pieces(path: Path) -> Iterator[bytes]:
    with cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
        while piece := file.read(1 << 20):
            yield piece
