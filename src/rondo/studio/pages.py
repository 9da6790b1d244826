"""The pages: HTML by hand, both languages side by side as {{中文|English}}; the server picks one."""

from __future__ import annotations

import functools
import re
from pathlib import Path

FOLDER = Path(__file__).parent / "pages"
STATIC = Path(__file__).parent / "static"
LANGUAGES = ("zh", "en")
WORDS = re.compile(r"\{\{(.*?)\|(.*?)\}\}", re.DOTALL)
TITLE = re.compile(r"<title>(.*?)</title>\n?")


def names() -> list[str]:
    """The paths of all pages: poem, lab/gates ..."""
    found = FOLDER.rglob("*.html")
    return sorted(p.relative_to(FOLDER).with_suffix("").as_posix() for p in found if p.name != "frame.html")


def page(name: str, lang: str) -> str:
    """A page in its frame, in one language."""
    body = (FOLDER / f"{name}.html").read_text(encoding="utf-8")
    frame = (FOLDER / "frame.html").read_text(encoding="utf-8")
    title = TITLE.search(body)
    found = frame.replace("<!--title-->", title.group(1) if title else "Rondo")
    found = found.replace("<!--body-->", TITLE.sub("", body))
    desk = name.partition("/")[0]
    found = found.replace(f'data-desk="{desk}"', f'data-desk="{desk}" aria-current="page"')
    return WORDS.sub(lambda m: m.group(1 + LANGUAGES.index(lang)), found).replace("<html>", f'<html lang="{lang}">', 1)


cached = functools.cache(page)


def language(cookie: str | None, accepted: str) -> str:
    """The language of a reader: what was chosen, else the first of the browser's that the studio has, else English."""
    if cookie in LANGUAGES:
        return cookie
    wanted = [(_weight(part), -n, part.strip()[:2].lower()) for n, part in enumerate(accepted.split(","))]
    return next((lang for _, _, lang in sorted(wanted, reverse=True) if lang in LANGUAGES), "en")


def _weight(part: str) -> float:
    found = re.search(r";\s*q=(\d(?:\.\d{0,3})?)", part)
    return float(found.group(1)) if found else 1.0
