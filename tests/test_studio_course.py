"""The course: its routes and its page, alone. What is hidden stays on the server; what is typed is kept."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, Route

from rondo import cli
from rondo.lab.collect import collect
from rondo.lab.experiment import Experiment
from rondo.lab.report import read
from rondo.lab.store import StoreError
from rondo.lab.work import find, shipped
from rondo.studio.app import create
from rondo.studio.course_desk import open_desk
from rondo.studio.course_text import html

from browser import chromium, needs_browser, opened, shot, studio

SIXTH, SMALL = "06-rnn", "07-small"
STEP = """import numpy as np

def step(x, s, p):
    return {"h": np.tanh(p["W"] @ x + p["U"] @ s["h"] + p["b"])}
"""
BACKWARD = """import numpy as np

def backward(x, s, p, dy):
    d = {name: np.zeros_like(v) for name, v in p.items()}
    for t in reversed(range(len(x))):
        dz = dy[t] * (1 - s["h"][t + 1] ** 2)
        d["W"] += np.outer(dz, x[t])
        d["U"] += np.outer(dz, s["h"][t])
        d["b"] += dz
    return d
"""
LEAKY = """def Mine(x: input, h: hidden):
    k = sigmoid(W_k @ x + U_k @ h + b_k)
    c = tanh(W_c @ x + U_c @ h + b_c)
    return State(h=k * h + (1 - k) * c)"""
DONE = "() => /检查完了|checked:/.test(document.querySelector('#said').textContent)"
LABELS = """() => [...document.querySelectorAll('#part :is(textarea, input)')].map((e) => {
    const id = e.getAttribute('aria-labelledby');
    return (id ? document.getElementById(id) : e.closest('label'))?.textContent;
})"""
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture(scope="module")
def sixth() -> Experiment:
    return find(SIXTH)


@pytest.fixture
def api(tmp_path: Path) -> Iterator[TestClient]:
    with at(tmp_path) as client:
        yield client


def at(folder: Path) -> TestClient:
    """A studio whose course is kept in a folder."""
    application = create()
    application.state.desk = open_desk(folder / "lab.sqlite")
    return TestClient(application, base_url="http://127.0.0.1")


def keep(api: TestClient, part: str, answer: str, text: str) -> Any:
    return api.post(f"/api/course/{SIXTH}/answer", json={"part": part, "answer": answer, "text": text})


def check(api: TestClient, part: str = "") -> list[dict[str, Any]]:
    """The records of a check."""
    text = api.post(f"/api/course/{SIXTH}/check", json={"part": part}, headers=STREAM).text
    found = [event.split("\n") for event in text.strip().split("\n\n")]
    assert found[-1][0] == "event: done", text
    return [json.loads(lines[1].removeprefix("data: ")) for lines in found if lines[0] == "event: record"]


# what is told, and what is not


def test_the_course_is_listed_and_nothing_is_begun(api: TestClient, sixth: Experiment) -> None:
    course = api.get("/api/course").json()
    assert course["alone"] is True
    assert course["student"] is None
    (listed,) = [e for e in course["experiments"] if e["name"] == SIXTH]
    assert listed["points"] == sixth.points_shown < sixth.points
    assert listed["progress"]["points"] == 0
    assert listed["progress"]["changed"] is None


def test_an_experiment_opens_with_every_start(api: TestClient, sixth: Experiment) -> None:
    shown = api.get(f"/api/course/{SIXTH}").json()
    assert [p["id"] for p in shown["content"]] == [p.id for p in sixth.parts]
    for part, own in zip(shown["content"], sixth.parts, strict=True):
        assert {a["id"]: a["text"] for a in part["answers"]} == {a.id: a.start for a in own.answers}
        assert [c["id"] for c in part["checks"]] == [c.id for c in own.checks if not c.hidden]
        assert part["text"]["zh"].startswith("<")


def test_what_is_hidden_or_expected_never_reaches_the_browser(api: TestClient, sixth: Experiment) -> None:
    """Every response of the course is read, with answers that are right, so that all that could be said is said."""
    keep(api, "forward", "program", STEP)
    keep(api, "forward", "hand", "1")
    api.post("/api/course/student", json={"number": "2026001", "name": "张三"})
    said = [api.get("/api/course").text, api.get(f"/api/course/{SIXTH}").text]
    said += [
        json.dumps([check(api, part) for part in ("forward", "gradients")], ensure_ascii=False),
        keep(api, "forward", "hand", "2").text,
    ]
    said += [api.get(f"/api/course/{SIXTH}/report.{end}").text for end in ("html", "json")]
    said += [api.get(f"/api/course/{SIXTH}").text, api.get("/api/openapi.json").text, api.get("/course").text]
    everything = "\n".join(said)
    hidden = [c for p in sixth.parts for c in p.checks if c.hidden]
    assert hidden
    for one in hidden:
        assert one.title.zh not in everything
        assert one.title.en not in everything
        assert one.settings["function"] not in everything
    for secret in ("0.6525", '"expected"', '"because"', '"unlike"', "check_clip", str(sixth.folder)):
        assert secret not in everything, secret


def test_texts_have_no_html_of_their_own() -> None:
    made = html(
        "<script>x</script> <b onclick=y>z</b> [a](javascript:x) ![i](http://x/y.png) [ok](/lab/gates)\n\n<img src=x>"
    )
    assert set(re.findall(r"<(\w+)", made)) == {"p", "a"}
    assert re.findall(r'(\w+)="([^"]*)"', made) == [("href", "http://x/y.png"), ("href", "/lab/gates")]
    assert html("a<t-1>，W_c ŷ<t>") == "<p>a<sup>&lt;t-1&gt;</sup>，W<sub>c</sub> ŷ<sup>&lt;t&gt;</sup></p>\n"


# keeping


def test_answers_are_kept_and_found_again(tmp_path: Path) -> None:
    with at(tmp_path) as first:
        assert keep(first, "forward", "program", STEP).json()["kept"]
        assert check(first, "forward")[1]["outcome"]["passed"]
        first.post("/api/course/student", json={"number": "7", "name": "李四"})
    with at(tmp_path) as again:
        shown = again.get(f"/api/course/{SIXTH}").json()
        assert shown["content"][0]["answers"][1]["text"] == STEP
        assert shown["progress"]["points"] == 10
        assert [c["fresh"] for c in shown["checked"]] == [True] * 3
        assert again.get("/api/course").json()["student"] == {"number": "7", "name": "李四"}


@pytest.mark.parametrize(
    ("part", "answer", "text", "said"),
    [
        ("forward", "nothing", "x", "no answer is called"),
        ("nowhere", "hand", "x", "no part is called"),
        ("../forward", "hand", "x", "pattern"),
        ("forward", "hand", "x" * 70_000, "at most"),
    ],
)
def test_what_has_no_place_is_refused(api: TestClient, part: str, answer: str, text: str, said: str) -> None:
    response = keep(api, part, answer, text)
    assert response.status_code == 422
    assert said in response.json()["detail"]


def test_an_experiment_that_is_not_there(api: TestClient) -> None:
    for path in ("07-none", "%2e%2e%2fx"):
        assert api.get(f"/api/course/{path}").status_code in (404, 422)
    assert api.post("/api/course/07-none/check", json={}).status_code == 404


# checks


def test_outcomes_come_one_by_one_and_a_change_makes_them_old(api: TestClient) -> None:
    keep(api, "backward", "program", BACKWARD)
    records = check(api, "backward")
    assert [r["done"] for r in records] == [1, 2, 3, 4, 5, 6, 6]
    wrong = records[0]["outcome"]
    assert not wrong["passed"]
    assert wrong["facts"]["wrong"] == {name: [2, 3, 4, 5] for name in ("W", "U", "b")}
    assert "∂L/∂U: right for a loss at t = 1, wrong from t = 2 on" in wrong["message"]["en"]
    keep(api, "backward", "program", BACKWARD + "\n")
    checked = {c["outcome"]["check"]: c["fresh"] for c in api.get(f"/api/course/{SIXTH}").json()["checked"]}
    assert checked == {"program": False, "loss": True, "step": True, "sum": True, "output": True, "analysis": True}


def test_a_program_that_fails_fails_its_check_alone(api: TestClient) -> None:
    keep(api, "forward", "program", "import os\nos._exit(1)")
    keep(api, "forward", "hand", "0.6525")
    outcomes = {r["outcome"]["check"]: r["outcome"] for r in check(api, "forward") if "outcome" in r}
    assert {k: o["passed"] for k, o in outcomes.items()} == {"hand": True, "step": False, "analysis": False}
    assert "the process ended" in outcomes["step"]["message"]["en"]


# the report


def test_a_report_asks_who_one_is(api: TestClient) -> None:
    response = api.get(f"/api/course/{SIXTH}/report.html")
    assert response.status_code == 422
    assert "学号" in response.json()["detail"]
    assert api.post("/api/course/student", json={"number": "../x", "name": "y"}).status_code == 422


def test_a_report_is_named_and_its_marking_has_nothing_to_remark(
    api: TestClient, sixth: Experiment, tmp_path: Path
) -> None:
    keep(api, "forward", "program", STEP)
    keep(api, "own", "cell", LEAKY)
    keep(api, "own", "analysis", "<script>alert(1)</script>")
    api.post("/api/course/student", json={"number": "2026001", "name": "张/三<b>"})
    for part in ("forward", "own"):
        check(api, part)
    reports = tmp_path / "reports"
    reports.mkdir()
    for end in ("html", "json"):
        response = api.get(f"/api/course/{SIXTH}/report.{end}", params={"save": True})
        name = unquote(response.headers["content-disposition"].partition("''")[2])
        assert name == f"第6次实验-2026001-张_三_b_.{end}"
        (reports / name).write_bytes(response.content)
        assert read(reports / name).outcomes
    page = (reports / "第6次实验-2026001-张_三_b_.html").read_text(encoding="utf-8")
    assert "<script>alert" not in page
    assert "sandbox" in api.get(f"/api/course/{SIXTH}/report.html").headers["content-security-policy"]
    (marked,), refused = collect(sixth, reports)
    assert refused == []
    assert marked.remarks == []
    assert marked.points == 10 + 4 + 2 + 4 + 3  # the step, the own cell, and the hidden check of the step


# the command


def test_the_command_opens_the_course_on_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened_with: dict[str, Any] = {}

    def serve(host: str, port: int, browser: bool, first: str, prepare: Any) -> None:
        application = create()
        prepare(application)
        opened_with.update(host=host, port=port, browser=browser, first=first, desk=application.state.desk)

    monkeypatch.setattr("rondo.studio.serve.serve", serve)
    order = ["lab", "--work", str(tmp_path / "own.sqlite"), "--port", "0", "--no-browser"]
    cli.app(order, standalone_mode=False)
    own = opened_with.pop("desk")
    assert opened_with == {"host": "127.0.0.1", "port": 0, "browser": False, "first": "course"}
    assert (tmp_path / "own.sqlite").is_file()
    assert own.alone
    assert SIXTH in own.experiments


def test_a_file_that_is_no_store_says_so(tmp_path: Path) -> None:
    (tmp_path / "x.sqlite").write_bytes(b"no store" * 200)
    with pytest.raises(StoreError, match="cannot be opened"):
        open_desk(tmp_path / "x.sqlite")


# the page


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A course of the sixth experiment, and of a small one: the template of an experiment."""
    folder = tmp_path_factory.mktemp("course")
    small = Path(str(files("rondo.lab") / "template"))
    own = open_desk(folder / "lab.sqlite", {**shipped(), SMALL: small})
    with studio(lambda application: setattr(application.state, "desk", own)) as address:
        yield f"{address}/course"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


