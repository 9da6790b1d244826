"""Charts: valid specifications, the right number of marks, titles in both languages, files that work offline."""

from __future__ import annotations

import importlib
import json
import re
import struct
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given

from rondo.charts import ChartError, gates, gradients, lecture, reading, save, theme, weights
from rondo.charts.theme import decades, wrapped
from rondo.charts.training import training_curves
from rondo.charts.words import LANGUAGES, WORDS, label, shown, words
from rondo.files import FileError

LINE = np.linspace(0, -4, 9)
EIGENVALUES = {"l0.U": np.array([0.5, 0.1j, -0.2]), "l1.U": np.array([2.0])}
BINS = {"l0.f": (np.linspace(0, 1, 21), np.arange(20)), "l0.g": (np.linspace(-1, 1, 21), np.ones(20, int))}
QUANTILES = np.stack([LINE - 1, LINE, LINE + 1])
TEXT = list("白日依山尽")
LOG = [{"step": k, "loss": 3 / k, "norm": 2.0, "lr": 0.01} for k in range(1, 9)] + [
    {"step": 8, "valid": 0.5, "best": 0.5}
]
PANEL = lecture.Panel(0.9, LINE, LINE - 1, {"lstm": 0 * LINE}, LINE, -LINE)

# each chart drawn in a language, the key of its title, and how many marks of a kind it has
CASES: dict[str, tuple[Callable[[str], theme.Chart], str, dict[str, int]]] = {
    "flow": (
        lambda lang: gradients.gradient_flow({"l0.h": QUANTILES, "l1.h": QUANTILES}, {"l0.h": 5, "l1.h": None}, lang),
        "gradient flow",
        {"line mark": 2, "area mark": 2, "point": 1, "text mark": 1},
    ),
    "many flows": (
        lambda lang: gradients.gradient_flow({f"l{k}.h": QUANTILES for k in range(8)}, {}, lang),
        "gradient flow",
        {"line mark": 8, "area mark": 0},
    ),
    "products": (
        lambda lang: gradients.singular_values({"l0": np.tile(LINE, (3, 1)).T, "l1": LINE[:, None]}, {"l0": 1.5}, lang),
        "singular values",
        {"line mark": 5},  # largest, median, smallest and the rule; of the other layer the largest alone
    ),
    "exponents": (lambda lang: gradients.exponents({"l0": LINE, "l1": LINE}, lang), "exponents", {"line mark": 2}),
    "contexts": (
        lambda lang: gradients.contexts([1, 2, 4], np.array([3.0, 2, 1]), np.array([0.1, 0.1, np.nan]), 4, lang),
        "contexts",
        {"point": 3, "line mark": 1, "text mark": 1, "rule mark": 4},
    ),
    "eigenvalues": (
        lambda lang: weights.eigenvalues(EIGENVALUES, {"l0.U": 1, "l1.U": 2}, lang),
        "eigenvalues",
        {"circle": 4, "line mark": 2},  # an eigenvalue each, and the unit circles
    ),
    "histograms": (
        lambda lang: gates.histograms(BINS, lang),
        "histograms",
        {"rect mark": 2 * (20 + 2)},  # bins, and the saturated ends
    ),
    "saturation": (
        lambda lang: gates.saturation({"l0.f": (np.array([0.1, 0.9]), np.array([0.5, 0.0]))}, lang),
        "saturation",
        {"circle": 2, "line mark": 1},
    ),
    "heatmap": (
        lambda lang: gates.heatmap({"l0.f": np.random.default_rng(0).random((5, 20))}, TEXT, lang, units=6),
        "heatmap",
        {"rect mark": 30},
    ),
    "saliency": (
        lambda lang: reading.strips([(TEXT, np.arange(5.0), "黄"), (TEXT, np.zeros(5), "河")], lang),
        "saliency",
        {"rect mark": 12, "text mark": 12},
    ),
    "evidence": (
        lambda lang: reading.strips([(TEXT, np.array([1.0, -0.5, 0, -1, 0.2]), "黄")], lang, signed=True),
        "evidence",
        {"rect mark": 6, "text mark": 6, "rule mark": 2},  # what is negative is underlined
    ),
    "training": (lambda lang: training_curves(LOG, lang), "training", {"line mark": 5, "point": 1}),
    "lecture": (
        lambda lang: lecture.lecture(PANEL, PANEL, {"elman": 10**LINE, "elman, clipped": 10**LINE}, lang),
        "lecture",
        {"line mark": 3 + 3 + 4 + 2, "text mark": 3 + 3 + 4 + 2},
    ),
}  # fmt: skip


def simple(title: str = "A title", text: str = "b") -> theme.Chart:
    chart = theme.alt.Chart(theme.data([{"a": 1, "b": text}])).mark_point().encode(x="a:Q", y="b:N")
    return theme.finished(chart, title, "How to read it.")


