"""A user's glossary: which words and phrases of a text are to be translated by what.

A source is found as whole words. Written without a capital it is found in any case ("chat" finds Chat and CHAT), with
one exactly as it stands ("Paris" does not find PARIS). A blank in it fits any white space with at most one line break,
and a straight apostrophe a curly one. Longer sources go first; what one has found, no other one takes. The target
stands in the translation exactly as it is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError

from rondo.tasks.translation.request import GlossaryEntry, TranslationError, check_entries
from rondo.tasks.translation.words import HAN, Span

_BLANK = r"(?:[^\S\n\r]+|[^\S\n\r]*(?:\r\n|[\n\r])[^\S\n\r]*)"
_LETTER = rf"[^\W{HAN}]"  # Chinese has no blanks: there a word may begin anywhere


class Term(NamedTuple):
    """An entry that was found in a text."""

    start: int
    end: int
    target: str

    @property
    def span(self) -> Span:
        return Span(self.start, self.end)


class Glossary:
    """Entries, ready to be looked for."""

    def __init__(self, entries: Sequence[GlossaryEntry]) -> None:
        unique = {entry.source: entry for entry in entries}.values()
        self._entries = sorted(((e, _pattern(e.source)) for e in unique), key=lambda pair: -len(pair[0].source))

    def find(self, text: str) -> list[Term]:
        """The entries that occur, in the order of the text; they do not overlap."""
        taken = bytearray(len(text))
        found: list[Term] = []
        for entry, pattern in self._entries:
            for match in pattern.finditer(text):
                if not any(taken[match.start() : match.end()]):
                    taken[match.start() : match.end()] = b"\1" * len(match[0])
                    found.append(Term(*match.span(), entry.target))
        return sorted(found)


def _pattern(source: str) -> re.Pattern[str]:
    parts = [re.escape(part).replace("'", "['’]") for part in _straight(source).split()]
    before = f"(?<!{_LETTER})" if re.match(_LETTER, source) else ""
    after = f"(?!{_LETTER})" if re.match(_LETTER, source[-1]) else ""
    return re.compile(before + _BLANK.join(parts) + after, re.IGNORECASE if source == source.lower() else 0)


def _straight(text: str) -> str:
    return text.replace("’", "'")


def read_glossary(path: Path) -> list[GlossaryEntry]:
    """The entries of a TSV file: source, tab, target. Empty lines, lines that begin with #, and a header "source, tab,
    target" are passed over. Raises TranslationError naming the line."""
    try:
        lines = path.read_bytes().decode("utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise TranslationError(
            f"{path} 不是 UTF-8 文本，请另存为 UTF-8 / {path} is not UTF-8 text (byte {error.start}): save it as UTF-8"
        ) from None
    rows = [(n, line) for n, line in enumerate(lines, 1) if line.strip() and not line.startswith("#")]
    if rows and [part.strip().lower() for part in rows[0][1].split("\t")] == ["source", "target"]:
        rows = rows[1:]
    entries = [_entry(path, n, line) for n, line in rows]
    try:
        check_entries(entries)
    except TranslationError as error:
        raise TranslationError(f"{path}: {error}") from None
    return entries


def _entry(path: Path, number: int, line: str) -> GlossaryEntry:
    parts = line.split("\t")
    if len(parts) != 2:
        raise TranslationError(
            f"{path}:{number}: 每行是原文、制表符、译文，这里有 {len(parts)} 栏 / "
            f"{path}:{number}: a line is source, tab, target; found {len(parts)} column{'s' * (len(parts) != 1)}"
        )
    try:
        return GlossaryEntry(source=parts[0], target=parts[1])
    except ValidationError as error:
        cause = error.errors()[0].get("ctx", {}).get("error")
        raise TranslationError(f"{path}:{number}: {cause}") from None


def apply(text: str, terms: Iterable[Term]) -> tuple[str, list[Span]]:
    """A text that is not translated, with its entries replaced, and where the targets stand."""
    parts: list[str] = []
    spans: list[Span] = []
    last = size = 0
    for term in terms:
        parts += [text[last : term.start], term.target]
        size += term.start - last
        spans.append(Span(size, size + len(term.target)))
        size, last = size + len(term.target), term.end
    return "".join([*parts, text[last:]]), spans
