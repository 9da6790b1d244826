"""The plan: what runs when. Pure; knows sizes only by name.

A step's graph (forward, or its adjoint) is cut into three phases:

    pre    products and row statistics free of the carried state: done for the whole sequence at once
    loop   stages inside the time loop: stage k holds the products whose operands need stage k-1, then one
           pointwise region; row statistics (layer norm) also end a region
    post   products that nothing carried depends on: done for the whole sequence after the loop

Pointwise code is placed where its last operand becomes known; state-free pointwise code is sunk into the loop, where
its operands are read anyway. The plan also chooses what forward saves and what backward recomputes, and where
every value that crosses a stage lives.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from rondo.expr.adjoint import OUTPUT, Adjoint, arriving, differentiate
from rondo.expr.graph import SCALAR, Graph
from rondo.expr.nodes import COMPARE, NORM_EPS, Block, Expr, const, intern, make, topological

PRE, LOOP, POST = 0, 1, 2
HEAVY = {"sigmoid", "tanh", "exp", "log", "softplus", "sqrt", "div"}
RECOMPUTE_COST = 30  # a value is recomputed in backward when that costs at most about one transcendental
INLINE_COST = 2  # a value is recomputed in a later stage when that costs at most two plain operations

Key = tuple[object, ...]  # where a value lives: ("input", "x"), ("prev", "h"), ("buf", name, group, slot) ...
Place = tuple[int, int]  # phase, stage


@dataclass(eq=False)
class Group:
    """Products with the same operands, done together; one slot of the result per product."""

    slots: list[Expr]
    operands: list[Expr]
    out: list[Key] = field(default_factory=list)

    def blocks(self, operand: int) -> list[Block]:
        return [s.attr[operand][0] for s in self.slots]  # type: ignore[index]


@dataclass(eq=False)
class Region:
    """Pointwise code over rows and units of one size: loads, operations in order, stores, sums over rows."""

    loads: dict[Expr, Key]
    code: list[Expr]
    stores: list[tuple[Expr, Key, bool]]  # value, place, only when saving
    sums: list[tuple[Expr, str]]  # value, vector parameter


@dataclass(eq=False)
class Stage:
    """Products, row statistics of earlier values, pointwise region; all of one size."""

    phase: int
    index: int
    size: str
    groups: list[Group]
    reduce: Region | None = None
    region: Region | None = None


@dataclass(eq=False)
class Buffer:
    """Storage over (step, row): groups of interleaved slots. kind: "time", "ring" (two steps) or "scalar"."""

    name: str
    kind: str
    groups: list[list[str]]  # size name of each slot


@dataclass(eq=False)
class Schedule:
    """The stages of one direction in order, and the buffers that it adds."""

    stages: list[Stage]
    buffers: dict[str, Buffer]
    home: dict[Expr, Key]
    leaves: dict[Expr, Key]
    emitted: dict[Expr, Key] = field(default_factory=dict)  # backward: adjoints that leave the loop

    def phase(self, phase: int) -> list[Stage]:
        return [s for s in self.stages if s.phase == phase]

    @property
    def levels(self) -> int:
        """Dependent products inside the loop: LSTM 1, GRU of Cho 2."""
        return len({s.index for s in self.phase(LOOP) if s.groups})


@dataclass(eq=False)
class Outer:
    """A weight gradient: the sum over steps and rows of left (an emitted adjoint) times right (an operand)."""

    block: Block
    left: Expr
    right: Expr


@dataclass(eq=False)
class Plan:
    """Both directions of a cell, and what they share."""

    graph: Graph
    adjoint: Adjoint
    forward: Schedule
    backward: Schedule
    saved: dict[Expr, Key]
    recomputed: tuple[Expr, ...]
    outers: list[Outer]
    sizes: dict[Expr, str]
    elementwise: bool
    linear: bool

    @property
    def levels(self) -> int:
        return self.forward.levels


def plan(graph: Graph) -> Plan:
    """The plan of a cell, both directions."""
    adjoint = differentiate(graph)
    lower = _Lowering(graph)
    forward_roots = lower.run(graph.roots)
    updates = dict(zip(graph.states, forward_roots, strict=False))
    output = forward_roots[-1]
    carried = dict(adjoint.states)
    back = lower.run([*carried.values(), *adjoint.inputs.values(), *adjoint.vectors.values()])
    n_s, n_i = len(carried), len(adjoint.inputs)
    d_states = dict(zip(carried, back[:n_s], strict=True))
    d_inputs = dict(zip(adjoint.inputs, back[n_s : n_s + n_i], strict=True))
    d_vectors = dict(zip(adjoint.vectors, back[n_s + n_i :], strict=True))
    outers = [
        Outer(block, *lower.run([left, right])) for block, terms in adjoint.matrices.items() for left, right in terms
    ]
    back_roots = [*back, *(o.left for o in outers)]
    forward_nodes = set(topological(forward_roots))
    save, recomputed = _save_set(updates, output, forward_nodes, back_roots, outers, lower.sizes)

    targets: list[tuple[Expr, Key, bool]] = [(n, ("new", s), False) for s, n in updates.items()]
    if output is not next(iter(updates.values())):
        targets.append((output, ("y",), False))
    forward = _Scheduler(lower.sizes, _forward_leaves(graph), {("prev", s) for s in graph.states}, "f").run(
        targets, list(updates.values()), save, []
    )
    leaves = _forward_leaves(graph)
    leaves |= {n: ("new", s) for s, n in updates.items() if n.op not in ("const",)}
    leaves |= {n: forward.home[n] for n in save}
    leaves |= {n: k for n, k in forward.home.items() if lower.sizes[n] == SCALAR}
    leaves |= {arriving(s): ("carry_in", s) for s in graph.states} | {intern("adjoint", (), OUTPUT): ("dy",)}
    targets = [(n, ("carry_out", s), False) for s, n in d_states.items()]
    targets += [(n, ("dx", i), False) for i, n in d_inputs.items() if n.op != "const"]
    backward = _Scheduler(lower.sizes, leaves, {("carry_in", s) for s in graph.states}, "b").run(
        targets, list(d_states.values()), [], [(d, v) for v, d in d_vectors.items() if d.op != "const"], outers
    )
    loops = [n for s in forward.phase(LOOP) for g in s.groups for n in g.slots]
    return Plan(
        graph=graph,
        adjoint=adjoint,
        forward=forward,
        backward=backward,
        saved={n: forward.home[n] for n in save},
        recomputed=recomputed,
        outers=outers,
        sizes=lower.sizes,
        elementwise=not loops,
        linear=_is_linear(graph),
    )


def _forward_leaves(graph: Graph) -> dict[Expr, Key]:
    found: dict[Expr, Key] = {intern("input", (), i): ("input", i) for i in graph.inputs}
    found |= {intern("state", (), s): ("prev", s) for s in graph.states}
    found |= {intern("vector", (), p.name): ("vector", p.name) for p in graph.params.values() if not p.is_matrix}
    return found | {intern("mask", (), m): ("mask", m) for m in graph.masks}


class _Lowering:
    """Rewrites norm and rstd into means and pointwise code, and knows the size of every node."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.sizes: dict[Expr, str] = {n: graph.sizes[n] for n in topological(graph.roots) if not n.args}
        self.sizes |= {arriving(s): z for s, z in graph.states.items()}
        self.sizes[intern("adjoint", (), OUTPUT)] = graph.output_size
        self.new: dict[Expr, Expr] = {}

    def run(self, roots: Iterable[Expr]) -> list[Expr]:
        roots = list(roots)
        for node in topological(roots):
            if node in self.new:
                continue
            args = tuple(self.new[a] for a in node.args)
            if node.op == "rstd":
                self.new[node] = self._rstd(args[0])
            elif node.op == "norm":
                self.new[node] = (args[0] - intern("mean", args)) * self._rstd(args[0])
            else:
                self.new[node] = intern(node.op, args, node.attr) if node.args else node
            self._measure(self.new[node])
        return [self.new[r] for r in roots]

    def _rstd(self, v: Expr) -> Expr:
        d = v - intern("mean", (v,))
        return const(1.0) / make("sqrt", intern("mean", (d * d,)) + NORM_EPS)

    def _measure(self, root: Expr) -> None:
        for node in topological([root]):
            if node in self.sizes:
                continue
            if node.op in ("matmul", "matmul_t"):
                p = self.graph.params[node.attr.name]  # type: ignore[attr-defined]
                self.sizes[node] = p.cols[node.attr.index] if node.op == "matmul_t" else p.rows  # type: ignore[attr-defined]
            else:
                self.sizes[node] = _elementwise_size(node, self.sizes)


