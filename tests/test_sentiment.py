"""Sentiment: pieces and symbols, data sets' formats, the network, training, calibration, measures."""

import csv
import gzip
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from rondo.data.batch import IGNORED
from rondo.data.registry import DataSetError
from rondo.files import FileError, load_tensors
from rondo.models import store
from rondo.tasks.sentiment import baselines, own
from rondo.tasks.sentiment.calibrate import calibrate
from rondo.tasks.sentiment.config import SentimentConfig
from rondo.tasks.sentiment.data import TAGS, Question, Text, Texts, batches, hide, plain, read, stars_of
from rondo.tasks.sentiment.evaluate import answered, evaluate, load, spans_of
from rondo.tasks.sentiment.figures import calibration_error, correlated, graded
from rondo.tasks.sentiment.initial import begin
from rondo.tasks.sentiment.model import SentimentModel, nearness
from rondo.tasks.sentiment.text import FIRST, INSIDE, MARKS, OUTSIDE, SOURCES, UNKNOWN, WHOLE, Reader, split
from rondo.tasks.sentiment.train import build, resume, train
from rondo.train.config import ConfigError
from rondo.train.run import Run

PARAPHRASES = Path(__file__).parent / "sentiment_paraphrases.tsv"
GOOD = ["菜很好吃", "服务很热情", "我喜欢这里", "房间很干净", "真好"]
BAD = ["菜很难吃", "服务太慢", "我讨厌这里", "房间很脏", "真差"]
LIMITS = {"unit": 500, "pair": 500, "head": 100, "tail": 100}


def some_texts() -> list[Text]:
    """Sixty short texts, graded and with targets."""
    found = []
    for number in range(6):
        for good, bad in zip(GOOD, BAD, strict=True):
            found.append(Text(good, "emobank", (Question(None, 2, 3, 4, 6.5 + number / 10),)))
            found.append(Text(bad, "smp2020", (Question(None, 0),)))
    both = Question((0, 1), 2, 3, 4, 6.5), Question((6, 8), 0, 3, 2, 3.5)
    return found + [Text("菜很好吃但是服务太慢", "dimabsa2024", both, ((0, 1), (6, 8)))] * 6


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader.build([t.text for t in some_texts()], "zh", LIMITS)


def small(reader: Reader, **settings) -> SentimentModel:
    torch.manual_seed(0)
    values = {"hidden": 6, "embed_unit": 5, "embed_pair": 4, "input_dropout": 0.0, "output_dropout": 0.0, "cell": "gru"}
    return build(SentimentConfig(**(values | settings)), reader).eval()


# pieces and symbols


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["zh", "en"]))
def test_pieces_stand_in_order_and_leave_out_nothing_that_is_seen(text, language):
    spans = [span for span, _ in split(text, language)]
    assert all(0 <= a < b <= len(text) for a, b in spans)
    assert all(b <= c for (_, b), (c, _) in itertools.pairwise(spans))
    covered = {i for a, b in spans for i in range(a, b)}
    assert all(i in covered or char.isspace() or not char.isprintable() for i, char in enumerate(text))


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("菜很好吃[心]", ["菜", "很", "好", "吃", "[心]"]),
        ("臺灣的夜市 很 熱鬧", ["台", "湾", "的", "夜", "市", "很", "热", "闹"]),
        ("ＶＥＲＹ　ｇｏｏｄ！", ["very", "good", "!"]),
        ("哈哈哈哈哈哈哈", ["哈"] * 3),
        ("😭👍🏽❤️", ["[泪]", "[good]", "[心]"]),
        ("@小明 看http://t.cn/a1 给3.5分5星", ["<name>", "看", "<link>", "给", "<number>", "分", "5", "星"]),
        ("", []),
        (" \n\t\x00\x07\u200b", []),
    ],
)
def test_chinese_pieces(text, units):
    assert [unit for _, unit in split(text, "zh")] == units


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("It isn't bad, won't it?", ["it", "is", "n't", "bad", ",", "wo", "n't", "it", "?"]),
        ("wo n't", ["wo", "n't"]),
        ("-lrb- the cast’s great -rrb-", ["(", "the", "cast", "'s", "great", ")"]),
        ("a well-made 90-minute film", ["a", "well", "-", "made", "<number>", "-", "minute", "film"]),
    ],
)
def test_english_pieces(text, units):
    assert [unit for _, unit in split(text, "en")] == units


