"""Sequences to be classified, from the formats that they come in.

.jsonl, .jsonl.gz   {"id", "label", "frames": [[numbers], ...]} a line
.csv, .tsv          a row for each step: a column of ids, one of labels, the others numbers; rows of one id together
*-images-idx3-ubyte(.gz), its labels beside it: pictures of bytes, read by rows, pixel by pixel, or permuted
"""

from __future__ import annotations

import gzip
import itertools
import math
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, cast

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import Batch
from rondo.data.bucket import shuffled
from rondo.data.read import json_lines
from rondo.tasks.series.config import SeriesConfig
from rondo.tasks.series.table import SeriesError, read_table

IMAGES, LABELS = "-images-idx3-ubyte", "-labels-idx1-ubyte"
MOST_BYTES = 1 << 30
LONGEST = 1 << 20  # steps of a sequence
MIDDLE, SPREAD = 0.1307, 0.3081  # mean and standard deviation of MNIST's training pixels from 0 to 1


@dataclass(frozen=True)
class Sequences:
    """Sequences, a class for each, and how they are read.

    x     of each [T, n], or of pictures one array of bytes [N, 28, 28]
    view  how pictures are read: rows, pixels, permuted; "steps" of what is no picture
    """

    x: Sequence[NDArray[Any]] | NDArray[np.uint8]
    y: list[str]
    view: str = "steps"

    def __len__(self) -> int:
        return len(self.y)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Steps of each."""
        if isinstance(self.x, np.ndarray):
            high, wide = self.x.shape[1:]
            return np.full(len(self.x), high if self.view == "rows" else high * wide, dtype=np.int64)
        return np.array([len(v) for v in self.x], dtype=np.int64)

    @property
    def width(self) -> int:
        """Numbers of a step."""
        if isinstance(self.x, np.ndarray):
            return int(self.x.shape[2]) if self.view == "rows" else 1
        return int(self.x[0].shape[1])


@dataclass(frozen=True)
class Reader:
    """What turns sequences into batches: the classes, and each column's mean and spread in training."""

    classes: list[str]
    mean: list[float]
    spread: list[float]
    view: str

    @classmethod
    def of(cls, train: Sequences) -> Reader:
        """From the training data."""
        classes = sorted(set(train.y), key=lambda c: (not c.isdecimal(), int(c) if c.isdecimal() else 0, c))
        if len(classes) < 2:
            raise SeriesError(f"只有一类 / the training data has one class alone: {classes[0]!r}")
        if isinstance(train.x, np.ndarray):
            return cls(classes, [MIDDLE] * train.width, [SPREAD] * train.width, train.view)
        every = np.concatenate([v for v in train.x if len(v)])
        spread = [s if s > 1e-9 else 1.0 for s in every.std(0).tolist()]
        return cls(classes, every.mean(0).tolist(), spread, train.view)

    def rows(self, data: Sequences, index: NDArray[Any]) -> list[NDArray[np.float32]]:
        """Some of the sequences as vectors, standardised. Raises SeriesError where they are of another width."""
        if data.width != len(self.mean) or data.view != self.view:
            raise SeriesError(
                f"模型读 {len(self.mean)} 列 / the model reads {len(self.mean)} columns as {self.view}, these "
                f"sequences have {data.width} as {data.view}"
            )
        some = pictures(data.x[index], self.view) if isinstance(data.x, np.ndarray) else [data.x[i] for i in index]
        mean, spread = np.array(self.mean, dtype=np.float32), np.array(self.spread, dtype=np.float32)
        return [((v - mean) / spread).astype(np.float32) for v in some]

    def batch(self, data: Sequences, index: NDArray[Any], noise: float = 0.0, seed: Sequence[int] = ()) -> Batch:
        """Some of the sequences side by side."""
        rows = self.rows(data, index)
        x = np.zeros((len(rows), max(1, *(len(v) for v in rows)), len(self.mean)), dtype=np.float32)
        for row, v in zip(x, rows, strict=True):
            row[: len(v)] = v
        if noise:
            x += np.random.default_rng(list(seed)).normal(0, noise, x.shape).astype(np.float32)
        lengths = data.sizes[index]
        even = bool((lengths == x.shape[1]).all())
        return Batch(
            torch.from_numpy(x),
            torch.tensor([self.number(data.y[i]) for i in index]),
            None if even else torch.from_numpy(lengths),
        )

    def number(self, label: str) -> int:
        """A class as a number. Raises SeriesError."""
        if label not in self.classes:
            raise SeriesError(
                f"模型不认识类别 {label!r} / the model knows no class {label!r}: {', '.join(self.classes)}"
            )
        return self.classes.index(label)

    def batches(self, data: Sequences, config: SeriesConfig, step: int = 0) -> Iterator[Batch]:
        """Training's batches from a step on."""
        for number in itertools.count():
            plan = shuffled(data.sizes, 0, config.rows, config.seed, number)
            for k in range(step, len(plan)):
                yield self.batch(data, plan[k], config.noise, (config.seed, number, k))
            step = max(0, step - len(plan))

    def plain(self, data: Sequences, rows: int = 256) -> Iterator[tuple[NDArray[Any], Batch]]:
        """Every sequence once, in its order."""
        for first in range(0, len(data), rows):
            index = np.arange(first, min(len(data), first + rows))
            yield index, self.batch(data, index)


def permutation(size: int = 784) -> NDArray[np.int64]:
    """The order of the pixels of permuted MNIST: numpy's RandomState(0).permutation."""
    return np.random.RandomState(0).permutation(size)


