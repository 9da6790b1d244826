"""Sentiment in use: requests, long texts, targets, contributions, tables, the command."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import defaultdict
from difflib import SequenceMatcher
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from rondo import bundled, cli
from rondo.cli import sentiment as command  # noqa: F401  # registers the command
from rondo.models.store import save_model
from rondo.tasks.sentiment.analyser import LONGEST, Analyser
from rondo.tasks.sentiment.batch import judge_table, preview, written
from rondo.tasks.sentiment.beside import Beside
from rondo.tasks.sentiment.explain import contributions, groups, plan
from rondo.tasks.sentiment.judge import Judge, grades, log_odds, targets
from rondo.tasks.sentiment.language import language_of
from rondo.tasks.sentiment.model import SentimentModel
from rondo.tasks.sentiment.request import LABELS, SentimentError, SentimentResponse, sentiment_request
from rondo.tasks.sentiment.results import Results, Tally, judged
from rondo.tasks.sentiment.show import show
from rondo.tasks.sentiment.table import Table
from rondo.tasks.sentiment.text import Reader
from rondo.tasks.sentiment.windows import names_something, occurrences, windows

SPEAKS = {"好": 4.0, "爱": 3.0, "美": 2.0, "慢": -3.0, "差": -4.0, "[泪]": -2.0}  # of the model below: a bag of words
PLAIN = [*list("这家店的菜很吃但是服务太今天气我你他不北京是中国首都，。！？"), "iphone"]
TARGETS = set("菜服务")


def lexicon() -> Judge:
    """A Chinese model that is a bag of words: each piece has its own log-odds, the pair 不好 takes 9 off; it tags 菜
    and 服务."""
    reader = Reader("zh", {"unit": [*SPEAKS, *PLAIN], "pair": ["不 好"]})
    model = SentimentModel("elman", reader.sizes, 4, 1, [4, 0, 2]).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.zero_()
        for k, value in enumerate(SPEAKS.values(), 2):
            model.alone[0].weight[k, [0, 2, 3]] = torch.tensor([-value / 2, value / 2, value / 4])  # type: ignore[index]
        model.alone[1].weight[2, [0, 2]] = torch.tensor([4.5, -4.5])  # type: ignore[index]
    return Tagging(model, reader)


class Tagging(Judge):
    """The network's tags replaced by a list of characters."""

    def answers(self, questions: Any) -> Any:
        found = super().answers(questions)
        units = self.reader.tables["unit"]
        for tags, x in zip(found.tags, questions, strict=True):
            inside = np.array([u >= 2 and units[u - 2] in TARGETS for u in x[:, 0]], dtype=bool)
            begin = inside & ~np.append(False, inside[:-1])[: len(inside)]
            tags[:] = np.stack([~inside, begin, inside & ~begin], 1) * 0.9
        return found


@pytest.fixture(scope="module")
def judge() -> Judge:
    return lexicon()


@pytest.fixture(scope="module")
def analyser(judge: Judge) -> Analyser:
    return Analyser(lambda _: judge)


def ask(analyser: Analyser, text: str, **values: Any) -> SentimentResponse:
    return analyser(sentiment_request(text=text, **values))


# requests


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"text": ""}, "empty"),
        ({"text": " \n\t"}, "blanks"),
        ({"text": "\x00\x07\u200b"}, "control characters"),
        ({"text": "好\ud83d"}, "character 2 is half of one"),
        ({"text": "\udc00好"}, "character 1 is half of one"),
        ({"text": "好" * 20_001}, "20001 characters, at most 20000"),
        ({"text": "好", "language": "zn"}, "found 'zn'; did you mean"),
        ({"text": "好", "targets": [" "]}, "empty one"),
        ({"text": "好", "targets": ["菜" * 101]}, "at most 100"),
        ({"text": "好", "targets": [str(k) for k in range(51)]}, "at most 50"),
        ({"text": 5}, "text"),
        ({"text": "好", "target": []}, "did you mean 'targets'"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(values: dict[str, Any], said: str) -> None:
    with pytest.raises(SentimentError, match=said):
        sentiment_request(**values)


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("菜很好吃", "zh"),
        ("There is nothing to like in this movie.", "en"),
        ("我的iPhone 15 Pro Max太好用了", "zh"),
        ("I flew to 北京 last week and the food was great", "en"),
        ("這家店真不錯", "zh"),
        ("😀😀", "zh"),
        ("12345", "zh"),
        ("C'est très bien", "en"),
    ],
)
def test_the_language_is_told_from_the_characters(text: str, language: str) -> None:
    assert language_of(text) == language


