"""The tour: what each stop shows is right, and the page it leaves is complete in itself."""

from __future__ import annotations

import dataclasses
import functools
import re
import subprocess
import sys
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

from rondo import cells
from rondo.cli import tour as command
from rondo.kernels import check
from rondo.tour import cell, learn, page, speed, stops, tell
from rondo.tour.stops import STOPS, TourError

ROOT = Path(__file__).parents[1]
TEXT = "one for the master, one for the dame,\n" * 300
TINY = (4, 2, 3, 5)


def shorten(patch: pytest.MonkeyPatch) -> None:
    """The whole tour in a few seconds: a small shape is timed, a small text is learned in few steps."""
    patch.setattr(speed.timings, "__defaults__", ((TINY,), 0.01))
    patch.setattr(learn, "source", lambda: TEXT)
    patch.setattr(learn, "learn", functools.partial(learn.learn, steps=20))


@pytest.fixture(scope="module")
def whole() -> tuple[str, tell.Seen]:
    """What the tour prints, and what it has seen."""
    out = StringIO()
    with pytest.MonkeyPatch.context() as patch:
        shorten(patch)
        seen = tell.tour(Console(file=out, width=120, highlight=False), "en")
    return out.getvalue(), seen


# --- finite differences ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gru-cho", "lstm", "peephole-lstm"])
def test_central_differences_agree_with_the_derived_gradients(name: str) -> None:
    """Lengths and resets included: also the gradient of what a reset puts in."""
    graph = cells.find(name).graph
    case = check.case(graph, 4, 3, {"input": 3, "hidden": 2}, lengths=True, resets=True)
    found = check.finite_differences(graph, case)
    derived = check.bptt(graph, **{f.name: getattr(case, f.name) for f in dataclasses.fields(case)})
    assert any(n.endswith("<reset>") for n in found)
    assert check.agreement({n: derived[n] for n in found}, found) < 1e-8  # differences are good to about 1e-10


def test_central_differences_leave_the_case_as_it_was() -> None:
    graph = cells.find("gru").graph
    case = check.case(graph, 3, 2, {"input": 2, "hidden": 3})
    before = {n: v.clone() for n, v in case.params.items()}
    check.finite_differences(graph, case)
    assert all(torch.equal(v, before[n]) for n, v in case.params.items())


def test_a_wrong_derivation_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """One gradient that is off in the sixth digit makes the check red."""
    right = check.bptt

    def wrong(*arguments: object) -> check.Tensors:
        found = right(*arguments)  # type: ignore[arg-type]
        return found | {"dL/dU_c": found["dL/dU_c"] * (1 + 1e-6)}

    assert all(g.agrees for g in cell.gradients())
    monkeypatch.setattr(check, "bptt", wrong)
    found = cell.gradients()
    assert [g.name for g in found if not g.agrees] == ["dL/dU_c"]
    assert not tell.Seen(gradients=found).right


# --- the stops -------------------------------------------------------------------------------------


def test_every_gradient_is_printed_by_its_equation() -> None:
    found = {g.name: g for g in cell.gradients()}
    assert found["dL/dU_c"].formula == "∂L/∂U_c = Σ_t Σ_b dz_c vᵀ"
    assert found["dL/dx"].formula.startswith("∂L/∂x<t> = W_rᵀ dz_r")
    assert found["dL/dh<0>"].formula == "∂L/∂a<0>"
    assert "<mn>0</mn>" in found["dL/dh<0>"].mathml
    assert set(found) == {f"dL/d{p}" for p in cells.find("gru-cho").graph.params} | {"dL/dx", "dL/dh<0>"}
    assert sum(g.numbers for g in found.values()) > 150


def test_the_derivation_has_both_directions() -> None:
    parts = dict(cell.parts(cell.derivation()))
    assert [f.text for f in parts["forward"]][-1] == "a<t> = Γ_u ∘ c̃ + (1 − Γ_u) ∘ a<t-1>"
    assert any(f.name == "dh<t→t-1>" for f in parts["backward"])
    assert len(parts["gradients"]) == 9


