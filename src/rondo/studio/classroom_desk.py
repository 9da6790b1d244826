"""A class served from one machine: its folder, who is asking, and the gate before everything.

    class.sqlite             the store (`rondo.lab.store`): answers, outcomes, what was handed in, accounts
    handed-in/EXPERIMENT/    the latest report of each student, for `rondo lab collect`
    first-passwords-K.html   slips to print and cut; only its owner can read it

Nothing but the log-in is answered without a session. Somebody with a first password can do nothing but change it. What
would be shared by all (trainings that are kept, model files) is closed in a class; the rest of the studio is open, in
its queues, to so many requests of one person at once.
"""

from __future__ import annotations

import datetime
import fcntl
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO
from urllib.parse import quote

import anyio.to_thread
from anyio import CapacityLimiter
from fastapi import FastAPI, HTTPException, Request
from starlette.datastructures import MutableHeaders
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from rondo.lab import slips
from rondo.lab.accounts import Accounts, Session
from rondo.lab.experiment import Experiment
from rondo.lab.marking import faults_of
from rondo.lab.report import Student
from rondo.lab.store import NAME, Person, Store
from rondo.lab.work import find, shipped
from rondo.studio.course_desk import Desk
from rondo.studio.guard import SAFE
from rondo.studio.queue import Queue

COOKIE = "rondo_session"
LOG_IN, PASSWORD = "/classroom/login", "/classroom/password"
OPEN = frozenset({LOG_IN, "/api/class/log-in"})
FIRST = frozenset({PASSWORD, "/api/class/password", "/api/class/log-out", "/api/class/me"})  # with a first password
CLOSED = ("/api/runs", "/api/cell/text", "/api/text/model")  # what these keep would be everybody's
AT_ONCE, CHECKS_AT_ONCE = 6, 2  # requests of one person that are at work; checks of these
TEACHER = Person("teacher", "教师", True)  # where the roster names none


class ClassError(ValueError):
    """A class that cannot be opened; the message says what to do."""


@dataclass
class ClassDesk(Desk):
    """The desk of a class: who asks is who has logged in."""

    alone: bool = False
    checking: Queue = field(default_factory=lambda: Queue(running=2, waiting=400))
    handing: Queue = field(default_factory=lambda: Queue(running=2, waiting=400))
    uploading: Queue = field(default_factory=lambda: Queue(running=1, waiting=100))
    hashing: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))  # each takes 19 MB and a core
    lock: IO[str] | None = None

    def __post_init__(self) -> None:
        self.accounts = Accounts(self.store)

    def student(self, http: Request) -> str:
        """The 学号 of who has logged in."""
        return session(http).person.number

    def profile(self, student: str) -> Student | None:
        """As the roster has them."""
        return self.accounts.person(student).student()


def session(http: Request) -> Session:
    """Who has logged in; the gate has seen to it."""
    found: Session | None = getattr(http.state, "session", None)
    if found is None:
        raise HTTPException(401, "请先登录 / please log in first")
    return found


# --- opening ---------------------------------------------------------------------------------------


def chosen(names: Sequence[str], dues: Iterable[str] = ()) -> dict[str, Experiment]:
    """Experiments by the names of their folders (all that ship, where none is named), with deadlines NAME=TIME. Raises
    ClassError and ExperimentError."""
    found: dict[str, Experiment] = {}
    for name in names or list(shipped()):
        own = find(name)
        key = own.folder.resolve().name
        if key in found or not NAME.fullmatch(key):
            raise ClassError(f"{name}: 文件夹重名或不能用 / the experiments need folders with names of their own")
        if faults := faults_of(own):
            raise ClassError(f"{name}: {faults[0]} (`rondo lab check {own.folder}`)")
        found[key] = own
    for text in dues:
        name, _, time = text.partition("=")
        if name not in found:
            raise ClassError(f"--due {text}: NAME=TIME, with one of {', '.join(found)}")
        found[name] = found[name].model_copy(update={"due": _time(text, time)})
    return found


def _time(text: str, time: str) -> datetime.datetime:
    try:
        found = datetime.datetime.fromisoformat(time)
    except ValueError:
        raise ClassError(f"--due {text}: a time is 2026-12-20T23:59, or a day") from None
    return found if len(time) > 10 else found.replace(hour=23, minute=59, second=59)


