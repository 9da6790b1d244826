"""Translation: subwords, alignment, data, training, the control, measures. The use of a model: test_translation_use."""

from __future__ import annotations

import gzip
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from rondo.data.batch import IGNORED, Batch
from rondo.data.registry import DataSetError
from rondo.data.text import DataError
from rondo.files import FileError, load_tensors
from rondo.models.store import load_model, save_model
from rondo.search.greedy import greedy
from rondo.tasks.translation import evaluate as e
from rondo.tasks.translation import lookup as lookup_module
from rondo.tasks.translation.config import TranslationConfig
from rondo.tasks.translation.control import Transformer
from rondo.tasks.translation.data import (
    Corpus,
    Pair,
    batch_of,
    batches,
    held_apart,
    plain,
    read_pairs,
    replaced,
    slotted_pair,
)
from rondo.tasks.translation.lookup import LONGEST, Alignment, Lookup, joined, spans, words
from rondo.tasks.translation.pieces import FORMS, MARKS, SLOTS, Pieces, headed, tidy
from rondo.tasks.translation.train import Splits, build, job, resume, train
from rondo.train import configs
from rondo.train.config import ConfigError
from rondo.train.fit import Progress
from rondo.train.run import Run

NOUNS = {"chat": "cat", "chien": "dog", "livre": "book", "train": "train", "jardin": "garden", "pont": "bridge"}
VERBS = {"voit": "sees", "cherche": "seeks", "aime": "likes", "dessine": "draws"}
NAMES = ("Tom", "Marie", "Oscar", "Zoé")
SMALL = {
    "pieces": 340,
    "hidden": 16,
    "embed": 16,
    "tokens": 200,
    "steps": 4,
    "valid_every": 2,
    "warmup": 1,
    "minutes": 0.0,
}
QUIET = Console(quiet=True)


