"""Rondo: recurrent networks from their equations.

`import rondo` is cheap: it loads the equation language and nothing else. The layer (`rondo.RNN`) and the drop-in
modules (`rondo.nn`) bring torch in when they are first named, and no compiler runs before a first call needs one.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from rondo.cell import (
    Cell,
    EquationError,
    State,
    exp,
    log,
    maximum,
    minimum,
    norm,
    relu,
    sigmoid,
    softplus,
    sqrt,
    tanh,
    where,
)

if TYPE_CHECKING:
    import rondo.nn as nn
    from rondo.rnn import RNN

__version__ = "0.1.0"

__all__ = [
    "RNN",
    "Cell",
    "EquationError",
    "State",
    "exp",
    "log",
    "maximum",
    "minimum",
    "nn",
    "norm",
    "relu",
    "sigmoid",
    "softplus",
    "sqrt",
    "tanh",
    "where",
]


def __getattr__(name: str) -> Any:
    """The public names that need torch, loaded when first used (PEP 562)."""
    if name == "RNN":
        return importlib.import_module("rondo.rnn").RNN
    if name == "nn":
        return importlib.import_module("rondo.nn")
    raise AttributeError(f"module 'rondo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
