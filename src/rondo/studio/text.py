"""The text desk's routes: continuations with what stands inside each step, next words, neighbours, and "hello"."""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator

from rondo.studio import home, models, work_text
from rondo.studio.child import Limits, in_child
from rondo.studio.queue import Queue, Records, in_steps, respond
from rondo.studio.uploads import Uploads
from rondo.studio.work_text import TextError
from rondo.train.bundled import TEXTS

router = APIRouter(tags=["text"])
LONGEST = 1000  # characters of a text to be continued
MOST_SYMBOLS = 2000  # that are drawn
OWN, RUN = "own:", "run:"  # before the key of a file that a person opened, the name of a training of the studio
LIMITS = Limits(seconds=60, memory=1536)


def _whole(text: str) -> str:
    if any("\ud800" <= c <= "\udfff" for c in text):
        raise TextError("这段文字里有半个字符 / this text holds half a character (a surrogate)")
    return text


class Asked(BaseModel):
    """A question to a language model."""

    model_config = ConfigDict(extra="forbid")

    model: str = Field(
        "english",
        max_length=100,
        description="english, chinese, or another id of /text/models or of a file that was opened",
    )


class Prompted(Asked):
    """A text that is read first; it may be empty."""

    text: str = ""

    @field_validator("text")
    @classmethod
    def _short(cls, text: str) -> str:
        if len(text) > LONGEST:
            raise TextError(
                f"这段文字有 {len(text)} 个字符，最多读 {LONGEST} 个 / "
                f"this text has {len(text)} characters: at most {LONGEST} are read"
            )
        return _whole(text)


class ContinueRequest(Prompted):
    """A continuation: the same request gives the same text."""

    length: int = Field(120, ge=1, le=MOST_SYMBOLS, description="symbols to draw")
    temperature: float = Field(0.7, ge=0, le=5, description="0: always the likeliest; 1: as the model says")
    top_k: int = Field(0, ge=0, le=1_000_000, description="draw among so many likeliest symbols; 0: all")
    top_p: float = Field(1.0, gt=0, le=1, description="draw among the likeliest of this whole share")
    seed: int = Field(1, ge=0, lt=1 << 31)
    taken: list[tuple[int, int]] = Field(
        [], max_length=MOST_SYMBOLS, description="[step, symbol]: taken there, whatever would be drawn"
    )
    skip: int = Field(0, ge=0, le=MOST_SYMBOLS, description="steps whose records are not wanted")


class Ended(BaseModel):
    """The last record of a continuation; those of the steps before hold the distributions."""

    kind: Literal["end"]
    text: str
    numbers: list[int] = Field(description="the symbols")
    bits: float = Field(description="mean of -log2 p of the drawn symbols, as the model says")
    unknown: list[str] = Field(description="what in the text is unknown to the model, and read as such")


class WordsRequest(Prompted):
    """The likeliest next words after a text."""

    count: int = Field(10, ge=1, le=50)


class Word(BaseModel):
    text: str
    p: float


class WordsResponse(BaseModel):
    words: list[Word]
    unknown: list[str]


class NeighboursRequest(Asked):
    """Two words whose embeddings are compared."""

    word: Annotated[str, Field(max_length=100), AfterValidator(_whole)]
    other: Annotated[str, Field(max_length=100), AfterValidator(_whole)]
    count: int = Field(8, ge=1, le=50)


class Neighbour(BaseModel):
    text: str
    cosine: float


class NeighboursResponse(BaseModel):
    lists: list[list[Neighbour]] = Field(description="the nearest of the one, of the other")
    cosine: float = Field(description="of the two")
    place: int = Field(description="of the other among the neighbours of the one, from 1")
    symbols: int


class Model(BaseModel):
    """A model that can be asked. Of a training only its name is told here."""

    id: str
    name: str
    level: str = Field("", description="character, word or subword")
    symbols: int = 0
    weights: int = 0
    embedding: bool = Field(True, description="whether symbols have neighbours")


