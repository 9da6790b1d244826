"""First passwords on paper: a page to print and to cut, a slip a person. Each password is of one person alone, and good
for nothing but to set another."""

from __future__ import annotations

import os
from collections.abc import Iterable
from html import escape
from pathlib import Path

from rondo.files import FileError
from rondo.lab.accounts import first_password
from rondo.lab.store import Person

STYLE = """
@page { margin: 12mm; }
body { font: 12pt/1.5 "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", sans-serif; margin: 0; }
ul { display: grid; grid-template-columns: 1fr 1fr; margin: 0; padding: 0; list-style: none; }
li { border: 1px dashed #888; padding: 6mm; margin: -1px 0 0 -1px; break-inside: avoid; }
b { font: 600 16pt/1.6 ui-monospace, Menlo, "DejaVu Sans Mono", monospace; letter-spacing: .06em; }
small { color: #555; }
"""


def passwords(people: Iterable[Person]) -> dict[str, str]:
    """A fresh first password for each, by number."""
    return {one.number: first_password() for one in people}


def write(folder: Path, people: Iterable[Person], given: dict[str, str], address: str = "") -> Path:
    """Write the slips into a new file of the folder that only its owner can read. Raises FileError."""
    text = page(people, given, address)
    for k in range(1, 10_000):
        path = folder / f"first-passwords-{k}.html"
        try:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError:
            continue
        except OSError as error:
            raise FileError(f"{path} cannot be written: {error.strerror}") from None
        with os.fdopen(file, "w", encoding="utf-8") as opened:
            opened.write(text)
            opened.flush()
            os.fsync(opened.fileno())
        return path
    raise FileError(f"{folder} is full of first passwords: delete those that are used")


def page(people: Iterable[Person], given: dict[str, str], address: str = "") -> str:
    """The page."""
    slips = "\n".join(
        f"<li>{escape(p.number)} {escape(p.name)}<br><b>{escape(given[p.number])}</b><br>"
        f"<small>{escape(address)} 首次登录后要改密码 / to be changed at the first log-in</small></li>"
        for p in people
        if p.number in given
    )
    return (
        '<!DOCTYPE html>\n<html lang="zh-CN">\n<meta charset="utf-8">\n<title>首次密码 / first passwords</title>\n'
        f"<style>{STYLE}</style>\n<ul>\n{slips}\n</ul>\n</html>\n"
    )
