"""The translation desk's routes: texts, and the choices at one place of one sentence."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from rondo import bundled
from rondo.studio import models
from rondo.studio.queue import in_steps, in_thread, respond
from rondo.tasks.translation.choices import choices
from rondo.tasks.translation.request import (
    ChoicesRequest,
    ChoicesResponse,
    TranslationError,
    TranslationRequest,
    TranslationResponse,
)
from rondo.tasks.translation.translator import Translator

router = APIRouter(tags=["translation"])
PREFIX = "translation-"


class DirectionsResponse(BaseModel):
    """What can be translated into what."""

    directions: list[str] = Field(description="from which language to which: fr-en")


@router.get("/translation/directions")
def directions() -> DirectionsResponse:
    """The directions that there are models of."""
    return DirectionsResponse(directions=known())


@router.post("/translation", response_model=TranslationResponse)
async def translation(order: TranslationRequest, http: Request) -> Response:
    """Translate a text. As a stream, records {"done", "of", "sentence"} come before the last, which has all of it."""
    return await respond(http, http.app.state.writing, lambda: in_steps(translated, order))


@router.post("/translation/choices", response_model=ChoicesResponse)
async def word_choices(order: ChoicesRequest, http: Request) -> Response:
    """Say which words may come next in the translation of a sentence, and how it goes on through each."""
    work = lambda: in_thread(lambda: choices(translator(order.direction), order))
    return await respond(http, http.app.state.writing, work)


def translated(order: TranslationRequest) -> Generator[dict[str, Any], None, None]:
    """The sentences as they are done, then the whole."""
    for record in translator(order.direction).stream(order):
        yield record.model_dump()


def known() -> list[str]:
    """The directions of the bundled models, French to English first."""
    found = [name.removeprefix(PREFIX) for name in bundled.names() if name.startswith(PREFIX)]
    return sorted(found, key=lambda direction: (direction != "fr-en", direction))


def translator(direction: str) -> Translator:
    """The model of a direction. Raises TranslationError where there is none."""
    if direction not in known():
        raise TranslationError(
            f"没有 {direction} 的模型，现有 {'、'.join(known()) or '无'} / "
            f"there is no model for {direction}; there are: {', '.join(known()) or 'none'}"
        )
    return models.translator(direction)
