"""Named entities: labels, scores, places in any text, chains, the finder, its files, training, the lecture's case."""

from __future__ import annotations

import dataclasses
import gzip
import itertools
import json
import math
import os
import re
import string
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console
from typer.testing import CliRunner

from rondo import bundled
from rondo.cli import entities as command
from rondo.cli.app import app
from rondo.data.packed import packed, unpacked
from rondo.data.text import DataError
from rondo.files import FileError
from rondo.models.crf import CRF, CRFError, legal_transitions
from rondo.tasks.entities import files as f
from rondo.tasks.entities.chain import Chain
from rondo.tasks.entities.config import EntitiesConfig
from rondo.tasks.entities.data import Corpus, Sentence, batches, read_sentences
from rondo.tasks.entities.directions import BOTH, FORWARD, NONE, SENTENCES, Reader, compare
from rondo.tasks.entities.evaluate import evaluate
from rondo.tasks.entities.features import Features, folded, shape
from rondo.tasks.entities.finder import Finder, model_for
from rondo.tasks.entities.labels import Span, bio, bioes, label_names, label_numbers, spans
from rondo.tasks.entities.lexicon import Lexicon
from rondo.tasks.entities.made import made_sentences
from rondo.tasks.entities.metric import scores
from rondo.tasks.entities.request import EntitiesError, Entry, entities_request
from rondo.tasks.entities.text import LONGEST, language_of, sentences, stream, tokens_of
from rondo.tasks.entities.train import build, resume, take_over, train
from rondo.tasks.entities.types import COMMON, NAMES, fitting, type_name
from rondo.train.config import ConfigError

QUIET = Console(file=open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115  # for the whole module
ENGLISH = "Yesterday, Harry Potter met Hermione Granger."
HARD = st.text(
    st.one_of(
        st.sampled_from("北京马云a Z9.,'\"@#-。！\n\r\t\u200d\u0301😀👩\U0001f3fd\x00\u200b\ufeff\u3000é“”"),
        st.characters(codec="utf-8"),
    ),
    max_size=60,
)


@st.composite
def entities_of(draw: st.DrawFn) -> tuple[list[Span], int]:
    """Entities that do not overlap, and how many tokens there are."""
    size = draw(st.integers(0, 12))
    found, at = [], 0
    while at < size:
        at += draw(st.integers(0, 3))
        end = at + draw(st.integers(1, 4))
        if end <= size:
            found.append((at, end, draw(st.sampled_from(["a", "b-c", "PER.NAM"]))))
        at = end
    return found, size


@given(entities_of())
def test_labels_keep_every_entity(case: tuple[list[Span], int]) -> None:
    own, size = case
    assert spans(bio(own, size)) == own
    assert spans(bioes(own, size)) == own
    names = label_names(["a", "b-c", "PER.NAM"])
    legal = legal_transitions(names)
    numbers = label_numbers(own, size, ["a", "b-c", "PER.NAM"])
    assert [names[n] for n in numbers] == bioes(own, size)
    assert all(legal[i][j] for i, j in itertools.pairwise([-1, *numbers, -1]))


@given(st.lists(st.sampled_from(["O", "B-x", "I-x", "E-x", "S-x", "I-y", "M-x", "L-y", "U-y"]), max_size=10))
def test_any_tags_give_entities_in_order(tags: list[str]) -> None:
    found = spans(tags)
    assert all(a < b for a, b, _ in found)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise(found))
    assert {t for a, b, _ in found for t in range(a, b)} == {t for t, tag in enumerate(tags) if tag != "O"}
    assert spans(bio(found, len(tags))) == found


CASES = [  # given, found, right, then precision, recall, F1, computed by hand
    (["B-x", "I-x", "O", "B-y"], ["B-x", "I-x", "O", "B-y"], 1.0, 1.0, 1.0),
    (["B-x", "I-x", "O", "B-y"], ["B-x", "O", "O", "B-y"], 0.5, 0.5, 0.5),  # an end that is wrong
    (["B-x", "I-x", "O", "B-y"], ["B-x", "I-x", "O", "B-x"], 0.5, 0.5, 0.5),  # a type that is wrong
    (["B-x", "I-x", "O", "B-y"], ["O", "O", "O", "B-y"], 1.0, 0.5, 2 / 3),
    (["B-x", "O", "O", "O"], ["B-x", "B-y", "O", "B-y"], 1 / 3, 1.0, 0.5),
    (["B-x", "B-x", "O", "O"], ["B-x", "I-x", "O", "O"], 0.0, 0.0, 0.0),  # two names are not one
    (["O", "O"], ["O", "O"], 0.0, 0.0, 0.0),
]


