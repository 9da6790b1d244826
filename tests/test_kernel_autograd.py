"""The fused kernel under torch: finite differences, higher orders, what is skipped, and what goes to the reference."""

from __future__ import annotations

import functools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor
from torch.func import functional_call, grad, jvp, vmap

from agree import BOUND, CELLS, SPLITS, Shape, compiled_shipped, drawn, fused, graph_of, truth, use_split
from rondo import RNN
from rondo.expr.graph import Graph
from rondo.kernels import build, check, cpu, dispatch
from rondo.kernels import fused as calls

from shown import shown

SECOND = ["elman", "gru-cho", "lstm", "layer-norm-lstm", "sru"]
F64 = torch.float64
WAYS = {  # lengths, resets, reverse
    "plain": (None, None, False),
    "ragged": (torch.tensor([3, 0, 2]), torch.tensor([[0, 0, 1], [0, 0, 0], [1, 1, 0]]).bool(), False),
    "ragged reverse": (torch.tensor([2, 0, 3]), torch.tensor([[0, 1, 0], [0, 0, 0], [0, 1, 1]]).bool(), True),
    "reverse": (None, torch.tensor([[0, 1, 0], [1, 0, 1], [0, 0, 0]]).bool(), True),
}


@pytest.fixture(autouse=True, scope="module")
def kernels() -> None:
    compiled_shipped()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How often the kernel ran forward and backward."""
    count = {"forward": 0, "backward": 0}

    def counting(name: str, run: Callable) -> Callable:
        def call(*arguments: object, **more: object) -> object:
            count[name] += 1
            return run(*arguments, **more)

        return call

    for name in count:
        monkeypatch.setattr(calls, f"run_{name}", counting(name, getattr(calls, f"run_{name}")))
    return count


def small(graph: Graph, way: str) -> tuple[Callable[..., tuple[Tensor, ...]], list[Tensor]]:
    """A function of all tensors of a small case, and those tensors in float64."""
    lengths, resets, reverse = WAYS[way]
    k = check.case(graph, 3, 3, {"input": 2, "hidden": 3}, lengths=False if lengths is None else lengths,
                   resets=False if resets is None else resets)  # fmt: skip
    parts = [k.params, k.x, k.state, k.initial or {}]
    names = [(i, name) for i, part in enumerate(parts) for name in part]

    def run(*values: Tensor) -> tuple[Tensor, ...]:
        given: list[dict[str, Tensor]] = [{}, {}, {}, {}]
        for (i, name), v in zip(names, values, strict=True):
            given[i][name] = v
        params, x, state, initial = given
        y, final = dispatch.scan(graph, params, x, state, lengths, resets, initial or None, k.masks, reverse)
        return (y, *final.values())

    return run, [v.clone().requires_grad_() for part in parts for v in part.values()]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", CELLS)
def test_gradcheck(name: str, way: str, watched: dict[str, int]) -> None:
    run, values = small(graph_of(name), way)
    assert torch.autograd.gradcheck(run, values)
    assert watched["forward"]
    assert watched["backward"]
    shown("fused: finite differences", name, (3, 3, 2, 3, way), "dL/d all", 0.0)


@pytest.mark.parametrize("way", [pytest.param(w, marks=[] if w == "ragged" else pytest.mark.long) for w in WAYS])
@pytest.mark.parametrize("name", SECOND)
def test_gradgradcheck(name: str, way: str, watched: dict[str, int]) -> None:
    run, values = small(graph_of(name), way)
    assert torch.autograd.gradgradcheck(run, values)
    assert watched["forward"]
    shown("fused: second order", name, (3, 3, 2, 3, way), "dL/d all", 0.0)


def test_gradient_penalty_is_that_of_the_reference() -> None:
    """First order by the kernel, second by the reference: the sum of squares of dL/dx, differentiated."""
    graph = graph_of("gru")
    case = drawn(graph, Shape(5, 3, 7, lengths=True, resets=True)).to(F64)

    def penalty(backend: str) -> list[Tensor]:
        params = {k: v.clone().requires_grad_() for k, v in case.params.items()}
        x = {k: v.clone().requires_grad_() for k, v in case.x.items()}
        given = check.Case(**{**vars(case), "params": params, "x": x})
        y, _ = check.run(graph, given, functools.partial(dispatch.scan, backend=backend))
        (d_x,) = torch.autograd.grad(y.square().sum(), list(x.values()), create_graph=True)
        return list(torch.autograd.grad(d_x.square().sum(), list(params.values()), allow_unused=True))

    for got, want in zip(penalty("auto"), penalty("reference"), strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-12)  # float64, another order of summation


@pytest.mark.parametrize("name", CELLS)
def test_backward_twice_gives_the_same(name: str) -> None:
    graph = graph_of(name)
    case = drawn(graph, Shape(4, 3, 9, lengths=True, resets=True))
    params = {k: v.requires_grad_() for k, v in case.params.items()}
    y, end = check.run(graph, case, dispatch.scan)
    loss = (y * case.grad_y).sum() + sum(v.square().sum() for v in end.values())
    first = torch.autograd.grad(loss, list(params.values()), retain_graph=True, allow_unused=True)
    again = torch.autograd.grad(loss, list(params.values()), allow_unused=True)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    with pytest.raises(RuntimeError, match="backward through the graph a second time"):
        torch.autograd.grad(loss, list(params.values()), allow_unused=True)


@pytest.mark.parametrize("split", SPLITS)
@pytest.mark.parametrize("wanted", ["params", "x", "state", "initial"])
@pytest.mark.parametrize("name", CELLS)
def test_only_some_gradients_are_wanted(name: str, wanted: str, split: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are those of a backward that wants all; what is not wanted is not written anywhere, now or later."""
    use_split(monkeypatch, split)
    graph = graph_of(name)
    case = drawn(graph, Shape(4, 3, 9, lengths=True, resets=True))
    want = fused(graph, case)
    labels = {"params": "dL/d{}", "x": "dL/d{}", "state": "dL/d{}<0>", "initial": "dL/d{}<reset>"}
    part = {k: v.clone().requires_grad_() for k, v in getattr(case, wanted).items()}
    for _ in range(2):  # the second finds packed weights that the first left behind
        y, end = check.run(graph, check.Case(**{**vars(case), wanted: part}), dispatch.scan)
        outputs = [(y, case.grad_y), *((end[s], case.grad_state[s]) for s in end)]
        outputs, upstream = zip(*(p for p in outputs if p[0].requires_grad), strict=True)
        found = torch.autograd.grad(outputs, list(part.values()), upstream, allow_unused=True, materialize_grads=True)
        for k, v in zip(part, found, strict=True):
            assert torch.equal(v, want[labels[wanted].format(k)]), k
    assert check.agreement(fused(graph, case), want) == 0


