"""The closing screen counts cells, shapes and gradients, and keeps the worst error."""

from __future__ import annotations

import math
from collections import defaultdict

import pytest

import shown as collected
from shown import pack, screen, shown, unpack


@pytest.fixture(autouse=True)
def _empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collected, "_seen", defaultdict(collected._Seen))


def test_worst_error_and_counts() -> None:
    shown("a = b", "GRU", (3, 1), "dL/dW", 1e-12)
    shown("a = b", "GRU", (3, 2), "dL/dW", 3e-11)
    shown("a = b", "GRU", (3, 2), "output", 1e-6, dtype="float32")
    assert screen()[1].split() == ["a", "=", "b", "1", "2", "1", "3e-11", "1e-06"]
    assert screen()[-1].split() == ["GRU", "1", "2", "1", "3e-11", "1e-06"]


def test_nan_is_infinitely_wrong() -> None:
    shown("a = b", "GRU", (1,), "output", math.nan)
    assert screen()[1].split()[-2] == "inf"


def test_workers_add_up() -> None:
    shown("a = b", "GRU", (1,), "output", 1e-12)
    sent = pack()
    shown("a = b", "GRU", (2,), "output", 1e-10)
    unpack(sent)
    assert screen()[1].split()[3:] == ["1", "2", "0", "1e-10", "-"]


def test_nothing_recorded_prints_nothing() -> None:
    assert screen() == []


def test_unknown_dtype_is_refused() -> None:
    with pytest.raises(ValueError, match="float64, float32"):
        shown("a = b", "GRU", (1,), "output", 0.0, dtype="half")
