"""minGRU: a GRU whose gates read the input only."""

from rondo.cell import Cell, State, sigmoid


class MinGRU(Cell):
    """Minimal GRU, linear in its state (Feng et al. 2024, arXiv:2410.01201, sec. 3.1, without the log space).

    h<t> = (1 - z) * h<t-1> + z * (W_c x<t> + b_c)
    """

    citation = """
        @misc{feng2024,
          author = {Feng, Leo and Tung, Frederick and Ahmed, Mohamed Osama and Bengio, Yoshua and
            Hajimirsadeghi, Hossein},
          title = {Were {RNNs} All We Needed?},
          year = {2024}, eprint = {2410.01201}, archivePrefix = {arXiv}
        }
    """

    def step(self, x, s):
        z = sigmoid(self.W_z @ x + self.b_z)  # update gate
        c = self.W_c @ x + self.b_c  # candidate
        return State(h=(1 - z) * s.h + z * c)
