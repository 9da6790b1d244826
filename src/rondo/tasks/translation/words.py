"""Words of a sentence, for people: what is tinted, chosen and aligned. Offsets count code points.

A link, an e-mail address, a number and a row of marks are one word each. An apostrophe and a hyphen between letters
stand inside a word (Tom's, well-known); in French what is elided is a word of its own (l' | ami), and so is a pronoun
behind a verb (Voulez | -vous). A Chinese character is a word: nothing is cut into words there.
"""

from __future__ import annotations

import re
from typing import NamedTuple

HAN = "\u3007\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003fffd"
LINK = r"(?:https?://|www\.)[^\s<>\"«»，。！？]*[^\s<>\"«»，。！？.,;:!?)\]}'’…]"
MAIL = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
TAG = r"[@#][^\W\d_]\w*"
CODE = r"`[^`\n]+`"
NUMBER = r"\d+(?:[.,:/]\d+)*(?![.,:/]?\w)(?:\s?%)?"
LETTER = rf"[^\W\d_{HAN}]"
_PRONOUN = (
    r"-(?:t-)?(?:je|tu|il|elle|on|nous|vous|ils|elles|le|la|les|lui|leur|moi|toi|y|en|ce)(?![\w\u0300-\u036f]|-\w)"
)
_PLAIN = rf"[^\W{HAN}]+(?:[-'’][^\W{HAN}]+)*"
_FRENCH = (
    rf"(?:(?:(?i:jusqu|lorsqu|puisqu|quoiqu|quelqu|presqu|entr|qu)|[cdjlmnstCDJLMNST])['’])(?=\w)|(?i:{_PRONOUN})|"
    rf"[^\W{HAN}]+(?:(?!(?i:{_PRONOUN}))[-'’][^\W{HAN}]+)*"
)
_EMOJI = "[\U0001f000-\U0001faff\u2600-\u27bf\u2b50\u2b55\u231a\u231b\u23e9-\u23f3]"
EMOJI = rf"(?:{_EMOJI}[\ufe0f\U0001f3fb-\U0001f3ff]?(?:\u200d{_EMOJI}[\ufe0f\U0001f3fb-\U0001f3ff]?)*)+"
_HEAD = [CODE, LINK, MAIL, TAG, NUMBER, EMOJI]
_TAIL = [rf"[{HAN}]", rf"(?:(?!{_EMOJI})[^\w\s])+", r"\S"]


class Span(NamedTuple):
    """Characters start ... end - 1 of a text."""

    start: int
    end: int


def _pattern(word: str) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{part})" for part in [*_HEAD, word, *_TAIL]))


_PATTERNS = {"fr": _pattern(_FRENCH)}
_OTHER = _pattern(_PLAIN)


def words(text: str, language: str) -> list[Span]:
    """The words of a sentence in order; between them is white space alone, or nothing."""
    return [Span(*found.span()) for found in _PATTERNS.get(language, _OTHER).finditer(text)]
