"""What every request must pass before it is looked at, and the headers that every answer carries.

A page on another site can make a browser send requests to a server on this machine. It cannot hide its origin, and a
name that it points here (DNS rebinding) stands in the Host header: both are checked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Collection
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1 << 20  # of a request's body
MOST_SECONDS = 20.0  # until all of it is there
OWN_NAMES = frozenset({"localhost"})
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """ASGI middleware. names: host names, beside addresses and localhost, that the server answers to."""

    def __init__(self, app: ASGIApp, names: Collection[str] = ()) -> None:
        self.app, self.names = app, OWN_NAMES | {name.lower() for name in names}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is None:
            await self.app(scope, _limited(receive), _with_headers(send))
        else:
            await _refuse(_with_headers(send), *refused)

    def _refused(self, scope: Scope) -> tuple[int, str] | None:
        """Status and reason where a request may not pass."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if not self._known(_name(f"//{host}")):
            return 421, f"this server does not answer to the host {host!r}"
        if scope["method"] not in SAFE:
            origin = headers.get("origin")
            if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
                return 403, "requests from other sites are refused"
            if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
                return 403, "requests from other sites are refused"
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > MOST_BYTES:
            return 413, _too_large()
        return None

    def _known(self, name: str) -> bool:
        """An address cannot be pointed elsewhere, a name can."""
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.names
        return True


class TooLargeError(ValueError):
    """A body that goes on past the limit."""


class TooSlowError(ValueError):
    """A body that does not arrive in time."""


def _too_large() -> str:
    return f"请求太大，最多 {MOST_BYTES >> 20} MB / the request is too large: at most {MOST_BYTES >> 20} MB"


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def _limited(receive: Receive) -> Receive:
    """The same body, but no more than so many bytes and seconds of it."""
    taken, whole, start = 0, False, asyncio.get_running_loop().time()

    async def limited() -> Message:
        nonlocal taken, whole
        if whole:  # what comes now is that the client has gone
            return await receive()
        left = MOST_SECONDS - (asyncio.get_running_loop().time() - start)
        try:
            message = await asyncio.wait_for(receive(), left)
        except TimeoutError:
            raise TooSlowError("the request did not arrive in time") from None
        taken += len(message.get("body", b""))
        whole = not message.get("more_body", False)
        if taken > MOST_BYTES:
            raise TooLargeError(_too_large())
        return message

    return limited


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-cache")
        await send(message)

    return sending


async def _refuse(send: Send, status: int, why: str) -> None:
    body = json.dumps({"detail": why}, ensure_ascii=False).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
