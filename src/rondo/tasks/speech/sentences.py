"""Sentences spoken by a program: formant synthesis by espeak-ng, made on the spot (the data set espeak-sentences).

espeak-ng (Debian package of that name, GPL-3.0-or-later) is called as a program. Its speech is far more regular than
people's: a model of it proves the path from sound to sentence and does not read real speech.
"""

from __future__ import annotations

import functools
import itertools
import json
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.data.audio import Floats, of_16_bits, read_audio, resample, write_wav
from rondo.data.packed import packed
from rondo.data.read import read_lines
from rondo.files import write_aside
from rondo.tasks.speech.alphabet import DIGITS, SpeechError
from rondo.tasks.speech.config import VARIANTS
from rondo.tasks.speech.digits import trimmed

FOX = "the quick brown fox jumped over the lazy dog"
ACCENTS = ("en-us", "en-gb", "en-gb-scotland", "en-029")
UNHEARD = tuple(f"{a}+{v}" for a in ACCENTS for v in ("m6", "m7", "f4"))  # voices that only valid hears
HELD_OUT = 120  # sentences
SHORTEST, LONGEST = 8, 60  # letters of a sentence
WORDS = 12_000  # of the list that decoding may choose from
RATE = 16_000  # samples a second: at half of it f, s and th are hardly told apart
PROGRAM = "espeak-ng"
MISSING = (
    "造句需要 espeak-ng 程序 / sentences are spoken by the program espeak-ng, which is not here: "
    "apt-get install espeak-ng"
)


def heard_voices(count: int) -> tuple[str, ...]:
    """The voices of training: so many for each accent, all of other names than those of valid."""
    return tuple(f"{a}+{v}" for a in ACCENTS for v in VARIANTS[:count])


@dataclass(frozen=True)
class Spoken:
    """A sentence spoken: samples [N] of 16 bits, what is said, and by which voice."""

    samples: NDArray[np.int16]
    text: str
    voice: str


def plain(sentence: str) -> str:
    """A sentence in small letters without punctuation; "" where something else stands in it, a digit or an accent."""
    words = re.sub(r"[.,!?;:\"-]", " ", sentence.lower().replace("\u2019", "'")).split()
    line = " ".join(words)
    return line if re.fullmatch(r"[a-z' ]+", line) else ""


def texts(path: Path) -> list[str]:
    """The English sentences of a table of pairs (columns en and fr), plain, each once, in order; short ones, long ones
    and the fox are left out."""
    found: dict[str, None] = {}
    for number, row in read_lines(path):
        if number == 1 and row.split("\t")[0] != "en":
            raise SpeechError(f"{path}:1: the first column must be en, English sentences")
        line = plain(row.split("\t")[0])
        if number > 1 and SHORTEST <= len(line) <= LONGEST and line != FOX:
            found[line] = None
    if not found:
        raise SpeechError(f"{path} holds no English sentence")
    return list(found)


def like_fox(line: str) -> bool:
    """Whether three words of the fox stand together in a line ("the quick brown fox jumps ..."): neither the network
    nor its language model is to know it."""
    return any(f" {' '.join(run)} " in f" {line} " for run in zip(*(FOX.split()[k:] for k in range(3)), strict=False))


def spoken(lines: Sequence[str], count: int, voices: Sequence[str], rate: int, seed: int) -> list[Spoken]:
    """So many of the lines, drawn at random, each by a random voice at a random speed and pitch; none like the fox."""
    random, found = np.random.default_rng([seed, len(voices)]), []
    kept = (i for i in random.permutation(len(lines)).tolist() if not like_fox(lines[i]))
    for i in itertools.islice(kept, count):
        voice, speed = str(random.choice(list(voices))), int(random.integers(120, 201))
        pitch, gap = int(random.integers(20, 81)), int(random.integers(0, 6))
        found.append(Spoken(speak(lines[i], voice, speed, pitch, gap, rate), lines[i], voice))
    return found


