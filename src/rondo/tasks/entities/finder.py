"""The finder: names in any text, one sentence or a stream of them.

What a dictionary or a correction says restricts single labels (`allowed` of the chain), and Viterbi's algorithm finds
the best reading of all the rest around them. A place that cuts a token in two makes two tokens of it.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from rondo.data.bucket import Examples, one_pass
from rondo.expr.graph import nearest
from rondo.files import FileError
from rondo.models.store import load_task
from rondo.models.tagger import Tagger
from rondo.tasks.entities.chain import Chain
from rondo.tasks.entities.features import Features
from rondo.tasks.entities.labels import Span, bioes, label_names, spans
from rondo.tasks.entities.lexicon import Lexicon
from rondo.tasks.entities.request import (
    Alternative,
    EntitiesError,
    EntitiesRequest,
    EntitiesResponse,
    Entity,
    Entry,
    Fixed,
    SentencePart,
    TypeName,
)
from rondo.tasks.entities.text import Place, language_of, sentences, stream, tokens_of
from rondo.tasks.entities.types import NAMES, type_name

TOGETHER = 512  # sentences of a stream that are read at once
TOKENS = 8192  # of a batch, padding included


@dataclass
class Piece:
    """A sentence of a text: where its tokens stand, and what is known of some of them."""

    start: int  # of the text within the whole
    text: str
    places: list[Place]  # within `text`
    known: list[tuple[Span, str]] = field(default_factory=list)  # tokens and type ("": no entity), and by whom

    @property
    def tokens(self) -> list[str]:
        return [self.text[a:b] for a, b in self.places]


@dataclass(frozen=True)
class Reading:
    """A labelling of a piece: its probability, and its entities with theirs."""

    p: float
    entities: list[tuple[Span, float]]


class Finder:
    """A trained model of named entities."""

    def __init__(
        self, model: Tagger, features: Features, types: Sequence[str], language: str, lexicon: Lexicon | None = None
    ) -> None:
        self.model, self.features, self.types = model, features, list(types)
        self.language, self.lexicon = language, lexicon or Lexicon({})
        self._labels = label_names(self.types)
        self._numbers = {name: n for n, name in enumerate(self._labels)}

    @classmethod
    def load(cls, name: Path | str = "entities-zh") -> Finder:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
        model, about = load_task(name, "entities", Tagger, "model of named entities")
        try:
            features = Features.from_json(about["features"], about["columns"])
            types, language = [str(t) for t in about["types"]], str(about["language"])
            lexicon = Lexicon.from_json(about["dictionary"])
            if model.head.weight.shape[0] != len(label_names(types)) or language not in ("zh", "en"):
                raise ValueError("its types are others than its labels")
            sizes = [t.num_embeddings for t in model.body.embedding.tables]  # type: ignore[union-attr]
            if sizes != features.sizes or model.crf is None:
                raise ValueError("its vocabularies are others than its tables, or it has no chain")
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileError(f"{name} is no model of named entities: {error}") from None
        return cls(model, features, types, language, lexicon)

    def __call__(self, request: EntitiesRequest) -> EntitiesResponse:
        """The names in a text. Raises EntitiesError for a language or a type that the model does not have."""
        if request.language not in ("", self.language):
            raise EntitiesError(
                f"这个模型读 {self.language} / this model reads {self.language}: take the model "
                f"entities-{request.language}"
            )
        text, notes = request.text, []
        if not request.language and (seen := language_of(text)) != self.language:
            notes.append(
                f"文字像是 {seen}，模型是 {self.language} / the text looks like {seen}, read as {self.language}"
            )
        user = self.dictionary(request.dictionary)
        fixed = [Fixed(start=f.start, end=f.end, type=self._type(f.type)) for f in request.fixed]
        pieces = [self._piece(start, text[start:end], fixed, user) for start, end in _whole(text, fixed)]
        pieces = [piece for piece in pieces if piece.places]
        parts = []
        for piece, readings in zip(pieces, self.read(pieces, request.nbest), strict=True):
            found = [Alternative(p=r.p, entities=self._entities(piece, r)) for r in readings]
            start, end = piece.start + piece.places[0][0], piece.start + piece.places[-1][1]
            parts.append(SentencePart(start=start, end=end, alternatives=found))
        return EntitiesResponse(
            text=text,
            language=self.language,
            types=self.types,
            names={kind: TypeName(zh=type_name(kind)[0], en=type_name(kind)[1]) for kind in self.types},
            entities=[e for part in parts for e in part.alternatives[0].entities],
            sentences=parts,
            notes=notes,
        )

    def entities(self, sentences: Sequence[Sequence[str]]) -> list[list[Span]]:
        """The entities of sentences of tokens."""
        readings = self.read([self.joined(list(tokens)) for tokens in sentences])
        return [[span for span, _ in reading[0].entities] for reading in readings]

    def stream(
        self, chunks: Iterable[str], dictionary: Lexicon | None = None
    ) -> Iterator[tuple[int, str, list[Entity]]]:
        """The sentences of a text of any length with their places and entities, in order. `chunks` are its parts (lines
        with their ends, blocks of a file); the memory that is needed does not depend on how long it is."""
        pieces = (self.piece(text, dictionary, start) for start, text in stream(chunks))
        for piece, entities in self.pieces(pieces):
            yield piece.start, piece.text, entities

    def pieces(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, list[Entity]]]:
        """Pieces with their entities, in order, TOGETHER of them held at once."""
        own = iter(pieces)
        while group := list(itertools.islice(own, TOGETHER)):
            for piece, readings in zip(group, self.read(group), strict=True):
                yield piece, self._entities(piece, readings[0])

    def piece(self, text: str, dictionary: Lexicon | None = None, start: int = 0) -> Piece:
        """A text as one sentence."""
        return self._piece(start, text, (), dictionary)

    def joined(self, tokens: Sequence[str], dictionary: Lexicon | None = None) -> Piece:
        """Given tokens as a sentence; its text has blanks between English ones."""
        blank = "" if self.language == "zh" else " "
        ends = itertools.accumulate(len(t) + len(blank) for t in tokens)
        places = [(end - len(t) - len(blank), end - len(blank)) for t, end in zip(tokens, ends, strict=True)]
        return self._known(Piece(0, blank.join(tokens), places), (), dictionary)

    def dictionary(self, entries: Iterable[Entry]) -> Lexicon | None:
        """A user's own names, cut into the tokens that they would be in a text. Raises EntitiesError."""
        own: dict[tuple[str, ...], str] = {}
        for entry in entries:
            tokens = tuple(entry.text[a:b] for a, b in tokens_of(entry.text, self.language))
            if not tokens:
                raise EntitiesError(f"词典的词条 {entry.text!r} 没有文字 / the dictionary's entry has no character")
            own.setdefault(tokens, self._type(entry.type))
        return Lexicon(own) if own else None

    def _type(self, given: str) -> str:
        """The type that is meant by its own name or by what people call it."""
        if not given or given in self.types:
            return given
        called = {name.lower(): kind for kind in self.types for name in (kind, *NAMES.get(kind, ()))}
        if given.strip().lower() in called:
            return called[given.strip().lower()]
        raise EntitiesError(
            f"没有 {given!r} 这个类型，可用：{'、'.join(self.types)} / there is no type {given!r}"
            f"{nearest(given, self.types)}; there are {', '.join(self.types)}"
        )

    def _piece(self, start: int, text: str, fixed: Sequence[Fixed], user: Lexicon | None) -> Piece:
        own = [f for f in fixed if start <= f.start < start + len(text)]
        cuts = {p - start for f in own for p in (f.start, f.end)}
        places = tokens_of(text, self.language)
        if cuts:
            places = [part for place in places for part in _cut(place, cuts)]
        return self._known(Piece(start, text, places), own, user)

    def _known(self, piece: Piece, fixed: Sequence[Fixed], user: Lexicon | None) -> Piece:
        """The piece with what corrections, and then the dictionary, say of its tokens."""
        taken: set[int] = set()
        start = piece.start
        for f in fixed:
            inside = [t for t, (a, b) in enumerate(piece.places) if f.start - start <= a and b <= f.end - start]
            if inside:
                piece.known.append(((inside[0], inside[-1] + 1, f.type), "fixed"))
                taken.update(inside)
        for span in user.find(piece.tokens) if user else ():
            if not taken & set(range(*span[:2])) and self._stands_alone(piece, span):
                piece.known.append((span, "dictionary"))
        return piece

    def _stands_alone(self, piece: Piece, span: Span) -> bool:
        """Whether an entry's ends do not lie within a word of Latin letters; only characters as tokens can do that."""
        first, last = piece.places[span[0]][0], piece.places[span[1] - 1][1]
        if self.language != "zh":
            return True
        return not any(_joined(piece.text[max(0, at - 1) : at + 1]) for at in (first, last))

    @torch.no_grad()
    def read(self, pieces: Sequence[Piece], nbest: int = 1) -> list[list[Reading]]:
        """The likeliest readings of each piece, batched by length."""
        found: list[list[Reading]] = [[Reading(1.0, [])] for _ in pieces]
        full = [k for k, piece in enumerate(pieces) if piece.places]
        if not full:
            return found
        examples = Examples([self.features.encode(pieces[k].tokens) for k in full])
        for index, batch in one_pass(examples, tokens=TOKENS):
            own = [full[i] for i in index.tolist()]
            assert batch.lengths is not None
            rows = [pieces[k] for k in own]
            for k, readings in zip(own, self._batch(rows, batch.x, batch.lengths, nbest), strict=True):
                found[k] = readings
        return found

    def _batch(self, pieces: Sequence[Piece], x: Tensor, lengths: Tensor, nbest: int) -> list[list[Reading]]:
        crf = self.model.crf
        assert crf is not None
        emissions, _ = self.model(x, lengths)
        allowed = self._allowed(pieces, x.shape[1])
        best = crf.nbest(emissions, nbest, lengths, allowed)
        chain = Chain(crf, emissions, lengths, allowed)
        tags, scores = best.tags.numpy(), best.scores.double().numpy()
        found = []
        for row, piece in enumerate(pieces):
            readings, seen = [], {}
            for k in range(nbest):
                if np.isfinite(scores[row, k]):
                    labels = tags[row, k, : len(piece.places)].tolist()
                    own = spans([self._labels[n] for n in labels])
                    for a, b, kind in own:
                        if (a, b, kind) not in seen:
                            seen[a, b, kind] = chain.probability(row, a, labels[a:b])
                    p = float(np.exp(min(0.0, scores[row, k] - float(chain.log_z[row]))))
                    readings.append(Reading(p, [(span, seen[span]) for span in own]))
            found.append(readings)
        return found

    def _allowed(self, pieces: Sequence[Piece], steps: int) -> Tensor | None:
        """Which labels each token may have; None where all are free."""
        if not any(piece.known for piece in pieces):
            return None
        allowed = np.ones((len(pieces), steps, len(self._labels)), dtype=bool)
        for row, piece in enumerate(pieces):
            for (a, b, kind), _ in piece.known:
                labels = bioes([(0, b - a, kind)], b - a) if kind else ["O"] * (b - a)
                allowed[row, a:b] = False
                allowed[row, np.arange(a, b), [self._numbers[label] for label in labels]] = True
        return torch.from_numpy(allowed)

    def _entities(self, piece: Piece, reading: Reading) -> list[Entity]:
        by = dict(piece.known)
        found: list[Entity] = []
        for (a, b, kind), p in reading.entities:
            start, end = piece.places[a][0] + piece.start, piece.places[b - 1][1] + piece.start
            own = Entity(start=start, end=end, text="", type=kind, p=p, by=by.get((a, b, kind), "model"))
            if found and _is_address(found[-1], own):
                before = found.pop()
                own.start, own.p = before.start, min(own.p, before.p)
            own.text = piece.text[own.start - piece.start : end - piece.start]
            found.append(own)
        return found


def _is_address(one: Entity, two: Entity) -> bool:
    """Whether `one` is the sign @ right before a name, which the tweets that were learned from tag as an entity of its
    own."""
    alike = one.type == two.type and one.by == two.by == "model"
    return alike and one.end == two.start and one.text == "@"


def _joined(pair: str) -> bool:
    return len(pair) == 2 and all(c.isascii() and c.isalnum() for c in pair)


def _cut(place: Place, cuts: set[int]) -> Iterator[Place]:
    """A token cut where a correction begins or ends."""
    yield from itertools.pairwise([place[0], *sorted(c for c in cuts if place[0] < c < place[1]), place[1]])


def _whole(text: str, fixed: Sequence[Fixed]) -> list[Place]:
    """The sentences of a text; those that a correction reaches across are one."""
    found: list[Place] = []
    for start, end in sentences(text):
        if found and any(f.start < start < f.end for f in fixed):
            start = found.pop()[0]
        found.append((start, end))
    return found


def model_for(text: str, language: str = "") -> str:
    """The bundled model that reads a text."""
    return f"entities-{language or language_of(text)}"