def test_no_time_is_told_where_results_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    (right,) = speed.timings((TINY,), 0.01)
    assert right.agrees
    assert right.pairs >= speed.PAIRS[0]
    assert right.ours > 0 < right.theirs
    monkeypatch.setattr(speed, "LIMIT", 0.0)
    (wrong,) = speed.timings((TINY,), 0.01)
    assert not wrong.agrees
    assert wrong.ours == wrong.theirs == wrong.ratio == 0
    assert not tell.Seen(speed=[wrong]).right


def test_timings_and_training_leave_the_random_numbers_alone() -> None:
    torch.manual_seed(5)
    want = torch.rand(3)
    torch.manual_seed(5)
    speed.timings((TINY,), 0.01)
    next(iter(learn.learn(TEXT, 0.1)))
    assert torch.equal(torch.rand(3), want)


def test_the_training_falls_and_then_writes() -> None:
    looks = list(learn.learn(TEXT, steps=80))
    found = looks[-1]
    assert len(looks) == 12  # before, ten on the way, after
    assert len(found.told) == 10
    losses = [loss for _, loss, _ in found.told]
    assert losses[-1] < 0.5 * losses[0] < found.guess
    assert found.told[-1][0] == found.records[-1].step == len(found.records)
    assert found.sample.startswith(learn.PRIME)
    assert len(found.sample) > len(learn.PRIME)


def test_stops_are_chosen_by_name_and_stay_in_order() -> None:
    assert stops.chosen(()) == STOPS
    assert [s.name for s in stops.chosen(["speed", "poem"])] == ["poem", "speed"]
    with pytest.raises(TourError, match=r"did you mean 'gradients'.*there are poem, couplet"):
        stops.chosen(["gradient"])


@pytest.mark.parametrize(
    ("environment", "lang"),
    [
        ({}, "en"),
        ({"LANG": "zh_CN.UTF-8"}, "zh"),
        ({"LANG": "zh_CN.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LC_ALL": "", "LC_MESSAGES": "zh_TW.UTF-8", "LANG": "C"}, "zh"),
    ],
)
def test_language_is_the_locales(environment: dict[str, str], lang: str) -> None:
    assert stops.language(environment) == lang


def test_bar_has_eighths_of_a_column() -> None:
    assert tell.bar(1.0, 4) == tell.bar(2.0, 4) == "████"
    assert tell.bar(0.5 + 1 / 32, 4) == "██▏"
    assert tell.bar(0.0, 4) == ""


# --- the whole -------------------------------------------------------------------------------------


def test_each_stop_has_heading_result_and_command(whole: tuple[str, tell.Seen]) -> None:
    text, seen = whole
    places = [text.index(s.en) for s in STOPS]
    assert places == sorted(places)
    assert all(f"$ {s.run('en')} " in text for s in STOPS)
    assert seen.poem is not None
    assert all(line in text for line in seen.poem.poems[0].lines)
    assert seen.couplet is not None
    assert seen.couplet.couplets[0].upper in text
    assert "dz_c = dc̃ ∘ (1 − c̃²)" in text
    assert len(re.findall(r"\de-\d\d ✓", text)) == 11
    assert len(re.findall(r"\|∇\|", text)) == 10
    assert seen.right
    assert list(seen.seconds) == [s.name for s in STOPS]
    assert list(seen.seconds.values()) == sorted(seen.seconds.values())


def test_the_poem_is_proved_and_keeps_its_form(whole: tuple[str, tell.Seen]) -> None:
    poem = whole[1].poem
    assert poem is not None
    assert [len(line.text) for line in poem.poems[0].proof] == [7] * 4
    assert all(mark.ok for line in poem.poems[0].proof for mark in line.marks)
    assert [line.rhymes for line in poem.poems[0].proof][1::2] == [True, True]


