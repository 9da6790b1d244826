"""How a recording may be decoded, and what is answered."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, Field

Decoding = Literal["auto", "greedy", "words"]


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
