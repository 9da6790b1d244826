"""The poet: from a request to poems that keep it, with the proof.

Many poems are drawn side by side, each to a plan, a rhyme group and images of its own; masks hold every rule while
they are written. Those with a line out of an old poem, or a word of abuse, are dropped, the rest ordered by

    mean log p(char | brief)  +  WEIGHT (mean log p(char | brief) - mean log p(char | form))  +  PRESENT i  -  SHARED k
        +  STYLED (mean log p(char | brief) - mean log p(char | brief in the other style))

the second term, how much the theme and the demands explain, keeps the poem to its subject (maximum mutual
information, Li et al. 2016, arXiv:1510.03055, eq. 9), the last one to the style that was asked for; i is the share of
the images that stand in their lines as words, k the share of lines that have a run of five characters or more from an
old poem.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from rondo import bundled
from rondo.data.batch import Batch
from rondo.data.vocab import Characters
from rondo.models.generator import Generator
from rondo.models.store import load_task_model
from rondo.search.sample import sample
from rondo.tasks.poetry.brief import STYLE, STYLES, THEME, WORD, Brief, Ints, rhyme_class
from rondo.tasks.poetry.masks import Alphabet, SlotMask
from rondo.tasks.poetry.novelty import Known
from rondo.tasks.poetry.plan import Choice, Demand, Plan, choices
from rondo.tasks.poetry.request import Line, Mark, Poem, PoemRequest, PoemResponse
from rondo.tasks.poetry.weigh import Weight, keeping, weigh
from rondo.verse.abuse import RUDE, rude
from rondo.verse.books import book
from rondo.verse.forms import FIXED, FREE, PING, ZE, template
from rondo.verse.imagery import Imagery, imagery

SPREAD = {5: 64, 7: 56}  # poems drawn at once, by the length of a line
TOP_P = 0.9
WEIGHT = 0.4
PRESENT, SHARED, STYLED = 0.3, 0.5, 8.0
RUN = 5
ATTEMPTS = 4
LAST_COMMON = 0x9FFF
DRAWS = 14  # sets of images for the poems drawn at once
NOTHING = Imagery("", (), "", True)


@dataclass(frozen=True)
class Draft:
    """A poem as it was drawn: symbols [lines, length], its plan and brief, its images, its scores."""

    symbols: Ints
    plan: Plan
    brief: Brief
    imagery: Imagery
    told: float = 0.0  # mean log-probability of a character, given the brief
    bare: float = 0.0  # the same, given the form alone
    other: float = 0.0  # the same, given the brief in the other style, if a style is asked for


class Poet:
    """A trained generator of poems, and what it may not copy."""

    def __init__(self, model: Generator, vocab: Characters, known: Known | None) -> None:
        self.model, self.vocab, self.known = model, vocab, known
        self.begin = int(vocab.encode("\n")[0])

    @classmethod
    def load(cls, path: Path | str = "poetry") -> Poet:
        """From a run folder, a model file, or the name of a bundled model. Raises FileError."""
        model, vocab, _ = load_task_model(path, "poetry", Generator, "generator of poems")
        known = bundled.model_file(path).with_suffix(".known")
        return cls(model, vocab, Known.load(known) if known.exists() else None)

    def write(self, request: PoemRequest) -> PoemResponse:
        """The poems of a request. It never fails: what cannot be kept is relaxed, and named."""
        demand = demand_of(request)
        options = choices(demand)
        alphabet = _alphabet(self.vocab.symbols, demand.book.name, demand.book.sounds.name)
        kept: list[Draft] = []
        for attempt in range(ATTEMPTS):
            numbers = random.Random(f"{request.seed}/{attempt}")
            drafts = self._drafts(request, demand, options, alphabet, numbers)
            kept += [d for d in drafts if self._fit(d, demand)] if attempt + 1 < ATTEMPTS else drafts
            if len(kept) >= request.count:
                break
        best = _diverse(sorted(kept, key=lambda d: -self._score(d, demand)), request.count)
        weights = self._weights(best, demand, alphabet)
        poems = [self._proven(d, demand, w) for d, w in zip(best, weights, strict=True)]
        return PoemResponse(poems=poems, notes=_notes(request, best))

    def _drafts(
        self, request: PoemRequest, demand: Demand, options: list[Choice], alphabet: Alphabet, numbers: random.Random
    ) -> list[Draft]:
        """Poems drawn side by side, each to its own plan and images."""
        whole = all(map(all, demand.required))  # nothing is left to draw
        rows = request.count if whole else max(SPREAD[demand.length], 3 * request.count)
        plans = [numbers.choice(options).draw(numbers) for _ in range(rows)]
        symbols = self._required(demand)
        given = "".join(map("".join, demand.required))
        drawn = imagery(request.theme, demand.lines, numbers, DRAWS, given) if request.theme else [NOTHING]
        images = [drawn[n % len(drawn)] for n in range(rows)]
        briefs = [self._brief(request, demand, *pair, symbols) for pair in zip(plans, images, strict=True)]
        told = torch.from_numpy(np.stack([b.columns() for b in briefs]))
        mask = SlotMask(alphabet, plans, np.broadcast_to(symbols.reshape(-1), (rows, symbols.size)))
        prime = torch.full((rows, 1), self.begin)
        found = sample(
            self.model.predictor(told),
            prime,
            symbols.size,
            temperature=request.temperature,
            top_p=TOP_P,
            seed=numbers.getrandbits(62),
            masks=[mask],
        )
        y = found.symbols[:, 0]
        bare = torch.from_numpy(Brief(demand.lines, demand.length).columns()).expand(rows, -1, -1)
        questions = [bare, *([_other_style(told)] if request.style else [])]
        scores = [found.log_probability[:, 0] / y.shape[1], *(self._log_probability(y, c) for c in questions)]
        return [
            Draft(y[n].numpy().reshape(symbols.shape), plans[n], briefs[n], images[n], *(float(s[n]) for s in scores))
            for n in range(rows)
        ]

    def _required(self, demand: Demand) -> Ints:
        """The symbols [lines, length] that were asked for, -1 where the place is free."""
        return np.array([[int(self.vocab.encode(c)[0]) if c else -1 for c in row] for row in demand.required])

    def _brief(self, request: PoemRequest, demand: Demand, plan: Plan, images: Imagery, symbols: Ints) -> Brief:
        """What the generator is told for a plan and images."""
        rhymes = [rhyme_class(demand.book.name, r.group, r.tone) if r else 0 for r in plan.rhymes]
        types = list(plan.pattern.types) if plan.pattern else []
        ends = [FIXED[t][-1] for t in types] or [r.tone if r else "" for r in plan.rhymes]
        words, theme = np.zeros((demand.lines, WORD), np.int64), np.zeros(THEME, np.int64)
        for i, image in enumerate(images.images):
            words[i, : len(image.word)] = self.vocab.encode(image.word)
        theme[: len(images.symbols)] = self.vocab.encode(images.symbols)
        style = STYLES.index(request.style)
        return Brief(demand.lines, demand.length, types, ends, rhymes, np.maximum(symbols, 0), words, theme, style)

    def _log_probability(self, y: torch.Tensor, told: torch.Tensor) -> torch.Tensor:
        """The mean log-probability of each row's characters."""
        x = torch.cat([torch.full((len(y), 1), self.begin), y[:, :-1]], 1)
        nats, _ = self.model.nats(Batch(x, y, condition=told))
        return -nats.mean(1)

    def _fit(self, draft: Draft, demand: Demand) -> bool:
        """Whether no line that is not wholly given stands in a training poem, or holds a word of abuse."""
        lines = [t for t, given in zip(self.texts(draft, demand), demand.required, strict=True) if not all(given)]
        return not any(rude(t) or (self.known is not None and self.known.line(t)) for t in lines)

    def texts(self, draft: Draft, demand: Demand) -> list[str]:
        """The lines of a draft, what was given as it was given."""
        return [
            "".join(given or self.vocab.symbols[s] for s, given in zip(row, required, strict=True))
            for row, required in zip(draft.symbols.tolist(), demand.required, strict=True)
        ]

    def _score(self, draft: Draft, demand: Demand) -> float:
        """What the drafts are ordered by, see above."""
        lines = self.texts(draft, demand)
        images = [image.word in line for image, line in zip(draft.imagery.images, lines, strict=False)]
        copied = [
            self.known is not None and not all(row) and self.known.longest(line) >= RUN
            for row, line in zip(demand.required, lines, strict=True)
        ]
        present = sum(images) / max(1, len(images))
        score = draft.told + WEIGHT * (draft.told - draft.bare) + PRESENT * present - SHARED * sum(copied) / len(lines)
        return score + (STYLED * (draft.told - draft.other) if draft.brief.style else 0.0)

    def _weights(self, drafts: Sequence[Draft], demand: Demand, alphabet: Alphabet) -> list[list[Weight]]:
        """How likely every character of these poems was, and what else could stand there."""
        required = self._required(demand)
        every = np.broadcast_to(required.reshape(-1), (len(drafts), required.size))
        mask = SlotMask(alphabet, [d.plan for d in drafts], every)
        symbols = torch.from_numpy(np.stack([d.symbols.reshape(-1) for d in drafts]))
        told = torch.from_numpy(np.stack([d.brief.columns() for d in drafts]))
        return weigh(self.model, self.begin, symbols, told, mask, torch.from_numpy(every < 0))

    def _proven(self, draft: Draft, demand: Demand, weights: Sequence[Weight]) -> Poem:
        """A draft with its proof."""
        plan, lines = draft.plan, self.texts(draft, demand)
        n = demand.length
        proof = [self._proof(i, text, draft, demand, weights[i * n : i * n + n]) for i, text in enumerate(lines)]
        groups = list(dict.fromkeys(demand.book.groups[r.group].name for r in plan.rhymes if r))
        return Poem(
            lines=lines,
            relaxed=[vars(r) for r in plan.relaxed],
            pattern=plan.pattern.name if plan.pattern else "",
            book=demand.book.title,
            group="、".join(groups),
            log_probability=round(draft.told, 4),
            novel=all(line.new for line in proof),
            proof=proof,
        )

    def _proof(self, i: int, text: str, draft: Draft, demand: Demand, weights: Sequence[Weight]) -> Line:
        plan, strings = draft.plan, draft.plan.lines[i]
        tones = [demand.book.sounds.tones(c) for c in text]
        fitting = [
            s for s in sorted(strings or ()) if all(not t or c == "?" or c in t for t, c in zip(tones, s, strict=True))
        ]
        kind = plan.pattern.types[i] if plan.pattern else ""
        wanted = ["" if c == FREE else c for c in template(kind, demand.length)] if kind else [""] * demand.length
        clash = {r.place - 1 for r in plan.relaxed if r.rule == "tone" and r.line == i + 1}
        marks = [
            Mark(
                char=c,
                tones="".join(t for t in (PING, ZE) if t in tones[p]),
                wanted=wanted[p],
                ok=p not in clash and (bool(fitting) or not kind),
                given=bool(demand.required[i][p]),
                probability=round(weights[p].probability, 6),
                instead=keeping(
                    [self.vocab.symbols[s] for s in weights[p].others], p, text, strings, demand.book.sounds
                ),
            )
            for p, c in enumerate(text)
        ]
        reading = plan.rhymes[i]
        rhymes = None if plan.sets[i] is None else reading is not None
        group = demand.book.groups[reading.group].name if reading else ""
        given = all(demand.required[i])
        image = str(draft.imagery.images[i]) if draft.imagery.images else ""
        shared = self.known.longest(text) if self.known else 0
        new = given or self.known is None or not self.known.line(text)
        return Line(text=text, type=kind, marks=marks, rhymes=rhymes, group=group, image=image, shared=shared, new=new)


