"""Exact resume: a run that is stopped, killed, or finds the disk full at any moment ends with the same bits as one that
never was."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from rondo.bundled import BundledError
from rondo.files import FileError, load_tensors
from rondo.models.store import load_model
from rondo.train.config import TextConfig
from rondo.train.loop import Validation
from rondo.train.run import Run
from rondo.train.text import Corpus, resume, train, training

import workers
from shown import shown

TEXT = "one for the master, one for the dame,\nand one for the little boy who lives down the lane\n" * 20
# everything that draws, carries or averages
CONFIG = TextConfig(
    cell="lstm", hidden=8, layers=2, embed=6, tied=True, batch=4, window=12, reach=18, vary=0.3, steps=16, lr=0.01,
    warmup=4, valid_every=8, save_every=3, log_every=1, ema=0.9, accumulate=2, documents="line", smoothing=0.1,
    embed_dropout=0.1, input_dropout=0.1, dropout=0.2, output_dropout=0.2, recurrent_dropout=0.1, weight_dropout=0.2,
    zoneout=0.1, activation=1.0, slowness=1.0, clip_value=1.0, clip_step=0.5, valid_share=0.2,
)  # fmt: skip
CONFIGS = {
    "streams": CONFIG,
    "sgd, reach below the window": dataclasses.replace(
        CONFIG, optimiser="sgd", reach=5, vary=0.0, accumulate=1, ema=0.0, momentum=0.5, lr=0.1
    ),
    "plain sgd": dataclasses.replace(CONFIG, optimiser="sgd", reach=0, momentum=0.0, locked=False, save_every=5),
    "adam, words": dataclasses.replace(CONFIG, optimiser="adam", level="word", cell="gru-cho", documents="none"),
    "whole documents": dataclasses.replace(CONFIG, window=0, reach=0, vary=0.0, batch=3, accumulate=1),
    "pieces": dataclasses.replace(CONFIG, level="subword", vocab=270, documents="file", cell="layer-norm-lstm"),
}


@pytest.fixture(scope="module")
def text(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("text") / "a.txt"
    path.write_text(TEXT, encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As in the processes that are killed."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def whole(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run[TextConfig]]:
    """A run of each configuration that was never stopped."""
    found: dict[str, Run[TextConfig]] = {}
    folder = tmp_path_factory.mktemp("whole")

    def get(name: str) -> Run[TextConfig]:
        if name not in found:
            torch.set_num_threads(1)
            found[name] = train([text], CONFIGS[name], folder / name.replace(" ", "-"))
        return found[name]

    return get


def begun(text: Path, folder: Path, config: TextConfig = CONFIG) -> Run[TextConfig]:
    """A run that has been made and not trained."""
    return Run.create(folder, config, {"train": [text]})


def bits(run: Run[TextConfig]) -> dict[str, dict[str, Tensor]]:
    return {
        "model": load_tensors(run.model_file, "model")[0],
        "checkpoint": load_tensors(run.checkpoint, "checkpoint")[0],
    }


def logged(run: Run[TextConfig]) -> list[dict[str, Any]]:
    """The log without what differs from run to run: clocks, and that it was resumed."""
    lines = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    left_out = ("time", "seconds", "cpu", "speed", "memory")
    return [{k: v for k, v in line.items() if k not in left_out} for line in lines if "resumed" not in line]


def assert_same(run: Run[TextConfig], other: Run[TextConfig]) -> None:
    """Bit for bit: weights, running means, what the optimisers remember, carried and random states; and the log."""
    for kind, tensors in bits(other).items():
        found = bits(run)[kind]
        assert found.keys() == tensors.keys()
        different = [name for name in tensors if not torch.equal(found[name], tensors[name])]
        error = math.inf if different else 0.0
        shown("resumed = never stopped", other.config.cell, (kind, other.config.steps), kind, error, dtype="float32")
        assert not different, f"{kind}: {different}"
    assert logged(run) == logged(other)
    steps = [line["step"] for line in logged(run) if "loss" in line]
    assert steps == list(range(1, run.config.steps + 1))
    for file in (run.checkpoint, run.model_file):
        kind = file.name.partition(".")[0]
        a, b = (load_tensors(r.folder / file.name, kind)[1] for r in (run, other))
        for key in a.keys() - {"metrics", "machine", "seconds", "cpu"}:
            assert a[key] == b[key]
        assert a.keys() == b.keys()
    assert {p.name for p in run.folder.iterdir()} == {p.name for p in other.folder.iterdir()}


# --- stopped inside one process --------------------------------------------------------------------


class Stop(BaseException):
    """In place of SIGKILL: nothing in Rondo catches it."""


def stopped(run: Run[TextConfig], corpus: Corpus, draw: random.Random, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Go on, and stop at a random event or a random operation on a file; whether it was stopped."""
    left = draw.randint(1, 16)

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            nonlocal left
            left -= 1
            if not left:
                raise Stop
            return real(*args)

        return call

    torch.manual_seed(draw.randint(0, 999))  # whatever was drawn in the process before
    events = draw.randint(1, 30)
    with monkeypatch.context() as patch:
        for name in ("fsync", "replace"):
            patch.setattr(os, name, counted(getattr(os, name)))
        try:
            for k, _ in enumerate(training(run, corpus, go_on=True)):
                if k == events:
                    return True
        except Stop:
            return True
    return False


