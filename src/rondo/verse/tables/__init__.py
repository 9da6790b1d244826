"""The shipped tables of rhyme and characters: gzipped TSV with one header line; README.md says where each came from."""

from __future__ import annotations

import gzip
from pathlib import Path

FOLDER = Path(__file__).parent


def rows(name: str) -> list[list[str]]:
    """The fields of every row of `<name>.tsv.gz`, its header left out."""
    text = gzip.decompress((FOLDER / f"{name}.tsv.gz").read_bytes()).decode("utf-8")
    return [line.split("\t") for line in text.splitlines()[1:]]
