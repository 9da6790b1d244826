"""The use of a translator: documents and their layout, a glossary that holds, copied words, alignment, choices, and the
command. A small untrained model stands in wherever what is tested holds whatever the weights are."""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo import bundled
from rondo.models.store import save_model
from rondo.search.beam import beam
from rondo.search.greedy import greedy
from rondo.tasks.translation import choices as choosing
from rondo.tasks.translation.align import Copy, shares, word_alignment, word_for_word
from rondo.tasks.translation.data import batch_of, read_pairs
from rondo.tasks.translation.document import parts, rewrap
from rondo.tasks.translation.glossary import Glossary, read_glossary
from rondo.tasks.translation.lookup import Lookup
from rondo.tasks.translation.pieces import SLOTS, tidy
from rondo.tasks.translation.request import (
    ENTRIES,
    LONGEST,
    GlossaryEntry,
    TranslationError,
    choices_request,
    translation_request,
)
from rondo.tasks.translation.slots import Demands, Slotted, any_slots, as_prefixes
from rondo.tasks.translation.source import source, tidied, translatable
from rondo.tasks.translation.translator import Translator
from rondo.tasks.translation.words import Span, words
from small_translator import KNOWN, PAIRS, model, pieces, trained, untrained

DOCUMENT = """# Bonjour le monde

M. Dupont dort, p. ex. le matin. Il a 3.5 chats ! Et toi ? « Oui. » dit-il.
  - un chat
\t* le chien.  Il mange... souvent. Il dort… Non ?!

    Ce paragraphe est écrit avec des lignes qui sont
    coupées au milieu. Le chien dort avec le chat de ma
    sœur.
> cité : oui
1. premier\u00a0!
2) second 😀

```
code. Ici. Non.
```
| a b | c. D |
— Bonjour, dit J. K. Rowling. Au revoir !\r
\r
12:30 ***
"""


def ask(**values: Any) -> Any:
    return untrained()(translation_request(**{"beam": 2, "nbest": 2, **values}))


# documents


def spans_of(text: str, language: str = "fr", most: int = 80) -> list[str]:
    return [text[p.start : p.end] for p in parts(text, language, lambda a, b: b - a <= most)]


def test_a_document_is_cut_into_sentences_and_nothing_else() -> None:
    assert spans_of(DOCUMENT, most=200) == [
        "Bonjour le monde",
        "M. Dupont dort, p. ex. le matin.",
        "Il a 3.5 chats !",
        "Et toi ?",
        "« Oui. » dit-il.",
        "un chat",
        "le chien.",
        "Il mange... souvent.",
        "Il dort…",
        "Non ?!",
        "Ce paragraphe est écrit avec des lignes qui sont\n    coupées au milieu.",
        "Le chien dort avec le chat de ma\n    sœur.",
        "cité : oui",
        "premier\u00a0!",
        "second",
        "a b",
        "c. D",
        "Bonjour, dit J. K. Rowling.",
        "Au revoir !",
    ]


@pytest.mark.parametrize(
    ("language", "text", "expected"),
    [
        ("en", "Mr. Smith left at 5 p.m. He was tired.", ["Mr. Smith left at 5 p.m.", "He was tired."]),
        ("en", 'She said "No." Then she left.', ['She said "No."', "Then she left."]),
        ("en", "See www.a.org/b.c?d now. It works", ["See www.a.org/b.c?d now.", "It works"]),
        ("zh", "你好。我是Tom！说：“好。”走了……是吗？是", ["你好。", "我是Tom！", "说：“好。”", "走了……是吗？", "是"]),
        ("zh", "　　一段。\n二、第二段", ["一段。", "第二段"]),
        ("fr", "Non !Pas de blanc.Ici non plus.", ["Non !Pas de blanc.Ici non plus."]),
    ],
)  # fmt: skip
def test_sentences_of_three_languages(language: str, text: str, expected: list[str]) -> None:
    assert spans_of(text, language) == expected


def test_a_long_sentence_is_cut_at_its_strongest_mark_near_the_middle() -> None:
    text = "Je mange du pain, du riz et du lait ; tu manges des fruits, des noix et du miel."
    assert spans_of(text, most=60) == [
        "Je mange du pain, du riz et du lait ;",
        "tu manges des fruits, des noix et du miel.",
    ]
    assert "".join(spans_of("x" * 1000, most=64)) == "x" * 1000


