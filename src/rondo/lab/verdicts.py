"""What was measured of GRU, LSTM and Elman, as a table, and what it says of the lecture's three sentences.

How a sentence is judged: a figure favours one of two cells where their ranges over seeds do not overlap, else neither.
A claim is supported where at least one of its figures favours the cell that it praises and none the other;
contradicted where it is the other way round; not decided in every other case. "No rule which to choose" is supported
where each of the two is favoured by a figure, and contradicted where all figures favour the same one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

from pydantic import Field

from rondo.lab.compare import TITLES, Mode, Plain, Result, Sizes, TaskFacts
from rondo.lab.words import Words, words
from rondo.probes.compare import check_share


class Spread(Plain):
    """A figure of one cell over seeds; where no number came out, None. `steps`, `seconds`: the median of where in the
    training it was read."""

    values: list[float | None]
    median: float | None
    low: float | None
    high: float | None
    steps: float | None = None
    seconds: float | None = None


class Figure(Plain):
    """One figure of every cell."""

    id: str
    task: str = ""
    kind: Literal["steps", "time", "solved", "speed", "structure"]
    title: Words
    higher: bool = Field(description="is more better?")
    cells: dict[str, Spread]


class Claim(Plain):
    """A claim of the lecture, the figures that speak to it with the cell that each favours, and what they come to."""

    title: Words
    verdict: Literal["supported", "contradicted", "open"]
    why: Words
    figures: dict[str, str] = Field(description="by a figure's id the cell that it favours, or nothing")


class Sentence(Plain):
    """One of the lecture's three sentences."""

    text: Words
    claims: list[Claim]


class Summary(Plain):
    """The table, at a share of the budget, and the sentences."""

    share: float
    figures: list[Figure]
    sentences: list[Sentence]

    def figure(self, id: str) -> Figure | None:
        return next((f for f in self.figures if f.id == id), None)


TASK_TITLES = {
    "characters": words("每字符比特", "bits per character"),
    "adding": words("加法（均方误差）", "adding (mean squared error)"),
    "agreement": words("主谓一致（答对的比例）", "agreement (accuracy)"),
}
BUDGETS = {"steps": words("步数相同", "equal steps"), "time": words("时间相同", "equal time")}
COUNTS = {
    "gates": words("门", "gates"),
    "states": words("状态", "states"),
    "products": words("每步的矩阵乘", "matrix products a step"),
    "parameters": words("64 个单元的参数", "parameters of 64 units"),
}
SPEEDS: dict[tuple[Sizes, Mode], Words] = {
    ("parameters", "training"): words("训练每步纳秒，参数相同", "ns a step in training, equal parameters"),
    ("parameters", "inference"): words("推理每步纳秒，参数相同", "ns a step in inference, equal parameters"),
    ("units", "training"): words("训练每步纳秒，单元相同", "ns a step in training, equal units"),
    ("units", "inference"): words("推理每步纳秒，单元相同", "ns a step in inference, equal units"),
}


def summary(result: Result, share: float = 1.0) -> Summary:
    """The figures of every cell at a share of both budgets, and what they say of the lecture's sentences."""
    check_share(share)
    figures = [*_counts(result), *_speed_figures(result)]
    for task in result.tasks:
        figures += [_figure(task, "steps", share), _figure(task, "time", share)]
        figures += [_solved(task, share)] if task.name != "characters" else []
    return Summary(share=share, figures=figures, sentences=sentences(figures))


def _counts(result: Result) -> Iterator[Figure]:
    for name, title in COUNTS.items():
        own = {cell: spread([float(getattr(facts, name))]) for cell, facts in result.cells.items()}
        yield Figure(id=name, kind="structure", title=title, higher=False, cells=own)


def _speed_figures(result: Result) -> Iterator[Figure]:
    for (sizes, mode), title in SPEEDS.items():
        own = {s.cell: spread(s.values) for s in result.speeds if (s.sizes, s.mode) == (sizes, mode)}
        yield Figure(id=f"speed-{sizes}-{mode}", kind="speed", title=title, higher=False, cells=own)


def _figure(task: TaskFacts, kind: Literal["steps", "time"], share: float) -> Figure:
    limit = share * (task.steps if kind == "steps" else task.seconds)
    found = {}
    for cell in dict.fromkeys(t.cell for t in task.trials):
        points = [t.at(kind, limit) for t in task.trials if t.cell == cell]
        where = {"steps": statistics.median(p[0] for p in points), "seconds": statistics.median(p[1] for p in points)}
        found[cell] = spread([p[2] for p in points], **where)
    name, budget = TASK_TITLES[task.name], BUDGETS[kind]
    title = words(f"{name.zh}，{budget.zh}", f"{name.en}, {budget.en}")
    return Figure(id=f"{task.name}-{kind}", task=task.name, kind=kind, title=title, higher=task.higher, cells=found)


def _solved(task: TaskFacts, share: float) -> Figure:
    """The first measured step, within the budget of steps, at which the goal is reached."""
    found = {}
    for cell in dict.fromkeys(t.cell for t in task.trials):
        curves = [t.curve for t in task.trials if t.cell == cell]
        found[cell] = spread([_first(task, curve, share) for curve in curves])
    zh, en = TASK_TITLES[task.name].zh.partition("（")[0], TASK_TITLES[task.name].en.partition(" (")[0]
    title = words(f"{zh}：学会时的步数", f"{en}: steps until it is solved")
    return Figure(id=f"{task.name}-solved", task=task.name, kind="solved", title=title, higher=False, cells=found)


