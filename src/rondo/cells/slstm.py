"""sLSTM: exponential gates with a stabiliser."""

from rondo.cell import Cell, State, exp, maximum, sigmoid, softplus, tanh, where


class SLSTM(Cell):
    """Scalar-memory LSTM of xLSTM, with one head (Beck et al. 2024, arXiv:2405.04517, eq. 8-17).

    The input gate is exp, the forget gate sigmoid; n counts what c has taken in, and m, the largest logarithm so
    far, keeps both exponents at or below 0. A memory that has taken in nothing (n = 0) has no weight of its own:
    it takes that of the input, so n = 1 after the first step and n >= 1 ever after, and c / n is always defined.
    """

    citation = r"""
        @inproceedings{beck2024,
          author = {Beck, Maximilian and P{\"o}ppel, Korbinian and Spanring, Markus and Auer, Andreas and
            Prudnikova, Oleksandra and Kopp, Michael and Klambauer, G{\"u}nter and Brandstetter, Johannes and
            Hochreiter, Sepp},
          title = {{xLSTM}: Extended Long Short-Term Memory},
          booktitle = {NeurIPS}, year = {2024}, eprint = {2405.04517}, archivePrefix = {arXiv}
        }
    """
    states = {"h": "hidden", "c": "hidden", "n": "hidden", "m": "hidden"}
    init = {"b_f": 1.0}

    def step(self, x, s):
        z = tanh(self.W_z @ x + self.U_z @ s.h + self.b_z)  # candidate
        o = sigmoid(self.W_o @ x + self.U_o @ s.h + self.b_o)  # output gate
        log_i = self.W_i @ x + self.U_i @ s.h + self.b_i
        log_f = -softplus(-(self.W_f @ x + self.U_f @ s.h + self.b_f))  # log sigmoid
        kept = where(s.n <= 0, log_i, log_f + s.m)  # logarithm of the memory's weight
        m = maximum(kept, log_i)
        f = exp(kept - m)  # stabilised forget gate
        i = exp(log_i - m)  # stabilised input gate
        c = f * s.c + i * z
        n = f * s.n + i
        return State(h=o * (c / n), c=c, n=n, m=m)
