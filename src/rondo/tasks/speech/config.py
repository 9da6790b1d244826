"""Settings of the models of speech."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range

KINDS = ("digits", "an4", "sentences")
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
VARIANTS = (  # voices of espeak-ng for each accent, of which training hears the first so many
    "m1", "m2", "m3", "m4", "m5", "f1", "f2", "f3", "f5", "m8", "adam", "Alex", "Alicia", "Andrea", "Andy", "Annie",
    "anika", "aunty", "belinda", "benjamin", "boris", "caleb", "david", "Denis", "Diogo", "ed", "edward", "Gene",
    "grandma", "grandpa", "gustave", "Henrique", "Hugo", "iven", "Jacky", "john", "klatt", "klatt2", "Lee", "linda",
)  # fmt: skip


@dataclass(frozen=True)
class SpeechConfig(Config):
    """Settings of a model of speech and its training."""

    task: ClassVar[str] = "speech"

    kind: str = "digits"  # digits (connected, fsdd), an4 (cepstra), or sentences (made by espeak-ng)
    left_out: str = ""  # digits: a speaker who is not trained on and whom alone the run is validated with
    window: int = 0  # recordings are read whole: this stays 0
    synthetic: float = 0.0  # digits: share of the strings that espeak-ng speaks, in many voices
    rows: int = 32  # recordings of a batch
    grow: int = 300  # digits: steps in which the strings grow from one digit to seven
    sentences: int = 3000  # sentences: how many are spoken for training
    voices: int = 8  # of espeak-ng for each of four accents, the first of 40
    speed: float = 0.1  # a recording is spoken faster or slower by this share, at most
    noise: float = 0.02  # loudest white noise, against the loudest sample; of cepstra, against their deviation
    bands_masked: int = 0  # neighbouring bands that are left out, at most (SpecAugment), twice a recording
    steps_masked: int = 0  # neighbouring frames that are left out, at most, twice a recording
    cell: str = "gru"  # a shipped cell by name, or a file of equations
    hidden: int = 128  # units of each direction
    layers: int = 2  # recurrent layers
    bidirectional: bool = False  # read backward too: better, but not live
    channels: int = 64  # of the convolutions before the recurrence
    width: int = 5  # frames that a convolution reads
    halvings: int = 2  # convolutions, each of which leaves a part of the frames ...
    stride: int = 2  # ... one of so many
    moments: float = 0.2  # digits: weight of the symbol of every step in the loss (it is known when each is said)
    causal: bool = False  # the convolutions read no later frames
    rate: int = 8000  # samples a second that the model hears; cepstra: those of their recordings
    bands: int = 40  # of the mel scale
    input_dropout: float = 0.1  # dropout on what the recurrence reads
    dropout: float = 0.1  # dropout between layers
    output_dropout: float = 0.1  # dropout on what the head reads
    precision: str = "int8"  # of the weights in the model file: float32, float16 at half the size, int8 at a quarter

    def check(self) -> None:
        super().check()
        check_choice("kind", self.kind, KINDS)
        check_choice("left_out", self.left_out, ("", *SPEAKERS))
        check_choice("precision", self.precision, PRECISIONS)
        if self.window:
            raise ConfigError("recordings are read whole: window stays 0")
        if self.left_out and self.kind != "digits":
            raise ConfigError("only the set of digits has speakers to leave out: left_out stays empty")
        for name in ("rows", "sentences", "hidden", "layers", "channels", "width"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        for name in ("grow", "bands_masked", "steps_masked"):
            check_range(name, getattr(self, name), 0, 1 << 16)
        check_range("voices", self.voices, 1, len(VARIANTS))
        check_range("halvings", self.halvings, 1, 4)
        check_range("stride", self.stride, 1, 8)
        check_range("moments", self.moments, 0, 100)
        check_range("rate", self.rate, 4000, 48000)
        check_range("bands", self.bands, 8, 128)
        check_range("speed", self.speed, 0, 0.5)
        for name in ("synthetic", "noise", "input_dropout", "dropout", "output_dropout"):
            check_range(name, getattr(self, name), 0, 0.999)

    @property
    def stem(self) -> list[dict[str, int]]:
        """The convolutions."""
        return [{"channels": self.channels, "width": self.width, "stride": self.stride} for _ in range(self.halvings)]


CONFIG = SpeechConfig
