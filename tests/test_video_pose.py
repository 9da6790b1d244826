"""A person's joints in a video file: the process, what is filled in, what is refused. A stand-in takes the estimator's
place, which sees a person at the brightest pixel."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient

from rondo.data import download
from rondo.data.registry import DataSetError
from rondo.data.video import VideoError
from rondo.studio.app import create
from rondo.tasks.video import estimator
from rondo.tasks.video.watcher import Watcher, person

av = pytest.importorskip("av", reason="PyAV is not installed: rondo[video]")

STAND_IN = """
import types
import numpy as np

print("what a package says must not be taken for an answer")

class Pose:
    def __init__(self, **settings): assert settings == {"model_complexity": 1}
    def __enter__(self): return self
    def __exit__(self, *_): return None
    def process(self, frame):
        bright = frame.sum(2)
        y, x = np.unravel_index(int(bright.argmax()), bright.shape)
        point = types.SimpleNamespace(x=x / frame.shape[1], y=y / frame.shape[0])
        seen = types.SimpleNamespace(landmark=[point] * 33) if bright.max() > 300 else None
        return types.SimpleNamespace(pose_landmarks=seen)

solutions = types.SimpleNamespace(pose=types.SimpleNamespace(Pose=Pose))
"""


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(estimator, "home", lambda: tmp_path / "fetched")
    package = estimator.home() / "mediapipe"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(STAND_IN)
    return package


def film(path: Path, dark: tuple[int, ...] = (), frames: int = 20, side: int = 64) -> Path:
    """A bright square that moves to the right; in the frames `dark` it is not there."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt, stream.bit_rate = side, side, "yuv420p", 4_000_000
        for k in range(frames):
            picture = np.zeros((side, side, 3), np.uint8)
            if k not in dark:
                picture[28:36, 2 * k : 2 * k + 8] = 255
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode())
    return path


def test_points_follow_the_person(fetched: Path, tmp_path: Path) -> None:
    points, notes = estimator.landmarks(film(tmp_path / "a.mp4"), 100)
    assert points.shape == (20, 33, 2)
    assert notes == []
    assert float(np.abs(points[:, 0, 0] - 2 * np.arange(20)).max()) <= 8  # within the square
    assert float(np.abs(points[:, :, 1] - 32).max()) <= 5


def test_frames_without_anybody_are_filled_in_and_said(fetched: Path, tmp_path: Path) -> None:
    points, notes = estimator.landmarks(film(tmp_path / "a.mp4", dark=(0, 8, 9)), 100)
    assert np.isfinite(points).all()
    assert "3 of 20 frames" in notes[0]
    np.testing.assert_allclose(points[0], points[1])
    np.testing.assert_allclose(points[8], points[7] + (points[10] - points[7]) / 3, rtol=1e-5)


def test_a_film_with_nobody_in_it_is_refused(fetched: Path, tmp_path: Path) -> None:
    with pytest.raises(VideoError, match="seen in 5 of 20 frames"):
        estimator.landmarks(film(tmp_path / "a.mp4", dark=tuple(range(15))), 100)


def test_large_frames_are_thinned_out_and_many_cut_off(fetched: Path, tmp_path: Path) -> None:
    points, notes = estimator.landmarks(film(tmp_path / "a.mp4", side=1300), 7)
    assert len(points) == 7
    assert "first 7 frames" in notes[0]
    assert points.max() < 1300 / 3  # one pixel of three


def test_an_estimator_that_fails_is_an_error(fetched: Path, tmp_path: Path) -> None:
    (fetched / "__init__.py").write_text("raise SystemExit(3)")
    with pytest.raises(VideoError, match="pose estimator failed"):
        estimator.landmarks(film(tmp_path / "a.mp4"), 100)


def test_without_it_the_answer_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(estimator, "home", lambda: tmp_path / "nothing")
    with pytest.raises(VideoError, match="rondo pose"):
        Watcher.load("video-joints").video(film(tmp_path / "a.mp4"))


def test_the_watcher_and_the_page_read_joints(fetched: Path, tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4")
    found, _ = person(path)
    assert found.shape == (20, 15, 2)
    assert Watcher.load("video-joints").video(path).frames == 20
    with TestClient(create(), base_url="http://127.0.0.1") as client:
        answer = client.post(
            "/api/video/file?reads=joints",
            content=path.read_bytes(),
            headers={"Content-Type": "application/octet-stream"},
        ).json()
    assert answer["estimator"] is True
    assert answer["response"]["reads"] == "joints"
    assert len(answer["pose"]) == 20


def wheel(folder: Path, name: str, version: str) -> None:
    folder.mkdir(exist_ok=True)
    info = f"{name}-{version}.dist-info"
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}/__init__.py", "")
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")


def test_packages_come_from_a_folder_of_wheels_whole_or_not_at_all(tmp_path: Path) -> None:
    pytest.importorskip("pip", reason="this environment has no pip")
    wheel(tmp_path / "wheels", "one", "1.0")
    with pytest.raises(DataSetError, match="pip could not install one"):
        download.install(("one==1.0", "two==1.0"), tmp_path / "there" / "own", tmp_path / "wheels")
    assert list((tmp_path / "there").iterdir()) == []
    wheel(tmp_path / "wheels", "two", "1.0")
    download.install(("one==1.0", "two==1.0"), tmp_path / "there" / "own", tmp_path / "wheels")
    assert {p.name for p in (tmp_path / "there" / "own").iterdir()} >= {"one", "two"}
    assert sys.modules.get("one") is None