# places


@given(st.text(alphabet="好坏a 。，.”\n", max_size=120), st.integers(1, 30))
def test_windows_are_the_pieces_and_no_longer_than_asked(text: str, longest: int) -> None:
    pieces = [(k, k + 1) for k, c in enumerate(text) if not c.isspace()]
    found = windows(text, pieces, longest)
    assert [k for a, b in found for k in range(a, b)] == list(range(len(pieces)))
    assert all(0 < b - a <= longest for a, b in found)


def test_windows_end_with_a_sentence_where_they_can() -> None:
    text = "今天天气很好。“我真爱你！”他不，是中国。我"
    pieces = [(k, k + 1) for k in range(len(text))]
    assert [text[a:b] for a, b in windows(text, pieces, 12)] == ["今天天气很好。", "“我真爱你！”", "他不，是中国。我"]
    part = text[7:15]
    assert [part[a:b] for a, b in windows(part, pieces[:8], 5)] == ["“我真爱你", "！”他"]


def test_a_target_is_found_wherever_it_stands() -> None:
    assert occurrences("服务好，服務也快", "服务") == [(0, 2), (4, 6)]
    assert occurrences("The service. Service!", "SERVICE") == [(4, 11), (13, 20)]
    assert occurrences("art is not in the artist", "art") == [(0, 3)]
    assert occurrences("services", "service") == [(0, 7)]
    assert occurrences("aaa", "aa") == [(0, 2)]
    assert occurrences("菜", "酒") == []


def test_tags_become_targets() -> None:
    pieces = [(0, 1), (1, 2), (2, 3), (5, 6), (6, 7), (7, 8)]
    out, begin, within = [0.9, 0.05, 0.05], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]
    assert targets(pieces, np.array([within, within, out, begin, within, begin])) == [(0, 2), (5, 7), (7, 8)]
    assert targets(pieces, np.array([out] * 6)) == []


# contributions


def test_a_sum_is_credited_exactly() -> None:
    worth = np.array([1.0, -2.0, 0.5, 0.0])
    np.testing.assert_allclose(contributions(lambda shown: 3 + shown @ worth, 4), worth, atol=1e-12)


def test_two_that_act_together_share_it_after_one_pair_of_orders() -> None:
    """An interaction of two parts is half each's in every order and its reverse together."""
    random = np.random.default_rng(0)
    worth, joint = random.normal(size=6), np.triu(random.normal(size=(6, 6)), 1)
    found = contributions(lambda s: s @ worth + np.einsum("ni,ij,nj->n", s * 1.0, joint, s * 1.0), 6)
    np.testing.assert_allclose(found, worth + (joint + joint.T).sum(1) / 2, atol=1e-12)


@given(st.integers(0, 7), st.integers(1, 4), st.integers(0, 99))
def test_contributions_add_up_whatever_the_score(count: int, pairs: int, seed: int) -> None:
    table = np.random.default_rng(seed).normal(size=1 << count)
    found = contributions(lambda shown: table[shown @ (1 << np.arange(count))], count, pairs, seed)
    assert found.sum() == pytest.approx(table[-1] - table[0]) if count else not len(found)


def test_more_pairs_come_nearer_to_all_orders() -> None:
    from itertools import permutations

    table = np.random.default_rng(3).normal(size=1 << 5)
    exact = np.zeros(5)
    for order in permutations(range(5)):
        seen = np.cumsum([0, *(1 << k for k in order)])
        exact[list(order)] += np.diff(table[seen]) / 120

    def off(pairs: int) -> float:
        found = contributions(lambda shown: table[shown @ (1 << np.arange(5))], 5, pairs, 1)
        return float(np.abs(found - exact).max())

    assert off(400) < 0.1 < off(1)


