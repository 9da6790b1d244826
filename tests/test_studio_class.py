"""A class on a server: who gets in, who sees what, what is handed in and kept; and what is tried and refused."""

from __future__ import annotations

import contextlib
import csv
import datetime
import hashlib
import io
import json
import re
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Browser, Page, expect

from rondo.lab.collect import collect
from rondo.lab.experiment import load
from rondo.lab.report import ReportError, read, report, to_json
from rondo.lab.report import Student as Named
from rondo.lab.roster import people
from rondo.lab.store import FOLDER, Receipt
from rondo.studio import classroom_desk, classroom_work
from rondo.studio.app import create
from rondo.studio.classroom_desk import (
    AT_ONCE,
    CHECKS_AT_ONCE,
    COOKIE,
    ClassDesk,
    ClassError,
    admit,
    chosen,
    of_folder,
    open_class,
)
from rondo.studio.queue import Queue

from browser import needs_browser, opened, shot, studio

LOCAL = "http://127.0.0.1"
OWN = {"Origin": LOCAL}
ROSTER = "学号,姓名,角色\n2026001,李雷,\n2026002,韩梅梅,\n2026003,<img src=x onerror=alert(1)>,\nT07,王老师,教师\n"
EXPERIMENT = """
number = 7
title = { zh = "小实验", en = "A small one" }
aim = { zh = "目的", en = "aim" }
principle = { zh = "原理", en = "principle" }

[[part]]
id = "first"
title = { zh = "一", en = "one" }

[[part.answer]]
id = "hand"
kind = "number"
title = { zh = "数", en = "a number" }

[[part.answer]]
id = "why"
kind = "words"
title = { zh = "为什么", en = "why" }

[[part.answer]]
id = "program"
kind = "python"
title = { zh = "程序", en = "a program" }

[[part.check]]
id = "hand"
kind = "number"
title = { zh = "对吗", en = "is it right" }
answer = "hand"
expected = 42.5
points = 3

[[part.check]]
id = "why"
kind = "words"
title = { zh = "写了", en = "written" }
answer = "why"
least = 5

[[part.check]]
id = "program"
kind = "python"
title = { zh = "程序", en = "the program" }
answer = "program"
function = "doubles"
"""
HIDDEN = """
[[check]]
part = "first"
id = "secret"
kind = "number"
title = { zh = "谁也不知道", en = "nobody knows" }
answer = "hand"
expected = 42.515625
within = 0.000001
points = 2
"""
CHECKS = """
from rondo.lab.outcome import WrongError


def doubles(program, seed):
    if program("double", 4) != 8:
        raise WrongError("不是两倍 / not the double")
    return {}
"""


class Room:
    """A class, its application, and a client for each who logs in."""

    def __init__(self, folder: Path, due: str = "", roster: str = ROSTER) -> None:
        self.folder = folder
        self.experiments = chosen([str(folder / "07-small")], [f"07-small={due}"] if due else [])
        self.desk, passwords = open_class(folder / "class", people(roster), self.experiments)
        text = passwords.read_text() if passwords else ""
        slip = re.compile(r"<li>(\S+) .*?<b>([a-z0-9-]+)</b>", re.DOTALL)
        self.first = dict(slip.findall(text))
        self.app = create()
        admit(self.app, self.desk)

    def client(self) -> TestClient:
        return TestClient(self.app, base_url=LOCAL, follow_redirects=False)

    def enter(self, number: str, password: str = "") -> TestClient:
        """Logged in, with a password of one's own."""
        one = self.client()
        own = password or "a secret of mine"
        found = one.post("/api/class/log-in", json={"number": number, "password": self.first[number]})
        assert found.status_code == 200, found.text
        found = one.post("/api/class/password", json={"old": self.first[number], "new": own})
        assert found.status_code == 200, found.text
        return one

    def close(self) -> None:
        self.desk.store.close()
        if self.desk.lock:
            self.desk.lock.close()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("rondo.lab.accounts.PASSES", 1)
    monkeypatch.setattr("rondo.lab.accounts.MEMORY", 8)
    own = tmp_path / "07-small"
    own.mkdir()
    for name, text in (("experiment.toml", EXPERIMENT), ("hidden.toml", HIDDEN), ("checks.py", CHECKS)):
        (own / name).write_text(text, encoding="utf-8")
    return tmp_path


@pytest.fixture
def room(folder: Path) -> Iterator[Room]:
    found = Room(folder)
    yield found
    found.close()


def answer(one: TestClient, name: str, text: str) -> None:
    found = one.post("/api/course/07-small/answer", json={"part": "first", "answer": name, "text": text})
    assert found.status_code == 200, found.text


def hand_in(one: TestClient) -> dict[str, Any]:
    found = one.post("/api/class/hand-in", json={"experiment": "07-small"})
    assert found.status_code == 200, found.text
    return found.json()


# --- getting in ------------------------------------------------------------------------------------


def test_without_a_session_there_is_the_log_in_alone(room: Room) -> None:
    one = room.client()
    assert one.get("/classroom/login").status_code == 200
    for path in ("/course", "/poem", "/classroom/overview", "/", "/classroom/login/", "/nowhere", "/cell"):
        found = one.get(path)
        assert (found.status_code, found.headers["location"].partition("?")[0]) == (303, "/classroom/login"), path
    for route in room.app.openapi()["paths"]:
        path = route.replace("{number}", "1").replace("{experiment}", "07-small").replace("{name}", "x")
        if path == "/api/class/log-in":
            continue
        for method in room.app.openapi()["paths"][route]:
            assert one.request(method, path, headers=OWN).status_code == 401, (method, path)
    assert one.get("/api/openapi.json").status_code == 401


