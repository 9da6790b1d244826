"""Simplified and traditional characters.

Everything in Rondo's verse is written in the simplified forms of its tables and poems. These keep a few characters
that the 1964 scheme merged, because verse tells them apart: 乾 (乾坤) and 干, 馀 (剩馀) and 余 (I), 徵 and 征.
"""

from __future__ import annotations

import functools
from typing import Any

from rondo.verse.tables import rows

HAN = (
    (0x3007, 0x3007),  # 〇
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),  # compatibility forms
    (0x20000, 0x3FFFD),  # planes 2 and 3
)


class ScriptError(ValueError):
    """A conversion that cannot be made here."""


def is_han(char: str) -> bool:
    """Whether `char` is one Chinese character; no punctuation, kana, radical or private-use sign is."""
    return len(char) == 1 and any(first <= ord(char) <= last for first, last in HAN)


@functools.cache
def _standard() -> dict[int, str]:
    return {ord(variant): standard for variant, standard in rows("variants")}


def simplify(text: str) -> str:
    """Traditional and variant characters -> the simplified ones of the tables and models; all else untouched.

    It goes character by character: a traditional character has one simplified form, but not the other way round,
    so text that is simplified already comes back as it was. Applying it twice changes nothing more.
    Table: OpenCC's TSCharacters and 311 variants found in old poems (鴈 -> 雁, 疎 -> 疏).
    """
    return text.translate(_standard())


@functools.cache
def _converter() -> Any:
    try:
        import opencc
    except ModuleNotFoundError as error:
        if error.name != "opencc":
            raise
        raise ScriptError(
            "输出繁体字需要 OpenCC，请安装：pip install opencc / "
            "traditional characters are written by OpenCC, which is not installed: pip install opencc"
        ) from None
    return opencc.OpenCC("s2t")


def traditional(text: str) -> str:
    """Simplified -> traditional characters, by OpenCC's phrases: 皇后 stays, 后来 becomes 後來.

    Give it whole lines, as the phrase decides between 後 and 后, 雲 and 云, 乾 and 幹. Needs the package `opencc`
    (ScriptError else). Not an exact inverse of `simplify`: 98% of valid Tang and Song poems come back as they were.
    """
    converted: str = _converter().convert(text)
    return converted
