"""A report: what a student hands in. One HTML page, complete in itself, with its JSON inside; or that JSON alone.

It holds the answers, the seed, the versions and what the checks said. Marking (`rondo.lab.collect`) believes none of
the results: it reads the answers and checks them again.

    {"format": "rondo-lab-report", "version": 1, "experiment": {"number", "digest"}, "student": {"number", "name"},
     "answers": {part: {answer: text}}, "outcomes": [...], "seed": ..., "versions": {...}, "made": time}
"""

from __future__ import annotations

import datetime
import json
import math
import platform
import re
from collections.abc import Iterable, Iterator
from html import escape
from html.parser import HTMLParser
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, ValidationError

import rondo
from rondo.cell import Cell
from rondo.expr.nodes import EquationError
from rondo.files import writing_aside
from rondo.lab.experiment import Answer, Experiment, Part, faults
from rondo.lab.figures import Line, chart, number, timed
from rondo.lab.marking import Answers, mark, seed_of, total
from rondo.lab.outcome import Outcome
from rondo.lab.words import Words, words
from rondo.render.latex import mathml

LARGEST = 8 << 20  # bytes of a report
LONGEST = 64 << 10  # characters of an answer
STYLE = Path(__file__).with_name("report.css")
DATA = "rondo-report"  # id of the JSON within the page
NOT_IN_NAMES = re.compile(r'[\\/:*?"<>|\x00-\x1f\x7f]')
Name = Annotated[str, Field(max_length=80)]


class ReportError(ValueError):
    """A file that is no report; the message says why."""


class Student(BaseModel):
    """学号 and name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: str = Field(min_length=1, max_length=40, pattern=r"^[0-9A-Za-z-]+$")
    name: str = Field(min_length=1, max_length=60)


class OfExperiment(BaseModel):
    """Which experiment, as it was when it was answered."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    number: int
    digest: Name


