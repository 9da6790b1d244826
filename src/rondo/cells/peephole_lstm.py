"""LSTM whose gates see the memory."""

from rondo.cell import Cell, State, sigmoid, tanh


class PeepholeLSTM(Cell):
    """Long short-term memory with peepholes p (Gers et al. 2002, JMLR 3:115-143, sec. 4;
    as in Graves 2013, arXiv:1308.0850, eq. 7-11). The output gate looks at the new memory."""

    citation = r"""
        @article{gers2002,
          author = {Gers, Felix A. and Schraudolph, Nicol N. and Schmidhuber, J{\"u}rgen},
          title = {Learning Precise Timing with {LSTM} Recurrent Networks},
          journal = {Journal of Machine Learning Research}, volume = {3}, pages = {115--143}, year = {2002}
        }
    """
    states = {"h": "hidden", "c": "hidden"}
    init = {"b_f": 1.0}

    def step(self, x, s):
        i = sigmoid(self.W_i @ x + self.U_i @ s.h + self.p_i * s.c + self.b_i)  # input gate
        f = sigmoid(self.W_f @ x + self.U_f @ s.h + self.p_f * s.c + self.b_f)  # forget gate
        g = tanh(self.W_g @ x + self.U_g @ s.h + self.b_g)  # candidate
        c = f * s.c + i * g
        o = sigmoid(self.W_o @ x + self.U_o @ s.h + self.p_o * c + self.b_o)  # output gate
        return State(h=o * tanh(c), c=c)
