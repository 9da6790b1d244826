"""Minimal pairs: the file, sums by word, accuracies, the n-gram beside it, and the command on a real model file."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rondo import cli
from rondo.charts import probes as charts
from rondo.cli import probe as commands
from rondo.data.vocab import Characters, Words
from rondo.models.generator import Generator
from rondo.models.store import save_model
from rondo.probes import pairs
from rondo.probes.pairs import END, NGramModel, Pair, PairsError, Surprisals, by_word
from rondo.train.language import load_language_model

from shown import shown


class Letters:
    """A language model of characters that finds each as surprising as it says, the end 1 bit."""

    def __init__(self, bits: dict[str, float]) -> None:
        self.bits = bits

    def surprisals(self, texts: Sequence[str]) -> list[Surprisals]:
        return [[*((c, self.bits.get(c, 1.0)) for c in text), ("\n", 1.0)] for text in texts]


# ---- the file ----


def written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "pairs.tsv"
    path.write_bytes(text.encode())
    return path


def test_read(tmp_path: Path) -> None:
    path = written(tmp_path, "The cats are.\tThe cats is.\tnumber\r\n\n 好。 \t 坏。 \n")
    assert pairs.read(path) == [Pair("The cats are.", "The cats is.", "number"), Pair("好。", "坏。", "")]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\tb\nonly one\n", r"pairs.tsv, line 2: found 1 field\(s\); write good sentence, tab, bad"),
        ("a\tb\n\na\tb\tc\td\n", r"pairs.tsv, line 3: found 4 field\(s\)"),
        ("a\t \n", "pairs.tsv, line 1: a sentence is empty"),
        ("a\tb\nsame\tsame\n", "pairs.tsv, line 2: both sentences are the same"),
        ("\n  \n", "pairs.tsv has no pairs: write a good sentence, a tab"),
    ],
)
def test_lines_that_are_no_pair(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(PairsError, match=message):
        pairs.read(written(tmp_path, text))


# ---- symbols to words ----


@pytest.mark.parametrize(
    ("text", "symbols", "words"),
    [
        ("the cat", ["the", "cat"], ["the", "cat"]),
        ("the cat", list("the cat"), ["the", "cat"]),
        ("the  cat ", list("the  cat "), ["the", "cat", ""]),
        ("the cat", ["th", "e", " ca", "t"], ["the", "cat"]),
        ("the cät", ["the", "<unk>"], ["the", "cät"]),  # an unknown word is shown as it was written
        ("cät a", ["c", "\ufffd", "t", " ", "a"], ["cät", "a"]),  # an unknown character too
        ("我吃了。", list("我吃了。"), ["我", "吃", "了", "。"]),
        ("用 GPU 算", list("用 GPU 算"), ["用", "GPU", "算"]),
    ],
)
def test_words_and_their_sums(text: str, symbols: list[str], words: list[str]) -> None:
    found = by_word(text, [*((s, 2.0**k) for k, s in enumerate(symbols)), ("\n", 0.5)])
    assert [word for word, _ in found] == [*words, END]
    assert found[-1][1] == 0.5
    assert sum(bits for _, bits in found) == 2 ** len(symbols) - 0.5, "nothing is lost and nothing counted twice"


@given(st.text(alphabet="ab ,我。 ", min_size=1).filter(str.strip), st.randoms(use_true_random=False))
def test_the_words_of_any_cut_hold_all_letters_and_bits(text: str, chance: object) -> None:
    cuts = sorted(chance.sample(range(1, len(text)), chance.randint(0, len(text) - 1)))  # type: ignore[attr-defined]
    pieces = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    found = by_word(text, [*((p, 1.0) for p in pieces), ("\n", 1.0)])
    assert sum(bits for _, bits in found) == len(pieces) + 1
    if len(pieces) != len(text.split()):
        assert "".join("".join(word.split()) for word, _ in found[:-1]) == "".join(text.split())


def test_a_blank_counts_to_the_word_that_follows() -> None:
    assert Letters({" ": 8.0}).surprisals(["a b"]) == [[("a", 1), (" ", 8), ("b", 1), ("\n", 1)]]
    assert by_word("a b", Letters({" ": 8.0}).surprisals(["a b"])[0]) == [("a", 1.0), ("b", 9.0), (END, 1.0)]


# ---- scores ----

PAIRS = [Pair("aa", "ab", "x"), Pair("ab", "aa", "x"), Pair("ba", "ab", "y"), Pair("a", "bb", "y")]


def test_accuracy_by_group_and_in_all() -> None:
    scores = pairs.score(PAIRS, {"letters": Letters({"b": 3.0}), "flat": Letters({})})
    assert [scores.right("letters", k) for k in range(4)] == [1.0, 0.0, 0.5, 1.0]
    assert scores.accuracy() == [
        {"group": "x", "pairs": 2, "letters": 0.5, "flat": 0.5, "shorter": 0.5},
        {"group": "y", "pairs": 2, "letters": 0.75, "flat": 0.75, "shorter": 0.75},
        {"group": "all", "pairs": 4, "letters": 0.625, "flat": 0.625, "shorter": 0.625},
    ]
    heads, rows = scores.table()
    assert heads == ["group", "pairs", "letters", "flat", "shorter"]
    assert rows[2] == ["all", "4", "62.5%", "62.5%", "62.5%"]
    assert len(pairs.score([Pair("a", "b")], {"m": Letters({})}).accuracy()) == 1, "no groups, one line"


def test_sentence_table_adds_up() -> None:
    scores = pairs.score([Pair("a b", "b b b")], {"m": Letters({"b": 3.0})})
    heads, rows = scores.sentence_table(0)
    assert heads == ["good", "m, bits", "bad", "m, bits"]
    assert rows == [
        ["a", "1.00", "b", "3.00"],
        ["b", "4.00", "b", "4.00"],
        [END, "1.00", "b", "4.00"],
        ["sum", "6.00", END, "1.00"],
        ["", "", "sum", "12.00"],
    ]


def test_json_holds_the_words_and_chart_draws_them() -> None:
    scores = pairs.score([Pair("a b", "a c"), Pair("我", "你我")], {"m": Letters({"b": 3.0})}).to_json()
    plain = json.loads(json.dumps(scores, allow_nan=False))
    assert plain["pairs"][0]["words"]["m"]["good"] == [["a", 1.0], ["b", 4.0], [END, 1.0]]
    assert plain["pairs"][0]["right"] == {"m": 0.0}
    for lang, title in (("en", "Surprisal by word"), ("zh", "每个词的惊异度")):
        spec = charts.surprisal(plain, 2, lang).to_dict()
        assert spec["title"]["text"] == title
        first, second = spec["concat"]
        assert '"b | c"' in first["encoding"]["x"]["axis"]["labelExpr"]
        assert '"我 | 你"' in second["encoding"]["x"]["axis"]["labelExpr"]
        assert "6.0 : 4.0" in first["title"]
    assert len(charts.surprisal(plain, 1).to_dict()["concat"]) == 1


# ---- the n-gram model ----


@pytest.mark.parametrize("kind", [Characters, Words])
def test_ngram_is_the_product_of_its_conditionals(kind: type[Characters] | type[Words]) -> None:
    texts = ["the cat was full\nthe cats were full\n", "a dog was here\n"]
    vocab = kind.build(["\n", *texts])
    model = NGramModel.of(vocab, texts, 3)
    (found,) = model.surprisals(["the cat were"])
    context = vocab.encode("\n").tolist()
    for (symbol, bits), number in zip(found, vocab.encode("the cat were\n").tolist(), strict=True):
        truth = -math.log2(model.model.distribution(context)[number])
        shown("n-gram by sentence = by symbol", kind.__name__, (symbol,), "bits", abs(bits - truth))
        assert bits == pytest.approx(truth, abs=1e-9)
        context.append(number)


def test_ngram_prefers_what_it_has_read() -> None:
    texts = ["the cat was full\nthe cats were full\n"]
    model = NGramModel.of(Words.build(["\n", *texts]), texts, 2)
    scores = pairs.score([Pair("the cats were full", "the cats was full")], {"2-gram": model})
    assert scores.right("2-gram", 0) == 1.0


def test_an_order_that_is_too_high() -> None:
    with pytest.raises(PairsError, match="take a smaller order"):
        NGramModel.of(Characters.build(["abcdefgh\n"]), ["abc"], 40)


# ---- the command ----


def call(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    assert commands.minimal_pairs  # registered
    monkeypatch.setattr(sys, "argv", ["rondo", "minimal-pairs", *map(str, arguments)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    return int(left.value.code or 0)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    vocab = Characters.build(["the cats was were full.\n"])
    path = tmp_path / "model.safetensors"
    about = {"vocabulary": vocab.to_json(), "config": {"documents": "none"}}
    save_model(path, Generator("gru", len(vocab), 5), about)
    return path


def test_command(
    tmp_path: Path, model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, bad = "the cat was full.", "the cat were full."
    file, text = written(tmp_path, f"{good}\t{bad}\tlecture\n"), tmp_path / "text.txt"
    text.write_text("the cat was full.\nthe cats were full.\n", encoding="utf-8")
    out, chart = tmp_path / "out.json", tmp_path / "chart.svg"
    assert call(monkeypatch, file, "--model", model, "--text", text, "--json", out, "--chart", chart) == 0
    printed = capsys.readouterr().out
    assert "3-gram" in printed
    assert "shorter" in printed
    found = json.loads(out.read_text(encoding="utf-8"))
    assert [word for word, _ in found["pairs"][0]["words"]["model"]["good"]] == ["the", "cat", "was", "full.", END]
    for side, sentence in (("good", good), ("bad", bad)):
        (symbols,) = load_language_model(model).surprisals([sentence])
        total = sum(bits for _, bits in found["pairs"][0]["words"]["model"][side])
        assert total == pytest.approx(sum(bits for _, bits in symbols))
        assert len(symbols) == len(sentence) + 1, "the end is scored too"
    assert found["pairs"][0]["right"]["3-gram"] == 1.0
    assert "<svg" in chart.read_text(encoding="utf-8")


@pytest.mark.parametrize(("text", "message"), [("a\n", "line 1: found 1 field"), (None, "cannot be read")])
def test_command_faults_are_one_message(
    tmp_path: Path,
    model: Path,
    text: str | None,
    message: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "none.tsv" if text is None else written(tmp_path, text)
    assert call(monkeypatch, file, "--model", model) == 2
    assert message in capsys.readouterr().err
