"""Settings of the model of named entities."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rondo.tasks.entities.types import MAPPINGS
from rondo.train.config import PRECISIONS, Config, ConfigError, check_choice, check_range

LANGUAGES = ("zh", "en")


@dataclass(frozen=True)
class EntitiesConfig(Config):
    """Settings of a tagger of named entities and its training."""

    task: ClassVar[str] = "entities"

    window: int = 0  # sentences are read whole: this stays 0
    language: str = "zh"  # zh: a symbol is a character, en: a word
    sets: str = "zh-ner-cluener"  # data sets to train on, with blanks between; each has train and valid
    valid: str = ""  # data sets to validate with; none: the same
    types: str = "own"  # own: the types as the sets have them, common: person, location, organisation and nothing else
    begin: str = ""  # a tagger of these columns to begin with, of other types or sets: a run, a file, a bundled model
    made: int = 0  # sentences made from lists of words that are trained on besides: `rondo.tasks.entities.made`
    dictionary: bool = True  # the entities that were trained on go into the model file: the baseline
    columns: str = "character:64 pair:40"  # what is seen of a symbol, each with the width of its embedding
    vocab: int = 12000  # largest number of symbols of a column
    least: int = 2  # a symbol seen less often is unknown
    tokens: int = 1024  # symbols of a batch, about
    unknown: float = 0.1  # share of symbols that are read as unknown in training
    swap: float = 0.0  # share of entities that another of the same type is put in place of
    cell: str = "lstm"  # a shipped cell by name, or a file of equations
    hidden: int = 128  # units of each layer and direction
    layers: int = 1  # recurrent layers
    bidirectional: bool = True  # read from both ends
    head: str = "crf"  # crf: labels depend on their neighbours, softmax: each stands alone
    input_dropout: float = 0.3  # dropout on what the first layer reads
    dropout: float = 0.3  # dropout between layers
    output_dropout: float = 0.4  # dropout on the last layer's output
    weight_dropout: float = 0.0  # dropout on the recurrent matrices
    precision: str = "int8"  # of the weights in the model file: float32, float16, or int8 at a quarter of the size

    def check(self) -> None:
        super().check()
        if self.window:
            raise ConfigError("sentences are read whole: window stays 0")
        check_choice("language", self.language, LANGUAGES)
        check_choice("types", self.types, tuple(MAPPINGS))
        check_choice("head", self.head, ("crf", "softmax"))
        check_choice("precision", self.precision, PRECISIONS)
        for name in ("tokens", "hidden", "layers", "least"):
            check_range(name, getattr(self, name), 1, 1 << 16)
        check_range("vocab", self.vocab, 16, 1 << 16)
        check_range("made", self.made, 0, 1 << 20)
        for name in ("unknown", "swap", "input_dropout", "dropout", "output_dropout", "weight_dropout"):
            check_range(name, getattr(self, name), 0, 0.999)
        if not self.sets.split():
            raise ConfigError("sets names the data sets to train on: at least one")
        self.widths  # noqa: B018  # raises where the columns are not well named

    @property
    def widths(self) -> dict[str, int]:
        """The columns and the widths of their embeddings. Raises ConfigError."""
        from rondo.tasks.entities.features import COLUMNS  # numpy: not for `rondo --help`

        found: dict[str, int] = {}
        for part in self.columns.split():
            name, _, width = part.partition(":")
            check_choice("columns", name, tuple(COLUMNS))
            if not width.isdecimal() or not 0 < int(width) <= 1024 or name in found:
                raise ConfigError(f"columns is written NAME:WIDTH NAME:WIDTH, each once; found {part!r}")
            found[name] = int(width)
        if not found:
            raise ConfigError("columns names what is seen of a symbol: at least one")
        return found


CONFIG = EntitiesConfig
