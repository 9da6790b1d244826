"""Build src/rondo/verse/tables from a data folder, or measure the shipped tables on real poems.

    python scripts/verse_tables.py --data FOLDER            # writes the tables
    python scripts/verse_tables.py --data FOLDER --measure  # prints the figures of tables/README.md

FOLDER holds rhyme/ and tang-song-poems/ (and ccpc/ to measure). Only rows of free origin are taken: W and P (MIT), S (a
book of 1859); C is academic use only, so a row that rests on it alone is left out, and no row is worked out from it.
Rows that are worked out are marked V (from the rhymes of Tang and Song poems, `shown`) and D (from another
book, `derived`). Same input, same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from rondo.verse.books import TITLES, Book, Reading, book
from rondo.verse.script import is_han, simplify
from rondo.verse.tables import FOLDER, rows

FREE = "PSW"  # the sources that may ship
NEW, MORE = 5, 20  # votes of poems that place a character which is absent, or give a listed one another reading
CLEAR = 0.8  # the share of a character's votes that the reading must have
WITNESSES, ALIKE = 5, 0.95  # a group leads to a part if so many characters show it, and this share of them agrees
# groups in which a dictionary of Mandarin has a character, but verse never: 无 mó, 南 nā (南无), 万 mò (万俟), 落 là,
# 还 hái, 石 dàn, 色 shǎi, 露 lòu, 和 hú, 亲 qìng (亲家), 繁 pó (a name), 埋 mán (埋怨), 龟 jūn (龟裂)
NOT_IN_VERSE = {
    "xinyun": dict(zip("无南万落还石色露和亲繁埋龟", (2, 1, 2, 1, 4, 8, 4, 7, 14, 11, 2, 8, 9), strict=True)),
    "tongyun": dict(zip("无南万落还石色露和亲繁埋龟", (2, 1, 2, 1, 7, 11, 7, 10, 5, 14, 2, 11, 12), strict=True)),
}

Table = dict[str, dict[Reading, str]]  # character -> reading -> sources
Votes = dict[str, Counter[Reading]]


def fields(path: Path) -> Iterator[list[str]]:
    """The rows of a TSV file, plain or gzipped, without the header."""
    with gzip.open(path, "rt", encoding="utf-8") if path.suffix == ".gz" else path.open(encoding="utf-8") as file:
        next(file)
        yield from (line.rstrip("\n").split("\t") for line in file)


def poems(path: Path) -> Iterator[list[str]]:
    """The lines of every poem of a file of JSON lines."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        yield from (json.loads(record)["content"].split("|") for record in file)


def listed(data: Path) -> dict[str, Table]:
    """The usable rows of free origin, by book."""
    books: dict[str, Table] = {name: defaultdict(dict) for name in TITLES}
    for name, group, _, _, tone, char, sources, usable, _ in fields(data / "rhyme" / "rhyme.tsv.gz"):
        free = "".join(source for source in sources if source in FREE)
        if usable == "1" and free and int(group) != NOT_IN_VERSE.get(name, {}).get(char):
            found, reading = books[name][char], Reading(tone, int(group))
            found[reading] = "".join(sorted({*found.get(reading, ""), *free}))
    return books


def votes(table: Table, poems: Iterable[list[str]]) -> Votes:
    """How often poems rhyme a character with partners that have one reading in common, and with which reading."""
    counts: Votes = defaultdict(Counter)
    for lines in poems:
        ends = [line[-1] for line in lines[1::2]]
        for i, char in enumerate(ends):
            partners = [set(table[other]) for other in ends[:i] + ends[i + 1 :] if other in table]
            common = set.intersection(*partners) if partners else set()
            if len(common) == 1:
                counts[char][common.pop()] += 1
    return counts


def shown(table: Table, counts: Votes) -> Table:
    """The readings that the poems show clearly and the table lacks, marked V."""
    found: Table = {}
    for char, seen in counts.items():
        reading, times = seen.most_common(1)[0]
        enough = MORE if char in table else NEW
        if reading not in table.get(char, {}) and times >= enough and times >= CLEAR * seen.total():
            found[char] = {reading: "V"}
    return found


def merged(table: Table, more: Table) -> Table:
    """Both tables; no reading stands in both."""
    return {char: table.get(char, {}) | more.get(char, {}) for char in {**table, **more}}


def derived(table: Table, source: Table, finer: Table) -> Table:
    """Readings for the characters that `table` lacks and `source` has, marked D: each group of `source` leads to one
    of `table` if the characters of both say so, else each pair of groups of `source` and `finer` may."""
    seen: dict[tuple[int, ...], Counter[int]] = defaultdict(Counter)
    for char in source.keys() & table.keys():
        for tone in "平仄":
            here, there = ([r for r in found[char] if r.tone == tone] for found in (source, table))
            if len(here) == len(there) == 1:
                for key in _keys(char, here[0], finer):
                    seen[key][there[0].group] += 1
    leads = {
        key: parts.most_common(1)[0][0]
        for key, parts in seen.items()
        if parts.total() >= WITNESSES and max(parts.values()) >= ALIKE * parts.total()
    }
    found: Table = defaultdict(dict)
    for char in source.keys() - table.keys():
        for reading in source[char]:
            part = next((leads[key] for key in _keys(char, reading, finer) if key in leads), None)
            if part is not None:
                found[char][Reading(reading.tone, part)] = "D"
    return found


def _keys(char: str, reading: Reading, finer: Table) -> list[tuple[int, ...]]:
    """What may lead to a part: the group, then the group with that of the finer book, if the character has one."""
    halves = {other.group for other in finer.get(char, {})}
    return [(reading.group,), *((reading.group, half) for half in halves if len(halves) == 1)]


