"""The lab's routes to what happens step by step: the pass forward, gates that are held, what an output can see, and
truncated backpropagation."""

from __future__ import annotations

import functools
from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from rondo.diagnose import hold, steps, truncated
from rondo.diagnose.inside import Array
from rondo.render.live import Spoken, spoken
from rondo.studio import work_steps
from rondo.studio.lab import queue
from rondo.studio.queue import in_thread, respond

router = APIRouter(tags=["lab"])
Cell = Literal["elman", "gru-simple", "gru-cho", "lstm", "lstm-no-tanh"]
Seed = Annotated[int, Field(ge=0, lt=2**31)]
Numbers = list[float]
SENTENCE = 400  # characters


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Multiplied(BaseModel):
    text: str = Field(description="MathML")
    matrix: str = Field(description="the parameter's name")
    operands: list[int] = Field(description="slots of what it multiplies")
    result: int


class Equation(BaseModel):
    """One line of a step, as MathML: `live` is `text` with slots (`mrow` with data-slot) for all that it reads."""

    name: str
    role: str
    symbol: str
    text: str
    live: str
    slot: int = Field(description="of its result")
    reads: list[int]
    products: list[Multiplied]


def lines(found: list[Spoken]) -> list[Equation]:
    """The lines of a step as the routes tell them."""
    return [
        Equation(
            **{k: v for k, v in vars(line).items() if k not in ("products", "reads")},
            reads=list(line.reads),
            products=[Multiplied(**{**vars(p), "operands": list(p.operands)}) for p in line.products],
        )
        for line in found
    ]


# --- the pass forward, line by line ----------------------------------------------------------------


class StepsRequest(Strict):
    """A cell that reads a word, or numbers (then the word does not count)."""

    cell: Cell = "elman"
    word: str = Field("hello", max_length=40)
    numbers: list[Annotated[float, Field(ge=-100, le=100)]] | None = Field(None, max_length=40)
    hidden: int = Field(3, ge=1, le=4)
    seed: Seed = 1
    trained: bool = Field(True, description="to say the next character of the word; numbers are read as drawn")


class StepsResponse(BaseModel):
    """The equations, and the value of every slot at every step."""

    lines: list[Equation]
    matrices: dict[str, list[Numbers]]
    values: list[list[Numbers]] = Field(description="[step][slot]")
    states: dict[str, int] = Field(description="what is carried: the slot of each new state")
    entering: dict[str, int | None] = Field(description="the slot of each state as it enters; None where none reads it")
    reads: int | None = Field(description="the slot of the input")
    symbols: list[str] = Field(description="what is read at each step; empty for numbers")
    targets: list[str]
    alphabet: list[str]
    loss: float | None = Field(description="mean nats a symbol")


@router.post("/lab/steps", response_model=StepsResponse)
async def step_by_step(order: StepsRequest, http: Request) -> Response:
    """Every named intermediate of a small network at every step."""
    return await respond(http, queue(http), lambda: in_thread(_steps, order))


@functools.lru_cache(maxsize=64)
def _walked(
    cell: str, word: str, numbers: tuple[float, ...] | None, hidden: int, seed: int, trained: bool
) -> steps.Walk:
    if numbers is not None:
        return steps.counting(numbers, cell, hidden, seed)
    return steps.spelling(word, cell, hidden, seed, steps.UPDATES if trained else 0)


def _steps(order: StepsRequest) -> StepsResponse:
    numbers = None if order.numbers is None else tuple(order.numbers)
    walk = _walked(order.cell, order.word, numbers, order.hidden, order.seed, order.trained)
    found, nodes = spoken(walk.lines)
    inner = {n.attr: k for k, n in enumerate(nodes) if n.op == "state"}
    reads = next((k for k, n in enumerate(nodes) if n.op == "input"), None)
    return StepsResponse(
        lines=lines(found),
        matrices={name: v.tolist() for name, v in walk.params.items() if v.ndim == 2},
        values=[[step[n].tolist() for n in nodes] for step in walk.values],
        states={s: nodes.index(node) for s, node in walk.graph.updates.items()},
        entering={s: inner.get(s) for s in walk.graph.states},
        reads=reads,
        symbols=list(walk.symbols),
        targets=list(order.word[1:]) if walk.symbols else [],
        alphabet=list(walk.alphabet),
        loss=walk.loss,
    )


