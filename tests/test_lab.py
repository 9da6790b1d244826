"""The lab: experiments, checks that name what is wrong, programs that are confined, reports, and marking."""

from __future__ import annotations

import csv
import json
import math
import re
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from answers import LEAKY, RENAMED
from rondo import cells, cli
from rondo.cell import Cell
from rondo.lab import same, values
from rondo.lab.collect import collect, write_grades
from rondo.lab.experiment import Experiment, ExperimentError, load
from rondo.lab.marking import faults_of, mark, outcome_of, seed_of, total
from rondo.lab.outcome import Outcome
from rondo.lab.program import Limits, Program, ProgramError
from rondo.lab.report import Report, ReportError, Student, page, read, report, to_json, write
from rondo.lab.work import WorkError, begin, find
from rondo.lab.work import read as read_work

SIXTH = "06-rnn"
SHORT = Limits(seconds=20, processor=10, memory=512)

STEP = """
import numpy as np

def step(x, s, p):
    return {"h": np.tanh(p["W"] @ x + p["U"] @ s["h"] + p["b"])}
"""
BACKWARD = """
import numpy as np

def backward(x, s, p, dy):
    d = {name: np.zeros_like(v) for name, v in p.items()}
    back = 0
    for t in reversed(range(len(x))):
        dz = (dy[t] + back) * (1 - s["h"][t + 1] ** 2)
        d["W"] += np.outer(dz, x[t])
        d["U"] += np.outer(dz, s["h"][t])
        d["b"] += dz
        back = p["U"].T @ dz
    return d
"""
CLIP = """
import numpy as np

def clip(gradients, limit):
    norm = np.sqrt(sum((g * g).sum() for g in gradients.values()))
    return {n: g * limit / norm for n, g in gradients.items()} if norm > limit else gradients
"""
SAMPLE = """
import numpy as np

def probabilities(scores, temperature):
    e = np.exp((scores - scores.max()) / temperature)
    return e / e.sum()
"""
GRU = """c̃ = tanh(W_c[Γ_r ∘ c<t-1>, x<t>] + b_c)
Γ_u = σ(W_u[c<t-1>, x<t>] + b_u)
Γ_r = σ(W_r[c<t-1>, x<t>] + b_r)
c<t> = Γ_u ∘ c̃ + (1 - Γ_u) ∘ c<t-1>
a<t> = c<t>"""


@pytest.fixture(scope="module")
def sixth() -> Experiment:
    return find(SIXTH)


@pytest.fixture(scope="module")
def right(sixth: Experiment) -> dict[str, dict[str, str]]:
    """Answers that are right throughout."""
    lstm = sixth.part("gru-lstm").answer("lstm").start.replace("Γ_o ∘ c<t>", "Γ_o ∘ tanh(c<t>)")
    own: dict[str, dict[str, str]] = {
        "forward": {"hand": "0.6524", "program": STEP},
        "backward": {
            "program": BACKWARD,
            "loss": "L<t> = -y<t> * log(ŷ<t>) - (1 - y<t>) * log(1 - ŷ<t>)",
            "step": "dh<t-1> = U.T @ (dh<t> * (1 - tanh(W @ x<t> + U @ h<t-1> + b) ** 2))",
            "sum": "dW = sum((dh<t> * (1 - h<t> ** 2)) @ x<t>.T)",
            "output": "h<t> = o * tanh(c<t>)",
        },
        "gradients": {"clip": CLIP, "rule": "possible"},
        "gru-lstm": {"gru": GRU, "lstm": lstm},
        "characters": {"sample": SAMPLE, "perplexity": "4"},
        "own": {"cell": LEAKY},
    }
    return {part: {**given, "analysis": "每一步用同一组参数。" * 15} for part, given in own.items()}


def outcome(experiment: Experiment, part: str, check: str, answer: str, text: str, number: str = "1") -> Outcome:
    own = experiment.part(part)
    found = next(c for c in own.checks if c.id == check)
    return outcome_of(experiment, own, found, {part: {answer: text}}, seed_of(number))


# values that pass between the processes

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5).filter(bool), inner, max_size=3),
    max_leaves=8,
)


@given(plain_values)
def test_plain_values_come_back(value: Any) -> None:
    assert values.read(json.loads(json.dumps(values.plain(value)))) == value


