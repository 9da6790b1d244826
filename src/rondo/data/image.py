"""People's pictures: read without trust by Pillow (`pip install rondo[captions]`), upright, in three colours.

A picture may be a JPEG (also CMYK, as printers have it), PNG, WebP, GIF (its first frame) or BMP; what is transparent
stands on white; its orientation mark is followed. What is not whole, too large to be taken in, or no picture gives an
ImageError that says so. A JPEG of any usual size is brought down while it is decoded, so that 20,000 x 20,000 pixels
take no more memory than a photograph.
"""

from __future__ import annotations

import io
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP")
MOST_BYTES = 32 << 20  # of a file
MOST_PIXELS = 64_000_000  # that are decoded
MOST_SIDE = 65_535  # pixels of a side: JPEG has no more
LARGEST = 2048  # pixels of the longer side that is kept

Pixels = NDArray[np.uint8]  # [H, W, 3], red green blue


class ImageError(ValueError):
    """A picture that cannot be read; the message says why and what to do."""


def read_picture(source: Path | bytes, largest: int = LARGEST) -> Pixels:
    """A picture's pixels [H, W, 3], its longer side at most `largest`. Raises ImageError, OSError."""
    data = _bytes(source)
    image = _module("Image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata, and of a size that is checked here
            with image.open(io.BytesIO(data), formats=FORMATS) as opened:
                return np.asarray(_upright(opened, largest))
    except ImageError:
        raise
    except image.DecompressionBombError:
        raise ImageError(_too_many(0, 0)) from None
    except image.UnidentifiedImageError:
        raise ImageError(
            f"这不是能读的图片，请用 {'、'.join(FORMATS)} / this is no picture that can be read: "
            f"{', '.join(FORMATS)} can"
        ) from None
    except MemoryError:
        raise ImageError("图片太大，内存放不下 / the picture is too large for this machine's memory") from None
    except Exception as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error ... for damaged files
        raise ImageError(
            f"图片不完整或已损坏（{error}） / the picture is truncated or damaged ({error}): save it anew"
        ) from None


def _bytes(source: Path | bytes) -> bytes:
    if isinstance(source, Path):
        with source.open("rb") as file:
            source = file.read(MOST_BYTES + 1)
    if len(source) > MOST_BYTES:
        most = MOST_BYTES >> 20
        raise ImageError(f"图片文件超过 {most} MB，请先缩小 / the file is larger than {most} MB: make it smaller first")
    if not source:
        raise ImageError("图片文件是空的 / the file is empty")
    return source


def _upright(opened: Any, largest: int) -> Any:
    """An open picture as RGB, upright, no larger than wanted."""
    width, height = opened.size
    if min(width, height) < 1 or max(width, height) > MOST_SIDE:
        raise ImageError(_too_many(width, height))
    if opened.format == "JPEG":
        opened.draft(None, (largest, largest))  # a JPEG can be decoded at a half, a quarter, an eighth
        width, height = opened.size
    if width * height > MOST_PIXELS:
        raise ImageError(_too_many(width, height))
    opened.load()
    if max(width, height) > largest and opened.mode not in ("P", "1"):
        opened.thumbnail((largest, largest), reducing_gap=3.0)
    turned = _module("ImageOps").exif_transpose(opened)
    found = _colours(turned)
    if max(found.size) > largest:
        found.thumbnail((largest, largest), reducing_gap=3.0)
    return found


def _colours(picture: Any) -> Any:
    """Any mode as RGB; what is transparent on white; 16 bits a colour as the upper 8 of them."""
    if picture.mode.startswith("I"):
        values = np.asarray(picture).astype(np.float64)
        low, high = (0.0, 65535.0) if picture.mode.startswith("I;16") or values.max() > 255 else (0.0, 255.0)
        values = ((values - low) / (high - low) * 255).clip(0, 255).astype(np.uint8)
        return _module("Image").fromarray(values).convert("RGB")
    if picture.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in picture.info:
        own = picture.convert("RGBA")
        paper = _module("Image").new("RGBA", own.size, (255, 255, 255, 255))
        return _module("Image").alpha_composite(paper, own).convert("RGB")
    return picture.convert("RGB")


def _too_many(width: int, height: int) -> str:
    size = f" {width} x {height} " if width else " "
    most = MOST_PIXELS // 1_000_000
    return (
        f"图片有{size}像素，超过 {most} 百万，请先缩小 / the picture has{size}pixels, more than {most} million: "
        "make it smaller first"
    )


def squared(pixels: Pixels, side: int) -> Pixels:
    """A picture brought to side x side pixels, whatever its form."""
    if pixels.shape[:2] == (side, side):
        return pixels
    image = _module("Image")
    found: Pixels = np.asarray(image.fromarray(pixels).resize((side, side), image.Resampling.BICUBIC))
    return found


def _module(name: str) -> Any:
    """A module of Pillow. Raises ImageError where it is not installed."""
    import importlib

    try:
        return importlib.import_module(f"PIL.{name}")
    except ImportError:
        raise ImageError(
            "读图片需要 Pillow：pip install 'rondo[captions]' / reading pictures needs Pillow: "
            "pip install 'rondo[captions]'"
        ) from None
