"""The command line: every command, and every fault as one message with exit code 2."""

from __future__ import annotations

import json
import math
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


def loaded(code: str) -> set[str]:
    """The packages that a fresh process has loaded after some lines: what decides how long one waits for them."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys\n{code}\nprint(*{{m.split('.')[0] for m in sys.modules}})"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return set(done.stdout.splitlines()[-1].split())


HEAVY = {"torch", "numpy", "rich", "altair", "fastapi", "starlette", "pydantic", "scipy", "asyncio"}


def test_help_loads_nothing_heavy() -> None:
    code = "import rondo.cli\nsys.argv = ['rondo', '--help']\ntry: rondo.cli.main()\nexcept SystemExit: pass"
    assert not loaded(code) & HEAVY


def test_import_loads_no_torch_compiler_or_plots() -> None:
    assert not loaded("import rondo") & (HEAVY | {"typer", "subprocess"})


def test_import_loads_itself_alone_beyond_torch() -> None:
    more = loaded("import torch, rondo\nrondo.RNN, rondo.nn") - loaded("import torch")
    assert more == {"rondo"}


def test_public_names() -> None:
    import rondo

    assert all(getattr(rondo, name) is not None for name in rondo.__all__)
    assert set(rondo.__all__) <= set(dir(rondo))
    with pytest.raises(AttributeError, match="no attribute 'LTSM'"):
        rondo.LTSM  # noqa: B018


def test_version_is_the_changelogs() -> None:
    import rondo

    log = (Path(__file__).parents[1] / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(r"^## (\d\S*)", log, re.M).group(1) == rondo.__version__  # type: ignore[union-attr]


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


LINE = "the quick brown fox jumps over the lazy dog.\n"
SMALL = ("--hidden", "16", "--steps", "8", "--batch", "4", "--window", "16", "--embed", "8", "--valid-every", "0")


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory):
    """A run of each level, trained by the command on first use: level -> folder."""
    folder, found = tmp_path_factory.mktemp("runs"), {}
    text = folder / "text.txt"
    text.write_text(LINE * 60, encoding="utf-8")

    def get(run, level: str) -> Path:
        if level not in found:
            out = folder / level
            more = ("--vocab", "280") if level == "subword" else ("--documents", "line")
            code, said, err = run("train", "text", str(text), "--out", str(out), "--level", level, *more, *SMALL)
            assert code == 0, err
            assert f"written to {out}" in said
            found[level] = out
        return found[level]

    return get


@pytest.mark.parametrize("level", ["character", "word", "subword"])
def test_train_evaluate_and_sample(run, trained, tmp_path: Path, level: str) -> None:
    folder = trained(run, level)
    assert json.loads((folder / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])
    for source in (folder, folder / "model.safetensors"):
        code, out, err = run("sample", str(source), "--prime", "the ", "--length", "20", "--seed", "3")
        assert code == 0, err
        assert out.startswith("the ")
        assert level != "character" or len(out) == len("the ") + 20 + 1
        assert level != "word" or "  " not in out
    assert run("sample", str(folder), "--prime", "the ", "--length", "20", "--seed", "3")[1] == out
    assert run("sample", str(folder), "--prime", "the ", "--length", "20", "--seed", "4")[1] != out
    data = tmp_path / "data.txt"
    data.write_text(LINE * 3, encoding="utf-8")
    code, out, err = run("evaluate", str(folder), "--data", str(data))
    assert code == 0, err
    found = json.loads(out)
    assert found["level"] == level
    assert found["symbols"] == {"character": 135, "word": 30}.get(level, found["symbols"])
    unit = {"character": "bits per character", "word": "perplexity", "subword": "perplexity per piece"}[level]
    wanted = found["nats"] / math.log(2) if level == "character" else math.exp(found["nats"])
    assert found[unit] == pytest.approx(wanted)
    code, out, err = run("evaluate", str(folder), "--data", str(data), "--rows", "2")
    assert json.loads(out)["nats"] == pytest.approx(found["nats"], rel=1e-4)  # rows begin with 256 symbols of burn-in


def test_a_run_is_not_written_over(run, trained) -> None:
    folder = trained(run, "character")
    code, _, err = run("train", "text", str(folder.parent / "text.txt"), "--out", str(folder), *SMALL)
    assert code == 2
    assert f"holds a run already: name another folder, or go on with --resume {folder}" in err


def test_resuming_a_run_at_its_end(run, trained) -> None:
    folder = trained(run, "word")
    before = (folder / "model.safetensors").read_bytes()
    code, out, err = run("train", "--resume", str(folder))
    assert code == 0, err
    assert "this run is at its end: nothing was left to do" in out
    assert (folder / "model.safetensors").read_bytes() == before
    assert run("train", "--resume", str(folder), "text", "a.txt")[0] == 2
    assert "--resume" in run("train")[1]  # bare, it prints its help


TRAINING_FAULTS = {
    ("--hidden", "0"): "hidden must be between 1",
    ("--hidden", "six"): "hidden",
    ("--lr", "nan"): "lr must be at least 0",
    ("--cell", "lstn"): "did you mean 'lstm'",
    ("--cell", "cell.py"): "is a program and is never run",
    ("--cell", "none.txt"): "none.txt",
    ("--level", "letter"): "level cannot be 'letter'",
    ("--window", "0"): "window = 0 reads whole documents",
    ("--tied", "--embed", "0"): "tied weights and conditions need an embedding",
    ("--cell", "ind-rnn", "--weight-dropout", "0.5"): "weight dropout has no place",
    ("--dropout", "1"): "dropout must be between 0 and 0.999",
    ("--batch", "100000"): "too few for 100000 rows",
    ("--vocab-least", "10000"): "no symbol occurs 10000 times",
    ("--valid", "none.txt"): "none.txt",
    ("--config", "shakespear"): "no shipped configuration is called 'shakespear'; did you mean 'shakespeare'",
    ("--config", "broken.toml"): "broken.toml is not TOML",
    ("--config", "unknown.toml"): "there is no setting 'hiden'; did you mean 'hidden'",
    ("--config", "wrong.toml"): "hidden must be of type int, found '6'",
    ("--out", "text.txt/run"): "text.txt",
}


@pytest.mark.parametrize("arguments", TRAINING_FAULTS, ids=" ".join)
def test_faults_of_a_training_are_one_line(
    run, arguments: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    files = {
        "text.txt": LINE * 20,
        "cell.py": "raise SystemExit",
        "broken.toml": "hidden 6",
        "unknown.toml": "hiden = 6",
        "wrong.toml": 'hidden = "6"',
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    given = arguments if "--out" in arguments else ("--out", "run", *arguments)
    code, _, err = run("train", "text", "text.txt", "--steps", "1", *given)
    assert code == 2
    assert err.startswith("rondo: ")
    assert err.count("\n") == 1
    assert TRAINING_FAULTS[arguments] in err
    assert not (tmp_path / "run" / "log.jsonl").exists()


@pytest.mark.parametrize("name", ["shakespeare", "ptb-char-gpu", "ptb-word-gpu"])
def test_shipped_configs_are_given_by_name(run, tmp_path: Path, name: str) -> None:
    from rondo.train import configs
    from rondo.train.config import TextConfig

    text, folder = tmp_path / "text.txt", tmp_path / "run"
    text.write_text(LINE * 150, encoding="utf-8")
    small = ("--hidden", "8", "--steps", "1", "--window", "16", "--minutes", "0")
    code, _, err = run("train", "text", str(text), "--config", name, "--out", str(folder), *small)
    assert code == 0, err
    wanted = TextConfig.load(configs.find(Path(name)), hidden=8, steps=1, window=16, minutes=0.0)
    assert TextConfig.load(folder / "config.toml") == wanted


def test_settings_are_the_options(run) -> None:
    import dataclasses

    from rondo.train.config import TextConfig

    _, out, _ = run("train", "text", "--help")
    for field in dataclasses.fields(TextConfig):
        assert f"--{field.name.replace('_', '-')}" in out


# --- inspect -------------------------------------------------------------------------------------


def test_inspect_shows_a_run_and_its_files(run, trained) -> None:
    folder = trained(run, "word")
    code, out, err = run("inspect", str(folder))
    assert code == 0, err
    for text in (
        f"run          {folder}",
        "hidden = 16",
        "text.txt",
        "log lines",
        "kind         model",
        "shape        generator",
        "def LSTM(x: input, h: hidden, c: hidden):\n",
        "vocabulary   10 symbols, level word",
        "perplexity = ",
        "kind         checkpoint",
        "step         8",
        "sha256       as recorded",
        "threads = ",
        "config       that of the run",
    ):
        assert text in out, text
    found = json.loads(run("inspect", str(folder), "--json")[1])
    assert found["config"]["hidden"] == 16
    assert [f["kind"] for f in found["files"]] == ["model", "checkpoint"]
    model = found["files"][0]
    assert model["bytes"] == (folder / "model.safetensors").stat().st_size
    assert model["parameters"] == model["metrics"]["parameters"]
    assert model["arguments"]["symbols"] == 10
    assert found["files"][1]["step"] == 8
    assert json.loads(run("inspect", str(folder / "model.safetensors"), "--json")[1]) == model | {
        "config": found["config"]
    }


def test_inspect_says_why_a_file_is_refused(run, trained, tmp_path: Path) -> None:
    good = (trained(run, "character") / "model.safetensors").read_bytes()
    path = tmp_path / "m.safetensors"
    damaged = bytearray(good)
    damaged[-1] ^= 1
    for content, reason in (
        (bytes(damaged), "its checksum does not fit its content"),
        (good[:-1], "damaged or no safetensors file"),
        (b"PK", "damaged or no safetensors file"),
    ):
        path.write_bytes(content)
        code, out, _ = run("inspect", str(path))
        assert code == 1
        assert f"refused      {path} is damaged" in out
        assert reason in out
        code, out, _ = run("inspect", str(path), "--json")
        assert code == 1
        assert reason in json.loads(out)["refused"]
    for missing in (tmp_path / "none.safetensors", tmp_path):
        code, _, err = run("inspect", str(missing))
        assert code == 2
        assert str(missing) in err
        assert err.count("\n") == 1


def test_inspect_looks_at_each_file_of_a_run(run, tmp_path: Path, trained) -> None:
    """A damaged checkpoint and changed data are told, and the rest is shown."""
    import shutil

    folder = tmp_path / "run"
    shutil.copytree(trained(run, "character"), folder)
    (folder / "checkpoint.safetensors").write_bytes(b"half")
    (folder / "data.json").write_text("{}")
    code, out, _ = run("inspect", str(folder))
    assert code == 1
    assert "refused      " + str(folder / "checkpoint.safetensors") in out
    assert "kind         model" in out
    (folder / "data.json").write_text("{")
    assert "data.json cannot be read" in run("inspect", str(folder))[1]


def test_inspect_prints_foreign_text_safely(run, tmp_path: Path) -> None:
    """Escape sequences, letters that turn the writing round, and half characters are spelled out."""
    import torch

    from rondo.models.generator import Generator
    from rondo.models.store import save_model

    path, hostile = tmp_path / "m.safetensors", "\x1b[2J\u202e\ud800"
    torch.manual_seed(0)
    facts = {"licence": f"CC0 {hostile}", "data": ["a", {"b": hostile}], "long": "x" * 100_000}
    save_model(path, Generator("gru", 5, 4), json.loads(json.dumps(facts)))
    code, out, err = run("inspect", str(path))
    assert code == 0, err
    assert "licence      CC0 \\x1b[2J\\u202e\\ud800" in out
    assert all(c.isprintable() or c == "\n" for c in out)
    assert len(out) < 10_000
    assert json.loads(run("inspect", str(path), "--json")[1])["licence"] == facts["licence"]


def test_inspect_refuses_a_vocabulary_of_another_size(run, tmp_path: Path) -> None:
    import torch

    from rondo.models.generator import Generator
    from rondo.models.store import save_model

    torch.manual_seed(0)
    path = tmp_path / "m.safetensors"
    save_model(path, Generator("gru", 5, 4), {"vocabulary": {"level": "letter"}})
    code, out, _ = run("inspect", str(path))
    assert code == 1
    assert "refused      no level is called 'letter'" in out


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