def _elementwise_size(node: Expr, sizes: dict[Expr, str]) -> str:
    """The size of a pointwise node or mean: that of its vectors, else one number a row, else none (a literal)."""
    found = [sizes[a] for a in node.args]
    vectors = [z for z in found if z not in ("", SCALAR)]
    if node.op == "mean":
        return SCALAR
    return vectors[0] if vectors else (SCALAR if SCALAR in found else "")


def _save_set(
    updates: dict[str, Expr],
    output: Expr,
    forward: set[Expr],
    back_roots: list[Expr],
    outers: list[Outer],
    sizes: dict[Expr, str],
) -> tuple[list[Expr], tuple[Expr, ...]]:
    """The forward values that backward reads from memory, and those that it computes again."""
    operands = {o.right for o in outers}
    available = {n for n in forward if not n.args} | set(updates.values())
    needed: dict[Expr, None] = {}
    for node in topological(back_roots):
        if node not in forward:  # a comparison is no number to be kept: its operands are
            read = itertools.chain.from_iterable(a.args if a.op in COMPARE else (a,) for a in node.args)
            needed |= dict.fromkeys(a for a in read if a in forward)
    needed |= dict.fromkeys(n for n in (*back_roots, *(o.right for o in outers)) if n in forward)
    saved, recomputed = [], []
    for node in topological(needed):
        if node not in needed or node in available:
            continue
        if sizes[node] == SCALAR or (node not in operands and _cost(node, available, RECOMPUTE_COST) <= RECOMPUTE_COST):
            recomputed.append(node)  # statistics are always kept: they are one number a row
        else:
            saved.append(node)
            available.add(node)
    return saved, tuple(recomputed)