def test_backward_in_eval_mode(watched: dict[str, int]) -> None:
    """Saving follows requires_grad, never .training."""
    torch.manual_seed(0)
    rnn = RNN("lstm", 4, 8, 2, bidirectional=True).eval()
    x = torch.randn(3, 5, 4, requires_grad=True)
    rnn(x)[0].sum().backward()
    in_eval = [x.grad.clone(), *(p.grad.clone() for p in rnn.parameters())]
    assert watched["backward"] == 4
    x.grad = None
    rnn.train().zero_grad()
    rnn(x)[0].sum().backward()
    for a, b in zip(in_eval, [x.grad, *(p.grad for p in rnn.parameters())], strict=True):
        assert torch.equal(a, b)


def test_upstream_gradients_of_any_layout() -> None:
    """Expanded, transposed and sparse-in-time upstream gradients; outputs that no loss reads."""
    graph = graph_of("gru")
    case = drawn(graph, Shape(5, 3, 7)).to(F64)
    uses = [
        lambda y, s: y.sum(),
        lambda y, s: (y.transpose(0, 1) * torch.arange(7.0, dtype=F64)).sum(),
        lambda y, s: y[:, -1].square().sum(),
        lambda y, s: s["h"].square().sum(),
        lambda y, s: y[::2, 1::2, ::3].sum() + s["h"].T.sum(),
    ]
    for use in uses:
        grads = []
        for backend in dispatch.BACKENDS[:2]:
            params = {k: v.clone().requires_grad_() for k, v in case.params.items()}
            given = check.Case(**{**vars(case), "params": params})
            loss = use(*check.run(graph, given, functools.partial(dispatch.scan, backend=backend)))
            grads.append(torch.autograd.grad(loss, list(params.values())))
        for a, b in zip(*grads, strict=True):
            torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)  # float64, another order of summation


