"""Speech: alphabets, digits joined, errors against jiwer, words and their times, live as whole, trainings."""

from __future__ import annotations

import gzip
import io
import itertools
import json
import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Any

import jiwer
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from rondo.cli import speech as speech_commands  # noqa: F401  # registers the commands
from rondo.cli.app import app
from rondo.data.audio import AudioError, Recording, read_audio, write_wav
from rondo.data.batch import Batch
from rondo.data.packed import packed, unpacked
from rondo.data.registry import DataSetError
from rondo.models.store import load_model, save_model
from rondo.search.ctc import collapse, prefix_beam
from rondo.tasks.speech import sentences, sources
from rondo.tasks.speech.activity import Activity, spread
from rondo.tasks.speech.alphabet import ALPHABETS, DIGITS, LETTERS, Alphabet, SpeechError
from rondo.tasks.speech.cepstra import cepstra_of
from rondo.tasks.speech.config import SpeechConfig
from rondo.tasks.speech.data import batch_of, fits, heard, masked, near, resped
from rondo.tasks.speech.digits import RATE, Recipe, Takes, joined, placed, recipes
from rondo.tasks.speech.errors import edits, letter_error, word_error
from rondo.tasks.speech.evaluate import evaluate
from rondo.tasks.speech.features import FrontEnd, slopes
from rondo.tasks.speech.listener import Listener
from rondo.tasks.speech.model import Recogniser
from rondo.tasks.speech.request import Word
from rondo.tasks.speech.templates import Templates, cut
from rondo.tasks.speech.train import build, resume, train
from rondo.tasks.speech.words import BestPath, Spoken, Vocabulary, best_path, best_words
from rondo.train import configs
from rondo.train.config import ConfigError
from small_listener import SMALL, beeps, listener

TEXTS = st.lists(st.sampled_from(["one", "two", "three", "ten"]), max_size=6).map(" ".join)


# ---------------------------------------------------------------- alphabets and errors


def test_words_and_letters_are_labels_and_back() -> None:
    digits, letters = ALPHABETS["digits"], ALPHABETS["an4"]
    assert digits.labels("eight Zero eight") == [9, 1, 9]
    assert digits.text([9, 1, 9]) == "eight zero eight"
    assert letters.text(letters.labels("  The lazy   DOG's ")) == "the lazy dog's"
    for alphabet in (digits, letters):
        assert Alphabet.from_json(json.loads(json.dumps(alphabet.to_json()))) == alphabet
    with pytest.raises(SpeechError, match="'eleven'"):
        digits.labels("one eleven")
    with pytest.raises(SpeechError, match="alphabet"):
        Alphabet.from_json({"symbols": []})


SAID = {"two": ("t", "uː"), "too": ("t", "uː"), "to": ("t", "uː"), "tie": ("t", "aɪ"), "go": ("g", "oʊ"), "i": ("aɪ",)}


def test_sounds_are_labels_and_back() -> None:
    alphabet = Alphabet.of_sounds(SAID)
    assert alphabet.text(alphabet.labels("Go TWO")) == "goʊ tuː"
    assert alphabet.labels("two i") == alphabet.labels("to i")
    assert Alphabet.from_json(json.loads(json.dumps(alphabet.to_json()))) == alphabet
    with pytest.raises(SpeechError, match="'fox' is none of the words whose sounds"):
        alphabet.labels("go fox")
    told = alphabet.to_json()
    for wrong in ({"sounds": packed(["go k"])}, {"sounds": packed(["go"])}, {"sounds": "go k"}, {"sounds": [1]}):
        with pytest.raises(SpeechError, match="alphabet"):
            Alphabet.from_json(told | wrong)


@given(TEXTS, TEXTS)
def test_word_and_letter_errors_are_those_of_jiwer(said: str, found: str) -> None:
    if said:
        assert word_error([(said, found)]) == pytest.approx(jiwer.wer(said, found))
        assert letter_error([(said, found)]) == pytest.approx(jiwer.cer(said, found))


def test_errors_are_of_all_recordings_together() -> None:
    pairs = [("one two three", "one two"), ("four", "four five")]
    assert word_error(pairs) == 2 / 4 == pytest.approx(jiwer.wer([a for a, _ in pairs], [b for _, b in pairs]))
    assert edits("kitten", "sitting") == 3
    assert word_error([("", "")]) == 0


# ---------------------------------------------------------------- digits


