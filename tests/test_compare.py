"""The comparison of cells: fair budgets, the rule of the verdicts, the text as a probe, the command."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Generator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rondo import cells
from rondo.cell import Cell
from rondo.data.batch import IGNORED
from rondo.lab import compare as lab
from rondo.lab import verdicts
from rondo.lab.words import words
from rondo.probes import adding, characters, compare
from rondo.probes.probe import ProbeError
from rondo.probes.run import Settings, build, count, units
from rondo.render.load import cell_from_json

RHYME = "".join(
    f"one for the {who}, and {count} for the dame, and none for the little boy who lives down the lane\n"
    for count in ("one", "two", "three", "four")
    for who in ("master", "sailor", "tinker", "tailor", "soldier")
)
SMALL = Settings(parameters=1500, seeds=2, lr=(0.01, 0.03), batch=4)
LSTM, GRU, ELMAN = cells.find("lstm"), cells.find("gru-cho"), cells.find("elman")


def ended(work: Generator[object, None, Any]) -> Any:
    """What a generator comes to."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return end.value


@pytest.fixture(scope="module")
def text() -> lab.Text:
    return lab.Text(name="a rhyme", train=RHYME * 2)


@pytest.fixture(scope="module")
def result(text: lab.Text) -> lab.Result:
    """A tiny comparison of all three."""
    patched = {"characters": 20, "adding": 20, "agreement": 20}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compare, "STEPS", patched)
        patch.setattr(compare, "TURNS", 1)
        patch.setattr(compare, "REPEATS", 2)
        patch.setattr(compare, "HELD", 16)
        tasks = compare.tasks([text.train], (), length=6)
        own = {"elman": ELMAN, "gru-cho": GRU, "lstm": LSTM}
        found: lab.Result = ended(lab.measured(own, tasks, text, SMALL, "rondo compare"))
        return found


# ---- the text as a probe ----


def test_characters_are_the_text_read_on(text: lab.Text) -> None:
    probe = characters.probe([text.train], window=10)
    first, second = probe.train(0, 3), probe.train(1, 3)
    assert (first.fresh, second.fresh) == (True, False)  # the state is carried
    assert torch.equal(first.x[:, 1:], first.labels[:, :-1])
    assert torch.equal(first.labels[:, -1], second.x[:, 0])
    assert not torch.equal(first.x, probe.train(1_000_000, 3).x)  # another seed begins elsewhere
    assert torch.equal(first.x, probe.train(0, 3).x)


def test_every_held_out_character_counts_once(text: lab.Text) -> None:
    probe = characters.probe([text.train], ["one for the master\n" * 30])
    batch = probe.valid.draw(0, 1)
    assert int((batch.labels != IGNORED).sum()) == probe.valid.at == 30 * 19
    assert probe.measure.goal < probe.valid.line < math.log2(probe.inputs)  # five-grams, pairs, nothing


def test_bits() -> None:
    scores, y = torch.zeros(1, 3, 8), torch.tensor([[1, 2, IGNORED]])
    total, count = characters.bits(scores, y)
    assert (float(total), count) == (pytest.approx(6.0), 2)  # three bits for one of eight


# ---- fair budgets ----


def test_all_get_the_same(result: lab.Result) -> None:
    assert [t.name for t in result.tasks] == ["characters", "adding", "agreement"]
    for task in result.tasks:
        assert [(t.cell, t.seed) for t in task.trials] == [(c, s) for s in (1, 2) for c in ("elman", "gru-cho", "lstm")]
        for trial in task.trials:
            steps, clock, _ = zip(*trial.curve, strict=True)
            assert list(steps) == sorted(steps)
            assert list(clock) == sorted(clock)
            assert trial.at("steps", task.steps)[0] == task.steps  # measured at exactly as many
            assert trial.at("time", task.seconds)[1] >= task.seconds  # and on as long
            assert abs(trial.parameters / SMALL.parameters - 1) < 0.3  # of tiny networks: units are whole
        assert {t.lr for t in task.trials} <= set(SMALL.lr)
        for cell in result.cells:  # one rate a cell, chosen by the first seed
            assert len({t.lr for t in task.trials if t.cell == cell}) == 1


@pytest.mark.parametrize("cell", [ELMAN, GRU, LSTM], ids=["elman", "gru", "lstm"])
def test_parameters_are_equal_within_two_percent(cell: Cell) -> None:
    for probe in (adding.probe(50), characters.probe([RHYME * 2])):
        found = count(build(cell, probe, units(cell, probe, Settings().parameters)))
        assert abs(found / Settings().parameters - 1) < 0.02


def test_taking_turns_changes_no_training(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "HELD", 16)
    task = compare.Task(adding.probe(6), 40)

    def one(name: str) -> Generator[compare.Point, None, compare.Trial]:
        return compare.training(name, cells.find(name), 6, task, SMALL, 0.01, 1, 1e-9, task.held())

    def values(trial: compare.Trial) -> list[float]:
        return [value for step, _, value in trial.curve if step % 2 == 0]

    for trial in ended(compare.in_turns([one("lstm"), one("gru-cho")])):
        assert values(trial) == values(ended(one(trial.cell)))


