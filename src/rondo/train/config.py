"""Config: everything that determines a training, in one frozen value."""

from __future__ import annotations

import dataclasses
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

from rondo.data import DOCUMENTS, LEVELS
from rondo.expr.graph import nearest

OPTIMISERS = ("adam", "adamw", "sgd")
SCHEDULES = ("cosine", "constant")
PRECISIONS = ("float32", "float16", "int8")  # of the weights in a model file: see `rondo.models.store`
LARGEST = 1 << 16  # units of a layer: more is a slip


class ConfigError(ValueError):
    """A setting that does not exist or cannot have this value."""


@dataclass(frozen=True)
class Config:
    """Settings of a training, whatever is trained. A file gives them first, then the command's flags."""

    task: ClassVar[str] = ""  # what a run with these settings trains

    batch: int = 32  # rows of a batch: for streams, that many parts of the text are read side by side
    window: int = 64  # k1: symbols per row and step, the state carried from window to window; 0: whole documents
    reach: int = 0  # k2: symbols that the gradient goes back, at most, within a window or beyond; 0: the window
    vary: float = 0.0  # standard deviation of a window's size, as a share of it; one in twenty is then half as long
    steps: int = 2000  # training ends after so many steps ...
    minutes: float = 0.0  # ... or, where this is not 0, after so many minutes (such a run does not resume exactly)
    optimiser: str = "adamw"  # adam, adamw or sgd
    lr: float = 0.003  # highest learning rate
    lr_last: float = 0.02  # share of it that is left at the end of the cosine
    schedule: str = "cosine"  # cosine or constant
    warmup: int = 50  # steps in which the learning rate rises to its highest value
    momentum: float = 0.9  # share of the gradient's running mean that is kept (beta 1 of adam; 0 for plain sgd)
    beta2: float = 0.999  # the same of its square, for adam
    weight_decay: float = 0.01  # decay of the weights (adamw: apart from the gradient)
    clip: float = 1.0  # largest norm of the whole gradient; 0: no clipping
    clip_value: float = 0.0  # largest size of each number of the gradient, before the norm is taken; 0: no clipping
    accumulate: int = 1  # parts that a batch's rows are run in, one after the other: less memory, the same gradient
    ema: float = 0.0  # decay of the running mean of the weights that is validated and saved; 0: the last weights
    valid_every: int = 500  # steps between validations; 0: only at the end
    save_every: int = 0  # steps between checkpoints; 0: as validations
    log_every: int = 10  # steps between lines of log.jsonl
    seed: int = 1  # initial weights, masks, order of the data
    after: str = ""  # a run or a model of the same network and data, whose weights begin this run; empty: new weights

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            _check_type(field.name, getattr(self, field.name), type(field.default))
        self.check()

    def check(self) -> None:
        """Raise ConfigError where a value is out of range."""
        check_choice("optimiser", self.optimiser, OPTIMISERS)
        check_choice("schedule", self.schedule, SCHEDULES)
        for name in ("batch", "steps", "log_every", "accumulate"):
            check_range(name, getattr(self, name), 1)
        for name in ("window", "reach", "minutes", "lr", "lr_last", "warmup", "weight_decay", "clip", "clip_value"):
            check_range(name, getattr(self, name), 0)
        for name in ("valid_every", "save_every"):
            check_range(name, getattr(self, name), 0)
        check_range("vary", self.vary, 0, 0.5)
        for name in ("momentum", "beta2", "ema"):
            check_range(name, getattr(self, name), 0, 0.999999)
        check_range("accumulate", self.accumulate, 1, self.batch)

    @classmethod
    def of(cls, values: dict[str, Any]) -> Self:
        """A configuration from plain values; an unknown name is an error that gives the nearest one."""
        task, values = values.get("task", cls.task), {k: v for k, v in values.items() if k != "task"}
        if task != cls.task:
            raise ConfigError(f"these are settings of the task {task!r}, not of {cls.task!r}")
        known = {f.name: type(f.default) for f in dataclasses.fields(cls)}
        for name in values:
            if name not in known:
                raise ConfigError(f"there is no setting {name!r}{nearest(name, list(known))}")
        settings: dict[str, Any] = {
            k: float(v) if known[k] is float and type(v) is int else v for k, v in values.items()
        }
        return cls(**settings)

    @classmethod
    def load(cls, path: Path | None = None, **flags: Any) -> Self:
        """The file's settings, overridden by every flag that is not None."""
        values = read_toml(path) if path else {}
        return cls.of(values | {k: v for k, v in flags.items() if v is not None})

    def to_toml(self) -> str:
        """All settings, one a line: what `load` reads back."""
        # JSON's strings and numbers are TOML's too
        values = {"task": self.task} if self.task else {}
        return "".join(f"{k} = {json.dumps(v)}\n" for k, v in {**values, **dataclasses.asdict(self)}.items())


