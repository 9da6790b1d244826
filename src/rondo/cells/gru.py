"""GRU as PyTorch and cuDNN compute it: reset after the product."""

from rondo.cell import Cell, State, sigmoid, tanh


class GRU(Cell):
    """Gated recurrent unit, reset applied after the product (Cho et al. 2014, arXiv:1406.1078v1, eq. 5-8;
    the form of cuDNN and torch.nn.GRU).

    n = tanh(W_n x + b_n + r * (U_n h<t-1> + b_hn)), h<t> = (1 - z) * n + z * h<t-1>. The reset gate multiplies
    b_hn, so the candidate keeps both biases; those of r and z add up to one each.
    """

    citation = "cho2014"

    def step(self, x, s):
        r = sigmoid(self.W_r @ x + self.U_r @ s.h + self.b_r)  # reset gate
        z = sigmoid(self.W_z @ x + self.U_z @ s.h + self.b_z)  # keeps the old state
        n = tanh(self.W_n @ x + self.b_n + r * (self.U_n @ s.h + self.b_hn))  # candidate
        return State(h=(1 - z) * n + z * s.h)
