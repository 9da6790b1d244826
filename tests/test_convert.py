"""Upstream's file formats into the documented ones: what is kept, what is dropped, what is refused."""

from __future__ import annotations

import itertools
import json
import random
import tracemalloc
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.data import read
from rondo.data.convert import couplet, locate, verse_lines
from rondo.data.output import HeldOut, Output, drawn, write_apart
from rondo.data.registry import MANIFEST, DataSetError, named, state
from upstream import LINES, SHARED, STORK, ccpc_line, made_of, needs_data, packed, poem, poets, unpacked

# ---- CCPC


def test_ccpc_keeps_its_lines(tmp_path: Path) -> None:
    text = ccpc_line(LINES) + ccpc_line(LINES[::-1], title="试作 其二")
    packed(tmp_path / "up/ccpc_train_v1.0.json", text.replace("\n", "\r\n"))
    packed(tmp_path / "up/CCPC/ccpc_test_v1.0.json", "\ufeff" + ccpc_line(LINES).rstrip("\n"))
    made = made_of("ccpc", tmp_path / "up", tmp_path / "out")
    assert unpacked(tmp_path / "out/ccpc/train.jsonl.gz") == text
    assert unpacked(tmp_path / "out/ccpc/test.jsonl.gz") == ccpc_line(LINES)
    assert {name: about["records"] for name, about in made["files"].items()} == {
        "train.jsonl.gz": 2,
        "test.jsonl.gz": 1,
    }
    assert made["notes"] == ["made of 2 of upstream's 3 files"]
    found = state(named("ccpc"), tmp_path / "out")
    assert (found.word, found.made, found.files["valid.jsonl.gz"]) == ("complete", True, "absent")


def test_a_converted_copy_is_checked_against_what_was_written(tmp_path: Path) -> None:
    packed(tmp_path / "up/ccpc_valid_v1.0.json", ccpc_line(LINES))
    made_of("ccpc", tmp_path / "up", tmp_path / "out")
    assert state(named("ccpc"), tmp_path / "out").files["valid.jsonl.gz"] == "ok"
    packed(tmp_path / "out/ccpc/valid.jsonl.gz", ccpc_line(LINES, author="某人"))
    assert state(named("ccpc"), tmp_path / "out").word == "differs"
    (tmp_path / "out/ccpc/valid.jsonl.gz").unlink()
    assert state(named("ccpc"), tmp_path / "out").word == "absent"


@needs_data
def test_ccpc_valid_converts_to_the_published_content(tmp_path: Path) -> None:
    upstream = unpacked(SHARED / "ccpc/valid.jsonl.gz")  # "an upstream JSON object, unchanged"
    packed(tmp_path / "ccpc_valid_v1.0.json", upstream)
    made = made_of("ccpc", tmp_path / "ccpc_valid_v1.0.json", tmp_path / "out")
    assert made["files"]["valid.jsonl.gz"]["sha256"] == named("ccpc").files[1].sha256


def good() -> bytes:
    return ccpc_line(LINES).encode()


