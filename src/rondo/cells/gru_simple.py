"""GRU with the update gate only."""

from rondo.cell import Cell, State, sigmoid, tanh


class GRUSimple(Cell):
    """Simplified gated recurrent unit: the update gate alone, as a first step to the full GRU
    (Cho et al. 2014, arXiv:1406.1078, eq. 6-8 with r = 1).

    h<t> = u * c + (1 - u) * h<t-1>
    """

    citation = "cho2014"

    def step(self, x, s):
        u = sigmoid(self.W_u @ x + self.U_u @ s.h + self.b_u)  # update gate
        c = tanh(self.W_c @ x + self.U_c @ s.h + self.b_c)  # candidate
        return State(h=u * c + (1 - u) * s.h)
