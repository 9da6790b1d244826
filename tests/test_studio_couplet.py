"""The couplet and the spring couplet: their routes, and both pages as people use them."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from rondo.studio import verse
from rondo.studio.app import create
from rondo.tasks.couplet import names, pair
from rondo.tasks.couplet.request import CoupletRequest, CoupletResponse
from rondo.tasks.couplet.surprise import KINDS, surprise
from rondo.tasks.couplet.writer import Writer

from browser import needs_browser, opened, shot

LINE, NAME = "东风有意舒青野", "锋潮科技"
VIEWS = [(lang, size) for lang in ("zh", "en") for size in ("desk", "phone")]
CARDS = {kind: next(s for s in range(99) if (x := surprise(NAME, s)) and x.kind == kind) for kind in KINDS}


@pytest.fixture(scope="module", autouse=True)
def few() -> Iterator[None]:
    """Fewer drafts than usual, and each request written once, so that the pages answer soon."""
    known: dict[str, CoupletResponse] = {}

    def once(writer: Writer, request: CoupletRequest) -> CoupletResponse:
        key = request.model_dump_json()
        known[key] = known.get(key) or pair.answer(writer, request)
        return known[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(verse, "answer", once)
        patch.setattr(names, "FIRST", 8)
        patch.setattr(names, "SECOND", 2)
        patch.setattr(pair, "ROWS", (20, 20))
        yield


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create(), base_url="http://127.0.0.1")


# --- routes ---


def test_five_answers_with_their_proof(client: TestClient) -> None:
    found = client.post("/api/couplet", json={"line": "白日依山尽", "fix": "-河"}).json()
    assert len(found["couplets"]) == 5
    assert found["surprise"] is None
    for c in found["couplets"]:
        assert c["upper"] == "白日依山尽"
        assert c["lower"][1] == "河"
        assert len(c["places"]) == 5
        assert c["places"][1]["fixed"] == ["lower"]
        assert set(c["rules"]) == {"字数", "断句", "重字", "叠字", "平仄", "句脚", "仄起平收"}


def test_a_name_brings_a_couplet_and_its_surprise(client: TestClient) -> None:
    order = {"name": NAME, "seed": CARDS["riddle"], "count": 2, "traditional": True}
    found = client.post("/api/couplet", json=order).json()
    assert [c["way"] for c in found["couplets"]] == ["鹤顶格", "嵌字"]
    assert found["surprise"]["kind"] == "riddle"
    assert found["surprise"]["answer"][0] in NAME


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("couplet", {"name": "Ann"}, "姓名请用汉字"),
        ("couplet", {"name": "王"}, "two to four characters, found 1"),
        ("couplet", {"name": "欧阳修之子"}, "found 5"),
        ("couplet", {"line": "hello"}, "'h' 不是汉字"),
        ("couplet", {"line": "山" * 21}, "found 21"),
        ("couplet", {"line": "白日依山尽", "fix": "-----流"}, "reaches to the 6th"),
        ("couplet", {"line": "白日依山尽", "seed": -1}, "seed"),
        ("couplet", {"lines": "白日依山尽"}, "lines"),
        ("couplet/check", {"upper": "白日依山尽", "lower": ""}, "a line of the couplet is empty"),
        ("couplet/check", {"upper": "山" * 2001, "lower": "水"}, "upper"),
        ("couplet/check", {"upper": "白日依山尽"}, "lower"),
    ],
)
def test_what_cannot_be_asked_is_said(client: TestClient, path: str, body: dict[str, Any], said: str) -> None:
    answer = client.post(f"/api/{path}", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_pair_is_judged(client: TestClient) -> None:
    good = client.post("/api/couplet/check", json={"upper": "天增岁月人增寿", "lower": "春满乾坤福满门"}).json()
    assert not good["faults"]
    assert len(good["places"]) == 7
    bad = client.post("/api/couplet/check", json={"upper": "白日依山尽", "lower": "黄色入海尽"}).json()
    assert {f["rule"] for f in bad["faults"]} == {"平仄", "句脚", "重字"}
    assert [p["ok"] for p in bad["places"]] == [True, False, True, True, False]


# --- pages ---


def ready(page: Page, selector: str) -> None:
    page.wait_for_selector(selector)
    page.wait_for_selector(".busy", state="detached")
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth"), "sideways"
    assert "{{" not in page.content()


def text(page: Page, selector: str) -> str:
    return page.locator(selector).inner_text()


@needs_browser
@pytest.mark.parametrize(("lang", "size"), VIEWS)
def test_the_couplet_page_opens_on_an_answer(site: str, browser: Browser, lang: str, size: str) -> None:
    with opened(browser, f"{site}/couplet", lang, size, "light" if lang == "zh" else "dark") as page:
        ready(page, "#answers li")
        assert page.locator("#answers li").count() == 5
        assert LINE in (page.locator(".scroll-paper.upper").get_attribute("aria-label") or "")
        assert page.locator("#proof .place").count() == 7
        assert page.locator("#cells input").count() == 7
        assert text(page, "#go") == ("对" if lang == "zh" else "Answer")
        upper, lower = (page.locator(f".scroll-paper.{side}").bounding_box() for side in ("upper", "lower"))
        assert upper
        assert lower
        if size == "desk":  # the first line hangs on the right, written from above
            assert upper["x"] > lower["x"]
            assert upper["height"] > 2 * upper["width"]
        else:  # a phone has both one above the other, to be read across
            assert upper["y"] < lower["y"]
            assert upper["width"] > 2 * upper["height"]
        shot(page, f"couplet-{lang}-{size}")


@needs_browser
def test_a_line_is_answered_as_it_is_typed(site: str, browser: Browser) -> None:
    with opened(browser, f"{site}/couplet") as page:
        ready(page, "#answers li")
        page.fill("#line", "白日依山尽|-河-海-")  # what is fixed comes with the line
        page.wait_for_selector(".scroll-paper.upper[aria-label*='白日依山尽']")
        ready(page, "#answers li")
        assert page.input_value("#line") == "白日依山尽"
        for line in page.locator(".pick-line").all_inner_texts():
            assert line[1] == "河"
            assert line[3] == "海"
        assert page.locator("#proof .fixed >> text=河").count() == 1
        page.click("#clear")
        page.fill("[data-place='0']", "碧")  # a cell a character
        page.wait_for_selector(".scroll-paper.lower[aria-label*=': 碧']")
        page.locator(".pick").nth(2).click()
        assert page.locator(".pick").nth(2).get_attribute("aria-pressed") == "true"
        chosen = page.locator(".pick-line").nth(2).inner_text()
        assert chosen in (page.locator(".scroll-paper.lower").get_attribute("aria-label") or "")
        address = page.url
    with opened(browser, address) as page:  # the address holds it all
        ready(page, "#answers li")
        assert chosen in (page.locator(".scroll-paper.lower").get_attribute("aria-label") or "")


@needs_browser
def test_an_answer_becomes_the_first_line(site: str, browser: Browser) -> None:
    with opened(browser, f"{site}/couplet", "en") as page:
        ready(page, "#answers li")
        line = page.locator(".pick-line").nth(1).inner_text()
        page.locator("#answers .small").nth(1).click()
        page.wait_for_selector("#turn")  # it ends level: it would rather be a second line
        assert page.input_value("#line") == line
        page.click("#turn")
        page.wait_for_selector("#turn", state="detached")
        ready(page, "#answers li")
        assert page.input_value("#role") == "upper"
        assert text(page, "#line-label") == "Second line"
        assert line in (page.locator(".scroll-paper.lower").get_attribute("aria-label") or "")
        with page.expect_request("**/api/couplet") as asked:
            page.select_option("#script", "traditional")
        assert asked.value.post_data_json["traditional"]


@needs_browser
def test_a_wrong_line_is_kept_and_said(site: str, browser: Browser) -> None:
    with opened(browser, f"{site}/couplet", "en") as page:
        ready(page, "#answers li")
        page.fill("#line", "hello")
        page.press("#line", "Enter")
        page.wait_for_selector("#ask-error:visible")
        assert "neither a Chinese character" in text(page, "#ask-error")
        assert page.input_value("#line") == "hello"
        assert page.locator("#answers li").count() == 5  # what was answered stays


@needs_browser
@pytest.mark.parametrize(("lang", "size"), [("zh", "phone"), ("en", "desk")])
def test_a_pair_of_ones_own(site: str, browser: Browser, lang: str, size: str) -> None:
    with opened(browser, f"{site}/couplet", lang, size) as page:
        page.click("#tab-judge")
        ready(page, "#report .ok")
        page.fill("#upper", "白日依山尽")
        page.fill("#lower", "黄河入海山")
        page.press("#lower", "Control+Enter")
        page.wait_for_selector("#report .faults li")
        said = text(page, "#report .faults")
        assert ("上联已用" if lang == "zh" else "no character shared") in said
        assert page.locator("#report .place.broken").count() == 1
        ready(page, "#report .place")
        shot(page, f"couplet-judge-{lang}-{size}")
        page.fill("#lower", "Yellow River")
        page.click("#check-go")
        page.wait_for_selector("#check-error:visible")
        assert page.input_value("#lower") == "Yellow River"


@needs_browser
@pytest.mark.parametrize(("lang", "size"), VIEWS)
def test_the_spring_page_opens_on_a_door(site: str, browser: Browser, lang: str, size: str) -> None:
    with opened(browser, f"{site}/spring", lang, size, "dark" if lang == "zh" else "light") as page:
        ready(page, ".door[data-seed='0']")
        hidden = (
            page.locator("#upper .hidden-name").all_inner_texts()
            + page.locator("#lower .hidden-name").all_inner_texts()
        )
        assert "".join(hidden) == NAME
        assert page.locator("#upper span").count() == page.locator("#lower span").count() == 7
        banner, upper, lower = (page.locator(f"#{part}").bounding_box() for part in ("banner", "upper", "lower"))
        assert banner
        assert upper
        assert lower
        assert upper["x"] > lower["x"]
        assert banner["y"] + banner["height"] < upper["y"]
        first, last = (
            page.locator("#banner span").first.bounding_box(),
            page.locator("#banner span").last.bounding_box(),
        )
        assert first
        assert last
        assert first["x"] > last["x"]
        assert text(page, "#go") == ("下一步" if lang == "zh" else "Next")
        shot(page, f"spring-{lang}-{size}")


@needs_browser
def test_a_name_another_and_the_surprise(site: str, browser: Browser) -> None:
    with opened(browser, f"{site}/spring") as page:
        ready(page, ".door[data-seed='0']")
        page.fill("#name", "Ann")
        page.click("#go")
        page.wait_for_selector("#ask-error:visible")
        assert text(page, "#ask-error") == "姓名请用汉字，这里有 'A'"
        assert page.input_value("#name") == "Ann"
        page.fill("#name", "思源")
        page.select_option("#length", "5")
        page.click("#go")
        page.wait_for_selector(".strip#upper[style*='--n: 5']")
        page.select_option("#way", "嵌字")
        assert page.locator("#door").get_attribute("data-way") == "嵌字"
        before = text(page, "#words")
        page.click("#again")
        page.wait_for_selector(".door[data-seed='1']")
        assert text(page, "#words") != before
        assert page.locator("#ask-error").is_hidden()


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_every_surprise_hangs_on_the_door_and_is_told(site: str, browser: Browser, lang: str) -> None:
    with opened(browser, f"{site}/spring", lang, "phone" if lang == "zh" else "desk") as page:
        for kind in KINDS[:3] if lang == "zh" else KINDS[2:]:
            page.goto(f'{site}/spring#{{"seed":{CARDS[kind]}}}')
            ready(page, f"#hung.{kind} svg")
            assert ("彩蛋" if lang == "zh" else "Surprise") in text(page, "#surprise")
            if kind in ("riddle", "envelope"):
                assert page.locator(".told").is_hidden()
                page.click("#hung button")
                assert page.locator(".told").is_visible()
                assert text(page, ".told")
            shot(page, f"spring-{lang}-{kind}")


def test_the_two_openings_differ() -> None:
    """The page opens without a surprise: that comes later."""
    assert surprise(NAME, 0) is None


@needs_browser
@pytest.mark.parametrize("name", ["couplet", "spring"])
def test_pictures_are_a4_at_300_dpi_and_text_is_copied(site: str, browser: Browser, tmp_path: Path, name: str) -> None:
    with opened(browser, f"{site}/{name}") as page:
        page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        ready(page, "#answers li" if name == "couplet" else ".door[data-seed]")
        with page.expect_download() as download:
            page.click("#picture")
        download.value.save_as(tmp_path / "picture.png")
        page.click("#copy")
        page.wait_for_selector("#copy:has-text('✓')")
        lines = page.evaluate("navigator.clipboard.readText()").split("\n")
        assert len(lines) == (2 if name == "couplet" else 3)
        assert len(lines[-1]) == len(lines[-2]) == 7
    parts = chunks((tmp_path / "picture.png").read_bytes())
    assert struct.unpack(">II", parts["IHDR"][:8]) == (2480, 3508)
    assert struct.unpack(">IIB", parts["pHYs"]) == (11811, 11811, 1)  # dots a metre
    assert len(parts["IDAT"]) > 10_000  # something is drawn


def chunks(png: bytes) -> dict[str, bytes]:
    """The chunks of a PNG by name, their checksums checked."""
    found: dict[str, bytes] = {}
    at = 8
    while at < len(png):
        size, name = struct.unpack(">I4s", png[at : at + 8])
        data = png[at + 8 : at + 8 + size]
        assert zlib.crc32(name + data) == struct.unpack(">I", png[at + 8 + size : at + 12 + size])[0]
        found[name.decode()] = found.get(name.decode(), b"") + data
        at += 12 + size
    return found
