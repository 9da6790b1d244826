"""Sentiment in a terminal: the text with what each piece contributes, and the answers as bars."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from rondo.files import printable
from rondo.tasks.sentiment.request import LABELS, Opinion, Piece, SentimentResponse

NAMES = {"positive": "正面 positive", "neutral": "中性 neutral", "negative": "负面 negative"}
STYLES = {"positive": "green", "neutral": "yellow", "negative": "red"}
BAR, LISTED = 24, 8
WIDTH = max(map(len, NAMES.values())) + 2
FAINT = 0.15  # of the largest contribution: below it a piece is left plain


def show(response: SentimentResponse, console: Console | None = None) -> None:
    """Print an answer. What is tinted is signed too: ▲ speaks for positive, ▼ for negative."""
    console = console or Console(highlight=False)
    for note in response.notes:
        console.print(Text(printable(note), style="dim"))
    if response.pieces:
        console.print(_tinted(response.text, response.pieces))
        console.print(_listed(response.text, response.pieces))
    console.print(_classes(response))
    console.print(_strength(response))
    for target in response.targets:
        where = "" if target.start is None else f" [{target.start}:{target.end}]"
        line = Text.assemble((printable(target.text), "bold"), (where + "  ", "dim"))
        line.append(f"{NAMES[target.label]} {target.probabilities[target.label]:.0%}", STYLES[target.label])
        console.print(line.append(f"  {_stars(target)}"))


def _tinted(text: str, pieces: Sequence[Piece]) -> Text:
    most = max(abs(p.weight) for p in pieces) or 1.0
    found, at = Text(), 0
    for piece in pieces:
        found.append(printable(text[at : piece.start]))
        share = piece.weight / most
        plain = abs(share) < FAINT
        style = "" if plain else ("green" if share > 0 else "red") + (" bold underline" if abs(share) > 0.5 else "")
        found.append(printable(text[piece.start : piece.end]), style)
        at = piece.end
    return found.append(printable(text[at:]))


def _listed(text: str, pieces: Sequence[Piece]) -> Text:
    """The pieces that contribute most, in the order of the text."""
    most = sorted(pieces, key=lambda p: -abs(p.weight))[:LISTED]
    found = Text()
    for piece in sorted(most, key=lambda p: p.start):
        sign, style = ("▲", "green") if piece.weight > 0 else ("▼", "red")
        found.append(f"{sign}{printable(text[piece.start : piece.end])} {piece.weight:+.2f}  ", style)
    return found


def _classes(response: Opinion) -> Text:
    lines = []
    for label in LABELS:
        p, mine = response.probabilities[label], label == response.label
        full = round(BAR * p)
        name = (f"{'▸' if mine else ' '} {NAMES[label]:{WIDTH}}", "bold" if mine else "")
        lines.append(Text.assemble(name, ("█" * full, STYLES[label]), ("·" * (BAR - full) + f" {p:6.1%}", "dim")))
    return Text("\n").join(lines)


def _strength(response: Opinion) -> Text:
    told = "  ".join(f"{k}★ {p:.0%}" for k, p in enumerate(response.star_probabilities, 1))
    return Text.assemble(f"  {_stars(response)}", (f"   {told}", "dim"))


def _stars(opinion: Opinion) -> str:
    return "★" * opinion.stars + "☆" * (5 - opinion.stars) + f"  {opinion.valence:.1f}/9"
