"""The describer: a picture in, different sentences out, each character with the places where the model looked."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from rondo.data.image import Pixels
from rondo.data.vocab import Characters
from rondo.models.store import load_task_model
from rondo.tasks.captions import encoder
from rondo.tasks.captions.data import SIDE
from rondo.tasks.captions.eye import load_eye
from rondo.tasks.captions.model import Captioner
from rondo.tasks.captions.request import CaptionsRequest, CaptionsResponse, Character, Sentence
from rondo.tasks.captions.write import log_probabilities, write

Read = Callable[[Sequence[Pixels]], Tensor]  # pictures to features [P, 49, C]
UNSURE = 0.3  # geometric mean of the probabilities below which a sentence is said to be a guess


@dataclass(frozen=True)
class Pair:
    """A reader of pictures, and what writes from its features."""

    read: Read
    model: Captioner
    vocab: Characters
    pooled: bool  # sentences come from the mean over places, which training knew sharp; the places show where


class Describer:
    """Describes pictures with the package's own encoder, or with the fetched one."""

    def __init__(self, own: Pair, fetched: Callable[[], Pair], available: Callable[[], bool]) -> None:
        self._own, self._fetched, self._available = own, fetched, available
        self._pair: Pair | None = None

    @classmethod
    def load(
        cls, model: Path | str = "captions", own: Path | str = "captions", eye: Path | str = "captions-eye"
    ) -> Describer:
        """From run folders, model files, or the names of bundled models. Raises FileError."""
        small = _written(own, load_eye(eye).read, pooled=False)
        return cls(small, lambda: _written(model, encoder.Encoder.load(), pooled=True), encoder.available)

    def __call__(self, pixels: Pixels, request: CaptionsRequest) -> CaptionsResponse:
        """Describe a picture. Raises CaptionError where the fetched encoder is asked for and is not there."""
        name: Literal["own", "fetched"] = "own"
        if request.encoder == "fetched" or (request.encoder == "auto" and self._available()):
            name = "fetched"
            self._pair = self._pair or self._fetched()
        pair = self._pair if name == "fetched" and self._pair else self._own
        sentences = describe(pair, pair.read([pixels]), request)
        return CaptionsResponse(
            sentences=sentences,
            side=SIDE,
            encoder=name,
            width=pixels.shape[1],
            height=pixels.shape[0],
            notes=notes(sentences, name),
        )


def _written(model: Path | str, read: Read, pooled: bool) -> Pair:
    captioner, vocab, _ = load_task_model(model, "captions", Captioner, "model of captions")
    return Pair(read, captioner, vocab, pooled)


def describe(pair: Pair, features: Tensor, request: CaptionsRequest) -> list[Sentence]:
    """Sentences about the picture with these features [1, K, C], the best first, none twice."""
    told = features.mean(1, keepdim=True) if pair.pooled else features
    with torch.no_grad():
        (found,) = write(pair.model, told, request.count, width=request.beam)
        return [_sentence(pair, told, features, s) for s in found]


def _sentence(pair: Pair, told: Tensor, features: Tensor, symbols: Sequence[int]) -> Sentence:
    (logs,) = log_probabilities(pair.model, told, [symbols])
    weights = pair.model.align(torch.tensor([list(symbols)]), features)[0] if symbols else torch.zeros(0, 1)
    characters = [
        Character(text=c, p=math.exp(log), weights=[round(w, 4) for w in row])
        for c, log, row in zip(pair.vocab.decode(symbols), logs, weights.tolist(), strict=False)
    ]
    total = math.fsum(logs)
    return Sentence(
        text=pair.vocab.decode(symbols), characters=characters, log_probability=total, p=math.exp(total / len(logs))
    )


def notes(sentences: Sequence[Sentence], name: str) -> list[str]:
    """What is to be known of the answer."""
    said = []
    if name == "own":
        said.append(
            "用的是自带的小编码器，学过的图很少，多半认错；取来大编码器会好一些：rondo captions fetch / read by the "
            "package's own small encoder, which has learned from few pictures and is mostly wrong; the large one does "
            "better: rondo captions fetch"
        )
    if sentences and max(s.p for s in sentences) < UNSURE:
        said.append("没有把握，只是猜测 / not sure: these are guesses")
    return said
