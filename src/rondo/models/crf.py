"""Linear-chain conditional random field: labels that depend on their neighbours (Lafferty et al. 2001).

With emissions e_t[k] from a network, y_1 ... y_T the labels and A the transitions,

    s(x, y) = start[y_1] + sum_t e_t[y_t] + sum_{t > 1} A[y_{t-1}, y_t] + end[y_T],    p(y | x) = exp(s(x, y)) / Z(x)

log Z(x) by the forward recursion, the best labels by Viterbi's (Rabiner 1989, doi:10.1109/5.18626, eq. 19-21, 32-35):

    alpha_t[j] = e_t[j] + log sum_i exp(alpha_{t-1}[i] + A[i, j])
    delta_t[j] = e_t[j] + max_i (delta_{t-1}[i] + A[i, j])

Every row is shifted to a maximum of 0 at each step and the shifts are added up in float64, so that a thousand steps
lose nothing in float32.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from rondo.data.batch import IGNORED
from rondo.inputs import checked_lengths, without_padding

# The score of what cannot be. Finite, so that nothing becomes NaN: exp(-1e30) is 0, and a thousand of them still fit.
NEVER = -1e30
POSSIBLE = NEVER / 2  # a path that scores less contains something that cannot be


class CRFError(ValueError):
    """Labels, or a choice of labels, that cannot be; the message names the row."""


class Paths(NamedTuple):
    """Labels [..., T] (IGNORED past the length) and their scores s(x, y) [...]."""

    tags: Tensor
    scores: Tensor


class CRF(nn.Module):
    """A linear chain over `tags` labels.

    legal  [tags + 1, tags + 1] booleans, e.g. from `legal_transitions`: legal[i][j] says whether j may follow i;
           the last row says which labels may begin a sequence, the last column which may end it. What is not legal has
           probability 0 in training and is never decoded. None: everything is

    In every method emissions are [B, T, tags] and lengths [B] of any order (None: all T); what stands past a length is
    never read. An empty row has one labelling, the empty one, whose score is 0. `allowed` [B, T, tags] booleans
    restricts single steps: a user's dictionary, or labels that somebody has corrected.
    """

    def __init__(self, tags: int, legal: Sequence[Sequence[bool]] | None = None) -> None:
        super().__init__()
        if tags < 1:
            raise CRFError(f"tags must be a positive whole number, found {tags}")
        self.transitions = nn.Parameter(torch.zeros(tags, tags))  # [i, j]: from i to j
        self.start = nn.Parameter(torch.zeros(tags))
        self.end = nn.Parameter(torch.zeros(tags))
        self._legal = None if legal is None else np.asarray(legal, dtype=bool)
        if self._legal is not None and self._legal.shape != (tags + 1, tags + 1):
            raise CRFError(
                f"legal must be [{tags + 1}, {tags + 1}] for {tags} tags: a row and a column for each, and last the "
                f"row of the beginning and the column of the end; found {list(self._legal.shape)}"
            )

    def log_likelihood(self, emissions: Tensor, tags: Tensor, lengths: Tensor | None = None) -> Tensor:
        """log p(tags | x) [B] of the labels [B, T]. A step labelled IGNORED may have any label: the labellings that
        agree with the others are summed. Raises CRFError where a label does not exist or is not legal."""
        e, lengths = self._checked(emissions, lengths)
        if not emissions.shape[1]:
            tags = tags.new_zeros(len(e), 1)
        alive = _alive(e, lengths)
        known = _known(tags, alive, e.shape[2])
        if bool((alive & ~known).any()):
            allowed = (tags.unsqueeze(2) == torch.arange(e.shape[2], device=e.device)) | ~known.unsqueeze(2)
            score = self._log_partition(e.where(allowed, NEVER), lengths)
        else:
            score = self._score(e, tags, lengths, alive)
        return (score - self._log_partition(e, lengths)).to(e.dtype)

    def log_partition(self, emissions: Tensor, lengths: Tensor | None = None, allowed: Tensor | None = None) -> Tensor:
        """log of the sum of exp(s(x, y)) over all legal and allowed labellings, [B].

        log_partition(e, lengths, allowed) - log_partition(e, lengths) is the log-probability that every label is an
        allowed one: of an entity, where its own steps alone are restricted.
        """
        e, lengths = self._checked(emissions, lengths, allowed)
        return self._log_partition(e, lengths).to(e.dtype)

    def marginals(self, emissions: Tensor, lengths: Tensor | None = None, allowed: Tensor | None = None) -> Tensor:
        """p(y_t = k | x) [B, T, tags], zero past the lengths; carries no gradient.

        It is the gradient of log Z with respect to e_t[k] (the backward recursion is what autograd does).
        """
        with torch.inference_mode(False), torch.enable_grad():
            given = _wide(emissions.detach()).clone().requires_grad_()
            e, lengths = self._checked(given, lengths, allowed)
            return torch.autograd.grad(self._log_partition(e, lengths).sum(), given, materialize_grads=True)[0]

    def viterbi(self, emissions: Tensor, lengths: Tensor | None = None, allowed: Tensor | None = None) -> Paths:
        """The best labels [B, T] and their scores [B]."""
        tags, scores = self.nbest(emissions, 1, lengths, allowed)
        return Paths(tags[:, 0], scores[:, 0])

    @torch.no_grad()
    def nbest(self, emissions: Tensor, k: int, lengths: Tensor | None = None, allowed: Tensor | None = None) -> Paths:
        """The k best labellings [B, k, T], best first, and their scores [B, k].

        A row with fewer than k has scores -inf and labels IGNORED for the rest; raises CRFError where it has none.
        """
        e, lengths = self._checked(emissions, lengths, allowed)
        start, transitions, end = self._parameters_as(e)
        first, *others = e.unbind(1)
        best = torch.full((*first.shape, k), NEVER, dtype=e.dtype, device=e.device)  # k scores for each last label
        best[:, :, 0] = start + first
        best, shift = _shifted(best)
        total, back = shift.double(), []
        for t, step in enumerate(others, 1):
            top, came = _top((best.unsqueeze(1) + transitions.T.unsqueeze(2)).flatten(2), k)
            new, shift = _shifted(top + step.unsqueeze(2))
            live = (lengths > t).view(-1, 1, 1)
            best, total = torch.where(live, new, best), total + torch.where(live, shift, 0)
            back.append(torch.where(live, came, torch.arange(came[0].numel(), device=e.device).view_as(came[0])))
        top, index = (best + end.unsqueeze(1)).flatten(1).topk(k)
        scores = top + total.squeeze(2)
        _check_possible(scores[:, 0], lengths)
        tags = _traced(back, index, k)
        empty = torch.tensor([0.0] + [-torch.inf] * (k - 1), dtype=scores.dtype, device=e.device)
        scores = torch.where(scores > POSSIBLE, scores, -torch.inf).where(lengths.unsqueeze(1) > 0, empty)
        counts = _alive(e, lengths).unsqueeze(1) & scores.isfinite().unsqueeze(2)
        return Paths(tags.where(counts, IGNORED)[:, :, : emissions.shape[1]], scores.to(e.dtype))

    def _log_partition(self, e: Tensor, lengths: Tensor) -> Tensor:
        """log Z in float64, of emissions already restricted; raises CRFError where no labelling is left."""
        start, transitions, end = self._parameters_as(e)
        first, *others = e.unbind(1)
        alpha, shift = _shifted(start + first)
        total = shift.double()
        for t, step in enumerate(others, 1):
            new, shift = _shifted(_log_sum(alpha.unsqueeze(2) + transitions) + step)
            live = (lengths > t).unsqueeze(1)
            alpha, total = torch.where(live, new, alpha), total + torch.where(live, shift, 0)
        log_z = _log_sum(alpha + end) + total.squeeze(1)
        _check_possible(log_z, lengths)
        return log_z.where(lengths > 0, 0)

    def _score(self, e: Tensor, tags: Tensor, lengths: Tensor, alive: Tensor) -> Tensor:
        """s(x, y) in float64 of known labels."""
        start, transitions, end = self._parameters_as(e)
        tags = tags.where(alive, 0)
        last = tags.gather(1, (lengths - 1).clamp(min=0).unsqueeze(1)).squeeze(1)
        before = torch.cat([start[tags[:, :1]], transitions[tags[:, :-1], tags[:, 1:]]], 1).where(alive, 0)
        after = end[last].where(lengths > 0, 0)
        wrong = torch.cat([before, after.unsqueeze(1)], 1) < POSSIBLE
        if bool(wrong.any()):
            row, t = wrong.nonzero()[0].tolist()
            raise CRFError(_illegal(row, t, tags, lengths))
        own = e.gather(2, tags.unsqueeze(2)).squeeze(2).where(alive, 0)
        return (before.double() + own.double()).sum(1) + after.double()

    def legal_scores(self) -> tuple[Tensor, Tensor, Tensor]:
        """start [tags], transitions [tags, tags] and end [tags], with NEVER where something is not legal."""
        return self._parameters_as(self.start)

    def _parameters_as(self, e: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """start, transitions and end in the emissions' dtype, with NEVER where something is not legal."""
        start, transitions, end = (p.to(e.dtype) for p in (self.start, self.transitions, self.end))
        if self._legal is None:
            return start, transitions, end
        legal = torch.from_numpy(self._legal).to(e.device)
        return (
            start.where(legal[-1, :-1], NEVER),
            transitions.where(legal[:-1, :-1], NEVER),
            end.where(legal[:-1, -1], NEVER),
        )

    def _checked(
        self, emissions: Tensor, lengths: Tensor | None, allowed: Tensor | None = None
    ) -> tuple[Tensor, Tensor]:
        """Emissions in at least float32, NEVER where not allowed, zero past the lengths, of at least one step; and
        lengths."""
        tags = len(self.start)
        if emissions.dim() != 3 or emissions.shape[2] != tags:
            raise CRFError(f"emissions must be [batch, time, {tags}], found {list(emissions.shape)}")
        batch, steps, _ = emissions.shape
        lengths = checked_lengths(lengths, batch, steps, emissions.device)
        if lengths is None:
            lengths = torch.full((batch,), steps, device=emissions.device)
        e = _wide(emissions)
        if allowed is not None:
            if allowed.dtype is not torch.bool or allowed.shape != e.shape:
                raise CRFError(f"allowed must be booleans {list(e.shape)}, found {allowed.dtype} {list(allowed.shape)}")
            e = e.where(allowed, NEVER)
        return (without_padding(e, lengths) if steps else e.new_zeros(batch, 1, tags)), lengths


