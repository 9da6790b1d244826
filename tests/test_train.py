"""Training: truncated backpropagation cuts where it says, and each step does what its plain computation does."""

from __future__ import annotations

import dataclasses
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from rondo.data.batch import IGNORED, Batch
from rondo.data.text import DataError, Numbered, Streams, Windows, held_out
from rondo.data.vocab import Characters, Subwords
from rondo.files import FileError
from rondo.models.classifier import Classifier
from rondo.models.generator import Generator
from rondo.models.loss import Loss
from rondo.models.store import save_model
from rondo.search.sample import stream
from rondo.states import States
from rondo.train import fit as fit_module
from rondo.train.config import Config, ConfigError, TextConfig
from rondo.train.fit import (
    Progress,
    TrainingError,
    averaged,
    backward,
    finish_gradient,
    fit,
    learning_rate,
    mean_loss,
    share_done,
    start,
    update_average,
    window_share,
)
from rondo.train.language import LanguageModel, load_language_model
from rondo.train.loop import Validation
from rondo.train.quickstart import parses, quickstart, sampled_lines, stdlib_files, tokenises
from rondo.train.run import Run
from rondo.train.text import Corpus, train, training

from shown import shown

TINY = TextConfig(cell="gru-cho", hidden=24, batch=4, window=16, steps=30, lr=0.01, warmup=5, valid_every=10, embed=0)
RHYME = "one for the master, one for the dame,\nand one for the little boy who lives down the lane\n"
SYMBOLS = 7


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return Corpus.of([RHYME * 30], [], TINY)


def made(cell: str = "gru-cho", **more: Any) -> Generator:
    torch.manual_seed(0)
    return Generator(cell, SYMBOLS, 5, **{"embed": 3, **more}).double()


def numbers(length: int, seed: int = 3) -> Any:
    return torch.randint(0, SYMBOLS, (length,), generator=torch.Generator().manual_seed(seed)).numpy()


def streams(length: int = 200, rows: int = 3) -> Streams:
    return Streams.of(Numbered(numbers(length * rows + 1)), rows)


def gradients(model: nn.Module) -> dict[str, Tensor]:
    found = {n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None}
    model.zero_grad()
    return found


def agree(kind: str, quantity: str, got: Tensor, wanted: Tensor, bound: float = 1e-12) -> None:
    error = float((got.detach() - wanted.detach()).abs().max())
    shown(kind, "fit", tuple(got.shape), quantity, error)
    assert error <= bound  # float64, numbers of about 1: only the order of sums differs


# --- truncated backpropagation through time --------------------------------------------------------


