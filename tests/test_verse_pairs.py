"""The judge of couplets: rhythm points, each rule alone, human couplets as a whole, what is read as a couplet."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rondo.verse.books import VerseError, book
from rondo.verse.pairs import (
    FUNCTION_CHARS,
    CoupletReport,
    ends_level,
    judge_couplet,
    mirror,
    opposed,
    rhythm_points,
)
from rondo.verse.paste import couplet, two_rows
from rondo.verse.show import couplet_table

DATA = Path(os.environ.get("RONDO_DATA", Path(__file__).parents[2] / "shared" / "data"))
HAN = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5)


def rules(report: CoupletReport) -> list[tuple[str, int]]:
    return [(fault.rule, fault.position) for fault in report.faults]


@pytest.mark.parametrize(
    ("upper", "lower"),
    [
        ("海内存知己", "天涯若比邻"),
        ("无边落木萧萧下", "不尽长江滚滚来"),  # both repeat at the same places
        ("风声雨声读书声，声声入耳", "家事国事天下事，事事关心"),
        ("天增岁月人增寿", "春满乾坤福满门"),
    ],
)
def test_known_couplets(upper: str, lower: str) -> None:
    report = judge_couplet(upper, lower)
    assert report.faults == ()
    assert all(place.ok for place in report.places)


def test_rhythm_points() -> None:
    assert rhythm_points((5,)) == (1, 3, 4)
    assert rhythm_points((7,)) == (1, 3, 5, 6)
    assert rhythm_points((4, 7)) == (1, 3, 5, 7, 9, 10)
    assert rhythm_points((4, 3)) == (1, 3, 5, 6)
    assert rhythm_points((12,)) == rhythm_points((5, 7)) != rhythm_points((6, 6))
    assert rhythm_points((1,)) == (0,)


@given(st.lists(st.integers(1, 11), min_size=1, max_size=4))
def test_the_last_character_is_always_a_point(parts: list[int]) -> None:
    points = rhythm_points(parts)
    assert points[-1] == sum(parts) - 1
    assert list(points) == sorted(set(points))


@given(st.text(HAN, min_size=1, max_size=12))
def test_mirror(line: str) -> None:
    seen = mirror(line)
    assert [line[i] for i in seen] == list(line)
    assert all(mirror(line)[i] == i for i in seen)
    assert mirror("明明德") == mirror("新新民") != mirror("新民民")


def test_each_rule_alone() -> None:
    upper = "无边落木萧萧下"
    assert rules(judge_couplet(upper, "不尽长江滚滚来")) == []
    assert rules(judge_couplet(upper, "不尽长江滚滚")) == [("字数", 0)]
    assert rules(judge_couplet(upper, "不尽长天滚滚来")) == []
    assert rules(judge_couplet(upper, "不尽长水滚滚来")) == [("平仄", 4)]
    assert rules(judge_couplet(upper, "不尽长江滚滚去")) == [("句脚", 7)]
    assert rules(judge_couplet(upper, "不尽长江滚浪来")) == [("叠字", 6)]
    assert rules(judge_couplet(upper, "不尽长边滚滚来")) == [("重字", 4)]
    assert ("断句", 0) in rules(judge_couplet("人来，山水月", "客去云，日空"))


def test_function_characters_may_come_back() -> None:
    plain = judge_couplet("学而时习之", "温故且知之")
    assert not [fault for fault in plain.faults if fault.rule == "重字"]
    assert "之" in FUNCTION_CHARS
    assert "人" not in FUNCTION_CHARS


def test_a_line_typed_in_the_wrong_order() -> None:
    """The lecture's: 青 level ends the first line, 黑 oblique the second."""
    report = judge_couplet("东风有意绿野舒青", "春雨多情蓝天展黑")
    assert report.swapped
    assert rules(report) == [("仄起平收", 8)]
    turned = judge_couplet("春雨多情蓝天展黑", "东风有意绿野舒青")
    assert not turned.swapped
    assert turned.faults == ()
    assert ends_level("东风有意绿野舒青")
    assert not ends_level("春雨多情蓝天展黑")
    assert not ends_level("一日看")  # both tones