def takes(speakers: tuple[str, ...] = ("george", "theo"), count: int = 2) -> Takes:
    """Each digit is a chord of its own; each speaker has a pitch."""
    random, found = np.random.default_rng(1), {}
    for digit in range(10):
        for k, speaker in enumerate(speakers):
            for take in range(count):
                t = np.arange(int(random.uniform(0.15, 0.35) * RATE)) / RATE
                tone = np.sin(2 * np.pi * (300 + 250 * digit) * t) + 0.5 * np.sin(2 * np.pi * (200 + 40 * k) * t)
                found[f"{digit}_{speaker}_{take}"] = (0.3 * tone).astype(np.float32)
    return Takes(found)


def written(folder: Path, own: Takes, name: str) -> Path:
    path = folder / name
    with tarfile.open(path, "w") as tar:
        for recording, samples in own.recordings.items():
            data, info = write_wav(samples, RATE), tarfile.TarInfo(f"{recording}.wav")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return path


def data_folder(folder: Path) -> Path:
    """A small fsdd."""
    own, random = takes(), np.random.default_rng(2)
    (folder / "fsdd").mkdir(parents=True)
    for name in ("train.tar", "valid.tar"):
        written(folder / "fsdd", own, name)
    with gzip.open(folder / "fsdd" / "connected_valid.jsonl.gz", "wt") as file:
        for k in range(6):
            r = own.drawn(3, random)
            row = {"id": f"v{k}", "speaker": r.speaker, "text": r.text, "parts": r.parts, "gaps_ms": r.gaps}
            file.write(json.dumps(row) + "\n")
    return folder


def test_a_recipe_is_joined_with_its_pauses() -> None:
    own = takes()
    recipe = Recipe("r", "theo", "three one", ("3_theo_0", "1_theo_1"), (50, 100, 240))
    x, parts = joined(recipe, own), placed(recipe, own)
    assert len(x) == 8 * 390 + len(own.recordings["3_theo_0"]) + len(own.recordings["1_theo_1"])
    _, a, b = parts[1]
    np.testing.assert_array_equal(x[a:b], own.recordings["3_theo_0"])
    assert not x[:400].any()
    assert not x[-1920:].any()
    with pytest.raises(SpeechError, match="9_theo_9"):
        joined(Recipe("r", "theo", "nine", ("9_theo_9",), (50, 50)), own)


def test_drawn_strings_are_of_one_speaker_and_say_what_they_hold() -> None:
    own, random = takes(), np.random.default_rng(0)
    for _ in range(20):
        recipe = own.drawn(5, random)
        assert {p.split("_")[1] for p in recipe.parts} == {recipe.speaker}
        assert [DIGITS[int(p[0])] for p in recipe.parts] == recipe.text.split()
        assert all(50 <= g <= 240 for g in recipe.gaps)
    assert set(own.of(["theo"]).by) == {"theo"}


def test_archives_and_recipes_that_are_damaged_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(b"no archive" * 200)
    with pytest.raises(SpeechError, match="no archive"):
        Takes.read(tmp_path / "a.tar")
    with tarfile.open(tmp_path / "b.tar", "w"):
        pass
    with pytest.raises(SpeechError, match="holds no recording"):
        Takes.read(tmp_path / "b.tar")
    path = tmp_path / "r.jsonl"
    path.write_text(json.dumps({"speaker": "theo", "text": "one", "parts": ["1_theo_0"], "gaps_ms": [50]}) + "\n")
    with pytest.raises(SpeechError, match=r"r\.jsonl:1: gaps_ms"):
        recipes(path)


def test_silence_cuts_a_string_and_templates_name_its_pieces() -> None:
    own, front = takes(), FrontEnd(RATE, 40, "pcen")
    recipe = own.drawn(4, np.random.default_rng(5))
    assert len(cut(joined(recipe, own), RATE)) == 4
    assert not cut(np.zeros(500, dtype=np.float32), RATE)
    samples, digits = list(own.recordings.values()), [int(n[0]) for n in own.recordings]
    templates = Templates.fit(samples, digits, front)
    assert templates(joined(recipe, own), front) == recipe.text
    again = Templates.from_json(json.loads(json.dumps(templates.to_json())), front)
    assert again(joined(recipe, own), front) == recipe.text
    with pytest.raises(SpeechError, match="baseline"):
        Templates.from_json([[1.0]], front)


# ---------------------------------------------------------------- what training hears