@pytest.mark.parametrize("cookie", ["", "x", "0" * 43, "../..", "诗".encode().decode("latin-1"), "x" * 4000])
def test_a_made_up_session_is_none(room: Room, cookie: str) -> None:
    assert (
        room.client().get("/api/course", headers={"Cookie": f"{COOKIE}={cookie}".encode("latin-1")}).status_code == 401
    )


def test_a_first_password_opens_nothing_but_the_change(room: Room) -> None:
    one = room.client()
    found = one.post("/api/class/log-in", json={"number": "2026001", "password": room.first["2026001"]})
    assert found.json() == {"number": "2026001", "name": "李雷", "teacher": False, "first": True}
    assert one.get("/api/course").status_code == 403
    assert one.get("/course").headers["location"] == "/classroom/password"
    assert one.get("/classroom/password").status_code == 200
    found = one.post("/api/class/password", json={"old": room.first["2026001"], "new": "short"})
    assert (found.status_code, "8 to 128" in found.json()["detail"]) == (403, True)
    found = one.post("/api/class/password", json={"old": room.first["2026001"], "new": "a better one"})
    assert found.json()["first"] is False
    assert one.get("/api/course").json()["student"] == {"number": "2026001", "name": "李雷"}


def test_the_cookie_is_for_this_server_alone(room: Room) -> None:
    found = room.client().post("/api/class/log-in", json={"number": "2026001", "password": room.first["2026001"]})
    cookie = found.headers["set-cookie"].lower()
    for part in ("httponly", "samesite=strict", "path=/", "max-age=43200"):
        assert part in cookie
    assert "secure" not in cookie
    safe = TestClient(room.app, base_url="https://127.0.0.1")
    found = safe.post("/api/class/log-in", json={"number": "2026002", "password": room.first["2026002"]})
    assert "secure" in found.headers["set-cookie"].lower()


def test_sessions_end_by_log_out_and_by_another_password(room: Room) -> None:
    one = room.enter("2026001", "one secret")
    other = room.client()
    other.post("/api/class/log-in", json={"number": "2026001", "password": "one secret"})
    assert other.get("/api/class/me").status_code == 200
    kept = one.cookies[COOKIE]
    assert one.post("/api/class/log-out").status_code == 204
    assert one.get("/api/class/me").status_code == 401
    assert room.client().get("/api/class/me", headers={"Cookie": f"{COOKIE}={kept}"}).status_code == 401
    third = room.client()
    third.post("/api/class/log-in", json={"number": "2026001", "password": "one secret"})
    assert third.post("/api/class/password", json={"old": "one secret", "new": "two secrets"}).status_code == 200
    assert other.get("/api/class/me").status_code == 401
    assert third.get("/api/class/me").status_code == 200


def test_wrong_passwords_make_one_wait_through_a_restart(room: Room, folder: Path) -> None:
    wrong = {"number": "2026001", "password": "wrong"}
    assert [room.client().post("/api/class/log-in", json=wrong).status_code for _ in range(6)] == [403] * 5 + [429]
    right = {"number": "2026001", "password": room.first["2026001"]}
    found = room.client().post("/api/class/log-in", json=right)
    assert found.status_code == 429
    assert int(found.headers["retry-after"]) >= 1
    with room.desk.store.writing() as db:
        db.execute("UPDATE tries SET until = until + 300")  # as after many more
    room.close()
    again = Room(folder)
    assert again.first == {}  # nobody is new
    assert again.client().post("/api/class/log-in", json=right).status_code == 429
    again.close()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("log-in", '{"number": "\\ud800", "password": "x"}'),
        ("log-in", '{"number": "1", "password": "\\ud800"}'),
        ("log-in", '{"number": "\\u0000", "password": "\\u0000"}'),
        ("log-in", '{"number": ["1"], "password": {}}'),
        ("log-in", "[" * 50_000),
        ("password", '{"old": "\\ud800", "new": "\\udfff"}'),
        ("hand-in", '{"experiment": "../07-small"}'),
        ("hand-in", '{"experiment": "07-small", "lang": "fr"}'),
        ("reset", '{"number": "\\ud800"}'),
        ("verify", '{"id": 1e99}'),
        ("verify", "null"),
    ],
)
def test_odd_requests_are_refused(room: Room, path: str, body: str) -> None:
    teacher = room.enter("T07")
    found = teacher.post(f"/api/class/{path}", content=body, headers={"Content-Type": "application/json"})
    assert found.status_code in (400, 403, 404, 422)
    for odd in (
        "receipts/99999999999999999999",
        "receipts/-1",
        "receipts/x",
        "handed/%00?experiment=07-small",
        "handed/1",
    ):
        assert teacher.get(f"/api/class/{odd}").status_code in (404, 422), odd


