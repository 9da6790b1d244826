"""Upstream's own files -> the documented format, one function for each data set.

Files are read line by line or record by record. Memory does not grow with their length, but for the checksums of the
records seen (to find repeated ones, about 100 bytes each) and the lines of the held-out ones. Only files that the
catalogue lists are read or written.
"""

from __future__ import annotations

import hashlib
import html
import itertools
import json
import re
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from rondo.data import convert_entities as entities
from rondo.data import convert_sentiment as sentiment
from rondo.data.catalog import DataSet
from rondo.data.convert_parts import same
from rondo.data.output import HeldOut, Output, Record, drawn, number, write_apart
from rondo.data.read import LARGEST, json_array, json_lines, lines_of, read_lines, read_whole, text, texts
from rondo.data.registry import MANIFEST, DataSetError

Sources = Mapping[str, Path]  # upstream's path -> the file here
TEST, VALID = 10, 2  # percent of the records
LANGUAGES = ("en", "fr", "de")


def locate(data_set: DataSet, given: Path) -> dict[str, Path]:
    """Which of upstream's files a folder holds: under upstream's path, or the end of it down to the bare name. Or the
    one file that is given. DataSetError names what is looked for where there is none."""
    if data_set.raw is None:
        raise DataSetError(f"{data_set.name} has no converter. {data_set.how}")
    paths = [PurePosixPath(source.path) for source in data_set.raw.files]
    found: dict[Path, str] = {}
    for path in paths:
        ends = [given.joinpath(*path.parts[k:]) for k in range(len(path.parts))]
        places = [given] if given.is_file() and given.name == path.name else ends
        place = next((p for p in places if p not in found and p.is_file()), None)
        if place is not None:
            found[place] = str(path)
    if not found:
        names = ", ".join(str(path) for path in paths[:4]) + (", ..." if len(paths) > 4 else "")
        what = "is none of" if given.is_file() else "has none of" if given.is_dir() else "does not exist; it should be"
        raise DataSetError(f"{given} {what} upstream's files of {data_set.name}: {names}")
    return {path: place for place, path in found.items()}


def convert(data_set: DataSet, sources: Sources, folder: Path, force: bool = False) -> dict[str, Any]:
    """Write `folder/NAME/` from upstream's files, as `locate` found them, and beside the files a manifest, which is
    also returned:

    {"name", "from": {upstream's path: SHA-256}, "files": {name: {"records", "sha256" of the content}},
    "dropped": {why: how many}, "notes": [what a reader of the data should know]}

    DataSetError where a file is not in upstream's format (it names the file and the line), or where the folder has
    files of the data set and `force` is not set; what stands there is kept then.
    """
    own = folder / data_set.name
    there = check_free(data_set, folder, force)
    own.mkdir(parents=True, exist_ok=True)
    with Output(own) as output:
        CONVERTERS[data_set.name](sources, output)
        checksums = {path: _sha256(file) for path, file in sources.items()}
        output.notes += _remarks(data_set, checksums)
        left = [name for name in there if name not in output.summary()["files"]]
        if left:
            output.notes.append(f"as they were before: {', '.join(left)}")
        manifest = {"name": data_set.name, "from": checksums, **output.summary()}
        output.write(MANIFEST, json.dumps(manifest, ensure_ascii=False, indent=1) + "\n")
    return manifest


def check_free(data_set: DataSet, folder: Path, force: bool) -> list[str]:
    """The files of the data set that stand in `folder/NAME/` already: DataSetError unless `force` allows to replace
    them."""
    own = folder / data_set.name
    there = [file.name for file in data_set.files if (own / file.name).exists()]
    if there and not force:
        raise DataSetError(f"{own} has {', '.join(there)} already: name another folder, or replace them with --force")
    return there


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _remarks(data_set: DataSet, checksums: Mapping[str, str]) -> Iterator[str]:
    """In what the files at hand are not upstream's."""
    wanted = data_set.raw.files if data_set.raw else ()
    for source in wanted:
        if source.sha256 and checksums.get(source.path, source.sha256) != source.sha256:
            yield f"{source.path} is not the file that is recorded: SHA-256 {checksums[source.path]}"
    if len(checksums) < len(wanted):
        yield f"made of {len(checksums)} of upstream's {len(wanted)} files"


# ---- CCPC: a JSON object a line, kept as it is


