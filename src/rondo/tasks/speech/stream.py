"""A live stream: samples in, words out as they are heard, with memory that does not grow.

Everything is computed in blocks of fixed size, whatever the size of the pieces that come: a recording heard live has
the same words, times and probabilities, to the last bit, as the whole recording.
"""

from __future__ import annotations

from torch import Tensor

from rondo.data.audio import Floats, Resampler
from rondo.models.stream import TaggerStream
from rondo.tasks.speech.activity import Activity
from rondo.tasks.speech.alphabet import Alphabet
from rondo.tasks.speech.features import FrontEnd, FrontEndStream
from rondo.tasks.speech.model import Recogniser
from rondo.tasks.speech.request import Word
from rondo.tasks.speech.words import BestPath, Spoken

SETTLED = 20  # frames of quiet after which a word is over
FRAME = 0.010  # seconds


class Stream:
    """Words of one voice as they come.

    stream = listener.stream(rate=48_000)
    for samples in microphone:
        for word in stream(samples): ...       # settled: its times change no more
        stream.going                           # heard, but perhaps not over
    for word in stream.finish(): ...
    """

    def __init__(self, model: Recogniser, alphabet: Alphabet, front: FrontEnd, rate: int) -> None:
        self._resampler, self._frames = Resampler(rate, front.rate), FrontEndStream(front)
        self._tagger, self._words, self._activity = TaggerStream(model.tagger), BestPath(alphabet), Activity()
        self._alphabet, self._rate, self._read = alphabet, rate, 0
        self._ratio = model.ratio
        self._after = 0  # frames: where the last settled word ended
        self._waiting: list[Spoken] = []  # named, not settled

    @property
    def seconds(self) -> float:
        """How long it has listened."""
        return self._read / self._rate

    def __call__(self, samples: Floats) -> list[Word]:
        """The words that have become settled after these samples [N] too."""
        self._read += len(samples)
        return self._heard(self._resampler(samples))

    def finish(self) -> list[Word]:
        """The rest, as if silence followed."""
        found = self._heard(self._resampler.finish())
        for energies, x in self._frames.finish():
            found += self._block(energies, x)
        self._waiting += self._words(self._log_probs(self._tagger.finish()))
        self._waiting += self._words.finish()
        return found + self._settled(over=True)

    @property
    def going(self) -> list[Word]:
        """Words that are named and may still go on."""
        named = [*self._waiting, *([self._words.going] if self._words.going else [])]
        found, after = [], self._after
        for k, one in enumerate(named):
            word, after = self._timed(one, named[k + 1] if k + 1 < len(named) else None, after)
            found.append(word)
        return found

    def _heard(self, samples: Floats) -> list[Word]:
        found: list[Word] = []
        for energies, x in self._frames(samples):
            found += self._block(energies, x)
        return found

    def _block(self, energies: Tensor, x: Tensor) -> list[Word]:
        self._activity(energies)
        self._waiting += self._words(self._log_probs(self._tagger(x.unsqueeze(0))))
        return self._settled(over=False)

    def _log_probs(self, scores: Tensor) -> Tensor:
        return scores[0].log_softmax(1)

    def _settled(self, over: bool) -> list[Word]:
        """Words of the best path that are over; a word alone is over after some quiet."""
        found = []
        going = self._words.going
        while self._waiting:
            one, *rest = self._waiting
            following = rest[0] if rest else going
            if following is None and not over and self._activity.quiet(one.last * self._ratio) < SETTLED:
                break
            word, self._after = self._timed(one, following, self._after)
            self._waiting = rest
            found.append(word)
        alone = going and not over and not self._alphabet.spelled
        if going and alone and self._activity.quiet(going.last * self._ratio) >= SETTLED:
            self._waiting = self._words.finish()
            found += self._settled(over=True)
        return found

    def _timed(self, one: Spoken, following: Spoken | None, after: int) -> tuple[Word, int]:
        if self._alphabet.spelled:  # letters are named where they are said
            start, end = max(after, one.first * self._ratio), one.last * self._ratio
        else:
            start, end = loud(one, following, after, self._ratio, self._activity)
        end = max(start + 1, min(end, self._activity.at))
        return Word(word=one.word, start=round(start * FRAME, 3), end=round(end * FRAME, 3), p=round(one.p, 4)), end


def loud(one: Spoken, following: Spoken | None, after: int, ratio: int, activity: Activity) -> tuple[int, int]:
    """The frames in which a word was said, by the steps at which it and the next one were named."""
    before = following.first * ratio if following else None
    return activity.extent(one.first * ratio, one.last * ratio, after, before)
