"""Folk tunes: notation read and written, the grammar of the format, what is shared with the training, MIDI."""

from __future__ import annotations

import dataclasses
import json
import random
import shutil
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rondo.models.generator import Generator
from rondo.tasks.music import engrave, folk, known, midi, train
from rondo.tasks.music import tokens as t
from rondo.tasks.music.abc_read import read_abc, tunes
from rondo.tasks.music.abc_write import to_abc
from rondo.tasks.music.composer import Composer, free_bars, prepared, script_of
from rondo.tasks.music.config import MusicConfig
from rondo.tasks.music.grammar import LOOKBACK, Form, Machine, features, parses
from rondo.tasks.music.imported import abc_of
from rondo.tasks.music.predictor import TunePredictor
from rondo.tasks.music.request import music_request
from rondo.tasks.music.theory import Key, MusicError, degree_of_pitch, key_of, metre_ticks, midi_pitch
from rondo.tasks.music.tune import Note, Section, Tune, check, faults, in_key, pickup, played_bars, sounds, ticks_of

# written for these tests
JIG = """X:1
T:A test jig
M:6/8
L:1/8
K:G
D|GBd gdB|c2A AFD|GBd gfe|dcB A2D|GBd gdB|c2A AFD|GAB cAF|G3 G2:|
|:d|efg gdB|cde edc|[1 BAG FGA|G3 G2:|[2 B2G AFD|G3 G2||
"""
REEL = """X:2
T:A test reel
M:4/4
L:1/8
K:Ador
|:A2eA ^cAe=c|A2(3efg a2ge|z2 B>A G<B d2-|d2BA A4:|
"""
HEAD = "X:1\nT:x\nM:4/4\nL:1/4\nK:C\n"


def walk(form: Form, seed: int, script: tuple = ()) -> list[int]:  # type: ignore[type-arg]
    """Symbols drawn at random among those that are allowed."""
    machine, draw, found = Machine(form, script), random.Random(seed), []
    while not machine.ended:
        may = np.flatnonzero(machine.allowed())
        assert len(may), [t.NAMES[s] for s in found[-20:]]
        found.append(int(draw.choice(may.tolist())))
        machine.read(found[-1])
        assert len(found) < 20_000
    return found


@pytest.fixture(scope="module")
def composer() -> Composer:
    torch.manual_seed(3)
    model = train.build(MusicConfig(hidden=12, embed=6, condition=4)).eval()
    return Composer(model, known.gathered([read_abc(JIG)]))


# theory


@pytest.mark.parametrize(("name", "fifths"), [("G", 1), ("F#m", 3), ("Ador", 1), ("Dmix", 1), ("Bb", -2), ("Gm", -2)])
def test_keys_have_their_signatures(name: str, fifths: int) -> None:
    key = key_of(name)
    assert key.fifths == fifths
    assert sum(key.signature) == fifths
    assert key_of(key.name) == key


@pytest.mark.parametrize("name", ["", "H", "Gxyz", "G#maj", "1"])
def test_what_is_no_key_is_told(name: str) -> None:
    with pytest.raises(MusicError):
        key_of(name)


@given(st.integers(30, 100), st.sampled_from(["C", "G", "F#m", "Bb", "Cm", "Ador", "Emix"]))
def test_every_key_of_the_keyboard_has_a_degree(pitch: int, name: str) -> None:
    key = key_of(name)
    degree, alter = degree_of_pitch(pitch, key, 4)
    assert midi_pitch(degree, alter, key, 4) == pitch
    assert abs(alter) <= 1


def test_the_leading_note_of_minor_is_raised() -> None:
    assert degree_of_pitch(66, key_of("Gm"), 4) == (-1, 1)  # F#, not Gb


# ABC


@pytest.mark.parametrize("abc", [JIG, REEL])
def test_written_and_read_again_it_is_the_same(abc: str) -> None:
    tune = read_abc(abc)
    assert read_abc(to_abc(tune)) == tune
    assert not faults(tune)


def test_what_a_tune_says() -> None:
    tune = read_abc(JIG)
    one, two = tune.sections
    assert (tune.title, tune.metre, tune.key.name) == ("A test jig", "6/8", "Gmaj")
    assert (one.repeat, len(one.bars), two.repeat, len(two.bars), len(two.first), len(two.second)) == (
        True, 9, True, 3, 2, 2,
    )  # fmt: skip
    assert ticks_of(one.bars[0]) == 12
    assert ticks_of(one.bars[-1]) == 60
    first = [tune.pitch(n) for n in tune.notes[:4]]
    assert first == [62, 67, 71, 74]
    reel = read_abc(REEL).notes
    assert {8, 18, 6} <= {n.ticks for n in reel}  # a triplet, a broken rhythm
    assert sum(n.tie for n in reel) == 1


