"""Settings of the models of image captions."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range

KINDS = ("sentences", "eye")
READINGS = ("both", "given", "grid", "own")


@dataclass(frozen=True)
class CaptionsConfig(Config):
    """Settings of a model of captions and its training."""

    task: ClassVar[str] = "captions"

    kind: str = "sentences"  # what is trained: what writes sentences, or eye, the small encoder of pictures
    reading: str = "both"  # of a picture: given (pooled features), grid (7 x 7 places), both in turn, own (the eye's)
    eye: str = "captions-eye"  # reading = own: the small encoder, a run, a model file or a bundled model
    window: int = 0  # sentences are read whole: this stays 0
    pictures: int = 20  # of a batch, each with all its sentences
    vocab_least: int = 3  # a character seen less often is unknown
    cell: str = "lstm"  # a shipped cell by name, or a file of equations
    hidden: int = 192  # units; of the eye, of each direction
    layers: int = 1  # recurrent layers
    embed: int = 128  # width of a character's vector
    width: int = 128  # of what is read of a picture, and of each of its places
    feature_dropout: float = 0.2  # dropout on the encoder's features
    input_dropout: float = 0.1  # dropout on what the recurrence reads
    output_dropout: float = 0.3  # dropout on what the characters are chosen from
    smoothing: float = 0.1  # label smoothing
    channels: int = 32  # eye: channels of its first convolution
    lessons: int = 0  # eye: training pictures that it learns from, the first so many; 0: all
    samples: int = 0  # sentences drawn for each picture in training by reward (with --after RUN); 0: by cross-entropy
    precision: str = "int8"  # of the weights in the model file: float32, float16 at half the size, int8 at a quarter

    def check(self) -> None:
        super().check()
        check_choice("kind", self.kind, KINDS)
        check_choice("reading", self.reading, READINGS)
        check_choice("precision", self.precision, PRECISIONS)
        if self.window:
            raise ConfigError("sentences are read whole: window stays 0")
        for name in ("pictures", "vocab_least", "hidden", "layers", "embed", "width", "channels"):
            check_range(name, getattr(self, name), 1, 1 << 14)
        check_range("lessons", self.lessons, 0)
        if self.samples and (self.samples < 2 or self.kind == "eye"):
            raise ConfigError("training by reward draws two samples or more of a model that writes")
        for name in ("feature_dropout", "input_dropout", "output_dropout", "smoothing"):
            check_range(name, getattr(self, name), 0, 0.999)


CONFIG = CaptionsConfig
