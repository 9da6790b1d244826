"""Upstream's files of named entities into the documented format, and published copies back from them."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.data.convert_entities import mended
from rondo.data.registry import DataSetError
from upstream import comes_back, made_of, needs_data, packed, records

Sentence = tuple[str, str]  # tokens and tags, each parted by blanks


def column(path: Path, *sentences: Sentence, between: str = "\t", gap: str = "\n") -> Path:
    """A file with a token and its tag a line."""
    lines = ["".join(f"{t}{between}{g}\n" for t, g in zip(*map(str.split, s), strict=True)) for s in sentences]
    return packed(path, "".join(line + gap for line in lines))


def found(folder: Path, name: str, split: str = "train") -> list[Sentence]:
    return [(" ".join(r["tokens"]), " ".join(r["tags"])) for r in records(folder / "out", name, split)]


# ---- tags

MENDED = {
    "S-A O B-A M-A E-A": "B-A O B-A I-A I-A",
    "B-A E-A B-A E-A": "B-A I-A B-A I-A",
    "O I-A I-A": "O B-A I-A",
    "B-A I-B I-B": "B-A B-B I-B",
    "E-A": "B-A",
    "B-PER.NOM I-PER.NAM": "B-PER.NOM B-PER.NAM",
    "O": "O",
}


@pytest.mark.parametrize("tags", MENDED)
def test_tags_become_bio(tags: str) -> None:
    assert " ".join(mended(tags.split())) == MENDED[tags]


def spans(tags: list[str]) -> list[tuple[int, int, str]]:
    """The entities of BIO tags: first, behind the last, type."""
    starts = [k for k, tag in enumerate(tags) if tag[0] == "B"]
    ends = [next((j for j in range(k + 1, len(tags)) if tags[j][0] != "I"), len(tags)) for k in starts]
    return [(a, b, tags[a][2:]) for a, b in zip(starts, ends, strict=True)]


@given(st.lists(st.sampled_from(["O", "B-A", "I-A", "M-A", "E-A", "S-A", "B-B", "I-B"]), max_size=12))
def test_mended_tags_are_well_formed_and_change_no_more(tags: list[str]) -> None:
    good = mended(tags)
    assert all(good[k - 1][1:] == tag[1:] for k, tag in enumerate(good) if tag[0] == "I" and k)
    assert not good or good[0][0] != "I"
    assert mended(good) == good
    assert [tag[1:] for tag in good] == [tag[1:] for tag in tags]
    assert sum(end - start for start, end, _ in spans(good)) == sum(tag != "O" for tag in tags)


# ---- a token and its tag a line


def test_resumes_from_bmes(tmp_path: Path) -> None:
    column(
        tmp_path / "train.char.bmes",
        ("高 勇 ： 男", "B-NAME E-NAME O O"),
        ("# 任 董 事", "O S-X M-TITLE E-TITLE"),
        between=" ",
    )
    column(tmp_path / "dev.char.bmes", ("高 勇 ： 女", "B-NAME E-NAME O O"), between=" ", gap="")
    made = made_of("zh-ner-resume", tmp_path, tmp_path / "out")
    assert records(tmp_path / "out", "zh-ner-resume", "train")[0] == {
        "tokens": ["高", "勇", "：", "男"],
        "tags": ["B-NAME", "I-NAME", "O", "O"],
    }
    assert found(tmp_path, "zh-ner-resume")[1] == ("# 任 董 事", "O B-X B-TITLE I-TITLE")
    assert found(tmp_path, "zh-ner-resume", "valid") == [("高 勇 ： 女", "B-NAME I-NAME O O")]
    assert made["notes"][0].startswith("upstream's test was not there")


def test_weibo_without_the_places_in_words(tmp_path: Path) -> None:
    column(
        tmp_path / "weiboNER_2nd_conll.train",
        ("对0 输0 h0 p10 10 \ufffd\ufffd0", "B-PER.NOM I-PER.NAM O O O O"),
        ("转0 发1", "O O"),
        gap="\n\n",
    )
    column(tmp_path / "weiboNER_2nd_conll.test", ("转0 发1", "O O"))
    made = made_of("zh-ner-weibo", tmp_path, tmp_path / "out")
    assert found(tmp_path, "zh-ner-weibo") == [("对 输 h p1 1 \ufffd\ufffd", "B-PER.NOM B-PER.NAM O O O O")]
    assert made["dropped"] == {"train: in a held-out file": 1}


def test_wnut_with_blanks_between_sentences(tmp_path: Path) -> None:
    column(tmp_path / "wnut17train.conll", ("Empire State !", "B-location I-location O"), ("# a", "O O"), gap="\t\n")
    column(tmp_path / "emerging.test.annotated", ("Sly Turn", "B-person I-creative-work"))
    made = made_of("en-ner-wnut17", tmp_path, tmp_path / "out")
    assert found(tmp_path, "en-ner-wnut17") == [("Empire State !", "B-location I-location O"), ("# a", "O O")]
    assert found(tmp_path, "en-ner-wnut17", "test") == [("Sly Turn", "B-person B-creative-work")]
    assert made["files"]["test.jsonl.gz"]["records"] == 1


def test_tweets_by_section(tmp_path: Path) -> None:
    for section, count in {"a": 1, "b": 1, "e": 1, "f": 2, "g": 1, "h": 5}.items():
        column(tmp_path / f"{section}.conll", *((f"{section} {k}", "B-loc O") for k in range(count)))
    packed(tmp_path / "a.conll", "💔 \tO\n\tB-per\n \tI-per\n\nh\tO\n3\tO\n")
    made = made_of("en-ner-btc", tmp_path, tmp_path / "out")
    kept = {s: [(r["section"], *r["tokens"]) for r in records(tmp_path / "out", "en-ner-btc", s)] for s in SPLITS}
    assert kept["train"] == [("a", "💔 ", "", " "), *((s, s, "0") for s in "begh"), ("h", "h", "1")]
    assert kept["valid"] == [("h", "h", "2"), ("h", "h", "3"), ("h", "h", "4")]
    assert kept["test"] == [("f", "f", "0"), ("f", "f", "1")]
    assert records(tmp_path / "out", "en-ner-btc", "train")[0]["tags"] == ["O", "B-PER", "I-PER"]
    assert made["dropped"] == {"train: in a held-out file": 1}


SPLITS = ("train", "valid", "test")


def test_tweets_without_some_sections(tmp_path: Path) -> None:
    column(tmp_path / "b.conll", ("x y", "O O"))
    assert made_of("en-ner-btc", tmp_path, tmp_path / "out")["files"].keys() == {"train.jsonl.gz"}
    column(tmp_path / "h.conll", ("h", "O"))
    made = made_of("en-ner-btc", tmp_path / "h.conll", tmp_path / "h")
    assert {name: about["records"] for name, about in made["files"].items()} == {
        "train.jsonl.gz": 0,
        "valid.jsonl.gz": 1,
    }


@pytest.mark.parametrize(
    ("name", "file", "text", "line"),
    [
        ("zh-ner-resume", "train.char.bmes", "高 B-NAME\n\n勇\n", 3),
        ("zh-ner-resume", "train.char.bmes", "高 B_NAME\n", 1),
        ("zh-ner-weibo", "weiboNER_2nd_conll.dev", "高0\tO\n勇0 O\n", 2),
        ("en-ner-wnut17", "wnut17train.conll", "a\tO\nb\tO\tO\nc\tX-loc\n", 3),
        ("en-ner-btc", "g.conll", "a\tO\n\nb\tB-\n", 3),
        ("en-ner-uner-ewt", "en_ewt-ud-dev.iob2", "# sent_id = d-1\n1\ta\tO\n2\tb\n", 3),
        ("en-ner-uner-ewt", "en_ewt-ud-dev.iob2", "# sent_id = d-1\n1\ta\tX\n", 2),
    ],
)
def test_a_line_without_a_tag_is_named(tmp_path: Path, name: str, file: str, text: str, line: int) -> None:
    path = packed(tmp_path / file, text)
    with pytest.raises(DataSetError) as error:
        made_of(name, path, tmp_path / "out")
    assert str(error.value).startswith(f"{path}:{line}: a token and its tag are expected")
    assert not list((tmp_path / f"out/{name}").iterdir())


@needs_data
@pytest.mark.parametrize(
    ("name", "files", "between", "behind"),
    [
        ("zh-ner-resume", {"train": "train.char.bmes", "valid": "dev.char.bmes"}, " ", ""),
        ("zh-ner-weibo", {"train": "weiboNER_2nd_conll.train", "valid": "weiboNER_2nd_conll.dev"}, "\t", "0"),
        ("en-ner-wnut17", {"train": "wnut17train.conll", "valid": "emerging.dev.conll"}, "\t", ""),
    ],
)
def test_published_columns_come_back(
    tmp_path: Path, name: str, files: dict[str, str], between: str, behind: str
) -> None:
    for split, file in files.items():
        sentences = records(None, name, split)
        packed(tmp_path / file, "\n".join(written(s, between, behind, bmes=name == "zh-ner-resume") for s in sentences))
    comes_back(name, tmp_path)


def written(sentence: dict[str, Any], between: str, behind: str = "", bmes: bool = False) -> str:
    tags = bmes_of(sentence["tags"]) if bmes else sentence["tags"]
    return "".join(f"{t}{behind}{between}{g}\n" for t, g in zip(sentence["tokens"], tags, strict=True))


def bmes_of(tags: list[str]) -> list[str]:
    found = ["O"] * len(tags)
    for start, end, kind in spans(tags):
        letters = "S" if end - start == 1 else f"B{'M' * (end - start - 2)}E"
        found[start:end] = [f"{letter}-{kind}" for letter in letters]
    return found


def lower(lines: str) -> str:
    """Tags as upstream writes them."""
    return re.sub(r"(?<=\t[BI]-)\w+$", lambda kind: kind[0].lower(), lines, flags=re.M)


@needs_data
def test_published_tweets_come_back(tmp_path: Path) -> None:
    """Of the 2,001 tweets of section h the published copy dropped three of train and one of valid."""
    train, valid = records(None, "en-ner-btc", "train"), records(None, "en-ner-btc", "valid")
    filler = "lost\tO\n"
    for section in "abegh":
        texts = [lower(written(s, "\t")) for s in train if s["section"] == section]
        if section == "h":
            texts += [filler] * (1000 - len(texts)) + [filler] + [lower(written(s, "\t")) for s in valid]
        packed(tmp_path / f"{section}.conll", "\n".join(texts))
    packed(tmp_path / "f.conll", filler)
    comes_back("en-ner-btc", tmp_path)


# ---- Universal NER


def test_documents_with_numbered_tokens(tmp_path: Path) -> None:
    first = "# newdoc id = blog-1_x\n# sent_id = blog-1_x-0001\n# text = # Bush\n"
    text = first + "1\t#\tB-O\t-\tme\n2\tBush\tB-PER\t-\tme\n3\tJr\tI-PER\t-\tme\n4\tIraqi\tB-OTH\t-\tme\n5\t!\tO\n"
    packed(tmp_path / "en_ewt-ud-train.iob2", f"{text}\n# sent_id = blog-1_x-0002\n# text = x\n1\tUS\tI-LOC\n\n\n")
    made_of("en-ner-uner-ewt", tmp_path, tmp_path / "out")
    assert found(tmp_path, "en-ner-uner-ewt") == [("# Bush Jr Iraqi !", "O B-PER I-PER O O"), ("US", "B-LOC")]
    assert {r["doc"] for r in records(tmp_path / "out", "en-ner-uner-ewt", "train")} == {"blog-1_x"}
    packed(tmp_path / "en_ewt-ud-dev.iob2", "\n\n# text = x\n1\tUS\tO\n")
    with pytest.raises(DataSetError, match=r"en_ewt-ud-dev\.iob2:3: a sentence without a line # sent_id"):
        made_of("en-ner-uner-ewt", tmp_path, tmp_path / "out2")


# ---- CLUENER


def news(text: str, **label: dict[str, list[list[int]]]) -> dict[str, Any]:
    return {"text": text, "label": label}


@pytest.mark.parametrize("indent", [None, 2])
def test_spans_to_tags(tmp_path: Path, indent: int | None) -> None:
    one = news(
        "叶老桂去北京市", name={"叶老桂": [[0, 2]], "老桂": [[1, 2]]}, address={"北京": [[4, 5]], "北京市": [[4, 6]]}
    )
    two = news("京东京东", company={"京东": [[0, 1], [2, 3]]})
    text = "\n".join(json.dumps(n, ensure_ascii=False, indent=indent) for n in (one, two))
    packed(tmp_path / "dev.json", text)
    made_of("zh-ner-cluener", tmp_path, tmp_path / "out")
    assert found(tmp_path, "zh-ner-cluener", "test") == [
        ("叶 老 桂 去 北 京 市", "B-name I-name I-name O B-address I-address I-address"),
        ("京 东 京 东", "B-company I-company B-company I-company"),
    ]


def test_a_tenth_of_the_news_is_valid_whatever_their_order(tmp_path: Path) -> None:
    texts = [f"第{k}条新闻" for k in range(1000)]
    for folder, lines in (("a", texts), ("b", texts[::-1])):
        packed(tmp_path / folder / "train.json", "\n".join(json.dumps(news(t)) for t in lines))
        made_of("zh-ner-cluener", tmp_path / folder, tmp_path / folder / "out")
    parts = {(f, s): Counter(t for t, _ in found(tmp_path / f, "zh-ner-cluener", s)) for f in "ab" for s in SPLITS[:2]}
    assert parts["a", "valid"] == parts["b", "valid"]
    assert 70 < len(parts["a", "valid"]) < 130
    assert not parts["a", "valid"] & parts["a", "train"]
    assert sum((parts["a", "valid"] + parts["a", "train"]).values()) == 1000


@pytest.mark.parametrize(
    ("record", "message"),
    [
        (news("北京", address={"北京": [[0, 2]]}), ":2: the span [0, 2] of 'address' is not within the text"),
        (news("北京", address={"北京": [["0", 1]]}), ":2: the span ['0', 1] of 'address'"),
        (news("北京", address={"北京": [[0]]}), ":2: label should be types with texts with lists"),
        ({"text": "北京", "label": [1]}, ":2: label should be types"),
        ({"text": "北京"}, ":2: label should be types"),
        ({"label": {}}, ":2: text should be a text"),
    ],
)
def test_broken_news_name_file_and_line(tmp_path: Path, record: dict[str, Any], message: str) -> None:
    path = packed(tmp_path / "dev.json", "{}\n".replace("{}", json.dumps(news("好"))) + json.dumps(record) + "\n{")
    with pytest.raises(DataSetError) as error:
        made_of("zh-ner-cluener", path, tmp_path / "out")
    assert str(error.value).startswith(f"{path}{message}")


@needs_data
def test_published_news_come_back_cut_otherwise(tmp_path: Path) -> None:
    published = [r for split in ("train", "valid") for r in records(None, "zh-ner-cluener", split)]
    lines = []
    for r in published:
        label: dict[str, Any] = {}
        for start, end, kind in spans(r["tags"]):
            label.setdefault(kind, {}).setdefault("".join(r["tokens"][start:end]), []).append([start, end - 1])
        lines.append(json.dumps({"text": "".join(r["tokens"]), "label": label}, ensure_ascii=False))
    packed(tmp_path / "train.json", "\n".join(lines))
    made_of("zh-ner-cluener", tmp_path, tmp_path / "out")
    made = [json.dumps(r) for s in ("train", "valid") for r in records(tmp_path / "out", "zh-ner-cluener", s)]
    assert sorted(made) == sorted(json.dumps(r) for r in published)
