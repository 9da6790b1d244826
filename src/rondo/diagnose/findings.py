"""Findings: what a report says, in sentences, in English or Chinese."""

from __future__ import annotations

import math

import numpy as np

from rondo.diagnose.horizon import SHARES, horizon
from rondo.diagnose.lecture import Lecture
from rondo.diagnose.report import Report

SWITCHED = 0.9  # a unit that is saturated on one side this share of the time does not work
HELD = 0.9  # share of the saliency that is asked for

SENTENCES: dict[str, tuple[str, str]] = {
    "falls": ("{0}: the gradient falls to {1} after {2} steps", "{0}：梯度在 {2} 步后降到 {1}"),
    "stays": ("{0}: the gradient is still above {1} after {2} steps", "{0}：{2} 步之后梯度仍高于 {1}"),
    "grows": (
        "{0}: over {1} steps the largest gradient grows by {2:.1f} % a step; largest Lyapunov exponent {3:+.3f} nats",
        "{0}：{1} 步内最大梯度每步增长 {2:.1f}%；最大李雅普诺夫指数 {3:+.3f} 奈特",
    ),
    "shrinks": (
        "{0}: over {1} steps the largest gradient shrinks by {2:.1f} % a step; largest Lyapunov exponent {3:+.3f} nats",
        "{0}：{1} 步内最大梯度每步缩小 {2:.1f}%；最大李雅普诺夫指数 {3:+.3f} 奈特",
    ),
    "matrix": (
        "{0}: largest spectral radius {1:.2f} ({2}), largest singular value {3:.2f} ({4})",
        "{0}：最大谱半径 {1:.2f}（{2}），最大奇异值 {3:.2f}（{4}）",
    ),
    "rule": (
        "; by the rule σ > 1 it would explode, yet the measured gradient shrinks: tanh' and the gates count too",
        "；按 σ > 1 的规则应当爆炸，但实测梯度在缩小：tanh′ 和门也在起作用",
    ),
    "gate": (
        "{0}: mean {1:.2f}; saturated low {2:.0f} %, high {3:.0f} % of the time",
        "{0}：均值 {1:.2f}；{2:.0f}% 的时间低端饱和，{3:.0f}% 的时间高端饱和",
    ),
    "stuck": ("; {0} of {1} units hardly ever move", "；{1} 个单元中有 {0} 个几乎不动"),
    "context": (
        "the loss stays within 0.01 nats from {0} symbols of context on ({1:.3f} nats; with one symbol {2:.3f})",
        "上文达到 {0} 个符号后损失相差不超过 0.01 奈特（{1:.3f} 奈特；只有一个符号时 {2:.3f}）",
    ),
    "context open": (
        "the loss still falls at {0} symbols of context ({1:.3f} nats; with one symbol {2:.3f}): try more --steps",
        "上文到 {0} 个符号时损失仍在下降（{1:.3f} 奈特；只有一个符号时 {2:.3f}）：可加大 --steps",
    ),
    "saliency": (
        "90 % of a prediction's gradient lies on the last {0} of {1} symbols",
        "一次预测的梯度有 90% 落在 {1} 个符号中的最后 {0} 个上",
    ),
    "case": (
        "{0}: spectral radius {1:.1f}, largest singular value {2:.2f}; after {4} steps the gradient is 10^{3:.1f} of "
        "its start, with gates {6}; clipping multiplies all of it by 10^{5:.1f}",
        "{0}：谱半径 {1:.1f}，最大奇异值 {2:.2f}；{4} 步后梯度为起点的 10^{3:.1f}，"
        "用门控时为 {6}；截断把它整体乘以 10^{5:.1f}",
    ),
    "descent": (
        "{0}: loss {1:.3g} before, {2:.3g} after {3} steps; largest update {4:.3g}",
        "{0}：损失由 {1:.3g} 经 {3} 步到 {2:.3g}；最大更新量 {4:.3g}",
    ),
    "vanishing": ("vanishing", "消失"),
    "exploding": ("exploding", "爆炸"),
    "layer": ("layer {0}", "第 {0} 层"),
}


