"""The DNA desk's routes: a sequence marked base by base, what replaced bases would change, and files of sequences."""

from __future__ import annotations

import zlib
from collections.abc import Generator, Iterable

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from rondo.studio import models
from rondo.studio.queue import Record, in_steps, in_thread, respond
from rondo.tasks.dna.effects import effects
from rondo.tasks.dna.fasta import records
from rondo.tasks.dna.letters import DnaError, bases
from rondo.tasks.dna.request import LONGEST, DnaRequest, DnaResponse, EffectsRequest
from rondo.tasks.dna.track import tracks

router = APIRouter(tags=["dna"])
MOST_BASES = 200_000  # of a file
MOST_RECORDS = 500
MOST_BYTES = 1 << 20  # of a file, unpacked
FASTA = {"type": "string", "format": "binary", "description": "FASTA, also packed by gzip"}


class EffectsResponse(BaseModel):
    """Of the bases from `start` on, what each of the four in its place would change."""

    start: int
    bases: str = "ACGT"
    change: list[list[float]] = Field(description="[bases][4], as in the map of a marked sequence")


class FastaRecord(BaseModel):
    """A record of a file and its segments."""

    name: str
    length: int
    segments: list[tuple[int, int, str]] = Field(description="start, end, and exon, intron or unsure")
    sequence: str = Field(description=f"the first {LONGEST} bases")


class FastaResponse(BaseModel):
    """A file of sequences: its records, and both tracks of all of them."""

    records: list[FastaRecord]
    bases: int
    bed: str
    bedgraph: str


@router.post("/dna", response_model=DnaResponse)
async def dna(order: DnaRequest, http: Request) -> Response:
    """Mark the exons and introns of a sequence, its splice sites and promoters."""
    return await respond(http, http.app.state.writing, lambda: in_thread(marked, order))


@router.post("/dna/effects", response_model=EffectsResponse)
async def replaced(order: EffectsRequest, http: Request) -> Response:
    """What replaced bases would change. As a stream, records {"done", "of"} come before the map."""
    return await respond(http, http.app.state.writing, lambda: in_steps(mapped, order))


@router.post(
    "/dna/fasta",
    response_model=FastaResponse,
    openapi_extra={"requestBody": {"content": {"application/octet-stream": {"schema": FASTA}}}},
)
async def fasta(http: Request) -> Response:
    """Mark every record of a FASTA file: segments, BED and bedGraph. As a stream, records {"done", "of"} come first."""
    data = await http.body()
    return await respond(http, http.app.state.writing, lambda: in_steps(filed, data))


def marked(order: DnaRequest) -> DnaResponse:
    """The sequence with its marks."""
    return models.marker()(order)


def mapped(order: EffectsRequest) -> Generator[Record, None, None]:
    """Records of progress, and the map."""
    size, done = order.end - order.start, 0
    change = [[0.0] * 4] * size
    for places, rows in effects(models.marker().model, bases(order.sequence), order.start, order.end):
        for at, row in zip(places, rows.tolist(), strict=True):
            change[at - order.start] = [round(v, 3) for v in row]
        done += len(places)
        yield {"done": done, "of": size}
    yield EffectsResponse(start=order.start, change=change).model_dump()


def filed(data: bytes) -> Generator[Record, None, None]:
    """Records of progress in bases, and a file's records with their tracks."""
    lines = text_of(data).splitlines()
    of, done = _checked(lines), 0
    found, bed, graph = [], list[str](), list[str]()
    for name, body in records(lines, "FASTA"):
        kept = list(body)
        own: list[str] = []
        for size, rows, values in tracks(models.marker(), name, kept):
            own += rows
            graph += values
            done += size
            yield {"done": done, "of": of}
        bed += own
        found.append(_record(name, "".join(kept), own))
    yield FastaResponse(records=found, bases=of, bed=_file(bed), bedgraph=_file(graph)).model_dump()


def text_of(data: bytes) -> str:
    """A file's text, unpacked. Raises DnaError where it is none, or too long."""
    try:
        if data[:2] == b"\x1f\x8b":
            data = zlib.decompressobj(31).decompress(data, MOST_BYTES + 1)
        text = data.decode("utf-8-sig")
    except (zlib.error, UnicodeDecodeError):
        raise DnaError("这不是文本文件，或已损坏 / this is no text, or damaged: open a FASTA file") from None
    if len(data) > MOST_BYTES:
        raise _too_long()
    return text


def _checked(lines: list[str]) -> int:
    """How many bases a file has. Raises DnaError for its faults, before any of it is read."""
    total = count = 0
    for _, body in records(lines, "FASTA"):
        total, count = total + sum(map(len, body)), count + 1
        if total > MOST_BASES or count > MOST_RECORDS:
            raise _too_long()
    return total


def _too_long() -> DnaError:
    return DnaError(
        f"这里一次最多 {MOST_BASES:,} 个碱基、{MOST_RECORDS} 条记录，更大的文件请用命令 rondo dna --file / at most "
        f"{MOST_BASES:,} bases in {MOST_RECORDS} records here: for larger files there is the command rondo dna --file"
    )


def _record(name: str, sequence: str, bed: Iterable[str]) -> FastaRecord:
    rows = [line.split("\t") for line in bed]
    parts = [(int(row[1]), int(row[2]), row[3]) for row in rows if row[3] in ("exon", "intron", "unsure")]
    return FastaRecord(name=name, length=len(sequence), segments=parts, sequence=sequence[:LONGEST])


def _file(lines: list[str]) -> str:
    return "".join(f"{line}\n" for line in lines)
