"""Training: it learns, it clips by the true norm, it carries its state, it goes on where it stopped."""

from __future__ import annotations

import dataclasses
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from rondo.cells import find
from rondo.data.text import DataError, endless, one_pass, streams
from rondo.models.generator import Generator
from rondo.states import States
from rondo.train.config import Config
from rondo.train.fit import Progress, TrainingError, backward, clip, fit, learning_rate, mean_bits, share_done, start
from rondo.train.quickstart import parses, quickstart, sampled_lines, stdlib_files, tokenises
from rondo.train.run import Run
from rondo.train.store import load_tensors
from rondo.train.text import Corpus, Validation, sample, train, training

TINY = Config(cell="gru-cho", hidden=24, batch=4, window=16, steps=30, lr=0.01, warmup=5, valid_every=10, log_every=5)
RHYME = "one for the master, one for the dame,\nand one for the little boy who lives down the lane\n"


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.of([RHYME * 30], TINY)


def model_of(corpus: Corpus, cell: str = "gru-cho", **more: int) -> Generator:
    torch.manual_seed(0)
    return Generator(find(cell), len(corpus.vocab), 12, **more)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    return {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}


def test_it_goes_below_the_ngram_floor() -> None:
    """Nine a and nine b by turns: five characters cannot tell how many have passed, a carried state can."""
    config = dataclasses.replace(TINY, steps=120, lr=0.02, window=32)
    corpus = Corpus.of([("a" * 9 + "b" * 9) * 150], config)
    torch.manual_seed(1)
    model = Generator(find("lstm"), len(corpus.vocab), hidden=32)
    records = list(fit(model, endless(streams(corpus.train, 4), config.window), config))
    assert [r.step for r in records] == list(range(1, 121))
    assert records[0].loss == pytest.approx(math.log2(len(corpus.vocab)), rel=0.2)
    assert corpus.baseline.bits(corpus.valid) > 0.4
    assert records[-1].loss < 0.1


@pytest.mark.parametrize(("cell", "embed"), [("elman", 0), ("lstm", 7), ("lstm-projected", 0), ("ind-rnn", 5)])
def test_carried_state_equals_one_long_sequence(corpus: Corpus, cell: str, embed: int) -> None:
    model = model_of(corpus, cell, embed=embed).double()
    stream = streams(corpus.train[:201], 3)
    whole = mean_bits(model, one_pass(stream, 1000))
    # float64: windows only change the order of one sum
    assert mean_bits(model, one_pass(stream, 7)) == pytest.approx(whole, rel=1e-12)


def test_reach_of_the_window_is_full_bptt(corpus: Corpus) -> None:
    model = model_of(corpus).double()
    batch = next(one_pass(streams(corpus.train, 3), 12))
    model.loss(batch.x, batch.y)[0].backward()
    wanted = gradients(model)
    model.zero_grad()
    backward(model, batch, None, reach=12)
    for name, g in gradients(model).items():
        torch.testing.assert_close(g, wanted[name])


def test_a_shorter_reach_cuts_the_gradient_and_nothing_else(corpus: Corpus) -> None:
    model = model_of(corpus).double()
    batch = next(one_pass(streams(corpus.train, 3), 12))
    loss, state = model.loss(batch.x, batch.y)
    got, after = backward(model, batch, None, reach=5)  # pieces of 5, 5 and 2
    assert got == pytest.approx(loss.item())
    torch.testing.assert_close(after["l0.h"], state["l0.h"].detach())
    seen = gradients(model)
    model.zero_grad()
    carried: States | None = None
    for first, last in ((0, 5), (5, 10), (10, 12)):
        piece, carried = model.loss(batch.x[:, first:last], batch.y[:, first:last], carried)
        (piece * (last - first) / 12).backward()
        carried = carried.detach()
    for name, g in gradients(model).items():
        torch.testing.assert_close(g, seen[name])


def test_clipping_is_by_the_true_norm() -> None:
    model = nn.Linear(2, 1)
    model.weight.grad, model.bias.grad = torch.tensor([[3.0, 4.0]]), torch.tensor([12.0])
    assert clip(model, 0.0, 1) == clip(model, 13.0, 1) == 13.0  # the square root of 169, and not 169
    assert model.bias.grad.item() == 12.0
    clip(model, 6.5, 1)
    torch.testing.assert_close(model.weight.grad, torch.tensor([[1.5, 2.0]]))
    torch.testing.assert_close(model.bias.grad, torch.tensor([6.0]))


def test_records_tell_of_clipping(corpus: Corpus) -> None:
    config = dataclasses.replace(TINY, clip=0.001)
    records = list(fit(model_of(corpus), itertools.islice(endless(streams(corpus.train, 4), 16), 3), config))
    assert len(records) == 3
    assert all(r.norm > r.clipped == 0.001 for r in records)


def test_a_gradient_that_is_not_finite_stops_the_training(corpus: Corpus) -> None:
    model = model_of(corpus)
    with torch.no_grad():
        model.head.weight[0, 0] = torch.nan
    with pytest.raises(TrainingError, match=r"step 1: the gradient of \S+ is not finite; take a smaller lr"):
        next(fit(model, endless(streams(corpus.train, 4), 16), TINY))


