"""A chart as a file: SVG, PNG, one HTML page that needs nothing else, or JSON; and several charts on one page."""

from __future__ import annotations

import functools
import html
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from rondo.charts import INSTALL, ChartError
from rondo.charts.theme import FONT, HAIRLINE, INK, PAPER, QUIET, Chart
from rondo.files import write_aside

Spec = dict[str, Any]  # a chart in Vega-Lite's own words: what `to_dict` gives
SCALE = 2.0  # pixels of a PNG for each pixel of the chart


def save(chart: Chart | Spec, path: Path) -> None:
    """Write the chart, or its specification, as the suffix says: .svg, .png, .html (self-contained, works offline) or
    .json (Vega-Lite).

    The file is written aside and renamed. Raises ChartError for another suffix or where the renderer is missing,
    FileError where nothing can be written. Warns where a PNG has Chinese text and no installed font has it.
    """
    if path.suffix not in WRITERS:
        raise ChartError(f"{path}: a chart is written as {', '.join(WRITERS)}; end the name with one of them")
    write_aside(path, WRITERS[path.suffix](_spec(chart)))


def page(charts: Sequence[tuple[str, Chart | Spec]], title: str, path: Path, lang: str = "en") -> None:
    """Write several charts, each with a paragraph above it (or ""), as one HTML page that works offline."""
    write_aside(path, _document([(text, _spec(chart)) for text, chart in charts], title, lang))


def _spec(chart: Chart | Spec) -> Spec:
    return chart if isinstance(chart, dict) else chart.to_dict()


def _renderer() -> ModuleType:
    try:
        import vl_convert
    except ModuleNotFoundError as error:
        if error.name != "vl_convert":
            raise
        raise ChartError(f"charts are written by vl-convert, which is not installed: {INSTALL}") from None
    return vl_convert


def _svg(spec: Spec) -> bytes:
    text: str = _renderer().vegalite_to_svg(spec)
    return text.encode()


def _png(spec: Spec) -> bytes:
    if _has_chinese(json.dumps(spec, ensure_ascii=False)) and not draws_chinese():
        warnings.warn(
            "no installed font has Chinese characters, so they are missing in this PNG: install one "
            "(on Debian: apt install fonts-noto-cjk), or write .svg or .html, where the reader's fonts are used",
            stacklevel=3,
        )
    image: bytes = _renderer().vegalite_to_png(spec, scale=SCALE)
    return image


def _html(spec: Spec) -> bytes:
    title = spec.get("title", "")
    text = title.get("text", "") if isinstance(title, dict) else title
    return _document([("", spec)], str(text), "zh" if _has_chinese(str(text)) else "en")


def _json(spec: Spec) -> bytes:
    return json.dumps(spec, ensure_ascii=False, indent=1).encode()


WRITERS: dict[str, Callable[[Spec], bytes]] = {".svg": _svg, ".png": _png, ".html": _html, ".json": _json}


def _has_chinese(text: str) -> bool:
    return any("\u2e80" <= c <= "\u9fff" or "\uf900" <= c <= "\ufaff" or c >= "\U00020000" for c in text)


@functools.cache
def draws_chinese() -> bool:
    """Whether a font with Chinese characters is installed: without one, 中 and 国 are the same box."""

    def drawn(text: str) -> bytes:
        image: bytes = _renderer().svg_to_png(
            f'<svg xmlns="http://www.w3.org/2000/svg" width="40" height="40">'
            f'<text x="5" y="30" font-size="24" font-family="{FONT}">{text}</text></svg>'
        )
        return image

    return drawn("中") != drawn("国")


PAGE = """<!DOCTYPE html>
<html lang="{lang}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
body {{ margin: 2rem auto; max-width: 68rem; padding: 0 1.5rem; background: {paper}; color: {ink};
        font: 15px/1.55 {font}; }}
h1 {{ font-size: 1.35rem; font-weight: 600; }}
figure {{ margin: 2rem 0; padding-top: 1rem; border-top: 1px solid {line}; overflow-x: auto; }}
p {{ color: {quiet}; white-space: pre-line; }}
@media print {{ figure {{ break-inside: avoid; }} }}
</style>
<script>{script}</script>
</head>
<body>
<h1>{title}</h1>
{figures}
<script>
const actions = {{export: true, source: false, compiled: false, editor: false}};
for (const [k, spec] of {specs}.entries())
  vegaEmbed("#chart" + k, spec, {{mode: "vega-lite", renderer: "svg", actions}}).catch(console.error);
</script>
</body>
</html>
"""


@functools.cache
def _scripts() -> str:
    """Vega, Vega-Lite and Vega-Embed, as the renderer brings them: 0.9 MB."""
    text: str = _renderer().javascript_bundle()
    return text


def _document(charts: Sequence[tuple[str, Spec]], title: str, lang: str) -> bytes:
    """The page with all its scripts inside; the specifications lose `$schema`, the one address they hold."""
    specs = [{k: v for k, v in spec.items() if k != "$schema"} for _, spec in charts]
    texts = [f"<p>{html.escape(text)}</p>" if text else "" for text, _ in charts]
    figures = (f'<figure>{text}<div id="chart{k}"></div></figure>' for k, text in enumerate(texts))
    return PAGE.format(
        lang=lang,
        title=html.escape(title),
        font=FONT,
        paper=PAPER,
        ink=INK,
        quiet=QUIET,
        line=HAIRLINE,
        script=_scripts(),
        figures="\n".join(figures),
        specs=json.dumps(specs, ensure_ascii=False).replace("<", "\\u003c"),  # no tag can begin in them
    ).encode()
