"""Poems to order: whatever is asked is kept, by any generator, or named as relaxed: the masks do it, not training."""

from __future__ import annotations

import gzip
import itertools
import json
import random
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rondo.data.text import DataError
from rondo.data.vocab import Characters
from rondo.files import FileError
from rondo.models.store import save_model
from rondo.tasks.poetry import evaluate
from rondo.tasks.poetry.brief import COLUMNS, RHYMES, STYLES, Brief, rhyme_class
from rondo.tasks.poetry.check import faults, satisfiable
from rondo.tasks.poetry.config import PoetryConfig
from rondo.tasks.poetry.data import Poem, Poems, Sounds, batches, line_types, one_pass, read_poems, required
from rondo.tasks.poetry.mend import continued, mend
from rondo.tasks.poetry.novelty import GRAM, Known
from rondo.tasks.poetry.plan import choices
from rondo.tasks.poetry.poet import Poet, _alphabet, _other_style, demand_of
from rondo.tasks.poetry.request import poem_request
from rondo.tasks.poetry.train import Splits, build, resume, train
from rondo.train.language import load_language_model
from rondo.verse.abuse import RUDE
from rondo.verse.books import VerseError, book
from rondo.verse.forms import FORMS, LINES, PLACES, SCHEMES
from rondo.verse.judge import judge

# public-domain poems: 李白 早发白帝城, 王之涣 登鹳雀楼, 张继 枫桥夜泊, 杜甫 春望
POEMS = [
    Poem(("朝辞白帝彩云间", "千里江陵一日还", "两岸猿声啼不住", "轻舟已过万重山"), ("白帝", "轻舟"), "早发白帝城", 1),
    Poem(("白日依山尽", "黄河入海流", "欲穷千里目", "更上一层楼"), ("白日", "黄河"), "登鹳雀楼", 1),
    Poem(("月落乌啼霜满天", "江枫渔火对愁眠", "姑苏城外寒山寺", "夜半钟声到客船"), ("江枫",), "枫桥夜泊", 1),
    Poem(
        (
            "国破山河在",
            "城春草木深",
            "感时花溅泪",
            "恨别鸟惊心",
            "烽火连三月",
            "家书抵万金",
            "白头搔更短",
            "浑欲不胜簪",
        ),
        ("烽火", "家书"),
        "春望",
        1,
    ),
]


def common(count: int) -> Characters:
    """A vocabulary of the commonest rhyming characters of every group, and those of the poems."""
    used = book("pingshui")
    ranked = sorted(used.groups, key=lambda g: g)
    rows = itertools.zip_longest(*(used.chars(g, used.groups[g].tone) for g in ranked))
    chars = dict.fromkeys([c for p in POEMS for line in p.lines for c in line])
    chars |= dict.fromkeys(c for row in rows for c in row if c)
    return Characters(["\ufffd", "\n", *list(chars)[: count - 2]])


@pytest.fixture(scope="module")
def poet() -> Iterator[Poet]:
    """An untrained poet: nothing that it keeps can have been learned."""
    torch.manual_seed(1)
    vocab = common(2500)
    config = PoetryConfig(hidden=16, embed=8, condition=8)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rondo.tasks.poetry.poet.SPREAD", {5: 8, 7: 8})  # poems at once: few are enough here
        yield Poet(build(config, len(vocab)).eval(), vocab, Known.of([line for p in POEMS for line in p.lines]))


FORM = st.sampled_from([*FORMS, "五言", "七言"])
KEYS = st.text(st.sampled_from("我爱北京空天大学春花秋月一十白国龘"), max_size=8)


BOOK = st.sampled_from(["平水韵", "cilin", "新韵", "通韵"])


@given(
    FORM, KEYS, st.sampled_from(PLACES), st.sampled_from([*SCHEMES, "首句入韵"]), BOOK, st.booleans(), st.integers(0, 9)
)
def test_every_rule_is_kept_or_named(
    poet: Poet, form: str, hide: str, at: str, rhyme: str, used: str, free: bool, seed: int
) -> None:
    request = poem_request(form=form, hide=hide, at=at, rhyme=rhyme, book=used, free=free, seed=seed)
    for poem in poet.write(request).poems:
        assert faults(request, poem) == []
        assert "".join(m.char for line in poem.proof for m in line.marks) == "".join(poem.lines)