def _cost(node: Expr, known: set[Expr], limit: int) -> int:
    """Operations to compute `node` from `known` values and row statistics (always kept); 1000 if it needs a product."""
    if node in known or not node.args or node.op == "mean":
        return 0
    if node.op in ("matmul", "matmul_t", "product"):
        return 1000
    total = 20 if node.op in HEAVY else 1
    for a in node.args:
        total += _cost(a, known, limit - total)
        if total > limit:
            return 1000
    return total


def _is_linear(graph: Graph) -> bool:
    """Whether every update is linear in the states (given inputs): then time could be scanned in parallel."""
    degree: dict[Expr, int] = {}
    for node in topological(graph.updates.values()):
        d = [degree[a] for a in node.args]
        if node.op == "state":
            degree[node] = 1
        elif node.op in ("add", "sub", "neg", "matmul"):
            degree[node] = max(d)
        elif node.op == "mul":
            degree[node] = sum(d)
        elif node.op == "div":
            degree[node] = d[0] if d[1] == 0 else 2
        elif node.op == "where":
            degree[node] = max(d[1:]) if d[0] == 0 else 2
        else:
            degree[node] = 2 if any(d) else 0
    return all(degree[n] <= 1 for n in graph.updates.values())


class _Scheduler:
    """Cuts one direction into stages; see the module's text."""

    def __init__(self, sizes: dict[Expr, str], leaves: dict[Expr, Key], carry: set[Key], prefix: str) -> None:
        self.sizes, self.leaves, self.prefix = sizes, dict(leaves), prefix
        self.carry = {n for n, k in leaves.items() if k in carry}
        self.buffers: dict[str, Buffer] = {}
        self.home: dict[Expr, Key] = {}
        self.stores: dict[Expr, list[tuple[Key, bool]]] = {}
        self.demand: dict[Place, dict[Expr, None]] = {}
        self.group_of: dict[Expr, tuple[Group, int]] = {}
        self.emitted_home: dict[Expr, Key] = {}

    def run(
        self,
        targets: list[tuple[Expr, Key, bool]],
        carries: list[Expr],
        saved: list[Expr],
        sums: list[tuple[Expr, str]],
        outers: list[Outer] | None = None,
    ) -> Schedule:
        outers = outers or []
        roots = [*(n for n, _, _ in targets), *saved, *(d for d, _ in sums), *(o.left for o in outers)]
        self.new = _merge_products(roots, carries, self.leaves, self.carry, self.sizes, self.prefix == "b")
        for node in self._walk(self.new.values()):
            self._size(node)
        self.roots = [self.new[r] for r in roots]
        self._phases([self.new[c] for c in carries])
        stages = self._stages()
        self._place_targets(targets, saved, sums)
        emitted = self._emissions(outers)
        self._demand_crossings(stages, saved)
        self._allocate(saved, emitted)
        stages = self._with_demanded(stages)
        for stage in stages:
            self._fill(stage, sums)
        stages = [s for s in stages if s.groups or s.reduce or s.region]
        for old, new in self.new.items():
            if new in self.home:
                self.home.setdefault(old, self.home[new])
        emitted_home = {old: self.emitted_home[new] for old, new in self.new.items() if new in self.emitted_home}
        return Schedule(stages, self.buffers, self.home, self.leaves, emitted_home | self.emitted_home)

    # -- phases and stages

    def _size(self, node: Expr) -> None:
        if node not in self.sizes:  # products are measured when they are merged
            self.sizes[node] = _elementwise_size(node, self.sizes)

    def _walk(self, roots: Iterable[Expr]) -> list[Expr]:
        return _topological_to(roots, self.leaves)

    def _phases(self, carries: list[Expr]) -> None:
        order = self._walk(self.roots)
        needed = set(self._walk(carries))
        self.place: dict[Expr, Place] = {}
        depends: dict[Expr, bool] = {}
        for node in order:
            if node in self.leaves or not node.args:
                depends[node], self.place[node] = node in self.carry, (PRE if node not in self.carry else LOOP, 0)
                continue
            depends[node] = any(depends[a] for a in node.args)
            phase = max(self.place[a][0] for a in node.args)
            if node.op in ("product", "mean"):
                own = PRE if not depends[node] else (LOOP if node in needed else POST)
                if self.prefix == "b" and node not in needed:
                    own = POST  # its operand is computed in the loop
                phase = max(phase, own)
                stage = 1 + max((self.place[a][1] for a in node.args if self.place[a][0] == phase), default=0)
            else:
                stage = max((self.place[a][1] for a in node.args if self.place[a][0] == phase), default=0)
            self.place[node] = (phase, stage)

    def _stages(self) -> list[Stage]:
        """One stage per (phase, index, size) that holds products, statistics, or may hold pointwise code."""
        found: dict[tuple[int, int, str], Stage] = {}
        for node in self._walk(self.roots):
            phase, index = self.place[node]
            size = self.sizes[node]
            if node in self.leaves or size in ("", SCALAR) and node.op != "mean":
                continue
            if node.op == "mean":
                size = self.sizes[node.args[0]]
            key = (phase, index, size)
            stage = found.setdefault(key, Stage(phase, index, size, []))
            if node.op == "product":
                self._join_group(stage, node)
        return [found[k] for k in sorted(found)]

    def _with_demanded(self, stages: list[Stage]) -> list[Stage]:
        """The stages, and those that only store leaves or sunk values."""
        found = {(s.phase, s.index, s.size): s for s in stages}
        for place, nodes in self.demand.items():
            for node in nodes:
                key = (*place, self.sizes[node])
                found.setdefault(key, Stage(*key, []))
        return [found[k] for k in sorted(found)]

    def _join_group(self, stage: Stage, node: Expr) -> None:
        transposed = node.attr[0][1]  # type: ignore[index]
        for g in stage.groups:
            if g.operands == list(node.args) and not transposed and stage.phase != POST:
                self.group_of[node] = (g, len(g.slots))
                g.slots.append(node)
                return
        stage.groups.append(Group([node], list(node.args)))
        self.group_of[node] = (stage.groups[-1], 0)

    # -- what is stored where

    def _last_loop(self, size: str) -> Place:
        places = [p for n, p in self.place.items() if p[0] == LOOP and self.sizes[n] == size and n not in self.leaves]
        return max(places, default=(LOOP, 0))

    def _natural(self, node: Expr) -> Place:
        """Where a value is computed; values free of the state are computed late, in the loop."""
        place = self.place[node]
        return self._last_loop(self.sizes[node]) if place[0] == PRE or node in self.leaves else place

    def _want(self, node: Expr, place: Place) -> None:
        self.demand.setdefault(place, {})[node] = None

    def _place_targets(
        self, targets: list[tuple[Expr, Key, bool]], saved: list[Expr], sums: list[tuple[Expr, str]]
    ) -> None:
        for old, key, when in targets:
            node = self.new[old]
            if node.op == "product" and self.place[node][0] == POST and not self.stores.get(node):
                self.home[node] = key  # the whole-sequence product writes its result in place
                continue
            self.stores.setdefault(node, []).append((key, when))
            self._want(node, self._natural(node))
            if node not in self.leaves:
                self.home.setdefault(node, key)
        for old in saved:
            node = self.new[old]
            if node.op == "product" and self.place[node][0] == PRE:
                continue  # stays where the product put it
            self._want(node, self._saved_place(node))
        for old, _ in sums:
            self._want(self.new[old], self._natural(self.new[old]))

    def _saved_place(self, node: Expr) -> Place:
        operands = {a for n in self._walk(self.roots) if n.op == "product" for a in n.args}
        return self.place[node] if node in operands else self._natural(node)

    def _emissions(self, outers: list[Outer]) -> dict[Expr, frozenset[object]]:
        """Adjoints that leave the loop for whole-sequence products, with the set of their consumers."""
        users: dict[Expr, set[object]] = {}
        for o in outers:
            users.setdefault(self.new[o.left], set()).add(("outer", o.right))
        if outers or self.prefix == "b":
            for node in self._walk(self.roots):
                if node.op == "product":
                    for a in node.args:
                        users.setdefault(a, set()).add(node)
        for node, consumers in users.items():
            early = any(isinstance(c, Expr) and self.place[c][0] == PRE for c in consumers)
            if not (node.op == "product" and self.place[node][0] != LOOP):
                self._want(node, self.place[node] if early else self._natural(node))
        return {n: frozenset(u) for n, u in users.items()}

    def _demand_crossings(self, stages: list[Stage], saved: list[Expr]) -> None:
        """Walk the places from last to first: what a place reads and cannot compute itself, an earlier one stores."""
        places = sorted({(s.phase, s.index) for s in stages} | set(self.demand), reverse=True)
        self.crossing: set[Expr] = set()
        products = [n for n in self._walk(self.roots) if n.op == "product"]
        means = [n for n in self._walk(self.roots) if n.op == "mean"]
        for n in products:
            for a in n.args:
                if a not in self.leaves and self.prefix == "f":
                    self._cross(a)
        for place in places:
            for m in means:
                if self.place[m] == place:
                    self._expand(m.args[0], place, reducing=True)
            for node in list(self.demand.get(place, {})):
                self._expand(node, place, top=True)

    def _cross(self, node: Expr) -> None:
        self.crossing.add(node)
        if not (node.op == "product" and self.place[node][0] != LOOP) and self.sizes[node] != SCALAR:
            self._want(node, self.place[node])

    def _expand(self, node: Expr, place: Place, top: bool = False, reducing: bool = False) -> None:
        if node in self.leaves or not node.args:
            return
        own = self.place[node]
        early = own < place or (reducing and own[0] == place[0])
        if node.op == "product":
            if own[0] == PRE and place[0] == PRE and own == place and not reducing:
                return
            if early and own[0] != PRE:
                self._cross(node)
            return
        if self.sizes[node] == SCALAR:
            if node.op != "mean":
                for a in node.args:
                    self._expand(a, own, reducing=True)
            return
        if early and not top and node.op not in COMPARE and not self._inline(node, place):
            self._cross(node)
            return
        for a in node.args:
            self._expand(a, place, reducing=reducing)

    def _inline(self, node: Expr, place: Place) -> bool:
        if self.place[node][0] == PRE:
            return True
        known = {n for n, keys in self.stores.items() if any(not when for _, when in keys)} | self.crossing
        known |= {n for n in self.place if n in self.leaves or self.place[n][0] == PRE or self.sizes[n] == SCALAR}
        return node not in known and _cost(node, known, INLINE_COST) <= INLINE_COST

    # -- storage

    def _allocate(self, saved: list[Expr], emitted: dict[Expr, frozenset[object]]) -> None:
        for node, (group, index) in self.group_of.items():
            if self.place[node][0] != LOOP and node not in self.home:
                name = f"{self.prefix}p{id_of(self.group_of, group)}"
                if name not in self.buffers:
                    self.buffers[name] = Buffer(name, "time", [[self.sizes[s] for s in group.slots]])
                self.home[node] = ("buf", name, 0, index)
        self._allocate_emitted(emitted)
        saves = {self.new[s] for s in saved}
        operands = {a for n in self.group_of for a in n.args}
        free = self._free_slots(saves)
        for node in self._walk(self.roots):
            if node in self.leaves or node in self.home:
                continue
            if self.sizes[node] == SCALAR:
                self._own_buffer(node, "scalar")
            elif node in saves:
                spot = None if node in operands else self._take(free, node)
                if spot:
                    self.home[node] = spot
                else:
                    self._own_buffer(node, "time")
            elif node in self.crossing:
                late = any(self._used_after_loop(node))
                self._own_buffer(node, "time" if late or self.place[node][0] != LOOP else "ring")
        for node in saves:
            if not (node.op == "product" and self.place[node][0] == PRE):
                self.stores.setdefault(node, []).insert(0, (self.home[node], node not in self.crossing))
        for node in self.crossing:
            if node not in saves and self.sizes[node] != SCALAR and not self._written(node):
                self.stores.setdefault(node, []).append((self.home[node], False))

    def _written(self, node: Expr) -> bool:
        stored = {key for key, _ in self.stores.get(node, [])}
        return self.home[node] in stored or (node.op == "product" and self.place[node][0] != LOOP)

    def _used_after_loop(self, node: Expr) -> Iterable[bool]:
        return (self.place[n][0] == POST for n in self.place if node in n.args)

    def _own_buffer(self, node: Expr, kind: str) -> None:
        early = kind == "time" and self.place[node][0] == PRE
        name = f"{self.prefix}{'px' if early else kind[0]}{len(self.buffers)}"
        self.buffers[name] = Buffer(name, kind, [[self.sizes[node]]])
        self.home[node] = ("buf", name, 0, 0)

    def _free_slots(self, saves: set[Expr]) -> list[tuple[Place, Expr]]:
        """Whole-sequence results that die in the loop: a saved value may take their place in memory."""
        last: dict[Expr, Place] = {}
        for place in sorted(self.demand):
            for node in self.demand[place]:
                for leaf in self._frontier(node, place):
                    last[leaf] = place
        free = []
        for node in self.group_of:
            if self.place[node][0] == PRE and node not in saves and last.get(node, (POST, 0))[0] == LOOP:
                if not any(node in n.args for n, p in self.place.items() if n.op in ("mean", "product") and p[0] != PRE):
                    free.append((last[node], node))
        return free

    def _frontier(self, root: Expr, place: Place) -> set[Expr]:
        """Whole-sequence products that computing `root` at `place` reads."""
        found: set[Expr] = set()
        stack, seen = [root], {root}
        while stack:
            node = stack.pop()
            if node.op == "product":
                found |= {node} if self.place[node][0] == PRE else set()
            elif node is root or not (node in self.leaves or node.op == "mean" or node in self.crossing):
                stack += [a for a in node.args if a not in seen]
                seen |= set(node.args)
        return found

    def _take(self, free: list[tuple[Place, Expr]], node: Expr) -> Key | None:
        for i, (last, slot) in enumerate(free):
            if self.sizes[slot] == self.sizes[node] and last <= self._saved_place(node):
                return self.home[free.pop(i)[1]]
        return None

    def _allocate_emitted(self, emitted: dict[Expr, frozenset[object]]) -> None:
        """Emitted adjoints share one buffer, ordered so that each consumer reads few contiguous runs."""
        groups: dict[tuple[frozenset[object], str], list[Expr]] = {}
        for node, users in emitted.items():
            if node not in self.home or self.home[node][0] != "buf":
                groups.setdefault((users, self.sizes[node]), []).append(node)
        if not groups:
            return
        orders: Iterable[tuple[tuple[frozenset[object], str], ...]]
        orders = itertools.permutations(groups) if len(groups) <= 6 else [tuple(groups)]
        best = min(orders, key=_runs)
        name = f"{self.prefix}grad"
        self.buffers[name] = Buffer(name, "time", [[self.sizes[n] for n in groups[k]] for k in best])
        for g, k in enumerate(best):
            for i, node in enumerate(groups[k]):
                key: Key = ("buf", name, g, i)
                self.stores.setdefault(node, []).append((key, False))
                if node not in self.leaves:
                    self.home[node] = key
        self.emitted_home = {n: ("buf", name, g, i) for g, k in enumerate(best) for i, n in enumerate(groups[k])}

    # -- code

    def _fill(self, stage: Stage, sums: list[tuple[Expr, str]]) -> None:
        place = (stage.phase, stage.index)
        for gi, g in enumerate(stage.groups):
            tile: list[Key] = [("tile", stage.phase, stage.index, stage.size, gi, j) for j in range(len(g.slots))]
            g.out = [self.home[s] for s in g.slots] if stage.phase != LOOP else tile
        means = [n for n in self._walk(self.roots) if self.place[n] == place and self.sizes[n] == SCALAR]
        means = [n for n in means if n not in self.leaves and self._mean_size(n) == stage.size]
        if means:
            stage.reduce = self._code(means, place, reducing=True)
            stage.reduce.stores = [(n, self.home[n], False) for n in means]
        wanted = [n for n in self.demand.get(place, {}) if self.sizes[n] == stage.size]
        if wanted:
            region = self._code(wanted, place)
            region.stores = [(n, key, when) for n in wanted for key, when in self.stores.get(n, [])]
            region.sums = [(self.new[d], v) for d, v in sums if self.new[d] in wanted]
            stage.region = region

    def _mean_size(self, node: Expr) -> str:
        while self.sizes[node] == SCALAR:
            node = next(a for a in node.args if self.sizes[a] != "")
        return self.sizes[node]

    def _code(self, wanted: list[Expr], place: Place, reducing: bool = False) -> Region:
        loads: dict[Expr, Key] = {}
        code: list[Expr] = []
        done: set[Expr] = set()

        def visit(node: Expr, top: bool) -> None:
            if node in done or node.op == "const":
                return
            done.add(node)
            key = self._readable(node, place, top, reducing)
            if key is not None:
                loads[node] = key
                return
            for a in node.args:
                visit(a, False)
            code.append(node)

        for n in wanted:
            visit(n, True)
        return Region(loads, code, [], [])

    def _readable(self, node: Expr, place: Place, top: bool, reducing: bool) -> Key | None:
        """Where the value can be loaded from at this place, or None when it is computed here."""
        if node in self.leaves:
            return self.leaves[node]
        own = self.place[node]
        if node.op == "product":
            if own == place and own[0] == LOOP:
                g, j = self.group_of[node]
                gi = next(i for i, q in enumerate(self._stage_groups(place, self.sizes[node])) if q is g)
                return ("tile", *place, self.sizes[node], gi, j)
            return self.home[node]
        if self.sizes[node] == SCALAR and not (reducing and own == place):
            return self.home[node]
        if top or own >= place or node not in self.crossing:
            return None
        return self.home[node]

    def _stage_groups(self, place: Place, size: str) -> list[Group]:
        seen: list[Group] = []
        for n, (g, _) in self.group_of.items():
            if self.place[n] == place and self.sizes[n] == size and not any(g is q for q in seen):
                seen.append(g)
        return seen


