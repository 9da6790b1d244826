"""Audio: files whole and damaged, other rates, frames, and everything piece by piece as at once."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given
from hypothesis import strategies as st

from rondo.data.audio import (
    AudioError,
    AudioFile,
    Floats,
    Mel,
    MelStream,
    Pcen,
    Resampler,
    log_mel,
    read_audio,
    resample,
    write_wav,
)
from rondo.models.stem import Stem, StemStream
from rondo.models.stream import TaggerStream
from rondo.models.tagger import Tagger

CLOSE = {"rtol": 1e-5, "atol": 1e-5}  # float32, products in blocks of another size


def tone(hertz: float, rate: int, seconds: float = 0.5) -> Floats:
    return np.sin(2 * np.pi * hertz * np.arange(round(seconds * rate)) / rate).astype(np.float32)


def noise(samples: int, seed: int = 0) -> Floats:
    return (0.1 * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


def cuts(samples: Floats, seed: int) -> list[Floats]:
    """Samples in pieces of random size, empty ones among them."""
    random, found, at = np.random.default_rng(seed), [], 0
    while at < len(samples):
        size = int(random.integers(0, 3000))
        found.append(samples[at : at + size])
        at += size
    return found


# ---------------------------------------------------------------- files


@pytest.mark.parametrize("kind", ["wav", "flac", "ogg"])
def test_a_recording_is_read(tmp_path: Path, kind: str) -> None:
    path, x = tmp_path / f"tone.{kind}", 0.5 * tone(440, 16_000)
    soundfile.write(path, x, 16_000)
    found = read_audio(path)
    assert (found.rate, found.notes) == (16_000, ())
    assert abs(found.seconds - 0.5) < 0.02
    if kind != "ogg":  # which is lossy
        np.testing.assert_allclose(found.samples, x, atol=2**-15)


def test_our_own_wav_files_are_read_back() -> None:
    x = noise(1001)
    found = read_audio(write_wav(x, 8000))
    assert found.rate == 8000
    np.testing.assert_allclose(found.samples, x, atol=2**-15)


def test_channels_are_averaged_at_192_kilohertz_and_24_bits(tmp_path: Path) -> None:
    path = tmp_path / "studio.wav"
    soundfile.write(path, np.stack([0.6 * tone(440, 192_000), 0.2 * tone(440, 192_000)], 1), 192_000, "PCM_24")
    found = read_audio(path)
    assert found.rate == 192_000
    np.testing.assert_allclose(found.samples, 0.4 * tone(440, 192_000), atol=1e-6)


@pytest.mark.parametrize("kind", ["wav", "flac"])
def test_what_is_there_of_a_file_that_was_cut_off_is_read_and_said(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"tone.{kind}"
    soundfile.write(path, noise(16_000), 8000)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    found = read_audio(path)
    assert 0.4 < found.seconds < 1.1
    assert "cut off" in found.notes[0]


def test_a_wav_file_from_a_pipe_is_whole(tmp_path: Path) -> None:
    """Its header promises as much as a header can."""
    data = bytearray(write_wav(noise(800), 8000))
    data[4:8] = data[40:44] = b"\xff\xff\xff\xff"
    found = read_audio(bytes(data))
    assert len(found.samples) == 800
    assert not found.notes


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no recording"),
        (b"RIFF", "no recording"),
        (b"hello, this is no sound at all" * 9, "no recording"),
        (write_wav(noise(100), 8000)[:30], "no recording"),
        (write_wav(noise(0), 8000), "0 samples"),
        (write_wav(noise(100), 1000), "4,000 to 384,000"),
    ],
)
def test_what_is_no_recording_is_refused_with_a_reason(data: bytes, said: str) -> None:
    with pytest.raises(AudioError, match=said):
        read_audio(data)


def test_samples_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    path, x = tmp_path / "bad.wav", noise(100)
    x[7] = np.nan
    soundfile.write(path, x, 8000, "FLOAT")
    with pytest.raises(AudioError, match="not finite"):
        read_audio(path)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"none\.wav cannot be read"):
        AudioFile(tmp_path / "none.wav")


# ---------------------------------------------------------------- rates


@pytest.mark.parametrize("rate", [8000, 11_025, 16_000, 22_050, 44_100, 48_000, 192_000])
def test_a_tone_stays_itself_at_another_rate(rate: int) -> None:
    y, x = resample(tone(1000, rate), rate, 8000), tone(1000, 8000)
    assert len(y) == math.ceil(round(0.5 * rate) * 8000 / rate)
    np.testing.assert_allclose(y[100:-100], x[100 : len(y) - 100], atol=2e-3)


def test_what_is_too_high_for_the_new_rate_is_gone() -> None:
    assert np.abs(resample(tone(6000, 44_100), 44_100, 8000))[100:-100].max() < 1e-3


@given(st.sampled_from([8000, 11_025, 16_000, 44_100, 47_999]), st.integers(0, 9000), st.integers(0, 99))
def test_rates_change_piece_by_piece_as_at_once(rate: int, samples: int, seed: int) -> None:
    x, own = noise(samples, seed), Resampler(rate, 8000)
    parts = [*(own(part) for part in cuts(x, seed)), own.finish()]
    np.testing.assert_array_equal(np.concatenate(parts), resample(x, rate, 8000))


# ---------------------------------------------------------------- frames


def test_a_tone_is_in_its_band() -> None:
    mel = Mel(8000, 40)
    energies = mel(tone(1000, 8000))
    assert energies.shape == (mel.frames(4000), 40)
    lines = torch.arange(mel.size // 2 + 1) * 8000 / mel.size
    centres = (lines.unsqueeze(1) * mel.filters()).sum(0) / mel.filters().sum(0)
    assert abs(float(centres[int(energies.mean(0).argmax())]) - 1000) < 80


@given(st.integers(0, 6000), st.integers(0, 99))
def test_frames_piece_by_piece_are_those_of_the_whole(samples: int, seed: int) -> None:
    x, mel = noise(samples, seed), Mel(8000, 20)
    stream = MelStream(mel, block=7)
    parts = [block for part in cuts(x, seed) for block in stream(part)] + list(stream.finish())
    found = torch.cat(parts) if parts else torch.zeros(0, 20)
    assert len(found) == mel.frames(samples)
    torch.testing.assert_close(found, mel(x), **CLOSE)


@given(st.lists(st.integers(0, 150), min_size=1, max_size=4))
def test_pcen_is_its_recursion_and_carries_on(sizes: list[int]) -> None:
    own, steps = Pcen(), sum(sizes)
    energies = torch.rand(steps, 3, generator=torch.Generator().manual_seed(1)) ** 4
    expected, mean = [], energies[0] if steps else torch.zeros(3)
    for e in energies:
        mean = (1 - own.s) * mean + own.s * e
        expected.append((e / (own.eps + mean) ** own.a + own.d) ** own.r - own.d**own.r)
    before, found = None, []
    for part in energies.split(sizes):
        if len(part):
            y, before = own(part, before)
            found.append(y)
    if steps:
        torch.testing.assert_close(torch.cat(found), torch.stack(expected), rtol=1e-4, atol=1e-4)


def test_loudness_matters_little_to_pcen_and_not_at_all_to_scaled_logarithms() -> None:
    energies = Mel(8000)(noise(8000))
    quiet, loud = (Pcen()(k * energies)[0] for k in (1.0, 100.0))
    assert float((quiet - loud).abs().mean()) < 0.15 * float(quiet.std())
    torch.testing.assert_close(log_mel(energies, 0.0), log_mel(100 * energies, 0.0), rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- stems and taggers piece by piece

LAYERS = [
    [{"channels": 3, "width": 4}],
    [{"channels": 3, "width": 5, "stride": 2}, {"channels": 4, "width": 5, "stride": 2}],
    [{"channels": 3, "width": 2, "stride": 3}, {"channels": 2, "width": 3, "pool": 3}],
]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("layers", LAYERS)
@given(sizes=st.lists(st.integers(0, 9), min_size=1, max_size=6))
def test_a_stem_piece_by_piece_is_the_stem_of_the_whole(
    layers: list[dict[str, int]], causal: bool, sizes: list[int]
) -> None:
    torch.manual_seed(0)
    stem = Stem(4, layers, causal).double()
    x = torch.randn(2, sum(sizes), 4, dtype=torch.float64)
    stream = StemStream(stem, rows=2)
    with torch.no_grad():
        found = torch.cat([*(stream(part) for part in x.split(sizes, 1)), stream.finish()], 1)
        if sum(sizes):
            torch.testing.assert_close(found, stem(x)[0], rtol=0, atol=1e-12)
        else:
            assert not found.shape[1]


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("stem", [(), LAYERS[1]])
def test_a_tagger_piece_by_piece_is_the_tagger_of_the_whole(cell: str, stem: list[dict[str, int]]) -> None:
    torch.manual_seed(0)
    model = Tagger(cell, 4, 6, 5, 2, head="ctc", stem=stem).eval()
    x = torch.randn(1, 53, 4)
    stream = TaggerStream(model)
    found = torch.cat([*(stream(part) for part in x.split([1, 0, 20, 5, 27], 1)), stream.finish()], 1)
    torch.testing.assert_close(found, model(x)[0].detach(), **CLOSE)


def test_what_reads_backward_does_not_stream() -> None:
    with pytest.raises(ValueError, match="cannot stream"):
        TaggerStream(Tagger("gru", 4, 6, 5, bidirectional=True).eval())
    with pytest.raises(ValueError, match="eval"):
        TaggerStream(Tagger("gru", 4, 6, 5))
