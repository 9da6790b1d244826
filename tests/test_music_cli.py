"""The commands of music."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from rondo.tasks.music.abc_read import read_abc

Call = Callable[..., tuple[int, str, str]]
TUNE = "X:1\nT:A test\nM:4/4\nL:1/4\nK:G\n|:GABc|d2B2|cBAG|F4:|\n"


def test_a_tune_is_written_to_files(run: Call, tmp_path: Path) -> None:
    pytest.importorskip("mido", reason="the extra rondo[music] is not installed")
    abc, mid = tmp_path / "a.abc", tmp_path / "a.mid"
    order = ["music", "compose", "--metre", "3/4", "--key", "D", "--sections", "1", "--bars", "4"]
    code, out, err = run(*order, "--out", str(abc), "--out", str(mid))
    assert code == 0, err
    assert abc.read_text("utf-8") == out
    assert mid.read_bytes()[:4] == b"MThd"
    assert read_abc(out).metre == "3/4"
    code, out, err = run("music", "show", str(mid), "--json")
    assert code == 0, err
    assert json.loads(out)["metre"] == "3/4"


def test_locked_bars_stay(run: Call, tmp_path: Path) -> None:
    path = tmp_path / "a.abc"
    path.write_text(TUNE, "utf-8")
    code, out, err = run("music", "vary", str(path), "--lock", "1-2,4", "--seed", "5")
    assert code == 0, err
    before, after = read_abc(TUNE).bars, read_abc(out).bars
    assert [after[k] for k in (0, 1, 3)] == [before[k] for k in (0, 1, 3)]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("vary", "{}", "--lock", "1-"), "1-4,8"),
        (("vary", "{}", "--lock", "9"), "no bar 9"),
        (("show", "{}", "--out", "a.wav"), ".abc, .mid"),
        (("compose", "--key", "H"), "no key"),
        (("show", "missing.abc"), "missing.abc"),
    ],
)
def test_wrong_input_is_told(run: Call, tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    path = tmp_path / "a.abc"
    path.write_text(TUNE, "utf-8")
    code, _, err = run("music", *(a.format(path) for a in arguments))
    assert code == 2
    assert said in err
