"""Shipped configurations: a name such as "ptb-char" stands for the file of that name in this folder."""

from __future__ import annotations

from pathlib import Path

from rondo.expr.graph import nearest
from rondo.train.config import ConfigError

FOLDER = Path(__file__).parent


def names() -> list[str]:
    """Every shipped configuration."""
    return sorted(p.stem for p in FOLDER.glob("*.toml"))


def find(name: Path) -> Path:
    """The file of settings that is meant: a file, or a shipped one by its name."""
    if name.suffix or name.exists():
        return name
    if str(name) not in names():
        raise ConfigError(f"no shipped configuration is called {str(name)!r}{nearest(str(name), names())}")
    return FOLDER / f"{name}.toml"
