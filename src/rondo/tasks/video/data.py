"""Clips read and split, made into batches that depend on the seed and the step alone.

Clips of one person, or cut from one video, look alike in more than what is done in them: a model that has seen one
knows the others by the clothes and the wall. So nothing here draws clips at random into train and valid: files come
split, or a person is left out, and a clip, person or source that stands on both sides is refused.
"""

from __future__ import annotations

import hashlib
import itertools
import tarfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import Batch
from rondo.data.bucket import shuffled
from rondo.data.read import json_lines, text
from rondo.data.video import VideoError, grey, picture
from rondo.tasks.video import figures, joints, pixels
from rondo.tasks.video.config import VideoConfig

NONE = "none"  # the class of the pixel model that is none of the actions
LARGEST = 32 << 20  # bytes of a strip of frames


@dataclass(frozen=True)
class Clip:
    """What is seen in a clip and what is done in it.

    x       joints [T, 15, 2], or luma [T, 64, 64] as bytes
    source  the person or the video that it is of; "" where the record does not say
    """

    name: str
    label: str
    chinese: str
    source: str
    x: NDArray[Any]

    @property
    def kind(self) -> str:
        """joints or pixels."""
        return "joints" if self.x.shape[1:] == (len(joints.JOINTS), 2) else "pixels"


def files_of(path: Path) -> list[Path]:
    """What is read with a file of records: itself, and the archive of frames that stands beside it, if there is one."""
    archive = path.with_name(path.name.removesuffix(".gz").removesuffix(".jsonl") + ".tar")
    return [path, *([archive] if archive.is_file() else [])]


def read(path: Path) -> list[Clip]:
    """The clips of a file of records. Raises VideoError, naming the line, where one cannot be read, or all are not of
    one kind."""
    clips: list[Clip] = []
    seen: set[str] = set()
    strips = _Strips(path)
    for number, _, row in json_lines(path):
        where = f"{path}:{number}"
        clip = _joints(row, where) if "pose" in row else _pixels(row, strips, where)
        if clips and clip.kind != clips[0].kind:
            raise VideoError(f"{where}: a clip of {clip.kind} among clips of {clips[0].kind}")
        if clip.name in seen:
            raise VideoError(f"{where}: the clip {clip.name} stands here twice")
        seen.add(clip.name)
        clips.append(clip)
    if not clips:
        raise VideoError(f"{path} 里没有片段 / {path} holds no clip")
    return clips


def _joints(row: dict[str, Any], where: str) -> Clip:
    x = joints.pose(row["pose"], str(row.get("layout", "jhmdb15")), where)
    if row.get("frames", len(x)) != len(x):
        raise VideoError(f"{where}: frames says {row['frames']}, the joints are of {len(x)} frames")
    return Clip(text(row, "id", where), text(row, "label", where), str(row.get("label_zh", "")), _source(row), x)


def _source(row: dict[str, Any]) -> str:
    return str(next((row[name] for name in ("person", "source") if name in row), ""))


def _pixels(row: dict[str, Any], strips: _Strips, where: str) -> Clip:
    if "file" not in row:
        raise VideoError(f"{where}: a clip has pose (joints), or file (a strip of frames)")
    name = text(row, "file", where)
    strip = picture(strips.find(name, where), f"{where}: {name}")
    high, wide = strip.shape[:2]
    if high != pixels.SIZE or not wide or wide % high:
        raise VideoError(f"{where}: {name} is {wide}x{high}: a strip has frames of {pixels.SIZE}x{pixels.SIZE}")
    frames = wide // high
    if row.get("frames", frames) != frames:
        raise VideoError(f"{where}: frames says {row['frames']}, {name} has {frames}")
    x = grey(strip).reshape(high, frames, high).transpose(1, 0, 2)
    return Clip(name, text(row, "label", where), str(row.get("label_zh", "")), _source(row), np.ascontiguousarray(x))


class _Strips:
    """Pictures by name, from the archive beside a file of records, or from its folder."""

    def __init__(self, path: Path) -> None:
        self._folder, archives = path.parent, files_of(path)[1:]
        self._found: dict[str, bytes] = {}
        for archive in archives:
            self._found |= _members(archive)

    def find(self, name: str, where: str) -> bytes:
        if name in self._found:
            return self._found[name]
        file = self._folder / Path(name).name  # the name alone: a record does not lead out of its folder
        if not file.is_file() or file.stat().st_size > LARGEST:
            raise VideoError(f"{where}: 找不到 {name} / there is no {name}, neither in the archive beside it nor here")
        return file.read_bytes()


def _members(archive: Path) -> dict[str, bytes]:
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                file = tar.extractfile(member) if member.isfile() and member.size <= LARGEST else None
                if file is not None:
                    found[member.name] = file.read()
    except (tarfile.TarError, EOFError, OSError) as error:
        raise VideoError(f"{archive} 不是完整的 tar 文件 / {archive} is no whole tar file: {error}") from None
    return found


