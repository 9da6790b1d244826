"""What a person waits for: the command's help, the import, a cell read while it is typed, a slider of the lab.

    python -m benchmarks.waiting [--repeats 12]

Processor time, which does not count what else runs on the machine; median and the 95th of 100 beside the aim. The
first two are of a fresh process each; the import is what rondo adds to torch's.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from itertools import count

from fastapi.testclient import TestClient
from rich.console import Console

from rondo.studio.app import create

from benchmarks.report import Report, Verdict, show

HELP = "import sys, rondo.cli; sys.argv = ['rondo', '--help']; rondo.cli.main()"
IMPORT = (
    "import torch, time; t = time.process_time(); import rondo; rondo.RNN, rondo.nn; print(time.process_time() - t)"
)
AIMS = {"rondo --help": 0.5, "import rondo": 0.3, "a cell of 200 nodes": 0.15, "a gradient's slider": 0.15}


def big(lines: int, seed: int = 0) -> str:
    """A cell of many named values, each of which reads some of the last eight; 36 lines are about 200 nodes."""
    draw, names, text = random.Random(seed), ["h"], ["def Big(x: hidden, h: hidden):"]
    for k in range(lines):
        a, b, c = (draw.choice(names[-8:]) for _ in range(3))
        gate = f"{b} * sigmoid(W_{k} @ x + U_{k} @ {a} + b_{k})"
        text.append(f"    v{k} = {draw.choice([gate, f'tanh({a} * {b} + {c})', f'{a} * {b} + (1 - {a}) * {c}'])}")
        names.append(f"v{k}")
    return "\n".join([*text, f"    return State(h={' + '.join(['x', *names[-8:]])})"])


def helped() -> float:
    """Seconds of `rondo --help` in a fresh process."""
    before = os.times()
    subprocess.run([sys.executable, "-c", HELP], check=True, capture_output=True)
    after = os.times()
    return after.children_user + after.children_system - before.children_user - before.children_system


def imported() -> float:
    """Seconds that `import rondo` takes after torch."""
    done = subprocess.run([sys.executable, "-c", IMPORT], check=True, capture_output=True, text=True)
    return float(done.stdout)


def requests(client: TestClient) -> dict[str, Callable[[], float]]:
    """What the pages ask for at every change, each time with something new."""
    number = count()

    def posted(path: str, order: dict[str, object]) -> float:
        begun = time.process_time()
        client.post(path, json=order).raise_for_status()
        return time.process_time() - begun

    return {
        "a cell of 200 nodes": lambda: posted("/api/cell/read", {"cell": {"equations": big(36, next(number))}}),
        "a gradient's slider": lambda: posted("/api/lab/gradients", {"radius": 0.5 + next(number) / 1000}),
    }


def samples(repeats: int) -> Iterator[tuple[str, list[float]]]:
    """Seconds of each, the first call not counted."""
    with TestClient(create(), base_url="http://127.0.0.1") as client:
        for name, call in {"rondo --help": helped, "import rondo": imported, **requests(client)}.items():
            call()
            yield name, sorted(call() for _ in range(repeats))


def report(repeats: int) -> Report:
    """One table."""
    found = Report(
        "What a person waits for", f"processor time of {repeats} calls", {"what": "{}", "ms": "{:.0f}", "95%": "{:.0f}"}
    )
    for name, seconds in samples(repeats):
        most = seconds[int(0.95 * len(seconds))]
        found.rows.append({"what": name, "ms": 1e3 * statistics.median(seconds), "95%": 1e3 * most})
        found.verdicts.append(Verdict(f"{name}, seconds for 95 in 100", most, AIMS[name], at_most=True))
    return found


def main() -> None:
    p = argparse.ArgumentParser(prog="python -m benchmarks.waiting", description="What a person waits for.")
    p.add_argument("--repeats", type=int, default=12, help="calls of each")
    show(report(p.parse_args().repeats), Console(width=120))


if __name__ == "__main__":
    main()
