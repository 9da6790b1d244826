"""Upstream's files of sentiment and of captions into the documented format, and published copies back from them."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.data.convert_parts import same, split_of
from rondo.data.convert_sentiment import ASPECTS, COLUMNS, EMOTIONS, POLARITIES
from rondo.data.registry import DataSetError, named, state
from upstream import comes_back, made_of, needs_data, packed, records, unpacked

SAMPLE = ["index", "reviewbody", "star", *ASPECTS]

# ---- what is the same, what is a split


@given(st.text(max_size=20))
def test_case_width_and_blanks_do_not_tell_texts_apart(text: str) -> None:
    assert same(text) == same(f" {text}\t") == same("\n".join(text))
    assert same("ＡＢ　ｃ，") == same("ab C,") != same("abd,")


def test_a_path_names_its_split() -> None:
    names = ["a/train_sample.csv", "x.dev", "val.en.gz", "test_2016_flickr.de.gz", "wnut17train.conll"]
    assert [split_of(name) for name in names] == ["train", "valid", "valid", "test", "train"]


# ---- ASAP


def review(number: int, text: str, star: str = "4.0", **polarities: int) -> dict[str, Any]:
    named = {ASPECTS.get(name, name.replace("__", "#")): value for name, value in polarities.items()}
    return {"id": number, "review": text, "star": star} | dict.fromkeys(ASPECTS.values(), -2) | named


def asap_file(path: Path, *reviews: Mapping[str, Any], columns: list[str] = COLUMNS) -> Path:
    text = io.StringIO(newline="")
    table = csv.writer(text, lineterminator="\n")
    table.writerow(columns)
    for row in reviews:
        table.writerow([row[name] for name in COLUMNS])
    return packed(path, text.getvalue())


@pytest.mark.parametrize(
    ("name", "file", "columns"),
    [("zh-sentiment-asap", "{}.csv", COLUMNS), ("zh-sentiment-asap-sample", "{}_sample.csv", SAMPLE)],
)
def test_asap_under_both_names_of_its_columns(tmp_path: Path, name: str, file: str, columns: list[str]) -> None:
    row = review(
        7, '好吃，\\n\\n下次, 再来\\\\n 说"棒"。 ', "5.0", dish_taste=1, price_level=0, service_parking_convenience=-1
    )
    asap_file(tmp_path / "data" / file.format("train"), row, columns=columns)
    asap_file(tmp_path / file.format("dev"), review(8, "一般\n般", "3"), columns=columns)
    made = made_of(name, tmp_path, tmp_path / "out")
    assert records(tmp_path / "out", name, "train") == [
        {
            "id": "7",
            "text": '好吃， 下次, 再来 说"棒"。',
            "star": 5,
            "aspects": {"Service#Parking": "negative", "Price#Level": "neutral", "Food#Taste": "positive"},
        }
    ]
    assert records(tmp_path / "out", name, "valid") == [{"id": "8", "text": "一般 般", "star": 3, "aspects": {}}]
    assert made["notes"] == [
        "upstream's test was not there: its texts are not kept out of the other files",
        "made of 2 of upstream's 3 files",
    ]
    assert state(named(name), tmp_path / "out").word == "complete"


def test_asap_is_kept_apart(tmp_path: Path) -> None:
    asap_file(tmp_path / "test.csv", review(1, "很好吃！"))
    asap_file(tmp_path / "dev.csv", review(2, "很 好 吃!"), review(3, "不好吃"))
    asap_file(tmp_path / "train.csv", review(4, "很好吃！"), review(5, "不好 吃"), review(6, "再来"), review(7, "再来"))
    made = made_of("zh-sentiment-asap", tmp_path, tmp_path / "out")
    kept = {s: [r["id"] for r in records(tmp_path / "out", "zh-sentiment-asap", s)] for s in ("test", "valid", "train")}
    assert kept == {"test": ["1"], "valid": ["3"], "train": ["6", "7"]}
    assert made["dropped"] == {"train: in a held-out file": 2, "valid: in a held-out file": 1}


HEAD = ",".join(COLUMNS) + "\n"
TAIL = ",-2" * 18 + "\n"
BROKEN_ASAP = {
    "columns": ("id,review\n1,x\n", ":1: the columns should be id, review, star"),
    "empty": ("", ":1: the columns should be"),
    "star": (HEAD + "1,x,5.0" + TAIL + "2,x,6.0" + TAIL, ":3: star '6.0' is none of 1.0, 1, "),
    "polarity": (HEAD + "1,x,5.0,2" + TAIL[3:], ":2: Location#Transportation '2' is none of 1, 0, -1, -2"),
    "fields": (HEAD + "1,x,5.0" + TAIL.replace("\n", ",-2\n"), ":2: 22 fields, not 21"),
    "short": (HEAD + '1,"x\ny",5.0\n', ":3: 3 fields, not 21"),
    "long field": (HEAD + "1," + "x" * 140_000 + ",5.0" + TAIL, ":2: field larger than"),
}


@pytest.mark.parametrize("fault", BROKEN_ASAP)
def test_a_broken_table_names_file_and_line(tmp_path: Path, fault: str) -> None:
    text, message = BROKEN_ASAP[fault]
    fails("zh-sentiment-asap", packed(tmp_path / "train.csv", text), message)


def fails(name: str, file: Path, message: str) -> None:
    with pytest.raises(DataSetError) as error:
        made_of(name, file, file.parent / "out")
    assert str(error.value).startswith(f"{file}{message}")
    assert not list((file.parent / f"out/{name}").iterdir())


@needs_data
def test_the_published_sample_comes_back(tmp_path: Path) -> None:
    codes = {polarity: code for code, polarity in POLARITIES.items() if polarity}
    for split, part in (("train", "train"), ("valid", "dev")):
        published = records(None, "zh-sentiment-asap-sample", split)
        rows = [
            review(r["id"], r["text"].replace(" ", "\\\\n  "), f"{r['star']}.0")
            | {name: codes[polarity] for name, polarity in r["aspects"].items()}
            for r in published
        ]
        asap_file(tmp_path / f"{part}_sample.csv", *rows, columns=SAMPLE)
    comes_back("zh-sentiment-asap-sample", tmp_path)


# ---- SMP2020 and ChnSentiCorp


def table(path: Path, *rows: str) -> Path:
    return packed(path, "".join(f"{row}\n" for row in ("label\ttext_a", *rows)))


def test_posts_in_the_documented_format(tmp_path: Path) -> None:
    table(tmp_path / "usual/train.tsv", "2\t 开心&amp;amp;快乐\u00a0！ ", "5\t啊？", "", "3\t一\t二")
    table(tmp_path / "virus/train.tsv", "0\t通报")
    table(tmp_path / "virus/dev.tsv", "4\t可怕")
    made_of("zh-sentiment-smp2020", tmp_path, tmp_path / "out")
    posts = records(tmp_path / "out", "zh-sentiment-smp2020", "train")
    assert list(posts[0].items()) == [
        ("id", "usual-train-0"),
        ("text", "开心&快乐 ！"),
        ("label3", "positive"),
        ("emotion", "happy"),
        ("domain", "usual"),
    ]
    found = [(p["id"], p["text"], p["label3"], p["emotion"], p["domain"]) for p in posts[1:]]
    assert found == [
        ("usual-train-1", "啊？", None, "surprise", "usual"),
        ("usual-train-3", "一\t二", "negative", "sad", "usual"),
        ("virus-train-0", "通报", "neutral", "neutral", "virus"),
    ]
    assert records(tmp_path / "out", "zh-sentiment-smp2020", "valid")[0]["label3"] == "negative"


def test_repeated_posts_bear_their_commonest_label_once(tmp_path: Path) -> None:
    table(tmp_path / "usual/train.tsv", "1\t加油", "3\t走好", "2\t加 油", "0\t转发", "2\t谢谢")
    table(tmp_path / "virus/train.tsv", "2\t加油", "2\t走好", "0\t转发", "1\t武汉", "2\t晚安")
    table(tmp_path / "usual/test.tsv", "2\t晚安", "2\t晚安")
    table(tmp_path / "virus/dev.tsv", "2\t谢谢", "1\t谢谢", "2\t晚 安")
    made = made_of("zh-sentiment-smp2020", tmp_path, tmp_path / "out")
    kept = {s: [p["id"] for p in records(tmp_path / "out", "zh-sentiment-smp2020", s)] for s in ("train", "valid")}
    assert kept["train"] == ["usual-train-2", "usual-train-3", "virus-train-3"]
    assert kept["valid"] == ["virus-dev-0", "virus-dev-1"], "what is held out is not thinned"
    assert made["files"]["test.jsonl.gz"]["records"] == 2
    assert made["dropped"] == {
        "train: contradictory labels": 2,
        "train: in a held-out file": 2,
        "train: repeated": 3,
        "valid: in a held-out file": 1,
    }


def test_reviews_in_the_documented_format(tmp_path: Path) -> None:
    table(tmp_path / "train.tsv", '1\t样子不错，"手感"也好 ', "0\t房间&lt;太&gt;小", "1\t一般", "0\t一般")
    made = made_of("zh-sentiment-chnsenticorp", tmp_path, tmp_path / "out")
    assert records(tmp_path / "out", "zh-sentiment-chnsenticorp", "train") == [
        {"text": '样子不错，"手感"也好', "label": "positive"},
        {"text": "房间<太>小", "label": "negative"},
    ]
    assert made["dropped"] == {"train: contradictory labels": 2}


BROKEN_TABLES = {
    "header": ("1\t好\n", ":1: the columns should be label and text_a"),
    "no tab": ("label\ttext_a\n1\t好\n1 好\n", ":3: a label, a tab and a text are expected"),
    "label": ("label\ttext_a\n1\t好\n\n9\t好\n", ":4: label '9' is none of 0, 1"),
}


@pytest.mark.parametrize("fault", BROKEN_TABLES)
@pytest.mark.parametrize("name", ["zh-sentiment-smp2020", "zh-sentiment-chnsenticorp"])
def test_a_broken_file_of_labels_names_file_and_line(tmp_path: Path, name: str, fault: str) -> None:
    text, message = BROKEN_TABLES[fault]
    fails(name, packed(tmp_path / "train.tsv", text), message)


@needs_data
def test_the_published_posts_come_back(tmp_path: Path) -> None:
    """Lines that the published copy dropped are filled with a post of test."""
    codes = {emotion: code for code, emotion in EMOTIONS.items()}
    lines: dict[str, list[str]] = {}
    for split, part in (("train", "train"), ("valid", "dev")):
        for post in records(None, "zh-sentiment-smp2020", split):
            place = int(post["id"].split("-")[2])
            rows = lines.setdefault(f"{post['domain']}/{part}.tsv", [])
            rows += ["1\t占位"] * (place - len(rows)) + [f"{codes[post['emotion']]}\t{post['text']}"]
    for path, rows in lines.items():
        table(tmp_path / path, *rows)
    table(tmp_path / "usual/test.tsv", "1\t占位")
    comes_back("zh-sentiment-smp2020", tmp_path)


@needs_data
def test_the_published_reviews_come_back(tmp_path: Path) -> None:
    for split, part in (("train", "train"), ("valid", "dev")):
        rows = records(None, "zh-sentiment-chnsenticorp", split)
        table(tmp_path / f"{part}.tsv", *(f"{int(r['label'] == 'positive')}\t{r['text']}" for r in rows))
    comes_back("zh-sentiment-chnsenticorp", tmp_path)


# ---- Stanford Sentiment Treebank


def test_sentences_with_five_labels(tmp_path: Path) -> None:
    packed(tmp_path / "stsa.fine.train", "4 a fine film .\n2 it is \\/ was .\n\n0 no ?\n1 so so .\n")
    packed(tmp_path / "stsa.fine.test", "3 So so .\n")
    made = made_of("en-sentiment-sst", tmp_path, tmp_path / "out")
    found = [(r["text"], r["label5"], r["label2"]) for r in records(tmp_path / "out", "en-sentiment-sst", "train")]
    assert found == [("a fine film .", 4, 1), ("it is \\/ was .", 2, None), ("no ?", 0, 0)]
    assert made["dropped"] == {"train: in a held-out file": 1}
    fails("en-sentiment-sst", packed(tmp_path / "b/stsa.fine.train", "4 good\n5 more\n"), ":2: label '5' is none of")


@needs_data
def test_the_published_sentences_come_back(tmp_path: Path) -> None:
    for split, part in (("train", "train"), ("valid", "dev")):
        rows = records(None, "en-sentiment-sst", split)
        packed(tmp_path / f"stsa.fine.{part}", "".join(f"{r['label5']} {r['text']}\n" for r in rows))
    comes_back("en-sentiment-sst", tmp_path)


# ---- Chinese EmoBank

RATED = ("Valence_Mean", "Arousal_Mean", "Valence_SD", "Arousal_SD")


def rated(path: Path, *rows: str, text: str = "Text", number: bool = True, category: bool = False) -> Path:
    names = [*(["No."] if number else []), text, *RATED, *(["Category"] if category else [])]
    return packed(path, "\r\n".join(["\t".join(names), *rows]) + "\r\n")


def test_rated_texts_in_the_documented_format(tmp_path: Path) -> None:
    rated(tmp_path / "CVAT_1_SD.csv", '7\t"開心""了"\t6.250\t5\t0.5\t1.03\tbook', category=True)
    rated(tmp_path / "CVAS_5.csv", "難過\t2.9\t6.0\t0.0\t0.1", number=False)
    rated(tmp_path / "CVAP_4_SD.csv", "3\t很  難過\t2.9\t6.0\t0.0\t0.1", "4\t難過\t2\t6\t0\t0", text="Phrase")
    made = made_of("zh-sentiment-emobank", tmp_path, tmp_path / "out")
    assert records(tmp_path / "out", "zh-sentiment-emobank", "train") == [
        {
            "text": '"开心""了"',
            "text_hant": '"開心""了"',
            "kind": "text",
            "category": "book",
            "valence": 6.25,
            "arousal": 5.0,
            "valence_sd": 0.5,
            "arousal_sd": 1.03,
            "polarity": "positive",
            "rating5": 4,
            "fold": 1,
        }
    ]
    (phrase,) = records(tmp_path / "out", "zh-sentiment-emobank", "valid")
    assert (phrase["kind"], phrase["category"], phrase["fold"], phrase["rating5"]) == ("phrase", None, 4, 1)
    assert records(tmp_path / "out", "zh-sentiment-emobank", "test")[0]["kind"] == "sentence"
    assert made["dropped"] == {"valid: in a held-out file": 1}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("難過\t2.9\t6.0\t0.0", ":3: 4 fields, not 5 as in its first line"),
        ("難過\t2.9\t6.0\t0.0\tx", ":3: no number of Valence_Mean, Arousal_Mean"),
        ("難過\t2.9\tnan\t0.0\t0", ":3: a text and ratings from 1 to 9 are expected"),
        ("難過\t2.9\t10\t0.0\t0", ":3: a text and ratings from 1 to 9 are expected"),
        ("\t2.9\t6.0\t0.0\t0", ":3: a text and ratings from 1 to 9 are expected"),
    ],
)
def test_broken_ratings_name_file_and_line(tmp_path: Path, row: str, message: str) -> None:
    fails("zh-sentiment-emobank", rated(tmp_path / "CVAS_2.csv", "好\t8\t6\t0\t0", row, number=False), message)


@needs_data
def test_the_published_ratings_come_back_but_for_single_characters(tmp_path: Path) -> None:
    published = [r for split in ("train", "valid") for r in records(None, "zh-sentiment-emobank", split)]
    rows: dict[tuple[str, int], list[str]] = {}
    for r in published:
        fields = [r["text_hant"], *map(str, (r["valence"], r["arousal"], r["valence_sd"], r["arousal_sd"]))]
        rows.setdefault((r["kind"], r["fold"]), []).append(
            "\t".join([*fields, r["category"] or ""][: 5 + bool(r["category"])])
        )
    for (kind, fold), lines in rows.items():
        name = {"text": f"CVAT_{fold}_SD", "sentence": f"CVAS_{fold}", "phrase": f"CVAP_{fold}_SD"}[kind]
        text = "Phrase" if kind == "phrase" else "Text"
        rated(tmp_path / f"{name}.csv", *lines, text=text, number=False, category=kind == "text")
    made_of("zh-sentiment-emobank", tmp_path, tmp_path / "out")
    found = [r for s in ("train", "valid") for r in records(tmp_path / "out", "zh-sentiment-emobank", s)]
    assert [r | {"text": ""} for r in found] == [r | {"text": ""} for r in published]
    assert sum(r["text"] == p["text"] for r, p in zip(found, published, strict=True)) > 0.95 * len(published)
    assert all(len(r["text"]) == len(r["text_hant"]) for r in found)


# ---- Multi30k


def captions(folder: Path, part: str, *rows: tuple[str, str, str]) -> None:
    for language, lines in zip(("en", "fr", "de"), zip(*rows, strict=True), strict=True):
        packed(folder / f"{part}.{language}.gz", "".join(f"{line}\n" for line in lines))


def test_captions_into_tables(tmp_path: Path) -> None:
    a, b, c = (
        ("A dog &amp; a cat.", "Un chien\u00a0et  un chat.", " Hund und Katze. "),
        ("Two.", "Deux.", "Zwei."),
        ("Run!", "Cours !", "Lauf!"),
    )
    captions(tmp_path, "train", a, b, c, ("Walk.", "Marche.", "zwei ."))
    captions(tmp_path, "val", ("Jump.", "COURS!", "Spring."), b)
    captions(tmp_path, "test_2016_flickr", b)
    made = made_of("mt-multi30k", tmp_path, tmp_path / "out")
    folder = tmp_path / "out/mt-multi30k"
    assert unpacked(folder / "train.tsv.gz") == "en\tfr\tde\nA dog & a cat.\tUn chien et un chat.\tHund und Katze.\n"
    assert unpacked(folder / "valid.tsv.gz") == "en\tfr\tde\nJump.\tCOURS!\tSpring.\nTwo.\tDeux.\tZwei.\n"
    assert unpacked(folder / "test_2016_flickr.tsv.gz") == "en\tfr\tde\nTwo.\tDeux.\tZwei.\n"
    assert made["dropped"] == {"train: a sentence is in a held-out file": 3}


def test_captions_must_go_line_for_line(tmp_path: Path) -> None:
    captions(tmp_path, "train", ("One.", "Un.", "Eins."), ("Two.", "Deux.", "Zwei."))
    packed(tmp_path / "train.fr.gz", "Un.\n")
    with pytest.raises(DataSetError, match=r"train\.fr\.gz:2: the file ends here"):
        made_of("mt-multi30k", tmp_path, tmp_path / "out")
    (tmp_path / "train.fr.gz").unlink()
    with pytest.raises(DataSetError, match=r"train\.fr\.gz is missing"):
        made_of("mt-multi30k", tmp_path, tmp_path / "out")


@needs_data
def test_the_published_captions_come_back(tmp_path: Path) -> None:
    from rondo.data.registry import find
    from upstream import SHARED

    for split, part in (("train", "train"), ("valid", "val")):
        rows = unpacked(find("mt-multi30k", SHARED, f"{split}.tsv.gz")).splitlines()[1:]
        captions(tmp_path, part, *(tuple(row.split("\t")) for row in rows))
    comes_back("mt-multi30k", tmp_path)
