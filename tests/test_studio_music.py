"""The music desk's routes and its page, in a browser."""

from __future__ import annotations

import base64
import json
from urllib.parse import quote, unquote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from rondo.tasks.music.abc_read import read_abc
from rondo.tasks.music.chorale_show import ChoraleRequest
from rondo.tasks.music.request import MusicRequest

from browser import needs_browser, opened, shot

TUNE = "X:1\nT:A test\nM:4/4\nL:1/4\nK:G\n|:GABc|d2B2|cBAG|F4:|\n"


def test_a_tune_is_written(api: TestClient) -> None:
    order = {"metre": "3/4", "key": "D", "sections": 1, "bars": 4, "seed": 3, "score": False}
    answer = api.post("/api/music", json=order).json()
    tune = read_abc(answer["abc"])
    assert (answer["metre"], answer["key"]) == ("3/4", "Dmaj")
    assert len(tune.bars) == len(answer["bars"])
    assert answer["seconds"] == max(s["start"] + s["seconds"] for s in answer["sounds"])
    assert api.post("/api/music", json=order).json() == answer


def test_locked_bars_stay(api: TestClient) -> None:
    order = {"task": "again", "abc": TUNE, "locked": [1, 3], "score": False}
    answer = api.post("/api/music", json=order).json()
    assert [b["abc"] for k, b in enumerate(answer["bars"]) if k in (1, 3)] == ["d4 B4", "F8"]
    assert [b["new"] for b in answer["bars"]] == [True, False, True, False]


def test_files_are_read_and_written(api: TestClient) -> None:
    pytest.importorskip("mido", reason="the extra rondo[music] is not installed")
    data = api.post("/api/music/midi", json={"abc": TUNE}).json()["data"]
    assert base64.b64decode(data)[:4] == b"MThd"
    abc = api.post("/api/music/file", json={"name": "a.mid", "data": data}).json()["abc"]
    assert read_abc(abc).metre == "4/4"


def test_a_melody_is_set_in_four_voices(api: TestClient) -> None:
    answer = api.post("/api/music/harmony", json={"abc": TUNE, "score": False}).json()
    assert answer["broken"] == []
    assert {len(v) for v in answer["voices"].values()} == {32}
    order = {"abc": TUNE, "score": False, "locked": {"bass": answer["voices"]["bass"]}, "temperature": 1.0}
    other = api.post("/api/music/harmony", json=order).json()
    assert other["voices"]["bass"] == answer["voices"]["bass"]


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("music", {"task": "vary", "abc": "K:C\nCD?\n"}, "line 2: "),
        ("music", {"key": "H"}, "no key"),
        ("music", {"task": "again", "abc": TUNE, "locked": [9]}, "no bar 10"),
        ("music", {"seeds": 1}, "seeds: "),
        ("music/file", {"data": "?"}, "not base64"),
        ("music/file", {"name": "a.mid", "data": "AAAA"}, "no MIDI file"),
        ("music/file", {"data": base64.b64encode(b"MThd\0\0").decode()}, "damaged"),
        ("music/midi", {"abc": ""}, "no notes"),
        ("music/harmony", {"abc": TUNE, "voice": "horn"}, "voice: "),
    ],
)
def test_wrong_input_is_told(api: TestClient, path: str, body: object, said: str) -> None:
    answer = api.post(f"/api/{path}", json=body)
    assert answer.status_code == 422, answer.text
    assert said in answer.json()["detail"]


def test_every_setting_of_the_task_is_one_of_the_route(api: TestClient) -> None:
    schemas = api.get("/api/openapi.json").json()["components"]["schemas"]
    for kind in (MusicRequest, ChoraleRequest):
        assert schemas[kind.__name__]["properties"].keys() == kind.model_fields.keys()


def ready(page: Page) -> None:
    script = "() => document.querySelectorAll('#score .bar-box').length > 2 && !document.querySelector('#score.busy')"
    page.wait_for_function(f"() => ({script})() || !document.querySelector('#fault').hidden")
    assert page.inner_text("#fault") == ""


@needs_browser
def test_a_bar_is_locked_and_the_rest_rewritten(browser: Browser, site: str) -> None:
    pytest.importorskip("verovio", reason="the extra rondo[music] is not installed")
    given = quote(json.dumps({"tune": {"abc": TUNE, "seed": 4}}))
    with opened(browser, f"{site}/music#{given}", "en") as page:
        ready(page)
        page.click(".bar-box >> nth=1")
        assert page.locator(".bar-box.locked").count() == 1
        assert "Bar 2 is locked" in page.inner_text("#said")
        with page.expect_response("**/api/music"):
            page.click("#again")
        page.wait_for_function("() => document.querySelectorAll('.bar-box.new').length === 3")
        assert read_abc(page.input_value("#abc")).bars[1] == read_abc(TUNE).bars[1]
        assert json.loads(unquote(page.url.partition("#")[2]))["tune"]["locked"] == [1]
        page.focus("#score")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        assert page.locator(".bar-box.locked").count() == 2
        page.click("#play")  # the first click sounds
        page.wait_for_function("() => document.querySelector('.sounding')")
        page.click("#play")
        page.fill("#abc", "K:C\nCD?\n")
        page.wait_for_selector("#fault:not([hidden])")
        assert "line 2" in page.inner_text("#fault")
        assert page.input_value("#abc") == "K:C\nCD?\n"
        page.fill("#abc", TUNE)
        page.wait_for_selector("#fault[hidden]", state="attached")


@needs_browser
def test_four_voices_on_a_phone(browser: Browser, site: str) -> None:
    pytest.importorskip("verovio", reason="the extra rondo[music] is not installed")
    given = quote(json.dumps({"tune": {"abc": TUNE}}))
    with opened(browser, f"{site}/music#{given}", "zh", "phone", "dark") as page:
        ready(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.click("#tab-chorale")
        page.wait_for_function("() => document.querySelectorAll('#chorale-score .bar-box').length > 2")
        assert "没有平行五度" in page.inner_text("#chorale-said")
        page.click('[data-voice="bass"]')
        assert page.get_attribute('[data-voice="bass"]', "aria-pressed") == "true"
        with page.expect_response("**/api/music/harmony"):
            page.click("#another")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, "music-chorale-phone")
