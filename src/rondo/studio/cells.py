"""The cell bench's routes: equations read as they are typed, and their gradients checked."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from rondo.cell import TextCell
from rondo.render.load import cell_from_json

router = APIRouter(tags=["cell"])

Name = Annotated[str, Field(max_length=80)]
Initial = float | Annotated[str, Field(max_length=40)] | Annotated[list[float], Field(max_length=2)]


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
