"""The entities desk's routes: names in a text, block by block; their CoNLL file; both directions compared."""

from __future__ import annotations

import functools
import struct
from collections.abc import Generator, Iterator, Sequence
from itertools import pairwise, takewhile

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from rondo.studio import models
from rondo.studio.queue import Record, in_steps, in_thread, respond
from rondo.tasks.entities.directions import BOTH, FORWARD, SENTENCES, Compared, compare
from rondo.tasks.entities.finder import model_for
from rondo.tasks.entities.labels import bio
from rondo.tasks.entities.request import EntitiesRequest, EntitiesResponse, Fixed, entities_request
from rondo.tasks.entities.text import Place, sentences, tokens_of

router = APIRouter(tags=["entities"])
BLOCK = 6000  # characters, about, that are read between two looks at whether the client is still there
KEPT = 64  # blocks whose answers are kept: a correction has only its own block read again

Entries = tuple[tuple[str, str], ...]
Places = tuple[tuple[int, int, str], ...]


class ConllResponse(BaseModel):
    """A token a line with its tag in BIO, an empty line between sentences."""

    conll: str
    entities: int


class DirectionsRequest(BaseModel):
    """English sentences to read in one direction and in both."""

    model_config = ConfigDict(extra="forbid")

    texts: list[str] = Field(list(SENTENCES), min_length=2, max_length=2, description="two sentences, compared")


class DirectionsResponse(BaseModel):
    """What both taggers say of every word of two sentences, and how far their answers differ where the words are still
    the same."""

    sentences: list[Compared]
    shared: int = Field(description="words that the two begin with in common")
    forward: list[int] = Field(description="at each of them: bits in which the forward distributions differ")
    both: list[int] = Field(description="the same of the tagger that reads both ways")
    bits: int = Field(description="of so many: 64 for each probability")


@router.post("/entities", response_model=EntitiesResponse)
async def entities(order: EntitiesRequest, http: Request) -> Response:
    """Find the names in a text. As a stream, records {"done", "of"} say how many characters have been read."""
    return await respond(http, http.app.state.writing, lambda: in_steps(found, order))


@router.post("/entities/conll", response_model=ConllResponse)
async def conll(order: EntitiesRequest, http: Request) -> Response:
    """The same as a file in CoNLL's format."""
    return await respond(http, http.app.state.writing, lambda: in_steps(written, order))


@router.post("/entities/directions", response_model=DirectionsResponse)
async def directions(order: DirectionsRequest, http: Request) -> Response:
    """Read two sentences with a tagger that reads forward and with one that reads both ways."""
    return await respond(http, http.app.state.writing, lambda: in_thread(compared, order))


def found(order: EntitiesRequest) -> Generator[Record, None, None]:
    """Records of progress, and the names in a text. The whole is read as its blocks are: no sentence is cut."""
    name, size = model_for(order.text, order.language), len(order.text)
    entries = tuple((e.text, e.type) for e in order.dictionary)
    whole: Record = {}
    for start, end in blocks(order.text, order.fixed):
        own = tuple((f.start - start, f.end - start, f.type) for f in order.fixed if start <= f.start < end)
        if (text := order.text[start:end]).strip():
            _join(whole, _answered(name, text, entries, own, order.nbest), start)
        yield {"done": end, "of": size}
    yield {**whole, "text": order.text}


def written(order: EntitiesRequest) -> Generator[Record, None, None]:
    """The same with a file as the last record."""
    for record in found(order):
        if "sentences" in record:
            yield {"conll": "".join(conll_lines(record)), "entities": len(record["entities"])}
        else:
            yield record


def blocks(text: str, fixed: Sequence[Fixed] = ()) -> list[Place]:
    """A text as blocks of whole sentences; none ends where a correction goes on."""
    found: list[Place] = []
    for start, end in sentences(text):
        crossed = any(f.start < start < f.end for f in fixed)
        if found and (crossed or end - found[-1][0] <= BLOCK):
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


@functools.lru_cache(maxsize=KEPT)
def _answered(name: str, text: str, entries: Entries, fixed: Places, nbest: int) -> Record:
    order = entities_request(
        text=text,
        language=name.rpartition("-")[2],
        dictionary=[{"text": t, "type": k} for t, k in entries],
        fixed=[{"start": a, "end": b, "type": k} for a, b, k in fixed],
        nbest=nbest,
    )
    return models.finder(name)(order).model_dump()


def _join(whole: Record, part: Record, by: int) -> None:
    """Add a part whose places are `by` characters later in the whole. The part stays as it is."""
    for name, value in part.items():
        if name in ("entities", "sentences"):
            whole.setdefault(name, []).extend(_moved(place, by) for place in value)
        elif name == "notes":
            whole["notes"] = list(dict.fromkeys(whole.get("notes", []) + value))
        else:
            whole[name] = value


def _moved(place: Record, by: int) -> Record:
    copy = {**place, "start": place["start"] + by, "end": place["end"] + by}
    if "alternatives" in place:
        copy["alternatives"] = [
            {**a, "entities": [_moved(e, by) for e in a["entities"]]} for a in place["alternatives"]
        ]
    return copy


def conll_lines(response: Record) -> Iterator[str]:
    """The lines of a file; where an entity ends within a token, two tokens stand there."""
    for part in response["sentences"]:
        start, own = part["start"], part["alternatives"][0]["entities"]
        cuts = {place for e in own for place in (e["start"], e["end"])}
        tokens = tokens_of(response["text"][start : part["end"]], response["language"], start)
        places = [p for a, b in tokens for p in pairwise([a, *sorted(c for c in cuts if a < c < b), b])]
        tags = bio([_tokens(e, places) for e in own], len(places))
        yield from (f"{response['text'][a:b]}\t{tag}\n" for (a, b), tag in zip(places, tags, strict=True))
        yield "\n"


def _tokens(entity: Record, places: Sequence[Place]) -> tuple[int, int, str]:
    inside = [t for t, (a, b) in enumerate(places) if entity["start"] <= a and b <= entity["end"]]
    return inside[0], inside[-1] + 1, entity["type"]


def compared(order: DirectionsRequest) -> DirectionsResponse:
    """Both sentences, and the bits in which each tagger's answers differ at the words that they share."""
    one, two = compare(models.reader(FORWARD), models.reader(BOTH), order.texts)
    pairs = list(takewhile(lambda pair: pair[0].text == pair[1].text, zip(one.words, two.words, strict=False)))
    return DirectionsResponse(
        sentences=[one, two],
        shared=len(pairs),
        forward=[_differing(a.forward, b.forward) for a, b in pairs],
        both=[_differing(a.both, b.both) for a, b in pairs],
        bits=64 * len(one.types),
    )


def _differing(one: dict[str, float], two: dict[str, float]) -> int:
    """In how many bits the probabilities differ, as they lie in memory."""
    numbers = zip(one.values(), two.values(), strict=True)
    return sum((_bits(a) ^ _bits(b)).bit_count() for a, b in numbers)


def _bits(value: float) -> int:
    return int.from_bytes(struct.pack(">d", value))