def findings(report: Report, lang: str = "en") -> dict[str, list[str]]:
    """Sentences by the part of the report: gradient, jacobians, spectra, gates, contexts, saliency."""
    say = {key: both[lang == "zh"] for key, both in SENTENCES.items()}
    return {
        "gradient": [_gradient(report, name, say) for name in report.flow.norms],
        "jacobians": [_growth(report, unit, say) for unit in report.jacobians],
        "spectra": _matrices(report, say),
        "gates": [_gate(report, name, say) for name in report.gates],
        "contexts": [_context(report, say)],
        "saliency": [_saliency(report, say)] if report.readings else [],
    }


def named(name: str, say: dict[str, str]) -> str:
    """ "l0.h" as "layer 0, h"."""
    unit, _, own = name.partition(".")
    layer = say["layer"].format(unit.removeprefix("l"))
    return f"{layer}, {own}" if own else layer


def _gradient(report: Report, name: str, say: dict[str, str]) -> str:
    norms = report.flow.median(name)
    end = horizon(norms, SHARES["1 %"])
    key, steps = ("falls", end) if end is not None else ("stays", len(norms) - 1)
    return say[key].format(named(name, say), "1 %", steps)


def _growth(report: Report, unit: str, say: dict[str, str]) -> str:
    j = report.jacobians[unit]
    growth = float(j.growth[-1])
    percent = 100 * abs(math.expm1(growth)) if math.isfinite(growth) else 100.0
    return say["grows" if growth > 0 else "shrinks"].format(named(unit, say), len(j.growth), percent, j.exponents[0])


def _matrices(report: Report, say: dict[str, str]) -> list[str]:
    """A sentence for each layer with square recurrent matrices; the lecture's rule where what is measured denies it."""
    found = []
    for unit, j in report.jacobians.items():
        own = {
            n.split(".")[1]: s for n, s in report.spectra.items() if n.startswith(f"{unit}.") and s.radius is not None
        }
        if not own:
            continue
        wide, strong = max(own, key=lambda n: own[n].radius or 0), max(own, key=lambda n: own[n].norm)
        text = say["matrix"].format(named(unit, say), own[wide].radius, wide, own[strong].norm, strong)
        found.append(text + (say["rule"] if own[strong].norm > 1.01 and float(j.growth[-1]) < 0 else ""))
    return found


def _gate(report: Report, name: str, say: dict[str, str]) -> str:
    g = report.gates[name]
    stuck = int(np.sum((g.left > SWITCHED) | (g.right > SWITCHED)))
    text = say["gate"].format(named(name, say), g.mean, 100 * g.low, 100 * g.high)
    return text + (say["stuck"].format(stuck, len(g.left)) if stuck else "")


def _context(report: Report, say: dict[str, str]) -> str:
    c = report.contexts
    effective = c.effective()
    key = "context" if effective < c.lengths[-1] else "context open"
    return say[key].format(effective, c.loss[-1], c.loss[0])


def _saliency(report: Report, say: dict[str, str]) -> str:
    """Over all texts: how many of the last symbols hold most of the gradient's norm."""
    norms = np.concatenate([r.saliency.norm for r in report.readings])[:, ::-1]
    share = (norms / np.maximum(norms.sum(1, keepdims=True), 1e-300)).mean(0).cumsum()
    return say["saliency"].format(int(np.searchsorted(share, HELD)) + 1, norms.shape[1])


def of_lecture(found: Lecture, lang: str = "en") -> list[str]:
    """The lecture's case in sentences."""
    say = {key: both[lang == "zh"] for key, both in SENTENCES.items()}
    lines = []
    for name, case in (("vanishing", found.vanishing), ("exploding", found.exploding)):
        fall, k = float(case.before[-1] - case.before[0]), len(case.before) - 1
        gated = ", ".join(f"10^{v[-1] - v[0]:.1f} ({cell})" for cell, v in case.gated.items())
        clip = math.log10(case.factor)
        lines.append(say["case"].format(say[name], case.radius, case.norm, fall, k, clip, gated))
    for name, d in found.training.items():
        lines.append(say["descent"].format(name, d.loss[0], d.loss[-1], len(d.loss), d.applied.max()))
    return lines
