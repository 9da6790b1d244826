"""Settings of the models of sentiment."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.tasks.sentiment.text import LANGUAGES, SOURCES
from rondo.train.config import Config, ConfigError, check_choice, check_range

STRENGTHS = ("valence", "stars")


@dataclass(frozen=True)
class SentimentConfig(Config):
    """Settings of a model of sentiment and its training."""

    task: ClassVar[str] = "sentiment"

    language: str = "zh"  # zh or en
    sources: str = "all"  # data sets to train on, with commas between (smp2020,zhang); all: those of the language
    repeat: str = ""  # data sets that a pass reads several times, as emobank=3,dimabsa2024=2
    own: int = 3000  # sentences about targets composed from the authors' own parts; 0: none, nor their graded words
    neutral: float = 0.3  # share of neutral ones among the composed sentences that are about no target
    window: int = 0  # texts are read whole: this stays 0
    tokens: int = 3000  # pieces of a batch, about
    longest: int = 300  # pieces of a text that are read in training
    units: int = 5000  # largest number of characters (English: words)
    pairs: int = 60000  # largest number of pairs of them
    pairs_known: int = 16000  # so many of these, the commonest, have vectors; the others count in the sum beside alone
    affixes: int = 4000  # largest number of beginnings of words, and of ends (English)
    told: float = 0.5  # how often training names the data set that a text is from
    own_told: float = 0.75  # the same of sentences of the authors, whose classes come in other shares
    blanks: float = 0.1  # share of the pieces that training hides
    cell: str = "gru"  # a shipped cell by name, or a file of equations
    hidden: int = 128  # units of each direction
    layers: int = 1  # recurrent layers
    embed_unit: int = 96  # width of the vectors of characters or words
    embed_pair: int = 48  # width of the vectors of pairs; 0: pairs only count in the sum beside the network
    embed_affix: int = 24  # width of the vectors of beginnings and ends of words
    start: float = 0.5  # how loud counted sentiment of symbols is: naive Bayes' logarithms times this; 0: not counted
    pull: float = 0.1  # how strongly the regression of what symbols speak for is held to naive Bayes; 0: no regression
    frozen: bool = True  # what symbols alone speak for stays as it was fitted before training
    beside_dropout: float = 0.5  # how often training leaves out what symbols alone speak for
    vectors: float = 0.5  # standard deviation of the vectors counted from each symbol's company; 0: drawn, not counted
    held: int = 25  # of so many training texts one is kept for the temperatures
    ridge: float = 0.0  # weight of ridge regression's valence beside the network's, of whole texts
    strength: str = "valence"  # how strength is said: valence (a normal distribution on 1-9) or stars (five classes)
    input_dropout: float = 0.3  # dropout on what the network reads
    output_dropout: float = 0.3  # dropout on what the heads read
    smoothing: float = 0.0  # label smoothing of polarity and stars
    weight_valence: float = 0.5  # weight of the loss of valence
    weight_stars: float = 0.5  # weight of the loss of stars
    weight_tags: float = 0.5  # weight of the loss of found targets
    precision: str = "int8"  # of the weights in the model file: float32, float16, int8

    def check(self) -> None:
        super().check()
        if self.window:
            raise ConfigError("texts are read whole: window stays 0")
        check_choice("language", self.language, LANGUAGES)
        check_choice("strength", self.strength, STRENGTHS)
        check_choice("precision", self.precision, ("float32", "float16", "int8"))
        for name in ("tokens", "longest", "hidden", "layers", "embed_unit"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        for name in ("own", "units", "pairs", "pairs_known", "affixes"):
            check_range(name, getattr(self, name), 0, 1 << 20)
        for name in ("embed_pair", "embed_affix"):
            check_range(name, getattr(self, name), 0, 1 << 16)
        for name in ("told", "own_told", "blanks", "smoothing", "input_dropout", "output_dropout", "beside_dropout"):
            check_range(name, getattr(self, name), 0, 0.999)
        for name in ("ridge", "neutral"):
            check_range(name, getattr(self, name), 0, 1)
        self.repeats()
        check_range("held", self.held, 2, 1 << 16)
        for name in ("start", "pull", "vectors", "weight_valence", "weight_stars", "weight_tags"):
            check_range(name, getattr(self, name), 0, 100)

    def repeats(self) -> dict[str, int]:
        """How often a pass reads each data set that `repeat` names. Raises ConfigError."""
        parts = [part.partition("=") for part in self.repeat.split(",") if part.strip()]
        found = {}
        for name, _, times in parts:
            check_choice("repeat", name.strip(), SOURCES[1:])
            if not times.strip().isdigit() or not 1 <= int(times) <= 100:
                raise ConfigError(f"repeat is as emobank=3,dimabsa2024=2, found {self.repeat!r}")
            found[name.strip()] = int(times)
        return found


CONFIG = SentimentConfig
