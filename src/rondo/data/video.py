"""Video files as frames, and still pictures, through PyAV (the extra `rondo[video]`).

for frame in Reader(path, per_second=25, size=64): frame.seconds, frame.picture      # [size, size, 3] bytes

Frames are cut to the middle square and brought to one size; of a file with more or fewer frames a second the nearest
frame is taken. A file that breaks off gives what came before, and `damage` says where and why.
"""

from __future__ import annotations

import contextlib
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
LARGEST = 8192  # pixels of a side of a video
LONGEST = 20_000  # frames that are given of one file
GREY = np.array([0.299, 0.587, 0.114], dtype=np.float32)  # luma of ITU-R BT.601


class VideoError(ValueError):
    """A video, a picture or a sequence of joints that cannot be read; the message says what to do."""


@dataclass(frozen=True)
class Frame:
    """A picture [H, W, 3] and when it is shown."""

    seconds: float
    picture: Bytes


def package() -> Any:
    """PyAV. Raises VideoError where it is not installed."""
    try:
        import av  # type: ignore[import-not-found,import-untyped,unused-ignore]
    except ImportError:
        raise VideoError(
            "读取视频需要 PyAV：pip install 'rondo[video]' / reading video needs PyAV: pip install 'rondo[video]'"
        ) from None
    return av


class Reader:
    """The frames of a video file, one after another; memory does not grow with its length.

    size        pixels of the square that each frame becomes; 0: as it is
    per_second  frames given for a second of it

    Raises VideoError where the file cannot be opened, has no picture track, or gives no frame.
    """

    def __init__(self, path: Path, per_second: float = 25.0, size: int = 64, most: int = LONGEST) -> None:
        self.path, self.per_second, self.size, self.most = path, per_second, size, most
        self.damage = ""  # where and why the file broke off, if it did
        self.cut = False  # whether there is more than was given

    def __iter__(self) -> Iterator[Frame]:
        av = package()
        with _opened(av, self.path) as file:
            if not file.streams.video:
                raise VideoError(f"{self.path.name} 里没有画面 / {self.path.name} holds no pictures: give a video file")
            count = 0
            for frame in self._resampled(self._decoded(av, file)):
                if count == self.most:
                    self.cut = True
                    return
                count += 1
                yield frame
        if not count:
            reason = f": {self.damage}" if self.damage else ""
            raise VideoError(f"{self.path.name} 里没有一帧画面 / {self.path.name} holds not one frame{reason}")

    def notes(self) -> list[str]:
        """What is to be said of the file once its frames have been taken."""
        found = []
        if self.damage:
            found.append(f"文件在此中断，此前的已读 / the file breaks off; what came before is read: {self.damage}")
        if self.cut:
            found.append(f"只读了前 {self.most} 帧 / only the first {self.most} frames are read")
        return found

    def _decoded(self, av: Any, file: Any) -> Iterator[Frame]:
        """Every frame with its time; a fault ends it and is remembered."""
        stream, last = file.streams.video[0], -1.0
        rate = float(stream.average_rate or 25)
        try:
            for number, frame in enumerate(file.decode(stream)):
                if max(frame.width, frame.height) > LARGEST:
                    raise VideoError(f"{self.path.name}: 画面过大 / pictures of more than {LARGEST} pixels a side")
                seconds = float(frame.time) if frame.time is not None else number / rate
                last = max(last + 1e-6, seconds)
                yield Frame(last, _square(frame, self.size))
        except av.error.FFmpegError as error:
            self.damage = f"{max(0.0, last):.1f} s: {error.strerror or error}"

    def _resampled(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """The frame shown at each k / per_second."""
        first, given = None, 0
        held: Frame | None = None
        for frame in frames:
            first = frame.seconds if first is None else first
            while held is not None and given / self.per_second < frame.seconds - first - 1e-6:
                yield Frame(given / self.per_second, held.picture)
                given += 1
            held = frame
        if held is not None:
            yield Frame(given / self.per_second, held.picture)


@contextlib.contextmanager
def _opened(av: Any, source: Path | io.BytesIO) -> Iterator[Any]:
    name = source.name if isinstance(source, Path) else "the picture"
    try:
        # local files alone: a playlist must not make the decoder fetch anything
        file = av.open(str(source) if isinstance(source, Path) else source, options={"protocol_whitelist": "file,pipe"})
    except (av.error.FFmpegError, OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise VideoError(f"{name} 打不开，不是视频或已损坏 / {name} is no video, or damaged: {reason}") from None
    with file:
        yield file


def _square(frame: Any, size: int) -> Bytes:
    """The middle square of a decoded frame at `size` pixels, or all of it as it is."""
    if not size:
        found: Bytes = frame.to_ndarray(format="rgb24")
        return found
    short = min(frame.width, frame.height)
    wide, high = (max(size, round(v * size / short)) for v in (frame.width, frame.height))
    picture = frame.reformat(width=wide, height=high, format="rgb24", interpolation="AREA").to_ndarray()
    top, left = (high - size) // 2, (wide - size) // 2
    return np.ascontiguousarray(picture[top : top + size, left : left + size])


def picture(data: bytes, name: str = "picture") -> Bytes:
    """A still picture [H, W, 3] from the bytes of its file. Raises VideoError."""
    av = package()
    try:
        with _opened(av, io.BytesIO(data)) as file:
            return _square(next(file.decode(video=0)), 0)
    except (av.error.FFmpegError, StopIteration, IndexError, VideoError) as error:
        raise VideoError(f"{name} 不是图片，或已损坏 / {name} is no picture, or damaged: {error}") from None


def grey(pictures: Bytes) -> Bytes:
    """Luma of pictures [..., 3] as bytes [...]."""
    return (pictures @ GREY + 0.5).astype(np.uint8)
