"""Rhyme books, tones and characters: the tables against well-known poems, textbook rules and a plain reading."""

from __future__ import annotations

import gzip
import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.verse import script
from rondo.verse.books import TITLES, Book, Reading, VerseError, book, share_ping
from rondo.verse.script import ScriptError, is_han, simplify, traditional
from rondo.verse.tables import FOLDER, rows

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("RONDO_DATA", ROOT.parent / "shared" / "data"))
BOOKS = tuple(TITLES)
# the characters that rhyme in poems everybody knows, and their group of 平水韵
POEMS = {
    "登鹳雀楼": ("流楼", "十一尤"),
    "静夜思": ("光霜乡", "七阳"),
    "早发白帝城": ("间还山", "十五删"),
    "山行": ("斜家花", "六麻"),
    "枫桥夜泊": ("天眠船", "一先"),
    "回乡偶书": ("回衰来", ""),  # 衰 stands in 四支, the others in 十灰: a well-known neighbour
    "送元二使安西": ("尘新人", "十一真"),
    "出塞": ("关还山", "十五删"),
    "凉州词": ("山间关", "十五删"),
    "春夜喜雨": ("生声明城", "八庚"),
    "春望": ("深心金簪", "十二侵"),
    "绝句": ("天船", "一先"),
    "黄鹤楼送孟浩然": ("楼州流", "十一尤"),
    "望庐山瀑布": ("烟川天", "一先"),
    "lecture, second quatrain": ("明生行", "八庚"),
}
OBLIQUE = {"春晓": ("晓鸟少", "十七筱"), "江雪": ("绝灭雪", "九屑")}
# the groups of 平水韵 (the last character of each name) that every part of 词林正韵 draws on
PARTS = (
    *("东冬董肿送宋", "江阳讲养绛漾", "支微齐灰纸尾荠贿寘未霁泰队", "鱼虞语麌御遇", "佳灰蟹贿泰卦队"),
    *("真文元轸吻阮震问愿", "元寒删先阮旱潸铣愿翰谏霰", "萧肴豪筱巧皓啸效号", "歌哿个", "佳麻马卦祃"),
    *("庚青蒸梗迥敬径", "尤有宥", "侵寝沁", "覃盐咸感俭豏勘艳陷"),
    *("屋沃", "觉药", "质陌锡职缉", "物月曷黠屑叶", "合洽"),
)


def common(shelf: Book, chars: str, tone: str = "平") -> set[str]:
    """The names of the groups that all of the characters share."""
    return {shelf.groups[id].name for id in frozenset.intersection(*(shelf.rhyme_groups(c, tone) for c in chars))}


def plain(name: str) -> list[list[str]]:
    """A shipped file, read line by line."""
    with gzip.open(FOLDER / f"{name}.tsv.gz", "rt", encoding="utf-8") as file:
        return [line.rstrip("\n").split("\t") for line in file][1:]