@given(arrays.arrays(np.float64, arrays.array_shapes(min_dims=0, min_side=0)))
def test_arrays_come_back_to_the_bit(value: Any) -> None:
    again = values.read(json.loads(json.dumps(values.plain(value))))
    np.testing.assert_array_equal(again, value)
    assert again.shape == value.shape


@pytest.mark.parametrize("value", [object(), {1, 2}, b"x", np.array(["a"]), np.array([1j])])
def test_other_values_are_refused(value: Any) -> None:
    with pytest.raises(values.ValuesError):
        values.plain(value)


@pytest.mark.parametrize("value", [{"array": [1, "x"], "shape": [2]}, {"array": [1], "shape": [2]}, {"number": "x"}])
def test_arrays_that_are_none_are_refused(value: Any) -> None:
    with pytest.raises(values.ValuesError):
        values.read(value)


# programs

HOSTILE = """
import numpy as np

def fine(x):
    print("seen", x)
    return {"twice": 2 * np.asarray(x), "tuple": (1, None, True)}

def endless():
    while True:
        pass

def read_file():
    return open("/etc/hostname").read()

def list_folder():
    import os
    return os.listdir("/")

def write_file():
    open("x", "w")

def connect():
    import socket
    socket.create_connection(("127.0.0.1", 80))

def start():
    import subprocess
    subprocess.run(["ls"])

def system():
    import os
    os.system("ls")

def fork():
    import os
    return os.fork()

def native():
    import ctypes
    return ctypes.CDLL(None)

def leave():
    import os
    os._exit(0)

def quit_python():
    raise SystemExit(3)

def memory():
    return np.ones(10 ** 10).sum()

def own_source():
    import rondo.lab.collect

def unhook():
    import gc, types
    for o in gc.get_objects():
        if isinstance(o, types.FunctionType) and o.__name__ == "hook":
            for cell in o.__closure__ or ():
                if isinstance(cell.cell_contents, tuple):
                    cell.cell_contents = ("/",)
    return open("/etc/hostname").read()

def deep(n=0):
    return deep(n + 1)

def odd():
    return object()

def large():
    return "x" * (20 << 20)

def fails():
    return 1 / 0
"""


@pytest.fixture(scope="module")
def hostile() -> Iterator[Program]:
    with Program(HOSTILE, Limits(seconds=3, processor=20, memory=512)) as program:
        yield program


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("endless", "does not end"),
        ("read_file", "may not be read"),
        ("list_folder", "may not be read"),
        ("write_file", "no file may be written"),
        ("connect", "not allowed: socket"),
        ("start", "not allowed: subprocess"),
        ("system", "not allowed: os.system"),
        ("fork", "not allowed: os.fork"),
        ("native", "not allowed: ctypes"),
        ("leave", "the process ended"),
        ("quit_python", "SystemExit"),
        ("memory", "memory|Memory"),
        ("own_source", "may not be read"),
        ("deep", "RecursionError"),
        ("odd", "found object"),
        ("large", "too large"),
        ("fails", r"answer.py:\d+: ZeroDivisionError"),
        ("nowhere", "no function nowhere; it has: fine"),
    ],
)
def test_what_a_program_may_not_do_fails_that_call_alone(hostile: Program, name: str, said: str) -> None:
    with pytest.raises(ProgramError, match=said):
        hostile(name)
    found = hostile("fine", np.arange(3.0))
    np.testing.assert_array_equal(found["twice"], [0, 2, 4])
    assert found["tuple"] == [1, None, True]
    assert hostile.said == "seen [0. 1. 2.]\n"


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_a_hook_that_was_tampered_with_leaves_the_files_closed(hostile: Program) -> None:
    hostile("fine", 1)
    assert hostile._process
    if not hostile._process.confined["files"]:
        pytest.skip("this system has no Landlock")
    with pytest.raises(ProgramError, match="PermissionError"):
        hostile("unhook")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def f(:\n", "answer.py:1: SyntaxError"),
        ("x = 1 / 0", "answer.py:1: ZeroDivisionError"),
        ("#" * 70_000, "too long"),
    ],
)
def test_a_program_that_does_not_run_says_where(text: str, said: str) -> None:
    with pytest.raises(ProgramError, match=said), Program(text, SHORT) as program:
        program("f")


# cells that are the same


