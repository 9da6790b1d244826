"""The scheduler: cuts one direction of a step into stages and decides where every value lives; see `expr/plan.py`."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

from rondo.expr.graph import SCALAR
from rondo.expr.lower import cost, elementwise_size, merge_products
from rondo.expr.nodes import COMPARE, Expr, topological
from rondo.expr.stages import LOOP, POST, PRE, Buffer, Group, Key, Place, Region, Schedule, Stage

if TYPE_CHECKING:
    from rondo.expr.plan import Outer

INLINE_COST = 2  # a value is recomputed in a later stage when that costs at most two plain operations


class Scheduler:
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
        self.new = merge_products(roots, carries, self.leaves, self.carry, self.sizes, self.prefix == "b")
        for node in self._walk(self.new.values()):
            self._size(node)
        self.roots = [self.new[r] for r in roots]
        self._phases([self.new[c] for c in carries])
        stages = self._stages()
        emitted = self._emissions(outers)
        self._place_targets(targets, saved, sums)
        self._demand_crossings(stages)
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
            self.sizes[node] = elementwise_size(node, self.sizes)

    def _walk(self, roots: Iterable[Expr]) -> list[Expr]:
        return topological(roots, self.leaves)

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
        self.operands = {a for n in self._walk(self.roots) if n.op == "product" for a in n.args}
        found: dict[tuple[int, int, str], Stage] = {}
        for node in self._walk(self.roots):
            phase, index = self.place[node]
            size = self.sizes[node]
            if node in self.leaves or (size in ("", SCALAR) and node.op != "mean"):
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
        dense = stage.phase != LOOP and node in self.operands  # read by a product where it lies: no slots between
        for g in stage.groups:
            alone = dense or (stage.phase != LOOP and any(n in self.operands for n in g.slots))
            if g.operands == list(node.args) and not transposed and not alone and stage.phase != POST:
                self.group_of[node] = (g, len(g.slots))
                g.slots.append(node)
                return
        number = len({g.number for g, _ in self.group_of.values()})
        stage.groups.append(Group([node], list(node.args), number, len(stage.groups)))
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
            ring = key[0] == "carry_out" and node.op == "product" and self.place[node][0] == PRE
            if node not in self.leaves and not ring:  # a ring of two steps holds no whole sequence
                self.home.setdefault(node, key)
        for old in saved:
            node = self.new[old]
            if node.op == "product" and self.place[node][0] == PRE:
                continue  # stays where the product put it
            self._want(node, self._saved_place(node))
        for old, _ in sums:
            node = self.new[old]  # summed once: where it is emitted early, or in the loop
            self._want(node, self.place[node] if node in self.early else self._natural(node))

    def _saved_place(self, node: Expr) -> Place:
        return self.place[node] if node in self.operands else self._natural(node)

    def _emissions(self, outers: list[Outer]) -> dict[Expr, frozenset[object]]:
        """Adjoints that leave the loop for whole-sequence products, with the set of their consumers.

        A second use by the same consumer counts as another: it reads a run of its own, so the adjoint must lie apart.
        """
        uses: list[tuple[Expr, object]] = [(self.new[o.left], ("outer", o.right)) for o in outers]
        if self.prefix == "b":
            products = [node for node in self._walk(self.roots) if node.op == "product"]
            uses += [(a, node) for node in products for a in node.args]
        users: dict[Expr, set[object]] = {}
        for (node, consumer), times in Counter(uses).items():
            users.setdefault(node, set()).update([consumer, *((consumer, k) for k in range(1, times))])
        self.early: set[Expr] = set()
        for node, consumers in users.items():
            early = any(isinstance(c, Expr) and self.place[c][0] != POST for c in consumers)
            if not (node.op == "product" and self.place[node][0] != LOOP):
                self.early |= {node} if early else set()
                self._want(node, self.place[node] if early else self._natural(node))
        return {n: frozenset(u) for n, u in users.items()}

    def _demand_crossings(self, stages: list[Stage]) -> None:
        """Walk the places from last to first: what a place reads and cannot compute itself, an earlier one stores."""
        places = sorted({(s.phase, s.index) for s in stages} | set(self.demand), reverse=True)
        self.crossing: set[Expr] = set()
        self.late: set[Expr] = set()  # read after the loop: no ring of two steps will do
        products = [n for n in self._walk(self.roots) if n.op == "product"]
        means = [n for n in self._walk(self.roots) if n.op == "mean"]
        for n in products:
            for a in n.args:
                if a not in self.leaves and self.prefix == "f":
                    self._cross(a, self.place[n])
        for place in places:
            for m in means:
                if self.place[m] == place:
                    self._expand(m.args[0], place, reducing=True)
            for node in list(self.demand.get(place, {})):
                self._expand(node, place, top=True)

    def _cross(self, node: Expr, reader: Place) -> None:
        self.crossing.add(node)
        self.late |= {node} if reader[0] == POST else set()
        if not (node.op == "product" and self.place[node][0] != LOOP) and self.sizes[node] != SCALAR:
            self._want(node, self.place[node])

    def _expand(self, node: Expr, place: Place, top: bool = False, reducing: bool = False) -> None:
        if node in self.leaves or not node.args:
            if node in self.carry and self.prefix == "b" and place[0] == POST:
                self._cross(node, place)
            return
        own = self.place[node]
        early = own < place or (reducing and own[0] == place[0])
        if node.op == "product":
            if own[0] == PRE and place[0] == PRE and own == place and not reducing:
                return
            if early and own[0] != PRE:
                self._cross(node, place)
            return
        if self.sizes[node] == SCALAR:
            if node.op != "mean":
                for a in node.args:
                    self._expand(a, own, reducing=True)
            return
        if early and not top and node.op not in COMPARE and not self._inline(node, place):
            self._cross(node, place)
            return
        for a in node.args:
            self._expand(a, place, reducing=reducing)

    def _inline(self, node: Expr, place: Place) -> bool:
        if self.place[node][0] == PRE:
            return True
        known = {n for n, keys in self.stores.items() if any(not when for _, when in keys)} | self.crossing
        known |= {n for n in self.place if n in self.leaves or self.place[n][0] == PRE or self.sizes[n] == SCALAR}
        return node not in known and cost(node, known, INLINE_COST) <= INLINE_COST

    # -- storage

    def _allocate(self, saved: list[Expr], emitted: dict[Expr, frozenset[object]]) -> None:
        for node, (group, index) in self.group_of.items():
            if self.place[node][0] != LOOP and node not in self.home:
                name = f"{self.prefix}p{group.number}"
                if name not in self.buffers:
                    self.buffers[name] = Buffer(name, "time", [[self.sizes[s] for s in group.slots]])
                self.home[node] = ("buf", name, 0, index)
        self._allocate_emitted(emitted)
        saves = {self.new[s] for s in saved}
        free = self._free_slots(saves)
        for node in self._walk(self.roots):
            late_ring = node in self.late and self.home.get(node, ("carry_out",))[0] == "carry_out"
            if not late_ring and (node in self.leaves or node in self.home):
                continue
            if self.sizes[node] == SCALAR:
                self._own_buffer(node, "scalar")
            elif node in saves:
                spot = None if node in self.operands else self._take(free, node)
                if spot:
                    self.home[node] = spot
                else:
                    self._own_buffer(node, "time")
            elif node in self.crossing:
                self._own_buffer(node, "time" if node in self.late or self.place[node][0] != LOOP else "ring")
        for node in saves:
            if not (node.op == "product" and self.place[node][0] == PRE):
                self.stores.setdefault(node, []).insert(0, (self.home[node], node not in self.crossing))
        for node in self.crossing:
            if node not in saves and self.sizes[node] != SCALAR and not self._written(node):
                self.stores.setdefault(node, []).append((self.home[node], False))

    def _written(self, node: Expr) -> bool:
        stored = {key for key, _ in self.stores.get(node, [])}
        return self.home[node] in stored or (node.op == "product" and self.place[node][0] != LOOP)

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
                for leaf in self._frontier(node):
                    last[leaf] = place
        late = {
            a for n, p in self.place.items() if n.op in ("mean", "product") and p[0] != PRE for a in n.args
        }  # read by something other than pointwise code of the loop
        return [
            (last[node], node)
            for node in self.group_of
            if self.place[node][0] == PRE
            and node not in saves
            and node not in late
            and last.get(node, (POST, 0))[0] == LOOP
        ]

    def _frontier(self, root: Expr) -> set[Expr]:
        """Whole-sequence products that computing `root` reads."""
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
        for g in stage.groups:
            tile: list[Key] = [("tile", *place, stage.size, g.index, j) for j in range(len(g.slots))]
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
            return self.home[node] if node in self.late and place[0] == POST else self.leaves[node]
        own = self.place[node]
        if node.op == "product":
            if own == place and own[0] == LOOP:
                group, slot = self.group_of[node]
                return ("tile", *place, self.sizes[node], group.index, slot)
            return self.home[node]
        if self.sizes[node] == SCALAR and not (reducing and own == place):
            return self.home[node]
        if top or own >= place or node not in self.crossing:
            return None
        return self.home[node]


def _runs(order: tuple[tuple[frozenset[object], str], ...]) -> int:
    """How many contiguous runs all consumers together read in this order of groups."""
    consumers = {c for users, _ in order for c in users}
    return sum(
        sum(1 for i, (users, _) in enumerate(order) if c in users and (i == 0 or c not in order[i - 1][0]))
        for c in consumers
    )
