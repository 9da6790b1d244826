"""The text desk: its routes against the library, and its page as people use it."""

from __future__ import annotations

import asyncio
import json
import re
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from rondo import bundled, hello
from rondo.data.vocab import build
from rondo.models.generator import Generator
from rondo.models.store import save_model
from rondo.search.sample import distribution, sample
from rondo.studio import guard, home, models, text
from rondo.studio.app import create
from rondo.studio.queue import in_steps
from rondo.studio.uploads import Uploads
from rondo.train.language import load_language_model

from browser import needs_browser, opened, shot

EVENTS = {"accept": "text/event-stream"}
ORANGE, APPLE = "I want a glass of orange", "I think he wants a glass of apple"


@pytest.fixture(scope="module")
def client() -> TestClient:
    return TestClient(create(), base_url="http://127.0.0.1")


@pytest.fixture(scope="module")
def own(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small model of a person's own."""
    torch.manual_seed(3)
    vocab = build("character", ["the cat sat on the mat. the dog sat on the cat.\n" * 3])
    path = tmp_path_factory.mktemp("own") / "mine.safetensors"
    about = {"config": {"documents": "line"}, "vocabulary": vocab.to_json()}
    save_model(path, Generator("gru-cho", len(vocab), 16, embed=8), about)
    return path


def records(client: TestClient, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
    """All records of a stream."""
    answer = client.post(f"/api/text/{path}", json=body, headers=EVENTS)
    assert answer.status_code == 200, answer.text
    assert "event: done" in answer.text, answer.text
    return [json.loads(data) for data in re.findall(r"^event: record\ndata: (.*)$", answer.text, re.MULTILINE)]


def refused(client: TestClient, path: str, body: dict[str, Any], status: int = 422) -> str:
    answer = client.post(f"/api/text/{path}", content=json.dumps(body), headers={"content-type": "application/json"})
    assert answer.status_code == status, answer.text
    return str(answer.json()["detail"])


# --- routes ---


@pytest.mark.parametrize(("model", "begin"), [("english", "The old prince "), ("chinese", ""), ("chinese", "春风")])
def test_a_continuation_is_what_the_library_samples(client: TestClient, model: str, begin: str) -> None:
    options = {"temperature": 0.8, "top_k": 30, "top_p": 0.9, "seed": 5}
    _, *steps, end = records(client, "continue", {"model": model, "text": begin, "length": 40, **options})
    language = models.language(model)
    given = language.vocab.encode("\n" + (begin.rstrip() if model == "english" else begin)).tolist()
    banned = () if language.vocab.unknown is None else (language.vocab.unknown,)
    plain = sample(language.predictor(), given, 40, banned=banned, **options)
    assert [s["symbol"] for s in steps] == end["numbers"] == plain.best()[0]
    assert "".join(s["text"] for s in steps) == end["text"] == "".join(language.sample(begin, 40, **options))
    again = client.post("/api/text/continue", json={"model": model, "text": begin, "length": 40, **options}).json()
    assert again == end
    other = client.post("/api/text/continue", json={"model": model, "text": begin, "length": 40, **options, "seed": 6})
    assert other.json()["text"] != end["text"]


def test_the_bars_are_the_distribution_that_is_drawn_from(client: TestClient) -> None:
    options = {"temperature": 0.6, "top_k": 9, "top_p": 0.9}
    body = {"text": "The old prince", "length": 8, "seed": 2}
    _, *steps, end = records(client, "continue", {**body, **options})
    assert "\n" not in end["text"]  # one line, to be read at once and not step by step
    model = models.language("english")
    x = torch.tensor([[*model.vocab.encode("\nThe old prince").tolist(), *end["numbers"][:-1]]])
    scores = model.model(x)[0][0, -8:].detach().log_softmax(1)
    for step, row in zip(steps, scores, strict=True):
        left = distribution(row.unsqueeze(0), **options)[0]
        for n, written, p, q, cut in step["candidates"]:
            assert written == model.vocab.decode([n])
            assert p == pytest.approx(float(row[n].exp()), rel=1e-3)
            assert q == pytest.approx(float(left[n]), rel=1e-3)
            assert (cut == "") == (q > 0)
        assert len(step["candidates"]) in (12, 13)
        assert [c[2] for c in step["candidates"][:12]] == sorted((c[2] for c in step["candidates"][:12]), reverse=True)
        assert sum(c[3] for c in step["candidates"]) == pytest.approx(1.0)  # no more than nine are left
        assert step["kept"] == sum(c[3] > 0 for c in step["candidates"]) <= 9
        assert step["share"] == pytest.approx(sum(c[2] for c in step["candidates"] if c[3] > 0))
        assert step["symbol"] in [c[0] for c in step["candidates"]]
    cuts = {c[4] for step in steps for c in step["candidates"]}
    assert {"", "top_k", "top_p"} <= cuts


def test_a_branch_keeps_what_stands_before_it(client: TestClient) -> None:
    body = {"text": "I want a glass of", "length": 12, "seed": 2}
    _, *steps, end = records(client, "continue", body)
    other = next(c[0] for c in steps[4]["candidates"] if c[0] != steps[4]["symbol"])
    _, *turned, after = records(client, "continue", {**body, "taken": [[4, other]], "skip": 4})
    assert [s["step"] for s in turned] == list(range(4, 12))
    assert after["numbers"][:5] == [*end["numbers"][:4], other]
    assert after["numbers"] != end["numbers"]


def test_unknown_characters_are_told(client: TestClient) -> None:
    begin, *_ = records(client, "continue", {"model": "chinese", "text": "春Zo风Z", "length": 1})
    assert begin["unknown"] == models.language("chinese").unknown("春Zo风Z") != []
    assert client.post("/api/text/continue", json={"text": "春Z", "length": 1}).json()["unknown"] == []


def test_the_lectures_sentences(client: TestClient) -> None:
    for sentence in (ORANGE, APPLE):
        found = client.post("/api/text/words", json={"text": sentence}).json()["words"]
        wanted = models.language("english").next_words(sentence, 10)
        assert [(w["text"], w["p"]) for w in found] == [(word, pytest.approx(p)) for word, p in wanted]
        assert "juice" in [w["text"] for w in found[:3]]
    near = client.post("/api/text/neighbours", json={"word": "orange", "other": "apple", "count": 5}).json()
    assert [w["text"] for w in near["lists"][0]] == [w for w, _ in models.language("english").neighbours("orange", 5)]
    assert near["place"] == 1
    assert near["cosine"] == near["lists"][0][0]["cosine"] == pytest.approx(near["lists"][1][0]["cosine"])


def test_hello_is_the_lectures(client: TestClient) -> None:
    found = records(client, "hello", {"seed": 3, "steps": 60})
    for record, (look, spelled) in zip(found, hello.looks(3, 60), strict=True):
        assert record["step"] == look.step
        assert record["loss"] == pytest.approx(look.loss, rel=1e-4)
        assert record["loss"] == pytest.approx(sum(record["losses"]), rel=1e-5)
        for row, wanted in zip(record["hidden"] + record["chances"], look.hidden + look.chances, strict=True):
            assert row == pytest.approx(wanted, rel=1e-3, abs=1e-4)
        assert record["spelled"] == spelled
    assert found[-1]["loss"] < found[0]["loss"]
    assert client.post("/api/text/hello", json={"seed": 3, "steps": 5}).json() == found[5]


def test_a_model_of_ones_own(client: TestClient, own: Path) -> None:
    model = client.post("/api/text/model?name=folder/mine.safetensors", content=own.read_bytes()).json()
    assert model["id"].startswith("own:")
    assert (model["name"], model["level"], model["embedding"]) == ("mine.safetensors", "character", True)
    body = {"model": model["id"], "text": "the cat", "length": 20, "seed": 4}
    end = client.post("/api/text/continue", json=body).json()
    assert end["text"] == "".join(load_language_model(own).sample("the cat", 20, temperature=0.7, seed=4))
    answer = client.post("/api/text/neighbours", json={"model": model["id"], "word": "c", "other": "d"}).json()
    assert -1 <= answer["cosine"] <= 1
    assert "“x” is not one symbol" in refused(client, "neighbours", {"model": model["id"], "word": "c", "other": "x"})


def test_damaged_and_foreign_files_are_refused_with_the_reason(client: TestClient, own: Path) -> None:
    def told(data: bytes, name: str = "bad.safetensors") -> str:
        answer = client.post(f"/api/text/model?name={name}", content=data)
        assert answer.status_code == 422
        return str(answer.json()["detail"])

    before = sorted(Path(text.uploads()._folder.name).iterdir())
    data = own.read_bytes()
    assert "bad.safetensors is damaged" in told(data[:-3])
    assert "checksum" in told(data[:-1] + bytes([data[-1] ^ 1]))
    assert "damaged or no safetensors" in told(b"")
    why = told(bundled.find("couplet").read_bytes(), "pair.safetensors")
    assert "a language model is needed" in why
    assert "rondo-" not in why  # where it lay is nobody's business
    assert sorted(Path(text.uploads()._folder.name).iterdir()) == before


def test_files_have_a_larger_limit_of_their_own(client: TestClient) -> None:
    most = guard.LARGER["/api/text/model"]
    answer = client.post("/api/text/model", content=bytes(most + 1))
    assert answer.status_code == 413
    assert f"{most >> 20} MB" in answer.json()["detail"]
    assert client.post("/api/text/words", content=bytes(guard.MOST_BYTES + 1)).status_code == 413

    def endless() -> Iterator[bytes]:  # its length is not said beforehand
        for _ in range((most >> 20) + 2):
            yield bytes(1 << 20)

    before = sorted(Path(text.uploads()._folder.name).iterdir())
    assert client.post("/api/text/model", content=endless()).status_code == 413
    assert sorted(Path(text.uploads()._folder.name).iterdir()) == before


async def _bytes(data: bytes) -> Any:
    yield data


def test_the_oldest_file_leaves_first() -> None:
    kept = Uploads(2)
    keys = [asyncio.run(kept.take(f"{k}.safetensors", _bytes(bytes([k])))) for k in (1, 2, 1, 3)]
    assert keys[0] == keys[2]
    assert kept.find(keys[0])[1] == "1.safetensors"
    assert kept.find(keys[3])[0].read_bytes() == b"\x03"
    with pytest.raises(ValueError, match="no longer here"):
        kept.find(keys[1])
    assert len(list(Path(kept._folder.name).iterdir())) == 2


def test_a_training_of_the_studio_can_be_asked(
    client: TestClient, own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(home, "model_file", lambda name: {"20250101-000000-abcdef": own}[name])
    answer = client.post("/api/text/continue", json={"model": "run:20250101-000000-abcdef", "text": "the", "length": 3})
    assert len(answer.json()["numbers"]) == 3
    monkeypatch.undo()
    monkeypatch.setenv("RONDO_STUDIO", str(tmp_path))
    assert "no training is called" in refused(client, "continue", {"model": "run:../x"})
    assert [m["id"] for m in client.get("/api/text/models").json()] == ["english", "chinese"]


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        ("continue", {"text": "x" * 1001}, "1001 characters: at most 1000"),
        ("words", {"text": "\ud800"}, "half a character"),
        ("continue", {"model": "englisch"}, "no model is called 'englisch'"),
        ("continue", {"model": "own:../../etc/passwd"}, "open it again"),
        ("continue", {"length": 2001}, "length"),
        ("continue", {"temperature": -1}, "temperature"),
        ("continue", {"top_p": 0}, "top_p"),
        ("continue", {"length": 2, "taken": [[1, 8000]]}, "there is no symbol 8000"),
        ("neighbours", {"word": "orange", "other": "glass of"}, "“glass of” is not one symbol"),
        ("hello", {"steps": 401}, "steps"),
        ("hello", {"x": 1}, "x"),
    ],
)
def test_what_is_refused(client: TestClient, path: str, body: dict[str, Any], message: str) -> None:
    assert message in refused(client, path, body)


def test_work_ends_where_its_client_has_gone() -> None:
    done, ended = [], []

    def slow() -> Iterator[dict[str, Any]]:
        try:
            for k in range(2000):
                time.sleep(0.02)
                done.append(k)
                yield {"k": k}
        finally:
            ended.append(True)

    async def leave() -> None:
        async with aclosing(in_steps(slow)) as found:
            async for record in found:
                if record["k"] == 3:
                    return

    asyncio.run(leave())
    assert ended == [True]
    assert 4 <= len(done) < 10


# --- the page ---

expect.set_options(timeout=60_000)  # a machine may be busy
VIEWS = [(lang, size) for lang in ("zh", "en") for size in ("desk", "phone")]


def at(site: str, **state: Any) -> str:
    return f"{site}/text#{urllib.parse.quote(json.dumps(state))}"


def state(page: Page) -> dict[str, Any]:
    """What the address holds."""
    found: dict[str, Any] = json.loads(urllib.parse.unquote(page.url.partition("#")[2]) or "{}")
    return found


def written(page: Page) -> list[str]:
    return [t.replace("↵", "") for t in page.locator("#symbols [role=option]").all_text_contents()]


def fits(page: Page) -> None:
    """Nothing is wider than the page."""
    assert page.evaluate("() => document.documentElement.scrollWidth <= document.documentElement.clientWidth")


@needs_browser
@pytest.mark.parametrize(("lang", "size"), VIEWS)
def test_continue_walk_and_branch(site: str, browser: Browser, lang: str, size: str) -> None:
    with opened(browser, f"{site}/text", lang, size) as page:
        length = 48 if lang == "zh" else 60
        expect(page.locator("#said")).to_contain_text(re.compile(r"写完|symbols written"))
        before = written(page)
        assert len(before) == length
        assert state(page) == {}
        expect(page.locator("#candidates .candidate")).to_have_count(12)
        expect(page.locator("#candidates .taken")).to_have_count(1)
        assert page.locator("#candidates .cut").count() > 0  # what the example cuts off is to be seen
        fits(page)
        shot(page, f"text-write-{lang}-{size}")
        # the arrow keys walk through the steps, and the chart follows
        page.locator("#symbols [aria-selected=true]").focus()
        for key, step in (("ArrowRight", 1), ("ArrowRight", 2), ("ArrowLeft", 1), ("End", length - 1), ("Home", 0)):
            page.keyboard.press(key)
            expect(page.locator("#symbols [aria-selected=true]")).to_have_attribute("data-step", str(step))
            expect(page.locator("#inside-title")).to_contain_text(str(step + 1))
        # another candidate at the third step: what stands before stays, the rest is written anew
        page.locator("#symbols [role=option]").nth(2).click()
        expect(page.locator("#inside-title")).to_contain_text("3")
        page.locator("#candidates .candidate:not(.taken)").first.click()
        expect(page.locator("#symbols .own")).to_have_count(1)
        expect(page.locator("#said")).to_contain_text(re.compile(r"写完|symbols written"))
        after = written(page)
        assert after[:2] == before[:2]
        assert after[2] != before[2]
        assert state(page)["write"]["taken"][0][0] == 2
        page.reload()  # the address brings it back
        expect(page.locator("#said")).to_contain_text(re.compile(r"写完|symbols written"))
        assert written(page) == after
        page.locator("#unturn").click()
        expect(page.locator("#symbols .own")).to_have_count(0)
        expect(page.locator("#said")).to_contain_text(re.compile(r"写完|symbols written"))
        assert written(page) == before


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_dials_faults_and_unknown_characters(site: str, browser: Browser, lang: str) -> None:
    begin = {"model": "chinese", "text": "春風Ω", "length": 5, "temperature": 1, "top_k": 0, "top_p": 1, "seed": 3}
    with opened(browser, at(site, write=begin), lang) as page:
        done = re.compile(r"写完 5|5 symbols written")
        expect(page.locator("#said")).to_contain_text(done)
        expect(page.locator("#unknown")).to_contain_text(
            re.compile("不认得：.*Ω" if lang == "zh" else "does not know: .*Ω")
        )
        expect(page.locator("#prime u").last).to_have_text("Ω")
        expect(page.locator("#candidates .taken .figures")).not_to_contain_text("100 %")
        page.locator("[name=temperature]").fill("0")  # all of it is the likeliest's
        expect(page.locator("#said")).to_contain_text(done)
        expect(page.locator("#candidates .cut")).to_have_count(11)
        expect(page.locator("#candidates .taken .figures")).to_contain_text("→ 100 %")
        assert state(page)["write"]["temperature"] == 0
        page.locator("#order textarea").fill("长" * 1001)
        page.locator("#go").click()
        expect(page.locator("#fault")).to_contain_text("最多读 1000" if lang == "zh" else "at most 1000")
        assert len(page.locator("#order textarea").input_value()) == 1001  # kept
        page.locator("#order textarea").fill("")
        page.locator("#reseed").click()
        expect(page.locator("#fault")).to_be_hidden()
        expect(page.locator("#said")).to_contain_text(done)
        assert state(page)["write"]["seed"] == 4


@needs_browser
def test_a_dial_shows_what_it_would_make_of_the_same_place(site: str, browser: Browser) -> None:
    with opened(browser, f"{site}/text", "en") as page:
        expect(page.locator("#said")).to_contain_text("symbols written")
        before, step = written(page), page.locator("#inside-before").text_content()
        dial = page.locator("[name=temperature]")
        first = page.locator("#candidates .figures").first
        own = (first.text_content() or "").split()[0]  # the model's own share, whatever the sampling makes of it
        turned = "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', { bubbles: true })); }"  # and not let go
        for value, share in (("0", "100 %"), ("1", "2")):  # the rest of the nucleus takes its part again
            dial.evaluate(turned, value)
            expect(first).to_contain_text(f"{own} → {share}")
        assert page.locator("#inside-before").text_content() == step
        assert written(page) == before


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_long_text_can_be_stopped(site: str, browser: Browser, lang: str) -> None:
    with opened(browser, at(site, write={"model": "english", "text": "The", "length": 2000}), lang) as page:
        page.locator("#symbols [role=option]").nth(3).wait_for()
        page.locator("#stop").click()
        expect(page.locator("#said")).to_contain_text("停在第" if lang == "zh" else "stopped after")
        count = len(written(page))
        assert 3 < count < 2000
        page.wait_for_timeout(300)
        assert len(written(page)) == count


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_file_is_opened_from_the_page(site: str, browser: Browser, own: Path, tmp_path: Path, lang: str) -> None:
    with opened(browser, at(site, write={"model": "english", "text": "the cat", "length": 9}), lang) as page:
        expect(page.locator("#said")).to_contain_text(re.compile("写完|written"))
        bad = tmp_path / "bad.safetensors"
        bad.write_bytes(own.read_bytes()[:-3])
        page.locator("#file").set_input_files(bad)
        expect(page.locator("#fault")).to_contain_text("打不开" if lang == "zh" else "cannot be opened")
        page.locator("#file").set_input_files(own)
        expect(page.locator("#order [name=model] option:checked")).to_contain_text("mine.safetensors")
        expect(page.locator("#fault")).to_be_hidden()
        expect(page.locator("#said")).to_contain_text(re.compile("写完 9|9 symbols"))
        assert state(page)["write"]["model"].startswith("own:")


@needs_browser
@pytest.mark.parametrize(("lang", "size"), VIEWS)
def test_the_next_word_and_its_neighbours(site: str, browser: Browser, lang: str, size: str) -> None:
    with opened(browser, at(site, tab="next"), lang, size) as page:
        for n in (0, 1):
            expect(page.locator(f"#words-{n} .both", has_text="juice")).to_have_count(1)
        expect(page.locator("#pair-say")).to_contain_text("juice")
        expect(page.locator("#cosine")).to_have_text("0.69")
        expect(page.locator("#near li").first).to_contain_text("apple")
        fits(page)
        shot(page, f"text-next-{lang}-{size}")
        page.locator("[name=second]").fill("He drinks a cup of")
        expect(page.locator("#words-1")).to_contain_text("coffee")
        expect(page.locator("#pair-say")).to_have_text("")
        page.locator("[name=other]").fill("xyzzyplugh")
        expect(page.locator("#near-fault")).to_contain_text("不是一个符号" if lang == "zh" else "not one symbol")
        page.locator("[name=other]").fill("water")
        expect(page.locator("#near-fault")).to_be_hidden()
        expect(page.locator("#place")).to_contain_text("water")
        assert state(page) == {"tab": "next", "next": {"second": "He drinks a cup of", "other": "water"}}
        page.locator("#example").click()
        expect(page.locator("#cosine")).to_have_text("0.69")
        assert state(page) == {"tab": "next"}


@needs_browser
@pytest.mark.parametrize(("lang", "size"), VIEWS)
def test_hello_is_trained_and_looked_into(site: str, browser: Browser, lang: str, size: str) -> None:
    with opened(browser, at(site, tab="hello"), lang, size) as page:
        expect(page.locator("#hello-said")).to_contain_text("120")
        expect(page.locator("#loss")).to_have_text("L = 0.028")
        expect(page.locator("#spelled")).to_contain_text("hello")
        expect(page.locator("#net .column")).to_have_count(4)
        expect(page.locator("#net .unit")).to_have_count(12)
        expect(page.locator("#net .target .mark")).to_have_text(["◀"] * 4)
        trained = page.locator("#net .unit").all_text_contents()
        fits(page)
        shot(page, f"text-hello-{lang}-{size}")
        page.locator("#scrub").fill("0")
        expect(page.locator("#loss")).to_have_text("L = 6.005")
        assert page.locator("#net .unit").all_text_contents() != trained
        assert state(page)["hello"] == {"at": 0}
        page.locator("#play").click()
        expect(page.locator("#play")).to_have_attribute("aria-pressed", "true")
        page.locator("#play").click()
        expect(page.locator("#play")).to_have_attribute("aria-pressed", "false")
        page.locator("#train [name=seed]").fill("2")
        page.locator("#train [name=seed]").press("Enter")
        expect(page.locator("#loss")).not_to_have_text("L = 0.028")
        expect(page.locator("#hello-said")).to_contain_text("120")
        assert state(page)["hello"] == {"seed": 2}
