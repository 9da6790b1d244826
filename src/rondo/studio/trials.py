"""The bench's longer trials of a cell: speed, curves on probes, a character model of a text; and the runs kept."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, HTTPException, Request, Response
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rondo.studio import home, work_trials
from rondo.studio.cells import CellText
from rondo.studio.child import Limits, in_child
from rondo.studio.queue import Queue, respond
from rondo.train import paste

router = APIRouter(tags=["trials"])
MOST_VALUES = 4_000_000  # T * B * hidden of a measurement
MOST_BYTES = 1 << 20  # of a text, in UTF-8
SPEED, PROBE, SAMPLE = Limits(seconds=120), Limits(seconds=600), Limits(seconds=60)
TEXT = Limits(seconds=3600, file=128)

RunName = Annotated[str, InPath(pattern=f"^{home.NAME.pattern}$", max_length=80)]


class TrialError(ValueError):
    """A trial that is too large."""


class Asked(BaseModel):
    """A trial of a cell."""

    model_config = ConfigDict(extra="forbid")

    cell: CellText


class SpeedRequest(Asked):
    """How fast, at which shape: T steps of B sequences, the width of x, the units."""

    T: int = Field(64, ge=1, le=400)
    B: int = Field(16, ge=1, le=128)
    input: int = Field(64, ge=1, le=512)
    hidden: int = Field(128, ge=1, le=512)
    repeats: int = Field(work_trials.REPEATS, ge=1, le=30, description="rounds that are measured")

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.T * self.B * self.hidden > MOST_VALUES:
            raise TrialError(
                f"太大了：步数 × 行数 × 单元数最多 {MOST_VALUES:,} / too large: steps * sequences * units may be "
                f"{MOST_VALUES:,} at most"
            )
        return self


class ProbeRequest(Asked):
    """Which probe, and what every cell gets alike."""

    task: Literal["copying", "adding", "parity", "dyck", "agreement"] = "parity"
    length: int = Field(16, ge=1, le=200, description="of the sequences; its meaning is the task's")
    depth: int = Field(3, ge=2, le=8, description="of brackets that are open at once (dyck)")
    parameters: int = Field(5000, ge=50, le=50_000, description="of every network, by choice of its units")
    steps: int = Field(400, ge=20, le=4000, description="of each training")
    seeds: int = Field(2, ge=1, le=5, description="trainings of each cell")
    batch: int = Field(32, ge=1, le=64, description="sequences a step")
    lr: float = Field(0.01, gt=0, le=1, description="learning rate of Adam, the same for all")


class TextRequest(Asked):
    """A text to learn, and the size of the network and its training."""

    text: str = Field(description=f"at least {paste.SHORTEST} characters, at most {MOST_BYTES} bytes in UTF-8")
    hidden: int = Field(128, ge=4, le=384)
    steps: int = Field(400, ge=10, le=6000)
    lr: float = Field(0.01, gt=0, le=1)
    seed: int = Field(1, ge=0, lt=1 << 31)

    @field_validator("text")
    @classmethod
    def _sane(cls, text: str) -> str:
        if len(text.encode(errors="surrogatepass")) > MOST_BYTES:
            raise TrialError("文字太长，最多 1 MB / the text is too long: at most 1 MB")
        return text


class PrimeRequest(BaseModel):
    """A text that a run's model continues."""

    model_config = ConfigDict(extra="forbid")

    prime: str = Field("", max_length=1000)
    length: int = Field(300, ge=1, le=2000)
    temperature: float = Field(0.8, ge=0, le=5)
    seed: int = Field(1, ge=0, lt=1 << 31)

    @field_validator("prime")
    @classmethod
    def _whole(cls, prime: str) -> str:
        if any("\ud800" <= c <= "\udfff" for c in prime):
            raise TrialError("这段文字里有半个字符 / this text holds half a character (a surrogate)")
        return prime


class Continued(BaseModel):
    """The last record of a continuation; those before it are its pieces."""

    text: str
    unknown: list[str] = Field(description="what in the prime is unknown to the model, and read as such")


def _line(http: Request) -> Queue:
    """Trials wait in a line of their own: a person who types does not wait for another's training."""
    queue: Queue = http.app.state.training
    return queue


@router.post("/cell/speed")
async def speed(order: SpeedRequest, http: Request) -> Response:
    """Nanoseconds a step of the cell's kernel, its loop, LSTM, GRU and torch.nn's; the kernel is checked first."""
    values = {
        "cell": order.cell.data(),
        "shape": order.model_dump(include={"T", "B", "input", "hidden"}),
        "repeats": order.repeats,
    }
    return await respond(http, _line(http), lambda: in_child(work_trials.measured, values, SPEED))


@router.post("/cell/probe")
async def probe(order: ProbeRequest, http: Request) -> Response:
    """Learning curves of the cell, of LSTM and of GRU on a probe, at equal parameters and steps."""
    sizes = order.model_dump(include={"length", "depth"} if order.task == "dyck" else {"length"})
    settings = order.model_dump(include={"parameters", "steps", "seeds", "batch", "lr"})
    values = {"cell": order.cell.data(), "task": order.task, "sizes": sizes, "settings": settings}
    return await respond(http, _line(http), lambda: in_child(work_trials.probed, values, PROBE))


@router.post("/cell/text")
async def text(order: TextRequest, http: Request) -> Response:
    """Train a character model with the cell on a text, as a run that is kept."""
    settings = order.model_dump(include={"hidden", "steps", "lr", "seed"})
    values = {"root": str(home.folder()), "words": order.text, "cell": order.cell.data(), "settings": settings}
    return await respond(http, _line(http), lambda: in_child(work_trials.learnt, values, TEXT))


@router.get("/runs")
def kept() -> list[home.Kept]:
    """The trainings that are kept, the newest first."""
    return home.runs()


@router.post("/runs/{name}/resume")
async def resume(name: RunName, http: Request) -> Response:
    """Go on with a training from its checkpoint, to the same end as if it had never stopped."""
    values = {"path": str(home.find(name))}
    return await respond(http, _line(http), lambda: in_child(work_trials.resumed, values, TEXT))


@router.post("/runs/{name}/sample", response_model=Continued)
async def sample(name: RunName, order: PrimeRequest, http: Request) -> Response:
    """Continue a text with a run's best model so far."""
    values: dict[str, Any] = {"path": str(home.model_file(name)), **order.model_dump()}
    return await respond(http, http.app.state.working, lambda: in_child(work_trials.continued, values, SAMPLE))


@router.get("/runs/{name}/model", response_class=FileResponse)
def model(name: RunName) -> FileResponse:
    """The run's model as one file."""
    try:
        path = home.model_file(name)
    except home.HomeError as error:
        raise HTTPException(404, str(error)) from None
    return FileResponse(path, filename=f"{name}.safetensors", media_type="application/octet-stream")


@router.delete("/runs/{name}", status_code=204)
def delete(name: RunName) -> None:
    """Delete a training and its model."""
    home.remove(name)