def test_accidentals_hold_to_the_bar_line() -> None:
    tune = read_abc(HEAD + "^F F =F F|F4|_B B, B B|")
    assert [tune.pitch(n) for n in tune.notes] == [66, 66, 65, 65, 65, 70, 59, 70, 70]
    assert to_abc(tune).splitlines()[-1] == "^F2F2 =F2F2|F8|_B2B,2 B2B2||"


def test_repeats_and_endings_are_played() -> None:
    tune = read_abc(HEAD + "|:C4|D4|[1E4:|[2F4||G4||")
    assert list(played_bars(tune)) == [0, 1, 2, 0, 1, 3, 4]
    assert [s.pitch for s in sounds(tune)] == [60, 62, 64, 60, 62, 65, 67]


def test_tied_notes_sound_once() -> None:
    tune = read_abc(HEAD + "C4-|C2D2|")
    assert [(s.pitch, s.ticks) for s in sounds(tune)] == [(60, 144), (62, 48)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (HEAD + "CDEF|CDE|CDEF|", "line 6: a bar has 3/4 of a whole note, 1 is wanted"),
        (HEAD + "CDEF|\nCD?F|", "line 7: '?F|' at 3 is no ABC"),
        (HEAD + "(5CDEFG|", "tuplet of 5"),
        (HEAD + "(3CD|E2|", "does not end within its bar"),
        (HEAD + "C/128|", "shorter than Rondo writes"),
        (HEAD + "[1 CDEF:|", "line 6: no bars before the ending"),
        (HEAD + "|:CDEF|[1 CDEF:|", "without its [2"),
        (HEAD + ">CDEF|", "between two notes"),
        (HEAD + "CDEF|\nM:3/4\nCDE|", "line 7: a change of metre"),
        ("X:1\nCDEF|\n", "line 2: notes before the line K:"),
        ("X:1\nM:17/3\nK:C\nC|", "line 2: the metre '17/3'"),
        ("X:1\nL:1/7\nK:C\nC|", "line 2: L: is a length"),
        ("X:1\nK:Q\nC|", "line 2: 'Q' is no key"),
        ("X:1\nK:C\n", "no notes found"),
        ("", "no notes found"),
        ("K:C\n" + "C" * 100_001, "more than 100,000"),
        (HEAD + "c''''''''|", "out of reach"),
        (HEAD + "C0|", "no length of a note"),
    ],
)
def test_malformed_abc_names_its_line(text: str, said: str) -> None:
    with pytest.raises(MusicError) as error:
        read_abc(text)
    assert said in str(error.value)


