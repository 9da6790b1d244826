"""RNN: the same numbers however a sequence is cut, padded, turned or streamed; and clear errors."""

from __future__ import annotations

import copy
import io
from itertools import pairwise

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.utils import parametrizations

from rondo import RNN, Cell, State, sigmoid, tanh
from rondo.cells import shipped
from rondo.states import States

from shown import shown

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}  # float64, a few steps: only the order of summation may differ


def make(cell="gru-cho", input=3, hidden=4, layers=2, seed=0, **more) -> RNN:
    torch.manual_seed(seed)
    return RNN(cell, input, hidden, layers, dtype=F64, **more)


def data(batch=3, steps=6, width=3, seed=1) -> Tensor:
    return torch.randn(batch, steps, width, generator=torch.Generator().manual_seed(seed), dtype=F64)


def close(a: Tensor | States, b: Tensor | States) -> None:
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for name in a:
            close(a[name], b[name])
    else:
        torch.testing.assert_close(a, b, **EXACT)


def nonzero_start(rnn: RNN) -> RNN:
    """The same network with its learned initial state away from zero."""
    with torch.no_grad():
        for name, p in rnn.named_parameters():
            if "initial_" in name:
                p.uniform_(-1, 1)
    return rnn


# ---------------------------------------------------------------- the same numbers however a sequence is cut


@pytest.mark.parametrize("cell", list(shipped()))
def test_whole_is_split_is_step_by_step(cell: str) -> None:
    rnn, x = make(cell, input=4), data(width=4)
    resets = torch.rand(3, 6, generator=torch.Generator().manual_seed(2)) < 0.3
    y, end = rnn(x, resets=resets)
    step, outputs = rnn.stepper(batch=3), []
    for t in range(6):
        step.reset(resets[:, t])
        outputs.append(step(x[:, t]))
    streamed = torch.stack(outputs, 1)
    shown("whole = step by step", cell, (6, 3, 4, 4), "output", (streamed - y).abs().max().item())
    close(streamed, y)
    close(step.state, end)
    first, middle = rnn(x[:, :2], resets=resets[:, :2])
    second, last = rnn(x[:, 2:], middle, resets=resets[:, 2:])
    close(torch.cat([first, second], 1), y)
    close(last, end)


@given(st.lists(st.integers(0, 6), max_size=4), st.sampled_from(["lstm", "elman"]), st.booleans())
def test_split_anywhere(cuts: list[int], cell: str, learn: bool) -> None:
    rnn, x = nonzero_start(make(cell, learn_initial=learn)), data()
    y, end = rnn(x)
    state, parts = None, []
    for a, b in zip([0, *sorted(cuts)], [*sorted(cuts), 6], strict=True):
        part, state = rnn(x[:, a:b], state)
        parts.append(part)
    close(torch.cat(parts, 1), y)
    close(state, end)


def test_gradients_pass_through_a_carried_state() -> None:
    rnn, x = make("lstm"), data().requires_grad_()
    rnn(x)[0].square().sum().backward()
    whole = [x.grad, *(p.grad for p in rnn.parameters())]
    x2, twin = x.detach().clone().requires_grad_(), copy.deepcopy(rnn)
    twin.zero_grad()
    a, s = twin(x2[:, :2])
    b, _ = twin(x2[:, 2:], s)
    torch.cat([a, b], 1).square().sum().backward()
    for one, two in zip(whole, [x2.grad, *(p.grad for p in twin.parameters())], strict=True):
        close(one, two)


# ---------------------------------------------------------------- lengths, resets, directions


@given(st.lists(st.integers(0, 6), min_size=3, max_size=3), st.booleans(), st.booleans())
def test_padded_is_unpadded(lengths: list[int], learn: bool, given_state: bool) -> None:
    rnn = nonzero_start(make("lstm", bidirectional=True, learn_initial=learn))
    x = data()
    state = rnn.start(3).map(torch.ones_like) if given_state else rnn.start(3)
    poisoned = x.clone()
    for b, n in enumerate(lengths):
        poisoned[b, n:] = float("nan")
    y, end = rnn(poisoned, state, lengths=torch.tensor(lengths, dtype=torch.int32))
    for b, n in enumerate(lengths):
        alone, last = rnn(x[b : b + 1, :n], state.rows(b))
        close(y[b : b + 1, :n], alone)
        assert not y[b, n:].any(), "past the length the output is zero"
        close(end.rows(b), last)
        if n == 0:
            close(end.rows(b), state.rows(b))


