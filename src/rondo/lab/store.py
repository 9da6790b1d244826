"""Where answers, what checks said, and what was handed in are kept: one SQLite file in WAL mode, for a class and for
one person alone alike (alone: the student whose number is empty).

    answers     a row an answer: written at once, durable when `keep` returns (synchronous = FULL)
    outcomes    a row a check, with the digest of the answer that it read: one changed since is no longer counted
    handed      a row each time something was handed in; contents holds its bytes by their SHA-256
    kept        small settings of a person
    people, sessions, tries      `rondo.lab.accounts`

The file is the truth. What was handed in lies beside it as pages too (handed-in/EXPERIMENT/第n次实验-学号-姓名.html,
the latest of each student), for `rondo lab collect`; a page that is missing after a crash is written again.
`experiment` is the name of the experiment's folder (06-rnn), `student` the 学号.
"""

from __future__ import annotations

import contextlib
import datetime
import hashlib
import hmac
import json
import re
import secrets
import sqlite3
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rondo.files import FileError, write_aside
from rondo.lab.experiment import Experiment, faults
from rondo.lab.outcome import Outcome
from rondo.lab.report import LONGEST, Student

VERSION = 1  # of the tables
FOLDER = "handed-in"
BUDGET = 64 << 20  # bytes that one student may hand in for one experiment, all versions together
WAIT = 30.0  # seconds until a file that another process writes is given up
NAME = re.compile(r"[^\\/:*?\"<>|\x00-\x1f\x7f.][^\\/:*?\"<>|\x00-\x1f\x7f]{0,239}")
TABLES = """
CREATE TABLE IF NOT EXISTS answers (
    student TEXT, experiment TEXT, part TEXT, answer TEXT, text TEXT NOT NULL, changed TEXT NOT NULL,
    PRIMARY KEY (student, experiment, part, answer)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS outcomes (
    student TEXT, experiment TEXT, part TEXT, "check" TEXT, answer TEXT NOT NULL, digest TEXT NOT NULL,
    outcome TEXT NOT NULL, changed TEXT NOT NULL,
    PRIMARY KEY (student, experiment, part, "check")) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS contents (sha256 TEXT PRIMARY KEY, bytes BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS handed (
    id INTEGER PRIMARY KEY AUTOINCREMENT, student TEXT NOT NULL, name TEXT NOT NULL, experiment TEXT NOT NULL,
    file TEXT NOT NULL, sha256 TEXT NOT NULL REFERENCES contents, shown TEXT NOT NULL REFERENCES contents,
    bytes INTEGER NOT NULL, time TEXT NOT NULL, due TEXT NOT NULL, late INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS handed_by ON handed (student, experiment);
CREATE TABLE IF NOT EXISTS kept (
    student TEXT, name TEXT, value TEXT NOT NULL, PRIMARY KEY (student, name)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS people (
    number TEXT PRIMARY KEY, name TEXT NOT NULL, role TEXT NOT NULL, hash TEXT NOT NULL, first INTEGER NOT NULL,
    active INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
    digest TEXT PRIMARY KEY, number TEXT NOT NULL, begun REAL NOT NULL, seen REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tries (key TEXT PRIMARY KEY, failed INTEGER NOT NULL, until REAL NOT NULL) WITHOUT ROWID;
"""

Read = Mapping[tuple[str, str], tuple[str, str | None]]  # (part, check) -> the answer that it reads, and its text


class StoreError(ValueError):
    """What cannot be kept, or a file that is no store; the message says what to do."""


@dataclass(frozen=True)
class Person:
    """Who is asking. Alone: the empty number and name, until a report asks for them."""

    number: str
    name: str
    teacher: bool = False

    def student(self) -> Student:
        """As a report names them. Raises StoreError where number or name is missing."""
        try:
            return Student(number=self.number, name=self.name)
        except ValidationError as error:
            raise StoreError(f"学号或姓名不对 / number or name cannot be used: {'; '.join(faults(error))}") from None


