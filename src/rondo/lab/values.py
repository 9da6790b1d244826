"""Numbers, texts, arrays, lists and dictionaries as JSON: what passes between a check and a student's process.

An array is {"array": nested list of numbers}; a number that JSON does not have is a word (NaN, Infinity, -Infinity).
Nothing that is read becomes anything else.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

WORDS = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
ARRAY, NUMBER = "array", "number"


class ValuesError(ValueError):
    """A value that cannot pass; the message names its type."""


def plain(value: Any) -> Any:
    """A value as JSON holds it. Tensors (anything with `detach` and `numpy`) pass as arrays. Raises ValuesError."""
    if value is None or isinstance(value, bool | str):
        return value
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {NUMBER: _word(value)}
    if isinstance(value, np.ndarray):
        if value.dtype.kind not in "biuf":
            raise ValuesError(f"数组的元素必须是数 / an array must hold numbers, found dtype {value.dtype}")
        return {ARRAY: _nested(value.tolist()), "shape": list(value.shape)}
    if isinstance(value, list | tuple):
        return [plain(v) for v in value]
    if isinstance(value, dict):
        return {str(name): plain(v) for name, v in value.items()}
    raise ValuesError(
        f"返回了 {type(value).__name__}：只能是数、文字、数组、列表、字典 / found {type(value).__name__}: only numbers"
        ", text, arrays, lists and dictionaries can be handed on"
    )


def read(value: Any) -> Any:
    """The value again; numbers of arrays are float64. Raises ValuesError for what `plain` does not write."""
    if isinstance(value, list):
        return [read(v) for v in value]
    if not isinstance(value, dict):
        return value
    try:
        if value.keys() == {NUMBER}:
            return WORDS[value[NUMBER]]
        if value.keys() == {ARRAY, "shape"}:
            return np.array(_numbers(value[ARRAY]), dtype=np.float64).reshape([int(n) for n in value["shape"]])
    except (KeyError, TypeError, ValueError) as error:
        raise ValuesError(f"读不懂的数组 / an array that cannot be read: {error}") from None
    return {str(name): read(v) for name, v in value.items()}


def _word(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _nested(value: Any) -> Any:
    if isinstance(value, list):
        return [_nested(v) for v in value]
    return _word(value) if isinstance(value, float) and not math.isfinite(value) else value


def _numbers(value: Any) -> Any:
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return WORDS[value] if isinstance(value, str) else float(value)