@given(
    st.lists(st.integers(0, 5), min_size=2, max_size=2),
    st.lists(st.booleans(), min_size=10, max_size=10),
    st.booleans(),
)
def test_reverse_is_forward_on_rows_turned_within_length_and_segment(
    lengths: list[int], marks: list[bool], learn: bool
) -> None:
    both = nonzero_start(make("gru-cho", layers=1, bidirectional=True, learn_initial=learn))
    forward = make("gru-cho", layers=1, learn_initial=learn)
    forward.l0.load_state_dict(both.l0_reverse.state_dict())
    x, resets = data(2, 5), torch.tensor(marks).view(2, 5)
    y, end = both(x, lengths=torch.tensor(lengths), resets=resets)
    for b, n in enumerate(lengths):
        starts = sorted({0, n, *(t for t in range(n) if resets[b, t])})
        for a, z in pairwise(starts):
            turned, last = forward(x[b : b + 1, a:z].flip(1))
            close(y[b : b + 1, a:z, 4:], turned.flip(1))
            if a == 0:
                close(end.rows(b).at(0, reverse=True)["h"], last.at(0)["h"])


def test_the_reverse_direction_starts_from_the_state_given() -> None:
    both, x = make("lstm", layers=1, bidirectional=True), data()
    forward = make("lstm", layers=1)
    forward.l0.load_state_dict(both.l0_reverse.state_dict())
    state = both.start(3).map(lambda v: v + torch.rand_like(v))
    resets = torch.zeros(3, 6, dtype=torch.bool)
    resets[:, 0] = True  # the first step of a sequence cuts nothing that lies below it
    y, _ = both(x, state, resets=resets)
    own = States((f"l0.{s}", v) for s, v in state.at(0, reverse=True).items())
    close(y[:, :, 4:], forward(x.flip(1), own)[0].flip(1))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_resets_are_separate_sequences_and_no_gradient_crosses(bidirectional: bool) -> None:
    rnn = nonzero_start(make("lstm", bidirectional=bidirectional, learn_initial=True))
    x = data(1).requires_grad_()
    resets = torch.zeros(1, 6, dtype=torch.bool)
    resets[0, 4] = True
    y, _ = rnn(x, resets=resets)
    close(y[:, :4], rnn(x[:, :4])[0])
    close(y[:, 4:], rnn(x[:, 4:])[0])
    (late,) = torch.autograd.grad(y[:, 4:].sum(), x, retain_graph=True)
    (early,) = torch.autograd.grad(y[:, :4].sum(), x)
    assert not late[:, :4].any()
    assert not early[:, 4:].any()
    assert late[:, 4:].any()


def test_learned_initial_state_gets_gradients_from_starts_and_resets() -> None:
    rnn, x = make("gru-cho", layers=1, learn_initial=True), data(2)
    resets = torch.zeros(2, 6, dtype=torch.bool)
    resets[0, 3] = True
    y, _ = rnn(x, resets=resets)
    (whole,) = torch.autograd.grad(y.sum(), rnn.l0.initial_h)
    parts = rnn(x[:1, :3])[0].sum() + rnn(x[:1, 3:])[0].sum() + rnn(x[1:])[0].sum()
    close(whole, torch.autograd.grad(parts, rnn.l0.initial_h)[0])


@pytest.mark.parametrize("cell", list(shipped()))
@pytest.mark.parametrize("bidirectional", [False, True])
def test_no_steps(cell: str, bidirectional: bool) -> None:
    rnn = make(cell, input=4, bidirectional=bidirectional, project=True)
    y, state = rnn(data(2, 0, 4), lengths=torch.zeros(2, dtype=torch.int64))
    assert y.shape == (2, 0, rnn.output_size)
    close(state, rnn.start(2))


# ---------------------------------------------------------------- random sites


