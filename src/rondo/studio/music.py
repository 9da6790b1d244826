"""The music desk's routes: tunes written and varied, files read, melodies in four voices, MIDI files."""

from __future__ import annotations

import base64

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field

from rondo.studio import models
from rondo.studio.queue import in_thread, respond
from rondo.tasks.music import chorale_show, midi
from rondo.tasks.music.abc_read import read_abc
from rondo.tasks.music.chorale_show import ChoraleRequest, ChoraleResponse
from rondo.tasks.music.imported import abc_of
from rondo.tasks.music.request import MusicRequest, MusicResponse
from rondo.tasks.music.theory import MusicError

router = APIRouter(tags=["music"])


class FileRequest(BaseModel):
    """A file that somebody brings: ABC or MIDI."""

    model_config = ConfigDict(extra="forbid")

    name: str = Field("", max_length=300)
    data: str = Field(max_length=900_000, description="its bytes, in base64")


class AbcResponse(BaseModel):
    """The tune of a file."""

    abc: str


class AbcRequest(BaseModel):
    """A tune to be written as a MIDI file."""

    model_config = ConfigDict(extra="forbid")

    abc: str = Field(max_length=100_000)


class MidiResponse(BaseModel):
    """A MIDI file."""

    data: str = Field(description="its bytes, in base64")


@router.post("/music", response_model=MusicResponse)
async def music(order: MusicRequest, http: Request) -> Response:
    """Write a tune, go on with one, vary it, or write all bars but the locked ones anew."""
    return await respond(http, http.app.state.writing, lambda: in_thread(written, order))


@router.post("/music/harmony", response_model=ChoraleResponse)
async def harmony(order: ChoraleRequest, http: Request) -> Response:
    """Set a melody in four voices."""
    return await respond(http, http.app.state.writing, lambda: in_thread(harmonised, order))


@router.post("/music/harmony/midi", response_model=MidiResponse)
async def harmony_midi(order: ChoraleRequest, http: Request) -> Response:
    """The same four voices as a MIDI file, a track a voice."""
    return await respond(http, http.app.state.writing, lambda: in_thread(harmonised_midi, order))


@router.post("/music/file", response_model=AbcResponse)
async def file(order: FileRequest, http: Request) -> Response:
    """Read a file; a MIDI file's melody is written as ABC."""
    return await respond(http, http.app.state.reading, lambda: in_thread(read, order))


@router.post("/music/midi", response_model=MidiResponse)
async def as_midi(order: AbcRequest, http: Request) -> Response:
    """Write a tune as a MIDI file, repeats taken."""
    return await respond(http, http.app.state.reading, lambda: in_thread(midi_of, order))


def written(order: MusicRequest) -> MusicResponse:
    return models.composer()(order)


def harmonised(order: ChoraleRequest) -> ChoraleResponse:
    return chorale_show.harmonise(models.harmoniser(), order)[2]


def harmonised_midi(order: ChoraleRequest) -> MidiResponse:
    plain = order.model_copy(update={"score": False})
    tune, voices, _ = chorale_show.harmonise(models.harmoniser(), plain)
    return MidiResponse(data=base64.b64encode(chorale_show.chorale_midi(tune, voices)).decode())


def read(order: FileRequest) -> AbcResponse:
    """Raises MusicError."""
    try:
        data = base64.b64decode(order.data, validate=True)
    except ValueError:
        raise MusicError("文件不是 base64 / the file's bytes are not base64") from None
    abc = abc_of(data, order.name)
    read_abc(abc, repair=True)
    return AbcResponse(abc=abc)


def midi_of(order: AbcRequest) -> MidiResponse:
    return MidiResponse(data=base64.b64encode(midi.tune_midi(read_abc(order.abc, repair=True))).decode())