def test_an_explanation_keeps_to_its_budget() -> None:
    assert [len(r) for r in groups(10, 4)] == [2, 3, 3, 2]
    assert groups(0, 4) == []
    assert [len(r) for r in groups(2, 9)] == [1, 1]
    assert plan([10], 10_000, 4) == [(10, 4)]
    for sizes in ([128] * 150, [128], [1, 300], [60, 60]):
        found = plan(sizes, 120_000, 8)
        rows = [2 * pairs * count * size for (count, pairs), size in zip(found, sizes, strict=True)]
        assert sum(rows) <= 120_000
        assert all(1 <= count <= size for (count, _), size in zip(found, sizes, strict=True))


def test_a_bag_of_words_is_explained_word_by_word(analyser: Analyser, judge: Judge) -> None:
    text = "今天 菜好吃，但是😭服务慢"
    found = ask(analyser, text)
    n = len(judge.reader.pieces(text))
    told = {text[p.start : p.end]: p.weight for p in found.pieces}
    wanted = {"好": 4, "😭": -2, "慢": -3}
    assert told == pytest.approx({k: wanted.get(k, 0) / n**0.5 for k in told}, abs=1e-5)
    assert "".join(told) == text.replace(" ", "")


def test_what_two_pieces_do_together_is_shared(analyser: Analyser) -> None:
    """好 alone speaks for 4, and 不好 takes 9 off: 4.5 each."""
    found = ask(analyser, "不好")
    assert [p.weight * 2**0.5 for p in found.pieces] == pytest.approx([-4.5, -0.5], abs=1e-5)
    assert found.label == "negative"


# answers


def test_an_answer_fits_together(analyser: Analyser) -> None:
    for text in ("我爱北京", "服务太差", "北京是中国首都"):
        found = ask(analyser, text)
        assert sum(found.probabilities.values()) == pytest.approx(1, abs=1e-5)
        assert sum(found.star_probabilities) == pytest.approx(1, abs=1e-5)
        assert found.label == max(found.probabilities, key=found.probabilities.__getitem__)
        assert tuple(found.probabilities) == LABELS
        assert 1 <= found.valence <= 9
    assert ask(analyser, "我爱北京").label == "positive"
    assert ask(analyser, "服务太差").label == "negative"


def test_stars_never_contradict_the_valence(analyser: Analyser) -> None:
    texts = ["菜很好吃但是服务太慢", "差", "好", "我爱北京", "服务太差太慢", "好好好", "天气", "美差"]
    found = sorted((a.valence, a.stars) for a in (ask(analyser, text, targets=[]) for text in texts))
    stars = [n for _, n in found]
    assert stars == sorted(stars)
    assert stars[0] < stars[-1]


def test_without_anything_to_read_the_stars_are_in_the_middle(analyser: Analyser) -> None:
    assert ask(analyser, "...").stars == 3


def test_many_at_once_are_as_each_alone_and_in_order(analyser: Analyser) -> None:
    texts = ["好", "菜很好吃但是服务太慢", "差" * 300, "我爱北京。" * 60, "首都", "...", "今天天气很好！" * 3]
    requests = [sentiment_request(text=t) for t in texts]
    together, alone = analyser.many(requests), [analyser(r) for r in requests]
    assert [r.text for r in together] == texts
    for one, other in zip(together, alone, strict=True):
        assert one.label == other.label
        assert one.targets == other.targets
        assert list(one.probabilities.values()) == pytest.approx(list(other.probabilities.values()), abs=1e-5)
        assert [p.weight for p in one.pieces] == pytest.approx([p.weight for p in other.pieces], abs=1e-4)
    assert analyser.many([]) == []