@pytest.mark.parametrize("locked", [False, True])
def test_dropout_sites_select(locked: bool) -> None:
    rnn = make("elman", 200, 300, layers=1, input_dropout=0.25, output_dropout=0.5, locked=locked)
    x = torch.full((4, 5, 200), 2.0, dtype=F64)
    seen: dict[str, Tensor] = {}

    def run(name: str, x: dict[str, Tensor], state: dict[str, Tensor], **_: object) -> tuple[Tensor, dict[str, Tensor]]:
        seen.update(x)
        return torch.ones(4, 5, 300, dtype=F64), state

    y, _ = rnn._over_layers(run, x, None, None, None)
    v = seen["x"]
    assert set(y.unique().tolist()) == {0.0, 2.0}
    assert set(v.unique().tolist()) == {0.0, 2.0 / 0.75}
    assert abs((v == 0).double().mean().item() - 0.25) < 0.1, "about a quarter, of 800 draws or more"
    assert (v == v[:, :1]).all() == locked
    rnn.eval()
    assert torch.equal(rnn(x)[0], rnn(x)[0])


def test_dropout_between_layers_is_drawn_anew_and_only_in_training() -> None:
    rnn, x = make("lstm", dropout=0.5), data()
    assert not torch.equal(rnn(x)[0], rnn(x)[0])
    torch.manual_seed(5)
    a = rnn(x)[0]
    torch.manual_seed(5)
    assert torch.equal(a, rnn(x)[0]), "drawn by torch's generator"
    rnn.eval()
    close(rnn(x)[0], make("lstm")(x)[0])


def test_recurrent_dropout_and_zoneout_draw_what_the_graph_reads() -> None:
    rnn = make("lstm", layers=1, recurrent_dropout=0.5, zoneout={"c": 0.25}, locked=["recurrent"])
    told = rnn.l0.arguments({"x": data(50, 40)}, rnn.l0.start(50, data(), F64))
    assert {name: list(m.shape) for name, m in told["masks"].items()} == {"drop_h": [50, 4], "zone_c": [50, 40, 4]}
    assert abs(told["masks"]["zone_c"].double().mean().item() - 0.25) < 0.03, "8,000 draws"
    rnn.eval()
    assert rnn.l0.arguments({"x": data()}, rnn.l0.start(3, data(), F64))["masks"] is None


def test_zoneout_in_evaluation_is_the_expectation() -> None:
    rnn, plain, x = make("elman", layers=1, zoneout=0.25), make("elman", layers=1), data()
    y, state = rnn.eval()(x)
    h = torch.zeros(3, 4, dtype=F64)
    for t in range(6):
        new = plain(x[:, t : t + 1], States({"l0.h": h}))[1]["l0.h"]
        h = 0.25 * h + 0.75 * new
        close(y[:, t], h)
    close(state["l0.h"], h)


def test_weight_dropout_masks_recurrent_columns_once_a_call() -> None:
    def wide(self, x, s):
        return State(h=tanh(self.W @ (s.h, x) + self.b))

    rnn = make(type("Wide", (Cell,), {"step": wide}), 3, 30, layers=1, weight_dropout=0.5)
    value = rnn.l0.params(F64)["W"]
    kept = value[:, :30] != 0
    close(value[:, :30], torch.where(kept, rnn.l0.W[:, :30] / 0.5, 0.0))
    close(value[:, 30:], rnn.l0.W[:, 30:])
    assert 0.3 < kept.double().mean().item() < 0.7
    x = data(1).expand(5, -1, -1)
    assert (rnn(x)[0] == rnn(x[:1])[0]).all(2).all(1).sum() == 0, "drawn anew at each call"
    close(*rnn(x)[0][:2])  # the same mask for every row


def test_rates_are_checked() -> None:
    with pytest.raises(ValueError, match=r"recurrent: a rate lies in \[0, 1\), found 1.0"):
        make(recurrent_dropout=1.0)
    with pytest.raises(ValueError, match="zoneout c: a rate"):
        make("lstm", zoneout={"c": -0.1})
    with pytest.raises(ValueError, match="no site is called 'recurent'; did you mean 'recurrent'"):
        make(locked=["recurent"])
    with pytest.raises(ValueError, match="no state 'k'"):
        make("lstm", zoneout={"k": 0.1})
    with pytest.raises(ValueError, match="no matrix multiplies a state"):
        make("min-gru", weight_dropout=0.1)


# ---------------------------------------------------------------- making a network


