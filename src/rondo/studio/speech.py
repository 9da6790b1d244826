"""The speech desk's routes: recordings written down as they are read, and a microphone's sound as it comes."""

from __future__ import annotations

import threading
from collections.abc import Generator
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Path, Query, Request, Response
from pydantic import BaseModel, Field

from rondo import bundled
from rondo.data.audio import RATES, AudioFile, Floats, Recording, of_16_bits
from rondo.studio import models
from rondo.studio.queue import in_steps, in_thread, respond
from rondo.tasks.speech.alphabet import SpeechError
from rondo.tasks.speech.listener import LONGEST, Listener, quiet
from rondo.tasks.speech.request import Decoding, SpeechResponse, Word
from rondo.tasks.speech.stream import Stream

router = APIRouter(tags=["speech"])
PREFIX = "speech-"
ORDER = ("speech-sentences", "speech-digits", "speech-digits-live", "speech-an4")  # in which the page offers them
PEAK = 0.02  # seconds of a column of the waveform
OPEN = 8  # microphones at once; the one that was silent longest goes first
LONGEST_LIVE = 1 << 20  # bytes of a part


class SpeechModel(BaseModel):
    """A bundled model of speech."""

    name: str
    title: str
    live: bool = Field(description="whether it follows a microphone")
    words: bool = Field(description="whether it has a list of words")
    synthetic: bool = Field(description="whether it has heard synthetic speech alone")
    licence: str
    label_error: float = Field(description="share of wrong labels on what was held out, by the best path")


class ModelsResponse(BaseModel):
    models: list[SpeechModel]


class LiveResponse(BaseModel):
    """What has been heard by now."""

    words: list[Word] = Field(description="words that have become settled with this part")
    going: list[Word] = Field(description="heard, but perhaps not over")
    seconds: float


def binary(what: str) -> dict[str, Any]:
    """A body of bytes, for the description of the interface."""
    schema = {"type": "string", "format": "binary", "description": what}
    return {"requestBody": {"content": {"application/octet-stream": {"schema": schema}}}}


@router.get("/speech/models")
def speech_models() -> ModelsResponse:
    """The bundled models."""
    return ModelsResponse(models=[_described(name) for name in known()])


@router.post("/speech", response_model=SpeechResponse, openapi_extra=binary("a WAV, FLAC or Ogg file"))
async def speech(
    http: Request,
    model: Annotated[str, Query(max_length=100)] = "speech-digits",
    decoding: Decoding = "auto",
) -> Response:
    """Write down a recording. As a stream, records {"peaks", "words", "going", "seconds", "of"} come first."""
    data = await http.body()
    return await respond(http, http.app.state.writing, lambda: in_steps(heard, model, data, decoding))


@router.post(
    "/speech/live/{key}",
    response_model=LiveResponse,
    openapi_extra=binary("mono samples of 16 bits, little-endian"),
)
async def live(
    http: Request,
    key: Annotated[str, Path(pattern="^[0-9a-f]{8,32}$", description="chosen by the client: one for each microphone")],
    part: Annotated[int, Query(ge=0, description="0, 1, 2, ...: in order")],
    rate: Annotated[int, Query(ge=RATES[0], le=RATES[1], description="samples a second")],
    model: Annotated[str, Query(max_length=100)] = "speech-digits-live",
    last: bool = False,
) -> Response:
    """Listen to the next part of a live sound."""
    data = await http.body()
    work = lambda: in_thread(LIVE.heard, key, model, part, rate, data, last)
    return await respond(http, http.app.state.writing, work)


def heard(name: str, data: bytes, decoding: Decoding) -> Generator[dict[str, Any], None, None]:
    """Records of a recording as it is read, and the whole of what was heard."""
    listener = listener_of(name)
    file = AudioFile(data, "录音 / the recording")
    if listener.live and decoding != "words":
        yield from _followed(listener, file)
        return
    pieces, read = [], 0
    for samples in file.pieces():
        pieces.append(samples)
        read += len(samples)
        yield _record(samples, file, read)
        if read > LONGEST * file.rate:
            break
    response = listener(Recording(np.concatenate(pieces), file.rate, tuple(file.notes)), decoding)
    yield response.model_copy(update={"model": name}).model_dump()


def _followed(listener: Listener, file: AudioFile) -> Generator[dict[str, Any], None, None]:
    stream, words, read, loudest = listener.stream(file.rate), [], 0, 0.0
    for samples in file.pieces():
        read += len(samples)
        loudest = max(loudest, float(np.abs(samples).max()))
        new = stream(samples)
        words += new
        going = [w.model_dump() for w in stream.going]
        yield _record(samples, file, read) | {"words": [w.model_dump() for w in new], "going": going}
    words += stream.finish()
    notes = [*file.notes, *quiet(loudest)]
    yield listener.response(words, stream.seconds, file.rate, "greedy", notes).model_dump()


def _record(samples: Floats, file: AudioFile, read: int) -> dict[str, Any]:
    return {"peaks": peaks(samples, file.rate), "seconds": read / file.rate, "of": file.frames / file.rate}


def peaks(samples: Floats, rate: int) -> list[list[float]]:
    """The lowest and the highest sample of each column of the waveform."""
    size = max(1, round(PEAK * rate))
    columns = [samples[k : k + size] for k in range(0, len(samples), size)]
    return [[round(float(c.min()), 4), round(float(c.max()), 4)] for c in columns]


class Live:
    """The streams of microphones, by their keys."""

    def __init__(self, most: int = OPEN) -> None:
        self._most, self._lock = most, threading.Lock()
        self._open: dict[str, tuple[Stream, int]] = {}

    def heard(self, key: str, name: str, part: int, rate: int, data: bytes, last: bool) -> LiveResponse:
        """Listen to a part. Raises SpeechError where one was lost, or the stream is no longer here."""
        if len(data) > LONGEST_LIVE:
            raise SpeechError("这一段声音太长 / this part of the sound is too long: at most a megabyte")
        with self._lock:
            stream = self._next(key, name, part, rate)
            samples = of_16_bits(np.frombuffer(data[: len(data) - len(data) % 2], dtype="<i2"))
            words = stream(samples)
            if last:
                words += stream.finish()
                del self._open[key]
            return LiveResponse(words=words, going=[] if last else stream.going, seconds=round(stream.seconds, 3))

    def _next(self, key: str, name: str, part: int, rate: int) -> Stream:
        stream, expected = self._open.pop(key, (None, 0))
        if part == 0:
            stream = listener_of(name).stream(rate)
        elif stream is None or part != expected:
            raise SpeechError("声音断了一段，请重新开始 / a part of the sound was lost: start again")
        self._open[key] = (stream, part + 1)
        while len(self._open) > self._most:
            del self._open[next(iter(self._open))]
        return stream


LIVE = Live()


def known() -> list[str]:
    """The bundled models, in the page's order."""
    return [name for name in ORDER if name in bundled.names()]


def listener_of(name: str) -> Listener:
    """A bundled model. Raises SpeechError where there is none of that name."""
    if name not in known():
        raise SpeechError(
            f"没有叫 {name} 的语音模型 / there is no model of speech called {name}: there are "
            f"{', '.join(known()) or 'none'}"
        )
    return models.listener(name)


def _described(name: str) -> SpeechModel:
    own = listener_of(name)
    return SpeechModel(
        name=name,
        title=str(own.about.get("title", name)),
        live=own.live,
        words=own.vocabulary is not None,
        synthetic=bool(own.about.get("synthetic")),
        licence=str(own.about.get("licence", "")),
        label_error=float(own.about.get("metrics", {}).get("label_error", 1.0)),
    )