def made(count: int, seed: int = 0) -> list[Pair]:
    """Sentences of a small language and their translations."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        who, noun, other = (str(random.choice(list(values))) for values in (NAMES, NOUNS, NOUNS))
        verb = str(random.choice(list(VERBS)))
        found.append(
            Pair(
                f"{who} {verb} le {noun} et l'autre {other}.",
                f"{who} {VERBS[verb]} the {NOUNS[noun]} and the other {NOUNS[other]}.",
            )
        )
    return list(dict.fromkeys(found))


@pytest.fixture(scope="module")
def pieces() -> Pieces:
    return Pieces.build((t for p in made(60) for t in (p.source, p.target)), 340)


@pytest.fixture(scope="module")
def corpus(pieces: Pieces) -> Corpus:
    found = Corpus(made(60), pieces, 64)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lookup_module, "COMMON", 4)  # the language has few words
        found.align()
    return found


def write(path: Path, rows: list[str], header: str = "en\tfr") -> Path:
    data = "\n".join([header, *rows, ""]).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


# subwords


@given(st.text(max_size=40))
@settings(max_examples=60, deadline=None)
def test_any_sentence_comes_back_from_its_pieces(pieces: Pieces, text: str) -> None:
    text = tidy(text)
    assert pieces.decode(pieces.encode(text)) == text


@given(st.text(alphabet="abcdehilnort éÉç'-!?é中文🙂", max_size=40))
@settings(max_examples=60, deadline=None)
def test_the_canonical_cut_is_that_of_the_tokenizer(pieces: Pieces, text: str) -> None:
    """Our own byte pairs, which can leave merges out, agree with the package where none is left out."""
    text = tidy(text)
    assert pieces.encode(text) == pieces.subwords.encode(headed(text)).tolist()


@given(st.text(alphabet="abcdehilnort ", min_size=1, max_size=20), st.floats(0, 1), st.integers(0, 5))
@settings(max_examples=60, deadline=None)
def test_a_word_cut_with_dropout_is_the_same_word(pieces: Pieces, text: str, drop: float, seed: int) -> None:
    for word in pieces.words(tidy(text)):
        forms = pieces.forms(word, drop, seed)
        assert len(forms) == FORMS
        assert forms == pieces.forms(word, drop, seed)
        assert {pieces.subwords.decode(form) for form in forms} == {pieces.subwords.decode(pieces.cut(word))}


def test_dropout_on_merges_leaves_out_none_or_all(pieces: Pieces) -> None:
    word = pieces.words("chien")[0]
    assert set(pieces.forms(word, 0.0, 1)) == {pieces.cut(word)}
    assert set(map(len, pieces.forms(word, 1.0, 1))) == {len(word)}
    assert len(pieces.cut(word)) < len(word)


def test_slots_are_symbols_of_their_own(pieces: Pieces) -> None:
    numbers = pieces.encode(f"{MARKS[0]} aime l'{MARKS[7]}.")
    assert [n for n in numbers if n >= pieces.begin] == [pieces.slots[0], pieces.slots[7]]
    assert pieces.decode([*numbers, pieces.end, 3, 4], ["Zoé"] + [""] * 6 + ["Olga"]) == "Zoé aime l'Olga."
    assert pieces.decode(numbers, ["Zoé"]) == f"Zoé aime l'{MARKS[7]}."
    assert len(pieces) == pieces.slots[-1] + 1 == pieces.begin + 2 + SLOTS


def test_pieces_survive_as_json_and_others_are_refused(pieces: Pieces) -> None:
    again = Pieces.of_json(pieces.to_json())
    assert again.encode("Tom aime le pont.") == pieces.encode("Tom aime le pont.")
    with pytest.raises(ValueError, match="subwords"):
        Pieces.of_json({"level": "character", "symbols": ["\ufffd", "a"]})


def test_tidy_composes_straightens_and_clears() -> None:
    assert tidy(f"  l\u2019e\u0301te\u0301\u00a0{MARKS[2]}!\n") == "l'été !"


def test_a_chinese_sentence_has_no_blank_before_it() -> None:
    assert headed("我爱你。") == "我爱你。"
    assert headed("Je") == " Je"
    assert headed("") == ""


# word by word


def test_words_are_found_with_their_places() -> None:
    text = "Qu'est-ce que l'été, Tom's 我爱 3 ?"
    assert [text[a:b] for a, b in spans(text)] == [
        *("Qu'", "est", "-", "ce", "que", "l'", "été", ",", "Tom", "'s", "我", "爱", "3", "?")
    ]
    assert words("N'IMPORTE") == ["n'", "importe"]


def test_chinese_characters_stand_together_where_the_word_is_known() -> None:
    known = {"北京", "天安门", "天安", "ab", "门很大啊"}
    assert words("我爱北京天安门，ab！", known) == ["我", "爱", "北京", "天安门", "，", "ab", "！"]
    assert words("北 京天安", known) == ["北", "京", "天安"]
    assert Lookup({"北京": "Beijing", "我": "I", "爱": "love"})("我爱北京门") == "I love Beijing 门"


def test_chinese_words_are_taken_from_the_pieces() -> None:
    pieces = Pieces.build(["我们去北京。", "我们爱北京，他们也爱。"] * 30, 330)
    assert {"我们", "北京"} <= pieces.chinese()
    assert all(len(w) > 1 for w in pieces.chinese())


def test_model_1_finds_the_words_of_a_small_language(corpus: Corpus) -> None:
    found = {**NOUNS, **VERBS, **{name.lower(): name.lower() for name in NAMES}}
    assert {word: corpus.lookup.table[word] for word in found} == found


def test_links_join_translations_alone() -> None:
    pairs = made(60)
    sources, targets = [words(p.source) for p in pairs], [words(p.target) for p in pairs]
    links = Alignment(sources, targets).links
    right = {**NOUNS, **VERBS}
    linked = [(sources[k][i], targets[k][j]) for k, i, j in zip(links.pair, links.source, links.target, strict=True)]
    content = [(s, t) for s, t in linked if s in right]
    assert len(content) > 100
    assert all(right[s] == t for s, t in content)


def test_sentences_too_long_to_align_are_left_out() -> None:
    long = ["a"] * (LONGEST + 1)
    assert not (Alignment([long, ["b"]], [long, ["c"]]).links.pair == 0).any()
    with pytest.raises(ValueError, match="no pair"):
        Alignment([long], [long])


def test_lookup_copies_what_it_does_not_know_and_keeps_the_capital() -> None:
    lookup = Lookup({"le": "the", "chat": "cat", "dort": "sleeps", ".": "."})
    assert lookup("Le chat Xylo dort.") == "The cat Xylo sleeps."
    assert lookup.knows("Chat")
    assert not lookup.knows("Xylo")
    assert Lookup.of_json(lookup.to_json()) == lookup
    with pytest.raises(ValueError, match="word"):
        Lookup.of_json({"le": 1})


@pytest.mark.parametrize(
    ("parts", "text"),
    [
        (["i", "do", "n", "'t", "know", "."], "i do n't know."),
        (["do", "you", "(", "perhaps", ")", "sing", "?"], "do you (perhaps) sing?"),
        (["l'", "été", "-", "ci"], "l'été-ci"),
        (["我", "爱", "你", "。"], "我爱你。"),
        ([], ""),
    ],
)
def test_joined(parts: list[str], text: str) -> None:
    assert joined(parts) == text


# data


def test_a_table_is_read_by_the_names_of_its_columns(tmp_path: Path) -> None:
    path = write(tmp_path / "t.tsv.gz", ["Go.\tVa\u00a0!\t1", "", "It\u2019s me.\tC'est moi.\t2"], "en\tfr\tmore")
    assert read_pairs(path, "fr", "en") == [Pair("Va !", "Go."), Pair("C'est moi.", "It's me.")]


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["a\tb"], "en\tde", "first line names the columns.*fr and en among them"),
        (["a\tb", "c"], "en\tfr", "line 3.*2 columns.*found 1"),
        (["a\tb\tc"], "en\tfr", "line 2.*2 columns.*found 3"),
        (["a\t  "], "en\tfr", "line 2.*empty"),
        ([], "en\tfr", "no pair"),
    ],
)
def test_a_table_that_is_none_is_refused(tmp_path: Path, rows: list[str], header: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_pairs(write(tmp_path / "t.tsv", rows, header), "fr", "en")


def test_files_that_cannot_be_read_are_refused(tmp_path: Path) -> None:
    (tmp_path / "latin.tsv").write_bytes("en\tfr\nhe\té\n".encode("latin-1"))
    with pytest.raises(DataSetError, match=r"latin.tsv:2: not UTF-8"):
        read_pairs(tmp_path / "latin.tsv", "fr", "en")
    (tmp_path / "cut.tsv.gz").write_bytes(gzip.compress(b"en\tfr\nGo.\tVa !\n")[:-9])
    with pytest.raises((DataError, DataSetError), match=r"cut\.tsv\.gz"):
        read_pairs(tmp_path / "cut.tsv.gz", "fr", "en")
    with pytest.raises(DataError, match="cannot be read"):
        read_pairs(tmp_path / "none.tsv", "fr", "en")


def test_pairs_are_held_apart_by_both_sides_and_stand_once() -> None:
    pairs = [Pair("a", "x"), Pair("b", "y"), Pair("a", "z"), Pair("c", "w"), Pair("c", "w")]
    assert held_apart(pairs, [Pair("a", "q"), Pair("d", "y")]) == [Pair("c", "w")]


def test_long_sentences_are_not_trained_on(pieces: Pieces) -> None:
    pairs = made(10)
    long = Pair("le " * 80, "the chat.")
    found = Corpus([pairs[0], long, Pair(long.target, long.source), pairs[1]], pieces, 64)
    assert found.pairs == pairs[:2]
    batch = found.batch(np.array([1]), (0.0, 0.0), 0.0, 0, np.random.default_rng(0))
    assert pieces.decode(batch.x[0].tolist()) == pairs[1].source
    assert pieces.decode(batch.labels[0].tolist()) == pairs[1].target


def test_batches_depend_on_seed_and_step_alone(corpus: Corpus) -> None:
    def taken(seed: int, step: int, count: int) -> list[Batch]:
        return [b for b, _ in zip(batches(corpus, 300, (0.3, 0.2), 0.5, seed, step), range(count), strict=False)]

    whole, rest, other = taken(1, 0, 20), taken(1, 13, 7), taken(2, 0, 20)
    for a, b in zip(whole[13:], rest, strict=True):
        assert torch.equal(a.x, b.x)
        assert torch.equal(a.labels, b.labels)
    assert not all(torch.equal(a.x, b.x) for a, b in zip(whole, other, strict=True))


def test_a_pass_has_every_pair_once_whatever_is_dropped(corpus: Corpus, pieces: Pieces) -> None:
    found, count = [], 0
    for batch in batches(corpus, 300, (0.5, 0.5), 0.0, 3):
        rows = zip(batch.x, batch.lengths, batch.labels, strict=True)  # type: ignore[arg-type]
        found += [Pair(pieces.decode(x[:n].tolist()), pieces.decode(y[y != IGNORED].tolist())) for x, n, y in rows]
        assert bool(((batch.labels == pieces.end).sum(1) == 1).all())
        count += len(batch.x)
        if count >= len(corpus):
            break
    assert sorted(found, key=str) == sorted(corpus.pairs, key=str)


def test_slots_stand_once_on_both_sides_for_words_that_belong_together(corpus: Corpus) -> None:
    random, right = np.random.default_rng(5), {**NOUNS, **VERBS, **{n: n for n in NAMES}, "autre": "other", "et": "and"}
    several = 0
    for _ in range(4):
        for pair, twins in zip(corpus.pairs, corpus.twins, strict=True):
            found = slotted_pair(pair, twins, random)
            marks = [c for c in found.source if c in MARKS]
            assert 1 <= len(marks) == len(set(marks))
            assert sorted(marks) == sorted(c for c in found.target if c in MARKS)
            several += len(marks) > 1
    assert several
    for pair, twins in zip(corpus.pairs, corpus.twins, strict=True):
        assert all(right[pair.source[a:b]] == pair.target[c:d] for (a, b), (c, d) in twins)


def test_a_share_of_the_pairs_has_slots(corpus: Corpus, pieces: Pieces) -> None:
    first = next(batches(corpus, 4000, (0.1, 0.1), 0.5, 1))
    has = torch.isin(first.x, torch.tensor(pieces.slots)).any(1)
    assert torch.equal(has, torch.isin(first.labels, torch.tensor(pieces.slots)).any(1))
    assert 0.2 < float(has.float().mean()) < 0.8


def test_replaced_spans() -> None:
    assert replaced("abcdef", [((4, 5), "X"), ((0, 2), "YZW")]) == "YZWcdXf"


def test_a_batch_is_filled_up() -> None:
    batch = batch_of([[5, 6], []], [[7], [8, 9]], 1)
    assert batch.x.tolist() == [[5, 6], [0, 0]]
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [2, 0]
    assert batch.labels.tolist() == [[7, 1, IGNORED], [8, 9, 1]]
    assert batch_of([[5]], None, 1).y is None


# the control


@pytest.fixture(scope="module")
def control(pieces: Pieces) -> Transformer:
    torch.manual_seed(0)
    sizes = {"embed": 8, "hidden": 16, "layers": 2, "heads": 2, "longest": 64}
    return Transformer("elman", len(pieces), begin=pieces.begin, end=pieces.end, dropout=0.1, **sizes).eval()


def test_the_control_step_by_step_is_the_control_taught(control: Transformer, corpus: Corpus) -> None:
    batch = next(plain(corpus, 200))
    predictor = control.predictor(batch)
    state = predictor.start(len(batch.x))
    symbols, total = control.prime(len(batch.x))[:, 0], torch.zeros(len(batch.x))
    for t in range(batch.labels.shape[1]):
        scores, state = predictor.step(symbols, state)
        counts = batch.labels[:, t] != IGNORED
        symbols = torch.where(counts, batch.labels[:, t], 0)
        total -= torch.where(counts, scores.gather(1, symbols.unsqueeze(1))[:, 0], 0.0)
    torch.testing.assert_close(total, control.nats(batch).sum(1), rtol=1e-4, atol=1e-4)  # sums of float32
    torch.testing.assert_close(float(total.sum()), float(control.loss(batch).nats), rtol=1e-4, atol=0.0)


def test_padding_changes_nothing_for_the_control(control: Transformer, corpus: Corpus) -> None:
    rows = [corpus.batch(np.array([k]), (0, 0), 0, 0, np.random.default_rng(0)) for k in range(3)]
    alone = [float(control.loss(row).nats) for row in rows]
    together = control.nats(corpus.batch(np.arange(3), (0, 0), 0, 0, np.random.default_rng(0))).sum(1)
    torch.testing.assert_close(together, torch.tensor(alone), rtol=1e-4, atol=1e-4)


def test_the_control_survives_in_a_file(control: Transformer, corpus: Corpus, tmp_path: Path) -> None:
    save_model(tmp_path / "m.safetensors", control, {})
    again, _ = load_model(tmp_path / "m.safetensors", Transformer)
    batch = next(plain(corpus, 200))
    assert torch.equal(again.nats(batch), control.nats(batch))
    found = [greedy(m.predictor(batch), m.prime(len(batch.x)), 5, end=m.end).symbols for m in (control, again)]
    assert torch.equal(*found)


def test_the_control_reads_no_more_than_it_has_places_for(control: Transformer) -> None:
    with pytest.raises(ValueError, match="at most 64"):
        control.predictor(batch_of([[1] * 65], None, 0))


# settings and training


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"window": 8}, "whole"),
        ({"source": "en"}, "two languages"),
        ({"kind": "transformer", "embed": 30}, "multiple of 4"),
        ({"kind": "recurent"}, "recurrent"),
        ({"attention": "loung"}, "luong"),
        ({"slots": 1.5}, "slots"),
        ({"pieces": 100}, "pieces"),
    ],
)
def test_settings_that_do_not_fit_are_refused(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        TranslationConfig.of(settings)


@pytest.mark.parametrize("name", ["fr-en", "small", "en-fr", "zh-en", "multi30k", "vector", "control"])
def test_shipped_settings_describe_models_that_fit_a_package(name: str) -> None:
    config = TranslationConfig.load(configs.find(Path(f"translation-{name}")))
    assert {"mt-tatoeba-fra-eng", "mt-tatoeba-cmn-eng"} - set(config.names)  # never one model on both
    pieces = Pieces.build((t for p in made(60) for t in (p.source, p.target)), 340)
    with torch.device("meta"):
        model = build(config, pieces)
    weights = sum(p.numel() for p in model.parameters()) + (config.pieces - 340) * (config.embed + 1)
    assert 2e6 < weights < 6e6


def small(**changes: object) -> TranslationConfig:
    return TranslationConfig.of({**SMALL, **changes})


@pytest.mark.parametrize(
    "changes", [{}, {"attention": "none", "cell": "gru"}, {"attention": "bahdanau"}, {"kind": "transformer"}]
)
def test_every_kind_learns(changes: dict[str, object]) -> None:
    config = small(**changes)
    splits = Splits.of(made(40), made(20, 9)[-6:], config)
    torch.manual_seed(0)
    task = job(config, splits)
    model = task.build()
    batch = next(task.batches(0))
    optimiser = torch.optim.Adam(model.parameters(), 0.02)
    losses = []
    for _ in range(12):
        loss = model.loss(batch)
        optimiser.zero_grad()
        (loss.total / loss.count).backward()
        optimiser.step()
        losses.append(float(loss.nats) / loss.count)
    assert losses[-1] < losses[0] - 1


def test_data_that_leave_nothing_are_refused() -> None:
    pairs = made(5)
    with pytest.raises(ConfigError, match="held out"):
        Splits.of(pairs, pairs, small())
    with pytest.raises(ConfigError, match="longest"):
        Splits.of(pairs, [Pair("q", "q")], small(longest=3))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a data set of the small language under the name of a real one."""
    own = tmp_path_factory.mktemp("data") / "mt-multi30k"
    own.mkdir()
    for part, pairs in (("train", made(40)), ("valid", made(30, 9)[-12:])):
        write(own / f"{part}.tsv.gz", [f"{p.target}\t{p.source}\t-" for p in pairs], "en\tfr\tde")
    return own.parent