def _first(task: TaskFacts, curve: Sequence[tuple[int, float, float | None]], share: float) -> float | None:
    sign = 1 if task.higher else -1
    goal = (p[0] for p in curve if p[2] is not None and sign * p[2] >= sign * task.goal and p[0] <= share * task.steps)
    return next(goal, None)


def spread(values: Sequence[float | None], **where: float) -> Spread:
    """Median and range; none where a seed came to no number."""
    known = sorted(v for v in values if v is not None)
    whole = len(known) == len(values) and bool(known)
    median = statistics.median(known) if whole else None
    return Spread(
        values=list(values),
        median=median,
        low=known[0] if whole else None,
        high=known[-1] if whole else None,
        **where,
    )


# --- the three sentences ---------------------------------------------------------------------------

GRU, LSTM = "gru-cho", "lstm"
FIGURES = [f"{task}-{kind}" for task in TASK_TITLES for kind in BUDGETS]


def favours(figure: Figure, one: str, other: str) -> str:
    """The cell that a figure favours: whose range over seeds lies wholly on the better side of the other's. What is no
    number is worse than any number. Nothing where ranges overlap or a cell has not been measured."""
    if one not in figure.cells or other not in figure.cells:
        return ""
    bad = -math.inf if figure.higher else math.inf
    a, b = ([bad if v is None else v for v in figure.cells[name].values] for name in (one, other))
    if not a or not b:
        return ""
    if figure.higher:
        return one if min(a) > max(b) else other if min(b) > max(a) else ""
    return one if max(a) < min(b) else other if max(b) < min(a) else ""


def verdict(figures: Mapping[str, str], praised: str, other: str) -> Literal["supported", "contradicted", "open"]:
    """What the figures, each with the cell that it favours, come to for a claim that praises one of two cells."""
    found = set(figures.values())
    if praised in found and other not in found:
        return "supported"
    return "contradicted" if other in found and praised not in found else "open"


def sentences(figures: Sequence[Figure]) -> list[Sentence]:
    """The lecture's three sentences beside the figures; none where GRU or LSTM is missing."""
    known = {f.id: f for f in figures}
    if not all(cell in known["gates"].cells for cell in (GRU, LSTM)):
        return []

    def those(ids: Sequence[str]) -> dict[str, str]:
        return {id: favours(known[id], GRU, LSTM) for id in ids if id in known}

    speeds = [f"speed-{sizes}-{mode}" for sizes, mode in SPEEDS]
    return [
        Sentence(
            text=words("GRU 更简单、更快。", "The GRU is simpler and faster."),
            claims=[
                _claim(words("更简单", "simpler"), those(list(COUNTS)), GRU, LSTM),
                _claim(words("更快", "faster"), those(speeds), GRU, LSTM),
            ],
        ),
        Sentence(
            text=words("LSTM 更强、更灵活。", "The LSTM is stronger and more flexible."),
            claims=[_claim(words("更强", "stronger"), those(FIGURES), LSTM, GRU), _flexible()],
        ),
        Sentence(
            text=words("没有选哪一个的定则。", "There is no rule which to choose."),
            claims=[_no_rule(those(FIGURES))],
        ),
    ]


def _claim(title: Words, figures: dict[str, str], praised: str, other: str) -> Claim:
    counts = [sum(v == name for v in figures.values()) for name in (praised, other, "")]
    one, two = TITLES[praised], TITLES[other]
    why = words(
        f"{len(figures)} 个数里 {counts[0]} 个支持 {one}，{counts[1]} 个支持 {two}，{counts[2]} 个分不出",
        f"of {len(figures)} figures {counts[0]} favour the {one}, {counts[1]} the {two}, {counts[2]} neither",
    )
    return Claim(title=title, verdict=verdict(figures, praised, other), why=why, figures=figures)


def _flexible() -> Claim:
    return Claim(
        title=words("更灵活", "more flexible"),
        verdict="open",
        why=words(
            "这里没有量“灵活”的数。方程里看得见的：LSTM 的遗忘门与更新门各自独立，另有输出门和第二个状态",
            "nothing here measures flexibility. What the equations show: the LSTM's forget and update gates are "
            "independent, and it has an output gate and a second state",
        ),
        figures={},
    )


def _no_rule(figures: dict[str, str]) -> Claim:
    found = set(figures.values())
    won = [sum(v == name for v in figures.values()) for name in (GRU, LSTM)]
    both, one_for_all = {GRU, LSTM} <= found, len(found) == 1 and found != {""}
    return Claim(
        title=words("没有定则", "no rule"),
        verdict="supported" if both else "contradicted" if one_for_all else "open",
        why=words(
            f"三个任务、两种预算，{len(figures)} 个数：GRU 胜 {won[0]} 个，LSTM 胜 {won[1]} 个，"
            f"{len(figures) - sum(won)} 个分不出",
            f"three tasks at two budgets, {len(figures)} figures: the GRU is ahead in {won[0]}, the LSTM in {won[1]}, "
            f"{len(figures) - sum(won)} are not decided",
        ),
        figures=figures,
    )
