"""Characters: the next character of a text, in bits: what a language model is for, measured as the probes are.

    x  T h e   c a t      y  h e   c a t s

A training reads the text as streams side by side, window by window, and carries the state (truncated backpropagation
through time). Symbols are one-hot, as in the lecture. What can be reached without memory is a model of pairs: the
character before is all that it knows. A model of n-grams (n = 5) is the goal: from there on more is remembered than
four characters.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from torch import Tensor

from rondo.data.batch import Batch
from rondo.data.text import Streams, held_out
from rondo.models.ngram import NGram
from rondo.probes.probe import Measure, Probe, Test, nats
from rondo.train.config import TextConfig
from rondo.train.text import Corpus

WINDOW = 64  # characters of a window
HELD, ROWS = 25_000, 32  # characters that are held out at most, and rows in which they are read
BEFORE = 64  # characters that each of these rows reads before those that count
STEPS = 1_000_000  # of a training at most: seed * STEPS + step is a window
APART = 7919  # windows between where two seeds begin


def bits(scores: Tensor, y: Tensor) -> tuple[Tensor, int]:
    """Cross-entropy in bits of scores [B, T, n] and y [B, T]."""
    total, count = nats(scores, y)
    return total / math.log(2), count


def probe(train: Sequence[str], valid: Sequence[str] = (), window: int = WINDOW) -> Probe:
    """Of a text; without a text to validate with, a twentieth of it is held out, and 25,000 characters at most count.
    Raises DataError for a text that is too short."""
    corpus = Corpus.of(train, [text[:HELD] for text in valid], TextConfig())
    text, numbers, symbols = corpus.train, corpus.valid, len(corpus.vocab)
    numbers = dataclasses.replace(numbers, symbols=numbers.symbols[: HELD + 1])

    def draw(seed: int, rows: int) -> Batch:
        """Window number `seed` % STEPS of a training; each seed begins elsewhere in the text."""
        streams = Streams.of(text, rows)
        number, step = divmod(seed, STEPS)
        count = max(1, len(streams) // window)
        k = (step + APART * number) % count
        batch = streams.window(k * window, k * window, min((k + 1) * window, len(streams)))
        return dataclasses.replace(batch, fresh=step == 0 or k == 0)

    def held(seed: int, rows: int) -> Batch:
        return next(held_out(numbers, ROWS, len(numbers) + BEFORE, BEFORE))

    pairs = NGram(text.symbols, symbols, 2).bits(numbers.symbols[1:])
    goal = corpus.baseline.bits(numbers.symbols[1:])
    test = Test(len(numbers), pairs, held, "characters")
    return Probe("characters", symbols, symbols, Measure("bits per character", False, bits, goal), draw, test, (test,))
