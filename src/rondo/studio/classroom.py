"""A class's routes: logging in, handing in, and what its teacher sees. Without a class (`rondo lab serve`) they are not
there."""

from __future__ import annotations

import datetime
import functools
from typing import Annotated, Any, Literal
from urllib.parse import quote

import anyio.to_thread
from fastapi import APIRouter, Depends, HTTPException, Query, Request, Response
from fastapi import Path as InPath
from pydantic import BaseModel, ConfigDict, Field

from rondo.lab.accounts import LONGEST, AccountError, WaitError
from rondo.lab.overview import Overview, as_csv, overview
from rondo.lab.report import Student
from rondo.lab.store import Receipt, deadline
from rondo.studio import classroom_work
from rondo.studio.child import Limits, in_child
from rondo.studio.classroom_desk import COOKIE, ClassDesk, address_of, of_class, session
from rondo.studio.course import report_of
from rondo.studio.course_desk import Desk, desk
from rondo.studio.queue import Records, in_thread, respond

router = APIRouter(prefix="/class", tags=["class"])
UPLOADED = Limits(seconds=120, memory=1024, file=16)
TYPES = ("application/octet-stream", "text/html", "application/json")  # of a report's file

Lang = Literal["zh", "en"]
Name = Annotated[str, Field(pattern=r"^[\w.-]{1,80}$")]
Id = Annotated[int, InPath(ge=1, lt=2**63)]
Number = Annotated[str, Field(min_length=1, max_length=40)]
Password = Annotated[str, Field(min_length=1, max_length=200)]


def here(at: Annotated[Desk, Depends(desk)]) -> ClassDesk:
    """The class. Raises HTTPException where there is none."""
    return of_class(at)


At = Annotated[ClassDesk, Depends(here)]


def teacher(http: Request, at: At) -> ClassDesk:
    """The class, for its teachers alone."""
    if not session(http).person.teacher:
        raise HTTPException(403, "这一页是教师的 / this is for teachers")
    return at


AtTeacher = Annotated[ClassDesk, Depends(teacher)]


class _Order(BaseModel):
    model_config = ConfigDict(extra="forbid")


class LogInRequest(_Order):
    """学号 and password."""

    number: Number
    password: Password


class PasswordRequest(_Order):
    """The password until now, and a new one of at least 8 characters."""

    old: Password
    new: Password


class HandInRequest(_Order):
    """Which experiment, and the language of the report."""

    experiment: Name
    lang: Lang = "zh"


class ResetRequest(_Order):
    """Whose password is forgotten."""

    number: Number


class Me(BaseModel):
    """Who is logged in; `first`: the first password has not been changed yet, and nothing else can be done."""

    number: str
    name: str
    teacher: bool
    first: bool


class Given(BaseModel):
    """A first password, told once."""

    number: str
    name: str
    password: str


class Verified(BaseModel):
    """genuine: this class gave the receipt, as it stands; kept: what it speaks of is there."""

    genuine: bool
    kept: bool


# --- logging in ------------------------------------------------------------------------------------


@router.post("/log-in")
async def log_in(order: LogInRequest, http: Request, response: Response, at: At) -> Me:
    """Begin a session. Wrong passwords make one wait, longer each time."""
    key = await _hashed(at, at.accounts.log_in, order.number, order.password, address_of(http))
    return _begun(at, key, http, response)


@router.post("/password")
async def password(order: PasswordRequest, http: Request, response: Response, at: At) -> Me:
    """Set a new password. Every session of the person ends; this one goes on under a new key."""
    number = session(http).person.number
    key = await _hashed(at, at.accounts.change, number, order.old, order.new, address_of(http))
    return _begun(at, key, http, response)


async def _hashed(at: ClassDesk, function: Any, *values: str) -> str:
    try:
        found: str = await anyio.to_thread.run_sync(functools.partial(function, *values), limiter=at.hashing)
    except WaitError as error:
        raise HTTPException(429, str(error), {"Retry-After": str(error.seconds)}) from None
    except AccountError as error:
        raise HTTPException(403, str(error)) from None
    return found


def _begun(at: ClassDesk, key: str, http: Request, response: Response) -> Me:
    found = at.accounts.whose(key)
    if found is None:
        raise HTTPException(403, "请再登录一次 / please log in again")
    response.set_cookie(
        COOKIE, key, max_age=int(LONGEST), httponly=True, samesite="strict", secure=http.url.scheme == "https"
    )
    return Me(number=found.person.number, name=found.person.name, teacher=found.person.teacher, first=found.first)


