"""Image captions: data, the captioner, several different sentences, the quantised network, the small encoder, use."""

from __future__ import annotations

import gzip
import io
import json
import os
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from rondo.cli.app import app
from rondo.data.batch import IGNORED
from rondo.data.registry import DataSetError
from rondo.data.vocab import Characters
from rondo.files import FileError
from rondo.models.store import load_model, save_model
from rondo.search.beam import beam
from rondo.search.greedy import greedy
from rondo.tasks.captions import data, encoder, eye, nearest, tflite
from rondo.tasks.captions import train as task
from rondo.tasks.captions.config import CaptionsConfig
from rondo.tasks.captions.data import CaptionError, Pictures, Record, plain, pooled, read, sentences_batch, vocabulary
from rondo.tasks.captions.describer import Describer, Pair, describe
from rondo.tasks.captions.evaluate import evaluate
from rondo.tasks.captions.flatbuffer import FlatError
from rondo.tasks.captions.model import Captioner
from rondo.tasks.captions.request import CaptionsRequest, captions_request
from rondo.tasks.captions.write import chosen, log_probabilities, write

pytest.importorskip("PIL", reason="reading pictures needs Pillow: pip install rondo[captions]")
from PIL import Image

CLOSE = {"rtol": 1e-4, "atol": 1e-5}
SENTENCES = {
    "a": ["一只狗在草地上奔跑。", "草地上的狗。", "狗在跑。", "棕色的狗。", "奔跑的狗。"],
    "b": ["海边的孩子。", "一个孩子在海边玩。", "孩子在沙滩上。", "玩水的孩子。", "海滩上的小孩。"],
    "c": ["一个人在滑雪。", "滑雪的人。", "雪地上的人。", "有人滑雪。", "一个人从雪坡上滑下。"],
}
SHARED = Path(os.environ.get("RONDO_DATA", Path(__file__).parents[2] / "shared" / "data")) / "flickr8k-cn"


def captioner(symbols: int = 12, features: int = 6, seed: int = 0, **options: Any) -> Captioner:
    torch.manual_seed(seed)
    model = Captioner("gru", symbols, features, 7, embed=5, width=4, end=symbols - 1, **options)
    for p in model.parameters():
        torch.nn.init.uniform_(p, -0.9, 0.9)
    return model.eval()


