"""A small English grammar for the agreement probe: sentences with a given number of words between subject and verb.

A symbol of RULES stands for one of its lines, a name of WORDS for one of its words, anything else for itself.
Nothing between subject and verb shows the subject's number: a verb there is in the past or agrees with a noun of its
own, and each noun is singular or plural with equal chance, so the words after the subject do not tell which form of
the verb is right.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Iterator

RULES = {
    "between": ("place", "pp", ", which vp ,"),
    "vp": ("clause", "clause and vp"),
    "clause": ("slept", "adverb slept", "saw np", "adverb saw np", "dog has followed", "dogs have followed"),
    "np": ("dog", "dogs"),
    "dog": ("the cat", "the old cat", "the cat pp", "the old cat pp"),
    "dogs": ("the cats", "the old cats", "the cats pp", "the old cats pp"),
    "pp": ("near np",),
}
ANIMALS = (
    *("cat cats", "dog dogs", "mouse mice", "bird birds", "horse horses", "cow cows", "fox foxes", "goose geese"),
    *("boy boys", "girl girls", "child children", "woman women", "man men", "farmer farmers", "teacher teachers"),
    "friend friends",
)
THINGS = (
    "table tables",
    "door doors",
    "house houses",
    "tree trees",
    "box boxes",
    "boat boats",
    "wall walls",
    "car cars",
)
WORDS = {
    "cat": [forms.split()[0] for forms in ANIMALS + THINGS],
    "cats": [forms.split()[1] for forms in ANIMALS + THINGS],
    "followed": ["followed", "chased", "seen", "heard", "liked"],
    "place": ["upstairs", "outside", "there", "inside", "here"],
    "slept": ["slept", "ate", "waited", "played", "sang"],
    "saw": ["saw", "chased", "followed", "liked", "ate"],
    "adverb": ["already", "often", "quietly", "soon", "never"],
    "old": ["old", "small", "big", "young", "hungry"],
    "near": ["near", "behind", "beside", "under", "with"],
}
VERBS = {
    "was were": "full hungry asleep tired late",
    "is are": "full hungry asleep tired late",
    "has have": "eaten slept left",
}
SILENT = {","}  # stands between words without being one


@functools.cache
def options(line: str, words: int) -> tuple[tuple[tuple[str, int], ...], ...]:
    """Every way in which the symbols of `line` share exactly so many words among them."""
    first, _, rest = line.partition(" ")
    return tuple(
        ((first, n), *others)
        for n in range(words + 1)
        if can(first, n)
        for others in (options(rest, words - n) if rest else [()] * (n == words))
    )


@functools.cache
def can(symbol: str, words: int) -> bool:
    """Does the symbol stand for exactly so many words?"""
    if symbol not in RULES:
        return words == (symbol not in SILENT)
    return any(options(line, words) for line in RULES[symbol])


def expand(symbol: str, words: int, chance: random.Random) -> Iterator[str]:
    """Exactly so many words (and the signs between them) that the symbol stands for, drawn at random."""
    if symbol not in RULES:
        yield chance.choice(WORDS[symbol]) if symbol in WORDS else symbol
        return
    line = chance.choice([line for line in RULES[symbol] if options(line, words)])
    for part, n in chance.choice(options(line, words)):
        yield from expand(part, n, chance)


def sentence(words: int, number: int, chance: random.Random) -> tuple[list[str], int]:
    """A sentence with so many words between subject and verb, and the place of the verb in it.

    number  of the subject: 0 one, 1 several
    """
    subject = chance.choice(ANIMALS).split()[number]
    verbs = chance.choice(list(VERBS))
    before = ["the", subject, *expand("between", words, chance)]
    return [*before, verbs.split()[number], chance.choice(VERBS[verbs].split()), "."], len(before)