def stored(path: str) -> Iterator[str]:
    """The poems of a data set."""
    if not (DATA / path).exists():
        pytest.skip(f"no {path} in the data folder")
    with gzip.open(DATA / path, "rt", encoding="utf-8") as file:
        yield from (json.loads(line)["content"] for line in file)


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    spec = importlib.util.spec_from_file_location("verse_tables", ROOT / "scripts" / "verse_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("title", POEMS)
def test_the_rhymes_of_a_known_poem_share_a_group(title: str) -> None:
    chars, group = POEMS[title]
    assert common(book("pingshui"), chars) == ({group} if group else set())


@pytest.mark.parametrize("title", OBLIQUE)
def test_oblique_rhymes_share_a_group(title: str) -> None:
    chars, group = OBLIQUE[title]
    assert common(book("pingshui"), chars, "仄") == {group}
    assert common(book("pingshui"), chars) == set()


def test_old_rhymes_that_mandarin_has_lost() -> None:
    assert common(book("cilin"), "斜家花") == {"第十部"}
    assert common(book("xinyun"), "斜家花") == set() == common(book("tongyun"), "斜家花")
    assert common(book("xinyun"), "家花") == {"一麻"}


def test_the_rhymes_of_the_lecture() -> None:
    assert common(book("pingshui"), "缸光窗") == set()
    assert common(book("cilin"), "缸光窗") == {"第二部"}
    assert common(book("xinyun"), "缸光窗") == {"十唐"}
    assert common(book("tongyun"), "缸光窗") == {"十三昂"}


def test_entering_tones_are_oblique_in_old_verse_alone() -> None:
    for char in "一十白竹国学独急石出屋":
        assert book("pingshui").tones(char) == {"仄"} == book("cilin").tones(char), char
        assert book("xinyun").tones(char) == {"平"} == book("tongyun").tones(char), char
    for char in "色雪月日入百不":
        assert "仄" in book("pingshui").tones(char)
        assert book("xinyun").tones(char) == {"仄"}
    assert book("pingshui").tones("说") == {"仄"}  # Mandarin has shuō and shuì
    assert book("xinyun").tones("说") == {"平", "仄"}


def test_readings_that_verse_never_has_do_not_rhyme() -> None:
    for name in ("xinyun", "tongyun"):
        for pair in ("南花", "无歌", "还来", "石天"):
            assert not common(book(name), pair)
        assert common(book(name), "南寒")
        assert len(book(name).rhyme_groups("大", "仄")) == 2  # dà and dài: both stay


@pytest.mark.parametrize(("name", "groups"), [("pingshui", 106), ("cilin", 19), ("xinyun", 14), ("tongyun", 16)])
def test_groups(name: str, groups: int) -> None:
    shelf = book(name)
    assert sorted(shelf.groups) == list(range(1, groups + 1))
    assert all(key == group.id and group.name for key, group in shelf.groups.items())
    assert {reading.group for found in shelf._readings.values() for reading in found} == set(shelf.groups)
    if name == "pingshui":
        assert [group.tone for group in shelf.groups.values()] == ["平"] * 30 + ["仄"] * 76
        assert all(shelf.groups[r.group].tone == r.tone for found in shelf._readings.values() for r in found)
    else:
        assert {group.tone for group in shelf.groups.values()} == {""}


@pytest.mark.parametrize("name", BOOKS)
def test_lookups_agree_with_a_plain_reading(name: str) -> None:
    shelf = book(name)
    by_char: dict[str, list[Reading]] = {}
    by_group: dict[Reading, list[str]] = {}
    for group, tone, char, sources in plain(name):
        assert len(char) == 1
        assert tone in ("平", "仄")
        assert sources
        assert set(sources) <= set("PSWVD")
        by_char.setdefault(char, []).append(Reading(tone, int(group)))
        by_group.setdefault(Reading(tone, int(group)), []).append(char)
    for char, found in by_char.items():
        assert shelf.readings(char) == tuple(found)
        assert len(set(found)) == len(found)
        assert shelf.tones(char) == {reading.tone for reading in found}
        for tone in "平仄":
            assert shelf.rhyme_groups(char, tone) == {r.group for r in found if r.tone == tone}
    for id in shelf.groups:
        for tone in "平仄":
            assert list(shelf.chars(id, tone)) == by_group.get(Reading(tone, id), [])


def test_common_rhymes_come_first() -> None:
    assert set("中风空同红") == set(book("pingshui").chars(1)[:5])
    assert {"秋", "流", "游", "愁", "头"} == set(book("pingshui").chars(26)[:5])
    assert set("花家华") <= set(book("xinyun").chars(1)[:5])


def test_parts_worked_out_for_cilin_obey_the_textbook() -> None:
    pingshui = book("pingshui")
    worked_out = [row for row in plain("cilin") if row[3] == "D"]
    assert len(worked_out) > 3000
    for part, tone, char, _ in worked_out:
        groups = {pingshui.groups[id].name[-1] for id in pingshui.rhyme_groups(char, tone)}
        assert groups & set(PARTS[int(part) - 1]), char


def test_unknown_characters_have_no_reading() -> None:
    for name in BOOKS:
        for char in ("A", "，", "🙂", "", "春风"):
            assert book(name).readings(char) == ()
            assert book(name).tones(char) == frozenset() == book(name).rhyme_groups(char)
        assert book(name).chars(999) == ()


def test_traditional_characters_are_looked_up_in_their_simplified_form() -> None:
    for name in BOOKS:
        for old, new in zip("風雲鄉樓淚", "风云乡楼泪", strict=True):
            assert book(name).readings(old) == book(name).readings(new) != ()
    assert share_ping("聽") == share_ping("听")


def test_share_of_level_tone() -> None:
    assert {char: share_ping(char) for char in "看听忘不"} == {"看": 0.67, "听": 0.24, "忘": 0.87, "不": 0.04}
    assert share_ping("山") == 1.0
    assert share_ping("月") == 0.0
    assert share_ping("A") == 0.5
    for char, found in book("pingshui")._readings.items():
        share, tones = share_ping(char), {reading.tone for reading in found}
        assert 0 <= share <= 1
        assert len(tones) == 2 or share == float("平" in tones)
    assert all(len(book("pingshui").tones(char)) == 2 for char, _ in rows("ping"))


def test_a_book_has_names_in_chinese_and_pinyin() -> None:
    for name, title in TITLES.items():
        shelf = book(name)
        assert (shelf.name, shelf.title) == (name, title)
        assert book(title) is shelf is book(f" {name.upper()} ")
    assert book("平水韻") is book("pingshui")
    assert book("新韵") is book("xinyun")
    assert book("通韵") is book("tongyun")


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("平水云", "平水韵"), ("中华新云", "中华新韵"), ("pinshui", "pingshui"), ("xin yun", "xinyun")],
)
def test_an_unknown_book_names_the_nearest(wrong: str, nearest: str) -> None:
    with pytest.raises(VerseError) as caught:
        book(wrong)
    chinese, english = str(caught.value).split(" / ")
    assert wrong in chinese
    assert all(title in chinese for title in TITLES.values())
    assert f"did you mean {nearest!r}?" in english