def test_old_or_new_tones_make_it_right() -> None:
    """白 and 国 are oblique in old verse and level in Mandarin."""
    report = judge_couplet("水天白月", "山石春风")
    place = report.places[2]
    assert place.tones == {"pingshui": ("仄", "平"), "xinyun": ("平", "平")}
    assert place.opposed == {"pingshui": True, "xinyun": False}
    old, new = book("pingshui"), book("xinyun")
    assert opposed("国", "春", old)
    assert not opposed("国", "春", new)
    assert rules(judge_couplet("山国月", "水春风")) == []
    assert rules(judge_couplet("山国月", "水春风", ("xinyun",))) == [("平仄", 2)]


@given(st.text(HAN, min_size=1, max_size=9), st.text(HAN, min_size=1, max_size=9))
def test_any_two_lines_are_judged(upper: str, lower: str) -> None:
    report = judge_couplet(upper, lower)
    assert len(report.places) == min(len(upper), len(lower))
    assert json.dumps(report.to_json())
    wrong = {fault.position for fault in report.faults}
    assert wrong & set(range(1, len(report.places) + 1)) == {
        i for i, place in enumerate(report.places, 1) if not place.ok
    }
    for lang in ("zh", "en"):
        Console(file=io.StringIO()).print(couplet_table(report, lang))


@given(st.text(HAN, min_size=1, max_size=9), st.text(HAN, min_size=1, max_size=9))
def test_opposition_does_not_depend_on_the_order(upper: str, lower: str) -> None:
    there, back = judge_couplet(upper, lower), judge_couplet(lower, upper)
    assert [p.opposed for p in there.places] == [p.opposed for p in back.places]
    assert Counter(r for r in rules(there) if r[0] in ("平仄", "叠字")) == Counter(
        r for r in rules(back) if r[0] in ("平仄", "叠字")
    )


@pytest.mark.parametrize(("upper", "lower"), [("", "天"), ("天，，", "，"), ("abc", "天"), ("天地", "🙂")])
def test_lines_that_are_none(upper: str, lower: str) -> None:
    with pytest.raises(VerseError):
        judge_couplet(upper, lower)


def test_what_is_read_as_a_couplet() -> None:
    assert couplet("风声雨声读书声，声声入耳；家事国事天下事，事事关心。") == (
        "风声雨声读书声，声声入耳",
        "家事国事天下事，事事关心",
    )
    assert couplet("天增岁月人增寿\n春满乾坤福满门") == ("天增岁月人增寿", "春满乾坤福满门")
    assert couplet("白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。") is None  # a quatrain in two rows
    assert couplet("白日依山尽\n黄河入海流\n欲穷千里目") is None
    assert couplet("白日依山尽\n黄河入海") is None
    assert two_rows("白日依山尽\n黄河入海") == ("白日依山尽", "黄河入海")


def human() -> Iterator[tuple[str, str]]:
    path = DATA / "couplets" / "valid.tsv.gz"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        next(file)
        for row in file:
            upper, lower, *_ = row.rstrip("\n").split("\t")
            yield upper, lower


def test_how_many_human_couplets_keep_each_rule() -> None:
    """The figures of `rondo.verse.pairs`, to 0.1 %."""
    reports = [judge_couplet(*pair) for pair in human()]
    broken = Counter(rule for report in reports for rule in {fault.rule for fault in report.faults})
    kept = {rule: 100 * (1 - n / len(reports)) for rule, n in broken.items()}
    expected = {"重字": 97.7, "叠字": 98.1, "平仄": 77.6, "句脚": 98.2, "仄起平收": 99.5}
    assert kept == pytest.approx(expected, abs=0.06)


def test_the_points_are_where_human_couplets_oppose_their_tones() -> None:
    """In lines of 4 to 7 characters every point is opposed more often than every other place, but the third of
    five and the fifth of seven."""
    pairs = [(u, l) for u, l in human() if "，" not in u]
    used = (book("pingshui"), book("xinyun"))
    for length in (4, 5, 6, 7):
        rows = [
            [any(opposed(x, y, o) for o in used) for x, y in zip(u, l, strict=True)]
            for u, l in pairs
            if len(u) == length
        ]
        share = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        points = set(rhythm_points((length,)))
        other = [s for i, s in enumerate(share) if i not in points and i != length - 3]
        assert min(share[i] for i in points) > max(other)
