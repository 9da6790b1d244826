"""`python -m benchmarks.run`: correctness, then speed and memory, beside torch.nn on this machine.

Everything that will be timed is first compared with the truth; on a red gate no speed is printed and the exit code
is 1. A missed target is printed with its distance and changes no exit code: a time is no test.
"""

from __future__ import annotations

import argparse
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from rich.console import Console

from rondo import cells

from benchmarks import cellwise, eager, elementwise, machine, memory, peaks, rivals, stream
from benchmarks.gate import Checked
from benchmarks.options import QUICK_SHAPES, SHAPES, WHAT, Options, Shape
from benchmarks.report import Report, Row, show

WIDE = 1.5  # quartiles of a ratio this far apart are not those of a quiet machine
Part = tuple[Callable[[Options], Iterator[Checked]], Callable[[Options], Iterator[Report]]]
PARTS: dict[tuple[str, ...], Part] = {
    ("train", "forward", "inference"): (rivals.checks, rivals.reports),
    ("modules",): (rivals.module_checks, rivals.module_reports),
    ("stream",): (stream.checks, stream.reports),
    ("memory",): (memory.checks, memory.reports),
    ("cells",): (cellwise.checks, cellwise.reports),
    ("elementwise",): (elementwise.checks, elementwise.reports),
    ("eager",): (eager.checks, eager.reports),
}


def listed(known: Sequence[str]) -> Callable[[str], tuple[str, ...]]:
    """A reader of names separated by commas."""

    def read(text: str) -> tuple[str, ...]:
        unknown = [name for name in text.split(",") if name not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"unknown: {', '.join(unknown)}; known: {', '.join(known)}")
        return tuple(text.split(","))

    return read


def shapes(text: str) -> tuple[Shape, ...]:
    try:
        return tuple(Shape.parse(part) for part in text.split(","))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def positive(text: str) -> int:
    if not text.isdigit() or not int(text):
        raise argparse.ArgumentTypeError(f"a whole number above zero, found {text!r}")
    return int(text)


def threads(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))


