"""The listener: a recording in, its words with their times out; or a live stream."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from rondo.data.audio import RATES, AudioFile, Floats, Recording, resample
from rondo.data.packed import unpacked
from rondo.models.store import load_task
from rondo.tasks.speech.activity import Activity, spread
from rondo.tasks.speech.alphabet import Alphabet, SpeechError
from rondo.tasks.speech.features import FrontEnd
from rondo.tasks.speech.model import Recogniser
from rondo.tasks.speech.request import Decoding, SpeechResponse, Word
from rondo.tasks.speech.stream import FRAME, Stream, loud
from rondo.tasks.speech.words import Spoken, Vocabulary, best_path, best_words

LONGEST = 120  # seconds that a model which reads both ways takes at once
QUIET = 1e-3  # a recording whose loudest sample is below this is said to be silent
SOUNDS = (
    "这里写的是听到的音（国际音标），没有按词表拼成词 / "
    "these are the sounds that were heard (IPA), not words: for words decode with words"
)
SYNTHETIC = (
    "这个模型只听过合成语音（espeak-ng），听不懂真人 / this model has heard synthetic speech alone (espeak-ng): "
    "it does not understand people"
)


class Listener:
    """A model with its alphabet, what it reads of a recording, and its words."""

    def __init__(self, model: Recogniser, about: dict[str, Any], name: str = "") -> None:
        self.model, self.about, self.name = model.eval(), about, name
        self.alphabet = Alphabet.from_json(about.get("alphabet"))
        self.front = FrontEnd.from_json(about.get("front"))
        if model.tags != self.alphabet.size:
            raise SpeechError("the model file's alphabet is another than its network's")
        words, self.texts = about.get("words"), texts_of(about)
        self.vocabulary = Vocabulary(words, self.texts, self.alphabet) if words and self.alphabet.spelled else None
        if self.alphabet.sounds and self.vocabulary is None:
            raise SpeechError("the model file has sounds and no list of words")

    @classmethod
    def load(cls, path: Path | str = "speech-digits") -> Listener:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError, SpeechError."""
        model, about = load_task(path, "speech", Recogniser, "model of speech")
        return cls(model, about, str(path))

    @property
    def live(self) -> bool:
        """Whether it can follow a stream."""
        return self.front.norm == "pcen" and not self.model.bidirectional

    def stream(self, rate: int) -> Stream:
        """A live stream of samples at a rate. Raises SpeechError where the model reads both ways."""
        if not self.live:
            raise SpeechError(
                "这个模型要听完整段录音，不能实时听写 / this model reads recordings in both directions and cannot "
                "listen live: take speech-digits-live"
            )
        if not RATES[0] <= rate <= RATES[1]:
            raise SpeechError(
                f"采样率应在 {RATES[0]} 与 {RATES[1]} Hz 之间 / a rate is {RATES[0]:,} to {RATES[1]:,} samples per "
                f"second, found {rate:,}"
            )
        return Stream(self.model, self.alphabet, self.front, rate)

    def __call__(self, recording: Recording, decoding: Decoding = "auto") -> SpeechResponse:
        """A whole recording."""
        if self.live and decoding != "words":
            stream = self.stream(recording.rate)
            words = [*stream(recording.samples), *stream.finish()]
            used: Decoding = "greedy"
        else:
            words, used = self._whole(recording, decoding)
        return self.response(words, recording.seconds, recording.rate, used, self.notes(recording))

    def file(self, file: AudioFile, decoding: Decoding = "auto") -> SpeechResponse:
        """A recording in a file: as a stream in constant memory where the model can. Raises AudioError, SpeechError."""
        if not self.live or decoding == "words":
            pieces = _short(file.pieces(), file)
            return self(Recording(torch.cat(pieces).numpy(), file.rate, tuple(file.notes)), decoding)
        stream, words, loudest = self.stream(file.rate), [], 0.0
        for samples in file.pieces():
            loudest = max(loudest, float(abs(samples).max()))
            words += stream(samples)
        words += stream.finish()
        return self.response(words, stream.seconds, file.rate, "greedy", [*file.notes, *quiet(loudest)])

    def response(
        self, words: list[Word], seconds: float, rate: int, decoding: Any, notes: Iterable[str] = ()
    ) -> SpeechResponse:
        text = " ".join(w.word for w in words)
        said = [*notes, *([SYNTHETIC] if self.about.get("synthetic") else [])]
        said += [SOUNDS] if words and decoding == "greedy" and self.alphabet.sounds else []
        if not words:
            said.append("没有听到词 / no word was heard")
        return SpeechResponse(
            text=text, words=words, seconds=round(seconds, 3), rate=rate, model=self.name, decoding=decoding, notes=said
        )

    def notes(self, recording: Recording) -> list[str]:
        loudest = float(abs(recording.samples).max()) if len(recording.samples) else 0.0
        return [*recording.notes, *quiet(loudest)]

    def _whole(self, recording: Recording, decoding: Decoding) -> tuple[list[Word], Decoding]:
        if decoding == "words" and self.vocabulary is None:
            raise SpeechError(
                "这个模型没有词表 / this model has no list of words: decode it with greedy, or take speech-an4"
            )
        if recording.seconds > LONGEST:
            raise SpeechError(
                f"录音有 {recording.seconds:.0f} 秒，这个模型一次最多 {LONGEST} 秒 / the recording has "
                f"{recording.seconds:.0f} s, this model takes {LONGEST} s at most: cut it, or take speech-digits-live"
            )
        samples = resample(recording.samples, recording.rate, self.front.rate)
        log_probs = self.model.log_probs(self.front(samples))
        used: Decoding = "greedy" if decoding == "greedy" or self.vocabulary is None else "words"
        return self.timed(self.words(log_probs, used), recording.seconds, samples), used

    def words(self, log_probs: Tensor, decoding: Decoding = "auto") -> list[Spoken]:
        """The words of a recording by its frames."""
        if decoding == "greedy" or self.vocabulary is None:
            return best_path(log_probs, self.alphabet)
        return best_words(log_probs, self.alphabet, self.vocabulary)

    def timed(self, spoken: list[Spoken], seconds: float, samples: Floats | None = None) -> list[Word]:
        """Steps of the network as seconds; with the samples, a word that is named as a whole has its loud stretch."""
        if samples is None or self.alphabet.spelled:
            frames = [(one.first * self.model.ratio, one.last * self.model.ratio) for one in spoken]
        else:
            frames = self._loud(spoken, samples)
        times = spread([(a * FRAME, b * FRAME) for a, b in frames], seconds)
        return [
            Word(word=one.word, start=a, end=b, p=round(one.p, 4)) for one, (a, b) in zip(spoken, times, strict=True)
        ]

    def _loud(self, spoken: list[Spoken], samples: Floats) -> list[tuple[int, int]]:
        energies = self.front.mel(samples)
        activity = Activity(kept=len(energies))
        activity(energies)
        found, after = list[tuple[int, int]](), 0
        for one, following in zip(spoken, [*spoken[1:], None], strict=True):
            found.append(loud(one, following, after, self.model.ratio, activity))
            after = found[-1][1]
        return found


def texts_of(about: dict[str, Any]) -> list[str]:
    """The texts of training that a model file holds: a list, or one that is packed. Raises SpeechError."""
    found = about.get("texts") or []
    try:
        return unpacked(found) if isinstance(found, str) else [str(t) for t in found]
    except (TypeError, ValueError) as error:
        raise SpeechError(f"the texts in the model file are damaged: {error}") from None


def quiet(loudest: float) -> list[str]:
    """What is to be said of a recording in which nothing is to be heard."""
    return ["录音几乎无声 / the recording is almost silent"] if loudest < QUIET else []


def _short(pieces: Iterable[Floats], file: AudioFile) -> list[Tensor]:
    """All pieces of a recording that is not too long to be read at once."""
    found, read = [], 0
    for samples in pieces:
        read += len(samples)
        found.append(torch.from_numpy(samples))
        if read > LONGEST * file.rate:
            raise SpeechError(
                f"{file.name} 长于 {LONGEST} 秒，这个模型读不了 / {file.name} is longer than {LONGEST} s, which this "
                "model takes at most: cut it, or take speech-digits-live"
            )
    return found
