"""Text files become numbered symbols in contiguous streams; every symbol is read once, wherever one begins."""

from __future__ import annotations

import gzip
from itertools import islice, pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rondo.data import DOCUMENTS
from rondo.data.batch import IGNORED, Batch
from rondo.data.text import (
    DataError,
    Numbered,
    Streams,
    Windows,
    held_out,
    read_text,
    split_texts,
)
from rondo.data.vocab import Characters, Subwords, Vocab, Words

LETTERS = st.text(st.sampled_from("ab \n"), max_size=60)


def vocab_of(level: str = "character") -> Vocab:
    text = ["a b\nab ba\n"] * 3
    return {"character": Characters, "word": Words, "subword": Subwords}[level].build(text)


def numbered(length: int) -> Numbered:
    """A text whose symbols say where they stand."""
    return Numbered(np.arange(length + 1))


# --- files ---------------------------------------------------------------------------------------


def test_reading(tmp_path: Path) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(b"\xef\xbb\xbfone\r\ntwo\rthree\n")
    assert read_text(file) == "one\ntwo\nthree\n"
    packed = tmp_path / "a.txt.gz"
    packed.write_bytes(gzip.compress(file.read_bytes()))
    assert read_text(packed) == "one\ntwo\nthree\n"


def test_bytes_that_are_not_utf8_name_file_and_place(tmp_path: Path) -> None:
    file = tmp_path / "latin.txt"
    file.write_bytes(b"caf\xe9 au lait")
    with pytest.raises(DataError, match=r"latin\.txt: byte 3 \(0xe9\) is not UTF-8; convert"):
        read_text(file)


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="No such file"):
        read_text(tmp_path / "none.txt")
    with pytest.raises(DataError, match="Is a directory"):
        read_text(tmp_path)
    whole = gzip.compress(b"text" * 99)
    for content in (b"no gzip", whole[:-9], whole[:20] + b"\xff" + whole[21:]):
        (tmp_path / "a.gz").write_bytes(content)
        with pytest.raises(DataError, match="no whole gzip file"):
            read_text(tmp_path / "a.gz")


def test_split_is_by_file_and_repeatable() -> None:
    texts = [letter * 100 for letter in "abcdefghijklmnopqrst"]
    train, valid = split_texts(texts, 0.1, seed=3)
    assert len(valid) == 2
    assert sorted(train + valid) == sorted(texts)
    assert split_texts(texts, 0.1, seed=3) == (train, valid)
    assert split_texts(texts, 0.1, seed=4) != (train, valid)


@given(st.lists(LETTERS, min_size=1, max_size=6), st.floats(0.001, 0.5), st.integers(0, 9))
def test_split_loses_nothing(texts: list[str], share: float, seed: int) -> None:
    train, valid = split_texts(texts, share, seed)
    assert "".join(sorted("".join(train + valid))) == "".join(sorted("".join(texts)))
    assert train
    if len(texts) == 1:
        assert "".join(train + valid) == texts[0]


def test_one_file_is_cut_at_a_line_end() -> None:
    train, valid = split_texts(["line\n" * 20], 0.25, seed=1)
    assert (train, valid) == (["line\n" * 15], ["line\n" * 5])
    # the last line is not all that is held out, and one line is cut anywhere
    assert split_texts(["x" * 80 + "\n" + "y" * 19 + "\n"], 0.05, seed=1) == (["x" * 80 + "\n"], ["y" * 19 + "\n"])
    assert split_texts(["x" * 100], 0.25, seed=1) == (["x" * 75], ["x" * 25])


# --- documents -----------------------------------------------------------------------------------


def starts(texts: list[str], documents: str) -> tuple[str, list[int]]:
    vocab = Characters.build(["ab\n"])
    found = Numbered.of(texts, vocab, documents)
    return vocab.decode(found.symbols.tolist()), np.flatnonzero(found.starts).tolist()


def test_what_a_document_is() -> None:
    texts = ["a\nb\n", "ab"]
    assert Numbered.of(texts, Characters.build(texts), "none").starts is None
    assert starts(texts, "file") == ("\na\nb\nab\n", [0, 4])
    assert starts(texts, "line") == ("\na\nb\nab\n", [0, 2, 4])
    assert starts(["", "a\n\nb"], "line") == ("\n\na\n\nb\n", [0, 1, 3, 4])  # empty lines are documents