@given(st.integers(0, 99))
def test_what_is_heard_has_the_length_of_its_speed_and_is_finite(seed: int) -> None:
    x, random = beeps(seed=seed), np.random.default_rng(seed)
    assert abs(len(resped(x, 1.25)) - len(x) / 1.25) <= 1
    y = heard(x, SpeechConfig(), random)
    assert 0.85 * len(x) < len(y) < 1.15 * len(x)
    assert np.isfinite(y).all()
    z = masked(torch.ones(50, 40), SpeechConfig(bands_masked=9, steps_masked=9), random)
    assert z.shape == (50, 40)
    assert bool((z == 1).all())  # what is left out becomes the mean
    assert len(set(near([5, 9, 2, 40, 7], 3, random))) == 3


def test_batches_are_padded_and_rows_without_room_are_left_out() -> None:
    batch = batch_of([(torch.ones(7, 2), [1, 2]), (torch.ones(3, 2), [])])
    assert batch.x.shape == (2, 7, 2)
    assert batch.labels.tolist() == [[1, 2], [-100, -100]]
    assert batch.targets is not None
    assert batch.targets.tolist() == [2, 0]
    assert fits((torch.ones(12, 2), [1, 1]))
    assert not fits((torch.ones(8, 2), [1, 1]))  # a blank must stand between


def test_slopes_are_slopes() -> None:
    x = slopes(torch.arange(20.0).unsqueeze(1).expand(20, 2) ** 2)
    assert x.shape == (20, 6)
    torch.testing.assert_close(x.mean(0), torch.zeros(6), atol=1e-4, rtol=0)
    inner = x[4:-4, 2].diff()
    torch.testing.assert_close(inner, inner[0].expand_as(inner), atol=1e-4, rtol=1e-3)


def test_cepstra_are_those_of_their_formula() -> None:
    """One frame, number by number."""
    x = (0.3 * np.random.default_rng(1).standard_normal(410)).astype(np.float32)
    y = 32768 * np.concatenate([x[:1], x[1:] - np.float32(0.97) * x[:-1]]) * np.hamming(410)
    lines = np.abs(np.fft.rfft(y, 512)) ** 2
    mel = lambda f: 2595 * np.log10(1 + f / 700)
    edges = 700 * (10 ** (np.linspace(mel(130), mel(6800), 42) / 2595) - 1)
    edges = np.round(edges * 512 / 16_000) * 16_000 / 512
    energies = np.zeros(40)
    for b, (low, middle, high) in enumerate(zip(edges, edges[1:], edges[2:], strict=False)):
        for k, f in enumerate(np.arange(257) * 16_000 / 512):
            up, down = (f - low) / (middle - low), (high - f) / (high - middle)
            energies[b] += max(0.0, min(up, down)) * 2 / (high - low) * lines[k]
    for k, found in enumerate(cepstra_of(x, 16_000)[0].tolist()):
        terms = np.log(energies) * np.cos(np.pi * k * (np.arange(40) + 0.5) / 40)
        assert found == pytest.approx((terms.sum() - terms[0] / 2) / 40, abs=2e-3)
    with pytest.raises(SpeechError, match="16,000"):
        cepstra_of(x, 8000)


@pytest.mark.skipif(shutil.which("sphinx_fe") is None, reason="no sphinx_fe: apt-get install sphinxbase-utils")
def test_cepstra_are_those_of_sphinx(tmp_path: Path) -> None:
    x = beeps(16_000) + 0.003 * np.random.default_rng(0).standard_normal(len(beeps(16_000))).astype(np.float32)
    (tmp_path / "x.wav").write_bytes(write_wav(x, 16_000))
    settings = "-mswav yes -samprate 16000 -nfft 512 -nfilt 40 -lowerf 130 -upperf 6800 -frate 100 -ncep 13"
    command = ["sphinx_fe", "-i", "x.wav", "-o", "x.mfc", *settings.split(), "-remove_noise", "no"]
    subprocess.run(command, cwd=tmp_path, check=True, capture_output=True)
    data = (tmp_path / "x.mfc").read_bytes()
    expected = np.frombuffer(data[4:], "<f4" if int.from_bytes(data[:4], "little") * 4 + 4 == len(data) else ">f4")
    found = cepstra_of(x, 16_000).numpy()
    off = np.abs(found - expected.reshape(-1, 13)[: len(found)])
    assert off.mean() < 0.01  # it dithers, and rounds its samples to 16 bits
    assert np.quantile(off, 0.99) < 0.05


# ---------------------------------------------------------------- words


def frames(text: str, alphabet: Alphabet, p: float = 0.9) -> torch.Tensor:
    """Log-probabilities that spell a text, each label on two steps and a blank after it."""
    rows = []
    for label in alphabet.labels(text):
        for symbol in (label, label, 0):
            row = torch.full((alphabet.size,), (1 - p) / (alphabet.size - 1))
            row[symbol] = p
            rows.append(row)
    return torch.stack(rows).log() if rows else torch.zeros(0, alphabet.size)