def test_offsets_are_code_points_of_the_text_as_it_was_given():
    text = "𠮷😀１２ 好"
    assert [text[a:b] for (a, b), _ in split(text, "zh")] == ["𠮷", "😀", "１２", "好"]


def test_a_question_marks_its_target_and_nothing_else(reader):
    text = "菜很好吃但是服务太慢"
    whole, food = reader.encode(text), reader.encode(text, (0, 1), "zhang")
    assert whole.shape == (10, 3)
    assert np.array_equal(whole[:, :-1], food[:, :-1])
    assert set(whole[:, -1]) == {1 + WHOLE}
    first = 1 + 3 * SOURCES.index("zhang")
    assert food[:, -1].tolist() == [first + INSIDE] + [first + OUTSIDE] * 9
    assert food.max() < MARKS or food[:, :-1].max() < max(reader.sizes)


def test_traditional_characters_give_the_same_symbols(reader):
    assert np.array_equal(reader.encode("房間很乾淨".replace("乾", "干")), reader.encode("房间很干净"))
    assert (reader.encode("鸞鳳")[:, 0] == UNKNOWN).all()


def test_a_reader_is_plain_json(reader):
    again = Reader.from_json(json.loads(json.dumps(reader.to_json())))
    assert np.array_equal(again.encode("服务很好"), reader.encode("服务很好"))
    assert again.sizes == reader.sizes
    for damaged in ({}, [], {"language": "zh", "tables": {}}, {"language": "xx", "tables": {"unit": "a"}}):
        with pytest.raises(ValueError, match="reader"):
            Reader.from_json(damaged)


# the data sets' formats

RECORDS = {
    "smp2020": {"id": "u-1", "text": "真好", "label3": "positive", "emotion": "happy", "domain": "usual"},
    "chnsenticorp": {"text": "很差", "label": "negative"},
    "emobank": {"text": "很好", "kind": "phrase", "valence": 6.5, "polarity": "positive", "rating5": 4},
    "dimabsa2024": {
        "id": "R1:S1",
        "text": "汤好喝",
        "targets": [{"aspect": "汤", "span": [0, 1], "valence": 6.0, "polarity": "positive", "rating5": 4}],
    },
    "zhang": {
        "text": "汤好喝。下次再来",
        "targets": [
            {"aspect": "汤", "span": [0, 1], "polarity": "positive"},
            {"aspect": None, "span": None, "polarity": "positive"},
        ],
    },
    "asap": {"id": "1", "text": "不错的店", "star": 4, "aspects": {"Food#Taste": "positive"}},
    "sst": {"text": "it 's a fine film .", "label5": 3, "label2": 1},
}


def written(path: Path, records: list[dict]) -> Path:
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "wt", encoding="utf-8") as file:
        file.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in records)
    return path


@pytest.mark.parametrize("source", RECORDS)
def test_every_format_is_found_by_its_fields(source, tmp_path):
    (text,) = read(written(tmp_path / "a.jsonl.gz", [RECORDS[source]]))
    assert text.source == source
    assert text.text == RECORDS[source]["text"]
    assert text.questions[0].polarity == (0 if source == "chnsenticorp" else 2)
    assert text.questions[0].classes == (2 if source == "chnsenticorp" else 3)


def test_questions_of_targets_stars_and_valence(tmp_path):
    (text,) = read(written(tmp_path / "a.jsonl", [RECORDS["zhang"]]))
    assert [q.span for q in text.questions] == [(0, 1), None]
    assert text.targets == ((0, 1),)
    (text,) = read(written(tmp_path / "b.jsonl", [RECORDS["dimabsa2024"]]))
    assert (text.questions[0].valence, text.questions[0].stars) == (6.0, 4)
    (text,) = read(written(tmp_path / "c.jsonl", [RECORDS["sst"]]))
    assert text.questions[0].stars == 4
    surprise = RECORDS["smp2020"] | {"label3": None}
    assert len(read(written(tmp_path / "d.jsonl", [surprise, RECORDS["smp2020"]]))) == 1


def test_the_five_strengths_of_valence():
    assert [stars_of(v) for v in (1, 2.99, 3, 4.49, 4.5, 5.5, 5.51, 7, 7.01, 9)] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