def picture(colour: tuple[int, int, int], side: int = 24) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (side, side), colour).save(file, "JPEG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data set of three pictures, the same to train on and to validate with."""
    own = tmp_path / "data" / "flickr8k-cn"
    own.mkdir(parents=True)
    for part in ("train", "valid"):
        rows = [json.dumps({"id": k, "zh": s, "en": ["A"]}, ensure_ascii=False) for k, s in SENTENCES.items()]
        (own / f"{part}.jsonl.gz").write_bytes(gzip.compress("\n".join(rows).encode()))
        values = np.zeros((3, data.FEATURES), np.uint8)
        values[[0, 1, 2], [5, 6, 7]] = 200
        file = io.BytesIO()
        np.save(file, values)
        (own / f"{part}_mobilenetv2.npy.gz").write_bytes(gzip.compress(file.getvalue()))
        with tarfile.open(own / f"{part}_images.tar", "w") as archive:
            for name, colour in zip("abc", ((40, 160, 40), (60, 90, 200), (250, 250, 255)), strict=True):
                content = picture(colour)
                info = tarfile.TarInfo(f"{name}.jpg")
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return own


# ---------------------------------------------------------------- data


def test_records_are_read_without_their_full_stop(folder: Path) -> None:
    records = read(folder / "train.jsonl.gz")
    assert [r.id for r in records] == ["a", "b", "c"]
    assert records[0].sentences[:2] == ("一只狗在草地上奔跑", "草地上的狗")
    assert plain(" 一个 人。\n") == "一个人"
    assert pooled(folder / "train.jsonl.gz", 3).shape == (3, 1280)
    assert [len(p) > 100 for p in data.pictures(folder / "train.jsonl.gz", records)] == [True] * 3


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("", "no record"),
        ('{"id": "a", "zh": []}', "no sentence"),
        ('{"id": "a", "zh": 3}', "list of texts"),
        ("[", "not JSON"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path: Path, rows: str, said: str) -> None:
    (tmp_path / "x.jsonl").write_text(rows)
    with pytest.raises(ValueError, match=said):
        read(tmp_path / "x.jsonl")


def test_features_and_pictures_that_do_not_fit_are_refused(folder: Path) -> None:
    path = folder / "train.jsonl.gz"
    with pytest.raises(CaptionError, match=r"expected bytes \[4, 1280\]"):
        pooled(path, 4)
    with pytest.raises(CaptionError, match=r"no picture d\.jpg"):
        list(data.pictures(path, [Record("d", ("一",))]))
    for name in ("train_mobilenetv2.npy.gz", "train_images.tar"):
        (folder / name).write_bytes((folder / name).read_bytes()[:60])
    with pytest.raises(CaptionError, match="damaged"):
        pooled(path, 3)
    with pytest.raises((CaptionError, FileError), match=r"damaged|no picture"):
        list(data.pictures(path, read(path)))
    (folder / "train_mobilenetv2.npy.gz").unlink()
    with pytest.raises(CaptionError, match="missing"):
        pooled(path, 3)


def test_batches_hold_whole_sentences_and_depend_on_seed_and_step_alone(folder: Path) -> None:
    records = read(folder / "train.jsonl.gz")
    vocab = vocabulary(records, 1)
    two = np.zeros((3, 1, 1280), np.uint8), np.ones((3, 49, 1280), np.uint8)
    own = Pictures(records, vocab, two)
    batch = own.batch([2, 0])
    assert batch.x.shape == batch.labels.shape == (2, 5, 10)
    for p, name in enumerate("ca"):
        for s, sentence in enumerate(SENTENCES[name]):
            y = batch.labels[p, s]
            kept = y[y != IGNORED].tolist()
            assert vocab.decode(kept) == plain(sentence) + "\n"
            assert batch.x[p, s, : len(kept)].tolist() == [own.end, *kept[:-1]]
    stream = data.batches(own, 2, seed=3)
    whole = [next(stream) for _ in range(6)]
    later = next(data.batches(own, 2, seed=3, step=5))
    torch.testing.assert_close(whole[5].x, later.x, rtol=0, atol=0)
    assert {b.condition.shape[1] for b in whole if b.condition is not None} == {1, 49}
    assert sum(len(b.x) for b in data.one_pass(own, 2)) == 3


def test_the_nearest_picture() -> None:
    own = np.zeros((3, 1, 4), np.uint8)
    own[[0, 1, 2], 0, [0, 1, 2]] = 100
    others = np.zeros((2, 2, 4), np.uint8)
    others[0, :, 2], others[1, 0, 1], others[1, 1, 0] = 50, 90, 40
    assert nearest.places(own, others) == [2, 1]


# ---------------------------------------------------------------- the captioner


@pytest.mark.parametrize("places", [1, 9])
def test_step_by_step_is_the_whole(places: int) -> None:
    model, features = captioner(), torch.rand(3, places, 6)
    x = torch.randint(0, 12, (3, 6))
    o, weights, _ = model(x, model.seen(features))
    torch.testing.assert_close(weights.sum(2), torch.ones(3, 6), **CLOSE)
    predictor = model.predictor(features)
    state = predictor.start(3)
    for t in range(6):
        scores, state = predictor.step(x[:, t], state)
        torch.testing.assert_close(scores, model.head.log_probabilities(o[:, t]), **CLOSE)
        order = torch.tensor([1, 2, 0]) if t == 2 else torch.arange(3)
        state = predictor.select(state, order)
        if t == 2:
            x, features = x[order], features[order]
            o, _, _ = model(x, model.seen(features))


def test_the_loss_is_that_of_each_sentence_alone_and_padding_counts_nothing() -> None:
    model, features = captioner(), torch.rand(2, 4, 6)
    rows = [[np.array([1, 2, 3]), np.array([4])], [np.array([5, 6])]]
    x, y = sentences_batch(rows, model.end)
    batch = data.Batch(x, y, condition=features)
    loss = model.loss(batch)
    alone = 0.0
    for p, row in enumerate(rows):
        for sentence in row:
            one = data.Batch(*sentences_batch([[sentence]], model.end), condition=features[p : p + 1])
            alone += float(model.loss(one).nats)
    assert float(loss.nats) == pytest.approx(alone, rel=1e-5)
    assert loss.count == 4 + 2 + 3
    nats = model.nats(batch)
    assert float(nats.sum()) == pytest.approx(alone, rel=1e-5)
    assert bool((nats[y == IGNORED] == 0).all())
    wider = torch.nn.functional.pad(y, (0, 3), value=IGNORED)
    longer = torch.nn.functional.pad(x, (0, 3), value=model.end)
    assert float(model.loss(data.Batch(longer, wider, condition=features)).nats) == pytest.approx(alone, rel=1e-5)


def test_every_weight_has_a_gradient_and_the_picture_matters() -> None:
    model = captioner(feature_dropout=0.2, input_dropout=0.2, output_dropout=0.2, smoothing=0.1).train()
    x, y = sentences_batch([[np.array([1, 2, 3])], [np.array([4, 5])]], model.end)
    features = torch.rand(2, 4, 6, requires_grad=True)
    model.loss(data.Batch(x, y, condition=features)).total.backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())
    assert features.grad is not None
    assert bool((features.grad.abs().sum((1, 2)) > 0).all())


