"""The cell bench's lower panels: their routes, trainings that are killed and go on, and the panels in a browser."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest
import torch
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page

from rondo.files import load_tensors
from rondo.studio import home, pages, trials, work_trials
from rondo.studio.app import create
from rondo.studio.child import Limits, in_child
from rondo.train import paste
from rondo.train.language import load_language_model

import workers
from browser import needs_browser, opened, shot, studio

GRU = """def Mine(x: input, h: hidden):
    r = sigmoid(W_r @ x + U_r @ h + b_r)
    u = sigmoid(W_u @ x + U_u @ h + b_u)
    c = tanh(W_c @ x + U_c @ (r * h) + b_c)
    return State(h=u * c + (1 - u) * h)
"""
CELL = {"equations": GRU}
WILD = {"equations": "def Wild(x: input, h: hidden):\n    return State(h=30 * h * h + exp(W @ x) + b)\n"}
TWO = {"equations": "def Two(x: input, v: input, h: hidden):\n    return State(h=tanh(W @ x + V @ v + U @ h))"}
WORDS = (
    "".join(f"one for the {who}, and one for the little boy who lives down the lane\n" for who in ("master", "dame"))
    * 8
)
SMALL = {"hidden": 12, "steps": 60, "lr": 0.01, "seed": 1}


@pytest.fixture(scope="module", autouse=True)
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where the runs of these tests are kept."""
    own = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RONDO_STUDIO", str(own))
        yield own


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[TestClient]:
    with TestClient(create(), base_url="http://127.0.0.1") as client:
        yield client


def streamed(api: TestClient, path: str, body: object) -> list[dict[str, Any]]:
    """The records of a stream, and what failed."""
    with api.stream("POST", f"/api/{path}", json=body, headers={"Accept": "text/event-stream"}) as answer:
        assert answer.status_code == 200
        events = [
            block.split("\ndata: ", 1) for block in "".join(answer.iter_text()).split("\n\n") if "\ndata: " in block
        ]
    return [json.loads(data) for kind, data in events if kind in ("event: record", "event: failed")]


# ---- speed and curves ----


def test_speed_is_told_after_the_check(api: TestClient) -> None:
    found = streamed(api, "cell/speed", {"cell": CELL, "T": 5, "B": 2, "input": 3, "hidden": 4, "repeats": 2})
    assert [r["stage"] for r in found] == ["building", "built", "checked", "times", "times"]
    assert (found[2]["green"], found[2]["steps"], found[1]["why"]) == (True, 5, "")
    assert {(r["name"], r["mode"]) for r in found[-1]["rows"]} == {
        (name, mode)
        for name in ("kernel", "loop", "lstm", "gru", "torch.nn.LSTM", "torch.nn.GRU")
        for mode in ("training", "inference")
    }
    assert {r["parameters"] for r in found[-1]["rows"] if r["name"] == "kernel"} == {3 * (4 * 3 + 4 * 4 + 4)}


@pytest.mark.parametrize(
    ("path", "body", "said"),
    [
        ("speed", {"cell": {"equations": "h = ("}}, "line 1"),
        ("speed", {"cell": CELL, "T": 400, "B": 128, "hidden": 512}, "太大了"),
        ("speed", {"cell": CELL, "T": 0}, "T: "),
        ("speed", {"cell": WILD, "T": 60, "B": 2, "input": 3, "hidden": 4}, "overflow"),
        ("speed", {"cell": TWO}, "reads x, v"),
        ("probe", {"cell": CELL, "task": "chess"}, "task: "),
        ("probe", {"cell": CELL, "steps": 100_000}, "steps: "),
        ("probe", {"cell": CELL, "task": "dyck", "length": 4, "depth": 4}, "length >= 2"),
        ("text", {"cell": CELL, "text": "hello"}, "文字太短"),
        ("text", {"cell": CELL, "text": "好" * 350_000}, "最多 1 MB"),
        ("text", {"cell": {"equations": "h = ("}, "text": WORDS}, "line 1"),
        ("text", {"cell": CELL, "text": WORDS + "\ud800"}, "surrogate"),
    ],
)  # fmt: skip
def test_what_is_refused_is_told_and_leaves_nothing(
    api: TestClient, folder: Path, path: str, body: object, said: str
) -> None:
    before = sorted(folder.iterdir())
    sent = json.dumps(body, ensure_ascii="\\ud800" in repr(body)).encode()
    answer = api.post(f"/api/cell/{path}", content=sent, headers={"Content-Type": "application/json"})
    assert answer.status_code == 422
    assert said in answer.json()["detail"]
    assert sorted(folder.iterdir()) == before