@pytest.mark.parametrize("body", ["review", "reviewbody"])
def test_the_full_files_of_asap_are_read(body, tmp_path):
    path = tmp_path / "train.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(["id", body, "star", "Food#Taste"])
        table.writerow(["7", "好吃，\n下次再来\\n真的", "5.0", "1"])
        table.writerow(["8", "难吃", "1.0", "-1"])
    good, bad = read(path)
    assert good.text == "好吃， 下次再来 真的"
    assert (good.questions[0].stars, good.questions[0].polarity) == (5, 2)
    assert (bad.questions[0].stars, bad.questions[0].polarity) == (1, 0)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"text": "好"}\n', "1: 认不出的格式"),
        ('{"text": "好", "label": "positive"}\n{"text": "好", "label": "great"}\n', ":2"),
        ('{"text": "好", "label": "positive"}\nnot json\n', ":2"),
        ('{"text": 3, "label": "positive"}\n', "text should be a text"),
        ('{"text": "好", "star": 7}\n', "1 to 5"),
        ("", "no text"),
    ],
)
def test_a_fault_in_a_file_is_named_with_its_line(content, message, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataSetError, match=message):
        read(path)


@pytest.mark.parametrize(("content", "message"), [("a,b\n1,2\n", ":1"), ("review,star\n好,5\n好,many\n", ":3")])
def test_a_fault_in_a_table_is_named_with_its_line(content, message, tmp_path):
    path = tmp_path / "a.csv"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataSetError, match=message):
        read(path)


# batches


def test_a_batch_says_what_is_known(reader):
    texts = Texts(some_texts()[-1:] + some_texts()[1:2], reader)
    batch = texts.batch([0, 1], [texts.questions[0][1], texts.questions[1][0]], [False, True])
    assert batch.x.shape == (2, 10, 3)
    assert batch.lengths.tolist() == [10, 4]
    assert batch.labels[0, :TAGS].tolist() == [0, 3, 1, 3500, 1]
    assert batch.labels[0, TAGS:].tolist() == [1, 0, 0, 0, 0, 0, 1, 2, 0, 0]
    assert batch.labels[1, :TAGS].tolist() == [0, 3, IGNORED, IGNORED, 0]
    assert (batch.x[1, 4:] == 0).all()
    assert (batch.labels[1, TAGS:] == IGNORED).all()


def test_batches_depend_on_seed_and_step_alone(reader):
    texts = Texts(some_texts(), reader)
    whole = list(itertools.islice(batches(texts, 60, 0.5, 0.2, seed=3), 40))
    later = next(batches(texts, 60, 0.5, 0.2, seed=3, step=37))
    assert torch.equal(whole[37].x, later.x)
    assert torch.equal(whole[37].labels, later.labels)
    other = next(batches(texts, 60, 0.5, 0.2, seed=4))
    assert other.x.shape != whole[0].x.shape or not torch.equal(other.x, whole[0].x)


def test_hiding_a_piece_hides_its_pairs_and_keeps_the_mark(reader):
    x = torch.from_numpy(reader.encode("菜很好吃"))[None]
    hidden = torch.tensor([[False, False, True, False]])
    found = hide(x, hidden)
    assert found[0, 2, 0] == UNKNOWN
    assert found[0, 1, 1] == UNKNOWN
    assert found[0, 2, 1] == UNKNOWN
    assert torch.equal(found[..., -1], x[..., -1])
    assert torch.equal(found[0, [0, 1, 3], 0], x[0, [0, 1, 3], 0])


def test_every_question_is_asked_once_for_measuring(reader):
    texts = Texts(some_texts(), reader)
    rows = [row for rows, _ in plain(texts, tokens=30) for row in rows]
    assert sorted(rows) == [(i, q) for i in range(len(texts)) for q in range(len(texts.questions[i]))]


def test_a_text_is_cut_in_training_and_a_target_past_the_cut_is_not_asked_about(reader):
    texts = Texts(some_texts()[-1:], reader, longest=4)
    assert texts.sizes.tolist() == [4]
    assert [q.span for q in texts.questions[0]] == [(0, 1)]
    assert len(Texts([Text(" ", "smp2020", (Question(polarity=1),))], reader)) == 0


