"""The cell bench's routes: equations read as they are typed, and their gradients checked."""

from __future__ import annotations

import inspect
from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from rondo.cell import EquationError, TextCell
from rondo.cells import shipped
from rondo.expr.nodes import topological
from rondo.render.faults import fault
from rondo.render.load import cell_from_json
from rondo.render.reading import parameters, read, size_values
from rondo.render.text import to_json
from rondo.studio import work_cells
from rondo.studio.child import Limits, in_child
from rondo.studio.queue import in_thread, respond
from rondo.studio.slips import SLIPS

router = APIRouter(tags=["cell"])

DERIVED_AT_ONCE = 220  # nodes: a derivation of more is asked for, and runs in a process of its own
QUICK = Limits(seconds=20, memory=1024, file=1)

Name = Annotated[str, Field(max_length=80)]
Initial = float | Annotated[str, Field(max_length=40)] | Annotated[list[float], Field(max_length=2)]
Notation = Literal["lecture", "paper", "names"]
Head = Literal["", "softmax", "sigmoid"]
Sizes = Annotated[dict[Name, Annotated[int, Field(ge=1, le=4096)]], Field(max_length=20)]
SmallSizes = Annotated[dict[Name, Annotated[int, Field(ge=1, le=64)]], Field(max_length=20)]


class CellText(BaseModel):
    """A cell as it travels: its equations as text, and beside them what `rondo.render.text.to_json` writes.

    What stands beside the text about a name that the text no longer holds is left out (see `data`).
    """

    model_config = ConfigDict(extra="forbid")

    equations: str = Field(max_length=16 * 1024, description="a function, or lines in the lecture's notation")
    name: Annotated[str, Field(max_length=80)] = ""
    sizes: dict[Name, int | Name] = Field({}, max_length=20, description="values of the cell's own sizes: rank, proj")
    shapes: dict[Name, Annotated[list[Name], Field(max_length=20)]] = Field({}, max_length=200)
    init: dict[Name, Initial] = Field({}, max_length=200)
    constants: dict[Name, float] = Field({}, max_length=50)
    names: dict[Name, Name] = Field({}, max_length=1000)
    doc: Annotated[str, Field(max_length=4000)] = ""

    def data(self) -> dict[str, Any]:
        """Plain values for `rondo.render.load.cell_from_json`, here or in a process of its own."""
        found = {k: v for k, v in self.model_dump().items() if v}
        text = self.equations
        found["equations"] = text
        shapes = {k: v for k, v in self.shapes.items() if k in text}
        sizes = [size for shape in shapes.values() for size in shape]
        found["shapes"] = shapes
        found["init"] = {k: v for k, v in self.init.items() if k in text}
        found["sizes"] = {k: v for k, v in self.sizes.items() if k in text or k in sizes}
        return found

    def load(self) -> TextCell:
        """The cell. Raises EquationError."""
        return cell_from_json(self.data())


class ReadRequest(BaseModel):
    """A cell to read: whose symbols, what stands on it in the derivation, and sizes to count the parameters at."""

    model_config = ConfigDict(extra="forbid")

    cell: CellText
    notation: Notation = "lecture"
    head: Head = ""
    sizes: Sizes = {}


class CheckRequest(BaseModel):
    """A cell whose gradients are checked."""

    model_config = ConfigDict(extra="forbid")

    cell: CellText
    sizes: SmallSizes = {}
    steps: int = Field(10, ge=1, le=20)
    seed: int = Field(0, ge=0, le=1_000_000)


class OwnRequest(BaseModel):
    """A person's derivatives of a cell, one a line; see `rondo.render.claims` for the names."""

    model_config = ConfigDict(extra="forbid")

    cell: CellText
    text: str = Field(max_length=16 * 1024)
    head: Head = ""


class SlipRequest(BaseModel):
    """An exercise by its name."""

    model_config = ConfigDict(extra="forbid")

    id: Literal[tuple(s.id for s in SLIPS)]  # type: ignore[valid-type]


class Fault(BaseModel):
    """What is wrong with the equations, and at which line (0: the whole); the message reads 中文 / English."""

    line: int
    message: str


class Equation(BaseModel):
    """A row of the reading, as `rondo.render.reading.Formula`; left and right are MathML."""

    id: str
    part: str
    name: str
    left: str
    right: tuple[str, ...]
    plain: str
    lines: tuple[int, ...]
    twins: tuple[str, ...]


