"""Connectionist temporal classification: a labelling shorter than its input, aligned by nobody (Graves et al. 2006).

A path has one symbol a frame, a label or the blank; it stands for what is left when repetitions are merged and then
blanks taken out (B in the paper, sec. 3). The loss is -log of the summed probability of all paths that stand for the
labels (sec. 4):  -log sum_{path: B(path) = labels} prod_t p_t[path_t]
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from rondo.data.batch import IGNORED
from rondo.inputs import checked_lengths, without_padding

BLANK = 0  # the symbol of "no label"; labels are numbered from 1


class CTCError(ValueError):
    """Labels that have no path; the message names the row."""


def frames_needed(labels: Tensor, targets: Tensor | None = None) -> Tensor:
    """The fewest frames [B] that can stand for each row of labels [B, U]: one for each, and one for the blank between
    two that are alike. `targets` [B]: labels in each row (None: those that are not IGNORED).

    Data hold utterances that are too short, and pooling over time makes more: leave them out by this number.
    """
    targets = _targets(labels, targets)
    alike = (labels[:, 1:] == labels[:, :-1]) & (_steps(labels)[1:] < targets.unsqueeze(1))
    return targets + alike.sum(1)


def ctc_loss(scores: Tensor, labels: Tensor, lengths: Tensor | None = None, targets: Tensor | None = None) -> Tensor:
    """The loss in nats [B] of labels [B, U] given scores [B, T, K] before softmax, of which column 0 is the blank.

    lengths [B] frames of each row (None: T); targets [B] labels of each row (None: those that are not IGNORED). An
    empty row without labels has loss 0. What stands past a length is never read.
    Raises CTCError where a row has fewer frames than its labels need, or a label is not in 1 .. K - 1. So no loss is
    infinite by its data, and torch's `zero_infinity`, which would hide such rows, stays off.
    """
    batch, steps, symbols = scores.shape
    lengths = checked_lengths(lengths, batch, steps, scores.device)
    if lengths is None:
        lengths = torch.full((batch,), steps, device=scores.device)
    targets = _targets(labels, targets)
    labels = labels.where(_steps(labels) < targets.unsqueeze(1), BLANK)
    _check(labels, lengths, targets, symbols)
    if not scores.numel():  # torch refuses it; there are no labels either
        return scores.sum((1, 2))
    scores = without_padding(scores if scores.dtype is torch.float64 else scores.float(), lengths)
    log_probs = scores.log_softmax(2).transpose(0, 1)
    return functional.ctc_loss(log_probs, labels, lengths, targets, BLANK, reduction="none")


def _targets(labels: Tensor, targets: Tensor | None) -> Tensor:
    if targets is None:
        return (labels != IGNORED).sum(1)
    if targets.shape != labels.shape[:1] or bool(((targets < 0) | (targets > labels.shape[1])).any()):
        raise CTCError(f"targets must be [{len(labels)}] numbers between 0 and {labels.shape[1]}, the labels in a row")
    return targets.to(labels.device, torch.int64)


def _steps(labels: Tensor) -> Tensor:
    return torch.arange(labels.shape[1], device=labels.device)


def _check(labels: Tensor, lengths: Tensor, targets: Tensor, symbols: int) -> None:
    real = _steps(labels) < targets.unsqueeze(1)
    wrong = real & ((labels <= BLANK) | (labels >= symbols))
    if bool(wrong.any()):
        row, u = wrong.nonzero()[0].tolist()
        raise CTCError(
            f"row {row}: {int(labels[row, u])} is no label; labels are 1 to {symbols - 1}, and {BLANK} is the blank"
        )
    needed = frames_needed(labels, targets)
    short = needed > lengths
    if bool(short.any()):
        row = int(short.nonzero()[0])
        raise CTCError(
            f"row {row} has {int(lengths[row])} frames, its {int(targets[row])} labels need {int(needed[row])}: "
            "leave it out (`frames_needed` tells), or use shorter frames"
        )
