"""Text files as streams of symbols: read, split by file, laid out as one contiguous stream per batch row."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


class DataError(ValueError):
    """Data that cannot be used; the message names the file and says what to do."""


@dataclass(frozen=True)
class Batch:
    """One step's data: symbols x [B, T] and the symbols that follow them, y [B, T].

    `fresh` says that x does not continue the batch before: the state starts anew.
    """

    x: Tensor
    y: Tensor
    fresh: bool


def read_text(path: Path) -> str:
    """The file as text: UTF-8, any line ending read as a newline."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error.strerror}") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} (0x{data[error.start]:02x}) is not UTF-8; "
            f"convert the file first, e.g. iconv -f latin1 -t utf-8 {path.name}"
        ) from None
    return text.replace("\r\n", "\n").replace("\r", "\n")


def split_texts(texts: Sequence[str], share: float, seed: int) -> tuple[list[str], list[str]]:
    """Training texts and validation texts, split by file: whole files, drawn by `seed`, until `share` of the
    characters are held out. A single file is cut instead, at the line end nearest to 1 - share of it."""
    if len(texts) == 1:
        text = texts[0]
        wish = int(len(text) * (1 - share))
        ends = (text.rfind("\n", 0, wish) + 1, text.find("\n", wish) + 1)
        cut = min((end for end in ends if 0 < end < len(text)), key=lambda end: abs(end - wish), default=wish)
        return [text[:cut]], [text[cut:]]
    order = list(range(len(texts)))
    random.Random(seed).shuffle(order)
    wanted, held = round(share * sum(map(len, texts))), set[int]()
    for i in order[:-1]:  # one file always remains for training
        if wanted <= 0:
            break
        if len(texts[i]) <= 2 * wanted:  # a file much larger than what is still wanted stays in training
            held.add(i)
            wanted -= len(texts[i])
    kept = [t for i, t in enumerate(texts) if i not in held]
    return kept, [texts[i] for i in sorted(held)]


def streams(symbols: NDArray[np.int64], rows: int) -> Tensor:
    """One long text as `rows` contiguous streams [rows, N]; the few symbols that do not fill a column are dropped."""
    columns = len(symbols) // rows
    if columns < 2:
        raise DataError(
            f"the text has {len(symbols)} characters, too few for {rows} rows; give more text or set batch = 1"
        )
    return torch.from_numpy(symbols[: rows * columns].reshape(rows, columns))


def count_windows(stream: Tensor, window: int) -> int:
    """How many windows one pass over the streams takes (the last may be shorter)."""
    return -(-(stream.shape[1] - 1) // window)


def one_pass(stream: Tensor, window: int, first: int = 0) -> Iterator[Batch]:
    """The windows of one pass, each continuing the one before; `first` begins in the middle."""
    last = stream.shape[1] - 1
    for start in range(first * window, last, window):
        stop = min(start + window, last)
        yield Batch(stream[:, start:stop], stream[:, start + 1 : stop + 1], fresh=start == 0)


def endless(stream: Tensor, window: int, step: int = 0) -> Iterator[Batch]:
    """Pass after pass. The batch depends on the step alone, so a run resumes by naming its step."""
    first = step % count_windows(stream, window)
    while True:
        yield from one_pass(stream, window, first)
        first = 0