def leave_out(clips: Sequence[Clip], source: str) -> tuple[list[Clip], list[Clip]]:
    """The clips of all others, and those of one person or source. Raises VideoError where there are none."""
    sources = sorted({clip.source for clip in clips})
    if "" in sources:
        raise VideoError("a clip does not say whose it is (person or source): none can be left out")
    if source not in sources:
        raise VideoError(f"没有 {source!r} 的片段 / no clip is of {source!r}: there are {', '.join(sources)}")
    kept = [clip for clip in clips if clip.source != source]
    if not kept:
        raise VideoError(f"every clip is of {source!r}: nothing is left to train on")
    return kept, [clip for clip in clips if clip.source == source]


def apart(train: Sequence[Clip], valid: Sequence[Clip]) -> None:
    """Raise VideoError where a clip, what it shows, a person or a source stands on both sides."""
    for what, key in (
        ("the clip", lambda clip: clip.name),
        ("the person or source", lambda clip: clip.source),
        ("what is shown in", lambda clip: hashlib.sha256(clip.x.tobytes()).hexdigest()),
    ):
        known = {key(clip) for clip in train} - {""}
        for clip in valid:
            if key(clip) in known:
                name = clip.source if what == "the person or source" else clip.name
                raise VideoError(
                    f"训练与验证须分开 / {what} {name} stands in train and in valid: a model would know it again. "
                    "Split by person or by source video, never by clip"
                )


@dataclass(frozen=True)
class Clips:
    """Clips of one kind, their labels as numbers."""

    clips: Sequence[Clip]
    labels: Sequence[str]  # the actions, in the order of the model's classes

    def __post_init__(self) -> None:
        for clip in self.clips:
            if clip.label not in self.labels:
                raise VideoError(f"{clip.name}: the model knows no action {clip.label!r}: {', '.join(self.labels)}")

    @property
    def kind(self) -> str:
        """joints or pixels."""
        return self.clips[0].kind

    @property
    def y(self) -> list[int]:
        """The class of each."""
        return [self.labels.index(clip.label) for clip in self.clips]

    def plain(self, config: VideoConfig, rows: int = 32) -> Iterator[Batch]:
        """Every clip once: of pixels its middle part."""
        for first in range(0, len(self.clips), rows):
            some = self.clips[first : first + rows]
            if self.kind == "joints":
                x = [joints.features(clip.x) for clip in some]
            else:
                x = [_middle(clip.x, config) for clip in some]
            yield stacked(x, [self.labels.index(clip.label) for clip in some])

    def batches(self, config: VideoConfig, step: int = 0) -> Iterator[Batch]:
        """Training's batches from a step on."""
        if self.kind == "pixels":
            for k in itertools.count(step):
                yield self._parts(config, np.random.default_rng([config.seed, k]))
        sizes = np.array([len(clip.x) for clip in self.clips])
        for number in itertools.count():
            plan = shuffled(sizes, 0, config.rows, config.seed, number)
            for k in range(step, len(plan)):
                random = np.random.default_rng([config.seed, number, k])
                x = [
                    joints.features(joints.varied(self.clips[i].x, random, config.change, config.crop)) for i in plan[k]
                ]
                yield stacked(x, [self.y_of(int(i)) for i in plan[k]])
            step = max(0, step - len(plan))

    def y_of(self, place: int) -> int:
        """The class of one."""
        return self.labels.index(self.clips[place].label)

    def _parts(self, config: VideoConfig, random: np.random.Generator) -> Batch:
        """Parts of clips: every action as often as another, some made into none of them."""
        by_label = [[clip for clip in self.clips if clip.label == label] for label in self.labels]
        x, y = [], []
        for row in range(config.rows):
            if random.random() < config.drawn:
                name = str(random.choice(list(figures.FIGURES)))
                part = figures.part(name, config.frames, config.every, random)
                label = self.labels.index(name) if name in self.labels else len(self.labels)
            else:
                label = row % len(self.labels)
                part = self._part(by_label[label], config, random)
                if random.random() < config.none:
                    part, label = pixels.nothing(part, random), len(self.labels)
            x.append(pixels.planes(pixels.varied(part, random, config.change)))
            y.append(label)
        return Batch(torch.from_numpy(np.stack(x)), torch.tensor(y))

    def _part(self, clips: Sequence[Clip], config: VideoConfig, random: np.random.Generator) -> pixels.Bytes:
        """A part of one of the clips, a little faster or slower."""
        clip = clips[int(random.integers(len(clips)))]
        every = max(1, round(config.every * float(np.exp(random.uniform(-0.3, 0.3) * min(1.0, config.change)))))
        span = max(1, len(clip.x) - every * (config.frames - 1))
        return pixels.window(clip.x, config.frames, every, int(random.integers(span)))


def _middle(x: NDArray[Any], config: VideoConfig) -> NDArray[np.float32]:
    first = max(0, (len(x) - config.every * (config.frames - 1)) // 2)
    return pixels.planes(pixels.window(x, config.frames, config.every, first))


def stacked(x: Sequence[NDArray[np.float32]], y: Sequence[int] | None = None) -> Batch:
    """Sequences [T, ...] side by side, zeros past their ends."""
    lengths = [len(v) for v in x]
    found = np.zeros((len(x), max(lengths), *x[0].shape[1:]), dtype=np.float32)
    for row, v in zip(found, x, strict=True):
        row[: len(v)] = v
    return Batch(torch.from_numpy(found), None if y is None else torch.tensor(y), torch.tensor(lengths))
