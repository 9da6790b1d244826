"""Elman's simple recurrent network."""

from rondo.cell import Cell, State, relu, tanh


class Elman(Cell):
    """Simple recurrent network with tanh (Elman 1990, Cognitive Science 14(2), doi:10.1207/s15516709cog1402_1, fig. 2).

    h<t> = tanh(W x<t> + U h<t-1> + b)
    """

    citation = "elman1990"

    def step(self, x, s):
        return State(h=tanh(self.W @ x + self.U @ s.h + self.b))


class ElmanRelu(Cell):
    """Elman's network with rectified units and an identity start (Le et al. 2015, arXiv:1504.00941, sec. 2).

    h<t> = relu(W x<t> + U h<t-1> + b)
    """

    citation = "le2015"
    init = {"U": "identity"}

    def step(self, x, s):
        return State(h=relu(self.W @ x + self.U @ s.h + self.b))