def speak(
    line: str, voice: str, speed: int = 160, pitch: int = 50, gap: int = 0, rate: int = RATE
) -> NDArray[np.int16]:
    """One sentence [N] at `rate`. Raises SpeechError where the program is missing or fails."""
    if not shutil.which(PROGRAM):
        raise SpeechError(MISSING)
    command = [PROGRAM, "-v", voice, "-s", str(speed), "-p", str(pitch), "-g", str(gap), "--stdout", "--", line]
    made = subprocess.run(command, capture_output=True, check=False, timeout=60)
    if made.returncode or not made.stdout:
        raise SpeechError(f"{PROGRAM} failed: {made.stderr.decode(errors='replace')[:200]}")
    recording = read_audio(made.stdout, PROGRAM)
    samples = resample(recording.samples, recording.rate, rate)
    return (np.clip(samples, -1, 1) * 32767).round().astype(np.int16)


def sounds(words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The phonemes of each word said alone in American English, without stress; words without any are left out.

    One way to say a word, whatever the accent that is heard: the network learns what each makes of it.
    """
    if not shutil.which(PROGRAM):
        raise SpeechError(MISSING)
    command = [PROGRAM, "-q", "--ipa", "--sep= ", "-v", ACCENTS[0]]
    made = subprocess.run(command, input="\n".join(words), capture_output=True, check=False, text=True, timeout=300)
    lines = made.stdout.splitlines()
    if made.returncode or len(lines) != len(words):
        raise SpeechError(f"{PROGRAM} did not say {len(words)} words: {made.stderr[:200]}")
    said = {w: tuple(re.sub("[ˈˌ]", "", line).split()) for w, line in zip(words, lines, strict=True)}
    return {w: s for w, s in said.items() if s}


def digits(rate: int, voices: Sequence[str]) -> dict[str, Floats]:
    """Each digit by each voice, slowly and fast, as recordings of connected digits are called: digit_voice_take."""
    found = {}
    for voice in voices:
        for take, speed in enumerate((130, 175)):
            for digit, word in enumerate(DIGITS):
                found[f"{digit}_{voice}_{take}"] = trimmed(of_16_bits(speak(word, voice, speed, rate=rate)))
    return found


@functools.cache
def version() -> str:
    """The program's version, which its bytes depend on."""
    if not shutil.which(PROGRAM):
        return "none"
    said = subprocess.run([PROGRAM, "--version"], capture_output=True, check=False, text=True, timeout=60).stdout
    return said.partition("Data at")[0].strip() or PROGRAM


def language(lines: Sequence[str]) -> dict[str, Any]:
    """The words seen twice or more, which decoding chooses from; packed, the sentences that tell how they follow each
    other."""
    counts = Counter(w for line in lines for w in line.split())
    words = sorted(w for w, n in counts.most_common(WORDS) if n > 1)
    return {"words": words, "texts": packed(sorted(line for line in lines if not like_fox(line)))}


def write(out: Path, data: Path, count: int, seed: int) -> Path:
    """Sentences of `valid` spoken by voices that are unheard in training, the fox first, as WAV files and a list of
    them; the list's path."""
    lines = texts(data / "mt-tatoeba-fra-eng" / "valid.tsv.gz")
    made = [Spoken(speak(FOX, "en-us+m7"), FOX, "en-us+m7"), *spoken(lines, count - 1, UNHEARD, RATE, seed)]
    out.mkdir(parents=True, exist_ok=True)
    rows = []
    for k, one in enumerate(made):
        write_aside(out / f"{k:04}.wav", write_wav(of_16_bits(one.samples), RATE))
        row = {"audio": f"{k:04}.wav", "text": one.text, "speaker": one.voice, "synthetic": version()}
        rows.append(json.dumps(row) + "\n")
    write_aside(out / "sentences.jsonl", "".join(rows).encode())
    return out / "sentences.jsonl"