class Report(BaseModel):
    """A report as it is read: text and numbers, nothing more."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format: Literal["rondo-lab-report"]
    version: Literal[1]
    experiment: OfExperiment
    student: Student
    answers: dict[Name, dict[Name, Annotated[str, Field(max_length=LONGEST)]]]
    outcomes: list[Outcome]
    seed: int
    versions: dict[Name, Name]
    made: str = Field(max_length=40)

    @property
    def file_name(self) -> str:
        """第n次实验-学号-姓名, without what a file system does not take."""
        plain = NOT_IN_NAMES.sub("_", f"第{self.experiment.number}次实验-{self.student.number}-{self.student.name}")
        return plain.strip(". ")


def report(
    experiment: Experiment, student: Student, answers: Answers, outcomes: Iterable[Outcome] | None = None
) -> Report:
    """Gather all of it: the answers, and what the checks that are not hidden say of them (`outcomes`, where they have
    been made already)."""
    kept = {p.id: {a.id: answers.get(p.id, {}).get(a.id, "") for a in p.answers} for p in experiment.parts}
    return Report(
        format="rondo-lab-report",
        version=1,
        experiment=OfExperiment(number=experiment.number, digest=experiment.digest),
        student=student,
        answers=kept,
        outcomes=mark(experiment, kept, student.number, hidden=False)
        if outcomes is None
        else _ordered(experiment, outcomes),
        seed=seed_of(student.number),
        versions={"rondo": rondo.__version__, "torch": torch.__version__, "python": platform.python_version()},
        made=datetime.datetime.now().astimezone().isoformat(timespec="seconds"),
    )


def _ordered(experiment: Experiment, outcomes: Iterable[Outcome]) -> list[Outcome]:
    """As the experiment has its checks; what it does not have is left out."""
    found = {(o.part, o.check): o for o in outcomes}
    places = [(p.id, c.id) for p in experiment.parts for c in p.checks if not c.hidden]
    return [found[place] for place in places if place in found]


def write(folder: Path, experiment: Experiment, found: Report, lang: str = "zh") -> Path:
    """Write the page into a folder, under its name. Raises FileError."""
    path = folder / f"{found.file_name}.html"
    with writing_aside(path) as file:
        file.write(page(experiment, found, lang))
    return path


def read(path: Path) -> Report:
    """The report in a file, HTML or JSON, whatever its name. Raises ReportError."""
    try:
        if path.stat().st_size > LARGEST:
            raise ReportError(f"{path.name}: 太大 / larger than {LARGEST >> 20} MB")
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ReportError(f"{path.name}: 不是 UTF-8 文本 / not UTF-8 text") from None
    except OSError as error:
        raise ReportError(f"{path.name}: {error.strerror}") from None
    data = text if text.lstrip().startswith("{") else _inside(text)
    try:
        return Report.model_validate_json(data)
    except ValidationError as error:
        raise ReportError(f"{path.name}: 不是实验报告 / no report: {'; '.join(faults(error))}") from None


class _Data(HTMLParser):
    """The text of the script element that holds the JSON."""

    def __init__(self) -> None:
        super().__init__()
        self.found, self._in = list[str](), False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in = tag == "script" and ("id", DATA) in attrs

    def handle_endtag(self, tag: str) -> None:
        self._in = False

    def handle_data(self, data: str) -> None:
        if self._in:
            self.found.append(data)


def _inside(text: str) -> str:
    parser = _Data()
    parser.feed(text)
    return "".join(parser.found)


# --- the page --------------------------------------------------------------------------------------

HEADINGS = {"zh": ("目的", "原理", "步骤", "结果", "分析"), "en": ("Aim", "Principle", "Steps", "Results", "Analysis")}


def page(experiment: Experiment, found: Report, lang: str = "zh") -> str:
    """The page: aim, principle, steps, results, analysis; drawings inline, no script that runs, fit to be printed."""
    style = STYLE.read_text(encoding="utf-8")
    title = f"第{experiment.number}次实验 {experiment.title('zh')}" if lang == "zh" else experiment.title("en")
    data = found.model_dump_json().replace("<", "\\u003c")
    labels = ("学号", "姓名", "时间", "种子") if lang == "zh" else ("Number", "Name", "Made", "Seed")
    made = found.made[:16].replace("T", " ")
    values = (found.student.number, found.student.name, made, str(found.seed))
    who = "".join(f"<div><dt>{k}</dt><dd>{escape(v)}</dd></div>" for k, v in zip(labels, values, strict=True))
    about = " · ".join(f"{k} {v}" for k, v in found.versions.items())
    sections = zip(HEADINGS[lang], _sections(experiment, found, lang), strict=True)
    body = "\n".join(f"<section><h2>{heading}</h2>\n{own}\n</section>" for heading, own in sections)
    return (
        f'<!DOCTYPE html>\n<html lang="{"zh-CN" if lang == "zh" else "en"}">\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(found.file_name)}</title>\n<style>\n{style}</style>\n<main>\n"
        f"<header><h1>{escape(title)}</h1>\n<dl>{who}</dl>\n<p class=quiet>{escape(about)}</p></header>\n"
        f"{body}\n</main>\n"
        f'<script type="application/json" id="{DATA}">{data}</script>\n</html>\n'
    )


def _sections(experiment: Experiment, found: Report, lang: str) -> Iterator[str]:
    yield f"<p>{timed(experiment.aim(lang))}</p>"
    yield f"<p>{timed(experiment.principle(lang))}</p>"
    yield "\n".join(_steps(p, found, lang) for p in experiment.parts)
    yield _results(experiment, found, lang)
    yield "\n".join(_analysis(p, found, lang) for p in experiment.parts)


def _steps(part: Part, found: Report, lang: str) -> str:
    shown = [_answer(a, found.answers.get(part.id, {}).get(a.id, ""), lang) for a in part.answers if a.kind != "words"]
    return f"<h3>{timed(part.title(lang))}</h3>\n" + "\n".join(f"<div class=answer>{a}</div>" for a in shown)


def _answer(answer: Answer, text: str, lang: str) -> str:
    heading = f"<h4>{timed(answer.title(lang))}</h4>"
    if answer.kind == "choice":
        text = next((o.title(lang) for o in answer.options if o.id == text), text)
    if not text.strip():
        return f"{heading}<p class=quiet>—</p>"
    if answer.kind in ("choice", "number"):
        return f"{heading}<p class=short>{timed(text.strip())}</p>"
    return f"{heading}{_typeset(text) if answer.kind == 'cell' else ''}<pre>{escape(text.rstrip())}</pre>"


def _typeset(text: str) -> str:
    """A cell's equations as formulas, where they can be read."""
    try:
        return f"<div class=math>{mathml(Cell.parse(text).graph, 'lecture')}</div>"
    except EquationError:
        return ""


