"""rondo.nn beside torch.nn: the same parameters, outputs, gradients, training, files and initial values."""

from __future__ import annotations

import copy
import io
import pickle
import warnings
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn.utils import parametrizations
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pad_packed_sequence

from rondo import nn

from shown import shown

F64 = torch.float64
KINDS = {
    "RNN tanh": ("RNN", {}),
    "RNN relu": ("RNN", {"nonlinearity": "relu"}),
    "LSTM": ("LSTM", {}),
    "LSTM projected": ("LSTM", {"proj_size": 2}),
    "GRU": ("GRU", {}),
}
DEPTHS = [{}, {"num_layers": 2}, {"bidirectional": True}, {"num_layers": 3, "bidirectional": True}]
FORMS = ["plain", "batch_first", "unbatched", "packed sorted", "packed unsorted"]
TOLERANCE = 1e-12  # float64 at these sizes: only the order of summation may differ


def twins(kind: str, seed: int = 0, dtype: torch.dtype = F64, **more: Any) -> tuple[Any, Any]:
    """Our module and torch's, made from the same seed."""
    name, own = KINDS[kind]
    made = []
    for module in (nn, torch.nn):
        torch.manual_seed(seed)
        made.append(getattr(module, name)(3, 5, dtype=dtype, **own, **more))
    return made[0], made[1]


def data(form: str) -> Tensor | PackedSequence:
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(5, 4, 3, generator=generator, dtype=F64)  # [T, B, I]
    if form == "batch_first":
        return x.transpose(0, 1)
    if form == "unbatched":
        return x[:, 0]
    if form.startswith("packed"):
        lengths = torch.tensor([5, 3, 3, 1] if form == "packed sorted" else [3, 1, 5, 3])
        return pack_padded_sequence(x, lengths, enforce_sorted=form == "packed sorted")
    return x


def state(module: Any, form: str) -> Any:
    """A random hx for the module."""
    generator = torch.Generator().manual_seed(2)
    count = module.num_layers * (1 + module.bidirectional)
    middle = () if form == "unbatched" else (4,)
    h = torch.randn(count, *middle, module.proj_size or 5, generator=generator, dtype=F64)
    if module.mode != "LSTM":
        return h.requires_grad_()
    return h.requires_grad_(), torch.randn(count, *middle, 5, generator=generator, dtype=F64).requires_grad_()


def flat(value: Any) -> list[Tensor]:
    """The tensors in an output or a state."""
    if isinstance(value, PackedSequence):
        return [value.data]
    return [value] if isinstance(value, Tensor) else [t for v in value for t in flat(v)]


def results(module: Any, x: Any, hx: Any) -> dict[str, Tensor]:
    """Outputs, final states and every gradient of one call."""
    leaf = x.data if isinstance(x, PackedSequence) else x
    leaf = leaf.clone().requires_grad_()
    fed = PackedSequence(leaf, *x[1:]) if isinstance(x, PackedSequence) else leaf
    y, end = module(fed, hx)
    outputs = [*flat(y), *flat(end)]
    found = {f"output {i}": v for i, v in enumerate(outputs)}
    loss = sum((v * torch.linspace(-1, 2, v.numel(), dtype=F64).view(v.shape)).sum() for v in outputs)
    named = {"x": leaf, **dict(module.named_parameters())}
    named |= {f"initial {i}": v for i, v in enumerate(flat(hx) if hx is not None else [])}
    gradients = torch.autograd.grad(loss, list(named.values()))
    return found | {f"dL/d{name}": g for name, g in zip(named, gradients, strict=True)}


GRID = [(d, b, f) for d in DEPTHS for b in (True, False) for f in FORMS]
CORNERS = [case for i, case in enumerate(GRID) if i % 3 == 0]  # the others are long


@pytest.mark.parametrize(
    ("depth", "bias", "form"), [pytest.param(*c, marks=[] if c in CORNERS else pytest.mark.long) for c in GRID], ids=str
)
@pytest.mark.parametrize("kind", list(KINDS))
def test_outputs_and_every_gradient(kind: str, depth: dict[str, Any], bias: bool, form: str) -> None:
    ours, theirs = twins(kind, bias=bias, batch_first=form == "batch_first", **depth)
    x = data(form)
    for hx in (None, state(ours, form)):
        got, truth = results(ours, x, hx), results(theirs, x, hx)
        assert got.keys() == truth.keys()
        for name in truth:
            error = ((got[name] - truth[name]).abs().max() / truth[name].abs().max().clamp(min=1e-3)).item()
            shown("rondo.nn = torch.nn", kind, (form, bias, *depth.values(), hx is None), name, error)
            assert error <= TOLERANCE, name
            assert got[name].shape == truth[name].shape


