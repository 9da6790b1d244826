"""What was heard, in a terminal: the words on a line of time."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from rondo.tasks.speech.request import SpeechResponse, Word


def show(response: SpeechResponse, console: Console | None = None) -> None:
    """Print the text, each word with its time and probability, and what is to be known."""
    console = console or Console(highlight=False)
    console.print(Text(response.text or "…", "bold"))
    for word in response.words:
        console.print(line(word))
    for note in response.notes:
        console.print(Text(note, "yellow"))


def line(word: Word) -> Text:
    """A word with its time and probability."""
    bar = "█" * max(1, round(8 * word.p))
    return Text.assemble(
        (f"{word.start:8.2f}-{word.end:<8.2f}", "dim"), f"{word.word:<12}", (f"{bar:<8} {word.p:.0%}", "green")
    )
