"""Biological sequences: letters, both strands, windows, marks, files, and a training on made-up genes."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from rondo.data.batch import Batch
from rondo.models.crf import CRF
from rondo.models.store import save_model
from rondo.tasks.dna import readings
from rondo.tasks.dna.config import TASKS, DnaConfig
from rondo.tasks.dna.data import MIDDLE, SETS, SITES, WINDOW, Record, Sequences, batches, read
from rondo.tasks.dna.effects import effect_map
from rondo.tasks.dna.evaluate import evaluate
from rondo.tasks.dna.fasta import CONTEXT, PIECE, pieces, records
from rondo.tasks.dna.letters import CODES, DnaError, bases, reverse_complement
from rondo.tasks.dna.marker import Marker, segments
from rondo.tasks.dna.model import LABELS, LEGAL, GeneModel
from rondo.tasks.dna.promoter import either
from rondo.tasks.dna.request import DnaRequest, dna_request
from rondo.tasks.dna.track import Track
from rondo.tasks.dna.train import build, train
from rondo.tasks.dna.vcf import annotated
from rondo.train.config import ConfigError

SEQUENCES = st.text(alphabet="ACGTNRYacgt", min_size=1, max_size=90)
CLOSE = {"rtol": 0, "atol": 1e-5}  # float32, sums of a few windows in another order
DATA = Path(__file__).parents[2] / "shared" / "data"


def gene_model(seed: int = 0) -> GeneModel:
    torch.manual_seed(seed)
    model = GeneModel("gru", 6, stem=[{"channels": 5, "width": 4}])
    for p in model.parameters():
        torch.nn.init.uniform_(p, -0.7, 0.7)
    return model.eval()


MODEL = gene_model()


def drawn(size: int, seed: int = 1) -> str:
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), size))


# ---------------------------------------------------------------- letters and strands


def test_a_base_is_a_number_and_a_code_is_shared_among_its_bases() -> None:
    assert bases("acgt").tolist() == np.eye(4).tolist()
    assert bases("U").tolist() == bases("T").tolist()
    assert all(abs(sum(row) - 1) < 1e-6 for row in bases("".join(CODES)).tolist())
    assert bases("N").tolist() == [[0.25] * 4]
    with pytest.raises(DnaError, match="character 3 is '-'"):
        bases("AC-T")


@given(SEQUENCES)
def test_the_other_strand_turned_twice_is_the_same(sequence: str) -> None:
    assert reverse_complement(reverse_complement(sequence)).upper() == sequence.upper()
    np.testing.assert_array_equal(bases(reverse_complement(sequence)), bases(sequence)[::-1, ::-1])


@given(SEQUENCES)
def test_what_is_said_of_a_strand_is_said_of_the_other(sequence: str) -> None:
    """The invariance: exon by exon, a donor as an acceptor, at every length, in one window and in several."""
    one, two = (readings.genes(MODEL, bases(s)) for s in (sequence, reverse_complement(sequence)))
    torch.testing.assert_close(one.exon, two.exon.flip(0), **CLOSE)
    torch.testing.assert_close(one.donor, two.acceptor.flip(0), **CLOSE)
    torch.testing.assert_close(one.acceptor, two.donor.flip(0), **CLOSE)
    assert len(one.exon) == len(sequence)
    assert bool(((one.exon >= 0) & (one.exon <= 1.00001)).all())


def test_promoters_are_the_same_on_both_strands() -> None:
    torch.manual_seed(0)
    model = build(DnaConfig(kind="promoters", hidden=4, channels=5, width=4, pool=2)).eval()
    rows = [drawn(n, n) for n in (81, 40, 81)]
    own = Sequences("promoters", read_rows(rows))
    other = Sequences("promoters", read_rows([reverse_complement(r) for r in rows]))
    p, q = (model.predict(b.x, b.lengths) for b in (s.batch([0, 1, 2]) for s in (own, other)))  # type: ignore[arg-type]
    torch.testing.assert_close(p, q.flip(0), **CLOSE)
    assert torch.equal(either(p), either(p.flip(0)))
    torch.testing.assert_close(either(p), 1 - (1 - p[0]) * (1 - p[1]), **CLOSE)


def test_what_is_on_the_other_strand_of_a_promoter_is_none() -> None:
    """The loss by its formula: the label along the given strand, none along the other, of the row's task alone."""
    torch.manual_seed(0)
    model = build(DnaConfig(kind="promoters", hidden=4, channels=5, width=4, pool=2)).eval()
    own = Sequences("promoters", [Record(drawn(60, k), str(k % 2), TASKS[k]) for k in range(4)])
    batch = own.batch([0, 1, 2, 3])
    p = model.predict(batch.x, batch.lengths).double()
    nats = 0.0
    for k in range(4):
        along, other = p[0, k, k], p[1, k, k]
        nats -= math.log(along if k % 2 else 1 - along) + math.log(1 - other)
    loss = model.loss(batch)
    assert loss.count == 4
    assert float(loss.total.detach()) == pytest.approx(nats, rel=1e-5)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": "splice", "only": "bacillus"}, "only promoters have several tasks and a control"),
        ({"kind": "promoters", "network": "cnn"}, "trained for one task: name it with only"),
        ({"kind": "promoters", "network": "lstm"}, "network"),
    ],
)
def test_a_control_has_one_task(settings: dict[str, str], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        DnaConfig(**settings)  # type: ignore[arg-type]


def test_a_promoter_is_read_at_its_place() -> None:
    """The same bases at another place are answered otherwise; on either strand alike, padded or alone."""
    torch.manual_seed(0)
    model = build(DnaConfig(kind="promoters", hidden=4, channels=5, width=4, pool=2)).eval()
    torch.nn.init.normal_(model.from_start.weight)  # type: ignore[union-attr, arg-type]
    box, rest = "TATAAT" * 2, "C" * 40
    own = Sequences("promoters", read_rows([rest + box, box + rest, reverse_complement(rest + box), box]))
    batch = own.batch([0, 1, 2, 3])
    p = model.predict(batch.x, batch.lengths)
    assert not torch.allclose(p[0, 0], p[0, 1], atol=1e-3)
    torch.testing.assert_close(p[:, 0], p[:, 2].flip(0), **CLOSE)
    alone = own.batch([3])
    torch.testing.assert_close(p[:, 3:], model.predict(alone.x, alone.lengths), **CLOSE)


def read_rows(sequences: list[str]) -> list:  # type: ignore[type-arg]
    return [Record(s, "1", TASKS[k % len(TASKS)]) for k, s in enumerate(sequences)]


# ---------------------------------------------------------------- the chain of labels


def test_labels_that_may_follow_each_other() -> None:
    legal = {f"{a}{b}" for i, a in enumerate(LABELS) for j, b in enumerate(LABELS) if LEGAL[i][j]}
    assert legal == {"EE", "ED", "DI", "DA", "II", "IA", "AE", "AD"}


def test_the_loss_is_the_sum_over_all_labellings_in_the_sets() -> None:
    """By brute force on windows of six bases."""
    model = gene_model(1)
    x = torch.from_numpy(np.stack([bases("ACGTNA"), bases("TTGACA")]))
    exon, donor, intron = 1, 2, 4
    y = torch.tensor([[exon, exon, donor, intron, intron, intron], [15, 15, exon | intron, 15, 15, 15]])
    emissions, _ = model.tagger(x)
    crf = model.tagger.crf
    assert isinstance(crf, CRF)
    start, move, end = (p.detach().double() for p in (crf.start, crf.transitions, crf.end))
    middle = torch.tensor([[15, 15, donor, 15, 15, 15], [15, 15, exon | intron, 15, 15, 15]])
    nats, rest = 0.0, 0.0
    for row in range(2):
        e, every, near, known = emissions[row].detach().double(), [], [], []
        for path in itertools.product(range(4), repeat=6):
            if all(LEGAL[a][b] for a, b in itertools.pairwise(path)):
                score = start[path[0]] + sum(e[t, k] for t, k in enumerate(path)) + end[path[-1]]
                score = score + sum(move[a, b] for a, b in itertools.pairwise(path))
                every.append(score)
                for sets, kept in ((middle, near), (y, known)):
                    if all((int(sets[row, t]) >> k) & 1 for t, k in enumerate(path)):
                        kept.append(score)
        z, near_z, known_z = (torch.stack(scores).logsumexp(0) for scores in (every, near, known))
        nats, rest = nats + float(z - near_z), rest + float(near_z - known_z)
    loss = model.loss(Batch(x, y))
    assert float(loss.nats) == pytest.approx(nats, abs=1e-4)
    assert float(loss.total.detach()) == pytest.approx(nats + model.course * rest, abs=1e-4)


def test_the_middle_of_a_window_tells_its_site() -> None:
    assert [SETS[k][MIDDLE - 1] for k in range(3)] == [1 << 1, 1 << 3, (1 << 0) | (1 << 2)]
    x = torch.from_numpy(np.stack([bases(drawn(WINDOW, k)) for k in range(3)]))
    p = readings.sites(MODEL, x)
    torch.testing.assert_close(p.sum(1), torch.ones(3), **CLOSE)
    turned = readings.sites(MODEL, x.flip(1, 2))
    torch.testing.assert_close(p[:, [1, 0, 2]], turned, **CLOSE)


# ---------------------------------------------------------------- marks


@given(SEQUENCES)
def test_segments_cover_the_sequence(sequence: str) -> None:
    response = Marker(MODEL)(DnaRequest(sequence=sequence))
    assert response.sequence == sequence
    ends = [0, *(s.end for s in response.segments)]
    assert [s.start for s in response.segments] == ends[:-1]
    assert ends[-1] == len(sequence) == len(response.exon)


def test_the_path_is_the_best_by_brute_force() -> None:
    read = readings.genes(MODEL, bases("ACGTTGCA"))
    exon = read.exon.clamp(1e-6, 1 - 1e-6)

    def score(path: tuple[int, ...]) -> float:
        total = sum(float((exon[t] if k else 1 - exon[t]).log()) for t, k in enumerate(path))
        for t, (a, b) in enumerate(itertools.pairwise(path)):
            p = {(1, 0): read.donor[t], (0, 1): read.acceptor[t]}.get((a, b), 1 - read.donor[t] - read.acceptor[t])
            total += float(p.clamp(1e-6, 1).log())
        return total

    best = max(itertools.product((0, 1), repeat=8), key=score)
    assert readings.path(read) == [("intron", "exon")[k] for k in best]


def test_a_short_sequence_is_answered_and_said_to_be_short() -> None:
    marker = Marker(MODEL)
    for sequence in ("A", "AGCCCCTGTGAGGAACTAG"):
        response = marker(dna_request(sequence=sequence))
        assert any("too short to say" in note for note in response.notes)
    assert not any("too short" in note for note in marker(dna_request(sequence=drawn(30))).notes)


@pytest.mark.parametrize(
    ("sequence", "message"),
    [
        ("", "at least one base"),
        (" \n", "at least one base"),
        ("ACGX", "character 4 is 'X'"),
        ("A" * 20_001, "at most"),
    ],
)
def test_sequences_that_are_refused(sequence: str, message: str) -> None:
    with pytest.raises(DnaError, match=message):
        dna_request(sequence=sequence)


def test_an_effect_is_zero_where_nothing_changes_and_is_what_two_readings_say() -> None:
    sequence = drawn(40)
    found = effect_map(MODEL, bases(sequence))
    for at, base in enumerate(sequence):
        assert float(found[at, "ACGT".index(base)]) == 0
    at, new = 12, "T" if sequence[12] != "T" else "A"
    response = Marker(MODEL)(dna_request(sequence=sequence, effects=True))
    assert response.effects is not None
    assert response.effects.change[at]["ACGT".index(new)] == pytest.approx(
        float(found[at, "ACGT".index(new)]), abs=1e-3
    )


# ---------------------------------------------------------------- files


def test_fasta_records_and_its_faults() -> None:
    lines = [">one first\n", "ACGT\n", "\n", "acg\n", ">two\n", "NN\n"]
    assert [(name, "".join(body)) for name, body in records(lines, "f")] == [("one", "ACGTacg"), ("two", "NN")]
    assert [(name, "".join(body)) for name, body in records(["ACG\n", "T"], "f")] == [("sequence", "ACGT")]
    for wrong, message in (
        ([], "f holds no sequence"),
        ([">one\n", ">two\n", "A\n"], "f:2: .*a record without a sequence"),
        ([">one\n", "AC!T\n"], "f:2: .*character 3 is '!'"),
    ):
        with pytest.raises(DnaError, match=message):
            [list(body) for _, body in records(wrong, "f")]


@given(st.integers(0, 3 * PIECE), st.integers(1, 200))
def test_pieces_are_the_record_and_know_their_neighbours(size: int, width: int) -> None:
    sequence = drawn(size) if size else ""
    lines = [sequence[k : k + width] for k in range(0, size, width)]
    found = list(pieces("x", lines))
    assert "".join(p.sequence[p.first : p.last] for p in found) == sequence
    assert [p.end for p in found] == [False] * (len(found) - 1) + [True]
    for p in found:
        assert p.sequence == sequence[p.offset - p.first : p.offset - p.first + len(p.sequence)]
        assert p.first == min(CONTEXT, p.offset)


def test_the_tracks_of_a_long_record_cover_it() -> None:
    sequence = drawn(PIECE + 150)
    track, bed, graph = Track(Marker(MODEL), "chr", least=2.0), [], []
    for piece in pieces("chr", [sequence]):
        one, two = track.piece(piece)
        bed += one
        graph += two
    for lines in (bed, graph):
        rows = [line.split("\t") for line in lines]
        ends = [0, *(int(r[2]) for r in rows)]
        assert [int(r[1]) for r in rows] == ends[:-1]
        assert ends[-1] == len(sequence)
    kinds = [line.split("\t")[3] for line in bed]
    assert all(a != b for a, b in itertools.pairwise(kinds))


def vcf(*rows: str) -> list[str]:
    return ["##fileformat=VCFv4.2\n", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n", *(f"{r}\n" for r in rows)]


def test_a_vcf_comes_back_with_effects() -> None:
    sequence = drawn(120)
    at, base = 60, sequence[60]
    other = "A" if base != "A" else "C"
    reference = {"c": sequence}
    place = f"c\t{at + 1}\t."
    rows = vcf(f"{place}\t{base}\t{other},{base}TT,<DEL>\t.\t.\tDP=3", f"{place}\t{base}\t{base}\t.\t.\t.")
    *_, one, two = annotated(rows, reference, MODEL, "v")
    first, second = (text.split("|") for text in one.split("\t")[7].removeprefix("DP=3;RONDO=").split(","))
    assert (first[0], second[0]) == (other, f"{base}TT")
    whole = effect_map(MODEL, bases(sequence))[at, "ACGT".index(other)]
    assert abs(float(first[1])) <= abs(float(whole)) + 0.01  # sites at the variant itself are in the map alone
    assert two.split("\t")[7] == f"RONDO={base}|0.00|0.000|0.000"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["hello\n"], "v:1: .*no VCF"),
        (["##fileformat=VCFv4.2\n", "c\t1\t.\tA\tC\t.\t.\t.\n"], "v:2: .*#CHROM is missing"),
        (vcf("c\tx\t.\tA\tC\t.\t.\t."), "v:3: .*its place from 1|v:3: .*the second its place"),
        (vcf("d\t1\t.\tA\tC\t.\t.\t."), "v:3: .*no sequence 'd'"),
        (vcf("c\t1\t.\tT\tC\t.\t.\t."), "v:3: .*the reference has A there, not T"),
        (vcf("c\t9\t.\tT\tC\t.\t.\t."), "v:3: .*the reference has nothing there"),
    ],
)
def test_vcf_files_that_are_refused(lines: list[str], message: str) -> None:
    with pytest.raises(DnaError, match=message):
        list(annotated(lines, {"c": "ACGT"}, MODEL, "v"))


