"""Which language a text is in, from its characters alone."""

from __future__ import annotations

import re

from rondo.verse.script import HAN

SHARE = 0.2  # of Chinese characters among characters and words: from here on a text is Chinese
_HAN = "".join(f"{chr(first)}-{chr(last)}" for first, last in HAN)
_CHARACTER = re.compile(f"[{_HAN}]")
_WORD = re.compile(rf"(?:(?![{_HAN}])[^\W\d_])+(?:['’](?:(?![{_HAN}])[^\W\d_])+)*")


def han_share(text: str) -> float:
    """Chinese characters / (Chinese characters + words of other scripts); 0 where there are neither."""
    han = len(_CHARACTER.findall(text))
    return han / (han + len(_WORD.findall(text))) if han else 0.0


def language_of(text: str, otherwise: str = "zh") -> str:
    """zh or en; `otherwise` where the text has no letter at all (digits, emoji)."""
    if han_share(text) >= SHARE:
        return "zh"
    return "en" if _WORD.search(text) else otherwise
