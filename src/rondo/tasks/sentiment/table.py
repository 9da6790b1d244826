"""Tables of texts, read row by row whatever their length.

    .csv .tsv   a header, then records; quoted fields may hold line ends
    .jsonl      a JSON object a line, or a text in quotes
    .txt        a text a line

What breaks a table (bytes of another encoding, a quote that is never closed) is an error that names the line. A row
that is whole but cannot be read (too many fields, no JSON) is kept, and says what is wrong with it.
"""

from __future__ import annotations

import contextlib
import csv
import itertools
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

from rondo.expr.graph import nearest
from rondo.tasks.sentiment.request import SentimentError

FORMATS = ("csv", "tsv", "jsonl", "txt")
DELIMITERS = {"csv": ",", "tsv": "\t"}
ENCODINGS = {
    "utf-8": "utf-8", "utf8": "utf-8", "utf-8-sig": "utf-8", "utf-8-bom": "utf-8",
    "gb18030": "gb18030", "gbk": "gb18030", "gb2312": "gb18030", "cp936": "gb18030",
    "big5": "big5hkscs", "big5hkscs": "big5hkscs", "big5-hkscs": "big5hkscs", "cp950": "big5hkscs",
}  # fmt: skip
LINE = 1 << 21  # bytes of a line
FIELD = 1 << 20  # characters of a field
FIELDS = 1000  # of a JSON object or a header
BOM, UTF16 = b"\xef\xbb\xbf", (b"\xff\xfe", b"\xfe\xff")
TEXT = "text"  # the column that is read unless another is named


class Row(NamedTuple):
    """A row: the line that it begins in, its fields by name, its text, and what is wrong with it."""

    line: int
    fields: dict[str, Any]
    text: str
    error: str = ""