class Receipt(BaseModel):
    """What a student keeps: who handed in what, when. `seal` is an HMAC of the rest with the key of the store, so a
    receipt that was changed or made up is told from one that was given."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["rondo-lab-receipt"] = "rondo-lab-receipt"
    id: int = Field(ge=1, lt=2**63)
    number: str = Field(max_length=40)
    name: str = Field(max_length=60)
    experiment: str = Field(max_length=80)
    file: str = Field(max_length=255)
    sha256: str = Field(max_length=64, description="of the bytes that were handed in")
    bytes: int
    time: str = Field(max_length=40)
    due: str = Field(default="", max_length=40)
    late: bool
    seal: str = Field(max_length=64)


class Progress(BaseModel):
    """How far a student is: of what checks say about the answers as they are now."""

    model_config = ConfigDict(frozen=True)

    points: float = 0.0
    passed: int = 0
    changed: str | None = Field(default=None, description="last change of an answer; times are ISO 8601 in UTC")
    handed_in: str | None = Field(default=None, description="last hand-in")
    late: bool = Field(default=False, description="the last hand-in came after the deadline")
    times: int = Field(default=0, description="how often it was handed in")


@dataclass(frozen=True)
class Checked:
    """What a check said, when, and whether its answer is still what it was then."""

    outcome: Outcome
    time: str
    fresh: bool


def what_is_read(experiment: Experiment, answers: Mapping[str, Mapping[str, str]]) -> Read:
    """The answer that each check reads, as `Store.answers` gave it."""
    found: dict[tuple[str, str], tuple[str, str | None]] = {}
    for part in experiment.parts:
        for check in part.checks:
            answer = str(check.settings.get("answer", ""))
            found[part.id, check.id] = answer, answers.get(part.id, {}).get(answer)
    return found


def filled(experiment: Experiment, answers: Mapping[str, Mapping[str, str]]) -> dict[str, dict[str, str]]:
    """Every answer of an experiment: as it was kept, else as it starts."""
    return {p.id: {a.id: answers.get(p.id, {}).get(a.id, a.start) for a in p.answers} for p in experiment.parts}


def deadline(experiment: Experiment) -> datetime.datetime | None:
    """The deadline with its zone: one without is in this machine's."""
    return experiment.due.astimezone() if experiment.due else None