@pytest.mark.parametrize("level", ["character", "word", "subword"])
@pytest.mark.parametrize("documents", DOCUMENTS)
def test_sequences_are_the_documents(level: str, documents: str) -> None:
    texts, vocab = ["a b\nab ba\n", "b", "\n"], vocab_of(level)
    found = [vocab.decode(s.tolist()) for s in Numbered.of(texts, vocab, documents).sequences()]
    wanted = {
        "none": ["\na b\nab ba\nb\n\n"],
        "file": ["\na b\nab ba\n", "\nb\n", "\n\n"],
        "line": ["\na b\n", "\nab ba\n", "\nb\n", "\n\n"],
    }
    assert found == wanted[documents]


@given(st.lists(LETTERS, min_size=1, max_size=4), st.sampled_from(DOCUMENTS))
def test_sequences_hold_every_symbol_once(texts: list[str], documents: str) -> None:
    text = Numbered.of(texts, vocab_of(), documents)
    parts = text.sequences()
    assert [n for part in parts for n in part[1:].tolist()] == text.symbols[1:].tolist()
    assert all(part[0] == text.symbols[0] for part in parts)
    assert len(text) == len(text.symbols) - 1


def test_lines_need_a_line_end_in_the_vocabulary() -> None:
    with pytest.raises(DataError, match="vocabulary has no line end"):
        Numbered.of(["abc"], Characters.build(["abc"]), "line")
    assert Numbered.of(["abc"], Characters.build(["abc"]), "file").starts is not None


# --- streams and windows ---------------------------------------------------------------------------


def test_streams_are_contiguous() -> None:
    stream = Streams.of(numbered(22), 2)
    assert stream.symbols.tolist() == [list(range(12)), list(range(11, 23))]
    batches = list(Windows(4).one_pass(stream))
    assert [b.fresh for b in batches] == [True, False, False]
    assert [b.advance for b in batches] == [None] * 3
    assert [x for b in batches for x in b.x[1].tolist()] == list(range(11, 22))
    assert all((b.y == b.x + 1).all() for b in batches)
    assert stream.rows(slice(1, 2)).symbols.tolist() == [list(range(11, 23))]


def test_too_short_a_text_says_what_to_do() -> None:
    with pytest.raises(DataError, match="5 symbols, too few for 6 rows; give more or set batch = 1"):
        Streams.of(numbered(5), 6)


WINDOWS = st.builds(
    Windows,
    size=st.integers(1, 9),
    reach=st.integers(0, 24),
    vary=st.sampled_from([0.0, 0.1, 0.5]),
    seed=st.integers(0, 3),
)


@given(WINDOWS, st.integers(1, 80), st.integers(1, 3), st.integers(0, 2))
def test_windows_cover_the_text_exactly(windows: Windows, length: int, rows: int, number: int) -> None:
    """Every symbol counts once, in order; each batch begins where the one before has left the state."""
    stream = Streams.of(numbered(length * rows), rows)
    batches = list(windows.one_pass(stream, number))
    counted = torch.cat([b.y[:, (b.y[0] != IGNORED)] for b in batches], 1)
    assert counted.tolist() == [list(range(r * length + 1, (r + 1) * length + 1)) for r in range(rows)]
    stands = 0  # what the carried state has read
    for b in batches:
        assert int(b.x[0, 0]) == stands
        assert b.fresh == (stands == 0)
        known = b.y != IGNORED
        assert ((b.y == b.x + 1) | ~known).all()
        assert known[:, -1].all(), "a window ends with a symbol that counts"
        assert b.x.shape[1] <= max(windows.reach, 2 * windows.size)
        stands += b.x.shape[1] if b.advance is None else b.advance
    assert stands == length


@given(WINDOWS, st.integers(1, 80))
def test_a_window_reads_as_far_back_as_the_reach(windows: Windows, length: int) -> None:
    """Beyond the window's size it holds `reach` symbols, fewer only where the text begins."""
    batches = list(windows.one_pass(Streams.of(numbered(length), 1)))
    for b in batches:
        own = int((b.y != IGNORED).sum())
        width = b.x.shape[1]
        if windows.reach > windows.size:
            assert width == min(windows.reach, int(b.x[0, -1]) + 1)
            assert own <= windows.reach
        else:
            assert own == width
    if not windows.vary:
        assert all(int((b.y != IGNORED).sum()) == windows.size for b in batches[:-1])


