"""The command that trains models of sentiment: train sentiment."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from rondo.cli.settings import next_free, takes_settings
from rondo.cli.text import train
from rondo.tasks.sentiment.config import SentimentConfig


@train.command("sentiment")
@takes_settings(SentimentConfig)
def train_sentiment(
    data: Annotated[Path, typer.Option(metavar="FOLDER", envvar="RONDO_DATA", help="the folder of data sets")],
    out: Annotated[
        Path | None, typer.Option(help="the new run folder; default: the next free runs/sentiment-N")
    ] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="settings, or a shipped config: sentiment-zh, sentiment-en")
    ] = None,
    **settings: Any,
) -> None:
    """Train a model of sentiment on the data sets that the folder has; see the task's README."""
    from rondo.tasks.sentiment import train as task
    from rondo.train import configs

    path = configs.find(config or Path(f"sentiment-{settings.get('language') or 'zh'}"))
    task.train(data, SentimentConfig.load(path, **settings), out or next_free("runs/sentiment"))
