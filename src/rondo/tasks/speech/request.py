"""What a person may ask to be recognised, and what is answered."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Decoding = Literal["auto", "greedy", "words"]
MODELS = ("speech-digits", "speech-digits-live", "speech-an4", "speech-sentences")


class SpeechRequest(BaseModel):
    """How a recording is to be read."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field("speech-digits", max_length=200, description=f"one of {', '.join(MODELS)}")
    decoding: Decoding = Field(
        "auto", description="greedy: the best path; words: the best words of a list, where the model has one; auto: it"
    )


class Word(BaseModel):
    """A word and when it was said, in seconds."""

    word: str
    start: float
    end: float
    p: float = Field(description="its probability, a geometric mean over its labels")


class SpeechResponse(BaseModel):
    """What was heard."""

    text: str
    words: list[Word]
    seconds: float
    rate: int = Field(description="samples a second of the recording")
    model: str
    decoding: Literal["greedy", "words"]
    notes: list[str] = []