def test_curves_of_three_cells_grow_together(api: TestClient) -> None:
    order = {"cell": CELL, "task": "parity", "length": 8, "parameters": 300, "steps": 40, "seeds": 1, "batch": 4}
    begun, *found = streamed(api, "cell/probe", order)
    assert begun == {
        "stage": "begun", "measure": "accuracy", "higher": True, "goal": 0.99, "line": 0.5, "units": begun["units"],
    }  # fmt: skip
    points = [r for r in found if r["stage"] == "point"]
    assert [r["cell"] for r in points] == ["own", "lstm", "gru"] * 20
    assert [r["step"] for r in points[::3]] == list(range(2, 41, 2))
    ends = {r["cell"]: r for r in found if r["stage"] == "trial"}
    assert list(ends) == ["own", "lstm", "gru"]
    for name, end in ends.items():
        assert end["hidden"] == begun["units"][name]
        assert abs(end["parameters"] - 300) < 60
        assert (end["steps"], end["stopped"]) == (40, "")


def test_a_cell_that_diverges_is_shown_as_such(api: TestClient) -> None:
    order = {"cell": WILD, "task": "parity", "length": 16, "parameters": 300, "steps": 20, "seeds": 1, "batch": 4}
    found = streamed(api, "cell/probe", order)
    ends = {r["cell"]: r for r in found if r["stage"] == "trial"}
    assert re.match(r"第 \d+ 步：.+ / step \d+: (the|it) .+", ends["own"]["stopped"])
    assert ends["own"]["steps"] < 20
    assert ends["lstm"]["stopped"] == ends["gru"]["stopped"] == ""


@pytest.mark.parametrize(
    ("why", "zh", "en"),
    [
        ("step 3: the loss is nan; take a smaller lr", "第 3 步：损失变成了 nan", "step 3: the loss became nan"),
        (
            "step 1: the gradient of rnn.l0.W is not finite; take",
            "第 1 步：rnn.l0.W 的梯度不再是有限数",
            "step 1: the gradient of rnn.l0.W is no longer finite",
        ),
        (
            "step 9: the weight b is not finite; take a",
            "第 9 步：b 的值不再是有限数",
            "step 9: the weight b is no longer finite",
        ),
    ],
)
def test_why_a_training_ended_is_said_in_both_languages(why: str, zh: str, en: str) -> None:
    assert work_trials._stopped(why)["stopped"] == f"{zh} / {en}"


def test_a_reason_without_words_names_no_folder() -> None:
    assert work_trials._stopped("something; the last good checkpoint: /home/a/b") == {"stopped": "something"}
    assert work_trials._stopped("") == {"stopped": ""}


