"""C++ of a plan's pointwise regions and row statistics: the only generated code of the CPU kernel.

One function per region. It reads and writes through views (see kernels/native/vec.h); values are v0, v1, ... so no
name from a file ever reaches the compiler.
"""

from __future__ import annotations

from rondo.expr.graph import SCALAR
from rondo.expr.nodes import Expr
from rondo.expr.plan import Plan
from rondo.expr.stages import Key, Region, Stage

# op -> C++ of its arguments
CPP: dict[str, str] = {
    "add": "{0} + {1}",
    "sub": "{0} - {1}",
    "mul": "{0} * {1}",
    "div": "{0} / {1}",
    "neg": "-{0}",
    "sigmoid": "v_sigmoid({0})",
    "tanh": "v_tanh({0})",
    "relu": "v_relu({0})",
    "exp": "v_exp({0})",
    "log": "v_log({0})",
    "softplus": "v_softplus({0})",
    "sqrt": "v_sqrt({0})",
    "abs": "v_abs({0})",
    "minimum": "v_minimum({0}, {1})",
    "maximum": "v_maximum({0}, {1})",
    "lt": "{0} < {1}",
    "le": "{0} <= {1}",
    "where": "v_where({0}, {1}, {2})",
}
SIGNATURE = "(const View* v, int64_t r0, int64_t r1, int64_t u0, int64_t u1, int64_t n, int64_t saving)"


def view_keys(plan: Plan, backward: bool) -> list[Key]:
    """Every place that one direction's code and products touch, in a fixed order; states that enter come first."""
    schedule = plan.backward if backward else plan.forward
    found: dict[Key, None] = {("prev", s): None for s in plan.graph.states}
    for stage in schedule.stages:
        for group in stage.groups:
            for i, _ in enumerate(group.operands):
                found[operand_key(plan, group.operands[i], schedule)] = None
            found.update(dict.fromkeys(group.out))
        for region in (stage.reduce, stage.region):
            if region is not None:
                found.update(dict.fromkeys(region.loads.values()))
                found.update({key: None for _, key, _ in region.stores})
                found.update({("acc", p): None for _, p in region.sums})
    if backward:
        for outer in plan.outers:
            found[right_key(plan, outer.right)] = None
            found[home_key(plan, outer.left)] = None
        for s in plan.graph.states:
            found.update({("carry_in", s): None, ("carry_out", s): None})
    return list(found)


def operand_key(plan: Plan, operand: Expr, schedule: object) -> Key:
    """Where a product reads its operand: leaves where they lie, emitted adjoints in their buffer."""
    if schedule is plan.backward:
        return home_key(plan, operand)
    return right_key(plan, operand)


def home_key(plan: Plan, node: Expr) -> Key:
    """The buffer of an adjoint that leaves the loop."""
    return plan.backward.emitted.get(node) or plan.backward.home[node]


def right_key(plan: Plan, node: Expr) -> Key:
    """Where a forward operand lies."""
    return plan.forward.leaves.get(node) or plan.forward.home[node]


def function_name(prefix: str, stage: Stage, reducing: bool) -> str:
    return f"{prefix}{'pls'[stage.phase]}{stage.index}_{_letters(stage.size)}_{'reduce' if reducing else 'region'}"


def _reads_across(plan: Plan, stage: Stage) -> bool:
    """Whether a region runs row by row. Sums over rows are kept in registers the other way round, which is faster
    unless memory is all that counts."""
    assert stage.region is not None
    return not stage.groups and (not stage.region.sums or plan.elementwise)


def _letters(size: str) -> str:
    """A size's name as plain hexadecimal: names of files never reach the compiler."""
    return size.encode().hex()


def cpp(plan: Plan, prefix: str = "k") -> str:
    """The C++ text of all regions of a plan, forward and backward. Stable: equal plans give equal text."""
    parts = []
    for backward in (False, True):
        schedule = plan.backward if backward else plan.forward
        index = {key: i for i, key in enumerate(view_keys(plan, backward))}
        name = prefix + ("b" if backward else "f")
        for stage in schedule.stages:
            if stage.reduce:
                parts.append(_reduction(function_name(name, stage, True), stage.reduce, plan, index))
            if stage.region:
                parts.append(
                    _region(function_name(name, stage, False), stage.region, plan, index, _reads_across(plan, stage))
                )
    return "\n".join(parts)


def _literal(value: float) -> str:
    return f"splat((REAL){float(value)!r})"


