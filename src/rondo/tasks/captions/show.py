"""Sentences about a picture in a terminal, and where the surest of their characters looked."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from rondo.tasks.captions.request import CaptionsResponse, Sentence

SHADES = " ░▒▓█"
ENCODERS = {"own": "自带小编码器 / the package's own encoder", "fetched": "MobileNetV2"}


def show(response: CaptionsResponse, console: Console | None = None) -> None:
    """Print the sentences, the best first, and the grid of the first one."""
    console = console or Console(highlight=False)
    console.print(Text(f"{response.width} x {response.height}, {ENCODERS[response.encoder]}", "dim"))
    for sentence in response.sentences:
        console.print(Text(f"{sentence.text}  ", "bold").append(f"{sentence.p:.0%}", "dim"))
    if response.sentences and response.sentences[0].characters:
        console.print(_grid(response.sentences[0], response.side))
    for note in response.notes:
        console.print(Text(note, "yellow"))


def _grid(sentence: Sentence, side: int) -> Text:
    """Where the characters of a sentence looked, all together."""
    total = [sum(c.weights[k] for c in sentence.characters) for k in range(len(sentence.characters[0].weights))]
    if len(total) != side * side:
        return Text("")
    most = max(total) or 1.0
    rows = ["".join(2 * SHADES[round(4 * v / most)] for v in total[r : r + side]) for r in range(0, len(total), side)]
    return Text("\n".join(rows), "cyan")
