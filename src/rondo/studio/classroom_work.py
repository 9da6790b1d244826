"""A report that somebody uploads, looked at in a process of its own: what is drawn again is text and numbers alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rondo.lab.experiment import load
from rondo.lab.report import ReportError, Student, page, read


def uploaded(data: bytes, folder: str, number: str, name: str, lang: str) -> Iterator[dict[str, Any]]:
    """The page of the report in a file (HTML or JSON), drawn again under the roster's name. Raises ReportError."""
    experiment = load(Path(folder))
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "report"
        path.write_bytes(data)
        try:
            found = read(path)
        except ReportError as error:
            raise ReportError(str(error).removeprefix("report: ")) from None
    if found.student.number.casefold() != number.casefold():
        raise ReportError(
            f"报告里的学号是 {found.student.number}，不是你的 {number} / the number in the report is "
            f"{found.student.number}, not yours"
        )
    if found.experiment.number != experiment.number:
        raise ReportError(
            f"这是第 {found.experiment.number} 次实验的报告 / this is a report on experiment "
            f"{found.experiment.number}, not {experiment.number}"
        )
    own = found.model_copy(update={"student": Student(number=number, name=name)})
    try:
        text = page(experiment, own, lang)
    except Exception as error:  # results that were made up can be of any shape
        raise ReportError(f"报告里的结果读不懂 / the results in the report cannot be read: {error}"[:300]) from None
    yield {"page": text, "file": f"{own.file_name}.html"}
