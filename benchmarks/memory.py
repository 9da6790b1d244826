"""Memory of a training step beside torch.nn: what is kept between forward and backward, and the process's peak.

Kept: the storages of all tensors that autograd saves, and the output's, each once; x and the parameters, which exist
anyway, are not counted. Seen by torch.autograd.graph.saved_tensors_hooks on both sides alike.
Peak: the most that a fresh process held during forward and backward, over what it held before. Read from VmHWM in
/proc/self/status, which is of this process alone: ru_maxrss of getrusage begins at the parent's peak (Linux
carries it through exec), so a small child of a large parent reads zero growth.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks

from benchmarks import rivals
from benchmarks.contestant import Contestant
from benchmarks.gate import Checked
from benchmarks.options import SHAPES, Options, Shape
from benchmarks.report import Report, Row, Verdict

KEPT_LIMIT = 6.0  # for the LSTM, in floats for each step, row and unit
CELLS = [name for name, rival in rivals.RIVALS.items() if rival.same]
SMALL = Shape(2, 1, 8, 8)  # loads all code before memory is read


def shapes(options: Options) -> tuple[Shape, ...]:
    """Shapes at which data outweighs the code."""
    found = tuple(s for s in options.shapes if s.T * s.B * s.H >= 400_000)
    return found or (SHAPES[2:3] if options.quick else SHAPES[2:])


def checks(options: Options) -> Iterator[Checked]:
    """The same gate as the timings'."""
    cells = tuple(filter(options.wants, CELLS))
    return rivals.checks(Options(shapes(options), cells, (options.most_threads,)) if cells else Options(shapes=()))


def reports(options: Options) -> Iterator[Report]:
    """One table."""
    note = "kept: tensors between forward and backward, in floats for each step, row and unit (output in, x out); "
    note += "peak: growth of a fresh process over one forward and backward"
    columns = {"cell": "{}", "shape": "{}", "kept": "{:.2f}", "torch_kept": "{:.2f}"}
    columns |= {"peak_MB": "{:.1f}", "torch_peak_MB": "{:.1f}"}
    report = Report("Memory of a training step", note, columns)
    for cell in filter(options.wants, CELLS):
        for shape in shapes(options):
            report.rows.append(measure(cell, shape, options.most_threads))
    report.verdicts = [v for row in report.rows for v in verdicts(row)]
    yield report


def measure(cell: str, shape: Shape, threads: int) -> Row:
    """Both sides: kept here, peaks in processes of their own."""
    print(f"memory {cell} {shape}", file=sys.stderr)
    torch.set_num_threads(threads)
    d = rivals.duel(cell, shape)
    unit = 4 * shape.T * shape.B * shape.H
    row = {"cell": cell, "shape": str(shape), "threads": threads}
    row |= {"kept": kept_bytes(d.ours) / unit, "torch_kept": kept_bytes(d.theirs) / unit}
    ours, theirs = (peak_bytes(side, cell, shape, threads) for side in ("ours", "theirs"))
    return {**row, "peak_MB": ours / 1e6, "torch_peak_MB": theirs / 1e6}


def kept_bytes(side: Contestant) -> int:
    """Bytes of the storages that live from forward to backward."""
    kept: dict[int, int] = {}

    def note(t: Tensor) -> Tensor:
        storage = t.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return t

    with saved_tensors_hooks(note, lambda t: t):
        note(side.forward())
    for t in (side.x, *side.module.parameters()):
        kept.pop(t.untyped_storage().data_ptr(), None)
    return sum(kept.values())


def peak_bytes(side: str, cell: str, shape: Shape, threads: int) -> int:
    """Growth of a fresh process over one training step. Raises CalledProcessError with the child's own message."""
    command = [sys.executable, "-m", "benchmarks.memory", side, cell, str(shape), str(threads)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    root = Path(__file__).parents[1]
    done = subprocess.run(command, cwd=root, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    return int(done.stdout)


def high_water() -> int:
    """The most bytes that this process has held since the mark was last set down."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))


def growth(side: str, cell: str, shape: Shape) -> int:
    """Bytes that one training step adds to this process's peak; a small step comes first and loads all code."""
    getattr(rivals.duel(cell, SMALL), side).train()
    contestant: Contestant = getattr(rivals.duel(cell, shape), side)
    Path("/proc/self/clear_refs").write_text("5")  # sets the mark down to what is held now
    before = high_water()
    contestant.train()
    return high_water() - before


def verdicts(row: Row) -> list[Verdict]:
    """The LSTM's kept floats, and the peak as a multiple of torch's."""
    where = f"{row['cell']} {row['shape']}"
    peak = Verdict(f"{where}, peak / torch's", row["peak_MB"] / row["torch_peak_MB"], 1.0, at_most=True)
    if row["cell"] != "lstm":
        return [peak]
    return [Verdict(f"{where}, floats kept", row["kept"], KEPT_LIMIT, at_most=True), peak]


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[4]))
    print(growth(sys.argv[1], sys.argv[2], Shape.parse(sys.argv[3])))