def test_an_unknown_book_shows_no_control_characters() -> None:
    with pytest.raises(VerseError) as caught:
        book("\x1b[31m" + "x" * 500)
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 300


def test_simplify() -> None:
    assert simplify("雲開衡嶽積陰止，天馬鳳凰春樹裏") == "云开衡岳积阴止，天马凤凰春树里"
    assert simplify("皇后乾坤徵余里云后") == "皇后乾坤徵余里云后"
    assert simplify("剩餘") == "剩馀"
    assert simplify("悞鴈疎") == "误雁疏"
    assert simplify("abc 123 🙂\n，") == "abc 123 🙂\n，"


@given(st.text(st.one_of(st.characters(), st.sampled_from([variant for variant, _ in rows("variants")]))))
def test_simplify_twice_is_once_and_place_by_place(text: str) -> None:
    once = simplify(text)
    assert simplify(once) == once
    assert once == "".join(simplify(char) for char in text)
    assert len(once) == len(text)


def test_simplify_leaves_everyday_simplified_characters_alone() -> None:
    everyday = [
        bytes((0xA0 + area, 0xA0 + place)).decode("gb2312", "ignore")
        for area in range(16, 88)
        for place in range(1, 95)
    ]
    assert sum(map(len, everyday)) == 6763
    # surnames and variants that the standard keeps, and old poems do not tell from the others
    assert {char for char in everyday if simplify(char) != char} == set("吒夥後拚捱摺於榘欹舡菸薹袷醣麴麽")


def test_simplify_leaves_simplified_poems_alone() -> None:
    poems = list(stored("tang-song-poems/valid.jsonl.gz"))
    changed = [poem for poem in poems if simplify(poem) != poem]
    assert len(changed) < 0.001 * len(poems)
    assert {char for poem in changed for char in poem if simplify(char) != char} == set("悮於麽")  # missed upstream


def test_traditional() -> None:
    pytest.importorskip("opencc", reason="the package opencc is not installed")
    assert traditional("皇后后来") == "皇后後來"
    assert traditional("多少楼台烟雨中") == "多少樓臺煙雨中"
    assert traditional("hello，🙂") == "hello，🙂"


def test_traditional_and_back() -> None:
    pytest.importorskip("opencc", reason="the package opencc is not installed")
    poems = list(stored("tang-song-poems/valid.jsonl.gz"))[::10]
    assert sum(simplify(traditional(poem)) == poem for poem in poems) > 0.97 * len(poems)


