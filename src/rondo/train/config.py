"""Config: everything that determines a training run, in one frozen value."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rondo.expr.graph import nearest

OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULES = ("cosine", "constant")
LARGEST = 1 << 16  # units of a layer: more is a slip, or a hostile model file


class ConfigError(ValueError):
    """A setting that does not exist or cannot have this value."""


@dataclass(frozen=True)
class Config:
    """Settings of a character model and its training. A file gives them first, then the command's flags."""

    cell: str = "lstm"  # a shipped cell by name
    hidden: int = 256  # units of each layer
    layers: int = 1  # recurrent layers
    embed: int = 64  # width of the learned embedding; 0: one-hot symbols (their small input map learns more slowly)
    batch: int = 32  # rows: that many streams of the text are read side by side
    window: int = 64  # k1: symbols per row and step; the state is carried from window to window
    reach: int = 0  # k2: how far the gradient goes back, at most window; 0: as far as the window
    steps: int = 2000  # training ends after so many steps ...
    minutes: float = 0.0  # ... or, where this is not 0, after so many minutes, whatever `steps` says
    optimiser: str = "adamw"  # adam, adamw or sgd
    lr: float = 0.003  # highest learning rate
    lr_last: float = 0.02  # share of it that is left at the end of the cosine
    schedule: str = "cosine"  # cosine or constant
    warmup: int = 50  # steps in which the learning rate rises to its highest value
    weight_decay: float = 0.01  # decay of the weights (adamw: apart from the gradient)
    clip: float = 1.0  # largest norm of the whole gradient; 0: no clipping
    valid_share: float = 0.05  # share of the characters held out for validation
    valid_every: int = 500  # steps between validations (and checkpoints); 0: only at the end
    log_every: int = 10  # steps between lines of log.jsonl
    vocab: int = 0  # largest number of symbols, the unknown one included; 0: every character of the training text
    vocab_least: int = 2  # a character seen less often is unknown
    seed: int = 1  # initial weights and the choice of validation files

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name), type(field.default))
        _check_choice("optimiser", self.optimiser, OPTIMISERS)
        _check_choice("schedule", self.schedule, SCHEDULES)
        for name in ("batch", "window", "steps", "log_every"):
            _check_range(name, getattr(self, name), 1)
        _check_range("hidden", self.hidden, 1, LARGEST)
        _check_range("embed", self.embed, 0, LARGEST)
        _check_range("layers", self.layers, 1, 100)
        for name in ("minutes", "lr", "lr_last", "warmup", "weight_decay", "clip", "valid_every", "vocab"):
            _check_range(name, getattr(self, name), 0)
        _check_range("reach", self.reach, 0, self.window)
        _check_range("valid_share", self.valid_share, 0.001, 0.5)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Config:
        """A configuration from plain values; an unknown name is an error that gives the nearest one."""
        known = {f.name: type(f.default) for f in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(f"there is no setting {name!r}{nearest(name, list(known))}")
        settings: dict[str, Any] = {
            k: float(v) if known[k] is float and type(v) is int else v for k, v in values.items()
        }
        return cls(**settings)

    @classmethod
    def load(cls, path: Path | None = None, **flags: Any) -> Config:
        """The file's settings, overridden by every flag that is not None."""
        values = read_toml(path) if path else {}
        return cls.of(values | {k: v for k, v in flags.items() if v is not None})

    def to_toml(self) -> str:
        """All settings, one a line: what `load` reads back."""
        # JSON's strings and numbers are TOML's too
        return "".join(f"{k} = {json.dumps(v)}\n" for k, v in dataclasses.asdict(self).items())


def read_toml(path: Path) -> dict[str, Any]:
    """The settings in a TOML file; what cannot be read is an error with the place."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(f"{path} cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not TOML: {error}") from None


def _check_type(name: str, value: object, wanted: type) -> None:
    if type(value) is not wanted:
        raise ConfigError(f"{name} must be of type {wanted.__name__}, found {value!r}")


def _check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise ConfigError(f"{name} cannot be {value!r}{nearest(value, list(known))}")


def _check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    if not low <= value <= high or value == float("inf"):  # also refuses nan
        limit = f"between {low} and {high}" if high < float("inf") else f"at least {low}"
        raise ConfigError(f"{name} must be {limit}, found {value}")
