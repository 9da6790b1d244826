"""The stops of the tour, in order, and the language it is told in. Needs no torch: the first line stands at once."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rondo.expr.graph import nearest

THEME, FORM, NAME, CELL = "秋夜", "七绝", "锋潮科技", "gru-cho"
LANGUAGES = ("zh", "en")


class TourError(ValueError):
    """A stop that does not exist."""


@dataclass(frozen=True)
class Stop:
    """One part of the tour: its name, its heading in both languages, and the command that makes the same."""

    name: str
    zh: str
    en: str
    command: str
    english: str = ""  # option that the command takes where the tour is told in English

    def run(self, lang: str) -> str:
        return f"{self.command} {self.english}" if self.english and lang == "en" else self.command

    def heading(self, lang: str) -> str:
        return self.zh if lang == "zh" else self.en


STOPS = (
    Stop(
        "poem",
        "七绝，平仄与押韵逐字为证",
        "A quatrain (七绝) with its tones and rhyme proved",
        f"rondo poem {THEME} --form {FORM}",
        "--english",
    ),
    Stop("couplet", "嵌名春联", "A spring couplet (春联) that hides a name", f"rondo couplet --name {NAME} --count 1"),
    Stop(
        "equations",
        "GRU 的方程，和由它推导出的 BPTT",
        "GRU's equations, and its BPTT derived from them",
        f"rondo show {CELL} --bptt --notation lecture",
    ),
    Stop(
        "gradients",
        "梯度检验：推导出的梯度与中心差分",
        "Gradient check: what was derived beside central differences",
        "rondo tour --only gradients",
    ),
    Stop("speed", "速度：与 torch.nn.GRU 并排", "Speed beside torch.nn.GRU", "rondo tour --only speed"),
    Stop(
        "training",
        "训练：一个字符模型读 Rondo 自己的源码",
        "Training: a character model reads Rondo's own source",
        "rondo train text",
    ),
)


def chosen(names: Sequence[str]) -> tuple[Stop, ...]:
    """The stops with these names, in the tour's order; all of them for no name. Raises TourError."""
    known = [stop.name for stop in STOPS]
    for name in names:
        if name not in known:
            raise TourError(f"no stop is called {name!r}{nearest(name, known)}; there are {', '.join(known)}")
    return tuple(stop for stop in STOPS if not names or stop.name in names)


def language(environment: Mapping[str, str] = os.environ) -> str:
    """The locale's language where that is Chinese, else English."""
    named = (environment.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    return "zh" if next(filter(None, named), "").startswith("zh") else "en"
