"""What a check says of an answer."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from rondo.lab.words import Words


class Outcome(BaseModel):
    """passed, with the reason where it is not; `facts`: numbers and curves that the report shows and that marking
    computes again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    part: str
    check: str
    title: Words
    passed: bool
    points: float
    message: Words
    facts: dict[str, Any] = Field(default_factory=dict)
    hidden: bool = False


class WrongError(ValueError):
    """Raised by a check: the answer is not right; the message, 中文 / English, says what is wrong without giving the
    answer away."""

    def __init__(self, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.facts = facts
