"""The lab's comparison of GRU, LSTM and Elman: its routes, and the page on which a reader's own cell joins."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser

from rondo.lab import compare, verdicts

from browser import needs_browser, opened, shot

OWN = {
    "equations": """def Mine(x: input, h: hidden):
    u = sigmoid(W_u @ x + U_u @ h + b_u)
    return State(h=u * h + (1 - u) * tanh(W @ x + U @ h + b))
"""
}
SHARE = 0.01  # of the shipped budgets: a few seconds
TWO = {"equations": "def Two(x: input, v: input, h: hidden):\n    return State(h=tanh(W @ x + V @ v + U @ h))"}


def streamed(api: TestClient, body: object) -> list[dict[str, Any]]:
    """The records of a training, and what failed."""
    headers = {"Accept": "text/event-stream"}
    with api.stream("POST", "/api/lab/compare/own", json=body, headers=headers) as answer:
        assert answer.status_code == 200
        events = [e.split("\ndata: ", 1) for e in "".join(answer.iter_text()).split("\n\n") if "\ndata: " in e]
    return [json.loads(data) for kind, data in events if kind in ("event: record", "event: failed")]


@pytest.mark.parametrize("share", [0.25, 1.0])
def test_what_was_measured_is_the_librarys(api: TestClient, share: float) -> None:
    found = api.get("/api/lab/compare", params={"share": share}).json()
    shipped = compare.shipped()
    assert found["result"] == json.loads(shipped.model_dump_json())
    assert found["summary"] == json.loads(verdicts.summary(shipped, share).model_dump_json())


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"cell": {"equations": "h = ("}}, "line 1"),
        ({"cell": OWN, "share": 2}, "share"),
        ({"cell": OWN, "seeds": 0}, "seeds"),
        ({"cell": OWN, "task": "x"}, "task"),
        ({"cell": TWO, "share": 0.05}, "reads x, v"),
    ],
)
def test_what_is_refused(api: TestClient, body: object, said: str) -> None:
    answer = api.post("/api/lab/compare/own", json=body)
    assert answer.status_code == 422
    assert said in answer.json()["detail"]


def test_a_cell_joins_as_a_row(api: TestClient) -> None:
    begun, *found = streamed(api, {"cell": OWN, "share": SHARE, "seeds": 1})
    assert begun["stage"] == "begun"
    assert set(begun["tasks"]) == {"adding", "agreement", *(["characters"] if begun["text"] else [])}
    done = [r["done"] for r in found if r["stage"] == "point"]
    assert done == sorted(done)
    assert done[-1] == pytest.approx(1.0)
    ended = found[-1]
    assert ended["stage"] == "ended"
    assert ended["cell"]["gates"] == 1
    figures = {f["id"]: f["cells"] for f in ended["summary"]["figures"]}
    for name in begun["tasks"]:
        steps = compare.shipped().task(name).steps  # type: ignore[union-attr]
        assert figures[f"{name}-steps"]["own"]["steps"] == pytest.approx(SHARE * steps, abs=1)
        (trial,) = ended["trials"][name]
        assert abs(trial["parameters"] / 20_000 - 1) < 0.02
    others = verdicts.summary(compare.shipped(), SHARE)
    for figure in others.figures:  # theirs at the same budget
        for cell, spread in figure.cells.items():
            assert figures[figure.id][cell] == json.loads(spread.model_dump_json())


# ---------------------------------------------------------------- the page


@needs_browser
@pytest.mark.parametrize(("lang", "size", "ink"), [("en", "desk", "light"), ("zh", "phone", "dark")])
def test_the_page_shows_the_table_and_the_sentences(
    browser: Browser, site: str, lang: str, size: str, ink: str
) -> None:
    whole = verdicts.summary(compare.shipped())
    with opened(browser, f"{site}/lab/compare", lang, size, ink) as page:
        page.wait_for_selector("#sentences .claim")
        page.wait_for_function("() => document.querySelector('#read-state').textContent.includes('MGU')")
        assert page.locator("#table tbody tr").count() == 3 + 2  # the two that have no network below
        words = [
            page.locator("#sentences .claim").nth(k).locator(".verdict-word").get_attribute("class") for k in range(5)
        ]
        want = [claim.verdict for sentence in whole.sentences for claim in sentence.claims]
        assert [w.split()[-1] for w in words if w] == want
        page.click("#by-time")
        assert page.get_attribute("#by-time", "aria-pressed") == "true"
        assert page.locator(".curves svg.plot").count() == 3
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        shot(page, f"compare-{lang}-{size}-{ink}")


@needs_browser
def test_a_readers_cell_is_told_its_fault_trained_stopped_and_added(browser: Browser, site: str) -> None:
    with opened(browser, f"{site}/lab/compare", "en") as page:
        page.wait_for_selector("#sentences .claim")
        page.wait_for_function("() => document.querySelector('#read-state').textContent.includes('MGU')")
        page.fill("#equations", "h = (")
        page.wait_for_selector("#own-fault:not([hidden])")
        assert page.inner_text("#own-fault").startswith("line 1")
        link = f"http://127.0.0.1:8000/cell#{quote(json.dumps({'cell': OWN}))}"
        page.fill("#equations", link)  # the bench's link
        page.wait_for_function("() => document.querySelector('#read-state').textContent.includes('Mine')")
        assert page.input_value("#equations") == OWN["equations"]
        page.evaluate("v => document.querySelector('#share').append(new Option(v, v))", str(SHARE))  # a short one
        page.select_option("#share", str(SHARE))
        page.click("#go")
        page.wait_for_selector("#stop:not([hidden])")
        page.wait_for_function("() => /step \\d/.test(document.querySelector('#status').textContent)")
        assert f"{SHARE} of the budget" in page.inner_text("#reduced")
        page.click("#stop")
        page.wait_for_function("() => document.querySelector('#status').textContent === 'stopped'")
        assert page.locator("#table tr.own").count() == 0
        page.click("#go")
        page.wait_for_selector("#table tr.own", timeout=240_000)
        assert "your cell" in page.inner_text("#table tr.own")
        assert "3" in page.inner_text("#reduced")  # seeds of the others
        shot(page, "compare-en-desk-own")