@pytest.mark.parametrize("name", sorted(cells.shipped()))
def test_a_cell_is_itself(name: str) -> None:
    cell = cells.find(name)
    if cell.graph.masks:
        pytest.skip("drawn inputs are no equations")
    assert same.same_function(cell, cell, {"input": 3, "hidden": 3})


def test_the_lectures_lines_are_the_shipped_cells() -> None:
    sizes = {"input": 3, "hidden": 4}
    assert same.same_function(Cell.parse(GRU), cells.find("gru-cho"), sizes)
    assert not same.same_function(Cell.parse(GRU), cells.find("gru"), sizes)
    assert not same.same_function(Cell.parse(GRU.replace("1 - Γ_u", "Γ_u")), cells.find("gru-cho"), sizes)


def test_a_copy_keeps_its_digest_and_another_cell_has_another() -> None:
    assert same.digest(Cell.parse(LEAKY)) == same.digest(Cell.parse(RENAMED))
    assert same.same_function(Cell.parse(LEAKY), Cell.parse(RENAMED), {"input": 3, "hidden": 4})
    every = [same.digest(cells.find(name)) for name in cells.shipped()]
    assert len(set(every)) == len(every)


# experiments


def test_the_sixth_experiment_is_whole(sixth: Experiment) -> None:
    assert faults_of(sixth) == []
    assert len(sixth.parts) == 6
    assert sixth.number == 6
    for part in sixth.parts:
        assert part.text.zh.strip()
        assert part.text.en.strip()
        assert any(a.kind == "words" for a in part.answers)


def test_right_answers_get_all_points_and_nothing_gets_none(
    sixth: Experiment, right: dict[str, dict[str, str]]
) -> None:
    outcomes = mark(sixth, right, "20260101")
    assert [o for o in outcomes if not o.passed] == []
    assert total(outcomes) == sixth.points
    assert total(mark(sixth, {}, "20260101")) == 0


def test_the_template_is_an_experiment(tmp_path: Path) -> None:
    cli.app(["lab", "new", str(tmp_path / "e")], standalone_mode=False)
    assert faults_of(load(tmp_path / "e")) == []


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("number = 7", "number = 0", "number: "),
        ("number = 7", "nummer = 7", "nummer: no setting is called that"),
        ("number = 7", "number 7", "line 2"),
        ('kind = "cell"\ntitle = { zh = "与', 'kind = "cel"\ntitle = { zh = "与', "no kind 'cel'; did you mean 'cell'"),
        ('like = "elman"', 'liek = "elman"', "liek: no setting is called that"),
        ('answer = "analysis"', 'answer = "analysys"', "no answer is called 'analysys'; did you mean 'analysis'"),
        ('answer = "analysis"', 'answer = "cell"', "words reads an answer of the kind words, cell is cell"),
        ('text = "first"', 'text = "second"', "there is no file second.zh.md"),
        ('text = "first"', 'text = "../first"', "no name of a file"),
        (
            'id = "analysis"\nkind = "words"\ntitle = { zh = "分析",',
            'id = "cell"\nkind = "words"\ntitle = { zh = "分析",',
            "twice: cell",
        ),
        ("[[part]]", "[[parts]]", "begin one with"),
    ],
)
def test_a_broken_experiment_says_where(tmp_path: Path, old: str, new: str, said: str) -> None:
    cli.app(["lab", "new", str(tmp_path)], standalone_mode=False)
    path = tmp_path / "experiment.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(ExperimentError, match=re.escape(said)):  # either may find it
        raise ExperimentError("\n".join(faults_of(load(tmp_path))))


# what is wrong is named


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("back = p", "unused = p", r"∂L/∂W: right for a loss at t = 1, wrong from t = 2 on.*∂L/∂U.*∂L/∂b"),
        ('p["U"].T @ dz', 'p["U"] @ dz', "∂L/∂W: right for a loss at t = 1, wrong from t = 2 on"),
        (
            'd["U"] += np.outer(dz, s["h"][t])',
            'd["U"] += np.outer(dz, s["h"][t + 1])',
            r"^∂L/∂U: wrong for a loss at t = 1, 2",
        ),
        ('d["b"] += dz', 'd["b"] = dz', "^∂L/∂b: right for a loss at t = 1, wrong from t = 2 on"),
        ('d["b"] += dz', 'd["b"] += dz[:2]', "answer.py:11: ValueError"),
        ("return d", 'return {"W": d["W"], "U": d["U"], "c": d["b"]}', "lacks b"),
        ("return d", 'return {**d, "W": d["W"].T}', r"∂L/∂W has the shape \[3, 4\], it should be \[4, 3\]"),
        ("return d", 'return {**d, "W": d["W"] * np.nan}', "^∂L/∂W: wrong for a loss at t = 1, 2, 3, 4, 5$"),
        ("return d", "return 5", "must return a dictionary"),
        ("def backward", "def forward", "no function backward; it has: forward"),
    ],
)
def test_a_wrong_gradient_names_the_parameter_and_the_step(sixth: Experiment, old: str, new: str, said: str) -> None:
    assert old in BACKWARD
    found = outcome(sixth, "backward", "program", "program", BACKWARD.replace(old, new))
    assert not found.passed
    assert re.search(said, found.message.en), found.message.en