def ccpc(sources: Sources, output: Output) -> None:
    """`ccpc_{train,valid,test}_v1.0.json` -> `{train,valid,test}.jsonl.gz`, lines unchanged."""
    for path, file in sources.items():
        part = PurePosixPath(path).name.split("_")[1]
        for line, written, poem in json_lines(file):
            for key in ("dynasty", "author", "content", "title", "keywords"):
                text(poem, key, f"{file}:{line}")
            output.write(f"{part}.jsonl.gz", written + "\n")


# ---- chinese-poetry: arrays of poems, punctuated, in traditional characters

FORMS = {(4, 5): "五绝", (4, 7): "七绝", (8, 5): "五律", (8, 7): "七律"}
DYNASTIES = {"tang": "唐", "song": "宋"}
NOTES = re.compile(r"（[^（）]*）|\([^()]*\)|〔[^〔〕]*〕|〖[^〖〗]*〗|【[^【】]*】|\[[^\[\]]*\]")
MARKS = re.compile(r"[，。！？；：、,.!?;:\s]+")
LOST = frozenset("□■○●")


def tang_song_poems(sources: Sources, output: Output) -> None:
    """`poet.{tang,song}.*.json` -> `{train,valid,test}.jsonl.gz`.

    A poem goes to the split of a poem of CCPC valid or test that it shares two lines with, if these lie beside; else
    its SHA-1 draws one.
    """
    beside = {}
    for part in ("test", "valid"):
        file = output.folder.parent / "ccpc" / f"{part}.jsonl.gz"
        if file.is_file():
            beside[part] = _ccpc_poems(file)
        else:
            output.notes.append(f"ccpc/{part}.jsonl.gz was not there: its poems are not kept out of train")
    records = _poem_records(_poems(sources, output.dropped), beside)
    write_apart(records, output, ["test", "valid", "train"], 2, "{}.jsonl.gz")


def _ccpc_poems(path: Path) -> HeldOut:
    held = HeldOut(2)
    for line, _, poem in json_lines(path):
        held.add(text(poem, "content", f"{path}:{line}").split("|"))
    return held


def _poem_records(poems: Iterator[dict[str, Any]], beside: Mapping[str, HeldOut]) -> Iterator[Record]:
    for poem in poems:
        lines = poem["content"].split("|")
        part = next((part for part, held in beside.items() if held.near(lines)), "")
        part = part or drawn(poem["content"], {"test": TEST, "valid": VALID})
        yield Record(part, lines, json.dumps(poem, ensure_ascii=False, separators=(",", ":")) + "\n")


def _poems(sources: Sources, dropped: Counter[str]) -> Iterator[dict[str, Any]]:
    """The poems that are kept, each once, in the documented format."""
    from rondo.verse.script import simplify

    seen: set[int] = set()
    for path, file in sources.items():
        dynasty = DYNASTIES[PurePosixPath(path).name.split(".")[1]]
        for line, poem in json_array(file):
            where = f"{file}:{line}"
            lines, fault = verse_lines("\n".join(texts(poem, "paragraphs", where)))
            content = simplify("|".join(lines))
            fault = fault or ("repeated" if number(content) in seen else "")
            if fault:
                dropped[fault] += 1
                continue
            seen.add(number(content))
            title, author = (simplify(text(poem, key, where)) for key in ("title", "author"))
            form = FORMS[len(lines), len(lines[0])]
            kept = {"title": title, "author": author, "dynasty": dynasty, "form": form, "content": content}
            yield kept | ({"tags": texts(poem, "tags", where)} if poem.get("tags") else {})


def verse_lines(punctuated: str) -> tuple[list[str], str]:
    """The lines of a poem, and why it is left out: "" where it has one of the four shapes."""
    from rondo.verse.script import is_han

    lines = [line for line in MARKS.split(without_notes(punctuated)) if line]
    characters = "".join(lines)
    if not lines:
        return [], "empty"
    if LOST & set(characters):
        return [], "lost characters"
    if not all(map(is_han, characters)):
        return [], "signs that are no characters"
    if len({len(line) for line in lines}) > 1 or (len(lines), len(lines[0])) not in FORMS:
        return [], "other shapes"
    return lines, ""


def without_notes(written: str) -> str:
    """A text without what stands in brackets, also brackets within brackets."""
    while (shorter := NOTES.sub("", written)) != written:
        written = shorter
    return written


# ---- couplets: two files that go line for line, characters separated by blanks

