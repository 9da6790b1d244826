"""Charts of probes and of minimal pairs, from the plain values that `Report.to_json` and `Scores.to_json` give."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

from rondo.charts import ChartError
from rondo.charts.theme import CINNABAR, INDIGO, QUIET, Chart, alt, data, decades, finished, series, stacked

WIDE, HIGH = 420, 230
FLOOR = 1e-8  # a measure of 0 on a logarithmic scale
Values = Mapping[str, Any]
Words = Mapping[str, str]

LANGUAGES = ("en", "zh")
WORDS: dict[str, tuple[str, str]] = {
    "probe": ("Probe: {}", "探针：{}"),
    "units": ("{:,} units", "{:,} 个单元"),
    "parameters": ("about {:,} parameters", "约 {:,} 个参数"),
    "seconds": ("{:g} seconds", "{:g} 秒"),
    "steps": ("{:,} steps", "{:,} 步"),
    "reading": (
        "How to read it: every cell with {size} and {budget} of training, {seeds} seed(s): the mean, and a band from "
        "the worst seed to the best. {better} is better. Dotted: the best that is possible without memory.",
        "怎样读：每种单元{size}，训练{budget}，{seeds} 个种子：线为均值，色带从最差到最好。{better}越好。"
        "点线：没有记忆时的最好结果。",
    ),
    "higher": ("Higher", "越高"),
    "lower": ("Lower", "越低"),
    "learning": ("Learning, on validation data", "学习过程（验证数据）"),
    "step": ("step", "步"),
    "fresh": ("Fresh data, by {}", "新数据，按{}"),
    "learnt up to": ("Fresh data, by {} (learnt up to {})", "新数据，按{}（训练到 {}）"),
    "accuracy": ("accuracy", "准确率"),
    "nats a step": ("nats a step", "每步奈特"),
    "mean squared error": ("mean squared error", "均方误差"),
    "length": ("length", "长度"),
    "depth": ("depth of the bracket", "括号的深度"),
    "blanks": ("blanks", "空白数"),
    "words between": ("words between subject and verb", "主语与动词之间的词数"),
    "chance": ("probability of the next word (three verbs: at best 1/3)", "下一个词的概率（三个动词：最多 1/3）"),
    "right": ("right: {}", "正确：{}"),
    "flow": ("∂L/∂s after each word, L = −ln p({})", "每个词之后的 ∂L/∂s，L = −ln p({})"),
    "norm": ("norm of the gradient", "梯度的范数"),
    "surprisal": ("Surprisal by word", "每个词的惊异度"),
    "surprisal reading": (
        "How to read it: −log2 p of each word given those before it; the sum is the sentence's. In {share:.1%} of {n} "
        "pairs the good sentence has the smaller sum.",
        "怎样读：每个词在前文之后的 −log2 p；总和为整句的惊异度。{n} 对中 {share:.1%} 的好句总和较小。",
    ),
    "bits": ("surprisal, bits", "惊异度（比特）"),
    "sums": ("good : bad = {} bits, {}", "好句 : 坏句 = {} 比特，{}"),
    "good": ("good", "好句"),
    "bad": ("bad", "坏句"),
    "yes": ("right", "正确"),
    "tie": ("a tie", "相等"),
    "no": ("wrong", "错误"),
}


def words_in(lang: str) -> Words:
    """Every word in one language. Raises ChartError for a language that there is not."""
    if lang not in LANGUAGES:
        raise ChartError(f"charts speak {' and '.join(LANGUAGES)}, not {lang!r}")
    return {key: both[LANGUAGES.index(lang)] for key, both in WORDS.items()}


def probe(report: Values, lang: str = "en") -> Chart:
    """Learning, results by difficulty, and what the networks make of the shown sentences, on one sheet."""
    w, given = words_in(lang), report["settings"]
    charts = [learning(report, w), *by_difficulty(report, w), *sentences(report, w)]
    size = w["units"].format(given["hidden"]) if given["hidden"] else w["parameters"].format(given["parameters"])
    budget = w["seconds"].format(given["budget"]) if given["budget"] else w["steps"].format(given["steps"])
    better = w["higher" if report["higher"] else "lower"]
    reading = w["reading"].format(size=size, budget=budget, seeds=given["seeds"], better=better)
    columns = 2 if len(charts) > 1 else 1
    return finished(stacked(charts, columns), w["probe"].format(report["task"]), reading, 80 * columns)


def learning(report: Values, w: Words) -> Any:
    """The measure in validation against steps, a line for each cell."""
    rows = [{"cell": t["cell"], "x": step, "value": value} for t in report["trials"] for step, value in t["curve"]]
    return _lines(rows, alt.X("x:Q", title=w["step"]), report, w, report["line"]).properties(title=w["learning"])


def by_difficulty(report: Values, w: Words) -> list[Any]:
    """The measure on the tests against their difficulty, a chart for each kind of it that has several tests."""
    charts = []
    for axis in dict.fromkeys(t["axis"] for t in report["tests"]):
        tests = [(k, t) for k, t in enumerate(report["tests"]) if t["axis"] == axis]
        if len(tests) < 2:
            continue
        rows = [
            {"cell": trial["cell"], "x": t["at"], "value": trial["scores"][k]}
            for trial in report["trials"]
            for k, t in tests
        ]
        x = alt.X(
            "x:Q",
            title=w[axis],
            axis=alt.Axis(values=[t["at"] for _, t in tests], labelOverlap="greedy"),
            scale=alt.Scale(nice=False),
        )
        lines = _lines(rows, x, report, w, tests[0][1]["line"], points=True)
        reached, title = max(t["at"] for _, t in tests if t["seen"]), w["fresh"].format(w[axis])
        if reached < max(t["at"] for _, t in tests):
            lines += alt.Chart(data([{"x": reached}])).mark_rule(color=QUIET, strokeWidth=0.8).encode(x="x:Q")
            title = w["learnt up to"].format(w[axis], reached)
        charts.append(lines.properties(title=title))
    return charts


def _lines(rows: Sequence[dict[str, Any]], x: Any, report: Values, w: Words, line: float, points: bool = False) -> Any:
    """Means over seeds as lines, worst to best as bands, and the no-memory line. Values that are no number are left
    out; where less is better the axis is logarithmic."""
    higher, title = report["higher"], w[report["measure"]]
    known = [row for row in rows if row["value"] is not None]
    if not higher:
        known = [row | {"value": max(row["value"], FLOOR)} for row in known]
    scale = alt.Scale(domain=[min(0.4, line), 1.02], clamp=True) if higher else alt.Scale(type="log")
    look = series("cell", list(dict.fromkeys(t["cell"] for t in report["trials"])))
    base = alt.Chart(data(known)).encode(x=x)
    low = alt.Y("min(value):Q", scale=scale, title=title)
    band = base.mark_area(opacity=0.13, clip=True).encode(y=low, y2="max(value):Q", color=look["color"])
    mean = base.mark_line(point={"size": 34} if points else False).encode(
        y=alt.Y("mean(value):Q", title=title, scale=scale), **look
    )
    rule = alt.Chart(data([{"line": line}])).mark_rule(color=QUIET, strokeDash=[2, 3], strokeWidth=1.5)
    return alt.layer(band, mean, rule.encode(y="line:Q")).properties(width=WIDE, height=HIGH)


def sentences(report: Values, w: Words) -> list[Any]:
    """For each shown sentence: the chances of both forms of the verb by cell, and dL/ds<t> along its words."""
    charts = []
    for k in range(len(report["trials"][0]["looks"])):
        looks = [(t["cell"], t["looks"][k]) for t in report["trials"]]
        first = looks[0][1]
        charts.append(_chances(looks, w).properties(title=alt.TitleParams(_folded([*first["words"][1:], "..."]))))
        charts.append(_flow(looks, w).properties(title=w["flow"].format(first["right"])))
    return charts


def _chances(looks: Sequence[tuple[str, Values]], w: Words) -> Any:
    right, forms = looks[0][1]["right"], list(looks[0][1]["chances"])
    rows = [{"cell": cell, "form": f, "p": p} for cell, look in looks for f, p in look["chances"].items()]
    colour: Any = alt.Scale(domain=forms, range=[INDIGO if f == right else CINNABAR for f in forms])
    cells = list(dict.fromkeys(cell for cell, _ in looks))
    return (
        alt.Chart(data(rows))
        .mark_bar()
        .encode(
            x=alt.X("mean(p):Q", title=w["chance"], scale=alt.Scale(domain=[0, 1])),
            y=alt.Y("cell:N", sort=cells, title=None),
            yOffset=alt.YOffset("form:N", sort=forms),
            color=alt.Color("form:N", scale=colour, legend=alt.Legend(title=w["right"].format(right))),
        )
        .properties(width=WIDE, height=max(90, 44 * len(cells)))
    )


def _flow(looks: Sequence[tuple[str, Values]], w: Words) -> Any:
    """Norms of the gradient after each word, as the mean logarithm over seeds."""
    rows: list[dict[str, Any]] = [
        {"state": f"{cell} {state}", "t": t, "log": math.log10(norm)}
        for cell, look in looks
        for state, norms in look["gradients"].items()
        for t, norm in enumerate(norms)
        if norm
    ]
    y: Any = alt.Y("mean(log):Q", **decades([row["log"] for row in rows], w["norm"]))
    names = list(dict.fromkeys(str(row["state"]) for row in rows))
    base = alt.Chart(data(rows)).mark_line(point={"size": 24})
    at = _word_axis(looks[0][1]["words"])
    return base.encode(x=at, y=y, **series("state", names)).properties(width=WIDE, height=HIGH)


def _word_axis(labels: Sequence[str]) -> Any:
    """Places 0, 1, ... labelled with words."""
    named = f"{json.dumps(list(labels), ensure_ascii=False)}[datum.value]"
    axis = alt.Axis(values=list(range(len(labels))), labelExpr=named, labelAngle=-50, labelOverlap=False, grid=False)
    return alt.X("t:Q", title=None, axis=axis, scale=alt.Scale(nice=False))


def _folded(words: Sequence[str], width: int = 64) -> list[str]:
    """Words in lines."""
    lines = [""]
    for word in words:
        if len(lines[-1]) + len(word) > width:
            lines.append("")
        lines[-1] += f" {word}" if lines[-1] else word
    return lines


def surprisal(scores: Values, shown: int = 4, lang: str = "en") -> Chart:
    """The words of the first pairs against their surprisal under the first model, one line for each sentence."""
    w, model = words_in(lang), next(iter(scores["pairs"][0]["words"]))
    charts = [_pair(pair["words"][model], pair["right"][model], w) for pair in scores["pairs"][:shown]]
    reading = w["surprisal reading"].format(share=scores["accuracy"][-1][model], n=len(scores["pairs"]))
    return finished(stacked(charts), w["surprisal"], reading)


def _pair(words: Mapping[str, Sequence[tuple[str, float]]], right: float, w: Words) -> Any:
    rows = [
        {"sentence": w[side], "t": t, "word": word, "bits": bits}
        for side in ("good", "bad")
        for t, (word, bits) in enumerate(words[side])
    ]
    good, bad = ([word for word, _ in words[side]] for side in ("good", "bad"))
    labels = [g if g == b else f"{g} | {b}" for g, b in itertools.zip_longest(good, bad, fillvalue="")]
    sums = " : ".join(f"{sum(bits for _, bits in words[side]):.1f}" for side in ("good", "bad"))
    verdict = w["yes" if right > 0.5 else "tie" if right == 0.5 else "no"]
    return (
        alt.Chart(data(rows))
        .mark_line(point={"size": 40})
        .encode(
            x=_word_axis(labels),
            y=alt.Y("bits:Q", title=w["bits"], scale=alt.Scale(zero=True)),
            tooltip=["sentence:N", "word:N", alt.Tooltip("bits:Q", format=".2f")],
            **series("sentence", [w["good"], w["bad"]]),
        )
        .properties(width=560, height=180, title=w["sums"].format(sums, verdict))
    )
