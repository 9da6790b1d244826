"""AN4: cepstra of spelled names, numbers, dates and commands, with their transcripts (the data set an4-mfcc)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch

from rondo.data.read import json_lines, read_lines, text
from rondo.tasks.speech.alphabet import ALPHABETS, SpeechError
from rondo.tasks.speech.cepstra import CEPSTRA
from rondo.tasks.speech.data import Utterance


def read(records: Path, cepstra: Path) -> list[Utterance]:
    """Cepstra and transcripts in lower case. Raises SpeechError or DataSetError naming what is wrong."""
    try:
        rows = np.load(cepstra, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        raise SpeechError(f"{cepstra} is no array of cepstra: {error}") from None
    if rows.ndim != 2 or rows.shape[1] != CEPSTRA:
        raise SpeechError(f"{cepstra} must be [frames, {CEPSTRA}], found {list(rows.shape)}")
    found = []
    for number, _, row in json_lines(records):
        where = f"{records}:{number}"
        start, frames, said = row.get("start"), row.get("frames"), text(row, "text", where).lower()
        if type(start) is not int or type(frames) is not int or not 0 <= start < start + frames <= len(rows):
            raise SpeechError(f"{where}: start and frames must name rows of {cepstra.name}, which has {len(rows)}")
        try:
            ALPHABETS["an4"].labels(said)
        except SpeechError as error:
            raise SpeechError(f"{where}: {error}") from None
        x = torch.from_numpy(np.asarray(rows[start : start + frames], dtype=np.float32))
        found.append(Utterance(x, said, str(row.get("speaker", "")), str(row.get("id", number))))
    if not found:
        raise SpeechError(f"{records} holds no record")
    return found


def words(dictionary: Path, texts: Iterable[str]) -> list[str]:
    """The words of the dictionary and of the transcripts, in lower case."""
    listed = {line.split()[0].split("(")[0].lower() for _, line in read_lines(dictionary) if line.split()}
    return sorted({w for w in listed | {w for t in texts for w in t.split()} if w.replace("'", "").isalpha()})
