"""Run folders, model files and configurations: what is written comes back, what is damaged is refused."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch
from hypothesis import given
from hypothesis import strategies as st

from rondo.cell import Cell
from rondo.cells import find
from rondo.data.vocab import UNKNOWN, Vocab
from rondo.models.generator import Generator
from rondo.train import store
from rondo.train.config import Config, ConfigError
from rondo.train.fit import start
from rondo.train.run import Run, build, load_model, save_model
from rondo.train.store import FileError, load_tensors, save_tensors, write_aside

VOCAB = Vocab([UNKNOWN, *"abc\n"])
CONFIG = Config(cell="lstm", hidden=6, layers=2)
OWN = "def Mine(x: input, h: hidden):\n    z = σ(W @ (h, x) + b)\n    return State(h=z * h + (1 - z) * tanh(V @ x))\n"


def saved(path: Path, cell: Cell | None = None, config: Config = CONFIG) -> Generator:
    torch.manual_seed(0)
    model = build(config, cell or find(config.cell), len(VOCAB))
    save_model(path, model, config, VOCAB, {"valid": 1.5})
    return model


@pytest.mark.parametrize("name", ["lstm", "gru-cho", "elman", "lstm-projected", "ind-rnn", "recurrent-highway"])
def test_a_model_comes_back(tmp_path: Path, name: str) -> None:
    path = tmp_path / "m.safetensors"
    model = saved(path, find(name), dataclasses.replace(CONFIG, cell=name)).eval()
    again, vocab, about = load_model(path)
    assert vocab == VOCAB
    assert about["metrics"] == {"valid": 1.5}
    x = torch.randint(0, len(VOCAB), (2, 9))
    torch.testing.assert_close(again(x)[0], model(x)[0], rtol=0, atol=0)
    assert not any(t.is_meta for t in [*again.parameters(), *again.buffers()])


def test_a_cell_of_ones_own_needs_no_python(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    model = saved(path, Cell.parse(OWN), dataclasses.replace(CONFIG, cell="mine"))
    again, _, _ = load_model(path)
    x = torch.randint(0, len(VOCAB), (2, 9))
    torch.testing.assert_close(again(x)[0], model(x)[0], rtol=0, atol=0)


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("good") / "m.safetensors"
    saved(path)
    return path.read_bytes()


@given(st.data())
def test_any_flipped_bit_is_refused(good: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, 8 * len(good) - 1))
    damaged = bytearray(good)
    damaged[place // 8] ^= 1 << place % 8
    path = tmp_path_factory.mktemp("bad") / "m.safetensors"
    path.write_bytes(damaged)
    with pytest.raises(FileError, match=r"m\.safetensors"):
        load_model(path)


@given(st.data())
def test_any_cut_file_is_refused(good: bytes, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("bad") / "m.safetensors"
    path.write_bytes(good[: data.draw(st.integers(0, len(good) - 1))])
    with pytest.raises(FileError, match="damaged"):
        load_model(path)


def test_foreign_newer_and_missing_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "m.safetensors"
    with pytest.raises(FileError, match="No such file"):
        load_model(path)
    path.write_bytes(safetensors.torch.save({"w": torch.zeros(2)}))
    with pytest.raises(FileError, match="was not written by Rondo"):
        load_model(path)
    monkeypatch.setattr(store, "FORMAT", 2)
    saved(path)
    monkeypatch.undo()
    with pytest.raises(FileError, match="format 2, this Rondo reads up to 1: update Rondo"):
        load_model(path)


def rewritten(path: Path, **changes: Any) -> None:
    """The model file with other metadata and a right checksum: what a hostile author would write."""
    tensors, about = load_tensors(path, "model")
    save_tensors(path, "model", tensors, about | changes)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"config": {"hiden": 6}}, "did you mean 'hidden'"),
        ({"config": {"hidden": 10**12}}, "hidden must be between"),
        ({"config": {"hidden": 60_000, "cell": "lstm"}}, "does not fit its configuration"),
        ({"config": {"hidden": 7, "layers": 2}}, "does not fit its configuration"),
        ({"config": "lstm"}, "no usable model"),
        ({"vocabulary": ["a", "b"]}, "unknown symbol"),
        ({"vocabulary": 7}, "no usable model"),
        ({"cell": {"equations": "import os"}}, "no usable model"),
        (
            {"cell": {"equations": "def f(x: input, h: hidden):\n    return State(h=__import__('os'))", "sizes": {}}},
            "line",
        ),
        ({"cell": {"equations": OWN, "sizes": {"device": 1}}}, "sizes of the cell"),
        ({"cell": {"equations": OWN, "sizes": {}}}, "does not fit its configuration"),
    ],
)
def test_metadata_that_does_not_fit_is_refused(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    path = tmp_path / "m.safetensors"
    saved(path)
    rewritten(path, **changes)
    with pytest.raises(FileError, match=reason):
        load_model(path)


def test_metadata_that_is_not_json(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for text in ("{", "[" * 100_000):
        texts = {"format": "rondo 1", "kind": "model", "config": text}
        texts["sha256"] = store.checksum({}, texts)
        path.write_bytes(safetensors.torch.save({}, texts))
        with pytest.raises(FileError, match="not JSON"):
            load_model(path)


def test_a_checkpoint_is_no_model(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    model = build(CONFIG, find("lstm"), len(VOCAB))
    run.save_checkpoint(model, start(model, CONFIG))
    with pytest.raises(FileError, match="is a checkpoint file, a model file is needed"):
        load_model(tmp_path / "run" / "checkpoint.safetensors")


def test_a_checkpoint_of_other_settings(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    model = build(CONFIG, find("lstm"), len(VOCAB))
    run.save_checkpoint(model, start(model, CONFIG))
    other = Run(run.folder, dataclasses.replace(CONFIG, lr=0.5))
    with pytest.raises(FileError, match="another lr than"):
        other.load_checkpoint(model)


def test_a_run_is_never_overwritten(tmp_path: Path) -> None:
    Run.create(tmp_path / "run", CONFIG).log(step=1)
    with pytest.raises(FileError, match="holds a run already"):
        Run.create(tmp_path / "run", CONFIG)
    assert Run.open(tmp_path / "run").config == CONFIG
    with pytest.raises(FileError, match="no run: it has no"):
        Run.open(tmp_path)
    (tmp_path / "file").write_text("")
    with pytest.raises(FileError, match="cannot be made"):
        Run.create(tmp_path / "file" / "run", CONFIG)


def test_writing_aside_keeps_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a"
    write_aside(path, b"old")

    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(FileError, match="No space left on device"):
        write_aside(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileError, match="cannot be written: No such file"):
        write_aside(tmp_path / "none" / "a", b"")


def test_log_is_one_json_object_a_line(tmp_path: Path) -> None:
    run = Run.create(tmp_path / "run", CONFIG)
    run.log(step=1, loss=2.5)
    run.log(step=2, valid=2.25)
    lines = (tmp_path / "run" / "log.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"step": 1, "loss": 2.5}, {"step": 2, "valid": 2.25}]


def test_config_file_then_flags(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text('cell = "elman"\nhidden = 8\nclip = 2\n')
    config = Config.load(file, hidden=9, layers=None)
    assert (config.cell, config.hidden, config.layers, config.clip) == ("elman", 9, 1, 2.0)
    file.write_text(config.to_toml())
    assert Config.load(file) == config


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"hiden": 8}, "no setting 'hiden'; did you mean 'hidden'"),
        ({"hidden": "8"}, "hidden must be of type int, found '8'"),
        ({"hidden": True}, "hidden must be of type int"),
        ({"hidden": 8.0}, "hidden must be of type int"),
        ({"hidden": 0}, "hidden must be between 1 and"),
        ({"layers": 1000}, "layers must be between 1 and 100"),
        ({"lr": float("nan")}, "lr must be at least 0"),
        ({"lr": float("inf")}, "lr must be at least 0"),
        ({"reach": 65}, "reach must be between 0 and 64"),
        ({"optimiser": "adamv"}, "optimiser cannot be 'adamv'; did you mean 'adam"),
        ({"schedule": "cos"}, "schedule cannot be 'cos'"),
        ({"valid_share": 0.0}, "valid_share must be between"),
    ],
)
def test_bad_settings(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Config.of(values)


def test_bad_config_files(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        Config.load(tmp_path / "none.toml")
    (tmp_path / "c.toml").write_text("hidden 8")
    with pytest.raises(ConfigError, match=r"c\.toml is not TOML"):
        Config.load(tmp_path / "c.toml")


def test_every_setting_has_a_comment() -> None:
    source = Path(Config.of.__func__.__code__.co_filename).read_text(encoding="utf-8")
    for field in dataclasses.fields(Config):
        line = next(t for t in source.splitlines() if t.startswith(f"    {field.name}: "))
        assert "  # " in line
