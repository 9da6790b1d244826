"""Named data sets: what is known of them, how they are found and checked, and the command."""

from __future__ import annotations

import dataclasses
import gzip
import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rondo.data.catalog import DATA_SETS, DataFile, DataSet
from rondo.data.convert import CONVERTERS
from rondo.data.registry import MANIFEST, DataSetError, find, named, state
from upstream import SHARED, STORK, command, needs_data, packed, poem, poets

# ---- what is known


def test_the_catalogue_is_plain_and_its_names_are_safe() -> None:
    assert len({d.name for d in DATA_SETS}) == len(DATA_SETS) >= 24
    for data_set in DATA_SETS:
        assert dataclasses.is_dataclass(data_set)
        assert all((data_set.title, data_set.licence, data_set.terms, data_set.citation, data_set.how))
        for file in data_set.files:
            assert re.fullmatch(r"[a-z0-9_][a-z0-9_.-]*", file.name)
            lines = re.search(r"\.(jsonl|tsv|txt)(\.gz)?$", file.name)  # others hold no records that can be counted so
            assert file.name != MANIFEST
            assert re.fullmatch(r"([0-9a-f]{64})?", file.sha256)
            assert file.optional or (file.sha256 and (file.records or not lines)), "what every copy has is recorded"
        for origin in (o for o in (data_set.raw, *data_set.also) if o):
            assert re.fullmatch(r"[\w.-]+/[\w.-]+", origin.repo)
            for source in origin.files:
                assert not source.path.startswith("/")
                assert not {"", ".", ".."} & set(source.path.split("/"))
                assert re.fullmatch(r"([0-9a-f]{64})?", source.sha256)


def test_what_can_be_downloaded_can_be_converted() -> None:
    assert set(CONVERTERS) == {d.name for d in DATA_SETS if d.raw}
    assert all(re.fullmatch("[0-9a-f]{40}", d.raw.commit) for d in DATA_SETS if d.raw)


@needs_data
@pytest.mark.parametrize("name", [d.name for d in DATA_SETS])
def test_the_recorded_numbers_of_records_are_those_of_the_published_copies(name: str) -> None:
    for file in (file for file in named(name).files if file.records and (SHARED / name / file.name).is_file()):
        lines = content(SHARED / name / file.name).count(b"\n")
        assert lines - file.name.endswith((".tsv", ".tsv.gz")) == file.records


def content(path: Path) -> bytes:
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def test_an_unknown_name_names_the_nearest() -> None:
    assert named("ccpc").title.startswith("THU")
    with pytest.raises(DataSetError, match="'cppc'; did you mean 'ccpc'"):
        named("cppc")


# ---- finding and checking


