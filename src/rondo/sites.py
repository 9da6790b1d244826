"""Random sites of a network: how often, and whether a mask is locked over time. Masks select, they never multiply."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rondo.expr.graph import Graph, nearest
from rondo.expr.rewrite import DROP, recurrent_blocks, recurrent_dropout, zoneout

LOCKABLE = ("input", "between", "output", "recurrent", "zoneout")


@dataclass(frozen=True)
class Sites:
    """The rates of every random site, each in [0, 1).

    input      on x
    between    on what a layer hands to the next (torch.nn's `dropout`)
    output     on the network's output
    recurrent  on a carried state, only where it enters a product
    weight     on the matrices that multiply a state: one masked copy per call (DropConnect; Merity et al. 2018,
               arXiv:1708.02182, sec. 2)
    zoneout    by state: how often it keeps its old value; one number is for every state
    locked     sites whose mask is the same at every step, or True for all
    """

    input: float = 0.0
    between: float = 0.0
    output: float = 0.0
    recurrent: float = 0.0
    weight: float = 0.0
    zoneout: float | Mapping[str, float] = 0.0
    locked: bool | Collection[str] = False

    def __post_init__(self) -> None:
        zones = self.zoneout if isinstance(self.zoneout, Mapping) else {"": self.zoneout}
        rates = {site: getattr(self, site) for site in ("input", "between", "output", "recurrent", "weight")}
        for site, p in [*rates.items(), *((f"zoneout {k}".strip(), v) for k, v in zones.items())]:
            if not 0 <= p < 1:
                raise ValueError(f"{site}: a rate lies in [0, 1), found {p}")
        for site in self.locked if not isinstance(self.locked, bool) else ():
            if site not in LOCKABLE:
                raise ValueError(f"locked: no site is called {site!r}{nearest(site, list(LOCKABLE))}")

    @property
    def active(self) -> bool:
        """Whether training draws anything."""
        rates = (self.input, self.between, self.output, self.recurrent, self.weight)
        zones = self.zoneout.values() if isinstance(self.zoneout, Mapping) else [self.zoneout]
        return any(rates) or any(zones)

    def is_locked(self, site: str) -> bool:
        return self.locked if isinstance(self.locked, bool) else site in self.locked

    def zone_rates(self, graph: Graph) -> dict[str, float]:
        """Zoneout's rate for each state that has one."""
        rates = self.zoneout if isinstance(self.zoneout, Mapping) else dict.fromkeys(graph.states, self.zoneout)
        return {name: p for name, p in rates.items() if p}

    def graphs(self, graph: Graph) -> dict[bool, Graph]:
        """The graph to run in training (True) and in evaluation (False)."""
        if self.weight and not recurrent_blocks(graph):
            raise ValueError(f"{graph.name}: no matrix multiplies a state, so weight dropout has no place")
        rates = self.zone_rates(graph)
        train = recurrent_dropout(graph, self.recurrent) if self.recurrent else graph
        if not rates:
            return {True: train, False: graph}
        return {True: zoneout(train, rates, True), False: zoneout(graph, rates, False)}

    def masks(
        self, graph: Graph, sizes: dict[str, int], batch: int, steps: int, device: torch.device
    ) -> dict[str, Tensor]:
        """The masks that a training graph reads: [B, n] where locked, else [B, T, n] laid out by time."""
        rates = self.zone_rates(graph)
        drawn = {}
        for name, size in graph.masks.items():
            site = "recurrent" if name.startswith(DROP) else "zoneout"
            p = 1 - self.recurrent if site == "recurrent" else rates[name.split("_", 1)[1]]
            drawn[name] = draw(p, (batch, steps, sizes[size]), self.is_locked(site), device)
        return drawn

    def on(self, site: str, v: Tensor) -> Tensor:
        """Dropout of a site on v [B, T, n]: `where(m, v / (1 - p), 0)`."""
        p: float = getattr(self, site)
        if not p:
            return v
        keep = draw(1 - p, v.shape, self.is_locked(site), v.device)
        return select(keep if keep.dim() == 3 else keep.unsqueeze(1), v, p)

    def on_weight(self, blocks: Sequence[Tensor], carried: Sequence[bool]) -> Tensor:
        """Weight dropout on the column blocks of a matrix that multiply something carried."""
        parts = []
        for block, dropped in zip(blocks, carried, strict=True):
            keep = torch.empty(block.shape, dtype=torch.bool, device=block.device)
            parts.append(select(keep.bernoulli_(1 - self.weight), block, self.weight) if dropped else block)
        return torch.cat(parts, 1)


def draw(p: float, shape: Sequence[int], locked: bool, device: torch.device) -> Tensor:
    """Booleans for a shape [B, T, n], True with probability p: [B, n] if locked, else [B, T, n] laid out by time."""
    batch, steps, width = shape
    laid = (batch, width) if locked else (steps, batch, width)
    mask = torch.empty(laid, dtype=torch.bool, device=device).bernoulli_(p)
    return mask if locked else mask.transpose(0, 1)


def select(keep: Tensor, v: Tensor, p: float) -> Tensor:
    """`where(keep, v / (1 - p), 0)`; at p = 1 nothing is kept and nothing divided."""
    return torch.where(keep, v / ((1 - p) or 1.0), 0.0)