def _other_style(told: torch.Tensor) -> torch.Tensor:
    """Briefs [N, slots, COLUMNS] in the other of the two styles."""
    other = told.clone()
    other[:, :, STYLE] = len(STYLES) - told[:, :, STYLE]
    return other


@functools.lru_cache(maxsize=8)
def _alphabet(symbols: tuple[str, ...], rhymes: str, sounds: str) -> Alphabet:
    """What may be written, by the books of rhymes and of tones."""
    vocab = Characters(symbols)
    rare = [n for n, c in enumerate(symbols) if ord(c) > LAST_COMMON]  # few fonts have them
    return Alphabet(vocab, book(rhymes), book(sounds), [0, int(vocab.encode("\n")[0]), *rare, *vocab.encode(RUDE)])


def demand_of(request: PoemRequest) -> Demand:
    """What a request asks to be kept."""
    return Demand(request.required, request.sets, book(request.book), not request.free)


def _notes(request: PoemRequest, drafts: Sequence[Draft]) -> list[str]:
    """What is to be said about how a request was read."""
    notes, keys = [], len(request.hide)
    if keys > 1 and keys % 2 and not request.mask and request.shape[0] == keys + 1:
        zh = f"{keys}个字配成{keys + 1}句，最后一句不藏字"
        notes.append(f"{zh} / {keys} characters, {keys + 1} lines: the last hides none")
    if request.theme and not drafts[0].imagery.known:
        unknown = drafts[0].imagery.unknown
        notes.append(f"旧诗里没有“{unknown}”，只取其意 / no old poem has {unknown}: its images are guessed")
    return notes


def _diverse(drafts: Sequence[Draft], count: int) -> list[Draft]:
    """The best ones, none sharing half of its characters at the same places with a better one."""
    kept: list[Draft] = []
    for draft in drafts:
        if all((draft.symbols == other.symbols).mean() < 0.5 for other in kept):
            kept.append(draft)
    kept += [d for d in drafts if not any(d is k for k in kept)]
    return kept[:count]