# ---- a text: the run that is kept ----


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same training, never stopped; in a fresh process, for other tests compile kernels with less optimisation."""
    path = tmp_path_factory.mktemp("whole")
    process = workers.start(never_stopped, path)
    process.join()
    assert process.exitcode == 0
    return path


def never_stopped(path: Path) -> None:
    torch.set_num_threads(1)
    run = paste.create(path, WORDS, CELL, paste.config_for(len(WORDS), **SMALL))
    assert isinstance(list(paste.events(run))[-1], paste.Written)


def same_end(path: Path, whole: Path) -> None:
    """Weights, optimiser, random state and model to the last bit."""
    for name, kind in (("checkpoint", "checkpoint"), ("model", "model")):
        got, _ = load_tensors(path / f"{name}.safetensors", kind)
        want, _ = load_tensors(whole / f"{name}.safetensors", kind)
        assert got.keys() == want.keys()
        for key, value in want.items():
            assert torch.equal(got[key], value), key


def test_a_text_is_learnt_and_kept(api: TestClient, folder: Path, whole: Path) -> None:
    found = streamed(api, "cell/text", {"cell": CELL, "text": WORDS, **SMALL})
    stages = [r["stage"] for r in found]
    assert stages[:2] == ["reading", "begun"]
    assert stages[-1] == "ended"
    begun, name = found[1], found[0]["name"]
    assert begun["symbols"] + begun["held"] == len(WORDS)
    assert (begun["step"], begun["steps"], begun["history"], begun["order"]) == (0, 60, [], 5)
    steps = [r for r in found if r["stage"] == "step"]
    assert steps[-1]["train"] < 0.7 * steps[0]["train"]
    assert [r["step"] for r in found if r["stage"] == "valid"] == list(range(3, 61, 3))
    assert all(r["text"] for r in found if r["stage"] == "written")
    (kept,) = [r for r in api.get("/api/runs").json() if r["name"] == name]
    assert (kept["cell"], kept["step"], kept["steps"], kept["running"], kept["model"]) == ("Mine", 60, 60, False, True)
    best = min(r["valid"] for r in found if r["stage"] == "valid")
    assert kept["bits"] == pytest.approx(best)
    same_end(folder / name, whole)  # the samples in between change nothing

    again = streamed(api, f"runs/{name}/resume", {})
    assert [r["stage"] for r in again] == ["reading", "begun", "ended"]
    assert [x for x in again[1]["history"] if x[1] == "valid"][-1][0] == 60

    sampled = streamed(api, f"runs/{name}/sample", {"prime": "one 万 ", "length": 30})
    assert "".join(r["piece"] for r in sampled[:-1]) == sampled[-1]["text"]
    assert sampled[-1]["unknown"] == ["万"]

    answer = api.get(f"/api/runs/{name}/model")
    assert answer.headers["content-disposition"] == f'attachment; filename="{name}.safetensors"'
    copy = folder / "copy.safetensors"
    copy.write_bytes(answer.content)
    assert load_language_model(copy).about["metrics"]["bits per character"] == pytest.approx(best)
    copy.unlink()
    assert api.delete(f"/api/runs/{name}").status_code == 204
    assert name not in [r["name"] for r in api.get("/api/runs").json()]
    assert not list(folder.iterdir())


def test_a_training_whose_process_is_killed_goes_on_to_the_same_end(folder: Path, whole: Path) -> None:
    values = {"root": str(folder), "words": WORDS, "cell": CELL, "settings": SMALL}

    async def begin() -> Path:
        async with aclosing(in_child(work_trials.learnt, values, Limits(seconds=120))) as records:
            async for r in records:
                if r["stage"] == "written" and r["step"] >= 15:
                    break  # closing the records kills the process
        return folder / home.runs()[0].name

    path = asyncio.run(begin())
    stood = home.runs()[0]
    assert 0 < stood.step < 60
    assert stood.model

    async def go_on() -> list[dict[str, Any]]:
        async with aclosing(in_child(work_trials.resumed, {"path": str(path)}, Limits(seconds=120))) as records:
            return [r async for r in records]

    found = asyncio.run(go_on())
    assert found[1]["step"] == stood.step
    assert found[1]["history"][-1][0] <= stood.step
    assert found[-1] == {"stage": "ended", "name": path.name, "step": 60, "model": True}
    same_end(path, whole)
    home.remove(path.name)


def test_a_server_that_is_killed_loses_no_saved_work(api: TestClient, folder: Path, whole: Path) -> None:
    """The whole server, by SIGKILL, in the middle of a training; another one resumes it."""
    command = [sys.executable, "-m", "rondo", "studio", "--no-browser", "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ, start_new_session=True)
    try:
        assert server.stdout is not None
        address = server.stdout.readline().split()[-1]
        body = json.dumps({"cell": CELL, "text": WORDS, **SMALL}).encode()
        headers = {"Content-Type": "application/json", "Accept": "text/event-stream"}
        with urllib.request.urlopen(urllib.request.Request(f"{address}api/cell/text", body, headers)) as answer:
            for line in answer:
                if b'"written"' in line and json.loads(line.removeprefix(b"data: "))["step"] >= 15:
                    break
            server.send_signal(signal.SIGKILL)
            server.wait()
    finally:
        server.kill()
    name = home.runs()[0].name
    until = time.monotonic() + 60
    while home.is_locked(folder / name) and time.monotonic() < until:  # its process ends when nobody listens
        time.sleep(0.1)
    stood = home.runs()[0]
    assert 0 < stood.step < 60
    found = streamed(api, f"runs/{name}/resume", {})
    assert (found[1]["step"], found[-1]["stage"]) == (stood.step, "ended")
    same_end(folder / name, whole)
    home.remove(name)


def test_a_run_at_work_is_neither_deleted_nor_trained_twice(api: TestClient, folder: Path) -> None:
    path = home.new(folder)
    paste.create(path, WORDS, CELL, paste.config_for(len(WORDS), **SMALL))
    with home.locked(path):
        assert home.runs()[0].running
        answer = api.delete(f"/api/runs/{path.name}")
        assert answer.status_code == 422
        assert "正在进行" in answer.json()["detail"]
        assert "going on" in streamed(api, f"runs/{path.name}/resume", {})[-1]["detail"]
    (kept,) = home.runs()
    assert (kept.running, kept.step, kept.bits, kept.model) == (False, 0, None, False)
    assert api.get(f"/api/runs/{path.name}/model").status_code == 404
    assert api.post(f"/api/runs/{path.name}/sample", json={}).status_code == 422
    assert api.delete(f"/api/runs/{path.name}").status_code == 204


@pytest.mark.parametrize("name", ["..", "%2e%2e", "..%2f..%2fetc", ".deleted-a", "a b", "A", "no-such-run", "a" * 100])
def test_names_lead_nowhere_else(api: TestClient, folder: Path, name: str) -> None:
    (folder / ".deleted-a").mkdir(exist_ok=True)
    for answer in (
        api.get(f"/api/runs/{name}/model"),
        api.delete(f"/api/runs/{name}"),
        api.post(f"/api/runs/{name}/resume"),
    ):
        assert answer.status_code in (404, 405, 422)
    (folder / ".deleted-a").rmdir()


def test_a_link_is_no_run(folder: Path, whole: Path) -> None:
    (folder / "linked").symlink_to(whole)
    with pytest.raises(home.HomeError):
        home.find("linked")
    (folder / "linked").unlink()


def test_there_is_a_most_of_runs_and_of_bytes(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = home.new(folder)
    paste.create(path, WORDS, CELL, paste.config_for(len(WORDS), **SMALL))
    monkeypatch.setattr(home, "MOST_RUNS", 1)
    with pytest.raises(home.HomeError, match="delete some"):
        home.new(folder)
    monkeypatch.setattr(home, "MOST_RUNS", 2)
    monkeypatch.setattr(home, "MOST_BYTES", 100)
    with pytest.raises(home.HomeError, match="delete some"):
        home.new(folder)
    home.remove(path.name)


def test_where_the_folder_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name, place in (("XDG_DATA_HOME", "rondo/runs"), ("RONDO_HOME", "runs"), ("RONDO_STUDIO", "")):
        monkeypatch.delenv("RONDO_STUDIO", raising=False)
        monkeypatch.setenv(name, str(tmp_path / name))
        assert home.folder() == tmp_path / name / place
        assert home.folder().stat().st_mode & 0o077 == 0


# ---- the panels in a browser ----

PAGE = """<title>{{试|Trials}}</title>
<link rel="stylesheet" href="/static/trials.css">
<h1>{{单元|Cell}}</h1>
<label for="equations">{{方程|Equations}}</label><textarea id="equations" rows="6"></textarea>
<div id="lower"></div>
<script type="module" src="/static/alone.js"></script>
"""
SCRIPT = """import { mount } from "./trials.js";
const text = document.querySelector("#equations"), heard = [];
text.value = EQUATIONS;
const cell = () => (text.value.includes("=") ? { equations: text.value } : null);
window.bench = { cell, results: {}, changed: (listener) => heard.push(listener) };
text.addEventListener("input", () => heard.forEach((listener) => listener()));
mount(document.querySelector("#lower"), window.bench);
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A page with the panels alone."""
    root = tmp_path_factory.mktemp("site")
    shutil.copytree(pages.FOLDER, root / "pages")
    shutil.copytree(pages.STATIC, root / "static")
    (root / "pages" / "alone.html").write_text(PAGE, encoding="utf-8")
    (root / "static" / "alone.js").write_text(SCRIPT.replace("EQUATIONS", json.dumps(GRU)), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pages, "FOLDER", root / "pages")
        patch.setattr(pages, "STATIC", root / "static")
        with studio() as url:
            yield f"{url}/alone"
    pages.cached.cache_clear()


def smaller(page: Page, path: str, **sizes: Any) -> None:
    """Sends what the page asks for with other sizes."""
    page.route(f"**/api/{path}", lambda r: r.continue_(post_data=json.dumps({**r.request.post_data_json, **sizes})))


def until(page: Page, holds: Callable[[], bool]) -> None:
    """Waits in Python: the page's policy lets no text be evaluated."""
    for _ in range(600):
        if holds():
            return
        page.wait_for_timeout(50)
    raise AssertionError("it has not come to that in 30 seconds")


