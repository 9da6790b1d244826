"""What may be asked about a text's sentiment, and what is answered.

Offsets count Unicode code points of the text as it was given.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rondo.expr.graph import nearest
from rondo.files import printable
from rondo.tasks.sentiment.text import LANGUAGES
from rondo.verse.request import checked_request

LABELS = ("positive", "neutral", "negative")
LONGEST = 20_000  # characters of a text
TARGETS, TARGET = 50, 100  # targets of a request, characters of a target


class SentimentError(ValueError):
    """A text or a table that cannot be judged; the message, Chinese then English, says what can, and can be printed
    whatever it repeats."""

    def __init__(self, message: str) -> None:
        super().__init__(printable(message))


class SentimentRequest(BaseModel):
    """A text to judge: as a whole, and toward targets."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description=f"up to {LONGEST:,} characters")
    language: str = Field("", description="zh or en; empty: found from the text")
    targets: list[str] | None = Field(
        None, description="what to ask about, each wherever it occurs; null: found in the text, []: none"
    )
    explain: bool = Field(True, description="the contribution of each piece of the text")

    @field_validator("text")
    @classmethod
    def _text(cls, text: str) -> str:
        return checked_text(text)

    @field_validator("language")
    @classmethod
    def _language(cls, value: str) -> str:
        if value not in ("", *LANGUAGES):
            hint = nearest(value, list(LANGUAGES))
            raise SentimentError(
                f"语言是 zh（中文）或 en（英文），没有 {value!r} / the language is zh or en, found {value!r}{hint}"
            )
        return value

    @field_validator("targets")
    @classmethod
    def _targets(cls, values: list[str] | None) -> list[str] | None:
        if values is None:
            return None
        if len(values) > TARGETS:
            raise SentimentError(
                f"一次最多问 {TARGETS} 个对象，现有 {len(values)} 个 / at most {TARGETS} targets, found {len(values)}"
            )
        return list(dict.fromkeys(map(_target, values)))


def checked_text(text: str) -> str:
    """The text, if it can be judged. Raises SentimentError."""
    if len(text) > LONGEST:
        raise SentimentError(
            f"这段文字有 {len(text)} 个字符，最多 {LONGEST} 个；长文请分段放进表格 / "
            f"this text has {len(text)} characters, at most {LONGEST} are read: put its parts into a table"
        )
    at = next((k for k, c in enumerate(text) if "\ud800" <= c <= "\udfff"), None)
    if at is not None:
        raise SentimentError(
            f"第 {at + 1} 个字符只有一半（代理码），请重新复制原文 / "
            f"character {at + 1} is half of one (a surrogate): copy the text anew"
        )
    if not any(c.isprintable() and not c.isspace() for c in text):
        found = "只有空白或控制字符" if text else "是空的"
        raise SentimentError(
            f"这段文字{found}，请给出一句话 / "
            "this text is empty or holds only blanks and control characters: give a text"
        )
    return text


def _target(value: str) -> str:
    value = value.strip()
    if not value or any("\ud800" <= c <= "\udfff" for c in value):
        raise SentimentError("对象不能是空的 / a target must be a word or a phrase, found an empty one")
    if len(value) > TARGET:
        raise SentimentError(
            f"对象最多 {TARGET} 个字符，现有 {len(value)} 个 / "
            f"a target has at most {TARGET} characters, found {len(value)}"
        )
    return value


class Piece(BaseModel):
    """What the model reads as one symbol or word, and its contribution to log p(positive) - log p(negative)."""

    start: int
    end: int
    weight: float


class Opinion(BaseModel):
    """An answer: the class, and the strength."""

    label: str = Field(description="positive, neutral or negative")
    probabilities: dict[str, float]
    stars: int = Field(ge=1, le=5, description="the grade that the valence comes to")
    star_probabilities: list[float] = Field(description="of 1, 2, 3, 4, 5 stars")
    valence: float = Field(description="1 very negative, 9 very positive")


class Target(Opinion):
    """The same toward a target where it stands."""

    text: str
    start: int | None = Field(description="null: it does not occur in the text, and is asked about as implicit")
    end: int | None
    found: bool = Field(description="found in the text by the model, not given")


class SentimentResponse(Opinion):
    """What was found out about a text."""

    text: str
    language: str
    pieces: list[Piece] = Field(description="with weights where an explanation was asked for, else empty")
    targets: list[Target]
    notes: list[str] = []


def sentiment_request(**values: Any) -> SentimentRequest:
    """A checked request. Raises SentimentError saying what is wrong."""
    return checked_request(SentimentRequest, values, SentimentError)