# --- gates that are held ---------------------------------------------------------------------------


class Held(Strict):
    """One gate held at 0 or 1, everywhere, or at the unit or the step that is looked at."""

    name: str = Field(max_length=20)
    to: Literal[0, 1]


class HoldRequest(Strict):
    """A bundled network of the agreement probe that reads a sentence up to its verb."""

    cell: Literal["lstm", "gru"] = "lstm"
    sentence: str = Field("The cat, which already ate, was full.", max_length=SENTENCE)
    unit: int | None = Field(None, ge=0, lt=1 << 10, description="None: the unit that tells the number best")
    step: int | None = Field(None, ge=0, lt=1 << 10, description="None: the last; gates are held here if `here`")
    holds: list[Held] = Field([], max_length=6)
    alone: bool = Field(False, description="hold the one unit alone")
    here: bool = Field(False, description="hold at the one step alone")


class HoldResponse(BaseModel):
    """Values [T][n] by name: `natural` without holding, `values` with it, `own` what the equation of a held gate
    says."""

    words: list[str]
    verb: str
    natural_chances: dict[str, float]
    chances: dict[str, float]
    units: int
    unit: int
    best: list[int] = Field(description="units, those first that tell the subject's number best")
    step: int
    would: dict[str, tuple[float, float]] = Field(
        description="the right form's probability with this gate alone held at 0 and at 1, where the holds are"
    )
    lines: list[Equation]
    slots: list[list[float | None]] = Field(description="[step][slot] of the one unit; None where it has no such unit")
    natural: dict[str, list[Numbers]]
    values: dict[str, list[Numbers]]
    own: dict[str, list[Numbers]]
    made: dict[str, list[list[tuple[str, Numbers]]]] = Field(
        description="by gate and step: what the argument of the one unit is made of, with one number for each input"
    )


@router.post("/lab/hold", response_model=HoldResponse)
async def holding(order: HoldRequest, http: Request) -> Response:
    """A gated cell at work, with gates held open or shut."""
    return await respond(http, queue(http), lambda: in_thread(_hold, order))


def _hold(order: HoldRequest) -> HoldResponse:
    found = work_steps.reading(order.cell, order.sentence)
    unit, step = order.unit if order.unit is not None else found.best[0], order.step
    step = len(found.words) - 1 if step is None else min(step, len(found.words) - 1)
    found.check(unit)
    where = (unit if order.alone else None, step if order.here else None)
    held = found.held([hold.Hold(h.name, float(h.to), *where) for h in order.holds])
    equations, slots = found.equations(held, unit)
    return HoldResponse(
        words=list(found.words),
        verb=found.verb,
        natural_chances=found.chances(found.natural),
        chances=found.chances(held),
        units=found.units,
        unit=unit,
        best=found.best,
        step=step,
        would=found.would(*where),
        lines=lines(equations),
        slots=slots,
        natural={n: found.natural.of(n).tolist() for n in found.names},
        values={n: held.of(n).tolist() for n in found.names},
        own={h.name: held.own_of(h.name).tolist() for h in order.holds},
        made=found.made(held, unit),
    )


# --- what an output can see ------------------------------------------------------------------------


class SightRequest(Strict):
    """A sentence read by networks of one direction and of both: as drawn from a seed, or the trained taggers."""

    sentence: str = Field('He said, "Teddy Roosevelt was a great President!"', max_length=SENTENCE)
    network: Literal["drawn", "trained"] = "drawn"
    cell: Literal["elman", "gru-cho", "lstm"] = "lstm"
    layers: int = Field(1, ge=1, le=3, description="the trained taggers have one")
    bidirectional: bool = True
    seed: Seed = 1