@pytest.mark.parametrize(("true", "guess", "precision", "recall", "f1"), CASES)
def test_scores_by_hand(true: list[str], guess: list[str], precision: float, recall: float, f1: float) -> None:
    found = scores([spans(true)], [spans(guess)]).all
    assert (found.precision, found.recall, found.f1) == pytest.approx((precision, recall, f1))


def test_scores_by_type() -> None:
    found = scores([[(0, 1, "x"), (2, 3, "y")], [(0, 2, "x")]], [[(0, 1, "x"), (2, 3, "x")], [(0, 2, "x")]])
    assert found.types["x"].f1 == pytest.approx(0.8)  # 2 right of 3 found and 2 given
    assert found.types["y"].f1 == 0
    assert found.macro == pytest.approx(0.4)
    assert found.all.f1 == pytest.approx(2 * 2 / 6)


@given(st.lists(st.tuples(entities_of(), st.randoms(use_true_random=False)), min_size=1, max_size=4))
@settings(max_examples=40, deadline=None)
def test_scores_are_those_of_seqeval(cases: list[Any]) -> None:
    seqeval = pytest.importorskip("seqeval.metrics", reason="seqeval is not installed: it is a package of source alone")
    from seqeval.scheme import IOB2

    true = [bio(own, size) for (own, size), _ in cases]
    guess = [bio([s for s in own if random.random() < 0.7], size) for (own, size), random in cases]
    for (own, size), random in cases:  # and some of another type, or an end too soon
        moved = [(a, b - (b - a > 1 and random.random() < 0.3), k if random.random() < 0.7 else "a") for a, b, k in own]
        true.append(bio(own, size))
        guess.append(bio(moved, size))
    found = scores([spans(t) for t in true], [spans(g) for g in guess])
    options = {"mode": "strict", "scheme": IOB2, "zero_division": 0}
    if found.all.given or found.all.found:
        report = seqeval.classification_report(true, guess, output_dict=True, **options)
        assert found.all.f1 == pytest.approx(report["micro avg"]["f1-score"])
        assert found.macro == pytest.approx(report["macro avg"]["f1-score"])
        assert {k: s.f1 for k, s in found.types.items()} == pytest.approx(
            {k: v["f1-score"] for k, v in report.items() if not k.endswith(" avg")}
        )


# Text


@given(HARD, st.sampled_from(["zh", "en"]))
def test_tokens_are_in_order_and_hold_all_that_is_seen(text: str, language: str) -> None:
    places = tokens_of(text, language)
    assert all(a < b for a, b in places)
    assert all(one[1] <= two[0] for one, two in itertools.pairwise([(0, 0), *places, (len(text), len(text))]))
    seen = {t for a, b in places for t in range(a, b)}
    assert all(t in seen for t, c in enumerate(text) if c.isalnum())
    assert not any(t in seen for t, c in enumerate(text) if c.isspace())


@given(HARD, st.lists(st.integers(0, 200), max_size=6))
def test_a_stream_is_cut_as_the_whole_is(text: str, cuts: list[int]) -> None:
    text = text * 4
    ends = [0, *sorted(c % (len(text) + 1) for c in cuts), len(text)]
    whole = list(stream([text]))
    assert "".join(part for _, part in whole) == text
    assert [start for start, _ in whole] == list(itertools.accumulate([len(p) for _, p in whole], initial=0))[:-1]
    assert list(stream(text[a:b] for a, b in itertools.pairwise(ends))) == whole
    assert [text[a:b] for a, b in sentences(text)] == [part for _, part in whole]


def test_long_text_is_cut_at_pauses_and_never_within_a_character() -> None:
    assert all(len(part) <= LONGEST for _, part in stream(["字" * 5000]))
    assert {part[-1] for _, part in list(stream(["一二三，" * 1000]))} == {"，"}
    family = "👩\u200d👩\u200d👧"
    assert all(part.startswith("👩\u200d👩") for _, part in stream([family * 500]))


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("I don't. Can't! Harry's", "I do n't . Ca n't ! Harry 's"),
        ("Mr. O'Neill of the U.S. paid 3,000.50 at 10:30.", "Mr. O'Neill of the U.S. paid 3,000.50 at 10:30 ."),
        ("see http://t.co/a-b?x=1. or a.b@c.org", "see http://t.co/a-b?x=1 . or a.b@c.org"),
        ("@ann: #TagOne (AT&T) Europe-wide...", "@ ann : #TagOne ( AT&T ) Europe-wide ..."),
        ("cafe\u0301 no\u200bspace 北京x", "cafe\u0301 no space 北 京 x"),
    ],
)
def test_english_tokens(text: str, tokens: str) -> None:
    assert [text[a:b] for a, b in tokens_of(text, "en")] == tokens.split()