@pytest.mark.parametrize("kind", ["digits", "an4"])
@given(st.lists(st.sampled_from(["one", "two", "zero"]), max_size=5), st.integers(1, 7))
def test_the_best_path_piece_by_piece_is_that_of_the_whole(kind: str, words: list[str], size: int) -> None:
    alphabet = ALPHABETS[kind]
    log_probs, own = frames(" ".join(words), alphabet), BestPath(alphabet)
    whole = best_path(log_probs, alphabet)
    assert [w.word for w in whole] == words
    assert all(abs(w.p - 0.9) < 1e-5 and w.first < w.last for w in whole)
    parts = [w for part in log_probs.split(size) for w in own(part)] + own.finish()
    assert parts == whole


def test_a_list_of_words_and_their_order_choose_what_was_said() -> None:
    alphabet = ALPHABETS["an4"]
    texts = ["enter four nine", "enter two", "go to the mall", "the mall"]
    language = Vocabulary(sorted({w for t in texts for w in t.split()}), texts, alphabet)
    log_probs = frames("entar foar nine", alphabet, 0.6)
    assert [w.word for w in best_path(log_probs, alphabet)] == ["entar", "foar", "nine"]
    found = best_words(log_probs, alphabet, language)
    assert [w.word for w in found] == ["enter", "four", "nine"]
    assert all(a.last <= b.first for a, b in itertools.pairwise(found))
    assert best_words(torch.zeros(0, alphabet.size), alphabet, language) == []
    # no path has room for a word of the list
    assert best_words(frames("z", alphabet, 1 - 1e-9)[:1], alphabet, language) == []


@given(st.lists(st.sampled_from(list(SAID)), min_size=1, max_size=5), st.integers(0, 10**6))
def test_words_that_sound_alike_are_told_by_those_around_them(words: list[str], seed: int) -> None:
    """The chosen words are the likeliest of all with these sounds, by trying all."""
    alphabet, random = Alphabet.of_sounds(SAID), np.random.default_rng(seed)
    texts = [" ".join(random.choice(list(SAID), 4)) for _ in range(6)]
    language = Vocabulary(sorted(SAID), texts, alphabet)
    number, end = {w: k for k, w in enumerate(language.words)}, len(SAID)

    def nats(row: tuple[str, ...]) -> float:
        found = [number[w] for w in row] + [end]
        return sum(language._score(tuple(found[max(0, k - 2) : k]), w) for k, w in enumerate(found))

    alike = [[w for w in SAID if SAID[w] == SAID[own]] for own in words]
    read = tuple(language.read([alphabet.labels(w) for w in words]))
    assert [SAID[w] for w in read] == [SAID[w] for w in words]
    assert nats(read) == pytest.approx(max(map(nats, itertools.product(*alike))))


def test_sounds_become_words_of_the_list() -> None:
    alphabet, texts = Alphabet.of_sounds(SAID), ["i go to", "go to", "i go too i tie", "two tie", "two go"]
    language = Vocabulary(sorted(SAID), texts, alphabet)
    log_probs = frames("two go", alphabet)
    assert [w.word for w in best_path(log_probs, alphabet)] == ["tuː", "goʊ"]
    assert [w.word for w in best_words(log_probs, alphabet, language)] == ["two", "go"]
    assert [w.word for w in best_words(frames("go two", alphabet), alphabet, language)] == ["go", "to"]


def test_a_vocabulary_counts_how_likely_a_text_is() -> None:
    """The beam's score is log p(labels) + weight (log p(words) + log p(end)) + the words' bonus."""
    alphabet, texts = ALPHABETS["an4"], ["a b", "a b", "a c", "b"]
    language = Vocabulary(["a", "b", "c"], texts, alphabet, bonus=0.7)
    best = prefix_beam(frames("a b", alphabet), 32, language, 0.5)[0]
    assert alphabet.text(best.labels) == "a b"
    p = [language._score((), 0), language._score((0,), 1), language._score((0, 1), 3)]
    assert best.score == pytest.approx(best.log_prob + 0.5 * (sum(p) + 2 * 0.7))
    spread_out = [sum(np.exp(language._score(b, k)) for k in range(4)) for b in ((), (0,), (0, 1))]
    assert spread_out == pytest.approx([1, 1, 1])