@given(
    st.lists(st.text(st.sampled_from("_春花月一十白龘"), min_size=5, max_size=5), min_size=2, max_size=8),
    st.integers(0, 9),
)
def test_any_mask_is_kept(poet: Poet, rows: list[str], seed: int) -> None:
    request = poem_request(mask="|".join(rows), seed=seed)
    (poem,) = poet.write(request).poems
    assert faults(request, poem) == []


@given(FORM, KEYS, st.sampled_from(PLACES), st.sampled_from([*SCHEMES, "首句入韵"]), BOOK, st.booleans())
def test_nothing_is_relaxed_without_need(form: str, hide: str, at: str, rhyme: str, used: str, free: bool) -> None:
    """A choice costs nothing exactly where some pattern and some groups fit the characters: tried one by one."""
    request = poem_request(form=form, hide=hide.replace("龘", ""), at=at, rhyme=rhyme, book=used, free=free)
    assert (choices(demand_of(request))[0].cost == 0) == satisfiable(request)


def test_the_check_finds_what_is_broken(poet: Poet) -> None:
    request = poem_request(hide="春花秋月", form="五绝")
    (poem,) = poet.write(request).poems
    assert faults(request, poem) == []
    spoilt = [
        (0, 0, "夏", "was asked for"),  # the hidden character
        (1, 4, "月", "no rhyme"),
        (2, 1, {"平": "一", "仄": "山"}, "no line of this type"),
        (3, slice(0, 2), "秋", "lines of 5"),
    ]
    for line, place, char, message in spoilt:
        chars = list(poem.lines[line])
        tone = "平" if book("pingshui").tones(str(chars[1])) == {"平"} else "仄"
        chars[place] = char[tone] if isinstance(char, dict) else char
        lines = [*poem.lines[:line], "".join(chars), *poem.lines[line + 1 :]]
        assert message in " ".join(faults(request, poem.model_copy(update={"lines": lines})))


def test_the_acrostic_wins_and_the_answer_says_so(poet: Poet) -> None:
    (poem,) = poet.write(poem_request(hide="北京空天大学", at="藏尾", form="五言")).poems
    assert [line[-1] for line in poem.lines] == list("北京空天大学")
    assert {(r["rule"], r["char"]) for r in poem.relaxed} >= {("rhyme", "学"), ("tone", "学")}
    assert all("/" in r["why"] for r in poem.relaxed)


def test_seeds_repeat_and_differ(poet: Poet) -> None:
    a, b, c = (poet.write(poem_request(theme="秋夜", seed=s)).poems[0].lines for s in (1, 1, 2))
    assert a == b
    assert a != c


def test_several_poems_differ(poet: Poet) -> None:
    poems = poet.write(poem_request(count=5)).poems
    assert len(poems) == 5
    for a, b in itertools.combinations(poems, 2):
        assert sum(x == y for x, y in zip("".join(a.lines), "".join(b.lines), strict=True)) < 14


def test_a_character_that_the_vocabulary_lacks_stands_as_it_was_given(poet: Poet) -> None:
    assert poet.vocab.encode("龘")[0] == 0
    (poem,) = poet.write(poem_request(hide="龘龘", form="五绝")).poems
    assert [line[0] for line in poem.lines[:2]] == ["龘", "龘"]


def test_a_line_of_an_old_poem_is_not_given_out(poet: Poet) -> None:
    free = [poet.vocab.symbols[int(n)] for n in poet.vocab.encode("白日依山尽")]
    assert poet.known is not None
    assert poet.known.line("".join(free))
    assert poet.known.longest("白日依山高") == 4
    assert poet.known.longest("高日依山低") == 0


