"""The series desk's route: a series continued, with intervals, beside what costs nothing."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from rondo.studio import models
from rondo.studio.queue import in_thread, respond
from rondo.tasks.series.request import ForecastRequest, ForecastResponse

router = APIRouter(tags=["series"])


@router.post("/series", response_model=ForecastResponse)
async def series(order: ForecastRequest, http: Request) -> Response:
    """Continue a series from an origin, and say how such forecasts did at the origins before."""
    return await respond(http, http.app.state.writing, lambda: in_thread(told, order))


def told(order: ForecastRequest) -> ForecastResponse:
    """The answer. Raises SeriesError."""
    return models.teller(order.model)(order)