def cuts(windows: Windows, length: int) -> Iterator[tuple[int, int, list[int]]]:
    """Of each window: where it begins to be read, where it ends, and for each of its symbols the place at which
    its gradient is cut. Written anew from the documentation."""
    bounds = windows.bounds(length, 0)
    for first, end in itertools.pairwise(bounds):
        if windows.reach > windows.size:
            begin = max(0, end - windows.reach)
            yield begin, end, [begin] * (end - first)
        else:
            piece = windows.reach or end - first
            yield first, end, [first + (t - first) // piece * piece for t in range(first, end)]


def reached(model: Generator, b: Batch, state: States | None, config: Config, place: int) -> tuple[Tensor, States]:
    """dL/de [T, n] in a batch of one row, where only the loss at `place` counts, and the state for the next batch."""
    held: list[Tensor] = []
    hook = model.embedding.register_forward_hook(lambda m, i, e: (e.retain_grad(), held.append(e))[0])
    y = b.y.where(torch.arange(b.x.shape[1]) == place, IGNORED)
    _, _, after = backward(model, dataclasses.replace(b, y=y), None if b.fresh else state, config)
    hook.remove()
    model.zero_grad()
    return torch.cat([e.grad[0] if e.grad is not None else torch.zeros_like(e[0]) for e in held]), after


WINDOWS = st.builds(
    Windows, size=st.integers(1, 8), reach=st.integers(0, 14), vary=st.sampled_from([0.0, 0.4]), seed=st.integers(0, 5)
)


@given(WINDOWS, st.integers(2, 16))
def test_the_gradient_is_cut_exactly_at_the_reach(windows: Windows, length: int) -> None:
    """For the loss at each symbol alone, and the gradient at each symbol before it: nothing from beyond the cut, all
    from within, with the value that a plain run from the detached state gives. Reach below, at and above the window."""
    model, text = made("elman"), torch.from_numpy(numbers(length + 1)).unsqueeze(0)
    stream = Streams(text)
    config = Config(window=windows.size, reach=windows.reach, batch=1)
    state: States | None = None
    for b, (begin, end, places) in zip(windows.one_pass(stream), cuts(windows, length), strict=True):
        assert torch.equal(b.x, text[:, begin:end])
        after: States | None = None
        for t, cut in zip(range(end - len(places), end), places, strict=True):
            got, after = reached(model, b, state, config, t - begin)
            assert t - cut < (windows.reach or 2 * windows.size + 1), "further back than the reach"
            _, entering = model.rnn(model.embedding(text[:, :cut]))
            e = model.embedding(text[:, cut : t + 1]).detach().requires_grad_()
            h, _ = model.rnn(e, entering.detach())
            model.head.loss(h[:, -1:], text[:, t + 1 : t + 2])[0].backward()
            wanted = torch.zeros_like(got)
            wanted[cut - begin : t + 1 - begin] = e.grad[0]
            agree("cut at the reach", "dL/de", got, wanted)
            inside = torch.zeros(end - begin, dtype=torch.bool)
            inside[cut - begin : t + 1 - begin] = True
            assert not got[~inside].any()
            assert (got[inside] != 0).any(1).all()
            model.zero_grad()
        state = after


@given(WINDOWS, st.integers(1, 60), st.integers(1, 3), st.booleans())
def test_carried_state_is_one_long_sequence(windows: Windows, length: int, rows: int, documents: bool) -> None:
    """With weights that stand still, the losses of a training are those of the text read in one go."""
    model = made("lstm")
    text = streams(length, rows)
    if documents:
        text = Streams(text.symbols, text.symbols == 0)
    whole = Batch(
        text.symbols[:, :-1], text.symbols[:, 1:], resets=text.starts if text.starts is None else text.starts[:, :-1]
    )
    nats, _ = model.nats(whole)
    bounds = windows.bounds(length, 0)
    config = Config(window=windows.size, reach=windows.reach, lr=0.0, batch=rows, optimiser="sgd", steps=len(bounds))
    records = list(fit(model, windows.one_pass(text), config))
    assert len(records) == len(bounds) - 1
    for r, (a, b) in zip(records, itertools.pairwise(bounds), strict=True):
        assert r.loss == pytest.approx(float(nats[:, a:b].mean()), rel=1e-10)  # float64


@pytest.mark.parametrize("cell", ["elman", "lstm", "gru-cho", "lstm-projected"])
def test_a_reach_over_the_whole_is_full_bptt(cell: str) -> None:
    """Windows of 5 whose gradient goes back 40, over 40 symbols: the parameters' gradient is that of one sequence."""
    model, text = made(cell), streams(40, 2)
    model.loss(Batch(text.symbols[:, :-1], text.symbols[:, 1:])).total.backward()
    wanted = gradients(model)
    for windows in (Windows(5, reach=40), Windows(5, reach=40, vary=0.3), Windows(40), Windows(40, reach=50)):
        config = Config(window=windows.size, reach=windows.reach, batch=2)
        state: States | None = None
        for b in windows.one_pass(text):
            _, _, state = backward(model, b, None if b.fresh else state, config)
        for name, g in gradients(model).items():
            agree("full BPTT", f"dL/d{name}", g, wanted[name], 1e-11)


def test_a_shorter_reach_cuts_the_gradient_and_nothing_else() -> None:
    model, b = made(), next(Windows(12).one_pass(streams()))
    whole = model.loss(b)
    got, count, after = backward(model, b, None, Config(reach=5))  # pieces of 5, 5 and 2
    assert got == pytest.approx(float(whole.nats), rel=1e-12)
    assert count == whole.count == 36
    agree("shorter reach", "state h", after["l0.h"], whole.state["l0.h"])
    seen = gradients(model)
    state = None
    for first, last in ((0, 5), (5, 10), (10, 12)):
        piece = model.loss(b.steps(first, last), state)
        piece.total.backward()
        state = piece.state.detach()
    for name, g in gradients(model).items():
        agree("shorter reach", f"dL/d{name}", g, seen[name])


def test_whole_documents_are_trained_as_they_are() -> None:
    """window = 0: each from the initial state to its end, never cut; a batch's gradient is the sum of theirs."""
    config = dataclasses.replace(TINY, window=0, documents="line", batch=5, vocab_least=1)
    corpus = Corpus.of(["ab\nabba\n\nb\nbaab\naaa\n" * 3], ["ab\n"], config)
    torch.manual_seed(0)
    model = Generator("lstm", len(corpus.vocab), 5, learn_initial=True).double()
    documents = [torch.from_numpy(d).unsqueeze(0) for d in corpus.train.sequences()]
    seen: list[str] = []
    for b in itertools.islice(corpus.batches(config, 0), 4):
        assert b.fresh
        nats, count, _ = backward(model, b, None, config)
        got = gradients(model)
        rows = [[*b.x[r, :n].tolist(), int(b.y[r, n - 1])] for r, n in enumerate(b.lengths.tolist())]
        seen += [corpus.vocab.decode(row) for row in rows]
        total = sum(model.loss(Batch(x[:, :-1], x[:, 1:])).total for x in (torch.tensor([row]) for row in rows))
        assert count == sum(len(row) - 1 for row in rows)
        assert nats == pytest.approx(total.item(), rel=1e-12)
        total.backward()
        for name, g in gradients(model).items():
            agree("whole documents", f"dL/d{name}", got[name], g)
    assert sorted(seen[: len(documents)]) == sorted(corpus.vocab.decode(d[0].tolist()) for d in documents)


# --- one step ------------------------------------------------------------------------------------


@pytest.mark.parametrize("windows", [Windows(12), Windows(12, reach=5), Windows(5, reach=12)], ids=str)
@pytest.mark.parametrize("parts", [2, 3, 4])
def test_parts_of_a_batch_add_up(windows: Windows, parts: int) -> None:
    model, text = made("lstm", slowness=1.0).eval(), streams(40, 4)
    config = Config(window=windows.size, reach=windows.reach, batch=4)
    states: list[States | None] = [None, None]
    for b in windows.one_pass(text):
        found = []
        for k, accumulate in enumerate((1, parts)):
            given = None if b.fresh else states[k]
            nats, count, states[k] = backward(model, b, given, dataclasses.replace(config, accumulate=accumulate))
            found.append((nats, count, gradients(model)))
        (nats, count, wanted), (other, same, got) = found
        assert other == pytest.approx(nats, rel=1e-12)
        assert same == count
        for name, g in wanted.items():
            agree("accumulation", f"dL/d{name}", got[name], g)
        for name, v in (states[0] or {}).items():
            agree("accumulation", f"state {name}", states[1][name], v)


def given_gradients(*values: list[float]) -> nn.ParameterList:
    params = nn.ParameterList([nn.Parameter(torch.zeros(len(v))) for v in values])
    for p, v in zip(params, values, strict=True):
        p.grad = torch.tensor(v)
    return params


def test_clipping_is_by_the_true_norm() -> None:
    for clip in (0.0, 13.0):
        model = given_gradients([3.0, 4.0], [12.0])
        assert finish_gradient(model, Config(clip=clip), 0.0, 1, 1) == (13.0, 13.0)  # the root of 169, and not 169
        assert model[1].grad.item() == 12.0
    assert finish_gradient(model, Config(clip=6.5), 0.0, 1, 1) == (13.0, 6.5)
    assert model[0].grad.tolist() == [1.5, 2.0]
    assert model[1].grad.tolist() == [6.0]


def test_clipping_by_value_comes_first() -> None:
    model = given_gradients([3.0, -4.0], [12.0])
    norm, clipped = finish_gradient(model, Config(clip=0.0, clip_value=3.5), 0.0, 1, 1)
    assert model[0].grad.tolist() == [3.0, -3.5]
    assert model[1].grad.tolist() == [3.5]
    assert norm == clipped == pytest.approx(math.sqrt(9 + 2 * 3.5**2))


def test_the_gradient_is_the_mean_over_what_counts() -> None:
    model = given_gradients([6.0, 8.0])
    assert finish_gradient(model, Config(clip=0.0), 3.0, 4, 1) == (2.5, 2.5)
    assert model[0].grad.tolist() == [1.5, 2.0]
    assert finish_gradient(given_gradients([0.0]), Config(), 0.0, 0, 1) == (0.0, 0.0)  # nothing counted


@pytest.mark.parametrize("optimiser", ["adamw", "adam", "sgd"])
def test_a_step_is_the_optimisers_formula(optimiser: str) -> None:
    """Three steps in plain arithmetic: warm-up, cosine, clipping, decay of the matrices alone."""
    model, text = made("lstm", learn_initial=True), streams(40, 2)
    config = Config(
        window=10, batch=2, steps=4, warmup=3, lr=0.05, lr_last=0.1, clip=0.02, optimiser=optimiser,
        momentum=0.8, beta2=0.9, weight_decay=0.3,
    )  # fmt: skip
    twin = made("lstm", learn_initial=True)
    weights = dict(twin.named_parameters())
    m, v = ({n: torch.zeros_like(p) for n, p in weights.items()} for _ in range(2))
    state: States | None = None
    records = fit(model, Windows(10).one_pass(text), config)
    for step, b in zip(range(3), Windows(10).one_pass(text), strict=False):
        r = next(records)
        loss = twin.loss(b, state)
        grads = torch.autograd.grad(loss.total / loss.count, list(weights.values()), materialize_grads=True)
        norm = math.sqrt(sum(float((g**2).sum()) for g in grads))
        lr = 0.05 * (step + 1) / 3 * (0.1 + 0.9 * (1 + math.cos(math.pi * step / 4)) / 2)
        assert (r.step, r.clipped) == (step + 1, 0.02)
        assert (r.norm, r.lr) == (pytest.approx(norm, rel=1e-10), pytest.approx(lr, rel=1e-12))
        assert r.loss == pytest.approx(float(loss.nats) / loss.count, rel=1e-12)
        with torch.no_grad():
            for (n, p), g in zip(weights.items(), grads, strict=True):
                decay = 0.3 if p.dim() > 1 else 0.0
                g = g * 0.02 / norm
                if optimiser == "adamw":
                    p -= lr * decay * p
                else:
                    g = g + decay * p
                if optimiser == "sgd":  # torch's momentum: its first value is the gradient itself
                    m[n] = g if step == 0 else 0.8 * m[n] + g
                    p -= lr * m[n]
                    continue
                m[n] = 0.8 * m[n] + 0.2 * g
                v[n] = 0.9 * v[n] + 0.1 * g**2
                p -= lr * (m[n] / (1 - 0.8 ** (step + 1))) / ((v[n] / (1 - 0.9 ** (step + 1))).sqrt() + 1e-8)
        for n, p in model.named_parameters():
            agree(f"{optimiser} = plain", n, p, weights[n], 1e-11)
        state = loss.state.detach()


@pytest.mark.parametrize("given", [False, True])
def test_the_mean_of_what_is_not_met_fades_to_zero(given: bool) -> None:
    """exp_avg <- 0.9 exp_avg is denormal after some 700 steps; inside a step that is zero. Outside nothing changes."""
    torch.manual_seed(0)
    model, x = Generator("gru-cho", SYMBOLS, 4, embed=3), torch.randint(0, SYMBOLS - 1, (2, 3))
    progress, config = start(model, Config()), Config(window=3, steps=1100)
    batch = dataclasses.replace(Batch(x, x), fresh=True)
    torch.set_flush_denormal(given)
    try:
        unseen = dataclasses.replace(batch, x=torch.full((2, 3), SYMBOLS - 1))
        list(fit(model, itertools.chain([unseen], itertools.repeat(batch, 1099)), config, progress))
        assert bool((torch.full((9,), 1e-39) * 1).any()) != given
    finally:
        torch.set_flush_denormal(False)
    mean = progress.optimiser.state[model.embedding.weight]["exp_avg"]
    assert torch.equal(mean[SYMBOLS - 1], torch.zeros(3))
    assert mean[: SYMBOLS - 1].abs().max() > 1e-30


def test_learning_rate_rises_and_falls() -> None:
    progress = Progress(torch.optim.SGD([torch.zeros(1)], lr=1.0))
    config = Config(lr=2.0, warmup=10, steps=100, lr_last=0.1)
    rates = []
    for progress.step in range(101):
        rates.append(learning_rate(config, progress))
    wanted = [2 * min(1, (s + 1) / 10) * (0.1 + 0.9 * 0.5 * (1 + math.cos(math.pi * s / 100))) for s in range(101)]
    assert rates == pytest.approx(wanted, rel=1e-12)
    assert rates[100] == pytest.approx(0.2)
    constant = dataclasses.replace(config, schedule="constant")
    assert learning_rate(constant, progress) == 2.0
    progress.step = 4
    assert learning_rate(constant, progress) == 1.0
    assert learning_rate(dataclasses.replace(constant, warmup=0), progress) == 2.0


@pytest.mark.parametrize("reach", [0, 30])
def test_a_shorter_window_takes_a_smaller_step(reach: int) -> None:
    windows, config = Windows(20, reach, 0.3, seed=2), Config(window=20, reach=reach, vary=0.3)
    bounds = windows.bounds(200, 0)
    for b, (first, last) in zip(windows.one_pass(streams()), itertools.pairwise(bounds), strict=True):
        assert window_share(b, config) == pytest.approx((last - first) / 20)
    assert window_share(b, Config(window=20)) == 1.0
    assert window_share(b, dataclasses.replace(TINY, window=0, vary=0.1, documents="line")) == 1.0


def test_the_running_mean_of_the_weights() -> None:
    model, text = made(), streams()
    config = Config(window=8, batch=3, steps=20, ema=0.7, lr=0.05, warmup=1)
    progress = start(model, config)
    wanted = {n: p.detach().clone() for n, p in model.named_parameters()}
    for k, _ in enumerate(fit(model, Windows(8).endless(text), config, progress)):
        d = min(0.7, (1 + k) / (10 + k))
        wanted = {n: d * wanted[n] + (1 - d) * p.detach() for n, p in model.named_parameters()}
    assert d == pytest.approx(20 / 29)
    last = {n: p.detach().clone() for n, p in model.named_parameters()}
    for n, v in progress.average.items():
        agree("running mean", n, v, wanted[n])
    with averaged(model, progress):
        assert all(torch.equal(p, progress.average[n]) for n, p in model.named_parameters())
    assert all(torch.equal(p, last[n]) for n, p in model.named_parameters())
    with pytest.raises(KeyboardInterrupt), averaged(model, progress):  # and whatever happens inside
        raise KeyboardInterrupt
    assert all(torch.equal(p, last[n]) for n, p in model.named_parameters())
    update_average(model, start(model, Config()), 0.0)  # without decay there is none
    with averaged(model, start(model, Config())):
        assert all(torch.equal(p, last[n]) for n, p in model.named_parameters())


def test_long_training_forgets_its_beginning() -> None:
    """Once (1 + t) / (10 + t) is above the decay, that is the decay."""
    model = made()
    progress = start(model, Config(ema=0.5))
    progress.step = 1000
    with torch.no_grad():
        before = {n: v.clone() for n, v in progress.average.items()}
        for p in model.parameters():
            p.add_(1)
    update_average(model, progress, 0.5)
    for n, v in progress.average.items():
        agree("running mean", n, v, before[n] + 0.5)


# --- what is not finite ----------------------------------------------------------------------------


class Breaking(nn.Module):
    """A loss that breaks at the third call, in one of several ways."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.first, self.second = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(3))
        self.how, self.calls = how, 0

    def loss(self, batch: Batch, state: States | None = None) -> Loss:
        self.calls += 1
        total = self.first.square().sum() + self.second.square().sum()
        if self.calls == 3:
            total = total * torch.inf if self.how == "loss" else total + (self.second * 0).sqrt().sum()
        return Loss(total, total.detach(), 1)


@pytest.mark.parametrize("optimiser", ["adamw", "sgd"])
@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("loss", r"step 3: the gradient of first is not finite; take a smaller lr or a smaller clip"),
        ("gradient", r"step 3: the gradient of second is not finite; take a smaller lr or a smaller clip"),
    ],
)
def test_what_is_not_finite_stops_before_the_weights(how: str, message: str, optimiser: str) -> None:
    model = Breaking(how)
    config = Config(optimiser=optimiser, ema=0.5)
    progress = start(model, config)
    records = fit(model, [Batch(torch.zeros(1, 1))] * 5, config, progress)
    next(records)
    next(records)
    before = {n: p.detach().clone() for n, p in model.named_parameters()}
    mean = {n: v.clone() for n, v in progress.average.items()}
    with pytest.raises(TrainingError, match=message):
        next(records)
    assert progress.step == 2
    for n, p in model.named_parameters():
        assert torch.equal(p, before[n])
        assert torch.equal(progress.average[n], mean[n])


def test_a_loss_that_is_not_finite_without_a_gradient() -> None:
    class Constant(Breaking):
        def loss(self, batch: Batch, state: States | None = None) -> Loss:
            return Loss(self.first.sum(), torch.tensor(math.nan), 1)

    with pytest.raises(TrainingError, match="step 1: the loss is nan"):
        next(fit(Constant(""), [Batch(torch.zeros(1, 1))], Config()))


def test_a_weight_that_is_not_finite_is_named() -> None:
    model = made()
    with torch.no_grad():
        model.rnn.l0.U_r[0, 0] = torch.nan
    with pytest.raises(TrainingError, match=r"step 1: the weight rnn\.l0\.U_r is not finite; take a smaller lr"):
        next(fit(model, Windows(8).endless(streams()), Config(window=8, batch=3)))


def test_the_last_good_checkpoint_is_named(tmp_path: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken at step 25 of a run that saves every 10: it goes on from the whole checkpoint of step 20."""
    real, calls = Generator.loss, itertools.count(1)

    def breaking(self: Generator, batch: Batch, state: States | None = None) -> Loss:
        loss = real(self, batch, state)
        return dataclasses.replace(loss, total=loss.total * (torch.nan if self.training and next(calls) == 25 else 1))

    monkeypatch.setattr(Generator, "loss", breaking)
    run = Run.create(tmp_path / "run", TINY, {})
    with pytest.raises(
        TrainingError, match=rf"step 25: the gradient of .*; the last good checkpoint: {run.checkpoint}$"
    ):
        list(training(run, corpus))
    monkeypatch.undo()
    steps = [e.step for e in training(run, corpus, go_on=True) if not isinstance(e, Validation)]
    assert steps == list(range(21, 31))
    config = dataclasses.replace(TINY, lr=1e38, clip=0.0, optimiser="sgd", warmup=0)
    events = training(Run.create(tmp_path / "b", config, {}), corpus)
    with pytest.raises(TrainingError, match="the last good checkpoint: there is none yet"):
        list(events)


def test_a_broken_weight_is_not_saved(tmp_path: Path, corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A step whose gradient was finite may still leave a weight that is not: the checkpoint before it stays."""
    config = dataclasses.replace(TINY, valid_every=0, save_every=5, log_every=1)
    run = Run.create(tmp_path / "run", config, {})
    real = fit_module.update_average

    def breaking(model: Generator, progress: Progress, decay: float) -> None:
        real(model, progress, decay)
        if progress.step == 9:  # at the end of step 10
            with torch.no_grad():
                model.head.bias[0] = torch.inf

    monkeypatch.setattr(fit_module, "update_average", breaking)
    with pytest.raises(TrainingError, match=r"step 10: the weight head\.bias is not finite.*last good checkpoint"):
        list(training(run, corpus))
    monkeypatch.undo()
    assert next(training(run, corpus, go_on=True)).step == 6


# --- a training ----------------------------------------------------------------------------------


def test_it_goes_below_the_ngram_floor() -> None:
    """Nine a and nine b by turns: five characters cannot tell how many have passed, a carried state can."""
    config = dataclasses.replace(TINY, steps=120, lr=0.02, window=32)
    corpus = Corpus.of([("a" * 9 + "b" * 9) * 150], [], config)
    torch.manual_seed(1)
    model = Generator("lstm", len(corpus.vocab), hidden=32)
    records = list(fit(model, Windows(32).endless(Streams.of(corpus.train, 4)), config))
    assert [r.step for r in records] == list(range(1, 121))
    assert records[0].loss == pytest.approx(math.log(len(corpus.vocab)), rel=0.2)
    assert corpus.floor > 0.28
    assert records[-1].loss < 0.07
    assert all(r.speed > 0 and r.memory > 50 for r in records)
    assert [r.done for r in records] == [s / 120 for s in range(1, 121)]
    for name in ("seconds", "cpu"):
        values = [getattr(r, name) for r in records]
        assert all(a <= b for a, b in itertools.pairwise(values))


def test_the_clock_ends_a_training() -> None:
    config = dataclasses.replace(TINY, steps=1, minutes=0.5 / 60)
    torch.manual_seed(0)
    model = Generator("gru-cho", SYMBOLS, 12)
    records = list(fit(model, Windows(16).endless(streams(rows=4)), config))
    assert len(records) > 1
    assert records[-1].done >= 1 > records[-2].done
    assert records[-1].seconds == pytest.approx(0.5, abs=0.4)
    assert records[-1].lr < 0.2 * config.lr
    assert share_done(config, start(model, config)) == 0


def test_the_last_batch_ends_a_training() -> None:
    model, config = made(), Config(window=50, batch=3)
    assert len(list(fit(model, Windows(50).one_pass(streams()), config))) == 4
    done = start(model, config)
    done.step = config.steps
    assert not list(fit(model, Windows(50).endless(streams()), config, done))


def test_pauses_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = iter(range(0, 10_000, 7))
    monkeypatch.setattr(fit_module.time, "monotonic", lambda: next(clock))
    records = fit(made(), Windows(8).endless(streams()), Config(window=8, batch=3))
    for k in range(1, 4):
        assert next(records).seconds == 7 * k
        next(clock)  # what happens between two records


@given(st.integers(2, 400), st.integers(1, 6))
def test_rows_of_an_evaluation_come_near_the_exact_value(length: int, rows: int) -> None:
    """One row is exact, and so are many whose burn-in goes back to the beginning; a shorter burn-in comes near."""
    model, text = made("lstm").eval(), Numbered(numbers(length + 1))
    x = torch.from_numpy(text.symbols).unsqueeze(0)
    exact = float(model.nats(Batch(x[:, :-1], x[:, 1:]))[0].mean())
    assert mean_loss(model, held_out(text, 1, 64)) == pytest.approx(exact, rel=1e-12)  # float64
    columns = -(-length // rows)
    assert mean_loss(model, held_out(text, rows, 7, columns * rows)) == pytest.approx(exact, rel=1e-12)
    assert mean_loss(model, held_out(text, rows, 7, 30)) == pytest.approx(exact, rel=1e-5)  # 30 steps forget the rest


def test_an_evaluation_leaves_the_model_as_it_is() -> None:
    model = made(dropout=0.5).train()
    before = torch.get_rng_state()
    first = mean_loss(model, Windows(9).one_pass(streams()))
    assert model.training
    assert torch.equal(torch.get_rng_state(), before)
    assert mean_loss(model.eval(), Windows(9).one_pass(streams())) == first
    assert not model.training
    assert mean_loss(model, []) == 0.0


# --- language models of files ----------------------------------------------------------------------


def written(folder: Path, count: int = 4) -> list[Path]:
    files = [folder / f"{k}.txt" for k in range(count)]
    for file in files:
        file.write_text(RHYME * 8, encoding="utf-8")
    return files


LEVELS = [("character", "none"), ("character", "line"), ("word", "line"), ("word", "file"), ("subword", "none")]


@pytest.fixture(scope="module", params=LEVELS, ids="-".join)
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, LanguageModel]:
    level, documents = request.param
    folder = tmp_path_factory.mktemp("text")
    config = dataclasses.replace(
        TINY, level=level, documents=documents, vocab=270 if level == "subword" else 0, valid_share=0.25, log_every=5
    )
    run = train(written(folder), config, folder / "run", about={"licence": "CC0"})
    return run.folder, load_language_model(run.folder)


def test_a_run_holds_what_it_should(model: tuple[Path, LanguageModel]) -> None:
    folder, loaded = model
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == [1, 5, 10, 15, 20, 25, 30]
    assert [line["step"] for line in lines if "valid" in line] == [10, 20, 30]
    assert all("time" in line for line in lines)
    best = min(line["valid"] for line in lines if "valid" in line)
    assert loaded.about["metrics"]["valid_nats"] == best
    assert loaded.about["licence"] == "CC0"
    assert loaded.about["metrics"]["parameters"] == sum(p.numel() for p in loaded.model.parameters())
    assert TextConfig.of(loaded.about["config"]) == Run.open(folder, TextConfig).config


def test_pieces_of_a_sample_make_the_text(model: tuple[Path, LanguageModel]) -> None:
    folder, loaded = model
    options = {"temperature": 0.9, "length": 40}
    for prime in ("", "one ", "one for", "\n"):
        pieces = list(loaded.sample(prime, seed=3, **options))
        again = load_language_model(folder / "model.safetensors").sample(prime, seed=3, **options)
        assert pieces == list(again)
        assert pieces != list(loaded.sample(prime, seed=4, **options))
        decode, read = loaded.vocab.decode, prime if loaded.vocab.level == "character" else prime.rstrip(" ")
        given = loaded.vocab.encode(read if read and loaded.documents == "none" else "\n" + read).tolist()
        banned = () if loaded.vocab.unknown is None else (0,)
        drawn = [int(s) for s in stream(loaded.predictor(), given, 40, temperature=0.9, seed=3, banned=banned)]
        wanted = decode(given + drawn)[len(decode(given)) :]
        assert "".join(pieces) == wanted.removeprefix(" " if prime != read else "")
        assert len(drawn) == 40


def test_surprisals_add_up_to_the_evaluation(model: tuple[Path, LanguageModel]) -> None:
    _, loaded = model
    for text in ("one for the dame", "one for the dame\n", "the little boy, unseen: ŷ", "lane"):
        pairs = loaded.surprisals([text, "other"])[0]
        found = loaded.evaluate(text)
        assert len(pairs) == found["symbols"]
        assert sum(bits for _, bits in pairs) == pytest.approx(found["nats"] * found["symbols"] / math.log(2), rel=1e-5)
        assert all(bits >= 0 for _, bits in pairs)
        assert pairs[-1][0] == "\n"
        unit = next(k for k in found if k in ("bits per character", "perplexity", "perplexity per piece"))
        wanted = found["nats"] / math.log(2) if unit == "bits per character" else math.exp(found["nats"])
        assert found[unit] == pytest.approx(wanted)
        if loaded.vocab.unknown is not None:
            unknown = [piece for piece, _ in pairs if piece == loaded.vocab.symbols[0]]
            assert found["unknown_share"] == pytest.approx(len(unknown) / len(pairs))
    text = RHYME * 3
    whole = loaded.evaluate(text)
    assert loaded.evaluate(text, rows=2)["nats"] == pytest.approx(whole["nats"], rel=1e-3)  # burn-in of 256 symbols
    if loaded.documents == "line":  # each line by itself is then the same
        lines = loaded.surprisals(RHYME.splitlines())
        per_line = sum(bits for line in lines for _, bits in line) * math.log(2)
        assert 3 * per_line == pytest.approx(whole["nats"] * whole["symbols"], rel=1e-5)
    with pytest.raises(DataError, match="the text is empty"):
        loaded.evaluate("")


def test_half_made_characters_are_held_back() -> None:
    """A sampler of bytes: what comes out joined is the text of all its pieces, however they are cut."""
    vocab = Subwords.build(["plain text\n"], 256)
    torch.manual_seed(0)
    model = LanguageModel(Generator("elman", len(vocab), 8).eval(), vocab, {})
    prime = "a好"
    for seed in range(3):
        given = vocab.encode(prime).tolist()
        drawn = [int(s) for s in stream(model.model.predictor(), given, 60, seed=seed)]
        text = "".join(model.sample(prime, 60, seed=seed))
        assert prime + text == vocab.decode(given + drawn)
        assert "\ufffd" in text  # bytes drawn at random make a character now and then, and most often none


def test_a_language_model_is_needed(tmp_path: Path) -> None:
    save_model(tmp_path / "c.safetensors", Classifier("gru", 5, 3, 4), {})
    with pytest.raises(FileError, match="is a classifier, a language model is needed"):
        load_language_model(tmp_path / "c.safetensors")
    save_model(tmp_path / "g.safetensors", Generator("gru", 5, 3), {})
    with pytest.raises(FileError, match="no usable language model: 'vocabulary'"):
        load_language_model(tmp_path / "g.safetensors")


def test_a_fault_before_the_first_step_leaves_the_folder_free(tmp_path: Path) -> None:
    files = written(tmp_path, 1)
    with pytest.raises(ValueError, match="did you mean 'lstm'"):
        train(files, dataclasses.replace(TINY, cell="lstn"), tmp_path / "run")
    with pytest.raises(ConfigError, match="need an embedding"):
        train(files, dataclasses.replace(TINY, tied=True), tmp_path / "run")
    with pytest.raises(ConfigError, match="no matrix multiplies a state, so weight dropout has no place"):
        train(files, dataclasses.replace(TINY, cell="ind-rnn", weight_dropout=0.5), tmp_path / "run")
    train(files, dataclasses.replace(TINY, steps=1), tmp_path / "run")


def test_validation_files_of_ones_own(tmp_path: Path) -> None:
    files = written(tmp_path, 2)
    (tmp_path / "v.txt").write_text("one for the lane\n", encoding="utf-8")
    run = train(files, dataclasses.replace(TINY, steps=1), tmp_path / "run", valid=[tmp_path / "v.txt"])
    about = load_language_model(run.folder).about
    assert about["metrics"]["valid_symbols"] == len("one for the lane\n")
    assert run.data() == {"train": files, "valid": [tmp_path / "v.txt"]}


def test_a_cell_of_ones_own_from_a_file(tmp_path: Path) -> None:
    cell = tmp_path / "mine.txt"
    cell.write_text("def Mine(x: input, h: hidden):\n    return State(h=tanh(W @ (h, x) + b))\n")
    run = train(written(tmp_path, 1), dataclasses.replace(TINY, steps=2, cell=str(cell)), tmp_path / "run")
    assert run.data()["cell"] == [cell]
    cell.unlink()
    assert load_language_model(run.folder).model.cell.name == "Mine"


def test_a_text_too_short(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("", encoding="utf-8")
    with pytest.raises(DataError, match="no symbol occurs 2 times"):
        train([tmp_path / "a.txt"], TINY, tmp_path / "run")
    (tmp_path / "a.txt").write_text("abcdefgh", encoding="utf-8")
    with pytest.raises(DataError, match="no symbol occurs 2 times: give more text or a smaller vocab_least"):
        train([tmp_path / "a.txt"], dataclasses.replace(TINY, valid_share=0.4), tmp_path / "run")
    config = dataclasses.replace(TINY, vocab_least=1, valid_share=0.4, batch=8)
    with pytest.raises(DataError, match="too few for 8 rows"):
        train([tmp_path / "a.txt"], config, tmp_path / "run")


# --- quickstart ----------------------------------------------------------------------------------


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
    vocab = Characters.build(["ab\n" * 9])
    scores = torch.tensor([[0.0, *([1.0 if s == "a" else -50.0 for s in vocab.symbols[1:]])]])

    class Same:
        def start(self, rows: int) -> None:
            return None

        def step(self, symbols: Tensor, state: None) -> tuple[Tensor, None]:
            return scores.log_softmax(1), None

        def select(self, state: None, index: Tensor) -> None:
            return None

    assert sampled_lines(Same(), vocab, 2, seed=1) == ["a" * 400] * 2


def test_the_standard_library_is_found() -> None:
    names = {p.name for p in stdlib_files()}
    assert {"dataclasses.py", "decoder.py"} <= names
    assert not any("test" in p.parts or "site-packages" in p.parts for p in stdlib_files())


def test_quickstart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / f"{k}.py" for k in range(4)]
    for file in files:
        file.write_text("x = 1\nif x:\n    print(x)\n" * 40)
    monkeypatch.setattr("rondo.train.quickstart.stdlib_files", lambda: files)
    monkeypatch.setattr("rondo.train.quickstart.LINES", 12)
    shares = quickstart(tmp_path / "run", dataclasses.replace(TINY, valid_share=0.25))
    assert list(shares) == ["gru-cho", "5-gram", "held-out text"]
    assert shares["held-out text"] == 1.0
    printed = capsys.readouterr().out
    assert "5-gram" in printed
    assert "tokenise" in printed
