"""The video desk's routes and page."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from rondo.tasks.video import figures, joints

from browser import needs_browser, opened, shot

av = pytest.importorskip("av", reason="PyAV is not installed: rondo[video]")


def movie(path: Path, name: str, frames: int) -> bytes:
    """A drawn figure as a video file."""
    import numpy as np

    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=25)
        stream.width, stream.height, stream.pix_fmt = 96, 96, "yuv420p"
        for frame in figures.drawn(figures.figure(name, frames), 96):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, 2), format="rgb24")))
        file.mux(stream.encode())
    return path.read_bytes()


def post(api: TestClient, data: bytes) -> Any:
    return api.post("/api/video/file", content=data, headers={"Content-Type": "application/octet-stream"})


@pytest.mark.parametrize("reads", ["joints", "pixels"])
def test_an_example_comes_with_what_is_drawn(api: TestClient, reads: str) -> None:
    found = api.post("/api/video/example", json={"name": "jack", "reads": reads}).json()
    response = found["response"]
    assert response["reads"] == reads
    assert response["segments"][-1]["end"] == response["frames"] == len(response["timeline"]) == 75
    assert len(found["pose"]) == (75 if reads == "joints" else 0)
    film = base64.b64decode(found["film"])
    assert len(film) == (0 if reads == "joints" else -(-75 // found["film_every"]) * 64 * 64)


def test_joints_of_another_layout_come_back_as_what_is_drawn(api: TestClient) -> None:
    p = figures.figure("walk", 20)
    other = [[[0.0, 0.0]] * 17 for _ in p]
    for t, frame in enumerate(p):
        for place, joint in zip(joints.LAYOUTS["coco17"], frame[2:].tolist(), strict=True):
            other[t][place] = joint
    found = api.post("/api/video/joints", json={"pose": other, "layout": "coco17", "per_second": 30}).json()
    assert found["response"]["per_second"] == 30
    assert len(found["pose"][0]) == 15
    assert found["pose"][3][7] == pytest.approx(p[3][7].tolist(), abs=1e-3)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"pose": []}, "at least one frame"),
        ({"pose": [[[0, 0]] * 3]}, "15 pairs"),
        ({"pose": [[[0, 0]] * 15], "layout": "coco17"}, "17 pairs"),
        ({"pose": "x"}, "list"),
        ({"pose": [[[0, 0]] * 15], "per_second": 0}, "per_second"),
    ],
)
def test_joints_that_are_refused(api: TestClient, body: dict[str, Any], message: str) -> None:
    response = api.post("/api/video/joints", json=body)
    assert response.status_code == 422
    assert message in response.json()["detail"]


def test_a_video_file_is_read_and_what_is_none_is_refused(api: TestClient, tmp_path: Path) -> None:
    found = post(api, movie(tmp_path / "a.mp4", "jack", 40)).json()
    assert found["response"]["frames"] == 40
    assert len(base64.b64decode(found["film"])) == 40 * 64 * 64
    for data in (b"", b"hello"):
        refused = post(api, data)
        assert refused.status_code == 422
        assert "damaged" in refused.json()["detail"]


# ---------------------------------------------------------------- the page


@needs_browser
def test_the_page_opens_on_a_run_and_plays_it(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/video", "en") as page:
        page.wait_for_selector("#body circle")
        assert "run" in page.inner_text("#answer")
        assert page.locator("#body line").count() > 14
        assert page.inner_text("#play") == "play"  # who wants less motion begins with a still figure
        page.locator("#at").fill("30")
        assert "31/75" in page.inner_text("#clock")
        before = page.locator("#body").inner_html()
        page.locator("#at").press("ArrowRight")
        assert "32/75" in page.inner_text("#clock")
        assert page.locator("#body").inner_html() != before
        page.click("text=jumping jack")
        page.wait_for_function("() => document.querySelector('#figures [aria-pressed=true]').dataset.name === 'jack'")
        assert "jack" in page.url
        shot(page, "video-en-desk")


@needs_browser
def test_pixels_are_shown_as_the_model_sees_them(browser: Browser, site: str, tmp_path: Path) -> None:
    movie(tmp_path / "a.mp4", "bend", 50)
    (tmp_path / "b.mp4").write_bytes(b"hello")
    with opened(browser, f"{site}/video", "zh", "phone", "dark") as page:
        page.wait_for_selector("#body circle")
        page.set_input_files("#file", tmp_path / "a.mp4")
        page.wait_for_selector("#film:not([hidden])")
        assert "/50" in page.inner_text("#clock")
        said = page.inner_text("#answer")
        page.set_input_files("#file", tmp_path / "b.mp4")
        page.wait_for_selector("#alert:not([hidden])")
        assert "不是视频" in page.inner_text("#alert")
        assert page.inner_text("#answer") == said  # what stood there stays
        (tmp_path / "c.json").write_text(json.dumps({"pose": figures.figure("walk", 20).tolist()}), encoding="utf-8")
        page.set_input_files("#file", tmp_path / "c.json")
        page.wait_for_selector("#alert", state="hidden")
        page.wait_for_selector("#body:not([hidden])")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        shot(page, "video-zh-phone-dark")
