"""The video desk's routes: figures as examples, joints, and video files, named frame by frame."""

from __future__ import annotations

import base64
import tempfile
from pathlib import Path
from typing import Any, Literal

import numpy as np
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from rondo.studio import models
from rondo.studio.queue import in_thread, respond
from rondo.tasks.video import estimator, figures, joints
from rondo.tasks.video.request import JointsRequest, VideoResponse
from rondo.tasks.video.watcher import luma, person

router = APIRouter(tags=["video"])
MOST = 1500  # frames of a video file that are read: a minute
MOST_POSED = 250  # of them where joints are found: ten seconds
FILM = 240  # frames that are sent back to be shown
FRAMES = 75  # of an example

Reads = Literal["joints", "pixels"]
Figure = Literal["run", "walk", "wave1", "wave2", "jack", "bend", "clap", "pullup", "stand"]


class ExampleRequest(BaseModel):
    """A figure that moves by formulas."""

    model_config = ConfigDict(extra="forbid")

    name: Figure = "run"
    reads: Reads = Field("joints", description="by which model it is read; for pixels the figure is drawn")


class SeenResponse(BaseModel):
    """What was seen and what is done in it."""

    response: VideoResponse
    pose: list[list[list[float]]] = Field(
        description="[frames][15 joints][x, y] to be drawn; empty where pixels were read"
    )
    bones: list[tuple[int, int]] = Field(description="pairs of joints that are joined")
    film: str = Field(
        description="what the model of pixels has read: frames of 64x64 bytes of luma, base64; else empty"
    )
    film_every: int = Field(description="of so many frames one is in the film")
    estimator: bool = Field(description="whether a person's joints can be found in video files (`rondo pose`)")


@router.post("/video/example", response_model=SeenResponse)
async def example(order: ExampleRequest, http: Request) -> Response:
    """A figure and what a model sees in it."""
    return await respond(http, http.app.state.writing, lambda: in_thread(shown, order))


@router.post("/video/joints", response_model=SeenResponse)
async def by_joints(order: JointsRequest, http: Request) -> Response:
    """Name what a sequence of joints does."""
    return await respond(http, http.app.state.writing, lambda: in_thread(moved, order))


@router.post(
    "/video/file",
    response_model=SeenResponse,
    openapi_extra={
        "requestBody": {
            "content": {
                "application/octet-stream": {
                    "schema": {"type": "string", "format": "binary", "description": "a video file"}
                }
            }
        }
    },
)
async def by_file(http: Request, reads: Reads = "pixels") -> Response:
    """Name what a video file shows: by its pixels, the first minute of it; or by the joints of a person, the first ten
    seconds, where the pose estimator has been fetched."""
    data = await http.body()
    return await respond(http, http.app.state.writing, lambda: in_thread(filmed, data, reads))


def shown(order: ExampleRequest) -> SeenResponse:
    """An example and its answer."""
    figure = figures.figure(order.name, FRAMES)
    watcher = models.watcher(order.reads)
    if order.reads == "joints":
        return _seen(watcher.answered(figure, figures.PER_SECOND), figure, None)
    drawn = figures.drawn(figure)
    return _seen(watcher.answered(drawn, figures.PER_SECOND), None, drawn)


def moved(order: JointsRequest) -> SeenResponse:
    """Joints and their answer. Raises VideoError."""
    return _seen(models.watcher("joints").joints(order), joints.pose(order.pose, order.layout), None)


def filmed(data: bytes, reads: Reads) -> SeenResponse:
    """A video file and its answer. Raises VideoError."""
    watcher = models.watcher(reads)
    with tempfile.TemporaryDirectory(prefix="rondo-") as folder:
        path = Path(folder) / "video"
        path.write_bytes(data)
        if reads == "joints":
            found, notes = person(path, MOST_POSED)
            return _seen(watcher.answered(found, figures.PER_SECOND, notes), found, None)
        frames, notes = luma(path, MOST)
    return _seen(watcher.answered(frames, figures.PER_SECOND, notes), None, frames)


def _seen(response: VideoResponse, pose: Any, frames: Any) -> SeenResponse:
    every = 1 if frames is None else -(-len(frames) // FILM)
    return SeenResponse(
        response=response,
        pose=[] if pose is None else np.round(pose, 3).tolist(),
        bones=list(joints.BONES),
        film="" if frames is None else base64.b64encode(np.ascontiguousarray(frames[::every]).tobytes()).decode(),
        film_every=every,
        estimator=estimator.available(),
    )