# --- from elsewhere --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}, {"Host": "evil.example"}],
)
def test_another_site_cannot_use_a_session(room: Room, headers: dict[str, str]) -> None:
    one = room.enter("2026001")
    for path, body in (
        ("/api/class/hand-in", {"experiment": "07-small"}),
        ("/api/course/07-small/answer", {"part": "first", "answer": "hand", "text": "1"}),
        ("/api/class/log-out", {}),
        ("/api/class/log-in", {"number": "2026001", "password": "x"}),
    ):
        assert one.post(path, json=body, headers=headers).status_code in (403, 421), path
    assert one.get("/api/class/receipts").json() == []
    assert one.get("/api/class/me").status_code == 200


def test_a_form_cannot_speak_for_a_page(room: Room) -> None:
    one = room.enter("2026001")
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        body = json.dumps({"experiment": "07-small"})
        assert one.post("/api/class/hand-in", content=body, headers={"Content-Type": kind}).status_code == 422
        found = one.post("/api/class/file?experiment=07-small", content=body, headers={"Content-Type": kind})
        assert found.status_code == 415


# --- whose is what ---------------------------------------------------------------------------------


def test_students_see_their_own_alone(room: Room) -> None:
    li, han = room.enter("2026001"), room.enter("2026002")
    answer(li, "hand", "42.5")
    answer(li, "why", "一个没有人知道的答案")
    given = hand_in(li)
    assert han.get("/api/class/receipts").json() == []
    for path in (f"/api/class/receipts/{given['id']}", f"/api/class/receipts/{given['id']}/report"):
        assert li.get(path).status_code == 200
        found = han.get(path)
        assert (found.status_code, "no such receipt" in found.json()["detail"]) == (422, True)
    shown = han.get("/api/course/07-small").text + han.get("/api/course").text
    assert "没有人知道" not in shown
    assert "李雷" not in shown
    page = han.get("/api/course/07-small/report.html").text
    assert "没有人知道" not in page
    for path in ("overview", "overview.csv", "handed/2026001?experiment=07-small"):
        assert han.get(f"/api/class/{path}").status_code == 403
    assert han.post("/api/class/reset", json={"number": "2026001"}).status_code == 403
    assert han.post("/api/class/verify", json=given).status_code == 403
    assert han.post("/api/course/student", json={"number": "2026001", "name": "李雷"}).status_code == 409


def test_hidden_checks_and_what_is_expected_stay_on_the_server(room: Room) -> None:
    one = room.enter("2026001")
    answer(one, "hand", "1")
    said = one.post("/api/course/07-small/check", json={}, headers={"Accept": "text/event-stream"}).text
    given = hand_in(one)
    told = [said, json.dumps(given), one.get(f"/api/class/receipts/{given['id']}/report").text]
    told += [
        one.get(f"/api/course{p}").text for p in ("", "/07-small", "/07-small/report.html", "/07-small/report.json")
    ]
    for text in told:
        for secret in ("42.5", "secret", "谁也不知道", "nobody knows", "doubles", "expected"):
            assert secret not in text
    for path in (
        "hidden.toml",
        "checks.py",
        "experiment.toml",
        "../07-small/hidden.toml",
        "..%2f07-small%2fhidden.toml",
    ):
        for start in ("/static/", "/api/course/07-small/", "/api/course/", "/classroom/", "/"):
            assert "42.515625" not in one.get(start + path).text


def test_what_all_would_share_is_closed(room: Room) -> None:
    one = room.enter("2026001")
    for method, path in (
        ("get", "/api/runs"), ("delete", "/api/runs/x"), ("get", "/api/runs/x/model"), ("post", "/api/cell/text"),
        ("post", "/api/text/model?name=x"), ("post", "/api/runs/x/resume"),
    ):  # fmt: skip
        assert one.request(method, path).status_code == 403, path
    assert one.get("/api/cell/shipped").status_code == 200
    assert one.get("/poem").status_code == 200
    assert one.get("/").headers["location"] == "/course"


def test_what_is_told_is_not_kept_for_the_next_at_the_machine(room: Room) -> None:
    one = room.enter("2026001")
    for path in ("/api/course", "/course", "/api/class/me"):
        assert one.get(path).headers["cache-control"] == "no-store"
    assert one.get("/static/studio.css").headers["cache-control"] == "no-cache"


def test_one_person_does_not_take_all_the_room(room: Room) -> None:
    li, han = room.enter("2026001"), room.enter("2026002")
    gate: Any = room.app.build_middleware_stack()
    while not isinstance(gate, classroom_desk.Gate):
        gate = gate.app
    room.app.middleware_stack = gate
    gate._at_work["2026001"] = AT_ONCE
    order = {"part": "first", "answer": "hand", "text": "1"}
    assert li.post("/api/course/07-small/answer", json=order).status_code == 429
    assert li.get("/api/course").status_code == 200
    gate._at_work["2026001 checks"] = CHECKS_AT_ONCE
    assert li.post("/api/course/07-small/check", json={}).status_code == 429
    answer(han, "hand", "1")
    assert gate._at_work["2026002"] == 0


# --- handing in ------------------------------------------------------------------------------------


