"""Long short-term memory with a forget gate."""

from rondo.cell import Cell, State, sigmoid, tanh


class LSTM(Cell):
    """Long short-term memory with forget gate (Hochreiter & Schmidhuber 1997, doi:10.1162/neco.1997.9.8.1735;
    Gers et al. 2000, doi:10.1162/089976600300015015, eq. 3.1-3.6)."""

    citation = r"""
        @article{hochreiter1997,
          author = {Hochreiter, Sepp and Schmidhuber, J{\"u}rgen},
          title = {Long Short-Term Memory},
          journal = {Neural Computation}, volume = {9}, number = {8}, pages = {1735--1780}, year = {1997},
          doi = {10.1162/neco.1997.9.8.1735}
        }

        @article{gers2000,
          author = {Gers, Felix A. and Schmidhuber, J{\"u}rgen and Cummins, Fred},
          title = {Learning to Forget: Continual Prediction with {LSTM}},
          journal = {Neural Computation}, volume = {12}, number = {10}, pages = {2451--2471}, year = {2000},
          doi = {10.1162/089976600300015015}
        }
    """
    states = {"h": "hidden", "c": "hidden"}
    init = {"b_f": 1.0}

    def step(self, x, s):
        i = sigmoid(self.W_i @ x + self.U_i @ s.h + self.b_i)  # input (update) gate
        f = sigmoid(self.W_f @ x + self.U_f @ s.h + self.b_f)  # forget gate
        g = tanh(self.W_g @ x + self.U_g @ s.h + self.b_g)  # candidate
        o = sigmoid(self.W_o @ x + self.U_o @ s.h + self.b_o)  # output gate
        c = f * s.c + i * g
        return State(h=o * tanh(c), c=c)
