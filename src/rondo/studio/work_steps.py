"""What the pages on held gates and on reach ask of the library, for the networks that come with the package."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from rondo.diagnose import contrast, hold, reach, steps
from rondo.diagnose.inside import precise
from rondo.models.tagger import Tagger
from rondo.probes import agreement, sentences
from rondo.render.lines import forward
from rondo.render.live import Spoken, spoken
from rondo.studio.models import reader
from rondo.studio.work_inside import InsideError, probed
from rondo.tasks.entities.directions import BOTH, FORWARD
from rondo.tasks.entities.text import tokens_of

MOST_WORDS = 16  # of a sentence whose every gradient is drawn


@dataclass(frozen=True, eq=False)
class Reading:
    """A sentence up to its verb, as a network of the agreement probe reads it."""

    model: Tagger
    params: dict[str, Tensor]
    x: Tensor
    words: tuple[str, ...]
    forms: tuple[str, ...]
    symbols: tuple[int, ...]
    verb: str
    natural: hold.Held
    best: list[int]

    @property
    def names(self) -> list[str]:
        """Every name of the equations and every state."""
        return list(steps.names(self.natural.graph))

    @property
    def units(self) -> int:
        return int(self.natural.of(next(iter(self.natural.graph.states))).shape[1])

    @property
    def gates(self) -> list[str]:
        """The named sigmoids."""
        return [n for n, node in steps.names(self.natural.graph).items() if node.op == "sigmoid"]

    def would(self, unit: int | None, step: int | None) -> dict[str, tuple[float, float]]:
        """The probability of the right form with one gate alone held at 0 and at 1."""

        def right(name: str, to: float) -> float:
            return self.chances(self.held([hold.Hold(name, to, unit, step)]))[self.verb]

        return {name: (right(name, 0.0), right(name, 1.0)) for name in self.gates}

    def check(self, unit: int) -> None:
        """Raises InsideError for a unit that the network does not have."""
        if not 0 <= unit < self.units:
            raise InsideError(f"单元编号是 0 到 {self.units - 1} / the units are numbered 0 to {self.units - 1}")

    def held(self, holds: Sequence[hold.Hold]) -> hold.Held:
        """The same sentence with gates held. Raises InsideError for what is no gate."""
        gates = self.gates
        for h in holds:
            if h.name not in gates:
                raise InsideError(
                    f"没有叫 {h.name!r} 的门，只有 {'、'.join(gates)} / "
                    f"no gate is called {h.name!r}: take one of {', '.join(gates)}"
                )
        return hold.held(self.natural.graph, self.params, self.x, holds) if holds else self.natural

    def chances(self, found: hold.Held) -> dict[str, float]:
        """The probability of each form of the verb, of the two."""
        with torch.no_grad():
            scores = self.model.head.scores(torch.from_numpy(found.values[-1][found.graph.output]))
            p = scores[list(self.symbols)].softmax(0)
        return dict(zip(self.forms, p.tolist(), strict=True))

    def equations(self, found: hold.Held, unit: int) -> tuple[list[Spoken], list[list[float | None]]]:
        """The lines of a step, and the one unit's number in each slot at each step."""
        told, nodes = spoken(forward(found.graph))
        known = [n in found.values[0] and n.op != "input" for n in nodes]
        return told, [
            [float(step[n][unit]) if k else None for n, k in zip(nodes, known, strict=True)] for step in found.values
        ]

    def made(self, found: hold.Held, unit: int) -> dict[str, list[list[tuple[str, list[float]]]]]:
        """Of each gate and candidate at each step: what its argument is made of. x: its one symbol counts once."""
        told = {}
        for name, node in steps.names(found.graph).items():
            if node.op not in ("sigmoid", "tanh"):
                continue
            terms = hold.terms(found, self.params, name, unit)
            told[name] = [[_told(term, t) for term in terms] for t in range(len(self.words))]
        return told


def _told(term: hold.Term, t: int) -> tuple[str, list[float]]:
    kind = {"input": "x", "vector": "b", "state": "h"}.get(term.node.op, "")
    parts = term.parts[t]
    return kind, [float(parts.sum())] if kind == "x" else parts.tolist()


@functools.lru_cache(maxsize=32)
def reading(kind: str, sentence: str) -> Reading:
    """Raises ProbeError for a sentence outside the probe's small language."""
    words = sentences.tokens(sentence)
    model = precise(probed(kind))
    inside = sentences.inside(model, words)
    rnn = model.body.rnn
    x = torch.nn.functional.one_hot(agreement.numbers(inside.words), rnn.input).double()
    params = {name: p.detach() for name, p in rnn.part("l0").named_parameters()}
    natural = hold.held(rnn.cell.graph, params, x)
    best = _telling(model, words, inside)
    return Reading(model, params, x, inside.words, inside.forms, inside.symbols, inside.verb, natural, best)


def _telling(model: Tagger, words: list[str], inside: sentences.Inside) -> list[int]:
    """The units by what they say of the subject's number: against the same sentence in the other number where it has
    one, else by size."""
    try:
        other = sentences.inside(model, sentences.other_number(words))
    except ValueError:
        return contrast.by_size(next(iter(inside.values.values()))[-1])
    return contrast.exchange(inside.scores, inside.output, other.output, *inside.symbols).order


# --- reach -----------------------------------------------------------------------------------------


def _words(sentence: str) -> list[str]:
    found = [sentence[a:b] for a, b in tokens_of(sentence, "en")]
    if not 2 <= len(found) <= MOST_WORDS:
        raise InsideError(
            f"请写 2 到 {MOST_WORDS} 个词，这里有 {len(found)} 个 / "
            f"write 2 to {MOST_WORDS} words, this has {len(found)}"
        )
    return found


@functools.lru_cache(maxsize=32)
def drawn_sight(sentence: str, cell: str, layers: int, bidirectional: bool, seed: int) -> tuple[list[str], reach.Sight]:
    """The words of a sentence, and what each output sees in a network as it is drawn."""
    words = _words(sentence)
    rnn, x = reach.drawn([w.lower() for w in words], cell, layers, bidirectional, seed=seed)
    return words, reach.sight(rnn, x)


@functools.lru_cache(maxsize=32)
def tagger_sight(sentence: str, bidirectional: bool) -> tuple[list[str], reach.Sight]:
    """The same of a trained tagger of names: of its scores, by the vector of each word."""
    words, found = _words(sentence), reader(BOTH if bidirectional else FORWARD)
    model = precise(found.model)
    with torch.no_grad():
        x = model.body.inputs(torch.from_numpy(found.features.encode(words)).unsqueeze(0))[0]
    return words, reach.sight(model.body.rnn, x.double(), model.head.scores)
