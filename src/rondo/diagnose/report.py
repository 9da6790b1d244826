"""Report: every diagnosis of a language model on a text, and the same as plain numbers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rondo.data.batch import IGNORED, Batch
from rondo.diagnose import DiagnoseError
from rondo.diagnose.flow import Flow, gradient_flow
from rondo.diagnose.gates import Gate, activations, gates
from rondo.diagnose.horizon import SHARES, Contexts, doubling, horizons, loss_by_context
from rondo.diagnose.inside import Array, precise
from rondo.diagnose.jacobian import Jacobians, jacobians
from rondo.diagnose.saliency import Saliency, saliency
from rondo.diagnose.spectrum import Spectrum, spectra
from rondo.models.generator import Generator

ROWS = 16  # windows whose gradients and gates are looked at; the loss by context takes all
SHORT = 4  # symbols of context that the texts for saliency gain most beyond


@dataclass(frozen=True)
class Reading:
    """One text as the model reads it: symbols [T], the one that follows, and the saliency of its log-probability."""

    symbols: NDArray[np.int64]
    target: int
    saliency: Saliency


@dataclass(frozen=True)
class Report:
    """What `diagnose` finds; `activations` are those of the first text, {"l0.r": [T, n]}, read along `symbols`."""

    flow: Flow
    jacobians: dict[str, Jacobians]
    spectra: dict[str, Spectrum]
    gates: dict[str, Gate]
    contexts: Contexts
    readings: tuple[Reading, ...]
    symbols: NDArray[np.int64]
    activations: dict[str, Array]


def windows(sequences: Sequence[NDArray[np.int64]], steps: int, count: int, seed: int = 0) -> Tensor:
    """At most `count` pieces [N, T + 1] from anywhere in the sequences, none across two of them. T is `steps`, or three
    quarters of a sequence where few are longer, so that not every piece ends where its sequence does. Raises
    DiagnoseError where that leaves less than three steps."""
    lengths = sorted((len(s) - 1 for s in sequences), reverse=True)
    longest = lengths[min(ROWS, len(lengths)) - 1] if lengths else 0
    t = min(steps, 3 * longest // 4)
    if t < 3:
        raise DiagnoseError("the text is too short to diagnose: give one of a hundred symbols or more")
    places = np.cumsum([max(0, len(s) - t) for s in sequences])  # sequence k holds the starts below places[k]
    starts = np.sort(np.random.default_rng(seed).choice(places[-1], min(count, int(places[-1])), replace=False))
    owner = np.searchsorted(places, starts, side="right")
    ends = [len(sequences[k]) - (places[k] - start) for k, start in zip(owner, starts, strict=True)]
    return torch.from_numpy(np.stack([sequences[k][e - t : e + 1] for k, e in zip(owner, ends, strict=True)]))


def diagnose(model: Generator, pieces: Tensor, texts: int = 3) -> Report:
    """Everything about a language model, on pieces [N, T + 1] of a text; the loss is that of the last symbol."""
    if model.rnn.bidirectional:
        raise DiagnoseError("a network that reads both ways is no language model")
    exact, some = precise(model), pieces[:ROWS]
    rnn = exact.rnn
    flow = gradient_flow(rnn, lambda: exact.loss(last(some)).total)
    seen = activations(rnn, lambda: exact.loss(last(some)))
    told = telling(model, pieces)[:texts]
    return Report(
        flow=flow,
        jacobians=jacobians(rnn, lambda: exact.loss(last(some[:1]))),
        spectra=spectra(rnn),
        gates=gates(rnn, seen),
        contexts=loss_by_context(lambda x: last_nats(model, x, pieces[:, -1]), pieces[:, :-1], doubling(flow.at + 1)),
        readings=tuple(read(exact, pieces[k : k + 1]) for k in told),
        symbols=some[0, :-1].numpy(),
        activations={name: v[0] for name, v in seen.items()},
    )


def last(pieces: Tensor) -> Batch:
    """A batch of whole pieces [N, T + 1] of which only the last symbol counts."""
    y = torch.full_like(pieces[:, 1:], IGNORED)
    y[:, -1] = pieces[:, -1]
    return Batch(pieces[:, :-1], y)


def last_nats(model: Generator, x: Tensor, target: Tensor) -> Tensor:
    """The loss [N] of the symbols that follow x [N, k]."""
    pieces = torch.cat([x, target.unsqueeze(1)], 1)
    return torch.cat([model.nats(last(some))[0][:, -1] for some in torch.split(pieces, 64)])


def telling(model: Generator, pieces: Tensor) -> list[int]:
    """The pieces by how much their last symbol gains from more than SHORT symbols of context, the most first."""
    x, y = pieces[:, :-1], pieces[:, -1]
    gain = last_nats(model, x[:, -SHORT:], y) - last_nats(model, x, y)
    return [int(k) for k in gain.argsort(descending=True, stable=True)]


def read(model: Generator, piece: Tensor) -> Reading:
    """The saliency of the log-probability of the last symbol of a piece [1, T + 1]."""
    found = saliency(model.rnn, lambda: -model.loss(last(piece)).total)
    return Reading(piece[0, :-1].numpy(), int(piece[0, -1]), found)


def summary(report: Report) -> dict[str, Any]:
    """The report as what JSON can hold; what is not finite is None."""
    flow, contexts = report.flow, report.contexts
    found: dict[str, Any] = {
        "gradient": {
            name: {
                "log10_median_by_distance": flow.log10(name),
                "horizon": {label: horizons(flow, share)[name] for label, share in SHARES.items()},
            }
            for name in flow.norms
        },
        "jacobians": {
            unit: {
                "log10_singular_values_of_steps": ends(j, j.steps),
                "log10_singular_values_of_product": ends(j, j.product),
                "growth_in_nats_per_step": j.growth[-1],
                "lyapunov_exponents": j.exponents,
            }
            for unit, j in report.jacobians.items()
        },
        "spectra": {
            name: {"radius": s.radius, "largest_singular_value": s.norm, "singular_values": s.singular}
            for name, s in report.spectra.items()
        },
        "gates": {name: dataclasses.asdict(g) for name, g in report.gates.items()},
        "contexts": dataclasses.asdict(contexts) | {"effective": contexts.effective()},
        "readings": [dataclasses.asdict(r) for r in report.readings],
    }
    plain: dict[str, Any] = as_plain(found)
    return plain


def ends(j: Jacobians, logs: Array) -> dict[str, Array]:
    """The largest of singular values [B, T, p] of the first row, and the smallest where all are known."""
    return {"largest": logs[0, :, 0], **({"smallest": logs[0, :, -1]} if j.complete else {})}


def as_plain(value: Any) -> Any:
    """Arrays as lists, numbers to six digits, what is not finite as None."""
    if isinstance(value, dict):
        return {str(k): as_plain(v) for k, v in value.items()}
    if isinstance(value, np.ndarray):
        return as_plain(value.tolist())
    if isinstance(value, list | tuple):
        return [as_plain(v) for v in value]
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    return value
