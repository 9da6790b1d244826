"""One token at a time, one row, float32, called from Python: our stepper beside torch.nn.LSTMCell and onnxruntime.

All begin from the same weights and carry their own state. LSTMCell runs in inference mode, its fastest. Each side
counts with the better of its numbers of threads. The binding's overhead is the time of one step of a one-unit LSTM:
nothing to compute is left in it.
"""

from __future__ import annotations

import copy
import importlib.util
import statistics
import sys
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from rondo import RNN

from benchmarks.gate import Checked, compared
from benchmarks.options import Options
from benchmarks.report import Report, Row, Verdict
from benchmarks.rivals import RIVALS, by_equations
from benchmarks.timing import Pair, Run, interleaved

LIMITS = {128: 3.0, 256: 3.0, 512: 2.5, 1024: 1.5}
OVERHEAD_LIMIT = 8.0  # microseconds
STEPS = 50  # tokens of one call, so that entering a mode or changing threads costs nothing
TOKENS = 20  # of the check


def units(options: Options) -> tuple[int, ...]:
    return (128,) if options.quick else tuple(LIMITS)


def sides(width: int) -> tuple[RNN, nn.LSTMCell]:
    """Ours and torch's, the same weights."""
    torch.manual_seed(0)
    theirs, ours = nn.LSTMCell(width, width), RNN("lstm", width, width)
    stacked = {f"{name}_l0": p for name, p in theirs.named_parameters()}
    own = dict(ours.part("l0").named_parameters())
    with torch.no_grad():
        for name, value in by_equations(RIVALS["lstm"], stacked, torch.add).items():
            own[name].copy_(value)
    return ours, theirs


def tokens_of_ours(ours: RNN, x: Tensor, steps: int) -> Callable[[], Tensor]:
    """A call of `steps` tokens; the state goes on from call to call. Returns the last output."""
    step = ours.stepper()

    def run() -> Tensor:
        for _ in range(steps):
            y = step(x)
        return y

    return run


def tokens_of_theirs(theirs: nn.LSTMCell, x: Tensor, steps: int) -> Callable[[], Tensor]:
    """The same with LSTMCell."""
    h = c = x.new_zeros(1, theirs.hidden_size)

    def run() -> Tensor:
        nonlocal h, c
        with torch.inference_mode():
            for _ in range(steps):
                h, c = theirs(x, (h, c))
        return h

    return run


def checks(options: Options) -> Iterator[Checked]:
    """Outputs after one, two, ... tokens beside LSTMCell in float64."""
    for width in units(options):
        ours, theirs = sides(width)
        x = torch.randn(1, width)
        want = _outputs(tokens_of_theirs(copy.deepcopy(theirs).double(), x.double(), 1))
        for threads in options.threads:
            torch.set_num_threads(threads)
            runs = {"stepper": tokens_of_ours(ours, x, 1)}
            if has_onnx():
                runs["onnxruntime"] = tokens_of_onnx(theirs, x, 1, threads)
            for name, run in runs.items():
                yield compared(f"{name}, {width} units, {threads} thread(s)", _outputs(run), want)


def _outputs(run: Callable[[], Tensor]) -> dict[str, Tensor]:
    return {f"token {k}": run().detach().clone() for k in range(TOKENS)}


def reports(options: Options) -> Iterator[Report]:
    """One table, and the overhead."""
    columns = {"units": "{}"}
    for who in ("ours", "LSTMCell", *(["onnxruntime"] if has_onnx() else [])):
        columns |= {f"{who} us, {t} thr.": "{:.1f}" for t in options.threads}
    columns |= {"ratio": "{:.2f}", "q1": "{:.2f}", "q3": "{:.2f}"}
    note = "microseconds a token; ratio: LSTMCell / ours, each at its better number of threads"
    note += "" if has_onnx() else "; onnxruntime beside it: pip install onnx onnxruntime"
    report = Report("Streaming: T = 1, B = 1, float32, called from Python", note, columns)
    for width in units(options):
        row = measure(width, options)
        report.rows.append(row)
        report.verdicts.append(Verdict(f"stepper, {width} units, times LSTMCell", row["ratio"], LIMITS[width]))
    took = overhead(options)
    report.verdicts.append(Verdict("binding's overhead, microseconds a step", took, OVERHEAD_LIMIT, at_most=True))
    yield report


