"""Compare a torch module of your own with a cell's equations: `rondo show CELL --check FILE.py`.

The contract of FILE.py (the file is run, so check only files that you trust):
  - it defines one class derived from torch.nn.Module, constructed as `Class(input, hidden)`;
  - `forward(x, h)` is one step on rows, x [B, input], h [B, hidden], and returns the new state; with several states
    `forward(x, h, c)` or `forward(x, (h, c))` returns them as a tuple, in the order of the equations. A cell whose
    output is not its first state returns the output after them;
  - its parameters have the names and shapes of the equations (a matrix is [rows, columns], as in W @ x). Others are
    named by the class field `mapping = {"W_r": "reset.weight"}`; part k of n equal parts along the rows of a stacked
    parameter is `mapping = {"W_r": ("weight_ih", k, n)}`.
"""

from __future__ import annotations

import importlib.util
import inspect
import math
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from rondo.cell import Cell
from rondo.expr.graph import Graph, nearest
from rondo.kernels import reference
from rondo.render.text import equations

ROWS, STEPS, INPUT, HIDDEN, OTHER = 3, 4, 5, 7, 4
LIMIT = 1e-9  # float64 against float64: rounding over a few steps stays four digits below, a wrong term far above


class CompareError(ValueError):
    """A file that does not keep the contract; the message says what to change."""


@dataclass(frozen=True)
class Line:
    """One quantity compared, its relative error, and the equation in which it stands."""

    quantity: str
    error: float
    equation: str = ""

    @property
    def agrees(self) -> bool:
        return self.error <= LIMIT


@dataclass(frozen=True)
class Report:
    """Every output, state and gradient of a module beside the equations."""

    title: str
    lines: tuple[Line, ...]
    unused: tuple[str, ...]

    @property
    def agrees(self) -> bool:
        return all(line.agrees for line in self.lines)

    def __str__(self) -> str:
        width = max(len(line.quantity) for line in self.lines)
        rows = [
            f"  {line.quantity:{width}}  {line.error:7.0e}  {'ok     ' if line.agrees else 'DIFFERS'}  {line.equation}"
            for line in self.lines
        ]
        notes = [f"  not in the equations, set to zero: {', '.join(self.unused)}"] if self.unused else []
        wrong = sum(not line.agrees for line in self.lines)
        verdict = f"{wrong} of {len(self.lines)} quantities differ" if wrong else f"all {len(self.lines)} agree"
        return "\n".join([self.title, *(row.rstrip() for row in rows), *notes, f"{verdict} (limit {LIMIT:.0e})"])


def compare_file(cell: Cell, path: Path) -> Report:
    """Run the file and compare the module it defines; see this module's text for the contract."""
    return compare(cell, load_class(path))