COLUMNS = "up\tdown\tkind\tsource\n"


def couplets(sources: Sources, output: Output) -> None:
    """`{train,test}/{in,out}.txt` -> `train.tsv.gz` and `valid.tsv.gz`, `test_wb14123.tsv.gz`."""
    pairs = {part: [f"couplets/{part}/{name}.txt" for name in ("in", "out")] for part in ("test", "train")}
    given = {part: pair for part, pair in pairs.items() if part == "train" or sources.keys() & set(pair)}
    for path in (path for pair in given.values() for path in pair if path not in sources):
        raise DataSetError(f"{path} is missing: in.txt and out.txt are read together, line for line")
    output.write("train.tsv.gz", COLUMNS, 0)
    output.write("valid.tsv.gz", COLUMNS, 0)
    if "test" in given:
        output.write("test_wb14123.tsv.gz", "up\tdown\n", 0)
    else:
        output.notes.append("test/in.txt and out.txt were not there: their lines are not kept out of train")
    records = (
        _couplet_record(part, *pair)
        for part, (up, down) in given.items()
        for pair in _unique_pairs(sources[up], sources[down], output.dropped)
    )
    write_apart(records, output, ["test_wb14123", "valid", "train"], 1, "{}.tsv.gz")


def _couplet_record(part: str, up: str, down: str) -> Record:
    if part == "test":
        return Record("test_wb14123", [up, down], f"{up}\t{down}\n")
    return Record(drawn(up, {"valid": VALID}), [up, down], f"{up}\t{down}\t\twb14123\n")


def _unique_pairs(up: Path, down: Path, dropped: Counter[str]) -> Iterator[tuple[str, str]]:
    seen: set[int] = set()
    for first, second in itertools.zip_longest(read_lines(up), read_lines(down)):
        if first is None or second is None:
            short, line = (down, first[0]) if first else (up, second[0])
            raise DataSetError(f"{short}:{line}: the file ends here, but {up} and {down} must have equally many lines")
        pair, fault = couplet(first[1], second[1])
        fault = fault or ("repeated" if number("\t".join(pair)) in seen else "")
        if fault:
            dropped[fault] += 1
        else:
            seen.add(number("\t".join(pair)))
            yield pair


def couplet(first: str, second: str) -> tuple[tuple[str, str], str]:
    """The pair as it is kept, the line that ends 仄 first, and why it is left out ("" where it is not)."""
    from rondo.verse.script import is_han

    up, down = _couplet_line(first), _couplet_line(second)
    bare = up.replace("，", ""), down.replace("，", "")
    if not all(bare):
        return bare, "empty"
    if LOST & set("".join(bare)):
        return bare, "lost characters"
    if not all(map(is_han, "".join(bare))):
        return bare, "signs that are no characters"
    if len(bare[0]) != len(bare[1]):
        return bare, "unequal length"
    if not 2 <= len(bare[0]) <= 40:
        return bare, "shorter than 2 or longer than 40"
    pair = (up, down) if [c == "，" for c in up] == [c == "，" for c in down] else bare
    return (pair[1], pair[0]) if _ends(pair) == ("平", "仄") else pair, ""


def _couplet_line(written: str) -> str:
    """Simplified, without blanks and notes, every mark a comma, none at the ends."""
    from rondo.verse.script import simplify

    return MARKS.sub("，", without_notes("".join(simplify(written).split()))).strip("，")


def _ends(pair: tuple[str, str]) -> tuple[str, ...]:
    """The tones of the last characters in 平水韵: 平, 仄, or both or none of them."""
    from rondo.verse.books import book

    return tuple("".join(sorted(book("pingshui").tones(line[-1]))) for line in pair)


# ---- texts of language models


def penn_treebank(sources: Sources, output: Output) -> None:
    """`ptb.{train,valid,test}.txt` in `ptb.zip`, the blanks at both ends of a line removed."""
    (file,) = sources.values()
    try:
        with zipfile.ZipFile(file) as archive:
            members = {PurePosixPath(member.filename).name: member for member in archive.infolist()}
            for part in ("train", "valid", "test"):
                member = members.get(f"ptb.{part}.txt")
                if member is None or member.file_size > LARGEST:
                    raise DataSetError(f"{file} has no ptb.{part}.txt, or a much larger one")
                with archive.open(member) as unpacked:
                    for _, line in lines_of(unpacked, file / f"ptb.{part}.txt"):
                        output.write(f"{part}.txt.gz", line.strip(" ") + "\n")
    except (zipfile.BadZipFile, NotImplementedError, RuntimeError) as error:  # the latter: encrypted, odd packing
        raise DataSetError(f"{file} cannot be unpacked: {error}") from None