def begun(page: Page, part: str) -> None:
    page.goto(page.url.partition("#")[0] + f"#{SIXTH}/{part}")
    page.wait_for_selector(f'.steps a[aria-current][href$="/{part}"]')


def settled(page: Page) -> None:
    page.wait_for_function(
        "() => ![...document.querySelectorAll('.kept')].some((e) => /正在存|keeping/.test(e.textContent))"
    )


def checked(page: Page) -> None:
    page.click("#part button.main")
    page.wait_for_function(DONE, timeout=180_000)


@needs_browser
def test_a_student_types_checks_and_finds_it_again(browser: Browser, url: str) -> None:
    with opened(browser, url) as page:
        page.click(".course-card >> nth=0")
        begun(page, "backward")
        page.fill("#answer-program", BACKWARD)
        page.fill("#answer-step", "dh<t-1> = U.T @ (dh<t> * (1 - tanh(W @ x<t> + U @ h<t-1> + b) ** 2))")
        checked(page)
        table = page.inner_text('[data-answer-id="program"] .steps-table')
        assert re.search(r"∂L/∂U\s+✓ 对\s+✗ 错\s+✗ 错\s+✗ 错\s+✗ 错", table)
        assert page.locator('[data-answer-id="step"] .outcome.right').count() == 1
        page.fill("#answer-program", BACKWARD.replace("return d", "return d["))
        assert page.locator('[data-answer-id="program"] .outcome.old').count() == 1
        checked(page)
        assert "第 10 行：SyntaxError" in page.inner_text('[data-answer-id="program"] .outcome')
        assert page.inner_text(".gutter .fault") == "✗ 10"
        shot(page, "course-backward")
    with opened(browser, f"{url}#{SIXTH}/backward", "en") as page:
        page.wait_for_selector("#answer-program")
        assert page.input_value("#answer-program").endswith("return d[\n")
        assert "SyntaxError" in page.inner_text('[data-answer-id="program"] .outcome')
        assert page.inner_text("#totals").startswith("3 / 100")


