"""The text of a part as HTML: Markdown without HTML of its own; a<t-1> and W_c are set as the lecture writes them."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.token import Token

from rondo.lab.figures import timed

LINKS = re.compile(r"(?:https?://|/(?!/)|#)")


def html(text: str) -> str:
    """The HTML of a text. No element, attribute or address of the text's own passes but what Markdown has."""
    found: str = _markdown().render(text)
    return found


@functools.cache
def _markdown() -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "linkify": False}).enable(["table", "strikethrough"])
    made.disable("image")  # an experiment has no files that a page could show
    made.validateLink = lambda url: bool(LINKS.match(url))  # type: ignore[method-assign]
    made.add_render_rule("text", _text)
    return made


def _text(self: Any, tokens: Sequence[Token], at: int, options: Any, env: Any) -> str:
    return timed(tokens[at].content)