def test_a_training_that_diverges_ends_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "HELD", 16)
    wild = cell_from_json(
        {"equations": "def Wild(x: input, h: hidden):\n    return State(h=30 * h * h + exp(W @ x) + b)\n"}
    )
    task = compare.Task(adding.probe(30), 20)
    work = compare.training("wild", wild, 4, task, SMALL, 0.01, 1, 0.01, task.held())
    trial = ended(work)
    assert "not finite" in trial.stopped
    assert trial.at_steps(20) == trial.curve[-1] == trial.at_time(1e9)
    facts = lab.trial_facts(trial)
    assert facts.curve[-1][2] is None or math.isfinite(facts.curve[-1][2])


def test_structure_counts_what_stands_in_the_equations() -> None:
    found = {name: compare.structure(cells.find(name)) for name in ("elman", "gru-cho", "gru", "lstm")}
    assert [(s.gates, s.states, s.levels) for s in found.values()] == [(0, 1, 1), (2, 1, 2), (2, 1, 1), (3, 2, 1)]
    elman = 64 * 64 + 64 * 64 + 64
    assert [found[n].parameters for n in ("elman", "gru-cho", "lstm")] == [elman, 3 * elman, 4 * elman]


@pytest.mark.parametrize("share", [0, -1, 1.5, math.nan])
def test_shares(share: float) -> None:
    with pytest.raises(ProbeError, match="share"):
        compare.tasks([], share=share)


# ---- the table and the rule ----


def figure(one: list[float | None], other: list[float | None], higher: bool = False) -> verdicts.Figure:
    own = {verdicts.GRU: verdicts.spread(one), verdicts.LSTM: verdicts.spread(other)}
    return verdicts.Figure(id="f", kind="steps", title=words("", ""), higher=higher, cells=own)


NUMBERS = st.lists(st.floats(-10, 10), min_size=1, max_size=4)


@given(NUMBERS, NUMBERS, st.booleans())
def test_a_figure_favours_a_cell_only_where_ranges_lie_apart(a: list[float], b: list[float], higher: bool) -> None:
    found = verdicts.favours(figure(a, b, higher), verdicts.GRU, verdicts.LSTM)
    overlap = max(min(a), min(b)) <= min(max(a), max(b))
    assert (found == "") == overlap
    if not overlap:
        better = np.mean(a) > np.mean(b) if higher else np.mean(a) < np.mean(b)
        assert found == (verdicts.GRU if better else verdicts.LSTM)
    turned = verdicts.favours(figure(b, a, higher), verdicts.GRU, verdicts.LSTM)
    assert (turned == "") == overlap


def test_what_is_no_number_is_worse_than_any() -> None:
    assert verdicts.favours(figure([None, None], [1.0, 2.0]), verdicts.GRU, verdicts.LSTM) == verdicts.LSTM
    assert verdicts.favours(figure([None, 1.0], [1.5, 2.0]), verdicts.GRU, verdicts.LSTM) == ""
    assert verdicts.favours(figure([], [1.0]), verdicts.GRU, verdicts.LSTM) == ""


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (["a", "a", ""], "supported"),
        (["b", ""], "contradicted"),
        (["a", "b"], "open"),
        (["", ""], "open"),
        ([], "open"),
    ],
)
def test_verdicts(found: list[str], word: str) -> None:
    assert verdicts.verdict(dict(enumerate(found)), "a", "b") == word  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("winners", "word"),
    [
        ([verdicts.GRU, verdicts.LSTM, ""], "supported"),
        ([verdicts.LSTM] * 3, "contradicted"),
        ([verdicts.LSTM, ""], "open"),
        (["", ""], "open"),
    ],
)
def test_no_rule(winners: list[str], word: str) -> None:
    assert verdicts._no_rule({str(k): name for k, name in enumerate(winners)}).verdict == word


def test_a_table_at_a_share_reads_the_curves_there(result: lab.Result) -> None:
    for share in (0.25, 0.5, 1.0):
        table = verdicts.summary(result, share)
        for task in result.tasks:
            found = table.figure(f"{task.name}-steps")
            assert found is not None
            for cell, spread in found.cells.items():
                assert spread.steps == share * task.steps
                want = [t.at("steps", share * task.steps)[2] for t in task.trials if t.cell == cell]
                assert spread.values == want
                assert (spread.low, spread.high) == (min(want), max(want))
            timed = table.figure(f"{task.name}-time")
            assert timed is not None
            assert all(s.seconds is not None and s.seconds >= share * task.seconds for s in timed.cells.values())
    assert [s.text.en.split()[-1] for s in verdicts.summary(result).sentences] == ["faster.", "flexible.", "choose."]
    with pytest.raises(ProbeError):
        verdicts.summary(result, 0)


