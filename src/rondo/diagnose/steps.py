"""A pass forward step by step, with the value of every node of the equations at every step; and a small network that
spells a word, to have something worth stepping through.

    ŷ<t> = softmax(W_y a<t> + b_y),    L = -Σ_t log ŷ<t>[x<t+1>]

Values come from the reference evaluation (`rondo.kernels.reference.evaluate`), so each number is one that a printed
equation speaks of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from rondo.diagnose import DiagnoseError
from rondo.diagnose.inside import Array, array
from rondo.expr.graph import Graph
from rondo.expr.nodes import Block, Expr, intern
from rondo.kernels import reference
from rondo.render.bptt import output_layer
from rondo.render.lines import Line, forward
from rondo.rnn import RNN, as_cell

LONGEST = 16  # steps of a word or a list of numbers
UPDATES, RATE = 250, 0.05  # of the training that spells a word
Values = dict[Expr, Array]  # of each node a vector [n]
Amend = Callable[[int, Expr, Tensor], Tensor]


def names(graph: Graph) -> dict[str, Expr]:
    """The nodes of all names of the equations and of the new states."""
    return {**{n.name: n.expr for n in graph.names}, **graph.updates}


def walk(
    graph: Graph, params: Mapping[str, Tensor], x: Mapping[str, Tensor], amend: Amend | None = None
) -> list[Values]:
    """Every node of the equations at every step, from the zero state.

    params: by name, as the graph's; x: each input [T, n]. amend(t, node, value) may put another value in place of a
    named node's or a new state's, for all that reads it. Raises DiagnoseError where there is no step.
    """
    steps = min(len(v) for v in x.values())
    if not steps:
        raise DiagnoseError("there is no step to walk: give at least one input")
    columns = {k: v.detach().unsqueeze(1) if v.dim() == 1 else v.detach() for k, v in params.items()}
    like, sizes = next(iter(x.values())), reference.sizes_of(graph, columns, dict(x), {})
    read = reference.block_reader(graph, columns, sizes)
    state = {s: like.new_zeros(sizes[size], 1) for s, size in graph.states.items()}
    found: list[Values] = []
    for t in range(steps):
        values: dict[Expr, reference.Value] = {intern("vector", (), k): v for k, v in columns.items()}
        values |= {intern("input", (), k): v[t].unsqueeze(1) for k, v in x.items()}
        values |= {intern("state", (), k): v for k, v in state.items()}
        for node in dict.fromkeys(names(graph).values()):
            reference.evaluate([node], values, read)
            if amend is not None and node.args:
                values[node] = amend(t, node, torch.as_tensor(values[node]))
        reference.evaluate(graph.roots, values, read)
        state = {s: torch.as_tensor(values[node]) for s, node in graph.updates.items()}
        found.append({n: array(torch.as_tensor(v, dtype=like.dtype)).reshape(-1) for n, v in values.items()})
    return found


@dataclass(frozen=True, eq=False)
class Walk:
    """A small network and its pass forward over a sequence.

    graph     of its cell; lines: the equations of a step, those of the output layer last where there is one
    params    every parameter by name, matrices [n, m], vectors [n]
    values    at every step the value of every node of the lines
    symbols   what is read at each step, and `alphabet` the symbols there are; both empty for numbers
    loss      in nats a symbol, of a network that spells; None without an output layer
    """

    graph: Graph
    lines: list[Line]
    params: dict[str, Array]
    values: list[Values]
    symbols: tuple[str, ...] = ()
    alphabet: tuple[str, ...] = ()
    loss: float | None = None


def spelling(word: str, cell: str = "elman", hidden: int = 3, seed: int = 1, updates: int = UPDATES) -> Walk:
    """A network that has learned to say the next character of a word, walked over all of it but the last character.

    Trained by Adam from weights that depend on the seed alone; updates = 0: as drawn. Raises DiagnoseError for a word
    of fewer than two or more than LONGEST + 1 characters.
    """
    if not 2 <= len(word) <= LONGEST + 1:
        raise DiagnoseError(
            f"请写 2 到 {LONGEST + 1} 个字符，这里有 {len(word)} 个 / "
            f"write 2 to {LONGEST + 1} characters, this has {len(word)}"
        )
    alphabet = tuple(dict.fromkeys(word))
    numbers = torch.tensor([alphabet.index(c) for c in word])
    rnn, head = _drawn(cell, len(alphabet), hidden, seed, len(alphabet))
    x = nn.functional.one_hot(numbers[:-1], len(alphabet)).double()
    loss = _learn(rnn, head, x, numbers[1:], updates)
    params = {name: p.detach() for name, p in rnn.part("l0").named_parameters()}
    graph = rnn.cell.graph
    values = walk(graph, params, {next(iter(graph.inputs)): x})
    scores, guess, *_ = output_layer(graph, "softmax").loss
    product, bias = scores.expr.args
    for step in values:
        wh = head.weight.detach() @ torch.from_numpy(step[graph.output])
        z = wh + head.bias.detach()
        step |= {product: array(wh), bias: array(head.bias), scores.target: array(z), guess.target: array(z.softmax(0))}
    assert isinstance(product.attr, Block)
    own = {k: array(v) for k, v in params.items()}
    own |= {product.attr.name: array(head.weight), str(bias.attr): array(head.bias)}
    return Walk(graph, [*forward(graph), scores, guess], own, values, tuple(word[:-1]), alphabet, loss)


def counting(numbers: Sequence[float], cell: str = "elman", hidden: int = 3, seed: int = 1) -> Walk:
    """A network as drawn from the seed, walked over a list of numbers. Raises DiagnoseError for none or for more than
    LONGEST."""
    if not 1 <= len(numbers) <= LONGEST:
        raise DiagnoseError(
            f"请写 1 到 {LONGEST} 个数，这里有 {len(numbers)} 个 / write 1 to {LONGEST} numbers, found {len(numbers)}"
        )
    rnn, _ = _drawn(cell, 1, hidden, seed, 1)
    graph = rnn.cell.graph
    params = {name: p.detach() for name, p in rnn.part("l0").named_parameters()}
    x = torch.tensor(list(numbers), dtype=torch.float64).unsqueeze(1)
    values = walk(graph, params, {next(iter(graph.inputs)): x})
    return Walk(graph, forward(graph), {k: array(v) for k, v in params.items()}, values)


def _drawn(cell: str, width: int, hidden: int, seed: int, out: int) -> tuple[RNN, nn.Linear]:
    """A network of one layer and an output layer in float64, whose weights depend on the seed alone: matrices with
    deviation 1/sqrt(columns), but at least 1/2 from x; biases with 0.3."""
    draw = torch.Generator().manual_seed(seed)
    rnn = RNN(as_cell(cell), width, hidden, dtype=torch.float64)
    head = nn.Linear(hidden, out, dtype=torch.float64)
    with torch.no_grad():
        for p in [*rnn.parameters(), *head.parameters()]:
            spread = max(0.5, p.shape[1] ** -0.5) if p.dim() == 2 else 0.3
            p.copy_(spread * torch.randn(p.shape, dtype=torch.float64, generator=draw))
    return rnn, head


def _learn(rnn: RNN, head: nn.Linear, x: Tensor, targets: Tensor, updates: int) -> float:
    """Adam on the one sequence; returns the mean loss after the last update."""
    optimiser = torch.optim.Adam([*rnn.parameters(), *head.parameters()], lr=RATE)
    for k in range(updates + 1):
        loss = nn.functional.cross_entropy(head(rnn(x.unsqueeze(0))[0])[0], targets)
        if k == updates:
            break
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    return float(loss.detach())