def build(data: Path) -> dict[str, str]:
    """The text of every table, by file name."""
    train = list(poems(data / "tang-song-poems" / "train.jsonl.gz"))
    used = Counter(char for lines in train for line in lines for char in line)
    books = listed(data)
    counts = votes(books["pingshui"], train)
    books["pingshui"] = merged(books["pingshui"], shown(books["pingshui"], counts))
    books["cilin"] = merged(books["cilin"], derived(books["cilin"], books["pingshui"], books["xinyun"]))
    spoken = {char: found for char, found in books["xinyun"].items() if char in used}
    books["tongyun"] = merged(books["tongyun"], derived(books["tongyun"], spoken, {}))
    by_tone = Counter(
        {
            (char, tone): sum(n for reading, n in seen.items() if reading.tone == tone)
            for char, seen in counts.items()
            for tone in "平仄"
        }
    )
    files = {
        name: _book_text(table, lambda char, reading: by_tone[char, reading.tone], used)
        for name, table in books.items()
    }
    files["pingshui"] = _book_text(books["pingshui"], lambda char, reading: counts[char][reading], used)
    files["ping"] = _text("char ping", _shares(data, books["pingshui"]))
    files["groups"] = _text("book group name tone", _groups(data))
    files["variants"] = _text("variant standard", _variants(data))
    return files


def _book_text(table: Table, rhymes: Callable[[str, Reading], int], used: Counter[str]) -> str:
    """The rows by group, 平 before 仄; within these by frequency as a rhyme, then in any place of a poem."""

    def place(row: tuple[str, Reading]) -> tuple[int, bool, int, int, str]:
        char, reading = row
        return reading.group, reading.tone == "仄", -rhymes(char, reading), -used[char], char

    ordered = sorted(((char, reading) for char, found in table.items() for reading in found), key=place)
    body = ((reading.group, reading.tone, char, table[char][reading]) for char, reading in ordered)
    return _text("group tone char sources", body)


def _shares(data: Path, pingshui: Table) -> list[tuple[str, str]]:
    """How often the characters of both tones are 平, where that was measured."""
    both = {char for char, found in pingshui.items() if len({reading.tone for reading in found}) == 2}
    tones = fields(data / "rhyme" / "tone.tsv.gz")
    return sorted((char, share) for char, _, _, _, _, share, _ in tones if share and char in both)


def _groups(data: Path) -> Iterator[tuple[str, str, str, str]]:
    tones = {"上平": "平", "下平": "平", "上声": "仄", "去声": "仄", "入声": "仄", "": ""}
    for name, group, title, tone, _ in fields(data / "rhyme" / "groups.tsv"):
        yield name, group, title, tones[tone]


def _variants(data: Path) -> list[tuple[str, str]]:
    """Variant and final standard form: where a standard form is itself a variant (悞 -> 悮 -> 误), it is followed."""
    standard = dict(fields(data / "rhyme" / "variants.tsv.gz"))
    for variant in standard:
        while standard[variant] in standard:
            standard[variant] = standard[standard[variant]]
    return sorted(standard.items())


def _text(header: str, body: Iterable[tuple[object, ...]]) -> str:
    lines = ["\t".join(header.split()), *("\t".join(map(str, row)) for row in body)]
    return "\n".join(lines) + "\n"


def packed(text: str) -> bytes:
    """gzip without time or name."""
    return gzip.compress(text.encode("utf-8"), 9, mtime=0)


def measured(data: Path) -> str:
    """What the shipped tables say of the quatrains of CCPC valid, as a Markdown table."""
    quatrains = list(poems(data / "ccpc" / "valid.jsonl.gz"))
    tokens = Counter(char for lines in quatrains for line in lines for char in line if is_han(char))
    columns = "book | tokens listed | tokens known | rhyme: all | 5-char | 7-char | 平 rhyme: all | 5-char | 7-char"
    lines = [f"| {columns} |", "|---" * 9 + "|"]
    for name in TITLES:
        plain = {char for _, _, char, sources in rows(name) if sources not in ("V", "D")}
        listed = {char for char in tokens if not {char, simplify(char)}.isdisjoint(plain)}
        known = {char for char in tokens if book(name).readings(char)}
        shares = [f"{sum(tokens[char] for char in chars) / tokens.total():.2%}" for chars in (listed, known)]
        lines.append(f"| {' | '.join([name, *shares, *_rhyming(book(name), quatrains)])} |")
    return "\n".join(lines) + "\n"


def _rhyming(shelf: Book, quatrains: list[list[str]]) -> list[str]:
    """How often lines 2 and 4 share a group in one tone class, then in 平: of all, of 5 and of 7 characters."""
    shared = [
        (len(second), {t for t in "平仄" if shelf.rhyme_groups(second[-1], t) & shelf.rhyme_groups(fourth[-1], t)})
        for _, second, _, fourth in quatrains
    ]
    shares = []
    for tones in ("平仄", "平"):
        for sizes in ((5, 7), (5,), (7,)):
            kept = [bool(found & set(tones)) for size, found in shared if size in sizes]
            shares.append(f"{sum(kept) / len(kept):.1%}")
    return shares


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="Build the tables of rondo.verse, or measure them.")
    parser.add_argument("--data", type=Path, required=True, metavar="FOLDER", help="the folder of data sets")
    parser.add_argument("--measure", action="store_true", help="print figures of the shipped tables instead")
    options = parser.parse_args()
    if options.measure:
        sys.stdout.write(measured(options.data))
        return
    for name, text in build(options.data).items():
        (FOLDER / f"{name}.tsv.gz").write_bytes(packed(text))
        sys.stdout.write(f"{name}.tsv.gz: {text.count(chr(10)) - 1} rows\n")


if __name__ == "__main__":
    main()
