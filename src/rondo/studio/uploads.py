"""Files that people open in the studio: kept in a folder that goes with the server, the oldest leaving first."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path

from rondo.files import printable

MOST = 16  # files
LONGEST = 100  # characters of a name


class UploadError(ValueError):
    """A file that is not here."""


class Uploads:
    """Files by their key, which is made from their content."""

    def __init__(self, most: int = MOST) -> None:
        self._folder, self._most = tempfile.TemporaryDirectory(prefix="rondo-"), most
        self._names: dict[str, str] = {}

    async def take(self, name: str, chunks: AsyncIterator[bytes]) -> str:
        """Keep a file as it comes and give its key. Whatever stops it leaves nothing behind."""
        total = hashlib.sha256()
        with tempfile.NamedTemporaryFile(dir=self._folder.name, delete=False) as file:
            aside = Path(file.name)
            try:
                async for chunk in chunks:
                    total.update(chunk)
                    file.write(chunk)
            except BaseException:
                aside.unlink()
                raise
        key = total.hexdigest()[:32]
        aside.replace(self._path(key))
        self._names.pop(key, None)
        self._names[key] = printable(Path(name).name)[:LONGEST] or "model.safetensors"
        while len(self._names) > self._most:
            self.drop(next(iter(self._names)))
        return key

    def find(self, key: str) -> tuple[Path, str]:
        """Where a file lies and what it is called. Raises UploadError."""
        if key not in self._names:
            raise UploadError(
                "这个模型文件已不在工作室里，请重新打开 / this model file is no longer here: open it again"
            )
        return self._path(key), self._names[key]

    def drop(self, key: str) -> None:
        """Forget a file."""
        self._names.pop(key, None)
        self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return Path(self._folder.name) / f"{key}.safetensors"
