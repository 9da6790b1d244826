"""Command train agreement: the small networks of the agreement probe that come with Rondo."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rondo.cli.text import train


class Kind(StrEnum):
    """The bundled ones, as in `rondo.probes.keep.CELLS`."""

    elman = "elman"
    gru = "gru"
    lstm = "lstm"


@train.command("agreement")
def train_agreement(
    cell: Annotated[Kind, typer.Argument(metavar="CELL", help="elman, gru or lstm")],
    out: Annotated[Path, typer.Option(metavar="FILE", help="the model file")],
    hidden: Annotated[int, typer.Option(help="units")] = 24,
    steps: Annotated[int, typer.Option(help="of the training")] = 1500,
    lr: Annotated[float, typer.Option(help="learning rate")] = 0.01,
    seed: Annotated[int, typer.Option(help="of weights and sentences")] = 1,
) -> None:
    """Train a small network of the agreement probe, as those that come with Rondo were trained, and keep it."""
    import torch

    from rondo.files import FileError
    from rondo.probes import keep
    from rondo.probes.run import Settings

    if not out.parent.is_dir():
        raise FileError(f"there is no folder {out.parent} to write {out.name} into: make it first")
    torch.set_num_threads(1)  # the network is small: more threads would wait for each other
    settings = Settings(hidden=hidden, steps=steps, seeds=1, lr=(lr,))
    training = keep.train(cell.value, settings, seed)
    try:
        while True:
            record = next(training)
            if record.step % 100 == 0:
                print(f"step {record.step:,}: loss {record.loss:.4f}")
    except StopIteration as end:
        scores = keep.save(out, end.value, settings, seed)
    for at, value in scores.items():
        print(f"{at:3} words between: {value:.3f}")
