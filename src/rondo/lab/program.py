"""A student's Python seen from a check: call its functions; whatever they do, this process goes on.

    with Program(text) as program:
        h = program("step", x, a)

A call that takes too long, uses too much memory, ends its process or raises is a ProgramError, and the next call has a
fresh process with the program run again. `rondo.lab.cage` says how the process is confined.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from types import TracebackType
from typing import IO, Any, Self

from rondo.lab import values
from rondo.lab.values import ValuesError

LONGEST = 64 << 10  # characters of a program
START = 60.0  # seconds until the process is there, on a busy machine


class ProgramError(ValueError):
    """A student's program failed; the message says how, and in which line."""


@dataclass(frozen=True)
class Limits:
    """What a program may use: seconds by the clock for a call, seconds of processor time in all, MB of memory."""

    seconds: float = 10.0
    processor: int = 60
    memory: int = 1024


class Program:
    """A student's program; `said`: what it printed in the last call."""

    def __init__(self, text: str, limits: Limits = Limits()) -> None:
        if len(text) > LONGEST:
            raise ProgramError(f"程序太长 / the program is too long: {len(text)} characters, at most {LONGEST}")
        self.text, self.limits, self.said, self.names = text, limits, "", list[str]()
        self._process: _Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end()

    def __call__(self, name: str, *arguments: Any) -> Any:
        """What the function returns for these values; arrays come back as float64. Raises ProgramError."""
        self._begin()
        if name not in self.names:
            have = ", ".join(self.names) or "—"
            raise ProgramError(f"程序里没有函数 {name} / the program has no function {name}; it has: {have}")
        return values.read(self._ask({"call": name, "arguments": values.plain(list(arguments))}))

    def _begin(self) -> None:
        if self._process is None:
            self._process = _Process(self.limits)
            self.names = [str(n) for n in self._ask({"program": self.text})]

    def _ask(self, request: dict[str, Any]) -> Any:
        assert self._process
        try:
            answer = self._process.ask(request, self.limits.seconds)
            self.said = str(answer.get("said", ""))
            if "fault" not in answer:
                return answer["value"]
        except (ProgramError, KeyError, AttributeError, ValuesError) as error:
            self._end()
            if isinstance(error, ProgramError):
                raise
            raise ProgramError("程序的回答读不懂 / the program's answer cannot be read") from None
        if "program" in request:
            self._end()
        where = f"{answer.get('where')}: " if answer.get("where") else ""
        raise ProgramError(f"{where}{answer['fault']}")

    def _end(self) -> None:
        if self._process is not None:
            self._process.end()
            self._process = None


class _Process:
    """The confined process and its two pipes."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._folder = tempfile.TemporaryDirectory(prefix="rondo-lab-")
        (given, ours), (own, taken) = os.pipe(), os.pipe()
        numbers = (limits.processor, limits.memory, given, taken)
        self._process = subprocess.Popen(
            [sys.executable, "-I", "-c", _START, *map(str, numbers)],
            cwd=self._folder.name,
            env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "RONDO_SOURCE": _source()},
            pass_fds=(given, taken),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(given)
        os.close(taken)
        self._to: IO[bytes] = os.fdopen(ours, "wb")
        self._from, self._rest = own, b""
        self.confined: dict[str, bool] = json.loads(self._line(time.monotonic() + START))

    def ask(self, request: dict[str, Any], seconds: float) -> dict[str, Any]:
        try:
            self._to.write(json.dumps(request, ensure_ascii=False).encode() + b"\n")
            self._to.flush()
        except OSError:
            raise ProgramError("程序的进程已经结束 / the program's process has ended") from None
        answer = json.loads(self._line(time.monotonic() + seconds))
        if not isinstance(answer, dict):
            raise ProgramError("程序的回答读不懂 / the program's answer cannot be read")
        return answer

    def _line(self, until: float) -> bytes:
        while b"\n" not in self._rest:
            if not select.select([self._from], [], [], max(0.0, until - time.monotonic()))[0]:
                raise ProgramError(
                    f"超过了 {self.limits.seconds:g} 秒：有没有停不下来的循环？ / longer than {self.limits.seconds:g} "
                    "seconds: is there a loop that does not end?"
                )
            block = os.read(self._from, 1 << 16)
            if not block:
                raise ProgramError(
                    f"程序的进程结束了：处理器过 {self.limits.processor} 秒，内存过 {self.limits.memory} MB，或自己退出"
                    f" / the process ended: past {self.limits.processor} s of processor time, past "
                    f"{self.limits.memory} MB of memory, or by itself"
                )
            self._rest += block
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        with contextlib.suppress(OSError):
            self._to.close()
        os.close(self._from)
        self._folder.cleanup()


_START = "import os, sys; sys.path.insert(0, os.environ.pop('RONDO_SOURCE')); from rondo.lab.cage import main; main()"


def _source() -> str:
    """The folder that holds this package, which Python's isolated mode would not look into."""
    return os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
