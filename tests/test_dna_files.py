"""DNA on the command line: promoters along files, tracks, variants; proteins and their baseline."""

from __future__ import annotations

import gzip
import json
import re
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.cli import main
from rondo.models.store import load_task, save_model
from rondo.tasks.dna import scan
from rondo.tasks.dna.config import TASKS, DnaConfig
from rondo.tasks.dna.data import SPANS, STRUCTURES, Record
from rondo.tasks.dna.effects import effect_map, effects
from rondo.tasks.dna.evaluate import evaluate
from rondo.tasks.dna.kmers import Kmers, counts
from rondo.tasks.dna.letters import AMINO, DnaError, bases, reverse_complement
from rondo.tasks.dna.marker import Marker
from rondo.tasks.dna.model import GeneModel
from rondo.tasks.dna.promoter import PromoterModel
from rondo.tasks.dna.protein import Folder, protein_request
from rondo.tasks.dna.request import EffectsRequest, dna_request
from rondo.tasks.dna.scan import Scan
from rondo.tasks.dna.train import build, train
from rondo.tasks.dna.window import REACH, Window, around

LECTURE = "AGCCCCTGTGAGGAACTAG"


def drawn(size: int, seed: int = 1, letters: str = "ACGT") -> str:
    return "".join(np.random.default_rng(seed).choice(list(letters), size))


def promoter_model() -> PromoterModel:
    torch.manual_seed(3)
    model = build(DnaConfig(kind="promoters", hidden=3, channels=4, width=5, pool=8))
    assert isinstance(model, PromoterModel)
    for p in model.parameters():
        torch.nn.init.uniform_(p, -1.5, 1.5)
    return model.eval()


PROMOTERS = promoter_model()


@pytest.fixture
def files(tmp_path: Path) -> Path:
    """Model files of both kinds, untrained."""
    torch.manual_seed(0)
    genes = GeneModel("gru", 6, stem=[{"channels": 5, "width": 4}])
    save_model(tmp_path / "genes.safetensors", genes, {"task": "dna", "sequences": "splice", "bags": {}})
    save_model(tmp_path / "tss.safetensors", PROMOTERS, {"task": "dna", "sequences": "promoters", "bags": {}})
    return tmp_path


Command = Callable[..., tuple[int, str, str]]


@pytest.fixture
def rondo(files: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """Call `rondo` in this process, in the folder of the models: its exit code, what it printed, what it complained."""
    monkeypatch.chdir(files)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["rondo", *arguments])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return int(ended.value.code or 0), printed.out, printed.err

    return call


GENES = ("--model", "genes.safetensors", "--promoters", "none")

# ---------------------------------------------------------------- promoters along a sequence


def in_parts(sequence: str, size: int, least: float) -> list[str]:
    found, lines = Scan(PROMOTERS, "x", least), []
    for k in range(0, max(1, len(sequence)), size):
        lines += found.feed(sequence[k : k + size], k + size >= len(sequence))
    return sorted(lines)


@given(st.integers(0, 700), st.integers(1, 400))
@settings(max_examples=15, deadline=None)
def test_promoters_are_the_same_whatever_the_parts(size: int, part: int) -> None:
    sequence = drawn(size) if size else ""
    assert in_parts(sequence, part, 0.5) == in_parts(sequence, 10_000, 0.5)


def test_of_windows_that_overlap_the_likeliest_counts() -> None:
    sequence = drawn(700)
    rows = [line.split("\t") for line in in_parts(sequence, 100, 0.0)]
    for k, task in enumerate(TASKS):
        own = sorted((int(r[1]), int(r[2]), int(r[4])) for r in rows if r[3] == f"promoter_{task}")
        # from 0 on all windows overlap: one is written, and it is the one that the marker names
        best = next(p for p in scan.likeliest(PROMOTERS, bases(sequence)) if p.task == task)
        assert own == [(best.start, best.end, round(1000 * best.p))]
        assert best.end - best.start == SPANS[k]


def test_both_strands_hold_the_same_promoters() -> None:
    one, two = (scan.likeliest(PROMOTERS, bases(s)) for s in (drawn(251), reverse_complement(drawn(251))))
    one, two = ([p for p in own if p.end - p.start == 251] for own in (one, two))
    assert {p.task: pytest.approx(p.p, abs=1e-5) for p in one} == {p.task: p.p for p in two}
    assert [p.strand for p in one] == [{"+": "-", "-": "+"}[p.strand] for p in two]


