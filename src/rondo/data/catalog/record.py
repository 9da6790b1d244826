"""The shape of an entry of the catalogue, and a source that several entries name."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Source:
    """One of upstream's files: its path in the repository; its SHA-256 as downloaded, "" where none is recorded."""

    path: str
    sha256: str = ""


@dataclass(frozen=True)
class Origin:
    """A public git repository on github.com at a commit, and those of its files that are used."""

    repo: str
    commit: str
    licence: str
    files: tuple[Source, ...]


@dataclass(frozen=True)
class DataFile:
    """A file in the documented format.

    records   lines, without a header; None: it depends on who made the file
    sha256    of the content of the published copy; "" where none is recorded
    optional  not every copy has it
    """

    name: str
    records: int | None
    sha256: str = ""
    optional: bool = False


@dataclass(frozen=True)
class DataSet:
    """A named data set.

    licence  in a word, for a table; `terms` says it in full
    raw      what `--get` downloads and converts; None: there is no converter, and `how` says what to do instead
    also     other sources of the published copy
    how      how the published copy was made of it, and in what a converted one differs
    fields   of a record, each with what it holds
    """

    name: str
    title: str
    licence: str
    terms: str
    citation: str
    files: tuple[DataFile, ...]
    fields: tuple[tuple[str, str], ...]
    how: str
    raw: Origin | None = None
    also: tuple[Origin, ...] = ()


def sources(*paths: str) -> tuple[Source, ...]:
    """Files without a recorded checksum."""
    return tuple(map(Source, paths))


RNNLM = "e26dff5d8f4b5d07ee459f192ee2131923d7584f"
OPENCC = Origin(
    "BYVoid/OpenCC",
    "5249273a3e5606852f088c9a8b23522145d94f78",
    "Apache-2.0",
    sources("data/dictionary/TSCharacters.txt", "data/dictionary/TSPhrases.txt"),
)
