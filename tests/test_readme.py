"""What the READMEs show is run: Python blocks in order, and the commands whose output stands below them."""

from __future__ import annotations

import doctest
import re
import shlex
import sys
from pathlib import Path

import pytest

from rondo import cli

ROOT = Path(__file__).parents[1]
READMES = ("README.md", "README.zh-CN.md")


def blocks(readme: str, language: str) -> list[str]:
    """The fenced blocks of one language, in order."""
    return re.findall(rf"^```{language}\n(.*?)^```$", (ROOT / readme).read_text(encoding="utf-8"), re.M | re.S)


def commands(readme: str) -> list[tuple[str, str]]:
    """(command, output that the page shows) of every `$ ...` line."""
    parts = (part for block in blocks(readme, "console") for part in re.split(r"^\$ ", block, flags=re.M)[1:])
    return [(command, output) for command, _, output in (part.partition("\n") for part in parts)]


def measured(text: str) -> str:
    """The text with its measured numbers and bars blotted out: they depend on the machine's arithmetic."""
    lines = (line.rstrip() for line in re.sub(r"[+-]?\d+(\.\d+|e[+-]\d+)", "#", text).strip().splitlines())
    return "\n".join(re.sub("[▁▂▃▄▅▆▇█]+", "|", line) for line in lines) + "\n"


@pytest.mark.parametrize("readme", READMES)
def test_python_blocks_run_in_order(readme: str) -> None:
    names: dict[str, object] = {}
    found = blocks(readme, "python")
    assert len(found) >= 4
    for block in found:
        exec(compile(block, readme, "exec"), names)


@pytest.mark.parametrize(("readme", "command", "output"), [(r, *c) for r in READMES for c in commands(r)])
def test_commands_print_what_is_shown(
    readme: str,
    command: str,
    output: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(sys, "argv", shlex.split(command))
    with pytest.raises(SystemExit) as left:
        cli.main()
    assert not left.value.code
    got, shown = measured(capsys.readouterr().out), measured(output)
    assert doctest.OutputChecker().check_output(shown, got, doctest.ELLIPSIS), f"{readme} shows\n{shown}\nnow\n{got}"


@pytest.mark.parametrize("readme", READMES)
def test_links_lead_somewhere(readme: str) -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", (ROOT / readme).read_text(encoding="utf-8")):
        assert (ROOT / target).exists(), target


def test_commands_of_the_table_exist(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["rondo", "show", "--help"])
    with pytest.raises(SystemExit):
        cli.main()
    known = capsys.readouterr().out
    table = "".join(line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line[:2] == "| ")
    for option in set(re.findall(r"`rondo show[^`]*`", table)):
        assert all(flag in known for flag in re.findall(r"--\w+", option))


def test_both_readmes_show_the_same_code() -> None:
    english, chinese = ([*blocks(r, "sh"), *commands(r)] for r in READMES)
    assert [str(b).splitlines()[0].split("#")[0] for b in english] == [
        str(b).splitlines()[0].split("#")[0] for b in chinese
    ]