def test_a_long_text_is_pooled_from_its_windows(analyser: Analyser, judge: Judge) -> None:
    """Log-odds are the mean of the windows', by their pieces; contributions add up to them."""
    text = "今天天气很好，我爱北京。" * 30 + "服务太差！" * 70 + "好" + " \n"
    found = ask(analyser, text)
    places, rows = judge.reader.symbols(text)
    cut = windows(text, places, LONGEST)
    assert len(cut) > 2
    assert any("parts" in note for note in found.notes)
    parts = judge.answers([np.pad(rows[a:b], ((0, 0), (0, 1)), constant_values=1) for a, b in cut])
    share = np.array([b - a for a, b in cut]) / len(rows)
    odds = np.log(found.probabilities["positive"] / found.probabilities["negative"])
    assert odds == pytest.approx(share @ log_odds(parts.polarity), abs=1e-3)
    assert sum(p.weight for p in found.pieces) == pytest.approx(odds, abs=1e-3)  # a bag of words is at 0 without them
    assert [(p.start, p.end) for p in found.pieces] == places


def test_targets_are_found_or_given(analyser: Analyser) -> None:
    text = "🍜 菜很好吃但是服务太慢，菜"
    found = ask(analyser, text)
    assert [(t.text, t.found) for t in found.targets] == [("菜", True), ("服务", True), ("菜", True)]
    assert all(text[t.start : t.end] == t.text for t in found.targets)
    assert [t.start for t in ask(analyser, text, targets=["菜"]).targets] == [2, 13]
    asked = ask(analyser, "Le 服務 是 iPhone", targets=["服务", "IPHONE", "价格"], language="zh")
    assert [t.text for t in asked.targets] == ["服務", "iPhone", "价格"]
    assert [t.start for t in asked.targets] == [3, 8, None]
    assert not any(t.found for t in asked.targets)
    assert any("价格" in note and "implicit" in note for note in asked.notes)
    assert ask(analyser, text, targets=[]).targets == []


def test_marks_and_grammar_are_no_found_targets() -> None:
    assert [w for w in ["The", "pizza", ",", "was", "n't", "bad", "~", "菜", "3D"] if names_something(w)] == [
        "pizza",
        "bad",
        "菜",
        "3D",
    ]


def test_targets_of_a_long_text_stand_where_they_stand(analyser: Analyser) -> None:
    text = ("今天天气很好，我爱北京。" * 20 + "\n服务太慢！") * 4
    found = ask(analyser, text, explain=False)
    assert [t.start for t in found.targets] == [k for k in range(len(text)) if text.startswith("服务", k)]
    assert found.pieces == []


@pytest.mark.parametrize("text", ["☃☃☃", "Ωλ", "12 34", "한국어"])
def test_what_the_model_knows_nothing_of_is_not_judged(analyser: Analyser, text: str) -> None:
    found = ask(analyser, text, language="zh")
    assert found.label == "neutral"
    assert found.stars == 3
    assert found.valence == 5
    assert found.pieces == []
    assert found.probabilities == pytest.approx(dict.fromkeys(LABELS, 1 / 3), abs=1e-5)
    assert any("knows nothing" in note for note in found.notes)
    assert ask(analyser, text, targets=["x"], language="zh").targets[0].label == "neutral"


def test_control_characters_move_nothing(analyser: Analyser) -> None:
    text = "\x00菜\x07很\u200b好\r\n"
    found = ask(analyser, text)
    assert found.label == "positive"
    assert [text[p.start : p.end] for p in found.pieces if p.weight] == ["好"]
    assert [(t.start, t.text) for t in found.targets] == [(1, "菜")]


def test_another_language_than_the_models_is_said(analyser: Analyser) -> None:
    assert any("reads Chinese" in note for note in ask(analyser, "a good iphone").notes)


def test_what_is_shown_says_all_of_it(analyser: Analyser) -> None:
    into = io.StringIO()
    show(ask(analyser, "菜很好吃但是服务太慢", targets=["菜", "价格"]), Console(file=into, width=80, highlight=False))
    show(ask(analyser, "\x1b[31m好\x9b"), Console(file=into, width=80, highlight=False))
    told = into.getvalue()
    assert "\x1b" not in told
    assert "\x9b" not in told
    for part in ("菜很好吃但是服务太慢", "▲好", "▼慢", "正面 positive", "★", "价格", "implicit"):
        assert part in told


# tables


def rows_of(data: bytes, format: str = "csv", **values: Any) -> list[Any]:
    return list(Table("t", io.BytesIO(data), format, **values).rows())


