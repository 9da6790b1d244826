"""The last stop: a character model of Rondo's own source, trained for a few seconds by the clock."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch

import rondo
from rondo.data.text import Numbered, Streams, Windows
from rondo.data.vocab import Characters
from rondo.models.generator import Generator
from rondo.tour.stops import CELL
from rondo.train.config import Config
from rondo.train.fit import Record, fit
from rondo.train.language import LanguageModel

HIDDEN, EMBED, ROWS, WINDOW = 128, 32, 16, 48
SECONDS, LINES = 7.0, 10
LEAST = 20  # a character seen less often is unknown
PRIME, SAMPLED = "def ", 120


@dataclass
class Learning:
    """A training as it goes: the records of all steps, those that are told, and what the model writes at the end."""

    characters: int
    symbols: int
    parameters: int
    records: list[Record] = field(default_factory=list)
    told: list[tuple[int, float, Record]] = field(
        default_factory=list
    )  # step, mean loss since the last one told, record
    sample: str = ""

    @property
    def guess(self) -> float:
        """Nats per character of a guess among all symbols."""
        return math.log(self.symbols)


def source() -> str:
    """Rondo's own modules, one after the other."""
    files = sorted(Path(rondo.__file__).parent.rglob("*.py"))
    return "\n".join(path.read_text(encoding="utf-8") for path in files)


def learn(text: str, seconds: float = SECONDS, lines: int = LINES, steps: int = 0) -> Iterator[Learning]:
    """Train on the text: yields the growing result once before the first step, `lines` times on the way, at equal
    shares of the time (of the steps, where their number is given), and at last with a sample."""
    vocab = Characters.build([text], least=LEAST)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        model = Generator(CELL, len(vocab), hidden=HIDDEN, embed=EMBED)
    streams = Streams.of(Numbered.of([text], vocab, "none"), ROWS)
    end = {"steps": steps} if steps else {"minutes": seconds / 60}
    config = Config.of({"batch": ROWS, "window": WINDOW, "lr": 0.01, "warmup": 10, **end})
    found = Learning(len(text), len(vocab), sum(p.numel() for p in model.parameters()))
    yield found
    first = 0
    for record in fit(model, Windows(WINDOW).endless(streams), config):
        found.records.append(record)
        if record.done >= (len(found.told) + 1) / lines:
            losses = [r.loss for r in found.records[first:]]
            found.told.append((record.step, sum(losses) / len(losses), record))
            first = len(found.records)
            yield found
    written = LanguageModel(model, vocab, {}).sample(PRIME, SAMPLED, temperature=0.5, seed=1)
    found.sample = "\n".join(line.rstrip() for line in (PRIME + "".join(written)).split("\n") if line.strip())
    yield found
