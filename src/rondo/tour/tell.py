"""The tour in a terminal: each stop's heading, its result, and the command that makes it.

What a stop needs is imported when its turn comes, so that the poem stands as soon as may be.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rondo.tour.stops import CELL, STOPS, Stop

if TYPE_CHECKING:
    from rondo.tasks.couplet.request import CoupletResponse
    from rondo.tasks.poetry.request import PoemResponse
    from rondo.tour.cell import Formula, Gradient
    from rondo.tour.learn import Learning
    from rondo.tour.speed import Timing
    from rondo.train.fit import Record

WIDE = 112  # columns from which forward and backward stand side by side
BUDGET = 50.0  # seconds after which the last stop ends; it never has less than LEAST
LEAST = 2.0
COMPILED = {"speed", "training"}  # stops that need kernels
BARS = "▏▎▍▌▋▊▉█"
TITLES = {
    "forward": ("前向，t = 1 … T", "Forward, t = 1 … T"),
    "backward": ("反向，t = T … 1，du 即 ∂L/∂u", "Backward, t = T … 1, where du is ∂L/∂u"),
}


@dataclass
class Seen:
    """What the tour has shown: each stop's result by its name, and the seconds from the tour's start to its end."""

    poem: PoemResponse | None = None
    couplet: CoupletResponse | None = None
    equations: list[Formula] | None = None
    gradients: list[Gradient] | None = None
    speed: list[Timing] | None = None
    training: Learning | None = None
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def right(self) -> bool:
        """Whether everything that was compared with the truth agrees."""
        return all(g.agrees for g in self.gradients or []) and all(t.agrees for t in self.speed or [])


@dataclass
class Guide:
    """What every stop is told with: where, in which language, since when, and what is compiled meanwhile."""

    console: Console
    lang: str
    start: float
    compiling: threading.Thread | None = None
    seen: Seen = field(default_factory=Seen)

    def say(self, zh: str, en: str, style: str = "") -> None:
        self.console.print(Text(zh if self.lang == "zh" else en, style))

    def compile(self) -> None:
        """Begin to compile the cells that run compiled on this tour, if that has not begun."""
        from rondo import cells
        from rondo.tour.ahead import compile_ahead

        if self.compiling is None:
            self.compiling = compile_ahead(cells.find(name).graph for name in ("gru", CELL))

    def compiled(self) -> None:
        """Wait until that is done."""
        self.compile()
        if self.compiling:
            self.compiling.join()

    @property
    def seconds(self) -> float:
        """Since the tour began."""
        return time.perf_counter() - self.start


def tour(console: Console, lang: str, stops: Sequence[Stop] = STOPS) -> Seen:
    """Go through the stops, each on one thread: on a busy machine threads would wait for each other."""
    guide = Guide(console, lang, time.perf_counter())
    for number, stop in enumerate(stops, 1):
        console.print(Text(f"{number}  {stop.heading(lang)}", "bold cyan"))
        with _one_thread():
            if number > 1 and COMPILED & {s.name for s in stops[number - 1 :]}:
                guide.compile()
            TELL[stop.name](guide)
        guide.seen.seconds[stop.name] = guide.seconds
        console.print(Text.assemble(("$ ", "dim"), stop.run(lang), (f"   {guide.seconds:.1f} s", "dim")), end="\n\n")
    return guide.seen


@contextlib.contextmanager
def _one_thread() -> Iterator[None]:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _poem(guide: Guide) -> None:
    from rondo.tasks.poetry.show import show
    from rondo.tour import verse

    guide.seen.poem = verse.quatrain()
    show(guide.seen.poem, guide.console, english=guide.lang == "en")
    zh = "○ 平  ● 仄  ◎ 两读；绿色：合律；✓ 押韵"
    guide.say(zh, "○ level tone  ● oblique  ◎ either; green: as the pattern asks; ✓ rhymes", "dim")


def _couplet(guide: Guide) -> None:
    from rondo.tasks.couplet.show import show
    from rondo.tour import verse

    guide.seen.couplet = verse.spring()
    show(guide.seen.couplet, guide.console)


def _equations(guide: Guide) -> None:
    from rondo.tour import cell

    guide.seen.equations = cell.derivation()
    blocks = [_block(guide, *part) for part in cell.parts(guide.seen.equations) if part[0] in TITLES]
    if guide.console.width < WIDE:
        guide.console.print(*blocks, sep="\n")
    else:
        side = Table.grid(padding=(0, 4))
        side.add_row(*blocks)
        guide.console.print(side)


def _block(guide: Guide, part: str, formulas: Sequence[Formula]) -> Text:
    lines = [TITLES[part][guide.lang == "en"], *(f"  {formula.text}" for formula in formulas)]
    text = Text("\n".join(lines))
    text.stylize("dim", 0, len(lines[0]))
    return text


def _gradients(guide: Guide) -> None:
    from rondo.tour import cell

    found = guide.seen.gradients = cell.gradients()
    table = Table.grid(padding=(0, 2))
    for g in found:
        mark = Text(f"{g.error:.0e} {'✓' if g.agrees else '✗'}", "green" if g.agrees else "bold red")
        table.add_row(Text(f"  {g.formula}"), Text("×".join(map(str, g.shape)), "dim"), mark)
    guide.console.print(table)
    numbers, worst = sum(g.numbers for g in found), max(g.error for g in found)
    guide.say(
        f"float64，{numbers} 个数逐一作中心差分：相对误差最大 {worst:.0e}（限 {cell.LIMIT:.0e}）",
        f"float64, a central difference for each of {numbers} numbers: worst relative error {worst:.0e} "
        f"(limit {cell.LIMIT:.0e})",
        "green" if worst <= cell.LIMIT else "bold red",
    )


def _speed(guide: Guide) -> None:
    guide.compiled()
    from rondo.tour import speed

    found = guide.seen.speed = speed.timings()
    worst, threads = max(t.error for t in found), found[0].threads
    if worst > speed.LIMIT:
        guide.say(
            f"与 torch 不符，误差 {worst:.0e}：不报速度",
            f"differs from torch by {worst:.0e}: no speed is told",
            "bold red",
        )
        return
    guide.say(
        "，".join(f"{t.shape[0]} 步 × {t.shape[1]} 行、{t.shape[3]} 个单元：快 {t.ratio:.1f} 倍" for t in found),
        ", ".join(f"{t.shape[0]} steps × {_rows(t)}, {t.shape[3]} units: {t.ratio:.1f} times as fast" for t in found),
        "bold green",
    )
    guide.say(
        f"一步训练的处理器时间，{threads} 线程，float32，与 torch 交错运行取中位数；先比对：误差最大 {worst:.0e}",
        f"processor time of a training step, {threads} thread, float32, medians of runs in turn; "
        f"compared first: worst error {worst:.0e}",
        "dim",
    )
    guide.console.print(Text(found[0].path, "dim"))


def _rows(t: Timing) -> str:
    return "1 row" if t.shape[1] == 1 else f"{t.shape[1]} rows"


def _training(guide: Guide) -> None:
    guide.compiled()
    from rondo.tour import learn

    told = 0
    for found in learn.learn(learn.source(), min(learn.SECONDS, max(LEAST, BUDGET - guide.seconds))):
        if guide.seen.training is None:
            _about(guide, found)
        guide.seen.training = found
        for line in found.told[told:]:
            guide.console.print(_record(*line, found.guess))
        told = len(found.told)
    if guide.seen.training:
        guide.console.print(Text(guide.seen.training.sample, "italic"), soft_wrap=True)


def _about(guide: Guide, found: Learning) -> None:
    guide.say(
        f"{found.characters:,} 个字符，{found.parameters:,} 个参数；盲猜每字符 {found.guess:.2f} 奈特",
        f"{found.characters:,} characters, {found.parameters:,} parameters; a blind guess: {found.guess:.2f} nats each",
        "dim",
    )


def _record(step: int, loss: float, record: Record, guess: float) -> Text:
    text = Text(f"  {step:5}  ")
    text.append(f"{loss:.3f} ", "bold")
    text.append(f"{bar(loss / guess, 24):24}", "cyan")
    text.append(f" |∇| {record.norm:5.2f}  {record.speed:7,.0f}/s  {record.seconds:4.1f} s", "dim")
    return text


def bar(share: float, width: int) -> str:
    """A bar of blocks, in eighths of a column."""
    eighths = round(min(max(share, 0.0), 1.0) * width * 8)
    return "█" * (eighths // 8) + (BARS[eighths % 8 - 1] if eighths % 8 else "")


TELL: dict[str, Callable[[Guide], None]] = {
    "poem": _poem,
    "couplet": _couplet,
    "equations": _equations,
    "gradients": _gradients,
    "speed": _speed,
    "training": _training,
}
