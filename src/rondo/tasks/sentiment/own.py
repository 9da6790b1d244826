"""Texts that Rondo's authors wrote for training: graded words and phrases, and sentences about targets.

`own-LANGUAGE.tsv` holds, a line each, a strength from 1 to 5 and texts of that strength; then parts, by what they are
about: nouns, and by strength what is said of them. Frames join clauses (A, B, C: a noun and what is said of it):
`apart` of which one is good and one bad, `alike` of which both are one or the other, `any`, and `one` alone; each
clause's noun is a target with the strength of what is said of it. Turns of phrase are frames by strength, with slots
for words of a kind: not {g}, far from {b}. Sentences are drawn by a seed, the same for the same seed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from rondo.tasks.sentiment.data import Question, Text

SOURCE = "own"
POLARITIES = {1: 0, 2: 0, 3: 1, 4: 2, 5: 2}
SIDES = {"bad": (1, 2), "good": (4, 5)}
GRADED = 3  # times that training reads each graded text
TURNS = 0.6  # of the sentences that are drawn; the others are about targets
SHARES = {"apart": 0.45, "alike": 0.25, "any": 0.15, "one": 0.15}  # of sentences about targets
BETWEEN = {"zh": "", "en": " "}  # of a noun and what is said of it
BEFORE = {"zh": "", "en": "the "}  # a noun


@dataclass
class Parts:
    """What a file holds: graded texts; nouns and what is said of them by strength, by kind; frames by kind."""

    graded: list[tuple[int, str]] = field(default_factory=list)
    nouns: dict[str, list[str]] = field(default_factory=dict)
    said: dict[str, dict[int, list[str]]] = field(default_factory=lambda: defaultdict(dict))
    frames: dict[str, list[str]] = field(default_factory=dict)
    fill: dict[str, list[str]] = field(default_factory=dict)
    turns: dict[int, list[str]] = field(default_factory=dict)


def parts(language: str) -> Parts:
    """The parts of a language's file."""
    found = Parts()
    text = (Path(__file__).parent / f"own-{language}.tsv").read_text(encoding="utf-8")
    for line in text.splitlines():
        if not line or line.startswith("#"):
            continue
        *names, listed = line.split("\t")
        values = [v.strip() for v in listed.split("; ") if v.strip()]
        if names[0] == "nouns":
            found.nouns[names[1]] = values
        elif names[0] == "fill":
            found.fill[names[1]] = values
        elif names[0] == "turn":
            found.turns[int(names[1])] = values
        elif names[0] in SHARES:
            found.frames[names[0]] = values
        elif len(names) == 2:
            found.said[names[1]][int(names[0])] = values
        else:
            found.graded += [(int(names[0]), v) for v in values]
    return found


def texts(language: str, count: int, seed: int = 0, neutral: float = 0.3) -> list[Text]:
    """The graded texts, then `count` composed sentences: turns of phrase (`neutral`: that share of them), and about
    targets."""
    own = parts(language)
    graded = [Text(t, SOURCE, (Question(polarity=POLARITIES[n], stars=n),)) for n, t in own.graded] * GRADED
    random = np.random.default_rng([seed, 0x5E47])
    turned = round(TURNS * count)
    graded += [_turn(own, random, neutral) for _ in range(turned)]
    return graded + [_sentence(own, language, random) for _ in range(count - turned)]


def _turn(own: Parts, random: np.random.Generator, neutral: float) -> Text:
    strength = int(random.choice(list(own.turns), p=[neutral if n == 3 else (1 - neutral) / 4 for n in own.turns]))
    text = re.sub(r"\{(\w)\}", lambda m: _one(own.fill[m[1]], random), _one(own.turns[strength], random))
    return Text(text, SOURCE, (Question(polarity=POLARITIES[strength], stars=strength),))


def _sentence(own: Parts, language: str, random: np.random.Generator) -> Text:
    kind = str(random.choice(list(SHARES), p=list(SHARES.values())))
    frame = _one(own.frames[kind], random)
    about = _one(list(own.nouns), random)
    places = [c for c in "ABC" if c in frame]
    strengths = _strengths(kind, len(places), random)
    nouns = [str(n) for n in random.choice(own.nouns[about], len(places), replace=False)]
    if kind != "one" and random.random() < 0.6:  # of several kinds
        nouns, kinds = _mixed(own, len(places), random)
    else:
        kinds = [about] * len(places)
    text, spans = "", []
    for char in frame:
        if char not in places:
            text += char
            continue
        k = places.index(char)
        start = len(text) + len(BEFORE[language])
        spans.append((start, start + len(nouns[k])))
        said = _one(own.said[kinds[k]][strengths[k]], random)
        text += BEFORE[language] + nouns[k] + BETWEEN[language] + said
    questions = [Question(s, POLARITIES[n], stars=n) for s, n in zip(spans, strengths, strict=True)]
    if kind == "one":
        questions.append(Question(None, POLARITIES[strengths[0]], stars=strengths[0]))
    return Text(text, SOURCE, tuple(questions), tuple(spans))


def _strengths(kind: str, count: int, random: np.random.Generator) -> list[int]:
    """Strengths of a frame's clauses."""
    if kind == "apart":
        sides = ["good", "bad"] if random.random() < 0.5 else ["bad", "good"]
        return [int(random.choice(SIDES[s])) for s in sides]
    if kind == "alike":
        side = "good" if random.random() < 0.5 else "bad"
        return [int(random.choice(SIDES[side])) for _ in range(count)]
    return [int(n) for n in random.integers(1, 6, count)]


def _mixed(own: Parts, count: int, random: np.random.Generator) -> tuple[list[str], list[str]]:
    """Nouns of different kinds, and the kinds."""
    kinds = [str(k) for k in random.choice(list(own.nouns), count, replace=False)]
    return [_one(own.nouns[k], random) for k in kinds], kinds


def _one(values: list[str], random: np.random.Generator) -> str:
    return values[int(random.integers(len(values)))]