@router.post("/log-out", status_code=204)
def log_out(http: Request, at: At) -> Response:
    """End the session."""
    at.accounts.log_out(http.cookies.get(COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


@router.get("/me")
def me(http: Request, at: At) -> Me:
    """Who is logged in."""
    found = session(http)
    return Me(number=found.person.number, name=found.person.name, teacher=found.person.teacher, first=found.first)


# --- handing in ------------------------------------------------------------------------------------


@router.post("/hand-in", response_model=Receipt)
async def hand_in(order: HandInRequest, http: Request, at: At) -> Response:
    """Hand in the report as it is kept here. It is on the disk when the receipt comes; after the deadline it is marked
    late."""
    _found(at, order.experiment)
    number = at.student(http)
    return await respond(http, at.handing, lambda: in_thread(_hand_in, at, number, order.experiment, order.lang))


def _hand_in(at: ClassDesk, number: str, experiment: str, lang: str) -> Receipt:
    found, page = report_of(at, number, experiment, lang)
    return _kept(at, found.student, experiment, page.encode(), f"{found.file_name}.html")


def _kept(
    at: ClassDesk, student: Student, experiment: str, data: bytes, called: str, shown: bytes | None = None
) -> Receipt:
    now = datetime.datetime.now(datetime.UTC)
    return at.store.hand_in(student, experiment, data, now, deadline(at.experiment(experiment)), called, shown)


@router.post("/file", response_model=Receipt)
async def hand_in_file(
    experiment: Annotated[str, Query(max_length=80)], http: Request, at: At, lang: Lang = "zh"
) -> Response:
    """Hand in a report that was made elsewhere: the body is the file, HTML or JSON. The receipt is for its bytes; what
    lies in the folder is drawn again from its text and numbers, so nothing in it can run."""
    own = _found(at, experiment)
    if http.headers.get("content-type", "").partition(";")[0].strip().lower() not in TYPES:
        raise HTTPException(415, "要报告的文件，HTML 或 JSON / a report's file is asked for, HTML or JSON")
    data, who = await http.body(), session(http).person.student()
    values = {"data": data, "folder": str(own.folder), "number": who.number, "name": who.name, "lang": lang}
    return await respond(http, at.uploading, lambda: _uploaded(at, who, experiment, values))


async def _uploaded(at: ClassDesk, who: Student, experiment: str, values: dict[str, Any]) -> Records:
    async for record in in_child(classroom_work.uploaded, values, UPLOADED):
        shown = record["page"].encode()
        async for receipt in in_thread(_kept, at, who, experiment, values["data"], record["file"], shown):
            yield receipt


@router.get("/receipts")
def receipts(http: Request, at: At) -> list[Receipt]:
    """One's own receipts, the latest first."""
    return at.store.receipts(at.student(http))


@router.get("/receipts/{number}", response_model=Receipt)
def receipt(number: Id, http: Request, at: At) -> Response:
    """A receipt as a file to keep."""
    found, _ = at.store.handed(at.student(http), number)
    name = f"{found.file.rpartition('.')[0]}-{found.id}.receipt.json"
    return _file(found.model_dump_json(indent=1).encode(), name)


@router.get("/receipts/{number}/report", response_class=Response)
def handed(number: Id, http: Request, at: At) -> Response:
    """What was handed in under a receipt, as it was."""
    found, data = at.store.handed(at.student(http), number)
    return _file(data, found.file)


def _found(at: ClassDesk, name: str) -> Any:
    if name not in at.experiments:
        raise HTTPException(404, f"没有这个实验 / there is no experiment {name!r}")
    return at.experiment(name)


def _file(data: bytes, name: str) -> Response:
    """To be saved, never shown: what students hand in is not a page of this server."""
    headers = {"Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}"}
    return Response(data, headers=headers, media_type="application/octet-stream")


# --- the teacher -----------------------------------------------------------------------------------


@router.get("/overview")
def whole_class(at: AtTeacher) -> Overview:
    """Who has passed which checks, and handed in when."""
    return overview(at.store, at.accounts.people(), at.experiments)


@router.get("/overview.csv", response_class=Response)
def whole_class_csv(at: AtTeacher) -> Response:
    """The same as CSV, with the mark that spreadsheets need."""
    text = as_csv(overview(at.store, at.accounts.people(), at.experiments))
    return _file(text.encode("utf-8-sig"), "class.csv")


@router.get("/handed/{number}", response_class=Response)
def handed_by(number: str, experiment: Annotated[str, Query(max_length=80)], at: AtTeacher) -> Response:
    """The latest report of a student."""
    _found(at, experiment)
    found = at.store.receipts(number, experiment)
    if not found:
        raise HTTPException(404, "还没有交 / nothing has been handed in yet")
    return _file(at.store.shown(found[0]), found[0].file)


@router.post("/reset")
async def reset(order: ResetRequest, at: AtTeacher) -> Given:
    """Give a student a new first password; sessions under the number end."""
    try:
        person = at.accounts.person(order.number)
    except AccountError as error:
        raise HTTPException(404, str(error)) from None
    if person.teacher:
        raise HTTPException(403, "教师的密码用命令重设 / a teacher's password is reset with `rondo lab reset`")
    given = await _hashed(at, at.accounts.reset, person.number)
    return Given(number=person.number, name=person.name, password=given)


@router.post("/verify")
def verify(order: Receipt, at: AtTeacher) -> Verified:
    """Is a receipt one that this class gave?"""
    return Verified(genuine=at.store.genuine(order), kept=at.store.has(order))
