"""What a trained language model is asked: next words, neighbours, bundled models."""

from __future__ import annotations

import gzip
import math
from pathlib import Path

import pytest
import torch

from rondo import bundled, tasks
from rondo.data.text import DataError
from rondo.data.vocab import build
from rondo.files import FileError
from rondo.models.generator import Generator
from rondo.models.store import load_model
from rondo.search.predictor import as_prime, read
from rondo.search.sample import sample
from rondo.train import configs
from rondo.train.bundled import FACTS, TEXTS, make
from rondo.train.config import TextConfig
from rondo.train.language import LanguageModel, load_language_model

TEXT = "the cat sat on the mat. the dog sat on the cat. a cat and a dog.\n" * 3


def language_model(level: str, embed: int = 8) -> LanguageModel:
    torch.manual_seed(3)
    vocab = build(level, [TEXT], 280 if level == "subword" else 0)
    model = Generator("gru-cho", len(vocab), 16, embed=embed).eval()
    return LanguageModel(model, vocab, {"config": {"documents": "line"}})


def bits(model: LanguageModel, text: str) -> float:
    """Surprisal of a text, its end left out."""
    return sum(b for _, b in model.surprisals([text])[0][:-1])


def test_next_symbols_are_the_softmax() -> None:
    model = language_model("word")
    found = model.next_words("the cat", len(model.vocab))
    assert sum(p for _, p in found) == pytest.approx(1.0, rel=1e-5)
    assert [p for _, p in found] == sorted((p for _, p in found), reverse=True)
    word, p = found[0] if found[0][0] != "\n" else found[1]
    assert -math.log2(p) == pytest.approx(bits(model, f"the cat {word}") - bits(model, "the cat"), rel=1e-4)


@pytest.mark.parametrize("level", ["character", "word", "subword"])
def test_a_line_that_ended_is_forgotten_as_in_training(level: str) -> None:
    model = language_model(level)
    one, other = (read(model.predictor(), as_prime(model.vocab.encode(t).tolist()))[0] for t in ("\n", "\nthe cat\n"))
    assert torch.equal(one, other)
    whole = LanguageModel(model.model, model.vocab, {"config": {"documents": "file"}})
    other, _ = read(whole.predictor(), as_prime(model.vocab.encode("\nthe cat\n").tolist()))
    assert not torch.equal(one, other)


def test_a_word_of_pieces_has_their_product_and_a_boundary() -> None:
    """P(" dog" and then something that begins anew), from the chain of pieces, against the sum of all continuations."""
    model = language_model("subword")
    found = dict(model.next_words("the cat and the", 200))
    texts = [model.vocab.decode([n]) for n in range(len(model.vocab))]
    before = bits(model, "the cat and the")
    pieces = model.vocab.encode(" a")
    assert len(pieces) == 1
    wanted = 2 ** (before - bits(model, "the cat and the a"))
    x = torch.tensor([[*model.vocab.encode("\nthe cat and the a").tolist()]])
    after = model.model(x)[0][0, -1].detach().softmax(0).tolist()
    ends = sum(p for text, p in zip(texts, after, strict=True) if not text[:1].isalnum())
    assert found["a"] == pytest.approx(wanted * ends, rel=1e-3)


def test_the_first_word_of_a_text_may_begin_with_any_piece() -> None:
    model = language_model("subword")
    x = torch.tensor([model.vocab.encode("\n").tolist()])
    p = model.model(x)[0][0, -1].detach().softmax(0).tolist()
    found = dict(model.next_words("", 200))
    assert sum(found.values()) > 0.5 * sum(p)
    assert any(word[:1].isalpha() for word in found)


def test_neighbours_are_by_cosine() -> None:
    model = language_model("word")
    table = model.model.embedding.weight.detach()
    cat, dog = (int(model.vocab.encode(w)[0]) for w in ("cat", "dog"))
    with torch.no_grad():
        table[dog] = 3 * table[cat]
    (word, value), *rest = model.neighbours("cat", 4)
    assert (word, value) == ("dog", pytest.approx(1.0))
    assert len(rest) == 3
    with pytest.raises(DataError, match="'bird' is no symbol of this model"):
        model.neighbours("bird")
    with pytest.raises(DataError, match="no embedding"):
        language_model("word", embed=0).neighbours("cat")


