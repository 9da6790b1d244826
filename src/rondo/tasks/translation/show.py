"""Translations in a terminal."""

from __future__ import annotations

import re

from rich.console import Console
from rich.text import Text

from rondo.tasks.translation.request import Candidate, TranslationResponse

_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f]")  # what a terminal might obey


def show(response: TranslationResponse, nbest: int, console: Console | None = None) -> None:
    """Print the translated text; with nbest above 1, below it each sentence's translations with their scores. What was
    copied is underlined, what comes from the glossary bold."""
    console = console or Console(highlight=False)
    text = response.text if response.text.endswith("\n") else response.text + "\n"
    console.file.write(_CONTROL.sub("\ufffd", text) if console.is_terminal else text)
    for note in response.notes:
        console.print(Text(note, style="dim"))
    if nbest < 2:
        return
    for number, sentence in enumerate(response.sentences, 1):
        console.print()
        for k, candidate in enumerate(sentence.candidates):
            label = f"{number}." if not k and len(response.sentences) > 1 else ""
            console.print(Text(f"{label:4}{candidate.score:8.3f}  ", "dim"), _marked(candidate), sep="")


def _marked(candidate: Candidate) -> Text:
    text = Text(candidate.text)
    for style, places in (("underline", candidate.copied), ("bold", candidate.glossary)):
        for start, end in places:
            text.stylize(style, start, end)
    return text