def test_cells_by_instance_class_name_and_text() -> None:
    class Mine(Cell):
        def step(self, x, s):
            u = sigmoid(self.W_u @ x + self.b_u)
            return State(h=u * s.h + (1 - u) * tanh(self.W @ x))

    text = "def Mine(x: input, h: hidden):\n u = sigmoid(W_u @ x + b_u)\n return State(h=u * h + (1 - u) * tanh(W @ x))"
    results = [make(cell)(data())[0] for cell in (Mine, Mine(), text)]
    assert torch.equal(results[0], results[1])
    assert torch.equal(results[0], results[2])
    assert make("GRU_cho").cell.name == "GRUCho"
    with pytest.raises(TypeError, match=r"cell must be a Cell.*found int"):
        make(3)


def test_parameters_are_named_as_in_the_equations() -> None:
    names = list(make("elman", bidirectional=True, learn_initial=True).state_dict())
    assert names[:8] == [f"{unit}.{p}" for unit in ("l0", "l0_reverse") for p in ("W", "U", "b", "initial_h")]


def test_initial_values() -> None:
    rnn = make("lstm", 5, 8, layers=1)
    gram = rnn.l0.U_i.detach() @ rnn.l0.U_i.detach().T
    torch.testing.assert_close(gram, torch.eye(8, dtype=F64), rtol=0, atol=1e-5)  # drawn in float32
    assert rnn.l0.W_i.abs().max() <= (6 / 13) ** 0.5
    assert (rnn.l0.b_f == 1).all()
    assert (rnn.l0.b_i == 0).all()
    assert torch.equal(make("elman-relu").l0.U, torch.eye(4, dtype=F64))

    class Set(Cell):
        init = {"W": "uniform", "U": (-0.5, -0.25), "b": 2, "w": "uniform"}

        def step(self, x, s):
            return State(h=tanh(self.W @ x + self.U @ s.h + self.w * s.h + self.g * self.b + self.p))

    own = make(Set, layers=1).l0
    assert own.W.abs().max() <= 3**-0.5
    assert own.U.max() <= -0.25
    assert own.U.min() >= -0.5
    assert [own.b.unique().item(), own.g.unique().item(), own.p.unique().item()] == [2, 1, 0]
    single = RNN("lstm", 3, 4, dtype=torch.float32)
    torch.manual_seed(0)
    single.reset_parameters()
    assert torch.equal(single.l0.U_i, make("lstm", layers=1).l0.U_i.float()), "a seed means the same in every dtype"


@pytest.mark.parametrize(
    ("init", "message"),
    [
        ({"W": "ortogonal"}, "init of W: 'ortogonal'.*did you mean 'orthogonal'"),
        ({"b": "identity"}, "init of b: 'identity'"),
        ({"V": 1.0}, "init names 'V', no parameter"),
    ],
)
def test_initial_values_that_cannot_be_read(init: dict[str, object], message: str) -> None:
    text = "def C(x: input, h: hidden):\n    return State(h=tanh(W @ x + U @ h + b))"
    with pytest.raises(ValueError, match=message):
        RNN(Cell.parse(text, init=init), 3, 4)


def test_sizes_by_layer_and_by_name() -> None:
    rnn = make("lstm-projected", 3, [8, 6], None, proj=5, bidirectional=True)
    assert rnn.output_size == 10
    assert rnn.l1.W_i.shape == (6, 10)
    assert rnn(data())[1]["l1_reverse.h"].shape == (3, 5)
    assert make("lstm-projected", 3, [8, 6], None).l1.P.shape == (6, 6), "the default is the cell's: hidden"
    low = "def Low(x: input, h: hidden):\n    return State(h=tanh(W @ x + V @ (R @ h)))"
    cell = Cell.parse(low, shapes={"R": ("rank", "hidden")})
    assert make(cell, rank=2).l0.V.shape == (4, 2)
    for more, message in [
        ({"hidden": 0}, "hidden must be a positive whole number, found 0"),
        ({"layers": 0}, "layers must be"),
        ({"input": 2.5}, "input must be"),
        ({"hidden": [4, 4], "layers": 3}, "give one number for each layer"),
        ({"rank": 2}, "GRUCho has no size 'rank'"),
    ]:
        with pytest.raises(ValueError, match=message):
            make(**more)
    with pytest.raises(ValueError, match=r"has a size 'rank': pass rank=\.\.\."):
        make(cell)


