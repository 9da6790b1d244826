"""The judge of poems: famous poems, one broken rule at a time, human verse as a whole, bad input, the command."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import os
import random
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

import rondo.cli.verse  # noqa: F401  # registers its command
from rondo import cli
from rondo.verse.books import VerseError, book
from rondo.verse.forms import FIXED, LINES, PING, SCHEMES, ZE, ends, pattern, rhyme_sets
from rondo.verse.judge import NEITHER, OLD, REGULATED, Report, best_book, form, judge, judge_all, limit, read
from rondo.verse.metre import template
from rondo.verse.paste import blocks, couplet
from rondo.verse.script import is_han
from rondo.verse.show import poem_table, verdict

DATA = Path(os.environ.get("RONDO_DATA", Path(__file__).parents[2] / "shared" / "data"))

STORKS = ("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼")
BAIDI = ("朝辞白帝彩云间", "千里江陵一日还", "两岸猿声啼不住", "轻舟已过万重山")
SHANXING = ("远上寒山石径斜", "白云生处有人家", "停车坐爱枫林晚", "霜叶红于二月花")
MAPLE = ("月落乌啼霜满天", "江枫渔火对愁眠", "姑苏城外寒山寺", "夜半钟声到客船")
LUSHAN = ("日照香炉生紫烟", "遥看瀑布挂前川", "飞流直下三千尺", "疑是银河落九天")
QUIET = ("床前明月光", "疑是地上霜", "举头望明月", "低头思故乡")
SNOW = ("千山鸟飞绝", "万径人踪灭", "孤舟蓑笠翁", "独钓寒江雪")
YANGGUAN = ("渭城朝雨浥轻尘", "客舍青青柳色新", "劝君更尽一杯酒", "西出阳关无故人")
GRASS = (
    *("离离原上草", "一岁一枯荣", "野火烧不尽", "春风吹又生"),
    *("远芳侵古道", "晴翠接荒城", "又送王孙去", "萋萋满别情"),
)
ZITHER = (
    *("锦瑟无端五十弦", "一弦一柱思华年", "庄生晓梦迷蝴蝶", "望帝春心托杜鹃"),
    *("沧海月明珠有泪", "蓝田日暖玉生烟", "此情可待成追忆", "只是当时已惘然"),
)
# rhymes as in the lecture's quatrain (缸 光 窗), in lines of our own that fit by old and by Mandarin tones
LECTURE = ("小坐春风酒满缸", "梅花影里月生光", "故人问我归何处", "笑指青山在晚窗")


def rules(report: Report) -> list[tuple[str, int, int]]:
    return [(fault.rule, fault.line, fault.position) for fault in report.faults]


def noted(report: Report) -> set[str]:
    return {note.rule for note in report.notes}


def types(report: Report) -> str:
    return "".join(line.type for line in report.lines)


@pytest.mark.parametrize(
    ("poem", "named", "name", "kinds", "group"),
    [
        (STORKS, "五绝", "仄起首句不入韵", "ABCD", "十一尤"),
        (BAIDI, "七绝", "平起首句入韵", "DBCD", "十五删"),
        (SHANXING, "七绝", "仄起首句入韵", "BDAB", "六麻"),
        (MAPLE, "七绝", "仄起首句入韵", "BDAB", "一先"),
        (LUSHAN, "七绝", "仄起首句入韵", "BDAB", "一先"),
        (GRASS, "五律", "平起首句不入韵", "CDABCDAB", "八庚"),
        (ZITHER, "七律", "仄起首句入韵", "BDABCDAB", "一先"),
    ],
)
def test_famous_regulated_poems(poem: tuple[str, ...], named: str, name: str, kinds: str, group: str) -> None:
    report = judge(poem)
    assert (report.form, report.kind, report.pattern, report.rhyme) == (named, REGULATED, name, (group,))
    assert types(report) == kinds
    assert report.faults == ()
    assert report.off == report.broken == 0
    assert best_book(poem) == "pingshui"


def test_the_tones_are_those_of_the_book() -> None:
    assert "".join(mark.tone for mark in judge(STORKS).lines[0].marks) == "仄仄平平仄"  # 白 is of the entering tone
    assert "".join(mark.tone for mark in judge(STORKS, "新韵").lines[0].marks) == "平仄平平仄"


def test_line_one_may_rhyme_in_the_old_tones_alone() -> None:
    """斜 家 花 are of one group of 平水韵, but xie, jia, hua: in Mandarin line 1 ends level and does not rhyme."""
    assert rules(judge(SHANXING, "xinyun")) == [("句脚", 1, 7)]
    assert [line.rhymes for line in judge(SHANXING).lines] == [True, True, False, True]


def test_old_style_verse_is_recognised() -> None:
    report = judge(QUIET)
    assert (report.kind, report.pattern, report.rhyme, report.faults) == (OLD, "", ("七阳",), ())
    assert {mark.required for line in report.lines for mark in line.marks[:-1]} == {"中"}
    assert "古体" in noted(report)
    assert report.broken == report.off == 2
    assert {fault.rule for fault in judge(QUIET, strict=True).faults} <= {"平仄", "失对", "失粘"}
    assert len(judge(QUIET, strict=True).faults) == 2


def test_an_oblique_rhyme_is_old_style() -> None:
    report = judge(SNOW)
    assert (report.kind, report.rhyme, report.faults) == (OLD, ("九屑",), ())
    assert [line.rhymes for line in report.lines] == [True, True, False, True]
    assert [line.marks[-1].required for line in report.lines] == ["仄", "仄", "中", "仄"]


def test_a_broken_couplet_order_is_one_fault() -> None:
    """渭城曲: every line is regular, but lines 2 and 3 do not agree."""
    assert rules(judge(YANGGUAN)) == [("失粘", 3, 2)]
    turned = (STORKS[0], STORKS[3], STORKS[2], STORKS[1])  # D for B in line 2 and B for D in line 4
    assert rules(judge(turned, strict=True)) == [("失对", 2, 2), ("失粘", 3, 2), ("失对", 4, 2)]


def test_licences_are_noted() -> None:
    made_good = judge(("离离原上草", "一岁一枯荣", "野火烧仄尽", "春风吹又生"))
    assert made_good.faults == ()
    assert ("拗救", 3, 4) in [(note.rule, note.line, note.position) for note in made_good.notes]
    licence = judge(("移舟泊烟渚", "日暮客愁新", "野旷天低树", "江清月近人"))  # 平平仄平仄
    assert (licence.faults, types(licence)) == ((), "CDAB")
    assert ("拗救", 1) in [(note.rule, note.line) for note in licence.notes]
    assert [m.required for m in licence.lines[0].marks] == list("平平仄平仄")


def test_lonely_level_and_three_level_tones() -> None:
    base = ("山山山水水", "水水水山山")
    assert judge(("水水山山水", "水山水水山", *base)).faults[0].rule == "孤平"
    assert judge(("水水山山水", "水山山水山", *base)).lines[1].ok  # made good in the line itself
    three = judge(("水水山山水", "山山水水山", "山山山水水", "水水山山山"))
    assert ("三平尾", 4, 3) in rules(three)
    assert "三仄尾" in noted(judge(("水水山山水", "山山水水山", "山山水水水", "水水水山山")))


def test_the_rhymes_of_the_lecture() -> None:
    reports = judge_all(LECTURE)
    assert rules(reports["pingshui"]) == [("出韵", 2, 7)]  # 缸 窗 三江, 光 七阳
    assert reports["cilin"].faults == reports["xinyun"].faults == ()
    assert best_book(LECTURE) == "cilin"
    assert "七阳" in reports["pingshui"].faults[0].message_zh


def test_the_acrostic_of_the_lecture() -> None:
    """Two lines found in old books and put side by side: no pattern, no rhyme."""
    report = judge(("北岸掩柴关", "京师阳春晚"))
    assert (report.form, report.kind) == ("五言两句", NEITHER)
    assert ("不押韵", 2, 5) in rules(report)
    assert couplet("北岸掩柴关，京师阳春晚。") == ("北岸掩柴关", "京师阳春晚")


def test_rhyme_faults() -> None:
    assert rules(judge(("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层天"))) == [("不押韵", 4, 5)]
    assert rules(judge(("白日依山尽", "黄河入海流", "欲穷千里目", "更在一江流"))) == [("重韵", 4, 5)]
    assert rules(judge(("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层石"))) == [("不押韵", 4, 5)]
    assert rules(judge(("白日依山尽", "黄河入海流", "欲穷千里山", "更上一层楼"))) == [("句脚", 3, 5)]
    assert rules(judge(("朝辞白帝彩云窗", *BAIDI[1:]))) == [("句脚", 1, 7)]
    neighbour = judge(("小坐春风酒满缸", "梅花影里月生光", "故人问我归何处", "笑指青山是故乡"))
    assert neighbour.faults == ()
    assert "首句邻韵" in noted(neighbour)


def test_schemes() -> None:
    poem = ("江上春风满", "花前夜月圆", "山空人未睡", "水远客难眠")
    assert judge(poem).faults == ()
    assert rules(judge(poem, scheme="双句一压")) == [("不押韵", 1, 5), ("不押韵", 3, 5)]
    assert rules(judge(poem, scheme="一三四押")) == [("不押韵", 1, 5), ("句脚", 2, 5), ("不押韵", 3, 5)]
    pairs = judge(("江上春风起", "山中月照水", "花前夜月圆", "水远客难眠"), scheme="双句一压")
    assert (pairs.kind, pairs.rhyme, pairs.faults) == (OLD, ("四纸", "一先"), ())  # 起 水 rhyme in an oblique group


def test_notes_of_characters() -> None:
    report = judge(("離離原上草", *GRASS[1:]))
    assert next(note for note in report.notes if note.rule == "繁体").message_zh.endswith("離→离")
    repeated = [note.message_zh for note in report.notes if note.rule == "重字"]
    assert any("又" in message for message in repeated)
    assert not any("萋" in message or "离" in message for message in repeated)  # doubles
    assert "未收" in noted(judge(ZITHER))  # 蝴
    again = judge(BAIDI).lines[3].marks[5]  # 重: again, not heavy
    assert (again.char, again.tone, again.reading) == ("重", "多", PING)


def test_parallel_lines() -> None:
    report = judge(GRASS)
    assert [pair.points for pair in report.parallels] == [{"pingshui": (3, 3)}] * 2
    broken = judge((*GRASS[:5], "晴翠接荒道", *GRASS[6:]))
    assert {fault.rule for fault in broken.parallels[1].faults} == {"重字", "句脚"}
    assert judge(STORKS).parallels == ()


def test_the_report_is_json() -> None:
    values = json.loads(json.dumps(judge(ZITHER).to_json(), ensure_ascii=False))
    assert values["pattern"] == "仄起首句入韵"
    assert values["lines"][0]["marks"][0] == {"char": "锦", "tone": "仄", "required": "中", "reading": "", "ok": True}


# characters of one tone each, none twice in a rhyme group of another tone
LEVEL = "山春天江云人松楼"
OBLIQUE = "水月石木日竹草柳"
RHYMES = "东同铜桐红宫公功"


def realised(tones: str, rhyme: str = "") -> str:
    """A line of these tones, of characters that have one tone only, that ends in `rhyme`."""
    line = "".join((LEVEL if t == PING else OBLIQUE)[i] for i, t in enumerate(tones))
    return line[:-1] + rhyme if rhyme else line


@st.composite
def poems(draw: st.DrawFn) -> tuple[tuple[str, ...], str]:
    """A poem that fits a pattern in every place, and the types of its lines."""
    count, length = draw(st.sampled_from([2, 4, 6, 8])), draw(st.sampled_from([5, 7]))
    first = draw(st.booleans())
    sets = rhyme_sets("双句押韵", count, first)
    made = pattern(draw(st.sampled_from([PING, ZE])), ends(sets), length)
    lines = [draw(st.sampled_from(sorted(strings))) for strings in made.lines]
    rhymed = (realised(t, "" if s is None else RHYMES[i]) for i, (t, s) in enumerate(zip(lines, sets, strict=True)))
    return tuple(rhymed), made.types


def test_the_characters_of_these_tests() -> None:
    used = book("pingshui")
    assert all(used.tones(c) == {PING} for c in LEVEL + RHYMES)
    assert all(used.tones(c) == {ZE} for c in OBLIQUE)
    assert all(used.rhyme_groups(c) == {1} for c in RHYMES)


@given(poems())
def test_what_fits_has_no_fault(made: tuple[tuple[str, ...], str]) -> None:
    poem, kinds = made
    report = judge(poem)
    assert (report.faults, report.kind, types(report), report.off) == ((), REGULATED, kinds, 0)


@given(poems(), st.data())
def test_one_fixed_place_changed_is_one_fault(made: tuple[tuple[str, ...], str], data: st.DataObject) -> None:
    poem, kinds = made
    i = data.draw(st.integers(0, len(poem) - 1))
    line, length = poem[i], len(poem[i])
    p = data.draw(st.sampled_from([p for p, t in enumerate(template(kinds[i], length)) if t != "中"]))
    used = book("pingshui")
    old = next(iter(used.tones(line[p])))
    before = judge(poem)
    licensed = "拗救" in {note.rule for note in before.notes if note.line == i + 1}
    if licensed or (p == length - 2 and kinds[i] in "AC"):  # may take a licence, or turn into another type at once
        return
    rhymes = before.lines[i].rhymes
    changed = line[:p] + ("雪" if old == PING else "香") + line[p + 1 :]
    report = judge((*poem[:i], changed, *poem[i + 1 :]), strict=True)
    if p < length - 1:
        rule = "平仄"
    elif i == 0 and rhymes:  # line 1 need not rhyme: it only ends the other way then
        assert report.faults == ()
        return
    else:
        rule = "不押韵" if rhymes else "句脚"
    got = rules(report)
    if len(poem) == 2:  # too short to tell which of the two lines is wrong
        assert len(got) <= 2
        return
    assert got == [(rule, i + 1, p + 1)]


@pytest.mark.parametrize(("kind", "length"), LINES)
def test_every_string_fits_the_template_of_its_type(kind: str, length: int) -> None:
    for tones in LINES[kind, length]:
        form_ = template(kind, length)
        wrong = [p for p, (t, c) in enumerate(zip(tones, form_, strict=True)) if c not in ("中", t)]
        assert wrong == ([length - 2] if tones.endswith("平平仄平仄") else [])
        assert set(FIXED[kind]) <= {PING, ZE, "中"}


@st.composite
def any_lines(draw: st.DrawFn) -> tuple[str, ...]:
    length, count = draw(st.sampled_from([5, 7])), draw(st.integers(2, 8))
    char = st.characters(min_codepoint=0x4E00, max_codepoint=0x9FA5)
    return tuple(draw(st.text(char, min_size=length, max_size=length)) for _ in range(count))


@given(any_lines(), st.sampled_from(SCHEMES), st.sampled_from(["pingshui", "cilin", "xinyun", "tongyun"]))
def test_any_characters_are_judged(lines: tuple[str, ...], scheme: str, name: str) -> None:
    report = judge(lines, name, scheme)
    assert len(report.lines) == len(lines)
    assert report.broken >= len(report.faults)
    wrong = {(f.line, f.position) for f in report.faults}
    marked = {(i, p) for i, l in enumerate(report.lines, 1) for p, m in enumerate(l.marks, 1) if not m.ok}
    assert wrong == marked
    for lang in ("zh", "en"):
        Console(file=io.StringIO()).print(poem_table(report, lang, [report]), verdict(report, lang))


@given(any_lines())
def test_no_choice_of_types_leaves_less(lines: tuple[str, ...]) -> None:
    """Against all patterns, each tried in plain: none has fewer wrong places than the judge counts, licences apart."""
    report, used = judge(lines, strict=True), book("pingshui")
    tones = [[used.tones(c) for c in line] for line in lines]
    tail = [tone for line in report.lines for tone in [line.marks[-1].required]]
    for start in (PING, ZE):
        made = pattern(start, tail, len(lines[0]))
        wrong = sum(
            bool(t) and want != "中" and want not in t
            for i, kind in enumerate(made.types)
            for p, (t, want) in enumerate(zip(tones[i], template(kind, len(lines[0])), strict=True))
            if not (p == len(lines[0]) - 1 and report.lines[i].rhymes)
        )
        assert report.off <= wrong


def test_reading_pasted_text() -> None:
    typed = "白日依山盡，黃河入海流。\n欲窮 千里目，\u200b更上一層樓！\r\n\r\n “床前明月光|疑是地上霜\n"
    assert read(typed) == [STORKS, QUIET[:2]]
    assert blocks("  \n\n白日依山尽\n\n\n黄河入海流\n") == ["白日依山尽", "黄河入海流"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("白日依山尽\n黄河入sea流", r"第 2 行的 's'.* / row 2: 's'"),
        ("白日依山尽🙂", "第 1 行的 '🙂'"),
        ("《静夜思》", "题目"),
        (" \n。\n", "没有诗句.* / there is no verse"),
    ],
)
def test_text_that_is_no_verse(text: str, message: str) -> None:
    with pytest.raises(VerseError, match=message):
        read(text)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (("白日依山尽",), "至少要有两句 / a poem has two lines"),
        (("白日依山尽", "黄河入海"), "第 2 句有 4 字.* / line 2 has 4 characters"),
        (("关关雎鸠", "在河之洲"), "只评五言和七言诗 / lines of 4 characters"),
        (("白日依山尽", "黄河入海x"), "'x' 不是汉字"),
    ],
)
def test_lines_that_cannot_be_judged(lines: tuple[str, ...], message: str) -> None:
    with pytest.raises(VerseError, match=message):
        judge(lines)


def test_unknown_choices_name_the_nearest() -> None:
    with pytest.raises(VerseError, match="双句押韵"):
        judge(STORKS, scheme="双句压韵")
    with pytest.raises(VerseError, match="平水韵"):
        judge(STORKS, "平水")


def test_names_of_forms() -> None:
    assert [form(("山" * 5,) * n) for n in (2, 4, 6, 8, 12)] == ["五言两句", "五绝", "五言六句", "五律", "五言12句"]
    assert (limit(4, 5), limit(4, 7), limit(8, 5), limit(2, 5)) == (1, 2, 2, 1)


def corpus(name: str, length: int) -> Iterator[tuple[str, ...]]:
    path = DATA / name / "valid.jsonl.gz"
    if not path.exists():
        pytest.skip(f"there is no {path}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in file:
            lines = json.loads(row)["content"].split("|")
            if len(lines[0]) == length and all(map(is_han, "".join(lines))):
                yield tuple(lines)


@pytest.mark.parametrize(("length", "share"), [(7, 0.921), (5, 0.544)])
def test_as_many_human_quatrains_fit_as_was_measured_elsewhere(length: int, share: float) -> None:
    """The rhyme data's README counted quatrains that fit at 2-4-6 and end level in even lines (valid and test together,
    with a fuller 平水韵): within 2 points."""
    reports = map(judge, itertools.islice(corpus("ccpc", length), 0, None, 5))
    found = [r.off == 0 and all(line.marks[-1].tone != ZE for line in r.lines[1::2]) for r in reports]
    assert sum(found) / len(found) == pytest.approx(share, abs=0.02)


def test_the_limit_parts_human_verse_from_chance() -> None:
    """Human seven-character quatrains are taken for regulated; with shuffled characters nearly all are not."""
    draw, human = random.Random(0), list(itertools.islice(corpus("ccpc", 7), 200))
    chars = [c for lines in human for line in lines for c in line[:-1]]
    mixed = [tuple("".join(draw.choices(chars, k=6)) + line[-1] for line in lines) for lines in human]
    near = [sum(judge(p, strict=True).off <= limit(4, 7) for p in poems) / 200 for poems in (human, mixed)]
    assert near[0] > 0.95
    assert near[1] < 0.30


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["rondo", *arguments])
    with pytest.raises(SystemExit) as stopped:
        cli.main()
    return int(stopped.value.code or 0)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "verse.txt"
    pair = "风声雨声读书声，声声入耳\n家事国事天下事，事事关心"
    file.write_text("白日依山尽，黄河入海流。\n欲穷千里目，更上一层楼。\n\n" + pair, encoding="utf-8")
    assert run(monkeypatch, "verse", "check", str(file), "--json") == 0
    values = json.loads(capsys.readouterr().out)
    assert [poem["pattern"] for poem in values["poems"]] == ["仄起首句不入韵"]
    assert set(values["poems"][0]["books"]) == {"pingshui", "cilin", "xinyun", "tongyun"}
    assert values["couplets"][0]["faults"] == []
    assert run(monkeypatch, "verse", "check", str(file), "--lang", "en", "--book", "新韵") == 0
    out = capsys.readouterr().out
    assert "rhyme 七尤 ✓" in out
    assert "level (平)" in out


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("hello", (), "row 1: 'h'"),
        ("白日依山尽\n黄河入海流", ("--book", "pingshu"), "did you mean 'pingshui'"),
        ("白日依山尽\n黄河入海流", ("--poem", "--couplet"), "give one of them"),
        ("白日依山尽\n黄河入海流\n欲穷千里目", ("--couplet",), "对联要两行"),
    ],
)
def test_what_the_command_refuses(
    text: str,
    arguments: tuple[str, ...],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "verse.txt"
    file.write_text(text, encoding="utf-8")
    assert run(monkeypatch, "verse", "check", str(file), *arguments) == 2
    assert message in capsys.readouterr().err


def test_the_command_reads_stdin_and_refuses_other_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("白日依山尽\n黄河入海流".encode()), "utf-8"))
    assert run(monkeypatch, "verse", "check", "-", "--poem", "--json") == 0
    assert json.loads(capsys.readouterr().out)["poems"][0]["form"] == "五言两句"
    file = tmp_path / "gbk.txt"
    file.write_bytes("白日依山尽".encode("gbk"))
    assert run(monkeypatch, "verse", "check", str(file)) == 2
    assert "UTF-8" in capsys.readouterr().err
