"""Serving: who may ask, how much, who waits, what is killed; every page in both languages and no request outside."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import AsyncGenerator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from playwright.sync_api import Response

from rondo.studio import child, guard, pages
from rondo.studio.app import create
from rondo.studio.queue import BusyError, Queue
from rondo.studio.serve import StudioError, has_screen, listen, url

import studio_work
from browser import chromium, needs_browser, opened, shot, studio

FIRST_PAGE = 300_000  # bytes, the issue's


@pytest.fixture(scope="module")
def api() -> Iterator[TestClient]:
    with TestClient(create(["studio.example"]), base_url="http://127.0.0.1:8000") as client:
        yield client


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost:8000", "[::1]:8000", "192.168.1.5", "studio.example"])
def test_own_hosts_are_answered(api: TestClient, host: str) -> None:
    assert api.get("/poem", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "localhost.evil.example", "127.0.0.1.evil", "", "[::1", "a b"])
def test_other_hosts_are_refused(api: TestClient, host: str) -> None:
    assert api.get("/poem", headers={"Host": host}).status_code == 421


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_requests_from_other_sites_are_refused(api: TestClient, headers: dict[str, str]) -> None:
    order = {"lines": ["白日依山尽"]}
    assert api.post("/api/poem/gloss", json=order, headers=headers).status_code == 403
    own = {"Origin": "http://127.0.0.1:8000", "Sec-Fetch-Site": "same-origin"}
    assert api.post("/api/poem/gloss", json=order, headers=own).status_code == 200


def test_every_answer_carries_the_policy(api: TestClient) -> None:
    for path in ("/poem", "/static/studio.css", "/api/openapi.json", "/nowhere"):
        headers = api.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert headers["x-content-type-options"] == "nosniff"


def test_large_bodies_are_refused(api: TestClient) -> None:
    large = b"x" * (guard.MOST_BYTES + 1)
    said = api.post("/api/poem", content=large)
    assert (said.status_code, "too large" in said.json()["detail"]) == (413, True)
    pieces = (b"x" * 65536 for _ in range(guard.MOST_BYTES // 65536 + 2))  # of unknown length
    assert api.post("/api/poem", content=pieces).status_code == 413
    assert api.post("/api/poem", content=b"{}", headers={"Content-Length": "-1"}).status_code == 413


def test_a_body_that_does_not_come_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(guard, "MOST_SECONDS", 0.3)
    with studio() as address, socket.create_connection(("127.0.0.1", int(address.rpartition(":")[2]))) as line:
        line.sendall(b"POST /api/poem HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n")
        line.sendall(b"Content-Length: 100\r\n\r\n{")
        line.settimeout(20)
        assert b" 408 " in line.recv(200)


@pytest.mark.parametrize(
    ("cookie", "accepted", "found"),
    [
        (None, "zh-CN,zh;q=0.9,en;q=0.8", "zh"), (None, "en-GB,en;q=0.9,zh;q=0.5", "en"), (None, "fr,zh;q=0.4", "zh"),
        (None, "", "en"), (None, "fr", "en"), ("zh", "en", "zh"), ("xx", "zh", "zh"), (None, "en;q=0.1,zh;q=0.9", "zh"),
    ],
)  # fmt: skip
def test_the_language_is_the_readers(cookie: str | None, accepted: str, found: str) -> None:
    assert pages.language(cookie, accepted) == found


def test_every_page_is_whole_in_both_languages(api: TestClient) -> None:
    assert {"poem", "missing"} <= set(pages.names())
    for name, lang in itertools.product(pages.names(), pages.LANGUAGES):
        html = api.get(f"/{name}", headers={"Accept-Language": lang}).text
        assert f'<html lang="{lang}">' in html
        assert "{{" not in html
        assert "}}" not in html
        assert not re.search(r"<(style|script)(?![^>]*src)", html), "the policy forbids inline styles and scripts"
        assert not re.search(r"\s(style|on\w+)=", html), name
        for used in re.findall(r'(?:src|href)="(/static/[^"]+)"', html):
            assert api.get(used).status_code == 200, used


def test_a_page_that_is_not_there_is_a_page(api: TestClient) -> None:
    missing = api.get("/nowhere", headers={"Accept": "text/html", "Accept-Language": "en"})
    assert (missing.status_code, "There is no such page" in missing.text) == (404, True)
    assert api.get("/api/nowhere").json() == {"detail": "Not Found"}
    assert api.get("/static/../app.py").status_code == 404


def test_nothing_of_the_interface_points_outside() -> None:
    for path in [*pages.FOLDER.rglob("*"), *pages.STATIC.rglob("*")]:
        if path.is_file() and path.suffix != ".wav":
            text = path.read_text(encoding="utf-8")
            found = set(re.findall(r"https?://[^\s\"'`)<]+", text)) - {"http://www.w3.org/2000/svg"}
            found -= {u for u in found if u.startswith(("http://127.0.0.1", "http://www.w3.org/1998/Math/MathML"))}
            assert not found, (path.name, found)


async def _take(queue: Queue, seconds: float, seen: list[int]) -> None:
    places = queue.places()
    try:
        async for place in places:
            seen.append(place)
            if place == 0:
                await asyncio.sleep(seconds)
    finally:
        await places.aclose()


def test_a_queue_serves_in_turn_shows_places_and_refuses_the_rest() -> None:
    async def run() -> list[list[int]]:
        queue, seen = Queue(running=1, waiting=2), [[], [], []]
        tasks = [asyncio.create_task(_take(queue, 0.05, s)) for s in seen]
        await asyncio.sleep(0.01)
        with pytest.raises(BusyError):
            await anext(queue.places())
        await asyncio.gather(*tasks)
        assert queue.length == 0
        return seen

    assert asyncio.run(run()) == [[0], [1, 0], [2, 1, 0]]


def test_who_leaves_the_queue_makes_room() -> None:
    async def run() -> list[int]:
        queue, seen = Queue(running=1, waiting=5), []
        first = asyncio.create_task(_take(queue, 9, []))
        second = asyncio.create_task(_take(queue, 9, []))
        await asyncio.sleep(0.01)
        third = asyncio.create_task(_take(queue, 0, seen))
        await asyncio.sleep(0.01)
        second.cancel()
        await asyncio.sleep(0.01)
        first.cancel()
        await third
        assert queue.length == 0
        return seen

    assert asyncio.run(run()) == [2, 1, 0]


def drained(records: AsyncGenerator[dict[str, Any], None]) -> list[dict[str, Any]]:
    async def run() -> list[dict[str, Any]]:
        return [record async for record in records]

    return asyncio.run(run())


def test_a_child_says_records() -> None:
    found = drained(child.in_child(studio_work.count, {"n": 3}))
    assert found == [{"k": 0, "x": "NaN"}, {"k": 1, "x": "NaN"}, {"k": 2, "x": "NaN"}]


@pytest.mark.parametrize(
    ("work", "said"),
    [
        (studio_work.forever, "longer than the limit of 1 seconds"),
        (studio_work.hungry, "memory"),
        (studio_work.wrong, "wrong"),
        (studio_work.crash, "the process ended"),
        (studio_work.writes_much, "the process ended|too large"),
    ],
)
def test_a_child_breaks_alone(work: child.Work, said: str) -> None:
    seconds = 1 if work is studio_work.forever else 60
    with pytest.raises(child.WorkError, match=said):
        drained(child.in_child(work, {}, child.Limits(seconds, memory=200, file=1)))


def test_a_child_ends_with_its_client() -> None:
    async def run() -> int:
        records = child.in_child(studio_work.pids, {})
        first = await anext(records)
        await records.aclose()
        return int(first["pid"])

    gone(asyncio.run(run()))


def gone(pid: int) -> None:
    """The process ends soon."""
    until = time.monotonic() + 10
    while Path(f"/proc/{pid}").exists() and "zombie" not in Path(f"/proc/{pid}/status").read_text():
        assert time.monotonic() < until, "the child lives on"
        time.sleep(0.05)


def test_a_child_ends_with_the_server_however_that_ends() -> None:
    """The server is killed while a child works: the child does not go on for nobody."""
    program = (
        "import asyncio, studio_work\n"
        "from rondo.studio import child\n"
        "async def main():\n"
        "    async for record in child.in_child(studio_work.pids, {}):\n"
        "        print(record['pid'], flush=True)\n"
        "if __name__ == '__main__':\n"
        "    asyncio.run(main())\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, cwd=Path(__file__).parent) as server:
        assert server.stdout
        pid = int(server.stdout.readline())
        assert Path(f"/proc/{pid}").exists()
        server.kill()
    gone(pid)


def ask(address: str, path: str, body: object) -> tuple[int, Any]:
    data = json.dumps(body).encode()
    request = urllib.request.Request(f"{address}/api/{path}", data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=300) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


@pytest.mark.long
def test_fifty_at_once_are_all_answered() -> None:
    """A poem each, or a clear "busy"; memory stays within 300 MB of what one poem takes."""
    with studio() as address:
        ask(address, "poem", {"theme": "春"})
        before = memory()
        orders = [{"theme": "秋夜", "seed": k, "form": "五绝"} for k in range(50)]
        with ThreadPoolExecutor(50) as clients:
            answers = list(clients.map(lambda order: ask(address, "poem", order), orders))
        assert {status for status, _ in answers} <= {200, 429}
        assert sum(status == 200 for status, _ in answers) == 50  # the line holds a hundred
        assert len({tuple(found["poems"][0]["lines"]) for _, found in answers}) > 40
        assert memory() - before < 300


def memory() -> float:
    """MB that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def test_a_full_line_says_that_it_is_busy() -> None:
    app = create()
    with TestClient(app, base_url="http://127.0.0.1") as api:
        app.state.writing = Queue(running=0, waiting=0)
        for accept in ("application/json", "text/event-stream"):
            answer = api.post("/api/poem", json={"theme": "春"}, headers={"Accept": accept})
            assert (answer.status_code, answer.headers["retry-after"]) == (429, "5")
            assert "busy" in answer.json()["detail"]