def id_of(group_of: dict[Expr, tuple[Group, int]], group: Group) -> int:
    """The number of a group in order of first appearance."""
    seen: list[Group] = []
    for g, _ in group_of.values():
        if not any(g is q for q in seen):
            seen.append(g)
    return next(i for i, g in enumerate(seen) if g is group)


def _runs(order: tuple[tuple[frozenset[object], str], ...]) -> int:
    """How many contiguous runs all consumers together read in this order of groups."""
    consumers = {c for users, _ in order for c in users}
    return sum(
        sum(1 for i, (users, _) in enumerate(order) if c in users and (i == 0 or c not in order[i - 1][0]))
        for c in consumers
    )


def _topological_to(roots: Iterable[Expr], leaves: dict[Expr, Key] | set[Expr]) -> list[Expr]:
    """Nodes reachable from the roots without looking below `leaves`, arguments first."""
    seen: set[Expr] = set()
    order: list[Expr] = []
    for root in roots:
        stack: list[tuple[Expr, int]] = [(root, 0)]
        while stack:
            node, i = stack.pop()
            if node in seen:
                continue
            if i < len(node.args) and node not in leaves:
                stack.append((node, i + 1))
                if node.args[i] not in seen:
                    stack.append((node.args[i], 0))
            else:
                seen.add(node)
                order.append(node)
    return order


