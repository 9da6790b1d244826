"""Rondo inside torch's own machinery: torch.compile, torch.export, DistributedDataParallel."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

import rondo.nn
from rondo import RNN

MAKERS = {
    "deep, both directions, learned start": lambda: RNN("gru-cho", 5, 8, 2, bidirectional=True, learn_initial=True),
    "random sites": lambda: RNN("lstm", 5, 8, 2, recurrent_dropout=0.3, zoneout=0.2, dropout=0.4),
    "layer norm": lambda: RNN("layer-norm-lstm", 5, 8),
    "drop-in": lambda: rondo.nn.GRU(5, 8, 3, batch_first=True, dropout=0.9),
}
BACKENDS = ["aot_eager", pytest.param("inductor", marks=pytest.mark.long)]


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    torch._dynamo.reset()
    yield
    torch._dynamo.reset()


def gradients(call: nn.Module, parameters: list[Tensor], x: Tensor) -> list[Tensor]:
    y, _ = call(x)
    return list(torch.autograd.grad(y.square().sum(), [x, *parameters], materialize_grads=True, allow_unused=True))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", MAKERS)
def test_compiled_whole_equals_eager(name: str, backend: str) -> None:
    """fullgraph=True: nothing falls back. torch's own scan returned wrong recurrent gradients under inductor."""
    torch.manual_seed(0)
    net = MAKERS[name]().eval()
    x = torch.randn(3, 11, 5, requires_grad=True)
    whole = torch.compile(net, fullgraph=True, backend=backend)
    assert torch.equal(whole(x)[0], net(x)[0])
    for ours, want in zip(
        gradients(whole, list(net.parameters()), x), gradients(net, list(net.parameters()), x), strict=True
    ):
        torch.testing.assert_close(ours, want)


@pytest.mark.parametrize("name", ["drop-in", "random sites"])
def test_dropout_survives_compilation(name: str) -> None:
    """torch's compiled nn.LSTM and nn.GRU lose the dropout between layers without a word."""
    torch.manual_seed(0)
    net = MAKERS[name]().train()
    whole = torch.compile(net, fullgraph=True, backend="aot_eager")
    x = torch.randn(3, 11, 5)
    assert not torch.equal(whole(x)[0], whole(x)[0])
    assert not torch.allclose(whole(x)[0], net.eval()(x)[0], atol=1e-3)


def test_compiled_graph_does_not_grow_with_time() -> None:
    sizes = []
    for steps in (3, 300):
        torch._dynamo.reset()
        found: list[int] = []

        def count(graph: torch.fx.GraphModule, _: object, found: list[int] = found) -> object:
            found.append(len(list(graph.graph.nodes)))
            return graph.forward

        torch.compile(RNN("lstm", 5, 8), fullgraph=True, backend=count)(torch.randn(2, steps, 5))
        sizes.append(found)
    assert sizes[0] == sizes[1]


def test_lengths_and_resets_compile() -> None:
    net, x = RNN("gru", 5, 8), torch.randn(3, 6, 5)
    lengths, resets = torch.tensor([6, 0, 4]), torch.zeros(3, 6, dtype=torch.bool)
    resets[0, 3] = True
    whole = torch.compile(net, fullgraph=True, backend="aot_eager")
    assert torch.equal(whole(x, lengths=lengths, resets=resets)[0], net(x, lengths=lengths, resets=resets)[0])


def test_export_keeps_one_operator() -> None:
    program = torch.export.export(RNN("lstm", 5, 8).eval(), (torch.randn(2, 7, 5),))
    assert sum("rondo.scan" in str(node.target) for node in program.graph.nodes) == 1


def test_operator_passes_torch_library_checks() -> None:
    net, x = RNN("gru-cho", 3, 4), torch.randn(2, 5, 3)
    graph = net.l0.graph
    tensors = [*(net.l0.get_parameter(n) for n in graph.params), x, torch.zeros(2, 4)]
    arguments = (tensors, [], None, None, graph.number, False, "auto")
    torch.library.opcheck(torch.ops.rondo.scan.default, arguments)


def test_distributed_data_parallel(tmp_path: Path) -> None:
    """One process of a gloo group: hooks fire, gradients are those of the plain network."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/group", rank=0, world_size=1)
    try:
        net, x = RNN("lstm", 5, 8, 2, bidirectional=True), torch.randn(3, 6, 5)
        net(x)[0].square().sum().backward()
        want = [p.grad.clone() for p in net.parameters() if p.grad is not None]
        net.zero_grad()
        nn.parallel.DistributedDataParallel(net)(x)[0].square().sum().backward()
        for p, grad in zip(net.parameters(), want, strict=True):
            torch.testing.assert_close(p.grad, grad)
    finally:
        dist.destroy_process_group()