def test_features_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match=r"features are \[P, K, 6\]"):
        captioner().seen(torch.rand(2, 6))
    with pytest.raises(ValueError, match="end sign"):
        Captioner("gru", 3, 6, 4, embed=2, width=2, end=3)
    with pytest.raises(ValueError, match="features of P pictures"):
        captioner().loss(data.Batch(torch.zeros(1, 2, dtype=torch.long), torch.zeros(1, 2, dtype=torch.long)))


def test_searches_write_about_each_picture_as_about_it_alone() -> None:
    model, features = captioner(), torch.rand(3, 4, 6)
    together = beam(model.predictor(features), model.prime(3), 6, width=3, end=model.end)
    for k in range(3):
        alone = beam(model.predictor(features[k : k + 1]), model.prime(1), 6, width=3, end=model.end)
        assert alone.best()[0] == together.best()[k]
    twice = greedy(model.predictor(features), model.prime(6), 6, end=model.end).best()
    assert twice[::2] == twice[1::2] == greedy(model.predictor(features), model.prime(3), 6, end=model.end).best()
    with pytest.raises(ValueError, match="give each picture as many"):
        model.predictor(features).start(4)


def test_sentences_are_different_and_those_that_a_beam_and_draws_have_most_in_common() -> None:
    model, features = captioner(seed=3), torch.rand(4, 4, 6)
    found = write(model, features, 3, temperature=1.0)
    assert all(len({tuple(s) for s in own}) == 3 for own in found)
    assert all(len(s) > 0 and 0 not in s for own in found for s in own)
    for k in range(4):  # whatever stands beside it
        assert write(model, features[k : k + 1], 3, temperature=1.0) == [found[k]]
    assert write(model, features, 3, temperature=0.0)[0][0] == greedy_but_for_the_end(model, features)[0]


def greedy_but_for_the_end(model: Captioner, features: torch.Tensor) -> list[list[int]]:
    begins = torch.arange(12) != model.end
    return greedy(
        model.predictor(features), model.prime(len(features)), data.LONGEST, end=model.end, banned=[0],
        masks=[lambda prefixes, _: None if prefixes.shape[1] else begins[None]],
    ).best()  # fmt: skip