def test_handing_in_gives_a_receipt_and_lies_where_collect_reads(room: Room) -> None:
    one = room.enter("2026001")
    answer(one, "hand", "42.515625")
    answer(one, "why", "因为是这样的")
    answer(one, "program", "def double(x):\n    return 2 * x\n")
    checked = one.post("/api/course/07-small/check", json={}).json()
    assert checked["progress"]["passed"] == 3
    given = hand_in(one)
    path = room.folder / "class" / FOLDER / "07-small" / "第7次实验-2026001-李雷.html"
    assert (given["file"], given["late"], given["experiment"]) == (path.name, False, "07-small")
    saved = one.get(f"/api/class/receipts/{given['id']}")
    assert saved.json() == given
    assert saved.headers["content-disposition"].startswith("attachment")
    handed = one.get(f"/api/class/receipts/{given['id']}/report")
    assert handed.headers["content-type"] == "application/octet-stream"
    assert handed.content == path.read_bytes()
    marked, refused = collect(load(room.folder / "07-small"), path.parent)
    assert refused == []
    assert [(m.report.student.number, m.points, m.remarks) for m in marked] == [("2026001", 7.0, [])]
    assert one.get("/api/course").json()["experiments"][0]["progress"]["handed_in"] == given["time"]


def test_what_was_not_checked_is_handed_in_without_a_claim(room: Room) -> None:
    one = room.enter("2026001")
    answer(one, "hand", "42.5")
    one.post("/api/course/07-small/check", json={})
    answer(one, "hand", "7")
    hand_in(one)
    path = room.folder / "class" / FOLDER / "07-small" / "第7次实验-2026001-李雷.html"
    assert "hand" not in [o.check for o in read(path).outcomes]
    marked, _ = collect(load(room.folder / "07-small"), path.parent)
    assert marked[0].remarks == []


def test_late_is_accepted_and_said(folder: Path) -> None:
    yesterday = datetime.datetime.now() - datetime.timedelta(days=1)
    room = Room(folder, yesterday.isoformat(timespec="minutes"))
    one, teacher = room.enter("2026001"), room.enter("T07")
    assert hand_in(one)["late"] is True
    assert one.get("/api/course").json()["experiments"][0]["progress"]["late"] is True
    row = next(r for r in teacher.get("/api/class/overview").json()["students"] if r["number"] == "2026001")
    assert row["progress"]["07-small"]["late"] is True
    room.close()


def upload(one: TestClient, data: bytes | str, **more: str) -> Any:
    headers = {"Content-Type": "application/octet-stream", **more}
    return one.post("/api/class/file?experiment=07-small", content=data, headers=headers)


def test_a_report_made_elsewhere_is_taken_and_drawn_again(room: Room) -> None:
    one = room.enter("2026001")
    answer(one, "why", "</script><script>alert(1)</script>")
    page = one.get("/api/course/07-small/report.html").text
    bad = page.replace("<main>", "<main><script>fetch('http://evil.example')</script>").encode()
    given = upload(one, bad).json()
    path = room.folder / "class" / FOLDER / "07-small" / given["file"]
    assert "evil.example" not in path.read_text()
    assert "<script>" not in path.read_text()
    assert one.get(f"/api/class/receipts/{given['id']}/report").content == bad
    assert upload(one, one.get("/api/course/07-small/report.json").text).status_code == 200
    assert read(path).answers["first"]["why"] == "</script><script>alert(1)</script>"


def test_uploads_that_are_no_report_of_ones_own_are_refused(room: Room) -> None:
    li, han = room.enter("2026001"), room.enter("2026002")
    own = li.get("/api/course/07-small/report.json").json()
    cases: list[tuple[bytes | str, str]] = [
        ("", "no report"), ("hello", "no report"), (b"\xff\xfe\x00", "UTF-8"), ("{" * 100_000, "no report"),
        (json.dumps({**own, "more": 1}), "no setting"),
        (json.dumps({**own, "experiment": {"number": 6, "digest": "x"}}), "experiment 6"),
        (json.dumps({**own, "student": {"number": "../../x", "name": "x"}}), "no report"),
        (json.dumps({**own, "answers": {"first": {"why": "x" * 70_000}}}), "no report"),
    ]  # fmt: skip
    for data, said in cases:
        found = upload(li, data)
        assert found.status_code == 422, data[:60]
        assert said in found.json()["detail"]
    found = upload(han, json.dumps(own))
    assert (found.status_code, "not yours" in found.json()["detail"]) == (422, True)
    assert upload(li, b"x" * ((8 << 20) + 1)).status_code == 413
    assert (
        li.post(
            "/api/class/file?experiment=../07-small", content=b"{}", headers={"Content-Type": "text/html"}
        ).status_code
        == 404
    )
    assert li.get("/api/class/receipts").json() == []
    assert not (room.folder / "class" / FOLDER).exists()


def test_results_that_cannot_be_drawn_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> str:
        raise TypeError("a curve of letters")

    experiment = load(folder / "07-small")
    own = report(experiment, Named(number="1", name="甲"), {}, [])
    monkeypatch.setattr(classroom_work, "page", breaks)
    with pytest.raises(ReportError, match="cannot be read: a curve of letters"):
        list(classroom_work.uploaded(to_json(own).encode(), str(folder / "07-small"), "1", "甲", "zh"))


def test_a_name_with_markup_is_text_everywhere(room: Room) -> None:
    one, teacher = room.enter("2026003"), room.enter("T07")
    given = hand_in(one)
    assert "<" not in given["file"]
    assert "/" not in given["file"]
    page = one.get("/api/course/07-small/report.html").text
    assert "<img" not in page
    assert "&lt;img" in page
    assert teacher.get("/api/class/overview").headers["content-type"] == "application/json"
    assert "<img" not in (room.folder / "class" / "first-passwords-1.html").read_text()


