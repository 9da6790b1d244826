"""Minimal gated unit."""

from rondo.cell import Cell, State, sigmoid, tanh


class MGU(Cell):
    """Minimal gated unit: the forget gate is reset and update gate at once
    (Zhou et al. 2016, arXiv:1603.09420)."""

    citation = """
        @article{zhou2016,
          author = {Zhou, Guo-Bing and Wu, Jianxin and Zhang, Chen-Lin and Zhou, Zhi-Hua},
          title = {Minimal Gated Unit for Recurrent Neural Networks},
          journal = {International Journal of Automation and Computing}, volume = {13}, number = {3},
          pages = {226--234}, year = {2016}, eprint = {1603.09420}, archivePrefix = {arXiv}
        }
    """

    def step(self, x, s):
        f = sigmoid(self.W_f @ x + self.U_f @ s.h + self.b_f)  # forget gate
        c = tanh(self.W_c @ x + self.U_c @ (f * s.h) + self.b_c)  # candidate
        return State(h=(1 - f) * s.h + f * c)