@settings(max_examples=150, deadline=None)
@given(st.text(alphabet="CDEFGabcz|:[]12345(3/-<>^_= \"{}~'\n%KML!+.,", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        tune = read_abc(HEAD + text)
    except MusicError:
        return
    check(tune)


def test_chords_ornaments_words_and_comments_are_left_out() -> None:
    plain = read_abc(HEAD + "CDEG|")
    assert read_abc(HEAD + '"Am"C {cd}~D [CE]"^text" !trill!G % no note\nw: la la\n').notes == plain.notes
    assert read_abc(HEAD + "V:1\nCDEG|\nV:2\nC,4|\n").notes == plain.notes
    assert len(tunes(JIG + "\n" + REEL)) == 2


def test_the_end_of_a_section_is_repaired_on_request() -> None:
    text = HEAD + "G|CDEF|G4||"
    with pytest.raises(MusicError):
        read_abc(text)
    assert ticks_of(read_abc(text, repair=True).bars[-1]) == 72


@given(st.sampled_from(["C", "D", "Eb", "F#", "A"]))
def test_moved_into_another_key_it_is_the_same_tune(name: str) -> None:
    tune = read_abc(JIG)
    moved = in_key(tune, key_of(name))
    assert t.symbols(moved) == t.symbols(tune)
    assert known.steps(moved) == known.steps(tune)
    assert read_abc(to_abc(moved)).notes[0].alter == 0


# symbols and grammar


@pytest.mark.parametrize("abc", [JIG, REEL])
def test_symbols_spell_the_tune(abc: str) -> None:
    tune = read_abc(abc)
    found = t.symbols(tune)
    assert t.tune_of(found, tune.key.letter, 0, 4, tune.title) == tune
    assert parses(found)
    assert len(features(found)) == len(found)


def test_broken_symbols_do_not_parse() -> None:
    found = t.symbols(read_abc(JIG))
    assert not parses(found[:-1])
    assert not parses([*found[:40], *found[41:]])
    assert not parses([s for s in found if s != t.CLOSE])


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["", "4/4", "6/8", "3/4", "9/8", "7/8"]), st.sampled_from([0, 1, 4, 8]))
def test_whatever_the_grammar_allows_ends_as_a_tune(seed: int, metre: str, bars: int) -> None:
    """Even symbols drawn blindly: every bar sums to the metre, what is written parses, and reads back the same."""
    form = Form(metre, bars=bars, sections=seed % 3, most=6, most_sections=3)
    found = walk(form, seed)
    tune = check(t.tune_of(found))
    again = read_abc(to_abc(tune))
    assert [(n.pitch, n.ticks) for n in again.notes] == [(n.pitch, n.ticks) for n in tune.notes]
    full = metre_ticks(tune.metre)
    assert len({pickup(s, full) for s in tune.sections}) == 1
    if bars:
        assert {len(s.bars) - (pickup(s, full) > 0) for s in tune.sections} == {bars}


def test_the_network_is_told_what_stood_there_before() -> None:
    found = t.symbols(read_abc(HEAD + "CDEF|GABc|CDEF|GABc|"))
    rows = features(found)
    column = 7 + LOOKBACK.index(2)
    bars = [k for k, s in enumerate(found) if s == t.LINE]
    third = range(bars[1], bars[2] - 1)
    assert [rows[k][column] for k in third] == [found[k + 1] for k in third]  # two bars before all is the same


def test_nothing_later_is_told() -> None:
    one = t.symbols(read_abc(HEAD + "CDEF|GABc|CDEF|"))
    two = t.symbols(read_abc(HEAD + "CDEF|GABc|EEEE|"))
    same = next(k for k, (a, b) in enumerate(zip(one, two, strict=False)) if a != b)
    a, b = (folk.hidden(folk.told(s), None) for s in (one, two))
    assert (a[:same] == b[:same]).all()


def test_the_form_and_the_next_bar_are_told_where_training_shows_them() -> None:
    found = t.symbols(read_abc(HEAD + "CDEF|GABc|"))
    rows = folk.told(found)
    assert rows[3][folk.TO_GO] == 2
    assert t.NAMES[rows[3][folk.ANCHOR]] == "4"


# writing


def test_bars_that_are_locked_stay(composer: Composer) -> None:
    tune = read_abc(JIG)
    for locked in ([0, 3, 7], list(range(5)), []):
        written = composer.write(music_request(task="again", abc=JIG, locked=locked, temperature=1.5))
        assert [written.tune.bars[k] for k in locked] == [tune.bars[k] for k in locked]
        assert list(map(ticks_of, written.tune.bars)) == list(map(ticks_of, tune.bars))
        assert [s.repeat for s in written.tune.sections] == [s.repeat for s in tune.sections]
        assert written.new == [k not in locked for k in range(len(tune.bars))]
        check(written.tune)


def test_alike_bars_are_varied_alike(composer: Composer) -> None:
    tune = read_abc(JIG)
    written = composer.write(music_request(task="vary", abc=JIG, share=1.0)).tune
    for a in range(len(tune.bars)):
        for b in range(a):
            if tune.bars[a] == tune.bars[b]:
                assert written.bars[a] == written.bars[b]
    free = free_bars(tune, music_request(task="vary", abc=JIG, share=0.4))
    assert any(free)
    assert not all(free)
    assert len(script_of(tune, free)) == len(script_of(tune, [False] * len(free)))


def test_moved_to_another_tonic_a_tune_keeps_its_mode(composer: Composer) -> None:
    answer = composer(music_request(task="show", abc=REEL, key="G", score=False))
    assert answer.key == "Gdor"
    with pytest.raises(MusicError):
        composer(music_request(task="show", abc=REEL, key="Cb"))