# --- the teacher -----------------------------------------------------------------------------------


def test_a_teacher_sees_the_class(room: Room) -> None:
    li, teacher = room.enter("2026001"), room.enter("T07")
    answer(li, "hand", "42.5")
    li.post("/api/course/07-small/check", json={})
    given = hand_in(li)
    found = teacher.get("/api/class/overview").json()
    assert [c["id"] for c in found["experiments"][0]["checks"]] == ["first/hand", "first/why", "first/program"]
    assert [r["number"] for r in found["students"]] == ["2026001", "2026002", "2026003"]
    assert found["students"][0]["passed"]["07-small"] == {
        "first/hand": True,
        "first/why": False,
        "first/program": False,
    }
    assert found["students"][0]["progress"]["07-small"]["points"] == 3
    assert found["students"][1]["progress"]["07-small"]["handed_in"] is None
    text = teacher.get("/api/class/overview.csv").content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(text)))
    assert rows[0][:4] == ["学号", "姓名", "07-small 得分", "07-small 满分"]
    assert rows[1][:4] == ["2026001", "李雷", "3", "5"]
    assert rows[1][-3:] == ["1", "0", "0"]
    assert rows[2][-3:] == ["", "", ""]
    report = teacher.get("/api/class/handed/2026001?experiment=07-small")
    assert report.headers["content-disposition"].startswith("attachment")
    assert teacher.get("/api/class/handed/2026002?experiment=07-small").status_code == 404
    assert teacher.post("/api/class/verify", json=given).json() == {"genuine": True, "kept": True}
    forged = {**given, "time": "2026-01-01T00:00:00.000+00:00"}
    assert teacher.post("/api/class/verify", json=forged).json()["genuine"] is False


def test_a_teacher_gives_a_new_password(room: Room) -> None:
    li, teacher = room.enter("2026001"), room.enter("T07")
    given = teacher.post("/api/class/reset", json={"number": "2026001"}).json()
    assert li.get("/api/class/me").status_code == 401
    found = li.post("/api/class/log-in", json={"number": "2026001", "password": given["password"]})
    assert found.json()["first"] is True
    assert teacher.post("/api/class/reset", json={"number": "none"}).status_code == 404
    assert teacher.post("/api/class/reset", json={"number": "T07"}).status_code == 403


def test_without_a_teacher_in_the_roster_there_is_one(folder: Path) -> None:
    experiments = chosen([str(folder / "07-small")])
    desk, passwords = open_class(folder / "class", people("学号,姓名\n1,甲\n"), experiments)
    assert passwords is not None
    assert "teacher 教师" in passwords.read_text()
    assert desk.accounts.person("teacher").teacher
    with pytest.raises(ClassError, match="is being served already"):
        open_class(folder / "class", people("学号,姓名\n1,甲\n"), experiments)
    close(desk)
    desk, passwords = open_class(folder / "class", people("学号,姓名\n1,甲\n2,乙\n"), experiments)
    assert passwords is not None
    assert passwords.name == "first-passwords-2.html"
    assert "<li>2 乙" in passwords.read_text()
    assert "<li>1 甲" not in passwords.read_text()
    close(desk)
    with pytest.raises(ClassError, match="nobody called teacher"):
        open_class(folder / "other", people("学号,姓名\nteacher,甲\n"), experiments)


def close(desk: ClassDesk) -> None:
    desk.store.close()
    if desk.lock:
        desk.lock.close()


def test_experiments_and_deadlines_are_chosen(folder: Path) -> None:
    assert "06-rnn" in chosen([])
    found = chosen([str(folder / "07-small"), "6"], ["07-small=2026-12-20"])
    assert list(found) == ["07-small", "06-rnn"]
    assert found["07-small"].due == datetime.datetime(2026, 12, 20, 23, 59, 59)
    assert chosen(["6"], ["06-rnn=2026-12-20T08:00"])["06-rnn"].due == datetime.datetime(2026, 12, 20, 8)
    for dues, said in ((["none=2026-12-20"], "NAME=TIME"), (["06-rnn=soon"], "a time is"), (["06-rnn"], "a time is")):
        with pytest.raises(ClassError, match=said):
            chosen(["6"], dues)
    with pytest.raises(ClassError, match="names of their own"):
        chosen(["6", "06-rnn"])
    (folder / "07-small" / "hidden.toml").write_text(HIDDEN.replace("expected", "expects"))
    with pytest.raises(ClassError, match="expects"):
        chosen([str(folder / "07-small")])


def test_without_a_class_its_routes_are_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_LAB", str(tmp_path / "lab.sqlite"))
    one = TestClient(create(), base_url=LOCAL)
    for path in ("me", "receipts", "overview"):
        assert one.get(f"/api/class/{path}").status_code == 404
    found = one.post("/api/class/log-in", json={"number": "1", "password": "x"})
    assert (found.status_code, "rondo lab serve" in found.json()["detail"]) == (404, True)


def test_a_full_line_of_hand_ins_says_so(room: Room) -> None:
    one = room.enter("2026001")
    room.desk.handing = Queue(running=0, waiting=0)
    assert one.post("/api/class/hand-in", json={"experiment": "07-small"}).status_code == 429


