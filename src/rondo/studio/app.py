"""The application: pages, routes, and how faults are told."""

from __future__ import annotations

from collections.abc import Collection

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from fastapi.staticfiles import StaticFiles
from starlette.exceptions import HTTPException

import rondo
from rondo.studio import (
    captions,
    cells,
    classroom,
    course,
    dna,
    entities,
    lab,
    lab_compare,
    lab_inside,
    lab_steps,
    music,
    pages,
    sentiment,
    series,
    speech,
    text,
    translation,
    trials,
    verse,
    video,
)
from rondo.studio.guard import Guard
from rondo.studio.queue import FAULT, BusyError, Queue

DESCRIPTION = """
Poems, couplets, cells and texts on this machine. Bodies and answers are JSON. A route that works for a while answers
with its last record; with `Accept: text/event-stream` it sends the place in the queue and every record as it comes.
Text that is said in both languages reads `中文 / English`.
"""
FIRST = "/poem"


def create(names: Collection[str] = ()) -> FastAPI:
    """The application. names: host names that it answers to, beside addresses and localhost."""
    app = FastAPI(
        title="Rondo", version=rondo.__version__, description=DESCRIPTION, docs_url=None, redoc_url=None,
        openapi_url="/api/openapi.json",
    )  # fmt: skip
    app.state.writing = Queue(running=1, waiting=99)  # the models of the package: short work that uses all cores
    app.state.reading = Queue(running=2, waiting=60)  # equations as they are typed: hundredths of a second
    app.state.working = Queue(running=2, waiting=30)  # what people typed: processes of their own
    app.state.training = Queue(running=2, waiting=60)  # the same where it takes minutes
    for router in (
        verse.router,
        text.router,
        sentiment.router,
        entities.router,
        translation.router,
        speech.router,
        music.router,
        captions.router,
        dna.router,
        video.router,
        series.router,
        lab_inside.router,
        lab_compare.router,
        lab.router,
        lab_steps.router,
        course.router,
        classroom.router,
        trials.router,
        cells.router,
    ):
        app.include_router(router, prefix="/api")
    app.mount("/static", StaticFiles(directory=pages.STATIC), name="static")
    app.get("/", include_in_schema=False)(_first)
    for name in pages.names():
        app.get(f"/{name}", include_in_schema=False)(_shows(name))
    app.add_middleware(Guard, names=names)
    app.exception_handler(RequestValidationError)(_invalid)
    app.exception_handler(BusyError)(_busy)
    app.exception_handler(ValueError)(_refused)
    app.exception_handler(HTTPException)(_missing)
    return app


async def _first() -> RedirectResponse:
    return RedirectResponse(FIRST)


def _shows(name: str):  # type: ignore[no-untyped-def]  # a route: FastAPI reads its signature
    async def show(request: Request) -> HTMLResponse:
        return _page(request, name)

    return show


def _page(request: Request, name: str, status: int = 200) -> HTMLResponse:
    lang = pages.language(request.cookies.get("lang"), request.headers.get("accept-language", ""))
    return HTMLResponse(pages.cached(name, lang), status, {"Vary": "Accept-Language, Cookie"})


def _told(status: int, message: object, headers: dict[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"detail": str(message)}, status, headers)


def _invalid(_: Request, error: RequestValidationError) -> JSONResponse:
    """The first fault of a request, in one sentence."""
    first = error.errors()[0]
    cause = first.get("ctx", {}).get("error")
    if isinstance(cause, ValueError):
        return _told(422, cause)
    place = ".".join(str(part) for part in first["loc"] if part != "body")
    return _told(422, f"{place}: {first['msg']}" if place else first["msg"])


def _busy(_: Request, error: Exception) -> JSONResponse:
    return _told(429, error, {"Retry-After": "5"})


def _refused(_: Request, error: Exception) -> JSONResponse:
    if not type(error).__module__.startswith(FAULT):
        raise error
    return _told(422, error)


def _missing(request: Request, error: Exception) -> JSONResponse | HTMLResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == 404 and "text/html" in request.headers.get("accept", ""):
        return _page(request, "missing", 404)
    return JSONResponse({"detail": error.detail}, error.status_code, error.headers)
