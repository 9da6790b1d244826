"""What a person may ask about a moving body, and what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rondo.data.video import VideoError

SHOWN = 1500  # frames whose probabilities are given one by one
Layout = Literal["jhmdb15", "coco17", "openpose18", "body25", "blazepose33"]


class JointsRequest(BaseModel):
    """A sequence of joints to be named."""

    model_config = ConfigDict(extra="forbid")

    pose: list[list[list[float]]] = Field(
        max_length=3000,
        description="[frames][joints][x, y], y down, in any unit; the joints in the order of the layout",
    )
    layout: Layout = Field("jhmdb15", description="whose joints these are")
    per_second: float = Field(25.0, ge=1, le=240, description="frames a second")


class Answer(BaseModel):
    """An action and how likely it is."""

    action: str
    chinese: str
    p: float


class Segment(BaseModel):
    """Frames [start, end) that are answered alike; action "none": none of the known ones is likely enough."""

    start: int
    end: int
    action: str
    chinese: str
    p: float = Field(description="mean probability of the action, or, of none, of the likeliest one")


class VideoResponse(BaseModel):
    """What is done: over the whole, and frame by frame."""

    reads: Literal["joints", "pixels"]
    frames: int
    per_second: float
    answer: Answer = Field(description='the action of the whole; "none" below the threshold')
    ranks: list[Answer] = Field(description="all that the model knows, likeliest first")
    threshold: float = Field(description="below this probability nothing is named; calibrated on held-out clips")
    segments: list[Segment]
    actions: list[str] = Field(description="the columns of timeline")
    timeline: list[list[float]] = Field(description=f"[frames][actions] probabilities, of the first {SHOWN} frames")
    notes: list[str] = []


def joints_request(**values: Any) -> JointsRequest:
    """A checked request. Raises VideoError saying what is wrong."""
    from pydantic import ValidationError

    try:
        return JointsRequest(**values)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise VideoError(f"{place}: {first['msg']}") from None
