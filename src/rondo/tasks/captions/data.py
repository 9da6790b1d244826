"""Pictures with their sentences, and what an encoder says of them; batches that depend on the seed and step alone.

A file NAME.jsonl (or .jsonl.gz) has a picture a line: `id`, and `zh`, its sentences. Beside it lie
NAME_mobilenetv2.npy.gz, bytes [N, 1280], pooled features of MobileNetV2 in the order of the lines, and
NAME_images.tar, the pictures as ID.jpg.
"""

from __future__ import annotations

import gzip
import itertools
import re
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rondo.data.batch import IGNORED, Batch
from rondo.data.read import json_lines, text, texts
from rondo.data.vocab import Characters
from rondo.files import FileError

FEATURES = 1280
SCALE = 0.023528477  # what a byte of MobileNetV2's last layers stands for
SIDE = 7  # places of a row, and rows, of its grid
PLACES = SIDE * SIDE
LONGEST = 40  # characters of a sentence; the data's longest has 28
END = "\n"  # stands before a sentence and after it
PICTURE = 1 << 22  # bytes of a picture in an archive

Bytes = NDArray[np.uint8]


class CaptionError(ValueError):
    """Pictures, features or sentences that cannot be used as given."""


@dataclass(frozen=True)
class Record:
    """A picture's name and its sentences, without their full stop."""

    id: str
    sentences: tuple[str, ...]


def read(path: Path) -> list[Record]:
    """The records of a file. Raises CaptionError, DataSetError, naming the line."""
    records = []
    for number, _, row in json_lines(path):
        where = f"{path}:{number}"
        sentences = tuple(filter(None, (plain(s) for s in texts(row, "zh", where))))
        if not sentences:
            raise CaptionError(f"{where}: zh holds no sentence")
        records.append(Record(text(row, "id", where), sentences))
    if not records:
        raise CaptionError(f"{path} holds no record")
    return records


def plain(sentence: str) -> str:
    """A sentence as it is learned and measured: without white space and the full stop at its end."""
    return re.sub(r"\s+", "", sentence).rstrip("。.")[:LONGEST]


def beside(path: Path, suffix: str) -> Path:
    """The file that belongs to a file of records: valid.jsonl.gz and "_images.tar" give valid_images.tar."""
    return path.with_name(re.sub(r"\.jsonl(\.gz)?$", "", path.name) + suffix)


def pooled(path: Path, count: int) -> Bytes:
    """The pooled features [N, 1280] beside a file of `count` records. Raises CaptionError."""
    file = beside(path, "_mobilenetv2.npy.gz")
    try:
        with gzip.open(file) as opened:
            found: Bytes = np.lib.format.read_array(opened, allow_pickle=False)
    except FileNotFoundError:
        raise CaptionError(f"{file} is missing: the features of the pictures lie beside their sentences") from None
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise CaptionError(f"{file} is damaged: {error}") from None
    if found.dtype != np.uint8 or found.shape != (count, FEATURES):
        raise CaptionError(
            f"{file} holds {found.dtype} {list(found.shape)}, expected bytes [{count}, {FEATURES}], a row a record"
        )
    return found


def pictures(path: Path, records: Sequence[Record]) -> Iterator[bytes]:
    """The pictures of records, as files, from the archive beside theirs. Raises CaptionError."""
    file = beside(path, "_images.tar")
    if not file.is_file():
        raise CaptionError(f"{file} is missing: the pictures lie beside their sentences")
    try:
        with tarfile.open(file) as archive:
            members = {Path(m.name).stem: m for m in archive if m.isfile() and m.size <= PICTURE}
            for record in records:
                opened = archive.extractfile(members[record.id]) if record.id in members else None
                if opened is None:
                    raise CaptionError(f"{file} has no picture {record.id}.jpg")
                yield opened.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise FileError(f"{file} is damaged: {error}") from None


def vocabulary(records: Sequence[Record], least: int) -> Characters:
    """The characters of training sentences, and the sign that ends them."""
    known = Characters.build((f"{s}{END}" for r in records for s in r.sentences), least=least)
    return known if END in known.symbols else Characters([*known.symbols, END])


class Pictures:
    """Records with their sentences as numbers, and one or several readings of each picture.

    readings  arrays of bytes [N, K, C]: what an encoder says of K places of each picture
    """

    def __init__(self, records: Sequence[Record], vocab: Characters, readings: Sequence[Bytes]) -> None:
        for reading in readings:
            if reading.ndim != 3 or len(reading) != len(records):
                raise CaptionError(f"a reading of {len(records)} pictures is bytes [N, K, C], found {reading.shape}")
        self.records, self.vocab, self.readings = records, vocab, readings
        self.end = int(vocab.encode(END)[0])
        self.sentences = [[vocab.encode(s) for s in r.sentences] for r in records]

    def __len__(self) -> int:
        return len(self.records)

    def batch(self, index: Sequence[int], reading: int = 0) -> Batch:
        """These pictures with all their sentences: x and y [P, S, T], y ended and filled up with IGNORED, and what is
        read of the pictures as condition [P, K, C]."""
        x, y = sentences_batch([self.sentences[i] for i in index], self.end)
        return Batch(x, y, condition=real(self.readings[reading][list(index)]))


def sentences_batch(rows: Sequence[Sequence[NDArray[np.int64]]], end: int) -> tuple[Tensor, Tensor]:
    """Sentences of several pictures as x, which begins with `end`, and y, which ends with it: [P, S, T]."""
    most = max(len(row) for row in rows)
    longest = 1 + max((len(s) for row in rows for s in row), default=0)
    x = np.full((len(rows), most, longest), end)
    y = np.full((len(rows), most, longest), IGNORED)
    for p, row in enumerate(rows):
        for s, sentence in enumerate(row):
            n = len(sentence)
            x[p, s, 1 : n + 1] = sentence
            y[p, s, :n], y[p, s, n] = sentence, end
    return torch.from_numpy(x), torch.from_numpy(y)


def real(values: Bytes) -> Tensor:
    """Features as numbers."""
    return torch.from_numpy(np.ascontiguousarray(values)).float() * SCALE


def batches(own: Pictures, size: int, seed: int, step: int = 0) -> Iterator[Batch]:
    """Pass after pass, the readings in turn. Batch k of a pass depends on the seed and the pass alone."""
    for number in itertools.count():
        order = np.random.default_rng([seed, number]).permutation(len(own))
        parts = np.array_split(order, -(-len(own) // size))
        for k in range(step, len(parts)):
            yield own.batch(parts[k].tolist(), (k + number) % len(own.readings))
        step = max(0, step - len(parts))


def one_pass(own: Pictures, size: int = 100, reading: int = 0) -> Iterator[Batch]:
    """Every picture once, in order."""
    for first in range(0, len(own), size):
        yield own.batch(range(first, min(first + size, len(own))), reading)