def test_a_locked_old_line_stands(poet: Poet) -> None:
    (poem,) = poet.write(poem_request(mask="白日依山尽|_____|_____|_____")).poems
    assert poem.lines[0] == "白日依山尽"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"form": "七决"}, "七绝"),
        ({"hide": "一二三四五六七八九"}, "at most 8"),
        ({"hide": "abc"}, "'a'"),
        ({"hide": "春😀"}, "'😀'"),
        ({"theme": "beer"}, "Chinese characters"),
        ({"theme": "酒" * 101}, "at most 100"),
        ({"mask": "__春__"}, "2 to 8 lines"),
        ({"mask": "__春__|____"}, "all of 5"),
        ({"mask": "__春x_|_____"}, "'x'"),
        ({"hide": "春", "mask": "_____|_____"}, "either"),
        ({"book": "广韵"}, "there is no rhyme book"),
        ({"count": 0}, "count"),
        ({"themes": "酒"}, "theme"),
        ({"rhyme": "双句"}, "双句押韵"),
    ],
)
def test_bad_requests(values: dict, message: str) -> None:
    with pytest.raises(VerseError, match=message):
        poem_request(**values)


def test_names_in_pinyin_and_traditional_characters() -> None:
    request = poem_request(form="qijue", at="head", rhyme="first", book="xinyun", style="tang", hide="愛國")
    assert (request.form, request.at, request.rhyme, request.book, request.style) == (
        "七绝",
        "藏头",
        "首句入韵",
        "xinyun",
        "唐",
    )
    assert request.hide == "爱国"


@pytest.mark.parametrize(
    ("keys", "shape"), [(0, (4, 7)), (1, (4, 7)), (2, (2, 7)), (3, (4, 7)), (5, (6, 7)), (8, (8, 7))]
)
def test_lines_of_an_acrostic(keys: int, shape: tuple[int, int]) -> None:
    assert poem_request(hide="春" * keys).shape == shape


def test_the_brief_says_what_a_slot_demands() -> None:
    brief = Brief(2, 5, ["A", "B"], ["仄", "平"], [0, 7])
    brief.required[0, 3] = 42
    c = brief.columns().reshape(2, 5, COLUMNS)
    assert c[0, :, 4].tolist() == [0, 2, 0, 1, 2]
    assert c[1, :, 4].tolist() == [0, 1, 0, 2, 1]
    assert c[0, :, 9].tolist() == [4, 3, 2, 1, 0]
    assert c[0, :, 10].tolist() == [42, 42, 42, 42, 0]
    assert c[1, :, 7].tolist() == [7] * 5
    assert c[:, :, 3].tolist() == [[4, 3, 2, 1, 0]] * 2


def test_rhyme_classes_are_all_different() -> None:
    found = [
        rhyme_class(used.name, g, tone)
        for used in map(book, ("pingshui", "cilin", "xinyun", "tongyun"))
        for g, group in used.groups.items()
        for tone in ([group.tone] if group.tone else ["平", "仄"])
    ]
    assert sorted(found) == list(range(1, RHYMES))


def test_line_types_are_those_of_the_patterns() -> None:
    bits = {"平": 1, "仄": 2}
    for (kind, _), strings in LINES.items():
        tones = np.array([[bits[c] for c in s] for s in sorted(strings)])
        assert set(line_types(tones)) == {kind}


def test_given_places_of_training() -> None:
    random_ = np.random.default_rng(0)
    masks = [required(4, 5, random_) for _ in range(300)]
    assert all(m.shape == (4, 5) for m in masks)
    assert any(m[:, 0].all() and not m[:, 1:].any() for m in masks)  # 藏头
    assert any(m[:, 4].all() and not m[:, :4].any() for m in masks)  # 藏尾
    assert any(m.trace() == 4 and m.sum() == 4 for m in masks)  # 递增


@pytest.fixture(scope="module")
def poems() -> Poems:
    vocab = common(600)
    return Poems(POEMS, vocab, Sounds(vocab))


