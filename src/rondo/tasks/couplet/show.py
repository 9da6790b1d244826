"""Couplets in a terminal: the lines, and under each place whether the rules are kept."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from rondo.tasks.couplet.request import Couplet, CoupletResponse, Place
from rondo.tasks.couplet.rules import LOWER, UPPER
from rondo.verse.faults import BOTH
from rondo.verse.forms import PING, ZE

SIGNS = {PING: "○", ZE: "●", BOTH: "◎", "?": "?"}
FACING = {1.0: "＝", 0.5: "～", 0.0: "　"}


def show(response: CoupletResponse, console: Console | None = None) -> None:
    """Print the couplets of a response with their proof."""
    console = console or Console(highlight=False)
    for note in response.notes:
        console.print(Text(note, style="dim"))
    if response.surprise:
        console.print(Text(f"{response.surprise.text}  {response.surprise.answer}".rstrip(), style="dim"))
    for k, couplet in enumerate(response.couplets):
        console.print(*([Text()] if k or response.notes or response.surprise else []), _couplet(couplet), sep="\n")


def _couplet(couplet: Couplet) -> Text:
    text = Text()
    for side, name in ((UPPER, "上联"), (LOWER, "下联")):
        text.append(f"{name} ", "dim")
        _line(text, couplet, side)
    text.append("对仗 ", "dim")
    marks = iter(couplet.places)
    for char in couplet.upper:
        place = next(marks, None) if char != "，" else None
        text.append(FACING[place.facing] if place else "　", "green")
    text.append("  ＝ 常对  ～ 同类\n", "dim")
    if couplet.heading:
        text.append(f"横批 {couplet.heading}  {couplet.way}\n", "bold red")
    for rule, kept in couplet.rules.items():
        text.append(f"{rule}{'✓' if kept else '✗'} ", "green" if kept else "red")
    text.append(f" {couplet.scores['total']:.2f}\n", "dim")
    for relaxed in couplet.relaxed:
        text.append(f"放宽 {relaxed['rule']}：{relaxed['why']}\n", "yellow")
    return text


def _line(text: Text, couplet: Couplet, side: str) -> None:
    """A line, and its tones: green where they are opposed as they should be, red where not, dim where they may be
    anything."""
    places = iter(couplet.places)
    signs: list[tuple[str, str]] = []
    for char in couplet.upper if side == UPPER else couplet.lower:
        place = next(places, None) if char != "，" else None
        text.append(char, "bold yellow" if place and side in place.fixed else "bold")
        signs.append(_sign(place, side) if place else ("，", "dim"))
    text.append("  ")
    for sign, style in signs:
        text.append(sign, style)
    text.append("\n")


def _sign(place: Place, side: str) -> tuple[str, str]:
    tone = place.tones[0 if side == UPPER else 1]
    return SIGNS[tone], ("green" if place.ok else "red") if place.point or not place.ok else "dim"