layouts = st.text(st.sampled_from("aéZ .!?…\n\r\t-*#>|1«»\"'()😀。！你`\u00a0\u3000\x00\ue000"), max_size=120)


@settings(max_examples=300, deadline=None)
@given(layouts, st.sampled_from(["fr", "en", "zh"]), st.integers(4, 30))
def test_parts_follow_each_other_fit_and_carry_every_letter(text: str, language: str, most: int) -> None:
    found = list(parts(text, language, lambda a, b: b - a <= most))
    last = 0
    for part in found:
        assert last <= part.start < part.end
        assert part.end - part.start <= most
        assert not text[part.start].isspace()
        assert not text[part.end - 1].isspace()
        last = part.end
    if "`" not in text:
        outside = re.sub("|", "", "".join(text[a:b] for a, b in gaps(found, len(text))))
        markup = set("abcdefghijklmnopqrstuvwxyz一二三四五六七八九十")  # "a)" before an entry of a list
        assert not [c for c in outside if c.isalpha() and c not in markup]


def gaps(found: list[Any], size: int) -> list[tuple[int, int]]:
    return list(zip([0, *(p.end for p in found)], [*(p.start for p in found), size], strict=True))


@given(layouts)
def test_the_layout_of_a_document_is_kept(text: str) -> None:
    own = untrained()
    orders = own.orders(text)
    new = own.document(text, beam=1)
    assert new.count("\n") == text.count("\n")
    pattern = ".*?".join(re.escape(text[a:b]) for a, b in gaps([o.part for o in orders], len(text)))
    assert re.fullmatch(pattern, new, re.DOTALL)


@pytest.mark.parametrize(
    "text", ["a" + " " * 50_000 + "b", "." * 50_000 + " A", ">" * 50_000, "a.a" * 16_000, "(" * 50_000]
)
def test_hostile_texts_are_cut_in_time(text: str) -> None:
    begun = time.process_time()
    found = list(parts(text, "fr", lambda a, b: b - a <= 64))
    assert time.process_time() - begun < 5  # a tenth of a second; what takes n * n steps takes minutes
    assert all(p.end - p.start <= 64 for p in found)


def test_a_term_is_never_cut() -> None:
    term = "Ωmega " * 16
    new = untrained().document(f"Le chat, {term}, dort.", [GlossaryEntry(source=term, target="X9")], 1)
    assert new.count("X9") == 1


def test_line_breaks_inside_a_sentence_come_back_near_their_places() -> None:
    assert rewrap("one two three four", ((0.5, "\n  "),)) == "one two\n  three four"
    assert rewrap("one", ((0.3, "\n"), (0.6, "\n"))) == "one\n\n"
    assert rewrap("a b c", ((0.9, "\n"), (0.95, "\r\n"))) == "a\nb\r\nc"


# words


def test_words_of_a_sentence() -> None:
    def found(text: str, language: str) -> list[str]:
        return [text[a:b] for a, b in words(text, language)]

    assert found("Voulez-vous l’arc-en-ciel qu'a-t-il vu aujourd'hui ?", "fr") == [
        "Voulez", "-vous", "l’", "arc-en-ciel", "qu'", "a", "-t-il", "vu", "aujourd'hui", "?",
    ]  # fmt: skip
    assert found("Don't use Tom's well-known 1,000.5 % (e-mail a@b.fr)…", "en") == [
        "Don't", "use", "Tom's", "well-known", "1,000.5 %", "(", "e-mail", "a@b.fr", ")…",
    ]  # fmt: skip
    assert found("我爱北京2024年😀👍🏽https://a.org/b，好", "zh") == [
        "我", "爱", "北", "京", "2024", "年", "😀👍🏽", "https://a.org/b", "，", "好",
    ]  # fmt: skip


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40), st.sampled_from(["fr", "en", "zh"]))
def test_words_are_what_is_no_white_space(text: str, language: str) -> None:
    found = words(text, language)
    outside = "".join(text[a:b] for a, b in gaps([_Place(*s) for s in found], len(text)))
    assert not outside.strip()
    assert all(text[a:b].strip() == text[a:b] != "" for a, b in found)


class _Place:
    def __init__(self, start: int, end: int) -> None:
        self.start, self.end = start, end


