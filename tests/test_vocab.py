"""Vocabularies: characters, words and pieces of words become numbers and come back."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.data.vocab import (
    LEVELS,
    UNKNOWN,
    UNKNOWN_WORD,
    Characters,
    Subwords,
    Vocab,
    Words,
    build,
    from_json,
    split_words,
)

TEXTS = ["the cat sat on the mat.\nthe dog sat.\n", "ein Bär, 你好 — ça va?\n\n  two  blanks\n"]
ANY = st.text(st.characters(exclude_characters=UNKNOWN, exclude_categories=["Cs"]), max_size=60)
LETTERS = st.text(st.sampled_from("ab cé你\n\t.'0"), max_size=80)


def test_characters_by_frequency() -> None:
    vocab = Characters.build(["banana", "bab"])
    assert vocab.symbols == (UNKNOWN, "a", "b", "n")
    assert vocab.encode("nab!").tolist() == [3, 1, 2, 0]
    assert vocab.decode([3, 1, 2, 0]) == "nab" + UNKNOWN


def test_words_by_frequency() -> None:
    vocab = Words.build(["b a  b\tc\n", "b a\nd <unk> <unk>"])
    assert vocab.symbols == (UNKNOWN_WORD, "b", "\n", "a", "c", "d")  # equal counts are ordered as text
    assert vocab.encode("a nobody b\n<unk>").tolist() == [3, 0, 1, 2, 0]
    assert vocab.decode([3, 0, 1, 2, 0, 4]) == "a <unk> b\n<unk> c"


@pytest.mark.parametrize("kind", [Characters, Words])
def test_limits(kind: type[Characters] | type[Words]) -> None:
    text = " ".join("aaabbc") if kind is Words else "aaabbc"
    unknown = kind([UNKNOWN if kind is Characters else UNKNOWN_WORD]).symbols[0]
    assert kind.build([text], limit=3).symbols == (unknown, "a", "b")
    assert kind.build([text], least=2).symbols == (unknown, "a", "b")
    assert kind.build([text], limit=2, least=2).symbols == (unknown, "a")
    assert kind.build([""]).symbols == (unknown,)
    assert kind.build([]).symbols == (unknown,)


@given(st.lists(LETTERS, max_size=4), st.integers(0, 6), st.integers(0, 3))
def test_the_most_frequent_are_kept(texts: list[str], limit: int, least: int) -> None:
    for kind, parts in ((Characters, list), (Words, split_words)):
        counts = Counter(p for text in texts for p in parts(text))
        vocab = kind.build(texts, limit, least)
        kept = vocab.symbols[1:]
        assert all(counts[s] >= max(least, 1) for s in kept)
        assert all(counts[a] >= counts[b] for a, b in pairwise(kept))
        assert not limit or len(vocab) <= max(limit, 1)
        left_out = [n for s, n in counts.items() if s not in kept and n >= max(least, 1)]
        if left_out:  # only for want of room, and none more frequent than those inside
            assert len(vocab) == max(limit, 1)
            assert not kept or max(left_out) <= counts[kept[-1]]


@given(ANY)
def test_known_characters_come_back(text: str) -> None:
    vocab = Characters.build([text])
    assert vocab.decode(vocab.encode(text).tolist()) == text


@given(ANY)
def test_known_words_come_back_with_plain_blanks(text: str) -> None:
    vocab = Words.build([text])
    lines = [" ".join(line.split()) for line in text.split("\n")]
    assert vocab.decode(vocab.encode(text).tolist()) == "\n".join(lines)


@given(ANY)
def test_any_text_comes_back_from_pieces(pieces: Subwords, text: str) -> None:
    """Nothing is unknown: the bytes are pieces too."""
    numbers = pieces.encode(text)
    assert pieces.decode(numbers.tolist()) == text
    assert numbers.dtype == np.int64
    assert numbers.max(initial=0) < len(pieces)


@given(LETTERS, LETTERS)
def test_lines_are_encoded_by_themselves(pieces: Subwords, a: str, b: str) -> None:
    """So a text is numbered alike in one go and line by line: no piece goes across the end of a line."""
    for vocab in (pieces, Words.build(TEXTS), Characters.build(TEXTS)):
        joined = vocab.encode(a + "\n" + b).tolist()
        assert joined == [*vocab.encode(a + "\n").tolist(), *vocab.encode(b).tolist()]
        assert len(vocab.encode("\n")) == 1


@pytest.fixture(scope="module")
def pieces() -> Subwords:
    return Subwords.build(TEXTS * 3, limit=280)


def test_pieces_are_learned(pieces: Subwords) -> None:
    assert len(pieces) == len(pieces.symbols) == 280
    assert len(pieces.encode("the cat sat")) < len("the cat sat")
    assert [pieces.decode([n]) for n in pieces.encode("\n\n").tolist()] == ["\n", "\n"]
    assert len(Subwords.build(["ab" * 9], limit=300, least=100)) == 256  # no pair is seen so often


def test_pieces_with_bytes_of_half_a_character(pieces: Subwords) -> None:
    numbers = pieces.encode("é猫").tolist()
    assert pieces.decode(numbers) == "é猫"
    assert UNKNOWN in pieces.decode(numbers[:-1])


@pytest.mark.parametrize("level", LEVELS)
def test_json_brings_it_back(level: str) -> None:
    vocab = build(level, TEXTS, 270)
    data = json.loads(json.dumps(vocab.to_json()))
    again = from_json(data)
    assert type(again) is type(vocab)
    assert again == vocab
    assert again.symbols == vocab.symbols
    assert again.to_json() == vocab.to_json()
    assert again.encode(TEXTS[1]).tolist() == vocab.encode(TEXTS[1]).tolist()
    assert build(level, TEXTS, 270).to_json() == vocab.to_json()  # nothing is drawn


@pytest.mark.parametrize("level", LEVELS)
def test_two_texts_of_the_same_counts_give_the_same_numbers(level: str) -> None:
    lines = [line + "\n" for text in TEXTS for line in text.splitlines()]
    a, b = build(level, ["".join(lines)], 270), build(level, list(reversed(lines)), 270)
    assert a.symbols == b.symbols


@pytest.mark.parametrize("vocab", [Characters.build(TEXTS), Words.build(TEXTS)], ids=["character", "word"])
def test_vocabularies_differ(vocab: Vocab) -> None:
    other = type(vocab)(vocab.symbols[:-1])  # type: ignore[arg-type]
    assert vocab != other
    assert vocab != vocab.symbols
    with pytest.raises(TypeError, match="unhashable"):
        hash(vocab)


@pytest.mark.parametrize(
    "symbols", [[], ["a"], [UNKNOWN, "a", "a"], [UNKNOWN, "ab"], [UNKNOWN, ""], [UNKNOWN, "\ud800"]]
)
def test_bad_characters_are_refused(symbols: list[str]) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        Characters(symbols)


@pytest.mark.parametrize("symbols", [[], ["a"], [UNKNOWN_WORD, "a", "a"], [UNKNOWN_WORD, "a b"], [UNKNOWN_WORD, ""]])
def test_bad_words_are_refused(symbols: list[str]) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        Words(symbols)


def test_an_unknown_level_names_the_nearest() -> None:
    with pytest.raises(ValueError, match="no level is called 'words'; did you mean 'word'"):
        build("words", TEXTS)
