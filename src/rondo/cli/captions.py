"""Commands of image captions: train captions, caption, captions fetch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from rondo.cli.app import app
from rondo.cli.settings import add_training
from rondo.cli.text import train
from rondo.tasks.captions.config import CaptionsConfig

captions = typer.Typer(help="The encoder of pictures for captions.", no_args_is_help=True)
app.add_typer(captions, name="captions")


add_training(
    train,
    CaptionsConfig,
    "captions",
    "Train a model of captions (captions, captions-own) or the small encoder (captions-eye).",
)


@app.command()
def caption(
    picture: Annotated[Path, typer.Argument(metavar="PICTURE", help="a JPEG, PNG, WebP, GIF or BMP file")],
    count: Annotated[int, typer.Option(help="different sentences, at most five")] = 3,
    beam: Annotated[int, typer.Option(help="width of the beam")] = 5,
    encoder: Annotated[
        str, typer.Option(help="own (in the package), fetched (rondo captions fetch), or auto: fetched where it is")
    ] = "auto",
    model: Annotated[str, typer.Option(metavar="RUN", help="a run, a model file, or a bundled model")] = "captions",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON, with where each character looked")] = False,
) -> None:
    """Say in Chinese what is in a picture, in several sentences."""
    from rondo.data.image import read_picture
    from rondo.tasks.captions.describer import Describer
    from rondo.tasks.captions.request import captions_request

    request = captions_request(count=count, beam=beam, encoder=encoder)
    pixels = read_picture(picture)
    response = Describer.load(model, model)(pixels, request)
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.captions.show import show

        show(response)


@captions.command("fetch")
def fetch(
    source: Annotated[
        Path | None, typer.Option("--from", metavar="FILE", help="take it from a file that lies here")
    ] = None,
) -> None:
    """Fetch the large encoder (MobileNetV2, 3.6 MB, Apache-2.0), check it and keep it in Rondo's cache."""
    from rondo.tasks.captions.encoder import fetch as fetched

    print(fetched(source))