def ended(page: Page, name: str) -> None:
    page.wait_for_selector(f"#trial-{name}-stop", state="hidden")
    assert page.locator(f"#trial-{name}-fault").is_hidden(), page.inner_text(f"#trial-{name}-fault")


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_speed_panel(browser: Browser, address: str, lang: str) -> None:
    with opened(browser, address, lang) as page:
        smaller(page, "cell/speed", T=8, B=2, input=4, hidden=8, repeats=3)
        page.click("#trial-speed-go")
        page.wait_for_selector("#trial-speed-chart svg")
        ended(page, "speed")
        assert page.locator("#trial-speed-chart circle").count() == 12
        assert ("核对通过" if lang == "zh" else "checked") in page.inner_text("#trial-speed-facts")
        assert re.search(r"\d ×", page.inner_text("#trial-speed-number"))
        said = page.get_attribute("#trial-speed-chart svg", "aria-label")
        assert said is not None
        assert said.count(";") == 5
        before = page.text_content("#trial-speed-chart svg")
        page.select_option("#trial-speed-form [name=per]", "byte")
        assert page.text_content("#trial-speed-chart svg") != before
        assert page.evaluate("bench.results.speed.rows.length") == 12
        assert page.locator("#trial-speed-panel .note").is_hidden()
        page.fill("#equations", GRU.replace("tanh", "relu"))
        assert page.locator("#trial-speed-panel .note").is_visible()  # it is the old cell's
        shot(page, f"trials-speed-{lang}")


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_probe_panel(browser: Browser, address: str, lang: str) -> None:
    with opened(browser, address, lang, "phone" if lang == "en" else "desk") as page:
        smaller(page, "cell/probe", steps=40, seeds=2, parameters=300, batch=4)
        page.select_option("#trial-probe-form [name=steps]", "200")
        page.click("#trial-probe-go")
        page.wait_for_selector("#trial-probe-chart path.series")
        ended(page, "probe")
        assert page.locator("#trial-probe-chart path.series").count() == 6  # three cells, two seeds
        assert ("没有记忆" if lang == "zh" else "no memory") in str(page.text_content("#trial-probe-chart svg"))
        assert "%" in page.inner_text("#trial-probe-number")
        assert page.evaluate("Object.keys(bench.results.probe.curves).length") == 6
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        page.select_option("#trial-probe-form [name=task]", "dyck")
        assert ("深" if lang == "zh" else "depth") in page.inner_text("#trial-probe-form [name=size]")
        shot(page, f"trials-probe-{lang}")


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_diverging_cell_in_the_probe_panel(browser: Browser, address: str, lang: str) -> None:
    with opened(browser, address, lang) as page:
        smaller(page, "cell/probe", steps=20, seeds=1, parameters=300, batch=4)
        page.fill("#equations", WILD["equations"])
        page.click("#trial-probe-go")
        page.wait_for_selector("#trial-probe-panel .diverged")
        said = page.inner_text("#trial-probe-panel .diverged")
        assert ("发散了" if lang == "zh" else "diverged") in said
        assert (" / " in said) is False
        ended(page, "probe")
        page.fill("#equations", "")
        page.click("#trial-probe-go")  # no cell: said, and nothing is sent
        page.wait_for_selector("#trial-probe-fault:not([hidden])")


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_text_panel(browser: Browser, address: str, lang: str) -> None:
    with opened(browser, address, lang) as page:
        smaller(page, "cell/text", steps=40, hidden=16)
        page.fill("#trial-text-words", WORDS)
        page.click("#trial-text-go")
        page.wait_for_selector("#trial-text-chart path.series")
        page.wait_for_selector("#trial-text-sample:not([hidden])")
        ended(page, "text")
        assert ("5 元组" if lang == "zh" else "5-gram") in str(page.text_content("#trial-text-chart svg"))
        assert page.locator("#trial-text-chart circle").count() >= 10
        page.fill("#trial-text-prime", "one for")
        page.click("#trial-text-continue button")
        until(page, lambda: len(page.inner_text("#trial-text-told")) > 100)
        assert page.inner_text("#trial-text-told").startswith("one for")
        row = page.locator("#trial-text-runs tr[data-run]").first
        assert "40 / 40" in row.inner_text()
        with page.expect_download() as download:
            row.locator("a").click()
        assert load_language_model(Path(download.value.path())).vocab.level == "character"
        shot(page, f"trials-text-{lang}")
        row.locator("[data-do=delete]").click()
        row.locator("[data-do=delete]").click()
        until(page, lambda: not page.locator("#trial-text-runs tr[data-run]").count())


