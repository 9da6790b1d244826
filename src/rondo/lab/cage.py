"""A student's Python in a process of its own, which `rondo.lab.program` starts: one JSON line in, one out.

It is confined several times over, so that a hole in one does not open the rest:

    limits            processor time, memory, open files; no byte may be written to a file (setrlimit)
    no network        a network namespace of its own, where Linux grants one
    no files          Landlock, where Linux has it: Python's own files can be read, nothing else can, and no TCP
    an audit hook     no sockets, no processes, no ctypes, no writing, no reading but of Python's own files (PEP 578)
    nothing to find   an empty folder, an empty environment; checks run in the other process, so neither they nor what
                      they expect are ever here

What a function returns is data to the other side.
"""

from __future__ import annotations

import contextlib
import ctypes
import io
import json
import os
import resource
import signal
import struct
import sys
import traceback
from typing import IO, Any

import numpy  # before the hook: it loads libraries

from rondo.lab import values

CLONE_NEWUSER, CLONE_NEWNET = 0x10000000, 0x40000000
FORBIDDEN = ("socket.", "subprocess.", "ctypes.", "os.", "shutil.", "pty.", "fcntl.", "mmap.", "signal.", "syslog.")
ALLOWED = {"os.putenv", "os.unsetenv"}
READING = {"open", "os.listdir", "os.scandir"}  # of what is Python's own
CREATE_RULESET, ADD_RULE, RESTRICT_SELF, NO_NEW_PRIVILEGES = (
    444,
    445,
    446,
    38,
)  # Landlock's system calls; prctl's option
ACCESS = {1: 13, 2: 14, 3: 15, 4: 15}  # bits of access to files that a version of Landlock knows; later ones 16
PARENT_ENDS = 1  # prctl's option
READ = 0b1101  # execute, read a file, read a folder
SAID = 4000  # characters of what is printed are kept
LINE = 16 << 20  # characters of one answer
FILE = "answer.py"
PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))  # rondo's own files


class RefusedError(PermissionError):
    """What a student's program may not do; the message says what."""


def limit(seconds: int, memory: int) -> None:
    """Limits of the operating system for this process: seconds of processor time, MB of memory."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_DATA, (memory << 20, memory << 20))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))


def part_from_network() -> bool:
    """Move this process into a network of its own, without a way out; False where the system does not grant it."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWNET) == 0:
        return True
    return bool(libc.unshare(CLONE_NEWUSER | CLONE_NEWNET) == 0)


def own_paths() -> list[str]:
    """The folders of Python itself and of its libraries."""
    found = {os.path.realpath(p) for p in (*sys.path, sys.prefix, sys.base_prefix) if p}
    return sorted(found - {os.path.realpath(os.path.dirname(PACKAGE)), os.sep})


def part_from_files() -> bool:
    """Give up all files but Python's own, and TCP, for good; False where the system has no Landlock (Linux 5.13)."""
    if sys.platform != "linux":
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(CREATE_RULESET, None, 0, 1)
    if version < 1:
        return False
    handled = struct.pack("=QQ", (1 << ACCESS.get(version, 16)) - 1, 3 if version >= 4 else 0)
    rules = libc.syscall(CREATE_RULESET, handled, 16 if version >= 4 else 8, 0)
    for path in own_paths() if rules >= 0 else ():
        with contextlib.suppress(OSError):
            folder = os.open(path, os.O_PATH | os.O_CLOEXEC)
            access = READ if os.path.isdir(path) else 0b101
            libc.syscall(ADD_RULE, rules, 1, struct.pack("=Qi", access, folder), 0)
            os.close(folder)
    closed = rules >= 0 and libc.prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) == 0
    return bool(closed and libc.syscall(RESTRICT_SELF, rules, 0) == 0)


def close_in() -> None:
    """From here on the audit hook holds."""
    real, separator, package = os.path.realpath, os.sep, PACKAGE + os.sep
    readable = tuple(path + os.sep for path in own_paths())
    write = os.O_WRONLY | os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in READING:
            path, mode, flags = (*arguments, None, None, None)[:3]
            if isinstance(path, int):
                return
            if (isinstance(flags, int) and flags & write) or (isinstance(mode, str) and set(mode) & set("wax+")):
                raise RefusedError(f"不能写文件 / no file may be written: {path!r}")
            place = real(os.fsdecode(path or ".")) + separator
            if not place.startswith(readable) or place.startswith(package):
                raise RefusedError(f"不能读这个文件 / this file may not be read: {path!r}")
        elif event.startswith(FORBIDDEN) and event not in ALLOWED:
            raise RefusedError(f"不允许 / not allowed: {event}")

    sys.addaudithook(hook)


class _Said(io.StringIO):
    """What is printed, as long as there is room."""

    def write(self, text: str) -> int:
        room = SAID - self.tell()
        return super().write(text[:room]) and len(text) if room > 0 else len(text)


def serve(asked: IO[str], told: IO[str]) -> None:
    """Run the program of the first line, then call its functions as the other lines ask."""
    space: dict[str, Any] = {"__name__": "answer", "__file__": FILE}
    for line in asked:
        request, said = json.loads(line), _Said()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            answer = _answer(request, space)
        text = json.dumps({**answer, "said": said.getvalue()}, ensure_ascii=False)
        if len(text) > LINE:
            text = json.dumps({"fault": "返回的值太大 / what is returned is too large", "where": ""})
        told.write(text.encode("utf-8", "replace").decode("utf-8") + "\n")
        told.flush()


def _answer(request: dict[str, Any], space: dict[str, Any]) -> dict[str, Any]:
    """{"value": ...} or {"fault": ..., "where": line}."""
    try:
        if "program" in request:
            exec(compile(request["program"], FILE, "exec"), space)  # this is what this process is for
            names = [n for n, v in space.items() if callable(v) and not n.startswith("_")]
            return {"value": names}
        arguments = values.read(request["arguments"])
        return {"value": values.plain(space[request["call"]](*arguments))}
    except BaseException as error:  # SystemExit too: the answer is told, and the process goes on
        if isinstance(error, MemoryError):
            return {"fault": "内存不够 / out of memory", "where": ""}
        frames = [f for f in traceback.extract_tb(error.__traceback__) if f.filename == FILE]
        line = error.lineno if isinstance(error, SyntaxError) else frames[-1].lineno if frames else None
        return {"fault": f"{type(error).__name__}: {error}"[:2000], "where": f"{FILE}:{line}" if line else ""}


def end_with_parent() -> None:
    """The process ends with the one that started it, however that ends: nothing computes on for nobody."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PARENT_ENDS, signal.SIGKILL, 0, 0, 0)


def main() -> None:
    """With what the other process gives as arguments: seconds, memory, the file descriptors in and out."""
    seconds, memory, given, taken = map(int, sys.argv[1:5])
    numpy.seterr(all="ignore")
    end_with_parent()
    parted = part_from_network()
    with open(given, encoding="utf-8") as asked, open(taken, "w", encoding="utf-8") as told:
        limit(seconds, memory)
        told.write(json.dumps({"network": parted, "files": part_from_files()}) + "\n")
        told.flush()
        close_in()
        serve(asked, told)
