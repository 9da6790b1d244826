"""The agreement probe's small networks that come with Rondo: what their cards say, sentences as people type them."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from rondo import bundled, cli
from rondo.cli import agreement as command  # noqa: F401  # registers the command
from rondo.diagnose import contrast
from rondo.files import FileError
from rondo.models.store import load_model
from rondo.probes import agreement, keep, run, sentences
from rondo.probes.probe import ProbeError
from rondo.train.language import load_language_model

LECTURE = ("The cat, which already ate, was full", "The cats, which ate, were full.")


@pytest.mark.parametrize("kind", list(keep.CELLS))
def test_a_bundled_network_is_as_good_as_its_card_says(kind: str) -> None:
    model = keep.load(f"agreement-{kind}")
    scores = keep.accuracies(model)
    assert {str(at): value for at, value in scores.items()} == load_model(bundled.find(f"agreement-{kind}"))[1][
        "metrics"
    ]
    if kind == "elman":
        assert max(scores.values()) < 0.7
    else:
        assert min(scores.values()) == 1.0
    assert f"{run.count(model):,} parameters" in bundled.card(f"agreement-{kind}")


def test_they_are_small() -> None:
    assert sum(bundled.find(f"agreement-{kind}").stat().st_size for kind in keep.CELLS) < 300_000


@pytest.mark.parametrize("kind", ["gru", "lstm"])
def test_the_lectures_sentences(kind: str) -> None:
    """What is told agrees with the probe's own look, and few units turn the verb."""
    model = keep.load(f"agreement-{kind}")
    one, other = (sentences.inside(model, sentences.tokens(text)) for text in LECTURE)
    for shown, found in zip(agreement.look(model), (one, other), strict=False):
        assert found.words == shown.words
        assert found.verb == shown.right
        assert found.chances == pytest.approx(shown.chances)
    assert one.chances["was"] > 100 * one.chances["were"]
    assert other.chances["were"] > 100 * other.chances["was"]
    exchange = contrast.exchange(one.scores, one.output, other.output, *one.symbols)
    assert exchange.needed in (1, 2, 3)


def test_typed_sentences() -> None:
    assert sentences.tokens(LECTURE[0]) == agreement.SHOWN[0].split()[:-1]
    assert sentences.other_number(sentences.tokens("the cat near the dogs was full"))[:6] == [
        "the",
        "cats",
        "near",
        "the",
        "dogs",
        "were",
    ]
    faults = (
        ("the cat which purred was full", "这些词不在它的词表里：purred / .*purred"),
        ("the cat ate", "needs one of was"),
        ("was", "needs one of was"),
        (" ".join(["the", "cat"] * 30) + " was", "at most 60 words"),
    )
    for text, message in faults:
        with pytest.raises(ProbeError, match=message):
            sentences.tokens(text)
    with pytest.raises(ProbeError, match="no noun"):
        sentences.other_number(["the", "was"])


def test_a_language_model_reads_a_sentence_up_to_its_verb() -> None:
    model = load_language_model("english")
    found = sentences.inside_language(model, "The old  men were tired")
    assert found.words == ("\n", "The", " old", " men")
    words = dict(model.next_words("The old men", 200))
    assert found.chances["were"] > found.chances["was"]
    assert found.p.sum() == pytest.approx(1)
    assert found.chances["were"] == pytest.approx(words["were"], rel=0.2)  # there also a boundary must follow
    assert found.values["l0.c"].shape == (4, 512)
    whole = sentences.inside_language(model, "A walk by the sea")
    assert (whole.forms, whole.verb, whole.chances) == ((), "", {})
    for text in ("", "a b " * 61):
        with pytest.raises(ProbeError, match="1 to 60 symbols"):
            sentences.inside_language(model, text)


def test_training_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command writes a file that loads, with its settings; what else is a model is refused."""
    monkeypatch.setattr(run, "ROWS", 8)
    path = tmp_path / "a.safetensors"
    monkeypatch.setattr(
        "sys.argv", ["rondo", "train", "agreement", "lstm", "--out", str(path), "--steps", "2", "--hidden", "4"]
    )
    with pytest.raises(SystemExit) as end:
        cli.main()
    assert end.value.code == 0
    assert "40 words between" in capsys.readouterr().out
    assert keep.load(path).cell.graph.name == "LSTM"
    assert load_model(path)[1]["config"] == {"hidden": 4, "steps": 2, "batch": 32, "lr": 0.01, "seed": 1}
    with pytest.raises(FileError, match="no network of the agreement probe"):
        keep.load("english")


def test_a_training_depends_on_its_seed_alone() -> None:
    settings = run.Settings(hidden=3, steps=2, seeds=1, lr=(0.01,))

    def weights(seed: int) -> torch.Tensor:
        training = keep.train("gru", settings, seed)
        try:
            while True:
                next(training)
        except StopIteration as end:
            return torch.cat([p.detach().flatten() for p in end.value.parameters()])

    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