@pytest.mark.parametrize("form", ["packed sorted", "packed unsorted"])
def test_a_packed_output_is_packed_like_its_input(form: str) -> None:
    ours, theirs = twins("LSTM")
    got, truth = ours(data(form))[0], theirs(data(form))[0]
    for name in ("batch_sizes", "sorted_indices", "unsorted_indices"):
        a, b = getattr(got, name), getattr(truth, name)
        assert (a is None) == (b is None)
        assert a is None or torch.equal(a, b)
    (y, lengths), (z, same) = pad_packed_sequence(got), pad_packed_sequence(truth)
    torch.testing.assert_close(y, z, rtol=0, atol=TOLERANCE)
    assert torch.equal(lengths, same)


@pytest.mark.parametrize("optimiser", ["SGD", "Adam"])
@pytest.mark.parametrize("kind", list(KINDS))
def test_ten_steps_of_training(kind: str, optimiser: str) -> None:
    settings = {"SGD": {"lr": 0.05, "momentum": 0.9}, "Adam": {"lr": 0.01}}[optimiser]
    ours, theirs = twins(kind, num_layers=2)
    for module in (ours, theirs):
        rule = getattr(torch.optim, optimiser)(module.parameters(), **settings)
        for _ in range(10):
            rule.zero_grad()
            y, end = module(data("plain"))
            (y.square().mean() + flat(end)[-1].sum() / 10).backward()
            rule.step()
    for (name, a), b in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        error = ((a - b).abs().max() / b.abs().max()).item()
        shown("ten optimiser steps = torch.nn", kind, (optimiser,), name, error)
        assert error <= 1e-9, "Adam divides by roots of tiny squares, which magnifies rounding"


@pytest.mark.parametrize("kind", list(KINDS))
@pytest.mark.parametrize("bias", [True, False])
def test_parameters_and_initial_values_are_torchs(kind: str, bias: bool) -> None:
    ours, theirs = twins(kind, seed=7, num_layers=2, bidirectional=True, bias=bias)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.equal(a, b)
    assert [[w.shape for w in part] for part in ours.all_weights] == [[w.shape for w in p] for p in theirs.all_weights]
    assert repr(ours) == repr(theirs)
    ours.flatten_parameters()


@pytest.mark.parametrize("kind", list(KINDS))
def test_files_and_optimiser_state_pass_both_ways(kind: str) -> None:
    ours, theirs = twins(kind, num_layers=2)
    x = data("plain")
    for source, target in [(ours, theirs), (theirs, ours)]:
        rule = torch.optim.Adam(source.parameters())
        source(x)[0].square().sum().backward()
        rule.step()
        source.zero_grad()
        buffer = io.BytesIO()
        torch.save({"model": source.state_dict(), "rule": rule.state_dict()}, buffer)
        buffer.seek(0)
        file = torch.load(buffer, weights_only=True)
        target.load_state_dict(file["model"])
        other = torch.optim.Adam(target.parameters())
        other.load_state_dict(file["rule"])
        for module, one in ((source, rule), (target, other)):
            module.zero_grad()
            module(x)[0].square().sum().backward()
            one.step()
        for a, b in zip(source.parameters(), target.parameters(), strict=True):
            torch.testing.assert_close(a, b, rtol=0, atol=1e-9)  # Adam, as above


@pytest.mark.parametrize("form", ["plain", "batch_first", "unbatched"])
@pytest.mark.parametrize("rate", [0.4, 1.0])
def test_dropout_between_layers_is_torchs_bit_for_bit(form: str, rate: float) -> None:
    ours, theirs = twins("GRU", num_layers=3, dropout=rate, bidirectional=True, batch_first=form == "batch_first")
    outputs = []
    for module in (ours, theirs):
        torch.manual_seed(3)
        y = module(data(form))[0]
        (g,) = torch.autograd.grad(y.square().sum(), module.weight_hh_l0)
        outputs.append((y, g))
    torch.testing.assert_close(outputs[0], outputs[1], rtol=0, atol=TOLERANCE)
    assert not torch.equal(ours(data(form))[0], outputs[0][0]) or rate == 1.0
    ours.eval()
    assert torch.equal(ours(data(form))[0], ours(data(form))[0])


def test_dropout_hides_even_what_is_not_finite() -> None:
    ours, theirs = twins("RNN relu", num_layers=2, dropout=0.5)
    lost = []
    for module in (ours, theirs):
        with torch.no_grad():
            module.bias_ih_l0[0] = float("inf")  # one unit of the first layer is infinite at every step
        torch.manual_seed(3)
        lost.append(module(data("plain")[:1])[0].isnan().any(2).sum().item())
    assert lost[0] < lost[1], "torch multiplies infinity by 0 where ours selects 0"


