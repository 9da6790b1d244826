"""Video activity: joints, frames, splits, readings, answers. All data here is made by formulas."""

from __future__ import annotations

import dataclasses
import itertools
import json
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rondo.data.read import DataSetError
from rondo.data.video import Reader, VideoError, grey, picture
from rondo.files import FileError
from rondo.tasks.video import figures, joints, pixels, readings
from rondo.tasks.video.calibrate import Calibration, calibrated
from rondo.tasks.video.config import VideoConfig
from rondo.tasks.video.data import Clip, Clips, apart, leave_out, read
from rondo.tasks.video.evaluate import evaluate
from rondo.tasks.video.train import build, load, resume, train
from rondo.tasks.video.watcher import Watcher, joints_file
from rondo.train.config import ConfigError
from upstream import SHARED

av = pytest.importorskip("av", reason="PyAV is not installed: rondo[video]")
SMALL = {
    "hidden": 8,
    "channels": 8,
    "layers": 1,
    "rows": 8,
    "steps": 3,
    "valid_every": 0,
    "maps": 2,
    "embed": 8,
    "frames": 4,
}


def config(**settings: Any) -> VideoConfig:
    return VideoConfig(**{**SMALL, **settings})


def strip(path: Path, frames: np.ndarray[Any, Any]) -> None:
    """Luma frames side by side as a PNG file."""
    wide = np.concatenate(list(frames), 1)
    with av.open(str(path), "w", format="image2") as file:
        stream = file.add_stream("png", rate=1)
        stream.width, stream.height, stream.pix_fmt = wide.shape[1], wide.shape[0], "rgb24"
        shown = av.VideoFrame.from_ndarray(np.repeat(wide[..., None], 3, 2), format="rgb24")
        for packet in [*stream.encode(shown), *stream.encode()]:
            file.mux(packet)


