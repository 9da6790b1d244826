"""Where a model's recordings come from: for each kind the files, what training hears, and what is held out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from rondo.data.audio import of_16_bits
from rondo.data.registry import DataSetError
from rondo.models.ctc import BLANK
from rondo.tasks.speech import an4, sentences
from rondo.tasks.speech.alphabet import ALPHABETS, Alphabet
from rondo.tasks.speech.config import SPEAKERS, SpeechConfig
from rondo.tasks.speech.data import Drawn, Example, Utterance, drawn_speed, heard, masked, near, resped_frames
from rondo.tasks.speech.digits import LENGTHS, RATE, Takes, isolated, joined, placed, recipes
from rondo.tasks.speech.features import FrontEnd, slopes
from rondo.tasks.speech.templates import Templates

FILES = {
    "digits": {"train": ["fsdd/train.tar"], "valid": ["fsdd/connected_valid.jsonl.gz", "fsdd/valid.tar"]},
    "an4": {
        "train": ["an4-mfcc/train.jsonl.gz", "an4-mfcc/train.mfcc.npy"],
        "valid": ["an4-mfcc/valid.jsonl.gz", "an4-mfcc/valid.mfcc.npy"],
        "words": ["an4-mfcc/an4.dic"],
    },
    "sentences": {
        "train": ["mt-tatoeba-fra-eng/train.tsv.gz"],
        "valid": ["mt-tatoeba-fra-eng/valid.tsv.gz"],
    },
}


@dataclass(frozen=True)
class Source:
    """What a run is trained on and validated with; `extra` goes into the model file's metadata."""

    alphabet: Alphabet
    front: FrontEnd
    drawn: Drawn
    valid: list[Utterance]
    count: int
    extra: dict[str, Any] = field(default_factory=dict)


def files(config: SpeechConfig, data: Path) -> dict[str, list[Path]]:
    """The files of a run below the folder of data sets. Raises DataSetError where one is missing."""
    found = {part: [data / name for name in names] for part, names in FILES[config.kind].items()}
    for path in (p for paths in found.values() for p in paths):
        if not path.is_file():
            raise DataSetError(f"{path} is missing: name the folder that holds the data sets with --data")
    return found


def load(config: SpeechConfig, found: dict[str, list[Path]]) -> Source:
    """Read a run's files, or speak its sentences."""
    return LOADS[config.kind](config, found)


def _digits(config: SpeechConfig, found: dict[str, list[Path]]) -> Source:
    """Strings of all speakers but the one who is left out, who alone is then held out."""
    alphabet, front = ALPHABETS["digits"], FrontEnd.of(config)
    speakers = [s for s in SPEAKERS if s != config.left_out]
    takes = Takes.read(found["train"][0]).of(speakers)
    held = Takes.read(found["valid"][1])
    asked = [r for r in recipes(found["valid"][0]) if config.left_out in ("", r.speaker)]
    valid = [Utterance(front(joined(r, held)), r.text, r.speaker, r.id) for r in asked]
    others = Takes(sentences.digits(RATE, sentences.heard_voices(config.voices)[::2])) if config.synthetic else takes
    templates = Templates.fit(*isolated(takes), front)

    def drawn(step: int, random: np.random.Generator) -> list[Example]:
        # in the first steps short strings: alone, a digit tells the network at once what it is
        grown = min(1.0, step / config.grow) if config.grow else 1.0
        low, high = (round(1 + grown * (n - 1)) for n in LENGTHS)
        rows: list[Example] = []
        for _ in range(config.rows):
            own = others if random.random() < config.synthetic else takes
            recipe = own.drawn(int(random.integers(low, high + 1)), random)
            parts = placed(recipe, own, random.uniform(0.5, 1.5, len(recipe.parts)).tolist())
            speed = drawn_speed(config, random)
            x = front(heard(np.concatenate([part for part, _, _ in parts]), config, random, speed))
            said = [(a / speed / RATE, b / speed / RATE) for _, a, b in parts[1::2]]
            labels = alphabet.labels(recipe.text)
            steps = moments(labels, said, len(x), config.stride**config.halvings)
            rows.append((masked(x, config, random), labels, steps))
        return rows

    extra = {"templates": templates.to_json(), "left_out": config.left_out, "spoken_too": config.synthetic}
    return Source(alphabet, front, drawn, valid, len(takes.recordings), extra)


def _an4(config: SpeechConfig, found: dict[str, list[Path]]) -> Source:
    """Cepstra, stretched and in noise; words of the dictionary and their order in the transcripts."""
    alphabet, front = ALPHABETS["an4"], FrontEnd.of(config)
    train, valid = (an4.read(*found[part]) for part in ("train", "valid"))
    sizes = [len(u.x) for u in train]

    def drawn(step: int, random: np.random.Generator) -> list[Example]:
        rows: list[Example] = []
        for i in near(sizes, config.rows, random):
            speed = float(random.uniform(1 - config.speed, 1 + config.speed))
            x = slopes(resped_frames(train[i].x, speed))
            x = x + config.noise * torch.from_numpy(random.standard_normal(x.shape).astype(np.float32))
            rows.append((masked(x, config, random), alphabet.labels(train[i].text)))
        return rows

    held = [Utterance(slopes(u.x), u.text, u.speaker, u.id) for u in valid]
    texts = [u.text for u in train]
    extra = {"words": an4.words(found["words"][0], texts), "texts": sorted(texts)}
    return Source(alphabet, front, drawn, held, len(train), extra)


def _sentences(config: SpeechConfig, found: dict[str, list[Path]]) -> Source:
    """Sentences spoken on the spot; those held out in other words and by other voices."""
    texts, others = (sentences.texts(found[part][0]) for part in ("train", "valid"))
    said = sentences.sounds(sorted({w for line in (*texts, *others) for w in line.split()}))
    texts, others = ([t for t in lines if all(w in said for w in t.split())] for lines in (texts, others))
    alphabet, front = Alphabet.of_sounds(said), FrontEnd.of(config)
    train = sentences.spoken(texts, config.sentences, sentences.heard_voices(config.voices), config.rate, config.seed)
    valid = sentences.spoken(others, sentences.HELD_OUT, sentences.UNHEARD, config.rate, 0)
    sizes = [len(s.samples) for s in train]

    def drawn(step: int, random: np.random.Generator) -> list[Example]:
        rows: list[Example] = []
        for i in near(sizes, config.rows, random):
            x = front(heard(of_16_bits(train[i].samples), config, random))
            rows.append((masked(x, config, random), alphabet.labels(train[i].text)))
        return rows

    held = [Utterance(front(of_16_bits(s.samples)), s.text, s.voice, str(k)) for k, s in enumerate(valid)]
    extra = {"synthetic": sentences.version(), **sentences.language(texts)}
    return Source(alphabet, front, drawn, held, len(train), extra)


def moments(labels: list[int], said: list[tuple[float, float]], frames: int, ratio: int) -> list[int]:
    """The symbol of each step: a digit's on the second half of its time, by which it can be known; else the blank."""
    steps = [BLANK] * -(-frames // ratio)
    for label, (start, end) in zip(labels, said, strict=True):
        first, last = (round(100 * t / ratio) for t in ((start + end) / 2, end))
        for step in range(first, min(max(last, first + 1), len(steps))):
            steps[step] = label
    return steps


LOADS: dict[str, Callable[[SpeechConfig, dict[str, list[Path]]], Source]] = {
    "digits": _digits,
    "an4": _an4,
    "sentences": _sentences,
}