def results(
    analyser: Analyser, data: bytes, wanted: str = "csv", format: str = "csv", **values: Any
) -> tuple[bytes, Tally]:
    into = io.BytesIO()
    table = {"name": "t", "format": format, **values}
    *_, (tally, _) = judge_table(analyser, io.BytesIO(data), into, table, wanted, {})
    return into.getvalue(), tally


def test_a_table_comes_back_with_answers(analyser: Analyser) -> None:
    data = 'id,text\r\n1,"菜很好，\n服务太慢"\r\n2,\r\n\r\n3,服务差\r\n'.encode()
    out, tally = results(analyser, data)
    rows = list(csv.DictReader(io.StringIO(out.decode(), newline="")))
    assert [r["id"] for r in rows] == ["1", "2", "", "3"]
    assert [r["label"] for r in rows] == ["positive", "", "", "negative"]
    assert [t["text"] for t in json.loads(rows[0]["targets"])] == ["菜", "服务"]
    assert rows[0]["text"] == "菜很好，\n服务太慢"
    assert sum(float(rows[0][label]) for label in LABELS) == pytest.approx(1, abs=2e-4)
    assert (tally.rows, tally.total, tally.empty, tally.faulty) == (4, 4, 2, 0)


@pytest.mark.parametrize(
    ("encoding", "asked", "start"),
    [("utf-8", "utf-8", b"text,"), ("utf-8-sig", "UTF-8", b"\xef\xbb\xbftext,"), ("gb18030", "GBK", b"text,")],
)
def test_a_table_comes_back_in_its_encoding(analyser: Analyser, encoding: str, asked: str, start: bytes) -> None:
    out, _ = results(analyser, "text,備註\n服務好,𠮷\n".encode(encoding), encoding=asked)
    assert out.startswith(start)
    (row,) = csv.DictReader(io.StringIO(out.decode(encoding)))
    assert (row["text"], row["備註"], row["label"]) == ("服務好", "𠮷", "positive")


def test_big5_is_read(analyser: Analyser) -> None:
    out, _ = results(analyser, "text\n服務好\n".encode("big5"), encoding="big5")
    assert "positive" in out.decode("big5")


@pytest.mark.parametrize(
    ("data", "values", "said"),
    [
        ("text\n好\n服务差\n".encode("gb18030"), {}, r"line 2: not utf-8 text \(byte 0xba\).*--encoding gb18030"),
        ("text\n好\n".encode("utf-16"), {}, "UTF-16"),
        ("text\n好的\n".encode() + b"\x81\n", {"encoding": "gb18030"}, "line 3: not gb18030"),
        ("text\n好的呀\n".encode(), {"encoding": "gb18030"}, "line 2: not gb18030.*--encoding utf-8"),
        (b"text\n", {"encoding": "utf-9"}, "utf-9.*did you mean"),
        (b"", {}, "no header"),
        (b"\n", {}, "no header"),
        (b"id,body\n1,x\n", {}, "no column 'text'.*id, body"),
        (b"id,body\n1,x\n", {"column": "bodi"}, "did you mean 'body'"),
        (b'text,a\nx,1\n"y\nz,2\n', {}, "line 3: a quote that is opened here is never closed"),
        (b'text,a\nx,1\n"y"z,2\n', {}, "line 3: a broken table"),
        (b"text\n" + b"x" * (3 << 20), {}, "line 2: a line of more than"),
        (b"text\n", {"format": "xls"}, "'xls' files are not read"),
    ],
)
def test_a_broken_table_names_its_line(data: bytes, values: dict[str, Any], said: str) -> None:
    with pytest.raises(SentimentError, match=said):
        rows_of(data, **values)


def test_rows_that_cannot_be_judged_are_kept_and_named(analyser: Analyser) -> None:
    data = 'text,a\n好,1\n差\n美,1,2\n"多\n行",1\n'.encode() + b"x" * 20_001 + b",1\n"
    out, tally = results(analyser, data)
    rows = list(csv.DictReader(io.StringIO(out.decode(), newline="")))
    assert [r["text"][:3] for r in rows] == ["好", "差", "美", "多\n行", "xxx"]
    assert [bool(r["error"]) for r in rows] == [False, True, True, False, True]
    assert [line for line, _ in tally.faults] == [3, 4, 7]
    assert tally.faulty == 3
    assert '["2"]' in rows[2]["error"]
    assert "20001 characters" in rows[4]["error"]