class HelloRequest(BaseModel):
    """The lecture's network: four letters, three hidden units, one word to learn."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(1, ge=0, lt=1 << 31)
    steps: int = Field(120, ge=1, le=400, description="of training")
    rate: float = Field(0.05, gt=0, le=1, description="learning rate of Adam")


class HelloLook(BaseModel):
    """What stands inside after `step` training steps; rows are t = 1 ... 4."""

    step: int
    loss: float
    losses: list[float]
    hidden: list[list[float]]
    chances: list[list[float]]
    spelled: str = Field(description="what it writes by then when each draw is fed back")


@router.get("/text/models", response_model=list[Model])
def known() -> list[dict[str, Any]]:
    """The bundled language models, and those of the trainings that were begun in the studio."""
    bundled = [{"id": name, "name": name, **next(work_text.about(models.language(name)))} for name in TEXTS]
    return bundled + [{"id": RUN + k.name, "name": f"{k.title or k.name} · {k.cell}"} for k in home.runs() if k.model]


@router.post("/text/model", response_model=Model)
async def opened(http: Request, name: str = "model.safetensors") -> Response:
    """Open a model file: the body is the file. It stays as long as the studio runs, and is read, never executed."""
    key = await uploads().take(name, http.stream())

    async def work() -> Records:
        path, called = uploads().find(key)
        values = {"path": str(path), "called": called, "asked": "about", "values": {}}
        try:
            async with aclosing(in_child(work_text.of_file, values, LIMITS)) as records:
                async for record in records:
                    yield {"id": OWN + key, "name": called, **record}
        except ValueError:
            uploads().drop(key)
            raise

    return await respond(http, http.app.state.working, work)


@router.post("/text/continue", response_model=Ended)
async def continued(order: ContinueRequest, http: Request) -> Response:
    """Continue a text. As a stream, every step comes with the likeliest symbols before and after the cuts."""
    options = order.model_dump(include={"temperature", "top_k", "top_p", "seed"})
    values = order.model_dump(include={"text", "length", "taken", "skip"})
    return await _answer(http, order.model, "written", {**values, "options": options})


@router.post("/text/words", response_model=WordsResponse)
async def words(order: WordsRequest, http: Request) -> Response:
    """The likeliest next words after a text."""
    return await _answer(http, order.model, "words", order.model_dump(exclude={"model"}))


@router.post("/text/neighbours", response_model=NeighboursResponse)
async def neighbours(order: NeighboursRequest, http: Request) -> Response:
    """How near two words are by their embeddings, and what is nearest to each."""
    return await _answer(http, order.model, "neighbours", order.model_dump(exclude={"model"}))


@router.post("/text/hello", response_model=HelloLook)
async def hello(order: HelloRequest, http: Request) -> Response:
    """Train the lecture's network and look inside before the first step and after each."""
    return await respond(
        http, http.app.state.working, lambda: in_child(work_text.hello, order.model_dump(), Limits(seconds=60))
    )


async def _answer(http: Request, model: str, asked: str, values: dict[str, Any]) -> Response:
    queue, work = _place(http, model, asked, values)
    return await respond(http, queue, work)


def _place(http: Request, model: str, asked: str, values: dict[str, Any]) -> tuple[Queue, Callable[[], Records]]:
    """Which line a question waits in, and its work."""
    if model in TEXTS:
        function = work_text.ASKED[asked]
        return http.app.state.writing, lambda: in_steps(lambda: function(models.language(model), **values))
    path, called = _file(model)
    given = {"path": str(path), "called": called, "asked": asked, "values": values}
    return http.app.state.working, lambda: in_child(work_text.of_file, given, LIMITS)


def _file(model: str) -> tuple[Path, str]:
    """Where a model that is not bundled lies, and what it is called."""
    if model.startswith(OWN):
        return uploads().find(model.removeprefix(OWN))
    if model.startswith(RUN):
        name = model.removeprefix(RUN)
        return home.model_file(name), name
    raise TextError(f"没有叫 {model!r} 的模型 / no model is called {model!r}: {', '.join(TEXTS)}")


@functools.cache
def uploads() -> Uploads:
    """The files that are open."""
    return Uploads()
