"""Update gate recurrent network."""

from rondo.cell import Cell, State, sigmoid, tanh


class UGRNN(Cell):
    """Update gate recurrent network (Collins et al. 2017, arXiv:1611.09913, sec. 2.1, "UGRNN").

    h<t> = g * h<t-1> + (1 - g) * c
    """

    citation = """
        @inproceedings{collins2017,
          author = {Collins, Jasmine and Sohl-Dickstein, Jascha and Sussillo, David},
          title = {Capacity and Trainability in Recurrent Neural Networks},
          booktitle = {ICLR}, year = {2017}, eprint = {1611.09913}, archivePrefix = {arXiv}
        }
    """
    init = {"b_g": 1.0}

    def step(self, x, s):
        c = tanh(self.W_c @ x + self.U_c @ s.h + self.b_c)  # candidate
        g = sigmoid(self.W_g @ x + self.U_g @ s.h + self.b_g)  # update gate: keeps the old state
        return State(h=g * s.h + (1 - g) * c)