# --- commands --------------------------------------------------------------------------------------


def test_commands_beside_the_server(room: Room, run: Any, tmp_path: Path) -> None:
    one = room.enter("2026001")
    given = hand_in(one)
    place = ["--folder", str(room.folder / "class")]
    saved, report = tmp_path / "r.json", tmp_path / "report.html"
    saved.write_text(json.dumps(given))
    report.write_bytes(one.get(f"/api/class/receipts/{given['id']}/report").content)
    code, said, _ = run("lab", "receipt", str(saved), "--report", str(report), *place)
    assert (code, "genuine" in said) == (0, True)
    code, said, _ = run("lab", "receipt", str(saved), "--report", str(saved), *place)
    assert (code, "not what was handed in" in said) == (1, True)
    saved.write_text(json.dumps({**given, "late": True}))
    assert run("lab", "receipt", str(saved), *place)[0] == 1
    saved.write_text("{}")
    assert run("lab", "receipt", str(saved), *place)[0] == 2
    code, said, _ = run("lab", "reset", "2026001", *place)
    assert (code, one.get("/api/class/me").status_code) == (0, 401)
    code, said, _ = run(
        "lab", "export", "--experiment", str(room.folder / "07-small"), "--out", str(tmp_path / "c.csv"), *place
    )
    assert code == 0
    assert (tmp_path / "c.csv").read_text(encoding="utf-8-sig").startswith("学号,姓名,07-small 得分")
    assert run("lab", "backup", str(tmp_path / "away" / "class.sqlite"), *place)[0] == 0
    restored = of_folder(tmp_path / "away").store
    assert [r.id for r in restored.receipts("2026001")] == [given["id"]]
    restored.close()
    code, _, said = run("lab", "reset", "1", "--folder", str(tmp_path / "none"))
    assert (code, "there is no class" in said) == (2, True)


# --- pages -----------------------------------------------------------------------------------------

SLOW = 30_000  # milliseconds: other work may run beside the tests


@pytest.fixture
def house(room: Room) -> Iterator[tuple[Room, str]]:
    """A class on a port."""
    with studio(lambda app: admit(app, room.desk)) as address:
        yield room, address


def log_in(page: Page, number: str, password: str) -> None:
    page.fill("#number", number)
    page.fill("#password", password)
    page.click("#go")


@needs_browser
def test_a_student_comes_in_hands_in_and_leaves(house: tuple[Room, str], browser: Browser) -> None:
    room, address = house
    with opened(browser, f"{address}/course", "zh") as page:
        expect(page).to_have_url(f"{address}/classroom/login?to=/course")
        shot(page, "class-login-zh")
        log_in(page, "2026003", "wrong")
        expect(page.locator("#fault")).to_contain_text("学号或密码不对", timeout=SLOW)
        assert page.input_value("#number") == "2026003"
        log_in(page, "2026003", room.first["2026003"])
        page.wait_for_url("**/classroom/password?to=/course")
        expect(page.locator("#who")).to_have_text("<img src=x onerror=alert(1)> 2026003")
        page.fill("#password", room.first["2026003"])
        page.fill("#new", "自己的好密码一个")
        page.fill("#again", "自己的好密码两个")
        page.click("#go")
        assert page.evaluate("() => document.querySelector('#again').validity.customError")
        page.fill("#again", "自己的好密码一个")
        shot(page, "class-password-zh")
        page.click("#go")
        page.wait_for_url("**/course")
        expect(page.locator("#class-bar .who")).to_have_text("<img src=x onerror=alert(1)> 2026003", timeout=SLOW)
        page.goto(f"{address}/course#07-small/report")
        page.get_by_role("button", name="交报告").click()
        expect(page.locator("#desk .receipt")).to_contain_text("SHA-256", timeout=SLOW)
        shot(page, "class-receipt-zh")
        given = room.desk.store.receipts("2026003")[0]
        page.goto(f"{address}/course")
        page.locator("#class-bar summary").click()
        expect(page.locator("#class-bar tbody tr")).to_have_count(1, timeout=SLOW)
        with page.expect_download() as saved:
            page.locator("#class-bar tbody a").first.click()
        assert json.loads(Path(saved.value.path()).read_text())["seal"] == given.seal
        with page.expect_download() as saved:
            page.locator("#class-bar tbody a").nth(1).click()
        report = Path(saved.value.path()).read_bytes()
        page.set_input_files(
            "#class-bar input[type=file]", {"name": "r.html", "mimeType": "text/html", "buffer": report}
        )
        page.get_by_role("button", name="交这份文件").click()
        expect(page.locator("#class-bar .receipt")).to_contain_text("SHA-256", timeout=4 * SLOW)  # in a new process
        page.set_input_files("#class-bar input[type=file]", {"name": "r.html", "mimeType": "text/html", "buffer": b"x"})
        page.get_by_role("button", name="交这份文件").click()
        expect(page.locator("#class-bar .alert:visible")).to_contain_text("不是实验报告", timeout=4 * SLOW)
        shot(page, "class-course-zh")
        page.evaluate("() => localStorage.setItem('draft of mine', 'x')")
        page.get_by_role("button", name="退出").click()
        page.wait_for_url("**/classroom/login")
        assert page.evaluate("() => localStorage.getItem('draft of mine')") is None
        page.goto(f"{address}/course")
        expect(page).to_have_url(f"{address}/classroom/login?to=/course")