def test_a_tune_goes_on_after_its_beginning(composer: Composer) -> None:
    written = composer.write(music_request(task="continue", abc=JIG, keep=4, seed=2, sections=2))
    assert written.tune.bars[:4] == read_abc(JIG).bars[:4]
    assert (written.tune.title, written.tune.key.name) == ("A test jig", "Gmaj")
    assert written.new.count(False) == 4
    check(written.tune)


def test_a_seed_is_a_tune(composer: Composer) -> None:
    order = {"task": "compose", "bars": 2, "sections": 1, "metre": "3/4", "key": "Edor", "score": False}
    one, two, other = (composer(music_request(**order, seed=seed)) for seed in (5, 5, 6))
    assert one == two
    assert one.abc != other.abc
    assert (one.metre, one.key) == ("3/4", "Edor")
    assert len(one.bars) == len(other.bars) or one.bars[0].ticks != other.bars[0].ticks
    assert all(0 <= b.p <= 1 for b in one.bars)


def test_a_row_does_not_depend_on_those_beside_it(composer: Composer) -> None:
    request = music_request(bars=2, sections=1)
    forms = [Machine(Form("6/8", sections=1, bars=2)), Machine(Form("4/4", sections=1, bars=2))]
    both = composer.draw(forms, request, seeds=[1, 2])
    alone = composer.draw([Machine(Form("4/4", sections=1, bars=2))], request, seeds=[2])
    assert both[1] == alone[0]


def test_the_predictor_keeps_rows_apart() -> None:
    torch.manual_seed(0)
    model = train.build(MusicConfig(hidden=8, embed=4, condition=4)).eval()
    predictor = TunePredictor(model, [Machine(), Machine()])
    place = predictor.start(2)
    _, place = predictor.step(torch.tensor([t.START, t.START]), place)
    place = predictor.select(place, torch.tensor([0, 0]))
    scores, _ = predictor.step(torch.tensor([t.METRE0, t.METRE0 + 1]), place)
    assert [m.metre for m in place.machines] == [0, 1]
    assert bool((scores[:, t.END] == -torch.inf).all())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"key": "H"}, "no key"),
        ({"metre": "5/7"}, "not among"),
        ({"bars": 99}, "bars: "),
        ({"task": "again", "abc": JIG, "locked": [99]}, "there is no bar 100"),
        ({"task": "vary", "abc": ""}, "no notes found"),
        ({"task": "sing"}, "task: "),
        ({"abcd": ""}, "abcd: "),
    ],
)
def test_wrong_requests_are_told(composer: Composer, values: dict[str, object], said: str) -> None:
    with pytest.raises(MusicError) as error:
        composer(music_request(**values))
    assert said in str(error.value)


# what is shared


def test_the_longest_passage_is_found_in_any_key(composer: Composer) -> None:
    tune = in_key(read_abc(JIG), key_of("D"))
    whole = composer.shared(tune)
    sounding = sum(n.degree is not None for n in tune.notes)
    assert whole is not None
    assert (whole.notes, whole.title, whole.bars) == (sounding, "A test jig", (0, len(tune.bars) - 1))
    part = read_abc(
        HEAD.replace("4/4", "6/8").replace("1/4", "1/8").replace("K:C", "K:G") + "CEG cGE|GBd gdB|c2A AFD|C6|"
    )
    found = composer.shared(part)
    assert found is not None
    assert found.bars == (1, 2)
    other = read_abc(HEAD + "C2E2|G2c2|C4|F4|")
    assert composer.shared(other) is None


def test_fingerprints_survive_the_model_file() -> None:
    value = json.loads(json.dumps(known.packed([read_abc(JIG), read_abc(REEL)])))
    found = known.unpacked(value)
    assert found.titles == ["A test jig", "A test reel"]
    assert (found.hashes == known.gathered([read_abc(JIG), read_abc(REEL)]).hashes).all()
    for broken in ({}, {**value, "hashes": "?"}, {**value, "starts": [1, 0]}, {**value, "titles": ["one"]}):
        with pytest.raises(ValueError, match="fingerprints"):
            known.unpacked(broken)


# MIDI and scores


@pytest.mark.parametrize("abc", [JIG, REEL])
def test_a_midi_file_reads_back(abc: str) -> None:
    pytest.importorskip("mido", reason="the extra rondo[music] is not installed")
    tune = read_abc(abc)
    found = midi.read_midi(midi.tune_midi(tune), key=tune.key.name)
    assert [(s.ticks, s.pitch) for s in sounds(found)] == [(s.ticks, s.pitch) for s in sounds(tune)]
    assert found.metre == tune.metre
    check(found)
    assert read_abc(abc_of(midi.tune_midi(tune), "a.mid")).metre == tune.metre