def test_similarity_and_the_place_among_the_neighbours() -> None:
    model = language_model("word")
    found = model.neighbours("cat", len(model.vocab))
    assert "cat" not in [word for word, _ in found]
    for place, (word, value) in enumerate(found, 1):
        if model.unknown(word) == [] and word:  # the end of a line has no name here
            assert model.similarity("cat", word) == (pytest.approx(value), place)
    assert model.similarity("cat", "cat") == (pytest.approx(1.0), 1)
    assert model.knows("cat")
    assert not model.knows("bird")
    assert not model.knows("cat dog")
    with pytest.raises(DataError, match="'bird' is no symbol"):
        model.similarity("cat", "bird")


@pytest.mark.parametrize("level", ["character", "word", "subword"])
@pytest.mark.parametrize("prime", ["", "the cat ", "a dog\nthe"])
def test_steps_tell_what_is_sampled(level: str, prime: str) -> None:
    model = language_model(level)
    options = {"temperature": 0.9, "top_k": 20, "top_p": 0.95, "seed": 6}
    found = list(model.steps(prime, 90, **options))
    sampled = list(model.sample(prime, 90, **options))
    assert [text for text, _ in found] == sampled[:-1]
    begin = model.vocab.separator + (prime if level == "character" else prime.rstrip(" "))
    plain = sample(model.predictor(), model.vocab.encode(begin).tolist(), 90, banned=model._banned, **options)
    assert [step.symbol for _, step in found] == plain.best()[0]
    if level != "subword":
        assert model.vocab.unknown not in [step.symbol for _, step in found]


def test_unknown_symbols_are_named_once_in_order() -> None:
    assert language_model("character").unknown("the 水 cat 水 Zo") == ["水", "Z"]
    assert language_model("word").unknown("the bird\nsat bird") == ["bird"]
    assert language_model("subword").unknown("水 Z") == []


def test_bundled_models_are_named() -> None:
    with pytest.raises(bundled.BundledError, match="neither a file nor a bundled model"):
        load_language_model("englisch")
    with pytest.raises(FileError, match="No such file"):
        load_language_model(Path("none/m.safetensors"))
    for name in bundled.names():
        path = bundled.find(name)
        assert path.stat().st_size <= 8 * 2**20
        assert load_model(path, *tasks.shapes())[1]["licence"]
        assert "## " in bundled.card(name)


@pytest.mark.parametrize("prime", ["I want a glass of orange", "I think he wants a glass of apple"])
def test_juice_follows(prime: str) -> None:
    """The lecture's example, by the model in the package; no line that it learned from has "glass of" either fruit."""
    assert "juice" in [word for word, _ in load_language_model("english").next_words(prime, 3)]


def test_every_bundled_text_has_a_configuration_and_its_facts() -> None:
    for name in TEXTS:
        assert TextConfig.load(configs.find(Path(name))).precision == "int8"
        assert FACTS[name]["licence"]


def test_a_bundled_model_from_small_data(tmp_path: Path) -> None:
    """The whole path on data in the documented format: texts, training, one file with data and licence in it."""

    def write(name: str, text: str) -> None:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(gzip.compress(text.encode()))

    for part in ("train", "valid"):
        rows = "".join(f"A {part} cat sat {k}.\tx\n" for k in range(40))
        write(f"mt-tatoeba-fra-eng/{part}.tsv.gz", "en\tfr\n" + rows)
        write(f"mt-tatoeba-cmn-eng/{part}.tsv.gz", "en\tzh\n" + 'He said "no.\t"不。\n')
        write(f"lm-warpeace/{part}.txt.gz", "It was\nlong.\n\nVery long.\n")
    assert 'He said "no.' not in TEXTS["english"](tmp_path, "train")  # held out by the other pair
    assert TEXTS["english"](tmp_path, "train")[-2:] == ["It was long.", "Very long."]
    small = {"vocab": 300, "hidden": 16, "embed": 8, "steps": 4, "batch": 4, "window": 8, "valid_every": 2}
    run = make("english", tmp_path, tmp_path / "run", **small)
    model = load_language_model(run.folder)
    assert model.about["licence"] == FACTS["english"]["licence"]
    assert model.about["precision"] == "int8"
    assert model.model.head.bias.dtype == torch.float32
    with pytest.raises(DataError, match="is missing"):
        make("chinese", tmp_path, tmp_path / "other", **small)
    with pytest.raises(DataError, match="did you mean 'english'"):
        make("englisch", tmp_path, tmp_path / "other")