def _merge_products(
    roots: list[Expr],
    carries: list[Expr],
    leaves: dict[Expr, Key],
    carry: set[Expr],
    sizes: dict[Expr, str],
    backward: bool,
) -> dict[Expr, Expr]:
    """Every matmul as a `product` node (attr: blocks, args: operands), sums of products at one level as one node."""
    order = _topological_to(roots, leaves)
    users: dict[Expr, int] = {}
    for node in order:
        if node not in leaves:
            for a in node.args:
                users[a] = users.get(a, 0) + 1
    for r in set(roots):
        users[r] = users.get(r, 0) + 1
    needed = set(_topological_to(carries, leaves))
    level: dict[Expr, Place] = {}  # phase, and depth within it: the products of one level may be summed
    for node in order:
        below = [level[a] for a in node.args] if node not in leaves else []
        phase = max((p for p, _ in below), default=LOOP if node in carry else PRE)
        step = node.op in ("matmul", "matmul_t", "mean") and node not in leaves
        if step and node not in needed and (backward or phase == LOOP):
            phase = POST  # as in _phases
        level[node] = (phase, max((k for p, k in below if p == phase), default=0) + step)
    new: dict[Expr, Expr] = {}
    inner = {
        a
        for n in order
        if n.op == "add" and n not in leaves
        for a in n.args
        if a.op == "add" and users[a] == 1 and a not in leaves
    }

    def product(terms: list[Expr]) -> Expr:
        node = intern(
            "product",
            tuple(new[t.args[0]] for t in terms),
            tuple((t.attr, t.op == "matmul_t") for t in terms),
        )
        sizes.setdefault(node, sizes[terms[0]])
        return node

    def flatten(node: Expr) -> list[Expr]:
        return [t for a in node.args for t in (flatten(a) if a in inner else [a])]

    for node in order:
        if node in leaves or not node.args:
            new[node] = node
        elif node.op in ("matmul", "matmul_t"):
            new[node] = product([node])
        elif node.op == "add" and node not in inner:
            terms = flatten(node)
            sums: dict[Place, list[Expr]] = {}
            for t in terms:
                if t.op in ("matmul", "matmul_t") and t not in leaves and users[t] == 1:
                    sums.setdefault(level[t], []).append(t)
            merged = {id(t) for ts in sums.values() for t in ts}
            parts = [new[t] for t in terms if id(t) not in merged] + [product(ts) for ts in sums.values()]
            total = parts[0]
            for p in parts[1:]:
                total = make("add", total, p)
            new[node] = total
        else:
            new[node] = intern(node.op, tuple(new[a] for a in node.args), node.attr)
    return new