def legal_transitions(labels: Sequence[str]) -> list[list[bool]]:
    """The table `legal` of a CRF for labels "O", "B-person", "I-person", ...

    With B and I alone (IOB2), I-x follows B-x or I-x only. Where E-x or S-x occur (BIOES; M is read as I, L as E and
    U as S), an entity begun with B-x also has to go on with I-x and to end with E-x.
    Raises CRFError for a label of another form.
    """
    parts = [_parted(label) for label in labels]
    closed = any(place in "ES" for place, _ in parts)

    def legal(one: tuple[str, str], two: tuple[str, str]) -> bool:
        opened, inside = one[0] in "BI", two[0] in "IE"
        return opened and one[1] == two[1] if inside else not (opened and closed)

    outside = ("O", "")
    return [[legal(one, two) for two in [*parts, outside]] for one in [*parts, outside]]


def _parted(label: str) -> tuple[str, str]:
    """ "B-person" -> ("B", "person")"""
    place, _, kind = label.partition("-")
    same = {"O": "O", "B": "B", "I": "I", "M": "I", "E": "E", "L": "E", "S": "S", "U": "S"}
    if place not in same or (place == "O") != (not kind):
        raise CRFError(f"the label {label!r} is neither O nor B-, I-, E- or S- with a kind behind it")
    return same[place], kind


