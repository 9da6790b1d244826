"""The captions page: its routes, and the page in a browser."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import quote, unquote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from rondo.studio import captions
from rondo.tasks.captions import encoder
from rondo.tasks.captions.request import CaptionsRequest

from browser import needs_browser, opened, shot

pytest.importorskip("PIL", reason="reading pictures needs Pillow: pip install rondo[captions]")
from PIL import Image


@pytest.fixture(autouse=True)
def nothing_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "available", lambda: False)


def picture(kind: str = "PNG", size: tuple[int, int] = (64, 40)) -> bytes:
    file = io.BytesIO()
    left = Image.new("RGB", size, (200, 30, 20))
    left.paste((10, 60, 200), (0, 0, size[0] // 2, size[1]))
    left.save(file, kind)
    return file.getvalue()


def test_a_picture_is_described(api: TestClient) -> None:
    found = api.post("/api/captions?count=2&beam=3", content=picture()).json()
    assert (found["width"], found["height"], found["side"], found["encoder"]) == (64, 40, 7, "own")
    assert 1 <= len(found["sentences"]) <= 2
    for sentence in found["sentences"]:
        assert "".join(c["text"] for c in sentence["characters"]) == sentence["text"]
        assert all(len(c["weights"]) == 49 for c in sentence["characters"])
    assert api.get("/api/captions/encoder").json() == {"available": False, "command": "rondo captions fetch"}


@pytest.mark.parametrize(
    ("query", "body", "said"),
    [
        ("", b"", "the file is empty"),
        ("", b"no picture", "no picture that can be read"),
        ("", picture()[:60], "truncated or damaged"),
        ("?count=9", picture(), "count"),
        ("?encoder=x", picture(), "encoder"),
        ("?other=1", picture(), "other"),
    ],
)
def test_wrong_input_is_told(api: TestClient, query: str, body: bytes, said: str) -> None:
    answer = api.post(f"/api/captions{query}", content=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_large_picture_is_taken_and_a_larger_one_refused(api: TestClient) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (1000, 900, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    assert len(file.getvalue()) > 2 << 20
    assert api.post("/api/captions?count=1&beam=1", content=file.getvalue()).status_code == 200
    assert api.post("/api/captions", content=bytes((32 << 20) + 1)).status_code == 413


def test_every_request_of_the_task_is_a_request_of_the_route(api: TestClient) -> None:
    route = api.get("/api/openapi.json").json()["paths"]["/api/captions"]["post"]
    assert {p["name"] for p in route["parameters"]} == CaptionsRequest.model_fields.keys()
    assert "application/octet-stream" in route["requestBody"]["content"]
    assert captions.described(picture(), CaptionsRequest(count=1)).sentences


def ready(page: Page) -> None:
    page.wait_for_selector("#sentences .char")
    page.wait_for_function("() => !document.querySelector('#sentences').hasAttribute('aria-busy')")


def narrow(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_opens_on_a_drawing_and_characters_light_their_places(browser: Browser, site: str, lang: str) -> None:
    with opened(browser, f"{site}/captions", lang) as page:
        ready(page)
        assert page.evaluate("document.querySelector('#picture').naturalWidth") == 640
        assert page.get_attribute("#examples button >> nth=0", "aria-pressed") == "true"
        first = page.locator(".char").first
        first.hover()
        assert page.locator("#frame.lit #light rect").count() == 50
        assert first.inner_text() in page.inner_text("#looks")
        page.mouse.move(5, 5)
        assert page.locator("#frame.lit").count() == 0
        assert page.input_value("#encoder") == "own"
        assert page.locator("#notes .note").count() >= 1
        assert narrow(page)
        page.locator(".char").nth(2).hover()
        shot(page, f"captions-{lang}-desk-light")


@needs_browser
def test_characters_are_walked_and_held_by_keys(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/captions", "en", "desk", "dark") as page:
        ready(page)
        page.locator(".char").first.focus()
        page.keyboard.press("ArrowRight")
        assert page.evaluate("document.activeElement.dataset.k") == "1"
        page.keyboard.press("Enter")
        assert page.locator(".char.held").count() == 1
        page.keyboard.press("End")
        page.evaluate("document.activeElement.blur()")
        shot(page, "captions-held-en-dark")
        assert page.locator("#frame.lit").count() == 1
        assert page.locator(".char.lit").get_attribute("data-k") == "1"
        page.locator(".char.held").focus()
        page.keyboard.press("Escape")
        page.evaluate("document.activeElement.blur()")
        assert page.locator("#frame.lit").count() == 0
        assert page.locator('.char[tabindex="0"]').count() == 1


@needs_browser
def test_an_own_picture_is_opened_and_a_damaged_one_is_told(browser: Browser, site: str, tmp_path: Path) -> None:
    with opened(browser, f"{site}/captions", "zh", "phone") as page:
        ready(page)
        page.set_input_files(
            "#file", {"name": "a.jpg", "mimeType": "image/jpeg", "buffer": picture("JPEG", (600, 900))}
        )
        page.wait_for_function("() => document.querySelector('#picture').naturalWidth === 600")
        ready(page)
        assert page.locator('#examples [aria-pressed="true"]').count() == 0
        page.locator(".char").first.click()
        assert page.locator(".char.held").count() == 1
        assert narrow(page)
        shot(page, "captions-own-zh-phone")
        page.set_input_files("#file", {"name": "b.jpg", "mimeType": "image/jpeg", "buffer": b"no picture"})
        page.wait_for_selector("#fault:not([hidden])")
        assert "这不是能读的图片" in page.inner_text("#fault")
        assert page.locator(".char").count() == 0
        page.locator("#examples button").nth(1).click()
        ready(page)
        assert page.is_hidden("#fault")
        assert "snow" in unquote(page.url)


@needs_browser
def test_the_number_of_sentences_stays_in_the_address(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/captions", "en") as page:
        ready(page)
        page.select_option("#count", "1")
        page.wait_for_function("() => document.querySelectorAll('#sentences li').length === 1")
        page.locator("#examples button").nth(2).click()
        ready(page)
        page.reload()
        ready(page)
        assert page.locator("#sentences li").count() == 1
        assert page.get_attribute("#examples button >> nth=2", "aria-pressed") == "true"
        shot(page, "captions-one-en")


@needs_browser
def test_an_address_of_nonsense_opens_all_the_same(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/captions#" + quote('{"example": "x", "count": 77, "encoder": 3}'), "en") as page:
        ready(page)
        assert page.input_value("#count") == "3"
