"""Models that come with Rondo, one safetensors file each, with a card of the same name beside it."""

from __future__ import annotations

from pathlib import Path

from rondo.expr.graph import nearest

FOLDER = Path(__file__).parent


class BundledError(ValueError):
    """A model that does not come with Rondo."""


def names() -> list[str]:
    """Every bundled model."""
    return sorted(p.stem for p in FOLDER.glob("*.safetensors"))


def find(name: str | Path) -> Path:
    """A file or folder as it is, else the bundled model of that name. Raises BundledError naming the nearest."""
    path = Path(name)
    if path.exists() or len(path.parts) > 1 or path.suffix:
        return path
    if path.name not in names():
        raise BundledError(f"{name} is neither a file nor a bundled model{nearest(path.name, names())}")
    return FOLDER / f"{path.name}.safetensors"


def model_file(name: str | Path) -> Path:
    """The model file that is meant: of a run folder its own, else as `find`."""
    path = find(name)
    return path / "model.safetensors" if path.is_dir() else path


def card(name: str) -> str:
    """What is to be known about a bundled model, as Markdown."""
    return find(name).with_suffix(".md").read_text(encoding="utf-8")