LONG = {"plain sgd", "adam, words", "pieces"}


@pytest.mark.parametrize("name", [pytest.param(n, marks=[pytest.mark.long] * (n in LONG)) for n in CONFIGS])
def test_stopped_anywhere_it_ends_alike(
    name: str, text: Path, tmp_path: Path, whole: Callable[[str], Run[TextConfig]], monkeypatch: pytest.MonkeyPatch
) -> None:
    run, draw = begun(text, tmp_path / "run", CONFIGS[name]), random.Random(name)
    corpus = Corpus.read(run.data(), run.config)
    stops = 0
    while stopped(Run.open(run.folder, TextConfig), corpus, draw, monkeypatch):
        stops += 1
        assert stops < 200
    assert stops >= 2
    for left in run.folder.glob(".*.new"):  # a write that was stopped and never came again
        left.unlink()
    assert_same(run, whole(name))


def test_another_seed_ends_otherwise(text: Path, tmp_path: Path, whole: Callable[[str], Run[TextConfig]]) -> None:
    """The comparison would notice."""
    other = train([text], dataclasses.replace(CONFIG, seed=2), tmp_path / "run")
    a, b = bits(other)["model"], bits(whole("streams"))["model"]
    assert all(not torch.equal(a[name], b[name]) for name in a if a[name].dim() > 1)


# --- killed --------------------------------------------------------------------------------------


def options(config: TextConfig) -> Iterator[str]:
    """The flags of what differs from the defaults."""
    for field in dataclasses.fields(config):
        value, flag = getattr(config, field.name), field.name.replace("_", "-")
        if value != field.default:
            given = [f"--{flag}" if value else f"--no-{flag}"]
            yield from given if isinstance(value, bool) else [f"--{flag}", str(value)]


class Killer:
    """Starts the command and kills it, again and again, until it comes to its end."""

    def __init__(self, text: Path, config: TextConfig, folder: Path) -> None:
        self.begin, self.folder = ["train", "text", str(text), "--out", str(folder), *options(config)], folder
        self.kills = 0

    @property
    def arguments(self) -> list[str]:
        """Resume what is a run; give the first command again where it is none yet."""
        begun = (self.folder / "config.toml").exists()
        return ["train", "--resume", str(self.folder)] if begun else self.begin

    def in_a_fork(self, after: float = 60, killed_at: int = 0) -> bool:
        """Whether it ended; else it was killed after so many seconds, or at its so-manieth operation on a file."""
        said = self.folder.with_suffix(".out")
        said.touch()
        process = workers.start(workers.rondo, self.arguments, said, killed_at)
        process.join(after)
        if process.exitcode is None:
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        return self._ended(process.exitcode, said.read_text())

    def by_itself(self, after: float, running: bool) -> bool:
        """The same for a process of its own; with `running` the seconds begin when something new is logged."""
        command, log = [sys.executable, "-m", "rondo", *self.arguments], self.folder / "log.jsonl"
        size = log.stat().st_size if log.exists() else -1
        with subprocess.Popen(
            command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        ) as process:
            while running and process.poll() is None and (not log.exists() or log.stat().st_size == size):
                time.sleep(0.01)
            try:
                process.wait(after)
            except subprocess.TimeoutExpired:
                process.kill()
            errors = process.communicate()[1].decode()
        return self._ended(process.returncode, errors)

    def _ended(self, code: int | None, said: str) -> bool:
        assert code in (0, -signal.SIGKILL), said
        self.kills += code != 0
        return code == 0

    def run(self) -> Run[TextConfig]:
        for left in self.folder.glob(".*.new"):  # a write that was killed and never came again
            left.unlink()
        return Run.open(self.folder, TextConfig)


