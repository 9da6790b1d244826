"""A studio and a browser for tests of pages. Each page fails its test on a JavaScript error or a request outside."""

from __future__ import annotations

import contextlib
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import uvicorn
from fastapi import FastAPI
from playwright.sync_api import Browser, Page, sync_playwright

from rondo.studio import child
from rondo.studio.app import create
from rondo.studio.serve import listen

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
SHOTS = Path(os.environ.get("RONDO_SHOTS", "build/shots"))  # screenshots to look at
SIZES = {"desk": (1280, 720), "phone": (390, 844)}
needs_browser = pytest.mark.skipif(CHROMIUM is None, reason="no browser: apt install chromium")


@contextlib.contextmanager
def studio(prepare: Callable[[FastAPI], None] = lambda _: None) -> Iterator[str]:
    """The address of a studio that runs in this process; `prepare` may set its state before."""
    child.context()
    listening = listen("127.0.0.1", 0)
    application = create()
    prepare(application)
    server = uvicorn.Server(uvicorn.Config(application, log_level="warning"))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    while not server.started:
        time.sleep(0.02)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(20)


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, without a screen."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update"],
        )
        yield browser
        browser.close()


@contextlib.contextmanager
def opened(browser: Browser, url: str, lang: str = "zh", size: str = "desk", ink: str = "light") -> Iterator[Page]:
    """A page in a browser of its own: language, size (desk, phone), ink (light, dark). Raises AssertionError at the
    end for JavaScript errors and for requests to anywhere but the page's own server."""
    width, height = SIZES[size]
    context = browser.new_context(
        locale="zh-CN" if lang == "zh" else "en-GB",
        viewport={"width": width, "height": height},
        color_scheme=ink,  # type: ignore[arg-type]
        reduced_motion="reduce",
        accept_downloads=True,
    )
    context.set_default_timeout(60_000)
    page, faults = context.new_page(), []
    page.on("pageerror", lambda error: faults.append(f"{error}"))
    page.on("console", lambda m: faults.append(m.text) if m.type == "error" and "status of 4" not in m.text else None)
    own = ("", urlsplit(url).netloc)  # data: and blob: have none
    page.on("request", lambda r: None if urlsplit(r.url).netloc in own else faults.append(r.url))
    page.goto(url)
    yield page
    assert not faults, faults
    context.close()


def shot(page: Page, name: str) -> None:
    """Keep a screenshot of the whole page."""
    SHOTS.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=SHOTS / f"{name}.png", full_page=True)