MALFORMED = {
    "not JSON": (good() + b'{"dynasty": \n', ":2: not JSON"),
    "two objects": (good() + good().rstrip() + b"{}\n", ":2: not JSON: more than one object"),
    "no object": (b"[1, 2]\n", ":1: a JSON object is expected, not list"),
    "no content": (good() * 2 + b'{"dynasty": "Tang", "author": "x"}\n', ":3: content should be a text"),
    "a list": (ccpc_line(LINES).replace('"云 山"', '["云", "山"]').encode(), ":1: keywords should be a text"),
    "not UTF-8": (good() + "白云".encode("gb18030") + b"\n", ":2: not UTF-8"),
    "endless": (good() + b'{"content": "' + b"x" * (read.LONGEST + 9), ":2: a line of more than 1 MB"),
    "nested": (b'{"a":' * 200_000, ":1: JSON that cannot be read"),
    "a number": (b'{"a": ' + b"9" * 9_999 + b"}\n", ":1: JSON that cannot be read"),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_malformed_ccpc_names_file_and_line_and_leaves_nothing(tmp_path: Path, fault: str) -> None:
    data, message = MALFORMED[fault]
    file = tmp_path / "ccpc_train_v1.0.json"
    file.write_bytes(data)
    with pytest.raises(DataSetError) as error:
        made_of("ccpc", file, tmp_path / "out")
    assert str(error.value).startswith(f"{file}{message}")
    assert list((tmp_path / "out/ccpc").iterdir()) == []


# ---- chinese-poetry


def poems_of(folder: Path) -> dict[str, list[dict[str, Any]]]:
    parts = ("train", "valid", "test")
    files = {part: folder / f"tang-song-poems/{part}.jsonl.gz" for part in parts}
    return {p: [json.loads(x) for x in unpacked(f).splitlines()] if f.exists() else [] for p, f in files.items()}


def all_of(parts: dict[str, list[dict[str, Any]]]) -> list[dict[str, Any]]:
    return [record for records in parts.values() for record in records]


def test_a_poem_in_the_documented_format(tmp_path: Path) -> None:
    poets(tmp_path, "tang.0", poem(*STORK, tags=["唐诗三百首"]), poem("不成诗。"))
    pond = poem("泉眼無聲惜細流，", "樹陰照水愛晴柔。", "小荷纔露尖尖角，早有蜻蜓立上頭。", title="小池")
    poets(tmp_path, "song.1000", pond)
    made = made_of("tang-song-poems", tmp_path, tmp_path / "out")
    by_title = {p["title"]: p for p in all_of(poems_of(tmp_path / "out"))}
    assert list(by_title["登鹳雀楼"].items()) == [
        ("title", "登鹳雀楼"),
        ("author", "王之涣"),
        ("dynasty", "唐"),
        ("form", "五绝"),
        ("content", "白日依山尽|黄河入海流|欲穷千里目|更上一层楼"),
        ("tags", ["唐诗三百首"]),
    ]
    assert (by_title["小池"]["dynasty"], by_title["小池"]["form"]) == ("宋", "七绝")
    assert "tags" not in by_title["小池"]
    assert made["dropped"] == {"other shapes": 1}


@pytest.mark.parametrize(
    "written",
    [
        "白日依山盡，黃河入海流。\n欲窮千里目，更上一層樓。",
        "白日依山盡,黃河入海流.欲窮千里目,更上一層樓.",
        "白日依山盡。\n黃河入海流。\n欲窮千里目？\n更上一層樓！",
        "白日依山盡（一作青山）黃河入海流。",  # the note parts nothing: two lines run together
        "白日依山盡，（一作〖甲〗青山（乙））黃河入海流。欲窮千里目，更上一層樓。（見《本集》。\n卷三）。",
        "白日依山盡，黃河入海流。欲窮千里目，更上一層樓。\n。",
    ],
)
def test_both_styles_of_punctuation_and_notes(written: str) -> None:
    lines, fault = verse_lines(written)
    wanted = ["白日依山盡", "黃河入海流", "欲窮千里目", "更上一層樓"]
    assert (lines, fault) == ((wanted, "") if "更上" in written else ([], "other shapes"))


@pytest.mark.parametrize(
    ("written", "fault"),
    [
        ("", "empty"),
        ("（存目）。", "empty"),
        ("白日依山□，黃河入海流。欲窮千里目，更上一層樓。", "lost characters"),
        ("白日依山{尽/皿}，黃河入海流。欲窮千里目，更上一層樓。", "signs that are no characters"),
        ("白日依山盡，黃河入海流。欲窮千里目，更上一層樓（見前。", "signs that are no characters"),
        ("白日依山x，黃河入海流。欲窮千里目，更上一層樓。", "signs that are no characters"),
        ("白日依山盡，黃河入海流。", "other shapes"),
        ("白日依山盡，黃河入海流。欲窮千里目，更上層樓。", "other shapes"),
        ("，".join("一二三四五六" for _ in range(4)), "other shapes"),
        ("，".join("一二三四五" for _ in range(6)), "other shapes"),
    ],
)
def test_what_is_left_out_and_why(written: str, fault: str) -> None:
    assert verse_lines(written) == ([], fault)


@pytest.mark.parametrize(("count", "length", "form"), [(4, 5, "五绝"), (4, 7, "七绝"), (8, 5, "五律"), (8, 7, "七律")])
def test_forms_by_shape(tmp_path: Path, count: int, length: int, form: str) -> None:
    poets(tmp_path, "tang.0", poem(*("春夏秋冬東西南"[:length] + "。" for _ in range(count))))
    made_of("tang-song-poems", tmp_path, tmp_path / "out")
    assert [p["form"] for p in all_of(poems_of(tmp_path / "out"))] == [form]


def test_a_poem_is_kept_once_also_in_other_characters(tmp_path: Path) -> None:
    simplified = ("白日依山尽，黄河入海流。", "欲穷千里目，更上一层楼。")
    poets(tmp_path, "tang.0", poem(*STORK), poem(*simplified, author="別人"))
    poets(tmp_path, "song.0", poem(*STORK))
    made = made_of("tang-song-poems", tmp_path, tmp_path / "out")
    (kept,) = all_of(poems_of(tmp_path / "out"))
    assert (kept["author"], kept["dynasty"]) == ("王之涣", "唐")
    assert made["dropped"] == {"repeated": 2}


def random_poems(count: int, seed: int = 1, pool: int = 400) -> list[list[str]]:
    """Quatrains of random characters; some lines come back in other poems."""
    draw = random.Random(seed)
    lines = ["".join(chr(draw.randrange(0x4E00, 0x5E00)) for _ in range(5)) for _ in range(pool)]
    return [[draw.choice(lines) for _ in range(4)] for _ in range(count)]


def written(lines: list[str]) -> dict[str, Any]:
    return poem(*(f"{a}，{b}。" for a, b in zip(lines[::2], lines[1::2], strict=True)))


def near(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return len(set(a["content"].split("|")) & set(b["content"].split("|"))) >= 2


def test_splits_keep_near_poems_apart_and_are_drawn_poem_by_poem(tmp_path: Path) -> None:
    found = random_poems(1500)
    poets(tmp_path / "a", "tang.0", *map(written, found))
    poets(tmp_path / "b", "tang.0", *map(written, found[1000:]))
    poets(tmp_path / "b", "tang.1000", *map(written, found[:1000]))
    made = made_of("tang-song-poems", tmp_path / "a", tmp_path / "out-a")
    made_of("tang-song-poems", tmp_path / "b", tmp_path / "out-b")
    parts, other = poems_of(tmp_path / "out-a"), poems_of(tmp_path / "out-b")
    assert 0.06 < len(parts["test"]) / 1500 < 0.14
    assert 0.005 < len(parts["valid"]) / 1500 < 0.04
    assert not any(near(a, b) for a in parts["test"] for b in parts["valid"] + parts["train"])
    assert not any(near(a, b) for a in parts["valid"] for b in parts["train"])
    assert len(all_of(parts)) + sum(made["dropped"].values()) == 1500
    assert made["dropped"]["train: too near a held-out record"] > 0  # the test can fail
    assert {p: {r["content"] for r in rs} for p, rs in parts.items()} == {
        p: {r["content"] for r in rs} for p, rs in other.items()
    }, "the order of the poems decides nothing"


def test_poems_near_ccpc_go_to_its_splits(tmp_path: Path) -> None:
    from rondo.verse.script import simplify

    found = [[simplify(line) for line in lines] for lines in random_poems(60, seed=2, pool=10_000)]
    for part, lines in (("valid", found[0][:2] + found[1][:2]), ("test", found[2])):
        packed(tmp_path / f"out/ccpc/{part}.jsonl.gz", ccpc_line("|".join(lines)))
    poets(tmp_path / "up", "tang.0", *map(written, found))
    made = made_of("tang-song-poems", tmp_path / "up", tmp_path / "out")
    places = {r["content"]: part for part, rs in poems_of(tmp_path / "out").items() for r in rs}
    assert [places["|".join(lines)] for lines in found[:3]] == ["valid", "valid", "test"]
    assert not any("ccpc" in note for note in made["notes"])


def test_without_ccpc_beside_a_note_says_so(tmp_path: Path) -> None:
    poets(tmp_path, "tang.0", poem(*STORK))
    made = made_of("tang-song-poems", tmp_path, tmp_path / "out")
    assert any(note.startswith("ccpc/test.jsonl.gz was not there") for note in made["notes"])


BROKEN_POETS = {
    "no array": ('{"author": "x"}', ":1: no JSON array"),
    "empty file": ("", ":1: no JSON array"),
    "cut off": ('[\n{"paragraphs": ["一"], "title": "", "author": ""},\n', ":3: not JSON"),
    "no comma": ('[\n{"paragraphs": [], "title": "", "author": ""}\n\n{}]', ":4: not JSON: , or ] expected"),
    "broken": ('[\n{"paragraphs": [],\n"title" "x"}]', ":3: not JSON"),
    "number": ('[{"paragraphs": [], "title": "", "author": ""},\n\n 3]', ":3: a JSON object is expected"),
    "no lines": ('[\n\n{"title": "x"}]', ":3: paragraphs should be a list of texts"),
    "lines of lists": ('[\n{"paragraphs": [["一"]]}]', ":2: paragraphs should be a list of texts"),
    "title": (json.dumps([poem(*STORK, title=3)]), ":1: title should be a text"),
    "nested": ("[" * 200_000, ":1: JSON that cannot be read"),
}


@pytest.mark.parametrize("fault", BROKEN_POETS)
def test_malformed_poets_name_file_and_line(tmp_path: Path, fault: str) -> None:
    text, message = BROKEN_POETS[fault]
    file = packed(tmp_path / "poet.tang.0.json", text)
    with pytest.raises(DataSetError) as error:
        made_of("tang-song-poems", tmp_path, tmp_path / "out")
    assert str(error.value).startswith(f"{file}{message}")


def test_half_a_surrogate_in_a_title_does_no_harm(tmp_path: Path) -> None:
    packed(tmp_path / "poet.tang.0.json", json.dumps([poem(*STORK, title="樓\ud800")]))
    made_of("tang-song-poems", tmp_path, tmp_path / "out")
    assert [p["title"] for p in all_of(poems_of(tmp_path / "out"))] == ["楼?"]


def test_a_file_too_large_for_a_poets_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "LARGEST", 1 << 10)
    poets(tmp_path, "tang.0", *[poem(*STORK)] * 20)
    with pytest.raises(DataSetError, match="is larger than"):
        made_of("tang-song-poems", tmp_path, tmp_path / "out")


@needs_data
def test_the_published_poems_come_back_from_upstreams_format(tmp_path: Path) -> None:
    from rondo.verse.script import simplify  # goes further than the published copy in a few characters

    published = [json.loads(line) for line in unpacked(SHARED / "tang-song-poems/valid.jsonl.gz").splitlines()]
    wanted = {}
    for p in published:
        del p["keywords"]
        p |= {key: simplify(p[key]) for key in ("content", "title", "author")}
        wanted[p["content"]] = p
    for name, dynasty in (("tang.0", "唐"), ("song.0", "宋")):
        records = ({"paragraphs": [f"{line}。" for line in p["content"].split("|")]} | p for p in published)
        poets(tmp_path / "up", name, *(r for r in records if r["dynasty"] == dynasty))
    made_of("tang-song-poems", tmp_path / "up", tmp_path / "out")
    found = {r["content"]: r for r in all_of(poems_of(tmp_path / "out"))}
    assert all(record == wanted[content] for content, record in found.items())
    assert len(found) > 0.99 * len(wanted), "all but a few that come near a held-out one"


# ---- couplets


def couplet_files(folder: Path, part: str, *pairs: tuple[str, str]) -> None:
    for name, lines in zip(("in", "out"), zip(*pairs, strict=True), strict=True):
        packed(folder / part / f"{name}.txt", "".join(" ".join(line) + " \n" for line in lines))


def couplets_of(folder: Path, part: str) -> list[list[str]]:
    header, *rows = unpacked(folder / f"couplets/{part}.tsv.gz").splitlines()
    assert header == ("up\tdown" if "test" in part else "up\tdown\tkind\tsource")
    return [row.split("\t") for row in rows]


@pytest.mark.parametrize(
    ("first", "second", "wanted"),
    [
        ("白 日 依 山 尽", "黄 河 入 海 流", ("白日依山尽", "黄河入海流")),
        ("黄 河 入 海 流", "白 日 依 山 尽", ("白日依山尽", "黄河入海流")),  # the line that ends 仄 stands first
        ("風 聲 雨 聲 入 耳", "家 事 國 事 關 心", ("风声雨声入耳", "家事国事关心")),
        ("一 水 護 田 ， 将 绿 绕 。", "两 山 排 闼 、 送 青 来 ！", ("一水护田，将绿绕", "两山排闼，送青来")),
        ("一 水 护 田 将 绿 绕", "两 山 排 闼 ， 送 青 来", ("一水护田将绿绕", "两山排闼送青来")),  # a comma in one
        ("白 日 （ 注 ） 依 山 尽", "黄 河 入 海 流", ("白日依山尽", "黄河入海流")),
    ],
)
def test_a_couplet_as_it_is_kept(first: str, second: str, wanted: tuple[str, str]) -> None:
    assert couplet(first, second) == (wanted, "")


@pytest.mark.parametrize(
    ("first", "second", "fault"),
    [
        ("", "黄 河", "empty"),
        ("， 。", "黄 河", "empty"),
        ("白 日 依 山 尽", "黄 河 入 海", "unequal length"),
        ("白", "黄", "shorter than 2 or longer than 40"),
        ("白" * 41, "黄" * 41, "shorter than 2 or longer than 40"),
        ("白 日 □", "黄 河 流", "lost characters"),
        ("白 日 A", "黄 河 流", "signs that are no characters"),
        ("山 药 - - 真 大", "海 盐 - - 好 多", "signs that are no characters"),
    ],
)
def test_couplets_that_are_left_out(first: str, second: str, fault: str) -> None:
    assert couplet(first, second)[1] == fault


def test_couplets_into_tables(tmp_path: Path) -> None:
    spring, moon, autumn = ("天增岁月", "春满乾坤"), ("明月松间照", "清泉石上流"), ("秋水共长天一色", "落霞与孤鹜齐飞")
    couplet_files(tmp_path / "up", "train", spring, moon, spring, ("甲", "乙"), autumn)
    couplet_files(tmp_path / "up", "test", ("明月松间照", "微风竹外吹"))
    made = made_of("couplets", tmp_path / "up", tmp_path / "out")
    assert couplets_of(tmp_path / "out", "test_wb14123") == [["明月松间照", "微风竹外吹"]]
    rows = couplets_of(tmp_path / "out", "train") + couplets_of(tmp_path / "out", "valid")
    assert sorted(rows) == sorted([*pair, "", "wb14123"] for pair in (spring, autumn))
    reasons = {why.split(": ")[-1]: count for why, count in made["dropped"].items()}
    assert reasons == {"repeated": 1, "too near a held-out record": 1, "shorter than 2 or longer than 40": 1}


def test_no_line_of_train_couplets_stands_in_a_held_out_one(tmp_path: Path) -> None:
    lines = [line for quatrain in random_poems(400, seed=3, pool=1500) for line in quatrain]
    pairs = list(zip(lines[::2], lines[1::2], strict=True))
    couplet_files(tmp_path / "up", "train", *pairs[:700])
    couplet_files(tmp_path / "up", "test", *pairs[700:])
    made_of("couplets", tmp_path / "up", tmp_path / "out")
    parts = {p: couplets_of(tmp_path / "out", p) for p in ("train", "valid", "test_wb14123")}
    used = {part: {line for row in rows for line in row[:2]} for part, rows in parts.items()}
    assert all(used.values())
    assert not any(used[a] & used[b] for a, b in itertools.combinations(used, 2))


def test_couplets_also_from_bare_files(tmp_path: Path) -> None:
    couplet_files(tmp_path, ".", ("天增岁月", "春满乾坤"))
    made = made_of("couplets", tmp_path, tmp_path / "out")
    assert list(made["from"]) == ["couplets/train/in.txt", "couplets/train/out.txt"]
    assert any("not there" in note for note in made["notes"])


def test_couplet_files_must_go_line_for_line(tmp_path: Path) -> None:
    couplet_files(tmp_path, "train", ("天增岁月", "春满乾坤"), ("天增岁月", "春满乾坤"))
    packed(tmp_path / "train/out.txt", "春 满 乾 坤 \n")
    with pytest.raises(DataSetError, match=r"out\.txt:2: the file ends here"):
        made_of("couplets", tmp_path, tmp_path / "out")
    packed(tmp_path / "train/in.txt", "")
    with pytest.raises(DataSetError, match=r"in\.txt:1: the file ends here"):
        made_of("couplets", tmp_path, tmp_path / "out")
    (tmp_path / "train/in.txt").unlink()
    with pytest.raises(DataSetError, match=r"couplets/train/in\.txt is missing"):
        made_of("couplets", tmp_path, tmp_path / "out")


# ---- texts of language models


def treebank(path: Path, **parts: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for part in ("train", "valid", "test"):
            archive.writestr(f"ptb.{part}.txt", parts.get(part, f" the {part} <unk> \n N cats \n"))
    return path


def test_penn_treebank(tmp_path: Path) -> None:
    made = made_of("lm-ptb", treebank(tmp_path / "ptb.zip"), tmp_path / "out")
    assert unpacked(tmp_path / "out/lm-ptb/train.txt.gz") == "the train <unk>\nN cats\n"
    assert made["files"]["test.txt.gz"]["records"] == 2


def test_an_archive_cannot_write_elsewhere(tmp_path: Path) -> None:
    path = tmp_path / "a/b/ptb.zip"
    path.parent.mkdir(parents=True)
    with zipfile.ZipFile(path, "w") as archive:
        for part in ("train", "valid", "test"):
            archive.writestr(f"../../../ptb.{part}.txt", f"{part}\n")
        archive.writestr("/tmp/rondo-evil.txt", "x")
    before = {p for p in tmp_path.rglob("*") if p.is_file()}
    made_of("lm-ptb", path, tmp_path / "out")
    new = {str(p.relative_to(tmp_path)) for p in tmp_path.rglob("*") if p.is_file()} - {
        str(p.relative_to(tmp_path)) for p in before
    }
    assert new == {f"out/lm-ptb/{name}" for name in ("train.txt.gz", "valid.txt.gz", "test.txt.gz", MANIFEST)}
    assert not Path("/tmp/rondo-evil.txt").exists()


def test_broken_archives(tmp_path: Path) -> None:
    packed(tmp_path / "ptb.zip", "no archive")
    with pytest.raises(DataSetError, match=r"ptb\.zip cannot be unpacked"):
        made_of("lm-ptb", tmp_path, tmp_path / "out")
    with zipfile.ZipFile(tmp_path / "ptb.zip", "w") as archive:
        archive.writestr("ptb.train.txt", "x\n")
    with pytest.raises(DataSetError, match=r"has no ptb\.valid\.txt"):
        made_of("lm-ptb", tmp_path, tmp_path / "out")
    path = treebank(tmp_path / "ptb.zip", train="the cat sat\n" * 500)
    path.write_bytes(path.read_bytes().replace(path.read_bytes()[45:50], b"\0\xff\0\xff\0"))
    with pytest.raises(DataSetError, match=r"ptb\.zip"):
        made_of("lm-ptb", tmp_path, tmp_path / "out")


@needs_data
@pytest.mark.parametrize(("name", "total"), [("lm-tinyshakespeare", 1_115_394), ("lm-warpeace", 3_199_958)])
def test_published_texts_come_back(tmp_path: Path, name: str, total: int) -> None:
    """The held-out tenth is not here: anything of its length does in its place."""
    known = "".join(unpacked(SHARED / name / f"{part}.txt.gz") for part in ("train", "valid"))
    whole = known + "\n" + "x" * (total - len(known) - 2) + "\n"
    if name == "lm-warpeace":
        contents = "\ufeffThe Project Gutenberg EBook\n\n    CONTENTS\n\n    BOOK ONE: 1805\n\n\n"
        whole = contents + whole.replace("\n\n", "\n\n\n\n\n") + "\n\n\nEnd of the Project Gutenberg EBook of it\n"
    file = named(name).raw.files[0].path.split("/")[-1]
    made = made_of(name, packed(tmp_path / file, whole), tmp_path / "out")
    for wanted in named(name).files[:2]:
        assert made["files"][wanted.name] == {"records": wanted.records, "sha256": wanted.sha256}


@needs_data
def test_the_published_treebank_comes_back(tmp_path: Path) -> None:
    parts = {
        part: "".join(f" {line} \n" for line in unpacked(SHARED / f"lm-ptb/{part}.txt.gz").splitlines())
        for part in ("train", "valid")
    }
    made = made_of("lm-ptb", treebank(tmp_path / "ptb.zip", **parts), tmp_path / "out")
    for wanted in named("lm-ptb").files[:2]:
        assert made["files"][wanted.name] == {"records": wanted.records, "sha256": wanted.sha256}


def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = treebank(tmp_path / "ptb.zip", valid="the cat sat\n" * 100_000)
    monkeypatch.setattr("rondo.data.convert.LARGEST", 1 << 20)
    with pytest.raises(DataSetError, match=r"has no ptb\.valid\.txt, or a much larger one"):
        made_of("lm-ptb", path, tmp_path / "out")


def test_another_edition_is_told(tmp_path: Path) -> None:
    made = made_of("lm-tinyshakespeare", packed(tmp_path / "input.txt", "To be\n" * 9), tmp_path / "out")
    assert any("input.txt is not the file that is recorded" in note for note in made["notes"])
    with pytest.raises(DataSetError, match=r"no\. 2600"):
        made_of("lm-warpeace", packed(tmp_path / "warandpeace.txt", "BOOK ONE\n"), tmp_path / "out")


# ---- what all converters share


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    poets(tmp_path / "up", "tang.0", *map(written, random_poems(200)))
    for run in ("a", "b"):
        made_of("tang-song-poems", tmp_path / "up", tmp_path / run)
    files = sorted(p.relative_to(tmp_path / "a") for p in (tmp_path / "a").rglob("*") if p.is_file())
    assert len(files) == 4
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    heads = {(tmp_path / "a" / f).read_bytes()[3:8] for f in files if f.suffix == ".gz"}
    assert heads == {bytes(5)}, "neither a file name nor a time"


def test_nothing_is_replaced_without_force(tmp_path: Path) -> None:
    packed(tmp_path / "up/ccpc_valid_v1.0.json", ccpc_line(LINES))
    old = packed(tmp_path / "out/ccpc/train.jsonl.gz", "old\n").read_bytes()
    packed(tmp_path / "out/ccpc/valid.jsonl.gz", "old\n")
    with pytest.raises(DataSetError, match=r"has train\.jsonl\.gz, valid\.jsonl\.gz already.*--force"):
        made_of("ccpc", tmp_path / "up", tmp_path / "out")
    assert unpacked(tmp_path / "out/ccpc/valid.jsonl.gz") == "old\n"
    made = made_of("ccpc", tmp_path / "up", tmp_path / "out", force=True)
    assert unpacked(tmp_path / "out/ccpc/valid.jsonl.gz") == ccpc_line(LINES)
    assert (tmp_path / "out/ccpc/train.jsonl.gz").read_bytes() == old
    assert "as they were before: train.jsonl.gz" in made["notes"]


def test_a_conversion_that_fails_leaves_what_was_there(tmp_path: Path) -> None:
    packed(tmp_path / "up/ccpc_valid_v1.0.json", ccpc_line(LINES))
    made_of("ccpc", tmp_path / "up", tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out/ccpc").iterdir()}
    packed(tmp_path / "up/ccpc_test_v1.0.json", "broken")
    with pytest.raises(DataSetError):
        made_of("ccpc", tmp_path / "up", tmp_path / "out", force=True)
    assert {p.name: p.read_bytes() for p in (tmp_path / "out/ccpc").iterdir()} == before


def test_memory_does_not_grow_with_the_file(tmp_path: Path) -> None:
    peaks = []
    for count in (1_000, 8_000):
        packed(tmp_path / "ccpc_train_v1.0.json", ccpc_line(LINES) * count)
        tracemalloc.start()
        made_of("ccpc", tmp_path / "ccpc_train_v1.0.json", tmp_path / str(count))
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.1 * peaks[0] < 2 << 20


def test_locate_names_what_is_wanted(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match=r"none of upstream's files of ccpc: CCPC/ccpc_train_v1\.0\.json"):
        locate(named("ccpc"), tmp_path)
    with pytest.raises(DataSetError, match="is none of"):
        locate(named("ccpc"), packed(tmp_path / "mine.json", "{}"))
    with pytest.raises(DataSetError, match="does not exist"):
        locate(named("ccpc"), tmp_path / "nowhere")
    with pytest.raises(DataSetError, match=r"rhyme has no converter.*Rondo ships"):
        locate(named("rhyme"), tmp_path)


def test_locate_takes_only_listed_names_each_once(tmp_path: Path) -> None:
    for name in ("couplets/train/in", "couplets/train/out", "test/in", "test/out", "in", "x/in"):
        packed(tmp_path / f"{name}.txt", "")
    found = locate(named("couplets"), tmp_path)
    assert {path: str(p.relative_to(tmp_path)) for path, p in found.items()} == {
        "couplets/train/in.txt": "couplets/train/in.txt",
        "couplets/train/out.txt": "couplets/train/out.txt",
        "couplets/test/in.txt": "test/in.txt",
        "couplets/test/out.txt": "test/out.txt",
    }


@given(st.lists(st.text(max_size=12), max_size=40), st.integers(0, 30), st.integers(0, 30))
def test_drawn_depends_on_the_text_alone(texts: list[str], first: int, second: int) -> None:
    parts = {"test": first, "valid": second}
    texts = [t.encode(errors="ignore").decode() for t in texts]
    assert [drawn(t, parts) for t in texts] == [drawn(t, parts) for t in reversed(texts)][::-1]
    assert all(drawn(t, {}) == "train" for t in texts)
    assert all(drawn(t, {"test": 100}) == "test" for t in texts)


@given(st.lists(st.lists(st.sampled_from("abcdefg"), min_size=1, max_size=4), max_size=8), st.integers(1, 3))
def test_held_out_as_plain_sets(records: list[list[str]], shared: int) -> None:
    held = HeldOut(shared)
    for lines in records[1:]:
        held.add(lines)
    for lines in records[:1]:
        assert held.near(lines) == any(len(set(lines) & set(other)) >= shared for other in records[1:])


def test_an_interrupted_output_is_gone(tmp_path: Path) -> None:
    def records() -> Iterator[Any]:
        yield from ()
        raise KeyboardInterrupt

    def begin() -> None:
        with Output(tmp_path) as output:
            output.write("train.txt.gz", "begun\n")
            write_apart(records(), output, ["train"], 1, "{}.txt.gz")

    with pytest.raises(KeyboardInterrupt):
        begin()
    assert list(tmp_path.iterdir()) == []
