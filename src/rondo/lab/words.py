"""Texts in two languages, as experiments and outcomes hold them."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class Words(BaseModel):
    """The same in Chinese and in English."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    zh: str = Field(max_length=20_000)
    en: str = Field(max_length=20_000)

    def __call__(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


def words(zh: str, en: str) -> Words:
    """Both."""
    return Words(zh=zh, en=en)


def both(text: str) -> Words:
    """A message "中文 / English" as two; one without the stroke in both."""
    zh, stroke, en = text.partition(" / ")
    return Words(zh=zh, en=en if stroke else zh)
