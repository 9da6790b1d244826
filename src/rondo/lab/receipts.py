"""Receipts as files: read, and judged by the store that is said to have given them."""

from __future__ import annotations

import datetime
import hashlib
from pathlib import Path

from pydantic import ValidationError

from rondo.lab.store import Receipt, Store

LARGEST = 64 << 10  # bytes


class ReceiptError(ValueError):
    """A file that is no receipt."""


def read(path: Path) -> Receipt:
    """The receipt in a file. Raises ReceiptError."""
    try:
        data = path.read_bytes()[: LARGEST + 1]
        return Receipt.model_validate_json(data)
    except OSError as error:
        raise ReceiptError(f"{path}: {error.strerror}") from None
    except ValidationError:
        raise ReceiptError(f"{path}: 不是回执 / no receipt") from None


def judged(store: Store, receipt: Receipt, report: Path | None = None) -> tuple[bool, str]:
    """Is all as the receipt says? And the reason, in a sentence; `report`: what is said to have been handed in."""
    if not store.genuine(receipt):
        return False, "不是这个班给的，或被改过 / not given by this class, or changed"
    time = datetime.datetime.fromisoformat(receipt.time).astimezone().strftime("%Y-%m-%d %H:%M:%S")
    late = "，迟交 / late" if receipt.late else ""
    said = f"{receipt.number} {receipt.name} {receipt.experiment} {time}{late}: 真的 / genuine"
    if report is not None and hashlib.sha256(report.read_bytes()).hexdigest() != receipt.sha256:
        return False, f"{said}; 但 {report.name} 不是交的那份 / but {report.name} is not what was handed in"
    if not store.has(receipt):
        return True, f"{said}; 库里没有那份报告了（旧备份？） / what it speaks of is not here (an older backup?)"
    return True, said