# ---------------------------------------------------------------- data and training


def made_up(seed: int, count: int) -> Iterator[dict[str, str]]:
    """Windows whose exons are of C and G, introns of A and T, with GT behind a donor and AG before an acceptor."""
    random = np.random.default_rng(seed)

    def run(letters: str, size: int) -> str:
        return "".join(random.choice(list(letters), size))

    for k in range(count):
        label = SITES[k % 3]
        if label == "EI":
            yield {"sequence": run("CG", 30) + "GT" + run("AT", 28), "label": label}
        elif label == "IE":
            yield {"sequence": run("AT", 28) + "AG" + run("CG", 30), "label": label}
        else:
            yield {"sequence": run(random.choice(["AT", "CG"]), 60), "label": label}


def write(path: Path, rows: list[dict[str, str]]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress("".join(json.dumps(r) + "\n" for r in rows).encode()))
    return path


def test_a_training_learns_made_up_genes(tmp_path: Path) -> None:
    """The whole path: data, training, model file, measures, marks."""
    for part, seed, count in (("train", 1, 240), ("valid", 2, 60)):
        write(tmp_path / "dna-splice" / f"{part}.jsonl.gz", list(made_up(seed, count)))
    small = {"hidden": 8, "channels": 8, "width": 5, "steps": 60, "lr": 0.02, "warmup": 5, "valid_every": 30}
    config = DnaConfig(rows=24, input_dropout=0.0, output_dropout=0.0, **small)
    run = train(tmp_path, config, tmp_path / "run")
    found = evaluate(run.folder, tmp_path / "dna-splice" / "valid.jsonl.gz")
    assert found["accuracy"] > 0.9 > found["accuracy_commonest"]
    marker = Marker.load(run.folder)
    gene = "CGGCCGGCGCCGGCCGCGGCGCCG" + "GT" + "ATTATATAATTATATTAAATATTTATAA" + "AG" + "GCCGCGCGGCCGCGGCGCGC"
    named = [s.kind for s in marker(dna_request(sequence=gene)).segments]
    assert named == ["exon", "intron", "exon"]