def test_what_most_drawn_sentences_share_is_told_first_and_another_after_it() -> None:
    often, near, other = [1, 2, 3, 4, 5], [1, 2, 3, 4, 6], [7, 8, 9, 7, 8]
    drawn = [often] * 4 + [near] * 3 + [other] * 3
    assert chosen([other], drawn, 2, apart=0.0) == [often, near]
    assert chosen([other], drawn, 2, apart=1.0) == [often, other]
    assert chosen([], [often], 3) == [often]  # there is no other


def test_the_models_own_probability_is_told() -> None:
    model, features = captioner(seed=3), torch.rand(4, 4, 6)
    first = beam(model.predictor(features), model.prime(4), data.LONGEST, width=4, end=model.end)
    logs = log_probabilities(model, features, first.best())
    told, ended = torch.tensor([sum(row) for row in logs]), first.finished[:, 0]
    assert bool(ended.any())
    torch.testing.assert_close(told[ended], first.log_probability[ended, 0].float(), rtol=1e-4, atol=1e-3)


def test_a_model_file_holds_all_of_it(tmp_path: Path) -> None:
    model, features = captioner(), torch.rand(2, 4, 6)
    save_model(tmp_path / "m.safetensors", model, {"task": "captions"})
    other, _ = load_model(tmp_path / "m.safetensors", Captioner)
    x = torch.randint(0, 12, (2, 5))
    torch.testing.assert_close(model(x, model.seen(features))[0], other(x, other.seen(features))[0], rtol=0, atol=0)


# ---------------------------------------------------------------- the quantised network


class Flat:
    """A writer of FlatBuffers, of what the reader reads: tables, numbers, vectors."""

    def __init__(self) -> None:
        self.out = bytearray(8)

    def file(self, node: dict[int, Any], identifier: bytes) -> bytes:
        self.out[4:8] = identifier
        struct.pack_into("<I", self.out, 0, self.put(node))
        return bytes(self.out)

    def put(self, node: Any) -> int:
        self.out += bytes(-len(self.out) % 8)
        if isinstance(node, dict):
            return self._table(node)
        if isinstance(node, list):
            place = len(self.out)
            self.out += struct.pack("<I", len(node)) + bytes(4 * len(node))
            self._links([(place + 4 + 4 * k, child) for k, child in enumerate(node)])
            return place
        array = np.asarray(node)
        if array.itemsize == 8:  # eight-byte numbers begin at a multiple of eight
            self.out += bytes(4)
        place = len(self.out)
        self.out += struct.pack("<I", len(array)) + array.tobytes()
        return place

    def _table(self, node: dict[int, Any]) -> int:
        count = max(node, default=-1) + 1
        vtable = len(self.out)
        self.out += bytes(4 + 2 * count + (-(4 + 2 * count)) % 4)
        place = len(self.out)
        self.out += struct.pack("<i", place - vtable) + bytes(4 * len(node))
        struct.pack_into("<HH", self.out, vtable, 4 + 2 * count, 4 + 4 * len(node))
        links = []
        for k, (field, value) in enumerate(node.items()):
            struct.pack_into("<H", self.out, vtable + 4 + 2 * field, 4 + 4 * k)
            if isinstance(value, int):
                struct.pack_into("<i", self.out, place + 4 + 4 * k, value)
            else:
                links.append((place + 4 + 4 * k, value))
        self._links(links)
        return place

    def _links(self, links: list[tuple[int, Any]]) -> None:
        for place, child in links:
            struct.pack_into("<I", self.out, place, self.put(child) - place)