def test_what_is_too_short_for_promoters_is_said() -> None:
    marker = Marker(GeneModel("gru", 4).eval(), PROMOTERS)
    for size, found, said in ((19, 0, True), (80, 0, True), (81, 2, True), (250, 2, True), (251, 5, False)):
        response = marker(dna_request(sequence=drawn(size)))
        assert len(response.promoters) == found
        assert any("promoter" in note and "too short to say" in note for note in response.notes) == said
    assert not Marker(marker.model)(dna_request(sequence=drawn(300))).promoters


@given(st.text(alphabet="ACGTN", max_size=60))
def test_k_mers_are_counted_by_hand_and_on_both_strands(sequence: str) -> None:
    found = counts([sequence, reverse_complement(sequence)]).expm1()
    torch.testing.assert_close(found[0], found[1], rtol=0, atol=1e-4)
    runs = [sequence[k : k + n] for n in (3, 4, 5, 6) for k in range(len(sequence) - n + 1)]
    pairs = Counter(min(r, reverse_complement(r)) for r in runs if "N" not in r)
    assert sorted(found[0][found[0] > 0.5].round().int().tolist()) == sorted(pairs.values())


def test_the_baseline_of_promoters_learns_a_word_on_either_strand() -> None:
    words = [drawn(60, k) for k in range(240)]
    rows = [(w[:30] + ("TATAAT", "ATTATA")[k % 4 // 2] * 2 + w[30:] if k % 2 else w) for k, w in enumerate(words)]
    kmers = Kmers.fit(rows[:160], [k % 2 for k in range(160)])
    again = Kmers.from_json(json.loads(json.dumps(kmers.to_json())))
    right = (again.scores(rows[160:]) > 0.5) == torch.tensor([k % 2 == 1 for k in range(80)])
    assert float(right.float().mean()) > 0.9
    with pytest.raises(DnaError, match="damaged"):
        Kmers.from_json({"weight": [1.0], "bias": 0.0})


def test_a_model_of_promoters_is_trained_and_measured_beside_its_baseline(tmp_path: Path) -> None:
    for part, seed, count in (("train", 1, 160), ("valid", 2, 40)):
        rows = []
        for k in range(count):
            sequence = drawn(81, 1000 * seed + k)
            body = sequence[:40] + "TATAAT" * 2 + sequence[52:] if k % 2 else sequence
            rows.append({"task": TASKS[3 + k // 2 % 2], "label": k % 2, "sequence": body})
        path = tmp_path / "dna-promoters" / f"{part}.jsonl.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))
    small = {"hidden": 8, "channels": 8, "width": 7, "steps": 150, "lr": 0.02, "warmup": 5, "valid_every": 30}
    config = DnaConfig(kind="promoters", rows=32, pool=4, shift=2, input_dropout=0.0, output_dropout=0.0, **small)
    run = train(tmp_path, config, tmp_path / "run")
    found = evaluate(run.folder, tmp_path / "dna-promoters" / "valid.jsonl.gz")
    assert min(found["correlation"], found["correlation_given_strand"]) > 0.8
    for task in TASKS[3:]:
        assert 0.5 < found[task]["correlation_kmers"] <= 1
        assert found[task]["given_strand"]["correlation"] > 0.7

    model = load_task(run.folder, "dna", PromoterModel, "model of promoters")[0]
    whole, turned = (scan.windows(model, bases(s), 81, [0]) for s in (body, reverse_complement(body)))
    assert float(whole[0, 0, 4]) > 0.5 > float(whole[1, 0, 4])  # it lies along the strand that it was shown on
    torch.testing.assert_close(whole.flip(0), turned, rtol=0, atol=1e-5)

    small |= {"only": "bacillus", "network": "cnn", "pool": 4, "lr": 0.003}
    run = train(tmp_path, DnaConfig(kind="promoters", rows=32, **small), tmp_path / "control")
    found = evaluate(run.folder, tmp_path / "dna-promoters" / "valid.jsonl.gz")
    assert found["sequences"] == 20
    assert found["correlation_given_strand"] == found["bacillus"]["given_strand"]["correlation"] > 0.7


# ---------------------------------------------------------------- effects


@given(st.integers(1, 80), st.data())
@settings(max_examples=10, deadline=None)
def test_effects_of_a_part_are_those_of_the_whole(size: int, data: st.DataObject) -> None:
    torch.manual_seed(0)
    model, x = GeneModel("gru", 4).eval(), bases(drawn(size, letters="ACGTN"))
    start = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(start, size))
    whole, found = effect_map(model, x), {}
    for places, rows in effects(model, x, start, end):
        found |= dict(zip(places, rows, strict=True))
    assert sorted(found) == list(range(start, end))
    for at, row in found.items():
        torch.testing.assert_close(row, whole[at], rtol=0, atol=1e-4)


@pytest.mark.parametrize(("start", "end"), [(4, 0), (0, 5), (3, 2)])
def test_a_part_lies_in_its_sequence(start: int, end: int) -> None:
    with pytest.raises(ValueError, match="is a piece of at most 600 of the 4 bases"):
        EffectsRequest(sequence="ACGT", start=start, end=end)
    assert EffectsRequest(sequence="A" * 900).end == 600


# ---------------------------------------------------------------- the command


def test_a_sequence_is_marked(rondo: Command) -> None:
    code, out, _ = rondo("dna", LECTURE, *GENES)
    assert code == 0
    assert "19 bases: too short to say" in out
    code, out, _ = rondo("dna", drawn(100).lower() + "NN", *GENES[:2], "--promoters", "tss.safetensors", "--json")
    answer = json.loads(out)
    assert answer["sequence"].endswith("nn".upper())
    assert {p["task"] for p in answer["promoters"]} == {"ecoli_sigma70", "bacillus"}
    assert any("2 bases are ambiguous" in note for note in answer["notes"])


def test_a_file_is_written_as_tracks_with_promoters(rondo: Command, files: Path) -> None:
    (files / "two.fa").write_text(f">one\n{drawn(4300)}\n>two\n{drawn(90, 2).lower()}\n", "utf-8")
    models = ("--model", "genes.safetensors", "--promoters", "tss.safetensors")
    code, _, err = rondo("dna", "--file", "two.fa", "--bed", "o.bed", "--bedgraph", "o.bg", "--scan", "0", *models)
    assert code == 0, err
    rows = [line.split("\t") for line in (files / "o.bed").read_text().splitlines()]
    assert {r[0] for r in rows if r[3].startswith("promoter_")} == {"one", "two"}
    assert all(len(r) == 6 and 0 <= int(r[4]) <= 1000 for r in rows)
    for name, size in (("one", 4300), ("two", 90)):
        own = [line.split("\t") for line in (files / "o.bg").read_text().splitlines() if line.startswith(name)]
        assert sum(int(r[2]) - int(r[1]) for r in own) == size
    code, _, _ = rondo("dna", "--file", "two.fa", "--bed", "plain.bed", *models)
    assert "promoter" not in (files / "plain.bed").read_text()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "holds no sequence"),
        (b"\n \n", "holds no sequence"),
        (b">a\n", "a record without a sequence"),
        (b">a\nACGT\nAC T\n", ":3: .*character 3"),
        (b">a\nAC\x00GT\n", ":2: .*character 3"),
        (b"\xff\xfeA", "is no text, or damaged"),
        (None, "No such file"),
    ],
)
def test_a_wrong_file_is_told_and_nothing_is_lost(
    rondo: Command, files: Path, content: bytes | None, message: str
) -> None:
    if content is not None:
        (files / "in.fa").write_bytes(content)
    (files / "o.bed").write_text("before")
    code, _, err = rondo("dna", "--file", "in.fa", "--bed", "o.bed", *GENES)
    assert code == 2
    assert re.search(message, err)
    assert (files / "o.bed").read_text() == "before"


def test_a_damaged_gz_is_told(rondo: Command, files: Path) -> None:
    (files / "in.fa.gz").write_bytes(gzip.compress(b">a\n" + drawn(5000).encode())[:-400])
    code, _, err = rondo("dna", "--file", "in.fa.gz", "--bed", "o.bed", *GENES)
    assert (code, "damaged" in err) == (2, True)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "there is no line #CHROM"),
        ("##fileformat=VCFv4.2\n", "there is no line #CHROM"),
        ("CHROM\tPOS\n", "no VCF"),
        ("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\na\t2\t.\tC\n", "eight fields"),
    ],
)
def test_a_wrong_vcf_is_told_and_nothing_is_lost(rondo: Command, files: Path, content: str, message: str) -> None:
    (files / "r.fa").write_text(">a\nACGT\n")
    (files / "v.vcf").write_text(content)
    (files / "o.vcf").write_text("before")
    code, _, err = rondo("dna", "--file", "r.fa", "--vcf", "v.vcf", "--out", "o.vcf", *GENES)
    assert (code, message in err) == (2, True), err
    assert (files / "o.vcf").read_text() == "before"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "give a sequence, or --file"),
        (("ACGT", "--scan", "0.5"), "--scan writes into the file of --bed"),
        (("--file", "x.fa"), "needs --bed, --bedgraph or --vcf"),
        ((">a",), "give it as a file"),
        (("AC-GT",), "character 3 is '-'"),
    ],
)
def test_wrong_options_are_told(rondo: Command, arguments: tuple[str, ...], message: str) -> None:
    code, _, err = rondo("dna", *arguments, *GENES)
    assert code == 2
    assert message in err