def test_loud_stretches_are_found_and_give_words_their_times() -> None:
    own, energies = Activity(), torch.full((200, 4), 1e-6)
    energies[30:60] = energies[100:150] = 1.0
    energies[110:113] = 1e-6  # bridged
    for part in energies.split(7):
        own(part)
    assert list(own.stretches) == [(30, 60), (100, 150)]
    assert own.quiet(0) == 50
    assert own.extent(56, 60, 0, 140) == (30, 60)
    assert own.extent(140, 148, 60, None) == (100, 150)
    assert own.extent(140, 148, 0, None) == (100, 150)  # not from the word before
    first = own.extent(110, 114, 60, 140)  # the next word is named in the same stretch
    assert first[0] == 100
    assert 114 <= first[1] <= 140
    assert spread([(0.2, 0.1), (0.05, 3.0)], 1.0) == [(0.2, 0.21), (0.21, 1.0)]


# ---------------------------------------------------------------- the listener


@pytest.mark.parametrize("rate", [8000, 16_000, 44_100, 192_000])
@settings(max_examples=12)
@given(seed=st.integers(0, 999))
def test_a_live_stream_is_the_whole_recording_to_the_last_bit(rate: int, seed: int) -> None:
    own, x, random = LISTENER, beeps(rate, seed % 3, 4), np.random.default_rng(seed)
    whole = own(Recording(x, rate))
    stream, words, at = own.stream(rate), [], 0
    while at < len(x):
        size = int(random.integers(0, rate))
        words += stream(x[at : at + size])
        at += size
    words += stream.finish()
    assert words == whole.words
    assert stream.seconds == len(x) / rate
    starts, ends = [w.start for w in words], [w.end for w in words]
    assert all(a < b for a, b in zip(starts, ends, strict=True))
    assert all(a <= b for a, b in zip(ends, starts[1:], strict=False))


LISTENER = listener()


def test_a_live_stream_names_what_the_network_names_of_the_whole() -> None:
    x = beeps(count=9)
    expected = best_path(LISTENER.model.log_probs(LISTENER.front(x)), LISTENER.alphabet)
    assert expected
    found = LISTENER(Recording(x, RATE)).words
    assert [w.word for w in found] == [w.word for w in expected]
    assert [w.p for w in found] == pytest.approx([w.p for w in expected], abs=1e-4)


def held(stream: Any) -> int:
    """Numbers that a stream keeps, whatever they are kept in."""
    seen: set[int] = set()

    def count(value: Any) -> int:
        if id(value) in seen:
            return 0
        seen.add(id(value))
        if isinstance(value, torch.Tensor):
            return value.numel()
        if isinstance(value, dict):
            return sum(map(count, value.values()))
        if hasattr(value, "__dict__") and type(value).__module__.startswith("rondo.tasks.speech.stream"):
            return sum(map(count, vars(value).values()))
        if isinstance(value, (list, tuple)) or type(value).__name__ == "deque":
            return len(value) + sum(map(count, value))
        return count(vars(value)) if hasattr(value, "__dict__") else 1

    return count(stream)


def test_the_memory_of_a_stream_does_not_grow() -> None:
    stream, x = LISTENER.stream(RATE), beeps(count=40)
    sizes = []
    for _ in range(6):
        stream(x)
        sizes.append(held(stream))
    assert max(sizes[2:]) < 1.3 * max(sizes[:2])


@pytest.mark.parametrize("samples", [1, 79, 255, 256, 700])
def test_the_shortest_recordings_are_read(samples: int) -> None:
    for own in (LISTENER, listener("sentences", bidirectional=True)):
        found = own(Recording(0.1 * np.ones(samples, dtype=np.float32), RATE))
        assert found.seconds == round(samples / RATE, 3)


def test_silence_is_said_to_be_silent() -> None:
    assert any("almost silent" in n for n in LISTENER(Recording(np.zeros(8000, dtype=np.float32), RATE)).notes)


def test_a_model_that_reads_both_ways_is_not_live_and_takes_no_hour() -> None:
    own = listener("sentences", bidirectional=True)
    assert not own.live
    with pytest.raises(SpeechError, match="cannot listen live"):
        own.stream(RATE)
    with pytest.raises(SpeechError, match="120 s at most"):
        own(Recording(np.zeros(121 * RATE, dtype=np.float32), RATE))
    with pytest.raises(SpeechError, match="no list of words"):
        own(Recording(beeps(), RATE), "words")


