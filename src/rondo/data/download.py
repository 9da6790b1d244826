"""Upstream's own files over the network: the one place where Rondo reaches out, and only when asked to.

A file is written aside and renamed when it is whole, so that a download that broke off goes on with the next file.
Only paths that the catalogue lists are asked for and written.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from urllib.parse import quote, urlsplit

import rondo
from rondo.data.catalog import DataSet, Origin, Source
from rondo.data.registry import DataSetError

BASE = "https://raw.githubusercontent.com"
MOST = 1 << 28  # bytes of one file
PATIENCE = 30.0  # seconds without an answer


def address(origin: Origin, source: Source, base: str = BASE) -> str:
    """Where one of upstream's files lies."""
    return f"{base}/{origin.repo}/{origin.commit}/{quote(source.path)}"


def download(data_set: DataSet, folder: Path, base: str = BASE) -> Iterator[Path]:
    """Fetch what is not there yet of upstream's files, under their own paths; yields each file when it is there.

    DataSetError says what failed and how to get the files by hand.
    """
    origin = data_set.raw
    if origin is None:
        raise DataSetError(f"{data_set.name} has nothing to download. {data_set.how}")
    for source in origin.files:
        path = folder / source.path
        if not path.is_file():
            url = address(origin, source, base)
            try:
                _fetch(url, path, source.sha256)
            except DataSetError as error:
                raise DataSetError(f"{error}\n{_by_hand(data_set, origin)}") from None
        yield path


def install(packages: Sequence[str], folder: Path, wheels: Path | None = None) -> None:
    """Put these packages, and none that they name besides, into a folder of their own, with pip: over the network, or
    from a folder of wheels. It is written aside and renamed when it is whole. Raises DataSetError."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    aside = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
    place = ["--no-index", "--find-links", str(wheels)] if wheels else []
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "--target", str(aside)]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pip", "install", *options, *place, *packages], capture_output=True
        )
        if done.returncode:
            last = done.stderr.decode(errors="replace").strip().splitlines()[-1:] or ["no reason was given"]
            raise DataSetError(f"pip could not install {packages[0]}: {last[0]}")
        if folder.exists():
            shutil.rmtree(folder)
        os.replace(aside, folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _by_hand(data_set: DataSet, origin: Origin) -> str:
    return (
        f"Give the command again to go on from here; or get the files yourself, e.g. git clone "
        f"https://github.com/{origin.repo}, and convert them: rondo data {data_set.name} --from FOLDER --get OUT"
    )


def _fetch(url: str, path: Path, sha256: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    aside = path.with_name(f".{path.name}.part")
    total = hashlib.sha256()
    try:
        with aside.open("wb") as file:
            for piece in _pieces(url):
                total.update(piece)
                file.write(piece)
        if sha256 and total.hexdigest() != sha256:
            raise DataSetError(f"{url} is not the file that is recorded: SHA-256 {total.hexdigest()}, not {sha256}")
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def _pieces(url: str) -> Iterator[bytes]:
    """What the address holds; DataSetError for every fault of the network."""
    request = urllib.request.Request(url, headers={"User-Agent": f"rondo/{rondo.__version__}"})
    count = 0
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
            if urlsplit(answer.geturl()).scheme != urlsplit(url).scheme:
                raise DataSetError(f"{url} leads to {answer.geturl()}, which is not taken")
            whole = answer.length  # None where the server does not say
            while piece := answer.read(1 << 16):
                count += len(piece)
                if count > MOST:
                    raise DataSetError(f"{url} is larger than {MOST >> 20} MB, which no file of a data set is")
                yield piece
    except urllib.error.HTTPError as error:
        raise DataSetError(f"{url}: the server answers {error.code} ({error.reason})") from None
    except urllib.error.URLError as error:
        raise DataSetError(f"{url} cannot be reached: {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise DataSetError(f"{url} broke off after {count:,} bytes: {error or type(error).__name__}") from None
    if whole is not None and count != whole:
        raise DataSetError(f"{url} broke off after {count:,} of {whole:,} bytes")