def test_killed_at_random_moments(text: Path, tmp_path: Path, whole: Callable[[str], Run[TextConfig]]) -> None:
    """`rondo train text`, killed, and then resumed until it ends. The long test below does more of it."""
    draw, kills = random.Random(1), 0
    assert Killer(text, dataclasses.replace(CONFIG, steps=1), tmp_path / "warm").in_a_fork()
    timed = Killer(text, CONFIG, tmp_path / "timed")
    began = time.monotonic()
    assert timed.in_a_fork()
    took = time.monotonic() - began
    assert_same(timed.run(), whole("streams"))
    for k in itertools.count():
        killer = Killer(text, CONFIG, tmp_path / f"{k}")
        while not killer.in_a_fork(draw.uniform(0, took)):
            pass
        assert_same(killer.run(), whole("streams"))
        kills += killer.kills
        if kills >= 4:
            break


def test_killed_at_operations_on_files(text: Path, tmp_path: Path, whole: Callable[[str], Run[TextConfig]]) -> None:
    """In the midst of a checkpoint, between its two renames, while the log is cut, before the model is in its place."""
    killer, draw = Killer(text, CONFIG, tmp_path / "run"), random.Random(2)
    while not killer.in_a_fork(killed_at=draw.randint(1, 12)):
        pass
    assert killer.kills >= 4
    assert_same(killer.run(), whole("streams"))
    assert killer.in_a_fork()  # once more: it is at its end
    assert "this run is at its end: nothing was left to do" in (tmp_path / "run.out").read_text()
    assert_same(killer.run(), whole("streams"))


@pytest.mark.long
def test_more_than_twenty_kills_of_the_command(text: Path, tmp_path: Path) -> None:
    """`python -m rondo` itself, while it imports, reads, trains, validates and writes."""
    config = dataclasses.replace(CONFIG, steps=60, valid_every=20, save_every=4)
    first = Killer(text, config, tmp_path / "whole")
    began = time.monotonic()
    assert first.by_itself(300, False)
    took = time.monotonic() - began
    draw, kills = random.Random(3), 0
    for k in itertools.count():
        killer = Killer(text, config, tmp_path / f"{k}")
        while not killer.by_itself(draw.uniform(0, 0.3) * took, running=draw.random() < 0.7):
            pass
        assert_same(killer.run(), first.run())
        kills += killer.kills
        if kills > 22:
            return


# --- damaged checkpoints -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def begun_half(text: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.set_num_threads(1)
    run = begun(text, tmp_path_factory.mktemp("half") / "run")
    for event in training(run, Corpus.read(run.data(), run.config)):
        if event.step == 8:
            break
    return run.folder


@pytest.fixture
def half(begun_half: Path, tmp_path: Path) -> Run[TextConfig]:
    """A run stopped at step 8, with checkpoints of steps 3 and 6, and its log two steps ahead."""
    shutil.copytree(begun_half, tmp_path / "run")
    return Run.open(tmp_path / "run", TextConfig)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)


def empty(path: Path) -> None:
    path.write_bytes(b"")


