"""The roster of a class: a CSV file as a spreadsheet or a school's system writes it.

    学号,姓名,角色        number, name, role: in any order, other columns are passed over; the role is optional
    2026001,李雷,
    T07,王老师,教师       教师, 老师, teacher; or 助教, assistant: they see the class

UTF-8 with or without a mark, GB 18030 (GBK) and UTF-16 with a mark are read; the columns may be parted by comma,
semicolon or tab. A fault names the line.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

from rondo.files import printable
from rondo.lab.store import Person

LARGEST = 1 << 20  # bytes
MOST = 2000  # people
NUMBER = ("学号", "学生学号", "工号", "number", "student number", "student id", "id")
NAME = ("姓名", "学生姓名", "名字", "name", "full name")
ROLE = ("角色", "身份", "role")
TEACHERS = ("教师", "老师", "助教", "teacher", "assistant", "ta")
STUDENTS = ("", "学生", "student")
_NUMBER = re.compile(r"[0-9A-Za-z-]{1,40}")
_ROUNDED = re.compile(r"\d(\.\d+)?E\+\d+", re.IGNORECASE)


class RosterError(ValueError):
    """A roster that cannot be used; the message names the line."""


def read(path: Path) -> list[Person]:
    """The people of a roster, in its order. Raises RosterError."""
    try:
        if path.stat().st_size > LARGEST:
            raise RosterError(f"{path}: 太大 / larger than {LARGEST >> 20} MB")
        data = path.read_bytes()
    except OSError as error:
        raise RosterError(f"{path} 读不了 / cannot be read: {error.strerror}") from None
    try:
        return people(_text(data))
    except RosterError as error:
        raise RosterError(f"{path}, {error}") from None


def _text(data: bytes) -> str:
    """What a file says, in the encoding that it is in. Raises RosterError."""
    encoding = "utf-16" if data[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
    for name in (encoding, "gb18030"):
        try:
            return data.decode(name)
        except UnicodeDecodeError:
            continue
    raise RosterError(
        "1: 既不是 UTF-8 也不是 GB 18030，请另存为“CSV UTF-8” / neither UTF-8 nor GB 18030: save it as CSV UTF-8"
    )


def people(text: str) -> list[Person]:
    """The same from its text. Raises RosterError."""
    rows = _rows(text)
    if not rows:
        raise RosterError("1: 空的 / it is empty: the first line names the columns 学号,姓名 (number,name)")
    at, heads = rows[0]
    number, name, role = (_column(heads, known) for known in (NUMBER, NAME, ROLE))
    missing = [known[0] for known, column in ((NUMBER, number), (NAME, name)) if column is None]
    if number is None or name is None:
        raise RosterError(
            f"{at}: 第一行缺列 {'、'.join(missing)} / the first line must name the columns 学号,姓名 (number,name); "
            "it has: "
            f"{printable(', '.join(heads))[:200]}"
        )
    found: dict[str, tuple[int, Person]] = {}
    for line, row in rows[1:]:
        values = [row[k] if k is not None and k < len(row) else "" for k in (number, name, role)]
        one = _person(line, *values)
        key = one.number.casefold()
        if key in found:
            first = found[key][0]
            raise RosterError(f"{line}: 学号重复 / the number {one.number} stands in line {first} already")
        found[key] = line, one
    if not found or len(found) > MOST:
        raise RosterError(f"{at}: {len(found)} 个人 / {len(found)} people: from 1 to {MOST} can be in a class")
    return [one for _, one in found.values()]


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """Line number and cells of the rows in which anything stands."""
    first = text.lstrip("\r\n").partition("\n")[0]
    mark = max(",\t;，", key=first.count)
    reader = csv.reader(
        io.StringIO(text.replace("，", ",") if mark == "，" else text, newline=""),
        delimiter=mark if mark != "，" else ",",
    )
    found = []
    try:
        for row in reader:
            cells = [_plain(cell) for cell in row]
            if any(cells):
                found.append((reader.line_num, cells))
    except csv.Error as error:
        raise RosterError(f"{reader.line_num}: {error}") from None
    return found


def _plain(cell: str) -> str:
    """Without the spaces and the ="..." that spreadsheets put around; full-width letters and digits become plain."""
    text = unicodedata.normalize("NFKC", cell).strip().strip("\u200b\ufeff")
    return text[2:-1].strip() if text.startswith('="') and text.endswith('"') else text


def _column(heads: Sequence[str], known: Sequence[str]) -> int | None:
    return next((k for name in known for k, head in enumerate(heads) if head.casefold() == name), None)


def _person(line: int, number: str, name: str, role: str) -> Person:
    shown = printable(number)[:60]
    if _ROUNDED.fullmatch(number):
        raise RosterError(
            f"{line}: 学号被电子表格改成了 {shown}：把这一列设为文本 / a spreadsheet has rounded the number to "
            f"{shown}: make the column text"
        )
    if not _NUMBER.fullmatch(number):
        raise RosterError(
            f"{line}: 学号只能用字母、数字和 - / a number has letters, digits and -, at most 40: {shown!r}"
        )
    if not 1 <= len(name) <= 60 or not name.isprintable():
        raise RosterError(f"{line}: 姓名要有 1 到 60 个字 / a name has 1 to 60 characters: {printable(name)[:60]!r}")
    if role.casefold() not in TEACHERS + STUDENTS:
        raise RosterError(
            f"{line}: 角色是“学生”（或空）、“教师”、“助教” / a role is student (or nothing), teacher, assistant: "
            f"{printable(role)[:60]!r}"
        )
    return Person(number, name, role.casefold() in TEACHERS)