def test_sentences_end_where_they_should() -> None:
    text = 'Dr. Smith met J. K. Rowling. "Why?" she asked. It cost 3.50 in Jan. 2020. 他说：“你好！”走了。好\r\n新 line'
    assert [text[a:b].strip() for a, b in sentences(text)] == [
        "Dr. Smith met J. K. Rowling.",
        '"Why?"',
        "she asked.",
        "It cost 3.50 in Jan. 2020.",
        "他说：“你好！”",
        "走了。",
        "好",
        "新 line",
    ]


def test_languages_are_told() -> None:
    assert [language_of(t) for t in ("马云在杭州", "去Facebook公司", "Harry met 李", "123 !", "")] == [
        "zh",
        "zh",
        "en",
        "en",
        "en",
    ]
    assert model_for("马云") == "entities-zh"
    assert model_for("马云", "en") == "entities-en"


# Features and data


def test_features_of_characters_and_words() -> None:
    assert [folded(c) for c in ("Ａ", "馬", "Q", "字", "")] == ["a", "马", "q", "字", ""]
    assert [shape(w) for w in ("Harry", "iPhone7", "USA", "3,000", "a" * 90)] == ["Xxx", "xXxx0", "XX", "0,00", "xx"]
    zh = Features.build(["character", "pair", "before", "kind"], ["马云马云"], 100, 1)
    assert zh.encode(list("馬云")).tolist() == zh.encode(list("马云")).tolist()
    assert zh.encode(list("龙")).tolist()[0][0] == 0
    assert zh.encode([]).shape == (0, 4)
    assert Features.from_json(json.loads(json.dumps(zh.to_json())), list(zh.symbols)).symbols == zh.symbols
    en = Features.build(["word", "shape", "prefix", "suffix"], [["Harry", "harry", "HARRY", "x1", "x2"]], 100, 2)
    assert [en.symbols[c][0] for c in ("word", "suffix")] == ["harry", "rry"]
    assert "x0" in en.symbols["word"]


@given(st.lists(st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1), max_size=5))
def test_packed_lists_come_back(texts: list[str]) -> None:
    assert unpacked(packed(texts)) == texts


@pytest.mark.parametrize("bad", ["", "AAAA", "not base64!", 7, packed(["a" * (1 << 24)])])
def test_a_damaged_list_is_refused(bad: Any) -> None:
    with pytest.raises(ValueError, match=r"packed|base64|padding|decode"):
        unpacked(bad)


