"""Commands of speech: train speech, speech, speak."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from rondo.cli.app import app
from rondo.cli.settings import add_training
from rondo.cli.text import train
from rondo.tasks.speech.config import SpeechConfig

if TYPE_CHECKING:
    from rondo.tasks.speech.listener import Listener


add_training(
    train,
    SpeechConfig,
    "speech-digits",
    "Train a model of speech: speech-digits, speech-digits-live, speech-an4, or speech-sentences (synthetic).",
)


@app.command()
def speech(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="WAV, FLAC or Ogg; -: raw samples from standard input, see --rate")
    ],
    model: Annotated[
        str,
        typer.Option(
            metavar="RUN", help="a run, a model file, or a bundled model [speech-digits, live speech-digits-live]"
        ),
    ] = "",
    decoding: Annotated[str, typer.Option(help="greedy, words (a list of words and their order), or auto")] = "auto",
    live: Annotated[bool, typer.Option("--live", help="print each word as it is heard")] = False,
    rate: Annotated[int, typer.Option(help="of raw samples: mono, 16 bits, little-endian")] = 16_000,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON; with --live a line for each word")] = False,
) -> None:
    """Write down what is said in a recording, with the time of each word."""
    from rondo.tasks.speech.listener import Listener

    if decoding not in ("auto", "greedy", "words"):
        raise typer.BadParameter("--decoding is greedy, words or auto")
    live = live or file == "-"
    listener = Listener.load(model or ("speech-digits-live" if live else "speech-digits"))
    if live:
        _live(listener, file, rate, as_json)
        return
    from rondo.data.audio import AudioFile

    response = listener.file(AudioFile(Path(file)), decoding)  # type: ignore[arg-type]
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.speech.show import show

        show(response)


def _live(listener: Listener, file: str, rate: int, as_json: bool) -> None:
    """Each word on a line as soon as it is settled; memory does not grow."""
    from rich.console import Console

    from rondo.data.audio import AudioFile
    from rondo.tasks.speech.show import line

    source = None if file == "-" else AudioFile(Path(file))
    stream = listener.stream(rate if source is None else source.rate)
    console = Console(highlight=False)
    pieces = _standard_input() if source is None else source.pieces()
    for words in _heard(stream, pieces):
        for word in words:
            if as_json:
                print(json.dumps(word.model_dump(), ensure_ascii=False), flush=True)
            else:
                console.print(line(word))
    for note in source.notes if source else ():
        print(note, file=sys.stderr)


def _heard(stream: Any, pieces: Iterator[Any]) -> Iterator[Any]:
    for piece in pieces:
        yield stream(piece)
    yield stream.finish()


def _standard_input() -> Iterator[Any]:
    """Raw samples of 16 bits from standard input, as they come."""
    import numpy as np

    from rondo.data.audio import of_16_bits

    kept, source = b"", cast(io.BufferedReader, sys.stdin.buffer)
    while data := source.read1(1 << 14):
        data = kept + data
        kept = data[len(data) - len(data) % 2 :]
        yield of_16_bits(np.frombuffer(data[: len(data) - len(kept)], dtype="<i2"))


@app.command()
def speak(
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="a new folder of WAV files and sentences.jsonl")],
    data: Annotated[Path, typer.Option(metavar="FOLDER", envvar="RONDO_DATA", help="the folder of data sets")],
    count: Annotated[int, typer.Option(min=1, help="sentences")] = 100,
    seed: Annotated[int, typer.Option(help="of the choice of sentences and voices")] = 0,
) -> None:
    """Have sentences spoken by espeak-ng, in voices that speech-sentences is not trained on, to measure it with."""
    from rondo.tasks.speech.sentences import write

    print(write(out, data, count, seed))