def _wide(e: Tensor) -> Tensor:
    return e if e.dtype is torch.float64 else e.float()


def _shifted(scores: Tensor) -> tuple[Tensor, Tensor]:
    """Scores [B, ...] minus each row's maximum, and that maximum [B, 1, ...]; no gradient passes through the shift,
    which is added again."""
    shift = scores.detach().flatten(1).amax(1).view(-1, *[1] * (scores.dim() - 1))
    return scores - shift, shift


def _log_sum(scores: Tensor) -> Tensor:
    """log sum exp of scores [B, n, ...] over n. What lies 80 below the best cannot change the sum, and is not put to
    exp, which takes ten times as long for what underflows."""
    best = scores.detach().amax(1, keepdim=True)
    return (scores - best).clamp(min=-80).exp().sum(1).log() + best.squeeze(1)


def _top(scores: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """The k best of scores [B, K, n] over n, and where they stood: each [B, K, k]."""
    if k == 1:  # topk takes longer
        value, index = scores.max(2, keepdim=True)
        return value, index
    value, index = scores.topk(k, 2)
    return value, index


def _traced(back: list[Tensor], index: Tensor, k: int) -> Tensor:
    """The labels [B, k, T] on the paths that end in `index` [B, k]; both count (label, rank) as label * k + rank."""
    tags = [index // k]
    for came in reversed(back):
        index = came.flatten(1).gather(1, index)
        tags.append(index // k)
    return torch.stack(tags[::-1], 2)


def _alive(e: Tensor, lengths: Tensor) -> Tensor:
    return torch.arange(e.shape[1], device=e.device) < lengths.unsqueeze(1)


def _known(tags: Tensor, alive: Tensor, count: int) -> Tensor:
    """Where a label [B, T] is given; raises CRFError for one that does not exist."""
    if tags.shape != alive.shape:
        raise CRFError(f"tags must be {list(alive.shape)}, a label for each step, found {list(tags.shape)}")
    known = alive & (tags != IGNORED)
    wrong = known & ((tags < 0) | (tags >= count))
    if bool(wrong.any()):
        row, t = wrong.nonzero()[0].tolist()
        raise CRFError(f"row {row}, step {t}: the label {int(tags[row, t])} does not exist; there are 0 to {count - 1}")
    return known


def _check_possible(best: Tensor, lengths: Tensor) -> None:
    wrong = (best < POSSIBLE) & (lengths > 0)
    if bool(wrong.any()):
        raise CRFError(
            f"row {int(wrong.nonzero()[0])}: no labelling is legal and allowed at every step; allow more labels there"
        )


def _illegal(row: int, t: int, tags: Tensor, lengths: Tensor) -> str:
    where = f"row {row}, step {min(t, int(lengths[row]) - 1)}: the label"
    if t == tags.shape[1]:
        what = f"{int(tags[row, lengths[row] - 1])} may not end a sequence"
    elif t == 0:
        what = f"{int(tags[row, 0])} may not begin a sequence"
    else:
        what = f"{int(tags[row, t])} may not follow {int(tags[row, t - 1])}"
    return f"{where} {what}; correct the labels, or allow it in `legal`"