def test_a_cell_that_mixes_x_and_state_asks_for_a_projection() -> None:
    rnn = make("sru", 4, 4)
    assert rnn(data(width=4))[0].shape == (3, 6, 4)
    with pytest.raises(ValueError, match=r"layer 0 needs input = hidden; found 3 and 4.*project=True"):
        make("sru")
    projected = make("sru", project=True, bidirectional=True)
    assert projected.l0.projection.shape == (4, 3)
    assert projected.l1.projection.shape == (4, 8)
    x = data()
    x[:, 4:] = float("nan")
    projected(x, lengths=torch.tensor([4, 3, 0]))[0].sum().backward()
    assert all(p.grad.isfinite().all() for p in projected.parameters()), "what stands in the padding reaches nothing"
    assert projected.l1_reverse.projection.grad.any()


def test_names_that_modules_own_are_refused() -> None:
    with pytest.raises(ValueError, match="modules of torch own the name 'half': rename it"):
        make("def C(x: input, h: hidden):\n    return State(h=tanh(half @ x + U @ h))")


def test_a_cell_of_two_inputs() -> None:
    class Gapped(Cell):
        inputs = {"x": "input", "gap": "hidden"}

        def step(self, x, gap, s):
            return State(h=tanh(self.W @ x + self.U @ (gap * s.h)))

    rnn, gap = make(Gapped), data(width=4)
    y, _ = rnn({"gap": gap, "x": data()})
    assert y.shape == (3, 6, 4)
    close(rnn.stepper(batch=3)({"gap": gap[:, 0], "x": data()[:, 0]}), y[:, 0])
    with pytest.raises(ValueError, match="reads x, gap: pass a dictionary"):
        rnn(data())
    with pytest.raises(ValueError, match="differ in batch or time"):
        rnn({"x": data(), "gap": gap[:, :2]})


# ---------------------------------------------------------------- what is given


def test_integers_are_one_hot() -> None:
    rnn, x = make("lstm", 5), torch.tensor([[0, 4, 2], [1, 1, 3]])
    y, _ = rnn(x)
    close(y, rnn(torch.nn.functional.one_hot(x, 5).to(F64))[0])
    step = rnn.stepper(batch=2)
    close(torch.stack([step(x[:, t]) for t in range(3)], 1), y)
    close(rnn(torch.tensor([[0, 4, -1]]), lengths=torch.tensor([2]))[0][:, :2], y[:1, :2])  # padding is not looked at
    with pytest.raises(ValueError, match="integers from -1 to 5; input size 5 allows 0 to 4"):
        rnn(torch.tensor([[-1, 5]]))
    with pytest.raises(ValueError, match=r"of integers must be \[batch, time\]"):
        rnn(torch.tensor([1, 2]))


@pytest.mark.parametrize("name", shipped())
def test_parameters_have_their_gradients_when_x_needs_none(name: str) -> None:
    rnn, x, found = RNN(name, 5, 5, dtype=F64), data(width=5), []
    for needs in (True, False):
        rnn.zero_grad()
        rnn(x.clone().requires_grad_(needs))[0].sin().sum().backward()
        found.append([p.grad for p in rnn.parameters()])
    for one, two in zip(*found, strict=True):
        close(one, two)


