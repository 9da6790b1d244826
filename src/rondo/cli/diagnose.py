"""Command diagnose: what happens inside a trained network, as charts, numbers and sentences."""

from __future__ import annotations

import dataclasses
import json
import sys
from collections.abc import Iterable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from rondo.cli.app import UsageError, app

if TYPE_CHECKING:
    from rondo.charts.theme import Chart
    from rondo.data.text import Numbered
    from rondo.diagnose.report import Report
    from rondo.train.language import LanguageModel

MATRICES, GATES, MAPS = 12, 16, 4  # the most panels of one chart
COLUMNS = 56  # symbols of the chart of activations
OWN = 4000  # symbols that a model writes where there is no other text


class Format(StrEnum):
    """The files beside index.html."""

    svg = "svg"
    png = "png"
    html = "html"


class Language(StrEnum):
    """Of the charts and findings."""

    en = "en"
    zh = "zh"


@app.command()
def diagnose(
    run: Annotated[
        Path | None, typer.Argument(metavar="RUN", help="a run folder, a model file, a bundled model")
    ] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FILE", help="text; default: held out, or the model's own")
    ] = None,
    out: Annotated[Path, typer.Option(metavar="FOLDER", help="where the charts go")] = Path("diagnose"),
    form: Annotated[Format, typer.Option("--format", help="of the single charts")] = Format.svg,
    lang: Annotated[Language, typer.Option(help="of charts and findings")] = Language.en,
    steps: Annotated[int, typer.Option(min=3, help="symbols that are looked back")] = 100,
    as_json: Annotated[bool, typer.Option("--json", help="print diagnose.json instead of the findings")] = False,
    lecture: Annotated[bool, typer.Option("--lecture", help="the vanishing and the exploding network instead")] = False,
) -> None:
    """Gradients through time, Jacobians, spectra, gates, memory and saliency of a trained language model."""
    import torch

    from rondo.charts import save
    from rondo.files import write_aside

    torch.set_num_threads(1)  # the matrices of one step are small: more threads would wait for each other
    if lecture:
        parts, plain = _lecture(lang.value)
    elif run is None:
        raise UsageError("name a run folder or a model file, or give --lecture")
    else:
        parts, plain = _trained(run, data, steps, lang.value)
    out.mkdir(parents=True, exist_ok=True)
    specs = [part.chart.to_dict() for part in parts]
    for part, spec in zip(parts, specs, strict=True):
        save.save(spec, out / f"{part.name}.{form.value}")
    title = "rondo diagnose " + ("--lecture" if lecture else str(run))
    texts = ["\n".join(part.sentences) for part in parts]
    save.page(list(zip(texts, specs, strict=True)), title, out / "index.html", lang.value)
    numbers = json.dumps(plain, ensure_ascii=False, indent=1)
    write_aside(out / "diagnose.json", numbers.encode())
    if as_json:
        print(numbers)
    else:
        _tell(parts)
        print(f"written to {out}: index.html, diagnose.json and {len(parts)} charts as {form.value}")


def _tell(parts: list[Part]) -> None:
    """The findings as a table: the chart's name and what it shows."""
    from rich.console import Console
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for part in parts:
        for k, sentence in enumerate(part.sentences):
            table.add_row(part.name if k == 0 else "", sentence)
    Console(highlight=False, markup=False).print(table)


class Part(NamedTuple):
    """One chart, the name of its file, and what is found."""

    name: str
    sentences: list[str]
    chart: Chart


def _trained(run: Path, data: Path | None, steps: int, lang: str) -> tuple[list[Part], dict[str, Any]]:
    """The diagnosis of a trained language model."""
    from rondo.diagnose import report
    from rondo.diagnose.findings import findings
    from rondo.train.language import load_language_model

    model = load_language_model(run)
    text = _text(model, run, data)
    found = report.diagnose(model.model, report.windows(text.sequences(), steps, 256))
    sentences = findings(found, lang)
    parts = [Part(name, sentences.get(name, []), chart) for name, chart in _charts(found, model, lang)]
    if (run / "log.jsonl").is_file():
        parts += _training(run / "log.jsonl", lang)
    return parts, {"model": str(run), "findings": sentences, **report.summary(found)}


