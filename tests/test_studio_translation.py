"""The translation desk's routes and its page, in a browser. A small model that has learned a few sentences stands in
for the bundled one."""

from __future__ import annotations

import itertools
import json
from urllib.parse import quote, unquote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from rondo.studio import models, translation
from rondo.tasks.translation.request import ChoicesRequest, TranslationRequest
from small_translator import trained

from browser import needs_browser, opened, shot

SENTENCE, ANSWER = "Voulez-vous chanter avec moi ?", "Do you want to sing with me?"
TWO = "  - Le chat dort.\n\n\t- Bonjour, mon ami !\n"


@pytest.fixture(autouse=True)
def small_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(models, "translator", lambda direction: trained())
    monkeypatch.setattr(translation, "known", lambda: ["fr-en"])


def test_a_text_is_translated(api: TestClient) -> None:
    found = api.post("/api/translation", json={"text": TWO}).json()
    assert found["text"] == "  - The cat is sleeping.\n\n\t- Hello, my friend!\n"
    assert [TWO[s["start"] : s["end"]] for s in found["sentences"]] == ["Le chat dort.", "Bonjour, mon ami !"]
    assert api.get("/api/translation/directions").json() == {"directions": ["fr-en"]}


def test_a_stream_brings_each_sentence_and_then_the_whole(api: TestClient) -> None:
    with api.stream("POST", "/api/translation", json={"text": TWO}, headers={"Accept": "text/event-stream"}) as answer:
        events = [line for line in answer.iter_lines() if line]
    records = [json.loads(b.removeprefix("data: ")) for a, b in itertools.pairwise(events) if a == "event: record"]
    assert [(r["done"], r["of"]) for r in records[:-1]] == [(1, 2), (2, 2)]
    assert [r["sentence"] for r in records[:-1]] == records[-1]["sentences"]