def test_traditional_without_opencc_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "opencc", None)
    script._converter.cache_clear()
    with pytest.raises(ScriptError, match=r"pip install opencc / .*pip install opencc"):
        traditional("后来")


def test_is_han() -> None:
    assert all(map(is_han, "春〇㐀龥𠀀𪢮"))
    assert not any(
        map(is_han, ["", "A", "1", "，", "。", "あ", "ㄅ", "한", "□", "🙂", "\ue7c2", "⺀", "々", "春风", "\n"])
    )


def test_no_torch() -> None:
    code = (
        "import sys, rondo.verse.books as b; b.book('pingshui'); b.share_ping('看'); sys.exit('torch' in sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_shipped_files_carry_no_time() -> None:
    for path in FOLDER.glob("*.gz"):
        assert path.read_bytes()[4:8] == bytes(4), path.name


def test_readme_counts_the_rows() -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    for name in (*BOOKS, "ping", "groups", "variants"):
        assert f"| {name}.tsv.gz | {len(plain(name))} |" in text
    sources = [row[3] for name in BOOKS for row in plain(name)]
    for letter in "WSPVD":
        (line,) = (line for line in text.splitlines() if line.startswith(f"| {letter} |"))
        assert line.endswith(f"| {sum(letter in found for found in sources)} |")


def test_readme_has_the_measured_figures(builder: ModuleType) -> None:
    if not (DATA / "ccpc" / "valid.jsonl.gz").exists():
        pytest.skip("no ccpc/valid.jsonl.gz in the data folder")
    assert builder.measured(DATA) in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_votes_of_poems(builder: ModuleType) -> None:
    table = {
        "流": {Reading("平", 26): "W"},
        "间": {Reading("平", 15): "W", Reading("仄", 75): "W"},
        "山": {Reading("平", 15): "W"},
    }
    poems = [["", "甲流", "", "乙楼"], ["", "甲间", "", "乙山", "", "丙还"], ["", "甲间", "", "乙环"]]
    counts = builder.votes(table, [[line or "丁" for line in poem] for poem in poems])
    assert counts["楼"] == {Reading("平", 26): 1}
    assert counts["还"] == {Reading("平", 15): 1}
    assert "环" not in counts  # its partner has two readings
    found = builder.shown(
        table, {"楼": counts["楼"], "新": builder.Counter({Reading("平", 1): 5, Reading("平", 2): 1})}
    )
    assert found == {"新": {Reading("平", 1): "V"}}


def test_derived_readings(builder: ModuleType) -> None:
    source = {chr(0x4E00 + i): {Reading("平", 10 + i % 2): "W"} for i in range(24)}
    finer = {char: {Reading("平", i // 12): "P"} for i, char in enumerate(source)}
    # group 10 is part 1; group 11 is split: part 2 with finer group 0, part 3 with finer group 1
    whole = {char: {Reading("平", 1 if i % 2 == 0 else 2 + i // 12): "W"} for i, char in enumerate(source)}
    table = {char: found for char, found in whole.items() if char not in "一丁丏"}
    lost = builder.derived(table, source, finer)
    assert {char: list(found) for char, found in lost.items()} == {char: list(whole[char]) for char in "一丁丏"}
    assert {mark for found in lost.values() for mark in found.values()} == {"D"}
    assert not builder.derived(table, source, {}).keys() & set("丁")  # a split group leads nowhere by itself


@pytest.mark.long
def test_the_script_rebuilds_the_shipped_files(builder: ModuleType) -> None:
    if not all((DATA / name).exists() for name in ("rhyme/rhyme.tsv.gz", "tang-song-poems/train.jsonl.gz")):
        pytest.skip("no rhyme or tang-song-poems in the data folder")
    files = builder.build(DATA)
    assert {f"{name}.tsv.gz" for name in files} <= {path.name for path in FOLDER.glob("*.gz")}
    for name, text in files.items():  # the text, as another zlib may pack it in other bytes
        assert gzip.decompress((FOLDER / f"{name}.tsv.gz").read_bytes()).decode("utf-8") == text, name
