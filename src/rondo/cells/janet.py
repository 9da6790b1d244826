"""JANET: an LSTM with the forget gate alone."""

from rondo.cell import Cell, State, sigmoid, tanh


class JANET(Cell):
    """Just another network: forget gate only, the input let in through a gate shifted by `beta`
    (van der Westhuizen & Lasenby 2018, arXiv:1804.04849, sec. 3).

    h<t> = sigmoid(a) * h<t-1> + (1 - sigmoid(a - beta)) * c
    """

    citation = """
        @misc{vanderwesthuizen2018,
          author = {van der Westhuizen, Jos and Lasenby, Joan},
          title = {The Unreasonable Effectiveness of the Forget Gate},
          year = {2018}, eprint = {1804.04849}, archivePrefix = {arXiv}
        }
    """
    init = {"b_f": 1.0}
    beta: float = 1.0

    def step(self, x, s):
        a = self.W_f @ x + self.U_f @ s.h + self.b_f
        f = sigmoid(a)  # forget gate
        c = tanh(self.W_c @ x + self.U_c @ s.h + self.b_c)  # candidate
        return State(h=f * s.h + (1 - sigmoid(a - self.beta)) * c)
