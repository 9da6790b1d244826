"""What the converters of labelled texts share: upstream's splits, and how they are kept apart."""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from rondo.data.output import Output, number
from rondo.data.registry import DataSetError

WORDS = {"train": "train", "dev": "valid", "val": "valid", "test": "test"}
HELD_OUT = ("test", "valid")


class Row(NamedTuple):
    """A record on its way: the text that tells it from others, what is written, its label."""

    text: str
    record: dict[str, Any]
    label: str = ""


Rows = Callable[[], Iterator[Row]]  # the rows of a split; may be asked for twice


def split_of(path: str) -> str:
    """The split that one of upstream's paths names: train, valid (also dev, val) or test."""
    name = PurePosixPath(path).name
    return next(split for word, split in WORDS.items() if word in name)


def by_split(sources: Mapping[str, Path]) -> dict[str, dict[str, Path]]:
    """Upstream's files by split, in upstream's order."""
    found: dict[str, dict[str, Path]] = {}
    for path, file in sources.items():
        found.setdefault(split_of(path), {})[path] = file
    return found


def same(text: str) -> int:
    """A number that two texts share which differ in white space, case or width alone (NFKC)."""
    plain = "".join(unicodedata.normalize("NFKC", text).lower().split())
    return number(plain.encode(errors="replace").decode())


def write_splits(splits: Mapping[str, Rows], output: Output, once: bool = False) -> None:
    """Write each split as `SPLIT.jsonl.gz`, test first. A row of a later split is dropped where its text stands in an
    earlier one. `once`: a text of train is written once, with its commonest label, and not at all where labels tie."""
    held: set[int] = set()
    for split in (*HELD_OUT, "train"):
        if split in splits:
            labels = _labels(splits[split]) if once and split == "train" else None
            held |= _write(split, splits[split], held, labels, output)
        elif split in HELD_OUT:
            output.notes.append(f"upstream's {split} was not there: its texts are not kept out of the other files")


def _write(split: str, rows: Rows, held: set[int], labels: dict[int, str] | None, output: Output) -> set[int]:
    """Write the rows that are kept; the texts of the split."""
    seen: set[int] = set()
    output.write(f"{split}.jsonl.gz", "", 0)
    for row in rows():
        key = same(row.text)
        if fault := _fault(row, key, held, seen, labels):
            output.dropped[f"{split}: {fault}"] += 1
        else:
            seen.add(key)
            output.write(f"{split}.jsonl.gz", line(row.record))
    return seen


def _fault(row: Row, key: int, held: set[int], seen: set[int], labels: dict[int, str] | None) -> str:
    if key in held:
        return "in a held-out file"
    if labels is not None and not labels[key]:
        return "contradictory labels"
    return "repeated" if labels is not None and (key in seen or row.label != labels[key]) else ""


def _labels(rows: Rows) -> dict[int, str]:
    """The commonest label of each text, "" where two are equally common."""
    counts: dict[int, Counter[str]] = {}
    for row in rows():
        counts.setdefault(same(row.text), Counter())[row.label] += 1
    return {key: _commonest(found) for key, found in counts.items()}


def _commonest(found: Counter[str]) -> str:
    (label, count), *others = found.most_common(2)
    return "" if others and others[0][1] == count else label


def line(record: Mapping[str, Any]) -> str:
    """A record as a line of JSON without blanks."""
    return json.dumps(record, ensure_ascii=False, separators=(",", ":")) + "\n"


def pick(table: Mapping[str, str], written: str, what: str, where: str) -> str:
    """What a code of upstream's means; DataSetError for one that is not known."""
    if written not in table:
        raise DataSetError(f"{where}: {what} {written!r} is none of {', '.join(table)}")
    return table[written]
