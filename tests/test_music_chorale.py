"""Chorales: how the keys are counted, the rules of four voices, the best course of a voice, whole settings."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from pathlib import Path

import numpy as np
import pytest
import torch

from rondo.models.tagger import Tagger
from rondo.tasks.music import chorale as c
from rondo.tasks.music import chorale_show, chorale_train, engrave, harmony, train
from rondo.tasks.music.chorale_show import chorale_request, harmonise
from rondo.tasks.music.config import MusicConfig
from rondo.tasks.music.estimate import estimated_key
from rondo.tasks.music.harmoniser import Harmoniser
from rondo.tasks.music.harmony import Floats
from rondo.tasks.music.theory import MusicError, key_of

# written for these tests
MELODY = "X:1\nT:A melody\nM:4/4\nL:1/4\nK:G\nG|GABG|A3B|cBAG|G3||\n"


@pytest.fixture(scope="module")
def model() -> Harmoniser:
    torch.manual_seed(1)
    return Harmoniser(chorale_train.build(MusicConfig(kind="chorale", hidden=8, embed=4)).eval())


def pieces(count: int, size: int = 16) -> list[list[list[int]]]:
    """Four voices that move up and down together in thirds and sixths."""
    return [[[72 + s, 67 + s, 60 + s, 48 + s] for k in range(size) for s in [(k // 4 + n) % 3]] for n in range(count)]


def write(path: Path, steps: list[list[list[int]]]) -> None:
    path.write_bytes(gzip.compress("".join(json.dumps({"id": "x", "steps": s}) + "\n" for s in steps).encode()))


# keys


def test_the_likelihood_is_counted_as_88_keys_a_step() -> None:
    """Nats of all keys summed, mean over the steps that are predicted: T - 1 of T."""
    rolls = [np.zeros((5, c.KEYS), np.float32), np.zeros((3, c.KEYS), np.float32)]
    rolls[0][:, 40] = 1
    model = chorale_train.build(MusicConfig(kind="jsb", hidden=4)).eval()
    for p in model.parameters():
        p.data.zero_()
    assert chorale_train.nll(model, rolls) == pytest.approx(88 * math.log(2), rel=1e-5)
    assert chorale_train.nll_of([0.5] * 88, rolls) == pytest.approx(88 * math.log(2))
    batch = c.roll_batch(rolls, [0, 1])
    assert batch.lengths is not None
    assert batch.lengths.tolist() == [4, 2]
    assert torch.equal(batch.x[0, 1:], batch.labels[0, :-1])


def test_pieces_are_moved_as_a_whole() -> None:
    roll = np.zeros((3, c.KEYS), np.float32)
    roll[:, 40] = 1
    moved = c.roll_batch([roll], [0], np.array([2]))
    assert moved.x[0, :, 42].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("line", "said"),
    [("{}", ":1: a chorale has steps"), ('{"steps": [[200]]}', "no key of a piano"), ('{"steps": [["x"]]}', "no key")],
)
def test_wrong_records_name_their_line(tmp_path: Path, line: str, said: str) -> None:
    path = tmp_path / "a.jsonl.gz"
    path.write_bytes(gzip.compress(line.encode()))
    with pytest.raises(MusicError, match=said):
        c.read_rolls(path)


def test_voices_need_four_pitches(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl.gz", [[[60, 61, 62]]])  # type: ignore[list-item]
    with pytest.raises(MusicError, match=":1: every step has four pitches"):
        c.read_voices(tmp_path / "a.jsonl.gz")


@pytest.mark.parametrize("name", ["C", "Gmin", "F#min", "Eb"])
def test_a_scale_has_its_key(name: str) -> None:
    key = key_of(name)
    major = (0, 2, 4, 5, 7, 9, 11)
    minor = (0, 2, 3, 5, 7, 8, 11)
    scale = [60 + key.pitch_class + s for s in (major if key.mode == "maj" else minor)]
    found = estimated_key([*scale, scale[0], scale[2], scale[4], scale[0]], [1.0] * 11)
    assert (found.pitch_class, found.mode) == (key.pitch_class, key.mode)
    assert (key.pitch_class + c.shift_of(key)) % 12 == 0


# rules


@pytest.mark.parametrize(
    ("voices", "rules"),
    [
        ([[72, 64, 55, 48], [74, 65, 57, 50]], {"octaves", "fifths"}),  # all in step: octaves with the bass, fifths
        ([[72, 67, 64, 48], [72, 67, 64, 48]], set()),  # held, not moved
        ([[72, 67, 60, 52], [71, 67, 62, 55]], set()),
        ([[72, 74, 64, 52]], {"crossing"}),
        ([[76, 60, 57, 48]], {"spacing"}),
        ([[90, 80, 70, 65]], {"range"}),
        ([[72, 67, -1, 48]], set()),
    ],
)
def test_rules(voices: list[list[int]], rules: set[str]) -> None:
    assert {one.rule for one in harmony.broken(np.array(voices))} == rules


def value(emissions: Floats, transitions: Floats, one: Floats, two: Floats, path: tuple[int, ...]) -> float:
    """The score of a course, less what it costs."""
    at = sum(emissions[t, q] - one[t, q] for t, q in enumerate(path))
    steps = itertools.pairwise(path)
    return float(at + sum(transitions[p, q] - two[t, p, q] for t, (p, q) in enumerate(steps, 1)))


def test_the_best_course_is_the_best_of_all() -> None:
    """Against every course there is: scores, and then the rules."""
    random = np.random.default_rng(4)
    for _ in range(20):
        emissions, transitions = random.normal(size=(4, 3)), random.normal(size=(3, 3))
        one = (random.random((4, 3)) < 0.2) * harmony.BROKEN
        two = (random.random((4, 3, 3)) < 0.2) * harmony.BROKEN
        given = emissions, transitions, one, two
        course, score = harmony.best_course(*given)
        assert tuple(course.tolist()) == max(
            itertools.product(range(3), repeat=4), key=lambda p: value(*given, p)
        )  # used at once
        assert score == pytest.approx(value(*given, tuple(course.tolist())))


def test_costs_are_the_rules() -> None:
    """What a voice's costs say of a step is what `broken` says of all voices."""
    random = np.random.default_rng(5)
    pitches = np.array([-1, *range(36, 82)])
    for voice in range(4):
        for _ in range(30):
            whole = np.sort(random.integers(36, 82, (2, 4)))[:, ::-1].copy()
            known = [None if v == voice else whole[:, v] for v in range(4)]
            one, two = harmony.costs(voice, known, pitches)
            places = np.searchsorted(pitches, whole[:, voice])
            cost = one[0, places[0]] + one[1, places[1]] + two[1, places[0], places[1]]
            own = [b for b in harmony.broken(whole) if c.VOICES[voice] in b.voices]
            assert cost == harmony.BROKEN * len(own)


