"""Files of tensors: safetensors with a checksum, written aside and renamed, read without trust.

The metadata of every file holds `format` ("rondo 1"), `kind` ("model" or "checkpoint"), `sha256` over everything
else, and one JSON text a key. Nothing in a file is ever executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from pathlib import Path
from typing import Any

import safetensors
import safetensors.torch
import torch
from torch import Tensor

FORMAT = 1


class FileError(ValueError):
    """A file that cannot be read or written; the message gives the reason."""


def write_aside(path: Path, data: bytes) -> None:
    """Replace the file in one step: a reader sees the old content or the new, never a part."""
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise FileError(f"{path} cannot be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.chmod(name, 0o644)
        os.replace(name, path)
    except OSError as error:
        os.unlink(name)
        raise FileError(f"{path} cannot be written ({error.strerror}); the file before it is kept") from None


def save_tensors(path: Path, kind: str, tensors: dict[str, Tensor], about: dict[str, Any]) -> None:
    """Write tensors and metadata (values that JSON can hold)."""
    tensors = {name: t.detach().cpu().contiguous() for name, t in tensors.items()}
    texts = {"format": f"rondo {FORMAT}", "kind": kind}
    texts |= {key: json.dumps(value, ensure_ascii=False, sort_keys=True) for key, value in about.items()}
    texts["sha256"] = checksum(tensors, texts)
    write_aside(path, safetensors.torch.save(tensors, texts))


def load_tensors(path: Path, kind: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a file that `save_tensors` wrote; anything else is refused with the reason."""
    try:
        data = path.read_bytes()
        tensors, texts = safetensors.torch.load(data), _texts(data)
    except OSError as error:
        raise FileError(f"{path} cannot be read: {error.strerror}") from None
    except (safetensors.SafetensorError, ValueError, KeyError) as error:  # KeyError: a type that torch does not have
        raise FileError(f"{path} is damaged or no safetensors file: {error}") from None
    _check_origin(path, texts, kind)
    if texts.pop("sha256", None) != checksum(tensors, texts):
        raise FileError(f"{path} is damaged: its checksum does not fit its content; take another copy")
    try:
        return tensors, {k: json.loads(v) for k, v in texts.items() if k not in ("format", "kind")}
    except (ValueError, RecursionError):
        raise FileError(f"{path} is damaged: its metadata is not JSON") from None


def _texts(data: bytes) -> dict[str, str]:
    """The metadata of a safetensors file whose structure has been checked."""
    length = int.from_bytes(data[:8], "little")
    return dict(json.loads(data[8 : 8 + length]).get("__metadata__", {}))


def _check_origin(path: Path, texts: dict[str, str], kind: str) -> None:
    name, _, version = texts.get("format", "").partition(" ")
    if name != "rondo" or not version.isdecimal():
        raise FileError(f"{path} was not written by Rondo: its metadata names no format")
    if int(version) > FORMAT:
        raise FileError(f"{path} has format {version}, this Rondo reads up to {FORMAT}: update Rondo")
    if texts.get("kind") != kind:
        raise FileError(f"{path} is a {texts.get('kind')} file, a {kind} file is needed")


def checksum(tensors: dict[str, Tensor], texts: dict[str, str]) -> str:
    """SHA-256 over names, types, shapes, bytes and metadata, in the order of names."""
    total = hashlib.sha256(json.dumps(texts, sort_keys=True).encode())
    for name in sorted(tensors):
        t = tensors[name]
        total.update(f"{name} {t.dtype} {tuple(t.shape)}".encode())
        if t.numel():
            total.update(t.reshape(-1).view(dtype=torch.uint8).numpy().tobytes())
    return total.hexdigest()
