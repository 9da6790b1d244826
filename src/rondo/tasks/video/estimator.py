"""The joints of a person in a video: MediaPipe's BlazePose (Apache-2.0), fetched on request.

Its package comes with the network's weights, so once it is there nothing is fetched any more. It lies in a folder of
its own in Rondo's cache and runs in a process of its own (`estimate.py`): it wants an older numpy than the rest.
Bazarevsky et al. 2020, BlazePose: On-device Real-time Body Pose Tracking (arXiv:2006.10204).
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rondo.data.download import install
from rondo.data.registry import DataSetError
from rondo.data.video import Bytes, Reader, VideoError
from rondo.kernels.build import cache_folder

Floats = NDArray[np.float32]
# what BlazePose needs of MediaPipe's requirements, without the gigabyte of the others
PACKAGES = (
    "mediapipe==0.10.21", "numpy==1.26.4", "opencv-python-headless==4.11.0.86", "protobuf==4.25.8", "absl-py==2.3.1",
    "attrs==25.3.0", "flatbuffers==25.2.10", "matplotlib==3.10.7", "contourpy==1.3.3", "cycler==0.12.1",
    "fonttools==4.60.1", "kiwisolver==1.4.9", "packaging==25.0", "pillow==12.0.0", "pyparsing==3.2.5",
    "python-dateutil==2.9.0.post0", "six==1.17.0",
)  # fmt: skip
POINTS = 33
PER_SECOND = 25.0
LONGEST_SIDE = 640  # pixels: larger frames are thinned out
LEAST = 0.5  # of the frames must show somebody
PATIENCE = 120.0  # seconds for the process to end


def home() -> Path:
    """Where the estimator lies once it has been fetched."""
    return cache_folder() / "estimators" / PACKAGES[0].replace("==", "-")


def available() -> bool:
    """Whether it has been fetched."""
    return (home() / "mediapipe").is_dir()


def fetch(wheels: Path | None = None) -> Path:
    """Install it into the cache (about 380 MB), over the network or from a folder of wheels. Raises DataSetError."""
    if not available():
        try:
            install(PACKAGES, home(), wheels)
        except DataSetError as error:
            raise DataSetError(
                f"{error}\n没有网络时：在别处 pip download 下列各包，再 rondo pose --from 文件夹 / without a "
                "network: get these with `pip download --no-deps` elsewhere, then rondo pose --from FOLDER: "
                + " ".join(PACKAGES)
            ) from None
    return home()


def landmarks(path: Path, most: int) -> tuple[Floats, list[str]]:
    """BlazePose's points [T, 33, 2] of the person in a video file, in pixels, at 25 frames a second, and what is to be
    said of them. Raises VideoError where the estimator is not there, or nobody is seen in half of the frames."""
    if not available():
        raise VideoError(
            "看视频里人的关节要姿态估计：rondo pose 取来（约 380 MB）/ to read a person's joints from a video, fetch "
            "the pose estimator first: rondo pose (about 380 MB)"
        )
    reader = Reader(path, PER_SECOND, 0, most)
    found = np.stack(list(_estimated(_thinned(frame.picture) for frame in reader)))
    points, seen = filled(found)
    notes, lost = [], len(found) - seen
    if lost:
        notes.append(
            f"{len(found)} 帧里有 {lost} 帧没看见人，按前后补上 / nobody was seen in {lost} of {len(found)} frames; "
            "they are filled in from those around"
        )
    return points, [*notes, *reader.notes()]


def filled(found: Floats) -> tuple[Floats, int]:
    """Points [T, 33, 2] with the frames that are NaN filled in evenly from those around, and how many were not NaN.
    Raises VideoError where fewer than half were."""
    seen = np.isfinite(found).all((1, 2))
    if seen.mean() < LEAST:
        raise VideoError(
            f"{len(found)} 帧里只有 {seen.sum()} 帧看见人：人要从头到脚都在画面里 / a person was seen in {seen.sum()} "
            f"of {len(found)} frames: show one from head to foot"
        )
    at, steps = np.flatnonzero(seen), np.arange(len(found))
    flat = found.reshape(len(found), -1)
    columns = [np.interp(steps, at, column[at]) for column in flat.T]
    return np.stack(columns, 1).reshape(found.shape).astype(np.float32), int(seen.sum())


def _thinned(picture: Bytes) -> Bytes:
    every = -(-max(picture.shape[:2]) // LONGEST_SIDE)
    return np.ascontiguousarray(picture[::every, ::every])


def _estimated(frames: Iterator[Bytes]) -> Iterator[Floats]:
    """Each frame's points [33, 2]; NaN where nobody is seen. One process for all frames, one frame at a time."""
    first = next(frames, None)
    if first is None:
        return
    high, wide = first.shape[:2]
    command = [sys.executable, "-I", str(files("rondo.tasks.video") / "estimate.py"), str(home()), str(high), str(wide)]
    quiet = {"GLOG_minloglevel": "3", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env={**os.environ, **quiet}
    ) as process:
        assert process.stdin
        assert process.stdout
        try:
            for frame in itertools.chain([first], frames):
                if frame.shape[:2] != (high, wide):
                    raise VideoError(
                        "画面大小中途变了 / the pictures change their size on the way: give a part of the video"
                    )
                process.stdin.write(frame.tobytes())
                process.stdin.flush()
                yield _points(process.stdout.read(POINTS * 2 * 4))
            process.stdin.close()
            process.wait(PATIENCE)
        except (BrokenPipeError, subprocess.TimeoutExpired):
            raise VideoError(_BROKEN) from None
        finally:
            process.kill()


def _points(data: bytes) -> Floats:
    if len(data) != POINTS * 2 * 4:
        raise VideoError(_BROKEN)
    return np.frombuffer(data, dtype=np.float32).reshape(POINTS, 2)


_BROKEN = "姿态估计没能运行：删去它再取一次 / the pose estimator failed: remove its folder, give `rondo pose` again"