@needs_browser
def test_a_cell_is_typeset_as_it_is_typed_and_opens_on_the_bench(browser: Browser, url: str) -> None:
    with opened(browser, f"{url}#{SIXTH}/own") as page:
        page.fill("#answer-cell", LEAKY.replace("U_k @ h", "U_k @ q"))
        page.wait_for_selector(".typeset .alert")
        assert "第 2 行" in page.inner_text(".typeset")
        page.fill("#answer-cell", LEAKY)
        page.wait_for_function("() => document.querySelectorAll('.typeset .formula').length === 3")
        link = unquote(page.get_attribute(".cell-answer a", "href") or "")
        assert json.loads(link.removeprefix("/cell#"))["cell"]["equations"] == LEAKY
        page.click("#answer-cell")
        page.keyboard.press("Control+End")
        page.keyboard.press("Enter")
        page.keyboard.press("Tab")
        page.keyboard.type("x")
        assert page.input_value("#answer-cell").endswith("\n        x")
        page.keyboard.press("Escape")
        page.keyboard.press("Tab")
        assert page.evaluate("() => document.activeElement.id") != "answer-cell"


@needs_browser
def test_a_server_that_is_away_loses_nothing(browser: Browser, url: str) -> None:
    def away(route: Route) -> None:
        route.abort()

    context = browser.new_context(locale="zh-CN")
    page = context.new_page()
    page.goto(f"{url}#{SIXTH}/characters")
    page.wait_for_selector("#answer-analysis")
    page.route("**/answer", away)
    page.fill("#answer-analysis", "没有送到的字")
    page.wait_for_selector(".kept.caution")
    page.close()  # and the page is closed before the server is back
    page = context.new_page()
    page.goto(f"{url}#{SIXTH}/characters")
    page.wait_for_selector("#answer-analysis")
    page.wait_for_function("() => !Object.keys(localStorage).some((k) => k.startsWith('course'))")  # the server has it
    assert page.input_value("#answer-analysis") == "没有送到的字"
    stored = page.evaluate(
        f"async () => (await (await fetch('/api/course/{SIXTH}')).json()).content[4].answers[2].text"
    )
    assert stored == "没有送到的字"
    context.close()


