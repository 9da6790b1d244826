"""Lists of texts as one compressed text, as they travel in a model file's metadata."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Sequence
from typing import Any

LARGEST = 1 << 23  # bytes of a packed list: more is no vocabulary


def packed(texts: Sequence[str]) -> str:
    """Texts as one compressed text: a model file writes Chinese in six bytes a character."""
    if any("\0" in text for text in texts):
        raise ValueError("a packed text has no NUL")
    return base64.b64encode(zlib.compress("\0".join(texts).encode("utf-8", "surrogatepass"), 9)).decode()


def unpacked(text: Any) -> list[str]:
    """What `packed` was given. Raises ValueError for anything else, and for what would be very large."""
    if not isinstance(text, str):
        raise ValueError("a packed list is a text")
    unzip = zlib.decompressobj()
    try:
        data = unzip.decompress(base64.b64decode(text, validate=True), LARGEST)
        if unzip.unconsumed_tail or not unzip.eof:
            raise ValueError("a packed list is cut off, or too long")
        return data.decode("utf-8", "surrogatepass").split("\0") if data else []
    except zlib.error as error:
        raise ValueError(f"a packed list is damaged: {error}") from None
