"""The lab's pages on single steps, gates, reach and truncation: the API says what the library says, the pages show
it."""

from __future__ import annotations

import json
from urllib.parse import quote

import numpy as np
import pytest
import torch
from fastapi.testclient import TestClient
from playwright.sync_api import expect

from rondo.diagnose import hold, reach, steps, truncated
from rondo.diagnose.inside import precise
from rondo.probes import agreement, keep, sentences

from browser import needs_browser, opened, shot

SLOW = 30_000  # milliseconds: other work may run beside the tests
PAGES = ("steps", "lstm", "deep", "truncated")
# how many pictures say nothing in words, and how many controls have no name
UNNAMED = """() => [...document.querySelectorAll("main svg")]
    .filter((s) => !s.closest("[aria-hidden=true]") && !s.getAttribute("aria-label")).length"""
LOOSE = """() => [...document.querySelectorAll("main input, main select, main button")]
    .filter((e) => !(e.labels?.length || e.getAttribute("aria-label") || e.textContent.trim())).length"""


def answer(api: TestClient, path: str, **order: object) -> dict:
    found = api.post(f"/api/lab/{path}", json=order)
    assert found.status_code == 200, found.text
    return found.json()


def refused(api: TestClient, path: str, **order: object) -> str:
    found = api.post(f"/api/lab/{path}", json=order)
    assert found.status_code == 422, found.text
    return found.json()["detail"]


# --- the API


def test_steps_say_what_the_library_says(api: TestClient) -> None:
    told = answer(api, "steps", word="abca", cell="gru-cho", hidden=2, seed=3, trained=False)
    walk = steps.spelling("abca", "gru-cho", 2, 3, 0)
    assert (told["symbols"], told["targets"], told["alphabet"]) == (list("abc"), list("bca"), list("abc"))
    assert told["loss"] == walk.loss
    assert [line["name"] for line in told["lines"]] == ["r", "u", "c", "h", "z_y", "y_hat"]
    for line, own in zip(told["lines"], walk.lines, strict=True):
        assert [v[line["slot"]] for v in told["values"]] == [v[own.of or own.target].tolist() for v in walk.values]
    h = told["states"]["h"]
    assert [v[told["entering"]["h"]] for v in told["values"]] == [[0, 0], *(v[h] for v in told["values"][:-1])]
    assert told["matrices"]["W_y"] == walk.params["W_y"].tolist()


def test_steps_read_numbers(api: TestClient) -> None:
    told = answer(api, "steps", numbers=[1, -2.5], cell="lstm-no-tanh", hidden=1)
    assert [v[told["reads"]] for v in told["values"]] == [[1], [-2.5]]
    assert told["alphabet"] == told["targets"] == []


def test_a_held_gate_changes_what_is_said(api: TestClient) -> None:
    text = "The cat which the boys saw was full."
    model = precise(keep.load("agreement-lstm"))
    read = sentences.inside(model, sentences.tokens(text))
    plain = answer(api, "hold", sentence=text)
    chances = {form: read.chances[form] / sum(read.chances.values()) for form in read.forms}
    assert plain["chances"] == pytest.approx(chances, rel=1e-9)
    assert plain["natural_chances"] == plain["chances"]
    assert plain["values"]["f"] == pytest.approx(read.values["l0.f"], abs=1e-12)
    told = answer(api, "hold", sentence=text, holds=[{"name": "f", "to": 0}])
    rnn = model.body.rnn
    x = torch.nn.functional.one_hot(agreement.numbers(read.words), rnn.input).double()
    params = dict(rnn.part("l0").named_parameters())
    found = hold.held(rnn.cell.graph, params, x, [hold.Hold("f", 0.0)])
    assert told["values"]["c"] == found.of("c").tolist()
    assert told["own"]["f"] == found.own_of("f").tolist()
    assert told["natural"] == plain["values"]
    assert told["would"]["f"][0] == told["chances"]["was"]
    assert told["chances"]["was"] < 0.5 < plain["chances"]["was"]  # the belt alone remembers past the boys
    # what the argument of a gate is made of adds up to it
    unit, made = told["unit"], told["made"]["i"]
    for t, parts in enumerate(made):
        z = sum(p[0] if kind in ("x", "b") else sum(p) for kind, p in parts)
        assert 1 / (1 + np.exp(-z)) == pytest.approx(told["values"]["i"][t][unit], rel=1e-9)