# ---------------------------------------------------------------- proteins


def made_up(seed: int, count: int) -> list[Record]:
    """Proteins whose structure is told by the residue two places on: A helix, V strand, else loop."""
    random, found = np.random.default_rng(seed), []
    for _ in range(count):
        sequence = "".join(random.choice(list("AVGS"), random.integers(5, 40)))
        labels = "".join({"A": "H", "V": "E"}.get(c, "L") for c in sequence[2:] + "GG")
        found.append(Record(sequence, labels))
    return found


def test_a_window_is_the_residue_and_its_neighbours() -> None:
    rows = around("MKV")
    none = len(AMINO)
    assert rows.shape == (3, 2 * REACH + 1)
    assert [int(v) for v in rows[:, REACH]] == [AMINO.index(c) for c in "MKV"]
    assert int(rows[0, REACH - 1]) == int(rows[2, REACH + 1]) == none


def test_the_baseline_learns_a_rule_within_its_window() -> None:
    window = Window.fit(made_up(1, 800))
    again = Window.from_json(json.loads(json.dumps(window.to_json())))
    for record in made_up(2, 20):
        assert "".join(STRUCTURES[k] for k in again.labels(record.sequence)) == record.label
    with pytest.raises(DnaError, match="damaged"):
        Window.from_json({"weight": [1.0], "bias": [0.0]})


