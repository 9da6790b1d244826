"""Named entities: upstream's own files -> the documented format, one function for each data set."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from rondo.data.convert_parts import Row, split_of, write_splits
from rondo.data.output import Output, drawn
from rondo.data.read import json_objects, read_lines, text
from rondo.data.registry import DataSetError

TAG = re.compile(r"O|[BMESI]-[A-Za-z][A-Za-z.-]*")
POSITION = re.compile(r"(?<=.)[0-9]$")
TENTH = 10  # percent of CLUENER's train that is valid
UNER = ("PER", "LOC", "ORG")
Read = Callable[[str], tuple[str, str]]  # a line -> token and tag


def blocks(file: Path) -> Iterator[list[tuple[int, str]]]:
    """The lines of a file with their numbers, parted at blank lines."""
    block: list[tuple[int, str]] = []
    for number, line in read_lines(file):
        if line.strip():
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def sentence(block: list[tuple[int, str]], file: Path, read: Read, **more: Any) -> Row:
    """A record of the documented format, from lines that hold a token and its tag each."""
    tokens, tags = [], []
    for number, line in block:
        token, tag = read(line)
        if not TAG.fullmatch(tag):
            raise DataSetError(f"{file}:{number}: a token and its tag are expected (O, B-LOC, ...), not {line[:40]!r}")
        tokens.append(token)
        tags.append(tag)
    return tagged(tokens, mended(tags), **more)


def tagged(tokens: list[str], tags: list[str], **more: Any) -> Row:
    """The record of a sentence; its text tells it from others."""
    return Row("".join(tokens), {"tokens": tokens, "tags": tags} | more)


def mended(tags: list[str]) -> list[str]:
    """BMES or BIO tags as BIO: M and E become I, S becomes B, and so does an I that goes on with no entity of its
    type."""
    found: list[str] = []
    for tag in tags:
        kind = tag[1:]
        inside = tag[0] in "MEI" and found and found[-1] != "O" and found[-1][1:] == kind
        found.append("O" if tag == "O" else ("I" if inside else "B") + kind)
    return found


def behind(separator: str) -> Read:
    """Reads a token and, behind the last separator, its tag."""

    def read(line: str) -> tuple[str, str]:
        token, _, tag = line.rpartition(separator)
        return token, tag

    return read


def _columns(sources: Mapping[str, Path], read: Read, output: Output) -> None:
    write_splits({split_of(path): partial(_rows, file, read) for path, file in sources.items()}, output)


def _rows(file: Path, read: Read) -> Iterator[Row]:
    for block in blocks(file):
        yield sentence(block, file, read)


def resume(sources: Mapping[str, Path], output: Output) -> None:
    """`{train,dev,test}.char.bmes` -> `{train,valid,test}.jsonl.gz`."""
    _columns(sources, behind(" "), output)


def weibo(sources: Mapping[str, Path], output: Output) -> None:
    """`weiboNER_2nd_conll.{train,dev,test}` -> `{train,valid,test}.jsonl.gz`; the digit behind a character, its place
    in the word, is removed."""

    def read(line: str) -> tuple[str, str]:
        token, tag = behind("\t")(line)
        return POSITION.sub("", token), tag

    _columns(sources, read, output)


def wnut17(sources: Mapping[str, Path], output: Output) -> None:
    """`wnut17train.conll`, `emerging.{dev.conll,test.annotated}` -> `{train,valid,test}.jsonl.gz`."""
    _columns(sources, behind("\t"), output)


# ---- Broad Twitter Corpus: a file for each of six sections


def broad_twitter(sources: Mapping[str, Path], output: Output) -> None:
    """`{a,b,e,f,g,h}.conll` -> `{train,valid,test}.jsonl.gz`: f is test, the second half of h valid, the rest train."""
    sections = {PurePosixPath(path).stem: file for path, file in sources.items()}
    half = sum(1 for _ in blocks(sections["h"])) // 2 if "h" in sections else 0
    splits = {"train": partial(_tweets, sections, "abegh", 0, half)}
    if "h" in sections:
        splits["valid"] = partial(_tweets, sections, "h", half, None)
    if "f" in sections:
        splits["test"] = partial(_tweets, sections, "f", 0, None)
    write_splits(splits, output)


def _tweets(sections: Mapping[str, Path], names: str, first: int, last: int | None) -> Iterator[Row]:
    """The tweets of these sections; of h those from `first` to before `last`."""
    for name in (name for name in names if name in sections):
        bounds = (first, last) if name == "h" else (0, None)
        for block in islice(blocks(sections[name]), *bounds):
            yield sentence(block, sections[name], _tweet, section=name)


def _tweet(line: str) -> tuple[str, str]:
    token, tag = behind("\t")(line)
    return token, tag.upper()


# ---- Universal NER: numbered tokens, with lines of comment before each sentence


def universal_ner(sources: Mapping[str, Path], output: Output) -> None:
    """`en_ewt-ud-{train,dev,test}.iob2` -> `{train,valid,test}.jsonl.gz`; other types than PER, LOC, ORG become O."""
    write_splits({split_of(path): partial(_documents, file) for path, file in sources.items()}, output)


def _documents(file: Path) -> Iterator[Row]:
    for block in blocks(file):
        comments = [line for _, line in block if line.startswith("#")]
        names = [line.partition("sent_id = ")[2] for line in comments if "sent_id = " in line]
        if not names:
            raise DataSetError(f"{file}:{block[0][0]}: a sentence without a line # sent_id = ...")
        words = [(number, line) for number, line in block if not line.startswith("#")]
        yield sentence(words, file, _numbered, doc=names[0].rpartition("-")[0])


def _numbered(line: str) -> tuple[str, str]:
    _, token, tag, *_ = [*line.split("\t"), "", ""]
    return token, tag if tag[2:] in UNER or not TAG.fullmatch(tag) else "O"


# ---- CLUENER: JSON objects with the spans of each type


def cluener(sources: Mapping[str, Path], output: Output) -> None:
    """`train.json` -> `train.jsonl.gz` and, a tenth by SHA-1, `valid.jsonl.gz`; `dev.json` -> `test.jsonl.gz`."""
    splits = {}
    for path, file in sources.items():
        for split in ("train", "valid") if split_of(path) == "train" else ("test",):
            splits[split] = partial(_news, file, split)
    write_splits(splits, output)


def _news(file: Path, split: str) -> Iterator[Row]:
    for number, record in json_objects(file):
        where = f"{file}:{number}"
        written = text(record, "text", where)
        if split == "test" or drawn(written.encode(errors="replace").decode(), {"valid": TENTH}) == split:
            yield tagged(list(written), _span_tags(record.get("label"), len(written), where))


def _span_tags(label: Any, length: int, where: str) -> list[str]:
    """BIO tags of `{type: {text: [[first, last], ...]}}`; of spans that overlap the first and longest is kept."""
    tags = ["O"] * length
    for first, last, kind in sorted(_spans(label, length, where), key=lambda span: (span[0], -span[1])):
        if set(tags[first : last + 1]) == {"O"}:
            tags[first : last + 1] = [f"B-{kind}"] + [f"I-{kind}"] * (last - first)
    return tags


def _spans(label: Any, length: int, where: str) -> list[tuple[int, int, str]]:
    try:
        found = [
            (first, last, kind) for kind, texts in label.items() for spans in texts.values() for first, last in spans
        ]
    except (AttributeError, TypeError, ValueError):
        raise DataSetError(f"{where}: label should be types with texts with lists of [first, last]") from None
    for first, last, kind in found:
        if not (isinstance(first, int) and isinstance(last, int) and 0 <= first <= last < length):
            raise DataSetError(f"{where}: the span {[first, last]} of {kind!r} is not within the text")
    return found