@pytest.mark.parametrize("name", shipped())
def test_symbols_have_the_gradients_of_one_hot_vectors(name: str) -> None:
    rnn = RNN(name, 5, 5, layers=2, bidirectional=True, project=True, dtype=F64)
    x = torch.tensor([[0, 4, 2, 2], [1, 1, 3, 0]])
    lengths = torch.tensor([4, 3])
    found = []
    for same in (x, torch.nn.functional.one_hot(x, 5).to(F64)):
        rnn.zero_grad()
        y, state = rnn(same, lengths=lengths)
        (y.sin().sum() + sum(v.square().sum() for v in state.values())).backward()
        found.append([y.detach(), *(p.grad for p in rnn.parameters())])
    for one, two in zip(*found, strict=True):
        close(one, two)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"x": [[1.0]]}, TypeError, "x must be a tensor, found list"),
        ({"x": data(width=4)}, ValueError, r"x must be \[batch, time, 3\], found \[3, 6, 4\]"),
        ({"x": data()[0]}, ValueError, r"x must be \[batch, time, 3\], found \[6, 3\]"),
        ({"x": data().float()}, TypeError, "x is torch.float32 and the parameters are torch.float64"),
        ({"x": data().bool()}, TypeError, "x is torch.bool"),
        ({"x": data().to("meta")}, ValueError, "x is on meta and the parameters are on cpu"),
        ({"lengths": [1, 2, 3]}, TypeError, "lengths must be a tensor of integers, found list"),
        ({"lengths": torch.ones(3)}, TypeError, "found torch.float32"),
        ({"lengths": torch.tensor([1, 2])}, ValueError, r"lengths must be \[3\]"),
        ({"lengths": torch.tensor([1, 7, 2])}, ValueError, "between 0 and T = 6, found 7"),
        ({"lengths": torch.tensor([1, -1, 2])}, ValueError, "found -1"),
        ({"resets": torch.zeros(3, 6)}, TypeError, "resets must be a tensor of booleans, found torch.float32"),
        ({"resets": torch.zeros(3, 5).bool()}, ValueError, r"resets must be \[3, 6\]"),
        ({"state": {"l0.h": data()}}, ValueError, "this network carries l0.h, l1.h; found l0.h: pass what a call"),
        ({"state": torch.zeros(3, 4)}, ValueError, "found Tensor"),
        ({"state": States.fromkeys(["l0.h", "l1.h"], data()[0])}, ValueError, r"l0.h must be \[3, 4\], found \[6, 3\]"),
        ({"state": make().start(3).to("meta")}, ValueError, "l0.h is on meta, x on cpu"),
    ],
)
def test_bad_arguments(arguments: dict[str, object], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()(**{"x": data(), **arguments})


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_and_autocast_compute_in_float32(dtype: torch.dtype) -> None:
    rnn = RNN("lstm", 3, 4, 2)
    x = data().to(dtype)
    y, state = rnn(x)
    assert y.dtype is dtype
    assert state["l0.c"].dtype is torch.float32
    exact, _ = rnn(x.float())
    assert torch.equal(y, exact.to(dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(rnn(x.float())[0], exact)
    narrow = copy.deepcopy(rnn).to(dtype)
    assert torch.equal(narrow(x)[0], copy.deepcopy(narrow).float()(x.float())[0].to(dtype))


# ---------------------------------------------------------------- state, steps, trace


def test_state_is_a_named_structure() -> None:
    rnn, x = make("lstm"), data()
    _, state = rnn(x)
    assert list(state) == ["l0.h", "l0.c", "l1.h", "l1.c"]
    assert torch.equal(state.at(1)["c"], state["l1.c"])
    assert torch.equal(States.concatenate([state.rows(2), state.rows([0, 1])])["l0.h"], state["l0.h"][[2, 0, 1]])
    assert torch.equal(state.rows(torch.tensor([True, False, True]))["l0.h"], state["l0.h"][::2])
    assert state["l0.h"].requires_grad
    assert not state.detach()["l0.h"].requires_grad
    assert state.clone()["l0.h"].data_ptr() != state["l0.h"].data_ptr()
    assert state.to(torch.float32)["l1.c"].dtype is torch.float32
    with pytest.raises(KeyError, match="no layer 2"):
        state.at(2)
    with pytest.raises(ValueError, match="different networks"):
        States.concatenate([state, States({"l0.h": state["l0.h"]})])
    with pytest.raises(ValueError, match="at least one"):
        States.concatenate([])


def test_stepper_streams_keeps_no_gradient_and_refuses_what_has_no_step() -> None:
    rnn, x = make("lstm"), data()
    _, state = rnn(x[:, :3])
    step = rnn.stepper(state)
    y = step(x[:, 3])
    assert not y.requires_grad
    before = step.state
    step(x[:, 4])
    close(before, rnn(x[:, 3:4], state)[1].detach())
    with pytest.raises(ValueError, match=r"x has 1 row\(s\) and the state 3"):
        step(x[:1, 0])
    with pytest.raises(ValueError, match="a bidirectional network needs the whole sequence"):
        make(bidirectional=True).stepper()
    with pytest.raises(ValueError, match=r"call eval\(\) before stepper"):
        make(zoneout=0.1).stepper()
    with pytest.raises(ValueError, match="found Tensor: pass what a call returned"):
        rnn.stepper(torch.zeros(3, 4))
    zoned = make("lstm", zoneout=0.1, dropout=0.5).eval()
    close(zoned.stepper(batch=3)(x[:, 0]), zoned(x)[0][:, 0])


def test_stepper_sees_weights_edited_in_place() -> None:
    rnn, x = make("elman"), data()
    step = rnn.stepper(batch=3)
    with torch.no_grad():
        rnn.l0.W.mul_(2)
    close(step(x[:, 0]), rnn(x)[0][:, 0])


@pytest.mark.parametrize("bidirectional", [False, True])
def test_trace_returns_every_named_intermediate(bidirectional: bool) -> None:
    rnn, x = make("lstm", bidirectional=bidirectional), data()
    lengths = torch.tensor([6, 0, 3])
    seen = rnn.trace(x, lengths=lengths)
    units = ["l0", "l0_reverse", "l1", "l1_reverse"] if bidirectional else ["l0", "l1"]
    assert set(seen) == {f"{unit}.{name}" for unit in units for name in "ifgohc"}
    close(torch.cat([seen[f"{unit}.h"] for unit in units[len(units) // 2 :]], 2), rnn(x, lengths=lengths)[0])
    for unit in units:
        assert not seen[f"{unit}.o"][2, 3:].any()
        close(seen[f"{unit}.h"], seen[f"{unit}.o"] * seen[f"{unit}.c"].tanh())
    assert rnn.trace(x[:, :0])["l0.i"].shape == (3, 0, 4)


def test_trace_shows_states_after_zoneout() -> None:
    rnn, x = make("lstm", layers=1, zoneout=0.3).eval(), data()
    close(rnn.trace(x)["l0.c"][:, -1], rnn(x)[1]["l0.c"])


def test_explain_has_a_line_for_each_part() -> None:
    lines = make(bidirectional=True, backend="reference").explain().splitlines()
    assert [line.split(":")[0] for line in lines] == ["l0", "l0_reverse", "l1", "l1_reverse"]
    assert all("reference" in line for line in lines)


# ---------------------------------------------------------------- ordinary parameters


def test_copies_files_and_surgery() -> None:
    rnn, x = make("lstm"), data()
    y, _ = rnn(x)
    twin = copy.deepcopy(rnn)
    close(twin(x)[0], y)
    assert twin.l0.graph is rnn.l0.graph
    buffer = io.BytesIO()
    torch.save(rnn.state_dict(), buffer)
    buffer.seek(0)
    other = make("lstm", seed=9)
    other.load_state_dict(torch.load(buffer, weights_only=True))
    close(other(x)[0], y)
    values = {name: p * 2 for name, p in rnn.named_parameters()}
    doubled = torch.func.functional_call(rnn, values, (x,))[0]
    with torch.no_grad():
        for p in rnn.parameters():
            p.mul_(2)
    close(rnn(x)[0], doubled)
    assert not torch.allclose(doubled, y)


def test_parametrize() -> None:
    rnn, x = make("lstm"), data()
    y, _ = rnn(x)
    parametrizations.weight_norm(rnn.l0, "U_i")
    close(rnn(x)[0], y)
    rnn(x)[0].sum().backward()
    assert rnn.l0.parametrizations.U_i.original0.grad.any()


def test_gradcheck_through_lengths_resets_and_both_directions() -> None:
    rnn, x = nonzero_start(make("gru-cho", 2, 2, layers=1, bidirectional=True, learn_initial=True)), data(2, 3, 2)
    lengths, resets = torch.tensor([3, 2]), torch.tensor([[False, True, False], [False, False, True]])
    names = [n for n, _ in rnn.named_parameters()]

    def f(x: Tensor, *values: Tensor) -> Tensor:
        call = {"lengths": lengths, "resets": resets}
        return torch.func.functional_call(rnn, dict(zip(names, values, strict=True)), (x,), call)[0]

    assert torch.autograd.gradcheck(f, (x.requires_grad_(), *rnn.parameters()))