def test_dropout_without_a_second_layer_warns() -> None:
    with pytest.warns(UserWarning, match="only one"):
        nn.LSTM(3, 4, dropout=0.5)


def test_surgery_on_parameters() -> None:
    ours, x = twins("LSTM")[0], data("plain")
    y = ours(x)[0]
    twin = pickle.loads(pickle.dumps(copy.deepcopy(ours)))
    assert torch.equal(twin(x)[0], y)
    doubled = torch.func.functional_call(ours, {n: 2 * p for n, p in ours.named_parameters()}, (x,))[0]
    parametrizations.weight_norm(ours, "weight_hh_l0")
    torch.testing.assert_close(ours(x)[0], y, rtol=0, atol=TOLERANCE)
    ours(x)[0].sum().backward()
    assert ours.parametrizations.weight_hh_l0.original1.grad.any()
    with torch.no_grad():
        for p in twin.parameters():
            p.mul_(2)
    assert torch.equal(twin(x)[0], doubled)


@pytest.mark.parametrize("kind", list(KINDS))
def test_half_precision_and_autocast_compute_in_float32(kind: str) -> None:
    ours, _ = twins(kind, dtype=torch.float32, num_layers=2)
    x = data("plain").float()
    y, end = ours(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(ours(x)[0], y)
        assert torch.equal(ours(x.bfloat16())[0], ours(x.bfloat16().float())[0].bfloat16())
    half = copy.deepcopy(ours).half()
    again, last = half(x.half())
    assert again.dtype is torch.float16
    assert {v.dtype for v in flat(last)} == {torch.float16}
    assert torch.equal(again, copy.deepcopy(half).float()(x.half().float())[0].half())
    assert half(x.half(), last)[0].dtype is torch.float16
    assert flat(end)[0].dtype is torch.float32


def test_no_steps_and_zero_rows() -> None:
    ours, _ = twins("LSTM", num_layers=2)
    y, (h, _) = ours(torch.zeros(0, 4, 3, dtype=F64))
    assert y.shape == (0, 4, 5)
    assert not h.any()
    assert ours(torch.zeros(2, 0, 3, dtype=F64))[0].shape == (2, 0, 5)


def test_positional_arguments_are_torchs() -> None:
    shared = (False, True, 0.5, True)
    for kind, more in [("RNN", ("relu", *shared)), ("GRU", shared), ("LSTM", (*shared, 2))]:
        assert repr(getattr(nn, kind)(3, 4, 2, *more)) == repr(getattr(torch.nn, kind)(3, 4, 2, *more))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"input_size": 0}, "input_size must be a positive whole number, found 0"),
        ({"hidden_size": -1}, "hidden_size must be"),
        ({"num_layers": 0}, "num_layers must be"),
        ({"dropout": 1.5}, "dropout is a probability, found 1.5"),
        ({"proj_size": 4}, "proj_size must be less than hidden_size = 4"),
    ],
)
def test_bad_sizes(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message), warnings.catch_warnings():
        nn.LSTM(**{"input_size": 3, "hidden_size": 4, **arguments})


def test_bad_calls() -> None:
    lstm, gru, x = nn.LSTM(3, 4), nn.GRU(3, 4), torch.zeros(5, 2, 3)
    h = torch.zeros(1, 2, 4)
    with pytest.raises(ValueError, match="nonlinearity is 'tanh' or 'relu', found 'elu'"):
        nn.RNN(3, 4, nonlinearity="elu")
    for module, arguments, error, message in [
        (lstm, (x[..., :2],), ValueError, r"3 values in the last place, found \[5, 2, 2\]"),
        (lstm, (x[0, 0],), ValueError, r"2-D or 3-D"),
        (lstm, ("x",), ValueError, "found str"),
        (lstm, (x.double(),), TypeError, "x is torch.float64 and the parameters are torch.float32"),
        (lstm, (x.to("meta"),), ValueError, "input is on meta and the parameters are on cpu"),
        (lstm, (x, h), ValueError, r"hx must be a pair \(h_0, c_0\), found 1"),
        (gru, (x, (h, h)), ValueError, "hx must be one tensor h_0, found 2"),
        (lstm, (x, (h, h[:, :1])), ValueError, r"c_0 must be \[1, 2, 4\], found \[1, 1, 4\]"),
    ]:
        with pytest.raises(error, match=message):
            module(*arguments)
