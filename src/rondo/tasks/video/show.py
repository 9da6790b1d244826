"""What is done in a video, in a terminal."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from rondo.tasks.video.request import VideoResponse

WIDTH = 60  # characters of the strip
STYLES = ("green", "blue", "magenta", "yellow", "cyan", "red")
RANKS = 4


def show(response: VideoResponse, console: Console | None = None) -> None:
    """Print the answer, a strip of the whole length, its segments, and the likeliest actions."""
    console = console or Console(highlight=False)
    whole = response.answer
    style = "yellow" if whole.action == "none" else "bold"
    console.print(Text(f"{whole.chinese} {whole.action}  {whole.p:.0%}", style))
    console.print(_strip(response))
    for part in response.segments:
        first, last = part.start / response.per_second, part.end / response.per_second
        console.print(
            Text(
                f"{first:7.2f}-{last:<7.2f}s {part.chinese} {part.action}  {part.p:.0%}", _style(response, part.action)
            )
        )
    console.print(Text("  ".join(f"{a.action} {a.p:.0%}" for a in response.ranks[:RANKS]), "dim"))
    for note in response.notes:
        console.print(Text(note, "yellow"))


def _strip(response: VideoResponse) -> Text:
    """A sign for each part of the time: the first letter of its action, a dot for none."""
    text = Text()
    for k in range(min(WIDTH, response.frames)):
        at = k * response.frames // min(WIDTH, response.frames)
        part = next(s for s in response.segments if s.start <= at < s.end)
        text.append("·" if part.action == "none" else part.action[0].upper(), _style(response, part.action))
    return text


def _style(response: VideoResponse, action: str) -> str:
    return "dim" if action == "none" else STYLES[response.actions.index(action) % len(STYLES)]