@needs_browser
@pytest.mark.parametrize(
    ("size", "ink", "lang"), [("desk", "light", "zh"), ("desk", "dark", "en"), ("phone", "light", "zh")]
)
def test_the_teachers_table(house: tuple[Room, str], browser: Browser, size: str, ink: str, lang: str) -> None:
    room, address = house
    li, _ = room.enter("2026001"), room.enter("T07", "the teacher's own")
    answer(li, "hand", "42.5")
    li.post("/api/course/07-small/check", json={})
    given = hand_in(li)
    with opened(browser, f"{address}/classroom/login", lang, size, ink) as page:
        log_in(page, "T07", "the teacher's own")
        page.wait_for_url("**/classroom/overview**")
        rows = page.locator("#table tbody tr")
        expect(rows).to_have_count(3, timeout=SLOW)
        expect(rows.first.locator(".mark")).to_have_text(["✓", "✗", "✗"])
        expect(page.locator("#table tfoot .mark")).to_have_text(["1", "0", "0"])
        expect(rows.nth(2)).to_contain_text("<img src=x onerror=alert(1)>")
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        shot(page, f"class-overview-{lang}-{size}-{ink}")
        page.select_option("#which", "open")
        expect(rows).to_have_count(2)
        page.reload()
        expect(rows).to_have_count(2, timeout=SLOW)  # the state is in the address
        page.select_option("#which", "")
        page.fill("#find", "2026002")
        expect(rows).to_have_count(1)
        page.fill("#find", "")
        page.locator("[data-key='sort points']").click()
        expect(rows.first).to_contain_text("2026001")
        rows.first.get_by_role("button").click()
        page.click("#reset-do")
        expect(page.locator(".given-password")).to_have_text(re.compile(r"^\w{5}-\w{5}$"), timeout=SLOW)
        assert li.get("/api/class/me").status_code == 401
        page.click("#reset-close")
        expect(page.locator(".given-password")).to_have_count(0)
        page.locator("summary").last.click()
        for receipt, said in ((given, "✓"), ({**given, "late": True}, "✗"), ("nothing", "✗")):
            data = json.dumps(receipt).encode()
            page.set_input_files("#receipt", {"name": "r.json", "mimeType": "application/json", "buffer": data})
            expect(page.locator("#verified")).to_contain_text(said, timeout=SLOW)


@needs_browser
def test_the_door_on_a_phone_and_a_wait_that_is_shown(house: tuple[Room, str], browser: Browser) -> None:
    room, address = house
    for _ in range(6):
        room.client().post("/api/class/log-in", json={"number": "2026001", "password": "wrong"})
    with room.desk.store.writing() as db:
        db.execute("UPDATE tries SET until = until + 100")
    with opened(browser, f"{address}/classroom/login?to=//evil.example/x", "en", "phone", "dark") as page:
        log_in(page, "2026001", room.first["2026001"])
        expect(page.locator("#go")).to_have_text(re.compile(r"wait \d+ s"), timeout=SLOW)
        expect(page.locator("#go")).to_be_disabled()
        assert page.evaluate("() => document.documentElement.scrollWidth <= innerWidth")
        shot(page, "class-login-en-phone-dark")
        page.reload()
        log_in(page, "2026002", room.first["2026002"])
        page.wait_for_url("**/classroom/password**")
        page.check("#reveal")
        assert page.get_attribute("#new", "type") == "text"
        page.fill("#password", room.first["2026002"])
        page.fill("#new", "one of my own")
        page.fill("#again", "one of my own")
        page.press("#again", "Enter")
        page.wait_for_url(f"{address}/course")


# --- what a crash and a whole class leave ----------------------------------------------------------

SERVER = """
import sys
from pathlib import Path
from rondo.studio.classroom_serve import serve

serve(Path(sys.argv[1]), Path(sys.argv[2]), [sys.argv[3]], [], "127.0.0.1", 0, None)
"""


