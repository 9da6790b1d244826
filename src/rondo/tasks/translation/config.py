"""Settings of a model of translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range

KINDS = ("recurrent", "transformer")


@dataclass(frozen=True)
class TranslationConfig(Config):
    """Settings of a model of translation and its training."""

    task: ClassVar[str] = "translation"

    window: int = 0  # sentences are read whole: this stays 0
    sets: str = "mt-tatoeba-fra-eng,mt-multi30k"  # named data sets with both languages, parted by commas
    source: str = "fr"  # language that is read: the name of a column
    target: str = "en"  # language that is written
    tokens: int = 4096  # pieces of a batch on the longer side, padding included
    longest: int = 64  # pieces of a sentence; pairs with a longer one are not trained on
    pieces: int = 4000  # subwords that both languages share
    drop: float = 0.1  # dropout on merges (Provilkov et al. 2020): how often a merge is left out in the source
    target_drop: float = 0.0  # the same in the target
    slots: float = 0.15  # share of pairs of which some words are replaced by slots on both sides
    kind: str = "recurrent"  # recurrent, or transformer: the control
    cell: str = "lstm"  # a shipped cell by name, or a file of equations
    hidden: int = 320  # units of each layer and direction (transformer: width of its feed-forward layers)
    layers: int = 1  # of encoder and of decoder
    embed: int = 320  # width of the embedding, which is the output layer's matrix too (transformer: of everything)
    heads: int = 4  # of the transformer's attention
    attention: str = "luong"  # luong (with input feeding), bahdanau, or none: a single vector
    smoothing: float = 0.1  # label smoothing
    input_dropout: float = 0.2  # dropout on what the first layers read
    dropout: float = 0.0  # dropout between layers (transformer: everywhere)
    output_dropout: float = 0.2  # dropout on the outputs of encoder and decoder
    precision: str = "int8"  # of the weights in the model file: float32, float16, or int8

    def check(self) -> None:
        super().check()
        if self.window:
            raise ConfigError("sentences are read whole: window stays 0")
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("kind", self.kind, KINDS)
        check_choice("attention", self.attention, ("luong", "bahdanau", "none"))
        if not self.source or not self.target or self.source == self.target:
            raise ConfigError("source and target are two languages, the names of two columns: fr and en")
        for name in ("tokens", "longest", "hidden", "layers", "embed", "heads"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        check_range("pieces", self.pieces, 300, 1 << 16)
        for name in ("drop", "target_drop", "slots"):
            check_range(name, getattr(self, name), 0, 1)
        for name in ("smoothing", "input_dropout", "dropout", "output_dropout"):
            check_range(name, getattr(self, name), 0, 0.999)
        if self.kind == "transformer" and self.embed % self.heads:
            raise ConfigError(f"embed is shared among the heads: a multiple of {self.heads}, found {self.embed}")

    @property
    def names(self) -> list[str]:
        """The named data sets."""
        return [name.strip() for name in self.sets.split(",") if name.strip()]


CONFIG = TranslationConfig