@needs_browser
@pytest.mark.parametrize(("lang", "size", "ink"), [("zh", "desk", "light"), ("en", "phone", "dark")])
def test_the_report_is_one_click(browser: Browser, url: str, tmp_path: Path, lang: str, size: str, ink: str) -> None:
    with opened(browser, f"{url}#{SMALL}/report", lang, size, ink) as page:
        page.fill("[name=number]", "2026001")
        page.fill("[name=name]", "张三")
        page.click("#part form button")
        page.wait_for_function(DONE, timeout=180_000)
        page.wait_for_selector(".preview:not(.busy)")
        assert page.locator(".preview >> h2").count() == 5
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        files: list[str] = []
        page.on("download", lambda d: (files.append(d.suggested_filename), d.save_as(tmp_path / d.suggested_filename)))
        page.click("text=存下报告" if lang == "zh" else "text=Save the report")
        page.wait_for_timeout(800)
        assert sorted(files) == ["第7次实验-2026001-张三.html", "第7次实验-2026001-张三.json"]
        assert read(tmp_path / files[0]).student.name == "张三"
        shot(page, f"course-report-{lang}-{size}-{ink}")


@needs_browser
def test_the_report_prints(browser: Browser, url: str) -> None:
    page = browser.new_page()
    page.goto(url)
    page.evaluate(
        """async (cell) => {
        const headers = {'Content-Type': 'application/json'};
        const send = (path, body) =>
            fetch('/api/course/' + path, {method: 'POST', headers, body: JSON.stringify(body)});
        await send('student', {number: '2026001', name: '张三'});
        await send('06-rnn/answer', {part: 'own', answer: 'cell', text: cell});
        await send('06-rnn/check', {part: 'own'});
    }""",
        LEAKY,
    )
    page.goto(url.removesuffix("/course") + f"/api/course/{SIXTH}/report.html")
    assert page.locator("svg polyline").count() == 1
    page.emulate_media(media="print")
    page.set_viewport_size({"width": 672, "height": 1000})  # what A4 leaves between its margins
    assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
    assert page.evaluate("() => getComputedStyle(document.querySelector('figure')).breakInside") == "avoid"
    pdf = page.pdf(prefer_css_page_size=True)
    sizes = {m.group() for m in re.finditer(rb"/MediaBox \[[^\]]*\]", pdf)}
    assert len(sizes) == 1
    assert re.search(rb"59[45]\.\d* 84\d", sizes.pop())  # A4 in points
    page.close()


@needs_browser
@pytest.mark.parametrize("size", ["desk", "phone"])
def test_no_part_scrolls_sideways(browser: Browser, url: str, size: str, sixth: Experiment) -> None:
    with opened(browser, f"{url}#{SIXTH}/forward", "en", size) as page:
        for part in sixth.parts:
            begun(page, part.id)
            assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth"), part.id
            labels = page.evaluate(LABELS)
            assert all(labels), part.id
