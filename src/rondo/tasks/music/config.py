"""Settings of the models of music."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range

KINDS = ("folk", "jsb", "chorale")


@dataclass(frozen=True)
class MusicConfig(Config):
    """Settings of a model of music and its training."""

    task: ClassVar[str] = "music"

    kind: str = "folk"  # folk (tunes as symbols), jsb (chorales as sets of keys), or chorale (voice by voice)
    window: int = 0  # pieces are read whole: this stays 0
    rows: int = 32  # pieces of a batch, at most
    tokens: int = 3000  # symbols or steps of a batch, about; 0: as many as there are in its rows
    cell: str = "gru"  # a shipped cell by name, or a file of equations
    hidden: int = 256  # units of each layer (and direction)
    layers: int = 1  # recurrent layers
    embed: int = 96  # folk: width of a symbol's vector; chorale: of a voice's pitch
    condition: int = 64  # folk: width of what is told about the place in the bar, the form, the bars before
    shift: int = 0  # jsb: semitones that a piece is moved by in training, at most; chorale: likewise
    smoothing: float = 0.0  # folk, chorale: label smoothing
    embed_dropout: float = 0.0  # folk: symbols dropped from the embedding
    input_dropout: float = 0.0  # dropout on what the first layer reads
    dropout: float = 0.0  # dropout between layers
    output_dropout: float = 0.3  # dropout on what the head reads
    recurrent_dropout: float = 0.0  # dropout on the carried state, where it enters a product
    weight_dropout: float = 0.0  # dropout on the recurrent matrices
    zoneout: float = 0.0  # how often a state keeps its old value
    locked: bool = True  # a dropout mask is the same at every step
    precision: str = "int8"  # of the weights in the model file: float32, float16 at half the size, int8 at a quarter

    def check(self) -> None:
        super().check()
        check_choice("kind", self.kind, KINDS)
        check_choice("precision", self.precision, PRECISIONS)
        if self.window:
            raise ConfigError("pieces are read whole: window stays 0")
        for name in ("rows", "hidden", "layers", "embed", "condition"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        check_range("tokens", self.tokens, 0, 1 << 20)
        check_range("shift", self.shift, 0, 11)
        dropouts = (
            "embed_dropout",
            "input_dropout",
            "dropout",
            "output_dropout",
            "recurrent_dropout",
            "weight_dropout",
        )
        for name in (*dropouts, "smoothing", "zoneout"):
            check_range(name, getattr(self, name), 0, 0.999)


CONFIG = MusicConfig
