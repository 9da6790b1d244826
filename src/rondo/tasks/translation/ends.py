"""Where words end among pieces: which pieces go on with a word, and which begin another."""

from __future__ import annotations

import torch
from torch import Tensor

from rondo.tasks.translation.pieces import Pieces
from rondo.tasks.translation.words import words

_JOINTS = "'-"


class Ends:
    """Of every symbol what it may go on with.

    letters  begins with a letter or a digit, or with a part of one: goes on with a word
    joints   an apostrophe or a hyphen before letters, or alone
    marks    begins with another mark: goes on with a row of marks
    blank    is white space and nothing else: whatever follows belongs to it
    """

    def __init__(self, pieces: Pieces, language: str) -> None:
        texts = [pieces.subwords.decode([n]) for n in range(pieces.begin)]
        rest = [False] * (len(pieces) - len(texts))
        self.language = language
        self.letters = torch.tensor([_inner(t) for t in texts] + rest)
        self.joints = torch.tensor([t[:1] in _JOINTS and bool(t) and _inner(t[1:] or "x") for t in texts] + rest)
        begins = [bool(t) and not t[0].isspace() and not _inner(t) for t in texts]
        self.marks = torch.tensor(begins + rest) & ~(self.joints & torch.tensor([len(t) > 1 for t in texts] + rest))
        self._none = torch.zeros(len(pieces), dtype=torch.bool)

    def inner(self, text: str, alone: bool = False) -> Tensor:
        """The symbols [V] that go on with the last word of a text. alone: a hyphen or an apostrophe without letters
        counts as going on."""
        if not text or text[-1].isspace():
            return self._none
        if text[-1].isalnum() or text[-1] == "\ufffd":
            joints = self.joints if alone else self.joints & ~self.marks
            return self.letters | joints
        found = words(text, self.language)
        joined = text[-1] in _JOINTS and bool(found) and found[-1].end - found[-1].start > 1
        return self.letters if joined and self.language != "fr" else self.marks


def _inner(text: str) -> bool:
    return bool(text) and (text[0].isalnum() or text[0] == "\ufffd" or "\u0300" <= text[0] <= "\u036f")