def load_class(path: Path) -> type[nn.Module]:
    """The one module class that the file defines."""
    if not path.is_file():
        raise CompareError(f"{path}: no such file")
    spec = importlib.util.spec_from_file_location(f"_checked_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise CompareError(f"{path} is not a Python file")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses and pickling look a class's module up by name
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # anything can go wrong in a user's file, and it is theirs to see
        raise CompareError(f"{path} does not run: {type(error).__name__}: {error}") from error
    found = [v for v in vars(module).values() if isinstance(v, type) and issubclass(v, nn.Module)]
    found = [v for v in found if v.__module__ == spec.name]
    if len(found) != 1:
        names = ", ".join(v.__name__ for v in found) or "none"
        raise CompareError(f"{path} must define one torch.nn.Module class, found {names}")
    return found[0]


def compare(cell: Cell, module_class: type[nn.Module]) -> Report:
    """Both on the same numbers in float64: states and output at every step, then every gradient."""
    graph, sizes = cell.graph, choose_sizes(cell)
    module = build(module_class, sizes)
    parts = find_parts(graph, sizes, module, getattr(module_class, "mapping", {}))
    drawn = Numbers.draw(graph, sizes)
    unused = put(module, parts, drawn.params)
    truth = evaluate(equation_steps(graph, drawn), drawn, drawn.params)
    given = evaluate(module_steps(module, graph, drawn), drawn, dict(module.named_parameters()))
    lines = [
        Line(name, relative(given.values[name], value))
        for name, value in truth.values.items()
        if has_output(graph) or not name.startswith("output")
    ]
    floor = 1e-3 * max(float(g.abs().max()) for g in truth.gradients.values())
    for name, gradient in truth.gradients.items():
        part = parts.get(name)
        own = part.of(given.gradients[part.name]) if part else given.gradients[name]
        lines.append(Line(f"dL/d{name}", relative(own, gradient, floor), where_used(graph, name)))
    named = ", ".join(f"{k} {v}" for k, v in sizes.items())
    title = f"{graph.name} and {module_class.__name__}: float64, {STEPS} steps, {ROWS} rows, {named}"
    return Report(title, tuple(lines), unused)


@dataclass(frozen=True)
class Numbers:
    """What both sides compute with: parameters, inputs [B, T, n], first states [B, n], and the weights of the loss."""

    params: dict[str, Tensor]
    x: dict[str, Tensor]
    state: dict[str, Tensor]
    weights: list[Tensor]

    @classmethod
    def draw(cls, graph: Graph, sizes: dict[str, int]) -> Numbers:
        generator = torch.Generator().manual_seed(0)

        def draw(*shape: int) -> Tensor:
            return 0.4 * torch.randn(*shape, generator=generator, dtype=torch.float64)

        return cls(
            params={name: draw(*p.shape(sizes)).requires_grad_() for name, p in graph.params.items()},
            x={name: draw(ROWS, STEPS, sizes[n]).requires_grad_() for name, n in graph.inputs.items()},
            # positive, because a cell may take the logarithm of a state or divide by it
            state={name: draw(ROWS, sizes[n]).abs().add(0.1).requires_grad_() for name, n in graph.states.items()},
            weights=[draw(ROWS, sizes[graph.output_size]) for _ in range(STEPS)],
        )


@dataclass(frozen=True)
class Values:
    """Everything that one side computed, by name: h<1>, output<1>, ...; and the gradients of W_r, x, h<0>, ..."""

    values: dict[str, Tensor]
    gradients: dict[str, Tensor]


def evaluate(steps: Iterator[dict[str, Tensor]], drawn: Numbers, params: dict[str, Tensor]) -> Values:
    """Run all steps and differentiate a loss that reads every output and every final state."""
    done = list(steps)
    terms = [(s["output"] * w).sum() for s, w in zip(done, drawn.weights, strict=True)]
    loss = torch.stack([*terms, *(done[-1][name].sin().sum() for name in drawn.state)]).sum()
    wrt = {**params, **drawn.x, **{f"{name}<0>": v for name, v in drawn.state.items()}}
    found = torch.autograd.grad(loss, list(wrt.values()), materialize_grads=True, allow_unused=True)
    values = {f"{name}<{t}>": v for t, step in enumerate(done, 1) for name, v in step.items()}
    return Values(values, dict(zip(wrt, found, strict=True)))


def has_output(graph: Graph) -> bool:
    """Whether the cell's output is something else than its first state."""
    return graph.output is not next(iter(graph.updates.values()))


def choose_sizes(cell: Cell) -> dict[str, int]:
    """Small unequal sizes for every name; the cell's own defaults for those it adds."""
    graph = cell.graph
    sizes = {"input": HIDDEN if graph.square else INPUT, "hidden": HIDDEN}
    for name in graph.size_names:
        default = cell.sizes.get(name, OTHER)
        sizes.setdefault(name, sizes[default] if isinstance(default, str) else default)
    return sizes


def build(module_class: type[nn.Module], sizes: dict[str, int]) -> nn.Module:
    """The user's module at these sizes, in float64, with nothing random in it."""
    name = module_class.__name__
    try:
        return module_class(sizes["input"], sizes["hidden"]).double().eval()
    except TypeError as error:
        raise CompareError(f"{name} must be constructed as {name}(input, hidden): {error}") from error


@dataclass(frozen=True)
class Part:
    """Where a parameter of the equations lives in the module: chunk `index` of `count` along the rows of `name`."""

    name: str
    index: int
    count: int

    def of(self, value: Tensor) -> Tensor:
        return value.chunk(self.count)[self.index]


def find_parts(graph: Graph, sizes: dict[str, int], module: nn.Module, mapping: dict[str, Any]) -> dict[str, Part]:
    """The place of each of the equations' parameters in the module, with its shape checked."""
    own = dict(module.named_parameters())
    for name in mapping:
        if name not in graph.params:
            hint = nearest(name, list(graph.params))
            raise CompareError(f"mapping names {name!r}, no parameter of {graph.name}{hint}")
    parts = {}
    for name, param in graph.params.items():
        place = mapping.get(name, name)
        part = Part(*place) if isinstance(place, tuple) and len(place) == 3 else Part(str(place), 0, 1)
        if part.name not in own:
            hint = nearest(part.name, list(own))
            raise CompareError(f'the module has no {part.name!r}: rename, or add mapping = {{"{name}": ...}}{hint}')
        got, wanted = tuple(part.of(own[part.name]).shape), param.shape(sizes)
        if got != wanted:
            turned = "; it is transposed" if got == wanted[::-1] else ""
            raise CompareError(f"{name} has shape {list(wanted)} in the equations, {list(got)} in the module{turned}")
        parts[name] = part
    return parts


def put(module: nn.Module, parts: dict[str, Part], params: dict[str, Tensor]) -> tuple[str, ...]:
    """Give the module the values of the equations; a parameter that no equation reaches becomes zero and is named."""
    own = dict(module.named_parameters())
    with torch.no_grad():
        for value in own.values():
            value.zero_()
        for name, part in parts.items():
            part.of(own[part.name]).copy_(params[name])
    reached = {part.name for part in parts.values()}
    return tuple(name for name in own if name not in reached)


def equation_steps(graph: Graph, drawn: Numbers) -> Iterator[dict[str, Tensor]]:
    """New states and output of the equations, step by step."""
    state = drawn.state
    for t in range(STEPS):
        y, state = reference.scan(graph, drawn.params, {k: v[:, t : t + 1] for k, v in drawn.x.items()}, state)
        yield {**state, "output": y[:, 0]}


def module_steps(module: nn.Module, graph: Graph, drawn: Numbers) -> Iterator[dict[str, Tensor]]:
    """The same of the user's module."""
    names = list(graph.states)
    apart = len(inspect.signature(module.forward).parameters) == len(drawn.x) + len(names)
    wanted = [*names, "output"] if has_output(graph) else names
    states = tuple(drawn.state.values())
    for t in range(STEPS):
        returned = module(*(v[:, t] for v in drawn.x.values()), *(states if apart else (states,)))
        found = (returned,) if isinstance(returned, Tensor) else tuple(returned)
        if len(found) != len(wanted) or not all(isinstance(v, Tensor) for v in found):
            raise CompareError(f"forward must return {len(wanted)} tensor(s) ({', '.join(wanted)}), found {len(found)}")
        states = found[: len(names)]
        yield {"output": found[0], **dict(zip(wanted, found, strict=True))}


def relative(got: Tensor, truth: Tensor, floor: float = 0.0) -> float:
    """max|got - truth| / max(max|truth|, floor); infinite where shapes differ or NaN meets a number."""
    if got.shape != truth.shape:
        return math.inf
    error = float((got - truth).detach().abs().max())
    return math.inf if math.isnan(error) else error / max(float(truth.detach().abs().max()), floor, 1e-300)


def where_used(graph: Graph, name: str) -> str:
    """The first line of the equations in which a parameter stands."""
    lines = (line.strip() for line in equations(graph).splitlines() if "=" in line)
    uses = (line for line in lines if re.search(rf"\b{re.escape(name)}\b", line))
    return next(uses, "") if name in graph.params else ""
