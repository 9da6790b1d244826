"""The server and the browser."""

from __future__ import annotations

import gc
import os
import socket
import sys
import threading
import webbrowser
from collections.abc import Callable
from multiprocessing import forkserver
from pathlib import Path

import uvicorn
from fastapi import FastAPI

from rondo.studio import child, models
from rondo.studio.app import create


class StudioError(ValueError):
    """The studio cannot be opened like this."""


def serve(
    host: str = "127.0.0.1",
    port: int = 8000,
    browser: bool = True,
    first: str = "",
    prepare: Callable[[FastAPI], None] | None = None,
    most: int = 400,
    tls: tuple[Path, Path] | None = None,
) -> None:
    """Serve the studio until it is stopped; open a browser on it, at the page `first`, once it answers. `prepare` may
    set the application's state before. most: connections at once; tls: certificate and key. Raises StudioError."""
    listening = listen(host, port)
    child.context()  # before any thread is started
    address = url(host, listening.getsockname()[1], tls is not None) + first
    application = create([socket.gethostname(), host])
    if prepare is not None:
        prepare(application)
    server = uvicorn.Server(
        uvicorn.Config(
            application,
            log_level="warning",
            timeout_keep_alive=20,
            limit_concurrency=most,
            ssl_certfile=tls[0] if tls else None,
            ssl_keyfile=tls[1] if tls else None,
            timeout_graceful_shutdown=3,
        )
    )
    print(f"Rondo: {address}\n按 Ctrl-C 结束 / press Ctrl-C to stop", flush=True)
    threading.Thread(target=_warm, daemon=True).start()
    if browser and has_screen():
        threading.Timer(0.8, webbrowser.open, [address]).start()
    server.run(sockets=[listening])


def listen(host: str, port: int) -> socket.socket:
    """A listening socket. Port 0 is any free one. Raises StudioError where the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((host, port))
    except OSError as error:
        found.close()
        raise StudioError(f"cannot listen on {host}:{port} ({error.strerror}): choose another with --port") from None
    found.listen(128)
    return found


def url(host: str, port: int, tls: bool = False) -> str:
    """Where a browser on this machine finds it."""
    name = "127.0.0.1" if host in ("0.0.0.0", "") else f"[{host}]" if ":" in host else host
    return f"http{'s' if tls else ''}://{name}:{port}/"


def has_screen() -> bool:
    """Whether a browser has somewhere to open: without one, webbrowser would take over the terminal."""
    return sys.platform in ("darwin", "win32") or any(os.environ.get(n) for n in ("DISPLAY", "WAYLAND_DISPLAY"))


def _warm() -> None:
    """What the first pages need is loaded while the browser starts."""
    forkserver.ensure_running()
    models.poet()
    models.writer()
    gc.collect()
    gc.freeze()  # all that is imported stays: a full collection would look at it for a tenth of a second
