"""Types of entities: how people call them, and how those of different data sets answer to each other."""

from __future__ import annotations

from collections.abc import Callable

NAMES: dict[str, tuple[str, str]] = {
    "person": ("人名", "person"),
    "location": ("地点", "place"),
    "organisation": ("机构", "organisation"),
    "name": ("人名", "person"),
    "address": ("地址", "address"),
    "organization": ("组织", "organisation"),
    "company": ("公司", "company"),
    "government": ("政府", "government"),
    "position": ("职位", "position"),
    "scene": ("景点", "sight"),
    "book": ("书名", "book"),
    "movie": ("影视", "film"),
    "game": ("游戏", "game"),
    "PER": ("人名", "person"),
    "LOC": ("地点", "place"),
    "ORG": ("机构", "organisation"),
    "corporation": ("公司", "company"),
    "group": ("团体", "group"),
    "product": ("产品", "product"),
    "creative-work": ("作品", "work"),
    "NAME": ("人名", "person"),
    "CONT": ("国籍", "country"),
    "RACE": ("民族", "ethnicity"),
    "TITLE": ("职务", "title"),
    "EDU": ("学历", "degree"),
    "PRO": ("专业", "profession"),
    "PER.NAM": ("人名", "person"),
    "PER.NOM": ("人的称呼", "person, not by name"),
    "LOC.NAM": ("地名", "place"),
    "LOC.NOM": ("地点的称呼", "place, not by name"),
    "GPE.NAM": ("行政区", "country or city"),
    "GPE.NOM": ("行政区的称呼", "country or city, not by name"),
    "ORG.NAM": ("机构名", "organisation"),
    "ORG.NOM": ("机构的称呼", "organisation, not by name"),
}

_COMMON = {
    "person": ("PER", "PER.NAM", "NAME", "name"),
    "location": ("LOC", "LOC.NAM", "GPE", "GPE.NAM", "address", "scene"),
    "organisation": ("ORG", "ORG.NAM", "organization", "company", "government", "corporation", "group"),
}
COMMON = {own: kind for kind, others in _COMMON.items() for own in (kind, *others)}
MAPPINGS: dict[str, Callable[[str], str]] = {"own": lambda kind: kind, "common": lambda kind: COMMON.get(kind, "")}


def type_name(kind: str) -> tuple[str, str]:
    """How a type is called in Chinese and in English; one that is not known, by itself."""
    return NAMES.get(kind, (kind, kind))


def fitting(kind: str, known: list[str]) -> str:
    """The type among `known` that answers to `kind`: itself, or the one that means the same; "" where there is none."""
    if kind in known:
        return kind
    common = COMMON.get(kind, "")
    return common if common in known else ""
