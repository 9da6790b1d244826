"""Layer: one cell over time in one direction, with its parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from rondo.expr.graph import Graph
from rondo.expr.nodes import Block
from rondo.expr.rewrite import input_rows, recurrent_blocks
from rondo.initial import fill
from rondo.inputs import cast, is_index
from rondo.sites import Sites

PROJECTION = "projection"  # the matrix that a layer inserts before a cell that needs input = hidden
INITIAL = "initial_"  # the learned initial value of state h is initial_h


class Layer(nn.Module):
    """The parameters of one layer in one direction, named as in the equations, and what a scan of it needs.

    graph    the cell's own; graphs: the one to run in training (True) and in evaluation, from `Sites.graphs`
    sizes    every size name of the graph with its value
    project  the width of x where a projection brings it to `input`, else None
    """

    def __init__(
        self,
        graph: Graph,
        graphs: dict[bool, Graph],
        sizes: dict[str, int],
        reverse: bool,
        sites: Sites,
        learn_initial: bool,
        project: int | None,
        **where: Any,
    ) -> None:
        super().__init__()
        self.graph, self.graphs, self.sizes, self.reverse, self.sites = graph, graphs, sizes, reverse, sites
        self.tables = {train: input_rows(g) for train, g in graphs.items()}  # for symbols as input
        self._dropped = _dropped(graph, sizes) if sites.weight else {}
        for p in graph.params.values():
            self._own(p.name, torch.empty(p.shape(sizes), **where))
        self._initial = {name: INITIAL + name for name in graph.states} if learn_initial else {}
        for state, name in self._initial.items():
            self._own(name, torch.empty(sizes[graph.states[state]], **where))
        self.projects = project is not None
        if project is not None:
            self._own(PROJECTION, torch.empty(sizes["input"], project, **where))
        self.reset_parameters()

    def _own(self, name: str, value: Tensor) -> None:
        try:
            self.register_parameter(name, nn.Parameter(value))
        except KeyError:
            raise ValueError(f"{self.graph.name}: modules of torch own the name {name!r}: rename it") from None

    @torch.no_grad()
    def reset_parameters(self) -> None:
        """Draw every parameter anew (see `rondo.initial`); learned initial states begin at zero."""
        for p in self.graph.params.values():
            fill(getattr(self, p.name), self.graph, p, self.sizes)
        for name in self._initial.values():
            getattr(self, name).zero_()
        if self.projects:
            nn.init.xavier_uniform_(getattr(self, PROJECTION))

    def initial(self, dtype: torch.dtype) -> dict[str, Tensor] | None:
        """The learned initial state, each [n], or None for zeros."""
        return {state: getattr(self, name).to(dtype) for state, name in self._initial.items()} or None

    def start(self, batch: int, like: Tensor, dtype: torch.dtype) -> dict[str, Tensor]:
        """The state before the first step, each [B, n]."""
        learned = self.initial(dtype)
        if learned:
            return {name: v.expand(batch, -1) for name, v in learned.items()}
        return {  # one row of zeros, seen by all: nothing to keep for backward
            name: torch.zeros(1, self.sizes[size], dtype=dtype, device=like.device).expand(batch, -1)
            for name, size in self.graph.states.items()
        }

    def params(self, dtype: torch.dtype) -> dict[str, Tensor]:
        """The parameters by name, in the computing dtype; in training with weight dropout applied."""
        own = self._parameters  # asked first: a module's own lookup is slow; a parametrized weight is not there
        values = {n: cast(p if (p := own.get(n)) is not None else getattr(self, n), dtype) for n in self.graph.params}
        if self.training:
            for name, (widths, carried) in self._dropped.items():
                values[name] = self.sites.on_weight(torch.split(values[name], widths, 1), carried)
        return values

    def arguments(self, x: dict[str, Tensor], state: dict[str, Tensor]) -> dict[str, Any]:
        """What `dispatch.scan` is told of this layer: graph, params, x, state, initial, masks, reverse."""
        first = next(iter(x))
        dtype = next(iter(state.values())).dtype
        graph, params = self.graphs[self.training], self.params(dtype)
        if self.projects:
            x = {**x, first: self._projected(x[first], dtype)}
        elif is_index(x[first]):
            graph, x, params = self._looked_up(x[first], params)
        like = next(iter(x.values()))
        masks = self.sites.masks(graph, self.sizes, like.shape[0], like.shape[1], like.device) if graph.masks else None
        return {
            "graph": graph,
            "params": params,
            "x": x,
            "state": state,
            "initial": self.initial(dtype),
            "masks": masks,
            "reverse": self.reverse,
        }

    def _projected(self, x: Tensor, dtype: torch.dtype) -> Tensor:
        """x by the projection; of symbols [B, T], its columns."""
        matrix = getattr(self, PROJECTION).to(dtype)
        return nn.functional.embedding(x, matrix.T) if is_index(x) else nn.functional.linear(x, matrix)

    def _looked_up(
        self, symbols: Tensor, params: dict[str, Tensor]
    ) -> tuple[Graph, dict[str, Tensor], dict[str, Tensor]]:
        """For symbols [B, T]: the graph whose inputs are the products W @ one-hot, those as rows of one table, and
        the parameters that are left."""
        graph, tables = self.tables[self.training]  # type: ignore[misc]  # the network asks first
        matrices = [params[m] for m in tables.values()]
        table = torch.cat(matrices).T.contiguous()  # [symbols, all units]
        rows = torch.split(nn.functional.embedding(symbols, table), [len(m) for m in matrices], 2)
        return graph, dict(zip(tables, rows, strict=True)), {n: params[n] for n in graph.params}

    @property
    def width(self) -> int:
        """Units of the output."""
        return self.sizes[self.graph.output_size]


def _dropped(graph: Graph, sizes: dict[str, int]) -> dict[str, tuple[list[int], list[bool]]]:
    """The matrices that weight dropout acts on: the widths of their column blocks, and which multiply a state."""
    carried = recurrent_blocks(graph)
    found = {}
    for name, p in graph.params.items():
        flags = [Block(name, i, len(p.cols)) in carried for i in range(len(p.cols))]
        if any(flags):
            found[name] = ([sizes[c] for c in p.cols], flags)
    return found
