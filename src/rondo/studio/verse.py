"""The verse desk's routes: poems and couplets to order, and the judges."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from rondo.studio import models
from rondo.studio.queue import in_thread, respond
from rondo.tasks.couplet.pair import answer
from rondo.tasks.couplet.request import CoupletRequest, CoupletResponse
from rondo.tasks.poetry.request import PoemRequest, PoemResponse
from rondo.verse import gloss
from rondo.verse.books import VerseError
from rondo.verse.judge import best, judge, judge_all, read
from rondo.verse.pairs import judge_couplet

router = APIRouter(tags=["verse"])
LONGEST = 2000  # characters of verse to be judged


class CheckRequest(BaseModel):
    """A poem to judge: its lines, pasted as they are."""

    model_config = ConfigDict(extra="forbid")

    text: str = Field(max_length=LONGEST)
    book: str = Field("", description="平水韵 词林正韵 中华新韵 中华通韵; empty: the one it keeps best")


class PairRequest(BaseModel):
    """A couplet to judge."""

    model_config = ConfigDict(extra="forbid")

    upper: str = Field(max_length=LONGEST)
    lower: str = Field(max_length=LONGEST)


class GlossRequest(BaseModel):
    """Lines of verse to gloss in English."""

    model_config = ConfigDict(extra="forbid")

    lines: list[str] = Field(max_length=40)


class GlossWord(BaseModel):
    """A word with its reading and one short sense."""

    text: str
    pinyin: str
    english: str


class GlossResponse(BaseModel):
    """The words of each line, and where the glosses come from."""

    lines: list[list[GlossWord]]
    notice: str


@router.post("/poem", response_model=PoemResponse)
async def poem(order: PoemRequest, http: Request) -> Response:
    """Write poems and prove them."""
    return await respond(http, http.app.state.writing, lambda: in_thread(lambda: models.poet().write(order)))


@router.post("/poem/check")
def check(order: CheckRequest) -> dict[str, Any]:
    """Judge a poem: form, tone pattern, rhyme, and what it breaks."""
    poems = read(order.text)
    if not poems:
        raise VerseError("没有读到诗 / no poem was found in this text")
    report = judge(poems[0], order.book) if order.book else best(judge_all(poems[0]))
    return report.to_json()


@router.post("/poem/gloss", response_model=GlossResponse)
def glosses(order: GlossRequest) -> GlossResponse:
    """An English word for each word."""
    lines = [[GlossWord(**word._asdict()) for word in gloss.gloss(line[:LONGEST])] for line in order.lines]
    return GlossResponse(lines=lines, notice=gloss.notice())


@router.post("/couplet", response_model=CoupletResponse)
async def couplet(order: CoupletRequest, http: Request) -> Response:
    """Answer a line, or write a spring couplet for a name."""
    return await respond(http, http.app.state.writing, lambda: in_thread(lambda: answer(models.writer(), order)))


@router.post("/couplet/check")
def check_couplet(order: PairRequest) -> dict[str, Any]:
    """Judge a couplet, place by place."""
    return judge_couplet(order.upper, order.lower).to_json()
