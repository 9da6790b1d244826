"""What marking says beside right and wrong, the drawings of reports, and the page of a class."""

from __future__ import annotations

import itertools
import math
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from answers import LEAKY, RENAMED
from rondo.lab import class_page
from rondo.lab.collect import Marked, collect
from rondo.lab.experiment import Answer, Experiment, load
from rondo.lab.figures import Line, chart, timed
from rondo.lab.marking import mark, outcome_of, total, untouched
from rondo.lab.report import Student, figure, page, report, to_json
from rondo.lab.words import words
from rondo.lab.work import find

HALF = "def Half(x: input, h: hidden):\n    c = tanh(W @ x + U @ h + b)\n    return State(h=h + 0.5 * (c - h))"
ELMAN = "def E(x: input, h: hidden):\n    h = tanh(W @ x + U @ h + b)\n    return State(h=h)\n"
HEAD = """number = 3
title = { zh = "小", en = "Small" }
aim = { zh = "目", en = "a" }
principle = { zh = "理", en = "p" }
[[part]]
id = "own"
title = { zh = "自己的", en = "Own" }
text = "a"
[[part.answer]]
id = "cell"
kind = "cell"
title = { zh = "方程", en = "Equations" }
start = "own.txt"
"""
PROBE = """
[[part.check]]
id = "parity"
kind = "probe"
title = { zh = "学会奇偶", en = "Learns <parity>" }
answer = "cell"
task = "parity"
length = 4
parameters = 80
steps = 20
points = 3
"""


@pytest.fixture(scope="module")
def sixth() -> Experiment:
    return find("06-rnn")


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """A part with a cell that starts as Elman's and is trained for a moment."""
    folder = tmp_path_factory.mktemp("small")
    for name, text in {"a.zh.md": "文", "a.en.md": "text", "own.txt": ELMAN}.items():
        (folder / name).write_text(text, encoding="utf-8")
    (folder / "experiment.toml").write_text(HEAD + PROBE, encoding="utf-8")
    return load(folder)


# nothing done, nothing earned


def test_what_was_given_earns_nothing_and_is_told_so(sixth: Experiment) -> None:
    """Of all checks, hidden ones too; some would pass on what the answer starts with."""
    starts = {p.id: {a.id: a.start for a in p.answers} for p in sixth.parts}
    outcomes = mark(sixth, starts, "20260101")
    assert total(outcomes) == 0
    kinds = {(p.id, a.id): a for p in sixth.parts for a in p.answers}
    for o in outcomes:
        check = next(c for c in sixth.part(o.part).checks if c.id == o.check)
        given_ = kinds[o.part, str(check.settings["answer"])].start
        assert o.message.zh.startswith("还和开头给的一样" if given_ else "这里还没有回答"), o.check


def test_a_cell_that_was_only_renamed_earns_nothing(sixth: Experiment) -> None:
    part = sixth.part("own")
    check = next(c for c in part.checks if c.id == "gradient")
    text = "def Yours(x: input, s: hidden):\n    s = tanh(b_q + V @ s + Q @ x)\n    return State(s=s)"
    found = outcome_of(sixth, part, check, {"own": {"cell": text}}, 1)
    assert not found.passed
    assert found.message.en == "still as it was given: no points yet"
    assert outcome_of(sixth, part, check, {"own": {"cell": LEAKY}}, 1).passed


@given(st.text(max_size=20))
def test_an_answer_without_a_start_is_never_as_it_was_given(text: str) -> None:
    assert not untouched(Answer(id="a", kind="words", title=words("", "")), text)


def test_a_fault_of_a_check_fails_that_check_alone(sixth: Experiment) -> None:
    """The hidden check of shapes reads found["h"]: another dictionary does not end the marking."""
    answers = {"forward": {"program": "def step(x, s, p):\n    return {'g': x}", "hand": "0.6525"}}
    outcomes = {(o.part, o.check): o for o in mark(sixth, answers, "1")}
    assert "the check itself failed" in outcomes["forward", "numbers"].message.en
    assert outcomes["forward", "hand"].passed


def test_equations_that_cannot_be_read_are_told_in_both_languages(sixth: Experiment) -> None:
    part = sixth.part("own")
    check = next(c for c in part.checks if c.id == "new")
    found = outcome_of(sixth, part, check, {"own": {"cell": LEAKY.replace("U_k @ h", "U_k @ q")}}, 1)
    assert found.message.zh.startswith("第 2 行：未知的名字 q")
    assert found.message.en.startswith("line 2: unknown name 'q'")


# drawings