def test_a_hold_of_one_unit_at_one_step(api: TestClient) -> None:
    plain = answer(api, "hold", cell="gru", unit=5, step=2)
    told = answer(api, "hold", cell="gru", unit=5, step=2, alone=True, here=True, holds=[{"name": "u", "to": 1}])
    one, two = np.array(plain["values"]["u"]), np.array(told["values"]["u"])
    assert (one[:2] == two[:2]).all()
    assert two[2, 5] == 1
    assert (np.delete(one[2], 5) == np.delete(two[2], 5)).all()


def test_sight_says_what_the_library_says(api: TestClient) -> None:
    text = 'He said, "Teddy bears are on sale!"'
    told = answer(api, "sight", sentence=text, cell="gru-cho", layers=2, bidirectional=False, seed=4)
    found = reach.sight(*reach.drawn([w.lower() for w in told["words"]], "gru-cho", 2, seed=4))
    assert told["inputs"] == found.inputs.tolist()
    assert set(told["states"]) == {"l0", "l1"}
    assert told["seen"] == list(range(1, len(told["words"]) + 1))
    for both in (False, True):
        trained = answer(api, "sight", sentence=text, network="trained", bidirectional=both, layers=3)
        assert trained["layers"] == 1
        above = np.triu(np.array(trained["inputs"]), 1)
        assert above.any() == both


def test_truncation_says_what_the_library_says(api: TestClient) -> None:
    text = "hello hello hello"
    told = answer(api, "truncated", text=text, cell="elman", hidden=6, updates=20, seed=2, chunks=True)
    small = truncated.trained(text, "elman", 6, 20, 2)
    found = truncated.bias(small.model, small.x, small.y, True)
    assert told["cosine"]["all"] == found.cosine["all"].tolist()
    assert told["relative"]["rnn.l0.U"] == found.relative["rnn.l0.U"].tolist()
    assert told["loss"] == small.losses[-1] < small.losses[0]
    assert told["windows"][4] == [[0, 0, 5], [5, 5, 10], [10, 10, 15], [15, 15, 16]]
    assert told["back"] == [16] * 16
    assert told["lags"] == found.lags.tolist()


@pytest.mark.parametrize(
    ("path", "order"),
    [
        ("steps", {"word": "a"}),
        ("steps", {"numbers": []}),
        ("steps", {"numbers": [1.0] * 17}),
        ("steps", {"cell": "mgu"}),
        ("steps", {"hidden": 9}),
        ("hold", {"sentence": "The elephant was full."}),
        ("hold", {"unit": 24}),
        ("hold", {"holds": [{"name": "h", "to": 1}]}),
        ("hold", {"holds": [{"name": "f", "to": 0.5}]}),
        ("sight", {"sentence": "word"}),
        ("sight", {"sentence": "a " * 17}),
        ("sight", {"layers": 4}),
        ("truncated", {"text": "ab"}),
        ("truncated", {"text": "ab" * 49}),
        ("truncated", {"updates": 500}),
    ],
)
def test_what_does_not_fit_is_refused(api: TestClient, path: str, order: dict) -> None:
    assert refused(api, path, **order)


@pytest.mark.parametrize("path", ["steps", "hold", "sight", "truncated"])
def test_what_is_typed_is_only_read(api: TestClient, path: str) -> None:
    """Text from outside comes back as data, not as part of an equation or of a page."""
    text = "<b>x</b>\u2028\\'\"{{a|b}}"
    name = {"steps": "word", "truncated": "text"}.get(path, "sentence")
    found = api.post(f"/api/lab/{path}", json={name: text[:17]})
    assert found.status_code in (200, 422)
    assert "<b>" not in json.dumps([line.get("live") for line in found.json().get("lines", [])])


