"""Settings of the model of couplets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range

SOURCES = ("open", "all")


@dataclass(frozen=True)
class CoupletConfig(Config):
    """Settings of the model of couplets and its training."""

    task: ClassVar[str] = "couplet"

    window: int = 0  # couplets are read whole: this stays 0
    tokens: int = 2048  # characters of a batch, about
    vocab: int = 5600  # largest number of symbols
    sources: str = "open"  # open: couplets under a free licence or in the public domain, all: those of any origin
    poems: float = 0.5  # share of the poems' parallel lines that a pass reads, drawn anew each time
    backward: float = 0.4  # share of pairs that are learned from the second line to the first
    blanks: float = 0.15  # share of pairs of whose given line some or all characters are hidden
    cell: str = "lstm"  # a shipped cell by name, or a file of equations
    hidden: int = 296  # units of each layer and direction
    layers: int = 1  # recurrent layers
    embed: int = 192  # width of the characters' embedding, which is the output layer's matrix too
    input_dropout: float = 0.0  # dropout on what the first layers read
    dropout: float = 0.0  # dropout between layers
    output_dropout: float = 0.1  # dropout on the outputs of encoder and decoder
    weight_dropout: float = 0.0  # dropout on the recurrent matrices
    precision: str = "float16"  # of the weights in the model file: float32, float16 at half the size, int8 at a quarter

    def check(self) -> None:
        super().check()
        if self.window:
            raise ConfigError("couplets are read whole: window stays 0")
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("sources", self.sources, SOURCES)
        for name in ("tokens", "hidden", "layers", "embed"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        check_range("vocab", self.vocab, 32, 1 << 16)
        for name in ("poems", "backward", "blanks"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("input_dropout", "dropout", "output_dropout", "weight_dropout"):
            check_range(name, getattr(self, name), 0, 0.999)


CONFIG = CoupletConfig