class _Writer:
    """Numbers the values of one function and writes its lines."""

    def __init__(self, plan: Plan, index: dict[Key, int]) -> None:
        self.plan, self.index = plan, index
        self.names: dict[Expr, str] = {}

    def use(self, node: Expr) -> str:
        return _literal(node.attr) if node.op == "const" else self.names[node]  # type: ignore[arg-type]

    def name(self, node: Expr) -> str:
        return self.names.setdefault(node, f"v{len(self.names)}")

    def load(self, node: Expr, key: Key) -> str:
        i = self.index[key]
        if key[0] == "mask":
            return f"VI {self.name(node)} = load_mask(v[{i}], r, u);"
        if self.plan.sizes.get(node) == SCALAR:
            return f"V {self.name(node)} = load_scalar(v[{i}], r);"
        row = "0" if key[0] == "vector" else "r"  # a vector parameter is the same for every row
        return f"V {self.name(node)} = load(v[{i}], {row}, u);"

    def compute(self, node: Expr) -> str:
        value = CPP[node.op].format(*(self.use(a) for a in node.args))
        kind = "VI" if node.op in ("lt", "le") else "V"
        return f"{kind} {self.name(node)} = {value};"


def _region(name: str, region: Region, plan: Plan, index: dict[Key, int], across: bool) -> str:
    """Pointwise code. Beside products it runs on tiles, unit block by unit block; else `across` whole rows."""
    w = _Writer(plan, index)
    fixed = [w.load(n, k) for n, k in region.loads.items() if k[0] == "vector"]
    fixed += [f"V s{i} = load(v[{index['acc', p]}], 0, u);" for i, (_, p) in enumerate(region.sums)]
    body = [w.load(n, k) for n, k in region.loads.items() if k[0] != "vector"]
    body += [w.compute(n) for n in region.code]
    emitted = any(_is_emission(k) for _, k, _ in region.stores)
    if emitted:
        fixed.append("VI live = lanes_below(n - u * VL);")
    for node, key, when in region.stores:
        value = w.use(node)
        if _is_emission(key):  # padding must be zero: it is multiplied
            value = f"v_where(live, {value}, V{{}})"
        body.append(f"{'if (saving) ' if when else ''}store(v[{index[key]}], r, u, {value});")
    body += [f"s{i} += {w.use(n)};" for i, (n, _) in enumerate(region.sums)]
    last = [f"store(v[{index['acc', p]}], 0, u, s{i});" for i, (_, p) in enumerate(region.sums)]
    if across:  # whole rows at once: memory is read in its own order
        return _function(name, ("r", "u"), [], fixed + body + last, [])
    return _function(name, ("u", "r"), fixed, body, last)


def _function(name: str, loops: tuple[str, str], before: list[str], body: list[str], after: list[str]) -> str:
    """A region's two loops over rows r and unit blocks u, in this order."""
    outer, inner = loops
    return f"""extern "C" void {name}{SIGNATURE} {{
  for (int64_t {outer} = {outer}0; {outer} < {outer}1; ++{outer}) {{
    {_lines(before, 4)}
    for (int64_t {inner} = {inner}0; {inner} < {inner}1; ++{inner}) {{
      {_lines(body, 6)}
    }}
    {_lines(after, 4)}
  }}
}}
"""


def _lines(lines: list[str], indent: int) -> str:
    return ("\n" + " " * indent).join(lines)


def _is_emission(key: Key) -> bool:
    return key[0] == "buf" and str(key[1]).endswith("grad")


def _reduction(name: str, region: Region, plan: Plan, index: dict[Key, int]) -> str:
    """Row statistics: one pass over the units for all means, then the numbers that follow from them."""
    w = _Writer(plan, index)
    means = [n for n in region.code if n.op == "mean"]
    inner = [n for n in region.code if plan.sizes.get(n) != SCALAR]
    after = [n for n in region.code if plan.sizes.get(n) == SCALAR and n.op != "mean"]
    scalars = [w.load(n, k) for n, k in region.loads.items() if plan.sizes.get(n) == SCALAR]
    body = [w.load(n, k) for n, k in region.loads.items() if plan.sizes.get(n) != SCALAR]
    body += [w.compute(n) for n in inner]
    body += [f"s{i} += v_where(live, {w.use(m.args[0])}, V{{}});" for i, m in enumerate(means)]
    end = [f"V {w.name(m)} = splat(sum(s{i}) / (REAL)n);" for i, m in enumerate(means)]
    end += [w.compute(n) for n in after]
    end += [f"store_scalar(v[{index[key]}], r, {w.use(n)});" for n, key, _ in region.stores]
    sums = " ".join(f"V s{i} = {{}};" for i in range(len(means)))
    return f"""extern "C" void {name}{SIGNATURE} {{
  for (int64_t r = r0; r < r1; ++r) {{
    {sums}
    {" ".join(scalars)}
    for (int64_t u = u0; u < u1; ++u) {{
      VI live = lanes_below(n - u * VL);
      {_lines(body, 6)}
    }}
    {_lines(end, 4)}
  }}
}}
"""