class Store:
    """The file. Threads may share it: each has a connection of its own, and they write one after the other."""

    def __init__(self, path: Path) -> None:
        """Open it, or begin it where there is none. Raises StoreError."""
        self.path = Path(path)
        self._own, self._open, self._writes = threading.local(), list[sqlite3.Connection](), threading.RLock()
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.writing() as db:
                self._prepare(db)
        except (OSError, sqlite3.Error) as error:
            self.close()
            raise StoreError(f"{path} 打不开 / cannot be opened: {error}") from None

    def _prepare(self, db: sqlite3.Connection) -> None:
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        if version > VERSION:
            raise StoreError(f"{self.path} was written by a newer Rondo: update Rondo")
        for statement in filter(str.strip, TABLES.split(";")):
            db.execute(statement)
        key = ("", "seal", secrets.token_hex(32))
        db.execute("INSERT OR IGNORE INTO kept VALUES (?, ?, ?)", key)
        db.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close all connections; the WAL is folded into the file."""
        for one in self._open:
            with contextlib.suppress(sqlite3.Error):
                one.close()
        self._open.clear()
        self._own = threading.local()

    @property
    def db(self) -> sqlite3.Connection:
        """This thread's connection, for reading; statements outside `writing` see what is committed."""
        found: sqlite3.Connection | None = getattr(self._own, "db", None)
        if found is None:
            found = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None, check_same_thread=False)
            found.row_factory = sqlite3.Row
            found.execute("PRAGMA journal_mode = WAL")
            found.execute("PRAGMA synchronous = FULL")  # a commit is on the disk when it returns
            found.execute("PRAGMA foreign_keys = ON")
            self._own.db = found
            self._open.append(found)
        return found

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction: all of it or nothing."""
        with self._writes:
            db = self.db
            db.execute("BEGIN IMMEDIATE")
            try:
                yield db
                db.execute("COMMIT")
            except BaseException:
                db.execute("ROLLBACK")
                raise

    # --- answers and outcomes ----------------------------------------------------------------------

    def answers(self, student: str, experiment: str) -> dict[str, dict[str, str]]:
        """Part -> answer -> text, of the answers that were kept."""
        found: dict[str, dict[str, str]] = {}
        rows = self.db.execute(
            "SELECT part, answer, text FROM answers WHERE student = ? AND experiment = ?", (student, experiment)
        )
        for part, answer, text in rows:
            found.setdefault(part, {})[answer] = text
        return found

    def keep(self, student: str, experiment: str, part: str, answer: str, text: str) -> None:
        """Keep an answer, at once. Raises StoreError where it is too long."""
        if len(text) > LONGEST:
            raise StoreError(f"太长：{len(text)} 个字符 / too long: {len(text)} characters, at most {LONGEST}")
        if "\0" in text or any("\ud800" <= c <= "\udfff" for c in text):
            raise StoreError("有读不懂的字符 / there are characters that are no text")
        with self.writing() as db:
            db.execute(
                "INSERT INTO answers VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
                "SET text = excluded.text, changed = excluded.changed WHERE text != excluded.text",
                (student, experiment, part, answer, text, _now()),
            )

    def outcomes(self, student: str, experiment: str) -> list[Outcome]:
        """What checks said of the answers as they are now; what was said of an answer changed since is left out."""
        return [Outcome.model_validate_json(row["outcome"]) for row in self._fresh(experiment, student)]

    def checked(self, student: str, experiment: str) -> list[Checked]:
        """All that checks said, with the time, and whether the answer is still what it was then."""
        rows = self._outcomes(experiment, student)
        return [
            Checked(Outcome.model_validate_json(row["outcome"]), row["changed"], row["digest"] == _digest(row["text"]))
            for row in rows
        ]

    def keep_outcomes(self, student: str, experiment: str, outcomes: Iterable[Outcome], read: Read) -> None:
        """Keep what checks said, each in the place of what it said before; `read`: `what_is_read` of the experiment and
        the answers that were checked. Outcomes of hidden checks are never kept."""
        rows = [
            (student, experiment, o.part, o.check, answer, _digest(text), o.model_dump_json(), _now())
            for o in outcomes
            if not o.hidden
            for answer, text in [read[o.part, o.check]]
        ]
        with self.writing() as db:
            db.executemany("INSERT OR REPLACE INTO outcomes VALUES (?, ?, ?, ?, ?, ?, ?, ?)", rows)

    def _outcomes(self, experiment: str, student: str | None = None) -> sqlite3.Cursor:
        """Rows of outcomes, beside what the answer that was checked is now."""
        return self.db.execute(
            'SELECT o.student, o.part, o."check", o.digest, o.outcome, o.changed, a.text FROM outcomes o '
            "LEFT JOIN answers a USING (student, experiment, part, answer) "
            "WHERE o.experiment = ?1 AND (?2 IS NULL OR o.student = ?2)",
            (experiment, student),
        )

    def _fresh(self, experiment: str, student: str | None = None) -> Iterator[sqlite3.Row]:
        """Those whose answer is still what was checked."""
        return (row for row in self._outcomes(experiment, student) if row["digest"] == _digest(row["text"]))

    # --- progress ----------------------------------------------------------------------------------

    def progress(self, student: str, experiment: str) -> Progress:
        """How far a student is with an experiment."""
        return self.everybody(experiment, student).get(student, Progress())

    def course(self, student: str, experiments: Iterable[str]) -> dict[str, Progress]:
        """The same of several experiments, by name."""
        return {name: self.progress(student, name) for name in experiments}

    def everybody(self, experiment: str, student: str | None = None) -> dict[str, Progress]:
        """The progress of all students that have begun an experiment, by number."""
        own = (experiment, student)
        found: dict[str, dict[str, Any]] = {}
        where = "experiment = ? AND (?2 IS NULL OR student = ?2)"
        for row in self.db.execute(
            f"SELECT student, MAX(changed) AS changed FROM answers WHERE {where} GROUP BY student", own
        ):
            found.setdefault(row["student"], {})["changed"] = row["changed"]
        for row in self._fresh(experiment, student):
            one, outcome = found.setdefault(row["student"], {}), Outcome.model_validate_json(row["outcome"])
            one["points"] = one.get("points", 0.0) + outcome.points
            one["passed"] = one.get("passed", 0) + outcome.passed
        for row in self.db.execute(f"SELECT student, time, late FROM handed WHERE {where} ORDER BY id", own):
            one = found.setdefault(row["student"], {})
            one |= {"handed_in": row["time"], "late": bool(row["late"]), "times": one.get("times", 0) + 1}
        return {number: Progress(**values) for number, values in found.items()}

    def passed(self, experiment: str) -> dict[str, dict[tuple[str, str], bool]]:
        """Of every student, which checks the answers as they are now have passed: (part, check) -> passed."""
        found: dict[str, dict[tuple[str, str], bool]] = {}
        for row in self._fresh(experiment):
            said = json.loads(row["outcome"])
            found.setdefault(row["student"], {})[row["part"], row["check"]] = bool(said["passed"])
        return found

    # --- handing in --------------------------------------------------------------------------------

    def hand_in(
        self,
        student: Student,
        experiment: str,
        report: bytes,
        now: datetime.datetime,
        due: datetime.datetime | None = None,
        called: str = "",
        shown: bytes | None = None,
    ) -> Receipt:
        """Keep what is handed in. It is on the disk when this returns, in the store and as a page in the folder.

        called: the page's file name (第6次实验-学号-姓名.html); shown: the page that is written, where it is not what
        was handed in itself. Raises StoreError for a name that is no file name, and past the student's budget.
        """
        called = called or f"{experiment}-{student.number}.html"
        if not NAME.fullmatch(called) or not NAME.fullmatch(experiment):
            raise StoreError(f"不能做文件名 / no name of a file: {called!r}")
        page = report if shown is None else shown
        when, until = _told(now), _told(due) if due else ""
        digest, of_page = (hashlib.sha256(data).hexdigest() for data in (report, page))
        with self._writes:
            with self.writing() as db:
                self._within_budget(db, student.number, experiment, len(report) + len(page))
                values = [(digest, report), (of_page, page)]
                db.executemany("INSERT OR IGNORE INTO contents VALUES (?, ?)", values)
                late = bool(due and now > due)
                row = db.execute(
                    "INSERT INTO handed (student, name, experiment, file, sha256, shown, bytes, time, due, late) "
                    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING *",
                    (student.number, student.name, experiment, called, digest, of_page, len(report), when, until, late),
                ).fetchone()
            self._show(experiment, student.number)
        return self._receipt(row)

    def _within_budget(self, db: sqlite3.Connection, student: str, experiment: str, more: int) -> None:
        used = db.execute(
            "SELECT COALESCE(SUM(LENGTH(bytes)), 0) FROM contents WHERE sha256 IN (SELECT sha256 FROM handed WHERE "
            "student = ?1 AND experiment = ?2 UNION SELECT shown FROM handed WHERE student = ?1 AND experiment = ?2)",
            (student, experiment),
        ).fetchone()[0]
        if used + more > BUDGET:
            raise StoreError(
                f"这个实验已交了 {used >> 20} MB，到了上限，请找老师 / {used >> 20} MB have been handed in for this "
                "experiment, which is the limit: ask your teacher"
            )

    def _show(self, experiment: str, student: str) -> None:
        """Write a student's latest page into the folder where it does not lie there, and remove those under other
        names. The store has it all: a full disk here loses nothing."""
        rows = self.db.execute(
            "SELECT file, shown FROM handed WHERE experiment = ? AND student = ? ORDER BY id DESC",
            (experiment, student),
        ).fetchall()
        folder = self.path.parent / FOLDER / experiment
        path = folder / rows[0]["file"]
        try:
            folder.mkdir(parents=True, exist_ok=True)
            if not path.is_file() or hashlib.sha256(path.read_bytes()).hexdigest() != rows[0]["shown"]:
                write_aside(path, self._bytes(rows[0]["shown"]))
            for other in {row["file"] for row in rows} - {path.name}:
                (folder / other).unlink(missing_ok=True)
        except (OSError, FileError) as error:
            print(f"{path}: {error}", file=sys.stderr)

    def show_all(self) -> None:
        """Write every page that is missing from the folder: after a crash, or from a backup."""
        with self._writes:
            for row in self.db.execute("SELECT DISTINCT experiment, student FROM handed").fetchall():
                self._show(row["experiment"], row["student"])

    def receipts(self, student: str, experiment: str | None = None) -> list[Receipt]:
        """All receipts of a student, the latest first."""
        rows = self.db.execute(
            "SELECT * FROM handed WHERE student = ?1 AND (?2 IS NULL OR experiment = ?2) ORDER BY id DESC",
            (student, experiment),
        )
        return [self._receipt(row) for row in rows]

    def handed(self, student: str, number: int) -> tuple[Receipt, bytes]:
        """What a student handed in under the receipt of this id. Raises StoreError, also where it is another's."""
        row = self.db.execute("SELECT * FROM handed WHERE id = ? AND student = ?", (number, student)).fetchone()
        if row is None:
            raise StoreError("没有这份回执 / there is no such receipt")
        return self._receipt(row), self._bytes(row["sha256"])

    def shown(self, receipt: Receipt) -> bytes:
        """The page that lies in the folder for what a receipt speaks of."""
        row = self.db.execute("SELECT shown FROM handed WHERE id = ?", (receipt.id,)).fetchone()
        return self._bytes(row["shown"])

    def genuine(self, receipt: Receipt) -> bool:
        """Has this store given the receipt, as it stands? (Also where a backup no longer has what it speaks of.)"""
        own = self._seal(receipt.model_dump(exclude={"seal"}))
        return hmac.compare_digest(receipt.seal.encode(), own.encode())

    def has(self, receipt: Receipt) -> bool:
        """Does the store hold what the receipt speaks of?"""
        row = self.db.execute("SELECT sha256 FROM handed WHERE id = ?", (receipt.id,)).fetchone()
        return row is not None and row["sha256"] == receipt.sha256

    def _receipt(self, row: sqlite3.Row) -> Receipt:
        own = {name: row[name] for name in ("id", "name", "experiment", "file", "sha256", "bytes", "time", "due")}
        own |= {"format": "rondo-lab-receipt", "number": row["student"], "late": bool(row["late"])}
        return Receipt(**own, seal=self._seal(own))

    def _seal(self, values: dict[str, Any]) -> str:
        told = json.dumps(values, sort_keys=True, ensure_ascii=False)
        return hmac.new(bytes.fromhex(self.setting("", "seal")), told.encode(), hashlib.sha256).hexdigest()

    def _bytes(self, digest: str) -> bytes:
        return bytes(self.db.execute("SELECT bytes FROM contents WHERE sha256 = ?", (digest,)).fetchone()[0])

    # --- settings, backups -------------------------------------------------------------------------

    def setting(self, student: str, name: str) -> str:
        """A small setting; "" where there is none."""
        row = self.db.execute("SELECT value FROM kept WHERE student = ? AND name = ?", (student, name)).fetchone()
        return row[0] if row else ""

    def set(self, student: str, name: str, value: str) -> None:
        """Keep a small setting."""
        with self.writing() as db:
            db.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (student, name, value))

    def profile(self, student: str) -> Student | None:
        """Number and name as they were kept for reports; None where they were not."""
        found = self.setting(student, "profile")
        return Student.model_validate_json(found) if found else None

    def keep_profile(self, student: str, profile: Student) -> None:
        """Keep number and name."""
        self.set(student, "profile", profile.model_dump_json())

    def backup(self, path: Path) -> None:
        """Copy the store, while it is used, into one file that is whole. Raises StoreError, FileError."""
        if path.exists():
            raise StoreError(f"{path} 已存在，不会覆盖 / {path} is there already; nothing is overwritten")
        aside = path.with_name(f".{path.name}.new")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(sqlite3.connect(aside)) as copy:
                self.db.backup(copy)
                copy.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
            aside.replace(path)
        except (OSError, sqlite3.Error) as error:
            raise FileError(f"{path} cannot be written: {error}") from None
        finally:
            aside.unlink(missing_ok=True)


def _now() -> str:
    return _told(datetime.datetime.now(datetime.UTC))


def _told(time: datetime.datetime) -> str:
    return time.astimezone(datetime.UTC).isoformat(timespec="milliseconds")


def _digest(text: str | None) -> str:
    """Of an answer that was kept; "" of one that was not."""
    return "" if text is None else hashlib.sha256(text.encode()).hexdigest()