@settings(max_examples=200, deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=30))
def test_the_places_of_a_tidy_text_are_those_of_the_given_one(text: str) -> None:
    plain, places = tidied(text)
    assert len(plain) == len(places)
    assert places == sorted(places)
    for c, place in zip(plain, places, strict=True):
        assert (text[place.start : place.end].isspace()) if c == " " else c in tidy(text[place.start : place.end])


def test_a_tidy_text_is_the_one_of_training() -> None:
    for text in ("L’e\u0301te\u0301  est\u00a0là ", "naïve\ttest", "ﬁn", " \n", "가"):
        assert tidied(text)[0] == tidy(text)


# slots


def fills(text: str, glossary: dict[str, str] | None = None) -> list[tuple[str, str]]:
    entries = [GlossaryEntry(source=a, target=b) for a, b in (glossary or {}).items()]
    found = source(text, "fr", pieces(), Lookup(KNOWN), Glossary(entries).find(text))
    return [(f.text, f.kind) for f in found.fills]


def test_what_is_copied() -> None:
    assert fills("Le chat dort avec nous.") == []
    assert fills("Weatherby dort.") == [("Weatherby", "copied")]
    assert fills("Le chien de Harry Potter dort.") == [("Harry Potter", "copied")]
    assert fills("Je sais 😀 où est https://a.org/b, 北京 et moi@b.fr.")[:3] == [
        ("😀", "copied"), ("https://a.org/b", "copied"), ("北京", "copied"),
    ]  # fmt: skip
    assert fills("Voulez-vous 1789 chats ?") == [("1789", "copied")]
    assert fills("Le chien de Weatherby Bonjour dort.") == [("Weatherby Bonjour", "copied")]
    rare = source("Le chat de Zita dort.", "fr", pieces(), Lookup({**KNOWN, "zita": "zita"}))
    assert [f.text for f in rare.fills] == ["Zita"]
    assert not source("Le chat de Zita dort.", "fr", pieces(), Lookup({**KNOWN, "zita": "rita"})).fills
    assert fills("Il est 18h30.") == [("18h30", "copied")]
    assert fills("Zut, le chat dort.") == []  # few pieces, and a capital that says nothing


def test_traditional_characters_are_read_as_the_simplified_ones_of_training() -> None:
    """And a glossary's term in traditional characters holds its place."""
    one, other = (source(text, "zh", pieces(), Lookup({})) for text in ("這本書很有意思。", "这本书很有意思。"))
    assert (one.plain, one.symbols, one.places) == (other.plain, other.symbols, other.places)
    text = "你讀這本書嗎？"
    term = Glossary([GlossaryEntry(source="書", target="tome")]).find(text)
    found = source(text, "zh", pieces(), Lookup({}), term)
    assert [(f.text, found.given(Span(f.start, f.end))) for f in found.fills] == [("tome", Span(4, 5))]
    assert source("這", "fr", pieces(), Lookup({})).plain == "這"  # a word that is copied stays as it is


def test_the_glossary_goes_before_what_is_copied() -> None:
    assert fills("Harry dort.", {"harry dort": "Henry sleeps"}) == [("Henry sleeps", "glossary")]
    many = " ".join(f"Nomxyzt{c} et" for c in "abcdef")
    assert len(fills(many)) <= 4


def test_the_longest_entry_goes_first_as_whole_words_in_the_case_that_it_says() -> None:
    entries = [("chat", "tom"), ("chat noir", "tomcat"), ("Paris", "Lutetia"), ("l'ami", "pal")]
    glossary = Glossary([GlossaryEntry(source=a, target=b) for a, b in entries])
    text = "Chat noir, CHAT, chats, Paris, PARIS, l’ami, chat\u00a0 noir, achat"
    assert [(text[t.start : t.end], t.target) for t in glossary.find(text)] == [
        ("Chat noir", "tomcat"), ("CHAT", "tom"), ("Paris", "Lutetia"), ("l’ami", "pal"), ("chat\u00a0 noir", "tomcat"),
    ]  # fmt: skip
    zh = Glossary([GlossaryEntry(source="北京", target="Peking")])
    assert len(zh.find("我爱北京天安门")) == 1


FRENCH = ["le chat", "dort", "mon ami", "avec", "Harry", "nous.", "Est-ce que", "où", "!", "pain", "L’ami", "\n", "- "]


