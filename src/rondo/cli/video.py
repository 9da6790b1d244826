"""Commands of video activity: train video, video."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rondo.cli.app import app
from rondo.cli.settings import next_free, takes_settings
from rondo.cli.text import train
from rondo.tasks.video.config import VideoConfig

if TYPE_CHECKING:
    from rondo.tasks.video.request import VideoResponse


@train.command("video")
@takes_settings(VideoConfig)
def train_video(
    data: Annotated[Path, typer.Option(metavar="FOLDER", envvar="RONDO_DATA", help="the folder of data sets")],
    out: Annotated[Path | None, typer.Option(help="the new run folder; default: the next free runs/video-N")] = None,
    config: Annotated[
        Path | None, typer.Option(metavar="FILE.toml", help="settings, or the name of a shipped config")
    ] = None,
    rounds: Annotated[
        bool, typer.Option("--rounds", help="leave out every person in turn, a run each in OUT; the totals at the end")
    ] = False,
    **settings: Any,
) -> None:
    """Train a model of activities: video-joints (joints of the body) or video-pixels (frames)."""
    from rondo.tasks.video import rounds as turns
    from rondo.tasks.video import train as task
    from rondo.train import configs

    path = configs.find(config or Path("video-joints"))
    chosen, folder = VideoConfig.load(path, **settings), out or next_free("runs/video")
    if rounds:
        print(json.dumps(turns.rounds(data, chosen, folder), indent=1))
    else:
        task.train(data, chosen, folder)


@app.command("video")
def video(
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="a video file; or joints: a .json file, or .jsonl records with --clip"),
    ] = None,
    clip: Annotated[str, typer.Option(metavar="ID", help="of a file of records: which clip; default: the first")] = "",
    example: Annotated[
        str, typer.Option(help="a figure that moves by formulas instead of a file: run, walk, ...")
    ] = "",
    layout: Annotated[
        str, typer.Option(help="whose joints: jhmdb15, coco17, openpose18, body25, blazepose33; default: the file's")
    ] = "",
    per_second: Annotated[float, typer.Option(help="frames a second of joints; default: the file's, or 25")] = 0.0,
    by_joints: Annotated[
        bool,
        typer.Option("--joints", help="of a video file: find the person's joints first (`rondo pose` fetches how)"),
    ] = False,
    model: Annotated[
        str, typer.Option(metavar="RUN", help="a run, a model file, or a bundled model; default: by the file")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """Name what somebody does, frame by frame: from the joints of the body, or from a video file.

    A video file is read by its pixels; that model knows four actions (bend, jack, wave1, wave2) and says "none" of
    everything else. Running, walking and twelve more are known by the joints: `rondo pose` fetches an estimator once,
    and --joints reads the video with it. Or take one of your choice (one that gives COCO's 17 joints, OpenPose's 18 or
    25, or BlazePose's 33), write JSON {"layout": "coco17", "per_second": 25, "pose": [[[x, y], ...], ...]}, and give
    that file.
    """
    if (file is None) == (not example):
        raise typer.BadParameter("give a file, or --example with the name of a figure")
    from rondo.tasks.video.watcher import MODELS, Watcher, joints_file

    if file is not None and file.suffix not in (".json", ".jsonl", ".gz"):
        response = Watcher.load(model or MODELS["joints" if by_joints else "pixels"]).video(file)
    elif file is not None:
        response = Watcher.load(model or MODELS["joints"]).joints(joints_file(file, clip, layout, per_second))
    else:
        response = _example(example, model)
    if as_json:
        print(json.dumps(response.model_dump(), ensure_ascii=False, indent=1))
    else:
        from rondo.tasks.video.show import show

        show(response)


def _example(name: str, model: str) -> VideoResponse:
    """A figure, read as joints, or drawn and read as pixels where a model of pixels is named."""
    from rondo.tasks.video import figures
    from rondo.tasks.video.watcher import MODELS, Watcher

    watcher = Watcher.load(model or MODELS["joints"])
    figure = figures.figure(name)
    return watcher.answered(figure if watcher.kind == "joints" else figures.drawn(figure), figures.PER_SECOND)


@app.command("pose")
def pose(
    wheels: Annotated[
        Path | None, typer.Option("--from", metavar="FOLDER", help="take the packages from a folder of wheels")
    ] = None,
) -> None:
    """Fetch the pose estimator for `rondo video FILE --joints` (MediaPipe, Apache-2.0, about 380 MB), once."""
    from rondo.tasks.video.estimator import fetch

    print(fetch(wheels))