def _text(model: LanguageModel, run: Path, data: Path | None) -> Numbered:
    """The given text, else what the run held out, else what the model itself writes."""
    from rondo.data.text import Numbered, read_text
    from rondo.files import FileError
    from rondo.train.config import TextConfig
    from rondo.train.run import Run
    from rondo.train.text import Corpus

    if data is not None:
        return Numbered.of([read_text(data)], model.vocab, model.documents)
    if run.is_dir():
        try:
            own = Run.open(run, TextConfig)
            files = own.data()
        except FileError as error:
            print(f"{error}; the model's own text is used", file=sys.stderr)
        else:
            if "valid" in files:
                return Numbered.of([read_text(f) for f in files["valid"]], model.vocab, model.documents)
            return Corpus.read(files, own.config).valid
    return Numbered.of(["".join(model.sample("", OWN, seed=1))], model.vocab, model.documents)


def _charts(found: Report, model: LanguageModel, lang: str) -> Iterator[tuple[str, Chart]]:
    """Every chart of a report, by name."""
    import numpy as np

    from rondo.charts import gates, gradients, reading, weights
    from rondo.diagnose.horizon import horizons

    logs = {n: np.stack([found.flow.log10(n, q) for q in (0.1, 0.5, 0.9)]) for n in found.flow.norms}
    yield "gradient", gradients.gradient_flow(logs, horizons(found.flow), lang)
    square = {name: s for name, s in found.spectra.items() if s.eigenvalues is not None}
    norms = {unit: [s.norm for n, s in square.items() if n.startswith(f"{unit}.")] for unit in found.jacobians}
    products = {unit: j.product[0] if j.complete else j.product[0, :, :1] for unit, j in found.jacobians.items()}
    yield "jacobians", gradients.singular_values(products, {u: max(v) for u, v in norms.items() if v}, lang)
    yield "exponents", gradients.exponents({unit: j.exponents for unit, j in found.jacobians.items()}, lang)
    if square:
        chosen = dict(list(square.items())[:MATRICES])
        values = {name: s.eigenvalues for name, s in chosen.items() if s.eigenvalues is not None}
        yield "spectra", weights.eigenvalues(values, {name: s.norm for name, s in chosen.items()}, lang)
    if found.gates:
        some = dict(list(found.gates.items())[-GATES:])
        yield "gates", gates.histograms({name: (g.edges, g.counts) for name, g in some.items()}, lang)
        yield "saturation", gates.saturation({name: (g.left, g.right) for name, g in some.items()}, lang)
        top = dict(list(found.activations.items())[-MAPS:])
        tail = {name: v[-COLUMNS:] for name, v in top.items()}
        yield "activations", gates.heatmap(tail, _symbols(model, found.symbols[-COLUMNS:]), lang)
    contexts = found.contexts
    yield "contexts", gradients.contexts(contexts.lengths, contexts.loss, contexts.error, contexts.effective(), lang)
    texts = [(_symbols(model, r.symbols), r.saliency, _symbols(model, [r.target])[0]) for r in found.readings]
    yield "saliency", reading.strips([(s, v.norm[0], target) for s, v, target in texts], lang)
    yield "evidence", reading.strips([(s, v.product[0], target) for s, v, target in texts], lang, signed=True)


def _symbols(model: LanguageModel, numbers: Iterable[int]) -> list[str]:
    return [model.vocab.decode([int(n)]) for n in numbers]


def _training(log: Path, lang: str) -> list[Part]:
    """The curves of a run's log, if it has any."""
    from rondo.charts import ChartError
    from rondo.charts.training import training_curves

    try:
        lines = [json.loads(line) for line in log.read_text(encoding="utf-8").splitlines()]
        return [Part("training", [], training_curves(lines, lang))]
    except (ChartError, json.JSONDecodeError) as error:  # nothing logged yet, or a line that was cut off
        print(f"{log} is not drawn: {error}", file=sys.stderr)
        return []


def _lecture(lang: str) -> tuple[list[Part], dict[str, Any]]:
    """The lecture's two networks."""
    from rondo.charts import lecture as drawn
    from rondo.diagnose import lecture
    from rondo.diagnose.findings import of_lecture
    from rondo.diagnose.report import as_plain

    found = lecture.lecture()
    left, right = (
        drawn.Panel(c.radius, c.before, c.clipped, c.gated, c.product, c.bound)
        for c in (found.vanishing, found.exploding)
    )
    chart = drawn.lecture(left, right, {name: d.applied for name, d in found.training.items()}, lang)
    return [Part("lecture", of_lecture(found, lang), chart)], as_plain(dataclasses.asdict(found))