def test_batches_depend_on_seed_and_step_alone() -> None:
    own = Sequences("splice", list(_records(made_up(3, 50))))
    whole = list(itertools.islice(batches(own, 8, 0, 20, 0, seed=5), 20))
    for step in (0, 6, 7, 13):
        again = next(batches(own, 8, 0, 20, 0, seed=5, step=step))
        assert torch.equal(again.x, whole[step].x)
        assert torch.equal(again.labels, whole[step].labels)


def _records(rows: Iterator[dict[str, str]]) -> Iterator:  # type: ignore[type-arg]
    return (Record(r["sequence"], r["label"]) for r in rows)


def test_the_other_strand_of_a_window_has_its_labels_turned_round() -> None:
    from rondo.tasks.dna.data import both_strands

    own = Sequences("splice", list(_records(made_up(4, 3))))
    batch = own.batch([0, 1, 2])
    x, y = both_strands(batch, torch.tensor([True, True, True]))
    assert torch.equal(x, batch.x.flip(1, 2))
    assert y.tolist() == [SETS[1], SETS[0], SETS[2]]
    assert torch.equal(both_strands(batch, torch.tensor([False] * 3))[1], batch.labels)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([{"sequence": "ACGT", "label": "EI"}], ":1: a window has 60 bases, found 4"),
        ([{"sequence": "A" * 60, "label": "XX"}], ":1: a record has labels"),
        ([{"sequence": "A" * 59 + "?", "label": "N"}], ":1: .*character 60 is"),
        ([{"sequence": "MKV", "labels": "HH"}], ":1: labels are one of"),
        ([], "holds no record"),
    ],
)
def test_files_that_are_refused(tmp_path: Path, rows: list[dict[str, str]], message: str) -> None:
    with pytest.raises(DnaError, match=message):
        read(write(tmp_path / "f.jsonl.gz", rows))