# settings


def test_a_voice_does_not_see_itself() -> None:
    columns = [np.full(3, 10 + v) for v in range(4)]
    x = c.inputs(columns, 2, 0, 3)
    assert x[:, :4].tolist() == [[10, 11, 0, 13]] * 3


@pytest.mark.parametrize("temperature", [0.0, 1.5])
def test_even_a_network_that_knows_nothing_keeps_the_rules(model: Harmoniser, temperature: float) -> None:
    request = chorale_request(abc=MELODY, temperature=temperature, seed=3, score=False)
    tune, voices, answer = harmonise(model, request)
    assert answer.broken == []
    assert answer.voices["soprano"] == chorale_show.steps_of(tune).tolist()
    assert {len(v) for v in answer.voices.values()} == {len(answer.voices["soprano"])}
    for name in c.VOICES:
        assert [sum(n.ticks for n in bar) for bar in voices[name].bars] == [sum(n.ticks for n in b) for b in tune.bars]
        assert chorale_show.steps_of(voices[name]).tolist() == answer.voices[name]


def test_locked_voices_stay_and_seeds_repeat(model: Harmoniser) -> None:
    first = harmonise(model, chorale_request(abc=MELODY, score=False))[2]
    order = {"abc": MELODY, "score": False, "temperature": 1.0, "locked": {"bass": first.voices["bass"]}}
    one, two = (harmonise(model, chorale_request(**order, seed=8))[2] for _ in range(2))
    assert one == two
    assert one.voices["bass"] == first.voices["bass"]
    assert one.voices["soprano"] == first.voices["soprano"]


def test_the_melody_may_be_the_bass(model: Harmoniser) -> None:
    answer = harmonise(model, chorale_request(abc=MELODY, voice="bass", score=False))[2]
    assert answer.notes
    assert max(answer.voices["bass"]) <= 64
    assert [p % 12 for p in answer.voices["bass"][:2]] == [7, 7]


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"abc": "K:C\n"}, "no notes"),
        ({"abc": MELODY, "voice": "horn"}, "voice: "),
        ({"abc": MELODY, "locked": {"bass": [40]}}, "must have"),
        ({"abc": "K:C\nL:1/4\nM:4/4\n" + "z4|" * 3}, "no notes"),
        ({"abc": "K:C\nL:1/4\nM:4/4\n" + "CDEF|" * 80}, "more than 600"),
    ],
)
def test_wrong_requests_are_told(model: Harmoniser, values: dict[str, object], said: str) -> None:
    with pytest.raises(MusicError, match=said):
        harmonise(model, chorale_request(**values, score=False))


def test_what_is_written_of_four_voices(model: Harmoniser) -> None:
    tune, voices, answer = harmonise(model, chorale_request(abc=MELODY, score=False))
    assert answer.abc.count("[V:") == 4
    assert {h.voice for h in answer.sounds} == {0, 1, 2, 3}
    assert answer.sounds == sorted(answer.sounds, key=lambda h: h.start)
    pytest.importorskip("mido", reason="the extra rondo[music] is not installed")
    assert chorale_show.chorale_midi(tune, voices)[:4] == b"MThd"
    pytest.importorskip("verovio", reason="the extra rondo[music] is not installed")
    svg = engrave.engraved(chorale_show.chorale_mei(tune, voices))
    assert all(f'id="{v}-n0"' in svg for v in "satb")


@pytest.mark.parametrize(("kind", "name"), [("jsb", "quarter"), ("chorale", "satb16")])
def test_a_tiny_training_is_evaluated(tmp_path: Path, kind: str, name: str) -> None:
    from rondo.tasks.music.evaluate import evaluate

    folder = tmp_path / "jsb-chorales"
    folder.mkdir()
    for part in ("train", "valid"):
        write(folder / f"{name}_{part}.jsonl.gz", pieces(6))
    config = MusicConfig(kind=kind, hidden=12, embed=4, rows=6, tokens=0, steps=12, valid_every=6, lr=0.03, warmup=2)
    run = train.train(tmp_path, config, tmp_path / "run")
    found = evaluate(run.model_file, folder / f"{name}_valid.jsonl.gz")
    if kind == "jsb":
        assert found["nll_per_step"] < 88 * math.log(2)
        assert found["nll_per_step_held"] < found["nll_per_step_marginals"]
    else:
        assert found["accuracy_bass_beside_three"] > 0
        assert found["rules_broken_by_bach"] > 0
    train.resume(tmp_path / "run")


def test_the_models_are_taggers() -> None:
    assert isinstance(chorale_train.build(MusicConfig(kind="jsb", hidden=8)), Tagger)
