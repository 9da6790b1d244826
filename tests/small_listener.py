"""Listeners with random weights, and sounds that they hear something in."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rondo.data.audio import Floats
from rondo.tasks.speech.alphabet import ALPHABETS
from rondo.tasks.speech.config import SpeechConfig
from rondo.tasks.speech.digits import RATE
from rondo.tasks.speech.features import FrontEnd
from rondo.tasks.speech.listener import Listener
from rondo.tasks.speech.train import build

SMALL: dict[str, Any] = {"hidden": 8, "layers": 1, "channels": 6, "rows": 4, "steps": 2, "valid_every": 2, "warmup": 1}


def listener(kind: str = "digits", **settings: Any) -> Listener:
    """Random weights."""
    torch.manual_seed(3)
    config = SpeechConfig(kind=kind, **{**SMALL, **settings})
    front, alphabet = FrontEnd.of(config), ALPHABETS["digits" if kind == "digits" else "an4"]
    model = build(config, front, alphabet).eval()
    for p in model.tagger.head.parameters():
        torch.nn.init.uniform_(p, -1, 1)
    return Listener(model, {"alphabet": alphabet.to_json(), "front": front.to_json()}, "small")


def beeps(rate: int = RATE, seed: int = 0, count: int = 5) -> Floats:
    """Tones with silence between them."""
    random, parts = np.random.default_rng(seed), []
    for _ in range(count):
        t = np.arange(int(random.uniform(0.1, 0.4) * rate)) / rate
        parts += [
            np.zeros(int(random.uniform(0.05, 0.3) * rate)),
            0.3 * np.sin(2 * np.pi * random.uniform(200, 3000) * t),
        ]
    return np.concatenate(parts).astype(np.float32)