@needs_browser
def test_a_text_is_stopped_and_goes_on_from_the_list(browser: Browser, address: str) -> None:
    with opened(browser, address, "en") as page:
        smaller(page, "cell/text", steps=400, hidden=16)
        page.fill("#trial-text-words", WORDS)
        page.click("#trial-text-go")
        page.wait_for_selector("#trial-text-sample:not([hidden])")
        page.keyboard.press("Tab")
        page.focus("#trial-text-stop")
        page.keyboard.press("Escape")
        ended(page, "text")
        until(page, lambda: "can go on" in page.inner_text("#trial-text-status"))
        (kept,) = home.runs()
        assert 0 < kept.step < 400
        page.reload()
        page.click("#trial-text-runs [data-do=resume]")
        page.wait_for_selector("#trial-text-chart path.series")
        until(page, lambda: "going on" in page.inner_text("#trial-text-status"))
        page.click("#trial-text-stop")
        ended(page, "text")
        assert home.runs()[0].step >= kept.step
        page.wait_for_selector("#trial-text-runs [data-do=delete]")
    home.remove(kept.name)


@needs_browser
def test_what_was_found_is_shown_again(browser: Browser, address: str) -> None:
    """The panels draw what stands in the bench's results when they are mounted."""
    with opened(browser, address, "en") as page:
        smaller(page, "cell/probe", steps=40, seeds=1, parameters=300, batch=4)
        page.click("#trial-probe-go")
        page.wait_for_selector("#trial-probe-chart path.series")
        ended(page, "probe")
        drawn = page.inner_text("#trial-probe-panel figure")
        page.evaluate(
            """async () => {
              const { mount } = await import("/static/trials.js");
              bench.results = JSON.parse(JSON.stringify(bench.results));
              mount(document.querySelector("#lower"), bench);
            }"""
        )
        assert page.inner_text("#trial-probe-panel figure") == drawn


def test_sizes_of_the_page_are_sizes_of_the_routes() -> None:
    """Every choice that the page offers passes the route's limits."""
    text = (pages.STATIC / "trials_speed.js").read_text(encoding="utf-8")
    shapes = re.findall(r'^  "(\d+),(\d+),(\d+),(\d+)": \[', text, re.MULTILINE)
    assert len(shapes) == 4
    for shape in shapes:
        trials.SpeedRequest(cell=CELL, **dict(zip(("T", "B", "input", "hidden"), map(int, shape), strict=True)))
    text = (pages.STATIC / "trials_probe.js").read_text(encoding="utf-8")
    for task, sizes in re.findall(r"^  (\w+): \{ .*?sizes: (\[\[.*?\]\])", text, re.MULTILINE):
        for length, *depth in json.loads(sizes):
            order = trials.ProbeRequest(cell=CELL, task=task, length=length, **({"depth": depth[0]} if depth else {}))
            work_trials.tasks.make(task, length=order.length, **({"depth": order.depth} if depth else {}))