# the network


@pytest.mark.parametrize("strength", ["valence", "stars"])
def test_answers_are_probabilities_and_padding_changes_nothing(reader, strength):
    model = small(reader, strength=strength)
    short, long = (torch.from_numpy(reader.encode(t)) for t in ("真好", "菜很好吃但是服务太慢"))
    x = torch.zeros(2, 12, 3, dtype=torch.long)
    x[0, :2], x[1, :10] = short, long
    found = model.predict(x, torch.tensor([2, 10]))
    for part in ("polarity", "stars"):
        torch.testing.assert_close(getattr(found, part).sum(1), torch.ones(2))
        alone = torch.cat([getattr(model.predict(v[None]), part) for v in (short, long)])
        torch.testing.assert_close(getattr(found, part), alone)
    assert ((found.valence >= 1) & (found.valence <= 9)).all()
    tags = model.tags(x, torch.tensor([2, 10]))
    assert tags.shape == (2, 12, 3)
    torch.testing.assert_close(tags[0, :2], model.tags(short[None])[0])


def test_what_stands_past_a_length_is_never_read(reader):
    model, x = small(reader), torch.from_numpy(reader.encode("菜很好吃"))[None].repeat(2, 1, 1)
    x[1, 2:] = 9
    found = model.predict(x, torch.tensor([2, 2])).polarity
    torch.testing.assert_close(found[0], found[1])


def test_the_stars_are_the_shares_of_the_valence_between_the_edges(reader):
    model = small(reader)
    found = model.predict(torch.from_numpy(reader.encode("真好"))[None])
    normal = torch.distributions.Normal(found.valence, found.spread)
    below = normal.cdf(torch.tensor([3.0, 4.5, 5.5, 7.0]))
    expected = torch.cat([below, torch.ones(1)]) - torch.cat([torch.zeros(1), below])
    torch.testing.assert_close(found.stars[0], expected, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("strength", ["valence", "stars"])
def test_every_part_of_the_network_gets_a_gradient(reader, strength):
    model = small(reader, strength=strength, smoothing=0.1, frozen=False, beside_dropout=0.0).train()
    texts = Texts(some_texts(), reader)
    batch = next(batches(texts, 4000, 0.5, 0.0, seed=1))
    model.loss(batch).total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in model.parameters())


def test_where_neutral_was_no_choice_its_score_does_not_count(reader):
    model, texts = small(reader), Texts([Text("真好", "chnsenticorp", (Question(None, 2, 2),))], reader)
    batch = next(b for _, b in plain(texts))
    before = float(model.loss(batch).nats)
    with torch.no_grad():
        model.answer.bias[1] += 5
    assert float(model.loss(batch).nats) == pytest.approx(before, abs=1e-4)


def test_a_target_is_part_of_the_question(reader):
    model, text = small(reader), "菜很好吃但是服务太慢"
    food, service = (torch.from_numpy(reader.encode(text, span))[None] for span in ((0, 1), (6, 8)))
    assert not torch.allclose(model.predict(food).polarity, model.predict(service).polarity)


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_model_file_holds_the_model(reader, precision, tmp_path):
    model, path = small(reader), tmp_path / "m.safetensors"
    model.balance.fill_(0.5)
    store.save_model(path, model, {"task": "sentiment", "reader": reader.to_json()}, precision)
    again, its_reader, _ = load(path)
    x = torch.from_numpy(its_reader.encode("菜很好吃"))[None]
    tolerance = 1e-6 if precision == "float32" else 0.02  # weights are rounded to a byte
    torch.testing.assert_close(again.predict(x).polarity, model.predict(x).polarity, atol=tolerance, rtol=0)


def test_another_task_s_file_is_refused(reader, tmp_path):
    path = tmp_path / "m.safetensors"
    store.save_model(path, small(reader), {"task": "couplet"})
    with pytest.raises(FileError, match="no model of sentiment"):
        load(path)


# start and calibration


def test_counts_of_the_training_texts_tell_good_from_bad_before_training(reader):
    model, texts = small(reader), Texts(some_texts(), reader)
    with torch.no_grad():
        model.answer.weight.zero_(), model.answer.bias.zero_()
    begin(model, texts, strength=1.0, pull=0.1, vectors=0.5)
    for words, best in ((GOOD, 2), (BAD, 0)):
        for word in words:
            assert int(model.predict(torch.from_numpy(reader.encode(word))[None]).polarity.argmax()) == best, word
    vectors = model.body.embedding.tables[0].weight[FIRST:]
    assert float(vectors.detach().std()) == pytest.approx(0.5, abs=0.05)
    assert vectors.isfinite().all()