# --- each chart


@pytest.mark.parametrize("lang", LANGUAGES)
@pytest.mark.parametrize("name", CASES)
def test_chart_is_valid_and_has_its_marks_and_words(name: str, lang: str, tmp_path: Path) -> None:
    draw, key, marks = CASES[name]
    chart = draw(lang)
    spec = chart.to_dict()  # validates against the schema of Vega-Lite
    assert spec["title"]["text"] == words(lang)[key]
    assert spec["title"]["subtitle"]
    assert spec["description"].startswith(words(lang)[key])
    save.save(chart, tmp_path / "chart.svg")
    svg = (tmp_path / "chart.svg").read_text(encoding="utf-8")
    assert f">{words(lang)[key]}</text>" in svg.replace("&amp;", "&")
    counted = Counter(re.findall(r'aria-roledescription="([^"]*)"', svg))
    assert {kind: counted[kind] for kind in marks} == marks
    assert "NaN" not in svg


@pytest.mark.parametrize("name", CASES)
def test_axes_have_titles(name: str) -> None:
    """Strips and heatmaps label their symbols instead."""

    def encodings(part: Any):
        if isinstance(part, dict):
            yield from [part["encoding"]] if "encoding" in part else []
            for v in part.values():
                yield from encodings(v)
        elif isinstance(part, list):
            for v in part:
                yield from encodings(v)

    draw, _, _ = CASES[name]
    titles = {e[axis].get("title") for e in encodings(draw("en").to_dict()) for axis in ("x", "y") if axis in e}
    wanted = {"saliency": 0, "evidence": 0, "heatmap": 1}.get(name, 2)
    assert len(titles - {None}) >= wanted


def test_gradients_beyond_floats_and_at_zero_are_drawn(tmp_path: Path) -> None:
    logs = np.linspace(0, 900, 9)
    flow = gradients.gradient_flow({"l0.h": np.stack([logs] * 3)}, {"l0.h": None})
    save.save(flow, tmp_path / "a.svg")
    assert "10⁹⁰⁰" in (tmp_path / "a.svg").read_text(encoding="utf-8")
    dead = gradients.gradient_flow({"l0.h": np.full((3, 4), -np.inf)}, {"l0.h": None})
    save.save(dead, tmp_path / "b.svg")
    assert gradients.power(900.5) == "3.16e+900"
    assert gradients.power(-2) == "0.01"
    assert gradients.power(-np.inf) == "0"


def test_symbols_are_shown_where_they_would_be_blank(tmp_path: Path) -> None:
    assert shown(["a", " ", "\n", "\t", ""]) == ["a", "␣", "↵", "⇥", "∅"]
    save.save(reading.strips([([" ", "\n"], np.ones(2), "x")]), tmp_path / "a.svg")
    text = re.findall(r">([^<>]+)</text>", (tmp_path / "a.svg").read_text(encoding="utf-8"))
    assert text[:3] == ["␣", "↵", "x"]


def test_a_long_text_goes_over_several_lines() -> None:
    places = reading._places(["a"] * 200)
    assert max(x2 for _, x2, _ in places) <= reading.COLUMNS + 1
    assert [y for _, _, y in places] == sorted(y for _, _, y in places)
    assert places[-1][2] == 199 // (reading.COLUMNS + 1)


def test_names_at_line_ends_keep_apart() -> None:
    found = lecture.apart({"a": 0.0, "b": 0.1, "c": 5.0, "d": 0.2}, 1.0)
    assert found == pytest.approx({"a": 0.0, "b": 1.0, "d": 2.0, "c": 5.0})


def test_a_log_without_losses_is_refused() -> None:
    with pytest.raises(ChartError, match="no line of this log has a loss"):
        training_curves([{"step": 1, "resumed": 3}])
    assert training_curves([{"step": 1, "valid": 2.0}]).to_dict()
    assert len(training_curves([{"step": k, "loss": 1.0} for k in range(1, 9000)]).to_json()) < 500_000  # thinned


# --- words and wrapping


def test_every_word_is_there_in_both_languages() -> None:
    for key, both in WORDS.items():
        assert len(both) == 2, key
        assert all(both), key
        assert re.findall(r"\{[^}]*\}", both[0]) == re.findall(r"\{[^}]*\}", both[1]), key
    assert label("l0_reverse.h", "en") == "layer 0 reverse · h"
    assert label("l2", "zh") == "第 2 层"
    with pytest.raises(ChartError, match="en and zh, not 'fr'"):
        words("fr")


