"""The command line: every command, and every fault as one message with exit code 2."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from rondo import cli
from rondo.cells import shipped


def rondo(*arguments: str) -> subprocess.CompletedProcess[str]:
    """The command in a process of its own, as a user calls it."""
    return subprocess.run(
        [sys.executable, "-m", "rondo.cli", *arguments], capture_output=True, text=True, check=False, timeout=300
    )


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Call `main` in this process: returns exit code, output and errors."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rondo", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), *capsys.readouterr()

    return call


def test_help_needs_no_torch_and_no_time() -> None:
    code = "import sys, rondo.cli; sys.argv = ['rondo', '--help']\n"
    code += "try: rondo.cli.main()\nfinally: assert 'torch' not in sys.modules"
    assert any(cpu_seconds([sys.executable, "-c", code]) < 0.5 for _ in range(5))  # a busy machine may need a few


def test_import_loads_no_torch_compiler_or_plots() -> None:
    heavy = "{'torch', 'numpy', 'rich', 'typer', 'altair', 'subprocess'} & set(sys.modules)"
    done = subprocess.run([sys.executable, "-c", f"import rondo, sys; print({heavy})"], capture_output=True, text=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_import_is_cheap_beyond_torch() -> None:
    code = (
        "import torch, time; t = time.process_time(); import rondo; rondo.RNN; rondo.nn; print(time.process_time() - t)"
    )
    runs = (subprocess.run([sys.executable, "-c", code], capture_output=True, text=True) for _ in range(5))
    assert any(float(r.stdout) < 0.3 for r in runs)


def cpu_seconds(command: list[str]) -> float:
    """Processor time of a command: unlike the clock it does not count other tests on the same machine."""
    before = os.times()
    subprocess.run(command, check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def test_public_names() -> None:
    import rondo

    assert all(getattr(rondo, name) is not None for name in rondo.__all__)
    assert set(rondo.__all__) <= set(dir(rondo))
    with pytest.raises(AttributeError, match="no attribute 'LTSM'"):
        rondo.LTSM  # noqa: B018


def test_version_is_the_changelogs() -> None:
    import rondo

    log = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\S+)", log, re.M).group(1) == rondo.__version__  # type: ignore[union-attr]


def test_bare_command_prints_help(run) -> None:
    code, out, _ = run()
    assert code == 0
    assert "show" in out


def test_cells_lists_every_cell_on_one_line(run) -> None:
    _, out, _ = run("cells")
    assert [line.split()[0] for line in out.splitlines()] == list(shipped())
    assert all(len(line.split()) > 1 for line in out.splitlines())


@pytest.mark.parametrize("name", list(shipped()))
def test_cite_gives_bibtex(run, name: str) -> None:
    code, out, _ = run("cite", name)
    assert code == 0
    assert out.startswith("@")
    assert out.count("{") == out.count("}")
    assert all(field in out for field in ("author = {", "title = {", "year = {"))


@pytest.mark.parametrize("reading", ["--equations", "--bptt", "--plan", "--cpp", "--latex", "--mathml", "--json"])
def test_show_readings(run, reading: str) -> None:
    code, out, err = run("show", "gru-cho", reading)
    assert code == 0, err
    assert len(out.splitlines()) > 3


def test_show_defaults_to_equations_and_takes_several(run) -> None:
    assert run("show", "lstm") == run("show", "LSTM", "--equations")
    _, both, _ = run("show", "lstm", "--equations", "--json")
    assert both.startswith("def LSTM")
    assert '"equations"' in both


def test_show_reads_text_and_json(run, tmp_path: Path) -> None:
    _, text, _ = run("show", "gru")
    _, data, _ = run("show", "gru", "--json")
    (tmp_path / "mine.txt").write_text(text, encoding="utf-8")
    (tmp_path / "mine.json").write_text(data, encoding="utf-8")
    assert run("show", str(tmp_path / "mine.txt"))[1] == text
    assert run("show", str(tmp_path / "mine.json"), "--json")[1] == data


def test_show_reads_the_lectures_lines(run, tmp_path: Path) -> None:
    lines = "c̃ = tanh(W_c[c<t-1>, x<t>] + b_c)\nΓ_u = σ(W_u[c<t-1>, x<t>] + b_u)\n"
    lines += "c<t> = Γ_u * c̃ + (1 - Γ_u) * c<t-1>\na<t> = c<t>\n"
    (tmp_path / "lecture.txt").write_text(lines, encoding="utf-8")
    code, out, err = run("show", str(tmp_path / "lecture.txt"))
    assert code == 0, err
    assert "Γ_u = sigmoid(W_u @ (" in out


FAULTS = {
    ("shwo",): "did you mean 'show'",
    ("show", "lstn"): "no cell is called 'lstn'; did you mean 'lstm'?",
    ("show", "lstm", "--equation"): "--equations",
    ("show", "lstm", "--head", "x"): "softmax",
    ("show", "missing.txt"): "missing.txt: no such file",
    ("show", "cell.py"): "never run",
    ("show",): "missing argument",
    ("show", "lstm", "--check", "missing.py"): "missing.py: no such file",
    ("cite", "lsmt"): "did you mean 'lstm'?",
    ("sample", "missing"): "missing",
    ("train", "text", "--hiden", "3"): "--hidden",
    ("train", "text", "--config", "missing.toml"): "missing.toml",
    ("train", "text", "missing.txt", "--cell", "lstm"): "missing.txt",
    ("hello", "--steps", "0"): "steps",
}


@pytest.mark.parametrize("arguments", FAULTS, ids=" ".join)
def test_faults_are_one_line(run, arguments: tuple[str, ...]) -> None:
    code, _, err = run(*arguments)
    assert code == 2
    assert err.startswith("rondo: ")
    assert err.count("\n") == 1
    assert FAULTS[arguments].lower() in err.lower()


def test_broken_files_are_told(run, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("{", encoding="utf-8")
    (tmp_path / "b.txt").write_bytes(b"\xff\xfe")
    for name in ("a.json", "b.txt"):
        code, _, err = run("show", str(tmp_path / name))
        assert code == 2
        assert f"{name} cannot be read" in err


def test_equations_are_never_executed(run, tmp_path: Path) -> None:
    file = tmp_path / "evil.txt"
    file.write_text("def Evil(x: input, h: hidden):\n    return State(h=__import__('os').getcwd())\n", encoding="utf-8")
    code, _, err = run("show", str(file))
    assert code == 2
    assert "line 2" in err


def test_a_fault_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(cli, "app", broken)
    with pytest.raises(ValueError, match="ours"):
        cli.main()


def test_hello_learns_the_word(run) -> None:
    code, out, err = run("hello")
    assert code == 0, err
    assert 'fed back: "hello"' in out
    assert run("hello")[1] == out  # the seed decides everything


def test_train_and_sample(run, tmp_path: Path) -> None:
    text, folder = tmp_path / "text.txt", tmp_path / "run"
    text.write_text("the quick brown fox jumps over the lazy dog.\n" * 200, encoding="utf-8")
    small = ("--hidden", "16", "--steps", "8", "--batch", "4", "--window", "16", "--valid-every", "0")
    code, _, err = run("train", "text", str(text), "--out", str(folder), *small)
    assert code == 0, err
    assert json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    code, out, err = run("sample", str(folder), "--prime", "the ", "--length", "20")
    assert code == 0, err
    assert out.startswith("the ")
    assert len(out) == len("the ") + 20 + 1
    assert run("train", "text", str(text), "--out", str(folder), *small)[0] == 2  # the folder holds a run


def test_settings_are_the_options(run) -> None:
    _, out, _ = run("train", "text", "--help")
    import dataclasses

    from rondo.train.config import Config

    for field in dataclasses.fields(Config):
        assert f"--{field.name.replace('_', '-')}" in out


def test_version_names_compiler_and_cache(run) -> None:
    code, out, _ = run("version")
    assert code == 0
    assert [line.split()[0] for line in out.splitlines()] == ["rondo", "python", "torch", "compiler", "kernels"]


def test_a_closed_pipe_is_no_fault() -> None:
    done = subprocess.run(
        f"{sys.executable} -m rondo.cli show lstm --json | head -1",
        shell=True,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "{\n"
    assert done.stderr == ""
