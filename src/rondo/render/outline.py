"""A plan as text: what runs once for the whole sequence, what in the loop and in which order, what is kept."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from rondo.expr.nodes import Block, topological
from rondo.expr.plan import Plan
from rondo.expr.stages import LOOP, PRE, Group, Region, Schedule, Stage
from rondo.render.text import PRODUCT, write

PHASES = {PRE: "whole sequence", LOOP: "each step"}  # the third phase is the whole sequence again, after the loop


def outline(plan: Plan) -> str:
    """Levels and kind of the recurrence, the stages of both directions, and what backward finds."""
    kind = "elementwise" if plan.elementwise else f"{plan.levels} level(s) of products in the loop"
    named = ", ".join(n.name for n in plan.graph.names if n.expr in plan.saved)
    among = f", among them {named}" if named else ""
    blocks = dict.fromkeys(str(o.block) for o in plan.outers)
    return "\n".join(
        [
            f"{plan.graph.name}: {kind}{', linear in its state' if plan.linear else ''}",
            *_direction(plan, "forward", plan.forward),
            *_direction(plan, "backward", plan.backward),
            "weight gradients, one product each over all steps and rows",
            f"  {', '.join(blocks)}",
            f"kept for backward, besides states and output: {len(plan.saved)} value(s) a step{among}",
            f"computed again in backward: {len(plan.recomputed)} value(s)",
        ]
    )


def _direction(plan: Plan, title: str, schedule: Schedule) -> Iterator[str]:
    yield title
    for stage in schedule.stages:
        phase = PHASES.get(stage.phase, "whole sequence")
        label = f"{phase}, {stage.index}" if stage.phase == LOOP else phase
        for k, line in enumerate(_stage(plan, stage)):
            yield f"  {label if k == 0 else '':15}  {line}"


def _stage(plan: Plan, stage: Stage) -> Iterator[str]:
    products = [text for group in stage.groups for text in _products(plan, group)]
    if products:
        yield ", ".join(products)
    for region in (stage.reduce, stage.region):
        if region is not None:
            yield f"{_operations(region)} over {stage.size}"


def _products(plan: Plan, group: Group) -> Iterator[str]:
    """W_u @ x; in the backward direction W_uᵀ, whose operand is the gradient of the same product."""
    for slot in group.slots:
        terms: tuple[tuple[Block, bool], ...] = slot.attr  # type: ignore[assignment]
        yield " + ".join(f"{block}ᵀ" if turned else f"{block} @ {_operand(plan, block)}" for block, turned in terms)


def _operand(plan: Plan, block: Block) -> str:
    """What the equations multiply by this block; `...` where they do so more than once."""
    found = {n.args[0] for n in topological(plan.graph.roots) if n.op == "matmul" and n.attr == block}
    if len(found) != 1:
        return "..."
    return write(found.pop(), {n.expr: n.name for n in plan.graph.names if n.expr.args}, PRODUCT + 1)


def _operations(region: Region) -> str:
    """How many operations of each kind, the frequent ones first."""
    counts = Counter(node.op for node in region.code)
    return ", ".join(f"{n} {op}" for op, n in counts.most_common()) or "copies"
