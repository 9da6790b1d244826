"""Settings of the models of biological sequences."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range

KINDS = ("splice", "promoters", "protein")
NETWORKS = ("recurrent", "cnn")
TASKS = ("arabidopsis_non_tata", "arabidopsis_tata", "mouse_tata", "ecoli_sigma70", "bacillus")  # of promoters


@dataclass(frozen=True)
class DnaConfig(Config):
    """Settings of a model of biological sequences and its training."""

    task: ClassVar[str] = "dna"

    kind: str = "splice"  # splice (exons and introns), promoters, or protein (secondary structure)
    window: int = 0  # sequences are read whole: this stays 0
    rows: int = 64  # sequences of a batch
    tokens: int = 0  # letters of a batch, about; 0: as many as there are in its rows
    crop: int = 20  # splice: letters that are cut off at each end, at most
    course: float = 0.1  # splice: weight of the labels around a window's middle
    shift: int = 0  # promoters: letters that a sequence is shifted by, at most
    only: str = ""  # promoters: a task that is trained alone; empty: all, in one network
    network: str = "recurrent"  # recurrent, or cnn: the control, of promoters of one task
    cell: str = "gru"  # a shipped cell by name, or a file of equations
    hidden: int = 48  # units of each direction
    layers: int = 1  # recurrent layers
    channels: int = 64  # patterns that the convolution looks for
    width: int = 11  # letters of a pattern
    pool: int = 1  # promoters: neighbouring places of which the best match counts
    stem_layers: int = 1  # layers of convolution
    input_dropout: float = 0.3  # dropout on what the recurrence reads
    output_dropout: float = 0.3  # dropout on what the head reads
    precision: str = "int8"  # of the weights in the model file: float32, float16 at half the size, int8 at a quarter

    def check(self) -> None:
        super().check()
        check_choice("kind", self.kind, KINDS)
        check_choice("precision", self.precision, PRECISIONS)
        check_choice("network", self.network, NETWORKS)
        check_choice("only", self.only, ("", *TASKS))
        if (self.only or self.network == "cnn") and self.kind != "promoters":
            raise ConfigError("only promoters have several tasks and a control: only stays empty, network recurrent")
        if self.network == "cnn" and not self.only:
            raise ConfigError("the control is trained for one task: name it with only")
        if self.window:
            raise ConfigError("sequences are read whole: window stays 0")
        if self.kind != "promoters" and self.pool != 1:
            raise ConfigError("every letter is labelled: pool stays 1 but for promoters")
        for name in ("rows", "hidden", "layers", "channels", "width", "pool", "stem_layers"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        for name in ("tokens", "crop", "shift"):
            check_range(name, getattr(self, name), 0, 1 << 20)
        check_range("crop", self.crop, 0, 29)
        check_range("course", self.course, 0, 100)
        for name in ("input_dropout", "output_dropout"):
            check_range(name, getattr(self, name), 0, 0.999)

    @property
    def stem(self) -> list[dict[str, int]]:
        """The layers of convolution; the last one pools."""
        layers = [{"channels": self.channels, "width": self.width} for _ in range(self.stem_layers)]
        return [*layers[:-1], layers[-1] | {"pool": self.pool}] if self.pool > 1 else layers


CONFIG = DnaConfig
