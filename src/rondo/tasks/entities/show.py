"""Entities in a terminal: the text with its names in colour, and a line for each."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from rondo.tasks.entities.directions import NONE, Compared
from rondo.tasks.entities.request import EntitiesResponse

STYLES = ("bold cyan", "bold green", "bold magenta", "bold yellow", "bold blue", "bold red")


def show(response: EntitiesResponse, console: Console | None = None) -> None:
    """Print the text and what was found in it."""
    console = console or Console(highlight=False)
    for note in response.notes:
        console.print(Text(note, style="dim"))
    style_of = {kind: STYLES[k % len(STYLES)] for k, kind in enumerate(response.types)}
    text, last = Text(), 0
    for e in response.entities:
        text.append(response.text[last : e.start])
        text.append(e.text, style_of[e.type])
        text.append(f"[{e.type}]", "dim")
        last = e.end
    text.append(response.text[last:])
    console.print(text)
    for e in response.entities:
        name = response.names[e.type]
        by = "" if e.by == "model" else f"  {e.by}"
        console.print(Text(f"{e.start:6}-{e.end:<6} {e.p:6.1%}  {e.type} {name.zh}  {e.text!r}{by}", style="dim"))
    for part in response.sentences:
        if len(part.alternatives) > 1:
            console.print(Text(f"{part.start}-{part.end}", style="dim"))
            for a in part.alternatives:
                named = ", ".join(f"{e.text} [{e.type}]" for e in a.entities) or "—"
                console.print(Text(f"  {a.p:6.1%}  {named}"))


def show_directions(found: Sequence[Compared], console: Console | None = None) -> None:
    """Print what a tagger that reads forward and one that reads both ways say of each word."""
    console = console or Console(highlight=False)
    for one in found:
        table = Table(title=one.text, title_justify="left", box=None)
        for name in ("", *(f"{side}, {count:,} parameters" for side, count in one.parameters.items())):
            table.add_column(name)
        for word in one.words:
            table.add_row(word.text, _said(word.forward), _said(word.both))
        console.print(table)


def _said(p: dict[str, float]) -> Text:
    best = max(p, key=lambda kind: p[kind])
    named = ", ".join(f"{kind} {value:.2f}" for kind, value in p.items() if kind != NONE and value >= 0.05)
    return Text(f"{named or '-':28}", "bold green" if best != NONE else "dim")