def shakespeare(sources: Sources, output: Output) -> None:
    """One text, cut into 80, 10 and 10 percent of its characters."""
    (file,) = sources.values()
    _cut(read_whole(file), output)


def war_and_peace(sources: Sources, output: Output) -> None:
    """Project Gutenberg's file -> the novel alone, runs of empty lines to one, cut likewise."""
    (file,) = sources.values()
    found = re.search(r"^BOOK ONE: 1805\n.*?(?=\s*^End of the Project Gutenberg)", read_whole(file), re.M | re.S)
    if not found:
        raise DataSetError(f"{file} is not Project Gutenberg's no. 2600: no line BOOK ONE: 1805, or no end")
    _cut(re.sub(r"\n{3,}", "\n\n", found[0]) + "\n", output)


def _cut(whole: str, output: Output) -> None:
    bounds = [0, len(whole) * 8 // 10, len(whole) * 9 // 10, len(whole)]
    for part, (begin, end) in zip(("train", "valid", "test"), itertools.pairwise(bounds), strict=True):
        piece = whole[begin:end]
        output.write(f"{part}.txt.gz", piece, piece.count("\n"))


# ---- Multi30k: a file for each language, line for line


def multi30k(sources: Sources, output: Output) -> None:
    """`{train,val,test_*}.{en,fr,de}.gz` -> `{train,valid,test_*}.tsv.gz`; a row of train is dropped where one of its
    sentences is in another file."""
    groups: dict[str, dict[str, Path]] = {}
    for path, file in sources.items():
        part, language = PurePosixPath(path).name.split(".")[:2]
        groups.setdefault("valid" if part == "val" else part, {})[language] = file
    held: set[tuple[str, int]] = set()
    for part in sorted(groups, key=lambda part: part == "train"):
        output.write(f"{part}.tsv.gz", "\t".join(LANGUAGES) + "\n", 0)
        for row in _captions(part, groups[part]):
            keys = {(language, same(text)) for language, text in zip(LANGUAGES, row, strict=True)}
            if part == "train" and keys & held:
                output.dropped["train: a sentence is in a held-out file"] += 1
                continue
            held |= keys if part != "train" else set()
            output.write(f"{part}.tsv.gz", "\t".join(row) + "\n")


def _captions(part: str, files: Mapping[str, Path]) -> Iterator[tuple[str, ...]]:
    """The rows of a split, white space made plain."""
    for language in LANGUAGES:
        if language not in files:
            raise DataSetError(
                f"{part}.{language}.gz is missing: {', '.join(LANGUAGES)} are read together, line for line"
            )
    ends = [files[language] for language in LANGUAGES]
    for lines in itertools.zip_longest(*map(read_lines, ends)):
        for file, line in zip(ends, lines, strict=True):
            if line is None:
                number = next(line[0] for line in lines if line)
                raise DataSetError(
                    f"{file}:{number}: the file ends here, but the {len(ends)} must have equally many lines"
                )
        yield tuple(" ".join(html.unescape(line[1]).split()) for line in lines)


CONVERTERS: dict[str, Callable[[Sources, Output], None]] = {
    "tang-song-poems": tang_song_poems,
    "ccpc": ccpc,
    "couplets": couplets,
    "lm-ptb": penn_treebank,
    "lm-tinyshakespeare": shakespeare,
    "lm-warpeace": war_and_peace,
    "mt-multi30k": multi30k,
    "zh-sentiment-asap": sentiment.asap,
    "zh-sentiment-asap-sample": sentiment.asap,
    "zh-sentiment-smp2020": sentiment.smp2020,
    "zh-sentiment-chnsenticorp": sentiment.chnsenticorp,
    "zh-sentiment-emobank": sentiment.emobank,
    "en-sentiment-sst": sentiment.sst,
    "zh-ner-resume": entities.resume,
    "zh-ner-weibo": entities.weibo,
    "zh-ner-cluener": entities.cluener,
    "en-ner-btc": entities.broad_twitter,
    "en-ner-uner-ewt": entities.universal_ner,
    "en-ner-wnut17": entities.wnut17,
}
