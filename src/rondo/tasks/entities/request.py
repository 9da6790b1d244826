"""What a person may ask about named entities, and what is answered. Places count code points of the given text."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rondo.verse.request import checked_request

LONGEST, MOST = 200_000, 20  # code points of a text; labellings of a sentence
LANGUAGES = ("", "zh", "en")


class EntitiesError(ValueError):
    """A request that cannot be answered; the message says what to do."""


class Entry(BaseModel):
    """A dictionary's entry: wherever the text stands, it is an entity of this type, or none where the type is ""."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(min_length=1, max_length=200)
    type: str = ""


class Fixed(BaseModel):
    """A correction: the place is an entity of this type, or holds none where the type is ""."""

    model_config = ConfigDict(extra="forbid")

    start: int = Field(ge=0)
    end: int = Field(ge=1)
    type: str = ""


class EntitiesRequest(BaseModel):
    """A text in which names are to be found."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(description="Chinese or English text, of 200,000 characters at most")
    language: str = Field("", description="zh, en, or nothing: found from the text")
    dictionary: list[Entry] = Field([], max_length=10_000, description="names that are known, each with its type")
    fixed: list[Fixed] = Field([], max_length=1000, description="places that are known; the rest is found around them")
    nbest: int = Field(1, ge=1, le=MOST, description="how many readings of each sentence")

    @field_validator("text")
    @classmethod
    def _text(cls, value: str) -> str:
        if not value.strip():
            raise EntitiesError("请给出文字 / give a text: it holds nothing but blanks")
        if len(value) > LONGEST:
            raise EntitiesError(
                f"文字长{len(value):,}，上限{LONGEST:,}：长文请用 rondo entities --file / the text has {len(value):,} "
                f"characters, at most {LONGEST:,} are answered at once: use rondo entities --file for long ones"
            )
        lone = next((k for k, c in enumerate(value) if "\ud800" <= c <= "\udfff"), None)
        if lone is not None:
            raise EntitiesError(
                f"第{lone}个字符是半个代理对，不是文字 / place {lone} holds half of a surrogate pair, which is no "
                "character: decode the text as UTF-8 or UTF-16"
            )
        return value

    @field_validator("language")
    @classmethod
    def _language(cls, value: str) -> str:
        if value not in LANGUAGES:
            raise EntitiesError(f"语言是 zh 或 en / the language is zh or en, found {value!r}")
        return value

    @model_validator(mode="after")
    def _places(self) -> EntitiesRequest:
        size, last = len(self.text), 0
        for place in sorted(self.fixed, key=lambda f: f.start):
            if not place.start < place.end <= size:
                raise EntitiesError(
                    f"更正的位置 {place.start}-{place.end} 不在文字之内 / the correction at {place.start}-{place.end} "
                    f"does not lie within the text, which has {size} characters"
                )
            if place.start < last:
                raise EntitiesError(
                    f"更正的位置 {place.start}-{place.end} 与前一处重叠 / the correction at {place.start}-{place.end} "
                    "overlaps the one before it"
                )
            last = place.end
        return self


class Entity(BaseModel):
    """A name that was found: text[start:end]."""

    start: int
    end: int
    text: str
    type: str
    p: float  # probability that exactly this is an entity of this type, given what the dictionary and corrections say
    by: str = "model"  # model, dictionary, or fixed


class Alternative(BaseModel):
    """A reading of a sentence."""

    p: float  # of the whole labelling
    entities: list[Entity]


class SentencePart(BaseModel):
    """A sentence and its readings, the likeliest first."""

    start: int
    end: int
    alternatives: list[Alternative]


class TypeName(BaseModel):
    """What a type is called."""

    zh: str
    en: str


class EntitiesResponse(BaseModel):
    """The names in a text."""

    text: str
    language: str
    types: list[str]
    names: dict[str, TypeName]  # what the types are called
    entities: list[Entity]
    sentences: list[SentencePart]
    notes: list[str] = []


def entities_request(**values: Any) -> EntitiesRequest:
    """A checked request. Raises EntitiesError saying what is wrong."""
    return checked_request(EntitiesRequest, values, EntitiesError)