def movie(path: Path, frames: np.ndarray[Any, Any], rate: int = 25) -> Path:
    """Luma frames as a video file."""
    with av.open(str(path), "w") as file:
        stream = file.add_stream("mpeg4", rate=rate)
        stream.width, stream.height, stream.pix_fmt = frames.shape[2], frames.shape[1], "yuv420p"
        stream.bit_rate = 800_000
        for frame in frames:
            shown = av.VideoFrame.from_ndarray(np.repeat(frame[..., None], 3, 2), format="rgb24")
            file.mux(stream.encode(shown))
        file.mux(stream.encode())
    return path


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of data sets with figures in place of people: joints and strips of frames."""
    folder = tmp_path_factory.mktemp("data")
    own = folder / "jhmdb14-pose"
    own.mkdir()
    for part, phase in (("train", 0.0), ("valid", 1.7)):
        rows = [
            {"id": f"{part}-{name}-{k}", "label": name, "label_zh": f"动作{name}", "frames": 30,
             "pose": figures.figure(name, 30, phase=phase + 0.3 * k).tolist()}
            for name in ("run", "wave1", "jack") for k in range(3)
        ]  # fmt: skip
        import gzip

        with gzip.open(own / f"{part}.jsonl.gz", "wt", encoding="utf-8") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    own = folder / "weizmann4-frames"
    own.mkdir()
    for part, persons in (("train", (0, 1)), ("valid", (2,))):
        rows = []
        with tarfile.open(own / f"{part}.tar", "w") as tar:
            for person in persons:
                for name in ("bend", "jack"):
                    frames = figures.drawn(figures.figure(name, 20, phase=0.2 * person), background=90 + 40 * person)
                    file = f"p{person}_{name}.png"
                    strip(own / file, frames)
                    tar.add(own / file, file)
                    (own / file).unlink()
                    rows.append(
                        {"file": file, "label": name, "label_zh": name, "person": person, "frames": 20, "fps": 25}
                    )
        (own / f"{part}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return folder


# --- joints ---------------------------------------------------------------------------------------


def test_features_do_not_change_with_place_and_size() -> None:
    p = figures.figure("run", 30)
    assert joints.features(p).shape == (30, joints.WIDTH)
    moved = joints.features(p * 7.5 + np.array([300, -40], dtype=np.float32))
    # float32 at coordinates of some hundreds
    np.testing.assert_allclose(joints.features(p), moved, atol=2e-3)


def test_a_mirror_turned_twice_changes_nothing_and_keeps_distances() -> None:
    p = figures.figure("wave1", 20)
    np.testing.assert_array_equal(joints.mirrored(joints.mirrored(p)), p)
    assert not np.allclose(joints.mirrored(p), p)
    one, two = joints.features(p), joints.features(joints.mirrored(p))
    # the distances are of the same pairs, in another order
    np.testing.assert_allclose(np.sort(one[:, -105:], 1), np.sort(two[:, -105:], 1), atol=1e-5)


@pytest.mark.parametrize("frames", [1, 2, 3, 40])
def test_speed_keeps_the_ends(frames: int) -> None:
    p = figures.figure("walk", frames)
    for speed in (0.5, 1.0, 1.7):
        q = joints.at_speed(p, speed)
        np.testing.assert_allclose(q[0], p[0], atol=1e-5)
        np.testing.assert_allclose(q[-1], p[-1], atol=1e-5)
    np.testing.assert_allclose(joints.at_speed(p, 1.0), p, atol=1e-5)


def test_other_layouts_become_the_same_joints() -> None:
    """A figure written in COCO's order has its own limbs in JHMDB's."""
    p = figures.figure("jack", 10)
    for layout, places in joints.LAYOUTS.items():
        other = np.full((10, joints.SIZES[layout], 2), 77.0, dtype=np.float32)
        other[:, list(places)] = p[:, 2:]
        found = joints.pose(other.tolist(), layout)
        np.testing.assert_array_equal(found[:, 2:], p[:, 2:])
        height = np.ptp(p[..., 1], 1).mean()
        assert np.abs(found[:, :2] - p[:, :2]).max() < 0.12 * height  # neck and belly about where they are


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "at least one frame"),
        ([[[0, 0]] * 14], "15 pairs"),
        ([[[0, 0]] * 15, [[0, 0]] * 14], "ragged"),
        ([[[0, float("nan")]] * 15], "finite"),
        ([[[0, 1e9]] * 15], "finite"),
        ("walk", "at least one frame"),
    ],
)
def test_joints_that_are_none(value: Any, message: str) -> None:
    with pytest.raises(VideoError, match=message):
        joints.pose(value)


def test_a_layout_that_is_none() -> None:
    with pytest.raises(VideoError, match="no layout"):
        joints.pose([[[0, 0]] * 15], "coco19")


# --- pixels ---------------------------------------------------------------------------------------


def test_planes_show_what_moves() -> None:
    g = figures.drawn(figures.figure("jack", 6))
    planes = pixels.planes(g)
    assert planes.shape == (6, 2, 64, 64)
    assert not planes[0, 1].any()
    assert planes[1:, 1].any()
    still = pixels.planes(np.repeat(g[:1], 6, 0))
    assert not still[:, 1].any()
    np.testing.assert_allclose(pixels.planes(g // 2)[:, 0], planes[:, 0], atol=0.1)  # in half the light


@pytest.mark.parametrize("size", [1, 2, 5, 30])
def test_a_window_of_a_short_clip_goes_there_and_back(size: int) -> None:
    g = np.arange(size, dtype=np.uint8)[:, None, None] * np.ones((1, 64, 64), dtype=np.uint8)
    part = pixels.window(g, 12, 2, 0)[:, 0, 0].astype(int)
    assert part.shape == (12,)
    assert part.max() < size
    assert size == 1 or np.abs(np.diff(part)).max() <= 2


def test_what_is_none_of_the_actions_keeps_its_shape() -> None:
    g = figures.drawn(figures.figure("bend", 12))
    kinds = {pixels.nothing(g, np.random.default_rng(k)).tobytes() for k in range(40)}
    assert len(kinds) > 10
    assert pixels.nothing(g, np.random.default_rng(3)).shape == g.shape


# --- splits ---------------------------------------------------------------------------------------


def clip(name: str, source: str = "", label: str = "run", seed: int = 0) -> Clip:
    x = np.random.default_rng([seed, sum(map(ord, name))]).random((5, 15, 2), dtype=np.float32)
    return Clip(name, label, label, source, x)


def test_what_stands_on_both_sides_is_refused() -> None:
    apart([clip("a", "1")], [clip("b", "2")])
    apart([clip("a")], [clip("b")])  # where no source is told
    with pytest.raises(VideoError, match="the person or source 1 stands in train and in valid"):
        apart([clip("a", "1")], [clip("b", "1")])
    with pytest.raises(VideoError, match="the clip a stands"):
        apart([clip("a")], [clip("a", seed=1)])
    with pytest.raises(VideoError, match="what is shown in b stands"):
        apart([clip("a")], [dataclasses.replace(clip("a"), name="b")])


def test_leaving_out_a_person_leaves_all_of_it_out() -> None:
    clips = [clip(f"{k}", str(k % 3)) for k in range(9)]
    kept, held = leave_out(clips, "1")
    assert {c.source for c in held} == {"1"}
    assert {c.source for c in kept} == {"0", "2"}
    with pytest.raises(VideoError, match="no clip is of '7': there are 0, 1, 2"):
        leave_out(clips, "7")
    with pytest.raises(VideoError, match="nothing is left"):
        leave_out(clips[:1], "0")
    with pytest.raises(VideoError, match="does not say whose"):
        leave_out([clip("a")], "0")


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ('{"id": "x", "label": "run", "pose": []}', r"x\.jsonl:2: .*at least one frame"),
        ('{"id": "x", "label": "run"}', r"x\.jsonl:2: a clip has pose"),
        ('{"id": "a0", "label": "run", "pose": POSE}', r"x\.jsonl:2: the clip a0 stands here twice"),
        ('{"id": "x", "pose": POSE}', r"x\.jsonl:2: label should be a text"),
        ('{"id": "x", "label": "run", "frames": 9, "pose": POSE}', r"x\.jsonl:2: frames says 9"),
        ('{"file": "../../etc/passwd", "label": "run"}', r"x\.jsonl:2: .*there is no \.\./\.\./etc/passwd"),
        ("{", r"x\.jsonl:2: not JSON"),
    ],
)
def test_records_that_cannot_be_read(tmp_path: Path, line: str, message: str) -> None:
    pose = json.dumps(figures.figure("run", 3).tolist())
    first = '{"id": "a0", "label": "run", "pose": POSE}\n'
    (tmp_path / "x.jsonl").write_text((first + line).replace("POSE", pose), encoding="utf-8")
    with pytest.raises((VideoError, DataSetError), match=message):
        read(tmp_path / "x.jsonl")


def test_a_strip_of_another_height_is_refused(tmp_path: Path) -> None:
    strip(tmp_path / "a.png", np.zeros((3, 32, 32), dtype=np.uint8))
    (tmp_path / "x.jsonl").write_text('{"file": "a.png", "label": "bend"}', encoding="utf-8")
    with pytest.raises(VideoError, match=r"x\.jsonl:1: a\.png is 96x32"):
        read(tmp_path / "x.jsonl")


# --- training, evaluation -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["joints", "pixels"])
def test_batches_depend_on_seed_and_step_alone(people: Path, kind: str) -> None:
    name = {"joints": "jhmdb14-pose/train.jsonl.gz", "pixels": "weizmann4-frames/train.jsonl"}[kind]
    clips = read(people / name)
    own = Clips(clips, sorted({c.label for c in clips}))
    settings = config(kind=kind, rows=4)
    every = own.batches(settings)
    three = [next(every) for _ in range(3)]
    again = next(own.batches(settings, 2))
    assert torch.equal(three[2].x, again.x)
    assert torch.equal(three[2].labels, again.labels)
    assert not torch.equal(three[0].x, three[1].x)


@pytest.mark.parametrize("kind", ["joints", "pixels"])
def test_training_resuming_and_measuring(people: Path, tmp_path: Path, kind: str) -> None:
    settings = config(kind=kind, save_every=2)
    run = train(people, settings, tmp_path / "run")
    whole = evaluate(
        run.folder, people / {"joints": "jhmdb14-pose/valid.jsonl.gz", "pixels": "weizmann4-frames/valid.jsonl"}[kind]
    )
    assert whole["clips"] == {"joints": 9, "pixels": 2}[kind]
    assert whole["right"] + len(whole["wrong"]) == whole["clips"]
    assert 0 <= whole["accuracy_baseline"] <= 1
    before = run.model_file.read_bytes()
    resume(run.folder)
    assert run.model_file.read_bytes() == before  # it was over
    json.dumps(whole)


def test_one_person_is_left_out(people: Path, tmp_path: Path) -> None:
    files = {part: [people / "weizmann4-frames" / f"{part}.jsonl"] for part in ("train", "valid")}
    splits = load(files, config(kind="pixels", leave="1"))
    assert {c.source for c in splits.valid.clips} == {"1"}
    assert {c.source for c in splits.train.clips} == {"0", "2"}
    with pytest.raises(ConfigError, match="clips of pixels, the configuration says kind = 'joints'"):
        load(files, config())


def test_a_model_learns_three_figures(people: Path, tmp_path: Path) -> None:
    run = train(
        people,
        config(steps=60, hidden=16, lr=0.01, warmup=5, change=0.3, beside=0.0, input_dropout=0.0, output_dropout=0.0),
        tmp_path / "run",
    )
    found = evaluate(run.folder, people / "jhmdb14-pose" / "valid.jsonl.gz")
    assert found["accuracy_network"] > 0.6  # of three actions, after so few steps
    row = {"id": "x", "label": "fly", "pose": figures.figure("run", 5).tolist()}
    (tmp_path / "x.jsonl").write_text(json.dumps(row), encoding="utf-8")
    with pytest.raises(VideoError, match="knows no action"):
        evaluate(run.folder, tmp_path / "x.jsonl")
    with pytest.raises(VideoError, match="these are clips of pixels, the model reads joints"):
        evaluate(run.folder, people / "weizmann4-frames" / "valid.jsonl")


# --- readings -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def networks() -> dict[str, Any]:
    torch.manual_seed(3)
    return {kind: build(config(kind=kind), 3).eval() for kind in ("joints", "pixels")}


@pytest.mark.parametrize("frames", [1, 2, 7, 24, 25, 41, 97])
@pytest.mark.parametrize("kind", ["joints", "pixels"])
def test_every_frame_has_finite_scores(networks: dict[str, Any], kind: str, frames: int) -> None:
    figure = figures.figure("walk", frames)
    x = figure if kind == "joints" else figures.drawn(figure)
    found = readings.scores(networks[kind], x, readings.Reading(4, 2))
    assert found.shape == (frames, {"joints": 3, "pixels": 4}[kind])
    assert np.isfinite(found).all()


def test_a_mirror_changes_no_reading_of_joints(networks: dict[str, Any]) -> None:
    p = figures.figure("wave1", 60)
    one, two = (readings.joint_scores(networks["joints"], v) for v in (p, joints.mirrored(p)))
    np.testing.assert_allclose(one, two, atol=1e-5)


def test_smoothing_keeps_what_is_even() -> None:
    values = np.random.default_rng(0).random((20, 3))
    np.testing.assert_allclose(readings.smoothed(np.ones((5, 2))), np.ones((5, 2)))
    np.testing.assert_allclose(readings.smoothed(values)[10], values[6:15].mean(0))
    np.testing.assert_allclose(readings.smoothed(values)[0], values[:5].mean(0))


@pytest.mark.parametrize(("size", "part", "hop"), [(1, 40, 10), (40, 40, 10), (41, 40, 10), (100, 40, 10), (24, 24, 3)])
def test_parts_cover_everything(size: int, part: int, hop: int) -> None:
    first = readings.starts(size, part, hop)
    seen = {t for s in first for t in range(s, min(size, s + part))}
    assert seen == set(range(size))
    assert first[-1] == max(0, size - part)


def test_calibration_keeps_right_answers_and_orders_doubt() -> None:
    random = np.random.default_rng(1)
    y = random.integers(0, 4, 400)
    s = random.normal(0, 1, (400, 4)) + 2.5 * np.eye(4)[y]
    found = calibrated(list(s * 3), y.tolist())
    twice = calibrated(list(s * 6), y.tolist())
    assert twice.temperature / found.temperature == pytest.approx(2, rel=0.07)  # the grid has steps of 3 %
    p = readings.softmax(s * 3, found.temperature)
    right = p.argmax(1) == y
    assert abs(float((p.max(1) >= found.threshold)[right].mean()) - 0.95) < 0.02
    assert Calibration.from_json(json.loads(json.dumps(found.to_json()))) == found
    for value in ({}, {"temperature": "x", "threshold": 0}, {"temperature": 1, "threshold": 3}, None):
        with pytest.raises(FileError):
            Calibration.from_json(value)


# --- answers --------------------------------------------------------------------------------------


def about(kind: str, threshold: float = 0.4) -> dict[str, Any]:
    names = ["jack", "run", "wave1"]
    return {
        "actions": names, "chinese": {"run": "跑步"}, "calibration": Calibration(1.0, threshold).to_json(),
        "reading": {"frames": 4, "every": 2}, "kind_of_input": kind, "task": "video",
    }  # fmt: skip


def test_segments_cover_the_frames_and_agree_with_the_timeline(networks: dict[str, Any]) -> None:
    watcher = Watcher(networks["joints"], about("joints", 0.335))
    found = watcher.answered(figures.figure("run", 90), 25)
    assert [s.start for s in found.segments[1:]] == [s.end for s in found.segments[:-1]]
    assert (found.segments[0].start, found.segments[-1].end) == (0, 90)
    assert len(found.timeline) == 90
    assert all(abs(sum(row) - 1) < 1e-3 for row in found.timeline)
    for part in found.segments:
        best = [found.actions[int(np.argmax(row))] for row in found.timeline[part.start : part.end]]
        assert part.action in ("none", best[0])
        assert part.action == "none" or set(best) == {part.action}


def test_nothing_is_named_below_the_threshold(networks: dict[str, Any]) -> None:
    for kind in ("joints", "pixels"):
        figure = figures.figure("stand", 30)
        x = figure if kind == "joints" else figures.drawn(figure)
        found = Watcher(networks[kind], about(kind, 0.999)).answered(x, 25)
        assert found.answer.action == "none"
        assert {s.action for s in found.segments} == {"none"}
        assert any("jack, run, wave1" in note for note in found.notes)


def test_files_of_joints(networks: dict[str, Any], tmp_path: Path) -> None:
    watcher, p = Watcher(networks["joints"], about("joints")), figures.figure("run", 10)
    (tmp_path / "a.json").write_text(json.dumps({"pose": p.tolist(), "per_second": 30}), encoding="utf-8")
    found = watcher.joints(joints_file(tmp_path / "a.json"))
    assert (found.frames, found.per_second) == (10, 30)
    assert found.ranks[0].chinese in ("跑步", "jack", "wave1")
    rows = [{"id": name, "pose": p.tolist()} for name in ("one", "two")]
    (tmp_path / "b.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert joints_file(tmp_path / "b.jsonl", "two").per_second == 25
    with pytest.raises(VideoError, match="holds no clip 'six'; the first are one, two"):
        joints_file(tmp_path / "b.jsonl", "six")
    for text, message in (
        ("{", "is not JSON"),
        ("[]", "a JSON object"),
        ("{}", "there is no pose"),
        ('{"pose": 3}', "pose"),
    ):
        (tmp_path / "a.json").write_text(text, encoding="utf-8")
        with pytest.raises(VideoError, match=message):
            joints_file(tmp_path / "a.json")


# --- video files ----------------------------------------------------------------------------------


def test_a_video_file_is_read_frame_by_frame(networks: dict[str, Any], tmp_path: Path) -> None:
    frames = figures.drawn(figures.figure("jack", 30), 128)
    path = movie(tmp_path / "a.mp4", frames)
    found = list(Reader(path, 25, 64))
    assert len(found) == 30
    assert found[0].picture.shape == (64, 64, 3)
    assert [round(f.seconds * 25) for f in found] == list(range(30))
    difference = np.abs(grey(found[12].picture).astype(int) - frames[12][::2, ::2])
    assert difference.mean() < 12  # lossy, and brought to half the size
    watcher = Watcher(networks["pixels"], about("pixels"))
    assert watcher.video(path).frames == 30
    assert len(watcher.video(path, most=7).timeline) == 7


@pytest.mark.parametrize(("rate", "wanted"), [(50, 25), (12, 25), (30, 25), (25, 10)])
def test_other_rates_are_brought_to_one(tmp_path: Path, rate: int, wanted: int) -> None:
    path = movie(tmp_path / "a.mp4", figures.drawn(figures.figure("walk", 3 * rate), 64), rate)
    found = list(Reader(path, wanted, 64))
    assert abs(len(found) - 3 * wanted) <= 2
    assert all(abs(b.seconds - a.seconds - 1 / wanted) < 1e-6 for a, b in itertools.pairwise(found))


def test_a_video_that_breaks_off_gives_what_came_before(networks: dict[str, Any], tmp_path: Path) -> None:
    whole = movie(tmp_path / "a.avi", figures.drawn(figures.figure("jack", 60), 128)).read_bytes()
    (tmp_path / "b.avi").write_bytes(whole[: len(whole) // 2])
    found = Watcher(networks["pixels"], about("pixels")).video(tmp_path / "b.avi")
    assert 5 < found.frames < 60
    (tmp_path / "c.avi").write_bytes(whole[:20])
    with pytest.raises(VideoError, match="is no video, or damaged"):
        list(Reader(tmp_path / "c.avi"))


def test_what_is_no_video(tmp_path: Path) -> None:
    for content in (b"", b"hello", b"\0" * 5000, b"RIFF" + b"\xff" * 100):
        (tmp_path / "a.mp4").write_bytes(content)
        with pytest.raises(VideoError, match=r"damaged|holds not one frame|holds no pictures"):
            list(Reader(tmp_path / "a.mp4"))
    with pytest.raises(VideoError, match="is no video"):
        list(Reader(tmp_path / "none.mp4"))
    with av.open(str(tmp_path / "s.wav"), "w") as file:
        stream = file.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 800), dtype=np.int16), layout="mono")
        sound.rate = 8000
        for packet in [*stream.encode(sound), *stream.encode()]:
            file.mux(packet)
    with pytest.raises(VideoError, match="holds no pictures"):
        list(Reader(tmp_path / "s.wav"))


def test_a_playlist_fetches_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.m3u8").write_text("#EXTM3U\n#EXTINF:1,\nhttp://127.0.0.1:9/a.ts\n", encoding="utf-8")
    with pytest.raises(VideoError):
        list(Reader(tmp_path / "a.m3u8"))


def test_a_picture_that_is_none() -> None:
    with pytest.raises(VideoError, match=r"a\.jpg is no picture"):
        picture(b"nothing", "a.jpg")


def test_without_the_package_it_is_said_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(__import__("sys").modules, "av", None)
    with pytest.raises(VideoError, match=r"pip install 'rondo\[video\]'"):
        list(Reader(tmp_path / "a.mp4"))


# --- the models of the package --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["run", "walk", "wave1"])
def test_the_bundled_model_of_joints_knows_figures(name: str) -> None:
    found = Watcher.load("video-joints").answered(figures.figure(name), figures.PER_SECOND)
    assert found.answer.action == name.rstrip("12")


@pytest.mark.parametrize("name", ["jack", "wave1", "wave2", "run", "walk", "stand"])
def test_the_bundled_model_of_pixels_names_four_and_refuses_others(name: str) -> None:
    found = Watcher.load("video-pixels").answered(figures.drawn(figures.figure(name)), figures.PER_SECOND)
    assert found.answer.action == (name if name in ("jack", "wave1", "wave2") else "none")


@pytest.mark.skipif(not (SHARED / "jhmdb14-pose").is_dir(), reason="the data set is not here")
def test_the_bundled_model_of_joints_is_as_good_as_its_card_says() -> None:
    found = evaluate("video-joints", SHARED / "jhmdb14-pose" / "valid.jsonl.gz")
    assert found["accuracy"] >= 0.68