def test_inputs_of_any_layout() -> None:
    """Time-first views, slices, expanded rows and transposed parameters are read as they stand."""
    graph = graph_of("gru-cho")
    case = drawn(graph, Shape(5, 4, 7)).to(F64)
    want = fused(graph, case)
    (name, x), *_ = case.x.items()
    wide = torch.full((5, 4, 11), torch.nan, dtype=F64)
    wide[..., 3:8] = x.transpose(0, 1)
    layouts = {"time first": x.transpose(0, 1).contiguous().transpose(0, 1), "slice": wide[..., 3:8].transpose(0, 1)}
    layouts["columns"] = x.permute(2, 0, 1).contiguous().permute(1, 2, 0)
    params = {k: v.T.contiguous().T if v.dim() == 2 else v[:, None].expand(-1, 2)[:, 0] for k, v in case.params.items()}
    for v in layouts.values():
        for p in (case.params, params):
            y, end = dispatch.scan(graph, p, {name: v}, case.state)
            assert torch.equal(y, want["output"])
            assert torch.equal(end["h"], want["state h"])
    one = {k: v[:1].expand(4, -1, -1) for k, v in case.x.items()}
    y, _ = dispatch.scan(graph, case.params, one, {k: v[:1].expand(4, -1) for k, v in case.state.items()})
    assert torch.equal(y, y[:1].expand_as(y))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_goes_to_the_reference(dtype: torch.dtype, watched: dict[str, int]) -> None:
    graph = graph_of("gru")
    case = drawn(graph, Shape(3, 2, 4)).to(dtype)
    y, _ = check.run(graph, case, dispatch.scan)
    assert y.dtype is dtype
    assert watched["forward"] == 0
    assert str(dtype) in dispatch.explain(graph, y.device, dtype)


def test_mixed_types_go_to_the_reference(watched: dict[str, int]) -> None:
    """Which says what torch says: nothing is converted silently, nothing is read as another type."""
    graph = graph_of("gru")
    case = drawn(graph, Shape(3, 2, 4))
    with pytest.raises(RuntimeError, match="dtype"):
        dispatch.scan(graph, case.params, {k: v.double() for k, v in case.x.items()}, case.state)
    assert watched["forward"] == 0


def test_function_transforms_go_to_the_reference(watched: dict[str, int]) -> None:
    graph = graph_of("gru")
    case = drawn(graph, Shape(4, 3, 5)).to(F64)

    def loss(params: check.Tensors, x: Tensor) -> Tensor:
        return dispatch.scan(graph, params, {"x": x}, case.state)[0].square().sum()

    x = case.x["x"]
    got = grad(loss)(case.params, x)
    params = {k: v.clone().requires_grad_() for k, v in case.params.items()}
    want = torch.autograd.grad(loss(params, x), list(params.values()))
    assert watched == {"forward": 1, "backward": 1}, "only the plain call runs the kernel"
    for a, b in zip(got.values(), want, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)  # float64, another order of summation
    tangent = torch.ones_like(x)
    _, along = jvp(lambda v: loss(case.params, v), (x,), (tangent,))
    at = x.clone().requires_grad_()
    (slope,) = torch.autograd.grad(loss(case.params, at), at)
    torch.testing.assert_close(along, (slope * tangent).sum(), rtol=1e-10, atol=1e-12)
    each = vmap(lambda v: dispatch.scan(graph, case.params, {"x": v}, case.state)[0])(torch.stack([x, 2 * x]))
    torch.testing.assert_close(each[1], dispatch.scan(graph, case.params, {"x": 2 * x}, case.state)[0])


