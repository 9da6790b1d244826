"""The entities desk's routes and its two pages, in a browser."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote, unquote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from rondo.studio import entities, models
from rondo.tasks.entities.labels import spans
from rondo.tasks.entities.request import EntitiesRequest

from browser import needs_browser, opened, shot

LECTURE = "Yesterday, Harry Potter met Hermione Granger."
LONG = (
    "Maria Keller left the World Bank in Geneva on Monday.\nShe will join Amina Yusuf, says the BBC! 🙂🙂 Then?\n\n\n"
    "Mr. Brown of Oxford met J. K. Rowling at St. James's Park.  Peter Jackson's film was shot in New Zealand (2001). "
)


def names(answer: dict[str, Any]) -> list[tuple[str, str]]:
    return [(e["text"], e["type"]) for e in answer["entities"]]


def test_the_names_of_the_lecture_are_found(api: TestClient) -> None:
    answer = api.post("/api/entities", json={"text": LECTURE}).json()
    assert names(answer) == [("Harry Potter", "person"), ("Hermione Granger", "person")]
    for e in answer["entities"]:
        assert answer["text"][e["start"] : e["end"]] == e["text"]
        assert 0 < e["p"] <= 1
    assert answer["language"] == "en"
    assert answer["names"]["person"] == {"zh": "人名", "en": "person"}


def test_the_text_says_which_model_reads_it(api: TestClient) -> None:
    assert api.post("/api/entities", json={"text": "陈思远是杭州市教育局局长。"}).json()["language"] == "zh"
    assert api.post("/api/entities", json={"text": "陈思远", "language": "en"}).json()["language"] == "en"


FIXED = [{"start": 6, "end": 12, "type": "organisation"}, {"start": 48, "end": 60, "type": ""}]


@pytest.mark.parametrize("fixed", [[], FIXED])
@pytest.mark.parametrize("size", [1, 90])
def test_blocks_are_read_as_the_whole_is(monkeypatch: pytest.MonkeyPatch, fixed: list[Any], size: int) -> None:
    """Whatever the size of a block; the second correction reaches across the end of a sentence."""
    order = EntitiesRequest(text=LONG * 2, fixed=fixed, nbest=2, dictionary=[{"text": "Brown", "type": "person"}])
    monkeypatch.setattr(entities, "BLOCK", size)
    assert len(entities.blocks(order.text, order.fixed)) > 2
    *progress, answer = entities.found(order)
    whole = models.finder("entities-en")(order).model_dump()
    assert [r["done"] for r in progress] == sorted(r["done"] for r in progress)
    assert progress[-1] == {"done": len(order.text), "of": len(order.text)}
    assert names(answer) == names(whole)
    assert [(s["start"], s["end"]) for s in answer["sentences"]] == [(s["start"], s["end"]) for s in whole["sentences"]]
    for a, b in zip(_places(answer), _places(whole), strict=True):
        assert a == pytest.approx(b, abs=1e-4)  # batches of other sizes round otherwise
    assert list(entities.found(order))[-1] == answer  # what is kept has not been moved


def _places(answer: dict[str, Any]) -> list[list[float]]:
    found = [*answer["entities"], *(e for s in answer["sentences"] for a in s["alternatives"] for e in a["entities"])]
    return [[e["start"], e["end"], e["p"]] for e in found]


def test_corrections_and_the_dictionary_are_kept(api: TestClient) -> None:
    order = {
        "text": LECTURE,
        "fixed": [{"start": 11, "end": 16, "type": "location"}, {"start": 28, "end": 44, "type": ""}],
        "dictionary": [{"text": "Yesterday", "type": "organisation"}],
    }
    answer = api.post("/api/entities", json=order).json()
    by = {e["text"]: (e["type"], e["by"]) for e in answer["entities"]}
    assert by["Harry"] == ("location", "fixed")
    assert by["Yesterday"] == ("organisation", "dictionary")
    assert "Hermione Granger" not in by


def test_a_file_in_conll_says_the_same(api: TestClient) -> None:
    order = {"text": LONG, "fixed": [{"start": 2, "end": 8, "type": "person"}]}  # within "Maria", and on
    answer = api.post("/api/entities", json=order).json()
    file = api.post("/api/entities/conll", json=order).json()
    assert file["entities"] == len(answer["entities"])
    found = []
    for part in file["conll"].strip("\n").split("\n\n"):
        tokens, tags = zip(*(line.split("\t") for line in part.split("\n")), strict=True)
        found += [("".join(tokens[a:b]), kind) for a, b, kind in spans(tags)]
    assert found == [(text.replace(" ", ""), kind) for text, kind in names(answer)]
    assert file["conll"].startswith("Ma\tO\nria\tB-person\n")


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("entities", {"text": "  \n"}, "nothing but blanks"),
        ("entities", {"text": "x" * 200_001}, "at most 200,000"),
        ("entities", {"text": "x", "language": "fr"}, "'fr'"),
        ("entities", {"text": LECTURE, "fixed": [{"start": 0, "end": 9, "type": "persn"}]}, "person"),
        ("entities", {"text": LECTURE, "fixed": [{"start": 40, "end": 90, "type": "person"}]}, "does not lie within"),
        ("entities", {"text": LECTURE, "fixed": [{"start": 0, "end": 9}, {"start": 3, "end": 12}]}, "overlaps"),
        ("entities", {"text": LECTURE, "dictionary": [{"text": " ", "type": "person"}]}, "no character"),
        ("entities", {"txt": "x"}, "text: "),
        ("entities/conll", {"text": ""}, "nothing but blanks"),
        ("entities/directions", {"texts": ["one"]}, "texts: "),
        ("entities/directions", {"texts": ["one", " "]}, "an English sentence"),
        ("entities/directions", {"texts": ["one", "two " * 200]}, "at most 300"),
    ],
)
def test_wrong_input_is_told(api: TestClient, path: str, body: object, said: str) -> None:
    answer = api.post(f"/api/{path}", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_every_request_of_the_task_is_a_request_of_the_route(api: TestClient) -> None:
    schema = api.get("/api/openapi.json").json()["components"]["schemas"]["EntitiesRequest"]["properties"]
    assert schema.keys() == EntitiesRequest.model_fields.keys()


def test_forward_alone_nothing_is_known_of_what_follows(api: TestClient) -> None:
    answer = api.post("/api/entities/directions", json={}).json()
    one, two = (s["words"] for s in answer["sentences"])
    assert one[answer["shared"] - 1]["text"] == "Teddy"
    assert answer["forward"] == [0] * answer["shared"]
    assert answer["both"][-1] > 0
    teddy = [words[answer["shared"] - 1]["both"] for words in (one, two)]
    assert max(teddy[0], key=lambda k: teddy[0][k]) == "none"
    assert max(teddy[1], key=lambda k: teddy[1][k]) == "person"


def test_bits_are_counted() -> None:
    assert entities._differing({"a": 0.5}, {"a": 0.5}) == 0
    assert entities._differing({"a": 0.5, "b": 1.0}, {"a": 0.5, "b": -1.0}) == 1


def spans_of(page: Page) -> list[str]:
    """The names in the leaf with the tags over them."""
    script = "() => [...document.querySelectorAll('#leaf .name')].map((s) => s.textContent + '|' + s.dataset.tag)"
    found: list[str] = page.evaluate(script)
    return found


def read_again(page: Page) -> Any:
    return page.expect_response("**/api/entities")


def settled(page: Page, wanted: list[str]) -> None:
    page.wait_for_function(
        f"() => {json.dumps(wanted)}.every((w) => [...document.querySelectorAll('#leaf .name')]"
        ".some((s) => s.textContent + '|' + s.dataset.tag === w))"
    )


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_one_is_corrected_and_the_rest_is_read_again(browser: Browser, site: str, lang: str) -> None:
    given = quote(json.dumps({"text": LECTURE}))
    person, place, none = ("人名", "地点", "非") if lang == "zh" else ("person", "place", "none")
    with opened(browser, f"{site}/entities#{given}", lang) as page:
        settled(page, [f"Harry Potter|{person}", f"Hermione Granger|{person}"])
        page.click("#leaf .name >> nth=0")
        page.wait_for_selector("#chosen .what:has-text('Harry Potter')")
        assert "%" in page.inner_text("#chosen")
        with read_again(page):
            page.click(f".type:has-text('{place}')")
        settled(page, [f"Harry Potter|{place}"])
        assert page.locator(".name.locked").count() == 1
        assert page.inner_text("#because")
        page.keyboard.press("Escape")  # back into the text
        page.keyboard.press("n")
        with read_again(page):
            page.keyboard.press("Delete")
        settled(page, [f"Hermione Granger|{none}"])
        page.keyboard.press("Home")
        for _ in range(9):  # "Yesterday"
            page.keyboard.press("Shift+ArrowRight")
        page.wait_for_selector("#chosen .what:has-text('Yesterday')")
        with read_again(page):
            page.keyboard.press("1")
        settled(page, [f"Yesterday|{place}", f"Harry Potter|{place}", f"Hermione Granger|{none}"])
        shot(page, f"entities-{lang}-corrected")
        state = json.loads(unquote(page.url.partition("#")[2]))
        assert len(state["fixed"]) == 3
        with opened(browser, page.url, lang) as other:  # the link gives the same
            settled(other, [f"Yesterday|{place}", f"Harry Potter|{place}", f"Hermione Granger|{none}"])
        with read_again(page):
            page.keyboard.press("l")
        with read_again(page):
            page.click("#release")
        page.wait_for_function("() => !document.querySelector('.name.locked')")
        settled(page, [f"Harry Potter|{person}", f"Hermione Granger|{person}"])


@needs_browser
def test_places_stay_behind_signs_of_two_units_and_before_what_is_typed(browser: Browser, site: str) -> None:
    given = quote(json.dumps({"text": "🙂🙂 " + LECTURE, "fixed": [{"start": 16, "end": 28, "type": "organisation"}]}))
    with opened(browser, f"{site}/entities#{given}", "en") as page:
        settled(page, ["Harry Potter|org", "Hermione Granger|person"])
        page.focus("#text")
        page.keyboard.press("Control+Home")
        with read_again(page):
            page.keyboard.type("😀Hm. ")
        settled(page, ["Harry Potter|org", "Hermione Granger|person"])
        with page.expect_download() as download:
            page.click("#json")
        found = json.loads(download.value.path().read_text("utf-8"))
        assert ("Harry Potter", "organisation", "fixed") in [(e["text"], e["type"], e["by"]) for e in found["entities"]]
        assert found["text"] == "😀Hm. 🙂🙂 " + LECTURE
        with page.expect_download() as download:
            page.click("#conll")
        assert "Harry\tB-organisation\nPotter\tI-organisation\n" in download.value.path().read_text("utf-8")


@needs_browser
def test_readings_dictionary_and_filter(browser: Browser, site: str) -> None:
    given = quote(json.dumps({"text": LECTURE}))
    with opened(browser, f"{site}/entities#{given}", "en") as page:
        settled(page, ["Harry Potter|person", "Hermione Granger|person"])
        page.click("#leaf .name >> nth=0")
        page.click(".more button:last-child")
        page.wait_for_selector("#alternatives li >> nth=1")
        shares = [float(text.split()[0]) for text in page.locator("#alternatives .sure").all_inner_texts()]
        assert shares == sorted(shares, reverse=True)
        with read_again(page):
            page.click("#alternatives li >> nth=1 >> button")
        page.wait_for_function("() => document.querySelectorAll('.name.locked').length")
        with read_again(page):
            page.click("#release")
        settled(page, ["Harry Potter|person", "Hermione Granger|person"])
        page.fill("#term", "met")
        page.select_option("#term-type", "organisation")
        with read_again(page):
            page.keyboard.press("Enter")
        settled(page, ["met|org"])
        assert page.locator("#entries li").count() == 1
        assert page.locator(".name.listed").count() == 1
        page.click('#legend [data-type="person"]')
        assert spans_of(page) == ["met|org"]
        page.click('#legend [data-type="person"]')
        with read_again(page):
            page.click("#entries button")
        page.wait_for_function("() => !document.querySelector('.name.listed')")


@needs_browser
def test_the_text_that_was_read_cannot_be_written_in(browser: Browser, site: str) -> None:
    """Not by keys, not by the clipboard, and not by an input method, which does not ask."""
    with opened(browser, f"{site}/entities", "en") as page:
        page.wait_for_selector("#leaf .name")
        before = page.inner_text("#leaf")
        page.click("#leaf .name >> nth=0")
        for key in ("x", "Control+a", "Control+x", "Control+v"):
            page.keyboard.press(key)
        assert page.inner_text("#leaf") == before
        method = page.context.new_cdp_session(page)
        method.send("Input.imeSetComposition", {"text": "nihao", "selectionStart": 5, "selectionEnd": 5})
        assert page.inner_text("#leaf") != before
        method.send("Input.insertText", {"text": "你好"})
        page.wait_for_function(f"() => document.querySelector('#leaf').innerText === {json.dumps(before)}")
        assert page.input_value("#text") == before


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_faults_are_told_and_the_text_is_kept(browser: Browser, site: str, lang: str) -> None:
    with opened(browser, f"{site}/entities", lang, "phone", "dark") as page:
        page.wait_for_selector("#leaf .name")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, f"entities-{lang}-phone")
        page.fill("#text", "")
        page.wait_for_selector("#leaf .empty")
        page.eval_on_selector(
            "#text",
            "(e) => { e.value = 'word '.repeat(40001); e.dispatchEvent(new Event('input', { bubbles: true })); }",
        )
        page.wait_for_selector("#fault:not([hidden])")
        assert "200,000" in page.inner_text("#fault")
        assert page.eval_on_selector("#text", "(e) => e.value.length") == 200_005
        page.click("[data-example=zh]")
        page.wait_for_selector("#fault[hidden]", state="attached")
        page.wait_for_selector("#leaf .name")


@needs_browser
@pytest.mark.parametrize(("lang", "size"), [("zh", "desk"), ("en", "phone")])
def test_both_directions_are_played(browser: Browser, site: str, lang: str, size: str) -> None:
    with opened(browser, f"{site}/entities/directions", lang, size) as page:
        page.wait_for_selector(".same.equal")
        assert page.inner_text("#number").startswith("0 ")
        assert page.locator(".same.apart").count() == 1
        assert page.inner_text(".here >> nth=0") == "Teddy"
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        shot(page, f"directions-{lang}-{size}")
        page.focus("#at")
        page.keyboard.press("ArrowRight")
        assert page.inner_text(".here >> nth=0") == "bears"
        page.keyboard.press("Home")
        page.click("#play")
        page.wait_for_function("() => document.querySelector('.here').textContent === 'said'")
        page.click("#play")
        page.fill("#second", "")
        page.wait_for_selector("#fault:not([hidden])")
        page.fill("#second", "He said that it rains.")
        page.wait_for_function("() => document.querySelector('.here').textContent === 'said'")
        page.wait_for_selector("#fault[hidden]", state="attached")