def write(path: Path, text: str) -> Path:
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def test_both_formats_are_read_alike(tmp_path: Path) -> None:
    one = write(tmp_path / "a.jsonl.gz", '{"tokens": ["马", "云", "笑"], "tags": ["B-N", "I-N", "O"]}\n')
    two = write(tmp_path / "a.conll", "-DOCSTART- O\n\n# text = 马云笑\n马 B-N\n云 I-N\r\n笑\tx\tO\n\n\n")
    assert read_sentences(one) == read_sentences(two) == [Sentence(tuple("马云笑"), ((0, 2, "N"),))]


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.conll", "马 B-N\n云\n", r"a\.conll:2: .*a token and a tag"),
        ("a.conll", "马 B-N\n\n云 X-N\n", r"a\.conll:3: 'X-N' .*no tag"),
        ("a.jsonl", '{"tokens": ["马"], "tags": ["O"]}\n{"tokens": ["马"], "tags": []}\n', r"a\.jsonl:2: .*1 tokens"),
        ("a.jsonl", '{"tokens": ["马"], "tags": ["B"]}\n', r"a\.jsonl:1: 'B' .*no tag"),
        ("a.jsonl", '{"tokens": "马"}\n', r"a\.jsonl:1: tokens should be"),
        ("a.jsonl", "{", r"a\.jsonl:1: not JSON"),
        ("a.conll", "\n\n", "holds no tagged sentence"),
    ],
)
def test_malformed_files_name_the_line(tmp_path: Path, name: str, text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read_sentences(write(tmp_path / name, text))


TINY = [
    Sentence(tuple("马云去北京。"), ((0, 2, "name"), (3, 5, "place"))),
    Sentence(tuple("李娜在上海"), ((0, 2, "name"), (3, 5, "place"))),
    Sentence(tuple("今天很好"), ()),
]


def test_batches_depend_on_seed_and_step_alone() -> None:
    corpus = Corpus(TINY, Features.build(["character"], [s.tokens for s in TINY], 100, 1), ["name", "place"])
    own = [b for b, _ in zip(batches(corpus, 6, 0.2, 0.7, seed=3), range(12), strict=False)]
    later = next(batches(corpus, 6, 0.2, 0.7, seed=3, step=7))
    assert torch.equal(own[7].x, later.x)
    assert torch.equal(own[7].labels, later.labels)
    lengths = {tuple(b.labels.shape) for b in own}
    assert lengths  # swapped entities stay whole: every row is a legal labelling
    names, legal = label_names(corpus.types), legal_transitions(label_names(corpus.types))
    for b in own:
        for row in b.labels.tolist():
            kept = [n for n in row if n >= 0]
            assert all(legal[i][j] for i, j in itertools.pairwise([-1, *kept, -1])), [names[n] for n in kept]
    assert sum(int((b.x == 0).sum()) for b in own) > 0


def test_the_longest_entry_is_taken() -> None:
    lexicon = Lexicon({("a", "b"): "x", ("b", "c", "d"): "y", ("d",): "z", ("e",): "z"})
    assert lexicon.find(list("abcde")) == [(1, 4, "y"), (4, 5, "z")]
    assert lexicon.find(list("abad")) == [(0, 2, "x"), (3, 4, "z")]
    assert Lexicon.from_json(json.loads(json.dumps(lexicon.to_json()))).entries == lexicon.entries
    assert Lexicon.of([*TINY, Sentence(("马", "云"), ((0, 2, "place"),))] * 2).entries[("马", "云")] == "name"


def test_types_answer_to_each_other() -> None:
    assert fitting("PER", ["person"]) == fitting("PER.NAM", ["person"]) == "person"
    assert fitting("PER", ["PER"]) == "PER"
    assert fitting("product", ["person"]) == ""
    assert set(COMMON) <= {*NAMES, "GPE"}
    assert type_name("scene") == ("景点", "sight")
    assert type_name("else") == ("else", "else")


# The chain


def chain_case(seed: int, big: float = 4.0) -> tuple[CRF, torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    names = label_names(["a", "b"])
    crf = CRF(len(names), legal_transitions(names))
    with torch.no_grad():
        for p in crf.parameters():
            p.normal_()
    return crf, torch.randn(4, 6, len(names)) * big, torch.tensor([6, 1, 4, 2])


@pytest.mark.parametrize("big", [1.0, 40.0])
def test_probabilities_of_entities_are_those_of_the_crf(big: float) -> None:
    crf, e, lengths = chain_case(1, big)
    chain = Chain(crf, e, lengths)
    # float32 sums of the CRF against float64 products
    assert chain.log_z.tolist() == pytest.approx(crf.log_partition(e, lengths).tolist(), rel=1e-5)
    for row, first, labels in [(0, 2, [1, 2, 2, 3]), (0, 5, [4]), (1, 0, [8]), (2, 0, [5, 7]), (2, 1, [1, 2, 3])]:
        only = torch.ones_like(e, dtype=torch.bool)
        only[row, range(first, first + len(labels))] = torch.eye(9)[labels].bool()
        p = (crf.log_partition(e, lengths, only) - crf.log_partition(e, lengths))[row].exp().item()
        assert chain.probability(row, first, labels) == pytest.approx(p, rel=1e-3, abs=1e-12)


def test_probabilities_of_a_token_add_up() -> None:
    crf, e, lengths = chain_case(2)
    chain, marginals = Chain(crf, e, lengths), crf.marginals(e, lengths)
    own = [[chain.probability(0, 3, [k]) for k in range(9)]]
    assert own[0] == pytest.approx(marginals[0, 3].tolist(), abs=1e-5)


def test_what_is_impossible_is_refused() -> None:
    crf, e, lengths = chain_case(3)
    allowed = torch.zeros_like(e, dtype=torch.bool)
    allowed[..., 2] = True  # only inside: nothing begins
    with pytest.raises(CRFError, match="row 0"):
        Chain(crf, e, lengths, allowed)


# The finder, with a model that has learned nothing: what is kept must be kept by any


def finder(language: str, seed: int = 1, types: Sequence[str] = ("name", "address", "company")) -> Finder:
    torch.manual_seed(seed)
    text = "马云在北京去了阿里巴巴公司" if language == "zh" else ENGLISH
    columns = "character:8 pair:8" if language == "zh" else "word:8 shape:4"
    config = EntitiesConfig.of({"language": language, "columns": columns, "hidden": 8})
    tokens = [text[a:b] for a, b in tokens_of(text, language)]
    features = Features.build(config.widths, [tokens], 100, 1)
    model = build(config, features, types).eval()
    with torch.no_grad():
        for p in model.parameters():
            p.normal_(0, 1.2)
    return Finder(model, features, types, language)


FINDERS = {language: finder(language) for language in ("zh", "en")}


@given(HARD.filter(lambda t: t.strip()), st.sampled_from(["zh", "en"]), st.integers(1, 3))
@settings(max_examples=60, deadline=None)
def test_places_are_exact_in_any_text(text: str, language: str, nbest: int) -> None:
    response = FINDERS[language](entities_request(text=text, nbest=nbest))
    assert response.text == text
    for entities in [response.entities, *(a.entities for s in response.sentences for a in s.alternatives)]:
        assert all(text[e.start : e.end] == e.text and e.text.strip() == e.text for e in entities)
        assert all(one.end <= two.start for one, two in itertools.pairwise(entities))
        assert all(0 <= e.p <= 1 for e in entities)
    for s in response.sentences:
        p = [a.p for a in s.alternatives]
        assert 0 < len(p) <= nbest
        assert p == sorted(p, reverse=True)
        assert sum(p) <= 1 + 1e-6
        assert s.start <= min([e.start for a in s.alternatives for e in a.entities], default=s.start)


@given(HARD, st.sampled_from(["zh", "en"]))
@settings(max_examples=30, deadline=None)
def test_a_stream_finds_what_a_request_does(text: str, language: str) -> None:
    text += "\n马云在北京。Harry met Hermione."
    own = FINDERS[language](entities_request(text=text))
    streamed = [e for _, _, found in FINDERS[language].stream(text) for e in found]
    assert [(e.start, e.end, e.type) for e in streamed] == [(e.start, e.end, e.type) for e in own.entities]


def test_corrections_stand_and_the_rest_is_found_around_them() -> None:
    text = "马云在北京去了阿里巴巴公司"
    fixed = [{"start": 1, "end": 4, "type": "company"}, {"start": 5, "end": 7, "type": ""}]
    response = FINDERS["zh"](entities_request(text=text, fixed=fixed, nbest=5))
    for a in response.sentences[0].alternatives:
        assert [(e.type, e.by, round(e.p, 6)) for e in a.entities if (e.start, e.end) == (1, 4)] == [
            ("company", "fixed", 1)
        ]
        assert not [e for e in a.entities if e.start < 7 and e.end > 5]
    assert response.sentences[0].alternatives[0].entities == response.entities
    again = FINDERS["zh"](
        entities_request(text=text, fixed=[e.model_dump(include={"start", "end", "type"}) for e in response.entities])
    )
    assert [(e.start, e.end, e.type) for e in again.entities if e.by == "fixed"] == [
        (e.start, e.end, e.type) for e in response.entities
    ]


def test_a_correction_may_cut_a_word_and_cross_sentences() -> None:
    text = "Harry Pott. er met"
    response = FINDERS["en"](entities_request(text=text, fixed=[{"start": 2, "end": 13, "type": "name"}]))
    assert "rry Pott. e" in [e.text for e in response.entities if e.by == "fixed"]
    assert len(response.sentences) == 1


def test_the_dictionary_is_honoured() -> None:
    entries = [
        {"text": "北京", "type": "地址"},
        {"text": "阿里巴巴公司", "type": "company"},
        {"text": "阿里", "type": "name"},
    ]
    text = "马云在北京去了阿里巴巴公司，阿里在北京。"
    response = FINDERS["zh"](entities_request(text=text, dictionary=[*entries, {"text": "马云", "type": ""}]))
    own = [(e.text, e.type) for e in response.entities if e.by == "dictionary"]
    assert own == [
        ("北京", "address"),
        ("阿里巴巴公司", "company"),
        ("阿里", "name"),
        ("北京", "address"),
    ]
    assert not [e for e in response.entities if e.start < 2]
    fixed = [{"start": 3, "end": 5, "type": "name"}]
    response = FINDERS["zh"](entities_request(text=text, dictionary=entries, fixed=fixed))
    assert [(e.text, e.type) for e in response.entities if e.by == "fixed"] == [("北京", "name")]


def test_an_entry_is_no_part_of_a_word() -> None:
    entry = [{"text": "IBM", "type": "company"}]
    response = FINDERS["zh"](entities_request(text="IBMer在IBM，看IBM7", dictionary=entry))
    assert [(e.start, e.end) for e in response.entities if e.by == "dictionary"] == [(6, 9)]
    response = FINDERS["en"](entities_request(text="Ann Annual", dictionary=[{"text": "Ann", "type": "name"}]))
    assert [(e.start, e.end) for e in response.entities if e.by == "dictionary"] == [(0, 3)]


def test_readings_are_those_of_every_labelling() -> None:
    """A short text has few readings: their probabilities add up to one."""
    response = finder("zh", types=["name"])(entities_request(text="马云", nbest=20))
    own = response.sentences[0].alternatives
    assert len(own) == 5  # none; 马; 云; both apart; both as one
    assert sum(a.p for a in own) == pytest.approx(1, abs=1e-5)
    every = [(e.start, e.end) for a in own for e in a.entities]
    for place in set(every):
        total = sum(a.p for a in own for e in a.entities if (e.start, e.end) == place)
        assert {round(e.p, 4) for a in own for e in a.entities if (e.start, e.end) == place} == {round(total, 4)}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": " \n"}, "give a text"),
        ({"text": "a" * 200_001}, "200,001"),
        ({"text": "a\ud800"}, "place 1 holds half of a surrogate"),
        ({"text": "a", "language": "fr"}, "zh or en"),
        ({"text": "abc", "fixed": [{"start": 1, "end": 4, "type": ""}]}, "does not lie within"),
        ({"text": "abc", "fixed": [{"start": 1, "end": 1, "type": ""}]}, "does not lie within"),
        ({"text": "abc", "fixed": [{"start": 0, "end": 2}, {"start": 1, "end": 3}]}, "overlaps"),
        ({"text": "abc", "nbest": 21}, "nbest"),
        ({"text": "abc", "txt": 1}, "txt"),
        ({"text": "abc", "dictionary": [{"text": ""}]}, "dictionary.0.text"),
    ],
)
def test_a_bad_request_is_explained(values: dict[str, Any], message: str) -> None:
    with pytest.raises(EntitiesError, match=message):
        entities_request(**values)