def test_a_port_that_is_taken_is_told() -> None:
    with listen("127.0.0.1", 0) as taken, pytest.raises(StudioError, match="choose another with --port"):
        listen("127.0.0.1", taken.getsockname()[1])
    assert url("0.0.0.0", 80) == "http://127.0.0.1:80/"
    assert url("::1", 80) == "http://[::1]:80/"


def test_a_browser_is_opened_where_there_is_a_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert not has_screen()
    monkeypatch.setenv("DISPLAY", ":0")
    assert has_screen()


def test_the_command_serves_and_stops(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "rondo", "studio", "--no-browser", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        said: list[str] = []
        reader = threading.Thread(target=lambda: said.append(server.stdout.readline()))
        reader.start()
        reader.join(60)
        address = said[0].split()[-1].rstrip("/")
        until = time.monotonic() + 60
        while True:
            try:
                with urllib.request.urlopen(f"{address}/poem") as page:
                    assert b"Rondo" in page.read()
                break
            except urllib.error.URLError:
                assert time.monotonic() < until
                time.sleep(0.1)
        server.terminate()
        assert server.wait(30) in (0, -15)


@needs_browser
@pytest.mark.parametrize("lang", ["zh", "en"])
def test_the_first_page_is_light_and_asks_nothing_outside(lang: str) -> None:
    with studio() as address, chromium() as browser:
        sizes: list[int] = []

        def weigh(response: Response) -> None:
            if response.status == 200 and "/api/" not in response.url:
                sizes.append(len(response.body()))

        with opened(browser, f"{address}/missing", lang) as page:
            page.on("response", weigh)
            page.goto(f"{address}/")
            page.wait_for_selector(".char")
            assert sum(sizes) < FIRST_PAGE, sizes
            page.keyboard.press("?")
            assert page.is_visible("#help")
            page.keyboard.press("Escape")
            page.click("#language")
            page.wait_for_load_state()
            assert page.get_attribute("html", "lang") != lang


@needs_browser
def test_the_interface_is_shown() -> None:
    with studio() as address, chromium() as browser, opened(browser, f"{address}/api", "en") as page:
        page.wait_for_selector(".route")
        page.locator("summary", has_text="/api/poem/gloss").click()
        route = page.locator(".route[open]")
        route.locator("textarea").fill('{"lines": ["白日依山尽"]}')
        route.locator("button").click()
        page.wait_for_function("() => document.querySelector('.route[open] pre').innerText.startsWith('200')")
        shot(page, "api-en")