@contextlib.contextmanager
def served(folder: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A class served by another process, and its address."""
    command = [
        sys.executable,
        "-c",
        SERVER,
        str(folder / "class"),
        str(folder / "roster.csv"),
        str(folder / "07-small"),
    ]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout
        line = next((line for line in server.stdout if line.startswith("Rondo: ")), "")
        try:
            assert line, "it did not start"
            yield server, line.split()[-1].removesuffix("/course")
        finally:
            server.kill()  # what ends it in the middle of things is a test of its own


def roster_of(folder: Path, many: int) -> list[str]:
    numbers = [f"26{k:04}" for k in range(many)]
    lines = [f"{number},学生{number}" for number in numbers]
    (folder / "roster.csv").write_text("\n".join(["学号,姓名", *lines]), encoding="utf-8")
    return numbers


def first_passwords(folder: Path) -> dict[str, str]:
    text = (folder / "class" / "first-passwords-1.html").read_text()
    return dict(re.findall(r"<li>(\S+) .*?<b>([a-z0-9-]+)</b>", text, re.DOTALL))


class Student:
    """A student's browser, with the seconds that each request took."""

    def __init__(self, address: str, number: str) -> None:
        self.http = httpx.Client(base_url=address, timeout=900)
        self.number, self.took = number, defaultdict[str, list[float]](list)

    def do(self, what: str, path: str, body: object = None, **more: Any) -> httpx.Response:
        begun = time.perf_counter()
        found = self.http.post(path, json=body, **more) if body is not None else self.http.get(path, **more)
        self.took[what].append(time.perf_counter() - begun)
        assert found.status_code == 200, (what, found.status_code, found.text[:300])
        return found

    def enter(self, first: str) -> None:
        self.do("log in", "/api/class/log-in", {"number": self.number, "password": first})
        self.do("change password", "/api/class/password", {"old": first, "new": "a secret of mine"})

    def answer(self, name: str, text: str) -> None:
        self.do("keep an answer", "/api/course/07-small/answer", {"part": "first", "answer": name, "text": text})

    def hand_in(self) -> dict[str, Any]:
        return dict(self.do("hand in", "/api/class/hand-in", {"experiment": "07-small"}).json())


def test_a_killed_server_has_lost_nothing_that_has_a_receipt(folder: Path) -> None:
    numbers = roster_of(folder, 6)
    receipts, kept = list[dict[str, Any]](), dict[str, str]()
    with served(folder) as (server, address):
        given = first_passwords(folder)

        def work(number: str) -> None:
            one = Student(address, number)
            one.enter(given[number])
            with contextlib.suppress(httpx.HTTPError):
                for k in range(10_000):
                    text = f"{number}: {k}"
                    one.answer("why", text)
                    kept[number] = text
                    receipts.append(one.hand_in())

        threads = [threading.Thread(target=work, args=(number,)) for number in numbers]
        for one in threads:
            one.start()
        while len(receipts) < 30 and any(one.is_alive() for one in threads):
            time.sleep(0.01)
        server.kill()  # SIGKILL, in the middle of hand-ins
        for one in threads:
            one.join()
    assert len(receipts) >= 30
    pages = folder / "class" / FOLDER / "07-small"
    for path in sorted(pages.glob("*.html"))[:2]:  # as if these had not reached the disk
        path.unlink()
    room = Room(folder, roster=(folder / "roster.csv").read_text(encoding="utf-8"))
    for receipt in receipts:
        assert room.desk.store.genuine(Receipt(**receipt))
        found, data = room.desk.store.handed(receipt["number"], receipt["id"])
        assert found.model_dump() == receipt
        assert hashlib.sha256(data).hexdigest() == receipt["sha256"]
    for number in numbers:
        own = room.desk.store.answers(number, "07-small")["first"]["why"]
        assert int(own.split()[1]) >= int(kept[number].split()[1])
        last = room.desk.store.receipts(number)[0]
        assert (pages / last.file).read_bytes() == room.desk.store.handed(number, last.id)[1]
        assert last.id >= max((r["id"] for r in receipts if r["number"] == number), default=0)
    assert len(list(pages.iterdir())) == len(numbers)
    room.close()


def test_a_server_that_is_stopped_leaves_one_file(folder: Path) -> None:
    roster_of(folder, 1)
    with served(folder) as (server, address):
        assert httpx.get(f"{address}/classroom/login", timeout=300).status_code == 200
        place = folder / "class"
        assert all(path.stat().st_mode & 0o077 == 0 for path in place.glob("class.sqlite*"))
        server.terminate()
        assert server.wait(120) == 0
        assert [path.name for path in place.glob("class.sqlite*")] == ["class.sqlite"]


@pytest.mark.long
def test_a_hundred_students_work_at_once(folder: Path) -> None:
    """They log in, set a password, answer, check a program in the cage, and hand in, all at the same time."""
    numbers = roster_of(folder, 100)
    with served(folder) as (_, address):
        given = first_passwords(folder)
        students = [Student(address, number) for number in numbers]

        def work(one: Student) -> dict[str, Any]:
            one.enter(given[one.number])
            for _ in range(3):
                one.do("the course", "/api/course")
                one.do("an experiment", "/api/course/07-small")
                for text in ("4", "42", "42.5"):
                    one.answer("hand", text)
                one.answer("why", f"因为 {one.number} 这样想")
            one.answer("program", "def double(x):\n    return 2 * x\n")
            checked = one.do("check three answers", "/api/course/07-small/check", {}).json()
            assert checked["progress"]["passed"] == 3
            return one.hand_in()

        begun = time.perf_counter()
        with ThreadPoolExecutor(100) as pool:
            receipts = list(pool.map(work, students))
        whole = time.perf_counter() - begun
    lines = [f"a hundred students: {whole:.1f} s in all"]
    for what in students[0].took:
        took = sorted(seconds for one in students for seconds in one.took[what])
        middle, most = took[len(took) // 2], took[int(len(took) * 0.95)]
        lines.append(f"{what}: median {middle * 1000:.0f} ms, 95% {most * 1000:.0f} ms, of {len(took)}")
    print("\n".join(lines))
    assert len({receipt["id"] for receipt in receipts}) == 100
    pages = folder / "class" / FOLDER / "07-small"
    assert len(list(pages.iterdir())) == 100
    for receipt in receipts:
        own = read(pages / receipt["file"])
        assert own.student.number == receipt["number"]
        assert own.answers["first"]["why"] == f"因为 {receipt['number']} 这样想"
