"""Small models of translation for tests: one untrained, one that has learned a few sentences by heart."""

from __future__ import annotations

import functools
import re

import torch

from rondo.models.seq2seq import Seq2Seq
from rondo.tasks.translation.data import batch_of
from rondo.tasks.translation.lookup import Lookup
from rondo.tasks.translation.pieces import Pieces
from rondo.tasks.translation.translator import Translator

SAMPLE = """Voulez-vous chanter avec moi ?	Do you want to sing with me?
Le chat dort.	The cat is sleeping.
Je ne sais pas où est le chien de ma sœur.	I don't know where my sister's dog is.
Bonjour, mon ami !	Hello, my friend!
Nous mangeons du pain avec le chat et le chien.	We are eating bread with the cat and the dog.
Est-ce que tu veux venir avec nous ?	Do you want to come with us?"""
PAIRS = [line.split("\t") for line in SAMPLE.splitlines()]
KNOWN = {w: "word" for pair in PAIRS for w in re.findall(r"[\w]+'?|[^\w\s]", pair[0].lower())}


@functools.cache
def pieces() -> Pieces:
    return Pieces.build([text for pair in PAIRS for text in pair], 330)


def model(attention: str = "luong", hidden: int = 12, embed: int = 8, seed: int = 3) -> Seq2Seq:
    """A model with fresh weights."""
    torch.manual_seed(seed)
    p, fed = pieces(), attention == "luong"
    return Seq2Seq(
        "gru", len(p), len(p), hidden, begin=p.begin, end=p.end, embed=embed, shared=True, attention=attention,
        input_feeding=fed, bidirectional=fed,
    ).eval()  # fmt: skip


@functools.cache
def untrained() -> Translator:
    return Translator(model(), pieces(), Lookup(KNOWN), "fr-en", longest=40)


@functools.cache
def trained() -> Translator:
    """A model that knows the sample by heart."""
    own, p = model(hidden=48, embed=32, seed=1), pieces()
    batch = batch_of([p.encode(a) for a, _ in PAIRS], [p.encode(b) for _, b in PAIRS], p.end)
    optimizer = torch.optim.Adam(own.parameters(), 0.01)
    for _ in range(80):
        optimizer.zero_grad()
        own.loss(batch).total.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return Translator(own, p, Lookup(KNOWN), "fr-en")