@given(
    st.lists(st.sampled_from(FRENCH), min_size=1, max_size=16),
    st.dictionaries(
        st.sampled_from(["chat", "le chat", "ami", "mon ami", "Harry", "pain", "dort avec", "nous"]),
        st.sampled_from(["Kater", "x y", "Ω", "two words", "O'Neil", "3.5"]),
        min_size=1,
    ),
    st.sampled_from([1, 3]),
)
def test_every_target_whose_source_occurs_stands_in_the_translation(
    chosen: list[str], glossary: dict[str, str], beam: int
) -> None:
    text = " ".join(chosen)
    if not text.strip():
        return
    entries = [GlossaryEntry(source=a, target=b) for a, b in glossary.items()]
    found = Glossary(entries).find(text)
    new = untrained().document(text, entries, beam)
    flat = " ".join(new.split())
    for target in {t.target for t in found}:
        assert flat.count(target) >= sum(t.target == target for t in found)
    response = ask(text=text, beam=beam, glossary=[e.model_dump() for e in entries])
    for sentence in response.sentences:
        inside = sorted(t.target for t in found if sentence.start <= t.start < sentence.end)
        for candidate in sentence.candidates:
            assert sorted(candidate.text[a:b] for a, b in candidate.glossary) == inside


def test_a_sentence_with_more_terms_than_slots_is_cut() -> None:
    new = untrained().document("le chat dort avec " * 12, [GlossaryEntry(source="chat", target="Kater")], 1)
    assert new.count("Kater") == 12


def search(width: int, slots: list[int], prefixes: list[list[int]], rows: int = 3) -> list[list[list[int]]]:
    own, p = untrained(), pieces()
    x = [p.encode("Le chat dort.")] * rows
    lengths = torch.tensor([12 + n + len(f) for n, f in zip(slots, prefixes, strict=True)])
    demands = Demands(any_slots(slots), lengths, as_prefixes(prefixes), torch.zeros(1, len(p), dtype=torch.bool))
    never = torch.zeros(len(p), dtype=torch.bool)
    predictor = Slotted(own.model.predictor(batch_of(x, None, p.end)), p, demands, never)
    prime = own.model.prime(rows)
    if width == 1:
        results = greedy(predictor, prime, int(lengths.max()), end=p.end)
    else:
        results = beam(predictor, prime, int(lengths.max()), width=width, nbest=width, end=p.end)
    assert bool(results.finished[results.log_probability > -torch.inf].all())
    return results.sequences()


@given(
    st.lists(st.integers(0, SLOTS), min_size=3, max_size=3),
    st.lists(st.lists(st.integers(0, 250), max_size=5), min_size=3, max_size=3),
    st.sampled_from([1, 4]),
)
def test_every_hypothesis_has_each_slot_once_begins_as_asked_and_ends(
    slots: list[int], prefixes: list[list[int]], width: int
) -> None:
    p = pieces()
    for count, prefix, row in zip(slots, prefixes, search(width, slots, prefixes), strict=True):
        for symbols in row:
            assert sorted(s for s in symbols if s in p.slots) == list(p.slots[:count])
            assert symbols[: len(prefix)] == prefix
            assert p.begin not in symbols


def test_without_demands_the_search_is_the_plain_one() -> None:
    own, p = untrained(), pieces()
    x = batch_of([p.encode("Le chat dort.")] * 3, None, p.end)
    plain = beam(own.model.predictor(x), own.model.prime(3), 13, width=4, end=p.end, banned=[p.begin, *p.slots])
    ended = [row[0] for row, done in zip(plain.sequences(), plain.finished[:, 0].tolist(), strict=True) if done]
    assert all(symbols in [row[0] for row in search(4, [0] * 3, [[]] * 3)] for symbols in ended)


# requests and answers


def test_an_answer_says_where_everything_stands() -> None:
    text = "Bonjour, Harry Potter 😀 est l’ami de a@b.fr.\n  - Le chat dort.  \n你好。"
    response = ask(text=text, glossary=[{"source": "chat", "target": "tom cat"}])
    first, second, third = response.sentences
    assert [text[w.start : w.end] for w in first.words] == [
        "Bonjour", ",", "Harry", "Potter", "😀", "est", "l’", "ami", "de", "a@b.fr", ".",
    ]  # fmt: skip
    for sentence in (first, second):
        for candidate in sentence.candidates:
            table = np.array(candidate.alignment)
            assert table.shape == (len(candidate.words), len(sentence.words))
            assert table.sum(1) == pytest.approx(1, abs=1e-2)
            assert all(candidate.text[w.start : w.end].strip() for w in candidate.words)
            scores = [c.score for c in sentence.candidates]
            assert scores == sorted(scores, reverse=True)
            assert len({c.text for c in sentence.candidates}) == len(sentence.candidates)
    for candidate in first.candidates:
        assert {candidate.text[a:b] for a, b in candidate.copied} == {"Harry Potter", "😀", "a@b.fr"}
    assert {c.text[a:b] for c in second.candidates for a, b in c.glossary} == {"tom cat"}
    assert third.candidates[0].text == "你好。"
    assert any("French" in note for note in response.notes)
    lines = response.text.split("\n")
    assert lines[0] == first.candidates[0].text
    assert lines[1] == f"  - {second.candidates[0].text}  "
    assert lines[2] == "你好。"


