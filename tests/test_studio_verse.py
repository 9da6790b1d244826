"""The verse desk's routes and the poem page, in a browser."""

from __future__ import annotations

import json
from urllib.parse import quote, unquote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from rondo.tasks.poetry.request import PoemRequest

from browser import needs_browser, opened, shot


def test_a_poem_keeps_what_was_ordered(api: TestClient) -> None:
    answer = api.post("/api/poem", json={"theme": "秋夜", "hide": "我爱北京", "form": "五绝", "count": 2})
    assert answer.status_code == 200
    for poem in answer.json()["poems"]:
        assert [line[0] for line in poem["lines"]] == list("我爱北京")
        assert poem["relaxed"] == []
        for mark in (m for line in poem["proof"] for m in line["marks"]):
            assert 0 < mark["probability"] <= 1
            assert mark["char"] not in mark["instead"]
            assert not (mark["given"] and mark["instead"])


def test_what_could_stand_instead_keeps_every_rule(api: TestClient) -> None:
    """Each alternative is put in its place, and the whole is proven again."""
    (poem,) = api.post("/api/poem", json={"theme": "春江", "form": "五绝"}).json()["poems"]
    tried = 0
    for i, line in enumerate(poem["proof"]):
        for p, mark in enumerate(line["marks"]):
            for other in mark["instead"][:1]:
                changed = [row[:p] + other + row[p + 1 :] if k == i else row for k, row in enumerate(poem["lines"])]
                (proven,) = api.post("/api/poem", json={"mask": "|".join(changed)}).json()["poems"]
                assert proven["lines"] == changed
                assert proven["relaxed"] == [], (line["text"], mark["char"], other)
                tried += 1
    assert tried > 10


def test_the_same_seed_gives_the_same_poem(api: TestClient) -> None:
    order = {"theme": "雪", "form": "七绝", "seed": 7}
    assert api.post("/api/poem", json=order).json() == api.post("/api/poem", json=order).json()


def test_a_stream_says_the_place_and_the_record(api: TestClient) -> None:
    with api.stream("POST", "/api/poem", json={"theme": "月"}, headers={"Accept": "text/event-stream"}) as answer:
        events = [line for line in answer.iter_lines() if line]
    assert [line for line in events if line.startswith("event")] == ["event: queued", "event: record", "event: done"]
    assert json.loads(events[1].removeprefix("data: ")) == {"place": 0}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("poem", {"theme": "abc"}, "Chinese characters"),
        ("poem", {"hide": "一二三四五六七八九"}, "at most 8"),
        ("poem", {"form": "七觉"}, "七觉"),
        ("poem", {"them": "秋"}, "them: "),
        ("poem", {"count": 21}, "count: "),
        ("poem", [], "dictionary"),
        ("poem/check", {"text": "hello"}, "neither a Chinese character"),
        ("poem/check", {"text": "床前明月光，疑是地上霜。", "book": "nobook"}, "nobook"),
        ("couplet/check", {"upper": "", "lower": "天"}, "empty"),
    ],
)
def test_wrong_input_is_told(api: TestClient, path: str, body: object, said: str) -> None:
    answer = api.post(f"/api/{path}", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_poem_is_judged(api: TestClient) -> None:
    text = "白日依山尽 黄河入海流 欲穷千里目 更上一层楼"
    report = api.post("/api/poem/check", json={"text": text}).json()
    assert (report["form"], report["kind"], report["faults"]) == ("五绝", "近体", [])
    glossed = api.post("/api/poem/gloss", json={"lines": ["白日依山尽"]}).json()["lines"][0]
    assert "".join(word["text"] for word in glossed) == "白日依山尽"
    assert any(word["english"] for word in glossed)


def test_every_request_of_the_task_is_a_request_of_the_route(api: TestClient) -> None:
    schema = api.get("/api/openapi.json").json()["components"]["schemas"]["PoemRequest"]["properties"]
    assert schema.keys() == PoemRequest.model_fields.keys()


def text(page: Page) -> list[str]:
    """The poem on the leaf, line by line."""
    rows = page.locator("#leaf .verse-line").all()
    return ["".join(row.locator(".glyph").all_inner_texts()) for row in rows]


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_poem_is_written_locked_and_written_again(browser: Browser, site: str, lang: str) -> None:
    with opened(browser, f"{site}/poem", lang) as page:
        page.wait_for_selector(".char")
        first = text(page)
        assert [len(line) for line in first] == [7, 7, 7, 7]
        page.click('[data-at="0,3"]')
        page.focus('[data-at="1,0"]')
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        with page.expect_response("**/api/poem"):
            page.click("#again")
        page.wait_for_function("() => !document.querySelector('#leaf').classList.contains('busy')")
        second = text(page)
        assert second != first
        assert (second[0][3], second[1][1]) == (first[0][3], first[1][1])
        state = json.loads(unquote(page.url.partition("#")[2]))
        assert state["mask"].count("_") == 26
        shot(page, f"poem-{lang}")
        with opened(browser, page.url, lang) as other:  # the link gives the same poem
            other.wait_for_selector(".char")
            assert text(other) == second


@needs_browser
def test_hidden_characters_stay_when_others_are_locked(browser: Browser, site: str) -> None:
    order = quote(json.dumps({"hide": "春眠不觉", "form": "五绝"}))
    with opened(browser, f"{site}/poem#{order}") as page:
        page.wait_for_selector(".char")
        for at in ("0,2", "3,4"):
            page.click(f'[data-at="{at}"]')
        with page.expect_response("**/api/poem"):
            page.click("#again")
        page.wait_for_function("() => !document.querySelector('#leaf').classList.contains('busy')")
        assert [line[0] for line in text(page)] == list("春眠不觉")


@needs_browser
def test_a_character_is_exchanged(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/poem", "en", "phone") as page:
        page.wait_for_selector(".char")
        page.click('[data-at="2,1"]')
        wanted = page.locator("#inspect .others button").first.inner_text()
        with page.expect_response("**/api/poem"):
            page.keyboard.press("1")
        page.wait_for_function(f"() => document.querySelector('[data-at=\"2,1\"] .glyph').textContent === '{wanted}'")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, "poem-en-phone")


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_faults_are_told_and_the_input_is_kept(browser: Browser, site: str, lang: str) -> None:
    with opened(browser, f"{site}/poem", lang) as page:
        page.wait_for_selector(".char")
        page.fill("[name=theme]", "autumn")
        page.dispatch_event("[name=theme]", "change")
        page.wait_for_selector("#fault:not([hidden])")
        said = page.inner_text("#fault")
        assert said == ("主题请用汉字" if lang == "zh" else "write the theme in Chinese characters")
        assert page.input_value("[name=theme]") == "autumn"
        page.click("#reset")
        page.wait_for_selector("#fault[hidden]", state="attached")
        page.click("[aria-controls=judge]")
        page.fill("#mine", "白日依山尽，黄河入海流。欲穷千里目，更上一层桥。")
        page.wait_for_selector("#verdict .bad, #verdict .ok")
        page.wait_for_function("() => document.querySelector('#verdict').innerText.includes('桥')")
        shot(page, f"poem-judge-{lang}")
        page.fill("#mine", "hello")
        page.wait_for_selector("#mine-fault:not([hidden])")


@needs_browser
def test_the_picture_is_a4_at_300_dpi(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/poem") as page:
        page.wait_for_selector(".char")
        with page.expect_download() as download:
            page.click("#picture")
        head = download.value.path().read_bytes()[:24]
        assert head[1:4] == b"PNG"
        assert [int.from_bytes(head[k : k + 4]) for k in (16, 20)] == [2480, 3508]
