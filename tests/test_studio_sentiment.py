"""The sentiment desk: its routes, and the page in a browser."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from rondo import bundled
from rondo.studio.sentiment import MOST_ROWS
from rondo.tasks.sentiment.request import LABELS, SentimentRequest

from browser import needs_browser, opened, shot

HERE = bundled.names()
pytestmark = pytest.mark.skipif("sentiment-zh" not in HERE, reason="the model sentiment-zh is not bundled")
needs_english = pytest.mark.skipif("sentiment-en" not in HERE, reason="the model sentiment-en is not bundled")
TEXT = "菜很好吃但是服务太慢"


def table(api: TestClient, data: bytes, path: str = "table", **query: str) -> Any:
    return api.post(f"/api/sentiment/{path}", params=query, content=data)


def test_a_text_is_judged_and_explained(api: TestClient) -> None:
    found = api.post("/api/sentiment", json={"text": TEXT, "targets": ["服务", "菜"]}).json()
    assert "".join(TEXT[p["start"] : p["end"]] for p in found["pieces"]) == TEXT
    assert {TEXT[t["start"] : t["end"]] for t in found["targets"]} == {"服务", "菜"}
    assert sum(found["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    assert set(found["probabilities"]) == set(LABELS)


def test_every_request_of_the_task_is_a_request_of_the_route(api: TestClient) -> None:
    schema = api.get("/api/openapi.json").json()["components"]["schemas"]["SentimentRequest"]["properties"]
    assert schema.keys() == SentimentRequest.model_fields.keys()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"text": ""}, "empty"),
        ({"text": "好" * 20_001}, "at most 20000"),
        ({"text": "好", "language": "fr"}, "found 'fr'"),
        ({"text": "好", "targets": [""]}, "empty one"),
        ({"txt": "好"}, "text"),
    ],
)
def test_wrong_input_is_told(api: TestClient, body: object, said: str) -> None:
    answer = api.post("/api/sentiment", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_half_a_character_is_refused(api: TestClient) -> None:
    answer = api.post("/api/sentiment", content=b'{"text": "\\ud83d"}', headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert "surrogate" in answer.json()["detail"]


def test_a_table_is_looked_into_and_judged(api: TestClient) -> None:
    data = 'id,内容\n1,菜很好吃\n2,\n3,"服务差,\n不会再来"\n4\n'.encode()
    seen = table(api, data, "preview", name="t.csv").json()
    assert (seen["columns"], seen["column"], seen["total"]) == (["id", "内容"], "内容", 4)
    found = table(api, data, name="t.csv", column="内容").json()
    assert [r["line"] for r in found["judged"]] == [2, 3, 4, 6]
    assert [r["label"] for r in found["judged"]] == ["positive", "", "negative", ""]
    assert (found["rows"], found["empty"], found["faulty"], found["faults"][0][0]) == (4, 1, 1, 6)
    rows = list(csv.DictReader(io.StringIO(found["table"], newline="")))
    assert [r["label"] for r in rows] == ["positive", "", "negative", ""]
    assert rows[2]["内容"] == "服务差,\n不会再来"


def test_a_table_in_another_encoding(api: TestClient) -> None:
    data = "text\n房间很干净\n".encode("gb18030")
    refused = table(api, data, name="t.csv")
    assert refused.status_code == 422
    assert "line 2" in refused.json()["detail"]
    assert "gb18030" in refused.json()["detail"]
    found = table(api, data, name="t.csv", encoding="gbk").json()
    assert "房间很干净" in found["table"]
    assert found["judged"][0]["label"] == "positive"


def test_a_stream_says_how_far_it_is(api: TestClient) -> None:
    data = ("text\n" + "好\n" * 250).encode()
    accept = {"Accept": "text/event-stream"}
    with api.stream("POST", "/api/sentiment/table", params={"name": "t.csv"}, content=data, headers=accept) as answer:
        records = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: {")]
    told = [(r["rows"], r["total"]) for r in records if "rows" in r]
    assert told[:4] == [(0, 250), (100, 250), (200, 250), (250, 250)]
    assert len(records[-2]["judged"]) == 250


@pytest.mark.parametrize(
    ("data", "query", "status", "said"),
    [
        (b"text\n" + b"x\n" * (MOST_ROWS + 1), {"name": "t.csv"}, 422, "at most 2000 rows"),
        (b"x" * ((1 << 20) + 1), {"name": "t.csv"}, 413, "at most 1 MB"),
        (b'text\n"x', {"name": "t.csv"}, 422, "line 2: a quote"),
        (b"a,b\n1,2\n", {"name": "t.csv"}, 422, "no column 'text'"),
        (b"text\nx\n", {"name": "t.csv", "encoding": "latin"}, 422, "latin"),
        (b"text\nx\n", {"name": "t.csv", "language": "xx"}, 422, "xx"),
        (b"", {"name": "t.csv"}, 422, "no header"),
    ],
)
def test_tables_that_cannot_be_judged(
    api: TestClient, data: bytes, query: dict[str, str], status: int, said: str
) -> None:
    answer = table(api, data, **query)
    assert answer.status_code == status
    assert said in answer.json()["detail"]


# the page


def pieces(page: Page) -> str:
    return "".join(page.locator("#sentence .piece").all_inner_texts())


def settled(page: Page) -> None:
    page.wait_for_function("() => document.querySelector('#result').getAttribute('aria-busy') === 'false'")


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_the_page_opens_on_a_solved_example(browser: Browser, site: str, lang: str, size: str) -> None:
    with opened(browser, f"{site}/sentiment", lang, size, "dark" if size == "phone" else "light") as page:
        page.wait_for_selector(".piece")
        assert pieces(page) == TEXT
        assert page.locator("#classes li").count() == 3
        assert page.locator("#star-bars li").count() == 5
        assert page.locator("#targets .name").count() >= 1
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, f"sentiment-{lang}-{size}")


@needs_browser
def test_a_span_is_asked_about_by_mouse_and_by_keys(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/sentiment#{quote(json.dumps({'text': TEXT, 'targets': []}))}", "en") as page:
        page.wait_for_selector(".piece")
        assert "Nothing was found" in page.inner_text("#targets")
        page.hover('[data-piece="2"]')
        assert page.inner_text("#inspect .glyph") == "好"
        page.hover('[data-piece="6"]')
        page.mouse.down()
        page.hover('[data-piece="7"]')
        page.mouse.up()
        assert page.inner_text("#inspect .glyph") == "服务"
        page.click("#ask-this")
        page.wait_for_selector("#targets .name")
        assert page.locator("#targets .name").all_inner_texts() == ["服务"]
        page.focus('[data-piece="0"]')
        page.keyboard.press("Enter")
        page.wait_for_function("() => document.querySelectorAll('#targets .name').length === 2")
        assert json.loads(unquote(page.url.partition("#")[2]))["targets"] == ["服务", "菜"]
        page.fill("#target", "price")
        page.keyboard.press("Enter")
        page.wait_for_selector("#notes .note")
        assert "implicit" in page.inner_text("#notes")
        page.click('[aria-label="do not ask about price"]')
        page.wait_for_selector("#notes .note", state="detached")
        page.click("#found")
        settled(page)
        assert "targets" not in json.loads(unquote(page.url.partition("#")[2]))


@needs_browser
def test_pieces_are_walked_and_selected_with_keys(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/sentiment") as page:
        page.wait_for_selector(".piece")
        page.focus('.piece[tabindex="0"]')
        page.keyboard.press("Home")
        page.keyboard.press("ArrowRight")
        page.keyboard.press("Shift+ArrowRight")
        assert page.inner_text("#inspect .glyph") == "很好"
        assert page.locator('.piece[aria-selected="true"]').count() == 2
        page.keyboard.press("End")
        assert page.inner_text("#inspect .glyph") == "慢"


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_faults_are_told_and_the_input_is_kept(browser: Browser, site: str, lang: str) -> None:
    with opened(browser, f"{site}/sentiment", lang) as page:
        page.wait_for_selector(".piece")
        page.fill("#text", " ")
        page.click("#judge")
        page.wait_for_selector("#fault:not([hidden])")
        assert page.inner_text("#fault").startswith("这段文字" if lang == "zh" else "this text is empty")
        assert page.input_value("#text") == " "
        assert pieces(page) == TEXT
        page.click("#examples button >> nth=1")
        page.wait_for_selector("#fault[hidden]", state="attached")
        assert pieces(page) == "我爱北京天安门"


@needs_browser
def test_offsets_hold_beyond_the_basic_plane(browser: Browser, site: str) -> None:
    text = "🍜🍜 菜很好吃，𠮷"
    with opened(browser, f"{site}/sentiment#{quote(json.dumps({'text': text}))}") as page:
        page.wait_for_selector(".piece")
        assert page.inner_text("#sentence") == text
        assert "菜" in page.locator("#sentence .piece").all_inner_texts()


@needs_browser
def test_the_report_is_a_page_of_its_own(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/sentiment", "en") as page:
        page.wait_for_selector(".piece")
        with page.expect_download() as download:
            page.click("#report")
        text = Path(download.value.path()).read_text(encoding="utf-8")
        assert '<script type="application/json" id="answer">' in text
        assert "Sentiment report" in text
        assert "<button" not in text
        assert "<form" not in text


@needs_browser
@pytest.mark.parametrize("lang", ["zh", pytest.param("en", marks=needs_english)])
def test_a_table_is_judged_and_downloaded(browser: Browser, site: str, lang: str) -> None:
    with opened(browser, f"{site}/sentiment", lang) as page:
        page.click("#tab-table")
        page.wait_for_selector("#judged tr:nth-child(3)")
        shot(page, f"sentiment-table-{lang}")
        assert page.input_value("#column") == ("评论" if lang == "zh" else "text")
        with page.expect_download() as download:
            page.click("#download")
        data = Path(download.value.path()).read_bytes()
        assert data.startswith(b"\xef\xbb\xbf")
        rows = list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"), newline="")))
        assert len(rows) == (8 if lang == "zh" else 6)
        assert rows[0]["label"]
        assert not rows[3]["label"]


@needs_browser
def test_a_file_is_dropped(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/sentiment#{quote(json.dumps({'tab': 'table'}))}", "en") as page:
        page.wait_for_selector("#table-name:not(:empty)")
        file = "new File(['a\\t内容\\n1\\t位置好找\\n'], 'x.tsv')"
        made = f"() => {{ const d = new DataTransfer(); d.items.add({file}); return d; }}"
        page.dispatch_event("#drop", "drop", {"dataTransfer": page.evaluate_handle(made)})
        page.wait_for_function("() => document.querySelector('#table-name').textContent === 'x.tsv'")
        assert page.input_value("#column") == "内容"
        assert page.inner_text("#table-size") == "1 row"
        page.click("#judge-table")
        page.wait_for_selector("#judged tr:nth-child(2)")
        assert page.inner_text("#judged .words") == "位置好找"


@needs_browser
def test_a_broken_table_is_told_with_its_line(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/sentiment#{quote(json.dumps({'tab': 'table'}))}", size="phone") as page:
        page.wait_for_selector("#judged tr:nth-child(3)")
        given = {
            "name": "评论.csv",
            "mimeType": "text/csv",
            "buffer": "编号,内容\n1,环境不错\n2,太吵了\n".encode("gb18030"),
        }
        page.set_input_files("#file", given)  # type: ignore[arg-type]
        page.wait_for_selector("#table-fault:not([hidden])")
        assert "第 1 行" in page.inner_text("#table-fault")
        assert "gb18030" in page.inner_text("#table-fault")
        page.select_option("#encoding", "gb18030")
        page.wait_for_selector("#table-fault[hidden]", state="attached")
        page.wait_for_function("() => document.querySelector('#column').value === '内容'")
        page.click("#judge-table")
        page.wait_for_selector("#judged tr:nth-child(3)")
        assert page.locator("#judged tr").count() == 3
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, "sentiment-table-phone")