def small_network(stride: int = 2) -> bytes:
    """A convolution, a depthwise one, an addition and a mean, quantised; side 8."""
    random = np.random.default_rng(0)
    weights = [random.integers(0, 255, (4, 3, 3, 3), np.uint8), random.integers(0, 255, (1, 3, 3, 4), np.uint8)]
    biases = [random.integers(-900, 900, 4, np.int32), random.integers(-900, 900, 4, np.int32)]
    buffers = [{}, *({0: v.reshape(-1).view(np.uint8)} for v in (weights[0], biases[0], weights[1], biases[1]))]

    def tensor(shape: list[int], buffer: int, scale: float, zero: int, kind: int = 3) -> dict[int, Any]:
        quantised = {2: np.array([scale], np.float32), 3: np.array([zero], np.int64)}
        return {0: np.array(shape, np.int32), 1: kind, 2: buffer, 4: quantised}

    side = -(-8 // stride)
    tensors = [
        tensor([1, 8, 8, 3], 0, 1 / 127.5, 128),
        tensor([4, 3, 3, 3], 1, 0.01, 120),
        tensor([4], 2, 0.01 / 127.5, 0, 2),
        tensor([1, side, side, 4], 0, 0.02, 0),
        tensor([1, 3, 3, 4], 3, 0.01, 130),
        tensor([4], 4, 0.0002, 0, 2),
        tensor([1, side, side, 4], 0, 0.05, 110),
        tensor([1, side, side, 4], 0, 0.06, 100),
        tensor([1, 1, 1, 4], 0, 0.06, 100),
    ]

    def operator(code: int, inputs: list[int], output: int, options: dict[int, int] | None) -> dict[int, Any]:
        own: dict[int, Any] = {0: code, 1: np.array(inputs, np.int32), 2: np.array([output], np.int32)}
        return own if options is None else own | {4: options}

    steps = [
        operator(0, [0, 1, 2], 3, {0: 0, 1: stride, 2: stride}),
        operator(1, [3, 4, 5], 6, {0: 0, 1: 1, 2: 1}),
        operator(2, [6, 3], 7, None),
        operator(3, [7], 8, {0: 1, 1: 1, 2: 1}),
    ]
    graph = {0: tensors, 1: np.array([0], np.int32), 2: np.array([8], np.int32), 3: steps}
    codes = [{0: kind} for kind in (tflite.CONV, tflite.DEPTHWISE, tflite.ADD, tflite.AVERAGE_POOL)]
    return Flat().file({0: 3, 1: codes, 2: [graph], 4: buffers}, b"TFL3")


def written(tmp_path: Path, content: bytes) -> Path:
    (tmp_path / "net.tflite").write_bytes(content)
    return tmp_path / "net.tflite"


@pytest.mark.parametrize("stride", [1, 2])
def test_a_quantised_network_by_hand(tmp_path: Path, stride: int) -> None:
    """Every place added up in loops, in float64, from the bytes."""
    net = tflite.read_network(written(tmp_path, small_network(stride)))
    x = np.random.default_rng(1).integers(0, 255, (8, 8, 3), np.uint8)
    found = net(torch.from_numpy(x).permute(2, 0, 1).unsqueeze(0))[0].permute(1, 2, 0).numpy()
    values = [None if t.values is None else t.values.astype(np.float64) for t in net.tensors]

    def clamped(v: np.ndarray, k: int) -> np.ndarray:
        return v.clip(net.tensors[k].low, net.tensors[k].high)

    real = (x.astype(np.float64) - 128) / 127.5
    first = clamped(convolved(real, values[1], values[2], stride), 3)
    second = clamped(convolved(first, values[4], values[5], 1, depthwise=True), 6)
    np.testing.assert_allclose(found, clamped(second + first, 7), atol=1e-4)
    assert net.quantised(torch.from_numpy(found)).dtype is torch.uint8


def convolved(x: np.ndarray, w: Any, b: Any, stride: int, depthwise: bool = False) -> np.ndarray:
    """[H, W, C] by [O, 3, 3, C], "same" as TensorFlow has it."""
    size = x.shape[0]
    out = -(-size // stride)
    before = max((out - 1) * stride + 3 - size, 0) // 2
    found = np.zeros((out, out, 4))
    for i in range(out):
        for j in range(out):
            total = b.copy()
            for di in range(3):
                for dj in range(3):
                    r, c = i * stride + di - before, j * stride + dj - before
                    if 0 <= r < size and 0 <= c < size:
                        total = total + (x[r, c] * w[0, di, dj] if depthwise else w[:, di, dj] @ x[r, c])
            found[i, j] = total
    return found


def test_damaged_networks_are_refused(tmp_path: Path) -> None:
    whole = small_network()
    for size in (0, 7, 40, len(whole) // 3, len(whole) - 400):
        with pytest.raises(FlatError):
            tflite.read_network(written(tmp_path, whole[:size]))
    with pytest.raises(FlatError, match="kind TFL3"):
        tflite.read_network(written(tmp_path, bytes(4) + b"XXXX" + whole[8:]))
    random = np.random.default_rng(2)
    for _ in range(150):
        content = bytearray(whole)
        for place in random.integers(0, len(content), 3):
            content[place] = int(random.integers(0, 256))
        try:
            net = tflite.read_network(written(tmp_path, bytes(content)))
        except FileError:
            continue
        assert isinstance(net, tflite.QuantisedNetwork)


def test_the_encoder_is_taken_only_with_the_right_checksum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(encoder, "cache_folder", lambda: tmp_path / "cache")
    with pytest.raises(CaptionError, match="rondo captions fetch"):
        encoder.Encoder.load()
    wrong = written(tmp_path, small_network())
    with pytest.raises(FileError, match="SHA-256"):
        encoder.fetch(wrong)
    assert not encoder.available()
    with pytest.raises(DataSetError, match="--from"):
        encoder.fetch(base="http://127.0.0.1:9")
    import hashlib

    monkeypatch.setattr(encoder, "ENCODER_SHA256", hashlib.sha256(wrong.read_bytes()).hexdigest())
    assert encoder.fetch(wrong) == encoder.home()
    assert encoder.available()
    assert isinstance(encoder.Encoder.load(), encoder.Encoder)


@pytest.mark.skipif(not (SHARED / encoder.FILE).is_file(), reason="the encoder's file is not here")
def test_the_real_encoder_against_the_given_features() -> None:
    """The pictures here are smaller than those that the features were made from: near, not equal."""
    records = read(SHARED / "valid.jsonl.gz")[:4]
    wanted = data.real(pooled(SHARED / "valid.jsonl.gz", 1000)[:4])
    pixels = [encoder.read_picture(p) for p in data.pictures(SHARED / "valid.jsonl.gz", records)]
    found = encoder.Encoder.load(SHARED / encoder.FILE)(pixels)
    assert found.shape == (4, 49, 1280)
    near = torch.nn.functional.cosine_similarity(found.mean(1), wanted)
    others = torch.nn.functional.cosine_similarity(found.mean(1), wanted.roll(1, 0))
    assert bool((near > 0.6).all())
    assert bool((near > others + 0.1).all())


# ---------------------------------------------------------------- the small encoder


def small_eye(seed: int = 0) -> eye.Eye:
    torch.manual_seed(seed)
    return eye.Eye("gru", 2, 3).eval()


def test_the_eye_sees_each_picture_alone_and_its_file_holds_it(tmp_path: Path) -> None:
    model = small_eye()
    for block in model.modules():  # running means that are not those of fresh weights
        if isinstance(block, torch.nn.BatchNorm2d):
            torch.nn.init.uniform_(block.running_mean, -0.1, 0.1)  # type: ignore[arg-type]
    x = torch.randint(0, 255, (2, 3, 56, 56), dtype=torch.uint8)
    with torch.no_grad():
        found = model(x)
        assert found.shape == (2, 49, 1280)
        torch.testing.assert_close(found[1:], model(x[1:]), **CLOSE)
        save_model(tmp_path / "m.safetensors", model, {"task": "captions"})
        torch.testing.assert_close(eye.load_eye(tmp_path / "m.safetensors")(x), found, rtol=0, atol=0)


def test_the_eye_reads_rows_from_above_and_columns_from_the_left() -> None:
    """A place of the grid answers to what stands at its place of the picture."""
    model = small_eye()
    for rnn in (model.rows, model.columns):  # without what goes along rows and columns
        for p in rnn.parameters():
            torch.nn.init.zeros_(p)
    with torch.no_grad():
        model.last.weight[:, -8:] = 0  # nor what is seen of the whole
    x = torch.full((2, 3, 56, 56), 128, dtype=torch.uint8)
    x[1, :, 8:16, 40:48] = 255  # row 1, column 5
    with torch.no_grad():
        one, two = model(x)
    changed = (one - two).abs().sum(1).view(7, 7)
    row, column = divmod(int(changed.argmax()), 7)
    assert abs(row - 1) <= 1
    assert abs(column - 5) <= 1  # convolutions look a little over the edge of a place
    assert float(changed[5:].sum() + changed[:, :2].sum()) == pytest.approx(0, abs=1e-6)


def test_training_begins_with_the_least_squares() -> None:
    """No other last layer has a smaller squared error before the relu; so its gradient is zero there."""
    random = np.random.default_rng(0)
    x = random.integers(0, 255, (6, 3, 56, 56), np.uint8)
    own = eye.Lessons(x, random.integers(0, 40, (6, 49, 1280), np.uint8), np.zeros((6, 1280), np.uint8))
    model = eye.begin(small_eye(), own, ridge=0.0).eval()
    batch = own.batch(range(6), [False] * 6)
    read = model.seen(batch.x).flatten(0, 1).double()
    error = model.last.double()(read) - batch.labels.flatten(0, 1)
    slopes = read.T @ error / len(read)
    assert float(slopes.detach().abs().max()) < 0.02 * float(batch.labels.mean())
    assert float(error.detach().mean(0).abs().max()) < 0.01


def test_lessons_in_a_mirror() -> None:
    x = np.random.default_rng(0).integers(0, 255, (2, 3, 56, 56), np.uint8)
    places = np.random.default_rng(1).integers(0, 255, (2, 49, 1280), np.uint8)
    own = eye.Lessons(x, places, np.zeros((2, 1280), np.uint8))
    plain_batch, turned = own.batch([0, 1], [False, False]), own.batch([0, 1], [True, False])
    torch.testing.assert_close(turned.x[0], plain_batch.x[0].flip(2), rtol=0, atol=0)
    torch.testing.assert_close(
        turned.labels[0].view(7, 7, -1), plain_batch.labels[0].view(7, 7, -1).flip(1), rtol=0, atol=0
    )
    torch.testing.assert_close(turned.labels[1], plain_batch.labels[1], rtol=0, atol=0)


# ---------------------------------------------------------------- the whole way


TINY = {"hidden": 8, "embed": 6, "width": 5, "pictures": 2, "vocab_least": 1, "warmup": 1, "log_every": 1}


def test_from_data_to_sentences(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        task, "grids", lambda path, records, say=print: np.repeat(pooled(path, len(records))[:, np.newaxis], 49, 1)
    )
    monkeypatch.setattr("rondo.tasks.captions.evaluate.grids", lambda path, records: task.grids(path, records))
    config = CaptionsConfig(eye="none", steps=4, valid_every=2, precision="float32", **TINY)  # type: ignore[arg-type]
    run = task.train(folder.parent, config, tmp_path / "run")
    assert task.resume(run.folder).folder == run.folder
    found = evaluate(run.folder, folder / "valid.jsonl.gz")
    assert set(found) - {"own"} == {"pictures", "given", "grid", "one_sentence", "nearest", "human"}
    assert found["nearest"]["bleu_4"] == 100  # the pictures are those of training
    assert 0 <= found["given"]["cider_d"] <= 1000
    assert json.loads(json.dumps(found)) == found
    rewarded = CaptionsConfig(eye="none", steps=2, samples=2, after=str(run.folder), precision="float32", **TINY)  # type: ignore[arg-type]
    second = task.train(folder.parent, rewarded, tmp_path / "second")
    assert second.config.samples == 2
    assert set(evaluate(second.folder, folder / "valid.jsonl.gz")) == set(found)


def test_the_eye_and_what_writes_from_it(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def made(path: Path, records: Any, say: Any = print) -> np.ndarray:
        return np.repeat(pooled(path, len(records))[:, np.newaxis], 49, 1)

    monkeypatch.setattr(eye, "grids", made)
    settings = {"pictures": 2, "warmup": 1, "log_every": 1, "valid_every": 1, "precision": "float32"}
    small = CaptionsConfig(kind="eye", cell="gru", channels=2, hidden=3, steps=2, **settings)  # type: ignore[arg-type]
    seen = task.train(folder.parent, small, tmp_path / "eye")
    assert -1 <= evaluate(seen.folder, folder / "valid.jsonl.gz")["cosine_whole"] <= 1
    own = CaptionsConfig(reading="own", eye=str(seen.folder), steps=2, **{**TINY, **settings})  # type: ignore[arg-type]
    run = task.train(folder.parent, own, tmp_path / "own")
    assert "own" in evaluate(run.folder, folder / "valid.jsonl.gz")
    monkeypatch.setattr(encoder, "available", lambda: False)
    describer = Describer.load(own=run.folder, eye=seen.folder)
    answer = describer(np.zeros((30, 50, 3), np.uint8), CaptionsRequest(count=2, beam=2))
    assert (answer.encoder, answer.width, answer.height, answer.side) == ("own", 50, 30, 7)
    assert answer.notes
    monkeypatch.setattr(encoder, "home", lambda: tmp_path / "none")
    with pytest.raises(CaptionError, match="fetched"):
        describer(np.zeros((30, 50, 3), np.uint8), CaptionsRequest(encoder="fetched"))


def test_a_missing_data_set_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match="--data"):
        task.train(tmp_path, CaptionsConfig(), tmp_path / "run")


def test_sentences_with_their_characters() -> None:
    vocab = Characters(["\ufffd", *"一二三四五六七八九十", "\n"])
    model, features = captioner(), torch.rand(1, 49, 6)
    pair = Pair(lambda pixels: features, model, vocab, pooled=False)
    found = describe(pair, features, CaptionsRequest(count=3, beam=3))
    assert 1 <= len(found) <= 3
    assert len({s.text for s in found}) == len(found)
    for sentence in found:
        assert "".join(c.text for c in sentence.characters) == sentence.text
        assert all(0 < c.p <= 1 and abs(sum(c.weights) - 1) < 0.01 for c in sentence.characters)
        assert 0 < sentence.p <= 1


def test_requests_are_checked() -> None:
    for wrong, said in (
        ({"count": 0}, "count"),
        ({"beam": 99}, "beam"),
        ({"encoder": "x"}, "encoder"),
        ({"y": 1}, "y"),
    ):
        with pytest.raises(CaptionError, match=said):
            captions_request(**wrong)


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"window": 3}, {"reading": "x"}, {"kind": "x"}, {"smoothing": 1.0}, {"hidden": 0}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            CaptionsConfig(**wrong)  # type: ignore[arg-type]


def test_the_command_tells_what_is_wrong_with_a_picture(tmp_path: Path) -> None:
    (tmp_path / "x.jpg").write_bytes(b"no picture")
    result = CliRunner().invoke(app, ["caption", str(tmp_path / "x.jpg")])
    assert result.exit_code != 0
    assert "no picture that can be read" in str(result.exception)
