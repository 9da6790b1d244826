"""The output layer beside torch's: softmax cross-entropy of a linear map, time and memory of a training step.

    python -m benchmarks.output [--threads 1,2] [--sizes NxDxV,...] [--repeats 7] [--quick]

Theirs is `torch.nn.functional.cross_entropy(linear(h, W, b), y, reduction="sum")` with its backward: gradients of h, W
and b. Ours is `rondo.models.softmax.cross_entropy`. Correctness comes first: both beside theirs in float64, and no
figure where ours is farther off than the limit. Peak: what a fresh process grew by over one step (`benchmarks.memory`).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from rich.console import Console
from torch import Tensor
from torch.nn import functional

from rondo.models import softmax

from benchmarks.gate import Checked, compared
from benchmarks.memory import high_water
from benchmarks.report import PAIR, Report, Row, Verdict, show
from benchmarks.timing import Pair, interleaved


class Size(NamedTuple):
    """Rows (positions), width of h, symbols."""

    N: int
    D: int
    V: int

    def __str__(self) -> str:
        return "x".join(str(n) for n in self)


LARGE = Size(128 * 64, 256, 6000), Size(20 * 70, 320, 10000)  # Chinese characters, words
SIZES = (*LARGE, Size(20 * 70, 320, 50000), Size(20 * 70, 320, 1000), Size(128 * 64, 256, 205), Size(20 * 150, 512, 50))
SMALL = Size(64, 16, 100)  # loads all code before memory is read
BEYOND = 1.5  # pieces that the peak may lie above the gradients: one, and what the matrix library sets aside


def drawn(size: Size) -> list[Tensor]:
    """h, weight, bias that need gradients, and y."""
    torch.manual_seed(0)
    h, weight = torch.randn(size.N, size.D), torch.randn(size.V, size.D) / size.D**0.5
    tensors = [t.requires_grad_() for t in (h, weight, torch.randn(size.V))]
    return [*tensors, torch.randint(size.V, (size.N,))]


def ours(h: Tensor, weight: Tensor, bias: Tensor, y: Tensor) -> Tensor:
    return softmax.cross_entropy(h, weight, bias, y)[0]


def theirs(h: Tensor, weight: Tensor, bias: Tensor, y: Tensor) -> Tensor:
    return functional.cross_entropy(functional.linear(h, weight, bias), y, reduction="sum")


SIDES = {"ours": ours, "theirs": theirs}


def train(side: str, tensors: list[Tensor]) -> None:
    """Loss and gradients, from none; of the mean, so that the gradient that arrives is not 1."""
    for t in tensors[:3]:
        t.grad = None
    (SIDES[side](*tensors) / len(tensors[3])).backward()


def check(size: Size) -> Checked:
    """The mean loss and its gradients beside torch's in float64."""

    def results(side: str, tensors: list[Tensor]) -> dict[str, Tensor]:
        mean = SIDES[side](*tensors) / len(tensors[3])
        found = torch.autograd.grad(mean, tensors[:3])
        return {"loss": mean.detach(), **dict(zip(("dL/dh", "dL/dW", "dL/db"), found, strict=True))}

    tensors = drawn(size)
    exact = [t.detach().double().requires_grad_() for t in tensors[:3]]
    return compared(f"output {size}", results("ours", tensors), results("theirs", [*exact, tensors[3]]))


def time(size: Size, threads: int, repeats: int) -> Row:
    """A training step of both, in turn."""
    torch.set_num_threads(threads)
    tensors = drawn(size)
    pair = Pair(*interleaved([lambda: train("ours", tensors), lambda: train("theirs", tensors)], repeats, 0.05))
    return {"N_x_D_x_V": str(size), "threads": threads, **pair.row()}


def memory(size: Size, threads: int) -> Row:
    """Peaks of both, each in a process of its own; what the gradients need is in both."""
    peaks = {f"{side}_MB": peak_bytes(side, size, threads) / 1e6 for side in SIDES}
    return {"N_x_D_x_V": str(size), "gradients_MB": gradient_bytes(size) / 1e6, **peaks}


