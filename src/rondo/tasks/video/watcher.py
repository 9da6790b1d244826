"""The watcher: joints or a video file in, what is done frame by frame out."""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np

from rondo.data.read import json_lines
from rondo.data.video import LONGEST, Reader, VideoError, grey
from rondo.models.classifier import Classifier
from rondo.models.moments import Moments
from rondo.tasks.video import estimator, joints, pixels
from rondo.tasks.video.calibrate import Calibration
from rondo.tasks.video.data import NONE
from rondo.tasks.video.evaluate import opened
from rondo.tasks.video.model import PixelModel
from rondo.tasks.video.readings import Floats, Reading, scores, smoothed, softmax
from rondo.tasks.video.request import SHOWN, Answer, JointsRequest, Segment, VideoResponse, joints_request

MODELS = {"joints": "video-joints", "pixels": "video-pixels"}
NOTHING = "以上都不是"
BLOCK = 512  # frames that are turned to luma at once
LARGEST = 1 << 26  # bytes of a file of joints


class Watcher:
    """One model: of joints, or of pixels."""

    def __init__(self, model: Classifier | PixelModel, about: dict[str, Any]) -> None:
        self.model, self.about = model, about
        self.kind: Literal["joints", "pixels"] = "pixels" if isinstance(model, PixelModel) else "joints"
        self.actions: list[str] = list(about["actions"])
        self.calibration = Calibration.from_json(about["calibration"])
        self.reading = Reading(**about["reading"])
        self.beside = Moments.from_json(about["baseline"]) if self.reading.weight else None

    @classmethod
    def load(cls, path: Path | str = "video-joints") -> Watcher:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
        return cls(*opened(path))

    def joints(self, request: JointsRequest) -> VideoResponse:
        """Name what a sequence of joints does. Raises VideoError."""
        if self.kind != "joints":
            raise VideoError(
                "这个模型看像素，不看关节 / this model reads pixels, not joints: take one such as video-joints"
            )
        x = joints.pose(request.pose, request.layout)
        notes = []
        if len(x) < 8:
            notes.append(f"只有 {len(x)} 帧，难以判断 / {len(x)} frames are too few to be sure")
        if float(np.abs(np.diff(x, axis=0)).max(initial=0)) == 0:
            notes.append("关节一动不动 / the joints do not move at all")
        return self.answered(x, request.per_second, notes)

    def video(self, path: Path, most: int = LONGEST) -> VideoResponse:
        """Name what a video file shows: by its pixels, or by a person's joints, which the pose estimator finds. Raises
        VideoError."""
        if self.kind == "pixels":
            frames, notes = luma(path, most)
            return self.answered(frames, pixels.PER_SECOND, notes)
        found, notes = person(path, most)
        return self.answered(found, estimator.PER_SECOND, notes)

    def answered(self, x: Any, per_second: float, notes: Sequence[str] = ()) -> VideoResponse:
        """Joints [T, 15, 2], or luma [T, 64, 64] as bytes, with what is done in them."""
        s = scores(self.model, x, self.reading, self.beside)
        whole = softmax(s.mean(0), self.calibration.temperature)
        p = softmax(smoothed(s), self.calibration.temperature)
        names = [*self.actions, NONE][: len(whole)]
        ranks = [self._answer(names[k], float(whole[k])) for k in np.argsort(-whole, kind="stable")]
        best = next(answer for answer in ranks if answer.action != NONE)
        sure = ranks[0].action != NONE and best.p >= self.calibration.threshold
        return VideoResponse(
            reads=self.kind,
            frames=len(x),
            per_second=per_second,
            answer=best if sure else self._answer(NONE, best.p),
            ranks=ranks,
            threshold=self.calibration.threshold,
            segments=self.segments(p),
            actions=names,
            timeline=[[round(v, 4) for v in row] for row in p[:SHOWN].tolist()],
            notes=[*notes, *([] if sure else [self.unsure()])],
        )

    def unsure(self) -> str:
        """What is said where nothing is named."""
        known = "、".join(self.about["chinese"].get(a, a) for a in self.actions)
        return (
            f"以上都不是：模型只认识 {known} / none of these: the model knows {', '.join(self.actions)}, and none is "
            f"likely enough (at least {self.calibration.threshold:.0%})"
        )

    def segments(self, p: Floats) -> list[Segment]:
        """Runs of frames p [T, classes] that are answered alike."""
        best = p[:, : len(self.actions)].argmax(1)
        named = (p.argmax(1) == best) & (p.max(1) >= self.calibration.threshold)
        found, start = [], 0
        for k, run in itertools.groupby(np.where(named, best, -1).tolist()):
            end = start + len(list(run))
            share = float(p[start:end, : len(self.actions)].max(1).mean())
            one = self._answer(NONE if k < 0 else self.actions[k], share)
            found.append(Segment(start=start, end=end, **one.model_dump()))
            start = end
        return found

    def _answer(self, action: str, p: float) -> Answer:
        return Answer(
            action=action, chinese=NOTHING if action == NONE else self.about["chinese"].get(action, action), p=p
        )


def person(path: Path, most: int = LONGEST) -> tuple[joints.Floats, list[str]]:
    """The joints [T, 15, 2] of the person in a video file, and what is to be said of them. Raises VideoError."""
    found, notes = estimator.landmarks(path, most)
    return joints.pose(found, "blazepose33"), notes


def luma(path: Path, most: int = LONGEST) -> tuple[pixels.Bytes, list[str]]:
    """The frames of a video file as the model of pixels reads them, [T, 64, 64], and what is to be said of the file.
    Raises VideoError."""
    reader = Reader(path, pixels.PER_SECOND, pixels.SIZE, most)
    frames, blocks = iter(reader), []
    while some := [frame.picture for frame in itertools.islice(frames, BLOCK)]:
        blocks.append(grey(np.stack(some)))
    return np.concatenate(blocks), reader.notes()


def joints_file(path: Path, clip: str = "", layout: str = "", per_second: float = 0.0) -> JointsRequest:
    """The request that a file of joints makes: JSON with pose, and layout and per_second where they are not the
    default; or records of them, a line each, of which `clip` names one. Raises VideoError."""
    row = _row(path, clip)
    if "pose" not in row:
        raise VideoError(f"{path}: 没有 pose / there is no pose, a list of frames of joints, in it")
    values: dict[str, Any] = {"pose": row["pose"]}
    values["layout"] = layout or row.get("layout", "jhmdb15")
    values["per_second"] = per_second or row.get("per_second", row.get("fps", 25.0))
    return joints_request(**values)


def _row(path: Path, clip: str) -> dict[str, Any]:
    if path.suffix == ".json":
        if path.stat().st_size > LARGEST:
            raise VideoError(f"{path} 太大 / {path} is larger than {LARGEST >> 20} MB: no file of joints")
        try:
            found = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise VideoError(f"{path} 不是 JSON / {path} is not JSON: {error}") from None
        if not isinstance(found, dict):
            raise VideoError(f"{path}: 应是一个 JSON 对象 / a JSON object with pose is expected")
        return found
    names = []
    for _, _, row in json_lines(path):
        if not clip or row.get("id") == clip:
            return row
        names.append(str(row.get("id", "")))
    raise VideoError(f"{path} 里没有 {clip!r} / {path} holds no clip {clip!r}; the first are {', '.join(names[:5])}")