def test_a_word_that_a_slot_stands_for_is_aligned_with_its_source() -> None:
    own = trained()
    text = "Bonjour, Harry Potter !"
    found = source(text, "fr", pieces(), own.lookup)
    assert found.plain[slice(*found.spans[found.symbols.index(pieces().slots[0])])] == "Harry Potter"
    candidate = own(translation_request(text=text)).sentences[0].candidates[0]
    rows = {candidate.text[w.start : w.end]: row for w, row in zip(candidate.words, candidate.alignment, strict=True)}
    assert rows["Harry"][3] == rows["Potter"][2] == 0  # what the slot has for itself is each word's own
    assert rows["Harry"][2] == rows["Potter"][3]
    assert sum(rows["Harry"]) == pytest.approx(1, abs=1e-2)


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(1, 4), min_size=1, max_size=6), st.lists(st.integers(1, 5), min_size=1, max_size=6), st.data()
)
def test_an_alignment_of_words_keeps_what_the_pieces_have(source: list[int], target: list[int], data: Any) -> None:
    def spans(sizes: list[int]) -> list[Span]:
        ends = np.cumsum(sizes)
        return [Span(int(e - n), int(e)) for n, e in zip(sizes, ends, strict=True)]

    def cut(size: int) -> list[Span]:
        marks = sorted(data.draw(st.sets(st.integers(1, size - 1)))) if size > 1 else []
        return [Span(a, b) for a, b in zip([0, *marks], [*marks, size], strict=True)]

    ours, theirs = spans(source), spans(target)
    weights = np.random.default_rng(0).dirichlet(np.ones(len(ours)), len(theirs))
    found = word_alignment(weights, theirs, cut(sum(target)), ours, cut(sum(source)))
    assert found.sum(1) == pytest.approx(1)
    if len(ours) > 1:  # the first piece of the target is a copy of the last of the source, two words long
        halves = [[Span(p.start, p.start), p] for p in (theirs[0], ours[-1])]
        apart, new, old = word_for_word(weights, theirs, ours, [Copy(0, len(ours) - 1, *halves)])
        assert apart.shape == (len(new), len(old)) == (len(theirs) + 1, len(ours) + 1)
        assert apart.sum(1) == pytest.approx(1)
        assert apart[0, -1] == apart[1, -2] == 0
        assert apart[0, -2] == pytest.approx(weights[0, -1])
    same = word_alignment(weights, theirs, theirs, ours, ours)
    assert same == pytest.approx(weights)
    assert shares([Span(0, 1)], []).shape == (1, 0)


def test_a_prefix_is_kept_with_its_names() -> None:
    text = "Bonjour, Harry Potter est là. Le chat dort."
    plain, given_prefix = ask(text=text), ask(text=text, prefix="Hello  Harry Potter, my")
    for candidate in given_prefix.sentences[0].candidates:
        assert re.match(r"Hello Harry Potter, my(\W|$)", candidate.text)
        assert candidate.text.count("Potter") == 1
    assert given_prefix.sentences[1] == plain.sentences[1]


def test_capitals_are_read_as_small_letters_and_written_as_capitals() -> None:
    assert ask(text="LE CHAT DORT.").sentences[0].candidates[0].text == (
        ask(text="Le chat dort.").sentences[0].candidates[0].text.upper()
    )