def test_find(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RONDO_DATA", raising=False)
    file = packed(tmp_path / "ccpc/valid.jsonl.gz", "{}\n")
    assert find("ccpc", tmp_path) == find("ccpc", tmp_path / "ccpc") == file.parent
    assert find("ccpc", tmp_path, "valid.jsonl.gz") == file
    monkeypatch.setenv("RONDO_DATA", str(tmp_path))
    assert find("ccpc", None) == file.parent


def test_find_says_how_to_get_what_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RONDO_DATA", raising=False)
    packed(tmp_path / "ccpc/valid.jsonl.gz", "{}\n")
    (tmp_path / "couplets/upstream").mkdir(parents=True)  # a download that broke off
    with pytest.raises(DataSetError, match=r"--data FOLDER or RONDO_DATA; rondo data ccpc --get FOLDER"):
        find("ccpc", None)
    with pytest.raises(DataSetError, match=r"no data set couplets.*rondo data couplets --get"):
        find("couplets", tmp_path)
    with pytest.raises(DataSetError, match=r"no train.jsonl.gz: rondo data ccpc --get"):
        find("ccpc", tmp_path, "train.jsonl.gz")
    with pytest.raises(DataSetError, match=r"rondo data rhyme tells where it is from"):
        find("rhyme", tmp_path)
    with pytest.raises(DataSetError, match="did you mean"):
        find("../ccpc", tmp_path)


def small() -> DataSet:
    """A data set of two needed files and one that may be missing."""
    files = (
        DataFile("train.txt.gz", 1, hashlib.sha256(b"one\n").hexdigest()),
        DataFile("valid.txt", 1, hashlib.sha256(b"two\n").hexdigest()),
        DataFile("test.txt.gz", None, optional=True),
    )
    return dataclasses.replace(named("ccpc"), name="small", files=files)


def test_state_tells_complete_incomplete_wrong_and_damaged(tmp_path: Path) -> None:
    assert state(small(), tmp_path).word == "absent"
    train = packed(tmp_path / "small/train.txt.gz", "one\n")
    assert state(small(), tmp_path).word == "incomplete"
    valid = packed(tmp_path / "small/valid.txt", "two\n")
    assert state(small(), tmp_path).word == "complete"
    packed(tmp_path / "small/test.txt.gz", "three\n")
    assert state(small(), tmp_path).files == {"train.txt.gz": "ok", "valid.txt": "ok", "test.txt.gz": "unchecked"}
    packed(valid, "too\n")
    found = state(small(), tmp_path)
    assert (found.word, found.files["valid.txt"]) == ("differs", "differs")
    train.write_bytes(train.read_bytes()[:-9])
    assert state(small(), tmp_path).files["train.txt.gz"] == "damaged"
    train.write_bytes(b"no gzip at all")
    assert state(small(), tmp_path).files["train.txt.gz"] == "damaged"


def test_the_same_text_packed_otherwise_is_the_same_data(tmp_path: Path) -> None:
    packed(tmp_path / "small/valid.txt", "two\n")
    (tmp_path / "small/train.txt.gz").write_bytes(gzip.compress(b"one\n", 1, mtime=7))
    assert state(small(), tmp_path).word == "complete"


@pytest.mark.parametrize("manifest", ["", "{", "[]", '{"files": 3}', '{"files": {"train.txt.gz": {}}}', "[" * 99_999])
def test_a_broken_manifest_counts_as_none(tmp_path: Path, manifest: str) -> None:
    packed(tmp_path / "small/train.txt.gz", "one\n")
    packed(tmp_path / f"small/{MANIFEST}", manifest)
    assert not state(small(), tmp_path).made


@needs_data
def test_the_published_copies_are_complete() -> None:
    for data_set in DATA_SETS:
        found = state(data_set, SHARED)
        published = any(file.sha256 for file in data_set.files)  # else it is made by its converter alone
        assert found.word == ("complete" if published else "absent"), (data_set.name, found)
        for file in (f for f in data_set.files if f.sha256):
            assert found.files[file.name] in ("ok", "absent")


# ---- the command


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Call `rondo data` in this process."""
    return command(monkeypatch, capsys)


def test_the_list_names_every_data_set(run: Any, tmp_path: Path) -> None:
    code, out, _ = run()
    assert code == 0
    assert all(d.name in out and d.licence in out for d in DATA_SETS)
    assert "--data FOLDER or RONDO_DATA" in out
    packed(tmp_path / "ccpc/valid.jsonl.gz", "other\n")
    _, out, _ = run("--data", str(tmp_path))
    assert "differs" in next(line for line in out.splitlines() if line.startswith("ccpc"))
    assert "absent" in next(line for line in out.splitlines() if line.startswith("couplets"))


def test_the_list_as_json(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = json.loads(run("--json")[1])
    assert [d["name"] for d in found] == [d.name for d in DATA_SETS]
    assert found[0]["state"] is None
    monkeypatch.setenv("RONDO_DATA", str(tmp_path))
    assert json.loads(run("ccpc", "--json")[1])["state"]["word"] == "absent"


@pytest.mark.parametrize("name", [d.name for d in DATA_SETS])
def test_a_data_set_in_detail(run: Any, name: str) -> None:
    code, out, _ = run(name)
    assert code == 0
    data_set = named(name)
    for origin in (o for o in (data_set.raw, *data_set.also) if o):
        assert f"https://github.com/{origin.repo}" in out
    assert all(f.name in out and (f.sha256 or "not recorded") in out for f in data_set.files)
    assert all(field in out for field, _ in data_set.fields)


def test_convert_from_the_command_line(run: Any, tmp_path: Path) -> None:
    poets(tmp_path / "up", "tang.0", poem(*STORK), poem("不成诗。"))
    arguments = ("tang-song-poems", "--from", str(tmp_path / "up"), "--get", str(tmp_path / "out"))
    code, out, err = run(*arguments)
    assert code == 0, err
    assert re.search(r"dropped +1 other shapes", out)
    assert re.search(r"train\.jsonl\.gz +1 records  not the published copy", out)
    assert "1 of upstream's 313 files" in out
    assert "MIT" in err, "the licence is told"
    _, out, _ = run("tang-song-poems", "--data", str(tmp_path / "out"))
    assert "complete, converted here" in out
    code, _, err = run(*arguments)
    assert (code, "--force" in err) == (2, True)
    code, out, _ = run(*arguments, "--force", "--json")
    assert json.loads(out)["dropped"] == {"other shapes": 1}


FAULTS = {
    ("cpcc",): "did you mean 'ccpc'?",
    ("--get", "x"): "name the data set to get",
    ("ccpc", "--from", "x"): "go with --get FOLDER",
    ("ccpc", "--force"): "go with --get FOLDER",
    ("ccpc", "--data", "nowhere"): "there is no folder nowhere",
    ("ccpc", "--from", "nowhere", "--get", "x"): "nowhere does not exist",
    ("rhyme", "--get", "x"): "Rondo ships the tables",
    ("ccpc", "--got"): "--get",
}


@pytest.mark.parametrize("arguments", FAULTS)
def test_faults_are_one_message(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(*arguments)
    assert code == 2
    assert FAULTS[arguments] in err
    assert "Traceback" not in err
    assert not list(tmp_path.rglob("*.gz"))


def test_the_command_is_cheap_until_it_runs() -> None:
    heavy = "{'rondo.data.catalog', 'rondo.data.registry', 'torch', 'rich', 'urllib.request'} & set(sys.modules)"
    code = f"import rondo.cli.data, sys; print({heavy})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()", done.stderr


def test_reading_needs_no_torch() -> None:
    code = "import rondo.data.convert, rondo.data.download, sys; print('torch' in sys.modules, 'numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False False"
