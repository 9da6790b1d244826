"""Mogrifier LSTM."""

from rondo.cell import Cell, State, sigmoid, tanh


class Mogrifier(Cell):
    """LSTM whose input and state gate each other for `rounds` rounds before the step
    (Melis et al. 2020, arXiv:1909.01792, eq. 1-2)."""

    citation = r"""
        @inproceedings{melis2020,
          author = {Melis, G{\'a}bor and Ko{\v{c}}isk{\'y}, Tom{\'a}{\v{s}} and Blunsom, Phil},
          title = {Mogrifier {LSTM}},
          booktitle = {ICLR}, year = {2020}, eprint = {1909.01792}, archivePrefix = {arXiv}
        }
    """
    states = {"h": "hidden", "c": "hidden"}
    init = {"b_f": 1.0}
    rounds: int = 5

    def step(self, x, s):
        h = s.h
        for k in range(1, self.rounds + 1):
            if k % 2:
                x = 2 * sigmoid(self.Q[k] @ h) * x
            else:
                h = 2 * sigmoid(self.R[k] @ x) * h
        i = sigmoid(self.W_i @ x + self.U_i @ h + self.b_i)  # input gate
        f = sigmoid(self.W_f @ x + self.U_f @ h + self.b_f)  # forget gate
        g = tanh(self.W_g @ x + self.U_g @ h + self.b_g)  # candidate
        o = sigmoid(self.W_o @ x + self.U_o @ h + self.b_o)  # output gate
        c = f * s.c + i * g
        return State(h=o * tanh(c), c=c)
