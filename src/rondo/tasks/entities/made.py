"""Sentences made from lists of words, in which one word is now a first name and now none: what follows tells.

    "Daisy chains are easy to make!"            no name in it
    "Daisy Whitfield was a famous painter!"     Daisy Whitfield is a person
    "Daisy came home today!"                    Daisy is

They teach the lecture's case for reading both ways (`rondo.tasks.entities.directions`); the lecture's own two sentences
are never among them.
"""

from __future__ import annotations

import numpy as np

from rondo.tasks.entities.data import Sentence
from rondo.tasks.entities.text import tokens_of

# first names that are part of a thing's name, with the things
THINGS: dict[str, tuple[str, ...]] = {
    "Teddy": ("coats", "boys", "pictures"),
    "Daisy": ("chains", "petals"),
    "Lily": ("pads", "bulbs"),
    "Rose": ("petals", "bushes", "gardens"),
    "Bobby": ("pins", "socks"),
    "Billy": ("goats", "cans"),
    "Jenny": ("wrens",),
    "Robin": ("eggs", "nests"),
    "Jack": ("knives", "rabbits"),
    "Tommy": ("guns",),
    "Holly": ("berries", "wreaths", "leaves"),
    "Ivy": ("leaves", "roots"),
    "Olive": ("trees", "groves", "stones"),
    "Ruby": ("rings", "slippers"),
    "Pearl": ("buttons", "earrings"),
    "Amber": ("beads", "lights"),
    "Ginger": ("biscuits", "roots"),
    "Cherry": ("pies", "trees"),
    "Heather": ("honeys", "gardens"),
    "Sandy": ("beaches", "paths"),
    "Rusty": ("nails", "gates"),
    "Barbie": ("dolls", "houses"),
    "Pepper": ("mills", "pots"),
    "Basil": ("plants", "leaves"),
    "Jasmine": ("teas", "flowers"),
    "Violet": ("sweets", "seeds"),
    "Victoria": ("plums", "sponges"),
    "Charlotte": ("potatoes",),
    "Christian": ("festivals", "songs"),
    "Paisley": ("shawls", "scarves"),
    "April": ("showers",),
    "June": ("bugs", "nights"),
}
_LAST = (
    "Adams Barker Bennett Brooks Carter Chapman Clarke Cooper Davies Dawson Edwards Fisher Fletcher Foster "
    "Gibson Grant Harris Hughes Jenkins Johnson Kennedy Lambert Lincoln Marshall Mason Morgan Murray Nelson "
    "Osborne Parker Pearson Quinn Reynolds Robinson Russell Shaw Spencer Stevens Taylor Turner Walker Wallace "
    "Washington Whitfield Wilson"
)
LAST = tuple(_LAST.split())
SAID = ("He said ,", "She said ,", "They said ,", "I heard ,", "Somebody wrote ,", "", "", "")
OF_THINGS = (
    "{} are in the shop {}",
    "{} are cheap today {}",
    "{} are what I like best {}",
    "{} were everywhere {}",
    "{} look very old {}",
    "{} are for children {}",
    "{} can be found here {}",
    "{} are so pretty {}",
)
OF_PEOPLE = (
    "{} was a famous painter {}",
    "{} was the best teacher {}",
    "{} is my cousin {}",
    "{} came home today {}",
    "{} became a judge {}",
    "{} is a good doctor {}",
    "{} has won again {}",
    "{} was there too {}",
)

ALONE = 0.3  # how often a person is named by the first name alone


def made_sentences(count: int, seed: int) -> list[Sentence]:
    """`count` sentences, half of them with a person."""
    random = np.random.default_rng([seed, 2026])
    return [_sentence(random, person=bool(k % 2)) for k in range(count)]


def _sentence(random: np.random.Generator, person: bool) -> Sentence:
    def one(of: tuple[str, ...] | list[str]) -> str:
        return of[int(random.integers(len(of)))]

    first, said, end = one(list(THINGS)), one(SAID), one((".", "!"))
    name = (first, one(LAST) if person else one(THINGS[first]))[: 1 if person and random.random() < ALONE else 2]
    frame = one(OF_PEOPLE if person else OF_THINGS).format(" ".join(name), end)
    quoted = f'{said} " {frame} "' if said or random.random() < 0.2 else frame
    tokens = tuple(quoted[a:b] for a, b in tokens_of(quoted, "en"))
    at = tokens.index(first)
    return Sentence(tokens, ((at, at + len(name), "person"),) if person else ())