@given(st.lists(st.tuples(st.floats(0, 1e6), st.floats()), max_size=12), st.text(max_size=8))
def test_any_curve_can_be_drawn(points: list[tuple[float, float]], name: str) -> None:
    drawn = chart([Line(name, name, points)], "x", "y", [(0.5, "<line>")])
    finite = [p for p in points if math.isfinite(p[0]) and abs(p[1]) < 1e30]
    assert bool(drawn) == bool(finite)
    for place in re.findall(r'points="([^"]*)"', drawn):
        pairs = [tuple(map(float, p.split(","))) for p in place.split()]
        assert len(pairs) == len(finite)
        assert all(0 <= x <= 640 and 0 <= y <= 240 for x, y in pairs)
    assert "<line>" not in drawn


@given(st.recursive(st.none() | st.floats() | st.integers() | st.text(max_size=3), lambda v: st.lists(v, max_size=3)))
def test_a_report_with_any_facts_can_be_drawn(anything: object) -> None:
    """A report that was handed in holds what somebody wrote into it."""
    facts = {
        "curve": [[0, 1], anything, [anything, 2], [10**400, 1]],
        "line": anything,
        "value": anything,
        "n": 10**400,
    }
    assert "<figcaption>" in figure("t", facts, "en")
    assert (
        "e"
        not in chart([Line("a", "a", [(1, 1e20), (2, 1e20)])], "", "", []).partition('points="')[2].partition('"')[0]
    )


def test_labels_do_not_touch() -> None:
    lines = [Line(f"n{k}", f"n{k}", [(0, 0), (1, 1)], k) for k in range(9)]
    heights = sorted(
        float(y) for y in re.findall(r'<text class="line-\d" x="[\d.]+" y="([-\d.]+)"', chart(lines, "x", "y"))
    )
    assert len(heights) == 9
    assert min(b - a for a, b in itertools.pairwise(heights)) > 13


@pytest.mark.parametrize(
    ("text", "made"),
    [
        ("a<t-1> < b", "a<sup>&lt;t-1&gt;</sup> &lt; b"),
        ("W_c·ŷ<12>", "W<sub>c</sub>·ŷ<sup>&lt;12&gt;</sup>"),
        ("grad_norm, <t>, a<script>", "grad_norm, &lt;t&gt;, a&lt;script&gt;"),
    ],
)
def test_indices_are_set_as_the_lecture_writes_them(text: str, made: str) -> None:
    assert timed(text) == made


def test_a_report_names_checks_that_were_not_made(sixth: Experiment) -> None:
    text = page(sixth, report(sixth, Student(number="1", name="甲"), {}, []), "en")
    assert text.count("not checked") == sum(not c.hidden for p in sixth.parts for c in p.checks)


# a class


@pytest.fixture(scope="module")
def marked(small: Experiment, tmp_path_factory: pytest.TempPathFactory) -> list[Marked]:
    folder = tmp_path_factory.mktemp("reports")
    cells = {
        "101": LEAKY,
        "102": HALF,
        "103": RENAMED,
        "104": "h = tanh(",
        "105": small.part("own").answer("cell").start,
    }
    for number, text in cells.items():
        one = report(small, Student(number=number, name=f"<i>{number}"), {"own": {"cell": text}}, [])
        (folder / f"{number}.json").write_text(to_json(one), encoding="utf-8")
    return collect(small, folder)[0]


def test_students_are_grouped_by_the_structure_of_their_cells(small: Experiment, marked: list[Marked]) -> None:
    found = class_page.groups(small.part("own"), "cell", marked)
    numbers = [[m.report.student.number for m in g.marked] for g in found]
    assert numbers == [["101", "103"], ["102"], ["105"]]
    assert [g.name for g in found] == ["A", "B", "C"]
    assert [g.start for g in found] == [False, False, True]


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.lines = list[str]()
        self.tags = set[str]()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        if tag == "polyline":
            self.lines.append(str(dict(attrs)["class"]))


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_page_of_a_class(small: Experiment, marked: list[Marked], lang: str, tmp_path: Path) -> None:
    class_page.write(tmp_path / "grades.html", small, marked, lang)
    text = (tmp_path / "grades.html").read_text(encoding="utf-8")
    found = _Tags()
    found.feed(text)
    key, curves = found.lines[4:], found.lines[:4]  # four cells can be trained; three groups have a key
    assert sorted(curves) == ["line-0", "line-0", "line-1", "line-2"]
    assert key == ["line-0", "line-1", "line-2"]
    assert "i" not in found.tags  # names are text
    assert not {"script", "link", "img"} & found.tags
    for one in marked:
        assert one.report.student.number in text
    assert ("与 103 的单元相同" if lang == "zh" else "the same cell as 103") in text
    assert ("没有写，或方程读不懂" if lang == "zh" else "no equations that can be read") in text


def test_a_class_without_curves_has_a_table_alone(sixth: Experiment) -> None:
    assert "<figure" not in class_page.page(sixth, [])
