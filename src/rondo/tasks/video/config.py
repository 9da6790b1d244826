"""Settings of the models of video activity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range

KINDS = ("joints", "pixels")


@dataclass(frozen=True)
class VideoConfig(Config):
    """Settings of a model of activities and its training."""

    task: ClassVar[str] = "video"

    kind: str = "joints"  # what is read of a frame: joints of the body, or pixels
    window: int = 0  # clips are read whole or in parts of `frames`: this stays 0
    rows: int = 32  # clips, or parts of clips, in a batch
    leave: str = ""  # the person or source that is held out of train and valid together; empty: as the files are split
    beside: float = 3.0  # joints: weight of least squares on means and changes, added to the network's scores
    frames: int = 12  # pixels: frames of a part
    every: int = 2  # pixels: of so many frames one is read
    none: float = 0.25  # pixels: share of the parts that are made to show none of the actions
    drawn: float = 0.15  # pixels: share of the parts that are figures moved by formulas, of these actions and others
    change: float = 1.0  # how much training turns, stretches, speeds up and shakes; 0: only the mirror
    crop: float = 0.6  # joints: the shortest part of a clip that training reads, as a share
    cell: str = "gru"  # a shipped cell by name, or a file of equations
    hidden: int = 96  # units of each direction
    layers: int = 1  # recurrent layers
    channels: int = 96  # joints: outputs of the convolution over time
    width: int = 5  # joints: frames that it reads; 0: no convolution
    maps: int = 16  # pixels: maps of the first convolution; each of the four has more
    embed: int = 96  # pixels: numbers that a frame becomes
    smoothing: float = 0.1  # label smoothing
    input_dropout: float = 0.3  # dropout on what the recurrence reads
    dropout: float = 0.0  # dropout between layers
    output_dropout: float = 0.4  # dropout on what the head reads
    precision: str = "float16"  # of the weights in the model file: float32, float16 at half the size, int8 at a quarter

    def check(self) -> None:
        super().check()
        check_choice("kind", self.kind, KINDS)
        check_choice("precision", self.precision, PRECISIONS)
        if self.window:
            raise ConfigError("clips are read whole, or in parts of `frames`: window stays 0")
        for name in ("rows", "every", "hidden", "layers", "channels", "maps", "embed"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        check_range("frames", self.frames, 2, 1 << 10)
        check_range("width", self.width, 0, 99)
        check_range("beside", self.beside, 0, 100)
        check_range("change", self.change, 0, 4)
        check_range("crop", self.crop, 0.1, 1)
        for name in ("none", "drawn"):
            check_range(name, getattr(self, name), 0, 0.9)
        for name in ("smoothing", "input_dropout", "dropout", "output_dropout"):
            check_range(name, getattr(self, name), 0, 0.999)


CONFIG = VideoConfig
