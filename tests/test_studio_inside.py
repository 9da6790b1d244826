"""The lab's pages on gates and neurons: every number is the library's, and the pages work from end to end."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import quote

import numpy as np
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from rondo.data.text import Numbered
from rondo.diagnose import contrast, neurons
from rondo.probes import agreement, keep, sentences
from rondo.studio import work_inside
from rondo.studio.app import create
from rondo.train.language import LanguageModel, load_language_model

from browser import chromium, needs_browser, opened, shot, studio

LECTURE = {"first": "The cat, which already ate, was full", "second": "The cats, which ate, were full"}
POEM = "白日依山尽，黄河入海流。欲穷千里目，更上一层楼。"


@pytest.fixture(scope="module")
def client() -> Iterator[TestClient]:
    with TestClient(create(), base_url="http://127.0.0.1") as found:
        yield found


@pytest.fixture(scope="module")
def chinese() -> LanguageModel:
    return load_language_model("chinese")


def told(client: TestClient, path: str, body: dict[str, object], status: int = 200) -> dict:
    found = client.post(f"/api/lab/{path}", json=body)
    assert found.status_code == status, found.text
    return found.json()


# ---- gates ----


@pytest.mark.parametrize("kind", list(keep.CELLS))
def test_gates_are_those_of_the_network(client: TestClient, kind: str) -> None:
    found = told(client, "gates", {"model": kind, **LECTURE})
    network = keep.load(f"agreement-{kind}")
    one, other = (sentences.inside(network, sentences.tokens(text)) for text in LECTURE.values())
    assert [s["words"] for s in found["sentences"]] == [list(one.words), list(other.words)]
    for shown, mine in zip(found["sentences"], (one, other), strict=True):
        assert shown["chances"] == pytest.approx(mine.chances)
        assert shown["chances"] == pytest.approx(
            {f: dict(shown["likeliest"]).get(f, p) for f, p in mine.chances.items()}
        )
    exchange = contrast.exchange(one.scores, one.output, other.output, *one.symbols)
    assert found["exchange"]["odds"] == pytest.approx(exchange.odds)
    assert found["exchange"]["needed"] == exchange.needed
    assert sorted(found["rows"]) == list(range(24))
    rows = found["rows"]
    assert found["exchange"]["shares"] == pytest.approx(exchange.shares[rows])
    for name, (a, b) in found["values"].items():
        np.testing.assert_allclose(a, one.values[name][:, rows])
        np.testing.assert_allclose(b, other.values[name][:, rows])
        for k, (i, j) in enumerate(found["columns"]):
            apart = found["differences"][name][k]
            want = [None] * 24 if i is None or j is None else pytest.approx(np.subtract(a[i], b[j]))
            assert apart == want
    states = {f"l0.{n}" for n in (*network.cell.graph.states, *(n.name for n in network.cell.graph.names))}
    assert found["names"].keys() == states


def test_gates_of_the_language_models(client: TestClient) -> None:
    found = told(
        client, "gates", {"model": "english", "first": "The old man was tired", "second": "The old men were tired"}
    )
    assert found["units"] == 512
    assert found["sentences"][1]["chances"]["were"] > found["sentences"][1]["chances"]["was"]
    assert [found["names"][f"l0.{n}"] for n in "fgc"] == ["sigmoid", "tanh", "free"]
    assert 1 <= found["exchange"]["needed"] <= 512
    pair = {"first": "举头望明月", "second": "举头望青山"}
    found = told(client, "gates", {"model": "chinese", "rows": 5, **pair})
    assert (found["exchange"], len(found["rows"]), found["at"]) == (None, 5, 5)
    difference = [abs(v) for v in found["differences"]["l0.h"][5]]
    assert difference == sorted(difference, reverse=True)


def test_what_gates_refuse(client: TestClient) -> None:
    other = told(client, "gates", {"model": "gru", "first": LECTURE["first"], "second": ""})
    assert other["sentences"][1]["words"][:3] == [".", "the", "cats"]
    for body, message in (
        ({"first": "the cat which purred was full"}, "purred"),
        ({"first": "the cat"}, "was、were"),
        ({"model": "english", "first": "He was", "second": ""}, "第二句"),
        ({"model": "gpt"}, "gru"),
        ({"rows": 65}, "64"),
        ({"first": "a" * 401}, "400"),
        ({"unit": 1}, "unit"),
    ):
        assert message in told(client, "gates", body, 422)["detail"]


# ---- neurons ----


def test_neurons_are_those_of_the_library(client: TestClient, chinese: LanguageModel) -> None:
    text = f"{POEM}\n\n空山不见人，但闻人语响。返景入深林，复照青苔上。"
    found = told(client, "neurons", {"model": "chinese", "text": text, "name": "l0.c", "unit": 10})
    numbers = [s for s in Numbered.of([text], chinese.vocab, "line").sequences() if len(s) > 2]
    read = neurons.read(chinese.model, numbers)
    assert found["documents"] == [[chinese.vocab.decode([n]) for n in s] for s in numbers]
    np.testing.assert_allclose(found["values"], read.values["l0.c"][:, 10], atol=1e-6)
    np.testing.assert_allclose(found["nats"], read.nats, atol=1e-5)
    assert found["loss"] == pytest.approx(chinese.evaluate(text.replace("\n\n", "\n"))["nats"], abs=1e-5)
    assert sum(found["histogram"]["counts"]) == len(found["values"])
    assert found["highest"][0]["value"] == max(found["values"])
    assert found["lowest"][0]["value"] == min(found["values"])
    features = neurons.features(found["documents"]).varying()
    assert found["ranked"].keys() == {"variation", *features}
    unit, r = found["ranked"]["clause"][0]
    assert r == pytest.approx(np.corrcoef(read.values["l0.c"][:, unit], features["clause"])[0, 1])
    assert abs(r) >= abs(found["ranked"]["clause"][1][1])


@pytest.mark.parametrize("to", ["zero", "mean"])
def test_a_lesion_is_that_of_the_library(client: TestClient, chinese: LanguageModel, to: str) -> None:
    asked = {"model": "chinese", "text": POEM, "name": "l0.h", "unit": 37}
    plain, found = told(client, "neurons", asked), told(client, "neurons/lesion", {**asked, "to": to})
    assert found["to"] == (pytest.approx(plain["mean"]) if to == "mean" else 0)
    numbers = Numbered.of([POEM], chinese.vocab, "line").sequences()
    nats = neurons.lesion(chinese.model, numbers, "l0.h", 37, found["to"])
    assert found["lesioned"] == pytest.approx(float(nats.mean()), abs=1e-6)
    np.testing.assert_allclose(np.add(plain["nats"], found["change"]), nats, atol=1e-5)
    assert found["most"][0]["value"] == max(found["change"])


def test_a_long_line_is_read_in_pieces_and_nothing_is_lost() -> None:
    line = "山" * 300
    read = work_inside.reading("chinese", line)
    assert [len(s) for s in read.sequences] == [257, 46]
    assert len(read.nats) == 301  # the end of the line is predicted too


def test_what_neurons_refuse(client: TestClient) -> None:
    sample = told(client, "neurons", {"model": "english", "text": " \n"})
    assert sample["text"] == work_inside.sample("english")
    for body, message in (
        ({"unit": 640}, "0 到 639"),
        ({"name": "l0.z"}, "l0.z"),
        ({"text": "山" * 7000}, "21000"),
        ({"text": "\ud800"}, "surrogate"),
        ({"model": "gru"}, "chinese"),
    ):
        found = client.post("/api/lab/neurons", content=json.dumps(body), headers={"Content-Type": "application/json"})
        assert found.status_code == 422
        assert message in found.json()["detail"]
    assert "龘" in told(client, "neurons", {"text": "龘山"})["unknown"]


# ---- pages ----


@pytest.fixture(scope="module")
def site() -> Iterator[tuple[str, Browser]]:
    with studio() as url, chromium() as browser:
        yield url, browser


def narrow_enough(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


LESSONS = ("topologies", "gradients", "gates", "neurons", "steps", "lstm", "deep", "truncated", "compare")


@needs_browser
@pytest.mark.parametrize(("lang", "size", "ink"), [("zh", "desk", "light"), ("en", "phone", "dark")])
def test_the_overview(site: tuple[str, Browser], lang: str, size: str, ink: str) -> None:
    with opened(site[1], site[0] + "/lab", lang, size, ink) as page:
        assert [card.get_attribute("href") for card in page.locator(".lab-card").all()] == [
            f"/lab/{name}" for name in LESSONS
        ]
        narrow_enough(page)
        shot(page, f"lab-{lang}-{size}-{ink}")
        page.locator(".lab-card").nth(2).click()
        page.wait_for_url("**/lab/gates")
        page.wait_for_selector("svg.map")


@needs_browser
def test_gates_from_end_to_end(site: tuple[str, Browser]) -> None:
    with opened(site[1], site[0] + "/lab/gates", "en") as page:
        page.wait_for_selector("svg.map")
        assert page.locator("svg.map").count() == 3
        expect(page.locator("#number")).to_have_text("1 / 24")
        assert page.locator(".form.right").all_inner_texts()[0].startswith("was")
        shot(page, "gates-en-desk-light")
        page.focus("#maps")
        before = page.inner_text("#readout")
        page.keyboard.press("ArrowDown")
        page.keyboard.press("ArrowLeft")
        expect(page.locator("#readout")).not_to_have_text(before)
        expect(page.locator("#readout")).to_contain_text("“ate”")
        page.locator(".choice", has_text="h").first.click()
        expect(page.locator("#gloss")).to_contain_text("state")
        page.select_option("#model", "elman")
        expect(page.locator("#number")).to_have_text("0 / 24")
        page.select_option("#model", "lstm")
        expect(page.locator("#equation")).to_contain_text("f = σ(")
        page.fill("#first", "the dog which barked was late")
        expect(page.locator("#fault")).to_contain_text("barked")
        assert page.input_value("#first") == "the dog which barked was late"
        page.fill("#first", "the dog which slept was late")
        expect(page.locator("#fault")).to_be_hidden()
        page.click("#flip")
        expect(page.locator("svg.map").nth(1)).to_contain_text("dogs")
        page.reload()
        page.wait_for_selector("svg.map")
        assert page.input_value("#first") == "the dog which slept was late"
        assert page.input_value("#model") == "lstm"


@needs_browser
def test_gates_on_a_phone_at_night(site: tuple[str, Browser]) -> None:
    state = {"model": "chinese", "name": "f", "first": "举头望明月，低头思故乡。", "second": "举头望青山，低头思故人。"}
    with opened(site[1], f"{site[0]}/lab/gates#{quote(json.dumps(state))}", "zh", "phone", "dark") as page:
        page.wait_for_selector("svg.map")
        expect(page.locator("#number")).to_contain_text("/ 640")
        narrow_enough(page)
        shot(page, "gates-zh-phone-dark")


@needs_browser
def test_neurons_from_end_to_end(site: tuple[str, Browser]) -> None:
    with opened(site[1], site[0] + "/lab/neurons", "zh") as page:
        page.wait_for_selector("#most li")
        assert page.input_value("#unit") == "37"
        expect(page.locator("#meaning")).to_contain_text("损失由")
        number = page.inner_text("#number")
        page.select_option("#name", "l0.c")
        best = page.locator(".ranked-row", has_text="离上一个标点多远").locator("button").first
        expect(best.locator("b")).to_have_text("10")  # those of c, which replace those of h
        best.click()
        expect(page.locator("#unit")).to_have_value("10")
        expect(page.locator("#number")).not_to_have_text(number)
        shot(page, "neurons-zh-desk-light")
        page.focus("#text")
        before = page.inner_text("#readout")
        page.keyboard.press("ArrowRight")
        expect(page.locator("#readout")).not_to_have_text(before)
        page.locator("#highest button").first.click()
        assert page.locator(".tok.here").inner_text() == page.locator("#highest mark").first.inner_text()
        page.locator(".choice", has_text="损失的变化").click()
        expect(page.locator("#how")).to_contain_text("难猜")
        page.click("summary")
        page.fill("#own", POEM)
        page.click("#read")
        expect(page.locator("#text .line")).to_have_count(1)
        page.fill("#unit", "9999")
        expect(page.locator("#fault")).to_contain_text("0 到 639")
        page.fill("#unit", "12")
        expect(page.locator("#fault")).to_be_hidden()
        page.reload()
        expect(page.locator("#text .line")).to_have_count(1)
        expect(page.locator("#unit")).to_have_value("12")


@needs_browser
def test_neurons_on_a_phone_at_night(site: tuple[str, Browser]) -> None:
    state = {"model": "english", "unit": 489, "name": "l0.c"}
    with opened(site[1], f"{site[0]}/lab/neurons#{quote(json.dumps(state))}", "en", "phone", "dark") as page:
        page.wait_for_selector("#most li")
        expect(page.locator("#ranked")).to_contain_text("inside quotation marks")
        narrow_enough(page)
        shot(page, "neurons-en-phone-dark")


def test_the_shown_probes_are_the_lectures() -> None:
    """The pair that the page opens with is held out of the networks' training."""
    for text in LECTURE.values():
        words = sentences.tokens(text)
        assert agreement.part(words[: agreement.verb(words)]) == "test"
