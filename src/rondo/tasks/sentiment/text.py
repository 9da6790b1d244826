"""From text to symbols: pieces with their places, and columns of symbols for the network.

    菜很好吃[心]    菜 很 好 吃 [心]      Chinese: a character, a face code, a word of other letters
    It isn't bad.   It is n't bad .       English: words as the Penn Treebank has them

Columns of a piece: `unit`, itself; `pair`, with the piece after it; in English also `head` and `tail`, how a word
begins and ends; last the `mark`: what the question is about. Its symbol is

    1 + 3 source + kind      kind 0: the whole text; 1 outside, 2 inside the target that is asked about

where source 0 is a text of unknown origin: data sets draw the line between neutral and the rest in different places,
so training names the data set now and then. 0 pads.
"""

from __future__ import annotations

import functools
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rondo.tasks.sentiment.faces import face_of
from rondo.verse.script import simplify

Ints = NDArray[np.int64]
Span = tuple[int, int]

COLUMNS = {"zh": ("unit", "pair", "mark"), "en": ("unit", "pair", "head", "tail", "mark")}
LANGUAGES = tuple(COLUMNS)
SOURCES = ("", "smp2020", "chnsenticorp", "emobank", "dimabsa2024", "zhang", "asap", "sst", "own")
WHOLE, OUTSIDE, INSIDE = 0, 1, 2
MARKS = 1 + 3 * len(SOURCES)
PAD, UNKNOWN, FIRST = 0, 1, 2  # symbols of every column but the mark; the first that stands for something
NUMBER, LINK, NAME, BREAK = "<number>", "<link>", "<name>", "<end>"
REPEATS = 3  # of one piece in a row (哈哈哈哈哈): what follows belongs to the last of so many
LEAST = {  # a symbol seen less often in training is unknown
    "zh": {"unit": 3, "pair": 3},
    "en": {"unit": 2, "pair": 2, "head": 3, "tail": 3},
}
HEAD, TAIL = 4, 3  # letters

_EMOJI = r"(?P<emoji>[←-⯿\U0001F000-\U0001FAFF][︎️‍\U0001F3FB-\U0001F3FF]*(?:(?<=‍)[←-⯿\U0001F000-\U0001FAFF]️?)*)"
_COMMON = r"(?P<link>https?://[\w./?=&%#~:+-]+)|(?P<name>@[\w·-]{1,30})|(?P<number>\d+(?:[.,:]\d+)*)|" + _EMOJI
_LETTERS = "A-Za-zＡ-Ｚａ-ｚÀ-ɏ"
_CHINESE = re.compile(rf"(?P<face>\[[一-鿿A-Za-z]{{1,8}}\])|{_COMMON}|(?P<word>[{_LETTERS}]+)|(?P<other>\S)")
_ENGLISH = re.compile(
    rf"(?P<bracket>-[lr][rsc]b-)|{_COMMON}|(?P<stem>[{_LETTERS}]+(?=n['’]t\b))|(?P<nt>n['’]t\b)"
    rf"|(?P<clitic>['’](?:s|re|ve|ll|d|m)\b)|(?P<word>[{_LETTERS}]+)|(?P<dots>\.{{2,}}|-{{2,}}|``|'')|(?P<other>\S)",
    re.IGNORECASE,
)
_RULES = {"zh": _CHINESE, "en": _ENGLISH}
_ENGLISH_SIGNS = {"-lrb-": "(", "-rrb-": ")", "``": '"', "''": '"', "“": '"', "”": '"', "’": "'", "‘": "'", "…": ".."}


def split(text: str, language: str) -> list[tuple[Span, str]]:
    """The pieces of a text: their places, [start, end) in code points, and what each is read as. White space and
    control characters belong to none; a piece that is repeated more than three times is one with its repetitions."""
    found: list[tuple[Span, str]] = []
    for match in _RULES[language].finditer(text):
        unit = _unit(match.lastgroup or "other", match.group(), language)
        if not unit:
            continue
        last = [u for _, u in found[-REPEATS:]]
        if len(last) == REPEATS and set(last) == {unit}:
            found[-1] = ((found[-1][0][0], match.end()), unit)
        else:
            found.append((match.span(), unit))
    return found


@functools.lru_cache(1 << 16)
def _unit(kind: str, part: str, language: str) -> str:
    """What a piece is read as; "" for what is passed over."""
    if kind == "link":
        return LINK
    if kind == "name":
        return NAME
    if kind == "emoji":
        return face_of(part) or part[0]
    plain = unicodedata.normalize("NFKC", part)
    if kind == "number":
        return plain if len(plain) == 1 else NUMBER
    plain = plain.lower().replace("’", "'")
    if language == "en":
        return _ENGLISH_SIGNS.get(plain, plain[:1] * 2 if kind == "dots" else plain) if _shown(part) else ""
    return simplify(plain) if _shown(part) else ""