def test_a_protein_model_is_trained_measured_and_used(tmp_path: Path, rondo: Command) -> None:
    for part, seed, count in (("train", 1, 200), ("valid", 2, 30)):
        rows = [{"sequence": r.sequence, "labels": r.label} for r in made_up(seed, count)]
        path = tmp_path / "protein-ss8" / f"{part}.jsonl.gz"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))
    small = {"hidden": 8, "channels": 8, "width": 5, "steps": 100, "lr": 0.03, "warmup": 5, "valid_every": 50}
    config = DnaConfig(kind="protein", rows=32, input_dropout=0.0, output_dropout=0.0, **small)
    run = train(tmp_path, config, tmp_path / "run")
    found = evaluate(run.folder, tmp_path / "protein-ss8" / "valid.jsonl.gz")
    assert found["accuracy"] > 0.9 > found["accuracy_commonest"]
    assert found["accuracy_three"] >= found["accuracy"]
    assert found["accuracy_window"] > found["accuracy_commonest"]
    answer = Folder.load(run.folder)(protein_request(sequence="gggaaavvv"))
    assert len(answer.structure) == len(answer.three) == len(answer.p) == 9
    code, out, _ = rondo("protein", "GGGAAAVVVAA", "--model", str(run.folder), "--json")
    assert (code, len(json.loads(out)["structure"])) == (0, 11)
    code, out, _ = rondo("protein", "GGGAAAVVVAA", "--model", str(run.folder))
    assert (code, "GGGAAAVVVAA" in out) == (0, True)
    code, _, err = rondo("protein", "GGG1", "--model", str(run.folder))
    assert (code, "character 4 is '1'" in err) == (2, True)
    code, _, err = rondo("protein", "GGG", "--model", "genes.safetensors")
    assert (code, "genes.safetensors" in err) == (2, True)