def test_a_wrong_step_names_the_time(sixth: Experiment) -> None:
    later = (
        STEP.replace('p["b"])}', 'p["b"]) + CALLS()}')
        + "\ncalls = []\ndef CALLS():\n    calls.append(0)\n    return 1.0 * (len(calls) == 3)\n"
    )
    found = outcome(sixth, "forward", "step", "program", later)
    assert "h<t> is wrong at t = 3" in found.message.en


@pytest.mark.parametrize(
    ("part", "check", "answer", "said"),
    [
        ("backward", "loss", "loss", "line 1, L<t>: differs from what is derived: at t = 1, 2, 3, 4"),
        ("backward", "step", "step", "line 1, dh<t-1>: differs"),
        ("backward", "sum", "sum", "the sum over time and batch is missing"),
        ("backward", "output", "output", "line 1, h<t>: differs"),
        ("gradients", "clip", "clip", "the square root is missing"),
        ("gru-lstm", "lstm", "lstm", "computes something else than lstm"),
        ("own", "new", "cell", "this is elman"),
    ],
)
def test_the_lectures_slips_are_caught_as_they_stand(
    sixth: Experiment, part: str, check: str, answer: str, said: str
) -> None:
    found = outcome(sixth, part, check, answer, sixth.part(part).answer(answer).start)
    assert not found.passed
    assert said in found.message.en


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "nothing has been answered"),
        ("abc", "no number"),
        ("nan", "finite"),
        ("-0.6524", "the sign is not"),
        ("0.5", "not the number"),
    ],
)
def test_wrong_numbers(sixth: Experiment, text: str, said: str) -> None:
    assert said in outcome(sixth, "forward", "hand", "hand", text).message.en


def test_a_choice_says_why_it_is_wrong(sixth: Experiment) -> None:
    assert "tanh′ is at most 1" in outcome(sixth, "gradients", "rule", "rule", "always").message.en


def test_a_cell_that_learns_nothing_keeps_its_curve(sixth: Experiment) -> None:
    found = outcome(
        sixth, "own", "parity", "cell", "def F(x: input, h: hidden):\n    return State(h=0.5 * h + tanh(W @ x + b))"
    )
    assert not found.passed
    assert "without memory: 0.5" in found.message.en
    assert len(found.facts["curve"]) > 3
    assert all(math.isfinite(v) for _, v in found.facts["curve"])


def test_a_cell_that_adds_x_to_its_state_has_its_gradients_checked(sixth: Experiment) -> None:
    found = outcome(
        sixth, "own", "gradient", "cell", "def F(x: hidden, h: hidden):\n    return State(h=tanh(w * h + x))"
    )
    assert found.passed, found.message.en
    assert found.facts["largest_error"] < 1e-6


# reports

ZHANG = Student(number="2026001", name="张三")


@pytest.fixture(scope="module")
def handed_in(sixth: Experiment, right: dict[str, dict[str, str]]) -> Report:
    return report(sixth, ZHANG, right)


def test_a_report_comes_back_from_its_page_and_from_its_json(
    sixth: Experiment, handed_in: Report, tmp_path: Path
) -> None:
    path = write(tmp_path, sixth, handed_in)
    assert path.name == "第6次实验-2026001-张三.html"
    assert read(path) == handed_in
    other = tmp_path / "renamed.json"
    other.write_text(to_json(handed_in), encoding="utf-8")
    assert read(other) == handed_in
    text = path.read_text(encoding="utf-8")
    for heading in ("目的", "原理", "步骤", "结果", "分析"):
        assert f"<h2>{heading}</h2>" in text
    assert "<svg" in text
    assert "<math" in text
    assert not re.search(r"""(src|href)=|https?://(?!www\.w3\.org/1998/Math)""", text)


