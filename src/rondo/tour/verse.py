"""The first two stops: a poem and a couplet, each with its proof.

Their networks run in the plain loop: for so short a text it is as fast, and nothing need be compiled first.
"""

from __future__ import annotations

from torch import nn

from rondo.rnn import RNN
from rondo.tasks.couplet.pair import answer
from rondo.tasks.couplet.request import CoupletResponse, couplet_request
from rondo.tasks.couplet.writer import Writer
from rondo.tasks.poetry.poet import Poet
from rondo.tasks.poetry.request import PoemResponse, poem_request
from rondo.tour.stops import FORM, NAME, THEME


def quatrain() -> PoemResponse:
    """A poem on the theme."""
    poet = Poet.load()
    _uncompiled(poet.model)
    return poet.write(poem_request(theme=THEME, form=FORM))


def spring() -> CoupletResponse:
    """A spring couplet from the name."""
    writer = Writer.load()
    _uncompiled(writer.model)
    return answer(writer, couplet_request(name=NAME, count=1))


def _uncompiled(model: nn.Module) -> None:
    """Set every network in the model on the reference loop."""
    for part in model.modules():
        if isinstance(part, RNN):
            part.backend = "reference"
