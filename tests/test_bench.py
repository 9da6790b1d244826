"""The benchmark's arithmetic, its gate and its targets; no speed is tested here."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch

from rondo import cells
from rondo.expr.plan import plan
from rondo.kernels import check, fused, reference

from benchmarks import cellwise, eager, elementwise, memory, peaks, rivals, run, stream, timing, waiting
from benchmarks.flops import forward_flops, loop_bytes, training_flops
from benchmarks.gate import steps_off_kinks
from benchmarks.options import SHAPES, Options, Shape
from benchmarks.report import Verdict

TINY = Shape(5, 3, 4, 6)


def sizes(cell: str, inputs: int = 5, units: int = 7) -> dict[str, int]:
    return {name: inputs if name == "input" else units for name in cells.find(cell).graph.size_names}


# -- timing


def test_ratio_is_the_median_of_neighbours_not_the_ratio_of_medians() -> None:
    pair = timing.Pair(ours=[1.0, 2.0, 4.0], theirs=[3.0, 2.0, 8.0])
    assert pair.ratio == 2.0  # of 3, 1, 2
    assert pair.spread == (1.5, 2.5)
    assert pair.row() == {"ours_ms": 2000.0, "theirs_ms": 3000.0, "ratio": 2.0, "q1": 1.5, "q3": 2.5}


def test_quartiles_and_geometric_mean() -> None:
    assert timing.quartiles([4.0]) == (4.0, 4.0)
    assert timing.quartiles([5, 1, 2, 4, 3]) == (2.0, 4.0)
    assert timing.geometric_mean([1.0, 4.0, 2.0]) == pytest.approx(2.0)
    assert math.isnan(timing.geometric_mean([]))


def test_runs_alternate_and_every_second_round_goes_backwards(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    monkeypatch.setattr(timing, "measured", lambda call, count: float(call() or count))
    samples = timing.interleaved([lambda: seen.append("a"), lambda: seen.append("b")], repeats=3, seconds=2.0)
    assert "".join(seen[4:]) == "ab" + "ba" + "ab"  # two calls of each come before
    assert samples == [[2.0] * 3, [2.0] * 3]  # the faked call takes a second for each count: two fill a sample


# -- counting


@pytest.mark.parametrize(("cell", "gates"), [("lstm", 4), ("gru", 3), ("gru-cho", 3), ("elman", 1), ("mgu", 2)])
def test_flops_have_their_closed_form(cell: str, gates: int) -> None:
    graph, s = cells.find(cell).graph, sizes(cell)
    assert forward_flops(graph, s) == 2 * gates * 7 * (5 + 7)
    assert training_flops(graph, s, wants_x=True) == 3 * forward_flops(graph, s)
    assert training_flops(graph, s) == 2 * gates * 7 * (2 * 5 + 3 * 7)  # no gradient of x


def test_flops_of_several_levels_and_of_a_projection() -> None:
    assert forward_flops(cells.find("lstm-projected").graph, {"input": 5, "hidden": 7, "proj": 3}) == 2 * (
        4 * 7 * (5 + 3) + 7 * 3
    )
    mogrifier = cells.find("mogrifier").graph
    assert forward_flops(mogrifier, sizes("mogrifier")) == 2 * (5 * 5 * 7 + 4 * 7 * (5 + 7))  # five rounds


def test_flops_are_those_of_the_plan() -> None:
    for name in cells.shipped():
        p, s = plan(cells.find(name).graph), sizes(name, 7)
        stages = [(q, g) for q in p.forward.stages for g in q.groups]
        planned = sum(2 * s[q.size] * len(g.slots) * sum(s[p.sizes[o]] for o in g.operands) for q, g in stages)
        assert forward_flops(p.graph, s) == planned, name


@pytest.mark.parametrize(
    ("cell", "inference", "training"),
    [
        ("ind-rnn", 1 + 1, 2 + 3 + 1),  # reads p, writes h; back: reads p, h, dL/dh, writes dL/dp
        ("min-gru", 2 + 1, 3 + 4 + 2),
    ],
)
def test_bytes_of_a_loop(cell: str, inference: int, training: int) -> None:
    graph = elementwise.without_products(cells.find(cell).graph)
    for value, mode in ((inference, False), (training, True)):
        assert loop_bytes(plan(graph), sizes(cell), mode) == 4 * 7 * value


def test_a_loop_without_products_is_the_cell() -> None:
    graph = cells.find("sru").graph
    bare = elementwise.without_products(graph)
    assert not any(p.is_matrix for p in bare.params.values())
    case = check.case(graph, 4, 3, {"input": 6, "hidden": 6})
    whole, final = check.run(graph, case, reference.scan)
    x = case.x["x"]
    given = {f"p{i}": x @ case.params[w].T for i, w in enumerate(["W_f", "W", "W_r"])}
    vectors = {k: v for k, v in case.params.items() if k in bare.params}
    y, state = reference.scan(bare, vectors, {"x": x, **given}, case.state)
    torch.testing.assert_close(y, whole)
    torch.testing.assert_close(state["c"], final["c"])
    with pytest.raises(ValueError, match="products in its time loop"):
        elementwise.without_products(cells.find("elman").graph)


def test_kept_bytes_count_each_storage_once() -> None:
    d = rivals.duel("lstm", Shape(10, 4, 16, 16))
    unit = 4 * 10 * 4 * 16
    assert memory.kept_bytes(d.ours) <= (6 + 2 / 10) * unit  # four gates, c and h; the state entering
    assert memory.kept_bytes(d.theirs) > memory.kept_bytes(d.ours)


def test_peak_of_a_fresh_process_grows_with_the_shape() -> None:
    small, large = (memory.peak_bytes("ours", "elman", Shape(T, 32, 64, 256), 1) for T in (20, 200))
    assert large - small > 4 * 180 * 32 * 256  # h is kept


# -- targets


def test_verdicts_say_met_or_missed_by_how_much() -> None:
    assert Verdict("a", 1.3, 1.25).text() == "a: 1.3, asked at least 1.25: met"
    assert Verdict("a", 0.9, 1.2, detail="at x").text() == "a: 0.9, asked at least 1.2: missed by 25.0% (at x)"
    assert Verdict("a", 9, 6, at_most=True).text() == "a: 9, asked at most 6: missed by 50.0%"
    assert Verdict("a", 6, 6, at_most=True).met
    assert not Verdict("a", math.nan, 1).met


def test_targets_of_the_issue() -> None:
    def rows(cell: str, one: float, many: float) -> list[dict[str, Any]]:
        named = [{"cell": cell, "shape": str(s), "threads": t} for s in SHAPES for t in (1, 2)]
        return [{**r, "ratio": 0.1 if r["threads"] == 1 else one if "x1x" in r["shape"] else many} for r in named]

    assert [(v.limit, v.met) for v in rivals.verdicts("train", rows("lstm", 4.0, 0.96))] == [
        (1.25, True),
        (0.97, False),
    ]
    for cell in ("gru", "gru-cho", "elman"):
        found = rivals.verdicts("train", rows(cell, 9.0, 2.1))
        assert [(v.limit, round(v.value, 3)) for v in found] == [(2.0, 2.1), (10.0, 9.0)]
        assert rivals.verdicts("inference", rows(cell, 9.0, 1.4))[0].limit == 1.5
    assert rivals.verdicts("forward", rows("lstm", 4.0, 0.95))[0].met
    assert not rivals.verdicts("train", [r for r in rows("lstm", 4.0, 2.0) if r["threads"] == 1])


def test_layer_norm_has_the_lower_target() -> None:
    row = {"shape": "s", "relative": 0.6}
    assert not cellwise.verdict("mgu", [{"cell": "mgu", **row}]).met
    assert cellwise.verdict("layer-norm-gru", [{"cell": "layer-norm-gru", **row}]).met


# -- gate


def parts(shape: Shape) -> dict[str, Any]:
    """Every part's comparisons at one small shape."""
    options = Options(shapes=(shape,), cells=("lstm", "gru", "gru-cho", "elman"), threads=(1,), quick=True)
    every = {"rivals": rivals.checks, "eager": eager.checks, "stream": stream.checks}
    return {name: list(part(options)) for name, part in every.items()}


