"""From a theme to images: the lexicon, the table of company, draws; and the judges of themes and styles."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.tasks.poetry.data import Poem, read_poems
from rondo.tasks.poetry.judges import STRENGTH, Archive, StyleJudge, ThemeJudge, read_themes, theme_accuracy
from rondo.verse import imagery as module
from rondo.verse.imagery import KIN, RADICALS, SYMBOLS, Imagery, company, imagery, images, lexicon, parts
from rondo.verse.script import is_han, simplify

DATA = Path(os.environ.get("RONDO_DATA") or Path(__file__).parents[2] / "shared" / "data") / "tang-song-poems"
needs_data = pytest.mark.skipif(not DATA.is_dir(), reason=f"the poems are not in {DATA}")
IMAGES = frozenset(images())


def drawn(theme: str, lines: int = 4, seed: int = 0, count: int = 1, without: str = "") -> list[Imagery]:
    return imagery(theme, lines, random.Random(seed), count, without)


def words(found: Imagery) -> list[str]:
    return [image.word for image in found.images]


# the tables


def test_every_image_of_the_lexicon_is_one_of_old_verse() -> None:
    told = {image for row in lexicon().values() for image in row}
    assert len(told) > 1000
    assert told <= IMAGES


def test_lexicon_has_the_modern_words_and_enough_images_for_each() -> None:
    assert {"地铁", "高考", "啤酒", "手机", "人工智能", "疫情", "咖啡", "北京", "上海", "微信"} <= lexicon().keys()
    assert sum(map(bool, lexicon().values())) > 2000
    for word, told in lexicon().items():
        assert simplify(word) == word
        assert all(map(is_han, word)), word
        assert len(word) <= module.LONGEST
        assert not told or 4 <= len(told) <= 10, word
        assert len(set(told)) == len(told), word


def test_no_word_of_the_lexicon_stands_in_two_rows() -> None:
    rows = (module.FOLDER / "modern.tsv").read_text(encoding="utf-8").splitlines()[1:]
    keys = Counter(key for row in rows for key in row.partition("\t")[0].split())
    assert not [key for key, times in keys.items() if times > 1]


def test_enough_lexicon_images_have_no_character_in_common() -> None:
    """Else a quatrain could not be filled with them."""
    for word, told in lexicon().items():
        used: set[str] = set()
        apart = 0
        for image in told:
            if used.isdisjoint(image):
                apart, used = apart + 1, used | set(image)
        assert not told or apart >= 3, word


@pytest.mark.parametrize(
    ("head", "near"),
    [
        ("秋", "雁声 白露 黄叶 梧桐"),
        ("酒", "一杯 一樽 醉乡 沽酒"),
        ("雪", "梅花 寒梅 剡溪"),
        ("棋", "烂柯 一局"),
        ("茶", "石鼎 玉川"),
        ("夜", "青灯 月明"),
        ("明月", "清风"),
        ("梅花", "孤山 庾岭"),
        ("故乡", "游子 归去"),
        ("西湖", "孤山 和靖"),
    ],
)
def test_company_is_what_a_reader_expects(head: str, near: str) -> None:
    pool = {word for part in parts(head) for word in part.pool}
    assert len(pool & set(near.split())) >= len(near.split()) - 1


def test_company_is_of_images_with_no_character_in_common() -> None:
    for head in ("秋", "雪", "明月", "梅花", "地", "小"):
        assert company(head)
        assert all(word in IMAGES and not set(word) & set(head) for word in company(head))
        assert all(0 < strength < 1 for strength in company(head).values())
    assert company("啤") == {}


def test_no_words_of_grammar_among_the_images() -> None:
    for word in (
        "不知",
        "何处",
        "无人",
        "如何",
        "不是",
        "可怜",
        "谁知",
        "自是",
        "此地",
        "当时",
        "只有",
        "与君",
        "几回",
    ):
        assert word not in IMAGES
    assert len(IMAGES) > 5000
    assert all(len(word) == 2 and all(map(is_han, word)) for word in IMAGES)


def test_characters_of_images_are_common_enough_for_the_generator_to_know_them() -> None:
    """The table has a row for each character that stands 20 times in the training poems: fewer than the vocabulary."""
    common = {head for head in module._table() if len(head) == 1}
    assert len(common) < 5998
    assert all(set(word) <= common for row in lexicon().values() for word in row)


@needs_data
@pytest.mark.long
def test_images_are_in_the_vocabulary_of_the_generator() -> None:
    counts = Counter(char for poem in read_poems(DATA / "train.jsonl.gz") for line in poem.lines for char in line)
    vocabulary = {char for char, _ in counts.most_common(5998)}
    assert all(set(word) <= vocabulary for word in IMAGES)


def test_radicals_are_in_the_order_of_unicode_and_their_images_known() -> None:
    assert list(RADICALS) == sorted(set(RADICALS))
    assert KIN.keys() <= set(RADICALS)
    assert {image for own in KIN.values() for image in own} <= IMAGES


# draws


@given(st.text(max_size=40), st.integers(2, 8), st.integers(0, 99), st.text(max_size=8))
@settings(max_examples=150, deadline=None)
def test_any_text_gets_an_image_for_every_line(theme: str, lines: int, seed: int, without: str) -> None:
    found = drawn(theme, lines, seed, 1, without)[0]
    assert len(found.images) == lines
    assert 0 < len(found.symbols) <= SYMBOLS
    used = "".join("".join(dict.fromkeys(word)) for word in words(found))
    assert len(set(used)) == len(used)
    assert not set(used) & set(without)
    for image in found.images:
        assert image.word in IMAGES
        assert image.path[-1] == image.word


@given(st.text("的了我你是不在有地铁秋夜明月爱啤囧龘王李白小雪", max_size=12), st.integers(0, 9))
@settings(max_examples=80, deadline=None)
def test_the_same_seed_the_same_draws(theme: str, seed: int) -> None:
    assert drawn(theme, 4, seed, 3) == drawn(theme, 4, seed, 3)


def test_other_seeds_and_further_draws_differ() -> None:
    assert len({tuple(words(drawn("秋夜", seed=seed)[0])) for seed in range(10)}) > 5
    assert len({tuple(words(found)) for found in drawn("高考", count=5)}) > 3


def test_a_word_of_old_verse_comes_first() -> None:
    for theme in ("明月", "梅花", "故乡", "西湖", "赤壁"):
        found = drawn(theme)[0]
        assert found.images[0].word == theme
        assert found.images[0].path == (theme,)
        assert found.symbols.startswith(theme)


def test_modern_words_lead_to_their_images() -> None:
    for theme in ("地铁", "高考", "啤酒", "疫情", "人工智能"):
        for found in drawn(theme, count=3):
            assert found.known
            assert found.unknown == ""
            assert len(set(words(found)) & set(lexicon()[theme])) >= 3
            assert all(image.path[0] == theme for image in found.images)


def test_the_path_says_where_an_image_came_from() -> None:
    texts = {str(image) for seed in range(20) for image in drawn("鲜啤", 8, seed)[0].images}
    assert "鲜啤 → 浮蚁" in texts
    assert any(text.count(" → ") == 2 for text in texts)


def test_an_unknown_character_is_passed_over_for_what_stands_beside_it() -> None:
    found = drawn("黢黑的酒")[0]
    assert found.known
    assert found.unknown == "黢"
    assert any(image.path[0] == "酒" for image in found.images)


def test_unknown_characters_alone_go_by_their_radical_or_the_season() -> None:
    fish, nothing = drawn("鲼鳐")[0], drawn("囧")[0]
    assert not fish.known
    assert fish.unknown == "鲼鳐"
    assert fish.images[0].path[1] == "鱼"
    assert not nothing.known
    assert nothing.images[0].path[0] in module.SEASONS
    assert not drawn("", 4)[0].known
    assert not drawn("2024 hello!!")[0].known
    assert not drawn("不知道写什么")[0].known


def test_every_word_of_a_sentence_gets_a_line() -> None:
    for seed in range(5):
        found = drawn("今天下雨了，我想家", seed=seed)[0]
        assert {image.path[0] for image in found.images} == {"下雨", "想家"}


def test_words_of_grammar_steer_nothing_beside_others() -> None:
    for theme in ("我的故乡", "故乡啊！", "写一首关于故乡的诗"):
        assert all(image.path[0] in ("故乡", "诗") for image in drawn(theme, 4)[0].images)


def test_names_steer_by_the_meaning_of_the_given_name() -> None:
    assert [part.text for part in parts("张雪梅")] == ["雪", "梅"]
    assert [part.text for part in parts("欧阳明")] == ["明"]
    assert {part.text for part in parts("江雪")} == {"雪", "江"}  # a surname that is an image stays
    assert [part.text for part in parts("李白")] == ["李白"]  # who is known by himself
    assert [part.text for part in parts("高铁")] == ["高铁"]  # no name


def test_traditional_characters_and_signs_are_read_as_well() -> None:
    assert drawn("故鄉的風雪") == drawn("故乡的风雪")
    assert drawn("《明月》")[0].images[0].word == "明月"


def test_images_of_a_poem_keep_company() -> None:
    """Drawn together they are found together more often than images of different themes."""
    together, apart = [], []
    for seed in range(40):
        mine, other = (words(drawn(theme, 4, seed)[0]) for theme in ("边塞", "春天"))
        together += [company(a).get(b, 0.0) for a in mine for b in mine if a != b]
        apart += [company(a).get(b, 0.0) for a in mine for b in other]
    assert np.mean(together) > 5 * np.mean(apart)


# the judges


def test_the_archive_finds_what_a_plain_search_finds() -> None:
    poems = [
        Poem(("白日依山尽", "黄河入海流"), title="登鹳雀楼"),
        Poem(("山中相送罢", "日暮掩柴扉")),
        Poem(("尽黄山日白", "河山入山山")),
    ]
    archive = Archive(poems)
    for word in ("山", "白日", "黄河", "日白", "尽黄", "依山尽", "鹳雀楼", "山山", "月", "流黄", "扉尽"):
        plain = [n for n, poem in enumerate(poems) if any(word in text for text in (*poem.lines, poem.title))]
        assert archive.holding(word).tolist() == plain, word


def test_a_theme_judge_counts_as_its_formula_says() -> None:
    examples = {"甲": [("山水",), ("山",)], "乙": [("花",)]}
    judge = ThemeJudge(examples, [("山水花花",)])
    usual = {"山": 3 / 8, "水": 2 / 8, "花": 3 / 8}
    strength = STRENGTH
    wanted = [
        sum(np.log((n.get(c, 0) + strength * usual[c]) / (sum(n.values()) + strength) / usual[c]) for c in "山花")
        for n in ({"山": 2, "水": 1}, {"花": 1})
    ]
    assert judge.scores(("山山花", "囧"), ("甲", "乙")) == pytest.approx(wanted)
    assert judge.scores(("花",), ("乙", "甲")).argmax() == 0


def test_a_style_judge_counts_as_its_formula_says() -> None:
    judge = StyleJudge([("山水",), ("山花",)], [("花水",), ("花月",)])
    both = {"山", "水", "花", "月", "山水", "山花", "花水", "花月"}
    tang = Counter(["山", "水", "山水", "山", "花", "山花"])
    song = Counter(["花", "水", "花水", "花", "月", "花月"])
    assert set(tang) | set(song) == both
    wanted = sum(np.log((tang[x] + 0.5) / 6) - np.log((song[x] + 0.5) / 6) for x in ("山", "水", "山水", "月"))
    assert judge.scores([("山水", "月"), ("囧",)]) == pytest.approx([wanted, 0.0])


def test_there_are_twenty_themes_of_each_kind() -> None:
    themes = read_themes()
    assert [len(own) for own in themes.values()] == [20, 20, 20]
    assert len({theme for own in themes.values() for theme in own}) == 60
    assert {"地铁", "高考", "啤酒"} <= set(themes["现代"])
    assert "冰心" in themes["人名与句子"]


def test_theme_accuracy_counts_poems_whose_own_theme_scores_highest() -> None:
    themes = [chr(0x4E00 + k) for k in range(20)]
    judge = ThemeJudge({theme: [(theme * 50,)] for theme in themes}, [("".join(themes),)])
    assert theme_accuracy(judge, {theme: [(theme * 5,)] for theme in themes}) == 1.0
    assert theme_accuracy(judge, {theme: [(other,) for other in themes] for theme in themes}) == 1 / 20
    assert theme_accuracy(judge, {theme: [("囧",)] for theme in themes}) == 0.0  # a tie is not right


@needs_data
@pytest.mark.long
def test_judges_are_right_about_poems_by_people() -> None:
    train, valid = (read_poems(DATA / f"{part}.jsonl.gz") for part in ("train", "valid"))
    themes = read_themes()["古典"]
    judge, others = ThemeJudge.of(Archive(train), themes), Archive(valid)
    human = {theme: [valid[n].lines for n in others.holding(theme)] for theme in themes}
    assert theme_accuracy(judge, human) > 0.6
    style = StyleJudge.of(train)
    right = (style.scores([poem.lines for poem in valid]) > 0) == np.array([poem.style == 1 for poem in valid])
    assert all(right[[poem.style == number for poem in valid]].mean() > 0.7 for number in (1, 2))
