"""LSTM with coupled input and forget gates."""

from rondo.cell import Cell, State, sigmoid, tanh


class CoupledLSTM(Cell):
    """Long short-term memory whose input gate is 1 - f (Greff et al. 2017, arXiv:1503.04069, sec. 3, "CIFG")."""

    citation = r"""
        @article{greff2017,
          author = {Greff, Klaus and Srivastava, Rupesh K. and Koutn{\'i}k, Jan and Steunebrink, Bas R. and
            Schmidhuber, J{\"u}rgen},
          title = {{LSTM}: A Search Space Odyssey},
          journal = {IEEE Transactions on Neural Networks and Learning Systems}, volume = {28}, number = {10},
          pages = {2222--2232}, year = {2017}, eprint = {1503.04069}, archivePrefix = {arXiv}
        }
    """
    states = {"h": "hidden", "c": "hidden"}
    init = {"b_f": 1.0}

    def step(self, x, s):
        f = sigmoid(self.W_f @ x + self.U_f @ s.h + self.b_f)  # forget gate
        g = tanh(self.W_g @ x + self.U_g @ s.h + self.b_g)  # candidate
        o = sigmoid(self.W_o @ x + self.U_o @ s.h + self.b_o)  # output gate
        c = f * s.c + (1 - f) * g
        return State(h=o * tanh(c), c=c)
