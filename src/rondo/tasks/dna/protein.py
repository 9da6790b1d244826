"""The secondary structure of a protein: a sequence in, one of eight letters of DSSP for each residue out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator

from rondo.files import FileError
from rondo.models.store import load_task
from rondo.models.tagger import Tagger
from rondo.tasks.dna.data import STRUCTURES
from rondo.tasks.dna.evaluate import THREE
from rondo.tasks.dna.letters import DnaError, residues

LONGEST = 5000  # residues
KINDS = {
    "H": "α 螺旋 α helix", "E": "β 折叠股 β strand", "L": "环 loop", "T": "转角 turn", "S": "弯曲 bend",
    "G": "3₁₀ 螺旋 3₁₀ helix", "B": "β 桥 β bridge", "I": "π 螺旋 π helix",
}  # fmt: skip


class ProteinRequest(BaseModel):
    """A protein, in the letters of its amino acids."""

    model_config = ConfigDict(extra="forbid")

    sequence: str = Field(max_length=4 * LONGEST, description="20 amino acids and X; white space is left out")

    @field_validator("sequence")
    @classmethod
    def _read(cls, value: str) -> str:
        sequence = "".join(value.split())
        if not 1 <= len(sequence) <= LONGEST:
            raise DnaError(
                f"请给出 1 到 {LONGEST} 个氨基酸 / give a protein of 1 to {LONGEST} residues, found {len(sequence)}"
            )
        residues(sequence)
        return sequence


class ProteinResponse(BaseModel):
    """A protein and its structure."""

    sequence: str
    structure: str = Field(description=f"of each residue one of {STRUCTURES}, as DSSP has them")
    three: str = Field(description="the same in three: H helix, E strand, C the rest")
    p: list[float] = Field(description="of each residue, the probability of its structure")


class Folder:
    """The model of proteins."""

    def __init__(self, model: Tagger) -> None:
        self.model = model

    @classmethod
    def load(cls, path: Path | str) -> Folder:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
        model, about = load_task(path, "dna", Tagger, "model of proteins")
        if about.get("sequences") != "protein":
            raise FileError(f"{path} is no model of proteins")
        return cls(model)

    def __call__(self, request: ProteinRequest) -> ProteinResponse:
        """The structure of a protein."""
        p, best = self.model.predict(torch.from_numpy(residues(request.sequence)).unsqueeze(0))[0].max(1)
        structure = "".join(STRUCTURES[k] for k in best.tolist())
        return ProteinResponse(
            sequence=request.sequence,
            structure=structure,
            three="".join(THREE[c] for c in structure),
            p=[round(v, 4) for v in p.tolist()],
        )


def protein_request(**values: Any) -> ProteinRequest:
    """A checked request. Raises DnaError saying what is wrong."""
    from pydantic import ValidationError

    try:
        return ProteinRequest(**values)
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        raise cause if isinstance(cause, DnaError) else DnaError(f"{first['loc'][0]}: {first['msg']}") from None
