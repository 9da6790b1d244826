"""What a person may ask about a picture, and what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rondo.tasks.captions.data import CaptionError

MOST = 5  # sentences
WIDEST = 10  # of a beam


class CaptionsRequest(BaseModel):
    """How a picture is to be described. The picture itself comes beside."""

    model_config = ConfigDict(extra="forbid")

    count: int = Field(3, ge=1, le=MOST, description="different sentences")
    beam: int = Field(5, ge=1, le=WIDEST, description="width of the beam")
    encoder: Literal["auto", "own", "fetched"] = Field(
        "auto", description="what reads the picture: the package's own small encoder, or the one that was fetched"
    )


class Character(BaseModel):
    """A character, how likely the model held it, and where it looked: weights of the places of the grid, by rows."""

    text: str
    p: float
    weights: list[float]


class Sentence(BaseModel):
    """A sentence about the picture."""

    text: str
    characters: list[Character]
    log_probability: float = Field(description="of all its characters and its end, in nats")
    p: float = Field(description="geometric mean of the characters' probabilities")


class CaptionsResponse(BaseModel):
    """Sentences about a picture, the best first."""

    sentences: list[Sentence]
    side: int = Field(description="places of a row, and rows, of the grid that the weights belong to")
    encoder: Literal["own", "fetched"]
    width: int = Field(description="pixels of the picture as it was read")
    height: int
    notes: list[str] = []


def captions_request(**values: Any) -> CaptionsRequest:
    """A checked request. Raises CaptionError saying what is wrong."""
    from pydantic import ValidationError

    try:
        return CaptionsRequest(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise CaptionError(f"{first['loc'][0] if first['loc'] else 'request'}: {first['msg']}") from None