@pytest.mark.parametrize("data", [b"", b"MThd", b"MThd\0\0\0\6\0\1\0\1\0\x60MTrk\0\0\0\4xxxx", b"\x89PNG\0" * 9])
def test_damaged_midi_is_told(data: bytes) -> None:
    pytest.importorskip("mido", reason="the extra rondo[music] is not installed")
    with pytest.raises(MusicError):
        abc_of(data, "tune.mid")


@settings(max_examples=40, deadline=None)
@given(st.binary(max_size=80))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    pytest.importorskip("mido", reason="the extra rondo[music] is not installed")
    with pytest.raises(MusicError):
        abc_of(b"MThd" + data, "tune.mid")


def test_an_engraved_score_has_every_bar_and_note() -> None:
    pytest.importorskip("verovio", reason="the extra rondo[music] is not installed")
    tune = read_abc(JIG)
    svg = engrave.engraved(engrave.tune_mei(tune))
    assert all(f'id="b{k}"' in svg for k in range(len(tune.bars)))
    assert all(f'id="n{k}"' in svg for k in range(len(tune.notes)))
    assert "<style" not in svg
    with ThreadPoolExecutor(1) as other:  # whatever thread asks
        again = other.submit(engrave.engraved, engrave.tune_mei(tune)).result()
    assert again.count("<use") == svg.count("<use")


# training


def test_a_tiny_training_learns_and_is_evaluated(tmp_path: Path) -> None:
    from rondo.tasks.music.evaluate import evaluate

    folder = tmp_path / "folk-tunes"
    folder.mkdir()
    lines = "".join(json.dumps({"id": n, "title": n, "abc": abc}) + "\n" for n, abc in (("a", JIG), ("b", REEL)))
    for part in ("train", "valid"):
        (folder / f"{part}.jsonl").write_text(lines, "utf-8")
    import gzip

    for part in ("train", "valid"):
        (folder / f"{part}.jsonl.gz").write_bytes(gzip.compress((folder / f"{part}.jsonl").read_bytes()))
    config = MusicConfig(
        hidden=24, embed=12, condition=8, steps=24, valid_every=12, lr=0.02, warmup=2, precision="float32"
    )
    run = train.train(tmp_path, config, tmp_path / "run")
    found = evaluate(run.model_file, folder / "valid.jsonl.gz", tunes=2)
    assert found["nats_per_symbol"] < np.log(t.SYMBOLS)
    assert found["tunes_that_parse"] == found["tunes_written"] == 2
    assert found["nats_per_symbol_ngram"] > 0
    train.resume(tmp_path / "run")


@pytest.mark.skipif(not shutil.which("abc2midi"), reason="abc2midi (Debian's abcmidi) is not installed")
def test_abc2midi_takes_what_is_written(composer: Composer, tmp_path: Path) -> None:
    """Of tunes drawn by a network that knows nothing, and blindly: no error and no bar of a wrong length."""
    texts = [to_abc(t.tune_of(walk(Form(most=6, most_sections=2), seed)), seed + 1) for seed in range(40)]
    texts.append(to_abc(composer.write(music_request(bars=4)).tune, 99))
    (tmp_path / "all.abc").write_text("\n".join(texts), "utf-8")
    done = subprocess.run(["abc2midi", "all.abc"], cwd=tmp_path, capture_output=True, text=True, check=False)
    said = [line for line in (done.stdout + done.stderr).splitlines() if "rror" in line or "units" in line]
    assert not said, said[:5]


def test_a_generator_is_what_the_configuration_says() -> None:
    model = train.build(MusicConfig(hidden=16, layers=2, embed=8, condition=8))
    assert isinstance(model, Generator)
    assert model.head.symbols == t.SYMBOLS


def test_lengths_without_a_symbol_are_tied() -> None:
    tune = Tune("4/4", Key(0, 0, "maj"), (Section(((Note(0, 0, 30), Note(1, 0, 66)),)),))
    found = prepared(tune)
    assert [n.ticks for n in found.notes] == [24, 6, 60, 6]
    assert [s.pitch for s in sounds(found)] == [60, 62]
    assert dataclasses.replace(found, sections=()).bars == []