def test_model_files_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    own = listener()
    about = {"task": "speech", "alphabet": own.alphabet.to_json(), "front": own.front.to_json()}
    for wrong in ({"alphabet": {"symbols": ["a", " "], "spelled": True}}, {"front": {"rate": 1}}, {"front": None}):
        save_model(tmp_path / "m.safetensors", own.model, {**about, **wrong})
        with pytest.raises(SpeechError):
            Listener.load(tmp_path / "m.safetensors")
    save_model(tmp_path / "m.safetensors", own.model, about)
    x = beeps()
    assert Listener.load(tmp_path / "m.safetensors")(Recording(x, RATE)).words == own(Recording(x, RATE)).words


def test_the_command_writes_down_a_file_whole_live_and_from_a_pipe(tmp_path: Path) -> None:
    own, model = listener(), tmp_path / "m.safetensors"
    about = {"task": "speech", "alphabet": own.alphabet.to_json(), "front": own.front.to_json()}
    save_model(model, own.model, about)
    data = write_wav(beeps(count=6), RATE)
    (tmp_path / "a.wav").write_bytes(data)
    expected = [w.model_dump() for w in own(read_audio(data)).words]
    assert expected
    run = lambda *given, **more: CliRunner().invoke(app, ["speech", *given, "--model", str(model), "--json"], **more)
    whole = json.loads(run(str(tmp_path / "a.wav")).stdout)
    assert whole["words"] == expected
    live = run(str(tmp_path / "a.wav"), "--live").stdout
    assert [json.loads(line) for line in live.splitlines()] == expected
    piped = run("-", "--rate", "8000", input=data[44:]).stdout
    assert [json.loads(line) for line in piped.splitlines()] == expected
    with pytest.raises(AudioError, match="cannot be read"):
        run(str(tmp_path / "none.wav"), catch_exceptions=False)


# ---------------------------------------------------------------- training


def test_digits_are_trained_resumed_and_measured(tmp_path: Path) -> None:
    data = data_folder(tmp_path / "data")
    config = SpeechConfig(**SMALL)
    run = train(data, config, tmp_path / "run")
    _, about = load_model(run.model_file, Recogniser)
    assert about["speech"] == "digits"
    assert "CC BY-SA" in about["licence"]
    resume(tmp_path / "run")
    found = evaluate(tmp_path / "run", data / "fsdd" / "connected_valid.jsonl.gz")
    assert found["recordings"] == 6
    assert found["words"] == 18
    assert found["word_error_templates"] < 0.2  # chords are told apart easily
    assert found["word_error"] >= 0


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng: apt-get install espeak-ng")
def test_digits_can_be_spoken_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sentences, "heard_voices", lambda count: ("en-us+f1",))
    config = SpeechConfig(**SMALL, synthetic=0.999, grow=0)
    source = sources.load(config, sources.files(config, data_folder(tmp_path)))
    assert {u.speaker for u in source.valid} <= {"george", "theo"}  # people alone are measured
    for _, labels, steps in source.drawn(9, np.random.default_rng(0)):
        assert collapse(steps) == labels


def test_a_speaker_who_is_left_out_is_not_trained_on_and_alone_validated_with(tmp_path: Path) -> None:
    data = data_folder(tmp_path)
    config = SpeechConfig(**SMALL, left_out="theo")
    source = sources.load(config, sources.files(config, data))
    assert source.count == 20  # of george
    assert {u.speaker for u in source.valid} == {"theo"}
    assert source.extra["left_out"] == "theo"
    with pytest.raises(ConfigError, match="left_out"):
        SpeechConfig(kind="an4", left_out="theo")


def test_batches_depend_on_seed_and_step_alone(tmp_path: Path) -> None:
    config = SpeechConfig(**SMALL)
    source = sources.load(config, sources.files(config, data_folder(tmp_path)))
    one, two = (source.drawn(7, np.random.default_rng([1, 7])) for _ in range(2))
    for a, b in zip(one, two, strict=True):
        assert a[1:] == b[1:]
        torch.testing.assert_close(a[0], b[0], rtol=0, atol=0)
    short = source.drawn(0, np.random.default_rng(0))
    assert all(len(labels) == 1 for _, labels, *_ in short)


