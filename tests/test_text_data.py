"""Text files become numbered symbols in contiguous streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rondo.data.text import DataError, count_windows, endless, one_pass, read_text, split_texts, streams
from rondo.data.vocab import UNKNOWN, Vocab


def test_vocabulary_by_frequency() -> None:
    vocab = Vocab.build(["banana", "bab"])
    assert vocab.symbols == (UNKNOWN, "a", "b", "n")
    assert vocab.encode("nab!").tolist() == [3, 1, 2, 0]
    assert vocab.decode([3, 1, 2, 0]) == "nab" + UNKNOWN


def test_vocabulary_limits() -> None:
    assert Vocab.build(["aaabbc"], limit=3).symbols == (UNKNOWN, "a", "b")
    assert Vocab.build(["aaabbc"], least=2).symbols == (UNKNOWN, "a", "b")
    assert Vocab.build([""]).symbols == (UNKNOWN,)


@given(st.text(st.characters(exclude_characters=UNKNOWN, exclude_categories=["Cs"]), max_size=60))
def test_known_text_comes_back(text: str) -> None:
    vocab = Vocab.build([text])
    assert vocab.decode(vocab.encode(text).tolist()) == text
    assert Vocab(vocab.symbols) == vocab


@pytest.mark.parametrize("symbols", [[], ["a"], [UNKNOWN, "a", "a"], [UNKNOWN, "ab"]])
def test_bad_vocabularies_are_refused(symbols: list[str]) -> None:
    with pytest.raises(ValueError, match="vocabulary"):
        Vocab(symbols)


def test_reading(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert read_text(file) == "one\ntwo\nthree\n"


def test_bytes_that_are_not_utf8_name_file_and_place(tmp_path: Path) -> None:
    file = tmp_path / "latin.txt"
    file.write_bytes(b"caf\xe9 au lait")
    with pytest.raises(DataError, match=r"latin\.txt: byte 3 \(0xe9\) is not UTF-8; convert"):
        read_text(file)


def test_a_missing_file_and_a_folder(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(DataError, match="Is a directory"):
        read_text(tmp_path)


def test_split_is_by_file_and_repeatable() -> None:
    texts = [letter * 100 for letter in "abcdefghijklmnopqrst"]
    train, valid = split_texts(texts, 0.1, seed=3)
    assert len(valid) == 2
    assert sorted(train + valid) == sorted(texts)
    assert split_texts(texts, 0.1, seed=3) == (train, valid)
    assert split_texts(texts, 0.1, seed=4) != (train, valid)


def test_one_file_is_cut_at_a_line_end() -> None:
    train, valid = split_texts(["line\n" * 20], 0.25, seed=1)
    assert (train, valid) == (["line\n" * 15], ["line\n" * 5])


def test_the_last_line_is_not_all_that_is_held_out() -> None:
    assert split_texts(["x" * 80 + "\n" + "y" * 19 + "\n"], 0.05, seed=1) == (["x" * 80 + "\n"], ["y" * 19 + "\n"])


def test_one_line_is_cut_anywhere() -> None:
    assert split_texts(["x" * 100], 0.25, seed=1) == (["x" * 75], ["x" * 25])


def test_streams_are_contiguous() -> None:
    stream = streams(np.arange(23), 2)
    assert stream.tolist() == [list(range(11)), list(range(11, 22))]
    batches = list(one_pass(stream, 4))
    assert len(batches) == count_windows(stream, 4) == 3
    assert [b.fresh for b in batches] == [True, False, False]
    assert [x for b in batches for x in b.x[1].tolist()] == list(range(11, 21))
    assert all((b.y == b.x + 1).all() for b in batches)


def test_endless_begins_at_any_step() -> None:
    stream = streams(np.arange(23), 2)
    source = endless(stream, 4)
    first = [next(source) for _ in range(8)]
    for step in range(7):
        batch = next(endless(stream, 4, step))
        assert batch.x.tolist() == first[step].x.tolist()
        assert batch.fresh is first[step].fresh


def test_too_short_a_text_says_what_to_do() -> None:
    with pytest.raises(DataError, match="5 characters, too few for 4 rows"):
        streams(np.arange(5), 4)