# --- pages


def address(site: str, page: str, **state: object) -> str:
    return f"{site}/lab/{page}" + (f"#{quote(json.dumps(state))}" if state else "")


def fits(page) -> bool:  # type: ignore[no-untyped-def]
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def kept(page) -> dict:  # type: ignore[no-untyped-def]
    return json.loads(page.evaluate("decodeURIComponent(location.hash.slice(1)) || '{}'"))


def ready(page) -> None:  # type: ignore[no-untyped-def]
    expect(page.locator("#number")).not_to_have_text("–", timeout=SLOW)


@needs_browser
@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize(("lang", "size", "ink"), [("zh", "desk", "light"), ("en", "phone", "dark")])
def test_every_page_opens_on_a_solved_example(site, browser, name: str, lang: str, size: str, ink: str) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, name), lang, size, ink) as page:
        ready(page)
        assert fits(page)
        assert page.locator("#fault").is_hidden()
        for how in page.locator("figcaption.how").all_inner_texts():
            assert how.startswith("怎么看" if lang == "zh" else "How to read this")
        for big in page.locator(".number-big").all_inner_texts():
            assert big not in ("", "–")
        assert page.evaluate(UNNAMED) == 0  # every picture says in words what it shows
        assert page.evaluate(LOOSE) == 0
        assert kept(page) == {}
        shot(page, f"lab-{name}-{lang}-{size}-{ink}")


@needs_browser
def test_the_lab_lists_its_pages(site, browser) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, f"{site}/lab", "en") as page:
        for name in PAGES:
            assert page.locator(f'.lab-card[href="/lab/{name}"]').count() == 1


@needs_browser
def test_steps_go_forward_and_back(site, browser) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "steps", cell="lstm", hidden=2), "en") as page:
        ready(page)
        page.focus("#stage")
        page.keyboard.press("Home")
        assert page.locator("#stage .unborn").count() == 4 * 5  # nothing is drawn but the state before
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        assert page.inner_text("#moment") == "step 1 of 4, line 3 of 8"
        assert kept(page)["at"] == 3
        assert page.locator("#lines .here").count() == 1
        walk = steps.spelling("hello", "lstm", 2)
        g = next(line for line in walk.lines if line.symbol.name == "g")
        want = ", ".join(f"{v:.2f}".replace("-", "−") for v in walk.values[0][g.target])
        assert page.inner_text("#lines .here .result") == f"({want})"
        assert page.locator("#now .product math").count() == 2  # W x and U a, with their matrices
        page.keyboard.press("Shift+ArrowRight")
        assert page.inner_text("#moment") == "step 1 of 4, line 8 of 8"
        page.keyboard.press("Shift+ArrowRight")
        assert page.inner_text("#moment") == "step 2 of 4, line 8 of 8"
        page.keyboard.press("ArrowLeft")
        assert page.inner_text("#moment") == "step 2 of 4, line 7 of 8"
        page.click("#lines .line:first-child")
        assert page.inner_text("#moment") == "step 2 of 4, line 1 of 8"
        assert page.locator("#stage .carry.now").count() == 1  # the state that is carried stands out


@needs_browser
def test_steps_keep_what_was_typed_when_it_is_wrong(site, browser) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "steps"), "zh") as page:
        ready(page)
        page.select_option("[name=kind]", "numbers")
        expect(page.locator("#stage svg")).to_be_visible(timeout=SLOW)
        page.fill("[name=text]", "1, x, 2")
        expect(page.locator("#fault")).to_contain_text("不是数", timeout=SLOW)
        assert page.input_value("[name=text]") == "1, x, 2"
        page.fill("[name=text]", "1 -1")
        expect(page.locator("#fault")).to_be_hidden(timeout=SLOW)
        expect(page.locator("#moment")).to_have_text("第 2 / 2 步，第 1 / 1 行", timeout=SLOW)


