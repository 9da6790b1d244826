"""Beam search: the most probable continuations, several at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn import functional

from rondo.search.predictor import Mask, Predictor, SearchError, State, as_prime, check_length, masked, read
from rondo.search.results import Results

NO_END = -1  # no symbol has this number


@torch.no_grad()
def beam(
    predictor: Predictor[State],
    prime: Tensor | Sequence[int],
    length: int,
    *,
    width: int,
    nbest: int = 1,
    penalty: float = 0.0,
    end: int | None = None,
    masks: Sequence[Mask] = (),
    banned: Sequence[int] = (),
) -> Results:
    """The `nbest` hypotheses of the highest score that a beam of `width` finds for each row.

        score(x) = log p(x) / lp(x),    lp(x) = (5 + |x|) ** penalty / (5 + 1) ** penalty

    (Wu et al. 2016, arXiv:1609.08144, eq. 14 without coverage; |x| counts the symbols after the prime, `end` included.)

    At each step the continuations of all hypotheses of a row are ranked. Those among the first `width` that choose
    `end` are finished; the first `width` of the others go on. A row stops when its nbest finished hypotheses can no
    longer be beaten: log p only falls, so what goes on scores at most log p over the greatest lp it can still reach.
    Hypotheses cut at `length` come after all that are finished, so only where fewer than nbest are. With penalty 0,
    width 1 is greedy search; as wide as the space, the search is exhaustive.

    prime   symbols [N, P] that are read first, or one row as a plain sequence; at least one symbol
    length  the most symbols to choose; without `end`, their number
    masks   see `rondo.search.predictor.Mask`; banned: symbols that are never chosen. A hypothesis that no symbol may
            follow is dropped. Scores are not normalised again

    Raises SearchError for a setting out of range, and where every hypothesis of a row is dropped, naming row and step.
    """
    given, stop = as_prime(prime), NO_END if end is None else end
    check_length(length)
    if not 1 <= nbest <= width:
        raise SearchError(f"width must be at least nbest, and nbest at least 1; found width {width}, nbest {nbest}")
    found = _nothing(given, nbest, length)
    if not length:
        return found
    scores, state = read(predictor, given)
    alive = _Alive.start(given)
    for t in range(length):
        ranked = _rank(alive, masked(scores, alive.prefixes, alive.rows, masks, banned), width, t)
        ended, going = _split(ranked, width, stop)
        _check_any(found, ranked, ended | going, t)
        _add(found, alive, ranked, ended, penalty, finished=True)
        if t + 1 == length:
            _add(found, alive, ranked, going, penalty, finished=False)
            break
        going &= ~_settled(found, ranked, going, penalty, t + 1).unsqueeze(1)
        if not bool(going.any()):
            break
        alive, state = alive.extended(ranked, going), predictor.select(state, ranked.origin[going])
        scores, state = predictor.step(ranked.symbol[going], state)
    return _ended_with(found, max(stop, 0))


@dataclass(frozen=True)
class _Alive:
    """The A hypotheses that go on, those of one row side by side, the best first."""

    prefixes: Tensor  # [A, t] symbols chosen
    total: Tensor  # [A] float64, log-probability
    rows: Tensor  # [A] ascending

    @classmethod
    def start(cls, prime: Tensor) -> _Alive:
        n = len(prime)
        return cls(prime[:, :0], torch.zeros(n, dtype=torch.float64, device=prime.device), torch.arange(n).to(prime))

    def extended(self, ranked: _Ranked, which: Tensor) -> _Alive:
        """The candidates where which [R, C] is True, as hypotheses."""
        prefixes = torch.cat([self.prefixes[ranked.origin[which]], ranked.symbol[which].unsqueeze(1)], 1)
        return _Alive(prefixes, ranked.total[which], ranked.rows.unsqueeze(1).expand_as(which)[which])


@dataclass(frozen=True)
class _Ranked:
    """The best C candidates of each of the R rows that are alive, the best first."""

    rows: Tensor  # [R]
    origin: Tensor  # [R, C] the hypothesis, in 0 ... A-1, that is continued
    symbol: Tensor  # [R, C] by what
    total: Tensor  # [R, C] float64, log-probability; -inf where there are fewer candidates


def _rank(alive: _Alive, allowed: Tensor, width: int, step: int) -> _Ranked:
    """Candidates from the log-probabilities allowed [A, V]: 2 * width of each row, so that `width` of them do not end
    (a hypothesis ends in one way)."""
    top, symbols = allowed.topk(min(width + 1, allowed.shape[1]))  # more of one hypothesis are never wanted
    if bool(top.isnan().any()):
        row = int(alive.rows[top.isnan().any(1)][0])
        raise SearchError(f"row {row}, step {step}: the predictor gave NaN; check the model's weights")
    rows, group, counts = alive.rows.unique_consecutive(return_inverse=True, return_counts=True)  # type: ignore[no-untyped-call]
    first = counts.cumsum(0) - counts
    slot = torch.arange(len(group), device=group.device) - first[group]
    grid = alive.total.new_full((len(rows), int(counts.max()), top.shape[1]), -torch.inf)
    grid[group, slot] = alive.total.unsqueeze(1) + top
    total, place = grid.flatten(1).sort(dim=1, descending=True, stable=True)
    total, place = total[:, : 2 * width], place[:, : 2 * width]
    # a row of fewer hypotheses than another has places past its last; their total is -inf
    origin = (first.unsqueeze(1) + place // top.shape[1]).clamp(max=len(group) - 1)
    return _Ranked(rows, origin, symbols[origin, place % top.shape[1]], total)


def _split(ranked: _Ranked, width: int, stop: int) -> tuple[Tensor, Tensor]:
    """Which candidates end, and which go on: both [R, C]."""
    possible, ends = ranked.total > -torch.inf, ranked.symbol == stop
    ended = possible & ends
    ended[:, width:] = False
    going = possible & ~ends
    return ended, going & (going.cumsum(1) <= width)


def _check_any(found: Results, ranked: _Ranked, kept: Tensor, step: int) -> None:
    lost = ~(kept.any(1) | found.finished[ranked.rows, 0])
    if bool(lost.any()):
        raise SearchError(
            f"row {int(ranked.rows[lost][0])}, step {step}: no symbol is allowed after any hypothesis; "
            "a mask must look ahead, so that whatever it allows can be continued"
        )


def length_penalty(length: int, penalty: float) -> float:
    """lp of Wu et al., eq. 14, of a hypothesis of `length` symbols, its end included."""
    return float(((5 + length) / 6) ** penalty)


def _settled(found: Results, ranked: _Ranked, going: Tensor, penalty: float, chosen: int) -> Tensor:
    """Whether what goes on, `chosen` symbols long, can no longer be among a row's best: [R]."""
    best = ranked.total.masked_fill(~going, -torch.inf).amax(1)
    longest = found.symbols.shape[2]  # lp is monotonic
    bound = best / max(length_penalty(chosen + 1, penalty), length_penalty(longest, penalty))
    return bound <= found.score[ranked.rows, -1]  # -inf until there are as many as wanted


