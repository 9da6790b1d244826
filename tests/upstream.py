"""Small files in the formats of the data sets' upstreams, and what is made of them; shared by tests."""

from __future__ import annotations

import gzip
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import rondo.cli.data  # noqa: F401  # registers the command
from rondo import cli
from rondo.data.convert import convert, locate
from rondo.data.registry import named, state

SHARED = Path(os.environ.get("RONDO_DATA") or Path(__file__).parents[2] / "shared/data")
needs_data = pytest.mark.skipif(not (SHARED / "ccpc").is_dir(), reason="the folder of data sets is not here")


def packed(path: Path, text: str) -> Path:
    """A file with this text, gzip where it ends in .gz."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if path.suffix == ".gz" else text.encode())
    return path


def unpacked(path: Path) -> str:
    return gzip.decompress(path.read_bytes()).decode()


def made_of(name: str, upstream: Path, out: Path, **options: Any) -> dict[str, Any]:
    """Convert what a folder (or file) of upstream's holds."""
    return convert(named(name), locate(named(name), upstream), out, **options)


def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """`rondo data` in this process: returns exit code, output and errors."""
    monkeypatch.delenv("RONDO_DATA", raising=False)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rondo", "data", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), *capsys.readouterr()

    return call


LINES = "白云行处远|青草望中新|不见山前客|空闻水上春"
STORK = ("白日依山盡，黃河入海流。", "欲窮千里目，更上一層樓。")


def ccpc_line(content: str, **more: str) -> str:
    poem = {"dynasty": "Tang", "author": "无名", "content": content, "title": "试作", "keywords": "云 山"}
    return json.dumps(poem | more, ensure_ascii=False) + "\n"


def poem(*paragraphs: str, **more: Any) -> dict[str, Any]:
    return {"author": "王之渙", "paragraphs": list(paragraphs), "title": "登鸛雀樓", "id": "x"} | more


def poets(folder: Path, name: str, *poems: dict[str, Any], indent: int | None = 4) -> Path:
    return packed(folder / f"全唐诗/poet.{name}.json", json.dumps(list(poems), ensure_ascii=False, indent=indent))


def records(folder: Path | None, name: str, split: str) -> list[dict[str, Any]]:
    """The records of a split in a folder of data sets; None: the published copies."""
    lines = unpacked((folder or SHARED) / name / f"{split}.jsonl.gz").split("\n")
    return [json.loads(line) for line in lines if line]


def comes_back(name: str, upstream: Path) -> None:
    """What was written in upstream's format of a published copy converts to its content, but for the test split."""
    made = made_of(name, upstream, upstream / "out")
    wanted = {f.name: {"records": f.records, "sha256": f.sha256} for f in named(name).files if f.sha256}
    assert {file: made["files"][file] for file in wanted} == wanted
    assert state(named(name), upstream / "out").word == "complete"
