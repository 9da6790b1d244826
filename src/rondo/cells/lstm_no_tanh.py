"""LSTM whose output is the gated memory itself."""

from rondo.cell import Cell, State, sigmoid, tanh


class LSTMNoTanh(Cell):
    """Long short-term memory without the output's tanh: h<t> = o * c<t> (the variant "no output activation function"
    of Greff et al. 2017, arXiv:1503.04069, sec. 3; many slides print LSTM this way)."""

    citation = "greff2017"
    states = {"h": "hidden", "c": "hidden"}
    init = {"b_f": 1.0}

    def step(self, x, s):
        i = sigmoid(self.W_i @ x + self.U_i @ s.h + self.b_i)  # input (update) gate
        f = sigmoid(self.W_f @ x + self.U_f @ s.h + self.b_f)  # forget gate
        g = tanh(self.W_g @ x + self.U_g @ s.h + self.b_g)  # candidate
        o = sigmoid(self.W_o @ x + self.U_o @ s.h + self.b_o)  # output gate
        c = f * s.c + i * g
        return State(h=o * c, c=c)
