"""Labelled sequences: read, made into batches that depend on the seed and the step alone.

Of a window around a splice site training reads a random piece that holds the junction, and half of the time the other
strand: the reverse complement of exon|intron is intron|exon, base by base. A promoter stays one on the other strand.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from rondo.data.batch import IGNORED, Batch
from rondo.data.bucket import shuffled
from rondo.data.read import json_lines, text
from rondo.tasks.dna.config import TASKS
from rondo.tasks.dna.letters import DnaError, bases, residues
from rondo.tasks.dna.model import ACCEPTOR, ANYTHING, DONOR, EXON, INTRON

Ints = NDArray[np.int64]

SITES = ("EI", "IE", "N")  # donor, acceptor, neither
WINDOW = 60  # bases of a window; its junction stands in the middle
MIDDLE = WINDOW // 2
SPANS = (251, 251, 251, 81, 81)  # bases of a promoter's window, of each of TASKS
STRUCTURES = "HELTSGBI"  # of a residue, in the notation of DSSP; L: none of the others


@dataclass(frozen=True)
class Record:
    """A sequence and what is known of it: a splice site, whether it is a promoter of a task, or its structure."""

    sequence: str
    label: str  # of SITES; "0" or "1"; a letter of STRUCTURES for each residue
    task: str = ""


def read(path: Path) -> tuple[str, list[Record]]:
    """What a file holds (splice, promoters or protein, told by its fields), and its records.

    Raises DnaError, naming the line, for records that are none of these or of several kinds.
    """
    kind, records = "", []
    for number, _, row in json_lines(path):
        where = f"{path}:{number}"
        found, record = _record(row, where)
        if kind and found != kind:
            raise DnaError(f"{where}: a {found} record among {kind} records")
        kind = found
        records.append(record)
    if not records:
        raise DnaError(f"{path} holds no record")
    return kind, records


def _record(row: dict[str, object], where: str) -> tuple[str, Record]:
    sequence = text(row, "sequence", where)
    try:
        if "labels" in row:
            return "protein", _protein(sequence, text(row, "labels", where), where)
        bases(sequence)
    except DnaError as error:
        raise DnaError(f"{where}: {error}") from None
    if row.get("label") in SITES:
        if len(sequence) != WINDOW:
            raise DnaError(f"{where}: a window has {WINDOW} bases, found {len(sequence)}")
        return "splice", Record(sequence, str(row["label"]))
    if row.get("label") in (0, 1) and row.get("task") in TASKS:
        return "promoters", Record(sequence, str(row["label"]), str(row["task"]))
    raise DnaError(
        f"{where}: a record has labels (protein), or a label of {', '.join(SITES)} (splice), or a label 0 or 1 and a "
        f"task of {', '.join(TASKS)} (promoters)"
    )


def _protein(sequence: str, labels: str, where: str) -> Record:
    residues(sequence)
    if len(labels) != len(sequence) or set(labels) - set(STRUCTURES):
        raise DnaError(f"{where}: labels are one of {STRUCTURES} for each residue")
    return Record(sequence, labels)


def of_task(records: list[Record], task: str) -> list[Record]:
    """The records of a task; all of them where it is empty. Raises DnaError where there are none."""
    own = [r for r in records if r.task == task] if task else records
    if not own:
        raise DnaError(f"there is no sequence of {task}: tasks are {', '.join(TASKS)}")
    return own


class Sequences:
    """Records of a kind as arrays."""

    def __init__(self, kind: str, records: Sequence[Record]) -> None:
        self.kind, self.records = kind, records
        self.x = [(residues if kind == "protein" else bases)(r.sequence) for r in records]
        self.sizes: Ints = np.array([len(x) for x in self.x], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.sizes)

    def batch(self, index: Ints | Sequence[int]) -> Batch:
        """These sequences whole, as they stand."""
        return {"splice": _windows, "promoters": _promoters, "protein": _proteins}[self.kind](self, index)

    def drawn(self, index: Ints, crop: int, shift: int, random: np.random.Generator) -> Batch:
        """These sequences as training reads them."""
        batch = self.batch(index)
        if self.kind == "protein":
            return batch
        if self.kind == "splice":
            x, y = both_strands(batch, torch.from_numpy(random.random(len(index)) < 0.5))
            first, last = random.integers(0, crop + 1, 2).tolist()
            return Batch(x[:, first : WINDOW - last], y[:, first : WINDOW - last])
        x = _shifted(batch.x, random.integers(-shift, shift + 1, len(index))) if shift else batch.x
        return Batch(x, batch.y, batch.lengths)  # of promoters, which the network reads on both strands


def both_strands(batch: Batch, other: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Windows and their sets of labels, of the other strand where `other` [B] says so."""
    x, y = batch.x, batch.labels
    turned = torch.tensor([SETS[SITES.index(s)] for s in ("IE", "EI", "N")])
    site = (y.unsqueeze(1) == torch.tensor(SETS)).all(2).long().argmax(1)
    return (
        torch.where(other.view(-1, 1, 1), x.flip(1, 2), x),
        torch.where(other.unsqueeze(1), turned[site], y),
    )