def test_batches_depend_on_seed_and_step_alone(poems: Poems) -> None:
    whole = list(itertools.islice(batches(poems, 60, 3), 12))
    for first in (1, 5, 9):
        for a, b in zip(whole[first:], batches(poems, 60, 3, first), strict=False):
            assert torch.equal(a.x, b.x)
            assert torch.equal(a.condition, b.condition)


def test_what_is_told_is_true(poems: Poems) -> None:
    """Required characters stand where they are said to; rhymes and tones of line ends are those of the lines."""
    used = poems.sounds
    for batch in itertools.islice(batches(poems, 60, 1), 300):
        for y, c in zip(batch.y.numpy(), batch.condition.numpy(), strict=True):
            here = c[:, 9] == 1
            assert (c[here, 10] == y[here]).all()
            ends = c[:, 3] == 0
            for symbol, rhyme, tone in zip(y[ends], c[ends, 7], c[ends, 6], strict=True):
                assert rhyme == 0 or any(rhyme in own[symbol] for own in used.rhymes)
                assert tone == 0 or used.tones[symbol] & tone


def test_plain_batches_tell_the_form_alone(poems: Poems) -> None:
    seen = 0
    for batch in one_pass(poems, tokens=64):
        assert not batch.condition[:, :, 4:].any()
        seen += batch.y.numel()
    assert seen == sum(len(p.lines) * len(p.lines[0]) for p in POEMS)