def test_learning_rate_rises_and_falls() -> None:
    progress = Progress(torch.optim.SGD([torch.zeros(1)], lr=1.0))
    config = dataclasses.replace(TINY, lr=1.0, warmup=10, steps=100, lr_last=0.1)
    rates = []
    for progress.step in range(101):
        rates.append(learning_rate(config, progress))
    assert rates[0] == pytest.approx(0.1, rel=0.01)
    assert max(rates) == pytest.approx(1.0, rel=0.05)
    assert rates[100] == pytest.approx(0.1)
    assert all(a >= b for a, b in itertools.pairwise(rates[10:]))
    assert learning_rate(dataclasses.replace(config, schedule="constant"), progress) == 1.0


def test_the_clock_ends_a_training(corpus: Corpus) -> None:
    config = dataclasses.replace(TINY, steps=1, minutes=0.5 / 60)
    records = list(fit(model_of(corpus), endless(streams(corpus.train, 4), 16), config))
    assert len(records) > 1
    assert records[-1].done >= 1 > records[-2].done
    assert records[-1].seconds == pytest.approx(0.5, abs=0.4)
    assert records[-1].lr < 0.2 * config.lr
    assert share_done(config, start(model_of(corpus), config)) == 0


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd"])
def test_resuming_changes_nothing(corpus: Corpus, tmp_path: Path, optimiser: str) -> None:
    """Stopped after the checkpoint at step 20 and resumed, the last weights are those of a run never stopped."""
    config = dataclasses.replace(TINY, optimiser=optimiser)
    whole, broken = Run.create(tmp_path / "whole", config), Run.create(tmp_path / "broken", config)
    for _ in training(whole, corpus, 0.0):
        pass
    for event in training(broken, corpus, 0.0):
        if isinstance(event, Validation) and event.step == 20:
            break
    torch.manual_seed(999)
    steps = [
        e.step for e in training(Run.open(broken.folder), corpus, 0.0, resume=True) if not isinstance(e, Validation)
    ]
    assert steps == list(range(21, 31))
    a, b = (load_tensors(r.folder / "checkpoint.safetensors", "checkpoint")[0] for r in (whole, broken))
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)


def test_train_and_sample(tmp_path: Path) -> None:
    files = []
    for k in range(4):
        files.append(tmp_path / f"{k}.txt")
        files[-1].write_text(RHYME * 8, encoding="utf-8")
    run = train(files, dataclasses.replace(TINY, valid_share=0.25), tmp_path / "run")
    assert len((run.folder / "log.jsonl").read_text().splitlines()) == 30 // 5 + 3
    for source in (run.folder, run.model_file):
        text = "".join(sample(source, "one ", temperature=0.5, length=40, seed=3))
        assert len(text) == 40
        assert text == "".join(sample(run.folder, "one ", temperature=0.5, length=40, seed=3))
    assert text != "".join(sample(run.folder, "one ", temperature=0.5, length=40, seed=4))
    assert len("".join(sample(run.folder, length=5))) == 5


def test_a_fault_before_the_first_step_leaves_the_folder_free(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_text(RHYME * 8, encoding="utf-8")
    with pytest.raises(ValueError, match="did you mean 'lstm'"):
        train([file], dataclasses.replace(TINY, cell="lstn"), tmp_path / "run")
    train([file], dataclasses.replace(TINY, steps=1), tmp_path / "run")


def test_a_text_too_short(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a", encoding="utf-8")
    with pytest.raises(DataError, match="no text left for validation"):
        train([tmp_path / "a.txt"], TINY, tmp_path / "run")
    (tmp_path / "a.txt").write_text("abcdefgh", encoding="utf-8")
    with pytest.raises(DataError, match="no character occurs 2 times"):
        train([tmp_path / "a.txt"], dataclasses.replace(TINY, valid_share=0.4), tmp_path / "run")
    with pytest.raises(DataError, match="too few for 4 rows"):
        train([tmp_path / "a.txt"], dataclasses.replace(TINY, vocab_least=1, valid_share=0.4), tmp_path / "run")


@pytest.mark.parametrize(
    ("line", "tokens", "parsed"),
    [
        ("x = f(1)", True, True),
        ("    if x:", True, True),
        ("def f(a,", True, False),
        ("return 'abc", False, False),
        ('"""A docstring that goes on', False, False),
        ("words without sense", True, False),
        ("cost $5", False, False),
        ("x = \\", True, False),
        ("# anything $ at all", True, True),
    ],
)
def test_what_counts_as_python(line: str, tokens: bool, parsed: bool) -> None:
    assert tokenises(line) is tokens
    assert parses(line) is parsed


def test_endless_lines_are_cut() -> None:
    vocab = Corpus.of(["ab\n" * 9], TINY).vocab
    scores = torch.tensor([0.0, *([1.0 if s == "a" else -50.0 for s in vocab.symbols[1:]])])
    lines = sampled_lines(lambda symbol: scores, vocab, 2, seed=1)
    assert lines == ["a" * 400] * 2


def test_the_standard_library_is_found() -> None:
    names = {p.name for p in stdlib_files()}
    assert {"dataclasses.py", "decoder.py"} <= names
    assert not any("test" in p.parts or "site-packages" in p.parts for p in stdlib_files())


def test_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("rondo.train.quickstart.stdlib_texts", lambda: ["x = 1\nif x:\n    print(x)\n" * 40] * 4)
    shares = quickstart(tmp_path / "run", dataclasses.replace(TINY, valid_share=0.25))
    assert list(shares) == ["gru-cho", "5-gram", "held-out text"]
    assert shares["held-out text"] == 1.0
    printed = capsys.readouterr().out
    assert "5-gram model" in printed
    assert "tokenise" in printed