class SightResponse(BaseModel):
    """Norms [T][T], output by input, and by the state of each layer and direction: l0, l0_reverse, ..."""

    words: list[str]
    layers: int
    inputs: list[Numbers]
    states: dict[str, list[Numbers]]
    seen: list[int] = Field(description="by output: how many inputs it sees")
    after: list[float] = Field(description="by output: the part of the norms that later inputs have")


@router.post("/lab/sight", response_model=SightResponse)
async def sight(order: SightRequest, http: Request) -> Response:
    """The gradient of every output by every input."""
    return await respond(http, queue(http), lambda: in_thread(_sight, order))


def _sight(order: SightRequest) -> SightResponse:
    if order.network == "trained":
        words, found = work_steps.tagger_sight(order.sentence, order.bidirectional)
    else:
        words, found = work_steps.drawn_sight(
            order.sentence, order.cell, order.layers, order.bidirectional, order.seed
        )  # fmt: skip
    span = range(len(words))
    return SightResponse(
        words=words,
        layers=1 if order.network == "trained" else order.layers,
        inputs=found.inputs.tolist(),
        states={name.removesuffix(".h"): v.tolist() for name, v in found.states.items() if name.endswith(".h")},
        seen=[found.seen(t) for t in span],
        after=[found.after(t) for t in span],
    )


# --- truncated backpropagation ---------------------------------------------------------------------


class TruncatedRequest(Strict):
    """A small character model of a text, after so many updates on it."""

    text: str = Field("The cat, which already ate, was full.", max_length=400)
    cell: Literal["elman", "gru-cho", "lstm"] = "lstm"
    hidden: int = Field(16, ge=4, le=24)
    updates: Literal[0, 20, 40, 80] = 20
    chunks: bool = Field(False, description="windows side by side (k1 = k2) in place of one at every step (k1 = 1)")
    seed: Seed = 1


class TruncatedResponse(BaseModel):
    """By parameter and "all", at each reach from 1 to T; None where a gradient is zero."""

    text: str
    steps: int
    loss: float = Field(description="mean nats a symbol")
    cosine: dict[str, list[float | None]]
    relative: dict[str, list[float | None]]
    norms: dict[str, float]
    lags: Numbers = Field(description="norm of what each lag from 0 contributes, by that of the whole gradient")
    back: list[int] = Field(description="steps run backward in all")
    kept: list[int] = Field(description="steps that one pass backward keeps")
    numbers: int = Field(description="numbers that it keeps of each step")
    windows: list[list[tuple[int, int, int]]] = Field(description="first step, first loss that counts, end (exclusive)")


@router.post("/lab/truncated", response_model=TruncatedResponse)
async def truncation(order: TruncatedRequest, http: Request) -> Response:
    """Truncated gradients beside the whole one, at every reach."""
    return await respond(http, queue(http), lambda: in_thread(_truncated, order))


def _truncated(order: TruncatedRequest) -> TruncatedResponse:
    found = truncated.trained(order.text, order.cell, order.hidden, order.updates, order.seed)
    bias, steps_ = truncated.bias(found.model, found.x, found.y, order.chunks), len(found.x)
    each = [truncated.windows(steps_, k, k if order.chunks else 1) for k in range(1, steps_ + 1)]
    part = found.model.rnn.part("l0")
    return TruncatedResponse(
        text=order.text,
        steps=steps_,
        loss=found.losses[-1],
        cosine={n: _some(v) for n, v in bias.cosine.items()},
        relative={n: _some(v) for n, v in bias.relative.items()},
        norms=bias.norms,
        lags=bias.lags.tolist(),
        back=[c.steps for c in bias.costs],
        kept=[c.kept for c in bias.costs],
        numbers=truncated.numbers_kept(part.graph, part.sizes),
        windows=[[(w.first, w.counted, w.last) for w in ws] for ws in each],
    )


def _some(values: Array) -> list[float | None]:
    return [v if v == v and abs(v) != float("inf") else None for v in values.tolist()]
