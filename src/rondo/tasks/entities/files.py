"""Files of text in, files of entities out: `rondo entities --file`.

In: plain text (.txt and all others), JSON lines with `text` or `tokens` (.jsonl), CoNLL with a token a line (.conll,
.bio, .iob2; whatever tags it has are not looked at); also gzipped, UTF-8. Out, by the name: JSON lines with a record a
sentence, or CoNLL with BIO tags; written aside and renamed. Nothing is held but the sentences that are read at once.
"""

from __future__ import annotations

import contextlib
import gzip
import io
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any, cast

from rondo.data.read import json_lines, read_lines
from rondo.data.text import DataError
from rondo.files import writing_aside
from rondo.tasks.entities.finder import Finder, Piece
from rondo.tasks.entities.labels import Span, bio
from rondo.tasks.entities.lexicon import Lexicon
from rondo.tasks.entities.request import Entity, Entry
from rondo.tasks.entities.text import tokens_of

CONLL = {".conll", ".conllu", ".bio", ".iob", ".iob2", ".bioes"}
JSON = {".jsonl", ".ndjson"}
BLOCK = 1 << 16
Said = Callable[[int], None]  # told how many more bytes have been read


def _nothing(_: int) -> None:
    """Nobody is told."""


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def kind_of(path: Path) -> str:
    """What a file holds, by its name: text, jsonl or conll."""
    suffixes = {s.lower() for s in path.suffixes}
    return "conll" if suffixes & CONLL else "jsonl" if suffixes & JSON else "text"


def read_dictionary(path: Path) -> list[Entry]:
    """A user's dictionary: a name a line and its type behind a tab (nothing behind it: never an entity). Raises
    DataError naming the line."""
    found = []
    for number, line in read_lines(path):
        if not line.strip():
            continue
        name, tab, kind = line.partition("\t")
        if not tab or not name.strip() or "\t" in kind or len(name) > 200:
            raise DataError(
                f"{path}:{number}: 一行是词条、制表符、类型 / a line is a name, a tab and a type; found {line[:60]!r}"
            )
        found.append(Entry(text=name.strip(), type=kind.strip()))
    return found


def find_in_file(
    finder: Finder, path: Path, out: Path, dictionary: Lexicon | None = None, said: Said = _nothing
) -> int:
    """Find the names in a file and write them to `out`; how many. Raises DataError naming the line, and FileError."""
    write = _conll_lines if kind_of(out) == "conll" else _json_lines
    reads = {"text": _from_text, "jsonl": _from_json, "conll": _from_conll}[kind_of(path)]
    count = 0
    with writing_aside(out, "") as raw, _packed(raw, out) as file:
        for start, text, entities, tokens in reads(finder, path, dictionary, said):
            count += len(entities)
            file.writelines(line.encode() for line in write(finder, start, text, entities, tokens))
    return count


def _packed(file: IO[bytes], out: Path) -> contextlib.AbstractContextManager[IO[bytes]]:
    """The file itself, or one that packs what is written into it."""
    if out.suffix == ".gz":
        return cast(contextlib.AbstractContextManager[IO[bytes]], gzip.GzipFile(fileobj=file, mode="wb"))
    return contextlib.nullcontext(file)


Row = tuple[int, str, list[Entity], list[tuple[int, int]] | None]  # place, text, entities, tokens where they are given


def _from_text(finder: Finder, path: Path, dictionary: Lexicon | None, said: Said) -> Iterator[Row]:
    for start, text, entities in finder.stream(_blocks(path, said), dictionary):
        yield start, text, entities, None


def _blocks(path: Path, said: Said) -> Iterator[str]:
    """A file as it is, line ends too, so that places are those of the file's text."""
    line = 1
    with (
        cast(IO[bytes], gzip.open(path) if path.suffix == ".gz" else path.open("rb")) as raw,
        io.TextIOWrapper(raw, encoding="utf-8", newline="") as file,
    ):
        try:
            while block := file.read(BLOCK):
                said(_bytes(block))
                yield block
                line += block.count("\n")
        except (UnicodeDecodeError, EOFError, gzip.BadGzipFile) as error:
            raise DataError(
                f"{path}:{line}: 不是 UTF-8 文字，请先转换编码 / behind line {line} it is no UTF-8 text ({error}): "
                "convert it first, e.g. with iconv -f GB18030 -t UTF-8"
            ) from None


def _from_json(finder: Finder, path: Path, dictionary: Lexicon | None, said: Said) -> Iterator[Row]:
    def pieces() -> Iterator[Piece]:
        for number, line, record in json_lines(path):
            said(_bytes(line))
            if isinstance(record.get("text"), str):
                yield finder.piece(record["text"], dictionary)
            elif isinstance(record.get("tokens"), list) and all(isinstance(t, str) for t in record["tokens"]):
                yield finder.joined(record["tokens"], dictionary)
            else:
                raise DataError(f"{path}:{number}: 缺少 text 或 tokens / a record has a text, or a list of tokens")

    return _found(finder, pieces())


def _from_conll(finder: Finder, path: Path, dictionary: Lexicon | None, said: Said) -> Iterator[Row]:
    def pieces() -> Iterator[Piece]:
        tokens: list[str] = []
        for _, line in read_lines(path):
            said(_bytes(line) + 1)
            if line.strip():
                tokens.append((line.split("\t") if "\t" in line else line.split())[0])
            elif tokens:
                yield finder.joined(tokens, dictionary)
                tokens = []
        if tokens:
            yield finder.joined(tokens, dictionary)

    return _found(finder, pieces())


def _found(finder: Finder, pieces: Iterable[Piece]) -> Iterator[Row]:
    for piece, entities in finder.pieces(pieces):
        yield piece.start, piece.text, entities, piece.places


def _json_lines(
    finder: Finder, start: int, text: str, entities: list[Entity], tokens: list[tuple[int, int]] | None
) -> Iterator[str]:
    if not text.strip():
        return
    record: dict[str, Any] = {"start": start, "text": text, "entities": []}
    for e in entities:
        record["entities"].append({"start": e.start, "end": e.end, "text": e.text, "type": e.type, "p": round(e.p, 4)})
        if e.by != "model":
            record["entities"][-1]["by"] = e.by
    yield json.dumps(record, ensure_ascii=False) + "\n"


def _conll_lines(
    finder: Finder, start: int, text: str, entities: list[Entity], tokens: list[tuple[int, int]] | None
) -> Iterator[str]:
    places = tokens_of(text, finder.language) if tokens is None else tokens
    own: list[Span] = []
    for e in entities:
        inside = [t for t, (a, b) in enumerate(places) if e.start <= a + start and b + start <= e.end]
        if inside:
            own.append((inside[0], inside[-1] + 1, e.type))
    for (a, b), tag in zip(places, bio(own, len(places)), strict=True):
        yield f"{text[a:b]}\t{tag}\n"
    if places:
        yield "\n"


def beginning(path: Path) -> str:
    """The first characters of a file: enough to tell its language."""
    return next(_blocks(path, _nothing), "")[:10_000]
