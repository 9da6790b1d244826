"""What a person may ask about a sequence, and what is answered."""

from __future__ import annotations

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from rondo.tasks.dna.letters import DnaError, bases

LONGEST = 20_000  # bases of a request; a FASTA file may be as long as it likes
MAPPED = 600  # bases of which each is replaced by the three others
SEQUENCE: Any = Field(max_length=4 * LONGEST, description="A C G T, N and the other codes; white space is left out")


class DnaRequest(BaseModel):
    """A sequence to be marked."""

    model_config = ConfigDict(extra="forbid")

    sequence: str = SEQUENCE
    effects: bool = Field(False, description=f"what each replaced base would change, up to {MAPPED} bases")

    @field_validator("sequence")
    @classmethod
    def _read(cls, value: str) -> str:
        return checked(value)


class EffectsRequest(BaseModel):
    """A part of a sequence of which every base is to be replaced."""

    model_config = ConfigDict(extra="forbid")

    sequence: str = SEQUENCE
    start: int = Field(0, ge=0, description="the first base, counted from 0")
    end: int = Field(0, ge=0, description=f"behind the last one, at most {MAPPED} from the first; 0: as far as that")

    @field_validator("sequence")
    @classmethod
    def _read(cls, value: str) -> str:
        return checked(value)

    @model_validator(mode="after")
    def _inside(self) -> Self:
        size = len(self.sequence)
        self.end = self.end or min(size, self.start + MAPPED)
        if not self.start < self.end <= size or self.end - self.start > MAPPED:
            raise DnaError(
                f"要给出序列里不超过 {MAPPED} 个碱基的一段 / [start, end) is a piece of at most {MAPPED} of the {size} "
                f"bases, found [{self.start}, {self.end})"
            )
        return self


def checked(value: str) -> str:
    """A sequence without white space. Raises DnaError where it is empty, too long, or no sequence."""
    sequence = "".join(value.split())
    if not sequence:
        raise DnaError("请给出一段序列 / give a sequence of at least one base")
    if sequence.startswith(">"):
        raise DnaError("这是 FASTA 文件，请作为文件打开 / this is FASTA: give it as a file")
    if len(sequence) > LONGEST:
        raise DnaError(
            f"序列有 {len(sequence)} 个碱基，一次最多 {LONGEST} 个，更长的请用 FASTA 文件 / the sequence has "
            f"{len(sequence)} bases: at most {LONGEST} at once, longer ones as a FASTA file"
        )
    bases(sequence)
    return sequence


class Segment(BaseModel):
    """A run of bases [start, end) that are marked alike."""

    start: int
    end: int
    kind: Literal["exon", "intron", "unsure"]
    p: float = Field(description="mean probability of the kind that is likelier")


class Site(BaseModel):
    """A junction behind base `after`, counted from 0."""

    after: int
    kind: Literal["donor", "acceptor"]
    p: float


class Promoter(BaseModel):
    """How likely a window is a promoter of a kind, along either strand: the likeliest window of the sequence."""

    task: str
    p: float
    start: int
    end: int
    strand: Literal["+", "-"] = Field(description="along which it is likelier")


class Effects(BaseModel):
    """What replacing one base changes: the largest change of the logarithm of the odds of any site within reach."""

    bases: str = "ACGT"
    change: list[list[float]] = Field(description="[L][4], 0 for the base that stands there")


class DnaResponse(BaseModel):
    """The sequence with its marks."""

    sequence: str
    segments: list[Segment]
    exon: list[float] = Field(description="of each base, the probability that it is in an exon")
    sites: list[Site] = Field(description="junctions more likely than not, and the next likeliest, best first")
    promoters: list[Promoter]
    effects: Effects | None = None
    notes: list[str] = []


def dna_request(**values: Any) -> DnaRequest:
    """A checked request. Raises DnaError saying what is wrong."""
    from pydantic import ValidationError

    try:
        return DnaRequest(**values)
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        raise cause if isinstance(cause, DnaError) else DnaError(f"{first['loc'][0]}: {first['msg']}") from None