@given(st.text("ab 。，一二 ", max_size=200), st.integers(10, 60))
def test_wrapping_loses_nothing_and_keeps_the_width(text: str, width: int) -> None:
    lines = wrapped(text, width)
    assert "".join("".join(lines).split()) == "".join(text.split())
    for line in lines:
        room = sum(2 if c > "\u2e7f" else 1 for c in line.rstrip("。，"))  # closing marks may hang over the edge
        assert room <= width or " " not in line  # a single long word has no place to break


def test_decades_label_powers_of_ten() -> None:
    scale = decades([-7.3, 2.1], "x")
    assert scale["scale"].domain == [-8, 4]
    labels = json.loads(scale["axis"].labelExpr.removesuffix("[datum.value]"))
    assert labels["-8"] == "10⁻⁸"
    assert labels["0"] == "1"
    assert decades([], "x")["scale"].domain == [0, 1]
    assert decades([-np.inf, 0.5], "x")["scale"].domain == [0, 1]
    assert len(decades([-612, 3], "x")["axis"].values) <= 12


# --- files


def test_svg_and_json_hold_chinese(tmp_path: Path) -> None:
    for suffix in (".svg", ".json", ".html"):
        save.save(simple("梯度穿过时间", "门"), tmp_path / f"chart{suffix}")
        text = (tmp_path / f"chart{suffix}").read_text(encoding="utf-8")
        assert "梯度穿过时间" in text
        assert "门" in text
    assert json.loads((tmp_path / "chart.json").read_text(encoding="utf-8"))["mark"] == {"type": "point"}


def test_html_needs_nothing_else(tmp_path: Path) -> None:
    save.save(simple(), tmp_path / "chart.html")
    page = (tmp_path / "chart.html").read_text(encoding="utf-8")
    assert not re.findall(r"""(?:src|href|action)\s*=\s*["']?(?:https?:)?//""", page)
    assert not re.findall(r"@import|url\(\s*['\"]?https?:", page)
    assert '"$schema"' not in page.split("vegaEmbed(")[-2]  # the specification names no address
    assert "window.vegaEmbed" in page  # the scripts are inside
    assert len(page) > 500_000


def test_a_page_holds_all_charts_and_no_markup_of_its_texts(tmp_path: Path) -> None:
    sneaky = "</script><script>alert(1)</script>"
    save.page(
        [("first\nsecond", simple()), ("", simple(sneaky)), (sneaky, simple())], sneaky, tmp_path / "all.html", "zh"
    )
    page = (tmp_path / "all.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 3
    assert page.count("<p>") == 2
    assert page.count("<script>") == 2
    assert page.count("</script>") == 2
    assert '<html lang="zh">' in page


def test_png_has_two_pixels_for_one_and_warns_without_a_chinese_font(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(save, "draws_chinese", lambda: False)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Latin text needs no such font
        save.save(simple(), tmp_path / "a.png")
    with pytest.warns(UserWarning, match="fonts-noto-cjk"):
        save.save(simple("门"), tmp_path / "b.png")
    save.save(simple(), tmp_path / "a.svg")
    data = (tmp_path / "a.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    width = float(re.search(r'width="([\d.]+)"', (tmp_path / "a.svg").read_text(encoding="utf-8"))[1])
    assert struct.unpack(">I", data[16:20])[0] == 2 * width


def test_whether_chinese_is_drawn_is_told_by_drawing() -> None:
    """Two characters that differ are drawn alike exactly where no font has them."""
    assert isinstance(save.draws_chinese(), bool)
    assert save._has_chinese("a门")
    assert not save._has_chinese("ρ = 0.5, ∂L/∂s ≤ 1")


def test_unknown_suffix_and_missing_folder_are_clear(tmp_path: Path) -> None:
    with pytest.raises(ChartError, match=r"chart.pdf: a chart is written as .svg, .png, .html, .json"):
        save.save(simple(), tmp_path / "chart.pdf")
    with pytest.raises(FileError, match="cannot be written"):
        save.save(simple(), tmp_path / "none" / "chart.svg")


def test_a_failed_drawing_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "chart.svg"
    path.write_text("old", encoding="utf-8")
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    with pytest.raises(ChartError, match=r"vl-convert, which is not installed: pip install 'rondo\[charts\]'"):
        save.save(simple(), path)
    assert path.read_text(encoding="utf-8") == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["chart.svg"]
    save.save(simple(), tmp_path / "chart.json")  # needs no renderer


def test_missing_altair_is_a_clear_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "altair", None)
    monkeypatch.delitem(sys.modules, "rondo.charts.theme")
    with pytest.raises(ChartError, match=r"Altair, which is not installed: pip install 'rondo\[charts\]'"):
        importlib.import_module("rondo.charts.theme")


def test_the_package_is_cheap() -> None:
    code = "import rondo.charts, sys; print({'altair', 'vl_convert', 'torch', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
