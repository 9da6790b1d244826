"""Poems in a terminal: the lines, and under each character the proof."""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from rondo.tasks.poetry.request import Line, Poem, PoemResponse
from rondo.verse import gloss
from rondo.verse.forms import PING, ZE
from rondo.verse.script import traditional

SIGNS = {PING: "○", ZE: "●", PING + ZE: "◎", "": "?"}
COLOURS = {True: "green", False: "red"}


def show(response: PoemResponse, console: Console | None = None, english: bool = False, old: bool = False) -> None:
    """Print the poems of a response with their proof: signs ○ 平 ● 仄 ◎ either, the line's type, rhyme, image.

    english  a word gloss under each line
    old      traditional characters
    """
    console = console or Console(highlight=False)
    for note in response.notes:
        console.print(Text(note, style="dim"))
    for k, poem in enumerate(response.poems):
        console.print(*([Text()] if k or response.notes else []), _poem(poem, english, old), sep="\n")
    if english:
        console.print(Text(gloss.notice(), style="dim"))


def _poem(poem: Poem, english: bool, old: bool) -> Text:
    text = Text()
    written = traditional("\n".join(poem.lines)).split("\n") if old else poem.lines
    for i, (line, chars) in enumerate(zip(poem.proof, written, strict=True)):
        for mark, char in zip(line.marks, chars, strict=True):
            text.append(char, "bold yellow" if mark.given else "bold")
        text.append("，" if i % 2 == 0 else "。")
        text.append("  ")
        for mark in line.marks:
            text.append(SIGNS[mark.tones], COLOURS[mark.ok])
        text.append(_remarks(line) + "\n")
        if english:
            text.append(gloss.beneath(line.text, gloss.gloss(line.text)).rpartition("\n")[2] + "\n", "dim italic")
    head = " · ".join(filter(None, [poem.pattern, f"{poem.book} {poem.group}"]))
    text.append(f"{head} · {'全新' if poem.novel else '有旧句'} · {poem.log_probability:.2f} nats/字\n", "dim")
    for relaxed in poem.relaxed:
        text.append(f"放宽 第{relaxed['line']}句第{relaxed['place']}字：{relaxed['why']}\n", "yellow")
    return text


def _remarks(line: Line) -> str:
    rhyme = {True: f"  {line.group} ✓", False: "  ✗ 不押", None: ""}[line.rhymes]
    image = f"  〔{line.image}〕" if line.image else ""
    return f"  {line.type}{rhyme}{image}"
