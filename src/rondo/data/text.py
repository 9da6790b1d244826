"""Text as streams of symbols: files read and split, laid out as one contiguous stream per batch row, cut in windows.

A stream begins with a separator (a line end), and so does every document in it: the separator that ends a document is
also what the next one is begun with, from the initial state. So every symbol of a text is predicted, the first too.
"""

from __future__ import annotations

import gzip
import itertools
import random
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rondo.data.batch import IGNORED, Batch
from rondo.data.vocab import Ints, Vocab


class DataError(ValueError):
    """Data that cannot be used; the message names the file and says what to do."""


def read_text(path: Path) -> str:
    """The file as text: UTF-8, also inside gzip (.gz), any line ending read as a newline."""
    try:
        data = path.read_bytes()
        data = gzip.decompress(data) if path.suffix == ".gz" else data
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise DataError(f"{path} is no whole gzip file: {error}") from None
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


@dataclass(frozen=True)
class Numbered:
    """A text as numbers.

    symbols  the separator, then every document with a separator at its end
    starts   True at each separator that begins a document; None where the state is carried across documents
    """

    symbols: Ints
    starts: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        """Symbols that are predicted: all but the first separator."""
        return len(self.symbols) - 1

    @classmethod
    def of(cls, texts: Sequence[str], vocab: Vocab, documents: str) -> Numbered:
        """The texts, whose documents are the files, the lines, or nothing that matters ("none")."""
        sep = vocab.separator
        parts = [vocab.encode(sep), *(vocab.encode(t if t.endswith(sep) else t + sep) for t in texts)]
        symbols = np.concatenate(parts)
        if documents == "none":
            return cls(symbols)
        ends = symbols == symbols[0]
        if documents == "line" and symbols[0] == vocab.unknown:
            raise DataError("the lines cannot be told apart: the vocabulary has no line end; give more lines of text")
        if documents == "file":
            ends = np.zeros(len(symbols), dtype=bool)
            ends[np.cumsum([len(p) for p in parts]) - 1] = True
        ends[-1] = False  # nothing follows it
        return cls(symbols, ends)

    def sequences(self) -> list[Ints]:
        """Each document with the separators at both its ends."""
        bounds = [*np.flatnonzero(self.starts), len(self)] if self.starts is not None else [0, len(self)]
        return [self.symbols[a : b + 1] for a, b in itertools.pairwise(bounds)]


@dataclass(frozen=True)
class Streams:
    """Contiguous streams side by side: symbols [rows, N + 1], of which N are predicted, and where documents begin."""

    symbols: Tensor
    starts: Tensor | None = None

    @classmethod
    def of(cls, text: Numbered, rows: int) -> Streams:
        """The text cut into `rows` equal streams; up to rows - 1 symbols at the end are dropped."""
        columns = len(text) // rows
        if columns < 1:
            raise DataError(f"the text has {len(text)} symbols, too few for {rows} rows; give more or set batch = 1")
        starts = None if text.starts is None else _rows(text.starts, rows, columns)
        return cls(_rows(text.symbols, rows, columns), starts)

    def __len__(self) -> int:
        return self.symbols.shape[1] - 1

    def rows(self, index: slice) -> Streams:
        """Some of the streams."""
        return Streams(self.symbols[index], None if self.starts is None else self.starts[index])

    def window(self, begin: int, first: int, last: int, advance: int | None = None) -> Batch:
        """Steps begin ... last - 1, of which those before `first` are read but do not count."""
        y = self.symbols[:, begin + 1 : last + 1]
        if begin < first:
            y = y.clone()
            y[:, : first - begin] = IGNORED
        resets = None if self.starts is None else self.starts[:, begin:last]
        return Batch(self.symbols[:, begin:last], y, resets=resets, advance=advance, fresh=begin == 0)


@dataclass(frozen=True)
class Windows:
    """How streams are cut.

    size   symbols of a window (k1)
    reach  symbols that a gradient goes back, at most (k2); beyond `size`, a window is read with what came before it,
           `reach` symbols in all
    vary   standard deviation of a window's size as a share of it; one in twenty is then half as long (Merity et al.
           2018, arXiv:1708.02182, sec. 5). 0: all alike
    seed   of the sizes, with the number of the pass
    """

    size: int
    reach: int = 0
    vary: float = 0.0
    seed: int = 0

    def bounds(self, length: int, number: int) -> list[int]:
        """Where the windows of pass `number` begin, and at last where the pass ends."""
        if not self.vary:
            return [*range(0, length, self.size), length]
        draw, found = random.Random(f"{self.seed} {number}"), [0]
        most = min(2 * self.size, self.reach) if self.reach > self.size else 2 * self.size
        while found[-1] < length:
            size = self.size * (1.0 if draw.random() < 0.95 else 0.5)
            size = max(1, self.size // 4, min(most, round(draw.gauss(size, self.vary * self.size))))
            found.append(min(length, found[-1] + size))
        return found

    def one_pass(self, streams: Streams, number: int = 0, first: int = 0) -> Iterator[Batch]:
        """The windows of one pass, each continuing the one before; `first` begins in the middle."""
        bounds = self.bounds(len(streams), number)
        begins = bounds[:-1]
        if self.reach > self.size:  # each window ends with symbols that count, and holds `reach` symbols
            begins = [max(0, end - self.reach) for end in bounds[1:]]
        for k in range(first, len(begins)):
            after = begins[k + 1] if k + 1 < len(begins) else bounds[-1]
            advance = after - begins[k] if after < bounds[k + 1] else None
            yield streams.window(begins[k], bounds[k], bounds[k + 1], advance)

    def endless(self, streams: Streams, step: int = 0) -> Iterator[Batch]:
        """Pass after pass. The batch depends on the step alone, so a run resumes by naming its step."""
        for number in itertools.count():
            count = len(self.bounds(len(streams), number)) - 1
            if step < count:
                yield from self.one_pass(streams, number, step)
            step = max(0, step - count)


def held_out(text: Numbered, rows: int, window: int, before: int = 0) -> Iterator[Batch]:
    """Every symbol of a text once, for evaluation: contiguous rows, each begun with the `before` symbols that stand
    before it in the text, which do not count. One row needs none and gives the exact value."""
    rows = max(1, min(rows, len(text) // max(1, 2 * before)))
    columns = -(-len(text) // rows)
    symbols = np.concatenate([np.full(before, text.symbols[0]), text.symbols, np.zeros(rows * columns, np.int64)])
    starts = np.zeros(len(symbols), dtype=bool)
    starts[before : before + len(text.symbols)] = False if text.starts is None else text.starts
    starts[before] = True  # the text's own beginning, also after the padding before it
    streams = Streams(_rows(symbols, rows, columns, before), _rows(starts, rows, columns, before))
    counted = torch.arange(1 - before, columns + 1) + torch.arange(0, rows * columns, columns).unsqueeze(1)
    counts = (counted >= 1) & (counted <= len(text)) & (torch.arange(before + columns) >= before)
    for first in range(0, before + columns, window):
        batch = streams.window(first, first, min(first + window, before + columns))
        y = torch.where(counts[:, first : first + window], batch.y, IGNORED)  # type: ignore[arg-type]
        yield Batch(batch.x, y, resets=batch.resets, fresh=first == 0)


def _rows(values: Ints | NDArray[np.bool_], rows: int, columns: int, before: int = 0) -> Tensor:
    """[rows, before + columns + 1]: each begins `columns` after the one above, and overlaps it by before + 1."""
    found: Tensor = torch.from_numpy(values[: before + rows * columns + 1])
    return found.unfold(0, before + columns + 1, columns)
