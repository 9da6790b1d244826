"""Every shipped cell: its step is the reference, its derived gradients are autograd's. New cells need no line here."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from rondo.cell import Cell
from rondo.cells import command_name, find, shipped
from rondo.kernels import check, reference

from shown import shown

CELLS = sorted(shipped())
DOUBLE = 1e-10  # the bound; adjoint and autograd add the same terms in another order
TIMES = [(T, B) for T in (0, 1, 2, 9) for B in (1, 3)]


def compared(kind: str, name: str, shape: tuple[int, ...], got: check.Tensors, want: check.Tensors) -> float:
    """The worst error, after telling the closing screen about each quantity."""
    found = check.errors(got, want)
    for quantity, error in found.items():
        shown(kind, name, shape, quantity, error, dtype="float64")
    return max(found.values())


def bptt(graph: object, k: check.Case) -> check.Tensors:
    return check.bptt(graph, k.params, k.x, k.state, k.grad_y, k.grad_state, k.lengths, k.resets, k.initial, k.masks)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CELLS)
def test_has_paper_and_short_file(name: str) -> None:
    cell = shipped()[name]
    assert cell.citation, "name the paper: citation = ..."
    assert "arXiv" in cell.__doc__ or "doi" in cell.__doc__ or "JMLR" in cell.__doc__
    assert isinstance(find(name), cell)
    assert find(name.upper().replace("-", "_")).name == cell.__name__


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", CELLS)
def test_step_on_tensors_gives_the_bits_of_the_reference(name: str, dtype: torch.dtype) -> None:
    cell = shipped()[name]()
    k = check.case(cell.graph, 3, 5, {"input": 4, "hidden": 7}, dtype=dtype)
    y, final = reference.scan(cell.graph, k.params, k.x, k.state)
    columns = {p: v.unsqueeze(1) if v.dim() == 1 else v for p, v in k.params.items()}
    state = {s: v.T for s, v in k.state.items()}
    (x,) = k.x.values()
    for t in range(3):
        state, output = cell.run(columns, x[:, t].T, state)
        assert torch.equal(output.T, y[:, t])
        assert output.dtype == dtype
    for s, v in state.items():
        assert torch.equal(v.T, final[s])


@pytest.mark.parametrize("ragged", [False, True], ids=["full", "ragged"])
@pytest.mark.parametrize("units", [1, 7, 16])
@pytest.mark.parametrize("name", CELLS)
def test_adjoint_is_autograd(name: str, units: int, ragged: bool) -> None:
    graph = shipped()[name]().graph
    for T, B in TIMES:
        k = check.case(graph, T, B, {"input": 5, "hidden": units}, seed=T + B, lengths=ragged, resets=ragged)
        want = check.gradients_by_autograd(graph, k, reference.scan)
        error = compared("adjoint = autograd", name, (T, B, 5, units), bptt(graph, k), want)
        assert error <= DOUBLE, (T, B)


@pytest.mark.parametrize("name", CELLS)
def test_finite_differences(name: str) -> None:
    graph = shipped()[name]().graph
    k = check.case(graph, 3, 2, {"input": 2, "hidden": 3}, lengths=torch.tensor([3, 1]), resets=True)
    tensors = {**k.params, **k.x, **{f"{s}<0>": v for s, v in k.state.items()}}

    def loss(*values: Tensor) -> tuple[Tensor, ...]:
        named = dict(zip(tensors, values, strict=True))
        state = {s: named[f"{s}<0>"] for s in k.state}
        y, final = reference.scan(graph, named, {i: named[i] for i in k.x}, state, k.lengths, k.resets, k.initial)
        return (y, *final.values())

    assert torch.autograd.gradcheck(loss, [v.clone().requires_grad_() for v in tensors.values()])


TORCH_NAMES = {
    "elman": ("RNN", {}, [""]),
    "elman-relu": ("RNN", {"nonlinearity": "relu"}, [""]),
    "gru": ("GRU", {}, ["_r", "_z", "_n"]),
    "lstm": ("LSTM", {}, ["_i", "_f", "_g", "_o"]),
    "lstm-projected": ("LSTM", {"proj_size": 3}, ["_i", "_f", "_g", "_o"]),
}


def copied(net: torch.nn.RNNBase, cell: Cell, gates: list[str]) -> check.Tensors:
    """torch.nn's first layer under this cell's names; two biases that only ever add up become one."""
    w, u, b_i, b_h = (v.detach() for v in net.all_weights[0][:4])
    parts = zip(gates, w.chunk(len(gates)), u.chunk(len(gates)), b_i.chunk(len(gates)), b_h.chunk(len(gates)))  # noqa: B905
    values = {}
    for gate, *(w_g, u_g, b_g, c_g) in parts:
        values |= {f"W{gate}": w_g, f"U{gate}": u_g, f"b{gate}": b_g + c_g}
        if f"b_h{gate[1:]}" in cell.graph.params:
            values |= {f"b{gate}": b_g, f"b_h{gate[1:]}": c_g}
    if "P" in cell.graph.params:
        values["P"] = net.all_weights[0][4].detach()
    return values


@pytest.mark.parametrize("name", TORCH_NAMES)
def test_equals_torch(name: str) -> None:
    kind, options, gates = TORCH_NAMES[name]
    torch.manual_seed(1)
    net = getattr(torch.nn, kind)(4, 6, batch_first=True, dtype=torch.float64, **options)
    cell = find(name)
    width = options.get("proj_size", 6)
    x = torch.randn(3, 5, 4, dtype=torch.float64)
    state = {s: torch.randn(3, width if n == "proj" else 6, dtype=torch.float64) for s, n in cell.graph.states.items()}
    y, final = reference.scan(cell.graph, copied(net, cell, gates), {"x": x}, state)
    given = tuple(v.unsqueeze(0) for v in state.values())
    want_y, want = net(x, given if len(given) > 1 else given[0])
    wanted = dict(zip(state, want if isinstance(want, tuple) else (want,), strict=True))
    truth = {"output": want_y, **{f"state {s}": v[0] for s, v in wanted.items()}}
    got = {"output": y, **{f"state {s}": v for s, v in final.items()}}
    error = compared("reference = torch.nn", name, (5, 3, 4, 6), got, truth)
    assert error <= DOUBLE


def test_padding_may_hold_anything() -> None:
    """Steps past the length reach neither outputs nor gradients, nan included; a reset there changes nothing."""
    graph = find("gru").graph
    lengths = torch.tensor([0, 2, 4])
    k = check.case(graph, 4, 3, {"input": 2, "hidden": 3}, lengths=lengths)
    want = check.gradients_by_autograd(graph, k, reference.scan)
    k.x["x"][torch.arange(4) >= lengths.unsqueeze(1)] = torch.nan
    late = check.case(graph, 4, 3, {"input": 2, "hidden": 3}, resets=torch.arange(4) >= lengths.unsqueeze(1))
    poisoned = check.Case(**{**vars(k), "resets": late.resets, "initial": late.initial})
    got = check.gradients_by_autograd(graph, poisoned, reference.scan)
    assert got.pop("dL/dh<reset>").abs().max() == 0
    assert check.agreement(got, want) == 0
    derived = bptt(graph, poisoned)
    del derived["dL/dh<reset>"]
    assert check.agreement(derived, want) <= DOUBLE


def test_slstm_stays_finite_at_extreme_gates() -> None:
    """The stabiliser holds from the first step on: pre-activations of a few hundred, both signs, zero state."""
    graph = find("slstm").graph
    k = check.case(graph, 6, 2, {"input": 3, "hidden": 4})
    zero = {s: torch.zeros_like(v) for s, v in k.state.items()}
    extreme = check.Case(**{**vars(k), "x": {"x": 300 * k.x["x"]}, "state": zero})
    got = check.gradients_by_autograd(graph, extreme, reference.scan)
    assert all(v.isfinite().all() for v in got.values())
    assert (got["state n"] >= 1).all()
    assert check.agreement(bptt(graph, extreme), got) <= DOUBLE


def test_min_lstm_shares_add_up_where_both_gates_underflow() -> None:
    graph = find("min-lstm").graph
    k = check.case(graph, 1, 2, {"input": 2, "hidden": 3}, dtype=torch.float32)
    flat, closed = torch.zeros(3, 2), torch.full((3,), -200.0)
    y, _ = reference.scan(graph, k.params | {"W_f": flat, "W_i": flat, "b_f": closed, "b_i": closed}, k.x, k.state)
    candidate = k.x["x"][:, 0] @ k.params["W_c"].T + k.params["b_c"]
    torch.testing.assert_close(y[:, 0], (k.state["h"] + candidate) / 2)


def test_names_in_commands() -> None:
    assert "gru-cho" in CELLS
    assert command_name(shipped()["lstm-no-tanh"]) == "lstm-no-tanh"
    with pytest.raises(ValueError, match="did you mean 'gru'"):
        find("gruu")


def test_agreement_measure() -> None:
    want = {"output": torch.tensor([1.0, -2.0]), "dL/dW": torch.tensor([1000.0]), "dL/db": torch.tensor([0.0])}
    got = {"output": torch.tensor([1.0, -2.5]), "dL/dW": torch.tensor([1001.0]), "dL/db": torch.tensor([0.1])}
    found = check.errors(got, want)
    assert found == pytest.approx({"output": 0.25, "dL/dW": 1e-3, "dL/db": 0.1})  # output: its scale is 2, the floor 1
    assert check.agreement({**got, "dL/db": torch.tensor([torch.nan])}, want) == float("inf")
    with pytest.raises(ValueError, match="only one side has"):
        check.agreement({"output": want["output"]}, want)
    with pytest.raises(ValueError, match="shape"):
        check.agreement({**got, "dL/dW": torch.zeros(2)}, want)
