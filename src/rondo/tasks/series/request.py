"""What a person may ask about a series, and what is answered."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from rondo.tasks.series.table import SeriesError

LONGEST = 900_000  # characters of a table
STEPS = 400  # of the past that are given back


class ForecastRequest(BaseModel):
    """A series to be continued."""

    model_config = ConfigDict(extra="forbid")

    table: str = Field(
        "",
        max_length=LONGEST,
        description="CSV or TSV, the first line names the columns; empty: the model's own series",
    )
    column: str = Field("", max_length=200, description="the column to continue; empty: the first that holds numbers")
    model: Literal["airline", "sunspots"] = Field("airline", description="the bundled model")
    until: int = Field(0, ge=0, le=2_000_000, description="the origin: steps that are known; 0: all")


class Step(BaseModel):
    """A step ahead: its time and quantiles."""

    time: str
    q05: float
    q10: float
    q25: float
    median: float
    q75: float
    q90: float
    q95: float


class Measures(BaseModel):
    """Errors of a forecast at every origin that was tried."""

    mae: float
    rmse: float
    smape: float
    mase: float | None
    mae_by_step: list[float]


class Backtest(BaseModel):
    """The model beside the naive forecasts, at origins of the past."""

    origins: int
    horizon: int
    season: int
    table: dict[str, Measures] = Field(description="model, last, seasonal, drift, theta")
    coverage: dict[str, float] = Field(description="share of values inside the interval of so many percent")
    width: dict[str, float]
    best_naive: str
    beats_seasonal: bool
    beats_all: bool


class ForecastResponse(BaseModel):
    """What was, what is to come, and how such forecasts did before."""

    column: str
    columns: list[str]
    origin: int = Field(description="steps that the forecast knows")
    steps: int = Field(description="steps of the series")
    times: list[str] = Field(description=f"of the last {STEPS} steps known, and of what came after the origin")
    values: list[float]
    shown_before: int = Field(description="how many of these lie before the origin")
    ahead: list[Step]
    naive: dict[str, list[float]] = Field(description="what the naive forecasts say of the same steps")
    backtest: Backtest | None
    notes: list[str] = []


def forecast_request(**values: Any) -> ForecastRequest:
    """A checked request. Raises SeriesError saying what is wrong."""
    from pydantic import ValidationError

    try:
        return ForecastRequest(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise SeriesError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
