"""What a person may ask about tunes, and what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from rondo.tasks.music.grammar import MOST_BARS, MOST_SECTIONS
from rondo.tasks.music.theory import METRES, MusicError, key_of

Task = Literal["compose", "continue", "vary", "again", "show"]


class MusicRequest(BaseModel):
    """A tune to be written.

    compose   a new tune
    continue  of the given tune the first `keep` bars, then new ones
    vary      of the given tune a share of the bars written anew
    again     of the given tune all bars but those in `locked` written anew
    show      the given tune as it is
    """

    model_config = ConfigDict(extra="forbid")

    task: Task = "compose"
    abc: str = Field("", max_length=100_000, description="the given tune in ABC notation")
    key: str = Field(
        "", max_length=20, description="G, Ador ...: of the tune, or the one that a given tune is moved to"
    )
    metre: str = Field("", max_length=8, description=f"one of {', '.join(METRES)}; empty: as the model likes")
    sections: int = Field(0, ge=0, le=MOST_SECTIONS, description="0: as the model likes")
    bars: int = Field(0, ge=0, le=MOST_BARS - 1, description="full bars of a section; 0: 8 mostly, drawn by the seed")
    repeat: bool | None = Field(None, description="whether sections are repeated")
    keep: int = Field(0, ge=0, le=200, description="continue: bars of the given tune that stay; 0: all but its last")
    share: float = Field(0.5, ge=0, le=1, description="vary: of the bars, that are written anew")
    locked: list[int] = Field([], max_length=400, description="again: numbers from 0 of the bars that stay")
    temperature: float = Field(0.9, ge=0, le=2)
    top_p: float = Field(0.97, gt=0, le=1, description="the likeliest notes that hold this share are drawn from")
    seed: int = Field(1, ge=0, le=2**31 - 1)
    title: str = Field("", max_length=200)
    score: bool = Field(True, description="engrave it, where the package verovio is installed")
    width: int = Field(2100, ge=500, le=4000, description="of the score's page, in tenths of a millimetre")

    @field_validator("key")
    @classmethod
    def _key(cls, value: str) -> str:
        return key_of(value).name if value.strip() else ""

    @field_validator("metre")
    @classmethod
    def _metre(cls, value: str) -> str:
        if value and value not in METRES:
            raise MusicError(f"不支持的拍号：{value!r} / the metre {value!r} is not among {', '.join(METRES)}")
        return value


class Heard(BaseModel):
    """A note as it sounds, in seconds from the start."""

    start: float
    seconds: float
    pitch: int = Field(description="of MIDI: 60 is middle C")
    bar: int = Field(description="number from 0 of the written bar")
    note: int = Field(description="number from 0 among the written notes and rests")
    voice: int = 0


class WrittenBar(BaseModel):
    """A bar as it is written."""

    ticks: int
    p: float = Field(description="mean probability of its symbols by the model, 0 to 1")
    new: bool = Field(description="whether the model wrote it now")
    abc: str


class Passage(BaseModel):
    """The longest passage that a tune of the training shares."""

    notes: int
    first: int = Field(description="number of its first note among the written ones")
    bars: tuple[int, int] = Field(description="numbers of its first and last bar")
    title: str = Field(description="of the training's tune")


class MusicResponse(BaseModel):
    """A tune: to read, to play, to print."""

    abc: str
    title: str
    metre: str
    key: str
    seed: int
    bars: list[WrittenBar]
    sounds: list[Heard]
    seconds: float
    shared: Passage | None = None
    svg: str = Field("", description="the engraved score; empty where verovio is not installed")
    notes: list[str] = []


def music_request(**values: Any) -> MusicRequest:
    """A checked request. Raises MusicError saying what is wrong."""
    found: MusicRequest = checked(MusicRequest, values)
    return found


def checked(kind: type[Any], values: dict[str, Any]) -> Any:
    """The request of these values. Raises MusicError."""
    from pydantic import ValidationError

    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        raise cause if isinstance(cause, MusicError) else MusicError(f"{first['loc'][0]}: {first['msg']}") from None
