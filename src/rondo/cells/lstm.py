"""Long short-term memory with a forget gate."""

from rondo.cell import Cell, State, sigmoid, tanh


class LSTM(Cell):
    """Long short-term memory with forget gate (Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735;
    Gers et al. 2000, doi:10.1162/089976600300015015, eq. 3.1-3.6)."""

    citation = "hochreiter1997"
    states = {"h": "hidden", "c": "hidden"}
    init = {"b_f": 1.0}

    def step(self, x, s):
        i = sigmoid(self.W_i @ x + self.U_i @ s.h + self.b_i)  # input (update) gate
        f = sigmoid(self.W_f @ x + self.U_f @ s.h + self.b_f)  # forget gate
        g = tanh(self.W_g @ x + self.U_g @ s.h + self.b_g)  # candidate
        o = sigmoid(self.W_o @ x + self.U_o @ s.h + self.b_o)  # output gate
        c = f * s.c + i * g
        return State(h=o * tanh(c), c=c)
