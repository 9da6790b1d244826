"""Measures of the models of activity: `rondo evaluate RUN --data FILE`.

The share of clips answered rightly, the mean over actions of each one's share, how many clips are named at all above
the threshold, and how right those are; beside it least squares on means and changes, and always the commonest action.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rondo import bundled
from rondo.files import FileError
from rondo.models.moments import Moments
from rondo.models.store import load_model
from rondo.tasks.video.calibrate import Calibration
from rondo.tasks.video.data import Clip, Clips, read
from rondo.tasks.video.model import SHAPES
from rondo.tasks.video.readings import Reading, scores, softmax


def opened(path: Path | str) -> tuple[Any, dict[str, Any]]:
    """A model of activity and its metadata. Raises FileError."""
    file = bundled.model_file(path)
    model, about = load_model(file, *SHAPES)
    if about.get("task") != "video" or not isinstance(about.get("actions"), list):
        raise FileError(f"{file} is no model of video activity")
    return model, about


def evaluate(path: Path | str, data: Path) -> dict[str, Any]:
    """All measures of the model in `path` on the clips of the file `data`. Raises VideoError where they are not of the
    model's kind or of an action that it does not know."""
    return measured(path, read(data))


def measured(path: Path | str, clips: Sequence[Clip]) -> dict[str, Any]:
    """The same of clips that are read."""
    from rondo.data.video import VideoError
    from rondo.tasks.video.train import summary

    model, about = opened(path)
    labels, kind = about["actions"], about["kind_of_input"]
    if clips[0].kind != kind:
        raise VideoError(f"these are clips of {clips[0].kind}, the model reads {kind}")
    known = Clips(clips, labels)
    calibration, reading = Calibration.from_json(about["calibration"]), Reading(**about["reading"])
    base = Moments.from_json(about["baseline"])
    before = time.perf_counter()
    s = np.stack([scores(model, clip.x, reading, base).mean(0) for clip in clips])
    seconds = time.perf_counter() - before
    # what the network answers alone, and least squares alone
    alone = s if not reading.weight else np.stack([scores(model, clip.x, reading).mean(0) for clip in clips])
    y, p = np.array(known.y), softmax(s, calibration.temperature)
    guess = p[:, : len(labels)].argmax(1)  # the best action, also where "none" is likelier
    named = (p.argmax(1) < len(labels)) & (p.max(1) >= calibration.threshold)
    right = guess == y
    cheap = base.scores([summary(clip) for clip in clips]).argmax(1)
    names = [*labels, "none"]
    return {
        "kind": kind,
        "clips": len(clips),
        "right": int(right.sum()),
        "accuracy": float(right.mean()),
        "accuracy_mean_of_actions": float(np.mean([right[y == k].mean() for k in sorted(set(y.tolist()))])),
        "named": int(named.sum()),
        "named_right": int((named & right).sum()),
        "accuracy_network": float((alone[:, : len(labels)].argmax(1) == y).mean()),
        "right_baseline": int((cheap == y).sum()),
        "accuracy_baseline": float((cheap == y).mean()),
        "accuracy_commonest": Counter(y.tolist()).most_common(1)[0][1] / len(y),
        "frames_per_second": round(sum(len(clip.x) for clip in clips) / max(seconds, 1e-9)),
        "wrong": [
            {"clip": clips[i].name, "label": labels[y[i]], "answer": names[int(p[i].argmax())]}
            for i in np.flatnonzero(~right).tolist()
        ],
    }