@dataclass(frozen=True)
class TextConfig(Config):
    """Settings of a language model and its training."""

    task: ClassVar[str] = "text"

    level: str = "character"  # what a symbol is: character, word (between white space) or subword (byte pairs)
    documents: str = "none"  # where the state starts anew: at each file, at each line, or nowhere
    vocab: int = 0  # largest number of symbols, the unknown one included; 0: all (subword: 8,000)
    vocab_least: int = 2  # a symbol seen less often is unknown
    valid_share: float = 0.05  # share of the characters held out for validation, where no file is given for it
    cell: str = "lstm"  # a shipped cell by name, or a file of equations
    hidden: int = 256  # units of each layer
    layers: int = 1  # recurrent layers
    embed: int = 64  # width of the learned embedding; 0: one-hot symbols (their small input map learns more slowly)
    tied: bool = False  # the output layer's matrix is the embedding
    smoothing: float = 0.0  # label smoothing
    embed_dropout: float = 0.0  # symbols dropped from the embedding
    input_dropout: float = 0.0  # dropout on what the first layer reads
    dropout: float = 0.0  # dropout between layers
    output_dropout: float = 0.0  # dropout on the last layer's output
    recurrent_dropout: float = 0.0  # dropout on the carried state, where it enters a product
    weight_dropout: float = 0.0  # dropout on the recurrent matrices, one draw a window (with a longer reach: two)
    zoneout: float = 0.0  # how often a state keeps its old value
    locked: bool = True  # a dropout mask is the same at every step of a window (a longer reach has two parts)
    clip_step: float = 0.0  # largest size of each number of dL/dh at every time step; 0: no clipping
    activation: float = 0.0  # penalty on the squares of the last layer's output (AR)
    slowness: float = 0.0  # penalty on the squares of its changes from step to step (TAR)
    precision: str = "float32"  # of the weights in the model file: float32, float16 at half the size, int8 at a quarter

    def check(self) -> None:
        super().check()
        check_choice("level", self.level, LEVELS)
        check_choice("documents", self.documents, DOCUMENTS)
        check_choice("precision", self.precision, PRECISIONS)
        check_range("hidden", self.hidden, 1, LARGEST)
        check_range("embed", self.embed, 0, LARGEST)
        check_range("layers", self.layers, 1, 100)
        check_range("valid_share", self.valid_share, 0.001, 0.5)
        for name in ("vocab", "activation", "slowness", "clip_step"):
            check_range(name, getattr(self, name), 0)
        dropouts = [f.name for f in dataclasses.fields(self) if f.name.endswith("dropout")]
        for name in (*dropouts, "smoothing", "zoneout"):
            check_range(name, getattr(self, name), 0, 0.999)
        if not self.window and self.documents == "none":
            raise ConfigError('window = 0 reads whole documents: say what one is, documents = "line" or "file"')


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


def check_choice(name: str, value: str, known: tuple[str, ...]) -> None:
    """Raise ConfigError where the value is none of the known ones, naming the nearest."""
    if value not in known:
        raise ConfigError(f"{name} cannot be {value!r}{nearest(value, list(known))}")


def check_range(name: str, value: float, low: float, high: float = float("inf")) -> None:
    """Raise ConfigError where the value lies outside; nan and infinity do."""
    if not low <= value <= high or value == float("inf"):
        limit = f"between {low} and {high}" if high < float("inf") else f"at least {low}"
        raise ConfigError(f"{name} must be {limit}, found {value}")
