"""Agreement: the form of the verb follows the subject's number, however many words stand between: the lecture's reason
for gates (Elman 1991, doi:10.1007/BF00114844; Linzen et al. 2016, arXiv:1611.01368).

    x  .   the cats , which ate ,         y  were, after the last word

Sentences come from `rondo.probes.grammar`. A beginning (all words before the verb, the subject in either number) is
for training, for validation, or for tests.

Distances in training are uniform. What an ungated network lacks is the way back over long distances, not the memory: at
`length` 10 Elman's network learns too, and then keeps the number over 40 words.
"""

from __future__ import annotations

import functools
import random
import zlib
from collections.abc import Iterable, Sequence
from typing import Literal

import torch
from torch import Tensor

from rondo.data.batch import IGNORED, Batch
from rondo.diagnose.flow import gradient_flow
from rondo.diagnose.inside import precise
from rondo.models.tagger import Tagger
from rondo.probes.grammar import ANIMALS, THINGS, VERBS, WORDS, sentence
from rondo.probes.probe import Look, Measure, Probe, ProbeError, Test

Part = Literal["train", "valid", "test"]

LINE = 0.5  # both forms are equally frequent, and nothing after the subject tells its number
LONGEST = 40  # words between subject and verb
TESTED = (1, 2, 3, 5, 8, 12, 16, 20, 25, 30, 35, 40)
PAIRS = [forms.split() for forms in VERBS]
SYMBOLS = (
    *(".", ",", "the", "which", "and"),
    *dict.fromkeys(
        " ".join([*ANIMALS, *THINGS, *(w for v in WORDS.values() for w in v), *VERBS, *VERBS.values()]).split()
    ),
)
NUMBERS = {word: k for k, word in enumerate(SYMBOLS)}
OTHER = {NUMBERS[a]: NUMBERS[b] for one, two in PAIRS for a, b in ((one, two), (two, one))}
LEMMAS = {form: forms.split()[0] for forms in ANIMALS for form in forms.split()}
SHOWN = (  # always for tests; the first two are the lecture's
    "the cat , which already ate , was full .",
    "the cats , which ate , were full .",
    "the cats , which already ate the mice near the old door and quietly saw the dogs behind the tables , were full .",
)


def part(words: Sequence[str]) -> Part:
    """What a sentence that begins so, up to its verb, is for: an eighth is for tests, an eighth for validation."""
    begin = _begin(words)
    drawn = zlib.crc32(" ".join(begin).encode()) % 8
    return "test" if drawn == 0 or begin in HELD else "valid" if drawn == 1 else "train"


def _begin(words: Sequence[str]) -> tuple[str, ...]:
    return (LEMMAS[words[1]], *words[2:])


def verb(words: Sequence[str]) -> int:
    """Where the verb stands."""
    return max(k for k, w in enumerate(words) if NUMBERS[w] in OTHER)


HELD = {_begin(s.split()[: verb(s.split())]) for s in SHOWN}


def beginnings(seed: int, rows: int, what: Part, distances: Sequence[int]) -> list[tuple[list[str], str]]:
    """Fresh sentences of a part up to the verb, and the verb: one of the distances each, the subject singular and
    plural by turns, so that both forms are equally frequent."""
    chance, found = random.Random(f"{what} {seed}"), list[tuple[list[str], str]]()
    while len(found) < rows:
        words, at = sentence(chance.choice(distances), len(found) % 2, chance)
        if part(words[:at]) == what:
            found.append((words[:at], words[at]))
    return found


def draw(seed: int, rows: int, what: Part, distances: Sequence[int]) -> Batch:
    """x and y [rows, T]; y counts after the last word before the verb alone."""
    found = beginnings(seed, rows, what, distances)
    lengths = torch.tensor([len(words) + 1 for words, _ in found])
    x = torch.zeros(rows, int(lengths.max()), dtype=torch.long)
    y = torch.full_like(x, IGNORED)
    for row, (words, form) in enumerate(found):
        x[row, : len(words) + 1] = numbers([".", *words])
        y[row, len(words)] = NUMBERS[form]
    return Batch(x, y, lengths)


def numbers(words: Iterable[str]) -> Tensor:
    """The words' symbols [T]."""
    return torch.tensor([NUMBERS[w] for w in words])


def agrees(scores: Tensor, y: Tensor) -> tuple[Tensor, int]:
    """How often the right form of the verb has a greater score than the wrong one: scores [B, T, n], y [B, T]."""
    given, wanted = scores[y != IGNORED], y[y != IGNORED]
    other = torch.tensor([OTHER[v] for v in wanted.tolist()])
    return (given.gather(1, wanted[:, None]) > given.gather(1, other[:, None])).sum(), len(wanted)


def look(model: Tagger) -> tuple[Look, ...]:
    """The shown sentences as the model sees them."""
    return tuple(look_at(model, text) for text in SHOWN)


def look_at(model: Tagger, text: str) -> Look:
    """A sentence of the grammar, as words between blanks."""
    words, exact = text.split(), precise(model)
    at = verb(words)
    x, rnn = numbers([".", *words[:at]]).unsqueeze(0), exact.body.rnn
    forms = next(pair for pair in PAIRS if words[at] in pair)

    def chances() -> Tensor:
        scores: Tensor = exact(x)[0][:, -1].log_softmax(1)
        return scores

    norms = gradient_flow(rnn, lambda: -chances()[:, NUMBERS[words[at]]]).norms
    with torch.no_grad():
        p = chances()[0].exp()
    by_word = {name.removeprefix("l0."): tuple(v[0, ::-1].tolist()) for name, v in norms.items()}
    return Look((".", *words[:at]), {w: float(p[NUMBERS[w]]) for w in forms}, words[at], by_word)


def probe(length: int = LONGEST) -> Probe:
    """Learnt with 1 to `length` words between subject and verb, tested with 1 to 40."""
    if not 1 <= length <= LONGEST:
        raise ProbeError(f"agreement: the length is 1 to {LONGEST} words between subject and verb, found {length}")

    def at(distance: int) -> Test:
        one = functools.partial(draw, what="test", distances=(distance,))
        return Test(distance, LINE, one, "words between", distance <= length)

    reached = range(1, length + 1)
    valid = Test(length, LINE, functools.partial(draw, what="valid", distances=reached), "words between")
    train, measure = functools.partial(draw, what="train", distances=reached), Measure("accuracy", True, agrees, 0.99)
    size = len(SYMBOLS)
    return Probe("agreement", size, size, measure, train, valid, tuple(map(at, TESTED)), look=look)