class ReadResponse(BaseModel):
    """The reading of a cell, or the fault."""

    fault: Fault | None = None
    name: str = ""
    nodes: int = 0
    formulas: list[Equation] = []
    derived: bool = True
    network: list[dict[str, Any]] = []
    output: str = ""
    parameters: list[dict[str, Any]] = []
    count: int = 0
    sizes: dict[str, int] = {}
    square: bool = False


@router.get("/cell/shipped")
def shipped_cells() -> dict[str, Any]:
    """Every cell that ships with Rondo, as text, and the exercises."""
    cells = [_shown(name, kind()) for name, kind in shipped().items()]
    return {"cells": cells, "slips": [{k: v for k, v in asdict(s).items() if k not in ("right", "why")} for s in SLIPS]}


def _shown(name: str, cell: Any) -> dict[str, Any]:
    data = to_json(cell.graph, cell.sizes)
    kept = {k: data[k] for k in ("equations", "sizes", "init")}
    return {"name": name, "summary": inspect.cleandoc(data["doc"]).split("\n")[0], "cell": kept}


@router.post("/cell/read", response_model=ReadResponse)
async def read_cell(order: ReadRequest, http: Request) -> Response:
    """Read equations: typeset, derived, counted; or the fault with its line."""
    return await respond(http, http.app.state.reading, lambda: in_thread(reading, order))


def reading(order: ReadRequest) -> ReadResponse:
    """The reading, or the fault."""
    try:
        return _reading(order)
    except EquationError as error:
        found = fault(error, order.cell.equations)
        return ReadResponse(fault=Fault(line=found.line, message=found.both))


def _reading(order: ReadRequest) -> ReadResponse:
    cell = order.cell.load()
    graph, text = cell.graph, order.cell.equations.replace("\r\n", "\n").replace("\r", "\n")
    nodes = len(topological([*graph.roots, *(n.expr for n in graph.names)]))
    found = read(graph, text, order.notation, order.head or None, derive=nodes <= DERIVED_AT_ONCE)
    sizes = size_values(graph, cell.sizes, order.sizes)
    params = parameters(graph, sizes, order.notation)
    return ReadResponse(
        name=graph.name,
        nodes=nodes,
        formulas=[Equation.model_construct(**vars(f)) for f in found.formulas],
        derived=found.derived,
        network=[dict(vars(n)) for n in found.network],
        output=found.output,
        parameters=[dict(vars(p)) for p in params],
        count=sum(p.count for p in params),
        sizes=sizes,
        square=graph.square,
    )


@router.post("/cell/derive")
async def derive(order: ReadRequest, http: Request) -> Response:
    """The reading with its derivation for a cell of any size."""
    values = {"cell": order.cell.data(), "notation": order.notation, "head": order.head}
    return await respond(http, http.app.state.working, lambda: in_child(work_cells.reading, values, QUICK))


@router.post("/cell/code")
async def code(order: ReadRequest, http: Request) -> Response:
    """The plan, the generated C++, and the derivation as LaTeX."""
    values = {"cell": order.cell.data(), "notation": order.notation, "head": order.head}
    return await respond(http, http.app.state.working, lambda: in_child(work_cells.code, values, QUICK))


@router.post("/cell/check")
async def check(order: CheckRequest, http: Request) -> Response:
    """Central differences against the derived gradients, as they are done."""
    values = {"cell": order.cell.data(), "sizes": order.sizes, "steps": order.steps, "seed": order.seed}
    limits = Limits(seconds=60, memory=2048, file=1)
    return await respond(http, http.app.state.working, lambda: in_child(work_cells.gradients, values, limits))


@router.post("/cell/own")
async def own(order: OwnRequest, http: Request) -> Response:
    """A person's own derivatives beside the derived ones, line by line."""
    values = {"cell": order.cell.data(), "text": order.text, "head": order.head}
    return await respond(http, http.app.state.working, lambda: in_child(work_cells.own, values, QUICK))


@router.post("/cell/slip")
async def slip(order: SlipRequest, http: Request) -> Response:
    """Is this line right? The verdict on an exercise, the right line, and why."""
    told = next(s for s in SLIPS if s.id == order.id)

    async def work() -> Any:
        async for record in in_child(work_cells.slip, {"id": order.id}, QUICK):
            yield {**record, "why": told.why}

    return await respond(http, http.app.state.working, work)
