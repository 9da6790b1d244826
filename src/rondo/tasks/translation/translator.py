"""The translator: sentences through the model in batches, and whole documents around them."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from rondo.files import FileError
from rondo.models.seq2seq import Seq2Seq
from rondo.models.store import load_task
from rondo.search.beam import beam
from rondo.search.greedy import greedy
from rondo.tasks.translation.align import Copy, Floats, word_alignment, word_for_word
from rondo.tasks.translation.channel import Channel, Read, reverse_of
from rondo.tasks.translation.data import batch_of
from rondo.tasks.translation.document import Part, parts, rewrap, whole
from rondo.tasks.translation.ends import Ends
from rondo.tasks.translation.glossary import Glossary, Term, apply
from rondo.tasks.translation.lookup import Lookup
from rondo.tasks.translation.pieces import SLOTS, Pieces, tidy
from rondo.tasks.translation.request import (
    Candidate,
    GlossaryEntry,
    Progress,
    Sentence,
    TranslationError,
    TranslationRequest,
    TranslationResponse,
    Word,
)
from rondo.tasks.translation.slots import Demands, Slotted, any_slots, as_prefixes, unwritten
from rondo.tasks.translation.source import GLOSSARY, Source, source, translatable
from rondo.tasks.translation.words import Span, words
from rondo.tasks.translation.written import Written, with_prefix, written

PENALTY = 1.4  # exponent of the length penalty, tuned on Tatoeba valid
ROWS = 256  # hypotheses side by side
WINDOW = 128  # sentences that are sorted by length and translated together
STEP = 8  # sentences that are translated between two answers of a stream
LONGEST = 64  # pieces of a sentence, as in training, where the file does not say
LANGUAGES = {"fr": ("法语", "French"), "en": ("英语", "English"), "zh": ("中文", "Chinese"), "de": ("德语", "German")}

Say = Callable[[int, int], None]


@dataclass(frozen=True)
class Order:
    """A sentence to translate; `source` is None where it is not translated."""

    part: Part
    text: str
    terms: list[Term]
    source: Source | None
    prefix: str = ""


@dataclass(frozen=True)
class Hypothesis:
    """The symbols of a translation without their end, the score by which the beam ranked them, and their log p."""

    symbols: list[int]
    score: float
    log_p: float


@dataclass(frozen=True)
class Found:
    """A translation of a sentence, its score, and its log p."""

    written: Written
    score: float
    log_p: float = 0.0


class Translator:
    """A trained model of translation; `reverse`: a model of the other direction, to choose among the beam with."""

    def __init__(
        self, model: Seq2Seq, pieces: Pieces, lookup: Lookup, direction: str, longest: int = LONGEST, reverse: str = ""
    ) -> None:
        self.model, self.pieces, self.lookup = model, pieces, lookup
        self.direction, self.longest, self.reverse = direction, longest, reverse
        self.source_language, self.target_language = direction.split("-")

    @classmethod
    def load(cls, name: Path | str = "translation-fr-en", reverse: str = "") -> Translator:
        """From a run folder, a model file, or the name of a bundled model. `reverse`: a model of the other direction;
        "": of a bundled model the bundled one; none: none. Raises FileError."""
        model, about = load_task(name, "translation", Seq2Seq, "model of translation")
        try:
            pieces, lookup = Pieces.of_json(about["pieces"]), Lookup.of_json(about["lookup"])
            direction = f"{about['source']}-{about['target']}"
            longest = int(about.get("config", {}).get("longest", LONGEST))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise FileError(f"{name} is no model of translation: {error}") from None
        if len(pieces) != model.head.symbols or direction.count("-") != 1 or not 4 <= longest <= 1 << 12:
            raise FileError(f"{name} is no model of translation: its pieces or its languages are others")
        reverse = reverse_of(name, direction) if reverse == "" else reverse
        return cls(model, pieces, lookup, direction, longest, "" if reverse == "none" else reverse)

    @functools.cached_property
    def channel(self) -> Channel | None:
        """What reads translations back, loaded when a beam is first chosen from."""
        return Channel.load(self.reverse, self.direction) if self.reverse else None

    def alone(self) -> Translator:
        """The same without a model of the other direction."""
        return Translator(self.model, self.pieces, self.lookup, self.direction, self.longest)

    @functools.cached_property
    def ends(self) -> Ends:
        """Where words of the target end."""
        return Ends(self.pieces, self.target_language)

    @functools.cached_property
    def never(self) -> torch.Tensor:
        """Symbols that no translation has."""
        return unwritten(self.pieces)

    def __call__(self, request: TranslationRequest) -> TranslationResponse:
        """Translate a text. Raises TranslationError."""
        orders = self.orders(request.text, request.glossary, request.prefix, request.direction)
        found = dict(self._found(orders, request.beam, min(request.nbest, request.beam)))
        return self._response(request, orders, [self.sentence(order, found[k]) for k, order in enumerate(orders)])

    def _response(
        self, request: TranslationRequest, orders: Sequence[Order], sentences: list[Sentence]
    ) -> TranslationResponse:
        text = together(request.text, orders, [s.candidates[0].text for s in sentences])
        return TranslationResponse(text=text, direction=self.direction, sentences=sentences, notes=self.notes(orders))

    def stream(self, request: TranslationRequest) -> Iterator[Progress | TranslationResponse]:
        """The sentences of a text one after the other, then all of it. Raises TranslationError."""
        orders = self.orders(request.text, request.glossary, request.prefix, request.direction)
        sentences: list[Sentence] = []
        for first in range(0, len(orders), STEP):
            own = orders[first : first + STEP]
            found = dict(self._found(own, request.beam, min(request.nbest, request.beam)))
            for k, order in enumerate(own):
                sentences.append(self.sentence(order, found[k]))
                yield Progress(done=len(sentences), of=len(orders), sentence=sentences[-1])
        yield self._response(request, orders, sentences)

    def document(
        self, text: str, glossary: Sequence[GlossaryEntry] = (), beam: int = 5, say: Say = lambda done, all: None
    ) -> str:
        """A text of any length, its layout kept. say(done, all) is told how many sentences are done."""
        orders = self.orders(text, glossary)
        best = [""] * len(orders)
        say(0, len(orders))
        for done, (k, found) in enumerate(self._found(orders, beam, 1), 1):
            best[k] = found[0].written.text
            say(done, len(orders))
        return together(text, orders, best)

    def translate(self, sentences: Sequence[str], beam: int = 1) -> list[str]:
        """Sentences, each as the one that it is, fast."""
        orders = [self._order(text, whole(text), ()) for text in sentences]
        found = dict(self._found(orders, beam, 1, window=len(orders)))
        return [found[k][0].written.text for k in range(len(orders))]

    def orders(
        self, text: str, glossary: Sequence[GlossaryEntry] = (), prefix: str = "", direction: str = ""
    ) -> list[Order]:
        """The sentences of a text. Raises TranslationError for a direction that the model does not have."""
        self._check(direction)
        terms = Glossary(glossary).find(text)
        counted = _Counted(terms)

        def fits(start: int, end: int) -> bool:
            size = end - start  # in pieces at least a fortieth, at most four times as many
            if 4 * size >= self.longest and (size > 40 * self.longest or self._pieces(text[start:end]) > self.longest):
                return False
            return counted.inside(start, end) <= SLOTS

        spans = [term.span for term in terms]
        found = [self._order(text, part, terms) for part in parts(text, self.source_language, fits, spans)]
        if found and prefix.strip():
            found[0] = replace(found[0], prefix=tidy(prefix))
        return found

    def one(self, text: str, glossary: Sequence[GlossaryEntry] = (), direction: str = "") -> Order:
        """A text as one sentence. Raises TranslationError where it is too long for one."""
        self._check(direction)
        terms = Glossary(glossary).find(text)
        if len(text) > 40 * self.longest or len(terms) > SLOTS or self._pieces(text) > 2 * self.longest:
            raise TranslationError(
                "这不是一句话，太长了：请先翻译全文，再逐句选 / "
                "this is too long for one sentence: translate the whole text, then choose sentence by sentence"
            )
        return self._order(text, whole(text), terms)

    def _pieces(self, text: str) -> int:
        return len(self.pieces.encode(tidy(text)))

    def _check(self, direction: str) -> None:
        if direction and direction != self.direction:
            raise TranslationError(
                f"这个模型翻译 {self.direction}，不翻译 {direction} / "
                f"this model translates {self.direction}, not {direction}"
            )

    def _order(self, text: str, part: Part, terms: Sequence[Term]) -> Order:
        own = [
            Term(t.start - part.start, t.end - part.start, t.target)
            for t in terms
            if part.start <= t.start and t.end <= part.end
        ]
        sentence = text[part.start : part.end]
        if not translatable(sentence, self.source_language):
            return Order(part, sentence, own, None)
        return Order(part, sentence, own, source(sentence, self.source_language, self.pieces, self.lookup, own))

    def _found(
        self, orders: Sequence[Order], width: int, nbest: int, window: int = WINDOW
    ) -> Iterator[tuple[int, list[Found]]]:
        """The translations of each order, with its place: window after window, in a window the shortest first."""
        for first in range(0, len(orders), max(1, window)):
            places = range(first, min(first + window, len(orders)))
            ready = sorted(((k, s) for k in places if (s := orders[k].source)), key=lambda item: len(item[1].symbols))
            yield from ((k, [_untranslated(orders[k])]) for k in places if orders[k].source is None)
            rows = max(1, ROWS // width)
            for at in range(0, len(ready), rows):
                own = ready[at : at + rows]
                prefixes = [with_prefix(orders[k].prefix, s, self.pieces) if orders[k].prefix else [] for k, s in own]
                inner = [self.ends.inner(orders[k].prefix) for k, _ in own] if any(prefixes) else []
                sources = [s for _, s in own]
                small = [not orders[k].part.first for k, _ in own]
                best = self.best(sources, self.search(sources, width, prefixes, inner), nbest, small)
                yield from zip([k for k, _ in own], best, strict=True)

    def search(
        self,
        sources: Sequence[Source],
        width: int,
        prefixes: Sequence[Sequence[int]] = (),
        inner: Sequence[torch.Tensor] = (),
    ) -> list[list[Hypothesis]]:
        """The translations of each source, the best first.

        prefixes  symbols that each begins with; inner: [V] of each, what may not follow its prefix
        """
        given = as_prefixes([list(p) for p in prefixes] or [[]] * len(sources))
        before = (given >= 0).sum(1)
        counts = [len(s.fills) for s in sources]
        lengths = torch.tensor([2 * len(s.symbols) + 10 for s in sources]) + before + torch.tensor(counts)
        masks = torch.stack(list(inner)) if inner else torch.zeros(1, len(self.pieces), dtype=torch.bool)
        decoder = self.model.predictor(batch_of([s.symbols for s in sources], None, self.pieces.end))
        predictor = Slotted(decoder, self.pieces, Demands(any_slots(counts), lengths, given, masks), self.never)
        prime, end, longest = self.model.prime(len(sources)), self.pieces.end, int(lengths.max())
        if width == 1:
            found = greedy(predictor, prime, longest, end=end)
        else:
            found = beam(predictor, prime, longest, width=width, nbest=width, penalty=PENALTY, end=end)
        rows = zip(found.sequences(), found.score.tolist(), found.log_probability.tolist(), strict=True)
        return [[Hypothesis(*own) for own in zip(*row, strict=False)] for row in rows]

    def best(
        self,
        sources: Sequence[Source],
        hypotheses: Sequence[Sequence[Hypothesis]],
        nbest: int,
        small: Sequence[bool] = (),
    ) -> list[list[Found]]:
        """The nbest translations of each source that differ as text, as the channel ranks them where there is one."""
        rows = zip(sources, hypotheses, small or [False] * len(sources), strict=True)
        found = [self._distinct(s, own, little, len(own) if self.reverse else nbest) for s, own, little in rows]
        if any(len(own) > 1 for own in found) and self.channel:
            found = self._ranked(self.channel, sources, found)
        return [own[:nbest] for own in found]

    def _distinct(self, s: Source, hypotheses: Sequence[Hypothesis], small: bool, most: int) -> list[Found]:
        """The first of those that differ as text, `most` at most."""
        found: dict[str, Found] = {}
        for one in hypotheses:
            own = written(one.symbols, s, self.pieces, self.target_language, small)
            found.setdefault(own.text, Found(own, one.score, one.log_p))
            if len(found) == most:
                break
        return list(found.values())

    @staticmethod
    def _ranked(channel: Channel, sources: Sequence[Source], found: Sequence[list[Found]]) -> list[list[Found]]:
        """By the channel's scores. What is all capitals stays as it was ranked: no model has read such words."""
        read = [
            Read(s.plain, one.written.text, len(one.written.symbols) + 1, one.log_p)
            for s, own in zip(sources, found, strict=True)
            for one in own
        ]
        scores = iter(channel.scores(read))
        ranked = [[replace(one, score=next(scores)) for one in own] for own in found]
        return [
            old if s.loud else sorted(own, key=lambda one: -one.score)
            for s, old, own in zip(sources, found, ranked, strict=True)
        ]

    def sentence(self, order: Order, found: Sequence[Found]) -> Sentence:
        """What is answered of a sentence."""
        start, s = order.part.start, order.source
        if s is None:
            spans = words(order.text, self.source_language)
            own = [Word(start=start + a, end=start + b) for a, b in spans]
            candidates = [_as_it_was(order, len(spans), self.target_language)]
        else:
            own = [Word(start=start + a, end=start + b) for a, b in map(s.given, s.words)]
            candidates = self.candidates([s] * len(found), found)
        breaks = list(order.part.breaks)
        return Sentence(start=start, end=order.part.end, words=own, candidates=candidates, breaks=breaks)

    @torch.no_grad()
    def candidates(self, sources: Sequence[Source], found: Sequence[Found]) -> list[Candidate]:
        """What is answered of translations, each of its source."""
        symbols = [f.written.symbols for f in found]
        if self.model.attention is None:
            weights = [np.zeros((len(y), len(s.symbols))) for s, y in zip(sources, symbols, strict=True)]
        else:
            every = self.model.align(batch_of([s.symbols for s in sources], symbols, self.pieces.end)).double().numpy()
            weights = [a[: len(y), : len(s.symbols)] for a, s, y in zip(every, sources, symbols, strict=True)]
        return [self._candidate(s, f, w) for s, f, w in zip(sources, found, weights, strict=True)]

    def _candidate(self, s: Source, found: Found, weights: Floats) -> Candidate:
        own = words(found.written.text, self.target_language)
        copies = _copies(s, found.written, own, self.pieces.slots)
        weights, target, given = word_for_word(weights, found.written.spans, s.spans, copies)
        table = word_alignment(weights, target, own, given, s.words)
        kinds = [(s.fills[k].kind, (a, b)) for k, (a, b) in sorted(found.written.fills.items(), key=lambda f: f[1])]
        return Candidate(
            text=found.written.text,
            score=round(found.score, 4),
            words=[Word(start=a, end=b) for a, b in own],
            alignment=np.round(table, 4).tolist(),
            copied=[place for kind, place in kinds if kind != GLOSSARY],
            glossary=[place for kind, place in kinds if kind == GLOSSARY],
        )

    def notes(self, orders: Sequence[Order]) -> list[str]:
        """What a reader of the translation should know."""
        zh, en = LANGUAGES.get(self.source_language, (self.source_language,) * 2)
        if not orders:
            return ["没有可译的句子，原样返回 / there is no sentence to translate: the text stands as it was"]
        found = []
        if others := sum(order.source is None for order in orders):
            found.append(
                f"{others} 句不是{zh}，原样保留 / "
                f"{others} {'sentence is' if others == 1 else 'sentences are'} not in {en}, kept as found"
            )
        if cut := sum(order.part.first and not order.part.last for order in orders):
            found.append(
                f"{cut} 个长句在标点处分开翻译 / "
                f"{cut} long {'sentence was' if cut == 1 else 'sentences were'} cut at punctuation"
            )
        return found


