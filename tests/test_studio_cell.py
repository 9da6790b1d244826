"""The cell bench: equations read as they are typed, the checks, and the page."""

from __future__ import annotations

import json
import subprocess
import time

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rondo.cells import find, shipped
from rondo.expr.plan import plan
from rondo.kernels.differences import check_gradients
from rondo.render.cpp import cpp
from rondo.render.outline import outline
from rondo.render.text import equations
from rondo.studio.app import create
from rondo.studio.slips import SLIPS

from benchmarks.waiting import big
from browser import chromium, needs_browser, opened, shot, studio

LECTURE = """c̃ = tanh(W_c[Γ_r * c<t-1>, x<t>] + b_c)
Γ_u = σ(W_u[c<t-1>, x<t>] + b_u)
Γ_r = σ(W_r[c<t-1>, x<t>] + b_r)
c<t> = Γ_u * c̃ + (1 - Γ_u) * c<t-1>
a<t> = c<t>"""
CHO = equations(find("gru-cho").graph)


@pytest.fixture(scope="module")
def client():
    with TestClient(create(), base_url="http://127.0.0.1") as made:
        yield made


def read(client, text, **more):
    answer = client.post("/api/cell/read", json={"cell": {"equations": text}, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()


# --- the routes ------------------------------------------------------------------------------------


def test_every_shipped_cell_can_be_put_on_the_bench(client):
    found = client.get("/api/cell/shipped").json()
    assert [c["name"] for c in found["cells"]] == list(shipped())
    assert [s["id"] for s in found["slips"]] == [s.id for s in SLIPS]
    assert all("right" not in s and "why" not in s for s in found["slips"])
    for one in found["cells"]:
        reading = client.post("/api/cell/read", json={"cell": one["cell"]}).json()
        assert reading["fault"] is None
        params = find(one["name"]).graph.params
        assert [p["name"] for p in reading["parameters"]] == list(params)
        assert reading["count"] == sum(p["count"] for p in reading["parameters"])
        assert one["summary"]


def test_a_reading_holds_what_the_page_shows(client):
    found = read(client, LECTURE, sizes={"input": 3, "hidden": 4})
    names = [f["name"] for f in found["formulas"]]
    assert {"c<t>", "dc<t>", "dz_Γ_u", "dW_u", "dc<t→t-1>"} & set(names) >= {"dc<t>", "dW_u", "dc<t→t-1>"}
    assert found["count"] == 3 * (4 * 7 + 4)
    assert found["sizes"] == {"input": 3, "hidden": 4}
    adjoint = next(f for f in found["formulas"] if f["name"] == "dW_u")
    forward = next(f for f in found["formulas"] if f["part"] == "equations" and f["lines"] == [2])
    assert forward["id"] in adjoint["twins"]
    assert read(client, LECTURE, notation="paper")["formulas"][0]["plain"].startswith("Γ")
    assert "loss" in {f["part"] for f in read(client, LECTURE, head="softmax")["formulas"]}


def test_a_fault_is_an_answer_with_its_line(client):
    found = read(client, CHO.replace("U_u @ h", "U_u @ hh"))
    assert found["fault"]["line"] == 3
    zh, en = found["fault"]["message"].split(" / ")
    assert "hh" in zh
    assert "hh" in en
    assert found["formulas"] == []


def test_what_stands_beside_the_text_follows_it(client):
    low = "def Low(x: input, h: hidden):\n    return State(h=tanh(V @ (U @ h) + W @ x))"
    assert "没有定出" in read(client, low)["fault"]["message"]
    cell = {"equations": low, "shapes": {"U": ["rank", "hidden"]}, "sizes": {"rank": 2}, "init": {"gone": 1.0}}
    found = client.post("/api/cell/read", json={"cell": cell}).json()
    assert found["sizes"]["rank"] == 2
    shorter = cell | {"equations": low.replace("V @ (U @ h)", "R @ h")}
    assert client.post("/api/cell/read", json={"cell": shorter}).json()["fault"] is None


def test_plan_and_code_are_the_librarys(client):
    found = client.post("/api/cell/code", json={"cell": {"equations": CHO}}).json()
    graph = find("gru-cho").graph
    assert found["cpp"] == cpp(plan(graph))
    assert found["plan"] == outline(plan(graph))
    assert found["latex"].startswith("\\begin{aligned}")


def test_the_gradient_check_is_the_librarys(client):
    order = {"cell": {"equations": CHO}, "sizes": {"hidden": 5, "input": 3}, "steps": 4, "seed": 3}
    found = client.post("/api/cell/check", json=order).json()
    wanted = list(check_gradients(find("gru-cho").graph, {"input": 3, "hidden": 5}, 4, 3))
    assert found["whole"]
    assert [(c["name"], c["word"]) for c in found["checked"]] == [(w.name, "right") for w in wanted]
    assert [c["error"] for c in found["checked"]] == pytest.approx([w.error for w in wanted], rel=1e-6, abs=1e-12)


def test_the_gradient_check_comes_as_it_is_done(client):
    order = {"cell": {"equations": LECTURE}, "sizes": {"hidden": 4}, "steps": 3}
    with client.stream("POST", "/api/cell/check", json=order, headers={"Accept": "text/event-stream"}) as answer:
        records = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith('data: {"sizes"')]
    assert [len(r["checked"]) for r in records[:-1]] == list(range(1, len(records)))
    assert [r["whole"] for r in records] == [False] * (len(records) - 1) + [True]


def test_a_wrong_own_derivative_is_named(client):
    order = {"cell": {"equations": CHO}, "text": "dz_u = du * u * (1 - u)\ndz_r = dr * r\ndq = nothing"}
    good, bad, unread = client.post("/api/cell/own", json=order).json()["verdicts"]
    assert (good["status"], bad["status"], unread["status"]) == ("right", "wrong", "error")
    assert bad["derived"] == "dz_r"
    assert "未知的名字 nothing" in unread["message"].split(" / ")[0]


@pytest.mark.parametrize("slip", SLIPS, ids=lambda s: s.id)
def test_the_slips_are_caught(client, slip):
    found = client.post("/api/cell/slip", json={"id": slip.id}).json()
    assert [v["status"] for v in found["verdicts"]] == ["wrong", "right"]
    assert " / " in found["why"]


def test_a_large_cell_is_read_at_once_and_derived_on_request(client):
    text = big(120)
    found = read(client, text)
    assert found["fault"] is None
    assert not found["derived"]
    assert {f["part"] for f in found["formulas"]} == {"equations"}
    whole = client.post("/api/cell/derive", json={"cell": {"equations": text}}).json()
    assert {"backward", "gradients"} <= {f["part"] for f in whole["formulas"]}


def test_a_cell_of_two_hundred_nodes_is_derived_as_it_is_read(client):
    """How long that takes: `python -m benchmarks.waiting`."""
    for seed in range(12):
        found = read(client, big(36, seed))
        assert found["derived"]
        assert 100 <= found["nodes"] <= 220


@pytest.mark.parametrize(
    "order",
    [
        {},
        {"cell": {}},
        {"cell": {"equations": "x" * 20_000}},
        {"cell": {"equations": CHO}, "notation": "mine"},
        {"cell": {"equations": CHO}, "sizes": {"hidden": 10**9}},
        {"cell": {"equations": CHO, "run": "me"}},
        {"cell": {"equations": CHO, "init": {"W": [1.0] * 100}}},
    ],
)
def test_a_bad_request_is_refused(client, order):
    assert client.post("/api/cell/read", json=order).status_code == 422


@pytest.mark.parametrize("route", ["code", "derive", "check"])
def test_work_on_bad_equations_is_refused(client, route):
    answer = client.post(f"/api/cell/{route}", json={"cell": {"equations": "h = h +"}})
    assert answer.status_code == 422
    assert "line 1" in answer.json()["detail"]


# --- hostile input ---------------------------------------------------------------------------------


@pytest.fixture
def no_processes(monkeypatch):
    """Reading starts nothing."""

    def refuse(*_, **__):
        raise AssertionError("a process was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr(subprocess, "run", refuse)


PIECES = [
    *"()[]<>=+-*/@,.:#'\"\\ \n\t",
    "<t-1>",
    "<t>",
    "σ(",
    "lambda:",
    "__import__('os')",
    "9" * 400,
    "for k in range(9):",
    "\x00",
    "ᵀ",
    "é",
]


@st.composite
def mutated(draw) -> str:
    """A shipped cell or the lecture's lines with pieces cut out, doubled and put in."""
    text = draw(st.sampled_from([LECTURE, *(equations(c().graph) for c in shipped().values())]))
    for _ in range(draw(st.integers(1, 6))):
        a = draw(st.integers(0, len(text)))
        b = min(len(text), a + draw(st.integers(0, 12)))
        piece = draw(st.sampled_from([*PIECES, text[a:b] * 2, ""]))
        text = text[:a] + piece + text[b:]
    return text


@given(st.one_of(st.text(max_size=300), mutated()))
@settings(
    max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_text_is_read_or_told_what_is_wrong(client, no_processes, text):
    found = client.post("/api/cell/read", json={"cell": {"equations": text}})
    assert found.status_code in (200, 422), text
    if found.status_code == 200 and found.json()["fault"]:
        assert 0 <= found.json()["fault"]["line"] <= text.count("\n") + text.count("\r") + 1
        assert found.json()["fault"]["message"].split(" / ")[0]


HOSTILE = {
    "squares": "def C(x: hidden, h: hidden):\n" + "    h = h * h + x\n" * 300 + "    return State(h=h)",
    "brackets": "(" * 16_000,
    "names": "a" + ",a" * 8_000,
    "long sum": "h<t> = " + "h<t-1>+" * 1_800 + "x",
    "copies": "\n".join(f"h{k}<t> = h{k}<t-1>" for k in range(700)),
    "chain": "\n".join(f"a{k}=a{k + 1}*x" for k in range(900)) + "\na900=a0<t-1>",
    "digits": "h<t> = h<t-1> + " + "9" * 15_000,
    "blanks": " " * 16_000,
    "loops": "def C(x: hidden, h: hidden):\n  for k in range(99):\n    for j in range(99):\n      h = h * x\n"
    "  return State(h=h)",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_largest_input_costs_little(client, no_processes, name):
    start = time.process_time()
    read(client, HOSTILE[name])
    assert time.process_time() - start < 3


def test_what_takes_too_long_is_stopped_in_its_own_process(client):
    answer = client.post("/api/cell/derive", json={"cell": {"equations": HOSTILE["squares"]}})
    assert answer.status_code in (200, 422)


# --- the page --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def site():
    with studio() as url, chromium() as browser:
        yield url, browser


def green(page):
    page.wait_for_selector('#lights[data-word="right"]')


@needs_browser
@pytest.mark.parametrize(("lang", "size", "ink"), [("zh", "desk", "light"), ("en", "phone", "dark")])
def test_the_page_opens_answered(site, lang, size, ink):
    url, browser = site
    with opened(browser, url + "/cell", lang, size, ink) as page:
        green(page)
        assert page.locator(".formula").count() > 20
        assert page.locator("#lights tr").count() == 12
        words = page.inner_text("#lights .verdict")
        assert ("11 个梯度全对" if lang == "zh" else "all 11 gradients are right") in words
        wide = page.evaluate("[document.documentElement.scrollWidth, innerWidth]")
        assert wide[0] <= wide[1]
        shot(page, f"cell-{lang}-{size}")


@needs_browser
@pytest.mark.parametrize(
    ("lang", "fault"), [("zh", "第 3 行：未知的函数 sigmod"), ("en", "line 3: unknown function 'sigmod'")]
)
def test_an_error_is_told_at_its_line_and_the_readings_stay(site, lang, fault):
    url, browser = site
    with opened(browser, url + "/cell", lang) as page:
        green(page)
        page.fill("#equations", CHO.replace("u = sigmoid", "u = sigmod"))
        page.wait_for_selector("#fault:not([hidden])")
        assert fault in page.inner_text("#fault")
        assert page.inner_text(".behind .fault").strip().startswith("u = sigmod")
        assert page.inner_text(".gutter .fault") == "✗ 3"
        assert page.locator(".formula").count() > 20
        assert page.locator(".reading.stale").count() == 2
        shot(page, f"cell-fault-{lang}")
        page.fill("#equations", LECTURE)
        page.wait_for_selector("#fault", state="hidden")
        page.wait_for_selector('.formula[data-name="dc<t>"]')
        assert page.locator(".reading.stale").count() == 0
        assert page.locator("#lights.old").count() == 1  # the check is of the cell before
        page.click("#check")
        page.wait_for_selector("#lights:not(.old):not(.busy)")
        green(page)


@needs_browser
def test_an_adjoint_and_its_forward_line_light_up_together(site):
    url, browser = site
    with opened(browser, url + "/cell", "en") as page:
        green(page)
        page.hover('.formula[data-name="dz_u"] .left')
        assert page.get_attribute('.formula[data-name="z_u"]', "class").split() == ["formula", "lit"]
        assert page.get_attribute('.formula[data-name="u"]', "class").split() == ["formula", "lit"]
        assert page.inner_text(".behind .lit").strip().startswith("u = sigmoid")
        page.focus('.formula[data-name="r"]')
        assert "lit" in page.get_attribute('.formula[data-name="dz_r"]', "class")
        page.keyboard.press("ArrowDown")
        assert "self" in page.get_attribute('.formula[data-name="u"]', "class")


@needs_browser
def test_graph_plan_and_code(site):
    url, browser = site
    with opened(browser, url + "/cell", "zh") as page:
        green(page)
        page.click("#to-graph")
        assert page.locator("#graph g.node").count() == 6
        assert page.locator("#graph .edge.loop").count() == 1
        page.click("#unrolled")
        assert page.locator("#graph g.node").count() == 4 * 5 + 1
        page.click("#to-cpp")
        page.wait_for_selector("#cpp:not(:empty):not(.busy)")
        assert page.inner_text("#cpp").strip() == cpp(plan(find("gru-cho").graph)).strip()


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_a_wrong_own_derivative_is_red_and_named(site, lang):
    url, browser = site
    with opened(browser, url + "/cell", lang) as page:
        green(page)
        page.fill("#own", "dz_u = du * u * (1 - u)\ndc = -dh * u\ndW_u = dz_u @ x.T")
        page.click("#judge")
        page.wait_for_selector("#verdicts .said")
        found = [
            (e.get_attribute("data-name"), e.get_attribute("data-status"))
            for e in page.locator("#verdicts .said").all()
        ]
        assert found == [("dz_u", "right"), ("dc", "wrong"), ("dW_u", "wrong")]
        assert ("符号反了" if lang == "zh" else "The sign is reversed") in page.inner_text("#verdicts")
        page.click("#fill")
        page.click("#judge")
        page.wait_for_selector('#verdicts .said[data-name="db_c"]')
        assert {e.get_attribute("data-status") for e in page.locator("#verdicts .said").all()} == {"right"}
        page.click("#slip-loss button")
        page.wait_for_selector("#slip-loss .said")
        assert page.get_attribute("#slip-loss .said >> nth=0", "data-status") == "wrong"
        shot(page, f"cell-own-{lang}")


@needs_browser
def test_file_link_and_report_hold_the_whole_bench(site, tmp_path):
    url, browser = site
    with opened(browser, url + "/cell", "en") as page:
        green(page)
        page.fill("#equations", LECTURE)
        page.wait_for_selector('.formula[data-name="dc<t>"]')
        page.select_option("#notation", "paper")
        page.fill("#own", "du = 1")
        page.click("#check")
        page.wait_for_selector("#lights:not(.old):not(.busy)")
        for button, name in (("#save-file", "bench.json"), ("#report", "report.html")):
            with page.expect_download() as download:
                page.click(button)
            download.value.save_as(tmp_path / name)
        link = page.url
    saved = json.loads((tmp_path / "bench.json").read_text())
    assert saved["cell"]["equations"] == LECTURE
    assert saved["check"]["whole"]
    assert saved["notation"] == "paper"
    html = (tmp_path / "report.html").read_text()
    assert "<math" in html
    assert "src=" not in html
    assert "<link" not in html
    for name in ("bench.json", "report.html"):
        with opened(browser, url + "/cell", "en") as page:
            green(page)
            page.set_input_files("#file", tmp_path / name)
            page.wait_for_selector('.formula[data-name="dc<t>"]')
            assert page.input_value("#equations") == LECTURE
            assert page.input_value("#notation") == "paper"
            assert page.input_value("#own") == "du = 1"
            green(page)
    with opened(browser, link, "zh") as page:
        page.wait_for_selector("#verdicts .said")
        assert page.input_value("#equations") == LECTURE
        assert page.input_value("#notation") == "paper"
        green(page)
    with opened(browser, (tmp_path / "report.html").as_uri(), "en") as page:  # without a server
        assert page.locator(".report .formula").count() > 20
        assert page.locator(".report .lights tr").count() > 5
        shot(page, "cell-report")


@needs_browser
def test_a_file_of_something_else_is_refused_and_the_text_stays(site, tmp_path):
    url, browser = site
    (tmp_path / "other.json").write_text('{"a": 1}')
    with opened(browser, url + "/cell", "en") as page:
        green(page)
        before = page.input_value("#equations")
        page.set_input_files("#file", tmp_path / "other.json")
        page.wait_for_selector("#fault:not([hidden])")
        assert "not saved by the bench" in page.inner_text("#fault")
        assert page.input_value("#equations") == before