def test_without_a_gru_there_are_no_sentences(result: lab.Result) -> None:
    kept = {name: facts for name, facts in result.cells.items() if name != "gru-cho"}
    assert verdicts.summary(result.model_copy(update={"cells": kept})).sentences == []


# ---- results in files, and a cell of one's own ----


def test_a_result_is_plain_data(result: lab.Result, tmp_path: Path) -> None:
    path = tmp_path / "compare.json"
    path.write_text(result.model_dump_json(), encoding="utf-8")
    assert lab.load(path) == result
    path.write_text("{}", encoding="utf-8")
    with pytest.raises(lab.CompareError, match="no result"):
        lab.load(path)
    with pytest.raises(lab.CompareError, match="cannot be read"):
        lab.load(tmp_path / "none.json")


def test_a_cell_of_ones_own_joins(result: lab.Result, text: lab.Text, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compare, "STEPS", {t.name: t.steps for t in result.tasks})
    monkeypatch.setattr(compare, "TURNS", 1)
    monkeypatch.setattr(compare, "HELD", 16)
    found = ended(lab.joined(cells.find("mgu"), result, text, share=0.5, seeds=1))
    assert list(found.cells) == ["elman", "gru-cho", "lstm", lab.OWN]
    table = verdicts.summary(found, 0.5)
    for task in result.tasks:
        mine = table.figure(f"{task.name}-steps")
        assert mine is not None
        assert mine.cells[lab.OWN].steps == 0.5 * task.steps
        assert len(mine.cells[lab.OWN].values) == 1
    assert {s.cell for s in found.speeds} == set(found.cells)
    assert all(s.values[0] > 0 for s in found.speeds if s.cell == lab.OWN)
    for before, after in zip(result.tasks, found.tasks, strict=True):  # the others are as they were
        assert before.trials == [t for t in after.trials if t.cell != lab.OWN]


def test_another_text_is_not_taken_for_the_same(result: lab.Result, tmp_path: Path) -> None:
    facts = result.text
    assert facts is not None
    assert lab.text_of(result) is None  # a rhyme is no data set
    claimed = result.model_copy(update={"text": facts.model_copy(update={"name": lab.DATA_SET})})
    folder = tmp_path / lab.DATA_SET
    folder.mkdir()
    for name in ("train.txt.gz", "valid.txt.gz"):
        (folder / name).write_bytes(gzip.compress(b"another text"))
    assert lab.text_of(claimed, tmp_path) is None
    (folder / "train.txt.gz").write_bytes(gzip.compress((RHYME * 2).encode()))
    assert lab.text_of(claimed, tmp_path) is not None


# ---- the shipped figures, and the command ----


def test_the_shipped_figures() -> None:
    found = lab.shipped()
    assert found.command == "rondo compare --json src/rondo/bundled/compare.json"
    assert list(found.cells) == list(lab.CELLS)
    assert found.settings["seeds"] == 3
    assert lab.SHIPPED.stat().st_size < 1 << 18
    for task in found.tasks:
        assert task.steps == compare.STEPS[task.name]
        for trial in task.trials:
            assert abs(trial.parameters / found.settings["parameters"] - 1) < 0.02
            assert trial.at("steps", task.steps)[0] == task.steps
            assert trial.at("time", task.seconds)[1] >= task.seconds
    for name, facts in found.cells.items():  # the equations are still those that ship
        assert lab.cell_facts(name, cells.find(name)) == facts
    assert len(verdicts.summary(found).sentences) == 3


def test_the_command(run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr(compare, "STEPS", {"characters": 40, "adding": 20, "agreement": 20})
    monkeypatch.setattr(compare, "TURNS", 1)
    monkeypatch.setattr(compare, "REPEATS", 1)
    monkeypatch.setattr(compare, "HELD", 8)
    (tmp_path / "rhyme.txt").write_text(RHYME * 2, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    options = ("--text", "rhyme.txt", "--parameters", "200", "--seeds", "1", "--json", "out.json")
    code, out, _ = run("compare", "gru-cho", "lstm", *options)
    assert code == 0
    assert "bits per character, equal time" in out
    assert "The GRU is simpler and faster." in out
    assert json.loads((tmp_path / "out.json").read_text())["text"]["name"] == "rhyme.txt"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--share", "2"), "share"),
        (("gru-cho", "lstm", "--join"), "--join takes one cell"),
        (("nocell", "--text", "none.txt"), "nocell"),
        (("--text", "none.txt"), "none.txt"),
        (("--json", "nofolder/x.json"), "there is no folder"),
    ],
)
def test_what_is_refused(run, options: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv("RONDO_DATA", raising=False)
    code, _, err = run("compare", *options)
    assert code == 2
    assert said in err
    assert "Traceback" not in err


def test_without_the_data_set_the_command_says_how_to_get_it(run, monkeypatch: pytest.MonkeyPatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.delenv("RONDO_DATA", raising=False)
    code, _, err = run("compare")
    assert code == 2
    assert "rondo data lm-tinyshakespeare --get FOLDER" in err