def open_class(
    folder: Path, roster: Sequence[Person], experiments: Mapping[str, Experiment], address: str = ""
) -> tuple[ClassDesk, Path | None]:
    """Open the class of a folder, or begin it; and where the first passwords of who is new are. Raises ClassError,
    StoreError, AccountError and FileError."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = _locked(folder)
    path = folder / "class.sqlite"
    path.touch(0o600)  # what SQLite makes beside it gets the same mode
    path.chmod(0o600)
    desk = ClassDesk(Store(path), experiments, lock=lock)
    people = list(roster)
    if not any(one.teacher for one in people):
        if any(one.number.casefold() == TEACHER.number for one in people):
            raise ClassError(
                "名单里有人学号是 teacher，却没有教师 / the roster needs a teacher, or nobody called teacher"
            )
        people.append(TEACHER)
    new = desk.accounts.missing(people)
    given = slips.passwords(new)
    slip = slips.write(folder, new, given, address) if new else None  # on the disk before they are needed
    desk.accounts.enrol(people, given)
    desk.store.show_all()
    return desk, slip


def _locked(folder: Path) -> IO[str]:
    """One server a class; the lock ends with the process."""
    found = (folder / ".lock").open("w")
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        found.close()
        raise ClassError(f"{folder} 正在别处使用 / this class is being served already") from None
    return found


def admit(app: FastAPI, desk: ClassDesk) -> None:
    """Put the class into an application that has not begun to serve."""
    app.state.desk = desk
    app.user_middleware.append(Middleware(Gate, accounts=desk.accounts))  # the innermost: the guard stands before it


def of_folder(folder: Path) -> ClassDesk:
    """The class of a folder that is there, for commands beside the server. Raises ClassError."""
    path = folder / "class.sqlite"
    if not path.is_file():
        raise ClassError(f"{folder} 里没有班级 / there is no class in {folder}: `rondo lab serve --folder` makes one")
    return ClassDesk(Store(path))


# --- the gate --------------------------------------------------------------------------------------


class Gate:
    """ASGI middleware: nobody passes without a session but to log in."""

    def __init__(self, app: ASGIApp, accounts: Accounts) -> None:
        self.app, self.accounts = app, accounts
        self._at_work = Counter[str]()
        self._limiter: CapacityLimiter | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/static/"):
            await self.app(scope, receive, send)
            return
        send = _never_stored(send)
        if scope["path"] in OPEN:
            await self.app(scope, receive, send)
            return
        found = await self._session(Request(scope).cookies.get(COOKIE, ""))
        refused = _refused(scope, found)
        if refused is not None or found is None:
            await (refused or _told(401, "请先登录 / please log in first"))(scope, receive, send)
            return
        scope.setdefault("state", {})["session"] = found
        await self._serve(found.person.number, scope, receive, send)

    async def _session(self, key: str) -> Session | None:
        self._limiter = self._limiter or CapacityLimiter(8)
        return await anyio.to_thread.run_sync(self.accounts.whose, key, limiter=self._limiter) if key else None

    async def _serve(self, number: str, scope: Scope, receive: Receive, send: Send) -> None:
        """So many at once of one person, whatever they have open."""
        if scope["method"] in SAFE:
            await self.app(scope, receive, send)
            return
        checks = scope["path"].endswith("/check")  # their line is everybody's
        key, most = (f"{number} checks", CHECKS_AT_ONCE) if checks else (number, AT_ONCE)
        if self._at_work[key] >= most:
            message = "你还有别的在做，请等它做完 / you have other work going on: please wait until it is done"
            await _told(429, message, {"Retry-After": "5"})(scope, receive, send)
            return
        self._at_work[key] += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self._at_work[key] -= 1


def _refused(scope: Scope, found: Session | None) -> Response | None:
    """What somebody gets who may not have what is asked for."""
    path = scope["path"]
    of_program = path.startswith("/api/")
    if found is None:
        there = f"{LOG_IN}?to={quote(path)}" if path != "/" else LOG_IN
        return _told(401, "请先登录 / please log in first") if of_program else RedirectResponse(there, 303)
    if found.first and path not in FIRST:
        return _told(403, "请先改密码 / change your password first") if of_program else RedirectResponse(PASSWORD, 303)
    if path == "/":
        return RedirectResponse("/course", 303)
    if path in CLOSED or path.startswith("/api/runs/"):
        return _told(
            403,
            "班级里不开放：训练和模型文件会是大家共有的 / closed in a class: trainings and model files would be "
            "everybody's",
        )
    return None


def _told(status: int, message: str, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": message}, status, headers)


def _never_stored(send: Send) -> Send:
    """What one student was told is not kept by the browser for the next at the same machine."""

    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            MutableHeaders(scope=message)["Cache-Control"] = "no-store"
        await send(message)

    return sending


def address_of(http: Request) -> str:
    """Where a request comes from."""
    return http.client.host if http.client else ""


def of_class(desk: Desk) -> ClassDesk:
    """The desk of a class. Raises HTTPException where there is none."""
    if not isinstance(desk, ClassDesk):
        raise HTTPException(404, "这里没有班级 / there is no class here: `rondo lab serve`")
    return desk