def test_the_moments_of_digits_are_where_they_are_said(tmp_path: Path) -> None:
    """The symbols of steps, merged, are the labels; each stands where its recording is loud."""
    config = SpeechConfig(**{**SMALL, "rows": 20}, grow=0, speed=0.1)
    source = sources.load(config, sources.files(config, data_folder(tmp_path)))
    for x, labels, steps in source.drawn(5, np.random.default_rng(3)):
        assert collapse(steps) == labels
        assert len(steps) == -(-len(x) // 4)
    assert sources.moments([3], [(0.2, 0.4)], 60, 4) == [0] * 8 + [3, 3] + [0] * 5
    assert sources.moments([3], [(0.2, 0.21)], 60, 4) == [0] * 5 + [3] + [0] * 9


def test_the_loss_is_that_of_ctc_and_of_the_steps() -> None:
    own = LISTENER.model
    x, lengths = torch.randn(2, 30, 40), torch.tensor([30, 22])
    y = torch.full((2, 2, 8), -100)
    y[0, 0, :2], y[1, 0, :1] = torch.tensor([3, 4]), torch.tensor([7])
    plain = own.loss(Batch(x, y[:, 0], lengths))
    y[:, 1, :5] = torch.tensor([0, 3, 3, 0, 4])
    both = own.loss(Batch(x, y, lengths, torch.tensor([2, 1])))
    scores, steps = own(x, lengths)
    assert steps is not None
    assert steps.tolist() == [8, 6]
    nats = -scores.log_softmax(2)[:, :5].gather(2, y[:, 1, :5].unsqueeze(2)).sum()
    torch.testing.assert_close(both.total - plain.total, own.moments * nats, rtol=1e-4, atol=1e-4)
    assert both.count == plain.count == 3
    torch.testing.assert_close(both.nats, plain.nats)


def an4_folder(folder: Path) -> Path:
    own = folder / "an4-mfcc"
    own.mkdir(parents=True)
    random = np.random.default_rng(0)
    for part in ("train", "valid"):
        np.save(own / f"{part}.mfcc.npy", random.standard_normal((400, 13)).astype(np.float16))
        with gzip.open(own / f"{part}.jsonl.gz", "wt") as file:
            for k in range(5):
                row = {"id": f"{k}", "speaker": "fx", "text": ["YES", "NO GO"][k % 2], "start": 80 * k, "frames": 80}
                file.write(json.dumps(row) + "\n")
    (own / "an4.dic").write_text("YES  Y EH S\nNO  N OW\nGO  G OW\nGO(2)  G OW\n")
    return folder


def test_cepstra_are_trained_on_and_measured_with_a_list_of_words(tmp_path: Path) -> None:
    data = an4_folder(tmp_path / "data")
    run = train(data, SpeechConfig(kind="an4", bidirectional=True, **SMALL), tmp_path / "run")
    _, about = load_model(run.model_file, Recogniser)
    assert about["words"] == ["go", "no", "yes"]
    found = evaluate(tmp_path / "run", data / "an4-mfcc" / "valid.jsonl.gz")
    assert {"word_error", "letter_error", "with_words", "word_error_commonest"} <= found.keys()
    bad = data / "an4-mfcc" / "valid.jsonl.gz"
    with gzip.open(bad, "wt") as file:
        file.write(json.dumps({"id": "a", "text": "YES", "start": 390, "frames": 80}) + "\n")
    with pytest.raises(SpeechError, match="which has 400"):
        evaluate(tmp_path / "run", bad)


def test_files_that_are_missing_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataSetError, match=r"train\.tar is missing"):
        train(tmp_path, SpeechConfig(), tmp_path / "run")


def test_recordings_with_their_texts_are_measured(tmp_path: Path) -> None:
    data = data_folder(tmp_path / "data")
    run = train(data, SpeechConfig(**SMALL), tmp_path / "run")
    (tmp_path / "a.wav").write_bytes(write_wav(beeps(16_000), 16_000))
    (tmp_path / "list.jsonl").write_text(json.dumps({"audio": "a.wav", "text": "one two"}) + "\n")
    assert evaluate(run.folder, tmp_path / "list.jsonl")["words"] == 2
    (tmp_path / "list.jsonl").write_text(json.dumps({"sound": "a.wav"}) + "\n")
    with pytest.raises(SpeechError, match="three forms"):
        evaluate(run.folder, tmp_path / "list.jsonl")


@pytest.mark.parametrize("name", ["speech-digits", "speech-digits-live", "speech-an4", "speech-sentences"])
def test_shipped_configurations_build(name: str) -> None:
    config = SpeechConfig.load(configs.find(Path(name)))
    front, alphabet = FrontEnd.of(config), ALPHABETS.get(config.kind) or Alphabet.of_sounds(SAID)
    model = build(config, front, alphabet)
    scores, _ = model(torch.zeros(1, 50, front.width))
    assert scores.shape[2] == alphabet.size
    assert sum(p.numel() for p in model.parameters()) < 7.5e6  # int8: 8 MB


