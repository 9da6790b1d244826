"""The encoder that is fetched on request: MobileNetV2 of google-coral/edgetpu (Apache-2.0), trained on ImageNet.

It is kept in Rondo's cache folder and read only where its checksum is the known one. A picture is brought to 224 x 224
pixels, whatever its form, as the training pictures were.
"""

from __future__ import annotations

import functools
import hashlib
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rondo.data.catalog.captions import ENCODER, ENCODER_SHA256
from rondo.data.download import BASE, download
from rondo.data.image import Pixels, read_picture, squared
from rondo.data.registry import DataSetError
from rondo.files import FileError, writing_aside
from rondo.kernels.build import cache_folder
from rondo.tasks.captions.data import FEATURES, PLACES, Bytes, CaptionError, Record, beside, pictures
from rondo.tasks.captions.tflite import QuantisedNetwork, read_network

FILE = ENCODER.files[0].name
INPUT = 224  # pixels of the square that it reads
SHARE = 8  # pictures that are read at once


def home() -> Path:
    """Where the encoder lies once it has been fetched."""
    return cache_folder() / "encoders" / FILE


def fetch(source: Path | None = None, base: str = BASE) -> Path:
    """Put the encoder into the cache: from upstream, or from a file that lies here. Raises DataSetError, FileError
    where it is another file than the known one."""
    path = home()
    path.parent.mkdir(parents=True, exist_ok=True)
    if source is not None:
        _check(source)
        with source.open("rb") as file, writing_aside(path, "") as out:
            shutil.copyfileobj(file, out)
    elif not available():
        _from_upstream(path, base)
    return path


def _from_upstream(path: Path, base: str) -> None:
    try:
        for file in download(ENCODER, path.parent, base):
            file.replace(path)
            file.parent.rmdir()
    except DataSetError as error:
        reason = str(error).partition("\n")[0]
        raise DataSetError(
            f"{reason}\n没有网络时：rondo captions fetch --from {FILE} / without a network: get the file elsewhere, "
            f"and rondo captions fetch --from {FILE}"
        ) from None


def available() -> bool:
    """Whether the encoder has been fetched."""
    return home().is_file()


def _check(path: Path) -> None:
    found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != ENCODER_SHA256:
        raise FileError(
            f"{path} 不是所需的编码器 / {path} is not the encoder that is needed: SHA-256 {found}, not {ENCODER_SHA256}"
        )


class Encoder:
    """Features of pictures: [P, 49, 1280] at the places of a 7 x 7 grid, row by row."""

    def __init__(self, network: QuantisedNetwork) -> None:
        self.network = network

    @classmethod
    def load(cls, path: Path | None = None) -> Encoder:
        """From the cache, or from a file. Raises CaptionError where it has not been fetched."""
        file = path or home()
        if not file.is_file():
            raise CaptionError(
                f"还没有取来编码器：rondo captions fetch，或 rondo captions fetch --from {FILE} / the encoder has not "
                f"been fetched: rondo captions fetch, or rondo captions fetch --from {FILE}"
            )
        _check(file)
        return cls(read_network(file))

    def __call__(self, pixels: Sequence[Pixels]) -> Tensor:
        """Features of pictures of any size."""
        x = np.stack([squared(p, INPUT) for p in pixels])
        grid: Tensor = self.network(torch.from_numpy(x).permute(0, 3, 1, 2))
        return grid.flatten(2).transpose(1, 2).clone()


@functools.cache
def fetched() -> Encoder:
    """The encoder in the cache, read once."""
    return Encoder.load()


def grids(path: Path, records: Sequence[Record], say: Callable[[str], None] = print) -> Bytes:
    """What the encoder says of the places of the pictures beside a file of records, bytes [N, 49, 1280]; made once for
    an archive (about a twentieth of a second a picture) and kept in the cache."""
    key = hashlib.sha256(beside(path, "_images.tar").read_bytes()).hexdigest()[:24]
    file = cache_folder() / "captions" / f"{key}-{ENCODER_SHA256[:8]}.npy"
    if file.is_file():
        kept: Bytes = np.load(file, mmap_mode="r", allow_pickle=False)
        if kept.dtype == np.uint8 and kept.shape == (len(records), PLACES, FEATURES):
            return kept
    file.parent.mkdir(parents=True, exist_ok=True)
    say(f"reading the places of {len(records):,} pictures with the encoder ...")
    found = np.concatenate(list(_grids(path, records)))
    with writing_aside(file, "") as out:
        np.lib.format.write_array(out, found, allow_pickle=False)
    return found


def _grids(path: Path, records: Sequence[Record]) -> Iterator[Bytes]:
    encoder, held = fetched(), []
    for k, data in enumerate(pictures(path, records), 1):
        held.append(squared(read_picture(data), INPUT))
        if len(held) == SHARE or k == len(records):
            x = torch.from_numpy(np.stack(held)).permute(0, 3, 1, 2)
            yield encoder.network.quantised(encoder.network(x)).flatten(2).transpose(1, 2).numpy()
            held = []
