"""tour.html: what the tour has shown as one page, complete in itself: no scripts, nothing loaded, fit to be printed."""

from __future__ import annotations

import datetime
import platform
from collections.abc import Callable, Iterable, Sequence
from html import escape
from pathlib import Path

import torch

import rondo
from rondo.tasks.couplet.request import Couplet
from rondo.tasks.poetry.request import Line, Poem
from rondo.tour import cell, draw
from rondo.tour.stops import CELL, NAME, STOPS, THEME, Stop
from rondo.tour.tell import TITLES, Seen
from rondo.verse import gloss
from rondo.verse.forms import PING, ZE

SIGNS = {PING: "○", ZE: "●", PING + ZE: "◎", "": "?"}
MARK = {True: "✓", False: "✗"}


def page(seen: Seen, lang: str) -> str:
    """The page of a tour, in "zh" or "en"."""
    title = "Rondo 导览" if lang == "zh" else "A tour of Rondo"
    style = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
    body = "\n".join(_sections(seen, lang))
    return (
        f'<!DOCTYPE html>\n<html lang="{"zh-CN" if lang == "zh" else "en"}">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<title>{title}</title>\n'
        f"<style>\n{style}</style>\n<main>\n<header><h1>{title}</h1>\n<p class=quiet>{escape(_about())}</p></header>\n"
        f"{body}\n</main>\n</html>\n"
    )


def _about() -> str:
    """When, and with what."""
    parts = (
        f"Rondo {rondo.__version__}",
        f"torch {torch.__version__}",
        f"Python {platform.python_version()}",
        f"{platform.system()} {platform.machine()}",
    )
    return " · ".join((datetime.datetime.now().strftime("%Y-%m-%d %H:%M"), *parts))


def _sections(seen: Seen, lang: str) -> Iterable[str]:
    shown = [stop for stop in STOPS if getattr(seen, stop.name) is not None]
    for number, stop in enumerate(shown, 1):
        yield _section(number, stop, SECTIONS[stop.name](seen, lang), seen.seconds.get(stop.name, 0.0), lang)


def _section(number: int, stop: Stop, content: str, seconds: float, lang: str) -> str:
    after = f"开始后 {seconds:.1f} 秒" if lang == "zh" else f"{seconds:.1f} s after the start"
    return (
        f'<section id="{stop.name}">\n<h2><span>{number}</span>{stop.heading(lang)}</h2>\n{content}\n'
        f"<footer><code>{escape(stop.run(lang))}</code><span>{after}</span></footer>\n</section>"
    )


def _poem(seen: Seen, lang: str) -> str:
    assert seen.poem
    poem = seen.poem.poems[0]
    lines = "\n".join(_line(i, line, lang) for i, line in enumerate(poem.proof))
    leaf = f'<div class="poem" lang="zh-CN">\n{lines}\n<span class="seal">{THEME}</span></div>'
    return f'{leaf}\n<p class="quiet centre">{escape(_proof(poem, lang))}</p>'


def _line(i: int, line: Line, lang: str) -> str:
    """A line of the poem: under each character its tone, the rhyme underlined, in English a gloss beneath."""
    chars = []
    for k, mark in enumerate(line.marks):
        rhyme = ' class="rhyme"' if line.rhymes and k + 1 == len(line.marks) else ""
        tone = f'<i class="{_kind(mark.ok)}">{SIGNS[mark.tones]}</i>'
        chars.append(f'<span class="char"><span{rhyme}>{escape(mark.char)}</span>{tone}</span>')
    words = " · ".join(w.english for w in gloss.gloss(line.text) if w.english) if lang == "en" else ""
    english = f'<div class="gloss" lang="en">{escape(words)}</div>' if words else ""
    return f'<div><div class="chars">{"".join(chars)}<span class="mark">{"，。"[i % 2]}</span></div>{english}</div>'


def _proof(poem: Poem, lang: str) -> str:
    signs = "○ 平 ● 仄 ◎ 两读，下划线为韵脚" if lang == "zh" else "○ level ● oblique ◎ either tone; rhymes underlined"
    new = {True: ("全新", "no line from an old poem"), False: ("有旧句", "with a line from an old poem")}[poem.novel]
    group = f"{poem.book} {poem.group}"
    return " · ".join(filter(None, [poem.pattern, group, new[lang == "en"], signs]))


def _couplet(seen: Seen, lang: str) -> str:
    assert seen.couplet
    couplet = seen.couplet.couplets[0]
    rules = "".join(f'<span class="{_kind(kept)}">{rule} {MARK[kept]}</span>' for rule, kept in couplet.rules.items())
    lines = _scroll(couplet, couplet.upper, "upper") + _scroll(couplet, couplet.lower, "lower")
    heading = f'<div class="scroll heading">{escape(couplet.heading)}</div>'
    hidden = (
        f"藏“{NAME}”，{couplet.way}" if lang == "zh" else f"{NAME} stands in it ({couplet.way}); read from the right"
    )
    return (
        f'<div class="door" lang="zh-CN">{heading}\n<div class="pair">{lines}</div></div>\n'
        f'<p class="rules">{rules}</p>\n<p class="quiet centre">{escape(hidden)}</p>'
    )