def test_choices_of_a_place(api: TestClient) -> None:
    found = api.post("/api/translation/choices", json={"text": SENTENCE, "prefix": "Do you want to", "count": 2}).json()
    assert found["choices"][0]["word"] == "sing"
    assert found["choices"][0]["candidate"]["text"] == found["candidates"][0]["text"] == ANSWER


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("translation", {"text": " "}, "give a text"),
        ("translation", {"text": "a", "direction": "fr-xx"}, "fr-xx"),
        ("translation", {"text": "a", "beam": 21}, "beam"),
        ("translation", {"text": "a", "glossary": [{"source": "a"}]}, "glossary"),
        ("translation", {"text": "a" * 20001}, "--file"),
        ("translation/choices", {"text": "你好"}, "not in the language"),
        ("translation/choices", {"text": "Le chat dort. " * 90}, "too long for one"),
    ],
)
def test_wrong_input_is_told(api: TestClient, path: str, body: object, said: str) -> None:
    answer = api.post(f"/api/{path}", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_every_request_of_the_task_is_a_request_of_the_route(api: TestClient) -> None:
    schemas = api.get("/api/openapi.json").json()["components"]["schemas"]
    for kind in (TranslationRequest, ChoicesRequest):
        assert schemas[kind.__name__]["properties"].keys() == kind.model_fields.keys()


def ready(page: Page) -> None:
    page.wait_for_selector("#target .word")
    page.wait_for_function("() => !document.querySelector('#target-paper').hasAttribute('aria-busy')")


def word(page: Page, text: str) -> object:
    return page.locator("#target .word", has_text=text).first


def lit(page: Page, side: str) -> list[str]:
    return page.locator(f"#{side} .word.lit").all_inner_texts()


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_opens_solved_and_words_answer_each_other(browser: Browser, site: str, lang: str) -> None:
    with opened(browser, f"{site}/translation", lang) as page:
        ready(page)
        assert page.input_value("#source") == SENTENCE
        assert page.inner_text("#target").strip() == ANSWER
        assert page.locator(".pick").count() == 5
        assert page.locator("#heat rect").count() == 8 * 6
        page.locator("#target .word", has_text="with").hover()
        assert "avec" in lit(page, "mirror")
        assert "with ← avec" in page.inner_text("#aligned")
        place = page.locator("#mirror .word", has_text="avec").bounding_box()
        assert place is not None
        page.mouse.move(place["x"] + place["width"] / 2, place["y"] + place["height"] / 2)
        assert "with" in lit(page, "target")
        assert page.inner_text("#aligned").startswith("avec → ")
        shot(page, f"translation-{lang}-desk-light")


@needs_browser
def test_the_field_and_what_lies_under_it_agree(browser: Browser, site: str) -> None:
    """Every word of a long text stands in its mirror where it stands in the field: both are as high."""
    text = ("Voulez-vous chanter avec moi ? " * 12 + "\n\n\t- Le chat dort.\n") * 3
    with opened(browser, f"{site}/translation", "en", "phone") as page:
        ready(page)
        page.fill("#source", text)
        sizes = page.evaluate(
            "[document.querySelector('#source').scrollHeight, document.querySelector('#mirror').clientHeight]"
        )
        assert abs(sizes[1] - sizes[0]) <= 2
        fonts = page.evaluate(
            "['#source', '#mirror'].map((s) => { const c = getComputedStyle(document.querySelector(s));"
            "return [c.font, c.lineHeight, c.paddingLeft, c.paddingTop, c.letterSpacing, c.tabSize, c.width]; })"
        )
        assert fonts[0] == fonts[1]


@needs_browser
def test_a_word_is_chosen_kept_in_the_address_and_released_by_keys_alone(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/translation", "en") as page:
        ready(page)
        page.locator("#target .word").first.focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        page.keyboard.press("Enter")
        page.wait_for_selector(".choice")
        assert page.locator(".choice[aria-current]").count() == 1
        assert page.locator(".choice[aria-current] .choice-word").inner_text() == "sing"
        page.keyboard.press("Escape")
        page.wait_for_selector(".pick")
        assert page.evaluate("document.activeElement.textContent") == "sing"
        page.keyboard.press("Enter")
        page.wait_for_selector(".choice")
        other = page.locator(".choice:not([aria-current]) .choice-word").first.inner_text()
        page.locator(".choice:not([aria-current])").first.press("Enter")
        page.wait_for_selector("#target .word.held")
        assert page.inner_text("#target").startswith(f"Do you want to {other}")
        assert page.inner_text("#target .word.held") == other
        shot(page, "translation-chosen-en")
        assert other in unquote(page.url)
        chosen = page.inner_text("#target")
        page.reload()
        page.wait_for_selector("#target .word.held")
        assert page.inner_text("#target") == chosen
        page.locator("#target .word.held").focus()
        page.keyboard.press("Delete")
        page.wait_for_function("() => !document.querySelector('#target .held')")
        assert page.inner_text("#target").strip() == ANSWER
        assert "held" not in unquote(page.url)


@needs_browser
def test_another_of_the_translations_is_taken(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/translation", "zh") as page:
        ready(page)
        second = page.locator(".pick .serif").nth(1).inner_text()
        page.locator(".pick").nth(1).click()
        assert page.inner_text("#target").strip() == second
        page.reload()
        ready(page)
        page.wait_for_function("(text) => document.querySelector('#target').textContent.trim() === text", arg=second)


@needs_browser
def test_a_document_keeps_its_layout_and_its_names(browser: Browser, site: str) -> None:
    text = "  - Le chat dort.\n\n\t1. Bonjour, Weatherby !\n"
    with opened(browser, f"{site}/translation", "en") as page:
        ready(page)
        page.fill("#source", text)
        page.wait_for_function("() => document.querySelectorAll('#target .sentence-span').length === 2")
        ready(page)
        shown = page.evaluate("document.querySelector('#target').textContent")
        assert shown.startswith("  - The cat is sleeping.\n\n\t1. ")
        assert shown.endswith("\n")
        assert page.locator("#target .word.copied").all_inner_texts() == ["Weatherby"]
        page.locator("#target .word.copied").focus()
        assert page.locator(".sentence-span.current").count() == 2  # on both sides
        shot(page, "translation-document-en")


@needs_browser
def test_a_glossary_is_honoured_and_pasted(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/translation", "zh", "desk", "dark") as page:
        ready(page)
        page.fill("#source", "Le chat dort.")
        page.fill(".entry:first-child input:first-child", "chat")
        page.fill(".entry:first-child input:nth-of-type(2)", "tom cat")
        page.wait_for_selector("#target .word.glossed")
        assert "tom cat" in page.inner_text("#target")
        assert page.locator(".entry").count() == 2
        page.locator(".entry:first-child .remove").click()
        page.wait_for_function("() => !document.querySelector('#target .glossed')")
        page.evaluate(
            "() => { const data = new DataTransfer(); data.setData('text', 'source\\ttarget\\nchat\\ttom\\nLe\\tYe');"
            "const pasted = { clipboardData: data, bubbles: true, cancelable: true };"
            "document.querySelector('.entry input').dispatchEvent(new ClipboardEvent('paste', pasted)); }"
        )
        page.wait_for_function("() => document.querySelectorAll('#target .glossed').length === 2")
        assert page.locator(".entry").count() == 3
        shot(page, "translation-glossary-zh-dark")


@needs_browser
def test_faults_are_told_and_nothing_is_lost(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/translation", "zh", "phone") as page:
        ready(page)
        page.fill("#source", "你好")
        page.wait_for_selector("#notes .note")
        page.fill("#source", "Le chat dort.")
        ready(page)
        for n, (source, target) in enumerate((("chat", "a"), ("chat", "b"))):
            row = page.locator(".entry").nth(n)
            row.locator("input").nth(0).fill(source)
            row.locator("input").nth(1).fill(target)
        page.wait_for_selector("#fault:not([hidden])")
        assert "两个译文" in page.inner_text("#fault")
        assert page.input_value("#source") == "Le chat dort."
        page.fill("#source", "")
        page.wait_for_function("() => document.querySelector('#fault').hidden")
        assert "译文会写在这里" in page.inner_text("#target")
        shot(page, "translation-empty-zh-phone")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


@needs_browser
def test_an_address_of_nonsense_opens_all_the_same(browser: Browser, site: str) -> None:
    with opened(
        browser, f"{site}/translation#" + quote('{"text": 3, "held": [], "glossary": {}, "x": 1}'), "en"
    ) as page:
        ready(page)
        assert page.inner_text("#target").strip() == ANSWER