def test_columns_are_found_and_never_taken_twice(analyser: Analyser) -> None:
    assert [r.text for r in rows_of(b"a;text\n1;x\n")] == ["x"]
    assert [r.text for r in rows_of(b"a,b\n1,x\n", column="2")] == ["x"]
    assert [r.text for r in rows_of(b"only\nx\n")] == ["x"]
    assert [r.text for r in rows_of(b"a\ttext\n1\tx,y\n", "tsv")] == ["x,y"]
    out, _ = results(analyser, "text,label,,label\n好,1,2,3\n".encode())
    header = next(csv.reader(io.StringIO(out.decode())))
    assert header[:4] == ["text", "label", "column 3", "label 2"]
    assert len(set(header)) == len(header)
    assert "sentiment_label" in header


def test_json_lines_and_plain_lines(analyser: Analyser) -> None:
    data = '{"text": "服务差", "id": [1]}\n"好"\n\nnot json\n{"id": 2}\n[1]\n'.encode()
    out, tally = results(analyser, data, "jsonl", "jsonl")
    found = [json.loads(line) for line in out.decode().splitlines()]
    assert found[0]["id"] == [1]
    assert found[0]["label"] == "negative"
    assert found[0]["targets"][0]["text"] == "服务"
    assert found[1]["text"] == "好"
    assert "label" not in found[2]
    assert [bool(r.get("error")) for r in found] == [False, False, False, True, True, True]
    assert found[3]["text"] == "not json"
    assert [line for line, _ in tally.faults] == [4, 5, 6]
    as_csv, _ = results(analyser, data, "csv", "jsonl")
    rows = list(csv.DictReader(io.StringIO(as_csv.decode())))
    assert [r["id"] for r in rows] == ["[1]", "", "", "", "2", ""]
    lines, _ = results(analyser, "好,美\n\n差\n".encode(), "tsv", "txt")
    assert [r["label"] for r in csv.DictReader(io.StringIO(lines.decode()), delimiter="\t")] == [
        "positive",
        "",
        "negative",
    ]
    with pytest.raises(SentimentError, match="not 'txt'"):
        results(analyser, b"x\n", "txt", "txt")


