"""The captions page's routes: a picture is described; whether the large encoder has been fetched."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel

from rondo.data.image import read_picture
from rondo.studio import models
from rondo.studio.queue import in_thread, respond
from rondo.tasks.captions import encoder
from rondo.tasks.captions.request import CaptionsRequest, CaptionsResponse

router = APIRouter(tags=["captions"])
BODY = {"requestBody": {"content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}}}


class EncoderResponse(BaseModel):
    """Whether the large encoder lies here, and how it is fetched."""

    available: bool
    command: str = "rondo captions fetch"


@router.post("/captions", response_model=CaptionsResponse, openapi_extra=BODY)
async def captions(order: Annotated[CaptionsRequest, Query()], http: Request) -> Response:
    """Describe a picture: the body is the file (JPEG, PNG, WebP, GIF, BMP). It is read and forgotten."""
    picture = await http.body()
    return await respond(http, http.app.state.writing, lambda: in_thread(described, picture, order))


@router.get("/captions/encoder")
async def state() -> EncoderResponse:
    """Whether the large encoder has been fetched."""
    return EncoderResponse(available=encoder.available())


def described(picture: bytes, order: CaptionsRequest) -> CaptionsResponse:
    """Sentences about a picture in a file."""
    return models.describer()(read_picture(picture), order)
