"""minLSTM: an LSTM whose gates read the input only and add up to one."""

from rondo.cell import Cell, State, sigmoid, softplus


class MinLSTM(Cell):
    """Minimal LSTM, linear in its state (Feng et al. 2024, arXiv:2410.01201, sec. 3.2, without the log space).

    h<t> = f/(f + i) * h<t-1> + i/(f + i) * (W_c x<t> + b_c), with f = sigmoid(W_f x + b_f) and i alike. The shares
    are computed as sigmoid(log f - log i) and its complement: f/(f + i) would be 0/0 where both gates underflow.
    """

    citation = "feng2024"
    init = {"b_f": 1.0}

    def step(self, x, s):
        d = softplus(-(self.W_i @ x + self.b_i)) - softplus(-(self.W_f @ x + self.b_f))  # log f - log i
        f = sigmoid(d)  # share of the memory
        i = sigmoid(-d)  # share of the candidate
        c = self.W_c @ x + self.b_c  # candidate
        return State(h=f * s.h + i * c)