# ---------------------------------------------------------------- sentences


def test_sentences_are_made_plain() -> None:
    assert sentences.plain("Don\u2019t shout: it's OK!") == "don't shout it's ok"
    assert sentences.plain("At 5 o'clock") == ""
    assert sentences.plain("Caf\u00e9?") == ""
    assert set(sentences.FOX) <= set(LETTERS)


def test_nothing_is_learned_of_the_fox() -> None:
    for line in (sentences.FOX, "the quick brown fox jumps", "he jumped over the hedge"):
        assert sentences.like_fox(line)
    for line in ("the quick brown", "a quick brown dog", "jumped over them", "the lazy dogs over the hill"):
        assert sentences.like_fox(line) == (line == "the quick brown")
    told = sentences.language(["the quick brown fox jumps", "the dog sleeps", "the dog eats"])
    assert unpacked(told["texts"]) == ["the dog eats", "the dog sleeps"]


def test_voices_that_are_held_out_are_not_trained_on() -> None:
    heard = sentences.heard_voices(SpeechConfig(voices=40).voices)
    assert len(set(heard)) == 160
    assert not set(heard) & set(sentences.UNHEARD)


def pairs_folder(folder: Path) -> Path:
    own = folder / "mt-tatoeba-fra-eng"
    own.mkdir(parents=True)
    for part in ("train", "valid"):
        with gzip.open(own / f"{part}.tsv.gz", "wt") as file:
            file.write("en\tfr\n")
            for k, word in enumerate(("cats", "dogs", "birds", "cats")):
                file.write(f"The {word} are {part}ed.\tMot {k}.\n")
    return folder


def test_without_the_program_sentences_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    with pytest.raises(SpeechError, match="apt-get install espeak-ng"):
        sentences.speak("hello", "en-us")
    with pytest.raises(SpeechError, match="apt-get install espeak-ng"):
        sentences.sounds(["hello"])


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng: apt-get install espeak-ng")
def test_words_have_sounds_without_stress() -> None:
    found = sentences.sounds(["fox", "'", "two", "too", "jumped"])
    assert found["two"] == found["too"]
    assert found["jumped"] == ("dʒ", "ʌ", "m", "p", "t")
    assert "'" not in found


@pytest.mark.skipif(shutil.which("espeak-ng") is None, reason="no espeak-ng: apt-get install espeak-ng")
def test_sentences_are_spoken_trained_on_and_measured(tmp_path: Path) -> None:
    data = pairs_folder(tmp_path / "data")
    config = SpeechConfig(kind="sentences", sentences=3, bidirectional=True, **SMALL)
    run = train(data, config, tmp_path / "run")
    _, about = load_model(run.model_file, Recogniser)
    assert "eSpeak NG" in about["synthetic"]
    listed = sentences.write(tmp_path / "spoken", data, 2, 0)
    rows = [json.loads(line) for line in listed.read_text().splitlines()]
    assert rows[0]["text"] == sentences.FOX
    found = evaluate(run.folder, listed)
    assert found["recordings"] == 2
    assert found["sound_error"] > 0  # hardly trained
    assert {"word_error", "exact"} <= set(found["with_words"])
    own = Listener.load(run.folder)
    assert any("synthetic" in n for n in own(Recording(beeps(), RATE)).notes)
    words = set(own(Recording(beeps(), RATE)).text.split())
    assert words <= set(own.vocabulary.words)  # type: ignore[union-attr]
    response = own.response([Word(word="dɒɡ", start=0, end=1, p=1)], 1.0, RATE, "greedy")
    assert any("(IPA)" in n for n in response.notes)


def test_words_of_a_whole_recording_lie_where_it_is_loud() -> None:
    """A network that reads both ways may name a digit anywhere; its time is the sound that is there."""
    own, pause, tone = listener(bidirectional=True), np.zeros(2000, np.float32), 0.3 * np.sin(np.arange(2400) * 0.5)
    samples = np.concatenate([pause, tone, pause, tone, pause]).astype(np.float32)  # 0.25 to 0.55 s, 0.8 to 1.1 s
    ratio = own.model.ratio
    named = [Spoken("one", 50 // ratio, 52 // ratio + 1, 1.0), Spoken("two", 84 // ratio, 86 // ratio + 1, 1.0)]
    found = own.timed(named, len(samples) / 8000, samples)
    for word, (start, end) in zip(found, [(0.25, 0.55), (0.8, 1.1)], strict=True):
        assert abs(word.start - start) < 0.04
        assert abs(word.end - end) < 0.06
