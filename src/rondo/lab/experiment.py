"""An experiment: a folder that a teacher writes and a student works through.

    experiment.toml     number, titles, due, aim, principle; parts with their answers and checks
    NAME.zh.md .en.md   the text of a part whose `text` is NAME
    FILE                what an answer starts with (`start = "FILE"`)
    hidden.toml         checks that no student sees: only what they say
    checks.py           functions for checks of the kind `python` (the teacher's own program: it is run)

`rondo lab new FOLDER` writes a template, `rondo lab check FOLDER` says what is wrong with one.
"""

from __future__ import annotations

import datetime
import hashlib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rondo.expr.graph import nearest
from rondo.lab.words import Words

Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,39}$")]
AnswerKind = Literal["python", "cell", "lines", "number", "choice", "words"]
MOST_BYTES = 1 << 20  # of a file of an experiment
_FILE = re.compile(r"[\w][\w.-]{0,79}")


class ExperimentError(ValueError):
    """A folder that is no experiment; the message says where and what to do."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Option(_Part):
    """One of several answers to choose from."""

    id: Name
    title: Words


class Answer(_Part):
    """What a student fills in: a program, equations of a cell, lines of a derivation, a number, a choice, or words."""

    id: Name
    kind: AnswerKind
    title: Words
    start: str = Field("", description="what stands there at first, or the name of the file that holds it")
    options: tuple[Option, ...] = ()


class Check(BaseModel):
    """A check: its kind is one of `rondo.lab.checks.KINDS`, which says what else it takes."""

    model_config = ConfigDict(extra="allow", frozen=True)

    id: Name
    kind: str
    title: Words
    points: float = Field(1.0, ge=0, le=100)
    hidden: bool = False

    @property
    def settings(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Part(_Part):
    """A part of an experiment."""

    id: Name
    title: Words
    text: Words = Words(zh="", en="")
    answers: tuple[Answer, ...] = ()
    checks: tuple[Check, ...] = ()

    def answer(self, name: str) -> Answer:
        """Raises ExperimentError."""
        for one in self.answers:
            if one.id == name:
                return one
        raise ExperimentError(f"{self.id}: no answer is called {name!r}{nearest(name, [a.id for a in self.answers])}")


class Experiment(_Part):
    """An experiment as it is read; `digest` is that of all its files, hidden ones too."""

    number: int = Field(ge=1, le=999)
    title: Words
    aim: Words
    principle: Words
    due: datetime.datetime | None = None
    parts: tuple[Part, ...]
    digest: str
    folder: Path

    @property
    def points(self) -> float:
        return sum(c.points for p in self.parts for c in p.checks)

    @property
    def points_shown(self) -> float:
        """Those of the checks that are not hidden."""
        return sum(c.points for p in self.parts for c in p.checks if not c.hidden)

    def part(self, name: str) -> Part:
        """Raises ExperimentError."""
        for one in self.parts:
            if one.id == name:
                return one
        raise ExperimentError(f"no part is called {name!r}{nearest(name, [p.id for p in self.parts])}")


def load(folder: Path) -> Experiment:
    """Read the experiment in a folder. Raises ExperimentError naming the file and the place."""
    path = folder / "experiment.toml"
    data = _toml(path)
    if not isinstance(data.get("part"), list) or not data["part"]:
        raise ExperimentError(f"{path}: an experiment has parts: begin one with [[part]]")
    parts = [_part(folder, path, k, given) for k, given in enumerate(data.pop("part"))]
    for given in _toml(folder / "hidden.toml").get("check", []) if (folder / "hidden.toml").is_file() else ():
        _hide(folder / "hidden.toml", parts, dict(given))
    whole = {**data, "parts": parts, "digest": digest(folder), "folder": folder}
    found = _valid(whole, path)
    _unique(path, [p.id for p in found.parts], "parts")
    for part in found.parts:
        _unique(path, [a.id for a in part.answers], f"answers of part {part.id}")
        _unique(path, [c.id for c in part.checks], f"checks of part {part.id}")
    return found


def digest(folder: Path) -> str:
    """SHA-256 of the names and contents of an experiment's files."""
    found = hashlib.sha256()
    for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")):
        found.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _part(folder: Path, path: Path, k: int, given: dict[str, Any]) -> dict[str, Any]:
    """A part with its text and the first contents of its answers read in."""
    own = dict(given)
    where = f"{path}, part {k + 1}"
    if name := own.pop("text", ""):
        own["text"] = {lang: _file(folder, f"{name}.{lang}.md", where) for lang in ("zh", "en")}
    own["answers"], own["checks"] = [dict(a) for a in own.pop("answer", [])], own.pop("check", [])
    for answer in own["answers"]:
        start = answer.get("start", "")
        if _FILE.fullmatch(start) and (folder / start).is_file():
            answer["start"] = _file(folder, start, where)
        answer["options"] = answer.pop("option", [])
    return own


def _hide(path: Path, parts: list[dict[str, Any]], given: dict[str, Any]) -> None:
    name = given.pop("part", "")
    part = next((p for p in parts if p.get("id") == name), None)
    if part is None:
        raise ExperimentError(
            f"{path}: a check says part = {name!r}{nearest(str(name), [str(p['id']) for p in parts])}"
        )
    part["checks"] = [*part["checks"], {**given, "hidden": True}]


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_read(path))
    except tomllib.TOMLDecodeError as error:
        raise ExperimentError(f"{path}: {error}") from None


def _file(folder: Path, name: str, where: str) -> str:
    if not _FILE.fullmatch(name):
        raise ExperimentError(f"{where}: {name!r} is no name of a file in the experiment's folder")
    if not (folder / name).is_file():
        raise ExperimentError(f"{where}: there is no file {name} in {folder}")
    return _read(folder / name)


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ExperimentError(f"{path} is larger than {MOST_BYTES >> 20} MB")
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ExperimentError(f"there is no {path}: `rondo lab new FOLDER` writes a template") from None
    except UnicodeDecodeError as error:
        raise ExperimentError(f"{path} is not UTF-8: {error}") from None
    except OSError as error:
        raise ExperimentError(f"{path} cannot be read: {error.strerror}") from None


def _valid(data: dict[str, Any], path: Path) -> Experiment:
    try:
        return Experiment.model_validate(data)
    except ValidationError as error:
        raise ExperimentError("\n".join(f"{path}: {line}" for line in faults(error))) from None


def faults(error: ValidationError) -> list[str]:
    """What is wrong, a line each: part 2, check 1, title.en: why."""
    found = []
    for one in error.errors()[:5]:
        place = [str(p + 1) if isinstance(p, int) else str(p) for p in one["loc"]]
        text = one["msg"]
        if one["type"] == "extra_forbidden":
            text = "no setting is called that"
        if one["type"] == "missing":
            text = "is missing"
        found.append(f"{' '.join(place)}: {text}")
    return found


def _unique(path: Path, names: list[str], what: str) -> None:
    twice = sorted({n for n in names if names.count(n) > 1})
    if twice:
        raise ExperimentError(f"{path}: the {what} need names of their own; twice: {', '.join(twice)}")