def test_sizes_vary_as_asked() -> None:
    bounds = Windows(100, vary=0.05, seed=1).bounds(100_000, 0)
    sizes = np.array([b - a for a, b in pairwise(bounds)][:-1])
    halves = sizes < 75
    # about 1,000 draws: 0.05 of them, with a standard deviation of 0.007
    assert 0.025 < halves.mean() < 0.08
    assert sizes[~halves].mean() == pytest.approx(100, abs=1)
    assert sizes[~halves].std() == pytest.approx(5, abs=0.7)
    assert sizes[halves].mean() == pytest.approx(50, abs=4)
    assert Windows(100, vary=0.05, seed=1).bounds(100_000, 0) == bounds
    assert Windows(100, vary=0.05, seed=2).bounds(100_000, 0) != bounds
    assert Windows(100, vary=0.05, seed=1).bounds(100_000, 1) != bounds  # each pass is cut anew


def same(a: Batch, b: Batch) -> bool:
    return (
        a.x.tolist() == b.x.tolist() and a.y.tolist() == b.y.tolist() and (a.advance, a.fresh) == (b.advance, b.fresh)
    )


@given(WINDOWS, st.integers(1, 40), st.integers(0, 60))
def test_a_batch_depends_on_its_step_alone(windows: Windows, length: int, step: int) -> None:
    stream = Streams.of(numbered(2 * length), 2)
    whole = list(islice(windows.endless(stream), step + 3))
    for a, b in zip(whole[step:], windows.endless(stream, step), strict=False):
        assert same(a, b)


def test_resets_stand_at_each_beginning() -> None:
    texts = ["ab\na\n", "b\n"]
    text = Numbered.of(texts, Characters.build(texts), "line")
    batches = list(Windows(3).one_pass(Streams.of(text, 1)))
    assert [b.resets.tolist() for b in batches] == [[[True, False, False]], [[True, False, True]], [[False]]]
    assert [len(b.x[0]) for b in batches] == [3, 3, 1]


# --- evaluation ----------------------------------------------------------------------------------


@given(st.integers(1, 90), st.integers(1, 6), st.integers(1, 20), st.integers(0, 12))
def test_held_out_counts_each_symbol_once(length: int, rows: int, window: int, before: int) -> None:
    seen: list[int] = []
    for b in held_out(numbered(length), rows, window, before):
        known = b.y != IGNORED
        assert ((b.y == b.x + 1) | ~known).all()
        seen += b.y[known].tolist()
    assert sorted(seen) == list(range(1, length + 1))


@given(st.integers(1, 90), st.integers(1, 6), st.integers(1, 20), st.integers(0, 12))
def test_held_out_rows_read_what_stands_before(length: int, rows: int, window: int, before: int) -> None:
    """What a row has read when its first symbol counts: `before` symbols of the text, or all from the beginning."""
    batches = list(held_out(numbered(length), rows, window, before))
    assert [b.fresh for b in batches] == [True] + [False] * (len(batches) - 1)
    x, y = (torch.cat([getattr(b, name) for b in batches], 1) for name in ("x", "y"))
    resets = torch.cat([b.resets for b in batches], 1)
    for row in range(len(x)):
        known = (y[row] != IGNORED).nonzero().flatten().tolist()
        if not known:
            continue
        first = known[0]
        begin = max([0, *(resets[row, : first + 1].nonzero().flatten().tolist())])
        read = x[row, begin : first + 1].tolist()
        assert read == list(range(read[0], read[-1] + 1))
        assert read[0] == 0 or len(read) == before + 1


@given(st.lists(LETTERS, min_size=1, max_size=4), st.sampled_from(DOCUMENTS), st.integers(1, 4), st.integers(0, 5))
def test_held_out_begins_each_document_anew(texts: list[str], documents: str, rows: int, before: int) -> None:
    text = Numbered.of(texts, vocab_of(), documents)
    wanted = {0} | ({int(n) for n in np.flatnonzero(text.starts)} if text.starts is not None else set())
    place = Numbered(np.arange(len(text.symbols)), text.starts)  # the same, its symbols saying where they stand
    for b in held_out(place, rows, 7, before):
        for x, reset in zip(b.x[b.y != IGNORED].tolist(), b.resets[b.y != IGNORED].tolist(), strict=True):
            assert reset == (x in wanted)
