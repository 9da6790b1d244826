"""The lecture's case for reading both ways.

    He said, "Teddy bears are on sale!"
    He said, "Teddy Roosevelt was a great President!"

Up to "Teddy" the two are one text, so whatever a network that reads forward says of that word it says in both, to the
last bit; the words that tell whether it names a person stand behind. Two taggers of equally many parameters, trained
alike: one forward, one both ways (`rondo train entities --config entities-forward`, `entities-both`).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from pydantic import BaseModel

from rondo.data.bucket import Examples, one_pass
from rondo.files import FileError
from rondo.models.store import load_task
from rondo.models.tagger import Tagger
from rondo.tasks.entities.features import Features, Ints
from rondo.tasks.entities.labels import Span, label_names, spans
from rondo.tasks.entities.lexicon import Lexicon
from rondo.tasks.entities.request import EntitiesError
from rondo.tasks.entities.text import tokens_of

FORWARD, BOTH = "entities-forward", "entities-both"  # the bundled taggers
SENTENCES = ('He said, "Teddy bears are on sale!"', 'He said, "Teddy Roosevelt was a great President!"')
NONE = "none"
LONGEST = 300
TOKENS = 8192  # of a batch, padding included


class Word(BaseModel):
    """A token and what both taggers say of it: the probability of each type, and of none."""

    start: int
    end: int
    text: str
    forward: dict[str, float]
    both: dict[str, float]


class Compared(BaseModel):
    """A sentence as both taggers see it."""

    text: str
    types: list[str]  # "none" last
    parameters: dict[str, int]  # of each tagger
    words: list[Word]


@dataclass(frozen=True)
class Reader:
    """A small tagger without a chain: a distribution over labels at every token."""

    model: Tagger
    features: Features
    types: list[str]
    lexicon: Lexicon

    @classmethod
    def load(cls, name: Path | str) -> Reader:
        """Raises FileError."""
        model, about = load_task(name, "entities", Tagger, "tagger of named entities")
        try:
            features, types = Features.from_json(about["features"], about["columns"]), list(map(str, about["types"]))
            lexicon = Lexicon.from_json(about["dictionary"])
        except (KeyError, TypeError, ValueError) as error:
            raise FileError(f"{name} is no tagger of named entities: {error}") from None
        if model.kind != "softmax":
            raise FileError(f"{name} has no distribution of its own at each token: its head is {model.kind}")
        return cls(model, features, types, lexicon)

    @property
    def parameters(self) -> int:
        return sum(p.numel() for p in self.model.parameters())

    @torch.no_grad()
    def distributions(self, tokens: Sequence[str]) -> list[dict[str, float]]:
        """At each token, the probability of each type, and of none. A network in one direction is run step by step:
        what it says cannot depend on what is behind."""
        x = torch.from_numpy(self.features.encode(tokens)).unsqueeze(0)
        if self.model.body.rnn.bidirectional:
            p = self.model.predict(x)[0]
        else:
            step = self.model.stepper()
            p = torch.stack([step(x[:, t]).softmax(1)[0] for t in range(x.shape[1])])
        return [self._by_type(row) for row in p.tolist()]

    def entities(self, sentences: Sequence[Sequence[str]]) -> list[list[Span]]:
        """The entities of the likeliest label of each token, for sentences of tokens."""
        return decoded(self.model, [self.features.encode(tokens) for tokens in sentences], self.types)

    def _by_type(self, row: Sequence[float]) -> dict[str, float]:
        found: defaultdict[str, float] = defaultdict(float)
        for label, p in zip(label_names(self.types), row, strict=True):
            found[label.partition("-")[2] or NONE] += p
        return {kind: found[kind] for kind in [*self.types, NONE]}


def decoded(model: Tagger, x: Sequence[Ints], types: Sequence[str]) -> list[list[Span]]:
    """The entities that a model finds in sentences x [T, columns]: the best labelling, or without a chain the likeliest
    label of each token."""
    names, found = label_names(types), [list[Span]()] * len(x)
    for index, batch in one_pass(Examples(x), tokens=TOKENS):
        for i, row in zip(index.tolist(), model.decode(batch.x, batch.lengths).tolist(), strict=True):
            found[i] = spans([names[k] for k in row[: len(x[i])]])
    return found


def compare(forward: Reader, both: Reader, texts: Sequence[str] = SENTENCES) -> list[Compared]:
    """What the two taggers say of each word of some English sentences. Raises EntitiesError for one without words, or
    of more than 300 characters."""
    return [_compared(text, forward, both) for text in texts]


def _compared(text: str, forward: Reader, both: Reader) -> Compared:
    places = tokens_of(text, "en")
    if not places or len(text) > LONGEST:
        raise EntitiesError(
            f"请给出一句英文，至多{LONGEST}个字符 / give an English sentence of at most {LONGEST} characters"
        )
    tokens = [text[a:b] for a, b in places]
    rows = zip(places, tokens, forward.distributions(tokens), both.distributions(tokens), strict=True)
    return Compared(
        text=text,
        types=[*forward.types, NONE],
        parameters={"forward": forward.parameters, "both": both.parameters},
        words=[Word(start=a, end=b, text=t, forward=f, both=g) for (a, b), t, f, g in rows],
    )