@pytest.fixture(scope="module")
def run(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "t"
    train(folder, small(sets="mt-multi30k"), out, QUIET)
    return out


def test_a_training_writes_a_model_file_that_knows_its_origin(run: Path) -> None:
    translator = e.load(run)
    assert translator.direction == "fr-en"
    assert translator.lookup.table["chien"] == "dog"
    _, about = load_model(run / "model.safetensors")
    assert about["title"] == "French to English"
    assert "mt-multi30k" in about["data"][0]
    assert about["licence"]
    assert about["precision"] == "int8"
    assert about["metrics"]["valid_pairs"] == 12
    assert 0 < about["metrics"]["train_pairs"] <= 40
    assert about["metrics"]["nats per piece"] > 0


def test_a_stopped_training_goes_on_to_the_same_weights(
    folder: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small(sets="mt-multi30k")
    monkeypatch.setattr(Run, "save_checkpoint", _first_alone(Run.save_checkpoint))
    train(folder, config, tmp_path / "t", QUIET)  # the checkpoint is that of step 2
    monkeypatch.undo()
    resume(tmp_path / "t", QUIET)
    whole, again = (load_tensors(own / "checkpoint.safetensors", "checkpoint") for own in (run, tmp_path / "t"))
    assert whole[1]["step"] == again[1]["step"] == 4
    assert all(torch.equal(t, again[0][name]) for name, t in whole[0].items())


def _first_alone(save: Callable[..., None]) -> Callable[..., None]:
    """Writes a checkpoint after step 2 and none after, as a training that is killed."""

    def saved(run: Run[TranslationConfig], model: Any, progress: Progress) -> None:
        if progress.step == 2:
            save(run, model, progress)

    return saved


# measures


def test_a_table_groups_its_rows_by_source() -> None:
    table = e.Table.of([Pair("a", "x"), Pair("b", "y"), Pair("a", "z")])
    assert table.sources == ["a", "b"]
    assert table.rows == [0, 1, 0]
    assert table.references() == [["x", "z"], ["y"]]
    assert e._streams(table.references()) == [["x", "y"], ["z", None]]


def test_without_sacrebleu_the_error_says_what_to_install(
    run: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sacrebleu", None)
    monkeypatch.setitem(sys.modules, "sacrebleu.metrics", None)
    with pytest.raises(e.MeasureError, match=r"rondo\[eval\]"):
        e.evaluate(run, folder / "mt-multi30k" / "valid.tsv.gz")


def test_other_models_are_refused(tmp_path: Path, control: Transformer) -> None:
    save_model(tmp_path / "m.safetensors", control, {"task": "translation"})
    with pytest.raises(FileError, match="no model of translation"):
        e.load(tmp_path / "m.safetensors")


def test_a_perfect_translation_has_a_bleu_of_100() -> None:
    pytest.importorskip("sacrebleu", reason="BLEU is measured by sacrebleu, of the extra eval")
    pairs = [Pair(f"s{k // 2}", p.target) for k, p in enumerate(made(20))]
    table = e.Table.of(pairs)
    found = e.scores(table, [own[0] for own in table.references()], "en")
    assert found["bleu_all"] == pytest.approx(100)
    assert found["bleu_single"] < 100
    assert "nrefs:var" in found["bleu_all_signature"]
    assert "case:mixed" in found["bleu_signature"]
    assert found["chrf_all"] == pytest.approx(100)


def test_a_model_is_measured_beside_the_floor(run: Path, folder: Path) -> None:
    pytest.importorskip("sacrebleu", reason="BLEU is measured by sacrebleu, of the extra eval")
    found = e.evaluate(run, folder / "mt-multi30k" / "valid.tsv.gz", beam=2)
    assert {"lookup", "greedy", "beam_2", "by_length", "nats_per_piece", "sentences_per_second_greedy"} <= found.keys()
    assert found["lookup"]["bleu_single"] > 30 > found["greedy"]["bleu_single"]  # four steps teach little
    assert sum(bucket["pairs"] for bucket in found["by_length"]) == found["pairs"] == 12