NUMBERS = {
    "value": Words(zh="得到", en="reached"),
    "line": Words(zh="没有记忆", en="without memory"),
    "largest_error": Words(zh="最大误差", en="largest error"),
    "units": Words(zh="单元", en="units"),
    "parameters": Words(zh="参数", en="parameters"),
    "steps": Words(zh="步", en="steps"),
    "lines": Words(zh="行", en="lines"),
    "characters": Words(zh="字", en="characters"),
    "quantities": Words(zh="核对的量", en="quantities compared"),
}


def _results(experiment: Experiment, found: Report, lang: str) -> str:
    head = ("检查", "结果", "分") if lang == "zh" else ("check", "result", "points")
    cells = "".join(f"<th>{h}</th>" for h in head)
    rows = "".join(_rows(p, found, lang) for p in experiment.parts)
    whole = "合计" if lang == "zh" else "in all"
    reached = f"{total(found.outcomes):g} / {experiment.points_shown:g}"
    sums = f"<tr class=sum><th>{whole}</th><td></td><td>{reached}</td></tr>"
    drawn = "".join(
        figure(o.title(lang), o.facts, lang) for o in found.outcomes if isinstance(o.facts.get("curve"), list)
    )
    return f"<table><thead><tr>{cells}</tr></thead>{rows}<tbody>{sums}</tbody></table>{drawn}"


def _rows(part: Part, found: Report, lang: str) -> str:
    """A part's checks; one that was not made is named too."""
    made = {o.check: o for o in found.outcomes if o.part == part.id}
    shown = [c for c in part.checks if not c.hidden]
    rows = "".join(_row(c.title(lang), c.points, made.get(c.id), lang) for c in shown)
    return f"<tbody><tr class=part><th colspan=3>{timed(part.title(lang))}</th></tr>{rows}</tbody>"


def _row(title: str, points: float, o: Outcome | None, lang: str) -> str:
    if o is None:
        said = f"<span class=quiet>{'没有检查' if lang == 'zh' else 'not checked'}</span>"
        return f"<tr><td>{timed(title)}</td><td>{said}</td><td>0 / {points:g}</td></tr>"
    kind, mark_ = ("right", "✓") if o.passed else ("wrong", "✗")
    said = f"<b>{mark_}</b> {timed(o.message(lang))}{_numbers(o.facts, lang)}"
    return f"<tr class={kind}><td>{timed(title)}</td><td>{said}</td><td>{o.points:g} / {points:g}</td></tr>"


def _numbers(facts: dict[str, Any], lang: str) -> str:
    numbers = [(k, v) for k, given in facts.items() if math.isfinite(v := number(given))]
    shown = " · ".join(f"{NUMBERS[k](lang) if k in NUMBERS else k} {v:.4g}" for k, v in numbers)
    return f" <span class=quiet>{escape(shown)}</span>" if shown else ""


def _analysis(part: Part, found: Report, lang: str) -> str:
    own = found.answers.get(part.id, {})
    texts = [(a.title(lang), own.get(a.id, "").strip()) for a in part.answers if a.kind == "words"]
    shown = "".join(f"<h4>{timed(t)}</h4>{_paragraphs(text)}" for t, text in texts)
    return f"<h3>{timed(part.title(lang))}</h3>\n{shown}" if shown else ""


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{escape(line)}</p>" for line in text.splitlines() if line.strip()) or "<p class=quiet>—</p>"


MEASURES = {
    "accuracy": Words(zh="答对的比例", en="accuracy"),
    "nats a step": Words(zh="每步损失（nats）", en="nats a step"),
    "mean squared error": Words(zh="均方误差", en="mean squared error"),
}


def figure(title: str, facts: dict[str, Any], lang: str) -> str:
    """The curve of a check, with how to read it."""
    zh, higher = lang == "zh", facts.get("measure") == "accuracy"
    measure = MEASURES.get(str(facts.get("measure")), words("量", "measure"))(lang)
    own = "你的单元" if zh else "your cell"
    marks = [(number(facts.get("line")), "没有记忆" if zh else "no memory")]
    drawn = chart([Line(own, own, facts["curve"])], "训练步数" if zh else "training steps", measure, marks)
    if zh:
        how = f"{title}。越{'高' if higher else '低'}越好；{'高' if higher else '低'}过虚线，才算记住了什么。"
    else:
        better, side = ("higher", "above") if higher else ("lower", "below")
        how = f"{title}. {better.capitalize()} is better; only {side} the dashed line something is remembered."
    return f"<figure>{drawn}<figcaption>{escape(how)}</figcaption></figure>"


def to_json(found: Report) -> str:
    """The JSON alone."""
    return json.dumps(found.model_dump(mode="json"), ensure_ascii=False, indent=1) + "\n"
