"""The lab's routes to the inside of trained networks: gates over two sentences, neurons over a text."""

from __future__ import annotations

from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, field_validator

from rondo.studio import work_inside
from rondo.studio.queue import in_thread, respond
from rondo.studio.work_inside import InsideError

router = APIRouter(tags=["lab"])
MOST_BYTES = 20_000  # of a text that is read for neurons
SENTENCE = 400  # characters


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class GatesRequest(Strict):
    """Two sentences that differ in one thing, read by the same network."""

    model: Literal["gru", "lstm", "elman", "english", "chinese"] = "gru"
    first: str = Field("The cat, which already ate, was full", max_length=SENTENCE)
    second: str = Field("", max_length=SENTENCE, description="empty: the first in the other number (gru, lstm, elman)")
    rows: int = Field(24, ge=1, le=64, description="units that are answered, the most telling first")


class Sentence(BaseModel):
    words: list[str] = Field(description="what is read, a separator first; up to the verb, where there is one")
    verb: str = Field(description="the form of the verb that stands there; empty without one")
    chances: dict[str, float] = Field(description="the probability of each form after the last word")
    likeliest: list[tuple[str, float]]


class Exchange(BaseModel):
    odds: tuple[float, float] = Field(description="log-odds of the singular after each sentence, in nats")
    needed: int | None = Field(
        description="the fewest units which, put into the first sentence as they are in the second, turn its verb"
    )
    shares: list[float] = Field(description="the part of the difference of the log-odds that each row's unit makes")


Values = list[list[float | None]]  # [columns][rows]


class GatesResponse(BaseModel):
    names: dict[str, str] = Field(description="every named intermediate and state: sigmoid, tanh or free")
    equations: str = Field(description="of the cell")
    units: int
    columns: list[tuple[int | None, int | None]] = Field(description="the words of both sentences side by side")
    at: int = Field(description="the last column that both have; without a verb, the last where they differ")
    rows: list[int] = Field(description="the units")
    sentences: list[Sentence]
    values: dict[str, list[Values]] = Field(description="by name: of the first and of the second sentence")
    differences: dict[str, Values] = Field(description="first less second, by column")
    changed: dict[str, int] = Field(description="units that differ by at least 0.5 in the column `at`")
    exchange: Exchange | None


class NeuronRequest(Strict):
    """A unit of a bundled language model on a text."""

    model: Literal["chinese", "english"] = "chinese"
    text: str = Field("", description="empty: the text that comes with the model")
    name: str = Field("l0.h", max_length=40, description="a state or a named intermediate")
    unit: int = Field(37, ge=0, lt=1 << 20)

    @field_validator("text")
    @classmethod
    def _sane(cls, text: str) -> str:
        size = len(text.encode("utf-8", "surrogatepass"))
        if size > MOST_BYTES:
            raise InsideError(
                f"这段文字有 {size} 字节，最多读 {MOST_BYTES} / "
                f"this text has {size} bytes: at most {MOST_BYTES} are read"
            )
        if any("\ud800" <= c <= "\udfff" for c in text):
            raise InsideError("这段文字里有半个字符 / this text holds half a character (a surrogate)")
        return text.replace("\r\n", "\n").replace("\r", "\n") if text.strip() else ""

    def asked(self) -> tuple[str, str, str, int]:
        return self.model, self.text or work_inside.sample(self.model), self.name, self.unit


class LesionRequest(NeuronRequest):
    """The same unit held at a value."""

    to: Literal["zero", "mean"] = Field("zero", description="held at 0, or at its mean over the text")


class Histogram(BaseModel):
    edges: list[float]
    counts: list[int]


class Passage(BaseModel):
    at: int = Field(description="the step, counted through all documents")
    first: int
    last: int
    value: float


class NeuronResponse(BaseModel):
    text: str
    documents: list[list[str]] = Field(description="symbols of each document, with separators at both ends")
    unknown: list[str] = Field(description="what in the text the model reads as unknown")
    names: dict[str, str]
    units: int
    values: list[float] = Field(description="the unit after each symbol but the last of each document")
    nats: list[float] = Field(description="loss of the symbol that follows")
    loss: float = Field(description="its mean")
    mean: float
    deviation: float
    histogram: Histogram
    highest: list[Passage]
    lowest: list[Passage]
    ranked: dict[str, list[tuple[int, float]]] = Field(
        description="units by standard deviation, and by correlation with each property of the text"
    )


class LesionResponse(BaseModel):
    to: float
    loss: float
    lesioned: float
    change: list[float] = Field(description="of the loss of each symbol that follows")
    most: list[Passage] = Field(description="where the loss rises most")


@router.post("/lab/gates", response_model=GatesResponse)
async def gates(order: GatesRequest, http: Request) -> Response:
    """Every gate, candidate and state over two sentences, and which units tell them apart."""
    return await _answer(http, work_inside.gates, order.model, order.first, order.second, order.rows)


@router.post("/lab/neurons", response_model=NeuronResponse)
async def neurons(order: NeuronRequest, http: Request) -> Response:
    """What text excites a unit, and which units follow a property of the text."""
    return await _answer(http, work_inside.unit, *order.asked())


@router.post("/lab/neurons/lesion", response_model=LesionResponse)
async def lesion(order: LesionRequest, http: Request) -> Response:
    """What the model loses without a unit."""
    return await _answer(http, work_inside.lesion, *order.asked(), order.to)


async def _answer(http: Request, function: Any, *values: Any) -> Response:
    """In the line of the package's models: a network is looked into by one at a time."""
    return await respond(http, http.app.state.writing, lambda: in_thread(function, *values))