def _nothing(prime: Tensor, nbest: int, length: int) -> Results:
    """No hypotheses yet, but where nothing is to be chosen: there the empty one, of probability 1."""
    none = torch.zeros(len(prime), nbest, dtype=torch.long, device=prime.device)
    total = torch.full(none.shape, -torch.inf, dtype=torch.float64, device=prime.device)
    if not length:
        total[:, 0] = 0.0
    return Results(none.unsqueeze(2).repeat(1, 1, length), none, none.bool(), total, total.clone())


def _add(found: Results, alive: _Alive, ranked: _Ranked, which: Tensor, penalty: float, finished: bool) -> None:
    """Writes the candidates where which [R, C] is True into what has been found, as far as they are among the best:
    finished ones first, then by score."""
    if not bool(which.any()):
        return
    t, rows = alive.prefixes.shape[1], ranked.rows
    symbols = torch.cat([alive.prefixes[ranked.origin], ranked.symbol.unsqueeze(2)], 2)
    total = ranked.total.masked_fill(~which, -torch.inf)
    new = {
        "symbols": functional.pad(symbols, (0, found.symbols.shape[2] - t - 1)),
        "lengths": torch.where(which, t if finished else t + 1, 0),
        "finished": which & finished,
        "log_probability": total,
        "score": total / length_penalty(t + 1, penalty),
    }
    both = {name: torch.cat([getattr(found, name)[rows], v], 1) for name, v in new.items()}
    order = both["score"].argsort(dim=1, descending=True, stable=True)
    order = order.gather(1, both["finished"].gather(1, order).int().argsort(dim=1, descending=True, stable=True))
    order = order[:, : found.score.shape[1]]
    for name, v in both.items():
        getattr(found, name)[rows] = v[torch.arange(len(rows), device=rows.device).unsqueeze(1), order]


def _ended_with(found: Results, filler: int) -> Results:
    """What has been found, with `filler` past the hypotheses' lengths."""
    past = torch.arange(found.symbols.shape[2], device=found.lengths.device) >= found.lengths.unsqueeze(2)
    return replace(found, symbols=found.symbols.masked_fill(past, filler))