def measure(width: int, options: Options) -> Row:
    """Both sides at every number of threads in turn; onnxruntime, whose threads spin, after them."""
    print(f"stream {width} units", file=sys.stderr)
    ours, theirs = sides(width)
    x = torch.randn(1, width)
    made: dict[tuple[str, int], Run] = {}
    for t in options.threads:
        torch.set_num_threads(t)  # a stepper keeps the number that it began with
        made["ours", t] = at_threads(t, tokens_of_ours(ours, x, STEPS))
        made["LSTMCell", t] = at_threads(t, tokens_of_theirs(theirs, x, STEPS))
    samples = dict(zip(made, interleaved(list(made.values()), options.repeats, options.seconds), strict=True))
    best = {who: min((s for (w, _), s in samples.items() if w == who), key=statistics.median) for who, _ in made}
    pair = Pair(best["ours"], best["LSTMCell"])
    for t in options.threads if has_onnx() else ():
        run = tokens_of_onnx(theirs, x, STEPS, t)
        (samples["onnxruntime", t],) = interleaved([run], options.repeats, options.seconds)
    times = {f"{who} us, {t} thr.": 1e6 * statistics.median(s) / STEPS for (who, t), s in samples.items()}
    low, high = pair.spread
    return {"units": width, **times, "ratio": pair.ratio, "q1": low, "q3": high}


def at_threads(threads: int, run: Run) -> Run:
    """The run with torch's number of threads set first."""

    def with_threads() -> None:
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
        run()

    return with_threads


def overhead(options: Options) -> float:
    """Microseconds of one step of a one-unit LSTM."""
    torch.set_num_threads(1)
    run = tokens_of_ours(RNN("lstm", 1, 1), torch.randn(1, 1), STEPS)
    (samples,) = interleaved([run], options.repeats, options.seconds)
    return 1e6 * statistics.median(samples) / STEPS


def has_onnx() -> bool:
    """Whether onnx and onnxruntime are installed."""
    return all(importlib.util.find_spec(name) for name in ("onnx", "onnxruntime"))


def tokens_of_onnx(cell: nn.LSTMCell, x: Tensor, steps: int, threads: int) -> Callable[[], Tensor]:
    """The same with onnxruntime: one session.run for each token, the state goes in and out."""
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(onnx_lstm(cell), settings, providers=["CPUExecutionProvider"])
    zero = np.zeros((1, 1, cell.hidden_size), np.float32)
    given = {"x": x.numpy()[None], "h": zero, "c": zero}

    def run() -> Tensor:
        for _ in range(steps):
            given["h"], given["c"] = session.run(["h_n", "c_n"], given)
        return torch.from_numpy(given["h"][0])

    return run


def onnx_lstm(cell: nn.LSTMCell) -> bytes:
    """A model of one LSTM node over one step: x, h, c [1, 1, n] -> h_n, c_n. ONNX stacks the gates as i, o, f, c."""
    from onnx import TensorProto, helper, numpy_helper

    def stacked(value: Tensor) -> Any:
        i, f, g, o = value.detach().float().chunk(4)
        return torch.cat([i, o, f, g]).numpy()[None]

    n, width = cell.hidden_size, cell.input_size
    biases = np.concatenate([stacked(cell.bias_ih), stacked(cell.bias_hh)], 1)
    weights = {"W": stacked(cell.weight_ih), "R": stacked(cell.weight_hh), "B": biases}
    node = helper.make_node("LSTM", ["x", "W", "R", "B", "", "h", "c"], ["", "h_n", "c_n"], hidden_size=n)

    def values(names: str) -> list[Any]:
        wide = {k: [1, 1, width if k == "x" else n] for k in names.split()}
        return [helper.make_tensor_value_info(k, TensorProto.FLOAT, shape) for k, shape in wide.items()]

    initial = [numpy_helper.from_array(v, k) for k, v in weights.items()]
    graph = helper.make_graph([node], "lstm", values("x h c"), values("h_n c_n"), initial)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return bytes(model.SerializeToString())
