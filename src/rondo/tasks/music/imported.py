"""A file that somebody brings: ABC or MIDI, told by its content."""

from __future__ import annotations

from pathlib import PurePath

from rondo.tasks.music.abc_write import to_abc
from rondo.tasks.music.midi import read_midi
from rondo.tasks.music.theory import MusicError

LARGEST = 1 << 20  # bytes


def abc_of(data: bytes, name: str = "") -> str:
    """The tune in a file as ABC. Raises MusicError."""
    if len(data) > LARGEST:
        raise MusicError(f"文件超过 {LARGEST >> 20} MB / the file is larger than {LARGEST >> 20} MB")
    if data[:4] == b"MThd":
        return to_abc(read_midi(data, PurePath(name).stem[:100]))
    if name.lower().endswith((".mid", ".midi")):
        raise MusicError("这不是 MIDI 文件：开头不是 MThd / this is no MIDI file: it does not begin with MThd")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    if b"\0" in data:
        raise MusicError("这既不是 ABC 也不是 MIDI / this is neither ABC nor MIDI")
    return data.decode("latin-1")  # older collections of ABC