@pytest.mark.parametrize("strength", ["valence", "stars"])
def test_the_balance_makes_what_is_held_out_likelier(reader, strength):
    model, texts = small(reader, strength=strength), Texts(some_texts(), reader)
    with torch.no_grad():
        model.answer.weight.mul_(8)  # far too sure, and for no reason
        model.answer.bias.mul_(8)
    begin(model, texts, strength=0.5, pull=0.1, vectors=0.0)

    def nats() -> float:
        found = answered(model, texts, told=False)
        gold = [q.polarity for q in found.questions]
        return -float(np.log(found.polarity[np.arange(len(gold)), gold]).mean())

    before = nats()
    calibrate(model, texts)
    assert nats() < before
    assert model.balance[0, 0] > model.balance[0, 1]  # what was counted knows more than random weights


def test_what_stands_near_a_target_says_most_of_it():
    inside = torch.tensor([[0, 0, 0, 1, 1, 0, 0], [0] * 7]).bool()
    near = nearness(inside)
    assert near[0, 3:5].tolist() == [1, 1]
    assert near[0, 5] > near[0, 6] > 0  # the farther, the less
    assert near[0, 5] > near[0, 2] > near[0, 1]  # before it less than after it
    assert near[1].tolist() == [1] * 7


# measures


def test_quadratic_weighted_kappa_is_cohen_s():
    gold, guess = np.array([0, 1, 2, 3, 4, 4]), np.array([0, 1, 2, 3, 4, 3])
    weights = (np.arange(5)[:, None] - np.arange(5)) ** 2
    expected = sum(weights[g, h] for g in gold for h in guess) / 36
    found = graded(guess, gold)
    assert found["kappa"] == pytest.approx(1 - (1 / 6) / expected)
    assert found["mae"] == pytest.approx(1 / 6)
    assert graded(gold, gold)["kappa"] == 1
    assert graded(gold[::-1], gold)["kappa"] < 0


def test_calibration_error():
    right = np.array([[0.75, 0.25]] * 4)
    assert calibration_error(right, np.array([0, 0, 0, 1])) == pytest.approx(0)
    assert calibration_error(right, np.array([1, 1, 1, 1])) == pytest.approx(0.75)


def test_correlation():
    x = np.arange(5.0)
    assert correlated(2 * x + 1, x)["correlation"] == pytest.approx(1)
    assert correlated(np.ones(5), x)["correlation"] == 0


def test_places_of_tags():
    assert spans_of([1, 2, 0, 1, 1, 0, 2, 2]) == {(0, 2), (3, 4), (4, 5), (6, 8)}
    assert spans_of([]) == set()


# the authors' own texts


@pytest.mark.parametrize("language", ["zh", "en"])
def test_own_texts_are_the_same_for_the_same_seed_and_their_targets_are_nouns(language):
    texts = own.texts(language, 200, seed=1)
    assert texts == own.texts(language, 200, seed=1) != own.texts(language, 200, seed=2)
    nouns = {n for listed in own.parts(language).nouns.values() for n in listed}
    targets = [t.text[a:b] for t in texts for a, b in t.targets or ()]
    assert targets
    assert set(targets) <= nouns
    assert all(1 <= q.stars <= 5 and t.text.strip() and "{" not in t.text for t in texts for q in t.questions)


def test_own_texts_are_none_of_the_paraphrases_that_models_are_tested_with():
    if not PARAPHRASES.exists():
        pytest.skip("the paraphrases are not here")
    lines = [line for line in PARAPHRASES.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]
    tested = {"".join(field.lower().split()) for line in lines for field in line.split("\t")}
    for language in ("zh", "en"):
        parts = own.parts(language)
        longer = {"".join(t.lower().split()) for _, t in parts.graded if len(t) > 5}
        assert sorted(longer & tested - {"positive", "negative", "neutral"}) == []


