"""Letters of biological sequences as vectors.

A base is one number in four; an ambiguity code of IUPAC shares it among the bases that it stands for (Cornish-Bowden
1985, doi:10.1093/nar/13.9.3021, table 1), so N is a quarter of each. U is read as T, small letters as large ones.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

BASES = "ACGT"
CODES = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT", "K": "GT", "M": "AC",
    "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
AMINO = "ACDEFGHIKLMNPQRSTVWYX"  # X: unknown or modified
PAIRED = str.maketrans("ACGTURYSWKMBDHVNacgturyswkmbdhvn", "TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn")


class DnaError(ValueError):
    """A sequence, or a file of sequences, that cannot be read; the message says where and what to do."""


def bases(sequence: str) -> Floats:
    """[T, 4]. Raises DnaError for a character that is no base and no ambiguity code, with its place."""
    places = _TABLE[np.frombuffer(sequence.upper().encode("utf-32-le", "surrogatepass"), dtype=np.uint32).clip(max=128)]
    if wrong := np.flatnonzero(places < 0).tolist():
        raise DnaError(
            f"第 {wrong[0] + 1} 个字符 {sequence[wrong[0]]!r} 不是碱基 / "
            f"character {wrong[0] + 1} is {sequence[wrong[0]]!r}: a sequence is written in A C G T, N and the other "
            "codes of IUPAC"
        )
    found: Floats = _VECTORS[places]
    return found


def residues(sequence: str) -> Floats:
    """[T, 21] of a protein, one number in 21. Raises DnaError."""
    found = [AMINO.find(c) for c in sequence.upper()]
    if -1 in found:
        at = found.index(-1)
        raise DnaError(
            f"第 {at + 1} 个字符 {sequence[at]!r} 不是氨基酸 / character {at + 1} is {sequence[at]!r}: a protein is "
            f"written in {AMINO}"
        )
    return np.eye(len(AMINO), dtype=np.float32)[found] if found else np.zeros((0, len(AMINO)), np.float32)


def reverse_complement(sequence: str) -> str:
    """The other strand, read in its own direction. Ambiguity codes are paired too."""
    return sequence.translate(PAIRED)[::-1]


def _vectors() -> Floats:
    found = np.zeros((len(CODES), len(BASES)), dtype=np.float32)
    for row, stands_for in zip(found, CODES.values(), strict=True):
        for base in stands_for:
            row[BASES.index(base)] = 1 / len(stands_for)
    return found


_VECTORS = _vectors()
_TABLE = np.full(129, -1, dtype=np.int64)
_TABLE[[ord(c) for c in CODES]] = np.arange(len(CODES))