def test_the_gate_is_green() -> None:
    for name, found in parts(TINY).items():
        assert found, name
        assert all(c.green for c in found), [c.text() for c in found if not c.green]


def test_rondo_nn_passes_its_gate() -> None:
    options = Options(shapes=(TINY, TINY), threads=(1,))
    found = list(rivals.module_checks(options))
    assert len(found) == 3
    assert all(c.green for c in found)


def test_a_kinked_cell_is_compared_over_fewer_steps() -> None:
    shape = Shape(100, 20, 650, 650)
    assert steps_off_kinks(cells.find("elman-relu").graph, shape) == 15
    assert steps_off_kinks(cells.find("elman").graph, shape) == 100


def wrong_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """A kernel whose output is off by a thousandth in one unit; its gradients stay right."""

    def scan(*args: Any, **more: Any) -> Any:
        y, final = fused_scan(*args, **more)
        return y + 1e-3 * torch.nn.functional.one_hot(torch.tensor(0), y.shape[-1]), final

    fused_scan = fused.scan
    monkeypatch.setattr(fused, "scan", scan)


def test_a_wrong_kernel_is_red_in_every_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong_kernel(monkeypatch)
    for name in ("rivals", "eager"):
        assert not any(c.green for c in parts(TINY)[name]), name


