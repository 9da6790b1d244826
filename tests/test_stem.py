"""Stem: each layer by its formula, a row alone and beside others, and the shapes with a stem in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from rondo.data.batch import IGNORED, Batch
from rondo.models.classifier import Classifier
from rondo.models.stem import Stem
from rondo.models.store import load_model, save_model
from rondo.models.tagger import Tagger

F64 = torch.float64
EXACT = {"rtol": 0, "atol": 1e-12}  # float64, a few steps: only the order of summation may differ


def vectors(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=F64)


def plain(stem: Stem, x: Tensor) -> Tensor:
    """The formula for one row [T, n], one number after the other."""
    for layer, own in zip(stem.layers, stem.settings, strict=True):
        left = own["width"] - 1 if stem.causal else (own["width"] - 1) // 2
        rows = []
        for t in range(0, len(x), own["stride"]):
            z = layer.bias.clone()
            for k in range(own["width"]):
                at = t + k - left
                if 0 <= at < len(x):
                    z = z + layer.weight[:, :, k] @ x[at]
            rows.append(z.relu())
        groups = [rows[i : i + own["pool"]] for i in range(0, len(rows), own["pool"])]
        x = torch.stack([torch.stack(group).amax(0) for group in groups])
    return x


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize(
    "layers",
    [
        [{"channels": 3, "width": 1}],
        [{"channels": 3, "width": 4}],
        [{"channels": 3, "width": 5, "stride": 2}, {"channels": 2, "width": 3, "pool": 3}],
    ],
)
@pytest.mark.parametrize("steps", [1, 2, 7])
def test_the_formula(layers: list[dict[str, int]], causal: bool, steps: int) -> None:
    torch.manual_seed(0)
    stem, x = Stem(4, layers, causal).to(F64), vectors(1, steps, 4)
    got, _ = stem(x)
    torch.testing.assert_close(got[0], plain(stem, x[0]), **EXACT)


@given(
    lengths=st.lists(st.integers(0, 9), min_size=1, max_size=4),
    width=st.integers(1, 6),
    stride=st.integers(1, 3),
    pool=st.integers(1, 4),
    causal=st.booleans(),
)
def test_a_row_alone_and_beside_longer_ones(
    lengths: list[int], width: int, stride: int, pool: int, causal: bool
) -> None:
    torch.manual_seed(0)
    layers = [{"channels": 3, "width": width, "stride": stride}, {"channels": 2, "width": width, "pool": pool}]
    stem, x = Stem(2, layers, causal).to(F64), vectors(len(lengths), max(*lengths, 1), 2)
    alive = torch.arange(x.shape[1]) < torch.tensor(lengths).unsqueeze(1)
    got, left = stem(x.where(alive.unsqueeze(2), torch.nan), torch.tensor(lengths))
    assert left is not None
    assert torch.equal(left, stem.steps(torch.tensor(lengths)))
    for row, n in enumerate(lengths):
        if n:
            alone, _ = stem(x[row : row + 1, :n])
            torch.testing.assert_close(got[row, : int(left[row])], alone[0], **EXACT)


def test_a_causal_stem_reads_nothing_that_comes_later() -> None:
    torch.manual_seed(0)
    stem, x = Stem(2, [{"channels": 3, "width": 4}, {"channels": 3, "width": 3}], causal=True).to(F64), vectors(1, 9, 2)
    whole, _ = stem(x)
    for t in range(1, 9):
        torch.testing.assert_close(stem(x[:, :t])[0], whole[:, :t], **EXACT)


STEM = [{"channels": 6, "width": 3, "pool": 2}, {"channels": 4, "width": 3}]


@pytest.mark.parametrize("head", ["crf", "ctc", "softmax"])
def test_a_tagger_with_a_stem_padded_and_alone(head: str) -> None:
    torch.manual_seed(0)
    model = Tagger("gru", 5, 4, 3, head=head, stem=STEM, bidirectional=True).to(F64).eval()
    lengths = [9, 5, 4]
    x = vectors(3, 9, 5)
    x = x.where((torch.arange(9) < torch.tensor(lengths).unsqueeze(1)).unsqueeze(2), torch.nan)
    if head == "ctc":
        y, targets = torch.tensor([[1, 2], [3, IGNORED], [1, IGNORED]]), torch.tensor([2, 1, 1])
    else:
        y, targets = torch.tensor([[0, 1, 2, 3, 1], [2, 1, 0, -7, -7], [1, 3, -7, -7, -7]]), None
    batch = Batch(x, y, torch.tensor(lengths), targets)
    alone = []
    for row, (n, left) in enumerate(zip(lengths, (5, 3, 2), strict=True)):
        own = y[row : row + 1, : int(targets[row])] if targets is not None else y[row : row + 1, :left]
        alone.append(model.loss(Batch(x[row : row + 1, :n], own)).total)
        p = model.predict(x[row : row + 1, :n])
        torch.testing.assert_close(model.predict(x, torch.tensor(lengths))[row, :left], p[0], **EXACT)
    torch.testing.assert_close(model.loss(batch).total, torch.stack(alone).sum(), **EXACT)


def test_symbols_into_a_stem_are_one_hot_or_embedded() -> None:
    torch.manual_seed(0)
    x = torch.tensor([[0, 3, 1, 2, 2]])
    model = Classifier("gru", 4, 2, 3, stem=STEM, pooling="max").to(F64)
    hot = torch.nn.functional.one_hot(x, 4).to(F64)
    torch.testing.assert_close(model(x), model(hot), **EXACT)
    embedded = Classifier("gru", 4, 2, 3, embed=5, stem=STEM).to(F64)
    assert embedded(x).shape == (1, 2)


def test_a_stem_travels_in_a_model_file(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = Classifier("gru", 4, 2, 3, stem=STEM, causal=True, pooling="mean").eval()
    save_model(tmp_path / "m.safetensors", model, {})
    again, about = load_model(tmp_path / "m.safetensors")
    assert about["arguments"]["stem"] == STEM
    x = torch.tensor([[0, 3, 1, 2, 2]])
    assert torch.equal(model(x), again(x))


@pytest.mark.parametrize(
    ("layers", "message"),
    [
        ([{"width": 3}], "needs channels"),
        ([{"channels": 3, "widht": 3}], "no setting 'widht'.*width"),
        ([{"channels": 0}], "channels of a stem's layer must be a positive whole number, found 0"),
        ([{"channels": 3, "stride": 1.5}], "stride of a stem's layer must be a positive whole number, found 1.5"),
    ],
)
def test_stems_that_do_not_fit(layers: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Stem(2, layers)


def test_what_a_stem_has_not() -> None:
    model = Tagger("gru", 5, 4, 3, stem=STEM)
    with pytest.raises(ValueError, match="a stem reads several steps for one"):
        model.stepper()
    with pytest.raises(ValueError, match="a stem reads whole sequences"):
        model(torch.zeros(1, 4, 5), state=model.body.rnn.start(1))