def test_forward_mode_goes_to_the_reference(watched: dict[str, int]) -> None:
    graph = graph_of("gru")
    case = drawn(graph, Shape(4, 3, 5)).to(F64)
    with torch.autograd.forward_ad.dual_level():
        x = torch.autograd.forward_ad.make_dual(case.x["x"], torch.ones_like(case.x["x"]))
        y, _ = dispatch.scan(graph, case.params, {"x": x}, case.state)
        assert torch.autograd.forward_ad.unpack_dual(y).tangent is not None
    assert watched["forward"] == 0


def test_functional_call_uses_the_weights_given(watched: dict[str, int]) -> None:
    torch.manual_seed(0)
    rnn, other, x = RNN("lstm", 4, 8), RNN("lstm", 4, 8), torch.randn(3, 5, 4)
    want = other(x)[0]
    assert torch.equal(functional_call(rnn, dict(other.named_parameters()), (x,))[0], want)
    assert not torch.equal(rnn(x)[0], want)
    assert watched["forward"] == 3


def test_weights_edited_in_place_are_seen() -> None:
    """Packed weights are kept while their bits stay the same, not while their version does."""
    graph = graph_of("lstm")
    case = drawn(graph, Shape(4, 3, 9))
    for name in case.params:
        with torch.no_grad():
            case.params[name].data.view(-1)[-1] += 0.5  # .data: the version counter stands still
        assert check.agreement(fused(graph, case), truth(graph, case)) <= BOUND[torch.float32], name


def test_in_place_change_before_backward_is_an_error() -> None:
    graph = graph_of("lstm")
    case = drawn(graph, Shape(4, 3, 9))
    w = next(iter(case.params.values())).requires_grad_()
    y, _ = check.run(graph, case, dispatch.scan)
    with torch.no_grad():
        w.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_explain_names_the_path() -> None:
    graph = graph_of("gru")
    assert dispatch.explain(graph, torch.device("cpu"), torch.float32).startswith("fused CPU kernel")
    assert "asked for" in dispatch.explain(graph, torch.device("cpu"), torch.float32, "reference")
    assert "meta" in dispatch.explain(graph, torch.device("meta"), torch.float32)
    with pytest.raises(ValueError, match="no backend is called 'fast'"):
        dispatch.explain(graph, torch.device("cpu"), torch.float32, "fast")


# ---------------------------------------------------------------- elementary functions

WHICH = ("exp", "log", "tanh", "sigmoid", "softplus", "sqrt")
ULPS = 4  # the bound


def grid() -> Tensor:
    """Every exponent with a few hundred mantissas, both signs, denormals, and a dense piece around zero."""
    bits = torch.arange(0, 0x7F800000, 9973, dtype=torch.int64)
    ends = torch.tensor([0, 1, 2, 0x7FFFFF, 0x800000, 0x7F7FFFFF, 0x3F800000, 0x42B17218, 0x42CFF1B5])
    near = torch.cat([ends + d for d in range(-64, 65)]).clamp(0, 0x7F7FFFFF)
    positive = torch.cat([bits, near]).to(torch.int32).view(torch.float32)
    return torch.cat([positive, -positive, torch.linspace(-110, 110, 400_001), torch.linspace(-1, 1, 100_001)])


