"""The lab's routes: the topologies unrolled, and gradients that vanish and explode."""

from __future__ import annotations

import functools
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from rondo import cells
from rondo.diagnose import radius, unrolled
from rondo.diagnose.inside import Array
from rondo.render.bptt import bptt
from rondo.render.latex import mathml
from rondo.studio.queue import Queue, in_thread, respond

router = APIRouter(tags=["lab"])
Topology = Literal["one-to-one", "one-to-many", "many-to-one", "many-to-many", "sequence-to-sequence"]
SmallCell = Literal["elman", "gru-cho", "lstm"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
UPDATES = 40  # of the trainings with and without clipping


def queue(http: Request) -> Queue:
    """The lab's own line: figures of a few hundredths of a second, which must not wait for a poem."""
    state = http.app.state
    if not hasattr(state, "lab"):
        state.lab = Queue(running=2, waiting=99)
    found: Queue = state.lab
    return found


# --- topologies ------------------------------------------------------------------------------------


class TopologyRequest(BaseModel):
    """A small network to unroll: its steps, its cell, its units, the draw of its numbers; and the window of truncated
    backpropagation, first and last step counted from 0 (last: None for the end)."""

    model_config = ConfigDict(extra="forbid")

    topology: Topology = "many-to-many"
    steps: int = Field(5, ge=2, le=8)
    cell: SmallCell = "elman"
    hidden: int = Field(3, ge=2, le=4)
    seed: Seed = 1
    first: int = Field(0, ge=0, le=7)
    last: int | None = Field(None, ge=0, le=7)


class ForwardStep(BaseModel):
    """One step forward: what it reads, its named values and states, what it answers."""

    network: int = Field(description="0, or 1 in the decoder")
    x: float | None
    named: dict[str, list[float]]
    target: float | None
    prediction: float | None
    loss: float | None


class BackwardStep(BaseModel):
    """One step backward, see `rondo.diagnose.unrolled.Backward`; norms are of gradients."""

    score: float
    own: float
    arriving: float
    full: dict[str, list[float]]
    full_norm: float
    leaving: float
    input: list[float]
    input_norm: float
    weights: list[list[float]]
    weights_norm: float
    running: list[list[float]]
    running_norm: float


class TopologyResponse(BaseModel):
    """All values and gradients. The cosine and the relative error compare dL/dW inside the window with that of the
    whole sequence; `reach` is the relative error that the cut before the window alone makes, on the window's losses."""

    states: list[str]
    rows: list[str] = Field(description="the gate of each row of W")
    columns: list[str]
    window: tuple[int, int]
    forward: list[ForwardStep]
    backward: list[BackwardStep | None]
    loss: float
    largest: float = Field(description="the largest norm of all gradients but dL/dL<t>")
    cosine: float | None
    relative: float | None
    reach: float | None


@router.post("/lab/topology", response_model=TopologyResponse)
async def topology(order: TopologyRequest, http: Request) -> Response:
    """Unroll a small network: every value and every gradient of each step."""
    return await respond(http, queue(http), lambda: in_thread(_topology, order))


def _topology(order: TopologyRequest) -> TopologyResponse:
    net = unrolled.small(order.topology, order.steps, order.cell, order.hidden, order.seed)
    end = len(net.x) - 1
    last = end if order.last is None else min(order.last, end)
    found = unrolled.unroll(net, min(order.first, last), last)
    whole, same = unrolled.difference(found, unrolled.unroll(net)), unrolled.unroll(net, 0, last)
    return TopologyResponse(
        states=list(net.units[0].graph.states),
        rows=net.rows,
        columns=net.columns,
        window=found.window,
        forward=[_forward(net, t, f) for t, f in enumerate(found.forward)],
        backward=[None if b is None else _backward(b) for b in found.backward],
        loss=found.loss,
        largest=found.largest,
        cosine=whole.cosine,
        relative=whole.relative,
        reach=unrolled.difference(found, same).relative,
    )


def _forward(net: unrolled.Small, t: int, f: unrolled.Forward) -> ForwardStep:
    reads, answers = net.shape.reads[t], net.shape.answers[t]
    return ForwardStep(
        network=net.owner(t),
        x=float(net.x[t]) if reads else None,
        named={name: v.tolist() for name, v in f.named.items()},
        target=float(net.targets[t]) if answers else None,
        prediction=f.prediction,
        loss=f.loss,
    )


def _backward(b: unrolled.Backward) -> BackwardStep:
    return BackwardStep(
        score=b.score,
        own=b.own,
        arriving=b.arriving,
        full={s: v.tolist() for s, v in b.full.items()},
        full_norm=b.norm("full"),
        leaving=b.leaving,
        input=b.input.tolist(),
        input_norm=b.norm("input"),
        weights=b.weights.tolist(),
        weights_norm=b.norm("weights"),
        running=b.running.tolist(),
        running_norm=b.norm("running"),
    )


@router.get("/lab/equations")
def equations(cell: SmallCell = "elman") -> dict[str, str]:
    """A cell with an output unit in the lecture's notation, as MathML: forward, loss, backward, gradients."""
    return _equations(cell)


@functools.cache
def _equations(cell: str) -> dict[str, str]:
    lines = bptt(cells.find(cell).graph, head="sigmoid")
    head, *rows, foot = mathml(lines, "lecture").splitlines()  # a row a line
    parts: dict[str, list[str]] = {}
    for line, row in zip(lines, rows, strict=True):
        parts.setdefault(line.part, []).append(row)
    return {part: "\n".join([head, *own, foot]) for part, own in parts.items()}


# --- vanishing and exploding -----------------------------------------------------------------------


class RadiusRequest(BaseModel):
    """A plain network and two gated ones at a spectral radius; the limit to which its gradient's norm is clipped."""

    model_config = ConfigDict(extra="forbid")

    radius: float = Field(0.9, ge=0.5, le=1.5)
    activation: Literal["tanh", "linear"] = "tanh"
    hidden: int = Field(20, ge=4, le=32)
    steps: int = Field(40, ge=5, le=60)
    seed: Seed = 1
    limit: float = Field(0.5, ge=1e-3, le=1e6)
    distance: int = Field(20, ge=1, le=60)


class RadiusResponse(BaseModel):
    """By distance, log10 (None for -inf): gradients from 0, singular values and the rule from 1. `left` is the share
    of the gradient that is left at the distance asked for."""

    radius: float
    norm: float = Field(description="the largest singular value of U")
    eigenvalues: list[tuple[float, float]]
    flow: dict[str, list[float | None]]
    clipped: list[float | None]
    product: dict[str, list[float | None]]
    bound: list[float]
    slope: list[float]
    gradient: float
    factor: float
    left: dict[str, float]
    grown: float = Field(description="log10 of the product's largest singular value at the distance")
    rule: float = Field(description="log10 of what the rule makes of it")


class DescentResponse(BaseModel):
    """Updates of one training; it ends where a number leaves the range of numbers."""

    loss: list[float]
    gradient: list[float]
    applied: list[float]


class ClippingResponse(BaseModel):
    """The same training without and with clipping; `held` counts the updates that clipping shortened."""

    updates: int
    plain: DescentResponse
    clipped: DescentResponse
    held: int


@router.post("/lab/gradients", response_model=RadiusResponse)
async def gradients(order: RadiusRequest, http: Request) -> Response:
    """Gradients, Jacobians and spectrum at a spectral radius."""
    return await respond(http, queue(http), lambda: in_thread(_gradients, order))


def _gradients(order: RadiusRequest) -> dict[str, Any]:
    found = radius.turned(order.radius, order.hidden, order.steps, order.seed, order.activation)
    at = min(order.distance, order.steps - 1)
    names = ("largest", "median", "smallest")
    return {
        "radius": found.spectrum.radius,
        "norm": found.spectrum.norm,
        "eigenvalues": [(v.real, v.imag) for v in found.spectrum.eigenvalues.tolist()],  # type: ignore[union-attr]
        "flow": {cell: _logs(v) for cell, v in found.flow.items()},
        "clipped": _logs(found.clipped(order.limit)),
        "product": {name: _logs(found.product[:, k]) for k, name in enumerate(names)},
        "bound": found.bound.tolist(),
        "slope": found.slope.tolist(),
        "gradient": found.gradient,
        "factor": found.factor(order.limit),
        "left": {cell: found.left(cell, at) for cell in found.flow},
        "grown": float(found.product[at - 1, 0]),
        "rule": float(found.bound[at - 1]),
    }


def _logs(values: Array) -> list[float | None]:
    return [v if v > -1e9 else None for v in values.tolist()]


@router.post("/lab/clipping", response_model=ClippingResponse)
async def clipping(order: RadiusRequest, http: Request) -> Response:
    """The plain network in training, with and without clipping."""
    return await respond(http, queue(http), lambda: in_thread(_clipping, order))


def _clipping(order: RadiusRequest) -> ClippingResponse:
    found = radius.clipping(
        order.radius, order.limit, order.hidden, order.steps, UPDATES, order.seed, order.activation
    )  # fmt: skip
    plain, clipped = (
        DescentResponse(loss=d.loss.tolist(), gradient=d.gradient.tolist(), applied=d.applied.tolist())
        for d in (found.plain, found.clipped)
    )
    return ClippingResponse(updates=UPDATES, plain=plain, clipped=clipped, held=found.held)
