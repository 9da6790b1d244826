"""What every request must pass before it is looked at, and the headers that every answer carries.

A page on another site can make a browser send requests to a server on this machine. It cannot hide its origin, and a
name that it points here (DNS rebinding) stands in the Host header: both are checked.
"""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import Collection, Mapping
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MOST_BYTES = 1 << 20  # of a request's body
# bodies of these paths may be so large: files, and texts as JSON
LARGER: Mapping[str, int] = {
    "/api/text/model": 32 << 20,
    "/api/cell/text": 2 << 20,
    "/api/entities": 4 << 20,
    "/api/speech": 64 << 20,
    "/api/entities/conll": 4 << 20,
    "/api/captions": 32 << 20,
    "/api/video/file": 32 << 20,
    "/api/video/joints": 4 << 20,
    "/api/class/file": 8 << 20,
}
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
    """ASGI middleware. names: host names, beside addresses and localhost, that the server answers to; larger: paths
    whose bodies may have more than MOST_BYTES."""

    def __init__(self, app: ASGIApp, names: Collection[str] = (), larger: Mapping[str, int] = LARGER) -> None:
        self.app, self.names, self.larger = app, OWN_NAMES | {name.lower() for name in names}, larger

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        refused = self._refused(scope)
        if refused is None:
            body = _Body(receive, self._most(scope))
            await self.app(scope, body.receive, body.answering(_with_headers(send)))
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
        most = self._most(scope)
        if not length.isdecimal() or int(length) > most:
            return 413, _too_large(most)
        return None

    def _most(self, scope: Scope) -> int:
        return self.larger.get(scope["path"], MOST_BYTES)

    def _known(self, name: str) -> bool:
        """An address cannot be pointed elsewhere, a name can."""
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in self.names
        return True


class BodyError(ValueError):
    """A body that goes on past the limit, or does not arrive in time."""


def _too_large(most: int) -> str:
    return f"请求太大，最多 {most >> 20} MB / the request is too large: at most {most >> 20} MB"


def _name(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


class _Body:
    """The body of a request, no more than so many bytes and seconds of it; past these the answer is a refusal, whatever
    the application makes of it."""

    def __init__(self, receive: Receive, most: int) -> None:
        self._receive, self._most, self._taken, self._whole = receive, most, 0, False
        self._until = asyncio.get_running_loop().time() + MOST_SECONDS
        self._fault: tuple[int, str] | None = None

    async def receive(self) -> Message:
        """The next piece. Raises BodyError."""
        if self._whole:  # what comes now is that the client has gone
            return await self._receive()
        try:
            message = await asyncio.wait_for(self._receive(), self._until - asyncio.get_running_loop().time())
        except TimeoutError:
            self._fault = 408, "请求没有按时到齐 / the request did not arrive in time"
            raise BodyError from None
        self._taken += len(message.get("body", b""))
        self._whole = not message.get("more_body", False)
        if self._taken > self._most:
            self._fault = 413, _too_large(self._most)
            raise BodyError
        return message

    def answering(self, send: Send) -> Send:
        """Sends the application's answer, or the refusal in its place."""

        async def sending(message: Message) -> None:
            if self._fault is None:
                await send(message)
            elif message["type"] == "http.response.start":
                await _refuse(send, *self._fault)

        return sending


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