@pytest.mark.parametrize("damage", [cut, flip, empty])
def test_a_torn_checkpoint_is_passed_over(
    damage: Callable[[Path], None], half: Run[TextConfig], whole: Callable[[str], Run[TextConfig]],
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    damage(half.checkpoint)
    resume(half.folder)
    printed = " ".join(capsys.readouterr().out.split())
    assert "warning: " in printed
    assert "checkpoint.safetensors is damaged" in printed
    assert "the checkpoint before it is used" in printed
    lines = [json.loads(line) for line in (half.folder / "log.jsonl").read_text().splitlines()]
    assert [line["resumed"] for line in lines if "resumed" in line] == [3]
    assert_same(half, whole("streams"))


@pytest.mark.parametrize("at", [3, 4, 5])  # after the log: sync, rename, rename
def test_a_torn_checkpoint_never_becomes_the_one_before(
    at: int, half: Run[TextConfig], whole: Callable[[str], Run[TextConfig]]
) -> None:
    """Killed while the next checkpoint takes its place, the run still has the good one."""
    flip(half.checkpoint)
    process = workers.start(workers.rondo, ["train", "--resume", str(half.folder)], None, at)
    process.join()
    assert process.exitcode == -signal.SIGKILL
    resume(half.folder)
    assert_same(half, whole("streams"))


def test_both_checkpoints_damaged(half: Run[TextConfig]) -> None:
    cut(half.checkpoint)
    cut(half.previous)
    with pytest.raises(FileError, match=r"checkpoint\.previous\.safetensors is damaged"):
        resume(half.folder)
    half.previous.unlink()
    with pytest.raises(FileError, match=r"checkpoint\.safetensors is damaged"):
        resume(half.folder)
    assert half.checkpoint.exists()  # nothing is thrown away where nothing else is left


# what a killed process may leave: the folder between two operations
STATES: dict[str, Callable[[Run[TextConfig]], object]] = {
    "before the first rename": lambda run: (run.folder / ".checkpoint.safetensors.new").write_bytes(b"half"),
    "between the renames": lambda run: run.checkpoint.rename(run.previous),
    "between the renames, the new one beside": lambda run: (
        shutil.copy(run.checkpoint, run.folder / ".checkpoint.safetensors.new"),
        run.checkpoint.rename(run.previous),
    ),
    "no checkpoint yet": lambda run: (run.checkpoint.unlink(), run.previous.unlink()),
    "no checkpoint yet, no log": lambda run: [
        p.unlink() for p in (run.checkpoint, run.previous, run.folder / "log.jsonl")
    ],
    "half a line of the log": lambda run: (run.folder / "log.jsonl").open("a").write('{"step": 15, "los'),
    "half a model": lambda run: (run.folder / ".model.safetensors.new").write_bytes(b"half"),
}


@pytest.mark.parametrize("name", STATES)
def test_what_a_killed_process_leaves(
    name: str, half: Run[TextConfig], whole: Callable[[str], Run[TextConfig]]
) -> None:
    STATES[name](half)
    resume(half.folder)
    assert_same(half, whole("streams"))
    lines = [json.loads(line) for line in (half.folder / "log.jsonl").read_text().splitlines()]
    assert all(line["warnings"] == [] for line in lines if "resumed" in line)  # nothing of this is damage


def test_a_folder_that_is_not_yet_a_run(text: Path, tmp_path: Path) -> None:
    """Killed while the folder was made: it cannot be resumed, and the command can be given again."""
    run = begun(text, tmp_path / "run")
    (run.folder / "config.toml").unlink()
    with pytest.raises(FileError, match="is no run: it has no config"):
        resume(run.folder)
    begun(text, tmp_path / "run")


# --- what has changed ------------------------------------------------------------------------------


def test_other_data_is_an_error(tmp_path: Path) -> None:
    text = tmp_path / "a.txt"
    text.write_text(TEXT)
    run = begun(text, tmp_path / "run")
    text.write_text(TEXT + "more\n")
    with pytest.raises(FileError, match=r"a\.txt has changed since the run began"):
        resume(run.folder)
    text.unlink()
    with pytest.raises(FileError, match=r"a\.txt is gone"):
        resume(run.folder)


def test_other_settings_are_an_error(half: Run[TextConfig]) -> None:
    path = half.folder / "config.toml"
    path.write_text(path.read_text().replace("lr = 0.01", "lr = 0.02"))
    with pytest.raises(FileError, match=r"written with another lr than config\.toml has: 0\.02; restore it"):
        resume(half.folder)


def test_a_run_begins_with_the_weights_of_another(half: Run[TextConfig], tmp_path: Path) -> None:
    text = half.data()["train"]
    config = dataclasses.replace(CONFIG, after=str(half.folder), steps=2, warmup=1, lr=1e-12, weight_decay=0.0, ema=0.0)
    run = train(text, config, tmp_path / "second")
    before = load_tensors(half.checkpoint, "checkpoint")[0]
    now = load_tensors(run.checkpoint, "checkpoint")[0]
    names = [n for n in now if n.startswith("model.")]
    assert names
    for name in names:  # the running means, where the first run kept them
        kept = before.get(name.replace("model.", "average."), before[name])
        torch.testing.assert_close(now[name], kept, rtol=0, atol=1e-9)
    assert logged(run)[0]["step"] == 1
    shutil.rmtree(half.folder)  # is read at the beginning alone
    resume(run.folder)


def test_a_run_begins_with_the_weights_of_a_model_file(half: Run[TextConfig], tmp_path: Path) -> None:
    text = half.data()["train"]
    resume(half.folder)
    copy = shutil.copy(half.model_file, tmp_path / "model.safetensors")
    config = dataclasses.replace(CONFIG, after=str(copy), steps=2, warmup=1, lr=1e-12, weight_decay=0.0, ema=0.0)
    now = load_tensors(train(text, config, tmp_path / "second").checkpoint, "checkpoint")[0]
    kept = load_model(Path(copy))[0].state_dict()
    assert kept
    for name, value in kept.items():
        torch.testing.assert_close(now[f"model.{name}"], value, rtol=0, atol=1e-9)
    with pytest.raises(FileError, match="does not fit its description"):
        train(text, dataclasses.replace(config, hidden=9), tmp_path / "wider")
    other = tmp_path / "b.txt"
    other.write_text(TEXT.replace("e", "é"))
    with pytest.raises(FileError, match="has another vocabulary"):
        train([other], config, tmp_path / "other")
    with pytest.raises(BundledError, match="neither a file nor a bundled model"):
        train(text, dataclasses.replace(config, after="nowhere"), tmp_path / "nowhere")


def test_a_run_begins_with_no_weights_that_do_not_fit(half: Run[TextConfig], tmp_path: Path) -> None:
    text = half.data()["train"]
    config = dataclasses.replace(CONFIG, after=str(half.folder), steps=1)
    with pytest.raises(FileError, match="does not fit its description"):
        train(text, dataclasses.replace(config, hidden=9), tmp_path / "wider")
    other = tmp_path / "b.txt"
    other.write_text(TEXT + "more\n")
    with pytest.raises(FileError, match="read other data"):
        train([other], config, tmp_path / "other")
    half.checkpoint.unlink()
    half.previous.unlink()
    with pytest.raises(FileError, match="has no checkpoint yet"):
        train(text, config, tmp_path / "none")


def test_other_threads_are_a_warning(half: Run[TextConfig], capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(2)
    resume(half.folder)
    assert "warning: threads was 1, now 2: the last bits may differ" in " ".join(capsys.readouterr().out.split())
    lines = [json.loads(line) for line in (half.folder / "log.jsonl").read_text().splitlines()]
    assert ["threads was 1" in str(line["warnings"]) for line in lines if "resumed" in line] == [True]
    assert load_tensors(half.checkpoint, "checkpoint")[1]["step"] == CONFIG.steps


# --- a full disk -----------------------------------------------------------------------------------


FULL = [("fsync", 1), ("fsync", 3), ("replace", 2), ("replace", 3), ("replace", 4), ("wb", 2), ("a", 1), ("a", 4)]


@pytest.mark.parametrize(("operation", "at"), FULL)
def test_a_full_disk_loses_nothing(
    operation: str, at: int, half: Run[TextConfig], whole: Callable[[str], Run[TextConfig]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """Full at the so-manieth write: one clear error, the checkpoint before is whole, and the run ends alike."""
    calls = itertools.count(1)

    def failing(real: Callable[..., Any], wanted: Callable[..., bool]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            if wanted(*args, **more) and next(calls) >= at:
                raise OSError(28, "No space left on device")
            return real(*args, **more)

        return call

    with monkeypatch.context() as patch:
        if operation in ("fsync", "replace"):
            patch.setattr(os, operation, failing(getattr(os, operation), lambda *_, **__: True))
        else:
            patch.setattr(Path, "open", failing(Path.open, lambda p, mode="r", **_: mode == operation))
        with pytest.raises(FileError, match=r"cannot be written \(No space left on device\); .* is kept"):
            resume(half.folder)
    assert not list(half.folder.glob(".*.new"))
    load_tensors(half.checkpoint if half.checkpoint.exists() else half.previous, "checkpoint")
    resume(half.folder)
    assert_same(half, whole("streams"))


def test_a_full_disk_on_the_command_line(
    half: Run[TextConfig], tmp_path: Path, whole: Callable[[str], Run[TextConfig]]
) -> None:
    """No file may grow beyond 8 KB: the checkpoint cannot be written. One message, exit code 2; then there is room."""
    before = half.checkpoint.read_bytes()
    process = workers.start(workers.rondo, ["train", "--resume", str(half.folder)], tmp_path / "out", 0, 8192)
    process.join()
    said = (tmp_path / "out").read_text().splitlines()
    assert process.exitcode == 2, said
    assert said[-1].startswith("rondo: ")
    assert "cannot be written (File too large)" in said[-1]
    assert "Traceback" not in said
    assert half.checkpoint.read_bytes() == before
    resume(half.folder)
    assert_same(half, whole("streams"))


def test_the_best_model_stays(half: Run[TextConfig], monkeypatch: pytest.MonkeyPatch) -> None:
    """A resumed run remembers its best validation: a worse one later does not take the model's place."""
    results = iter([1.0, 2.0])
    monkeypatch.setattr("rondo.train.loop.mean_loss", lambda *_: next(results))
    corpus = Corpus.read(half.data(), half.config)
    for event in training(half, corpus, go_on=True):
        if event.step == 10:  # after the validation of step 8 and the checkpoint of step 9
            break
    resume(half.folder)
    assert not list(results)
    assert load_tensors(half.model_file, "model")[1]["metrics"]["step"] == 8
    assert load_tensors(half.checkpoint, "checkpoint")[1]["best"] == 1.0


def test_what_the_model_file_says_besides_is_kept(half: Run[TextConfig], tmp_path: Path) -> None:
    """The licence that was given to the training stands in the model file of the resumed one."""
    about = {"licence": "CC0", "data": ["a rhyme", "é"]}
    run = Run.create(tmp_path / "other", half.config, half.data(), about)
    assert next(training(run, Corpus.read(run.data(), run.config))).step == 1
    resume(run.folder)
    found = load_tensors(run.model_file, "model")[1]
    assert {key: found[key] for key in about} == about
    (run.folder / "about.json").write_text("[1]")
    with pytest.raises(FileError, match=r"about\.json cannot be read"):
        run.about()
    assert half.about() == {}


def test_validations_come_again(text: Path, tmp_path: Path, whole: Callable[[str], Run[TextConfig]]) -> None:
    """Stopped after a validation and before its checkpoint, the validation is made again, with the same result."""
    run = begun(text, tmp_path / "run")
    for event in training(run, Corpus.read(run.data(), run.config)):
        if isinstance(event, Validation):
            break
    assert load_tensors(run.checkpoint, "checkpoint")[1]["step"] == 6
    events = list(training(Run.open(run.folder, TextConfig), Corpus.read(run.data(), run.config), go_on=True))
    assert [e.step for e in events if isinstance(e, Validation)] == [8, 16]
    assert_same(run, whole("streams"))
