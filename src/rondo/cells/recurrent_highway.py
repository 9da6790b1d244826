"""Recurrent highway network."""

from rondo.cell import Cell, State, sigmoid, tanh


class RecurrentHighway(Cell):
    """Recurrent highway network: `depth` highway layers inside one step, the carry gate coupled as 1 - t
    (Zilly et al. 2017, arXiv:1607.03474, eq. 6-9). The input enters the first layer only."""

    citation = r"""
        @inproceedings{zilly2017,
          author = {Zilly, Julian Georg and Srivastava, Rupesh Kumar and Koutn{\'i}k, Jan and
            Schmidhuber, J{\"u}rgen},
          title = {Recurrent Highway Networks},
          booktitle = {ICML}, pages = {4189--4198}, year = {2017}, eprint = {1607.03474}, archivePrefix = {arXiv}
        }
    """
    depth: int = 3

    def step(self, x, s):
        h = s.h
        for k in range(self.depth):
            a = self.R_c[k] @ h + self.b_c[k]
            b = self.R_t[k] @ h + self.b_t[k]
            if k == 0:
                a, b = self.W_c @ x + a, self.W_t @ x + b
            c = tanh(a)  # candidate
            t = sigmoid(b)  # transform gate
            h = c * t + h * (1 - t)
        return State(h=h)
