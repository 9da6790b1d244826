"""Requests about verse: one clear message where a field of a pydantic model cannot be what was given."""

from __future__ import annotations

from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from rondo.expr.graph import nearest
from rondo.verse.books import VerseError

R = TypeVar("R", bound=BaseModel)


def checked_request(kind: type[R], values: dict[str, Any], fault: type[ValueError] = VerseError) -> R:
    """A request of this kind from plain values. Raises VerseError, or another `fault`, saying what is wrong with the
    first faulty field."""
    try:
        return kind(**values)
    except ValidationError as error:
        first = error.errors()[0]
        cause = first.get("ctx", {}).get("error")
        if isinstance(cause, fault):
            raise cause from None
        name = ".".join(map(str, first["loc"]))
        known = list(kind.model_fields)
        hint = nearest(name, known) if name not in known else ""
        raise fault(f"{name}：{first['msg']}{hint}") from None