def _sets() -> list[list[int]]:
    """For each of SITES the labels that each base of a window may have, a bit for each."""
    exon, donor, intron, acceptor = (1 << label for label in (EXON, DONOR, INTRON, ACCEPTOR))
    anything = [ANYTHING] * WINDOW
    anything[MIDDLE - 1] = exon | intron
    return [
        [exon] * (MIDDLE - 1) + [donor] + [intron] * MIDDLE,
        [intron] * (MIDDLE - 1) + [acceptor] + [exon] * MIDDLE,
        anything,
    ]


SETS = _sets()


def _windows(own: Sequences, index: Ints | Sequence[int]) -> Batch:
    y = [SETS[SITES.index(own.records[i].label)] for i in index]
    return Batch(torch.from_numpy(np.stack([own.x[i] for i in index])), torch.tensor(y))


def _promoters(own: Sequences, index: Ints | Sequence[int]) -> Batch:
    y = torch.full((len(index), len(TASKS)), float(IGNORED))
    for row, i in enumerate(index):
        record = own.records[i]
        y[row, TASKS.index(record.task)] = float(record.label)
    return Batch(_padded(own, index), y, torch.from_numpy(own.sizes[index]))


def _proteins(own: Sequences, index: Ints | Sequence[int]) -> Batch:
    y = np.full((len(index), int(own.sizes[index].max())), IGNORED)
    for row, i in zip(y, index, strict=True):
        row[: own.sizes[i]] = [STRUCTURES.index(c) for c in own.records[i].label]
    return Batch(_padded(own, index), torch.from_numpy(y), torch.from_numpy(own.sizes[index]))


def _padded(own: Sequences, index: Ints | Sequence[int]) -> torch.Tensor:
    x = np.zeros((len(index), int(own.sizes[index].max()), own.x[0].shape[1]), dtype=np.float32)
    for row, i in zip(x, index, strict=True):
        row[: own.sizes[i]] = own.x[i]
    return torch.from_numpy(x)


def _shifted(x: torch.Tensor, by: Ints) -> torch.Tensor:
    """Each row moved by so many places; what is moved in is unknown."""
    places = torch.arange(x.shape[1]) - torch.from_numpy(by).unsqueeze(1)
    inside = ((places >= 0) & (places < x.shape[1])).unsqueeze(2)
    moved = x.gather(1, places.clamp(0, x.shape[1] - 1).unsqueeze(2).expand_as(x))
    return torch.where(inside, moved, 0.25)


def batches(own: Sequences, rows: int, tokens: int, crop: int, shift: int, seed: int, step: int = 0) -> Iterator[Batch]:
    """Pass after pass. Batch k of a pass depends on the seed and the pass alone."""
    for number in itertools.count():
        plan = shuffled(own.sizes, tokens, rows, seed, number)
        for k in range(step, len(plan)):
            yield own.drawn(plan[k], crop, shift, np.random.default_rng([seed, number, k]))
        step = max(0, step - len(plan))


def plain(own: Sequences, rows: int = 256, tokens: int = 65536) -> Iterator[tuple[Ints, Batch]]:
    """Every sequence once, with its place: for measuring."""
    for index in shuffled(own.sizes, tokens, rows, 0, 0):
        yield index, own.batch(index)
