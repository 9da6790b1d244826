"""A character model of a pasted text: its folder, its settings, and events that leave the training as it is."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from rondo.cell import EquationError
from rondo.files import load_tensors
from rondo.train import paste, text
from rondo.train.config import TextConfig
from rondo.train.fit import Record
from rondo.train.loop import Validation
from rondo.train.run import Run

CELL = {"equations": "def Mine(x: input, h: hidden):\n    return State(h=tanh(W @ x + U @ h + b))", "name": "Mine"}
WORDS = "the quick brown fox jumps over the lazy dog, and the dog sleeps\n" * 20
CONFIG = paste.config_for(len(WORDS), hidden=8, steps=20, lr=0.01, seed=3)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def test_the_folder_is_a_run_with_its_own_text_and_cell(tmp_path: Path) -> None:
    run = paste.create(tmp_path / "a", WORDS.replace("\n", "\r\n"), CELL, CONFIG)
    assert (tmp_path / "a" / "text.txt").read_text(encoding="utf-8") == WORDS
    assert json.loads((tmp_path / "a" / "cell.json").read_text(encoding="utf-8")) == CELL
    assert run.about()["title"] == "the quick brown fox jumps over the lazy "
    assert Run.open(tmp_path / "a", TextConfig).config == run.config
    assert paste.saved_step(run) == 0
    assert paste.best(run) is None


def test_events_train_as_the_command_does(tmp_path: Path) -> None:
    """What is shown and sampled in between changes no bit of the training."""
    run = paste.create(tmp_path / "a", WORDS, CELL, CONFIG)
    plain = text.train([tmp_path / "a" / "text.txt"], run.config, tmp_path / "plain")
    begun, *events = paste.events(run)
    assert isinstance(begun, paste.Begun)
    assert (begun.symbols + begun.held, begun.step, begun.steps, begun.history) == (len(WORDS), 0, 20, ())
    assert [e.step for e in events if isinstance(e, Record)] == list(range(1, 21))
    assert [e.step for e in events if isinstance(e, Validation)] == list(range(1, 21))
    assert all(len(e.text) == paste.LENGTH for e in events if isinstance(e, paste.Written))
    for file in ("checkpoint", "model"):
        got, want = (load_tensors(r.folder / f"{file}.safetensors", file)[0] for r in (run, plain))
        assert got.keys() == want.keys()
        assert all(torch.equal(got[k], want[k]) for k in want)
    assert paste.saved_step(run) == 20
    nats = min(e.valid for e in events if isinstance(e, Validation))
    assert paste.best(run) == pytest.approx(nats / torch.tensor(2.0).log().item())


def test_a_run_that_stopped_tells_what_was_before(tmp_path: Path) -> None:
    run = paste.create(tmp_path / "a", WORDS, CELL, CONFIG)
    for event in paste.events(run):
        if isinstance(event, paste.Written) and event.step == 7:
            break
    saved = paste.saved_step(run)
    assert 0 < saved <= 7
    begun, *_ = paste.events(run)
    assert isinstance(begun, paste.Begun)
    assert begun.step == saved
    assert [s for s, kind, _ in begun.history if kind == "valid"] == list(range(1, saved + 1))


def test_a_damaged_checkpoint_or_log_is_passed_over(tmp_path: Path) -> None:
    run = paste.create(tmp_path / "a", WORDS, CELL, CONFIG)
    for event in paste.events(run):
        if isinstance(event, paste.Written) and event.step == 3:
            break
    run.checkpoint.write_bytes(b"\x08\x00\x00\x00\x00\x00\x00\x00 broken ")
    with (run.folder / "log.jsonl").open("a") as file:
        file.write('{"step": 9, "va')
    assert 0 < paste.saved_step(run) < 3
    assert paste.best(run) is not None


@pytest.mark.parametrize("characters", [400, 3000, 40_000, 1_000_000])
@pytest.mark.parametrize("steps", [1, 10, 6000])
def test_settings_fit_every_length(tmp_path: Path, characters: int, steps: int) -> None:
    config = paste.config_for(characters, hidden=8, steps=steps, lr=0.01, seed=1)
    assert config.batch == min(32, max(1, characters // 600))
    words = ("a line of words\n" * (characters // 16 + 1))[:characters]
    corpus = text.Corpus.of([words], [], config)
    batch = next(corpus.batches(config, 0))
    assert batch.x.shape[0] == config.batch
    assert steps // config.valid_every <= 39
    assert config.save_every <= config.valid_every


@pytest.mark.parametrize(
    ("words", "cell", "error", "said"),
    [
        ("too short", CELL, paste.PasteError, "at least 400"),
        (" \n" * 900, CELL, paste.PasteError, "at least 400"),
        (WORDS + "\ud800", CELL, paste.PasteError, "surrogate"),
        (WORDS, {"equations": "h = ("}, EquationError, "line 1"),
        (WORDS, {}, EquationError, "no 'equations'"),
    ],
)
def test_what_cannot_be_learnt_is_told(
    tmp_path: Path, words: str, cell: dict[str, str], error: type[ValueError], said: str
) -> None:
    with pytest.raises(error, match=said):
        paste.create(tmp_path / "a", words, cell, CONFIG)
    assert not (tmp_path / "a").exists()