class _Counted:
    """How many terms stand inside a span."""

    def __init__(self, terms: Sequence[Term]) -> None:
        self.starts = np.array([t.start for t in terms], dtype=np.int64)

    def inside(self, start: int, end: int) -> int:
        first, last = np.searchsorted(self.starts, [start, end])
        return int(last - first)


def _copies(s: Source, new: Written, own: Sequence[Span], slots: Sequence[int]) -> list[Copy]:
    """The slots that were copied and are as many words in the translation as they were in the source."""
    found = []
    for k, (start, end) in new.fills.items():
        fill = s.fills[k]
        theirs = [w for w in own if start <= w.start and w.end <= end]
        ours = [w for w in s.words if fill.start <= w.start and w.end <= fill.end]
        if fill.kind != GLOSSARY and len(theirs) == len(ours) > 1:
            found.append(Copy(new.symbols.index(slots[k]), s.symbols.index(slots[k]), theirs, ours))
    return found


def together(text: str, orders: Sequence[Order], best: Sequence[str]) -> str:
    """The text with each sentence replaced. Where the source has no blank between sentences (Chinese) there is one."""
    pieces: list[str] = []
    last = 0
    for order, new in zip(orders, best, strict=True):
        part = order.part
        if part.start == last and pieces and new:
            pieces.append(" ")
        pieces += [text[last : part.start], rewrap(new, part.breaks)]
        last = part.end
    return "".join([*pieces, text[last:]])


def _untranslated(order: Order) -> Found:
    text, _ = apply(order.text, order.terms)
    return Found(Written(text, [], [], {}), 0.0)


def _as_it_was(order: Order, count: int, language: str) -> Candidate:
    """A sentence that is not translated: copied, but for terms of the glossary."""
    text, places = apply(order.text, order.terms)
    own = words(text, language)
    alike = [[float(i == j) for j in range(count)] for i in range(len(own))]
    glossary = [(a, b) for a, b in places]
    return Candidate(
        text=text,
        score=0.0,
        words=[Word(start=a, end=b) for a, b in own],
        alignment=alike,
        copied=[] if glossary else [(0, len(text))],
        glossary=glossary,
    )