def test_a_red_gate_prints_no_speed_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    wrong_kernel(monkeypatch)
    monkeypatch.setattr(run, "measure", lambda *_: pytest.fail("something was timed"))
    file = tmp_path / "b.json"
    arguments = ["--quick", "--what", "train", "--cells", "gru-cho", "--shapes", str(TINY), "--threads", "1"]
    assert run.main([*arguments, "--json", str(file)]) == 1
    printed = capsys.readouterr().out
    assert "gru-cho 5x3x4x6, 1 thread(s): " in printed
    assert "no speed is reported" in printed
    assert not file.exists()


def test_a_green_run_prints_and_writes_all_numbers(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(peaks, "_matmul_rate", lambda *_: 1e11)
    peaks.matmul_peak.cache_clear()
    file = tmp_path / "b.json"
    arguments = [
        "--quick",
        "--what",
        "train,inference,eager",
        "--cells",
        "elman",
        "--shapes",
        str(TINY),
        "--threads",
        "1",
    ]
    assert run.main([*arguments, "--repeats", "2", "--json", str(file)]) == 0
    data = json.loads(file.read_text())
    assert {"cpu", "torch", "compiler", "march", "date", "cores", "load"} <= data["machine"].keys()
    assert data["options"]["shapes"] == ["5x3x4x6"]
    assert data["matmul_gflops"] == {"1": 100.0}
    assert [len(t["rows"]) for t in data["tables"]] == [1, 1, 1]
    row = data["tables"][0]["rows"][0]
    assert row["share"] == pytest.approx(row["gflops"] / 100)
    assert "5x3x4x6" in capsys.readouterr().out


def test_a_busy_machine_is_told() -> None:
    assert run.busy({1: 100.0, 2: 90.0})
    assert not run.busy({1: 100.0, 2: 180.0})
    assert not run.busy({2: 50.0})
    assert run.unsteady([{"q1": 1.0, "q3": 1.6}, {"q1": 1.0, "q3": 1.4}, {"kept": 6.0}]) == (1, 2)


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--shapes", "10x2x8", "TxBxIxH"),
        ("--shapes", "10x0x8x8", "TxBxIxH"),
        ("--cells", "lstm,grue", "unknown: grue"),
        ("--what", "speed", "unknown: speed"),
        ("--threads", "0", "above zero"),
        ("--repeats", "many", "above zero"),
    ],
)
def test_bad_options_say_what_is_wrong(
    option: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        run.parser().parse_args([option, value])
    assert message in capsys.readouterr().err


def test_onnx_model_is_the_cell() -> None:
    pytest.importorskip("onnx", reason="onnx is of the extra `bench`")
    pytest.importorskip("onnxruntime", reason="onnxruntime is of the extra `bench`")
    _, theirs = stream.sides(16)
    x = torch.randn(1, 16)
    ours, torchs = stream.tokens_of_onnx(theirs, x, 3, 1)(), stream.tokens_of_theirs(theirs, x, 3)()
    torch.testing.assert_close(ours, torchs, rtol=0, atol=1e-6)  # float32 on both sides


def test_what_a_person_waits_for_is_measured() -> None:
    found = waiting.report(1)
    assert [row["what"] for row in found.rows] == list(waiting.AIMS)
    assert all(0 < row["ms"] <= row["95%"] for row in found.rows)
