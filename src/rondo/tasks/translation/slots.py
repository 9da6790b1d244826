"""Search under demands: every slot of a source comes exactly once, and a translation begins as asked.

`Slotted` stands before a decoder. It changes what the decoder says of the next symbol:

    while slots of the source are missing   the sentence cannot end: p(END) is shared out among the missing slots, so a
                                            model that would end gives what it has left out
    a slot that is not missing              is impossible
    as many places left as slots missing,   nothing but these slots, then END: so every hypothesis holds all slots, and
    and one                                 ends, within the length of its row
    inside the prefix                       nothing but the prefix; the first symbol behind it begins another word
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from rondo.search.predictor import Predictor
from rondo.tasks.translation.pieces import SLOTS, Pieces

_PRIVATE = "\xee"  # how the byte EE is written among the pieces
NONE = -1  # past the end of a prefix


@dataclass(frozen=True)
class Demands:
    """What is demanded of N rows.

    slots    [N, SLOTS] bool: the slots of the source
    lengths  [N] the most symbols of a translation, its end included: more than slots and prefix
    prefix   [N, P] symbols that it begins with, filled up with NONE
    inner    [N, V] or [1, V] bool: symbols that would go on with the last word of the prefix
    """

    slots: Tensor
    lengths: Tensor
    prefix: Tensor
    inner: Tensor


@dataclass(frozen=True)
class Held:
    """A decoder's state, and how far the demands are met."""

    carried: Any
    rows: Tensor  # [A] the row whose demands these are
    missing: Tensor  # [A, SLOTS] bool
    taken: int  # symbols chosen so far


@dataclass(frozen=True)
class Slotted:
    """A predictor for `rondo.search`; its prime is the begin symbol alone."""

    decoder: Predictor[Any]
    pieces: Pieces
    demands: Demands
    never: Tensor  # [V] bool: symbols that no translation has, see `unwritten`
    _numbers: Tensor = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_numbers", torch.tensor(self.pieces.slots))

    def start(self, rows: int) -> Held:
        """One row for each row of the demands."""
        return Held(self.decoder.start(rows), torch.arange(rows), self.demands.slots, -1)

    def step(self, symbols: Tensor, state: Held) -> tuple[Tensor, Held]:
        """Reads symbols [A]; log-probabilities [A, V] of the next ones, -inf for what is not allowed."""
        scores, carried = self.decoder.step(symbols, state.carried)
        missing = state.missing & (symbols.unsqueeze(1) != self._numbers)
        held = Held(carried, state.rows, missing, state.taken + 1)
        return self._demanded(scores, held), held

    def select(self, state: Held, index: Tensor) -> Held:
        """The rows `index` of a state."""
        carried = self.decoder.select(state.carried, index)
        return Held(carried, state.rows[index], state.missing[index], state.taken)

    def _demanded(self, scores: Tensor, held: Held) -> Tensor:
        scores = torch.where(self.never, -torch.inf, shared_end(scores, held.missing, self.pieces))
        left = self.demands.lengths[held.rows] - held.taken
        tight = left <= held.missing.sum(1) + 1
        if bool(tight.any()):
            last = torch.zeros_like(scores, dtype=torch.bool)
            last[:, self.pieces.slots[0] : self.pieces.slots[-1] + 1] = held.missing
            last[:, self.pieces.end] = ~held.missing.any(1)
            scores = torch.where(tight.unsqueeze(1) & ~last, -torch.inf, scores)
        return self._prefixed(scores, held)

    def _prefixed(self, scores: Tensor, held: Held) -> Tensor:
        prefix, place = self.demands.prefix, held.taken
        if place > prefix.shape[1]:
            return scores
        before = prefix[held.rows, place - 1] if place else torch.full_like(held.rows, NONE)
        forced = prefix[held.rows, place] if place < prefix.shape[1] else torch.full_like(held.rows, NONE)
        behind = (before != NONE) & (forced == NONE)
        if bool(behind.any()):
            inner = self.demands.inner.expand(len(prefix), -1)[held.rows]
            free = torch.where(inner, -torch.inf, scores)
            stuck = free.amax(1) == -torch.inf  # where nothing else is allowed the word may go on
            scores = torch.where((behind & ~stuck).unsqueeze(1), free, scores)
        inside = forced != NONE
        if bool(inside.any()):
            own = torch.full_like(scores, -torch.inf)
            at = forced.clamp(min=0).unsqueeze(1)
            own.scatter_(1, at, scores.gather(1, at).clamp(min=-1e4))  # a prefix is never impossible
            scores = torch.where(inside.unsqueeze(1), own, scores)
        return scores


def shared_end(scores: Tensor, missing: Tensor, pieces: Pieces) -> Tensor:
    """Log-probabilities [A, V] in which slots that are missing [A, SLOTS] have the end's share, and others nothing."""
    scores = scores.clone()
    first, last = pieces.slots[0], pieces.slots[-1] + 1
    count = missing.sum(1, keepdim=True)
    end = scores[:, pieces.end : pieces.end + 1] - count.clamp(min=1).log()
    slots = torch.logaddexp(scores[:, first:last], end.expand(-1, SLOTS))
    scores[:, first:last] = torch.where(missing, slots, -torch.inf)
    scores[:, pieces.end] = torch.where(count.squeeze(1) > 0, -torch.inf, scores[:, pieces.end])
    scores[:, pieces.begin] = -torch.inf
    return scores


def unwritten(pieces: Pieces) -> Tensor:
    """The symbols [V] that no translation has: control characters, and the byte that characters for private use begin
    with, which stand for slots."""
    bad = [any(not c.isprintable() for c in pieces.subwords.decode([n])) for n in range(pieces.begin)]
    private = [_PRIVATE in piece for piece in pieces.subwords.symbols]
    return torch.tensor([a or b for a, b in zip(bad, private, strict=True)] + [False] * (len(pieces) - pieces.begin))


def as_prefixes(prefixes: list[list[int]]) -> Tensor:
    """Lists of symbols as [N, P]."""
    longest = max(map(len, prefixes), default=0)
    return torch.tensor([[*p, *[NONE] * (longest - len(p))] for p in prefixes], dtype=torch.long).reshape(
        len(prefixes), longest
    )


def any_slots(count: list[int]) -> Tensor:
    """[N, SLOTS] bool: the first count[n] slots."""
    return torch.arange(SLOTS) < torch.tensor(count, dtype=torch.long).reshape(-1, 1)
