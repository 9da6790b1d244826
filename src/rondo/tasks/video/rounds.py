"""Leave one person out, every person in turn: the measure of a pixel model on few people.

Each round trains on all others and answers the clips of the one, so every clip is answered by a model that has never
seen its person. The weights of the last step are taken, not the best on the person: there is nobody else to choose by.
"""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

from rich.console import Console

from rondo.data.registry import find
from rondo.files import write_aside
from rondo.tasks.video.config import VideoConfig
from rondo.tasks.video.data import read
from rondo.tasks.video.evaluate import measured
from rondo.tasks.video.train import ENDINGS, FOLDERS, train


def rounds(data: Path, config: VideoConfig, out: Path, console: Console | None = None) -> dict[str, Any]:
    """Train and measure leaving out each person, a run OUT/PERSON each; OUT/rounds.json has what is returned."""
    files = [find(FOLDERS[config.kind], data, f"{part}{ENDINGS[config.kind]}") for part in ("train", "valid")]
    clips = [clip for file in files for clip in read(file)]
    people = sorted({clip.source for clip in clips})
    found: dict[str, Any] = {"clips": 0, "right": 0, "right_baseline": 0, "people": {}}
    for person in people:
        own = dataclasses.replace(config, leave=person, valid_every=0, save_every=config.steps)
        run = train(data, own, out / person, console)
        result = measured(run.model_file, [clip for clip in clips if clip.source == person])
        found["people"][person] = {k: result[k] for k in ("clips", "right", "right_baseline", "wrong")}
        for key in ("clips", "right", "right_baseline"):
            found[key] += result[key]
    write_aside(out / "rounds.json", (json.dumps(found, indent=1) + "\n").encode())
    return found