def parser() -> argparse.ArgumentParser:
    """The options of the command."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.run", description="Speed and memory beside torch.nn.")
    p.add_argument("--quick", action="store_true", help="few, small shapes and 3 repeats, to see that all of it runs")
    p.add_argument("--shapes", type=shapes, help="TxBxIxH,... beside torch.nn (default: eight shapes)")
    p.add_argument("--cells", type=listed(list(cells.shipped())), default=(), help="names (default: all)")
    p.add_argument("--threads", type=threads, default=(1, 2), help="1,2: numbers of threads")
    p.add_argument("--what", type=listed(WHAT), default=WHAT, help=f"of {','.join(WHAT)} (default: all)")
    p.add_argument("--repeats", type=positive, help="samples of each side (default: 7)")
    p.add_argument("--json", type=Path, help="the file of all numbers (default: bench-<date>.json)")
    return p


def options(given: argparse.Namespace) -> Options:
    """What the command line asks for."""
    return Options(
        shapes=given.shapes or (QUICK_SHAPES if given.quick else SHAPES),
        cells=given.cells,
        threads=given.threads,
        what=given.what,
        repeats=given.repeats or (3 if given.quick else 7),
        seconds=0.01 if given.quick else 0.05,
        quick=given.quick,
    )


def wanted(asked: Options) -> list[Part]:
    return [part for names, part in PARTS.items() if set(names) & set(asked.what)]


def gate(asked: Options, console: Console) -> bool:
    """Compare everything with the truth; print what is wrong. Whether all is right."""
    found = []
    for check, _ in wanted(asked):
        for checked in check(asked):
            print(f"check {checked.label}: {checked.error:.1e}", file=sys.stderr)
            found.append(checked)
    red = [c for c in found if not c.green]
    for c in red:
        console.print(c.text(), style="red", highlight=False)
    if red:
        console.print(f"{len(red)} of {len(found)} comparisons are red: no speed is reported", style="bold red")
        return False
    worst = max((c.error for c in found), default=0.0)
    console.print(f"{len(found)} comparisons with the truth in float64 are green, worst error {worst:.1e}\n")
    return True


def measure(asked: Options, console: Console) -> dict[str, Any]:
    """The machine's peaks, then every part's tables, printed as they come."""
    matmul, copy = machine_peaks(asked, console)
    tables = []
    for _, part in wanted(asked):
        for report in part(asked):
            show(report, console)
            tables.append(report.data())
    missed = [v["name"] for table in tables for v in table["targets"] if not v["met"]]
    total = sum(len(table["targets"]) for table in tables)
    console.print(f"{total - len(missed)} of {total} targets met", highlight=False)
    wide, ratios = unsteady([row for table in tables for row in table["rows"]])
    console.print(f"{wide} of {ratios} ratios have quartiles more than a factor {WIDE} apart", highlight=False)
    warn(busy(matmul) or 4 * wide > ratios, console)
    found = {"matmul_gflops": matmul, "copy_gbytes": copy, "busy": busy(matmul), "unsteady_ratios": wide}
    return {**found, "tables": tables}


def machine_peaks(asked: Options, console: Console) -> tuple[dict[int, float], dict[int, float]]:
    """GF/s of torch.mm and GB/s of a copy by number of threads."""
    matmul = {t: peaks.matmul_peak(t, asked.quick) / 1e9 for t in asked.threads}
    copy = {t: peaks.copy_bandwidth(t, asked.quick) / 1e9 for t in asked.threads}
    for t in asked.threads:
        console.print(f"{t} thread(s): best torch.mm {matmul[t]:.0f} GF/s, copy {copy[t]:.1f} GB/s", highlight=False)
    warn(busy(matmul), console)
    console.print()
    return matmul, copy


def busy(matmul: dict[int, float]) -> bool:
    """Whether more threads bring torch.mm hardly more than fewer: then other programs hold the cores."""
    rates = [matmul[t] for t in sorted(matmul)]
    return any(more < 1.2 * fewer for fewer, more in itertools.pairwise(rates))


def unsteady(rows: Sequence[Row]) -> tuple[int, int]:
    """How many ratios were measured with wide quartiles, and how many at all."""
    spreads = [row["q3"] / row["q1"] for row in rows if "q1" in row]
    return sum(s > WIDE for s in spreads), len(spreads)


def warn(worthless: bool, console: Console) -> None:
    """Say that the numbers are worth nothing, where that is so."""
    if worthless:
        text = "This machine is busy (more threads hardly make torch.mm faster, or ratios scatter)"
        console.print(f"{text}: ratios and verdicts say little, measure again on a quiet one", style="bold red")


def write(path: Path, data: dict[str, Any]) -> None:
    """The file; numbers that are not finite become null, which JSON knows."""

    def plain(v: Any) -> Any:
        if isinstance(v, dict):
            return {str(k): plain(e) for k, e in v.items()}
        if isinstance(v, list | tuple):
            return [plain(e) for e in v]
        return None if isinstance(v, float) and not math.isfinite(v) else v

    path.write_text(json.dumps(plain(data), indent=1) + "\n", encoding="utf-8")


def main(arguments: Sequence[str] | None = None) -> int:
    """Returns the exit code: 1 on a red gate."""
    given = parser().parse_args(arguments)
    asked = options(given)
    console = Console()
    console = Console(width=max(console.width, 120))
    about = machine.describe()
    console.print("; ".join(f"{k} {v}" for k, v in about.items()), highlight=False)
    before = torch.get_num_threads()
    try:
        if not gate(asked, console):
            return 1
        measured = measure(asked, console)
    finally:
        torch.set_num_threads(before)
    path = given.json or Path(f"bench-{about['date'][:19].replace(':', '').replace('-', '')}.json")
    asked_for = {**vars(asked), "shapes": [str(s) for s in asked.shapes]}
    write(path, {"machine": about, "options": asked_for, **measured})
    console.print(f"all numbers: {path}", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
