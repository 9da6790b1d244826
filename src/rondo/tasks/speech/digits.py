"""Connected digits: recordings of single digits of one speaker, joined with pauses (the data set fsdd)."""

from __future__ import annotations

import re
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from rondo.data.audio import Floats, read_audio
from rondo.data.read import json_lines, text, texts
from rondo.tasks.speech.alphabet import DIGITS, SpeechError

RATE = 8000
PAUSE = (50, 240)  # milliseconds before, between and after digits
LENGTHS = (3, 7)  # digits of a string
NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.wav")


@dataclass(frozen=True)
class Recipe:
    """A string of digits: recordings by name and the pauses around them in milliseconds, one more."""

    id: str
    speaker: str
    text: str
    parts: tuple[str, ...]
    gaps: tuple[int, ...]


class Takes:
    """Recordings of single digits by speaker and digit, in the order of their names."""

    def __init__(self, recordings: dict[str, Floats]) -> None:
        self.recordings = recordings
        self.by: dict[str, list[list[str]]] = {}
        for name in sorted(recordings):
            digit, speaker, _ = name.split("_")
            self.by.setdefault(speaker, [[] for _ in DIGITS])[int(digit)].append(name)

    @classmethod
    def read(cls, path: Path) -> Takes:
        """From a tar of `{digit}_{speaker}_{take}.wav`. Raises SpeechError."""
        found = {}
        try:
            with tarfile.open(path) as tar:
                for member in tar:
                    name = NAME.fullmatch(Path(member.name).name)
                    file = tar.extractfile(member) if name else None
                    if name and file:
                        found["_".join(name.groups())] = read_audio(file.read(), member.name).samples
        except (tarfile.TarError, EOFError) as error:
            raise SpeechError(f"{path} is no archive of recordings: {error}") from None
        if not found:
            raise SpeechError(f"{path} holds no recording called {{digit}}_{{speaker}}_{{take}}.wav")
        return cls(found)

    def of(self, speakers: Sequence[str]) -> Takes:
        """Those of some speakers."""
        return Takes({n: x for n, x in self.recordings.items() if n.split("_")[1] in speakers})

    def drawn(self, count: int, random: np.random.Generator) -> Recipe:
        """A random string of so many digits of a random speaker."""
        speaker = str(random.choice(sorted(self.by)))
        digits = random.integers(0, len(DIGITS), count).tolist()
        parts = tuple(str(random.choice(self.by[speaker][d])) for d in digits if self.by[speaker][d])
        gaps = tuple(random.integers(PAUSE[0], PAUSE[1] + 1, len(parts) + 1).tolist())
        return Recipe("", speaker, " ".join(DIGITS[int(p[0])] for p in parts), parts, gaps)


def trimmed(samples: Floats, least: float = 0.01) -> Floats:
    """A recording without the quiet before and after it."""
    loud = np.flatnonzero(np.abs(samples) > least * max(1e-6, float(np.abs(samples).max())))
    return samples[loud[0] : loud[-1] + 1] if len(loud) else samples


def recipes(path: Path) -> list[Recipe]:
    """Recipes of a file in the format of connected_valid.jsonl.gz. Raises DataSetError or SpeechError with the line."""
    found = []
    for number, _, row in json_lines(path):
        where = f"{path}:{number}"
        parts, gaps = tuple(texts(row, "parts", where)), row.get("gaps_ms")
        if (
            not isinstance(gaps, list)
            or len(gaps) != len(parts) + 1
            or not all(type(g) is int and g >= 0 for g in gaps)
        ):
            raise SpeechError(f"{where}: gaps_ms are {len(parts) + 1} whole numbers of milliseconds")
        said = text(row, "text", where)
        found.append(Recipe(str(row.get("id", number)), text(row, "speaker", where), said, parts, tuple(gaps)))
    if not found:
        raise SpeechError(f"{path} holds no recipe")
    return found


def joined(recipe: Recipe, takes: Takes, gains: Sequence[float] = ()) -> Floats:
    """The recordings of a recipe with exact silence around them; `gains`: of each, 1 where there is none."""
    return np.concatenate([part for part, _, _ in placed(recipe, takes, gains)])


def placed(recipe: Recipe, takes: Takes, gains: Sequence[float] = ()) -> list[tuple[Floats, int, int]]:
    """Pauses and recordings in turn, each with where it begins and ends in samples."""
    found, at = [], 0
    for k, gap in enumerate(recipe.gaps):
        parts = [np.zeros(gap * RATE // 1000, dtype=np.float32)]
        if k < len(recipe.parts):
            name = recipe.parts[k]
            if name not in takes.recordings:
                raise SpeechError(f"the recipe {recipe.id} needs the recording {name}, which is not in the archive")
            parts.append(takes.recordings[name] * np.float32(gains[k] if len(gains) else 1))
        for x in parts:
            found.append((x, at, at + len(x)))
            at += len(x)
    return found


def isolated(takes: Takes) -> tuple[list[Floats], list[int]]:
    """Every recording and its digit."""
    return list(takes.recordings.values()), [int(name[0]) for name in takes.recordings]