def own(name: str, x: Tensor) -> Tensor:
    padded = torch.nn.functional.pad(x, (0, -len(x) % 16)).contiguous()
    y = torch.empty_like(padded)
    build.runtime("float").rondo_function(WHICH.index(name), padded.data_ptr(), y.data_ptr(), len(padded))
    return y[: len(x)]


def exact(name: str, x: Tensor) -> Tensor:
    v = x.double()
    return torch.logaddexp(v, torch.zeros_like(v)) if name == "softplus" else getattr(torch, name)(v)


def ulps(got: Tensor, want: Tensor) -> Tensor:
    """Distance in units of the last place of the float32 nearest to the truth; zero where both round to infinity."""
    nearest = want.float()
    spacing = torch.ldexp(torch.ones_like(want), torch.frexp(nearest.double()).exponent - 24).clamp(min=2.0**-149)
    same = (nearest == got) | (nearest.isnan() & got.isnan())
    return torch.where(same, 0.0, ((got.double() - want) / spacing).abs().nan_to_num(torch.inf))


@pytest.mark.parametrize("name", WHICH)
def test_elementary_function_within_4_ulp(name: str) -> None:
    x = grid()
    if name in ("log", "sqrt"):
        x = x[x >= 0]
    found = ulps(own(name, x), exact(name, x))
    worst = found.argmax()
    shown("elementary functions, ulp", name, (len(x),), "value", found[worst].item(), dtype="float32")
    assert found[worst] <= ULPS, (
        f"{name}({x[worst].item()!r}) = {own(name, x)[worst].item()!r}, {found[worst]:.1f} ulp off"
    )


LIMITS = {  # exact values at the ends
    "exp": [(0.0, 1.0), (-0.0, 1.0), (torch.inf, torch.inf), (-torch.inf, 0.0), (200.0, torch.inf), (-200.0, 0.0)],
    "log": [(0.0, -torch.inf), (-0.0, -torch.inf), (1.0, 0.0), (torch.inf, torch.inf), (-1.0, torch.nan)],
    "tanh": [(0.0, 0.0), (-0.0, -0.0), (torch.inf, 1.0), (-torch.inf, -1.0), (50.0, 1.0), (-50.0, -1.0)],
    "sigmoid": [(0.0, 0.5), (torch.inf, 1.0), (-torch.inf, 0.0), (200.0, 1.0), (-200.0, 0.0)],
    "softplus": [(torch.inf, torch.inf), (-torch.inf, 0.0), (200.0, 200.0), (-200.0, 0.0)],
    "sqrt": [(0.0, 0.0), (4.0, 2.0), (torch.inf, torch.inf), (-1.0, torch.nan)],
}


@pytest.mark.parametrize("name", WHICH)
def test_limits_are_exact_and_nan_is_kept(name: str) -> None:
    x, want = torch.tensor([*LIMITS[name], (torch.nan, torch.nan)]).unbind(1)
    got = own(name, x)
    assert got.isnan().equal(want.isnan()), (x, got)
    kept = ~want.isnan()
    assert torch.equal(got[kept], want[kept]), list(zip(x.tolist(), got.tolist(), want.tolist(), strict=True))
    assert torch.equal(got[kept].signbit(), want[kept].signbit())


@pytest.mark.parametrize("name", WHICH)
def test_a_lane_does_not_depend_on_its_neighbours(name: str) -> None:
    """The same number gives the same bits in every lane, beside nan, infinity and denormals."""
    value = own(name, torch.tensor([0.37]))
    for other in (torch.nan, torch.inf, -torch.inf, 1e-40, 300.0):
        for lane in range(16):
            x = torch.full((16,), other)
            x[lane] = 0.37
            assert own(name, x)[lane] == value[0]


def test_lanes_are_a_whole_vector() -> None:
    """16 numbers fill whole vectors of every target."""
    assert 16 % cpu.kernel(graph_of("elman"), torch.float32).lanes == 0
