"""People's pictures: what is odd is right, what is damaged gives an error that says so."""

from __future__ import annotations

import contextlib
import io
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rondo.data import image
from rondo.data.image import ImageError, read_picture, squared

pytest.importorskip("PIL", reason="reading pictures needs Pillow: pip install rondo[captions]")
from PIL import Image

HALVES = np.zeros((40, 60, 3), np.uint8)
HALVES[:, :30], HALVES[:, 30:] = (200, 40, 30), (20, 60, 180)


def encoded(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    file = io.BytesIO()
    picture.save(file, kind, **options)
    return file.getvalue()


def close(found: np.ndarray, wanted: np.ndarray, by: int = 12) -> bool:
    return found.shape == wanted.shape and float(np.abs(found.astype(int) - wanted).mean()) < by


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
def test_every_format_from_bytes_and_from_a_file(tmp_path: Path, kind: str) -> None:
    data = encoded(Image.fromarray(HALVES), kind)
    assert close(read_picture(data), HALVES)
    (tmp_path / "a picture").write_bytes(data)
    np.testing.assert_array_equal(read_picture(tmp_path / "a picture"), read_picture(data))


def test_cmyk() -> None:
    data = encoded(Image.fromarray(HALVES).convert("CMYK"), "JPEG", quality=95)
    assert Image.open(io.BytesIO(data)).mode == "CMYK"
    assert close(read_picture(data), HALVES)


@pytest.mark.parametrize("mode", ["L", "1", "P", "LA", "I;16"])
def test_other_colours_become_three(mode: str) -> None:
    grey = np.repeat(HALVES[:, :, :1], 3, 2)
    if mode == "I;16":
        data = encoded(Image.fromarray(HALVES[:, :, 0].astype(np.uint16) * 257))
    else:
        data = encoded(Image.fromarray(grey).convert("L").convert(mode))
    found = read_picture(data)
    assert found.shape == (40, 60, 3)
    assert close(found, grey, 60 if mode == "1" else 12)


def test_what_is_transparent_stands_on_white() -> None:
    clear = np.dstack([HALVES, np.zeros((40, 60), np.uint8)])
    assert read_picture(encoded(Image.fromarray(clear, "RGBA"))).min() == 255


def test_the_mark_of_orientation_is_followed() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # taken with the camera turned: a quarter to the right
    found = read_picture(encoded(Image.fromarray(HALVES), "JPEG", exif=exif, quality=95))
    assert close(found, np.rot90(HALVES, -1))


def test_a_jpeg_of_twenty_thousand_pixels_is_brought_down_while_it_is_read() -> None:
    wide = Image.new("RGB", (20_000, 400), (10, 120, 60))
    found = read_picture(encoded(wide, "JPEG"))
    assert max(found.shape) <= image.LARGEST
    assert abs(found.shape[1] / found.shape[0] - 50) < 2
    assert close(found, np.full_like(found, 0) + np.array([10, 120, 60], np.uint8))
    tall = read_picture(encoded(Image.new("RGB", (300, 20_000), (9, 9, 9)), "PNG"))
    assert tall.shape[0] == image.LARGEST


def test_a_bomb_is_refused_before_it_is_unpacked() -> None:
    """A PNG of a few hundred bytes that says it has 20,000 x 20,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(1 << 16)))
    with pytest.raises(ImageError, match="million: make it smaller"):
        read_picture(bomb + chunk(b"IEND", b""))
    with pytest.raises(ImageError, match="million"):
        read_picture(encoded(Image.new("1", (9_000, 9_000))))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "GIF", "BMP"])
@pytest.mark.parametrize("share", [0.02, 0.5, 0.9])
def test_what_is_truncated_is_told(kind: str, share: float) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (80, 80, 3), np.uint8)
    data = encoded(Image.fromarray(noise), kind)
    with pytest.raises(ImageError, match=r"truncated or damaged|no picture"):
        read_picture(data[: int(len(data) * share)])


@pytest.mark.parametrize("data", [b"", b"\n", b"<svg/>", b"\xff\xd8\xff", bytes(100), b"%PDF-1.4 ...", b"GIF89a"])
def test_what_is_no_picture_is_told(data: bytes) -> None:
    with pytest.raises(ImageError, match=" / "):
        read_picture(data)


def test_damaged_bytes_give_no_other_error() -> None:
    random = np.random.default_rng(1)
    for kind in ("PNG", "JPEG", "WEBP", "GIF", "BMP"):
        whole = np.frombuffer(encoded(Image.fromarray(HALVES), kind), np.uint8)
        for _ in range(40):
            data = whole.copy()
            data[random.integers(0, len(data), 4)] = random.integers(0, 255, 4)
            with contextlib.suppress(ImageError):
                assert read_picture(data.tobytes()).ndim == 3


def test_a_large_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(image, "MOST_BYTES", 1000)
    with pytest.raises(ImageError, match="the file is larger"):
        read_picture(bytes(1001))
    (tmp_path / "a").write_bytes(bytes(2000))
    with pytest.raises(ImageError, match="the file is larger"):
        read_picture(tmp_path / "a")


def test_a_square() -> None:
    assert squared(HALVES, 16).shape == (16, 16, 3)
    assert squared(HALVES[:40, :40], 40).shape == (40, 40, 3)


def test_without_pillow_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib

    real = importlib.import_module

    def refuse(name: str, *arguments: Any) -> Any:
        if name.startswith("PIL"):
            raise ImportError(name)
        return real(name, *arguments)

    monkeypatch.setattr(importlib, "import_module", refuse)
    with pytest.raises(ImageError, match=r"rondo\[captions\]"):
        read_picture(b"any")
