"""What a model of speech can say: words; or letters or sounds, a space between words. Symbol 0 is the blank of CTC."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rondo.data.packed import packed, unpacked

SPACE = " "
DIGITS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
LETTERS = (SPACE, "'", *"abcdefghijklmnopqrstuvwxyz")


class SpeechError(ValueError):
    """A recording, text or file that does not do for speech recognition; the message says what to do."""


@dataclass(frozen=True)
class Alphabet:
    """The symbols from 1 on: words (`spelled` False), or what words are spelled in, and the space.

    sounds  where words are spelled in sounds (phonemes): those of each word; in a model file a packed list of lines
    """

    symbols: tuple[str, ...]
    spelled: bool
    sounds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Symbols with the blank."""
        return 1 + len(self.symbols)

    @property
    def space(self) -> int:
        """The label between two words that are spelled; -1 where every label is a word."""
        return 1 + self.symbols.index(SPACE) if self.spelled else -1

    def labels(self, text: str) -> list[int]:
        """The labels of a text, in any case. Raises SpeechError for what the alphabet does not have."""
        parts = self._parts(text.lower().split())
        number = {symbol: k for k, symbol in enumerate(self.symbols, 1)}
        wrong = next((part for part in parts if part not in number), None)
        if wrong is not None:
            raise SpeechError(f"{wrong!r} is none of the model's symbols")
        return [number[part] for part in parts]

    def _parts(self, words: list[str]) -> Iterable[str]:
        if not self.spelled:
            return words
        spelled = [self._sounds(w) if self.sounds else tuple(w) for w in words]
        return [part for k, own in enumerate(spelled) for part in ((SPACE, *own) if k else own)]

    def _sounds(self, word: str) -> tuple[str, ...]:
        if word not in self.sounds:
            raise SpeechError(f"{word!r} is none of the words whose sounds the model knows")
        return self.sounds[word]

    def text(self, labels: Sequence[int]) -> str:
        """Labels as a text; sounds as they are written between slashes."""
        return ("" if self.spelled else SPACE).join(self.symbols[k - 1] for k in labels).strip()

    def to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"symbols": list(self.symbols), "spelled": self.spelled}
        said = [SPACE.join((w, *s)) for w, s in self.sounds.items()]
        return found | ({"sounds": packed(said)} if said else {})

    @classmethod
    def of_sounds(cls, sounds: Mapping[str, tuple[str, ...]]) -> Alphabet:
        """The alphabet in which these words are spelled."""
        return cls((SPACE, *sorted({s for own in sounds.values() for s in own})), True, sounds)

    @classmethod
    def from_json(cls, value: Any) -> Alphabet:
        """Raises SpeechError for what is no alphabet."""
        try:
            symbols, spelled = tuple(value["symbols"]), bool(value["spelled"])
            said = [line.split(SPACE) for line in unpacked(value["sounds"])] if "sounds" in value else []
        except (KeyError, TypeError, ValueError):
            raise SpeechError("the model file names no alphabet, or a damaged one") from None
        sounds = {w: tuple(own) for w, *own in said}
        if not symbols or not all(isinstance(s, str) and s for s in symbols) or (spelled and SPACE not in symbols):
            raise SpeechError("the model file's alphabet is damaged")
        if not {s for own in sounds.values() for s in own} <= set(symbols) or not all(sounds.values()):
            raise SpeechError("the model file's alphabet is damaged: words have sounds that are none of its symbols")
        return cls(symbols, spelled, sounds)


ALPHABETS = {
    "digits": Alphabet(DIGITS, spelled=False),
    "an4": Alphabet(LETTERS, spelled=True),
}
