"""Commands of music: train music, music compose, continue, vary, show, harmonise."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from rondo.cli.app import app
from rondo.cli.settings import add_training
from rondo.cli.text import train
from rondo.tasks.music.config import MusicConfig

add_training(
    train,
    MusicConfig,
    "music-folk",
    "Train a model of music: music-folk (tunes), music-jsb (chorales' keys), or music-chorale (voice by voice).",
)


music = typer.Typer(help="Write folk tunes, continue and vary them; set a melody in four voices.", no_args_is_help=True)
app.add_typer(music, name="music")

Given = Annotated[Path, typer.Argument(metavar="FILE", help="a tune: ABC (.abc) or MIDI (.mid)")]
Key = Annotated[str, typer.Option(metavar="KEY", help="G, F#min, Ador, Dmix; empty: as it is")]
Seed = Annotated[
    int, typer.Option(min=0, max=2**31 - 1, help="another seed, another tune; the same one, the same tune")
]
Temperature = Annotated[float, typer.Option(min=0, max=2, help="lower is safer, higher is wilder")]
Model = Annotated[str, typer.Option(metavar="RUN", help="a run, a model file, or a bundled model")]
Out = Annotated[
    list[Path] | None,
    typer.Option("--out", metavar="FILE", help="write FILE.abc, FILE.mid or FILE.svg (may be given again)"),
]
Json = Annotated[bool, typer.Option("--json", help="print JSON")]


@music.command()
def compose(
    key: Key = "",
    metre: Annotated[str, typer.Option(metavar="M", help="4/4, 6/8, 3/4 ...; empty: as the model likes")] = "",
    sections: Annotated[int, typer.Option(min=0, max=8, help="0: as the model likes")] = 0,
    bars: Annotated[int, typer.Option(min=0, max=32, help="of each section; 0: as the model likes")] = 0,
    repeat: Annotated[bool | None, typer.Option(help="whether sections are repeated")] = None,
    seed: Seed = 1,
    temperature: Temperature = 0.9,
    title: Annotated[str, typer.Option(help="of the tune")] = "",
    out: Out = None,
    model: Model = "music-folk",
    as_json: Json = False,
) -> None:
    """Write a new tune."""
    values = {"key": key, "metre": metre, "sections": sections, "bars": bars, "repeat": repeat, "title": title}
    _tune("compose", None, model, out, as_json, seed=seed, temperature=temperature, **values)


@music.command("continue")
def go_on(
    file: Given,
    keep: Annotated[int, typer.Option(min=0, help="bars that stay; 0: all but the last")] = 0,
    sections: Annotated[int, typer.Option(min=0, max=8, help="in the end; 0: as the model likes")] = 0,
    key: Key = "",
    seed: Seed = 1,
    temperature: Temperature = 0.9,
    out: Out = None,
    model: Model = "music-folk",
    as_json: Json = False,
) -> None:
    """Keep the first bars of a tune and write on."""
    values = {"keep": keep, "sections": sections, "key": key}
    _tune("continue", file, model, out, as_json, seed=seed, temperature=temperature, **values)


@music.command()
def vary(
    file: Given,
    share: Annotated[float, typer.Option(min=0, max=1, help="of the bars, that are written anew")] = 0.5,
    lock: Annotated[str, typer.Option(metavar="BARS", help="instead: bars that stay, from 1, such as 1-4,8")] = "",
    key: Key = "",
    seed: Seed = 1,
    temperature: Temperature = 0.9,
    out: Out = None,
    model: Model = "music-folk",
    as_json: Json = False,
) -> None:
    """Write some bars of a tune anew; its form and its other bars stay."""
    values: dict[str, Any] = {"locked": _bars(lock)} if lock else {"share": share}
    task = "again" if lock else "vary"
    _tune(task, file, model, out, as_json, seed=seed, temperature=temperature, key=key, **values)


@music.command()
def show(file: Given, key: Key = "", out: Out = None, model: Model = "music-folk", as_json: Json = False) -> None:
    """Read a tune, say what it shares with the training, write it as ABC, MIDI or a score."""
    _tune("show", file, model, out, as_json, key=key)


@music.command()
def harmonise(
    file: Given,
    voice: Annotated[str, typer.Option(help="that the melody is: soprano, alto, tenor, bass")] = "soprano",
    key: Key = "",
    seed: Seed = 1,
    temperature: Annotated[float, typer.Option(min=0, max=3, help="0: the best; more: others, by the seed")] = 0.0,
    out: Out = None,
    model: Model = "music-chorale",
    as_json: Json = False,
) -> None:
    """Set a melody in four voices, as a chorale."""
    from rondo.tasks.music import chorale_show as task
    from rondo.tasks.music import engrave
    from rondo.tasks.music.harmoniser import Harmoniser

    abc = _abc(file)
    wanted = as_json and engrave.available()
    order = {"abc": abc, "voice": voice, "key": key, "seed": seed, "temperature": temperature, "score": wanted}
    request = task.chorale_request(**order)
    tune, voices, answer = task.harmonise(Harmoniser.load(model), request)
    _say(answer, as_json)
    for rule in answer.broken:
        typer.echo(f"{rule.rule}: {' '.join(rule.voices)}, bar {rule.bar + 1}", err=True)
    for path in out or ():
        _write(path, answer.abc, lambda: task.chorale_midi(tune, voices), lambda: task.chorale_mei(tune, voices))


def _tune(task: str, file: Path | None, model: str, out: list[Path] | None, as_json: bool, **values: Any) -> None:
    from rondo.tasks.music import engrave, midi
    from rondo.tasks.music.composer import Composer
    from rondo.tasks.music.request import music_request

    abc = _abc(file) if file else ""
    request = music_request(task=task, abc=abc, score=as_json and engrave.available(), **values)
    composer = Composer.load(model)
    written = composer.write(request)
    answer = composer.answer(written, request)
    _say(answer, as_json)
    if answer.shared and not as_json:
        shared = answer.shared
        where = f"bars {shared.bars[0] + 1}-{shared.bars[1] + 1}"
        said = (
            f"最长相同乐句 / longest passage shared with the training: {shared.notes} notes, {where} ({shared.title})"
        )
        typer.echo(said, err=True)
    for path in out or ():
        _write(path, answer.abc, lambda: midi.tune_midi(written.tune), lambda: engrave.tune_mei(written.tune))


def _say(answer: Any, as_json: bool) -> None:
    import json

    if as_json:
        print(json.dumps(answer.model_dump(), ensure_ascii=False, indent=1))
    else:
        print(answer.abc, end="")
        for note in answer.notes:
            typer.echo(note, err=True)


def _abc(file: Path) -> str:
    """The tune in a file as ABC. Raises MusicError."""
    from rondo.tasks.music.imported import abc_of

    return abc_of(file.read_bytes(), file.name)


def _bars(text: str) -> list[int]:
    """1-4,8 as numbers from 0."""
    found: list[int] = []
    for part in text.split(","):
        given = re.fullmatch(r"\s*(\d{1,3})(?:-(\d{1,3}))?\s*", part)
        first, last = (int(given[1]), int(given[2] or given[1])) if given else (0, 0)
        if not 1 <= first <= last:
            raise typer.BadParameter(f"bars are written like 1-4,8, found {text!r}")
        found += range(first - 1, last)
    return found


def _write(path: Path, abc: str, midi: Callable[[], bytes], mei: Callable[[], str]) -> None:
    """A file of the kind that its name says."""
    from rondo.files import writing_aside
    from rondo.tasks.music.engrave import engraved

    if path.suffix in (".mid", ".midi"):
        with writing_aside(path, "") as file:
            file.write(midi())
    elif path.suffix in (".abc", ".svg", ".mei"):
        content = {".abc": lambda: abc, ".svg": lambda: engraved(mei()), ".mei": mei}[path.suffix]()
        with writing_aside(path) as file:
            file.write(content)
    else:
        raise typer.BadParameter(f"{path}: a tune is written as .abc, .mid, .svg or .mei")