def test_a_table_is_read_part_by_part(analyser: Analyser, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is in memory is a part; the order is that of the table."""
    monkeypatch.setattr("rondo.tasks.sentiment.results.CHARACTERS", 10)
    texts = ["好" * (1 + k % 7) for k in range(20)]
    table = Table("t", io.BytesIO("\n".join(texts).encode()), "txt")
    tally, sizes, seen = Tally(), [], []
    for part in judged(analyser, table, tally, {}, 3):
        sizes.append(len(part))
        seen += [found.row.text for found in part]
        assert tally.rows == len(seen)
    assert seen == texts
    assert max(sizes) <= 3


def test_a_preview_guesses_the_column() -> None:
    data = "id;内容;note\n1;这家店的菜很好吃;x\n\n2;服务;y\n".encode()
    found = preview(io.BytesIO(data), {"name": "t", "format": "csv"}, 2)
    assert found == {
        "columns": ["id", "内容", "note"],
        "column": "内容",
        "rows": [["1", "这家店的菜很好吃", "x"], [""] * 3],
        "total": 3,
    }
    found = preview(io.BytesIO(b'{"a": "long text", "b": [1]}\n'), {"name": "t", "format": "jsonl"})
    assert (found["column"], found["rows"]) == ("a", [["long text", "[1]"]])
    assert preview(io.BytesIO(b"x\ny\n"), {"name": "t", "format": "txt"})["column"] == "text"


def test_what_stops_the_writing_leaves_what_stood_there(tmp_path: Path) -> None:
    out, source = tmp_path / "out.csv", tmp_path / "in.csv"
    out.write_text("before")
    source.write_text("text\n")

    def stopped() -> None:
        with written(out, str(source)) as into:
            into.write(b"half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        stopped()
    assert out.read_text() == "before"
    assert len(list(tmp_path.iterdir())) == 2
    with pytest.raises(SentimentError, match="another name"), written(source, str(source)):
        pass
    with written(out, str(source)) as into:
        into.write(b"after")
    assert out.read_text() == "after"


# the command


@pytest.fixture(scope="module")
def model(judge: Judge, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "lexicon.safetensors"
    save_model(path, judge.model, {"task": "sentiment", "reader": judge.reader.to_json()})
    return path


def rondo(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit code of a command."""
    monkeypatch.setattr(sys, "argv", ["rondo", "sentiment", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


def test_the_command_answers(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path) -> None:
    assert rondo(monkeypatch, "菜好，服务差", "--model", model, "--json", "--target", "服务", "--target", "菜") == 0
    found = SentimentResponse.model_validate_json(capsys.readouterr().out)
    assert [t.text for t in found.targets] == ["服务", "菜"]
    assert found.pieces
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("我爱北京\n".encode())))
    assert rondo(monkeypatch, "-", "--model", model, "--no-explain") == 0
    assert "正面" in capsys.readouterr().out


def test_the_command_judges_tables(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], model: Path, tmp_path: Path
) -> None:
    source, out = tmp_path / "in.csv", tmp_path / "out.jsonl"
    source.write_text("id,评论\n1,好\n2,差\n", encoding="utf-8")
    assert rondo(monkeypatch, "--file", source, "--column", "评论", "--out", out, "--model", model) == 0
    found = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert [r["label"] for r in found] == ["positive", "negative"]
    assert "2 rows in" in capsys.readouterr().err
    kept = out.read_bytes()
    source.write_text('id,评论\n1,好\n2\n3,"差', encoding="utf-8")
    assert rondo(monkeypatch, "--file", source, "--column", "评论", "--out", out, "--model", model) == 2
    assert "line 4" in capsys.readouterr().err
    assert out.read_bytes() == kept
    source.write_text("id,评论\n1,好\n2\n", encoding="utf-8")
    assert rondo(monkeypatch, "--file", source, "--column", "评论", "--out", out, "--model", model) == 1
    assert "line 3: " in capsys.readouterr().err
    assert len(out.read_text(encoding="utf-8").splitlines()) == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "give a text"),
        (("好", "--file", "x.csv"), "give a text"),
        (("好", "--out", "x.csv"), "--file"),
        (("好", "--language", "de"), "found 'de'"),
        (("好", "--target", "x", "--no-targets"), "give one of them"),
        (("--file", "none.csv"), "none.csv: No such file"),
        (("--file", "none.xls", "--language", "de"), "found 'de'"),
    ],
)
def test_wrong_options_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], said: str
) -> None:
    assert rondo(monkeypatch, *arguments) == 2
    assert said in capsys.readouterr().err


def test_a_model_of_something_else_is_refused() -> None:
    with pytest.raises(ValueError, match="is no model of sentiment"):
        Analyser.load("couplet")


def test_results_have_names_of_their_own() -> None:
    names = Results("csv", ["text", "label", "sentiment_label"]).names
    assert names["label"] == "sentiment_label 2"
    assert names["stars"] == "sentiment_stars"


# the models that come with Rondo

HERE = {language: f"sentiment-{language}" in bundled.names() for language in ("zh", "en")}
needs = {k: pytest.mark.skipif(not here, reason=f"the model sentiment-{k} is not bundled") for k, here in HERE.items()}


@pytest.fixture(scope="module")
def trained() -> Analyser:
    return Analyser.load()


def paraphrases() -> dict[str, list[str]]:
    """Sentences that no training has seen: the issue's own first, then thirty others, of each kind."""
    found = defaultdict(list)
    for line in (Path(__file__).parent / "sentiment_paraphrases.tsv").read_text(encoding="utf-8").splitlines()[1:]:
        kind, text = line.split("\t")
        found[kind].append(text)
    return found