def test_batches_change_nothing() -> None:
    text = DOCUMENT.replace("\r", "")
    own = untrained()
    together = own(translation_request(text=text, beam=3, nbest=1)).text
    assert own.document(text, beam=3) == together
    *steps, last = own.stream(translation_request(text=text, beam=3, nbest=1))
    assert last == own(translation_request(text=text, beam=3, nbest=1))
    assert [step.sentence for step in steps] == last.sentences
    assert [(step.done, step.of) for step in steps] == [(k + 1, len(steps)) for k in range(len(steps))]
    sentences = ["Le chat dort.", "Bonjour, mon ami !", "Je ne sais pas où est le chien."]
    assert own.translate(sentences) == [own.translate([s])[0] for s in sentences]


def test_progress_is_told() -> None:
    told: list[tuple[int, int]] = []
    untrained().document("Le chat dort. Bonjour !\n\nNon.", beam=1, say=lambda done, all: told.append((done, all)))
    assert told == [(0, 3), (1, 3), (2, 3), (3, 3)]


def test_a_model_without_attention_has_no_alignment() -> None:
    found = Translator(model("none"), pieces(), Lookup(KNOWN), "fr-en")(
        translation_request(text="Le chat dort.", beam=1, nbest=1)
    )
    assert not np.array(found.sentences[0].candidates[0].alignment).any()


def test_a_model_that_has_learned_translates() -> None:
    own = trained()
    for a, b in PAIRS:
        assert own.translate([a]) == [b]
    response = own(translation_request(text="Voulez-vous chanter avec moi ?"))
    assert response.text == "Do you want to sing with me?"
    text = "- Le chat dort.\n\n\t- Bonjour, mon ami !"
    assert own.document(text) == "- The cat is sleeping.\n\n\t- Hello, my friend!"


# choices


def test_the_next_words_of_a_model_that_has_learned() -> None:
    own = trained()
    request = choices_request(text="Voulez-vous chanter avec moi ?", prefix="Do you want to", count=3)
    found = choosing.choices(own, request)
    best = found.choices[0]
    assert (best.word, best.prefix) == ("sing", "Do you want to sing")
    assert best.p > 0.5
    assert best.candidate.text == "Do you want to sing with me?"
    assert best.candidate == found.candidates[0]
    assert not choosing.choices(own, choices_request(text="Le chat dort.", count=0)).choices
    last = choosing.choices(own, choices_request(text="Le chat dort.", prefix="The cat is sleeping.", count=2)).choices[
        0
    ]
    assert (last.word, last.candidate.text) == ("", "The cat is sleeping.")


def test_probabilities_of_next_words_are_a_distribution_and_their_translations_go_through_them() -> None:
    own = trained()
    for prefix in ("", "Do", "Hello,"):
        found = choosing.choices(own, choices_request(text="Bonjour, Weatherby !", prefix=prefix, count=8, beam=2))
        p = [c.p for c in found.choices]
        assert p == sorted(p, reverse=True)
        assert 0 < sum(p) <= 1 + 1e-3
        assert found.prefix == prefix
        for choice in found.choices:
            assert choice.candidate.text.startswith(choice.prefix)
            assert choice.prefix.startswith(prefix)
            assert choice.prefix.removeprefix(prefix).strip() == choice.word
            behind = choice.candidate.text[len(choice.prefix) :]
            assert not (choice.word and choice.word[-1].isalnum() and behind[:1].isalnum())
            assert sum(choice.candidate.text.count(n) for n in ["Weatherby"]) == 1


def test_the_probability_of_a_word_is_that_of_all_its_continuations() -> None:
    own = trained()
    s = own.one("Le chat dort.").source
    assert s is not None
    found = {w: p for w, p, _ in choosing.next_words(choosing._Place(own, s, []))}
    assert sum(found.values()) == pytest.approx(1, abs=0.05)


# bad input


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"text": " \n"}, "give a text"),
        ({"text": "x" * (LONGEST + 1)}, "--file"),
        ({"text": "a\ud800"}, "half a character"),
        ({"text": "a", "beam": 0}, "beam"),
        ({"text": "a", "glosary": []}, "glossary"),
        ({"text": "a", "prefix": "x" * 2000}, "prefix"),
        ({"text": "a", "glossary": [{"source": " ", "target": "b"}]}, "neither empty"),
        ({"text": "a", "glossary": [{"source": "a\x1bb", "target": "b"}]}, "control character"),
        ({"text": "a", "glossary": [{"source": "?!", "target": "b"}]}, "letter or a digit"),
        ({"text": "a", "glossary": [{"source": "a", "target": "b"}, {"source": "a", "target": "c"}]}, "two targets"),
        ({"text": "a", "glossary": [{"source": f"a{k}", "target": "b"} for k in range(ENTRIES + 1)]}, "at most 200"),
        ({"text": "a", "glossary": [{"source": "a" * 101, "target": "b"}]}, "at most 100"),
    ],
)
def test_a_faulty_request_is_refused(values: dict[str, Any], message: str) -> None:
    with pytest.raises(TranslationError, match=message) as error:
        translation_request(**values)
    assert re.search("[\u4e00-\u9fff]", str(error.value)) or "beam" in str(error.value) or "glos" in str(error.value)