def gradient_bytes(size: Size) -> int:
    return 4 * (size.N * size.D + size.V * size.D + size.V)


def piece_bytes(size: Size) -> int:
    return 4 * min(max(softmax.PIECE, softmax.LEAST_ROWS * size.V), size.N * size.V)


def peak_bytes(side: str, size: Size, threads: int) -> int:
    """Growth of a fresh process over one step. Raises CalledProcessError with the child's own message."""
    command = [sys.executable, "-m", "benchmarks.output", "--peak", side, "--sizes", str(size)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run(
        [*command, "--threads", str(threads)],
        cwd=Path(__file__).parents[1],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return int(done.stdout)


def growth(side: str, size: Size) -> int:
    """Bytes that one step adds to this process's peak."""
    train(side, drawn(SMALL))
    tensors = drawn(size)
    Path("/proc/self/clear_refs").write_text("5")  # sets the mark down to what is held now
    before = high_water()
    train(side, tensors)
    return high_water() - before


def reports(sizes: tuple[Size, ...], threads: tuple[int, ...], repeats: int) -> Iterator[Report]:
    """Time, then memory."""
    times = Report("Output layer: time of a training step", "ratio: theirs / ours, median of neighbours", {})
    times.columns = {"N_x_D_x_V": "{}", "threads": "{}", **PAIR}
    times.rows = [time(size, t, repeats) for t in threads for size in sizes]
    for row in times.rows:
        times.verdicts.append(Verdict(f"{row['N_x_D_x_V']}, theirs / ours", row["ratio"], 1.0))
    yield times
    peaks = Report("Output layer: peak of a training step", "growth of a fresh process over one step", {})
    peaks.columns = {"N_x_D_x_V": "{}", "gradients_MB": "{:.1f}", "ours_MB": "{:.1f}", "theirs_MB": "{:.1f}"}
    for size in (s for s in sizes if s.N * s.V > softmax.PIECE):
        row = memory(size, max(threads))
        peaks.rows.append(row)
        above = (row["ours_MB"] - row["gradients_MB"]) / (piece_bytes(size) / 1e6)
        peaks.verdicts.append(Verdict(f"{size}, pieces above the gradients", above, BEYOND, at_most=True))
    yield peaks


def parsed(text: str) -> tuple[Size, ...]:
    """Sizes written as 8192x256x6000,..."""
    found = [tuple(int(n) for n in part.split("x")) for part in text.split(",")]
    if any(len(size) != 3 or min(size) < 1 for size in found):
        raise argparse.ArgumentTypeError(f"a size is NxDxV, such as 8192x256x6000, found {text!r}")
    return tuple(Size(*size) for size in found)


def numbers(text: str) -> tuple[int, ...]:
    return tuple(int(n) for n in text.split(","))


def main() -> int:
    """Returns the exit code: 1 where a comparison is red."""
    p = argparse.ArgumentParser(prog="python -m benchmarks.output", description="The output layer beside torch's.")
    p.add_argument("--sizes", type=parsed, default=SIZES, help="NxDxV,...: rows, width, symbols")
    p.add_argument("--threads", type=numbers, default=(1, 2), help="1,2: numbers of threads")
    p.add_argument("--repeats", type=int, default=7, help="samples of each side")
    p.add_argument("--quick", action="store_true", help="3 samples at a small size, to see that all of it runs")
    p.add_argument("--peak", choices=list(SIDES), help="only print the bytes that one step adds to this process")
    given = p.parse_args()
    torch.set_num_threads(max(given.threads))
    if given.peak:
        print(growth(given.peak, given.sizes[0]))
        return 0
    sizes, repeats = ((Size(4096, 32, 4000),), 3) if given.quick else (given.sizes, given.repeats)
    console = Console(width=120)
    found = [check(size) for size in sizes]
    for checked in found:
        console.print(f"check {checked.label}: {checked.error:.1e}", highlight=False)
    if not all(checked.green for checked in found):
        console.print("red: no speed is reported", style="bold red")
        return 1
    for report in reports(sizes, given.threads, repeats):
        show(report, console)
    return 0


if __name__ == "__main__":
    sys.exit(main())
