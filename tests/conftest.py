"""Shared by all tests: one thread per worker, hypothesis profiles, and the closing screen (see shown.py)."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from typing import Any

import hypothesis
import pytest

import shown as collected

hypothesis.settings.register_profile("fast", max_examples=25, deadline=None)  # compiling is slow the first time
hypothesis.settings.register_profile("long", max_examples=300, deadline=None)
hypothesis.settings.load_profile("fast")


def pytest_configure(config: pytest.Config) -> None:
    """Workers share the machine: each gets one torch thread; a test of thread splits sets its own number."""
    if hasattr(config, "workerinput"):
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # a spinning barrier would steal the other worker's core
        import torch

        torch.set_num_threads(1)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """A worker sends what it has shown to the process that prints."""
    output: dict[str, Any] | None = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["shown"] = collected.pack()


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any, error: object) -> None:
    """Called by xdist when a worker ends; a crashed worker brings nothing."""
    collected.unpack(getattr(node, "workeroutput", {}).get("shown", []))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """One screen: what was compared with the truth, and the worst error by precision."""
    lines = collected.screen()
    if lines:
        terminalreporter.section("what was shown")
        for line in lines:
            terminalreporter.write_line(line)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    """The address of a studio."""
    from browser import studio

    with studio() as url:
        yield url


@pytest.fixture(scope="module")
def api() -> Iterator[Any]:
    """A studio in this process, asked without a socket."""
    from fastapi.testclient import TestClient

    from rondo.studio.app import create

    with TestClient(create(), base_url="http://127.0.0.1") as client:
        yield client


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser, for a module's tests: playwright's loop must not run beside another module's."""
    from browser import chromium

    with chromium() as found:
        yield found


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Call `main` in this process: returns exit code, output and errors."""
    from rondo import cli

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rondo", *arguments])
        with pytest.raises(SystemExit) as left:
            cli.main()
        return int(left.value.code or 0), *capsys.readouterr()

    return call