def test_another_direction_and_a_whole_text_for_one_sentence_are_refused() -> None:
    with pytest.raises(TranslationError, match="fr-en, not en-fr"):
        ask(text="a", direction="en-fr")
    with pytest.raises(TranslationError, match="too long for one"):
        choosing.choices(untrained(), choices_request(text="Le chat dort. " * 40))
    with pytest.raises(TranslationError, match="not in the language"):
        choosing.choices(untrained(), choices_request(text="你好"))


@pytest.mark.parametrize("text", ["12:30 ***", "😀😀", "\x00\x07", "﻿", "***", "```\nLe chat\n```", "\ue000\ue001"])
def test_what_holds_no_sentence_comes_back_as_it_was(text: str) -> None:
    response = ask(text=text)
    assert response.text == text
    assert response.notes


def test_scripts() -> None:
    assert translatable("Où est donc Москва ?", "fr")
    assert not translatable("Где Москва", "fr")
    assert translatable("我爱Paris", "zh")
    assert not translatable("12", "fr")


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=60))
def test_any_text_has_an_answer(text: str) -> None:
    if text.strip():
        response = ask(text=text, beam=1)
        for sentence in response.sentences:
            assert all(text[w.start : w.end].strip() for w in sentence.words)
            assert text[sentence.start : sentence.end].strip()


# the command


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    own, path = trained(), tmp_path_factory.mktemp("translation") / "own.safetensors"
    about = {"task": "translation", "source": "fr", "target": "en", "pieces": pieces().to_json(), "lookup": KNOWN}
    save_model(path, own.model, about)
    return path


def run(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    import rondo.cli
    import rondo.cli.translation

    monkeypatch.setattr(sys, "argv", ["rondo", *map(str, arguments)])
    with pytest.raises(SystemExit) as end:
        rondo.cli.main()
    code = end.value.code
    captured = capsys.readouterr()
    return (code if isinstance(code, int) else 0), captured.out, captured.err


def test_the_command_translates_a_sentence(
    model_file: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "300")  # the worst candidates of a small model are long
    sentence = "Voulez-vous chanter avec moi ?"
    code, out, _ = run(capsys, monkeypatch, "translate", sentence, "--model", model_file)
    assert (code, out) == (0, "Do you want to sing with me?\n")
    code, out, _ = run(capsys, monkeypatch, "translate", sentence, "--model", model_file, "--json", "--to", "en")
    assert json.loads(out)["sentences"][0]["candidates"][0]["text"] == "Do you want to sing with me?"
    code, out, _ = run(capsys, monkeypatch, "translate", sentence, "--model", model_file, "--nbest", "3")
    assert len(out.splitlines()) == 5
    own = io.TextIOWrapper(io.BytesIO(b"\tLe chat dort.\r\n\n  - Bonjour, mon ami !\n"))
    monkeypatch.setattr(sys, "stdin", own)
    code, out, _ = run(capsys, monkeypatch, "translate", "--model", model_file)
    assert (code, out) == (0, "\tThe cat is sleeping.\r\n\n  - Hello, my friend!\n")


def test_the_command_translates_a_file_with_a_glossary(
    model_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text, terms, new = tmp_path / "a.txt", tmp_path / "terms.tsv", tmp_path / "b.txt"
    text.write_bytes("\ufeff  Bonjour, mon ami !\r\n\r\n- Le chat dort.\r\n".encode())
    terms.write_text("# mine\nsource\ttarget\nchat\ttom cat\n", encoding="utf-8")
    code, out, err = run(
        capsys, monkeypatch, "translate", "--file", text, "--out", new, "--glossary", terms, "--model", model_file
    )
    assert (code, out, err) == (0, "", "")
    found = new.read_bytes().decode()
    assert found.startswith("\ufeff  Hello, my friend!\r\n\r\n- ")
    assert found.endswith("\r\n")
    assert "tom cat" in found
    assert not list(tmp_path.glob(".*"))
    text.write_bytes("Voulez-vous chanter avec moi ?\n\xe9t\xe9".encode("latin-1"))
    code, _, err = run(capsys, monkeypatch, "translate", "--file", text, "--out", new, "--model", model_file)
    assert code == 2
    assert "--encoding" in err
    assert new.read_bytes().decode() == found  # what stood there is kept
    arguments = ("translate", "--file", text, "--out", new, "--model", model_file, "--encoding", "latin-1")
    assert run(capsys, monkeypatch, *arguments)[0] == 0
    assert new.read_bytes().startswith(b"Do you want to sing with me?\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("translate", " "), "give a text"),
        (("translate", "a", "--file", "b.txt"), "--file translates a document"),
        (("translate", "a", "--out", "b.txt"), "--out goes with --file"),
        (("translate", "a", "--direction", "xx-yy"), "xx-yy"),
        (("translate", "a", "--to", "xx"), "'xx'"),
        (("translate", "--file", "no.txt", "--encoding", "no-such", "--model", "M"), "no-such|No such file"),
    ],
)
def test_the_command_says_what_is_wrong(
    arguments: tuple[str, ...],
    message: str,
    model_file: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = [str(model_file) if a == "M" else a for a in arguments]
    code, out, err = run(capsys, monkeypatch, *own)
    assert code == 2
    assert re.search(message, err)
    assert not out
    assert "Traceback" not in err


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\n", ":1: .*found 1 column$"),
        (b"# x\na\tb\tc\n", ":2: .*found 3 columns"),
        (b"a\tb\na\tc\n", "two targets"),
        (b"a\t\n", ":1: .*neither empty"),
        (b"\xff\xfe\x00", "not UTF-8"),
    ],
)
def test_a_faulty_glossary_names_its_line(content: bytes, message: str, tmp_path: Path) -> None:
    path = tmp_path / "terms.tsv"
    path.write_bytes(content)
    with pytest.raises(TranslationError, match=message):
        read_glossary(path)