def _shown(part: str) -> bool:
    return len(part) > 1 or not unicodedata.category(part).startswith("C")


def _pairs(units: Sequence[str]) -> list[str]:
    return [f"{a} {b}" for a, b in zip(units, [*units[1:], BREAK], strict=True)] if units else []


_COLUMN: dict[str, Callable[[Sequence[str]], Sequence[str]]] = {
    "unit": list,
    "pair": _pairs,
    "head": lambda units: [u[:HEAD] for u in units],
    "tail": lambda units: [u[-TAIL:] for u in units],
}


class Reader:
    """The columns' symbols of one language, numbered by falling frequency.

    tables  of each column but the mark, the symbols from number 2 on: 0 pads, 1 is unknown
    """

    def __init__(self, language: str, tables: dict[str, Sequence[str]]) -> None:
        if language not in COLUMNS or tuple(tables) != COLUMNS[language][:-1]:
            raise ValueError(f"a reader has one of the languages {', '.join(LANGUAGES)} and a table a column")
        self.language = language
        self.tables = {name: tuple(symbols) for name, symbols in tables.items()}
        self._numbers = {n: {s: FIRST + k for k, s in enumerate(t)} for n, t in self.tables.items()}

    @classmethod
    def build(cls, texts: Iterable[str], language: str, limits: dict[str, int]) -> Reader:
        """From training texts: the commonest symbols of each column, at most `limits` of them."""
        names = COLUMNS[language][:-1]
        counts = {name: Counter[str]() for name in names}
        for text in texts:
            units = [unit for _, unit in split(text, language)]
            for name in names:
                counts[name].update(_COLUMN[name](units))
        return cls(language, {name: _commonest(counts[name], LEAST[language][name], limits[name]) for name in names})

    @property
    def columns(self) -> tuple[str, ...]:
        return COLUMNS[self.language]

    @property
    def sizes(self) -> list[int]:
        """How many symbols each column has, the mark last."""
        return [*(FIRST + len(t) for t in self.tables.values()), MARKS]

    def pieces(self, text: str) -> list[Span]:
        """Where the pieces stand, [start, end) in code points of the text."""
        return [span for span, _ in split(text, self.language)]

    def symbols(self, text: str) -> tuple[list[Span], Ints]:
        """The pieces' places, and their symbols [T, k - 1] in every column but the mark."""
        found = split(text, self.language)
        units = [unit for _, unit in found]
        rows = np.full((len(units), len(self.tables)), UNKNOWN, dtype=np.int64)
        for k, (name, numbers) in enumerate(self._numbers.items()):
            rows[:, k] = [numbers.get(symbol, UNKNOWN) for symbol in _COLUMN[name](units)]
        return [span for span, _ in found], rows

    def encode(self, text: str, span: Span | None = None, source: str = "") -> Ints:
        """The text and a question as symbols [T, k]: of the whole, or of the target at `span`, [start, end) in code
        points. `source` names the kind of text, where it is known: one of SOURCES."""
        places, rows = self.symbols(text)
        return np.concatenate([rows, marks(places, span, source)[:, None]], 1)

    def to_json(self) -> dict[str, Any]:
        return {"language": self.language, "tables": {name: "\n".join(t) for name, t in self.tables.items()}}

    @classmethod
    def from_json(cls, value: Any) -> Reader:
        """What `to_json` gave. Raises ValueError for anything else."""
        try:
            tables = {name: value["tables"][name] for name in COLUMNS[value["language"]][:-1]}  # a file sorts names
            return cls(value["language"], {name: t.split("\n") if t else [] for name, t in tables.items()})
        except (TypeError, KeyError, AttributeError) as error:
            raise ValueError(f"this is no reader of sentiment: {error}") from None


def _commonest(counts: Counter[str], least: int, limit: int) -> list[str]:
    order = sorted((s for s, n in counts.items() if n >= least), key=lambda s: (-counts[s], s))
    return order[:limit]


def marks(places: Sequence[Span], span: Span | None, source: str = "") -> Ints:
    """The mark of each piece [T]: see the module."""
    first = 1 + 3 * SOURCES.index(source)
    if span is None:
        return np.full(len(places), first + WHOLE, dtype=np.int64)
    inside = [start < span[1] and end > span[0] for start, end in places]
    return first + np.where(inside, INSIDE, OUTSIDE).astype(np.int64)