def test_commands_that_are_named_exist(run) -> None:
    """`rondo poem ...` and so on: each is an option list that its command takes."""
    for stop in STOPS:
        words = stop.run("en").split()
        assert words[0] == "rondo"
        parts = [w for w in words[1:3] if not w.startswith("-") and w.isascii() and w not in cells.shipped()]
        code, out, _ = run(*parts, "--help")
        assert code == 0
        assert all(w in out for w in words if w.startswith("--")), stop.name


class Loads(HTMLParser):
    """What a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.tags: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag in ("script", "link", "iframe", "object", "embed", "img", "base", "form"):
            self.found.append(tag)
        self.found += [f"{k}={v}" for k, v in attrs if k in ("src", "href", "action", "data") or k.startswith("on")]


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_page_is_complete_in_itself(whole: tuple[str, tell.Seen], lang: str) -> None:
    text = page.page(whole[1], lang)
    reader = Loads()
    reader.feed(text)
    assert reader.found == []
    assert "http" not in text
    assert "url(" not in text
    assert "@import" not in text
    assert {"math", "svg", "table"} <= set(reader.tags)
    assert all(f'<section id="{s.name}">' in text for s in STOPS)
    assert "@media print" in text
    assert bool(re.search("[\u4e00-\u9fff]{4}", re.sub("<[^>]*>", "", text.split("</style>")[1]))) or lang == "en"


def test_page_of_one_stop_has_that_alone() -> None:
    seen = tell.tour(Console(file=StringIO()), "zh", stops.chosen(["gradients"]))
    text = page.page(seen, "zh")
    assert re.findall('<section id="(.*?)">', text) == ["gradients"]


def test_without_a_terminal_it_ends_well_and_leaves_the_page(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "_studio", lambda: pytest.fail("the studio was opened"))
    code, out, err = run("tour", "--then-studio", "--only", "equations", "--lang", "en")
    assert (code, err) == (0, "")
    assert "tour.html" in out
    assert (tmp_path / "tour.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert [p.name for p in tmp_path.iterdir()] == ["tour.html"]


@pytest.mark.parametrize(("once", "opened"), [("1", []), ("", ["studio"])])
def test_the_studio_opens_in_a_terminal_unless_once(
    run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, once: str, opened: list[str]
) -> None:
    found: list[str] = []
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "_in_terminal", lambda: True)
    monkeypatch.setattr(command, "_studio", lambda: found.append("studio"))
    monkeypatch.setenv("ONCE", once)
    code, _, _ = run("tour", "--then-studio", "--only", "equations")
    assert (code, found) == (0, opened)
    run("tour", "--only", "equations")
    assert found == opened


def test_a_red_check_is_exit_code_1(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cell, "LIMIT", 0.0)
    code, out, _ = run("tour", "--then-studio", "--only", "gradients")
    assert code == 1
    assert "✗" in out
    assert (tmp_path / "tour.html").exists()


def test_an_unknown_stop_is_one_message(run) -> None:
    code, _, err = run("tour", "--only", "poetry")
    assert code == 2
    assert "no stop is called 'poetry'" in err


def test_the_first_line_needs_no_torch() -> None:
    code = "import sys, rondo.tour.tell; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


# --- make ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["README.md", "README.zh-CN.md", "CONTRIBUTING.md"])
def test_targets_that_are_named_exist(name: str) -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.M))
    text = (ROOT / name).read_text(encoding="utf-8")
    named = re.findall(r"`make ((?:[a-z-]+ ?)+)`", text) + re.findall(r"^make ([a-z-]+)", text, re.M)
    assert named
    assert {target for words in named for target in words.split()} <= targets


def test_make_run_goes_on_the_tour() -> None:
    done = subprocess.run(["make", "-n", "run", "quickstart"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "rondo tour --then-studio" in done.stdout
    assert "rondo train text" in done.stdout
    assert "[dev]" not in done.stdout  # what tests need is no part of what a first look needs


def test_a_command_of_no_file_has_no_path_to_be_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where the shell would find another rondo, as in an environment that is active."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["rondo", "tour"])
    monkeypatch.setattr(command.shutil, "which", lambda name: sys.executable)
    assert command._where() == ""