# the bundled model

INVITATIONS = [Path(__file__).parent / name for name in ("invitations.tsv", "invitations_more.tsv")]
DATA = Path(os.environ.get("RONDO_DATA", Path(__file__).parents[2] / "shared" / "data"))
TRAIN = DATA / "mt-tatoeba-fra-eng" / "train.tsv.gz"
needs_model = pytest.mark.skipif("translation-fr-en" not in bundled.names(), reason="the bundled model is not there")


def invitations() -> list[tuple[str, set[str]]]:
    lines = [line for file in INVITATIONS for line in file.read_text(encoding="utf-8").splitlines()]
    rows = [line.split("\t") for line in lines if not line.startswith("#")]
    return [(text, {bare(answer) for answer in spelled_out(answers)}) for text, answers in rows]


def spelled_out(answers: str) -> list[str]:
    """Answers parted by |, or one with its alternatives in braces."""
    if "{" not in answers:
        return answers.split("|")
    parts = re.split(r"\{([^}]*)\}", answers)
    return ["".join(own) for own in itertools.product(*(part.split("|") for part in parts))]


def bare(text: str) -> str:
    """A sentence without its case and its final marks."""
    return " ".join(text.casefold().split()).rstrip(" .!?")


@needs_model
def test_the_lectures_sentence() -> None:
    found = Translator.load()(translation_request(text="Voulez-vous chanter avec moi ?"))
    assert found.text in ("Do you want to sing with me?", "Would you like to sing with me?")


@needs_model
def test_unseen_invitations() -> None:
    asked = invitations()
    assert len(asked) == 52
    found = Translator.load().translate([text for text, _ in asked], beam=5)
    right = sum(bare(answer) in wanted for answer, (_, wanted) in zip(found, asked, strict=True))
    assert right >= 42, list(zip([t for t, _ in asked], found, strict=True))


@pytest.mark.skipif(not TRAIN.exists(), reason=f"needs {TRAIN}")
def test_no_invitation_stands_in_the_training_data() -> None:
    seen = {bare(pair.source) for pair in read_pairs(TRAIN, "fr", "en")}
    assert not [text for text, _ in invitations() if bare(text) in seen]
    assert spelled_out("{a|b} c {d|e}.") == ["a c d.", "a c e.", "b c d.", "b c e."]
    assert spelled_out("a b|c") == ["a b", "c"]
