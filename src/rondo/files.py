"""Files of tensors: safetensors with a checksum, written aside and renamed, read without trust.

The metadata of every file holds `format` ("rondo 1"), `kind` ("model" or "checkpoint"), `sha256` over everything
else, and one JSON text a key. Nothing in a file is ever executed.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

FORMAT = 1
OWN = {"format", "kind", "sha256"}
LONGEST = 300  # characters of a foreign text that an error repeats


class FileError(ValueError):
    """A file that cannot be read or written; the message gives the reason, and can be printed whatever is repeated in
    it from the file."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


def printable(text: str) -> str:
    """Foreign text as a terminal may show it: what is no character to be seen, an escape sequence's first, is spelled
    out."""
    return "".join(c if c.isprintable() or c == "\n" else repr(c)[1:-1] for c in text)


def write_aside(path: Path, data: bytes, previous: Path | None = None) -> None:
    """Replace the file in one step: a reader sees the old content or the new, never a part.

    The old file is kept as `previous` where that is given. Raises FileError, e.g. on a full disk; the old file is
    then where it was. What a killed process leaves lies beside the file and is written over by the next.
    """
    aside = path.with_name(f".{path.name}.new")
    try:
        with aside.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if previous is not None and path.exists():
            os.replace(path, previous)
        os.replace(aside, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise FileError(f"{path} cannot be written ({error.strerror}); what stood there before is kept") from None


@contextlib.contextmanager
def writing_aside(path: Path, encoding: str = "utf-8") -> Iterator[IO[Any]]:
    """A text file (encoding "": of bytes) that is written beside its place, and takes it when it is whole; else what
    stood there stays. Raises FileError where it cannot be written.
    """
    aside = path.with_name(f".{path.name}.new")
    try:
        with aside.open("w", encoding=encoding, newline="") if encoding else aside.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(aside, path)
    except OSError as error:
        if error.filename not in (None, str(aside), str(path)):  # of another file, that is read meanwhile
            raise
        raise FileError(f"{path} cannot be written ({error.strerror}); what stood there before is kept") from None
    finally:
        with contextlib.suppress(OSError):
            aside.unlink()


def save_tensors(
    path: Path, kind: str, tensors: dict[str, Tensor], about: dict[str, Any], previous: Path | None = None
) -> None:
    """Write tensors and metadata (values that JSON can hold); the file before is kept as `previous`, if given.

    Raises ValueError for a name in the metadata that the file itself needs.
    """
    if taken := OWN & about.keys():
        raise ValueError(f"a file's own metadata is called {min(taken)!r}: take another name")
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    texts = {"format": f"rondo {FORMAT}", "kind": kind}
    texts |= {key: json.dumps(value, sort_keys=True) for key, value in about.items()}
    texts["sha256"] = checksum(tensors, texts)
    write_aside(path, safetensors.torch.save(tensors, texts), previous)


def load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file that `save_tensors` wrote; anything else is refused with the reason."""
    found, tensors, about = read_tensors(path)
    if found != kind:
        raise FileError(f"{path} is a {found} file, a {kind} file is needed")
    return tensors, about


def read_tensors(path: Path) -> tuple[str, dict[str, Tensor], dict[str, Any]]:
    """The same of a file of any kind, and its kind."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None
    try:
        # copies: they lie where torch would put them, and the last bits of a product can depend on that
        tensors, texts = {k: v.clone() for k, v in safetensors.torch.load(data).items()}, _texts(data)
    except Exception as error:  # the package raises its own, and those of torch for types and sizes it does not have
        raise FileError(f"{path} is damaged or no safetensors file: {str(error)[:LONGEST]}") from None
    _check_origin(path, texts)
    if texts.pop("sha256", None) != checksum(tensors, texts):
        raise FileError(f"{path} is damaged: its checksum does not fit its content; take another copy")
    try:
        about = {k: json.loads(v) for k, v in texts.items() if k not in ("format", "kind")}
    except (ValueError, RecursionError):
        raise FileError(f"{path} is damaged: its metadata is not JSON") from None
    return texts.get("kind", ""), tensors, about


def _texts(data: bytes) -> dict[str, str]:
    """The metadata of a safetensors file whose structure has been checked."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length]).get("__metadata__") or {})


def _check_origin(path: Path, texts: dict[str, str]) -> None:
    name, _, version = texts.get("format", "").partition(" ")
    if name != "rondo" or not version.isdecimal() or len(version) > 9:
        raise FileError(f"{path} was not written by Rondo: its metadata names no format")
    if int(version) > FORMAT:
        raise FileError(f"{path} has format {version}, this Rondo reads up to {FORMAT}: update Rondo")


def checksum(tensors: dict[str, Tensor], texts: dict[str, str]) -> str:
    """SHA-256 over names, types, shapes, bytes and metadata, in the order of names."""
    total = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name in sorted(tensors):
        t = tensors[name]
        total.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        if t.numel():
            total.update(t.reshape(-1).view(dtype=torch.uint8).numpy().tobytes())
    return total.hexdigest()