def write(path: Path, poems: list[Poem]) -> None:
    rows = [
        {
            "content": "|".join(p.lines),
            "keywords": " ".join(p.keywords),
            "title": p.title,
            "dynasty": STYLES[p.style or 1],
        }
        for p in poems
    ]
    with gzip.open(path, "wt", encoding="utf-8") as file:
        file.write("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows))


def test_training_learns_resumes_and_writes(tmp_path: Path) -> None:
    folder = tmp_path / "tang-song-poems"
    folder.mkdir()
    for part in ("train", "valid"):
        write(folder / f"{part}.jsonl.gz", POEMS)
    config = PoetryConfig(hidden=24, embed=16, condition=8, steps=60, valid_every=30, lr=0.02, warmup=5, tokens=80)
    run = train(tmp_path, config, tmp_path / "run")
    log = [json.loads(line) for line in (run.folder / "log.jsonl").read_text().splitlines()]
    losses = [row["loss"] for row in log if "loss" in row]
    assert losses[-1] < losses[0] - 1
    poet = Poet.load(run.folder)
    assert poet.known is not None
    assert poet.known.line("黄河入海流")
    assert resume(run.folder).folder == run.folder  # nothing is left to do


def test_files_that_hold_no_poems(tmp_path: Path) -> None:
    for text, message in [("", "holds no poem"), ("{}", "line 1"), ('{"content": "春|花"}', "2 to 8 lines")]:
        (tmp_path / "x.jsonl").write_text(text)
        with pytest.raises(DataError, match=message):
            read_poems(tmp_path / "x.jsonl")


def test_what_is_new_is_never_called_known() -> None:
    """No false alarm the other way: all that is known is found; of what is new, few are called known."""
    numbers = random.Random(1)
    lines = ["".join(numbers.choice("春夏秋冬风花雪月山水") for _ in range(7)) for _ in range(4000)]
    known = Known.of(lines)
    assert all(map(known.line, lines))
    fresh = ["".join(numbers.choice("梅兰竹菊琴棋书画诗酒") for _ in range(7)) for _ in range(4000)]
    assert sum(map(known.line, fresh)) < 80  # 0.8 % expected: 32; 80 is eight standard deviations more
    assert all(known.longest(line) >= GRAM for line in lines)


def test_known_survives_a_file(tmp_path: Path) -> None:
    known = Known.of(["白日依山尽", "黄河入海流"])
    known.save(tmp_path / "k")
    again = Known.load(tmp_path / "k")
    assert again.line("白日依山尽")
    assert not again.line("黄河入海去")


def test_splits_have_the_beginning_in_any_vocabulary() -> None:
    splits = Splits.of(POEMS, POEMS, PoetryConfig(vocab=5))
    assert "\n" in splits.vocab.symbols
    assert splits.train.begin > 0


@pytest.fixture(scope="module")
def saved(poet: Poet, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The untrained poet as a model file."""
    path = tmp_path_factory.mktemp("poet") / "poet.safetensors"
    save_model(path, poet.model, {"task": "poetry", "vocabulary": poet.vocab.to_json(), "metrics": {}}, "float16")
    assert poet.known is not None
    poet.known.save(path.with_suffix(".known"))
    return path


def test_the_command_prints_json(run, saved: Path) -> None:
    code, out, _ = run("poem", "秋夜", "--hide", "我爱北京", "--model", str(saved), "--json", "--count", "2")
    assert code == 0
    poems = json.loads(out)["poems"]
    assert len(poems) == 2
    assert all("".join(line[0] for line in p["lines"]) == "我爱北京" and p["relaxed"] == [] for p in poems)
    assert all(mark["ok"] for p in poems for line in p["proof"] for mark in line["marks"])


def test_the_command_shows_the_proof(run, saved: Path) -> None:
    code, out, _ = run(
        "poem", "--lock", "白日依山尽|黄河入海流|_____|_____", "--model", str(saved), "--english", "--traditional"
    )
    assert code == 0
    assert "白日依山盡" in out
    assert "仄起首句不入韵 · 平水韵 十一尤" in out
    assert "Yellow River" in out
    code, out, _ = run("poem", "--hide", "北京空天大学", "--at", "tail", "--model", str(saved))
    assert "放宽 第6句第7字" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--form", "七决"), "did you mean"),
        (("--mask", "_____|_____", "--lock", "_____|_____"), "give one of them"),
        (("--hide", "春", "--model", "nowhere"), "neither a file nor a bundled model"),
    ],
)
def test_command_errors(run, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = run("poem", *arguments)
    assert code == 2
    assert message in err


def test_abuse_is_not_answered_and_never_written(poet: Poet) -> None:
    for values in ({"theme": "傻逼"}, {"hide": "贱人"}, {"mask": "贱____|人____"}, {"mask": "_贱人__|_____"}):
        with pytest.raises(VerseError, match="a word of abuse"):
            poem_request(**values)
    assert poem_request(theme="我想家了，你妈妈还好吗").theme  # 你妈妈 is no abuse
    alphabet = _alphabet(poet.vocab.symbols, "pingshui", "pingshui")
    numbers = [n for n, c in enumerate(poet.vocab.symbols) if c in RUDE]
    assert not alphabet.tones[numbers].any()
    (poem,) = poet.write(poem_request(hide="贱春", form="五言")).poems  # what was given stands
    assert [line[0] for line in poem.lines] == ["贱", "春"]


def test_a_style_is_told_from_the_other(poet: Poet) -> None:
    told = torch.from_numpy(np.stack([Brief(4, 5, style=s).columns() for s in (1, 2)]))
    other = torch.from_numpy(np.stack([Brief(4, 5, style=s).columns() for s in (2, 1)]))
    assert torch.equal(_other_style(told), other)


def test_judges_beside_the_measures(run, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Poems of an untrained network, and those of the file, which the judges have learned."""
    monkeypatch.setattr(evaluate, "read_themes", lambda: {"古典": list("月山水花春秋夜云江雪")})
    song = Poem(
        ("横看成岭侧成峰", "远近高低各不同", "不识庐山真面目", "只缘身在此山中"), ("庐山",), "题西林壁", 2
    )  # 苏轼
    file = str(tmp_path / "x.jsonl.gz")
    write(tmp_path / "x.jsonl.gz", [*POEMS, song])
    code, out, _ = run("evaluate", str(saved), "--data", file, "--count", "0", "--judges", file)
    found = json.loads(out)
    assert code == 0
    assert found["judged"] == 10 * 2 * 4
    assert "written" not in found
    assert found["file_style"] == 1.0  # it has learned these very poems
    assert 0 <= found["poems_theme_of_ten"] <= 1


def test_evaluation_of_a_file_of_poems(run, saved: Path, tmp_path: Path) -> None:
    write(tmp_path / "x.jsonl.gz", POEMS)
    code, out, _ = run("evaluate", str(saved), "--data", str(tmp_path / "x.jsonl.gz"), "--count", "12")
    found = json.loads(out)
    assert code == 0
    assert found["poems"] == 4
    assert found["kept_or_named"] == 1.0
    assert found["relaxed_though_satisfiable"] == 0.0
    assert found["file_lines_known"] == 1.0
    assert found["perplexity_bare"] > 500  # nothing was learned: near the number of characters


def test_a_language_model_is_no_poet_and_a_poet_no_language_model(tmp_path: Path, poet: Poet, saved: Path) -> None:
    save_model(tmp_path / "x.safetensors", poet.model, {"vocabulary": poet.vocab.to_json()})
    with pytest.raises(FileError, match="no generator of poems"):
        Poet.load(tmp_path / "x.safetensors")
    with pytest.raises(FileError, match="a language model is needed"):
        load_language_model(saved)


@pytest.mark.parametrize(
    "lines",
    [
        ("朝辞白帝彩云间", "千里江陵一日回", "两岸猿声啼不住", "轻舟已过万重山"),  # 回 does not rhyme
        ("白日依山尽", "黄河入海流", "欲行千里目", "独上一层楼"),
        ("朝辞白帝彩云间", "千里江陵一日还", "两岸青猿啼不住", "轻舟已过万重山"),  # 猿 where 仄 is wanted
    ],
)
def test_replacements_mend_the_fault(poet: Poet, lines: tuple[str, ...]) -> None:
    report = judge(lines, strict=True)
    found = {(m.line, m.position): m.replacements for m in mend(poet, report)}
    for (line, position), replacements in found.items():
        assert len(replacements) == 5
        for new in replacements:
            text = new if position == 0 else lines[line - 1][: position - 1] + new + lines[line - 1][position:]
            after = judge((*lines[: line - 1], text, *lines[line:]), strict=True)
            assert len(after.faults) < len(report.faults)
    assert not report.faults or found


def test_a_good_poem_needs_no_mending(poet: Poet) -> None:
    assert mend(poet, judge(POEMS[0].lines)) == []


def test_a_theme_steers_by_images_and_names_them(poet: Poet) -> None:
    (poem,) = poet.write(poem_request(theme="啤酒", seed=1)).poems
    assert all(line.image.startswith("啤酒 → ") for line in poem.proof)
    drawn = [line.image.rsplit(" → ")[-1] for line in poem.proof]
    assert len("".join(drawn)) == len(set("".join(drawn))) == 8


def test_a_poem_goes_on_from_given_lines(poet: Poet) -> None:
    mask = continued(["白日依山尽", "黄河入海流"])
    (poem,) = poet.write(poem_request(mask=mask)).poems
    assert poem.lines[:2] == ["白日依山尽", "黄河入海流"]
    assert "流" not in poem.lines[3]
    assert book("pingshui").rhyme_groups(poem.lines[3][-1]) & book("pingshui").rhyme_groups("流")


def test_a_poem_that_is_whole_cannot_go_on() -> None:
    with pytest.raises(VerseError, match="1 to 3"):
        continued(["白日依山尽"] * 4, "五绝")
    with pytest.raises(VerseError, match="first lines"):
        continued([])


def test_check_with_replacements_and_continuation(run, saved: Path, tmp_path: Path) -> None:
    (tmp_path / "x").write_text("朝辞白帝彩云间，千里江陵一日回。两岸猿声啼不住，轻舟已过万重山。", encoding="utf-8")
    code, out, _ = run("verse", "check", str(tmp_path / "x"), "--suggest", "--model", str(saved), "--book", "平水韵")
    assert code == 0
    assert "第 2 句第 7 字可用" in out
    (tmp_path / "x").write_text("白日依山尽，黄河入海流", encoding="utf-8")
    code, out, _ = run("verse", "continue", str(tmp_path / "x"), "--model", str(saved), "--json")
    assert json.loads(out)["poems"][0]["lines"][:2] == ["白日依山尽", "黄河入海流"]
