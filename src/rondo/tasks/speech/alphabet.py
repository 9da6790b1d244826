"""What a model of speech can say: words, or letters with a space between words. Symbol 0 is the blank of CTC."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SPACE = " "
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LETTERS = (SPACE, "'", *"abcdefghijklmnopqrstuvwxyz")


class SpeechError(ValueError):
    """A recording, text or file that does not do for speech recognition; the message says what to do."""


@dataclass(frozen=True)
class Alphabet:
    """The symbols from 1 on: words (`spelled` False), or letters and the space."""

    symbols: tuple[str, ...]
    spelled: bool

    @property
    def size(self) -> int:
        """Symbols with the blank."""
        return 1 + len(self.symbols)

    @property
    def space(self) -> int:
        """The label between two words of letters; -1 where every label is a word."""
        return 1 + self.symbols.index(SPACE) if self.spelled else -1

    def labels(self, text: str) -> list[int]:
        """The labels of a text, in any case. Raises SpeechError for what the alphabet does not have."""
        parts = SPACE.join(text.lower().split()) if self.spelled else text.lower().split()
        try:
            return [1 + self.symbols.index(part) for part in parts]
        except ValueError:
            wrong = next(part for part in parts if part not in self.symbols)
            raise SpeechError(f"{wrong!r} is none of the model's symbols") from None

    def text(self, labels: Sequence[int]) -> str:
        """Labels as a text."""
        return ("" if self.spelled else SPACE).join(self.symbols[k - 1] for k in labels).strip()

    def to_json(self) -> dict[str, Any]:
        return {"symbols": list(self.symbols), "spelled": self.spelled}

    @classmethod
    def from_json(cls, value: Any) -> Alphabet:
        """Raises SpeechError for what is no alphabet."""
        try:
            symbols, spelled = tuple(value["symbols"]), bool(value["spelled"])
        except (KeyError, TypeError):
            raise SpeechError("the model file names no alphabet") from None
        if not symbols or not all(isinstance(s, str) and s for s in symbols) or (spelled and SPACE not in symbols):
            raise SpeechError("the model file's alphabet is damaged")
        return cls(symbols, spelled)


ALPHABETS = {
    "digits": Alphabet(DIGITS, spelled=False),
    "an4": Alphabet(LETTERS, spelled=True),
    "sentences": Alphabet(LETTERS, spelled=True),
}