def pictures(x: NDArray[np.uint8], view: str) -> list[NDArray[np.float32]]:
    """Pictures [N, H, W] as sequences of numbers from 0 to 1: [H, W] each, or [H W, 1]."""
    wide = x.astype(np.float32) / 255
    if view == "rows":
        return list(wide)
    flat = wide.reshape(len(x), -1)
    return list((flat[:, permutation(flat.shape[1])] if view == "permuted" else flat)[:, :, None])


def read(path: Path, config: SeriesConfig) -> Sequences:
    """The sequences of a file; see the module for the formats. Raises SeriesError, naming the line."""
    name = path.name.removesuffix(".gz")
    if name.endswith(IMAGES):
        if config.view == "steps":
            raise SeriesError(f"{path.name} holds pictures: say how they are read, view = rows, pixels or permuted")
        return Sequences(*_pictures(path), config.view)
    if config.view != "steps":
        raise SeriesError(f"{path.name} holds no pictures (a name that ends with {IMAGES}): view stays steps")
    return Sequences(*(_records(path) if name.endswith(".jsonl") else _table(path, config)))


def files_of(path: Path) -> list[Path]:
    """What is read with a file: itself, and the labels of its pictures."""
    labels = path.with_name(path.name.replace(IMAGES, LABELS))
    return [path] if labels == path else [path, labels]


def _records(path: Path) -> tuple[list[NDArray[Any]], list[str]]:
    x: list[NDArray[Any]] = []
    y: list[str] = []
    for number, _, row in json_lines(path):
        where = f"{path.name}:{number}"
        try:
            frames = np.asarray(row.get("frames"), dtype=np.float32)
        except (TypeError, ValueError):
            frames = np.zeros(0, dtype=np.float32)
        if frames.ndim != 2 or not frames.size or len(frames) > LONGEST or not np.isfinite(frames).all():
            raise SeriesError(
                f"{where}: frames 须是等长的数列 / frames are lists of equally many numbers, at least one"
            )
        if x and frames.shape[1] != x[0].shape[1]:
            raise SeriesError(f"{where}: {frames.shape[1]} numbers a step, the records before it have {x[0].shape[1]}")
        if "label" not in row:
            raise SeriesError(f"{where}: 没有 label / it has no label")
        x.append(frames)
        y.append(str(row["label"]))
    if not x:
        raise SeriesError(f"{path.name} 里没有序列 / {path.name} holds no sequence")
    return x, y


def _table(path: Path, config: SeriesConfig) -> tuple[list[NDArray[Any]], list[str]]:
    """Rows of one id, one below the other, are a sequence; its label is the same in all of them."""
    table = read_table(path)
    key, label = table.column(config.id), table.column(config.label)
    columns = [k for k in range(len(table.columns)) if k not in (key, label)]
    if not columns:
        raise SeriesError(f"{path.name}: beside {config.id!r} and {config.label!r} there is no column of numbers")
    x: list[NDArray[Any]] = []
    y: list[str] = []
    seen: set[str] = set()
    for name, group in itertools.groupby(range(len(table.rows)), key=lambda row: table.rows[row][key].strip()):
        rows = list(group)
        where = f"{table.name}:{table.lines[rows[0]]}"
        if name in seen:
            raise SeriesError(f"{where}: {name!r} 的行不连续 / the rows of {name!r} do not stand together: sort them")
        seen.add(name)
        labels = {table.rows[row][label].strip() for row in rows}
        if len(labels) != 1 or "" in labels:
            raise SeriesError(f"{where}: {name!r} 应只有一个类别 / {name!r} needs one label, found {sorted(labels)}")
        values = np.array([[table.cell(row, k) for k in columns] for row in rows], dtype=np.float32)
        if np.isnan(values).any():
            row = rows[int(np.isnan(values).any(1).argmax())]
            raise SeriesError(
                f"{table.name}:{table.lines[row]}: 有空值 / a value is not known: fill it in, or leave it out"
            )
        x.append(values)
        y.append(labels.pop())
    return x, y


def _pictures(path: Path) -> tuple[NDArray[np.uint8], list[str]]:
    images, labels = (_idx(file) for file in files_of(path))
    if images.ndim != 3 or labels.ndim != 1 or len(images) != len(labels) or not len(images):
        raise SeriesError(f"{path.name}: {len(images)} pictures and {len(labels)} labels: give one label for each")
    return images, [str(label) for label in labels.tolist()]


def _idx(path: Path) -> NDArray[np.uint8]:
    """An idx file of bytes: 0 0 8 and the number of sizes, the sizes (big-endian), the bytes."""
    try:
        with cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as file:
            data = file.read(MOST_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise SeriesError(f"{path.name} 已损坏 / {path.name} is damaged: {error}") from None
    if len(data) < 4 or data[:3] != b"\0\0\x08" or not 1 <= data[3] <= 4 or len(data) < 4 + 4 * data[3]:
        raise SeriesError(f"{path.name} 不是 idx 文件 / {path.name} is no idx file of bytes")
    sizes = struct.unpack(f">{data[3]}I", data[4 : 4 + 4 * data[3]])
    body = data[4 + 4 * data[3] :]
    if len(body) != math.prod(sizes):
        raise SeriesError(f"{path.name} 不完整 / {path.name} is not whole: {len(body)} bytes of {math.prod(sizes)}")
    return np.frombuffer(body, dtype=np.uint8).reshape(sizes)
