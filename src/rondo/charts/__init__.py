"""Charts: pure functions from plain arrays to Altair charts, and `save` to write one as SVG, PNG, HTML or JSON.

This package imports neither Altair nor vl-convert until a chart is drawn (`rondo.charts.theme`) or written
(`rondo.charts.save`): they are the extra `rondo[charts]`.
"""

from __future__ import annotations

INSTALL = "pip install 'rondo[charts]'"


class ChartError(ValueError):
    """A chart that cannot be drawn or written; the message says what to do."""