class Table:
    """An open file of texts.

    name      what errors call it
    columns   of the rows so far; of a CSV the header's, known once the first row was asked for
    marked    whether the file begins with a byte order mark
    """

    def __init__(self, name: str, file: IO[bytes], format: str, column: str = "", encoding: str = "utf-8") -> None:
        if format not in FORMATS:
            hint = nearest(format, list(FORMATS))
            raise SentimentError(
                f"读不了 {format!r} 文件，可用 {'、'.join(FORMATS)} / "
                f"{format!r} files are not read: one of {', '.join(FORMATS)}{hint}"
            )
        if encoding.lower() not in ENCODINGS:
            hint = nearest(encoding, list(ENCODINGS))
            raise SentimentError(
                f"没有 {encoding!r} 这种编码，可用 utf-8、gb18030、big5 / "
                f"no encoding is called {encoding!r}{hint}: one of utf-8, gb18030, big5"
            )
        self.name, self.file, self.format, self.column = name, file, format, column
        self.encoding = ENCODINGS[encoding.lower()]
        self.columns: list[str] = []
        self.delimiter = DELIMITERS.get(format, ",")
        self.marked = False
        self._line = 0  # that was read last

    def rows(self) -> Iterator[Row]:
        """The rows, one after another. Raises SentimentError where the table is broken."""
        read: dict[str, Callable[[], Iterator[Row]]] = {"txt": self._texts, "jsonl": self._objects}
        return read.get(self.format, self._records)()

    def _texts(self) -> Iterator[Row]:
        self.columns = [self.column or TEXT]
        for line in self._lines():
            text = line.rstrip("\r\n")
            yield Row(self._line, {self.columns[0]: text}, text)

    def _lines(self) -> Iterator[str]:
        """The lines with their ends. In these encodings no byte of a line end is part of another character."""
        for self._line in itertools.count(1):
            line = self.file.readline(LINE + 1)
            if self._line == 1:
                line = self._unmarked(line)
            if not line:
                return
            if len(line) > LINE:
                raise self._broken(
                    self._line, f"这一行超过 {LINE >> 20} MB", f"a line of more than {LINE >> 20} MB: this is no table"
                )
            try:
                yield line.decode(self.encoding)
            except UnicodeDecodeError as error:
                raise self._undecoded(line, line[error.start]) from None

    def _unmarked(self, line: bytes) -> bytes:
        """The first line without its byte order mark."""
        if line.startswith(UTF16):
            raise self._broken(1, "这是 UTF-16 文件，请另存为 UTF-8", "this is a UTF-16 file: save it as UTF-8")
        self.marked = self.encoding == "utf-8" and line.startswith(BOM)
        return line.removeprefix(BOM) if self.marked else line

    def _undecoded(self, line: bytes, byte: int) -> SentimentError:
        others = [n for n in ("utf-8", "gb18030", "big5") if ENCODINGS[n] != self.encoding and _decodes(line, n)][:1]
        zh = "".join(f"；若是 {n}，请指明编码 {n}（--encoding {n}）" for n in others)
        en = "".join(f"; if it is {n}, say so: --encoding {n}" for n in others)
        return self._broken(
            self._line,
            f"不是 {self.encoding} 文本（字节 0x{byte:02x}）{zh}",
            f"not {self.encoding} text (byte 0x{byte:02x}){en}",
        )

    def _broken(self, line: int, zh: str, en: str) -> SentimentError:
        return SentimentError(f"{self.name} 第 {line} 行：{zh} / {self.name}, line {line}: {en}")

    def _objects(self) -> Iterator[Row]:
        self.column = self.column or TEXT
        for line in self._lines():
            row = self._object(line.rstrip("\r\n")) if line.strip() else Row(self._line, {}, "")
            self.columns += [name for name in row.fields if name not in self.columns][: FIELDS - len(self.columns)]
            yield row

    def _object(self, line: str) -> Row:
        try:
            found = json.loads(line)
        except (ValueError, RecursionError) as error:
            reason = error.msg if isinstance(error, json.JSONDecodeError) else str(error)
            return Row(self._line, {self.column: line}, "", f"不是 JSON / not JSON: {reason}")
        found = {self.column: found} if isinstance(found, str) else found
        if not isinstance(found, dict) or len(found) > FIELDS:
            return Row(self._line, {self.column: line}, "", "不是 JSON 对象 / not a JSON object")
        text = found.get(self.column)
        if not isinstance(text, str):
            return Row(self._line, found, "", f"没有文字栏 {self.column!r} / no text under {self.column!r}")
        return Row(self._line, found, text)

    def _records(self) -> Iterator[Row]:
        csv.field_size_limit(max(csv.field_size_limit(), FIELD))
        lines = self._lines()
        header = next(lines, "")
        if not header.strip():
            raise self._broken(1, "没有表头", "there is no header that names the columns")
        self.delimiter = self._delimiter(header)
        reader = csv.reader(itertools.chain([header], lines), delimiter=self.delimiter, strict=True)
        self._name(self._record(reader, 1) or [])
        while (cells := self._record(reader, begun := self._line + 1)) is not None:
            found = dict(zip(self.columns, cells, strict=False))
            if not cells or len(cells) == len(self.columns):
                yield Row(begun, found, found.get(self.column, ""))
            else:
                n, m = len(cells), len(self.columns)
                more = f": {json.dumps(cells[m:], ensure_ascii=False)}" if n > m else ""
                yield Row(begun, found, "", f"有 {n} 栏，表头有 {m} 栏 / {n} fields, the header has {m}{more}")

    def _record(self, reader: Iterator[list[str]], begun: int) -> list[str] | None:
        """The next record, which begins in that line; None at the end."""
        try:
            return next(reader, None)
        except csv.Error as error:
            if "unexpected end" in str(error) or "field limit" in str(error):
                raise self._broken(begun, "引号没有关上", "a quote that is opened here is never closed") from None
            raise self._broken(self._line, f"表格有误（{error}）", f"a broken table ({error})") from None

    def _delimiter(self, header: str) -> str:
        """What divides the header so that it names the column that is wanted; else, into most fields."""

        def names(delimiter: str) -> list[str]:
            with contextlib.suppress(csv.Error):
                return [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
            return []

        usual, wanted = DELIMITERS[self.format], self.column or TEXT
        return max((usual, ";", "\t"), key=lambda d: (wanted in names(d), len(names(d))))

    def _name(self, header: Sequence[str]) -> None:
        """Name all columns, none twice, and find the one that holds the texts: by its name, or by its number."""
        for number, name in enumerate(header[:FIELDS], 1):
            self.columns.append(free(name.strip() or f"column {number}", self.columns))
        wanted = self.column or TEXT
        if wanted not in self.columns and wanted.isdecimal() and 1 <= int(wanted) <= len(self.columns):
            wanted = self.columns[int(wanted) - 1]
        if wanted not in self.columns and not self.column and len(self.columns) == 1:
            wanted = self.columns[0]
        if wanted not in self.columns:
            hint = nearest(wanted, self.columns)
            raise SentimentError(
                f"{self.name} 没有叫 {wanted!r} 的栏，有：{'、'.join(self.columns)}（用 --column 选） / "
                f"{self.name} has no column {wanted!r}{hint}; choose one by --column: {', '.join(self.columns)}"
            )
        self.column = wanted


def format_of(path: Path | str, otherwise: str = "") -> str:
    """A table's format from its name; one that has none of FORMATS is `otherwise`."""
    ending = Path(path).suffix.lower().removeprefix(".")
    return ending if ending in FORMATS else otherwise or ending


def free(name: str, taken: Sequence[str]) -> str:
    """The name, or with the first number that makes it another than those taken."""
    numbered = (f"{name} {n}" for n in itertools.count(2))
    return next(n for n in itertools.chain([name], numbered) if n not in taken)


def _decodes(line: bytes, encoding: str) -> bool:
    try:
        line.decode(ENCODINGS[encoding])
    except UnicodeDecodeError:
        return False
    return True
