"""Command about the data sets that Rondo knows by name: data."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rondo.cli.app import app

if TYPE_CHECKING:
    from rondo.data.catalog import DataSet, Origin
    from rondo.data.registry import State


@app.command("data")
def data_sets(
    name: Annotated[str | None, typer.Argument(metavar="NAME", help="a data set; without it, all are listed")] = None,
    data: Annotated[
        Path | None, typer.Option(metavar="FOLDER", envvar="RONDO_DATA", help="the folder of data sets to look at")
    ] = None,
    get: Annotated[
        Path | None, typer.Option(metavar="FOLDER", help="download upstream's files and write FOLDER/NAME/")
    ] = None,
    given: Annotated[
        Path | None, typer.Option("--from", metavar="PATH", help="convert these files of upstream's; no download")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="replace files that are there")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON")] = False,
) -> None:
    """List the named data sets, show one, or get it: download upstream's own files and convert them."""
    if get is None and (given is not None or force):
        raise typer.BadParameter("--from and --force go with --get FOLDER, the folder to write to")
    if data is not None and not data.is_dir():
        raise typer.BadParameter(f"--data: there is no folder {data}")
    if name is None:
        if get is not None:
            raise typer.BadParameter("name the data set to get, e.g. rondo data ccpc --get data")
        _list(data, as_json)
    elif get is None:
        _show(name, data, as_json)
    else:
        _get(name, get, given, force, as_json)


def _list(folder: Path | None, as_json: bool) -> None:
    from rondo.data.catalog import DATA_SETS
    from rondo.data.registry import state

    found = [(d, state(d, folder) if folder else None) for d in DATA_SETS]
    if as_json:
        _dump([_facts(d, s) for d, s in found])
        return
    rows = [(d.name, d.title, d.licence, s.word if s else "-") for d, s in found]
    _table([("NAME", "WHAT", "LICENCE", "HERE"), *rows])
    if folder is None:
        print("\nName the folder that holds data sets with --data FOLDER or RONDO_DATA to see what is there.")
    print("\nrondo data NAME shows one; rondo data NAME --get FOLDER downloads and converts it.")


def _show(name: str, folder: Path | None, as_json: bool) -> None:
    from rondo.data.registry import named, state

    data_set = named(name)
    found = state(data_set, folder) if folder else None
    if as_json:
        _dump(_facts(data_set, found))
        return
    print(f"{data_set.name}: {data_set.title}\n")
    _table([(label, value) for label, value in _rows(data_set, folder, found)])
    print("\nFILES of the published copy: records, SHA-256 of the unpacked content, state here")
    wide = max(len(file.name) for file in data_set.files)
    for file in data_set.files:
        here = "" if found is None else f"  {found.files[file.name]}"
        count = f"{file.records:,}" if file.records else ""
        print(f"{file.name:{wide}} {count:>8}  {file.sha256 or 'not recorded':64}{here}".rstrip())


def _rows(data_set: DataSet, folder: Path | None, found: State | None) -> Iterator[tuple[str, str]]:
    if found is not None:
        yield "here", f"{_word(found)} in {folder}"
    yield "licence", data_set.terms
    yield "cite", data_set.citation
    for label, origin in [("upstream", data_set.raw), *(("also", origin) for origin in data_set.also)]:
        if origin is not None:
            yield label, _origin(origin)
    yield "how", data_set.how
    yield from ((f"field {field}", what) for field, what in data_set.fields)


def _origin(origin: Origin) -> str:
    """Where upstream's files are; of many, the first and the last."""
    paths = [source.path + (f" (SHA-256 {source.sha256})" if source.sha256 else "") for source in origin.files]
    shown = paths if len(paths) < 6 else [paths[0], "...", f"{paths[-1]} ({len(paths)} files)"]
    lines = [f"https://github.com/{origin.repo} at {origin.commit}, licence: {origin.licence}", *shown]
    return "\n".join(lines)


def _get(name: str, folder: Path, given: Path | None, force: bool, as_json: bool) -> None:
    from rondo.data.convert import check_free, convert, locate
    from rondo.data.registry import named

    data_set = named(name)
    check_free(data_set, folder, force)
    print(f"{data_set.name}: {data_set.licence}. {data_set.terms}", file=sys.stderr)
    upstream = given or folder / name / "upstream"
    if given is None:
        _download(data_set, upstream)
    made = convert(data_set, locate(data_set, upstream), folder, force)
    if as_json:
        _dump(made)
        return
    published = {file.name: file.sha256 for file in data_set.files}
    print(f"{folder / name}:")
    for file, about in made["files"].items():
        same = "as published" if about["sha256"] == published[file] else "not the published copy"
        print(f"  {file:23} {about['records']:>9,} records  {same if published[file] else ''}".rstrip())
    for why, count in made["dropped"].items():
        print(f"  dropped {count:>25,} {why}")
    for note in made["notes"]:
        print(f"  note: {note}")


def _download(data_set: DataSet, folder: Path) -> None:
    """Upstream's files, with a line of progress on the error stream."""
    from rondo.data.download import download

    count = len(data_set.raw.files) if data_set.raw else 0
    for done, path in enumerate(download(data_set, folder), 1):
        print(f"\r{done}/{count} {path.name}", end="", file=sys.stderr, flush=True)
    print(f"\nupstream's files are kept in {folder}", file=sys.stderr)


def _word(found: State) -> str:
    """The state of a data set, with what is missing or wrong."""
    lacking = [name for name, word in found.files.items() if word == "absent"]
    wrong = [name for name, word in found.files.items() if word in ("differs", "damaged")]
    if found.word == "differs":
        return f"differs: {', '.join(wrong)}"
    made = ", converted here" if found.made else ""
    without = f", without {', '.join(lacking)}" if lacking and found.word != "absent" else ""
    return found.word + made + without


def _facts(data_set: DataSet, found: State | None) -> dict[str, Any]:
    import dataclasses

    return dataclasses.asdict(data_set) | {"state": found and dataclasses.asdict(found)}


def _dump(value: Any) -> None:
    print(json.dumps(value, ensure_ascii=False, indent=1))


def _table(rows: list[tuple[str, ...]]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for k in range(len(rows[0])):
        table.add_column(overflow="fold", no_wrap=k == 0)
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False).print(table)
