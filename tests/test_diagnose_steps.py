"""A pass forward step by step, gates that are held, what outputs see, and the bias of truncation."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from rondo import cells
from rondo.cell import Cell
from rondo.diagnose import DiagnoseError, hold, reach, steps, truncated
from rondo.diagnose.inside import array
from rondo.render.lines import forward
from rondo.render.live import spoken
from rondo.rnn import RNN

SHORT = "the cat, which"
LSTM_FORGETS = """
def Forgetful(x: input, h: hidden, c: hidden):
    i = sigmoid(W_i @ x + U_i @ h + b_i)
    f = sigmoid(W_f @ x + U_f @ h + b_f)
    g = tanh(W_g @ x + U_g @ h + b_g)
    o = sigmoid(W_o @ x + U_o @ h + b_o)
    c_new = {belt}
    return State(h=o * tanh(c_new), c=c_new)
"""


def network(cell: str, width: int = 3, hidden: int = 4, seed: int = 1) -> tuple[RNN, dict[str, torch.Tensor]]:
    torch.manual_seed(seed)
    rnn = RNN(cell, width, hidden, dtype=torch.float64, backend="reference")
    return rnn, {name: p.detach() for name, p in rnn.part("l0").named_parameters()}


def sequence(count: int = 5, width: int = 3, seed: int = 2) -> torch.Tensor:
    return torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


# --- the walk


@pytest.mark.parametrize("cell", sorted(set(cells.shipped()) - {"indrnn", "lstm-projected"}))
def test_a_walk_says_what_the_network_does(cell: str) -> None:
    graph = cells.find(cell).graph
    if graph.square or len(graph.inputs) > 1 or set(graph.size_names) - {"input", "hidden"}:
        pytest.skip("sizes of its own")
    rnn, params = network(cell)
    x = sequence()
    values = steps.walk(graph, params, {next(iter(graph.inputs)): x})
    y, after = rnn(x.unsqueeze(0))
    np.testing.assert_allclose(np.stack([v[graph.output] for v in values]), array(y[0]), rtol=1e-12, atol=1e-14)
    trace = rnn.trace(x.unsqueeze(0))
    for name, node in steps.names(graph).items():
        np.testing.assert_allclose(np.stack([v[node] for v in values]), array(trace[f"l0.{name}"][0]), atol=1e-14)
    for state, node in graph.updates.items():
        np.testing.assert_allclose(values[-1][node], array(after[f"l0.{state}"][0]), atol=1e-14)


@pytest.mark.parametrize("cell", ["elman", "gru-simple", "gru-cho", "gru", "lstm", "lstm-no-tanh"])
def test_every_slot_has_its_numbers_and_products_are_right(cell: str) -> None:
    walk = steps.spelling("abca", cell, hidden=2, updates=3)
    lines, nodes = spoken(walk.lines)
    assert [line.name for line in lines][-2:] in (["z_y", "y_hat"], ["s_y", "y_hat"])  # z is taken in the GRU of cuDNN
    for values in walk.values:
        assert all(n in values for n in nodes)
        for line in lines:
            for p in line.products:
                operand = np.concatenate([values[nodes[k]] for k in p.operands])
                np.testing.assert_allclose(walk.params[p.matrix] @ operand, values[nodes[p.result]], rtol=1e-12)
    for line in lines:
        assert line.live.count("data-slot") >= len(line.reads) > 0
        assert "data-slot" not in line.text


def test_a_word_is_spelled_and_its_loss_is_that_of_the_values() -> None:
    walk = steps.spelling("hello")
    guess = walk.lines[-1].target
    p = [v[guess][walk.alphabet.index(c)] for v, c in zip(walk.values, "ello", strict=True)]
    assert min(p) > 0.9  # both l are told apart by the state alone
    assert walk.loss == pytest.approx(-sum(map(math.log, p)) / 4, rel=1e-9)
    assert steps.spelling("hello").loss == walk.loss  # from the seed alone
    assert steps.spelling("hello", seed=2).loss != walk.loss


@pytest.mark.parametrize("word", ["", "a", "a" * 18])
def test_a_word_too_short_or_too_long_is_refused(word: str) -> None:
    with pytest.raises(DiagnoseError, match="write 2 to 17"):
        steps.spelling(word)


def test_numbers_are_walked_as_drawn() -> None:
    walk = steps.counting([1.0, -2.0, 0.5], "gru-cho", hidden=2)
    x = next(n for n in walk.values[0] if n.op == "input")
    assert [float(v[x][0]) for v in walk.values] == [1.0, -2.0, 0.5]
    assert walk.loss is None
    assert not walk.symbols
    with pytest.raises(DiagnoseError):
        steps.counting([])


# --- gates that are held


@pytest.mark.parametrize(("to", "belt"), [(0.0, "0 * f + i * g + 0 * c"), (1.0, "c + i * g + 0 * f")])
def test_a_held_gate_is_an_edited_equation(to: float, belt: str) -> None:
    rnn, params = network("lstm")
    x = sequence()
    edited = Cell.parse(LSTM_FORGETS.format(belt=belt)).graph
    want = steps.walk(edited, params, {"x": x})
    found = hold.held(rnn.cell.graph, params, x, [hold.Hold("f", to)])
    for state in ("h", "c"):
        np.testing.assert_allclose(
            found.of(state), np.stack([v[edited.updates[state]] for v in want]), rtol=1e-12, atol=1e-14
        )
    assert (found.of("f") == to).all()


def test_a_gru_that_never_writes_stays_zero_and_one_that_always_does_is_its_candidate() -> None:
    rnn, params = network("gru-cho")
    graph, x = rnn.cell.graph, sequence()
    assert not hold.held(graph, params, x, [hold.Hold("u", 0.0)]).of("h").any()
    always = hold.held(graph, params, x, [hold.Hold("u", 1.0)])
    np.testing.assert_allclose(always.of("h"), always.of("c"), atol=0)


@given(
    name=st.sampled_from(["i", "f", "o"]),
    to=st.sampled_from([0.0, 1.0]),
    unit=st.none() | st.integers(0, 3),
    step=st.none() | st.integers(0, 4),
)
def test_nothing_changes_before_a_hold_or_above_it(name: str, to: float, unit: int | None, step: int | None) -> None:
    rnn, params = network("lstm")
    graph, x = rnn.cell.graph, sequence()
    plain = hold.held(graph, params, x)
    found = hold.held(graph, params, x, [hold.Hold(name, to, unit, step)])
    first = step or 0
    for other in steps.names(graph):
        assert (found.of(other)[:first] == plain.of(other)[:first]).all()
    where = (slice(None) if step is None else step, slice(None) if unit is None else unit)
    assert (found.of(name)[where] == to).all()
    own = found.own_of(name)
    assert (own[first] == plain.of(name)[first]).all()  # what its equation says, before anything has changed
    free = np.ones(own.shape, bool)
    free[where] = False
    assert (found.of(name)[free] == own[free]).all()


def test_a_hold_of_what_is_not_there_is_refused() -> None:
    rnn, params = network("lstm")
    for wrong in (hold.Hold("q", 1.0), hold.Hold("f", 1.0, unit=4), hold.Hold("f", 1.0, step=5)):
        with pytest.raises(DiagnoseError):
            hold.held(rnn.cell.graph, params, sequence(), [wrong])
    with pytest.raises(DiagnoseError, match="no sigmoid"):
        hold.terms(hold.held(rnn.cell.graph, params, sequence()), params, "h", 0)


@pytest.mark.parametrize("cell", ["elman", "gru-cho", "gru", "gru-simple", "lstm", "peephole-lstm", "mgu"])
def test_terms_sum_to_the_argument_of_the_gate(cell: str) -> None:
    rnn, params = network(cell)
    found = hold.held(rnn.cell.graph, params, sequence())
    for name, node in steps.names(rnn.cell.graph).items():
        if node.op not in ("sigmoid", "tanh"):
            continue
        for unit in (0, 3):
            z = sum(term.parts.sum(1) for term in hold.terms(found, params, name, unit))
            want = found.of(name)[:, unit]
            np.testing.assert_allclose(np.tanh(z) if node.op == "tanh" else 1 / (1 + np.exp(-z)), want, rtol=1e-12)


# --- reach

WORDS = ["he", "said", "teddy", "bears", "are", "on", "sale"]


@pytest.mark.parametrize("cell", ["elman", "gru-cho", "lstm"])
@pytest.mark.parametrize("layers", [1, 2, 3])
def test_one_direction_sees_no_future_and_both_see_all(cell: str, layers: int) -> None:
    one = reach.sight(*reach.drawn(WORDS, cell, layers))
    assert (np.triu(one.inputs, 1) == 0).all()
    assert (np.tril(one.inputs)[np.tril_indices(len(WORDS))] > 0).all()
    assert [one.seen(t) for t in range(len(WORDS))] == list(range(1, len(WORDS) + 1))
    assert [one.after(t) for t in range(len(WORDS))] == [0.0] * len(WORDS)
    both = reach.sight(*reach.drawn(WORDS, cell, layers, bidirectional=True))
    assert (both.inputs > 0).all()
    assert all(0 < both.after(t) < 1 for t in range(len(WORDS) - 1))
    assert both.after(len(WORDS) - 1) == 0
    # in a top layer each direction is read at its own side alone
    top = f"l{layers - 1}"
    assert (np.triu(both.states[f"{top}.h"], 1) == 0).all()
    assert (np.tril(both.states[f"{top}_reverse.h"], -1) == 0).all()


def test_the_map_is_the_jacobian() -> None:
    rnn, x = reach.drawn(WORDS[:4], "gru-cho", 2, bidirectional=True, hidden=3)
    head = nn.Linear(6, 2, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(lambda v: head(rnn(v.unsqueeze(0))[0][0]), x)
    want = jacobian.square().sum((1, 3)).sqrt()  # [T, K, T, n]
    np.testing.assert_allclose(reach.sight(rnn, x, head).inputs, array(want), rtol=1e-10)


def test_equal_words_have_equal_vectors_and_too_much_is_refused() -> None:
    rnn, x = reach.drawn(["a", "b", "a"])
    assert (x[0] == x[2]).all()
    assert (x[0] != x[1]).any()
    with pytest.raises(DiagnoseError):
        reach.sight(rnn, x[:0])
    with pytest.raises(DiagnoseError, match="too many"):
        reach.sight(rnn, x.repeat(400, 1))


# --- truncation


@given(count=st.integers(1, 30), data=st.data())
def test_every_loss_is_counted_once_within_its_window(count: int, data: st.DataObject) -> None:
    size = data.draw(st.integers(1, count))
    every = data.draw(st.integers(1, size))
    found = truncated.windows(count, size, every)
    assert [t for w in found for t in range(w.counted, w.last)] == list(range(count))
    assert all(0 <= w.first <= w.counted < w.last <= w.first + size for w in found)
    assert truncated.cost(count, size, every).kept <= size
    assert truncated.cost(count, count, count) == truncated.Cost(count, count)
    with pytest.raises(DiagnoseError):
        truncated.windows(count, size, size + 1)


@pytest.mark.parametrize("cell", ["elman", "gru-cho", "lstm"])
def test_a_window_of_all_steps_is_the_whole_gradient(cell: str) -> None:
    small = truncated.trained(SHORT, cell, hidden=5, updates=3)
    whole, count = truncated.full(small.model, small.x, small.y), len(small.x)
    lags = truncated.by_lag(small.model, small.x, small.y)
    for name, g in whole.items():
        scale = g.abs().max()
        for found in (
            truncated.truncated(small.model, small.x, small.y, count),
            truncated.truncated(small.model, small.x, small.y, count, count),
            {n: v.sum(0) for n, v in lags.items()},
        ):
            assert (found[name] - g).abs().max() <= 1e-12 * scale
        for size in (1, 3, 6):  # the lags within reach, by another way
            cut = truncated.truncated(small.model, small.x, small.y, size)[name]
            assert (lags[name][:size].sum(0) - cut).abs().max() <= 1e-12 * scale


def test_chunks_are_what_detaching_the_state_gives() -> None:
    small = truncated.trained(SHORT, "lstm", hidden=4)
    model, size, state, total = small.model, 5, None, None
    for first in range(0, len(small.x), size):
        scores, after = model(small.x[None, first : first + size], state)
        loss = nn.functional.cross_entropy(scores[0], small.y[first : first + size], reduction="sum")
        found = torch.autograd.grad(loss, list(model.parameters()))
        total = found if total is None else tuple(a + b for a, b in zip(total, found, strict=True))
        state = after.detach()
    want = dict(zip(dict(model.named_parameters()), total or (), strict=True))
    for name, g in truncated.truncated(model, small.x, small.y, size, size).items():
        np.testing.assert_allclose(array(g), array(want[name]), rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("chunks", [False, True])
def test_the_bias_ends_at_zero_and_the_readout_has_none(chunks: bool) -> None:
    small = truncated.trained(SHORT, "gru-cho", hidden=5, updates=2)
    found = truncated.bias(small.model, small.x, small.y, chunks)
    count = len(small.x)
    assert found.cosine["all"][-1] == pytest.approx(1, abs=1e-12)
    assert found.relative["all"][-1] < 1e-12
    assert found.relative["all"][0] > 0.01
    assert max(found.relative["head.weight"]) < 1e-12  # it is used where the loss is
    assert len(found.costs) == len(found.lags) == count
    assert found.costs[-1].kept == count
    if chunks:
        assert all(c.steps == count for c in found.costs)
    else:  # 1 + 2 + ... + k, then k for each step that is left
        assert [c.steps for c in found.costs] == [k * (k + 1) // 2 + (count - k) * k for k in range(1, count + 1)]
    want = truncated.truncated(small.model, small.x, small.y, 4, 4 if chunks else 1)
    whole = truncated.full(small.model, small.x, small.y)
    apart = torch.cat([(want[n] - g).flatten() for n, g in whole.items()]).norm()
    size = torch.cat([g.flatten() for g in whole.values()]).norm()
    assert found.relative["all"][3] == pytest.approx(float(apart / size), rel=1e-9)


def test_numbers_kept_of_a_step() -> None:
    """Elman keeps x, a<t-1> and a<t>: tanh' is read from the value."""
    assert truncated.numbers_kept(cells.find("elman").graph, {"input": 7, "hidden": 4}) == 7 + 4 + 4
    lstm = truncated.numbers_kept(cells.find("lstm").graph, {"input": 7, "hidden": 4})
    assert lstm == 7 + 4 * 7  # h<t-1>, c<t-1>, i, f, g, o, tanh(c)


def test_texts_too_short_or_too_long_are_refused() -> None:
    for text in ("ab", "a" * 97):
        with pytest.raises(DiagnoseError, match="write 3 to 96"):
            truncated.trained(text)
    deep = truncated.trained(SHORT, "elman", hidden=4)
    torch.manual_seed(1)
    from rondo.models.generator import Generator

    two = Generator(cells.find("elman"), len(deep.alphabet), 4, 2).double()
    with pytest.raises(DiagnoseError, match="one layer"):
        truncated.by_lag(two, deep.x, deep.y)


def test_lines_of_a_cell_are_those_of_its_equations() -> None:
    graph = cells.find("lstm").graph
    told, nodes = spoken(forward(graph))
    assert [line.name for line in told] == ["i", "f", "g", "o", "c", "h"]
    assert told[4].reads == (told[1].slot, nodes.index(next(n for n in nodes if n.op == "state" and n.attr == "c")),
                             told[0].slot, told[2].slot)  # fmt: skip