def test_a_model_is_measured_on_its_own_kind_alone(tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    save_model(path, MODEL, {"task": "dna", "sequences": "splice", "bags": {}})
    data = write(tmp_path / "f.jsonl.gz", [{"sequence": "MKV", "labels": "HHL"}])
    with pytest.raises(DnaError, match=r"holds protein records, the model in .* is one of splice"):
        evaluate(path, data)
    with pytest.raises(ConfigError, match="pool stays 1"):
        DnaConfig(kind="splice", pool=4)


@pytest.mark.skipif(not (DATA / "dna-splice").is_dir(), reason="the data sets are not here")
@pytest.mark.parametrize(
    ("name", "kind", "count"),
    [("dna-splice", "splice", 300), ("dna-promoters", "promoters", 3171), ("protein-ss8", "protein", 256)],
)
def test_the_data_sets_are_read(name: str, kind: str, count: int) -> None:
    found, rows = read(DATA / name / "valid.jsonl.gz")
    assert (found, len(rows)) == (kind, count)


def test_one_piece_of_a_record_is_read_like_the_record() -> None:
    sequence = drawn(100)
    (piece,) = pieces("x", [sequence])
    track = Track(Marker(MODEL), "x", least=2.0)
    bed, _ = track.piece(piece)
    expected = segments(readings.genes(MODEL, bases(sequence)))
    assert [line.split("\t")[1:4] for line in bed] == [[str(s.start), str(s.end), s.kind] for s in expected]
