"""Settings of the generator of poems."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range


@dataclass(frozen=True)
class PoetryConfig(Config):
    """Settings of the generator of poems and its training."""

    task: ClassVar[str] = "poetry"

    window: int = 0  # poems are read whole: this stays 0
    tokens: int = 2048  # characters of a batch, about
    vocab: int = 6000  # largest number of characters, the unknown one and the beginning included
    cell: str = "lstm"  # a shipped cell by name, or a file of equations
    hidden: int = 640  # units of each layer
    layers: int = 1  # recurrent layers
    embed: int = 192  # width of the characters' embedding, which is the output layer's matrix too
    condition: int = 128  # width of what a slot demands
    input_dropout: float = 0.0  # dropout on what the first layer reads
    dropout: float = 0.0  # dropout between layers
    output_dropout: float = 0.1  # dropout on the last layer's output
    weight_dropout: float = 0.0  # dropout on the recurrent matrices
    precision: str = "float16"  # of the weights in the model file: float32, float16 at half the size, int8 at a quarter

    def check(self) -> None:
        super().check()
        if self.window:
            raise ConfigError("poems are read whole: window stays 0")
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("tokens", "hidden", "layers", "embed", "condition"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        for name in ("input_dropout", "dropout", "output_dropout", "weight_dropout"):
            check_range(name, getattr(self, name), 0, 0.999)


CONFIG = PoetryConfig