@needs_browser
def test_a_gate_is_chosen_and_held(site, browser) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "lstm", sentence="The cat which the boys saw was full."), "en") as page:
        ready(page)
        before = page.inner_text("#number")
        page.focus('[data-switch="lstm.f.0"]')
        page.keyboard.press("Enter")
        expect(page.locator("#number")).to_have_text(f"{before} → 0.409", timeout=SLOW)
        assert "is wrong" in page.inner_text("#meaning")
        assert page.evaluate("document.activeElement.dataset.switch") == "lstm.f.0"  # focus stays
        assert kept(page)["holds"] == {"lstm.f": 0}
        assert "held at 0" in page.inner_text("#gate")
        assert page.locator("#lstm .gate.held").count() == 1
        page.locator("#gru .place").first.click()
        assert page.inner_text("#gate-title").startswith("GRU")
        assert page.locator("#gate .term").count() > 3
        page.keyboard.press("ArrowDown")
        page.keyboard.press("1")
        expect(page.locator("#gru-number")).to_contain_text("0.007", timeout=SLOW)
        page.keyboard.press("ArrowLeft")
        assert kept(page)["step"] == 5
        page.keyboard.press("Escape")
        expect(page.locator("#number")).to_have_text(before, timeout=SLOW)
        shot(page, "lab-lstm-step")


@needs_browser
def test_paths_light_up_for_the_chosen_output(site, browser) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "deep", both=False, layers=3), "en") as page:
        ready(page)
        assert page.inner_text("#number") == "5 / 12"
        assert page.locator(".paths .unit:not(.zero)").count() == 3 * 5
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#number") == "6 / 12"
        page.keyboard.press("d")
        assert page.inner_text("#number") == "12 / 12"
        assert page.locator(".paths .unit.zero").count() == 2 * 12 - (6 + 7)  # in the top layer, each its own side
        page.keyboard.press("2")
        assert kept(page) == {"at": 5}
        page.select_option("#network", "trained")
        expect(page.locator("#six .mini")).to_have_count(2, timeout=SLOW)
        assert page.locator("#cell").is_disabled()
        assert page.locator('a[href="/entities/directions"]').count() == 1


def cosine(found: truncated.Bias, k: int) -> str:
    v = found.cosine["all"][k]
    return (f"{v:.4f}" if 0.9995 < v < 1 - 1e-12 else f"{v:.3f}").replace("-", "−")


@needs_browser
def test_the_reach_moves_window_and_numbers(site, browser) -> None:  # type: ignore[no-untyped-def]
    with opened(browser, address(site, "truncated", text="hello hello", cell="elman"), "en") as page:
        ready(page)
        small = truncated.trained("hello hello", "elman", 16, 20, 1)
        found = truncated.bias(small.model, small.x, small.y)
        assert page.inner_text("#cosine-number") == cosine(found, 3)
        page.focus("#reach")
        page.keyboard.press("ArrowRight")
        assert page.inner_text("#k") == "5"
        assert page.inner_text("#cosine-number") == cosine(found, 4)
        assert page.locator(".windowed .stop.in").count() == 4
        page.keyboard.press("End")
        assert page.inner_text("#k") == "10"
        assert page.inner_text("#number").startswith(("≈", "0"))
        assert page.locator(".windowed .scissors").count() == 0
        page.keyboard.press("Home")
        box = page.locator(".windowed .grip").bounding_box()
        wide = page.locator(".windowed .stop .hit").first.bounding_box()["width"]
        page.mouse.move(box["x"] + 3, box["y"] + 12)
        page.mouse.down()
        page.mouse.move(box["x"] + 3 - 3 * wide, box["y"] + 14, steps=6)
        page.mouse.up()
        assert page.inner_text("#k") == "4"
        page.locator("#each button", has_text="U").click()
        assert kept(page)["parameter"] == "rnn.l0.U"
        assert page.locator("#cosine .series").count() == 2
        page.fill("#text", "ab")
        expect(page.locator("#fault")).to_contain_text("3 to 96", timeout=SLOW)
        assert page.input_value("#text") == "ab"