def _scroll(couplet: Couplet, text: str, side: str) -> str:
    """A line on its scroll, the characters of the name underlined."""
    places = iter(couplet.places)
    chars = []
    for char in text:
        place = next(places, None) if char != "，" else None
        chars.append(f"<b>{escape(char)}</b>" if place and side in place.fixed else escape(char))
    return f'<div class="scroll">{"".join(chars)}</div>'


def _equations(seen: Seen, lang: str) -> str:
    assert seen.equations
    blocks = (
        f"<div><h3>{TITLES[part][lang == 'en']}</h3><div class=wide>{_math(own)}</div></div>"
        for part, own in cell.parts(seen.equations)
        if part in TITLES
    )
    return f'<div class="formulas">{"".join(blocks)}</div>'


def _math(formulas: Sequence[cell.Formula]) -> str:
    rows = "\n".join(
        f'<mtr><mtd class="left">{f.mathml[0]}</mtd><mtd class="right"><mo>=</mo>{f.mathml[1]}</mtd></mtr>'
        for f in formulas
    )
    return f'<math displaystyle="true"><mtable displaystyle="true" columnalign="right left">\n{rows}\n</mtable></math>'


def _gradients(seen: Seen, lang: str) -> str:
    assert seen.gradients
    zh = lang == "zh"
    heads = ("推导出的梯度", "形状", "相对误差", "") if zh else ("derived gradient", "shape", "relative error", "")
    rows = (
        (f"<math>{g.mathml}</math>", " × ".join(map(str, g.shape)), f"{g.error:.1e}", _verdict(g.agrees))
        for g in seen.gradients
    )
    numbers, worst = sum(g.numbers for g in seen.gradients), max(g.error for g in seen.gradients)
    said = (
        f"{cell.STEPS} 步、{cell.ROWS} 行，float64：{numbers} 个数逐一作中心差分；"
        f"误差最大 {worst:.1e}，限 {cell.LIMIT:.0e}。"
        if zh
        else f"{cell.STEPS} steps, {cell.ROWS} rows, float64: a central difference for each of {numbers} numbers; "
        f"worst error {worst:.1e}, limit {cell.LIMIT:.0e}."
    )
    return f'<div class="wide">{_table(heads, rows)}</div>\n<p class=quiet>{escape(said)}</p>'


def _verdict(agrees: bool) -> str:
    return f'<span class="{_kind(agrees)}">{MARK[agrees]}</span>'


def _kind(right: bool) -> str:
    return "ok" if right else "bad"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """All columns but the first hold numbers."""
    kind = ("", *[' class="number"'] * (len(heads) - 1))
    head = "".join(f"<th{k}>{text}</th>" for k, text in zip(kind, heads, strict=True))
    body = "\n".join(
        "<tr>" + "".join(f"<td{k}>{c}</td>" for k, c in zip(kind, row, strict=True)) + "</tr>" for row in rows
    )
    return f'<table class="list"><tr>{head}</tr>\n{body}</table>'


def _speed(seen: Seen, lang: str) -> str:
    assert seen.speed
    first, worst = seen.speed[0], max(t.error for t in seen.speed)
    if not all(t.agrees for t in seen.speed):
        return f"<p class=bad>✗ {worst:.0e}</p>"
    rows = [f"{t.shape[1]} row{'s' * (t.shape[1] > 1)}" for t in seen.speed]
    zh = (
        "，".join(f"{t.shape[1]} 行时快 {t.ratio:.1f} 倍" for t in seen.speed),
        f"一步训练（前向和反向）的处理器时间，{first.threads} 线程，float32，"
        f"交错运行的中位数；先比对，误差最大 {worst:.0e}。",
    )
    en = (
        ", ".join(f"{t.ratio:.1f} times as fast on {name}" for t, name in zip(seen.speed, rows, strict=True)),
        f"Processor time of a training step (forward and backward), {first.threads} thread, float32, medians of runs "
        f"in turn; compared first, worst error {worst:.0e}.",
    )
    big, said = zh if lang == "zh" else en
    chart = f"<figure>{draw.bars(seen.speed, lang)}</figure>"
    return f"<p class=big>{big}</p>\n{chart}\n<p class=quiet>{escape(said)}<br>{escape(first.path)}</p>"


def _training(seen: Seen, lang: str) -> str:
    found = seen.training
    assert found
    heads = ("步", "奈特/字符", "|∇|", "字符/秒") if lang == "zh" else ("step", "nats", "|∇|", "chars/s")
    rows = [[str(step), f"{loss:.3f}", f"{r.norm:.2f}", f"{r.speed:,.0f}"] for step, loss, r in found.told]
    about = (
        f"{CELL}，{found.parameters:,} 个参数，读 Rondo 自己的源码 {found.characters:,} 个字符。随后它写道："
        if lang == "zh"
        else f"{CELL}, {found.parameters:,} parameters, {found.characters:,} characters of Rondo's own source. "
        "Then it writes:"
    )
    return (
        f'<div class="beside"><figure>{draw.curve(found, lang)}</figure>{_table(heads, rows)}</div>\n'
        f"<p class=quiet>{about}</p><pre>{escape(found.sample)}</pre>"
    )


SECTIONS: dict[str, Callable[[Seen, str], str]] = {
    "poem": _poem,
    "couplet": _couplet,
    "equations": _equations,
    "gradients": _gradients,
    "speed": _speed,
    "training": _training,
}
