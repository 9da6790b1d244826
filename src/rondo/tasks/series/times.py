"""Times as far as a forecast needs them: what follows, and the place in a year or a week.

Known are months (1949-01), days (1949-01-31) and years (1949); of everything else only the order of the lines is taken.
"""

from __future__ import annotations

import datetime
import itertools
import re

MONTH = re.compile(r"(\d{4})-(\d{2})$")
DAY = re.compile(r"(\d{4})-(\d{2})-(\d{2})$")
YEAR = re.compile(r"(\d{4})$")


def place(time: str) -> tuple[str, int] | None:
    """The kind of a time (year, month, day) and its number on a line; None for other texts."""
    if found := MONTH.match(time):
        year, month = int(found[1]), int(found[2])
        return ("month", 12 * year + month - 1) if 1 <= month <= 12 else None
    if found := DAY.match(time):
        try:
            return "day", datetime.date(int(found[1]), int(found[2]), int(found[3])).toordinal()
        except ValueError:
            return None
    return ("year", int(time)) if YEAR.match(time) else None


def text(kind: str, number: int) -> str:
    """The time of a number."""
    if kind == "month":
        return f"{number // 12:04d}-{number % 12 + 1:02d}"
    return datetime.date.fromordinal(number).isoformat() if kind == "day" else f"{number:04d}"


def step(times: list[str]) -> tuple[str, int] | None:
    """The kind of some times and how far one is from the next, where they are all known and evenly spaced."""
    places = [place(t) for t in times[-24:]]
    if len(places) < 2 or any(p is None for p in places) or len({p[0] for p in places if p}) > 1:
        return None
    numbers = [p[1] for p in places if p]
    gaps = {b - a for a, b in itertools.pairwise(numbers)}
    return (places[0][0], gaps.pop()) if len(gaps) == 1 and places[0] else None


def after(times: list[str], count: int) -> list[str]:
    """The next times: `+1`, `+2` ... where they cannot be told."""
    known, last = step(times), place(times[-1]) if times else None
    if known is None or last is None:
        return [f"+{k}" for k in range(1, count + 1)]
    limit = datetime.date.max.toordinal()
    return [text(known[0], min(last[1] + known[1] * k, limit)) for k in range(1, count + 1)]


def phase(time: str, season: int) -> int | None:
    """The place in a season of twelve months or seven days; None where it cannot be told."""
    found = place(time)
    if found is None or (found[0], season) not in (("month", 12), ("day", 7)):
        return None
    return found[1] % season