# training


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Two small data sets in their formats."""
    root = tmp_path_factory.mktemp("data")
    smp, dim = root / "zh-sentiment-smp2020", root / "zh-absa-dimabsa2024"
    smp.mkdir(), dim.mkdir()
    posts = [(t, "positive") for t in GOOD] + [(t, "negative") for t in BAD] + [("会议下午开始", "neutral")]
    for part in ("train", "valid"):
        written(smp / f"{part}.jsonl.gz", [{"text": t, "label3": label} for t, label in posts * 4])
        name = "train" if part == "train" else "valid_task1"
        written(dim / f"{name}.jsonl.gz", [RECORDS["dimabsa2024"]] * 10)
    return root


SETTINGS = {"steps": 12, "valid_every": 6, "tokens": 200, "hidden": 8, "embed_unit": 8, "embed_pair": 4, "own": 20}


def run(folder: Path, out: Path, **settings) -> Run[SentimentConfig]:
    return train(folder, SentimentConfig(**(SETTINGS | settings)), out, Console(quiet=True))


def test_a_training_goes_from_files_to_a_model_that_is_measured(folder, tmp_path):
    done = run(folder, tmp_path / "a", steps=40, valid_every=40, lr=0.02)
    found = evaluate(done.folder, folder / "zh-sentiment-smp2020" / "valid.jsonl.gz")
    json.dumps(found)
    assert found["untold"]["polarity"]["accuracy"] > 0.7  # the same few posts as in training
    assert set(found["baselines"]) == {"common", "bayes", "logistic"}
    assert found["baselines"]["common"]["polarity"]["accuracy"] == pytest.approx(5 / 11)
    found = evaluate(done.folder, folder / "zh-absa-dimabsa2024" / "valid_task1.jsonl.gz")
    assert "ridge" in found["baselines"]
    assert "valence" in found["untold"]
    assert "f1" in found["targets"]


def test_a_stopped_training_goes_on_to_the_same_end(folder, tmp_path):
    whole = run(folder, tmp_path / "whole")
    stopped = run(folder, tmp_path / "stopped").folder
    (stopped / "checkpoint.previous.safetensors").rename(stopped / "checkpoint.safetensors")  # as after six steps
    resume(stopped, Console(quiet=True))
    one, two = (load_tensors(r / "checkpoint.safetensors", "checkpoint")[0] for r in (whole.folder, stopped))
    assert one.keys() == two.keys()
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_only_the_data_sets_that_are_named_are_read(folder, tmp_path):
    run(folder, tmp_path / "a", sources="smp2020", steps=2, own=0)
    assert list(baselines.from_json(load(tmp_path / "a")[2]["baselines"])) == ["smp2020"]
    with pytest.raises(DataSetError, match="zh-absa-zhang"):
        run(folder, tmp_path / "b", sources="zhang")
    with pytest.raises(ConfigError, match="smp2021"):
        run(folder, tmp_path / "c", sources="smp2021")
    with pytest.raises(DataSetError, match="en-sentiment-sst"):
        run(folder, tmp_path / "d", language="en")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 5}, "read whole"),
        ({"language": "fr"}, "language"),
        ({"repeat": "emobank=many"}, "repeat"),
        ({"repeat": "emobnk=2"}, "emobank"),
        ({"told": 1.5}, "told"),
        ({"precision": "int4"}, "precision"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings, message):
    with pytest.raises(ConfigError, match=message):
        SentimentConfig(**settings)


def test_shipped_settings_are_settings():
    from rondo.train import configs

    for name in ("sentiment-zh", "sentiment-en"):
        config = SentimentConfig.load(configs.find(Path(name)))
        assert config.language == name[-2:]


def test_the_bundled_models_answer_the_lecture_s_examples():
    from rondo import bundled

    for language, text, best in (
        ("zh", "我爱北京天安门", 2),
        ("zh", "政府采取的这个政策很不合理啊", 0),
        ("zh", "北京是中国首都", 1),
        ("en", "There is nothing to like in this movie.", 0),
    ):
        if f"sentiment-{language}" not in bundled.names():
            pytest.skip("the model is not in this copy")
        model, its_reader, _ = load(f"sentiment-{language}")
        found = model.predict(torch.from_numpy(its_reader.encode(text))[None])
        assert int(found.polarity.argmax()) == best, text
        assert math.isfinite(float(found.valence))