def test_a_bad_type_names_the_nearest() -> None:
    with pytest.raises(EntitiesError, match="company"):
        FINDERS["zh"](entities_request(text="a", dictionary=[{"text": "IBM", "type": "compny"}]))
    with pytest.raises(EntitiesError, match="no character"):
        FINDERS["zh"](entities_request(text="a", dictionary=[{"text": " ", "type": "name"}]))
    with pytest.raises(EntitiesError, match="entities-en"):
        FINDERS["zh"](entities_request(text="a", language="en"))
    assert "looks like en" in FINDERS["zh"](entities_request(text="Harry")).notes[0]


# Training


def sets(folder: Path, name: str, part: Sequence[Sentence]) -> None:
    (folder / name).mkdir(exist_ok=True)
    lines = [json.dumps({"tokens": s.tokens, "tags": bio(s.entities, len(s.tokens))}) + "\n" for s in part]
    for split in ("train", "valid"):
        write(folder / name / f"{split}.jsonl.gz", "".join(lines))


SMALL: dict[str, Any] = {
    "columns": "character:12 pair:8",
    "hidden": 12,
    "least": 1,
    "tokens": 40,
    "lr": 0.03,
    "warmup": 2,
    "steps": 60,
    "valid_every": 20,
    "unknown": 0.05,
    "input_dropout": 0.0,
    "output_dropout": 0.0,
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on three sentences."""
    folder = tmp_path_factory.mktemp("entities")
    sets(folder, "zh-ner-cluener", TINY * 3)
    train(folder, EntitiesConfig.of(SMALL), folder / "run", QUIET)
    return folder / "run"


def test_a_small_model_learns_its_sentences(trained: Path) -> None:
    found = evaluate(trained, trained.parent / "zh-ner-cluener" / "valid.jsonl.gz")
    assert found["f1"] == 1
    assert found["dictionary"]["f1"] == 1
    assert found["sentences"] == 9
    assert found["types"]["name"]["given"] == 6
    assert json.loads(json.dumps(found))["sentences_per_second"] > 0
    log = [json.loads(line) for line in (trained / "log.jsonl").read_text().splitlines()]
    assert [line["valid"] for line in log if "valid" in line][-1] == 0  # 1 - F1
    response = Finder.load(trained)(entities_request(text="李娜去北京。"))
    assert [(e.text, e.type) for e in response.entities] == [("李娜", "name"), ("北京", "place")]


def test_a_file_of_other_types_is_measured(trained: Path, tmp_path: Path) -> None:
    data = write(tmp_path / "x.conll", "马 B-name\n云 I-name\n笑 B-product\n")
    found = evaluate(trained, data)
    assert found["left_out"] == {"product": 1}
    assert found["entities"] == 1


def test_a_run_that_was_stopped_goes_on_to_the_same_end(trained: Path, tmp_path: Path) -> None:
    folder = trained.parent
    config = EntitiesConfig.of({**SMALL, "steps": 8, "valid_every": 4})
    whole = train(folder, config, tmp_path / "whole", QUIET)
    part = train(folder, config, tmp_path / "part", QUIET)
    lines = (part.folder / "log.jsonl").read_text()
    os.replace(part.previous, part.checkpoint)  # as it stood after step 4
    resume(part.folder, QUIET)
    assert (part.folder / "log.jsonl").read_text() != lines
    one, two = (Finder.load(r.folder).model.state_dict() for r in (whole, part))
    assert all(torch.equal(one[k], two[k]) for k in one)


def test_a_run_may_begin_with_a_tagger_of_other_types(trained: Path, tmp_path: Path) -> None:
    other = [Sentence(s.tokens, tuple((a, b, "who") for a, b, k in s.entities if k == "name")) for s in TINY]
    sets(tmp_path, "zh-ner-weibo", other)
    config = EntitiesConfig.of({**SMALL, "sets": "zh-ner-weibo", "begin": str(trained), "steps": 1, "lr": 0.0})
    run = train(tmp_path, config, tmp_path / "run", QUIET)
    one, two = Finder.load(trained), Finder.load(run.folder)
    assert two.types == ["who"]
    assert two.features.symbols == one.features.symbols
    own, given = two.model.body.state_dict(), one.model.body.state_dict()
    assert all(torch.allclose(own[k], given[k], atol=1e-2) for k in own)  # both are rounded to bytes
    with pytest.raises(ConfigError, match="other columns"):
        train(tmp_path, dataclasses.replace(config, columns="character:12"), tmp_path / "other", QUIET)


def test_a_model_that_does_not_fit_is_refused() -> None:
    features = Features.build(["character", "pair"], [tuple("马云去北京")], 100, 1)
    config = EntitiesConfig.of(SMALL)
    with pytest.raises(ConfigError, match="does not fit"):
        take_over(
            build(EntitiesConfig.of({**SMALL, "hidden": 9}), features, ["name"]), build(config, features, ["name"])
        )


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"columns": "charcter:8"}, "character"),
        ({"columns": "character"}, "NAME:WIDTH"),
        ({"columns": ""}, "at least one"),
        ({"language": "fr"}, "language"),
        ({"sets": " "}, "at least one"),
        ({"window": 3}, "window stays 0"),
        ({"swap": 1.5}, "swap"),
        ({"types": "commn"}, "common"),
    ],
)
def test_settings_that_cannot_be_are_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        EntitiesConfig.of(values)


def test_a_model_of_another_task_is_refused() -> None:
    with pytest.raises(FileError, match="no model of named entities"):
        Finder.load("couplet")


# Files and the command


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["entities", *arguments])


def test_files_in_and_out(trained: Path, tmp_path: Path) -> None:
    text = write(tmp_path / "a.txt", "马云去北京。\r\n李娜在上海\n\n今天很好")
    own = Finder.load(trained)
    assert f.find_in_file(own, text, tmp_path / "a.jsonl") == 4
    records = [json.loads(line) for line in (tmp_path / "a.jsonl").read_text(encoding="utf-8").splitlines()]
    whole = text.read_bytes().decode()
    assert [whole[e["start"] : e["end"]] for r in records for e in r["entities"]] == ["马云", "北京", "李娜", "上海"]
    assert all(whole[r["start"] : r["start"] + len(r["text"])] == r["text"] for r in records)
    f.find_in_file(own, text, tmp_path / "a.conll")
    assert [s.entities for s in read_sentences(tmp_path / "a.conll")] == [
        ((0, 2, "name"), (3, 5, "place")),
        ((0, 2, "name"), (3, 5, "place")),
        (),
    ]
    f.find_in_file(own, tmp_path / "a.conll", tmp_path / "b.conll.gz")
    assert read_sentences(tmp_path / "b.conll.gz") == read_sentences(tmp_path / "a.conll")
    f.find_in_file(own, tmp_path / "a.jsonl", tmp_path / "c.conll")
    assert read_sentences(tmp_path / "c.conll") == read_sentences(tmp_path / "a.conll")


def test_a_wrong_encoding_leaves_what_was_there(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("马云\n".encode() + "马云去北京".encode("gb18030"))
    write(tmp_path / "out.jsonl", "before")
    with pytest.raises(DataError, match=r"a\.txt:1: .*UTF-8.*iconv"):
        f.find_in_file(Finder.load(trained), tmp_path / "a.txt", tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.txt", "out.jsonl"]


def test_a_dictionary_is_read_and_its_faults_are_named(tmp_path: Path) -> None:
    path = write(tmp_path / "d.tsv", "马云\tname\n\n北京\t\n")
    assert f.read_dictionary(path) == [Entry(text="马云", type="name"), Entry(text="北京", type="")]
    with pytest.raises(DataError, match=r"d\.tsv:2: .*a name, a tab and a type"):
        f.read_dictionary(write(tmp_path / "d.tsv", "马云\tname\n北京 place\n"))


def test_the_command(trained: Path, tmp_path: Path) -> None:
    assert command
    found = run("马云去北京。", "--model", str(trained), "--json", "--nbest", "2")
    response = json.loads(found.stdout)
    assert [e["text"] for e in response["entities"]] == ["马云", "北京"]
    assert len(response["sentences"][0]["alternatives"]) == 2
    shown = run("马云去北京。", "--model", str(trained), "--nbest", "2").stdout
    assert re.search(r"马云\[name\]", shown)
    write(tmp_path / "d.tsv", "今天\tplace\n")
    words = run("今天很好", "--model", str(trained), "--dictionary", str(tmp_path / "d.tsv"), "--json")
    assert json.loads(words.stdout)["entities"][0]["by"] == "dictionary"
    write(tmp_path / "in.txt", "马云去北京。")
    out = run("--file", str(tmp_path / "in.txt"), "--model", str(trained))
    assert "2 entities written to" in out.stdout.replace("\n", " ")
    assert (tmp_path / "in.entities.jsonl").exists()
    assert run("a", "--file", "b").exit_code == 2
    assert run("a", "--out", "b").exit_code == 2
    assert isinstance(run("").exception, EntitiesError)


# The lecture's case for both directions


def test_made_sentences_teach_both_and_are_not_the_lectures() -> None:
    own = made_sentences(400, seed=1)
    assert [s.tokens for s in made_sentences(400, seed=1)] == [s.tokens for s in own]
    lecture = [[t[a:b] for a, b in tokens_of(t, "en")] for t in SENTENCES]
    assert not [s for s in own if list(s.tokens) in lecture]
    assert not [s for s in own if "bears" in s.tokens or "Roosevelt" in s.tokens]
    firsts = [
        {s.tokens[s.entities[0][0]] for s in own if s.entities},
        {w for s in own if not s.entities for w in s.tokens},
    ]
    assert len(firsts[0] & firsts[1]) > 20  # first names in the one, parts of things' names in the other
    assert all(s.tokens[a][0] in string.ascii_uppercase for s in own for a, _, _ in s.entities)


HERE = bundled.names()


@pytest.mark.skipif("entities-both" not in HERE, reason="the two taggers are not bundled")
@pytest.mark.parametrize("name", ["entities-forward", "entities-both"])
def test_a_tagger_without_a_chain_is_measured_too(name: str, tmp_path: Path) -> None:
    data = tmp_path / "x.conll"
    data.write_text("Teddy B-PER\nRoosevelt I-PER\nlives O\nin O\nLondon B-LOC\n. O\n")
    found = evaluate(name, data)
    assert found["entities"] == 2
    assert found["f1"] > 0
    assert found["dictionary"]["f1"] == 0  # it has none


@pytest.mark.skipif("entities-both" not in HERE, reason="the two taggers are not bundled")
def test_only_what_reads_both_ways_tells_the_two_apart() -> None:
    bears, president = compare(Reader.load(FORWARD), Reader.load(BOTH))
    at = [next(k for k, w in enumerate(c.words) if w.text == "Teddy") for c in (bears, president)]
    one, two = bears.words[at[0]], president.words[at[1]]
    assert bears.parameters["forward"] == bears.parameters["both"]
    assert [w.forward for w in bears.words[: at[0] + 1]] == [w.forward for w in president.words[: at[1] + 1]]
    assert one.both["person"] < 0.5 < two.both["person"]
    assert sum(one.both.values()) == pytest.approx(1, abs=1e-5)
    assert set(one.both) == {*bears.types} == {*bears.types[:-1], NONE}
    sizes = [bundled.find(f"entities-{name}").stat().st_size for name in ("forward", "both")]
    assert max(sizes) <= 150_000


@pytest.mark.skipif("entities-en" not in HERE, reason="the model entities-en is not bundled")
def test_the_lectures_names_are_found() -> None:
    found = json.loads(run(ENGLISH, "--json").stdout)["entities"]
    assert [(e["text"], e["type"]) for e in found] == [("Harry Potter", "person"), ("Hermione Granger", "person")]


@pytest.mark.skipif("entities-en" not in HERE, reason="the model entities-en is not bundled")
def test_what_the_readme_shows_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    write(tmp_path / "book.txt", "Paris is large.\nLondon too.\n" * 3)
    text = (Path(f.__file__).parent / "README.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", text, re.S):
        exec(compile(block, "README.md", "exec"), {})  # the project's own file
    assert "Harry Potter person" in capsys.readouterr().out


@pytest.mark.skipif("entities-zh" not in HERE, reason="the model entities-zh is not bundled")
def test_names_in_chinese_are_found() -> None:
    text = "昨天，周杰伦在北京见到了腾讯公司的总经理马化腾。"
    own = {(e.text, e.type) for e in Finder.load("entities-zh")(entities_request(text=text)).entities}
    assert {("周杰伦", "name"), ("马化腾", "name"), ("腾讯公司", "company"), ("总经理", "position")} <= own


def test_probabilities_are_numbers() -> None:
    response = FINDERS["zh"](entities_request(text="马云" * 200))
    assert all(math.isfinite(e.p) for e in response.entities)
    assert np.isfinite([a.p for s in response.sentences for a in s.alternatives]).all()
