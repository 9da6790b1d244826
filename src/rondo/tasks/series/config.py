"""Settings of the models of series."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range

KINDS = ("forecast", "classify")
TRANSFORMS = ("none", "log", "sqrt")
BASES = ("last", "seasonal", "drift")
POOLINGS = ("last", "max", "mean", "attention")  # of `rondo.models.pooling`, which imports torch
VIEWS = ("steps", "rows", "pixels", "permuted")


@dataclass(frozen=True)
class SeriesConfig(Config):
    """Settings of a model of series and its training."""

    task: ClassVar[str] = "series"

    kind: str = "forecast"  # forecast: what comes next; classify: what a whole sequence is
    train_file: str = ""  # what is trained on, below the folder of data sets; empty: the file that --data names
    valid_file: str = ""  # what is validated with; empty: the end (forecast) or a part (classify) of the other
    valid_share: float = 0.2  # the share that is held out where there is no valid_file
    window: int = 0  # unused here: a forecast reads `context` steps, a class the whole sequence; stays 0
    rows: int = 32  # sequences, or windows of a series, in a batch
    target: str = ""  # forecast: columns of numbers, with commas between; empty: all but the time
    time: str = ""  # forecast: the column of times; empty: the first one, where it holds no numbers
    season: int = 12  # forecast: steps of a season; 1: none
    context: int = 36  # forecast: steps that are read
    horizon: int = 12  # forecast: steps ahead
    transform: str = "none"  # forecast: none, log, or sqrt, before everything else
    base: str = "seasonal"  # forecast: what is corrected: last value, the value a season ago, or that with its drift
    lags: str = ""  # forecast: how many steps back further values are read, with commas between
    calendar: bool = True  # forecast: the month or weekday is read, where the times tell it
    label: str = "label"  # classify: the column of classes
    id: str = "id"  # classify: the column that tells one sequence from the next
    view: str = "steps"  # classify: steps as they are; of pictures their rows, their pixels, or the pixels permuted
    noise: float = 0.0  # classify: standard deviation of noise on the inputs in training
    pooling: str = "last"  # classify: last, max, mean or attention
    bidirectional: bool = False  # classify: the network also runs from the end
    cell: str = "gru"  # a shipped cell by name, or a file of equations
    hidden: int = 32  # units of each direction
    layers: int = 1  # recurrent layers
    smoothing: float = 0.0  # classify: label smoothing
    input_dropout: float = 0.0  # dropout on what the recurrence reads
    output_dropout: float = 0.0  # dropout on what the head reads
    precision: str = "float32"  # of the weights in the model file: float32, float16 at half the size, int8 at a quarter

    def check(self) -> None:
        super().check()
        for name, known in (
            ("kind", KINDS), ("transform", TRANSFORMS), ("base", BASES), ("view", VIEWS), ("pooling", POOLINGS),
            ("precision", PRECISIONS),
        ):  # fmt: skip
            check_choice(name, getattr(self, name), known)
        if self.window:
            raise ConfigError("a forecast reads `context` steps, a class its whole sequence: window stays 0")
        for name in ("rows", "hidden", "layers", "season", "context", "horizon"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        check_range("valid_share", self.valid_share, 0.01, 0.9)
        check_range("noise", self.noise, 0, 10)
        for name in ("smoothing", "input_dropout", "output_dropout"):
            check_range(name, getattr(self, name), 0, 0.999)
        if self.base != "last" and self.season < 2:
            raise ConfigError('without a season (season = 1) the base of a forecast is the last value: base = "last"')
        self.lag_steps()

    def lag_steps(self) -> list[int]:
        """The lags as numbers. Raises ConfigError."""
        try:
            found = [int(part) for part in self.lags.split(",") if part.strip()]
        except ValueError:
            raise ConfigError(f"lags are whole numbers with commas between, found {self.lags!r}") from None
        if not all(1 <= lag <= 1 << 16 for lag in found):
            raise ConfigError(f"lags go back at least one step, found {self.lags!r}")
        return found

    def names(self, setting: str) -> list[str]:
        """A setting that holds names with commas between."""
        return [part.strip() for part in str(getattr(self, setting)).split(",") if part.strip()]


CONFIG = SeriesConfig
