"""The lab's comparison of GRU, LSTM and Elman: what was measured, and a reader's own cell beside it."""

from __future__ import annotations

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from rondo.lab import compare, verdicts
from rondo.studio import work_compare
from rondo.studio.cells import CellText
from rondo.studio.child import Limits, in_child
from rondo.studio.queue import in_thread, respond

router = APIRouter(tags=["lab"])
OWN = Limits(seconds=1800)


class CompareResponse(BaseModel):
    """All that was measured, and the table at a share of its budgets with what it says of the lecture's sentences."""

    result: compare.Result
    summary: verdicts.Summary


class JoinRequest(BaseModel):
    """A cell to join, the share of the shipped budgets that it gets, and how many seeds."""

    model_config = ConfigDict(extra="forbid")

    cell: CellText
    share: float = Field(0.1, ge=0.01, le=1)
    seeds: int = Field(1, ge=1, le=3)


@router.get("/lab/compare", response_model=CompareResponse)
async def shown(http: Request, share: float = Query(1.0, ge=0.01, le=1)) -> Response:
    """GRU, LSTM and Elman at equal parameters, equal steps and equal time."""
    return await respond(http, http.app.state.reading, lambda: in_thread(_shown, share))


def _shown(share: float) -> CompareResponse:
    result = compare.shipped()
    return CompareResponse(result=result, summary=verdicts.summary(result, share))


@router.post("/lab/compare/own")
async def own(order: JoinRequest, http: Request) -> Response:
    """Train a cell as the others were; the last record is the table with it. Ends with its client."""
    order.cell.load()  # a fault of the equations is told before anything waits
    values = {"cell": order.cell.data(), "share": order.share, "seeds": order.seeds}
    return await respond(http, http.app.state.training, lambda: in_child(work_compare.joined, values, OWN))