@pytest.mark.parametrize("lang", ["zh", "en"])
def test_nothing_typed_becomes_part_of_the_page(sixth: Experiment, handed_in: Report, lang: str) -> None:
    evil = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
    answers = {part: dict.fromkeys(own, evil) for part, own in handed_in.answers.items()}
    student = Student(number="1", name=evil[:60])
    found = page(sixth, handed_in.model_copy(update={"answers": answers, "student": student}), lang)
    assert found.count("<script") == 1
    assert "<img" not in found
    assert "/" not in student.name or "/" not in handed_in.model_copy(update={"student": student}).file_name


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no report"),
        ("<p>hello</p>", "no report"),
        ("{}", "format: is missing"),
        ("\ufeff{", "no report"),
        ('{"format": 1}', "format"),
    ],
)
def test_files_that_are_no_report_are_refused(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.html"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ReportError, match=said):
        read(path)


# marking


def forged(found: Report, **changes: Any) -> Report:
    return found.model_copy(update=changes)


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """The template's experiment, with a training whose value can be forged."""
    folder = tmp_path_factory.mktemp("small")
    cli.app(["lab", "new", str(folder)], standalone_mode=False)
    text = (folder / "experiment.toml").read_text(encoding="utf-8").replace('like = "elman"', "")
    probe = 'id = "probe"\nkind = "probe"\ntitle = {zh = "奇偶", en = "parity"}\nanswer = "cell"\ntask = "parity"\n'
    text += f"\n[[part.check]]\n{probe}length = 4\nparameters = 60\nsteps = 20\nshare = 5.0\n"
    (folder / "experiment.toml").write_text(text, encoding="utf-8")
    return load(folder)


def handed(experiment: Experiment, number: str, cell: str) -> Report:
    return report(
        experiment, Student(number=number, name=f"学生{number}"), {"first": {"cell": cell, "analysis": "析" * 50}}
    )


def put(folder: Path, name: str, found: Report) -> None:
    (folder / name).write_text(to_json(found), encoding="utf-8")


def test_a_class_is_marked_whatever_the_files_are_called(small: Experiment, tmp_path: Path) -> None:
    put(tmp_path, "a.json", handed(small, "101", LEAKY))
    write(tmp_path, small, handed(small, "102", "def F(x: input, h: hidden):\n    return State(h=h + tanh(W @ x + b))"))
    put(tmp_path, "copy of b.json", handed(small, "103", RENAMED))
    (tmp_path / "notes.html").write_text("<p>no report</p>", encoding="utf-8")
    marked, refused = collect(small, tmp_path)
    assert [m.report.student.number for m in marked] == ["101", "102", "103"]
    assert len(refused) == 1
    assert "notes.html" in refused[0]
    assert [any("the same cell as" in r for r in m.remarks) for m in marked] == [True, False, True]
    assert all(m.points == total(mark(small, m.report.answers, m.report.student.number)) for m in marked)
    write_grades(tmp_path / "grades.csv", small, marked)
    rows = list(csv.DictReader((tmp_path / "grades.csv").open(encoding="utf-8-sig")))
    assert [r["学号"] for r in rows] == ["101", "102", "103"]
    assert {r["满分"] for r in rows} == {f"{small.points:g}"}


def test_forged_results_are_caught_and_earn_nothing(small: Experiment, tmp_path: Path) -> None:
    honest = handed(small, "201", LEAKY)
    claims = [o.model_copy(update={"passed": True, "points": 50.0}) for o in honest.outcomes]
    put(tmp_path, "points.json", forged(honest, outcomes=claims))
    raised = [o.model_copy(update={"facts": {**o.facts, "value": 0.99}}) for o in honest.outcomes]
    put(tmp_path, "value.json", forged(honest, outcomes=raised, student=Student(number="202", name="乙")))
    empty = forged(honest, answers={}, student=Student(number="203", name="丙"))
    put(tmp_path, "empty.json", empty)
    put(tmp_path, "honest.json", forged(honest, student=Student(number="204", name="丁"), seed=seed_of("204")))
    points, value, nothing, fair = collect(small, tmp_path)[0]
    assert any("claims 50 points" in r for r in points.remarks)
    assert points.points <= small.points
    assert any("claims 0.99" in r for r in value.remarks)
    assert any("the seed is not that of the number" in r for r in value.remarks)
    assert nothing.points == 0
    assert any("claimed right, comes out wrong" in r for r in nothing.remarks)
    assert not [r for r in fair.remarks if "same cell" not in r]


def test_the_newest_report_of_a_student_counts(small: Experiment, tmp_path: Path) -> None:
    first = handed(small, "301", "nothing")
    put(tmp_path, "z.json", forged(first, made="2026-01-01T00:00:00+00:00"))
    put(tmp_path, "a.json", forged(handed(small, "301", LEAKY), made="2026-01-02T00:00:00+00:00"))
    (only,) = collect(small, tmp_path)[0]
    assert only.path.name == "a.json"


@pytest.mark.parametrize("name", ["=1+1", "+x", "-x", "@x"])
def test_no_name_is_a_formula_in_the_table(small: Experiment, tmp_path: Path, name: str) -> None:
    one = forged(handed(small, "401", LEAKY), student=Student(number="401", name=name))
    put(tmp_path, "x.json", one)
    write_grades(tmp_path / "g.csv", small, collect(small, tmp_path)[0])
    (row,) = csv.DictReader((tmp_path / "g.csv").open(encoding="utf-8-sig"))
    assert row["姓名"] == f"'{name}"


# a student's folder


def test_a_folder_is_begun_filled_in_and_read(tmp_path: Path, sixth: Experiment) -> None:
    begin(tmp_path / "w", SIXTH)
    experiment, answers = read_work(tmp_path / "w")
    assert experiment.digest == sixth.digest
    assert answers == {p.id: {a.id: a.start for a in p.answers} for p in sixth.parts}
    (tmp_path / "w" / "1-forward" / "hand.txt").write_text("0.6524\n", encoding="utf-8-sig")
    assert read_work(tmp_path / "w")[1]["forward"]["hand"] == "0.6524\n"
    with pytest.raises(WorkError, match="nothing is overwritten"):
        begin(tmp_path / "w", SIXTH)
    with pytest.raises(WorkError, match="rondo lab begin"):
        read_work(tmp_path)


def test_hidden_checks_are_neither_written_nor_shown(tmp_path: Path, sixth: Experiment) -> None:
    begin(tmp_path / "w", SIXTH)
    everything = "".join(p.read_text(encoding="utf-8") for p in (tmp_path / "w").rglob("*") if p.is_file())
    hidden = [c for p in sixth.parts for c in p.checks if c.hidden]
    assert hidden
    for check in hidden:
        assert check.title.zh not in everything
    assert not [o for o in mark(sixth, {}, hidden=False) if o.hidden]


def test_the_commands(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cli.app(["lab", "new", str(tmp_path / "e")], standalone_mode=False)
    cli.app(["lab", "check", str(tmp_path / "e")], standalone_mode=False)
    assert "1 parts, 8 points" in capsys.readouterr().out
    cli.app(["lab", "begin", str(tmp_path / "w"), "--experiment", str(tmp_path / "e")], standalone_mode=False)
    shutil.copy(tmp_path / "w" / "1-first" / "cell.cell", tmp_path / "before")
    (tmp_path / "w" / "1-first" / "cell.cell").write_text(cells.shipped()["elman"].__doc__ or "", encoding="utf-8")
    cli.app(["lab", "try", str(tmp_path / "w"), "--lang", "en"], standalone_mode=False)
    assert "0 / 7" in capsys.readouterr().out
    (tmp_path / "w" / "1-first" / "cell.cell").write_text("h = tanh(W @ x + U @ h + b)", encoding="utf-8")
    (tmp_path / "r").mkdir()
    cli.app(
        ["lab", "report", str(tmp_path / "w"), "--number", "7", "--name", "王五", "--out", str(tmp_path / "r")],
        standalone_mode=False,
    )
    assert (tmp_path / "r" / "第7次实验-7-王五.html").is_file()
    cli.app(
        ["lab", "collect", str(tmp_path / "r"), "--experiment", str(tmp_path / "e"), "--out", str(tmp_path / "g.csv")],
        standalone_mode=False,
    )
    assert "1 reports, 0 refused" in capsys.readouterr().out