def test_no_paraphrase_is_trained_on() -> None:
    """Nor anything near it, among the sentences that Rondo's authors wrote for training."""
    folder = files("rondo.tasks.sentiment")
    lines = [
        line for name in ("zh", "en") for line in folder.joinpath(f"own-{name}.tsv").read_text("utf-8").split("\n")
    ]
    written = {part.strip() for line in lines if not line.startswith("#") for part in line.split("\t")[-1].split("; ")}
    for texts in paraphrases().values():
        for text in texts[1:]:
            matcher = SequenceMatcher(b=text.lower().rstrip("."))
            for other in written:
                matcher.set_seq1(other)
                near = matcher.real_quick_ratio() > 0.75 and matcher.quick_ratio() > 0.75 and matcher.ratio() > 0.75
                assert not near, (text, other)


RIGHT = 26  # of 30: 85 in a hundred


def right(analyser: Analyser, kind: str, texts: list[str]) -> list[bool]:
    answers = analyser.many([sentiment_request(text=t, explain=False, targets=[]) for t in texts])
    return [a.stars <= 2 if kind == "low" else a.label == kind for a in answers]


@pytest.mark.parametrize(
    "kind", [*(pytest.param(k, marks=needs["zh"]) for k in LABELS), pytest.param("low", marks=needs["en"])]
)
def test_paraphrases_are_judged_as_people_would(trained: Analyser, kind: str) -> None:
    own, *others = right(trained, kind, paraphrases()[kind])
    assert own
    assert len(others) == 30
    assert sum(others) >= RIGHT


@needs["zh"]
def test_the_regression_beside_changes_the_strength_of_whole_texts_alone(trained: Analyser) -> None:
    judge, text = trained.judge("zh"), "菜很好吃但是服务太慢"
    alone = Analyser(lambda _: Judge(judge.model, judge.reader))
    mixed, own = (ask(a, text, targets=["菜"]) for a in (trained, alone))
    assert judge.beside is not None
    assert judge.beside.weight == 0.25
    (regression,) = Beside(judge.beside.bag, 1.0, "zh").mixed([text], np.array([own.valence]))
    assert mixed.valence == pytest.approx(0.75 * own.valence + 0.25 * regression, abs=1e-5)
    assert abs(mixed.valence - own.valence) > 1e-3
    assert mixed.stars == grades(mixed.valence) + 1
    assert mixed.probabilities == own.probabilities
    assert mixed.targets == own.targets


@needs["zh"]
def test_food_and_service_are_told_apart(trained: Analyser) -> None:
    for asked in (None, ["菜", "服务"]):
        food, service = ask(trained, "菜很好吃但是服务太慢", targets=asked).targets
        assert (food.text, service.text) == ("菜", "服务")
        assert food.label == "positive"
        assert food.stars in (4, 5)
        assert service.label == "negative"
        assert service.stars in (1, 2)
    (same,) = ask(trained, "菜很好吃但是服務太慢", targets=["服務"]).targets
    assert same.probabilities == pytest.approx(service.probabilities, abs=1e-5)


@needs["zh"]
def test_removing_what_contributes_most_changes_most(trained: Analyser) -> None:
    """A fifth of the pieces made unknown: those of the largest contributions toward the answer, or drawn ones."""
    judge, drawn = trained.judge("zh"), np.random.default_rng(1)
    top, random = [], []
    for text in [t for kind in ("positive", "negative") for t in paraphrases()[kind]]:
        x = judge.reader.encode(text)
        weights = judge.explain(x, len(x), 4)
        toward = weights * np.sign(weights.sum())
        count = max(1, len(x) // 5)
        shown = np.ones((11, len(x)), dtype=bool)
        shown[1, np.argsort(-toward)[:count]] = False
        for row in shown[2:]:
            row[drawn.permutation(len(x))[:count]] = False
        odds = judge.odds(x, shown) * np.sign(weights.sum())
        top.append(odds[0] - odds[1])
        random.append((odds[0] - odds[2:]).mean())
    assert np.mean(top) > 2 * np.mean(random)
    assert np.mean(np.array(top) > np.array(random)) > 0.9
